/*
 * The insides of what a server has with Redis, for the files redis*.c
 *
 * A node is one Redis server with a link for commands and, once something is
 * subscribed there, another for subscriptions. Outside of a Redis Cluster there
 * is one; inside, one for each master, and a table says which has a slot.
 *
 * A topic is a channel or a pattern with those who listen to it. It is always
 * in exactly one ring:
 *
 *     lost ──▶ node->queue ──▶ node->sent ──▶ node->rest
 *      ▲            ▲              │  │           │
 *      │            └──────────────┘  │           │ nobody listens any more,
 *      └── no node   not as wanted    ▼           │ or Redis took it away:
 *          has it    any more      refused        ▼ the queue again
 *
 * One command at a time is on its way for a topic, so that each answer says how
 * things are. Redis answers in order: what an answer is about is at the head of
 * node->sent, even if it is an error, which has no name in it.
 */
#ifndef SKIO_ADAPTER_REDIS_HUB_H
#define SKIO_ADAPTER_REDIS_HUB_H

#include <socketio/adapter.h>
#include <socketio/namespace.h>

#include "adapter/redis.h"
#include "adapter/redis_slots.h"
#include "base/compiler.h"
#include "base/map.h"

#define SKIO__REDIS_KINDS 3
#define SKIO__REDIS_NODES_MAX 1000
#define SKIO__REDIS_NODE_NAME (SKIO__REDIS_HOST_MAX + 8) /* host:port */

/* A list that is its own end. */
struct skio__redis_ring {
    struct skio__redis_ring *prev;
    struct skio__redis_ring *next;
};

enum skio__redis_where {
    SKIO__REDIS_LOST, /* of the hub: its node is not known */
    SKIO__REDIS_QUEUE,
    SKIO__REDIS_SENT,
    SKIO__REDIS_REST,   /* as it is wanted to be */
    SKIO__REDIS_REFUSED /* of the hub: tried again from time to time */
};

struct skio__redis_topic {
    struct skio__redis_ring ring; /* first, see skio__redis_topic_of() */
    struct skio__map_node by_name;
    struct skio__redis *hub;
    struct skio__redis_node *node; /* in the rings of which it is; or NULL */
    struct skio__redis_sub *subs;
    size_t live;      /* of them, those that were not taken back */
    unsigned walking; /* callbacks of it are running */
    uint32_t command; /* sent: with which */
    enum skio__redis_kind kind;
    enum skio__redis_where where;
    uint16_t slot;
    uint8_t moves;   /* since it was last in force */
    bool is_leaving; /* sent: to end it */
    bool in_force;   /* so Redis said last */
    bool is_renewed; /* the hub is not up before this one is */
    bool is_alone;   /* in a command of its own: one of several was refused */
    bool was_refused;
    size_t len;
    char name[];
};

struct skio__redis_node {
    struct skio__map_node by_name;
    struct skio__redis *hub;
    struct skio__redis_link *commands;
    struct skio__redis_link *subscriptions; /* NULL: not needed yet */
    struct skio__redis_ring queue;
    struct skio__redis_ring sent;
    struct skio__redis_ring rest;
    struct skio__redis_ring requests; /* that wait for the first connection */
    size_t in_flight;                 /* topics sent */
    uint32_t command;
    size_t busy;    /* requests that are on their way, or wait */
    uint32_t slots; /* how many it has */
    bool is_new;    /* its commands link neither stood nor failed yet */
    char host[SKIO__REDIS_HOST_MAX + 1];
    uint16_t port;
    char name[SKIO__REDIS_NODE_NAME];
};

struct skio__redis_forward;

struct skio__redis_watcher {
    struct skio__redis_watcher *next;
    skio__redis_state_fn *fn; /* NULL: taken back while they are called */
    void *user;
};

struct skio__redis {
    skio_server *server;
    skio_nsp *root;
    const skio_allocator *mem;
    size_t refs;
    skio_redis_options options;
    skio_timer *timer; /* always set, so that setting it cannot fail */
    uint64_t wake_at;
    bool is_ready; /* the loop can be used */
    bool is_freed;

    struct skio__map topics[SKIO__REDIS_KINDS];
    struct skio__redis_ring lost;
    struct skio__redis_ring refused;
    uint64_t refused_at; /* when they are tried again */
    size_t renewed;      /* topics that are waited for before it is up */

    struct skio__map nodes;
    struct skio__redis_node *only; /* has all slots; NULL in a cluster */

    /* A Redis Cluster. */
    struct skio__redis_node **owners; /* of each slot; NULL: nobody */
    struct skio__redis_link *seed;    /* host and port of the options; while no
                                         node can be asked */
    uint64_t look_at;                 /* not before */
    bool must_look;
    bool is_full;        /* more masters than there may be */
    size_t look_turn;    /* another node each time */
    size_t waiting_size; /* bytes of requests that wait */

    enum skio_redis_state state;
    bool was_told;     /* of any state */
    bool told_up;      /* what was told last */
    bool is_down_due;  /* a loss is to be told */
    bool said_refused; /* a lost publication was logged since it was up */
    bool said_look;    /* and that the cluster cannot be looked at */
    int err;
    char text[160];
    uint64_t gap_from; /* UINT64_MAX: nothing was missed */
    uint64_t dropped;
    struct skio__redis_forward *forward; /* NULL: nothing is passed on */
    struct skio__redis_watcher *watchers;
    unsigned telling;
};

/* ---- Rings ---- */

static inline void
skio__redis_ring_init(struct skio__redis_ring *ring)
{
    ring->prev = ring;
    ring->next = ring;
}

static inline bool
skio__redis_ring_is_empty(const struct skio__redis_ring *ring)
{
    return ring->next == ring;
}

static inline void
skio__redis_ring_remove(struct skio__redis_ring *at)
{
    at->prev->next = at->next;
    at->next->prev = at->prev;
    skio__redis_ring_init(at);
}

static inline void
skio__redis_ring_append(struct skio__redis_ring *ring,
                        struct skio__redis_ring *at)
{
    at->prev = ring->prev;
    at->next = ring;
    ring->prev->next = at;
    ring->prev = at;
}

/* All of another ring, which is empty then. */
static inline void
skio__redis_ring_take(struct skio__redis_ring *ring,
                      struct skio__redis_ring *from)
{
    skio__redis_ring_init(ring);
    if (skio__redis_ring_is_empty(from))
        return;
    ring->next = from->next;
    ring->prev = from->prev;
    ring->next->prev = ring;
    ring->prev->next = ring;
    skio__redis_ring_init(from);
}

static inline struct skio__redis_topic *
skio__redis_topic_of(struct skio__redis_ring *at)
{
    return skio__container_of(at, struct skio__redis_topic, ring);
}

/* ---- redis.c ---- */

/* Have the hub's own work done in so many milliseconds, at the latest. */
void skio__redis_wake(struct skio__redis *hub, uint32_t delay_ms);

/* It may be up now. */
void skio__redis_check(struct skio__redis *hub);

/* It is not; told to the application later. */
void skio__redis_lost(struct skio__redis *hub, int err, const char *text);

/* Messages of others may have been missed since then. */
void skio__redis_missed(struct skio__redis *hub, uint64_t since_ms);

/* ---- redis_topics.c ---- */

struct skio__redis_topic *skio__redis_topic_find(const struct skio__redis *hub,
                                                 enum skio__redis_kind kind,
                                                 const char *name, size_t len);

/* Put it into a ring, of a node or of the hub. */
void skio__redis_topic_move(struct skio__redis_topic *topic,
                            struct skio__redis_node *node,
                            enum skio__redis_where where,
                            struct skio__redis_ring *ring);

/* See what is to be done with one that is not on its way; it may be freed. */
void skio__redis_topic_settle(struct skio__redis_topic *topic);

/* Have a node be told what is wanted. */
void skio__redis_topic_enqueue(struct skio__redis_topic *topic,
                               struct skio__redis_node *node);

/* Which node has it is not known, or it cannot be had right now. */
void skio__redis_topic_lose(struct skio__redis_topic *topic);

/* Redis does not want it. */
void skio__redis_topic_refuse(struct skio__redis_topic *topic);

/* Run the callbacks; it may be freed then. */
void skio__redis_topic_deliver(struct skio__redis_topic *topic,
                               const struct skio__redis_reply *at,
                               const struct skio__redis_reply *data);

/* All of a node must be subscribed again: its link is gone. */
void skio__redis_topics_down(struct skio__redis_node *node);

/* Other nodes may have them: see where each belongs now. */
void skio__redis_topics_route(struct skio__redis *hub);

/* Find a node for those that had none; ask again for the refused ones. */
void skio__redis_topics_retry(struct skio__redis *hub, uint64_t now_ms);

void skio__redis_topics_free(struct skio__redis *hub);

/* ---- redis_answers.c ---- */

/* A push on the link for subscriptions. */
void skio__redis_topics_push(struct skio__redis_node *node,
                             const struct skio__redis_reply *reply);

/* Send what waits, as much as is good for one turn. */
void skio__redis_topics_pump(struct skio__redis_node *node);

/* ---- redis_nodes.c ---- */

/* The node of a slot, or NULL: unknown. */
struct skio__redis_node *skio__redis_node_of(const struct skio__redis *hub,
                                             uint16_t slot);

/* The one of this name, made if it is new. NULL: no memory, or too many. */
struct skio__redis_node *skio__redis_node_get(struct skio__redis *hub,
                                              const char *host, size_t len,
                                              uint16_t port);

/* Have its link for subscriptions. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__redis_node_subscribes(struct skio__redis_node *node);

/* A node said that another has the slot; host may be empty: its own. NULL as
 * skio__redis_node_get(). */
struct skio__redis_node *skio__redis_node_moved(
    struct skio__redis_node *node, const struct skio__redis_moved *moved);

/* All that are needed stand. */
bool skio__redis_nodes_are_up(const struct skio__redis *hub);

/* Ask who has which slot, soon. */
void skio__redis_nodes_look(struct skio__redis *hub);

/* The loop's turn: make what could not be made, look, forget the useless. */
void skio__redis_nodes_tick(struct skio__redis *hub, uint64_t now_ms);

void skio__redis_nodes_free(struct skio__redis *hub);

/* ---- redis_request.c ---- */

/* The first connection of a node came about, or not. */
void skio__redis_requests_go(struct skio__redis_node *node, bool is_up);

#endif /* SKIO_ADAPTER_REDIS_HUB_H */
