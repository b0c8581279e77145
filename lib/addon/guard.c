/*
 * The join guard: questions of clients that wait for the application's verdict
 *
 * A question is in up to two lists: with others of sockets of the same hash, so
 * that those of one socket are found, and in the order in which they time out,
 * which is that in which they came. Its socket may go, or its time be over,
 * before the verdict: then it only waits to be given back.
 *
 * Who put the question is told once: the client by its ack, or the program by
 * its function.
 */
#include "addon/guard_names.h"

#include <string.h>

#include <socketio/emit.h>
#include <socketio/loop.h>
#include <socketio/transport.h>

#include "addon/sized.h"

#define BUCKETS 256 /* a power of two */

/* A ring, to be entered and left anywhere. */
struct ring {
    struct ring *prev;
    struct ring *next;
};

struct skio_guard {
    skio_server *server;
    skio_guard_fn *fn;
    void *user;
    skio_guard_options options;
    skio_timer *timer;
    uint32_t count;      /* of all that were not given back */
    struct ring order;   /* by the time that is left */
    struct ring orphans; /* whose socket has gone */
    struct ring buckets[BUCKETS];
};

/* Who is told what comes of a question. All empty: somebody was told, or nobody
 * wants to know. */
struct reply {
    skio_ack *ack;            /* taken, unless the question is_running */
    skio_guard_done_fn *done; /* of a question that the program put */
    void *user;
};

struct skio_guard_ask {
    struct ring home;    /* first: in a bucket, or an orphan */
    struct ring waiting; /* in order; by itself: not any more */
    skio_guard *guard;
    skio_socket *socket; /* referenced; NULL: it has gone */
    struct reply reply;
    uint64_t due;
    int over;        /* what a verdict returns; SKIO_OK: it counts */
    bool is_running; /* inside of the guard's call */
    bool is_decided; /* by a call that has begun */
    char room[];
};

static const skio_guard_options defaults = {
    .struct_size = sizeof(skio_guard_options),
    .join = "join",
    .leave = "leave",
    .max_name_bytes = 100,
    .max_rooms = 64,
    .max_asks = 8,
    .max_asks_all = 65536,
    .timeout_ms = 10000,
};

void
skio_guard_options_init_size(skio_guard_options *options, size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* ---- Rings ---- */

static void
ring_init(struct ring *ring)
{
    ring->prev = ring;
    ring->next = ring;
}

static void
ring_leave(struct ring *ring)
{
    ring->prev->next = ring->next;
    ring->next->prev = ring->prev;
    ring_init(ring);
}

/* To the end of another. */
static void
ring_enter(struct ring *ring, struct ring *other)
{
    ring->prev = other->prev;
    ring->next = other;
    other->prev->next = ring;
    other->prev = ring;
}

static skio_guard_ask *
at_home(struct ring *ring)
{
    return (skio_guard_ask *)ring;
}

static skio_guard_ask *
at_waiting(struct ring *ring)
{
    return (skio_guard_ask *)(void *)((char *)ring -
                                      offsetof(skio_guard_ask, waiting));
}

/* Where the questions of a socket are, those of a few others among them. */
static struct ring *
bucket_of(skio_guard *guard, const skio_socket *socket)
{
    uint64_t n = (uint64_t)(uintptr_t)socket * UINT64_C(0x9E3779B97F4A7C15);

    return &guard->buckets[n >> 56 & (BUCKETS - 1)];
}

/* ---- Answers ---- */

/* error: NULL for yes. */
static int
say(skio_socket *socket, const struct reply *reply, const char *error)
{
    if (reply->done != NULL)
        reply->done(socket, error, reply->user);
    else if (error == NULL)
        return skio_ack_send(reply->ack, "{'ok':true}");
    else
        return skio_ack_send(reply->ack, "{'ok':false,'error':%s}", error);
    return SKIO_OK;
}

/* What is told now is not told again. */
static struct reply
take_reply(skio_guard_ask *ask)
{
    struct reply reply = ask->reply;

    ask->reply = (struct reply){0};
    return reply;
}

static void
give_back(skio_guard_ask *ask)
{
    skio_guard *guard = ask->guard;

    guard->count--;
    skio_transport_free(guard->server, ask);
}

/* Nothing but the verdict is awaited any more. */
static void
end_wait(skio_guard_ask *ask, int over)
{
    ask->over = over;
    ring_leave(&ask->waiting);
}

/* ---- Verdicts ---- */

/* Out of all lists: nobody finds it any more. */
static void
take_out(skio_guard_ask *ask)
{
    ring_leave(&ask->waiting);
    ring_leave(&ask->home);
}

/* Let it go, unless the guard's call has yet to return. */
static void
use_up(skio_guard_ask *ask)
{
    ask->socket = NULL;
    ask->reply = (struct reply){0};
    if (!ask->is_running)
        give_back(ask);
}

static int
enter(const skio_guard *guard, skio_socket *socket, const struct reply *reply,
      const char *room)
{
    int err = SKIO_ELIMIT;

    if (skio_in_room(socket, room))
        err = SKIO_OK;
    else if (!skio__guard_has_all_rooms(&guard->options, socket))
        err = skio_join(socket, room);
    switch (err) {
    case SKIO_OK:
        if (skio_socket_is_connected(socket)) {
            (void)say(socket, reply, NULL);
        } else {
            err = SKIO_ECLOSED;
            (void)say(socket, reply, "closed");
        }
        break;
    case SKIO_ELIMIT:
        (void)say(socket, reply, "too many rooms");
        break;
    case SKIO_EINVAL:
        (void)say(socket, reply, "bad room");
        break;
    default:
        (void)say(socket, reply,
                  skio_socket_is_connected(socket) ? "unavailable" : "closed");
        break;
    }
    return err;
}

static int
refuse(skio_guard_ask *ask, const char *reason)
{
    int err;

    if (!skio_socket_is_connected(ask->socket)) {
        (void)say(ask->socket, &ask->reply, "closed");
        return SKIO_ECLOSED; /* others are being told of it */
    }
    err = say(ask->socket, &ask->reply, reason);
    if (err == SKIO_EINVAL)
        (void)say(ask->socket, &ask->reply, "forbidden");
    return err;
}

/* Without a reason the socket may enter. */
static int
decide(skio_guard_ask *ask, const char *reason)
{
    skio_socket *socket = ask->socket;
    int err = ask->over;

    if (ask->is_decided)
        return SKIO_EBUSY;
    ask->is_decided = true;
    /* Whoever is told of it may disconnect the socket: the question is not to
     * be found then. */
    take_out(ask);
    if (err == SKIO_OK)
        err = reason != NULL
                  ? refuse(ask, reason)
                  : enter(ask->guard, socket, &ask->reply, ask->room);
    use_up(ask);
    skio_socket_unref(socket);
    return err;
}

int
skio_guard_allow(skio_guard_ask *ask)
{
    return decide(ask, NULL);
}

int
skio_guard_deny(skio_guard_ask *ask, const char *reason)
{
    return decide(ask, reason != NULL ? reason : "forbidden");
}

skio_socket *
skio_guard_socket(const skio_guard_ask *ask)
{
    return ask->socket;
}

const char *
skio_guard_room(const skio_guard_ask *ask)
{
    return ask->room;
}

/* ---- What ends a wait ---- */

static void
on_due(void *user)
{
    skio_guard *guard = user;
    const uint64_t now = skio_loop_now(guard->server);
    bool is_late = true;

    while (guard->order.next != &guard->order) {
        skio_guard_ask *ask = at_waiting(guard->order.next);
        skio_socket *socket;
        struct reply reply;

        /* Who cannot be timed is answered now. */
        if (ask->due > now && is_late) {
            is_late = false;
            if (skio_timer_set(guard->timer, (uint32_t)(ask->due - now)) ==
                SKIO_OK)
                return;
        }
        end_wait(ask, SKIO_ETIMEDOUT);
        socket = skio_socket_ref(ask->socket);
        reply = take_reply(ask);
        (void)say(socket, &reply, "timeout"); /* the verdict may come in it */
        skio_socket_unref(socket);
    }
}

static skio_guard_ask *
find_ask(skio_guard *guard, const skio_socket *socket)
{
    struct ring *bucket = bucket_of(guard, socket);

    for (struct ring *at = bucket->next; at != bucket; at = at->next)
        if (at_home(at)->socket == socket)
            return at_home(at);
    return NULL;
}

/* Tell the program that there is nobody to enter any more; an ack is let go,
 * but for that of the handler, which is the handler's. */
static void
close_reply(skio_guard_ask *ask, skio_socket *socket)
{
    struct reply reply = take_reply(ask);

    if (!ask->is_running)
        skio_ack_free(reply.ack);
    if (reply.done != NULL)
        (void)say(socket, &reply, "closed"); /* the verdict may come in it */
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    skio_guard *guard = user;
    skio_guard_ask *ask;

    (void)reason;
    while ((ask = find_ask(guard, socket)) != NULL) {
        if (ask->over == SKIO_OK)
            end_wait(ask, SKIO_ECLOSED);
        ring_leave(&ask->home);
        ring_enter(&ask->home, &guard->orphans);
        ask->socket = NULL;
        close_reply(ask, socket);
        skio_socket_unref(socket);
    }
}

static void
free_asks(struct ring *ring)
{
    while (ring->next != ring) {
        skio_guard_ask *ask = at_home(ring->next);

        ring_leave(&ask->home);
        ask->is_decided = true; /* none may come any more */
        close_reply(ask, ask->socket);
        skio_socket_unref(ask->socket);
        give_back(ask);
    }
}

static void
free_guard(void *user)
{
    skio_guard *guard = user;

    skio_timer_free(guard->timer);
    free_asks(&guard->orphans);
    for (size_t i = 0; i < BUCKETS; i++)
        free_asks(&guard->buckets[i]);
    skio_transport_free(guard->server, guard);
}

/* ---- Events ---- */

static uint32_t
count_asks(skio_guard *guard, const skio_socket *socket)
{
    struct ring *bucket = bucket_of(guard, socket);
    uint32_t count = 0;

    for (struct ring *at = bucket->next; at != bucket; at = at->next)
        count += at_home(at)->socket == socket;
    return count;
}

static skio_guard_ask *
new_ask(skio_guard *guard, skio_socket *socket, const struct reply *reply,
        const char *room)
{
    const size_t len = strlen(room);
    skio_guard_ask *ask =
        skio_transport_alloc(guard->server, sizeof *ask + len + 1);

    if (ask == NULL)
        return NULL;
    memset(ask, 0, sizeof *ask);
    memcpy(ask->room, room, len + 1);
    ask->guard = guard;
    ask->socket = skio_socket_ref(socket);
    ask->reply = *reply;
    ring_init(&ask->waiting);
    ring_enter(&ask->home, bucket_of(guard, socket));
    guard->count++;
    return ask;
}

/* The verdict comes later: keep what is needed for it. */
static void
wait_for_verdict(skio_guard *guard, skio_guard_ask *ask)
{
    skio_ack *ack = ask->reply.ack;
    const uint32_t timeout_ms = guard->options.timeout_ms;
    struct reply reply = ask->reply;
    int err = SKIO_OK;

    ask->reply.ack = skio_ack_take(ack);
    if (ack != NULL && ask->reply.ack == NULL) {
        err = SKIO_ENOMEM;
    } else {
        reply.ack = ask->reply.ack;
        if (timeout_ms == 0)
            return;
        ask->due = skio_loop_now(guard->server) + timeout_ms;
        if (!skio_timer_is_set(guard->timer))
            err = skio_timer_set(guard->timer, timeout_ms);
        if (err == SKIO_OK) {
            ring_enter(&ask->waiting, &guard->order);
            return;
        }
    }
    end_wait(ask, err);
    ask->reply = (struct reply){0};
    (void)say(ask->socket, &reply, "unavailable");
}

/* Why the application is not asked; NULL: it is. */
static const char *
find_obstacle(skio_guard *guard, const skio_socket *socket, const char *room)
{
    if (!skio_in_room(socket, room) &&
        skio__guard_has_all_rooms(&guard->options, socket))
        return "too many rooms";
    if (count_asks(guard, socket) >= guard->options.max_asks)
        return "too many questions";
    return guard->count >= guard->options.max_asks_all ? "busy" : NULL;
}

/* Unless there is a fault, or an obstacle: who asks is told. */
static void
put_question(skio_guard *guard, skio_socket *socket, const char *room,
             const skio_value *args, const struct reply *reply,
             const char *fault)
{
    skio_guard_ask *ask;

    if (fault == NULL)
        fault = find_obstacle(guard, socket, room);
    ask = fault == NULL ? new_ask(guard, socket, reply, room) : NULL;
    if (ask == NULL) {
        (void)say(socket, reply, fault != NULL ? fault : "unavailable");
        return;
    }
    ask->is_running = true;
    guard->fn(ask, socket, ask->room, args, guard->user);
    ask->is_running = false;
    if (ask->is_decided)
        give_back(ask);
    else if (ask->over == SKIO_OK)
        wait_for_verdict(guard, ask);
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    skio_guard *guard = user;
    const struct reply reply = {.ack = ack};
    const char *room = skio_get_str(args, "0");
    const char *fault = skio__guard_find_fault(&guard->options, socket, room);

    if (fault == NULL && skio_in_room(socket, room))
        (void)say(socket, &reply, NULL);
    else
        put_question(guard, socket, room, args, &reply, fault);
}

void
skio_guard_put(skio_guard *guard, skio_socket *socket, const char *room,
               const skio_value *args, skio_guard_done_fn *done, void *user)
{
    const struct reply reply = {.done = done, .user = user};
    const char *fault = "closed";

    (void)skio_socket_ref(socket); /* all that is called may let it go */
    if (skio_socket_is_connected(socket))
        fault = skio__guard_find_fault(&guard->options, socket, room);
    put_question(guard, socket, room, args, &reply, fault);
    skio_socket_unref(socket);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const skio_guard *guard = user;
    const struct reply reply = {.ack = ack};
    const char *room = skio_get_str(args, "0");
    const char *fault = skio__guard_find_fault(&guard->options, socket, room);

    if (fault == NULL && skio_leave(socket, room) != SKIO_OK)
        fault = "not inside";
    (void)say(socket, &reply, fault);
}

/* ---- Making one ---- */

static int
watch(skio_nsp *nsp, skio_guard *guard)
{
    const skio_guard_options *options = &guard->options;
    int err = skio_on_disconnect(nsp, on_disconnect, guard);

    if (err == SKIO_OK && options->join != NULL)
        err = skio_on(nsp, options->join, on_join, guard);
    if (err != SKIO_OK || options->leave == NULL)
        return err;
    err = skio_on(nsp, options->leave, on_leave, guard);
    if (err != SKIO_OK && options->join != NULL)
        (void)skio_off(nsp, options->join, on_join, guard);
    return err;
}

int
skio_guard_new(skio_nsp *nsp, skio_guard_fn *fn, void *user,
               const skio_guard_options *options, skio_guard **out)
{
    skio_server *server = skio_nsp_server(nsp);
    skio_guard_options own = defaults;
    skio_guard *guard;
    size_t bytes;
    int err;

    addon_sized_read(&own, sizeof own, options);
    bytes = skio__guard_reserved_bytes(own.reserved);
    if ((own.join != NULL && own.leave != NULL &&
         strcmp(own.join, own.leave) == 0) ||
        bytes == SIZE_MAX || own.max_name_bytes == 0 || own.max_rooms == 0 ||
        own.max_asks == 0 || own.max_asks_all == 0)
        return SKIO_EINVAL;

    guard = skio_transport_alloc(server, sizeof *guard + bytes);
    if (guard == NULL)
        return SKIO_ENOMEM;
    guard->server = server;
    guard->fn = fn;
    guard->user = user;
    guard->options = own;
    guard->count = 0;
    skio__guard_keep_reserved(&guard->options, guard + 1);
    ring_init(&guard->order);
    ring_init(&guard->orphans);
    for (size_t i = 0; i < BUCKETS; i++)
        ring_init(&guard->buckets[i]);
    guard->timer = skio_timer_new(server, on_due, guard);
    err = guard->timer != NULL ? SKIO_OK : SKIO_ENOMEM;
    if (err == SKIO_OK)
        err = skio_server_on_free(server, free_guard, guard);
    if (err != SKIO_OK) {
        skio_timer_free(guard->timer);
        skio_transport_free(server, guard);
        return err;
    }
    /* From here on it is freed with the server. */
    err = watch(nsp, guard);
    if (err == SKIO_OK)
        *out = guard;
    return err;
}

int
skio_guard_rooms(skio_nsp *nsp, skio_guard_fn *fn, void *user,
                 const skio_guard_options *options)
{
    skio_guard *guard;

    if (options != NULL && options->join == NULL)
        return SKIO_EINVAL;
    return skio_guard_new(nsp, fn, user, options, &guard);
}
