/*
 * A market that is made up: prices that walk at random, 50 steps a second
 *
 * The last steps are kept, so that whoever looks more seldom gets what happened
 * since as one tick: the last price, the lowest and the highest. Nothing waits
 * for anybody.
 */
#ifndef MARKET_H
#define MARKET_H

#include <stdint.h>

enum {
    MARKET_SYMBOLS = 12,
    MARKET_STEP_MS = 20,
    MARKET_KEPT = 512 /* steps, some ten seconds; a power of two */
};

struct market_symbol {
    const char *code;
    const char *name;
    double opening;
};

extern const struct market_symbol market_symbols[MARKET_SYMBOLS];

struct market {
    uint64_t step; /* how many there were; the first is number 1 */
    uint64_t random;
    float prices[MARKET_KEPT][MARKET_SYMBOLS];
};

/* What happened to a symbol between two looks. */
struct market_tick {
    uint32_t merged; /* steps */
    float last;
    float low;
    float high;
};

void market_init(struct market *market, uint64_t seed);
void market_walk(struct market *market);

/* What happened after the step `since`: of all steps that are kept. */
void market_look(const struct market *market, unsigned symbol, uint64_t since,
                 struct market_tick *tick);

#endif /* MARKET_H */
