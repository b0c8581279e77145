/*
 * Metrics: options, Redis, and memory that fails; the counters are proved by
 * tests/interop/test_metrics.mjs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/metrics.h>
#include <socketio/redis.h>
#include <socketio/socketio.h>

#include "threats/home.h"
#include "unit/alloc.h"

static char out[65536];
static skio_metrics *last_metrics;
static skio_server *last_server;
static struct test_alloc alloc;

static void
serve(skio_server *server)
{
    last_server = server;
    assert_int_equal(skio_metrics_serve(server, NULL, &last_metrics), SKIO_OK);
}

static int
ask(const struct home *home, const char *path)
{
    char request[256];

    (void)snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                   path);
    home_ask(home, request, out, sizeof(out));
    return (int)strtol(out + sizeof("HTTP/1.1"), NULL, 10);
}

static void
redis_is_told_once_something_was_heard_of_it(void **state)
{
    const skio_redis_event down = {.state = SKIO_REDIS_DOWN,
                                   .err = SKIO_ECLOSED};
    const skio_redis_event up = {.state = SKIO_REDIS_UP,
                                 .gap_ms = 1500,
                                 .dropped = 3};
    struct home *home = home_start_with(HOME_OWN, NULL, serve);

    (void)state;
    assert_int_equal(ask(home, "/metrics"), 200);
    assert_null(strstr(out, "redis"));
    home_stop(home);

    home = home_start_with(HOME_OWN, NULL, serve);
    /* Nobody asks yet, so nothing else uses it. */
    skio_metrics_redis_event(last_server, &up, last_metrics);
    skio_metrics_redis_event(last_server, &down, last_metrics);
    skio_metrics_redis_event(last_server, &up, last_metrics);
    assert_int_equal(ask(home, "/metrics"), 200);
    assert_non_null(strstr(out, "\nsocket_io_redis_up 1\n"));
    assert_non_null(strstr(out, "\nsocket_io_redis_connects_total 2\n"));
    assert_non_null(strstr(out, "\nsocket_io_redis_gap_seconds_total 3\n"));
    assert_non_null(strstr(out, "\nsocket_io_redis_dropped_total 6\n"));
    home_stop(home);
}

/* Memory that is short for pages of metrics, and for nothing else here. */
static atomic_bool is_short;

static void *
short_malloc(size_t size, void *user)
{
    (void)user;
    return size == 4096 && atomic_load(&is_short) ? NULL : malloc(size);
}

static void *
short_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    return realloc(ptr, size);
}

static void
short_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

static void
with_short_memory(skio_server_options *options)
{
    options->allocator =
        (skio_allocator){short_malloc, short_realloc, short_free, NULL};
}

static void
page_that_finds_no_memory_is_answered_500(void **state)
{
    struct home *home = home_start_with(HOME_OWN, with_short_memory, serve);

    (void)state;
    assert_int_equal(ask(home, "/metrics"), 200);
    atomic_store(&is_short, true);
    assert_int_equal(ask(home, "/metrics"), 500);
    assert_null(strstr(out, "socket_io"));
    atomic_store(&is_short, false);
    assert_int_equal(ask(home, "/metrics"), 200);
    assert_true(home_is_well(home));
    home_stop(home);
}

static int
try(const skio_metrics_options *options)
{
    skio_server *server;
    int err;

    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    err = skio_metrics_serve(server, options, NULL);
    skio_server_free(server);
    return err;
}

static void
options_are_checked_at_their_limits(void **state)
{
    char token[1026];
    skio_metrics_options options;

    (void)state;
    skio_metrics_options_init(&options);
    assert_string_equal(options.path, "/metrics");
    assert_int_equal(options.max_events, 500);
    assert_int_equal(options.max_namespaces, 100);
    assert_int_equal(try(&options), SKIO_OK);
    options.path = "metrics";
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.path = NULL;
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.path = "/m";

    memset(token, 't', sizeof token);
    token[1024] = '\0';
    options.token = token;
    assert_int_equal(try(&options), SKIO_OK);
    token[1024] = 't';
    token[1025] = '\0';
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.token = "";
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.token = "a b";
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.token = NULL;

    options.max_events = 0;
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.max_events = 100001;
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.max_events = 100000;
    assert_int_equal(try(&options), SKIO_OK);
    options.max_namespaces = 0;
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.max_namespaces = 10001;
    assert_int_equal(try(&options), SKIO_EINVAL);
    options.max_namespaces = 10000;
    assert_int_equal(try(&options), SKIO_OK);
}

static void
path_is_served_once(void **state)
{
    skio_server *server;

    (void)state;
    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    assert_int_equal(skio_metrics_serve(server, NULL, NULL), SKIO_OK);
    assert_int_equal(skio_metrics_serve(server, NULL, NULL), SKIO_EBUSY);
    skio_server_free(server);
}

/* Every allocation of the call fails once: nothing is left. */
static void
serving_needs_all_of_its_memory(void **state)
{
    static const char *const events[] = {"a", "b", NULL};
    skio_metrics_options options;
    int err = SKIO_ENOMEM;

    (void)state;
    skio_metrics_options_init(&options);
    options.events = events;
    options.token = "secret";
    for (size_t n = 1; err != SKIO_OK && n < 1000; n++) {
        skio_server_options server_options;
        skio_server *server;

        test_alloc_init(&alloc);
        skio_server_options_init(&server_options);
        server_options.allocator = alloc.allocator;
        assert_int_equal(skio_server_new(&server, &server_options), SKIO_OK);
        test_alloc_fail(&alloc, n);
        err = skio_metrics_serve(server, &options, NULL);
        assert_true(err == SKIO_OK || err == SKIO_ENOMEM);
        alloc.fail_in = 0;
        skio_server_free(server);
        assert_int_equal(alloc.live, 0);
    }
    assert_int_equal(err, SKIO_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_is_told_once_something_was_heard_of_it),
        cmocka_unit_test(page_that_finds_no_memory_is_answered_500),
        cmocka_unit_test(options_are_checked_at_their_limits),
        cmocka_unit_test(path_is_served_once),
        cmocka_unit_test(serving_needs_all_of_its_memory),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
