/*
 * What a namespace asks its adapter about the whole cluster
 */
#include <socketio/cluster.h>

#include "socketio/namespace.h"

/* Run an operation that may be absent, its callbacks inside a turn. */
#define ASK(nsp, op, ...)                                                      \
    do {                                                                       \
        skio_adapter *adapter = (nsp)->adapter;                                \
        struct eio_engine *engine = &(nsp)->server->engine;                    \
        int err;                                                               \
        if (adapter == NULL)                                                   \
            return SKIO_EINVAL; /* a parent has no sockets of its own */       \
        if (!SIO_ADAPTER_HAS(adapter, op))                                     \
            return SKIO_ENOTSUP;                                               \
        skio__engine_enter(engine);                                            \
        err = adapter->ops->op(adapter, __VA_ARGS__);                          \
        skio__engine_leave(engine);                                            \
        return err;                                                            \
    } while (0)

int
skio_server_count(skio_nsp *nsp, skio_count_fn *fn, void *user)
{
    ASK(nsp, server_count, fn, user);
}

int
skio_sockets_count(skio_nsp *nsp, const skio_target *target, skio_count_fn *fn,
                   void *user)
{
    ASK(nsp, count, target, fn, user);
}

int
skio_rooms_fetch(skio_nsp *nsp, skio_rooms_fn *fn, void *user)
{
    ASK(nsp, rooms_fetch, fn, user);
}

int
skio_nsp_each_room(skio_nsp *nsp, skio_room_fn *fn, void *user)
{
    ASK(nsp, each_room, fn, user);
}

size_t
skio_room_count(const skio_nsp *nsp, const char *room)
{
    struct eio_engine *engine = &nsp->server->engine;
    size_t count;

    if (nsp->adapter == NULL || !SIO_ADAPTER_HAS(nsp->adapter, room_count))
        return 0;
    skio__engine_enter(engine);
    count = nsp->adapter->ops->room_count(nsp->adapter, room);
    skio__engine_leave(engine);
    return count;
}
