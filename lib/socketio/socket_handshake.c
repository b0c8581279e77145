/*
 * What a client said when it connected: the first request of its session, and
 * the auth of its CONNECT
 */
#include <string.h>

#include "engineio/cookie.h"
#include "engineio/request.h"
#include "socketio/socket.h"

const skio_value *
skio_socket_auth(const skio_socket *socket)
{
    return socket->auth;
}

const char *
skio_socket_header(const skio_socket *socket, const char *name)
{
    return skio__request_header(socket->request, name);
}

void
skio_socket_each_header(const skio_socket *socket, skio_pair_fn *fn, void *user)
{
    skio_nsp *nsp = skio__socket_nsp(socket);
    struct eio_engine *engine = nsp != NULL ? &nsp->server->engine : NULL;

    if (engine != NULL)
        skio__engine_enter(engine);
    (void)skio__request_each(socket->request, fn, user);
    if (engine != NULL)
        skio__engine_leave(engine);
}

const char *
skio_socket_latest_header(const skio_socket *socket, const char *name)
{
    return skio__request_header(skio__request_latest(socket->request), name);
}

void
skio_socket_each_query(const skio_socket *socket, skio_pair_fn *fn, void *user)
{
    const char *query = skio__request_query(socket->request);
    skio_nsp *nsp = skio__socket_nsp(socket);
    char *scratch;

    if (nsp == NULL)
        return;
    scratch = skio__arena_alloc(&nsp->server->arena, strlen(query) + 2);
    if (scratch == NULL)
        return;
    skio__engine_enter(&nsp->server->engine);
    (void)skio__query_each(query, scratch, fn, user);
    skio__engine_leave(&nsp->server->engine);
}

const char *
skio_socket_query(const skio_socket *socket, const char *name)
{
    const char *query = skio__request_query(socket->request);
    size_t size = strlen(query) + 1;
    char *out;

    if (skio__socket_nsp(socket) == NULL)
        return NULL;

    out = skio__arena_alloc(&socket->nsp->server->arena, size);
    if (out == NULL || skio__query_get(query, name, out, size) < 0)
        return NULL;
    return out;
}

const char *
skio_socket_cookie(const skio_socket *socket, const char *name)
{
    const char *header = skio__request_header(socket->request, "cookie");
    const char *value;
    size_t len;
    char *out;

    if (header == NULL || skio__socket_nsp(socket) == NULL ||
        !skio__cookie_find(header, name, &value, &len))
        return NULL;
    out = skio__arena_alloc(&socket->nsp->server->arena, len + 1);
    if (out == NULL || skio__cookie_decode(value, len, out, len + 1) < 0)
        return NULL;
    return out;
}

const char *
skio_socket_address(const skio_socket *socket)
{
    return skio__request_address(socket->request);
}

const char *
skio_socket_url(const skio_socket *socket)
{
    return skio__request_target(socket->request);
}

bool
skio_socket_is_secure(const skio_socket *socket)
{
    return skio__request_is_secure(socket->request);
}

bool
skio_socket_is_xdomain(const skio_socket *socket)
{
    const char *origin = skio_socket_header(socket, "origin");

    return origin != NULL && *origin != '\0';
}

uint64_t
skio_socket_issued(const skio_socket *socket)
{
    return socket->issued_ms;
}
