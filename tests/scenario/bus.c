#include "scenario/bus.h"

#include <stdio.h>
#include <string.h>

#include <socketio/socketio.h>
#include <socketio/transport.h>

#define SOCKETS_MAX 32

struct bus_adapter {
    skio_adapter base;
    skio_adapter *local;
    struct bus *bus;
};

static struct bus_adapter *
of(const skio_adapter *adapter)
{
    return (struct bus_adapter *)(uintptr_t)adapter;
}

/* The same namespace of another server, where it exists; NULL else. */
static skio_nsp *
there(const struct bus_adapter *from, int server)
{
    skio_server *other = from->bus->servers[server];

    if (other == NULL || other == skio_nsp_server(from->base.nsp))
        return NULL;
    return skio_of(other, skio_nsp_name(from->base.nsp));
}

/* Those that hear: an index to begin with, and on. */
static skio_nsp *
next_hearing(const struct bus_adapter *from, int *server, unsigned *missing)
{
    while (++*server < BUS_SERVERS) {
        skio_nsp *nsp = there(from, *server);

        if (nsp != NULL && !from->bus->is_deaf[*server])
            return nsp;
        if (nsp != NULL && missing != NULL)
            ++*missing;
    }
    return NULL;
}

#define EACH_THERE(from, nsp, missing)                                         \
    int at = -1;                                                               \
    skio_nsp *nsp;                                                             \
    while ((nsp = next_hearing((from), &at, (missing))) != NULL)

/* The same target, as the other server does it for itself alone. */
static skio_target
only_there(const skio_target *target)
{
    skio_target copy = {.struct_size = sizeof copy};

    if (target != NULL)
        copy = *target;
    copy.sender = NULL;
    copy.flags |= SKIO_LOCAL;
    return copy;
}

static bool
is_local(const skio_target *target)
{
    return target != NULL && (target->flags & SKIO_LOCAL) != 0;
}

/* ---- Passed on to the memory adapter ---- */

static void
bus_close(skio_adapter *adapter)
{
    const skio_allocator *mem = skio_adapter_allocator(adapter->nsp);

    of(adapter)->local->ops->close(of(adapter)->local);
    mem->free(adapter, mem->user);
}

static int
bus_add(skio_adapter *adapter, skio_socket *socket)
{
    return of(adapter)->local->ops->add(of(adapter)->local, socket);
}

static void
bus_remove(skio_adapter *adapter, skio_socket *socket)
{
    of(adapter)->local->ops->remove(of(adapter)->local, socket);
}

static int
bus_join(skio_adapter *adapter, skio_socket *socket, const char *room)
{
    return of(adapter)->local->ops->join(of(adapter)->local, socket, room);
}

static int
bus_leave(skio_adapter *adapter, skio_socket *socket, const char *room)
{
    return of(adapter)->local->ops->leave(of(adapter)->local, socket, room);
}

static bool
bus_has(const skio_adapter *adapter, const skio_socket *socket,
        const char *room)
{
    return of(adapter)->local->ops->has(of(adapter)->local, socket, room);
}

static void
bus_rooms(const skio_adapter *adapter, const skio_socket *socket,
          skio_room_fn *fn, void *user)
{
    of(adapter)->local->ops->rooms(of(adapter)->local, socket, fn, user);
}

static int
bus_each(skio_adapter *adapter, const skio_target *target, skio_socket_fn *fn,
         void *user)
{
    return of(adapter)->local->ops->each(of(adapter)->local, target, fn, user);
}

static int
bus_each_room(skio_adapter *adapter, skio_room_fn *fn, void *user)
{
    return of(adapter)->local->ops->each_room(of(adapter)->local, fn, user);
}

static size_t
bus_room_count(const skio_adapter *adapter, const char *room)
{
    return of(adapter)->local->ops->room_count(of(adapter)->local, room);
}

/* ---- Messages ---- */

#define ARGS_MAX 3

/* What a message says. */
struct said {
    skio_value *value;
    const char *event;
    const char *args[ARGS_MAX]; /* JSON */
    size_t count;
};

static bool
read_message(skio_server *server, const skio_message *message,
             struct said *said)
{
    skio_bytes json;

    *said = (struct said){0};
    skio_adapter_message_json(message, &json);
    said->value = skio_value_new(server, json.data, json.len);
    if (said->value == NULL)
        return false;
    said->event = skio_get_str(said->value, "0");
    said->count = skio_count(said->value, "") - 1;
    for (size_t i = 0; i < said->count && i < ARGS_MAX; i++) {
        char path[] = {(char)('1' + i), '\0'};

        said->args[i] = skio_get_json(said->value, path);
        if (said->args[i] == NULL)
            return false;
    }
    return said->event != NULL && said->count <= ARGS_MAX;
}

static int
emit_there(skio_nsp *nsp, const skio_target *target, const struct said *said)
{
    const char *const *args = said->args;

    switch (said->count) {
    case 0:
        return skio_emit_with(nsp, target, said->event, NULL);
    case 1:
        return skio_emit_with(nsp, target, said->event, "%-s", args[0]);
    case 2:
        return skio_emit_with(nsp, target, said->event, "%-s,%-s", args[0],
                              args[1]);
    default:
        return skio_emit_with(nsp, target, said->event, "%-s,%-s,%-s", args[0],
                              args[1], args[2]);
    }
}

static int
ask_there(skio_nsp *nsp, const skio_target *target, skio_answers_fn *fn,
          void *user, const struct said *said)
{
    const char *const *args = said->args;

    switch (said->count) {
    case 0:
        return skio_emit_with_acks(nsp, target, fn, user, said->event, NULL);
    case 1:
        return skio_emit_with_acks(nsp, target, fn, user, said->event, "%-s",
                                   args[0]);
    case 2:
        return skio_emit_with_acks(nsp, target, fn, user, said->event,
                                   "%-s,%-s", args[0], args[1]);
    default:
        return skio_emit_with_acks(nsp, target, fn, user, said->event,
                                   "%-s,%-s,%-s", args[0], args[1], args[2]);
    }
}

static int
bus_broadcast(skio_adapter *adapter, skio_message *message,
              const skio_target *target)
{
    struct bus_adapter *from = of(adapter);
    skio_target theirs = only_there(target);
    int err = from->local->ops->broadcast(from->local, message, target);

    if (err != SKIO_OK || is_local(target))
        return err;

    EACH_THERE(from, nsp, NULL)
    {
        struct said said;

        if (read_message(skio_nsp_server(nsp), message, &said))
            (void)emit_there(nsp, &theirs, &said);
        skio_value_free(said.value);
    }
    return SKIO_OK;
}

/* A broadcast that another server's clients answer, for one of ours. */
struct bus_carried {
    struct bus_carried *next;
    struct bus *bus;
    struct bus_adapter *from;
    struct skio_asking *asking; /* NULL: who asked has ended */
    const skio_allocator *mem;
    size_t expected;
};

static void
forget(struct bus *bus, struct bus_carried *carried)
{
    struct bus_carried **link = &bus->carried;

    while (*link != carried)
        link = &(*link)->next;
    *link = carried->next;
    carried->mem->free(carried, carried->mem->user);
}

static void
on_their_answers(int err, const skio_value *args, size_t received,
                 size_t expected, void *user)
{
    struct bus_carried *carried = user;
    struct skio_asking *asking = carried->asking;
    const char *json;

    (void)received;
    if (asking == NULL) {
        if (args == NULL)
            forget(carried->bus, carried);
        return;
    }
    if (carried->expected < expected)
        skio_adapter_asking_expect(carried->asking,
                                   expected - carried->expected);
    carried->expected = expected;
    if (args != NULL) {
        json = skio_get_json(args, "");
        if (json != NULL)
            (void)skio_adapter_asking_answer(carried->asking, json,
                                             strlen(json), NULL, 0);
        return;
    }
    forget(carried->bus, carried);
    skio_adapter_asking_release(asking, err == SKIO_ETIMEDOUT);
}

static int
bus_broadcast_asking(skio_adapter *adapter, skio_message *message,
                     const skio_target *target, struct skio_asking *asking)
{
    struct bus_adapter *from = of(adapter);
    skio_target theirs = only_there(target);
    int err = from->local->ops->broadcast_asking(from->local, message, target,
                                                 asking);

    if (err != SKIO_OK || is_local(target))
        return err;

    theirs.timeout_ms = skio_adapter_asking_timeout(asking);
    EACH_THERE(from, nsp, NULL)
    {
        /* It lasts as long as those who answer. */
        const skio_allocator *mem = skio_adapter_allocator(nsp);
        struct bus_carried *carried = mem->malloc(sizeof *carried, mem->user);
        struct said said;

        if (carried == NULL)
            return SKIO_OK;
        *carried = (struct bus_carried){from->bus->carried,
                                        from->bus,
                                        from,
                                        asking,
                                        mem,
                                        0};
        from->bus->carried = carried;
        skio_adapter_asking_hold(asking);
        if (!read_message(skio_nsp_server(nsp), message, &said) ||
            ask_there(nsp, &theirs, on_their_answers, carried, &said) !=
                SKIO_OK) {
            forget(from->bus, carried);
            skio_adapter_asking_release(asking, true);
        }
        skio_value_free(said.value);
    }
    return SKIO_OK;
}

/* ---- Sockets ---- */

static int
bus_sockets_join(skio_adapter *adapter, const skio_target *target,
                 const char *room)
{
    struct bus_adapter *from = of(adapter);
    skio_target theirs = only_there(target);

    if (!is_local(target)) {
        EACH_THERE(from, nsp, NULL)
        (void)skio_sockets_join(nsp, &theirs, room);
    }
    return from->local->ops->sockets_join(from->local, target, room);
}

static int
bus_sockets_leave(skio_adapter *adapter, const skio_target *target,
                  const char *room)
{
    struct bus_adapter *from = of(adapter);
    skio_target theirs = only_there(target);

    if (!is_local(target)) {
        EACH_THERE(from, nsp, NULL)
        (void)skio_sockets_leave(nsp, &theirs, room);
    }
    return from->local->ops->sockets_leave(from->local, target, room);
}

static int
bus_sockets_disconnect(skio_adapter *adapter, const skio_target *target,
                       bool close)
{
    struct bus_adapter *from = of(adapter);
    skio_target theirs = only_there(target);

    if (!is_local(target)) {
        EACH_THERE(from, nsp, NULL)
        (void)skio_sockets_disconnect(nsp, &theirs, close);
    }
    return from->local->ops->sockets_disconnect(from->local, target, close);
}

struct found {
    skio_nsp *nsp;
    struct skio_remote remotes[SOCKETS_MAX];
    const skio_remote *list[SOCKETS_MAX];
    char ids[SOCKETS_MAX][64]; /* the sockets may end meanwhile */
    size_t count;
};

/* What a server tells of its sockets is no longer a pointer elsewhere. */
static void
keep_theirs(int err, const skio_remote *const *sockets, size_t count,
            size_t missing, void *user)
{
    static const char *const no_rooms[] = {NULL};
    struct found *found = user;

    (void)err;
    (void)missing;
    for (size_t i = 0; i < count && found->count < SOCKETS_MAX; i++) {
        char *id = found->ids[found->count];

        snprintf(id, sizeof found->ids[0], "%s", skio_remote_id(sockets[i]));
        found->remotes[found->count++] = (struct skio_remote){
            .nsp = found->nsp,
            .id = id,
            .shared = skio_remote_shared(sockets[i]),
            .rooms = no_rooms,
            .handshake = skio_remote_handshake(sockets[i]),
        };
    }
}

static void
keep_ours(int err, const skio_remote *const *sockets, size_t count,
          size_t missing, void *user)
{
    struct found *found = user;

    (void)err;
    (void)missing;
    for (size_t i = 0; i < count && found->count < SOCKETS_MAX; i++)
        found->remotes[found->count++] = *sockets[i];
}

static int
bus_fetch(skio_adapter *adapter, const skio_target *target, skio_fetch_fn *fn,
          void *user)
{
    struct bus_adapter *from = of(adapter);
    struct found found = {.nsp = adapter->nsp};
    skio_target theirs = only_there(target);
    unsigned missing = 0;
    int err = from->local->ops->fetch(from->local, target, keep_ours, &found);

    if (err != SKIO_OK)
        return err;
    if (!is_local(target)) {
        EACH_THERE(from, nsp, &missing)
        (void)skio_sockets_fetch(nsp, &theirs, keep_theirs, &found);
    }
    for (size_t i = 0; i < found.count; i++)
        found.list[i] = &found.remotes[i];
    fn(missing > 0 ? SKIO_ETIMEDOUT : SKIO_OK, found.list, found.count, missing,
       user);
    return SKIO_OK;
}

static void
add_count(int err, size_t count, size_t missing, void *user)
{
    (void)err;
    (void)missing;
    *(size_t *)user += count;
}

static int
bus_count(skio_adapter *adapter, const skio_target *target, skio_count_fn *fn,
          void *user)
{
    struct bus_adapter *from = of(adapter);
    skio_target theirs = only_there(target);
    unsigned missing = 0;
    size_t sum = 0;
    int err = from->local->ops->count(from->local, target, add_count, &sum);

    if (err != SKIO_OK)
        return err;
    if (!is_local(target)) {
        EACH_THERE(from, nsp, &missing)
        (void)skio_sockets_count(nsp, &theirs, add_count, &sum);
    }
    fn(missing > 0 ? SKIO_ETIMEDOUT : SKIO_OK, sum, missing, user);
    return SKIO_OK;
}

static int
bus_server_count(skio_adapter *adapter, skio_count_fn *fn, void *user)
{
    unsigned missing = 0;
    size_t count = 1;

    EACH_THERE(of(adapter), nsp, &missing)
    count++;
    fn(SKIO_OK, count + missing, 0, user);
    return SKIO_OK;
}

/* ---- Events between servers ---- */

static void
finish(struct bus_question *question)
{
    char json[sizeof question->answers + 2];
    struct skio_server_asking *asking = question->asking;
    int len = snprintf(json, sizeof json, "[%s]", question->answers);

    question->asking = NULL;
    skio_adapter_responses(asking,
                           question->missing > 0 ? SKIO_ETIMEDOUT : SKIO_OK,
                           json, (size_t)len, question->missing);
}

static int
bus_server_side_emit(skio_adapter *adapter, skio_message *message,
                     struct skio_server_asking *asking)
{
    struct bus_adapter *from = of(adapter);
    skio_server_asker asker = {"", ""};
    skio_bytes json;
    int place = 0;

    skio_adapter_message_json(message, &json);
    if (asking != NULL) {
        struct bus_question *question;

        while (place < BUS_QUESTIONS &&
               from->bus->questions[place].asking != NULL)
            place++;
        if (place == BUS_QUESTIONS)
            return SKIO_ELIMIT;
        question = &from->bus->questions[place];
        *question = (struct bus_question){asking, from, 0, ""};
        for (int i = 0; i < BUS_SERVERS; i++)
            question->missing += there(from, i) != NULL;
        snprintf(asker.request, sizeof asker.request, "%d", place);
        if (question->missing == 0) {
            finish(question);
            return SKIO_OK;
        }
    }
    EACH_THERE(from, nsp, NULL)
    {
        skio_bytes views[8];
        uint32_t count = skio_adapter_message_attachments(message);

        for (uint32_t i = 0; i < count && i < 8; i++)
            skio_adapter_message_attachment(message, i, &views[i]);
        (void)skio_adapter_server_event(nsp, json.data, json.len, views, count,
                                        asking != NULL ? &asker : NULL);
    }
    return SKIO_OK;
}

static int
bus_server_side_answer(skio_adapter *adapter, const skio_server_asker *asker,
                       const char *json, size_t len)
{
    int place = asker->request[0] - '0';
    struct bus_question *question = &of(adapter)->bus->questions[place];
    size_t used = strlen(question->answers);

    if (question->asking == NULL)
        return SKIO_ECLOSED;
    snprintf(question->answers + used, sizeof question->answers - used,
             "%s%.*s", used > 0 ? "," : "", (int)len, json);
    if (--question->missing == 0)
        finish(question);
    return SKIO_OK;
}

void
bus_time_is_up(struct bus *bus)
{
    for (int i = 0; i < BUS_QUESTIONS; i++)
        if (bus->questions[i].asking != NULL)
            finish(&bus->questions[i]);
}

/* ---- Its life ---- */

static void
bus_open(skio_adapter *adapter)
{
    of(adapter)->bus->opened++;
}

static void
bus_shutdown(skio_adapter *adapter)
{
    struct bus *bus = of(adapter)->bus;

    bus->shut_down++;
    for (struct bus_carried *each = bus->carried; each != NULL;
         each = each->next) {
        struct skio_asking *asking = each->asking;

        if (each->from != of(adapter) || asking == NULL)
            continue;
        each->asking = NULL;
        skio_adapter_asking_release(asking, true);
    }
    for (int i = 0; i < BUS_SERVERS; i++)
        if (bus->servers[i] == skio_nsp_server(adapter->nsp))
            bus->servers[i] = NULL;
    for (int i = 0; i < BUS_QUESTIONS; i++) {
        struct bus_question *question = &bus->questions[i];
        struct skio_server_asking *asking = question->asking;

        if (asking == NULL || question->from != of(adapter))
            continue;
        question->asking = NULL;
        skio_adapter_responses(asking, SKIO_ECLOSED, "[]", 2,
                               question->missing);
    }
}

static const skio_adapter_ops ops = {
    .struct_size = sizeof ops,
    .close = bus_close,
    .add = bus_add,
    .remove = bus_remove,
    .join = bus_join,
    .leave = bus_leave,
    .has = bus_has,
    .rooms = bus_rooms,
    .broadcast = bus_broadcast,
    .broadcast_asking = bus_broadcast_asking,
    .each = bus_each,
    .sockets_join = bus_sockets_join,
    .sockets_leave = bus_sockets_leave,
    .sockets_disconnect = bus_sockets_disconnect,
    .fetch = bus_fetch,
    .open = bus_open,
    .shutdown = bus_shutdown,
    .count = bus_count,
    .server_count = bus_server_count,
    .each_room = bus_each_room,
    .room_count = bus_room_count,
    .server_side_emit = bus_server_side_emit,
    .server_side_answer = bus_server_side_answer,
};

static int
make(skio_nsp *nsp, void *user, skio_adapter **out)
{
    const skio_allocator *mem = skio_adapter_allocator(nsp);
    struct bus_adapter *adapter = mem->malloc(sizeof *adapter, mem->user);
    int err;

    if (adapter == NULL)
        return SKIO_ENOMEM;
    err = skio_adapter_memory(nsp, NULL, &adapter->local);
    if (err != SKIO_OK) {
        mem->free(adapter, mem->user);
        return err;
    }
    adapter->base.ops = &ops;
    adapter->base.nsp = nsp;
    adapter->bus = user;
    *out = &adapter->base;
    return SKIO_OK;
}

int
bus_attach(struct bus *bus, skio_server *server)
{
    int place = 0;
    int err;

    while (place < BUS_SERVERS && bus->servers[place] != NULL)
        place++;
    if (place == BUS_SERVERS)
        return SKIO_ELIMIT;
    err = skio_server_adapter(server, make, bus);
    if (err == SKIO_OK)
        bus->servers[place] = server;
    return err;
}
