/*
 * Bugs of libwebsockets 4.1.6 that our two homes, skio_listen() and a host's
 * vhost, must close, against the stock library (reference ids ADV-LWS-1 to -3,
 * ATK-01, ATK-11, ATK-13). Under valgrind the first one also shows that
 * nothing freed is read.
 */
#define _GNU_SOURCE /* strcasestr */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "threats/home.h"

#define PATH "/socket.io/?EIO=4&transport=polling"

static struct home *homes[HOME_COUNT];
static char out[65536];

static int
start_homes(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        homes[i] = home_start((enum home_kind)i);
    return 0;
}

static int
stop_homes(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        home_stop(homes[i]);
    return 0;
}

/* A request whose answer is complete, the connection kept alive. */
static int
used_connection(const struct home *home)
{
    int fd = home_dial(home);

    home_say(fd, "GET " PATH " HTTP/1.1\r\nHost: x\r\n\r\n");
    home_read(fd, out, sizeof(out), "maxPayload", NULL);
    assert_int_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
    return fd;
}

static void
assert_refused(const char *text)
{
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t len = home_ask(homes[i], text, out, sizeof(out));

        if (len > 0 && strncmp(out, "HTTP/1.1 400 ", 13) != 0 &&
            strncmp(out, "HTTP/1.1 411 ", 13) != 0)
            fail_msg("home %d answered %.40s to %.80s", i, out, text);
    }
}

/* CVE-2025-11677 */
static void
unknown_upgrade_on_a_used_connection_is_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        for (int first = 0; first < 2; first++) {
            bool closed;
            int fd = first ? home_dial(homes[i]) : used_connection(homes[i]);

            home_say(fd, "GET " PATH " HTTP/1.1\r\nHost: x\r\n"
                         "Upgrade: foo\r\nConnection: Upgrade\r\n\r\n");
            home_read(fd, out, sizeof(out), NULL, &closed);
            assert_true(closed);
            assert_null(strstr(out, " 101 "));
            close(fd);
            assert_true(home_is_well(homes[i]));
        }
}

static void
upgrade_to_http2_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        for (int first = 0; first < 2; first++) {
            bool closed;
            int fd = first ? home_dial(homes[i]) : used_connection(homes[i]);

            home_say(fd, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n"
                         "Connection: Upgrade, HTTP2-Settings\r\n"
                         "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
            home_read(fd, out, sizeof(out), NULL, &closed);
            assert_true(closed);
            assert_null(strstr(out, " 101 "));
            close(fd);
        }
}

/* The refusal cannot be written: its exchange has gone all the same. */
static void
upgrade_refused_to_a_peer_that_has_gone(void **state)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        for (int n = 0; n < 300; n++) {
            int fd = home_dial(homes[i]);

            home_say(fd, "GET /socket.io/?EIO=4&transport=none HTTP/1.1\r\n"
                         "Host: x\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
                                        sizeof(reset)),
                             0);
            close(fd);
        }
        assert_true(home_is_well(homes[i]));
    }
}

static void
http2_without_asking_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        home_ask(homes[i], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", out,
                 sizeof(out));
        assert_null(strstr(out, "\n200 "));
        assert_true(home_is_well(homes[i]));
    }
}

static void
connect_is_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        for (int first = 0; first < 2; first++) {
            bool closed;
            int fd = first ? home_dial(homes[i]) : used_connection(homes[i]);

            home_say(fd, "CONNECT example.org:443 HTTP/1.1\r\n"
                         "Host: example.org:443\r\n\r\nraw bytes");
            home_read(fd, out, sizeof(out), NULL, &closed);
            assert_true(closed);
            assert_int_equal(out[0], '\0');
            close(fd);
        }
    assert_true(home_is_well(homes[HOME_HOST]));
}

static void
content_length_must_be_one_number(void **state)
{
    static const char *const lengths[] = {
        "-1",
        "-9223372036854775808",
        "+5",
        "5, 6",
        "5, 5",
        "5 5",
        "0x5",
        "5.0",
        "five",
        "",
        "99999999999999999999",
        "18446744073709551615",
        "4\r\nContent-Length: 5",
        "5\r\nContent-Length: 5",
        "5\r\ncontent-length: -1",
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        for (int post = 0; post < 2; post++) {
            snprintf(text, sizeof(text),
                     "%s " PATH "&sid=x HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: %s\r\n\r\nhello",
                     post ? "POST" : "GET", lengths[i]);
            assert_refused(text);
        }
}

static void
transfer_encodings_are_refused(void **state)
{
    (void)state;
    assert_refused("POST " PATH " HTTP/1.1\r\nHost: x\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_refused("POST " PATH " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_refused("GET " PATH " HTTP/1.1\r\nHost: x\r\n"
                   "Transfer-Encoding: identity\r\n\r\n");
}

/* What lws does not recognize, a proxy in front may. */
static void
disguised_framing_headers_are_refused(void **state)
{
    static const char *const lines[] = {
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Content-Length : 5",
        " Transfer-Encoding: chunked",
        "Foo: bar\r\n Transfer-Encoding: chunked",
        "no colon\r\nTransfer-Encoding: chunked",
        /* lws misses the colon after a name that begins one it knows */
        "X-A: 1\r\nTransfer-Encoding: chunked",
        "Foo: a\x01z",
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(text, sizeof(text),
                 "GET " PATH " HTTP/1.1\r\nHost: x\r\n%s\r\nZ: 1\r\n\r\n",
                 lines[i]);
        assert_refused(text);
    }
}

/* A NUL would end one header for us and begin another that nobody sent. */
static void
nul_in_a_header_is_refused(void **state)
{
    static const char text[] = "GET " PATH " HTTP/1.1\r\nHost: x\r\n"
                               "Cookie: a\0x-real-ip\0"
                               "127.0.0.1\r\n\r\n";

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        bool closed;
        int fd = home_dial(homes[i]);

        home_send(fd, text, sizeof(text) - 1);
        home_read(fd, out, sizeof(out), NULL, &closed);
        close(fd);
        assert_true(closed);
        assert_int_equal(strncmp(out, "HTTP/1.1 400 ", 13), 0);
    }
}

/*
 * lws reads the headers of such a POST again as its body, then loops for ever.
 * Refused, and the other connections do not feel it.
 */
static void
post_that_follows_in_the_same_packet_makes_nothing_loop(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        bool closed;
        int fd = home_dial(homes[i]);
        uint64_t cpu;

        home_say(fd, "GET " PATH " HTTP/1.1\r\nHost: x\r\n\r\n"
                     "POST " PATH " HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 2\r\n\r\nok"
                     "GET " PATH " HTTP/1.1\r\nHost: x\r\n\r\n");
        home_read(fd, out, sizeof(out), NULL, &closed);
        close(fd);
        assert_true(closed);
        assert_int_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
        cpu = home_cpu_ms();
        home_pause(300);
        assert_true(home_cpu_ms() - cpu < 100);
        assert_true(home_is_well(homes[i]));
    }
}

static void
gets_that_follow_in_the_same_packet_are_answered_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        const char *at = out;
        bool closed;
        int fd = home_dial(homes[i]);

        home_say(fd, "GET " PATH " HTTP/1.1\r\nHost: x\r\n\r\n"
                     "GET " PATH "&n=2 HTTP/1.1\r\nHost: x\r\n\r\n"
                     "GET " PATH " HTTP/1.1\r\nHost: x\r\n"
                     "Connection: close\r\n\r\n");
        home_read(fd, out, sizeof(out), NULL, &closed);
        close(fd);
        assert_true(closed);
        for (int n = 0; n < 3; n++) {
            at = strstr(at, "HTTP/1.1 200 ");
            assert_non_null(at);
            at++;
        }
    }
}

/* Its issue 2455: a byte or a FIN during a held request made the loop spin,
 * and the FIN was never reported. */
static void
input_during_a_held_poll_does_not_spin(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        for (int fin = 0; fin < 2; fin++) {
            char sid[32], text[256];
            uint64_t cpu;
            int fd;

            home_handshake(homes[i], sid);
            snprintf(text, sizeof(text),
                     "GET " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", sid);
            fd = home_dial(homes[i]);
            home_say(fd, text);
            home_pause(100);
            if (fin)
                shutdown(fd, SHUT_WR);
            else
                home_say(fd, "GET");
            home_pause(100);

            cpu = home_cpu_ms();
            home_pause(500);
            assert_true(home_cpu_ms() - cpu < 100);

            /* an aborted poll ends its session */
            if (fin) {
                snprintf(text, sizeof(text),
                         "GET " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
                         "Connection: close\r\n\r\n",
                         sid);
                home_ask(homes[i], text, out, sizeof(out));
                assert_int_equal(strncmp(out, "HTTP/1.1 400 ", 13), 0);
            }
            close(fd);
        }
}

static char *
put(char *at, const char *text)
{
    size_t len = strlen(text);

    memcpy(at, text, len + 1);
    return at + len;
}

/* Bytes of the query, and of the headers as they are sent, but for what is
 * filled in. */
#define QUERY (sizeof "EIO=4&transport=polling&q=" - 1)
#define HEADERS (sizeof "Host: x\r\nConnection: close\r\nCookie: a=\r\n" - 1)

static void
large_headers_are_refused_or_dropped(void **state)
{
    static const struct {
        size_t cookie, query, lines;
        const char *answer;
    } cases[] = {
        {9000, 0, 0, "HTTP/1.1 431 "},
        {0, 5000, 0, "HTTP/1.1 414 "},
        {0, 0, 200, "HTTP/1.1 431 "},
        {40000, 0, 0, ""},
        {0, 60000, 0, ""},
        {0, 0, 5000, ""},
        {7000, 0, 0, "HTTP/1.1 200 "},
        {0, 3000, 0, "HTTP/1.1 200 "},
        {0, 0, 90, "HTTP/1.1 200 "},
        /* at each limit, and one past it */
        {0, 4096 - QUERY, 0, "HTTP/1.1 200 "},
        {0, 4097 - QUERY, 0, "HTTP/1.1 414 "},
        {0, 0, 97, "HTTP/1.1 200 "},
        {0, 0, 98, "HTTP/1.1 431 "},
        {8192 - HEADERS, 0, 0, "HTTP/1.1 200 "},
        {8193 - HEADERS, 0, 0, "HTTP/1.1 431 "},
    };
    static char text[131072];

    (void)state;
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        char *at = text;

        at = put(at, "GET " PATH "&q=");
        memset(at, 'q', cases[n].query);
        at = put(at + cases[n].query,
                 " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a=");
        memset(at, 'c', cases[n].cookie);
        at = put(at + cases[n].cookie, "\r\n");
        for (size_t i = 0; i < cases[n].lines; i++)
            at = put(at, "Zz: 1\r\n");
        put(at, "\r\n");
        for (int i = 0; i < HOME_COUNT; i++) {
            home_ask(homes[i], text, out, sizeof(out));
            if (strncmp(out, cases[n].answer, strlen(cases[n].answer)) != 0)
                fail_msg("case %zu: %.40s", n, out);
            if (cases[n].answer[0] == '\0')
                assert_int_equal(out[0], '\0');
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_upgrade_on_a_used_connection_is_dropped),
        cmocka_unit_test(upgrade_to_http2_is_refused),
        cmocka_unit_test(upgrade_refused_to_a_peer_that_has_gone),
        cmocka_unit_test(http2_without_asking_is_refused),
        cmocka_unit_test(connect_is_dropped),
        cmocka_unit_test(content_length_must_be_one_number),
        cmocka_unit_test(transfer_encodings_are_refused),
        cmocka_unit_test(disguised_framing_headers_are_refused),
        cmocka_unit_test(nul_in_a_header_is_refused),
        cmocka_unit_test(
            post_that_follows_in_the_same_packet_makes_nothing_loop),
        cmocka_unit_test(
            gets_that_follow_in_the_same_packet_are_answered_in_order),
        cmocka_unit_test(input_during_a_held_poll_does_not_spin),
        cmocka_unit_test(large_headers_are_refused_or_dropped),
    };

    return cmocka_run_group_tests_name("lws_bugs", tests, start_homes,
                                       stop_homes);
}
