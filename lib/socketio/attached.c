#include "socketio/attached.h"

#include "base/mem.h"

struct sio_attached **
skio__attached_find(struct sio_attached **list, const void *key)
{
    while (*list != NULL && (*list)->key != key)
        list = &(*list)->next;
    return list;
}

int
skio__attached_add(struct sio_attached **list, const skio_allocator *mem,
                   const void *key, void *data, void (*free_fn)(void *))
{
    struct sio_attached *one = skio__mem_alloc(mem, sizeof *one);

    if (one == NULL)
        return SKIO_ENOMEM;
    *one = (struct sio_attached){*list, key, data, free_fn};
    *list = one;
    return SKIO_OK;
}
