#include "keys.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

/* Keys are compared by their hashes: all of one length, and no time tells how
 * much of a guess was right. */
void
hash_of(unsigned char out[HASH_BYTES], const void *data, size_t len)
{
    (void)crypto_generichash(out, HASH_BYTES, data, len, NULL, 0);
}

bool
keys_add(struct keys *keys, const char *key)
{
    if (strlen(key) < API_KEY_MIN || strlen(key) > API_KEY_MAX ||
        keys->count == API_KEYS_MAX)
        return false;
    hash_of(keys->all[keys->count++].hash, key, strlen(key));
    return true;
}

struct key *
keys_find(struct keys *keys, const skio_http *request)
{
    const char *key = skio_http_header(request, "x-api-key");
    const char *bearer = skio_http_header(request, "authorization");
    struct key *found = NULL;
    unsigned char hash[HASH_BYTES];

    if (key == NULL && bearer != NULL && strncmp(bearer, "Bearer ", 7) == 0)
        key = bearer + 7;
    if (key == NULL)
        return NULL;
    hash_of(hash, key, strlen(key));
    for (size_t i = 0; i < keys->count; i++) /* all of them, whatever matches */
        if (sodium_memcmp(hash, keys->all[i].hash, sizeof hash) == 0)
            found = &keys->all[i];
    return found;
}

unsigned
keys_wait(const struct keys *keys, struct key *key, bool is_post)
{
    double *tokens = is_post ? &key->posts : &key->looks;
    double rate = keys->rate * (is_post ? 1.0 : 10.0);
    int64_t now = wall_clock_ms();
    double passed = now > key->at ? (double)(now - key->at) / 1000 : 0;
    double posts = key->posts + passed * keys->rate;
    double looks = key->looks + passed * 10 * keys->rate;

    key->at = now;
    key->posts = posts < keys->rate ? posts : keys->rate;
    key->looks = looks < 10.0 * keys->rate ? looks : 10.0 * keys->rate;
    if (*tokens < 1)
        return 1 + (unsigned)((1 - *tokens) / rate);
    *tokens -= 1;
    return 0;
}

bool
keys_load(struct keys *keys, const char *path)
{
    char line[API_KEY_MAX + 2];
    FILE *file = fopen(path, "r");
    bool is_fine = file != NULL;

    while (is_fine && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0')
            is_fine = keys_add(keys, line);
    }
    if (file != NULL)
        (void)fclose(file);
    sodium_memzero(line, sizeof line);
    return is_fine;
}
