#include "engineio/polling.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engineio/payload.h"
#include "engineio/payload3.h"
#include "engineio/taps.h"

#define SCRATCH_KEPT 65536 /* a longer payload's memory is given back */

static int
overlap(struct skio_session *session, const struct eio_asker *asker)
{
    struct eio_engine *engine = session->engine;

    skio__session_detail(session, "overlap from client");
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

/* Of several packets, or by protocol 3. */
static int
reply_joined(struct skio_session *session, const struct eio_asker *asker)
{
    struct eio_engine *engine = session->engine;
    struct skio__buf *scratch = &engine->scratch;
    bool is_octets = false;
    int err;

    skio__buf_reset(scratch);
    err = session->protocol == 3
              ? skio__payload3_join(&session->queue, scratch, &is_octets)
              : join_queue(&session->queue, scratch);
    if (err != SKIO_OK) {
        skio__buf_reset(scratch);
        return SKIO_ENOMEM;
    }
    engine->counters.bytes_out += scratch->len;
    if (is_octets)
        skio__reply_octets(engine, asker, scratch->data, scratch->len);
    else
        err = skio__reply_try_payload(engine, asker, NULL, scratch->data,
                                      scratch->len);
    if (scratch->cap > SCRATCH_KEPT)
        skio__buf_deinit(scratch);
    return err;
}

/* Answer with packets of one character each, in protocol 4's form. */
static void
reply_static(struct eio_engine *engine, const struct eio_asker *asker,
             const char *text)
{
    char framed[16];
    size_t len = 0;

    if (asker->protocol != 3) {
        skio__reply_payload(engine, asker, NULL, text, strlen(text));
        return;
    }
    for (; *text != '\0' && len + 3 <= sizeof framed; text++) {
        if (*text == EIO_SEPARATOR)
            continue;
        framed[len++] = '1';
        framed[len++] = ':';
        framed[len++] = *text;
    }
    skio__reply_payload(engine, asker, NULL, framed, len);
}

void
skio__polling_last3(skio_exchange *exchange)
{
    struct eio_engine *engine = exchange->engine;
    struct skio__buf *body = &exchange->body;

    if (body->len == 0)
        reply_static(engine, &exchange->asker, exchange->last);
    else if (exchange->is_octets)
        skio__reply_octets(engine, &exchange->asker, body->data, body->len);
    else
        skio__reply_payload(engine, &exchange->asker, NULL, body->data,
                            body->len);
}

/* Answer with all that is queued. Returns SKIO_OK or SKIO_ENOMEM. */
static int
reply_all(struct skio_session *session, const struct eio_asker *asker)
{
    struct eio_engine *engine = session->engine;
    struct eio_queue *queue = &session->queue;
    struct skio__blob *first = skio__queue_at(queue, 0);
    const void *body;
    size_t len;
    int err;

    if (session->protocol != 3 && queue->count == 1 &&
        (first->flags & SKIO__BLOB_BINARY) == 0) {
        skio__blob_packet(first, &body, &len);
        engine->counters.bytes_out += len;
        err = skio__reply_try_payload(engine, asker, NULL, body, len);
    } else {
        err = reply_joined(session, asker);
    }
    if (err != SKIO_OK)
        return err;
    skio__queue_clear(queue, engine->mem);
    skio__session_relieve(session);
    return SKIO_OK;
}

/* Whether a packet of the payload is worth compressing. */
static bool
wants_compression(const struct eio_queue *queue)
{
    uint32_t i;

    for (i = 0; i < queue->count; i++) {
        if ((skio__queue_at(queue, i)->flags & SKIO__BLOB_NO_COMPRESS) == 0)
            return true;
    }
    return false;
}

static int
reply_queue(struct skio_session *session, const struct eio_asker *asker)
{
    bool is_watched = session->state == EIO_STATE_OPEN; /* not a last word */
    struct eio_asker plain;
    int err;

    if (asker->coding != SKIO__CODING_NONE &&
        !wants_compression(&session->queue)) {
        plain = *asker;
        plain.coding = SKIO__CODING_NONE;
        asker = &plain;
    }
    if (is_watched)
        EIO_TAP(session, flush);
    err = reply_all(session, asker);
    if (is_watched && err == SKIO_OK)
        EIO_TAP(session, drain);
    return err;
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
        reply_static(engine, asker, noop_and_close);
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
is_octet_stream(const char *type)
{
    return type != NULL && strcmp(type, "application/octet-stream") == 0;
}

static void
too_large(struct eio_engine *engine, const struct eio_asker *asker,
          uint64_t len)
{
    skio__limit_hit(engine, EIO_LIMIT_max_http_buffer_size);
    skio__log(&engine->log, SKIO_LOG_INFO,
              "a POST of at least %" PRIu64 " bytes passes "
              "max_http_buffer_size, %zu",
              len, engine->options->max_http_buffer_size);
    skio__reply_status(engine, asker, 413, NULL);
}

int
skio__polling_post(struct skio_session *session, const struct eio_asker *asker,
                   int64_t content_length, const char *content_type,
                   skio_exchange **out)
{
    struct eio_engine *engine = session->engine;
    size_t max = engine->options->max_http_buffer_size;
    skio_exchange *exchange;
    bool is_octets = is_octet_stream(content_type);

    if (session->post != NULL || (is_octets && session->protocol != 3))
        return overlap(session, asker);

    if (content_length > 0 && (uint64_t)content_length > max) {
        too_large(engine, asker, (uint64_t)content_length);
        return SKIO_EXCHANGE_ANSWERED;
    }

    exchange = skio__exchange_make(engine, asker, EIO_EXCHANGE_POST);
    if (exchange == NULL)
        return out_of_memory(session, asker);
    exchange->session = session;
    exchange->body.max = max;
    exchange->is_octets = is_octets && !asker->is_jsonp;
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
        too_large(engine, &exchange->asker, (uint64_t)exchange->body.len + len);
    } else {
        out_of_memory(session, &exchange->asker);
    }
    skio__exchange_free(exchange);
    return SKIO_ECLOSED;
}

static int
next_packet(const skio_exchange *exchange, struct eio_payload *payload,
            struct eio_packet *packet)
{
    return exchange->asker.protocol == 3
               ? skio__payload3_next(payload, exchange->is_octets, packet)
               : skio__payload_next(payload, packet);
}

static bool
has_too_many(const skio_exchange *exchange)
{
    const struct skio__buf *body = &exchange->body;
    size_t max = exchange->engine->options->max_payload_packets;

    return exchange->asker.protocol == 3
               ? skio__payload3_exceeds(body->data, body->len,
                                        exchange->is_octets, max)
               : skio__payload_exceeds(body->data, body->len, max);
}

/* Returns whether the body may be answered "ok". */
static bool
deliver(skio_exchange *exchange, struct skio_session *session)
{
    struct skio__buf *body = &exchange->body;
    struct eio_engine *engine = session->engine;
    struct eio_payload payload;
    struct eio_packet packet;
    int got;

    if (exchange->asker.is_jsonp) {
        ptrdiff_t len =
            body->len > 0 ? skio__jsonp_unwrap(body->data, body->len) : -1;

        if (len < 0)
            return true; /* a form without the field says nothing */
        body->len = (size_t)len;
    }
    if (has_too_many(exchange)) {
        skio__limit_hit(engine, EIO_LIMIT_max_payload_packets);
        skio__session_detail(session,
                             "a payload of more than %u packets passes "
                             "max_payload_packets",
                             (unsigned)engine->options->max_payload_packets);
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
        return false;
    }
    /* Node replaces invalid bytes; here a text that is none is refused, as on
     * a WebSocket. */
    if (body->len > 0 && !exchange->is_octets &&
        !skio__utf8_valid(body->data, body->len)) {
        skio__session_detail(session, "a payload is not UTF-8");
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
        return false;
    }

    /* What stands before a bad packet is still delivered. Its parse error is
     * answered "ok" like anything else, as Node does. */
    if (body->len == 0 && session->protocol == 3) {
        skio__session_parse_error(session);
        return true;
    }
    skio__payload_init(&payload, body->data, body->len);
    while (session->state != EIO_STATE_CLOSED &&
           (got = next_packet(exchange, &payload, &packet)) != 0) {
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
    else if (deliver(exchange, session))
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
        reply_static(engine, &exchange->asker, "6");
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

/* The last words are queued like others: the payload's form is one for all. */
static void
release_all3(struct skio_session *session, const char *payload)
{
    struct eio_engine *engine = session->engine;
    skio_exchange *exchange = session->poll;
    struct skio__blob *last;
    int err = SKIO_ENOMEM;

    if (session->queue.count > 0) {
        last = skio__blob_copy(engine->mem, false, payload, strlen(payload));
        if (last != NULL)
            err = skio__queue_push(&session->queue, engine->mem, last);
        skio__blob_unref(last);
        if (err != SKIO_OK ||
            skio__payload3_join(&session->queue, &exchange->body,
                                &exchange->is_octets) != SKIO_OK)
            skio__buf_reset(&exchange->body);
    }
    skio__polling_release(session, payload);
}

void
skio__polling_release_all(struct skio_session *session, const char *payload)
{
    skio_exchange *exchange = session->poll;

    if (exchange == NULL)
        return;
    if (session->protocol == 3) {
        release_all3(session, payload);
        return;
    }
    /* Without memory the close packet alone must do. */
    if (session->queue.count > 0 &&
        join_queue(&session->queue, &exchange->body) == SKIO_OK)
        skio__buf_putc(&exchange->body, EIO_SEPARATOR);
    skio__polling_release(session, payload);
}
