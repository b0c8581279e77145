/*
 * The calls of <socketio/server.h>, namespace.h, cluster.h, request.h and
 * engine.h
 */
#include "scenario/reentry.h"

#include <socketio/guard.h>
#include <socketio/shapes.h>

/* ---- Handlers that are put on, beside those whose moment it is ---- */

static void
on_event(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    (void)args;
    (void)ack;
    (void)skio_socket_id(socket);
}

static void
on_any(skio_socket *socket, const char *event, const skio_value *args,
       void *user)
{
    (void)socket;
    (void)args;
    reentry_text(user, event);
}

static int
on_use_event(skio_socket *socket, const char *event, const skio_value *args,
             skio_ack *ack, void *user)
{
    (void)socket;
    (void)args;
    (void)ack;
    reentry_text(user, event);
    return SKIO_OK;
}

static void
on_error(skio_socket *socket, int err, const char *event, void *user)
{
    (void)socket;
    (void)err;
    reentry_text(user, event);
}

static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    (void)nsp;
    (void)event;
    (void)socket;
    reentry_text(user, room);
}

static void
on_connect(skio_socket *socket, void *user)
{
    reentry_text(user, skio_socket_id(socket));
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    reentry_text(user, skio_socket_id(socket));
}

static void
on_backpressure(skio_socket *socket, size_t queued, void *user)
{
    (void)queued;
    reentry_text(user, skio_socket_id(socket));
}

static void
on_expired(skio_nsp *nsp, const char *id, const char *shared, void *user)
{
    (void)nsp;
    (void)shared;
    reentry_text(user, id);
}

static void
on_use(skio_socket *socket, skio_next *next, void *user)
{
    (void)socket;
    reentry_result(user, skio_next_ok(next));
}

static void
on_namespace(skio_nsp *nsp, void *user)
{
    reentry_text(user, skio_nsp_name(nsp));
}

static void
on_match(skio_match *match, const char *name, const skio_value *auth,
         void *user)
{
    (void)name;
    (void)auth;
    reentry_result(user, skio_match_accept(match));
}

static void
on_server_event(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
                void *user)
{
    (void)nsp;
    (void)ack;
    reentry_text(user, skio_get_json(args, ""));
}

static void
on_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    (void)responses;
    (void)missing;
    reentry_result(user, err);
}

static void
on_count(int err, size_t count, size_t missing, void *user)
{
    (void)count;
    (void)missing;
    reentry_result(user, err);
}

static void
on_rooms(int err, const char *const *rooms, size_t count, size_t missing,
         void *user)
{
    (void)missing;
    reentry_result(user, err);
    for (size_t i = 0; i < count; i++)
        reentry_text(user, rooms[i]);
}

static bool
each_room(const char *room, void *user)
{
    reentry_text(user, room);
    return true;
}

static bool
each_socket(skio_socket *socket, void *user)
{
    reentry_text(user, skio_socket_id(socket));
    return true;
}

static bool
each_nsp(skio_nsp *nsp, void *user)
{
    reentry_text(user, skio_nsp_name(nsp));
    return true;
}

static void
on_shared(skio_socket *socket, void *user)
{
    reentry_text(user, skio_socket_shared(socket));
}

static void
on_headers(skio_headers *headers, const skio_engine_request *request,
           void *user)
{
    reentry_text(user, skio_engine_request_method(request));
    reentry_result(user, skio_headers_set(headers, "X-Put-On", "1"));
}

static void
on_verdict(skio_verdict *verdict, void *user)
{
    reentry_result(user, skio_verdict_accept(verdict));
}

static void
on_connection_error(const skio_connection_error *error, void *user)
{
    reentry_text(user, error->message);
}

static void
on_tap(skio_session *session, void *user)
{
    reentry_text(user, skio_session_id(session));
}

static void
on_drained(skio_server *server, void *user)
{
    (void)server;
    (void)user;
}

static void
on_freed(void *user)
{
    (void)user;
}

/* ---- Longer calls ---- */

static void
look_at_request(struct reentry *r)
{
    const skio_engine_request *request = skio_session_request(r->session);
    char text[100];

    reentry_text(r, skio_engine_request_method(request));
    reentry_text(r, skio_engine_request_url(request));
    reentry_text(r, skio_engine_request_header(request, "host"));
    reentry_text(r, skio_engine_request_address(request));
    reentry_result(r, skio_engine_request_query(request, "EIO", text,
                                                sizeof text));
    reentry_result(r,
                   skio_engine_request_cookie(request, "c", text, sizeof text));
    (void)skio_engine_request_is_secure(request);
    (void)skio_engine_request_is_upgrade(request);
}

static void
handle_engine(struct reentry *r)
{
    const skio_engine_handlers handlers = {.struct_size = sizeof handlers};

    /* There are sessions: it is too late. */
    if (skio_engine_handle(r->server, &handlers, r) != SKIO_EBUSY)
        r->odd++;
}

static void
tap(struct reentry *r)
{
    const skio_engine_taps taps = {.struct_size = sizeof taps,
                                   .connection = on_tap,
                                   .flush = on_tap};

    reentry_result(r, skio_engine_tap(r->server, &taps, r));
}

static void
tap_namespaces(struct reentry *r)
{
    const skio_nsp_taps taps = {.struct_size = sizeof taps};

    reentry_result(r, skio_nsp_tap(r->server, &taps, r));
}

static bool
see_event(const char *event, uint64_t received, void *user)
{
    (void)received;
    reentry_text(user, event);
    return true;
}

static bool
see_namespace(skio_nsp *nsp, void *user)
{
    (void)skio_nsp_pattern(nsp);
    (void)skio_nsp_received(nsp);
    skio_each_event(nsp, see_event, user);
    return true;
}

static void
make_another(struct reentry *r)
{
    skio_server *server = NULL;
    skio_server_options options;

    skio_server_options_init(&options);
    reentry_result(r, skio_server_new(&server, &options));
    skio_server_free(server);
}

static void
make_namespaces(struct reentry *r)
{
    char name[8];

    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "/n%d", i);
        if (skio_of(r->server, name) == NULL)
            r->odd++;
    }
}

static void
read_counters(struct reentry *r)
{
    skio_counters counters = {.struct_size = sizeof counters};

    skio_server_counters(r->server, &counters);
}

static void
read_limits(struct reentry *r)
{
    uint64_t hits;

    for (size_t i = 0; skio_server_limit(r->server, i, &hits) != NULL; i++)
        ;
}

/* Those at hand; else of the request that waits, unless it waited too long. */
static skio_headers *
headers_of(struct reentry *r)
{
    if (r->headers != NULL || r->verdict == NULL)
        return r->headers;
    return skio_verdict_headers(r->verdict);
}

/* ---- Shapes, and rooms that are guarded ---- */

static void
on_guard(skio_guard_ask *ask, skio_socket *socket, const char *room,
         const skio_value *args, void *user)
{
    (void)socket;
    (void)args;
    reentry_text(user, room);
    reentry_result(user, skio_guard_allow(ask));
}

static void
use_guard(struct reentry *r)
{
    skio_guard_options options;

    skio_guard_options_init_size(&options, sizeof options);
    reentry_result(r, skio_guard_rooms(r->root, on_guard, r, &options));
}

static void
on_answered(skio_socket *socket, const char *error, void *user)
{
    reentry_text(user, skio_socket_id(socket));
    if (error != NULL)
        reentry_text(user, error);
}

static void
put_question(struct reentry *r)
{
    skio_guard_options options;
    skio_guard *guard = NULL;
    int err;

    skio_guard_options_init(&options);
    options.join = NULL;
    options.leave = NULL;
    err = skio_guard_new(r->root, on_guard, r, &options, &guard);
    reentry_result(r, err);
    if (err == SKIO_OK && r->socket != NULL)
        skio_guard_put(guard, r->socket, "put", NULL, on_answered, r);
}

static void
on_refused(skio_socket *socket, const char *event, const char *path,
           const char *why, void *user)
{
    (void)socket;
    reentry_text(user, event);
    reentry_text(user, path);
    reentry_text(user, why);
}

static bool
on_shape_count(const char *event, uint64_t checked, uint64_t refused,
               void *user)
{
    reentry_text(user, event);
    return checked >= refused;
}

static void
use_shapes(struct reentry *r)
{
    skio_shapes_options options;
    skio_shapes *shapes = NULL;

    skio_shapes_options_init_size(&options, sizeof options);
    options.refused = on_refused;
    options.user = r;
    reentry_result(r, skio_shapes_new(r->root, &options, &shapes));
    if (shapes == NULL)
        return;
    reentry_result(r, skio_shapes_add(shapes, "e", "...", NULL, NULL));
    reentry_result(r, skio_shapes_add(shapes, "f", "bad", NULL, NULL));
    skio_shapes_each(shapes, on_shape_count, r);
}

static void
use_shape(struct reentry *r)
{
    char path[SKIO_SHAPE_PATH_SIZE];
    skio_shape *shape = NULL;
    const char *why;

    reentry_result(r, skio_shape_new(r->server, "int", &shape, NULL, &why));
    if (shape != NULL)
        reentry_result(r, skio_shape_check(shape, r->args, path, sizeof path,
                                           &why));
    skio_shape_free(shape);
}

/* clang-format off */
#define LOOK(X, name, ...) X(name, NOTHING, true, false, __VA_ARGS__)
#define DO(X, name, ...) X(name, NOTHING, false, false, __VA_ARGS__)
#define ON(X, name, ...) X(name, NOTHING, false, false, reentry_result(r, name(__VA_ARGS__)))
#define SESSION(X, name, ...) X(name, NOTHING, true, false, REENTRY_USE(r->session, __VA_ARGS__))
#define SESSION_DO(X, name, ...) X(name, NOTHING, false, false, REENTRY_USE(r->session, __VA_ARGS__))
#define HEADERS(X, name, ...) X(name, VERDICT, false, false, skio_headers *h = headers_of(r); REENTRY_USE(h, __VA_ARGS__))
#define VERDICT(X, name, ...) X(name, VERDICT, false, false, \
    REENTRY_USE(r->verdict, reentry_result(r, name(__VA_ARGS__)); r->verdict = NULL))
#define CALLS(X)                                                               \
    LOOK(X, skio_nsp_name, reentry_text(r, skio_nsp_name(r->root)))            \
    LOOK(X, skio_nsp_server, if (skio_nsp_server(r->root) != r->server) r->odd++) \
    LOOK(X, skio_nsp_parent, (void)skio_nsp_parent(r->root))                   \
    LOOK(X, skio_nsp_pattern, (void)skio_nsp_pattern(r->root))                 \
    LOOK(X, skio_nsp_received, (void)skio_nsp_received(r->root))               \
    LOOK(X, skio_each_parent, skio_each_parent(r->server, see_namespace, r))   \
    LOOK(X, skio_each_event, skio_each_event(r->root, see_event, r))           \
    LOOK(X, skio_nsp_count, (void)skio_nsp_count(r->root))                     \
    LOOK(X, skio_nsp_socket, (void)skio_nsp_socket(r->root, skio_socket_id(r->socket))) \
    LOOK(X, skio_listeners, (void)skio_listeners(r->root, "e"))                \
    LOOK(X, skio_each_socket, reentry_result(r, skio_each_socket(r->root, each_socket, r))) \
    LOOK(X, skio_nsp_find, if (skio_nsp_find(r->server, "/") != r->root) r->odd++) \
    LOOK(X, skio_each_nsp, skio_each_nsp(r->server, each_nsp, r))              \
    LOOK(X, skio_nsp_each_room, reentry_result(r, skio_nsp_each_room(r->root, each_room, r))) \
    LOOK(X, skio_room_count, (void)skio_room_count(r->root, "r"))              \
    LOOK(X, skio_sockets_count, reentry_result(r, skio_sockets_count(r->root, NULL, on_count, r))) \
    LOOK(X, skio_server_count, reentry_result(r, skio_server_count(r->root, on_count, r))) \
    LOOK(X, skio_rooms_fetch, reentry_result(r, skio_rooms_fetch(r->root, on_rooms, r))) \
    LOOK(X, skio_server_sessions, (void)skio_server_sessions(r->server))       \
    LOOK(X, skio_server_data, (void)skio_server_data(r->server))               \
    LOOK(X, skio_server_counters, read_counters(r))                            \
    LOOK(X, skio_server_limit, read_limits(r))                                 \
    LOOK(X, skio_server_is_draining, (void)skio_server_is_draining(r->server)) \
    LOOK(X, skio_server_options_init_size, skio_server_options o; skio_server_options_init_size(&o, sizeof o)) \
    LOOK(X, skio_parser_msgpack, (void)skio_parser_msgpack())                  \
    SESSION(X, skio_session_id, reentry_text(r, skio_session_id(r->session)))  \
    SESSION(X, skio_session_ready_state, (void)skio_session_ready_state(r->session)) \
    SESSION(X, skio_session_protocol, (void)skio_session_protocol(r->session)) \
    SESSION(X, skio_session_transport, reentry_text(r, skio_session_transport(r->session))) \
    SESSION(X, skio_session_is_upgraded, (void)skio_session_is_upgraded(r->session)) \
    SESSION(X, skio_session_is_upgrading, (void)skio_session_is_upgrading(r->session)) \
    SESSION(X, skio_session_request, look_at_request(r))                       \
    SESSION(X, skio_engine_request_method, look_at_request(r))                 \
    SESSION(X, skio_engine_request_url, look_at_request(r))                    \
    SESSION(X, skio_engine_request_header, look_at_request(r))                 \
    SESSION(X, skio_engine_request_query, look_at_request(r))                  \
    SESSION(X, skio_engine_request_cookie, look_at_request(r))                 \
    SESSION(X, skio_engine_request_address, look_at_request(r))                \
    SESSION(X, skio_engine_request_is_secure, look_at_request(r))              \
    SESSION(X, skio_engine_request_is_upgrade, look_at_request(r))             \
    SESSION(X, skio_session_address, reentry_text(r, skio_session_address(r->session))) \
    SESSION(X, skio_session_queued, (void)skio_session_queued(r->session))     \
    SESSION(X, skio_session_data, (void)skio_session_data(r->session))         \
    SESSION_DO(X, skio_session_set_data, skio_session_set_data(r->session, r)) \
    SESSION_DO(X, skio_session_send, reentry_result(r, skio_session_send(r->session, "2[\"x\"]", 6, false))) \
    SESSION_DO(X, skio_session_close, skio_session_close(r->session))          \
    SESSION_DO(X, skio_session_discard, skio_session_discard(r->session))      \
    DO(X, skio_server_set_data, skio_server_set_data(r->server, r))            \
    DO(X, skio_server_new, make_another(r))                                    \
    DO(X, skio_of, make_namespaces(r))                                         \
    DO(X, skio_of_match, if (skio_of_match(r->server, on_match, r) == NULL) r->odd++) \
    DO(X, skio_of_pattern, if (skio_of_pattern(r->server, "/p*") == NULL) r->odd++) \
    ON(X, skio_on_namespace, r->server, on_namespace, r)                       \
    ON(X, skio_on, r->root, "e", on_event, r)                                  \
    ON(X, skio_once, r->root, "e", on_event, r)                                \
    ON(X, skio_prepend, r->root, "e", on_event, r)                             \
    ON(X, skio_off, r->root, "e", NULL, NULL)                                  \
    ON(X, skio_on_any, r->root, on_any, r)                                     \
    ON(X, skio_prepend_any, r->root, on_any, r)                                \
    ON(X, skio_off_any, r->root, NULL, NULL)                                   \
    ON(X, skio_on_any_outgoing, r->root, on_any, r)                            \
    ON(X, skio_prepend_any_outgoing, r->root, on_any, r)                       \
    ON(X, skio_off_any_outgoing, r->root, NULL, NULL)                          \
    ON(X, skio_use_event, r->root, on_use_event, r)                            \
    ON(X, skio_on_error, r->root, on_error, r)                                 \
    ON(X, skio_on_room, r->root, on_room, r)                                   \
    ON(X, skio_on_connect, r->root, on_connect, r)                             \
    ON(X, skio_on_disconnecting, r->root, on_disconnect, r)                    \
    ON(X, skio_on_disconnect, r->root, on_disconnect, r)                       \
    ON(X, skio_on_expired, r->root, on_expired, r)                             \
    ON(X, skio_on_shared, r->root, on_shared, r)                               \
    ON(X, skio_on_backpressure, r->root, on_backpressure, r)                   \
    ON(X, skio_use, r->root, on_use, r)                                        \
    ON(X, skio_on_server_event, r->root, "s", on_server_event, r)              \
    ON(X, skio_off_server_event, r->root, "s", NULL, NULL)                     \
    ON(X, skio_on_headers, r->server, on_headers, r)                           \
    ON(X, skio_on_initial_headers, r->server, on_headers, r)                   \
    ON(X, skio_allow_request, r->server, on_verdict, r)                        \
    ON(X, skio_engine_use, r->server, on_verdict, r)                           \
    ON(X, skio_generate_id, r->server, NULL, NULL)                             \
    ON(X, skio_on_connection_error, r->server, on_connection_error, r)         \
    DO(X, skio_engine_handle, handle_engine(r))                                \
    DO(X, skio_engine_tap, tap(r))                                             \
    DO(X, skio_nsp_tap, tap_namespaces(r))                                     \
    ON(X, skio_server_on_free, r->server, on_freed, r)                         \
    DO(X, skio_guard_options_init_size, use_guard(r))                          \
    DO(X, skio_guard_rooms, use_guard(r))                                      \
    DO(X, skio_guard_new, put_question(r))                                     \
    DO(X, skio_guard_put, put_question(r))                                     \
    DO(X, skio_shape_new, use_shape(r))                                        \
    DO(X, skio_shape_check, use_shape(r))                                      \
    DO(X, skio_shape_free, use_shape(r))                                       \
    DO(X, skio_shapes_options_init_size, use_shapes(r))                        \
    DO(X, skio_shapes_new, use_shapes(r))                                      \
    DO(X, skio_shapes_add, use_shapes(r))                                      \
    DO(X, skio_shapes_each, use_shapes(r))                                     \
    ON(X, skio_server_side_emit, r->root, "s", "%d", 1)                        \
    ON(X, skio_server_side_emit_with_ack, r->root, on_responses, r, "s", NULL) \
    X(skio_server_ack_send, SERVER_ACK, false, false, REENTRY_USE(r->server_ack, reentry_result(r, skio_server_ack_send(r->server_ack, "%d", 1)); r->server_ack = NULL)) \
    X(skio_server_ack_take, SERVER_ACK, false, false, REENTRY_USE(r->server_ack, skio_server_ack_free(r->server_ack); r->server_ack = NULL)) \
    X(skio_server_ack_free, SERVER_ACK, false, false, REENTRY_USE(r->server_ack, skio_server_ack_free(r->server_ack); r->server_ack = NULL)) \
    X(skio_next_ok, NEXT, false, false, REENTRY_USE(r->next, reentry_result(r, skio_next_ok(r->next)); r->next = NULL)) \
    X(skio_next_error, NEXT, false, false, REENTRY_USE(r->next, reentry_result(r, skio_next_error(r->next, "no", NULL)); r->next = NULL)) \
    X(skio_next_socket, NEXT, true, false, REENTRY_USE(r->next, (void)skio_next_socket(r->next))) \
    X(skio_match_accept, MATCH, false, false, REENTRY_USE(r->match, reentry_result(r, skio_match_accept(r->match)); r->match = NULL)) \
    X(skio_match_refuse, MATCH, false, false, REENTRY_USE(r->match, reentry_result(r, skio_match_refuse(r->match)); r->match = NULL)) \
    X(skio_verdict_request, VERDICT, true, false, REENTRY_USE(r->verdict, (void)skio_verdict_request(r->verdict))) \
    X(skio_verdict_headers, VERDICT, true, false, REENTRY_USE(r->verdict, (void)skio_verdict_headers(r->verdict))) \
    HEADERS(X, skio_headers_set, reentry_result(r, skio_headers_set(h, "X-A", "1"))) \
    HEADERS(X, skio_headers_append, reentry_result(r, skio_headers_append(h, "X-A", "2"))) \
    HEADERS(X, skio_headers_get, reentry_text(r, skio_headers_get(h, "X-A"))) \
    HEADERS(X, skio_headers_remove, reentry_result(r, skio_headers_remove(h, "X-A"))) \
    VERDICT(X, skio_verdict_accept, r->verdict)                                \
    VERDICT(X, skio_verdict_refuse, r->verdict, "no")                                    \
    VERDICT(X, skio_verdict_respond, r->verdict, 200, "text/plain", "a", 1)              \
    X(skio_server_drain, NOTHING, false, true, reentry_result(r, skio_server_drain(r->server, 0, on_drained, r))) \
    X(skio_server_stop, NOTHING, false, true, skio_server_stop(r->server))     \
    X(skio_server_free, NOTHING, false, true, skio_server_free(r->server))
/* clang-format on */

REENTRY_TABLE(reentry_server_calls, CALLS)
