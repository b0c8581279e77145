#include "scenario/reentry_moments.h"

#include <stdlib.h>
#include <string.h>

#include <socketio/engine.h>
#include <socketio/request.h>

#include "scenario/sio.h"

struct reentry *reentry_now;

/* ---- Handlers of a namespace ---- */

static void
on_match(skio_match *match, const char *name, const skio_value *auth,
         void *user)
{
    reentry_at(user, NULL, auth, NULL);
    reentry_text(user, name);
    reentry_result(user, skio_match_accept(match));
}

static void
on_namespace(skio_nsp *nsp, void *user)
{
    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, skio_nsp_name(nsp));
}

static void
on_middleware(skio_socket *socket, skio_next *next, void *user)
{
    reentry_at(user, socket, NULL, NULL);
    reentry_result(user, skio_next_ok(next));
}

static void
on_socket(skio_socket *socket, void *user)
{
    reentry_at(user, socket, NULL, NULL);
}

static unsigned room_event; /* of the moment that is watched */

static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    (void)nsp;
    if (event != room_event)
        return;
    reentry_at(user, socket, NULL, NULL);
    reentry_text(user, room);
}

static void
on_any(skio_socket *socket, const char *event, const skio_value *args,
       void *user)
{
    reentry_at(user, socket, args, NULL);
    reentry_text(user, event);
}

static int
on_event_middleware(skio_socket *socket, const char *event,
                    const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    reentry_at(user, socket, args, NULL);
    reentry_text(user, event);
    return SKIO_OK;
}

static int
refuse_event(skio_socket *socket, const char *event, const skio_value *args,
             skio_ack *ack, void *user)
{
    (void)socket;
    (void)event;
    (void)args;
    (void)ack;
    (void)user;
    return SKIO_EACCES;
}

static void
on_error(skio_socket *socket, int err, const char *event, void *user)
{
    (void)err;
    reentry_at(user, socket, NULL, NULL);
    reentry_text(user, event);
}

static void
on_event(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    reentry_at(user, socket, args, NULL);
    reentry_result(user, skio_ack_send(ack, "%d", 1));
}

static void
on_backpressure(skio_socket *socket, size_t queued, void *user)
{
    (void)queued;
    reentry_at(user, socket, NULL, NULL);
}

static void
on_expired(skio_nsp *nsp, const char *id, const char *shared, void *user)
{
    (void)nsp;
    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, id);
    reentry_text(user, shared);
}

static void
on_leaving(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    reentry_at(user, socket, NULL, NULL);
}

#define WATCH(name, ...)                                                       \
    static void name(struct reentry *r, skio_nsp *nsp)                         \
    {                                                                          \
        (void)nsp;                                                             \
        reentry_result(r, (__VA_ARGS__));                                      \
    }
WATCH(match, skio_of_match(r->server, on_match, r) != NULL ? 0 : -99)
WATCH(namespace_made, skio_on_namespace(r->server, on_namespace, r))
WATCH(middleware, skio_use(nsp, on_middleware, r))
WATCH(connected, skio_on_connect(nsp, on_socket, r))
WATCH(room_create,
      (room_event = SKIO_ROOM_CREATE, skio_on_room(nsp, on_room, r)))
WATCH(room_join, (room_event = SKIO_ROOM_JOIN, skio_on_room(nsp, on_room, r)))
WATCH(room_leave, (room_event = SKIO_ROOM_LEAVE, skio_on_room(nsp, on_room, r)))
WATCH(room_delete,
      (room_event = SKIO_ROOM_DELETE, skio_on_room(nsp, on_room, r)))
WATCH(any, skio_on_any(nsp, on_any, r))
WATCH(outgoing, skio_on_any_outgoing(nsp, on_any, r))
WATCH(event_middleware, skio_use_event(nsp, on_event_middleware, r))
WATCH(error,
      skio_use_event(nsp, refuse_event, r) + skio_on_error(nsp, on_error, r))
WATCH(broken, skio_on_error(nsp, on_error, r))
WATCH(event, skio_on(nsp, "e", on_event, r))
WATCH(event_once, skio_once(nsp, "e", on_event, r))
WATCH(backpressure, skio_on_backpressure(nsp, on_backpressure, r))
WATCH(expired, skio_on_expired(nsp, on_expired, r))
WATCH(disconnecting, skio_on_disconnecting(nsp, on_leaving, r))
WATCH(disconnected, skio_on_disconnect(nsp, on_leaving, r))

/* ---- Handlers of requests ---- */

static void
on_headers(skio_headers *headers, const skio_engine_request *request,
           void *user)
{
    struct reentry *r = user;

    if (r->headers == NULL)
        r->headers = headers;
    reentry_at(r, NULL, NULL, NULL);
    if (r->headers == headers)
        r->headers = NULL;
    reentry_text(r, skio_engine_request_url(request));
}

static void
on_verdict(skio_verdict *verdict, void *user)
{
    reentry_at(user, NULL, NULL, NULL);
    reentry_result(user, skio_verdict_accept(verdict));
}

static int
on_generate_id(const skio_engine_request *request, char id[64], void *user)
{
    static unsigned counter;

    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, skio_engine_request_url(request));
    snprintf(id, 64, "an-id-of-twenty-%u", counter++);
    return SKIO_OK;
}

static void
on_connection_error(const skio_connection_error *error, void *user)
{
    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, error->message);
    reentry_text(user, skio_engine_request_url(error->request));
}

WATCH(headers, skio_on_headers(r->server, on_headers, r))
WATCH(initial_headers, skio_on_initial_headers(r->server, on_headers, r))
WATCH(allow_request, skio_allow_request(r->server, on_verdict, r))
WATCH(engine_use, skio_engine_use(r->server, on_verdict, r))
WATCH(generate_id, skio_generate_id(r->server, on_generate_id, r))
WATCH(connection_error,
      skio_on_connection_error(r->server, on_connection_error, r))

/* ---- Taps: they look ---- */

static void
on_tap(skio_session *session, void *user)
{
    reentry_at(user, NULL, NULL, session);
}

static void
on_tap_packet(skio_session *session, char type, const void *data, size_t len,
              bool binary, void *user)
{
    (void)type;
    (void)data;
    (void)len;
    (void)binary;
    reentry_at(user, NULL, NULL, session);
}

static void
on_tap_close(skio_session *session, enum skio_disconnect reason, void *user)
{
    (void)reason;
    reentry_at(user, NULL, NULL, session);
}

#define TAP(name, fn)                                                          \
    static void tap_##name(struct reentry *r, skio_nsp *nsp)                   \
    {                                                                          \
        const skio_engine_taps taps = {.struct_size = sizeof taps,             \
                                       .name = fn};                            \
        if (nsp == r->root)                                                    \
            reentry_result(r, skio_engine_tap(r->server, &taps, r));           \
    }
TAP(connection, on_tap)
TAP(upgrading, on_tap)
TAP(upgrade, on_tap)
TAP(packet, on_tap_packet)
TAP(packet_create, on_tap_packet)
TAP(flush, on_tap)
TAP(drain, on_tap)
TAP(heartbeat, on_tap)
TAP(close, on_tap_close)

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

#define TRIGGER(name, ...)                                                     \
    static void name(struct reentry *r)                                        \
    {                                                                          \
        __VA_ARGS__;                                                           \
    }
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
TRIGGER(carry, reentry_result(r, skio_adapter_carry(r->root, r->value, "0",
                                                    on_carry, r)))
TRIGGER(carry_handshake,
        reentry_result(r, skio_adapter_carry_handshake(r->other, on_carry, r)))
TRIGGER(each_session, skio_adapter_each_session(r->root, on_session, r))
TRIGGER(say_nonsense, peer_say(r->ws, "4x"))
TRIGGER(upgrade, struct peer_ws *ws; const char *query = peer_polling(r->peer);
        ws = peer_probe(r->peer, query); peer_say(ws, "2probe");
        peer_wait(r->peer, 200); peer_say(ws, "5"))
TRIGGER(beat, peer_wait(r->peer, 25001); peer_say(r->ws, "3"))
TRIGGER(expire, peer_hang_up(r->ws, true); peer_wait(r->peer, 5000))
TRIGGER(room_changes, (void)skio_sockets_leave(r->root, NULL, "r"))

static void
let_data_go(struct reentry *r)
{
    skio_socket_set_data(r->other, r, free_data);
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

/* The bystander reads nothing. */
static void
press(struct reentry *r)
{
    r->ws->is_blocked = true;
    for (int i = 0; i < 20; i++)
        (void)skio_emit_all(r->root, "more", "%d", i);
    peer_flush(r->peer);
    peer_unblock(r->ws);
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

static int
on_encode(const skio_packet *packet, skio_encoding *out, void *user)
{
    const skio_parser *parser = skio_parser_msgpack();

    (void)user;
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
parsed(skio_server_options *options,
       int (*encode)(const skio_packet *packet, skio_encoding *out, void *user))
{
    static skio_parser parser = {.struct_size = sizeof parser,
                                 .decode = on_decode};

    parser.encode = encode;
    parser.first_placeholder = skio_parser_msgpack()->first_placeholder;
    options->parser = &parser;
}

#define OPTIONS(name, ...)                                                     \
    static void name(skio_server_options *options)                             \
    {                                                                          \
        __VA_ARGS__;                                                           \
    }
OPTIONS(origins, options->cors_origin = on_origin)
OPTIONS(logged, options->log = on_log; options->log_level = SKIO_LOG_DEBUG)
OPTIONS(pressed, options->outbound_high_bytes = 100)
OPTIONS(recovering, options->recovery_ms = 1000)
OPTIONS(rate_passes, options->events_per_second = 1; options->events_burst = 1;
        rate_action = SKIO_RATE_PASS; options->rate_limit = on_rate)
OPTIONS(rate_drops, options->events_per_second = 1; options->events_burst = 1;
        rate_action = SKIO_RATE_DROP; options->rate_limit = on_rate)
OPTIONS(rate_closes, options->events_per_second = 1; options->events_burst = 1;
        rate_action = SKIO_RATE_CLOSE; options->rate_limit = on_rate)
OPTIONS(rate_of_connects, options->connects_per_minute = 1;
        rate_action = SKIO_RATE_PASS; options->rate_limit = on_rate)
OPTIONS(encoding, parsed(options, on_encode))

/* ---- The table ---- */

#define OP(name)                                                               \
    {                                                                          \
        "skio_adapter_ops." #name, NULL, NULL, NULL, false, #name              \
    }
#define ASKED(name, trigger)                                                   \
    {                                                                          \
        "skio_adapter_ops." #name, NULL, NULL, trigger, false, #name           \
    }

const struct reentry_moment reentry_moments[] = {
    {"skio_match_fn", match, NULL, NULL, false, NULL},
    {"skio_nsp_fn", namespace_made, NULL, NULL, false, NULL},
    {"skio_middleware_fn", middleware, NULL, NULL, false, NULL},
    {"skio_connect_fn", connected, NULL, NULL, false, NULL},
    {"skio_room_event_fn create", room_create, NULL, NULL, false, NULL},
    {"skio_room_event_fn join", room_join, NULL, NULL, false, NULL},
    {"skio_room_event_fn leave", room_leave, NULL, room_changes, false, NULL},
    {"skio_room_event_fn delete", room_delete, NULL, room_changes, false, NULL},
    {"skio_any_fn incoming", any, NULL, NULL, false, NULL},
    {"skio_any_fn outgoing", outgoing, NULL, NULL, false, NULL},
    {"skio_event_middleware_fn", event_middleware, NULL, NULL, false, NULL},
    {"skio_error_fn event", error, NULL, NULL, false, NULL},
    {"skio_error_fn packet", broken, NULL, say_nonsense, false, NULL},
    {"skio_event_fn", event, NULL, NULL, false, NULL},
    {"skio_event_fn once", event_once, NULL, NULL, false, NULL},
    {"skio_backpressure_fn", backpressure, pressed, press, false, NULL},
    {"skio_expired_fn", expired, recovering, expire, false, NULL},
    {"skio_disconnect_fn disconnecting", disconnecting, NULL, NULL, false,
     NULL},
    {"skio_disconnect_fn disconnect", disconnected, NULL, NULL, false, NULL},
    {"skio_headers_fn", headers, NULL, NULL, false, NULL},
    {"skio_headers_fn initial", initial_headers, NULL, NULL, false, NULL},
    {"skio_verdict_fn allow", allow_request, NULL, NULL, false, NULL},
    {"skio_verdict_fn use", engine_use, NULL, NULL, false, NULL},
    {"skio_generate_id_fn", generate_id, NULL, NULL, false, NULL},
    {"skio_connection_error_fn", connection_error, NULL, NULL, false, NULL},
    {"skio_engine_taps.connection", tap_connection, NULL, NULL, true, NULL},
    {"skio_engine_taps.upgrading", tap_upgrading, NULL, upgrade, true, NULL},
    {"skio_engine_taps.upgrade", tap_upgrade, NULL, upgrade, true, NULL},
    {"skio_engine_taps.packet", tap_packet, NULL, NULL, true, NULL},
    {"skio_engine_taps.packet_create", tap_packet_create, NULL, NULL, true,
     NULL},
    {"skio_engine_taps.flush", tap_flush, NULL, NULL, true, NULL},
    {"skio_engine_taps.drain", tap_drain, NULL, NULL, true, NULL},
    {"skio_engine_taps.heartbeat", tap_heartbeat, NULL, beat, true, NULL},
    {"skio_engine_taps.close", tap_close, NULL, NULL, true, NULL},
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
    {NULL, NULL, NULL, NULL, false, NULL},
};
