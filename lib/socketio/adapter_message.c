/*
 * Messages as adapters carry them to other servers and back
 */
#include <socketio/adapter.h>

#include <stdio.h>
#include <string.h>

#include "base/attachments.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/mem.h"
#include "socketio/message.h"
#include "socketio/namespace.h"
#include "socketio/packet.h"
#include "socketio/parser.h"
#include "socketio/recovery.h"
#include "socketio/value.h"

/*
 * What a parser has encoded, read again: text with placeholders from 0 on, and
 * views on bytes in the message itself. Made when it is first asked for.
 */
struct sio_carried {
    const char *json; /* behind the items */
    size_t len;
    uint32_t count;
    skio_bytes items[];
};

/* The default encoding holds it as it is:
 * `4 type [count "-"] [nsp ","] [id] json`; a name may hold digits. */
static void
plain_json(const skio_message *message, skio_bytes *json)
{
    const void *data;
    const char *text;
    size_t len;

    skio__blob_packet(message->blobs[0], &data, &len);
    text = data;
    text += 2;
    if (message->count > 1)
        text = (const char *)memchr(text, '-', len - 2) + 1;
    if (message->nsp->name_len > 1)
        text += message->nsp->name_len + 1;
    while (*text >= '0' && *text <= '9')
        text++;
    json->len = len - (size_t)(text - (const char *)data);
    json->data = text;
}

/* The text with its attachments in one block. */
static int
pack(const skio_allocator *mem, const struct skio__buf *json,
     const struct skio__attachments *attachments, struct sio_carried **out)
{
    struct sio_carried *carried;
    size_t items;
    size_t size;
    char *text;

    if (skio__mul_overflow(attachments->count, sizeof carried->items[0],
                           &items) ||
        skio__add_overflow(sizeof *carried + json->len, items, &size))
        return SKIO_ENOMEM;
    carried = skio__mem_alloc(mem, size);
    if (carried == NULL)
        return SKIO_ENOMEM;

    text = (char *)&carried->items[attachments->count];
    memcpy(text, json->data, json->len);
    if (items > 0)
        memcpy(carried->items, attachments->items, items);
    carried->json = text;
    carried->len = json->len;
    carried->count = attachments->count;
    *out = carried;
    return SKIO_OK;
}

/*
 * Where the parser's placeholders have numbers of their own, an object of the
 * application may look like one of those that are written here: who reads it
 * could not tell.
 */
static bool
is_clear(const struct skio__buf *json, uint32_t attachments)
{
    const struct skio__json_limits limits = {SKIO__JSON_DEPTH_MAX, attachments};
    struct skio__json_scan scan = {0};

    return attachments == 0 ||
           skio__json_scan(json->data, json->len, &limits, &scan) == SKIO_OK;
}

static int
carry(const skio_message *message, struct sio_parsed *parsed,
      struct skio__arena *arena, struct sio_carried **out)
{
    const struct sio_packet *packet = &parsed->packet;
    struct skio__attachments attachments;
    struct skio_value list;
    struct skio__buf json;
    int err;

    skio__packet_args(packet, 0, parsed->attachments, arena, &list);
    list.first_placeholder = message->nsp->server->first_placeholder;
    skio__buf_init(&json, message->mem);
    skio__attachments_init(&attachments, message->mem, UINT32_MAX);
    skio__buf_putc(&json, '[');
    err = skio__attachments_splice(&attachments, &json, &list);
    if (err == SKIO_OK)
        err = skio__buf_putc(&json, ']');
    if (err == SKIO_OK && !is_clear(&json, attachments.count))
        err = SKIO_EINVAL;
    if (err == SKIO_OK)
        err = pack(message->mem, &json, &attachments, out);
    skio__attachments_deinit(&attachments);
    skio__buf_deinit(&json);
    skio__value_deinit(&list);
    return err;
}

/* SKIO_OK and NULL: it needs none. */
static int
carried_of(const skio_message *message, const struct sio_carried **out)
{
    struct skio__arena arena; /* the server's may be smaller than a message */
    struct sio_carried *made = NULL;
    struct sio_parsed parsed;
    int err;

    *out = message->carried;
    if (!message->is_foreign || message->carried != NULL)
        return SKIO_OK;

    skio__arena_init(&arena, message->mem, 0);
    err = skio__parser_reread(&message->nsp->server->options, &arena, message,
                              &parsed);
    if (err == SKIO_OK && parsed.packet.root.type != SKIO__JSON_ARRAY)
        err = SKIO_EINVAL;
    if (err == SKIO_OK)
        err = carry(message, &parsed, &arena, &made);
    skio__arena_deinit(&arena);
    if (err != SKIO_OK)
        return err == SKIO_ENOMEM ? err : SKIO_EINVAL;

    ((skio_message *)(uintptr_t)message)->carried = made;
    *out = made;
    return SKIO_OK;
}

int
skio_adapter_message_json(const skio_message *message, skio_bytes *json)
{
    const struct sio_carried *carried;
    int err = carried_of(message, &carried);

    *json = (skio_bytes){"", 0};
    if (err != SKIO_OK)
        return err;
    if (carried == NULL)
        plain_json(message, json);
    else
        *json = (skio_bytes){carried->json, carried->len};
    return SKIO_OK;
}

uint32_t
skio_adapter_message_attachments(const skio_message *message)
{
    const struct sio_carried *carried;

    if (carried_of(message, &carried) != SKIO_OK)
        return 0;
    return carried != NULL ? carried->count : message->count - 1;
}

void
skio_adapter_message_attachment(const skio_message *message, uint32_t index,
                                skio_bytes *out)
{
    if (message->carried != NULL)
        *out = message->carried->items[index];
    else
        skio__blob_packet(message->blobs[index + 1], &out->data, &out->len);
}

/*
 * Another server's event is checked as a client's is, by the same code: no
 * stock client would take what fails here.
 */
static int
check_event(const skio_server_options *options, struct sio_packet *packet)
{
    const bool has_parser = options->parser != NULL;
    const struct sio_packet_limits limits = {
        /* A parser may put them into the message, where they are bounded. */
        .max_attachments = has_parser ? UINT32_MAX : options->max_attachments,
        .max_json_depth = options->max_json_depth,
        .max_name_bytes = options->max_name_bytes,
    };
    const char *why = "";

    return skio__packet_check(packet, &limits, true, &why);
}

int
skio__message_carried(skio_nsp *nsp, const char *json, size_t len,
                      const skio_bytes *attachments, uint32_t attachment_count,
                      uint64_t id, skio_message **out)
{
    skio_server *server = nsp->server;
    struct sio_packet packet = {
        .type = SIO_EVENT,
        .attachments = attachment_count,
        .nsp = "/",
        .nsp_len = 1,
        .json = json,
        .json_len = len,
    };
    struct sio_encoder encoder;
    struct skio_value list;
    int err = check_event(&server->options, &packet);

    if (err != SKIO_OK)
        return err;
    skio__value_init_args(&list, json, &packet.root, packet.items,
                          skio__packet_kept(&packet), packet.count, 0,
                          attachments, attachment_count, &server->arena);
    skio__nsp_encoder(nsp, &encoder);
    err = skio__message_event_list(&encoder, &list, id, out);
    skio__value_deinit(&list);
    if (err == SKIO_OK)
        (*out)->nsp = nsp;
    return err;
}

int
skio_adapter_message_new(skio_nsp *nsp, const char *json, size_t len,
                         const skio_bytes *attachments,
                         uint32_t attachment_count, skio_message **out)
{
    return skio__message_carried(nsp, json, len, attachments, attachment_count,
                                 SIO_NO_ID, out);
}

int
skio_adapter_carry(const skio_nsp *nsp, const skio_value *value,
                   const char *path, skio_adapter_carry_fn *fn, void *user)
{
    const skio_allocator *mem = skio__server_mem(nsp->server);
    const skio_value *part = skio_get_value(value, path);
    struct skio__attachments list;
    struct skio__buf json;
    int err;

    if (part == NULL)
        return skio_type_of(value, path) == SKIO_TYPE_NONE ? SKIO_ENOENT
                                                           : SKIO_ENOMEM;
    skio__attachments_init(&list, mem, UINT32_MAX);
    skio__buf_init(&json, mem);
    err = skio__attachments_splice(&list, &json, part);
    skio__engine_enter(&nsp->server->engine);
    if (err == SKIO_OK)
        fn(json.data, json.len, list.items, list.count, user);
    skio__engine_leave(&nsp->server->engine);
    skio__buf_deinit(&json);
    skio__attachments_deinit(&list);
    return err;
}

void
skio_adapter_message_set_flags(skio_message *message, unsigned flags)
{
    skio__message_set_flags(message, flags);
}

int
skio_adapter_message_with_offset(const skio_message *message,
                                 const char *offset, skio_message **out)
{
    char tail[SIO_OFFSET_MAX + sizeof ",\"\""];
    struct skio_message *copy;
    int len;

    if (!skio__recovery_is_offset(offset))
        return SKIO_EINVAL;
    len = snprintf(tail, sizeof tail, ",\"%s\"", offset);
    copy = skio__recovery_tail(message->nsp, message, tail, (size_t)len);
    if (copy == NULL)
        return SKIO_ENOMEM;
    copy->blobs[0]->flags |=
        message->blobs[0]->flags & (uint32_t)SKIO__BLOB_NO_COMPRESS;
    *out = copy;
    return SKIO_OK;
}

size_t
skio_adapter_message_size(const skio_message *message)
{
    return message->bytes;
}

skio_message *
skio_adapter_message_ref(skio_message *message)
{
    return skio__message_ref(message);
}

void
skio_adapter_message_unref(skio_message *message)
{
    skio__message_unref(message);
}
