/*
 * Messages of the classic adapter
 *
 * As @socket.io/redis-adapter 8.3.0 and @socket.io/redis-emitter 5.1.0 write
 * them: a broadcast is MessagePack, [uid, packet, opts]; requests and their
 * responses are JSON, but for broadcasts that want acks and those acks. A
 * receiver goes by the first byte, so does this one. Members stand in Node's
 * order.
 */
#include <string.h>

#include "adapter/wire_parts.h"

/* Levels around a payload: {packet: {data: []}}. */
#define WRAPPING 2

/* What the numbers mean there. */
enum classic_type {
    SOCKETS = 0,
    ALL_ROOMS = 1,
    REMOTE_JOIN = 2,
    REMOTE_LEAVE = 3,
    REMOTE_DISCONNECT = 4,
    REMOTE_FETCH = 5,
    SERVER_SIDE_EMIT = 6, /* also of the response */
    BROADCAST = 7,
    BROADCAST_CLIENT_COUNT = 8,
    BROADCAST_ACK = 9
};

/* ---- Encoding ---- */

static void
put_type(struct skio__wire_writer *w, enum classic_type type)
{
    skio__wire_put_key(w, "type");
    skio__wire_put_u64(w, type);
}

/* {uid, requestId, type, and so many members more. */
static void
open_request(struct skio__wire_writer *w,
             const struct skio__wire_message *message, enum classic_type type,
             bool asks, size_t more)
{
    const bool has_uid = message->uid.len > 0;

    skio__wire_put_map(w, (size_t)has_uid + asks + 1 + more);
    if (has_uid) {
        skio__wire_put_key(w, "uid");
        skio__wire_put_text(w, message->uid);
    }
    if (asks)
        skio__wire_put_request(w, message);
    put_type(w, type);
}

static void
put_broadcast(struct skio__wire_writer *w,
              const struct skio__wire_message *message)
{
    if (message->request.len == 0) {
        skio__wire_put_array(w, 3);
        skio__wire_put_text(w, message->uid);
        skio__wire_put_packet(w, message, true);
        skio__wire_put_opts(w, message, true);
        skio__wire_end_array(w);
        return;
    }
    open_request(w, message, BROADCAST, true, 2);
    skio__wire_put_key(w, "packet");
    skio__wire_put_packet(w, message, true);
    skio__wire_put_key(w, "opts");
    skio__wire_put_opts(w, message, true);
    skio__wire_end_map(w);
}

/* Of one socket: the form of old servers. */
static void
put_legacy(struct skio__wire_writer *w,
           const struct skio__wire_message *message, enum classic_type type)
{
    open_request(w, message, type, message->request.len > 0, 2);
    skio__wire_put_key(w, "sid");
    skio__wire_put_name(w, message->to);
    if (type == REMOTE_DISCONNECT) {
        skio__wire_put_key(w, "close");
        skio__wire_put_bool(w, message->close);
    } else {
        skio__wire_put_key(w, "room");
        skio__wire_put_name(w, message->rooms);
    }
    skio__wire_end_map(w);
}

/* Of all sockets of a target. */
static void
put_operation(struct skio__wire_writer *w,
              const struct skio__wire_message *message, enum classic_type type)
{
    const bool is_fetch = type == REMOTE_FETCH;
    const bool is_taken = type == REMOTE_DISCONNECT && message->taken;

    if (message->is_legacy && !is_fetch) {
        put_legacy(w, message, type);
        return;
    }
    open_request(w, message, type, is_fetch, (size_t)2 - is_fetch + is_taken);
    skio__wire_put_key(w, "opts");
    skio__wire_put_opts(w, message, false);
    if (!is_fetch)
        skio__wire_put_operation(w, message);
    skio__wire_end_map(w);
}

static void
put_server_side_emit(struct skio__wire_writer *w,
                     const struct skio__wire_message *message)
{
    open_request(w, message, SERVER_SIDE_EMIT, message->request.len > 0, 1);
    skio__wire_put_key(w, "data");
    skio__wire_put_payload(w, message);
    skio__wire_end_map(w);
}

static void
put_sockets(struct skio__wire_writer *w,
            const struct skio__wire_message *message)
{
    open_request(w, message, SOCKETS, true, 1);
    skio__wire_put_key(w, "rooms");
    skio__wire_put_names(w, message->to);
    skio__wire_end_map(w);
}

/* A list, or nothing but the id: the answer to the legacy forms. */
static void
put_response(struct skio__wire_writer *w,
             const struct skio__wire_message *message)
{
    const bool has_json = message->json.len > 0;

    skio__wire_put_map(w, (size_t)1 + (has_json || message->has_rooms));
    skio__wire_put_request(w, message);
    if (has_json || message->has_rooms)
        skio__wire_put_key(w, message->has_rooms ? "rooms" : "sockets");
    if (has_json)
        skio__wire_put_payload(w, message);
    else if (message->has_rooms)
        skio__wire_put_names(w, message->rooms);
    skio__wire_end_map(w);
}

static void
put_client_count(struct skio__wire_writer *w,
                 const struct skio__wire_message *message)
{
    skio__wire_put_map(w, 3);
    put_type(w, BROADCAST_CLIENT_COUNT);
    skio__wire_put_request(w, message);
    skio__wire_put_key(w, "clientCount");
    skio__wire_put_u64(w, message->client_count);
    skio__wire_end_map(w);
}

/* One value; undefined is no member. */
static void
put_answer(struct skio__wire_writer *w,
           const struct skio__wire_message *message, enum classic_type type,
           const char *key)
{
    const bool has_json = message->json.len > 0;

    skio__wire_put_map(w, (size_t)2 + has_json);
    put_type(w, type);
    skio__wire_put_request(w, message);
    if (has_json) {
        skio__wire_put_key(w, key);
        skio__wire_put_payload(w, message);
    }
    skio__wire_end_map(w);
}

static bool
is_encodable(const struct skio__wire_message *message)
{
    switch (message->type) {
    case SKIO__WIRE_BROADCAST:
    case SKIO__WIRE_SERVER_SIDE_EMIT:
        return true;
    case SKIO__WIRE_SOCKETS_JOIN:
    case SKIO__WIRE_SOCKETS_LEAVE:
        return !message->is_legacy ||
               (message->to != NULL && message->rooms != NULL);
    case SKIO__WIRE_DISCONNECT_SOCKETS:
        return !message->is_legacy || message->to != NULL;
    case SKIO__WIRE_FETCH_SOCKETS:
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
    case SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE:
    case SKIO__WIRE_BROADCAST_CLIENT_COUNT:
    case SKIO__WIRE_BROADCAST_ACK:
    case SKIO__WIRE_SOCKETS:
    case SKIO__WIRE_ALL_ROOMS:
    case SKIO__WIRE_RESPONSE:
        return message->request.len > 0;
    default:
        return false;
    }
}

static void
put_message(struct skio__wire_writer *w,
            const struct skio__wire_message *message)
{
    switch (message->type) {
    case SKIO__WIRE_BROADCAST:
        put_broadcast(w, message);
        break;
    case SKIO__WIRE_SOCKETS_JOIN:
        put_operation(w, message, REMOTE_JOIN);
        break;
    case SKIO__WIRE_SOCKETS_LEAVE:
        put_operation(w, message, REMOTE_LEAVE);
        break;
    case SKIO__WIRE_DISCONNECT_SOCKETS:
        put_operation(w, message, REMOTE_DISCONNECT);
        break;
    case SKIO__WIRE_FETCH_SOCKETS:
        put_operation(w, message, REMOTE_FETCH);
        break;
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
        skio__wire_put_fetched(w, message);
        break;
    case SKIO__WIRE_SERVER_SIDE_EMIT:
        put_server_side_emit(w, message);
        break;
    case SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE:
        put_answer(w, message, SERVER_SIDE_EMIT, "data");
        break;
    case SKIO__WIRE_BROADCAST_CLIENT_COUNT:
        put_client_count(w, message);
        break;
    case SKIO__WIRE_BROADCAST_ACK:
        put_answer(w, message, BROADCAST_ACK, "packet");
        break;
    case SKIO__WIRE_SOCKETS:
        put_sockets(w, message);
        break;
    case SKIO__WIRE_ALL_ROOMS:
        open_request(w, message, ALL_ROOMS, true, 0);
        skio__wire_end_map(w);
        break;
    default: /* RESPONSE; is_encodable() let no other through */
        put_response(w, message);
        break;
    }
}

int
skio__wire_classic_encode(struct skio__buf *out,
                          const struct skio__wire_message *message)
{
    const bool is_packed = message->type == SKIO__WIRE_BROADCAST ||
                           message->type == SKIO__WIRE_BROADCAST_ACK;
    struct skio__wire_writer w;

    if (!is_encodable(message))
        return SKIO_EINVAL;
    skio__wire_writer_begin(&w,
                            is_packed ? SKIO__WIRE_MSGPACK : SKIO__WIRE_JSON,
                            out);
    put_message(&w, message);
    return skio__wire_writer_end(&w);
}

/* ---- Decoding: a broadcast ---- */

/* [uid, packet, opts], more is ignored. A packet that names no namespace is of
 * the main one. */
static int
read_broadcast(struct skio__wire_reader *reader,
               struct skio__wire_message *message)
{
    struct skio__wire_member parts[3] = {0};
    struct skio__wire_member nsp = {0};
    struct skio__json_iter iter;
    size_t i;
    int err;

    if (reader->root.type != SKIO__JSON_ARRAY)
        return SKIO_EPROTO;
    skio__json_iter_init(&iter, reader->text, &reader->root);
    for (i = 0; i < 3 && skio__json_iter_next(&iter); i++) {
        parts[i].value = iter.value;
        parts[i].is_there = true;
    }

    message->type = SKIO__WIRE_BROADCAST;
    err = skio__wire_get_text(reader, &parts[0], &message->uid);
    if (err == SKIO_OK)
        err = skio__wire_get_packet(reader, &parts[1], &nsp, message);
    if (err == SKIO_OK)
        err = skio__wire_get_opts(reader, &parts[2], true, message);
    if (err != SKIO_OK)
        return err;
    if (!nsp.is_there) {
        message->nsp.data = "/";
        message->nsp.len = 1;
        return SKIO_OK;
    }
    return skio__wire_has(&nsp)
               ? skio__wire_get_text(reader, &nsp, &message->nsp)
               : SKIO_EPROTO;
}

/* ---- Decoding: a request ---- */

enum request_member {
    UID,
    REQUEST,
    TYPE,
    OPTS,
    ROOMS,
    SID,
    ROOM,
    CLOSE,
    TAKEN,
    DATA,
    PACKET,
    REQUEST_MEMBERS
};

static int
read_legacy(struct skio__wire_reader *reader,
            const struct skio__wire_member *request,
            struct skio__wire_message *message)
{
    int err;

    message->is_legacy = true;
    err = skio__wire_get_text(reader, &request[REQUEST], &message->request);
    if (err == SKIO_OK)
        err = skio__wire_get_name(reader, &request[SID], &message->to);
    if (err == SKIO_OK && message->type != SKIO__WIRE_DISCONNECT_SOCKETS)
        err = skio__wire_get_name(reader, &request[ROOM], &message->rooms);
    if (err == SKIO_OK && !is_encodable(message))
        err = SKIO_EPROTO; /* the socket or the room is not told */
    return err;
}

/* JOIN, LEAVE, DISCONNECT: without options it is the form of old servers. */
static int
read_operation(struct skio__wire_reader *reader,
               const struct skio__wire_member *request,
               struct skio__wire_message *message)
{
    int err;

    if (message->type == SKIO__WIRE_DISCONNECT_SOCKETS)
        message->close = skio__wire_is_truthy(reader, &request[CLOSE]);
    if (!skio__wire_is_truthy(reader, &request[OPTS]))
        return read_legacy(reader, request, message);

    err = skio__wire_get_opts(reader, &request[OPTS], false, message);
    if (err != SKIO_OK)
        return err;
    if (message->type == SKIO__WIRE_DISCONNECT_SOCKETS) {
        message->taken = skio__wire_is_truthy(reader, &request[TAKEN]);
        return SKIO_OK;
    }
    return skio__wire_get_names(reader, &request[ROOMS], &message->rooms);
}

static int
read_acked_broadcast(struct skio__wire_reader *reader,
                     const struct skio__wire_member *request,
                     struct skio__wire_message *message)
{
    struct skio__wire_member nsp = {0};
    int err;

    err = skio__wire_get_packet(reader, &request[PACKET], &nsp, message);
    if (err == SKIO_OK)
        err = skio__wire_get_text(reader, &nsp, &message->nsp);
    if (err == SKIO_OK)
        err = skio__wire_get_opts(reader, &request[OPTS], true, message);
    return err;
}

/* The rest of a request that has an id, or of a server side emit. */
static int
read_question(struct skio__wire_reader *reader,
              const struct skio__wire_member *request,
              struct skio__wire_message *message)
{
    int err = skio__wire_get_text(reader, &request[REQUEST], &message->request);

    if (err == SKIO_OK && message->request.len == 0 &&
        message->type != SKIO__WIRE_SERVER_SIDE_EMIT)
        err = SKIO_EPROTO;
    if (err != SKIO_OK)
        return err;

    switch (message->type) {
    case SKIO__WIRE_SOCKETS:
        return skio__wire_get_names(reader, &request[ROOMS], &message->to);
    case SKIO__WIRE_FETCH_SOCKETS:
        return skio__wire_get_opts(reader, &request[OPTS], false, message);
    case SKIO__WIRE_SERVER_SIDE_EMIT:
        return skio__wire_get_payload(reader, &request[DATA], SKIO__WIRE_EVENT,
                                      message);
    case SKIO__WIRE_BROADCAST:
        return read_acked_broadcast(reader, request, message);
    default: /* ALL_ROOMS */
        return SKIO_OK;
    }
}

static int
read_request(struct skio__wire_reader *reader,
             struct skio__wire_message *message)
{
    static const enum skio__wire_type types[] = {
        [SOCKETS] = SKIO__WIRE_SOCKETS,
        [ALL_ROOMS] = SKIO__WIRE_ALL_ROOMS,
        [REMOTE_JOIN] = SKIO__WIRE_SOCKETS_JOIN,
        [REMOTE_LEAVE] = SKIO__WIRE_SOCKETS_LEAVE,
        [REMOTE_DISCONNECT] = SKIO__WIRE_DISCONNECT_SOCKETS,
        [REMOTE_FETCH] = SKIO__WIRE_FETCH_SOCKETS,
        [SERVER_SIDE_EMIT] = SKIO__WIRE_SERVER_SIDE_EMIT,
        [BROADCAST] = SKIO__WIRE_BROADCAST,
    };
    struct skio__wire_member request[REQUEST_MEMBERS] = {
        [UID] = {.name = "uid"},       [REQUEST] = {.name = "requestId"},
        [TYPE] = {.name = "type"},     [OPTS] = {.name = "opts"},
        [ROOMS] = {.name = "rooms"},   [SID] = {.name = "sid"},
        [ROOM] = {.name = "room"},     [CLOSE] = {.name = "close"},
        [TAKEN] = {.name = "taken"},   [DATA] = {.name = "data"},
        [PACKET] = {.name = "packet"},
    };
    uint64_t type = 0;
    int err;

    err = skio__wire_find(reader, &reader->root, request, REQUEST_MEMBERS);
    if (err == SKIO_OK)
        err = skio__wire_get_u64(reader, &request[TYPE], BROADCAST, &type);
    if (err == SKIO_OK)
        err = skio__wire_get_text(reader, &request[UID], &message->uid);
    if (err != SKIO_OK)
        return err;

    message->type = types[type];
    if (type == REMOTE_JOIN || type == REMOTE_LEAVE ||
        type == REMOTE_DISCONNECT)
        return read_operation(reader, request, message);
    return read_question(reader, request, message);
}

/* ---- Decoding: a response ---- */

enum response_member {
    OF_REQUEST,
    OF_TYPE,
    OF_SOCKETS,
    OF_ROOMS,
    OF_DATA,
    OF_COUNT,
    OF_PACKET,
    RESPONSE_MEMBERS
};

static bool
is_array(const struct skio__wire_member *member)
{
    return member->is_there && member->value.type == SKIO__JSON_ARRAY;
}

/* Node goes by what it had asked, and counts an answer without a list, too. */
static int
read_list(struct skio__wire_reader *reader,
          const struct skio__wire_member *response,
          struct skio__wire_message *message)
{
    message->type = SKIO__WIRE_RESPONSE;
    if (is_array(&response[OF_SOCKETS]))
        return skio__wire_get_payload(reader, &response[OF_SOCKETS],
                                      SKIO__WIRE_ARRAY, message);
    if (!is_array(&response[OF_ROOMS]))
        return SKIO_OK;
    message->has_rooms = true;
    return skio__wire_get_payload(reader, &response[OF_ROOMS], SKIO__WIRE_ARRAY,
                                  message);
}

static int
read_response(struct skio__wire_reader *reader,
              struct skio__wire_message *message)
{
    struct skio__wire_member response[RESPONSE_MEMBERS] = {
        [OF_REQUEST] = {.name = "requestId"},
        [OF_TYPE] = {.name = "type"},
        [OF_SOCKETS] = {.name = "sockets"},
        [OF_ROOMS] = {.name = "rooms"},
        [OF_DATA] = {.name = "data"},
        [OF_COUNT] = {.name = "clientCount"},
        [OF_PACKET] = {.name = "packet"},
    };
    uint64_t type = REMOTE_FETCH;
    int err;

    err = skio__wire_find(reader, &reader->root, response, RESPONSE_MEMBERS);
    if (err == SKIO_OK)
        err = skio__wire_get_text(reader, &response[OF_REQUEST],
                                  &message->request);
    if (err == SKIO_OK && message->request.len == 0)
        err = SKIO_EPROTO;
    if (err == SKIO_OK && skio__wire_has(&response[OF_TYPE]))
        err = skio__wire_get_u64(reader, &response[OF_TYPE], BROADCAST_ACK,
                                 &type);
    if (err != SKIO_OK)
        return err;

    switch (type) {
    case SERVER_SIDE_EMIT:
        message->type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE;
        return skio__wire_get_payload(reader, &response[OF_DATA],
                                      SKIO__WIRE_VALUE, message);
    case BROADCAST_CLIENT_COUNT:
        message->type = SKIO__WIRE_BROADCAST_CLIENT_COUNT;
        return skio__wire_get_count(reader, &response[OF_COUNT], message);
    case BROADCAST_ACK:
        message->type = SKIO__WIRE_BROADCAST_ACK;
        return skio__wire_get_payload(reader, &response[OF_PACKET],
                                      SKIO__WIRE_VALUE, message);
    default:
        return read_list(reader, response, message);
    }
}

int
skio__wire_classic_decode(const void *data, size_t len,
                          enum skio__wire_classic_channel channel,
                          const struct skio__wire_limits *limits,
                          struct skio__arena *arena,
                          struct skio__wire_message *message)
{
    struct skio__wire_message decoded = {0};
    struct skio__wire_reader reader;
    int err;

    err = skio__wire_reader_begin(&reader, data, len, WRAPPING, limits, arena);
    if (err == SKIO_OK && channel == SKIO__WIRE_CLASSIC_BROADCAST)
        err = read_broadcast(&reader, &decoded);
    else if (err == SKIO_OK && channel == SKIO__WIRE_CLASSIC_REQUEST)
        err = read_request(&reader, &decoded);
    else if (err == SKIO_OK)
        err = read_response(&reader, &decoded);
    return skio__wire_reader_end(&reader, err, &decoded, message);
}
