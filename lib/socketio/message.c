/*
 * Messages: see message.h
 *
 * The JSON is written into the encoder's scratch first, because the head of
 * the packet counts the attachments that the JSON turns out to have. Head and
 * JSON then go into a blob of the exact size.
 */
#include "socketio/message.h"

#include <string.h>

#include "base/compiler.h"
#include "base/format.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"
#include "socketio/parser.h"

#define ENGINE_MESSAGE '4' /* Engine.IO protocol v4, "message" */

struct parts {
    enum sio_type type;
    uint64_t id; /* or SIO_NO_ID */
    const char *json;
    size_t json_len;
    const struct skio__attachments *attachments; /* NULL: cannot have any */
};

/* The binary twin of an event or an ack. */
static enum sio_type
wire_type(enum sio_type type, uint32_t attachments)
{
    if (attachments == 0)
        return type;
    return type == SIO_EVENT ? SIO_BINARY_EVENT : SIO_BINARY_ACK;
}

struct skio_message *
skio__message_new(const skio_allocator *mem, struct skio__pool *pool,
                  uint32_t blobs)
{
    struct skio_message *message = NULL;
    size_t size;

    if (skio__mul_overflow(blobs, sizeof(message->blobs[0]), &size) ||
        skio__add_overflow(size, sizeof(*message), &size))
        return NULL;
    if (pool != NULL)
        message = skio__pool_take(pool, size);
    if (message != NULL) {
        message->is_pooled = true;
        mem = &pool->mem;
    } else {
        message = skio__mem_alloc(mem, size);
        if (message == NULL)
            return NULL;
        message->is_pooled = false;
    }

    message->refs = 1;
    message->count = 0;
    message->nsp = NULL;
    message->bytes = 0;
    message->carried = NULL;
    message->is_foreign = false;
    message->mem = mem;
    return message;
}

static int
add_blob(struct skio_message *message, struct skio__blob *blob)
{
    if (blob == NULL)
        return SKIO_ENOMEM;
    skio__message_add(message, blob);
    return SKIO_OK;
}

static char *
put(char *to, const void *data, size_t len)
{
    if (len > 0)
        memcpy(to, data, len);
    return to + len;
}

/* Bytes that the text cannot pass. */
static bool
bound_text(const struct parts *parts, size_t nsp_len, uint32_t attachments,
           size_t *len)
{
    size_t head = 2;

    if (attachments > 0)
        head += SKIO__NUMBER_MAX + 1;
    if (nsp_len > 0)
        head += nsp_len + 1;
    if (parts->id != SIO_NO_ID)
        head += SKIO__NUMBER_MAX;
    return !skio__add_overflow(head, parts->json_len, len);
}

static struct skio__blob *
new_text(const struct sio_encoder *encoder, size_t len)
{
    return encoder->pool != NULL ? skio__blob_take(encoder->pool, false, len)
                                 : skio__blob_new(encoder->mem, false, len);
}

/* The text: `4 type [count "-"] [nsp ","] [id] [json]`. This is what goes ahead
 * of the JSON; nsp_len 0: "/". */
static inline char *
put_head(char *to, const struct sio_encoder *encoder, size_t nsp_len,
         enum sio_type type, uint32_t attachments, uint64_t id)
{
    *to++ = ENGINE_MESSAGE;
    *to++ = (char)('0' + (int)wire_type(type, attachments));
    if (attachments > 0) {
        to += skio__number_format_u64(attachments, to);
        *to++ = '-';
    }
    if (nsp_len > 0) {
        to = put(to, encoder->nsp, nsp_len);
        *to++ = ',';
    }
    if (id != SIO_NO_ID)
        to += skio__number_format_u64(id, to);
    return to;
}

static struct skio__blob *
encode_text(const struct sio_encoder *encoder, const struct parts *parts,
            uint32_t attachments)
{
    const size_t nsp_len = encoder->nsp[1] != '\0' ? strlen(encoder->nsp) : 0;
    struct skio__blob *blob;
    char *start;
    char *to;
    size_t len;

    if (!bound_text(parts, nsp_len, attachments, &len))
        return NULL;
    blob = new_text(encoder, len);
    if (blob == NULL)
        return NULL;

    start = (char *)skio__blob_data(blob);
    to = put_head(start, encoder, nsp_len, parts->type, attachments, parts->id);
    to = put(to, parts->json, parts->json_len);
    skio__blob_seal(blob, (size_t)(to - start));
    return blob;
}

/* Whether the message would be larger than what may wait for one client. */
static bool
is_too_large(const struct sio_encoder *encoder, const struct parts *parts,
             uint32_t attachments)
{
    size_t total = parts->json_len;
    uint32_t i;

    if (encoder->max_bytes == 0)
        return false;
    for (i = 0; i < attachments; i++)
        if (skio__add_overflow(total, parts->attachments->items[i].len, &total))
            return true;
    return total > encoder->max_bytes;
}

/* The same as a parser of the host's sees it. */
static int
encode_with_parser(const struct sio_encoder *encoder, const struct parts *parts,
                   struct skio_message **out)
{
    const struct skio__attachments *attachments = parts->attachments;
    const skio_packet packet = {
        .struct_size = sizeof(packet),
        .type = (enum skio_packet_type)parts->type,
        .nsp = encoder->nsp,
        .nsp_len = strlen(encoder->nsp),
        .has_id = parts->id != SIO_NO_ID,
        .id = parts->id != SIO_NO_ID ? parts->id : 0,
        .json = parts->json,
        .json_len = parts->json_len,
        .attachments = attachments != NULL ? attachments->items : NULL,
        .attachment_count = attachments != NULL ? attachments->count : 0,
    };

    return skio__parser_encode(encoder, &packet, out);
}

static int
encode(const struct sio_encoder *encoder, const struct parts *parts,
       struct skio_message **out)
{
    const uint32_t attachments =
        parts->attachments != NULL ? parts->attachments->count : 0;
    struct skio_message *message;
    uint32_t i;
    int err;

    if (is_too_large(encoder, parts, attachments))
        return SKIO_ENOBUFS;
    if (skio__unlikely(encoder->parser != NULL))
        return encode_with_parser(encoder, parts, out);
    message = skio__message_new(encoder->mem, encoder->pool, 1 + attachments);
    if (message == NULL)
        return SKIO_ENOMEM;

    err = add_blob(message, encode_text(encoder, parts, attachments));
    for (i = 0; err == SKIO_OK && i < attachments; i++) {
        const skio_bytes *bytes = &parts->attachments->items[i];

        err = add_blob(message, skio__blob_copy(encoder->mem, true, bytes->data,
                                                bytes->len));
    }
    if (err == SKIO_OK && encoder->max_bytes > 0 &&
        message->bytes > encoder->max_bytes)
        err = SKIO_ENOBUFS;
    if (err != SKIO_OK) {
        skio__message_unref(message);
        return err;
    }
    *out = message;
    return SKIO_OK;
}

/* Begin the JSON: its buffer never grows past what could be sent. The scratch
 * has other users, so its own limit is put back. */
static struct skio__buf *
begin_json(const struct sio_encoder *encoder, size_t *max)
{
    struct skio__buf *json = encoder->scratch;

    skio__buf_reset(json);
    *max = json->max;
    json->max = encoder->max_bytes;
    return json;
}

static uint64_t
first_placeholder(const struct sio_encoder *encoder)
{
    return encoder->parser != NULL ? encoder->parser->first_placeholder : 0;
}

static void
begin_attachments(const struct sio_encoder *encoder,
                  struct skio__attachments *attachments)
{
    /* A parser may put them into the message, where they are not counted. */
    skio__attachments_init(attachments, encoder->mem,
                           encoder->parser != NULL ? UINT32_MAX
                                                   : encoder->max_attachments);
    attachments->first = first_placeholder(encoder);
}

/* What a failure to write the JSON is called outside. */
static int
json_error(const struct skio__buf *json, int err)
{
    return json->err == SKIO_ETOOBIG ? SKIO_ENOBUFS : err;
}

static int
put_name(const struct sio_encoder *encoder, struct skio__buf *json,
         const char *event)
{
    size_t len = strlen(event);

    if (len > encoder->max_name_bytes ||
        (!encoder->any_name && skio__packet_is_reserved(event, len)) ||
        !skio__utf8_valid(event, len))
        return SKIO_EINVAL;
    skio__buf_putc(json, '[');
    return skio__json_quote(json, event, len);
}

/* The arguments, with a comma before the first where a name precedes it. */
static int
put_arguments(const struct sio_encoder *encoder, struct skio__buf *json,
              struct skio__attachments *attachments, bool has_name,
              const char *format, va_list *args)
{
    const struct skio__format_options options = {
        .mem = encoder->mem,
        .max_json_depth = encoder->max_json_depth,
        .trust_raw_json = encoder->trust_raw_json,
        .is_value = false,
        .attachments = attachments,
    };
    size_t len;
    int err;

    if (format == NULL)
        return json->err;
    if (has_name)
        skio__buf_putc(json, ',');
    len = json->len;
    err = skio__format(&options, json, format, args);
    if (err == SKIO_OK && has_name && json->len == len)
        json->len--; /* there were none */
    return err;
}

/*
 * Finished JSON may hold what looks like a placeholder: a client's own text
 * that is passed on. In a packet with attachments its number would be taken
 * for real, and one too large makes every receiver drop its connection. So the
 * whole is checked as a receiver will. Where placeholders have numbers that no
 * object of a user has, none is taken for another.
 */
static int
check_placeholders(const struct sio_encoder *encoder,
                   const struct skio__buf *json, uint32_t attachments)
{
    const struct skio__json_limits limits = {encoder->max_json_depth,
                                             attachments};
    struct skio__json_scan scan = {0};

    if (first_placeholder(encoder) != 0 ||
        skio__json_scan(json->data, json->len, &limits, &scan) == SKIO_OK)
        return SKIO_OK;
    return SKIO_EINVAL;
}

static int
put_event(const struct sio_encoder *encoder, struct skio__buf *json,
          struct skio__attachments *attachments, const char *event,
          const char *format, va_list *args)
{
    int err;

    if (event != NULL)
        err = put_name(encoder, json, event);
    else
        err = skio__buf_putc(json, '[');
    if (err == SKIO_OK)
        err = put_arguments(encoder, json, attachments, event != NULL, format,
                            args);
    if (err == SKIO_OK)
        err = skio__buf_putc(json, ']');
    if (err == SKIO_OK && attachments->count > 0)
        err = check_placeholders(encoder, json, attachments->count);
    return json_error(json, err);
}

/* An event if it has a name, else an ack. */
static int
encode_format(const struct sio_encoder *encoder, const char *event, uint64_t id,
              const char *format, va_list *args, struct skio_message **out)
{
    struct skio__attachments attachments;
    size_t max;
    struct skio__buf *json = begin_json(encoder, &max);
    int err;

    begin_attachments(encoder, &attachments);
    err = put_event(encoder, json, &attachments, event, format, args);
    if (err == SKIO_OK) {
        const struct parts parts = {
            event != NULL ? SIO_EVENT : SIO_ACK,
            id,
            json->data,
            json->len,
            &attachments,
        };

        err = encode(encoder, &parts, out);
    }
    skio__attachments_deinit(&attachments);
    json->max = max;
    return err;
}

int
skio__message_event(const struct sio_encoder *encoder, const char *event,
                    uint64_t id, const char *format, va_list *args,
                    struct skio_message **out)
{
    return encode_format(encoder, event, id, format, args, out);
}

/* The brackets around finished JSON are ours: what closes them early leaves a
 * rest, which the scan refuses. */
static int
put_finished(const struct sio_encoder *encoder, struct skio__buf *text,
             const char *event, const char *json, size_t len)
{
    const struct skio__json_limits limits = {encoder->max_json_depth, -1};
    struct skio__json_scan scan = {0};
    int err = put_name(encoder, text, event);

    if (err == SKIO_OK && len > 0) {
        skio__buf_putc(text, ',');
        err = skio__buf_append(text, json, len);
    }
    if (err == SKIO_OK)
        err = skio__buf_putc(text, ']');
    if (err == SKIO_OK && len > 0 && !encoder->trust_raw_json &&
        skio__json_scan(text->data, text->len, &limits, &scan) != SKIO_OK)
        err = SKIO_EINVAL;
    return json_error(text, err);
}

int
skio__message_event_json(const struct sio_encoder *encoder, const char *event,
                         uint64_t id, const char *json, size_t len,
                         struct skio_message **out)
{
    size_t max;
    struct skio__buf *text = begin_json(encoder, &max);
    int err = put_finished(encoder, text, event, json, len);

    if (err == SKIO_OK) {
        const struct parts parts = {
            SIO_EVENT, id, text->data, text->len, NULL,
        };

        err = encode(encoder, &parts, out);
    }
    text->max = max;
    return err;
}

static int
put_list(const struct sio_encoder *encoder, struct skio__buf *json,
         struct skio__attachments *attachments, const struct skio_value *list)
{
    int err = skio__buf_putc(json, '[');

    if (err == SKIO_OK)
        err = skio__attachments_splice(attachments, json, list);
    if (err == SKIO_OK)
        err = skio__buf_putc(json, ']');
    if (err == SKIO_OK && attachments->count > 0)
        err = check_placeholders(encoder, json, attachments->count);
    return json_error(json, err);
}

int
skio__message_event_list(const struct sio_encoder *encoder,
                         const struct skio_value *list, uint64_t id,
                         struct skio_message **out)
{
    struct skio__attachments attachments;
    size_t max;
    struct skio__buf *json = begin_json(encoder, &max);
    int err;

    begin_attachments(encoder, &attachments);
    err = put_list(encoder, json, &attachments, list);
    if (err == SKIO_OK) {
        const struct parts parts = {
            SIO_EVENT, id, json->data, json->len, &attachments,
        };

        err = encode(encoder, &parts, out);
    }
    skio__attachments_deinit(&attachments);
    json->max = max;
    return err;
}

int
skio__message_ack(const struct sio_encoder *encoder, uint64_t id,
                  const char *format, va_list *args, struct skio_message **out)
{
    return encode_format(encoder, NULL, id, format, args, out);
}

int
skio__message_ack_list(const struct sio_encoder *encoder, uint64_t id,
                       const struct skio_value *list, struct skio__blob **out)
{
    const size_t nsp_len = encoder->nsp[1] != '\0' ? strlen(encoder->nsp) : 0;
    struct skio__blob *blob;
    const char *args;
    char *start;
    char *to;
    size_t len;

    skio__value_raw(list, &args, &len);
    blob = new_text(encoder, 2 + nsp_len + 1 + SKIO__NUMBER_MAX + 2 + len);
    if (blob == NULL)
        return SKIO_ENOMEM;
    start = (char *)skio__blob_data(blob);
    to = put_head(start, encoder, nsp_len, SIO_ACK, 0, id);
    *to++ = '[';
    to = put(to, args, len);
    *to++ = ']';
    skio__blob_seal(blob, (size_t)(to - start));
    if (encoder->max_bytes > 0 &&
        skio__blob_frame_len(blob) > encoder->max_bytes) {
        skio__blob_unref(blob);
        return SKIO_ENOBUFS;
    }
    *out = blob;
    return SKIO_OK;
}

int
skio__message_control(const struct sio_encoder *encoder, enum sio_type type,
                      const char *json, size_t len, struct skio_message **out)
{
    const struct parts parts = {type, SIO_NO_ID, json, len, NULL};

    return encode(encoder, &parts, out);
}
