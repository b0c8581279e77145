/*
 * A loop that a test steps through: see redis_bench.h
 */
#define _GNU_SOURCE /* accept4, prctl */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <socketio/lws.h>
#include <socketio/socketio.h>

#include "transport/redis_bench.h"

#define TICK_MS 2

uint64_t
bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- The loop ---- */

static void
on_tick(void *user)
{
    struct bench *bench = user;

    assert_int_equal(skio_timer_set(bench->ticker, TICK_MS), SKIO_OK);
}

int
bench_begin(void **state)
{
    static struct lws_protocols protocols[2];
    struct lws_context_creation_info info;
    skio_server_options options;
    struct bench *bench = calloc(1, sizeof *bench);

    assert_non_null(bench);
    *state = bench;
    bench->listener = -1;
    bench->fd = -1;
    test_alloc_init(&bench->alloc);
    skio_server_options_init(&options);
    options.allocator = bench->alloc.allocator;
    assert_int_equal(skio_server_new(&bench->server, &options), SKIO_OK);
    memset(protocols, 0, sizeof protocols);
    assert_int_equal(skio_lws_protocol(bench->server, &protocols[0]), SKIO_OK);
    memset(&info, 0, sizeof info);
    skio_lws_context_info(&info);
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = protocols;
    info.gid = info.uid = -1;
    lws_set_log_level(0, NULL);
    bench->context = lws_create_context(&info);
    assert_non_null(bench->context);
    for (int i = 0; skio_lws_vhost(bench->server) == NULL && i < 10; i++) {
        lws_cancel_service(bench->context);
        assert_true(lws_service(bench->context, 0) >= 0);
    }
    bench->ticker = skio_timer_new(bench->server, on_tick, bench);
    assert_non_null(bench->ticker);
    assert_int_equal(skio_timer_set(bench->ticker, TICK_MS), SKIO_OK);
    skio_redis_options_init(&bench->options);
    bench->options.reconnect_min_ms = 5;
    bench->options.reconnect_max_ms = 40;
    return 0;
}

int
bench_end(void **state)
{
    struct bench *bench = *state;

    bench_unlink(bench);
    skio_timer_free(bench->ticker);
    lws_context_destroy(bench->context);
    skio_server_free(bench->server);
    bench_hang_up(bench);
    if (bench->listener >= 0)
        close(bench->listener);
    assert_int_equal(bench->alloc.live, 0);
    free(bench);
    return 0;
}

void
bench_fail(struct bench *bench, const char *what, int line)
{
    fail_msg("line %d: waited in vain for %s; ups %d, downs %d (%d %s); "
             "said: %.500s; heard: %.300s",
             line, what, bench->ups, bench->downs, bench->down_err,
             bench->down_text, bench->said, bench->heard);
}

/* ---- The scripted Redis ---- */

void
bench_listen(struct bench *bench)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(bench->port)};
    socklen_t len = sizeof in;
    int on = 1;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(bench->listener >= 0);
    setsockopt(bench->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(bench->listener, (struct sockaddr *)&in, sizeof in),
                     0);
    assert_int_equal(listen(bench->listener, 8), 0);
    assert_int_equal(getsockname(bench->listener, (struct sockaddr *)&in, &len),
                     0);
    bench->port = ntohs(in.sin_port);
    bench->options.host = "127.0.0.1";
    bench->options.port = bench->port;
}

void
bench_hang_up(struct bench *bench)
{
    if (bench->fd >= 0)
        close(bench->fd);
    bench->fd = -1;
    bench->heard_len = 0;
    bench->heard[0] = '\0';
}

static void
answer_pings(struct bench *bench)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    char *at;

    while (bench->is_kind && (at = strstr(bench->heard, ping)) != NULL) {
        char *rest = at + sizeof ping - 1;

        memmove(at, rest, strlen(rest) + 1);
        bench->heard_len -= sizeof ping - 1;
        bench_say(bench, "+PONG\r\n");
    }
}

static void
step_redis(struct bench *bench)
{
    ssize_t got;

    if (bench->listener >= 0 && bench->fd < 0) {
        bench->fd = accept4(bench->listener, NULL, NULL, SOCK_NONBLOCK);
        if (bench->fd >= 0)
            bench->accepted++;
    }
    if (bench->fd < 0 || bench->is_deaf)
        return;
    got = recv(bench->fd, bench->heard + bench->heard_len,
               sizeof bench->heard - 1 - bench->heard_len, 0);
    if (got > 0) {
        bench->heard_len += (size_t)got;
        bench->heard[bench->heard_len] = '\0';
        answer_pings(bench);
    } else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        if (bench->heard_len < sizeof bench->heard - 1)
            bench_hang_up(bench);
    }
}

void
bench_step(struct bench *bench)
{
    assert_true(lws_service(bench->context, 0) >= 0);
    bench->steps++;
    step_redis(bench);
}

void
bench_expect(struct bench *bench, const char *bytes)
{
    size_t len = strlen(bytes);

    UNTIL(bench, bench->heard_len >= len);
    if (memcmp(bench->heard, bytes, len) != 0)
        fail_msg("expected %s, heard %s", bytes, bench->heard);
    bench->heard_len -= len;
    memmove(bench->heard, bench->heard + len, bench->heard_len + 1);
}

void
bench_say_bytes(struct bench *bench, const void *bytes, size_t len)
{
    const char *from = bytes;
    uint64_t until = bench_now() + BENCH_PATIENCE_MS;

    while (len > 0 && bench->fd >= 0) {
        ssize_t sent = send(bench->fd, from, len, MSG_NOSIGNAL);

        assert_true(bench_now() < until);
        if (sent > 0) {
            from += sent;
            len -= (size_t)sent;
        } else {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                return; /* the link had enough */
            bench_step(bench);
        }
    }
}

void
bench_say(struct bench *bench, const char *bytes)
{
    bench_say_bytes(bench, bytes, strlen(bytes));
}

/* ---- The link ---- */

static void
note(struct bench *bench, const char *text, size_t len)
{
    size_t room = sizeof bench->said - 1 - bench->said_len;

    if (len > 200)
        len = 200;
    if (len > room)
        len = room;
    memcpy(bench->said + bench->said_len, text, len);
    bench->said_len += len;
    bench->said[bench->said_len] = '\0';
}

static void
describe(struct bench *bench, const struct skio__redis_reply *reply, int depth)
{
    static const char *const marks[] = {"nil", "+", "-", ":", "$", "*"};
    char number[32];

    assert_true(depth < 10);
    note(bench, marks[reply->type], strlen(marks[reply->type]));
    if (reply->type == SKIO__REDIS_INTEGER) {
        snprintf(number, sizeof number, "%lld", (long long)reply->integer);
        note(bench, number, strlen(number));
    } else if (reply->type == SKIO__REDIS_ARRAY) {
        note(bench, "[", 1);
        for (size_t i = 0; i < reply->count; i++) {
            if (i > 0)
                note(bench, " ", 1);
            describe(bench, reply->elements[i], depth + 1);
        }
        note(bench, "]", 1);
    } else if (reply->type != SKIO__REDIS_NIL) {
        assert_int_equal(reply->str[reply->len], '\0');
        note(bench, reply->str, reply->len);
    }
}

static void
on_reply(int err, const struct skio__redis_reply *reply, void *user)
{
    struct bench *bench = user;

    if (err != SKIO_OK) {
        assert_int_equal(err, SKIO_ECLOSED);
        assert_null(reply);
        note(bench, "lost\n", 5);
        return;
    }
    note(bench, "reply ", 6);
    describe(bench, reply, 0);
    note(bench, "\n", 1);
}

static void
on_up(struct skio__redis_link *link, void *user)
{
    struct bench *bench = user;

    assert_true(bench->link == NULL || link == bench->link);
    bench->ups++;
    note(bench, "up\n", 3);
    if (bench->on_up != NULL)
        bench->on_up(bench);
}

static void
on_down(struct skio__redis_link *link, int err, const char *text, void *user)
{
    struct bench *bench = user;

    assert_false(skio__redis_link_is_up(link));
    assert_int_not_equal(err, SKIO_OK);
    bench->downs++;
    bench->down_err = err;
    snprintf(bench->down_text, sizeof bench->down_text, "%s", text);
    note(bench, "down\n", 5);
    if (bench->on_down != NULL)
        bench->on_down(bench);
}

static void
on_push(struct skio__redis_link *link, const struct skio__redis_reply *reply,
        void *user)
{
    struct bench *bench = user;

    (void)link;
    note(bench, "push ", 5);
    describe(bench, reply, 0);
    note(bench, "\n", 1);
    if (bench->on_push != NULL)
        bench->on_push(bench);
}

void
bench_link(struct bench *bench, bool subscribes)
{
    static const struct skio__redis_link_hooks hooks = {on_up, on_down,
                                                        on_push};

    bench->link = skio__redis_link_new(bench->server, &bench->options, NULL, 0,
                                       subscribes, &hooks, bench);
}

void
bench_link_up(struct bench *bench, bool subscribes)
{
    int ups = bench->ups;

    if (bench->listener < 0)
        bench_listen(bench);
    bench_link(bench, subscribes);
    assert_non_null(bench->link);
    bench_expect(bench, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(bench->ups, ups);
    assert_false(skio__redis_link_is_up(bench->link));
    bench_say(bench, "+PONG\r\n");
    UNTIL(bench, bench->ups == ups + 1);
    assert_true(skio__redis_link_is_up(bench->link));
    bench_forget(bench);
}

void
bench_say_farewell(struct bench *bench, unsigned count)
{
    char text[1000];
    skio_bytes argv[] = {{"RPUSH", 5}, {"said", 4}, {text, sizeof text}};

    memset(text, 'a', sizeof text);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(skio__redis_link_send(bench->link, argv, 3, NULL,
                                               NULL),
                         SKIO_OK);
    skio__redis_link_part(bench->link, bench_now() + 2000);
    assert_false(skio__redis_link_is_up(bench->link));
    bench_unlink(bench);
}

void
bench_unlink(struct bench *bench)
{
    struct skio__redis_link *link = bench->link;

    bench->link = NULL;
    skio__redis_link_free(link);
}

int
bench_send_bytes(struct bench *bench, const skio_bytes *argv, size_t argc)
{
    return skio__redis_link_send(bench->link, argv, argc, on_reply, bench);
}

int
bench_send(struct bench *bench, ...)
{
    skio_bytes argv[8];
    size_t argc = 0;
    const char *word;
    va_list args;

    va_start(args, bench);
    while ((word = va_arg(args, const char *)) != NULL && argc < 8)
        argv[argc++] = (skio_bytes){word, strlen(word)};
    va_end(args);
    return bench_send_bytes(bench, argv, argc);
}

bool
bench_has_said(const struct bench *bench, const char *text)
{
    return strstr(bench->said, text) != NULL;
}

void
bench_forget(struct bench *bench)
{
    bench->said_len = 0;
    bench->said[0] = '\0';
}

/* ---- A real one ---- */

bool
redis_is_installed(void)
{
    return access("/usr/bin/redis-server", X_OK) == 0 ||
           access("/usr/local/bin/redis-server", X_OK) == 0;
}

/* A socket that is bound to a port of 127.0.0.1, or -1. */
static int
bind_port(int type, unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&in, sizeof in) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Of this process, until it ends: see tests/interop/ports.mjs. */
static bool
reserve_port(unsigned port)
{
    int fd = bind_port(SOCK_DGRAM, port);

    return fd >= 0; /* left open */
}

static bool
port_is_free(unsigned port)
{
    int fd = bind_port(SOCK_STREAM, port);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* Below those that connections get, and of no other test. */
uint16_t
bench_free_port(void)
{
    static unsigned port;

    if (port == 0)
        port = 10000 + (unsigned)getpid() * 7919u % 22000;
    for (int i = 0; i < 1000; i++) {
        port = port < 31999 ? port + 1 : 10000;
        if (reserve_port(port) && port_is_free(port))
            return (uint16_t)port;
    }
    fail_msg("no port is free");
    return 0;
}

static void
launch(struct redis_process *redis, const char *const *arguments)
{
    const char *argv[40] = {"redis-server"};
    size_t argc = 1;
    pid_t parent = getpid();
    char port[8];

    snprintf(port, sizeof port, "%u", (unsigned)redis->port);
    if (arguments == NULL || arguments[0] == NULL || arguments[0][0] != '/') {
        const char *const fixed[] = {"--port",       port,
                                     "--bind",       "127.0.0.1",
                                     "--unixsocket", redis->path,
                                     "--save",       "",
                                     "--appendonly", "no",
                                     "--dir",        redis->folder,
                                     "--logfile",    "redis.log",
                                     "--daemonize",  "no"};

        for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
            argv[argc++] = fixed[i];
    }
    for (; arguments != NULL && *arguments != NULL && argc < 39; arguments++)
        argv[argc++] = *arguments;
    argv[argc] = NULL;

    redis->pid = fork();
    assert_true(redis->pid >= 0);
    if (redis->pid == 0) {
        /* It does not outlive a test that is stopped. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
}

static int
dial_redis(const struct redis_process *redis)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(un.sun_path, redis->path, strlen(redis->path) + 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    close(fd);
    return -1;
}

const char *
redis_ask(struct redis_process *redis, const char *line)
{
    static char answer[65536];
    size_t len = 0;
    ssize_t got;
    int fd = dial_redis(redis);

    answer[0] = '\0';
    if (fd < 0)
        return answer;
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) > 0 &&
        send(fd, "\r\nQUIT\r\n", 8, MSG_NOSIGNAL) > 0)
        while ((got = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0)
            len += (size_t)got;
    answer[len] = '\0';
    close(fd);
    return answer;
}

static void
await_redis(struct redis_process *redis)
{
    uint64_t until = bench_now() + BENCH_PATIENCE_MS;

    while (redis_ask(redis, "PING")[0] == '\0') {
        assert_int_equal(waitpid(redis->pid, NULL, WNOHANG), 0);
        assert_true(bench_now() < until);
        poll(NULL, 0, 5);
    }
}

void
redis_prepare(struct redis_process *redis, bool with_port)
{
    memset(redis, 0, sizeof *redis);
    snprintf(redis->folder, sizeof redis->folder, "/tmp/skio-redis-XXXXXX");
    assert_non_null(mkdtemp(redis->folder));
    snprintf(redis->path, sizeof redis->path, "%s/socket", redis->folder);
    redis->port = with_port ? bench_free_port() : 0;
}

void
redis_start(struct redis_process *redis, bool with_port,
            const char *const *arguments)
{
    redis_prepare(redis, with_port);
    redis_restart(redis, arguments);
}

void
redis_restart(struct redis_process *redis, const char *const *arguments)
{
    launch(redis, arguments);
    await_redis(redis);
}

void
redis_kill(struct redis_process *redis)
{
    if (redis->pid <= 0)
        return;
    kill(redis->pid, SIGKILL);
    waitpid(redis->pid, NULL, 0);
    redis->pid = 0;
    unlink(redis->path);
}

void
redis_stop(struct redis_process *redis)
{
    static const char *const files[] = {"redis.log", "dump.rdb", "socket",
                                        "sentinel.conf", "nodes.conf"};
    char path[128];

    redis_kill(redis);
    if (redis->folder[0] == '\0')
        return;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", redis->folder, files[i]);
        unlink(path);
    }
    rmdir(redis->folder);
}
