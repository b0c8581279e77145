/*
 * base/log: levels, escaping (ATK-35), lines that are too long
 */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <wchar.h>

#include "base/utf8.h"

static struct {
    int lines;
    enum skio_log_level level;
    char text[SKIO__LOG_MAX + 1];
} heard;

static void
listen(void *user, enum skio_log_level level, const char *message)
{
    assert_ptr_equal(user, &heard);
    heard.lines++;
    heard.level = level;
    assert_true(strlen(message) < SKIO__LOG_MAX);
    memcpy(heard.text, message, strlen(message) + 1);
}

static const struct skio__logger warn_logger = {listen, &heard, SKIO_LOG_WARN};

static void
lines_up_to_the_level_are_heard(void **state)
{
    (void)state;
    memset(&heard, 0, sizeof(heard));
    skio__log(&warn_logger, SKIO_LOG_ERROR, "failed: %s (%d)", "bind", -14);
    assert_int_equal(heard.lines, 1);
    assert_int_equal(heard.level, SKIO_LOG_ERROR);
    assert_string_equal(heard.text, "failed: bind (-14)");
    skio__log(&warn_logger, SKIO_LOG_WARN, "slow");
    assert_int_equal(heard.lines, 2);
    skio__log(&warn_logger, SKIO_LOG_INFO, "listening");
    skio__log(&warn_logger, SKIO_LOG_DEBUG, "packet");
    assert_int_equal(heard.lines, 2);
    assert_true(skio__log_is_on(&warn_logger, SKIO_LOG_WARN));
    assert_false(skio__log_is_on(&warn_logger, SKIO_LOG_INFO));
}

static void
without_a_function_nothing_is_heard(void **state)
{
    static const struct skio__logger silent = {NULL, NULL, SKIO_LOG_DEBUG};

    (void)state;
    memset(&heard, 0, sizeof(heard));
    skio__log(NULL, SKIO_LOG_ERROR, "x");
    skio__log(&silent, SKIO_LOG_ERROR, "x");
    assert_false(skio__log_is_on(NULL, SKIO_LOG_ERROR));
    assert_int_equal(heard.lines, 0);
}

static void
what_drives_a_terminal_is_escaped(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *want;
    } cases[] = {
        {"", 0, ""},
        {"plain text", 10, "plain text"},
        {"a\r\nERROR b", 10, "a\\x0d\\x0aERROR b"},
        {"\x1b[2J", 4, "\\x1b[2J"},
        {"a\0b", 3, "a\\x00b"},
        {"\x7f\t", 2, "\\x7f\\x09"},
        {"\xc2\x9b"
         "2J",
         4, "\\xc2\\x9b2J"}, /* C1: CSI in one character */
        {"\xc2\xa0", 2, "\xc2\xa0"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", 14,
         "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff\xfe", 2, "\\xff\\xfe"},
        {"\xc3", 1, "\\xc3"},
        {"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];

        assert_int_equal(skio__log_escape(out, sizeof(out), cases[i].text,
                                          cases[i].len),
                         strlen(cases[i].want));
        assert_string_equal(out, cases[i].want);
    }

    memset(&heard, 0, sizeof(heard));
    skio__log(&warn_logger, SKIO_LOG_WARN, "room %s", "x\ny\x1b");
    assert_string_equal(heard.text, "room x\\x0ay\\x1b");
}

static void
what_does_not_fit_ends_in_dots(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *want;
    } cases[] = {
        {"1234567", 8, "1234567"},
        {"12345678", 8, "1234..."},
        {"1234567890", 8, "1234..."},
        {"123\n", 8, "123\\x0a"},
        {"1234\n", 8, "1234..."},
        {"12\n34", 8, "12..."},
        {"123\xe2\x82\xac\xe2\x82\xac", 8, "123..."},
        {"1\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 8, "1\xe2\x82\xac..."},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[9];

        out[cases[i].size] = '#';
        skio__log_escape(out, cases[i].size, cases[i].text,
                         strlen(cases[i].text));
        assert_string_equal(out, cases[i].want);
        assert_int_equal(out[cases[i].size], '#');
    }
}

static void
a_long_line_is_cut_and_stays_utf8(void **state)
{
    char name[4000];
    size_t i;

    (void)state;
    for (i = 0; i + 3 < sizeof(name); i += 3)
        memcpy(name + i, "\xe2\x82\xac", 3);
    name[i] = '\0';

    for (i = 0; i < 6; i++) {
        size_t len;

        memset(&heard, 0, sizeof(heard));
        skio__log(&warn_logger, SKIO_LOG_WARN, "%.*s%s", (int)i, "12345", name);
        len = strlen(heard.text);
        assert_in_range(len, SKIO__LOG_MAX - 8, SKIO__LOG_MAX - 1);
        assert_string_equal(heard.text + len - 3, "...");
        assert_true(skio__utf8_valid(heard.text, len));
    }
}

static void
a_line_of_just_the_maximum_is_not_cut(void **state)
{
    char name[SKIO__LOG_MAX];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memset(&heard, 0, sizeof(heard));
    skio__log(&warn_logger, SKIO_LOG_WARN, "%s", name);
    assert_string_equal(heard.text, name);
    skio__log(&warn_logger, SKIO_LOG_WARN, "%sy", name);
    assert_int_equal(strlen(heard.text), SKIO__LOG_MAX - 1);
    assert_string_equal(heard.text + SKIO__LOG_MAX - 4, "...");
}

static void
a_line_that_cannot_be_formatted_is_dropped(void **state)
{
    (void)state;
    memset(&heard, 0, sizeof(heard));
    /* no such character in the C locale: vsnprintf() fails */
    skio__log(&warn_logger, SKIO_LOG_WARN, "%lc", (wint_t)0x20ac);
    assert_int_equal(heard.lines, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_up_to_the_level_are_heard),
        cmocka_unit_test(without_a_function_nothing_is_heard),
        cmocka_unit_test(what_drives_a_terminal_is_escaped),
        cmocka_unit_test(what_does_not_fit_ends_in_dots),
        cmocka_unit_test(a_long_line_is_cut_and_stays_utf8),
        cmocka_unit_test(a_line_of_just_the_maximum_is_not_cut),
        cmocka_unit_test(a_line_that_cannot_be_formatted_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
