/*
 * What adapters borrow: timers, watched descriptors, names
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include <socketio/loop.h>
#include <socketio/lws.h>
#include <socketio/socketio.h>

#define BYTES 100

static skio_server *server;
static skio_timer *late; /* ends a test that hangs */
static char told[256];

static void
tell(const char *what)
{
    strncat(told, what, sizeof told - strlen(told) - 1);
}

static void
stop_hanging(void *user)
{
    (void)user;
    tell("late ");
    skio_server_stop(server);
}

static int
begin(void **state)
{
    (void)state;
    told[0] = '\0';
    if (skio_server_new(&server, NULL) != SKIO_OK ||
        skio_listen(server, "127.0.0.1", 0) != SKIO_OK)
        return -1;
    late = skio_timer_new(server, stop_hanging, NULL);
    return late == NULL ? -1 : skio_timer_set(late, 10000);
}

static int
end(void **state)
{
    (void)state;
    skio_timer_free(late);
    skio_server_free(server);
    return 0;
}

static void
run(void)
{
    assert_int_equal(skio_run(server), SKIO_OK);
}

/* ---- Timers ---- */

static skio_timer *timers[3];

static void
on_first(void *user)
{
    tell(user);
    /* The other one that is due now is not run any more. */
    skio_timer_stop(timers[1]);
}

static void
on_last(void *user)
{
    tell(user);
    skio_server_stop(server);
}

static void
timers_run_once_in_the_order_of_their_time(void **state)
{
    uint64_t before = skio_loop_now(server);

    (void)state;
    timers[0] = skio_timer_new(server, on_first, "first ");
    timers[1] = skio_timer_new(server, on_last, "stopped ");
    timers[2] = skio_timer_new(server, on_last, "last ");
    assert_false(skio_timer_is_set(timers[0]));
    assert_int_equal(skio_timer_set(timers[2], 30), SKIO_OK);
    assert_int_equal(skio_timer_set(timers[0], 5000), SKIO_OK);
    assert_int_equal(skio_timer_set(timers[0], 10), SKIO_OK);
    assert_int_equal(skio_timer_set(timers[1], 10), SKIO_OK);
    assert_true(skio_timer_is_set(timers[0]));
    run();
    assert_string_equal(told, "first last ");
    assert_true(skio_loop_now(server) - before >= 30);
    assert_false(skio_timer_is_set(timers[1]));
    for (int i = 0; i < 3; i++)
        skio_timer_free(timers[i]);
}

static size_t rounds;

static void
again(void *user)
{
    skio_timer **timer = user;

    if (++rounds == 1000) {
        skio_timer_free(*timer);
        skio_server_stop(server);
        return;
    }
    assert_int_equal(skio_timer_set(*timer, 0), SKIO_OK);
}

static void
one_that_is_set_again_for_now_lets_the_loop_go_on(void **state)
{
    (void)state;
    rounds = 0;
    timers[0] = skio_timer_new(server, again, &timers[0]);
    assert_int_equal(skio_timer_set(timers[0], 0), SKIO_OK);
    run();
    assert_int_equal(rounds, 1000);
}

/* ---- Descriptors ---- */

static int pair[2];
static skio_watch *watches[2];
static size_t sent;
static size_t received;

static void
on_readable(unsigned ready, void *user)
{
    char byte;

    (void)user;
    assert_int_equal(ready, SKIO_READABLE);
    if (read(pair[0], &byte, 1) == 1) {
        received++;
        return;
    }
    /* the other end was closed: that is readable, too */
    skio_watch_free(watches[0]);
    watches[0] = NULL;
    skio_server_stop(server);
}

static void
on_writable(unsigned ready, void *user)
{
    (void)user;
    assert_int_equal(ready, SKIO_WRITABLE);
    assert_int_equal(write(pair[1], "x", 1), 1);
    if (++sent < BYTES)
        return;
    skio_watch_set(watches[1], 0);
    skio_watch_free(watches[1]);
    close(pair[1]);
}

static void
open_pair(void)
{
    sent = received = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
                     0);
}

static void
watch_both(skio_server *given, void *user)
{
    (void)user;
    assert_int_equal(skio_watch_new(given, pair[0], SKIO_READABLE, on_readable,
                                    NULL, &watches[0]),
                     SKIO_OK);
    assert_int_equal(skio_watch_new(given, pair[1], 0, on_writable, NULL,
                                    &watches[1]),
                     SKIO_OK);
    skio_watch_set(watches[1], SKIO_WRITABLE);
}

static void
descriptors_are_watched_until_they_are_not(void **state)
{
    (void)state;
    open_pair();
    watch_both(server, NULL);
    run();
    assert_int_equal(received, BYTES);
    assert_string_equal(told, "");
    close(pair[0]);
}

static int turns;
static int times_told;

static void
on_turn(void *user)
{
    (void)user;
    if (++turns == 200)
        skio_server_stop(server);
    else
        assert_int_equal(skio_timer_set(timers[0], 0), SKIO_OK);
}

static void
on_always(unsigned ready, void *user)
{
    (void)user;
    assert_int_equal(ready, SKIO_READABLE);
    times_told++;
}

/* Who stays ready on purpose, to read on later, leaves the loop to others. */
static void
one_that_stays_ready_is_told_once_a_turn(void **state)
{
    skio_watch *always[2];
    int pipes[2][2];

    (void)state;
    turns = times_told = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(pipes[i]), 0);
        assert_int_equal(write(pipes[i][1], "x", 1), 1);
        assert_int_equal(skio_watch_new(server, pipes[i][0], SKIO_READABLE,
                                        on_always, NULL, &always[i]),
                         SKIO_OK);
    }
    timers[0] = skio_timer_new(server, on_turn, NULL);
    assert_int_equal(skio_timer_set(timers[0], 0), SKIO_OK);
    run();
    assert_int_equal(turns, 200);
    assert_true(times_told >= 200);
    assert_true(times_told <= 4 * 200);
    for (int i = 0; i < 2; i++) {
        skio_watch_free(always[i]);
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    skio_timer_free(timers[0]);
}

static void
no_descriptor_is_no_watch(void **state)
{
    skio_watch *watch;

    (void)state;
    assert_int_equal(skio_watch_new(server, 9999, SKIO_READABLE, on_readable,
                                    NULL, &watch),
                     SKIO_EIO);
}

static void
never(int err, const skio_address *addresses, size_t count, void *user)
{
    (void)err;
    (void)addresses;
    (void)count;
    (void)user;
    fail();
}

static void
a_server_without_a_transport_says_when_it_has_one(void **state)
{
    skio_server *bare;
    skio_watch *watch;
    skio_resolve *resolve;

    (void)state;
    open_pair();
    assert_int_equal(skio_server_new(&bare, NULL), SKIO_OK);
    assert_int_equal(skio_watch_new(bare, pair[0], SKIO_READABLE, on_readable,
                                    NULL, &watch),
                     SKIO_ENOTSUP);
    assert_int_equal(skio_resolve_new(bare, "localhost", 1, never, NULL,
                                      &resolve),
                     SKIO_ENOTSUP);
    assert_int_equal(skio_loop_ready(bare, watch_both, NULL), SKIO_OK);
    assert_int_equal(skio_loop_ready(bare, watch_both, told), SKIO_OK);
    skio_loop_forget(bare, told);
    watches[0] = NULL;
    assert_int_equal(skio_listen(bare, "127.0.0.1", 0), SKIO_OK);
    assert_non_null(watches[0]);

    skio_timer_free(late);
    skio_server_free(server);
    server = bare;
    late = skio_timer_new(server, stop_hanging, NULL);
    assert_int_equal(skio_timer_set(late, 10000), SKIO_OK);
    run();
    assert_int_equal(received, BYTES);
    close(pair[0]);
}

/* ---- Names ---- */

static size_t answers;

static void
on_addresses(int err, const skio_address *addresses, size_t count, void *user)
{
    const struct sockaddr *address = (const void *)addresses[0].data;

    assert_int_equal(err, SKIO_OK);
    assert_true(count >= 1);
    assert_int_equal(address->sa_family, addresses[0].family);
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;

        assert_int_equal(addresses[0].len, sizeof *v4);
        assert_int_equal(ntohs(v4->sin_port), 6379);
        assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
    }
    tell(user);
    if (++answers == 2)
        skio_server_stop(server);
}

static void
on_nothing(int err, const skio_address *addresses, size_t count, void *user)
{
    (void)addresses;
    (void)user;
    assert_int_equal(count, 0);
    assert_true(err == SKIO_ENOENT || err == SKIO_EIO);
    skio_server_stop(server);
}

static void
names_and_addresses_are_resolved(void **state)
{
    skio_resolve *resolve;

    (void)state;
    answers = 0;
    assert_int_equal(skio_resolve_new(server, "127.0.0.1", 6379, on_addresses,
                                      "address ", &resolve),
                     SKIO_OK);
    assert_string_equal(told, "");
    assert_int_equal(skio_resolve_new(server, "localhost", 6379, on_addresses,
                                      "name ", &resolve),
                     SKIO_OK);
    assert_int_equal(skio_resolve_new(server, "localhost", 1, never, NULL,
                                      &resolve),
                     SKIO_OK);
    skio_resolve_cancel(resolve);
    run();
    assert_non_null(strstr(told, "address "));
    assert_non_null(strstr(told, "name "));
}

static void
unknown_names_are_told(void **state)
{
    skio_resolve *resolve;
    char longest[300];

    (void)state;
    memset(longest, 'a', sizeof longest);
    longest[256] = '\0';
    assert_int_equal(skio_resolve_new(server, longest, 1, never, NULL,
                                      &resolve),
                     SKIO_ENOENT);
    longest[255] = '\0';
    assert_int_equal(skio_resolve_new(server, longest, 1, on_nothing, NULL,
                                      &resolve),
                     SKIO_OK);
    run();
}

static void
a_server_that_is_freed_leaves_its_questions(void **state)
{
    skio_resolve *resolve;

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(skio_resolve_new(server, "localhost", 1, never, NULL,
                                          &resolve),
                         SKIO_OK);
}

/* ---- Inside a host's context ---- */

static int
host_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
              void *in, size_t len)
{
    return lws_callback_http_dummy(wsi, reason, user, in, len);
}

static void
a_hosts_context_watches_as_well(void **state)
{
    struct lws_protocols protocols[3] = {
        {.name = "http", .callback = host_callback}};
    struct lws_context_creation_info info = {0};
    struct lws_context *context;
    skio_server *guest;

    (void)state;
    open_pair();
    answers = 1;
    assert_int_equal(skio_server_new(&guest, NULL), SKIO_OK);
    assert_int_equal(skio_lws_protocol(guest, &protocols[1]), SKIO_OK);
    skio_lws_context_info(&info);
    lws_set_log_level(0, NULL);
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = protocols;
    info.gid = -1;
    info.uid = -1;
    watch_both(guest, NULL);
    context = lws_create_context(&info);
    assert_non_null(context);
    for (int i = 0; i < 1000 && watches[0] != NULL; i++)
        lws_service(context, 0);
    assert_int_equal(received, BYTES);
    assert_null(watches[0]);
    lws_context_destroy(context);
    skio_server_free(guest);
    close(pair[0]);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(timers_run_once_in_the_order_of_their_time),
        TEST(one_that_is_set_again_for_now_lets_the_loop_go_on),
        TEST(descriptors_are_watched_until_they_are_not),
        TEST(one_that_stays_ready_is_told_once_a_turn),
        TEST(no_descriptor_is_no_watch),
        TEST(a_server_without_a_transport_says_when_it_has_one),
        TEST(names_and_addresses_are_resolved),
        TEST(unknown_names_are_told),
        TEST(a_server_that_is_freed_leaves_its_questions),
        TEST(a_hosts_context_watches_as_well),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
