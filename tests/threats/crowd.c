#define _GNU_SOURCE /* memmem, IP_BIND_ADDRESS_NO_PORT */

#include "threats/crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "threats/home.h"

#define ADDRESSES 64
#define BATCH 512
#define UPGRADE                                                                \
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"                   \
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n\r\n"

uint64_t
crowd_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int
crowd_connect(uint16_t port, unsigned n, int receive_buffer, bool waits)
{
    const int on = 1;
    const int segment = 1460;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd =
        socket(AF_INET,
               SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);

    assert_true(fd >= 0);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + n % ADDRESSES);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* the port is chosen when the peer is known */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    /* The loopback's segments are of 64 KiB, for which the kernel lets a sender
     * have megabytes: these are a network's. */
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                   sizeof(receive_buffer));
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
        errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

void
crowd_begin(struct crowd *crowd, unsigned count)
{
    crowd->clients = calloc(count, sizeof *crowd->clients);
    crowd->count = count;
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_non_null(crowd->clients);
    assert_true(crowd->epoll >= 0);
    memset(crowd->in, 0, sizeof crowd->in);
    for (unsigned i = 0; i < count; i++) {
        crowd->clients[i].fd = -1;
        crowd->clients[i].step = CROWD_GONE;
        crowd->clients[i].buf = malloc(CROWD_BUFFER);
        assert_non_null(crowd->clients[i].buf);
    }
    crowd->in[CROWD_GONE] = count;
}

static void
go(struct crowd *crowd, struct crowd_client *client, enum crowd_step step)
{
    crowd->in[client->step]--;
    crowd->in[step]++;
    client->step = step;
    if (step == crowd->goal) {
        client->took_us = crowd_now_us() - client->begun_us;
        if (crowd->is_deaf)
            epoll_ctl(crowd->epoll, EPOLL_CTL_DEL, client->fd, NULL);
    }
    if (step == CROWD_GONE && client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
}

void
crowd_dial(struct crowd *crowd, unsigned most)
{
    for (unsigned i = 0; i < crowd->count && most > 0; i++) {
        struct crowd_client *client = &crowd->clients[i];
        struct epoll_event wanted = {.events = EPOLLOUT, .data.u32 = i};

        if (client->fd >= 0)
            continue;
        most--;
        client->begun_us = crowd_now_us();
        client->took_us = 0;
        client->len = 0;
        client->events = 0;
        client->is_http = true;
        client->fd =
            crowd_connect(crowd->port, i, crowd->is_deaf ? 4096 : 0, false);
        assert_true(client->fd >= 0);
        go(crowd, client, CROWD_DIALS);
        assert_int_equal(epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, client->fd,
                                   &wanted),
                         0);
    }
}

/* A packet of the server. */
static void
take_packet(struct crowd *crowd, struct crowd_client *client, const char *text)
{
    if (text[0] == '0' && client->step == CROWD_ASKS) {
        go(crowd, client, CROWD_OPEN);
        if (crowd->goal == CROWD_OPEN)
            return;
        go(crowd, client, CROWD_JOINS);
        home_frame(client->fd, 0x81, "40", 2);
    } else if (strncmp(text, "40{", 3) == 0 && client->step == CROWD_JOINS) {
        go(crowd, client, CROWD_IN);
    } else if (text[0] == '2') {
        home_frame(client->fd, 0x81, "3", 1);
    } else if (strncmp(text, "42", 2) == 0) {
        client->events++;
        if (crowd->on_event != NULL)
            crowd->on_event(crowd, client, text);
    }
}

/* The length of the frame at the beginning of the buffer, or 0; *head: of its
 * header. */
static size_t
frame_length(const struct crowd_client *client, size_t *head)
{
    size_t len;

    *head = 2;
    if (client->len < 2)
        return 0;
    len = client->buf[1];
    if (len == 126) {
        *head = 4;
        if (client->len < 4)
            return 0;
        len = (size_t)client->buf[2] << 8 | client->buf[3];
    }
    assert_true(len < CROWD_BUFFER - 8); /* no test sends more */
    return client->len < *head + len ? 0 : *head + len;
}

/* What came: the answer to the upgrade, then frames. */
static void
take_bytes(struct crowd *crowd, struct crowd_client *client)
{
    size_t used = 0;

    if (client->is_http) {
        const unsigned char *end =
            memmem(client->buf, client->len, "\r\n\r\n", 4);

        if (end == NULL)
            return;
        if (strncmp((const char *)client->buf, "HTTP/1.1 101 ", 13) != 0) {
            go(crowd, client, CROWD_GONE);
            return;
        }
        client->is_http = false;
        used = (size_t)(end + 4 - client->buf);
    }
    for (;;) {
        size_t head, all;
        unsigned char next;

        memmove(client->buf, client->buf + used, client->len - used);
        client->len -= used;
        used = all = frame_length(client, &head);
        if (all == 0)
            return;
        if (client->buf[0] == 0x88) {
            go(crowd, client, CROWD_GONE);
            return;
        }
        /* room is left for the NUL: see frame_length() */
        next = client->buf[all];
        client->buf[all] = '\0';
        if (client->buf[0] == 0x81)
            take_packet(crowd, client, (const char *)client->buf + head);
        client->buf[all] = next;
        if (client->fd < 0)
            return;
    }
}

static void
work_on(struct crowd *crowd, struct crowd_client *client, unsigned number)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = number};
    ssize_t got;

    if (client->fd < 0)
        return;
    if (client->step == CROWD_DIALS) {
        int err = 0;
        socklen_t len = sizeof err;

        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &err, &len);
        if (err != 0) {
            go(crowd, client, CROWD_GONE);
            return;
        }
        go(crowd, client, CROWD_ASKS);
        home_say(client->fd, UPGRADE);
        epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, client->fd, &wanted);
        return;
    }
    /* one byte is for a NUL */
    got = recv(client->fd, client->buf + client->len,
               CROWD_BUFFER - 1 - client->len, 0);
    if (got > 0) {
        client->len += (size_t)got;
        take_bytes(crowd, client);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        go(crowd, client, CROWD_GONE);
    }
}

void
crowd_work(struct crowd *crowd, unsigned arrived, uint64_t ms)
{
    uint64_t end = crowd_now_us() + ms * 1000;

    while (crowd->in[crowd->goal] < arrived) {
        struct epoll_event events[BATCH];
        uint64_t now = crowd_now_us();
        int count;

        if (now >= end)
            return;
        count = epoll_wait(crowd->epoll, events, BATCH,
                           (int)((end - now) / 1000) + 1);
        for (int i = 0; i < count; i++)
            work_on(crowd, &crowd->clients[events[i].data.u32],
                    events[i].data.u32);
    }
}

void
crowd_leave(struct crowd *crowd, bool reset)
{
    for (unsigned i = 0; i < crowd->count; i++) {
        struct crowd_client *client = &crowd->clients[i];

        if (client->fd >= 0 && reset) {
            home_reset(client->fd);
            client->fd = -1;
        }
        go(crowd, client, CROWD_GONE);
    }
}

void
crowd_end(struct crowd *crowd)
{
    crowd_leave(crowd, false);
    for (unsigned i = 0; i < crowd->count; i++)
        free(crowd->clients[i].buf);
    free(crowd->clients);
    close(crowd->epoll);
}

static int
compare(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a;
    uint64_t other = *(const uint64_t *)b;

    return one < other ? -1 : one > other;
}

uint64_t
crowd_percentile(const struct crowd *crowd, unsigned percent)
{
    uint64_t *all = calloc(crowd->count, sizeof *all);
    size_t count = 0;
    uint64_t us = 0;

    assert_non_null(all);
    for (unsigned i = 0; i < crowd->count; i++)
        if (crowd->clients[i].took_us > 0)
            all[count++] = crowd->clients[i].took_us;
    qsort(all, count, sizeof *all, compare);
    if (count > 0)
        us = all[(count - 1) * percent / 100];
    free(all);
    return us / 1000;
}
