/*
 * Several servers at one port, each in a thread of its own: whom a connection
 * comes to, and that making them at the same time is safe. Under
 * ThreadSanitizer it shows that they share nothing.
 */
#define _GNU_SOURCE /* pthread_barrier_t */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <socketio/http.h>
#include <socketio/socketio.h>

#define SERVERS 4
#define CALLS 64 /* so many that each server gets one, all but surely */
#define ROUNDS 5

#define WHO "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

struct worker {
    skio_server *server;
    pthread_t thread;
    int number;
    int result;
    uint16_t port;              /* of a server that its own thread makes */
    pthread_barrier_t *barrier; /* likewise */
};

static void
on_who(skio_http *request, void *user)
{
    const struct worker *worker = user;

    if (skio_http_reply(request, 200, "%d", worker->number) < 0)
        abort();
}

static int
make(struct worker *worker, int number, bool reuse_port)
{
    skio_server_options options;
    int err;

    worker->number = number;
    skio_server_options_init(&options);
    options.close_timeout_ms = 1000;
    options.reuse_port = reuse_port;
    err = skio_server_new(&worker->server, &options);
    if (err == SKIO_OK)
        err = skio_http_on(worker->server, "GET", "/who", on_who, worker);
    return err;
}

static void *
run(void *arg)
{
    struct worker *worker = arg;

    worker->result = skio_run(worker->server);
    return NULL;
}

static void
start(struct worker *workers, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run,
                                        &workers[i]),
                         0);
}

static void
finish(struct worker *worker)
{
    skio_server_stop(worker->server);
    pthread_join(worker->thread, NULL);
    assert_int_equal(worker->result, SKIO_OK);
    skio_server_free(worker->server);
}

static int
dial(int family, uint16_t port)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons(port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(family == AF_INET
                         ? connect(fd, (struct sockaddr *)&in4, sizeof(in4))
                         : connect(fd, (struct sockaddr *)&in6, sizeof(in6)),
                     0);
    return fd;
}

/* The number of the server that a new connection comes to. */
static int
who_answers(int family, uint16_t port)
{
    char answer[2048];
    size_t len = 0;
    ssize_t got;
    const char *body;
    int fd = dial(family, port);

    assert_int_equal(send(fd, WHO, sizeof(WHO) - 1, MSG_NOSIGNAL),
                     sizeof(WHO) - 1);
    while ((got = recv(fd, answer + len, sizeof(answer) - len - 1, 0)) > 0)
        len += (size_t)got;
    answer[len] = '\0';
    close(fd);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
    body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_in_range(body[4], '0', '9');
    return body[4] - '0';
}

static void
expect_all_answer(int family, uint16_t port, int servers)
{
    int answers[SERVERS] = {0};

    for (int i = 0; i < CALLS; i++) {
        int number = who_answers(family, port);

        assert_in_range(number, 0, servers - 1);
        answers[number]++;
    }
    for (int i = 0; i < servers; i++)
        assert_true(answers[i] > 0);
}

static void
connections_are_spread_over_all_servers_of_a_port(void **state)
{
    struct worker workers[SERVERS] = {{.result = 1}};
    uint16_t port = 0;

    (void)state;
    for (int i = 0; i < SERVERS; i++) {
        assert_int_equal(make(&workers[i], i, true), SKIO_OK);
        assert_int_equal(skio_listen(workers[i].server, NULL, port), SKIO_OK);
        port = skio_server_port(workers[0].server);
        assert_int_equal(skio_server_port(workers[i].server), port);
    }
    start(workers, SERVERS);
    expect_all_answer(AF_INET, port, SERVERS);
    expect_all_answer(AF_INET6, port, SERVERS);

    /* those that stay take over */
    for (int i = SERVERS - 1; i > 0; i--) {
        finish(&workers[i]);
        expect_all_answer(AF_INET, port, i);
    }
    finish(&workers[0]);
}

static void
port_is_shared_only_if_all_of_its_servers_want_it(void **state)
{
    static const bool wanted[][2] = {{false, false},
                                     {false, true},
                                     {true, false}};

    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct worker first = {0}, second = {0};
        uint16_t port;

        assert_int_equal(make(&first, 0, wanted[i][0]), SKIO_OK);
        assert_int_equal(make(&second, 1, wanted[i][1]), SKIO_OK);
        assert_int_equal(skio_listen(first.server, "localhost", 0), SKIO_OK);
        port = skio_server_port(first.server);
        assert_int_equal(skio_listen(second.server, "127.0.0.1", port),
                         SKIO_EADDRINUSE);
        assert_int_equal(skio_listen(second.server, "::1", port),
                         SKIO_EADDRINUSE);
        assert_int_equal(skio_listen(second.server, NULL, port),
                         SKIO_EADDRINUSE);
        assert_int_equal(skio_server_port(second.server), 0);
        skio_server_free(second.server);
        skio_server_free(first.server);
    }
}

static void
port_is_not_shared_with_another_user(void **state)
{
    struct worker first = {0}, second = {0};

    (void)state;
    if (geteuid() != 0) /* or it cannot become one */
        return;
    assert_int_equal(make(&first, 0, true), SKIO_OK);
    assert_int_equal(make(&second, 1, true), SKIO_OK);
    assert_int_equal(skio_listen(first.server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(seteuid(65534), 0);
    assert_int_equal(skio_listen(second.server, "127.0.0.1",
                                 skio_server_port(first.server)),
                     SKIO_EADDRINUSE);
    assert_int_equal(seteuid(0), 0);
    skio_server_free(second.server);
    skio_server_free(first.server);
}

static void
free_port_is_not_one_that_is_shared(void **state)
{
    struct worker workers[SERVERS] = {{0}};

    (void)state;
    for (int i = 0; i < SERVERS; i++) {
        assert_int_equal(make(&workers[i], i, true), SKIO_OK);
        assert_int_equal(skio_listen(workers[i].server, NULL, 0), SKIO_OK);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(skio_server_port(workers[i].server),
                                 skio_server_port(workers[j].server));
    }
    for (int i = 0; i < SERVERS; i++)
        skio_server_free(workers[i].server);
}

/* Each has a copy of the descriptor: the queue of connections is one. */
static void
servers_in_threads_accept_from_one_descriptor(void **state)
{
    struct worker workers[SERVERS] = {{.result = 1}};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port;

    (void)state;
    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    port = ntohs(address.sin_port);
    for (int i = 0; i < SERVERS; i++) {
        assert_int_equal(make(&workers[i], i, false), SKIO_OK);
        assert_int_equal(skio_listen_fd(workers[i].server, dup(fd)), SKIO_OK);
        assert_int_equal(skio_server_port(workers[i].server), port);
    }
    close(fd);
    start(workers, SERVERS);
    for (int i = 0; i < CALLS; i++)
        assert_in_range(who_answers(AF_INET, port), 0, SERVERS - 1);
    for (int i = SERVERS - 1; i > 0; i--) {
        finish(&workers[i]);
        assert_in_range(who_answers(AF_INET, port), 0, i - 1);
    }
    finish(&workers[0]);
}

static void *
live(void *arg)
{
    struct worker *worker = arg;

    pthread_barrier_wait(worker->barrier);
    worker->result = make(worker, 0, true);
    if (worker->result == SKIO_OK)
        worker->result = skio_listen(worker->server, NULL, worker->port);
    pthread_barrier_wait(worker->barrier);
    if (worker->result == SKIO_OK)
        worker->result = skio_run(worker->server);
    pthread_barrier_wait(worker->barrier); /* nobody stops it any more */
    skio_server_free(worker->server);
    return NULL;
}

/* A server may be made, run and freed by its own thread, whatever the others
 * do meanwhile. */
static void
servers_are_made_and_freed_in_threads_at_the_same_time(void **state)
{
    struct worker keeper = {.result = 1};
    pthread_barrier_t barrier;
    uint16_t port;

    (void)state;
    assert_int_equal(make(&keeper, 0, true), SKIO_OK);
    assert_int_equal(skio_listen(keeper.server, NULL, 0), SKIO_OK);
    port = skio_server_port(keeper.server);
    start(&keeper, 1);
    pthread_barrier_init(&barrier, NULL, SERVERS + 1);
    for (int round = 0; round < ROUNDS; round++) {
        struct worker workers[SERVERS] = {{.result = 1}};

        for (int i = 0; i < SERVERS; i++) {
            workers[i].port = port;
            workers[i].barrier = &barrier;
            assert_int_equal(pthread_create(&workers[i].thread, NULL, live,
                                            &workers[i]),
                             0);
        }
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier); /* all listen, or have failed */
        for (int i = 0; i < CALLS / 4; i++)
            assert_int_equal(who_answers(AF_INET, port), 0);
        for (int i = 0; i < SERVERS; i++)
            skio_server_stop(workers[i].server);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < SERVERS; i++) {
            pthread_join(workers[i].thread, NULL);
            assert_int_equal(workers[i].result, SKIO_OK);
        }
    }
    pthread_barrier_destroy(&barrier);
    finish(&keeper);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_spread_over_all_servers_of_a_port),
        cmocka_unit_test(port_is_shared_only_if_all_of_its_servers_want_it),
        cmocka_unit_test(port_is_not_shared_with_another_user),
        cmocka_unit_test(free_port_is_not_one_that_is_shared),
        cmocka_unit_test(servers_in_threads_accept_from_one_descriptor),
        cmocka_unit_test(
            servers_are_made_and_freed_in_threads_at_the_same_time),
    };

    return cmocka_run_group_tests_name("reuse_port", tests, NULL, NULL);
}
