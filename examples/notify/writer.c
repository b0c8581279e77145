#define _POSIX_C_SOURCE 200809L

#include "writer.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct list {
    struct job *first;
    struct job **end;
};

struct writer {
    skio_server *server;
    struct store store;
    pthread_t thread;
    pthread_cond_t work;
    pthread_mutex_t lock;
    /* below the lock */
    struct list queue;
    struct list done;
    size_t waiting; /* of applications */
    size_t max_waiting;
    bool is_stopping;
    bool is_broken; /* the last commit failed */
    bool is_posted; /* the loop will look at done */
};

static void
list_clear(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void
list_add(struct list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

/*
 * In the thread
 */

/* One transaction for all of them. Returns false when nothing was kept. */
static bool
change_all(struct store *store, struct job *first)
{
    enum outcome outcome = OUTCOME_OK;
    bool has_begun = false;

    for (struct job *job = first; job != NULL && outcome != OUTCOME_FAILED;
         job = job->next) {
        if (!job_changes(job))
            continue;
        if (!has_begun)
            outcome = store_begin(store);
        has_begun = true;
        if (outcome != OUTCOME_FAILED)
            outcome = job->outcome = job_change(job, store);
    }
    if (has_begun && outcome != OUTCOME_FAILED)
        outcome = store_commit(store);
    if (outcome != OUTCOME_FAILED)
        return true;
    store_rollback(store);
    for (struct job *job = first; job != NULL; job = job->next)
        if (job_changes(job))
            job->outcome = OUTCOME_FAILED;
    return false;
}

static void run_done(skio_server *server, void *arg);

/* Tell the loop, once for all that it has not seen. */
static void
hand_back(struct writer *writer, struct job *first, bool is_broken)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    bool is_posted;
    int err = SKIO_OK;

    (void)pthread_mutex_lock(&writer->lock);
    for (struct job *job = first, *next; job != NULL; job = next) {
        next = job->next;
        if (job_is_of_application(job))
            writer->waiting--;
        list_add(&writer->done, job);
    }
    writer->is_broken = is_broken;
    is_posted = writer->is_posted;
    writer->is_posted = true;
    (void)pthread_mutex_unlock(&writer->lock);

    if (is_posted)
        return;
    do { /* a server that has stopped needs no word: writer_stop() looks */
        err = skio_server_post(writer->server, run_done, writer);
        if (err == SKIO_ENOBUFS || err == SKIO_ENOMEM)
            (void)nanosleep(&pause, NULL);
    } while (err == SKIO_ENOBUFS || err == SKIO_ENOMEM);
}

static void *
work(void *arg)
{
    struct writer *writer = arg;

    for (;;) {
        struct job *first;
        bool is_broken;

        (void)pthread_mutex_lock(&writer->lock);
        while (writer->queue.first == NULL && !writer->is_stopping)
            (void)pthread_cond_wait(&writer->work, &writer->lock);
        first = writer->queue.first;
        is_broken = writer->is_broken;
        list_clear(&writer->queue);
        (void)pthread_mutex_unlock(&writer->lock);

        if (first == NULL)
            return NULL;
        if (!change_all(&writer->store, first))
            is_broken = true;
        else
            for (struct job *job = first; job != NULL; job = job->next)
                if (job_proves(job))
                    is_broken = false;
        for (struct job *job = first; job != NULL; job = job->next)
            job_look(job, &writer->store);
        hand_back(writer, first, is_broken);
    }
}

/*
 * On the loop
 */

static void
run_done(skio_server *server, void *arg)
{
    struct writer *writer = arg;
    struct job *job;

    if (server == NULL)
        return; /* writer_stop() has run them, and the writer is gone */
    (void)pthread_mutex_lock(&writer->lock);
    job = writer->done.first;
    list_clear(&writer->done);
    writer->is_posted = false;
    (void)pthread_mutex_unlock(&writer->lock);
    while (job != NULL) {
        struct job *next = job->next;

        job->done(job);
        job = next;
    }
}

bool
writer_submit(struct writer *writer, struct job *job)
{
    bool is_taken;

    (void)pthread_mutex_lock(&writer->lock);
    is_taken = !writer->is_stopping && (!job_is_of_application(job) ||
                                        writer->waiting < writer->max_waiting);
    if (is_taken) {
        if (job_is_of_application(job))
            writer->waiting++;
        list_add(&writer->queue, job);
        (void)pthread_cond_signal(&writer->work);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return is_taken;
}

bool
writer_is_broken(struct writer *writer)
{
    bool is_broken;

    (void)pthread_mutex_lock(&writer->lock);
    is_broken = writer->is_broken;
    (void)pthread_mutex_unlock(&writer->lock);
    return is_broken;
}

const char *
writer_trouble(struct writer *writer)
{
    const char *trouble = NULL;

    (void)pthread_mutex_lock(&writer->lock);
    if (writer->is_broken)
        trouble = "the store cannot be written";
    else if (writer->waiting >= writer->max_waiting)
        trouble = "too much to write";
    (void)pthread_mutex_unlock(&writer->lock);
    return trouble;
}

struct writer *
writer_start(skio_server *server, const char *path, const struct limits *limits,
             size_t max_waiting)
{
    struct writer *writer = calloc(1, sizeof *writer);
    sigset_t all, before;
    int err;

    if (writer == NULL)
        return NULL;
    writer->server = server;
    writer->max_waiting = max_waiting;
    list_clear(&writer->queue);
    list_clear(&writer->done);
    if (!store_open(&writer->store, path, limits)) {
        free(writer);
        return NULL;
    }
    (void)pthread_mutex_init(&writer->lock, NULL);
    (void)pthread_cond_init(&writer->work, NULL);
    (void)sigfillset(&all); /* signals are the loop's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&writer->thread, NULL, work, writer);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err == 0)
        return writer;
    (void)fprintf(stderr, "notify: the writer: %s\n", strerror(err));
    store_close(&writer->store);
    (void)pthread_cond_destroy(&writer->work);
    (void)pthread_mutex_destroy(&writer->lock);
    free(writer);
    return NULL;
}

void
writer_stop(struct writer *writer)
{
    if (writer == NULL)
        return;
    (void)pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    (void)pthread_cond_signal(&writer->work);
    (void)pthread_mutex_unlock(&writer->lock);
    (void)pthread_join(writer->thread, NULL);
    run_done(writer->server, writer);
    store_close(&writer->store);
    (void)pthread_cond_destroy(&writer->work);
    (void)pthread_mutex_destroy(&writer->lock);
    free(writer);
}
