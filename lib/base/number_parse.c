/*
 * Numbers as JavaScript reads them: see number.h
 *
 * The quick way is one operation on two exact doubles; else the text is a
 * fraction of two big integers and its quotient is rounded once.
 */
#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/bigint.h"
#include "base/double.h"

#define SMALL_DIGITS 19 /* any 19 digits fit 64 bits */
#define DIGITS_KEPT 800 /* no tie between doubles has more than 767 */
#define EXPONENT_CAP 1000000000000 /* past what 4 GiB of zeros can undo */

/* 0.d * 10^point: up to POINT_ZERO it is 0, past POINT_INF infinite. */
#define POINT_ZERO (-324)
#define POINT_INF 309

/*
 * A JSON number taken apart: the digits of whole and then fraction, times
 * 10^scale. No leading zero, no trailing one; zero has no digits.
 */
struct parts {
    const char *whole;
    const char *fraction;
    size_t whole_len;
    size_t fraction_len;
    int64_t scale;
    bool negative;
};

static size_t
span_digits(const char *pos, const char *end)
{
    const char *start = pos;

    while (pos < end && *pos >= '0' && *pos <= '9')
        pos++;
    return (size_t)(pos - start);
}

/* An exponent with its sign; one that nothing could undo is capped. */
static const char *
parse_exponent(const char *pos, const char *end, int64_t *out)
{
    bool negative = pos < end && *pos == '-';
    int64_t n = 0;
    size_t len;

    if (pos < end && (*pos == '-' || *pos == '+'))
        pos++;
    len = span_digits(pos, end);
    if (len == 0)
        return NULL;

    for (; len > 0; len--, pos++)
        if (n < EXPONENT_CAP)
            n = 10 * n + (*pos - '0');
    *out = negative ? -n : n;
    return pos;
}

static void
strip_zeros(struct parts *p)
{
    if (p->whole_len == 1 && *p->whole == '0')
        p->whole_len = 0;
    p->scale -= (int64_t)p->fraction_len;

    while (p->fraction_len > 0 && p->fraction[p->fraction_len - 1] == '0') {
        p->fraction_len--;
        p->scale++;
    }
    if (p->fraction_len == 0) {
        while (p->whole_len > 0 && p->whole[p->whole_len - 1] == '0') {
            p->whole_len--;
            p->scale++;
        }
    }
    if (p->whole_len == 0) {
        while (p->fraction_len > 0 && *p->fraction == '0') {
            p->fraction++;
            p->fraction_len--;
        }
    }
}

static int
parse_parts(const char *text, size_t len, struct parts *p)
{
    const char *pos = text;
    const char *end = text + len;

    memset(p, 0, sizeof(*p));
    if (pos < end && *pos == '-') {
        p->negative = true;
        pos++;
    }

    p->whole = pos;
    p->whole_len = span_digits(pos, end);
    if (p->whole_len == 0 || (*pos == '0' && p->whole_len > 1))
        return SKIO_EPROTO;
    pos += p->whole_len;

    if (pos < end && *pos == '.') {
        p->fraction = ++pos;
        p->fraction_len = span_digits(pos, end);
        if (p->fraction_len == 0)
            return SKIO_EPROTO;
        pos += p->fraction_len;
    }

    if (pos < end && (*pos == 'e' || *pos == 'E')) {
        pos = parse_exponent(pos + 1, end, &p->scale);
        if (pos == NULL)
            return SKIO_EPROTO;
    }
    if (pos != end)
        return SKIO_EPROTO;

    strip_zeros(p);
    return SKIO_OK;
}

/* The i-th digit, 0 to 9. */
static uint32_t
digit_at(const struct parts *p, size_t i)
{
    char c = i < p->whole_len ? p->whole[i] : p->fraction[i - p->whole_len];

    return (uint32_t)(c - '0');
}

/* The digits from..to, at most SMALL_DIGITS, as an integer. */
static uint64_t
small_integer(const struct parts *p, size_t from, size_t to)
{
    uint64_t n = 0;

    for (; from < to; from++)
        n = 10 * n + digit_at(p, from);
    return n;
}

/* The first digits, however many, as an integer: nine at a time. */
static void
big_integer(const struct parts *p, size_t digits, struct skio__bigint *out)
{
    size_t i = 0;

    skio__bigint_set(out, 0);
    for (; digits - i >= 9; i += 9)
        skio__bigint_mul_add(out, 1000000000,
                             (uint32_t)small_integer(p, i, i + 9));
    for (; i < digits; i++)
        skio__bigint_mul_add(out, 10, digit_at(p, i));
}

/*
 * (1 + q / 2^63) * 2^exponent, q's top bit being the 1, as the nearest double;
 * `more` says that the value is a little larger than that.
 */
static double
round_to_double(uint64_t q, int exponent, bool more)
{
    int keep = DOUBLE_MANTISSA_BITS + 1; /* bits of q */
    uint64_t mantissa;
    uint64_t rest;
    uint64_t half;
    int drop;

    if (exponent < DOUBLE_EXPONENT_MIN)
        keep -= DOUBLE_EXPONENT_MIN - exponent; /* subnormals have fewer */
    if (keep < 0)
        return 0.0;
    if (exponent > DOUBLE_BIAS)
        return HUGE_VAL;

    drop = 64 - keep;
    half = UINT64_C(1) << (drop - 1);
    mantissa = drop < 64 ? q >> drop : 0;
    rest = drop < 64 ? q & (2 * half - 1) : q;
    if (rest > half || (rest == half && (more || mantissa % 2 != 0)))
        mantissa++;

    /* A carry out of the mantissa lands in the exponent, where it belongs:
     * subnormal becomes normal, the largest becomes infinity. */
    if (exponent >= DOUBLE_EXPONENT_MIN)
        mantissa += (uint64_t)(exponent + DOUBLE_BIAS - 1)
                    << DOUBLE_MANTISSA_BITS;
    return skio__double_from_bits(mantissa);
}

/* num / den as the nearest double; `more`: num is a little too small. */
static double
divide(struct skio__bigint *num, struct skio__bigint *den, bool more)
{
    unsigned num_bits = skio__bigint_bits(num);
    unsigned den_bits = skio__bigint_bits(den);
    int exponent = (int)num_bits - (int)den_bits;
    uint64_t q = 0;
    int i;

    if (exponent > 0)
        skio__bigint_shift_left(den, (unsigned)exponent);
    else
        skio__bigint_shift_left(num, (unsigned)-exponent);
    if (skio__bigint_compare(num, den) < 0) {
        skio__bigint_shift_left(num, 1);
        exponent--;
    }

    for (i = 0; i < 64; i++) {
        q <<= 1;
        if (skio__bigint_compare(num, den) >= 0) {
            skio__bigint_sub(num, den);
            q |= 1;
        }
        skio__bigint_shift_left(num, 1);
    }
    return round_to_double(q, exponent, more || !skio__bigint_is_zero(num));
}

/*
 * The exact way. Digits past DIGITS_KEPT cannot make or break a tie between
 * two doubles; that there are some (the last one is not 0) is all that counts.
 */
static double
parse_exact(const struct parts *p, size_t digits)
{
    struct skio__bigint num;
    struct skio__bigint den;
    size_t kept = digits < DIGITS_KEPT ? digits : DIGITS_KEPT;
    int64_t scale = p->scale + (int64_t)(digits - kept);

    big_integer(p, kept, &num);
    skio__bigint_set(&den, 1);
    if (scale >= 0)
        skio__bigint_mul_pow10(&num, (unsigned)scale);
    else
        skio__bigint_mul_pow10(&den, (unsigned)-scale);
    return divide(&num, &den, kept < digits);
}

/* Both operands are exact, so the one operation rounds correctly. */
static bool
quick(const struct parts *p, size_t digits, double *out)
{
    uint64_t n;

    if (!DOUBLE_IS_EXACT || digits > SMALL_DIGITS ||
        p->scale < -DOUBLE_POW10_MAX || p->scale > DOUBLE_POW10_MAX)
        return false;

    n = small_integer(p, 0, digits);
    if (n > DOUBLE_INTEGER_MAX)
        return false;

    *out = p->scale < 0 ? (double)n / skio__double_pow10((int)-p->scale)
                        : (double)n * skio__double_pow10((int)p->scale);
    return true;
}

static double
parse_magnitude(const struct parts *p)
{
    double value;
    size_t digits = p->whole_len + p->fraction_len;
    int64_t point = (int64_t)digits + p->scale;

    if (digits == 0 || point <= POINT_ZERO)
        return 0.0;
    if (point > POINT_INF)
        return HUGE_VAL;

    if (quick(p, digits, &value))
        return value;
    return parse_exact(p, digits);
}

int
skio__number_parse(const char *text, size_t len, double *out)
{
    struct parts p;
    double value;

    if (parse_parts(text, len, &p) != SKIO_OK)
        return SKIO_EPROTO;

    value = parse_magnitude(&p);
    *out = p.negative ? -value : value;
    return SKIO_OK;
}

int
skio__number_parse_i64(const char *text, size_t len, int64_t *out)
{
    struct parts p;
    uint64_t limit = INT64_MAX;
    uint64_t n;
    size_t digits;

    if (parse_parts(text, len, &p) != SKIO_OK)
        return SKIO_EPROTO;

    digits = p.whole_len + p.fraction_len;
    if (digits == 0) {
        *out = 0;
        return SKIO_OK;
    }
    if (p.scale < 0)
        return SKIO_ETYPE;
    if (digits > SMALL_DIGITS || p.scale > SMALL_DIGITS - (int64_t)digits)
        return SKIO_ERANGE;

    n = small_integer(&p, 0, digits);
    for (; p.scale > 0; p.scale--)
        n *= 10;

    if (p.negative)
        limit++;
    if (n > limit)
        return SKIO_ERANGE;
    if (p.negative)
        *out = n == limit ? INT64_MIN : -(int64_t)n;
    else
        *out = (int64_t)n;
    return SKIO_OK;
}
