/*
 * The writer: a thread that has the store, off the loop
 *
 *     loop    writer_submit(job) ──▶ queue ──▶ writer: all that wait at once
 *                                                BEGIN, each job, COMMIT
 *     loop    job->done(job)     ◀── post ◀──    each look, for jobs that look
 *
 * While the disk is busy with one commit, jobs gather for the next: the more
 * there is to do, the more a commit is shared by. A job is done, and an
 * application told "accepted", only after the commit that has it returned. When
 * a commit fails all jobs of it fail. Results come in the order of the jobs.
 */
#ifndef NOTIFY_WRITER_H
#define NOTIFY_WRITER_H

#include <socketio/server.h>

#include "job.h"

struct writer;

/* NULL: it said why on stderr. Before the server listens. */
struct writer *writer_start(skio_server *server, const char *path,
                            const struct limits *limits, size_t max_waiting);

/* Do what is waiting, end the thread, and run what is done: all jobs are, then.
 * When the loop has ended, and before the server is freed. */
void writer_stop(struct writer *writer);

/* Hand over a job. false: max_waiting jobs of applications (JOB_POST and
 * JOB_STATUS) wait already; the job stays the caller's. Others are always
 * taken: connections bound how many there are. */
bool writer_submit(struct writer *writer, struct job *job);

/* Whether the store could not be written when that was last tried. */
bool writer_is_broken(struct writer *writer);

/* Why this is no time for more, in words, or NULL. */
const char *writer_trouble(struct writer *writer);

#endif /* NOTIFY_WRITER_H */
