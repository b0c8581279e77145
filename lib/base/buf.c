/*
 * A growing run of bytes: see buf.h
 */
#include "base/buf.h"

#include "base/compiler.h"
#include "base/mem.h"
#include "base/number.h"

#define CAP_MIN 64

void
skio__buf_init(struct skio__buf *buf, const skio_allocator *mem)
{
    memset(buf, 0, sizeof(*buf));
    buf->mem = mem;
}

void
skio__buf_deinit(struct skio__buf *buf)
{
    skio__mem_free(buf->mem, buf->data);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
    buf->err = SKIO_OK;
}

void
skio__buf_reset(struct skio__buf *buf)
{
    buf->len = 0;
    buf->err = SKIO_OK;
}

/*
 * Grow to at least `need` bytes. Doubling keeps appending linear; a capacity
 * past the limit would never be used.
 */
static int
grow(struct skio__buf *buf, size_t need)
{
    size_t cap = buf->cap > 0 ? buf->cap : CAP_MIN;
    char *data;

    while (cap < need)
        if (skio__mul_overflow(cap, 2, &cap))
            cap = need;
    if (buf->max > 0 && cap > buf->max)
        cap = buf->max;

    data = skio__mem_array(buf->mem, buf->data, cap, 1);
    if (data == NULL)
        return buf->err = SKIO_ENOMEM;

    buf->data = data;
    buf->cap = cap;
    return SKIO_OK;
}

int
skio__buf_grow(struct skio__buf *buf, size_t extra)
{
    size_t need;

    if (buf->err != SKIO_OK)
        return buf->err;
    if (skio__add_overflow(buf->len, extra, &need))
        return buf->err = SKIO_ENOMEM;
    if (buf->max > 0 && need > buf->max)
        return buf->err = SKIO_ETOOBIG;
    if (need <= buf->cap)
        return SKIO_OK;
    return grow(buf, need);
}

int
skio__buf_append_str(struct skio__buf *buf, const char *str)
{
    return skio__buf_append(buf, str, strlen(str));
}

int
skio__buf_append_u64(struct skio__buf *buf, uint64_t n)
{
    char digits[SKIO__NUMBER_MAX];

    return skio__buf_append(buf, digits, skio__number_format_u64(n, digits));
}

char *
skio__buf_steal(struct skio__buf *buf, size_t *len)
{
    char *data = NULL;

    *len = 0;
    if (buf->err == SKIO_OK) {
        data = buf->data;
        *len = buf->len;
        buf->data = NULL;
    }
    skio__buf_deinit(buf);
    return data;
}
