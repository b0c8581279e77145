/*
 * Taps: who watches the sockets of all namespaces, <socketio/namespace.h>
 *
 * server->taps is NULL until somebody does, which is all that is looked at on
 * the way of an event.
 */
#ifndef SKIO_SOCKETIO_TAPS_H
#define SKIO_SOCKETIO_TAPS_H

#include "base/compiler.h"
#include "socketio/namespace.h"

struct sio_tap {
    struct sio_tap *next;
    skio_nsp_taps fns;
    void *user;
};

void skio__nsp_taps_deinit(skio_server *server);

/* One of the functions: the rest are its arguments but the last. */
#define SIO_TAP(server, name, ...)                                             \
    do {                                                                       \
        const struct sio_tap *tap_ = (server)->taps;                           \
        for (; skio__unlikely(tap_ != NULL); tap_ = tap_->next) {              \
            if (tap_->fns.name != NULL)                                        \
                tap_->fns.name(__VA_ARGS__, tap_->user);                       \
        }                                                                      \
    } while (0)

void skio__nsp_taps_received(skio_nsp *nsp, const char *event, size_t len);
void skio__nsp_taps_handled(skio_nsp *nsp);

/* An event was encoded, to be sent to whomever. */
static inline void
skio__nsp_tell_sent(skio_nsp *nsp, const char *event)
{
    SIO_TAP(nsp->server, sent, nsp, event);
}

#endif /* SKIO_SOCKETIO_TAPS_H */
