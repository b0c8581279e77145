/*
 * Writing messages between servers, as JSON or MessagePack: see wire_parts.h
 */
#include "adapter/wire_parts.h"

#include <string.h>

#include "base/msgpack.h"

#define EVENT_TYPE 2 /* as packets of clients have it, attachments or not */

#define PLACEHOLDER "{\"_placeholder\":true,\"num\":"
#define PLACEHOLDER_LEN (sizeof(PLACEHOLDER) - 1)

void
skio__wire_writer_begin(struct skio__wire_writer *writer,
                        enum skio__wire_form form, struct skio__buf *out)
{
    writer->out = out;
    writer->form = form;
    writer->wants_comma = false;
    writer->err = SKIO_OK;
    writer->start = out->len;
}

int
skio__wire_writer_end(struct skio__wire_writer *writer)
{
    int err = writer->out->err != SKIO_OK ? writer->out->err : writer->err;

    if (err != SKIO_OK)
        writer->out->len = writer->start;
    return err;
}

/* ---- Parts ---- */

/* Before each key and element of JSON. */
static void
separate(struct skio__wire_writer *writer)
{
    if (writer->wants_comma)
        skio__buf_putc(writer->out, ',');
    writer->wants_comma = true;
}

static void
open_json(struct skio__wire_writer *writer, char bracket)
{
    separate(writer);
    skio__buf_putc(writer->out, bracket);
    writer->wants_comma = false;
}

static void
close_json(struct skio__wire_writer *writer, char bracket)
{
    skio__buf_putc(writer->out, bracket);
    writer->wants_comma = true;
}

void
skio__wire_put_map(struct skio__wire_writer *writer, size_t members)
{
    if (writer->form == SKIO__WIRE_MSGPACK)
        skio__msgpack_put_map(writer->out, members);
    else
        open_json(writer, '{');
}

void
skio__wire_put_array(struct skio__wire_writer *writer, size_t elements)
{
    if (writer->form == SKIO__WIRE_MSGPACK)
        skio__msgpack_put_array(writer->out, elements);
    else
        open_json(writer, '[');
}

void
skio__wire_end_map(struct skio__wire_writer *writer)
{
    if (writer->form == SKIO__WIRE_JSON)
        close_json(writer, '}');
}

void
skio__wire_end_array(struct skio__wire_writer *writer)
{
    if (writer->form == SKIO__WIRE_JSON)
        close_json(writer, ']');
}

static void
put_string(struct skio__wire_writer *writer, const char *str, size_t len)
{
    if (writer->form == SKIO__WIRE_MSGPACK) {
        skio__msgpack_put_str(writer->out, str, len);
        return;
    }
    separate(writer);
    skio__json_quote(writer->out, str, len);
}

void
skio__wire_put_key(struct skio__wire_writer *writer, const char *key)
{
    put_string(writer, key, strlen(key));
    if (writer->form == SKIO__WIRE_MSGPACK)
        return;
    skio__buf_putc(writer->out, ':');
    writer->wants_comma = false;
}

void
skio__wire_put_text(struct skio__wire_writer *writer, skio_bytes text)
{
    put_string(writer, text.data, text.len);
}

void
skio__wire_put_u64(struct skio__wire_writer *writer, uint64_t n)
{
    if (writer->form == SKIO__WIRE_MSGPACK) {
        skio__msgpack_put_u64(writer->out, n);
        return;
    }
    separate(writer);
    skio__buf_append_u64(writer->out, n);
}

/* A value without placeholders, as JSON has it. */
static void
put_json(struct skio__wire_writer *writer, const char *json)
{
    if (writer->form == SKIO__WIRE_MSGPACK) {
        skio__msgpack_from_json(writer->out, json, strlen(json), 0, NULL, 0);
        return;
    }
    separate(writer);
    skio__buf_append_str(writer->out, json);
}

void
skio__wire_put_bool(struct skio__wire_writer *writer, bool value)
{
    put_json(writer, value ? "true" : "false");
}

void
skio__wire_put_null(struct skio__wire_writer *writer)
{
    put_json(writer, "null");
}

void
skio__wire_put_names(struct skio__wire_writer *writer, const char *const *names)
{
    size_t count = 0;
    size_t i;

    while (names != NULL && names[count] != NULL)
        count++;
    skio__wire_put_array(writer, count);
    for (i = 0; i < count; i++)
        put_string(writer, names[i], strlen(names[i]));
    skio__wire_end_array(writer);
}

void
skio__wire_put_name(struct skio__wire_writer *writer, const char *const *names)
{
    put_string(writer, names[0], strlen(names[0]));
}

static void
put_flags(struct skio__wire_writer *writer,
          const struct skio__wire_message *message)
{
    const bool is_volatile = (message->flags & SKIO_VOLATILE) != 0;
    const bool is_raw = (message->flags & SKIO_NO_COMPRESS) != 0;
    const bool has_timeout = message->timeout_ms > 0;

    skio__wire_put_map(writer, (size_t)is_volatile + is_raw + has_timeout);
    if (is_volatile) {
        skio__wire_put_key(writer, "volatile");
        skio__wire_put_bool(writer, true);
    }
    if (is_raw) {
        skio__wire_put_key(writer, "compress");
        skio__wire_put_bool(writer, false);
    }
    if (has_timeout) {
        skio__wire_put_key(writer, "timeout");
        skio__wire_put_u64(writer, message->timeout_ms);
    }
    skio__wire_end_map(writer);
}

void
skio__wire_put_opts(struct skio__wire_writer *writer,
                    const struct skio__wire_message *message, bool with_flags)
{
    skio__wire_put_map(writer, with_flags ? 3 : 2);
    skio__wire_put_key(writer, "rooms");
    skio__wire_put_names(writer, message->to);
    skio__wire_put_key(writer, "except");
    skio__wire_put_names(writer, message->except);
    if (with_flags) {
        skio__wire_put_key(writer, "flags");
        put_flags(writer, message);
    }
    skio__wire_end_map(writer);
}

void
skio__wire_put_packet(struct skio__wire_writer *writer,
                      const struct skio__wire_message *message, bool with_nsp)
{
    skio__wire_put_map(writer, with_nsp ? 3 : 2);
    skio__wire_put_key(writer, "type");
    skio__wire_put_u64(writer, EVENT_TYPE);
    skio__wire_put_key(writer, "data");
    skio__wire_put_payload(writer, message);
    if (with_nsp) {
        skio__wire_put_key(writer, "nsp");
        skio__wire_put_text(writer, message->nsp);
    }
    skio__wire_end_map(writer);
}

/* ---- The payload ---- */

/* The attachment whose placeholder, in the library's spelling, stands at pos,
 * or NULL; *after is then behind it. */
static const skio_bytes *
attachment_at(const struct skio__wire_message *message, const char *pos,
              const char *end, const char **after)
{
    uint64_t num = 0;
    const char *digits;

    if ((size_t)(end - pos) <= PLACEHOLDER_LEN ||
        memcmp(pos, PLACEHOLDER, PLACEHOLDER_LEN) != 0)
        return NULL;
    digits = pos + PLACEHOLDER_LEN;
    pos = digits;
    while (pos < end && *pos >= '0' && *pos <= '9' && pos - digits < 18)
        num = 10 * num + (uint64_t)(*pos++ - '0');
    if (pos == digits || pos == end || *pos != '}' ||
        num >= message->attachment_count)
        return NULL;
    *after = pos + 1;
    return &message->attachments[num];
}

/* As JSON.stringify() writes a Buffer. */
static void
put_buffer(struct skio__buf *out, const skio_bytes *bytes)
{
    const unsigned char *data = bytes->data;
    size_t i;

    skio__buf_append_str(out, "{\"type\":\"Buffer\",\"data\":[");
    for (i = 0; i < bytes->len; i++) {
        if (i > 0)
            skio__buf_putc(out, ',');
        skio__buf_append_u64(out, data[i]);
    }
    skio__buf_append_str(out, "]}");
}

static void
put_plain(struct skio__buf *out, const struct skio__wire_message *message)
{
    const char *start = message->json.data;
    const char *end = start + message->json.len;
    const char *pos = start;
    const char *after = NULL;

    while (pos < end && out->err == SKIO_OK) {
        const skio_bytes *bytes = NULL;

        if (*pos == '"') {
            pos = skio__json_skip(pos, end);
            continue;
        }
        if (*pos == '{')
            bytes = attachment_at(message, pos, end, &after);
        if (bytes == NULL) {
            pos++;
            continue;
        }
        skio__buf_append(out, start, (size_t)(pos - start));
        put_buffer(out, bytes);
        start = pos = after;
    }
    skio__buf_append(out, start, (size_t)(end - start));
}

void
skio__wire_put_request(struct skio__wire_writer *writer,
                       const struct skio__wire_message *message)
{
    skio__wire_put_key(writer, "requestId");
    skio__wire_put_text(writer, message->request);
}

void
skio__wire_put_operation(struct skio__wire_writer *writer,
                         const struct skio__wire_message *message)
{
    if (message->type != SKIO__WIRE_DISCONNECT_SOCKETS) {
        skio__wire_put_key(writer, "rooms");
        skio__wire_put_names(writer, message->rooms);
        return;
    }
    skio__wire_put_key(writer, "close");
    skio__wire_put_bool(writer, message->close);
    if (message->taken) {
        skio__wire_put_key(writer, "taken");
        skio__wire_put_bool(writer, true);
    }
}

void
skio__wire_put_fetched(struct skio__wire_writer *writer,
                       const struct skio__wire_message *message)
{
    skio__wire_put_map(writer, 2);
    skio__wire_put_request(writer, message);
    skio__wire_put_key(writer, "sockets");
    skio__wire_put_payload(writer, message);
    skio__wire_end_map(writer);
}

void
skio__wire_put_payload(struct skio__wire_writer *writer,
                       const struct skio__wire_message *message)
{
    int err = SKIO_OK;

    if (message->json.len == 0) {
        err = SKIO_EINVAL;
    } else if (writer->form == SKIO__WIRE_MSGPACK) {
        err =
            skio__msgpack_from_json(writer->out, message->json.data,
                                    message->json.len, 0, message->attachments,
                                    message->attachment_count);
    } else {
        separate(writer);
        if (message->attachment_count == 0)
            skio__buf_append(writer->out, message->json.data,
                             message->json.len);
        else
            put_plain(writer->out, message);
    }
    if (err != SKIO_OK && writer->err == SKIO_OK)
        writer->err = err;
}

int
skio__wire_plain_json(struct skio__buf *out,
                      const struct skio__wire_message *message)
{
    struct skio__wire_writer writer;

    skio__wire_writer_begin(&writer, SKIO__WIRE_JSON, out);
    skio__wire_put_payload(&writer, message);
    return skio__wire_writer_end(&writer);
}
