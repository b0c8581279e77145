/*
 * What a WebSocket sends: answers to probes, the frames of a queue, and a Close
 * frame last
 */
#include "engineio/websocket.h"

#include "base/compiler.h"
#include "engineio/taps.h"

static const unsigned char probe_reply[] = {0x81, 6,   '3', 'p',
                                            'r',  'o', 'b', 'e'};

/* The queue whose frames this connection carries; while probing: its own,
 * which is empty. */
static inline const struct eio_queue *
queue_of(const skio_ws *ws)
{
    if (ws->session != NULL && ws->session->ws == ws)
        return &ws->session->queue;
    return &ws->rest;
}

/* What is not in a queue: mostly nothing. */
static inline bool
has_extras(const skio_ws *ws)
{
    return ws->probe_replies > 0 || ws->close_written < ws->close_len;
}

static inline bool
has_output(const skio_ws *ws)
{
    return queue_of(ws)->count > 0 || has_extras(ws);
}

void
skio__ws_hand_out(skio_ws *ws)
{
    bool is_watched =
        ws->engine->is_tapped && ws->session != NULL && ws->session->ws == ws;

    if (!has_output(ws))
        return;
    if (is_watched)
        EIO_TAP(ws->session, flush);
    ws->is_held = true;
    ws->engine->hooks.ws_flush(ws->handle);
    ws->is_held = false;
    if (ws->is_gone) {
        skio__ws_free(ws);
        return;
    }
    ws->is_stuck = has_output(ws);
    if (is_watched && !ws->is_stuck && ws->session != NULL)
        EIO_TAP(ws->session, drain);
    if (ws->is_stuck && ws->session != NULL && ws->session->ws == ws)
        skio__session_press(ws->session);
}

static size_t
peek_probe_replies(const skio_ws *ws, skio_bytes *slices, size_t count)
{
    size_t n;

    for (n = 0; n < ws->probe_replies && n < count; n++) {
        size_t from = n == 0 ? ws->probe_written : 0;

        slices[n].data = probe_reply + from;
        slices[n].len = sizeof probe_reply - from;
    }
    return n;
}

static inline size_t
peek_frames(const struct eio_queue *queue, skio_bytes *slices, size_t count)
{
    size_t n;

    if (count > queue->count)
        count = queue->count;
    for (n = 0; n < count; n++)
        skio__blob_frame(skio__queue_at(queue, (uint32_t)n), &slices[n].data,
                         &slices[n].len);
    if (n > 0) {
        slices[0].data = (const char *)slices[0].data + queue->offset;
        slices[0].len -= queue->offset;
    }
    return n;
}

static inline size_t
peek_queue(skio_ws *ws, skio_bytes *slices, size_t count)
{
    const struct eio_queue *queue = queue_of(ws);

    if (queue->count > 1 && count > 0 &&
        skio__run_join(&ws->engine->run, queue, slices))
        return 1;
    return peek_frames(queue, slices, count);
}

static skio__rare size_t
peek_extras(skio_ws *ws, skio_bytes *slices, size_t count)
{
    size_t n = peek_probe_replies(ws, slices, count);

    n += peek_queue(ws, slices + n, count - n);
    if (n < count && ws->close_written < ws->close_len) {
        slices[n].data = ws->close + ws->close_written;
        slices[n].len = (size_t)(ws->close_len - ws->close_written);
        n++;
    }
    return n;
}

size_t
skio_ws_peek(skio_ws *ws, skio_bytes *slices, size_t count)
{
    if (skio__unlikely(has_extras(ws)))
        return peek_extras(ws, slices, count);
    return peek_queue(ws, slices, count);
}

static skio__rare void
consume_part(skio_ws *ws, size_t len)
{
    struct skio_session *session = ws->session;
    bool carries = session != NULL && session->ws == ws;
    struct eio_queue *queue = carries ? &session->queue : &ws->rest;
    size_t close_left = (size_t)(ws->close_len - ws->close_written);
    bool was_stuck = ws->is_stuck;

    while (ws->probe_replies > 0 && len > 0) {
        size_t left = sizeof probe_reply - ws->probe_written;

        if (len < left) {
            ws->probe_written = (uint8_t)(ws->probe_written + len);
            return;
        }
        len -= left;
        ws->probe_written = 0;
        ws->probe_replies--;
    }
    len = skio__queue_consume(queue, ws->engine->mem, len);
    if (queue->count == 0)
        ws->is_stuck = false;
    if (carries)
        skio__session_relieve(session);
    if (len > close_left)
        len = close_left;
    ws->close_written = (uint8_t)(ws->close_written + len);
    /* What was written at once is told when it was handed out. */
    if (was_stuck && carries && !ws->is_stuck && ws->session == session)
        EIO_TAP(session, drain);
}

void
skio_ws_consume(skio_ws *ws, size_t len)
{
    struct eio_engine *engine = ws->engine;
    struct skio_session *session = ws->session;

    engine->counters.bytes_out += len;
    if (skio__unlikely(session == NULL || session->ws != ws || ws->is_stuck ||
                       has_extras(ws) || len != session->queue.bytes)) {
        consume_part(ws, len);
        return;
    }
    /* Nearly always: all that waited was written. */
    skio__queue_clear(&session->queue, engine->mem);
    session->is_pressed = false;
}

bool
skio_ws_is_finished(const skio_ws *ws)
{
    return ws->close_len > 0 && !has_output(ws);
}
