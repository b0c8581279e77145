/*
 * WebSocket frames that nobody should send (ADV-06, ADV-21, ADV-25, ADV-26),
 * to a server of skio_listen() and to one inside a host
 */
#define _GNU_SOURCE /* memmem */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "threats/home.h"
#include "threats/scale.h"

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

/* The code of the Close frame, the last frame of what came; 0: there is none
 * before the end; -1: the connection is still open. */
static int
close_code(int fd)
{
    bool closed;
    size_t len = home_read(fd, out, sizeof(out), NULL, &closed);
    size_t at = 0;

    while (at + 2 <= len) {
        size_t payload = (unsigned char)out[at + 1];

        if ((unsigned char)out[at] == 0x88 && payload >= 2)
            return (unsigned char)out[at + 2] << 8 | (unsigned char)out[at + 3];
        at += 2 + payload;
    }
    return closed ? 0 : -1;
}

static void
illegal_frames_are_answered_with_1002_or_the_end(void **state)
{
    static const struct {
        unsigned first; /* a legal one before it; 0: none */
        unsigned op;
        size_t len;
        const char *name;
    } frames[] = {
        {0, 0x83, 1, "reserved data opcode 3"},
        {0, 0x87, 1, "reserved data opcode 7"},
        {0, 0x8b, 1, "reserved control opcode 11"},
        {0, 0x8f, 1, "reserved control opcode 15"},
        {0, 0xc1, 1, "RSV1"},
        {0, 0xa1, 1, "RSV2"},
        {0, 0x91, 1, "RSV3"},
        {0, 0xf2, 1, "all RSV"},
        {0, 0x80, 1, "continuation of nothing"},
        {0, 0x00, 1, "unfinished continuation of nothing"},
        {0x01, 0x81, 1, "text amid a message"},
        {0x01, 0x82, 1, "binary amid a message"},
        {0, 0x09, 1, "fragmented ping"},
        {0, 0x08, 0, "fragmented close"},
        {0, 0x89, 126, "long ping"},
        {0, 0x88, 200, "long close"},
    };

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        for (size_t n = 0; n < sizeof(frames) / sizeof(frames[0]); n++) {
            int fd = home_websocket(homes[i]);
            int code;

            if (frames[n].first != 0)
                home_frame(fd, frames[n].first, "4", 1);
            home_frame(fd, frames[n].op, out, frames[n].len);
            shutdown(fd, SHUT_WR);
            code = close_code(fd);
            close(fd);
            if (code != 1002 && code != 0)
                fail_msg("%s: %d", frames[n].name, code);
        }
        assert_true(home_is_well(homes[i]));
    }
}

/* Frames that libwebsockets takes, or drops without a word: where this library
 * reads it says why. */
static void
illegal_frames_have_their_status(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int status;
        const char *name;
    } frames[] = {
        {"\x81\2ok", 4, 1002, "no mask"},
        {"\x88\x81\0\0\0\0\3", 7, 1002, "close of one byte"},
        {"\x88\x82\0\0\0\0\3\xed", 8, 1002, "close with 1005"},
        {"\x88\x82\0\0\0\0\3\xf7", 8, 1002, "close with 1015"},
        {"\x88\x83\0\0\0\0\3\xe8\xc3", 9, 1007, "close without UTF-8"},
        {"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, 1009, "length"},
    };

    (void)state;
    for (size_t n = 0; n < sizeof(frames) / sizeof(frames[0]); n++) {
        int fd = home_websocket(homes[HOME_OWN]);

        home_send(fd, frames[n].bytes, frames[n].len);
        if (close_code(fd) != frames[n].status)
            fail_msg("%s", frames[n].name);
        close(fd);
    }
    assert_true(home_is_well(homes[HOME_OWN]));
}

#define UPGRADE                                                                \
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"                   \
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n\r\n"

/* RFC 6455, 4.1: a client waits for the 101. libwebsockets would read what
 * came before from the buffer in which it has made the 101. */
static void
frames_before_the_101_end_the_connection(void **state)
{
    static const char early[] = UPGRADE "\x81\x82\0\0\0\0"
                                        "40";

    (void)state;
    for (int i = 0; i < 5; i++) {
        int fd = home_dial(homes[HOME_OWN]);
        size_t len;
        bool closed;

        /* all of the frame, and ever less of it */
        home_send(fd, early, sizeof(early) - 1 - (size_t)i);
        len = home_read(fd, out, sizeof(out), NULL, &closed);
        close(fd);
        assert_true(closed);
        assert_int_equal(strncmp(out, "HTTP/1.1 101 ", 13), 0);
        assert_true(len > 4);
        assert_memory_equal(out + len - 4, "\x88\2\x03\xea", 4);
    }
    assert_true(home_is_well(homes[HOME_OWN]));
}

/* An upgrade may follow other requests on its connection, all at once. */
static void
upgrade_that_follows_in_the_same_packet_works(void **state)
{
    static const char together[] =
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
        "Host: x\r\n\r\n" UPGRADE;

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        int fd = home_dial(homes[i]);

        home_send(fd, together, sizeof(together) - 1);
        home_read(fd, out, sizeof(out), "HTTP/1.1 101 ", NULL);
        if (strstr(out, "\x81\x7e") == NULL)
            home_read(fd, out, sizeof(out), "maxPayload", NULL);
        home_frame(fd, 0x89, "abc", 3);
        home_read(fd, out, sizeof(out), "abc", NULL);
        assert_non_null(strstr(out, "\x8a\x03"
                                    "abc"));
        close(fd);
    }
}

static void
declared_length_allocates_nothing(void **state)
{
    static const unsigned char sizes[][8] = {
        {0, 0, 0, 0, 0x40, 0, 0, 0},
        {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {0x80, 0, 0, 0, 0, 0, 0, 0},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
    };

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
            unsigned char head[14] = {0x82, 0xff};
            int fd = home_websocket(homes[i]);

            memcpy(head + 2, sizes[n], 8);
            home_send(fd, head, sizeof(head));
            home_send(fd, "0123456789", 10);
            close(fd);
            assert_true(home_is_well(homes[i]));
        }
}

/* The limit applies to what came, not to what was announced. */
static void
message_beyond_the_limit_ends_the_connection(void **state)
{
    static char chunk[16384];

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        int fd = home_websocket(homes[i]);

        home_frame(fd, 0x01, "4", 1);
        for (int n = 0; n < 80; n++)
            home_frame(fd, 0x00, chunk, sizeof(chunk));
        assert_true(close_code(fd) >= 0);
        close(fd);
        assert_true(home_is_well(homes[i]));
    }
}

static void
fragments_without_end_are_a_violation(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        for (size_t len = 0; len < 2; len++) {
            int fd = home_websocket(homes[i]);
            int code;

            home_frame(fd, 0x01, "4", 1);
            for (int n = 0; n < 10100; n++)
                home_frame(fd, 0x00, "x", len);
            code = close_code(fd);
            close(fd);
            assert_true(code == 1008 || code == 0);
            assert_true(home_is_well(homes[i]));
        }
}

static size_t
resident_kb(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    char line[128];
    char *at;

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    at = strchr(line, ' '); /* the second number, in pages */
    assert_non_null(at);
    return (size_t)strtoul(at, NULL, 10) *
           ((size_t)sysconf(_SC_PAGESIZE) / 1024);
}

#define DUST 900 /* fragments of a message; many more so small would end it */

/* An answer that nobody asked for, `43999["xxx…"]`, a byte in every second
 * fragment and none in the others. Returns its length. */
static size_t
make_dust(unsigned char *frames)
{
    static const char head[] = "43999[\"";
    static const char tail[] = "\"]";
    size_t bytes = DUST / 2;
    size_t at = 0;

    for (size_t n = 0; n < bytes; n++) {
        char byte = 'x';

        if (n < sizeof(head) - 1)
            byte = head[n];
        else if (n + sizeof(tail) > bytes)
            byte = tail[n + sizeof(tail) - 1 - bytes];
        memcpy(frames + at, "\0\x81\0\0\0\0", 6);
        frames[at] = n == 0 ? 0x01 : 0x00;
        frames[at + 6] = (unsigned char)byte;
        at += 7;
        memcpy(frames + at, "\0\x80\0\0\0\0", 6);
        frames[at] = n + 1 == bytes ? 0x80 : 0x00;
        at += 6;
    }
    return at;
}

/* ADV-25. */
static void
fragments_cost_no_memory(void **state)
{
    static unsigned char frames[DUST * 7];
    size_t len = make_dust(frames);
    size_t all = scaled(400000, 10000000, "fragments");
    size_t count = all / DUST;

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        int fd = home_websocket(homes[i]);
        size_t resident = 0;
        size_t heap = 0;

        home_frame(fd, 0x81, "40", 2);
        for (size_t n = 0; n < count; n++) {
            if (n == count / 4) { /* what a first time costs has been paid */
                resident = resident_kb();
                heap = home_heap();
            }
            home_send(fd, frames, len);
        }
        assert_true(resident_kb() <= resident + 1024);
        /* it still listens, and not one of them was amiss */
        home_frame(fd, 0x81, "421[\"echo\",\"dust\"]", 18);
        home_read(fd, out, sizeof(out), "[\"echo\",\"dust\"]", NULL);
        assert_non_null(strstr(out, "[\"echo\",\"dust\"]"));
        assert_true(home_heap() <= heap + 65536);
        close(fd);
        assert_true(home_is_well(homes[i]));
    }
}

/* Once its window is full a client's kernel drops what it is sent, and with it
 * the news that what it said has come: then another client goes on. */
static int
who_reads_nothing(const struct home *home)
{
    static const struct timeval patience = {.tv_usec = 200000};
    static const int small = 4096;
    int fd = home_websocket(home);

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
}

/* ADV-26. */
static void
ping_flood_costs_no_memory(void **state)
{
    static const unsigned char ping[22] = {0x89, 0x90}; /* 16 bytes */
    unsigned count = scaled(40000, 1000000, "pings");

    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t heap = 0;
        size_t before = 0;
        int fd = who_reads_nothing(homes[i]);

        for (unsigned n = 0; n < count; n++) {
            if (n == 10000) { /* what a first time costs has been paid */
                before = resident_kb();
                heap = home_heap();
            }
            /* allocates nothing here */
            if (send(fd, ping, sizeof(ping), MSG_NOSIGNAL) != sizeof(ping)) {
                close(fd);
                fd = who_reads_nothing(homes[i]);
            }
        }
        assert_true(resident_kb() < before + 1024);
        assert_true(home_heap() <= heap + 65536);
        close(fd);
        assert_true(home_is_well(homes[i]));
    }
}

static void
ping_is_answered_with_its_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        int fd = home_websocket(homes[i]);

        home_frame(fd, 0x89, "abc", 3);
        home_read(fd, out, sizeof(out), "abc", NULL);
        assert_memory_equal(out,
                            "\x8a\x03"
                            "abc",
                            5);
        close(fd);
    }
}

#define ECHOES 12
#define ECHO_BYTES 600000

struct talk {
    int fd;
    char *event; /* 42["echo","xx…"] */
    size_t len;
    atomic_bool is_done;
};

/* Long messages with a ping before each of them. */
static void *
talk(void *arg)
{
    struct talk *what = arg;

    for (int i = 0; i < ECHOES; i++) {
        char ping[2] = {'p', (char)('a' + i)};

        home_frame(what->fd, 0x89, ping, sizeof(ping));
        home_frame(what->fd, 0x81, what->event, what->len);
    }
    atomic_store(&what->is_done, true);
    return NULL;
}

static void
read_all(int fd, void *buf, size_t len)
{
    unsigned char *at = buf;

    while (len > 0) {
        /* in small parts: the server is to be faster */
        ssize_t got = recv(fd, at, len < 4096 ? len : 4096, 0);

        assert_true(got > 0);
        at += got;
        len -= (size_t)got;
    }
}

/* Returns the opcode, and fills *len; buf has room for an echo. */
static unsigned
read_frame(int fd, unsigned char *buf, size_t *len)
{
    unsigned char head[10];
    size_t extra;

    read_all(fd, head, 2);
    extra = head[1] == 127 ? 8 : head[1] == 126 ? 2 : 0;
    read_all(fd, head + 2, extra);
    *len = extra == 0 ? head[1] : 0;
    for (size_t i = 0; i < extra; i++)
        *len = *len << 8 | head[2 + i];
    assert_true(*len <= ECHO_BYTES + 64);
    read_all(fd, buf, *len);
    return head[0];
}

/* Output is stuck amid a frame again and again: nothing may come in there. */
static void
pongs_come_between_the_frames_of_a_slow_reader(void **state)
{
    static unsigned char frame[ECHO_BYTES + 64];
    static char event[ECHO_BYTES + 64];
    int small = 262144; /* else it would grow to take all */

    (void)state;
    memcpy(event, "42[\"echo\",\"", 11);
    memset(event + 11, 'x', ECHO_BYTES);
    memcpy(event + 11 + ECHO_BYTES, "\"]", 2);
    for (int i = 0; i < HOME_COUNT; i++) {
        struct talk what = {home_websocket(homes[i]), event, ECHO_BYTES + 13,
                            false};
        int echoes = 0;
        char last = 'a' - 1;
        pthread_t thread;
        size_t len;

        setsockopt(what.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        home_frame(what.fd, 0x81, "40", 2);
        assert_int_equal(read_frame(what.fd, frame, &len), 0x81);
        assert_int_equal(pthread_create(&thread, NULL, talk, &what), 0);
        /* until all was said, or the server reads no more of it */
        for (int n = 0; n < 100 && !atomic_load(&what.is_done); n++)
            home_pause(10);
        while (echoes < ECHOES || last < 'a' + ECHOES - 1) {
            unsigned opcode = read_frame(what.fd, frame, &len);

            if (opcode == 0x81) {
                if (len == 1)
                    continue; /* a ping of Engine.IO, on a slow machine */
                assert_int_equal(len, what.len);
                assert_memory_equal(frame, event, len);
                echoes++;
                continue;
            }
            assert_int_equal(opcode, 0x8a);
            assert_int_equal(len, 2);
            assert_int_equal(frame[0], 'p');
            assert_true(frame[1] > last); /* each ping once, or not at all */
            last = (char)frame[1];
        }
        assert_int_equal(echoes, ECHOES);
        pthread_join(thread, NULL);
        close(what.fd);
        assert_true(home_is_well(homes[i]));
    }
}

/* Closing handshake from both sides; the code comes back. */
static void
close_is_answered_with_a_close(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        int fd = home_websocket(homes[i]);

        home_frame(fd, 0x88,
                   "\x03\xe8"
                   "bye",
                   5);
        assert_int_equal(close_code(fd), 1000);
        close(fd);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(illegal_frames_are_answered_with_1002_or_the_end),
        cmocka_unit_test(illegal_frames_have_their_status),
        cmocka_unit_test(frames_before_the_101_end_the_connection),
        cmocka_unit_test(upgrade_that_follows_in_the_same_packet_works),
        cmocka_unit_test(declared_length_allocates_nothing),
        cmocka_unit_test(message_beyond_the_limit_ends_the_connection),
        cmocka_unit_test(fragments_without_end_are_a_violation),
        cmocka_unit_test(fragments_cost_no_memory),
        cmocka_unit_test(ping_flood_costs_no_memory),
        cmocka_unit_test(ping_is_answered_with_its_bytes),
        cmocka_unit_test(pongs_come_between_the_frames_of_a_slow_reader),
        cmocka_unit_test(close_is_answered_with_a_close),
    };

    return cmocka_run_group_tests_name("ws_frames", tests, start_homes,
                                       stop_homes);
}
