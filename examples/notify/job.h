/*
 * One piece of the store's work, and its result
 */
#ifndef NOTIFY_JOB_H
#define NOTIFY_JOB_H

#include "store.h"

#define LOAD_MAX 16 /* notices at a time */

enum job_kind {
    JOB_POST,   /* draft; gives posted, notice */
    JOB_STATUS, /* id; gives status */
    JOB_OPEN,   /* name, a user's; gives user, rooms, store, and as JOB_LOAD */
    JOB_LOAD,   /* user, and id: those after it; gives notices */
    JOB_DELIVERED, /* user, id */
    JOB_ENTER,     /* user, name of a room */
    JOB_LEAVE,     /* the same */
    JOB_SWEEP      /* id not 0: and see whether the store can be written */
};

struct job;

/* On the loop. The job is the callee's: job_free(). */
typedef void job_done_fn(struct job *job);

struct job {
    struct job *next;
    enum job_kind kind;
    enum outcome outcome;
    job_done_fn *done;
    void *owner;
    int64_t user;
    int64_t id;
    char name[NAME_BYTES + 1];
    struct draft *draft;
    struct posted posted;
    struct status status;
    struct notice *notices;
    int64_t store;                                /* whose numbers these are */
    char rooms[ROOMS_MAX * (NAME_BYTES + 3) + 3]; /* a JSON array */
};

/* NULL: no memory. */
struct job *job_new(enum job_kind kind, job_done_fn *done, void *owner);
void job_free(struct job *job);

/* Whether an application waits for it, not a connection. */
bool job_is_of_application(const struct job *job);

/* The rest is the writer's. Its part between store_begin() and store_commit():
 * whether there is one, and to do it. */
bool job_changes(const struct job *job);
enum outcome job_change(struct job *job, struct store *store);

/* Its part after the commit, or after the failure. */
void job_look(struct job *job, struct store *store);

/* Whether it shows, all having gone well, that the store can be written. */
bool job_proves(const struct job *job);

#endif /* NOTIFY_JOB_H */
