/*
 * A server in somebody else's loop: skio_loop_fd() and skio_loop_turn()
 *
 * The loop here is poll() on that one descriptor. Clients are sockets of this
 * thread, so every byte that they get was sent by a turn that poll() asked for.
 */
#define _GNU_SOURCE /* MSG_DONTWAIT, RUSAGE_THREAD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <socketio/http.h>
#include <socketio/loop.h>
#include <socketio/socketio.h>

#define WAIT_MS 20000
#define TURNS 20 /* of thousands of messages each */
#define IDLE_MS 1000

static skio_server *server;
static int loop_fd;
static int calls;
static skio_socket *guest;
static skio_http *taken;

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One turn, when there is one to take within this time. */
static int
turn_within(int ms)
{
    struct pollfd ready = {.fd = loop_fd, .events = POLLIN};

    return poll(&ready, 1, ms) == 1 ? skio_loop_turn(server) : -1;
}

/* Until the loop has nothing to do any more. */
static void
settle(void)
{
    int64_t end = now_ms() + WAIT_MS;

    while (turn_within(50) == 1)
        assert_true(now_ms() < end);
}

static void
turn_until(const int *count, int wanted)
{
    int64_t end = now_ms() + WAIT_MS;

    while (*count < wanted && now_ms() < end)
        assert_int_not_equal(turn_within(WAIT_MS), 0);
    assert_int_equal(*count, wanted);
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    guest = skio_socket_ref(socket);
    calls++;
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    (void)ack;
    skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

static void
on_later(skio_http *http, void *user)
{
    (void)user;
    skio_http_take(http);
    taken = http;
    calls++;
}

static int
begin(void **state)
{
    skio_server_options options;

    (void)state;
    calls = 0;
    guest = NULL;
    taken = NULL;
    skio_server_options_init(&options);
    options.close_timeout_ms = 200; /* these clients answer no Close */
    options.drain_lead_ms = 0;
    if (skio_server_new(&server, &options) != SKIO_OK)
        return -1;
    if (skio_on_connect(skio_of(server, "/"), on_connect, NULL) != SKIO_OK ||
        skio_on(skio_of(server, "/"), "echo", on_echo, NULL) != SKIO_OK ||
        skio_http_on(server, "GET", "/later", on_later, NULL) != SKIO_OK ||
        skio_listen(server, "127.0.0.1", 0) != SKIO_OK)
        return -1;
    loop_fd = skio_loop_fd(server);
    return loop_fd < 0;
}

static int
end(void **state)
{
    (void)state;
    if (guest != NULL)
        skio_socket_unref(guest);
    skio_server_free(server);
    server = NULL;
    return 0;
}

/* ---- Clients ---- */

static int
dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void
say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
                     (ssize_t)strlen(text));
}

/* Turn until this has come; the rest of what came is dropped. */
static void
hear(int fd, const char *text)
{
    static char got[8192];
    int64_t limit = now_ms() + WAIT_MS;
    size_t len = 0;

    while (now_ms() < limit) {
        struct pollfd ready[2] = {{.fd = loop_fd, .events = POLLIN},
                                  {.fd = fd, .events = POLLIN}};
        ssize_t more;

        if (poll(ready, 2, WAIT_MS) <= 0)
            break;
        if (ready[0].revents != 0)
            assert_int_equal(skio_loop_turn(server), 1);
        more = recv(fd, got + len, sizeof got - len - 1, MSG_DONTWAIT);
        if (more == 0)
            break;
        if (more < 0)
            continue;
        len += (size_t)more;
        if (memmem(got, len, text, strlen(text)) != NULL)
            return;
    }
    fail_msg("\"%s\" has not come, but %zu bytes", text, len);
}

/* A WebSocket that is in the namespace "/". */
static int
visit(void)
{
    static const unsigned char join[] = {0x81, 0x82, 0, 0, 0, 0, '4', '0'};
    int fd = dial(skio_server_port(server));
    int before = calls;

    say(fd, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n");
    hear(fd, "{\"sid\":");
    assert_int_equal(send(fd, join, sizeof join, MSG_NOSIGNAL),
                     (ssize_t)sizeof join);
    hear(fd, "40{\"sid\":");
    assert_int_equal(calls, before + 1);
    return fd;
}

/* ---- Tests ---- */

static void
who_is_no_host_is_told(void **state)
{
    skio_server *other;

    (void)state;
    assert_int_equal(skio_server_new(&other, NULL), SKIO_OK);
    assert_int_equal(skio_loop_fd(other), SKIO_EINVAL);
    assert_int_equal(skio_loop_turn(other), SKIO_EINVAL);
    assert_int_equal(skio_listen(other, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(skio_loop_turn(other), SKIO_EINVAL);
    assert_true(skio_loop_fd(other) >= 0);
    assert_int_equal(skio_loop_fd(other), skio_loop_fd(other));
    assert_int_equal(skio_loop_turn(other), 1);
    skio_server_free(other);
}

static void
websockets_are_served(void **state)
{
    static const unsigned char event[] = {0x81, 0x93, 0,   0,   0,   0,   '4',
                                          '2',  '[',  '"', 'e', 'c', 'h', 'o',
                                          '"',  ',',  '"', 'h', 'e', 'l', 'l',
                                          'o',  '!',  '"', ']'};
    int fd;

    (void)state;
    fd = visit();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(send(fd, event, sizeof event, MSG_NOSIGNAL),
                         (ssize_t)sizeof event);
        hear(fd, "42[\"echo\",\"hello!\"]");
    }
    close(fd);
}

static void
what_is_sent_between_turns_leaves_with_the_next(void **state)
{
    int fd;

    (void)state;
    fd = visit();
    settle();
    assert_int_equal(skio_emit(guest, "news", "%d", 1), SKIO_OK);
    hear(fd, "42[\"news\",1]");
    settle();
    skio_disconnect(guest, true);
    hear(fd, "41");
    close(fd);
}

static void
a_request_that_was_taken_is_answered_between_turns(void **state)
{
    int fd;

    (void)state;
    fd = dial(skio_server_port(server));
    for (int i = 1; i <= 3; i++) {
        say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
        turn_until(&calls, i);
        settle();
        assert_int_equal(skio_http_reply(taken, 200, "'late'"), SKIO_OK);
        hear(fd, "late");
    }
    close(fd);
}

static void
on_timer(void *user)
{
    (void)user;
    calls++;
}

static void
timers_set_between_turns_are_on_time(void **state)
{
    skio_timer *timer = skio_timer_new(server, on_timer, NULL);
    int64_t before;

    (void)state;
    assert_non_null(timer);
    settle();
    before = now_ms();
    assert_int_equal(skio_timer_set(timer, 30), SKIO_OK);
    turn_until(&calls, 1);
    assert_in_range(now_ms() - before, 30, WAIT_MS);
    settle();
    assert_int_equal(skio_timer_set(timer, 0), SKIO_OK);
    turn_until(&calls, 2);
    skio_timer_free(timer);
}

static void
a_listener_that_is_added_later_is_heard(void **state)
{
    char name[32];
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;

    (void)state;
    settle();
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof at),
                     0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(skio_listen_fd(server, listener), SKIO_OK);
    fd = dial(ntohs(at.sin_port));
    say(fd, "GET /none HTTP/1.0\r\n\r\n");
    (void)snprintf(name, sizeof name, " %d ", 404);
    hear(fd, name);
    close(fd);
}

static void
on_ready(unsigned ready, void *user)
{
    char byte;

    (void)ready;
    assert_int_equal(read(*(const int *)user, &byte, 1), 1);
    calls++;
}

static void
a_descriptor_that_is_watched_later_is_reported(void **state)
{
    skio_watch *watch;
    int pair[2];

    (void)state;
    settle();
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(skio_watch_new(server, pair[0], SKIO_READABLE, on_ready,
                                    &pair[0], &watch),
                     SKIO_OK);
    assert_int_equal(write(pair[1], "x", 1), 1);
    turn_until(&calls, 1);
    skio_watch_free(watch);
    close(pair[0]);
    close(pair[1]);
}

static double
cpu_ms(void)
{
    struct rusage used;

    assert_int_equal(getrusage(RUSAGE_THREAD, &used), 0);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

static void
an_idle_server_asks_for_no_turn(void **state)
{
    struct pollfd ready = {.fd = loop_fd, .events = POLLIN};
    double before;
    int fd;

    (void)state;
    fd = visit();
    settle();
    before = cpu_ms();
    assert_int_equal(poll(&ready, 1, IDLE_MS), 0);
    assert_true(cpu_ms() - before < 50);
    close(fd);
}

/* Clients that never let it rest do not keep it: a turn ends. */
static void *
pester(void *arg)
{
    static const unsigned char ping[] = {0x81, 0x81, 0, 0, 0, 0, '3'};
    const int *fd = arg;

    while (send(*fd, ping, sizeof ping, MSG_NOSIGNAL) > 0)
        ;
    return NULL;
}

static void
a_turn_ends_though_there_is_always_more(void **state)
{
    pthread_t thread;
    int64_t end_ms;
    int turns = 0;
    int fd;

    (void)state;
    fd = visit();
    assert_int_equal(pthread_create(&thread, NULL, pester, &fd), 0);
    end_ms = now_ms() + WAIT_MS;
    while (turns < TURNS && now_ms() < end_ms && turn_within(WAIT_MS) == 1)
        turns++;
    shutdown(fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    assert_int_equal(turns, TURNS);
    close(fd);
}

static void
an_epoll_set_of_the_host_may_hold_it(void **state)
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(EPOLL_CLOEXEC);
    int outer = epoll_create1(EPOLL_CLOEXEC);
    int inner = loop_fd;
    int fd;

    (void)state;
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, inner, &event), 0);
    assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, set, &event), 0);
    loop_fd = outer;
    fd = visit();
    settle();
    assert_int_equal(skio_emit(guest, "news", NULL), SKIO_OK);
    hear(fd, "42[\"news\"]");
    loop_fd = inner;
    close(outer);
    close(set);
    close(fd);
}

static void
on_post(skio_server *of, void *arg)
{
    (void)arg;
    assert_int_equal(skio_loop_turn(of), SKIO_EBUSY);
    assert_int_equal(skio_loop_fd(of), SKIO_EBUSY);
    assert_int_equal(skio_run(of), SKIO_EBUSY);
    calls++;
}

static void *
post_and_stop(void *arg)
{
    for (int i = 0; i < 100; i++)
        if (skio_server_post(arg, on_post, NULL) != SKIO_OK)
            return arg;
    return NULL;
}

static void
other_threads_post_and_stop(void **state)
{
    pthread_t thread;
    void *failed;
    int64_t end_ms = now_ms() + WAIT_MS;
    int fd;
    int went;

    (void)state;
    fd = visit();
    settle();
    calls = 0;
    assert_int_equal(pthread_create(&thread, NULL, post_and_stop, server), 0);
    turn_until(&calls, 100);
    pthread_join(thread, &failed);
    assert_null(failed);
    settle();
    skio_server_stop(server);
    do
        went = turn_within(WAIT_MS);
    while (went == 1 && now_ms() < end_ms);
    assert_int_equal(went, 0);
    assert_int_equal(skio_loop_turn(server), 0);
    assert_int_equal(skio_loop_fd(server), SKIO_EINVAL);
    assert_int_equal(skio_server_post(server, on_post, NULL), SKIO_ECLOSED);
    close(fd);
}

static void
on_drained(skio_server *of, void *user)
{
    (void)user;
    skio_server_free(of); /* stops it: it runs */
    calls = 1000;
}

static void
a_drain_ends_with_the_last_client(void **state)
{
    int64_t end_ms = now_ms() + WAIT_MS;
    int fd;
    int went;

    (void)state;
    fd = visit();
    settle();
    assert_int_equal(skio_server_drain(server, 0, on_drained, NULL), SKIO_OK);
    do
        went = turn_within(WAIT_MS);
    while (went == 1 && now_ms() < end_ms);
    assert_int_equal(went, 0);
    assert_int_equal(calls, 1000);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_no_host_is_told),
        cmocka_unit_test_setup_teardown(websockets_are_served, begin, end),
        cmocka_unit_test_setup_teardown(
            what_is_sent_between_turns_leaves_with_the_next, begin, end),
        cmocka_unit_test_setup_teardown(
            a_request_that_was_taken_is_answered_between_turns, begin, end),
        cmocka_unit_test_setup_teardown(timers_set_between_turns_are_on_time,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_listener_that_is_added_later_is_heard,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            a_descriptor_that_is_watched_later_is_reported, begin, end),
        cmocka_unit_test_setup_teardown(an_idle_server_asks_for_no_turn, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_turn_ends_though_there_is_always_more,
                                        begin, end),
        cmocka_unit_test_setup_teardown(an_epoll_set_of_the_host_may_hold_it,
                                        begin, end),
        cmocka_unit_test_setup_teardown(other_threads_post_and_stop, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_drain_ends_with_the_last_client,
                                        begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
