/*
 * The own context: running, turns by another loop, and stopping
 *
 * In a program with a loop of its own the libev loop is turned by that one,
 * which watches libev's epoll set: everything that has a time is in a timerfd,
 * so the set tells all. Changes that libev keeps back until its next turn do
 * not show in it; whoever makes one between two turns writes the eventfd.
 */
#include <sys/epoll.h>

#include "transport/lws.h"
#include "transport/lws_accept.h"
#include "transport/lws_loop.h"
#include "transport/lws_stop.h"

#define TURNS_MAX 16 /* of libev in one skio_loop_turn() */

void
skio__loop_turn(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    skio__listeners_turn(transport);
    if (!loop->running || !atomic_load(&transport->stop_asked) ||
        transport->stopped)
        return;
    if (!skio__stop_turn(transport))
        return;

    transport->stopped = true;
    if (loop->ev != NULL)
        ev_break(loop->ev, EVBREAK_ALL);
}

uint64_t
skio__loop_next_due(const struct skio__lws *transport)
{
    uint64_t retry =
        transport->retry_ms != 0 ? transport->retry_ms : SKIO__NEVER;
    uint64_t stop = skio__stop_next_due(transport);

    return retry < stop ? retry : stop;
}

/* Without libev: lws_service() returns after each turn. */
static int
run_poll(struct skio__lws *transport)
{
    while (!transport->stopped) {
        skio__conn_complete_all(transport);
        skio__lws_turn_end(transport);
        if (!transport->stopped && lws_service(transport->context, 0) < 0)
            return SKIO_EIO;
    }
    skio__post_close(&transport->post);
    return SKIO_OK;
}

bool
skio__loop_is_running(const struct skio__lws *transport)
{
    return transport->loop != NULL && transport->loop->running;
}

static int
run(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    if (loop->ev == NULL)
        return run_poll(transport);
    while (!transport->stopped)
        if (!ev_run(loop->ev, 0) && !transport->stopped) {
            skio_transport_log(transport->server, SKIO_LOG_ERROR,
                               "the loop has ended");
            return SKIO_EIO;
        }
    skio__post_close(&transport->post);
    return SKIO_OK;
}

int
skio_run(skio_server *server)
{
    struct skio__lws *transport = skio_transport_of(server);
    int err;

    if (transport == NULL || transport->loop == NULL || transport->stopped)
        return SKIO_EINVAL;
    if (transport->loop->running)
        return SKIO_EBUSY;

    transport->loop->running = true;
    err = run(transport);
    transport->loop->running = false;
    return err;
}

/* ---- Turned from outside ---- */

bool
skio__loop_sleeps(const struct skio__lws *transport)
{
    const struct skio__loop *loop = transport->loop;

    return loop != NULL && loop->is_turned && !loop->running;
}

/* Of the highest priority: all others that have something to do still wait. */
static void
on_check(struct ev_loop *ev, struct ev_check *check, int events)
{
    struct skio__loop *loop = check->data;

    (void)events;
    loop->has_events = ev_pending_count(ev) > 0;
}

static void
on_embed(struct ev_loop *ev, struct ev_embed *embed, int events)
{
    /* the loop that it is in never runs */
    (void)ev;
    (void)embed;
    (void)events;
}

/* The epoll set of a libev loop, which libev gives to another loop alone; or
 * SKIO_ENOTSUP, SKIO_ENOMEM. */
static int
epoll_of(struct ev_loop *ev)
{
    struct ev_loop *other;
    struct ev_embed embed;
    struct epoll_event event;
    int fd;

    if ((ev_backend(ev) & ev_embeddable_backends() & EVBACKEND_EPOLL) == 0)
        return SKIO_ENOTSUP;
    other = ev_loop_new(EVBACKEND_POLL | EVFLAG_NOENV);
    if (other == NULL)
        return SKIO_ENOMEM;
    ev_embed_init(&embed, on_embed, ev);
    ev_embed_start(other, &embed);
    fd = embed.io.fd;
    ev_embed_stop(other, &embed);
    ev_loop_destroy(other);

    return epoll_wait(fd, &event, 1, 0) >= 0 ? fd : SKIO_ENOTSUP;
}

static void
hold_back(struct ev_loop *ev)
{
    /* they stay pending, until the first turn */
    (void)ev;
}

/* What was begun so far is put into the set, and nothing is called. */
static void
tell_epoll(struct ev_loop *ev)
{
    ev_set_invoke_pending_cb(ev, hold_back);
    (void)ev_run(ev, EVRUN_NOWAIT);
    ev_set_invoke_pending_cb(ev, ev_invoke_pending);
}

int
skio_loop_fd(skio_server *server)
{
    struct skio__lws *transport = skio_transport_of(server);
    struct skio__loop *loop;
    int fd;

    if (transport == NULL || transport->loop == NULL || transport->stopped)
        return SKIO_EINVAL;
    loop = transport->loop;
    if (loop->running)
        return SKIO_EBUSY;
    if (loop->ev == NULL)
        return SKIO_ENOTSUP;
    fd = epoll_of(loop->ev);
    if (fd < 0 || loop->is_turned)
        return fd;
    tell_epoll(loop->ev);

    ev_check_init(&loop->check, on_check);
    loop->check.data = loop;
    ev_set_priority(&loop->check, EV_MAXPRI);
    ev_check_start(loop->ev, &loop->check);
    loop->is_turned = true;
    skio__lws_wake(transport);
    return fd;
}

/* Until libev has nothing more to do, nor to tell epoll. */
static void
turn(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    loop->has_events = true;
    for (int i = 0; i < TURNS_MAX && loop->has_events && !transport->stopped;
         i++) {
        loop->has_events = false;
        (void)ev_run(loop->ev, EVRUN_NOWAIT);
    }
}

int
skio_loop_turn(skio_server *server)
{
    struct skio__lws *transport = skio_transport_of(server);
    struct skio__loop *loop = transport != NULL ? transport->loop : NULL;

    if (loop == NULL)
        return SKIO_EINVAL;
    if (loop->running)
        return SKIO_EBUSY;
    if (!loop->is_turned)
        return SKIO_EINVAL;
    if (transport->stopped)
        return 0;

    loop->running = true;
    turn(transport);
    loop->running = false;
    if (transport->stopped) {
        skio__post_close(&transport->post);
        return 0;
    }
    if (loop->has_events)
        skio__lws_wake(transport);
    return 1;
}
