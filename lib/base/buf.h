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

#include <socketio/base.h>

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

/* Make room for `extra` bytes after len. Returns buf->err. */
int skio__buf_reserve(struct skio__buf *buf, size_t extra);

/*
 * Append; each returns buf->err. An append that does not fit appends nothing.
 * data may be NULL if len is 0; it may not point into the buffer.
 */
int skio__buf_append(struct skio__buf *buf, const void *data, size_t len);
int skio__buf_putc(struct skio__buf *buf, char c);
int skio__buf_append_str(struct skio__buf *buf, const char *str);
int skio__buf_append_u64(struct skio__buf *buf, uint64_t n); /* decimal */

/*
 * Hand the bytes over and be empty, as after init (max stays). The caller
 * frees them with skio__mem_free(). NULL when nothing was ever appended or
 * the buffer is in error (its memory is then freed).
 */
char *skio__buf_steal(struct skio__buf *buf, size_t *len);

#endif /* SKIO_BASE_BUF_H */
