/*
 * base/base64: bytes as text, there and back
 */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static void
base64_is_decoded(void **state)
{
    static const struct {
        const char *text;
        const char *bytes;
        ptrdiff_t len;
    } cases[] = {
        {"", "", 0},
        {"AQIDBA==", "\1\2\3\4", 4},
        {"AQIDBA", "\1\2\3\4", 4},
        {"AQID", "\1\2\3", 3},
        {"AQI=", "\1\2", 2},
        {"AQI", "\1\2", 2},
        {"+/8=", "\xfb\xff", 2},
        {"-_8=", "\xfb\xff", 2},
        {"-_8", "\xfb\xff", 2},
        {"AA==", "\0", 1},

        /* in lines */
        {"AQ==\n", "\1", 1},
        {"A\nQ==", "\1", 1},
        {"AQIDBA\r\n", "\1\2\3\4", 4},
        {"AQ\nIDBA\r\n=\n=\n", "\1\2\3\4", 4},
        {"-_\n8=\n", "\xfb\xff", 2},
        {"\n", "", 0},
        {"A\n", NULL, SKIO_EPROTO},
        {"AQ=\n", NULL, SKIO_EPROTO},
        {"AQ==\nAQ==", NULL, SKIO_EPROTO},

        {"A", NULL, SKIO_EPROTO},
        {"=", NULL, SKIO_EPROTO},
        {"====", NULL, SKIO_EPROTO},
        {"AQ=", NULL, SKIO_EPROTO},
        {"AQID=", NULL, SKIO_EPROTO},
        {"AQIDBA===", NULL, SKIO_EPROTO},
        {"AQ==AQ==", NULL, SKIO_EPROTO},
        {"AQ ==", NULL, SKIO_EPROTO},
        {"+_8=", NULL, SKIO_EPROTO},
        {"!!!", NULL, SKIO_EPROTO},
        {"AQ\xc3\xa9", NULL, SKIO_EPROTO},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].text);
        /* Exactly the room that is promised: sanitizers see a byte more. */
        unsigned char *out = malloc(len + (len == 0));

        assert_non_null(out);
        assert_int_equal(skio__base64_decode(cases[i].text, len, out),
                         cases[i].len);
        if (cases[i].len > 0)
            assert_memory_equal(out, cases[i].bytes, (size_t)cases[i].len);
        free(out);
    }
}

static void
what_is_appended_is_padded(void **state)
{
    struct test_alloc alloc;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&buf, &alloc.allocator);
    assert_int_equal(skio__base64_append(&buf, NULL, 0), SKIO_OK);
    assert_int_equal(buf.len, 0);
    assert_int_equal(skio__base64_append(&buf, "\xfb\xff", 2), SKIO_OK);
    assert_int_equal(skio__base64_append(&buf, "\1\2\3\4", 4), SKIO_OK);
    assert_int_equal(buf.len, 12);
    assert_memory_equal(buf.data, "+/8=AQIDBA==", 12);
    skio__buf_deinit(&buf);
    assert_int_equal(alloc.live, 0);
}

static void
appending_without_memory_changes_nothing(void **state)
{
    struct test_alloc alloc;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&buf, &alloc.allocator);
    test_alloc_fail(&alloc, 1);
    assert_int_equal(skio__base64_append(&buf, "abc", 3), SKIO_ENOMEM);
    assert_int_equal(buf.len, 0);
    skio__buf_deinit(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_decoded),
        cmocka_unit_test(what_is_appended_is_padded),
        cmocka_unit_test(appending_without_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
