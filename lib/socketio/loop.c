/*
 * The loop for adapters: timers of the server's own, descriptors and names
 * through its transport
 */
#include "socketio/loop.h"

#include "base/compiler.h"
#include "base/mem.h"
#include "socketio/server.h"

/* ---- Timers ---- */

struct skio_timer {
    struct skio__heap_node node;
    skio_server *server;
    skio_timer_fn *fn;
    void *user;
};

skio_timer *
skio_timer_new(skio_server *server, skio_timer_fn *fn, void *user)
{
    skio_timer *timer =
        skio__mem_calloc(skio__server_mem(server), 1, sizeof *timer);

    if (timer == NULL)
        return NULL;
    timer->server = server;
    timer->fn = fn;
    timer->user = user;
    return timer;
}

int
skio_timer_set(skio_timer *timer, uint32_t delay_ms)
{
    skio_server *server = timer->server;
    uint64_t due = skio__engine_now(&server->engine) + delay_ms;
    int err = SKIO_OK;

    if (skio__heap_is_linked(&timer->node))
        skio__heap_move(&server->timers, &timer->node, due);
    else
        err = skio__heap_push(&server->timers, &timer->node, due);
    if (err == SKIO_OK)
        skio__server_wants_timer(server);
    return err;
}

void
skio_timer_stop(skio_timer *timer)
{
    skio__heap_remove(&timer->server->timers, &timer->node);
}

bool
skio_timer_is_set(const skio_timer *timer)
{
    return skio__heap_is_linked(&timer->node);
}

void
skio_timer_free(skio_timer *timer)
{
    if (timer == NULL)
        return;
    skio_timer_stop(timer);
    skio__mem_free(skio__server_mem(timer->server), timer);
}

uint64_t
skio_loop_now(const skio_server *server)
{
    return skio__engine_now(&server->engine);
}

uint64_t
skio_loop_wall(const skio_server *server)
{
    const struct eio_engine *engine = &server->engine;

    return engine->hooks.wall_ms == NULL
               ? 0
               : engine->hooks.wall_ms(engine->transport);
}

/* One that sets itself again for now waits for the next turn. */
void
skio__loop_timeouts(skio_server *server, uint64_t now_ms)
{
    uint32_t left = server->timers.len;
    struct skio__heap_node *node;

    while (left-- > 0 &&
           (node = skio__heap_pop_due(&server->timers, now_ms)) != NULL) {
        skio_timer *timer = skio__container_of(node, skio_timer, node);

        timer->fn(timer->user);
    }
}

/* ---- Waiting for a transport ---- */

struct sio_waiter {
    struct sio_waiter *next;
    skio_loop_fn *fn;
    void *user;
};

int
skio_loop_ready(skio_server *server, skio_loop_fn *fn, void *user)
{
    struct sio_waiter **link = &server->loop_waiters;
    struct sio_waiter *waiter;

    if (server->engine.hooks.struct_size != 0) {
        skio__engine_enter(&server->engine);
        fn(server, user);
        skio__engine_leave(&server->engine);
        return SKIO_OK;
    }
    waiter = skio__mem_alloc(skio__server_mem(server), sizeof *waiter);
    if (waiter == NULL)
        return SKIO_ENOMEM;
    *waiter = (struct sio_waiter){NULL, fn, user};
    while (*link != NULL)
        link = &(*link)->next;
    *link = waiter;
    return SKIO_OK;
}

void
skio_loop_forget(skio_server *server, const void *user)
{
    struct sio_waiter **link = &server->loop_waiters;

    while (*link != NULL) {
        struct sio_waiter *waiter = *link;

        if (waiter->user != user) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        skio__mem_free(skio__server_mem(server), waiter);
    }
}

void
skio__loop_attached(skio_server *server)
{
    struct sio_waiter *waiter;

    skio__engine_enter(&server->engine);
    while ((waiter = server->loop_waiters) != NULL) {
        struct sio_waiter copy = *waiter;

        server->loop_waiters = waiter->next;
        skio__mem_free(skio__server_mem(server), waiter);
        copy.fn(server, copy.user);
    }
    skio__engine_leave(&server->engine);
}

/* ---- Descriptors ---- */

struct skio_watch {
    skio_server *server;
    int fd;
    unsigned events;
    skio_ready_fn *fn;
    void *user;
};

static int
tell_transport(skio_watch *watch, unsigned events)
{
    struct eio_engine *engine = &watch->server->engine;

    if (engine->is_deaf || engine->hooks.watch == NULL)
        return SKIO_ENOTSUP;
    return engine->hooks.watch(engine->transport, watch->fd, events, watch);
}

int
skio_watch_new(skio_server *server, int fd, unsigned events, skio_ready_fn *fn,
               void *user, skio_watch **out)
{
    const skio_allocator *mem = skio__server_mem(server);
    skio_watch *watch = skio__mem_alloc(mem, sizeof *watch);
    int err;

    if (watch == NULL)
        return SKIO_ENOMEM;
    *watch = (skio_watch){server, fd, events, fn, user};
    err = tell_transport(watch, events);
    if (err != SKIO_OK) {
        skio__mem_free(mem, watch);
        return err;
    }
    *out = watch;
    return SKIO_OK;
}

void
skio_watch_set(skio_watch *watch, unsigned events)
{
    if (watch->events == events)
        return;
    watch->events = events;
    /* A descriptor that could be watched for one thing can for another. */
    if (tell_transport(watch, events) != SKIO_OK)
        watch->events = 0;
}

void
skio_watch_free(skio_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->events != 0)
        (void)tell_transport(watch, 0);
    skio__mem_free(skio__server_mem(watch->server), watch);
}

void
skio_watch_ready(skio_watch *watch, unsigned ready)
{
    struct eio_engine *engine = &watch->server->engine;

    skio__engine_enter(engine);
    watch->fn(ready & watch->events, watch->user);
    skio__engine_leave(engine);
}

/* ---- Names ---- */

struct skio_resolve {
    skio_resolve *next; /* of the server's */
    skio_server *server;
    skio_resolve_fn *fn; /* NULL: cancelled */
    void *user;
};

int
skio_resolve_new(skio_server *server, const char *host, uint16_t port,
                 skio_resolve_fn *fn, void *user, skio_resolve **out)
{
    const skio_allocator *mem = skio__server_mem(server);
    struct eio_engine *engine = &server->engine;
    skio_resolve *resolve;
    int err;

    if (engine->is_deaf || engine->hooks.resolve == NULL)
        return SKIO_ENOTSUP;
    resolve = skio__mem_alloc(mem, sizeof *resolve);
    if (resolve == NULL)
        return SKIO_ENOMEM;
    *resolve = (skio_resolve){server->resolves, server, fn, user};
    err = engine->hooks.resolve(engine->transport, host, port, resolve);
    if (err != SKIO_OK) {
        skio__mem_free(mem, resolve);
        return err;
    }
    server->resolves = resolve;
    *out = resolve;
    return SKIO_OK;
}

/* The transport still has it: it is gone once that is done. */
void
skio_resolve_cancel(skio_resolve *resolve)
{
    if (resolve != NULL)
        resolve->fn = NULL;
}

void
skio_resolve_done(skio_resolve *resolve, int err, const skio_address *addresses,
                  size_t count)
{
    skio_server *server = resolve->server;
    skio_resolve **link = &server->resolves;
    skio_resolve copy = *resolve;

    while (*link != resolve)
        link = &(*link)->next;
    *link = resolve->next;
    skio__mem_free(skio__server_mem(server), resolve);

    if (copy.fn == NULL)
        return;
    skio__engine_enter(&server->engine);
    copy.fn(err, addresses, count, copy.user);
    skio__engine_leave(&server->engine);
}

/* ---- The end ---- */

void
skio__loop_deinit(skio_server *server)
{
    const skio_allocator *mem = skio__server_mem(server);

    while (server->resolves != NULL) {
        skio_resolve *resolve = server->resolves;

        server->resolves = resolve->next;
        skio__mem_free(mem, resolve);
    }
    while (server->loop_waiters != NULL)
        skio_loop_forget(server, server->loop_waiters->user);
    skio__heap_deinit(&server->timers);
}
