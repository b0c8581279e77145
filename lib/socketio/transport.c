/*
 * The server's side of <socketio/transport.h>
 *
 * Exchanges and WebSockets are Engine.IO's own (engineio/); here stands what
 * concerns the whole server: attaching, the turn's end, timers, shutdown, and
 * small services for a transport's HTTP endpoints.
 */
#include <socketio/transport.h>

#include <string.h>

#include "base/format.h"
#include "base/mem.h"
#include "base/sized.h"
#include "engineio/exchange.h"
#include "socketio/drain.h"
#include "socketio/dynamic.h"
#include "socketio/loop.h"
#include "socketio/namespace.h"
#include "socketio/recovery_remote.h"
#include "socketio/server.h"
#include "socketio/value.h"

int
skio_transport_attach(skio_server *server, const skio_transport *hooks,
                      void *transport)
{
    skio_transport copy = {0};

    if (server->engine.hooks.struct_size != 0)
        return SKIO_EBUSY;

    skio__sized_read(&copy, sizeof copy, hooks);
    if (copy.now_ms == NULL || copy.wants_flush == NULL ||
        copy.wants_timer == NULL || copy.respond == NULL ||
        copy.ws_flush == NULL)
        return SKIO_EINVAL;

    copy.struct_size = sizeof copy;
    server->engine.hooks = copy;
    server->engine.transport = transport;
    skio__loop_attached(server);
    return SKIO_OK;
}

void *
skio_transport_of(const skio_server *server)
{
    return server->engine.transport;
}

const skio_server_options *
skio_transport_options(const skio_server *server)
{
    return &server->options;
}

void
skio_transport_limit_hit(skio_server *server, enum skio_transport_limit limit)
{
    static const enum eio_limit limits[] = {
        [SKIO_TRANSPORT_LIMIT] = EIO_LIMIT_transport,
        [SKIO_TRANSPORT_HEADER_TIMEOUT] = EIO_LIMIT_header_timeout_ms,
        [SKIO_TRANSPORT_BODY_TIMEOUT] = EIO_LIMIT_body_timeout_ms,
        [SKIO_TRANSPORT_QUERY_BYTES] = EIO_LIMIT_max_query_bytes,
        [SKIO_TRANSPORT_HEADERS] = EIO_LIMIT_max_headers,
        [SKIO_TRANSPORT_HEADER_BYTES] = EIO_LIMIT_max_header_bytes,
    };
    size_t i = (size_t)limit;

    if (i >= sizeof limits / sizeof *limits)
        i = SKIO_TRANSPORT_LIMIT;
    skio__limit_hit(&server->engine, limits[i]);
}

void
skio_transport_log(skio_server *server, enum skio_log_level level,
                   const char *format, ...)
{
    va_list args;

    va_start(args, format);
    skio__logv(&server->engine.log, level, format, args);
    va_end(args);
}

bool
skio_transport_owns(const skio_server *server, const char *path)
{
    return strncmp(path, server->engine.path, server->engine.path_len) == 0;
}

int
skio_exchange_new(skio_server *server, const skio_request *request,
                  void *handle, skio_exchange **out)
{
    return skio__exchange_new(&server->engine, request, handle, out);
}

void
skio_transport_flush(skio_server *server)
{
    skio__engine_take_thread(&server->engine);
    skio__engine_enter(&server->engine);
    /* What a client is told of its rooms is saved before. */
    skio__remote_flush(server);
    skio__engine_flush(&server->engine);
    skio__remote_flush(server);
    skio__engine_leave(&server->engine);

    skio__server_mind_pool(server);
    skio__drain_turn(server);
    /* What getters copied outside of a packet's callback ends with the turn. */
    if (server->engine.depth == 0) {
        skio__dynamic_sweep(server);
        skio__arena_release(&server->arena, (struct skio__arena_mark){0});
    }
}

int64_t
skio_transport_next_timeout(const skio_server *server)
{
    uint64_t due = skio__engine_next_due(&server->engine);
    uint64_t own = skio__server_next_due(server);
    uint64_t now;

    if (own < due)
        due = own;
    if (due == SKIO__NEVER)
        return -1;

    now = skio__engine_now(&server->engine);
    return due <= now ? 0 : (int64_t)(due - now);
}

void
skio_transport_timeout(skio_server *server)
{
    uint64_t now = skio__engine_now(&server->engine);

    skio__engine_enter(&server->engine);
    skio__engine_timeout(&server->engine, now);
    skio__server_timeout(server, now);
    skio__engine_leave(&server->engine);
}

void
skio_transport_shutdown(skio_server *server)
{
    skio__engine_enter(&server->engine);
    skio__nsp_shutdown(server);
    skio__engine_shutdown(&server->engine);
    skio__engine_leave(&server->engine);
}

int
skio_transport_expects(const skio_server *server)
{
    const struct eio_engine *engine = &server->engine;

    if (!engine->draining && !engine->shutting_down)
        return SKIO_EXPECT_ALL;
    return skio__map_count(&engine->sessions) > engine->websockets
               ? SKIO_EXPECT_SESSIONS
               : SKIO_EXPECT_NOBODY;
}

uint32_t
skio_transport_patience(const skio_server *server)
{
    return skio__drain_patience(server);
}

int
skio_transport_json(skio_server *server, skio_bytes *out, const char *format,
                    va_list args)
{
    struct skio__format_options options = {
        .mem = skio__server_mem(server),
        .max_json_depth = server->options.max_json_depth,
        .trust_raw_json = server->options.trust_raw_json,
        .is_value = true,
    };
    struct skio__buf buf;
    va_list copy;
    int err;

    skio__buf_init(&buf, skio__server_mem(server));
    buf.max = UINT32_MAX;
    va_copy(copy, args);
    err = skio__format(&options, &buf, format, &copy);
    va_end(copy);
    if (err != SKIO_OK) {
        skio__buf_deinit(&buf);
        return err;
    }

    out->data = skio__buf_steal(&buf, &out->len);
    return SKIO_OK;
}

void *
skio_transport_alloc(skio_server *server, size_t size)
{
    return skio__mem_alloc(skio__server_mem(server), size);
}

void
skio_transport_free(skio_server *server, void *ptr)
{
    skio__mem_free(skio__server_mem(server), ptr);
}

skio_value *
skio_value_new(skio_server *server, const char *json, size_t len)
{
    return skio__value_new(skio__server_mem(server), json, len,
                           server->options.max_json_depth);
}

void
skio_value_free(skio_value *value)
{
    skio__value_free(value);
}
