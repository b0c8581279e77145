/*
 * The memory adapter: what it tells of itself, being the only server
 */
#include "adapter/memory.h"

#include <string.h>

#include "base/mem.h"

static void
count_one(struct member *member, void *user)
{
    (void)member;
    ++*(size_t *)user;
}

int
skio__memory_count(skio_adapter *adapter, const skio_target *target,
                   skio_count_fn *fn, void *user)
{
    size_t count = 0;

    skio__memory_visit(skio__memory_of(adapter), target, count_one, &count);
    fn(SKIO_OK, count, 0, user);
    return SKIO_OK;
}

int
skio__memory_server_count(skio_adapter *adapter, skio_count_fn *fn, void *user)
{
    (void)adapter;
    fn(SKIO_OK, 1, 0, user);
    return SKIO_OK;
}

size_t
skio__memory_room_count(const skio_adapter *adapter, const char *name)
{
    const struct memory *memory = skio__memory_of(adapter);
    const struct room *room = skio__memory_room(memory, name);
    size_t count = room == NULL ? 0 : room->count;

    return count + (skio__memory_own(memory, name) != NULL);
}

/* The names of all rooms, copied: one block, the names behind the pointers. */
struct names {
    const char **list;
    size_t count;
};

/* A room may be named as a socket that is not in it: then it is one room. */
static bool
is_own_name(const struct memory *memory, const struct room *room)
{
    return skio__memory_own(memory, room->name) != NULL;
}

static void
put(struct names *names, char **text, const char *name)
{
    size_t size = strlen(name) + 1;

    memcpy(*text, name, size);
    names->list[names->count++] = *text;
    *text += size;
}

static int
names_take(const struct memory *memory, struct names *names)
{
    struct skio__map_node *node;
    struct skio__map_node *after;
    size_t count = memory->count;
    size_t bytes = 0;
    char *text;

    *names = (struct names){0};
    for (uint32_t i = 0; i < memory->count; i++)
        bytes += strlen(skio_socket_id(memory->all[i]->socket)) + 1;
    SKIO__MAP_EACH(&memory->rooms, node, after) {
        bytes += strlen(skio__container_of(node, struct room, node)->name) + 1;
        count++;
    }

    names->list =
        skio__mem_alloc(memory->mem, (count + 1) * sizeof(char *) + bytes);
    if (names->list == NULL)
        return SKIO_ENOMEM;

    text = (char *)(names->list + count + 1);
    for (uint32_t i = 0; i < memory->count; i++)
        put(names, &text, skio_socket_id(memory->all[i]->socket));
    SKIO__MAP_EACH(&memory->rooms, node, after) {
        const struct room *room = skio__container_of(node, struct room, node);

        if (!is_own_name(memory, room))
            put(names, &text, room->name);
    }
    names->list[names->count] = NULL;
    return SKIO_OK;
}

int
skio__memory_rooms_fetch(skio_adapter *adapter, skio_rooms_fn *fn, void *user)
{
    const struct memory *memory = skio__memory_of(adapter);
    const skio_allocator *mem = memory->mem;
    struct names names;
    int err = names_take(memory, &names);

    if (err != SKIO_OK)
        return err;
    fn(SKIO_OK, names.list, names.count, 0, user);
    skio__mem_free(mem, names.list);
    return SKIO_OK;
}

int
skio__memory_each_room(skio_adapter *adapter, skio_room_fn *fn, void *user)
{
    const struct memory *memory = skio__memory_of(adapter);
    const skio_allocator *mem = memory->mem;
    struct names names;
    int err = names_take(memory, &names);

    if (err != SKIO_OK)
        return err;
    /* The callback may have ended rooms whose turn is still to come. */
    for (size_t i = 0; i < names.count; i++)
        if (skio__memory_room_count(adapter, names.list[i]) > 0 &&
            !fn(names.list[i], user))
            break;
    skio__mem_free(mem, names.list);
    return SKIO_OK;
}

int
skio__memory_server_side_emit(skio_adapter *adapter, skio_message *message,
                              struct skio_server_asking *asking)
{
    struct memory *memory = skio__memory_of(adapter);

    (void)message;
    /* A program for many servers may be alone, and emits again and again. */
    if (!memory->has_told)
        skio_adapter_log(adapter->nsp, SKIO_LOG_INFO,
                         "the memory adapter has no other servers to emit to");
    memory->has_told = true;
    if (asking != NULL)
        skio_adapter_responses(asking, SKIO_OK, "[]", 2, 0);
    return SKIO_OK;
}
