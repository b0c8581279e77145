#include "engineio/heartbeat.h"

#include "base/compiler.h"

/*
 * A ping that is late by no more than this counts from when it was due, so
 * that a peer is given up pingInterval + pingTimeout after its last pong and
 * no lateness adds up. After a longer stall the peer gets its full timeout.
 */
#define LATE_MS 100

/*
 * Sessions that are due are looked after so many at a time, and what came in
 * meanwhile has its turn between: clients that connected in one burst are all
 * due at once, ever after.
 */
#define SLICE 8

void
skio__heartbeat_arm(struct eio_engine *engine, struct skio__fifo *fifo,
                    struct skio__fifo_node *node, uint64_t now_ms)
{
    /* On a list with entries the new one is last: nothing is due earlier. */
    bool was_empty = skio__fifo_peek_due(fifo) == SKIO__NEVER;

    skio__fifo_push(fifo, node, now_ms);
    if (was_empty && engine->hooks.wants_timer != NULL)
        engine->hooks.wants_timer(engine->transport);
}

void
skio__heartbeat_start(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    skio__fifo_remove(&session->timer);
    session->awaits_pong = false;
    skio__heartbeat_arm(engine,
                        session->protocol == 3 ? &engine->client_due
                                               : &engine->ping_due,
                        &session->timer, skio__engine_now(engine));
}

void
skio__heartbeat_stop(struct skio_session *session)
{
    skio__fifo_remove(&session->timer);
    session->awaits_pong = false;
}

void
skio__heartbeat_ping(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    skio__heartbeat_start(session);
    if (skio__session_queue(session, engine->pong) == SKIO_ENOMEM)
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
}

void
skio__heartbeat_pong(struct skio_session *session)
{
    skio__heartbeat_start(session);
}

void
skio__heartbeat_grant(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    session->had_grace = true;
    skio__fifo_remove(&session->timer);
    skio__heartbeat_arm(engine, &engine->pong_due, &session->timer,
                        skio__engine_now(engine));
}

static void
ping(struct skio_session *session, uint64_t due_ms, uint64_t now_ms)
{
    struct eio_engine *engine = session->engine;
    int err = skio__session_queue(session, engine->ping);

    if (err == SKIO_ENOMEM) {
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
        return;
    }
    /* Doomed by the ping: the flush of this turn closes it. */
    session->awaits_pong = true;
    session->had_grace = false;
    skio__heartbeat_arm(engine, &engine->pong_due, &session->timer,
                        now_ms - due_ms <= LATE_MS ? due_ms : now_ms);
}

/* End those whose time is over; returns what is left of the slice. */
static unsigned
give_up(struct skio__fifo *fifo, uint64_t now_ms, enum skio_disconnect reason,
        unsigned slice)
{
    struct skio__fifo_node *node;

    while (slice > 0 && (node = skio__fifo_pop_due(fifo, now_ms)) != NULL) {
        skio__session_end(skio__container_of(node, struct skio_session, timer),
                          reason, "1", true);
        slice--;
    }
    return slice;
}

void
skio__heartbeat_timeout(struct eio_engine *engine, uint64_t now_ms)
{
    struct skio__fifo_node *node;
    unsigned pings = SLICE;
    unsigned ends = SLICE;

    while (pings > 0 &&
           (node = skio__fifo_pop_due(&engine->ping_due, now_ms)) != NULL) {
        ping(skio__container_of(node, struct skio_session, timer), node->due_ms,
             now_ms);
        pings--;
    }

    ends =
        give_up(&engine->pong_due, now_ms, SKIO_DISCONNECT_PING_TIMEOUT, ends);
    ends = give_up(&engine->client_due, now_ms, SKIO_DISCONNECT_PING_TIMEOUT,
                   ends);
    (void)give_up(&engine->linger_due, now_ms, SKIO_DISCONNECT_FORCED_CLOSE,
                  ends);
}
