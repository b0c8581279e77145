/*
 * Broadcasts that ask for acknowledgements
 *
 * One id for all receivers; each has a wait of its own (ack.h), so that an
 * answer counts once and from whom was asked only. A client that disconnects
 * is expected no longer: nobody waits for the timeout on its account.
 */
#ifndef SKIO_SOCKETIO_ASKING_H
#define SKIO_SOCKETIO_ASKING_H

#include "socketio/ack.h"

struct skio_asking {
    skio_server *server;
    uint64_t id;
    uint32_t timeout_ms;
    size_t pending; /* waits, and one while the broadcast is going out */
    size_t received;
    size_t expected;
    bool timed_out;
    skio_answers_fn *fn;
    void *user;
};

/* Ask one more receiver, before the message is queued for it. */
int skio__asking_add(struct skio_asking *asking, skio_socket *socket);

/* skio_emit_with_acks(), from a va_list. */
int skio__emit_with_acks(skio_nsp *nsp, const skio_target *target,
                         skio_answers_fn *fn, void *user, const char *event,
                         const char *format, va_list args) SKIO_PRINTF(6, 0);

#endif /* SKIO_SOCKETIO_ASKING_H */
