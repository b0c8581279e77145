/*
 * Natural numbers of bounded size: see bigint.h
 */
#include "base/bigint.h"

#include <assert.h>
#include <string.h>

#define WORD_BITS 32u
#define POW10_CHUNK 9u /* the most decimal digits whose power fits a word */

static const uint32_t pow10_small[POW10_CHUNK + 1] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
};

static void
push_word(struct skio__bigint *big, uint32_t word)
{
    assert(big->len < SKIO__BIGINT_WORDS);
    big->words[big->len++] = word;
}

static void
trim(struct skio__bigint *big)
{
    while (big->len > 0 && big->words[big->len - 1] == 0)
        big->len--;
}

void
skio__bigint_set(struct skio__bigint *big, uint64_t n)
{
    big->len = 2;
    big->words[0] = (uint32_t)n;
    big->words[1] = (uint32_t)(n >> WORD_BITS);
    trim(big);
}

void
skio__bigint_copy(struct skio__bigint *big, const struct skio__bigint *from)
{
    big->len = from->len;
    memcpy(big->words, from->words, from->len * sizeof(from->words[0]));
}

void
skio__bigint_mul_add(struct skio__bigint *big, uint32_t factor, uint32_t term)
{
    uint64_t carry = term;
    uint32_t i;

    for (i = 0; i < big->len; i++) {
        carry += (uint64_t)big->words[i] * factor;
        big->words[i] = (uint32_t)carry;
        carry >>= WORD_BITS;
    }
    if (carry != 0)
        push_word(big, (uint32_t)carry);
    trim(big); /* factor may be 0 */
}

void
skio__bigint_mul_pow10(struct skio__bigint *big, unsigned exponent)
{
    for (; exponent > POW10_CHUNK; exponent -= POW10_CHUNK)
        skio__bigint_mul_add(big, pow10_small[POW10_CHUNK], 0);
    skio__bigint_mul_add(big, pow10_small[exponent], 0);
}

void
skio__bigint_shift_left(struct skio__bigint *big, unsigned bits)
{
    uint32_t whole = bits / WORD_BITS;
    uint32_t part = bits % WORD_BITS;
    uint32_t i;

    if (big->len == 0)
        return;

    if (part > 0)
        skio__bigint_mul_add(big, UINT32_C(1) << part, 0);
    if (whole == 0)
        return;

    assert(big->len + whole <= SKIO__BIGINT_WORDS);
    for (i = big->len; i > 0; i--)
        big->words[i - 1 + whole] = big->words[i - 1];
    memset(big->words, 0, whole * sizeof(big->words[0]));
    big->len += whole;
}

void
skio__bigint_add(struct skio__bigint *big, const struct skio__bigint *other)
{
    uint64_t carry = 0;
    uint32_t i;

    while (big->len < other->len)
        push_word(big, 0);

    for (i = 0; i < big->len; i++) {
        carry += big->words[i];
        if (i < other->len)
            carry += other->words[i];
        big->words[i] = (uint32_t)carry;
        carry >>= WORD_BITS;
    }
    if (carry != 0)
        push_word(big, (uint32_t)carry);
}

void
skio__bigint_sub(struct skio__bigint *big, const struct skio__bigint *other)
{
    uint64_t borrow = 0;
    uint32_t i;

    for (i = 0; i < big->len; i++) {
        uint64_t take = borrow + (i < other->len ? other->words[i] : 0);
        uint64_t diff = (uint64_t)big->words[i] - take;

        big->words[i] = (uint32_t)diff;
        borrow = (diff >> WORD_BITS) & 1;
    }
    assert(borrow == 0);
    trim(big);
}

int
skio__bigint_compare(const struct skio__bigint *a, const struct skio__bigint *b)
{
    uint32_t i;

    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;

    for (i = a->len; i > 0; i--)
        if (a->words[i - 1] != b->words[i - 1])
            return a->words[i - 1] < b->words[i - 1] ? -1 : 1;
    return 0;
}

unsigned
skio__bigint_bits(const struct skio__bigint *big)
{
    unsigned bits = big->len * WORD_BITS;
    uint32_t high;

    if (big->len == 0)
        return 0;

    for (high = big->words[big->len - 1]; (high & 0x80000000u) == 0; high <<= 1)
        bits--;
    return bits;
}
