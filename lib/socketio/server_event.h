/*
 * Events between the servers of a cluster
 *
 * They travel through the namespace's adapter and end in handlers of the
 * namespace itself, not of its sockets. An asker's address is copied into the
 * ack, so that an answer may come whenever the handler likes.
 */
#ifndef SKIO_SOCKETIO_SERVER_EVENT_H
#define SKIO_SOCKETIO_SERVER_EVENT_H

#include "socketio/namespace.h"

struct skio_server_ack {
    struct sio_home *home; /* of a taken one: referenced */
    skio_nsp *nsp;         /* likewise; gone with the server */
    skio_server_asker asker;
    bool is_taken;
    bool is_done;
};

/* Answers that other servers owe. */
struct skio_server_asking {
    skio_nsp *nsp; /* it stays as long as this */
    skio_responses_fn *fn;
    void *user;
};

#endif /* SKIO_SOCKETIO_SERVER_EVENT_H */
