/*
 * What adapters ask of the core, <socketio/adapter.h>
 */
#include <socketio/adapter.h>

#include <string.h>

#include "socketio/asking.h"
#include "socketio/outgoing.h"
#include "socketio/recovery_remote.h"
#include "socketio/socket.h"
#include "socketio/taps.h"

int
skio_server_adapter(skio_server *server, skio_adapter_factory *factory,
                    void *user)
{
    skio_nsp *root = server->root;
    skio_adapter *adapter;
    int err;

    /* A callback may be one of the adapter's own. */
    if (server->engine.depth > 0 || skio__map_count(&server->namespaces) > 1 ||
        skio_nsp_count(root) > 0)
        return SKIO_EBUSY;

    err = factory(root, user, &adapter);
    if (err != SKIO_OK)
        return err;

    root->adapter->ops->close(root->adapter);
    root->adapter = adapter;
    skio__recovery_adopt(root);
    server->factory = factory;
    server->factory_user = user;
    skio__engine_enter(&server->engine);
    if (SIO_ADAPTER_HAS(adapter, open))
        adapter->ops->open(adapter);
    skio__engine_leave(&server->engine);
    return SKIO_OK;
}

void **
skio_adapter_slot(const skio_socket *socket)
{
    return (void **)(uintptr_t)&socket->slot;
}

void
skio_adapter_deliver(skio_socket *socket, skio_message *message, unsigned flags)
{
    /* One that cannot take it is dealt with when the turn ends. */
    if (skio__socket_is_member(socket))
        (void)skio__socket_send(socket, message, flags);
}

void
skio_adapter_deliver_asking(skio_socket *socket, skio_message *message,
                            unsigned flags, struct skio_asking *asking)
{
    /* Who cannot be asked any more must not get the question. */
    if (skio__socket_is_member(socket) &&
        skio__asking_add(asking, socket) == SKIO_OK)
        (void)skio__socket_send(socket, message,
                                flags & ~(unsigned)SKIO_VOLATILE);
}

bool
skio_adapter_is_watched(const skio_nsp *nsp)
{
    return skio__outgoing_is_watched(nsp);
}

void
skio_adapter_room_event(skio_nsp *nsp, enum skio_room_event event,
                        const char *room, skio_socket *socket)
{
    if (socket != NULL && socket->session != NULL)
        skio__remote_changed(socket->session);
    if (socket == NULL)
        SIO_TAP(nsp->server, room, nsp, event, room);
    SIO_NSP_RUN(nsp, room, skio_room_event_fn,
                fn(nsp, event, room, socket, user_data));
}

const skio_allocator *
skio_adapter_allocator(const skio_nsp *nsp)
{
    return skio__server_mem(nsp->server);
}

const unsigned char *
skio_adapter_hash_key(const skio_nsp *nsp)
{
    return nsp->server->hash_key;
}

const skio_server_options *
skio_adapter_options(const skio_nsp *nsp)
{
    return &nsp->server->options;
}

void
skio_adapter_log(const skio_nsp *nsp, enum skio_log_level level,
                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    skio__logv(&nsp->server->engine.log, level, format, args);
    va_end(args);
}
