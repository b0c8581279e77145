/*
 * base/date: as Date.prototype.toISOString() writes them
 */
#include "base/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* What node -p 'new Date(ms).toISOString()' prints. */
static const struct {
    int64_t ms;
    const char *text;
} dates[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {-1, "1969-12-31T23:59:59.999Z"},
    {86399999, "1970-01-01T23:59:59.999Z"},
    {951782400000, "2000-02-29T00:00:00.000Z"},
    {951868800000, "2000-03-01T00:00:00.000Z"},
    {946684799999, "1999-12-31T23:59:59.999Z"},
    {946684800000, "2000-01-01T00:00:00.000Z"},
    {-2203891200001, "1900-02-28T23:59:59.999Z"},
    {-2203891200000, "1900-03-01T00:00:00.000Z"},
    {1709164800000, "2024-02-29T00:00:00.000Z"},
    {1709251199999, "2024-02-29T23:59:59.999Z"},
    {1735689599999, "2024-12-31T23:59:59.999Z"},
    {1763714047123, "2025-11-21T08:34:07.123Z"},
    {4107542399999, "2100-02-28T23:59:59.999Z"},
    {4107542400000, "2100-03-01T00:00:00.000Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
    {253402300800000, "+010000-01-01T00:00:00.000Z"},
    {-62167219200000, "0000-01-01T00:00:00.000Z"},
    {-62167219200001, "-000001-12-31T23:59:59.999Z"},
    {-62162035200001, "0000-02-29T23:59:59.999Z"},
    {8640000000000000, "+275760-09-13T00:00:00.000Z"},
    {-8640000000000000, "-271821-04-20T00:00:00.000Z"},
};

#define DATE_COUNT (sizeof(dates) / sizeof(dates[0]))

static void
dates_are_written_as_javascript_does(void **state)
{
    char text[SKIO__DATE_LEN];

    (void)state;
    for (size_t i = 0; i < DATE_COUNT; i++) {
        size_t len = skio__date_format(dates[i].ms, text);

        assert_int_equal(len, strlen(dates[i].text));
        assert_memory_equal(text, dates[i].text, len);
    }
}

static void
what_a_date_cannot_hold_has_no_text(void **state)
{
    char text[SKIO__DATE_LEN];

    (void)state;
    assert_int_equal(skio__date_format(8640000000000001, text), 0);
    assert_int_equal(skio__date_format(-8640000000000001, text), 0);
    assert_int_equal(skio__date_format(INT64_MAX, text), 0);
    assert_int_equal(skio__date_format(INT64_MIN, text), 0);
}

/* A day after a day, over two cycles of 400 years. */
static void
each_day_follows_the_one_before(void **state)
{
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30,
                                       31, 31, 30, 31, 30, 31};
    unsigned year = 1700;
    unsigned month = 1;
    unsigned day = 1;
    int64_t ms = INT64_C(-8520336000000);

    (void)state;
    for (unsigned i = 0; i < 2 * 146097; i++, ms += 86400000) {
        char text[SKIO__DATE_LEN];
        unsigned leap =
            (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 1 : 0;

        assert_int_equal(skio__date_format(ms, text), 24);
        assert_int_equal((unsigned)(text[2] - '0') * 10 +
                             (unsigned)(text[3] - '0'),
                         year % 100);
        assert_int_equal((unsigned)(text[5] - '0') * 10 +
                             (unsigned)(text[6] - '0'),
                         month);
        assert_int_equal((unsigned)(text[8] - '0') * 10 +
                             (unsigned)(text[9] - '0'),
                         day);
        if (++day > lengths[month - 1] + (month == 2 ? leap : 0)) {
            day = 1;
            month = month == 12 ? 1 : month + 1;
            year += month == 1;
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_written_as_javascript_does),
        cmocka_unit_test(what_a_date_cannot_hold_has_no_text),
        cmocka_unit_test(each_day_follows_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
