/*
 * The TLS handshake of a connection that lws does not know
 *
 * OpenSSL's object is made with the first byte that comes, so a connection that
 * says nothing costs as little as without TLS. It reads and writes the socket
 * itself until the handshake is done; then lws_sealed.c has it. The time is
 * that of a first head: header_timeout_ms for both.
 */
#ifndef SKIO_TRANSPORT_LWS_HANDSHAKE_H
#define SKIO_TRANSPORT_LWS_HANDSHAKE_H

#include "transport/lws.h"

/* Whether one is due: nothing else can be read before. */
bool skio__handshake_is_due(const struct skio__conn *conn);
/* The socket is ready. Returns 1 when it is done, 0 when it waits, -1 when the
 * connection is over: what OpenSSL says of the cause has been sent. */
int skio__handshake_go_on(struct skio__conn *conn);
/* Before the connection is closed, one that is due. */
void skio__handshake_drop(struct skio__conn *conn);

#endif /* SKIO_TRANSPORT_LWS_HANDSHAKE_H */
