#include "engineio/verdict.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engineio/heartbeat.h"
#include "engineio/polling.h"
#include "engineio/websocket.h"

#define MESSAGE_MAX 1024

enum eio_word { UNDECIDED, ACCEPTED, REFUSED, ANSWERED, EXPIRED };

/* What skio_verdict_respond() was given. */
struct eio_answer {
    int status;
    char *content_type; /* in data; NULL: none */
    size_t len;
    char *body; /* in data */
    char data[];
};

struct skio_verdict {
    skio_allocator mem;
    struct eio_engine *engine; /* NULL: nothing is left to decide */
    struct eio_visit *visit;
    skio_exchange *exchange; /* while held */
    struct eio_address *address;
    struct skio__fifo_node timer;
    struct eio_answer *answer;
    char *message;  /* of a refusal; NULL: the code's own */
    uint32_t index; /* of the middleware that is asked */
    uint8_t refs;   /* the application's, and the engine's */
    uint8_t word;   /* enum eio_word */
    bool is_running;
    bool is_allow; /* not a middleware is asked but allow_request */
    bool is_late;  /* the 101 is on its way: no header can follow */
    bool is_counted;
    bool origin_may_connect;
};

bool
skio__verdict_is_wanted(const struct eio_engine *engine)
{
    return engine->hooked->middlewares.count > 0 ||
           engine->hooked->allow_request.fn != NULL;
}

static void
unref(skio_verdict *verdict)
{
    skio_allocator mem = verdict->mem; /* it is about to free itself */

    if (--verdict->refs > 0)
        return;
    skio__mem_free(&mem, verdict->answer);
    skio__mem_free(&mem, verdict->message);
    skio__mem_free(&mem, verdict);
}

/* It waits no longer: out of the list and the counts. */
static void
unhold(skio_verdict *verdict)
{
    if (!verdict->is_counted)
        return;
    verdict->is_counted = false;
    skio__fifo_remove(&verdict->timer);
    verdict->engine->undecided--;
    if (verdict->address != NULL)
        verdict->address->undecided--;
    skio__address_leave(verdict->engine, verdict->address, false);
    verdict->address = NULL;
}

/* Unless it is held (again), nothing is left to decide. */
static void
settle(skio_verdict *verdict)
{
    if (verdict->exchange != NULL)
        return;
    skio__visit_unref(verdict->visit);
    verdict->visit = NULL;
    verdict->engine = NULL;
    unref(verdict);
}

void
skio__verdict_detach(skio_exchange *exchange)
{
    skio_verdict *verdict = exchange->verdict;

    if (verdict == NULL)
        return;
    unhold(verdict);
    exchange->verdict = NULL;
    verdict->exchange = NULL;
    settle(verdict);
}

/* ---- Holding ---- */

/* The limit that one more would pass. Those that open sessions count as these
 * do; others are no matter of how many sessions there are. */
static enum eio_limit
limit_of(const struct eio_engine *engine, const struct eio_question *question)
{
    const skio_server_options *options = engine->options;
    const char *address = question->request->address;
    const struct eio_address *counted;

    if (question->asker.visit->is_handshake)
        return skio__session_refused(engine, address);
    counted = address != NULL ? skio__address_find(engine, address) : NULL;
    if (engine->undecided >= options->max_unconnected)
        return EIO_LIMIT_max_unconnected;
    if (counted != NULL &&
        counted->undecided >= options->max_unconnected_per_address)
        return EIO_LIMIT_max_unconnected_per_address;
    return EIO_LIMIT_NONE;
}

static int
hold(skio_verdict *verdict, struct eio_question *question, skio_exchange **out)
{
    struct eio_engine *engine = verdict->engine;
    const skio_request *request = question->request;
    skio_exchange *exchange = NULL;
    const char *address = skio_engine_request_address(verdict->visit->request);
    enum eio_limit limit = limit_of(engine, question);

    if (limit != EIO_LIMIT_NONE) {
        skio__limit_hit(engine, limit);
        goto fail;
    }
    exchange =
        skio__exchange_make(engine, &question->asker, EIO_EXCHANGE_JUDGED);
    if (exchange == NULL)
        goto fail;
    if (request->upgrade && question->asker.ws == NULL &&
        !skio__exchange_prepare(exchange, question))
        return SKIO_EXCHANGE_ANSWERED;
    if (skio__address_enter(engine, address, &verdict->address) != SKIO_OK)
        goto fail;

    exchange->body.max = engine->options->max_http_buffer_size;
    exchange->verdict = verdict;
    if (exchange->opening != NULL)
        exchange->opening->ws = question->asker.ws;
    verdict->exchange = exchange;
    verdict->is_counted = true;
    engine->undecided++;
    if (verdict->address != NULL)
        verdict->address->undecided++;
    skio__heartbeat_arm(engine, &engine->verdict_due, &verdict->timer,
                        skio__engine_now(engine));
    *out = exchange;
    if (request->upgrade) {
        verdict->is_late = true;
        return SKIO_EXCHANGE_UPGRADE;
    }
    return strcmp(request->method, "GET") != 0 ? SKIO_EXCHANGE_BODY
                                               : SKIO_EXCHANGE_HELD;

fail:
    if (exchange != NULL && exchange != question->asker.held)
        skio__exchange_free(exchange);
    skio__reply_busy(engine, &question->asker);
    return SKIO_EXCHANGE_ANSWERED;
}

/* ---- Asking ---- */

static void
ask(skio_verdict *verdict, struct eio_hook hook)
{
    skio_verdict_fn *fn = (skio_verdict_fn *)hook.fn;

    verdict->word = UNDECIDED;
    verdict->refs++;
    verdict->is_running = true;
    fn(verdict, hook.user);
    verdict->is_running = false;
}

static void
answer(skio_verdict *verdict, struct eio_question *question)
{
    struct eio_engine *engine = verdict->engine;
    const struct eio_answer *given = verdict->answer;

    if (verdict->word == EXPIRED)
        skio__reply_busy(engine, &question->asker);
    else if (verdict->word == ANSWERED)
        skio__reply_custom(engine, &question->asker, given->status,
                           given->content_type, given->body, given->len);
    else if (verdict->is_allow)
        skio__handshake_refuse(engine, question, EIO_ERROR_FORBIDDEN, NULL,
                               verdict->message);
    else
        skio__handshake_refuse(engine, question, EIO_ERROR_REQUEST,
                               "MIDDLEWARE_FAILURE", NULL);
}

/* Go on from where the verdict stands. An enum skio_exchange_state. */
static int
run(skio_verdict *verdict, struct eio_question *question, skio_exchange **out)
{
    struct eio_engine *engine = verdict->engine;
    const struct eio_hooks *hooks = engine->hooked;

    while (!verdict->is_allow || verdict->word != ACCEPTED) {
        struct eio_hook hook = hooks->allow_request;

        if (verdict->index < hooks->middlewares.count) {
            hook = hooks->middlewares.items[verdict->index];
        } else {
            if (!skio__exchange_verify(engine, question))
                return SKIO_EXCHANGE_ANSWERED;
            if (question->session != NULL || hook.fn == NULL)
                break;
            verdict->is_allow = true;
        }
        ask(verdict, hook);
        if (verdict->word == UNDECIDED)
            return hold(verdict, question, out);
        if (verdict->word != ACCEPTED) {
            answer(verdict, question);
            return SKIO_EXCHANGE_ANSWERED;
        }
        verdict->index++;
    }
    return skio__exchange_admit(engine, question, out);
}

int
skio__verdict_begin(struct eio_engine *engine, struct eio_question *question,
                    skio_exchange **out)
{
    skio_verdict *verdict = skio__mem_calloc(engine->mem, 1, sizeof *verdict);
    int state;

    if (verdict == NULL) {
        skio__reply_busy(engine, &question->asker);
        return SKIO_EXCHANGE_ANSWERED;
    }
    verdict->mem = *engine->mem;
    verdict->engine = engine;
    verdict->visit = skio__visit_ref(question->asker.visit);
    verdict->refs = 1;
    verdict->origin_may_connect = question->origin_may_connect;
    state = run(verdict, question, out);
    settle(verdict);
    return state;
}

/* ---- The word, later ---- */

/* The WebSocket whose 101 was sent; NULL: none. */
static skio_ws *
ws_of(const skio_exchange *exchange)
{
    return exchange->opening != NULL ? exchange->opening->ws : NULL;
}

/* A held exchange goes on as another kind, waits again, or was answered. */
static void
go_on(skio_exchange *exchange, int state)
{
    bool is_complete = exchange->is_complete;
    skio_ws *ws = ws_of(exchange);

    if (state != SKIO_EXCHANGE_ANSWERED && exchange->verdict != NULL)
        return;
    if (ws != NULL) {
        ws->is_judged = false;
        ws->held = NULL;
        if (state == SKIO_EXCHANGE_UPGRADE &&
            !skio__exchange_open(exchange, ws))
            skio__ws_close(ws, EIO_WS_NO_STATUS);
        skio__exchange_free(exchange);
    } else if (state == SKIO_EXCHANGE_ANSWERED) {
        skio__exchange_free(exchange);
    } else if (state == SKIO_EXCHANGE_BODY && is_complete) {
        skio__polling_end(exchange);
    }
}

static void
resume(skio_verdict *verdict)
{
    struct eio_engine *engine = verdict->engine;
    skio_exchange *exchange = verdict->exchange;
    skio_exchange *out = NULL;
    struct eio_question question = {.asker = exchange->asker};
    int state = SKIO_EXCHANGE_ANSWERED;
    skio_request request;

    skio__engine_enter(engine);
    unhold(verdict);
    exchange->verdict = NULL;
    verdict->exchange = NULL;

    skio__request_view(verdict->visit->request, &request);
    question.request = &request;
    skio__fields_read_headers(&question.fields, &request);
    skio__fields_read_query(&question.fields, &request);
    question.origin_may_connect = verdict->origin_may_connect;
    question.is_websocket = request.upgrade;
    question.asker.held = exchange;
    question.asker.ws = ws_of(exchange);
    /* More of a body may come, which nobody will read. */
    question.asker.must_close =
        strcmp(request.method, "GET") != 0 && !exchange->is_complete;

    if (verdict->word == ACCEPTED) {
        verdict->index++;
        state = run(verdict, &question, &out);
    } else {
        answer(verdict, &question);
    }
    go_on(exchange, state);
    settle(verdict);
    skio__engine_leave(engine);
}

/* Whether the 101 of its WebSocket is still on its way. */
static bool
is_opening(const skio_exchange *exchange)
{
    return exchange->opening != NULL && exchange->opening->ws == NULL;
}

static int
give(skio_verdict *verdict, enum eio_word word)
{
    if (verdict->is_running) {
        verdict->word = (uint8_t)word;
        unref(verdict);
        return SKIO_OK;
    }
    if (verdict->engine == NULL || verdict->word != UNDECIDED) {
        unref(verdict);
        return SKIO_ECLOSED;
    }
    verdict->word = (uint8_t)word;
    if (is_opening(verdict->exchange))
        unhold(verdict);
    else
        resume(verdict);
    unref(verdict);
    return SKIO_OK;
}

void
skio__verdict_open(skio_exchange *exchange, skio_ws *ws)
{
    exchange->opening->ws = ws;
    ws->held = exchange;
    ws->is_judged = true;
    if (exchange->verdict->word != UNDECIDED)
        resume(exchange->verdict);
}

int
skio__verdict_body(skio_exchange *exchange, const void *data, size_t len)
{
    struct eio_engine *engine = exchange->engine;
    int err = skio__buf_append(&exchange->body, data, len);

    engine->counters.bytes_in += len;
    if (err == SKIO_OK)
        return SKIO_OK;
    exchange->asker.must_close = true;
    if (err == SKIO_ETOOBIG) {
        skio__limit_hit(engine, EIO_LIMIT_max_http_buffer_size);
        skio__reply_status(engine, &exchange->asker, 413, NULL);
    } else {
        skio__reply_busy(engine, &exchange->asker);
    }
    skio__exchange_free(exchange);
    return SKIO_ECLOSED;
}

int
skio__verdict_end(skio_exchange *exchange)
{
    exchange->is_complete = true;
    return SKIO_EXCHANGE_HELD;
}

static void
expire(skio_verdict *verdict)
{
    verdict->word = EXPIRED;
    if (is_opening(verdict->exchange))
        unhold(verdict);
    else
        resume(verdict);
}

void
skio__verdict_timeout(struct eio_engine *engine, uint64_t now_ms)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(&engine->verdict_due, now_ms)) != NULL) {
        skio_verdict *verdict =
            skio__container_of(node, struct skio_verdict, timer);

        skio__log(&engine->log, SKIO_LOG_WARN,
                  "a request waited too long for its verdict");
        skio__limit_hit(engine, EIO_LIMIT_verdict_timeout_ms);
        expire(verdict);
    }
}

void
skio__verdict_end_all(struct eio_engine *engine)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(&engine->verdict_due, UINT64_MAX)) !=
           NULL) {
        skio_verdict *verdict =
            skio__container_of(node, struct skio_verdict, timer);

        if (engine->is_deaf)
            skio__exchange_free(verdict->exchange);
        else
            expire(verdict);
    }
}

/* ---- <socketio/request.h> ---- */

const skio_engine_request *
skio_verdict_request(const skio_verdict *verdict)
{
    return verdict->engine != NULL ? verdict->visit->request : NULL;
}

skio_headers *
skio_verdict_headers(skio_verdict *verdict)
{
    return verdict->engine != NULL && !verdict->is_late
               ? &verdict->visit->headers
               : NULL;
}

static bool
is_given(const skio_verdict *verdict)
{
    return verdict->is_running && verdict->word != UNDECIDED;
}

int
skio_verdict_accept(skio_verdict *verdict)
{
    return is_given(verdict) ? SKIO_EBUSY : give(verdict, ACCEPTED);
}

int
skio_verdict_refuse(skio_verdict *verdict, const char *message)
{
    int trouble = SKIO_OK;
    int err;

    if (is_given(verdict))
        return SKIO_EBUSY;
    if (message != NULL && message[0] != '\0' && verdict->engine != NULL) {
        size_t len = strlen(message);

        if (len > MESSAGE_MAX)
            trouble = SKIO_ETOOBIG;
        else if (!skio__utf8_valid(message, len))
            trouble = SKIO_EUTF8;
        else
            verdict->message = skio__mem_strndup(&verdict->mem, message, len);
        if (trouble == SKIO_OK && verdict->message == NULL)
            trouble = SKIO_ENOMEM;
    }
    err = give(verdict, REFUSED);
    return err != SKIO_OK ? err : trouble;
}

int
skio_verdict_respond(skio_verdict *verdict, int status,
                     const char *content_type, const void *body, size_t len)
{
    size_t type_size = content_type != NULL ? strlen(content_type) + 1 : 0;
    struct eio_answer *given;
    size_t size;

    if (is_given(verdict))
        return SKIO_EBUSY;
    if (verdict->engine == NULL)
        return give(verdict, ANSWERED);
    if (status < 200 || status > 599 ||
        (content_type != NULL && !skio__cors_is_clean(content_type)))
        return SKIO_EINVAL;
    if (skio__add_overflow(sizeof *given + type_size, len, &size))
        return SKIO_ENOMEM;
    given = skio__mem_alloc(&verdict->mem, size);
    if (given == NULL)
        return SKIO_ENOMEM;

    given->status = status;
    given->content_type = NULL;
    if (type_size > 0) {
        given->content_type = given->data;
        memcpy(given->data, content_type, type_size);
    }
    given->body = given->data + type_size;
    given->len = len;
    if (len > 0)
        memcpy(given->body, body, len);
    verdict->answer = given;
    return give(verdict, ANSWERED);
}
