/*
 * Content-Encoding: the choice among hostile headers (which coding Node chooses
 * is compared with Node, in tests/interop/test_client_files.mjs and
 * test_deflate.mjs)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/coding.h"

static void
no_header_means_no_encoding(void **state)
{
    (void)state;
    assert_int_equal(skio__coding_choose(NULL), SKIO__CODING_NONE);
    assert_int_equal(skio__coding_choose(""), SKIO__CODING_NONE);
    assert_int_equal(skio__coding_choose("gzip"), SKIO__CODING_GZIP);
    assert_int_equal(skio__coding_choose("deflate"), SKIO__CODING_DEFLATE);
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
            (void)skio__coding_choose(header);
    }
    memset(header, ',', sizeof header - 1);
    memcpy(header + sizeof header - 6, ",gzip", 6);
    assert_int_equal(skio__coding_choose(header), SKIO__CODING_GZIP);
}

static void
quality_is_read_to_the_thousandth(void **state)
{
    (void)state;
    assert_int_equal(skio__coding_choose("gzip;q=0.001"), SKIO__CODING_GZIP);
    assert_int_equal(skio__coding_choose("gzip;q=0.000"), SKIO__CODING_NONE);
    assert_int_equal(skio__coding_choose("gzip;q=0.501,deflate;q=0.502"),
                     SKIO__CODING_DEFLATE);
    assert_int_equal(skio__coding_choose("gzip;q=,deflate;q=."),
                     SKIO__CODING_NONE);
    assert_int_equal(skio__coding_choose("gzip;q"), SKIO__CODING_GZIP);
    assert_int_equal(skio__coding_choose("gzip;"), SKIO__CODING_GZIP);
    assert_int_equal(skio__coding_choose("gzip;q=0.1;q=0"), SKIO__CODING_GZIP);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_header_means_no_encoding),
        cmocka_unit_test(long_header_is_read_in_linear_time),
        cmocka_unit_test(quality_is_read_to_the_thousandth),
    };

    return cmocka_run_group_tests_name("encoding", tests, NULL, NULL);
}
