/*
 * What number.c and number_parse.c share: the layout of a double (IEEE 754
 * binary64), and the bounds within which its arithmetic is exact
 *
 * Those bounds hold where double arithmetic is done in double, which
 * FLT_EVAL_METHOD tells.
 */
#ifndef SKIO_BASE_DOUBLE_H
#define SKIO_BASE_DOUBLE_H

#include <float.h>
#include <stdint.h>
#include <string.h>

#define DOUBLE_IS_EXACT (FLT_EVAL_METHOD == 0)

#define DOUBLE_MANTISSA_BITS 52 /* stored; one more is implied */
#define DOUBLE_IMPLIED (UINT64_C(1) << DOUBLE_MANTISSA_BITS)
#define DOUBLE_EXPONENT_MASK 0x7FF
#define DOUBLE_BIAS 1023
#define DOUBLE_EXPONENT_MIN (-1022) /* of normal numbers */

#define DOUBLE_INTEGER_MAX (UINT64_C(1) << 53) /* up to it none lacks */
#define DOUBLE_POW10_MAX 22 /* 10^22 is a double, 10^23 is not */

static inline double
skio__double_pow10(int exponent)
{
    static const double powers[DOUBLE_POW10_MAX + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };

    return powers[exponent];
}

static inline uint64_t
skio__double_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline double
skio__double_from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

#endif /* SKIO_BASE_DOUBLE_H */
