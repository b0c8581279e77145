/*
 * Acknowledgements, in both directions
 *
 * Those a client asks for (skio_ack) live on the dispatcher's stack until the
 * application takes them. Those asked of a client (sio_wait) are found by
 * socket and id, so that no answer of one socket reaches another's callback,
 * and end exactly once: answered, timed out, or closed.
 */
#ifndef SKIO_SOCKETIO_ACK_H
#define SKIO_SOCKETIO_ACK_H

#include "socketio/socket.h"

struct skio_ack {
    skio_socket *socket; /* referenced when taken */
    uint64_t id;
    bool is_done;  /* answered, or taken away to the heap */
    bool is_taken; /* this is the heap's */
};

struct sio_wait_key {
    skio_socket *socket;
    uint64_t id;
};

struct sio_wait {
    struct skio__map_node node; /* in server->waits */
    struct skio__heap_node due; /* in server->ack_due, if it has a timeout */
    struct sio_wait_key key;
    struct sio_wait *prev; /* of the same socket */
    struct sio_wait *next;
    skio_ack_fn *fn;
    void *user;
};

/*
 * Expect an answer with this id from the socket, before its packet is queued;
 * timeout_ms 0: until it disconnects. Ends in one call of fn.
 *
 * Returns SKIO_OK; SKIO_ELIMIT beyond max_pending_acks; SKIO_ENOMEM.
 */
int skio__ack_wait(skio_socket *socket, uint64_t id, uint32_t timeout_ms,
                   skio_ack_fn *fn, void *user);

/* The client answered: args of an ACK packet. Unknown ids are ignored. */
void skio__ack_receive(skio_socket *socket, uint64_t id,
                       const skio_value *args);

/* The socket has gone: every callback gets SKIO_ECLOSED. */
void skio__ack_close_all(skio_socket *socket);

/* Run what is due. */
void skio__ack_timeouts(skio_server *server, uint64_t now_ms);

#endif /* SKIO_SOCKETIO_ACK_H */
