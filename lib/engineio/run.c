#include "engineio/run.h"

#include <string.h>

void
skio__run_init(struct eio_run *run, const skio_allocator *mem)
{
    run->count = 0;
    skio__buf_init(&run->bytes, mem);
}

void
skio__run_deinit(struct eio_run *run)
{
    skio__run_forget(run);
    skio__buf_deinit(&run->bytes);
}

void
skio__run_forget(struct eio_run *run)
{
    uint32_t i;

    for (i = 0; i < run->count; i++)
        skio__blob_unref(run->blobs[i]);
    run->count = 0;
}

/* Whether the frames are worth joining: several, few bytes, and the first and
 * the last of them wait elsewhere as well. */
static bool
is_shared(const struct eio_queue *queue)
{
    return queue->count > 1 && queue->count <= EIO_RUN_BLOBS &&
           queue->offset == 0 && queue->bytes <= EIO_RUN_BYTES &&
           queue->first + queue->count <= queue->cap &&
           skio__queue_at(queue, 0)->refs > 1 &&
           skio__queue_at(queue, queue->count - 1)->refs > 1;
}

static bool
is_same(const struct eio_run *run, const struct eio_queue *queue)
{
    return run->count == queue->count &&
           memcmp(run->blobs, queue->ring + queue->first,
                  run->count * sizeof run->blobs[0]) == 0;
}

static bool
join(struct eio_run *run, const struct eio_queue *queue)
{
    uint32_t i;

    skio__run_forget(run);
    skio__buf_reset(&run->bytes);
    if (skio__buf_reserve(&run->bytes, queue->bytes) != SKIO_OK)
        return false;

    for (i = 0; i < queue->count; i++) {
        const void *data;
        size_t len;

        run->blobs[i] = skio__blob_ref(skio__queue_at(queue, i));
        skio__blob_frame(run->blobs[i], &data, &len);
        (void)skio__buf_append(&run->bytes, data, len);
    }
    run->count = queue->count;
    return true;
}

bool
skio__run_join(struct eio_run *run, const struct eio_queue *queue,
               skio_bytes *out)
{
    if (!is_shared(queue) || (!is_same(run, queue) && !join(run, queue)))
        return false;
    out->data = run->bytes.data;
    out->len = run->bytes.len;
    return true;
}
