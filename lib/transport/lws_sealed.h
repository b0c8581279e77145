/*
 * TLS after the handshake (lws_handshake.c): what is read and written instead
 * of the socket
 *
 * What has come is read in one go, and not in two for each record; what the
 * socket does not take is kept here, so that OpenSSL is never amid a write.
 */
#ifndef SKIO_TRANSPORT_LWS_SEALED_H
#define SKIO_TRANSPORT_LWS_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <socketio/server.h>

struct skio__sealed;

/*
 * What the socket did not take of what OpenSSL wrote is kept: a record, and
 * answers to changes of keys, which OpenSSL writes while it reads. With more
 * than this the connection ends.
 */
#define SKIO__SEALED_KEPT 65536

/* ssl: an SSL *, whose handshake is done. Returns NULL when memory ran out. */
struct skio__sealed *skio__sealed_new(const skio_allocator *mem, void *ssl);
/* NULL is allowed. The SSL stays. */
void skio__sealed_free(struct skio__sealed *sealed);
/* Likewise, and the SSL goes; the peer is told, unless it is amid a record. */
void skio__sealed_drop(struct skio__sealed *sealed);

/*
 * As recv(): returns how many bytes came, 0 at the end, -1 with errno EAGAIN
 * when none are there.
 *
 * room  With 64 KiB nothing is left behind that the descriptor would not tell
 *       of again.
 */
ssize_t skio__sealed_read(struct skio__sealed *sealed, void *out, size_t room);
/* As recv() with MSG_PEEK, of a byte that nobody gets. */
ssize_t skio__sealed_peek(struct skio__sealed *sealed);
/* Whether bytes are here that the descriptor does not tell of, or the end. */
bool skio__sealed_has_more(const struct skio__sealed *sealed);
/* Whether nothing can come after what was read last. */
bool skio__sealed_is_over(const struct skio__sealed *sealed);

/*
 * As send(), 16 KiB at most, but that a record which does not go out as a whole
 * is kept: see skio__sealed_flush(). While one is, errno is EAGAIN.
 */
ssize_t skio__sealed_write(struct skio__sealed *sealed, const void *data,
                           size_t len);
/* Bytes that are kept. */
size_t skio__sealed_kept(const struct skio__sealed *sealed);
/* Write what is kept, the end too. Returns 1 when nothing is, 0 when there is
 * no room for it, -1 when the connection is lost. */
int skio__sealed_flush(struct skio__sealed *sealed);
/* Tell the peer that nothing follows. Returns as skio__sealed_flush(). */
int skio__sealed_end(struct skio__sealed *sealed);

#endif /* SKIO_TRANSPORT_LWS_SEALED_H */
