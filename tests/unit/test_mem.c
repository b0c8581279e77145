/*
 * base/mem: sizes that overflow, sizes of nothing, the host's allocator
 */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc.h"

static void
an_allocation_comes_from_the_given_allocator(void **state)
{
    struct test_alloc t;
    void *ptr;

    (void)state;
    test_alloc_init(&t);
    ptr = skio__mem_alloc(&t.allocator, 24);
    assert_non_null(ptr);
    assert_int_equal(t.live, 1);
    assert_int_equal(t.live_bytes, 24);
    skio__mem_free(&t.allocator, ptr);
    assert_int_equal(t.live, 0);
}

static void
the_default_allocator_is_the_c_library(void **state)
{
    const skio_allocator *mem = skio__mem_default();
    char *ptr = skio__mem_array(mem, NULL, 4, 1);

    (void)state;
    assert_non_null(ptr);
    memcpy(ptr, "abc", 4);
    ptr = skio__mem_array(mem, ptr, 4000, 1);
    assert_non_null(ptr);
    assert_string_equal(ptr, "abc");
    skio__mem_free(mem, ptr);

    ptr = skio__mem_alloc(mem, 8);
    assert_non_null(ptr);
    skio__mem_free(mem, ptr);
}

static void
nothing_is_null_without_asking_the_allocator(void **state)
{
    struct test_alloc t;

    (void)state;
    test_alloc_init(&t);
    assert_null(skio__mem_alloc(&t.allocator, 0));
    assert_null(skio__mem_calloc(&t.allocator, 0, 8));
    assert_null(skio__mem_calloc(&t.allocator, 8, 0));
    assert_null(skio__mem_array(&t.allocator, NULL, 0, 8));
    assert_int_equal(t.calls, 0);
}

static void
a_product_that_overflows_fails_without_asking(void **state)
{
    static const size_t cases[][2] = {
        {SIZE_MAX, 2},           {2, SIZE_MAX},        {SIZE_MAX / 2 + 1, 2},
        {SIZE_MAX / 16 + 1, 16}, {SIZE_MAX, SIZE_MAX},
    };
    struct test_alloc t;
    void *kept;
    size_t i;

    (void)state;
    test_alloc_init(&t);
    kept = skio__mem_alloc(&t.allocator, 1);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = cases[i][0];
        size_t size = cases[i][1];

        assert_null(skio__mem_calloc(&t.allocator, n, size));
        assert_null(skio__mem_array(&t.allocator, NULL, n, size));
        assert_null(skio__mem_array(&t.allocator, kept, n, size));
    }
    assert_null(skio__mem_strndup(&t.allocator, "", SIZE_MAX));
    assert_int_equal(t.calls, 1);
    skio__mem_free(&t.allocator, kept);
    assert_int_equal(t.live, 0);
}

static void
calloc_zeroes(void **state)
{
    struct test_alloc t;
    unsigned char *ptr;
    size_t i;

    (void)state;
    test_alloc_init(&t);
    ptr = skio__mem_calloc(&t.allocator, 3, 7);
    assert_non_null(ptr);
    assert_int_equal(t.live_bytes, 21);
    for (i = 0; i < 21; i++)
        assert_int_equal(ptr[i], 0);
    skio__mem_free(&t.allocator, ptr);
}

static void
a_failed_resize_leaves_the_array(void **state)
{
    struct test_alloc t;
    char *ptr;

    (void)state;
    test_alloc_init(&t);
    ptr = skio__mem_array(&t.allocator, NULL, 4, 1);
    assert_non_null(ptr);
    memcpy(ptr, "abc", 4);
    test_alloc_fail(&t, 1);
    assert_null(skio__mem_array(&t.allocator, ptr, 8, 1));
    assert_string_equal(ptr, "abc");
    skio__mem_free(&t.allocator, ptr);
    assert_int_equal(t.live, 0);
}

static void
every_allocation_may_fail(void **state)
{
    struct test_alloc t;

    (void)state;
    test_alloc_init(&t);
    test_alloc_fail_from(&t, 1);
    assert_null(skio__mem_alloc(&t.allocator, 1));
    assert_null(skio__mem_calloc(&t.allocator, 1, 1));
    assert_null(skio__mem_array(&t.allocator, NULL, 1, 1));
    assert_null(skio__mem_strndup(&t.allocator, "a", 1));
    assert_int_equal(t.failed, 4);
    assert_int_equal(t.live, 0);
}

static void
freeing_null_does_nothing(void **state)
{
    struct test_alloc t;

    (void)state;
    test_alloc_init(&t);
    skio__mem_free(&t.allocator, NULL);
    skio__mem_free(skio__mem_default(), NULL);
    assert_int_equal(t.live, 0);
}

static void
strndup_copies_len_bytes_and_ends_them(void **state)
{
    struct test_alloc t;
    char *copy;

    (void)state;
    test_alloc_init(&t);
    copy = skio__mem_strndup(&t.allocator, "a\0bcd", 4);
    assert_non_null(copy);
    assert_memory_equal(copy, "a\0bc\0", 5);
    assert_int_equal(t.live_bytes, 5);
    skio__mem_free(&t.allocator, copy);

    copy = skio__mem_strndup(&t.allocator, NULL, 0);
    assert_non_null(copy);
    assert_string_equal(copy, "");
    skio__mem_free(&t.allocator, copy);
    assert_int_equal(t.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_comes_from_the_given_allocator),
        cmocka_unit_test(the_default_allocator_is_the_c_library),
        cmocka_unit_test(nothing_is_null_without_asking_the_allocator),
        cmocka_unit_test(a_product_that_overflows_fails_without_asking),
        cmocka_unit_test(calloc_zeroes),
        cmocka_unit_test(a_failed_resize_leaves_the_array),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(freeing_null_does_nothing),
        cmocka_unit_test(strndup_copies_len_bytes_and_ends_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
