#include "market.h"

const struct market_symbol market_symbols[MARKET_SYMBOLS] = {
    {"ACRN", "Acorn Foods", 48.20},   {"BASL", "Basalt Mining", 112.75},
    {"CMBR", "Cumbria Rail", 31.40},  {"DRFT", "Drift Energy", 76.10},
    {"EMBR", "Ember Steel", 19.85},   {"FJRD", "Fjord Shipping", 204.50},
    {"GRAN", "Granite Bank", 64.30},  {"HRBR", "Harbour Hotels", 27.95},
    {"INLT", "Inlet Telecom", 88.60}, {"JUNP", "Juniper Pharma", 151.20},
    {"KELP", "Kelp Biotech", 12.45},  {"LARK", "Lark Airlines", 42.05},
};

/* xorshift64: good enough for a price, and for nothing else. */
static float
random_step(struct market *market)
{
    uint64_t bits = market->random;

    bits ^= bits << 13;
    bits ^= bits >> 7;
    bits ^= bits << 17;
    market->random = bits;
    return (float)(bits >> 40) / (float)(1 << 24) - 0.5F;
}

void
market_init(struct market *market, uint64_t seed)
{
    *market = (struct market){.random = seed | 1};
    for (unsigned i = 0; i < MARKET_SYMBOLS; i++)
        market->prices[0][i] = (float)market_symbols[i].opening;
}

/* A little back to where it began, so that no price walks out of sight. */
void
market_walk(struct market *market)
{
    const float *before = market->prices[market->step % MARKET_KEPT];
    float *after = market->prices[++market->step % MARKET_KEPT];

    for (unsigned i = 0; i < MARKET_SYMBOLS; i++) {
        float opening = (float)market_symbols[i].opening;

        after[i] = before[i] * (1 + random_step(market) * 0.003F) +
                   (opening - before[i]) * 0.0005F;
    }
}

void
market_look(const struct market *market, unsigned symbol, uint64_t since,
            struct market_tick *tick)
{
    uint64_t oldest =
        market->step >= MARKET_KEPT ? market->step - MARKET_KEPT + 1 : 0;
    uint64_t at = since + 1 > oldest ? since + 1 : oldest;

    tick->last = market->prices[market->step % MARKET_KEPT][symbol];
    tick->low = tick->high = tick->last;
    tick->merged = market->step > since ? (uint32_t)(market->step - since) : 0;
    for (; at < market->step; at++) {
        float price = market->prices[at % MARKET_KEPT][symbol];

        if (price < tick->low)
            tick->low = price;
        if (price > tick->high)
            tick->high = price;
    }
}
