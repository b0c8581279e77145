/*
 * The queue of calls from other threads
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "transport/post.h"

#define THREADS 4
#define CALLS 2000

static int order[16];
static size_t calls;
static skio_server *given;

static void
record(skio_server *server, void *arg)
{
    given = server;
    order[calls++ % 16] = (int)(intptr_t)arg;
}

static int
reset(void **state)
{
    (void)state;
    calls = 0;
    given = NULL;
    return 0;
}

/* Never looked into, only handed on. */
static skio_server *
some_server(void)
{
    static char place;

    return (skio_server *)(void *)&place;
}

static void
calls_run_in_the_order_they_came(void **state)
{
    struct skio__post post;
    bool wake;

    (void)state;
    assert_int_equal(skio__post_init(&post, skio__mem_default(), 10), SKIO_OK);
    for (intptr_t i = 0; i < 5; i++) {
        assert_int_equal(skio__post_push(&post, record, (void *)i, &wake),
                         SKIO_OK);
        assert_true(wake == (i == 0));
    }
    assert_false(skio__post_run(&post, some_server()));
    assert_int_equal(calls, 5);
    assert_ptr_equal(given, some_server());
    for (int i = 0; i < 5; i++)
        assert_int_equal(order[i], i);
    skio__post_deinit(&post);
}

static void
queue_is_bounded_and_room_returns(void **state)
{
    struct skio__post post;
    bool wake;

    (void)state;
    assert_int_equal(skio__post_init(&post, skio__mem_default(), 2), SKIO_OK);
    assert_int_equal(skio__post_push(&post, record, NULL, &wake), SKIO_OK);
    assert_int_equal(skio__post_push(&post, record, NULL, &wake), SKIO_OK);
    assert_int_equal(skio__post_push(&post, record, NULL, &wake), SKIO_ENOBUFS);
    assert_false(wake);
    skio__post_run(&post, some_server());
    assert_int_equal(calls, 2);
    assert_int_equal(skio__post_push(&post, record, NULL, &wake), SKIO_OK);
    assert_true(wake);
    skio__post_deinit(&post);
}

static void
calls_that_never_ran_get_no_server(void **state)
{
    struct skio__post post;
    bool wake;

    (void)state;
    assert_int_equal(skio__post_init(&post, skio__mem_default(), 4), SKIO_OK);
    given = some_server();
    assert_int_equal(skio__post_push(&post, record, NULL, &wake), SKIO_OK);
    skio__post_deinit(&post);
    assert_int_equal(calls, 1);
    assert_null(given);
}

static void
closed_queue_takes_nothing(void **state)
{
    struct skio__post post;
    bool wake;

    (void)state;
    assert_int_equal(skio__post_init(&post, skio__mem_default(), 4), SKIO_OK);
    skio__post_close(&post);
    assert_int_equal(skio__post_push(&post, record, NULL, &wake), SKIO_ECLOSED);
    skio__post_deinit(&post);
    assert_int_equal(calls, 0);
}

static struct skio__post *nested;

static void
push_again(skio_server *server, void *arg)
{
    bool wake;

    calls++;
    if (server != NULL && arg == NULL)
        assert_int_equal(skio__post_push(nested, push_again, &calls, &wake),
                         SKIO_OK);
}

/* A call that posts itself again must not keep the loop from its sockets. */
static void
call_posted_by_a_call_waits_for_the_next_turn(void **state)
{
    struct skio__post post;
    bool wake;

    (void)state;
    nested = &post;
    assert_int_equal(skio__post_init(&post, skio__mem_default(), 4), SKIO_OK);
    assert_int_equal(skio__post_push(&post, push_again, NULL, &wake), SKIO_OK);
    assert_true(skio__post_run(&post, some_server()));
    assert_int_equal(calls, 1);
    assert_false(skio__post_run(&post, some_server()));
    assert_int_equal(calls, 2);
    skio__post_deinit(&post);
}

static size_t seen[THREADS];

static void
check_order(skio_server *server, void *arg)
{
    size_t thread = (size_t)(uintptr_t)arg / CALLS;
    size_t number = (size_t)(uintptr_t)arg % CALLS;

    (void)server;
    assert_int_equal(seen[thread], number);
    seen[thread]++;
}

static struct skio__post shared;

static void *
push_many(void *arg)
{
    uintptr_t first = (uintptr_t)arg * CALLS;
    bool wake;

    for (uintptr_t i = 0; i < CALLS; i++)
        if (skio__post_push(&shared, check_order, (void *)(first + i), &wake) !=
            SKIO_OK)
            return &shared;
    return NULL;
}

static void
threads_keep_their_order(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(skio__post_init(&shared, skio__mem_default(),
                                     THREADS * CALLS),
                     SKIO_OK);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push_many,
                                        (void *)i),
                         0);
    for (int i = 0; i < 100; i++)
        skio__post_run(&shared, some_server());
    for (int i = 0; i < THREADS; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    skio__post_run(&shared, some_server());
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(seen[i], CALLS);
    skio__post_deinit(&shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(calls_run_in_the_order_they_came, reset),
        cmocka_unit_test_setup(queue_is_bounded_and_room_returns, reset),
        cmocka_unit_test_setup(calls_that_never_ran_get_no_server, reset),
        cmocka_unit_test_setup(closed_queue_takes_nothing, reset),
        cmocka_unit_test_setup(call_posted_by_a_call_waits_for_the_next_turn,
                               reset),
        cmocka_unit_test(threads_keep_their_order),
    };

    return cmocka_run_group_tests_name("post", tests, NULL, NULL);
}
