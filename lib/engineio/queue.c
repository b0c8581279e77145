#include "engineio/queue.h"

#include <string.h>

#include "base/mem.h"

#define SLOTS_MIN 4u
#define SLOTS_KEPT 16u /* an empty queue holds on to no more, */
#define SLOTS_USED 64u /* but for a ring that turns need again and again */

struct skio__blob **
skio__queue_widen(struct eio_queue *queue, const skio_allocator *mem)
{
    uint32_t cap = queue->cap != 0 ? queue->cap * 2 : SLOTS_MIN;
    struct skio__blob **ring;

    if (queue->count == 0 && queue->cap == 0)
        return &queue->one;
    if (queue->cap > UINT32_MAX / 4)
        return NULL;
    ring = skio__mem_array(mem, NULL, cap, sizeof *ring);
    if (ring == NULL)
        return NULL;
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
    return &ring[queue->count];
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

/* Drop the references: for a broadcast the last step of each delivery. */
static void
release(const struct eio_queue *queue)
{
    struct skio__blob *const *ring =
        queue->cap != 0 ? queue->ring : &queue->one;
    const uint32_t mask = queue->cap != 0 ? queue->cap - 1 : 0;
    const uint32_t end = queue->first + queue->count;
    uint32_t i;

    for (i = queue->first; i != end; i++)
        skio__blob_unref(ring[i & mask]);
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
