#include "socketio/handlers.h"

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
skio__handlers_add_once(struct sio_handlers *list, const skio_allocator *mem,
                        sio_any_function *fn, void *user)
{
    struct sio_handler handler = {fn, user, true};

    return add(list, mem, &handler);
}

/* Close the gaps that removals left. */
static void
compact(struct sio_handlers *list)
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
        compact(list);
    return removed;
}

void
skio__handlers_deinit(struct sio_handlers *list, const skio_allocator *mem)
{
    skio__mem_free(mem, list->items);
    *list = (struct sio_handlers){0};
}

void
skio__handlers_enter(struct sio_handlers *list)
{
    list->running++;
}

void
skio__handlers_leave(struct sio_handlers *list)
{
    list->running--;
    if (list->running == 0 && list->has_holes)
        compact(list);
}

sio_any_function *
skio__handlers_take(struct sio_handlers *list, uint32_t index)
{
    struct sio_handler *item = &list->items[index];
    sio_any_function *fn = item->fn;

    if (item->once && fn != NULL) {
        item->fn = NULL;
        list->has_holes = true;
    }
    return fn;
}
