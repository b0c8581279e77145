#include "socketio/namespace.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "socketio/dynamic.h"
#include "socketio/packet.h"
#include "socketio/recovery.h"
#include "socketio/socket.h"

skio_nsp *
skio__nsp_find(const skio_server *server, const char *name, size_t len)
{
    struct skio__map_node *node;

    node = skio__map_find(&server->namespaces, name, len);
    return node == NULL ? NULL : skio__container_of(node, skio_nsp, node);
}

skio_nsp *
skio__nsp_new(skio_server *server, const char *name, size_t len,
              skio_nsp *parent)
{
    const skio_allocator *mem = skio__server_mem(server);
    skio_nsp *nsp = skio__mem_calloc(mem, 1, sizeof *nsp + len + 1);

    if (nsp == NULL)
        return NULL;

    memcpy(nsp->name, name, len);
    nsp->name_len = len;
    nsp->server = server;
    nsp->parent = parent;
    skio__nsp_encoder(nsp, &nsp->encoder);
    skio__map_init(&nsp->sockets, mem, server->hash_key);
    skio__events_init(&nsp->events, mem, server->hash_key);
    skio__events_init(&nsp->server_events, mem, server->hash_key);

    if (server->options.recovery_ms > 0) {
        nsp->recovery = skio__recovery_new(nsp);
        if (nsp->recovery == NULL)
            goto fail;
    }
    if (server->factory(nsp, server->factory_user, &nsp->adapter) != SKIO_OK)
        goto fail;
    skio__recovery_adopt(nsp);
    if (skio__map_put(&server->namespaces, &nsp->node, nsp->name, len) !=
        SKIO_OK)
        goto fail;

    if (parent != NULL)
        server->dynamic_count++;
    if (SIO_ADAPTER_HAS(nsp->adapter, open))
        nsp->adapter->ops->open(nsp->adapter);
    SIO_HANDLERS_RUN(&server->namespace_made, skio_nsp_fn, fn(nsp, user_data));
    return nsp;

fail:
    skio__nsp_free(nsp);
    return NULL;
}

skio_nsp *
skio_of(skio_server *server, const char *name)
{
    const skio_allocator *mem = skio__server_mem(server);
    size_t slash = name[0] == '/' ? 0 : 1;
    size_t len = strlen(name) + slash;
    char *full;
    skio_nsp *nsp;

    if (len > server->options.max_name_bytes ||
        !skio__utf8_valid(name, len - slash))
        return NULL;

    nsp = slash == 0 ? skio__nsp_find(server, name, len) : NULL;
    if (nsp != NULL)
        return nsp;

    full = skio__mem_alloc(mem, len + 1);
    if (full == NULL)
        return NULL;
    full[0] = '/';
    memcpy(full + slash, name, len - slash + 1);

    nsp = skio__nsp_find(server, full, len);
    if (nsp == NULL) {
        skio__engine_enter(&server->engine);
        nsp = skio__nsp_new(server, full, len,
                            skio__dynamic_parent(server, full));
        skio__engine_leave(&server->engine);
        /* The application has a pointer to it: it is not cleaned up. */
        if (nsp != NULL)
            nsp->refs++;
    }
    skio__mem_free(mem, full);
    return nsp;
}

skio_nsp *
skio_nsp_find(const skio_server *server, const char *name)
{
    return skio__nsp_find(server, name, strlen(name));
}

void
skio_each_nsp(skio_server *server, skio_each_nsp_fn *fn, void *user)
{
    struct skio__map_node *node;
    struct skio__map_node *after;

    /* None of them ends before this turn does. */
    skio__engine_enter(&server->engine);
    SKIO__MAP_EACH(&server->namespaces, node, after) {
        if (!fn(skio__container_of(node, skio_nsp, node), user))
            break;
    }
    skio__engine_leave(&server->engine);
}

void
skio_each_parent(skio_server *server, skio_each_nsp_fn *fn, void *user)
{
    skio_nsp *nsp = server->parents;

    skio__engine_enter(&server->engine);
    while (nsp != NULL && fn(nsp, user))
        nsp = nsp->matcher->next;
    skio__engine_leave(&server->engine);
}

void
skio__nsp_free(skio_nsp *nsp)
{
    const skio_allocator *mem = skio__server_mem(nsp->server);

    skio__events_deinit(&nsp->events);
    skio__events_deinit(&nsp->server_events);
    skio__map_deinit(&nsp->sockets);

    skio__handlers_deinit(&nsp->any, mem);
    skio__handlers_deinit(&nsp->any_outgoing, mem);
    skio__handlers_deinit(&nsp->event_middlewares, mem);
    skio__handlers_deinit(&nsp->error, mem);
    skio__handlers_deinit(&nsp->room, mem);
    skio__handlers_deinit(&nsp->connect, mem);
    skio__handlers_deinit(&nsp->disconnecting, mem);
    skio__handlers_deinit(&nsp->disconnect, mem);
    skio__handlers_deinit(&nsp->backpressure, mem);
    skio__handlers_deinit(&nsp->expired, mem);
    skio__handlers_deinit(&nsp->shared, mem);
    skio__handlers_deinit(&nsp->middlewares, mem);

    if (nsp->adapter != NULL)
        nsp->adapter->ops->close(nsp->adapter);
    skio__recovery_free(nsp->recovery);
    skio__mem_free(mem, nsp->matcher);
    skio__mem_free(mem, nsp);
}

void
skio__nsp_shutdown(skio_server *server)
{
    struct skio__map_node *node;
    struct skio__map_node *after;

    if (server->engine.shutting_down)
        return;
    SKIO__MAP_EACH(&server->namespaces, node, after) {
        skio_adapter *adapter =
            skio__container_of(node, skio_nsp, node)->adapter;

        if (SIO_ADAPTER_HAS(adapter, shutdown))
            adapter->ops->shutdown(adapter);
    }
}

void
skio__nsp_encoder(skio_nsp *nsp, struct sio_encoder *encoder)
{
    skio_server *server = nsp->server;
    const skio_server_options *options = &server->options;

    *encoder = (struct sio_encoder){
        .mem = skio__server_mem(server),
        .pool = &server->pool,
        .scratch = &server->scratch,
        .nsp = nsp->name,
        .max_attachments = options->max_attachments,
        .max_json_depth = options->max_json_depth,
        .max_name_bytes = options->max_name_bytes,
        .max_bytes = options->max_outbound_bytes,
        .trust_raw_json = options->trust_raw_json,
        .parser = options->parser,
        .packed = &server->packed,
    };
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

/* The list of an event, made on first use. SKIO_OK, or why not. */
static int
event_list(skio_nsp *nsp, const char *event, struct sio_handlers **out)
{
    size_t len = strlen(event);
    struct sio_event *found;

    skio__engine_check_thread(&nsp->server->engine);
    if (len > nsp->server->options.max_name_bytes ||
        skio__packet_is_reserved(event, len))
        return SKIO_EINVAL;

    found = skio__events_get(&nsp->events, event, len);
    if (found == NULL)
        return SKIO_ENOMEM;
    *out = &found->handlers;
    return SKIO_OK;
}

int
skio_on(skio_nsp *nsp, const char *event, skio_event_fn *fn, void *user)
{
    struct sio_handlers *list;
    int err = event_list(nsp, event, &list);

    return err != SKIO_OK
               ? err
               : skio__handlers_add(list, skio__server_mem(nsp->server),
                                    (sio_any_function *)fn, user);
}

int
skio_prepend(skio_nsp *nsp, const char *event, skio_event_fn *fn, void *user)
{
    struct sio_handlers *list;
    int err = event_list(nsp, event, &list);

    return err != SKIO_OK
               ? err
               : skio__handlers_prepend(list, skio__server_mem(nsp->server),
                                        (sio_any_function *)fn, user);
}

int
skio_once(skio_nsp *nsp, const char *event, skio_event_fn *fn, void *user)
{
    struct sio_handlers *list;
    int err = event_list(nsp, event, &list);

    return err != SKIO_OK
               ? err
               : skio__handlers_add_once(list, skio__server_mem(nsp->server),
                                         (sio_any_function *)fn, user);
}

int
skio_off(skio_nsp *nsp, const char *event, skio_event_fn *fn, void *user)
{
    struct sio_event *found =
        skio__events_find(&nsp->events, event, strlen(event));

    skio__engine_check_thread(&nsp->server->engine);
    if (found == NULL)
        return 0;
    return skio__handlers_remove(&found->handlers, (sio_any_function *)fn,
                                 user);
}

/* Add to one of the lists that have no event's name. */
static int
add_to(skio_nsp *nsp, struct sio_handlers *list, sio_any_function *fn,
       void *user)
{
    skio__engine_check_thread(&nsp->server->engine);
    return skio__handlers_add(list, skio__server_mem(nsp->server), fn, user);
}

int
skio_on_any(skio_nsp *nsp, skio_any_fn *fn, void *user)
{
    return add_to(nsp, &nsp->any, (sio_any_function *)fn, user);
}

int
skio_prepend_any(skio_nsp *nsp, skio_any_fn *fn, void *user)
{
    return skio__handlers_prepend(&nsp->any, skio__server_mem(nsp->server),
                                  (sio_any_function *)fn, user);
}

int
skio_off_any(skio_nsp *nsp, skio_any_fn *fn, void *user)
{
    return skio__handlers_remove(&nsp->any, (sio_any_function *)fn, user);
}

int
skio_on_any_outgoing(skio_nsp *nsp, skio_any_fn *fn, void *user)
{
    return add_to(nsp, &nsp->any_outgoing, (sio_any_function *)fn, user);
}

int
skio_prepend_any_outgoing(skio_nsp *nsp, skio_any_fn *fn, void *user)
{
    return skio__handlers_prepend(&nsp->any_outgoing,
                                  skio__server_mem(nsp->server),
                                  (sio_any_function *)fn, user);
}

int
skio_off_any_outgoing(skio_nsp *nsp, skio_any_fn *fn, void *user)
{
    return skio__handlers_remove(&nsp->any_outgoing, (sio_any_function *)fn,
                                 user);
}

size_t
skio_listeners(const skio_nsp *nsp, const char *event)
{
    const struct sio_event *found =
        skio__events_find(&nsp->events, event, strlen(event));
    size_t count = 0;

    for (uint32_t i = 0; found != NULL && i < found->handlers.count; i++)
        count += found->handlers.items[i].fn != NULL;
    return count;
}

int
skio_use_event(skio_nsp *nsp, skio_event_middleware_fn *fn, void *user)
{
    return add_to(nsp, &nsp->event_middlewares, (sio_any_function *)fn, user);
}

int
skio_on_error(skio_nsp *nsp, skio_error_fn *fn, void *user)
{
    return add_to(nsp, &nsp->error, (sio_any_function *)fn, user);
}

int
skio_on_room(skio_nsp *nsp, skio_room_event_fn *fn, void *user)
{
    return add_to(nsp, &nsp->room, (sio_any_function *)fn, user);
}

int
skio_on_connect(skio_nsp *nsp, skio_connect_fn *fn, void *user)
{
    return add_to(nsp, &nsp->connect, (sio_any_function *)fn, user);
}

int
skio_on_disconnecting(skio_nsp *nsp, skio_disconnect_fn *fn, void *user)
{
    return add_to(nsp, &nsp->disconnecting, (sio_any_function *)fn, user);
}

int
skio_on_disconnect(skio_nsp *nsp, skio_disconnect_fn *fn, void *user)
{
    return add_to(nsp, &nsp->disconnect, (sio_any_function *)fn, user);
}

int
skio_on_backpressure(skio_nsp *nsp, skio_backpressure_fn *fn, void *user)
{
    return add_to(nsp, &nsp->backpressure, (sio_any_function *)fn, user);
}

int
skio_on_expired(skio_nsp *nsp, skio_expired_fn *fn, void *user)
{
    return add_to(nsp, &nsp->expired, (sio_any_function *)fn, user);
}

int
skio_on_shared(skio_nsp *nsp, skio_shared_fn *fn, void *user)
{
    return add_to(nsp, &nsp->shared, (sio_any_function *)fn, user);
}

int
skio_use(skio_nsp *nsp, skio_middleware_fn *fn, void *user)
{
    return add_to(nsp, &nsp->middlewares, (sio_any_function *)fn, user);
}

int
skio_on_namespace(skio_server *server, skio_nsp_fn *fn, void *user)
{
    return skio__handlers_add(&server->namespace_made, skio__server_mem(server),
                              (sio_any_function *)fn, user);
}

int
skio_each_socket(skio_nsp *nsp, skio_socket_fn *fn, void *user)
{
    int err;

    if (nsp->adapter == NULL)
        return SKIO_EINVAL; /* a parent has no sockets of its own */
    skio__engine_enter(&nsp->server->engine);
    err = nsp->adapter->ops->each(nsp->adapter, NULL, fn, user);
    skio__engine_leave(&nsp->server->engine);
    return err;
}
