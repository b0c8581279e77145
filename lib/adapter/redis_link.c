/*
 * One connection to Redis, that comes back by itself: see redis_link.h
 *
 * This file has the life of a link: time, loss, and coming back.
 */
#include "adapter/redis_link.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <socketio/transport.h>

#include "adapter/redis_link_state.h"
#include "base/mem.h"

static const struct skio__redis_due *
first_due(const struct skio__redis_link *link)
{
    return link->due_count > 0 ? &link->dues[link->due_first] : NULL;
}

/* When a link that is up has been silent for too long; UINT64_MAX: nothing is
 * due. */
static uint64_t
silence_ends(const struct skio__redis_link *link)
{
    const struct skio__redis_due *due = first_due(link);
    uint64_t since =
        link->heard_ms > link->asked_ms ? link->heard_ms : link->asked_ms;

    if (due == NULL && !link->pings)
        return UINT64_MAX;
    return since + link->options->command_timeout_ms +
           (due != NULL ? due->block_ms : 0);
}

/* When the timer has to look again. */
static uint64_t
next_look(const struct skio__redis_link *link, uint64_t now)
{
    const skio_redis_options *options = link->options;
    uint64_t look;
    uint64_t due;

    if (link->lost != SKIO_OK)
        return now;
    switch (link->state) {
    case SKIO__REDIS_WAITING:
        return link->retry_ms;
    case SKIO__REDIS_DIALING:
        return link->dial.due_ms;
    case SKIO__REDIS_GREETING:
        return link->is_paused ? now : link->step_ms;
    case SKIO__REDIS_LINK_UP:
        break;
    }
    if (link->is_paused)
        return now;
    due = silence_ends(link);
    if (due == UINT64_MAX)
        due = link->heard_ms + options->ping_interval_ms;
    /* What is asked from now on may be due earlier than what is due now. */
    look = now + (options->ping_interval_ms < options->command_timeout_ms
                      ? options->ping_interval_ms
                      : options->command_timeout_ms);
    return due < look ? due : look;
}

/* It is set already, so that no memory is needed. */
static void
plan(struct skio__redis_link *link)
{
    uint64_t now = skio_loop_now(link->server);
    uint64_t look = next_look(link, now);
    uint64_t delay = look > now ? look - now : 0;

    (void)skio_timer_set(link->timer,
                         delay < INT32_MAX ? (uint32_t)delay : INT32_MAX);
}

/*
 * Twice as long each time, up to the limit, unless it stood for that long: a
 * Redis that drops us at once is not asked ever faster. A fifth more or less,
 * by chance, so that the servers of a cluster do not come all at once.
 */
static uint32_t
next_delay(struct skio__redis_link *link, bool was_up, uint64_t now)
{
    const skio_redis_options *options = link->options;
    uint32_t delay;
    uint32_t part;

    if (was_up && now - link->up_ms >= options->reconnect_max_ms)
        link->delay_ms = options->reconnect_min_ms;
    delay = link->delay_ms;
    link->delay_ms = delay > options->reconnect_max_ms / 2
                         ? options->reconnect_max_ms
                         : delay * 2;
    part = delay / 5;
    return delay - part + randombytes_uniform(2 * part + 1);
}

static void
carry_out_loss(struct skio__redis_link *link)
{
    bool was_up = link->state == SKIO__REDIS_LINK_UP;
    uint64_t now = skio_loop_now(link->server);
    char why[sizeof link->why];
    int err = link->lost;

    memcpy(why, link->why, sizeof why);
    skio__redis_link_close(link);
    link->state = SKIO__REDIS_WAITING;
    link->lost = SKIO_OK;
    link->retry_ms = UINT64_MAX;
    skio__redis_link_tell_lost(link);
    if (link->is_freed)
        return;
    skio_transport_log(link->server, SKIO_LOG_DEBUG, "redis: %s", why);
    if (!was_up && skio__redis_link_ask_next(link))
        return;
    link->retry_ms = now + next_delay(link, was_up, now);
    link->hooks.down(link, err, why, link->user);
}

static void
destroy(struct skio__redis_link *link)
{
    const skio_allocator *mem = link->mem;

    skio__redis_link_close(link);
    skio_timer_free(link->timer);
    skio__redis_tls_deinit(&link->tls);
    skio__redis_parser_deinit(&link->parser);
    skio__buf_deinit(&link->out);
    skio__mem_free(mem, link->dues);
    skio__mem_free(mem, link->host);
    skio__mem_free(mem, link);
}

void
skio__redis_link_enter(struct skio__redis_link *link)
{
    link->busy++;
}

void
skio__redis_link_leave(struct skio__redis_link *link)
{
    while (link->busy == 1 && !link->is_freed &&
           (link->hops || link->lost != SKIO_OK)) {
        if (link->lost != SKIO_OK) {
            link->hops = false;
            carry_out_loss(link);
        } else {
            link->hops = false;
            skio__redis_link_close(link);
            link->state = SKIO__REDIS_WAITING;
            skio__redis_link_tell_lost(link);
            skio__redis_link_dial_master(link);
        }
    }
    if (--link->busy > 0)
        return;
    if (link->is_freed)
        destroy(link);
    else
        plan(link);
}

void
skio__redis_link_fail(struct skio__redis_link *link, int err,
                      const char *format, ...)
{
    size_t len;
    va_list args;

    if (skio__redis_link_is_over(link))
        return;
    link->lost = err;
    snprintf(link->why, sizeof link->why, "%s: ", link->where);
    len = strlen(link->why);
    va_start(args, format);
    vsnprintf(link->why + len, sizeof link->why - len, format, args);
    va_end(args);
}

/*
 * Nothing came for too long; or nothing is due, and it is time to ask. It may
 * be the application that took so long, and the answer is there: look first.
 */
static void
check_silence(struct skio__redis_link *link, uint64_t now)
{
    uint64_t ends = silence_ends(link);

    if (now >= ends) {
        skio__redis_link_look(link);
        if (skio__redis_link_is_over(link) || link->is_paused)
            return;
        ends = silence_ends(link);
    }
    if (now >= ends)
        skio__redis_link_fail(link, SKIO_ETIMEDOUT, "no answer in time");
    else if (ends == UINT64_MAX &&
             now >= link->heard_ms + link->options->ping_interval_ms)
        skio__redis_link_ping(link);
}

static void
on_timer(void *user)
{
    struct skio__redis_link *link = user;
    uint64_t now = skio_loop_now(link->server);

    /* Once more before anything else can take the place in the heap that was
     * just given up: so it can always be set again. */
    (void)skio_timer_set(link->timer, link->options->reconnect_max_ms);

    skio__redis_link_enter(link);
    if (link->is_paused && link->lost == SKIO_OK)
        skio__redis_link_resume(link);
    if (!skio__redis_link_is_over(link)) {
        switch (link->state) {
        case SKIO__REDIS_WAITING:
            if (now >= link->retry_ms)
                skio__redis_link_attempt(link);
            break;
        case SKIO__REDIS_DIALING:
            skio__redis_dial_check(&link->dial, now);
            break;
        case SKIO__REDIS_GREETING:
            if (now >= link->step_ms)
                skio__redis_link_look(link);
            if (now >= link->step_ms && link->state == SKIO__REDIS_GREETING &&
                !link->hops)
                skio__redis_link_fail(link, SKIO_ETIMEDOUT,
                                      "no answer in time");
            break;
        case SKIO__REDIS_LINK_UP:
            if (!link->is_paused)
                check_silence(link, now);
            break;
        }
    }
    skio__redis_link_leave(link);
}

static const skio_allocator *
allocator_of(const skio_server *server)
{
    const skio_allocator *mem = &skio_transport_options(server)->allocator;

    return mem->malloc != NULL ? mem : skio__mem_default();
}

struct skio__redis_link *
skio__redis_link_new(skio_server *server, const skio_redis_options *options,
                     const char *host, uint16_t port, bool subscribes,
                     const struct skio__redis_link_hooks *hooks, void *user)
{
    const skio_allocator *mem = allocator_of(server);
    struct skio__redis_link *link = skio__mem_calloc(mem, 1, sizeof *link);

    if (link == NULL)
        return NULL;
    link->server = server;
    link->mem = mem;
    link->options = options;
    link->port = port;
    link->subscribes = subscribes;
    link->hooks = *hooks;
    link->user = user;
    link->fd = -1;
    link->delay_ms = options->reconnect_min_ms;
    skio__redis_dial_init(&link->dial, server, skio__redis_link_dialed, link);
    skio__redis_parser_init(&link->parser, mem, options->max_message_bytes,
                            options->max_reply_elements);
    skio__redis_tls_init(&link->tls, mem);
    skio__buf_init(&link->out, mem);

    link->timer = skio_timer_new(server, on_timer, link);
    if (host != NULL)
        link->host = skio__mem_strndup(mem, host, strlen(host));
    if (link->timer == NULL || (host != NULL && link->host == NULL) ||
        skio_timer_set(link->timer, 0) != SKIO_OK) {
        destroy(link);
        return NULL;
    }
    return link;
}

void
skio__redis_link_free(struct skio__redis_link *link)
{
    if (link == NULL || link->is_freed)
        return;
    skio__redis_link_enter(link);
    link->is_freed = true;
    skio__redis_link_close(link);
    link->state = SKIO__REDIS_WAITING;
    skio__redis_link_tell_lost(link);
    skio__redis_link_leave(link);
}

int
skio__redis_link_send(struct skio__redis_link *link, const skio_bytes *argv,
                      size_t argc, skio__redis_reply_fn *fn, void *user)
{
    return skio__redis_link_send_blocking(link, argv, argc, 0, fn, user);
}

int
skio__redis_link_send_blocking(struct skio__redis_link *link,
                               const skio_bytes *argv, size_t argc,
                               uint32_t block_ms, skio__redis_reply_fn *fn,
                               void *user)
{
    if (!skio__redis_link_is_up(link))
        return SKIO_ECLOSED;
    return skio__redis_link_put(link, argv, argc, block_ms, fn, user,
                                !link->subscribes);
}

bool
skio__redis_link_is_up(const struct skio__redis_link *link)
{
    return link->state == SKIO__REDIS_LINK_UP &&
           !skio__redis_link_is_over(link);
}

uint64_t
skio__redis_link_heard_ms(const struct skio__redis_link *link)
{
    return link->heard_ms;
}

void
skio__redis_link_reset(struct skio__redis_link *link, int err, const char *why)
{
    if (link->state == SKIO__REDIS_WAITING)
        return;
    skio__redis_link_fail(link, err, "%s", why);
    if (link->busy == 0)
        plan(link);
}
