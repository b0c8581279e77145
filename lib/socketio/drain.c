#include "socketio/drain.h"

#include <string.h>

#include "base/compiler.h"
#include "base/id.h"
#include "base/mem.h"
#include "engineio/session.h"
#include "socketio/server.h"

#define RETRY_MS 100 /* the list, when memory ran out */

/* The sessions whose turn comes, oldest first. */
struct sio_leaving {
    size_t count;
    size_t next; /* whose turn it is */
    char ids[][EIO_ID_MAX + 1];
};

struct sio_drain {
    skio_drain_fn *done;
    void *user;
    uint64_t start_ms; /* of the turns */
    uint64_t last_ms;  /* whoever is left is ended */
    uint32_t ms;
    bool is_over;
    struct sio_leaving *leaving; /* NULL: before the turns */
};

/* The sessions that are open now. */
static struct sio_leaving *
list_sessions(skio_server *server)
{
    const struct skio__map *sessions = &server->engine.sessions;
    size_t count = skio__map_count(sessions);
    struct skio__map_node *node;
    struct skio__map_node *after;
    struct sio_leaving *leaving;
    size_t size;

    if (skio__mul_overflow(count, sizeof leaving->ids[0], &size) ||
        skio__add_overflow(size, sizeof *leaving, &size))
        return NULL;
    leaving = skio__mem_calloc(skio__server_mem(server), 1, size);
    if (leaving == NULL)
        return NULL;
    SKIO__MAP_EACH(sessions, node, after) {
        const char *id = skio__session_id(
            skio__container_of(node, struct skio_session, node));

        memcpy(leaving->ids[leaving->count++], id, strlen(id));
    }
    return leaving;
}

/* The lead is over: nobody else comes in, and those who are here have turns. */
static bool
begin_turns(skio_server *server)
{
    struct sio_drain *drain = server->drain;

    drain->leaving = list_sessions(server);
    if (drain->leaving == NULL)
        return false;
    server->engine.draining = true;
    skio__log(&server->engine.log, SKIO_LOG_INFO,
              "draining %zu sessions in %lu ms", drain->leaving->count,
              (unsigned long)drain->ms);
    skio__engine_want_flush(&server->engine); /* the transport may act on it */
    return true;
}

int
skio_server_drain(skio_server *server, uint32_t ms, skio_drain_fn *done,
                  void *user)
{
    uint32_t lead_ms = server->options.drain_lead_ms;
    struct sio_drain *drain;

    if (ms > INT32_MAX)
        return SKIO_EINVAL;
    if (server->engine.hooks.struct_size == 0)
        return SKIO_ENOTSUP;
    if (server->engine.shutting_down)
        return SKIO_ECLOSED;
    if (server->drain != NULL)
        return SKIO_EBUSY;

    drain = skio__mem_calloc(skio__server_mem(server), 1, sizeof *drain);
    if (drain == NULL)
        return SKIO_ENOMEM;
    drain->done = done;
    drain->user = user;
    drain->ms = ms;
    drain->start_ms = skio__engine_now(&server->engine) + lead_ms;
    drain->last_ms = drain->start_ms + ms + server->options.close_timeout_ms;
    server->drain = drain;
    if (lead_ms > 0) {
        skio__log(&server->engine.log, SKIO_LOG_INFO,
                  "draining begins in %lu ms", (unsigned long)lead_ms);
    } else if (!begin_turns(server)) {
        skio__drain_free(server);
        return SKIO_ENOMEM;
    }
    skio__server_wants_timer(server);
    return SKIO_OK;
}

bool
skio_server_is_draining(const skio_server *server)
{
    return server->drain != NULL || server->engine.shutting_down;
}

/* When the next session is to be closed. */
static uint64_t
turn_of_next(const struct sio_drain *drain)
{
    const struct sio_leaving *leaving = drain->leaving;

    return drain->start_ms +
           (uint64_t)drain->ms * leaving->next / leaving->count;
}

uint64_t
skio__drain_next_due(const skio_server *server)
{
    const struct sio_drain *drain = server->drain;

    if (drain == NULL || drain->is_over)
        return SKIO__NEVER;
    if (drain->leaving == NULL)
        return drain->start_ms;
    if (skio__map_count(&server->engine.sessions) == 0)
        return 0;
    return drain->leaving->next < drain->leaving->count ? turn_of_next(drain)
                                                        : drain->last_ms;
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

/* Those whose turn has come. */
static void
close_due(skio_server *server, uint64_t now_ms)
{
    const struct sio_drain *drain = server->drain;
    struct sio_leaving *leaving = drain->leaving;

    while (leaving->next < leaving->count && now_ms >= turn_of_next(drain)) {
        const char *id = leaving->ids[leaving->next++];
        struct skio_session *session =
            skio__session_find(&server->engine, id, strlen(id));

        if (session != NULL)
            skio__session_close(session, SKIO_DISCONNECT_SERVER_SHUTDOWN,
                                false);
    }
}

void
skio__drain_timeout(skio_server *server, uint64_t now_ms)
{
    struct sio_drain *drain = server->drain;

    if (drain == NULL || drain->is_over)
        return;
    if (drain->leaving == NULL && now_ms >= drain->start_ms &&
        now_ms < drain->last_ms && !begin_turns(server)) {
        server->engine.draining = true;
        drain->start_ms = now_ms + RETRY_MS;
        if (drain->start_ms > drain->last_ms)
            drain->start_ms = drain->last_ms;
    }
    if (drain->leaving != NULL)
        close_due(server, now_ms);
    if (now_ms >= drain->last_ms)
        skio__engine_shutdown(&server->engine);
    skio__drain_turn(server);
}

/* During the lead there may be others yet. */
void
skio__drain_turn(skio_server *server)
{
    if (server->drain != NULL && !server->drain->is_over &&
        (server->engine.draining || server->engine.shutting_down) &&
        skio__map_count(&server->engine.sessions) == 0)
        finish(server);
}

uint32_t
skio__drain_patience(const skio_server *server)
{
    const struct sio_drain *drain = server->drain;
    uint32_t patience = server->options.close_timeout_ms;
    uint64_t now = skio__engine_now(&server->engine);

    if (drain == NULL || drain->done != NULL ||
        drain->last_ms >= now + patience)
        return patience;
    return drain->last_ms > now ? (uint32_t)(drain->last_ms - now) : 0;
}

void
skio__drain_free(skio_server *server)
{
    if (server->drain != NULL)
        skio__mem_free(skio__server_mem(server), server->drain->leaving);
    skio__mem_free(skio__server_mem(server), server->drain);
    server->drain = NULL;
}
