/*
 * Events in the order of the stream, with its ids for offsets
 *
 * An event of ours is added to the stream and waits here until it is read
 * again. What is done to its receivers meanwhile waits behind it.
 */
#include <socketio/engine.h>

#include <string.h>

#include "adapter/redis_streams.h"
#include "base/mem.h"
#include "base/names.h"

#define IMPATIENCE_MS 50

enum what { WAITS_MESSAGE, WAITS_LEAVE, WAITS_DISCONNECT };

struct skio__waiting {
    struct skio__waiting *next;
    enum what what;
    uint64_t seq; /* 0: it has no entry, and waits for those before it */
    skio_message *message; /* NULL: something that is done */
    const char *room;      /* LEAVE */
    bool close;            /* DISCONNECT */
    unsigned flags;
    size_t bytes;
    size_t to_count;
    const char *names[]; /* to, NULL, except, NULL; then their text */
};

static void give_up(struct skio__streams *streams);

/* ---- What waits ---- */

static struct skio__waiting *
new_waiting(struct skio__streams *streams, enum what what,
            const skio_target *target, const char *room)
{
    const char *const *to = target != NULL ? target->to : NULL;
    const char *const *except = target != NULL ? target->except : NULL;
    const char *const sender[] = {target != NULL && target->sender != NULL
                                      ? skio_socket_id(target->sender)
                                      : NULL,
                                  NULL};
    const char *const rooms[] = {room, NULL};
    size_t bytes = sizeof(struct skio__waiting);
    size_t to_count = skio__names_measure(to, &bytes);
    size_t except_count = skio__names_measure(except, &bytes);
    size_t sender_count = skio__names_measure(sender, &bytes);
    size_t room_count = skio__names_measure(rooms, &bytes);
    struct skio__waiting *waiting =
        skio__mem_calloc(streams->cluster.mem, 1, bytes);
    const char **list;
    char *text;

    if (waiting == NULL)
        return NULL;
    waiting->what = what;
    waiting->flags = target != NULL ? target->flags : 0;
    waiting->bytes = bytes;
    waiting->to_count = to_count;
    list = waiting->names;
    text = (char *)(list + to_count + except_count + sender_count + room_count +
                    4);
    text = skio__names_copy(list, to, text);
    list += to_count + 1;
    text = skio__names_copy(list, except, text);
    list += except_count;
    text = skio__names_copy(list, sender, text);
    list += sender_count + 1;
    skio__names_copy(list, rooms, text);
    waiting->room = list[0];
    return waiting;
}

static void
free_waiting(struct skio__streams *streams, struct skio__waiting *waiting)
{
    skio_adapter_message_unref(waiting->message);
    skio__mem_free(streams->cluster.mem, waiting);
}

static struct skio__waiting *
take_first(struct skio__streams *streams)
{
    struct skio__waiting *waiting = streams->first;

    streams->first = waiting->next;
    if (streams->first == NULL)
        streams->last = NULL;
    streams->waiting_bytes -= waiting->bytes;
    return waiting;
}

/* The next one has all the time again: there is progress. */
static void
look_at_patience(struct skio__streams *streams)
{
    uint32_t ms = skio__redis_options(streams->redis)->offset_timeout_ms;

    streams->is_impatient = false;
    if (streams->first == NULL)
        skio_timer_stop(streams->patience);
    else if (skio_timer_set(streams->patience, ms) != SKIO_OK)
        give_up(streams);
}

/* Takes `waiting` over. */
static void
wait(struct skio__streams *streams, struct skio__waiting *waiting)
{
    size_t max = skio__redis_options(streams->redis)->max_output_bytes;
    bool is_first = streams->first == NULL;

    if (streams->last != NULL)
        streams->last->next = waiting;
    else
        streams->first = waiting;
    streams->last = waiting;
    streams->waiting_bytes += waiting->bytes;
    if (streams->waiting_bytes > max)
        give_up(streams);
    else if (is_first)
        look_at_patience(streams);
}

/* ---- Delivering ---- */

/* The names in except, and those who know an entry already. */
static int
leave_out(struct skio__streams *streams, struct skio__stream_id id,
          skio_target *target)
{
    size_t count = 0;
    size_t known = 0;
    const char **list;

    for (struct skio__ahead *each = streams->ahead; each != NULL;
         each = each->next)
        count += skio__stream_id_compare(id, each->until) <= 0;
    if (count == 0)
        return SKIO_OK;
    while (target->except != NULL && target->except[known] != NULL)
        known++;
    list = skio__arena_alloc(&streams->cluster.arena,
                             (known + count + 1) * sizeof *list);
    if (list == NULL)
        return SKIO_ENOMEM;
    if (known > 0)
        memcpy(list, target->except, known * sizeof *list);
    for (struct skio__ahead *each = streams->ahead; each != NULL;
         each = each->next)
        if (skio__stream_id_compare(id, each->until) <= 0)
            list[known++] = each->sid;
    list[known] = NULL;
    target->except = list;
    return SKIO_OK;
}

void
skio__order_deliver(struct skio__streams *streams, skio_message *message,
                    skio_target *target, const struct skio__stream_entry *entry)
{
    skio_adapter *local = streams->cluster.local;
    skio_message *stamped = NULL;
    bool is_told = true;

    if (leave_out(streams, entry->id, target) != SKIO_OK)
        is_told = false;
    if ((target->flags & SKIO_VOLATILE) == 0 &&
        skio_adapter_message_with_offset(message, entry->id_text, &stamped) !=
            SKIO_OK)
        is_told = false;
    if (!is_told)
        skio__streams_sessions_give_up(streams);
    if (local->ops->broadcast(local, stamped != NULL ? stamped : message,
                              target) != SKIO_OK)
        skio__streams_sessions_give_up(streams);
    skio_adapter_message_unref(stamped);
}

/* Deliver or do the first one that waits; entry NULL: it gets no offset. */
static void
release_first(struct skio__streams *streams,
              const struct skio__stream_entry *entry)
{
    skio_adapter *local = streams->cluster.local;
    struct skio__waiting *waiting = take_first(streams);
    skio_target target = {
        .struct_size = sizeof target,
        .to = waiting->names,
        .except = waiting->names + waiting->to_count + 1,
        .flags = waiting->flags,
    };

    switch (waiting->what) {
    case WAITS_LEAVE:
        (void)local->ops->sockets_leave(local, &target, waiting->room);
        break;
    case WAITS_DISCONNECT:
        (void)local->ops->sockets_disconnect(local, &target, waiting->close);
        break;
    case WAITS_MESSAGE:
        if (entry != NULL)
            skio__order_deliver(streams, waiting->message, &target, entry);
        else
            (void)local->ops->broadcast(local, waiting->message, &target);
        break;
    }
    free_waiting(streams, waiting);
}

/* What has no entry of its own waits no longer than what was before it. */
static void
release_unnumbered(struct skio__streams *streams)
{
    while (streams->first != NULL && streams->first->seq == 0)
        release_first(streams, NULL);
}

/*
 * Who was restored ahead of this server may know what waits, or not: there is
 * no telling. Its connection ends, and it comes back as a new one.
 */
static void
part_from_ahead(struct skio__streams *streams)
{
    skio_nsp *nsp = streams->cluster.base.nsp;

    for (const struct skio__ahead *each = streams->ahead; each != NULL;
         each = each->next) {
        skio_socket *socket = skio_nsp_socket(nsp, each->sid);
        skio_session *session =
            socket != NULL ? skio_socket_session(socket) : NULL;

        if (session != NULL)
            skio_session_discard(session);
    }
}

/*
 * Redis is away, or takes too long: go on without.
 *
 * Those who are being restored would miss what is delivered before they are
 * here, and is not read again afterwards: they are not restored.
 */
static void
give_up(struct skio__streams *streams)
{
    if (!streams->is_ordered)
        return;
    streams->is_ordered = false;
    streams->delivered = streams->seq;
    skio_timer_stop(streams->patience);
    if (streams->first == NULL)
        return;
    skio__streams_sessions_give_up(streams);
    part_from_ahead(streams);
    while (streams->first != NULL)
        release_first(streams, NULL);
    skio__streams_sessions_close(streams);
}

/* Perhaps this process did not run: then what it waits for is there to be
 * read, and it is read before the timer's second turn. */
static void
on_patience_over(void *user)
{
    struct skio__streams *streams = user;

    if (!streams->is_impatient) {
        streams->is_impatient = true;
        if (skio_timer_set(streams->patience, IMPATIENCE_MS) == SKIO_OK)
            return;
    }
    skio_adapter_log(streams->cluster.base.nsp, SKIO_LOG_WARN,
                     "redis: the stream is slow: events go out without an "
                     "offset, their clients cannot be recovered");
    give_up(streams);
}

void
skio__order_look(struct skio__streams *streams)
{
    bool can = skio__redis_is_up(streams->redis) &&
               skio__stream_is_read(&streams->listener);

    if (can)
        streams->is_ordered = true;
    else
        give_up(streams);
}

/* ---- The operations ---- */

int
skio__order_broadcast(skio_adapter *adapter, skio_message *message,
                      const skio_target *target)
{
    struct skio__streams *streams = skio__streams_of(adapter);
    struct skio__cluster *cluster = &streams->cluster;
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    bool is_local = skio__cluster_is_local(target);
    struct skio__waiting *waiting;
    struct skio__wire_message said;
    uint64_t seq = 0;
    int err = SKIO_OK;

    if (!is_local && !cluster->is_shut) {
        skio__cluster_begin(cluster, &said, SKIO__WIRE_BROADCAST);
        err = skio__cluster_aim(cluster, &said, target);
        if (err == SKIO_OK)
            err = skio__cluster_load(cluster, &said, message);
        if (err == SKIO_OK)
            err = skio__streams_add(streams, &said, streams->seq + 1);
        skio__arena_release(&cluster->arena, mark);
        if (err == SKIO_OK)
            seq = ++streams->seq;
        else
            give_up(streams);
    }
    if (streams->is_ordered && (seq > 0 || streams->first != NULL)) {
        waiting = new_waiting(streams, WAITS_MESSAGE, target, NULL);
        if (waiting != NULL) {
            waiting->seq = seq;
            waiting->message = skio_adapter_message_ref(message);
            waiting->bytes += skio_adapter_message_size(message);
            wait(streams, waiting);
            return SKIO_OK;
        }
        give_up(streams);
    }
    if (!is_local) {
        streams->delivered = streams->seq;
        skio__streams_sessions_give_up(streams);
        skio__streams_sessions_close(streams);
    }
    return cluster->local->ops->broadcast(cluster->local, message, target);
}

/* Behind the events before it. false: there are none. */
static bool
put_behind(struct skio__streams *streams, enum what what,
           const skio_target *target, const char *room, bool close)
{
    struct skio__waiting *waiting;

    if (streams->first == NULL)
        return false;
    waiting = new_waiting(streams, what, target, room);
    if (waiting == NULL) {
        give_up(streams);
        return false;
    }
    waiting->close = close;
    wait(streams, waiting);
    return true;
}

int
skio__order_sockets_leave(skio_adapter *adapter, const skio_target *target,
                          const char *room)
{
    struct skio__streams *streams = skio__streams_of(adapter);
    skio_adapter *local = streams->cluster.local;

    skio__cluster_say(&streams->cluster, SKIO__WIRE_SOCKETS_LEAVE, target, room,
                      false);
    if (put_behind(streams, WAITS_LEAVE, target, room, false))
        return SKIO_OK;
    return local->ops->sockets_leave(local, target, room);
}

int
skio__order_sockets_disconnect(skio_adapter *adapter, const skio_target *target,
                               bool close)
{
    struct skio__streams *streams = skio__streams_of(adapter);
    skio_adapter *local = streams->cluster.local;

    skio__cluster_say(&streams->cluster, SKIO__WIRE_DISCONNECT_SOCKETS, target,
                      NULL, close);
    if (put_behind(streams, WAITS_DISCONNECT, target, NULL, close))
        return SKIO_OK;
    return local->ops->sockets_disconnect(local, target, close);
}

static bool
is_in(const skio_adapter *local, const skio_socket *socket,
      const char *const *rooms)
{
    for (; *rooms != NULL; rooms++)
        if (local->ops->has(local, socket, *rooms))
            return true;
    return false;
}

static bool
is_for(const struct skio__streams *streams, const struct skio__waiting *waiting,
       const skio_socket *socket)
{
    const skio_adapter *local = streams->cluster.local;

    return waiting->what == WAITS_MESSAGE &&
           (waiting->to_count == 0 || is_in(local, socket, waiting->names)) &&
           !is_in(local, socket, waiting->names + waiting->to_count + 1);
}

/* It leaves before it is their turn. Who watches deliveries may change what
 * waits, so they are taken down first. */
void
skio__order_deliver_now(skio_adapter *adapter, skio_socket *socket)
{
    struct skio__streams *streams = skio__streams_of(adapter);
    struct skio__arena *arena = &streams->cluster.arena;
    struct skio__arena_mark mark = skio__arena_mark(arena);
    skio_message **messages;
    size_t count = 0;
    size_t n = 0;

    for (struct skio__waiting *each = streams->first; each != NULL;
         each = each->next)
        count += is_for(streams, each, socket);
    if (count == 0)
        return;
    messages = skio__arena_alloc(arena, count * sizeof *messages);
    if (messages == NULL)
        return;
    for (struct skio__waiting *each = streams->first; each != NULL;
         each = each->next)
        if (is_for(streams, each, socket))
            messages[n++] = skio_adapter_message_ref(each->message);
    for (size_t i = 0; i < n; i++) {
        skio_adapter_deliver(socket, messages[i], 0);
        skio_adapter_message_unref(messages[i]);
    }
    skio__arena_release(arena, mark);
}

/* ---- What was read ---- */

static uint64_t
read_seq(const struct skio__stream_entry *entry)
{
    const char *text = entry->seq.data;
    uint64_t seq = 0;

    if (entry->seq.len > 18)
        return 0;
    for (size_t i = 0; i < entry->seq.len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        seq = seq * 10 + (uint64_t)(text[i] - '0');
    }
    return seq;
}

void
skio__order_own(struct skio__streams *streams,
                const struct skio__stream_entry *entry)
{
    uint64_t seq = read_seq(entry);

    if (seq == 0)
        return;
    if (!streams->is_ordered)
        skio__order_look(streams);
    if (seq <= streams->delivered)
        return;
    /* What should have come before it was refused by Redis. */
    while (streams->first != NULL && streams->first->seq < seq) {
        if (streams->first->seq > 0)
            skio__streams_sessions_give_up(streams);
        release_first(streams, NULL);
    }
    if (streams->first != NULL && streams->first->seq == seq)
        release_first(streams, entry);
    streams->delivered = seq;
    release_unnumbered(streams);
    look_at_patience(streams);
}

void
skio__order_read(struct skio__streams *streams, struct skio__stream_id id)
{
    struct skio__ahead **link = &streams->ahead;

    while (*link != NULL) {
        struct skio__ahead *each = *link;

        if (skio__stream_id_compare(id, each->until) < 0) {
            link = &each->next;
            continue;
        }
        *link = each->next;
        skio__mem_free(streams->cluster.mem, each);
    }
}

int
skio__order_ahead(struct skio__streams *streams, const char *sid,
                  struct skio__stream_id until)
{
    struct skio__ahead *ahead;
    size_t len = strlen(sid);

    if (len >= sizeof ahead->sid)
        return SKIO_ELIMIT;
    ahead = skio__mem_calloc(streams->cluster.mem, 1, sizeof *ahead);
    if (ahead == NULL)
        return SKIO_ENOMEM;
    ahead->until = until;
    memcpy(ahead->sid, sid, len);
    ahead->next = streams->ahead;
    streams->ahead = ahead;
    return SKIO_OK;
}

/* ---- Coming and going ---- */

int
skio__order_init(struct skio__streams *streams)
{
    streams->patience =
        skio_timer_new(streams->cluster.server, on_patience_over, streams);
    return streams->patience != NULL ? SKIO_OK : SKIO_ENOMEM;
}

void
skio__order_close(struct skio__streams *streams)
{
    streams->is_ordered = false;
    while (streams->first != NULL)
        free_waiting(streams, take_first(streams));
}

void
skio__order_deinit(struct skio__streams *streams)
{
    skio__order_close(streams);
    skio__order_read(streams, (struct skio__stream_id){UINT64_MAX, UINT64_MAX});
    skio_timer_free(streams->patience);
}
