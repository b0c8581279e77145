/*
 * base/buf: growth, the limit, the sticky error, handing over
 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/mem.h"

static void
an_empty_buffer_owns_nothing(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&buf, &t.allocator);
    assert_null(buf.data);
    assert_int_equal(skio__buf_append(&buf, NULL, 0), SKIO_OK);
    assert_int_equal(skio__buf_append_str(&buf, ""), SKIO_OK);
    assert_int_equal(t.calls, 0);
    skio__buf_deinit(&buf);
}

static void
appends_follow_each_other(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&buf, &t.allocator);
    assert_int_equal(skio__buf_append(&buf, "4\0", 2), SKIO_OK);
    assert_int_equal(skio__buf_putc(&buf, '['), SKIO_OK);
    assert_int_equal(skio__buf_append_str(&buf, "abc"), SKIO_OK);
    assert_int_equal(skio__buf_append_u64(&buf, 0), SKIO_OK);
    assert_int_equal(skio__buf_append_u64(&buf, UINT64_MAX), SKIO_OK);
    assert_int_equal(buf.len, 27);
    assert_memory_equal(buf.data, "4\0[abc018446744073709551615", 27);
    skio__buf_deinit(&buf);
    assert_int_equal(t.live, 0);
}

static void
growth_doubles(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;
    size_t i;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&buf, &t.allocator);
    for (i = 0; i < 100000; i++)
        assert_int_equal(skio__buf_putc(&buf, (char)(i % 100)), SKIO_OK);
    assert_in_range(t.calls, 1, 20);
    assert_true(buf.cap >= buf.len && buf.cap <= 2 * buf.len);
    for (i = 0; i < 100000; i++)
        assert_int_equal(buf.data[i], (char)(i % 100));
    skio__buf_deinit(&buf);
    assert_int_equal(t.live, 0);
}

static void
reserved_room_needs_no_allocation(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&buf, &t.allocator);
    assert_int_equal(skio__buf_reserve(&buf, 1000), SKIO_OK);
    assert_int_equal(t.calls, 1);
    while (buf.len < 1000)
        skio__buf_putc(&buf, 'x');
    assert_int_equal(t.calls, 1);
    skio__buf_deinit(&buf);
}

static void
the_limit_can_be_reached_and_not_passed(void **state)
{
    static const size_t limits[] = {1, 63, 64, 65, 100, 128, 129, 4096};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct test_alloc t;
        struct skio__buf buf;

        test_alloc_init(&t);
        skio__buf_init(&buf, &t.allocator);
        buf.max = limits[i];
        while (buf.len < limits[i])
            assert_int_equal(skio__buf_putc(&buf, 'x'), SKIO_OK);
        assert_int_equal(skio__buf_append(&buf, "", 0), SKIO_OK);
        assert_int_equal(skio__buf_putc(&buf, 'x'), SKIO_ETOOBIG);
        assert_int_equal(buf.len, limits[i]);
        assert_true(t.peak_bytes <= 2 * limits[i]);
        skio__buf_deinit(&buf);
        assert_int_equal(t.live, 0);
    }
}

static void
the_first_error_sticks_until_reset(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&buf, &t.allocator);
    buf.max = 4;
    assert_int_equal(skio__buf_append_str(&buf, "ab"), SKIO_OK);
    assert_int_equal(skio__buf_append_str(&buf, "cde"), SKIO_ETOOBIG);
    assert_int_equal(skio__buf_putc(&buf, 'c'), SKIO_ETOOBIG);
    assert_int_equal(skio__buf_append(&buf, NULL, 0), SKIO_ETOOBIG);
    assert_int_equal(skio__buf_reserve(&buf, 0), SKIO_ETOOBIG);
    assert_int_equal(buf.len, 2);

    skio__buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_int_equal(skio__buf_append_str(&buf, "cdef"), SKIO_OK);
    assert_memory_equal(buf.data, "cdef", 4);
    skio__buf_deinit(&buf);
    assert_int_equal(t.live, 0);
}

static void
a_failed_allocation_keeps_what_was_there(void **state)
{
    size_t n;

    (void)state;
    for (n = 1; n <= 8; n++) {
        struct test_alloc t;
        struct skio__buf buf;
        size_t len = 0;

        test_alloc_init(&t);
        test_alloc_fail(&t, n);
        skio__buf_init(&buf, &t.allocator);
        while (skio__buf_append(&buf, "0123456789", 10) == SKIO_OK)
            len += 10;
        assert_int_equal(buf.err, SKIO_ENOMEM);
        assert_int_equal(buf.len, len);
        assert_int_equal(t.failed, 1);
        assert_int_equal(skio__buf_append_u64(&buf, 1), SKIO_ENOMEM);
        if (len > 0)
            assert_memory_equal(buf.data + len - 10, "0123456789", 10);
        skio__buf_deinit(&buf);
        assert_int_equal(buf.err, SKIO_OK);
        assert_int_equal(t.live, 0);
    }
}

static void
sizes_near_the_end_of_memory_fail(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&buf, &t.allocator);
    assert_int_equal(skio__buf_putc(&buf, 'x'), SKIO_OK);
    assert_int_equal(skio__buf_reserve(&buf, SIZE_MAX), SKIO_ENOMEM);
    skio__buf_reset(&buf);
    assert_int_equal(skio__buf_reserve(&buf, SIZE_MAX), SKIO_ENOMEM);
    skio__buf_deinit(&buf);
    assert_int_equal(t.live, 0);
}

static void
reset_keeps_the_memory(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&buf, &t.allocator);
    skio__buf_append_str(&buf, "abc");
    skio__buf_reset(&buf);
    skio__buf_append_str(&buf, "de");
    assert_int_equal(t.calls, 1);
    assert_int_equal(buf.len, 2);
    assert_memory_equal(buf.data, "de", 2);
    skio__buf_deinit(&buf);
}

static void
stolen_bytes_are_the_callers(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;
    size_t len;
    char *data;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&buf, &t.allocator);
    assert_null(skio__buf_steal(&buf, &len));
    assert_int_equal(len, 0);

    buf.max = 8;
    skio__buf_append_str(&buf, "abc");
    data = skio__buf_steal(&buf, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "abc", 3);
    assert_null(buf.data);
    assert_int_equal(buf.len, 0);

    assert_int_equal(skio__buf_append_str(&buf, "12345678"), SKIO_OK);
    assert_int_equal(skio__buf_putc(&buf, '9'), SKIO_ETOOBIG);
    assert_memory_equal(data, "abc", 3);
    skio__mem_free(&t.allocator, data);

    assert_null(skio__buf_steal(&buf, &len)); /* in error */
    assert_int_equal(len, 0);
    assert_int_equal(t.live, 0);
    assert_int_equal(skio__buf_putc(&buf, '9'), SKIO_OK);
    skio__buf_deinit(&buf);
    assert_int_equal(t.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_owns_nothing),
        cmocka_unit_test(appends_follow_each_other),
        cmocka_unit_test(growth_doubles),
        cmocka_unit_test(reserved_room_needs_no_allocation),
        cmocka_unit_test(the_limit_can_be_reached_and_not_passed),
        cmocka_unit_test(the_first_error_sticks_until_reset),
        cmocka_unit_test(a_failed_allocation_keeps_what_was_there),
        cmocka_unit_test(sizes_near_the_end_of_memory_fail),
        cmocka_unit_test(reset_keeps_the_memory),
        cmocka_unit_test(stolen_bytes_are_the_callers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
