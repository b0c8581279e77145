/*
 * base/timer: due order, removal anywhere, a heap that cannot grow
 */
#include "base/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc.h"

static void
a_fifo_is_due_in_order_of_pushing(void **state)
{
    struct skio__fifo fifo;
    struct skio__fifo_node nodes[3];

    (void)state;
    memset(nodes, 0, sizeof(nodes));
    skio__fifo_init(&fifo, 100);
    assert_true(skio__fifo_peek_due(&fifo) == SKIO__NEVER);
    assert_null(skio__fifo_pop_due(&fifo, UINT64_MAX));

    skio__fifo_push(&fifo, &nodes[0], 10);
    skio__fifo_push(&fifo, &nodes[1], 10);
    skio__fifo_push(&fifo, &nodes[2], 12);
    assert_int_equal(skio__fifo_peek_due(&fifo), 110);
    assert_null(skio__fifo_pop_due(&fifo, 109));
    assert_ptr_equal(skio__fifo_pop_due(&fifo, 110), &nodes[0]);
    assert_false(skio__fifo_is_linked(&nodes[0]));
    assert_ptr_equal(skio__fifo_pop_due(&fifo, 111), &nodes[1]);
    assert_null(skio__fifo_pop_due(&fifo, 111));
    assert_int_equal(skio__fifo_peek_due(&fifo), 112);
    assert_ptr_equal(skio__fifo_pop_due(&fifo, 500), &nodes[2]);
    assert_true(skio__fifo_peek_due(&fifo) == SKIO__NEVER);
}

static void
a_fifo_node_is_removed_from_anywhere(void **state)
{
    size_t gone;

    (void)state;
    for (gone = 0; gone < 3; gone++) {
        struct skio__fifo fifo;
        struct skio__fifo_node nodes[3];
        size_t i;

        memset(nodes, 0, sizeof(nodes));
        skio__fifo_init(&fifo, 5);
        for (i = 0; i < 3; i++) {
            assert_false(skio__fifo_is_linked(&nodes[i]));
            skio__fifo_push(&fifo, &nodes[i], i);
            assert_true(skio__fifo_is_linked(&nodes[i]));
        }
        skio__fifo_remove(&nodes[gone]);
        skio__fifo_remove(&nodes[gone]); /* a second time does nothing */
        assert_false(skio__fifo_is_linked(&nodes[gone]));
        for (i = 0; i < 3; i++)
            if (i != gone)
                assert_ptr_equal(skio__fifo_pop_due(&fifo, 100), &nodes[i]);
        assert_null(skio__fifo_pop_due(&fifo, 100));

        skio__fifo_push(&fifo, &nodes[gone], 7);
        assert_int_equal(skio__fifo_peek_due(&fifo), 12);
    }
}

static void
time_running_backwards_keeps_a_fifo_in_order(void **state)
{
    struct skio__fifo fifo;
    struct skio__fifo_node nodes[2];

    (void)state;
    memset(nodes, 0, sizeof(nodes));
    skio__fifo_init(&fifo, 10);
    skio__fifo_push(&fifo, &nodes[0], 1000);
    skio__fifo_push(&fifo, &nodes[1], 500);
    assert_int_equal(nodes[1].due_ms, 1010);
    assert_null(skio__fifo_pop_due(&fifo, 1009));
    assert_ptr_equal(skio__fifo_pop_due(&fifo, 1010), &nodes[0]);
    assert_ptr_equal(skio__fifo_pop_due(&fifo, 1010), &nodes[1]);
}

/* A small generator, so that a failure can be repeated. */
static uint32_t
next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void
a_heap_gives_the_earliest_first(void **state)
{
    enum { N = 500 };
    struct skio__heap_node *nodes = calloc(N, sizeof(*nodes));
    struct test_alloc t;
    struct skio__heap heap;
    uint32_t seed = 1;
    uint64_t last = 0;
    int i;

    (void)state;
    assert_non_null(nodes);
    test_alloc_init(&t);
    skio__heap_init(&heap, &t.allocator);
    assert_null(skio__heap_peek(&heap));
    assert_true(skio__heap_peek_due(&heap) == SKIO__NEVER);
    assert_null(skio__heap_pop_due(&heap, UINT64_MAX));

    for (i = 0; i < N; i++)
        assert_int_equal(skio__heap_push(&heap, &nodes[i],
                                         next_random(&seed) % 1000),
                         SKIO_OK);
    for (i = 0; i < N; i++) {
        struct skio__heap_node *node = skio__heap_peek(&heap);
        uint64_t due = skio__heap_peek_due(&heap);

        assert_true(due >= last);
        assert_int_equal(node->due_ms, due);
        if (due > 0)
            assert_null(skio__heap_pop_due(&heap, due - 1));
        assert_ptr_equal(skio__heap_pop_due(&heap, due), node);
        assert_false(skio__heap_is_linked(node));
        last = due;
    }
    assert_null(skio__heap_peek(&heap));
    skio__heap_deinit(&heap);
    assert_int_equal(t.live, 0);
    free(nodes);
}

static void
equal_due_times_go_first_in_first_out(void **state)
{
    struct skio__heap_node nodes[50];
    struct test_alloc t;
    struct skio__heap heap;
    int i;

    (void)state;
    memset(nodes, 0, sizeof(nodes));
    test_alloc_init(&t);
    skio__heap_init(&heap, &t.allocator);
    heap.order = UINT32_MAX - 20; /* the counter may wrap */
    for (i = 0; i < 50; i++)
        assert_int_equal(skio__heap_push(&heap, &nodes[i], 7), SKIO_OK);
    for (i = 0; i < 50; i++)
        assert_ptr_equal(skio__heap_pop_due(&heap, 7), &nodes[i]);
    skio__heap_deinit(&heap);
    assert_int_equal(t.live, 0);
}

/* Random pushes, moves and removals against a look at every node. */
static void
a_heap_survives_moves_and_removals(void **state)
{
    enum { N = 64 };
    struct skio__heap_node nodes[N];
    struct test_alloc t;
    struct skio__heap heap;
    uint32_t seed = 42;
    int step;

    (void)state;
    memset(nodes, 0, sizeof(nodes));
    test_alloc_init(&t);
    skio__heap_init(&heap, &t.allocator);
    for (step = 0; step < 20000; step++) {
        struct skio__heap_node *node = &nodes[next_random(&seed) % N];
        uint64_t due = next_random(&seed) % 100;
        uint64_t earliest = SKIO__NEVER;
        uint32_t linked = 0;
        int i;

        if (!skio__heap_is_linked(node))
            assert_int_equal(skio__heap_push(&heap, node, due), SKIO_OK);
        else if (step % 2 == 0)
            skio__heap_move(&heap, node, due);
        else
            skio__heap_remove(&heap, node);

        for (i = 0; i < N; i++) {
            if (!skio__heap_is_linked(&nodes[i]))
                continue;
            linked++;
            assert_ptr_equal(heap.nodes[nodes[i].index - 1], &nodes[i]);
            if (nodes[i].due_ms < earliest)
                earliest = nodes[i].due_ms;
        }
        assert_int_equal(heap.len, linked);
        assert_true(skio__heap_peek_due(&heap) == earliest);
    }
    skio__heap_deinit(&heap);
    assert_int_equal(t.live, 0);
}

static void
a_heap_that_cannot_grow_is_unchanged(void **state)
{
    size_t fail;

    (void)state;
    for (fail = 1; fail <= 4; fail++) {
        struct skio__heap_node nodes[200];
        struct test_alloc t;
        struct skio__heap heap;
        uint32_t len = 0;

        memset(nodes, 0, sizeof(nodes));
        test_alloc_init(&t);
        test_alloc_fail(&t, fail);
        skio__heap_init(&heap, &t.allocator);
        while (skio__heap_push(&heap, &nodes[len], 1000 - len) == SKIO_OK)
            len++;
        assert_int_equal(t.failed, 1);
        assert_int_equal(heap.len, len);
        assert_false(skio__heap_is_linked(&nodes[len]));
        skio__heap_remove(&heap, &nodes[len]); /* not linked: nothing */
        assert_int_equal(skio__heap_push(&heap, &nodes[len], 5), SKIO_OK);
        assert_ptr_equal(skio__heap_pop_due(&heap, 5), &nodes[len]);
        while (len > 0)
            assert_ptr_equal(skio__heap_pop_due(&heap, 1000), &nodes[--len]);
        skio__heap_deinit(&heap);
        assert_int_equal(t.live, 0);
    }
}

static void
a_heap_gives_memory_back_after_a_flood(void **state)
{
    enum { N = 10000 };
    struct skio__heap_node *nodes = calloc(N, sizeof(*nodes));
    struct test_alloc t;
    struct skio__heap heap;
    size_t peak;
    int i;

    (void)state;
    assert_non_null(nodes);
    test_alloc_init(&t);
    skio__heap_init(&heap, &t.allocator);
    for (i = 0; i < N; i++)
        assert_int_equal(skio__heap_push(&heap, &nodes[i], 1), SKIO_OK);
    peak = t.live_bytes;
    test_alloc_fail(&t, 1); /* the first shrinking fails: no harm */
    for (i = 0; i < N; i++)
        assert_non_null(skio__heap_pop_due(&heap, 1));
    assert_int_equal(t.failed, 1);
    assert_true(t.live_bytes < peak / 100);
    skio__heap_deinit(&heap);
    assert_int_equal(t.live, 0);
    free(nodes);
}

static void
deinit_unlinks_what_still_waits(void **state)
{
    struct skio__heap_node nodes[3];
    struct test_alloc t;
    struct skio__heap heap;
    int i;

    (void)state;
    memset(nodes, 0, sizeof(nodes));
    test_alloc_init(&t);
    skio__heap_init(&heap, &t.allocator);
    for (i = 0; i < 3; i++)
        assert_int_equal(skio__heap_push(&heap, &nodes[i], 1), SKIO_OK);
    skio__heap_deinit(&heap);
    for (i = 0; i < 3; i++)
        assert_false(skio__heap_is_linked(&nodes[i]));
    assert_int_equal(t.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fifo_is_due_in_order_of_pushing),
        cmocka_unit_test(a_fifo_node_is_removed_from_anywhere),
        cmocka_unit_test(time_running_backwards_keeps_a_fifo_in_order),
        cmocka_unit_test(a_heap_gives_the_earliest_first),
        cmocka_unit_test(equal_due_times_go_first_in_first_out),
        cmocka_unit_test(a_heap_survives_moves_and_removals),
        cmocka_unit_test(a_heap_that_cannot_grow_is_unchanged),
        cmocka_unit_test(a_heap_gives_memory_back_after_a_flood),
        cmocka_unit_test(deinit_unlinks_what_still_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
