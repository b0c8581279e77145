#include "scenario/relay.h"

#include <string.h>

#include "base/mem.h"
#include "socketio/namespace.h"

struct relayed {
    struct skio__cluster cluster;
    struct relay *relay;
};

static struct relay *
relay_of(const struct skio__cluster *cluster)
{
    return ((const struct relayed *)(const void *)cluster)->relay;
}

static int
number_of(const struct relay *relay, const skio_server *server)
{
    return relay->servers[0] == server ? 0 : 1;
}

/* ---- The carrier ---- */

static void
tell_counts(struct relay *relay, int err)
{
    size_t servers = relay->claimed > 0 ? relay->claimed : RELAY_SERVERS;

    for (size_t i = 0; i < RELAY_WAITING; i++) {
        struct relay_count count = relay->counts[i];

        relay->counts[i].fn = NULL;
        if (count.fn != NULL)
            count.fn(err, servers, count.user);
    }
}

static void
relay_open(struct skio__cluster *cluster)
{
    (void)cluster;
}

static void
relay_close(struct skio__cluster *cluster)
{
    (void)cluster;
}

static void
relay_free(struct skio__cluster *cluster)
{
    const skio_allocator *mem = cluster->mem;
    struct relay *relay = relay_of(cluster);

    for (size_t i = 0; i < RELAY_WAITING; i++)
        if (relay->waiting[i].nsp == cluster->base.nsp)
            relay->waiting[i].len = 0;
    skio__cluster_deinit(cluster);
    tell_counts(relay, SKIO_ECLOSED); /* as a connection that ends does */
    skio__mem_free(mem, cluster);
}

static int
relay_send(struct skio__cluster *cluster,
           const struct skio__wire_message *message, const char *to)
{
    struct relay *relay = relay_of(cluster);
    struct relay_message *waiting = &relay->waiting[relay->count];
    struct skio__buf *bytes = &cluster->bytes;
    int err;

    (void)to; /* all hear it: names of requests are enough */
    if (relay->is_down || relay->count == RELAY_WAITING)
        return SKIO_ECLOSED;
    skio__buf_reset(bytes);
    err = relay->is_classic ? skio__wire_classic_encode(bytes, message)
                            : skio__wire_cluster_encode(bytes, message, false);
    if (err != SKIO_OK)
        return err;
    if (bytes->len > RELAY_BYTES)
        return SKIO_ENOBUFS;
    *waiting = (struct relay_message){
        .from = number_of(relay, cluster->server),
        .nsp = cluster->base.nsp,
        .type = message->type,
        .len = bytes->len,
    };
    memcpy(waiting->bytes, bytes->data, bytes->len);
    relay->count++;
    return SKIO_OK;
}

static int
relay_ask_count(struct skio__cluster *cluster, skio__cluster_count_fn *fn,
                void *user)
{
    struct relay *relay = relay_of(cluster);

    if (relay->is_down)
        return SKIO_ECLOSED;
    for (size_t i = 0; i < RELAY_WAITING; i++) {
        if (relay->counts[i].fn != NULL)
            continue;
        relay->counts[i] = (struct relay_count){fn, user};
        return SKIO_OK;
    }
    return SKIO_ENOBUFS;
}

static void
relay_room(struct skio__cluster *cluster, const char *room, bool has_members)
{
    struct relay *relay = relay_of(cluster);
    size_t len = strlen(relay->rooms);

    /* the rooms that are sockets' ids have another name in each run */
    if (strlen(room) == 20 || len + strlen(room) + 3 > sizeof relay->rooms)
        return;
    relay->rooms[len] = has_members ? '+' : '-';
    memcpy(relay->rooms + len + 1, room, strlen(room));
    memcpy(relay->rooms + len + 1 + strlen(room), " ", 2);
}

static const struct skio__carrier classic = {
    .open = relay_open,
    .close = relay_close,
    .free = relay_free,
    .send = relay_send,
    .count = relay_ask_count,
    .id_len = 6,
    .has_all_rooms = true,
};

static const struct skio__carrier modern = {
    .open = relay_open,
    .close = relay_close,
    .free = relay_free,
    .send = relay_send,
    .count = relay_ask_count,
    .room = relay_room,
    .id_len = 16,
    .id_is_hex = true,
};

static int
make(skio_nsp *nsp, void *user, skio_adapter **out)
{
    static const struct skio__cluster_limits limits = {
        .requests_timeout_ms = 1000,
        .max_requests = 3,
        .max_servers = 10,
        .max_fetched = 100,
        .max_answer_bytes = 3000,
        .wire = {.max_depth = 32,
                 .max_attachments = 10,
                 .max_rooms = 10,
                 .max_name_bytes = 100},
    };
    struct relay *relay = user;
    const skio_allocator *mem = skio_adapter_allocator(nsp);
    struct relayed *relayed = skio__mem_calloc(mem, 1, sizeof *relayed);
    int err;

    if (relayed == NULL)
        return SKIO_ENOMEM;
    relayed->relay = relay;
    err = skio__cluster_init(&relayed->cluster, nsp,
                             relay->is_classic ? &classic : &modern, &limits);
    if (err != SKIO_OK) {
        skio__mem_free(mem, relayed);
        return err;
    }
    *out = &relayed->cluster.base;
    return SKIO_OK;
}

int
relay_attach(struct relay *relay, skio_server *server)
{
    relay->servers[relay->servers[0] != NULL] = server;
    return skio_server_adapter(server, make, relay);
}

/* ---- Carrying ---- */

static bool
is_response(enum skio__wire_type type)
{
    return type == SKIO__WIRE_FETCH_SOCKETS_RESPONSE ||
           type == SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE ||
           type == SKIO__WIRE_BROADCAST_CLIENT_COUNT ||
           type == SKIO__WIRE_BROADCAST_ACK || type == SKIO__WIRE_RESPONSE;
}

static enum skio__wire_classic_channel
channel_of(const struct relay_message *message)
{
    /* A question with a broadcast is a map, a plain one an array of three. */
    bool is_plain = message->type == SKIO__WIRE_BROADCAST &&
                    (unsigned char)message->bytes[0] == 0x93;

    if (is_response(message->type))
        return SKIO__WIRE_CLASSIC_RESPONSE;
    return is_plain ? SKIO__WIRE_CLASSIC_BROADCAST : SKIO__WIRE_CLASSIC_REQUEST;
}

int
relay_tell(struct relay *relay, skio_nsp *nsp, const char *bytes, size_t len,
           enum skio__wire_classic_channel channel)
{
    struct skio__cluster *cluster = skio__cluster_of(nsp->adapter);
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    struct skio__wire_message message;
    int err = relay->is_classic
                  ? skio__wire_classic_decode(bytes, len, channel,
                                              &cluster->limits.wire,
                                              &cluster->arena, &message)
                  : skio__wire_cluster_decode(bytes, len, &cluster->limits.wire,
                                              &cluster->arena, &message);

    if (err == SKIO_OK)
        skio__cluster_hear(cluster, &message);
    skio__arena_release(&cluster->arena, mark);
    return err;
}

static void
carry(struct relay *relay, const struct relay_message *message)
{
    const char *name;

    if (message->len == 0)
        return;
    name = skio_nsp_name(message->nsp);
    for (int i = 0; i < RELAY_SERVERS; i++) {
        skio_nsp *nsp;

        /* All hear it, who says it, too. */
        if (relay->servers[i] == NULL || relay->is_deaf[i])
            continue;
        nsp = skio_of(relay->servers[i], name);
        if (nsp != NULL)
            (void)relay_tell(relay, nsp, message->bytes, message->len,
                             channel_of(message));
    }
}

void
relay_run(struct relay *relay)
{
    static struct relay_message message;

    for (int i = 0; i < 100 && relay->count > 0; i++) {
        message = relay->waiting[0];
        relay->count--;
        memmove(relay->waiting, relay->waiting + 1,
                relay->count * sizeof message);
        memset(&relay->waiting[relay->count], 0, sizeof message);
        carry(relay, &message);
    }
    tell_counts(relay, relay->is_uncounted ? SKIO_ECLOSED : SKIO_OK);
}
