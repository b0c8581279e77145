#include "socketio/recovery_remote.h"

#include <string.h>

#include "base/compiler.h"

void
skio__remote_changed(struct sio_session *session)
{
    skio_server *server = session->nsp->server;

    if (!session->nsp->recovery->is_remote ||
        !skio__socket_is_member(session->socket) ||
        skio__fifo_is_linked(&session->due))
        return;
    skio__fifo_push(&server->recovery_dirty, &session->due, 0);
    skio__engine_want_flush(&server->engine);
}

int
skio__remote_present(const struct sio_session *session, bool is_final,
                     skio_adapter_session *out)
{
    const char **rooms;
    const char *room;
    size_t count = 1;

    for (room = session->rooms; *room != '\0'; room += strlen(room) + 1)
        count++;
    rooms = skio__arena_alloc(&session->nsp->server->arena,
                              (count + 1) * sizeof *rooms);
    if (rooms == NULL)
        return SKIO_ENOMEM;

    rooms[0] = session->sid;
    count = 1;
    for (room = session->rooms; *room != '\0'; room += strlen(room) + 1)
        rooms[count++] = SIO_ROOM_NAME(room);
    rooms[count] = NULL;
    *out = (skio_adapter_session){
        .struct_size = sizeof *out,
        .pid = session->pid,
        .sid = session->sid,
        .rooms = rooms,
        .shared = session->shared != NULL ? session->shared : "{}",
        .final = is_final,
    };
    return SKIO_OK;
}

static int
hand_over(const struct sio_session *session, bool is_final)
{
    skio_adapter *adapter = session->nsp->adapter;
    struct skio__arena *arena = &session->nsp->server->arena;
    struct skio__arena_mark mark = skio__arena_mark(arena);
    skio_adapter_session told;
    int err = skio__remote_present(session, is_final, &told);

    if (err == SKIO_OK)
        err = adapter->ops->session_save(adapter, &told);
    skio__arena_release(arena, mark);
    return err;
}

static int
save(struct sio_session *session, bool is_final)
{
    int err = skio__recovery_save_state(session);

    if (err == SKIO_OK)
        err = hand_over(session, is_final);
    skio__recovery_drop_state(session);
    return err;
}

void
skio__remote_end(struct sio_session *session)
{
    skio_adapter *adapter = session->nsp->adapter;

    adapter->ops->session_end(adapter, session->pid, session->sid);
    skio__recovery_end(session);
}

/*
 * What cannot be saved is not recovered: a client that came back would miss a
 * room without being told.
 */
static void
save_dirty(struct sio_session *session)
{
    int err = save(session, false);

    if (err == SKIO_OK)
        return;
    skio__log(&session->nsp->server->engine.log, SKIO_LOG_WARN,
              "%s: a session cannot be saved", session->nsp->name);
    session->socket->session = NULL;
    skio__remote_end(session);
}

void
skio__remote_save_all(skio_server *server)
{
    struct skio__fifo_node *last = server->recovery_dirty.ends.prev;
    struct skio__fifo_node *node;

    /* Those that the adapter makes dirty in here wait for the next turn. */
    while ((node = skio__fifo_pop_due(&server->recovery_dirty, UINT64_MAX)) !=
           NULL) {
        save_dirty(skio__container_of(node, struct sio_session, due));
        if (node == last)
            break;
    }
}

void
skio__remote_leave(struct sio_session *session, bool is_recoverable)
{
    if (is_recoverable && save(session, true) == SKIO_OK)
        skio__recovery_end(session);
    else
        skio__remote_end(session);
}

void
skio__remote_abandon(struct sio_session *session, bool is_recoverable)
{
    if (is_recoverable && session->rooms != NULL &&
        hand_over(session, true) == SKIO_OK)
        skio__recovery_end(session);
    else
        skio__remote_end(session);
}

/* ---- Emitting ---- */

int
skio__remote_send(skio_socket *socket, struct skio_message *message,
                  unsigned flags)
{
    const char *const own[] = {socket->id, NULL};
    const unsigned local = (flags & SKIO_VOLATILE) != 0 ? SKIO_LOCAL : 0;
    const skio_target target = {.struct_size = sizeof target,
                                .to = own,
                                .flags = flags | local};
    skio_adapter *adapter = socket->nsp->adapter;
    struct eio_engine *engine = &socket->nsp->server->engine;
    int err;

    message->nsp = socket->nsp;
    skio__message_set_flags(message, flags);
    skio__engine_enter(engine);
    skio_socket_ref(socket); /* its id is the target */
    err = adapter->ops->broadcast(adapter, message, &target);
    skio_socket_unref(socket);
    skio__engine_leave(engine);
    return err;
}

void
skio__remote_hurry(skio_socket *socket)
{
    skio_adapter *adapter = socket->nsp->adapter;

    /* Who watches what is sent may disconnect it, too. */
    if (!skio__remote_carries(socket->nsp, socket) || socket->is_parting ||
        !SIO_ADAPTER_HAS(adapter, deliver_now))
        return;
    socket->is_parting = true;
    adapter->ops->deliver_now(adapter, socket);
}

/* ---- For adapters ---- */

void
skio_adapter_each_session(skio_nsp *nsp, skio_adapter_session_fn *fn,
                          void *user)
{
    struct sio_recovery *recovery = nsp->recovery;
    struct skio__map_node *node;
    struct sio_visit visit;

    if (recovery == NULL || !recovery->is_remote)
        return;
    skio__engine_enter(&nsp->server->engine);
    visit.outer = recovery->visit;
    recovery->visit = &visit;
    for (node = skio__map_first(&recovery->sessions); node != NULL;
         node = visit.after) {
        const struct sio_session *session =
            skio__container_of(node, struct sio_session, node);
        char pid[SKIO__ID_LEN + 1];
        char sid[SKIO__ID_LEN + 1];

        visit.after = skio__map_next(node);
        if (!skio__socket_is_member(session->socket))
            continue;
        /* The names outlive the session. */
        memcpy(pid, session->pid, sizeof pid);
        memcpy(sid, session->sid, sizeof sid);
        fn(session->socket, pid, sid, user);
    }
    recovery->visit = visit.outer;
    skio__engine_leave(&nsp->server->engine);
}

void
skio_adapter_session_forget(skio_socket *socket)
{
    struct sio_session *session = socket->session;

    if (session == NULL || !session->nsp->recovery->is_remote ||
        !skio__socket_is_member(socket))
        return;
    socket->session = NULL;
    skio__recovery_end(session);
}
