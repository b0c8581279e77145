/*
 * Connections that lws does not know, as long as nobody needs it
 *
 * A connection that the own listener accepts is watched here, in lws' libev
 * loop. What a client sends first, with TLS after the handshake
 * (lws_handshake.h), is only looked at (lws_input.h):
 *
 *     a plain request (plain.h) of the server's path   is taken and answered
 *     the beginning of one                             stays there
 *     anything else                                    lws gets the socket, and
 *                                                      reads it from the start;
 *                                                      with TLS, the end of a
 *                                                      tunnel (lws_tunnel.h)
 *
 * The same happens with each further request of a kept-alive connection, so lws
 * takes over between two requests, and answers all that is odd or wrong. It
 * serves files and other paths as well. Once it has a connection, it keeps it.
 *
 * A WebSocket goes on in lws_direct.c. The struct skio__direct of a connection
 * is made when it comes, and holds its watcher.
 */
#ifndef SKIO_TRANSPORT_LWS_OWN_H
#define SKIO_TRANSPORT_LWS_OWN_H

#include "transport/lws.h"

/* Take a connection that has just come. Returns false, and does nothing, where
 * lws has to have it. */
bool skio__own_begin(struct skio__conn *conn, int fd);
/* Whether to be told when there is something to read. */
void skio__own_turn_reading(struct skio__conn *conn, bool on);
/* Close it. The conn is freed. */
void skio__own_close(struct skio__conn *conn);
void skio__own_drop_all(struct skio__lws *transport);

#endif /* SKIO_TRANSPORT_LWS_OWN_H */
