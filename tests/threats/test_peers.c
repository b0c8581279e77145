/*
 * Peers that do to a real connection what nobody should: resets, headers of any
 * kind, bytes that trickle, crowds that come and go; on the own listener and
 * inside a host
 */
#define _GNU_SOURCE /* memmem */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include <socketio/request.h>

#include "threats/home.h"
#include "threats/scale.h"
#include "threats/visit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATH "/socket.io/?EIO=4&transport=polling"
#define UPGRADE                                                                \
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"                   \
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n"

#define MOST_DESCRIPTORS (scale_is_long() ? 20000 : 4096)

static struct home *homes[HOME_COUNT];
static char out[1 << 20];

/* Less under valgrind. */
static unsigned
some_of(unsigned usual, unsigned full, const char *what)
{
    return scale_is_valgrind() ? usual / 5 : scaled(usual, full, what);
}

static int
start_homes(void **state)
{
    struct rlimit limit;

    (void)state;
    /* Both ends of each connection are here. Not more than needed: Debian's
     * libwebsockets walks over all that there may be at each close. */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur =
        limit.rlim_max < MOST_DESCRIPTORS ? limit.rlim_max : MOST_DESCRIPTORS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
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

static uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Sooner or later, at the latest after five seconds. */
#define SETTLES(condition)                                                     \
    do {                                                                       \
        for (int left = 500; left > 0 && !(condition); left--)                 \
            home_pause(10);                                                    \
        assert_true(condition);                                                \
    } while (0)

/* What a first time costs has been paid. */
static void
warm_up(const struct home *home)
{
    assert_true(home_is_well(home));
    close(home_websocket(home));
    home_pause(50);
}

/* ---- ADV-07: resets ---- */

static void
reset_at_every_byte_of_an_upgrade_does_no_harm(void **state)
{
    static const char all[] = UPGRADE "\r\n\x81\x82\0\0\0\0"
                                      "40\x81\x82\0\0\0\0"
                                      "2?";

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t before;

        warm_up(homes[i]);
        before = home_descriptors();
        for (int slow = 0; slow < 2; slow++)
            for (size_t len = 0; len < sizeof(all); len++) {
                int fd = home_dial(homes[i]);

                home_send(fd, all, len);
                if (slow)
                    home_pause(1); /* what came was read before the reset */
                home_reset(fd);
            }
        assert_true(home_is_well(homes[i]));
        SETTLES(home_descriptors() <= before);
    }
}

/* ---- ADV-13: refusals ---- */

/* The whole answer is here, whether or not the connection goes on. */
static bool
is_complete(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *at = strcasestr(text, "\r\ncontent-length:");

    return end != NULL && at != NULL && at < end &&
           strlen(end + 4) >= (size_t)strtoul(at + 17, NULL, 10);
}

static void
expect_refusal(int fd, const char *text)
{
    size_t len = 0;

    home_say(fd, text);
    while (len < sizeof(out) - 1) {
        ssize_t got = recv(fd, out + len, sizeof(out) - 1 - len, 0);

        if (got <= 0)
            break;
        len += (size_t)got;
        out[len] = '\0';
        if (is_complete(out))
            break;
    }
    out[len] = '\0';
    if (!is_complete(out) || strncmp(out, "HTTP/1.1 4", 10) != 0)
        fail_msg("to %.60s: %.200s", text, out);
}

static void
refused_requests_leave_no_descriptor(void **state)
{
    static const struct {
        bool in_session;
        const char *head; /* then the id, or "none" */
        const char *rest;
    } requests[] = {
        {true, "POST " PATH "&sid=",
         "Content-Type: application/octet-stream\r\n"
         "Content-Length: 3\r\n\r\n4hi"},
        {true, "POST " PATH "&sid=", "Content-Length: 2\r\n\r\n4\xff"},
        {true, "POST " PATH "&sid=", "Content-Length: 9000000\r\n\r\n4"},
        {false, "PUT " PATH "&x=", "Content-Length: 0\r\n\r\n"},
        {false, "GET " PATH "&sid=", "\r\n"},
        {false, "GET " PATH "&transport=", "\r\n"},
        {false, "GET " PATH "&x=", "Origin: http://elsewhere.example\r\n\r\n"},
    };
    unsigned repeats = some_of(300, 1000, "refused requests");

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t before;

        warm_up(homes[i]);
        before = home_descriptors();
        for (unsigned n = 0; n < repeats; n++) {
            size_t which = n % COUNT(requests);
            char text[512], sid[32] = "none";
            int fd;

            if (requests[which].in_session)
                home_handshake(homes[i], sid);
            snprintf(text, sizeof(text), "%s%s HTTP/1.1\r\nHost: x\r\n%s",
                     requests[which].head, sid, requests[which].rest);
            fd = home_dial(homes[i]);
            expect_refusal(fd, text);
            close(fd);
        }
        assert_true(home_is_well(homes[i]));
        SETTLES(home_descriptors() <= before);
    }
}

/* ---- ADV-24: headers ---- */

static void
headers_may_be_cut_anywhere(void **state)
{
    static const char text[] =
        "GET " PATH " HTTP/1.1\r\nHost: x\r\nCookie: a=b; c=d\r\n"
        "Accept: */*\r\nX-One: 1\r\nx-two:2\r\nUser-Agent: none\r\n"
        "Accept-Encoding: gzip, br\r\nConnection: close\r\n\r\n";

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
            int one = 1;
            int fd = home_dial(homes[i]);
            bool closed;

            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            home_send(fd, text, cut);
            home_pause(1);
            home_send(fd, text + cut, sizeof(text) - 1 - cut);
            home_read(fd, out, sizeof(out), NULL, &closed);
            close(fd);
            assert_true(closed);
            if (strncmp(out, "HTTP/1.1 200 ", 13) != 0)
                fail_msg("cut at %zu: %.60s", cut, out);
        }
}

static void
headers_of_any_number_are_answered_or_dropped(void **state)
{
    static const unsigned counts[] = {1,   2,   10,  50,   90,  99,
                                      100, 101, 500, 1000, 5000};
    static const size_t lengths[] = {1, 100, 1000, 8000, 16000, 65536};
    static char text[256 * 1024];

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        for (size_t c = 0; c < COUNT(counts); c++)
            for (size_t l = 0; l < COUNT(lengths); l++) {
                size_t len = (size_t)snprintf(text, sizeof(text),
                                              "GET " PATH " HTTP/1.1\r\n"
                                              "Host: x\r\n");
                unsigned n = 0;

                while (n < counts[c] && len + lengths[l] + 64 < sizeof(text)) {
                    len += (size_t)snprintf(text + len, 16, "Z%u: ", n++);
                    memset(text + len, 'z', lengths[l]);
                    len += lengths[l];
                    memcpy(text + len, "\r\n", 3);
                    len += 2;
                }
                memcpy(text + len, "Connection: close\r\n\r\n", 22);
                home_ask(homes[i], text, out, sizeof(out));
                if (out[0] != '\0' && strncmp(out, "HTTP/1.1 431 ", 13) != 0 &&
                    strncmp(out, "HTTP/1.1 200 ", 13) != 0)
                    fail_msg("%u of %zu: %.60s", counts[c], lengths[l], out);
                if (counts[c] > 101 || lengths[l] > 8000)
                    assert_int_not_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
            }
}

/* ---- ADV-22, ADV-23, ADV-LWS-4: headers of the handshake ---- */

/* A header whose value is a text repeated to about this length. */
static void
expect_no_harm(const struct home *home, const char *name, const char *part,
               size_t length)
{
    static char text[40000];
    size_t len = (size_t)snprintf(text, sizeof(text), UPGRADE "%s: ", name);
    size_t end = len + length;
    bool closed;
    int fd;

    do {
        memcpy(text + len, part, strlen(part));
        len += strlen(part);
    } while (len < end);
    memcpy(text + len, "\r\n\r\n", 5);
    len += 4;

    fd = home_dial(home);
    home_send(fd, text, len);
    /* 101 and the open packet, or a refusal and the end */
    home_read(fd, out, sizeof(out), "maxPayload", &closed);
    close(fd);
    if (strncmp(out, "HTTP/1.1 101 ", 13) == 0)
        assert_null(strcasestr(out, "sec-websocket-extensions"));
    else if (!closed || (out[0] != '\0' && strncmp(out, "HTTP/1.1 4", 10) != 0))
        fail_msg("%s %.40s: %.80s", name, part, out);
}

static void
headers_of_the_handshake_may_be_anything(void **state)
{
    static const char *const names[] = {
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Connection",
        "Upgrade",
    };
    static const char *const parts[] = {
        "__proto__",
        "constructor",
        "__proto__; constructor=1, ",
        "permessage-deflate",
        "permessage-deflate, ",
        "permessage-deflate; client_max_window_bits=99, ",
        "permessage-deflate; permessage-deflate; ",
        "x-webkit-deflate-frame, ",
        " ",
        "\t",
        ",",
        ", ",
        ";",
        "=",
        "\"",
        "a;b=\"",
        "a;b=\"\\",
        "a=b;c, ",
        "\x80\xff",
        "a b ",
        "%00",
        "socket.io, ",
        "host, ",
        "==",
    };
    static const size_t lengths[] = {0, 300, 7000, 32768};

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        for (size_t n = 0; n < COUNT(names); n++)
            for (size_t p = 0; p < COUNT(parts); p++)
                for (size_t l = 0; l < COUNT(lengths); l++)
                    expect_no_harm(homes[i], names[n], parts[p], lengths[l]);
        assert_true(home_is_well(homes[i]));
    }
}

/* ---- ADV-20: control frames ---- */

static void
control_frames_carry_what_was_sent(void **state)
{
    static char data[126];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)('a' + i % 26);
    for (int i = 0; i < HOME_COUNT; i++) {
        int fd = home_websocket(homes[i]);

        for (size_t len = 0; len <= 125; len++) {
            home_frame(fd, 0x89, data, len);
            for (size_t got = 0; got < len + 2;) {
                ssize_t more = recv(fd, out + got, len + 2 - got, 0);

                assert_true(more > 0);
                got += (size_t)more;
            }
            assert_int_equal((unsigned char)out[0], 0x8a);
            assert_int_equal((unsigned char)out[1], len);
            assert_memory_equal(out + 2, data, len);
        }
        close(fd);
        for (size_t len = 0; len <= 125; len += 2) {
            bool closed;
            size_t got;

            fd = home_websocket(homes[i]);
            memcpy(data, "\x03\xe8", 2);
            home_frame(fd, 0x88, data, len);
            got = home_read(fd, out, sizeof(out), NULL, &closed);
            close(fd);
            memcpy(data, "ab", 2);
            assert_true(closed);
            /* the status that came, and at most the reason with it */
            assert_true(got >= 2 && (unsigned char)out[0] == 0x88);
            assert_true((size_t)(unsigned char)out[1] == got - 2);
            assert_true(got - 2 <= len);
            if (got > 2)
                assert_memory_equal(out + 2, "\x03\xe8", 2);
            if (got > 4)
                assert_memory_equal(out + 4, data + 2, got - 4);
        }
    }
}

/* ---- ATK-01: requests that never end ---- */

static void
impatient(skio_server_options *options)
{
    options->header_timeout_ms = 1000;
    options->body_timeout_ms = 1500;
    options->max_connections_per_address = 100000;
    options->max_connections = 100000;
}

/* A byte every 50 ms; returns after how long the connection ended. */
static uint64_t
trickle(const struct home *home, const char *head, const char *rest)
{
    uint64_t begun = now_ms();
    int fd = home_dial(home);
    bool closed = false;

    home_say(fd, head);
    for (size_t i = 0; !closed && i < 200; i++) {
        ssize_t got;

        home_send(fd, rest + i % strlen(rest), 1);
        home_pause(50);
        got = recv(fd, out, sizeof(out), MSG_DONTWAIT);
        closed = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    }
    close(fd);
    assert_true(closed);
    return now_ms() - begun;
}

static void
request_that_trickles_is_closed_in_time(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        struct home *home = home_start_with((enum home_kind)i, impatient, NULL);
        char text[256], sid[32];
        uint64_t took;

        took = trickle(home, "GET " PATH " HTTP/1.1\r\nX: ", "x");
        assert_true(took > 500 && took < 8000);
        home_handshake(home, sid);
        snprintf(text, sizeof(text),
                 "POST " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: 100000\r\n\r\n4",
                 sid);
        took = trickle(home, text, "x");
        assert_true(took > 500 && took < 8000);
        assert_true(home_is_well(home));
        home_stop(home);
    }
}

#define SLOW_MAX 5000

static void
many_slow_requests_delay_nobody(void **state)
{
    static int fds[SLOW_MAX];
    unsigned count = some_of(400, SLOW_MAX, "slow requests");

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t before;
        uint64_t slowest = 0;

        warm_up(homes[i]);
        before = home_descriptors();
        for (unsigned n = 0; n < count; n++) {
            fds[n] = home_dial(homes[i]);
            home_say(fds[n], n % 2 == 0 ? "GET " PATH " HTTP/1.1\r\nX: "
                                        : "POST " PATH
                                          "&sid=x HTTP/1.1\r\nHost: x\r\n"
                                          "Content-Length: 5");
        }
        for (unsigned round = 0; round < 10; round++) {
            uint64_t begun;

            for (unsigned n = 0; n < count; n++)
                home_send(fds[n], "0", 1);
            begun = now_ms();
            assert_true(home_is_well(homes[i]));
            if (now_ms() - begun > slowest)
                slowest = now_ms() - begun;
        }
        for (unsigned n = 0; n < count; n++)
            close(fds[n]);
        assert_true(slowest < 3000);
        SETTLES(home_descriptors() <= before);
    }
}

/* ---- ATK-03: WebSockets that join nothing ---- */

#define IDLE 500
#define IDLE_BYTES 6144

static void
websockets_that_join_nothing_are_small(void **state)
{
    static int fds[IDLE];

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t before;
        size_t after;
        size_t descriptors;

        warm_up(homes[i]);
        before = home_heap();
        descriptors = home_descriptors();
        for (int n = 0; n < IDLE; n++)
            fds[n] = home_websocket(homes[i]);
        after = home_heap();
        if (after > before && (after - before) / IDLE > IDLE_BYTES)
            fail_msg("%zu bytes each", (after - before) / IDLE);
        for (int n = 0; n < IDLE; n++)
            close(fds[n]);
        SETTLES(home_descriptors() <= descriptors);
    }
}

/* ---- ATK-27: signals ---- */

static void
reset_amid_a_write_raises_no_signal(void **state)
{
    static char event[100000];
    size_t len = sizeof(event) - 1;
    struct sigaction before;
    const struct sigaction deadly = {.sa_handler = SIG_DFL};

    (void)state;
    memset(event, 'x', len);
    memcpy(event, "42[\"echo\",\"", 11);
    memcpy(event + len - 2, "\"]", 2);
    /* libwebsockets has made the process ignore it: nobody may need that */
    assert_int_equal(sigaction(SIGPIPE, &deadly, &before), 0);
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t descriptors;

        warm_up(homes[i]);
        descriptors = home_descriptors();
        for (int n = 0; n < 100; n++) {
            int fd = home_websocket(homes[i]);
            int small = 4096;

            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
            home_frame(fd, 0x81, "40", 2);
            for (int k = 0; k < 5; k++)
                home_frame(fd, 0x81, event, len);
            if (n % 2 == 0)
                home_pause(2);
            home_reset(fd);
        }
        assert_true(home_is_well(homes[i]));
        SETTLES(home_descriptors() <= descriptors);
    }
    assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
}

/* ---- ATK-24: everybody at once ---- */

#define STORM_MAX 9000

static void
roomy(skio_server_options *options)
{
    options->max_connections_per_address = 100000;
    options->max_unconnected = 100000;
}

static void
storm_of_clients_is_served(void **state)
{
    static const struct timeval patience = {.tv_sec = 30};
    static int fds[STORM_MAX];
    unsigned count = some_of(600, STORM_MAX, "clients at once");

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        struct home *home = home_start_with((enum home_kind)i, roomy, NULL);
        size_t blocks = 0;
        size_t descriptors;
        uint64_t begun;

        warm_up(home);
        SETTLES(home_blocks(home) > 0);
        descriptors = home_descriptors();
        for (int wave = 0; wave < 3; wave++) {
            begun = now_ms();
            for (unsigned n = 0; n < count; n++) {
                fds[n] = home_dial(home);
                assert_int_equal(setsockopt(fds[n], SOL_SOCKET, SO_RCVTIMEO,
                                            &patience, sizeof(patience)),
                                 0);
                home_say(fds[n], UPGRADE "\r\n");
            }
            for (unsigned n = 0; n < count; n++) {
                home_read(fds[n], out, sizeof(out), "maxPayload", NULL);
                if (strncmp(out, "HTTP/1.1 101 ", 13) != 0)
                    fail_msg("client %u: %.80s", n, out);
                home_frame(fds[n], 0x81, "40", 2);
            }
            for (unsigned n = 0; n < count; n++) {
                home_read(fds[n], out, sizeof(out), "40{\"sid\"", NULL);
                assert_non_null(strstr(out, "40{\"sid\""));
            }
            assert_true(now_ms() - begun < 30000);
            for (unsigned n = 0; n < count; n++)
                home_reset(fds[n]);
            SETTLES(home_descriptors() <= descriptors);
            if (wave == 0)
                blocks = home_blocks(home);
            else
                SETTLES(home_blocks(home) <= blocks + 16);
        }
        assert_true(home_is_well(home));
        home_stop(home);
    }
}

/* ---- ADV-32: threads ---- */

static void
crowd_adds_no_thread(void **state)
{
    enum { CROWD = 100, PACKETS = 50 };
    int fds[CROWD];

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t threads;

        warm_up(homes[i]);
        threads = home_threads();
        for (int n = 0; n < CROWD; n++) {
            fds[n] = home_websocket(homes[i]);
            home_frame(fds[n], 0x81, "40", 2);
            for (int k = 0; k < PACKETS; k++)
                home_frame(fds[n], 0x81, "42[\"echo\",1]", 12);
        }
        assert_int_equal(home_threads(), threads);
        for (int n = 0; n < CROWD; n++)
            close(fds[n]);
        assert_true(home_is_well(homes[i]));
        assert_int_equal(home_threads(), threads);
    }
}

/* ---- ADV-33: what clients leave ---- */

static void
clients_of_all_kinds_leave_nothing(void **state)
{
    unsigned count = some_of(300, 20000, "clients in each home");

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        struct home *home = home_start_with((enum home_kind)i, impatient, NULL);
        size_t blocks;
        size_t descriptors;
        size_t heap;

        for (unsigned n = 0; n < 50; n++)
            visit(home, n);
        home_pause(200);
        blocks = home_blocks(home);
        descriptors = home_descriptors();
        heap = home_heap();
        for (unsigned n = 0; n < count; n++)
            visit(home, n);
        SETTLES(home_descriptors() <= descriptors);
        SETTLES(home_blocks(home) <= blocks);
        /* libwebsockets may keep a buffer of its own */
        SETTLES(home_heap() <= heap + 65536);
        home_stop(home);
    }
}

/* ---- ATK-20: sessions and addresses ---- */

static unsigned char binding_key[crypto_shorthash_KEYBYTES];

/* What an address is in an id: a hash that nobody else can make. */
static void
mark_of(const skio_engine_request *request, char mark[2 * 8 + 1])
{
    const char *address = skio_engine_request_address(request);
    unsigned char hash[crypto_shorthash_BYTES];

    crypto_shorthash(hash, (const unsigned char *)address, strlen(address),
                     binding_key);
    sodium_bin2hex(mark, 2 * sizeof(hash) + 1, hash, sizeof(hash));
}

static int
make_bound_id(const skio_engine_request *request, char id[64], void *user)
{
    char mark[17], random[33];
    unsigned char bytes[16];

    (void)user;
    mark_of(request, mark);
    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2hex(random, sizeof(random), bytes, sizeof(bytes));
    snprintf(id, 64, "%s%s", mark, random);
    return SKIO_OK;
}

static void
demand_address(skio_verdict *verdict, void *user)
{
    const skio_engine_request *request = skio_verdict_request(verdict);
    char sid[64], mark[17];

    (void)user;
    if (skio_engine_request_query(request, "sid", sid, sizeof(sid)) >= 0) {
        mark_of(request, mark);
        if (strlen(sid) < 16 || sodium_memcmp(sid, mark, 16) != 0) {
            (void)skio_verdict_refuse(verdict, NULL);
            return;
        }
    }
    (void)skio_verdict_accept(verdict);
}

static void
bind_sessions(skio_server *server)
{
    randombytes_buf(binding_key, sizeof(binding_key));
    assert_int_equal(skio_generate_id(server, make_bound_id, NULL), SKIO_OK);
    assert_int_equal(skio_engine_use(server, demand_address, NULL), SKIO_OK);
}

static void
ask_from(const struct home *home, unsigned host, const char *text)
{
    int fd = home_dial_from(home, host);

    home_say(fd, text);
    home_read(fd, out, sizeof(out), NULL, NULL);
    close(fd);
}

static void
session_can_be_bound_to_its_address(void **state)
{
    static const char mark[] = "\"sid\":\"";

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        struct home *home =
            home_start_with((enum home_kind)i, impatient, bind_sessions);
        char text[512], sid[64];
        const char *at;

        ask_from(home, 2,
                 "GET " PATH " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 "\r\n");
        at = strstr(out, mark);
        assert_non_null(at);
        snprintf(sid, sizeof(sid), "%.48s", at + sizeof(mark) - 1);
        snprintf(text, sizeof(text),
                 "POST " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
                 "Connection: close\r\nContent-Type: text/plain\r\n"
                 "Content-Length: 2\r\n\r\n40",
                 sid);
        ask_from(home, 3, text);
        assert_int_equal(strncmp(out, "HTTP/1.1 400 ", 13), 0);
        ask_from(home, 2, text);
        assert_int_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
        home_stop(home);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reset_at_every_byte_of_an_upgrade_does_no_harm),
        cmocka_unit_test(refused_requests_leave_no_descriptor),
        cmocka_unit_test(headers_may_be_cut_anywhere),
        cmocka_unit_test(headers_of_any_number_are_answered_or_dropped),
        cmocka_unit_test(headers_of_the_handshake_may_be_anything),
        cmocka_unit_test(control_frames_carry_what_was_sent),
        cmocka_unit_test(request_that_trickles_is_closed_in_time),
        cmocka_unit_test(many_slow_requests_delay_nobody),
        cmocka_unit_test(websockets_that_join_nothing_are_small),
        cmocka_unit_test(reset_amid_a_write_raises_no_signal),
        cmocka_unit_test(storm_of_clients_is_served),
        cmocka_unit_test(crowd_adds_no_thread),
        cmocka_unit_test(clients_of_all_kinds_leave_nothing),
        cmocka_unit_test(session_can_be_bound_to_its_address),
    };

    return cmocka_run_group_tests_name("peers", tests, start_homes, stop_homes);
}
