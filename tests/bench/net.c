/* Sockets and the loop of the load generator. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

static int epoll;

/* Source addresses 127.0.0.1 to 127.0.0.250 in turn: one has not enough ports
 * for a rate of connects. */
static unsigned next_source;

void
fail(const char *what)
{
    perror(what);
    exit(1);
}

uint64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
net_start(void)
{
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        fail("epoll_create1");
}

static void
watch_events(struct watch *watch, int op, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(epoll, op, watch->fd, &event) != 0)
        fail("epoll_ctl");
}

void
net_connect(struct watch *watch)
{
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons(options.port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in source = {.sin_family = AF_INET};
    const int on = 1;
    /* An end without a TIME_WAIT on this side, so that ports come back. */
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + next_source++ % 250);
    watch->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (watch->fd < 0)
        fail("socket");
    if (setsockopt(watch->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        setsockopt(watch->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) !=
            0 ||
        setsockopt(watch->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
                   sizeof(on)) != 0)
        fail("setsockopt");
    if (bind(watch->fd, (const struct sockaddr *)&source, sizeof(source)) != 0)
        fail("bind");
    if (connect(watch->fd, (const struct sockaddr *)&server, sizeof(server)) !=
            0 &&
        errno != EINPROGRESS)
        fail("connect");
    watch_events(watch, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

void
net_want_write(struct watch *watch, bool wanted)
{
    watch_events(watch, EPOLL_CTL_MOD, EPOLLIN | (wanted ? EPOLLOUT : 0u));
}

void
net_close(struct watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

void
net_run(uint64_t deadline, const bool *stop)
{
    struct epoll_event events[512];

    while (!*stop) {
        uint64_t now = now_ns();
        int count;

        if (now >= deadline)
            return;
        count = epoll_wait(epoll, events, 512,
                           (int)((deadline - now) / 1000000u) + 1);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct watch *watch = events[i].data.ptr;

            /* One that was closed by an earlier event of this turn. */
            if (watch->fd >= 0)
                watch->ready(watch, events[i].events);
        }
    }
}
