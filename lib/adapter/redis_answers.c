/*
 * Topics between us and Redis: the commands, in which order, and what their
 * answers mean
 */
#include <string.h>

#include "adapter/redis_hub.h"

#define WINDOW 1000   /* topics that may wait for an answer of one node */
#define BATCH 100     /* names in one command */
#define MOVES_MAX 5   /* before it is looked who has what */
#define STALLED_MS 10 /* until it is tried again to send */

static const char *const subscribe_names[SKIO__REDIS_KINDS] = {"SUBSCRIBE",
                                                               "PSUBSCRIBE",
                                                               "SSUBSCRIBE"};
static const char *const unsubscribe_names[SKIO__REDIS_KINDS] =
    {"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"};

/* ---- What is sent ---- */

/* Those that can go in one command: of one kind, all wanted or all not. */
static size_t
gather(struct skio__redis_node *node, struct skio__redis_topic **batch)
{
    struct skio__redis *hub = node->hub;
    struct skio__redis_ring *at = node->queue.next;
    struct skio__redis_topic *first = skio__redis_topic_of(at);
    bool is_alone = first->is_alone ||
                    (hub->only == NULL && first->kind == SKIO__REDIS_SHARD);
    size_t count = 0;

    while (at != &node->queue && count < (is_alone ? 1 : BATCH)) {
        struct skio__redis_topic *topic = skio__redis_topic_of(at);

        at = at->next;
        if (topic != first && (topic->kind != first->kind || topic->is_alone ||
                               (topic->live > 0) != (first->live > 0)))
            break;
        /* One that changed its mind meanwhile has nothing to say. */
        if ((topic->live > 0) == topic->in_force) {
            if (topic == first && count == 0)
                return 0;
            break;
        }
        batch[count++] = topic;
    }
    return count;
}

static int
send_batch(struct skio__redis_node *node, struct skio__redis_topic **batch,
           size_t count)
{
    bool is_wanted = batch[0]->live > 0;
    const char *name = is_wanted ? subscribe_names[batch[0]->kind]
                                 : unsubscribe_names[batch[0]->kind];
    skio_bytes argv[1 + BATCH];
    size_t i;
    int err;

    argv[0].data = name;
    argv[0].len = strlen(name);
    for (i = 0; i < count; i++) {
        argv[1 + i].data = batch[i]->name;
        argv[1 + i].len = batch[i]->len;
    }
    err =
        skio__redis_link_send(node->subscriptions, argv, 1 + count, NULL, NULL);
    if (err != SKIO_OK)
        return err;

    node->command++;
    for (i = 0; i < count; i++) {
        skio__redis_topic_move(batch[i], node, SKIO__REDIS_SENT, &node->sent);
        batch[i]->command = node->command;
        batch[i]->is_leaving = !is_wanted;
        node->in_flight++;
    }
    return SKIO_OK;
}

/*
 * Answers make room, but a whole command is worth waiting for: sent one by
 * one, ten thousand names would take as many commands.
 */
void
skio__redis_topics_pump(struct skio__redis_node *node)
{
    struct skio__redis_topic *batch[BATCH];

    if (skio__redis_ring_is_empty(&node->queue) || node->in_flight > WINDOW / 2)
        return;
    if (skio__redis_node_subscribes(node) != SKIO_OK) {
        skio__redis_wake(node->hub, STALLED_MS);
        return;
    }
    if (!skio__redis_link_is_up(node->subscriptions))
        return;
    while (node->in_flight + BATCH <= WINDOW &&
           !skio__redis_ring_is_empty(&node->queue)) {
        size_t count = gather(node, batch);

        if (count == 0) {
            skio__redis_topic_settle(skio__redis_topic_of(node->queue.next));
        } else if (send_batch(node, batch, count) != SKIO_OK) {
            skio__redis_wake(node->hub, STALLED_MS);
            return;
        }
    }
}

/* ---- What comes back ---- */

/* Another node has the slot: it says so itself. */
static void
follow(struct skio__redis_node *node, struct skio__redis_topic *topic,
       const struct skio__redis_moved *moved)
{
    struct skio__redis_node *owner = NULL;

    if (!moved->is_ask && moved->slot == topic->slot &&
        topic->moves++ < MOVES_MAX)
        owner = skio__redis_node_moved(node, moved);
    else
        topic->moves = 0;
    skio__redis_nodes_look(topic->hub);
    if (owner == NULL) {
        skio__redis_topic_lose(topic);
        return;
    }
    skio__redis_topic_enqueue(topic, owner);
}

/* Errors that pass by themselves: it is not the name that is wrong. */
static bool
is_passing(const struct skio__redis_reply *reply)
{
    static const char *const codes[] = {"LOADING ",    "CLUSTERDOWN ",
                                        "MASTERDOWN ", "TRYAGAIN ",
                                        "BUSY ",       "ASK ",
                                        "MOVED "};
    size_t i;

    for (i = 0; i < sizeof codes / sizeof *codes; i++) {
        size_t len = strlen(codes[i]);

        if (reply->len >= len && memcmp(reply->str, codes[i], len) == 0)
            return true;
    }
    return false;
}

static void
answer_error(struct skio__redis_node *node, struct skio__redis_topic *topic,
             const struct skio__redis_reply *reply)
{
    struct skio__redis_moved moved;

    topic->in_force = false;
    if (topic->live == 0) {
        skio__redis_topic_move(topic, NULL, SKIO__REDIS_LOST, &node->hub->lost);
        skio__redis_topic_settle(topic);
    } else if (skio__redis_moved_read(&moved, reply->str, reply->len)) {
        follow(node, topic, &moved);
    } else if (is_passing(reply)) {
        skio__redis_topic_lose(topic);
    } else {
        if (!topic->was_refused)
            skio_adapter_log(node->hub->root, SKIO_LOG_ERROR,
                             "redis: %s \"%s\" was refused: %s",
                             subscribe_names[topic->kind], topic->name,
                             reply->str);
        skio__redis_topic_refuse(topic);
    }
}

/*
 * A command failed, as a whole, and the error says not which name of it is to
 * blame: each of them is sent again in a command of its own.
 */
static void
read_error(struct skio__redis_node *node, const struct skio__redis_reply *reply)
{
    struct skio__redis_topic *first;
    struct skio__redis_topic *topic;
    uint32_t command;
    bool is_only;

    if (skio__redis_ring_is_empty(&node->sent)) {
        /* It is about nothing that was sent. */
        skio_adapter_log(node->hub->root, SKIO_LOG_DEBUG, "redis: %s",
                         reply->str);
        return;
    }
    first = skio__redis_topic_of(node->sent.next);
    command = first->command;
    is_only = first->ring.next == &node->sent ||
              skio__redis_topic_of(first->ring.next)->command != command;
    if (is_only) {
        answer_error(node, first, reply);
        return;
    }
    while (!skio__redis_ring_is_empty(&node->sent)) {
        topic = skio__redis_topic_of(node->sent.next);
        if (topic->command != command)
            return;
        topic->is_alone = true;
        topic->in_force = topic->is_leaving;
        skio__redis_topic_move(topic, node, SKIO__REDIS_QUEUE, &node->queue);
    }
}

/* The first of those that wait for an answer, if it is this one. */
static struct skio__redis_topic *
expected(struct skio__redis_node *node, enum skio__redis_kind kind,
         const struct skio__redis_reply *name, bool is_leaving)
{
    struct skio__redis_topic *topic;

    if (skio__redis_ring_is_empty(&node->sent))
        return NULL;
    topic = skio__redis_topic_of(node->sent.next);
    if (topic->kind != kind || topic->is_leaving != is_leaving ||
        topic->len != name->len ||
        memcmp(topic->name, name->str, name->len) != 0)
        return NULL;
    return topic;
}

static void
answer(struct skio__redis_topic *topic, bool in_force)
{
    struct skio__redis_node *node = topic->node;

    if (in_force && topic->was_refused)
        skio_adapter_log(topic->hub->root, SKIO_LOG_INFO,
                         "redis: \"%s\" is subscribed now", topic->name);
    topic->in_force = in_force;
    if (in_force) {
        topic->is_alone = false;
        topic->was_refused = false;
        topic->moves = 0;
    }
    /* At rest only for as long as it takes to look at it. */
    skio__redis_topic_move(topic, node, SKIO__REDIS_REST, &node->rest);
    skio__redis_topic_settle(topic);
}

static void
read_subscribed(struct skio__redis_node *node, enum skio__redis_kind kind,
                const struct skio__redis_reply *name)
{
    struct skio__redis_topic *topic = expected(node, kind, name, false);

    if (topic == NULL)
        skio__redis_link_reset(node->subscriptions, SKIO_EPROTO,
                               "a subscription that was not asked for");
    else
        answer(topic, true);
}

static void
read_unsubscribed(struct skio__redis_node *node, enum skio__redis_kind kind,
                  const struct skio__redis_reply *name)
{
    struct skio__redis_topic *topic = expected(node, kind, name, true);

    if (topic != NULL) {
        answer(topic, false);
        return;
    }
    /* The slot went to another node, which this one names when it is asked; or
     * it is long since listened to elsewhere. */
    topic = skio__redis_topic_find(node->hub, kind, name->str, name->len);
    if (topic == NULL || topic->node != node ||
        topic->where == SKIO__REDIS_SENT || !topic->in_force)
        return;
    skio_adapter_log(node->hub->root, SKIO_LOG_DEBUG,
                     "redis: \"%s\" was moved away from %s", topic->name,
                     node->name);
    topic->in_force = false;
    skio__redis_topic_settle(topic);
    skio__redis_nodes_look(node->hub);
}

static bool
is_text(const struct skio__redis_reply *reply, const char *text)
{
    size_t len = strlen(text);

    return reply->len == len && memcmp(reply->str, text, len) == 0;
}

/* message, pmessage, smessage */
static bool
read_message(struct skio__redis_node *node,
             const struct skio__redis_reply *reply)
{
    const struct skio__redis_reply *const *parts =
        (const struct skio__redis_reply *const *)reply->elements;
    enum skio__redis_kind kind = SKIO__REDIS_CHANNEL;
    size_t data = 2;
    struct skio__redis_topic *topic;

    if (is_text(parts[0], "pmessage")) {
        kind = SKIO__REDIS_PATTERN;
        data = 3;
    } else if (is_text(parts[0], "smessage")) {
        kind = SKIO__REDIS_SHARD;
    } else if (!is_text(parts[0], "message")) {
        return false;
    }
    if (reply->count != data + 1 || parts[1]->type != SKIO__REDIS_STRING ||
        parts[data - 1]->type != SKIO__REDIS_STRING ||
        parts[data]->type != SKIO__REDIS_STRING)
        return false;

    topic =
        skio__redis_topic_find(node->hub, kind, parts[1]->str, parts[1]->len);
    /* From the node it left, it is the same message again. */
    if (topic != NULL && (topic->node == node || !topic->in_force))
        skio__redis_topic_deliver(topic, parts[data - 1], parts[data]);
    return true;
}

/* [what, name, how many there are now] */
static bool
read_answer(struct skio__redis_node *node,
            const struct skio__redis_reply *reply)
{
    static const char *const kinds[SKIO__REDIS_KINDS] = {"", "p", "s"};
    const struct skio__redis_reply *what = reply->elements[0];
    const struct skio__redis_reply *name = reply->elements[1];
    int kind;

    if (reply->count != 3 || name->type != SKIO__REDIS_STRING)
        return false;
    for (kind = 0; kind < SKIO__REDIS_KINDS; kind++) {
        size_t len = strlen(kinds[kind]);
        struct skio__redis_reply rest = *what;

        if (what->len < len || memcmp(what->str, kinds[kind], len) != 0)
            continue;
        rest.str += len;
        rest.len -= len;
        if (is_text(&rest, "subscribe")) {
            read_subscribed(node, (enum skio__redis_kind)kind, name);
            return true;
        }
        if (is_text(&rest, "unsubscribe")) {
            read_unsubscribed(node, (enum skio__redis_kind)kind, name);
            return true;
        }
    }
    return false;
}

void
skio__redis_topics_push(struct skio__redis_node *node,
                        const struct skio__redis_reply *reply)
{
    struct skio__redis *hub = skio__redis_ref(node->hub);

    if (reply->type == SKIO__REDIS_ERROR)
        read_error(node, reply);
    else if (reply->type != SKIO__REDIS_ARRAY || reply->count < 3 ||
             reply->elements[0]->type != SKIO__REDIS_STRING ||
             (!read_message(node, reply) && !read_answer(node, reply)))
        skio__redis_link_reset(node->subscriptions, SKIO_EPROTO,
                               "a message that is none");
    /* Nodes are freed in the hub's own turn alone: this one is still there. */
    skio__redis_topics_pump(node);
    skio__redis_unref(hub);
}
