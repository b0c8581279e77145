#include "engineio/polling.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engineio/payload.h"

#define SCRATCH_KEPT 65536 /* a longer payload's memory is given back */

static int
overlap(struct skio_session *session, const struct eio_asker *asker)
{
    struct eio_engine *engine = session->engine;

    skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
    skio__reply_status(engine, asker, 400, NULL);
    return SKIO_EXCHANGE_ANSWERED;
}

static int
out_of_memory(struct skio_session *session, const struct eio_asker *asker)
{
    struct eio_engine *engine = session->engine;

    /* The client takes any refusal of a poll or post for the end. */
    skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
    skio__reply_busy(engine, asker);
    return SKIO_EXCHANGE_ANSWERED;
}

static int
join_queue(const struct eio_queue *queue, struct skio__buf *out)
{
    uint32_t i;

    for (i = 0; i < queue->count; i++)
        skio__payload_append(out, skio__queue_at(queue, i));
    return out->err;
}

/* Answer with all that is queued. Returns SKIO_OK or SKIO_ENOMEM. */
static int
reply_queue(struct skio_session *session, const struct eio_asker *asker)
{
    struct eio_engine *engine = session->engine;
    struct eio_queue *queue = &session->queue;
    struct skio__buf *scratch = &engine->scratch;
    struct skio__blob *first = skio__queue_at(queue, 0);
    const void *body;
    size_t len;

    if (queue->count == 1 && (first->flags & SKIO__BLOB_BINARY) == 0) {
        skio__blob_packet(first, &body, &len);
        engine->counters.bytes_out += len;
        skio__reply_payload(engine, asker, NULL, body, len);
    } else {
        skio__buf_reset(scratch);
        if (join_queue(queue, scratch) != SKIO_OK) {
            skio__buf_reset(scratch);
            return SKIO_ENOMEM;
        }
        engine->counters.bytes_out += scratch->len;
        skio__reply_payload(engine, asker, NULL, scratch->data, scratch->len);
        if (scratch->cap > SCRATCH_KEPT)
            skio__buf_deinit(scratch);
    }
    skio__queue_clear(queue, engine->mem);
    skio__session_relieve(session);
    return SKIO_OK;
}

int
skio__polling_get(struct skio_session *session, const struct eio_asker *asker,
                  skio_exchange **out)
{
    struct eio_engine *engine = session->engine;
    skio_exchange *exchange;

    if (session->poll != NULL)
        return overlap(session, asker);

    if (session->queue.count > 0 && session->doom == 0) {
        if (reply_queue(session, asker) != SKIO_OK)
            return out_of_memory(session, asker);
        return SKIO_EXCHANGE_ANSWERED;
    }
    if (session->state == EIO_STATE_CLOSING) {
        static const char noop_and_close[] = "6\x1e"
                                             "1";

        skio__session_end(session, SKIO_DISCONNECT_FORCED_CLOSE, NULL, true);
        skio__reply_payload(engine, asker, NULL, noop_and_close,
                            sizeof noop_and_close - 1);
        return SKIO_EXCHANGE_ANSWERED;
    }

    exchange = skio__exchange_make(engine, asker, EIO_EXCHANGE_POLL);
    if (exchange == NULL)
        return out_of_memory(session, asker);
    exchange->session = session;
    session->poll = exchange;
    exchange->is_fresh = true;
    skio__dirty_mark(engine, &session->dirty); /* it ages with the turn */
    *out = exchange;
    return SKIO_EXCHANGE_HELD;
}

/* Whether this is exactly the type that only protocol 3 sends. */
static bool
is_octet_stream(const skio_request *request)
{
    const char *type = skio__headers_find(request->headers,
                                          request->headers_len, "content-type");

    return type != NULL && strcmp(type, "application/octet-stream") == 0;
}

int
skio__polling_post(struct skio_session *session, const struct eio_asker *asker,
                   const skio_request *request, skio_exchange **out)
{
    struct eio_engine *engine = session->engine;
    size_t max = engine->options->max_http_buffer_size;
    skio_exchange *exchange;

    if (session->post != NULL || is_octet_stream(request))
        return overlap(session, asker);

    if (request->content_length > 0 &&
        (uint64_t)request->content_length > max) {
        engine->counters.limits_hit++;
        skio__reply_status(engine, asker, 413, NULL);
        return SKIO_EXCHANGE_ANSWERED;
    }

    exchange = skio__exchange_make(engine, asker, EIO_EXCHANGE_POST);
    if (exchange == NULL)
        return out_of_memory(session, asker);
    exchange->session = session;
    exchange->body.max = max;
    session->post = exchange;
    *out = exchange;
    return SKIO_EXCHANGE_BODY;
}

/* Take the exchange off its session; it is freed by the caller. */
static struct skio_session *
take_post(skio_exchange *exchange)
{
    struct skio_session *session = exchange->session;

    if (session != NULL)
        session->post = NULL;
    exchange->session = NULL;
    return session;
}

int
skio__polling_body(skio_exchange *exchange, const void *data, size_t len)
{
    struct eio_engine *engine = exchange->engine;
    struct skio_session *session;
    int err;

    if (exchange->session == NULL) {
        /* The session closed while its last POST was on the way. */
        skio__reply_error(engine, &exchange->asker, EIO_ERROR_SID);
        skio__exchange_free(exchange);
        return SKIO_ECLOSED;
    }
    engine->counters.bytes_in += len;
    err = skio__buf_append(&exchange->body, data, len);
    if (err == SKIO_OK)
        return SKIO_OK;

    session = take_post(exchange);
    if (err == SKIO_ETOOBIG) {
        /* The session stays open, as on Node. */
        engine->counters.limits_hit++;
        skio__reply_status(engine, &exchange->asker, 413, NULL);
    } else {
        out_of_memory(session, &exchange->asker);
    }
    skio__exchange_free(exchange);
    return SKIO_ECLOSED;
}

/* Returns whether the body may be answered "ok". */
static bool
deliver(struct skio_session *session, const struct skio__buf *body)
{
    struct eio_engine *engine = session->engine;
    struct eio_payload payload;
    struct eio_packet packet;
    int got;

    if (skio__payload_exceeds(body->data, body->len,
                              engine->options->max_payload_packets)) {
        engine->counters.limits_hit++;
        skio__log(&engine->log, SKIO_LOG_DEBUG,
                  "a payload had too many packets");
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
        return false;
    }
    /* Node replaces invalid bytes; here a text that is none is refused, as on
     * a WebSocket. */
    if (body->len > 0 && !skio__utf8_valid(body->data, body->len)) {
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
        return false;
    }

    /* What stands before a bad packet is still delivered. Its parse error is
     * answered "ok" like anything else, as Node does. */
    skio__payload_init(&payload, body->data, body->len);
    while (session->state != EIO_STATE_CLOSED &&
           (got = skio__payload_next(&payload, &packet)) != 0) {
        if (got < 0) {
            skio__session_parse_error(session);
            break;
        }
        skio__session_receive(session, &packet);
    }
    return true;
}

void
skio__polling_end(skio_exchange *exchange)
{
    struct eio_engine *engine = exchange->engine;
    struct skio_session *session = take_post(exchange);

    if (session == NULL)
        skio__reply_error(engine, &exchange->asker, EIO_ERROR_SID);
    else if (deliver(session, &exchange->body))
        skio__reply_ok(engine, &exchange->asker);
    else
        skio__reply_status(engine, &exchange->asker, 400, NULL);
    skio__exchange_free(exchange);
}

static skio_exchange *
take_poll(struct skio_session *session)
{
    skio_exchange *exchange = session->poll;

    session->poll = NULL;
    exchange->session = NULL;
    return exchange;
}

void
skio__polling_flush(struct skio_session *session)
{
    struct eio_engine *engine = session->engine;
    skio_exchange *exchange = session->poll;

    if (exchange == NULL)
        return;

    if (session->queue.count > 0) {
        take_poll(session);
        if (reply_queue(session, &exchange->asker) != SKIO_OK)
            out_of_memory(session, &exchange->asker);
        skio__exchange_free(exchange);
    } else if (session->state == EIO_STATE_CLOSING) {
        skio__session_end(session, SKIO_DISCONNECT_FORCED_CLOSE, "1", true);
    } else if (session->wants_noop) {
        take_poll(session);
        skio__reply_payload(engine, &exchange->asker, NULL, "6", 1);
        skio__exchange_free(exchange);
    } else {
        exchange->is_fresh = false;
    }
    session->wants_noop = false;
}

void
skio__polling_release(struct skio_session *session, const char *payload)
{
    skio_exchange *exchange;

    if (session->poll == NULL)
        return;
    exchange = take_poll(session);
    exchange->last = payload;
    skio__dirty_mark(exchange->engine, &exchange->dirty);
}

void
skio__polling_leave(struct skio_session *session)
{
    /* A loop keeps no order between connections: a poll of the same turn may
     * well have been sent after the upgrade. It is judged as if it came then,
     * which is how the official protocol suite sees it. */
    if (session->poll != NULL && session->poll->is_fresh)
        skio__polling_release(session, NULL);
    else
        skio__polling_release(session, "1");
}

void
skio__polling_release_all(struct skio_session *session, const char *payload)
{
    skio_exchange *exchange = session->poll;

    if (exchange == NULL)
        return;
    /* Without memory the close packet alone must do. */
    if (session->queue.count > 0 &&
        join_queue(&session->queue, &exchange->body) == SKIO_OK)
        skio__buf_putc(&exchange->body, EIO_SEPARATOR);
    skio__polling_release(session, payload);
}
