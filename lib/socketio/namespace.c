#include "socketio/namespace.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "socketio/packet.h"
#include "socketio/socket.h"

skio_nsp *
skio__nsp_find(const skio_server *server, const char *name, size_t len)
{
    struct skio__map_node *node;

    node = skio__map_find(&server->namespaces, name, len);
    return node == NULL ? NULL : skio__container_of(node, skio_nsp, node);
}

skio_nsp *
skio_of(skio_server *server, const char *name)
{
    const skio_allocator *mem = skio__server_mem(server);
    size_t slash = name[0] == '/' ? 0 : 1;
    size_t len = strlen(name) + slash;
    skio_nsp *nsp;

    if (len > server->options.max_name_bytes ||
        !skio__utf8_valid(name, len - slash))
        return NULL;

    nsp = skio__mem_calloc(mem, 1, sizeof *nsp + len + 1);
    if (nsp == NULL)
        return NULL;

    nsp->name[0] = '/';
    memcpy(nsp->name + slash, name, len - slash);
    nsp->name_len = len;

    /* Only now is there a name with its slash to look for. */
    skio_nsp *found = skio__nsp_find(server, nsp->name, len);
    if (found != NULL) {
        skio__mem_free(mem, nsp);
        return found;
    }

    nsp->server = server;
    skio__map_init(&nsp->sockets, mem, server->hash_key);
    skio__map_init(&nsp->events, mem, server->hash_key);

    if (server->factory(nsp, server->factory_user, &nsp->adapter) != SKIO_OK)
        goto fail;
    if (skio__map_put(&server->namespaces, &nsp->node, nsp->name, len) !=
        SKIO_OK)
        goto fail;

    return nsp;

fail:
    skio__nsp_free(nsp);
    return NULL;
}

void
skio__nsp_free(skio_nsp *nsp)
{
    const skio_allocator *mem = skio__server_mem(nsp->server);
    struct skio__map_node *node;
    struct skio__map_node *after;

    SKIO__MAP_EACH(&nsp->events, node, after) {
        struct sio_event *event =
            skio__container_of(node, struct sio_event, node);

        skio__map_remove(&nsp->events, node);
        skio__handlers_deinit(&event->handlers, mem);
        skio__mem_free(mem, event);
    }
    skio__map_deinit(&nsp->events);
    skio__map_deinit(&nsp->sockets);

    skio__handlers_deinit(&nsp->any, mem);
    skio__handlers_deinit(&nsp->connect, mem);
    skio__handlers_deinit(&nsp->disconnecting, mem);
    skio__handlers_deinit(&nsp->disconnect, mem);
    skio__handlers_deinit(&nsp->backpressure, mem);
    skio__handlers_deinit(&nsp->middlewares, mem);

    if (nsp->adapter != NULL)
        nsp->adapter->ops->close(nsp->adapter);
    skio__mem_free(mem, nsp);
}

void
skio__nsp_encoder(skio_nsp *nsp, struct sio_encoder *encoder)
{
    skio_server *server = nsp->server;
    const skio_server_options *options = &server->options;

    *encoder = (struct sio_encoder){
        .mem = skio__server_mem(server),
        .scratch = &server->scratch,
        .nsp = nsp->name,
        .max_attachments = options->max_attachments,
        .max_json_depth = options->max_json_depth,
        .max_name_bytes = options->max_name_bytes,
        .max_bytes = options->max_outbound_bytes,
        .trust_raw_json = options->trust_raw_json,
    };
}

/* The handlers of an event, or NULL. */
static struct sio_event *
find_event(const skio_nsp *nsp, const char *event, size_t len)
{
    struct skio__map_node *node = skio__map_find(&nsp->events, event, len);

    return node == NULL ? NULL
                        : skio__container_of(node, struct sio_event, node);
}

void
skio__nsp_dispatch(skio_nsp *nsp, skio_socket *socket, const char *event,
                   size_t len, const skio_value *args, skio_ack *ack)
{
    struct sio_event *found;

    SIO_HANDLERS_RUN(&nsp->any, skio_any_fn,
                     fn(socket, event, args, user_data));

    /* The catch-all handlers may have disconnected the socket. */
    found = find_event(nsp, event, len);
    if (found == NULL || socket->state != SIO_CONNECTED)
        return;

    /* A handler can add and remove handlers, but events never go away. */
    SIO_HANDLERS_RUN(&found->handlers, skio_event_fn,
                     fn(socket, args, ack, user_data));
}

const char *
skio_nsp_name(const skio_nsp *nsp)
{
    return nsp->name;
}

skio_server *
skio_nsp_server(const skio_nsp *nsp)
{
    return nsp->server;
}

size_t
skio_nsp_count(const skio_nsp *nsp)
{
    return skio__map_count(&nsp->sockets);
}

skio_socket *
skio_nsp_socket(const skio_nsp *nsp, const char *id)
{
    struct skio__map_node *node;

    node = skio__map_find(&nsp->sockets, id, strlen(id));
    return node == NULL ? NULL : skio__container_of(node, skio_socket, node);
}

int
skio_on(skio_nsp *nsp, const char *event, skio_event_fn *fn, void *user)
{
    const skio_allocator *mem = skio__server_mem(nsp->server);
    size_t len = strlen(event);
    struct sio_event *found = find_event(nsp, event, len);

    if (len > nsp->server->options.max_name_bytes ||
        skio__packet_is_reserved(event, len))
        return SKIO_EINVAL;

    if (found == NULL) {
        found = skio__mem_calloc(mem, 1, sizeof *found + len + 1);
        if (found == NULL)
            return SKIO_ENOMEM;
        memcpy(found->name, event, len);
        if (skio__map_put(&nsp->events, &found->node, found->name, len) !=
            SKIO_OK) {
            skio__mem_free(mem, found);
            return SKIO_ENOMEM;
        }
    }

    return skio__handlers_add(&found->handlers, mem, (sio_any_function *)fn,
                              user);
}

int
skio_off(skio_nsp *nsp, const char *event, skio_event_fn *fn, void *user)
{
    struct sio_event *found = find_event(nsp, event, strlen(event));

    if (found == NULL)
        return 0;
    return skio__handlers_remove(&found->handlers, (sio_any_function *)fn,
                                 user);
}

int
skio_on_any(skio_nsp *nsp, skio_any_fn *fn, void *user)
{
    return skio__handlers_add(&nsp->any, skio__server_mem(nsp->server),
                              (sio_any_function *)fn, user);
}

int
skio_on_connect(skio_nsp *nsp, skio_connect_fn *fn, void *user)
{
    return skio__handlers_add(&nsp->connect, skio__server_mem(nsp->server),
                              (sio_any_function *)fn, user);
}

int
skio_on_disconnecting(skio_nsp *nsp, skio_disconnect_fn *fn, void *user)
{
    return skio__handlers_add(&nsp->disconnecting,
                              skio__server_mem(nsp->server),
                              (sio_any_function *)fn, user);
}

int
skio_on_disconnect(skio_nsp *nsp, skio_disconnect_fn *fn, void *user)
{
    return skio__handlers_add(&nsp->disconnect, skio__server_mem(nsp->server),
                              (sio_any_function *)fn, user);
}

int
skio_on_backpressure(skio_nsp *nsp, skio_backpressure_fn *fn, void *user)
{
    return skio__handlers_add(&nsp->backpressure, skio__server_mem(nsp->server),
                              (sio_any_function *)fn, user);
}

int
skio_use(skio_nsp *nsp, skio_middleware_fn *fn, void *user)
{
    return skio__handlers_add(&nsp->middlewares, skio__server_mem(nsp->server),
                              (sio_any_function *)fn, user);
}

int
skio_each_socket(skio_nsp *nsp, skio_socket_fn *fn, void *user)
{
    return nsp->adapter->ops->each(nsp->adapter, NULL, fn, user);
}
