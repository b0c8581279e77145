/*
 * One Socket.IO client on HTTP long-polling
 *
 * Two connections, kept alive: GETs go over one and POSTs over the other, as a
 * browser does it while a GET is held. With --one-connection the requests take
 * turns on a single one, as is possible when nothing is asked: a POST follows
 * the answer to a GET, and a GET the answer to a POST.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "load.h"

enum { SID_SIZE = 64, WINDOW = 128 };

enum poll_state {
    HANDSHAKE,
    POSTING_JOIN,
    READING_JOIN,
    POSTING_PONG,
    IDLE,
    ECHOING
};

struct poll;

/* A connection that carries one request at a time. */
struct carrier {
    struct watch watch;
    struct poll *poll;
    bool posts; /* what is asked there is a POST */
    char *request;
    size_t request_len; /* not sent yet */
    char *answer;
    size_t answer_len, answer_room;
};

struct poll {
    struct carrier get, post;
    enum poll_state state;
    char sid[SID_SIZE];
    unsigned waiting; /* acks to come */
    bool joined;
    bool pinged; /* the next POST answers it */
    bool posted;
    bool polled; /* nothing hangs on the GET connection */
    uint64_t asked;
};

static struct poll *polls;
static unsigned poll_count, opened, opening, outstanding;
static bool all_ready, all_answered, holding;
static char *body; /* of the POST that asks, after "3" and a separator */
static size_t body_len;
static void (*on_ping)(void);

static struct carrier *
poster(struct poll *poll)
{
    return options.one_connection ? &poll->get : &poll->post;
}

static void
carrier_send(struct carrier *carrier)
{
    size_t sent = 0;

    while (sent < carrier->request_len) {
        ssize_t n = net_send(&carrier->watch, carrier->request + sent,
                             carrier->request_len - sent);

        /* Requests are small: a kernel that takes none of it has given up. */
        if (n <= 0)
            fail("send");
        sent += (size_t)n;
    }
    carrier->request_len = 0;
    free(carrier->request);
    carrier->request = NULL;
}

/* data: of a POST; NULL: a GET. */
static void
request(struct carrier *carrier, const char *data, size_t len)
{
    const char *sid = carrier->poll->sid;
    char head[512];
    int head_len;

    head_len = snprintf(head, sizeof(head),
                        "%s %s?EIO=4&transport=polling%s%s HTTP/1.1\r\n"
                        "Host: 127.0.0.1\r\n",
                        data != NULL ? "POST" : "GET", options.path,
                        sid[0] ? "&sid=" : "", sid);
    if (data != NULL)
        head_len += snprintf(head + head_len, sizeof(head) - (size_t)head_len,
                             "Content-Type: text/plain;charset=UTF-8\r\n"
                             "Content-Length: %zu\r\n",
                             len);
    memcpy(head + head_len, "\r\n", 3);
    head_len += 2;

    if (carrier->request_len > 0)
        give_up("two requests at once");
    carrier->posts = data != NULL;
    carrier->request = need(malloc((size_t)head_len + len));
    memcpy(carrier->request, head, (size_t)head_len);
    if (data != NULL)
        memcpy(carrier->request + head_len, data, len);
    carrier->request_len = (size_t)head_len + len;
    if (carrier->watch.standing)
        carrier_send(carrier);
}

static void
poll_get(struct poll *poll)
{
    poll->polled = false;
    request(&poll->get, NULL, 0);
}

static void
poll_ask(struct poll *poll)
{
    poll->state = ECHOING;
    poll->waiting = options.depth;
    outstanding += options.depth;
    poll->posted = false;
    poll->asked = now_ns();
    if (poll->polled)
        poll_get(poll);
    /* A pong, and what parts it from the rest, stands before the body. */
    request(&poll->post, poll->pinged ? body : body + 2,
            poll->pinged ? body_len + 2 : body_len);
    poll->pinged = false;
}

static void on_ready(struct watch *watch, unsigned events);

static void
poll_open(struct poll *poll)
{
    poll->get.poll = poll->post.poll = poll;
    poll->get.watch.ready = poll->post.watch.ready = on_ready;
    net_connect(&poll->get.watch);
    if (!options.one_connection)
        net_connect(&poll->post.watch);
    poll_get(poll);
}

static void
open_more(void)
{
    while (opening < poll_count && opening - opened < WINDOW)
        poll_open(&polls[opening++]);
}

static void
read_packet(struct poll *poll, const char *text, size_t size)
{
    if (size == 1 && text[0] == '2') {
        poll->pinged = true;
    } else if (!poll->joined && size > 2 && memcmp(text, "40", 2) == 0) {
        poll->joined = true;
    } else {
        if (poll->waiting == 0 || size != expected_len ||
            memcmp(text, expected, size) != 0)
            give_up("a packet that is not as expected: %.*s", (int)size, text);
        poll->waiting--;
        outstanding--;
        result_add(now_ns() - poll->asked);
    }
}

/* The packets of a poll's answer, between record separators. */
static void
read_packets(struct poll *poll, const char *text, size_t len)
{
    const char *end;

    while ((end = memchr(text, '\x1e', len)) != NULL) {
        read_packet(poll, text, (size_t)(end - text));
        len -= (size_t)(end - text) + 1;
        text = end + 1;
    }
    read_packet(poll, text, len);
}

/* Joined, and a ping that came with that is answered. */
static void
poll_joined(struct poll *poll)
{
    poll->state = IDLE;
    if (holding)
        poll_get(poll);
    opened++;
    open_more();
    if (opened == poll_count)
        all_ready = true;
}

static void
post_pong(struct poll *poll)
{
    poll->pinged = false;
    request(poster(poll), "3", 1);
}

static void
join_answered(struct poll *poll, const char *text, size_t len)
{
    read_packets(poll, text, len);
    if (poll->pinged) {
        poll->state = POSTING_PONG;
        post_pong(poll);
    } else if (poll->joined) {
        poll_joined(poll);
    } else {
        poll_get(poll);
    }
}

/* Between two exchanges, while the GET is held or before it. */
static void
idle_answered(struct poll *poll, bool was_post, const char *text, size_t len)
{
    if (was_post) {
        if (poll->polled)
            poll_get(poll);
        return;
    }
    read_packets(poll, text, len);
    if (!poll->pinged)
        give_up("a poll was answered by %.*s", (int)len, text);
    if (on_ping != NULL)
        on_ping();
    post_pong(poll);
}

static void
echo_answered(struct poll *poll, bool was_post, const char *text, size_t len)
{
    if (!was_post) {
        read_packets(poll, text, len);
        if (poll->waiting > 0)
            poll_get(poll);
    }
    if (poll->waiting > 0 || !poll->posted)
        return;
    if (!stopping)
        poll_ask(poll);
    else
        all_answered = outstanding == 0;
}

static void
poll_answered(struct carrier *carrier, const char *text, size_t len)
{
    struct poll *poll = carrier->poll;
    bool was_post = carrier->posts;
    const char *sid;

    if (was_post)
        poll->posted = true;
    else
        poll->polled = true;
    if (was_post && (len != 2 || strncasecmp(text, "ok", 2) != 0))
        give_up("a POST was answered by %.*s", (int)len, text);

    switch (poll->state) {
    case HANDSHAKE:
        sid = strstr(text, "\"sid\":\"");
        if (sid == NULL || sscanf(sid + 7, "%63[^\"]", poll->sid) != 1)
            give_up("no handshake but %.*s", (int)len, text);
        poll->state = POSTING_JOIN;
        request(poster(poll), "40", 2);
        break;
    case POSTING_JOIN:
        poll->state = READING_JOIN;
        poll_get(poll);
        break;
    case READING_JOIN:
        join_answered(poll, text, len);
        break;
    case POSTING_PONG:
        if (poll->joined) {
            poll_joined(poll);
        } else {
            poll->state = READING_JOIN;
            poll_get(poll);
        }
        break;
    case IDLE:
        idle_answered(poll, was_post, text, len);
        break;
    case ECHOING:
        echo_answered(poll, was_post, text, len);
        break;
    }
}

/* Whole answers: headers, Content-Length, body. */
static void
carrier_read(struct carrier *carrier)
{
    const char *length, *end;
    size_t head_len, len;
    char *answer;
    ssize_t got;

    if (carrier->answer_room - carrier->answer_len < 2048) {
        carrier->answer_room += options.size * options.depth + 4096;
        carrier->answer = need(realloc(carrier->answer, carrier->answer_room));
    }
    answer = carrier->answer;
    got = net_recv(&carrier->watch, answer + carrier->answer_len,
                   carrier->answer_room - carrier->answer_len - 1);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        give_up("poll %td was closed in state %d, %s", carrier->poll - polls,
                (int)carrier->poll->state,
                got < 0 ? strerror(errno) : "cleanly");
    carrier->answer_len += (size_t)got;
    answer[carrier->answer_len] = '\0';

    end = strstr(answer, "\r\n\r\n");
    if (end == NULL)
        return;
    head_len = (size_t)(end - answer) + 4;
    length = strcasestr(answer, "content-length:");
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0 || length == NULL ||
        length > end)
        give_up("a poll was answered by %s", answer);
    len = strtoul(length + 15, NULL, 10);
    if (carrier->answer_len < head_len + len)
        return;
    if (carrier->answer_len > head_len + len)
        give_up("more than was asked for: %s", answer + head_len + len);
    carrier->answer_len = 0;
    poll_answered(carrier, answer + head_len, len);
}

static void
on_ready(struct watch *watch, unsigned events)
{
    struct carrier *carrier = (struct carrier *)watch;

    if (events & EPOLLOUT && carrier->request_len > 0)
        carrier_send(carrier);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        carrier_read(carrier);
}

void
polls_open(unsigned count)
{
    poll_count = count;
    polls = need(calloc(count, sizeof(*polls)));
    open_more();
    net_run_until(&all_ready, "all polling clients connect");
}

void
polls_hold(unsigned count, void (*pinged)(void))
{
    holding = true;
    on_ping = pinged;
    polls_open(count);
}

void
polls_echo(void)
{
    size_t text_len;
    char *text = event_new("421[\"echo\",", options.size, &text_len);

    expected = event_new("431[", options.size, &expected_len);
    body_len = (text_len + 1) * options.depth - 1;
    body = need(malloc(body_len + 3));
    memcpy(body, "3\x1e", 2);
    for (unsigned i = 0; i < options.depth; i++) {
        char *at = body + 2 + i * (text_len + 1);

        memcpy(at, text, text_len);
        at[text_len] = '\x1e';
    }
    free(text);

    for (unsigned i = 0; i < poll_count; i++)
        poll_ask(&polls[i]);
    result_run();
    net_run_until(&all_answered, "all answers come");
}
