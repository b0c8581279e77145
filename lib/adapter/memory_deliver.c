/*
 * The memory adapter: whom a target names, and what is done to them
 */
#include "adapter/memory.h"

#include "base/mem.h"

struct member *
skio__memory_own(const struct memory *memory, const char *name)
{
    skio_socket *socket = skio_nsp_socket(memory->base.nsp, name);

    return socket == NULL ? NULL : skio__memory_member(socket);
}

/* A new round number; when they run out, all marks are wiped. */
static void
begin_round(struct memory *memory)
{
    if (++memory->round != 0)
        return;
    for (uint32_t i = 0; i < memory->count; i++)
        memory->all[i]->round = 0;
    memory->round = 1;
}

/* Mark those who must not be visited. */
static void
exclude(struct memory *memory, const skio_target *target)
{
    const char *const *name = target->except;

    /* Another namespace counts its rounds itself. */
    if (target->sender != NULL && skio__memory_member(target->sender) != NULL &&
        skio_socket_nsp(target->sender) == memory->base.nsp)
        skio__memory_member(target->sender)->round = memory->round;

    for (; name != NULL && *name != NULL; name++) {
        struct room *room = skio__memory_room(memory, *name);
        struct member *own = skio__memory_own(memory, *name);

        for (uint32_t i = 0; room != NULL && i < room->count; i++)
            room->members[i].member->round = memory->round;
        if (own != NULL)
            own->round = memory->round;
    }
}

static void
visit_once(struct memory *memory, struct member *member,
           skio__memory_visit_fn *fn, void *user)
{
    if (member->round == memory->round)
        return;
    member->round = memory->round;
    fn(member, user);
}

void
skio__memory_visit(struct memory *memory, const skio_target *target,
                   skio__memory_visit_fn *fn, void *user)
{
    const char *const *name = target == NULL ? NULL : target->to;

    begin_round(memory);
    if (target != NULL)
        exclude(memory, target);

    if (name == NULL || *name == NULL) {
        for (uint32_t i = 0; i < memory->count; i++)
            visit_once(memory, memory->all[i], fn, user);
        return;
    }

    for (; *name != NULL; name++) {
        struct room *room = skio__memory_room(memory, *name);
        struct member *own = skio__memory_own(memory, *name);

        for (uint32_t i = 0; room != NULL && i < room->count; i++)
            visit_once(memory, room->members[i].member, fn, user);
        if (own != NULL)
            visit_once(memory, own, fn, user);
    }
}

/* The sockets of a target, referenced, in an array of their own. */
struct snapshot {
    skio_socket **sockets;
    size_t count;
};

static void
collect(struct member *member, void *user)
{
    struct snapshot *snapshot = user;

    snapshot->sockets[snapshot->count++] = skio_socket_ref(member->socket);
}

static int
snapshot_take(struct memory *memory, const skio_target *target,
              struct snapshot *snapshot)
{
    *snapshot = (struct snapshot){0};
    if (memory->count == 0)
        return SKIO_OK;

    snapshot->sockets = skio__mem_array(memory->mem, NULL, memory->count,
                                        sizeof(skio_socket *));
    if (snapshot->sockets == NULL)
        return SKIO_ENOMEM;
    skio__memory_visit(memory, target, collect, snapshot);
    return SKIO_OK;
}

static void
snapshot_free(const skio_allocator *mem, struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++)
        skio_socket_unref(snapshot->sockets[i]);
    skio__mem_free(mem, snapshot->sockets);
}

/* Call fn for each socket that is still connected when its turn comes. */
static int
each_of(struct memory *memory, const skio_target *target, skio_socket_fn *fn,
        void *user)
{
    const skio_allocator *mem = memory->mem;
    struct snapshot snapshot;
    int err = snapshot_take(memory, target, &snapshot);

    if (err != SKIO_OK)
        return err;
    for (size_t i = 0; i < snapshot.count; i++)
        if (skio_socket_is_connected(snapshot.sockets[i]) &&
            !fn(snapshot.sockets[i], user))
            break;
    snapshot_free(mem, &snapshot);
    return SKIO_OK;
}

int
skio__memory_each(skio_adapter *adapter, const skio_target *target,
                  skio_socket_fn *fn, void *user)
{
    return each_of(skio__memory_of(adapter), target, fn, user);
}

struct delivery {
    skio_message *message;
    unsigned flags;
    struct skio_asking *asking; /* NULL: no answers are wanted */
};

static bool
deliver(skio_socket *socket, void *user)
{
    const struct delivery *delivery = user;

    if (delivery->asking != NULL)
        skio_adapter_deliver_asking(socket, delivery->message, delivery->flags,
                                    delivery->asking);
    else
        skio_adapter_deliver(socket, delivery->message, delivery->flags);
    return true;
}

static void
deliver_to_member(struct member *member, void *user)
{
    const struct delivery *delivery = user;

    skio_adapter_deliver(member->socket, delivery->message, delivery->flags);
}

static void
ask_member(struct member *member, void *user)
{
    const struct delivery *delivery = user;

    skio_adapter_deliver_asking(member->socket, delivery->message,
                                delivery->flags, delivery->asking);
}

static int
deliver_all(skio_adapter *adapter, const skio_target *target,
            struct delivery *delivery)
{
    struct memory *memory = skio__memory_of(adapter);

    /* Who watches deliveries may disconnect: then the arrays change. */
    if (skio_adapter_is_watched(adapter->nsp))
        return each_of(memory, target, deliver, delivery);

    skio__memory_visit(memory, target,
                       delivery->asking != NULL ? ask_member
                                                : deliver_to_member,
                       delivery);
    return SKIO_OK;
}

int
skio__memory_broadcast(skio_adapter *adapter, skio_message *message,
                       const skio_target *target)
{
    struct delivery delivery = {message, target == NULL ? 0 : target->flags,
                                NULL};

    return deliver_all(adapter, target, &delivery);
}

int
skio__memory_broadcast_asking(skio_adapter *adapter, skio_message *message,
                              const skio_target *target,
                              struct skio_asking *asking)
{
    struct delivery delivery = {message, target == NULL ? 0 : target->flags,
                                asking};

    return deliver_all(adapter, target, &delivery);
}

struct change {
    const char *room;
    int err; /* the first one */
};

static bool
join_one(skio_socket *socket, void *user)
{
    struct change *change = user;
    int err = skio_join(socket, change->room);

    if (change->err == SKIO_OK)
        change->err = err;
    return true;
}

static bool
leave_one(skio_socket *socket, void *user)
{
    struct change *change = user;

    /* Who is not a member has nothing to leave. */
    (void)skio_leave(socket, change->room);
    return true;
}

static bool
disconnect_one(skio_socket *socket, void *user)
{
    skio_disconnect(socket, *(const bool *)user);
    return true;
}

int
skio__memory_sockets_join(skio_adapter *adapter, const skio_target *target,
                          const char *room)
{
    struct change change = {room, SKIO_OK};
    int err = each_of(skio__memory_of(adapter), target, join_one, &change);

    return err != SKIO_OK ? err : change.err;
}

int
skio__memory_sockets_leave(skio_adapter *adapter, const skio_target *target,
                           const char *room)
{
    struct change change = {room, SKIO_OK};

    return each_of(skio__memory_of(adapter), target, leave_one, &change);
}

int
skio__memory_sockets_disconnect(skio_adapter *adapter,
                                const skio_target *target, bool close)
{
    return each_of(skio__memory_of(adapter), target, disconnect_one, &close);
}

int
skio__memory_fetch(skio_adapter *adapter, const skio_target *target,
                   skio_fetch_fn *fn, void *user)
{
    struct memory *memory = skio__memory_of(adapter);
    const skio_allocator *mem = memory->mem;
    struct skio_remote *remotes = NULL;
    const skio_remote **list = NULL;
    struct snapshot snapshot;
    int err = snapshot_take(memory, target, &snapshot);

    if (err != SKIO_OK)
        return err;

    if (snapshot.count > 0) {
        remotes = skio__mem_calloc(mem, snapshot.count, sizeof *remotes);
        list = skio__mem_calloc(mem, snapshot.count, sizeof *list);
        if (remotes == NULL || list == NULL) {
            err = SKIO_ENOMEM;
            goto done;
        }
    }
    for (size_t i = 0; i < snapshot.count; i++) {
        remotes[i].nsp = adapter->nsp;
        remotes[i].socket = snapshot.sockets[i];
        list[i] = &remotes[i];
    }
    fn(SKIO_OK, list, snapshot.count, 0, user);

done:
    skio__mem_free(mem, list);
    skio__mem_free(mem, remotes);
    snapshot_free(mem, &snapshot);
    return err;
}
