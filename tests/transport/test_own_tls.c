/*
 * TLS of connections that libwebsockets does not know: handshakes and requests
 * in pieces and all at once, records that do not end with heads and bodies,
 * ends of all kinds, slow clients, failing memory
 */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "threats/home.h"
#include "transport/secure.h"

#define LOOKED_AT 16384 /* bytes of a head: SKIO__HEAD_MAX of lws_input.h */
#define ALLOCATIONS 60  /* more than anything below makes */
#define EAGER 3

static struct secure_host host;
static struct secure_client client;
static char text[70000];
static atomic_bool is_enough;
static atomic_size_t answered;

/* ---- Handshakes ---- */

static void
handshake_may_come_in_single_bytes(void **state)
{
    (void)state;
    secure_start(&host);
    for (size_t piece = 1; piece < 600; piece += 97) {
        secure_reach(&host, &client, 0);
        assert_true(secure_shake(&client, piece));
        secure_say(&client, SECURE_POLL "\r\n");
        assert_true(secure_heard(&client, "maxPayload"));
        secure_leave(&client);
    }
    secure_stop(&host);
}

/* The request is there before the server knows that it may read one. */
static void
request_may_come_with_the_end_of_the_handshake(void **state)
{
    static const char *const requests[] = {SECURE_POLL "\r\n",
                                           SECURE_POLL SECURE_ODD "\r\n",
                                           SECURE_UPGRADE "\r\n"};

    (void)state;
    secure_start(&host);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        secure_reach(&host, &client, 0);
        assert_true(secure_shake(&client, 0));
        assert_true(BIO_ctrl_pending(client.out) > 0);
        secure_say(&client, requests[i]);
        assert_true(secure_heard(&client, "maxPayload"));
        secure_leave(&client);
    }
    secure_stop(&host);
}

static void
what_is_no_handshake_ends_its_connection_alone(void **state)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x40\x01\x01",
        "\x16\x03\x01",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "\x15\x03\x03",
        "",
    };
    skio_server_options options;
    struct secure_client other;

    (void)state;
    secure_options(&options);
    options.header_timeout_ms = 500;
    secure_make(&host, &options);
    secure_serve(&host);
    secure_dial(&host, &other);
    secure_upgrade(&other, SECURE_UPGRADE "\r\n");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        secure_reach(&host, &client, 0);
        home_say(client.fd, texts[i]);
        assert_true(secure_ends(&client, 3000));
        secure_leave(&client);
    }
    memset(text, 0x16, sizeof(text));
    secure_reach(&host, &client, 0);
    (void)send(client.fd, text, sizeof(text), MSG_NOSIGNAL);
    assert_true(secure_ends(&client, 3000));
    secure_leave(&client);
    secure_frame(&other, "42[\"echo\",1]");
    assert_true(secure_heard(&other, "42[\"echo\",1]"));
    secure_leave(&other);
    secure_stop(&host);
}

/* What TLS says of a handshake that fails arrives. */
static void
failed_handshake_is_told_why(void **state)
{
    skio_server_options options;
    int answer;

    (void)state;
    secure_options(&options);
    options.tls_min_version = "TLSv1.3";
    secure_make(&host, &options);
    secure_serve(&host);
    secure_reach(&host, &client, 0);
    SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION);
    assert_false(secure_shake(&client, 0));
    answer = SSL_do_handshake(client.ssl);
    assert_int_equal(SSL_get_error(client.ssl, answer), SSL_ERROR_SSL);
    secure_leave(&client);
    secure_is_well(&host);
    secure_stop(&host);
}

/* Which may not shake hands again. */
static void
clients_of_1_2_are_served(void **state)
{
    static const char *const requests[] = {SECURE_UPGRADE "\r\n",
                                           SECURE_UPGRADE SECURE_ODD "\r\n"};

    (void)state;
    secure_start(&host);
    for (int i = 0; i < 2; i++) {
        secure_reach(&host, &client, 0);
        SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION);
        assert_true(secure_shake(&client, 1));
        secure_flush(&client, SIZE_MAX);
        secure_say(&client, SECURE_POLL "\r\n");
        assert_true(secure_heard(&client, "maxPayload"));
        secure_upgrade(&client, requests[i]);
        secure_frame(&client, "42[\"echo\",1]");
        assert_true(secure_heard(&client, "42[\"echo\",1]"));
        assert_int_equal(SSL_renegotiate(client.ssl), 1);
        assert_true(SSL_do_handshake(client.ssl) <= 0);
        secure_flush(&client, SIZE_MAX);
        assert_false(secure_heard(&client, "never"));
        assert_false(SSL_is_init_finished(client.ssl));
        secure_leave(&client);
        secure_await_loss(&host, i + 1);
    }
    secure_stop(&host);
}

/* Handshake and head have header_timeout_ms, together. */
static void
handshake_has_the_time_of_a_head(void **state)
{
    static const long pauses[] = {100, 1500};
    skio_server_options options;

    (void)state;
    secure_options(&options);
    options.header_timeout_ms = 1000;
    secure_make(&host, &options);
    secure_serve(&host);
    for (int i = 0; i < 2; i++) {
        secure_reach(&host, &client, 0);
        assert_int_equal(SSL_do_handshake(client.ssl), -1);
        secure_flush(&client, 100);
        home_pause(pauses[i]); /* a part of a hello */
        assert_int_equal(secure_shake(&client, 0), i == 0);
        secure_leave(&client);

        secure_reach(&host, &client, 0);
        assert_true(secure_shake(&client, 0));
        home_pause(pauses[i]); /* all but its last word */
        secure_say(&client, SECURE_POLL "\r\n");
        assert_int_equal(secure_heard(&client, "maxPayload"), i == 0);
        secure_leave(&client);

        secure_dial(&host, &client);
        secure_say(&client, SECURE_POLL);
        home_pause(pauses[i]); /* a part of a head */
        secure_say(&client, "\r\n");
        assert_int_equal(secure_heard(&client, "maxPayload"), i == 0);
        secure_leave(&client);
    }
    secure_stop(&host);
}

/* ---- Requests ---- */

static void
requests_follow_each_other(void **state)
{
    char sid[32];

    (void)state;
    secure_start(&host);
    secure_dial(&host, &client);
    secure_join(&client, sid);
    for (int i = 0; i < 5; i++) {
        secure_post(&client, sid, "42[\"echo\",1]");
        assert_true(secure_heard(&client, "\r\n\r\nok"));
        secure_poll(&client, sid);
        assert_true(secure_heard(&client, "42[\"echo\",1]"));
    }
    secure_post(&client, sid, "42[\"who\"]");
    assert_true(secure_heard(&client, "\r\n\r\nok"));
    secure_poll(&client, sid);
    assert_true(secure_heard(&client, "\"127.0.0.1\",\"secure\""));
    secure_upgrade(&client, SECURE_UPGRADE "\r\n");
    secure_frame(&client, "42[\"who\"]");
    assert_true(secure_heard(&client, "\"127.0.0.1\",\"secure\""));
    secure_leave(&client);
    secure_stop(&host);
}

static void
heads_may_be_of_many_records(void **state)
{
    static const char head[] =
        SECURE_POLL "Cookie: a=b; c=d\r\nUser-Agent: none\r\n\r\n";

    (void)state;
    secure_start(&host);
    secure_dial(&host, &client);
    for (size_t piece = 1; piece < 40; piece += 6)
        for (int pause = 0; pause < 2; pause++) {
            for (size_t at = 0; at < sizeof(head) - 1; at += piece) {
                size_t left = sizeof(head) - 1 - at;

                secure_write(&client, head + at, left < piece ? left : piece);
                if (pause == 1)
                    secure_flush(&client, SIZE_MAX);
            }
            secure_flush(&client, SIZE_MAX);
            assert_true(secure_heard(&client, "maxPayload"));
            assert_int_equal(strncmp(secure_out, "HTTP/1.1 200 ", 13), 0);
        }
    secure_leave(&client);
    secure_stop(&host);
}

/* 16 KiB of a head are looked at; whose is longer, the connection becomes
 * libwebsockets', and nobody sees a difference. */
static void
heads_around_what_is_looked_at_are_answered(void **state)
{
    skio_server_options options;
    size_t start_len;

    (void)state;
    secure_options(&options);
    options.max_header_bytes = 16384;
    secure_make(&host, &options);
    secure_serve(&host);
    snprintf(text, sizeof(text), SECURE_POLL "Connection: close\r\nX-Y: ");
    start_len = strlen(text);
    for (size_t total = LOOKED_AT - 1; total <= LOOKED_AT + 2; total++)
        for (size_t cut = 1; cut < LOOKED_AT; cut += LOOKED_AT / 3) {
            memset(text + start_len, 'a', total - start_len - 4);
            memcpy(text + total - 4, "\r\n\r\n", 4);
            secure_dial(&host, &client);
            secure_send(&client, text, cut);
            home_pause(5);
            secure_send(&client, text + cut, total - cut);
            assert_true(secure_heard(&client, "maxPayload"));
            assert_int_equal(strncmp(secure_out, "HTTP/1.1 200 ", 13), 0);
            secure_leave(&client);
        }
    secure_stop(&host);
}

static void
large_heads_are_answered_or_dropped(void **state)
{
    static const size_t sizes[] = {1000, 3000, 9000, 17000, 65536};

    (void)state;
    secure_start(&host);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int len = snprintf(text, sizeof(text),
                           SECURE_POLL "Connection: close\r\nX-Y: ");

        memset(text + len, 'a', sizes[i]);
        snprintf(text + len + sizes[i], 8, "\r\n\r\n");
        secure_dial(&host, &client);
        secure_say(&client, text);
        assert_int_equal(secure_heard(&client, "HTTP/1.1 200 "),
                         sizes[i] < 8192);
        secure_leave(&client);
    }
    secure_stop(&host);
}

static void
body_may_come_in_pieces(void **state)
{
    static const char body[] = "42[\"echo\",\"in pieces\"]";
    char sid[32], head[256];

    (void)state;
    secure_start(&host);
    secure_dial(&host, &client);
    secure_join(&client, sid);
    for (size_t piece = 1; piece < sizeof(body) - 1; piece += 5) {
        snprintf(head, sizeof(head),
                 "POST " SECURE_PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 sid, sizeof(body) - 1);
        secure_say(&client, head);
        for (size_t at = 0; at < sizeof(body) - 1; at += piece) {
            size_t left = sizeof(body) - 1 - at;

            home_pause(1);
            secure_send(&client, body + at, left < piece ? left : piece);
        }
        assert_true(secure_heard(&client, "\r\n\r\nok"));
        secure_poll(&client, sid);
        assert_true(secure_heard(&client, "in pieces"));
    }
    secure_leave(&client);
    secure_stop(&host);
}

/* Several records each way. */
static void
long_bodies_go_both_ways(void **state)
{
    static char body[60000];
    char sid[32], mark[16];

    (void)state;
    secure_start(&host);
    for (size_t size = 16000; size < sizeof(body); size += 9001) {
        int len;

        secure_dial(&host, &client);
        secure_join(&client, sid);
        len = snprintf(body, sizeof(body), "42[\"echo\",\"");
        memset(body + len, 'y', size - (size_t)len);
        snprintf(body + size - 10, 11, "%07zu\"]", size);
        len = snprintf(text, sizeof(text),
                       "POST " SECURE_PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       sid, strlen(body));
        memcpy(text + len, body, strlen(body));
        secure_send(&client, text, (size_t)len + strlen(body));
        assert_true(secure_heard(&client, "\r\n\r\nok"));
        secure_poll(&client, sid);
        snprintf(mark, sizeof(mark), "%07zu\"]", size);
        assert_true(secure_heard(&client, mark));
        secure_leave(&client);
    }
    secure_stop(&host);
}

/* In one record, in one each, and cut anywhere. */
static void
requests_may_come_at_once(void **state)
{
    static const char *const parts[] = {SECURE_POLL "X-N: 1\r\n\r\n",
                                        "POST " SECURE_PATH
                                        "&sid=none HTTP/1.1\r\nHost: x\r\n"
                                        "Content-Length: 5\r\n\r\n12345",
                                        SECURE_POLL
                                        "X-N: 3\r\nConnection: close\r\n\r\n"};
    size_t len = 0;

    (void)state;
    secure_start(&host);
    for (int i = 0; i < 3; i++) {
        memcpy(text + len, parts[i], strlen(parts[i]));
        len += strlen(parts[i]);
    }
    for (size_t piece = 1; piece <= len; piece = piece * 3 + 1)
        for (int late = 0; late < 2; late++) {
            secure_dial(&host, &client);
            for (size_t at = 0; at < len; at += piece) {
                secure_write(&client, text + at,
                             len - at < piece ? len - at : piece);
                if (late == 1)
                    secure_flush(&client, SIZE_MAX);
            }
            secure_flush(&client, SIZE_MAX);
            assert_true(secure_heard(&client, "maxPayload"));
            if (strstr(secure_out, " 400 ") == NULL)
                assert_true(secure_heard(&client, " 400 "));
            if (strstr(secure_out, "Connection: close") == NULL)
                assert_true(secure_heard(&client, "Connection: close"));
            (void)secure_read_all(&client);
            assert_true(secure_was_told(&client));
            secure_leave(&client);
        }
    secure_stop(&host);
}

static void
many_requests_in_a_record_are_answered(void **state)
{
    static const char one_of_them[] = SECURE_POLL "\r\n";
    size_t count = 0, size = 0;

    (void)state;
    secure_start(&host);
    secure_dial(&host, &client);
    for (; size < 16000; size += sizeof(one_of_them) - 1, count++)
        memcpy(text + size, one_of_them, sizeof(one_of_them) - 1);
    secure_send(&client, text, size);
    secure_say(&client, SECURE_POLL "Connection: close\r\n\r\n");
    for (size_t n = 0, got; n < count + 1; n++) {
        char one[512] = "";

        for (size_t len = 0; strstr(one, "maxPayload") == NULL; len += got) {
            assert_true(len < sizeof(one) - 1);
            got = secure_read_some(&client, one + len, 1);
            assert_true(got > 0);
        }
    }
    (void)secure_read_all(&client);
    assert_true(secure_was_told(&client));
    secure_leave(&client);
    secure_stop(&host);
}

static void
frame_behind_an_upgrade_is_refused(void **state)
{
    static const char frame[] = "\x81\x82\0\0\0\0"
                                "40";

    (void)state;
    secure_start(&host);
    for (int apart = 0; apart < 2; apart++) {
        secure_dial(&host, &client);
        memcpy(text, SECURE_UPGRADE "\r\n", sizeof(SECURE_UPGRADE) + 1);
        if (apart == 0)
            memcpy(text + sizeof(SECURE_UPGRADE) + 1, frame, 8);
        secure_write(&client, text,
                     sizeof(SECURE_UPGRADE) + 1 + (apart == 0 ? 8 : 0));
        if (apart == 1)
            secure_write(&client, frame, 8);
        secure_flush(&client, SIZE_MAX);
        (void)secure_read_all(&client);
        assert_true(secure_ends(&client, 1000));
        secure_leave(&client);
    }
    secure_is_well(&host);
    secure_stop(&host);
}

static void
request_behind_a_held_poll_waits(void **state)
{
    struct secure_client other;
    char sid[32], both[512];

    (void)state;
    secure_start(&host);
    for (int at_once = 0; at_once < 2; at_once++) {
        secure_dial(&host, &client);
        secure_dial(&host, &other);
        secure_join(&client, sid);
        snprintf(both, sizeof(both),
                 "GET " SECURE_PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", sid);
        if (at_once == 0) {
            secure_say(&client, both);
            home_pause(20);
            secure_say(&client, SECURE_POLL "\r\n");
        } else {
            size_t len = strlen(both);

            memcpy(both + len, SECURE_POLL "\r\n", sizeof(SECURE_POLL) + 2);
            secure_say(&client, both);
        }
        home_pause(20);
        secure_post(&other, sid, "42[\"echo\",\"first\"]");
        assert_true(secure_heard(&client, "first"));
        if (strstr(secure_out, "maxPayload") == NULL)
            assert_true(secure_heard(&client, "maxPayload"));

        secure_poll(&client, sid); /* and one whose client goes */
        secure_say(&client, SECURE_POLL "\r\n");
        home_pause(20);
        secure_leave(&client);
        secure_await_loss(&host, at_once + 1);
        secure_leave(&other);
    }
    secure_stop(&host);
}

/* ---- Ends ---- */

static void
every_end_is_noticed(void **state)
{
    static const char *const parts[] = {"", "G", SECURE_POLL,
                                        "POST " SECURE_PATH
                                        "&sid=x HTTP/1.1\r\nHost: x\r\n"
                                        "Content-Length: 20\r\n\r\n40"};
    size_t before;

    (void)state;
    secure_start(&host);
    secure_is_well(&host);
    home_pause(50);
    before = home_descriptors();
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (int how = 0; how < SECURE_ENDS; how++) {
            secure_dial(&host, &client);
            secure_write(&client, parts[i], strlen(parts[i]));
            if (how % 2 == 0) {
                secure_flush(&client, SIZE_MAX);
                home_pause(10);
            }
            secure_flush(&client, SIZE_MAX);
            secure_finish(&client, (enum secure_end)how);
            if (how == SECURE_RESET)
                continue;
            assert_true(secure_ends(&client, 10000));
            secure_leave(&client);
        }
    secure_await_descriptors(before);
    secure_stop(&host);
}

static void
client_that_goes_during_a_poll_is_noticed(void **state)
{
    char sid[32];

    (void)state;
    secure_start(&host);
    for (int how = 0; how < SECURE_ENDS; how++) {
        secure_dial(&host, &client);
        secure_join(&client, sid);
        secure_poll(&client, sid);
        home_pause(10);
        secure_finish(&client, (enum secure_end)how);
        secure_await_loss(&host, how + 1);
        if (how != SECURE_RESET)
            secure_leave(&client);
    }
    for (int how = 0; how < SECURE_ENDS; how++) { /* with the request */
        secure_dial(&host, &client);
        secure_join(&client, sid);
        snprintf(text, sizeof(text),
                 "GET " SECURE_PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", sid);
        secure_write(&client, text, strlen(text));
        if (how != SECURE_NOTIFY && how != SECURE_BOTH)
            secure_flush(&client, SIZE_MAX);
        secure_finish(&client, (enum secure_end)how);
        secure_await_loss(&host, SECURE_ENDS + how + 1);
        if (how != SECURE_RESET)
            secure_leave(&client);
    }
    secure_stop(&host);
}

static void
reset_at_every_byte_is_survived(void **state)
{
    size_t len;

    (void)state;
    secure_start(&host);
    secure_reach(&host, &client, 0);
    assert_int_equal(SSL_do_handshake(client.ssl), -1);
    len = BIO_ctrl_pending(client.out);
    secure_leave(&client);
    for (size_t at = 0; at < len; at += 3) { /* of the hello */
        secure_reach(&host, &client, 0);
        assert_int_equal(SSL_do_handshake(client.ssl), -1);
        secure_flush(&client, at);
        if (at % 2 == 0)
            secure_reset(&client);
        else
            secure_leave(&client);
    }
    for (size_t at = 0; at < 200; at += 3) { /* of what follows */
        secure_reach(&host, &client, 0);
        assert_true(secure_shake(&client, 0));
        secure_write(&client, SECURE_POLL "\r\n", sizeof(SECURE_POLL) + 1);
        secure_flush(&client, at);
        if (at % 2 == 0)
            secure_reset(&client);
        else
            secure_leave(&client);
    }
    secure_is_well(&host);
    secure_stop(&host);
}

/* ---- Slow ones ---- */

static void
slow_reader_gets_all_of_a_long_poll(void **state)
{
    char sid[32];
    size_t total = 0, got;

    (void)state;
    secure_start(&host);
    secure_reach(&host, &client, 65536);
    assert_true(secure_shake(&client, 0));
    secure_join(&client, sid);
    secure_post(&client, sid, "42[\"long\"]");
    assert_true(secure_heard(&client, "\r\n\r\nok"));
    secure_poll(&client, sid);
    secure_say(&client, SECURE_POLL "\r\n"); /* its turn comes afterwards */
    home_pause(50);
    while ((got = secure_read_some(&client, text, sizeof(text) - 1)) > 0) {
        total += got;
        text[got] = '\0';
        if (total > 6000000 && strstr(text, "maxPayload") != NULL)
            break;
    }
    assert_true(got > 0);
    secure_leave(&client);

    secure_reach(&host, &client, 65536); /* and one that goes amid it */
    assert_true(secure_shake(&client, 0));
    secure_join(&client, sid);
    secure_post(&client, sid, "42[\"long\"]");
    assert_true(secure_heard(&client, "\r\n\r\nok"));
    secure_poll(&client, sid);
    assert_true(secure_read_some(&client, text, 100) > 0);
    secure_reset(&client);
    secure_stop(&host);
}

/* Take what was answered. */
static void
drop_answers(const struct secure_client *eager)
{
    char answers[4096];
    ssize_t got;

    while ((got = recv(eager->fd, answers, sizeof(answers), MSG_DONTWAIT)) > 0)
        atomic_fetch_add(&answered, (size_t)got);
}

static void
await_room(const struct secure_client *eager)
{
    struct pollfd ready = {.fd = eager->fd, .events = POLLIN | POLLOUT};

    (void)poll(&ready, 1, 10);
}

/* What waits in memory, as fast as it goes. */
static void *
send_all(void *arg)
{
    struct secure_client *eager = arg;
    char *data;
    size_t len = (size_t)BIO_get_mem_data(eager->out, &data);

    for (size_t at = 0; at < len && !atomic_load(&is_enough);) {
        ssize_t sent =
            send(eager->fd, data + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

        drop_answers(eager);
        if (sent > 0)
            at += (size_t)sent;
        else
            await_room(eager);
    }
    while (!atomic_load(&is_enough)) {
        drop_answers(eager);
        home_pause(1);
    }
    return NULL;
}

/* Requests in records that are always there. */
static void
write_many(struct secure_client *eager, const char *sid)
{
    static char many[16384];
    char one[256];
    size_t len = 0, part;

    part = (size_t)snprintf(one, sizeof(one),
                            "POST " SECURE_PATH "&sid=%s HTTP/1.1\r\n"
                            "Host: x\r\nContent-Length: 8\r\n\r\n42[\"no\"]",
                            sid);
    for (; len + part <= sizeof(many); len += part)
        memcpy(many + len, one, part);
    for (int i = 0; i < 500; i++)
        secure_write(eager, many, len);
}

static void
clients_that_ask_without_end_are_not_served_alone(void **state)
{
    struct secure_client eager[EAGER];
    pthread_t threads[EAGER];
    struct timespec begun, ended;
    char sid[32];
    bool is_heard = true;
    long worst_ms = 0;

    (void)state;
    secure_start(&host);
    secure_dial(&host, &client);
    secure_upgrade(&client, SECURE_UPGRADE "\r\n");
    atomic_store(&is_enough, false);
    for (int i = 0; i < EAGER; i++) {
        secure_dial(&host, &eager[i]);
        secure_join(&eager[i], sid);
        write_many(&eager[i], sid);
    }
    for (int i = 0; i < EAGER; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &eager[i]),
                         0);
    for (int i = 0; i < 50 && is_heard; i++) {
        long ms;

        home_pause(10);
        clock_gettime(CLOCK_MONOTONIC, &begun);
        secure_frame(&client, "42[\"echo\",1]");
        is_heard = secure_heard(&client, "42[\"echo\",1]");
        clock_gettime(CLOCK_MONOTONIC, &ended);
        ms = (ended.tv_sec - begun.tv_sec) * 1000 +
             (ended.tv_nsec - begun.tv_nsec) / 1000000;
        worst_ms = ms > worst_ms ? ms : worst_ms;
    }
    atomic_store(&is_enough, true);
    for (int i = 0; i < EAGER; i++) {
        pthread_join(threads[i], NULL);
        secure_leave(&eager[i]);
    }
    print_message("# an echo took %ld ms at most, beside %zu bytes\n", worst_ms,
                  atomic_load(&answered));
    assert_true(is_heard);
    assert_true(atomic_load(&answered) > 100000);
    assert_true(worst_ms < 2500);
    secure_leave(&client);
    secure_stop(&host);
}

static void
slow_clients_are_dropped_in_time(void **state)
{
    skio_server_options options;
    struct secure_client clients[4];

    (void)state;
    secure_options(&options);
    options.header_timeout_ms = 500;
    options.body_timeout_ms = 200;
    options.idle_timeout_ms = 200;
    secure_make(&host, &options);
    secure_serve(&host);
    for (int i = 0; i < 4; i++)
        secure_dial(&host, &clients[i]); /* the first says nothing */
    secure_say(&clients[1], "GET /socket.io/");
    secure_say(&clients[2], SECURE_POLL "\r\n"); /* and no more */
    secure_say(&clients[3], "POST " SECURE_PATH "&sid=x HTTP/1.1\r\nHost: x\r\n"
                            "Content-Length: 20\r\n\r\n40");
    for (int i = 0; i < 4; i++) {
        (void)secure_read_all(&clients[i]);
        assert_true(secure_was_told(&clients[i]));
        secure_leave(&clients[i]);
    }
    secure_stop(&host);
}

/* ---- The server's side ---- */

static void
certificate_may_be_read_again_amid_connections(void **state)
{
    struct secure_client shaking;

    (void)state;
    secure_start(&host);
    secure_reach(&host, &shaking, 0);
    assert_int_equal(SSL_do_handshake(shaking.ssl), -1);
    secure_flush(&shaking, 50);
    secure_dial(&host, &client);
    secure_upgrade(&client, SECURE_UPGRADE "\r\n");
    for (int i = 0; i < 3; i++) {
        secure_frame(&client, "42[\"reload\"]");
        assert_true(secure_heard(&client, "SKIO_OK"));
        secure_is_well(&host);
    }
    assert_true(secure_shake(&shaking, 0));
    secure_say(&shaking, SECURE_POLL "\r\n");
    assert_true(secure_heard(&shaking, "maxPayload"));
    secure_leave(&shaking);
    secure_leave(&client);
    secure_stop(&host);
}

static void
unix_socket_speaks_tls(void **state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    skio_server_options options;

    (void)state;
    snprintf(to.sun_path, sizeof(to.sun_path), "/tmp/skio-own-tls-%d",
             (int)getpid());
    secure_options(&options);
    secure_make(&host, &options);
    assert_int_equal(skio_listen_unix(host.server, to.sun_path, 0600), SKIO_OK);
    secure_serve(&host);
    for (int odd = 0; odd < 2; odd++) {
        client.fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(client.fd, (struct sockaddr *)&to, sizeof(to)),
                         0);
        secure_begin(&client);
        assert_true(secure_shake(&client, 1));
        secure_flush(&client, SIZE_MAX);
        secure_say(&client, SECURE_POLL); /* in two records */
        home_pause(10);
        secure_say(&client, odd ? SECURE_ODD "\r\n" : "\r\n");
        assert_true(secure_heard(&client, "maxPayload"));
        secure_leave(&client);
    }
    secure_stop(&host);
}

/* Drained before, or not. */
static void
server_stops_with_connections_of_all_kinds(void **state)
{
    struct secure_client clients[8];
    char sid[32];

    (void)state;
    for (int drains = 0; drains < 2; drains++) {
        secure_start(&host);
        secure_reach(&host, &clients[0], 0); /* says nothing */
        secure_reach(&host, &clients[1], 0);
        assert_int_equal(SSL_do_handshake(clients[1].ssl), -1);
        secure_flush(&clients[1], 100); /* half a hello */
        for (int i = 2; i < 8; i++)
            secure_dial(&host, &clients[i]);
        secure_say(&clients[2], "GE");
        secure_join(&clients[3], sid);
        secure_poll(&clients[3], sid); /* is held */
        secure_say(&clients[4],
                   "POST " SECURE_PATH "&sid=x HTTP/1.1\r\nHost: x\r\n"
                   "Content-Length: 20\r\n\r\n40");
        secure_upgrade(&clients[5], SECURE_UPGRADE "\r\n");
        secure_join(&clients[6], sid); /* reads no answer */
        secure_post(&clients[6], sid, "42[\"long\"]");
        assert_true(secure_heard(&clients[6], "\r\n\r\nok"));
        secure_poll(&clients[6], sid);
        home_pause(20);
        if (drains)
            secure_drain(&host);
        else
            secure_stop(&host);
        for (int i = 0; i < 8; i++)
            secure_leave(&clients[i]);
    }
}

static void
failing_allocations_end_one_client_at_most(void **state)
{
    static const char *const requests[] =
        {SECURE_POLL "Connection: close\r\n\r\n" SECURE_POLL "\r\n",
         SECURE_POLL SECURE_ODD "Connection: close\r\n\r\n",
         SECURE_UPGRADE "\r\n", "GE"};
    struct secure_client boss;

    (void)state;
    secure_start(&host);
    secure_dial(&host, &boss);
    secure_upgrade(&boss, SECURE_UPGRADE "\r\n");
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        for (int n = 0; n <= ALLOCATIONS; n++) {
            char event[40];

            snprintf(event, sizeof(event), "42[\"fail\",%d]", n);
            secure_frame(&boss, event);
            assert_true(secure_heard(&boss, "ready"));
            secure_reach(&host, &client, 0);
            if (secure_shake(&client, 0)) {
                secure_say(&client, requests[i]);
                if (i == 3)
                    secure_say(&client, "T");
                else
                    (void)secure_read_some(&client, text, sizeof(text));
            }
            secure_leave(&client);
        }
    secure_frame(&boss, "42[\"fail\",0]");
    assert_true(secure_heard(&boss, "ready"));
    secure_is_well(&host);
    secure_leave(&boss);
    secure_stop(&host);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_may_come_in_single_bytes),
        cmocka_unit_test(request_may_come_with_the_end_of_the_handshake),
        cmocka_unit_test(what_is_no_handshake_ends_its_connection_alone),
        cmocka_unit_test(failed_handshake_is_told_why),
        cmocka_unit_test(clients_of_1_2_are_served),
        cmocka_unit_test(handshake_has_the_time_of_a_head),
        cmocka_unit_test(requests_follow_each_other),
        cmocka_unit_test(heads_may_be_of_many_records),
        cmocka_unit_test(heads_around_what_is_looked_at_are_answered),
        cmocka_unit_test(large_heads_are_answered_or_dropped),
        cmocka_unit_test(body_may_come_in_pieces),
        cmocka_unit_test(long_bodies_go_both_ways),
        cmocka_unit_test(requests_may_come_at_once),
        cmocka_unit_test(many_requests_in_a_record_are_answered),
        cmocka_unit_test(frame_behind_an_upgrade_is_refused),
        cmocka_unit_test(request_behind_a_held_poll_waits),
        cmocka_unit_test(every_end_is_noticed),
        cmocka_unit_test(client_that_goes_during_a_poll_is_noticed),
        cmocka_unit_test(reset_at_every_byte_is_survived),
        cmocka_unit_test(slow_reader_gets_all_of_a_long_poll),
        cmocka_unit_test(clients_that_ask_without_end_are_not_served_alone),
        cmocka_unit_test(slow_clients_are_dropped_in_time),
        cmocka_unit_test(certificate_may_be_read_again_amid_connections),
        cmocka_unit_test(unix_socket_speaks_tls),
        cmocka_unit_test(server_stops_with_connections_of_all_kinds),
        cmocka_unit_test(failing_allocations_end_one_client_at_most),
    };

    return cmocka_run_group_tests_name("own, TLS", tests, secure_setup,
                                       secure_cleanup);
}
