/*
 * DEFLATE: see deflate.h
 */
#include "base/deflate.h"

#include <assert.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/mem.h"

/* What every sync flush ends with, and a message leaves out: RFC 7692, 7.2.1 */
#define TAIL_LEN 4

#define CHUNK_MIN 1024 /* inflated at once, at least */

/* In zlib's data_type after inflate(): it stands between two blocks. */
#define BETWEEN_BLOCKS 128

struct skio__deflater {
    z_stream z;
    const skio_allocator *mem;
    int flush;
};

struct skio__inflater {
    z_stream z;
    const skio_allocator *mem;
};

static voidpf
allocate(voidpf mem, uInt items, uInt size)
{
    return skio__mem_calloc(mem, items, size);
}

static void
release(voidpf mem, voidpf ptr)
{
    skio__mem_free(mem, ptr);
}

static void
use_allocator(z_stream *z, const skio_allocator *mem)
{
    z->zalloc = allocate;
    z->zfree = release;
    z->opaque = (voidpf)(uintptr_t)mem;
}

/* zlib's own parameter names the format along with the window. */
static int
window_of(const struct skio__deflate_settings *settings)
{
    switch (settings->format) {
    case SKIO__DEFLATE_ZLIB:
        return settings->window_bits;
    case SKIO__DEFLATE_GZIP:
        return settings->window_bits + 16;
    case SKIO__DEFLATE_MESSAGE:
        break;
    }
    return -settings->window_bits;
}

struct skio__deflater *
skio__deflater_new(const skio_allocator *mem,
                   const struct skio__deflate_settings *settings)
{
    struct skio__deflater *deflater =
        skio__mem_calloc(mem, 1, sizeof *deflater);

    if (deflater == NULL)
        return NULL;
    deflater->mem = mem;
    deflater->flush =
        settings->format == SKIO__DEFLATE_MESSAGE ? Z_SYNC_FLUSH : Z_FINISH;
    use_allocator(&deflater->z, mem);
    if (deflateInit2(&deflater->z, settings->level, Z_DEFLATED,
                     window_of(settings), settings->mem_level,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        skio__mem_free(mem, deflater);
        return NULL;
    }
    return deflater;
}

void
skio__deflater_free(struct skio__deflater *deflater)
{
    if (deflater == NULL)
        return;
    deflateEnd(&deflater->z);
    skio__mem_free(deflater->mem, deflater);
}

int
skio__deflater_run(struct skio__deflater *deflater, const void *data,
                   size_t len, size_t max, struct skio__buf *out)
{
    z_stream *z = &deflater->z;
    size_t tail = deflater->flush == Z_SYNC_FLUSH ? TAIL_LEN : 0;
    size_t room;
    size_t made;

    if (len > UINT32_MAX / 2)
        return SKIO_ETOOBIG;
    if (max > len + 64)
        max = len + 64; /* more than a header and stored blocks is no gain */
    room = max + tail;
    if (skio__buf_reserve(out, room) != SKIO_OK)
        return out->err;

    z->next_in = data;
    z->avail_in = (uInt)len;
    z->next_out = (Bytef *)out->data + out->len;
    z->avail_out = (uInt)room;
    (void)deflate(z, deflater->flush);
    made = room - z->avail_out;
    /* Only with room to spare is it certain that nothing is held back. */
    if (z->avail_in > 0 || z->avail_out == 0) {
        (void)deflateReset(z);
        return SKIO_ETOOBIG;
    }
    (void)deflateReset(z);
    assert(made >= tail);
    out->len += made - tail;
    return SKIO_OK;
}

struct skio__inflater *
skio__inflater_new(const skio_allocator *mem)
{
    struct skio__inflater *inflater =
        skio__mem_calloc(mem, 1, sizeof *inflater);

    if (inflater == NULL)
        return NULL;
    inflater->mem = mem;
    use_allocator(&inflater->z, mem);
    if (inflateInit2(&inflater->z, -SKIO__DEFLATE_BITS_MAX) != Z_OK) {
        skio__mem_free(mem, inflater);
        return NULL;
    }
    return inflater;
}

void
skio__inflater_free(struct skio__inflater *inflater)
{
    if (inflater == NULL)
        return;
    inflateEnd(&inflater->z);
    skio__mem_free(inflater->mem, inflater);
}

/* Room for more; none when the maximum is reached. */
static int
make_room(struct skio__buf *out)
{
    size_t most = out->max - out->len;
    size_t wanted = out->len < CHUNK_MIN ? CHUNK_MIN : out->len;

    if (out->cap > out->len || most == 0)
        return SKIO_OK;
    return skio__buf_reserve(out, wanted < most ? wanted : most);
}

/* Returns Z_OK when the input is used up, or what zlib said. */
static int
inflate_part(z_stream *z, const void *data, size_t len, struct skio__buf *out)
{
    int code = Z_OK;

    z->next_in = data;
    z->avail_in = (uInt)len;
    while (code == Z_OK) {
        unsigned char beyond = 0; /* one byte too many shows in here */
        size_t room;

        if (make_room(out) != SKIO_OK)
            return Z_MEM_ERROR;
        room = out->cap - out->len;
        if (room > out->max - out->len)
            room = out->max - out->len;
        z->next_out = room > 0 ? (Bytef *)out->data + out->len : &beyond;
        z->avail_out = room > 0 ? (uInt)room : 1;
        code = inflate(z, Z_SYNC_FLUSH);
        if (room == 0 && z->avail_out == 0)
            return Z_BUF_ERROR;
        out->len += room > 0 ? room - z->avail_out : 0;
        if (code == Z_BUF_ERROR || (code == Z_OK && z->avail_out > 0))
            return Z_OK;
    }
    return code;
}

int
skio__inflater_run(struct skio__inflater *inflater, const void *data,
                   size_t len, struct skio__buf *out)
{
    static const unsigned char tail[TAIL_LEN] = {0, 0, 0xff, 0xff};
    z_stream *z = &inflater->z;
    int code;

    assert(out->max > 0 && out->max <= UINT32_MAX / 2);
    if (len > UINT32_MAX / 2 || inflateReset(z) != Z_OK)
        return SKIO_ETOOBIG;

    code = inflate_part(z, data, len, out);
    if (code == Z_OK)
        code = inflate_part(z, tail, sizeof tail, out);
    switch (code) {
    case Z_OK:
        return (z->data_type & BETWEEN_BLOCKS) != 0 ? SKIO_OK : SKIO_EPROTO;
    case Z_STREAM_END: /* a last block: what follows has no meaning */
        return SKIO_OK;
    case Z_BUF_ERROR:
        return SKIO_ETOOBIG;
    case Z_MEM_ERROR:
        return SKIO_ENOMEM;
    default:
        return SKIO_EPROTO;
    }
}
