/*
 * How much of a proof's full figure this run does
 *
 * SKIO_SCALE in the environment is a percentage: 100 is `make check-long` by
 * hand, .ci/run takes less, and without it a test takes the few that `make
 * check` has time for. Each test says what it took, as a comment of TAP.
 */
#ifndef TESTS_THREATS_SCALE_H
#define TESTS_THREATS_SCALE_H

#include <stdbool.h>
#include <stddef.h>

/* How many of `full` to take; what: in words, such as "clients". Never less
 * than the usual. */
unsigned scaled(unsigned usual, unsigned full, const char *what);

/* Take every so many-th case: all with full figures, and never less than every
 * usual-th. */
size_t scaled_stride(size_t usual);

/* Whether this is a long run at all, and one with full figures. */
bool scale_is_long(void);
bool scale_is_full(void);

/* Everything takes fifty times as long. */
bool scale_is_valgrind(void);

#endif /* TESTS_THREATS_SCALE_H */
