/*
 * Numbers as JavaScript writes them: see number.h
 *
 * There is a quick way for what messages are made of (integers, a few
 * decimals), exact because every step of it is, and an exact way in big
 * integers for the rest.
 */
#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/bigint.h"
#include "base/double.h"

#define EXACT_DIGITS 1e15 /* decimals of 15 digits survive a double */
#define DIGITS_MAX 17     /* of the shortest text of a double */

/* A positive value: 0.d1d2d3... * 10^point */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int len;
    int point;
};

size_t
skio__number_format_u64(uint64_t value, char out[SKIO__NUMBER_MAX])
{
    uint64_t left = value;
    size_t len = 1;
    size_t at;

    while (left >= 10) {
        left /= 10;
        len++;
    }
    for (at = len; at > 0; value /= 10)
        out[--at] = (char)('0' + value % 10);
    return len;
}

size_t
skio__number_format_i64(int64_t value, char out[SKIO__NUMBER_MAX])
{
    char digits[SKIO__NUMBER_MAX];
    size_t len;

    if (value >= 0)
        return skio__number_format_u64((uint64_t)value, out);

    len = skio__number_format_u64(-(uint64_t)value, digits);
    out[0] = '-';
    memcpy(out + 1, digits, len);
    return 1 + len;
}

/*
 * Try a decimal of at most 15 digits: m / 10^places.
 *
 * Two such decimals never share a double, so if one reads back as the value it
 * is the only one of its length and any shorter one is it without its zeros.
 * The product is off by less than a fifth, so m is the right one; m and the
 * power are exact, so the division rounds once, as reading the text does.
 */
static bool
decimal_from_fraction(double value, struct decimal *out)
{
    char digits[SKIO__NUMBER_MAX];
    int places = 0;
    uint64_t m;

    if (!DOUBLE_IS_EXACT || value >= EXACT_DIGITS)
        return false;

    while (places < DOUBLE_POW10_MAX &&
           value * skio__double_pow10(places + 1) < EXACT_DIGITS - 1)
        places++;

    m = (uint64_t)(value * skio__double_pow10(places) + 0.5);
    if (m == 0 || (double)m / skio__double_pow10(places) != value)
        return false;

    for (; m % 10 == 0; m /= 10)
        places--;

    out->len = (int)skio__number_format_u64(m, digits);
    memcpy(out->digits, digits, (size_t)out->len);
    out->point = out->len - places;
    return true;
}

/*
 * State of the exact way: the value is r / s * 10^point, and every number
 * strictly between (r - below) / s and (r + above) / s reads back as the
 * value; the ends do too if its mantissa is even.
 */
struct shortest {
    struct skio__bigint r;
    struct skio__bigint s;
    struct skio__bigint above;
    struct skio__bigint below;
    bool even;
};

/* Whether (r + above) / s has reached 1. */
static bool
reaches_one(const struct shortest *st)
{
    struct skio__bigint sum;
    int order;

    skio__bigint_copy(&sum, &st->r);
    skio__bigint_add(&sum, &st->above);
    order = skio__bigint_compare(&sum, &st->s);
    return st->even ? order >= 0 : order > 0;
}

static bool
reaches_zero(const struct shortest *st)
{
    int order = skio__bigint_compare(&st->r, &st->below);

    return st->even ? order <= 0 : order < 0;
}

/* Set up for mantissa * 2^exponent; returns the point. */
static int
shortest_init(struct shortest *st, uint64_t mantissa, int exponent)
{
    /* Below a power of two the neighbour is half as far away. */
    bool closer = mantissa == DOUBLE_IMPLIED &&
                  exponent > DOUBLE_EXPONENT_MIN - DOUBLE_MANTISSA_BITS;
    unsigned up = exponent > 0 ? (unsigned)exponent : 0;
    unsigned down = exponent < 0 ? (unsigned)-exponent : 0;
    unsigned extra = closer ? 2 : 1; /* so that half a gap is an integer */
    int bits;
    int point;

    st->even = mantissa % 2 == 0;
    skio__bigint_set(&st->r, mantissa);
    bits = (int)skio__bigint_bits(&st->r) + exponent;
    skio__bigint_shift_left(&st->r, up + extra);
    skio__bigint_set(&st->s, 1);
    skio__bigint_shift_left(&st->s, down + extra);
    skio__bigint_set(&st->below, 1);
    skio__bigint_shift_left(&st->below, up);
    skio__bigint_set(&st->above, 1);
    skio__bigint_shift_left(&st->above, up + extra - 1);

    /* 2^(bits-1) <= value < 2^bits, and log10(2) is a little over 0.30102;
     * the guess is low by two at most, and put right below. */
    point = (bits - 1) * 30102 / 100000 - 1;
    if (point > 0) {
        skio__bigint_mul_pow10(&st->s, (unsigned)point);
    } else {
        skio__bigint_mul_pow10(&st->r, (unsigned)-point);
        skio__bigint_mul_pow10(&st->above, (unsigned)-point);
        skio__bigint_mul_pow10(&st->below, (unsigned)-point);
    }
    for (; reaches_one(st); point++)
        skio__bigint_mul_add(&st->s, 10, 0);
    return point;
}

/* The next digit of r / s; leaves the remainder. */
static int
next_digit(struct shortest *st)
{
    int digit = 0;

    skio__bigint_mul_add(&st->r, 10, 0);
    skio__bigint_mul_add(&st->above, 10, 0);
    skio__bigint_mul_add(&st->below, 10, 0);
    while (skio__bigint_compare(&st->r, &st->s) >= 0) {
        skio__bigint_sub(&st->r, &st->s);
        digit++;
    }
    return digit;
}

/*
 * The shortest digits that read back as the value and, of several, the
 * closest to it; an even last digit if two are equally close (ECMAScript,
 * Number::toString). After Steele and White: digits are produced until what
 * is left lies within the gap to a neighbour.
 */
static void
decimal_from_bits(uint64_t bits, struct decimal *out)
{
    uint64_t mantissa = bits & (DOUBLE_IMPLIED - 1);
    int exponent = (int)(bits >> DOUBLE_MANTISSA_BITS) & DOUBLE_EXPONENT_MASK;
    struct shortest st;
    bool low;
    bool high;
    int digit;

    if (exponent > 0)
        mantissa |= DOUBLE_IMPLIED;
    else
        exponent = 1;
    exponent -= DOUBLE_BIAS + DOUBLE_MANTISSA_BITS;

    out->point = shortest_init(&st, mantissa, exponent);
    out->len = 0;
    for (;;) {
        digit = next_digit(&st);
        low = reaches_zero(&st);
        high = reaches_one(&st);
        if (low || high)
            break;
        out->digits[out->len++] = (char)('0' + digit);
    }

    if (low && high) {
        int order;

        skio__bigint_shift_left(&st.r, 1);
        order = skio__bigint_compare(&st.r, &st.s);
        high = order > 0 || (order == 0 && digit % 2 != 0);
    }
    out->digits[out->len++] = (char)('0' + digit + (high ? 1 : 0));
}

static char *
put(char *to, const char *from, int len)
{
    memcpy(to, from, (size_t)len);
    return to + len;
}

static char *
put_zeros(char *to, int len)
{
    memset(to, '0', (size_t)len);
    return to + len;
}

/* Digits and point in the form that Number::toString chooses. */
static char *
put_decimal(char *to, const struct decimal *dec)
{
    const char *digits = dec->digits;
    int point = dec->point;
    int len = dec->len;
    int exponent = point - 1;

    if (len <= point && point <= 21)
        return put_zeros(put(to, digits, len), point - len);

    if (0 < point && point <= 21) {
        to = put(to, digits, point);
        *to++ = '.';
        return put(to, digits + point, len - point);
    }

    if (-6 < point && point <= 0)
        return put(put_zeros(put(to, "0.", 2), -point), digits, len);

    to = put(to, digits, 1);
    if (len > 1) {
        *to++ = '.';
        to = put(to, digits + 1, len - 1);
    }
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    return to + skio__number_format_u64((uint64_t)exponent, to);
}

size_t
skio__number_format(double value, char out[SKIO__NUMBER_MAX])
{
    struct decimal dec;
    char number[2 * SKIO__NUMBER_MAX]; /* an exponent is put as if it were
                                          a number of its own */
    char *to = number;
    size_t len;

    if (!isfinite(value)) {
        memcpy(out, "null", 4);
        return 4;
    }
    if (value < 0) {
        *to++ = '-';
        value = -value;
    }

    if (value < (double)DOUBLE_INTEGER_MAX && value == (double)(uint64_t)value)
        to += skio__number_format_u64((uint64_t)value, to);
    else if (decimal_from_fraction(value, &dec))
        to = put_decimal(to, &dec);
    else {
        decimal_from_bits(skio__double_bits(value), &dec);
        to = put_decimal(to, &dec);
    }

    len = (size_t)(to - number);
    memcpy(out, number, len);
    return len;
}
