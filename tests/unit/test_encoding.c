/*
 * Content-Encoding: the choice among hostile headers, and compressing with
 * memory that runs out (which encoding Node chooses is compared with Node, in
 * tests/interop/test_client_files.mjs)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/mem.h"
#include "transport/encoding.h"
#include "unit/alloc.h"

static void
no_header_means_no_encoding(void **state)
{
    (void)state;
    assert_int_equal(skio__encoding_choose(NULL), ENCODING_IDENTITY);
    assert_int_equal(skio__encoding_choose(""), ENCODING_IDENTITY);
    assert_int_equal(skio__encoding_choose("gzip"), ENCODING_GZIP);
    assert_int_equal(skio__encoding_choose("deflate"), ENCODING_DEFLATE);
}

static void
long_header_is_read_in_linear_time(void **state)
{
    char header[16384];

    (void)state;
    for (const char *c = ",;= *q0.\t"; *c != '\0'; c++) {
        memset(header, *c, sizeof header - 1);
        header[sizeof header - 1] = '\0';
        for (int i = 0; i < 20; i++)
            (void)skio__encoding_choose(header);
    }
    memset(header, ',', sizeof header - 1);
    memcpy(header + sizeof header - 6, ",gzip", 6);
    assert_int_equal(skio__encoding_choose(header), ENCODING_GZIP);
}

static void
quality_is_read_to_the_thousandth(void **state)
{
    (void)state;
    assert_int_equal(skio__encoding_choose("gzip;q=0.001"), ENCODING_GZIP);
    assert_int_equal(skio__encoding_choose("gzip;q=0.000"), ENCODING_IDENTITY);
    assert_int_equal(skio__encoding_choose("gzip;q=0.501,deflate;q=0.502"),
                     ENCODING_DEFLATE);
    assert_int_equal(skio__encoding_choose("gzip;q=,deflate;q=."),
                     ENCODING_IDENTITY);
    assert_int_equal(skio__encoding_choose("gzip;q"), ENCODING_GZIP);
    assert_int_equal(skio__encoding_choose("gzip;"), ENCODING_GZIP);
    assert_int_equal(skio__encoding_choose("gzip;q=0.1;q=0"), ENCODING_GZIP);
}

static void
what_is_compressed_can_be_read_again(void **state)
{
    char *text = malloc(200000);
    char *back = malloc(200000);

    (void)state;
    assert_non_null(text);
    assert_non_null(back);
    for (size_t i = 0; i < 200000; i++)
        text[i] = (char)('a' + i * i % 23);
    for (size_t len = 0; len <= 200000; len = len * 3 + 1) {
        uLongf back_len = 200000;
        char *out = NULL;
        size_t out_len = 0;

        assert_int_equal(skio__encoding_apply(ENCODING_DEFLATE,
                                              skio__mem_default(), text, len,
                                              &out, &out_len),
                         SKIO_OK);
        assert_int_equal(uncompress((Bytef *)back, &back_len, (Bytef *)out,
                                    (uLong)out_len),
                         Z_OK);
        assert_int_equal(back_len, len);
        assert_memory_equal(back, text, len);
        skio__mem_free(skio__mem_default(), out);
    }
    free(text);
    free(back);
}

static void
compressing_without_memory_is_an_error(void **state)
{
    static const char text[] = "the same, the same, the same, the same";

    (void)state;
    for (int e = ENCODING_IDENTITY + 1; e < ENCODING_COUNT; e++) {
        struct test_alloc alloc;
        int err = SKIO_ENOMEM;

        test_alloc_init(&alloc);
        for (size_t n = 1; err == SKIO_ENOMEM && n < 100; n++) {
            char *out = NULL;
            size_t out_len = 0;

            test_alloc_fail(&alloc, n);
            err = skio__encoding_apply((enum skio__encoding)e, &alloc.allocator,
                                       text, sizeof text - 1, &out, &out_len);
            alloc.fail_in = 0;
            if (err == SKIO_OK)
                skio__mem_free(&alloc.allocator, out);
            assert_int_equal(alloc.live, 0);
        }
        assert_int_equal(err, SKIO_OK);
        assert_true(alloc.failed > 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_header_means_no_encoding),
        cmocka_unit_test(long_header_is_read_in_linear_time),
        cmocka_unit_test(quality_is_read_to_the_thousandth),
        cmocka_unit_test(what_is_compressed_can_be_read_again),
        cmocka_unit_test(compressing_without_memory_is_an_error),
    };

    return cmocka_run_group_tests_name("encoding", tests, NULL, NULL);
}
