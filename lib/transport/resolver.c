#define _GNU_SOURCE /* getaddrinfo, eventfd */

#include "transport/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define RESOLVER_THREADS 4
#define HOST_MAX 255
#define ADDRESSES_MAX 16

/* A question, later its answer. */
struct job {
    struct job *next;
    skio_resolve *resolve;
    uint16_t port;
    char host[HOST_MAX + 1];
    int err;
    size_t count;
    skio_address addresses[ADDRESSES_MAX];
};

struct list {
    struct job *first;
    struct job *last;
};

/* Shared with the threads, and freed by who leaves last: hence the C library's
 * allocator, a host's need not be for many threads. */
struct skio__resolver {
    pthread_mutex_t lock;
    struct list asked;
    struct list answered;
    unsigned threads; /* running */
    unsigned refs;    /* they and the transport */
    bool is_gone;     /* the transport */
    int fd;           /* eventfd */
};

static void
push(struct list *list, struct job *job)
{
    job->next = NULL;
    if (list->last != NULL)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

static struct job *
pop(struct list *list)
{
    struct job *job = list->first;

    if (job == NULL)
        return NULL;
    list->first = job->next;
    if (list->first == NULL)
        list->last = NULL;
    return job;
}

static void
free_jobs(struct list *list)
{
    struct job *job;

    while ((job = pop(list)) != NULL)
        skio__mem_free(skio__mem_default(), job);
}

struct skio__resolver *
skio__resolver_new(int *fd)
{
    struct skio__resolver *resolver =
        skio__mem_calloc(skio__mem_default(), 1, sizeof *resolver);

    if (resolver == NULL)
        return NULL;
    resolver->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolver->fd < 0)
        goto fail;
    if (pthread_mutex_init(&resolver->lock, NULL) != 0) {
        close(resolver->fd);
        goto fail;
    }
    resolver->refs = 1;
    *fd = resolver->fd;
    return resolver;

fail:
    skio__mem_free(skio__mem_default(), resolver);
    return NULL;
}

/* With the lock, which it gives up. */
static void
unref(struct skio__resolver *resolver)
{
    bool is_last = --resolver->refs == 0;

    pthread_mutex_unlock(&resolver->lock);
    if (!is_last)
        return;
    free_jobs(&resolver->asked);
    free_jobs(&resolver->answered);
    close(resolver->fd);
    pthread_mutex_destroy(&resolver->lock);
    skio__mem_free(skio__mem_default(), resolver);
}

void
skio__resolver_free(struct skio__resolver *resolver)
{
    if (resolver == NULL)
        return;
    pthread_mutex_lock(&resolver->lock);
    resolver->is_gone = true;
    free_jobs(&resolver->asked);
    unref(resolver);
}

static int
error_of(int code)
{
    switch (code) {
    case 0:
        return SKIO_OK;
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
        return SKIO_ENOENT;
    case EAI_MEMORY:
        return SKIO_ENOMEM;
    default:
        return SKIO_EIO;
    }
}

/* Fill in the answer. */
static void
look_up(struct job *job, int flags)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *list = NULL;
    char service[8];

    snprintf(service, sizeof service, "%u", (unsigned)job->port);
    job->err = error_of(getaddrinfo(job->host, service, &hints, &list));
    for (const struct addrinfo *each = list;
         each != NULL && job->count < ADDRESSES_MAX; each = each->ai_next) {
        skio_address *address = &job->addresses[job->count];

        if (each->ai_addrlen > sizeof address->data)
            continue;
        address->family = each->ai_family;
        address->len = (uint32_t)each->ai_addrlen;
        memcpy(address->data, each->ai_addr, each->ai_addrlen);
        job->count++;
    }
    if (list != NULL)
        freeaddrinfo(list);
    if (job->err == SKIO_OK && job->count == 0)
        job->err = SKIO_ENOENT;
}

/* With the lock. A full eventfd has woken the loop already. */
static void
answer(struct skio__resolver *resolver, struct job *job)
{
    uint64_t one = 1;

    push(&resolver->answered, job);
    if (!resolver->is_gone && write(resolver->fd, &one, sizeof one) < 0)
        return;
}

static void *
run_thread(void *arg)
{
    struct skio__resolver *resolver = arg;
    struct job *job;

    pthread_mutex_lock(&resolver->lock);
    while ((job = pop(&resolver->asked)) != NULL) {
        pthread_mutex_unlock(&resolver->lock);
        look_up(job, 0);
        pthread_mutex_lock(&resolver->lock);
        answer(resolver, job);
    }
    resolver->threads--;
    unref(resolver);
    return NULL;
}

/* With the lock. Signals are the host's: its own threads take them. */
static bool
start_thread(struct skio__resolver *resolver)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    int failed;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, &attributes, run_thread, resolver);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed != 0)
        return false;
    resolver->threads++;
    resolver->refs++;
    return true;
}

int
skio__resolver_ask(struct skio__resolver *resolver, const char *host,
                   uint16_t port, skio_resolve *resolve)
{
    struct job *job;
    int err = SKIO_OK;

    if (strlen(host) > HOST_MAX)
        return SKIO_ENOENT;
    job = skio__mem_calloc(skio__mem_default(), 1, sizeof *job);
    if (job == NULL)
        return SKIO_ENOMEM;
    job->resolve = resolve;
    job->port = port;
    memcpy(job->host, host, strlen(host) + 1);

    look_up(job, AI_NUMERICHOST);
    pthread_mutex_lock(&resolver->lock);
    if (job->err == SKIO_OK) {
        answer(resolver, job);
    } else if (resolver->threads < RESOLVER_THREADS &&
               !start_thread(resolver) && resolver->threads == 0) {
        skio__mem_free(skio__mem_default(), job);
        err = SKIO_ENOMEM;
    } else {
        push(&resolver->asked, job); /* the lock keeps a new thread waiting */
    }
    pthread_mutex_unlock(&resolver->lock);
    return err;
}

void
skio__resolver_run(struct skio__resolver *resolver)
{
    struct list answered;
    struct job *job;
    uint64_t count;

    if (read(resolver->fd, &count, sizeof count) < 0)
        return;
    pthread_mutex_lock(&resolver->lock);
    answered = resolver->answered;
    resolver->answered = (struct list){NULL, NULL};
    pthread_mutex_unlock(&resolver->lock);

    while ((job = pop(&answered)) != NULL) {
        skio_resolve_done(job->resolve, job->err, job->addresses, job->count);
        skio__mem_free(skio__mem_default(), job);
    }
}
