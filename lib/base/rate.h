/*
 * Rates: the generic cell rate algorithm
 *
 * So many units in a period, and so many at once as a burst. What a limiter
 * has to remember of one client is a single time: when it would have been
 * served if it had kept to the rate from the start (`arrival`, nanoseconds).
 *
 *     now ─────────────────▶
 *      │◀── debt ──▶│            a unit moves `arrival` by period / count;
 *      │         arrival         it may be ahead of now by what a burst takes
 *      │◀────── burst ──────▶│
 *
 * Time is given. A clock that jumps back punishes nobody for longer than a
 * whole burst takes.
 */
#ifndef SKIO_BASE_RATE_H
#define SKIO_BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define SKIO__RATE_NEVER UINT32_MAX /* more units than a burst has */

struct skio__rate {
    uint64_t count;     /* units in a period; 0: there is no limit */
    uint64_t period_ns; /* at most a minute */
    uint64_t burst;     /* units at once */
};

/*
 * count      at most one in a nanosecond; 0: no limit
 * period_ms  at most 60000
 * burst      at most a million where the period is longer than a second;
 *            0: as many as in a period
 */
void skio__rate_init(struct skio__rate *rate, uint32_t count,
                     uint32_t period_ms, uint32_t burst);

/*
 * Whether so many units are within the rate now: then they count. *arrival is
 * 0 at first. A refused one counts nothing, so that who goes on trying is
 * served at the rate.
 */
bool skio__rate_take(const struct skio__rate *rate, uint64_t *arrival,
                     uint64_t now_ms, uint64_t units);

/* Milliseconds until these would be taken, rounded up; SKIO__RATE_NEVER. */
uint32_t skio__rate_wait(const struct skio__rate *rate, uint64_t arrival,
                         uint64_t now_ms, uint64_t units);

#endif /* SKIO_BASE_RATE_H */
