/*
 * What the application and its addons hang on a socket: data of its own,
 * attached data, and data that other servers may read
 */
#include "base/format.h"
#include "base/mem.h"
#include "socketio/recovery_remote.h"
#include "socketio/socket.h"

/* The application's free_fn is a callback of the server as any other. */
static void
free_data(const skio_socket *socket, void (*free_fn)(void *data), void *data)
{
    skio_nsp *nsp = skio__socket_nsp(socket);

    if (free_fn == NULL)
        return;
    if (nsp != NULL)
        skio__engine_enter(&nsp->server->engine);
    free_fn(data);
    if (nsp != NULL)
        skio__engine_leave(&nsp->server->engine);
}

static void
free_attached(skio_socket *socket, struct sio_attached *attached)
{
    void (*free_fn)(void *data) = attached->free_fn;
    void *data = attached->data;

    skio__mem_free(&socket->home->mem, attached);
    free_data(socket, free_fn, data);
}

void
skio__socket_drop_data(skio_socket *socket)
{
    skio_socket_set_data(socket, NULL, NULL);
    while (socket->attached != NULL) {
        struct sio_attached *first = socket->attached;

        socket->attached = first->next;
        free_attached(socket, first);
    }
}

void
skio_socket_set_data(skio_socket *socket, void *data,
                     void (*free_fn)(void *data))
{
    void *old = socket->data;
    void (*free_old)(void *data) = socket->free_data;

    socket->data = data;
    socket->free_data = free_fn;
    free_data(socket, free_old, old);
}

void *
skio_socket_data(const skio_socket *socket)
{
    return socket->data;
}

int
skio_socket_attach(skio_socket *socket, const void *key, void *data,
                   void (*free_fn)(void *data))
{
    struct sio_attached **link = skio__attached_find(&socket->attached, key);
    struct sio_attached *old = *link;

    if (socket->state == SIO_GONE)
        return SKIO_ECLOSED;
    if (data != NULL) {
        int err = skio__attached_add(&socket->attached, &socket->home->mem, key,
                                     data, free_fn);

        if (err != SKIO_OK)
            return err;
        if (link == &socket->attached)
            link = &socket->attached->next;
    }
    if (old != NULL) {
        *link = old->next;
        free_attached(socket, old);
    }
    return SKIO_OK;
}

void *
skio_socket_attached(const skio_socket *socket, const void *key)
{
    const struct sio_attached *each = socket->attached;

    while (each != NULL && each->key != key)
        each = each->next;
    return each == NULL ? NULL : each->data;
}

/* The handlers may do anything, and set it once more. */
static void
tell_shared(skio_socket *socket)
{
    struct eio_engine *engine = &socket->nsp->server->engine;

    skio__engine_enter(engine);
    skio_socket_ref(socket);
    SIO_NSP_RUN(socket->nsp, shared, skio_shared_fn, fn(socket, user_data));
    skio_socket_unref(socket);
    skio__engine_leave(engine);
}

int
skio_socket_set_shared(skio_socket *socket, const char *format, ...)
{
    const skio_allocator *mem = &socket->home->mem;
    struct skio__buf buf;
    va_list args;
    char *json;
    int err;

    if (skio__socket_nsp(socket) == NULL)
        return SKIO_ECLOSED;

    const skio_server_options *limits = &socket->nsp->server->options;
    struct skio__format_options options = {
        .mem = mem,
        .max_json_depth = limits->max_json_depth,
        .trust_raw_json = limits->trust_raw_json,
        .is_value = true,
    };

    skio__buf_init(&buf, mem);
    buf.max = limits->max_http_buffer_size;
    va_start(args, format);
    va_list copy;
    va_copy(copy, args);
    err = skio__format(&options, &buf, format, &copy);
    va_end(copy);
    va_end(args);
    if (err == SKIO_OK)
        err = skio__buf_putc(&buf, '\0');
    if (err != SKIO_OK) {
        skio__buf_deinit(&buf);
        return err;
    }

    size_t len;
    json = skio__buf_steal(&buf, &len);
    skio__mem_free(mem, socket->shared);
    socket->shared = json;
    if (socket->session != NULL)
        skio__remote_changed(socket->session);
    if (SIO_NSP_HAS(socket->nsp, shared))
        tell_shared(socket);
    return SKIO_OK;
}

const char *
skio_socket_shared(const skio_socket *socket)
{
    return socket->shared == NULL ? "{}" : socket->shared;
}
