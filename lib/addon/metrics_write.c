/*
 * Metrics: the page, family by family
 */
#include <string.h>

#include "addon/metrics.h"

static struct metrics_label
label(const char *name, const char *value)
{
    return (struct metrics_label){name, value, strlen(value)};
}

/* ---- Namespaces ---- */

/* The sockets that are connected now. */
static uint64_t
connected_of(const struct metrics_space *space)
{
    uint64_t gone = 0;

    for (int i = 0; i < METRICS_REASONS; i++)
        gone += space->disconnects[i];
    return space->connects - gone;
}

static uint64_t
connects_of(const struct metrics_space *space)
{
    return space->connects;
}

/* Each socket has a room of its own, which is nobody's business. */
static uint64_t
rooms_of(const struct metrics_space *space)
{
    int64_t rooms = space->rooms - (int64_t)connected_of(space);

    return rooms > 0 ? (uint64_t)rooms : 0;
}

typedef uint64_t space_fn(const struct metrics_space *space);

/* Of all spaces; the one for the rest only when it was needed. */
#define EACH_SPACE(metrics, space)                                             \
    for (const struct metrics_space *space = is_empty(&(metrics)->other)       \
                                                 ? (metrics)->other.next       \
                                                 : &(metrics)->other;          \
         space != NULL; space = space->next)

static bool
is_empty(const struct metrics_space *space)
{
    return space->connects == 0 && space->rooms == 0 && space->received == 0 &&
           space->now == 0 && space->other.sent == 0;
}

static void
write_spaces(const struct skio_metrics *metrics, struct metrics_text *text,
             const char *name, const char *suffix, space_fn *fn)
{
    EACH_SPACE(metrics, space)
    {
        const struct metrics_label is = label("namespace", space->name);

        skio_metrics__sample(text, name, suffix, &is, 1, fn(space));
    }
}

static void
write_disconnects(const struct skio_metrics *metrics, struct metrics_text *text)
{
    skio_metrics__family(text, "socket_io_disconnect", "counter",
                         "Sockets that disconnected, by Node's reasons.");
    EACH_SPACE(metrics, space)
    {
        for (int i = 1; i < METRICS_REASONS; i++) {
            const char *reason = skio_disconnect_name((enum skio_disconnect)i);
            const struct metrics_label are[] = {
                label("namespace", space->name),
                label("reason", reason),
            };

            skio_metrics__sample(text, "socket_io_disconnect", "_total", are, 2,
                                 space->disconnects[i]);
        }
    }
}

/* ---- Events ---- */

static void
row_labels(const struct metrics_row *row, struct metrics_label are[2])
{
    are[0] = label("namespace", row->space->name);
    are[1] = (struct metrics_label){"event", row->name, row->len};
}

/* `received`, or else `sent`. */
static void
write_events(const struct skio_metrics *metrics, struct metrics_text *text,
             const char *name, const char *help, bool received)
{
    skio_metrics__family(text, name, "counter", help);
    EACH_SPACE(metrics, space)
    {
        const struct metrics_row *row = &space->other;

        for (; row != NULL; row = row->next_of_space) {
            struct metrics_label are[2];

            row_labels(row, are);
            skio_metrics__sample(text, name, "_total", are, 2,
                                 received ? row->received + row->now
                                          : row->sent);
        }
    }
}

static void
write_duration(const struct metrics_row *row, struct metrics_text *text)
{
    static const char name[] = "socket_io_handler_duration_seconds";
    static const char *const bounds[METRICS_BUCKETS + 1] = {
        "1e-05", "5e-05", "0.0001", "0.0005", "0.001", "0.005",
        "0.01",  "0.05",  "0.1",    "0.5",    "1.0",   "+Inf",
    };
    struct metrics_label are[3];
    uint64_t count = 0;

    row_labels(row, are);
    for (int i = 0; i <= METRICS_BUCKETS; i++) {
        count += row->buckets[i];
        are[2] = label("le", bounds[i]);
        skio_metrics__sample(text, name, "_bucket", are, 3, count);
    }
    skio_metrics__sample_real(text, name, "_sum", are, 2,
                              (double)row->nanoseconds / 1e9);
    skio_metrics__sample(text, name, "_count", are, 2, count);
}

static void
write_durations(const struct skio_metrics *metrics, struct metrics_text *text)
{
    skio_metrics__family(text, "socket_io_handler_duration_seconds",
                         "histogram",
                         "How long the handlers of an event took.");
    EACH_SPACE(metrics, space)
    for (const struct metrics_row *row = &space->other; row != NULL;
         row = row->next_of_space)
        write_duration(row, text);
}

/* ---- The whole server ---- */

static void
write_one(struct metrics_text *text, const char *name, const char *type,
          const char *help, uint64_t value)
{
    skio_metrics__family(text, name, type, help);
    skio_metrics__sample(text, name,
                         strcmp(type, "counter") == 0 ? "_total" : "", NULL, 0,
                         value);
}

static void
write_sessions(const struct skio_metrics *metrics, struct metrics_text *text,
               const skio_counters *counters)
{
    static const char name[] = "socket_io_sessions";
    const struct metrics_label polling = label("transport", "polling");
    const struct metrics_label websocket = label("transport", "websocket");
    uint64_t all = skio_server_sessions(metrics->server);
    uint64_t websockets =
        counters->websockets < all ? counters->websockets : all;

    skio_metrics__family(text, name, "gauge",
                         "Engine.IO sessions that are open.");
    skio_metrics__sample(text, name, "", &polling, 1, all - websockets);
    skio_metrics__sample(text, name, "", &websocket, 1, websockets);
}

/* What was refused without a code of Engine.IO: 503 and 429. */
static void
write_refused(const struct skio_metrics *metrics, struct metrics_text *text,
              const skio_counters *counters)
{
    static const char name[] = "socket_io_requests_refused";
    static const char *const codes[METRICS_CODES] = {"0", "1", "2",
                                                     "3", "4", "5"};
    uint64_t rest = counters->requests_refused - metrics->refused_before;
    struct metrics_label is;

    skio_metrics__family(text, name, "counter",
                         "Requests refused, by Engine.IO's code; busy: with "
                         "503 or 429.");
    for (int i = 0; i < METRICS_CODES; i++) {
        is = label("code", codes[i]);
        skio_metrics__sample(text, name, "_total", &is, 1, metrics->refused[i]);
        rest -= metrics->refused[i] < rest ? metrics->refused[i] : rest;
    }
    is = label("code", "busy");
    skio_metrics__sample(text, name, "_total", &is, 1, rest);
}

static void
write_counters(struct metrics_text *text, const skio_counters *counters)
{
    const struct {
        const char *name;
        const char *help;
        uint64_t value;
    } all[] = {
        {"socket_io_sessions_opened", "Engine.IO sessions that opened.",
         counters->sessions_opened},
        {"socket_io_sessions_closed", "Engine.IO sessions that closed.",
         counters->sessions_closed},
        {"socket_io_upgrades", "Sessions that moved to a WebSocket.",
         counters->upgrades},
        {"socket_io_packets_received", "Engine.IO packets received.",
         counters->packets_in},
        {"socket_io_packets_sent", "Engine.IO packets queued for clients.",
         counters->packets_out},
        {"socket_io_receive_bytes", "Bytes of messages and POST bodies.",
         counters->bytes_in},
        {"socket_io_transmit_bytes", "Bytes of messages and poll bodies.",
         counters->bytes_out},
        {"socket_io_heartbeats", "Pings and pongs of clients.",
         counters->heartbeats},
        {"socket_io_errors", "Sessions closed for a packet that is none.",
         counters->parse_errors},
        {"socket_io_limits_hit", "Peers stopped by a limit.",
         counters->limits_hit},
        {"socket_io_rates_hit", "Of these, what passed a rate.",
         counters->rates_hit},
        {"socket_io_slow_readers_closed",
         "Sessions closed by max_outbound_bytes.", counters->slow_consumers},
        {"socket_io_volatile_dropped",
         "Volatile events not sent to who could not take them.",
         counters->volatile_dropped},
        {"socket_io_posts", "Calls posted to the loop.", counters->posts},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        write_one(text, all[i].name, "counter", all[i].help, all[i].value);
}

/* The names are the library's own. */
static void
write_limits(const struct skio_metrics *metrics, struct metrics_text *text)
{
    static const char name[] = "socket_io_limits";
    const char *limit;
    uint64_t hits;

    skio_metrics__family(text, name, "counter",
                         "Peers stopped, by the option that limits them.");
    for (size_t i = 0;
         (limit = skio_server_limit(metrics->server, i, &hits)) != NULL; i++) {
        const struct metrics_label is = label("limit", limit);

        skio_metrics__sample(text, name, "_total", &is, 1, hits);
    }
}

static void
write_redis(const struct metrics_redis *redis, struct metrics_text *text)
{
    static const char gap[] = "socket_io_redis_gap_seconds";

    write_one(text, "socket_io_redis_up", "gauge",
              "1: all subscriptions of the adapter are in force.",
              redis->is_up);
    write_one(text, "socket_io_redis_connects", "counter",
              "How often the adapter reached Redis.", redis->connects);
    skio_metrics__family(text, gap, "counter",
                         "For how long messages may have been missed.");
    skio_metrics__sample_real(text, gap, "_total", NULL, 0,
                              (double)redis->gap_ms / 1e3);
    write_one(text, "socket_io_redis_dropped", "counter",
              "Messages to other servers that were lost.", redis->dropped);
}

static void
write_namespaces(const struct skio_metrics *metrics, struct metrics_text *text)
{
    skio_metrics__family(text, "socket_io_connected", "gauge",
                         "Sockets that are connected.");
    write_spaces(metrics, text, "socket_io_connected", "", connected_of);
    skio_metrics__family(text, "socket_io_connect", "counter",
                         "Sockets that connected.");
    write_spaces(metrics, text, "socket_io_connect", "_total", connects_of);
    write_disconnects(metrics, text);
    skio_metrics__family(text, "socket_io_rooms", "gauge",
                         "Rooms with members here, sockets' own left out.");
    write_spaces(metrics, text, "socket_io_rooms", "", rooms_of);
}

void
skio_metrics__write(struct skio_metrics *metrics, struct metrics_text *text)
{
    static const char uptime[] = "socket_io_uptime_seconds";
    skio_counters counters = {.struct_size = sizeof counters};

    skio_server_counters(metrics->server, &counters);
    write_namespaces(metrics, text);
    write_events(metrics, text, "socket_io_events_received",
                 "Events received, before middlewares.", true);
    write_events(metrics, text, "socket_io_events_sent",
                 "Events emitted here, a broadcast once.", false);
    if (metrics->has_durations)
        write_durations(metrics, text);
    write_sessions(metrics, text, &counters);
    write_counters(text, &counters);
    write_limits(metrics, text);
    write_refused(metrics, text, &counters);
    if (metrics->redis.is_known)
        write_redis(&metrics->redis, text);
    write_one(text, "socket_io_metrics_events", "gauge",
              "Events that are told apart, of max_events.",
              metrics->event_count);
    write_one(text, "socket_io_metrics_namespaces", "gauge",
              "Namespaces that are told apart, of max_namespaces.",
              metrics->namespace_count);
    skio_metrics__family(text, uptime, "gauge",
                         "For how long the server has been counting.");
    skio_metrics__sample_real(text, uptime, "", NULL, 0,
                              (double)(skio_metrics__clock() -
                                       metrics->started) /
                                  1e9);
    skio_metrics__write_process(metrics, text);
    skio_metrics__text_end(text);
}
