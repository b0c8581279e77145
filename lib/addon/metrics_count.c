/*
 * Metrics: the counting, on the way of each event
 *
 * The events sent lately are found by a comparison of their name.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <string.h>
#include <time.h>

#include "addon/metrics.h"

const uint64_t skio_metrics__bounds[METRICS_BUCKETS] = {
    10000,    50000,    100000,    500000,    1000000,    5000000,
    10000000, 50000000, 100000000, 500000000, 1000000000,
};

uint64_t
skio_metrics__clock(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline struct metrics_space *
space_of(struct skio_metrics *metrics, const skio_nsp *nsp)
{
    return metrics->latest_nsp == nsp ? metrics->latest_space
                                      : skio_metrics__space(metrics, nsp);
}

/* ---- Taps ---- */

static void
on_connect(skio_socket *socket, void *user)
{
    struct metrics_space *space = space_of(user, skio_socket_nsp(socket));

    space->connects++;
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct metrics_space *space = space_of(user, skio_socket_nsp(socket));

    if ((unsigned)reason < METRICS_REASONS)
        space->disconnects[reason]++;
}

static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room, void *user)
{
    (void)room;
    space_of(user, nsp)->rooms += event == SKIO_ROOM_CREATE ? 1 : -1;
}

static void
on_received(skio_nsp *nsp, const char *event, size_t len, bool is_handled,
            void *user)
{
    struct skio_metrics *metrics = user;
    struct metrics_space *space = space_of(metrics, nsp);

    metrics->handling = is_handled
                            ? skio_metrics__row(metrics, space, event, len)
                            : &space->other;
    metrics->handling_since = skio_metrics__clock();
}

static void
on_handled(skio_nsp *nsp, void *user)
{
    struct skio_metrics *metrics = user;
    struct metrics_row *row = metrics->handling;
    uint64_t took = skio_metrics__clock() - metrics->handling_since;
    unsigned i = 0;

    (void)nsp;
    if (row == NULL)
        return;
    metrics->handling = NULL;
    while (i < METRICS_BUCKETS && took > skio_metrics__bounds[i])
        i++;
    row->buckets[i]++;
    row->nanoseconds += took;
}

static void
on_sent(skio_nsp *nsp, const char *event, void *user)
{
    struct skio_metrics *metrics = user;
    struct metrics_space *space = space_of(metrics, nsp);
    const struct metrics_recent *recent = metrics_recent_of(metrics, event);

    if (recent->space == space && strcmp(recent->name, event) == 0)
        recent->row->sent++;
    else
        skio_metrics__row_sent(metrics, nsp, space, event)->sent++;
}

static void
on_refused(const skio_connection_error *error, void *user)
{
    struct skio_metrics *metrics = user;

    if ((unsigned)error->code < METRICS_CODES)
        metrics->refused[error->code]++;
}

/* ---- What the server counts itself: events that arrive ---- */

struct visit {
    struct skio_metrics *metrics;
    struct metrics_space *space;
    bool is_end; /* the namespace goes */
};

static bool
count_event(const char *event, uint64_t received, void *user)
{
    const struct visit *visit = user;
    struct metrics_row *row =
        skio_metrics__row(visit->metrics, visit->space, event, strlen(event));

    if (visit->is_end)
        row->received += received;
    else
        row->now += received;
    return true;
}

static void
on_end(skio_nsp *nsp, void *user)
{
    struct visit visit = {user, space_of(user, nsp), true};

    visit.space->received += skio_nsp_received(nsp);
    skio_each_event(nsp, count_event, &visit);
}

static bool
count_namespace(skio_nsp *nsp, void *user)
{
    struct visit visit = {user, space_of(user, nsp), false};

    visit.space->now += skio_nsp_received(nsp);
    skio_each_event(nsp, count_event, &visit);
    return true;
}

static void
forget_now(struct metrics_space *space)
{
    space->now = 0;
    for (struct metrics_row *row = &space->other; row != NULL;
         row = row->next_of_space)
        row->now = 0;
}

/* Events without a row are what is left of all. */
static void
count_rest(struct metrics_space *space)
{
    uint64_t all = space->received + space->now;
    const struct metrics_row *row = space->other.next_of_space;

    for (; row != NULL; row = row->next_of_space)
        all -= row->received + row->now;
    space->other.received = 0;
    space->other.now = all;
}

void
skio_metrics__count_now(struct skio_metrics *metrics)
{
    struct metrics_space *space;

    forget_now(&metrics->other);
    for (space = metrics->other.next; space != NULL; space = space->next)
        forget_now(space);
    skio_each_parent(metrics->server, count_namespace, metrics);
    skio_each_nsp(metrics->server, count_namespace, metrics);
    count_rest(&metrics->other);
    for (space = metrics->other.next; space != NULL; space = space->next)
        count_rest(space);
}

/* ---- Making it ---- */

/* The least power of two above. */
static uint32_t
table_size(uint32_t count)
{
    uint32_t size = 16;

    while (size <= count)
        size *= 2;
    return size;
}

int
skio_metrics__count_init(struct skio_metrics *metrics)
{
    const skio_nsp_taps taps = {
        .struct_size = sizeof taps,
        .connect = on_connect,
        .disconnect = on_disconnect,
        .room = on_room,
        .received = metrics->has_durations ? on_received : NULL,
        .handled = metrics->has_durations ? on_handled : NULL,
        .end = on_end,
        .sent = on_sent,
    };
    uint32_t places = table_size(2 * metrics->max_namespaces);
    uint32_t buckets = table_size(metrics->max_events);
    skio_nsp *root;
    int err;

    skio_metrics__space_init(&metrics->other, "other");
    metrics->last_space = &metrics->other;
    metrics->known_mask = places - 1;
    metrics->row_mask = buckets - 1;
    metrics->known =
        skio_transport_alloc(metrics->server, places * sizeof *metrics->known);
    metrics->rows =
        skio_transport_alloc(metrics->server, buckets * sizeof *metrics->rows);
    if (metrics->known == NULL || metrics->rows == NULL)
        return SKIO_ENOMEM;
    memset(metrics->known, 0, places * sizeof *metrics->known);
    memset(metrics->rows, 0, buckets * sizeof *metrics->rows);
    root = skio_of(metrics->server, "/");
    if (root != NULL)
        (void)space_of(metrics,
                       root); /* its samples are there from the first */

    err = skio_nsp_tap(metrics->server, &taps, metrics);
    if (err == SKIO_OK)
        err = skio_on_connection_error(metrics->server, on_refused, metrics);
    return err;
}

static void
free_rows(const struct skio_metrics *metrics, const struct metrics_space *space)
{
    struct metrics_row *row = space->other.next_of_space;

    while (row != NULL) {
        struct metrics_row *after = row->next_of_space;

        skio_transport_free(metrics->server, row);
        row = after;
    }
}

void
skio_metrics__count_deinit(struct skio_metrics *metrics)
{
    struct metrics_space *space = metrics->other.next;

    free_rows(metrics, &metrics->other);
    while (space != NULL) {
        struct metrics_space *after = space->next;

        free_rows(metrics, space);
        skio_transport_free(metrics->server, space);
        space = after;
    }
    skio_transport_free(metrics->server, metrics->known);
    skio_transport_free(metrics->server, metrics->rows);
}
