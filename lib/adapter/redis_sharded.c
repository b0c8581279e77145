/*
 * The adapter on SPUBLISH and SSUBSCRIBE, of @socket.io/redis-adapter's
 * createShardedAdapter()
 *
 * For each namespace, with P for the key and N for its name:
 *
 *     P#N#         everything that follows has no place for
 *     P#N#uid#     answers to one server
 *     P#N#room#    dynamic modes: broadcasts to exactly one room; listened to
 *                  while somebody of ours is in it
 */
#include <socketio/redis.h>

#include <string.h>

#include "adapter/redis_adapter.h"
#include "base/compiler.h"
#include "base/mem.h"

#define ID_LEN 20 /* of sockets' ids: Node takes such a room for one */

/* A room that is listened to. */
struct listened {
    struct skio__map_node node;
    struct skio__redis_sub *sub;
    char name[];
};

struct sharded {
    struct skio__cluster cluster;
    struct skio__redis *redis;
    struct skio__redis_sub *common;
    struct skio__redis_sub *own;
    struct skio__map rooms;   /* name -> listened */
    struct skio__buf channel; /* scratch */
    enum skio_redis_subscriptions mode;
};

static struct sharded *
sharded_of(struct skio__cluster *cluster)
{
    return (struct sharded *)cluster;
}

/* ---- Hearing ---- */

static bool
is_response(enum skio__wire_type type)
{
    return type == SKIO__WIRE_FETCH_SOCKETS_RESPONSE ||
           type == SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE ||
           type == SKIO__WIRE_BROADCAST_CLIENT_COUNT ||
           type == SKIO__WIRE_BROADCAST_ACK;
}

static void
hear(struct sharded *sharded, const void *data, size_t len, bool is_own)
{
    struct skio__cluster *cluster = &sharded->cluster;
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    struct skio__wire_message message;
    int err = skio__wire_cluster_decode(data, len, &cluster->limits.wire,
                                        &cluster->arena, &message);

    if (err != SKIO_OK)
        skio_adapter_log(cluster->base.nsp, SKIO_LOG_DEBUG,
                         "redis: a message was left out: %s",
                         skio_strerror(err));
    else if (is_response(message.type) == is_own)
        skio__cluster_hear(cluster, &message);
    skio__arena_release(&cluster->arena, mark);
}

static void
on_common(const char *channel, size_t channel_len, const void *data, size_t len,
          void *user)
{
    (void)channel;
    (void)channel_len;
    hear(user, data, len, false);
}

static void
on_own(const char *channel, size_t channel_len, const void *data, size_t len,
       void *user)
{
    (void)channel;
    (void)channel_len;
    hear(user, data, len, true);
}

/* ---- Rooms ---- */

/* Characters as JavaScript counts them: in UTF-16. */
static size_t
count_units(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        count += (c & 0xc0) != 0x80; /* not the middle of one */
        count += c >= 0xf0;          /* beyond the first plane: two */
    }
    return count;
}

/* Whether broadcasts to this room alone have a channel of their own. */
static bool
has_channel(const struct sharded *sharded, const char *room)
{
    switch (sharded->mode) {
    case SKIO_REDIS_STATIC:
        return false;
    case SKIO_REDIS_DYNAMIC_PRIVATE:
        return true;
    case SKIO_REDIS_DYNAMIC:
        break;
    }
    return count_units(room) != ID_LEN;
}

static int
name_channel(struct sharded *sharded, const char *more)
{
    skio__buf_reset(&sharded->channel);
    return skio__redis_channel(&sharded->channel, sharded->redis, "",
                               sharded->cluster.base.nsp, more, false);
}

static struct skio__redis_sub *
subscribe(struct sharded *sharded, const char *more, skio__redis_message_fn *fn)
{
    if (name_channel(sharded, more) != SKIO_OK)
        return NULL;
    return skio__redis_subscribe(sharded->redis, SKIO__REDIS_SHARD,
                                 sharded->channel.data, sharded->channel.len,
                                 fn, sharded);
}

static void
forget(struct sharded *sharded, struct listened *listened)
{
    skio__redis_unsubscribe(listened->sub);
    skio__map_remove(&sharded->rooms, &listened->node);
    skio__mem_free(sharded->cluster.mem, listened);
}

static int
listen_to(struct sharded *sharded, const char *room)
{
    const skio_allocator *mem = sharded->cluster.mem;
    size_t len = strlen(room);
    struct listened *listened =
        skio__mem_alloc(mem, sizeof *listened + len + 1);

    if (listened == NULL)
        return SKIO_ENOMEM;
    memcpy(listened->name, room, len + 1);
    listened->sub = subscribe(sharded, room, on_common);
    if (listened->sub == NULL ||
        skio__map_put(&sharded->rooms, &listened->node, listened->name, len) !=
            SKIO_OK) {
        skio__redis_unsubscribe(listened->sub);
        skio__mem_free(mem, listened);
        return SKIO_ENOMEM;
    }
    return SKIO_OK;
}

static void
sharded_room(struct skio__cluster *cluster, const char *room, bool has_members)
{
    struct sharded *sharded = sharded_of(cluster);
    struct skio__map_node *node =
        skio__map_find(&sharded->rooms, room, strlen(room));

    if (!has_members && node != NULL)
        forget(sharded, skio__container_of(node, struct listened, node));
    else if (has_members && node == NULL && !cluster->is_shut &&
             has_channel(sharded, room) && listen_to(sharded, room) != SKIO_OK)
        skio_adapter_log(cluster->base.nsp, SKIO_LOG_ERROR,
                         "redis: no memory to listen to a room");
}

/* ---- The carrier ---- */

static void
sharded_open(struct skio__cluster *cluster)
{
    (void)cluster; /* it listens since it was made */
}

static void
sharded_close(struct skio__cluster *cluster)
{
    struct sharded *sharded = sharded_of(cluster);
    struct skio__map_node *node;

    while ((node = skio__map_first(&sharded->rooms)) != NULL)
        forget(sharded, skio__container_of(node, struct listened, node));
    skio__redis_unsubscribe(sharded->common);
    skio__redis_unsubscribe(sharded->own);
    sharded->common = NULL;
    sharded->own = NULL;
}

static void
sharded_free(struct skio__cluster *cluster)
{
    struct sharded *sharded = sharded_of(cluster);
    struct skio__redis *redis = sharded->redis;
    const skio_allocator *mem = cluster->mem;

    skio__cluster_deinit(cluster);
    skio__map_deinit(&sharded->rooms);
    skio__buf_deinit(&sharded->channel);
    skio__mem_free(mem, sharded);
    skio__redis_unref(redis);
}

/* The room whose channel a message goes to, or NULL. */
static const char *
only_room(const struct sharded *sharded,
          const struct skio__wire_message *message)
{
    if (message->type != SKIO__WIRE_BROADCAST || message->request.len > 0 ||
        message->to == NULL || message->to[0] == NULL ||
        message->to[1] != NULL || !has_channel(sharded, message->to[0]))
        return NULL;
    return message->to[0];
}

static int
sharded_send(struct skio__cluster *cluster,
             const struct skio__wire_message *message, const char *to)
{
    struct sharded *sharded = sharded_of(cluster);
    struct skio__buf *bytes = &cluster->bytes;
    int err =
        name_channel(sharded, to != NULL ? to : only_room(sharded, message));

    skio__buf_reset(bytes);
    if (err == SKIO_OK)
        err = skio__wire_cluster_encode(bytes, message, false);
    if (err != SKIO_OK) {
        skio__redis_count_dropped(sharded->redis);
        return err;
    }
    return skio__redis_publish(sharded->redis, SKIO__REDIS_SHARD,
                               sharded->channel.data, sharded->channel.len,
                               bytes->data, bytes->len);
}

static int
sharded_count(struct skio__cluster *cluster, skio__cluster_count_fn *fn,
              void *user)
{
    struct sharded *sharded = sharded_of(cluster);
    int err = name_channel(sharded, NULL);

    if (err != SKIO_OK)
        return err;
    return skio__redis_count(sharded->redis, SKIO__REDIS_SHARD,
                             sharded->channel.data, sharded->channel.len, fn,
                             user);
}

static const struct skio__carrier sharded_carrier = {
    .open = sharded_open,
    .close = sharded_close,
    .free = sharded_free,
    .send = sharded_send,
    .count = sharded_count,
    .room = sharded_room,
    .id_len = 16,
    .id_is_hex = true,
};

static int
sharded_new(skio_nsp *nsp, void *user, skio_adapter **out)
{
    const skio_allocator *mem = skio_adapter_allocator(nsp);
    struct skio__cluster_limits limits;
    struct sharded *sharded = skio__mem_calloc(mem, 1, sizeof *sharded);
    int err;

    if (sharded == NULL)
        return SKIO_ENOMEM;
    skio__redis_adapter_limits(user, nsp, &limits);
    err = skio__cluster_init(&sharded->cluster, nsp, &sharded_carrier, &limits);
    if (err != SKIO_OK) {
        skio__mem_free(mem, sharded);
        return err;
    }
    sharded->redis = skio__redis_ref(user);
    sharded->mode = skio__redis_options(user)->subscriptions;
    skio__buf_init(&sharded->channel, mem);
    skio__map_init(&sharded->rooms, mem, skio_adapter_hash_key(nsp));
    sharded->common = subscribe(sharded, NULL, on_common);
    sharded->own = subscribe(sharded, sharded->cluster.uid, on_own);
    if (sharded->common == NULL || sharded->own == NULL) {
        sharded_free(&sharded->cluster);
        return SKIO_ENOMEM;
    }
    *out = &sharded->cluster.base;
    return SKIO_OK;
}

int
skio_redis_sharded_adapter(skio_server *server,
                           const skio_redis_options *options)
{
    return skio__redis_adapter_use(server, options, SKIO__REDIS_SHARD,
                                   sharded_new);
}
