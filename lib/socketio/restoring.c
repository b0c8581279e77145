#include "socketio/restoring.h"

#include <string.h>

#include "base/compiler.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "socketio/middleware.h"
#include "socketio/recovery_remote.h"

/*
 * A question to the adapter: the adapter's until it is answered, be the socket
 * or the server gone by then. The socket points back while it waits.
 */
struct skio_adapter_restoring {
    struct skio__fifo_node due; /* in server->restoring_due */
    skio_socket *socket;        /* referenced */
    bool is_second;             /* it was recovered before, this is missed() */
    char pid[SKIO__ID_LEN + 1];
    char offset[SIO_OFFSET_MAX + 1];
};

static void
log_warning(skio_nsp *nsp, const char *what)
{
    skio__log(&nsp->server->engine.log, SKIO_LOG_WARN, "%s: %s", nsp->name,
              what);
}

/* What base64url is made of: ids are parts of keys where they are kept. */
static bool
is_id(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    return text != NULL && strlen(text) == SKIO__ID_LEN &&
           strspn(text, allowed) == SKIO__ID_LEN;
}

static void
restoring_free(skio_adapter_restoring *restoring)
{
    skio_socket *socket = restoring->socket;

    if (socket->restoring == restoring) {
        skio__fifo_remove(&restoring->due);
        socket->restoring = NULL;
    }
    skio__mem_free(&socket->home->mem, restoring);
    skio_socket_unref(socket);
}

void
skio__restoring_forget(skio_socket *socket)
{
    if (socket->restoring == NULL)
        return;
    skio__fifo_remove(&socket->restoring->due);
    socket->restoring = NULL;
}

/* The socket waits from now on. NULL: no memory. */
static skio_adapter_restoring *
restoring_new(skio_socket *socket, const char *pid, const char *offset)
{
    skio_server *server = socket->nsp->server;
    skio_adapter_restoring *restoring =
        skio__mem_calloc(&socket->home->mem, 1, sizeof *restoring);

    if (restoring == NULL)
        return NULL;
    restoring->socket = skio_socket_ref(socket);
    memcpy(restoring->pid, pid, sizeof restoring->pid);
    memcpy(restoring->offset, offset, strlen(offset) + 1);
    socket->restoring = restoring;
    skio__fifo_push(&server->restoring_due, &restoring->due,
                    skio__engine_now(&server->engine));
    skio__server_wants_timer(server);
    return restoring;
}

/*
 * Whoever has this session here is the same client, whose old connection was
 * not seen to be dead. forget: what is saved of it belongs to another now.
 */
static void
close_old(struct sio_session *session, bool forget)
{
    skio_socket *socket = session->socket;

    if (forget) {
        socket->session = NULL;
        skio__recovery_end(session);
    }
    if (socket->client != NULL)
        skio__session_close(socket->client->session,
                            SKIO_DISCONNECT_TRANSPORT_CLOSE, true);
}

static struct sio_session *
find(skio_nsp *nsp, const char *pid)
{
    struct skio__map_node *node =
        skio__map_find(&nsp->recovery->sessions, pid, SKIO__ID_LEN);

    return node == NULL ? NULL
                        : skio__container_of(node, struct sio_session, node);
}

static bool
ask(skio_socket *socket, const char *pid, const char *offset)
{
    skio_adapter *adapter = socket->nsp->adapter;
    skio_adapter_restoring *restoring = restoring_new(socket, pid, offset);

    if (restoring == NULL)
        return false;
    if (adapter->ops->session_restore(adapter, restoring->pid,
                                      restoring->offset, restoring) == SKIO_OK)
        return true;
    restoring_free(restoring);
    return socket->state != SIO_CONNECTING;
}

bool
skio__restoring_ask(skio_socket *socket)
{
    skio_nsp *nsp = socket->nsp;
    struct sio_session *old;
    const char *offset;
    const char *pid;
    bool waits;

    if (nsp->recovery == NULL || !nsp->recovery->is_remote ||
        skio__client_is_old(socket->client))
        return false;
    pid = skio_get_str(socket->auth, "pid");
    offset = skio_get_str(socket->auth, "offset");
    if (!is_id(pid) || offset == NULL || !skio__recovery_is_offset(offset))
        return false;

    /* This saves its latest state, before it is asked for. */
    skio_socket_ref(socket);
    old = find(nsp, pid);
    if (old != NULL)
        close_old(old, false);
    waits = socket->state != SIO_CONNECTING || ask(socket, pid, offset);
    skio_socket_unref(socket);
    return waits;
}

/* It was recovered, but what it missed is not known: it is as a new one. */
static void
become_new(skio_socket *socket)
{
    struct sio_session *session = socket->session;

    log_warning(socket->nsp, "what a client missed is not known any more");
    socket->session = NULL;
    skio__remote_end(session);
    socket->recovered = false;
    skio__server_make_id(socket->nsp->server, socket->own_id);
}

static int
ask_missed(skio_socket *socket)
{
    struct sio_session *session = socket->session;
    skio_adapter *adapter = socket->nsp->adapter;
    struct skio__arena *arena = &socket->nsp->server->arena;
    struct skio__arena_mark mark = skio__arena_mark(arena);
    skio_adapter_restoring *restoring;
    skio_adapter_session told;
    int err;

    if (!SIO_ADAPTER_HAS(adapter, session_missed))
        return SKIO_ENOTSUP;
    restoring = restoring_new(socket, session->pid, session->offset);
    if (restoring == NULL)
        return SKIO_ENOMEM;
    restoring->is_second = true;
    err = skio__remote_present(session, false, &told);
    if (err == SKIO_OK)
        err = adapter->ops->session_missed(adapter, &told, restoring->offset,
                                           restoring);
    if (err != SKIO_OK)
        restoring_free(restoring);
    skio__arena_release(arena, mark);
    return err;
}

bool
skio__restoring_ask_again(skio_socket *socket)
{
    struct sio_session *session = socket->session;

    if (session == NULL || session->offset == NULL)
        return false;
    if (ask_missed(socket) == SKIO_OK)
        return true;
    become_new(socket);
    return false;
}

/* ---- The answer ---- */

static bool
are_rooms(const skio_server_options *options, const char *const *rooms)
{
    uint32_t count = 0;

    for (; rooms != NULL && *rooms != NULL; rooms++) {
        size_t len = strlen(*rooms);

        /* Its own comes beside those that it joined. */
        if (count++ > options->max_rooms || len > options->max_name_bytes ||
            !skio__utf8_valid(*rooms, len))
            return false;
    }
    return true;
}

static bool
is_json(const skio_server_options *options, const char *text)
{
    const struct skio__json_limits limits = {options->max_json_depth, -1};
    struct skio__json_scan scan = {0};
    size_t len = text != NULL ? strlen(text) : 0;

    return text == NULL ||
           (len <= options->max_http_buffer_size &&
            skio__json_scan(text, len, &limits, &scan) == SKIO_OK);
}

/* What comes from elsewhere is what this server could have saved itself. */
static bool
is_valid(const skio_adapter_restoring *restoring,
         const skio_adapter_session *told)
{
    const skio_server_options *options =
        &restoring->socket->nsp->server->options;

    return told->struct_size >= sizeof *told && told->pid != NULL &&
           strcmp(told->pid, restoring->pid) == 0 && is_id(told->sid) &&
           are_rooms(options, told->rooms) && is_json(options, told->shared);
}

static int
copy_state(struct sio_session *session, const skio_adapter_session *told)
{
    const skio_allocator *mem = skio__server_mem(session->nsp->server);
    const char *const *room = told->rooms;
    struct skio__buf names;
    size_t len;

    skio__buf_init(&names, mem);
    for (; room != NULL && *room != NULL; room++)
        if (strcmp(*room, told->sid) != 0)
            skio__recovery_put_room(&names, *room);
    skio__buf_putc(&names, '\0');
    if (names.err != SKIO_OK) {
        skio__buf_deinit(&names);
        return SKIO_ENOMEM;
    }
    session->rooms = skio__buf_steal(&names, &len);

    if (told->shared == NULL)
        return SKIO_OK;
    session->shared =
        skio__mem_strndup(mem, told->shared, strlen(told->shared));
    return session->shared != NULL ? SKIO_OK : SKIO_ENOMEM;
}

/* One event with its offset. SKIO_EPROTO: nobody gets it. */
static int
make_missed(skio_nsp *nsp, const skio_adapter_missed *missed,
            struct skio_message **out)
{
    struct skio_message *message;
    int err = skio_adapter_message_new(nsp, missed->json, missed->len,
                                       missed->attachments,
                                       missed->attachment_count, &message);

    if (err != SKIO_OK)
        return err == SKIO_ENOMEM ? err : SKIO_EPROTO;
    if (missed->offset == NULL) {
        *out = message;
        return SKIO_OK;
    }
    err = skio_adapter_message_with_offset(message, missed->offset, out);
    skio__message_unref(message);
    return err == SKIO_EINVAL ? SKIO_EPROTO : err;
}

/* SKIO_ENOBUFS: it is more than may wait for one client. */
static int
copy_missed(struct sio_session *session, const skio_adapter_missed *missed,
            size_t count)
{
    skio_server *server = session->nsp->server;
    size_t left = server->options.max_outbound_bytes / 2;

    if (count == 0)
        return SKIO_OK;
    session->missed = skio__mem_array(skio__server_mem(server), NULL, count,
                                      sizeof *session->missed);
    if (session->missed == NULL)
        return SKIO_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct skio_message **next = &session->missed[session->missed_count];
        int err = make_missed(session->nsp, &missed[i], next);

        if (err == SKIO_EPROTO)
            continue; /* as when it came the other way */
        if (err != SKIO_OK)
            return err;
        session->missed_count++;
        if ((*next)->bytes >= left)
            return SKIO_ENOBUFS;
        left -= (*next)->bytes;
    }
    return SKIO_OK;
}

/* Whoever has this session or this id here gives way. False: it does not. */
static bool
make_way(skio_nsp *nsp, const skio_adapter_session *told)
{
    struct sio_session *old = find(nsp, told->pid);
    skio_socket *same;

    if (old != NULL)
        close_old(old, true);
    same = skio_nsp_socket(nsp, told->sid);
    if (same != NULL && same->session != NULL)
        close_old(same->session, true);
    return skio_nsp_socket(nsp, told->sid) == NULL &&
           find(nsp, told->pid) == NULL;
}

/* Whoever was not recovered connects as a new client. */
static void
go_on_as_new(skio_socket *socket)
{
    if (skio__middleware_start(socket) != SKIO_OK)
        skio__client_nomem(socket->client);
}

/* Fill the session of a socket that must ask the middlewares first, or that
 * gets what it missed at once. */
static int
fill(struct sio_session *session, const skio_adapter_restoring *restoring,
     const skio_adapter_session *told, const skio_adapter_missed *missed,
     size_t count, bool asks_first)
{
    const skio_allocator *mem = skio__server_mem(session->nsp->server);
    int err = copy_state(session, told);

    if (err != SKIO_OK || !asks_first)
        return err != SKIO_OK ? err : copy_missed(session, missed, count);
    session->offset =
        skio__mem_strndup(mem, restoring->offset, strlen(restoring->offset));
    return session->offset != NULL ? SKIO_OK : SKIO_ENOMEM;
}

/* The client is recovered, or not. */
static void
accept(const skio_adapter_restoring *restoring,
       const skio_adapter_session *told, const skio_adapter_missed *missed,
       size_t count)
{
    skio_socket *socket = restoring->socket;
    skio_nsp *nsp = socket->nsp;
    const bool asks_first = !nsp->server->options.recovery_skip_middlewares &&
                            skio__middleware_is_any(nsp);
    struct sio_session *session = NULL;
    int err = SKIO_ENOMEM;

    if (make_way(nsp, told))
        session = skio__recovery_session(nsp->recovery, told->pid, told->sid);
    if (session != NULL)
        err = fill(session, restoring, told, missed, count, asks_first);
    if (socket->state != SIO_CONNECTING) {
        /* Those who watch the old one's end may have ended this one. */
        if (session != NULL)
            skio__remote_abandon(session, true);
        return;
    }
    if (err != SKIO_OK) {
        log_warning(nsp, err == SKIO_ENOBUFS
                             ? "a client missed more than may wait for it"
                             : "a session cannot be restored");
        if (session != NULL)
            skio__recovery_end(session);
        go_on_as_new(socket);
        return;
    }

    skio__recovery_attach(session, socket);
    if (!asks_first)
        skio__socket_connect(socket);
    else if (skio__middleware_start(socket) != SKIO_OK)
        skio__client_nomem(socket->client);
}

/* What was missed up to now, for a recovered one. */
static void
complete(skio_socket *socket, const skio_adapter_session *told,
         const skio_adapter_missed *missed, size_t count)
{
    struct sio_session *session = socket->session;

    skio__mem_free(&socket->home->mem, session->offset);
    session->offset = NULL;
    if (told == NULL || copy_missed(session, missed, count) != SKIO_OK)
        become_new(socket);
    skio__socket_connect(socket);
}

/* It is used up where it was kept, and the client has not got it. */
static void
give_back(skio_nsp *nsp, const skio_adapter_session *told)
{
    const char *const own[] = {told->sid, NULL};
    skio_adapter_session copy = *told;

    copy.struct_size = sizeof copy;
    copy.final = true;
    if (copy.rooms == NULL)
        copy.rooms = own;
    if (copy.shared == NULL)
        copy.shared = "{}";
    /* One that cannot be saved is as one that was not found. */
    (void)nsp->adapter->ops->session_save(nsp->adapter, &copy);
}

void
skio_adapter_restored(skio_adapter_restoring *restoring,
                      const skio_adapter_session *session,
                      const skio_adapter_missed *missed, size_t count)
{
    skio_socket *socket = restoring->socket;
    const bool is_wanted = socket->restoring == restoring;
    skio_nsp *nsp = skio__socket_nsp(socket);
    struct eio_engine *engine;

    if (nsp == NULL) {
        restoring_free(restoring);
        return;
    }

    engine = &nsp->server->engine;
    skio__engine_enter(engine);
    if (is_wanted)
        skio__restoring_forget(socket); /* it may ask again in here */
    if (session != NULL && !restoring->is_second &&
        !is_valid(restoring, session)) {
        log_warning(nsp, "what was kept of a session is not valid");
        session = NULL;
    }
    if (is_wanted && restoring->is_second)
        complete(socket, session, missed, count);
    else if (is_wanted && session != NULL)
        accept(restoring, session, missed, count);
    else if (is_wanted)
        go_on_as_new(socket);
    else if (session != NULL && !restoring->is_second &&
             socket->state == SIO_GONE)
        give_back(nsp, session);
    restoring_free(restoring);
    skio__engine_leave(engine);
}

bool
skio_adapter_restoring_is_wanted(const skio_adapter_restoring *restoring)
{
    return restoring->socket->restoring == restoring;
}

void
skio__restoring_timeouts(skio_server *server, uint64_t now_ms)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(&server->restoring_due, now_ms)) !=
           NULL) {
        const skio_adapter_restoring *restoring =
            skio__container_of(node, skio_adapter_restoring, due);
        skio_socket *socket = skio_socket_ref(restoring->socket);

        log_warning(socket->nsp, "the adapter knows nothing of a session yet");
        socket->restoring = NULL; /* it is answered to nobody */
        if (restoring->is_second) {
            become_new(socket);
            skio__socket_connect(socket);
        } else {
            go_on_as_new(socket);
        }
        skio_socket_unref(socket);
    }
}
