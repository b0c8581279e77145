/*
 * The adapter on PUBLISH and SUBSCRIBE, of @socket.io/redis-adapter
 *
 * For each namespace, with P for the key and N for its name:
 *
 *     P#N#            broadcasts to all or to several rooms
 *     P#N#room#       broadcasts to one room; both by one pattern, P#N#*
 *     P-request#N#    questions and operations
 *     P-response#N#   answers, P-response#N#uid# those to one server
 */
#include <socketio/redis.h>

#include <string.h>

#include "adapter/redis_adapter.h"
#include "base/mem.h"

enum { BROADCASTS, REQUESTS, RESPONSES, OWN_RESPONSES, SUBS };

struct classic {
    struct skio__cluster cluster;
    struct skio__redis *redis;
    struct skio__redis_sub *subs[SUBS];
    struct skio__buf channel; /* scratch */
    size_t prefix_len;        /* of "P#N#" */
};

static struct classic *
classic_of(struct skio__cluster *cluster)
{
    return (struct classic *)cluster;
}

/* ---- Hearing ---- */

static void
hear(struct classic *classic, const void *data, size_t len,
     enum skio__wire_classic_channel channel)
{
    struct skio__cluster *cluster = &classic->cluster;
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    struct skio__wire_message message;
    int err =
        skio__wire_classic_decode(data, len, channel, &cluster->limits.wire,
                                  &cluster->arena, &message);

    if (err == SKIO_OK)
        skio__cluster_hear(cluster, &message);
    else
        skio_adapter_log(cluster->base.nsp, SKIO_LOG_DEBUG,
                         "redis: a message was left out: %s",
                         skio_strerror(err));
    skio__arena_release(&cluster->arena, mark);
}

/* A room where nobody of ours is: its messages are not even read. */
static bool
is_for_nobody(const struct classic *classic, const char *channel, size_t len)
{
    const skio_adapter *local = classic->cluster.local;
    size_t room_len;
    char room[SKIO__REDIS_ROOM_MAX + 1];

    if (len <= classic->prefix_len)
        return false;
    room_len = len - classic->prefix_len - 1;
    if (room_len > SKIO__REDIS_ROOM_MAX)
        return false;
    memcpy(room, channel + classic->prefix_len, room_len);
    room[room_len] = '\0';
    return local->ops->room_count(local, room) == 0;
}

static void
on_broadcast(const char *channel, size_t channel_len, const void *data,
             size_t len, void *user)
{
    if (!is_for_nobody(user, channel, channel_len))
        hear(user, data, len, SKIO__WIRE_CLASSIC_BROADCAST);
}

static void
on_request(const char *channel, size_t channel_len, const void *data,
           size_t len, void *user)
{
    (void)channel;
    (void)channel_len;
    hear(user, data, len, SKIO__WIRE_CLASSIC_REQUEST);
}

static void
on_response(const char *channel, size_t channel_len, const void *data,
            size_t len, void *user)
{
    (void)channel;
    (void)channel_len;
    hear(user, data, len, SKIO__WIRE_CLASSIC_RESPONSE);
}

/* ---- The carrier ---- */

static void
classic_open(struct skio__cluster *cluster)
{
    (void)cluster; /* it listens since it was made */
}

static void
classic_close(struct skio__cluster *cluster)
{
    struct classic *classic = classic_of(cluster);

    for (int i = 0; i < SUBS; i++) {
        skio__redis_unsubscribe(classic->subs[i]);
        classic->subs[i] = NULL;
    }
}

static void
classic_free(struct skio__cluster *cluster)
{
    struct classic *classic = classic_of(cluster);
    struct skio__redis *redis = classic->redis;
    const skio_allocator *mem = cluster->mem;

    skio__cluster_deinit(cluster);
    skio__buf_deinit(&classic->channel);
    skio__mem_free(mem, classic);
    skio__redis_unref(redis);
}

/* Append the channel of a message. Returns the buffer's error. */
static int
name_channel(struct classic *classic, const struct skio__wire_message *message,
             const char *to)
{
    const skio_redis_options *options = skio__redis_options(classic->redis);
    const skio_nsp *nsp = classic->cluster.base.nsp;
    struct skio__buf *channel = &classic->channel;
    const char *room = NULL;

    skio__buf_reset(channel);
    switch (message->type) {
    case SKIO__WIRE_BROADCAST:
        if (message->request.len > 0)
            break;
        if (message->to != NULL && message->to[0] != NULL &&
            message->to[1] == NULL)
            room = message->to[0];
        return skio__redis_channel(channel, classic->redis, "", nsp, room,
                                   false);
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
    case SKIO__WIRE_BROADCAST_CLIENT_COUNT:
    case SKIO__WIRE_BROADCAST_ACK:
    case SKIO__WIRE_RESPONSE:
        if (!options->publish_on_specific_response_channel ||
            (to != NULL && *to == '\0'))
            to = NULL;
        return skio__redis_channel(channel, classic->redis, "-response", nsp,
                                   to, false);
    case SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE:
        return skio__redis_channel(channel, classic->redis, "-response", nsp,
                                   NULL, false);
    default:
        break;
    }
    return skio__redis_channel(channel, classic->redis, "-request", nsp, NULL,
                               false);
}

static int
classic_send(struct skio__cluster *cluster,
             const struct skio__wire_message *message, const char *to)
{
    struct classic *classic = classic_of(cluster);
    struct skio__buf *bytes = &cluster->bytes;
    int err = name_channel(classic, message, to);

    skio__buf_reset(bytes);
    if (err == SKIO_OK)
        err = skio__wire_classic_encode(bytes, message);
    if (err != SKIO_OK) {
        skio__redis_count_dropped(classic->redis);
        return err;
    }
    return skio__redis_publish(classic->redis, SKIO__REDIS_CHANNEL,
                               classic->channel.data, classic->channel.len,
                               bytes->data, bytes->len);
}

static int
classic_count(struct skio__cluster *cluster, skio__cluster_count_fn *fn,
              void *user)
{
    struct classic *classic = classic_of(cluster);
    int err;

    skio__buf_reset(&classic->channel);
    err = skio__redis_channel(&classic->channel, classic->redis, "-request",
                              cluster->base.nsp, NULL, false);
    if (err != SKIO_OK)
        return err;
    return skio__redis_count(classic->redis, SKIO__REDIS_CHANNEL,
                             classic->channel.data, classic->channel.len, fn,
                             user);
}

static const struct skio__carrier classic_carrier = {
    .open = classic_open,
    .close = classic_close,
    .free = classic_free,
    .send = classic_send,
    .count = classic_count,
    .id_len = 6,
    .has_all_rooms = true,
};

static bool
subscribe(struct classic *classic, int which, const char *what,
          const char *more, skio__redis_message_fn *fn)
{
    struct skio__buf *name = &classic->channel;
    bool is_pattern = which == BROADCASTS;

    skio__buf_reset(name);
    skio__redis_channel(name, classic->redis, what, classic->cluster.base.nsp,
                        more, is_pattern);
    if (is_pattern)
        skio__buf_putc(name, '*');
    if (name->err != SKIO_OK)
        return false;
    classic->subs[which] =
        skio__redis_subscribe(classic->redis,
                              is_pattern ? SKIO__REDIS_PATTERN
                                         : SKIO__REDIS_CHANNEL,
                              name->data, name->len, fn, classic);
    return classic->subs[which] != NULL;
}

static int
classic_new(skio_nsp *nsp, void *user, skio_adapter **out)
{
    const skio_allocator *mem = skio_adapter_allocator(nsp);
    struct skio__cluster_limits limits;
    struct classic *classic = skio__mem_calloc(mem, 1, sizeof *classic);
    int err;

    if (classic == NULL)
        return SKIO_ENOMEM;
    skio__redis_adapter_limits(user, nsp, &limits);
    err = skio__cluster_init(&classic->cluster, nsp, &classic_carrier, &limits);
    if (err != SKIO_OK) {
        skio__mem_free(mem, classic);
        return err;
    }
    classic->redis = skio__redis_ref(user);
    skio__buf_init(&classic->channel, mem);
    if (skio__redis_channel(&classic->channel, user, "", nsp, NULL, false) ==
        SKIO_OK)
        classic->prefix_len = classic->channel.len;
    if (!subscribe(classic, BROADCASTS, "", NULL, on_broadcast) ||
        !subscribe(classic, REQUESTS, "-request", NULL, on_request) ||
        !subscribe(classic, RESPONSES, "-response", NULL, on_response) ||
        !subscribe(classic, OWN_RESPONSES, "-response", classic->cluster.uid,
                   on_response)) {
        classic_free(&classic->cluster);
        return SKIO_ENOMEM;
    }
    *out = &classic->cluster.base;
    return SKIO_OK;
}

int
skio_redis_adapter(skio_server *server, const skio_redis_options *options)
{
    return skio__redis_adapter_use(server, options, SKIO__REDIS_CHANNEL,
                                   classic_new);
}
