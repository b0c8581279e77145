#include "transport/post.h"

#include "base/mem.h"

struct skio__posted {
    struct skio__posted *next;
    skio_post_fn *fn;
    void *arg;
};

/* Everything that waits, as a list. */
static struct skio__posted *
take_all(struct skio__post *post)
{
    struct skio__posted *first;

    pthread_mutex_lock(&post->lock);
    first = post->first;
    post->first = NULL;
    post->last = NULL;
    pthread_mutex_unlock(&post->lock);

    return first;
}

/* The limit counts calls that have not run, so it falls one by one. */
static void
run_all(struct skio__post *post, struct skio__posted *item, skio_server *server)
{
    while (item != NULL) {
        struct skio__posted *next = item->next;
        skio_post_fn *fn = item->fn;
        void *arg = item->arg;

        skio__mem_free(post->mem, item);
        pthread_mutex_lock(&post->lock);
        post->count--;
        pthread_mutex_unlock(&post->lock);

        fn(server, arg);
        item = next;
    }
}

int
skio__post_init(struct skio__post *post, const skio_allocator *mem,
                uint32_t max)
{
    *post = (struct skio__post){.mem = mem, .max = max};
    return pthread_mutex_init(&post->lock, NULL) == 0 ? SKIO_OK : SKIO_ENOMEM;
}

void
skio__post_deinit(struct skio__post *post)
{
    skio__post_close(post);
    run_all(post, take_all(post), NULL);
    pthread_mutex_destroy(&post->lock);
}

int
skio__post_push(struct skio__post *post, skio_post_fn *fn, void *arg,
                bool *wake)
{
    struct skio__posted *item;
    int err = SKIO_OK;

    *wake = false;
    item = skio__mem_alloc(post->mem, sizeof(*item));
    if (item == NULL)
        return SKIO_ENOMEM;

    *item = (struct skio__posted){.fn = fn, .arg = arg};

    pthread_mutex_lock(&post->lock);
    if (post->closed) {
        err = SKIO_ECLOSED;
    } else if (post->count >= post->max) {
        err = SKIO_ENOBUFS;
    } else {
        *wake = post->first == NULL;
        if (post->last != NULL)
            post->last->next = item;
        else
            post->first = item;
        post->last = item;
        post->count++;
    }
    pthread_mutex_unlock(&post->lock);

    if (err != SKIO_OK)
        skio__mem_free(post->mem, item);

    return err;
}

bool
skio__post_run(struct skio__post *post, skio_server *server)
{
    bool more;

    run_all(post, take_all(post), server);

    pthread_mutex_lock(&post->lock);
    more = post->first != NULL;
    pthread_mutex_unlock(&post->lock);

    return more;
}

void
skio__post_close(struct skio__post *post)
{
    pthread_mutex_lock(&post->lock);
    post->closed = true;
    pthread_mutex_unlock(&post->lock);
}
