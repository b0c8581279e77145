/*
 * A writer into memory of a fixed size
 *
 * For texts that are bounded and short: no allocation, and no printf(3), which
 * takes 1,500 instructions for a name and three numbers. What does not fit is
 * counted, and neither it nor what follows is written: who is not sure of the
 * size compares len with it at the end. No NUL is added.
 */
#ifndef SKIO_BASE_WRITER_H
#define SKIO_BASE_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/number.h"

struct skio__writer {
    char *data;
    size_t size;
    size_t len; /* more than size: it did not fit */
};

static inline void
skio__writer_put(struct skio__writer *writer, const void *data, size_t len)
{
    /* Once len is beyond size it stays so. */
    if (len > 0 && writer->len <= writer->size &&
        len <= writer->size - writer->len)
        memcpy(writer->data + writer->len, data, len);
    writer->len += len;
}

static inline void
skio__writer_str(struct skio__writer *writer, const char *str)
{
    skio__writer_put(writer, str, strlen(str));
}

static inline void
skio__writer_u64(struct skio__writer *writer, uint64_t n) /* decimal */
{
    char digits[SKIO__NUMBER_MAX];

    skio__writer_put(writer, digits, skio__number_format_u64(n, digits));
}

#endif /* SKIO_BASE_WRITER_H */
