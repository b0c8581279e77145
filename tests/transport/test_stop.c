/*
 * Stopping and draining: whoever came before the end is answered, not reset
 */
#define _GNU_SOURCE /* clock_gettime */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <socketio/http.h>
#include <socketio/socketio.h>

#define CLIENTS 200 /* more than are accepted in one go */
#define TRIES 10    /* on a machine that is busy */

#define HANDSHAKE                                                              \
    "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
#define UPGRADE                                                                \
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"        \
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"                            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n\r\n"
#define WHO "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

struct worker {
    skio_server *server;
    pthread_t thread;
    int number;
    int result;
    sem_t entered; /* of hold() */
    sem_t left;
};

static void
on_who(skio_http *request, void *user)
{
    const struct worker *worker = user;

    if (skio_http_reply(request, 200, "%d", worker->number) < 0)
        abort();
}

static void
make_with(struct worker *worker, int number, uint16_t port, bool shared)
{
    skio_server_options options;

    worker->number = number;
    worker->result = 1;
    assert_int_equal(sem_init(&worker->entered, 0, 0), 0);
    assert_int_equal(sem_init(&worker->left, 0, 0), 0);
    skio_server_options_init(&options);
    options.close_timeout_ms = 20000;
    options.max_unconnected = CLIENTS;
    options.reuse_port = shared;
    options.drain_lead_ms = 0;
    assert_int_equal(skio_server_new(&worker->server, &options), SKIO_OK);
    assert_int_equal(skio_http_on(worker->server, "GET", "/who", on_who,
                                  worker),
                     SKIO_OK);
    assert_int_equal(skio_listen(worker->server, "127.0.0.1", port), SKIO_OK);
}

static void
make(struct worker *worker, int number, uint16_t port)
{
    make_with(worker, number, port, true);
}

static void *
run(void *arg)
{
    struct worker *worker = arg;

    worker->result = skio_run(worker->server);
    return NULL;
}

static void
start(struct worker *worker)
{
    assert_int_equal(pthread_create(&worker->thread, NULL, run, worker), 0);
}

static void
finish(struct worker *worker)
{
    skio_server_stop(worker->server);
    pthread_join(worker->thread, NULL);
    assert_int_equal(worker->result, SKIO_OK);
    skio_server_free(worker->server);
    sem_destroy(&worker->entered);
    sem_destroy(&worker->left);
}

/* Returns -1 when nobody listens. */
static int
dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void
ask(int fd, const char *request)
{
    assert_true(fd >= 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
                     strlen(request));
}

/* The status of the answer to the last request, 0 when there was none, -1 after
 * a reset. Reads until the server closes. */
static int
status_of(int fd, char *body, size_t size)
{
    char answer[4096];
    size_t len = 0;
    ssize_t got;
    const char *end;

    while ((got = recv(fd, answer + len, sizeof(answer) - len - 1, 0)) > 0)
        len += (size_t)got;
    close(fd);
    answer[len] = '\0';
    if (got < 0)
        return -1;
    end = strstr(answer, "\r\n\r\n");
    if (end == NULL)
        return 0;
    if (body != NULL)
        strncpy(body, end + 4, size);
    return (int)strtol(answer + sizeof("HTTP/1.1 ") - 1, NULL, 10);
}

static uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
connections_in_the_queue_are_answered_by_a_stopping_server(void **state)
{
    struct worker worker;
    uint16_t port;
    int fds[CLIENTS];

    (void)state;
    make(&worker, 0, 0);
    port = skio_server_port(worker.server);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = dial(port);
        ask(fds[i], HANDSHAKE);
    }
    skio_server_stop(worker.server);
    start(&worker);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(status_of(fds[i], NULL, 0), 503);
    assert_int_equal(dial(port), -1);
    finish(&worker);
}

/* Wait until somebody has come in and goes on. */
static void
hold(skio_server *server, void *arg)
{
    struct worker *worker = arg;

    (void)server;
    sem_post(&worker->entered);
    while (sem_wait(&worker->left) != 0)
        ;
}

/* Its request comes when the loop has been told to stop, and before it does. */
static void
request_on_a_kept_connection_is_answered_by_a_stopping_server(void **state)
{
    static const char kept[] = "GET /who HTTP/1.1\r\nHost: x\r\n\r\n";
    struct worker worker;
    char answer[2048];
    int fd;

    (void)state;
    make(&worker, 0, 0);
    start(&worker);
    fd = dial(skio_server_port(worker.server));
    ask(fd, kept);
    assert_true(recv(fd, answer, sizeof(answer), 0) > 0);

    assert_int_equal(skio_server_post(worker.server, hold, &worker), SKIO_OK);
    while (sem_wait(&worker.entered) != 0)
        ;
    ask(fd, kept);
    skio_server_stop(worker.server);
    sem_post(&worker.left);
    assert_int_equal(status_of(fd, NULL, 0), 200);
    finish(&worker);
}

static void
connection_that_has_just_come_may_send_its_request(void **state)
{
    int status = 0;

    (void)state;
    for (int i = 0; i < TRIES && status != 503; i++) {
        struct worker worker;
        uint16_t port;
        int fd;

        make(&worker, 0, 0);
        port = skio_server_port(worker.server);
        fd = dial(port);
        skio_server_stop(worker.server);
        start(&worker);
        for (int other = 0; other >= 0;) { /* until it does not listen */
            other = dial(port);
            if (other >= 0)
                close(other);
        }
        ask(fd, HANDSHAKE);
        status = status_of(fd, NULL, 0);
        finish(&worker);
    }
    assert_int_equal(status, 503);
}

static void
silent_connection_does_not_hold_up_a_stop(void **state)
{
    struct worker worker;
    uint64_t before;
    int fds[2];

    (void)state;
    make(&worker, 0, 0);
    for (int i = 0; i < 2; i++)
        fds[i] = dial(skio_server_port(worker.server));
    ask(fds[1], "GET /who HTTP/1.1\r\nHo"); /* no more comes */
    before = now_ms();
    skio_server_stop(worker.server);
    start(&worker);
    for (int i = 0; i < 2; i++)
        assert_int_equal(status_of(fds[i], NULL, 0), 0);
    finish(&worker);
    assert_true(now_ms() - before < 10000);
}

static void
drain_now(skio_server *server, void *arg)
{
    (void)arg;
    if (server != NULL && skio_server_drain(server, 60000, NULL, NULL) < 0)
        abort();
}

/* A session keeps the drained one alive. */
static void
drained_server_leaves_a_shared_port_to_the_others(void **state)
{
    struct worker workers[2];
    char body[16] = "";
    uint16_t port;
    int by_other = 0; /* in a row */
    int held;

    (void)state;
    make(&workers[0], 0, 0);
    port = skio_server_port(workers[0].server);
    held = dial(port);
    ask(held, HANDSHAKE);
    start(&workers[0]);
    assert_true(recv(held, body, 1, MSG_PEEK) == 1);
    make(&workers[1], 1, port);
    start(&workers[1]);

    assert_int_equal(skio_server_post(workers[0].server, hold, &workers[0]),
                     SKIO_OK);
    while (sem_wait(&workers[0].entered) != 0)
        ;
    assert_int_equal(skio_server_post(workers[0].server, drain_now, NULL),
                     SKIO_OK);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = dial(port);

        /* half of them wait for a server that will drain first */
        ask(fd, WHO);
        if (i == CLIENTS / 2)
            sem_post(&workers[0].left);
        if (i > CLIENTS / 2) {
            assert_int_equal(status_of(fd, body, sizeof(body)), 200);
            assert_true(body[0] == '0' || body[0] == '1');
        } else {
            close(fd);
        }
    }
    for (int i = 0; by_other < CLIENTS && i < TRIES * CLIENTS; i++) {
        int fd = dial(port);

        ask(fd, WHO);
        assert_int_equal(status_of(fd, body, sizeof(body)), 200);
        by_other = body[0] == '1' ? by_other + 1 : 0;
    }
    assert_int_equal(by_other, CLIENTS);
    close(held);
    finish(&workers[0]);
    finish(&workers[1]);
}

/* Of two WebSockets the second has its turn after half of the time. */
static void
drained_server_stops_accepting_when_websockets_alone_are_left(void **state)
{
    struct worker worker;
    uint64_t before = now_ms();
    char text[512];
    char rest;
    uint16_t port;
    int ws[2];
    int last = 0;

    (void)state;
    make_with(&worker, 0, 0, false);
    port = skio_server_port(worker.server);
    start(&worker);
    for (int i = 0; i < 2; i++) {
        ws[i] = dial(port);
        ask(ws[i], UPGRADE);
        assert_true(recv(ws[i], text, sizeof(text), 0) > 0);
        assert_memory_equal(text, "HTTP/1.1 101 ", 13);
    }
    assert_int_equal(skio_server_post(worker.server, drain_now, NULL), SKIO_OK);
    while (last >= 0 && now_ms() - before < 10000) {
        last = dial(port);
        if (last >= 0)
            close(last);
    }
    assert_int_equal(last, -1);
    while (recv(ws[1], &rest, 1, MSG_DONTWAIT) > 0)
        ; /* what follows the head */
    assert_int_equal(recv(ws[1], &rest, 1, MSG_DONTWAIT), -1);
    assert_true(errno == EAGAIN);
    while (recv(ws[0], &rest, 1, 0) > 0 && rest != '\x88')
        ; /* its Close frame */
    assert_int_equal(rest, '\x88');
    close(ws[0]);
    close(ws[1]);
    finish(&worker);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            connections_in_the_queue_are_answered_by_a_stopping_server),
        cmocka_unit_test(
            request_on_a_kept_connection_is_answered_by_a_stopping_server),
        cmocka_unit_test(connection_that_has_just_come_may_send_its_request),
        cmocka_unit_test(silent_connection_does_not_hold_up_a_stop),
        cmocka_unit_test(drained_server_leaves_a_shared_port_to_the_others),
        cmocka_unit_test(
            drained_server_stops_accepting_when_websockets_alone_are_left),
    };

    return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
