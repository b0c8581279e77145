/*
 * Compression: of WebSocket messages (permessage-deflate) and of the responses
 * to polls
 *
 * Off by default: engine->compression is NULL then. What it needs of zlib is
 * made on first use, once for all connections, none of which holds any of it: a
 * message out is compressed once for all who get it, a message in when it is
 * complete.
 */
#ifndef SKIO_ENGINEIO_COMPRESSION_H
#define SKIO_ENGINEIO_COMPRESSION_H

#include "base/deflate.h"
#include "base/coding.h"
#include "engineio/engine.h"

/* Make engine->compression if the options want it. SKIO_OK or SKIO_ENOMEM. */
int skio__compression_init(struct eio_engine *engine) SKIO_MUST_CHECK;
void skio__compression_deinit(struct eio_engine *engine);

/*
 * The blob to queue for a client that inflates with such a window: the
 * compressed form, which the blob keeps for the next one, or the blob itself
 * when it is short, shall not be compressed or gains nothing. Borrowed from
 * the blob.
 */
struct skio__blob *skio__compression_of(struct eio_engine *engine,
                                        struct skio__blob *blob,
                                        uint8_t window_bits);

/* Append the bytes of a compressed message: see skio__inflater_run(). */
int skio__compression_inflate(struct eio_engine *engine, const void *data,
                              size_t len, struct skio__buf *out);

/*
 * Compress the body of a response into out, which is empty.
 *
 * Returns the name of the coding, or NULL: send the body as it is.
 */
const char *skio__compression_body(struct eio_engine *engine,
                                   enum skio__coding coding, const void *body,
                                   size_t len, struct skio__buf *out);

#endif /* SKIO_ENGINEIO_COMPRESSION_H */
