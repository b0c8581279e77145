/*
 * base/json: what the scanner accepts, refuses and records
 *
 * The verdicts are JSON.parse's of Node.js 20, which was compared with the
 * scanner on a few hundred thousand made and mutated texts besides. Every case
 * runs in a block of its own length, so that a sanitizer sees a byte too far.
 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

struct text {
    const char *bytes;
    size_t len;
    int err;
};

#define T(s) s, sizeof(s) - 1

#define LONG_TEXT 1300 /* bytes of the longest string that is varied */

/* Scan a copy that ends where the text ends. */
static int
scan(const char *text, size_t len, uint32_t max_depth, int64_t placeholders,
     struct skio__json_scan *out)
{
    struct skio__json_limits limits = {max_depth, placeholders};
    char *copy = malloc(len > 0 ? len : 1);
    int err;

    assert_non_null(copy);
    memcpy(copy, text, len);
    err = skio__json_scan(copy, len, &limits, out);
    free(copy);
    return err;
}

static int
verdict(const char *text, size_t len)
{
    struct skio__json_scan out;

    memset(&out, 0, sizeof(out));
    return scan(text, len, 64, -1, &out);
}

static void
check_texts(const struct text *texts, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        int err = verdict(texts[i].bytes, texts[i].len);

        if (err != texts[i].err)
            fail_msg("%s: %d, not %d", texts[i].bytes, err, texts[i].err);
    }
}

static const struct text grammar[] = {
    /* scalars */
    {T("null"), SKIO_OK},
    {T("true"), SKIO_OK},
    {T("false"), SKIO_OK},
    {T("0"), SKIO_OK},
    {T("\"\""), SKIO_OK},
    {T(" \t\r\n1 \t\r\n"), SKIO_OK},
    {T("nul"), SKIO_EPROTO},
    {T("nulll"), SKIO_EPROTO},
    {T("tru"), SKIO_EPROTO},
    {T("True"), SKIO_EPROTO},
    {T("truefalse"), SKIO_EPROTO},
    {T("undefined"), SKIO_EPROTO},
    {T("NaN"), SKIO_EPROTO},
    {T("Infinity"), SKIO_EPROTO},
    {T("'a'"), SKIO_EPROTO},
    {T("a"), SKIO_EPROTO},
    /* nothing, or not only one value */
    {T(""), SKIO_EPROTO},
    {T(" "), SKIO_EPROTO},
    {T("\n\t"), SKIO_EPROTO},
    {T("1 2"), SKIO_EPROTO},
    {T("[] []"), SKIO_EPROTO},
    {T("[1]x"), SKIO_EPROTO},
    {T("{}}"), SKIO_EPROTO},
    {T("[]]"), SKIO_EPROTO},
    {T("1,"), SKIO_EPROTO},
    {T(",1"), SKIO_EPROTO},
    {T("1\0"), SKIO_EPROTO},
    {T("\0"), SKIO_EPROTO},
    /* white space that is none */
    {T("\v1"), SKIO_EPROTO},
    {T("\f1"), SKIO_EPROTO},
    {T("\xc2\xa0"
       "1"),
     SKIO_EPROTO},
    {T("\xef\xbb\xbf"
       "1"),
     SKIO_EPROTO},
    {T("[1,\xe2\x80\xa8"
       "2]"),
     SKIO_EPROTO},
    {T("/**/1"), SKIO_EPROTO},
    {T("1//"), SKIO_EPROTO},
    /* numbers */
    {T("-0"), SKIO_OK},
    {T("-1"), SKIO_OK},
    {T("10"), SKIO_OK},
    {T("1.0"), SKIO_OK},
    {T("0.5"), SKIO_OK},
    {T("1e5"), SKIO_OK},
    {T("1E+5"), SKIO_OK},
    {T("1.5e-05"), SKIO_OK},
    {T("0e0"), SKIO_OK},
    {T("1e999"), SKIO_OK},
    {T("[9007199254740993]"), SKIO_OK},
    {T("-"), SKIO_EPROTO},
    {T("+1"), SKIO_EPROTO},
    {T("01"), SKIO_EPROTO},
    {T("[01]"), SKIO_EPROTO},
    {T("-01"), SKIO_EPROTO},
    {T("00"), SKIO_EPROTO},
    {T("1."), SKIO_EPROTO},
    {T("[1.]"), SKIO_EPROTO},
    {T(".5"), SKIO_EPROTO},
    {T("-.5"), SKIO_EPROTO},
    {T("1.e5"), SKIO_EPROTO},
    {T("1e"), SKIO_EPROTO},
    {T("1e+"), SKIO_EPROTO},
    {T("[1e]"), SKIO_EPROTO},
    {T("1e1.5"), SKIO_EPROTO},
    {T("1.2.3"), SKIO_EPROTO},
    {T("0x10"), SKIO_EPROTO},
    {T("1_000"), SKIO_EPROTO},
    {T("1n"), SKIO_EPROTO},
    {T("--1"), SKIO_EPROTO},
    {T("- 1"), SKIO_EPROTO},
    /* arrays */
    {T("[]"), SKIO_OK},
    {T("[ ]"), SKIO_OK},
    {T("[1]"), SKIO_OK},
    {T("[1,2]"), SKIO_OK},
    {T(" [ 1 , [ 2 ] , [ ] ] "), SKIO_OK},
    {T("["), SKIO_EPROTO},
    {T("]"), SKIO_EPROTO},
    {T("[1"), SKIO_EPROTO},
    {T("[1,"), SKIO_EPROTO},
    {T("[1,]"), SKIO_EPROTO},
    {T("[,]"), SKIO_EPROTO},
    {T("[,1]"), SKIO_EPROTO},
    {T("[1,,2]"), SKIO_EPROTO},
    {T("[1 2]"), SKIO_EPROTO},
    {T("[1:2]"), SKIO_EPROTO},
    {T("[1}"), SKIO_EPROTO},
    {T("[}"), SKIO_EPROTO},
    {T("[[]"), SKIO_EPROTO},
    {T("[\"a\":1]"), SKIO_EPROTO},
    /* objects */
    {T("{}"), SKIO_OK},
    {T("{ }"), SKIO_OK},
    {T("{\"a\":1}"), SKIO_OK},
    {T("{\"\":1,\"\":2}"), SKIO_OK},
    {T(" { \"a\" : { \"b\" : [ { } ] } } "), SKIO_OK},
    {T("{\"__proto__\":{}}"), SKIO_OK},
    {T("{"), SKIO_EPROTO},
    {T("}"), SKIO_EPROTO},
    {T("{]"), SKIO_EPROTO},
    {T("{\"a\"}"), SKIO_EPROTO},
    {T("{\"a\":}"), SKIO_EPROTO},
    {T("{\"a\":1,}"), SKIO_EPROTO},
    {T("{,}"), SKIO_EPROTO},
    {T("{\"a\" 1}"), SKIO_EPROTO},
    {T("{\"a\"::1}"), SKIO_EPROTO},
    {T("{\"a\":1:2}"), SKIO_EPROTO},
    {T("{a:1}"), SKIO_EPROTO},
    {T("{1:1}"), SKIO_EPROTO},
    {T("{null:1}"), SKIO_EPROTO},
    {T("{\"a\":1]"), SKIO_EPROTO},
    {T("{\"a\":1"), SKIO_EPROTO},
    {T("{\"a\":"), SKIO_EPROTO},
    {T("{\"a\""), SKIO_EPROTO},
    {T("{\"a"), SKIO_EPROTO},
    {T("{\"a\":1 \"b\":2}"), SKIO_EPROTO},
    {T("{[]:1}"), SKIO_EPROTO},
};

static void
the_grammar_is_that_of_json_parse(void **state)
{
    (void)state;
    check_texts(grammar, sizeof(grammar) / sizeof(grammar[0]));
}

static const struct text strings[] = {
    {T("\"abc\""), SKIO_OK},
    {T("\"a longer one, of several words\""), SKIO_OK},
    {T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), SKIO_OK},
    {T("\"\\u0041\\u00e9\\uABCD\\uabcd\""), SKIO_OK},
    {T("\"\\u0000\""), SKIO_OK},
    {T("\"\x7f\""), SKIO_OK},
    {T("\"\\ud83d\\ude00\""), SKIO_OK},
    {T("\"\\ud800\""), SKIO_OK}, /* a lone half is JSON.parse's business */
    {T("\"\\udc00\\ud800\""), SKIO_OK},
    {T("\""), SKIO_EPROTO},
    {T("\"a"), SKIO_EPROTO},
    {T("\"\\"), SKIO_EPROTO},
    {T("\"\\\""), SKIO_EPROTO},
    {T("\"\\a\""), SKIO_EPROTO},
    {T("\"\\'\""), SKIO_EPROTO},
    {T("\"\\0\""), SKIO_EPROTO},
    {T("\"\\x41\""), SKIO_EPROTO},
    {T("\"\\U0041\""), SKIO_EPROTO},
    {T("\"\\u"), SKIO_EPROTO},
    {T("\"\\u004"), SKIO_EPROTO},
    {T("\"\\u004\""), SKIO_EPROTO},
    {T("\"\\u00g1\""), SKIO_EPROTO},
    {T("\"\\u 041\""), SKIO_EPROTO},
    {T("\"\\u+041\""), SKIO_EPROTO},
    {T("\"\\u{41}\""), SKIO_EPROTO},
    {T("\"\n\""), SKIO_EPROTO},
    {T("\"\t\""), SKIO_EPROTO},
    {T("\"\0\""), SKIO_EPROTO},
    {T("\"\x1f\""), SKIO_EPROTO},
    {T("\"1234567\x1f\""), SKIO_EPROTO},
    {T("\"12345678\x01"
       "9\""),
     SKIO_EPROTO},
    {T("\"caf\xc3\xa9\""), SKIO_OK},
    {T("\"\xe6\x97\xa5\xe6\x9c\xac\""), SKIO_OK},
    {T("\"\xf0\x9f\x98\x80\""), SKIO_OK},
    {T("\"\xe2\x80\xa8\""), SKIO_OK}, /* U+2028 stands for itself */
    {T("\"\xef\xbb\xbf\""), SKIO_OK}, /* and a BOM inside */
    {T("\"\xff\xfe\""), SKIO_EUTF8},
    {T("\"\x80\""), SKIO_EUTF8},
    {T("\"\xc3\""), SKIO_EUTF8},
    {T("\"\xc3"), SKIO_EUTF8},
    {T("\"\xc0\xaf\""), SKIO_EUTF8},
    {T("\"\xed\xa0\x80\""), SKIO_EUTF8},
    {T("\"\xf4\x90\x80\x80\""), SKIO_EUTF8},
    {T("\"\xe2\x82"), SKIO_EUTF8},
    {T("\"1234567\xff\""), SKIO_EUTF8},
    {T("{\"\xff\":1}"), SKIO_EUTF8},
    {T("[\"a\",\"\xe2\x82\"]"), SKIO_EUTF8},
    {T("[\xff]"), SKIO_EPROTO}, /* outside of strings it is no JSON at all */
};

static void
strings_are_checked_for_escapes_and_utf8(void **state)
{
    (void)state;
    check_texts(strings, sizeof(strings) / sizeof(strings[0]));
}

static void
every_control_character_is_refused_everywhere(void **state)
{
    unsigned c;
    size_t at;

    (void)state;
    for (c = 0; c < 0x20; c++) {
        for (at = 0; at < 20; at++) {
            char text[22];

            memset(text, 'x', sizeof(text));
            text[0] = '"';
            text[21] = '"';
            assert_int_equal(verdict(text, sizeof(text)), SKIO_OK);
            text[1 + at] = (char)c;
            assert_int_equal(verdict(text, sizeof(text)), SKIO_EPROTO);
        }
    }
}

/* `["xxx…"]` with other bytes at a place of the string. */
static int
scan_with(size_t len, size_t at, const char *bytes, size_t count,
          struct skio__json_slice *item)
{
    struct skio__json_scan out = {.items = item, .cap = 1};
    char text[LONG_TEXT + 4];

    assert_true(at + count <= len && len <= LONG_TEXT);
    memset(text, 'x', sizeof(text));
    memcpy(text, "[\"", 2);
    memcpy(text + 2 + at, bytes, count);
    memcpy(text + 2 + len, "\"]", 2);
    return scan(text, len + 4, 1, -1, &out);
}

static void
check_place(size_t len, size_t at, unsigned byte)
{
    struct skio__json_slice item = {0, 0, 0, 0};
    const char c = (char)byte;
    int want = SKIO_OK;

    if (byte >= 0x80)
        want = SKIO_EUTF8;
    else if (byte < 0x20 || c == '"' || c == '\\') /* \x is no escape */
        want = SKIO_EPROTO;
    if (scan_with(len, at, &c, 1, &item) != want)
        fail_msg("byte %u at %zu of %zu is judged wrongly", byte, at, len);
    if (want == SKIO_OK)
        assert_int_equal(item.len, len + 2);
}

static void
every_byte_at_every_place_of_a_string_is_looked_at(void **state)
{
    size_t len;
    size_t at;
    unsigned byte;

    (void)state;
    for (len = 1; len <= 34; len++)
        for (at = 0; at < len; at++)
            for (byte = 0; byte < 256; byte++)
                check_place(len, at, byte);
}

/* Where the scan takes larger steps. */
static void
every_place_of_a_long_string_is_looked_at(void **state)
{
    static const unsigned bytes[] = {0,    0x1f, 0x20, '"',
                                     '\\', 0x7f, 0x80, 0xff};
    static const size_t lengths[] = {127, 128, 129, 135, 136, 137, 190, 1290};
    size_t at;
    size_t i;
    size_t n;

    (void)state;
    for (n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
        for (at = 0; at < lengths[n]; at++)
            for (i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
                check_place(lengths[n], at, bytes[i]);
    }
}

static void
escapes_and_wide_characters_may_be_anywhere_in_a_long_string(void **state)
{
    static const struct {
        const char *bytes;
        unsigned flags;
    } cases[] = {{"\\n", SKIO__JSON_ESCAPED},
                 {"\\u0041", SKIO__JSON_ESCAPED},
                 {"\xc3\xa9", 0},
                 {"\xe2\x82\xac", 0},
                 {"\xf0\x9f\x98\x80", 0}};
    size_t at;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t count = strlen(cases[i].bytes);

        for (at = 0; at + count <= LONG_TEXT; at++) {
            struct skio__json_slice item = {0, 0, 0, 0};

            assert_int_equal(scan_with(LONG_TEXT, at, cases[i].bytes, count,
                                       &item),
                             SKIO_OK);
            assert_int_equal(item.len, LONG_TEXT + 2);
            assert_int_equal(item.flags, cases[i].flags);
        }
    }
}

static void
no_beginning_of_a_text_is_a_text(void **state)
{
    static const char text[] =
        "[\"ev\\u00e9nt\",{\"a\":[1.5e3,-0,null,true,false],"
        "\"caf\xc3\xa9\":{}},[[]],\"\xf0\x9f\x98\x80\"]";
    size_t len;

    (void)state;
    for (len = 0; len < sizeof(text) - 1; len++)
        assert_int_not_equal(verdict(text, len), SKIO_OK);
    assert_int_equal(verdict(text, len), SKIO_OK);
}

static void
depth_is_allowed_up_to_the_limit(void **state)
{
    static const struct {
        uint32_t limit;
        uint32_t depth;
        int err;
    } cases[] = {
        {0, 0, SKIO_OK},
        {0, 1, SKIO_ELIMIT},
        {1, 1, SKIO_OK},
        {1, 2, SKIO_ELIMIT},
        {64, 64, SKIO_OK},
        {64, 65, SKIO_ELIMIT},
        {SKIO__JSON_DEPTH_MAX, SKIO__JSON_DEPTH_MAX, SKIO_OK},
        {SKIO__JSON_DEPTH_MAX, SKIO__JSON_DEPTH_MAX + 1, SKIO_ELIMIT},
        {UINT32_MAX, SKIO__JSON_DEPTH_MAX, SKIO_OK},
        {UINT32_MAX, SKIO__JSON_DEPTH_MAX + 1, SKIO_ELIMIT},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static char text[6 * (SKIO__JSON_DEPTH_MAX + 1) + 1];
        struct skio__json_scan out;
        uint32_t depth = cases[i].depth;
        size_t len = 0;
        uint32_t k;

        memset(&out, 0, sizeof(out));
        for (k = 0; k < depth; k++) {
            const char *open = k % 2 == 0 ? "[" : "{\"\":";

            memcpy(text + len, open, strlen(open));
            len += strlen(open);
        }
        text[len++] = '1';
        for (k = depth; k > 0; k--)
            text[len++] = (k - 1) % 2 == 0 ? ']' : '}';
        assert_int_equal(scan(text, len, cases[i].limit, 0, &out),
                         cases[i].err);
    }
}

static void
siblings_do_not_add_to_the_depth(void **state)
{
    struct skio__json_scan out;

    (void)state;
    memset(&out, 0, sizeof(out));
    assert_int_equal(scan(T("[[],[],{},[{}],[{}]]"), 3, -1, &out), SKIO_OK);
    assert_int_equal(out.count, 5);
}

static void
a_million_brackets_end_at_the_limit(void **state)
{
    enum { LEN = 1000000 };
    char *text = malloc(LEN);

    (void)state;
    assert_non_null(text);
    memset(text, '[', LEN);
    assert_int_equal(verdict(text, LEN), SKIO_ELIMIT);
    memset(text, '\\', LEN);
    text[0] = '"';
    assert_int_equal(verdict(text, LEN), SKIO_EPROTO);
    memset(text, ' ', LEN);
    assert_int_equal(verdict(text, LEN), SKIO_EPROTO);
    free(text);
}

static void
assert_slice(const char *text, const struct skio__json_slice *slice,
             const char *want, enum skio__json_type type, unsigned flags)
{
    assert_int_equal(slice->len, strlen(want));
    assert_memory_equal(text + slice->start, want, slice->len);
    assert_int_equal(slice->type, type);
    assert_int_equal(slice->flags, flags);
}

static void
elements_of_the_outermost_array_are_recorded(void **state)
{
    static const char text[] = " [ \"ev\" ,\t{ \"a\\n\" : \"b\\n\" }, [1,[2]] "
                               ",-1.5e3, true,null ,\"\\u0041\"] ";
    struct skio__json_slice items[8];
    struct skio__json_scan out = {.items = items, .cap = 8};

    (void)state;
    assert_int_equal(scan(T(text), 8, -1, &out), SKIO_OK);
    assert_int_equal(out.count, 7);
    assert_slice(text, &items[0], "\"ev\"", SKIO__JSON_STRING, 0);
    assert_slice(text, &items[1], "{ \"a\\n\" : \"b\\n\" }", SKIO__JSON_OBJECT,
                 0);
    assert_slice(text, &items[2], "[1,[2]]", SKIO__JSON_ARRAY, 0);
    assert_slice(text, &items[3], "-1.5e3", SKIO__JSON_NUMBER, 0);
    assert_slice(text, &items[4], "true", SKIO__JSON_BOOL, 0);
    assert_slice(text, &items[5], "null", SKIO__JSON_NULL, 0);
    assert_slice(text, &items[6], "\"\\u0041\"", SKIO__JSON_STRING,
                 SKIO__JSON_ESCAPED);
    assert_int_equal(out.root.start, 1);
    assert_int_equal(out.root.len, sizeof(text) - 3);
    assert_int_equal(out.root.type, SKIO__JSON_ARRAY);
    assert_int_equal(out.root.flags, 0);
}

static void
elements_past_the_room_are_counted(void **state)
{
    uint32_t cap;

    (void)state;
    for (cap = 0; cap < 5; cap++) {
        struct skio__json_slice items[5];
        struct skio__json_scan out = {.items = cap > 0 ? items : NULL,
                                      .cap = cap};

        memset(items, 0x55, sizeof(items));
        assert_int_equal(scan(T("[1,2,3]"), 8, -1, &out), SKIO_OK);
        assert_int_equal(out.count, 3);
        assert_int_equal(items[cap < 3 ? cap : 3].start, 0x55555555);
        if (cap > 0)
            assert_int_equal(items[0].start, 1);
    }
}

static void
lists_of_strings_are_lists(void **state)
{
    static const struct {
        const char *text;
        int err;
        uint32_t count;
        const char *last; /* element */
    } cases[] = {
        {"[\"\"]", SKIO_OK, 1, "\"\""},
        {"[\"a\"]", SKIO_OK, 1, "\"a\""},
        {"[\"a\",\"bc\"]", SKIO_OK, 2, "\"bc\""},
        {"[\"a\",\"b\",\"cd\"]", SKIO_OK, 3, "\"cd\""},
        {"[\"a\" ]", SKIO_OK, 1, "\"a\""},
        {"[\"a\"] ", SKIO_OK, 1, "\"a\""},
        {"[ \"a\"]", SKIO_OK, 1, "\"a\""},
        {"[\"a\", \"b\"]", SKIO_OK, 2, "\"b\""},
        {"[\"a\" ,\"b\"]", SKIO_OK, 2, "\"b\""},
        {"[\"a\",\"b\" , \"c\"]", SKIO_OK, 3, "\"c\""},
        {"[\"a\",1]", SKIO_OK, 2, "1"},
        {"[\"a\",1,\"b\"]", SKIO_OK, 3, "\"b\""},
        {"[\"a\",[\"b\"]]", SKIO_OK, 2, "[\"b\"]"},
        {"[\"a\",{},\"c\"]", SKIO_OK, 3, "\"c\""},
        {"[\"a\",\"\\n\"]", SKIO_OK, 2, "\"\\n\""},
        {"[\"a\",\"\xc3\xa9\",\"b\"]", SKIO_OK, 3, "\"b\""},
        {"[\"", SKIO_EPROTO, 0, NULL},
        {"[\"a", SKIO_EPROTO, 0, NULL},
        {"[\"a\"", SKIO_EPROTO, 0, NULL},
        {"[\"a\",", SKIO_EPROTO, 0, NULL},
        {"[\"a\", ", SKIO_EPROTO, 0, NULL},
        {"[\"a\",]", SKIO_EPROTO, 0, NULL},
        {"[\"a\",,\"b\"]", SKIO_EPROTO, 0, NULL},
        {"[\"a\",\"]", SKIO_EPROTO, 0, NULL},
        {"[\"a\",\"b\"", SKIO_EPROTO, 0, NULL},
        {"[\"a\"\"b\"]", SKIO_EPROTO, 0, NULL},
        {"[\"a\"}", SKIO_EPROTO, 0, NULL},
        {"[\"a\"]]", SKIO_EPROTO, 0, NULL},
        {"[\"a\"],", SKIO_EPROTO, 0, NULL},
        {"[\"a\"]\"", SKIO_EPROTO, 0, NULL},
        {"[\"a\":\"b\"]", SKIO_EPROTO, 0, NULL},
        {"[\"a\",\"\n\"]", SKIO_EPROTO, 0, NULL},
        {"[\"a\",\"\xff\"]", SKIO_EUTF8, 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;

        for (uint32_t cap = 0; cap < 4; cap++) {
            struct skio__json_slice items[4] = {{0}};
            struct skio__json_scan out = {.items = cap > 0 ? items : NULL,
                                          .cap = cap};

            assert_int_equal(scan(text, strlen(text), 8, -1, &out),
                             cases[i].err);
            assert_int_equal(items[cap].len, 0);
            if (cases[i].err != SKIO_OK)
                continue;
            assert_int_equal(out.count, cases[i].count);
            assert_int_equal(out.placeholders, 0);
            assert_int_equal(out.root.type, SKIO__JSON_ARRAY);
            if (out.count > cap)
                continue;
            assert_int_equal(items[out.count - 1].len, strlen(cases[i].last));
            assert_memory_equal(text + items[out.count - 1].start,
                                cases[i].last, strlen(cases[i].last));
        }
    }
}

static void
only_an_array_has_elements(void **state)
{
    static const struct {
        const char *text;
        uint32_t count;
        enum skio__json_type type;
        unsigned flags;
    } cases[] = {
        {"[]", 0, SKIO__JSON_ARRAY, 0},
        {"[[]]", 1, SKIO__JSON_ARRAY, 0},
        {"{\"a\":[1,2],\"b\":3}", 0, SKIO__JSON_OBJECT, 0},
        {"\"a,b\"", 0, SKIO__JSON_STRING, 0},
        {"\"\\n\"", 0, SKIO__JSON_STRING, SKIO__JSON_ESCAPED},
        {"17", 0, SKIO__JSON_NUMBER, 0},
        {"false", 0, SKIO__JSON_BOOL, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct skio__json_slice items[2];
        struct skio__json_scan out = {.items = items, .cap = 2};
        size_t len = strlen(cases[i].text);

        assert_int_equal(scan(cases[i].text, len, 8, 0, &out), SKIO_OK);
        assert_int_equal(out.count, cases[i].count);
        assert_slice(cases[i].text, &out.root, cases[i].text, cases[i].type,
                     cases[i].flags);
    }
}

/* ADV-09: "num" of every kind; two attachments are there. */
static const struct {
    const char *text;
    int err;
    uint32_t placeholders;
} marked[] = {
    {"[{\"_placeholder\":true,\"num\":0}]", SKIO_OK, 1},
    {"[{\"num\":1,\"_placeholder\":true}]", SKIO_OK, 1},
    {"{\"_placeholder\":true,\"num\":1}", SKIO_OK, 1},
    {"[{\"_placeholder\":true,\"num\":2}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":-1}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":-0}]", SKIO_OK, 1},
    {"[{\"_placeholder\":true,\"num\":1.0}]", SKIO_OK, 1},
    {"[{\"_placeholder\":true,\"num\":10e-1}]", SKIO_OK, 1},
    {"[{\"_placeholder\":true,\"num\":1.5}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":0.5}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":1e308}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":1e999}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":4294967296}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":18446744073709551616}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":\"0\"}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":\"splice\"}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":true}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":null}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":[0]}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":{}}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"Num\":0}]", SKIO_EPROTO, 0},
    /* of duplicates the last one counts */
    {"[{\"_placeholder\":true,\"num\":7,\"num\":0}]", SKIO_OK, 1},
    {"[{\"_placeholder\":true,\"num\":0,\"num\":7}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":0,\"num\":\"a\"}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":0,\"num\":[]}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":0,\"num\":{\"num\":0}}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"_placeholder\":false}]", SKIO_OK, 0},
    {"[{\"_placeholder\":true,\"_placeholder\":[true]}]", SKIO_OK, 0},
    {"[{\"_placeholder\":true,\"_placeholder\":{\"_placeholder\":1}}]", SKIO_OK,
     0},
    {"[{\"_placeholder\":false,\"_placeholder\":true}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":false,\"_placeholder\":true,\"num\":0}]", SKIO_OK, 1},
    /* keys are compared unescaped */
    {"[{\"\\u005fplaceholder\":true,\"n\\u0075m\":0}]", SKIO_OK, 1},
    {"[{\"_placehold\\u0065r\":true,\"num\":9}]", SKIO_EPROTO, 0},
    {"[{\"_placeholder\":true,\"num\":9,\"\\u006eum\":0}]", SKIO_OK, 1},
    {"[{\"\\\\u005fplaceholder\":true}]", SKIO_OK, 0},
    {"[{\"_placeholder\\u0000\":true}]", SKIO_OK, 0},
    {"[{\"_placeholde\":true}]", SKIO_OK, 0},
    {"[{\"_Placeholder\":true}]", SKIO_OK, 0},
    /* only true marks an object */
    {"[{\"_placeholder\":1,\"num\":9}]", SKIO_OK, 0},
    {"[{\"_placeholder\":\"true\",\"num\":9}]", SKIO_OK, 0},
    {"[{\"_placeholder\":null,\"num\":9}]", SKIO_OK, 0},
    {"[\"_placeholder\",true,\"num\",9]", SKIO_OK, 0},
    /* anywhere */
    {"[\"e\",{\"a\":[{\"b\":{\"_placeholder\":true,\"num\":1}}]},"
     "{\"_placeholder\":true,\"num\":0}]",
     SKIO_OK, 2},
    {"[\"e\",{\"a\":[{\"b\":{\"_placeholder\":true,\"num\":2}}]}]", SKIO_EPROTO,
     0},
    {"[{\"_placeholder\":true,\"num\":0,"
     "\"x\":{\"_placeholder\":true,\"num\":1}}]",
     SKIO_OK, 2},
    {"[{\"_placeholder\":true,\"x\":{\"num\":0},\"num\":0}]", SKIO_OK, 1},
    {"[{\"_placeholder\":true,\"x\":{\"num\":0}}]", SKIO_EPROTO, 0},
    {"[{\"x\":{\"_placeholder\":true},\"num\":0}]", SKIO_EPROTO, 0},
    /* also where a duplicate key hides it from JSON.parse */
    {"[{\"a\":{\"_placeholder\":true,\"num\":9},\"a\":1}]", SKIO_EPROTO, 0},
};

#define N_MARKED (sizeof(marked) / sizeof(marked[0]))

static void
a_placeholder_names_an_attachment(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < N_MARKED; i++) {
        size_t len = strlen(marked[i].text);
        struct skio__json_scan out;
        int err;

        memset(&out, 0, sizeof(out));
        err = scan(marked[i].text, len, 8, 2, &out);
        if (err != marked[i].err)
            fail_msg("%s: %d", marked[i].text, err);
        if (err == SKIO_OK) {
            unsigned flag =
                marked[i].placeholders > 0 ? SKIO__JSON_PLACEHOLDER : 0;

            assert_int_equal(out.placeholders, marked[i].placeholders);
            assert_int_equal(out.root.flags, flag);
        }
        /* without attachments nothing may be marked */
        err = scan(marked[i].text, len, 8, 0, &out);
        assert_int_equal(err == SKIO_OK, marked[i].err == SKIO_OK &&
                                             marked[i].placeholders == 0);
        /* and where nobody asks, everything is plain */
        assert_int_equal(scan(marked[i].text, len, 8, -1, &out), SKIO_OK);
        assert_int_equal(out.placeholders, 0);
    }
}

static void
elements_with_placeholders_are_flagged(void **state)
{
    static const char text[] =
        "[\"e\\n\",{\"a\":[{\"_placeholder\":true,\"num\":0}]},"
        "{\"a\":1},{\"_placeholder\":true,\"num\":0}]";
    struct skio__json_slice items[4];
    struct skio__json_scan out = {.items = items, .cap = 4};

    (void)state;
    assert_int_equal(scan(T(text), 8, 1, &out), SKIO_OK);
    assert_int_equal(out.count, 4);
    assert_int_equal(items[0].flags, SKIO__JSON_ESCAPED);
    assert_int_equal(items[1].flags, SKIO__JSON_PLACEHOLDER);
    assert_int_equal(items[2].flags, 0);
    assert_int_equal(items[3].flags, SKIO__JSON_PLACEHOLDER);
}

static void
texts_of_more_than_4_gib_are_refused_unread(void **state)
{
#if SIZE_MAX > UINT32_MAX
    struct skio__json_limits limits = {8, -1};
    struct skio__json_scan out;

    memset(&out, 0, sizeof(out));
    assert_int_equal(skio__json_scan("1", (size_t)UINT32_MAX + 1, &limits,
                                     &out),
                     SKIO_ETOOBIG);
#endif
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grammar_is_that_of_json_parse),
        cmocka_unit_test(strings_are_checked_for_escapes_and_utf8),
        cmocka_unit_test(every_control_character_is_refused_everywhere),
        cmocka_unit_test(every_byte_at_every_place_of_a_string_is_looked_at),
        cmocka_unit_test(every_place_of_a_long_string_is_looked_at),
        cmocka_unit_test(
            escapes_and_wide_characters_may_be_anywhere_in_a_long_string),
        cmocka_unit_test(no_beginning_of_a_text_is_a_text),
        cmocka_unit_test(depth_is_allowed_up_to_the_limit),
        cmocka_unit_test(siblings_do_not_add_to_the_depth),
        cmocka_unit_test(a_million_brackets_end_at_the_limit),
        cmocka_unit_test(elements_of_the_outermost_array_are_recorded),
        cmocka_unit_test(elements_past_the_room_are_counted),
        cmocka_unit_test(lists_of_strings_are_lists),
        cmocka_unit_test(only_an_array_has_elements),
        cmocka_unit_test(a_placeholder_names_an_attachment),
        cmocka_unit_test(elements_with_placeholders_are_flagged),
        cmocka_unit_test(texts_of_more_than_4_gib_are_refused_unread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
