/*
 * Messages on a WebSocket that come a byte at a time, ATK-01
 *
 * Nobody can say "3", the answer to a heartbeat, in the middle of a message:
 * WebSocket lets only control frames through there. So a message ends within
 * ping_interval_ms and ping_timeout_ms, or its session does, as with Node; and
 * until then it takes the memory of what came, not of what was announced.
 */
#define _GNU_SOURCE /* clock_gettime */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "threats/home.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define INTERVAL 300
#define TIMEOUT 700
#define PATIENCE 8000 /* of a loaded machine */

static char out[1 << 16];

static uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
quick_hearts(skio_server_options *options)
{
    options->ping_interval_ms = INTERVAL;
    options->ping_timeout_ms = TIMEOUT;
}

/* Whether the server has closed the connection; what it said is dropped. */
static bool
is_closed(int fd)
{
    for (;;) {
        ssize_t got = recv(fd, out, sizeof(out), MSG_DONTWAIT);

        if (got == 0)
            return true;
        if (got < 0)
            return errno != EAGAIN && errno != EINTR;
    }
}

static int
join(const struct home *home)
{
    int fd = home_websocket(home);

    home_frame(fd, 0x81, "40", 2);
    home_read(fd, out, sizeof(out), "40{", NULL);
    assert_non_null(strstr(out, "40{"));
    return fd;
}

/* The ways of taking one's time; each sends a little more. */

static void
byte_of_a_frame(int fd, unsigned n)
{
    if (n == 0) /* 100,000 bytes are announced */
        home_send(fd, "\x81\xff\0\0\0\0\0\x01\x86\xa0\0\0\0\0", 14);
    home_send(fd, "4", 1);
}

static void
fragment_of_a_message(int fd, unsigned n)
{
    home_frame(fd, n == 0 ? 0x01 : 0x00, "4", 1);
}

/* Pongs of WebSocket are not those of Engine.IO. */
static void
fragment_and_pings(int fd, unsigned n)
{
    fragment_of_a_message(fd, n);
    home_frame(fd, 0x89, "a", 1);
    home_frame(fd, 0x8a, "2", 1);
}

static void
byte_of_a_header(int fd, unsigned n)
{
    static const char header[] = "\x81\xff\0\0\0\0\0\x01\x86\xa0";

    if (n + 1 < sizeof(header))
        home_send(fd, header + n, 1);
}

static void (*const ways[])(int fd, unsigned n) = {
    byte_of_a_frame,
    fragment_of_a_message,
    fragment_and_pings,
    byte_of_a_header,
};

static void
message_that_trickles_ends_with_the_heartbeat(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        struct home *home =
            home_start_with((enum home_kind)i, quick_hearts, NULL);
        uint64_t begun = now_ms();
        uint64_t took[COUNT(ways)] = {0};
        int fds[COUNT(ways)];
        size_t left = COUNT(ways);

        for (size_t w = 0; w < COUNT(ways); w++)
            fds[w] = join(home);
        for (unsigned n = 0; left > 0 && now_ms() - begun < PATIENCE; n++) {
            for (size_t w = 0; w < COUNT(ways); w++) {
                if (took[w] != 0)
                    continue;
                ways[w](fds[w], n);
                if (is_closed(fds[w])) {
                    took[w] = now_ms() - begun;
                    left--;
                }
            }
            home_pause(40);
        }
        for (size_t w = 0; w < COUNT(ways); w++) {
            close(fds[w]);
            if (took[w] < (INTERVAL + TIMEOUT) / 2)
                fail_msg("way %zu: after %lu ms (0: never)", w,
                         (unsigned long)took[w]);
        }
        assert_true(home_is_well(home));
        home_stop(home);
    }
}

/* It answers in between: for twice as long as it might be silent. */
static void
slow_client_that_answers_is_served(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        struct home *home =
            home_start_with((enum home_kind)i, quick_hearts, NULL);
        static const char event[] = "42[\"echo\",\"slow\"]";
        uint64_t begun = now_ms();
        int fd = join(home);

        while (now_ms() - begun < 2 * (INTERVAL + TIMEOUT)) {
            for (size_t at = 0; at < sizeof(event) - 1; at++) {
                unsigned op = at == 0 ? 0x01 : 0x00;

                home_frame(fd, at + 2 == sizeof(event) ? 0x80 | op : op,
                           event + at, 1);
                home_pause(10);
            }
            home_frame(fd, 0x81, "3", 1);
            home_read(fd, out, sizeof(out), "slow", NULL);
            assert_non_null(strstr(out, "slow"));
        }
        close(fd);
        home_stop(home);
    }
}

#define ANNOUNCERS 100
#define EACH_BYTES 8192

static void
announced_length_takes_no_memory(void **state)
{
    static const char head[] = "\x81\xff\0\0\0\0\0\x0f\x42\x40\0\0\0\0";
    static char text[100];
    int fds[ANNOUNCERS];

    (void)state;
    memset(text, '4', sizeof(text));
    for (int i = 0; i < HOME_COUNT; i++) {
        struct home *home = home_start((enum home_kind)i);
        size_t before, after;

        for (int n = 0; n < ANNOUNCERS; n++)
            fds[n] = join(home);
        before = home_heap();
        for (int n = 0; n < ANNOUNCERS; n++) {
            home_send(fds[n], head, sizeof(head) - 1); /* a million */
            home_send(fds[n], text, sizeof(text));
        }
        assert_true(home_is_well(home)); /* it has read them before */
        home_pause(100);
        after = home_heap();
        if (after > before + (size_t)ANNOUNCERS * EACH_BYTES)
            fail_msg("%zu bytes each", (after - before) / ANNOUNCERS);
        for (int n = 0; n < ANNOUNCERS; n++)
            close(fds[n]);
        home_stop(home);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_that_trickles_ends_with_the_heartbeat),
        cmocka_unit_test(slow_client_that_answers_is_served),
        cmocka_unit_test(announced_length_takes_no_memory),
    };

    return cmocka_run_group_tests_name("trickle", tests, NULL, NULL);
}
