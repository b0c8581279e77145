/*
 * What a session sends: packets wait in its queue until the turn ends, as many
 * as it may have
 */
#include "engineio/session.h"

#include "base/compiler.h"
#include "engineio/compression.h"
#include "engineio/payload3.h"
#include "engineio/polling.h"
#include "engineio/taps.h"
#include "engineio/websocket.h"

static inline void
note_push(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    engine->counters.packets_out++;
    skio__dirty_mark(engine, session->ws != NULL ? &session->ws->dirty
                                                 : &session->dirty);
}

/* Queue as it is, where the session takes anything. */
static skio__rare int
push(struct skio_session *session, struct skio__blob *blob)
{
    int err = skio__queue_push(&session->queue, session->engine->mem, blob);

    if (err == SKIO_OK)
        note_push(session);
    return err;
}

/* Whether it may wait with the others. */
static inline bool
has_room(const struct skio_session *session, const struct skio__blob *blob)
{
    size_t len = skio__blob_frame_len(blob);
    size_t max = session->engine->options->max_outbound_bytes;

    return len <= max && session->queue.bytes <= max - len;
}

/* In the form that its client takes: protocol 3 has one of its own for a binary
 * packet, and there are compressed ones. */
static int
queue_form(struct skio_session *session, struct skio__blob *blob)
{
    struct skio__blob *own = NULL;
    int err = SKIO_ENOBUFS;

    if (session->protocol == 3 && (blob->flags & SKIO__BLOB_BINARY) != 0) {
        own = skio__blob3_new(blob, session->wants_base64);
        if (own == NULL)
            return SKIO_ENOMEM;
        blob = own;
    }
    if (session->window_bits != 0)
        blob =
            skio__compression_of(session->engine, blob, session->window_bits);
    if (has_room(session, blob))
        err = push(session, blob);
    else
        skio__session_doom(session, SKIO_DISCONNECT_SLOW_CONSUMER);
    skio__blob_unref(own);
    return err;
}

/* A packet that is not as usual, or that somebody watches. */
static skio__rare int
queue_with_care(struct skio_session *session, struct skio__blob *blob)
{
    int err;

    if (session->state != EIO_STATE_OPEN || skio__session_is_left(session))
        return SKIO_ECLOSED;
    if (session->doom != 0)
        return SKIO_ENOBUFS;
    err = queue_form(session, blob);
    if (err == SKIO_OK && session->engine->is_tapped)
        skio__taps_created(session, blob);
    return err;
}

/* Whether nothing stands in the way of a packet, nor wants a look at it. */
static inline bool
takes_plain(const struct skio_session *session)
{
    return session->state == EIO_STATE_OPEN && session->protocol == 4 &&
           session->doom == 0 && session->window_bits == 0 &&
           !session->engine->is_tapped;
}

/* Each delivery of a broadcast comes here: what is usual needs no call. */
int
skio__session_queue(struct skio_session *session, struct skio__blob *blob)
{
    skio__engine_check_thread(session->engine);

    if (skio__unlikely(!takes_plain(session) || !has_room(session, blob)))
        return queue_with_care(session, blob);
    if (skio__unlikely(!skio__queue_has_place(&session->queue)))
        return push(session, blob);
    skio__queue_put(&session->queue, blob);
    note_push(session);
    return SKIO_OK;
}

void
skio__session_doom(struct skio_session *session, enum skio_disconnect reason)
{
    if (session->state != EIO_STATE_OPEN || session->doom != 0)
        return;
    session->doom = (uint8_t)reason;
    skio__dirty_mark(session->engine, &session->dirty);
}

void
skio__session_press(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    if (session->state != EIO_STATE_OPEN || session->is_pressed ||
        session->queue.bytes <= engine->options->outbound_high_bytes)
        return;
    session->is_pressed = true;
    if (engine->upper->pressure != NULL)
        engine->upper->pressure(session, session->queue.bytes);
}

void
skio__session_relieve(struct skio_session *session)
{
    if (session->queue.bytes <=
        session->engine->options->outbound_high_bytes / 2)
        session->is_pressed = false;
}

void
skio__session_flush(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;

    if (session->doom != 0 && session->state == EIO_STATE_OPEN) {
        if (session->doom == SKIO_DISCONNECT_SLOW_CONSUMER) {
            skio__limit_hit(engine, EIO_LIMIT_max_outbound_bytes);
            skio__session_detail(session,
                                 "%zu bytes wait; one more message passes "
                                 "max_outbound_bytes, %zu",
                                 session->queue.bytes,
                                 engine->options->max_outbound_bytes);
        }
        skio__session_end(session, (enum skio_disconnect)session->doom,
                          skio__session_is_left(session) ? "6" : "1", true);
        return;
    }
    if (session->ws != NULL)
        return; /* its WebSocket is in the list itself */
    skio__polling_flush(session);
    skio__session_press(session);
}

bool
skio__session_is_writable(const struct skio_session *session)
{
    if (session->state != EIO_STATE_OPEN || session->doom != 0 ||
        session->queue.bytes > session->engine->options->outbound_high_bytes)
        return false;
    return session->ws != NULL ? !session->ws->is_stuck : session->poll != NULL;
}

size_t
skio__session_queued(const struct skio_session *session)
{
    return session->queue.bytes;
}
