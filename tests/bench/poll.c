/* One Socket.IO client on HTTP long-polling: two connections, kept alive. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "load.h"

enum { SID_SIZE = 64 };

enum poll_state { HANDSHAKE, POSTING_JOIN, READING_JOIN, IDLE, ECHOING };

struct poll;

/* A connection that carries one request at a time. */
struct carrier {
    struct watch watch;
    struct poll *poll;
    char *request; /* sent once the connection stands */
    size_t request_len;
    bool connected;
    char *answer;
    size_t answer_len, answer_room;
};

struct poll {
    struct carrier get, post;
    enum poll_state state;
    char sid[SID_SIZE];
    unsigned waiting; /* acks to come */
    bool posted;
    bool polled; /* nothing hangs on the GET connection */
    uint64_t asked;
};

static struct poll *polls;
static unsigned poll_count, opened, opening;
static bool all_ready, never, counting;
static char *body; /* of the POST that asks */
static size_t body_len;

static void
carrier_send(struct carrier *carrier)
{
    size_t sent = 0;

    while (sent < carrier->request_len) {
        ssize_t n = send(carrier->watch.fd, carrier->request + sent,
                         carrier->request_len - sent, MSG_NOSIGNAL);

        /* Requests are small: a kernel that takes none of it has given up. */
        if (n <= 0)
            fail("send");
        sent += (size_t)n;
    }
    carrier->request_len = 0;
}

static void
request(struct carrier *carrier, const char *method, const char *sid,
        const char *data, size_t len)
{
    char head[512];
    int head_len;

    head_len = snprintf(head, sizeof(head),
                        "%s %s?EIO=4&transport=polling%s%s HTTP/1.1\r\n"
                        "Host: 127.0.0.1\r\n",
                        method, options.path, sid[0] ? "&sid=" : "", sid);
    if (data != NULL)
        head_len += snprintf(head + head_len, sizeof(head) - (size_t)head_len,
                             "Content-Type: text/plain;charset=UTF-8\r\n"
                             "Content-Length: %zu\r\n",
                             len);
    memcpy(head + head_len, "\r\n", 3);
    head_len += 2;

    carrier->request = realloc(carrier->request, (size_t)head_len + len + 1);
    if (carrier->request == NULL)
        fail("realloc");
    memcpy(carrier->request, head, (size_t)head_len);
    if (data != NULL)
        memcpy(carrier->request + head_len, data, len);
    carrier->request_len = (size_t)head_len + len;
    if (carrier->connected)
        carrier_send(carrier);
}

static void
poll_get(struct poll *poll)
{
    poll->polled = false;
    request(&poll->get, "GET", poll->sid, NULL, 0);
}

static void
poll_ask(struct poll *poll)
{
    poll->state = ECHOING;
    poll->waiting = options.depth;
    poll->posted = false;
    poll->asked = now_ns();
    if (poll->polled)
        poll_get(poll);
    request(&poll->post, "POST", poll->sid, body, body_len);
}

static void on_ready(struct watch *watch, unsigned events);

static void
poll_open(struct poll *poll)
{
    poll->get.poll = poll->post.poll = poll;
    poll->get.watch.ready = poll->post.watch.ready = on_ready;
    net_connect(&poll->get.watch);
    net_connect(&poll->post.watch);
    request(&poll->get, "GET", "", NULL, 0);
}

static void
open_more(void)
{
    while (opening < poll_count && opening - opened < 128)
        poll_open(&polls[opening++]);
}

/* The packets of a poll's answer, between record separators. */
static void
read_packets(struct poll *poll, const char *text, size_t len)
{
    while (len > 0) {
        const char *end = memchr(text, '\x1e', len);
        size_t size = end != NULL ? (size_t)(end - text) : len;

        if (size >= 2 && text[0] == '4' && text[1] == '3' &&
            poll->waiting > 0) {
            poll->waiting--;
            if (counting) {
                result.count++;
                result_latency(now_ns() - poll->asked);
            }
        }
        if (end == NULL)
            return;
        text += size + 1;
        len -= size + 1;
    }
}

static void
poll_answered(struct carrier *carrier, const char *text, size_t len)
{
    struct poll *poll = carrier->poll;
    const char *sid;

    if (carrier == &poll->get)
        poll->polled = true;
    else
        poll->posted = true;

    switch (poll->state) {
    case HANDSHAKE:
        sid = strstr(text, "\"sid\":\"");
        if (sid == NULL || sscanf(sid + 7, "%63[^\"]", poll->sid) != 1)
            fail("handshake");
        poll->state = POSTING_JOIN;
        request(&poll->post, "POST", poll->sid, "40", 2);
        break;
    case POSTING_JOIN:
        poll->state = READING_JOIN;
        poll_get(poll);
        break;
    case READING_JOIN:
        poll->state = IDLE;
        opened++;
        open_more();
        if (opened == poll_count)
            all_ready = true;
        break;
    case IDLE:
        break; /* a ping: the run ends before the pong is missed */
    case ECHOING:
        if (carrier == &poll->get) {
            read_packets(poll, text, len);
            if (poll->waiting > 0)
                poll_get(poll);
        }
        if (poll->waiting == 0 && poll->posted)
            poll_ask(poll);
        break;
    }
}

/* Whole answers: headers, Content-Length, body. */
static void
carrier_read(struct carrier *carrier)
{
    const char *length, *end;
    size_t head_len, len;
    ssize_t got;

    if (carrier->answer_room - carrier->answer_len < 2048) {
        carrier->answer_room += options.size * options.depth + 4096;
        carrier->answer = realloc(carrier->answer, carrier->answer_room);
        if (carrier->answer == NULL)
            fail("realloc");
    }
    got = recv(carrier->watch.fd, carrier->answer + carrier->answer_len,
               carrier->answer_room - carrier->answer_len - 1, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        fail("a poll was dropped");
    carrier->answer_len += (size_t)got;
    carrier->answer[carrier->answer_len] = '\0';

    end = strstr(carrier->answer, "\r\n\r\n");
    if (end == NULL)
        return;
    head_len = (size_t)(end - carrier->answer) + 4;
    length = strcasestr(carrier->answer, "content-length:");
    if (strncmp(carrier->answer, "HTTP/1.1 200", 12) != 0 || length == NULL ||
        length > end) {
        fprintf(stderr, "bench-load: %s\n", carrier->answer);
        exit(1);
    }
    len = strtoul(length + 15, NULL, 10);
    if (carrier->answer_len < head_len + len)
        return;
    carrier->answer_len = 0;
    poll_answered(carrier, carrier->answer + head_len, len);
}

static void
on_ready(struct watch *watch, unsigned events)
{
    struct carrier *carrier = (struct carrier *)watch;

    if (events & EPOLLOUT) {
        net_want_write(watch, false);
        carrier->connected = true;
        if (carrier->request_len > 0)
            carrier_send(carrier);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        carrier_read(carrier);
}

void
polls_open(unsigned count)
{
    poll_count = count;
    polls = calloc(count, sizeof(*polls));
    if (polls == NULL)
        fail("calloc");
    open_more();
    net_run(now_ns() + 120000000000u, &all_ready);
    if (!all_ready) {
        fprintf(stderr, "bench-load: %u of %u clients connected\n", opened,
                count);
        exit(1);
    }
}

void
polls_echo(double seconds)
{
    size_t text_len;
    char *text = malloc(options.size + 64);

    if (text == NULL)
        fail("malloc");
    text_len = (size_t)sprintf(text, "421[\"echo\",\"");
    memset(text + text_len, 'x', options.size);
    memcpy(text + text_len + options.size, "\"]\x1e", 4);
    text_len += options.size + 3;
    body_len = text_len * options.depth - 1;
    body = malloc(body_len + 1);
    if (body == NULL)
        fail("malloc");
    for (unsigned i = 0; i < options.depth; i++)
        memcpy(body + i * text_len, text,
               text_len - (i + 1 == options.depth ? 1 : 0));
    free(text);

    for (unsigned i = 0; i < poll_count; i++)
        poll_ask(&polls[i]);
    net_run(now_ns() + (uint64_t)(seconds * 0.25e9), &never);
    result_begin();
    counting = true;
    net_run(now_ns() + (uint64_t)(seconds * 1e9), &never);
}

void
polls_hold(void)
{
    for (unsigned i = 0; i < poll_count; i++)
        poll_get(&polls[i]);
    result_begin();
    net_run(now_ns() + 1500000000u, &never);
}
