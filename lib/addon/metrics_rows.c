/*
 * Metrics: the spaces and rows, and which of them counts what
 *
 * A name is a label only where the application has it, too: it handles the
 * event, or names it in the options.
 */
#include <string.h>

#include "addon/metrics.h"

/* ---- Spaces ---- */

void
skio_metrics__space_init(struct metrics_space *space, const char *name)
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

    for (space = metrics->other.next; space != NULL; space = space->next)
        if (strcmp(space->name, name) == 0)
            return space;
    if (metrics->namespace_count == metrics->max_namespaces)
        return &metrics->other;
    space = skio_transport_alloc(metrics->server, sizeof *space + len + 1);
    if (space == NULL)
        return &metrics->other;
    copy = (char *)(space + 1);
    memcpy(copy, name, len + 1);
    skio_metrics__space_init(space, copy);
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

struct metrics_space *
skio_metrics__space(struct skio_metrics *metrics, const skio_nsp *nsp)
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
struct metrics_row *
skio_metrics__row(struct skio_metrics *metrics, struct metrics_space *space,
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

void
skio_metrics__forget_recent(struct skio_metrics *metrics)
{
    memset(metrics->recent, 0, sizeof metrics->recent);
}

struct metrics_row *
skio_metrics__row_sent(struct skio_metrics *metrics, skio_nsp *nsp,
                       struct metrics_space *space, const char *event)
{
    struct metrics_recent *recent = metrics_recent_of(metrics, event);
    struct metrics_row *row = &space->other;
    size_t len = strlen(event);

    if (is_ours(metrics, nsp, event))
        row = skio_metrics__row(metrics, space, event, len);
    if (len < sizeof recent->name) {
        recent->space = space;
        recent->row = row;
        memcpy(recent->name, event, len + 1);
    }
    return row;
}
