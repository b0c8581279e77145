/*
 * base/bigint: against 64-bit arithmetic, and where words meet
 */
#include "base/bigint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void
assert_words(const struct skio__bigint *big, const uint32_t *words, size_t len)
{
    assert_int_equal(big->len, len);
    if (len > 0)
        assert_memory_equal(big->words, words, len * sizeof(words[0]));
}

static uint64_t
value_of(const struct skio__bigint *big)
{
    uint64_t low = big->len > 0 ? big->words[0] : 0;

    assert_in_range(big->len, 0, 2);
    return big->len > 1 ? (uint64_t)big->words[1] << 32 | low : low;
}

static void
zero_has_no_words(void **state)
{
    struct skio__bigint big;

    (void)state;
    skio__bigint_set(&big, 0);
    assert_true(skio__bigint_is_zero(&big));
    assert_int_equal(skio__bigint_bits(&big), 0);
    skio__bigint_shift_left(&big, 100);
    assert_true(skio__bigint_is_zero(&big));
    skio__bigint_mul_pow10(&big, 100);
    assert_true(skio__bigint_is_zero(&big));
    skio__bigint_mul_add(&big, 10, 7);
    assert_int_equal(value_of(&big), 7);
    skio__bigint_mul_add(&big, 0, 0);
    assert_true(skio__bigint_is_zero(&big));
}

static void
small_numbers_behave_as_integers(void **state)
{
    static const uint64_t numbers[] = {
        0,
        1,
        2,
        9,
        0xffffffff,
        UINT64_C(0x100000000),
        0x80000000,
        0xfffffffe,
        UINT64_C(0x100000001),
        UINT64_C(0x7fffffffffffffff),
    };
    const size_t n = sizeof(numbers) / sizeof(numbers[0]);
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < n; i++) {
        for (k = 0; k < n; k++) {
            uint64_t a = numbers[i];
            uint64_t b = numbers[k];
            struct skio__bigint x;
            struct skio__bigint y;
            struct skio__bigint z;
            int order;

            skio__bigint_set(&x, a);
            skio__bigint_set(&y, b);
            order = skio__bigint_compare(&x, &y);
            assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));

            skio__bigint_copy(&z, &x);
            skio__bigint_add(&z, &y);
            assert_true(value_of(&z) == a + b);
            skio__bigint_sub(&z, &y);
            assert_int_equal(skio__bigint_compare(&z, &x), 0);
            if (a >= b) {
                skio__bigint_sub(&z, &y);
                assert_true(value_of(&z) == a - b);
            }
        }
    }
}

static void
carries_cross_words(void **state)
{
    static const uint32_t ones[] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
    static const uint32_t next[] = {0, 0, 0, 1};
    struct skio__bigint big;
    struct skio__bigint one;
    int i;

    (void)state;
    skio__bigint_set(&big, 0);
    for (i = 0; i < 96; i++)
        skio__bigint_mul_add(&big, 2, 1);
    assert_words(&big, ones, 3);
    assert_int_equal(skio__bigint_bits(&big), 96);

    skio__bigint_set(&one, 1);
    skio__bigint_add(&big, &one);
    assert_words(&big, next, 4);
    assert_int_equal(skio__bigint_bits(&big), 97);
    skio__bigint_sub(&big, &one);
    assert_words(&big, ones, 3);

    skio__bigint_add(&one, &big); /* a short one grows */
    assert_words(&one, next, 4);
}

static void
shifts_multiply_by_powers_of_two(void **state)
{
    unsigned bits;

    (void)state;
    for (bits = 0; bits < 200; bits++) {
        struct skio__bigint shifted;
        struct skio__bigint doubled;
        unsigned i;

        skio__bigint_set(&shifted, UINT64_C(0x123456789abcdef1));
        skio__bigint_copy(&doubled, &shifted);
        skio__bigint_shift_left(&shifted, bits);
        for (i = 0; i < bits; i++)
            skio__bigint_mul_add(&doubled, 2, 0);
        assert_int_equal(skio__bigint_compare(&shifted, &doubled), 0);
        assert_int_equal(skio__bigint_bits(&shifted), 61 + bits);
    }
}

static void
powers_of_ten_are_repeated_tens(void **state)
{
    static const unsigned bits_of_pow10[][2] = {
        {0, 1},   {1, 4},      {9, 30},     {10, 34},     {18, 60},
        {27, 90}, {308, 1024}, {324, 1077}, {1123, 3731},
    };
    struct skio__bigint tens;
    unsigned exponent;
    size_t i;

    (void)state;
    skio__bigint_set(&tens, 1);
    for (exponent = 0; exponent <= 1123; exponent++) {
        struct skio__bigint power;

        skio__bigint_set(&power, 1);
        skio__bigint_mul_pow10(&power, exponent);
        assert_int_equal(skio__bigint_compare(&power, &tens), 0);
        skio__bigint_mul_add(&tens, 10, 0);
    }
    for (i = 0; i < sizeof(bits_of_pow10) / sizeof(bits_of_pow10[0]); i++) {
        skio__bigint_set(&tens, 1);
        skio__bigint_mul_pow10(&tens, bits_of_pow10[i][0]);
        assert_int_equal(skio__bigint_bits(&tens), bits_of_pow10[i][1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_has_no_words),
        cmocka_unit_test(small_numbers_behave_as_integers),
        cmocka_unit_test(carries_cross_words),
        cmocka_unit_test(shifts_multiply_by_powers_of_two),
        cmocka_unit_test(powers_of_ten_are_repeated_tens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
