/*
 * What a server has with Redis: its links, its subscriptions, its commands
 *
 * One per server, shared by the adapters of all namespaces. Commands go over
 * one link, subscriptions over another (of a Redis Cluster: over one link for
 * each master, by the slot of the channel). Subscriptions are renewed after
 * each loss; when the last of them is in force again the state is UP, and the
 * gap is told to the application.
 */
#ifndef SKIO_ADAPTER_REDIS_H
#define SKIO_ADAPTER_REDIS_H

#include <socketio/redis.h>

#include "adapter/redis_link.h"

struct skio__redis;
struct skio__redis_sub;

enum skio__redis_kind {
    SKIO__REDIS_CHANNEL, /* SUBSCRIBE, PUBLISH */
    SKIO__REDIS_PATTERN, /* PSUBSCRIBE; the name is a glob */
    SKIO__REDIS_SHARD    /* SSUBSCRIBE, SPUBLISH */
};

/* A message that was published; all borrowed. channel is where it was
 * published, also for a pattern. */
typedef void skio__redis_message_fn(const char *channel, size_t channel_len,
                                    const void *data, size_t len, void *user);

/*
 * Copies and checks the options, makes the links once the loop is ready.
 * Returns as skio_redis_adapter(). One reference; subscriptions end with the
 * last one.
 */
int skio__redis_new(skio_server *server, const skio_redis_options *options,
                    struct skio__redis **out);
struct skio__redis *skio__redis_ref(struct skio__redis *redis);
void skio__redis_unref(struct skio__redis *redis);

const skio_redis_options *skio__redis_options(const struct skio__redis *redis);
skio_server *skio__redis_server(const struct skio__redis *redis);
const skio_allocator *skio__redis_mem(const struct skio__redis *redis);

/* Commands can be sent: to all masters of a Redis Cluster. */
bool skio__redis_is_up(const struct skio__redis *redis);

/*
 * Listen to a channel, from now on and after each loss. Refused by Redis: it is
 * logged, and tried again. NULL: no memory. The name is copied.
 */
struct skio__redis_sub *skio__redis_subscribe(struct skio__redis *redis,
                                              enum skio__redis_kind kind,
                                              const char *name, size_t len,
                                              skio__redis_message_fn *fn,
                                              void *user);
/* NULL does nothing. May be called from inside fn. */
void skio__redis_unsubscribe(struct skio__redis_sub *sub);

/*
 * Publish. Returns SKIO_OK; SKIO_ECLOSED while Redis is away, SKIO_ENOBUFS:
 * then it is counted as dropped, for the next event; SKIO_ENOMEM.
 */
int skio__redis_publish(struct skio__redis *redis, enum skio__redis_kind kind,
                        const char *channel, size_t channel_len,
                        const void *data, size_t len);

/* How many servers listen to a channel: PUBSUB NUMSUB, or SHARDNUMSUB; summed
 * over the masters of a Redis Cluster, all of which must answer. fn: err is
 * SKIO_OK, SKIO_ECLOSED, or SKIO_EPROTO for a refusal. Exactly once when
 * SKIO_OK is returned, never from inside. */
typedef void skio__redis_count_fn(int err, size_t count, void *user);
int skio__redis_count(struct skio__redis *redis, enum skio__redis_kind kind,
                      const char *channel, size_t len, skio__redis_count_fn *fn,
                      void *user);

/* Any command, to the node that has the key (a Redis Cluster; MOVED and ASK are
 * followed once). Returns as skio__redis_link_send(). */
int skio__redis_command(struct skio__redis *redis, const char *key,
                        size_t key_len, const skio_bytes *argv, size_t argc,
                        skio__redis_reply_fn *fn, void *user);

/* A command that says something to the others, as publishing does: counted as
 * dropped unless Redis does it. Returns as skio__redis_publish(). */
int skio__redis_say(struct skio__redis *redis, const char *key, size_t key_len,
                    const skio_bytes *argv, size_t argc);

/* Write the commands for a key now, not in the next turn. */
void skio__redis_push(struct skio__redis *redis, const char *key,
                      size_t key_len);

/* A message to the others was lost: the next event counts it. */
void skio__redis_count_dropped(struct skio__redis *redis);

/*
 * The adapters of namespaces want to know, too: called after each change.
 * Returns SKIO_OK or SKIO_ENOMEM.
 */
typedef void skio__redis_state_fn(bool is_up, void *user);
int skio__redis_watch(struct skio__redis *redis, skio__redis_state_fn *fn,
                      void *user);
void skio__redis_unwatch(struct skio__redis *redis, const void *user);

#endif /* SKIO_ADAPTER_REDIS_H */
