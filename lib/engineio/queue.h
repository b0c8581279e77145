/*
 * What waits to be sent to one client: references to blobs
 *
 * One that waits alone stands in the queue itself: most clients never have
 * more, and an idle one pays for no ring. The ring is allocated with a second
 * packet and then kept, so that queueing allocates nothing; what a burst made
 * it grow to is given back when it is empty and later bursts do not need it.
 * Bytes are those of WebSocket frames, whatever carries them.
 */
#ifndef SKIO_ENGINEIO_QUEUE_H
#define SKIO_ENGINEIO_QUEUE_H

#include "base/blob.h"

struct eio_queue {
    union {
        struct skio__blob *one; /* cap 0 */
        struct skio__blob **ring;
    };
    size_t bytes;   /* of all frames, less offset */
    uint32_t cap;   /* a power of two; 0: no ring, and at most one waits */
    uint32_t first; /* index in the ring */
    uint32_t count;
    uint32_t offset; /* of the first frame, bytes that were written */
};

/* Whether there is a place for one more: in the ring, or alone. */
static inline bool
skio__queue_has_place(const struct eio_queue *queue)
{
    return queue->count < queue->cap || (queue->count | queue->cap) == 0;
}

/* Takes a reference of its own; to where there is a place. */
static inline void
skio__queue_put(struct eio_queue *queue, struct skio__blob *blob)
{
    struct skio__blob **place = &queue->one;

    if (queue->cap != 0)
        place = &queue->ring[(queue->first + queue->count) & (queue->cap - 1)];
    *place = skio__blob_ref(blob);
    queue->count++;
    queue->bytes += skio__blob_frame_len(blob);
}

/* Anywhere. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__queue_push(struct eio_queue *queue, const skio_allocator *mem,
                     struct skio__blob *blob) SKIO_MUST_CHECK;

/* The n-th waiting blob, n < count. */
static inline struct skio__blob *
skio__queue_at(const struct eio_queue *queue, uint32_t n)
{
    if (queue->cap == 0)
        return queue->one;
    return queue->ring[(queue->first + n) & (queue->cap - 1)];
}

/* Drop the first len bytes of the frames; returns what was left of len. */
size_t skio__queue_consume(struct eio_queue *queue, const skio_allocator *mem,
                           size_t len);

/* Drop everything, or everything but a frame that is already half written. */
void skio__queue_clear(struct eio_queue *queue, const skio_allocator *mem);
void skio__queue_cut(struct eio_queue *queue, const skio_allocator *mem);

/* Drop everything and the ring. */
void skio__queue_deinit(struct eio_queue *queue, const skio_allocator *mem);

#endif /* SKIO_ENGINEIO_QUEUE_H */
