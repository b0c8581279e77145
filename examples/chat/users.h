/*
 * People: a nickname, and the key that proves it
 *
 * The first to come with a nickname owns it, by a key that the page made and
 * nobody else sees. A user without connections is kept, so that a reload or a
 * lost connection finds everything as it was, and forgotten when the table is
 * full and others need the place. Whoever said good-bye, or has been away for
 * USER_KEEP_MS, has given the nickname back to all.
 */
#ifndef CHAT_USERS_H
#define CHAT_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "names.h"

#define USERS_MAX 1000
#define USER_CONNECTIONS_MAX 8
#define USER_SENT_MAX 64
#define USER_KEEP_MS 120000

/* Tokens that come back with time: who has none left must wait. */
struct bucket {
    double tokens;
    int64_t filled_ms;
};

/* A message that was taken in, kept to know it when it comes again. */
struct sent {
    char id[ID_MAX + 1];
    unsigned seq;
    int64_t at;
};

struct user {
    char nick[NAME_BYTES];
    char fold[NAME_BYTES];
    char key[KEY_MAX + 1];
    unsigned refs;   /* connections that point here */
    unsigned online; /* those of them that are in the chat */
    bool has_quit;
    int64_t seen_ms;
    struct bucket says;
    struct bucket acts;
    struct bucket hints;
    struct sent sent[USER_SENT_MAX]; /* a ring */
    size_t sent_count;
};

struct users {
    struct user *items[USERS_MAX];
    size_t count;
    /* Called before a user is forgotten. */
    void (*on_forget)(struct user *user, void *arg);
    void *arg;
};

enum user_error { USER_OK, USER_TAKEN, USER_FULL };

/*
 * Find the owner of a nickname by its key, or make a new user, and count one
 * more reference to it. nick and key are valid.
 */
enum user_error users_claim(struct users *users, const char *nick,
                            const char *key, struct user **out);

/*
 * Take in what another server says about a user: is_busy is false for one who
 * has given the nickname back there.
 *
 * Returns NULL when somebody else has the nickname here, or all are here.
 */
struct user *users_meet(struct users *users, const char *nick, const char *key,
                        bool is_busy);

/* Whether the nickname is not free for somebody with another key. */
bool user_is_busy(const struct user *user);

/* Give a reference back. */
void user_release(struct user *user);

/* The user of that nickname, or NULL. Any text will do. */
struct user *users_find(const struct users *users, const char *nick);

void users_free(struct users *users);

/* Remember a message of this user, and find it again. */
void user_remember(struct user *user, const char *id, unsigned seq, int64_t at);
const struct sent *user_recall(const struct user *user, const char *id);

/*
 * Take a token out of a bucket that holds `burst` and gains `per_second`.
 *
 * Returns 0, or the milliseconds until there is one.
 */
unsigned bucket_take(struct bucket *bucket, double burst, double per_second);

#endif /* CHAT_USERS_H */
