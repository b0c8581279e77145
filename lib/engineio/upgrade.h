/*
 * The upgrade of a session from polling to WebSocket (protocol v4, "Upgrade")
 *
 *      101 ──▶ probing ── `2probe` ▶ `3probe`, then, and every 100 ms, a
 *                │                   waiting poll is released with a noop
 *                ├────── `5` ──────▶ the WebSocket takes the session over
 *                └─ anything else, or upgrade_timeout ─▶ Close frame; the
 *                                    session stays on polling
 */
#ifndef SKIO_ENGINEIO_UPGRADE_H
#define SKIO_ENGINEIO_UPGRADE_H

#include "engineio/session.h"

struct eio_upgrade {
    struct skio_session *session;
    skio_ws *ws;
    struct skio__fifo_node timeout; /* in upgrade_due */
    struct skio__fifo_node noop;    /* in noop_due, once probed */
};

/* Begin with a new WebSocket. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__upgrade_start(struct skio_session *session, skio_ws *ws)
    SKIO_MUST_CHECK;

/* A packet, or NULL for what was none, on the WebSocket that probes. */
struct eio_packet;
void skio__upgrade_receive(struct skio_session *session,
                           const struct eio_packet *packet);

/* Forget the probe; its WebSocket is closed unless it has gone. */
void skio__upgrade_forget(struct skio_session *session, bool ws_is_gone);

void skio__upgrade_timeout(struct eio_engine *engine, uint64_t now_ms);

#endif /* SKIO_ENGINEIO_UPGRADE_H */
