/*
 * Channels and patterns: who listens, and what Redis was told of it
 */
#include <string.h>

#include "adapter/redis_hub.h"
#include "base/mem.h"

#define LOST_MS 200     /* at the latest, until lost ones are tried again */
#define RETRY_MS 1000   /* refused ones */
#define RETRY_COUNT 100 /* at once */

struct skio__redis_sub {
    struct skio__redis_sub *next;
    struct skio__redis_topic *topic;
    skio__redis_message_fn *fn; /* NULL: taken back while callbacks run */
    void *user;
};

/* ---- Topics ---- */

struct skio__redis_topic *
skio__redis_topic_find(const struct skio__redis *hub,
                       enum skio__redis_kind kind, const char *name, size_t len)
{
    struct skio__map_node *node = skio__map_find(&hub->topics[kind], name, len);

    return node == NULL
               ? NULL
               : skio__container_of(node, struct skio__redis_topic, by_name);
}

static struct skio__redis_topic *
topic_new(struct skio__redis *hub, enum skio__redis_kind kind, const char *name,
          size_t len)
{
    struct skio__redis_topic *topic;
    size_t size;

    if (skio__add_overflow(sizeof *topic + 1, len, &size))
        return NULL;
    topic = skio__mem_calloc(hub->mem, 1, size);
    if (topic == NULL)
        return NULL;
    topic->hub = hub;
    topic->kind = kind;
    topic->where = SKIO__REDIS_LOST;
    topic->slot = skio__redis_slot(name, len);
    topic->len = len;
    if (len > 0)
        memcpy(topic->name, name, len);
    if (skio__map_put(&hub->topics[kind], &topic->by_name, topic->name, len) !=
        SKIO_OK) {
        skio__mem_free(hub->mem, topic);
        return NULL;
    }
    skio__redis_ring_append(&hub->lost, &topic->ring);
    return topic;
}

/* Count it among those that the hub waits for before it is up, or not. */
static void
set_renewed(struct skio__redis_topic *topic, bool is_renewed)
{
    struct skio__redis *hub = topic->hub;

    if (topic->is_renewed == is_renewed)
        return;
    topic->is_renewed = is_renewed;
    if (is_renewed)
        hub->renewed++;
    else if (--hub->renewed == 0)
        skio__redis_check(hub);
}

static void
topic_free(struct skio__redis_topic *topic)
{
    struct skio__redis *hub = topic->hub;

    set_renewed(topic, false);
    skio__redis_ring_remove(&topic->ring);
    skio__map_remove(&hub->topics[topic->kind], &topic->by_name);
    while (topic->subs != NULL) {
        struct skio__redis_sub *sub = topic->subs;

        topic->subs = sub->next;
        skio__mem_free(hub->mem, sub);
    }
    skio__mem_free(hub->mem, topic);
}

void
skio__redis_topic_move(struct skio__redis_topic *topic,
                       struct skio__redis_node *node,
                       enum skio__redis_where where,
                       struct skio__redis_ring *ring)
{
    if (topic->where == SKIO__REDIS_SENT)
        topic->node->in_flight--;
    skio__redis_ring_remove(&topic->ring);
    topic->node = node;
    topic->where = where;
    if (node == NULL) /* nobody has it */
        topic->in_force = false;
    skio__redis_ring_append(ring, &topic->ring);
}

void
skio__redis_topic_lose(struct skio__redis_topic *topic)
{
    struct skio__redis *hub = topic->hub;

    skio__redis_topic_move(topic, NULL, SKIO__REDIS_LOST, &hub->lost);
    set_renewed(topic, true);
    skio__redis_nodes_look(hub);
    skio__redis_wake(hub, LOST_MS);
}

void
skio__redis_topic_refuse(struct skio__redis_topic *topic)
{
    struct skio__redis *hub = topic->hub;

    topic->was_refused = true;
    if (skio__redis_ring_is_empty(&hub->refused)) {
        hub->refused_at = skio_loop_now(hub->server) + RETRY_MS;
        skio__redis_wake(hub, RETRY_MS);
    }
    skio__redis_topic_move(topic, NULL, SKIO__REDIS_REFUSED, &hub->refused);
    set_renewed(topic, false);
}

void
skio__redis_topic_enqueue(struct skio__redis_topic *topic,
                          struct skio__redis_node *node)
{
    skio__redis_topic_move(topic, node, SKIO__REDIS_QUEUE, &node->queue);
    if (topic->live > 0 && (node->subscriptions == NULL ||
                            !skio__redis_link_is_up(node->subscriptions)))
        set_renewed(topic, true);
    /* What one turn of the loop wants goes into few commands. */
    skio__redis_wake(topic->hub, 0);
}

void
skio__redis_topic_settle(struct skio__redis_topic *topic)
{
    struct skio__redis *hub = topic->hub;
    struct skio__redis_node *has = topic->in_force ? topic->node : NULL;
    struct skio__redis_node *owner;

    if (topic->where == SKIO__REDIS_SENT)
        return;
    if (topic->live == 0) {
        if (has != NULL)
            skio__redis_topic_enqueue(topic, has);
        else if (topic->walking == 0)
            topic_free(topic);
        else /* at the end of the walk */
            skio__redis_topic_move(topic, NULL, SKIO__REDIS_LOST, &hub->lost);
        return;
    }
    if (topic->where == SKIO__REDIS_REFUSED)
        return;

    owner = skio__redis_node_of(hub, topic->slot);
    if (has != NULL &&
        (owner == NULL || owner == has || topic->kind != SKIO__REDIS_SHARD)) {
        skio__redis_topic_move(topic, has, SKIO__REDIS_REST, &has->rest);
        set_renewed(topic, false);
        return;
    }
    /* A node that lost the slot ends the subscription by itself, if only once
     * it learns of it. Until then what it still says is not listened to. */
    topic->in_force = false;
    if (owner == NULL)
        skio__redis_topic_lose(topic);
    else if (topic->where != SKIO__REDIS_QUEUE || topic->node != owner)
        skio__redis_topic_enqueue(topic, owner);
}

/* ---- Subscribers ---- */

struct skio__redis_sub *
skio__redis_subscribe(struct skio__redis *hub, enum skio__redis_kind kind,
                      const char *name, size_t len, skio__redis_message_fn *fn,
                      void *user)
{
    struct skio__redis_topic *topic;
    struct skio__redis_sub **link;
    struct skio__redis_sub *sub;

    if (hub->is_freed)
        return NULL;
    sub = skio__mem_alloc(hub->mem, sizeof *sub);
    if (sub == NULL)
        return NULL;
    topic = skio__redis_topic_find(hub, kind, name, len);
    if (topic == NULL)
        topic = topic_new(hub, kind, name, len);
    if (topic == NULL) {
        skio__mem_free(hub->mem, sub);
        return NULL;
    }

    *sub = (struct skio__redis_sub){NULL, topic, fn, user};
    for (link = &topic->subs; *link != NULL;)
        link = &(*link)->next;
    *link = sub;
    if (topic->live++ == 0)
        skio__redis_topic_settle(topic);
    return sub;
}

/* Free those that were taken back while callbacks ran. */
static void
sweep_subs(struct skio__redis_topic *topic)
{
    struct skio__redis_sub **link = &topic->subs;

    while (*link != NULL) {
        struct skio__redis_sub *sub = *link;

        if (sub->fn != NULL) {
            link = &sub->next;
            continue;
        }
        *link = sub->next;
        skio__mem_free(topic->hub->mem, sub);
    }
}

void
skio__redis_unsubscribe(struct skio__redis_sub *sub)
{
    struct skio__redis_topic *topic;

    if (sub == NULL)
        return;
    topic = sub->topic;
    sub->fn = NULL;
    topic->live--;
    if (topic->walking == 0)
        sweep_subs(topic);
    if (topic->live == 0)
        skio__redis_topic_settle(topic); /* which may be its end */
}

void
skio__redis_topic_deliver(struct skio__redis_topic *topic,
                          const struct skio__redis_reply *at,
                          const struct skio__redis_reply *data)
{
    struct skio__redis_sub *sub;
    struct skio__redis_sub *last = topic->subs;

    if (last == NULL)
        return;
    while (last->next != NULL)
        last = last->next;

    /* Whoever begins to listen now did not when it was published. */
    topic->walking++;
    for (sub = topic->subs;; sub = sub->next) {
        if (sub->fn != NULL)
            sub->fn(at->str, at->len, data->str, data->len, sub->user);
        if (sub == last)
            break;
    }
    if (--topic->walking > 0)
        return;
    sweep_subs(topic);
    if (topic->live == 0)
        skio__redis_topic_settle(topic);
}

/* ---- When things change ---- */

/* The topics of a ring, one after the other: nobody has them now. */
static void
settle_ring(struct skio__redis_ring *from)
{
    struct skio__redis_ring ring;

    skio__redis_ring_take(&ring, from);
    while (!skio__redis_ring_is_empty(&ring)) {
        struct skio__redis_topic *topic = skio__redis_topic_of(ring.next);

        skio__redis_topic_move(topic, NULL, SKIO__REDIS_LOST,
                               &topic->hub->lost);
        skio__redis_topic_settle(topic);
    }
}

void
skio__redis_topics_down(struct skio__redis_node *node)
{
    /* Its queue first: the others come there. */
    settle_ring(&node->queue);
    settle_ring(&node->rest);
    settle_ring(&node->sent);
}

void
skio__redis_topics_route(struct skio__redis *hub)
{
    struct skio__map_node *node;
    struct skio__map_node *after;
    int kind;

    for (kind = 0; kind < SKIO__REDIS_KINDS; kind++) {
        SKIO__MAP_EACH(&hub->topics[kind], node, after)
            skio__redis_topic_settle(
                skio__container_of(node, struct skio__redis_topic, by_name));
    }
    SKIO__MAP_EACH(&hub->nodes, node, after)
        skio__redis_topics_pump(
            skio__container_of(node, struct skio__redis_node, by_name));
}

void
skio__redis_topics_retry(struct skio__redis *hub, uint64_t now_ms)
{
    struct skio__map_node *node;
    struct skio__map_node *after;
    size_t count = RETRY_COUNT;

    /* Those that stay lost go to the hub's ring again. */
    settle_ring(&hub->lost);
    if (!skio__redis_ring_is_empty(&hub->refused) &&
        now_ms >= hub->refused_at) {
        while (count-- > 0 && !skio__redis_ring_is_empty(&hub->refused)) {
            struct skio__redis_topic *topic =
                skio__redis_topic_of(hub->refused.next);

            skio__redis_topic_move(topic, NULL, SKIO__REDIS_LOST, &hub->lost);
            skio__redis_topic_settle(topic);
        }
        hub->refused_at = now_ms + RETRY_MS;
    }
    if (!skio__redis_ring_is_empty(&hub->refused))
        skio__redis_wake(hub, (uint32_t)(hub->refused_at - now_ms));

    SKIO__MAP_EACH(&hub->nodes, node, after)
        skio__redis_topics_pump(
            skio__container_of(node, struct skio__redis_node, by_name));
}

void
skio__redis_topics_free(struct skio__redis *hub)
{
    int kind;

    for (kind = 0; kind < SKIO__REDIS_KINDS; kind++) {
        struct skio__map_node *node;
        struct skio__map_node *after;

        SKIO__MAP_EACH(&hub->topics[kind], node, after)
            topic_free(
                skio__container_of(node, struct skio__redis_topic, by_name));
        skio__map_deinit(&hub->topics[kind]);
    }
}
