/*
 * The memory adapter: rooms of one process
 *
 * A room is an array of members, a socket an array of memberships; each entry
 * knows its place in the other, so that joining and leaving are O(1) and a
 * broadcast is a walk along an array. The room named by a socket's id is
 * implied and stored nowhere.
 *
 *     room.members[i] ──▶ member ──▶ socket
 *          ▲    │ .place                │ slot
 *          │    └──────────────▶ member.rooms[place] = {room, i}
 *
 * A broadcast to several rooms reaches a socket once: it bumps `round` and
 * marks each member that it saw or excluded.
 */
#include <string.h>

#include <socketio/adapter.h>

#include "base/compiler.h"
#include "base/map.h"
#include "base/mem.h"

struct membership {
    struct room *room;
    uint32_t index; /* in room->members */
};

/* What hangs in a socket's slot. */
struct member {
    skio_socket *socket;
    uint32_t index; /* in memory->all */
    uint32_t round; /* of the broadcast that last met this member */
    uint32_t count;
    uint32_t cap;
    struct membership *rooms;
};

struct room_entry {
    struct member *member;
    uint32_t place; /* in member->rooms */
};

struct room {
    struct skio__map_node node;
    struct room_entry *members;
    uint32_t count;
    uint32_t cap;
    char name[];
};

struct memory {
    struct skio_adapter base;
    const skio_allocator *mem;
    struct skio__map rooms; /* name -> room, none empty */
    struct member **all;
    uint32_t count;
    uint32_t cap;
    uint32_t round;
};

static struct memory *
memory_of(const skio_adapter *adapter)
{
    return skio__container_of(adapter, struct memory, base);
}

static struct member *
member_of(const skio_socket *socket)
{
    return *skio_adapter_slot(socket);
}

static struct room *
find_room(const struct memory *memory, const char *name)
{
    struct skio__map_node *node;

    node = skio__map_find(&memory->rooms, name, strlen(name));
    return node == NULL ? NULL : skio__container_of(node, struct room, node);
}

/* The socket whose implied own room this is, or NULL. */
static struct member *
find_own(const struct memory *memory, const char *name)
{
    skio_socket *socket = skio_nsp_socket(memory->base.nsp, name);

    return socket == NULL ? NULL : member_of(socket);
}

/* Double an array when it is full. */
static int
grow(const skio_allocator *mem, void **array, uint32_t count, uint32_t *cap,
     size_t size)
{
    uint32_t wanted = *cap == 0 ? 4 : *cap * 2;
    void *grown;

    if (count < *cap)
        return SKIO_OK;
    if (wanted < *cap)
        return SKIO_ENOMEM;

    grown = skio__mem_array(mem, *array, wanted, size);
    if (grown == NULL)
        return SKIO_ENOMEM;
    *array = grown;
    *cap = wanted;
    return SKIO_OK;
}

static void
memory_close(skio_adapter *adapter)
{
    struct memory *memory = memory_of(adapter);
    const skio_allocator *mem = memory->mem;
    struct skio__map_node *node;
    struct skio__map_node *after;

    while (memory->count > 0)
        adapter->ops->remove(adapter, memory->all[memory->count - 1]->socket);
    SKIO__MAP_EACH(&memory->rooms, node, after)
        skio__map_remove(&memory->rooms, node);
    skio__map_deinit(&memory->rooms);
    skio__mem_free(mem, memory->all);
    skio__mem_free(mem, memory);
}

static int
memory_add(skio_adapter *adapter, skio_socket *socket)
{
    struct memory *memory = memory_of(adapter);
    struct member *member;
    void *all = memory->all;

    member = skio__mem_calloc(memory->mem, 1, sizeof *member);
    if (member == NULL)
        return SKIO_ENOMEM;
    if (grow(memory->mem, &all, memory->count, &memory->cap,
             sizeof(struct member *)) != SKIO_OK) {
        skio__mem_free(memory->mem, member);
        return SKIO_ENOMEM;
    }

    memory->all = all;
    member->socket = socket;
    member->index = memory->count;
    memory->all[memory->count++] = member;
    *skio_adapter_slot(socket) = member;
    return SKIO_OK;
}

/* Take a member from a room; the last ones of both arrays fill the gaps. */
static void
leave_place(struct memory *memory, struct member *member, uint32_t place)
{
    struct room *room = member->rooms[place].room;
    uint32_t index = member->rooms[place].index;
    struct room_entry *last = &room->members[--room->count];

    room->members[index] = *last;
    last->member->rooms[last->place].index = index;

    member->count--;
    if (place != member->count) {
        member->rooms[place] = member->rooms[member->count];
        member->rooms[place].room->members[member->rooms[place].index].place =
            place;
    }

    if (room->count == 0) {
        skio__map_remove(&memory->rooms, &room->node);
        skio__mem_free(memory->mem, room->members);
        skio__mem_free(memory->mem, room);
    }
}

static void
memory_remove(skio_adapter *adapter, skio_socket *socket)
{
    struct memory *memory = memory_of(adapter);
    struct member *member = member_of(socket);
    struct member *last;

    while (member->count > 0)
        leave_place(memory, member, member->count - 1);

    last = memory->all[--memory->count];
    memory->all[member->index] = last;
    last->index = member->index;

    *skio_adapter_slot(socket) = NULL;
    skio__mem_free(memory->mem, member->rooms);
    skio__mem_free(memory->mem, member);
}

/* The place of a room in a member's list, or member->count. */
static uint32_t
place_of(const struct member *member, const struct room *room)
{
    uint32_t place = 0;

    while (place < member->count && member->rooms[place].room != room)
        place++;
    return place;
}

static struct room *
make_room(struct memory *memory, const char *name)
{
    size_t len = strlen(name);
    struct room *room;

    room = skio__mem_calloc(memory->mem, 1, sizeof *room + len + 1);
    if (room == NULL)
        return NULL;
    memcpy(room->name, name, len);
    if (skio__map_put(&memory->rooms, &room->node, room->name, len) !=
        SKIO_OK) {
        skio__mem_free(memory->mem, room);
        return NULL;
    }
    return room;
}

static int
memory_join(skio_adapter *adapter, skio_socket *socket, const char *name)
{
    struct memory *memory = memory_of(adapter);
    struct member *member = member_of(socket);
    struct room *room;
    void *array;

    if (strcmp(name, skio_socket_id(socket)) == 0)
        return SKIO_OK;

    room = find_room(memory, name);
    if (room != NULL && place_of(member, room) < member->count)
        return SKIO_OK;
    if (member->count >= skio_adapter_options(adapter->nsp)->max_rooms)
        return SKIO_ELIMIT;

    array = member->rooms;
    if (grow(memory->mem, &array, member->count, &member->cap,
             sizeof *member->rooms) != SKIO_OK)
        return SKIO_ENOMEM;
    member->rooms = array;

    if (room == NULL) {
        room = make_room(memory, name);
        if (room == NULL)
            return SKIO_ENOMEM;
    }

    array = room->members;
    if (grow(memory->mem, &array, room->count, &room->cap,
             sizeof *room->members) != SKIO_OK) {
        if (room->count == 0) {
            skio__map_remove(&memory->rooms, &room->node);
            skio__mem_free(memory->mem, room);
        }
        return SKIO_ENOMEM;
    }
    room->members = array;

    member->rooms[member->count] = (struct membership){room, room->count};
    room->members[room->count++] = (struct room_entry){member, member->count};
    member->count++;
    return SKIO_OK;
}

static int
memory_leave(skio_adapter *adapter, skio_socket *socket, const char *name)
{
    struct memory *memory = memory_of(adapter);
    struct member *member = member_of(socket);
    struct room *room = find_room(memory, name);
    uint32_t place;

    if (room == NULL)
        return SKIO_ENOENT;
    place = place_of(member, room);
    if (place == member->count)
        return SKIO_ENOENT;

    leave_place(memory, member, place);
    return SKIO_OK;
}

static bool
memory_has(const skio_adapter *adapter, const skio_socket *socket,
           const char *name)
{
    const struct memory *memory = memory_of(adapter);
    const struct member *member = member_of(socket);
    const struct room *room;

    if (strcmp(name, skio_socket_id(socket)) == 0)
        return true;
    room = find_room(memory, name);
    return room != NULL && place_of(member, room) < member->count;
}

static void
memory_rooms(const skio_adapter *adapter, const skio_socket *socket,
             skio_room_fn *fn, void *user)
{
    const struct member *member = member_of(socket);

    (void)adapter;
    if (!fn(skio_socket_id(socket), user))
        return;
    for (uint32_t i = 0; i < member->count; i++)
        if (!fn(member->rooms[i].room->name, user))
            return;
}

/* ---- Targets ---- */

typedef void visit_fn(struct member *member, void *user);

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

    if (target->sender != NULL && member_of(target->sender) != NULL)
        member_of(target->sender)->round = memory->round;

    for (; name != NULL && *name != NULL; name++) {
        struct room *room = find_room(memory, *name);
        struct member *own = find_own(memory, *name);

        for (uint32_t i = 0; room != NULL && i < room->count; i++)
            room->members[i].member->round = memory->round;
        if (own != NULL)
            own->round = memory->round;
    }
}

static void
visit_once(struct memory *memory, struct member *member, visit_fn *fn,
           void *user)
{
    if (member->round == memory->round)
        return;
    member->round = memory->round;
    fn(member, user);
}

/* Visit each local member of a target once. fn changes no membership. */
static void
visit(struct memory *memory, const skio_target *target, visit_fn *fn,
      void *user)
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
        struct room *room = find_room(memory, *name);
        struct member *own = find_own(memory, *name);

        for (uint32_t i = 0; room != NULL && i < room->count; i++)
            visit_once(memory, room->members[i].member, fn, user);
        if (own != NULL)
            visit_once(memory, own, fn, user);
    }
}

struct delivery {
    skio_message *message;
    unsigned flags;
};

static void
deliver(struct member *member, void *user)
{
    const struct delivery *delivery = user;

    skio_adapter_deliver(member->socket, delivery->message, delivery->flags);
}

static int
memory_broadcast(skio_adapter *adapter, skio_message *message,
                 const skio_target *target)
{
    struct delivery delivery = {message, target == NULL ? 0 : target->flags};

    visit(memory_of(adapter), target, deliver, &delivery);
    return SKIO_OK;
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
    visit(memory, target, collect, snapshot);
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

static int
memory_each(skio_adapter *adapter, const skio_target *target,
            skio_socket_fn *fn, void *user)
{
    return each_of(memory_of(adapter), target, fn, user);
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

static int
memory_sockets_join(skio_adapter *adapter, const skio_target *target,
                    const char *room)
{
    struct change change = {room, SKIO_OK};
    int err = each_of(memory_of(adapter), target, join_one, &change);

    return err != SKIO_OK ? err : change.err;
}

static int
memory_sockets_leave(skio_adapter *adapter, const skio_target *target,
                     const char *room)
{
    struct change change = {room, SKIO_OK};

    return each_of(memory_of(adapter), target, leave_one, &change);
}

static int
memory_sockets_disconnect(skio_adapter *adapter, const skio_target *target,
                          bool close)
{
    return each_of(memory_of(adapter), target, disconnect_one, &close);
}

static int
memory_fetch(skio_adapter *adapter, const skio_target *target,
             skio_fetch_fn *fn, void *user)
{
    struct memory *memory = memory_of(adapter);
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
        remotes[i].socket = snapshot.sockets[i];
        list[i] = &remotes[i];
    }
    fn(SKIO_OK, list, snapshot.count, user);

done:
    skio__mem_free(mem, list);
    skio__mem_free(mem, remotes);
    snapshot_free(mem, &snapshot);
    return err;
}

static const skio_adapter_ops memory_ops = {
    .struct_size = sizeof(skio_adapter_ops),
    .close = memory_close,
    .add = memory_add,
    .remove = memory_remove,
    .join = memory_join,
    .leave = memory_leave,
    .has = memory_has,
    .rooms = memory_rooms,
    .broadcast = memory_broadcast,
    .each = memory_each,
    .sockets_join = memory_sockets_join,
    .sockets_leave = memory_sockets_leave,
    .sockets_disconnect = memory_sockets_disconnect,
    .fetch = memory_fetch,
};

int
skio_adapter_memory(skio_nsp *nsp, void *user, skio_adapter **out)
{
    const skio_allocator *mem = skio_adapter_allocator(nsp);
    struct memory *memory = skio__mem_calloc(mem, 1, sizeof *memory);

    (void)user;
    if (memory == NULL)
        return SKIO_ENOMEM;

    memory->base.ops = &memory_ops;
    memory->base.nsp = nsp;
    memory->mem = mem;
    skio__map_init(&memory->rooms, mem, skio_adapter_hash_key(nsp));
    *out = &memory->base;
    return SKIO_OK;
}
