/*
 * The moments that a call asks for: answers, visits, options, adapters, engines
 * without Socket.IO, forwarders
 */
#include "scenario/reentry_moments.h"

#include <string.h>

#include <socketio/users.h>

#include "scenario/sio.h"

struct reentry *reentry_now;

/* ---- What is called back once ---- */

static void
on_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    reentry_result(user, err);
    reentry_at(user, socket, args, NULL);
}

static void
ask_and_answer(struct reentry *r)
{
    reentry_result(r,
                   skio_emit_with_ack(r->other, 50, on_answer, r, "q", NULL));
    peer_flush(r->peer);
    peer_say(r->ws, "430[1]");
    peer_say(r->ws, "431[1]");
}

static void
ask_and_wait(struct reentry *r)
{
    reentry_result(r,
                   skio_emit_with_ack(r->other, 50, on_answer, r, "q", NULL));
    peer_wait(r->peer, 100);
}

static void
on_answers(int err, const skio_value *args, size_t received, size_t expected,
           void *user)
{
    (void)received;
    (void)expected;
    reentry_result(user, err);
    reentry_at(user, NULL, args, NULL);
}

static void
ask_all(struct reentry *r)
{
    reentry_result(r,
                   skio_emit_with_acks(r->root, SKIO_TARGET(.timeout_ms = 50),
                                       on_answers, r, "q", NULL));
    peer_say(r->ws, "430[1]");
    peer_say(r->ws, "431[1]");
    peer_wait(r->peer, 100);
}

static void
on_remote_answer(int err, const skio_value *args, void *user)
{
    reentry_result(user, err);
    reentry_at(user, NULL, args, NULL);
}

static void
ask_remote(int err, const skio_remote *const *found, size_t count,
           size_t missing, void *user)
{
    (void)missing;
    reentry_result(user, err);
    if (count > 0)
        reentry_result(user,
                       skio_remote_emit_with_ack(found[0], 50, on_remote_answer,
                                                 user, "q", NULL));
}

static void
ask_a_remote(struct reentry *r)
{
    reentry_result(r, skio_sockets_fetch(r->root, NULL, ask_remote, r));
    peer_wait(r->peer, 100);
}

static void
on_fetch(int err, const skio_remote *const *found, size_t count, size_t missing,
         void *user)
{
    (void)missing;
    reentry_result(user, err);
    reentry_at(user, count > 0 ? skio_remote_socket(found[0]) : NULL, NULL,
               NULL);
    for (size_t i = 0; i < count; i++)
        reentry_text(user, skio_remote_id(found[i]));
}

static bool
on_each_room(const char *room, void *user)
{
    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, room);
    return true;
}

static void
fetched_rooms(int err, const skio_remote *const *found, size_t count,
              size_t missing, void *user)
{
    (void)err;
    (void)missing;
    for (size_t i = 0; i < count; i++)
        skio_remote_each_room(found[i], on_each_room, user);
}

static void
on_count(int err, size_t count, size_t missing, void *user)
{
    (void)count;
    (void)missing;
    reentry_result(user, err);
    reentry_at(user, NULL, NULL, NULL);
}

static void
on_rooms(int err, const char *const *rooms, size_t count, size_t missing,
         void *user)
{
    (void)missing;
    reentry_result(user, err);
    reentry_at(user, NULL, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        reentry_text(user, rooms[i]);
}

static void
on_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    (void)missing;
    reentry_result(user, err);
    reentry_at(user, NULL, responses, NULL);
    reentry_text(user, skio_get_json(responses, ""));
}

static void
on_server_event(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
                void *user)
{
    (void)nsp;
    reentry_at(user, NULL, args, NULL);
    reentry_text(user, skio_get_json(args, ""));
    reentry_result(user, skio_server_ack_send(ack, "%d", 1));
}

static bool
on_each_socket(skio_socket *socket, void *user)
{
    reentry_at(user, socket, NULL, NULL);
    return true;
}

static bool
on_pair(const char *name, const char *value, void *user)
{
    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, name);
    reentry_text(user, value);
    return true;
}

static bool
on_part(const char *key, size_t index, const skio_value *item, void *user)
{
    (void)key;
    (void)index;
    reentry_at(user, NULL, item, NULL);
    return true;
}

static void
on_drained(skio_server *server, void *user)
{
    (void)server;
    reentry_at(user, NULL, NULL, NULL);
}

static void
on_timer(void *user)
{
    reentry_at(user, NULL, NULL, NULL);
}

static void
on_ready(skio_server *server, void *user)
{
    (void)server;
    reentry_at(user, NULL, NULL, NULL);
}

static void
free_data(void *data)
{
    reentry_at(data, NULL, NULL, NULL);
}

static void
on_carry(const char *json, size_t len, const skio_bytes *attachments,
         uint32_t count, void *user)
{
    (void)attachments;
    (void)count;
    reentry_at(user, NULL, NULL, NULL);
    if (len == 0 || json[len - 1] == '\0')
        reentry_result(user, -99);
}

static void
on_session(skio_socket *socket, const char *pid, const char *sid, void *user)
{
    reentry_at(user, socket, NULL, NULL);
    reentry_text(user, pid);
    reentry_text(user, sid);
}

static void
visit_args(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    (void)socket;
    (void)ack;
    reentry_result(user, skio_each(args, "", on_part, user));
}

WATCH(each_part, skio_on(nsp, "e", visit_args, r))
WATCH(server_event, skio_on_server_event(nsp, "s", on_server_event, r))

TRIGGER(fetch,
        reentry_result(r, skio_sockets_fetch(r->root, NULL, on_fetch, r)))
TRIGGER(fetch_rooms,
        reentry_result(r, skio_sockets_fetch(r->root, NULL, fetched_rooms, r)))
TRIGGER(each_room, skio_each_room(r->other, on_each_room, r))
TRIGGER(nsp_each_room,
        reentry_result(r, skio_nsp_each_room(r->root, on_each_room, r)))
TRIGGER(count_sockets,
        reentry_result(r, skio_sockets_count(r->root, NULL, on_count, r)))
TRIGGER(count_servers,
        reentry_result(r, skio_server_count(r->root, on_count, r)))
TRIGGER(fetch_all_rooms,
        reentry_result(r, skio_rooms_fetch(r->root, on_rooms, r)))
TRIGGER(ask_servers,
        reentry_result(r, skio_server_side_emit_with_ack(r->root, on_responses,
                                                         r, "s", NULL)))
TRIGGER(tell_server,
        const skio_server_asker asker = {.server = "a", .request = "1"};
        reentry_result(r, skio_adapter_server_event(r->root, "[\"s\",1]", 7,
                                                    NULL, 0, &asker)))
TRIGGER(each_socket,
        reentry_result(r, skio_each_socket(r->root, on_each_socket, r)))
TRIGGER(each_header, skio_socket_each_header(r->other, on_pair, r))
TRIGGER(each_query, skio_socket_each_query(r->other, on_pair, r))
TRIGGER(drain,
        reentry_result(r, skio_server_drain(r->server, 10, on_drained, r));
        peer_wait(r->peer, 20000))
TRIGGER(ready, reentry_result(r, skio_loop_ready(r->server, on_ready, r)))
TRIGGER(replace_data, skio_socket_set_data(r->other, r, free_data);
        skio_socket_set_data(r->other, NULL, NULL))
TRIGGER(replace_attached, static const char key;
        reentry_result(r, skio_socket_attach(r->other, &key, r, free_data));
        reentry_result(r, skio_socket_attach(r->other, &key, NULL, NULL)))
TRIGGER(user_is_online,
        reentry_result(r, skio_user_is_online(r->root, "a", on_count, r)))
TRIGGER(carry, reentry_result(r, skio_adapter_carry(r->root, r->value, "0",
                                                    on_carry, r)))
TRIGGER(carry_handshake,
        reentry_result(r, skio_adapter_carry_handshake(r->other, on_carry, r)))
TRIGGER(each_session, skio_adapter_each_session(r->root, on_session, r))

static void
let_data_go(struct reentry *r)
{
    skio_socket_set_data(r->other, r, free_data);
    peer_hang_up(r->ws, true);
}

static void
let_attached_go(struct reentry *r)
{
    static const char key;

    reentry_result(r, skio_socket_attach(r->other, &key, r, free_data));
    peer_hang_up(r->ws, true);
}

static void
set_timer(struct reentry *r)
{
    skio_timer *timer = skio_timer_new(r->server, on_timer, r);

    reentry_result(r, skio_timer_set(timer, 1));
    peer_wait(r->peer, 10);
    skio_timer_free(timer);
}

/* ---- Options ---- */

static bool
on_origin(const char *origin, void *user)
{
    (void)user;
    reentry_at(reentry_now, NULL, NULL, NULL);
    reentry_text(reentry_now, origin);
    return true;
}

static enum skio_rate_action rate_action;

static enum skio_rate_action
on_rate(skio_server *server, const skio_rate_excess *excess, void *user)
{
    (void)server;
    (void)user;
    reentry_at(reentry_now, excess->socket, NULL, excess->session);
    return rate_action;
}

static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    reentry_at(reentry_now, NULL, NULL, NULL);
    reentry_text(reentry_now, message);
}

static bool is_decode; /* which of a parser's functions is the moment */

static int
on_encode(const skio_packet *packet, skio_encoding *out, void *user)
{
    const skio_parser *parser = skio_parser_msgpack();

    (void)user;
    if (!is_decode)
        reentry_at(reentry_now, NULL, NULL, NULL);
    return parser->encode(packet, out, parser->user);
}

static int
on_decode(const void *data, size_t len, bool binary, skio_packet *packet,
          skio_decoding *in, void *user)
{
    static const char connect[] = "{}";

    (void)data;
    (void)binary;
    (void)user;
    if (is_decode)
        reentry_at(reentry_now, NULL, NULL, NULL);
    packet->nsp = "/";
    packet->nsp_len = 1;
    if (skio_decoding_options(in) == NULL || len > 100)
        return SKIO_EPROTO;
    packet->type = len == 1 ? SKIO_PACKET_CONNECT : SKIO_PACKET_EVENT;
    packet->json = len == 1 ? connect : "[\"e\",1]";
    packet->json_len = len == 1 ? 2 : 7;
    return SKIO_OK;
}

static void
parsed(skio_server_options *options, bool decode)
{
    static skio_parser parser = {.struct_size = sizeof parser,
                                 .encode = on_encode,
                                 .decode = on_decode};

    is_decode = decode;
    parser.first_placeholder = skio_parser_msgpack()->first_placeholder;
    options->parser = &parser;
}

static void
on_random(void *buf, size_t len, void *user)
{
    static unsigned char next;

    (void)user;
    reentry_at(reentry_now, NULL, NULL, NULL);
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)buf)[i] = next++;
}

OPTIONS(origins, options->cors_origin = on_origin)
OPTIONS(logged, options->log = on_log; options->log_level = SKIO_LOG_DEBUG)
OPTIONS(recovering, options->recovery_ms = 1000)
OPTIONS(rate_passes, options->events_per_second = 1; options->events_burst = 1;
        rate_action = SKIO_RATE_PASS; options->rate_limit = on_rate)
OPTIONS(rate_drops, options->events_per_second = 1; options->events_burst = 1;
        rate_action = SKIO_RATE_DROP; options->rate_limit = on_rate)
OPTIONS(rate_closes, options->events_per_second = 1; options->events_burst = 1;
        rate_action = SKIO_RATE_CLOSE; options->rate_limit = on_rate)
OPTIONS(rate_of_connects, options->connects_per_minute = 1;
        rate_action = SKIO_RATE_PASS; options->rate_limit = on_rate)
OPTIONS(encoding, parsed(options, false))
OPTIONS(decoding, parsed(options, true))
OPTIONS(random_bytes, options->random = on_random)

/* ---- Adapters ---- */

TRIGGER(look_into_room, (void)skio_in_room(r->other, "r"))
TRIGGER(count_room, (void)skio_room_count(r->root, "r"))
TRIGGER(all_join, reentry_result(r, skio_sockets_join(r->root, NULL, "q")))
TRIGGER(all_leave, reentry_result(r, skio_sockets_leave(r->root, NULL, "r")))
TRIGGER(all_go, reentry_result(r, skio_sockets_disconnect(r->root, NULL, true)))
TRIGGER(tell_servers,
        reentry_result(r, skio_server_side_emit(r->root, "s", NULL)))
TRIGGER(shut_down, skio_transport_shutdown(r->server))
TRIGGER(send_away, skio_disconnect(r->other, true))
TRIGGER(join_room, reentry_result(r, skio_join(r->other, "z"));
        peer_flush(r->peer))

static void
come_back(struct reentry *r)
{
    struct peer_ws *ws =
        peer_ws_request(r->peer, "EIO=4&transport=websocket", NULL);

    peer_say(ws, "40{\"pid\":\"98765432109876543210\",\"offset\":\"1-0\"}");
}

/* ---- An engine without Socket.IO, on a server of its own ---- */

static const char *engine_at; /* which of its handlers is the moment */

static void
at_engine(struct reentry *r, const char *handler, skio_session *session)
{
    if (strcmp(handler, engine_at) != 0)
        return;
    if (r->ends)
        r->server = r->peer->server;
    /* The two servers of the peer share its turn. */
    r->peer->wants_flush = false;
    reentry_at(r, NULL, NULL, session);
    r->peer->wants_flush = true;
    r->server = r->first;
}

static void
on_open(skio_session *session, void *user)
{
    at_engine(user, "open", session);
}

static void
on_message(skio_session *session, const void *data, size_t len, bool binary,
           void *user)
{
    (void)binary;
    at_engine(user, "message", session);
    if (len > 100 || data == NULL)
        reentry_result(user, -99);
}

static void
on_close(skio_session *session, enum skio_disconnect reason, void *user)
{
    (void)reason;
    at_engine(user, "close", session);
}

static void
use_engine(struct reentry *r, const char *handler)
{
    const skio_engine_handlers handlers = {.struct_size = sizeof handlers,
                                           .open = on_open,
                                           .message = on_message,
                                           .close = on_close};
    struct peer_ws *ws;

    engine_at = handler;
    if (r->peer->another == NULL)
        peer_another(r->peer);
    reentry_result(r, skio_engine_handle(r->peer->another, &handlers, r));
    peer_switch(r->peer);
    ws = peer_ws_request(r->peer, "EIO=4&transport=websocket", NULL);
    if (ws->ws != NULL)
        peer_say(ws, "4m");
    if (ws->ws != NULL)
        peer_hang_up(ws, true);
    peer_switch(r->peer);
}

TRIGGER(engine_open, use_engine(r, "open"))
TRIGGER(engine_message, use_engine(r, "message"))
TRIGGER(engine_close, use_engine(r, "close"))

/* ---- Requests of other servers' sessions ---- */

static const char *forwarder_at;
static skio_exchange *asked;

static void
at_forwarder(struct reentry *r, const char *function)
{
    if (strcmp(forwarder_at, function) == 0)
        reentry_at(r, NULL, NULL, NULL);
}

static int
on_ask(skio_exchange *exchange, const char *tag, const skio_request *request,
       const void *body, size_t len, void **name, void *user)
{
    (void)body;
    (void)len;
    asked = exchange;
    *name = user;
    at_forwarder(user, "ask");
    reentry_text(user, tag);
    reentry_text(user, request->query);
    return SKIO_OK;
}

static void
on_abandon(skio_exchange *exchange, void *name, void *user)
{
    (void)exchange;
    (void)name;
    asked = NULL;
    at_forwarder(user, "abandon");
}

static void
on_respond(void *handle, const skio_response *response)
{
    at_forwarder(handle, "respond");
    if (response->status < 200)
        reentry_result(handle, -99);
}

static void
forward(struct reentry *r, skio_nsp *nsp)
{
    const skio_forwarder forwarder = {
        .struct_size = sizeof forwarder,
        .tag = "nearNEAR",
        .max_requests = 3,
        .max_bytes = 100,
        .ask = on_ask,
        .abandon = on_abandon,
        .respond = on_respond,
    };

    if (nsp == r->root)
        reentry_result(r, skio_forward_attach(r->server, &forwarder, r));
}

static void
pass_on(struct reentry *r)
{
    struct peer_http *http =
        peer_get(r->peer, "EIO=4&transport=polling"
                          "&sid=01234567890123456789farrFARR");

    if (http->exchange != NULL)
        peer_abort(http);
}

TRIGGER(forward_ask, forwarder_at = "ask"; pass_on(r))
TRIGGER(forward_abandon, forwarder_at = "abandon"; pass_on(r))

static void
forward_respond(struct reentry *r)
{
    skio_request request = {
        .method = "GET",
        .path = "/socket.io/",
        .headers = "",
        .address = "192.0.2.1",
        .content_length = -1,
    };
    skio_exchange *out = NULL;

    forwarder_at = "respond";
    request.query = peer_polling(r->peer);
    reentry_result(r, skio_forward_take(r->server, &request, NULL, 0, r, &out));
    peer_wait(r->peer, 25000);
}

/* ---- The table ---- */

#define OP(name)                                                               \
    {                                                                          \
        "skio_adapter_ops." #name, NULL, NULL, NULL, false, #name              \
    }
#define ASKED(name, trigger)                                                   \
    {                                                                          \
        "skio_adapter_ops." #name, NULL, NULL, trigger, false, #name           \
    }

const struct reentry_moment reentry_other_moments[] = {
    {"skio_ack_fn", NULL, NULL, ask_and_answer, false, NULL},
    {"skio_ack_fn late", NULL, NULL, ask_and_wait, false, NULL},
    {"skio_answers_fn", NULL, NULL, ask_all, false, NULL},
    {"skio_answer_fn", NULL, NULL, ask_a_remote, false, NULL},
    {"skio_fetch_fn", NULL, NULL, fetch, false, NULL},
    {"skio_room_fn fetched", NULL, NULL, fetch_rooms, false, NULL},
    {"skio_room_fn socket", NULL, NULL, each_room, false, NULL},
    {"skio_room_fn namespace", NULL, NULL, nsp_each_room, false, NULL},
    {"skio_count_fn sockets", NULL, NULL, count_sockets, false, NULL},
    {"skio_count_fn servers", NULL, NULL, count_servers, false, NULL},
    {"skio_rooms_fn", NULL, NULL, fetch_all_rooms, false, NULL},
    {"skio_responses_fn", NULL, NULL, ask_servers, false, NULL},
    {"skio_server_event_fn", server_event, NULL, tell_server, false, NULL},
    {"skio_socket_fn", NULL, NULL, each_socket, false, NULL},
    {"skio_pair_fn header", NULL, NULL, each_header, false, NULL},
    {"skio_pair_fn query", NULL, NULL, each_query, false, NULL},
    {"skio_each_fn", each_part, NULL, NULL, false, NULL},
    {"skio_drain_fn", NULL, NULL, drain, false, NULL},
    {"skio_timer_fn", NULL, NULL, set_timer, false, NULL},
    {"skio_loop_fn", NULL, NULL, ready, false, NULL},
    {"skio_socket_set_data.free_fn replaced", NULL, NULL, replace_data, false,
     NULL},
    {"skio_socket_set_data.free_fn gone", NULL, NULL, let_data_go, false, NULL},
    {"skio_socket_attach.free_fn replaced", NULL, NULL, replace_attached, false,
     NULL},
    {"skio_socket_attach.free_fn gone", NULL, NULL, let_attached_go, false,
     NULL},
    {"skio_user_online_fn", NULL, NULL, user_is_online, false, NULL},
    {"skio_adapter_carry_fn", NULL, NULL, carry, false, NULL},
    {"skio_adapter_carry_fn handshake", NULL, NULL, carry_handshake, false,
     NULL},
    {"skio_adapter_session_fn", NULL, recovering, each_session, false,
     "each_session"},
    {"skio_rate_limit_fn pass", NULL, rate_passes, NULL, false, NULL},
    {"skio_rate_limit_fn drop", NULL, rate_drops, NULL, false, NULL},
    {"skio_rate_limit_fn close", NULL, rate_closes, NULL, false, NULL},
    {"skio_rate_limit_fn connects", NULL, rate_of_connects, NULL, false, NULL},
    {"skio_server_options.cors_origin", NULL, origins, NULL, true, NULL},
    {"skio_log_fn", NULL, logged, NULL, true, NULL},
    {"skio_parser.encode", NULL, encoding, NULL, true, NULL},
    OP(add),
    OP(remove),
    OP(join),
    OP(leave),
    OP(broadcast),
    OP(open),
    ASKED(each, each_socket),
    ASKED(fetch, fetch),
    ASKED(count, count_sockets),
    ASKED(server_count, count_servers),
    ASKED(rooms_fetch, fetch_all_rooms),
    ASKED(each_room, nsp_each_room),
    ASKED(has, look_into_room),
    ASKED(rooms, each_room),
    ASKED(room_count, count_room),
    ASKED(sockets_join, all_join),
    ASKED(sockets_leave, all_leave),
    ASKED(sockets_disconnect, all_go),
    ASKED(broadcast_asking, ask_all),
    ASKED(server_side_emit, tell_servers),
    {"skio_adapter_ops.server_side_answer", server_event, NULL, tell_server,
     false, "server_side_answer"},
    ASKED(shutdown, shut_down),
    {"skio_adapter_ops.session_restore", NULL, recovering, come_back, false,
     "session_restore"},
    {"skio_adapter_ops.session_save", NULL, recovering, join_room, true,
     "session_save"},
    {"skio_adapter_ops.session_end", NULL, recovering, send_away, true,
     "session_end"},
    {"skio_adapter_ops.deliver_now", NULL, recovering, send_away, false,
     "deliver_now"},
    {"skio_engine_handlers.open", NULL, NULL, engine_open, false, NULL},
    {"skio_engine_handlers.message", NULL, NULL, engine_message, false, NULL},
    {"skio_engine_handlers.close", NULL, NULL, engine_close, false, NULL},
    {"skio_forwarder.ask", forward, NULL, forward_ask, false, NULL},
    {"skio_forwarder.abandon", forward, NULL, forward_abandon, false, NULL},
    {"skio_forwarder.respond", forward, NULL, forward_respond, false, NULL},
    {"skio_parser.decode", NULL, decoding, NULL, true, NULL},
    {"skio_server_options.random", NULL, random_bytes, NULL, true, NULL},
    {NULL, NULL, NULL, NULL, false, NULL},
};
