/*
 * The adapter on a stream, of @socket.io/redis-streams-adapter
 *
 * Events and what is done to sockets are entries of a stream, which every
 * server reads; questions and their answers are published, as they are of no
 * use later, at P#N# and P#N#uid#, with P for the key and N for the namespace.
 *
 * With connection state recovery the id of its entry is an event's offset. All
 * servers must deliver in the stream's order: a client that has seen one offset
 * has seen all before it. So an event of ours waits until it was read, too. It
 * does not wait long: when Redis is away, or slow, it is delivered without an
 * offset, and those who got it cannot be recovered.
 */
#include <socketio/redis.h>

#include <stdio.h>
#include <string.h>

#include "adapter/redis_forward.h"
#include "adapter/redis_streams.h"
#include "base/mem.h"

#define ENTRY_PARTS 16

/* ---- Writing ---- */

static bool
is_durable(const struct skio__wire_message *message)
{
    switch (message->type) {
    case SKIO__WIRE_BROADCAST:
        return message->request.len == 0;
    case SKIO__WIRE_SOCKETS_JOIN:
    case SKIO__WIRE_SOCKETS_LEAVE:
    case SKIO__WIRE_DISCONNECT_SOCKETS:
        return true;
    default:
        return false;
    }
}

int
skio__streams_add(struct skio__streams *streams,
                  const struct skio__wire_message *message, uint64_t seq)
{
    const skio_redis_options *options = skio__redis_options(streams->redis);
    const skio_bytes *name = skio__stream_name(&streams->listener);
    struct skio__buf *data = &streams->data;
    skio_bytes argv[ENTRY_PARTS];
    char max_len[24];
    char type[24];
    char number[24];
    size_t count = 0;
    int err;

    skio__buf_reset(data);
    err =
        skio__wire_cluster_encode_data(data, message, options->only_plaintext);
    if (err != SKIO_OK) {
        skio__redis_count_dropped(streams->redis);
        return err;
    }
    snprintf(max_len, sizeof max_len, "%u", (unsigned)options->stream_max_len);
    snprintf(type, sizeof type, "%u", (unsigned)message->type);
    argv[count++] = skio__redis_word("XADD");
    argv[count++] = *name;
    argv[count++] = skio__redis_word("MAXLEN");
    argv[count++] = skio__redis_word("~");
    argv[count++] = skio__redis_word(max_len);
    argv[count++] = skio__redis_word("*");
    argv[count++] = skio__redis_word("uid");
    argv[count++] = message->uid;
    argv[count++] = skio__redis_word("nsp");
    argv[count++] = message->nsp;
    argv[count++] = skio__redis_word("type");
    argv[count++] = skio__redis_word(type);
    if (data->len > 0) {
        argv[count++] = skio__redis_word("data");
        argv[count++] = (skio_bytes){data->data, data->len};
    }
    if (seq > 0) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)seq);
        argv[count++] = skio__redis_word("seq");
        argv[count++] = skio__redis_word(number);
    }
    return skio__redis_say(streams->redis, name->data, name->len, argv, count);
}

static enum skio__redis_kind
kind_of(const struct skio__streams *streams)
{
    return skio__redis_options(streams->redis)->sharded_pubsub
               ? SKIO__REDIS_SHARD
               : SKIO__REDIS_CHANNEL;
}

static int
name_channel(struct skio__streams *streams, const char *more)
{
    skio__buf_reset(&streams->channel);
    return skio__redis_channel(&streams->channel, streams->redis, "",
                               streams->cluster.base.nsp, more, false);
}

static int
streams_send(struct skio__cluster *cluster,
             const struct skio__wire_message *message, const char *to)
{
    struct skio__streams *streams = (struct skio__streams *)cluster;
    struct skio__buf *bytes = &cluster->bytes;
    int err;

    if (is_durable(message))
        return skio__streams_add(streams, message, 0);
    err = name_channel(streams, to);
    skio__buf_reset(bytes);
    if (err == SKIO_OK)
        err = skio__wire_cluster_encode(bytes, message, true);
    if (err != SKIO_OK) {
        skio__redis_count_dropped(streams->redis);
        return err;
    }
    return skio__redis_publish(streams->redis, kind_of(streams),
                               streams->channel.data, streams->channel.len,
                               bytes->data, bytes->len);
}

void
skio__streams_take(struct skio__streams *streams, const char *sid)
{
    const char *const rooms[] = {sid, NULL};
    struct skio__wire_message said;

    skio__cluster_begin(&streams->cluster, &said,
                        SKIO__WIRE_DISCONNECT_SOCKETS);
    said.to = rooms;
    said.close = false; /* its other namespaces are taken one by one */
    said.taken = true;
    (void)skio__cluster_send(&streams->cluster, &said, NULL);
}

/* ---- Reading ---- */

int
skio__streams_decode(struct skio__streams *streams,
                     const struct skio__stream_entry *entry,
                     struct skio__wire_message *message)
{
    struct skio__cluster *cluster = &streams->cluster;
    const char *type = entry->type.data;
    unsigned number = 0;

    if (entry->type.len == 0 || entry->type.len > 2)
        return SKIO_EPROTO;
    for (size_t i = 0; i < entry->type.len; i++) {
        if (type[i] < '0' || type[i] > '9')
            return SKIO_EPROTO;
        number = number * 10 + (unsigned)(type[i] - '0');
    }
    if (number < SKIO__WIRE_INITIAL_HEARTBEAT ||
        number > SKIO__WIRE_ADAPTER_CLOSE)
        return SKIO_EPROTO;
    *message = (struct skio__wire_message){
        .type = (enum skio__wire_type)number,
        .uid = entry->uid,
        .nsp = entry->nsp,
    };
    return skio__wire_cluster_decode_data(entry->data.data, entry->data.len,
                                          &cluster->limits.wire,
                                          &cluster->arena, message);
}

static bool
is_own(const struct skio__streams *streams,
       const struct skio__stream_entry *entry)
{
    size_t len = strlen(streams->cluster.uid);

    return entry->uid.len == len &&
           memcmp(entry->uid.data, streams->cluster.uid, len) == 0;
}

/* Another server's event, with its offset. */
static void
on_event(struct skio__streams *streams,
         const struct skio__wire_message *message,
         const struct skio__stream_entry *entry)
{
    skio_target target = {
        .struct_size = sizeof target,
        .to = message->to,
        .except = message->except,
        .flags = message->flags | SKIO_LOCAL,
    };
    skio_message *made;

    if (skio_adapter_message_new(streams->cluster.base.nsp, message->json.data,
                                 message->json.len, message->attachments,
                                 message->attachment_count, &made) != SKIO_OK)
        return;
    skio_adapter_message_set_flags(made, target.flags);
    skio__order_deliver(streams, made, &target, entry);
    skio_adapter_message_unref(made);
}

/* A client of ours came back to another server, which has its session. */
static void
on_taken(struct skio__streams *streams,
         const struct skio__wire_message *message)
{
    for (const char *const *id = message->to; id != NULL && *id != NULL; id++) {
        skio_socket *socket = skio_nsp_socket(streams->cluster.base.nsp, *id);

        if (socket != NULL)
            skio_adapter_session_forget(socket);
    }
}

/* An entry of another server. */
static void
on_others_entry(struct skio__streams *streams,
                const struct skio__stream_entry *entry)
{
    struct skio__cluster *cluster = &streams->cluster;
    struct skio__wire_message message;
    int err = skio__streams_decode(streams, entry, &message);

    if (err != SKIO_OK) {
        skio_adapter_log(cluster->base.nsp, SKIO_LOG_DEBUG,
                         "redis: an entry was left out: %s",
                         skio_strerror(err));
        return;
    }
    if (!is_durable(&message))
        return;
    if (streams->recovers && message.type == SKIO__WIRE_BROADCAST) {
        on_event(streams, &message, entry);
        return;
    }
    if (streams->recovers && message.taken)
        on_taken(streams, &message);
    skio__cluster_hear(cluster, &message);
}

static void
on_entry(const struct skio__stream_entry *entry, void *user)
{
    struct skio__streams *streams = user;
    struct skio__cluster *cluster = &streams->cluster;
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);

    if (cluster->is_shut)
        return;
    if (is_own(streams, entry))
        skio__order_own(streams, entry);
    else
        on_others_entry(streams, entry);
    skio__arena_release(&cluster->arena, mark);
    skio__order_read(streams, entry->id);
}

static void
on_reading(bool is_reading, void *user)
{
    (void)is_reading;
    skio__order_look(user);
}

static const struct skio__stream_hooks stream_hooks = {
    .entry = on_entry,
    .state = on_reading,
};

static void
on_redis(bool is_up, void *user)
{
    struct skio__streams *streams = user;

    skio__order_look(streams);
    if (is_up && streams->recovers)
        skio__streams_sessions_up(streams);
}

/* ---- Questions and answers ---- */

static void
hear(struct skio__streams *streams, const void *data, size_t len)
{
    struct skio__cluster *cluster = &streams->cluster;
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    struct skio__wire_message message;
    int err = skio__wire_cluster_decode(data, len, &cluster->limits.wire,
                                        &cluster->arena, &message);

    if (err != SKIO_OK)
        skio_adapter_log(cluster->base.nsp, SKIO_LOG_DEBUG,
                         "redis: a message was left out: %s",
                         skio_strerror(err));
    else if (!is_durable(&message))
        skio__cluster_hear(cluster, &message);
    skio__arena_release(&cluster->arena, mark);
}

static void
on_message(const char *channel, size_t channel_len, const void *data,
           size_t len, void *user)
{
    (void)channel;
    (void)channel_len;
    hear(user, data, len);
}

/* ---- The carrier ---- */

static void
streams_open(struct skio__cluster *cluster)
{
    (void)cluster; /* it listens since it was made */
}

static void
streams_close(struct skio__cluster *cluster)
{
    struct skio__streams *streams = (struct skio__streams *)cluster;

    skio__order_close(streams);
    skio__streams_sessions_close(streams);
    skio__redis_unsubscribe(streams->common);
    skio__redis_unsubscribe(streams->own);
    streams->common = NULL;
    streams->own = NULL;
}

static void
streams_free(struct skio__cluster *cluster)
{
    struct skio__streams *streams = (struct skio__streams *)cluster;
    struct skio__redis_reader *reader = streams->reader;
    const skio_allocator *mem = cluster->mem;

    skio__cluster_deinit(cluster);
    skio__redis_unwatch(streams->redis, streams);
    skio__redis_reader_ignore(reader, &streams->listener);
    skio__streams_sessions_close(streams);
    skio__streams_sessions_deinit(streams);
    skio__order_deinit(streams);
    skio__buf_deinit(&streams->channel);
    skio__buf_deinit(&streams->data);
    skio__mem_free(mem, streams);
    skio__redis_reader_unref(reader);
}

static int
streams_count(struct skio__cluster *cluster, skio__cluster_count_fn *fn,
              void *user)
{
    struct skio__streams *streams = (struct skio__streams *)cluster;
    int err = name_channel(streams, NULL);

    if (err != SKIO_OK)
        return err;
    return skio__redis_count(streams->redis, kind_of(streams),
                             streams->channel.data, streams->channel.len, fn,
                             user);
}

static const struct skio__carrier streams_carrier = {
    .open = streams_open,
    .close = streams_close,
    .free = streams_free,
    .send = streams_send,
    .count = streams_count,
    .id_len = 16,
    .id_is_hex = true,
};

static bool
streams_recovers(skio_adapter *adapter)
{
    return skio__streams_of(adapter)->recovers;
}

/* The operations of all, and those of recovery. */
static void
use_recovery(struct skio__streams *streams)
{
    skio_adapter_ops *ops = &streams->ops;

    *ops = skio__cluster_ops;
    ops->broadcast = skio__order_broadcast;
    ops->sockets_leave = skio__order_sockets_leave;
    ops->sockets_disconnect = skio__order_sockets_disconnect;
    ops->deliver_now = skio__order_deliver_now;
    ops->recovers = streams_recovers;
    ops->session_save = skio__streams_session_save;
    ops->session_end = skio__streams_session_end;
    ops->session_restore = skio__streams_session_restore;
    ops->session_missed = skio__streams_session_missed;
    streams->cluster.base.ops = ops;
    streams->recovers = true;
}

static struct skio__redis_sub *
subscribe(struct skio__streams *streams, const char *more)
{
    if (name_channel(streams, more) != SKIO_OK)
        return NULL;
    return skio__redis_subscribe(streams->redis, kind_of(streams),
                                 streams->channel.data, streams->channel.len,
                                 on_message, streams);
}

/* What may fail; the rest is streams_free()'s. */
static int
begin(struct skio__streams *streams)
{
    skio_nsp *nsp = streams->cluster.base.nsp;

    streams->common = subscribe(streams, NULL);
    streams->own = subscribe(streams, streams->cluster.uid);
    if (streams->common == NULL || streams->own == NULL ||
        skio__order_init(streams) != SKIO_OK ||
        skio__redis_reader_listen(streams->reader, &streams->listener,
                                  skio_nsp_name(nsp)) != SKIO_OK ||
        skio__streams_sessions_init(streams) != SKIO_OK ||
        skio__redis_watch(streams->redis, on_redis, streams) != SKIO_OK)
        return SKIO_ENOMEM;
    return SKIO_OK;
}

static int
streams_new(skio_nsp *nsp, void *user, skio_adapter **out)
{
    struct skio__redis_reader *reader = user;
    const skio_allocator *mem = skio_adapter_allocator(nsp);
    struct skio__cluster_limits limits;
    struct skio__streams *streams = skio__mem_calloc(mem, 1, sizeof *streams);
    int err;

    if (streams == NULL)
        return SKIO_ENOMEM;
    streams->redis = skio__redis_reader_redis(reader);
    skio__redis_adapter_limits(streams->redis, nsp, &limits);
    err = skio__cluster_init(&streams->cluster, nsp, &streams_carrier, &limits);
    if (err != SKIO_OK) {
        skio__mem_free(mem, streams);
        return err;
    }
    streams->reader = skio__redis_reader_ref(reader);
    streams->listener.hooks = &stream_hooks;
    streams->listener.user = streams;
    if (skio_adapter_options(nsp)->recovery_ms > 0)
        use_recovery(streams);
    skio__buf_init(&streams->channel, mem);
    skio__buf_init(&streams->data, mem);
    err = begin(streams);
    if (err != SKIO_OK) {
        streams_free(&streams->cluster);
        return err;
    }
    skio__order_look(streams);
    *out = &streams->cluster.base;
    return SKIO_OK;
}

int
skio_redis_streams_adapter(skio_server *server,
                           const skio_redis_options *options)
{
    skio_nsp *root = skio_of(server, "/");
    struct skio__redis_reader *reader;
    struct skio__redis *redis;
    int err = skio__redis_new(server, options, &redis);

    if (err != SKIO_OK)
        return err;
    err = skio__redis_forward_start(redis,
                                    skio__redis_options(redis)->sharded_pubsub
                                        ? SKIO__REDIS_SHARD
                                        : SKIO__REDIS_CHANNEL);
    if (err != SKIO_OK) {
        skio__redis_unref(redis);
        return err;
    }
    reader = skio__redis_reader_new(redis, skio_adapter_hash_key(root));
    skio__redis_unref(redis);
    if (reader == NULL)
        return SKIO_ENOMEM;
    err = skio_server_adapter(server, streams_new, reader);
    skio__redis_reader_unref(reader);
    return err;
}
