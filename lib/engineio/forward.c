#include "engineio/forward.h"

#include <string.h>

#include "base/mem.h"
#include "base/sized.h"

/* ---- Which ones ---- */

static bool
is_tag(const char *tag)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-_";

    return strspn(tag, plain) == SKIO_FORWARD_TAG_LEN &&
           tag[SKIO_FORWARD_TAG_LEN] == '\0';
}

bool
skio__forward_is_wanted(const struct eio_engine *engine,
                        const struct eio_question *question,
                        char tag[SKIO_FORWARD_TAG_LEN + 1])
{
    const struct eio_forward *forward = engine->forward;
    const skio_request *request = question->request;
    char decoded[EIO_PARAMETER_MAX];
    const char *sid;
    size_t len;

    if (forward->is_off || engine->shutting_down ||
        question->asker.is_forwarded || request->upgrade ||
        (strcmp(request->method, "GET") != 0 &&
         strcmp(request->method, "POST") != 0))
        return false;
    sid = skio__parameter_text(&question->fields.sid, decoded, &len);
    if (sid == NULL || len != EIO_TAGGED_ID_LEN)
        return false;
    memcpy(tag, sid + SKIO__ID_LEN, SKIO_FORWARD_TAG_LEN);
    tag[SKIO_FORWARD_TAG_LEN] = '\0';
    return is_tag(tag) && strcmp(tag, forward->tag) != 0 &&
           skio__session_find(engine, sid, EIO_TAGGED_ID_LEN) == NULL;
}

/* ---- Passing on ---- */

static void
link_in(struct eio_forward *forward, struct eio_passed *passed)
{
    passed->prev = NULL;
    passed->next = forward->first;
    if (passed->next != NULL)
        passed->next->prev = passed;
    forward->first = passed;
}

static void
take_out(struct eio_forward *forward, const struct eio_passed *passed)
{
    if (passed->prev != NULL)
        passed->prev->next = passed->next;
    else
        forward->first = passed->next;
    if (passed->next != NULL)
        passed->next->prev = passed->prev;
}

void
skio__forward_release(skio_exchange *exchange)
{
    struct eio_engine *engine = exchange->engine;
    struct eio_forward *forward = engine->forward;
    struct eio_passed *passed = exchange->passed;

    if (passed == NULL)
        return;
    exchange->passed = NULL;
    take_out(forward, passed);
    forward->count--;
    forward->bytes -= passed->body_len;
    if (passed->is_asked)
        forward->ops.abandon(exchange, passed->name, forward->user);
    skio__mem_free(engine->mem, passed);
}

/* Answer what the forwarder did not take. */
static void
refuse(skio_exchange *exchange, int err)
{
    struct eio_engine *engine = exchange->engine;

    if (err == SKIO_ECLOSED)
        skio__reply_error(engine, &exchange->asker, EIO_ERROR_SID);
    else if (err == SKIO_ETOOBIG)
        skio__reply_status(engine, &exchange->asker, 413, NULL);
    else
        skio__reply_busy(engine, &exchange->asker);
    skio__exchange_free(exchange);
}

static int
ask(skio_exchange *exchange, const skio_request *request)
{
    struct eio_engine *engine = exchange->engine;
    struct eio_forward *forward = engine->forward;
    struct eio_passed *passed = exchange->passed;
    int err = SKIO_ECLOSED;

    if (!forward->is_off) {
        /* Whoever detaches or stops in here does not end what is in here. */
        take_out(forward, passed);
        err = forward->ops.ask(exchange, passed->tag, request,
                               exchange->body.data, exchange->body.len,
                               &passed->name, forward->user);
        link_in(forward, passed);
        passed->is_asked = err == SKIO_OK;
        if (err == SKIO_OK && (forward->is_off || engine->shutting_down))
            err = SKIO_EBUSY;
    }
    if (err == SKIO_OK)
        return SKIO_EXCHANGE_HELD;
    refuse(exchange, err);
    return SKIO_EXCHANGE_ANSWERED;
}

int
skio__forward_begin(struct eio_engine *engine,
                    const struct eio_question *question, const char *tag,
                    skio_exchange **out)
{
    struct eio_forward *forward = engine->forward;
    const skio_request *request = question->request;
    size_t max = engine->options->max_http_buffer_size;
    bool has_body = strcmp(request->method, "POST") == 0;
    skio_exchange *exchange;
    int state;

    if (has_body && request->content_length > 0 &&
        (uint64_t)request->content_length > max) {
        skio__limit_hit(engine, EIO_LIMIT_max_http_buffer_size);
        skio__reply_status(engine, &question->asker, 413, NULL);
        return SKIO_EXCHANGE_ANSWERED;
    }
    if (forward->count >= forward->ops.max_requests) {
        skio__limit_hit(engine, EIO_LIMIT_forward);
        skio__reply_busy(engine, &question->asker);
        return SKIO_EXCHANGE_ANSWERED;
    }
    exchange =
        skio__exchange_make(engine, &question->asker, EIO_EXCHANGE_FORWARD);
    if (exchange == NULL)
        goto fail;
    exchange->passed =
        skio__mem_calloc(engine->mem, 1, sizeof *exchange->passed);
    if (exchange->passed == NULL)
        goto fail;
    exchange->passed->exchange = exchange;
    memcpy(exchange->passed->tag, tag, sizeof exchange->passed->tag);
    link_in(forward, exchange->passed);
    forward->count++;
    if (has_body) {
        exchange->request = skio__request_new(engine->mem, request, false);
        if (exchange->request == NULL)
            goto fail;
        exchange->body.max = max;
        *out = exchange;
        return SKIO_EXCHANGE_BODY;
    }
    state = ask(exchange, request);
    if (state == SKIO_EXCHANGE_HELD)
        *out = exchange;
    return state;

fail:
    if (exchange != NULL)
        skio__exchange_free(exchange);
    skio__reply_busy(engine, &question->asker);
    return SKIO_EXCHANGE_ANSWERED;
}

int
skio__forward_body(skio_exchange *exchange, const void *data, size_t len)
{
    struct eio_engine *engine = exchange->engine;
    struct eio_forward *forward = engine->forward;
    int err = SKIO_ENOBUFS;

    if (len <= forward->ops.max_bytes - forward->bytes)
        err = skio__buf_append(&exchange->body, data, len);
    if (err == SKIO_OK) {
        forward->bytes += len;
        exchange->passed->body_len += len;
        return SKIO_OK;
    }
    if (err != SKIO_ENOMEM)
        skio__limit_hit(engine, err == SKIO_ENOBUFS
                                    ? EIO_LIMIT_forward
                                    : EIO_LIMIT_max_http_buffer_size);
    exchange->asker.must_close = true;
    refuse(exchange, err);
    return SKIO_ECLOSED;
}

int
skio__forward_end(skio_exchange *exchange)
{
    skio_request request;

    skio__request_view(exchange->request, &request);
    request.content_length = (int64_t)exchange->body.len;
    return ask(exchange, &request);
}

void
skio__forward_end_all(struct eio_engine *engine)
{
    struct eio_forward *forward = engine->forward;

    while (forward != NULL && forward->first != NULL) {
        skio_exchange *exchange = forward->first->exchange;

        if (engine->is_deaf) {
            skio__exchange_free(exchange);
        } else {
            exchange->asker.must_close = true;
            refuse(exchange, SKIO_EBUSY);
        }
    }
}

void
skio__forward_deinit(struct eio_engine *engine)
{
    skio__mem_free(engine->mem, engine->forward);
    engine->forward = NULL;
}

void
skio__forward_respond(const struct eio_engine *engine, void *handle,
                      const skio_response *response)
{
    const struct eio_forward *forward = engine->forward;

    if (!forward->is_off)
        forward->ops.respond(handle, response);
}

/* ---- <socketio/forward.h> ---- */

int
skio_forward_attach(skio_server *server, const skio_forwarder *forwarder,
                    void *user)
{
    struct eio_engine *engine = skio__server_engine(server);
    struct eio_forward *forward = engine->forward;
    skio_forwarder ops = {0};

    if (forward != NULL && !forward->is_off)
        return SKIO_EBUSY;
    skio__sized_read(&ops, sizeof ops, forwarder);
    if (ops.ask == NULL || ops.abandon == NULL || ops.respond == NULL ||
        ops.tag == NULL || !is_tag(ops.tag) || ops.max_requests == 0 ||
        ops.max_bytes == 0)
        return SKIO_EINVAL;
    if (forward == NULL)
        forward = skio__mem_calloc(engine->mem, 1, sizeof *forward);
    if (forward == NULL)
        return SKIO_ENOMEM;
    memcpy(forward->tag, ops.tag, sizeof forward->tag);
    ops.tag = forward->tag;
    forward->ops = ops;
    forward->user = user;
    forward->is_off = false;
    engine->forward = forward;
    return SKIO_OK;
}

void
skio_forward_detach(skio_server *server)
{
    struct eio_engine *engine = skio__server_engine(server);

    if (engine->forward == NULL)
        return;
    skio__engine_enter(engine);
    skio__forward_end_all(engine);
    engine->forward->is_off = true;
    skio__engine_leave(engine);
}

void
skio_forward_answer(skio_exchange *exchange, const skio_response *response)
{
    struct eio_engine *engine = exchange->engine;

    skio__engine_enter(engine);
    exchange->passed->is_asked = false;
    if (!engine->is_deaf)
        engine->hooks.respond(exchange->asker.handle, response);
    skio__exchange_free(exchange);
    skio__engine_leave(engine);
}

void
skio_forward_unknown(skio_exchange *exchange)
{
    struct eio_engine *engine = exchange->engine;

    skio__engine_enter(engine);
    exchange->passed->is_asked = false;
    refuse(exchange, SKIO_ECLOSED);
    skio__engine_leave(engine);
}

int
skio_forward_take(skio_server *server, const skio_request *request,
                  const void *body, size_t len, void *handle,
                  skio_exchange **out)
{
    struct eio_engine *engine = skio__server_engine(server);
    skio_exchange *exchange = NULL;
    int state;

    *out = NULL;
    if (engine->forward == NULL || engine->forward->is_off)
        return SKIO_ECLOSED;
    if (request->upgrade || (strcmp(request->method, "GET") != 0 &&
                             strcmp(request->method, "POST") != 0))
        return SKIO_EINVAL;

    skio__engine_enter(engine);
    state = skio__exchange_take(engine, request, handle, &exchange);
    if (state == SKIO_EXCHANGE_BODY) {
        state = SKIO_EXCHANGE_ANSWERED;
        if (len == 0 || skio_exchange_body(exchange, body, len) == SKIO_OK)
            state = skio_exchange_end(exchange);
    }
    if (state == SKIO_EXCHANGE_HELD)
        *out = exchange;
    skio__engine_leave(engine);
    return SKIO_OK;
}
