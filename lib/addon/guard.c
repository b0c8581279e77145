/*
 * The join guard: questions of clients that wait for the application's verdict
 *
 * A question is in up to two lists: with others of sockets of the same hash, so
 * that those of one socket are found, and in the order in which they time out,
 * which is that in which they came. Its socket may go, or its time be over,
 * before the verdict: then it only waits to be given back.
 */
#include <string.h>

#include <socketio/emit.h>
#include <socketio/guard.h>
#include <socketio/loop.h>
#include <socketio/transport.h>

#define BUCKETS 256 /* a power of two */
#define ID_LEN 20   /* of sockets, here and on Node */

/* A ring, to be entered and left anywhere. */
struct ring {
    struct ring *prev;
    struct ring *next;
};

struct guard {
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

struct skio_guard_ask {
    struct ring home;    /* first: in a bucket, or an orphan */
    struct ring waiting; /* in order; by itself: not any more */
    struct guard *guard;
    skio_socket *socket; /* referenced; NULL: it has gone */
    skio_ack *ack;       /* taken, unless it is_running; NULL: none */
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
    size_t size = struct_size < sizeof defaults ? struct_size : sizeof defaults;

    memset(options, 0, struct_size);
    memcpy(options, &defaults, size);
    options->struct_size = struct_size;
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
bucket_of(struct guard *guard, const skio_socket *socket)
{
    uint64_t n = (uint64_t)(uintptr_t)socket * UINT64_C(0x9E3779B97F4A7C15);

    return &guard->buckets[n >> 56 & (BUCKETS - 1)];
}

/* ---- Answers ---- */

static int
say_no(skio_ack *ack, const char *why)
{
    return skio_ack_send(ack, "{'ok':false,'error':%s}", why);
}

static int
say_yes(skio_ack *ack)
{
    return skio_ack_send(ack, "{'ok':true}");
}

static void
give_back(skio_guard_ask *ask)
{
    struct guard *guard = ask->guard;

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

/* ---- Names ---- */

static bool
has_prefix(const char *room, const char *prefix)
{
    return strncmp(room, prefix, strlen(prefix)) == 0;
}

static bool
is_reserved(const struct guard *guard, const char *room)
{
    const char *const *prefix = guard->options.reserved;

    while (prefix != NULL && *prefix != NULL)
        if (has_prefix(room, *prefix++))
            return true;
    return false;
}

/*
 * Whether a room could be a socket's own: on another server sockets are not
 * known, so that the form decides. A client of Socket.IO 2 has "/nsp#" before
 * it.
 */
static bool
could_be_id(const char *room)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *hash = strrchr(room, '#');

    if (room[0] == '/' && hash != NULL)
        room = hash + 1;
    return strlen(room) == ID_LEN && strspn(room, alphabet) == ID_LEN;
}

/* What is wrong with a name; NULL: nothing. */
static const char *
find_fault(const struct guard *guard, const skio_socket *socket,
           const char *room)
{
    const skio_nsp *nsp = skio_socket_nsp(socket);

    if (room == NULL || room[0] == '\0' ||
        strlen(room) > guard->options.max_name_bytes)
        return "bad room";
    if (is_reserved(guard, room))
        return "reserved";
    if (!guard->options.allow_ids &&
        (could_be_id(room) ||
         (nsp != NULL && skio_nsp_socket(nsp, room) != NULL)))
        return "reserved";
    return NULL;
}

struct counting {
    const struct guard *guard;
    const char *id;
    uint32_t count;
};

static bool
count_room(const char *room, void *user)
{
    struct counting *counting = user;

    if (strcmp(room, counting->id) != 0 && !is_reserved(counting->guard, room))
        counting->count++;
    return counting->count < counting->guard->options.max_rooms;
}

/* A socket's rooms are counted where they are: what the application joined or
 * left, or what came back with a recovered session, is counted rightly. */
static bool
has_all_rooms(const struct guard *guard, const skio_socket *socket)
{
    struct counting counting = {guard, skio_socket_id(socket), 0};

    skio_each_room(socket, count_room, &counting);
    return counting.count >= guard->options.max_rooms;
}

/* ---- Verdicts ---- */

/* Take it out of all lists and let it go; what it held is the caller's. */
static void
use_up(skio_guard_ask *ask)
{
    ring_leave(&ask->waiting);
    ring_leave(&ask->home);
    ask->socket = NULL;
    ask->ack = NULL;
    if (!ask->is_running)
        give_back(ask);
}

static int
enter(const struct guard *guard, skio_socket *socket, skio_ack *ack,
      const char *room)
{
    int err = SKIO_ELIMIT;

    if (skio_in_room(socket, room))
        err = SKIO_OK;
    else if (!has_all_rooms(guard, socket))
        err = skio_join(socket, room);
    switch (err) {
    case SKIO_OK:
        (void)say_yes(ack);
        if (!skio_socket_is_connected(socket))
            err = SKIO_ECLOSED;
        break;
    case SKIO_ELIMIT:
        (void)say_no(ack, "too many rooms");
        break;
    case SKIO_EINVAL:
        (void)say_no(ack, "bad room");
        break;
    default:
        (void)say_no(ack, "unavailable");
        break;
    }
    return err;
}

int
skio_guard_allow(skio_guard_ask *ask)
{
    const struct guard *guard = ask->guard;
    skio_socket *socket = ask->socket;
    skio_ack *ack = ask->ack;
    int err = ask->over;

    if (ask->is_decided)
        return SKIO_EBUSY;
    ask->is_decided = true;
    if (err != SKIO_OK) {
        use_up(ask);
    } else {
        /* Whoever is told of the room may disconnect the socket: the question
         * is not to be found then. */
        ring_leave(&ask->waiting);
        ring_leave(&ask->home);
        err = enter(guard, socket, ack, ask->room);
        use_up(ask);
    }
    skio_socket_unref(socket);
    return err;
}

int
skio_guard_deny(skio_guard_ask *ask, const char *reason)
{
    skio_socket *socket = ask->socket;
    skio_ack *ack = ask->ack;
    int err = ask->over;

    if (ask->is_decided)
        return SKIO_EBUSY;
    ask->is_decided = true;
    use_up(ask);
    if (err == SKIO_OK) {
        err = say_no(ack, reason != NULL ? reason : "forbidden");
        if (err == SKIO_EINVAL)
            (void)say_no(ack, "forbidden");
    }
    skio_socket_unref(socket);
    return err;
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
    struct guard *guard = user;
    const uint64_t now = skio_loop_now(guard->server);
    bool is_late = true;

    while (guard->order.next != &guard->order) {
        skio_guard_ask *ask = at_waiting(guard->order.next);
        skio_ack *ack = ask->ack;

        /* Who cannot be timed is answered now. */
        if (ask->due > now && is_late) {
            is_late = false;
            if (skio_timer_set(guard->timer, (uint32_t)(ask->due - now)) ==
                SKIO_OK)
                return;
        }
        end_wait(ask, SKIO_ETIMEDOUT);
        ask->ack = NULL;
        (void)say_no(ack, "timeout");
    }
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct guard *guard = user;
    struct ring *bucket = bucket_of(guard, socket);
    struct ring *at = bucket->next;

    (void)reason;
    while (at != bucket) {
        skio_guard_ask *ask = at_home(at);

        at = at->next;
        if (ask->socket != socket)
            continue;
        if (ask->over == SKIO_OK)
            end_wait(ask, SKIO_ECLOSED);
        ring_leave(&ask->home);
        ring_enter(&ask->home, &guard->orphans);
        ask->socket = NULL;
        /* That of the handler is the handler's. */
        if (!ask->is_running)
            skio_ack_free(ask->ack);
        ask->ack = NULL;
        skio_socket_unref(socket);
    }
}

static void
free_asks(struct ring *ring)
{
    while (ring->next != ring) {
        skio_guard_ask *ask = at_home(ring->next);

        ring_leave(&ask->home);
        skio_ack_free(ask->ack);
        skio_socket_unref(ask->socket);
        give_back(ask);
    }
}

static void
free_guard(void *user)
{
    struct guard *guard = user;

    skio_timer_free(guard->timer);
    free_asks(&guard->orphans);
    for (size_t i = 0; i < BUCKETS; i++)
        free_asks(&guard->buckets[i]);
    skio_transport_free(guard->server, guard);
}

/* ---- Events ---- */

static uint32_t
count_asks(struct guard *guard, const skio_socket *socket)
{
    struct ring *bucket = bucket_of(guard, socket);
    uint32_t count = 0;

    for (struct ring *at = bucket->next; at != bucket; at = at->next)
        count += at_home(at)->socket == socket;
    return count;
}

static skio_guard_ask *
new_ask(struct guard *guard, skio_socket *socket, skio_ack *ack,
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
    ask->ack = ack;
    ring_init(&ask->waiting);
    ring_enter(&ask->home, bucket_of(guard, socket));
    guard->count++;
    return ask;
}

/* The verdict comes later: keep what is needed for it. */
static void
wait_for_verdict(struct guard *guard, skio_guard_ask *ask)
{
    skio_ack *ack = ask->ack;
    const uint32_t timeout_ms = guard->options.timeout_ms;
    int err = SKIO_OK;

    ask->ack = skio_ack_take(ack);
    if (ack != NULL && ask->ack == NULL) {
        end_wait(ask, SKIO_ENOMEM);
        (void)say_no(ack, "unavailable");
        return;
    }
    if (timeout_ms == 0)
        return;
    ask->due = skio_loop_now(guard->server) + timeout_ms;
    if (!skio_timer_is_set(guard->timer))
        err = skio_timer_set(guard->timer, timeout_ms);
    if (err == SKIO_OK) {
        ring_enter(&ask->waiting, &guard->order);
        return;
    }
    ack = ask->ack;
    ask->ack = NULL;
    end_wait(ask, err);
    (void)say_no(ack, "unavailable");
}

static void
put_question(struct guard *guard, skio_guard_ask *ask, const skio_value *args)
{
    ask->is_running = true;
    guard->fn(ask, ask->socket, ask->room, args, guard->user);
    ask->is_running = false;
    if (ask->is_decided)
        give_back(ask);
    else if (ask->over == SKIO_OK)
        wait_for_verdict(guard, ask);
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct guard *guard = user;
    const char *room = skio_get_str(args, "0");
    const char *fault = find_fault(guard, socket, room);
    skio_guard_ask *ask = NULL;

    if (fault == NULL && skio_in_room(socket, room)) {
        (void)say_yes(ack);
        return;
    }
    if (fault == NULL && has_all_rooms(guard, socket))
        fault = "too many rooms";
    if (fault == NULL && count_asks(guard, socket) >= guard->options.max_asks)
        fault = "too many questions";
    if (fault == NULL && guard->count >= guard->options.max_asks_all)
        fault = "busy";
    if (fault == NULL) {
        ask = new_ask(guard, socket, ack, room);
        fault = ask == NULL ? "unavailable" : NULL;
    }
    if (fault != NULL)
        (void)say_no(ack, fault);
    else
        put_question(guard, ask, args);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const struct guard *guard = user;
    const char *room = skio_get_str(args, "0");
    const char *fault = find_fault(guard, socket, room);

    if (fault == NULL && skio_leave(socket, room) != SKIO_OK)
        fault = "not inside";
    if (fault != NULL)
        (void)say_no(ack, fault);
    else
        (void)say_yes(ack);
}

/* ---- Making one ---- */

/* How many bytes the prefixes take, with their pointers; SIZE_MAX when there is
 * one that all names have. */
static size_t
measure(const char *const *names)
{
    size_t bytes = sizeof(char *);

    for (; names != NULL && *names != NULL; names++) {
        if ((*names)[0] == '\0')
            return SIZE_MAX;
        bytes += sizeof(char *) + strlen(*names) + 1;
    }
    return bytes;
}

static void
copy_reserved(struct guard *guard, const char *const *names)
{
    const char **list = (const char **)(guard + 1);
    size_t count = 0;
    char *text;

    guard->options.reserved = list;
    while (names != NULL && names[count] != NULL)
        count++;
    text = (char *)(list + count + 1);
    for (size_t i = 0; i < count; i++) {
        const size_t size = strlen(names[i]) + 1;

        memcpy(text, names[i], size);
        list[i] = text;
        text += size;
    }
    list[count] = NULL;
}

static int
watch(skio_nsp *nsp, struct guard *guard)
{
    const skio_guard_options *options = &guard->options;
    int err = skio_on_disconnect(nsp, on_disconnect, guard);

    if (err == SKIO_OK)
        err = skio_on(nsp, options->join, on_join, guard);
    if (err != SKIO_OK || options->leave == NULL)
        return err;
    err = skio_on(nsp, options->leave, on_leave, guard);
    if (err != SKIO_OK)
        (void)skio_off(nsp, options->join, on_join, guard);
    return err;
}

int
skio_guard_rooms(skio_nsp *nsp, skio_guard_fn *fn, void *user,
                 const skio_guard_options *options)
{
    skio_server *server = skio_nsp_server(nsp);
    skio_guard_options own = defaults;
    struct guard *guard;
    size_t bytes;
    int err;

    if (options != NULL)
        memcpy(&own, options,
               options->struct_size < sizeof own ? options->struct_size
                                                 : sizeof own);
    bytes = measure(own.reserved);
    if (own.join == NULL ||
        (own.leave != NULL && strcmp(own.join, own.leave) == 0) ||
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
    copy_reserved(guard, own.reserved);
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
    return watch(nsp, guard);
}
