/*
 * The API keys of applications, and how fast each of them may be
 */
#ifndef NOTIFY_KEYS_H
#define NOTIFY_KEYS_H

#include <socketio/http.h>

#include "notice.h"

#define API_KEYS_MAX 16
#define API_KEY_MIN 16 /* bytes */
#define API_KEY_MAX 256

struct key {
    unsigned char hash[HASH_BYTES];
    double posts; /* that may be done at once, as of then */
    double looks;
    int64_t at;
};

struct keys {
    struct key all[API_KEYS_MAX];
    size_t count;
    unsigned rate; /* posts a second with each key; looks: ten times that */
};

/* Returns false when it is too short or too long, or one too many. */
bool keys_add(struct keys *keys, const char *key);

/* Add those of a file, one a line. */
bool keys_load(struct keys *keys, const char *path);

/* The key that a request brings, or NULL. */
struct key *keys_find(struct keys *keys, const skio_http *request);

/* Returns 0, or in how many seconds it may be tried again. What a second has
 * room for can be used at once. */
unsigned keys_wait(const struct keys *keys, struct key *key, bool is_post);

/* A hash of anything: BLAKE2b. */
void hash_of(unsigned char out[HASH_BYTES], const void *data, size_t len);

#endif /* NOTIFY_KEYS_H */
