/*
 * System calls that fail, over TLS: those of a poll's connection, and of a
 * tunnel's, with libwebsockets at its other end. Each fails once, with each
 * number that it may fail with
 *
 * The calls are this program's own, which OpenSSL and libwebsockets find before
 * those of libc. Those of the client do not fail. What may happen to any call
 * on a healthy connection no client may see; what ends a connection ends that
 * one alone. threats/test_syscalls_tls is about WebSockets.
 */
#define _GNU_SOURCE /* RTLD_NEXT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "threats/home.h"
#include "transport/secure.h"

#define SHORT (-1) /* in place of an error: one byte is all that goes */
#define NUMBERS 6

enum call { CALL_READ, CALL_WRITE, CALL_RECV, CALL_SEND, CALLS };

static const char *const names[CALLS] = {"read", "write", "recv", "send"};

static struct secure_host host;
static struct secure_client client;
static _Thread_local bool is_client;
static atomic_int call_to_fail = CALLS; /* CALLS: none */
static atomic_long left;                /* until it fails */
static atomic_int number;               /* with this; SHORT */
static atomic_long calls[CALLS];
static atomic_long failed;

/* Returns 0, SHORT, or the number that this call is to fail with. */
static int
fault(enum call call, int fd)
{
    struct stat st;

    if (is_client || fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
        return 0;
    atomic_fetch_add(&calls[call], 1);
    if (atomic_load(&call_to_fail) != (int)call ||
        atomic_fetch_sub(&left, 1) != 1)
        return 0;
    atomic_fetch_add(&failed, 1);
    if (atomic_load(&number) > 0)
        errno = atomic_load(&number);
    return atomic_load(&number);
}

static void
find(const char *name, void *function, size_t size)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (found == NULL || size != sizeof(found))
        abort();
    memcpy(function, &found, size);
}

ssize_t
read(int fd, void *data, size_t len)
{
    ssize_t (*real)(int, void *, size_t);
    int fails = fault(CALL_READ, fd);

    find("read", &real, sizeof(real));
    return fails > 0 ? -1 : real(fd, data, fails == SHORT && len > 1 ? 1 : len);
}

ssize_t
write(int fd, const void *data, size_t len)
{
    ssize_t (*real)(int, const void *, size_t);
    int fails = fault(CALL_WRITE, fd);

    find("write", &real, sizeof(real));
    return fails > 0 ? -1 : real(fd, data, fails == SHORT && len > 1 ? 1 : len);
}

ssize_t
recv(int fd, void *data, size_t len, int flags)
{
    ssize_t (*real)(int, void *, size_t, int);
    int fails = fault(CALL_RECV, fd);

    find("recv", &real, sizeof(real));
    return fails > 0
               ? -1
               : real(fd, data, fails == SHORT && len > 1 ? 1 : len, flags);
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int);
    int fails = fault(CALL_SEND, fd);

    find("send", &real, sizeof(real));
    return fails > 0
               ? -1
               : real(fd, data, fails == SHORT && len > 1 ? 1 : len, flags);
}

/* On a healthy connection. */
static const int harmless[CALLS][NUMBERS] = {
    [CALL_READ] = {EINTR, EAGAIN, SHORT},
    [CALL_WRITE] = {EINTR, EAGAIN, SHORT},
    [CALL_RECV] = {EINTR, EAGAIN, SHORT},
    [CALL_SEND] = {EINTR, EAGAIN, SHORT},
};

/* What ends one. */
static const int harmful[CALLS][NUMBERS] = {
    [CALL_READ] = {ECONNRESET, ETIMEDOUT, ENOMEM, EIO},
    [CALL_WRITE] = {EPIPE, ECONNRESET, ENOBUFS, EIO},
    [CALL_RECV] = {ECONNRESET, ENOMEM, EIO},
    [CALL_SEND] = {EPIPE, ECONNRESET, ENOBUFS},
};

/* ---- Talks ---- */

struct talk {
    size_t len;    /* of what was heard: ids and dates are as long each time */
    bool was_told; /* that nothing follows */
};

static void
end(struct talk *talk)
{
    talk->len += secure_read_all(&client);
    talk->was_told = secure_was_told(&client);
}

/* In two records, the second head in three. */
static void
talk_by_polls(struct talk *talk)
{
    static const char start[] = SECURE_POLL "\r\nGET /socket.io/?EIO";

    secure_say(&client, start);
    home_pause(5);
    secure_say(&client, "=4&transport=polling HTTP/1.1\r\n");
    home_pause(5);
    secure_say(&client, "Host: x\r\nConnection: close\r\n\r\n");
    end(talk);
}

static void
talk_by_tunnel(struct talk *talk)
{
    static char body[40000];
    static const char head[] = "POST /upload HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 40000\r\n\r\n";

    secure_say(&client, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    talk->len += secure_read_some(&client, secure_out, sizeof(secure_out));
    secure_say(&client, head);
    memset(body, 'x', sizeof(body));
    secure_send(&client, body, sizeof(body));
    secure_say(&client, SECURE_POLL SECURE_ODD "Connection: close\r\n\r\n");
    end(talk);
}

static struct talk
run(void (*talk_on)(struct talk *))
{
    struct talk talk = {.len = 0};

    secure_reach(&host, &client, 0);
    if (secure_shake(&client, 0)) {
        secure_flush(&client, SIZE_MAX);
        talk_on(&talk);
    }
    secure_leave(&client);
    return talk;
}

static void
check(const struct talk *talk, const struct talk *expected, int call, long n)
{
    if (talk->len != expected->len || talk->was_told != expected->was_told)
        fail_msg("%s %ld fails with %s: %zu of %zu bytes%s", names[call], n,
                 atomic_load(&number) == SHORT ? "less"
                                               : strerror(atomic_load(&number)),
                 talk->len, expected->len,
                 talk->was_told ? "" : ", and no end");
}

static void
torture(void (*talk_on)(struct talk *), const int (*numbers)[NUMBERS],
        bool is_seen)
{
    struct talk expected, talk;
    long counts[CALLS];
    size_t before;

    secure_start(&host);
    (void)run(talk_on); /* warms up */
    home_pause(50);
    before = home_descriptors();
    for (int call = 0; call < CALLS; call++)
        atomic_store(&calls[call], 0);
    expected = run(talk_on);
    assert_true(expected.len > 400 && expected.was_told);
    for (int call = 0; call < CALLS; call++)
        counts[call] = atomic_load(&calls[call]);
    atomic_store(&failed, 0);
    for (int call = 0; call < CALLS; call++)
        for (int k = 0; k < NUMBERS && numbers[call][k] != 0; k++)
            for (long n = 1; n <= counts[call]; n++) {
                atomic_store(&number, numbers[call][k]);
                atomic_store(&left, n);
                atomic_store(&call_to_fail, call);
                talk = run(talk_on);
                atomic_store(&call_to_fail, CALLS);
                if (is_seen)
                    talk = run(talk_on);
                check(&talk, &expected, call, n);
            }
    print_message("# %ld calls failed\n", atomic_load(&failed));
    assert_true(atomic_load(&failed) > 10);
    secure_await_descriptors(before);
    secure_stop(&host);
}

static void
calls_of_polls_that_are_interrupted_or_short_are_seen_by_nobody(void **state)
{
    (void)state;
    torture(talk_by_polls, harmless, false);
}

static void
calls_of_tunnels_that_are_interrupted_or_short_are_seen_by_nobody(void **state)
{
    (void)state;
    torture(talk_by_tunnel, harmless, false);
}

static void
call_of_polls_that_fails_ends_its_connection_at_most(void **state)
{
    (void)state;
    torture(talk_by_polls, harmful, true);
}

static void
call_of_tunnels_that_fails_ends_its_connection_at_most(void **state)
{
    (void)state;
    torture(talk_by_tunnel, harmful, true);
}

static int
setup(void **state)
{
    is_client = true;
    return secure_setup(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            calls_of_polls_that_are_interrupted_or_short_are_seen_by_nobody),
        cmocka_unit_test(
            calls_of_tunnels_that_are_interrupted_or_short_are_seen_by_nobody),
        cmocka_unit_test(call_of_polls_that_fails_ends_its_connection_at_most),
        cmocka_unit_test(
            call_of_tunnels_that_fails_ends_its_connection_at_most),
    };

    return cmocka_run_group_tests_name("calls, TLS", tests, setup,
                                       secure_cleanup);
}
