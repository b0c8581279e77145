/*
 * The writing half of lws_direct.c
 *
 * What waits leaves in this order: the rest of the answer to the handshake, or
 * a pong, unless a frame is half on its way; then the frames of the WebSocket.
 * A full socket is watched until it has room. The Close that answers the peer's
 * goes last.
 */
#ifndef SKIO_TRANSPORT_LWS_DIRECT_OUT_H
#define SKIO_TRANSPORT_LWS_DIRECT_OUT_H

#include <errno.h>

#include "transport/lws_direct.h"

/* What a call failed with passes. */
static inline bool
skio__direct_would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Of the 101, a part has not left: lws writes it when there is room, and ours
 * comes after that. Defined in lws_direct.c. */
bool skio__direct_waits_for_lws(const struct skio__conn *conn);

/* Write the answer to the handshake, and what waits. Returns 0, or -1: drop the
 * connection. */
int skio__direct_write_first(struct skio__conn *conn, const void *answer,
                             size_t len);
/* The pong leaves with the next write. Returns 0, or -1: out of memory. */
int skio__direct_answer_ping(struct skio__conn *conn,
                             const struct skio__frame *ping);
/* The peer closes: with its own words it is answered, after what it has asked
 * before. Where that cannot be written at once, it is not. */
void skio__direct_answer_close(struct skio__conn *conn,
                               const struct skio__frame *frame);
/* Tell the peer that nothing follows. Returns 0, or -1 when the connection is
 * lost. */
int skio__direct_end_writing(struct skio__conn *conn);

#endif /* SKIO_TRANSPORT_LWS_DIRECT_OUT_H */
