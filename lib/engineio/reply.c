#include "engineio/reply.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/json.h"
#include "engineio/compression.h"
#include "engineio/forward.h"
#include "engineio/headers.h"
#include "engineio/request.h"
#include "engineio/websocket.h"

#define HEADERS_MAX 12

static const struct {
    int status;
    const char *text;
    const char *json;
} errors[] = {
    [EIO_ERROR_TRANSPORT] = {400, "Transport unknown",
                             "{\"code\":0,\"message\":\"Transport unknown\"}"},
    [EIO_ERROR_SID] = {400, "Session ID unknown",
                       "{\"code\":1,\"message\":\"Session ID unknown\"}"},
    [EIO_ERROR_METHOD] = {400, "Bad handshake method",
                          "{\"code\":2,\"message\":\"Bad handshake method\"}"},
    [EIO_ERROR_REQUEST] = {400, "Bad request",
                           "{\"code\":3,\"message\":\"Bad request\"}"},
    [EIO_ERROR_FORBIDDEN] = {403, "Forbidden",
                             "{\"code\":4,\"message\":\"Forbidden\"}"},
    [EIO_ERROR_PROTOCOL] =
        {400, "Unsupported protocol version",
         "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
};

struct reply {
    skio_response response;
    bool is_custom;  /* an upgrade gets the application's headers as well */
    char number[16]; /* of Access-Control-Max-Age, or Retry-After */
    skio_header headers[HEADERS_MAX];
};

static void
add(struct reply *reply, const char *name, const char *value)
{
    reply->headers[reply->response.header_count].name = name;
    reply->headers[reply->response.header_count].value = value;
    reply->response.header_count++;
}

static void
add_preflight(struct reply *reply, const struct eio_engine *engine,
              const struct eio_asker *asker)
{
    static const char asks[] = "access-control-request-headers";
    static const char both[] = "Origin, Access-Control-Request-Headers";
    const skio_server_options *options = engine->options;
    const char *asked = asker->cors.asked;

    add(reply, "Access-Control-Allow-Methods", options->cors_methods);
    if (options->cors_headers != NULL) {
        add(reply, "Access-Control-Allow-Headers", options->cors_headers);
    } else {
        uint32_t i;

        for (i = 0; i < reply->response.header_count; i++) {
            if (strcmp(reply->headers[i].name, "Vary") == 0)
                break;
        }
        if (i < reply->response.header_count)
            reply->headers[i].value = both;
        else
            add(reply, "Vary", "Access-Control-Request-Headers");
        if (asked == NULL && asker->visit != NULL)
            asked = skio__request_header(asker->visit->request, asks);
        if (asked != NULL && skio__cors_is_clean(asked))
            add(reply, "Access-Control-Allow-Headers", asked);
    }
    if (options->cors_max_age_s > 0) {
        snprintf(reply->number, sizeof reply->number, "%u",
                 (unsigned)options->cors_max_age_s);
        add(reply, "Access-Control-Max-Age", reply->number);
    }
}

static void
begin(struct reply *reply, const struct eio_engine *engine,
      const struct eio_asker *asker, int status)
{
    memset(&reply->response, 0, sizeof reply->response);
    reply->is_custom = false;
    reply->response.status = status;
    reply->response.headers = reply->headers;
    reply->response.close = status >= 400 || asker->must_close;
    /* Node gives an upgrade that it refuses no headers of the middlewares. */
    if (!asker->is_upgrade)
        reply->response.header_count =
            skio__reply_cors(engine, &asker->cors, reply->headers);
    if (asker->cors.is_preflight)
        add_preflight(reply, engine, asker);
}

static void
send_reply(struct eio_engine *engine, const struct eio_asker *asker,
           struct reply *reply, const char *type, const void *body, size_t len)
{
    skio_header all[HEADERS_MAX + EIO_HEADERS_MAX];

    reply->response.content_type = type;
    reply->response.body = body;
    reply->response.body_len = len;
    if (asker->visit != NULL && asker->visit->headers.count > 0 &&
        (!asker->is_upgrade || reply->is_custom)) {
        reply->response.header_count =
            skio__headers_join(reply->headers, reply->response.header_count,
                               &asker->visit->headers, all);
        reply->response.headers = all;
        if (skio_headers_get(&asker->visit->headers, "Content-Type") != NULL)
            reply->response.content_type = NULL;
    }
    if (skio__likely(!asker->is_forwarded))
        engine->hooks.respond(asker->handle, &reply->response);
    else
        skio__forward_respond(engine, asker->handle, &reply->response);
}

static void
add_payload_headers(struct reply *reply, struct eio_engine *engine,
                    const struct eio_asker *asker)
{
    add(reply, "cache-control", "no-store");
    if (asker->is_old_ie)
        add(reply, "X-XSS-Protection", "0");
    if (asker->visit != NULL)
        skio__visit_headers(engine, asker->visit);
}

size_t
skio__reply_cors(const struct eio_engine *engine, const struct eio_cors *cors,
                 skio_header out[EIO_CORS_HEADERS])
{
    const skio_server_options *options = engine->options;
    size_t count = 0;

    if (!cors->is_on)
        return 0;
    if (cors->allow_origin != NULL)
        out[count++] =
            (skio_header){"Access-Control-Allow-Origin", cors->allow_origin};
    if (cors->vary)
        out[count++] = (skio_header){"Vary", "Origin"};
    if (options->cors_credentials)
        out[count++] =
            (skio_header){"Access-Control-Allow-Credentials", "true"};
    if (options->cors_exposed != NULL)
        out[count++] = (skio_header){"Access-Control-Expose-Headers",
                                     options->cors_exposed};
    return count;
}

void
skio__reply_status(struct eio_engine *engine, const struct eio_asker *asker,
                   int status, const char *body)
{
    struct reply reply;

    if (asker->ws != NULL) {
        skio__ws_refuse(asker->ws, NULL, EIO_WS_POLICY);
        return;
    }
    begin(&reply, engine, asker, status);
    send_reply(engine, asker, &reply, body != NULL ? "text/html" : NULL, body,
               body != NULL ? strlen(body) : 0);
}

/* {"code":4,"message":"..."}; NULL when memory is out. */
static const char *
write_error(struct skio__buf *buf, enum eio_error error, const char *reason)
{
    char code[32];

    snprintf(code, sizeof code, "{\"code\":%d,\"message\":", (int)error);
    skio__buf_append_str(buf, code);
    skio__json_quote(buf, reason, strlen(reason));
    skio__buf_append(buf, "}", 2);
    return buf->err == SKIO_OK ? buf->data : NULL;
}

void
skio__reply_refusal(struct eio_engine *engine, const struct eio_asker *asker,
                    skio_connection_error *why)
{
    enum eio_error error = (enum eio_error)why->code;
    const char *text = why->reason != NULL ? why->reason : errors[error].text;
    const char *json = errors[error].json;
    struct skio__buf buf;
    struct reply reply;

    engine->counters.requests_refused++;
    skio__log(&engine->log, SKIO_LOG_DEBUG, "request refused: %s",
              errors[error].text);
    if (asker->visit != NULL) {
        why->struct_size = sizeof *why;
        why->request = asker->visit->request;
        why->message = errors[error].text;
        skio__hooks_refused(engine, why);
    }

    skio__buf_init(&buf, engine->mem);
    if (why->reason != NULL && write_error(&buf, error, why->reason) != NULL)
        json = buf.data;
    if (asker->ws != NULL) {
        skio__ws_refuse(asker->ws, json, EIO_WS_POLICY);
    } else {
        begin(&reply, engine, asker, errors[error].status);
        if (asker->is_upgrade)
            send_reply(engine, asker, &reply, "text/html", text, strlen(text));
        else
            send_reply(engine, asker, &reply, "application/json", json,
                       strlen(json));
    }
    skio__buf_deinit(&buf);
}

void
skio__reply_error(struct eio_engine *engine, const struct eio_asker *asker,
                  enum eio_error error)
{
    skio_connection_error why = {.code = (enum skio_connection_code)error};

    skio__reply_refusal(engine, asker, &why);
}

void
skio__reply_custom(struct eio_engine *engine, const struct eio_asker *asker,
                   int status, const char *type, const void *body, size_t len)
{
    struct reply reply;

    if (asker->ws != NULL) {
        skio__ws_refuse(asker->ws, NULL, EIO_WS_POLICY);
        return;
    }
    begin(&reply, engine, asker, status);
    reply.is_custom = true;
    reply.response.close |= asker->is_upgrade;
    send_reply(engine, asker, &reply, type, body, len);
}

void
skio__reply_busy(struct eio_engine *engine, const struct eio_asker *asker)
{
    struct reply reply;

    engine->counters.requests_refused++;
    if (asker->ws != NULL) {
        skio__ws_refuse(asker->ws, NULL, EIO_WS_TRY_AGAIN);
        return;
    }
    begin(&reply, engine, asker, 503);
    add(&reply, "Retry-After", "5");
    send_reply(engine, asker, &reply, NULL, NULL, 0);
}

void
skio__reply_too_often(struct eio_engine *engine, const struct eio_asker *asker,
                      uint32_t retry_ms)
{
    struct reply reply;

    engine->counters.requests_refused++;
    begin(&reply, engine, asker, 429);
    snprintf(reply.number, sizeof reply.number, "%u",
             (unsigned)(retry_ms / 1000 + (retry_ms % 1000 != 0)));
    add(&reply, "Retry-After", reply.number);
    send_reply(engine, asker, &reply, NULL, NULL, 0);
}

/* Send a payload in its final form, compressed if the client takes that. */
static void
send_payload(struct eio_engine *engine, const struct eio_asker *asker,
             struct reply *reply, const char *type, const void *body,
             size_t len)
{
    struct skio__buf small;
    const char *coding;

    if (asker->coding == SKIO__CODING_NONE) {
        send_reply(engine, asker, reply, type, body, len);
        return;
    }
    skio__buf_init(&small, engine->mem);
    coding = skio__compression_body(engine, (enum skio__coding)asker->coding,
                                    body, len, &small);
    if (coding != NULL) {
        add(reply, "Content-Encoding", coding);
        send_reply(engine, asker, reply, type, small.data, small.len);
    } else {
        send_reply(engine, asker, reply, type, body, len);
    }
    skio__buf_deinit(&small);
}

static int
reply_script(struct eio_engine *engine, const struct eio_asker *asker,
             struct reply *reply, const void *body, size_t len)
{
    struct skio__buf script;
    int err;

    skio__buf_init(&script, engine->mem);
    err = skio__jsonp_wrap(&script, asker->jsonp, body, len);
    if (err == SKIO_OK)
        send_payload(engine, asker, reply, "text/plain; charset=UTF-8",
                     script.data, script.len);
    skio__buf_deinit(&script);
    return err;
}

void
skio__reply_octets(struct eio_engine *engine, const struct eio_asker *asker,
                   const void *body, size_t len)
{
    struct reply reply;

    begin(&reply, engine, asker, 200);
    add_payload_headers(&reply, engine, asker);
    send_payload(engine, asker, &reply, "application/octet-stream", body, len);
}

int
skio__reply_try_payload(struct eio_engine *engine,
                        const struct eio_asker *asker, const char *cookie,
                        const void *body, size_t len)
{
    struct reply reply;

    begin(&reply, engine, asker, 200);
    add_payload_headers(&reply, engine, asker);
    if (cookie != NULL)
        add(&reply, "Set-Cookie", cookie);
    if (asker->is_jsonp)
        return reply_script(engine, asker, &reply, body, len);
    send_payload(engine, asker, &reply, "text/plain; charset=UTF-8", body, len);
    return SKIO_OK;
}

void
skio__reply_payload(struct eio_engine *engine, const struct eio_asker *asker,
                    const char *cookie, const void *body, size_t len)
{
    if (skio__reply_try_payload(engine, asker, cookie, body, len) != SKIO_OK)
        skio__reply_busy(engine, asker);
}

void
skio__reply_ok(struct eio_engine *engine, const struct eio_asker *asker)
{
    struct reply reply;

    begin(&reply, engine, asker, 200);
    add_payload_headers(&reply, engine, asker);
    send_reply(engine, asker, &reply, "text/html", "ok", 2);
}

void
skio__reply_preflight(struct eio_engine *engine, const struct eio_asker *asker)
{
    struct reply reply;

    begin(&reply, engine, asker, engine->options->cors_options_success_status);
    send_reply(engine, asker, &reply, NULL, NULL, 0);
}
