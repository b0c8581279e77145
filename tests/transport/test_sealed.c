/*
 * WebSockets over TLS: records and frames that do not end together, a peer that
 * reads late, ends of all kinds, failing memory
 */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "threats/home.h"
#include "transport/secure.h"

#define MESSAGES 400
#define MESSAGE_LEN 20000 /* more than a record */
#define ALLOCATIONS 40

static struct secure_host host;
static struct secure_client client;
static char message[MESSAGE_LEN + 1];
static char text[1 << 16];

/* As much as no socket takes at once. */
static void
on_much(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(skio_emit(socket, "n", "%d,%s", i, message), SKIO_OK);
}

static void
start(void)
{
    skio_server_options options;
    skio_nsp *nsp;

    memset(message, 'x', MESSAGE_LEN);
    secure_options(&options);
    secure_make(&host, &options);
    nsp = skio_of(host.server, "/");
    assert_non_null(nsp);
    assert_int_equal(skio_on(nsp, "much", on_much, NULL), SKIO_OK);
    secure_serve(&host);
}

/* ---- The client ---- */

static void
read_exactly(struct secure_client *from, void *out, size_t len)
{
    for (size_t at = 0, got; at < len; at += got) {
        got = secure_read_some(from, (char *)out + at, len - at);
        assert_true(got > 0);
    }
}

/* The next frame's first byte, its payload in text. */
static unsigned
read_frame(struct secure_client *from)
{
    unsigned char head[4];
    size_t len;

    read_exactly(from, head, 2);
    len = head[1];
    if (len == 126) {
        read_exactly(from, head + 2, 2);
        len = (size_t)head[2] << 8 | head[3];
    }
    assert_true(len < sizeof(text));
    read_exactly(from, text, len);
    text[len] = '\0';
    return head[0];
}

static void
expect(struct secure_client *from, const char *expected)
{
    assert_int_equal(read_frame(from), 0x81);
    assert_string_equal(text, expected);
}

/* A record with this frame waits to go out. */
static void
write_frame(unsigned op, const char *payload)
{
    unsigned char frame[SECURE_FRAME_MAX];

    secure_write(&client, frame, secure_put_frame(frame, op, payload));
}

static void
flush(void)
{
    secure_flush(&client, SIZE_MAX);
}

/* Whether hands were shaken. window: the receive buffer, 0: as usual. */
static bool
dial(struct secure_client *from, int window)
{
    secure_reach(&host, from, window);
    if (!secure_shake(from, 0))
        return false;
    secure_flush(from, SIZE_MAX);
    return true;
}

/* A client of "/". */
static void
join(struct secure_client *from, int window)
{
    char c = 0;

    assert_true(dial(from, window));
    secure_say(from, SECURE_UPGRADE "\r\n");
    for (size_t at = 0; at < 4; at = c == "\r\n\r\n"[at] ? at + 1 : 0)
        read_exactly(from, &c, 1);
    assert_int_equal(read_frame(from), 0x81);
    assert_int_equal(text[0], '0');
    secure_frame(from, "40");
    assert_int_equal(read_frame(from), 0x81);
    assert_memory_equal(text, "40{", 3);
}

/* ---- Records and frames ---- */

/* Many records come at once, and the end of the last one later or not. */
static void
records_need_not_come_one_by_one(void **state)
{
    static const int counts[] = {1, 2, 100, 100, 900, 900, 3000};
    char event[40];

    (void)state;
    start();
    join(&client, 0);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (int n = 0; n < counts[i]; n++) {
            snprintf(event, sizeof(event), "42[\"echo\",%d]", n);
            write_frame(0x81, event);
        }
        if (i % 2 == 0) {
            secure_flush(&client, BIO_ctrl_pending(client.out) - 9);
            home_pause(20);
        }
        flush();
        for (int n = 0; n < counts[i]; n++) {
            snprintf(event, sizeof(event), "42[\"echo\",%d]", n);
            expect(&client, event);
        }
    }
    secure_leave(&client);
    secure_await_loss(&host, 1);
    secure_stop(&host);
}

/* Full records, small ones and cut frames, more than is read in one go. */
static void
frames_need_not_end_with_records(void **state)
{
    static unsigned char frames[300000];
    char event[40];
    size_t len = 0;
    int count = 0;

    (void)state;
    start();
    join(&client, 0);
    for (; len < sizeof(frames) - 100; count++) {
        snprintf(event, sizeof(event), "42[\"echo\",%d]", count);
        len += secure_put_frame(frames + len, 0x81, event);
    }
    for (size_t at = 0, part = 1; at < len; at += part) {
        part = part * 7 % 16411 % 16384 + 1; /* some of each length */
        if (part > len - at)
            part = len - at;
        secure_write(&client, frames + at, part);
    }
    flush();
    for (int n = 0; n < count; n++) {
        snprintf(event, sizeof(event), "42[\"echo\",%d]", n);
        expect(&client, event);
    }
    secure_leave(&client);
    secure_stop(&host);
}

/* Eight megabytes wait for a peer that reads late, and asks meanwhile. */
static void
peer_that_reads_late_gets_all(void **state)
{
    static char expected[MESSAGE_LEN + 64];

    (void)state;
    start();
    join(&client, 4096);
    secure_frame(&client, "42[\"much\"]");
    home_pause(100);
    write_frame(0x89, "are you there");
    secure_frame(&client, "42[\"echo\",\"last\"]");
    home_pause(100);
    for (int n = 0; n < MESSAGES; n++) {
        unsigned op = read_frame(&client);

        if (op == 0x8a) { /* the pong comes between two messages */
            assert_string_equal(text, "are you there");
            op = read_frame(&client);
        }
        assert_int_equal(op, 0x81);
        snprintf(expected, sizeof(expected), "42[\"n\",%d,\"%s\"]", n, message);
        assert_string_equal(text, expected);
    }
    expect(&client, "42[\"echo\",\"last\"]");
    secure_leave(&client);
    secure_stop(&host);
}

static void
every_end_is_noticed(void **state)
{
    static const unsigned char unmasked[] = {0x81, 0x01, '2'};

    (void)state;
    start();
    join(&client, 0); /* TLS ends, TCP does not */
    SSL_shutdown(client.ssl);
    flush();
    secure_await_loss(&host, 1);
    secure_leave(&client);

    join(&client, 0); /* TCP ends, TLS does not */
    shutdown(client.fd, SHUT_WR);
    secure_await_loss(&host, 2);
    secure_leave(&client);

    join(&client, 0); /* no TLS any more */
    home_say(client.fd, "GET / HTTP/1.1\r\n\r\n");
    secure_await_loss(&host, 3);
    secure_leave(&client);

    join(&client, 0); /* a frame that nobody may send */
    secure_write(&client, unmasked, sizeof(unmasked));
    flush();
    assert_int_equal(read_frame(&client), 0x88);
    assert_int_equal((unsigned char)text[0] << 8 | (unsigned char)text[1],
                     1002);
    assert_int_equal(secure_read_some(&client, text, sizeof(text)), 0);
    secure_await_loss(&host, 4);
    secure_leave(&client);

    join(&client, 0); /* by the book; what was asked is answered */
    write_frame(0x81, "42[\"echo\",1]");
    write_frame(0x88, "\x03\xe8");
    flush();
    expect(&client, "42[\"echo\",1]");
    assert_int_equal(read_frame(&client), 0x88);
    assert_int_equal(secure_read_some(&client, text, sizeof(text)), 0);
    secure_await_loss(&host, 5);
    secure_leave(&client);
    secure_stop(&host);
}

static void
fail_next(struct secure_client *boss, int n)
{
    char event[40];

    snprintf(event, sizeof(event), "42[\"fail\",%d]", n);
    secure_frame(boss, event);
    expect(boss, "42[\"ready\",0]");
}

/* While a handshake is done, and while a record waits for room. */
static void
failing_allocations_end_one_client_at_most(void **state)
{
    struct secure_client boss;

    (void)state;
    start();
    join(&boss, 0);
    for (int n = 1; n <= ALLOCATIONS; n++) {
        fail_next(&boss, n);
        if (dial(&client, 4096)) {
            secure_write(&client, SECURE_UPGRADE "\r\n",
                         sizeof(SECURE_UPGRADE "\r\n") - 1);
            secure_frame(&client, "40");
            (void)secure_read_some(&client, text, sizeof(text));
        }
        secure_leave(&client);
        fail_next(&boss, 0);
    }
    for (int n = 1; n <= ALLOCATIONS; n++) {
        join(&client, 4096);
        fail_next(&boss, n);
        secure_frame(&client, "42[\"echo\",\"a\"]");
        secure_leave(&client);
        fail_next(&boss, 0);
    }
    join(&client, 0);
    secure_leave(&client);
    secure_leave(&boss);
    secure_stop(&host);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_need_not_come_one_by_one),
        cmocka_unit_test(frames_need_not_end_with_records),
        cmocka_unit_test(peer_that_reads_late_gets_all),
        cmocka_unit_test(every_end_is_noticed),
        cmocka_unit_test(failing_allocations_end_one_client_at_most),
    };

    return cmocka_run_group_tests(tests, secure_setup, secure_cleanup);
}
