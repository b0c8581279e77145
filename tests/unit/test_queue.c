/*
 * The ring of outgoing blobs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engineio/queue.h"
#include "unit/alloc.h"

static struct test_alloc alloc;

static int
setup(void **state)
{
    (void)state;
    test_alloc_init(&alloc);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    return alloc.live == 0 ? 0 : -1;
}

static void
push(struct eio_queue *queue, const char *text)
{
    struct skio__blob *blob =
        skio__blob_copy(&alloc.allocator, false, text, strlen(text));

    assert_non_null(blob);
    assert_int_equal(skio__queue_push(queue, &alloc.allocator, blob), SKIO_OK);
    skio__blob_unref(blob);
}

static void
assert_front(const struct eio_queue *queue, const char *text)
{
    const void *data;
    size_t len;

    assert_true(queue->count > 0);
    skio__blob_packet(skio__queue_at(queue, 0), &data, &len);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(data, text, len);
}

static void
blobs_come_out_in_order(void **state)
{
    struct eio_queue queue = {0};
    int pushed = 0;
    int taken = 0;
    int round;

    (void)state;
    /* Three in, two out: the ring wraps and grows while it is wrapped. */
    for (round = 0; round < 50; round++) {
        char text[16];
        int i;

        for (i = 0; i < 3; i++) {
            snprintf(text, sizeof text, "n%03d", pushed++);
            push(&queue, text);
        }
        for (i = 0; i < 2; i++) {
            snprintf(text, sizeof text, "n%03d", taken++);
            assert_front(&queue, text);
            assert_int_equal(skio__queue_consume(&queue, &alloc.allocator, 6),
                             0);
        }
        assert_int_equal(queue.count, pushed - taken);
        assert_int_equal(queue.bytes, (size_t)(pushed - taken) * 6);
    }
    skio__queue_deinit(&queue, &alloc.allocator);
}

static void
a_frame_may_be_consumed_in_parts(void **state)
{
    struct eio_queue queue = {0};

    (void)state;
    push(&queue, "hello"); /* frames of 7 and 4 bytes */
    push(&queue, "ab");
    assert_int_equal(queue.bytes, 11);
    assert_int_equal(skio__queue_consume(&queue, &alloc.allocator, 3), 0);
    assert_int_equal(queue.offset, 3);
    assert_int_equal(queue.bytes, 8);
    assert_int_equal(skio__queue_consume(&queue, &alloc.allocator, 5), 0);
    assert_int_equal(queue.count, 1);
    assert_int_equal(queue.offset, 1);
    assert_int_equal(queue.bytes, 3);
    assert_front(&queue, "ab");
    /* What is more than the queue holds is somebody else's. */
    assert_int_equal(skio__queue_consume(&queue, &alloc.allocator, 5), 2);
    assert_int_equal(queue.count, 0);
    assert_int_equal(queue.bytes, 0);
    assert_int_equal(skio__queue_consume(&queue, &alloc.allocator, 5), 5);
    skio__queue_deinit(&queue, &alloc.allocator);
}

static void
a_cut_keeps_a_frame_half_written(void **state)
{
    struct eio_queue queue = {0};

    (void)state;
    push(&queue, "one");
    push(&queue, "two");
    push(&queue, "three");
    skio__queue_consume(&queue, &alloc.allocator, 1);
    skio__queue_cut(&queue, &alloc.allocator);
    assert_int_equal(queue.count, 1);
    assert_int_equal(queue.bytes, 4);
    assert_front(&queue, "one");
    skio__queue_consume(&queue, &alloc.allocator, 4);
    assert_int_equal(queue.bytes, 0);

    push(&queue, "four");
    skio__queue_cut(&queue, &alloc.allocator);
    assert_int_equal(queue.count, 0);
    assert_int_equal(queue.bytes, 0);
    skio__queue_deinit(&queue, &alloc.allocator);
}

static void
one_at_a_time_needs_no_ring(void **state)
{
    struct eio_queue queue = {0};
    size_t calls = alloc.calls;
    int i;

    (void)state;
    for (i = 0; i < 100; i++) {
        push(&queue, "a");
        assert_front(&queue, "a");
        assert_int_equal(skio__queue_consume(&queue, &alloc.allocator, 2), 0);
        skio__queue_cut(&queue, &alloc.allocator); /* half written: it stays */
        assert_int_equal(queue.count, 1);
        assert_int_equal(skio__queue_consume(&queue, &alloc.allocator, 1), 0);
        assert_int_equal(queue.count, 0);
    }
    assert_int_equal(alloc.calls, calls + 100); /* the blobs */
    assert_int_equal(alloc.live, 0);
    skio__queue_deinit(&queue, &alloc.allocator);
}

static void
the_ring_is_kept_but_not_what_a_burst_needed(void **state)
{
    struct eio_queue queue = {0};
    size_t calls;
    int i;

    (void)state;
    push(&queue, "a");
    push(&queue, "b");
    skio__queue_clear(&queue, &alloc.allocator);
    assert_int_equal(alloc.live, 1);
    calls = alloc.calls;
    for (i = 0; i < 100; i++) {
        push(&queue, "a");
        skio__queue_consume(&queue, &alloc.allocator, 3);
    }
    assert_int_equal(alloc.calls, calls + 100); /* the blobs */

    for (i = 0; i < 1000; i++)
        push(&queue, "a");
    skio__queue_clear(&queue, &alloc.allocator);
    assert_int_equal(alloc.live, 0);
    push(&queue, "a");
    skio__queue_deinit(&queue, &alloc.allocator);
}

static void
a_ring_that_turns_need_again_is_kept_until_they_do_not(void **state)
{
    struct eio_queue queue = {0};
    size_t calls;
    int i;

    (void)state;
    for (i = 0; i < 20; i++)
        push(&queue, "a");
    skio__queue_consume(&queue, &alloc.allocator, 60);
    assert_int_equal(queue.cap, 32);
    calls = alloc.calls;
    for (i = 0; i < 20; i++)
        push(&queue, "a");
    skio__queue_consume(&queue, &alloc.allocator, 60);
    assert_int_equal(alloc.calls, calls + 20); /* the blobs */

    for (i = 0; i < 8; i++)
        push(&queue, "a");
    skio__queue_consume(&queue, &alloc.allocator, 24);
    assert_int_equal(alloc.live, 0);
    skio__queue_deinit(&queue, &alloc.allocator);
}

static void
without_memory_nothing_changes(void **state)
{
    struct eio_queue queue = {0};
    struct skio__blob *blob = skio__blob_copy(&alloc.allocator, false, "x", 1);
    int i;

    (void)state;
    assert_non_null(blob);
    assert_int_equal(skio__queue_push(&queue, &alloc.allocator, blob), SKIO_OK);
    test_alloc_fail(&alloc, 1);
    assert_int_equal(skio__queue_push(&queue, &alloc.allocator, blob),
                     SKIO_ENOMEM);
    assert_int_equal(queue.count, 1);
    for (i = 1; i < 4; i++)
        assert_int_equal(skio__queue_push(&queue, &alloc.allocator, blob),
                         SKIO_OK);
    test_alloc_fail(&alloc, 1);
    assert_int_equal(skio__queue_push(&queue, &alloc.allocator, blob),
                     SKIO_ENOMEM);
    assert_int_equal(queue.count, 4);
    assert_int_equal(queue.bytes, 12);
    assert_int_equal(blob->refs, 5);
    skio__blob_unref(blob);
    skio__queue_deinit(&queue, &alloc.allocator);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blobs_come_out_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_frame_may_be_consumed_in_parts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_cut_keeps_a_frame_half_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_at_a_time_needs_no_ring, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            the_ring_is_kept_but_not_what_a_burst_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_ring_that_turns_need_again_is_kept_until_they_do_not, setup,
            teardown),
        cmocka_unit_test_setup_teardown(without_memory_nothing_changes, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
