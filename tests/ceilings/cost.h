/*
 * What an operation costs
 */
#ifndef TESTS_CEILINGS_COST_H
#define TESTS_CEILINGS_COST_H

#include "ceilings/operations.h"

/* What was counted in all rounds. */
struct cost {
    size_t operations;
    size_t allocations;
    size_t bytes;       /* that were asked for */
    int64_t kept_bytes; /* of these, afterwards */
};

/*
 * Do an operation, first a few rounds whose messages are read, then those that
 * are counted. Ends the program if it did not do all that it should have.
 */
struct cost cost_of(const struct operation *operation);

#endif /* TESTS_CEILINGS_COST_H */
