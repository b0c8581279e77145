/*
 * Cookies as the npm package reads and prints them: what it makes of each
 * text was asked of cookie 0.7.2
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engineio/cookie.h"

struct reading {
    const char *header;
    const char *name;
    const char *value; /* NULL: there is none */
};

static void
cookies_are_read_as_the_package_reads_them(void **state)
{
    static const struct reading readings[] = {
        {"a=1", "a", "1"},
        {"a=1", "b", NULL},
        {"a=1", "A", NULL},
        {"", "a", NULL},
        {"a", "a", NULL},
        {"=", "a", NULL},
        {";", "a", NULL},
        {"a=", "a", ""},
        {"a=;b=2", "a", ""},
        {"a=;b=2", "b", "2"},
        {"a=1; a=2", "a", "1"},
        {"a = 1 ; b\t=\t2\t", "a", "1"},
        {"a = 1 ; b\t=\t2\t", "b", "2"},
        {"a=\"1 2\"", "a", "1 2"},
        {"a= \"1\" ", "a", "1"},
        {"a=\"", "a", ""},
        {"a=\"\"", "a", ""},
        {"a=\"1", "a", "\"1"},
        {"a=1\"", "a", "1\""},
        {"a=1=2", "a", "1=2"},
        {"lonely; a=1", "a", "1"},
        {"lonely; alone; a=1; b", "a", "1"},
        {"lonely; alone; a=1; b", "b", NULL},
        {"ab=1", "a", NULL},
        {"a=%41%20b", "a", "A b"},
        {"a=%e2%82%ac", "a", "\xe2\x82\xac"},
        {"a=%E2%82", "a", "%E2%82"},
        {"a=%ff", "a", "%ff"},
        {"a=%", "a", "%"},
        {"a=%4", "a", "%4"},
        {"a=%zz", "a", "%zz"},
        {"a=1+2", "a", "1+2"},
        {"a=\"%22\"", "a", "\""},
        {"a=%41%", "a", "%41%"},
        {"a.b=1", "a.b", "1"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof readings / sizeof readings[0]; i++) {
        const struct reading *reading = &readings[i];
        const char *value = NULL;
        char out[32];
        size_t len = 0;
        bool found =
            skio__cookie_find(reading->header, reading->name, &value, &len);

        assert_int_equal(found, reading->value != NULL);
        if (reading->value == NULL)
            continue;
        assert_int_equal(skio__cookie_decode(value, len, out, sizeof out),
                         strlen(reading->value));
        assert_string_equal(out, reading->value);
    }
}

static void
a_cookie_that_does_not_fit_is_refused(void **state)
{
    char out[4];

    (void)state;
    assert_int_equal(skio__cookie_decode("abc", 3, out, 4), 3);
    assert_int_equal(skio__cookie_decode("abcd", 4, out, 4), SKIO_ETOOBIG);
    assert_int_equal(skio__cookie_decode("%41%42%43", 9, out, 4), 3);
    assert_string_equal(out, "ABC");
    assert_int_equal(skio__cookie_decode("%41%42%43%44", 12, out, 4),
                     SKIO_ETOOBIG);
    assert_int_equal(skio__cookie_decode("%41%42%4", 8, out, 4), SKIO_ETOOBIG);
    assert_int_equal(skio__cookie_decode("", 0, out, 1), 0);
    assert_int_equal(skio__cookie_decode("", 0, out, 0), SKIO_ETOOBIG);
}

/* Dates around the calendar's corners, as Date.toUTCString() prints them. */
static void
dates_are_printed_as_javascript_prints_them(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } dates[] = {
        {1, "Thu, 01 Jan 1970 00:00:01 GMT"},
        {68255999, "Tue, 29 Feb 1972 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {1798761599, "Thu, 31 Dec 2026 23:59:59 GMT"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {INT64_C(253402300799), "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        skio_server_options options;
        struct skio__buf buf;
        const char *expires;

        skio_server_options_init(&options);
        options.cookie = "io";
        options.cookie_http_only = false;
        options.cookie_same_site = NULL;
        options.cookie_expires = dates[i].seconds;
        skio__buf_init(&buf, skio__mem_default());
        skio__cookie_write(&buf, &options, "x");
        assert_int_equal(skio__buf_putc(&buf, '\0'), SKIO_OK);
        expires = strstr(buf.data, "Expires=");
        assert_non_null(expires);
        assert_string_equal(expires + 8, dates[i].text);
        skio__buf_deinit(&buf);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies_are_read_as_the_package_reads_them),
        cmocka_unit_test(a_cookie_that_does_not_fit_is_refused),
        cmocka_unit_test(dates_are_printed_as_javascript_prints_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
