/*
 * Faults of a link to Redis: each allocation of ours, each of hiredis, and each
 * system call fails, once and from then on, while servers meet
 *
 * A round begins a hub with subscriptions, publishes, counts, and loses the
 * connection. When the fault is over all of it works: what is subscribed to is
 * heard, and at the end nothing is left.
 *
 * Full figures (see scale.h) leave nothing out.
 */
#define _DEFAULT_SOURCE /* not _GNU_SOURCE: its connect() has other types */

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
#include <sys/epoll.h>
#include <sys/socket.h>

#include <hiredis/hiredis.h>
#include <socketio/socketio.h>

#include "adapter/redis.h"
#include "threats/home.h"
#include "threats/scale.h"
#include "transport/redis_bench.h"
#include "transport/redis_fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SHORT (-1) /* in place of an error: one byte is all that goes */
#define KINDS 3
#define MOST 2000 /* faults of a kind */

enum call {
    CALL_NONE,
    CALL_SOCKET,
    CALL_CONNECT,
    CALL_GETSOCKOPT,
    CALL_WATCH, /* epoll_ctl */
    CALL_RECV,
    CALL_SEND,
    CALL_HIREDIS /* an allocation of its reader */
};

static struct {
    struct bench *bench;
    struct fake fake;
    struct skio__redis *hub;
    struct skio__redis_sub *subs[KINDS];
    size_t messages;
    int counted;
    /* What fails, in the library alone. */
    enum call call;
    int number;
    size_t left;
    bool goes_on;
    bool is_inside;
    size_t failed;
} t;

/* ---- What fails ---- */

static int
fault(enum call call)
{
    if (!t.is_inside || t.call != call || t.left == 0)
        return 0;
    if (t.left > 1) {
        t.left--;
        return 0;
    }
    if (!t.goes_on)
        t.left = 0;
    t.failed++;
    if (t.number > 0)
        errno = t.number;
    return t.number;
}

static void *
find(const char *library, const char *name)
{
    void *handle = dlopen(library, RTLD_LAZY);
    void *found = handle != NULL ? dlsym(handle, name) : NULL;

    if (found == NULL)
        abort();
    return found;
}

#define REAL(library, type, name, ...)                                         \
    static type (*real)(__VA_ARGS__);                                          \
    do {                                                                       \
        if (real == NULL) {                                                    \
            void *found_ = find(library, name);                                \
            memcpy(&real, &found_, sizeof(found_));                            \
        }                                                                      \
    } while (0)

#define LIBC "libc.so.6"

int
socket(int family, int type, int protocol)
{
    REAL(LIBC, int, "socket", int, int, int);
    return fault(CALL_SOCKET) > 0 ? -1 : real(family, type, protocol);
}

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
    REAL(LIBC, int, "connect", int, const struct sockaddr *, socklen_t);
    return fault(CALL_CONNECT) > 0 ? -1 : real(fd, address, len);
}

int
getsockopt(int fd, int level, int name, void *restrict value,
           socklen_t *restrict len)
{
    REAL(LIBC, int, "getsockopt", int, int, int, void *, socklen_t *);
    return fault(CALL_GETSOCKOPT) > 0 ? -1 : real(fd, level, name, value, len);
}

int
epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    REAL(LIBC, int, "epoll_ctl", int, int, int, struct epoll_event *);
    /* to change what is in the set takes no memory */
    if (op == EPOLL_CTL_ADD && fault(CALL_WATCH) > 0)
        return -1;
    return real(set, op, fd, event);
}

ssize_t
recv(int fd, void *data, size_t len, int flags)
{
    REAL(LIBC, ssize_t, "recv", int, void *, size_t, int);
    int number = fault(CALL_RECV);

    if (number == SHORT && len > 1)
        return real(fd, data, 1, flags);
    return number > 0 ? -1 : real(fd, data, len, flags);
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
    REAL(LIBC, ssize_t, "send", int, const void *, size_t, int);
    int number = fault(CALL_SEND);

    if (number == SHORT && len > 1)
        return real(fd, data, 1, flags);
    return number > 0 ? -1 : real(fd, data, len, flags);
}

#if HIREDIS_MAJOR == 0
#define LIBRARY_(major, minor) "libhiredis.so." #major "." #minor
#define LIBRARY(major, minor) LIBRARY_(major, minor)
#define HIREDIS LIBRARY(HIREDIS_MAJOR, HIREDIS_MINOR)

/* All that the library has hiredis allocate: the reader, and room for what was
 * read. */
redisReader *
redisReaderCreateWithFunctions(redisReplyObjectFunctions *functions)
{
    REAL(HIREDIS, redisReader *, "redisReaderCreateWithFunctions",
         redisReplyObjectFunctions *);
    return fault(CALL_HIREDIS) != 0 ? NULL : real(functions);
}

char *
sdsMakeRoomFor(char *text, size_t more)
{
    REAL(HIREDIS, char *, "sdsMakeRoomFor", char *, size_t);
    return fault(CALL_HIREDIS) != 0 ? NULL : real(text, more);
}
#endif

/* ---- A round ---- */

static int
begin(void **state)
{
    memset(&t, 0, sizeof t);
    home_limit_descriptors(128);
    if (bench_begin(state) != 0)
        return -1;
    t.bench = *state;
    fake_start(&t.fake);
    t.bench->options.port = t.fake.port;
    t.bench->options.host = "127.0.0.1";
    t.bench->options.reconnect_min_ms = 1;
    t.bench->options.reconnect_max_ms = 4;
    return 0;
}

static int
end(void **state)
{
    t.is_inside = false;
    skio__redis_unref(t.hub);
    fake_stop(&t.fake);
    return bench_end(state);
}

static void
step(void)
{
    t.is_inside = true;
    bench_step(t.bench);
    t.is_inside = false;
    fake_step(&t.fake);
}

#define WAIT(condition)                                                        \
    do {                                                                       \
        uint64_t until_ = bench_now() + BENCH_PATIENCE_MS;                     \
        while (!(condition)) {                                                 \
            if (bench_now() > until_)                                          \
                fail_msg("line %d: waited in vain for %s", __LINE__,           \
                         #condition);                                          \
            step();                                                            \
        }                                                                      \
    } while (0)

static void
on_message(const char *channel, size_t channel_len, const void *data,
           size_t len, void *user)
{
    (void)channel;
    (void)channel_len;
    (void)data;
    (void)len;
    (void)user;
    t.messages++;
}

static void
on_count(int err, size_t count, void *user)
{
    (void)user;
    t.counted = err == SKIO_OK ? (int)count : err;
}

/* What is not there yet. Returns whether all is. */
static bool
subscribe(void)
{
    bool all = true;

    t.is_inside = true;
    if (t.hub == NULL &&
        skio__redis_new(t.bench->server, &t.bench->options, &t.hub) != SKIO_OK)
        t.hub = NULL;
    for (int i = 0; i < KINDS && t.hub != NULL; i++) {
        if (t.subs[i] == NULL)
            t.subs[i] = skio__redis_subscribe(t.hub, (enum skio__redis_kind)i,
                                              "a", 1, on_message, NULL);
        all = all && t.subs[i] != NULL;
    }
    t.is_inside = false;
    return t.hub != NULL && all;
}

static int
publish(void)
{
    int err;

    t.is_inside = true;
    err = skio__redis_publish(t.hub, SKIO__REDIS_CHANNEL, "a", 1, "text", 4);
    t.is_inside = false;
    return err;
}

static int
count(void)
{
    int err;

    t.counted = -1000;
    t.is_inside = true;
    err = skio__redis_count(t.hub, SKIO__REDIS_CHANNEL, "a", 1, on_count, NULL);
    t.is_inside = false;
    return err;
}

static bool
say_count(struct fake *fake, struct fake_connection *connection,
          const char *const *words, size_t count)
{
    (void)fake;
    if (count < 2 || strcmp(words[0], "PUBSUB") != 0)
        return false;
    fake_say(connection, "*2\r\n$1\r\na\r\n:7\r\n");
    return true;
}

static void
lose_connections(void)
{
    for (int i = 0; i < FAKE_CONNECTIONS; i++)
        if (t.fake.connections[i].fd >= 0)
            shutdown(t.fake.connections[i].fd, SHUT_RDWR);
}

/* Some turns, or until it is up. */
static void
go_on(unsigned turns)
{
    while (turns-- > 0 && (t.hub == NULL || !skio__redis_is_up(t.hub)))
        step();
}

static void
run_round(enum call call, size_t n, int number, bool goes_on)
{
    t.fake.answer = say_count;
    t.call = call;
    t.number = number;
    t.goes_on = goes_on;
    t.failed = 0;
    t.left = call != CALL_NONE ? n : 0;

    /* Whatever of this fails. */
    (void)subscribe();
    go_on(8);
    if (t.hub != NULL) {
        (void)publish();
        (void)count();
        for (int i = 0; i < 4; i++)
            step();
        lose_connections();
        step();
        go_on(8);
    }

    /* The fault is over. */
    t.left = 0;
    test_alloc_fail(&t.bench->alloc, 0);
    assert_true(subscribe());
    WAIT(skio__redis_is_up(t.hub) && fake_subscriber(&t.fake) != NULL);
    t.messages = 0;
    WAIT(fake_subscriber(&t.fake) != NULL &&
         (fake_say(fake_subscriber(&t.fake),
                   "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"),
          step(), t.messages > 0));
    assert_int_equal(publish(), SKIO_OK);
    while (t.counted != 7) {
        assert_int_equal(count(), SKIO_OK);
        WAIT(t.counted != -1000);
    }

    for (int i = 0; i < KINDS; i++)
        skio__redis_unsubscribe(t.subs[i]);
    memset(t.subs, 0, sizeof t.subs);
    skio__redis_unref(t.hub);
    t.hub = NULL;
    for (int i = 0; i < 3; i++)
        step();
}

/* ---- Tests ---- */

struct before {
    size_t blocks;
    size_t descriptors;
};

static size_t
stride(void)
{
    return scaled_stride(scale_is_valgrind() ? 12 : 5);
}

/* After a first round, in which all goes well. */
static struct before
look(void)
{
    struct before before;

    run_round(CALL_NONE, 0, 0, false);
    run_round(CALL_NONE, 0, 0, false);
    WAIT(fake_subscriber(&t.fake) == NULL);
    before.blocks = t.bench->alloc.live;
    before.descriptors = home_descriptors();
    return before;
}

static void
check_left(const struct before *before, const char *what, size_t n)
{
    uint64_t until = bench_now() + BENCH_PATIENCE_MS;

    while ((t.bench->alloc.live != before->blocks ||
            home_descriptors() != before->descriptors) &&
           bench_now() < until)
        step();
    if (t.bench->alloc.live != before->blocks ||
        home_descriptors() != before->descriptors)
        fail_msg("%s %zu: %zu blocks, %zu before; %zu descriptors, %zu before",
                 what, n, t.bench->alloc.live, before->blocks,
                 home_descriptors(), before->descriptors);
}

static void
memory_runs_out_while_servers_meet(void **state)
{
    struct test_alloc *alloc = &t.bench->alloc;
    struct before before = look();

    (void)state;
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        size_t n = 1;
        size_t rounds = 0;

        do {
            assert_true(n < MOST);
            alloc->failed = 0;
            if (goes_on)
                test_alloc_fail_from(alloc, n);
            else
                test_alloc_fail(alloc, n);
            run_round(CALL_NONE, 0, 0, false);
            check_left(&before, goes_on ? "from allocation" : "allocation", n);
            n += stride();
            rounds++;
        } while (alloc->failed > 0);
        print_message("# %zu allocations failed%s\n", rounds - 1,
                      goes_on ? ", with all that followed" : "");
        assert_true(rounds * stride() > 30);
    }
}

/* Each call of a kind, as long as there are any. Returns how many failed. */
static size_t
fail_each(const struct before *before, enum call call, int number, bool goes_on,
          const char *what)
{
    size_t rounds = 0;

    for (size_t n = 1; rounds == 0 || t.failed > 0; n += stride()) {
        assert_true(n < MOST);
        run_round(call, n, number, goes_on);
        check_left(before, what, n);
        rounds++;
    }
    return rounds - 1;
}

static void
memory_of_hiredis_runs_out_and_the_link_is_renewed(void **state)
{
    (void)state;
#if HIREDIS_MAJOR == 0
    struct before before = look();

    assert_true(fail_each(&before, CALL_HIREDIS, 1, false, "of hiredis") *
                    stride() >
                6);
    assert_true(fail_each(&before, CALL_HIREDIS, 1, true, "of hiredis from") *
                    stride() >
                3);
#else
    skip();
#endif
}

static void
system_calls_of_the_link_fail_and_it_is_renewed(void **state)
{
    static const struct {
        enum call call;
        const char *name;
        int numbers[8];
    } cases[] = {
        {CALL_SOCKET, "socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
        {CALL_CONNECT,
         "connect",
         {ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EAGAIN, ENOBUFS}},
        {CALL_GETSOCKOPT, "getsockopt", {ENOBUFS, ENOMEM}},
        {CALL_WATCH, "epoll_ctl", {ENOMEM, ENOSPC}},
        {CALL_RECV,
         "recv",
         {EINTR, SHORT, ECONNRESET, EAGAIN, ETIMEDOUT, ENOMEM, EIO}},
        {CALL_SEND,
         "send",
         {EAGAIN, SHORT, EPIPE, EINTR, ECONNRESET, ENOBUFS, EIO}},
    };
    struct before before = look();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t failed = 0;

        for (int k = 0; k < 8 && cases[i].numbers[k] != 0; k++) {
            failed += fail_each(&before, cases[i].call, cases[i].numbers[k],
                                false, cases[i].name);
            run_round(cases[i].call, 1, cases[i].numbers[k], true);
            if (!scale_is_long() && k > 1)
                break; /* the long run takes all numbers */
        }
        print_message("# %s: %zu calls failed\n", cases[i].name, failed);
        assert_true(failed > 0);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(memory_runs_out_while_servers_meet),
        TEST(memory_of_hiredis_runs_out_and_the_link_is_renewed),
        TEST(system_calls_of_the_link_fail_and_it_is_renewed),
    };

    return cmocka_run_group_tests_name("faults of Redis", tests, NULL, NULL);
}
