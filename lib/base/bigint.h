/*
 * Natural numbers of bounded size, for exact decimal conversion
 *
 * Large enough for any double and for 800 decimal digits over 10^1142; the
 * callers' arithmetic stays below that, so nothing here can fail.
 */
#ifndef SKIO_BASE_BIGINT_H
#define SKIO_BASE_BIGINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKIO__BIGINT_WORDS 132

struct skio__bigint {
    uint32_t len; /* words in use; the highest one is not 0 */
    uint32_t words[SKIO__BIGINT_WORDS]; /* least significant first */
};

void skio__bigint_set(struct skio__bigint *big, uint64_t n);
void skio__bigint_copy(struct skio__bigint *big,
                       const struct skio__bigint *from);

/* big * factor + term */
void skio__bigint_mul_add(struct skio__bigint *big, uint32_t factor,
                          uint32_t term);
void skio__bigint_mul_pow10(struct skio__bigint *big, unsigned exponent);
void skio__bigint_shift_left(struct skio__bigint *big, unsigned bits);
void skio__bigint_add(struct skio__bigint *big,
                      const struct skio__bigint *other);

/* other must not be larger. */
void skio__bigint_sub(struct skio__bigint *big,
                      const struct skio__bigint *other);

/* Negative, 0, positive, as memcmp(3). */
int skio__bigint_compare(const struct skio__bigint *a,
                         const struct skio__bigint *b);

/* The position of the highest 1 bit, from 1; 0 for zero. */
unsigned skio__bigint_bits(const struct skio__bigint *big);

static inline bool
skio__bigint_is_zero(const struct skio__bigint *big)
{
    return big->len == 0;
}

#endif /* SKIO_BASE_BIGINT_H */
