/*
 * Timers: see timer.h
 */
#include "base/timer.h"

#include <assert.h>

#include "base/mem.h"

#define HEAP_CAP_MIN 16u

void
skio__fifo_init(struct skio__fifo *fifo, uint64_t delay_ms)
{
    fifo->ends.prev = &fifo->ends;
    fifo->ends.next = &fifo->ends;
    fifo->ends.due_ms = 0; /* what the first node must not be due before */
    fifo->delay_ms = delay_ms;
}

void
skio__fifo_push(struct skio__fifo *fifo, struct skio__fifo_node *node,
                uint64_t now_ms)
{
    struct skio__fifo_node *last = fifo->ends.prev;

    assert(!skio__fifo_is_linked(node));

    node->due_ms = now_ms + fifo->delay_ms;
    if (node->due_ms < last->due_ms)
        node->due_ms = last->due_ms;

    node->prev = last;
    node->next = &fifo->ends;
    last->next = node;
    fifo->ends.prev = node;
}

void
skio__fifo_remove(struct skio__fifo_node *node)
{
    if (!skio__fifo_is_linked(node))
        return;

    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = NULL;
    node->next = NULL;
}

uint64_t
skio__fifo_peek_due(const struct skio__fifo *fifo)
{
    const struct skio__fifo_node *first = fifo->ends.next;

    return first != &fifo->ends ? first->due_ms : SKIO__NEVER;
}

struct skio__fifo_node *
skio__fifo_pop_due(struct skio__fifo *fifo, uint64_t now_ms)
{
    struct skio__fifo_node *first = fifo->ends.next;

    if (first == &fifo->ends || first->due_ms > now_ms)
        return NULL;

    skio__fifo_remove(first);
    return first;
}

void
skio__heap_init(struct skio__heap *heap, const skio_allocator *mem)
{
    heap->nodes = NULL;
    heap->mem = mem;
    heap->len = 0;
    heap->cap = 0;
    heap->order = 0;
}

void
skio__heap_deinit(struct skio__heap *heap)
{
    uint32_t i;

    for (i = 0; i < heap->len; i++)
        heap->nodes[i]->index = 0;
    skio__mem_free(heap->mem, heap->nodes);
    skio__heap_init(heap, heap->mem);
}

/* The order counter may wrap: only the difference counts. */
static bool
is_before(const struct skio__heap_node *a, const struct skio__heap_node *b)
{
    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms;
    return a->order - b->order > UINT32_MAX / 2;
}

static void
place(struct skio__heap *heap, uint32_t i, struct skio__heap_node *node)
{
    heap->nodes[i] = node;
    node->index = i + 1;
}

static void
sift_up(struct skio__heap *heap, uint32_t i, struct skio__heap_node *node)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 2;

        if (!is_before(node, heap->nodes[parent]))
            break;
        place(heap, i, heap->nodes[parent]);
        i = parent;
    }
    place(heap, i, node);
}

static void
sift_down(struct skio__heap *heap, uint32_t i, struct skio__heap_node *node)
{
    for (;;) {
        uint64_t child = 2 * (uint64_t)i + 1;

        if (child >= heap->len)
            break;
        if (child + 1 < heap->len &&
            is_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!is_before(heap->nodes[child], node))
            break;
        place(heap, i, heap->nodes[child]);
        i = (uint32_t)child;
    }
    place(heap, i, node);
}

/* Put a node where its due time belongs, starting from a free place. */
static void
sift(struct skio__heap *heap, uint32_t i, struct skio__heap_node *node)
{
    if (i > 0 && is_before(node, heap->nodes[(i - 1) / 2]))
        sift_up(heap, i, node);
    else
        sift_down(heap, i, node);
}

static int
resize(struct skio__heap *heap, uint32_t cap)
{
    struct skio__heap_node **nodes =
        skio__mem_array(heap->mem, heap->nodes, cap, sizeof(*nodes));

    if (nodes == NULL)
        return SKIO_ENOMEM;
    heap->nodes = nodes;
    heap->cap = cap;
    return SKIO_OK;
}

int
skio__heap_push(struct skio__heap *heap, struct skio__heap_node *node,
                uint64_t due_ms)
{
    assert(!skio__heap_is_linked(node));

    if (heap->len == heap->cap) {
        if (heap->cap > UINT32_MAX / 4)
            return SKIO_ENOMEM;
        if (resize(heap, heap->cap > 0 ? 2 * heap->cap : HEAP_CAP_MIN) !=
            SKIO_OK)
            return SKIO_ENOMEM;
    }

    node->due_ms = due_ms;
    node->order = heap->order++;
    sift_up(heap, heap->len++, node);
    return SKIO_OK;
}

void
skio__heap_move(struct skio__heap *heap, struct skio__heap_node *node,
                uint64_t due_ms)
{
    assert(skio__heap_is_linked(node));

    node->due_ms = due_ms;
    node->order = heap->order++;
    sift(heap, node->index - 1, node);
}

void
skio__heap_remove(struct skio__heap *heap, struct skio__heap_node *node)
{
    struct skio__heap_node *last;

    if (!skio__heap_is_linked(node))
        return;

    last = heap->nodes[--heap->len];
    if (last != node)
        sift(heap, node->index - 1, last);
    node->index = 0;

    /* A flood of timers should not hold its memory for ever; if shrinking
     * fails the larger array does as well. */
    if (heap->cap > HEAP_CAP_MIN && heap->len < heap->cap / 4)
        (void)resize(heap, heap->cap / 2);
}

struct skio__heap_node *
skio__heap_peek(const struct skio__heap *heap)
{
    return heap->len > 0 ? heap->nodes[0] : NULL;
}

uint64_t
skio__heap_peek_due(const struct skio__heap *heap)
{
    return heap->len > 0 ? heap->nodes[0]->due_ms : SKIO__NEVER;
}

struct skio__heap_node *
skio__heap_pop_due(struct skio__heap *heap, uint64_t now_ms)
{
    struct skio__heap_node *node = skio__heap_peek(heap);

    if (node == NULL || node->due_ms > now_ms)
        return NULL;

    skio__heap_remove(heap, node);
    return node;
}
