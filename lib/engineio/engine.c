#include "engineio/engine.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "engineio/compression.h"
#include "engineio/dirty.h"
#include "engineio/exchange.h"
#include "engineio/forward.h"
#include "engineio/heartbeat.h"
#include "engineio/packet.h"
#include "engineio/polling.h"
#include "engineio/rates.h"
#include "engineio/session.h"
#include "engineio/taps.h"
#include "engineio/upgrade.h"
#include "engineio/verdict.h"
#include "engineio/websocket.h"

#define NOOP_MS 100
#define LINGER_MS 30000
#define HANDLE_FETCHED (4 * SKIO__CACHE_LINE) /* of the transport's state */

/* "/socket.io" -> "/socket.io/": one slash at the end goes, one may come. */
static int
make_path(struct eio_engine *engine)
{
    const char *path = engine->options->path;
    size_t len = strlen(path);

    if (len > 0 && path[len - 1] == '/')
        len--;
    engine->path = skio__mem_alloc(engine->mem, len + 2);
    if (engine->path == NULL)
        return SKIO_ENOMEM;
    memcpy(engine->path, path, len);
    if (engine->options->add_trailing_slash)
        engine->path[len++] = '/';
    engine->path[len] = '\0';
    engine->path_len = len;
    return SKIO_OK;
}

int
skio__engine_init(struct eio_engine *engine, skio_server *server,
                  const skio_server_options *options, const skio_allocator *mem,
                  const uint8_t hash_key[16])
{
    static const char ping[] = {EIO_PING};
    static const char pong[] = {EIO_PONG};

    memset(engine, 0, sizeof *engine);
    engine->server = server;
    engine->options = options;
    engine->mem = mem;
    engine->log.fn = options->log;
    engine->log.user = options->log_user;
    engine->log.level = options->log_level;
    engine->counters.struct_size = sizeof engine->counters;

    skio__map_init(&engine->sessions, mem, hash_key);
    skio__map_init(&engine->addresses, mem, hash_key);
    skio__fifo_init(&engine->ping_due, options->ping_interval_ms);
    skio__fifo_init(&engine->pong_due, options->ping_timeout_ms);
    skio__fifo_init(&engine->client_due, (uint64_t)options->ping_interval_ms +
                                             options->ping_timeout_ms);
    skio__fifo_init(&engine->upgrade_due, options->upgrade_timeout_ms);
    skio__fifo_init(&engine->noop_due, NOOP_MS);
    skio__fifo_init(&engine->linger_due, LINGER_MS);
    skio__fifo_init(&engine->verdict_due, options->verdict_timeout_ms);
    skio__buf_init(&engine->scratch, mem);
    skio__run_init(&engine->run, mem);

    if (make_path(engine) != SKIO_OK)
        return SKIO_ENOMEM;
    engine->ping = skio__blob_copy(mem, false, ping, sizeof ping);
    if (options->allow_eio3)
        engine->pong = skio__blob_copy(mem, false, pong, sizeof pong);
    if (engine->ping == NULL || (options->allow_eio3 && engine->pong == NULL) ||
        skio__compression_init(engine) != SKIO_OK ||
        skio__rates_init(engine, hash_key) != SKIO_OK) {
        skio__compression_deinit(engine);
        skio__blob_unref(engine->ping);
        skio__blob_unref(engine->pong);
        skio__mem_free(mem, engine->path);
        return SKIO_ENOMEM;
    }
    return SKIO_OK;
}

static void
end_all(struct eio_engine *engine)
{
    struct skio__map_node *node;

    skio__verdict_end_all(engine);
    skio__forward_end_all(engine);
    /* Each is out of the map when it has ended, and a callback may end more. */
    while ((node = skio__map_first(&engine->sessions)) != NULL) {
        struct skio_session *session =
            skio__container_of(node, struct skio_session, node);

        skio__polling_release_all(session, "1");
        skio__session_end(session, SKIO_DISCONNECT_SERVER_SHUTDOWN, "1", false);
    }
}

void
skio__engine_deinit(struct eio_engine *engine)
{
    struct eio_dirty *dirty;

    engine->shutting_down = true;
    engine->is_deaf = true;
    engine->flush_wanted = true; /* nobody is asked any more */
    skio__engine_enter(engine);
    end_all(engine);
    skio__engine_leave(engine);

    while ((dirty = engine->dirty_first) != NULL) {
        skio__dirty_clear(engine, dirty);
        if (dirty->kind == EIO_DIRTY_EXCHANGE)
            skio__exchange_free(
                skio__container_of(dirty, struct skio_exchange, dirty));
    }
    skio__map_deinit(&engine->sessions);
    skio__map_deinit(&engine->addresses);
    skio__buf_deinit(&engine->scratch);
    skio__run_deinit(&engine->run);
    skio__compression_deinit(engine);
    skio__blob_unref(engine->ping);
    skio__blob_unref(engine->pong);
    skio__hooks_deinit(engine);
    skio__forward_deinit(engine);
    skio__taps_deinit(engine);
    skio__rates_deinit(engine);
    skio__mem_free(engine->mem, engine->raw);
    skio__mem_free(engine->mem, engine->path);
}

uint64_t
skio__engine_now(const struct eio_engine *engine)
{
    return engine->hooks.now_ms != NULL
               ? engine->hooks.now_ms(engine->transport)
               : 0;
}

void
skio__engine_random(const struct eio_engine *engine, void *buf, size_t len)
{
    if (engine->options->random != NULL)
        engine->options->random(buf, len, engine->options->random_user);
    else
        randombytes_buf(buf, len);
}

#ifdef SKIO_DEBUG
/* What only this thread has the address of. */
static const void *
this_thread(void)
{
    static _Thread_local char own;

    return &own;
}

void
skio__engine_check_thread(struct eio_engine *engine)
{
    bool is_loop_thread =
        engine->thread == NULL || engine->thread == this_thread();

    if (!is_loop_thread)
        skio__log(&engine->log, SKIO_LOG_ERROR,
                  "called from a thread that is not the loop thread");
    assert(is_loop_thread);
}

void
skio__engine_take_thread(struct eio_engine *engine)
{
    if (engine->depth > 0)
        skio__engine_check_thread(engine);
    engine->thread = this_thread();
}
#endif

void
skio__engine_bury(struct eio_engine *engine)
{
    struct skio_session *session;

    while ((session = engine->dead) != NULL) {
        engine->dead = session->next_dead;
        skio__session_free(session);
    }
}

uint64_t
skio__engine_next_due(const struct eio_engine *engine)
{
    const struct skio__fifo *fifos[] = {&engine->pong_due,
                                        &engine->client_due,
                                        &engine->upgrade_due,
                                        &engine->noop_due,
                                        &engine->linger_due,
                                        &engine->verdict_due};
    uint64_t next = skio__heartbeat_next_due(engine);
    size_t i;

    for (i = 0; i < sizeof fifos / sizeof fifos[0]; i++) {
        uint64_t due = skio__fifo_peek_due(fifos[i]);

        if (due < next)
            next = due;
    }
    return next;
}

void
skio__engine_timeout(struct eio_engine *engine, uint64_t now_ms)
{
    skio__engine_enter(engine);
    skio__heartbeat_timeout(engine, now_ms);
    skio__upgrade_timeout(engine, now_ms);
    skio__verdict_timeout(engine, now_ms);
    skio__engine_leave(engine);
}

void
skio__engine_want_flush(struct eio_engine *engine)
{
    if (engine->flush_wanted)
        return;
    engine->flush_wanted = true;
    if (engine->hooks.wants_flush != NULL)
        engine->hooks.wants_flush(engine->transport);
}

void
skio__dirty_link(struct eio_engine *engine, struct eio_dirty *dirty)
{
    dirty->is_linked = true;
    dirty->next = NULL;
    dirty->prev = engine->dirty_last;
    if (dirty->prev != NULL)
        dirty->prev->next = dirty;
    else
        engine->dirty_first = dirty;
    engine->dirty_last = dirty;
    skio__engine_want_flush(engine);
}

void
skio__dirty_clear(struct eio_engine *engine, struct eio_dirty *dirty)
{
    if (!dirty->is_linked)
        return;
    if (dirty->prev != NULL)
        dirty->prev->next = dirty->next;
    else
        engine->dirty_first = dirty->next;
    if (dirty->next != NULL)
        dirty->next->prev = dirty->prev;
    else
        engine->dirty_last = dirty->prev;
    dirty->is_linked = false;
}

/*
 * Of a crowd that is written to, nobody's state is in the near caches, and the
 * kernel takes its time with each: what the next ones need is on its way then.
 * Two steps, as only a WebSocket tells where the rest is.
 */
static skio__always_inline void
fetch_ahead(const struct eio_dirty *next)
{
    const struct eio_dirty *second = next != NULL ? next->next : NULL;
    const skio_ws *ws;

    if (second == NULL)
        return;
    if (second->next != NULL)
        skio__fetch(second->next, 2 * SKIO__CACHE_LINE);
    if (second->kind != EIO_DIRTY_WS)
        return;
    ws = skio__container_of(second, const skio_ws, dirty);
    skio__fetch(ws->handle, HANDLE_FETCHED);
    if (ws->session != NULL)
        skio__fetch(&ws->session->state, 2 * SKIO__CACHE_LINE);
}

void
skio__engine_flush(struct eio_engine *engine)
{
    struct eio_dirty *dirty;

    skio__engine_enter(engine);
    /* A callback in here may make others dirty: they follow in this turn. */
    engine->flush_wanted = true;
    while ((dirty = engine->dirty_first) != NULL) {
        skio__dirty_clear(engine, dirty);
        fetch_ahead(engine->dirty_first);
        switch ((enum eio_dirty_kind)dirty->kind) {
        case EIO_DIRTY_SESSION:
            skio__session_flush(
                skio__container_of(dirty, struct skio_session, dirty));
            break;
        case EIO_DIRTY_WS:
            skio__ws_hand_out(skio__container_of(dirty, struct skio_ws, dirty));
            break;
        case EIO_DIRTY_EXCHANGE:
            skio__exchange_flush(
                skio__container_of(dirty, struct skio_exchange, dirty));
            break;
        }
    }
    engine->flush_wanted = false;
    skio__run_forget(&engine->run);
    skio__engine_leave(engine);
}

void
skio__engine_shutdown(struct eio_engine *engine)
{
    engine->shutting_down = true;
    skio__engine_enter(engine);
    end_all(engine);
    skio__engine_leave(engine);
}
