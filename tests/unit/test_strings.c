/*
 * Structs of callers: strings among their members, and their sizes
 */
#include "base/strings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/sized.h"
#include "unit/alloc.h"

struct sized {
    size_t struct_size;
    const char *first;
    int between;
    const char *second;
    const char *third;
};

/* Offsets with something between them, as in a table of more columns. */
static const struct {
    int other;
    size_t offset;
} rows[] = {
    {1, offsetof(struct sized, first)},
    {2, offsetof(struct sized, second)},
    {3, offsetof(struct sized, third)},
};
static const struct skio__strings strings = {&rows[0].offset, sizeof rows[0],
                                             3};

static void
each_string_becomes_a_copy(void **state)
{
    char text[] = "one";
    struct sized given = {sizeof given, text, 7, NULL, "three"};
    struct test_alloc alloc;

    (void)state;
    test_alloc_init(&alloc);
    assert_int_equal(skio__strings_copy(&strings, &given, &alloc.allocator),
                     SKIO_OK);
    text[0] = 'x';
    assert_string_equal(given.first, "one");
    assert_int_equal(given.between, 7);
    assert_null(given.second);
    assert_string_equal(given.third, "three");
    assert_int_equal(alloc.live, 2);
    assert_ptr_equal(skio__strings_at(&strings, &given, 2), &given.third);
    skio__strings_free(&strings, &given, &alloc.allocator);
    assert_null(given.first);
    assert_null(given.third);
    assert_int_equal(alloc.live, 0);
    skio__strings_free(&strings, &given, &alloc.allocator);
}

static void
without_memory_nothing_is_kept(void **state)
{
    struct test_alloc alloc;

    (void)state;
    test_alloc_init(&alloc);
    for (size_t n = 1; n <= 3; n++) {
        struct sized given = {sizeof given, "one", 7, "two", "three"};

        test_alloc_fail(&alloc, n);
        assert_int_equal(skio__strings_copy(&strings, &given, &alloc.allocator),
                         SKIO_ENOMEM);
        alloc.fail_in = 0;
        assert_null(given.first);
        assert_null(given.second);
        assert_null(given.third);
        assert_int_equal(alloc.live, 0);
    }
}

static void
strings_of_others_are_forgotten(void **state)
{
    struct sized given = {sizeof given, "one", 7, "two", "three"};

    (void)state;
    skio__strings_forget(&strings, &given);
    assert_null(given.first);
    assert_null(given.second);
    assert_null(given.third);
    assert_int_equal(given.between, 7);
}

/* ---- Sizes ---- */

static const struct sized defaults = {sizeof defaults, "a", 1, "b", "c"};

static void
defaults_fill_what_the_caller_has(void **state)
{
    struct {
        struct sized known;
        int later;
    } out;

    (void)state;
    memset(&out, 0x55, sizeof out);
    skio__sized_init(&out, offsetof(struct sized, second), &defaults,
                     sizeof defaults);
    assert_int_equal(out.known.struct_size, offsetof(struct sized, second));
    assert_string_equal(out.known.first, "a");
    assert_int_equal(out.known.between, 1);
    assert_int_equal(((unsigned char *)&out)[offsetof(struct sized, second)],
                     0x55);

    skio__sized_init(&out, sizeof out, &defaults, sizeof defaults);
    assert_int_equal(out.known.struct_size, sizeof out);
    assert_string_equal(out.known.third, "c");
    assert_int_equal(out.later, 0);
}

static void
what_both_know_is_read(void **state)
{
    struct {
        struct sized known;
        int later;
    } given = {{sizeof given, "x", 2, "y", "z"}, 3}, own = {defaults, 4};

    (void)state;
    skio__sized_read(&own.known, sizeof own.known, NULL);
    assert_string_equal(own.known.first, "a");
    given.known.struct_size = offsetof(struct sized, second);
    skio__sized_read(&own.known, sizeof own.known, &given);
    assert_string_equal(own.known.first, "x");
    assert_int_equal(own.known.between, 2);
    assert_string_equal(own.known.second, "b");
    given.known.struct_size = sizeof given;
    skio__sized_read(&own.known, sizeof own.known, &given);
    assert_string_equal(own.known.third, "z");
    assert_int_equal(own.later, 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_string_becomes_a_copy),
        cmocka_unit_test(without_memory_nothing_is_kept),
        cmocka_unit_test(strings_of_others_are_forgotten),
        cmocka_unit_test(defaults_fill_what_the_caller_has),
        cmocka_unit_test(what_both_know_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
