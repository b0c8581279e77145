/*
 * What other threads may call: posting and stopping, while clients are served.
 * Under ThreadSanitizer it shows that nothing else is shared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <socketio/socketio.h>

#define THREADS 4
#define CALLS 5000

static skio_server *server;
static size_t ran;     /* on the loop thread */
static size_t without; /* with no server */
static atomic_size_t posted;
static int result;

static void
count(skio_server *given, void *arg)
{
    (void)arg;
    if (given != NULL)
        ran++;
    else
        without++;
}

static void *
run(void *arg)
{
    (void)arg;
    result = skio_run(server);
    return NULL;
}

static void *
post_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < CALLS; i++) {
        int err = skio_server_post(server, count, NULL);

        if (err == SKIO_OK)
            atomic_fetch_add(&posted, 1);
        else if (err == SKIO_ECLOSED)
            break;
    }
    return NULL;
}

static void *
stop_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        skio_server_stop(server);
    return NULL;
}

static void
emit(skio_server *given, void *arg)
{
    (void)arg;
    if (given != NULL)
        skio_emit_all(skio_of(given, "/"), "tick", "%d", 1);
}

static void
start(pthread_t *thread)
{
    skio_server_options options;

    ran = without = 0;
    atomic_store(&posted, 0);
    skio_server_options_init(&options);
    options.max_posted = 100000;
    options.close_timeout_ms = 500;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    assert_int_equal(skio_server_post(server, count, NULL), SKIO_ENOTSUP);
    assert_int_equal(skio_listen(server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(pthread_create(thread, NULL, run, NULL), 0);
}

static void
calls_that_wait_have_a_maximum(void **state)
{
    skio_server_options options;

    (void)state;
    ran = without = 0;
    skio_server_options_init(&options);
    options.max_posted = 3;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    assert_int_equal(skio_listen(server, "127.0.0.1", 0), SKIO_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(skio_server_post(server, count, NULL), SKIO_OK);
    assert_int_equal(skio_server_post(server, count, NULL), SKIO_ENOBUFS);
    skio_server_free(server);
    assert_int_equal(ran + without, 3);
}

static void
every_call_runs_once(void **state)
{
    pthread_t loop, threads[THREADS];

    (void)state;
    start(&loop);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, NULL), 0);
    for (int i = 0; i < 100; i++)
        if (skio_server_post(server, emit, NULL) != SKIO_OK)
            break;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    skio_server_stop(server);
    pthread_join(loop, NULL);
    assert_int_equal(result, SKIO_OK);
    assert_int_equal(skio_server_post(server, count, NULL), SKIO_ECLOSED);
    skio_server_free(server);
    assert_int_equal(atomic_load(&posted), THREADS * CALLS);
    assert_int_equal(ran + without, THREADS * CALLS);
}

static void
stopping_meanwhile_loses_no_call(void **state)
{
    pthread_t loop, threads[THREADS + 1];

    (void)state;
    start(&loop);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, NULL), 0);
    assert_int_equal(pthread_create(&threads[THREADS], NULL, stop_often, NULL),
                     0);
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(loop, NULL);
    assert_int_equal(result, SKIO_OK);
    skio_server_free(server);
    assert_int_equal(ran + without, atomic_load(&posted));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_wait_have_a_maximum),
        cmocka_unit_test(every_call_runs_once),
        cmocka_unit_test(stopping_meanwhile_loses_no_call),
    };

    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
