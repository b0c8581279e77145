/*
 * Timers
 *
 * Two orders of due times, both of intrusive nodes that are unlinked when
 * zeroed. Nothing here reads a clock: `now_ms` is the host's monotonic time.
 *
 * skio__fifo  every entry waits equally long (heartbeats), so the newest is
 *             always the last one due: a list, O(1) for everything.
 * skio__heap  delays differ (ack timeouts): a binary heap, O(log n).
 */
#ifndef SKIO_BASE_TIMER_H
#define SKIO_BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#define SKIO__NEVER UINT64_MAX /* what peek_due says when nothing waits */

struct skio__fifo_node {
    struct skio__fifo_node *prev;
    struct skio__fifo_node *next; /* NULL: not linked */
    uint64_t due_ms;
};

struct skio__fifo {
    struct skio__fifo_node ends; /* next is the first due, prev the last */
    uint64_t delay_ms;
};

/* The fifo may not be moved afterwards: it is an end of its own list. */
void skio__fifo_init(struct skio__fifo *fifo, uint64_t delay_ms);

/*
 * Link a node that is not linked, due in delay_ms. Time that runs backwards
 * does not break the order: the node is then due with the one before it.
 */
void skio__fifo_push(struct skio__fifo *fifo, struct skio__fifo_node *node,
                     uint64_t now_ms);

/* Unlink; does nothing when not linked. */
void skio__fifo_remove(struct skio__fifo_node *node);

/* When the first is due, or SKIO__NEVER. */
uint64_t skio__fifo_peek_due(const struct skio__fifo *fifo);

/* The first node if it is due at now_ms, unlinked; else NULL. */
struct skio__fifo_node *skio__fifo_pop_due(struct skio__fifo *fifo,
                                           uint64_t now_ms);

static inline bool
skio__fifo_is_linked(const struct skio__fifo_node *node)
{
    return node->next != NULL;
}

struct skio__heap_node {
    uint64_t due_ms;
    uint32_t index; /* place in the heap plus one; 0: not linked */
    uint32_t order; /* equal due times go first in, first out */
};

struct skio__heap {
    struct skio__heap_node **nodes;
    const skio_allocator *mem;
    uint32_t len;
    uint32_t cap;
    uint32_t order;
};

void skio__heap_init(struct skio__heap *heap, const skio_allocator *mem);

/* Frees the heap's array; its nodes are unlinked first. */
void skio__heap_deinit(struct skio__heap *heap);

/*
 * Link a node that is not linked. Returns SKIO_OK, or SKIO_ENOMEM with
 * nothing changed.
 */
int skio__heap_push(struct skio__heap *heap, struct skio__heap_node *node,
                    uint64_t due_ms) SKIO_MUST_CHECK;

/* Give a linked node another due time; cannot fail. */
void skio__heap_move(struct skio__heap *heap, struct skio__heap_node *node,
                     uint64_t due_ms);

/* Unlink; does nothing when not linked. */
void skio__heap_remove(struct skio__heap *heap, struct skio__heap_node *node);

/* The first due node, or NULL; stays linked. */
struct skio__heap_node *skio__heap_peek(const struct skio__heap *heap);
uint64_t skio__heap_peek_due(const struct skio__heap *heap);

/* The first node if it is due at now_ms, unlinked; else NULL. */
struct skio__heap_node *skio__heap_pop_due(struct skio__heap *heap,
                                           uint64_t now_ms);

static inline bool
skio__heap_is_linked(const struct skio__heap_node *node)
{
    return node->index != 0;
}

#endif /* SKIO_BASE_TIMER_H */
