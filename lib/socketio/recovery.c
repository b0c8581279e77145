#include "socketio/recovery.h"

#include <string.h>

#include <sodium.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "base/number.h"
#include "socketio/dynamic.h"
#include "socketio/parser.h"
#include "socketio/recovery_remote.h"

#define EPOCH_BYTES 6 /* of randomness: two servers' offsets never match */
#define EPOCH_LEN SIO_EPOCH_LEN
#define OFFSET_MAX (EPOCH_LEN + 1 + SKIO__NUMBER_MAX)

struct sio_recovery *
skio__recovery_new(skio_nsp *nsp)
{
    skio_server *server = nsp->server;
    const skio_allocator *mem = skio__server_mem(server);
    unsigned char random[EPOCH_BYTES];
    struct sio_recovery *recovery = skio__mem_calloc(mem, 1, sizeof *recovery);

    if (recovery == NULL)
        return NULL;
    recovery->nsp = nsp;
    skio__map_init(&recovery->sessions, mem, server->hash_key);
    skio__recovery_log_init(&recovery->log, mem,
                            server->options.recovery_max_bytes);
    skio__engine_random(&server->engine, random, sizeof random);
    sodium_bin2base64(recovery->epoch, sizeof recovery->epoch, random,
                      sizeof random, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return recovery;
}

void
skio__recovery_free(struct sio_recovery *recovery)
{
    struct skio__map_node *node;
    struct skio__map_node *after;
    const skio_allocator *mem;

    if (recovery == NULL)
        return;

    mem = skio__server_mem(recovery->nsp->server);
    SKIO__MAP_EACH(&recovery->sessions, node, after)
        skio__recovery_end(skio__container_of(node, struct sio_session, node));
    skio__map_deinit(&recovery->sessions);
    skio__recovery_log_deinit(&recovery->log);
    skio__fifo_remove(&recovery->trim_due);
    skio__mem_free(mem, recovery);
}

void
skio__recovery_adopt(skio_nsp *nsp)
{
    skio_adapter *adapter = nsp->adapter;

    if (nsp->recovery == NULL || !SIO_ADAPTER_HAS(adapter, recovers))
        return;
    nsp->recovery->is_remote = SIO_ADAPTER_HAS(adapter, session_save) &&
                               SIO_ADAPTER_HAS(adapter, session_end) &&
                               SIO_ADAPTER_HAS(adapter, session_restore) &&
                               adapter->ops->recovers(adapter);
    if (nsp->recovery->is_remote)
        return;

    /* Other servers' events are not in our memory: who came back would miss
     * them, and not be told. */
    skio__recovery_free(nsp->recovery);
    nsp->recovery = NULL;
    skio__log(&nsp->server->engine.log, SKIO_LOG_WARN,
              "recovery_ms: no client of %s is recovered, its adapter cannot",
              nsp->name);
}

/* ---- Offsets ---- */

/* `,"epoch.number"` as it stands behind the other arguments. */
static size_t
make_tail(const struct sio_recovery *recovery, uint64_t number, char *tail)
{
    size_t len = 0;

    tail[len++] = ',';
    tail[len++] = '"';
    memcpy(tail + len, recovery->epoch, EPOCH_LEN);
    len += EPOCH_LEN;
    tail[len++] = '.';
    len += skio__number_format_u64(number, tail + len);
    tail[len++] = '"';
    return len;
}

bool
skio__recovery_is_offset(const char *offset)
{
    size_t len = 0;

    for (; offset[len] != '\0'; len++)
        if (len == SIO_OFFSET_MAX || offset[len] <= ' ' || offset[len] > '~' ||
            offset[len] == '"' || offset[len] == '\\')
            return false;
    return len > 0;
}

/* The number of an offset of ours, or false. */
static bool
read_offset(const struct sio_recovery *recovery, const char *text,
            uint64_t *number)
{
    int64_t value;

    if (strncmp(text, recovery->epoch, EPOCH_LEN) != 0 ||
        text[EPOCH_LEN] != '.')
        return false;
    text += EPOCH_LEN + 1;
    if (skio__number_parse_i64(text, strlen(text), &value) != SKIO_OK ||
        value < 0)
        return false;
    *number = (uint64_t)value;
    return true;
}

struct skio_message *
skio__recovery_tail(skio_nsp *nsp, const struct skio_message *message,
                    const char *tail, size_t len)
{
    const skio_server_options *options = &nsp->server->options;
    struct sio_encoder encoder;

    if (options->parser == NULL)
        return skio__message_with_tail(message, tail, len);
    skio__nsp_encoder(nsp, &encoder);
    return skio__parser_with_tail(options, &encoder, message, tail, len);
}

struct skio_message *
skio__recovery_stamp(skio_nsp *nsp, struct skio_message *message,
                     const skio_target *target)
{
    struct sio_recovery *recovery = nsp->recovery;
    skio_server *server = nsp->server;
    struct skio_message *stamped;
    bool is_volatile;
    char tail[OFFSET_MAX + 4];
    uint64_t now;
    size_t len;

    if (recovery == NULL || recovery->is_remote)
        return skio__message_ref(message);

    is_volatile = target != NULL && (target->flags & SKIO_VOLATILE) != 0;
    len = make_tail(recovery, recovery->log.next - is_volatile, tail);
    stamped = skio__recovery_tail(nsp, message, tail, len);
    if (stamped == NULL || is_volatile)
        return stamped;

    now = skio__engine_now(&server->engine);
    skio__recovery_log_add(&recovery->log, stamped, target, now);
    if (!skio__fifo_is_linked(&recovery->trim_due)) {
        skio__fifo_push(&server->recovery_trim_due, &recovery->trim_due, now);
        skio__server_wants_timer(server);
    }
    return stamped;
}

/* ---- Sessions ---- */

struct sio_session *
skio__recovery_session(struct sio_recovery *recovery, const char *pid,
                       const char *sid)
{
    skio_nsp *nsp = recovery->nsp;
    const skio_allocator *mem = skio__server_mem(nsp->server);
    struct sio_session *session = skio__mem_calloc(mem, 1, sizeof *session);

    if (session == NULL)
        return NULL;
    session->nsp = nsp;
    session->first = recovery->log.next;
    memcpy(session->pid, pid, sizeof session->pid);
    memcpy(session->sid, sid, sizeof session->sid);
    if (skio__map_put(&recovery->sessions, &session->node, session->pid,
                      SKIO__ID_LEN) != SKIO_OK) {
        skio__mem_free(mem, session);
        return NULL;
    }
    return session;
}

struct sio_session *
skio__recovery_begin(skio_socket *socket)
{
    skio_nsp *nsp = socket->nsp;
    struct sio_session *session;
    char pid[SKIO__ID_LEN + 1];

    skio__server_make_id(nsp->server, pid);
    session = skio__recovery_session(nsp->recovery, pid, socket->id);
    if (session != NULL)
        session->socket = socket;
    return session;
}

void
skio__recovery_drop_state(struct sio_session *session)
{
    const skio_allocator *mem = skio__server_mem(session->nsp->server);

    skio__mem_free(mem, session->rooms);
    skio__mem_free(mem, session->shared);
    skio__mem_free(mem, session->offset);
    while (session->missed_count > 0)
        skio__message_unref(session->missed[--session->missed_count]);
    skio__mem_free(mem, session->missed);
    session->rooms = NULL;
    session->shared = NULL;
    session->offset = NULL;
    session->missed = NULL;
}

/* Nobody can come back to it any more. */
static void
unlink_session(struct sio_session *session)
{
    skio__fifo_remove(&session->due);
    for (struct sio_visit *visit = session->nsp->recovery->visit; visit != NULL;
         visit = visit->outer)
        if (visit->after == &session->node)
            visit->after = skio__map_next(&session->node);
    skio__map_remove(&session->nsp->recovery->sessions, &session->node);
}

static void
free_session(struct sio_session *session)
{
    skio_nsp *nsp = session->nsp;

    if (session->is_kept) {
        nsp->recovery->gone_count--;
        nsp->refs--;
        skio__dynamic_left(nsp);
    }
    skio__recovery_drop_state(session);
    skio__mem_free(skio__server_mem(nsp->server), session);
}

void
skio__recovery_end(struct sio_session *session)
{
    unlink_session(session);
    free_session(session);
}

void
skio__recovery_put_room(struct skio__buf *list, const char *room)
{
    skio__buf_putc(list, '+');
    skio__buf_append(list, room, strlen(room) + 1);
}

struct collected {
    struct skio__buf names;
    const char *own;
};

static bool
collect_room(const char *room, void *user)
{
    struct collected *rooms = user;

    if (strcmp(room, rooms->own) != 0)
        skio__recovery_put_room(&rooms->names, room);
    return rooms->names.err == SKIO_OK;
}

int
skio__recovery_save_state(struct sio_session *session)
{
    skio_socket *socket = session->socket;
    const skio_allocator *mem = skio__server_mem(session->nsp->server);
    struct collected rooms = {.own = socket->id};
    size_t len;

    skio__buf_init(&rooms.names, mem);
    skio_each_room(socket, collect_room, &rooms);
    skio__buf_putc(&rooms.names, '\0');
    if (rooms.names.err != SKIO_OK) {
        skio__buf_deinit(&rooms.names);
        return SKIO_ENOMEM;
    }
    session->rooms = skio__buf_steal(&rooms.names, &len);
    if (socket->shared != NULL) {
        session->shared =
            skio__mem_strndup(mem, socket->shared, strlen(socket->shared));
        if (session->shared == NULL) {
            skio__recovery_drop_state(session);
            return SKIO_ENOMEM;
        }
    }
    return SKIO_OK;
}

/* Those that a client comes back from; not what either side asked for. */
static bool
is_recoverable(enum skio_disconnect reason)
{
    return reason == SKIO_DISCONNECT_TRANSPORT_CLOSE ||
           reason == SKIO_DISCONNECT_TRANSPORT_ERROR ||
           reason == SKIO_DISCONNECT_PING_TIMEOUT ||
           reason == SKIO_DISCONNECT_FORCED_CLOSE ||
           reason == SKIO_DISCONNECT_FORCED_SERVER_CLOSE ||
           reason == SKIO_DISCONNECT_SERVER_SHUTDOWN;
}

void
skio__recovery_leave(skio_socket *socket, enum skio_disconnect reason)
{
    struct sio_session *session = socket->session;
    skio_server *server = socket->nsp->server;
    struct sio_recovery *recovery = socket->nsp->recovery;
    struct skio__fifo_node *oldest;

    if (session == NULL)
        return;
    socket->session = NULL;
    if (recovery->is_remote) {
        skio__remote_leave(session, is_recoverable(reason));
        return;
    }
    if (!is_recoverable(reason) ||
        skio__recovery_save_state(session) != SKIO_OK) {
        skio__recovery_end(session);
        return;
    }

    session->socket = NULL;
    session->is_kept = true;
    session->nsp->refs++; /* it stays, to come back to */
    skio__fifo_push(&server->recovery_due, &session->due,
                    skio__engine_now(&server->engine));
    skio__server_wants_timer(server);
    if (++recovery->gone_count <= server->options.recovery_max_sessions)
        return;

    /* The oldest of all namespaces goes: that bounds each of them. */
    oldest = server->recovery_due.ends.next;
    skio__limit_hit(&server->engine, EIO_LIMIT_recovery_max_sessions);
    skio__recovery_end(skio__container_of(oldest, struct sio_session, due));
}

void
skio__recovery_abandon(skio_socket *socket, enum skio_disconnect reason)
{
    struct sio_session *session = socket->session;

    if (session == NULL)
        return;
    socket->session = NULL;
    if (session->nsp->recovery->is_remote)
        skio__remote_abandon(session, is_recoverable(reason));
    else
        skio__recovery_end(session);
}

/* The bytes that a session missed from a number on. */
static size_t
missed_bytes(const struct sio_recovery *recovery,
             const struct sio_session *session, uint64_t from)
{
    size_t bytes = 0;

    for (struct sio_logged *each = recovery->log.first; each != NULL;
         each = each->next)
        if (each->number >= from &&
            skio__recovery_log_is_for(each, session->sid, session->rooms))
            bytes += each->message->bytes;
    return bytes;
}

struct sio_session *
skio__recovery_find(skio_nsp *nsp, const char *auth, size_t len)
{
    struct sio_recovery *recovery = nsp->recovery;
    skio_server *server = nsp->server;
    struct sio_session *session = NULL;
    struct skio__map_node *node;
    skio_value *value;
    const char *offset;
    const char *pid;
    uint64_t number;

    if (recovery == NULL || recovery->is_remote || auth == NULL)
        return NULL;
    value = skio_value_new(server, auth, len);
    pid = value != NULL ? skio_get_str(value, "pid") : NULL;
    if (pid == NULL || strlen(pid) != SKIO__ID_LEN)
        goto done;

    node = skio__map_find(&recovery->sessions, pid, SKIO__ID_LEN);
    if (node == NULL)
        goto done;
    session = skio__container_of(node, struct sio_session, node);

    /* Back before its old connection was seen to be dead. */
    if (session->socket != NULL && session->socket->client != NULL) {
        skio__session_close(session->socket->client->session,
                            SKIO_DISCONNECT_TRANSPORT_CLOSE, true);
        node = skio__map_find(&recovery->sessions, pid, SKIO__ID_LEN);
        session = node != NULL
                      ? skio__container_of(node, struct sio_session, node)
                      : NULL;
    }
    if (session == NULL || session->socket != NULL) {
        session = NULL;
        goto done;
    }

    offset = skio_get_str(value, "offset");
    session->from = session->first;
    if (skio_type_of(value, "offset") != SKIO_TYPE_NONE) {
        if (offset == NULL || !read_offset(recovery, offset, &number) ||
            number >= recovery->log.next) {
            session = NULL;
            goto done;
        }
        if (number + 1 > session->from)
            session->from = number + 1;
    }

    /* A gap, or more than may wait for one client: it must be told. */
    if (session->from < recovery->log.oldest ||
        missed_bytes(recovery, session, session->from) >=
            server->options.max_outbound_bytes / 2)
        session = NULL;

done:
    skio_value_free(value);
    return session;
}

void
skio__recovery_attach(struct sio_session *session, skio_socket *socket)
{
    if (session->is_kept) {
        skio__fifo_remove(&session->due);
        session->is_kept = false;
        session->nsp->recovery->gone_count--;
        session->nsp->refs--;
    }
    memcpy(socket->own_id, session->sid, sizeof socket->own_id);
    session->socket = socket;
    socket->session = session;
    socket->recovered = true;
}

static int
send_missed(skio_socket *socket)
{
    struct sio_session *session = socket->session;
    struct sio_recovery *recovery = socket->nsp->recovery;
    int err = SKIO_OK;

    if (recovery->is_remote) {
        for (size_t i = 0; err == SKIO_OK && i < session->missed_count; i++)
            err = skio__client_send(socket->client, session->missed[i]);
        return err;
    }
    for (struct sio_logged *each = recovery->log.first;
         err == SKIO_OK && each != NULL; each = each->next)
        if (each->number >= session->from &&
            skio__recovery_log_is_for(each, session->sid, session->rooms))
            err = skio__client_send(socket->client, each->message);
    return err;
}

static int
join_rooms(skio_socket *socket, const char *rooms)
{
    const struct sio_session *session = socket->session;
    int err = SKIO_OK;

    for (; err == SKIO_OK && *rooms != '\0'; rooms += strlen(rooms) + 1) {
        err = skio_join(socket, SIO_ROOM_NAME(rooms));
        if (socket->session != session)
            return SKIO_ECLOSED;
    }
    return err;
}

/*
 * Whoever watches rooms may emit when one is joined, or end the socket: what
 * was missed goes before, and the session may be another's after.
 */
int
skio__recovery_restore(skio_socket *socket)
{
    struct sio_session *session = socket->session;
    char *rooms = session->rooms;
    int err = send_missed(socket);

    skio__mem_free(&socket->home->mem, socket->shared);
    socket->shared = session->shared;
    session->shared = NULL;
    session->rooms = NULL;
    skio__recovery_drop_state(session);
    if (err == SKIO_OK && rooms != NULL)
        err = join_rooms(socket, rooms);
    skio__mem_free(&socket->home->mem, rooms);
    return err;
}

void
skio__recovery_timeouts(skio_server *server, uint64_t now_ms)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(&server->recovery_due, now_ms)) != NULL) {
        struct sio_session *session =
            skio__container_of(node, struct sio_session, due);

        unlink_session(session);
        SIO_NSP_RUN(session->nsp, expired, skio_expired_fn,
                    fn(session->nsp, session->sid,
                       session->shared != NULL ? session->shared : "{}",
                       user_data));
        free_session(session);
    }

    while ((node = skio__fifo_pop_due(&server->recovery_trim_due, now_ms)) !=
           NULL) {
        struct sio_recovery *recovery =
            skio__container_of(node, struct sio_recovery, trim_due);

        skio__recovery_log_trim(&recovery->log,
                                now_ms - server->options.recovery_ms + 1);
        if (recovery->log.first != NULL)
            skio__fifo_push(&server->recovery_trim_due, &recovery->trim_due,
                            now_ms);
    }
}
