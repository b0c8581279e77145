#include "engineio/queue.h"

#include <string.h>

#include "base/mem.h"

#define SLOTS_MIN 4u
#define SLOTS_KEPT 16u /* an empty queue holds on to no more, */
#define SLOTS_USED 64u /* but for a ring that turns need again and again */

/* A ring of twice the places. */
static int
widen(struct eio_queue *queue, const skio_allocator *mem)
{
    uint32_t cap = queue->cap != 0 ? queue->cap * 2 : SLOTS_MIN;
    struct skio__blob **ring;

    if (queue->cap > UINT32_MAX / 4)
        return SKIO_ENOMEM;
    ring = skio__mem_array(mem, NULL, cap, sizeof *ring);
    if (ring == NULL)
        return SKIO_ENOMEM;
    if (queue->cap != 0) {
        uint32_t head = queue->cap - queue->first; /* to the ring's end */

        memcpy(ring, queue->ring + queue->first, head * sizeof *ring);
        memcpy(ring + head, queue->ring, queue->first * sizeof *ring);
        skio__mem_free(mem, queue->ring);
    } else {
        ring[0] = queue->one;
    }
    queue->ring = ring;
    queue->cap = cap;
    queue->first = 0;
    return SKIO_OK;
}

int
skio__queue_push(struct eio_queue *queue, const skio_allocator *mem,
                 struct skio__blob *blob)
{
    if (!skio__queue_has_place(queue) && widen(queue, mem) != SKIO_OK)
        return SKIO_ENOMEM;
    skio__queue_put(queue, blob);
    return SKIO_OK;
}

static void
shift(struct eio_queue *queue)
{
    struct skio__blob *blob = skio__queue_at(queue, 0);

    queue->bytes -= skio__blob_frame_len(blob) - queue->offset;
    queue->offset = 0;
    queue->count--;
    if (queue->cap != 0)
        queue->first = (queue->first + 1) & (queue->cap - 1);
    skio__blob_unref(blob);
}

size_t
skio__queue_consume(struct eio_queue *queue, const skio_allocator *mem,
                    size_t len)
{
    size_t left;

    /* The usual case: everything was written. */
    if (len >= queue->bytes) {
        len -= queue->bytes;
        skio__queue_clear(queue, mem);
        return len;
    }

    for (;;) {
        left = skio__blob_frame_len(skio__queue_at(queue, 0)) - queue->offset;
        if (len < left)
            break;
        len -= left;
        shift(queue);
    }
    queue->offset += (uint32_t)len;
    queue->bytes -= len;
    return 0;
}

static inline void
release_run(struct skio__blob *const *from, uint32_t count)
{
    struct skio__blob *const *end = from + count;

    for (; from < end; from++)
        skio__blob_drop(*from);
}

/* Drop the references: for a broadcast the last step of each delivery. */
static inline void
release(const struct eio_queue *queue)
{
    uint32_t head = queue->cap - queue->first; /* to the ring's end */

    if (queue->cap == 0) {
        release_run(&queue->one, queue->count);
    } else if (queue->count <= head) {
        release_run(queue->ring + queue->first, queue->count);
    } else {
        release_run(queue->ring + queue->first, head);
        release_run(queue->ring, queue->count - head);
    }
}

void
skio__queue_clear(struct eio_queue *queue, const skio_allocator *mem)
{
    const uint32_t count = queue->count;

    release(queue);
    queue->bytes = 0;
    queue->first = 0;
    queue->count = 0;
    queue->offset = 0;

    /* A ring that a burst left behind goes with the next ping at the latest. */
    if (queue->cap > SLOTS_KEPT &&
        (queue->cap > SLOTS_USED || count <= queue->cap / 4))
        skio__queue_deinit(queue, mem);
}

void
skio__queue_cut(struct eio_queue *queue, const skio_allocator *mem)
{
    if (queue->offset == 0) {
        skio__queue_clear(queue, mem);
        return;
    }
    while (queue->count > 1) {
        struct skio__blob *last = skio__queue_at(queue, queue->count - 1);

        queue->bytes -= skio__blob_frame_len(last);
        queue->count--;
        skio__blob_unref(last);
    }
}

void
skio__queue_deinit(struct eio_queue *queue, const skio_allocator *mem)
{
    release(queue);
    if (queue->cap != 0)
        skio__mem_free(mem, queue->ring);
    memset(queue, 0, sizeof *queue);
}
