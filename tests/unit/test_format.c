/*
 * base/format: templates of JSON, what they write and what they refuse
 */
#include "base/format.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <socketio/emit.h>

#include "alloc.h"
#include "socketio/value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* gcc warns of a NULL for "%s" where it sees one. */
static const char *volatile no_text;

struct fixture {
    struct test_alloc alloc;
    struct skio__buf out;
    struct skio__attachments attachments;
    struct skio__format_options options;
    struct skio__arena arena;
};

static void
fixture_init(struct fixture *f, bool is_value)
{
    test_alloc_init(&f->alloc);
    skio__buf_init(&f->out, &f->alloc.allocator);
    skio__attachments_init(&f->attachments, &f->alloc.allocator, 4);
    skio__arena_init(&f->arena, &f->alloc.allocator, 0);
    f->options.mem = &f->alloc.allocator;
    f->options.max_json_depth = 8;
    f->options.trust_raw_json = false;
    f->options.is_value = is_value;
    f->options.attachments = &f->attachments;
}

static void
fixture_deinit(struct fixture *f)
{
    skio__arena_deinit(&f->arena);
    skio__attachments_deinit(&f->attachments);
    skio__buf_deinit(&f->out);
    assert_int_equal(f->alloc.live, 0);
}

static int format(struct fixture *f, const char *format, ...) SKIO_PRINTF(2, 3);

/* Replaces what was written before. */
static int
format(struct fixture *f, const char *format, ...)
{
    va_list args;
    int err;

    skio__buf_reset(&f->out);
    skio__attachments_deinit(&f->attachments);
    va_start(args, format);
    err = skio__format(&f->options, &f->out, format, &args);
    va_end(args);
    return err;
}

static void
expect_text(const struct fixture *f, const char *want)
{
    const char *text = f->out.len > 0 ? f->out.data : "";

    if (f->out.len != strlen(want) || memcmp(text, want, f->out.len) != 0)
        print_error("wrote %.*s, not %s\n", (int)f->out.len, text, want);
    assert_int_equal(f->out.len, strlen(want));
    assert_memory_equal(text, want, f->out.len);
}

/* A template, its arguments, and what it must write. */
#define WRITES(f, want, ...)                                                   \
    do {                                                                       \
        assert_int_equal(format((f), __VA_ARGS__), SKIO_OK);                   \
        expect_text((f), (want));                                              \
    } while (0)

/* Refused, and nothing is left of it. */
#define REFUSES(f, ...)                                                        \
    do {                                                                       \
        assert_int_equal(format((f), __VA_ARGS__), SKIO_EINVAL);               \
        assert_int_equal((f)->out.len, 0);                                     \
        assert_int_equal((f)->attachments.count, 0);                           \
    } while (0)

/* The same for templates whose conversions the compiler rightly warns about:
 * they arrive as data. */
static int
format_text(struct fixture *f, const char *text, ...)
{
    va_list args;
    int err;

    skio__buf_reset(&f->out);
    skio__attachments_deinit(&f->attachments);
    va_start(args, text);
    err = skio__format(&f->options, &f->out, text, &args);
    va_end(args);
    return err;
}

static void
literals_are_written_without_blanks(void **state)
{
    static const struct {
        const char *template;
        const char *want;
    } cases[] = {
        {"", ""},
        {"  ", ""},
        {"1", "1"},
        {"null", "null"},
        {"true , false", "true,false"},
        {" 1 ,\t-2.5e+3\n", "1,-2.5e+3"},
        {"1E5", "1E5"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[ ] , { }", "[],{}"},
        {"[1, [2, []], {'a' : {}}]", "[1,[2,[]],{\"a\":{}}]"},
        {"{'a': 1, \"b\": [true]}", "{\"a\":1,\"b\":[true]}"},
        {"'single'", "\"single\""},
        {"\"double\"", "\"double\""},
        {"''", "\"\""},
        {"'say \"hi\"'", "\"say \\\"hi\\\"\""},
        {"\"it's\"", "\"it's\""},
        {"'it\\'s'", "\"it's\""},
        {"'\\\"'", "\"\\\"\""},
        {"'\\\\'", "\"\\\\\""},
        {"'\\n\\t\\u00e9\\/'", "\"\\n\\t\\u00e9\\/\""},
        {"'100 %%'", "\"100 %\""},
        {"'\xc3\xa9 \xf0\x9f\x98\x80'", "\"\xc3\xa9 \xf0\x9f\x98\x80\""},
        {"' [{,:}] '", "\" [{,:}] \""},
    };
    struct fixture f;
    size_t i;

    (void)state;
    fixture_init(&f, false);
    for (i = 0; i < COUNT(cases); i++) {
        assert_int_equal(format_text(&f, cases[i].template), SKIO_OK);
        expect_text(&f, cases[i].want);
    }
    fixture_deinit(&f);
}

static void
strings_are_quoted_as_json(void **state)
{
    struct fixture f;
    const char *none = no_text;

    (void)state;
    fixture_init(&f, false);
    WRITES(&f, "\"hello\",7", "%s, %d", "hello", 7);
    WRITES(&f, "\"\"", "%s", "");
    WRITES(&f, "null", "%s", none);
    WRITES(&f, "\"\\\"],[\\\"\"", "%s", "\"],[\"");
    WRITES(&f, "\"a\\\\b\\n\\u0001/\x7f\"", "%s", "a\\b\n\x01/\x7f");
    WRITES(&f, "\"\xe2\x82\xac\xe2\x80\xa8\"", "%s",
           "\xe2\x82\xac\xe2\x80\xa8");
    WRITES(&f, "\"%d\"", "%s", "%d");
    WRITES(&f, "\"abc\"", "%.*s", 3, "abcdef");
    WRITES(&f, "\"abcdef\"", "%.*s", -1, "abcdef");
    WRITES(&f, "\"abc\"", "%.*s", 9, "abc\0def");
    WRITES(&f, "null", "%.*s", 0, none);
    WRITES(&f, "\"\"", "%.*s", 0, "abc");
    WRITES(&f, "\"ab\"", "%.2s", "abc");
    WRITES(&f, "\"\"", "%.s", "abc");
    WRITES(&f, "\"abc\"", "%.2000000000s", "abc");
    fixture_deinit(&f);
}

static void
text_that_is_not_utf8_is_refused(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, false);
    REFUSES(&f, "%s", "\xff");
    REFUSES(&f, "%s", "\xed\xa0\x80");
    REFUSES(&f, "%s", "\xc0\x80");
    REFUSES(&f, "%.1s", "\xc3\xa9");
    REFUSES(&f, "'a', %-s", "\"\xff\"");
    assert_int_equal(format_text(&f, "'\xff'"), SKIO_EINVAL);
    assert_int_equal(format_text(&f, "'\xe2\x82'"), SKIO_EINVAL);
    assert_int_equal(format_text(&f, "'\xe2\x82"), SKIO_EINVAL);
    fixture_deinit(&f);
}

static void
integers_have_all_lengths(void **state)
{
    struct fixture f;
    signed char no = 0;
    bool yes = true;

    (void)state;
    fixture_init(&f, false);
    WRITES(&f, "-2147483648", "%d", INT32_MIN);
    WRITES(&f, "-1", "%i", -1);
    WRITES(&f, "4294967295", "%u", UINT32_MAX);
    WRITES(&f, "-32768", "%hd", (short)-32768);
    WRITES(&f, "65535", "%hu", (unsigned short)65535);
    WRITES(&f, "255", "%hhu", (unsigned char)255);
    WRITES(&f, "-9223372036854775807", "%ld", -INT64_MAX);
    WRITES(&f, "9223372036854775807", "%lld", (long long)INT64_MAX);
    WRITES(&f, "18446744073709551615", "%lu", UINT64_MAX);
    WRITES(&f, "18446744073709551615", "%llu", (unsigned long long)UINT64_MAX);
    WRITES(&f, "18446744073709551615", "%zu", SIZE_MAX);
    WRITES(&f, "-5", "%zd", (ptrdiff_t)-5);
    WRITES(&f, "-6", "%td", (ptrdiff_t)-6);
    WRITES(&f, "-7", "%jd", (intmax_t)-7);
    WRITES(&f, "8", "%ju", (uintmax_t)8);
    WRITES(&f, "true,false", "%hhd, %hhd", yes, no);
    WRITES(&f, "true", "%hhi", (signed char)2);
    WRITES(&f, "1,2,\"x\",3", "%ld,%d,%s,%lld", 1L, 2, "x", 3LL);
    fixture_deinit(&f);
}

static void
numbers_are_written_as_javascript_does(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, false);
    WRITES(&f, "0.1", "%g", 0.1);
    WRITES(&f, "0.1", "%.17g", 0.1);
    WRITES(&f, "0.30000000000000004", "%f", 0.1 + 0.2);
    WRITES(&f, "3", "%.2f", 3.0);
    WRITES(&f, "1e+21", "%e", 1e21);
    WRITES(&f, "100000000000000000000", "%G", 1e20);
    WRITES(&f, "1e-7", "%E", 1e-7);
    WRITES(&f, "0", "%F", -0.0);
    WRITES(&f, "1.5", "%lf", 1.5);
    WRITES(&f, "2.5", "%Lg", 2.5L);
    WRITES(&f, "1.25", "%.*f", 1, 1.25);
    WRITES(&f, "null,null,null", "%g,%g,%g", (double)NAN, (double)INFINITY,
           -(double)INFINITY);
    fixture_deinit(&f);
}

static void
finished_json_is_one_checked_value(void **state)
{
    static const char *const bad[] =
        {
            "",       " ",
            "1,2",    "1]",
            "],[",    "{'a':1}",
            "\"a",    "NaN",
            "[1,]",   "01",
            "1 2",    "tru",
            "\"\n\"", "[[[[[[[[]]]]]]]]", /* the list is a level, too */
        };
    struct fixture f;
    const char *none = no_text;
    size_t i;

    (void)state;
    fixture_init(&f, false);
    WRITES(&f, "{ \"a\" : [1, 2] }", "%-s", " { \"a\" : [1, 2] } ");
    WRITES(&f, "1,\"x\"", "%-s,%-s", "1", "\"x\"");
    WRITES(&f, "12345678901234567890.5", "%-s", "12345678901234567890.5");
    WRITES(&f, "{\"raw\":[[]]}", "{'raw':%-s}", "[[]]");
    WRITES(&f, "null", "%-s", none);
    WRITES(&f, "[1]", "%-.*s", 3, "[1],[2]");
    WRITES(&f, "[1]", "%-.3s", "[1],[2]");
    WRITES(&f, "[[[[[[[]]]]]]]", "%-s", "[[[[[[[]]]]]]]");
    for (i = 0; i < COUNT(bad); i++)
        REFUSES(&f, "0, %-s", bad[i]);
    REFUSES(&f, "[%-s]", "[[[[[[[]]]]]]]");
    fixture_deinit(&f);
}

static void
trusted_json_is_not_looked_at(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, false);
    f.options.trust_raw_json = true;
    WRITES(&f, "1,2", "%-s", "1,2");
    WRITES(&f, "0,\xff", "0, %-s", "\xff");
    REFUSES(&f, "0, %-s", "");
    fixture_deinit(&f);
}

static void
keys_may_be_conversions(void **state)
{
    struct fixture f;
    const char *none = no_text;

    (void)state;
    fixture_init(&f, false);
    WRITES(&f, "{\"a\\\"b\":1,\"c\":2,\"de\":3}", "{%s:%d,'c':%d,%.*s:%d}",
           "a\"b", 1, 2, 2, "def", 3);
    WRITES(&f, "{\"a\":\"b\"}", "{%s:%s}", "a", "b");
    REFUSES(&f, "{%s:1}", none);
    REFUSES(&f, "{%-s:1}", "\"a\"");
    REFUSES(&f, "{%d:1}", 1);
    REFUSES(&f, "{%g:1}", 1.0);
    REFUSES(&f, "{%hhd:1}", (bool)1);
    REFUSES(&f, "{%p:1}", SKIO_BYTES("x", 1));
    fixture_deinit(&f);
}

static void
malformed_templates_are_refused(void **state)
{
    static const char *const bad[] = {
        /* lists and values */
        ",",
        "1,",
        ",1",
        "1,,2",
        "1 2",
        "'a' 'b'",
        "[] []",
        "1 [",
        "{}1",
        /* brackets */
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "[1}",
        "{]",
        "[[]",
        "{'a'}",
        "{'a':}",
        "{'a':1,}",
        "{,}",
        "{'a' 1}",
        "{'a'::1}",
        "{1:2}",
        "{[]:1}",
        "{'a':1 'b':2}",
        "{'a':1:2}",
        "{'a',1}",
        ":",
        "1:2",
        "[1:2]",
        "[1]]",
        "{}}",
        "{'a':1",
        "{'a':",
        "{'a'",
        /* words */
        "tru",
        "True",
        "nul",
        "undefined",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "0x10",
        "1-1",
        "a",
        "true1",
        "-'a'",
        "\x01",
        "\xff",
        "(",
        "`a`",
        "/*x*/1",
        "\\",
        "#",
        /* strings */
        "'",
        "\"",
        "'a",
        "\"a",
        "'a\"",
        "\"a'",
        "'\n'",
        "'\x01'",
        "'\\",
        "'\\'",
        "'\\x41'",
        "'\\u12'",
        "'\\u12g4'",
        "'\\u",
        "'\\a'",
        "'\\0'",
        "'%'",
        "'%",
        "'%%",
        "'% %'",
        "'a%zb'",
    };
    struct fixture f;
    size_t i;

    (void)state;
    fixture_init(&f, false);
    for (i = 0; i < COUNT(bad); i++) {
        int err = format_text(&f, bad[i]);

        if (err != SKIO_EINVAL)
            print_error("%s: %s\n", bad[i], skio_err_name(err));
        assert_int_equal(err, SKIO_EINVAL);
        assert_int_equal(f.out.len, 0);
    }
    fixture_deinit(&f);
}

static void
conversions_without_a_meaning_are_refused(void **state)
{
    /* Every argument is a zero of eight bytes, or a pointer to text. */
    static const char *const bad[] = {
        "%",
        "%%",
        "%5d",
        "%05d",
        "%+d",
        "% d",
        "%#x",
        "%x",
        "%X",
        "%o",
        "%c",
        "%n",
        "%a",
        "%A",
        "%-d",
        "%-u",
        "%-g",
        "%-p",
        "%.2d",
        "%.*d",
        "%.2u",
        "%Ld",
        "%hs",
        "%ls",
        "%lls",
        "%S",
        "%C",
        "%hg",
        "%zg",
        "%llg",
        "%lp",
        "%.2p",
        "%-5s",
        "%5s",
        "%*s",
        "%--s",
        "%-%",
        "%.",
        "%-",
        "%.5",
        "%l",
        "%ll",
        "%hhh",
        "%w",
        "%1$s",
        "%m",
        "%'d",
        /* inside a string of the template */
        "'%s'",
        "'hello %s'",
        "\"%d\"",
        "'%p'",
        "{'%s':1}",
    };
    struct fixture f;
    size_t i;

    (void)state;
    fixture_init(&f, false);
    for (i = 0; i < COUNT(bad); i++) {
        int err = format_text(&f, bad[i], "", "", "", "");

        if (err != SKIO_EINVAL)
            print_error("%s: %s\n", bad[i], skio_err_name(err));
        assert_int_equal(err, SKIO_EINVAL);
        assert_int_equal(f.out.len, 0);
    }
    fixture_deinit(&f);
}

static void
a_value_is_exactly_one(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, true);
    WRITES(&f, "{\"ok\":true}", "{'ok':%hhd}", (bool)1);
    WRITES(&f, "\"x\"", "%s", "x");
    WRITES(&f, "[[[[[[[[]]]]]]]]", "[[[[[[[[]]]]]]]]");
    assert_int_equal(format_text(&f, "[[[[[[[[[]]]]]]]]]"), SKIO_EINVAL);
    assert_int_equal(format_text(&f, ""), SKIO_EINVAL);
    assert_int_equal(format_text(&f, " "), SKIO_EINVAL);
    assert_int_equal(format_text(&f, "1,2"), SKIO_EINVAL);
    assert_int_equal(format_text(&f, "1,"), SKIO_EINVAL);
    fixture_deinit(&f);
}

static void
depth_ends_at_the_limit(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, false);
    WRITES(&f, "[[[[[[[]]]]]]],[]", "[[[[[[[]]]]]]], []"); /* 7, and the list */
    assert_int_equal(format_text(&f, "[[[[[[[[]]]]]]]]"), SKIO_EINVAL);
    f.options.max_json_depth = 0;
    assert_int_equal(format_text(&f, "1"), SKIO_OK);
    assert_int_equal(format_text(&f, "[]"), SKIO_EINVAL);
    fixture_deinit(&f);
}

static void
depth_is_bounded_whatever_the_option(void **state)
{
    char deep[SKIO__JSON_DEPTH_MAX + 2];
    struct fixture f;

    (void)state;
    fixture_init(&f, true);
    f.options.max_json_depth = UINT32_MAX;
    memset(deep, '[', sizeof(deep));
    deep[sizeof(deep) - 1] = '\0';
    assert_int_equal(format_text(&f, deep), SKIO_EINVAL);
    fixture_deinit(&f);
}

static void
bytes_become_attachments(void **state)
{
    struct fixture f;
    const void *none = NULL;
    const skio_arg stray = {12345, "x", 1};
    const skio_arg missing = {SKIO_ARG_BYTES, NULL, 1};

    (void)state;
    fixture_init(&f, false);
    WRITES(&f,
           "\"n\",{\"data\":{\"_placeholder\":true,\"num\":0}},"
           "{\"_placeholder\":true,\"num\":1}",
           "%s, {'data':%p}, %p", "n", SKIO_BYTES("abc", 3),
           SKIO_BYTES(NULL, 0));
    assert_int_equal(f.attachments.count, 2);
    assert_int_equal(f.attachments.items[0].len, 3);
    assert_memory_equal(f.attachments.items[0].data, "abc", 3);
    assert_int_equal(f.attachments.items[1].len, 0);

    WRITES(&f, "null", "%p", none);
    REFUSES(&f, "%p", (const void *)&stray);
    REFUSES(&f, "%p", (const void *)&missing);
    REFUSES(&f, "%p, x", SKIO_BYTES("abc", 3));

    f.options.attachments = NULL;
    assert_int_equal(format(&f, "%p", SKIO_BYTES("abc", 3)), SKIO_EINVAL);
    fixture_deinit(&f);
}

static void
attachments_end_at_the_limit(void **state)
{
    const char *four = "%p,%p,%p,%p";
    struct fixture f;

    (void)state;
    fixture_init(&f, false);
    assert_int_equal(format_text(&f, four, SKIO_BYTES("a", 1),
                                 SKIO_BYTES("b", 1), SKIO_BYTES("c", 1),
                                 SKIO_BYTES("d", 1)),
                     SKIO_OK);
    assert_int_equal(f.attachments.count, 4);
    assert_int_equal(format(&f, "[%p,%p],%p,%p,%p", SKIO_BYTES("a", 1),
                            SKIO_BYTES("b", 1), SKIO_BYTES("c", 1),
                            SKIO_BYTES("d", 1), SKIO_BYTES("e", 1)),
                     SKIO_ETOOBIG);
    assert_int_equal(f.out.len, 0);
    assert_int_equal(f.out.err, SKIO_OK);
    assert_int_equal(f.attachments.count, 0);
    fixture_deinit(&f);
}

/* An argument list as a handler gets it; the text outlives it. */
static void
make_args(struct fixture *f, struct skio_value *args, const char *text,
          uint32_t skip, const skio_bytes *attachments, uint32_t count)
{
    const struct skio__json_limits limits = {64,
                                             count > 0 ? (int64_t)count : -1};
    struct skio__json_scan scan = {0};

    assert_int_equal(skio__json_scan(text, strlen(text), &limits, &scan),
                     SKIO_OK);
    skio__value_init_args(args, text, &scan.root, NULL, 0, scan.count, skip,
                          attachments, count, &f->arena);
}

static void
values_are_passed_on_as_they_came(void **state)
{
    static const char text[] =
        "[\"name\", 12345678901234567890 ,{ \"a\" : \"\\u00e9\" } ]";
    struct fixture f;
    struct skio_value args;
    struct skio_value empty;
    struct skio_value nothing;

    (void)state;
    fixture_init(&f, false);
    make_args(&f, &args, text, 1, NULL, 0);
    make_args(&f, &empty, "[\"name\"]", 1, NULL, 0);
    skio__value_init_args(&nothing, NULL, NULL, NULL, 0, 0, 0, NULL, 0,
                          &f.arena);

    WRITES(&f, "12345678901234567890 ,{ \"a\" : \"\\u00e9\" }", "%p",
           SKIO_VALUE(&args));
    WRITES(&f, "1,12345678901234567890 ,{ \"a\" : \"\\u00e9\" },2",
           "%d, %p, %d", 1, SKIO_VALUE(&args), 2);
    WRITES(&f, "[12345678901234567890 ,{ \"a\" : \"\\u00e9\" }]", "[%p]",
           SKIO_VALUE(&args));
    WRITES(&f, "{\"x\":{ \"a\" : \"\\u00e9\" }}", "{'x':%p}",
           SKIO_VALUE(skio_get_value(&args, "1")));
    WRITES(&f, "\"\\u00e9\"", "%p", SKIO_VALUE(skio_get_value(&args, "1.a")));
    WRITES(&f, "{ \"a\" : \"\\u00e9\" }", "%p",
           SKIO_VALUE(skio_get_args(&args, 1)));
    WRITES(&f, "null", "%p", SKIO_VALUE(NULL));

    /* A list without arguments leaves no comma behind. */
    WRITES(&f, "", "%p", SKIO_VALUE(&empty));
    WRITES(&f, "", "%p", SKIO_VALUE(&nothing));
    WRITES(&f, "1", "%p, %d", SKIO_VALUE(&empty), 1);
    WRITES(&f, "1", "%d, %p", 1, SKIO_VALUE(&empty));
    WRITES(&f, "1,2", "%d, %p, %d", 1, SKIO_VALUE(&empty), 2);
    WRITES(&f, "[]", "[%p]", SKIO_VALUE(&empty));
    REFUSES(&f, "%p %d", SKIO_VALUE(&empty), 1);

    /* A list is no single value. */
    REFUSES(&f, "{'x':%p}", SKIO_VALUE(&args));
    REFUSES(&f, "{'x':%p}", SKIO_VALUE(&empty));
    f.options.is_value = true;
    REFUSES(&f, "%p", SKIO_VALUE(&args));
    WRITES(&f, "[12345678901234567890 ,{ \"a\" : \"\\u00e9\" }]", "[%p]",
           SKIO_VALUE(&args));
    fixture_deinit(&f);
}

static void
passed_on_values_stay_within_the_depth(void **state)
{
    struct fixture f;
    struct skio_value args;

    (void)state;
    fixture_init(&f, false);
    make_args(&f, &args, "[[[[[[[[]]]]]]]]", 0, NULL, 0); /* 8 with the list */
    WRITES(&f, "[[[[[[[]]]]]]]", "%p", SKIO_VALUE(&args));
    WRITES(&f, "[[[[[[[]]]]]]]", "%p", SKIO_VALUE(skio_get_value(&args, "0")));
    WRITES(&f, "[[[[[[[]]]]]]]", "[%p]",
           SKIO_VALUE(skio_get_value(&args, "0.0")));
    REFUSES(&f, "[%p]", SKIO_VALUE(&args));
    REFUSES(&f, "[%p]", SKIO_VALUE(skio_get_value(&args, "0")));
    REFUSES(&f, "{'a':%p}", SKIO_VALUE(skio_get_value(&args, "0")));
    fixture_deinit(&f);
}

static void
attachments_of_values_get_new_numbers(void **state)
{
    static const char text[] =
        "[\"e\",{\"b\":{\"num\":1,\"_placeholder\":true},"
        "\"a\" : [ {\"_placeholder\":true,\"num\":0} ]},"
        "{\"_placeholder\":true,\"num\":1,\"x\":[1,{}]},"
        "{\"_placeholder\":false,\"num\":0},{\"num\":0},"
        "{\"\\u005fplaceholder\":true,\"n\\u0075m\":0,\"k\":\"{\\\"\"},"
        "{\"_placeholder\":true,\"num\":0,\"_placeholder\":null},"
        "{\"num\":\"num\",\"k\":true,\"_placeholder\":\"true\"}]";
    static const skio_bytes bytes[] = {{"zero", 4}, {"one", 3}};
    struct fixture f;
    struct skio_value args;

    (void)state;
    fixture_init(&f, false);
    make_args(&f, &args, text, 1, bytes, 2);
    WRITES(&f,
           "{\"_placeholder\":true,\"num\":0},"
           "{\"b\":{\"_placeholder\":true,\"num\":1},"
           "\"a\" : [ {\"_placeholder\":true,\"num\":2} ]},"
           "{\"_placeholder\":true,\"num\":1},"
           "{\"_placeholder\":false,\"num\":0},{\"num\":0},"
           "{\"_placeholder\":true,\"num\":2},"
           "{\"_placeholder\":true,\"num\":0,\"_placeholder\":null},"
           "{\"num\":\"num\",\"k\":true,\"_placeholder\":\"true\"}",
           "%p, %p", SKIO_BYTES("own", 3), SKIO_VALUE(&args));
    assert_int_equal(f.attachments.count, 3);
    assert_memory_equal(f.attachments.items[0].data, "own", 3);
    assert_ptr_equal(f.attachments.items[1].data, bytes[1].data);
    assert_ptr_equal(f.attachments.items[2].data, bytes[0].data);

    /* A part takes along only what it refers to. */
    WRITES(&f, "{\"_placeholder\":true,\"num\":0}", "%p",
           SKIO_VALUE(skio_get_value(&args, "1")));
    assert_int_equal(f.attachments.count, 1);
    assert_ptr_equal(f.attachments.items[0].data, bytes[1].data);

    /* Each value counts its own. */
    WRITES(&f,
           "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,"
           "\"num\":1}",
           "%p, %p", SKIO_VALUE(skio_get_value(&args, "1")),
           SKIO_VALUE(skio_get_value(&args, "1")));

    f.options.attachments = NULL;
    assert_int_equal(format(&f, "%p", SKIO_VALUE(&args)), SKIO_EINVAL);
    fixture_deinit(&f);
}

static void
a_value_may_bring_too_many_attachments(void **state)
{
    static const char text[] =
        "[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1},"
        "{\"_placeholder\":true,\"num\":2},{\"_placeholder\":true,\"num\":0}]";
    static const skio_bytes bytes[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    struct fixture f;
    struct skio_value args;

    (void)state;
    fixture_init(&f, false);
    make_args(&f, &args, text, 0, bytes, 3);
    assert_int_equal(format(&f, "%p,%p", SKIO_BYTES("x", 1), SKIO_VALUE(&args)),
                     SKIO_OK);
    assert_int_equal(f.attachments.count, 4);
    assert_int_equal(format(&f, "%p,%p,%p", SKIO_BYTES("x", 1),
                            SKIO_BYTES("y", 1), SKIO_VALUE(&args)),
                     SKIO_ETOOBIG);
    assert_int_equal(f.out.len, 0);
    assert_int_equal(f.attachments.count, 0);
    fixture_deinit(&f);
}

static void
many_attachments_are_kept_in_order(void **state)
{
    char template[3 * 50];
    const void *arg = SKIO_BYTES("a", 1);
    struct fixture f;
    size_t i;

    (void)state;
    fixture_init(&f, false);
    f.attachments.max = 50;
    for (i = 0; i < sizeof(template); i += 3)
        memcpy(template + i, "%p,", 3);
    template[sizeof(template) - 1] = '\0';
    /* Fifty arguments: ten spelled out five times over. */
#define TEN arg, arg, arg, arg, arg, arg, arg, arg, arg, arg
    assert_int_equal(format_text(&f, template, TEN, TEN, TEN, TEN, TEN),
                     SKIO_OK);
#undef TEN
    assert_int_equal(f.attachments.count, 50);
    for (i = 0; i < 50; i++)
        assert_int_equal(f.attachments.items[i].len, 1);
    fixture_deinit(&f);
}

static void
what_is_there_already_stays(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, false);
    skio__buf_append_str(&f.out, "before");
    f.out.max = 10;
    {
        /* No reset in between, so not through format(). */
        va_list *none = NULL;

        assert_int_equal(skio__format(&f.options, &f.out, "[1", none),
                         SKIO_EINVAL);
        expect_text(&f, "before");
        assert_int_equal(skio__format(&f.options, &f.out, "1234", none),
                         SKIO_OK);
        expect_text(&f, "before1234");
        f.out.len = 6;
        assert_int_equal(skio__format(&f.options, &f.out, "12345", none),
                         SKIO_ETOOBIG);
        expect_text(&f, "before");
        assert_int_equal(f.out.err, SKIO_ETOOBIG);
        assert_int_equal(skio__format(&f.options, &f.out, "1", none),
                         SKIO_ETOOBIG); /* until reset */
    }
    fixture_deinit(&f);
}

static void
failed_allocations_leave_nothing(void **state)
{
    static const char text[] =
        "[{\"_placeholder\":true,\"num\":0},[\"text that "
        "is long enough to make the buffer grow\"]]";
    static const skio_bytes bytes[] = {{"zero", 4}};
    struct fixture f;
    struct skio_value args;
    const void *own = SKIO_BYTES("own", 3);
    size_t n;
    int err = SKIO_ENOMEM;

    (void)state;
    fixture_init(&f, false);
    f.attachments.max = 50;
    make_args(&f, &args, text, 0, bytes, 1);
    for (n = 1; err != SKIO_OK && n < 100; n++) {
        skio__buf_deinit(&f.out);
        test_alloc_fail(&f.alloc, n);
        err = format(&f,
                     "{'k':[%s,%d,%g,%hhd,%-s]},%p,%p,%p,%p,%p,%p,%p,%p,%p,"
                     "%p,%p,%p",
                     "string", 1, 2.5, (bool)1, "{\"raw\":1}", own, own, own,
                     own, own, own, own, own, own, own, own, SKIO_VALUE(&args));
        if (err == SKIO_OK)
            break;
        assert_int_equal(err, SKIO_ENOMEM);
        assert_int_equal(f.out.len, 0);
        assert_int_equal(f.attachments.count, 0);
    }
    test_alloc_fail(&f.alloc, 0);
    assert_int_equal(err, SKIO_OK);
    assert_true(n > 3);
    assert_int_equal(f.attachments.count, 12);
    fixture_deinit(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_written_without_blanks),
        cmocka_unit_test(strings_are_quoted_as_json),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(integers_have_all_lengths),
        cmocka_unit_test(numbers_are_written_as_javascript_does),
        cmocka_unit_test(finished_json_is_one_checked_value),
        cmocka_unit_test(trusted_json_is_not_looked_at),
        cmocka_unit_test(keys_may_be_conversions),
        cmocka_unit_test(malformed_templates_are_refused),
        cmocka_unit_test(conversions_without_a_meaning_are_refused),
        cmocka_unit_test(a_value_is_exactly_one),
        cmocka_unit_test(depth_ends_at_the_limit),
        cmocka_unit_test(depth_is_bounded_whatever_the_option),
        cmocka_unit_test(bytes_become_attachments),
        cmocka_unit_test(attachments_end_at_the_limit),
        cmocka_unit_test(values_are_passed_on_as_they_came),
        cmocka_unit_test(passed_on_values_stay_within_the_depth),
        cmocka_unit_test(attachments_of_values_get_new_numbers),
        cmocka_unit_test(a_value_may_bring_too_many_attachments),
        cmocka_unit_test(many_attachments_are_kept_in_order),
        cmocka_unit_test(what_is_there_already_stays),
        cmocka_unit_test(failed_allocations_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
