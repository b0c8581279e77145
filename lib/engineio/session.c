#include "engineio/session.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/compiler.h"
#include "base/mem.h"
#include "engineio/forward.h"
#include "engineio/heartbeat.h"
#include "engineio/packet.h"
#include "engineio/polling.h"
#include "engineio/rates.h"
#include "engineio/request.h"
#include "engineio/taps.h"
#include "engineio/upgrade.h"
#include "engineio/websocket.h"

/* False: the random source repeats itself, and the counter has wrapped. */
static bool
make_id(struct eio_engine *engine, char id[SKIO__ID_LEN + 1])
{
    unsigned char random[SKIO__ID_RANDOM];
    int tries;

    for (tries = 0; tries < 8; tries++) {
        skio__engine_random(engine, random, sizeof random);
        skio__id_make(id, random, engine->id_counter++);
        if (skio__session_find(engine, id, SKIO__ID_LEN) == NULL)
            return true;
    }
    return false;
}

static char *
id_at(struct skio_session *session)
{
    return session->has_long_id
               ? (char *)session->upper + skio__rates_end(session->engine)
               : session->own_id;
}

enum eio_limit
skio__session_refused(const struct eio_engine *engine, const char *address)
{
    const skio_server_options *options = engine->options;
    const struct eio_address *counted =
        address != NULL ? skio__address_find(engine, address) : NULL;

    if (engine->shutting_down || engine->draining)
        return EIO_LIMIT_shutdown;
    if (skio__map_count(&engine->sessions) + engine->undecided >=
        options->max_connections)
        return EIO_LIMIT_max_connections;
    if (engine->unconnected + engine->undecided >= options->max_unconnected)
        return EIO_LIMIT_max_unconnected;
    if (counted == NULL)
        return EIO_LIMIT_NONE;
    if (counted->sessions >= options->max_connections_per_address)
        return EIO_LIMIT_max_connections_per_address;
    if (counted->unconnected >= options->max_unconnected_per_address)
        return EIO_LIMIT_max_unconnected_per_address;
    return EIO_LIMIT_NONE;
}

int
skio__session_new(struct eio_engine *engine,
                  struct skio_engine_request *request, uint8_t protocol,
                  const char *id, struct skio_session **out)
{
    char tagged[EIO_TAGGED_ID_LEN + 1];
    size_t id_len = strlen(id);
    const char *address = skio__request_address(request);
    struct skio_session *session;
    size_t size;

    if (skio__session_refused(engine, address) != EIO_LIMIT_NONE)
        return SKIO_ELIMIT;
    if (engine->forward != NULL && id_len == 0) {
        if (!make_id(engine, tagged))
            return SKIO_ENOMEM;
        memcpy(tagged + SKIO__ID_LEN, engine->forward->tag,
               sizeof engine->forward->tag);
        id = tagged;
        id_len = EIO_TAGGED_ID_LEN;
    }
    if (skio__add_overflow(sizeof *session, skio__rates_end(engine), &size) ||
        skio__add_overflow(size, id_len > SKIO__ID_LEN ? id_len + 1 : 0, &size))
        return SKIO_ENOMEM;
    session = skio__mem_calloc(engine->mem, 1, size);
    if (session == NULL)
        return SKIO_ENOMEM;

    session->engine = engine;
    session->dirty.kind = EIO_DIRTY_SESSION;
    session->protocol = protocol;
    session->has_long_id = id_len > SKIO__ID_LEN;
    if (id_len > 0)
        memcpy(id_at(session), id, id_len + 1);
    if ((id_len == 0 && !make_id(engine, session->own_id)) ||
        (id_len > 0 && skio__session_find(engine, id, id_len) != NULL) ||
        skio__address_enter(engine, address, &session->address) != SKIO_OK)
        goto fail;
    if (skio__map_put(&engine->sessions, &session->node, id_at(session),
                      strlen(id_at(session))) != SKIO_OK)
        goto fail_address;

    session->request = skio__request_ref(request);
    engine->unconnected++;
    *out = session;
    return SKIO_OK;

fail_address:
    skio__address_leave(engine, session->address, false);
fail:
    skio__mem_free(engine->mem, session);
    return SKIO_ENOMEM;
}

static void
leave_maps(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    skio__map_remove(&engine->sessions, &session->node);
    skio__address_leave(engine, session->address, session->is_admitted);
    session->address = NULL;
    if (session->is_counted)
        engine->websockets--;
    session->is_counted = false;
    if (engine->draining && skio__map_count(&engine->sessions) == 0)
        skio__engine_want_flush(engine); /* the turn's end notices */
}

void
skio__session_settle(struct skio_session *session, skio_ws *ws)
{
    session->ws = ws;
    session->is_counted = true;
    session->engine->websockets++;
}

void
skio__session_abandon(struct skio_session *session)
{
    skio__session_admit(session);
    leave_maps(session);
    skio__session_free(session);
}

void
skio__session_free(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    skio__dirty_clear(engine, &session->dirty);
    skio__queue_deinit(&session->queue, engine->mem);
    skio__request_unref(session->request);
    skio__mem_free(engine->mem, session);
}

void
skio__session_open(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    session->state = EIO_STATE_OPEN;
    engine->counters.sessions_opened++;
    skio__heartbeat_start(session);
    EIO_TAP(session, connection);
    engine->upper->open(session);
}

struct skio_session *
skio__session_find(const struct eio_engine *engine, const char *id, size_t len)
{
    struct skio__map_node *node = skio__map_find(&engine->sessions, id, len);

    return node != NULL ? skio__container_of(node, struct skio_session, node)
                        : NULL;
}

void
skio__session_detail(struct skio_session *session, const char *format, ...)
{
    struct eio_engine *engine = session->engine;
    va_list args;

    if (session->state != EIO_STATE_OPEN)
        return; /* nothing will be told any more */
    va_start(args, format);
    vsnprintf(engine->detail, sizeof engine->detail, format, args);
    va_end(args);
}

static void
tell_closed(struct skio_session *session, enum skio_disconnect reason)
{
    struct eio_engine *engine = session->engine;

    skio__session_admit(session);
    engine->counters.sessions_closed++;
    skio__log(&engine->log, SKIO_LOG_DEBUG, "session closed: %s%s%s",
              skio_disconnect_name(reason),
              engine->detail[0] != '\0' ? ", " : "", engine->detail);
    if (engine->taps != NULL)
        skio__taps_close(session, reason);
    engine->upper->close(session, reason);
    engine->detail[0] = '\0';
}

void
skio__session_end(struct skio_session *session, enum skio_disconnect reason,
                  const char *poll_body, bool discard)
{
    struct eio_engine *engine = session->engine;
    bool was_open = session->state == EIO_STATE_OPEN;

    if (session->state == EIO_STATE_CLOSED)
        return;
    session->state = EIO_STATE_CLOSED;
    skio__heartbeat_stop(session);
    skio__upgrade_forget(session, false);
    skio__polling_release(session, poll_body);
    if (session->post != NULL) {
        /* Its body is still on the way; answered when that ends. */
        session->post->session = NULL;
        session->post = NULL;
    }
    if (session->ws != NULL)
        skio__ws_detach(session->ws, session, discard, EIO_WS_NO_STATUS);
    skio__dirty_clear(engine, &session->dirty);
    leave_maps(session);
    session->next_dead = engine->dead;
    engine->dead = session;

    if (was_open)
        tell_closed(session, reason);
}

bool
skio__session_closes_at_once(const struct skio_session *session)
{
    return session->ws != NULL || session->poll != NULL;
}

void
skio__session_close(struct skio_session *session, enum skio_disconnect reason,
                    bool discard)
{
    struct eio_engine *engine = session->engine;

    if (session->state == EIO_STATE_CLOSED ||
        (session->state == EIO_STATE_CLOSING && !discard))
        return;
    if (discard || session->ws != NULL) {
        skio__session_end(session, reason, "1", discard);
        return;
    }

    /* Polling: the next poll takes what is queued, the one after it a close
     * packet. A probe may still win: then the WebSocket gets both. */
    session->state = EIO_STATE_CLOSING;
    skio__heartbeat_stop(session);
    skio__heartbeat_arm(engine, &engine->linger_due, &session->timer,
                        skio__engine_now(engine));
    if (session->poll != NULL)
        skio__dirty_mark(engine, &session->dirty);
    tell_closed(session, reason);
}

void
skio__session_admit(struct skio_session *session)
{
    if (session->is_admitted)
        return;
    session->is_admitted = true;
    session->engine->unconnected--;
    skio__address_admit(session->address);
}

/* ---- Packets in ---- */

static void
leave(struct skio_session *session)
{
    /*
     * The poll that waits is released. If none does, one may have been sent
     * before the close packet and be read after it in this turn, since a loop
     * keeps no order between connections: it shall be released as well.
     */
    if (session->ws == NULL && session->poll == NULL &&
        session->state == EIO_STATE_OPEN)
        skio__session_doom(session, SKIO_DISCONNECT_TRANSPORT_CLOSE);
    else
        /* Node ignores it on a WebSocket, where a ping timeout ends it. */
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_CLOSE, "6", true);
}

static void
wrong_way(struct skio_session *session)
{
    skio__session_detail(session, "invalid heartbeat direction");
    skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
}

static void
tell_beat(struct skio_session *session)
{
    const struct eio_upper *upper = session->engine->upper;

    if (session->state == EIO_STATE_OPEN && upper->beat != NULL)
        upper->beat(session);
}

/* What is neither a message nor a close packet. */
static skio__rare void
take_signal(struct skio_session *session, enum eio_type type)
{
    bool is_beat = type == (session->protocol == 3 ? EIO_PING : EIO_PONG);

    if (type != EIO_PONG)
        skio__heartbeat_other(session);
    if (type != EIO_PING && type != EIO_PONG)
        return;     /* open, upgrade, noop: nothing, as in Node */
    if (!is_beat) { /* each protocol has its side that pings */
        wrong_way(session);
        return;
    }
    if (type == EIO_PING)
        skio__heartbeat_ping(session);
    else
        skio__heartbeat_pong(session);
    session->engine->counters.heartbeats++;
    tell_beat(session);
}

/* A packet that an open session is for, and that is not base64 any more. */
static inline void
take(struct skio_session *session, const struct eio_packet *packet)
{
    struct eio_engine *engine = session->engine;

    if (engine->is_tapped)
        skio__taps_received(session, packet);
    if (packet->type != EIO_MESSAGE) {
        take_signal(session, packet->type);
        return;
    }
    skio__heartbeat_other(session);
    engine->upper->message(session, packet->data, packet->len, packet->binary);
}

static void
take_base64(struct skio_session *session, const struct eio_packet *packet)
{
    const skio_allocator *mem = session->engine->mem;
    struct eio_packet plain = *packet;
    unsigned char *bytes = skio__mem_alloc(mem, packet->len);
    ptrdiff_t len;

    if (bytes == NULL) {
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
        return;
    }
    len = skio__base64_decode(packet->data, packet->len, bytes);
    if (len < 0) {
        skio__session_parse_error(session);
    } else {
        plain.data = (const char *)bytes;
        plain.len = (size_t)len;
        plain.base64 = false;
        take(session, &plain);
    }
    skio__mem_free(mem, bytes);
}

/* Apart, so that who limits nothing pays a branch alone. */
static skio__rare void
take_at_rate(struct skio_session *session, const struct eio_packet *packet)
{
    if (!skio__rates_bytes(session, packet->len))
        return;
    if (packet->base64 && packet->len > 0)
        take_base64(session, packet);
    else
        take(session, packet);
}

void
skio__session_receive(struct skio_session *session,
                      const struct eio_packet *packet)
{
    session->engine->counters.packets_in++;
    if (skio__session_is_left(session))
        return;
    if (packet->type == EIO_CLOSE) {
        leave(session);
        return;
    }
    if (session->state != EIO_STATE_OPEN)
        return;
    if (skio__unlikely(session->engine->rates != NULL))
        take_at_rate(session, packet);
    else if (packet->base64 && packet->len > 0)
        take_base64(session, packet);
    else
        take(session, packet);
}

void
skio__session_parse_error(struct skio_session *session)
{
    /* One that is closing hears nothing any more, as in Node. */
    if (session->state != EIO_STATE_OPEN || skio__session_is_left(session))
        return;
    session->engine->counters.parse_errors++;
    skio__session_detail(session, "what came is no Engine.IO packet");
    skio__session_end(session, SKIO_DISCONNECT_PARSE_ERROR, "1", true);
}

void
skio__session_bad_text(struct skio_session *session)
{
    assert(session->ws != NULL); /* polling checks whole payloads */
    session->engine->counters.packets_in--;
    skio__ws_bad_text(session->ws);
}

bool
skio__session_is_open(const struct skio_session *session)
{
    return session->state == EIO_STATE_OPEN;
}

const char *
skio__session_transport(const struct skio_session *session)
{
    return session->ws != NULL || session->is_upgraded ? "websocket"
                                                       : "polling";
}

const char *
skio__session_id(const struct skio_session *session)
{
    return session->has_long_id
               ? (const char *)session->upper + skio__rates_end(session->engine)
               : session->own_id;
}

struct skio_engine_request *
skio__session_request(const struct skio_session *session)
{
    return session->request;
}
