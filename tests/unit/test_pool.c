/*
 * Blocks that come and go, and the blobs in them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/blob.h"
#include "base/pool.h"
#include "unit/alloc.h"

static struct test_alloc alloc;
static struct skio__pool pool;

static int
setup(void **state)
{
    (void)state;
    test_alloc_init(&alloc);
    skio__pool_init(&pool, &alloc.allocator);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    skio__pool_deinit(&pool);
    return alloc.live == 0 ? 0 : -1;
}

#define ALL (SKIO__POOL_BLOCKS * SKIO__POOL_PIECES)

static unsigned char *blocks[ALL];

static void
take_blocks(int count)
{
    for (int i = 0; i < count; i++) {
        blocks[i] = skio__pool_take(&pool, SKIO__POOL_BLOCK);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        memset(blocks[i], i, SKIO__POOL_BLOCK);
        memcpy(blocks[i], &i, sizeof i);
    }
}

static void
give_blocks(int count)
{
    for (int i = 0; i < count; i++) {
        int number;

        memcpy(&number, blocks[i], sizeof number);
        assert_int_equal(number, i);
        assert_int_equal(blocks[i][SKIO__POOL_BLOCK - 1], i % 256);
        skio__pool_give(&pool, blocks[i]);
    }
}

static void
blocks_are_apart_aligned_and_run_out(void **state)
{
    (void)state;
    take_blocks(ALL);
    assert_null(skio__pool_take(&pool, 1));
    assert_int_equal(alloc.calls, SKIO__POOL_PIECES);
    give_blocks(ALL);
    assert_int_equal(alloc.live, SKIO__POOL_PIECES);
}

static void
a_pool_grows_by_the_piece(void **state)
{
    (void)state;
    assert_false(skio__pool_has_grown(&pool));
    take_blocks(SKIO__POOL_BLOCKS);
    assert_int_equal(alloc.live, 1);
    assert_false(skio__pool_has_grown(&pool));
    give_blocks(SKIO__POOL_BLOCKS);
    take_blocks(SKIO__POOL_BLOCKS + 1);
    assert_int_equal(alloc.live, 2);
    assert_true(skio__pool_has_grown(&pool));
    give_blocks(SKIO__POOL_BLOCKS + 1);
}

static void
pieces_that_are_needed_no_more_are_given_back(void **state)
{
    const int busy = 5 * SKIO__POOL_BLOCKS;
    const int calm = 2 * SKIO__POOL_BLOCKS;

    (void)state;
    skio__pool_trim(&pool); /* of nothing */
    take_blocks(busy);
    give_blocks(busy);
    skio__pool_trim(&pool);
    assert_int_equal(alloc.live, 5);

    for (int turn = 0; turn < 3; turn++) {
        take_blocks(calm);
        give_blocks(calm);
    }
    skio__pool_trim(&pool);
    assert_int_equal(alloc.live, 2);

    skio__pool_trim(&pool);
    assert_int_equal(alloc.live, 1); /* the first stays */
    skio__pool_trim(&pool);
    assert_int_equal(alloc.live, 1);
    take_blocks(busy);
    assert_int_equal(alloc.live, 5);
    give_blocks(busy);
}

static void
nothing_is_given_back_while_a_block_is_out(void **state)
{
    const int busy = 3 * SKIO__POOL_BLOCKS;

    (void)state;
    take_blocks(busy);
    for (int i = 1; i < busy; i++)
        skio__pool_give(&pool, blocks[i]);
    skio__pool_trim(&pool);
    skio__pool_trim(&pool);
    assert_int_equal(alloc.live, 3);
    give_blocks(1);
    skio__pool_trim(&pool);
    skio__pool_trim(&pool);
    assert_int_equal(alloc.live, 1);
}

static void
without_memory_for_a_piece_those_at_hand_go_on(void **state)
{
    (void)state;
    take_blocks(SKIO__POOL_BLOCKS);
    test_alloc_fail(&alloc, 1);
    assert_null(skio__pool_take(&pool, 1));
    give_blocks(SKIO__POOL_BLOCKS);
    take_blocks(SKIO__POOL_BLOCKS + 1);
    give_blocks(SKIO__POOL_BLOCKS + 1);
}

static void
the_latest_that_came_back_goes_first(void **state)
{
    void *one = skio__pool_take(&pool, 10);
    void *two = skio__pool_take(&pool, 10);

    (void)state;
    skio__pool_give(&pool, one);
    skio__pool_give(&pool, two);
    assert_ptr_equal(skio__pool_take(&pool, 10), two);
    assert_ptr_equal(skio__pool_take(&pool, 10), one);
    skio__pool_give(&pool, one);
    skio__pool_give(&pool, two);
}

static void
what_is_larger_than_a_block_is_not_served(void **state)
{
    (void)state;
    assert_null(skio__pool_take(&pool, SKIO__POOL_BLOCK + 1));
    assert_int_equal(alloc.calls, 0);
}

static void
without_memory_there_is_no_block_until_there_is(void **state)
{
    void *block;

    (void)state;
    test_alloc_fail(&alloc, 1);
    block = skio__pool_take(&pool, 1);
    assert_null(block);
    block = skio__pool_take(&pool, 1);
    assert_non_null(block);
    skio__pool_give(&pool, block);
}

/* Whether a blob of so many bytes is one of the pool's blocks. */
static bool
is_pooled(size_t len)
{
    struct skio__blob *blob = skio__blob_take(&pool, true, len);
    bool pooled;

    assert_non_null(blob);
    memset(skio__blob_data(blob), 'x', len);
    skio__blob_seal(blob, len);
    assert_int_equal(skio__blob_frame_len(blob), len + (len > 125 ? 4 : 2));
    pooled = (blob->flags & SKIO__BLOB_POOLED) != 0;
    assert_int_equal(pool.taken, pooled);
    skio__blob_unref(blob);
    assert_int_equal(pool.taken, 0);
    return pooled;
}

static void
a_small_blob_is_a_block_and_a_large_one_is_not(void **state)
{
    const size_t most =
        SKIO__POOL_BLOCK - sizeof(struct skio__blob) - SKIO__BLOB_HEAD_MAX;

    (void)state;
    assert_true(is_pooled(0));
    assert_true(is_pooled(most));
    assert_false(is_pooled(most + 1));
    assert_null(skio__blob_take(&pool, false, SIZE_MAX));
#if SIZE_MAX > UINT32_MAX
    assert_null(skio__blob_take(&pool, false, (size_t)UINT32_MAX + 1));
#endif
}

static void
blobs_go_on_when_the_blocks_have_run_out(void **state)
{
    static struct skio__blob *blobs[ALL + 1];
    const int count = (int)(sizeof blobs / sizeof blobs[0]);

    (void)state;
    for (int i = 0; i < count; i++) {
        blobs[i] = skio__blob_take(&pool, false, 5);
        assert_non_null(blobs[i]);
    }
    assert_int_equal(pool.taken, ALL);
    assert_true((blobs[count - 1]->flags & SKIO__BLOB_POOLED) == 0);
    test_alloc_fail(&alloc, 1);
    assert_null(skio__blob_take(&pool, false, 5));
    for (int i = 0; i < count; i++)
        skio__blob_unref(blobs[i]);
}

int
main(void)
{
#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        POOL_TEST(blocks_are_apart_aligned_and_run_out),
        POOL_TEST(a_pool_grows_by_the_piece),
        POOL_TEST(pieces_that_are_needed_no_more_are_given_back),
        POOL_TEST(nothing_is_given_back_while_a_block_is_out),
        POOL_TEST(without_memory_for_a_piece_those_at_hand_go_on),
        POOL_TEST(the_latest_that_came_back_goes_first),
        POOL_TEST(what_is_larger_than_a_block_is_not_served),
        POOL_TEST(without_memory_there_is_no_block_until_there_is),
        POOL_TEST(a_small_blob_is_a_block_and_a_large_one_is_not),
        POOL_TEST(blobs_go_on_when_the_blocks_have_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
