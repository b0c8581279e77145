/*
 * Accepting a notification
 *
 * What can be refused is refused before anything is written, so that a refusal
 * leaves the transaction of the others as it was.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

/* The same key and body: the same answer. */
static enum outcome
find_request(struct store *store, const struct draft *draft, struct posted *out)
{
    sqlite3_stmt *find = store_use(store, SQL_REQUEST_FIND);
    enum outcome outcome = OUTCOME_FAILED;
    int err;

    (void)sqlite3_bind_blob(find, 1, draft->caller, CALLER_BYTES,
                            SQLITE_TRANSIENT);
    (void)sqlite3_bind_text(find, 2, draft->key, -1, SQLITE_TRANSIENT);
    err = sqlite3_step(find);
    if (err == SQLITE_DONE) {
        outcome = OUTCOME_NONE;
    } else if (err == SQLITE_ROW) {
        const void *hash = sqlite3_column_blob(find, 0);
        bool is_same = sqlite3_column_bytes(find, 0) == HASH_BYTES &&
                       hash != NULL &&
                       memcmp(hash, draft->hash, HASH_BYTES) == 0;

        outcome = is_same ? OUTCOME_OK : OUTCOME_CONFLICT;
        out->id = sqlite3_column_int64(find, 1);
        out->readers = sqlite3_column_int64(find, 2);
        out->is_known = true;
    }
    (void)sqlite3_reset(find);
    return outcome;
}

static enum outcome
keep_request(struct store *store, const struct draft *draft,
             const struct posted *posted)
{
    sqlite3_stmt *add = store_use(store, SQL_REQUEST_ADD);
    sqlite3_stmt *trim = store_use(store, SQL_REQUEST_TRIM);

    (void)sqlite3_bind_blob(add, 1, draft->caller, CALLER_BYTES,
                            SQLITE_TRANSIENT);
    (void)sqlite3_bind_text(add, 2, draft->key, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_blob(add, 3, draft->hash, HASH_BYTES, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(add, 4, posted->id);
    (void)sqlite3_bind_int64(add, 5, posted->readers);
    if (store_run(add) != OUTCOME_OK)
        return OUTCOME_FAILED;
    (void)sqlite3_bind_int64(trim, 1,
                             sqlite3_last_insert_rowid(store->db) -
                                 store->limits.requests);
    return store_run(trim);
}

/* The statement that makes its readers wait for it: with the number of the
 * user, or the name of the room, as its second argument. */
static enum outcome
choose_readers(struct store *store, const char *target, sqlite3_stmt **out)
{
    sqlite3_stmt *any;
    enum outcome outcome;
    int64_t number = 0;

    if (strncmp(target, "user:", 5) == 0) {
        outcome = store_user(store, target + 5, &number);
        *out = store_use(store, SQL_WAIT_USER);
        (void)sqlite3_bind_int64(*out, 2, number);
        return outcome;
    }
    if (strncmp(target, "room:", 5) == 0) {
        any = store_use(store, SQL_ROOM_HAS);
        (void)sqlite3_bind_text(any, 1, target + 5, -1, SQLITE_TRANSIENT);
        *out = store_use(store, SQL_WAIT_ROOM);
        (void)sqlite3_bind_text(*out, 2, target + 5, -1, SQLITE_TRANSIENT);
    } else {
        any = store_use(store, SQL_USER_ANY);
        *out = store_use(store, SQL_WAIT_ALL);
    }
    return store_number(any, &number);
}

static enum outcome
add(struct store *store, const struct draft *draft, sqlite3_stmt *wait,
    struct posted *out)
{
    sqlite3_stmt *note = store_use(store, SQL_NOTE_ADD);
    sqlite3_stmt *readers = store_use(store, SQL_NOTE_READERS);

    (void)sqlite3_bind_text(note, 1, draft->target, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_text(note, 2, draft->content, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(note, 3, draft->created);
    (void)sqlite3_bind_int64(note, 4, draft->expires);
    if (store_run(note) != OUTCOME_OK)
        return OUTCOME_FAILED;
    out->id = sqlite3_last_insert_rowid(store->db);

    (void)sqlite3_bind_int64(wait, 1, out->id);
    if (store_run(wait) != OUTCOME_OK)
        return OUTCOME_FAILED;
    out->readers = sqlite3_changes(store->db);

    (void)sqlite3_bind_int64(readers, 1, out->id);
    (void)sqlite3_bind_int64(readers, 2, out->readers);
    return store_run(readers);
}

static enum outcome
list_readers(struct store *store, struct posted *out)
{
    sqlite3_stmt *who = store_use(store, SQL_WAIT_WHO);
    int err;

    out->users = calloc((size_t)out->readers + 1, sizeof *out->users);
    if (out->users == NULL)
        return OUTCOME_FAILED;
    (void)sqlite3_bind_int64(who, 1, out->id);
    while ((err = sqlite3_step(who)) == SQLITE_ROW &&
           out->users_count < (size_t)out->readers)
        out->users[out->users_count++] = sqlite3_column_int64(who, 0);
    (void)sqlite3_reset(who);
    return err == SQLITE_DONE ? OUTCOME_OK : OUTCOME_FAILED;
}

static enum outcome
drop(struct store *store, int64_t user, int64_t id)
{
    sqlite3_stmt *end = store_use(store, SQL_WAIT_END);
    sqlite3_stmt *dropped = store_use(store, SQL_NOTE_DROPPED);

    (void)sqlite3_bind_int64(end, 1, user);
    (void)sqlite3_bind_int64(end, 2, id);
    (void)sqlite3_bind_int64(dropped, 1, id);
    return store_run(end) == OUTCOME_OK ? store_run(dropped) : OUTCOME_FAILED;
}

/* The newest ones stay. There is one too many at most, but for a smaller limit
 * than the store was used with before. */
static enum outcome
trim_user(struct store *store, int64_t user)
{
    sqlite3_stmt *over = store_use(store, SQL_WAIT_OVER);
    enum outcome outcome;
    int64_t id = 0;

    do {
        (void)sqlite3_bind_int64(over, 1, user);
        (void)sqlite3_bind_int64(over, 2, store->limits.per_user);
        outcome = store_number(over, &id);
        if (outcome == OUTCOME_OK)
            outcome = drop(store, user, id);
    } while (outcome == OUTCOME_OK);
    return outcome == OUTCOME_NONE ? OUTCOME_OK : outcome;
}

/* Numbers have gaps at most where old ones have gone already. */
static enum outcome
trim_all(struct store *store, int64_t newest)
{
    enum outcome outcome;
    int64_t oldest = 0;

    for (;;) {
        sqlite3_stmt *wait, *note;

        outcome = store_number(store_use(store, SQL_NOTE_OLDEST), &oldest);
        if (outcome != OUTCOME_OK ||
            oldest > newest - store->limits.notifications)
            return outcome == OUTCOME_FAILED ? outcome : OUTCOME_OK;
        wait = store_use(store, SQL_WAIT_END_ALL);
        note = store_use(store, SQL_NOTE_REMOVE);
        (void)sqlite3_bind_int64(wait, 1, oldest);
        (void)sqlite3_bind_int64(note, 1, oldest);
        if (store_run(wait) != OUTCOME_OK || store_run(note) != OUTCOME_OK)
            return OUTCOME_FAILED;
    }
}

enum outcome
store_post(struct store *store, const struct draft *draft, struct posted *out)
{
    enum outcome outcome = OUTCOME_NONE;
    sqlite3_stmt *wait;

    if (draft->key[0] != '\0')
        outcome = find_request(store, draft, out);
    if (outcome != OUTCOME_NONE)
        return outcome;
    outcome = choose_readers(store, draft->target, &wait);
    if (outcome != OUTCOME_OK)
        return outcome;
    outcome = add(store, draft, wait, out);
    if (outcome == OUTCOME_OK)
        outcome = list_readers(store, out);
    for (size_t i = 0; outcome == OUTCOME_OK && i < out->users_count; i++)
        outcome = trim_user(store, out->users[i]);
    if (outcome == OUTCOME_OK && draft->key[0] != '\0')
        outcome = keep_request(store, draft, out);
    if (outcome == OUTCOME_OK)
        outcome = trim_all(store, out->id);
    return outcome;
}
