/*
 * WebSockets that are read and written here, on lws' socket
 *
 * lws accepts, reads the request and shakes hands; from then on a WebSocket of
 * the own context without TLS and without permessage-deflate is ours: lws'
 * reading is turned off, and a watcher in the same libev loop tells when there
 * is something to read. One recv() takes what has come, into a buffer that all
 * share, and one send() writes what waits. lws learns of the end only, and
 * closes the descriptor.
 *
 * The rest (a host's vhost, TLS, compression, lws' poll() loop) is read and
 * written by lws: lws_frames.c.
 */
#ifndef SKIO_TRANSPORT_LWS_DIRECT_H
#define SKIO_TRANSPORT_LWS_DIRECT_H

#include "transport/lws.h"

/* Whether a WebSocket whose handshake is done is one of these. */
bool skio__direct_may(const struct skio__conn *conn);
/* From the end of the turn on. Returns 0, or -1: drop the connection. */
int skio__direct_begin(struct skio__conn *conn);
/* The end of a turn: lws has unwound. */
void skio__direct_begin_all(struct skio__lws *transport);
/* Before lws closes the descriptor. */
void skio__direct_end(struct skio__conn *conn);
/* lws has bytes of this connection: see the definition. */
void skio__direct_refuse(struct skio__conn *conn);
/* Write what waits. Non-zero: the connection has ended. */
int skio__direct_write(struct skio__conn *conn);

#endif /* SKIO_TRANSPORT_LWS_DIRECT_H */
