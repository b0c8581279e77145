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

/*
 * From so many sessions on pings are spread: one goes out each interval / n,
 * early if need be, so that those who came in one burst are strung out over an
 * interval instead of being due together. Never sooner than a tenth of an
 * interval after the last: who is new is not pinged at once.
 */
#define CROWD 500
#define REST_PART 10

/* The least n that makes the pace worth its wake-ups; 0: there is no crowd. */
static uint64_t
crowd_of(const struct eio_engine *engine)
{
    size_t count = skio__map_count(&engine->sessions);

    return count >= CROWD ? count : 0;
}

/* When a session that is due then may be pinged. */
static uint64_t
earliest(const struct eio_engine *engine, uint64_t due_ms)
{
    uint64_t interval = engine->ping_due.delay_ms;

    return due_ms - (interval - interval / REST_PART);
}

/* Credit is counted in milliseconds times sessions: a ping costs an interval
 * of it. What was not used in a few turns is gone, or it were a burst again. */
static void
earn(struct eio_engine *engine, uint64_t crowd, uint64_t now_ms)
{
    uint64_t most = SLICE * engine->ping_due.delay_ms;
    uint64_t passed = now_ms - engine->pace_ms;

    engine->pace_ms = now_ms;
    if (crowd == 0 || passed >= most / crowd)
        engine->pace_credit = crowd == 0 ? 0 : most;
    else if ((engine->pace_credit += passed * crowd) > most)
        engine->pace_credit = most;
}

static void
spend(struct eio_engine *engine)
{
    uint64_t interval = engine->ping_due.delay_ms;

    engine->pace_credit -=
        engine->pace_credit < interval ? engine->pace_credit : interval;
}

uint64_t
skio__heartbeat_next_due(const struct eio_engine *engine)
{
    uint64_t due = skio__fifo_peek_due(&engine->ping_due);
    uint64_t crowd = crowd_of(engine);
    uint64_t interval = engine->ping_due.delay_ms;
    uint64_t early;
    uint64_t paid = engine->pace_ms;

    if (crowd == 0 || due == SKIO__NEVER)
        return due;
    early = earliest(engine, due);
    if (engine->pace_credit < interval)
        paid += (interval - engine->pace_credit + crowd - 1) / crowd;
    if (early < paid)
        early = paid;
    return early < due ? early : due;
}

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
    /* the pace begins: something is due earlier than before */
    if (skio__map_count(&engine->sessions) == CROWD &&
        engine->hooks.wants_timer != NULL)
        engine->hooks.wants_timer(engine->transport);
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

/* Those who are due, then those whose turn the pace brings forward. */
static void
send_pings(struct eio_engine *engine, uint64_t now_ms)
{
    struct skio__fifo *fifo = &engine->ping_due;
    struct skio__fifo_node *node;
    unsigned left = SLICE;

    earn(engine, crowd_of(engine), now_ms);
    while (left > 0 && (node = skio__fifo_pop_due(fifo, now_ms)) != NULL) {
        ping(skio__container_of(node, struct skio_session, timer), node->due_ms,
             now_ms);
        spend(engine);
        left--;
    }
    while (left > 0 && skio__fifo_peek_due(fifo) != SKIO__NEVER &&
           earliest(engine, skio__fifo_peek_due(fifo)) <= now_ms &&
           engine->pace_credit >= fifo->delay_ms) {
        spend(engine);
        node = skio__fifo_pop_due(fifo, skio__fifo_peek_due(fifo));
        ping(skio__container_of(node, struct skio_session, timer), now_ms,
             now_ms);
        left--;
    }
}

void
skio__heartbeat_timeout(struct eio_engine *engine, uint64_t now_ms)
{
    unsigned ends = SLICE;

    send_pings(engine, now_ms);
    ends =
        give_up(&engine->pong_due, now_ms, SKIO_DISCONNECT_PING_TIMEOUT, ends);
    ends = give_up(&engine->client_due, now_ms, SKIO_DISCONNECT_PING_TIMEOUT,
                   ends);
    (void)give_up(&engine->linger_due, now_ms, SKIO_DISCONNECT_FORCED_CLOSE,
                  ends);
}
