#include "engineio/exchange.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "engineio/extension.h"
#include "engineio/forward.h"
#include "engineio/handshake.h"
#include "engineio/polling.h"
#include "engineio/rates.h"
#include "engineio/upgrade.h"
#include "engineio/verdict.h"
#include "engineio/websocket.h"

skio_exchange *
skio__exchange_make(struct eio_engine *engine, const struct eio_asker *asker,
                    enum eio_exchange_kind kind)
{
    const char *origin = asker->cors.allow_origin;
    size_t origin_size = origin != NULL ? strlen(origin) + 1 : 0;
    skio_exchange *exchange = asker->held;

    if (exchange != NULL) {
        /* Its origin and its body stay. */
        exchange->kind = (uint8_t)kind;
        exchange->asker = *asker;
        exchange->asker.held = NULL;
        exchange->asker.ws = NULL;
        exchange->asker.must_close = false;
        return exchange;
    }
    exchange = skio__mem_calloc(engine->mem, 1, sizeof *exchange + origin_size);
    if (exchange == NULL)
        return NULL;
    exchange->engine = engine;
    if (asker->is_upgrade) {
        exchange->opening =
            skio__mem_calloc(engine->mem, 1, sizeof *exchange->opening);
        if (exchange->opening == NULL) {
            skio__mem_free(engine->mem, exchange);
            return NULL;
        }
    }
    exchange->dirty.kind = EIO_DIRTY_EXCHANGE;
    exchange->kind = (uint8_t)kind;
    exchange->asker = *asker;
    skio__visit_ref(asker->visit);
    skio__buf_init(&exchange->body, engine->mem);
    exchange->asker.cors.asked = NULL;
    if (origin != NULL) {
        memcpy(exchange->origin, origin, origin_size);
        exchange->asker.cors.allow_origin = exchange->origin;
    }
    return exchange;
}

static void
free_opening(const skio_allocator *mem, struct eio_opening *opening)
{
    if (opening == NULL)
        return;
    skio__mem_free(mem, opening->extension);
    skio__mem_free(mem, opening->headers);
    skio__mem_free(mem, opening);
}

void
skio__exchange_free(skio_exchange *exchange)
{
    skio__verdict_detach(exchange);
    if (exchange->kind == EIO_EXCHANGE_FORWARD)
        skio__forward_release(exchange);
    skio__dirty_clear(exchange->engine, &exchange->dirty);
    skio__buf_deinit(&exchange->body);
    skio__request_unref(exchange->request);
    skio__visit_unref(exchange->asker.visit);
    free_opening(exchange->engine->mem, exchange->opening);
    skio__mem_free(exchange->engine->mem, exchange);
}

void
skio__exchange_flush(skio_exchange *exchange)
{
    struct eio_engine *engine = exchange->engine;
    struct skio__buf *body = &exchange->body;

    if (exchange->last == NULL)
        skio__reply_error(engine, &exchange->asker, EIO_ERROR_REQUEST);
    else if (exchange->asker.protocol == 3)
        skio__polling_last3(exchange);
    else if (body->len > 0 &&
             skio__buf_append_str(body, exchange->last) == SKIO_OK)
        skio__reply_payload(engine, &exchange->asker, NULL, body->data,
                            body->len);
    else
        skio__reply_payload(engine, &exchange->asker, NULL, exchange->last,
                            strlen(exchange->last));
    skio__exchange_free(exchange);
}

/* ---- A new request ---- */

/* Read what is within bounds, and answer what is not: true. */
static bool
is_too_large(struct eio_engine *engine, struct eio_question *question)
{
    const skio_server_options *options = engine->options;
    const skio_request *request = question->request;
    struct eio_fields *fields = &question->fields;
    enum eio_limit limit = EIO_LIMIT_NONE;

    if (request->headers_len > options->max_header_bytes) {
        limit = EIO_LIMIT_max_header_bytes;
    } else {
        skio__fields_read_headers(fields, request);
        if (fields->header_count > options->max_headers)
            limit = EIO_LIMIT_max_headers;
    }
    if (limit != EIO_LIMIT_NONE) {
        skio__reply_status(engine, &question->asker, 431, NULL);
    } else if (strlen(request->query) > options->max_query_bytes) {
        limit = EIO_LIMIT_max_query_bytes;
        skio__reply_error(engine, &question->asker, EIO_ERROR_REQUEST);
    } else {
        skio__fields_read_query(fields, request);
        return false;
    }
    skio__limit_hit(engine, limit);
    return true;
}

static void
heed_headers(const struct eio_engine *engine, struct eio_question *question)
{
    const skio_request *request = question->request;
    const char *const *headers = question->fields.headers;
    const char *agent = headers[EIO_FIELD_USER_AGENT];
    const char *origin = headers[EIO_FIELD_ORIGIN];

    question->asker.is_old_ie =
        agent != NULL &&
        (strstr(agent, ";MSIE") != NULL || strstr(agent, "Trident/") != NULL);
    if (engine->options->http_compression && !request->upgrade)
        question->asker.coding =
            (uint8_t)skio__coding_choose(headers[EIO_FIELD_ACCEPT_ENCODING]);
    question->origin_may_connect =
        skio__cors_judge(engine->options, origin, headers[EIO_FIELD_HOST],
                         request->secure, &question->asker.cors);
    /* A header that cannot be sent is not sent back. */
    if (origin != NULL && !skio__cors_is_clean(origin))
        question->asker.cors.allow_origin = NULL;
}

/* A reference of the request's copy; NULL: no memory. */
static struct skio_engine_request *
take_request(struct eio_engine *engine, const struct eio_question *question)
{
    const struct eio_visit *visit = question->asker.visit;

    return visit != NULL ? skio__request_ref(visit->request)
                         : skio__request_keep(engine->mem, question->request,
                                              engine->options->latest_headers);
}

/* Keep what may be answered to the client's offers. Returns SKIO_OK,
 * SKIO_EPROTO or SKIO_ENOMEM. */
static int
read_extensions(skio_exchange *exchange, const char *offers)
{
    struct eio_engine *engine = exchange->engine;
    struct eio_opening *opening = exchange->opening;
    const skio_server_options *options = engine->options;
    struct eio_extension found;
    int got;

    if (!options->per_message_deflate || offers == NULL)
        return SKIO_OK;
    got = skio__extension_choose(offers,
                                 (uint8_t)
                                     options->per_message_deflate_window_bits,
                                 &found);
    if (got <= 0)
        return got;
    opening->extension =
        skio__mem_alloc(engine->mem, sizeof *opening->extension);
    if (opening->extension == NULL)
        return SKIO_ENOMEM;
    *opening->extension = found;
    return SKIO_OK;
}

static int
list_headers(skio_exchange *exchange)
{
    struct eio_engine *engine = exchange->engine;
    struct eio_opening *opening = exchange->opening;
    struct eio_visit *visit = exchange->asker.visit;
    skio_header cors[EIO_CORS_HEADERS];
    size_t count = skio__reply_cors(engine, &exchange->asker.cors, cors);
    size_t max = count;

    if (visit != NULL) {
        skio__visit_headers(engine, visit);
        max += visit->headers.count;
    }
    if (opening->extension != NULL)
        max++; /* for the answer to its offer */
    if (max == 0)
        return SKIO_OK;
    opening->headers =
        skio__mem_calloc(engine->mem, max, sizeof *opening->headers);
    if (opening->headers == NULL)
        return SKIO_ENOMEM;
    opening->header_count = count;
    if (visit != NULL)
        opening->header_count =
            skio__headers_join(cors, count, &visit->headers, opening->headers);
    else
        memcpy(opening->headers, cors, count * sizeof *cors);
    return SKIO_OK;
}

bool
skio__exchange_prepare(skio_exchange *exchange,
                       const struct eio_question *question)
{
    static const char text[] =
        "Invalid or unacceptable Sec-WebSocket-Extensions header";
    struct eio_engine *engine = exchange->engine;
    int err = read_extensions(exchange,
                              question->fields.headers[EIO_FIELD_EXTENSIONS]);

    if (err == SKIO_OK)
        err = list_headers(exchange);
    if (err == SKIO_OK)
        return true;
    if (exchange != question->asker.held)
        skio__exchange_free(exchange);
    if (err == SKIO_EPROTO)
        skio__reply_status(engine, &question->asker, 400, text);
    else
        skio__reply_busy(engine, &question->asker);
    return false;
}

static int
upgrade(struct eio_engine *engine, const struct eio_question *question,
        skio_exchange **out)
{
    const skio_request *request = question->request;
    struct skio_session *session = question->session;
    skio_exchange *exchange;

    if (strcmp(request->method, "GET") != 0) {
        skio__reply_status(engine, &question->asker, 405, "Method Not Allowed");
        return SKIO_EXCHANGE_ANSWERED;
    }
    exchange = skio__exchange_make(engine, &question->asker,
                                   session != NULL ? EIO_EXCHANGE_PROBE
                                                   : EIO_EXCHANGE_CONNECT);
    if (exchange == NULL)
        goto fail;
    if (session != NULL) {
        const char *sid = skio__session_id(session);

        memcpy(exchange->opening->sid, sid, strlen(sid) + 1);
    } else {
        if (skio__hooks_generate_id(engine, question->asker.visit,
                                    exchange->opening->sid) != SKIO_OK) {
            if (exchange != question->asker.held)
                skio__exchange_free(exchange);
            skio__handshake_refuse(engine, question, EIO_ERROR_REQUEST,
                                   "ID_GENERATION_ERROR", NULL);
            return SKIO_EXCHANGE_ANSWERED;
        }
        exchange->request = take_request(engine, question);
        if (exchange->request == NULL)
            goto fail;
    }
    if (question->asker.ws == NULL &&
        !skio__exchange_prepare(exchange, question))
        return SKIO_EXCHANGE_ANSWERED;
    *out = exchange;
    return SKIO_EXCHANGE_UPGRADE;

fail:
    if (exchange != NULL && exchange != question->asker.held)
        skio__exchange_free(exchange);
    skio__reply_busy(engine, &question->asker);
    return SKIO_EXCHANGE_ANSWERED;
}

static int
connect(struct eio_engine *engine, const struct eio_question *question,
        skio_exchange **out)
{
    enum eio_limit limit =
        skio__session_refused(engine, question->request->address);

    if (limit != EIO_LIMIT_NONE) {
        skio__limit_hit(engine, limit);
        skio__log(&engine->log, SKIO_LOG_DEBUG,
                  "handshake refused: too many sessions");
        skio__reply_busy(engine, &question->asker);
        return SKIO_EXCHANGE_ANSWERED;
    }
    if (question->is_websocket)
        return upgrade(engine, question, out);
    skio__handshake_polling(engine, question);
    return SKIO_EXCHANGE_ANSWERED;
}

bool
skio__exchange_verify(struct eio_engine *engine, struct eio_question *question)
{
    const char *name = NULL;
    enum eio_error error;

    if (skio__handshake_verify(engine, question, &error, &name) == SKIO_OK)
        return true;
    skio__handshake_refuse(engine, question, error, name, NULL);
    return false;
}

int
skio__exchange_admit(struct eio_engine *engine,
                     const struct eio_question *question, skio_exchange **out)
{
    const skio_request *request = question->request;
    const struct eio_asker *asker = &question->asker;

    if (question->session == NULL && asker->is_forwarded) {
        /* What opens a session is no other server's to pass on. */
        skio__handshake_refuse(engine, question, EIO_ERROR_SID, NULL, NULL);
        return SKIO_EXCHANGE_ANSWERED;
    }
    if (question->session == NULL) {
        /* Before the 101, where Node answers on the upgraded stream. */
        if (asker->protocol == 4 || engine->options->allow_eio3)
            return connect(engine, question, out);
        skio__handshake_refuse(engine, question, EIO_ERROR_PROTOCOL, NULL,
                               NULL);
        return SKIO_EXCHANGE_ANSWERED;
    }
    if (engine->options->latest_headers &&
        skio__request_set_latest(question->session->request, request) !=
            SKIO_OK) {
        skio__reply_busy(engine, asker);
        return SKIO_EXCHANGE_ANSWERED;
    }
    if (question->is_websocket)
        return upgrade(engine, question, out);
    if (strcmp(request->method, "GET") == 0)
        return skio__polling_get(question->session, asker, out);
    if (strcmp(request->method, "POST") == 0)
        return skio__polling_post(question->session, asker,
                                  request->content_length,
                                  question->fields
                                      .headers[EIO_FIELD_CONTENT_TYPE],
                                  out);
    /* Node's status for any other method; a strange one, but its own. */
    skio__reply_status(engine, asker, 500, NULL);
    return SKIO_EXCHANGE_ANSWERED;
}

/* Returns whether it was answered. */
static bool
preflight(struct eio_engine *engine, struct eio_question *question)
{
    struct eio_cors *cors = &question->asker.cors;

    cors->is_preflight = question->origin_may_connect;
    cors->asked = question->fields.headers[EIO_FIELD_ASKED];
    if (engine->options->cors_preflight_continue)
        return false;
    if (question->origin_may_connect)
        skio__reply_preflight(engine, &question->asker);
    else
        skio__reply_error(engine, &question->asker, EIO_ERROR_FORBIDDEN);
    return true;
}

static int
begin(struct eio_engine *engine, struct eio_question *question,
      skio_exchange **out)
{
    const skio_request *request = question->request;
    struct eio_asker *asker = &question->asker;
    char tag[SKIO_FORWARD_TAG_LEN + 1];

    if (is_too_large(engine, question))
        return SKIO_EXCHANGE_ANSWERED;
    heed_headers(engine, question);

    if (asker->cors.is_on && !request->upgrade &&
        strcmp(request->method, "OPTIONS") == 0 && preflight(engine, question))
        return SKIO_EXCHANGE_ANSWERED;
    if (skio__unlikely(engine->rates != NULL) &&
        !skio__rates_request(engine, question))
        return SKIO_EXCHANGE_ANSWERED;
    if (engine->forward != NULL &&
        skio__forward_is_wanted(engine, question, tag))
        return skio__forward_begin(engine, question, tag, out);
    if (engine->hooked != NULL) {
        asker->visit =
            skio__visit_new(engine, request, question->fields.sid.len == 0);
        if (asker->visit == NULL) {
            skio__reply_busy(engine, asker);
            return SKIO_EXCHANGE_ANSWERED;
        }
        if (skio__verdict_is_wanted(engine))
            return skio__verdict_begin(engine, question, out);
    }
    if (!skio__exchange_verify(engine, question))
        return SKIO_EXCHANGE_ANSWERED;
    return skio__exchange_admit(engine, question, out);
}

static int
ask(struct eio_engine *engine, struct eio_question *question,
    skio_exchange **out)
{
    int state;

    *out = NULL;
    skio__engine_enter(engine);
    state = begin(engine, question, out);
    skio__visit_unref(question->asker.visit); /* who keeps it has its own */
    skio__engine_leave(engine);
    return state;
}

int
skio__exchange_new(struct eio_engine *engine, const skio_request *request,
                   void *handle, skio_exchange **out)
{
    struct eio_question question = {
        .request = request,
        .asker = {.handle = handle, .is_upgrade = request->upgrade},
    };

    return ask(engine, &question, out);
}

int
skio__exchange_take(struct eio_engine *engine, const skio_request *request,
                    void *handle, skio_exchange **out)
{
    struct eio_question question = {
        .request = request,
        .asker = {.handle = handle, .is_forwarded = true},
    };

    return ask(engine, &question, out);
}

/* ---- What follows ---- */

int
skio_exchange_body(skio_exchange *exchange, const void *data, size_t len)
{
    struct eio_engine *engine = exchange->engine;
    int err;

    skio__engine_enter(engine);
    if (exchange->kind == EIO_EXCHANGE_JUDGED)
        err = skio__verdict_body(exchange, data, len);
    else if (exchange->kind == EIO_EXCHANGE_FORWARD)
        err = skio__forward_body(exchange, data, len);
    else
        err = skio__polling_body(exchange, data, len);
    skio__engine_leave(engine);
    return err;
}

int
skio_exchange_end(skio_exchange *exchange)
{
    struct eio_engine *engine = exchange->engine;
    int state = SKIO_EXCHANGE_ANSWERED;

    skio__engine_enter(engine);
    if (exchange->kind == EIO_EXCHANGE_JUDGED)
        state = skio__verdict_end(exchange);
    else if (exchange->kind == EIO_EXCHANGE_FORWARD)
        state = skio__forward_end(exchange);
    else
        skio__polling_end(exchange);
    skio__engine_leave(engine);
    return state;
}

void
skio_exchange_abort(skio_exchange *exchange)
{
    struct eio_engine *engine = exchange->engine;
    struct skio_session *session = exchange->session;

    skio__engine_enter(engine);
    if (session != NULL) {
        if (session->poll == exchange)
            session->poll = NULL;
        if (session->post == exchange)
            session->post = NULL;
        exchange->session = NULL;
        skio__session_detail(session, exchange->kind == EIO_EXCHANGE_POLL
                                          ? "poll connection closed prematurely"
                                          : "data request connection closed "
                                            "prematurely");
        skio__session_end(session, SKIO_DISCONNECT_TRANSPORT_ERROR, "1", true);
    }
    skio__exchange_free(exchange);
    skio__engine_leave(engine);
}

size_t
skio_exchange_headers(const skio_exchange *exchange, const skio_header **out)
{
    const struct eio_opening *opening = exchange->opening;

    *out = opening != NULL ? opening->headers : NULL;
    return opening != NULL ? opening->header_count : 0;
}

bool
skio_exchange_accept_deflate(skio_exchange *exchange)
{
    struct eio_opening *opening = exchange->opening;

    if (opening == NULL || opening->extension == NULL ||
        opening->window_bits != 0)
        return false;
    opening->window_bits = opening->extension->window_bits;
    opening->headers[opening->header_count++] =
        (skio_header){"Sec-WebSocket-Extensions", opening->extension->answer};
    return true;
}

bool
skio__exchange_open(skio_exchange *exchange, skio_ws *ws)
{
    struct eio_engine *engine = exchange->engine;
    struct skio_session *session;

    ws->wants_base64 = exchange->asker.wants_base64;
    if (exchange->kind == EIO_EXCHANGE_CONNECT)
        return skio__handshake_websocket(engine, ws, exchange);

    session = skio__session_find(engine, exchange->opening->sid,
                                 strlen(exchange->opening->sid));
    if (session == NULL || session->ws != NULL || session->upgrade != NULL) {
        /* It has closed meanwhile, was upgraded, or is being upgraded. */
        skio__ws_close(ws, EIO_WS_NO_STATUS);
        return true;
    }
    return skio__upgrade_start(session, ws) == SKIO_OK;
}

skio_ws *
skio_ws_open(skio_exchange *exchange, void *handle)
{
    struct eio_engine *engine = exchange->engine;
    skio_ws *ws;

    assert(exchange->opening != NULL); /* it was an upgrade */
    skio__engine_enter(engine);
    ws = skio__ws_new(engine, handle);
    if (ws != NULL)
        ws->window_bits = exchange->opening->window_bits;
    if (ws != NULL && exchange->kind == EIO_EXCHANGE_JUDGED) {
        skio__verdict_open(exchange, ws);
    } else {
        /* It carries a session, probes, or says Close; else there is none. */
        if (ws != NULL && !skio__exchange_open(exchange, ws)) {
            skio__ws_free(ws);
            ws = NULL;
        }
        skio__exchange_free(exchange);
    }
    skio__engine_leave(engine);
    return ws;
}
