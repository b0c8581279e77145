/*
 * DEFLATE: there and back, bounded memory and work, hostile messages
 */
#include "base/deflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/mem.h"
#include "unit/alloc.h"

#define TEXT_MAX 200000

static char text[TEXT_MAX];
static struct test_alloc alloc;

static int
setup(void **state)
{
    (void)state;
    test_alloc_init(&alloc);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 23);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    assert_int_equal(alloc.live, 0);
    return 0;
}

static struct skio__deflater *
deflater_of(enum skio__deflate_format format, uint8_t bits)
{
    const struct skio__deflate_settings settings = {format, 6, bits, 8};

    return skio__deflater_new(&alloc.allocator, &settings);
}

static void
messages_come_back(void **state)
{
    struct skio__inflater *inflater = skio__inflater_new(&alloc.allocator);

    (void)state;
    assert_non_null(inflater);
    for (uint8_t bits = SKIO__DEFLATE_BITS_MIN; bits <= SKIO__DEFLATE_BITS_MAX;
         bits++) {
        struct skio__deflater *deflater =
            deflater_of(SKIO__DEFLATE_MESSAGE, bits);

        assert_non_null(deflater);
        for (size_t len = 1; len <= TEXT_MAX; len = len * 3 + 1) {
            struct skio__buf small, back;

            skio__buf_init(&small, &alloc.allocator);
            skio__buf_init(&back, &alloc.allocator);
            back.max = len;
            assert_int_equal(skio__deflater_run(deflater, text, len, SIZE_MAX,
                                                &small),
                             SKIO_OK);
            assert_int_equal(skio__inflater_run(inflater, small.data, small.len,
                                                &back),
                             SKIO_OK);
            assert_int_equal(back.len, len);
            assert_memory_equal(back.data, text, len);
            skio__buf_deinit(&small);
            skio__buf_deinit(&back);
        }
        skio__deflater_free(deflater);
    }
    skio__inflater_free(inflater);
}

static void
bodies_are_what_zlib_reads(void **state)
{
    static char back[TEXT_MAX];
    static const struct {
        enum skio__deflate_format format;
        int window;
    } forms[] = {{SKIO__DEFLATE_ZLIB, 15}, {SKIO__DEFLATE_GZIP, 15 + 16}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct skio__deflater *deflater = deflater_of(forms[i].format, 15);
        struct skio__buf small;
        z_stream z = {0};

        skio__buf_init(&small, &alloc.allocator);
        assert_int_equal(skio__deflater_run(deflater, text, TEXT_MAX, TEXT_MAX,
                                            &small),
                         SKIO_OK);
        assert_true(small.len < TEXT_MAX / 10);
        assert_int_equal(inflateInit2(&z, forms[i].window), Z_OK);
        z.next_in = (Bytef *)small.data;
        z.avail_in = (uInt)small.len;
        z.next_out = (Bytef *)back;
        z.avail_out = sizeof back;
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, TEXT_MAX);
        assert_memory_equal(back, text, TEXT_MAX);
        inflateEnd(&z);
        skio__buf_deinit(&small);
        skio__deflater_free(deflater);
    }
}

static void
what_grows_is_not_compressed(void **state)
{
    static const char noise[] = "\x9d\x01\xfe\x83\x27\xc4";
    struct skio__deflater *deflater = deflater_of(SKIO__DEFLATE_MESSAGE, 15);
    struct skio__buf out;

    (void)state;
    skio__buf_init(&out, &alloc.allocator);
    assert_int_equal(skio__deflater_run(deflater, noise, 6, 6, &out),
                     SKIO_ETOOBIG);
    assert_int_equal(out.len, 0);
    /* And the next one is not touched by that. */
    assert_int_equal(skio__deflater_run(deflater, text, 1000, 1000, &out),
                     SKIO_OK);
    assert_true(out.len > 0 && out.len < 1000);
    skio__buf_deinit(&out);
    skio__deflater_free(deflater);
}

static void
a_bomb_is_stopped_at_the_maximum(void **state)
{
    static char zeroes[TEXT_MAX];
    struct skio__deflater *deflater = deflater_of(SKIO__DEFLATE_MESSAGE, 15);
    struct skio__inflater *inflater = skio__inflater_new(&alloc.allocator);
    struct skio__buf small, back;

    (void)state;
    skio__buf_init(&small, &alloc.allocator);
    assert_int_equal(skio__deflater_run(deflater, zeroes, TEXT_MAX, TEXT_MAX,
                                        &small),
                     SKIO_OK);
    assert_true(small.len < 500);
    for (size_t max = TEXT_MAX - 1; max > 0; max /= 7) {
        skio__buf_init(&back, &alloc.allocator);
        back.max = max;
        assert_int_equal(skio__inflater_run(inflater, small.data, small.len,
                                            &back),
                         SKIO_ETOOBIG);
        assert_true(back.cap <= max);
        skio__buf_deinit(&back);
    }
    skio__buf_init(&back, &alloc.allocator);
    back.max = TEXT_MAX;
    assert_int_equal(skio__inflater_run(inflater, small.data, small.len, &back),
                     SKIO_OK);
    assert_int_equal(back.len, TEXT_MAX);
    skio__buf_deinit(&back);
    skio__buf_deinit(&small);
    skio__deflater_free(deflater);
    skio__inflater_free(inflater);
}

static void
a_message_cut_or_changed_does_no_harm(void **state)
{
    struct skio__deflater *deflater = deflater_of(SKIO__DEFLATE_MESSAGE, 15);
    struct skio__inflater *inflater = skio__inflater_new(&alloc.allocator);
    struct skio__buf small;

    (void)state;
    skio__buf_init(&small, &alloc.allocator);
    assert_int_equal(skio__deflater_run(deflater, text, 500, 500, &small),
                     SKIO_OK);
    for (size_t cut = 1; cut < small.len; cut++) {
        struct skio__buf back;

        skio__buf_init(&back, &alloc.allocator);
        back.max = 500;
        assert_int_equal(skio__inflater_run(inflater, small.data, cut, &back),
                         SKIO_EPROTO);
        skio__buf_deinit(&back);
    }
    for (size_t at = 0; at < small.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            struct skio__buf back;
            int err;

            small.data[at] = (char)(small.data[at] ^ (1 << bit));
            skio__buf_init(&back, &alloc.allocator);
            back.max = 2000;
            err = skio__inflater_run(inflater, small.data, small.len, &back);
            assert_true(err == SKIO_OK || err == SKIO_EPROTO ||
                        err == SKIO_ETOOBIG);
            assert_true(back.len <= 2000);
            skio__buf_deinit(&back);
            small.data[at] = (char)(small.data[at] ^ (1 << bit));
        }
    }
    skio__buf_deinit(&small);
    skio__deflater_free(deflater);
    skio__inflater_free(inflater);
}

static void
every_failing_allocation_is_reported(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct skio__deflater *deflater;
        struct skio__inflater *inflater;
        struct skio__buf small, back;
        int err = SKIO_ENOMEM;

        test_alloc_fail(&alloc, n);
        deflater = deflater_of(SKIO__DEFLATE_MESSAGE, 15);
        inflater = skio__inflater_new(&alloc.allocator);
        skio__buf_init(&small, &alloc.allocator);
        skio__buf_init(&back, &alloc.allocator);
        back.max = TEXT_MAX;
        if (deflater != NULL && inflater != NULL)
            err =
                skio__deflater_run(deflater, text, TEXT_MAX, TEXT_MAX, &small);
        if (err == SKIO_OK)
            err = skio__inflater_run(inflater, small.data, small.len, &back);
        skio__buf_deinit(&small);
        skio__buf_deinit(&back);
        skio__deflater_free(deflater);
        skio__inflater_free(inflater);
        assert_int_equal(alloc.live, 0);
        if (err == SKIO_OK)
            break;
        assert_int_equal(err, SKIO_ENOMEM);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_are_what_zlib_reads, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_grows_is_not_compressed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_bomb_is_stopped_at_the_maximum, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_message_cut_or_changed_does_no_harm,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(every_failing_allocation_is_reported,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
