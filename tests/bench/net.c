/* Sockets and the loop of the load generator. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

enum { PATIENCE_SECONDS = 120 };

static int epoll;
static SSL_CTX *tls;

/* Source addresses 127.0.0.1 to 127.0.0.250 in turn: one has not enough ports
 * for a rate of connects. */
static unsigned next_source;

void
fail(const char *what)
{
    fprintf(stderr, "bench-load: ");
    perror(what);
    exit(1);
}

void
give_up(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "bench-load: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

void *
need(void *memory)
{
    if (memory == NULL)
        fail("memory");
    return memory;
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
    if (!options.tls)
        return;
    /* The certificate is the bench's own: who it names is not the question. */
    tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL)
        give_up("no TLS");
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
}

static void
watch_events(struct watch *watch, int op, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(epoll, op, watch->fd, &event) != 0)
        fail("epoll_ctl");
}

void
net_watch(struct watch *watch)
{
    watch_events(watch, EPOLL_CTL_ADD, EPOLLIN);
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
    watch->standing = false;
    watch->tls = NULL;
    if (tls != NULL) {
        watch->tls = need(SSL_new(tls));
        if (SSL_set_fd(watch->tls, watch->fd) != 1)
            give_up("no TLS");
        SSL_set_connect_state(watch->tls);
    }
    watch_events(watch, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

/* What OpenSSL's answer would have been of send() or recv(). */
static ssize_t
tls_answer(struct watch *watch, int answer)
{
    int err = answer > 0 ? 0 : SSL_get_error(watch->tls, answer);

    if (answer > 0)
        return answer;
    if (err == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE ? EAGAIN
                                                                      : EPIPE;
    return -1;
}

ssize_t
net_send(struct watch *watch, const void *data, size_t len)
{
    if (watch->tls == NULL)
        return send(watch->fd, data, len, MSG_NOSIGNAL);
    return tls_answer(watch, SSL_write(watch->tls, data,
                                       len < INT_MAX ? (int)len : INT_MAX));
}

ssize_t
net_recv(struct watch *watch, void *data, size_t room)
{
    if (watch->tls == NULL)
        return recv(watch->fd, data, room, 0);
    return tls_answer(watch, SSL_read(watch->tls, data,
                                      room < INT_MAX ? (int)room : INT_MAX));
}

void
net_want_write(struct watch *watch, bool wanted)
{
    watch_events(watch, EPOLL_CTL_MOD, EPOLLIN | (wanted ? EPOLLOUT : 0u));
}

void
net_close(struct watch *watch)
{
    SSL_free(watch->tls);
    watch->tls = NULL;
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

/* TCP's handshake, then that of TLS. */
static void
watch_connect(struct watch *watch, unsigned events)
{
    if (watch->tls != NULL) {
        int answer = SSL_do_handshake(watch->tls);

        if (answer != 1) {
            if (tls_answer(watch, answer) == 0 || errno != EAGAIN)
                give_up("no TLS handshake");
            net_want_write(watch, SSL_want_write(watch->tls));
            return;
        }
    } else if (!(events & EPOLLOUT)) {
        return;
    }
    watch->standing = true;
    net_want_write(watch, false);
    watch->ready(watch, EPOLLOUT);
}

static void
watch_event(struct watch *watch, unsigned events)
{
    int err = 0;
    socklen_t len = sizeof(err);

    if (watch->standing) {
        watch->ready(watch, events);
        return;
    }
    /* The event may be that of a connection before, closed in this turn. */
    if (events & (EPOLLERR | EPOLLHUP) &&
        getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        fail("getsockopt");
    errno = err;
    if (err != 0)
        fail("connect");
    watch_connect(watch, events);
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
                watch_event(watch, events[i].events);
        }
    }
}

void
net_run_for(double seconds)
{
    static const bool never;

    net_run(now_ns() + (uint64_t)(seconds * 1e9), &never);
}

void
net_run_until(const bool *done, const char *what)
{
    net_run(now_ns() + PATIENCE_SECONDS * UINT64_C(1000000000), done);
    if (!*done)
        give_up("%s: not within %d seconds", what, PATIENCE_SECONDS);
}
