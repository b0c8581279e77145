/*
 * Frames that many WebSockets are sent, joined once
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engineio/run.h"
#include "unit/alloc.h"

static struct test_alloc alloc;
static struct eio_run run;

static int
setup(void **state)
{
    (void)state;
    test_alloc_init(&alloc);
    skio__run_init(&run, &alloc.allocator);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    skio__run_deinit(&run);
    return alloc.live == 0 ? 0 : -1;
}

static struct skio__blob *
blob_of(const char *text)
{
    struct skio__blob *blob =
        skio__blob_copy(&alloc.allocator, false, text, strlen(text));

    assert_non_null(blob);
    return blob;
}

static void
push(struct eio_queue *queue, struct skio__blob *blob)
{
    assert_int_equal(skio__queue_push(queue, &alloc.allocator, blob), SKIO_OK);
}

static void
drop(struct eio_queue *queue)
{
    skio__queue_deinit(queue, &alloc.allocator);
}

static void
assert_joined(const struct eio_queue *queue, const char *frames)
{
    skio_bytes bytes;

    assert_true(skio__run_join(&run, queue, &bytes));
    assert_int_equal(bytes.len, strlen(frames));
    assert_memory_equal(bytes.data, frames, bytes.len);
}

static void
assert_not_joined(const struct eio_queue *queue)
{
    skio_bytes bytes;

    assert_false(skio__run_join(&run, queue, &bytes));
}

static void
queues_of_the_same_blobs_get_the_same_bytes(void **state)
{
    struct eio_queue a = {0};
    struct eio_queue b = {0};
    struct skio__blob *one = blob_of("one");
    struct skio__blob *two = blob_of("two");
    skio_bytes bytes[2];
    size_t calls;

    (void)state;
    push(&a, one);
    push(&a, two);
    push(&b, one);
    push(&b, two);
    skio__blob_unref(one);
    skio__blob_unref(two);

    assert_true(skio__run_join(&run, &a, &bytes[0]));
    calls = alloc.calls;
    drop(&a);
    /* Only the run and the other queue know of them now. */
    assert_true(skio__run_join(&run, &b, &bytes[1]));
    assert_int_equal(alloc.calls, calls);
    assert_ptr_equal(bytes[0].data, bytes[1].data);
    assert_joined(&b, "\x81\x03one\x81\x03two");
    drop(&b);
}

static void
another_order_length_or_blob_is_another_run(void **state)
{
    struct eio_queue both = {0};
    struct eio_queue turned = {0};
    struct eio_queue more = {0};
    struct skio__blob *one = blob_of("one");
    struct skio__blob *two = blob_of("two");

    (void)state;
    push(&both, one);
    push(&both, two);
    push(&turned, two);
    push(&turned, one);
    push(&more, one);
    push(&more, two);
    push(&more, one);

    assert_joined(&both, "\x81\x03one\x81\x03two");
    assert_joined(&turned, "\x81\x03two\x81\x03one");
    assert_joined(&more, "\x81\x03one\x81\x03two\x81\x03one");
    assert_joined(&both, "\x81\x03one\x81\x03two");
    skio__blob_unref(one);
    skio__blob_unref(two);
    drop(&both);
    drop(&turned);
    drop(&more);
}

static void
what_only_one_waits_for_is_not_joined(void **state)
{
    struct eio_queue queue = {0};
    struct skio__blob *shared = blob_of("shared");
    struct skio__blob *own = blob_of("own");

    (void)state;
    assert_not_joined(&queue);
    push(&queue, shared);
    assert_not_joined(&queue); /* alone it need not be copied */
    push(&queue, own);
    skio__blob_unref(own);
    assert_not_joined(&queue);
    push(&queue, shared);
    assert_joined(&queue, "\x81\x06shared\x81\x03own\x81\x06shared");
    skio__blob_unref(shared);
    drop(&queue);
}

static void
a_frame_half_written_is_not_joined(void **state)
{
    struct eio_queue queue = {0};
    struct skio__blob *blob = blob_of("half");

    (void)state;
    push(&queue, blob);
    push(&queue, blob);
    push(&queue, blob);
    skio__queue_consume(&queue, &alloc.allocator, 1);
    assert_not_joined(&queue);
    skio__queue_consume(&queue, &alloc.allocator, 5);
    assert_joined(&queue, "\x81\x04half\x81\x04half");
    skio__blob_unref(blob);
    drop(&queue);
}

static void
a_ring_that_wraps_is_not_joined(void **state)
{
    struct eio_queue queue = {0};
    struct skio__blob *blob = blob_of("x");

    (void)state;
    for (int i = 0; i < 4; i++)
        push(&queue, blob);
    skio__queue_consume(&queue, &alloc.allocator, 6);
    push(&queue, blob);
    assert_int_equal(queue.cap, 4);
    assert_not_joined(&queue);
    skio__blob_unref(blob);
    drop(&queue);
}

static void
a_run_has_a_maximum_of_blobs_and_of_bytes(void **state)
{
    static char text[EIO_RUN_BYTES / 2 - 4 + 1];
    struct eio_queue queue = {0};
    struct skio__blob *blob = blob_of("x");
    struct skio__blob *large;
    skio_bytes bytes;

    (void)state;
    for (int i = 0; i < EIO_RUN_BLOBS; i++)
        push(&queue, blob);
    assert_true(skio__run_join(&run, &queue, &bytes));
    push(&queue, blob);
    assert_not_joined(&queue);
    drop(&queue);
    skio__blob_unref(blob);

    memset(text, 'x', sizeof text - 1); /* a header of 4 bytes stands before */
    large = blob_of(text);
    push(&queue, large);
    push(&queue, large);
    assert_int_equal(queue.bytes, EIO_RUN_BYTES);
    assert_true(skio__run_join(&run, &queue, &bytes));
    assert_int_equal(bytes.len, EIO_RUN_BYTES);
    drop(&queue);
    skio__blob_unref(large);

    text[sizeof text - 2] = '\0';
    large = blob_of(text);
    blob = blob_of("");
    push(&queue, large);
    push(&queue, blob);
    push(&queue, large);
    assert_int_equal(queue.bytes, EIO_RUN_BYTES);
    assert_true(skio__run_join(&run, &queue, &bytes));
    push(&queue, blob);
    assert_not_joined(&queue);
    drop(&queue);
    skio__blob_unref(large);
    skio__blob_unref(blob);
}

static void
what_is_forgotten_is_freed(void **state)
{
    struct eio_queue queue = {0};
    struct skio__blob *blob = blob_of("x");
    size_t live;

    (void)state;
    push(&queue, blob);
    push(&queue, blob);
    assert_joined(&queue, "\x81\x01x\x81\x01x");
    drop(&queue);
    live = alloc.live;
    skio__blob_unref(blob);
    assert_int_equal(alloc.live, live); /* the run has it */
    skio__run_forget(&run);
    assert_int_equal(alloc.live, live - 1);
}

static void
without_memory_the_frames_are_taken_one_by_one(void **state)
{
    struct eio_queue queue = {0};
    struct skio__blob *blob = blob_of("x");

    (void)state;
    push(&queue, blob);
    push(&queue, blob);
    test_alloc_fail(&alloc, 1);
    assert_not_joined(&queue);
    assert_int_equal(blob->refs, 3);
    assert_joined(&queue, "\x81\x01x\x81\x01x"); /* it was but once */
    skio__blob_unref(blob);
    drop(&queue);
}

int
main(void)
{
#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        RUN_TEST(queues_of_the_same_blobs_get_the_same_bytes),
        RUN_TEST(another_order_length_or_blob_is_another_run),
        RUN_TEST(what_only_one_waits_for_is_not_joined),
        RUN_TEST(a_frame_half_written_is_not_joined),
        RUN_TEST(a_ring_that_wraps_is_not_joined),
        RUN_TEST(a_run_has_a_maximum_of_blobs_and_of_bytes),
        RUN_TEST(what_is_forgotten_is_freed),
        RUN_TEST(without_memory_the_frames_are_taken_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
