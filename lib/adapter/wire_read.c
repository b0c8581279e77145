/*
 * Reading messages between servers: see wire_parts.h
 */
#include "adapter/wire_parts.h"

#include <string.h>

#include "base/msgpack.h"
#include "base/number.h"

#define COUNT_MAX ((UINT64_C(1) << 53) - 1) /* of clients */

/* Of a packet. Old emitters of other languages tell the two apart. */
#define EVENT_TYPE 2
#define BINARY_EVENT_TYPE 5

/* ---- The whole ---- */

static int
read_json(struct skio__wire_reader *reader, const char *text, size_t len,
          uint32_t max_depth)
{
    const struct skio__json_limits limits = {max_depth, -1};
    struct skio__json_scan scan = {0};
    int err = skio__json_scan(text, len, &limits, &scan);

    reader->text = text;
    reader->root = scan.root;
    return err;
}

static int
read_msgpack(struct skio__wire_reader *reader, const void *data, size_t len,
             uint32_t max_depth)
{
    const struct skio__msgpack_limits limits =
        {max_depth, reader->limits->max_attachments};
    struct skio__msgpack_scan scan;
    skio_bytes *bytes = NULL;
    char *json;
    int err;

    err = skio__msgpack_scan(data, len, &limits, &scan);
    if (err != SKIO_OK)
        return err;
    if (scan.json_len > UINT32_MAX)
        return SKIO_ELIMIT; /* what a slice can tell */

    json = skio__arena_alloc(reader->arena, scan.json_len);
    if (scan.bytes > 0)
        bytes = skio__arena_alloc(reader->arena, scan.bytes * sizeof(*bytes));
    if (json == NULL || (scan.bytes > 0 && bytes == NULL))
        return SKIO_ENOMEM;

    reader->text = json;
    reader->root =
        skio__json_whole(json, skio__msgpack_to_json(data, len, &scan, 0, json,
                                                     bytes));
    reader->bytes = bytes;
    reader->byte_count = scan.bytes;
    return SKIO_OK;
}

int
skio__wire_reader_begin(struct skio__wire_reader *reader, const void *data,
                        size_t len, uint32_t wrapping,
                        const struct skio__wire_limits *limits,
                        struct skio__arena *arena)
{
    const char *text = data;
    uint32_t max_depth = SKIO__JSON_DEPTH_MAX;

    memset(reader, 0, sizeof(*reader));
    reader->limits = limits;
    reader->arena = arena;
    reader->mark = skio__arena_mark(arena);

    if (limits->max_depth < max_depth - wrapping)
        max_depth = limits->max_depth + wrapping;
    if (len == 0)
        return SKIO_EPROTO;
    if (text[0] == '{' || text[0] == '[')
        return read_json(reader, text, len, max_depth);
    return read_msgpack(reader, data, len, max_depth);
}

int
skio__wire_reader_end(struct skio__wire_reader *reader, int err,
                      const struct skio__wire_message *decoded,
                      struct skio__wire_message *out)
{
    if (err == SKIO_OK)
        *out = *decoded;
    else
        skio__arena_release(reader->arena, reader->mark);
    /* The peer's fault, whatever it is called elsewhere. */
    return err == SKIO_ETOOBIG ? SKIO_ELIMIT : err;
}

/* ---- Members ---- */

int
skio__wire_find(const struct skio__wire_reader *reader,
                const struct skio__json_slice *object,
                struct skio__wire_member *members, size_t count)
{
    struct skio__json_iter iter;
    size_t i;

    if (object->type != SKIO__JSON_OBJECT)
        return SKIO_EPROTO;
    skio__json_iter_init(&iter, reader->text, object);
    while (skio__json_iter_next(&iter)) {
        for (i = 0; i < count; i++) {
            if (!skio__json_string_is(reader->text, &iter.key, members[i].name,
                                      strlen(members[i].name)))
                continue;
            members[i].value = iter.value;
            members[i].is_there = true;
        }
    }
    return SKIO_OK;
}

bool
skio__wire_has(const struct skio__wire_member *member)
{
    return member->is_there && member->value.type != SKIO__JSON_NULL;
}

bool
skio__wire_is_truthy(const struct skio__wire_reader *reader,
                     const struct skio__wire_member *member)
{
    const char *text = reader->text + member->value.start;
    double number;

    if (!skio__wire_has(member))
        return false;
    switch (member->value.type) {
    case SKIO__JSON_BOOL:
        return *text == 't';
    case SKIO__JSON_NUMBER:
        return skio__number_parse(text, member->value.len, &number) ==
                   SKIO_OK &&
               (number < 0 || number > 0);
    case SKIO__JSON_STRING:
        return member->value.len > 2;
    default:
        return true;
    }
}

/* A string unescaped into out, which has room for it; without NULs. */
static int
unescape(const struct skio__wire_reader *reader,
         const struct skio__json_slice *string, char *out, size_t *len)
{
    *len = skio__json_unescape(reader->text, string, out);
    if (*len > reader->limits->max_name_bytes)
        return SKIO_ELIMIT;
    return memchr(out, '\0', *len) != NULL ? SKIO_EPROTO : SKIO_OK;
}

int
skio__wire_get_text(struct skio__wire_reader *reader,
                    const struct skio__wire_member *member, skio_bytes *out)
{
    const struct skio__json_slice *value = &member->value;
    char *text;

    out->data = NULL;
    out->len = 0;
    if (!skio__wire_has(member))
        return SKIO_OK;
    if (value->type != SKIO__JSON_STRING)
        return SKIO_EPROTO;

    text = skio__arena_alloc(reader->arena, value->len);
    if (text == NULL)
        return SKIO_ENOMEM;
    out->data = text;
    return unescape(reader, value, text, &out->len);
}

int
skio__wire_get_u64(const struct skio__wire_reader *reader,
                   const struct skio__wire_member *member, uint64_t max,
                   uint64_t *out)
{
    int64_t n;

    if (!member->is_there || member->value.type != SKIO__JSON_NUMBER ||
        skio__number_parse_i64(reader->text + member->value.start,
                               member->value.len, &n) != SKIO_OK ||
        n < 0 || (uint64_t)n > max)
        return SKIO_EPROTO;
    *out = (uint64_t)n;
    return SKIO_OK;
}

int
skio__wire_get_count(const struct skio__wire_reader *reader,
                     const struct skio__wire_member *member,
                     struct skio__wire_message *message)
{
    uint64_t count = 0;
    int err = skio__wire_get_u64(reader, member, COUNT_MAX, &count);

    message->client_count = (size_t)count;
    return err;
}

/* ---- Names ---- */

/* One name, NUL-terminated, to *room, which has enough and moves on. */
static int
take_name(const struct skio__wire_reader *reader,
          const struct skio__json_slice *value, char **room, const char **out)
{
    size_t len = value->len;
    int err = SKIO_OK;

    if (value->type == SKIO__JSON_ARRAY || value->type == SKIO__JSON_OBJECT)
        return SKIO_EPROTO;
    if (value->type == SKIO__JSON_STRING)
        err = unescape(reader, value, *room, &len);
    else if (len > reader->limits->max_name_bytes)
        err = SKIO_ELIMIT;
    else
        memcpy(*room, reader->text + value->start, len);
    if (err != SKIO_OK)
        return err;
    *out = *room;
    (*room)[len] = '\0';
    *room += len + 1;
    return SKIO_OK;
}

/* Room for a list of names whose text has so many bytes; each name is followed
 * by at least one more character there, as it is here. */
static const char **
alloc_names(struct skio__wire_reader *reader, size_t count, size_t bytes,
            char **room)
{
    const char **names =
        skio__arena_alloc(reader->arena, (count + 1) * sizeof(*names));

    *room = skio__arena_alloc(reader->arena, bytes);
    if (names == NULL || *room == NULL)
        return NULL;
    names[count] = NULL;
    return names;
}

int
skio__wire_get_names(struct skio__wire_reader *reader,
                     const struct skio__wire_member *member,
                     const char *const **out)
{
    const char **names;
    struct skio__json_iter iter;
    size_t count;
    size_t i;
    char *room;

    *out = NULL;
    if (!skio__wire_has(member))
        return SKIO_OK;
    if (member->value.type != SKIO__JSON_ARRAY)
        return SKIO_EPROTO;
    count = skio__json_count(reader->text, &member->value);
    if (count == 0)
        return SKIO_OK;
    if (count > reader->limits->max_rooms)
        return SKIO_ELIMIT;

    names = alloc_names(reader, count, member->value.len, &room);
    if (names == NULL)
        return SKIO_ENOMEM;
    skio__json_iter_init(&iter, reader->text, &member->value);
    for (i = 0; i < count && skio__json_iter_next(&iter); i++) {
        int err = take_name(reader, &iter.value, &room, &names[i]);

        if (err != SKIO_OK)
            return err;
    }
    *out = names;
    return SKIO_OK;
}

int
skio__wire_get_name(struct skio__wire_reader *reader,
                    const struct skio__wire_member *member,
                    const char *const **out)
{
    const char **names;
    char *room;
    int err;

    *out = NULL;
    if (!skio__wire_has(member))
        return SKIO_OK;
    if (reader->limits->max_rooms == 0)
        return SKIO_ELIMIT;
    names = alloc_names(reader, 1, (size_t)member->value.len + 1, &room);
    if (names == NULL)
        return SKIO_ENOMEM;
    err = take_name(reader, &member->value, &room, &names[0]);
    if (err == SKIO_OK)
        *out = names;
    return err;
}

/* ---- Options ---- */

static uint32_t
read_timeout(const struct skio__wire_reader *reader,
             const struct skio__wire_member *member)
{
    double ms;

    if (!member->is_there || member->value.type != SKIO__JSON_NUMBER ||
        skio__number_parse(reader->text + member->value.start,
                           member->value.len, &ms) != SKIO_OK ||
        ms < 1)
        return 0;
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* Flags that are no object are none: PHP writes an empty one as []. */
static void
read_flags(const struct skio__wire_reader *reader,
           const struct skio__wire_member *flags,
           struct skio__wire_message *message)
{
    struct skio__wire_member known[] = {{.name = "volatile"},
                                        {.name = "compress"},
                                        {.name = "timeout"}};

    if (!flags->is_there ||
        skio__wire_find(reader, &flags->value, known, 3) != SKIO_OK)
        return;
    if (skio__wire_is_truthy(reader, &known[0]))
        message->flags |= SKIO_VOLATILE;
    /* Node compresses unless it is false, and nothing else than that. */
    if (known[1].is_there && known[1].value.type == SKIO__JSON_BOOL &&
        !skio__wire_is_truthy(reader, &known[1]))
        message->flags |= SKIO_NO_COMPRESS;
    message->timeout_ms = read_timeout(reader, &known[2]);
}

int
skio__wire_get_opts(struct skio__wire_reader *reader,
                    const struct skio__wire_member *member, bool with_flags,
                    struct skio__wire_message *message)
{
    struct skio__wire_member known[] = {{.name = "rooms"},
                                        {.name = "except"},
                                        {.name = "flags"}};
    int err;

    if (!member->is_there)
        return SKIO_EPROTO;
    err = skio__wire_find(reader, &member->value, known, 3);
    if (err == SKIO_OK)
        err = skio__wire_get_names(reader, &known[0], &message->to);
    if (err == SKIO_OK)
        err = skio__wire_get_names(reader, &known[1], &message->except);
    if (err == SKIO_OK && with_flags)
        read_flags(reader, &known[2], message);
    return err;
}

/* ---- The payload ---- */

static bool
has_shape(const struct skio__json_scan *scan, enum skio__wire_shape shape)
{
    if (shape == SKIO__WIRE_VALUE)
        return true;
    if (scan->root.type != SKIO__JSON_ARRAY)
        return false;
    /* A client would hang up on an event without a name. */
    return shape == SKIO__WIRE_ARRAY ||
           (scan->count > 0 && (scan->items[0].type == SKIO__JSON_STRING ||
                                scan->items[0].type == SKIO__JSON_NUMBER));
}

int
skio__wire_get_payload(struct skio__wire_reader *reader,
                       const struct skio__wire_member *member,
                       enum skio__wire_shape shape,
                       struct skio__wire_message *message)
{
    const char *text = reader->text + member->value.start;
    const struct skio__json_limits limits = {reader->limits->max_depth,
                                             reader->byte_count > 0
                                                 ? (int64_t)reader->byte_count
                                                 : -1};
    struct skio__json_slice first;
    struct skio__json_scan scan = {.items = &first, .cap = 1};
    int err;

    if (!member->is_there)
        return shape == SKIO__WIRE_VALUE ? SKIO_OK : SKIO_EPROTO;
    err = skio__json_scan(text, member->value.len, &limits, &scan);
    if (err != SKIO_OK)
        return err;
    if (!has_shape(&scan, shape))
        return SKIO_EPROTO;
    /* All bytes of a message are in its payload. */
    if (reader->byte_count > 0 && scan.placeholders < reader->byte_count)
        return SKIO_EPROTO;

    message->json.data = text;
    message->json.len = member->value.len;
    message->attachments = reader->bytes;
    message->attachment_count = reader->byte_count;
    return SKIO_OK;
}

int
skio__wire_get_packet(struct skio__wire_reader *reader,
                      const struct skio__wire_member *member,
                      struct skio__wire_member *nsp,
                      struct skio__wire_message *message)
{
    struct skio__wire_member known[] = {{.name = "type"},
                                        {.name = "data"},
                                        {.name = "nsp"}};
    uint64_t type = 0;
    int err;

    if (!member->is_there)
        return SKIO_EPROTO;
    err = skio__wire_find(reader, &member->value, known, 3);
    if (err == SKIO_OK)
        err = skio__wire_get_u64(reader, &known[0], BINARY_EVENT_TYPE, &type);
    if (err == SKIO_OK && type != EVENT_TYPE && type != BINARY_EVENT_TYPE)
        err = SKIO_EPROTO;
    if (err == SKIO_OK)
        err = skio__wire_get_payload(reader, &known[1], SKIO__WIRE_EVENT,
                                     message);
    if (nsp != NULL)
        *nsp = known[2];
    return err;
}
