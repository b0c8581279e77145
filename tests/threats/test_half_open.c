/*
 * Connections that say nothing: how many of an address, and of all, are kept
 *
 * They are counted before a byte of them is read. Who comes too many is closed
 * without an answer.
 */
#define _GNU_SOURCE /* RLIMIT_NOFILE */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <socketio/engine.h>

#include "threats/home.h"

#define MOST 5
#define USUAL 600 /* of an address, with the defaults */
#define COSTED 510
#define DESCRIPTORS (2 * USUAL + 100) /* both ends are here */

static char out[4096];
static skio_server *served;
static uint64_t limits_hit;

/* Whether the server has ended it, or does so while we wait a little. */
static bool
is_ended(int fd, int wait_ms)
{
    struct pollfd waits = {.fd = fd, .events = POLLIN};
    char byte;
    ssize_t got;

    if (poll(&waits, 1, wait_ms) != 1)
        return false;
    got = recv(fd, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* They come in this order, so who came last is judged last. */
static void
dial_silent(const struct home *home, unsigned host, int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fds[i] = home_dial_from(home, host);
}

static void
close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static bool
answers(int fd)
{
    home_say(fd, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
                 "Host: x\r\n\r\n");
    return home_read(fd, out, sizeof out, "\"sid\"", NULL) > 0;
}

/* Nothing is left of those that have gone. */
static void
expect_blocks(const struct home *home, size_t before)
{
    for (int i = 0; i < 100 && home_blocks(home) > before; i++)
        home_pause(20);
    assert_int_equal(home_blocks(home), before);
}

static void
read_counters(skio_server *server, void *user)
{
    skio_counters counters = {.struct_size = sizeof counters};

    (void)user;
    skio_server_counters(server, &counters);
    __atomic_store_n(&limits_hit, counters.limits_hit + 1, __ATOMIC_RELEASE);
}

/* How many were stopped by a limit. */
static uint64_t
count_stopped(void)
{
    __atomic_store_n(&limits_hit, 0, __ATOMIC_RELEASE);
    assert_int_equal(skio_server_post(served, read_counters, NULL), SKIO_OK);
    for (int i = 0; i < 150; i++) {
        uint64_t hit = __atomic_load_n(&limits_hit, __ATOMIC_ACQUIRE);

        if (hit > 0)
            return hit - 1;
        home_pause(20);
    }
    fail_msg("the server does not answer");
    return 0;
}

static void
remember(skio_server *server)
{
    served = server;
}

/* ---- Of an address ---- */

static void
few_of_an_address(skio_server_options *options)
{
    options->max_tcp_connections_per_address = MOST;
}

static void
address_has_its_most_of_silent_connections_and_no_more(void **state)
{
    struct home *home = home_start_with(HOME_OWN, few_of_an_address, remember);
    int fds[MOST], other, more;

    (void)state;
    dial_silent(home, 1, fds, MOST);
    more = home_dial_from(home, 1);
    other = home_dial_from(home, 2);
    assert_true(is_ended(more, 3000));
    assert_int_equal(count_stopped(), 1);
    assert_true(answers(other));
    for (int i = 0; i < MOST; i++)
        assert_false(is_ended(fds[i], 10));
    assert_true(answers(fds[MOST - 1]));

    close(fds[0]); /* one goes, another comes */
    close(more);
    home_pause(100);
    fds[0] = home_dial_from(home, 1);
    more = home_dial_from(home, 1);
    assert_true(is_ended(more, 3000));
    assert_true(answers(fds[0]));
    close(more);
    close(other);
    close_all(fds, MOST);
    home_stop(home);
}

static void
refused_connections_leave_nothing(void **state)
{
    struct home *home = home_start_with(HOME_OWN, few_of_an_address, NULL);
    int fds[MOST];
    size_t before, descriptors;

    (void)state;
    dial_silent(home, 1, fds, MOST); /* what is made once is made now */
    close_all(fds, MOST);
    home_pause(200);
    before = home_blocks(home);
    descriptors = home_descriptors();

    dial_silent(home, 1, fds, MOST);
    for (int i = 0; i < 200; i++) {
        int more = home_dial_from(home, 1);

        assert_true(is_ended(more, 3000));
        close(more);
    }
    close_all(fds, MOST);
    expect_blocks(home, before);
    assert_int_equal(home_descriptors(), descriptors);
    home_stop(home);
}

/* A WebSocket and a request that waits are connections as well. */
static void
connections_in_use_count_with_the_silent(void **state)
{
    struct home *home = home_start_with(HOME_OWN, few_of_an_address, NULL);
    int ws[2] = {home_websocket(home), home_websocket(home)};
    int fds[MOST - 2], more;

    (void)state;
    dial_silent(home, 1, fds, MOST - 2);
    more = home_dial_from(home, 1);
    assert_true(is_ended(more, 3000));
    close(more);
    close(ws[0]);
    home_pause(100);
    more = home_dial_from(home, 1);
    assert_true(answers(more));
    close(more);
    close(ws[1]);
    close_all(fds, MOST - 2);
    home_stop(home);
}

/* home.h raises the limit that this one follows. */
static void
usual(skio_server_options *options)
{
    skio_server_options defaults;

    skio_server_options_init(&defaults);
    options->max_connections_per_address = defaults.max_connections_per_address;
}

static void
by_default_an_address_has_600_connections(void **state)
{
    static int fds[USUAL];
    struct home *home;
    struct rlimit limit;
    int more;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur =
        limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    home = home_start_with(HOME_OWN, usual, NULL);
    dial_silent(home, 1, fds, USUAL);
    more = home_dial_from(home, 1);
    assert_true(is_ended(more, 3000));
    assert_true(answers(fds[USUAL - 1]));
    close(more);
    close_all(fds, USUAL);
    home_stop(home);
}

/* ---- What they cost ---- */

static void
many_of_an_address(skio_server_options *options)
{
    options->max_tcp_connections_per_address = USUAL;
}

static void
measure(const char *text, size_t most)
{
    static int fds[COSTED];
    struct home *home = home_start_with(HOME_OWN, many_of_an_address, NULL);
    size_t before, cost;

    dial_silent(home, 1, fds, 10); /* what is made once is made now */
    for (int i = 0; i < 10; i++)
        home_say(fds[i], text);
    home_pause(100);
    before = home_heap();
    dial_silent(home, 1, fds + 10, COSTED - 10);
    for (int i = 10; i < COSTED; i++)
        home_say(fds[i], text);
    home_pause(300);
    cost = (home_heap() - before) / (COSTED - 10);
    assert_true(cost <= most);
    close_all(fds, COSTED);
    home_stop(home);
}

static void
silent_connections_cost_little(void **state)
{
    (void)state;
    measure("", 512);
}

/* Those have a table of libwebsockets for their headers. */
static void
unfinished_requests_cost_20_kib_at_most(void **state)
{
    (void)state;
    measure("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: ",
            20480);
}

/* ---- Who is not counted ---- */

static void
few_and_a_proxy(skio_server_options *options)
{
    few_of_an_address(options);
    options->trusted_proxies = "127.0.0.7";
}

static void
trusted_proxies_connections_are_not_counted(void **state)
{
    struct home *home = home_start_with(HOME_OWN, few_and_a_proxy, NULL);
    int fds[MOST + 3], others[MOST], more;

    (void)state;
    dial_silent(home, 7, fds, MOST + 3);
    dial_silent(home, 8, others, MOST);
    more = home_dial_from(home, 8);
    assert_true(is_ended(more, 3000));
    for (int i = 0; i < MOST + 3; i++)
        assert_false(is_ended(fds[i], 1));
    assert_true(answers(fds[MOST + 2]));
    close(more);
    close_all(fds, MOST + 3);
    close_all(others, MOST);
    home_stop(home);
}

static void
few_and_a_prefaced_proxy(skio_server_options *options)
{
    few_of_an_address(options);
    options->trusted_proxies = "127.0.0.7";
    options->proxy_protocol = true;
}

/* With the PROXY protocol it is known before a request for whom it speaks. */
static void
clients_that_a_proxy_names_are_counted(void **state)
{
    struct home *home =
        home_start_with(HOME_OWN, few_and_a_prefaced_proxy, NULL);
    int fds[MOST], other, more;

    (void)state;
    dial_silent(home, 7, fds, MOST);
    for (int i = 0; i < MOST; i++)
        home_say(fds[i], "PROXY TCP4 192.0.2.1 192.0.2.9 1000 80\r\n");
    home_pause(100);
    more = home_dial_from(home, 7);
    home_say(more, "PROXY TCP4 192.0.2.1 192.0.2.9 1000 80\r\n");
    assert_true(is_ended(more, 3000));
    other = home_dial_from(home, 7);
    home_say(other, "PROXY TCP4 192.0.2.2 192.0.2.9 1000 80\r\n");
    assert_true(answers(other));
    close(more);
    close(other);
    close_all(fds, MOST);
    home_stop(home);
}

static char name[64];

static void
listen_locally(skio_server *server)
{
    snprintf(name, sizeof name, "@libsocketio-half-open-%ld", (long)getpid());
    assert_int_equal(skio_listen_unix(server, name, 0600), SKIO_OK);
}

static int
dial_unix(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(to.sun_path, name, len);
    to.sun_path[0] = '\0';
    len += offsetof(struct sockaddr_un, sun_path);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, (socklen_t)len), 0);
    return fd;
}

static void
unix_sockets_are_counted_among_all_alone(void **state)
{
    struct home *home =
        home_start_with(HOME_OWN, few_of_an_address, listen_locally);
    int fds[MOST + 3];

    (void)state;
    for (int i = 0; i < MOST + 3; i++)
        fds[i] = dial_unix();
    for (int i = 0; i < MOST + 3; i++)
        assert_false(is_ended(fds[i], 10));
    close_all(fds, MOST + 3);
    home_stop(home);
}

/* ---- Of all ---- */

static void
few_of_all(skio_server_options *options)
{
    options->max_tcp_connections = MOST;
}

static void
all_have_their_most_of_connections_and_no_more(void **state)
{
    struct home *home = home_start_with(HOME_OWN, few_of_all, remember);
    int fds[MOST], more;

    (void)state;
    for (unsigned i = 0; i < MOST; i++)
        fds[i] = home_dial_from(home, i + 1);
    more = home_dial_from(home, MOST + 1);
    assert_true(is_ended(more, 3000));
    assert_int_equal(count_stopped(), 1);
    close(more);
    close(fds[0]);
    home_pause(100);
    more = home_dial_from(home, MOST + 1);
    assert_true(answers(more));
    for (int i = 1; i < MOST; i++)
        assert_false(is_ended(fds[i], 10));
    close(more);
    close_all(fds + 1, MOST - 1);
    home_stop(home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            address_has_its_most_of_silent_connections_and_no_more),
        cmocka_unit_test(refused_connections_leave_nothing),
        cmocka_unit_test(connections_in_use_count_with_the_silent),
        cmocka_unit_test(by_default_an_address_has_600_connections),
        cmocka_unit_test(silent_connections_cost_little),
        cmocka_unit_test(unfinished_requests_cost_20_kib_at_most),
        cmocka_unit_test(trusted_proxies_connections_are_not_counted),
        cmocka_unit_test(clients_that_a_proxy_names_are_counted),
        cmocka_unit_test(unix_sockets_are_counted_among_all_alone),
        cmocka_unit_test(all_have_their_most_of_connections_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
