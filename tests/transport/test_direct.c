/*
 * WebSockets that the transport reads and writes itself: when memory runs out,
 * when the peer goes without a word, when the server stops
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <socketio/socketio.h>

#include "threats/home.h"
#include "unit/alloc.h"

#define ALLOCATIONS 60 /* more than anything below makes */
#define CLOSE_MS 300   /* close_timeout_ms */

struct host {
    struct test_alloc alloc; /* the server's thread, until it was joined */
    skio_server *server;
    pthread_t thread;
    atomic_int lost; /* sockets that were disconnected */
    char reason[64]; /* of the latest; read after lost */
};

static char out[65536];

/* The n-th allocation from here fails. */
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

static void
on_lost(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct host *host = user;

    (void)socket;
    snprintf(host->reason, sizeof(host->reason), "%s",
             skio_disconnect_name(reason));
    atomic_fetch_add(&host->lost, 1);
}

static void *
run(void *arg)
{
    struct host *host = arg;

    return skio_run(host->server) == SKIO_OK ? NULL : host;
}

static void
start(struct host *host)
{
    skio_server_options options;
    skio_nsp *nsp;

    memset(host, 0, sizeof(*host));
    test_alloc_init(&host->alloc);
    skio_server_options_init(&options);
    options.allocator = host->alloc.allocator;
    options.close_timeout_ms = CLOSE_MS;
    assert_int_equal(skio_server_new(&host->server, &options), SKIO_OK);
    nsp = skio_of(host->server, "/");
    assert_non_null(nsp);
    assert_int_equal(skio_on(nsp, "fail", on_fail, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "echo", on_echo, host), SKIO_OK);
    assert_int_equal(skio_on_disconnect(nsp, on_lost, host), SKIO_OK);
    assert_int_equal(skio_listen(host->server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(pthread_create(&host->thread, NULL, run, host), 0);
}

static void
stop(struct host *host)
{
    void *failed;

    skio_server_stop(host->server);
    pthread_join(host->thread, &failed);
    assert_null(failed);
    skio_server_free(host->server);
    assert_int_equal(host->alloc.live, 0);
}

static int
dial(const struct host *host)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 3};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    to.sin_port = htons(skio_server_port(host->server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void
ask(int fd)
{
    home_say(fd, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
                 "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Version: 13\r\n\r\n");
}

static void
say(int fd, const char *text)
{
    home_frame(fd, 0x81, text, strlen(text));
}

/* A client of "/". */
static int
join(const struct host *host)
{
    int fd = dial(host);

    ask(fd);
    home_read(fd, out, sizeof(out), "maxPayload", NULL);
    say(fd, "40");
    home_read(fd, out, sizeof(out), "40{\"sid\"", NULL);
    assert_non_null(strstr(out, "40{\"sid\""));
    return fd;
}

static void
fail_next(int fd, int n)
{
    char text[64];

    snprintf(text, sizeof(text), "42[\"fail\",%d]", n);
    say(fd, text);
    say(fd, "42[\"echo\",\"ready\"]");
    home_read(fd, out, sizeof(out), "ready", NULL);
}

static void
handshake_survives_every_failed_allocation(void **state)
{
    static struct host host;
    int fd;

    (void)state;
    start(&host);
    fd = join(&host);
    for (int n = 1; n <= ALLOCATIONS; n++) {
        int other;

        fail_next(fd, n);
        other = dial(&host);
        ask(other);
        home_read(other, out, sizeof(out), "maxPayload", NULL);
        close(other);
    }
    fail_next(fd, 0);
    say(fd, "42[\"echo\",\"well\"]");
    home_read(fd, out, sizeof(out), "well", NULL);
    assert_non_null(strstr(out, "well"));
    close(fd);
    stop(&host);
}

/* A ping, and a message cut in its header and in its payload. */
static void
frames_survive_every_failed_allocation(void **state)
{
    static const unsigned char half[] = {0x81, 0xfe};
    static const unsigned char rest[] = {0, 15, 0, 0, 0, 0, '4', '2'};
    static struct host host;
    int boss;

    (void)state;
    start(&host);
    boss = join(&host);
    for (int n = 1; n <= 20; n++) {
        int fd = join(&host);

        home_send(fd, half, sizeof(half));
        fail_next(boss, n);
        home_send(fd, rest, sizeof(rest));
        home_say(fd, "[\"echo\",\"two\"]");
        home_frame(fd, 0x89, "one", 3);
        home_frame(fd, 0x88, "", 0);
        home_read(fd, out, sizeof(out), NULL, NULL);
        close(fd);
        fail_next(boss, 0);
    }
    close(join(&host));
    close(boss);
    stop(&host);
}

static void
await_loss(struct host *host, int count, const char *reason)
{
    for (int i = 0; i < 300 && atomic_load(&host->lost) < count; i++)
        home_pause(10);
    assert_int_equal(atomic_load(&host->lost), count);
    assert_string_equal(host->reason, reason);
}

static void
peers_that_go_without_a_word_are_noticed(void **state)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    static const unsigned char half[] = {0x81, 0xfe, 0};
    static struct host host;
    int fd;

    (void)state;
    start(&host);
    close(join(&host));
    await_loss(&host, 1, "transport close");

    fd = join(&host);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    await_loss(&host, 2, "transport close");

    fd = join(&host); /* amid a frame */
    home_send(fd, half, sizeof(half));
    shutdown(fd, SHUT_WR);
    await_loss(&host, 3, "transport close");
    close(fd);

    fd = join(&host); /* without a mask */
    home_say(fd, "\x81\x02"
                 "ok");
    await_loss(&host, 4, "transport error");
    close(fd);
    stop(&host);
}

/* After its Close frame the server waits for the peer's, but not for ever. */
static void
peer_that_does_not_close_is_dropped(void **state)
{
    static struct host host;
    uint64_t begun;
    bool closed;
    int fd;

    (void)state;
    start(&host);
    fd = join(&host);
    begun = home_now_ms();
    say(fd, "1"); /* closes the session */
    home_read(fd, out, sizeof(out), NULL, &closed);
    assert_true(closed);
    assert_true(home_now_ms() - begun >= CLOSE_MS);
    close(fd);

    fd = join(&host);
    home_say(fd, "\x81\x02"
                 "ok");
    for (int i = 0; i < 100; i++) /* nobody listens any more */
        home_frame(fd, 0x89, "still here", 10);
    home_read(fd, out, sizeof(out), NULL, &closed);
    assert_true(closed);
    close(fd);
    stop(&host);
}

static void
server_stops_with_open_connections(void **state)
{
    static const unsigned char half[] = {0x81, 0xfe, 0};
    static char big[900000];
    static struct host host;
    int fds[6];

    (void)state;
    start(&host);
    for (int i = 0; i < 6; i++)
        fds[i] = join(&host);
    home_send(fds[0], half, sizeof(half)); /* amid a frame */
    home_frame(fds[1], 0x01, "42", 2);     /* amid a message */
    snprintf(big, sizeof(big), "42[\"echo\",\"%0800000d\"]", 1);
    for (int i = 0; i < 8; i++) /* with output that nobody reads */
        say(fds[2], big);
    home_frame(fds[2], 0x89, "ping", 4);
    home_say(fds[3], "\x81\x02"
                     "ok"); /* failed */
    stop(&host);
    for (int i = 0; i < 6; i++)
        close(fds[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_survives_every_failed_allocation),
        cmocka_unit_test(frames_survive_every_failed_allocation),
        cmocka_unit_test(peers_that_go_without_a_word_are_noticed),
        cmocka_unit_test(peer_that_does_not_close_is_dropped),
        cmocka_unit_test(server_stops_with_open_connections),
    };

    return cmocka_run_group_tests_name("direct", tests, NULL, NULL);
}
