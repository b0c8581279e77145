/*
 * Reading streams: what servers have added, in its order, with nothing left out
 *
 * One link for each stream, which waits in XREAD. After a loss it goes on where
 * it was; at first it begins at the end. Entries are handed to the namespace
 * that they are for.
 */
#ifndef SKIO_ADAPTER_REDIS_READER_H
#define SKIO_ADAPTER_REDIS_READER_H

#include "adapter/redis.h"
#include "base/map.h"

#define SKIO__STREAM_ID_MAX 41 /* two numbers of 64 bits, "-" and NUL */

struct skio__redis_reader;

/* A place in a stream. */
struct skio__stream_id {
    uint64_t ms;
    uint64_t seq;
};

/* An entry; all borrowed. Members that it does not have are empty. */
struct skio__stream_entry {
    struct skio__stream_id id;
    const char *id_text; /* NUL-terminated */
    skio_bytes uid;
    skio_bytes nsp;
    skio_bytes type;
    skio_bytes data;
    skio_bytes seq; /* of ours: its number among those of its server */
};

struct skio__stream_hooks {
    void (*entry)(const struct skio__stream_entry *entry, void *user);
    /* The stream is read, or is not any more. */
    void (*state)(bool is_reading, void *user);
};

/* A namespace that listens. */
struct skio__stream_listener {
    struct skio__map_node node; /* by its name */
    const struct skio__stream_hooks *hooks;
    void *user;
    struct skio__stream *stream;
};

/* One reference, which holds redis. NULL: no memory. */
struct skio__redis_reader *skio__redis_reader_new(struct skio__redis *redis,
                                                  const uint8_t *hash_key);
struct skio__redis_reader *
skio__redis_reader_ref(struct skio__redis_reader *reader);
void skio__redis_reader_unref(struct skio__redis_reader *reader);
struct skio__redis *skio__redis_reader_redis(struct skio__redis_reader *reader);

/* Listen for a namespace, whose name stays where it is. Returns SKIO_OK or
 * SKIO_ENOMEM. */
int skio__redis_reader_listen(struct skio__redis_reader *reader,
                              struct skio__stream_listener *listener,
                              const char *nsp);
void skio__redis_reader_ignore(struct skio__redis_reader *reader,
                               struct skio__stream_listener *listener);

/* The name of a listener's stream, and how far it was read. */
const skio_bytes *
skio__stream_name(const struct skio__stream_listener *listener);
struct skio__stream_id
skio__stream_position(const struct skio__stream_listener *listener);
bool skio__stream_is_read(const struct skio__stream_listener *listener);

/* "ms-seq", checked. */
bool skio__stream_id_parse(const char *text, size_t len,
                           struct skio__stream_id *id);
/* Negative, 0, positive, as memcmp(). */
int skio__stream_id_compare(struct skio__stream_id a, struct skio__stream_id b);
/* out has SKIO__STREAM_ID_MAX bytes. Returns the length. */
size_t skio__stream_id_print(struct skio__stream_id id, char *out);

/* Read an entry of XREAD's or XRANGE's reply: [id, [name, value, ...]]. */
bool skio__stream_entry_read(const struct skio__redis_reply *reply,
                             struct skio__stream_entry *entry);

#endif /* SKIO_ADAPTER_REDIS_READER_H */
