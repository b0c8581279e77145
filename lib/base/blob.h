/*
 * Immutable, reference-counted bytes: one outgoing Engine.IO packet
 *
 * Encoded once, queued by pointer in every connection it goes to. The
 * WebSocket frame header stands right before the packet, so a frame is one
 * contiguous run; a polling payload takes the packet alone.
 *
 *     bytes:  [ unused | head: frame header | len: packet ]
 *             0        10 - head            10
 *
 * The packet is what stands in a WebSocket message: text with its type
 * character, or the raw bytes of a binary one. A server never masks (RFC 6455
 * 5.1), so the header is the same for every peer.
 *
 * Counts are not atomic: a blob stays on its loop's thread.
 */
#ifndef SKIO_BASE_BLOB_H
#define SKIO_BASE_BLOB_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#include "base/pool.h"

#define SKIO__BLOB_HEAD_MAX 10 /* FIN and opcode, 127, eight length bytes */

/* Frames as a server sends them, RFC 6455 5.2: whole messages, not masked. */
#define SKIO__FRAME_TEXT 0x81
#define SKIO__FRAME_BINARY 0x82
#define SKIO__FRAME_SHORT 125 /* bytes whose length fits the second byte */

enum skio__blob_flag {
    SKIO__BLOB_BINARY = 1 << 0,      /* opcode 2, not 1 */
    SKIO__BLOB_VOLATILE = 1 << 1,    /* may be dropped for a slow reader */
    SKIO__BLOB_NO_COMPRESS = 1 << 2, /* not worth compressing */
    SKIO__BLOB_FORM = 1 << 3,        /* the compressed form of another */
    SKIO__BLOB_WINDOW_SHIFT = 4,     /* of a form: its window's bits */
    SKIO__BLOB_PLAIN_SHIFT = 8,      /* and so many bits of a window: nothing
                                        is gained, 1 << (shift + bits) */
    SKIO__BLOB_POOLED = 1 << 24      /* a block of the pool of its `mem` */
};

struct skio__blob {
    uint32_t refs;
    uint32_t flags; /* of enum skio__blob_flag */
    uint32_t head;  /* bytes of the frame header; 0 until sealed */
    uint32_t len;   /* bytes of the packet */
    const skio_allocator *mem;
    struct skio__blob *eio3; /* a binary one for protocol 3; NULL: not made */
    struct skio__blob *form; /* compressed, and that one's `form` the same with
                                another window; NULL: not made */
    unsigned char bytes[];
};

/*
 * A blob with one reference and room for len packet bytes, to be filled
 * through skio__blob_data() and sealed. NULL when memory is out or len does
 * not fit a blob.
 */
struct skio__blob *skio__blob_new(const skio_allocator *mem, bool binary,
                                  size_t len);

/* Same, from the pool if it has a block for it. */
struct skio__blob *skio__blob_take(struct skio__pool *pool, bool binary,
                                   size_t len);

/* As skio__blob_new(), with the bytes copied in and sealed. data may be NULL if
 * len is 0. */
struct skio__blob *skio__blob_copy(const skio_allocator *mem, bool binary,
                                   const void *data, size_t len);

/* Where the packet's bytes stand; writable until sealed. */
static inline unsigned char *
skio__blob_data(struct skio__blob *blob)
{
    return blob->bytes + SKIO__BLOB_HEAD_MAX;
}

/* Fix the length (at most the one it was made with), write the header: mostly
 * two bytes. */
void skio__blob_seal_long(struct skio__blob *blob, size_t len);

static inline void
skio__blob_seal(struct skio__blob *blob, size_t len)
{
    unsigned char *data = skio__blob_data(blob);

    assert(blob->head == 0);
    assert(len <= blob->len);
    if (len > SKIO__FRAME_SHORT) {
        skio__blob_seal_long(blob, len);
        return;
    }
    data[-2] = (blob->flags & SKIO__BLOB_BINARY) != 0 ? SKIO__FRAME_BINARY
                                                      : SKIO__FRAME_TEXT;
    data[-1] = (unsigned char)len;
    blob->head = 2;
    blob->len = (uint32_t)len;
}

/* Views on a sealed blob: header and packet together, or the packet alone. */
static inline void
skio__blob_frame(const struct skio__blob *blob, const void **data, size_t *len)
{
    assert(blob->head != 0);
    *data = blob->bytes + SKIO__BLOB_HEAD_MAX - blob->head;
    *len = (size_t)blob->head + blob->len;
}

static inline void
skio__blob_packet(const struct skio__blob *blob, const void **data, size_t *len)
{
    assert(blob->head != 0);
    *data = blob->bytes + SKIO__BLOB_HEAD_MAX;
    *len = blob->len;
}

/* The bytes of the frame. */
static inline size_t
skio__blob_frame_len(const struct skio__blob *blob)
{
    return (size_t)blob->head + blob->len;
}

/*
 * The compressed form for a window (RFC 7692): a blob whose frame has RSV1 set
 * and whose packet is data. skio__blob_form() returns it, blob itself when
 * nothing is gained by it, or NULL when that is not known yet. The form belongs
 * to the blob; NULL from skio__blob_add_form(): no memory.
 */
struct skio__blob *skio__blob_form(struct skio__blob *blob,
                                   unsigned window_bits);
struct skio__blob *skio__blob_add_form(struct skio__blob *blob,
                                       unsigned window_bits, const void *data,
                                       size_t len);
void skio__blob_add_no_form(struct skio__blob *blob, unsigned window_bits);

/* Free a blob whose last reference was dropped. */
void skio__blob_free(struct skio__blob *blob);

/* Take another reference; returns blob. */
static inline struct skio__blob *
skio__blob_ref(struct skio__blob *blob)
{
    assert(blob->refs > 0);
    blob->refs++;
    return blob;
}

/* Drop a reference, the last one frees. */
static inline void
skio__blob_drop(struct skio__blob *blob)
{
    assert(blob->refs > 0);
    if (--blob->refs == 0)
        skio__blob_free(blob);
}

/* The same; NULL does nothing. */
static inline void
skio__blob_unref(struct skio__blob *blob)
{
    if (blob != NULL)
        skio__blob_drop(blob);
}

/*
 * The frame header of a server's unfragmented data message with len bytes:
 * writes 2, 4 or 10 bytes, returns how many.
 */
size_t skio__blob_header(unsigned char out[SKIO__BLOB_HEAD_MAX], bool binary,
                         uint64_t len);

#endif /* SKIO_BASE_BLOB_H */
