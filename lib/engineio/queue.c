#include "engineio/queue.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define SLOTS_MIN 4u
#define SLOTS_KEPT 16u /* an empty queue holds on to no more */

static size_t
frame_len(const struct skio__blob *blob)
{
    return (size_t)blob->head + blob->len;
}

static int
grow(struct eio_queue *queue, const skio_allocator *mem)
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

static void
shift(struct eio_queue *queue)
{
    struct skio__blob *blob = skio__queue_at(queue, 0);

    queue->bytes -= frame_len(blob) - queue->offset;
    queue->offset = 0;
    queue->count--;
    if (queue->cap != 0)
        queue->first = (queue->first + 1) & (queue->cap - 1);
    skio__blob_unref(blob);
}

static void
rest(struct eio_queue *queue, const skio_allocator *mem)
{
    assert(queue->count == 0 && queue->bytes == 0);
    queue->first = 0;
    if (queue->cap > SLOTS_KEPT)
        skio__queue_deinit(queue, mem);
}

int
skio__queue_push(struct eio_queue *queue, const skio_allocator *mem,
                 struct skio__blob *blob)
{
    if (queue->count == 0 && queue->cap == 0) {
        queue->one = skio__blob_ref(blob);
    } else {
        if (queue->count >= queue->cap && grow(queue, mem) != SKIO_OK)
            return SKIO_ENOMEM;
        queue->ring[(queue->first + queue->count) & (queue->cap - 1)] =
            skio__blob_ref(blob);
    }
    queue->count++;
    queue->bytes += frame_len(blob);
    return SKIO_OK;
}

size_t
skio__queue_consume(struct eio_queue *queue, const skio_allocator *mem,
                    size_t len)
{
    while (len > 0 && queue->count > 0) {
        size_t left = frame_len(skio__queue_at(queue, 0)) - queue->offset;

        if (len < left) {
            queue->offset += (uint32_t)len;
            queue->bytes -= len;
            return 0;
        }
        len -= left;
        shift(queue);
        if (queue->count == 0)
            rest(queue, mem);
    }
    return len;
}

void
skio__queue_clear(struct eio_queue *queue, const skio_allocator *mem)
{
    while (queue->count > 0)
        shift(queue);
    rest(queue, mem);
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

        queue->bytes -= frame_len(last);
        queue->count--;
        skio__blob_unref(last);
    }
}

void
skio__queue_deinit(struct eio_queue *queue, const skio_allocator *mem)
{
    while (queue->count > 0)
        shift(queue);
    if (queue->cap != 0)
        skio__mem_free(mem, queue->ring);
    memset(queue, 0, sizeof *queue);
}
