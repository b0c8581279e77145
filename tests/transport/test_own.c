/*
 * Connections that libwebsockets does not know, and the moments when it gets
 * one: requests in pieces, one after the other, half sent, with clients that
 * go, and a server that stops amid all that
 */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <socketio/engine.h>
#include <socketio/http.h>
#include <socketio/request.h>
#include <socketio/socketio.h>

#include "threats/home.h"
#include "unit/alloc.h"

#define VERDICTS 4
#define LOOKED_AT 16384 /* bytes of a head: HEAD_MAX of lws_own.c */
#define ALLOCATIONS 60  /* more than anything below makes */
#define PATH "/socket.io/?EIO=4&transport=polling"
#define POLL "GET " PATH " HTTP/1.1\r\nHost: x\r\n"
#define UPGRADE                                                                \
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"                   \
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n"

struct host {
    struct test_alloc alloc; /* the server's thread, until it was joined */
    skio_server *server;
    pthread_t thread;
    atomic_int lost; /* sockets that were disconnected */
    skio_verdict *verdicts[VERDICTS];
    atomic_int asked;
};

static char out[1 << 20];

static void
on_fail(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct host *host = user;
    int64_t n = 0;

    (void)socket;
    (void)ack;
    (void)skio_get_int(args, "0", &n);
    test_alloc_fail(&host->alloc, (size_t)n);
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    (void)skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

/* More than the kernel takes at once. */
static void
on_long(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    static char text[6000000];

    (void)args;
    (void)ack;
    (void)user;
    memset(text, 'x', sizeof(text) - 1);
    (void)skio_emit(socket, "long", "%s", text);
}

static void
on_lost(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct host *host = user;

    (void)socket;
    (void)reason;
    atomic_fetch_add(&host->lost, 1);
}

static void
on_who(skio_http *request, void *user)
{
    (void)user;
    if (skio_http_reply(request, 200, "'somebody'") < 0)
        abort();
}

/* Left open: the word comes later, or never. */
static void
on_question(skio_verdict *verdict, void *user)
{
    struct host *host = user;

    host->verdicts[atomic_load(&host->asked)] = verdict;
    atomic_fetch_add(&host->asked, 1);
}

static void *
run(void *arg)
{
    struct host *host = arg;

    return skio_run(host->server) == SKIO_OK ? NULL : host;
}

static void
make(struct host *host, const skio_server_options *options)
{
    skio_server_options own = *options;
    skio_nsp *nsp;

    memset(host, 0, sizeof(*host));
    test_alloc_init(&host->alloc);
    own.allocator = host->alloc.allocator;
    assert_int_equal(skio_server_new(&host->server, &own), SKIO_OK);
    nsp = skio_of(host->server, "/");
    assert_non_null(nsp);
    assert_int_equal(skio_on(nsp, "fail", on_fail, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "echo", on_echo, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "long", on_long, host), SKIO_OK);
    assert_int_equal(skio_on_disconnect(nsp, on_lost, host), SKIO_OK);
    assert_int_equal(skio_http_on(host->server, "GET", "/who", on_who, NULL),
                     SKIO_OK);
}

static void
serve(struct host *host)
{
    assert_int_equal(skio_listen(host->server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(pthread_create(&host->thread, NULL, run, host), 0);
}

static void
start(struct host *host)
{
    skio_server_options options;

    skio_server_options_init(&options);
    options.close_timeout_ms = 300;
    options.max_outbound_bytes = (size_t)16 << 20;
    make(host, &options);
    serve(host);
}

static void
stop(struct host *host)
{
    void *failed;

    skio_server_stop(host->server);
    pthread_join(host->thread, &failed);
    assert_null(failed);
    for (int i = 0; i < atomic_load(&host->asked); i++)
        (void)skio_verdict_accept(host->verdicts[i]); /* nobody is there */
    skio_server_free(host->server);
    assert_int_equal(host->alloc.live, 0);
}

static int
dial(const struct host *host)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 5};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    to.sin_port = htons(skio_server_port(host->server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static bool
heard(int fd, const char *until)
{
    home_read(fd, out, sizeof(out), until, NULL);
    return strstr(out, until) != NULL;
}

static void
reset(int fd)
{
    static const struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

static void
post(int fd, const char *sid, const char *body)
{
    char text[512];

    snprintf(text, sizeof(text),
             "POST " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             sid, strlen(body), body);
    home_say(fd, text);
}

static void
poll(int fd, const char *sid)
{
    char text[256];

    snprintf(text, sizeof(text),
             "GET " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", sid);
    home_say(fd, text);
}

/* A session of "/" by polling. */
static void
join(int fd, char sid[32])
{
    static const char mark[] = "\"sid\":\"";

    home_say(fd, POLL "\r\n");
    assert_true(heard(fd, "maxPayload"));
    memcpy(sid, strstr(out, mark) + sizeof(mark) - 1, 20);
    sid[20] = '\0';
    post(fd, sid, "40");
    assert_true(heard(fd, "\r\n\r\nok"));
    poll(fd, sid);
    assert_true(heard(fd, "40{\"sid\""));
}

static void
assert_upgraded(int fd, const char *upgrade)
{
    home_say(fd, upgrade);
    assert_true(heard(fd, "maxPayload"));
    assert_int_equal(strncmp(out, "HTTP/1.1 101 ", 13), 0);
    home_frame(fd, 0x81, "40", 2);
    assert_true(heard(fd, "40{\"sid\""));
}

static void
requests_follow_each_other(void **state)
{
    static struct host host;
    char sid[32];
    int fd;

    (void)state;
    start(&host);
    fd = dial(&host);
    join(fd, sid);
    for (int i = 0; i < 5; i++) {
        post(fd, sid, "42[\"echo\",1]");
        assert_true(heard(fd, "\r\n\r\nok"));
        poll(fd, sid);
        assert_true(heard(fd, "42[\"echo\",1]"));
        assert_non_null(strstr(out, "Connection: keep-alive\r\n"));
    }
    assert_upgraded(fd, UPGRADE "\r\n");
    close(fd);
    stop(&host);
}

/* Whoever took over, an upgrade may follow. */
static void
upgrade_follows_what_lws_served(void **state)
{
    static const char *const requests[] = {
        "GET /who HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET " PATH " HTTP/1.1\r\nHost: x\r\nZz: 1\r\nZz: 2\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        POLL "\r\n",
    };
    static struct host host;

    (void)state;
    start(&host);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        for (int plain = 0; plain < 2; plain++) {
            int fd = dial(&host);

            if (plain) {
                home_say(fd, POLL "\r\n");
                assert_true(heard(fd, "maxPayload"));
            }
            home_say(fd, requests[i]);
            assert_true(heard(fd, "\r\n\r\n"));
            home_pause(5); /* the body, if there is one */
            (void)recv(fd, out, sizeof(out), MSG_DONTWAIT);
            assert_upgraded(fd, UPGRADE "\r\n");
            close(fd);
        }
    stop(&host);
}

/* Also inside of the server's path, where the folder wins. */
static void
upgrade_follows_a_file(void **state)
{
    static const char *const paths[] = {"/files/a.txt", "/socket.io/x/a.txt"};
    static struct host host;
    skio_server_options options;
    char folder[] = "/tmp/skio-own-XXXXXX";
    char name[64], text[128];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof(name), "%s/a.txt", folder);
    file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs("a file", file) >= 0);
    assert_int_equal(fclose(file), 0);

    skio_server_options_init(&options);
    options.close_timeout_ms = 300;
    make(&host, &options);
    assert_int_equal(skio_mount(host.server, "/files", folder, "a.txt"),
                     SKIO_OK);
    assert_int_equal(skio_mount(host.server, "/socket.io/x", folder, "a.txt"),
                     SKIO_OK);
    serve(&host);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int fd = dial(&host);

        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
                 paths[i]);
        home_say(fd, text);
        assert_true(heard(fd, "a file"));
        home_say(fd, POLL "\r\n");
        assert_true(heard(fd, "maxPayload"));
        assert_upgraded(fd, UPGRADE "\r\n");
        close(fd);
    }
    stop(&host);
    unlink(name);
    rmdir(folder);
}

static void
upgrade_in_two_parts_is_accepted(void **state)
{
    static const char text[] = UPGRADE "\r\n";
    static struct host host;

    (void)state;
    start(&host);
    for (size_t cut = 1; cut < sizeof(text) - 1; cut += 6) {
        int fd = dial(&host);

        home_send(fd, text, cut);
        home_pause(2);
        assert_upgraded(fd, text + cut);
        close(fd);
    }
    stop(&host);
}

/* Byte by byte, the second on the same connection. */
static void
heads_in_pieces_are_answered(void **state)
{
    static const char text[] =
        POLL "Cookie: a=b; c=d\r\nUser-Agent: none\r\n\r\n";
    static struct host host;
    int fd;

    (void)state;
    start(&host);
    fd = dial(&host);
    for (int n = 0; n < 2; n++) {
        for (size_t i = 0; i < sizeof(text) - 1; i++) {
            home_send(fd, text + i, 1);
            home_pause(1);
        }
        assert_true(heard(fd, "maxPayload"));
        assert_int_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
    }
    close(fd);
    stop(&host);
}

static void
end_amid_a_head_is_noticed(void **state)
{
    static const char *const parts[] = {"G", POLL, POLL "X: y"};
    static struct host host;

    (void)state;
    start(&host);
    for (int late = 0; late < 2; late++)
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            int fd = dial(&host);
            bool closed;

            home_say(fd, parts[i]);
            if (late)
                home_pause(20);
            shutdown(fd, SHUT_WR);
            home_read(fd, out, sizeof(out), NULL, &closed);
            assert_true(closed);
            close(fd);
        }
    stop(&host);
}

/* However much of it comes; and what is idle may be so for longer. */
static void
next_head_has_its_time(void **state)
{
    skio_server_options options;
    static struct host host;
    bool closed;
    int fds[2];

    (void)state;
    skio_server_options_init(&options);
    options.header_timeout_ms = 500;
    make(&host, &options);
    serve(&host);
    for (int i = 0; i < 2; i++) {
        fds[i] = dial(&host);
        home_say(fds[i], POLL "\r\n");
        assert_true(heard(fds[i], "maxPayload"));
    }
    home_say(fds[0], "GET /socket.io/?");
    for (int i = 0; i < 15; i++) {
        home_pause(50);
        home_say(fds[0], "x");
    }
    home_read(fds[0], out, sizeof(out), NULL, &closed);
    assert_true(closed);
    home_say(fds[1], POLL "\r\n"); /* after more than that */
    assert_true(heard(fds[1], "maxPayload"));
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    stop(&host);
}

static void
half_a_head_does_not_hold_up_a_stop(void **state)
{
    skio_server_options options;
    static struct host host;
    struct timespec begun, ended;
    bool closed;
    int fd;

    (void)state;
    skio_server_options_init(&options);
    options.close_timeout_ms = 20000;
    make(&host, &options);
    serve(&host);
    fd = dial(&host);
    home_say(fd, POLL);
    home_pause(100);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    stop(&host);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_true(ended.tv_sec - begun.tv_sec < 10);
    home_read(fd, out, sizeof(out), NULL, &closed);
    assert_true(closed);
    close(fd);
}

static void
subprotocol_and_answer_are_right(void **state)
{
    static const char answer[] =
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: WebSocket\r\n"
        "Connection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        "Sec-WebSocket-Protocol: chat.v2\r\n\r\n";
    static struct host host;
    int fd;

    (void)state;
    start(&host);
    fd = dial(&host);
    assert_true(fd >= 0);
    home_say(fd, UPGRADE "Sec-WebSocket-Protocol: chat.v2\r\n\r\n");
    assert_true(heard(fd, "maxPayload"));
    assert_int_equal(strncmp(out, answer, sizeof(answer) - 1), 0);
    close(fd);
    stop(&host);
}

static void
frame_behind_an_upgrade_is_refused(void **state)
{
    static const char text[] = UPGRADE "\r\n\x81\x82\0\0\0\0"
                                       "40";
    static struct host host;
    bool closed;
    int fd;

    (void)state;
    start(&host);
    fd = dial(&host);
    home_send(fd, text, sizeof(text) - 1);
    home_read(fd, out, sizeof(out), NULL, &closed);
    assert_true(closed);
    close(fd);
    stop(&host);
}

static void
large_heads_are_answered_or_dropped(void **state)
{
    static struct host host;
    static char text[70000];
    size_t sizes[] = {1000, 3000, 9000, 17000, 65536};

    (void)state;
    start(&host);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int len =
            snprintf(text, sizeof(text), POLL "Connection: close\r\nX-Y: ");
        int fd = dial(&host);
        bool closed;

        memset(text + len, 'a', sizes[i]);
        snprintf(text + len + sizes[i], 8, "\r\n\r\n");
        home_say(fd, text);
        home_read(fd, out, sizeof(out), NULL, &closed);
        assert_true(closed);
        if (sizes[i] < 8192)
            assert_int_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
        else
            assert_int_not_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
        close(fd);
    }
    stop(&host);
}

/* 16 KiB of a head are looked at; whose is longer, the connection becomes
 * libwebsockets', and nobody sees a difference. */
static void
heads_around_what_is_looked_at_are_answered(void **state)
{
    static struct host host;
    static char text[20000];
    skio_server_options options;
    size_t start_len;

    (void)state;
    skio_server_options_init(&options);
    options.max_header_bytes = 16384;
    make(&host, &options);
    serve(&host);
    snprintf(text, sizeof(text), POLL "Connection: close\r\nX-Y: ");
    start_len = strlen(text);
    for (size_t total = LOOKED_AT - 1; total <= LOOKED_AT + 2; total++) {
        for (size_t cut = 0; cut <= LOOKED_AT; cut += LOOKED_AT / 2) {
            size_t first = cut < total ? cut : total - 1;
            int fd = dial(&host);
            bool closed;

            memset(text + start_len, 'a', total - start_len - 4);
            memcpy(text + total - 4, "\r\n\r\n", 4);
            home_send(fd, text, first);
            if (first > 0)
                home_pause(20);
            home_send(fd, text + first, total - first);
            home_read(fd, out, sizeof(out), NULL, &closed);
            assert_true(closed);
            assert_int_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
            close(fd);
        }
    }
    stop(&host);
}

static void
body_in_pieces_is_read(void **state)
{
    static const char body[] = "42[\"echo\",\"in pieces\"]";
    static struct host host;
    char sid[32], text[256];
    int fd;

    (void)state;
    start(&host);
    fd = dial(&host);
    join(fd, sid);
    for (size_t piece = 1; piece < sizeof(body) - 1; piece += 5) {
        snprintf(text, sizeof(text),
                 "POST " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 sid, sizeof(body) - 1);
        home_say(fd, text);
        for (size_t at = 0; at < sizeof(body) - 1; at += piece) {
            size_t left = sizeof(body) - 1 - at;

            home_pause(1);
            home_send(fd, body + at, left < piece ? left : piece);
        }
        assert_true(heard(fd, "\r\n\r\nok"));
        poll(fd, sid);
        assert_true(heard(fd, "in pieces"));
    }
    close(fd);
    stop(&host);
}

/* And what comes after it is a request again, or nothing. */
static void
body_of_a_refused_request_is_no_request(void **state)
{
    static struct host host;
    static char body[200000];
    char text[256];
    bool closed;

    (void)state;
    start(&host);
    memset(body, 'x', sizeof(body));
    for (int pause = 0; pause < 2; pause++) {
        int fd = dial(&host);

        snprintf(text, sizeof(text),
                 "POST " PATH "&sid=none HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 sizeof(body));
        home_say(fd, text);
        home_pause(pause * 20);
        home_send(fd, body, sizeof(body));
        home_say(fd, POLL "Connection: close\r\n\r\n");
        home_read(fd, out, sizeof(out), NULL, &closed);
        assert_true(closed);
        assert_int_equal(strncmp(out, "HTTP/1.1 400 ", 13), 0);
        assert_null(strstr(out, "xxx"));
        close(fd);
    }
    stop(&host);
}

static void
request_behind_a_held_poll_waits(void **state)
{
    static struct host host;
    char sid[32];
    int fd, other;

    (void)state;
    start(&host);
    fd = dial(&host);
    other = dial(&host);
    join(fd, sid);
    poll(fd, sid);
    home_pause(20);
    home_say(fd, POLL "\r\n");
    home_pause(20);
    post(other, sid, "42[\"echo\",\"first\"]");
    assert_true(heard(fd, "maxPayload"));
    assert_non_null(strstr(out, "first"));
    assert_true(strstr(out, "first") < strstr(out, "maxPayload"));

    poll(fd, sid); /* and one whose client goes */
    home_pause(20);
    home_say(fd, POLL "\r\n");
    close(fd);
    for (int i = 0; i < 300 && atomic_load(&host.lost) == 0; i++)
        home_pause(10);
    assert_int_equal(atomic_load(&host.lost), 1);
    close(other);
    stop(&host);
}

static void
client_that_goes_during_a_poll_is_noticed(void **state)
{
    static struct host host;
    char sid[32];

    (void)state;
    start(&host);
    for (int how = 0; how < 3; how++) {
        int fd = dial(&host);

        join(fd, sid);
        poll(fd, sid);
        home_pause(10);
        if (how == 0)
            close(fd);
        else if (how == 1)
            reset(fd);
        else
            shutdown(fd, SHUT_WR);
        for (int i = 0; i < 300 && atomic_load(&host.lost) == how; i++)
            home_pause(10);
        assert_int_equal(atomic_load(&host.lost), how + 1);
        if (how == 2)
            close(fd);
    }
    stop(&host);
}

static void
slow_reader_gets_all_of_a_long_poll(void **state)
{
    static struct host host;
    char sid[32];
    size_t total = 0;
    ssize_t got;
    int small = 65536;
    int fd;

    (void)state;
    start(&host);
    fd = dial(&host);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    join(fd, sid);
    post(fd, sid, "42[\"long\"]");
    assert_true(heard(fd, "\r\n\r\nok"));
    poll(fd, sid);
    home_say(fd, POLL "\r\n"); /* its turn comes afterwards */
    home_pause(50);
    while ((got = recv(fd, out, sizeof(out) - 1, 0)) > 0) {
        total += (size_t)got;
        out[got] = '\0';
        if (total > 6000000 && strstr(out, "maxPayload") != NULL)
            break;
    }
    assert_true(got > 0);
    close(fd);

    fd = dial(&host); /* and one that goes amid it */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    join(fd, sid);
    post(fd, sid, "42[\"long\"]");
    assert_true(heard(fd, "\r\n\r\nok"));
    poll(fd, sid);
    assert_true(recv(fd, out, 100, 0) > 0);
    reset(fd);
    stop(&host);
}

static void
reset_at_every_byte_is_survived(void **state)
{
    static const char *const texts[] = {UPGRADE "\r\n", POLL "\r\n",
                                        "POST " PATH
                                        "&sid=x HTTP/1.1\r\nHost: x\r\n"
                                        "Content-Length: 20\r\n\r\n40"};
    static struct host host;
    int fd;

    (void)state;
    start(&host);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (size_t len = 0; len <= strlen(texts[i]); len++) {
            fd = dial(&host);
            home_send(fd, texts[i], len);
            if (len % 2 == 0)
                reset(fd);
            else
                close(fd);
        }
    fd = dial(&host);
    assert_upgraded(fd, UPGRADE "\r\n");
    close(fd);
    stop(&host);
}

/* What stopped peers. */
struct hits {
    uint64_t header_timeout_ms;
    uint64_t body_timeout_ms;
    uint64_t max_query_bytes;
    uint64_t max_headers;
    uint64_t max_header_bytes;
    uint64_t all;
    atomic_bool is_read;
};

static void
read_hits(skio_server *server, void *arg)
{
    struct hits *hits = arg;
    const char *name;
    uint64_t n;

    for (size_t i = 0; (name = skio_server_limit(server, i, &n)) != NULL; i++) {
        hits->all += n;
        if (strcmp(name, "header_timeout_ms") == 0)
            hits->header_timeout_ms = n;
        else if (strcmp(name, "body_timeout_ms") == 0)
            hits->body_timeout_ms = n;
        else if (strcmp(name, "max_query_bytes") == 0)
            hits->max_query_bytes = n;
        else if (strcmp(name, "max_headers") == 0)
            hits->max_headers = n;
        else if (strcmp(name, "max_header_bytes") == 0)
            hits->max_header_bytes = n;
    }
    atomic_store(&hits->is_read, true);
}

static void
take_hits(struct host *host, struct hits *hits)
{
    memset(hits, 0, sizeof(*hits));
    assert_int_equal(skio_server_post(host->server, read_hits, hits), SKIO_OK);
    for (int i = 0; i < 300 && !atomic_load(&hits->is_read); i++)
        home_pause(10);
    assert_true(atomic_load(&hits->is_read));
}

static void
refuse(struct host *host, const char *query, const char *headers,
       const char *status)
{
    static char text[16384];
    bool closed;
    int fd = dial(host);

    snprintf(text, sizeof(text),
             "GET " PATH "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
             "%s\r\n",
             query, headers);
    home_say(fd, text);
    home_read(fd, out, sizeof(out), NULL, &closed);
    assert_true(closed);
    if (strncmp(out, "HTTP/1.1 ", 9) != 0 || strncmp(out + 9, status, 3) != 0)
        fail_msg("%s %s: %.60s", query, headers, out);
    close(fd);
}

static void
requests_that_are_too_large_are_counted(void **state)
{
    skio_server_options options;
    static struct host host;
    static struct hits hits;

    (void)state;
    skio_server_options_init(&options);
    options.max_query_bytes = sizeof("EIO=4&transport=polling") - 1;
    options.max_headers = 3;
    options.max_header_bytes = 44;
    make(&host, &options);
    serve(&host);
    refuse(&host, "", "Zz: 1234567890\r\n", "200");
    take_hits(&host, &hits);
    assert_int_equal(hits.all, 0);
    refuse(&host, "&", "", "414");
    refuse(&host, "", "Zz: 1\r\nZz: 1\r\n", "431");
    refuse(&host, "", "Zz: 12345678901\r\n", "431");
    take_hits(&host, &hits);
    assert_int_equal(hits.max_query_bytes, 1);
    assert_int_equal(hits.max_headers, 1);
    assert_int_equal(hits.max_header_bytes, 1);
    assert_int_equal(hits.all, 3);
    stop(&host);
}

/* Each in its own time, and not before; to be idle is no offence. */
static void
slow_clients_are_dropped_in_time(void **state)
{
    static const uint64_t times[] = {300, 300, 900, 600};
    skio_server_options options;
    static struct host host;
    static struct hits hits;
    uint64_t begun;
    bool closed;
    char sid[32], text[256];
    int fds[4];

    (void)state;
    skio_server_options_init(&options);
    options.header_timeout_ms = (uint32_t)times[0];
    options.body_timeout_ms = (uint32_t)times[3];
    options.idle_timeout_ms = (uint32_t)times[2];
    options.close_timeout_ms = 300;
    make(&host, &options);
    serve(&host);
    fds[3] = dial(&host);
    join(fds[3], sid);
    begun = home_now_ms();
    for (int i = 0; i < 3; i++)
        fds[i] = dial(&host); /* the first says nothing */
    home_say(fds[1], "GET /socket.io/");
    home_say(fds[2], POLL "\r\n"); /* and no more */
    snprintf(text, sizeof(text),
             "POST " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
             "Content-Length: 20\r\n\r\n40",
             sid);
    home_say(fds[3], text);
    for (int i = 0; i < 4; i++) {
        static const int order[] = {0, 1, 3, 2};
        int n = order[i];

        home_read(fds[n], out, sizeof(out), NULL, &closed);
        assert_true(closed);
        assert_true(home_now_ms() - begun >= times[n]);
        close(fds[n]);
    }
    take_hits(&host, &hits);
    assert_int_equal(hits.header_timeout_ms, 2);
    assert_int_equal(hits.body_timeout_ms, 1);
    assert_int_equal(hits.all, 3);
    stop(&host);
}

static void
verdict_may_come_late_or_never(void **state)
{
    skio_server_options options;
    static struct host host;
    int fds[VERDICTS];

    (void)state;
    skio_server_options_init(&options);
    options.close_timeout_ms = 300;
    make(&host, &options);
    assert_int_equal(skio_allow_request(host.server, on_question, &host),
                     SKIO_OK);
    serve(&host);
    for (int i = 0; i < VERDICTS; i++) {
        fds[i] = dial(&host);
        home_say(fds[i], i % 2 == 0 ? UPGRADE "\r\n" : POLL "\r\n");
        for (int n = 0; n < 300 && atomic_load(&host.asked) <= i; n++)
            home_pause(10);
        assert_int_equal(atomic_load(&host.asked), i + 1);
        if (i < 2) /* goes before the word comes */
            close(fds[i]);
    }
    stop(&host); /* while two wait */
    close(fds[2]);
    close(fds[3]);
}

static void
server_stops_with_connections_of_all_kinds(void **state)
{
    static struct host host;
    char sid[32];
    int fds[9];

    (void)state;
    start(&host);
    for (int i = 0; i < 9; i++)
        fds[i] = dial(&host); /* the first says nothing */
    home_say(fds[1], POLL "\r\n");
    assert_true(heard(fds[1], "maxPayload"));
    join(fds[2], sid);
    poll(fds[2], sid); /* is held */
    post(fds[3], sid, "42[\"echo\",\"");
    home_say(fds[4], "POST " PATH "&sid=x HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 20\r\n\r\n40");
    assert_upgraded(fds[5], UPGRADE "\r\n");
    join(fds[6], sid); /* reads no answer */
    post(fds[6], sid, "42[\"long\"]");
    assert_true(heard(fds[6], "\r\n\r\nok"));
    poll(fds[6], sid);
    home_say(fds[7], "GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(heard(fds[7], "somebody"));
    home_say(fds[8], "GE");
    home_pause(20);
    stop(&host);
    for (int i = 0; i < 9; i++)
        close(fds[i]);
}

static void
requests_survive_every_failed_allocation(void **state)
{
    static struct host host;
    char text[64];
    int boss;

    (void)state;
    start(&host);
    boss = dial(&host);
    assert_upgraded(boss, UPGRADE "\r\n");
    for (int n = 0; n <= ALLOCATIONS; n++) {
        int fd;

        snprintf(text, sizeof(text), "42[\"fail\",%d]", n);
        home_frame(boss, 0x81, text, strlen(text));
        home_frame(boss, 0x81, "42[\"echo\",\"ready\"]", 18);
        assert_true(heard(boss, "ready"));
        fd = dial(&host);
        home_say(fd, POLL "Connection: close\r\n\r\n");
        home_read(fd, out, sizeof(out), NULL, NULL);
        close(fd);
    }
    home_frame(boss, 0x81, "42[\"fail\",0]", 12);
    home_frame(boss, 0x81, "42[\"echo\",\"well\"]", 17);
    assert_true(heard(boss, "well"));
    close(boss);
    stop(&host);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_follow_each_other),
        cmocka_unit_test(upgrade_follows_what_lws_served),
        cmocka_unit_test(upgrade_follows_a_file),
        cmocka_unit_test(upgrade_in_two_parts_is_accepted),
        cmocka_unit_test(heads_in_pieces_are_answered),
        cmocka_unit_test(end_amid_a_head_is_noticed),
        cmocka_unit_test(next_head_has_its_time),
        cmocka_unit_test(half_a_head_does_not_hold_up_a_stop),
        cmocka_unit_test(subprotocol_and_answer_are_right),
        cmocka_unit_test(frame_behind_an_upgrade_is_refused),
        cmocka_unit_test(large_heads_are_answered_or_dropped),
        cmocka_unit_test(heads_around_what_is_looked_at_are_answered),
        cmocka_unit_test(body_in_pieces_is_read),
        cmocka_unit_test(body_of_a_refused_request_is_no_request),
        cmocka_unit_test(request_behind_a_held_poll_waits),
        cmocka_unit_test(client_that_goes_during_a_poll_is_noticed),
        cmocka_unit_test(slow_reader_gets_all_of_a_long_poll),
        cmocka_unit_test(reset_at_every_byte_is_survived),
        cmocka_unit_test(requests_that_are_too_large_are_counted),
        cmocka_unit_test(slow_clients_are_dropped_in_time),
        cmocka_unit_test(verdict_may_come_late_or_never),
        cmocka_unit_test(server_stops_with_connections_of_all_kinds),
        cmocka_unit_test(requests_survive_every_failed_allocation),
    };

    return cmocka_run_group_tests_name("own", tests, NULL, NULL);
}
