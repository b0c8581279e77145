/*
 * The date of responses
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transport/http_date.h"

static void
dates_are_those_of_http(void **state)
{
    static const struct {
        time_t at;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110, 5.6.7 */
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {4102444800, "Fri, 01 Jan 2100 00:00:00 GMT"},
    };
    struct skio__date date = {.text = ""};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = skio__date_text(&date, cases[i].at);

        assert_string_equal(text, cases[i].text);
    }
    /* a clock may be set back */
    assert_string_equal(skio__date_text(&date, cases[1].at), cases[1].text);
}

static void
a_date_is_made_once_a_second(void **state)
{
    struct skio__date date = {.text = ""};

    (void)state;
    (void)skio__date_text(&date, 1735689599);
    date.text[0] = '#'; /* to know it again */
    assert_string_equal(skio__date_text(&date, 1735689599),
                        "#ue, 31 Dec 2024 23:59:59 GMT");
    assert_string_equal(skio__date_text(&date, 1735689600),
                        "Wed, 01 Jan 2025 00:00:00 GMT");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_those_of_http),
        cmocka_unit_test(a_date_is_made_once_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
