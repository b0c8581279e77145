/*
 * base/json_string: escapes read and written
 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define T(s) s, sizeof(s) - 1
#define FFFD "\xef\xbf\xbd"

/* The texts are JSON strings, the bytes what JSON.parse makes of them. */
static const struct {
    const char *json;
    const char *bytes;
    size_t len;
} unescaped[] = {
    {"\"\"", T("")},
    {"\"plain\"", T("plain")},
    {"\"caf\xc3\xa9\"", T("caf\xc3\xa9")},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", T("\"\\/\b\f\n\r\t")},
    {"\"a\\nb\\nc\"", T("a\nb\nc")},
    {"\"\\u0000\"", T("\0")},
    {"\"a\\u0000b\"", T("a\0b")},
    {"\"\\u0041\\u005A\\u007f\"", T("AZ\x7f")},
    {"\"\\u0080\\u07FF\"", T("\xc2\x80\xdf\xbf")},
    {"\"\\u0800\\uffff\"", T("\xe0\xa0\x80\xef\xbf\xbf")},
    {"\"\\ud7ff\\ue000\"", T("\xed\x9f\xbf\xee\x80\x80")},
    {"\"\\ud83d\\ude00\"", T("\xf0\x9f\x98\x80")},
    {"\"\\uD83D\\uDE00!\"", T("\xf0\x9f\x98\x80!")},
    {"\"\\ud800\\udc00\"", T("\xf0\x90\x80\x80")},
    {"\"\\udbff\\udfff\"", T("\xf4\x8f\xbf\xbf")},
    {"\"\\ud800\"", T(FFFD)},
    {"\"\\udc00\"", T(FFFD)},
    {"\"\\ud800a\"", T(FFFD "a")},
    {"\"\\ud800\\n\"", T(FFFD "\n")},
    {"\"\\ud800\\u0041\"", T(FFFD "A")},
    {"\"\\ud800\\ud800\"", T(FFFD FFFD)},
    {"\"\\ud800\\ud83d\\ude00\"", T(FFFD "\xf0\x9f\x98\x80")},
    {"\"\\udc00\\ud800\"", T(FFFD FFFD)},
    {"\"\\ude00\\ud83d\"", T(FFFD FFFD)},
    {"\"\\ud800\\\\udc00\"", T(FFFD "\\udc00")},
    {"\"\\\\u0041\"", T("\\u0041")},
    {"\"\\\\\\u0041\"", T("\\A")},
};

#define N_UNESCAPED (sizeof(unescaped) / sizeof(unescaped[0]))

/* Case i in a block of its own, so that a look too far is seen. */
static char *
text_of(size_t i, struct skio__json_slice *slice)
{
    struct skio__json_limits limits = {1, -1};
    struct skio__json_scan out;
    size_t len = strlen(unescaped[i].json);
    char *text = malloc(len);

    assert_non_null(text);
    memset(&out, 0, sizeof(out));
    memcpy(text, unescaped[i].json, len);
    assert_int_equal(skio__json_scan(text, len, &limits, &out), SKIO_OK);
    *slice = out.root;
    return text;
}

static void
escapes_are_read_as_json_parse_does(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < N_UNESCAPED; i++) {
        struct skio__json_slice slice;
        char *text = text_of(i, &slice);
        char *out = malloc(slice.len);
        size_t len;

        assert_non_null(out);
        len = skio__json_unescape(text, &slice, out);
        if (len != unescaped[i].len ||
            memcmp(out, unescaped[i].bytes, len) != 0)
            fail_msg("%s", unescaped[i].json);
        free(out);
        free(text);
    }
}

static void
strings_are_compared_unescaped(void **state)
{
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < N_UNESCAPED; i++) {
        struct skio__json_slice slice;
        char *text = text_of(i, &slice);

        for (k = 0; k < N_UNESCAPED; k++) {
            bool same = unescaped[i].len == unescaped[k].len &&
                        memcmp(unescaped[i].bytes, unescaped[k].bytes,
                               unescaped[k].len) == 0;

            assert_int_equal(skio__json_string_is(text, &slice,
                                                  unescaped[k].bytes,
                                                  unescaped[k].len),
                             same);
        }
        if (unescaped[i].len > 0)
            assert_false(skio__json_string_is(text, &slice, unescaped[i].bytes,
                                              unescaped[i].len - 1));
        free(text);
    }
}

static const struct {
    const char *bytes;
    size_t len;
    const char *json;
} quoted[] = {
    {NULL, 0, "\"\""},
    {T("plain"), "\"plain\""},
    {T("\""), "\"\\\"\""},
    {T("\\"), "\"\\\\\""},
    {T("a\"b\\c"), "\"a\\\"b\\\\c\""},
    {T("</script>"), "\"</script>\""},
    {T("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\""},
    {T("\0"), "\"\\u0000\""},
    {T("\x01\x07\x0b\x0e\x1b\x1f"),
     "\"\\u0001\\u0007\\u000b\\u000e\\u001b\\u001f\""},
    {T(" \x7f"), "\" \x7f\""},
    {T("caf\xc3\xa9"), "\"caf\xc3\xa9\""},
    {T("\xe2\x80\xa8\xe2\x80\xa9"), "\"\xe2\x80\xa8\xe2\x80\xa9\""},
    {T("\xf0\x9f\x98\x80\n"), "\"\xf0\x9f\x98\x80\\n\""},
};

static void
strings_are_written_as_json_stringify_does(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(quoted) / sizeof(quoted[0]); i++) {
        struct test_alloc t;
        struct skio__buf buf;

        test_alloc_init(&t);
        skio__buf_init(&buf, &t.allocator);
        skio__buf_putc(&buf, '[');
        assert_int_equal(skio__json_quote(&buf, quoted[i].bytes, quoted[i].len),
                         SKIO_OK);
        assert_int_equal(buf.len, 1 + strlen(quoted[i].json));
        assert_memory_equal(buf.data + 1, quoted[i].json, buf.len - 1);
        skio__buf_deinit(&buf);
        assert_int_equal(t.live, 0);
    }
}

static void
every_character_survives_the_way_there_and_back(void **state)
{
    struct skio__json_limits limits = {1, -1};
    unsigned c;

    (void)state;
    for (c = 0; c < 0x80; c++) {
        char bytes[3] = {'<', (char)c, '>'};
        char out[16];
        struct test_alloc t;
        struct skio__buf buf;
        struct skio__json_scan scan;

        memset(&scan, 0, sizeof(scan));
        test_alloc_init(&t);
        skio__buf_init(&buf, &t.allocator);
        assert_int_equal(skio__json_quote(&buf, bytes, 3), SKIO_OK);
        assert_int_equal(skio__json_scan(buf.data, buf.len, &limits, &scan),
                         SKIO_OK);
        assert_in_range(scan.root.len, 5, sizeof(out));
        assert_int_equal(skio__json_unescape(buf.data, &scan.root, out), 3);
        assert_memory_equal(out, bytes, 3);
        skio__buf_deinit(&buf);
    }
}

static void
a_quote_that_does_not_fit_sets_the_error(void **state)
{
    struct test_alloc t;
    struct skio__buf buf;
    size_t n;

    (void)state;
    for (n = 1; n <= 2; n++) {
        char bytes[100];

        memset(bytes, '\n', sizeof(bytes));
        test_alloc_init(&t);
        test_alloc_fail(&t, n);
        skio__buf_init(&buf, &t.allocator);
        assert_int_equal(skio__json_quote(&buf, bytes, sizeof(bytes)),
                         SKIO_ENOMEM);
        skio__buf_deinit(&buf);
        assert_int_equal(t.live, 0);
    }

    skio__buf_init(&buf, &t.allocator);
    buf.max = 6;
    assert_int_equal(skio__json_quote(&buf, "\na\n", 3), SKIO_ETOOBIG);
    skio__buf_reset(&buf);
    assert_int_equal(skio__json_quote(&buf, "\nab", 3), SKIO_OK);
    skio__buf_deinit(&buf);
    assert_int_equal(t.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_read_as_json_parse_does),
        cmocka_unit_test(strings_are_compared_unescaped),
        cmocka_unit_test(strings_are_written_as_json_stringify_does),
        cmocka_unit_test(every_character_survives_the_way_there_and_back),
        cmocka_unit_test(a_quote_that_does_not_fit_sets_the_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
