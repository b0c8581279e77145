/*
 * The transport as the core sees it, its timer, and the end of a loop turn
 */
#define _GNU_SOURCE /* clock_gettime */

#include "transport/lws.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "transport/endpoint.h"
#include "transport/lws_preface.h"
#include "transport/lws_tunnel.h"
#include "transport/mount.h"

#define KILLS_MAX 64 /* of each kind in one turn */

/* ---- Time ---- */

uint64_t
skio__lws_now(void *transport)
{
    struct timespec now;

    (void)transport;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
skio__lws_tick(struct skio__lws *transport, uint32_t delay_ms)
{
    uint64_t due = skio__lws_now(transport) + delay_ms + 1;

    if (due < transport->tick_ms) {
        transport->tick_ms = due;
        transport->timer_wanted = true;
    }
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* One timerfd for everything; set again only when it would fire too late. */
static void
arm_timer(struct skio__lws *transport)
{
    struct skio__lws *t = transport;
    int64_t core_ms = skio_transport_next_timeout(t->server);
    uint64_t due = earlier(t->tick_ms, skio__loop_next_due(t));
    struct itimerspec spec = {{0, 0}, {0, 0}};

    t->timer_wanted = false;
    if (core_ms >= 0)
        due = earlier(due, skio__lws_now(t) + (uint64_t)core_ms);
    due = earlier(due, skio__fifo_peek_due(&t->header_due));
    due = earlier(due, skio__fifo_peek_due(&t->body_due));
    due = earlier(due, skio__fifo_peek_due(&t->idle_due));
    due = earlier(due, skio__fifo_peek_due(&t->close_due));
    due = earlier(due, skio__fifo_peek_due(&t->linger_due));
    due = earlier(due, skio__fifo_peek_due(&t->preface_due));
    due = earlier(due, skio__fifo_peek_due(&t->tunnel_due));
    if (due >= t->armed_ms)
        return;

    if (due == 0)
        due = 1; /* 0 would disarm it */
    spec.it_value.tv_sec = (time_t)(due / 1000);
    spec.it_value.tv_nsec = (long)(due % 1000) * 1000000;
    if (timerfd_settime(t->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        t->armed_ms = due;
}

/* A slice of those whose time is over; arm_timer() finds the others still due,
 * and what came in has its turn before them. Returns how many they are. */
static size_t
kill_due(struct skio__fifo *fifo, uint64_t now_ms)
{
    struct skio__fifo_node *node;
    size_t count = 0;

    for (;
         count < KILLS_MAX && (node = skio__fifo_pop_due(fifo, now_ms)) != NULL;
         count++)
        skio__conn_kill_now(skio__container_of(node, struct skio__conn, timer));
    return count;
}

static void
count_hits(struct skio__lws *transport, enum skio_transport_limit limit,
           size_t hits)
{
    for (; hits > 0; hits--)
        skio_transport_limit_hit(transport->server, limit);
}

/* Those that have to go before the next wait. */
static void
kill_marked(struct skio__lws *transport)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(&transport->kill_due, SKIO__NEVER - 1)) !=
           NULL)
        skio__conn_kill_now(skio__container_of(node, struct skio__conn, timer));
}

void
skio__lws_on_timer(struct skio__lws *transport)
{
    uint64_t now = skio__lws_now(transport);
    uint64_t fired;

    if (read(transport->timer_fd, &fired, sizeof(fired)) < 0)
        return;
    transport->armed_ms = SKIO__NEVER;
    transport->timer_wanted = true;
    if (now >= transport->tick_ms)
        transport->tick_ms = SKIO__NEVER;

    skio_transport_timeout(transport->server);
    count_hits(transport, SKIO_TRANSPORT_HEADER_TIMEOUT,
               kill_due(&transport->header_due, now));
    count_hits(transport, SKIO_TRANSPORT_HEADER_TIMEOUT,
               skio__preface_timeout(transport, now));
    count_hits(transport, SKIO_TRANSPORT_BODY_TIMEOUT,
               kill_due(&transport->body_due, now));
    /* These stop nobody: there is nothing left to do. */
    (void)kill_due(&transport->idle_due, now);
    (void)kill_due(&transport->close_due, now);
    (void)kill_due(&transport->linger_due, now);
    skio__tunnel_timeout(transport, now);
    skio__lws_wake(transport);
}

/* ---- The end of a turn ---- */

void
skio__lws_wake(struct skio__lws *transport)
{
    uint64_t one = 1;

    if (transport->own ? !skio__loop_sleeps(transport) : transport->has_flush)
        return; /* a prepare hook runs anyway */
    if (transport->wake_wanted)
        return;
    transport->wake_wanted = true;
    if (write(transport->wake_fd, &one, sizeof(one)) < 0)
        transport->wake_wanted = false;
}

void
skio__lws_turn_end(struct skio__lws *transport)
{
    transport->inside_frame = false;
    for (int i = 0; transport->flush_wanted && i < 4; i++) {
        transport->flush_wanted = false;
        skio_transport_flush(transport->server);
    }
    kill_marked(transport);
    if (transport->own)
        skio__loop_turn(transport);
    if (transport->timer_wanted)
        arm_timer(transport);
}

void
skio__lws_on_wake(struct skio__lws *transport)
{
    uint64_t one;
    bool more;

    if (read(transport->wake_fd, &one, sizeof(one)) < 0)
        return;
    transport->wake_wanted = false;
    transport->calls++;
    more = skio__post_run(&transport->post, transport->server);
    transport->calls--;
    one = 1;
    if (more && write(transport->wake_fd, &one, sizeof(one)) < 0)
        skio_transport_log(transport->server, SKIO_LOG_ERROR,
                           "post: cannot wake the loop");
    if (!transport->own && atomic_load(&transport->stop_asked) &&
        !transport->stopping) {
        transport->stopping = true;
        skio_transport_shutdown(transport->server);
        transport->flush_wanted = true;
    }
    if (!transport->own && !transport->has_flush)
        skio__lws_turn_end(transport);
}

/* ---- The core's hooks ---- */

static void
wants_flush(void *opaque)
{
    struct skio__lws *transport = opaque;

    transport->flush_wanted = true;
    skio__lws_wake(transport);
}

static void
wants_timer(void *opaque)
{
    struct skio__lws *transport = opaque;

    transport->timer_wanted = true;
    skio__lws_wake(transport);
}

static int
post(void *opaque, skio_post_fn *fn, void *arg)
{
    struct skio__lws *transport = opaque;
    uint64_t one = 1;
    bool wake;
    int err = skio__post_push(&transport->post, fn, arg, &wake);

    /* a full eventfd has woken the loop already */
    if (err == SKIO_OK && wake &&
        write(transport->wake_fd, &one, sizeof(one)) < 0)
        return SKIO_OK;
    return err;
}

/* Nothing but a store and a write: it may run in a signal handler. */
static void
stop(void *opaque)
{
    struct skio__lws *transport = opaque;
    int saved = errno;
    uint64_t one = 1;

    atomic_store(&transport->stop_asked, true);
    if (write(transport->wake_fd, &one, sizeof(one)) < 0)
        errno = saved; /* full: the loop wakes anyway */
    errno = saved;
}

static bool
is_busy(void *opaque)
{
    const struct skio__lws *transport = opaque;

    return transport->calls > 0 || skio__loop_is_running(transport);
}

static uint64_t
wall_ms(void *transport)
{
    struct timespec now;

    (void)transport;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void
destroy(void *opaque)
{
    struct skio__lws *transport = opaque;
    const skio_allocator *mem = transport->mem;

    skio__post_close(&transport->post);
    skio__lws_watch_free(transport);
    skio__loop_free(transport);
    skio__post_deinit(&transport->post);
    skio__endpoints_free(transport);
    skio__mounts_free(transport);
    skio__client_free(transport);
    skio__buf_deinit(&transport->head);
    skio__tally_deinit(&transport->tally);
    skio__proxies_deinit(&transport->proxies);
    /* those that lws never got */
    close_fd(transport->wake_fd);
    close_fd(transport->timer_fd);
    close_fd(transport->watch_fd);
    skio__mem_free(mem, transport->scratch);
    skio__mem_free(mem, transport->inbox);
    skio__mem_free(mem, transport);
}

static void
init_fifos(struct skio__lws *transport)
{
    const skio_server_options *options = transport->options;

    skio__fifo_init(&transport->header_due, options->header_timeout_ms);
    skio__fifo_init(&transport->body_due, options->body_timeout_ms);
    skio__fifo_init(&transport->idle_due, options->idle_timeout_ms);
    skio__fifo_init(&transport->close_due, options->close_timeout_ms);
    skio__fifo_init(&transport->linger_due, SKIO__LINGER_MS);
    skio__fifo_init(&transport->preface_due, options->header_timeout_ms);
    skio__fifo_init(&transport->tunnel_due, options->idle_timeout_ms);
    skio__fifo_init(&transport->kill_due, 0);
    skio__fifo_init(&transport->done_due, 0);
}

int
skio__lws_open_files(struct skio__lws *transport)
{
    if (transport->wake_fd < 0)
        transport->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (transport->timer_fd < 0) {
        transport->timer_fd =
            timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        transport->armed_ms = SKIO__NEVER;
    }
    if (transport->watch_fd < 0)
        transport->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    return transport->wake_fd >= 0 && transport->timer_fd >= 0 &&
                   transport->watch_fd >= 0
               ? SKIO_OK
               : SKIO_ENOMEM;
}

static struct skio__lws *
new_transport(skio_server *server)
{
    static const skio_transport hooks = {
        .struct_size = sizeof(skio_transport),
        .now_ms = skio__lws_now,
        .wants_flush = wants_flush,
        .wants_timer = wants_timer,
        .respond = skio__conn_respond,
        .ws_flush = skio__ws_flush,
        .post = post,
        .stop = stop,
        .destroy = destroy,
        .wall_ms = wall_ms,
        .watch = skio__lws_watch,
        .resolve = skio__lws_resolve,
        .is_busy = is_busy,
    };
    const skio_server_options *options = skio_transport_options(server);
    const skio_allocator *mem = options->allocator.malloc != NULL
                                    ? &options->allocator
                                    : skio__mem_default();
    struct skio__lws *transport = skio__mem_calloc(mem, 1, sizeof(*transport));

    if (transport == NULL)
        return NULL;
    transport->server = server;
    transport->options = options;
    transport->mem = mem;
    transport->armed_ms = SKIO__NEVER;
    transport->tick_ms = SKIO__NEVER;
    skio__buf_init(&transport->head, mem);
    init_fifos(transport);
    skio__tally_init(&transport->tally, mem, options);
    transport->scratch = skio__mem_alloc(mem, LWS_PRE + SKIO__LWS_WRITE);
    transport->wake_fd = transport->timer_fd = transport->watch_fd = -1;
    transport->loop_fd = -1;

    if (transport->scratch != NULL &&
        skio__lws_open_files(transport) == SKIO_OK &&
        skio__post_init(&transport->post, mem, options->max_posted) ==
            SKIO_OK) {
        if (skio_transport_attach(server, &hooks, transport) == SKIO_OK)
            return transport;
        skio__post_deinit(&transport->post);
    }

    close_fd(transport->wake_fd);
    close_fd(transport->timer_fd);
    close_fd(transport->watch_fd);
    skio__mem_free(mem, transport->scratch);
    skio__mem_free(mem, transport);
    return NULL;
}

struct skio__lws *
skio__lws_get(skio_server *server)
{
    struct skio__lws *transport = skio_transport_of(server);

    return transport != NULL ? transport : new_transport(server);
}

int
skio__lws_read_proxies(struct skio__lws *transport)
{
    int err = SKIO_OK;

    if (transport->proxies.networks == NULL)
        err = skio__proxies_init(&transport->proxies, transport->mem,
                                 transport->options->trusted_proxies);
    if (err == SKIO_EINVAL)
        skio_transport_log(transport->server, SKIO_LOG_ERROR,
                           "trusted_proxies: not a list of addresses and "
                           "networks");
    return err;
}
