/*
 * Metrics: what the files of this addon share
 *
 * A space is what one value of the label "namespace" counts, a row one event
 * of it. Both are made when they are first needed, never freed before the
 * server, and bounded: what is beyond goes to the space or the row that is
 * always there, "other".
 */
#ifndef SKIO_ADDON_METRICS_H
#define SKIO_ADDON_METRICS_H

#include <stdint.h>

#include <socketio/engine.h>
#include <socketio/metrics.h>
#include <socketio/namespace.h>
#include <socketio/request.h>
#include <socketio/transport.h>

#include "addon/text.h"

#define METRICS_REASONS (SKIO_DISCONNECT_RATE_LIMIT + 1)
#define METRICS_CODES (SKIO_UNSUPPORTED_PROTOCOL_VERSION + 1)
#define METRICS_BUCKETS 11
#define METRICS_RECENT 32 /* a power of two */

struct metrics_space;

struct metrics_row {
    struct metrics_row *next_of_space; /* in the order they were made */
    struct metrics_row *next_of_hash;
    struct metrics_space *space;
    uint64_t received; /* in namespaces that have gone */
    uint64_t now;      /* and in those that there are, when they are asked */
    uint64_t sent;
    uint64_t buckets[METRICS_BUCKETS + 1]; /* not cumulated; the last: +Inf */
    uint64_t nanoseconds;
    size_t len;
    const char *name;
};

struct metrics_space {
    struct metrics_space *next;
    struct metrics_row other; /* first in the list of its rows */
    struct metrics_row *last_row;
    int64_t rooms;     /* with each socket's own */
    uint64_t received; /* as of its rows, what has none included */
    uint64_t now;
    uint64_t connects;
    uint64_t disconnects[METRICS_REASONS]; /* by enum skio_disconnect */
    const char *name;
};

/* A namespace, or the parent of some: these pointers live as the server. */
struct metrics_known {
    const skio_nsp *nsp;
    struct metrics_space *space;
};

/* An event that was sent lately. */
struct metrics_recent {
    struct metrics_space *space;
    struct metrics_row *row;
    char name[48];
};

struct metrics_redis {
    bool is_known;
    bool is_up;
    uint64_t connects;
    uint64_t gap_ms;
    uint64_t dropped;
};

struct skio_metrics {
    skio_server *server;
    skio_metrics_allow_fn *allow;
    void *user;
    char *token;
    size_t token_len;
    char **events; /* NULL-terminated; NULL: none */
    bool has_durations;
    bool is_whole; /* nothing failed when it was made */
    uint32_t max_events;
    uint32_t max_namespaces;

    uint32_t event_count;
    uint32_t namespace_count;
    uint32_t known_count;
    uint32_t known_mask;
    uint32_t row_mask;
    struct metrics_known *known; /* a table by pointer */
    struct metrics_row **rows;   /* a table by space and name */
    struct metrics_space other;  /* first in the list of spaces */
    struct metrics_space *last_space;
    const skio_nsp *latest_nsp; /* and its space */
    struct metrics_space *latest_space;
    struct metrics_recent recent[METRICS_RECENT];

    struct metrics_row *handling; /* of the event whose handlers run */
    uint64_t handling_since;
    uint64_t refused[METRICS_CODES];
    uint64_t refused_before; /* what was refused ahead of it */
    uint64_t started;        /* by skio_metrics__clock() */
    double boot_time;        /* skio_metrics__boot_time() */
    struct metrics_redis redis;
};

/* Where an event that was sent lately is remembered. */
static inline struct metrics_recent *
metrics_recent_of(struct skio_metrics *metrics, const char *event)
{
    size_t place = (unsigned char)event[0];

    if (place != 0)
        place += 3 * (size_t)(unsigned char)event[1];
    return &metrics->recent[place % METRICS_RECENT];
}

void skio_metrics__space_init(struct metrics_space *space, const char *name);

/* The space of a namespace. */
struct metrics_space *skio_metrics__space(struct skio_metrics *metrics,
                                          const skio_nsp *nsp);

/* The row of an event that the application has. */
struct metrics_row *skio_metrics__row(struct skio_metrics *metrics,
                                      struct metrics_space *space,
                                      const char *event, size_t len);

/* The row of an event that was not sent lately, which is remembered. */
struct metrics_row *skio_metrics__row_sent(struct skio_metrics *metrics,
                                           skio_nsp *nsp,
                                           struct metrics_space *space,
                                           const char *event);

/* Upper bounds of the buckets, in nanoseconds. */
extern const uint64_t skio_metrics__bounds[METRICS_BUCKETS];

/* A monotonic clock, in nanoseconds. */
uint64_t skio_metrics__clock(void);

/* Fill metrics, and watch its server. */
int skio_metrics__count_init(skio_metrics *metrics);
void skio_metrics__count_deinit(skio_metrics *metrics);

/* Ask the server for what it counts itself. */
void skio_metrics__count_now(struct skio_metrics *metrics);

/* What is counted as a name may be told apart from now on. */
void skio_metrics__forget_recent(skio_metrics *metrics);

/* ---- Text ---- */

struct metrics_text {
    struct addon_text out;
    bool is_open; /* in the words of OpenMetrics */
};

/* Begin a family of samples. type: "counter", whose samples end in "_total",
 * "gauge" or "histogram". */
void skio_metrics__family(struct metrics_text *text, const char *name,
                          const char *type, const char *help);

/* A label, for the sample that follows. Its value is escaped. */
struct metrics_label {
    const char *name;
    const char *value;
    size_t len;
};

/* `name suffix {labels} value`, the value as printf() would have it. */
void skio_metrics__sample(struct metrics_text *text, const char *name,
                          const char *suffix, const struct metrics_label *label,
                          size_t count, uint64_t value);
void skio_metrics__sample_real(struct metrics_text *text, const char *name,
                               const char *suffix,
                               const struct metrics_label *label, size_t count,
                               double value);
void skio_metrics__text_end(struct metrics_text *text);

/* The two halves of the page. */
void skio_metrics__write(skio_metrics *metrics, struct metrics_text *text);
void skio_metrics__write_process(const struct skio_metrics *metrics,
                                 struct metrics_text *text);

/* When the system was started, in seconds since 1970; 0: unknown. */
double skio_metrics__boot_time(void);

#endif /* SKIO_ADDON_METRICS_H */
