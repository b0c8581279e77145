#define _GNU_SOURCE /* memmem, strcasestr */

#include "threats/talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LONG_EVENT 90000 /* more than one read of the server, or one write */
#define UPGRADE                                                                \
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n\r\n"

/* ---- The server's part ---- */

/* A client that cannot be answered is not left waiting. */
static void
on_say(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    if (skio_emit(socket, "said", "%p", SKIO_VALUE(args)) != SKIO_OK)
        skio_disconnect(socket, true);
}

/* The same to a room in which it is alone. */
static void
on_tell(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    if (skio_join(socket, skio_socket_id(socket)) != SKIO_OK ||
        skio_join(socket, "crowd") != SKIO_OK ||
        skio_emit_to(skio_socket_nsp(socket), "crowd", "told", "%p",
                     SKIO_VALUE(args)) != SKIO_OK)
        skio_disconnect(socket, true);
    else
        skio_leave(socket, "crowd");
}

void
talk_set_up(skio_server *server)
{
    skio_nsp *root = skio_of(server, "/");

    assert_int_equal(skio_on(root, "say", on_say, NULL), SKIO_OK);
    assert_int_equal(skio_on(root, "tell", on_tell, NULL), SKIO_OK);
}

/* ---- Hearing ---- */

static void
stop(struct talk *talk, enum talk_end end)
{
    if (talk->end == TALK_DONE)
        talk->end = end;
}

static void
dial(struct talk *talk)
{
    struct timeval patience = {.tv_sec = talk->patience_ms / 1000,
                               .tv_usec = talk->patience_ms % 1000 * 1000};

    int on = 1;

    talk->fd = home_dial(talk->home);
    assert_int_equal(setsockopt(talk->fd, IPPROTO_TCP, TCP_NODELAY, &on,
                                sizeof(on)),
                     0);
    assert_int_equal(setsockopt(talk->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                                sizeof(patience)),
                     0);
}

static void
hang_up(struct talk *talk)
{
    close(talk->fd);
    talk->fd = -1;
}

/* Returns whether something came. */
static bool
hear(struct talk *talk)
{
    ssize_t got;

    if (talk->end != TALK_DONE)
        return false;
    assert_true(talk->len < sizeof(talk->text) - 1);
    got = recv(talk->fd, talk->text + talk->len,
               sizeof(talk->text) - 1 - talk->len, 0);
    if (got > 0) {
        talk->len += (size_t)got;
        talk->text[talk->len] = '\0';
        return true;
    }
    stop(talk, got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
                   ? TALK_HUNG
                   : TALK_CLOSED);
    return false;
}

static void
await(struct talk *talk, const char *text)
{
    if (talk->end != TALK_DONE)
        return;
    do {
        char *from = talk->text + talk->mark;
        char *at = memmem(from, talk->len - talk->mark, text, strlen(text));

        if (at != NULL) {
            talk->mark = (size_t)(at - talk->text) + strlen(text);
            return;
        }
    } while (hear(talk));
}

/* A head, and its body of a given length. */
static void
await_response(struct talk *talk, const char *status)
{
    size_t start = talk->mark;
    const char *length;

    await(talk, "\r\n\r\n");
    if (talk->end != TALK_DONE)
        return;
    length = strcasestr(talk->text + start, "\r\ncontent-length:");
    if (length != NULL && length < talk->text + talk->mark)
        talk->mark += strtoul(length + 17, NULL, 10);
    while (talk->len < talk->mark && hear(talk))
        ;
    if (strncmp(talk->text + start, status, strlen(status)) != 0)
        stop(talk, TALK_REFUSED);
}

/* The id of the session that was opened. */
static void
find_sid(struct talk *talk, char sid[24])
{
    const char *at = strstr(talk->text, "\"sid\":\"");

    sid[0] = '\0';
    if (at != NULL)
        snprintf(sid, 24, "%.20s", at + 7);
    else
        stop(talk, TALK_REFUSED);
}

static void
await_end(struct talk *talk)
{
    while (hear(talk))
        ;
    if (talk->end == TALK_CLOSED)
        talk->end = TALK_DONE;
}

/* What differs each time. */
static void
blot_out(struct talk *talk)
{
    char *at = talk->text;

    while ((at = memmem(at, talk->len - (size_t)(at - talk->text), "\"sid\":\"",
                        7)) != NULL) {
        for (at += 7; *at != '"' && *at != '\0'; at++)
            *at = 'x';
    }
    at = talk->text;
    while ((at = memmem(at, talk->len - (size_t)(at - talk->text),
                        "\r\nDate: ", 8)) != NULL) {
        for (at += 8; *at != '\r' && *at != '\0'; at++)
            *at = 'x';
    }
}

/* ---- Saying ---- */

static void
say(struct talk *talk, const char *text)
{
    if (talk->end == TALK_DONE)
        home_say(talk->fd, text);
}

static void
say_frame(struct talk *talk, unsigned op, const void *data, size_t len)
{
    if (talk->end == TALK_DONE)
        home_frame(talk->fd, op, data, len);
}

static void
say_text(struct talk *talk, const char *text)
{
    say_frame(talk, 0x81, text, strlen(text));
}

static const char *
long_event(void)
{
    static char event[LONG_EVENT + 32];

    if (event[0] == '\0') {
        memcpy(event, "42[\"say\",\"", 10);
        memset(event + 10, 'l', LONG_EVENT);
        memcpy(event + 10 + LONG_EVENT, "end\"]", 6);
    }
    return event;
}

/* Over a WebSocket that is open, from "40" to the end. */
static void
talk_frames(struct talk *talk)
{
    say_text(talk, "40");
    await(talk, "40{\"sid\":");
    say_text(talk, "42[\"say\",1]");
    await(talk, "42[\"said\",1]");
    say_text(talk, "42[\"say\",2]");
    say_text(talk, "42[\"say\",\"zw\xc3\xb6lf\"]");
    await(talk, "zw\xc3\xb6lf\"]");
    say_frame(talk, 0x89, "ping", 4);
    await(talk, "\x8a\x04ping");
    say_text(talk, "42[\"tell\",\"all\"]");
    await(talk, "42[\"told\",\"all\"]");
    say_text(talk, long_event());
    if (!talk->deflates)
        await(talk, "end\"]");
    say_text(talk, "451-[\"say\",{\"_placeholder\":true,\"num\":0}]");
    say_frame(talk, 0x82, "bytes", 5);
    await(talk, "bytes");
    /* a message in pieces */
    say_frame(talk, 0x01, "42[\"sa", 6);
    say_frame(talk, 0x80, "y\",3]", 5);
    await(talk, "42[\"said\",3]");
    say_frame(talk, 0x88, "\x03\xe8", 2);
    await_end(talk);
}

static void
begin_websocket(struct talk *talk, const char *headers)
{
    dial(talk);
    say(talk, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n");
    say(talk, headers);
    await_response(talk, "HTTP/1.1 101 ");
    await(talk, "maxPayload");
    await(talk, "}");
    talk_frames(talk);
    hang_up(talk);
}

static void
talk_websocket(struct talk *talk)
{
    begin_websocket(talk, UPGRADE);
}

/* A name that comes twice is not plain. */
static void
talk_by_lws(struct talk *talk)
{
    begin_websocket(talk, "X-Twice: 1\r\nX-Twice: 2\r\n" UPGRADE);
}

static void
talk_deflated(struct talk *talk)
{
    talk->deflates = true;
    begin_websocket(talk,
                    "Sec-WebSocket-Extensions: permessage-deflate\r\n" UPGRADE);
}

static void
ask(struct talk *talk, const char *sid)
{
    char text[256];

    snprintf(text, sizeof(text),
             "GET /socket.io/?EIO=4&transport=polling%s%s HTTP/1.1\r\n"
             "Host: x\r\n\r\n",
             sid[0] != '\0' ? "&sid=" : "", sid);
    say(talk, text);
}

static void
get(struct talk *talk, const char *sid)
{
    ask(talk, sid);
    await_response(talk, "HTTP/1.1 200 ");
}

static void
post(struct talk *talk, const char *sid, const char *body)
{
    char text[256];

    snprintf(text, sizeof(text),
             "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n"
             "Host: x\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
             "\r\n",
             sid, strlen(body));
    say(talk, text);
    say(talk, body);
    await_response(talk, "HTTP/1.1 200 ");
}

static void
talk_polling(struct talk *talk)
{
    char sid[24];
    int fd;

    dial(talk);
    get(talk, "");
    find_sid(talk, sid);
    post(talk, sid, "40");
    get(talk, sid);
    post(talk, sid,
         "42[\"say\",1]\x1e"
         "42[\"say\",2]\x1e"
         "42[\"say\",3]");
    get(talk, sid);
    post(talk, sid, long_event());
    get(talk, sid);
    /* one that waits, and what it waits for from another connection */
    ask(talk, sid);
    fd = talk->fd;
    dial(talk);
    post(talk, sid, "42[\"say\",4]");
    hang_up(talk);
    talk->fd = fd;
    await_response(talk, "HTTP/1.1 200 ");
    post(talk, sid, "1");
    hang_up(talk);
}

static void
talk_upgrade(struct talk *talk)
{
    char sid[24];
    char text[128];

    dial(talk);
    get(talk, "");
    find_sid(talk, sid);
    hang_up(talk);
    dial(talk);
    snprintf(text, sizeof(text),
             "GET /socket.io/?EIO=4&transport=websocket&sid=%s HTTP/1.1\r\n",
             sid);
    say(talk, text);
    say(talk, UPGRADE);
    await_response(talk, "HTTP/1.1 101 ");
    say_text(talk, "2probe");
    await(talk, "3probe");
    say_text(talk, "5");
    talk_frames(talk);
    hang_up(talk);
}

enum talk_end
talk_run(struct talk *talk, const struct home *home, enum talk_kind kind,
         uint32_t patience_ms)
{
    static void (*const kinds[TALK_KINDS])(
        struct talk *) = {talk_websocket, talk_polling, talk_upgrade,
                          talk_by_lws, talk_deflated};

    talk->home = home;
    talk->end = TALK_DONE;
    talk->deflates = false;
    talk->patience_ms = patience_ms;
    talk->len = talk->mark = 0;
    talk->text[0] = '\0';
    kinds[kind](talk);
    blot_out(talk);
    return talk->end;
}

bool
talk_is_same(const struct talk *a, const struct talk *b)
{
    return a->end == b->end && a->len == b->len &&
           memcmp(a->text, b->text, a->len) == 0;
}

const char *
talk_kind_name(enum talk_kind kind)
{
    static const char *const names[TALK_KINDS] = {"WebSocket", "polling",
                                                  "upgrade", "WebSocket of lws",
                                                  "deflated"};

    return names[kind];
}

const char *
talk_end_name(enum talk_end end)
{
    static const char *const names[] = {"done", "closed", "refused", "hung"};

    return names[end];
}
