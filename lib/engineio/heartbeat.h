/*
 * Heartbeat, protocol 4: the server pings, the client pongs
 *
 *      ping_due (ping_interval) ──▶ ping queued, pong_due (ping_timeout)
 *         ▲                             │ pong       │ passed
 *         └─────────────────────────────┘            ▼ ping timeout
 */
#ifndef SKIO_ENGINEIO_HEARTBEAT_H
#define SKIO_ENGINEIO_HEARTBEAT_H

#include "engineio/session.h"

/* When a ping is to go out, or SKIO__NEVER: before it is due where many are. */
uint64_t skio__heartbeat_next_due(const struct eio_engine *engine);

/* The session is open, or was upgraded: the next ping is due in an interval. */
void skio__heartbeat_start(struct skio_session *session);

void skio__heartbeat_stop(struct skio_session *session);

/* A pong came, asked for or not. */
void skio__heartbeat_ping(struct skio_session *session); /* protocol 3 */
void skio__heartbeat_pong(struct skio_session *session);

/*
 * Another packet came: the first one after a ping restarts its timeout, so
 * that a busy uplink is not taken for a dead one (engine.io 6.6.11).
 */
void skio__heartbeat_grant(struct skio_session *session);

static inline void
skio__heartbeat_other(struct skio_session *session)
{
    if (session->awaits_pong && !session->had_grace)
        skio__heartbeat_grant(session);
}

/* Ping who is due, give up who did not answer: a slice of them. Others may be
 * due still. */
void skio__heartbeat_timeout(struct eio_engine *engine, uint64_t now_ms);

/* Push on a timer list; tells the transport when that is the earliest now. */
void skio__heartbeat_arm(struct eio_engine *engine, struct skio__fifo *fifo,
                         struct skio__fifo_node *node, uint64_t now_ms);

#endif /* SKIO_ENGINEIO_HEARTBEAT_H */
