/*
 * What an emitter says: see redis_emission.h
 *
 * The message is written as JSON first. Without bytes in it that is what Node
 * sends, except for an event to clients: it goes as MessagePack to servers of
 * the classic adapter, which read nothing else there.
 *
 *     PUBLISH socket.io#/#room#       ["emitter", packet, options]
 *     PUBLISH socket.io-request#/#    {"type": 2, ...}
 *     SPUBLISH socket.io#/#           {"type": 3, "data": {...}, ...}
 *     XADD stream MAXLEN ~ n * uid emitter nsp / type 3 data {...}
 *
 * Bytes need MessagePack, also in a request, which Node's servers read in
 * either form; in a stream they stand in base64 of it.
 */
#include "adapter/redis_emission.h"

#include <string.h>

#include "base/base64.h"
#include "base/format.h"
#include "base/json.h"
#include "base/msgpack.h"
#include "base/number.h"
#include "base/utf8.h"

#define UID "emitter"

/* No object of a user's has such a number, so none is taken for bytes. */
#define FIRST_PLACEHOLDER (UINT64_C(1) << 52)

/* JSON is longer than the MessagePack that is made of it: at most this many
 * times (\u0000 is a NUL), and by a placeholder for each run of bytes. */
#define JSON_FACTOR 6
#define JSON_EXTRA 256
#define JSON_PLACEHOLDER 64

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What a message is: its number in the classic adapter's protocol, and in that
 * of the others. */
struct kind {
    const char *classic;
    const char *cluster;
};

/* Of an event for clients the packet itself says what it is. */
static const struct kind event_kind = {NULL, "3"};
static const struct kind server_event_kind = {"6", "9"};
static const struct kind request_kinds[] = {
    [SKIO__EMISSION_JOIN] = {"2", "4"},
    [SKIO__EMISSION_LEAVE] = {"3", "5"},
    [SKIO__EMISSION_DISCONNECT] = {"4", "6"},
};

/* As @socket.io/redis-emitter has them. */
static const char *const reserved[] = {
    "connect",       "connect_error", "disconnect",
    "disconnecting", "newListener",   "removeListener",
};

/* Node's servers would take them for events of their own. */
static const char *const reserved_between_servers[] = {
    "connect",
    "connection",
    "new_namespace",
};

void
skio__emission_init(struct skio__emission *e,
                    const skio_emitter_options *options,
                    const skio_allocator *mem)
{
    e->mem = mem;
    e->options = options;
    e->nsp = "";
    skio__buf_init(&e->json, mem);
    skio__buf_init(&e->packed, mem);
    skio__buf_init(&e->text, mem);
    skio__buf_init(&e->channel, mem);
    skio__attachments_init(&e->attachments, mem, options->max_attachments);
    e->argc = 0;
    e->why = "";

    e->json.max = JSON_FACTOR * options->max_bytes + JSON_EXTRA +
                  JSON_PLACEHOLDER * (size_t)options->max_attachments;
    e->packed.max = e->json.max; /* it makes room before it unescapes */
}

void
skio__emission_deinit(struct skio__emission *e)
{
    skio__buf_deinit(&e->json);
    skio__buf_deinit(&e->packed);
    skio__buf_deinit(&e->text);
    skio__buf_deinit(&e->channel);
    skio__attachments_deinit(&e->attachments);
}

static int
refuse(struct skio__emission *e, int err, const char *why)
{
    e->why = why;
    return err;
}

/* What a buffer's error is called outside. */
static int
refuse_buffer(struct skio__emission *e, int err)
{
    return refuse(e, err,
                  err == SKIO_ETOOBIG ? "the message is larger than max_bytes"
                                      : skio_strerror(err));
}

static bool
is_stream(const struct skio__emission *e)
{
    return e->options->stream != NULL;
}

static bool
is_classic(const struct skio__emission *e)
{
    return !is_stream(e) && !e->options->sharded;
}

static bool
is_in(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* ---- Parts of the JSON: the buffer keeps its first error. ---- */

static void
put(struct skio__emission *e, const char *json)
{
    skio__buf_append_str(&e->json, json);
}

static int
put_name(struct skio__emission *e, const char *name, const char *what)
{
    size_t len = strlen(name);

    if (len > e->options->max_name_bytes)
        return refuse(e, SKIO_EINVAL, "a name is longer than max_name_bytes");
    if (!skio__utf8_valid(name, len))
        return refuse(e, SKIO_EINVAL, what);
    skio__json_quote(&e->json, name, len);
    return SKIO_OK;
}

/* A list of rooms. A set names each once. *count: how many were written. */
static int
put_rooms(struct skio__emission *e, const char *const *rooms, bool is_set,
          size_t *count)
{
    size_t n = 0;

    *count = 0;
    put(e, "[");
    for (; rooms != NULL && rooms[n] != NULL; n++) {
        int err;

        if (n == e->options->max_rooms)
            return refuse(e, SKIO_ELIMIT, "more rooms than max_rooms");
        if (is_set && is_in(rooms, n, rooms[n]))
            continue;
        if (*count > 0)
            put(e, ",");
        err = put_name(e, rooms[n], "the name of a room is not UTF-8");
        if (err != SKIO_OK)
            return err;
        (*count)++;
    }
    put(e, "]");
    return SKIO_OK;
}

/* [name, arguments...] */
static int
put_event(struct skio__emission *e, const char *event, const char *format,
          va_list *args)
{
    const struct skio__format_options options = {
        .mem = e->mem,
        .max_json_depth = e->options->max_json_depth,
        .trust_raw_json = e->options->trust_raw_json,
        .is_value = false,
        .attachments = &e->attachments,
    };
    size_t len;
    int err;

    put(e, "[");
    err = put_name(e, event, "the event's name is not UTF-8");
    if (err == SKIO_OK && format != NULL) {
        put(e, ",");
        len = e->json.len;
        err = skio__format(&options, &e->json, format, args);
        if (err == SKIO_EINVAL)
            e->why = "the template, or what it was given, is malformed";
        else if (err == SKIO_ETOOBIG && e->json.err == SKIO_OK)
            e->why = "more bytes than max_attachments";
        else if (err != SKIO_OK)
            refuse_buffer(e, err);
        if (err == SKIO_OK && e->json.err == SKIO_OK && e->json.len == len)
            e->json.len--; /* there were none */
    }
    put(e, "]");
    return err;
}

/* {"rooms":…,"except":…}, with the flags in the middle if there are any. The
 * one room that a message is for, *room, has a channel of its own. */
static int
put_options(struct skio__emission *e, const skio_target *target, bool has_flags,
            const char **room)
{
    const unsigned flags = target != NULL ? target->flags : 0;
    size_t count;
    int err;

    put(e, "{\"rooms\":");
    err = put_rooms(e, target != NULL ? target->to : NULL, true, &count);
    if (err != SKIO_OK)
        return err;
    *room = count == 1 ? target->to[0] : NULL;
    if (has_flags) {
        put(e, ",\"flags\":{");
        if ((flags & SKIO_VOLATILE) != 0)
            put(e, "\"volatile\":true");
        if ((flags & SKIO_VOLATILE) != 0 && (flags & SKIO_NO_COMPRESS) != 0)
            put(e, ",");
        if ((flags & SKIO_NO_COMPRESS) != 0)
            put(e, "\"compress\":false");
        put(e, "}");
    }
    put(e, ",\"except\":");
    err = put_rooms(e, target != NULL ? target->except : NULL, true, &count);
    put(e, "}");
    return err;
}

/* ---- The command ---- */

/* "/" before the name may be left out, as in Node's emitter.of(). */
static int
begin(struct skio__emission *e, const char *nsp)
{
    size_t len;

    e->argc = 0;
    e->why = "";
    skio__buf_reset(&e->json);
    skio__buf_reset(&e->packed);
    skio__buf_reset(&e->text);
    skio__buf_reset(&e->channel);
    skio__attachments_deinit(&e->attachments);
    e->attachments.first = FIRST_PLACEHOLDER;

    e->nsp = nsp == NULL ? "" : nsp + (nsp[0] == '/');
    len = 1 + strlen(e->nsp);
    if (len > e->options->max_name_bytes)
        return refuse(e, SKIO_EINVAL, "a name is longer than max_name_bytes");
    if (!skio__utf8_valid(e->nsp, len - 1) || strchr(e->nsp, ',') != NULL)
        return refuse(e, SKIO_EINVAL,
                      "the namespace's name is not UTF-8, or has a comma");
    return SKIO_OK;
}

static int
check_target(struct skio__emission *e, const skio_target *target)
{
    if (target == NULL)
        return SKIO_OK;
    if (target->sender != NULL)
        return refuse(e, SKIO_EINVAL, "an emitter has no sender");
    if (target->timeout_ms != 0)
        return refuse(e, SKIO_EINVAL, "an emitter gets no acknowledgements");
    if ((target->flags & ~(unsigned)(SKIO_VOLATILE | SKIO_NO_COMPRESS)) != 0)
        return refuse(e, SKIO_EINVAL, "the flags have no meaning here");
    return SKIO_OK;
}

static int
check_size(struct skio__emission *e, const struct skio__buf *buf)
{
    if (buf->err != SKIO_OK)
        return refuse_buffer(e, buf->err);
    if (buf->len > e->options->max_bytes)
        return refuse_buffer(e, SKIO_ETOOBIG);
    return SKIO_OK;
}

/* The message as it goes over the wire: pack it, and write that as text. */
static int
pack(struct skio__emission *e)
{
    int err = skio__msgpack_from_json(&e->packed, e->json.data, e->json.len,
                                      FIRST_PLACEHOLDER, e->attachments.items,
                                      e->attachments.count);

    if (err != SKIO_OK)
        return refuse_buffer(e, err);
    err = check_size(e, &e->packed);
    if (err == SKIO_OK && is_stream(e))
        skio__base64_append(&e->text, e->packed.data, e->packed.len);
    return err;
}

static int
encode(struct skio__emission *e, bool has_msgpack, skio_bytes *out)
{
    const struct skio__buf *last = &e->json;
    int err;

    if (e->json.err != SKIO_OK)
        return refuse_buffer(e, e->json.err);
    if (has_msgpack || e->attachments.count > 0) {
        last = is_stream(e) ? &e->text : &e->packed;
        err = pack(e);
        if (err != SKIO_OK)
            return err;
    }
    *out = (skio_bytes){last->data, last->len};
    return check_size(e, last);
}

static void
add(struct skio__emission *e, const char *word)
{
    e->argv[e->argc++] = (skio_bytes){word, strlen(word)};
}

/* P#N#, or with a room P#N#room#; P-request#N#. A room's channel of the sharded
 * adapter is one that servers need not listen to; they all do to P#N#. */
static int
make_publish(struct skio__emission *e, const char *suffix, const char *room,
             const skio_bytes *message)
{
    skio__buf_append_str(&e->channel, e->options->key);
    skio__buf_append_str(&e->channel, suffix);
    skio__buf_append_str(&e->channel, "#/");
    skio__buf_append_str(&e->channel, e->nsp);
    skio__buf_putc(&e->channel, '#');
    if (room != NULL) {
        skio__buf_append_str(&e->channel, room);
        skio__buf_putc(&e->channel, '#');
    }
    if (e->channel.err != SKIO_OK)
        return refuse_buffer(e, e->channel.err);

    add(e, e->options->sharded ? "SPUBLISH" : "PUBLISH");
    e->argv[e->argc++] = (skio_bytes){e->channel.data, e->channel.len};
    e->argv[e->argc++] = *message;
    return SKIO_OK;
}

/* XADD stream MAXLEN ~ n * uid emitter nsp N type T data D */
static int
make_entry(struct skio__emission *e, const char *type,
           const skio_bytes *message)
{
    size_t nsp;

    skio__buf_append_u64(&e->channel, e->options->stream_max_len);
    nsp = e->channel.len;
    skio__buf_putc(&e->channel, '/');
    skio__buf_append_str(&e->channel, e->nsp);
    if (e->channel.err != SKIO_OK)
        return refuse_buffer(e, e->channel.err);

    add(e, "XADD");
    add(e, e->options->stream);
    add(e, "MAXLEN");
    add(e, "~");
    e->argv[e->argc++] = (skio_bytes){e->channel.data, nsp};
    add(e, "*");
    add(e, "uid");
    add(e, UID);
    add(e, "nsp");
    e->argv[e->argc++] =
        (skio_bytes){e->channel.data + nsp, e->channel.len - nsp};
    add(e, "type");
    add(e, type);
    add(e, "data");
    e->argv[e->argc++] = *message;
    return SKIO_OK;
}

static void
put_nsp(struct skio__emission *e)
{
    put(e, ",\"nsp\":\"/");
    skio__json_escape(&e->json, e->nsp, strlen(e->nsp));
    put(e, "\"}");
}

/* An entry of a stream has the type and the namespace in fields of its own, and
 * a sharded channel's message around what both of them call its data. */
static void
begin_data(struct skio__emission *e, const struct kind *kind)
{
    if (is_stream(e))
        return;
    put(e, "{\"type\":");
    put(e, kind->cluster);
    put(e, ",\"data\":");
}

static void
end_data(struct skio__emission *e)
{
    if (is_stream(e))
        return;
    put(e, ",\"uid\":\"" UID "\"");
    put_nsp(e);
}

/* The command for a message that is written. */
static int
finish(struct skio__emission *e, const struct kind *kind, const char *suffix,
       const char *room)
{
    /* Servers of the classic adapter read nothing else for an event. */
    bool has_msgpack = is_classic(e) && kind->classic == NULL;
    skio_bytes message;
    int err = encode(e, has_msgpack, &message);

    if (err != SKIO_OK)
        return err;
    if (is_stream(e))
        return make_entry(e, kind->cluster, &message);
    return is_classic(e) ? make_publish(e, suffix, room, &message)
                         : make_publish(e, "", NULL, &message);
}

int
skio__emission_event(struct skio__emission *e, const char *nsp,
                     const skio_target *target, const char *event,
                     const char *format, va_list *args)
{
    const char *room = NULL;
    int err = begin(e, nsp);

    if (err == SKIO_OK)
        err = check_target(e, target);
    if (err == SKIO_OK && is_in(reserved, COUNT(reserved), event))
        err = refuse(e, SKIO_EINVAL, "the event's name is reserved");
    if (err != SKIO_OK)
        return err;

    if (is_classic(e)) {
        put(e, "[\"" UID "\",");
    } else {
        begin_data(e, &event_kind);
        put(e, "{\"packet\":");
    }
    put(e, "{\"type\":2,\"data\":");
    err = put_event(e, event, format, args);
    if (err != SKIO_OK)
        return err;
    put_nsp(e);
    put(e, is_classic(e) ? "," : ",\"opts\":");
    err = put_options(e, target, true, &room);
    if (err != SKIO_OK)
        return err;
    if (is_classic(e)) {
        put(e, "]");
    } else {
        put(e, "}");
        end_data(e);
    }
    return finish(e, &event_kind, "", room);
}

/* {"type":2, of the classic adapter; { of the others. */
static void
begin_request(struct skio__emission *e, const struct kind *kind)
{
    if (!is_classic(e)) {
        begin_data(e, kind);
        put(e, "{");
        return;
    }
    put(e, "{\"type\":");
    put(e, kind->classic);
    put(e, ",");
}

static int
finish_request(struct skio__emission *e, const struct kind *kind)
{
    put(e, "}");
    if (!is_classic(e))
        end_data(e);
    return finish(e, kind, "-request", NULL);
}

int
skio__emission_request(struct skio__emission *e, const char *nsp,
                       const skio_target *target,
                       enum skio__emission_request what,
                       const char *const *rooms, bool close)
{
    const struct kind *kind = &request_kinds[what];
    const char *room;
    size_t count;
    int err = begin(e, nsp);

    if (err == SKIO_OK)
        err = check_target(e, target);
    if (err != SKIO_OK)
        return err;

    begin_request(e, kind);
    put(e, "\"opts\":");
    err = put_options(e, target, false, &room);
    if (err != SKIO_OK)
        return err;
    if (what == SKIO__EMISSION_DISCONNECT) {
        put(e, close ? ",\"close\":true" : ",\"close\":false");
    } else {
        put(e, ",\"rooms\":");
        err = put_rooms(e, rooms, false, &count);
    }
    return err == SKIO_OK ? finish_request(e, kind) : err;
}

int
skio__emission_server_event(struct skio__emission *e, const char *nsp,
                            const char *event, const char *format,
                            va_list *args)
{
    const struct kind *kind = &server_event_kind;
    int err = begin(e, nsp);

    if (err == SKIO_OK &&
        is_in(reserved_between_servers, COUNT(reserved_between_servers), event))
        err = refuse(e, SKIO_EINVAL, "the event's name is reserved");
    if (err != SKIO_OK)
        return err;

    if (is_classic(e)) {
        put(e, "{\"uid\":\"" UID "\",\"type\":");
        put(e, kind->classic);
        put(e, ",\"data\":");
    } else {
        begin_data(e, kind);
        put(e, "{\"packet\":");
    }
    err = put_event(e, event, format, args);
    return err == SKIO_OK ? finish_request(e, kind) : err;
}
