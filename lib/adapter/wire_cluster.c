/*
 * Cluster messages: {type, data, uid, nsp}
 *
 * What socket.io-adapter's ClusterAdapter says, as @socket.io/redis-adapter
 * 8.3.0 (sharded) and @socket.io/redis-streams-adapter 0.3.1 write it. Members
 * stand in their order.
 */
#include <string.h>

#include "adapter/wire_parts.h"
#include "base/base64.h"

/* Levels around a payload: {data: {packet: {data: []}}}. */
#define WRAPPING 3

static bool
has_data(enum skio__wire_type type)
{
    return type != SKIO__WIRE_INITIAL_HEARTBEAT &&
           type != SKIO__WIRE_HEARTBEAT && type != SKIO__WIRE_ADAPTER_CLOSE;
}

static bool
may_have_attachments(enum skio__wire_type type)
{
    switch (type) {
    case SKIO__WIRE_BROADCAST:
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
    case SKIO__WIRE_SERVER_SIDE_EMIT:
    case SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE:
    case SKIO__WIRE_BROADCAST_ACK:
        return true;
    default:
        return false;
    }
}

/* What is asked or answered must have a name. */
static bool
needs_request(enum skio__wire_type type)
{
    switch (type) {
    case SKIO__WIRE_FETCH_SOCKETS:
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
    case SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE:
    case SKIO__WIRE_BROADCAST_CLIENT_COUNT:
    case SKIO__WIRE_BROADCAST_ACK:
        return true;
    default:
        return false;
    }
}

static bool
may_have_request(enum skio__wire_type type)
{
    return needs_request(type) || type == SKIO__WIRE_BROADCAST ||
           type == SKIO__WIRE_SERVER_SIDE_EMIT;
}

static bool
is_known(uint64_t type)
{
    return type >= SKIO__WIRE_INITIAL_HEARTBEAT &&
           type <= SKIO__WIRE_ADAPTER_CLOSE;
}

/* ---- Encoding ---- */

static bool
is_encodable(const struct skio__wire_message *message)
{
    return is_known(message->type) &&
           (message->request.len > 0 || !needs_request(message->type));
}

static void
put_broadcast(struct skio__wire_writer *w,
              const struct skio__wire_message *message)
{
    const bool asks = message->request.len > 0;

    skio__wire_put_map(w, asks ? 3 : 2);
    skio__wire_put_key(w, "packet");
    skio__wire_put_packet(w, message, false);
    if (asks)
        skio__wire_put_request(w, message);
    skio__wire_put_key(w, "opts");
    skio__wire_put_opts(w, message, true);
    skio__wire_end_map(w);
}

/* JOIN, LEAVE, DISCONNECT, FETCH: the target, and what to do. */
static void
put_operation(struct skio__wire_writer *w,
              const struct skio__wire_message *message)
{
    const bool is_taken =
        message->type == SKIO__WIRE_DISCONNECT_SOCKETS && message->taken;

    skio__wire_put_map(w, is_taken ? 3 : 2);
    skio__wire_put_key(w, "opts");
    skio__wire_put_opts(w, message, true);
    if (message->type == SKIO__WIRE_FETCH_SOCKETS)
        skio__wire_put_request(w, message);
    else
        skio__wire_put_operation(w, message);
    skio__wire_end_map(w);
}

static void
put_server_side_emit(struct skio__wire_writer *w,
                     const struct skio__wire_message *message)
{
    const bool asks = message->request.len > 0;

    skio__wire_put_map(w, asks ? 2 : 1);
    if (asks)
        skio__wire_put_request(w, message);
    skio__wire_put_key(w, "packet");
    skio__wire_put_payload(w, message);
    skio__wire_end_map(w);
}

static void
put_client_count(struct skio__wire_writer *w,
                 const struct skio__wire_message *message)
{
    skio__wire_put_map(w, 2);
    skio__wire_put_request(w, message);
    skio__wire_put_key(w, "clientCount");
    skio__wire_put_u64(w, message->client_count);
    skio__wire_end_map(w);
}

/* One value. undefined is no member of JSON, and nil in the MessagePack of the
 * streams adapter. */
static void
put_answer(struct skio__wire_writer *w,
           const struct skio__wire_message *message)
{
    const bool is_empty = message->json.len == 0;
    const bool is_absent = is_empty && w->form == SKIO__WIRE_JSON;

    skio__wire_put_map(w, is_absent ? 1 : 2);
    skio__wire_put_request(w, message);
    if (!is_absent)
        skio__wire_put_key(w, "packet");
    if (!is_empty)
        skio__wire_put_payload(w, message);
    else if (!is_absent)
        skio__wire_put_null(w);
    skio__wire_end_map(w);
}

static void
put_data(struct skio__wire_writer *w, const struct skio__wire_message *message)
{
    switch (message->type) {
    case SKIO__WIRE_BROADCAST:
        put_broadcast(w, message);
        break;
    case SKIO__WIRE_SOCKETS_JOIN:
    case SKIO__WIRE_SOCKETS_LEAVE:
    case SKIO__WIRE_DISCONNECT_SOCKETS:
    case SKIO__WIRE_FETCH_SOCKETS:
        put_operation(w, message);
        break;
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
        skio__wire_put_fetched(w, message);
        break;
    case SKIO__WIRE_SERVER_SIDE_EMIT:
        put_server_side_emit(w, message);
        break;
    case SKIO__WIRE_BROADCAST_CLIENT_COUNT:
        put_client_count(w, message);
        break;
    case SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE:
    case SKIO__WIRE_BROADCAST_ACK:
        put_answer(w, message);
        break;
    default: /* those without data */
        break;
    }
}

int
skio__wire_cluster_encode(struct skio__buf *out,
                          const struct skio__wire_message *message,
                          bool always_msgpack)
{
    const bool is_binary =
        message->attachment_count > 0 && may_have_attachments(message->type);
    struct skio__wire_writer w;

    if (!is_encodable(message))
        return SKIO_EINVAL;
    skio__wire_writer_begin(&w,
                            always_msgpack || is_binary ? SKIO__WIRE_MSGPACK
                                                        : SKIO__WIRE_JSON,
                            out);
    skio__wire_put_map(&w, has_data(message->type) ? 4 : 3);
    skio__wire_put_key(&w, "type");
    skio__wire_put_u64(&w, message->type);
    if (has_data(message->type)) {
        skio__wire_put_key(&w, "data");
        put_data(&w, message);
    }
    skio__wire_put_key(&w, "uid");
    skio__wire_put_text(&w, message->uid);
    skio__wire_put_key(&w, "nsp");
    skio__wire_put_text(&w, message->nsp);
    skio__wire_end_map(&w);
    return skio__wire_writer_end(&w);
}

static int
encode_base64(struct skio__buf *out, const struct skio__wire_message *message)
{
    struct skio__wire_writer w;
    struct skio__buf packed;
    int err;

    skio__buf_init(&packed, out->mem);
    packed.max = out->max;
    skio__wire_writer_begin(&w, SKIO__WIRE_MSGPACK, &packed);
    put_data(&w, message);
    err = skio__wire_writer_end(&w);
    if (err == SKIO_OK)
        err = skio__base64_append(out, packed.data, packed.len);
    skio__buf_deinit(&packed);
    return err;
}

int
skio__wire_cluster_encode_data(struct skio__buf *out,
                               const struct skio__wire_message *message,
                               bool only_plaintext)
{
    struct skio__wire_writer w;

    if (!is_encodable(message))
        return SKIO_EINVAL;
    if (!only_plaintext && message->attachment_count > 0 &&
        may_have_attachments(message->type))
        return encode_base64(out, message);
    skio__wire_writer_begin(&w, SKIO__WIRE_JSON, out);
    put_data(&w, message);
    return skio__wire_writer_end(&w);
}

/* ---- Decoding ---- */

/* The members of data that any type has. */
enum data_member {
    OPTS,
    REQUEST,
    PACKET,
    ROOMS,
    CLOSE,
    TAKEN,
    SOCKETS,
    COUNT,
    DATA_MEMBERS
};

static int
read_of_type(struct skio__wire_reader *reader,
             const struct skio__wire_member *data,
             struct skio__wire_message *message)
{
    int err;

    switch (message->type) {
    case SKIO__WIRE_BROADCAST:
        err = skio__wire_get_opts(reader, &data[OPTS], true, message);
        return err != SKIO_OK ? err
                              : skio__wire_get_packet(reader, &data[PACKET],
                                                      NULL, message);
    case SKIO__WIRE_SOCKETS_JOIN:
    case SKIO__WIRE_SOCKETS_LEAVE:
        err = skio__wire_get_opts(reader, &data[OPTS], true, message);
        return err != SKIO_OK ? err
                              : skio__wire_get_names(reader, &data[ROOMS],
                                                     &message->rooms);
    case SKIO__WIRE_DISCONNECT_SOCKETS:
        message->close = skio__wire_is_truthy(reader, &data[CLOSE]);
        message->taken = skio__wire_is_truthy(reader, &data[TAKEN]);
        return skio__wire_get_opts(reader, &data[OPTS], true, message);
    case SKIO__WIRE_FETCH_SOCKETS:
        return skio__wire_get_opts(reader, &data[OPTS], true, message);
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
        return skio__wire_get_payload(reader, &data[SOCKETS], SKIO__WIRE_ARRAY,
                                      message);
    case SKIO__WIRE_SERVER_SIDE_EMIT:
        return skio__wire_get_payload(reader, &data[PACKET], SKIO__WIRE_EVENT,
                                      message);
    case SKIO__WIRE_BROADCAST_CLIENT_COUNT:
        return skio__wire_get_count(reader, &data[COUNT], message);
    default: /* SERVER_SIDE_EMIT_RESPONSE, BROADCAST_ACK */
        return skio__wire_get_payload(reader, &data[PACKET], SKIO__WIRE_VALUE,
                                      message);
    }
}

/* The data of a message whose type is known. */
static int
read_data(struct skio__wire_reader *reader,
          const struct skio__json_slice *object,
          struct skio__wire_message *message)
{
    struct skio__wire_member data[DATA_MEMBERS] = {
        [OPTS] = {.name = "opts"},       [REQUEST] = {.name = "requestId"},
        [PACKET] = {.name = "packet"},   [ROOMS] = {.name = "rooms"},
        [CLOSE] = {.name = "close"},     [TAKEN] = {.name = "taken"},
        [SOCKETS] = {.name = "sockets"}, [COUNT] = {.name = "clientCount"},
    };
    int err;

    err = skio__wire_find(reader, object, data, DATA_MEMBERS);
    if (err == SKIO_OK && may_have_request(message->type))
        err = skio__wire_get_text(reader, &data[REQUEST], &message->request);
    if (err == SKIO_OK && message->request.len == 0 &&
        needs_request(message->type))
        err = SKIO_EPROTO;
    if (err == SKIO_OK)
        err = read_of_type(reader, data, message);
    return err;
}

static int
read_envelope(struct skio__wire_reader *reader,
              struct skio__wire_message *message)
{
    struct skio__wire_member envelope[] = {{.name = "type"},
                                           {.name = "data"},
                                           {.name = "uid"},
                                           {.name = "nsp"}};
    uint64_t type = 0;
    int err;

    err = skio__wire_find(reader, &reader->root, envelope, 4);
    if (err == SKIO_OK)
        err = skio__wire_get_u64(reader, &envelope[0], SKIO__WIRE_ADAPTER_CLOSE,
                                 &type);
    if (err == SKIO_OK && !is_known(type))
        err = SKIO_EPROTO;
    if (err == SKIO_OK)
        err = skio__wire_get_text(reader, &envelope[2], &message->uid);
    if (err == SKIO_OK)
        err = skio__wire_get_text(reader, &envelope[3], &message->nsp);
    if (err != SKIO_OK)
        return err;

    message->type = (enum skio__wire_type)type;
    if (!has_data(message->type))
        return SKIO_OK;
    if (!envelope[1].is_there)
        return SKIO_EPROTO;
    return read_data(reader, &envelope[1].value, message);
}

int
skio__wire_cluster_decode(const void *data, size_t len,
                          const struct skio__wire_limits *limits,
                          struct skio__arena *arena,
                          struct skio__wire_message *message)
{
    struct skio__wire_message decoded = {0};
    struct skio__wire_reader reader;
    int err;

    err = skio__wire_reader_begin(&reader, data, len, WRAPPING, limits, arena);
    if (err == SKIO_OK)
        err = read_envelope(&reader, &decoded);
    return skio__wire_reader_end(&reader, err, &decoded, message);
}

/* What is no JSON is base64, as Node takes it. */
static int
unpack(const void *text, size_t len, struct skio__arena *arena, skio_bytes *out)
{
    ptrdiff_t got;
    unsigned char *bytes;

    out->data = text;
    out->len = len;
    if (len == 0 || *(const char *)text == '{')
        return SKIO_OK;
    bytes = skio__arena_alloc(arena, len);
    if (bytes == NULL)
        return SKIO_ENOMEM;
    got = skio__base64_decode(text, len, bytes);
    if (got < 0)
        return (int)got;
    out->data = bytes;
    out->len = (size_t)got;
    return SKIO_OK;
}

int
skio__wire_cluster_decode_data(const void *data, size_t len,
                               const struct skio__wire_limits *limits,
                               struct skio__arena *arena,
                               struct skio__wire_message *message)
{
    const struct skio__arena_mark mark = skio__arena_mark(arena);
    struct skio__wire_message decoded = {.type = message->type,
                                         .uid = message->uid,
                                         .nsp = message->nsp};
    struct skio__wire_reader reader;
    skio_bytes plain;
    int err;

    if (!is_known(message->type))
        return SKIO_EPROTO;
    if (!has_data(message->type)) {
        *message = decoded;
        return SKIO_OK;
    }
    err = unpack(data, len, arena, &plain);
    if (err != SKIO_OK) {
        skio__arena_release(arena, mark);
        return err;
    }
    err = skio__wire_reader_begin(&reader, plain.data, plain.len, WRAPPING - 1,
                                  limits, arena);
    reader.mark = mark;
    if (err == SKIO_OK)
        err = read_data(&reader, &reader.root, &decoded);
    return skio__wire_reader_end(&reader, err, &decoded, message);
}
