/*
 * Heads of requests: which are plain, and what is read of them. Whatever is
 * not is handed to libwebsockets, so the tests are most of all about what must
 * not be taken for plain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/plain.h"

#define TARGET "/socket.io/?EIO=4&transport=websocket"
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define LINE "GET " TARGET " HTTP/1.1\r\n"
#define UPGRADE                                                                \
    LINE "Host: localhost:3000\r\n"                                            \
         "Connection: Upgrade\r\n"                                             \
         "Upgrade: websocket\r\n"                                              \
         "Sec-WebSocket-Version: 13\r\n"                                       \
         "Sec-WebSocket-Key: " KEY "\r\n"

static struct skio__plain plain;
static char *out;

/* Input and output in blocks of just their size, for the sanitizer. */
static ptrdiff_t
read_bytes(const char *text, size_t len)
{
    char *data = malloc(len + (len == 0));
    ptrdiff_t used;

    free(out);
    out = malloc(len + (len == 0));
    assert_non_null(data);
    assert_non_null(out);
    memcpy(data, text, len);
    used = skio__plain_read(&plain, data, len, out);
    free(data);
    return used;
}

static ptrdiff_t
read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

static int
free_out(void **state)
{
    (void)state;
    free(out);
    out = NULL;
    return 0;
}

static void
assert_plain(const char *text)
{
    if (read_text(text) != (ptrdiff_t)strlen(text))
        fail_msg("not plain: %s", text);
}

static void
assert_not_plain(const char *text)
{
    if (read_text(text) != SKIO__PLAIN_NONE)
        fail_msg("plain, or too short: %s", text);
}

/* A request with one more line. */
static const char *
with(const char *line)
{
    static char text[1024];

    snprintf(text, sizeof(text), LINE "Host: x\r\n%s\r\n\r\n", line);
    return text;
}

static void
parts_are_where_they_belong(void **state)
{
    static const char headers[] = "host\0localhost\0"
                                  "x-a\0one\ttwo\0"
                                  "content-length\0"
                                  "12\0"
                                  "user-agent\0Bro/1 \xc3\xa4";
    static const char text[] = "POST /socket.io/?EIO=4&t=%7B%22 HTTP/1.1\r\n"
                               "Host: localhost\r\n"
                               "X-A:one\ttwo \t\r\n"
                               "Content-Length: 12\r\n"
                               "USER-AGENT:   Bro/1 \xc3\xa4\r\n"
                               "\r\n";

    (void)state;
    assert_plain(text);
    assert_string_equal(plain.method, "POST");
    assert_string_equal(plain.path, "/socket.io/");
    assert_string_equal(plain.query, "EIO=4&t=%7B%22");
    assert_int_equal(plain.query_len, strlen(plain.query));
    assert_int_equal(plain.headers_len, sizeof(headers));
    assert_memory_equal(plain.headers, headers, sizeof(headers));
    assert_int_equal(plain.lines, 4);
    assert_int_equal(plain.content_length, 12);
    assert_string_equal(plain.host, "localhost");
    assert_null(plain.upgrade);

    assert_plain("OPTIONS / HTTP/1.1\r\n\r\n");
    assert_string_equal(plain.method, "OPTIONS");
    assert_string_equal(plain.path, "/");
    assert_string_equal(plain.query, "");
    assert_int_equal(plain.query_len, 0);
    assert_int_equal(plain.headers_len, 0);
    assert_int_equal(plain.content_length, -1);
}

static void
head_cut_anywhere_is_not_complete(void **state)
{
    static const char text[] = UPGRADE "Origin: http://x\r\n\r\n";

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        assert_int_equal(read_bytes(text, len), SKIO__PLAIN_MORE);
    assert_int_equal(read_bytes(text, sizeof(text) - 1), sizeof(text) - 1);
}

static void
what_follows_the_head_is_left(void **state)
{
    static const char text[] = LINE "Host: x\r\n\r\nGET \r\n\r\n\0\x81";

    (void)state;
    assert_int_equal(read_bytes(text, sizeof(text)),
                     strlen(LINE "Host: x\r\n\r\n"));
}

/* A control character at any place, in place of what is there or between, makes
 * it another request, or none; never one with the same text. */
static void
control_characters_are_not_plain(void **state)
{
    static const char text[] = UPGRADE "Origin: http://x y\r\n\r\n";
    const size_t len = sizeof(text) - 1;
    char changed[sizeof(text) + 1];

    (void)state;
    for (int c = 0; c < 0x20; c++)
        for (size_t at = 0; at < len - 2; at++) {
            if (c == '\t' || c == '\n')
                continue;
            memcpy(changed, text, len);
            changed[at] = (char)c;
            if (changed[at] != text[at])
                assert_int_equal(read_bytes(changed, len), SKIO__PLAIN_NONE);
            memcpy(changed, text, at);
            changed[at] = (char)c;
            memcpy(changed + at + 1, text + at, len - at);
            assert_int_equal(read_bytes(changed, len + 1), SKIO__PLAIN_NONE);
        }
    assert_not_plain(with("X-A: \x7f"));
    assert_int_equal(read_bytes(LINE "A: b\0c\r\n\r\n", strlen(LINE) + 10),
                     SKIO__PLAIN_NONE);
}

static void
lines_end_with_cr_and_lf(void **state)
{
    (void)state;
    assert_not_plain("GET / HTTP/1.1\n\r\n");
    assert_not_plain("GET / HTTP/1.1\r\nHost: x\n\r\n");
    assert_not_plain("GET / HTTP/1.1\r\nHost: x\r\n\n");
    assert_not_plain("GET / HTTP/1.1\r\nHost: x\r\r\n\r\n");
    assert_not_plain("GET / HTTP/1.1\r\nHost: x\ry: z\r\n\r\n");
    assert_not_plain("\r\nGET / HTTP/1.1\r\n\r\n");
    assert_not_plain("\n");
}

static void
odd_request_lines_are_not_plain(void **state)
{
    static const char *const lines[] = {
        "HEAD / HTTP/1.1",
        "PUT / HTTP/1.1",
        "get / HTTP/1.1",
        "GETS / HTTP/1.1",
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.0",
        "GET / HTTP/1.2",
        "GET / HTTP/1.1 ",
        "GET / http/1.1",
        "GET /",
        "GET ",
        "GET",
        "GET HTTP/1.1",
        "GET  HTTP/1.1",
        "GET * HTTP/1.1",
        "GET x HTTP/1.1",
        "GET http://x/ HTTP/1.1",
        "GET // HTTP/1.1",
        "GET /a//b HTTP/1.1",
        "GET /. HTTP/1.1",
        "GET /a/../b HTTP/1.1",
        "GET /a/.b HTTP/1.1",
        "GET /%61 HTTP/1.1",
        "GET /a+b HTTP/1.1",
        "GET /a;b HTTP/1.1",
        "GET /a&b HTTP/1.1",
        "GET /a=b HTTP/1.1",
        "GET /\xc3\xa4 HTTP/1.1",
        "GET /#a HTTP/1.1",
        "GET /? HTTP/1.1",
        "GET /?& HTTP/1.1",
        "GET /?a& HTTP/1.1",
        "GET /?&a HTTP/1.1",
        "GET /?a&&b HTTP/1.1",
        "GET /?=a HTTP/1.1",
        "GET /?a=b=c HTTP/1.1",
        "GET /?a=b?c HTTP/1.1",
        "GET /?a=b;c HTTP/1.1",
        "GET /?a=b+c HTTP/1.1",
        "GET /?a=b/c HTTP/1.1",
        "GET /?a=b#c HTTP/1.1",
        "GET /?a=%41 HTTP/1.1",
        "GET /?a=%2d HTTP/1.1",
        "GET /?a=%7b HTTP/1.1",
        "GET /?a=%00 HTTP/1.1",
        "GET /?a=% HTTP/1.1",
        "GET /?a=%2 HTTP/1.1",
        "GET /?a=%G0 HTTP/1.1",
        "GET /?%7B=a HTTP/1.1",
        "GET /?a=\xc3\xa4 HTTP/1.1",
        "GET /?a=b c HTTP/1.1",
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(text, sizeof(text), "%s\r\nHost: x\r\n\r\n", lines[i]);
        assert_not_plain(text);
    }
}

static void
odd_headers_are_not_plain(void **state)
{
    static const char *const lines[] = {
        "no colon",
        ": a",
        ":a: b",
        " A: b",
        "\tA: b",
        "A : b",
        "A\t: b",
        "A:",
        "A: ",
        "A: \t",
        "A:\tb",
        "A: \tb",
        "A\xc3\xa4: b",
        "A/B: c",
        "A(B): c",
        "A: b\r\n c",
        "A: b\r\n\tc",
        "A: b\r\na: b",
        "HOST: y",
        "Cookie: a\r\nCookie: b",
        "Transfer-Encoding: chunked",
        "transfer-encoding: identity",
        "Expect: 100-continue",
        "Sec-WebSocket-Origin: x",
        "Content-Length: -1",
        "Content-Length: +1",
        "Content-Length: 1 2",
        "Content-Length: 1,1",
        "Content-Length: 0x1",
        "Content-Length: 1234567890123456789",
        "Content-Length: 1\r\nContent-Length: 1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_not_plain(with(lines[i]));
    assert_plain(with("Content-Length: 999999999999999999"));
    assert_true(plain.content_length == 999999999999999999);
    /* names that begin one that libwebsockets knows */
    assert_plain(with("X-A: 1\r\nX: 2\r\nAuth: 3"));
}

/* However they fall into the bits that remember names. */
static void
names_may_come_once_each(void **state)
{
    char text[4096];
    size_t len = 0;

    (void)state;
    len += (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 64; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "X-%d: %d\r\n",
                                i, i);
    snprintf(text + len, sizeof(text) - len, "\r\n");
    assert_plain(text);
    assert_int_equal(plain.lines, 64);
    for (int i = 0; i < 63; i += 6) {
        size_t end = len - strlen("X-63: 63\r\n");

        snprintf(text + end, sizeof(text) - end, "x-%d: a\r\n\r\n", i);
        assert_not_plain(text);
    }
    snprintf(text + len, sizeof(text) - len, "X-64: 1\r\n\r\n");
    assert_not_plain(text);
}

/* line: in place of the one that begins like it, up to the colon. */
static bool
is_upgrade_with(const char *line)
{
    static const char *const lines[] = {
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    };
    size_t name = strcspn(line, ":");
    bool is_done = false;
    char text[1024];
    size_t len;

    len = (size_t)snprintf(text, sizeof(text), LINE);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        bool is_it = strncmp(lines[i], line, name + 1) == 0;

        is_done = is_done || is_it;
        if (!is_it || line[name + 1] != '\0')
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\r\n",
                                    is_it ? line : lines[i]);
    }
    snprintf(text + len, sizeof(text) - len, is_done ? "\r\n" : "%s\r\n\r\n",
             line);
    assert_plain(text);
    return skio__plain_is_upgrade(&plain);
}

static void
upgrades_are_known(void **state)
{
    static const char *const good[] = {
        "Connection: upgrade",
        "Connection: keep-alive, Upgrade",
        "Connection: Upgrade,keep-alive",
        "Upgrade: WebSocket",
        "Sec-WebSocket-Version: 8",
        "Sec-WebSocket-Protocol: chat",
        "Sec-WebSocket-Protocol: v12.stomp-x",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Key: +/AAAAAAAAAAAAAAAAAAAA==",
    };
    static const char *const bad[] = {
        "Host:",
        "Connection:",
        "Connection: close",
        "Connection: upgraded",
        "Connection: keep-alive Upgrade",
        "Connection: ,Upgrade",
        "Connection: Upgrade,",
        "Connection: Upgrade;q=1",
        "Upgrade:",
        "Upgrade: h2c",
        "Upgrade: websocket, h2c",
        "Sec-WebSocket-Version:",
        "Sec-WebSocket-Version: 7",
        "Sec-WebSocket-Version: 13, 8",
        "Sec-WebSocket-Key:",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA===",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAA=A=",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAA-==",
        "Sec-WebSocket-Protocol: a, b",
        "Sec-WebSocket-Protocol: 12",
        "Sec-WebSocket-Protocol: a/b",
        "Content-Length: 0",
    };
    char text[128];
    bool keep_alive;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!is_upgrade_with(good[i]))
            fail_msg("%s", good[i]);
        assert_false(skio__plain_is_simple(&plain, &keep_alive));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (is_upgrade_with(bad[i]))
            fail_msg("%s", bad[i]);
    for (int len = 62; len <= 65; len++) {
        snprintf(text, sizeof(text), "Sec-WebSocket-Protocol: a%0*d", len - 1,
                 0);
        assert_int_equal(is_upgrade_with(text), len < 64);
    }
}

static void
simple_requests_are_known(void **state)
{
    bool keep_alive = false;

    (void)state;
    assert_plain(with("Accept: */*"));
    assert_true(skio__plain_is_simple(&plain, &keep_alive));
    assert_true(keep_alive);
    assert_plain(with("Connection: Close"));
    assert_true(skio__plain_is_simple(&plain, &keep_alive));
    assert_false(keep_alive);
    assert_plain(with("Connection: Keep-Alive\r\nContent-Length: 0"));
    assert_true(skio__plain_is_simple(&plain, &keep_alive));
    assert_true(keep_alive);

    assert_plain(with("Connection: keep-alive, x"));
    assert_false(skio__plain_is_simple(&plain, &keep_alive));
    assert_plain(with("Content-Length: 1"));
    assert_false(skio__plain_is_simple(&plain, &keep_alive));
    assert_plain(with("Upgrade: h2c"));
    assert_false(skio__plain_is_simple(&plain, &keep_alive));
    assert_plain("GET / HTTP/1.1\r\n\r\n");
    assert_false(skio__plain_is_simple(&plain, &keep_alive));
    assert_plain("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_false(skio__plain_is_simple(&plain, &keep_alive));
    assert_plain("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    assert_true(skio__plain_is_simple(&plain, &keep_alive));
}

/* Any bytes, some of them from a good request: nothing is read beyond. */
static void
random_bytes_do_no_harm(void **state)
{
    static const char good[] = UPGRADE "\r\n";
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof(good)];

        memcpy(text, good, sizeof(good));
        for (int i = 0; i < 3; i++) {
            seed = seed * 1664525 + 1013904223;
            text[(seed >> 8) % (sizeof(good) - 1)] = (char)(seed >> 24);
        }
        (void)read_bytes(text, (seed >> 4) % sizeof(good));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_where_they_belong),
        cmocka_unit_test(head_cut_anywhere_is_not_complete),
        cmocka_unit_test(what_follows_the_head_is_left),
        cmocka_unit_test(control_characters_are_not_plain),
        cmocka_unit_test(lines_end_with_cr_and_lf),
        cmocka_unit_test(odd_request_lines_are_not_plain),
        cmocka_unit_test(odd_headers_are_not_plain),
        cmocka_unit_test(names_may_come_once_each),
        cmocka_unit_test(upgrades_are_known),
        cmocka_unit_test(simple_requests_are_known),
        cmocka_unit_test(random_bytes_do_no_harm),
    };

    return cmocka_run_group_tests_name("plain", tests, NULL, free_out);
}
