/*
 * System calls that fail, over TLS: OpenSSL reads and writes the descriptor of
 * a WebSocket by read() and write(), each of which fails once, with each number
 * that it may fail with, and one in twenty of all; and keys that change
 *
 * The calls are this program's own, which OpenSSL finds before those of libc.
 * Those of the client do not fail. What may happen to any call on a healthy
 * connection no client may see; what ends a connection ends that one alone.
 *
 * SKIO_LONG in the environment takes the figures of the long run.
 */
#define _DEFAULT_SOURCE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "threats/home.h"
#include "threats/tls_talk.h"

#define SHORT (-1) /* in place of an error: one byte is all that goes */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NUMBERS 8
#define KEY_UPDATES 20
#define LATE_MAX 20 /* talks in a row without time */

/* ---- What fails ---- */

enum call { CALL_READ, CALL_WRITE, CALLS };

static const char *const call_names[CALLS] = {"read", "write"};

static struct {
    atomic_int call;   /* which; -1: none, CALLS: all */
    atomic_int left;   /* until it fails */
    atomic_int number; /* with this; SHORT */
    atomic_uint seed;
    const int (*numbers)[NUMBERS]; /* of each call, to draw from */
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
    const int *numbers = faults.numbers[call];
    unsigned count = 0;

    if (draw() % 20 != 0)
        return 0;
    while (count < NUMBERS && numbers[count] != 0)
        count++;
    return count > 0 ? numbers[draw() % count] : 0;
}

/* Returns 0, SHORT, or the number that this call is to fail with. */
static int
fault(enum call call, int fd)
{
    struct stat st;
    int number = 0;

    if (is_client || fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
        return 0;
    atomic_fetch_add(&faults.calls[call], 1);
    if (atomic_load(&faults.call) == CALLS)
        number = drawn_number(call);
    else if (atomic_load(&faults.call) == (int)call &&
             atomic_fetch_sub(&faults.left, 1) == 1)
        number = atomic_load(&faults.number);
    if (number != 0)
        atomic_fetch_add(&faults.failed, 1);
    if (number > 0)
        errno = number;
    return number;
}

static void
find(const char *name, void *function, size_t size)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY);
    void *found = libc != NULL ? dlsym(libc, name) : NULL;

    if (found == NULL || size != sizeof(found))
        abort();
    memcpy(function, &found, size);
}

ssize_t
read(int fd, void *data, size_t len)
{
    static ssize_t (*volatile real)(int, void *, size_t);
    ssize_t (*function)(int, void *, size_t) = real;
    int number = fault(CALL_READ, fd);

    if (function == NULL) {
        find("read", &function, sizeof(function));
        real = function;
    }
    if (number == SHORT && len > 1)
        len = 1;
    return number > 0 ? -1 : function(fd, data, len);
}

ssize_t
write(int fd, const void *data, size_t len)
{
    static ssize_t (*volatile real)(int, const void *, size_t);
    ssize_t (*function)(int, const void *, size_t) = real;
    int number = fault(CALL_WRITE, fd);

    if (function == NULL) {
        find("write", &function, sizeof(function));
        real = function;
    }
    if (number == SHORT && len > 1)
        len = 1;
    return number > 0 ? -1 : function(fd, data, len);
}

/* On a healthy connection. */
static const int harmless[CALLS][NUMBERS] = {
    [CALL_READ] = {EINTR, EAGAIN, SHORT},
    [CALL_WRITE] = {EINTR, EAGAIN, SHORT},
};

/* What ends one. */
static const int harmful[CALLS][NUMBERS] = {
    [CALL_READ] = {ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM, EIO},
    [CALL_WRITE] = {EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM, EIO},
};

static void
no_faults(void)
{
    atomic_store(&faults.call, -1);
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
fail_some(const int (*numbers)[NUMBERS], unsigned seed)
{
    faults.numbers = numbers;
    atomic_store(&faults.seed, seed * 2654435761U + 1);
    atomic_store(&faults.failed, 0);
    atomic_store(&faults.call, CALLS);
}

/* ---- Faults of a talk ---- */

static struct tls_talk talk;
static struct tls_talk undisturbed[TLS_ENDINGS];

static void
fail_talk(enum tls_ending ending, int call, size_t n, int number)
{
    size_t at = talk.len > 60 ? talk.len - 60 : 0;

    no_faults();
    fail_msg("ending %d, %s %zu fails with %s: %zu of %zu bytes, %s: %.60s",
             ending, call < CALLS ? call_names[call] : "seed", n,
             number == SHORT ? "less" : strerror(number), talk.len,
             undisturbed[ending].len, talk.is_hung ? "hung" : "ended",
             talk.text + at);
}

/* Whether a talk had no frame in the time that its handshake has. So it is on a
 * machine that gives this program a tenth of a processor under valgrind. */
static bool
was_late(const struct tls_talk *t)
{
    return t->len == 0 && !t->is_hung && t->ms >= TLS_HEADER_MS;
}

/* One whose handshake had no time is made again. */
static void
run_undisturbed(struct tls_talk *t, enum tls_ending ending)
{
    no_faults();
    for (int left = LATE_MAX; left > 0; left--) {
        for (int call = 0; call < CALLS; call++)
            atomic_store(&faults.calls[call], 0);
        tls_run(t, ending);
        if (!was_late(t))
            return;
        print_message("# ending %d: late, after %ld ms\n", ending, t->ms);
    }
}

/* One that may end by its fault is not made again. */
static void
run_with_fault(enum tls_ending ending, enum call call, size_t n, int number,
               bool is_seen)
{
    for (int left = LATE_MAX; left > 0; left--) {
        atomic_store(&faults.calls[call], 0);
        fail_nth(call, n, number);
        tls_run(&talk, ending);
        if (is_seen || !was_late(&talk))
            return;
    }
}

/* To make more of than a talk. */
static void
join(int window)
{
    no_faults();
    for (int left = LATE_MAX; left > 0; left--) {
        tls_join(&talk, window);
        if (!talk.is_lost)
            return;
        tls_leave(&talk);
        if (!was_late(&talk))
            break;
    }
    fail_msg("lost after %ld ms, %s", talk.ms, talk.is_hung ? "hung" : "ended");
}

static void
check_next(enum tls_ending ending, int call, size_t n, int number)
{
    run_undisturbed(&talk, ending);
    if (!tls_is_same(&talk, &undisturbed[ending]))
        fail_talk(ending, call, n, number);
}

static void
await_descriptors(size_t count)
{
    for (int i = 0; i < 500 && home_descriptors() > count; i++)
        home_pause(10);
    assert_true(home_descriptors() <= count);
}

/* How often each call is made in an undisturbed talk. */
static void
count_calls(enum tls_ending ending, size_t counts[CALLS])
{
    struct tls_talk *t = &undisturbed[ending];

    /* The first one warms up. */
    for (int round = 0; round < 2; round++) {
        run_undisturbed(t, ending);
        home_pause(20);
    }
    assert_true(t->len > 6 * TLS_MESSAGE_LEN);
    assert_memory_equal(t->text + t->len - 3, "end", 3);
    for (int call = 0; call < CALLS; call++)
        counts[call] = atomic_load(&faults.calls[call]);
}

/* Of several faults at once amid a handshake, libwebsockets may give it up. */
static bool
was_not_begun(int call)
{
    return call == CALLS && talk.len == 0 && !talk.is_hung;
}

static void
check_talk(enum tls_ending ending, int call, size_t n, int number, bool is_seen)
{
    if (talk.is_hung || (!is_seen && !was_not_begun(call) &&
                         !tls_is_same(&talk, &undisturbed[ending])))
        fail_talk(ending, call, n, number);
    if (is_seen)
        check_next(ending, call, n, number);
}

/* Each call of a talk, one after the other, with all its numbers. */
static void
torture(const int (*numbers)[NUMBERS], bool is_seen)
{
    size_t before = home_descriptors();
    size_t failed = 0;

    for (int e = 0; e < TLS_ENDINGS; e++) {
        size_t counts[CALLS];

        count_calls((enum tls_ending)e, counts);
        for (int call = 0; call < CALLS; call++)
            for (int k = 0; k < NUMBERS && numbers[call][k] != 0; k++)
                for (size_t n = 1; n <= counts[call]; n++) {
                    run_with_fault((enum tls_ending)e, (enum call)call, n,
                                   numbers[call][k], is_seen);
                    assert_true(atomic_load(&faults.calls[call]) <
                                4 * counts[call] + 100);
                    failed += atomic_load(&faults.failed);
                    check_talk((enum tls_ending)e, call, n, numbers[call][k],
                               is_seen);
                }
    }
    no_faults();
    print_message("# %zu calls failed\n", failed);
    assert_true(failed > 100);
    await_descriptors(before);
}

static void
storm(const int (*numbers)[NUMBERS], bool is_seen)
{
    unsigned rounds = getenv("SKIO_LONG") != NULL ? 5000 : 100;
    size_t before = home_descriptors();
    size_t failed = 0;
    size_t counts[CALLS];

    for (int e = 0; e < TLS_ENDINGS; e++)
        count_calls((enum tls_ending)e, counts);
    for (unsigned seed = 1; seed <= rounds; seed++) {
        enum tls_ending ending = (enum tls_ending)(seed % TLS_ENDINGS);

        fail_some(numbers, seed);
        tls_run(&talk, ending);
        failed += atomic_load(&faults.failed);
        check_talk(ending, CALLS, seed, 0, is_seen);
    }
    no_faults();
    print_message("# %zu calls failed\n", failed);
    assert_true(failed > rounds / 2);
    await_descriptors(before);
}

/* ---- The tests ---- */

static void
calls_that_are_interrupted_or_short_are_seen_by_nobody(void **state)
{
    (void)state;
    torture(harmless, false);
}

static void
call_that_fails_ends_its_connection_at_most(void **state)
{
    (void)state;
    torture(harmful, true);
}

static void
one_call_in_twenty_is_short_and_nobody_sees_it(void **state)
{
    (void)state;
    storm(harmless, false);
}

static void
one_call_in_twenty_fails_and_the_next_client_is_served(void **state)
{
    (void)state;
    storm(harmful, true);
}

/* The server answers with a change of its own, ahead of its next record. */
static void
keys_change_amid_echoes(void **state)
{
    char argument[16];

    (void)state;
    join(0);
    for (int i = 0; i < KEY_UPDATES; i++) {
        assert_int_equal(SSL_key_update(talk.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        for (int n = 0; n < 3; n++) {
            snprintf(argument, sizeof(argument), "%d", 3 * i + n);
            tls_echo(&talk, argument);
            assert_false(talk.is_lost);
            assert_non_null(strstr(tls_text, argument));
        }
    }
    tls_leave(&talk);
}

/* The record that waits for room is of the old key. */
static void
keys_change_while_nobody_reads(void **state)
{
    static char expected[TLS_MESSAGE_LEN + 64];
    char event[40];

    (void)state;
    join(4096);
    snprintf(event, sizeof(event), "42[\"much\",%d]", TLS_MESSAGES);
    tls_say(&talk, 0x81, event);
    home_pause(100);
    for (int i = 0; i < KEY_UPDATES; i++) {
        assert_int_equal(SSL_key_update(talk.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        snprintf(event, sizeof(event), "42[\"echo\",%d]", i);
        tls_say(&talk, 0x81, event);
        home_pause(5);
    }
    for (int n = 0; n < TLS_MESSAGES; n++) {
        talk.len = 0;
        assert_int_equal(tls_hear_frame(&talk), 0x81);
        snprintf(expected, sizeof(expected), "42[\"n\",%d,\"%s\"]", n,
                 tls_message);
        assert_string_equal(tls_text, expected);
    }
    for (int i = 0; i < KEY_UPDATES; i++) {
        assert_int_equal(tls_hear_frame(&talk), 0x81);
        snprintf(event, sizeof(event), "42[\"echo\",%d]", i);
        assert_string_equal(tls_text, event);
    }
    tls_leave(&talk);
}

static int
start(void **state)
{
    (void)state;
    is_client = true;
    no_faults();
    home_limit_descriptors(256);
    return tls_start();
}

static int
stop(void **state)
{
    (void)state;
    return tls_stop();
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
        cmocka_unit_test(keys_change_amid_echoes),
        cmocka_unit_test(keys_change_while_nobody_reads),
    };

    return cmocka_run_group_tests_name("system calls, TLS", tests, start, stop);
}
