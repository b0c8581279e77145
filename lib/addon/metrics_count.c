/*
 * Metrics: the counting, on the way of each event
 *
 * The events counted lately are found by a comparison, others by a hash of
 * their name. A name is a label only where the application has it, too: it
 * handles the event, or names it in the options.
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

/* ---- Spaces ---- */

static void
space_init(struct metrics_space *space, const char *name)
{
    memset(space, 0, sizeof *space);
    space->name = name;
    space->other.space = space;
    space->other.name = "other";
    space->other.len = sizeof "other" - 1;
    space->last_row = &space->other;
}

/* The space of a name, made if there may be one more. */
static struct metrics_space *
space_named(struct skio_metrics *metrics, const char *name)
{
    struct metrics_space *space;
    size_t len = strlen(name);
    char *copy;

    for (space = &metrics->other; space != NULL; space = space->next)
        if (strcmp(space->name, name) == 0)
            return space;
    if (metrics->namespace_count == metrics->max_namespaces)
        return &metrics->other;
    space = skio_transport_alloc(metrics->server, sizeof *space + len + 1);
    if (space == NULL)
        return &metrics->other;
    copy = (char *)(space + 1);
    memcpy(copy, name, len + 1);
    space_init(space, copy);
    metrics->last_space->next = space;
    metrics->last_space = space;
    metrics->namespace_count++;
    return space;
}

/* What a namespace is called: the client's word for it is nobody's label. */
static const char *
name_of(const skio_nsp *nsp)
{
    const char *pattern = skio_nsp_pattern(nsp);

    if (pattern == NULL)
        return skio_nsp_name(nsp);
    return pattern[0] != '\0' ? pattern : "dynamic";
}

/* Where a pointer is in the table, or belongs. */
static struct metrics_known *
known_of(const struct skio_metrics *metrics, const skio_nsp *nsp)
{
    uint32_t at = (uint32_t)((uintptr_t)nsp >> 4) * 2654435761u;

    for (at >>= 7;; at++) {
        struct metrics_known *known = &metrics->known[at & metrics->known_mask];

        if (known->nsp == nsp || known->nsp == NULL)
            return known;
    }
}

static struct metrics_space *
find_space(struct skio_metrics *metrics, const skio_nsp *nsp)
{
    const skio_nsp *parent = skio_nsp_parent(nsp);
    const skio_nsp *owner = parent != NULL ? parent : nsp;
    struct metrics_known *known = known_of(metrics, owner);
    struct metrics_space *space = known->space;

    if (known->nsp == NULL) {
        space = space_named(metrics, name_of(owner));
        /* A place stays free, so that each search ends. */
        if (metrics->known_count < metrics->known_mask) {
            *known = (struct metrics_known){owner, space};
            metrics->known_count++;
        }
    }
    /* A child may go, and another namespace have its place: not remembered. */
    if (parent == NULL) {
        metrics->latest_nsp = nsp;
        metrics->latest_space = space;
    }
    return space;
}

static inline struct metrics_space *
space_of(struct skio_metrics *metrics, const skio_nsp *nsp)
{
    return metrics->latest_nsp == nsp ? metrics->latest_space
                                      : find_space(metrics, nsp);
}

/* ---- Rows ---- */

static struct metrics_row **
bucket_of(const struct skio_metrics *metrics, const struct metrics_space *space,
          const char *name, size_t len)
{
    uint32_t hash = 2166136261u ^ (uint32_t)((uintptr_t)space >> 4);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return &metrics->rows[hash & metrics->row_mask];
}

static struct metrics_row *
find_row(const struct skio_metrics *metrics, const struct metrics_space *space,
         const char *name, size_t len)
{
    struct metrics_row *row = *bucket_of(metrics, space, name, len);

    while (row != NULL && (row->space != space || row->len != len ||
                           memcmp(row->name, name, len) != 0))
        row = row->next_of_hash;
    return row;
}

/* NULL: there are as many as there may be, or no memory. */
static struct metrics_row *
add_row(struct skio_metrics *metrics, struct metrics_space *space,
        const char *name, size_t len)
{
    struct metrics_row **bucket = bucket_of(metrics, space, name, len);
    struct metrics_row *row;
    char *copy;

    if (metrics->event_count == metrics->max_events)
        return NULL;
    row = skio_transport_alloc(metrics->server, sizeof *row + len + 1);
    if (row == NULL)
        return NULL;
    memset(row, 0, sizeof *row);
    copy = (char *)(row + 1);
    memcpy(copy, name, len);
    copy[len] = '\0';
    row->name = copy;
    row->len = len;
    row->space = space;
    row->next_of_hash = *bucket;
    *bucket = row;
    space->last_row->next_of_space = row;
    space->last_row = row;
    metrics->event_count++;
    return row;
}

static bool
is_listed(const struct skio_metrics *metrics, const char *event)
{
    for (char **name = metrics->events; name != NULL && *name != NULL; name++)
        if (strcmp(*name, event) == 0)
            return true;
    return false;
}

/* Whether the application has the name of an event that it sends. */
static bool
is_ours(const struct skio_metrics *metrics, const skio_nsp *nsp,
        const char *event)
{
    const skio_nsp *parent = skio_nsp_parent(nsp);

    return skio_listeners(nsp, event) > 0 ||
           (parent != NULL && skio_listeners(parent, event) > 0) ||
           is_listed(metrics, event);
}

/* The space "other" has no events of its own: it stands for many. */
static struct metrics_row *
row_of(struct skio_metrics *metrics, struct metrics_space *space,
       const char *event, size_t len)
{
    struct metrics_row *row;

    if (space == &metrics->other ||
        (len == space->other.len && memcmp(space->other.name, event, len) == 0))
        return &space->other;
    row = find_row(metrics, space, event, len);
    if (row == NULL)
        row = add_row(metrics, space, event, len);
    return row != NULL ? row : &space->other;
}

static inline struct metrics_recent *
recent_of(struct skio_metrics *metrics, const char *event)
{
    size_t place = (unsigned char)event[0];

    if (place != 0)
        place += 3 * (size_t)(unsigned char)event[1];
    return &metrics->recent[place % METRICS_RECENT];
}

void
skio_metrics__forget_recent(struct skio_metrics *metrics)
{
    memset(metrics->recent, 0, sizeof metrics->recent);
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

    metrics->handling =
        is_handled ? row_of(metrics, space, event, len) : &space->other;
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

/* The row of an event that was not sent lately. */
static struct metrics_row *
row_sent(struct skio_metrics *metrics, skio_nsp *nsp,
         struct metrics_space *space, const char *event)
{
    struct metrics_recent *recent = recent_of(metrics, event);
    struct metrics_row *row = &space->other;
    size_t len = strlen(event);

    if (is_ours(metrics, nsp, event))
        row = row_of(metrics, space, event, len);
    if (len < sizeof recent->name) {
        recent->space = space;
        recent->row = row;
        memcpy(recent->name, event, len + 1);
    }
    return row;
}

static void
on_sent(skio_nsp *nsp, const char *event, void *user)
{
    struct skio_metrics *metrics = user;
    struct metrics_space *space = space_of(metrics, nsp);
    const struct metrics_recent *recent = recent_of(metrics, event);

    if (recent->space == space && strcmp(recent->name, event) == 0)
        recent->row->sent++;
    else
        row_sent(metrics, nsp, space, event)->sent++;
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
        row_of(visit->metrics, visit->space, event, strlen(event));

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

static void
count_namespace(skio_nsp *nsp, void *user)
{
    struct visit visit = {user, space_of(user, nsp), false};

    visit.space->now += skio_nsp_received(nsp);
    skio_each_event(nsp, count_event, &visit);
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

    space_init(&metrics->other, "other");
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
