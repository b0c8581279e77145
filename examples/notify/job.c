#include "job.h"

#include <stdlib.h>

struct job *
job_new(enum job_kind kind, job_done_fn *done, void *owner)
{
    struct job *job = calloc(1, sizeof *job);

    if (job != NULL) {
        job->kind = kind;
        job->done = done;
        job->owner = owner;
    }
    return job;
}

void
job_free(struct job *job)
{
    if (job == NULL)
        return;
    notice_free(job->notices);
    free(job->posted.users);
    free(job->draft);
    free(job);
}

bool
job_is_of_application(const struct job *job)
{
    return job->kind == JOB_POST || job->kind == JOB_STATUS;
}

bool
job_changes(const struct job *job)
{
    return job->kind != JOB_STATUS && job->kind != JOB_LOAD;
}

enum outcome
job_change(struct job *job, struct store *store)
{
    switch (job->kind) {
    case JOB_POST:
        return store_post(store, job->draft, &job->posted);
    case JOB_OPEN:
        return store_user(store, job->name, &job->user);
    case JOB_DELIVERED:
        return store_delivered(store, job->user, job->id);
    case JOB_ENTER:
        return store_enter(store, job->user, job->name);
    case JOB_LEAVE:
        return store_leave(store, job->user, job->name);
    case JOB_SWEEP:
        return store_sweep(store, wall_clock_ms(), job->id != 0);
    case JOB_STATUS:
    case JOB_LOAD:
        break;
    }
    return OUTCOME_OK;
}

/* What is asked for is read after the commit: what it tells is on the disk. */
void
job_look(struct job *job, struct store *store)
{
    int64_t now = wall_clock_ms();

    job->store = store->identity;

    /* A store that takes nothing new still has what it had. */
    if (job->kind == JOB_OPEN && job->outcome == OUTCOME_FAILED)
        job->outcome = store_user_find(store, job->name, &job->user);
    if (job->kind == JOB_STATUS)
        job->outcome = store_status(store, job->id, now, &job->status);
    if (job->kind == JOB_OPEN && job->outcome == OUTCOME_OK)
        job->outcome =
            store_rooms(store, job->user, job->rooms, sizeof job->rooms);
    if ((job->kind == JOB_OPEN || job->kind == JOB_LOAD) &&
        job->outcome == OUTCOME_OK)
        job->outcome =
            store_next(store, job->user, job->id, now, LOAD_MAX, &job->notices);
    if (job->kind == JOB_POST && job->outcome == OUTCOME_OK &&
        !job->posted.is_known) /* without memory for it: readers look */
        job->notices =
            notice_new(job->posted.id, job->draft->created, job->draft->expires,
                       job->draft->target, job->draft->content);
}

bool
job_proves(const struct job *job)
{
    if (job->kind == JOB_POST)
        return job->outcome == OUTCOME_OK && !job->posted.is_known;
    return job->kind == JOB_SWEEP && job->id != 0;
}
