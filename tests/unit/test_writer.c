/*
 * Writing into memory of a fixed size
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/writer.h"

static void
write_all(struct skio__writer *writer)
{
    skio__writer_str(writer, "sid");
    skio__writer_put(writer, NULL, 0);
    skio__writer_str(writer, "");
    skio__writer_u64(writer, 0);
    skio__writer_put(writer, "=\0=", 3);
    skio__writer_u64(writer, UINT64_MAX);
    skio__writer_str(writer, "!");
}

static const char written[] = "sid0=\0=18446744073709551615!";
#define WRITTEN (sizeof written - 1)

static void
pieces_stand_side_by_side(void **state)
{
    char data[WRITTEN + 1];
    struct skio__writer writer = {data, sizeof data, 0};

    (void)state;
    data[WRITTEN] = '#';
    write_all(&writer);
    assert_int_equal(writer.len, WRITTEN);
    assert_memory_equal(data, written, WRITTEN);
    assert_int_equal(data[WRITTEN], '#'); /* no NUL */
}

/* In memory that ends where malloc's does. */
static void
what_does_not_fit_is_counted_alone(void **state)
{
    (void)state;
    for (size_t size = 0; size <= WRITTEN; size++) {
        char *data = malloc(size + (size == 0));
        struct skio__writer writer = {data, size, 0};

        assert_non_null(data);
        memset(data, '#', size);
        write_all(&writer);
        assert_int_equal(writer.len, WRITTEN);
        for (size_t i = 0; i < size; i++)
            assert_true(data[i] == written[i] || data[i] == '#');
        /* a piece that would fit does not stand where another should */
        if (size == WRITTEN - 1)
            assert_int_equal(data[size - 1], '5');
        else if (size > 0 && size < WRITTEN)
            assert_int_not_equal(data[size - 1], '!');
        free(data);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_stand_side_by_side),
        cmocka_unit_test(what_does_not_fit_is_counted_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
