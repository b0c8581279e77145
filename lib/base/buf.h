/*
 * A growing run of bytes
 *
 * Appending may fail; the first error sticks in `err`, later appends do
 * nothing, so a writer checks once at its end. What was appended before the
 * error stays, and `data` is never NUL-terminated.
 */
#ifndef SKIO_BASE_BUF_H
#define SKIO_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <socketio/base.h>

#include "base/compiler.h"

struct skio__buf {
    const skio_allocator *mem;
    char *data; /* NULL until the first append */
    size_t len;
    size_t cap;
    size_t max; /* bytes; 0: no limit. Set after init, before appending. */
    int err;    /* SKIO_OK, SKIO_ENOMEM, or SKIO_ETOOBIG past `max` */
};

void skio__buf_init(struct skio__buf *buf, const skio_allocator *mem);

/* Free the bytes; the buffer may be used again as after init. */
void skio__buf_deinit(struct skio__buf *buf);

/* Forget the bytes and the error, keep the memory. */
void skio__buf_reset(struct skio__buf *buf);

/* As skio__buf_reserve(), where the memory at hand may not do. */
int skio__buf_grow(struct skio__buf *buf, size_t extra);

/* Make room for `extra` bytes after len. Returns buf->err. */
static inline int
skio__buf_reserve(struct skio__buf *buf, size_t extra)
{
    if (skio__likely(buf->err == SKIO_OK && extra <= buf->cap - buf->len &&
                     (buf->max == 0 || buf->len + extra <= buf->max)))
        return SKIO_OK;
    return skio__buf_grow(buf, extra);
}

/*
 * Append; each returns buf->err. An append that does not fit appends nothing.
 * data may be NULL if len is 0; it may not point into the buffer.
 */
static inline int
skio__buf_append(struct skio__buf *buf, const void *data, size_t len)
{
    if (skio__unlikely(skio__buf_reserve(buf, len) != SKIO_OK))
        return buf->err;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return SKIO_OK;
}

static inline int
skio__buf_putc(struct skio__buf *buf, char c)
{
    if (skio__unlikely(skio__buf_reserve(buf, 1) != SKIO_OK))
        return buf->err;
    buf->data[buf->len++] = c;
    return SKIO_OK;
}

int skio__buf_append_str(struct skio__buf *buf, const char *str);
int skio__buf_append_u64(struct skio__buf *buf, uint64_t n); /* decimal */

/*
 * Hand the bytes over and be empty, as after init (max stays). The caller
 * frees them with skio__mem_free(). NULL when nothing was ever appended or
 * the buffer is in error (its memory is then freed).
 */
char *skio__buf_steal(struct skio__buf *buf, size_t *len);

#endif /* SKIO_BASE_BUF_H */
