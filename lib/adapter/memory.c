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
#include "adapter/memory.h"

#include <string.h>

#include "base/mem.h"

struct room *
skio__memory_room(const struct memory *memory, const char *name)
{
    struct skio__map_node *node;

    node = skio__map_find(&memory->rooms, name, strlen(name));
    return node == NULL ? NULL : skio__container_of(node, struct room, node);
}

/* Double an array when it is full. Most sockets are in one room, and many rooms
 * have one member. */
static int
grow(const skio_allocator *mem, void **array, uint32_t count, uint32_t *cap,
     size_t size)
{
    uint32_t wanted = *cap == 0 ? 1 : *cap * 2;
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

/* Halve an array that is mostly empty, so that a crowd's memory comes back. */
static void
shrink(const skio_allocator *mem, void **array, uint32_t count, uint32_t *cap,
       size_t size)
{
    uint32_t wanted = *cap / 2;
    void *shrunk;

    if (count == 0) {
        skio__mem_free(mem, *array);
        *array = NULL;
        *cap = 0;
        return;
    }
    if (wanted < 4 || count > *cap / 4)
        return;
    shrunk = skio__mem_array(mem, *array, wanted, size);
    if (shrunk == NULL)
        return; /* it stays as it is */
    *array = shrunk;
    *cap = wanted;
}

static void
memory_close(skio_adapter *adapter)
{
    struct memory *memory = skio__memory_of(adapter);
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
    struct memory *memory = skio__memory_of(adapter);
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
    /* Whoever watches rooms may end the socket's connection. */
    skio_socket_ref(socket);
    skio_adapter_room_event(adapter->nsp, SKIO_ROOM_CREATE,
                            skio_socket_id(socket), NULL);
    skio_adapter_room_event(adapter->nsp, SKIO_ROOM_JOIN,
                            skio_socket_id(socket), socket);
    skio_socket_unref(socket);
    return SKIO_OK;
}

/* Tell of a room, which must outlive whatever is done meanwhile. */
static void
tell(struct memory *memory, struct room *room, enum skio_room_event event,
     skio_socket *socket)
{
    room->holds++;
    skio_adapter_room_event(memory->base.nsp, event, room->name, socket);
    if (--room->holds > 0 || !room->is_gone)
        return;
    skio__mem_free(memory->mem, room->members);
    skio__mem_free(memory->mem, room);
}

/* Take a member from a room; the last ones of both arrays fill the gaps. */
static void
leave_place(struct memory *memory, struct member *member, uint32_t place)
{
    struct room *room = member->rooms[place].room;
    uint32_t index = member->rooms[place].index;
    struct room_entry *last = &room->members[--room->count];
    void *array;

    room->members[index] = *last;
    last->member->rooms[last->place].index = index;

    member->count--;
    if (place != member->count) {
        member->rooms[place] = member->rooms[member->count];
        member->rooms[place].room->members[member->rooms[place].index].place =
            place;
    }

    array = room->members;
    shrink(memory->mem, &array, room->count, &room->cap, sizeof *room->members);
    room->members = array;

    /* Whoever joins while this is told makes a new room. */
    if (room->count == 0) {
        room->is_gone = true;
        skio__map_remove(&memory->rooms, &room->node);
        room->holds++;
        tell(memory, room, SKIO_ROOM_LEAVE, member->socket);
        room->holds--;
        tell(memory, room, SKIO_ROOM_DELETE, NULL);
    } else {
        tell(memory, room, SKIO_ROOM_LEAVE, member->socket);
    }
}

static void
memory_remove(skio_adapter *adapter, skio_socket *socket)
{
    struct memory *memory = skio__memory_of(adapter);
    struct member *member = skio__memory_member(socket);
    struct member *last;
    void *all;

    while (member->count > 0)
        leave_place(memory, member, member->count - 1);

    skio_adapter_room_event(adapter->nsp, SKIO_ROOM_LEAVE,
                            skio_socket_id(socket), socket);
    skio_adapter_room_event(adapter->nsp, SKIO_ROOM_DELETE,
                            skio_socket_id(socket), NULL);

    last = memory->all[--memory->count];
    memory->all[member->index] = last;
    last->index = member->index;
    all = memory->all;
    shrink(memory->mem, &all, memory->count, &memory->cap,
           sizeof(struct member *));
    memory->all = all;

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
    struct memory *memory = skio__memory_of(adapter);
    struct member *member = skio__memory_member(socket);
    struct room *room;
    bool is_new;
    void *array;

    if (strcmp(name, skio_socket_id(socket)) == 0)
        return SKIO_OK;

    room = skio__memory_room(memory, name);
    is_new = room == NULL;
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

    room->holds++;
    if (is_new)
        tell(memory, room, SKIO_ROOM_CREATE, NULL);
    room->holds--;
    tell(memory, room, SKIO_ROOM_JOIN, socket);
    return SKIO_OK;
}

static int
memory_leave(skio_adapter *adapter, skio_socket *socket, const char *name)
{
    struct memory *memory = skio__memory_of(adapter);
    struct member *member = skio__memory_member(socket);
    struct room *room = skio__memory_room(memory, name);
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
    const struct memory *memory = skio__memory_of(adapter);
    const struct member *member = skio__memory_member(socket);
    const struct room *room;

    if (strcmp(name, skio_socket_id(socket)) == 0)
        return true;
    room = skio__memory_room(memory, name);
    return room != NULL && place_of(member, room) < member->count;
}

static void
memory_rooms(const skio_adapter *adapter, const skio_socket *socket,
             skio_room_fn *fn, void *user)
{
    const struct member *member = skio__memory_member(socket);
    uint32_t left = member->count;
    uint32_t i = 0;

    (void)adapter;
    if (!fn(skio_socket_id(socket), user))
        return;

    /*
     * The callback may join and leave, or disconnect: then the slot is empty.
     * Where a room was left another has taken its place.
     */
    for (;
         left > 0 && skio__memory_member(socket) == member && i < member->count;
         left--) {
        const struct room *room = member->rooms[i].room;

        if (!fn(room->name, user))
            return;
        if (skio__memory_member(socket) == member && i < member->count &&
            member->rooms[i].room == room)
            i++;
    }
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
    .broadcast = skio__memory_broadcast,
    .broadcast_asking = skio__memory_broadcast_asking,
    .each = skio__memory_each,
    .sockets_join = skio__memory_sockets_join,
    .sockets_leave = skio__memory_sockets_leave,
    .sockets_disconnect = skio__memory_sockets_disconnect,
    .fetch = skio__memory_fetch,
    .count = skio__memory_count,
    .server_count = skio__memory_server_count,
    .rooms_fetch = skio__memory_rooms_fetch,
    .each_room = skio__memory_each_room,
    .room_count = skio__memory_room_count,
    .server_side_emit = skio__memory_server_side_emit,
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
