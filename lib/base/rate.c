#include "base/rate.h"

#define NS_PER_MS 1000000u
/* Behind it there is room for the longest burst. */
#define LATEST_NS ((uint64_t)1 << 62)

void
skio__rate_init(struct skio__rate *rate, uint32_t count, uint32_t period_ms,
                uint32_t burst)
{
    rate->count = count;
    rate->period_ns = (uint64_t)period_ms * NS_PER_MS;
    rate->burst = burst != 0 ? burst : count;
}

/* What units take, at most a burst: that many nanoseconds fit. */
static uint64_t
cost_of(const struct skio__rate *rate, uint64_t units)
{
    return units * rate->period_ns / rate->count;
}

static uint64_t
to_ns(uint64_t now_ms)
{
    return now_ms < LATEST_NS / NS_PER_MS ? now_ms * NS_PER_MS : LATEST_NS;
}

/* How far ahead of the clock the client is; never more than it can get. */
static uint64_t
debt_of(const struct skio__rate *rate, uint64_t arrival, uint64_t now)
{
    uint64_t most = cost_of(rate, rate->burst);

    if (arrival <= now)
        return 0;
    return arrival - now < most ? arrival - now : most;
}

bool
skio__rate_take(const struct skio__rate *rate, uint64_t *arrival,
                uint64_t now_ms, uint64_t units)
{
    uint64_t now = to_ns(now_ms);
    uint64_t debt;
    uint64_t cost;

    if (rate->count == 0)
        return true;
    if (units > rate->burst)
        return false;
    debt = debt_of(rate, *arrival, now);
    cost = cost_of(rate, units);
    if (cost > cost_of(rate, rate->burst) - debt)
        return false;
    *arrival = now + debt + cost;
    return true;
}

uint32_t
skio__rate_wait(const struct skio__rate *rate, uint64_t arrival,
                uint64_t now_ms, uint64_t units)
{
    uint64_t now = to_ns(now_ms);
    uint64_t most;
    uint64_t wanted;
    uint64_t wait;

    if (rate->count == 0)
        return 0;
    if (units > rate->burst)
        return SKIO__RATE_NEVER;
    most = cost_of(rate, rate->burst);
    wanted = debt_of(rate, arrival, now) + cost_of(rate, units);
    if (wanted <= most)
        return 0;
    wait = (wanted - most + NS_PER_MS - 1) / NS_PER_MS;
    return wait < SKIO__RATE_NEVER ? (uint32_t)wait : SKIO__RATE_NEVER - 1;
}
