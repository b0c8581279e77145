/*
 * What comes on a connection that lws does not know, before it is a WebSocket
 *
 * Without TLS what was not taken stays in the kernel (MSG_PEEK). What TLS has
 * decrypted cannot go back: the part of a head, or what followed a request, is
 * kept here, less than SKIO__HEAD_MAX bytes, until it was read. OpenSSL has
 * more of its own that the descriptor does not tell of: skio__input_go_on().
 *
 * All of it goes through the buffer that all connections share.
 */
#ifndef SKIO_TRANSPORT_LWS_INPUT_H
#define SKIO_TRANSPORT_LWS_INPUT_H

#include <sys/types.h>

#include "transport/lws.h"

#define SKIO__HEAD_MAX 16384 /* bytes that are looked at: lws takes longer */

/* Look at what came, `most` bytes of it without TLS. Returns as recv(). */
ssize_t skio__input_look(struct skio__conn *conn, size_t most);
/*
 * Take what was looked at, and with it as much as `most` of what has come.
 *
 * len   Bytes that were looked at.
 * seen  Of these the ones to take; most is not less.
 *
 * Returns how much is in the buffer; < 0: the connection is lost.
 */
ssize_t skio__input_take(struct skio__conn *conn, size_t len, size_t seen,
                         size_t most);
/* The next bytes, of a body. Returns as recv(). */
ssize_t skio__input_read(struct skio__conn *conn, size_t room);
/* Whether something came: 1, 0: the end; -1 with errno as recv(). */
ssize_t skio__input_peek(struct skio__conn *conn);

/*
 * Wait for the rest of a head of which len bytes were looked at, and be told
 * when there is more. Returns false when that cannot be, or when there is
 * nothing new: that is the end.
 */
bool skio__input_await(struct skio__conn *conn, size_t len);
/* What comes next is looked at from its first byte on. Returns false when that
 * cannot be: nobody would be told of a short message. */
bool skio__input_end_head(struct skio__conn *conn);

/* Whether bytes are here that the descriptor does not tell of. */
bool skio__input_has_more(const struct skio__conn *conn);
/* Be told of these, EV_READ or EV_WRITE. */
void skio__input_watch(struct skio__conn *conn, int events);
/* If there are, be told of something to read; others have their turns, too. */
void skio__input_go_on(struct skio__conn *conn);

#endif /* SKIO_TRANSPORT_LWS_INPUT_H */
