#include "engineio/compression.h"

#include "base/mem.h"

#define SCRATCH_KEPT 65536 /* a longer message's memory is given back */
#define WINDOWS (SKIO__DEFLATE_BITS_MAX - SKIO__DEFLATE_BITS_MIN + 1)

struct eio_compression {
    struct skio__deflater *messages[WINDOWS]; /* by their window */
    struct skio__deflater *gzip;
    struct skio__deflater *deflate;
    struct skio__inflater *inflater;
    struct skio__buf scratch;
};

int
skio__compression_init(struct eio_engine *engine)
{
    const skio_server_options *options = engine->options;

    if (!options->per_message_deflate && !options->http_compression)
        return SKIO_OK;
    engine->compression =
        skio__mem_calloc(engine->mem, 1, sizeof *engine->compression);
    if (engine->compression == NULL)
        return SKIO_ENOMEM;
    skio__buf_init(&engine->compression->scratch, engine->mem);
    return SKIO_OK;
}

void
skio__compression_deinit(struct eio_engine *engine)
{
    struct eio_compression *compression = engine->compression;

    if (compression == NULL)
        return;
    for (size_t i = 0; i < WINDOWS; i++)
        skio__deflater_free(compression->messages[i]);
    skio__deflater_free(compression->gzip);
    skio__deflater_free(compression->deflate);
    skio__inflater_free(compression->inflater);
    skio__buf_deinit(&compression->scratch);
    skio__mem_free(engine->mem, compression);
    engine->compression = NULL;
}

/* The deflater of a slot, made on first use; NULL: no memory. */
static struct skio__deflater *
deflater_at(const struct eio_engine *engine, struct skio__deflater **slot,
            enum skio__deflate_format format, uint32_t level, uint32_t bits,
            uint32_t mem_level)
{
    const struct skio__deflate_settings settings = {format, (uint8_t)level,
                                                    (uint8_t)bits,
                                                    (uint8_t)mem_level};

    if (*slot == NULL)
        *slot = skio__deflater_new(engine->mem, &settings);
    return *slot;
}

static struct skio__blob *
compress(struct eio_engine *engine, struct skio__blob *blob,
         uint8_t window_bits)
{
    const skio_server_options *options = engine->options;
    struct eio_compression *compression = engine->compression;
    struct skio__buf *scratch = &compression->scratch;
    struct skio__deflater *deflater =
        deflater_at(engine,
                    &compression
                         ->messages[window_bits - SKIO__DEFLATE_BITS_MIN],
                    SKIO__DEFLATE_MESSAGE, options->per_message_deflate_level,
                    window_bits, options->per_message_deflate_mem_level);
    struct skio__blob *form = NULL;
    const void *packet;
    size_t len;
    int err;

    if (deflater == NULL)
        return blob;
    skio__blob_packet(blob, &packet, &len);
    skio__buf_reset(scratch);
    err = skio__deflater_run(deflater, packet, len, len, scratch);
    if (err == SKIO_OK)
        form =
            skio__blob_add_form(blob, window_bits, scratch->data, scratch->len);
    else if (err == SKIO_ETOOBIG)
        skio__blob_add_no_form(blob, window_bits);
    if (scratch->cap > SCRATCH_KEPT)
        skio__buf_deinit(scratch);
    return form != NULL ? form : blob;
}

struct skio__blob *
skio__compression_of(struct eio_engine *engine, struct skio__blob *blob,
                     uint8_t window_bits)
{
    struct skio__blob *form;

    if (blob->len < engine->options->per_message_deflate_threshold ||
        (blob->flags & SKIO__BLOB_NO_COMPRESS) != 0)
        return blob;
    form = skio__blob_form(blob, window_bits);
    return form != NULL ? form : compress(engine, blob, window_bits);
}

int
skio__compression_inflate(struct eio_engine *engine, const void *data,
                          size_t len, struct skio__buf *out)
{
    struct eio_compression *compression = engine->compression;

    if (compression->inflater == NULL)
        compression->inflater = skio__inflater_new(engine->mem);
    if (compression->inflater == NULL)
        return SKIO_ENOMEM;
    return skio__inflater_run(compression->inflater, data, len, out);
}

const char *
skio__compression_body(struct eio_engine *engine, enum skio__coding coding,
                       const void *body, size_t len, struct skio__buf *out)
{
    struct eio_compression *compression = engine->compression;
    bool is_gzip = coding == SKIO__CODING_GZIP;
    struct skio__deflater *deflater;

    if (coding == SKIO__CODING_NONE ||
        len < engine->options->http_compression_threshold)
        return NULL;
    deflater = deflater_at(engine,
                           is_gzip ? &compression->gzip : &compression->deflate,
                           is_gzip ? SKIO__DEFLATE_GZIP : SKIO__DEFLATE_ZLIB,
                           engine->options->http_compression_level,
                           SKIO__DEFLATE_BITS_MAX, 8);
    if (deflater == NULL ||
        skio__deflater_run(deflater, body, len, len, out) != SKIO_OK)
        return NULL;
    return skio__coding_name(coding);
}
