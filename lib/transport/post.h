/*
 * Calls from other threads
 *
 * A bounded queue with the only lock of the library. First in, first out;
 * whoever makes it non-empty writes the eventfd that wakes the loop.
 */
#ifndef SKIO_TRANSPORT_POST_H
#define SKIO_TRANSPORT_POST_H

#include <pthread.h>

#include <socketio/server.h>

struct skio__posted;

struct skio__post {
    const skio_allocator *mem;
    pthread_mutex_t lock;
    struct skio__posted *first;
    struct skio__posted *last;
    uint32_t count;
    uint32_t max;
    bool closed;
};

/* Returns SKIO_OK or SKIO_ENOMEM. */
int skio__post_init(struct skio__post *post, const skio_allocator *mem,
                    uint32_t max);

/* Calls what still waits with a NULL server. */
void skio__post_deinit(struct skio__post *post);

/*
 * Any thread. Returns SKIO_OK, *wake says whether the loop must be woken;
 * SKIO_ENOBUFS, SKIO_ECLOSED, SKIO_ENOMEM.
 */
int skio__post_push(struct skio__post *post, skio_post_fn *fn, void *arg,
                    bool *wake);

/*
 * Loop thread: call what was there when this call began. Returns true when
 * more has come meanwhile.
 */
bool skio__post_run(struct skio__post *post, skio_server *server);

/* Take no more calls. */
void skio__post_close(struct skio__post *post);

#endif /* SKIO_TRANSPORT_POST_H */
