/*
 * The store: what must survive, in SQLite
 *
 *     user          who may be written to: everybody who came once, or was
 *                   written to
 *     member        who is in which room, also while away
 *     notification  what was accepted, and how many of its readers wait, have
 *                   it, or never will
 *     pending       which notification waits for which user
 *     request       the Idempotency-Keys that were used
 *
 * The journal is a write-ahead log, synchronous=FULL: a commit that returned is
 * on the disk. Everything here runs in one thread, the writer's. What changes
 * the store runs between store_begin() and store_commit(); after
 * OUTCOME_FAILED nothing of the transaction is kept, and only store_rollback()
 * makes sense.
 *
 * Bounds: so many users, so many that wait for one user (the oldest of them is
 * dropped for a new one), so many notifications altogether (the oldest goes,
 * and its status with it), so many Idempotency-Keys (the oldest is forgotten).
 */
#ifndef NOTIFY_STORE_H
#define NOTIFY_STORE_H

#include <sqlite3.h>

#include "notice.h"

struct limits {
    int64_t users;
    int64_t per_user;      /* that wait for one */
    int64_t notifications; /* that are kept, with their status */
    int64_t requests;      /* Idempotency-Keys that are remembered */
    int64_t keep_ms;       /* how long a status is kept when nobody waits */
};

/* What stands at the start of the file. */
#define STATEMENTS(X)                                                          \
    X(BEGIN, "BEGIN IMMEDIATE")                                                \
    X(COMMIT, "COMMIT")                                                        \
    X(ROLLBACK, "ROLLBACK")                                                    \
    X(USER_FIND, "SELECT number FROM user WHERE name = ?1")                    \
    X(USER_COUNT, "SELECT count(*) FROM user")                                 \
    X(USER_ADD, "INSERT INTO user(name) VALUES(?1)")                           \
    X(MEMBER_ADD, "INSERT OR IGNORE INTO member(user, room) VALUES(?1, ?2)")   \
    X(MEMBER_REMOVE, "DELETE FROM member WHERE user = ?1 AND room = ?2")       \
    X(MEMBER_COUNT, "SELECT count(*) FROM member WHERE user = ?1")             \
    X(MEMBER_IS, "SELECT 1 FROM member WHERE user = ?1 AND room = ?2")         \
    X(MEMBER_ROOMS, "SELECT room FROM member WHERE user = ?1 ORDER BY room")   \
    X(ROOM_HAS, "SELECT 1 FROM member WHERE room = ?1 LIMIT 1")                \
    X(USER_ANY, "SELECT 1 FROM user LIMIT 1")                                  \
    X(REQUEST_FIND, "SELECT hash, id, readers FROM request "                   \
                    "WHERE caller = ?1 AND key = ?2")                          \
    X(REQUEST_ADD, "INSERT INTO request(caller, key, hash, id, readers) "      \
                   "VALUES(?1, ?2, ?3, ?4, ?5)")                               \
    X(REQUEST_TRIM, "DELETE FROM request WHERE number <= ?1")                  \
    X(NOTE_ADD, "INSERT INTO notification(target, content, created, expires) " \
                "VALUES(?1, ?2, ?3, ?4)")                                      \
    X(NOTE_READERS, "UPDATE notification SET queued = ?2 WHERE id = ?1")       \
    X(NOTE_STATUS, "SELECT target, created, expires, queued, delivered, "      \
                   "expired, dropped FROM notification WHERE id = ?1")         \
    X(NOTE_DELIVERED, "UPDATE notification SET queued = queued - 1, "          \
                      "delivered = delivered + 1 WHERE id = ?1")               \
    X(NOTE_DROPPED, "UPDATE notification SET queued = queued - 1, "            \
                    "dropped = dropped + 1 WHERE id = ?1")                     \
    X(NOTE_EXPIRED, "UPDATE notification SET expired = expired + queued, "     \
                    "queued = 0 WHERE id = ?1")                                \
    X(NOTE_OLDEST, "SELECT min(id) FROM notification")                         \
    X(NOTE_REMOVE, "DELETE FROM notification WHERE id = ?1")                   \
    X(NOTE_LATE, "SELECT id FROM notification WHERE queued > 0 "               \
                 "AND expires <= ?1 ORDER BY expires LIMIT ?2")                \
    X(NOTE_DONE, "DELETE FROM notification WHERE id IN (SELECT id FROM "       \
                 "notification WHERE queued = 0 AND created <= ?1 LIMIT ?2)")  \
    X(PROBE, "INSERT OR REPLACE INTO probe(number, at) VALUES(1, ?1)")         \
    X(WAIT_USER, "INSERT INTO pending(user, id) VALUES(?2, ?1)")               \
    X(WAIT_ROOM, "INSERT INTO pending(user, id) "                              \
                 "SELECT user, ?1 FROM member WHERE room = ?2")                \
    X(WAIT_ALL, "INSERT INTO pending(user, id) SELECT number, ?1 FROM user")   \
    X(WAIT_WHO, "SELECT user FROM pending WHERE id = ?1 ORDER BY user")        \
    X(WAIT_OVER, "SELECT id FROM pending WHERE user = ?1 "                     \
                 "ORDER BY id DESC LIMIT -1 OFFSET ?2")                        \
    X(WAIT_END, "DELETE FROM pending WHERE user = ?1 AND id = ?2")             \
    X(WAIT_END_ALL, "DELETE FROM pending WHERE id = ?1")                       \
    X(WAIT_NEXT, "SELECT n.id, n.created, n.expires, n.target, n.content "     \
                 "FROM pending AS p JOIN notification AS n ON n.id = p.id "    \
                 "WHERE p.user = ?1 AND p.id > ?2 AND n.expires > ?3 "         \
                 "ORDER BY p.id LIMIT ?4")

enum statement {
#define STATEMENT_NAME(name, sql) SQL_##name,
    STATEMENTS(STATEMENT_NAME)
#undef STATEMENT_NAME
        SQL_COUNT
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    struct limits limits;
    int64_t identity; /* made with the file: numbers of another mean nothing */
};

/* Open or make it. Returns false, and says why on stderr. */
bool store_open(struct store *store, const char *path,
                const struct limits *limits);
void store_close(struct store *store);

/* OUTCOME_OK or OUTCOME_FAILED. */
enum outcome store_begin(struct store *store);
enum outcome store_commit(struct store *store);
void store_rollback(struct store *store);

/* Accept a notification: post.c. *id and *readers are those of the first time
 * when the same request came before (is_known). */
struct posted {
    int64_t id;
    int64_t readers;
    bool is_known;
    int64_t *users; /* whom to wake; free() it */
    size_t users_count;
};
enum outcome store_post(struct store *store, const struct draft *draft,
                        struct posted *out);

/* The number of a user, who is made when missing. */
enum outcome store_user(struct store *store, const char *name, int64_t *out);
/* The number of a user who is there already, or OUTCOME_NONE. */
enum outcome store_user_find(struct store *store, const char *name,
                             int64_t *out);

enum outcome store_enter(struct store *store, int64_t user, const char *room);
enum outcome store_leave(struct store *store, int64_t user, const char *room);
/* A JSON array of the rooms' names. */
enum outcome store_rooms(struct store *store, int64_t user, char *out,
                         size_t size);

/* Mail of a user, after this number, the oldest first: mail.c. */
enum outcome store_next(struct store *store, int64_t user, int64_t after,
                        int64_t now, size_t max, struct notice **out);
/* A user has it. */
enum outcome store_delivered(struct store *store, int64_t user, int64_t id);
enum outcome store_status(struct store *store, int64_t id, int64_t now,
                          struct status *out);
/* Forget what is over: a part of it at a time. is_probe: and write something in
 * any case. */
enum outcome store_sweep(struct store *store, int64_t now, bool is_probe);

/* For post.c and mail.c: a statement, its last use undone. */
sqlite3_stmt *store_use(struct store *store, enum statement which);
/* Run it to its end: OUTCOME_OK or OUTCOME_FAILED. */
enum outcome store_run(sqlite3_stmt *statement);
/* Its first row's first number; OUTCOME_NONE when there is none. */
enum outcome store_number(sqlite3_stmt *statement, int64_t *out);

#endif /* NOTIFY_STORE_H */
