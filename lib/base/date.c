/*
 * Dates: see date.h
 *
 * The core has no <time.h>, and gmtime() needs a locale's idea of nothing that
 * is used here. The proleptic Gregorian calendar, counted from 1 March of the
 * year 0, so that the leap day is the last of its year.
 */
#include "base/date.h"

#include <stdbool.h>

#define DAY_MS INT64_C(86400000)
#define DATE_MAX (INT64_C(100000000) * DAY_MS)

#define DAYS_TO_1970 719468 /* from 1 March of the year 0 */
#define DAYS_OF_400 146097  /* in 400 years, after which it repeats */
#define DAYS_OF_100 36524
#define DAYS_OF_4 1461
#define DAYS_OF_1 365

struct day {
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1 to 31 */
};

/* The first of each month, in days from 1 March; January is the eleventh. */
static const unsigned months[] = {0,   31,  61,  92,  122, 153,
                                  184, 214, 245, 275, 306, 337};

static struct day
civil(int64_t days)
{
    struct day out;
    int64_t cycle;
    unsigned left; /* days in the cycle, then in its parts */
    unsigned hundreds;
    unsigned fours;
    unsigned ones;
    unsigned month = 11;

    days += DAYS_TO_1970;
    cycle = days / DAYS_OF_400 - (days % DAYS_OF_400 < 0);
    left = (unsigned)(days - cycle * DAYS_OF_400);

    /* The last part is longer by the leap day: it is no part of its own. */
    hundreds = left / DAYS_OF_100 < 3 ? left / DAYS_OF_100 : 3;
    left -= hundreds * DAYS_OF_100;
    fours = left / DAYS_OF_4;
    left -= fours * DAYS_OF_4;
    ones = left / DAYS_OF_1 < 3 ? left / DAYS_OF_1 : 3;
    left -= ones * DAYS_OF_1;

    while (months[month] > left)
        month--;
    out.year = cycle * 400 + hundreds * 100 + fours * 4 + ones + (month >= 10);
    out.month = (month + 2) % 12 + 1;
    out.day = left - months[month] + 1;
    return out;
}

static char *
put_digits(char *to, uint64_t n, unsigned digits)
{
    unsigned i;

    for (i = digits; i > 0; i--) {
        to[i - 1] = (char)('0' + n % 10);
        n /= 10;
    }
    return to + digits;
}

size_t
skio__date_format(int64_t ms, char out[SKIO__DATE_LEN])
{
    int64_t days;
    uint64_t time;
    struct day day;
    char *to = out;

    if (ms > DATE_MAX || ms < -DATE_MAX)
        return 0;

    days = ms / DAY_MS - (ms % DAY_MS < 0);
    time = (uint64_t)(ms - days * DAY_MS);
    day = civil(days);

    if (day.year >= 0 && day.year <= 9999) {
        to = put_digits(to, (uint64_t)day.year, 4);
    } else {
        *to++ = day.year < 0 ? '-' : '+';
        to = put_digits(to, (uint64_t)(day.year < 0 ? -day.year : day.year), 6);
    }
    *to++ = '-';
    to = put_digits(to, day.month, 2);
    *to++ = '-';
    to = put_digits(to, day.day, 2);
    *to++ = 'T';
    to = put_digits(to, time / 3600000, 2);
    *to++ = ':';
    to = put_digits(to, time / 60000 % 60, 2);
    *to++ = ':';
    to = put_digits(to, time / 1000 % 60, 2);
    *to++ = '.';
    to = put_digits(to, time % 1000, 3);
    *to++ = 'Z';
    return (size_t)(to - out);
}
