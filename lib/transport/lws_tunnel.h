/*
 * Requests over TLS that are not plain: lws gets them through a pair of sockets
 *
 * lws cannot take over a connection whose TLS has begun. So it gets one end of
 * a pair as a connection that has none, and what goes through is carried here:
 *
 *     client ◀── TLS, the connection ──▶ tunnel ◀── pair ──▶ lws
 *
 * In each direction nothing is read before all that was has been written, so a
 * slow end slows the other one: at most 64 KiB wait towards lws, and a record
 * towards the client. An end of either side is told to the other; the tunnel
 * stays until the client has all that lws wrote, or takes nothing for
 * idle_timeout_ms, and until then counts as the one connection that it is.
 */
#ifndef SKIO_TRANSPORT_LWS_TUNNEL_H
#define SKIO_TRANSPORT_LWS_TUNNEL_H

#include "transport/lws.h"

/*
 * Give lws a connection whose handshake is done, with what was looked at: len
 * bytes of the buffer that all share. Returns 0, and the conn may be gone; or
 * -1, nothing has changed.
 */
int skio__tunnel_begin(struct skio__conn *conn, size_t len);
/* lws is done with the conn of it, and closes its end. */
void skio__tunnel_leave(struct skio__conn *conn);
/* Whether the client has sent what lws does not know of yet. */
bool skio__tunnel_has_input(const struct skio__conn *conn);

/* End those whose time has come. */
void skio__tunnel_timeout(struct skio__lws *transport, uint64_t now_ms);
/* End all, after lws has closed its ends. */
void skio__tunnel_drop_all(struct skio__lws *transport);

#endif /* SKIO_TRANSPORT_LWS_TUNNEL_H */
