/*
 * Namespaces made on demand: parents, their verdicts, and the clean-up of
 * children that lost their last socket
 */
#ifndef SKIO_SOCKETIO_DYNAMIC_H
#define SKIO_SOCKETIO_DYNAMIC_H

#include "socketio/client.h"
#include "socketio/namespace.h"
#include "socketio/packet.h"

/* What makes a namespace a parent. */
struct sio_matcher {
    skio_nsp *next;    /* the parent made after this one */
    skio_match_fn *fn; /* NULL: pattern decides */
    void *user;
    char pattern[];
};

/* A client's CONNECT that waits for a verdict. */
struct skio_match {
    struct sio_home *home;
    skio_server *server;
    struct sio_client *client; /* NULL: it has gone */
    skio_match *next;          /* of the same client */
    skio_nsp *parent;          /* which is asked */
    bool is_running;           /* inside its function */
    int verdict;               /* 0 while undecided, 1 yes, -1 no */
    skio_value *auth;          /* NULL: none was sent */
    size_t name_len;
    char name[];
};

/*
 * A CONNECT to a namespace that does not exist: ask the parents. Ends, now or
 * later, in skio__client_join() or skio__client_refuse().
 */
void skio__dynamic_ask(struct sio_client *client,
                       const struct sio_packet *packet);

/* The first parent whose pattern matches the name, or NULL: functions are not
 * asked. */
skio_nsp *skio__dynamic_parent(const skio_server *server, const char *name);

/* The client has gone: verdicts still to come have nothing to decide. */
void skio__dynamic_forget(struct sio_client *client);

/* Free children without sockets; at the end of a turn. */
void skio__dynamic_sweep(skio_server *server);

/* A socket of this namespace was freed. */
void skio__dynamic_left(skio_nsp *nsp);

#endif /* SKIO_SOCKETIO_DYNAMIC_H */
