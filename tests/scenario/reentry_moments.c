/*
 * The moments of handlers: those of a namespace, of requests, and taps
 */
#include "scenario/reentry_moments.h"

#include <stdlib.h>
#include <string.h>

#include <socketio/engine.h>
#include <socketio/guard.h>
#include <socketio/request.h>
#include <socketio/shapes.h>

#include "scenario/sio.h"

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
on_refused(skio_socket *socket, const char *event, const char *path,
           const char *why, void *user)
{
    reentry_text(user, event);
    reentry_at(user, socket, NULL, NULL);
    reentry_text(user, path);
    reentry_text(user, why);
}

/* Shapes that the event of the story does not have. */
static int
refuse_shapes(struct reentry *r, skio_nsp *nsp)
{
    skio_shapes_options options;
    skio_shapes *shapes = NULL;
    int err;

    skio_shapes_options_init(&options);
    options.refused = on_refused;
    options.user = r;
    err = skio_shapes_new(nsp, &options, &shapes);
    if (err != SKIO_OK)
        return err;
    return skio_shapes_add(shapes, "e", "'never'", NULL, NULL);
}

static void
on_guard(skio_guard_ask *ask, skio_socket *socket, const char *room,
         const skio_value *args, void *user)
{
    reentry_text(user, room);
    reentry_at(user, socket, args, NULL);
    reentry_text(user, skio_guard_room(ask));
    reentry_result(user, skio_guard_allow(ask));
}

static void
on_answered(skio_socket *socket, const char *error, void *user)
{
    if (error != NULL)
        reentry_text(user, error);
    reentry_at(user, socket, NULL, NULL);
}

static skio_guard *guard;

static void
put(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    skio_guard_put(guard, socket, "room", args, on_answered, user);
}

static void
allow(skio_guard_ask *ask, skio_socket *socket, const char *room,
      const skio_value *args, void *user)
{
    (void)socket;
    (void)args;
    reentry_text(user, room);
    reentry_result(user, skio_guard_allow(ask));
}

static int
put_questions(struct reentry *r, skio_nsp *nsp)
{
    skio_guard_options options;
    int err;

    skio_guard_options_init(&options);
    options.join = NULL;
    options.leave = NULL;
    err = skio_guard_new(nsp, allow, r, &options, &guard);
    return err == SKIO_OK ? skio_on(nsp, "e", put, r) : err;
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
on_shared(skio_socket *socket, void *user)
{
    reentry_at(user, socket, NULL, NULL);
    reentry_text(user, skio_socket_shared(socket));
}

static void
on_leaving(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    reentry_at(user, socket, NULL, NULL);
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
WATCH(refused, refuse_shapes(r, nsp))
WATCH(guarded, skio_guard_rooms(nsp, on_guard, r, NULL))
WATCH(answered, put_questions(r, nsp))
WATCH(broken, skio_on_error(nsp, on_error, r))
WATCH(event, skio_on(nsp, "e", on_event, r))
WATCH(event_once, skio_once(nsp, "e", on_event, r))
WATCH(backpressure, skio_on_backpressure(nsp, on_backpressure, r))
WATCH(expired, skio_on_expired(nsp, on_expired, r))
WATCH(shared, skio_on_shared(nsp, on_shared, r))
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

static void
on_nsp_tap(skio_socket *socket, void *user)
{
    reentry_at(user, socket, NULL, NULL);
}

static void
on_nsp_tap_disconnect(skio_socket *socket, enum skio_disconnect reason,
                      void *user)
{
    (void)reason;
    reentry_at(user, socket, NULL, NULL);
}

static void
on_nsp_tap_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
                void *user)
{
    (void)nsp;
    (void)event;
    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, room);
}

static void
on_nsp_tap_received(skio_nsp *nsp, const char *event, size_t len,
                    bool is_handled, void *user)
{
    (void)nsp;
    (void)event;
    (void)len;
    (void)is_handled;
    reentry_at(user, NULL, NULL, NULL);
}

static void
on_nsp_tap_nsp(skio_nsp *nsp, void *user)
{
    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, skio_nsp_name(nsp));
}

static void
on_nsp_tap_sent(skio_nsp *nsp, const char *event, void *user)
{
    (void)nsp;
    reentry_at(user, NULL, NULL, NULL);
    reentry_text(user, event);
}

#define NSP_TAP(name, fn)                                                      \
    static void nsp_tap_##name(struct reentry *r, skio_nsp *nsp)               \
    {                                                                          \
        const skio_nsp_taps taps = {.struct_size = sizeof taps, .name = fn};   \
        if (nsp == r->root)                                                    \
            reentry_result(r, skio_nsp_tap(r->server, &taps, r));              \
    }
NSP_TAP(connect, on_nsp_tap)
NSP_TAP(disconnect, on_nsp_tap_disconnect)
NSP_TAP(room, on_nsp_tap_room)
NSP_TAP(received, on_nsp_tap_received)
NSP_TAP(handled, on_nsp_tap_nsp)
NSP_TAP(sent, on_nsp_tap_sent)

/* ---- What brings them about ---- */

TRIGGER(ask_to_join, peer_say(r->ws, "42[\"join\",\"room\"]"))
TRIGGER(say_nonsense, peer_say(r->ws, "4x"))
TRIGGER(upgrade, struct peer_ws *ws; const char *query = peer_polling(r->peer);
        ws = peer_probe(r->peer, query); peer_say(ws, "2probe");
        peer_wait(r->peer, 200); peer_say(ws, "5"))
TRIGGER(beat, peer_wait(r->peer, 25001); peer_say(r->ws, "3"))
TRIGGER(expire, peer_hang_up(r->ws, true); peer_wait(r->peer, 5000))
TRIGGER(room_changes, (void)skio_sockets_leave(r->root, NULL, "r"))
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

/* Share something of the client's socket. */
static bool
share_one(skio_socket *socket, void *user)
{
    reentry_result(user, skio_socket_set_shared(socket, "[%d]", 1));
    return false;
}

static void
share(struct reentry *r)
{
    reentry_result(r, skio_each_socket(r->root, share_one, r));
}
OPTIONS(pressed, options->outbound_high_bytes = 100)
OPTIONS(recovering, options->recovery_ms = 1000)

/* ---- The table ---- */

const struct reentry_moment reentry_handler_moments[] = {
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
    {"skio_refused_fn", refused, NULL, NULL, false, NULL},
    {"skio_guard_fn", guarded, NULL, ask_to_join, false, NULL},
    {"skio_guard_done_fn", answered, NULL, NULL, false, NULL},
    {"skio_error_fn packet", broken, NULL, say_nonsense, false, NULL},
    {"skio_event_fn", event, NULL, NULL, false, NULL},
    {"skio_event_fn once", event_once, NULL, NULL, false, NULL},
    {"skio_backpressure_fn", backpressure, pressed, press, false, NULL},
    {"skio_expired_fn", expired, recovering, expire, false, NULL},
    {"skio_shared_fn", shared, NULL, share, false, NULL},
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
    {"skio_nsp_taps.connect", nsp_tap_connect, NULL, NULL, true, NULL},
    {"skio_nsp_taps.disconnect", nsp_tap_disconnect, NULL, NULL, true, NULL},
    {"skio_nsp_taps.room", nsp_tap_room, NULL, NULL, true, NULL},
    {"skio_nsp_taps.received", nsp_tap_received, NULL, NULL, true, NULL},
    {"skio_nsp_taps.handled", nsp_tap_handled, NULL, NULL, true, NULL},
    {"skio_nsp_taps.sent", nsp_tap_sent, NULL, NULL, true, NULL},
    {NULL, NULL, NULL, NULL, false, NULL},
};
