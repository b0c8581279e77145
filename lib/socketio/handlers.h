/*
 * Handlers of a namespace
 *
 * Lists of a function and its user pointer, run in the order of registration.
 * A list may change while it runs: what is added meanwhile runs next time, what
 * is removed does not run any more.
 */
#ifndef SKIO_SOCKETIO_HANDLERS_H
#define SKIO_SOCKETIO_HANDLERS_H

#include <string.h>

#include <socketio/namespace.h>

#include "base/compiler.h"
#include "base/map.h"

/* C has no generic function pointer but this one, cast back before the call. */
typedef void sio_any_function(void);

struct sio_handler {
    sio_any_function *fn; /* NULL: removed while the list ran */
    void *user;
    bool once; /* removed when it is about to run */
};

struct sio_handlers {
    struct sio_handler *items;
    uint32_t count;
    uint32_t cap;
    uint32_t running; /* nesting of runs */
    uint32_t shifted; /* how many were put in front, ever */
    bool has_holes;
};

int skio__handlers_add(struct sio_handlers *list, const skio_allocator *mem,
                       sio_any_function *fn, void *user);
/* In front of the others; while the list runs, this one does not. */
int skio__handlers_prepend(struct sio_handlers *list, const skio_allocator *mem,
                           sio_any_function *fn, void *user);
int skio__handlers_add_once(struct sio_handlers *list,
                            const skio_allocator *mem, sio_any_function *fn,
                            void *user);

/* fn NULL: all. Returns how many were removed. */
int skio__handlers_remove(struct sio_handlers *list, sio_any_function *fn,
                          void *user);
void skio__handlers_deinit(struct sio_handlers *list,
                           const skio_allocator *mem);

/* Close the gaps that removals left. */
void skio__handlers_compact(struct sio_handlers *list);

/* Bracket a run, so that removals leave holes until the last one ends. */
static inline void
skio__handlers_enter(struct sio_handlers *list)
{
    list->running++;
}

static inline void
skio__handlers_leave(struct sio_handlers *list)
{
    list->running--;
    if (list->running == 0 && list->has_holes)
        skio__handlers_compact(list);
}

/* While a list runs: the function of an item, which goes if it runs once.
 * NULL: it was removed. */
static inline sio_any_function *
skio__handlers_take(struct sio_handlers *list, uint32_t index)
{
    struct sio_handler *item = &list->items[index];
    sio_any_function *fn = item->fn;

    if (item->once && fn != NULL) {
        item->fn = NULL;
        list->has_holes = true;
    }
    return fn;
}

/* Run a list: `call` uses `fn` (cast back) and `user_data`. */
#define SIO_HANDLERS_RUN(list, type, call)                                     \
    do {                                                                       \
        struct sio_handlers *run_list = (list);                                \
        uint32_t run_count = run_list->count;                                  \
        uint32_t run_shift = run_list->shifted;                                \
        if (run_count == 0)                                                    \
            break;                                                             \
        skio__handlers_enter(run_list);                                        \
        for (uint32_t run = 0; run < run_count; run++) {                       \
            uint32_t run_at = run + (run_list->shifted - run_shift);           \
            void *user_data = run_list->items[run_at].user;                    \
            type *fn = (type *)skio__handlers_take(run_list, run_at);          \
            if (fn != NULL)                                                    \
                call;                                                          \
        }                                                                      \
        skio__handlers_leave(run_list);                                        \
    } while (0)

/* The handlers of one event. */
struct sio_event {
    struct skio__map_node node;
    struct sio_handlers handlers;
    uint64_t received;
    size_t len;
    char name[];
};

#define SIO_EVENTS_RECENT 8 /* a power of two */

/*
 * A table of events by name. Events never go away, so those asked for lately
 * are remembered: to hash a name costs more than to run its handlers.
 */
struct sio_events {
    struct skio__map by_name;
    struct sio_event *recent[SIO_EVENTS_RECENT];
};

void skio__events_init(struct sio_events *events, const skio_allocator *mem,
                       const uint8_t hash_key[SKIO__MAP_KEY_BYTES]);
void skio__events_deinit(struct sio_events *events);

/* The handlers of an event, or NULL. */
struct sio_event *skio__events_find(const struct sio_events *events,
                                    const char *name, size_t len);
/* The same, remembered. */
struct sio_event *skio__events_remember(struct sio_events *events,
                                        const char *name, size_t len);

/*
 * Names are the application's, who has no reason to make them collide: a peer
 * that asks for others finds nothing, at the price of a hash.
 */
static inline struct sio_event **
skio__events_recent(struct sio_events *events, const char *name, size_t len)
{
    size_t place = len;

    if (len > 0)
        place +=
            (unsigned char)name[0] + 3 * (size_t)(unsigned char)name[len - 1];
    return &events->recent[place % SIO_EVENTS_RECENT];
}

/* The handlers of an event that arrives, or NULL. */
static inline struct sio_event *
skio__events_recall(struct sio_events *events, const char *name, size_t len)
{
    struct sio_event *event = *skio__events_recent(events, name, len);

    if (skio__likely(event != NULL && event->len == len &&
                     memcmp(event->name, name, len) == 0))
        return event;
    return skio__events_remember(events, name, len);
}

/* The same, made on first use; NULL: no memory. */
struct sio_event *skio__events_get(struct sio_events *events, const char *name,
                                   size_t len);

#endif /* SKIO_SOCKETIO_HANDLERS_H */
