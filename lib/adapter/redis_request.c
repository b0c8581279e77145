/*
 * Commands to Redis: publishing, counting, keys
 *
 * In a Redis Cluster a command is kept until it is answered, because a node may
 * answer that another has the slot. Elsewhere nothing is kept.
 */
#include <string.h>

#include "adapter/redis_hub.h"
#include "base/mem.h"

struct request {
    struct skio__redis_ring ring; /* waiting: of its node */
    struct skio__redis_node *node;
    skio__redis_reply_fn *fn;
    void *user;
    size_t size; /* all of it */
    size_t argc;
    uint16_t slot;
    bool was_moved;
    bool is_asking; /* ASKING goes before it */
    skio_bytes argv[];
};

/* ---- A Redis Cluster ---- */

static struct request *
request_new(struct skio__redis *hub, uint16_t slot, const skio_bytes *argv,
            size_t argc, skio__redis_reply_fn *fn, void *user)
{
    struct request *request;
    size_t size;
    size_t i;
    char *at;

    if (skio__mul_overflow(argc, sizeof *argv, &size) ||
        skio__add_overflow(size, sizeof *request, &size))
        return NULL;
    for (i = 0; i < argc; i++) {
        if (skio__add_overflow(size, argv[i].len, &size))
            return NULL;
    }
    request = skio__mem_alloc(hub->mem, size);
    if (request == NULL)
        return NULL;
    memset(request, 0, sizeof *request);
    skio__redis_ring_init(&request->ring);
    request->fn = fn;
    request->user = user;
    request->size = size;
    request->argc = argc;
    request->slot = slot;
    at = (char *)(request->argv + argc);
    for (i = 0; i < argc; i++) {
        request->argv[i].data = at;
        request->argv[i].len = argv[i].len;
        if (argv[i].len > 0)
            memcpy(at, argv[i].data, argv[i].len);
        at += argv[i].len;
    }
    return request;
}

static void
request_end(struct skio__redis *hub, struct request *request, int err,
            const struct skio__redis_reply *reply)
{
    struct request copy = *request;

    /* The reply is not part of it. */
    skio__mem_free(hub->mem, request);
    if (copy.fn != NULL)
        copy.fn(err, reply, copy.user);
}

static int request_send(struct request *request, struct skio__redis_node *node);

/* Returns whether it is on its way to another node. */
static bool
follow(struct request *request, struct skio__redis_node *from,
       const struct skio__redis_reply *reply)
{
    struct skio__redis_moved moved;
    struct skio__redis_node *to;

    if (reply->type != SKIO__REDIS_ERROR ||
        !skio__redis_moved_read(&moved, reply->str, reply->len) ||
        moved.slot != request->slot)
        return false;
    if (!moved.is_ask)
        skio__redis_nodes_look(from->hub);
    if (request->was_moved)
        return false;
    to = skio__redis_node_moved(from, &moved);
    if (to == NULL)
        return false;
    request->was_moved = true;
    request->is_asking = moved.is_ask;
    return request_send(request, to) == SKIO_OK;
}

static void
on_reply(int err, const struct skio__redis_reply *reply, void *user)
{
    struct request *request = user;
    struct skio__redis_node *node = request->node;
    struct skio__redis *hub = node->hub;

    node->busy--;
    if (err == SKIO_OK && !hub->is_freed && follow(request, node, reply))
        return;
    request_end(hub, request, err, reply);
}

static int
request_send(struct request *request, struct skio__redis_node *node)
{
    static const skio_bytes asking = {"ASKING", 6};
    struct skio__redis *hub = node->hub;
    int err;

    request->node = node;
    if (skio__redis_link_is_up(node->commands)) {
        if (request->is_asking &&
            (err = skio__redis_link_send(node->commands, &asking, 1, NULL,
                                         NULL)) != SKIO_OK)
            return err;
        err = skio__redis_link_send(node->commands, request->argv,
                                    request->argc, on_reply, request);
        if (err == SKIO_OK)
            node->busy++;
        return err;
    }
    /* A master that was heard of just now: the first connection is awaited. */
    if (!node->is_new || hub->is_freed)
        return SKIO_ECLOSED;
    if (request->size > hub->options.max_output_bytes - hub->waiting_size)
        return SKIO_ENOBUFS;
    hub->waiting_size += request->size;
    node->busy++;
    skio__redis_ring_append(&node->requests, &request->ring);
    return SKIO_OK;
}

void
skio__redis_requests_go(struct skio__redis_node *node, bool is_up)
{
    struct skio__redis *hub = node->hub;
    struct skio__redis_ring ring;

    skio__redis_ring_take(&ring, &node->requests);
    while (!skio__redis_ring_is_empty(&ring)) {
        struct request *request =
            skio__container_of(ring.next, struct request, ring);
        int err = SKIO_ECLOSED;

        skio__redis_ring_remove(&request->ring);
        hub->waiting_size -= request->size;
        node->busy--;
        if (is_up)
            err = request_send(request, node);
        if (err != SKIO_OK)
            request_end(hub, request, SKIO_ECLOSED, NULL);
    }
}

/* ---- Commands ---- */

int
skio__redis_command(struct skio__redis *hub, const char *key, size_t key_len,
                    const skio_bytes *argv, size_t argc,
                    skio__redis_reply_fn *fn, void *user)
{
    struct skio__redis_node *node;
    struct request *request;
    uint16_t slot;
    int err;

    if (hub->is_freed)
        return SKIO_ECLOSED;
    if (skio__likely(!hub->options.cluster))
        return hub->only == NULL ? SKIO_ECLOSED
                                 : skio__redis_link_send(hub->only->commands,
                                                         argv, argc, fn, user);

    slot = skio__redis_slot(key, key_len);
    node = skio__redis_node_of(hub, slot);
    if (node == NULL) {
        skio__redis_nodes_look(hub);
        return SKIO_ECLOSED;
    }
    request = request_new(hub, slot, argv, argc, fn, user);
    if (request == NULL)
        return SKIO_ENOMEM;
    err = request_send(request, node);
    if (err != SKIO_OK)
        skio__mem_free(hub->mem, request);
    return err;
}

void
skio__redis_push(struct skio__redis *hub, const char *key, size_t key_len)
{
    struct skio__redis_node *node = hub->only;

    if (hub->is_freed)
        return;
    if (hub->options.cluster)
        node = skio__redis_node_of(hub, skio__redis_slot(key, key_len));
    if (node != NULL)
        skio__redis_link_push(node->commands);
}

/* ---- What is said to the others ---- */

static void
on_said(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__redis *hub = user;

    if (err == SKIO_OK && reply->type != SKIO__REDIS_ERROR)
        return;
    /* Whether Redis still got it is unknown when the connection is lost. */
    hub->dropped++;
    if (err == SKIO_OK && !hub->said_refused) {
        hub->said_refused = true;
        skio_adapter_log(hub->root, SKIO_LOG_ERROR,
                         "redis: a message was refused: %s", reply->str);
    }
}

int
skio__redis_say(struct skio__redis *hub, const char *key, size_t key_len,
                const skio_bytes *argv, size_t argc)
{
    int err = skio__redis_command(hub, key, key_len, argv, argc, on_said, hub);

    if (err != SKIO_OK)
        hub->dropped++;
    return err;
}

int
skio__redis_publish(struct skio__redis *hub, enum skio__redis_kind kind,
                    const char *channel, size_t channel_len, const void *data,
                    size_t len)
{
    bool is_shard = kind == SKIO__REDIS_SHARD;
    skio_bytes argv[3];

    argv[0].data = is_shard ? "SPUBLISH" : "PUBLISH";
    argv[0].len = is_shard ? 8 : 7;
    argv[1].data = channel;
    argv[1].len = channel_len;
    argv[2].data = data;
    argv[2].len = len;
    return skio__redis_say(hub, channel, channel_len, argv, 3);
}

/* ---- Counting ---- */

struct counting {
    struct skio__redis *hub;
    skio__redis_count_fn *fn;
    void *user;
    size_t due; /* answers */
    int err;
    size_t sum;
};

/* [name, count] */
static int
read_count(const struct skio__redis_reply *reply, size_t *out)
{
    if (reply->type != SKIO__REDIS_ARRAY || reply->count != 2 ||
        reply->elements[1]->type != SKIO__REDIS_INTEGER ||
        reply->elements[1]->integer < 0 ||
        reply->elements[1]->integer > INT32_MAX)
        return SKIO_EPROTO;
    *out = (size_t)reply->elements[1]->integer;
    return SKIO_OK;
}

static void
on_count(int err, const struct skio__redis_reply *reply, void *user)
{
    struct counting *counting = user;
    struct counting copy;
    size_t count = 0;

    if (err == SKIO_OK)
        err = read_count(reply, &count);
    counting->sum += count;
    if (err != SKIO_OK)
        counting->err = err;
    if (--counting->due > 0)
        return;
    copy = *counting;
    skio__mem_free(copy.hub->mem, counting);
    copy.fn(copy.err, copy.err == SKIO_OK ? copy.sum : 0, copy.user);
}

int
skio__redis_count(struct skio__redis *hub, enum skio__redis_kind kind,
                  const char *channel, size_t len, skio__redis_count_fn *fn,
                  void *user)
{
    struct counting *counting;
    struct skio__map_node *at;
    struct skio__map_node *after;
    skio_bytes argv[3];
    size_t asked = 0;
    int err = SKIO_ECLOSED;

    if (hub->is_freed)
        return SKIO_ECLOSED;
    counting = skio__mem_alloc(hub->mem, sizeof *counting);
    if (counting == NULL)
        return SKIO_ENOMEM;
    *counting = (struct counting){hub, fn, user, 0, SKIO_OK, 0};
    argv[0].data = "PUBSUB";
    argv[0].len = 6;
    argv[1].data = kind == SKIO__REDIS_SHARD ? "SHARDNUMSUB" : "NUMSUB";
    argv[1].len = kind == SKIO__REDIS_SHARD ? 11 : 6;
    argv[2].data = channel;
    argv[2].len = len;

    SKIO__MAP_EACH(&hub->nodes, at, after) {
        struct skio__redis_node *node =
            skio__container_of(at, struct skio__redis_node, by_name);
        int sent;

        if (node->slots == 0)
            continue;
        sent =
            skio__redis_link_send(node->commands, argv, 3, on_count, counting);
        if (sent == SKIO_OK)
            asked++;
        else
            err = counting->err = sent;
    }
    if (asked == 0) {
        skio__mem_free(hub->mem, counting);
        return err;
    }
    counting->due = asked;
    return SKIO_OK;
}
