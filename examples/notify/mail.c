/*
 * What waits for a user, and what becomes of it
 */
#include "store.h"

#include <string.h>

#define SWEEP_MAX 200 /* notifications at once: others wait for the writer */

enum outcome
store_next(struct store *store, int64_t user, int64_t after, int64_t now,
           size_t max, struct notice **out)
{
    sqlite3_stmt *next = store_use(store, SQL_WAIT_NEXT);
    struct notice **link = out;
    int err;

    *out = NULL;
    (void)sqlite3_bind_int64(next, 1, user);
    (void)sqlite3_bind_int64(next, 2, after);
    (void)sqlite3_bind_int64(next, 3, now);
    (void)sqlite3_bind_int64(next, 4, (int64_t)max);
    while ((err = sqlite3_step(next)) == SQLITE_ROW) {
        *link = notice_new(sqlite3_column_int64(next, 0),
                           sqlite3_column_int64(next, 1),
                           sqlite3_column_int64(next, 2),
                           (const char *)sqlite3_column_text(next, 3),
                           (const char *)sqlite3_column_text(next, 4));
        if (*link == NULL)
            break;
        link = &(*link)->next;
    }
    (void)sqlite3_reset(next);
    if (err == SQLITE_DONE)
        return OUTCOME_OK;
    notice_free(*out);
    *out = NULL;
    return OUTCOME_FAILED;
}

enum outcome
store_delivered(struct store *store, int64_t user, int64_t id)
{
    sqlite3_stmt *end = store_use(store, SQL_WAIT_END);
    sqlite3_stmt *delivered = store_use(store, SQL_NOTE_DELIVERED);

    (void)sqlite3_bind_int64(end, 1, user);
    (void)sqlite3_bind_int64(end, 2, id);
    if (store_run(end) != OUTCOME_OK)
        return OUTCOME_FAILED;
    if (sqlite3_changes(store->db) == 0)
        return OUTCOME_OK; /* another connection of the user was first */
    (void)sqlite3_bind_int64(delivered, 1, id);
    return store_run(delivered);
}

enum outcome
store_status(struct store *store, int64_t id, int64_t now, struct status *out)
{
    sqlite3_stmt *status = store_use(store, SQL_NOTE_STATUS);
    int err;

    (void)sqlite3_bind_int64(status, 1, id);
    err = sqlite3_step(status);
    if (err == SQLITE_ROW) {
        const char *target = (const char *)sqlite3_column_text(status, 0);

        *out = (struct status){.id = id,
                               .created = sqlite3_column_int64(status, 1),
                               .expires = sqlite3_column_int64(status, 2),
                               .queued = sqlite3_column_int64(status, 3),
                               .delivered = sqlite3_column_int64(status, 4),
                               .expired = sqlite3_column_int64(status, 5),
                               .dropped = sqlite3_column_int64(status, 6)};
        if (target != NULL && strlen(target) <= TARGET_BYTES)
            memcpy(out->target, target, strlen(target) + 1);
        if (out->expires <= now) { /* whether it was swept or not */
            out->expired += out->queued;
            out->queued = 0;
        }
    }
    (void)sqlite3_reset(status);
    if (err == SQLITE_ROW)
        return OUTCOME_OK;
    return err == SQLITE_DONE ? OUTCOME_NONE : OUTCOME_FAILED;
}

static enum outcome
expire(struct store *store, int64_t id)
{
    sqlite3_stmt *wait = store_use(store, SQL_WAIT_END_ALL);
    sqlite3_stmt *expired = store_use(store, SQL_NOTE_EXPIRED);

    (void)sqlite3_bind_int64(wait, 1, id);
    (void)sqlite3_bind_int64(expired, 1, id);
    return store_run(wait) == OUTCOME_OK ? store_run(expired) : OUTCOME_FAILED;
}

enum outcome
store_sweep(struct store *store, int64_t now, bool is_probe)
{
    sqlite3_stmt *done = store_use(store, SQL_NOTE_DONE);
    sqlite3_stmt *probe = store_use(store, SQL_PROBE);
    enum outcome outcome = OUTCOME_OK;

    for (int i = 0; outcome == OUTCOME_OK && i < SWEEP_MAX; i++) {
        sqlite3_stmt *late = store_use(store, SQL_NOTE_LATE);
        int64_t id = 0;

        (void)sqlite3_bind_int64(late, 1, now);
        (void)sqlite3_bind_int64(late, 2, 1);
        outcome = store_number(late, &id);
        if (outcome == OUTCOME_OK)
            outcome = expire(store, id);
    }
    (void)sqlite3_bind_int64(probe, 1, now);
    if (outcome == OUTCOME_FAILED ||
        (is_probe && store_run(probe) == OUTCOME_FAILED))
        return OUTCOME_FAILED;
    (void)sqlite3_bind_int64(done, 1, now - store->limits.keep_ms);
    (void)sqlite3_bind_int64(done, 2, SWEEP_MAX);
    return store_run(done);
}
