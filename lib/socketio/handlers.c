#include "socketio/handlers.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

static int
add(struct sio_handlers *list, const skio_allocator *mem,
    const struct sio_handler *handler)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap == 0 ? 2 : list->cap * 2;
        struct sio_handler *items =
            skio__mem_array(mem, list->items, cap, sizeof *items);

        if (items == NULL)
            return SKIO_ENOMEM;
        list->items = items;
        list->cap = cap;
    }

    list->items[list->count++] = *handler;
    return SKIO_OK;
}

int
skio__handlers_add(struct sio_handlers *list, const skio_allocator *mem,
                   sio_any_function *fn, void *user)
{
    struct sio_handler handler = {fn, user, false};

    return add(list, mem, &handler);
}

int
skio__handlers_prepend(struct sio_handlers *list, const skio_allocator *mem,
                       sio_any_function *fn, void *user)
{
    int err = skio__handlers_add(list, mem, fn, user);

    if (err != SKIO_OK)
        return err;
    memmove(list->items + 1, list->items,
            (list->count - 1) * sizeof *list->items);
    list->items[0] = (struct sio_handler){fn, user, false};
    list->shifted++;
    return SKIO_OK;
}

int
skio__handlers_add_once(struct sio_handlers *list, const skio_allocator *mem,
                        sio_any_function *fn, void *user)
{
    struct sio_handler handler = {fn, user, true};

    return add(list, mem, &handler);
}

void
skio__handlers_compact(struct sio_handlers *list)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].fn != NULL)
            list->items[kept++] = list->items[i];
    list->count = kept;
    list->has_holes = false;
}

int
skio__handlers_remove(struct sio_handlers *list, sio_any_function *fn,
                      void *user)
{
    int removed = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        struct sio_handler *item = &list->items[i];

        if (item->fn == NULL)
            continue;
        if (fn != NULL && (item->fn != fn || item->user != user))
            continue;
        item->fn = NULL;
        list->has_holes = true;
        removed++;
    }

    if (list->has_holes && list->running == 0)
        skio__handlers_compact(list);
    return removed;
}

void
skio__handlers_deinit(struct sio_handlers *list, const skio_allocator *mem)
{
    skio__mem_free(mem, list->items);
    *list = (struct sio_handlers){0};
}

void
skio__events_init(struct sio_events *events, const skio_allocator *mem,
                  const uint8_t hash_key[SKIO__MAP_KEY_BYTES])
{
    memset(events, 0, sizeof *events);
    skio__map_init(&events->by_name, mem, hash_key);
}

void
skio__events_deinit(struct sio_events *events)
{
    struct skio__map *map = &events->by_name;
    struct skio__map_node *node;
    struct skio__map_node *after;

    SKIO__MAP_EACH(map, node, after) {
        struct sio_event *event =
            skio__container_of(node, struct sio_event, node);

        skio__map_remove(map, node);
        skio__handlers_deinit(&event->handlers, map->mem);
        skio__mem_free(map->mem, event);
    }
    skio__map_deinit(map);
    memset(events->recent, 0, sizeof events->recent);
}

struct sio_event *
skio__events_find(const struct sio_events *events, const char *name, size_t len)
{
    struct skio__map_node *node = skio__map_find(&events->by_name, name, len);

    return node == NULL ? NULL
                        : skio__container_of(node, struct sio_event, node);
}

struct sio_event *
skio__events_remember(struct sio_events *events, const char *name, size_t len)
{
    struct sio_event *event = skio__events_find(events, name, len);

    if (event != NULL)
        *skio__events_recent(events, name, len) = event;
    return event;
}

struct sio_event *
skio__events_get(struct sio_events *events, const char *name, size_t len)
{
    struct skio__map *map = &events->by_name;
    struct sio_event *event = skio__events_find(events, name, len);

    if (event != NULL)
        return event;
    event = skio__mem_calloc(map->mem, 1, sizeof *event + len + 1);
    if (event == NULL)
        return NULL;
    memcpy(event->name, name, len);
    event->len = len;
    if (skio__map_put(map, &event->node, event->name, len) != SKIO_OK) {
        skio__mem_free(map->mem, event);
        return NULL;
    }
    return event;
}
