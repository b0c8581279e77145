/*
 * Requests over TLS that libwebsockets answers, at the end of a pair of
 * sockets: files, endpoints, compressed WebSockets and odd heads, long bodies
 * both ways, slow readers, ends of all kinds, no sockets left
 *
 * socketpair() is this program's own, to fail when a test wants it.
 */
#define _GNU_SOURCE /* RTLD_NEXT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <socketio/http.h>

#include "threats/home.h"
#include "transport/secure.h"

#define WHO "GET /who HTTP/1.1\r\nHost: x\r\n"
#define GET_LONG "GET /long HTTP/1.1\r\nHost: x\r\n"
#define LONG 6000000
#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate\r\n"

static struct secure_host host;
static struct secure_client client;
static char text[400000];
static atomic_int pairs_fail;

int
socketpair(int family, int type, int protocol, int fds[2])
{
    int (*real)(int, int, int, int *);
    void *found = dlsym(RTLD_NEXT, "socketpair");

    if (atomic_load(&pairs_fail) > 0) {
        errno = EMFILE;
        return -1;
    }
    memcpy(&real, &found, sizeof(real));
    return real(family, type, protocol, fds);
}

/* ---- Requests ---- */

static void
odd_requests_are_answered(void **state)
{
    static const char *const requests[][2] = {
        {WHO "\r\n", "\"127.0.0.1\""},
        {SECURE_POLL SECURE_ODD "\r\n", "maxPayload"},
        {"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
        {"HEAD " SECURE_PATH " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
        {"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
         "\r\n\r\n3"},
    };

    (void)state;
    secure_start(&host);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        for (int plain = 0; plain < 2; plain++) {
            secure_dial(&host, &client);
            if (plain) {
                secure_say(&client, SECURE_POLL "\r\n");
                assert_true(secure_heard(&client, "maxPayload"));
            }
            secure_say(&client, requests[i][0]);
            assert_true(secure_heard(&client, requests[i][1]));
            secure_leave(&client);
        }
    secure_stop(&host);
}

/* A plain request before, and more behind, in one record. */
static void
what_is_around_an_odd_request_is_answered(void **state)
{
    static const char all[] = SECURE_POLL
        "X-N: 1\r\n\r\n" WHO "\r\n" SECURE_POLL "Connection: close\r\n\r\n";

    (void)state;
    secure_start(&host);
    for (size_t piece = 1; piece <= sizeof(all); piece = piece * 3 + 1) {
        size_t seen = 0;

        secure_dial(&host, &client);
        for (size_t at = 0; at < sizeof(all) - 1; at += piece) {
            size_t left = sizeof(all) - 1 - at;

            secure_write(&client, all + at, left < piece ? left : piece);
        }
        secure_flush(&client, SIZE_MAX);
        for (size_t got; (got = secure_read_some(&client, text + seen,
                                                 sizeof(text) - seen)) > 0;)
            seen += got;
        text[seen] = '\0';
        assert_non_null(strstr(text, "maxPayload"));
        assert_non_null(strstr(text, "\"127.0.0.1\""));
        assert_non_null(strstr(strstr(text, "\"127.0.0.1\""), "maxPayload"));
        assert_true(secure_was_told(&client));
        secure_leave(&client);
    }
    secure_stop(&host);
}

static void
files_are_served(void **state)
{
    skio_server_options options;
    char folder[] = "/tmp/skio-tunnel-XXXXXX";
    char name[64];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof(name), "%s/a.txt", folder);
    file = fopen(name, "w");
    assert_non_null(file);
    for (int i = 0; i < 30000; i++)
        assert_true(fputs("a file of some length\n", file) >= 0);
    assert_true(fputs("the end", file) >= 0);
    assert_int_equal(fclose(file), 0);

    secure_options(&options);
    secure_make(&host, &options);
    assert_int_equal(skio_mount(host.server, "/files", folder, "a.txt"),
                     SKIO_OK);
    secure_serve(&host);
    secure_dial(&host, &client);
    for (int i = 0; i < 3; i++) {
        secure_say(&client, "GET /files/a.txt HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(secure_heard(&client, "the end"));
    }
    secure_upgrade(&client, SECURE_UPGRADE "\r\n");
    secure_leave(&client);

    secure_dial(&host, &client); /* to where it came from, by TLS */
    secure_say(&client, "GET /files HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_true(secure_heard(&client, "https://example.org/files/"));
    secure_leave(&client);
    secure_stop(&host);
    unlink(name);
    rmdir(folder);
}

static void
sessions_know_their_client(void **state)
{
    skio_server_options options;

    (void)state;
    secure_options(&options);
    options.trusted_proxies = "127.0.0.1";
    secure_make(&host, &options);
    secure_serve(&host);
    for (int proxied = 0; proxied < 2; proxied++) {
        snprintf(text, sizeof(text), SECURE_UPGRADE SECURE_ODD "%s\r\n",
                 proxied ? "X-Forwarded-For: 192.0.2.7\r\n" : "");
        secure_dial(&host, &client);
        secure_upgrade(&client, text);
        secure_frame(&client, "42[\"who\"]");
        assert_true(secure_heard(&client, proxied
                                              ? "\"192.0.2.7\",\"secure\""
                                              : "\"127.0.0.1\",\"secure\""));
        secure_leave(&client);
        snprintf(text, sizeof(text), WHO "%s\r\n",
                 proxied ? "X-Forwarded-For: 192.0.2.7\r\n" : "");
        secure_dial(&host, &client);
        secure_say(&client, text);
        assert_true(
            secure_heard(&client, proxied ? "\"192.0.2.7\"" : "\"127.0.0.1\""));
        secure_leave(&client);
    }
    secure_stop(&host);
}

/* Whom a proxy names before TLS. */
static void
proxy_speaks_before_tls(void **state)
{
    static const char *const requests[] = {SECURE_UPGRADE "\r\n",
                                           SECURE_UPGRADE SECURE_ODD "\r\n"};
    skio_server_options options;

    (void)state;
    secure_options(&options);
    options.trusted_proxies = "127.0.0.1";
    options.proxy_protocol = true;
    secure_make(&host, &options);
    secure_serve(&host);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        secure_reach(&host, &client, 0);
        home_say(client.fd, "PROXY TCP4 192.0.2.9 192.0.2.1 5000 443\r\n");
        assert_true(secure_shake(&client, 0));
        secure_flush(&client, SIZE_MAX);
        secure_upgrade(&client, requests[i]);
        secure_frame(&client, "42[\"who\"]");
        assert_true(secure_heard(&client, "\"192.0.2.9\",\"secure\""));
        secure_leave(&client);
    }
    secure_stop(&host);
}

static void
websockets_are_compressed(void **state)
{
    static const char *const offers[] = {DEFLATE "\r\n", "\r\n"};
    skio_server_options options;
    unsigned char frame[2100] = {0x81, 0x80 | 126, 2090 >> 8, 2090 & 255};
    char first;

    (void)state;
    secure_options(&options);
    options.per_message_deflate = true;
    secure_make(&host, &options);
    secure_serve(&host);
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), SECURE_UPGRADE "%s", offers[i]);
        secure_dial(&host, &client);
        secure_say(&client, text);
        assert_true(secure_heard(&client, "maxPayload"));
        assert_int_equal(strstr(secure_out, "permessage-deflate") != NULL,
                         i == 0);
        secure_frame(&client, "40");
        assert_true(secure_heard(&client, "40{\"sid\""));
        secure_frame(&client, "42[\"echo\",1]");
        assert_true(secure_heard(&client, "42[\"echo\",1]"));
        memset(frame + 8, 'x', 2090);
        memcpy(frame + 8, "42[\"echo\",\"", 11);
        memcpy(frame + 8 + 2088, "\"]", 2);
        secure_send(&client, frame, 8 + 2090);
        assert_int_equal(secure_read_some(&client, &first, 1), 1);
        assert_int_equal((unsigned char)first, i == 0 ? 0xc1 : 0x81);
        secure_leave(&client);
        secure_await_loss(&host, i + 1);
    }
    secure_stop(&host);
}

/* Both as long as nothing takes at once. */
static void
long_bodies_go_both_ways(void **state)
{
    static char body[300000];

    (void)state;
    secure_start(&host);
    memset(body, 'y', sizeof(body));
    secure_reach(&host, &client, 8192);
    assert_true(secure_shake(&client, 0));
    for (int i = 0; i < 2; i++) {
        size_t total = 0, got;

        snprintf(text, sizeof(text),
                 "POST /upload HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 sizeof(body));
        secure_write(&client, text, strlen(text));
        for (size_t at = 0; at < sizeof(body); at += 1000)
            secure_write(&client, body + at, 1000);
        secure_flush(&client, SIZE_MAX);
        assert_true(secure_heard(&client, "\r\n\r\n300000"));
        secure_say(&client, i == 0 ? GET_LONG "\r\n"
                                   : GET_LONG "Connection: close\r\n\r\n");
        home_pause(50);
        while (total < LONG &&
               (got = secure_read_some(&client, text, sizeof(text))) > 0)
            total += got;
        assert_true(total >= LONG);
    }
    assert_int_equal(secure_read_some(&client, text, sizeof(text)), 0);
    assert_true(secure_was_told(&client));
    secure_leave(&client);
    secure_stop(&host);
}

/* More waits than all sockets take, and the client does not read. */
static void
client_that_only_writes_is_stopped(void **state)
{
    skio_server_options options;
    size_t sent = 0, len;

    (void)state;
    secure_options(&options);
    options.idle_timeout_ms = 500;
    secure_make(&host, &options);
    secure_serve(&host);
    secure_reach(&host, &client, 4096);
    assert_true(secure_shake(&client, 0));
    secure_say(&client, GET_LONG "\r\n");
    for (len = 0; len < sizeof(text) - 100; len += strlen(text + len))
        snprintf(text + len, sizeof(text) - len, WHO "\r\n");
    secure_write(&client, text, len);
    while (sent < (size_t)64 << 20) {
        unsigned char record[16384];
        int got = BIO_read(client.out, record, sizeof(record));

        if (got <= 0) {
            secure_write(&client, text, len);
            continue;
        }
        if (send(client.fd, record, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL) !=
            got)
            break;
        sent += (size_t)got;
    }
    assert_true(sent < (size_t)32 << 20);
    assert_true(secure_ends(&client, 5000));
    secure_leave(&client);
    secure_is_well(&host);
    secure_stop(&host);
}

/* ---- Ends ---- */

static void
every_end_is_noticed(void **state)
{
    static const char *const parts[] =
        {WHO "\r\n", WHO "\r\n" WHO, GET_LONG "\r\n",
         "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
         SECURE_UPGRADE SECURE_ODD "\r\n"};
    size_t before;

    (void)state;
    secure_start(&host);
    secure_is_well(&host);
    home_pause(50);
    before = home_descriptors();
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (int how = 0; how < SECURE_ENDS; how++)
            for (int late = 0; late < 2; late++) {
                secure_dial(&host, &client);
                secure_write(&client, parts[i], strlen(parts[i]));
                if (late) {
                    secure_flush(&client, SIZE_MAX);
                    home_pause(10);
                } else if (how == SECURE_FIN || how == SECURE_RESET) {
                    secure_flush(&client, SIZE_MAX);
                }
                secure_finish(&client, (enum secure_end)how);
                if (how == SECURE_RESET)
                    continue;
                assert_true(secure_ends(&client, 10000));
                secure_leave(&client);
            }
    secure_await_descriptors(before);
    secure_stop(&host);
}

/* Which takes its time: then the client, too. */
static void
client_that_reads_nothing_goes_in_time(void **state)
{
    skio_server_options options;
    size_t before;

    (void)state;
    secure_options(&options);
    options.idle_timeout_ms = 300;
    secure_make(&host, &options);
    secure_serve(&host);
    secure_is_well(&host);
    home_pause(50);
    before = home_descriptors();
    for (int close = 0; close < 2; close++) {
        secure_reach(&host, &client, 4096);
        assert_true(secure_shake(&client, 0));
        secure_say(&client, close ? GET_LONG "Connection: close\r\n\r\n"
                                  : GET_LONG "\r\n");
        secure_await_descriptors(before + 1); /* the client's own */
        secure_leave(&client);
    }
    secure_stop(&host);
}

static void
answer_to_a_refused_body_arrives(void **state)
{
    (void)state;
    secure_start(&host);
    secure_dial(&host, &client);
    memset(text, 'x', sizeof(text));
    secure_say(&client, "POST /nowhere HTTP/1.1\r\nHost: x\r\n"
                        "Content-Length: 400000\r\n\r\n");
    home_pause(20);
    secure_send(&client, text, sizeof(text));
    assert_true(secure_heard(&client, "HTTP/1.1 404 "));
    (void)secure_read_all(&client);
    assert_true(secure_was_told(&client));
    secure_leave(&client);
    secure_is_well(&host);
    secure_stop(&host);
}

/* ---- Limits ---- */

/* One connection, however many sockets it has. */
static void
tunnel_is_one_connection(void **state)
{
    skio_server_options options;
    struct secure_client clients[3];

    (void)state;
    secure_options(&options);
    options.max_tcp_connections = 3;
    options.max_tcp_connections_per_address = 3;
    secure_make(&host, &options);
    secure_serve(&host);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            secure_dial(&host, &clients[i]);
            secure_say(&clients[i], WHO "\r\n");
            assert_true(secure_heard(&clients[i], "127.0.0.1"));
        }
        secure_reach(&host, &client, 0);
        assert_false(secure_shake(&client, 0));
        secure_leave(&client);
        for (int i = 0; i < 3; i++)
            secure_leave(&clients[i]);
        home_pause(100);
    }
    secure_stop(&host);
}

static void
without_sockets_one_connection_ends(void **state)
{
    struct secure_client other;
    size_t before;

    (void)state;
    secure_start(&host);
    secure_dial(&host, &other);
    secure_say(&other, WHO "\r\n");
    assert_true(secure_heard(&other, "127.0.0.1"));
    before = home_descriptors();
    atomic_store(&pairs_fail, 1);
    secure_dial(&host, &client);
    secure_say(&client, WHO "\r\n");
    assert_int_equal(secure_read_all(&client), 0);
    assert_true(secure_was_told(&client));
    secure_leave(&client);
    atomic_store(&pairs_fail, 0);
    assert_int_equal(atomic_load(&host.warned), 1);
    secure_say(&other, WHO "\r\n");
    assert_true(secure_heard(&other, "127.0.0.1"));
    secure_await_descriptors(before);
    secure_leave(&other);
    secure_stop(&host);
}

/* Amid requests and answers, and while one has ended on one side. */
static void
server_stops_with_tunnels_of_all_kinds(void **state)
{
    static const char *const parts[] =
        {WHO "\r\n",
         WHO "\r\n" WHO,
         GET_LONG "\r\n",
         GET_LONG "Connection: close\r\n\r\n",
         "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
         SECURE_UPGRADE SECURE_ODD "\r\n"};
    struct secure_client clients[sizeof(parts) / sizeof(parts[0])];

    (void)state;
    for (int drains = 0; drains < 2; drains++) {
        secure_start(&host);
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            secure_reach(&host, &clients[i], 4096);
            assert_true(secure_shake(&clients[i], 0));
            secure_say(&clients[i], parts[i]);
        }
        home_pause(50);
        if (drains)
            secure_drain(&host);
        else
            secure_stop(&host);
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
            secure_leave(&clients[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_requests_are_answered),
        cmocka_unit_test(what_is_around_an_odd_request_is_answered),
        cmocka_unit_test(files_are_served),
        cmocka_unit_test(sessions_know_their_client),
        cmocka_unit_test(proxy_speaks_before_tls),
        cmocka_unit_test(websockets_are_compressed),
        cmocka_unit_test(long_bodies_go_both_ways),
        cmocka_unit_test(client_that_only_writes_is_stopped),
        cmocka_unit_test(every_end_is_noticed),
        cmocka_unit_test(client_that_reads_nothing_goes_in_time),
        cmocka_unit_test(answer_to_a_refused_body_arrives),
        cmocka_unit_test(tunnel_is_one_connection),
        cmocka_unit_test(without_sockets_one_connection_ends),
        cmocka_unit_test(server_stops_with_tunnels_of_all_kinds),
    };

    return cmocka_run_group_tests_name("tunnel", tests, secure_setup,
                                       secure_cleanup);
}
