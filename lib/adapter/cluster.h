/*
 * An adapter that is one of a cluster: what all of them have in common
 *
 * The memory adapter serves this server's sockets; beside it each operation is
 * said to the other servers, and what they say is done here. How messages
 * travel is the carrier's: Redis channels, a stream.
 *
 *     cluster.c       operations of this server, said to the others
 *     cluster_ask.c   questions to the others, and their answers
 *     cluster_hear.c  what the others say
 *
 * This server acts for itself at once and ignores what it hears of itself, so
 * its clients are served whether the others can be reached or not.
 */
#ifndef SKIO_ADAPTER_CLUSTER_H
#define SKIO_ADAPTER_CLUSTER_H

#include <socketio/adapter.h>
#include <socketio/loop.h>

#include "adapter/wire.h"
#include "base/arena.h"
#include "base/map.h"

#define SKIO__CLUSTER_ID_MAX 16
#define SKIO__CLUSTER_NAME_MAX 63 /* of a uid or request that is answered */

struct skio__cluster;

/* How many servers hear, this one included. err: SKIO_OK, or why nobody knows.
 */
typedef void skio__cluster_count_fn(int err, size_t servers, void *user);

struct skio__carrier {
    /* Listen, once the namespace can be found. It may fail later. */
    void (*open)(struct skio__cluster *cluster);
    /* Listen no more; twice is once. */
    void (*close)(struct skio__cluster *cluster);
    /* Free the carrier's part, and the whole. */
    void (*free)(struct skio__cluster *cluster);
    /*
     * Say a message to the others; uid and nsp are set. to: to this server
     * alone, where that can be done; NULL: to all. Returns SKIO_OK, or why it
     * was not sent.
     */
    int (*send)(struct skio__cluster *cluster,
                const struct skio__wire_message *message, const char *to);
    /* fn runs later, exactly once when SKIO_OK is returned. */
    int (*count)(struct skio__cluster *cluster, skio__cluster_count_fn *fn,
                 void *user);
    /* A room of this server has its first member, or lost its last; NULL: the
     * carrier does not care. */
    void (*room)(struct skio__cluster *cluster, const char *room,
                 bool has_members);
    uint32_t id_len; /* of uids and the names of requests */
    bool id_is_hex;
    bool has_all_rooms; /* there is a request for the names of all rooms */
};

/* Limits, of the options of the adapter. */
struct skio__cluster_limits {
    uint32_t requests_timeout_ms;
    uint32_t max_requests;
    uint32_t max_servers;
    uint32_t max_fetched;
    size_t max_answer_bytes; /* of all servers to one request */
    struct skio__wire_limits wire;
};

struct skio__cluster {
    struct skio_adapter base;
    skio_adapter *local;
    skio_server *server;
    const skio_allocator *mem;
    const struct skio__carrier *carrier;
    struct skio__cluster_limits limits;
    char uid[SKIO__CLUSTER_ID_MAX + 1];
    bool is_shut;
    struct skio__map requests;         /* name -> struct request */
    struct skio__arena arena;          /* what is decoded, until it is done */
    struct skio__buf bytes;            /* what is encoded, for carriers */
    struct skio__answering *answering; /* questions that clients answer */
    uint32_t answering_count;
};

static inline struct skio__cluster *
skio__cluster_of(const skio_adapter *adapter)
{
    return (struct skio__cluster *)(uintptr_t)adapter;
}

/* ---- cluster.c ---- */

/*
 * Make the common part of an adapter that begins with it. On failure nothing
 * is left to free but the block itself. Returns SKIO_OK or SKIO_ENOMEM.
 */
int skio__cluster_init(struct skio__cluster *cluster, skio_nsp *nsp,
                       const struct skio__carrier *carrier,
                       const struct skio__cluster_limits *limits);
/* What the carrier's free() begins with. */
void skio__cluster_deinit(struct skio__cluster *cluster);

/* The operations, for a table of an adapter's own that changes some. */
extern const skio_adapter_ops skio__cluster_ops;

/* A message that this server says. */
void skio__cluster_begin(const struct skio__cluster *cluster,
                         struct skio__wire_message *message,
                         enum skio__wire_type type);
/* Whom it is for, the sender among those who are left out: memory is the
 * arena's. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__cluster_aim(struct skio__cluster *cluster,
                      struct skio__wire_message *message,
                      const skio_target *target);
/* What is sent: memory is the arena's. */
int skio__cluster_load(struct skio__cluster *cluster,
                       struct skio__wire_message *message,
                       const skio_message *loaded);
int skio__cluster_send(struct skio__cluster *cluster,
                       const struct skio__wire_message *message,
                       const char *to);
/* Say a JOIN, a LEAVE or a DISCONNECT, unless the target is local. */
void skio__cluster_say(struct skio__cluster *cluster, enum skio__wire_type type,
                       const skio_target *target, const char *room, bool close);
/* Unpredictable, of the carrier's kind; out has room for the longest. */
void skio__cluster_make_id(const struct skio__cluster *cluster, char *out);

static inline bool
skio__cluster_is_local(const skio_target *target)
{
    return target != NULL && (target->flags & SKIO_LOCAL) != 0;
}

/* ---- cluster_ask.c: for the table of operations ---- */

int skio__cluster_broadcast_asking(skio_adapter *adapter, skio_message *message,
                                   const skio_target *target,
                                   struct skio_asking *asking);
int skio__cluster_fetch(skio_adapter *adapter, const skio_target *target,
                        skio_fetch_fn *fn, void *user);
int skio__cluster_sockets_count(skio_adapter *adapter,
                                const skio_target *target, skio_count_fn *fn,
                                void *user);
int skio__cluster_rooms_fetch(skio_adapter *adapter, skio_rooms_fn *fn,
                              void *user);
int skio__cluster_server_count(skio_adapter *adapter, skio_count_fn *fn,
                               void *user);
int skio__cluster_server_side_emit(skio_adapter *adapter, skio_message *message,
                                   struct skio_server_asking *asking);

/* An answer has come, checked by the wire. */
void skio__cluster_answered(struct skio__cluster *cluster,
                            const struct skio__wire_message *message);
/* End what is asked, with SKIO_ECLOSED. */
void skio__cluster_give_up(struct skio__cluster *cluster);

/* ---- cluster_hear.c ---- */

/* Another server says this, checked by the wire. */
void skio__cluster_hear(struct skio__cluster *cluster,
                        const struct skio__wire_message *message);
/* The clients' answers that are still due find nobody who wants them. */
void skio__cluster_stop_answering(struct skio__cluster *cluster);
int skio__cluster_server_side_answer(skio_adapter *adapter,
                                     const skio_server_asker *asker,
                                     const char *json, size_t len);

#endif /* SKIO_ADAPTER_CLUSTER_H */
