/*
 * Immutable, reference-counted bytes: see blob.h
 */
#include "base/blob.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

#define RSV1 0x40 /* compressed: RFC 7692, 6 */
#define LEN_16 126
#define LEN_64 127

size_t
skio__blob_header(unsigned char out[SKIO__BLOB_HEAD_MAX], bool binary,
                  uint64_t len)
{
    size_t bytes; /* of the extended length */
    size_t i;

    out[0] = binary ? SKIO__FRAME_BINARY : SKIO__FRAME_TEXT;
    if (len <= SKIO__FRAME_SHORT) {
        out[1] = (unsigned char)len;
        return 2;
    }

    bytes = len <= UINT16_MAX ? 2 : 8;
    out[1] = bytes == 2 ? LEN_16 : LEN_64;
    for (i = 0; i < bytes; i++)
        out[2 + i] = (unsigned char)(len >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

/* The bytes of a blob's block; 0: len does not fit a blob. */
static size_t
block_size(size_t len)
{
    const size_t fixed = sizeof(struct skio__blob) + SKIO__BLOB_HEAD_MAX;
    size_t size;

    if (len > UINT32_MAX || skio__add_overflow(fixed, len, &size))
        return 0;
    return size;
}

static struct skio__blob *
begin(struct skio__blob *blob, const skio_allocator *mem, uint32_t flags,
      size_t len)
{
    if (blob == NULL)
        return NULL;
    blob->refs = 1;
    blob->flags = flags;
    blob->head = 0;
    blob->len = (uint32_t)len;
    blob->mem = mem;
    blob->eio3 = NULL;
    blob->form = NULL;
    return blob;
}

struct skio__blob *
skio__blob_new(const skio_allocator *mem, bool binary, size_t len)
{
    return begin(skio__mem_alloc(mem, block_size(len)), mem,
                 binary ? SKIO__BLOB_BINARY : 0, len);
}

struct skio__blob *
skio__blob_take(struct skio__pool *pool, bool binary, size_t len)
{
    const size_t size = block_size(len);
    struct skio__blob *blob = size > 0 ? skio__pool_take(pool, size) : NULL;

    if (blob == NULL)
        return skio__blob_new(&pool->mem, binary, len);
    return begin(blob, &pool->mem,
                 SKIO__BLOB_POOLED | (binary ? SKIO__BLOB_BINARY : 0u), len);
}

struct skio__blob *
skio__blob_copy(const skio_allocator *mem, bool binary, const void *data,
                size_t len)
{
    struct skio__blob *blob = skio__blob_new(mem, binary, len);

    if (blob == NULL)
        return NULL;
    if (len > 0)
        memcpy(skio__blob_data(blob), data, len);
    skio__blob_seal(blob, len);
    return blob;
}

void
skio__blob_seal_long(struct skio__blob *blob, size_t len)
{
    const bool binary = (blob->flags & SKIO__BLOB_BINARY) != 0;
    unsigned char header[SKIO__BLOB_HEAD_MAX];
    size_t head;

    head = skio__blob_header(header, binary, len);
    memcpy(skio__blob_data(blob) - head, header, head);
    blob->head = (uint32_t)head;
    blob->len = (uint32_t)len;
}

struct skio__blob *
skio__blob_form(struct skio__blob *blob, unsigned window_bits)
{
    struct skio__blob *form;

    for (form = blob->form; form != NULL; form = form->form) {
        if ((form->flags >> SKIO__BLOB_WINDOW_SHIFT & 0xf) == window_bits)
            return form;
    }
    return (blob->flags & 1u << (SKIO__BLOB_PLAIN_SHIFT + window_bits)) != 0
               ? blob
               : NULL;
}

struct skio__blob *
skio__blob_add_form(struct skio__blob *blob, unsigned window_bits,
                    const void *data, size_t len)
{
    bool binary = (blob->flags & SKIO__BLOB_BINARY) != 0;
    struct skio__blob *form = skio__blob_copy(blob->mem, binary, data, len);

    if (form == NULL)
        return NULL;
    form->bytes[SKIO__BLOB_HEAD_MAX - form->head] |= RSV1;
    form->flags |= SKIO__BLOB_FORM | window_bits << SKIO__BLOB_WINDOW_SHIFT;
    form->form = blob->form;
    blob->form = form;
    return form;
}

void
skio__blob_add_no_form(struct skio__blob *blob, unsigned window_bits)
{
    blob->flags |= 1u << (SKIO__BLOB_PLAIN_SHIFT + window_bits);
}

void
skio__blob_free(struct skio__blob *blob)
{
    skio__blob_unref(blob->eio3);
    skio__blob_unref(blob->form);
    if ((blob->flags & SKIO__BLOB_POOLED) != 0)
        skio__pool_give(skio__pool_of(blob->mem), blob);
    else
        skio__mem_free(blob->mem, blob);
}
