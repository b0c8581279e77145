/*
 * HTTP exchanges: one request of a client until its response
 *
 * The functions of <socketio/transport.h>, with the engine in place of the
 * server. Verification, handshake, polls, posts and upgrades begin here.
 */
#ifndef SKIO_ENGINEIO_EXCHANGE_H
#define SKIO_ENGINEIO_EXCHANGE_H

#include "engineio/engine.h"

int skio__exchange_new(struct eio_engine *engine, const skio_request *request,
                       void *handle, skio_exchange **out);

/* skio_exchange_body(), _end(), _abort(), _headers() and skio_ws_*() of
 * <socketio/transport.h> need no wrapper and are defined in this room. */

#endif /* SKIO_ENGINEIO_EXCHANGE_H */
