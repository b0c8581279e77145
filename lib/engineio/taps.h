/*
 * Taps: who watches the sessions, <socketio/engine.h>
 *
 * engine->is_tapped is false until somebody watches more than how sessions come
 * and go, which is all that is looked at on the way of a packet.
 */
#ifndef SKIO_ENGINEIO_TAPS_H
#define SKIO_ENGINEIO_TAPS_H

#include "engineio/engine.h"
#include "engineio/packet.h"

struct eio_tap {
    struct eio_tap *next;
    skio_engine_taps fns;
    void *user;
};

void skio__taps_deinit(struct eio_engine *engine);

/* One of the functions that take a session alone. */
#define EIO_TAP(session, name)                                                 \
    do {                                                                       \
        const struct eio_tap *tap_ = (session)->engine->taps;                  \
        for (; tap_ != NULL; tap_ = tap_->next) {                              \
            if (tap_->fns.name != NULL)                                        \
                tap_->fns.name((session), tap_->user);                         \
        }                                                                      \
    } while (0)

void skio__taps_close(struct skio_session *session,
                      enum skio_disconnect reason);
void skio__taps_received(struct skio_session *session,
                         const struct eio_packet *packet);
void skio__taps_created(struct skio_session *session,
                        const struct skio__blob *blob);

#endif /* SKIO_ENGINEIO_TAPS_H */
