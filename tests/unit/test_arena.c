/*
 * base/arena: alignment, nested marks, the chunk that stays, the limit
 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc.h"

static void
allocations_are_aligned_and_apart(void **state)
{
    struct test_alloc t;
    struct skio__arena arena;
    unsigned char *ptrs[200];
    size_t i;
    size_t k;

    (void)state;
    test_alloc_init(&t);
    skio__arena_init(&arena, &t.allocator, 0);
    for (i = 0; i < 200; i++) {
        ptrs[i] = skio__arena_alloc(&arena, i + 1);
        assert_non_null(ptrs[i]);
        assert_int_equal((uintptr_t)ptrs[i] % SKIO__ARENA_ALIGN, 0);
        memset(ptrs[i], (int)i, i + 1);
    }
    for (i = 0; i < 200; i++)
        for (k = 0; k <= i; k++)
            assert_int_equal(ptrs[i][k], i);
    skio__arena_deinit(&arena);
    assert_int_equal(t.live, 0);
}

static void
the_first_chunk_stays(void **state)
{
    struct test_alloc t;
    struct skio__arena arena;
    struct skio__arena_mark empty;
    int i;

    (void)state;
    test_alloc_init(&t);
    skio__arena_init(&arena, &t.allocator, 0);
    assert_int_equal(t.calls, 0);
    empty = skio__arena_mark(&arena);
    for (i = 0; i < 1000; i++) {
        assert_non_null(skio__arena_alloc(&arena, 3000));
        skio__arena_release(&arena, empty);
    }
    assert_int_equal(t.calls, 1);
    assert_int_equal(t.live_bytes, SKIO__ARENA_CHUNK);
    assert_int_equal(arena.total, SKIO__ARENA_CHUNK);
    skio__arena_deinit(&arena);
    assert_int_equal(t.live, 0);
}

static void
a_release_before_any_allocation_does_nothing(void **state)
{
    struct test_alloc t;
    struct skio__arena arena;

    (void)state;
    test_alloc_init(&t);
    skio__arena_init(&arena, &t.allocator, 0);
    skio__arena_release(&arena, skio__arena_mark(&arena));
    assert_int_equal(t.calls, 0);
    skio__arena_deinit(&arena);
}

static void
nested_marks_release_in_turn(void **state)
{
    struct test_alloc t;
    struct skio__arena arena;
    struct skio__arena_mark outer;
    struct skio__arena_mark inner;
    char *first;
    char *second;
    char *again;

    (void)state;
    test_alloc_init(&t);
    skio__arena_init(&arena, &t.allocator, 0);
    first = skio__arena_alloc(&arena, 16);
    memset(first, '1', 16);
    outer = skio__arena_mark(&arena);
    second = skio__arena_alloc(&arena, 2000);
    memset(second, '2', 2000);
    inner = skio__arena_mark(&arena);

    assert_non_null(skio__arena_alloc(&arena, 5000));
    assert_non_null(skio__arena_alloc(&arena, 50000));
    assert_int_equal(t.live, 3);
    skio__arena_release(&arena, inner);
    assert_int_equal(t.live, 1);
    assert_int_equal(second[1999], '2');

    again = skio__arena_alloc(&arena, 100);
    assert_true(again >= second + 2000);
    skio__arena_release(&arena, outer);
    assert_ptr_equal(skio__arena_alloc(&arena, 16), second);
    assert_int_equal(first[15], '1');
    skio__arena_deinit(&arena);
    assert_int_equal(t.live, 0);
}

static void
a_mark_in_a_later_chunk_keeps_that_chunk(void **state)
{
    struct test_alloc t;
    struct skio__arena arena;
    struct skio__arena_mark mark;
    char *kept;

    (void)state;
    test_alloc_init(&t);
    skio__arena_init(&arena, &t.allocator, 0);
    assert_non_null(skio__arena_alloc(&arena, 4000));
    kept = skio__arena_alloc(&arena, 4000);
    memset(kept, 'k', 4000);
    mark = skio__arena_mark(&arena);
    assert_non_null(skio__arena_alloc(&arena, 100000));
    skio__arena_release(&arena, mark);
    assert_int_equal(t.live, 2);
    assert_int_equal(kept[3999], 'k');
    skio__arena_deinit(&arena);
    assert_int_equal(t.live, 0);
}

static void
chunks_grow_so_that_there_are_few(void **state)
{
    struct test_alloc t;
    struct skio__arena arena;
    int i;

    (void)state;
    test_alloc_init(&t);
    skio__arena_init(&arena, &t.allocator, 0);
    for (i = 0; i < 10000; i++)
        assert_non_null(skio__arena_alloc(&arena, 100));
    assert_in_range(t.calls, 2, 24);
    skio__arena_deinit(&arena);
    assert_int_equal(t.live, 0);
}

static void
the_limit_bounds_the_memory_taken(void **state)
{
    static const size_t limits[] = {100, 4096, 5000, 10000, 200000};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct test_alloc t;
        struct skio__arena arena;
        struct skio__arena_mark empty;
        size_t given = 0;

        test_alloc_init(&t);
        skio__arena_init(&arena, &t.allocator, limits[i]);
        empty = skio__arena_mark(&arena);
        assert_null(skio__arena_alloc(&arena, limits[i]));
        assert_int_equal(t.live, 0);
        while (skio__arena_alloc(&arena, 16) != NULL)
            given += 16;
        assert_true(t.peak_bytes <= limits[i]);
        assert_int_equal(arena.total, t.live_bytes);
        assert_true(given + given / 50 + 64 >= limits[i]);

        skio__arena_release(&arena, empty);
        assert_non_null(skio__arena_alloc(&arena, 16));
        skio__arena_deinit(&arena);
        assert_int_equal(arena.total, 0);
        assert_int_equal(t.live, 0);
    }
}

static void
a_failed_allocation_changes_nothing(void **state)
{
    struct test_alloc t;
    struct skio__arena arena;
    char *ptr;

    (void)state;
    test_alloc_init(&t);
    skio__arena_init(&arena, &t.allocator, 0);
    test_alloc_fail(&t, 1);
    assert_null(skio__arena_alloc(&arena, 16));
    assert_int_equal(arena.total, 0);

    ptr = skio__arena_alloc(&arena, 4000);
    assert_non_null(ptr);
    memset(ptr, 'a', 4000);
    test_alloc_fail(&t, 1);
    assert_null(skio__arena_alloc(&arena, 4000));
    assert_int_equal(t.failed, 2);
    assert_int_equal(arena.total, SKIO__ARENA_CHUNK);
    assert_int_equal(ptr[3999], 'a');
    assert_non_null(skio__arena_alloc(&arena, 4000));
    skio__arena_deinit(&arena);
    assert_int_equal(t.live, 0);
}

static void
sizes_without_sense_are_null(void **state)
{
    struct test_alloc t;
    struct skio__arena arena;

    (void)state;
    test_alloc_init(&t);
    skio__arena_init(&arena, &t.allocator, 0);
    assert_null(skio__arena_alloc(&arena, 0));
    assert_null(skio__arena_alloc(&arena, SIZE_MAX));
    assert_null(skio__arena_alloc(&arena, SIZE_MAX - 64));
    assert_non_null(skio__arena_alloc(&arena, 1));
    assert_null(skio__arena_alloc(&arena, SIZE_MAX));
    skio__arena_deinit(&arena);
    assert_int_equal(t.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(the_first_chunk_stays),
        cmocka_unit_test(a_release_before_any_allocation_does_nothing),
        cmocka_unit_test(nested_marks_release_in_turn),
        cmocka_unit_test(a_mark_in_a_later_chunk_keeps_that_chunk),
        cmocka_unit_test(chunks_grow_so_that_there_are_few),
        cmocka_unit_test(the_limit_bounds_the_memory_taken),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
        cmocka_unit_test(sizes_without_sense_are_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
