/*
 * Emitting: to one socket, and to many through the adapter
 */
#include <socketio/emit.h>

#include "base/compiler.h"
#include "socketio/dynamic.h"
#include "socketio/recovery_remote.h"
#include "socketio/socket.h"
#include "socketio/taps.h"

/* Encode an event for one receiver. */
static int
encode(skio_nsp *nsp, const char *event, const char *format, va_list args,
       struct skio_message **out)
{
    va_list copy;
    int err;

    va_copy(copy, args);
    err = skio__message_event(&nsp->encoder, event, SIO_NO_ID, format, &copy,
                              out);
    va_end(copy);
    if (err != SKIO_OK)
        return err;
    (*out)->nsp = nsp;
    skio__nsp_tell_sent(nsp, event);
    return SKIO_OK;
}

/* Send an encoded event to one socket, with its offset if it is to be
 * recovered. */
static int
send(skio_socket *socket, struct skio_message *message, unsigned flags)
{
    const char *const own[] = {socket->id, NULL};
    const skio_target target = {.struct_size = sizeof target,
                                .to = own,
                                .flags = flags};
    struct skio_message *stamped =
        skio__recovery_stamp(socket->nsp, message, &target);
    int err;

    if (skio__remote_carries(message->nsp, socket) && stamped != NULL) {
        err = skio__remote_send(socket, stamped, flags);
        skio__message_unref(stamped);
        return err;
    }
    if (stamped == NULL)
        return SKIO_ENOMEM;
    skio__message_set_flags(stamped, flags);
    err = skio__socket_send(socket, stamped, flags);
    skio__message_unref(stamped);
    return err;
}

static int
emit(skio_socket *socket, unsigned flags, const char *event, const char *format,
     va_list args)
{
    struct skio_message *message;
    int err;

    if (socket->state == SIO_GONE || socket->client == NULL)
        return SKIO_ECLOSED;

    err = encode(socket->nsp, event, format, args, &message);
    if (err != SKIO_OK)
        return err;

    err = send(socket, message, flags);
    skio__message_unref(message);
    return err;
}

/* Send an encoded event to many, likewise. */
static int
send_to(struct skio_message *message, const skio_target *target)
{
    skio_adapter *adapter = message->nsp->adapter;
    struct eio_engine *engine = &message->nsp->server->engine;
    struct skio_message *stamped =
        skio__recovery_stamp(message->nsp, message, target);
    int err;

    if (stamped == NULL)
        return SKIO_ENOMEM;
    skio__message_set_flags(stamped, target != NULL ? target->flags : 0);
    /* Those who watch may do anything, free the server included. */
    skio__engine_enter(engine);
    err = adapter->ops->broadcast(adapter, stamped, target);
    skio__engine_leave(engine);
    skio__message_unref(stamped);
    return err;
}

int
skio_emit(skio_socket *socket, const char *event, const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = emit(socket, 0, event, format, args);
    va_end(args);
    return err;
}

int
skio_emitv(skio_socket *socket, const char *event, const char *format,
           va_list args)
{
    return emit(socket, 0, event, format, args);
}

int
skio_emit_volatile(skio_socket *socket, const char *event, const char *format,
                   ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = emit(socket, SKIO_VOLATILE, event, format, args);
    va_end(args);
    return err;
}

int
skio_emit_json(skio_socket *socket, const char *event, const char *json,
               size_t len)
{
    struct skio_message *message;
    int err;

    if (socket->state == SIO_GONE || socket->client == NULL)
        return SKIO_ECLOSED;

    err = skio__message_event_json(&socket->nsp->encoder, event, SIO_NO_ID,
                                   json, len, &message);
    if (err != SKIO_OK)
        return err;

    message->nsp = socket->nsp;
    skio__nsp_tell_sent(socket->nsp, event);
    err = send(socket, message, 0);
    skio__message_unref(message);
    return err;
}

/* Encode once and give it to the adapter. */
static int
broadcast_one(skio_nsp *nsp, const skio_target *target, const char *event,
              const char *format, va_list args)
{
    struct skio_message *message;
    int err = encode(nsp, event, format, args, &message);

    if (err != SKIO_OK)
        return err;

    err = send_to(message, target);
    skio__message_unref(message);
    return err;
}

/*
 * What is emitted to a parent goes to all of its children. Each packet names
 * its namespace, so they cannot share one encoding.
 */
static int
broadcast(skio_nsp *nsp, const skio_target *target, const char *event,
          const char *format, va_list args)
{
    struct skio__map_node *node;
    struct skio__map_node *after;
    int first_err = SKIO_OK;

    if (nsp->matcher == NULL)
        return broadcast_one(nsp, target, event, format, args);

    SKIO__MAP_EACH(&nsp->server->namespaces, node, after) {
        skio_nsp *child = skio__container_of(node, skio_nsp, node);
        int err;

        if (child->parent != nsp)
            continue;
        err = broadcast_one(child, target, event, format, args);
        if (first_err == SKIO_OK)
            first_err = err;
    }
    return first_err;
}

int
skio_emit_all(skio_nsp *nsp, const char *event, const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = broadcast(nsp, NULL, event, format, args);
    va_end(args);
    return err;
}

int
skio_emit_to(skio_nsp *nsp, const char *room, const char *event,
             const char *format, ...)
{
    va_list args;
    int err;

    if (room == NULL) /* an empty list of rooms would be everybody */
        return SKIO_EINVAL;
    va_start(args, format);
    err = broadcast(nsp, SKIO_TARGET(.to = SKIO_ROOMS(room)), event, format,
                    args);
    va_end(args);
    return err;
}

int
skio_emit_with(skio_nsp *nsp, const skio_target *target, const char *event,
               const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = broadcast(nsp, target, event, format, args);
    va_end(args);
    return err;
}

int
skio_emit_withv(skio_nsp *nsp, const skio_target *target, const char *event,
                const char *format, va_list args)
{
    return broadcast(nsp, target, event, format, args);
}

int
skio_broadcast(skio_socket *socket, const char *event, const char *format, ...)
{
    va_list args;
    int err;

    if (skio__socket_nsp(socket) == NULL)
        return SKIO_ECLOSED;
    va_start(args, format);
    err = broadcast(socket->nsp, SKIO_TARGET(.sender = socket), event, format,
                    args);
    va_end(args);
    return err;
}

int
skio_broadcast_to(skio_socket *socket, const char *room, const char *event,
                  const char *format, ...)
{
    va_list args;
    int err;

    if (room == NULL)
        return SKIO_EINVAL;
    if (skio__socket_nsp(socket) == NULL)
        return SKIO_ECLOSED;
    va_start(args, format);
    err = broadcast(socket->nsp,
                    SKIO_TARGET(.to = SKIO_ROOMS(room), .sender = socket),
                    event, format, args);
    va_end(args);
    return err;
}

skio_message *
skio_message_new(skio_nsp *nsp, const char *event, const char *format, ...)
{
    struct skio_message *message = NULL;
    va_list args;
    int err;

    if (nsp->adapter == NULL)
        return NULL;
    va_start(args, format);
    err = encode(nsp, event, format, args, &message);
    va_end(args);
    if (err != SKIO_OK)
        return NULL;
    nsp->refs++; /* it stays while there is a message for it */
    return message;
}

int
skio_message_emit(skio_message *message, skio_socket *socket)
{
    const skio_nsp *nsp = skio__socket_nsp(socket);

    if (nsp != NULL && nsp != message->nsp)
        return SKIO_EINVAL;
    if (nsp == NULL || socket->state == SIO_GONE || socket->client == NULL)
        return SKIO_ECLOSED;
    return send(socket, message, 0);
}

int
skio_message_emit_with(skio_message *message, const skio_target *target)
{
    return send_to(message, target);
}

void
skio_message_free(skio_message *message)
{
    if (message == NULL)
        return;
    message->nsp->refs--;
    skio__dynamic_left(message->nsp);
    skio__message_unref(message);
}

int
skio_sockets_join(skio_nsp *nsp, const skio_target *target, const char *room)
{
    int err;

    if (nsp->adapter == NULL)
        return SKIO_EINVAL; /* a parent has no sockets of its own */
    skio__engine_enter(&nsp->server->engine);
    err = nsp->adapter->ops->sockets_join(nsp->adapter, target, room);
    skio__engine_leave(&nsp->server->engine);
    return err;
}

int
skio_sockets_leave(skio_nsp *nsp, const skio_target *target, const char *room)
{
    int err;

    if (nsp->adapter == NULL)
        return SKIO_EINVAL; /* a parent has no sockets of its own */
    skio__engine_enter(&nsp->server->engine);
    err = nsp->adapter->ops->sockets_leave(nsp->adapter, target, room);
    skio__engine_leave(&nsp->server->engine);
    return err;
}

int
skio_sockets_disconnect(skio_nsp *nsp, const skio_target *target, bool close)
{
    int err;

    if (nsp->adapter == NULL)
        return SKIO_EINVAL; /* a parent has no sockets of its own */
    skio__engine_enter(&nsp->server->engine);
    err = nsp->adapter->ops->sockets_disconnect(nsp->adapter, target, close);
    skio__engine_leave(&nsp->server->engine);
    return err;
}

int
skio_sockets_fetch(skio_nsp *nsp, const skio_target *target, skio_fetch_fn *fn,
                   void *user)
{
    int err;

    if (nsp->adapter == NULL)
        return SKIO_EINVAL; /* a parent has no sockets of its own */
    skio__engine_enter(&nsp->server->engine);
    err = nsp->adapter->ops->fetch(nsp->adapter, target, fn, user);
    skio__engine_leave(&nsp->server->engine);
    return err;
}
