/*
 * The adapter on a stream: what its halves share
 *
 * redis_streams.c carries messages. For recovery redis_order.c delivers events
 * in the stream's order, redis_sessions.c keeps sessions, redis_restore.c finds
 * what a client missed.
 */
#ifndef SKIO_ADAPTER_REDIS_STREAMS_H
#define SKIO_ADAPTER_REDIS_STREAMS_H

#include "adapter/redis_adapter.h"
#include "adapter/redis_reader.h"

struct skio__waiting; /* an event of ours that waits for its offset */
struct skio__restore; /* a client that comes back */

/* Somebody who was told what is in the stream up to a place that this server
 * has not read yet. */
struct skio__ahead {
    struct skio__ahead *next;
    struct skio__stream_id until;
    char sid[64];
};

struct skio__streams {
    struct skio__cluster cluster;
    skio_adapter_ops ops; /* with recovery: not those of every cluster */
    struct skio__redis *redis;
    struct skio__redis_reader *reader;
    struct skio__stream_listener listener;
    struct skio__redis_sub *common; /* questions */
    struct skio__redis_sub *own;    /* answers */
    struct skio__buf channel;       /* scratch */
    struct skio__buf data;          /* scratch */

    /* Recovery; without, nothing of it is used. */
    bool recovers;
    bool is_ordered;    /* events of ours are delivered when they are read */
    uint64_t seq;       /* of our latest entry */
    uint64_t delivered; /* our entries up to this one were delivered already */
    struct skio__waiting *first;
    struct skio__waiting *last;
    size_t waiting_bytes;
    skio_timer *patience; /* runs while one waits */
    bool is_impatient;    /* it has run out once */
    struct skio__ahead *ahead;
    struct skio__restore *restores;
    skio_timer *refresh;    /* of the sessions' time to live */
    struct skio__buf fresh; /* keys whose turn is still to come */
    size_t fresh_at;
    struct skio__buf stale; /* private ids of sessions to be deleted */
};

static inline struct skio__streams *
skio__streams_of(const skio_adapter *adapter)
{
    return (struct skio__streams *)(uintptr_t)adapter;
}

/* ---- redis_streams.c ---- */

/* Add an entry. seq: our number for it; 0: none. Returns SKIO_OK, or why it is
 * not on its way, which was counted. */
int skio__streams_add(struct skio__streams *streams,
                      const struct skio__wire_message *message, uint64_t seq);

/* What an entry says; its memory is the arena's. SKIO_OK, or why it says
 * nothing. */
int skio__streams_decode(struct skio__streams *streams,
                         const struct skio__stream_entry *entry,
                         struct skio__wire_message *message);

/* Tell the others that a session is ours from now on. */
void skio__streams_take(struct skio__streams *streams, const char *sid);

/* ---- redis_order.c ---- */

int skio__order_init(struct skio__streams *streams);
void skio__order_deinit(struct skio__streams *streams);
/* The server stops: what waits is in the stream, for those who come back. */
void skio__order_close(struct skio__streams *streams);
/* Whether events can wait for their place may have changed. */
void skio__order_look(struct skio__streams *streams);

/* For the table of operations. */
int skio__order_broadcast(skio_adapter *adapter, skio_message *message,
                          const skio_target *target);
int skio__order_sockets_leave(skio_adapter *adapter, const skio_target *target,
                              const char *room);
int skio__order_sockets_disconnect(skio_adapter *adapter,
                                   const skio_target *target, bool close);

void skio__order_deliver_now(skio_adapter *adapter, skio_socket *socket);

/* Deliver to those who are here and do not know the entry already, with its
 * offset. Memory is the arena's. */
void skio__order_deliver(struct skio__streams *streams, skio_message *message,
                         skio_target *target,
                         const struct skio__stream_entry *entry);
/* An entry of ours was read. */
void skio__order_own(struct skio__streams *streams,
                     const struct skio__stream_entry *entry);
/* Everything up to a place was read. */
void skio__order_read(struct skio__streams *streams, struct skio__stream_id id);
/* Somebody knows everything up to a place. SKIO_OK or SKIO_ENOMEM. */
int skio__order_ahead(struct skio__streams *streams, const char *sid,
                      struct skio__stream_id until);

/* ---- redis_sessions.c ---- */

int skio__streams_session_save(skio_adapter *adapter,
                               const skio_adapter_session *session);
void skio__streams_session_end(skio_adapter *adapter, const char *pid,
                               const char *sid);
/* Returns SKIO_OK or SKIO_ENOMEM. */
int skio__streams_sessions_init(struct skio__streams *streams);
void skio__streams_sessions_deinit(struct skio__streams *streams);
/* Redis can be asked again: what was to be deleted is. */
void skio__streams_sessions_up(struct skio__streams *streams);
/* Clients of this server got events without an offset: none of their sessions
 * says the truth any more. */
void skio__streams_sessions_give_up(struct skio__streams *streams);
/* The key of a session, appended. Returns buf->err. */
int skio__streams_session_key(struct skio__buf *buf,
                              const struct skio__streams *streams,
                              const char *pid);

/* ---- redis_restore.c ---- */

int skio__streams_session_restore(skio_adapter *adapter, const char *pid,
                                  const char *offset,
                                  skio_adapter_restoring *restoring);
int skio__streams_session_missed(skio_adapter *adapter,
                                 const skio_adapter_session *session,
                                 const char *offset,
                                 skio_adapter_restoring *restoring);

/* Answer those who wait to be restored: they are not. */
void skio__streams_sessions_close(struct skio__streams *streams);

#endif /* SKIO_ADAPTER_REDIS_STREAMS_H */
