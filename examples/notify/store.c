#include "store.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

static const char *const texts[SQL_COUNT] = {
#define STATEMENT_TEXT(name, sql) sql,
    STATEMENTS(STATEMENT_TEXT)
#undef STATEMENT_TEXT
};

/* queued counts the rows of pending: a status needs no other table. A number is
 * never given twice (AUTOINCREMENT), for readers drop by it what they have. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS user("
    "  number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE IF NOT EXISTS member("
    "  user INTEGER NOT NULL, room TEXT NOT NULL,"
    "  PRIMARY KEY(user, room)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS member_room ON member(room);"
    "CREATE TABLE IF NOT EXISTS notification("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  target TEXT NOT NULL, content TEXT NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL,"
    "  queued INTEGER NOT NULL DEFAULT 0,"
    "  delivered INTEGER NOT NULL DEFAULT 0,"
    "  expired INTEGER NOT NULL DEFAULT 0,"
    "  dropped INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX IF NOT EXISTS notification_waits"
    "  ON notification(expires) WHERE queued > 0;"
    "CREATE INDEX IF NOT EXISTS notification_done"
    "  ON notification(created) WHERE queued = 0;"
    "CREATE TABLE IF NOT EXISTS pending("
    "  user INTEGER NOT NULL, id INTEGER NOT NULL,"
    "  PRIMARY KEY(user, id)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS pending_id ON pending(id);"
    "CREATE TABLE IF NOT EXISTS request("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  caller BLOB NOT NULL, key TEXT NOT NULL, hash BLOB NOT NULL,"
    "  id INTEGER NOT NULL, readers INTEGER NOT NULL,"
    "  UNIQUE(caller, key));"
    "CREATE TABLE IF NOT EXISTS probe(number INTEGER PRIMARY KEY, at INTEGER);";

/*
 * Statements
 */

sqlite3_stmt *
store_use(struct store *store, enum statement which)
{
    sqlite3_stmt *statement = store->statements[which];

    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return statement;
}

enum outcome
store_run(sqlite3_stmt *statement)
{
    int err;

    do
        err = sqlite3_step(statement);
    while (err == SQLITE_ROW);
    (void)sqlite3_reset(statement);
    return err == SQLITE_DONE ? OUTCOME_OK : OUTCOME_FAILED;
}

enum outcome
store_number(sqlite3_stmt *statement, int64_t *out)
{
    int err = sqlite3_step(statement);

    if (err == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(statement, 0);
    else if (err == SQLITE_ROW)
        err = SQLITE_DONE; /* min() of nothing */
    (void)sqlite3_reset(statement);
    if (err == SQLITE_DONE)
        return OUTCOME_NONE;
    return err == SQLITE_ROW ? OUTCOME_OK : OUTCOME_FAILED;
}

/*
 * The file
 */

/* A pragma that says what it made of the wish. */
static bool
set(struct store *store, const char *pragma, const char *wanted)
{
    sqlite3_stmt *statement;
    const char *got = NULL;
    bool is_set;

    if (sqlite3_prepare_v2(store->db, pragma, -1, &statement, NULL) !=
        SQLITE_OK)
        return false;
    if (sqlite3_step(statement) == SQLITE_ROW)
        got = (const char *)sqlite3_column_text(statement, 0);
    is_set = got != NULL && strcmp(got, wanted) == 0;
    (void)sqlite3_finalize(statement);
    return is_set;
}

static bool
prepare(struct store *store)
{
    if (!set(store, "PRAGMA locking_mode = EXCLUSIVE", "exclusive") ||
        !set(store, "PRAGMA journal_mode = WAL", "wal") ||
        sqlite3_exec(store->db, "PRAGMA synchronous = FULL", NULL, NULL,
                     NULL) != SQLITE_OK ||
        !set(store, "PRAGMA synchronous", "2") ||
        sqlite3_exec(store->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return false;
    for (size_t i = 0; i < SQL_COUNT; i++)
        if (sqlite3_prepare_v3(store->db, texts[i], -1,
                               SQLITE_PREPARE_PERSISTENT, &store->statements[i],
                               NULL) != SQLITE_OK)
            return false;
    return true;
}

/* The file's own number, made up when it has none. */
static bool
identify(struct store *store)
{
    char text[64];
    sqlite3_stmt *version;
    bool is_read;

    if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &version,
                           NULL) != SQLITE_OK)
        return false;
    is_read = sqlite3_step(version) == SQLITE_ROW;
    store->identity = is_read ? sqlite3_column_int64(version, 0) : 0;
    (void)sqlite3_finalize(version);
    if (!is_read || store->identity != 0)
        return is_read;
    store->identity = 1 + randombytes_uniform(INT32_MAX);
    (void)snprintf(text, sizeof text, "PRAGMA user_version = %d",
                   (int)store->identity);
    return sqlite3_exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

bool
store_open(struct store *store, const char *path, const struct limits *limits)
{
    memset(store, 0, sizeof *store);
    store->limits = *limits;
    if (sqlite3_open_v2(path, &store->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                            SQLITE_OPEN_NOMUTEX,
                        NULL) == SQLITE_OK &&
        prepare(store) && identify(store))
        return true;
    (void)fprintf(stderr, "notify: the store %s: %s (--data names the file)\n",
                  path, sqlite3_errmsg(store->db));
    store_close(store);
    return false;
}

void
store_close(struct store *store)
{
    for (size_t i = 0; i < SQL_COUNT; i++)
        (void)sqlite3_finalize(store->statements[i]);
    (void)sqlite3_close(store->db);
    memset(store, 0, sizeof *store);
}

enum outcome
store_begin(struct store *store)
{
    return store_run(store_use(store, SQL_BEGIN));
}

enum outcome
store_commit(struct store *store)
{
    return store_run(store_use(store, SQL_COMMIT));
}

/* After some errors SQLite has done so already. */
void
store_rollback(struct store *store)
{
    for (size_t i = 0; i < SQL_COUNT; i++)
        (void)sqlite3_reset(store->statements[i]);
    if (!sqlite3_get_autocommit(store->db))
        (void)store_run(store_use(store, SQL_ROLLBACK));
}

/*
 * Users and their rooms
 */

enum outcome
store_user_find(struct store *store, const char *name, int64_t *out)
{
    sqlite3_stmt *find = store_use(store, SQL_USER_FIND);

    (void)sqlite3_bind_text(find, 1, name, -1, SQLITE_TRANSIENT);
    return store_number(find, out);
}

enum outcome
store_user(struct store *store, const char *name, int64_t *out)
{
    enum outcome outcome = store_user_find(store, name, out);
    sqlite3_stmt *add;
    int64_t count = 0;

    if (outcome != OUTCOME_NONE)
        return outcome;
    outcome = store_number(store_use(store, SQL_USER_COUNT), &count);
    if (outcome != OUTCOME_OK)
        return OUTCOME_FAILED;
    if (count >= store->limits.users)
        return OUTCOME_FULL;
    add = store_use(store, SQL_USER_ADD);
    (void)sqlite3_bind_text(add, 1, name, -1, SQLITE_TRANSIENT);
    outcome = store_run(add);
    *out = sqlite3_last_insert_rowid(store->db);
    return outcome;
}

static sqlite3_stmt *
member(struct store *store, enum statement which, int64_t user,
       const char *room)
{
    sqlite3_stmt *statement = store_use(store, which);

    (void)sqlite3_bind_int64(statement, 1, user);
    (void)sqlite3_bind_text(statement, 2, room, -1, SQLITE_TRANSIENT);
    return statement;
}

enum outcome
store_enter(struct store *store, int64_t user, const char *room)
{
    sqlite3_stmt *count = store_use(store, SQL_MEMBER_COUNT);
    int64_t rooms = 0;
    enum outcome outcome;

    outcome = store_number(member(store, SQL_MEMBER_IS, user, room), &rooms);
    if (outcome != OUTCOME_NONE)
        return outcome; /* once is enough */
    (void)sqlite3_bind_int64(count, 1, user);
    outcome = store_number(count, &rooms);
    if (outcome != OUTCOME_OK)
        return OUTCOME_FAILED;
    if (rooms >= ROOMS_MAX)
        return OUTCOME_FULL;
    return store_run(member(store, SQL_MEMBER_ADD, user, room));
}

enum outcome
store_leave(struct store *store, int64_t user, const char *room)
{
    return store_run(member(store, SQL_MEMBER_REMOVE, user, room));
}

/* Names need no escapes: name_is_valid() sees to it. */
enum outcome
store_rooms(struct store *store, int64_t user, char *out, size_t size)
{
    sqlite3_stmt *rooms = store_use(store, SQL_MEMBER_ROOMS);
    size_t len = 1;
    int err;

    (void)snprintf(out, size, "[");
    (void)sqlite3_bind_int64(rooms, 1, user);
    while ((err = sqlite3_step(rooms)) == SQLITE_ROW && len < size)
        len += (size_t)snprintf(out + len, size - len, "%s\"%s\"",
                                len > 1 ? "," : "",
                                (const char *)sqlite3_column_text(rooms, 0));
    (void)sqlite3_reset(rooms);
    if (len + 2 > size)
        return OUTCOME_FAILED;
    (void)snprintf(out + len, size - len, "]");
    return err == SQLITE_DONE ? OUTCOME_OK : OUTCOME_FAILED;
}
