/*
 * The servers of Redis: one, or the masters of a Redis Cluster and who of them
 * has which slot
 */
#include <stdio.h>
#include <string.h>

#include "adapter/redis_hub.h"
#include "base/mem.h"

#define LOOK_MS 200      /* between two looks, while something is wrong */
#define PATIENCE_MS 1000 /* with a node that was asked: then another is */
#define PART_MS 200      /* at the end, for what was said last */
#define AGAIN_MS 50      /* what failed for want of memory is tried again */

static struct skio__redis_node *
node_at(struct skio__map_node *at)
{
    return skio__container_of(at, struct skio__redis_node, by_name);
}

/* ---- Links ---- */

static void
on_commands_up(struct skio__redis_link *link, void *user)
{
    struct skio__redis_node *node = user;

    (void)link;
    node->is_new = false;
    skio__redis_requests_go(node, true);
    if (node->hub->only == NULL && node->hub->must_look)
        skio__redis_wake(node->hub, 0);
    skio__redis_check(node->hub);
}

static void
on_commands_down(struct skio__redis_link *link, int err, const char *text,
                 void *user)
{
    struct skio__redis_node *node = user;

    (void)link;
    node->is_new = false;
    skio__redis_requests_go(node, false);
    if (node->slots > 0)
        skio__redis_lost(node->hub, err, text);
    skio__redis_nodes_look(node->hub);
}

static void
on_subscriptions_up(struct skio__redis_link *link, void *user)
{
    struct skio__redis_node *node = user;

    (void)link;
    skio__redis_topics_pump(node);
}

static void
on_subscriptions_down(struct skio__redis_link *link, int err, const char *text,
                      void *user)
{
    struct skio__redis_node *node = user;
    struct skio__redis *hub = node->hub;

    if (!skio__redis_ring_is_empty(&node->rest))
        skio__redis_missed(hub, skio__redis_link_heard_ms(link));
    skio__redis_topics_down(node);
    if (hub->renewed > 0)
        skio__redis_lost(hub, err, text);
    skio__redis_nodes_look(hub);
}

static void
on_push(struct skio__redis_link *link, const struct skio__redis_reply *reply,
        void *user)
{
    (void)link;
    skio__redis_topics_push(user, reply);
}

static const struct skio__redis_link_hooks command_hooks = {on_commands_up,
                                                            on_commands_down,
                                                            NULL};
static const struct skio__redis_link_hooks subscription_hooks =
    {on_subscriptions_up, on_subscriptions_down, on_push};

static struct skio__redis_link *
link_new(struct skio__redis_node *node, bool subscribes)
{
    struct skio__redis *hub = node->hub;

    return skio__redis_link_new(hub->server, &hub->options,
                                node->port != 0 ? node->host : NULL, node->port,
                                subscribes,
                                subscribes ? &subscription_hooks
                                           : &command_hooks,
                                node);
}

int
skio__redis_node_subscribes(struct skio__redis_node *node)
{
    if (node->subscriptions == NULL)
        node->subscriptions = link_new(node, true);
    return node->subscriptions != NULL ? SKIO_OK : SKIO_ENOMEM;
}

/* ---- Nodes ---- */

struct skio__redis_node *
skio__redis_node_of(const struct skio__redis *hub, uint16_t slot)
{
    if (hub->owners == NULL)
        return hub->only;
    return hub->owners[slot];
}

struct skio__redis_node *
skio__redis_node_get(struct skio__redis *hub, const char *host, size_t len,
                     uint16_t port)
{
    struct skio__redis_node *node;
    struct skio__map_node *at;
    char name[SKIO__REDIS_NODE_NAME];
    int size;

    if (len > SKIO__REDIS_HOST_MAX)
        return NULL;
    size =
        snprintf(name, sizeof name, "%.*s:%u", (int)len, host, (unsigned)port);
    at = skio__map_find(&hub->nodes, name, (size_t)size);
    if (at != NULL)
        return node_at(at);

    if (skio__map_count(&hub->nodes) >= SKIO__REDIS_NODES_MAX) {
        if (!hub->is_full)
            skio_adapter_log(hub->root, SKIO_LOG_ERROR,
                             "redis: more than %d servers",
                             SKIO__REDIS_NODES_MAX);
        hub->is_full = true;
        return NULL;
    }
    node = skio__mem_calloc(hub->mem, 1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->hub = hub;
    node->is_new = true;
    node->port = port;
    memcpy(node->host, host, len);
    memcpy(node->name, name, (size_t)size);
    skio__redis_ring_init(&node->queue);
    skio__redis_ring_init(&node->sent);
    skio__redis_ring_init(&node->rest);
    skio__redis_ring_init(&node->requests);
    node->commands = link_new(node, false);
    if (node->commands == NULL ||
        skio__map_put(&hub->nodes, &node->by_name, node->name, (size_t)size) !=
            SKIO_OK) {
        skio__redis_link_free(node->commands);
        skio__mem_free(hub->mem, node);
        return NULL;
    }
    return node;
}

/* Nobody needs it: it has no slots and no topics, no request is on its way. */
static void
node_free(struct skio__redis_node *node)
{
    struct skio__redis *hub = node->hub;

    skio__map_remove(&hub->nodes, &node->by_name);
    skio__redis_link_free(node->subscriptions);
    skio__redis_link_free(node->commands);
    skio__mem_free(hub->mem, node);
}

static bool
node_is_needed(const struct skio__redis_node *node)
{
    return node->slots > 0 || node->busy > 0 ||
           !skio__redis_ring_is_empty(&node->queue) ||
           !skio__redis_ring_is_empty(&node->sent) ||
           !skio__redis_ring_is_empty(&node->rest);
}

static void
set_owner(struct skio__redis *hub, uint16_t slot, struct skio__redis_node *node)
{
    if (hub->owners[slot] != NULL)
        hub->owners[slot]->slots--;
    hub->owners[slot] = node;
    node->slots++;
}

struct skio__redis_node *
skio__redis_node_moved(struct skio__redis_node *node,
                       const struct skio__redis_moved *moved)
{
    struct skio__redis *hub = node->hub;
    const char *host = moved->host_len > 0 ? moved->host : node->host;
    size_t len = moved->host_len > 0 ? moved->host_len : strlen(node->host);
    struct skio__redis_node *owner;

    if (hub->owners == NULL)
        return NULL;
    owner = skio__redis_node_get(hub, host, len, moved->port);
    if (owner != NULL && !moved->is_ask)
        set_owner(hub, moved->slot, owner);
    return owner;
}

bool
skio__redis_nodes_are_up(const struct skio__redis *hub)
{
    struct skio__map_node *at;
    struct skio__map_node *after;
    bool any = false;

    SKIO__MAP_EACH(&hub->nodes, at, after) {
        const struct skio__redis_node *node = node_at(at);

        if (node->slots == 0)
            continue;
        if (!skio__redis_link_is_up(node->commands))
            return false;
        any = true;
    }
    return any;
}

/* ---- Looking who has what ---- */

struct looking {
    struct skio__redis *hub;
    struct skio__redis_node **owners;
    const char *host; /* of who answers */
};

static void
on_range(uint16_t first, uint16_t last, const char *host, size_t len,
         uint16_t port, void *user)
{
    struct looking *looking = user;
    struct skio__redis *hub = looking->hub;
    struct skio__redis_node *node;
    uint32_t slot;

    if (len == 0) {
        host = looking->host;
        len = strlen(host);
    }
    node = skio__redis_node_get(hub, host, len, port);
    if (node == NULL) /* those slots have nobody, until the next look */
        return;
    for (slot = first; slot <= last; slot++)
        looking->owners[slot] = node;
}

/* Say why it cannot be looked, once. */
static void
cannot_look(struct skio__redis *hub, const char *text)
{
    if (!hub->said_look)
        skio_adapter_log(hub->root, SKIO_LOG_ERROR,
                         "redis: no slots of a cluster: %s", text);
    hub->said_look = true;
    skio__redis_lost(hub, SKIO_EPROTO, text);
}

/* A master that hangs is replaced before its link is given up. */
static void
miss_silent(struct skio__redis_node *node)
{
    struct skio__redis *hub = node->hub;
    uint64_t heard;

    if (node->subscriptions == NULL || skio__redis_ring_is_empty(&node->rest) ||
        !skio__redis_link_is_up(node->subscriptions))
        return;
    heard = skio__redis_link_heard_ms(node->subscriptions);
    if (skio_loop_now(hub->server) - heard <
        (uint64_t)hub->options.ping_interval_ms + PATIENCE_MS)
        return;
    skio__redis_missed(hub, heard);
    skio__redis_lost(hub, SKIO_ETIMEDOUT, "a master was replaced");
}

static void
use_owners(struct skio__redis *hub, struct skio__redis_node **owners)
{
    struct skio__map_node *at;
    struct skio__map_node *after;
    uint32_t slot;

    SKIO__MAP_EACH(&hub->nodes, at, after)
        node_at(at)->slots = 0;
    for (slot = 0; slot < SKIO__REDIS_SLOTS; slot++) {
        if (owners[slot] != NULL)
            owners[slot]->slots++;
    }
    skio__mem_free(hub->mem, hub->owners);
    hub->owners = owners;
    SKIO__MAP_EACH(&hub->nodes, at, after) {
        if (node_at(at)->slots == 0)
            miss_silent(node_at(at));
    }
}

static void
read_slots(struct skio__redis *hub, const struct skio__redis_reply *reply,
           const char *host)
{
    struct looking looking = {hub, NULL, host};
    int count;

    if (reply->type == SKIO__REDIS_ERROR) {
        cannot_look(hub, reply->str);
        return;
    }
    looking.owners =
        skio__mem_calloc(hub->mem, SKIO__REDIS_SLOTS, sizeof(void *));
    if (looking.owners == NULL)
        return;
    count = skio__redis_slots_read(reply, on_range, &looking);
    /* A node that was reset, or just woke up, knows nothing. */
    if (count <= 0) {
        skio__mem_free(hub->mem, looking.owners);
        cannot_look(hub, count == 0 ? "nobody has any" : "an unsound answer");
        return;
    }
    hub->said_look = false;
    hub->must_look = false;
    use_owners(hub, looking.owners);
    skio__redis_topics_route(hub);
    skio__redis_check(hub);
}

static void
finish_look(struct skio__redis *hub, int err,
            const struct skio__redis_reply *reply, const char *host)
{
    uint64_t next = skio_loop_now(hub->server) + LOOK_MS;

    if (hub->is_freed)
        return;
    if (next < hub->look_at)
        hub->look_at = next;
    if (err == SKIO_OK)
        read_slots(hub, reply, host);
    /* One look shows what that node knows; it is looked again, at others,
     * until all is well. */
    if (hub->must_look || hub->state != SKIO_REDIS_UP ||
        !skio__redis_ring_is_empty(&hub->lost))
        skio__redis_nodes_look(hub);
}

static void
on_slots(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__redis_node *node = user;

    finish_look(node->hub, err, reply, node->host);
}

static void
on_seed_slots(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__redis *hub = user;

    finish_look(hub, err, reply,
                hub->options.host != NULL ? hub->options.host : "");
}

static bool
look_at(struct skio__redis_link *link, skio__redis_reply_fn *fn, void *user)
{
    static const skio_bytes argv[2] = {{"CLUSTER", 7}, {"SLOTS", 5}};

    return skio__redis_link_is_up(link) &&
           skio__redis_link_send(link, argv, 2, fn, user) == SKIO_OK;
}

static void
on_seed_up(struct skio__redis_link *link, void *user)
{
    (void)link;
    skio__redis_nodes_look(user);
}

static void
on_seed_down(struct skio__redis_link *link, int err, const char *text,
             void *user)
{
    (void)link;
    skio__redis_lost(user, err, text);
}

/* Ask the next node that can be asked, or the one that the options name.
 * Returns whether one was asked. */
static bool
look(struct skio__redis *hub)
{
    static const struct skio__redis_link_hooks hooks = {on_seed_up,
                                                        on_seed_down, NULL};
    size_t count = skio__map_count(&hub->nodes);
    struct skio__map_node *at = skio__map_first(&hub->nodes);
    size_t i;

    hub->look_turn = hub->look_turn < count ? hub->look_turn + 1 : 0;
    for (i = 0; i < hub->look_turn && at != NULL; i++)
        at = skio__map_next(at);
    for (i = 0; i < count; i++) {
        struct skio__redis_node *node;

        if (at == NULL)
            at = skio__map_first(&hub->nodes);
        node = node_at(at);
        if (look_at(node->commands, on_slots, node)) {
            skio__redis_link_free(hub->seed);
            hub->seed = NULL;
            return true;
        }
        at = skio__map_next(at);
    }

    if (hub->seed != NULL)
        return look_at(hub->seed, on_seed_slots, hub);
    hub->seed = skio__redis_link_new(hub->server, &hub->options, NULL, 0, false,
                                     &hooks, hub);
    return false;
}

void
skio__redis_nodes_look(struct skio__redis *hub)
{
    uint64_t now = skio_loop_now(hub->server);

    if (!hub->options.cluster || !hub->is_ready)
        return;
    hub->must_look = true;
    skio__redis_wake(hub,
                     hub->look_at > now ? (uint32_t)(hub->look_at - now) : 0);
}

void
skio__redis_nodes_tick(struct skio__redis *hub, uint64_t now_ms)
{
    struct skio__map_node *at;
    struct skio__map_node *after;

    if (!hub->options.cluster) {
        if (hub->only != NULL)
            return;
        hub->only = skio__redis_node_get(hub, "", 0, 0);
        if (hub->only == NULL) {
            skio__redis_wake(hub, AGAIN_MS);
            return;
        }
        hub->only->slots = SKIO__REDIS_SLOTS;
        skio__redis_topics_route(hub);
        return;
    }

    SKIO__MAP_EACH(&hub->nodes, at, after) {
        if (!node_is_needed(node_at(at)))
            node_free(node_at(at));
    }
    if (skio__map_count(&hub->nodes) < SKIO__REDIS_NODES_MAX)
        hub->is_full = false;
    if (!hub->must_look)
        return;
    if (now_ms >= hub->look_at)
        hub->look_at = now_ms + (look(hub) ? PATIENCE_MS : LOOK_MS);
    skio__redis_wake(hub, (uint32_t)(hub->look_at - now_ms));
}

void
skio__redis_nodes_free(struct skio__redis *hub)
{
    struct skio__map_node *at;
    struct skio__map_node *after;
    uint64_t until = skio_loop_now(hub->server) + PART_MS;

    skio__redis_link_free(hub->seed);
    SKIO__MAP_EACH(&hub->nodes, at, after)
        skio__redis_link_part(node_at(at)->commands, until);
    SKIO__MAP_EACH(&hub->nodes, at, after)
        skio__redis_requests_go(node_at(at), false);
    SKIO__MAP_EACH(&hub->nodes, at, after)
        node_free(node_at(at));
    skio__map_deinit(&hub->nodes);
    skio__mem_free(hub->mem, hub->owners);
}
