/*
 * The rooms of one socket, which the namespace's adapter keeps
 */
#include <string.h>

#include "base/utf8.h"
#include "socketio/socket.h"

/* A room's name: not too long, and UTF-8, since it travels in clusters. */
static bool
is_room_name(const skio_socket *socket, const char *room)
{
    size_t len = strlen(room);

    return len <= socket->nsp->server->options.max_name_bytes &&
           skio__utf8_valid(room, len);
}

int
skio_join(skio_socket *socket, const char *room)
{
    if (!skio__socket_is_member(socket))
        return SKIO_ECLOSED;
    if (room == NULL || !is_room_name(socket, room))
        return SKIO_EINVAL;

    struct eio_engine *engine = &socket->nsp->server->engine;
    skio_adapter *adapter = socket->nsp->adapter;
    int err;

    /* Those who watch rooms may disconnect the socket. */
    skio__engine_enter(engine);
    skio_socket_ref(socket);
    err = adapter->ops->join(adapter, socket, room);
    skio_socket_unref(socket);
    skio__engine_leave(engine);
    return err;
}

int
skio_leave(skio_socket *socket, const char *room)
{
    if (room == NULL || !skio__socket_is_member(socket))
        return SKIO_ENOENT;

    struct eio_engine *engine = &socket->nsp->server->engine;
    skio_adapter *adapter = socket->nsp->adapter;
    int err;

    skio__engine_enter(engine);
    skio_socket_ref(socket);
    err = adapter->ops->leave(adapter, socket, room);
    skio_socket_unref(socket);
    skio__engine_leave(engine);
    return err;
}

/* The first room that is not the socket's own. */
static bool
find_other_room(const char *room, void *user)
{
    const char **found = user;

    if (*found == NULL) {
        *found = room; /* its own comes first */
        return true;
    }
    *found = room;
    return false;
}

void
skio_leave_all(skio_socket *socket)
{
    for (;;) {
        const char *room = NULL;

        skio_each_room(socket, find_other_room, &room);
        if (room == NULL || room == socket->id)
            return;
        if (skio_leave(socket, room) != SKIO_OK)
            return;
    }
}

bool
skio_in_room(const skio_socket *socket, const char *room)
{
    struct eio_engine *engine;
    bool result;

    if (room == NULL || !skio__socket_is_member(socket))
        return false;
    engine = &socket->nsp->server->engine;
    skio__engine_enter(engine);
    result = socket->nsp->adapter->ops->has(socket->nsp->adapter, socket, room);
    skio__engine_leave(engine);
    return result;
}

void
skio_each_room(const skio_socket *socket, skio_room_fn *fn, void *user)
{
    if (!skio__socket_is_member(socket))
        return;

    struct eio_engine *engine = &socket->nsp->server->engine;
    skio_socket *held = skio_socket_ref((skio_socket *)(uintptr_t)socket);

    /* The callback may change anything. */
    skio__engine_enter(engine);
    held->nsp->adapter->ops->rooms(held->nsp->adapter, held, fn, user);
    skio_socket_unref(held);
    skio__engine_leave(engine);
}
