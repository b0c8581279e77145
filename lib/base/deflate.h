/*
 * DEFLATE: bytes made smaller, and back
 *
 * By zlib. Neither side keeps anything from one call to the next, so one of a
 * kind serves all connections.
 */
#ifndef SKIO_BASE_DEFLATE_H
#define SKIO_BASE_DEFLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define SKIO__DEFLATE_BITS_MIN 9 /* of a window: zlib's raw form has no 8 */
#define SKIO__DEFLATE_BITS_MAX 15

enum skio__deflate_format {
    SKIO__DEFLATE_MESSAGE, /* of permessage-deflate (RFC 7692, 7.2.1) */
    SKIO__DEFLATE_ZLIB,    /* HTTP's "deflate" (RFC 1950) */
    SKIO__DEFLATE_GZIP     /* RFC 1952 */
};

struct skio__deflate_settings {
    enum skio__deflate_format format;
    uint8_t level;       /* 1 (fast) to 9 (small) */
    uint8_t window_bits; /* SKIO__DEFLATE_BITS_MIN to _MAX */
    uint8_t mem_level;   /* 1 to 9 */
};

struct skio__deflater;
struct skio__inflater;

/* NULL: out of memory. Takes (1 << (window_bits + 2)) + (1 <<
 * (mem_level + 9)) bytes and a few KB. */
struct skio__deflater *skio__deflater_new(
    const skio_allocator *mem, const struct skio__deflate_settings *settings);
void skio__deflater_free(struct skio__deflater *deflater); /* NULL: nothing */

/*
 * Append all of data in compressed form.
 *
 * Returns SKIO_OK; SKIO_ETOOBIG when that takes max bytes or more; SKIO_ENOMEM.
 * A failed call appends nothing.
 */
int skio__deflater_run(struct skio__deflater *deflater, const void *data,
                       size_t len, size_t max, struct skio__buf *out)
    SKIO_MUST_CHECK;

/* For messages, whatever their window. NULL: as above. */
struct skio__inflater *skio__inflater_new(const skio_allocator *mem);
void skio__inflater_free(struct skio__inflater *inflater); /* NULL: nothing */

/*
 * Append the bytes of a compressed message.
 *
 * Returns SKIO_OK; SKIO_ETOOBIG when out would pass its maximum, which must be
 * set: no more work than for those bytes is done; SKIO_EPROTO for what is no
 * compressed message, or not all of one; SKIO_ENOMEM. After a failure out is
 * without meaning.
 */
int skio__inflater_run(struct skio__inflater *inflater, const void *data,
                       size_t len, struct skio__buf *out) SKIO_MUST_CHECK;

#endif /* SKIO_BASE_DEFLATE_H */
