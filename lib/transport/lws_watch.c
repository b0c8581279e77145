/*
 * What adapters watch, and the names that they ask for
 *
 * All descriptors are in one epoll set, which lws watches as a single file.
 */
#define _POSIX_C_SOURCE 200809L /* F_DUPFD_CLOEXEC */

#include "transport/lws.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "transport/resolver.h"

#define EVENTS_MAX 64 /* in one turn: the rest has its turn, too */

/* In the set the resolver has no watch: its descriptor goes with NULL. */
static int
set_events(struct skio__lws *transport, int fd, uint32_t events, void *ptr)
{
    struct epoll_event event = {.events = events, .data.ptr = ptr};

    if (epoll_ctl(transport->loop_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return SKIO_OK;
    if (errno == ENOENT &&
        epoll_ctl(transport->loop_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return SKIO_OK;
    return errno == ENOMEM || errno == ENOSPC ? SKIO_ENOMEM : SKIO_EIO;
}

int
skio__lws_watch_attach(struct skio__lws *transport)
{
    int fd;

    if (transport->loop_fd < 0 || transport->loop_wsi != NULL)
        return SKIO_OK;
    fd = fcntl(transport->loop_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return SKIO_ENOMEM;
    transport->loop_wsi = skio__lws_adopt(transport, fd);
    return transport->loop_wsi != NULL ? SKIO_OK : SKIO_ENOMEM;
}

static int
open_set(struct skio__lws *transport)
{
    if (transport->loop_fd < 0)
        transport->loop_fd = epoll_create1(EPOLL_CLOEXEC);
    if (transport->loop_fd < 0)
        return SKIO_EIO;
    return transport->attached ? skio__lws_watch_attach(transport) : SKIO_OK;
}

int
skio__lws_watch(void *opaque, int fd, unsigned events, skio_watch *watch)
{
    struct skio__lws *transport = opaque;
    uint32_t wanted = 0;
    int err;

    if (events == 0) {
        if (transport->loop_fd >= 0)
            epoll_ctl(transport->loop_fd, EPOLL_CTL_DEL, fd, NULL);
        return SKIO_OK;
    }
    err = open_set(transport);
    if (err != SKIO_OK)
        return err;
    if ((events & SKIO_READABLE) != 0)
        wanted |= EPOLLIN | EPOLLRDHUP;
    if ((events & SKIO_WRITABLE) != 0)
        wanted |= EPOLLOUT;
    return set_events(transport, fd, wanted, watch);
}

int
skio__lws_resolve(void *opaque, const char *host, uint16_t port,
                  skio_resolve *resolve)
{
    struct skio__lws *transport = opaque;
    int err = open_set(transport);

    if (err != SKIO_OK)
        return err;
    if (transport->resolver == NULL) {
        int fd;

        transport->resolver = skio__resolver_new(&fd);
        if (transport->resolver == NULL)
            return SKIO_ENOMEM;
        err = set_events(transport, fd, EPOLLIN, NULL);
        if (err != SKIO_OK) {
            skio__resolver_free(transport->resolver);
            transport->resolver = NULL;
            return err;
        }
    }
    return skio__resolver_ask(transport->resolver, host, port, resolve);
}

/* epoll gives those that stay ready their turn again behind all others: the
 * first to come a second time ends the round. */
static bool
was_seen(void *const *seen, int count, const void *ptr)
{
    for (int i = 0; i < count; i++)
        if (seen[i] == ptr)
            return true;
    return false;
}

/* One at a time: what runs may free the watch of another event. */
void
skio__lws_watched(struct skio__lws *transport)
{
    void *seen[EVENTS_MAX];

    for (int i = 0; i < EVENTS_MAX; i++) {
        struct epoll_event event;
        unsigned ready = 0;

        if (epoll_wait(transport->loop_fd, &event, 1, 0) != 1)
            break;
        if (was_seen(seen, i, event.data.ptr))
            break;
        seen[i] = event.data.ptr;
        if (event.data.ptr == NULL) {
            skio__resolver_run(transport->resolver);
            continue;
        }
        if ((event.events & ~(uint32_t)EPOLLOUT) != 0)
            ready |= SKIO_READABLE;
        if ((event.events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
            ready |= SKIO_WRITABLE;
        skio_watch_ready(event.data.ptr, ready);
    }
    skio__lws_wake(transport);
}

void
skio__lws_watch_free(struct skio__lws *transport)
{
    skio__resolver_free(transport->resolver);
    transport->resolver = NULL;
    if (transport->loop_fd >= 0)
        close(transport->loop_fd);
    transport->loop_fd = -1;
}
