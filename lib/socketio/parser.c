/*
 * Parsers: see parser.h
 */
#include "socketio/parser.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

#define ENGINE_MESSAGE '4' /* Engine.IO protocol v4, "message" */

/* Numbers above are no longer exact where a double holds them. */
#define FIRST_PLACEHOLDER_MAX (UINT64_C(1) << 52)

bool
skio__parser_is_valid(const skio_parser *parser)
{
    return parser->struct_size >= sizeof(*parser) && parser->encode != NULL &&
           parser->decode != NULL &&
           parser->first_placeholder <= FIRST_PLACEHOLDER_MAX;
}

/* ---- Encoding ---- */

static int
fail(skio_encoding *encoding, int err)
{
    if (encoding->err == SKIO_OK)
        encoding->err = err;
    return err;
}

/* Text begins with Engine.IO's type, binary messages are bare. */
static struct skio__blob *
make_blob(const skio_allocator *mem, bool binary, const void *data, size_t len)
{
    struct skio__blob *blob;
    unsigned char *to;
    size_t total;

    if (binary)
        return skio__blob_copy(mem, true, data, len);
    if (skio__add_overflow(len, 1, &total))
        return NULL;
    blob = skio__blob_new(mem, false, total);
    if (blob == NULL)
        return NULL;
    to = skio__blob_data(blob);
    to[0] = ENGINE_MESSAGE;
    if (len > 0)
        memcpy(to + 1, data, len);
    skio__blob_seal(blob, total);
    return blob;
}

int
skio_encoding_put(skio_encoding *out, bool binary, const void *data, size_t len)
{
    const struct sio_encoder *encoder = out->encoder;
    const size_t used = out->message != NULL ? out->message->bytes : 0;
    struct skio__blob *blob;
    int err;

    if (encoder->max_bytes > 0 &&
        (used > encoder->max_bytes || len > encoder->max_bytes - used))
        return fail(out, SKIO_ENOBUFS);

    err = skio__message_grow(encoder->mem, &out->message, &out->cap);
    if (err != SKIO_OK)
        return fail(out, err);
    blob = make_blob(encoder->mem, binary, data, len);
    if (blob == NULL)
        return fail(out, SKIO_ENOMEM);
    skio__message_add(out->message, blob);
    return SKIO_OK;
}

int
skio__parser_encode(const struct sio_encoder *encoder,
                    const skio_packet *packet, struct skio_message **out)
{
    skio_encoding encoding = {encoder, NULL, 0, SKIO_OK};
    const skio_parser *parser = encoder->parser;
    int err = parser->encode(packet, &encoding, parser->user);

    /* A parser that swallowed an error has written half a packet. */
    if (encoding.err != SKIO_OK)
        err = encoding.err;
    else if (err > 0 || (err == SKIO_OK && encoding.message == NULL))
        err = SKIO_EINVAL;
    if (err == SKIO_OK && encoder->max_bytes > 0 &&
        encoding.message->bytes > encoder->max_bytes)
        err = SKIO_ENOBUFS;
    if (err == SKIO_OK &&
        encoding.message->count - 1 > encoder->max_attachments)
        err = SKIO_ETOOBIG;
    if (err != SKIO_OK) {
        skio__message_unref(encoding.message);
        return err;
    }
    encoding.message->is_foreign = true;
    *out = encoding.message;
    return SKIO_OK;
}

/* ---- Decoding ---- */

void *
skio_decoding_alloc(skio_decoding *in, size_t size)
{
    return skio__arena_alloc(in->arena, size);
}

const skio_server_options *
skio_decoding_options(const skio_decoding *in)
{
    return in->options;
}

static void
to_packet(const skio_packet *from, struct sio_packet *to)
{
    memset(to, 0, sizeof(*to));
    to->type = (enum sio_type)from->type;
    to->attachments = from->attachment_count;
    to->nsp = from->nsp != NULL ? from->nsp : "/";
    to->nsp_len = from->nsp != NULL ? from->nsp_len : 1;
    to->has_id = from->has_id;
    to->id = from->id;
    to->json = from->json;
    to->json_len = from->json_len;
}

int
skio__parser_decode(const skio_server_options *options,
                    struct skio__arena *arena, const void *data, size_t len,
                    bool binary, struct sio_parsed *out, const char **why)
{
    struct sio_packet_limits limits = {
        .max_attachments = options->max_attachments,
        .max_json_depth = options->max_json_depth,
        .max_name_bytes = options->max_name_bytes,
    };
    const skio_parser *parser = options->parser;
    skio_decoding decoding = {options, arena, "invalid packet"};
    skio_packet packet = {.struct_size = sizeof(packet)};
    int err =
        parser->decode(data, len, binary, &packet, &decoding, parser->user);

    *why = decoding.why;
    if (err != SKIO_OK)
        return err < 0 ? err : SKIO_EPROTO;

    to_packet(&packet, &out->packet);
    out->attachments = packet.attachments;
    /* Those that came in the message were bounded with it. */
    if (packet.attachments != NULL)
        limits.max_attachments = UINT32_MAX;
    return skio__packet_check(&out->packet, &limits,
                              parser->first_placeholder == 0, why);
}

int
skio__parser_reread(const skio_server_options *options,
                    struct skio__arena *arena,
                    const struct skio_message *message, struct sio_parsed *out)
{
    const bool binary = (message->blobs[0]->flags & SKIO__BLOB_BINARY) != 0;
    skio_server_options own = *options;
    skio_bytes *views;
    const void *data;
    const char *why;
    size_t len;
    int err;

    /* These limits were checked when it was encoded, or are not for us. */
    own.max_name_bytes = SIZE_MAX;
    own.max_json_depth = SKIO__JSON_DEPTH_MAX;
    own.max_attachments = UINT32_MAX;

    skio__blob_packet(message->blobs[0], &data, &len);
    err = skio__parser_decode(&own, arena, (const char *)data + !binary,
                              len - !binary, binary, out, &why);
    if (err != SKIO_OK || out->packet.attachments == 0 ||
        out->attachments != NULL)
        return err;

    if (out->packet.attachments != message->count - 1)
        return SKIO_EPROTO;
    views = skio__arena_alloc(arena, out->packet.attachments * sizeof(*views));
    if (views == NULL)
        return SKIO_ENOMEM;
    for (uint32_t i = 0; i < out->packet.attachments; i++)
        skio__blob_packet(message->blobs[i + 1], &views[i].data, &views[i].len);
    out->attachments = views;
    return SKIO_OK;
}

/* `[…` of the packet, the tail, and the bracket again. */
static int
encode_tail(const struct sio_encoder *encoder, struct skio__arena *arena,
            const struct sio_parsed *parsed, const char *tail, size_t len,
            struct skio_message **out)
{
    const struct sio_packet *from = &parsed->packet;
    const size_t body = (size_t)from->root.len - 1;
    char *json = skio__arena_alloc(arena, body + len + 1);
    const skio_packet packet = {
        .struct_size = sizeof(packet),
        .type = (enum skio_packet_type)from->type,
        .nsp = from->nsp,
        .nsp_len = from->nsp_len,
        .has_id = from->has_id,
        .id = from->id,
        .json = json,
        .json_len = body + len + 1,
        .attachments = parsed->attachments,
        .attachment_count = from->attachments,
    };

    if (json == NULL)
        return SKIO_ENOMEM;
    memcpy(json, from->json + from->root.start, body);
    memcpy(json + body, tail, len);
    json[body + len] = ']';
    return skio__parser_encode(encoder, &packet, out);
}

struct skio_message *
skio__parser_with_tail(const skio_server_options *options,
                       const struct sio_encoder *encoder,
                       const struct skio_message *message, const char *tail,
                       size_t len)
{
    struct skio_message *copy = NULL;
    struct skio__arena arena; /* the server's may be smaller than a message */
    struct sio_parsed parsed;

    skio__arena_init(&arena, encoder->mem, 0);
    if (skio__parser_reread(options, &arena, message, &parsed) == SKIO_OK &&
        parsed.packet.root.type == SKIO__JSON_ARRAY &&
        encode_tail(encoder, &arena, &parsed, tail, len, &copy) == SKIO_OK)
        copy->nsp = message->nsp;
    skio__arena_deinit(&arena);
    return copy;
}
