#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include "feed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <socketio/engine.h>
#include <socketio/loop.h>

enum {
    RATE_DEFAULT = 10, /* frames a second */
    RATE_MAX = 30,
    TICK_BYTES = 20,
    STEPS_MAX = 100, /* made up for at once, after a pause of the process */
    LOAD_MS = 1000
};

/* What hangs on each socket. */
struct watcher {
    uint32_t symbols; /* a bit each */
    uint32_t rate;
    uint64_t due_ms;
    uint64_t step; /* the last one it was told of */
};

static uint64_t
clock_ms(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Frames ---- */

static unsigned char *
put_u16(unsigned char *to, uint32_t value)
{
    to[0] = (unsigned char)value;
    to[1] = (unsigned char)(value >> 8);
    return to + 2;
}

static unsigned char *
put_u32(unsigned char *to, uint32_t value)
{
    return put_u16(put_u16(to, value), value >> 16);
}

static unsigned char *
put_float(unsigned char *to, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return put_u32(to, bits);
}

static unsigned char *
put_tick(unsigned char *to, unsigned symbol, uint64_t step,
         const struct market_tick *tick)
{
    to = put_u16(to, symbol);
    to = put_u16(to, tick->merged < UINT16_MAX ? tick->merged : UINT16_MAX);
    to = put_u32(to, (uint32_t)step);
    to = put_float(to, tick->last);
    to = put_float(to, tick->low);
    return put_float(to, tick->high);
}

static uint64_t
volatile_dropped(const skio_server *server)
{
    skio_counters counters = {.struct_size = sizeof counters};

    skio_server_counters(server, &counters);
    return counters.volatile_dropped;
}

/*
 * A client that is not ready gets nothing, and nothing waits for it: its next
 * frame has what happened meanwhile. So the slower a client reads, the fewer
 * frames it gets, and each is as new as any.
 */
static void
send_frame(struct feed *feed, skio_socket *socket, struct watcher *watcher)
{
    unsigned char frame[MARKET_SYMBOLS * TICK_BYTES];
    const struct market *market = &feed->market;
    uint64_t dropped = volatile_dropped(feed->server);
    unsigned char *to = frame;
    uint64_t ticks = 0;
    uint64_t merged = 0;

    for (unsigned i = 0; i < MARKET_SYMBOLS; i++) {
        struct market_tick tick;

        if ((watcher->symbols & 1u << i) == 0)
            continue;
        market_look(market, i, watcher->step, &tick);
        to = put_tick(to, i, market->step, &tick);
        ticks++;
        merged += tick.merged;
    }
    if (ticks == 0)
        return;
    if (skio_socket_queued(socket) > 0 ||
        skio_emit_volatile(socket, "ticks", "%p",
                           SKIO_BYTES(frame, (size_t)(to - frame))) !=
            SKIO_OK ||
        volatile_dropped(feed->server) != dropped) {
        feed->skipped++;
        return;
    }
    watcher->step = market->step;
    feed->frames++;
    feed->ticks += ticks;
    feed->merged += merged;
}

static bool
serve_watcher(skio_socket *socket, void *user)
{
    struct feed *feed = user;
    struct watcher *watcher = skio_socket_data(socket);

    if (watcher == NULL || feed->now_ms < watcher->due_ms)
        return true;
    watcher->due_ms += 1000 / watcher->rate;
    if (watcher->due_ms < feed->now_ms) /* it was away: no hurry after that */
        watcher->due_ms = feed->now_ms;
    send_frame(feed, socket, watcher);
    return true;
}

static void
send_load(struct feed *feed)
{
    feed->load_due_ms = feed->now_ms + LOAD_MS;
    (void)skio_emit_with(feed->nsp, SKIO_TARGET(.flags = SKIO_VOLATILE), "load",
                         "{'clients':%zu,'frames':%" PRIu64
                         ",'skipped':%" PRIu64 ",'ticks':%" PRIu64
                         ",'merged':%" PRIu64 "}",
                         skio_nsp_count(feed->nsp), feed->frames, feed->skipped,
                         feed->ticks, feed->merged);
}

static void
on_timer(void *user)
{
    struct feed *feed = user;
    uint64_t steps;

    feed->now_ms = clock_ms();
    steps = (feed->now_ms - feed->began_ms) / MARKET_STEP_MS;
    if (steps > feed->market.step + STEPS_MAX) {
        feed->began_ms = feed->now_ms - feed->market.step * MARKET_STEP_MS;
        steps = feed->market.step;
    }
    while (feed->market.step < steps)
        market_walk(&feed->market);
    (void)skio_each_socket(feed->nsp, serve_watcher, feed);
    if (feed->now_ms >= feed->load_due_ms)
        send_load(feed);
    /* It was set before, so there is memory for it. */
    (void)skio_timer_set(feed->timer, MARKET_STEP_MS);
}

/* ---- Clients ---- */

static void
on_connect(skio_socket *socket, void *user)
{
    const struct feed *feed = user;
    struct watcher *watcher = malloc(sizeof *watcher);

    if (watcher == NULL) {
        skio_disconnect(socket, true);
        return;
    }
    *watcher = (struct watcher){
        .rate = RATE_DEFAULT,
        .due_ms = clock_ms(),
        .step = feed->market.step,
    };
    skio_socket_set_data(socket, watcher, free);
}

static void
on_market(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    const struct market_symbol *s = market_symbols;

    (void)socket;
    (void)args;
    (void)user;
#define SYMBOL "{'code':%s,'name':%s,'opening':%g}"
#define OF(i) s[i].code, s[i].name, s[i].opening
    (void)skio_ack_send(ack,
                        "{'step_ms':%d,'symbols':[" SYMBOL "," SYMBOL "," SYMBOL
                        "," SYMBOL "," SYMBOL "," SYMBOL "," SYMBOL "," SYMBOL
                        "," SYMBOL "," SYMBOL "," SYMBOL "," SYMBOL "]}",
                        (int)MARKET_STEP_MS, OF(0), OF(1), OF(2), OF(3), OF(4),
                        OF(5), OF(6), OF(7), OF(8), OF(9), OF(10), OF(11));
}

static bool
watch_symbol(const char *key, size_t index, const skio_value *item, void *user)
{
    uint32_t *symbols = user;
    int64_t symbol;

    (void)key;
    (void)index;
    if (skio_get_int(item, "", &symbol) == SKIO_OK && symbol >= 0 &&
        symbol < MARKET_SYMBOLS)
        *symbols |= 1u << symbol;
    return true;
}

static void
on_watch(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const struct feed *feed = user;
    struct watcher *watcher = skio_socket_data(socket);
    uint32_t symbols = 0;
    int count = 0;

    if (watcher == NULL)
        return;
    (void)skio_each(args, "0", watch_symbol, &symbols); /* else none */
    watcher->symbols = symbols;
    watcher->step = feed->market.step;
    for (; symbols != 0; symbols &= symbols - 1)
        count++;
    (void)skio_ack_send(ack, "%d", count);
}

static void
on_rate(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct watcher *watcher = skio_socket_data(socket);
    int64_t rate;

    (void)user;
    if (watcher == NULL)
        return;
    if (skio_get_int(args, "0", &rate) == SKIO_OK) {
        if (rate < 1)
            rate = 1;
        watcher->rate = rate > RATE_MAX ? RATE_MAX : (uint32_t)rate;
        watcher->due_ms = clock_ms();
    }
    (void)skio_ack_send(ack, "%d", (int)watcher->rate);
}

int
feed_start(struct feed *feed, skio_server *server)
{
    int err;

    feed->server = server;
    feed->nsp = skio_of(server, "/");
    feed->began_ms = clock_ms();
    market_init(&feed->market, feed->began_ms * 2654435761u);
    feed->timer = skio_timer_new(server, on_timer, feed);
    if (feed->timer == NULL)
        return SKIO_ENOMEM;
    err = skio_timer_set(feed->timer, MARKET_STEP_MS);
    if (err == SKIO_OK)
        err = skio_on_connect(feed->nsp, on_connect, feed);
    if (err == SKIO_OK)
        err = skio_on(feed->nsp, "market", on_market, feed);
    if (err == SKIO_OK)
        err = skio_on(feed->nsp, "watch", on_watch, feed);
    if (err == SKIO_OK)
        err = skio_on(feed->nsp, "rate", on_rate, feed);
    return err;
}
