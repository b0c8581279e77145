#include "socketio/drain.h"

#include <string.h>

#include "base/compiler.h"
#include "base/id.h"
#include "base/mem.h"
#include "engineio/session.h"
#include "socketio/server.h"

struct sio_drain {
    skio_drain_fn *done;
    void *user;
    uint64_t start_ms;
    uint64_t last_ms; /* whoever is left is ended */
    uint32_t ms;
    bool is_over;
    size_t count;
    size_t next; /* whose turn it is */
    char ids[][EIO_ID_MAX + 1];
};

/* The sessions that are open now, oldest first. */
static struct sio_drain *
list_sessions(skio_server *server)
{
    const struct skio__map *sessions = &server->engine.sessions;
    size_t count = skio__map_count(sessions);
    struct skio__map_node *node;
    struct skio__map_node *after;
    struct sio_drain *drain;
    size_t size;

    if (skio__mul_overflow(count, sizeof drain->ids[0], &size) ||
        skio__add_overflow(size, sizeof *drain, &size))
        return NULL;
    drain = skio__mem_calloc(skio__server_mem(server), 1, size);
    if (drain == NULL)
        return NULL;
    SKIO__MAP_EACH(sessions, node, after) {
        const char *id = skio__session_id(
            skio__container_of(node, struct skio_session, node));

        memcpy(drain->ids[drain->count++], id, strlen(id));
    }
    return drain;
}

int
skio_server_drain(skio_server *server, uint32_t ms, skio_drain_fn *done,
                  void *user)
{
    struct sio_drain *drain;

    if (ms > INT32_MAX)
        return SKIO_EINVAL;
    if (server->engine.hooks.struct_size == 0)
        return SKIO_ENOTSUP;
    if (server->engine.shutting_down)
        return SKIO_ECLOSED;
    if (server->drain != NULL)
        return SKIO_EBUSY;

    drain = list_sessions(server);
    if (drain == NULL)
        return SKIO_ENOMEM;
    drain->done = done;
    drain->user = user;
    drain->ms = ms;
    drain->start_ms = skio__engine_now(&server->engine);
    drain->last_ms = drain->start_ms + ms + server->options.close_timeout_ms;
    server->drain = drain;
    server->engine.draining = true;
    skio__log(&server->engine.log, SKIO_LOG_INFO,
              "draining %zu sessions in %lu ms", drain->count,
              (unsigned long)ms);
    skio__server_wants_timer(server);
    return SKIO_OK;
}

bool
skio_server_is_draining(const skio_server *server)
{
    return server->engine.draining;
}

/* When the session at drain->next is to be closed. */
static uint64_t
turn_of_next(const struct sio_drain *drain)
{
    return drain->start_ms + (uint64_t)drain->ms * drain->next / drain->count;
}

uint64_t
skio__drain_next_due(const skio_server *server)
{
    const struct sio_drain *drain = server->drain;

    if (drain == NULL || drain->is_over)
        return SKIO__NEVER;
    if (skio__map_count(&server->engine.sessions) == 0)
        return 0;
    return drain->next < drain->count ? turn_of_next(drain) : drain->last_ms;
}

/* The application may do anything in here but free the server. */
static void
finish(skio_server *server)
{
    struct sio_drain *drain = server->drain;

    drain->is_over = true;
    skio__log(&server->engine.log, SKIO_LOG_INFO, "drained");
    skio__engine_enter(&server->engine);
    if (drain->done != NULL)
        drain->done(server, drain->user);
    else
        skio_server_stop(server);
    skio__engine_leave(&server->engine);
}

void
skio__drain_timeout(skio_server *server, uint64_t now_ms)
{
    struct sio_drain *drain = server->drain;
    struct eio_engine *engine = &server->engine;

    if (drain == NULL || drain->is_over)
        return;
    while (drain->next < drain->count && now_ms >= turn_of_next(drain)) {
        struct skio_session *session =
            skio__session_find(engine, drain->ids[drain->next++], SKIO__ID_LEN);

        if (session != NULL)
            skio__session_close(session, SKIO_DISCONNECT_SERVER_SHUTDOWN,
                                false);
    }
    if (now_ms >= drain->last_ms)
        skio__engine_shutdown(engine);
    skio__drain_turn(server);
}

void
skio__drain_turn(skio_server *server)
{
    if (server->drain != NULL && !server->drain->is_over &&
        skio__map_count(&server->engine.sessions) == 0)
        finish(server);
}

void
skio__drain_free(skio_server *server)
{
    skio__mem_free(skio__server_mem(server), server->drain);
    server->drain = NULL;
}
