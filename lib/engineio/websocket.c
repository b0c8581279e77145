#include "engineio/websocket.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engineio/compression.h"
#include "engineio/exchange.h"
#include "engineio/heartbeat.h"
#include "engineio/packet.h"
#include "engineio/payload3.h"
#include "engineio/upgrade.h"

#define PROBE_REPLIES_MAX 60

/*
 * A message in pieces may not be cut into dust: each piece costs time while
 * its bytes cost memory only. Reads of a slow network are small, but not all
 * of them, so the count grows with the bytes.
 */
#define PIECES_FREE 1024
#define PIECE_BYTES 16

#define OPCODE_CLOSE 0x88 /* with FIN */

skio_ws *
skio__ws_new(struct eio_engine *engine, void *handle)
{
    skio_ws *ws = skio__mem_calloc(engine->mem, 1, sizeof *ws);

    if (ws == NULL)
        return NULL;
    ws->engine = engine;
    ws->handle = handle;
    ws->dirty.kind = EIO_DIRTY_WS;
    return ws;
}

static void
drop_inbox(skio_ws *ws)
{
    if (ws->is_judged || ws->inbox == NULL)
        return;
    skio__buf_deinit(&ws->inbox->bytes);
    skio__mem_free(ws->engine->mem, ws->inbox);
    ws->inbox = NULL;
}

void
skio__ws_free(skio_ws *ws)
{
    skio__dirty_clear(ws->engine, &ws->dirty);
    drop_inbox(ws);
    skio__queue_deinit(&ws->rest, ws->engine->mem);
    skio__mem_free(ws->engine->mem, ws);
}

void
skio__ws_close(skio_ws *ws, enum eio_ws_status status)
{
    if (ws->close_len > 0)
        return;
    ws->close[0] = OPCODE_CLOSE;
    ws->close[1] = 0;
    ws->close_len = 2;
    if (status != EIO_WS_NO_STATUS) {
        ws->close[1] = 2;
        ws->close[2] = (unsigned char)(status >> 8);
        ws->close[3] = (unsigned char)(status & 0xff);
        ws->close_len = 4;
    }
    skio__dirty_mark(ws->engine, &ws->dirty);
}

void
skio__ws_refuse(skio_ws *ws, const char *json, enum eio_ws_status status)
{
    const skio_allocator *mem = ws->engine->mem;

    /* Without memory the Close frame alone must do. */
    if (json != NULL && ws->close_len == 0) {
        struct skio__blob *blob =
            skio__blob_copy(mem, false, json, strlen(json));

        int err =
            blob != NULL ? skio__queue_push(&ws->rest, mem, blob) : SKIO_ENOMEM;

        if (err != SKIO_OK)
            skio__log(&ws->engine->log, SKIO_LOG_DEBUG,
                      "no memory to say why a WebSocket is refused");
        skio__blob_unref(blob);
    }
    skio__ws_close(ws, status);
}

void
skio__ws_detach(skio_ws *ws, struct skio_session *session, bool discard,
                enum eio_ws_status status)
{
    /* A frame that is half on its way must be completed either way. */
    if (discard)
        skio__queue_cut(&session->queue, ws->engine->mem);
    ws->rest = session->queue;
    memset(&session->queue, 0, sizeof session->queue);
    session->ws = NULL;
    ws->session = NULL;
    skio__ws_close(ws, status);
}

bool
skio__ws_answer_probe(skio_ws *ws)
{
    if (ws->probe_replies >= PROBE_REPLIES_MAX) {
        skio__limit_hit(ws->engine, EIO_LIMIT_frames);
        return false;
    }
    ws->probe_replies++;
    skio__dirty_mark(ws->engine, &ws->dirty);
    return true;
}

/* Break off: the peer sent what it must not. */
static void
fail(skio_ws *ws, enum eio_ws_status status)
{
    struct skio_session *session = ws->session;

    drop_inbox(ws);
    skio__ws_close(ws, status);
    if (session == NULL)
        return;
    if (session->ws == ws)
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
    else
        skio__upgrade_forget(session, false);
}

static void
hit_limit(skio_ws *ws, enum eio_ws_status status)
{
    skio__limit_hit(ws->engine, status == EIO_WS_TOO_BIG
                                    ? EIO_LIMIT_max_http_buffer_size
                                    : EIO_LIMIT_frames);
    fail(ws, status);
}

static inline void
receive_packet(skio_ws *ws, const struct eio_packet *packet)
{
    if (ws->session->ws == ws)
        skio__session_receive(ws->session, packet);
    else
        skio__upgrade_receive(ws->session, packet);
}

void
skio__ws_bad_text(skio_ws *ws)
{
    if (ws->session->ws == ws)
        skio__session_detail(ws->session, "a text message is not UTF-8");
    fail(ws, EIO_WS_BAD_DATA);
}

static skio__rare void
receive_no_packet(skio_ws *ws)
{
    if (ws->session->ws == ws)
        skio__session_parse_error(ws->session);
    else
        skio__upgrade_receive(ws->session, NULL);
}

static skio__rare void
receive_packet3(skio_ws *ws, const char *data, size_t len, bool binary)
{
    struct eio_packet packet;

    if (skio__packet3_read(data, len, binary, &packet) == SKIO_OK)
        receive_packet(ws, &packet);
    else
        receive_no_packet(ws);
}

/* What every text may be. */
static skio__rare void
receive_any_text(skio_ws *ws, const char *data, size_t len)
{
    struct eio_packet packet;

    if (!skio__utf8_valid(data, len))
        skio__ws_bad_text(ws);
    else if (ws->session->protocol == 3)
        receive_packet3(ws, data, len, false);
    else if (skio__packet_read(data, len, &packet) == SKIO_OK)
        receive_packet(ws, &packet);
    else
        receive_no_packet(ws);
}

/* A message to a session that is open and that nobody watches or counts. */
static inline bool
is_usual(const skio_ws *ws, const char *data, size_t len)
{
    const struct skio_session *session = ws->session;

    return len > 0 && *data == EIO_MESSAGE && session->ws == ws &&
           session->state == EIO_STATE_OPEN && session->protocol == 4 &&
           session->doom == 0 && !session->engine->is_tapped &&
           session->engine->rates == NULL;
}

/* Nearly all that comes is usual, and goes straight to who sits on top; each
 * byte is looked at once. */
static inline void
receive_text(skio_ws *ws, const char *data, size_t len)
{
    struct skio_session *session = ws->session;
    struct eio_engine *engine = ws->engine;

    if (skio__unlikely(
            !is_usual(ws, data, len) ||
            (!engine->upper->checks_text && !skio__utf8_valid(data, len)))) {
        receive_any_text(ws, data, len);
        return;
    }
    engine->counters.packets_in++;
    skio__heartbeat_other(session);
    engine->upper->message(session, data + 1, len - 1, false);
}

static skio__rare void
receive_binary(skio_ws *ws, const char *data, size_t len)
{
    const struct eio_packet packet = {.type = EIO_MESSAGE,
                                      .binary = true,
                                      .base64 = false,
                                      .data = data,
                                      .len = len};

    if (ws->session->protocol == 3)
        receive_packet3(ws, data, len, true);
    else
        receive_packet(ws, &packet);
}

static inline void
receive_message(skio_ws *ws, const void *data, size_t len, bool binary)
{
    if (len == 0)
        data = "";
    if (binary)
        receive_binary(ws, data, len);
    else
        receive_text(ws, data, len);
}

/* A session's last words say how large; a probe has none. */
static void
too_big(skio_ws *ws, size_t len)
{
    size_t max = ws->engine->options->max_http_buffer_size;

    skio__log(&ws->engine->log, SKIO_LOG_INFO,
              "a message of at least %zu bytes passes max_http_buffer_size, "
              "%zu",
              len, max);
    if (ws->session->ws == ws)
        skio__session_detail(ws->session,
                             "a message of at least %zu bytes passes "
                             "max_http_buffer_size, %zu",
                             len, max);
    hit_limit(ws, EIO_WS_TOO_BIG);
}

/*
 * A compressed message is inflated when it is complete: until then it costs
 * what it weighs on the wire, and no connection holds a window.
 */
static skio__rare void
receive_compressed(skio_ws *ws, const void *data, size_t len, bool binary)
{
    struct eio_engine *engine = ws->engine;
    struct skio__buf out;

    skio__buf_init(&out, engine->mem);
    out.max = engine->options->max_http_buffer_size;
    switch (skio__compression_inflate(engine, data, len, &out)) {
    case SKIO_OK:
        receive_message(ws, out.data, out.len, binary);
        break;
    case SKIO_ETOOBIG:
        too_big(ws, engine->options->max_http_buffer_size + 1);
        break;
    case SKIO_EPROTO:
        fail(ws, EIO_WS_BAD_DATA);
        break;
    default:
        fail(ws, EIO_WS_NO_STATUS);
        break;
    }
    skio__buf_deinit(&out);
}

/* Keep a piece. Returns whether the connection goes on. */
static bool
collect(skio_ws *ws, const void *data, size_t len, bool binary, bool first,
        bool compressed)
{
    const skio_allocator *mem = ws->engine->mem;
    struct eio_inbox *inbox = ws->inbox;

    if (first == (inbox != NULL)) {
        fail(ws, EIO_WS_PROTOCOL_ERROR);
        return false;
    }
    if (inbox == NULL) {
        inbox = skio__mem_calloc(mem, 1, sizeof *inbox);
        if (inbox == NULL) {
            fail(ws, EIO_WS_NO_STATUS);
            return false;
        }
        skio__buf_init(&inbox->bytes, mem);
        inbox->bytes.max = ws->engine->options->max_http_buffer_size;
        inbox->binary = binary;
        inbox->compressed = compressed;
        ws->inbox = inbox;
    }
    inbox->pieces++;
    if (skio__buf_append(&inbox->bytes, data, len) == SKIO_ENOMEM) {
        fail(ws, EIO_WS_NO_STATUS);
        return false;
    }
    if (inbox->bytes.err != SKIO_OK) {
        too_big(ws, inbox->bytes.len + len);
        return false;
    }
    if (inbox->pieces > PIECES_FREE + inbox->bytes.len / PIECE_BYTES) {
        hit_limit(ws, EIO_WS_POLICY);
        return false;
    }
    return true;
}

/* A piece of a message that comes in several. */
static skio__rare void
receive_part(skio_ws *ws, const void *data, size_t len, bool binary, bool first,
             bool final, bool compressed)
{
    struct eio_inbox *inbox;

    if (!collect(ws, data, len, binary, first, compressed) || !final)
        return;

    /* Taken off the connection first: the receiver may close it. */
    inbox = ws->inbox;
    ws->inbox = NULL;
    if (inbox->compressed)
        receive_compressed(ws, inbox->bytes.data, inbox->bytes.len,
                           inbox->binary);
    else
        receive_message(ws, inbox->bytes.data, inbox->bytes.len, inbox->binary);
    skio__buf_deinit(&inbox->bytes);
    skio__mem_free(ws->engine->mem, inbox);
}

/* What is not a message as it is, or too large for one. */
static skio__rare void
receive_piece(skio_ws *ws, const void *data, size_t len, bool binary,
              bool first, bool final)
{
    bool compressed = ws->has_rsv1;

    ws->has_rsv1 = false;
    if (compressed && (!first || ws->window_bits == 0))
        fail(ws, EIO_WS_PROTOCOL_ERROR);
    else if (!first || !final || ws->inbox != NULL)
        receive_part(ws, data, len, binary, first, final, compressed);
    else if (len > ws->engine->options->max_http_buffer_size)
        too_big(ws, len);
    else
        receive_compressed(ws, data, len, binary);
}

/* It was being judged: the verdict, when it comes, finds nobody. */
static void
drop_held(skio_ws *ws)
{
    skio_exchange *held = ws->held;

    if (!ws->is_judged)
        return;
    ws->is_judged = false;
    ws->held = NULL;
    skio__exchange_free(held);
}

void
skio_ws_fail(skio_ws *ws, unsigned status, const char *why)
{
    struct eio_engine *engine = ws->engine;

    if (ws->close_len > 0)
        return;
    skio__engine_enter(engine);
    drop_held(ws);
    if (ws->session != NULL && ws->session->ws == ws)
        skio__session_detail(ws->session, "%s", why);
    if (status == EIO_WS_POLICY || status == EIO_WS_TOO_BIG)
        hit_limit(ws, (enum eio_ws_status)status);
    else
        fail(ws, (enum eio_ws_status)status);
    skio__engine_leave(engine);
}

void
skio_ws_compressed(skio_ws *ws)
{
    ws->has_rsv1 = true;
}

void
skio_ws_receive(skio_ws *ws, const void *data, size_t len, bool binary,
                bool first, bool final)
{
    struct eio_engine *engine = ws->engine;

    /* Once a Close frame waits nothing is read any more. */
    if (ws->session == NULL || ws->close_len > 0)
        return;
    skio__engine_enter(engine);
    engine->counters.bytes_in += len;
    if (skio__likely(first && final && ws->inbox == NULL && !ws->has_rsv1 &&
                     len <= engine->options->max_http_buffer_size))
        receive_message(ws, data, len, binary);
    else
        receive_piece(ws, data, len, binary, first, final);
    skio__engine_leave(engine);
}

void
skio_ws_closed(skio_ws *ws, bool clean)
{
    struct eio_engine *engine = ws->engine;
    struct skio_session *session = ws->session;

    skio__engine_enter(engine);
    drop_held(ws);
    if (session != NULL) {
        ws->session = NULL;
        if (session->ws == ws) {
            session->ws = NULL;
            skio__session_end(session,
                              clean ? SKIO_DISCONNECT_TRANSPORT_CLOSE
                                    : SKIO_DISCONNECT_TRANSPORT_ERROR,
                              "1", true);
        } else {
            skio__upgrade_forget(session, true);
        }
    }
    if (ws->is_held)
        ws->is_gone = true; /* skio__ws_hand_out() frees it */
    else
        skio__ws_free(ws);
    skio__engine_leave(engine);
}
