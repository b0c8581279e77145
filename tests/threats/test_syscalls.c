/*
 * System calls that fail: each call that the server makes while it talks to a
 * client fails once, with each number that it may fail with, and one in twenty
 * of all
 *
 * The calls are this program's own, which the library and libwebsockets find
 * before those of libc. Those of the test itself, the client's, do not fail.
 * What may happen to any call on a healthy connection (EINTR, EAGAIN, less than
 * was asked for) no client may see; what ends a connection ends that one alone.
 *
 * Full figures (see scale.h) leave none of them out.
 */
#define _DEFAULT_SOURCE /* not _GNU_SOURCE: its accept() has other types */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <socketio/socketio.h>

#include "threats/scale.h"
#include "threats/talk.h"

#define SHORT (-1) /* in place of an error: one byte is all that goes */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NUMBERS 8
#define PATIENCE_MS 2500

/* ---- What fails ---- */

enum call {
    CALL_ACCEPT,
    CALL_RECV, /* read and recvmsg, too */
    CALL_SEND, /* write and writev, too */
    CALL_SENDMSG,
    CALL_WAIT,  /* epoll_wait, poll */
    CALL_WATCH, /* epoll_ctl */
    CALL_FCNTL,
    CALL_SETSOCKOPT,
    CALL_SOCKET,
    CALL_BIND,
    CALL_LISTEN,
    CALL_CONNECT,
    CALL_GETSOCKOPT,
    CALLS
};

static const char *const call_names[CALLS] =
    {"accept",     "recv",   "send", "sendmsg", "wait",    "epoll_ctl", "fcntl",
     "setsockopt", "socket", "bind", "listen",  "connect", "getsockopt"};

static struct {
    atomic_int call;   /* which; -1: none, CALLS: all */
    atomic_int left;   /* until it fails */
    atomic_int number; /* with this; SHORT */
    atomic_bool goes_on;
    atomic_uint one_in; /* of all, 0: none; the numbers are drawn */
    atomic_uint seed;
    const int (*numbers)[NUMBERS]; /* of each call; 0: no more */
    atomic_size_t calls[CALLS];
    atomic_size_t failed;
} faults;

static _Thread_local bool is_client;

static unsigned
draw(void)
{
    unsigned x = atomic_load(&faults.seed);

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    atomic_store(&faults.seed, x);
    return x;
}

static int
drawn_number(enum call call)
{
    unsigned one_in = atomic_load(&faults.one_in);
    const int *numbers;
    unsigned count = 0;

    if (one_in == 0 || draw() % one_in != 0)
        return 0;
    numbers = faults.numbers[call];
    while (count < NUMBERS && numbers[count] != 0)
        count++;
    return count > 0 ? numbers[draw() % count] : 0;
}

/* Returns 0, SHORT, or the number that this call is to fail with. */
static int
fault(enum call call)
{
    int number = 0;

    if (is_client)
        return 0;
    atomic_fetch_add(&faults.calls[call], 1);
    if (atomic_load(&faults.call) == CALLS)
        number = drawn_number(call);
    else if (atomic_load(&faults.call) == (int)call &&
             (atomic_fetch_sub(&faults.left, 1) == 1 ||
              atomic_load(&faults.goes_on)))
        number = atomic_load(&faults.number);
    if (number == 0)
        return 0;
    atomic_fetch_add(&faults.failed, 1);
    if (number != SHORT)
        errno = number;
    return number;
}

static bool
is_socket(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A connection, and nothing that the loop itself needs. */
static bool
is_connection(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    return getpeername(fd, (struct sockaddr *)&address, &len) == 0;
}

/* ---- The calls ---- */

static void *
find(const char *name)
{
    static void *volatile libc;
    void *found;

    if (libc == NULL)
        libc = dlopen("libc.so.6", RTLD_LAZY);
    found = libc != NULL ? dlsym(libc, name) : NULL;
    if (found == NULL)
        abort();
    return found;
}

#define REAL(type, name, ...)                                                  \
    static type (*volatile real)(__VA_ARGS__);                                 \
    do {                                                                       \
        if (real == NULL) {                                                    \
            void *found_ = find(name);                                         \
            type (*function_)(__VA_ARGS__);                                    \
            memcpy(&function_, &found_, sizeof(found_));                       \
            real = function_;                                                  \
        }                                                                      \
    } while (0)

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

int
accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int);
    return fault(CALL_ACCEPT) != 0 ? -1 : real(fd, address, len, flags);
}

int
accept(int fd, struct sockaddr *restrict address, socklen_t *restrict len)
{
    REAL(int, "accept", int, struct sockaddr *, socklen_t *);
    return fault(CALL_ACCEPT) != 0 ? -1 : real(fd, address, len);
}

ssize_t
recv(int fd, void *data, size_t len, int flags)
{
    REAL(ssize_t, "recv", int, void *, size_t, int);
    int number = fault(CALL_RECV);

    if (number == SHORT && len > 1)
        return real(fd, data, 1, flags);
    return number > 0 ? -1 : real(fd, data, len, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
    REAL(ssize_t, "recvmsg", int, struct msghdr *, int);
    return fault(CALL_RECV) > 0 ? -1 : real(fd, message, flags);
}

ssize_t
read(int fd, void *data, size_t len)
{
    REAL(ssize_t, "read", int, void *, size_t);
    int number = !is_client && is_socket(fd) ? fault(CALL_RECV) : 0;

    if (number == SHORT && len > 1)
        return real(fd, data, 1);
    return number > 0 ? -1 : real(fd, data, len);
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
    REAL(ssize_t, "send", int, const void *, size_t, int);
    int number = fault(CALL_SEND);

    if (number == SHORT && len > 1)
        return real(fd, data, 1, flags);
    return number > 0 ? -1 : real(fd, data, len, flags);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    int number = fault(CALL_SENDMSG);

    if (number == SHORT) {
        struct iovec one = {message->msg_iov[0].iov_base, 1};
        struct msghdr less = {.msg_iov = &one, .msg_iovlen = 1};

        return real(fd, &less, flags);
    }
    return number > 0 ? -1 : real(fd, message, flags);
}

ssize_t
write(int fd, const void *data, size_t len)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    int number = !is_client && is_socket(fd) ? fault(CALL_SEND) : 0;

    if (number == SHORT && len > 1)
        return real(fd, data, 1);
    return number > 0 ? -1 : real(fd, data, len);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    int number = !is_client && is_socket(fd) ? fault(CALL_SEND) : 0;

    if (number == SHORT) {
        struct iovec one = {parts[0].iov_base, 1};

        return real(fd, &one, 1);
    }
    return number > 0 ? -1 : real(fd, parts, count);
}

int
epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    REAL(int, "epoll_wait", int, struct epoll_event *, int, int);
    return fault(CALL_WAIT) > 0 ? -1 : real(fd, events, count, timeout);
}

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
    REAL(int, "poll", struct pollfd *, nfds_t, int);
    return fault(CALL_WAIT) > 0 ? -1 : real(fds, count, timeout);
}

int
epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    REAL(int, "epoll_ctl", int, int, int, struct epoll_event *);
    /* to change what is in the set takes no memory */
    if (op == EPOLL_CTL_ADD && !is_client && is_connection(fd) &&
        fault(CALL_WATCH) > 0)
        return -1;
    return real(set, op, fd, event);
}

int
fcntl(int fd, int command, ...)
{
    va_list args;
    void *arg;
    REAL(int, "fcntl", int, int, ...);

    va_start(args, command);
    arg = va_arg(args, void *);
    va_end(args);
    return fault(CALL_FCNTL) > 0 ? -1 : real(fd, command, arg);
}

int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    REAL(int, "setsockopt", int, int, int, const void *, socklen_t);
    return fault(CALL_SETSOCKOPT) > 0 ? -1 : real(fd, level, name, value, len);
}

int
getsockopt(int fd, int level, int name, void *restrict value,
           socklen_t *restrict len)
{
    REAL(int, "getsockopt", int, int, int, void *, socklen_t *);
    return fault(CALL_GETSOCKOPT) > 0 ? -1 : real(fd, level, name, value, len);
}

int
socket(int family, int type, int protocol)
{
    REAL(int, "socket", int, int, int);
    return fault(CALL_SOCKET) > 0 ? -1 : real(family, type, protocol);
}

int
bind(int fd, const struct sockaddr *address, socklen_t len)
{
    REAL(int, "bind", int, const struct sockaddr *, socklen_t);
    return fault(CALL_BIND) > 0 ? -1 : real(fd, address, len);
}

int
listen(int fd, int backlog)
{
    REAL(int, "listen", int, int);
    return fault(CALL_LISTEN) > 0 ? -1 : real(fd, backlog);
}

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
    REAL(int, "connect", int, const struct sockaddr *, socklen_t);
    return fault(CALL_CONNECT) > 0 ? -1 : real(fd, address, len);
}

/* ---- Faults of a talk ---- */

/* On a healthy connection. A wait fails with nothing else: libev ends the
 * process at what only a mistake of its own can bring about. */
static const int harmless[CALLS][NUMBERS] = {
    [CALL_ACCEPT] = {EINTR, EAGAIN, ECONNABORTED, EPROTO},
    [CALL_RECV] = {EINTR, EAGAIN, SHORT},
    [CALL_SEND] = {EINTR, EAGAIN, SHORT},
    [CALL_SENDMSG] = {EINTR, EAGAIN, SHORT},
    [CALL_WAIT] = {EINTR},
};

/* What ends a connection, or keeps one waiting. */
static const int harmful[CALLS][NUMBERS] = {
    [CALL_ACCEPT] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EIO, ENETDOWN},
    [CALL_RECV] = {ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM, EIO},
    [CALL_SEND] = {EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM, EIO},
    [CALL_SENDMSG] = {EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM, EIO},
    [CALL_WATCH] = {ENOMEM, ENOSPC},
    [CALL_FCNTL] = {EIO},
    [CALL_SETSOCKOPT] = {ENOBUFS, ENOMEM},
};

static void
no_faults(void)
{
    atomic_store(&faults.call, -1);
    atomic_store(&faults.goes_on, false);
    atomic_store(&faults.one_in, 0);
}

static void
fail_nth(enum call call, size_t n, int number)
{
    atomic_store(&faults.number, number);
    atomic_store(&faults.left, (int)n);
    atomic_store(&faults.failed, 0);
    atomic_store(&faults.call, (int)call);
}

static void
fail_some(const int (*numbers)[NUMBERS], unsigned one_in, unsigned seed)
{
    faults.numbers = numbers;
    atomic_store(&faults.seed, seed * 2654435761U + 1);
    atomic_store(&faults.one_in, one_in);
    atomic_store(&faults.failed, 0);
    atomic_store(&faults.call, CALLS);
}

/* ---- Homes ---- */

static struct home *homes[HOME_COUNT];
static struct talk talks[TALK_KINDS]; /* undisturbed */
static struct talk talk;
static size_t descriptors[HOME_COUNT];

#define SETTLES(condition)                                                     \
    do {                                                                       \
        for (int left_ = 500; left_ > 0 && !(condition); left_--)              \
            home_pause(10);                                                    \
        assert_true(condition);                                                \
    } while (0)

static void
change(skio_server_options *options)
{
    options->max_unconnected = 1000000;
    options->header_timeout_ms = 1000;
    options->body_timeout_ms = 1000;
}

static int
start_homes(void **state)
{
    (void)state;
    is_client = true;
    no_faults();
    home_limit_descriptors(256);
    for (int i = 0; i < HOME_COUNT; i++)
        homes[i] = home_start_with((enum home_kind)i, change, talk_set_up);
    return 0;
}

static int
stop_homes(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        home_stop(homes[i]);
    return 0;
}

/* How often each call is made in an undisturbed talk. */
static void
count_calls(int i, enum talk_kind kind, size_t counts[CALLS])
{
    no_faults();
    for (int round = 0; round < 2; round++) { /* the first one warms up */
        SETTLES(home_descriptors() <= descriptors[i] || round == 0);
        descriptors[i] = home_descriptors();
        for (int c = 0; c < CALLS; c++)
            atomic_store(&faults.calls[c], 0);
        if (talk_run(&talks[kind], homes[i], kind, PATIENCE_MS) != TALK_DONE)
            fail_msg("%s: %s: %.300s", talk_kind_name(kind),
                     talk_end_name(talks[kind].end), talks[kind].text);
        home_pause(5);
    }
    for (int c = 0; c < CALLS; c++)
        counts[c] = atomic_load(&faults.calls[c]);
}

static void
fail_talk(int i, enum talk_kind kind, enum call call, size_t n, int number)
{
    size_t at = 0;

    no_faults();
    while (at < talk.len && at < talks[kind].len &&
           talk.text[at] == talks[kind].text[at])
        at++;
    at = at > 40 ? at - 40 : 0;
    fail_msg("home %d, %s, %s %zu fails with %s: %s, %zu of %zu bytes; "
             "...%.120s instead of ...%.120s",
             i, talk_kind_name(kind), call_names[call], n,
             number == SHORT ? "less" : strerror(number),
             talk_end_name(talk.end), talk.len, talks[kind].len, talk.text + at,
             talks[kind].text + at);
}

/* Whoever comes next hears what everybody hears. */
static void
check_next(int i, enum talk_kind kind, enum call call, size_t n, int number)
{
    no_faults();
    if (talk_run(&talk, homes[i], kind, PATIENCE_MS) != TALK_DONE ||
        !talk_is_same(&talk, &talks[kind]))
        fail_talk(i, kind, call, n, number);
}

/* libwebsockets' own listener, of a host, forgets a connection that it cannot
 * make non-blocking. */
static bool
is_of_lws(int i, int call)
{
    return i == HOME_HOST && call == CALL_FCNTL;
}

/* Hosts read in small pieces; and accepting pauses. */
static size_t
step_of(int call, size_t count)
{
    bool is_one = call == CALL_ACCEPT || scale_is_valgrind();

    return scaled_stride(is_one ? count : count / 8 + 1);
}

/* The usual talks share the numbers of accepting; where all takes fifty times
 * as long, those of every call. */
static bool
is_left_out(enum talk_kind kind, int call, int k)
{
    return (scale_is_valgrind() || (call == CALL_ACCEPT && !scale_is_long())) &&
           k % TALK_KINDS != (int)kind;
}

/* All calls of a talk, one after the other, with all their numbers. Returns how
 * many failed. */
static size_t
torture(int i, enum talk_kind kind, const int (*numbers)[NUMBERS],
        bool is_invisible)
{
    size_t counts[CALLS];
    size_t failed = 0;

    count_calls(i, kind, counts);
    for (int call = 0; call < CALLS; call++)
        for (int k = 0; k < NUMBERS && numbers[call][k] != 0; k++)
            for (size_t n = 1; n <= counts[call] && !is_of_lws(i, call) &&
                               !is_left_out(kind, call, k);
                 n += step_of(call, counts[call])) {
                int number = numbers[call][k];
                size_t turns = atomic_load(&faults.calls[CALL_WAIT]);

                fail_nth((enum call)call, n, number);
                (void)talk_run(&talk, homes[i], kind, PATIENCE_MS);
                if (talk.end == TALK_HUNG ||
                    (is_invisible && !talk_is_same(&talk, &talks[kind])))
                    fail_talk(i, kind, (enum call)call, n, number);
                turns = atomic_load(&faults.calls[CALL_WAIT]) - turns;
                assert_true(turns < 4 * counts[CALL_WAIT] + 100);
                failed += atomic_load(&faults.failed);
                if (!is_invisible)
                    check_next(i, kind, (enum call)call, n, number);
            }
    no_faults();
    SETTLES(home_descriptors() <= descriptors[i]);
    return failed;
}

static void
torture_all(const int (*numbers)[NUMBERS], bool is_invisible)
{
    for (int i = 0; i < HOME_COUNT; i++) {
        size_t failed = 0;

        for (int kind = 0; kind < TALK_KINDS; kind++)
            failed += torture(i, (enum talk_kind)kind, numbers, is_invisible);
        print_message("# home %d: %zu calls failed\n", i, failed);
        assert_true(failed > (scale_is_valgrind() ? 5U : 30U));
        assert_true(home_is_well(homes[i]));
    }
}

static void
calls_that_are_interrupted_or_short_are_seen_by_nobody(void **state)
{
    (void)state;
    torture_all(harmless, true);
}

static void
call_that_fails_ends_its_connection_at_most(void **state)
{
    (void)state;
    torture_all(harmful, false);
}

/* One call in so many, of all kinds at once. */
static void
run_storm(int i, const int (*numbers)[NUMBERS], bool is_invisible)
{
    unsigned rounds =
        scale_is_valgrind() ? 10 : scaled(30, 5000, "talks amid faults");
    size_t counts[CALLS];
    size_t failed = 0;

    for (int kind = 0; kind < TALK_KINDS; kind++)
        count_calls(i, (enum talk_kind)kind, counts);
    for (unsigned seed = 1; seed <= rounds; seed++) {
        enum talk_kind kind = (enum talk_kind)(seed % TALK_KINDS);

        fail_some(numbers, 20, seed);
        (void)talk_run(&talk, homes[i], kind, PATIENCE_MS);
        if (talk.end == TALK_HUNG ||
            (is_invisible && !talk_is_same(&talk, &talks[kind])))
            fail_talk(i, kind, CALL_RECV, seed, 0);
        failed += atomic_load(&faults.failed);
        check_next(i, kind, CALL_RECV, seed, 0);
    }
    no_faults();
    print_message("# home %d: %zu calls failed\n", i, failed);
    assert_true(failed > rounds / 2);
    SETTLES(home_descriptors() <= descriptors[i]);
}

static void
one_call_in_twenty_is_short_and_nobody_sees_it(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++)
        run_storm(i, harmless, true);
}

static void
one_call_in_twenty_fails_and_the_next_client_is_served(void **state)
{
    (void)state;
    for (int i = 0; i < HOME_COUNT; i++) {
        static int numbers[CALLS][NUMBERS];

        memcpy(numbers, harmful, sizeof(harmful));
        for (int call = 0; call < CALLS; call++)
            if (is_of_lws(i, call))
                numbers[call][0] = 0;
        run_storm(i, (const int(*)[NUMBERS])numbers, false);
    }
}

/* ---- Accepting, listening ---- */

static void
accepting_that_goes_on_failing_does_not_spin(void **state)
{
    static const int numbers[] = {EMFILE, ENOMEM,       EIO,
                                  EPERM,  ECONNABORTED, EINTR};

    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        size_t before = atomic_load(&faults.calls[CALL_ACCEPT]);
        size_t calls;
        int fd;

        atomic_store(&faults.goes_on, true);
        fail_nth(CALL_ACCEPT, 1, numbers[i]);
        fd = home_dial(homes[HOME_OWN]);
        home_pause(100);
        no_faults();
        calls = atomic_load(&faults.calls[CALL_ACCEPT]) - before;
        if (calls == 0 || calls > 64 * 3)
            fail_msg("%s: %zu calls", strerror(numbers[i]), calls);
        close(fd);
        assert_true(home_is_well(homes[HOME_OWN]));
    }
}

/* The rest of a head that came in two parts is awaited with SO_RCVLOWAT: a
 * connection that keeps its mark would not hear of short messages. */
static void
connection_that_keeps_its_mark_is_closed(void **state)
{
    char out[1024];
    bool closed = false;
    int fd = home_dial(homes[HOME_OWN]);

    (void)state;
    home_say(fd, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n");
    home_pause(50);
    fail_nth(CALL_SETSOCKOPT, 1, ENOBUFS);
    home_say(fd, "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Version: 13\r\n\r\n");
    assert_int_equal(home_read(fd, out, sizeof(out), NULL, &closed), 0);
    no_faults();
    assert_int_equal(atomic_load(&faults.failed), 1);
    assert_true(closed);
    close(fd);
    assert_true(home_is_well(homes[HOME_OWN]));
}

/* Each call of a beginning fails: an error, and nothing is left open. */
static void
listening_fails_cleanly(void **state)
{
    static const enum call calls[] = {CALL_SOCKET, CALL_SETSOCKOPT,
                                      CALL_BIND,   CALL_LISTEN,
                                      CALL_FCNTL,  CALL_GETSOCKOPT};
    size_t before = home_descriptors();

    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++)
        for (size_t n = 1;; n++) {
            skio_server_options options;
            skio_server *server = NULL;
            size_t failed;
            int err;

            assert_true(n < 100);
            skio_server_options_init(&options);
            assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
            fail_nth(calls[i], n, calls[i] == CALL_FCNTL ? EMFILE : ENOBUFS);
            is_client = false;
            err = skio_listen(server, "127.0.0.1", 0);
            is_client = true;
            no_faults();
            failed = atomic_load(&faults.failed);
            if (err != SKIO_OK) /* and now it works */
                err = skio_listen(server, "127.0.0.1", 0);
            if (err != SKIO_OK)
                fail_msg("%s %zu: %s", call_names[calls[i]], n,
                         skio_strerror(err));
            skio_server_free(server);
            if (home_descriptors() != before)
                fail_msg("%s %zu leaves a descriptor", call_names[calls[i]], n);
            if (failed == 0)
                break;
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            calls_that_are_interrupted_or_short_are_seen_by_nobody),
        cmocka_unit_test(call_that_fails_ends_its_connection_at_most),
        cmocka_unit_test(one_call_in_twenty_is_short_and_nobody_sees_it),
        cmocka_unit_test(
            one_call_in_twenty_fails_and_the_next_client_is_served),
        cmocka_unit_test(accepting_that_goes_on_failing_does_not_spin),
        cmocka_unit_test(connection_that_keeps_its_mark_is_closed),
        cmocka_unit_test(listening_fails_cleanly),
    };

    return cmocka_run_group_tests_name("system calls", tests, start_homes,
                                       stop_homes);
}
