#include "engineio/upgrade.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "engineio/heartbeat.h"
#include "engineio/packet.h"
#include "engineio/polling.h"
#include "engineio/taps.h"
#include "engineio/websocket.h"

int
skio__upgrade_start(struct skio_session *session, skio_ws *ws)
{
    struct eio_engine *engine = session->engine;
    struct eio_upgrade *upgrade =
        skio__mem_calloc(engine->mem, 1, sizeof *upgrade);

    if (upgrade == NULL)
        return SKIO_ENOMEM;
    upgrade->session = session;
    upgrade->ws = ws;
    session->upgrade = upgrade;
    ws->session = session;
    skio__heartbeat_arm(engine, &engine->upgrade_due, &upgrade->timeout,
                        skio__engine_now(engine));
    return SKIO_OK;
}

static skio_ws *
take_ws(struct skio_session *session)
{
    struct eio_upgrade *upgrade = session->upgrade;
    skio_ws *ws = upgrade->ws;

    skio__fifo_remove(&upgrade->timeout);
    skio__fifo_remove(&upgrade->noop);
    skio__mem_free(session->engine->mem, upgrade);
    session->upgrade = NULL;
    session->wants_noop = false;
    return ws;
}

void
skio__upgrade_forget(struct skio_session *session, bool ws_is_gone)
{
    skio_ws *ws;

    if (session->upgrade == NULL)
        return;
    ws = take_ws(session);
    ws->session = NULL;
    if (!ws_is_gone)
        skio__ws_close(ws, EIO_WS_NO_STATUS);
}

static void
commit(struct skio_session *session)
{
    skio_ws *ws = take_ws(session);

    /* A client that has not paused its polling loses that poll to a close
     * packet, as from Node; what was queued goes over the WebSocket. */
    skio__polling_leave(session);
    skio__session_settle(session, ws);
    session->is_upgraded = true;
    session->engine->counters.upgrades++;
    EIO_TAP(session, upgrade);
    session->wants_base64 = ws->wants_base64;
    session->window_bits = ws->window_bits;
    skio__dirty_clear(session->engine, &session->dirty);

    if (session->state == EIO_STATE_CLOSING) {
        skio__session_end(session, SKIO_DISCONNECT_FORCED_CLOSE, "1", false);
        return;
    }
    /* A pong may have been lost with the old transport: Node never pings such
     * a session again, here a new interval begins. */
    if (session->awaits_pong)
        skio__heartbeat_start(session);
    if (session->doom != 0)
        skio__dirty_mark(session->engine, &session->dirty);
    else
        skio__dirty_mark(session->engine, &ws->dirty);
}

/* Have a poll that waits answered, so that the client can go on. */
static void
release_poll(struct skio_session *session)
{
    if (session->poll == NULL)
        return;
    session->wants_noop = true;
    skio__dirty_mark(session->engine, &session->dirty);
}

void
skio__upgrade_receive(struct skio_session *session,
                      const struct eio_packet *packet)
{
    struct eio_engine *engine = session->engine;
    struct eio_upgrade *upgrade = session->upgrade;

    if (packet != NULL && packet->type == EIO_PING && packet->len == 5 &&
        memcmp(packet->data, "probe", 5) == 0 &&
        skio__ws_answer_probe(upgrade->ws)) {
        EIO_TAP(session, upgrading);
        /* Node first does so 100 ms later, which each upgrade waits for. The
         * answer to the probe goes out before, so that a client has paused its
         * polling by then; one that has not, polls again. */
        release_poll(session);
        skio__fifo_remove(&upgrade->noop);
        skio__heartbeat_arm(engine, &engine->noop_due, &upgrade->noop,
                            skio__engine_now(engine));
    } else if (packet != NULL && packet->type == EIO_UPGRADE) {
        commit(session);
    } else {
        skio__upgrade_forget(session, false);
    }
}

void
skio__upgrade_timeout(struct eio_engine *engine, uint64_t now_ms)
{
    struct skio__fifo_node *node;
    struct eio_upgrade *upgrade;

    while ((node = skio__fifo_pop_due(&engine->upgrade_due, now_ms)) != NULL) {
        upgrade = skio__container_of(node, struct eio_upgrade, timeout);
        skio__upgrade_forget(upgrade->session, false);
    }

    while ((node = skio__fifo_pop_due(&engine->noop_due, now_ms)) != NULL) {
        upgrade = skio__container_of(node, struct eio_upgrade, noop);
        release_poll(upgrade->session);
        skio__heartbeat_arm(engine, &engine->noop_due, node, now_ms);
    }
}
