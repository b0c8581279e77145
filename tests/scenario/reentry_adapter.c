/*
 * An adapter whose every function is a moment, and the calls of
 * <socketio/adapter.h>
 *
 * It does what the memory adapter does; what only a cluster asks for it keeps
 * until a call, or the end, answers it.
 */
#include "scenario/reentry.h"

#include <string.h>

struct wrapper {
    skio_adapter base;
    skio_adapter *local;
};

static struct reentry *reentry;
static void (*moment)(struct reentry *r, const char *op, skio_socket *socket);

static skio_adapter *
local_of(const skio_adapter *adapter)
{
    return ((const struct wrapper *)adapter)->local;
}

/* ---- As the memory adapter ---- */

#define PASS(type, op, socket, params, ...)                                    \
    static type wrapper_##op params                                            \
    {                                                                          \
        skio_adapter *local = local_of(adapter);                               \
        type result = local->ops->op(local, __VA_ARGS__);                      \
        moment(reentry, #op, socket);                                          \
        return result;                                                         \
    }

PASS(int, join, socket,
     (skio_adapter * adapter, skio_socket *socket, const char *room), socket,
     room)
PASS(int, leave, socket,
     (skio_adapter * adapter, skio_socket *socket, const char *room), socket,
     room)
PASS(bool, has, NULL,
     (const skio_adapter *adapter, const skio_socket *socket, const char *room),
     socket, room)
PASS(int, broadcast, NULL,
     (skio_adapter * adapter, skio_message *message, const skio_target *target),
     message, target)
PASS(int, each, NULL,
     (skio_adapter * adapter, const skio_target *target, skio_socket_fn *fn,
      void *user),
     target, fn, user)
PASS(int, sockets_join, NULL,
     (skio_adapter * adapter, const skio_target *target, const char *room),
     target, room)
PASS(int, sockets_leave, NULL,
     (skio_adapter * adapter, const skio_target *target, const char *room),
     target, room)
PASS(int, sockets_disconnect, NULL,
     (skio_adapter * adapter, const skio_target *target, bool close), target,
     close)
PASS(int, fetch, NULL,
     (skio_adapter * adapter, const skio_target *target, skio_fetch_fn *fn,
      void *user),
     target, fn, user)
PASS(int, count, NULL,
     (skio_adapter * adapter, const skio_target *target, skio_count_fn *fn,
      void *user),
     target, fn, user)
PASS(int, server_count, NULL,
     (skio_adapter * adapter, skio_count_fn *fn, void *user), fn, user)
PASS(int, rooms_fetch, NULL,
     (skio_adapter * adapter, skio_rooms_fn *fn, void *user), fn, user)
PASS(int, each_room, NULL,
     (skio_adapter * adapter, skio_room_fn *fn, void *user), fn, user)
PASS(size_t, room_count, NULL, (const skio_adapter *adapter, const char *room),
     room)

static int
wrapper_add(skio_adapter *adapter, skio_socket *socket)
{
    int err = local_of(adapter)->ops->add(local_of(adapter), socket);

    if (err == SKIO_OK)
        moment(reentry, "add", socket);
    return err;
}

static void
wrapper_remove(skio_adapter *adapter, skio_socket *socket)
{
    moment(reentry, "remove", socket);
    local_of(adapter)->ops->remove(local_of(adapter), socket);
}

static void
wrapper_rooms(const skio_adapter *adapter, const skio_socket *socket,
              skio_room_fn *fn, void *user)
{
    local_of(adapter)->ops->rooms(local_of(adapter), socket, fn, user);
    moment(reentry, "rooms", NULL);
}

static int
wrapper_broadcast_asking(skio_adapter *adapter, skio_message *message,
                         const skio_target *target, struct skio_asking *asking)
{
    skio_adapter *local = local_of(adapter);

    moment(reentry, "broadcast_asking", NULL);
    if (reentry->holds == REENTRY_ASKING && reentry->asking == NULL &&
        strcmp(skio_nsp_name(adapter->nsp), "/") == 0) {
        reentry->asking = asking;
        skio_adapter_asking_hold(asking);
    }
    return local->ops->broadcast_asking(local, message, target, asking);
}

static int
wrapper_server_side_emit(skio_adapter *adapter, skio_message *message,
                         struct skio_server_asking *asking)
{
    (void)adapter;
    (void)message;
    moment(reentry, "server_side_emit", NULL);
    if (asking == NULL)
        return SKIO_OK;
    if (reentry->holds != REENTRY_RESPONSES || reentry->responses != NULL) {
        skio_adapter_responses(asking, SKIO_OK, "[]", 2, 0);
        return SKIO_OK;
    }
    reentry->responses = asking;
    return SKIO_OK;
}

static int
wrapper_server_side_answer(skio_adapter *adapter,
                           const skio_server_asker *asker, const char *json,
                           size_t len)
{
    (void)adapter;
    (void)json;
    (void)len;
    reentry_text(reentry, asker->server);
    moment(reentry, "server_side_answer", NULL);
    return SKIO_OK;
}

/* ---- Its life, and sessions ---- */

static void
wrapper_open(skio_adapter *adapter)
{
    (void)adapter;
    moment(reentry, "open", NULL);
}

static void
wrapper_shutdown(skio_adapter *adapter)
{
    struct skio_asking *asking = reentry->asking;
    struct skio_server_asking *responses = reentry->responses;

    if (strcmp(skio_nsp_name(adapter->nsp), "/") != 0)
        return;
    moment(reentry, "shutdown", NULL);
    if (asking != NULL && reentry->asking == asking) {
        reentry->asking = NULL;
        skio_adapter_asking_release(asking, true);
    }
    if (responses != NULL && reentry->responses == responses) {
        reentry->responses = NULL;
        skio_adapter_responses(responses, SKIO_ECLOSED, "[]", 2, 1);
    }
}

static void
wrapper_close(skio_adapter *adapter)
{
    const skio_allocator *mem = skio_adapter_allocator(adapter->nsp);
    skio_adapter_restoring *restoring = reentry->restoring;

    if (restoring != NULL && strcmp(skio_nsp_name(adapter->nsp), "/") == 0) {
        reentry->restoring = NULL;
        skio_adapter_restored(restoring, NULL, NULL, 0);
    }
    local_of(adapter)->ops->close(local_of(adapter));
    mem->free(adapter, mem->user);
}

static bool
wrapper_recovers(skio_adapter *adapter)
{
    (void)adapter;
    return true;
}

static int
wrapper_session_save(skio_adapter *adapter, const skio_adapter_session *session)
{
    (void)adapter;
    reentry_text(reentry, session->pid);
    moment(reentry, "session_save", NULL);
    return SKIO_OK;
}

static void
wrapper_session_end(skio_adapter *adapter, const char *pid, const char *sid)
{
    (void)adapter;
    (void)sid;
    reentry_text(reentry, pid);
    moment(reentry, "session_end", NULL);
}

static int
wrapper_session_restore(skio_adapter *adapter, const char *pid,
                        const char *offset, skio_adapter_restoring *restoring)
{
    (void)adapter;
    (void)offset;
    reentry_text(reentry, pid);
    moment(reentry, "session_restore", NULL);
    if (reentry->restoring != NULL)
        return SKIO_ELIMIT;
    reentry->restoring = restoring;
    return SKIO_OK;
}

static int
wrapper_session_missed(skio_adapter *adapter,
                       const skio_adapter_session *session, const char *offset,
                       skio_adapter_restoring *restoring)
{
    (void)adapter;
    (void)session;
    (void)offset;
    (void)restoring;
    moment(reentry, "session_missed", NULL);
    return SKIO_ENOENT;
}

static void
wrapper_deliver_now(skio_adapter *adapter, skio_socket *socket)
{
    (void)adapter;
    moment(reentry, "deliver_now", socket);
}

static int
make(skio_nsp *nsp, void *user, skio_adapter **out)
{
#define OP(name) .name = wrapper_##name
    static const skio_adapter_ops ops = {
        .struct_size = sizeof ops,
        OP(close),
        OP(add),
        OP(remove),
        OP(join),
        OP(leave),
        OP(has),
        OP(rooms),
        OP(broadcast),
        OP(broadcast_asking),
        OP(each),
        OP(sockets_join),
        OP(sockets_leave),
        OP(sockets_disconnect),
        OP(fetch),
        OP(open),
        OP(shutdown),
        OP(count),
        OP(server_count),
        OP(rooms_fetch),
        OP(each_room),
        OP(room_count),
        OP(server_side_emit),
        OP(server_side_answer),
        OP(recovers),
        OP(session_save),
        OP(session_end),
        OP(session_restore),
        OP(session_missed),
        OP(deliver_now),
    };
    const skio_allocator *mem = skio_adapter_allocator(nsp);
    struct wrapper *wrapper = mem->malloc(sizeof *wrapper, mem->user);
    int err;

    (void)user;
    if (wrapper == NULL)
        return SKIO_ENOMEM;
    err = skio_adapter_memory(nsp, NULL, &wrapper->local);
    if (err != SKIO_OK) {
        mem->free(wrapper, mem->user);
        return err;
    }
    wrapper->base.ops = &ops;
    wrapper->base.nsp = nsp;
    *out = &wrapper->base;
    return SKIO_OK;
}

int
reentry_adapter(struct reentry *r, void (*at)(struct reentry *r, const char *op,
                                              skio_socket *socket))
{
    reentry = r;
    moment = at;
    return skio_server_adapter(r->server, make, NULL);
}

/* ---- The calls ---- */

static void
on_carry(const char *json, size_t len, const skio_bytes *attachments,
         uint32_t count, void *user)
{
    (void)attachments;
    (void)count;
    reentry_result(user, len > 0 && json[0] != '\0' ? SKIO_OK : SKIO_EPROTO);
}

static void
each_session(skio_socket *socket, const char *pid, const char *sid, void *user)
{
    (void)socket;
    reentry_text(user, pid);
    reentry_text(user, sid);
}

static void
ask_clients(struct reentry *r)
{
    size_t asked = 0;

    reentry_result(r, skio_adapter_ask(r->root, "[\"x\"]", 5, NULL, 0,
                                       SKIO_TARGET(.timeout_ms = 100), &asked,
                                       reentry_answers, r));
}

static void
server_event(struct reentry *r)
{
    reentry_result(r, skio_adapter_server_event(r->root, "[\"s\",1]", 7, NULL,
                                                0, NULL));
}

static void
carry_message(struct reentry *r)
{
    skio_message *message = NULL;
    skio_message *copy = NULL;
    skio_bytes json;

    reentry_result(r, skio_adapter_message_new(r->root, "[\"x\",1]", 7, NULL, 0,
                                               &message));
    if (message == NULL)
        return;
    reentry_result(r, skio_adapter_message_json(message, &json));
    reentry_result(r, (long)skio_adapter_message_size(message));
    reentry_result(r, (long)skio_adapter_message_attachments(message));
    skio_adapter_message_set_flags(message, SKIO_NO_COMPRESS);
    reentry_result(r, skio_adapter_message_with_offset(message, "1-0", &copy));
    if (copy != NULL)
        skio_adapter_deliver(r->other, copy, 0);
    skio_adapter_message_unref(copy);
    skio_adapter_message_unref(skio_adapter_message_ref(message));
    skio_adapter_message_unref(message);
}

static void
look_at_attachment(struct reentry *r)
{
    const skio_bytes one = {"a", 1};
    static const char json[] = "[\"x\",{\"_placeholder\":true,\"num\":0}]";
    skio_message *message = NULL;
    skio_bytes out;

    reentry_result(r, skio_adapter_message_new(r->root, json, sizeof json - 1,
                                               &one, 1, &message));
    if (message == NULL)
        return;
    if (skio_adapter_message_attachments(message) > 0) {
        skio_adapter_message_attachment(message, 0, &out);
        if (out.len != 1)
            r->odd++;
    }
    skio_adapter_message_unref(message);
}

static void
answer_asking(struct reentry *r)
{
    skio_adapter_asking_expect(r->asking, 1);
    reentry_result(r, skio_adapter_asking_answer(r->asking, "[1]", 3, NULL, 0));
}

static void
release_asking(struct reentry *r)
{
    struct skio_asking *asking = r->asking;

    r->asking = NULL;
    skio_adapter_asking_release(asking, true);
}

static void
give_responses(struct reentry *r)
{
    struct skio_server_asking *responses = r->responses;

    r->responses = NULL;
    skio_adapter_responses(responses, SKIO_OK, "[1]", 3, 0);
}

static void
restore(struct reentry *r)
{
    static const char *const rooms[] = {"abcdefghijklmnopqrst", "r", NULL};
    static const skio_adapter_missed missed = {.json = "[\"m\",1]",
                                               .len = 7,
                                               .offset = "2-0"};
    const skio_adapter_session session = {
        .struct_size = sizeof session,
        .pid = "01234567890123456789",
        .sid = rooms[0],
        .rooms = rooms,
        .shared = "{}",
    };
    skio_adapter_restoring *restoring = r->restoring;

    r->restoring = NULL;
    skio_adapter_restored(restoring, &session, &missed, 1);
}

static void
refuse_adapter(struct reentry *r)
{
    if (skio_server_adapter(r->server, make, NULL) != SKIO_EBUSY)
        r->odd++;
}

/* clang-format off */
#define LOOK(X, name, ...) X(name, NOTHING, true, false, __VA_ARGS__)
#define DO(X, name, ...) X(name, NOTHING, false, false, __VA_ARGS__)
#define MESSAGE(X, name) DO(X, name, carry_message(r))
#define ASKING(X, name, ...) X(name, ASKING, false, false, REENTRY_USE(r->asking, __VA_ARGS__))
#define CALLS(X)                                                               \
    LOOK(X, skio_adapter_slot, if (skio_adapter_slot(r->other) == NULL) r->odd++) \
    LOOK(X, skio_adapter_is_watched, (void)skio_adapter_is_watched(r->root))   \
    LOOK(X, skio_adapter_handshake, reentry_text(r, skio_adapter_handshake(r->socket))) \
    LOOK(X, skio_adapter_carry_handshake, reentry_result(r, skio_adapter_carry_handshake(r->socket, on_carry, r))) \
    LOOK(X, skio_adapter_carry, reentry_result(r, skio_adapter_carry(r->root, r->args, "0", on_carry, r))) \
    LOOK(X, skio_adapter_log, skio_adapter_log(r->root, SKIO_LOG_INFO, "%s", "a line")) \
    LOOK(X, skio_adapter_allocator, (void)skio_adapter_allocator(r->root))     \
    LOOK(X, skio_adapter_hash_key, (void)skio_adapter_hash_key(r->root))       \
    LOOK(X, skio_adapter_options, (void)skio_adapter_options(r->root))         \
    LOOK(X, skio_adapter_each_session, skio_adapter_each_session(r->root, each_session, r)) \
    LOOK(X, skio_adapter_message_attachment, look_at_attachment(r))            \
    MESSAGE(X, skio_adapter_message_new)                                       \
    MESSAGE(X, skio_adapter_message_json)                                      \
    MESSAGE(X, skio_adapter_message_size)                                      \
    MESSAGE(X, skio_adapter_message_attachments)                               \
    MESSAGE(X, skio_adapter_message_set_flags)                                 \
    MESSAGE(X, skio_adapter_message_with_offset)                               \
    MESSAGE(X, skio_adapter_message_ref)                                       \
    MESSAGE(X, skio_adapter_message_unref)                                     \
    MESSAGE(X, skio_adapter_deliver)                                           \
    DO(X, skio_adapter_room_event, skio_adapter_room_event(r->root, SKIO_ROOM_CREATE, "z", NULL)) \
    DO(X, skio_adapter_server_event, server_event(r))                          \
    DO(X, skio_adapter_ask, ask_clients(r))                                    \
    ASKING(X, skio_adapter_asking_hold, skio_adapter_asking_hold(r->asking); skio_adapter_asking_release(r->asking, false)) \
    ASKING(X, skio_adapter_asking_expect, skio_adapter_asking_expect(r->asking, 1)) \
    ASKING(X, skio_adapter_asking_answer, answer_asking(r))                    \
    ASKING(X, skio_adapter_asking_timeout, (void)skio_adapter_asking_timeout(r->asking)) \
    ASKING(X, skio_adapter_asking_release, release_asking(r))                  \
    X(skio_adapter_responses, RESPONSES, false, false, REENTRY_USE(r->responses, give_responses(r))) \
    X(skio_adapter_restored, RESTORING, false, false, REENTRY_USE(r->restoring, restore(r))) \
    X(skio_adapter_restoring_is_wanted, RESTORING, true, false, REENTRY_USE(r->restoring, (void)skio_adapter_restoring_is_wanted(r->restoring))) \
    X(skio_adapter_session_forget, RESTORING, false, false, skio_adapter_session_forget(r->other)) \
    DO(X, skio_server_adapter, refuse_adapter(r))
/* clang-format on */

REENTRY_TABLE(reentry_adapter_calls, CALLS)
