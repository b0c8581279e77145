#include "engineio/handshake.h"

#include <assert.h>
#include <string.h>

#include "base/writer.h"
#include "engineio/cookie.h"
#include "engineio/packet.h"
#include "engineio/payload.h"
#include "engineio/payload3.h"
#include "engineio/websocket.h"

#define OPEN_PACKET_MAX 256 /* the id, 63 bytes, and three numbers */
#define CONTEXT_MAX 256     /* of a parameter that is shown to the host */

static bool
verify_transport(const struct eio_engine *engine, struct eio_question *question)
{
    const struct eio_parameter *transport = &question->fields.transport;
    unsigned transports = engine->options->transports;

    question->is_websocket = skio__parameter_is(transport, "websocket");
    if (question->is_websocket)
        return (transports & SKIO_WEBSOCKET) != 0;
    return (transports & SKIO_POLLING) != 0 &&
           skio__parameter_is(transport, "polling");
}

/* False: a sid was given, and no session has it. */
static bool
find_session(const struct eio_engine *engine, struct eio_question *question)
{
    const struct eio_parameter *sid = &question->fields.sid;
    char decoded[EIO_PARAMETER_MAX];
    const char *id;
    size_t len;

    question->session = NULL;
    if (sid->len == 0)
        return true; /* empty is absent */
    id = skio__parameter_text(sid, decoded, &len);
    if (id != NULL)
        question->session = skio__session_find(engine, id, len);
    return question->session != NULL;
}

/* Protocol 3 and JSONP: what a client asks for beyond the protocol's number. */
static void
read_old(struct eio_question *question)
{
    const char *query = question->request->query;
    struct eio_asker *asker = &question->asker;
    const char *value;
    size_t len;

    asker->wants_base64 =
        skio__query_find(query, "b64", &value, &len) && len > 0;
    if (!question->is_websocket && skio__jsonp_read(query, asker->jsonp)) {
        asker->is_jsonp = true;
        asker->wants_base64 = true; /* a script cannot have binary data */
    }
}

int
skio__handshake_verify(const struct eio_engine *engine,
                       struct eio_question *question, enum eio_error *error,
                       const char **name)
{
    const skio_request *request = question->request;
    const char *origin = question->fields.headers[EIO_FIELD_ORIGIN];
    const struct skio_session *session;
    bool is_protocol_4 = skio__parameter_is(&question->fields.protocol, "4");

    *name = NULL;
    *error = EIO_ERROR_TRANSPORT;
    if (!verify_transport(engine, question))
        return SKIO_EPROTO;
    question->asker.protocol = is_protocol_4 ? 4 : 3;
    if (engine->options->allow_eio3)
        read_old(question);

    *error = EIO_ERROR_REQUEST;
    *name = "INVALID_ORIGIN";
    if (origin != NULL && !skio__cors_is_clean(origin))
        return SKIO_EPROTO;

    *name = NULL;
    *error = EIO_ERROR_FORBIDDEN; /* Node: only if allowRequest says so */
    if (!question->origin_may_connect)
        return SKIO_EPROTO;

    *error = EIO_ERROR_SID;
    if (!find_session(engine, question))
        return SKIO_EPROTO;

    session = question->session;
    if (session != NULL) {
        /* Node accepts an upgrade to polling with 101 and closes then, and
         * leaves a plain request to a WebSocket session without an answer. */
        *error = EIO_ERROR_REQUEST;
        *name = "TRANSPORT_MISMATCH";
        if (question->is_websocket && !engine->options->allow_upgrades)
            return SKIO_EPROTO; /* Node offers none, yet takes it */
        if (question->is_websocket != request->upgrade ||
            (!request->upgrade && session->ws != NULL))
            return SKIO_EPROTO;
        *name = "PROTOCOL_MISMATCH";
        return question->asker.protocol == session->protocol ? SKIO_OK
                                                             : SKIO_EPROTO;
    }

    *error = EIO_ERROR_METHOD;
    if (strcmp(request->method, "GET") != 0)
        return SKIO_EPROTO;

    *error = EIO_ERROR_REQUEST;
    *name = "TRANSPORT_HANDSHAKE_ERROR";
    return question->is_websocket == request->upgrade ? SKIO_OK : SKIO_EPROTO;
}

/* A parameter for the application to read, cut. NULL: it is absent. */
static const char *
copy_parameter(const char *query, const char *name, char out[CONTEXT_MAX])
{
    const char *value;
    size_t len;
    size_t n;

    if (!skio__query_find(query, name, &value, &len))
        return NULL;
    if (len >= CONTEXT_MAX)
        len = CONTEXT_MAX - 1;
    n = skio__query_decode(value, len, out);
    out[n] = '\0';
    return out;
}

void
skio__handshake_refuse(struct eio_engine *engine,
                       const struct eio_question *question,
                       enum eio_error error, const char *name,
                       const char *reason)
{
    const char *query = question->request->query;
    skio_connection_error why = {
        .code = (enum skio_connection_code)error,
        .name = name,
        .reason = reason,
    };
    char transport[CONTEXT_MAX];
    char sid[CONTEXT_MAX];

    if (question->asker.visit == NULL) {
        skio__reply_refusal(engine, &question->asker, &why);
        return;
    }
    if (error == EIO_ERROR_TRANSPORT) {
        why.transport = copy_parameter(query, "transport", transport);
    } else if (error == EIO_ERROR_SID) {
        why.sid = copy_parameter(query, "sid", sid);
    } else if (error == EIO_ERROR_METHOD) {
        why.method = question->request->method;
    } else if (error == EIO_ERROR_PROTOCOL) {
        why.protocol = question->asker.protocol;
    } else if (name != NULL && strcmp(name, "INVALID_ORIGIN") == 0) {
        why.origin = question->fields.headers[EIO_FIELD_ORIGIN];
    } else if (name != NULL && strcmp(name, "TRANSPORT_MISMATCH") == 0) {
        why.transport = copy_parameter(query, "transport", transport);
        why.previous_transport = skio__session_transport(question->session);
    } else if (name != NULL && strcmp(name, "PROTOCOL_MISMATCH") == 0) {
        why.protocol = question->asker.protocol;
        why.previous_protocol = question->session->protocol;
    }
    skio__reply_refusal(engine, &question->asker, &why);
}

static void
write_open_packet(const struct eio_engine *engine, const char *sid,
                  bool is_websocket, struct skio__writer *out)
{
    const skio_server_options *options = engine->options;
    bool may_upgrade = !is_websocket && options->allow_upgrades &&
                       (options->transports & SKIO_WEBSOCKET) != 0;

    skio__writer_str(out, "0{\"sid\":\"");
    skio__writer_str(out, sid);
    skio__writer_str(out, "\",\"upgrades\":[");
    if (may_upgrade)
        skio__writer_str(out, "\"websocket\"");
    skio__writer_str(out, "],\"pingInterval\":");
    skio__writer_u64(out, options->ping_interval_ms);
    skio__writer_str(out, ",\"pingTimeout\":");
    skio__writer_u64(out, options->ping_timeout_ms);
    skio__writer_str(out, ",\"maxPayload\":");
    skio__writer_u64(out, options->max_http_buffer_size);
    skio__writer_str(out, "}");
    assert(out->len <= out->size);
}

/* Returns the header's value, or NULL when no cookie is wanted; SKIO_ENOMEM
 * through buf->err. */
static const char *
write_cookie(const struct eio_engine *engine, const char *sid,
             struct skio__buf *buf)
{
    skio__buf_init(buf, engine->mem);
    if (engine->options->cookie == NULL)
        return NULL;
    skio__cookie_write(buf, engine->options, sid);
    skio__buf_putc(buf, '\0');
    return buf->err == SKIO_OK ? buf->data : NULL;
}

static int
queue_text(struct skio_session *session, const char *text, size_t len)
{
    struct eio_engine *engine = session->engine;
    struct skio__blob *blob = skio__blob_copy(engine->mem, false, text, len);
    int err = blob != NULL
                  ? skio__queue_push(&session->queue, engine->mem, blob)
                  : SKIO_ENOMEM;

    skio__blob_unref(blob);
    return err;
}

/* The open packet, and what the host wants to follow it. */
static int
queue_open(struct skio_session *session, bool is_websocket)
{
    struct eio_engine *engine = session->engine;
    const char *initial = engine->options->initial_packet;
    char packet[OPEN_PACKET_MAX];
    struct skio__writer writer = {packet, sizeof packet, 0};
    struct skio__buf buf;
    int err;

    write_open_packet(engine, skio__session_id(session), is_websocket, &writer);
    err = queue_text(session, packet, writer.len);
    if (err != SKIO_OK || initial == NULL)
        return err;
    skio__buf_init(&buf, engine->mem);
    skio__buf_putc(&buf, EIO_MESSAGE);
    err = skio__buf_append_str(&buf, initial);
    if (err == SKIO_OK)
        err = queue_text(session, buf.data, buf.len);
    skio__buf_deinit(&buf);
    return err;
}

/* The payload of what is queued, which is text. */
static int
join_queue(const struct skio_session *session, struct skio__buf *out)
{
    bool binary;
    uint32_t i;

    if (session->protocol == 3)
        return skio__payload3_join(&session->queue, out, &binary);
    for (i = 0; i < session->queue.count; i++)
        skio__payload_append(out, skio__queue_at(&session->queue, i));
    return out->err;
}

/* Returns SKIO_OK and the session, opened but for the answer. */
static int
begin_session(struct eio_engine *engine, struct skio_engine_request *request,
              uint8_t protocol, const char *id, bool is_websocket,
              struct skio_session **out)
{
    int err = skio__session_new(engine, request, protocol, id, out);

    if (err != SKIO_OK)
        return err;
    err = queue_open(*out, is_websocket);
    if (err != SKIO_OK)
        skio__session_abandon(*out);
    return err;
}

void
skio__handshake_polling(struct eio_engine *engine,
                        const struct eio_question *question)
{
    const struct eio_asker *asker = &question->asker;
    struct skio_engine_request *request;
    struct skio_session *session = NULL;
    struct skio__buf payload;
    struct skio__buf cookie;
    const char *cookie_value;
    char id[EIO_ID_MAX + 1];
    int err = SKIO_ENOMEM;

    if (skio__hooks_generate_id(engine, asker->visit, id) != SKIO_OK) {
        skio__handshake_refuse(engine, question, EIO_ERROR_REQUEST,
                               "ID_GENERATION_ERROR", NULL);
        return;
    }
    request = asker->visit != NULL
                  ? skio__request_ref(asker->visit->request)
                  : skio__request_keep(engine->mem, question->request,
                                       engine->options->latest_headers);
    if (request != NULL)
        err = begin_session(engine, request, asker->protocol, id, false,
                            &session);
    skio__request_unref(request); /* the session has its own */
    if (err != SKIO_OK) {
        skio__reply_busy(engine, asker);
        return;
    }

    skio__buf_init(&payload, engine->mem);
    cookie_value = write_cookie(engine, skio__session_id(session), &cookie);
    if (cookie.err != SKIO_OK || join_queue(session, &payload) != SKIO_OK ||
        skio__reply_try_payload(engine, asker, cookie_value, payload.data,
                                payload.len) != SKIO_OK) {
        skio__session_abandon(session);
        skio__reply_busy(engine, asker);
    } else {
        /* What the upper sends now waits for the next poll. */
        engine->counters.packets_out += session->queue.count;
        engine->counters.bytes_out += payload.len;
        skio__queue_clear(&session->queue, engine->mem);
        session->wants_base64 = asker->wants_base64;
        skio__session_open(session);
    }
    skio__buf_deinit(&payload);
    skio__buf_deinit(&cookie);
}

bool
skio__handshake_websocket(struct eio_engine *engine, skio_ws *ws,
                          const skio_exchange *exchange)
{
    struct skio_session *session;

    if (begin_session(engine, exchange->request, exchange->asker.protocol,
                      exchange->opening->sid, true, &session) != SKIO_OK)
        return false;
    session->wants_base64 = ws->wants_base64;
    session->window_bits = ws->window_bits;
    engine->counters.packets_out += session->queue.count;
    skio__session_settle(session, ws);
    ws->session = session;
    skio__dirty_mark(engine, &ws->dirty);
    skio__session_open(session);
    return true;
}
