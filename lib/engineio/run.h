/*
 * A run: frames that stand in the queues of many WebSockets, one after the
 * other, joined for all of them
 *
 * What a turn broadcasts waits in the same order for everybody. The first
 * WebSocket that is handed out has the frames copied side by side; the next
 * ones find the same blobs in their queues and are given the same bytes.
 *
 *     queue of a   [ 1 2 3 4 ]──▶ joined: 1 2 3 4
 *     queue of b   [ 1 2 3 4 ]──▶ the same bytes
 *     queue of c   [ 9 1 2 3 4 ]  its own way
 *
 * The blobs are referenced as long as the run is remembered: no other blob can
 * have the address of one of them.
 */
#ifndef SKIO_ENGINEIO_RUN_H
#define SKIO_ENGINEIO_RUN_H

#include "base/buf.h"
#include "engineio/queue.h"

#define EIO_RUN_BLOBS 64
#define EIO_RUN_BYTES 16384 /* more are better written from where they are */

struct eio_run {
    struct skio__blob *blobs[EIO_RUN_BLOBS];
    uint32_t count; /* 0: nothing is remembered */
    struct skio__buf bytes;
};

void skio__run_init(struct eio_run *run, const skio_allocator *mem);
void skio__run_deinit(struct eio_run *run);

/* Forget the blobs; the memory for the next run is kept. */
void skio__run_forget(struct eio_run *run);

/*
 * All frames of a queue, joined, where others may wait for the same; they are
 * valid until the next call. False: there is nothing to be shared, or too
 * much, or no memory: take the frames one by one.
 */
bool skio__run_join(struct eio_run *run, const struct eio_queue *queue,
                    skio_bytes *out);

#endif /* SKIO_ENGINEIO_RUN_H */
