/*
 * The feed: what each client watches, how often it gets it, and in what form
 *
 * Events of a client, each with an acknowledgement:
 *
 *     "market"             {symbols: [{code, name, opening}], step_ms}
 *     "watch", [0, 3]      the symbols to be told of, by their index; how many
 *     "rate", 10           frames a second, 1 to 30; what it is now
 *
 * and what it is sent, volatile both:
 *
 *     "ticks", bytes       a frame, each tick of 20 bytes, little-endian:
 *                          symbol u16, merged u16, step u32, last, low and
 *                          high as floats
 *     "load", {...}        once a second: what the server does
 */
#ifndef FEED_H
#define FEED_H

#include <socketio/socketio.h>

#include "market.h"

struct feed {
    skio_server *server;
    skio_nsp *nsp;
    struct skio_timer *timer;
    struct market market;
    uint64_t began_ms;
    uint64_t now_ms;
    uint64_t load_due_ms;
    uint64_t frames; /* sent */
    uint64_t
        skipped;    /* not sent to who was not ready; their ticks come later */
    uint64_t ticks; /* sent, and of those merged */
    uint64_t merged;
};

/* Returns SKIO_OK, or an error. */
int feed_start(struct feed *feed, skio_server *server);

#endif /* FEED_H */
