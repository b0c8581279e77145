#include "sweep.h"

static void
done_sweep(struct job *job)
{
    struct sweep *sweep = job->owner;

    /* The next one when this one is done: they never pile up. */
    (void)skio_timer_set(sweep->timer, job->outcome == OUTCOME_OK
                                           ? SWEEP_MS
                                           : SWEEP_BROKEN_MS);
    job_free(job);
}

static void
on_time(void *arg)
{
    struct sweep *sweep = arg;
    struct job *job = job_new(JOB_SWEEP, done_sweep, sweep);

    if (job == NULL) {
        (void)skio_timer_set(sweep->timer, SWEEP_MS);
        return;
    }
    job->id = writer_is_broken(sweep->writer) ? 1 : 0;
    if (!writer_submit(sweep->writer, job))
        job_free(job); /* it ends */
}

int
sweep_start(struct sweep *sweep, skio_server *server, struct writer *writer)
{
    sweep->writer = writer;
    sweep->timer = skio_timer_new(server, on_time, sweep);
    if (sweep->timer == NULL)
        return SKIO_ENOMEM;
    return skio_timer_set(sweep->timer, SWEEP_BROKEN_MS);
}

void
sweep_end(struct sweep *sweep)
{
    skio_timer_free(sweep->timer);
    sweep->timer = NULL;
}
