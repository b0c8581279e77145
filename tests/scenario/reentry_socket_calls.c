/*
 * The calls of <socketio/socket.h>, emit.h, value.h and cjson.h
 */
#include "scenario/reentry.h"

#include <socketio/cjson.h>

static bool
each_pair(const char *name, const char *value, void *user)
{
    reentry_text(user, name);
    reentry_text(user, value);
    return true;
}

static bool
each_room(const char *room, void *user)
{
    reentry_text(user, room);
    return true;
}

static bool
each_part(const char *key, size_t index, const skio_value *item, void *user)
{
    (void)key;
    (void)index;
    reentry_text(user, skio_get_json(item, ""));
    return true;
}

static void
on_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    (void)socket;
    (void)args;
    reentry_result(user, err);
}

static void
on_remote_answer(int err, const skio_value *args, void *user)
{
    (void)args;
    reentry_result(user, err);
}

static void
free_data(void *data)
{
    *(int *)data = 0;
}

static void emit_list(struct reentry *r, const char *format, ...)
    SKIO_PRINTF(2, 3);

static void
emit_list(struct reentry *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reentry_result(r, skio_emitv(r->socket, "x", format, args));
    va_end(args);
    va_start(args, format);
    reentry_result(r, skio_emit_withv(r->root, NULL, "x", format, args));
    va_end(args);
}

static void
read_all(struct reentry *r, const skio_value *value)
{
    const char *text;
    size_t len = 0;
    int64_t integer;
    double number;
    bool flag;
    skio_bytes bytes;

    text = skio_get_strn(value, "0", &len);
    if (text != NULL && text[len] != '\0')
        r->odd++;
    reentry_result(r, skio_get_int(value, "0", &integer));
    reentry_result(r, skio_get_double(value, "0", &number));
    reentry_result(r, skio_get_bool(value, "0", &flag));
    reentry_result(r, skio_get_bytes(value, "0", &bytes));
}

static void
emit_tree(struct reentry *r)
{
    cJSON *list = cJSON_CreateArray();

    cJSON_AddItemToArray(list, cJSON_CreateNumber(1));
    reentry_result(r, skio_emit_cjson(r->socket, "x", list));
    cJSON_Delete(list);
}

/* A fetched socket, and one call with it. */
struct fetched {
    struct reentry *r;
    void (*fn)(struct reentry *r, const skio_remote *remote);
};

static void
on_fetch(int err, const skio_remote *const *found, size_t count, size_t missing,
         void *user)
{
    const struct fetched *fetched = user;

    (void)missing;
    reentry_result(fetched->r, err);
    for (size_t i = 0; i < count; i++)
        fetched->fn(fetched->r, found[i]);
}

static void
with_remotes(struct reentry *r,
             void (*fn)(struct reentry *r, const skio_remote *remote))
{
    struct fetched fetched = {r, fn};

    reentry_result(r,
                   skio_sockets_fetch(r->root, SKIO_TARGET(.flags = SKIO_LOCAL),
                                      on_fetch, &fetched));
}

#define REMOTE(name, ...)                                                      \
    static void name(struct reentry *r, const skio_remote *remote)             \
    {                                                                          \
        __VA_ARGS__;                                                           \
    }
REMOTE(look, reentry_text(r, skio_remote_id(remote));
       reentry_text(r, skio_remote_shared(remote));
       reentry_text(r, skio_remote_handshake(remote));
       if (skio_remote_socket(remote) == NULL) r->odd++;
       skio_remote_each_room(remote, each_room, r))
REMOTE(remote_emit, reentry_result(r, skio_remote_emit(remote, "x", "%d", 1)))
REMOTE(remote_ask, reentry_result(r, skio_remote_emit_with_ack(remote, 100,
                                                               on_remote_answer,
                                                               r, "x", NULL)))
REMOTE(remote_join, reentry_result(r, skio_remote_join(remote, "q")))
REMOTE(remote_leave, reentry_result(r, skio_remote_leave(remote, "r")))
REMOTE(remote_close, reentry_result(r, skio_remote_disconnect(remote, true)))

static int own_data;

/* clang-format off */
#define LOOK(X, name, ...) X(name, NOTHING, true, false, __VA_ARGS__)
#define DO(X, name, ...) X(name, NOTHING, false, false, __VA_ARGS__)
#define CALLS(X)                                                               \
    LOOK(X, skio_socket_id, reentry_text(r, skio_socket_id(r->socket)))        \
    LOOK(X, skio_socket_nsp, (void)skio_socket_nsp(r->socket))                 \
    LOOK(X, skio_socket_is_connected, (void)skio_socket_is_connected(r->socket)) \
    LOOK(X, skio_socket_recovered, (void)skio_socket_recovered(r->socket))     \
    LOOK(X, skio_socket_data, (void)skio_socket_data(r->socket))               \
    LOOK(X, skio_socket_shared, reentry_text(r, skio_socket_shared(r->socket))) \
    LOOK(X, skio_socket_auth, reentry_text(r, skio_get_json(skio_socket_auth(r->socket), ""))) \
    LOOK(X, skio_socket_header, reentry_text(r, skio_socket_header(r->socket, "host"))) \
    LOOK(X, skio_socket_each_header, skio_socket_each_header(r->socket, each_pair, r)) \
    LOOK(X, skio_socket_latest_header, reentry_text(r, skio_socket_latest_header(r->socket, "host"))) \
    LOOK(X, skio_socket_cookie, reentry_text(r, skio_socket_cookie(r->socket, "c"))) \
    LOOK(X, skio_socket_each_query, skio_socket_each_query(r->socket, each_pair, r)) \
    LOOK(X, skio_socket_query, reentry_text(r, skio_socket_query(r->socket, "EIO"))) \
    LOOK(X, skio_socket_address, reentry_text(r, skio_socket_address(r->socket))) \
    LOOK(X, skio_socket_url, reentry_text(r, skio_socket_url(r->socket)))      \
    LOOK(X, skio_socket_is_secure, (void)skio_socket_is_secure(r->socket))     \
    LOOK(X, skio_socket_is_xdomain, (void)skio_socket_is_xdomain(r->socket))   \
    LOOK(X, skio_socket_issued, (void)skio_socket_issued(r->socket))           \
    LOOK(X, skio_socket_transport, reentry_text(r, skio_socket_transport(r->socket))) \
    LOOK(X, skio_socket_queued, (void)skio_socket_queued(r->socket))           \
    LOOK(X, skio_socket_session, (void)skio_socket_session(r->socket))         \
    LOOK(X, skio_in_room, (void)skio_in_room(r->socket, "r"))                  \
    LOOK(X, skio_each_room, skio_each_room(r->socket, each_room, r))           \
    LOOK(X, skio_type_of, (void)skio_type_of(r->args, "0"))                    \
    LOOK(X, skio_count, (void)skio_count(r->args, ""))                         \
    LOOK(X, skio_get_str, reentry_text(r, skio_get_str(r->args, "0")))         \
    LOOK(X, skio_get_strn, read_all(r, r->args))                               \
    LOOK(X, skio_get_int, read_all(r, r->value))                               \
    LOOK(X, skio_get_double, read_all(r, skio_get_value(r->args, "0")))        \
    LOOK(X, skio_get_bool, read_all(r, skio_socket_auth(r->socket)))           \
    LOOK(X, skio_get_bytes, skio_bytes b; reentry_result(r, skio_get_bytes(r->args, "0", &b))) \
    LOOK(X, skio_get_json, reentry_text(r, skio_get_json(r->args, "")))        \
    LOOK(X, skio_get_slice, skio_bytes b; reentry_result(r, skio_get_slice(r->args, "", &b))) \
    LOOK(X, skio_slice_int, int64_t i; reentry_result(r, skio_slice_int("12", 2, &i))) \
    LOOK(X, skio_slice_double, double d; reentry_result(r, skio_slice_double("1.5", 3, &d))) \
    LOOK(X, skio_slice_bytes, skio_bytes b; reentry_result(r, skio_slice_bytes(r->args, "{}", &b))) \
    LOOK(X, skio_get_value, reentry_text(r, skio_get_json(skio_get_value(r->args, "0"), ""))) \
    LOOK(X, skio_get_args, (void)skio_count(skio_get_args(r->args, 1), ""))    \
    LOOK(X, skio_each, reentry_result(r, skio_each(r->args, "", each_part, r))) \
    LOOK(X, skio_value_cjson, (void)skio_value_cjson(r->args, ""))             \
    LOOK(X, skio_value_bytes, skio_bytes b;                                    \
         const cJSON *tree = skio_value_cjson(r->args, "");                    \
         if (tree != NULL) reentry_result(r, skio_value_bytes(r->args, tree, &b))) \
    LOOK(X, skio_disconnect_name, reentry_text(r, skio_disconnect_name(SKIO_DISCONNECT_PING_TIMEOUT))) \
    LOOK(X, skio_disconnect_detail, reentry_text(r, skio_disconnect_detail(r->server))) \
    LOOK(X, skio_strerror, reentry_text(r, skio_strerror(SKIO_EINVAL)))        \
    LOOK(X, skio_err_name, reentry_text(r, skio_err_name(SKIO_EINVAL)))        \
    LOOK(X, skio_version, reentry_text(r, skio_version()))                     \
    LOOK(X, skio_sockets_fetch, with_remotes(r, look))                         \
    LOOK(X, skio_remote_id, with_remotes(r, look))                             \
    LOOK(X, skio_remote_shared, with_remotes(r, look))                         \
    LOOK(X, skio_remote_handshake, with_remotes(r, look))                      \
    LOOK(X, skio_remote_socket, with_remotes(r, look))                         \
    LOOK(X, skio_remote_each_room, with_remotes(r, look))                      \
    DO(X, skio_remote_emit, with_remotes(r, remote_emit))                      \
    DO(X, skio_remote_emit_with_ack, with_remotes(r, remote_ask))              \
    DO(X, skio_remote_join, with_remotes(r, remote_join))                      \
    DO(X, skio_remote_leave, with_remotes(r, remote_leave))                    \
    DO(X, skio_remote_disconnect, with_remotes(r, remote_close))               \
    DO(X, skio_socket_ref, skio_socket_unref(skio_socket_ref(r->socket)))      \
    DO(X, skio_socket_unref, skio_socket_unref(skio_socket_ref(r->other)))     \
    DO(X, skio_socket_set_data, skio_socket_set_data(r->socket, &own_data, free_data)) \
    DO(X, skio_socket_set_shared, reentry_result(r, skio_socket_set_shared(r->socket, "{'a':%d}", 1))) \
    DO(X, skio_join, reentry_result(r, skio_join(r->socket, "s")); reentry_result(r, skio_join(r->other, "r"))) \
    DO(X, skio_leave, reentry_result(r, skio_leave(r->socket, "r")); reentry_result(r, skio_leave(r->other, "r"))) \
    DO(X, skio_leave_all, skio_leave_all(r->socket))                           \
    DO(X, skio_disconnect, skio_disconnect(r->socket, false); skio_disconnect(r->socket, true)) \
    DO(X, skio_emit, reentry_result(r, skio_emit(r->socket, "x", "%d", 1)))    \
    DO(X, skio_emitv, emit_list(r, "%d", 1))                                   \
    DO(X, skio_emit_volatile, reentry_result(r, skio_emit_volatile(r->socket, "x", NULL))) \
    DO(X, skio_emit_json, reentry_result(r, skio_emit_json(r->socket, "x", "1,[2]", 5))) \
    DO(X, skio_emit_cjson, emit_tree(r))                                       \
    DO(X, skio_emit_all, reentry_result(r, skio_emit_all(r->root, "x", "%d", 2))) \
    DO(X, skio_emit_to, reentry_result(r, skio_emit_to(r->root, "r", "x", "%d", 3))) \
    DO(X, skio_emit_with, reentry_result(r, skio_emit_with(r->root, SKIO_TARGET(.to = SKIO_ROOMS("r", "s"), .flags = SKIO_VOLATILE), "x", NULL))) \
    DO(X, skio_emit_withv, emit_list(r, "[%d]", 1))                            \
    DO(X, skio_broadcast, reentry_result(r, skio_broadcast(r->socket, "x", NULL))) \
    DO(X, skio_broadcast_to, reentry_result(r, skio_broadcast_to(r->socket, "r", "x", NULL))) \
    DO(X, skio_emit_with_ack, reentry_result(r, skio_emit_with_ack(r->socket, 100, on_answer, r, "x", NULL))) \
    DO(X, skio_emit_with_acks, reentry_result(r, skio_emit_with_acks(r->root, SKIO_TARGET(.timeout_ms = 100), reentry_answers, r, "x", NULL))) \
    X(skio_ack_send, ACK, false, false, REENTRY_USE(r->ack, reentry_result(r, skio_ack_send(r->ack, "%d", 1)); r->ack = NULL)) \
    X(skio_ack_take, ACK, false, false, REENTRY_USE(r->ack, skio_ack_free(r->ack); r->ack = NULL)) \
    X(skio_ack_free, ACK, false, false, REENTRY_USE(r->ack, skio_ack_free(r->ack); r->ack = NULL)) \
    DO(X, skio_message_new, skio_message *m = skio_message_new(r->root, "x", NULL); skio_message_free(m)) \
    DO(X, skio_message_emit, reentry_result(r, skio_message_emit(r->message, r->socket))) \
    DO(X, skio_message_emit_with, reentry_result(r, skio_message_emit_with(r->message, NULL))) \
    DO(X, skio_message_free, REENTRY_USE(r->message, skio_message_free(r->message); r->message = NULL)) \
    DO(X, skio_sockets_join, reentry_result(r, skio_sockets_join(r->root, NULL, "q"))) \
    DO(X, skio_sockets_leave, reentry_result(r, skio_sockets_leave(r->root, NULL, "r"))) \
    DO(X, skio_sockets_disconnect, reentry_result(r, skio_sockets_disconnect(r->root, NULL, true)))
/* clang-format on */

REENTRY_TABLE(reentry_socket_calls, CALLS)
