#define _POSIX_C_SOURCE 200809L

#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Time that only goes forward. */
static int64_t
now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
forget(struct users *users, size_t i)
{
    struct user *user = users->items[i];

    if (users->on_forget != NULL)
        users->on_forget(user, users->arg);
    users->items[i] = users->items[--users->count];
    free(user);
}

/* What was said in private to an old owner goes with the old owner. */
bool
user_is_busy(const struct user *user)
{
    return user->refs > 0 ||
           (!user->has_quit && now_ms() - user->seen_ms <= USER_KEEP_MS);
}

/* Forget whoever has been away longest. Returns false when all are here. */
static bool
make_room(struct users *users)
{
    size_t oldest = users->count;

    for (size_t i = 0; i < users->count; i++)
        if (users->items[i]->refs == 0 &&
            (oldest == users->count ||
             users->items[i]->seen_ms < users->items[oldest]->seen_ms))
            oldest = i;
    if (oldest == users->count)
        return false;
    forget(users, oldest);
    return true;
}

/* The nickname is nobody's, or goes from one key to another. */
static struct user *
add(struct users *users, const char *nick, const char *key)
{
    struct user *user = users_find(users, nick);
    size_t i = 0;

    if (user != NULL) {
        while (users->items[i] != user)
            i++;
        forget(users, i);
    }
    if (users->count == USERS_MAX && !make_room(users))
        return NULL;
    user = calloc(1, sizeof *user);
    if (user == NULL)
        return NULL;
    (void)snprintf(user->nick, sizeof user->nick, "%s", nick);
    (void)snprintf(user->key, sizeof user->key, "%s", key);
    name_fold(user->fold, nick);
    user->seen_ms = now_ms();
    users->items[users->count++] = user;
    return user;
}

enum user_error
users_claim(struct users *users, const char *nick, const char *key,
            struct user **out)
{
    struct user *user = users_find(users, nick);

    if (user == NULL || !token_is_equal(user->key, key)) {
        if (user != NULL && user_is_busy(user))
            return USER_TAKEN;
        user = add(users, nick, key);
    }
    if (user == NULL || user->refs == USER_CONNECTIONS_MAX)
        return USER_FULL;
    user->refs++;
    user->has_quit = false;
    *out = user;
    return USER_OK;
}

struct user *
users_meet(struct users *users, const char *nick, const char *key, bool is_busy)
{
    struct user *user = users_find(users, nick);

    if (user == NULL || !token_is_equal(user->key, key)) {
        if (user != NULL &&
            (user->refs > 0 || (user_is_busy(user) && !is_busy)))
            return NULL;
        user = add(users, nick, key);
    }
    if (user != NULL && user->refs == 0) {
        user->has_quit = !is_busy;
        user->seen_ms = now_ms();
    }
    return user;
}

void
user_release(struct user *user)
{
    user->refs--;
    user->seen_ms = now_ms();
}

struct user *
users_find(const struct users *users, const char *nick)
{
    char fold[NAME_BYTES];

    if (!name_is_valid(nick, NICK_MAX))
        return NULL;
    name_fold(fold, nick);
    for (size_t i = 0; i < users->count; i++)
        if (strcmp(users->items[i]->fold, fold) == 0)
            return users->items[i];
    return NULL;
}

void
users_free(struct users *users)
{
    while (users->count > 0)
        forget(users, users->count - 1);
}

void
user_remember(struct user *user, const char *id, unsigned seq, int64_t at)
{
    struct sent *sent = &user->sent[user->sent_count++ % USER_SENT_MAX];

    (void)snprintf(sent->id, sizeof sent->id, "%s", id);
    sent->seq = seq;
    sent->at = at;
}

const struct sent *
user_recall(const struct user *user, const char *id)
{
    for (size_t i = 0; i < USER_SENT_MAX && i < user->sent_count; i++)
        if (strcmp(user->sent[i].id, id) == 0)
            return &user->sent[i];
    return NULL;
}

unsigned
bucket_take(struct bucket *bucket, double burst, double per_second)
{
    int64_t now = now_ms();

    if (bucket->filled_ms == 0)
        bucket->tokens = burst;
    else
        bucket->tokens += (double)(now - bucket->filled_ms) * per_second / 1000;
    if (bucket->tokens > burst)
        bucket->tokens = burst;
    bucket->filled_ms = now;
    if (bucket->tokens < 1)
        return (unsigned)((1 - bucket->tokens) * 1000 / per_second) + 1;
    bucket->tokens -= 1;
    return 0;
}
