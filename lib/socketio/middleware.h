/*
 * Middlewares: who may connect
 *
 * A skio_next is the position in a namespace's chain for one connecting
 * socket. It is the application's from the call of a middleware to its verdict,
 * which may come later, also after the client or the server has gone: it holds
 * the socket.
 */
#ifndef SKIO_SOCKETIO_MIDDLEWARE_H
#define SKIO_SOCKETIO_MIDDLEWARE_H

#include "socketio/socket.h"

/* Whether a socket of this namespace has any to ask. */
bool skio__middleware_is_any(const skio_nsp *nsp);

/* Start the chain of a CONNECTING socket. SKIO_OK or SKIO_ENOMEM. */
int skio__middleware_start(skio_socket *socket);

#endif /* SKIO_SOCKETIO_MIDDLEWARE_H */
