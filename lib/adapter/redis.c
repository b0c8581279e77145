#include "adapter/redis.h"

#include <stdio.h>
#include <string.h>

#include "adapter/redis_forward.h"
#include "adapter/redis_hub.h"
#include "adapter/redis_options.h"
#include "base/mem.h"

#define IDLE_MS 30000 /* the timer is set always: see struct skio__redis */

/* ---- The hub's own turn ---- */

void
skio__redis_wake(struct skio__redis *hub, uint32_t delay_ms)
{
    uint64_t at = skio_loop_now(hub->server) + delay_ms;

    if (!hub->is_ready || hub->is_freed || at >= hub->wake_at)
        return;
    hub->wake_at = at;
    (void)skio_timer_set(hub->timer, delay_ms); /* it is set: cannot fail */
}

static void
tell_watchers(struct skio__redis *hub, bool is_up)
{
    struct skio__redis_watcher **link;
    struct skio__redis_watcher *watcher;

    hub->telling++;
    for (watcher = hub->watchers; watcher != NULL; watcher = watcher->next) {
        if (watcher->fn != NULL)
            watcher->fn(is_up, watcher->user);
    }
    if (--hub->telling > 0)
        return;
    for (link = &hub->watchers; *link != NULL;) {
        watcher = *link;
        if (watcher->fn != NULL) {
            link = &watcher->next;
            continue;
        }
        *link = watcher->next;
        skio__mem_free(hub->mem, watcher);
    }
}

static void
tell(struct skio__redis *hub, const skio_redis_event *event)
{
    hub->was_told = true;
    hub->told_up = event->state == SKIO_REDIS_UP;
    tell_watchers(hub, hub->told_up);
    if (hub->options.on_event != NULL)
        hub->options.on_event(hub->server, event, hub->options.on_event_user);
}

static void
tell_down(struct skio__redis *hub)
{
    skio_redis_event event = {.state = SKIO_REDIS_DOWN, .err = hub->err};
    char text[sizeof hub->text];

    hub->is_down_due = false;
    if (hub->was_told && !hub->told_up)
        return;
    memcpy(text, hub->text, sizeof text);
    event.text = text;
    skio_adapter_log(hub->root, SKIO_LOG_WARN, "redis: out of reach: %s", text);
    tell(hub, &event);
}

static void
tell_up(struct skio__redis *hub)
{
    skio_redis_event event = {.state = SKIO_REDIS_UP, .text = "connected"};
    uint64_t now = skio_loop_now(hub->server);

    if (hub->gap_from < now)
        event.gap_ms = now - hub->gap_from;
    event.dropped = hub->dropped;
    hub->gap_from = UINT64_MAX;
    hub->dropped = 0;
    hub->said_refused = false;
    skio_adapter_log(hub->root, SKIO_LOG_INFO,
                     "redis: connected; %llu ms were missed, %llu messages "
                     "were lost",
                     (unsigned long long)event.gap_ms,
                     (unsigned long long)event.dropped);
    tell(hub, &event);
}

static void
on_timer(void *user)
{
    struct skio__redis *hub = skio__redis_ref(user);
    uint64_t now = skio_loop_now(hub->server);

    /* One place of the heap was given back just now: this cannot fail. */
    (void)skio_timer_set(hub->timer, IDLE_MS);
    hub->wake_at = now + IDLE_MS;

    skio__redis_nodes_tick(hub, now);
    skio__redis_topics_retry(hub, now);
    if (hub->is_down_due)
        tell_down(hub);
    if (!hub->is_down_due && hub->state == SKIO_REDIS_UP && !hub->told_up)
        tell_up(hub);
    if (hub->is_down_due) /* lost while it was told */
        skio__redis_wake(hub, 0);
    skio__redis_unref(hub);
}

static void
on_ready(skio_server *server, void *user)
{
    struct skio__redis *hub = user;

    (void)server;
    hub->is_ready = true;
    hub->wake_at = UINT64_MAX;
    if (hub->options.cluster)
        skio__redis_nodes_look(hub);
    skio__redis_wake(hub, 0);
}

void
skio__redis_check(struct skio__redis *hub)
{
    if (hub->state == SKIO_REDIS_UP || hub->is_freed || hub->renewed > 0 ||
        !skio__redis_nodes_are_up(hub))
        return;
    hub->state = SKIO_REDIS_UP;
    skio__redis_wake(hub, 0);
}

void
skio__redis_lost(struct skio__redis *hub, int err, const char *text)
{
    /* The first reason says more than what follows from it. */
    if (hub->is_freed ||
        (hub->state == SKIO_REDIS_DOWN && (hub->is_down_due || hub->was_told)))
        return;
    hub->state = SKIO_REDIS_DOWN;
    hub->is_down_due = true;
    hub->err = err;
    (void)snprintf(hub->text, sizeof hub->text, "%s", text);
    skio__redis_wake(hub, 0);
}

void
skio__redis_missed(struct skio__redis *hub, uint64_t since_ms)
{
    if (since_ms < hub->gap_from)
        hub->gap_from = since_ms;
}

/* ---- Made and freed ---- */

static int
copy_options(struct skio__redis *hub, const skio_redis_options *options)
{
    const char *bad = NULL;
    int err = skio__redis_options_copy(&hub->options, options, hub->mem, &bad);

    if (err != SKIO_OK && bad != NULL)
        skio_adapter_log(hub->root, SKIO_LOG_ERROR, "redis: option %s: %s", bad,
                         skio_strerror(err));
    return err;
}

int
skio__redis_new(skio_server *server, const skio_redis_options *options,
                struct skio__redis **out)
{
    skio_nsp *root = skio_of(server, "/");
    const skio_allocator *mem = skio_adapter_allocator(root);
    struct skio__redis *hub = skio__mem_calloc(mem, 1, sizeof *hub);
    int err;
    int i;

    if (hub == NULL)
        return SKIO_ENOMEM;
    hub->server = server;
    hub->root = root;
    hub->mem = mem;
    hub->refs = 1;
    hub->gap_from = UINT64_MAX;
    hub->state = SKIO_REDIS_DOWN;
    skio__redis_ring_init(&hub->lost);
    skio__redis_ring_init(&hub->refused);
    for (i = 0; i < SKIO__REDIS_KINDS; i++)
        skio__map_init(&hub->topics[i], mem, skio_adapter_hash_key(root));
    skio__map_init(&hub->nodes, mem, skio_adapter_hash_key(root));

    err = copy_options(hub, options);
    if (err != SKIO_OK) {
        skio__mem_free(mem, hub);
        return err;
    }
    hub->timer = skio_timer_new(server, on_timer, hub);
    err =
        hub->timer == NULL ? SKIO_ENOMEM : skio_timer_set(hub->timer, IDLE_MS);
    if (err == SKIO_OK)
        err = skio_loop_ready(server, on_ready, hub);
    if (err != SKIO_OK) {
        skio__redis_unref(hub);
        return err;
    }
    *out = hub;
    return SKIO_OK;
}

struct skio__redis *
skio__redis_ref(struct skio__redis *hub)
{
    hub->refs++;
    return hub;
}

void
skio__redis_unref(struct skio__redis *hub)
{
    if (hub == NULL || --hub->refs > 0)
        return;
    /* Callbacks of what is given up here may still try this and that. */
    hub->refs = SIZE_MAX / 2;
    hub->is_freed = true;
    skio_loop_forget(hub->server, hub);
    skio__redis_topics_free(hub);
    skio__redis_nodes_free(hub);
    skio__redis_forward_free(hub->forward);
    skio_timer_free(hub->timer);
    while (hub->watchers != NULL) {
        struct skio__redis_watcher *watcher = hub->watchers;

        hub->watchers = watcher->next;
        skio__mem_free(hub->mem, watcher);
    }
    skio__redis_options_deinit(&hub->options, hub->mem);
    skio__mem_free(hub->mem, hub);
}

const skio_redis_options *
skio__redis_options(const struct skio__redis *hub)
{
    return &hub->options;
}

skio_server *
skio__redis_server(const struct skio__redis *hub)
{
    return hub->server;
}

const skio_allocator *
skio__redis_mem(const struct skio__redis *hub)
{
    return hub->mem;
}

bool
skio__redis_is_up(const struct skio__redis *hub)
{
    return !hub->is_freed && skio__redis_nodes_are_up(hub);
}

void
skio__redis_count_dropped(struct skio__redis *hub)
{
    hub->dropped++;
}

int
skio__redis_watch(struct skio__redis *hub, skio__redis_state_fn *fn, void *user)
{
    struct skio__redis_watcher **link = &hub->watchers;
    struct skio__redis_watcher *watcher =
        skio__mem_alloc(hub->mem, sizeof *watcher);

    if (watcher == NULL)
        return SKIO_ENOMEM;
    *watcher = (struct skio__redis_watcher){NULL, fn, user};
    while (*link != NULL)
        link = &(*link)->next;
    *link = watcher;
    return SKIO_OK;
}

void
skio__redis_unwatch(struct skio__redis *hub, const void *user)
{
    struct skio__redis_watcher **link = &hub->watchers;

    while (*link != NULL) {
        struct skio__redis_watcher *watcher = *link;

        if (watcher->user != user) {
            link = &watcher->next;
        } else if (hub->telling > 0) {
            watcher->fn = NULL;
            link = &watcher->next;
        } else {
            *link = watcher->next;
            skio__mem_free(hub->mem, watcher);
        }
    }
}
