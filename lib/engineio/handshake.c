#include "engineio/handshake.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engineio/websocket.h"

#define OPEN_PACKET_MAX 256 /* the id and three numbers */
#define PARAMETER_MAX 64    /* nothing longer has a meaning */

static bool
parameter_is(const char *query, const char *name, const char *value)
{
    char text[PARAMETER_MAX];
    ptrdiff_t len = skio__query_get(query, name, text, sizeof text);

    return len >= 0 && (size_t)len == strlen(value) &&
           memcmp(text, value, (size_t)len) == 0;
}

static bool
verify_transport(const struct eio_engine *engine, struct eio_question *question)
{
    const char *query = question->request->query;
    unsigned transports = engine->options->transports;

    question->is_websocket = parameter_is(query, "transport", "websocket");
    if (question->is_websocket)
        return (transports & SKIO_WEBSOCKET) != 0;
    return (transports & SKIO_POLLING) != 0 &&
           parameter_is(query, "transport", "polling");
}

/* False: a sid was given, and no session has it. */
static bool
find_session(const struct eio_engine *engine, struct eio_question *question)
{
    const char *query = question->request->query;
    const char *raw;
    size_t raw_len;
    char sid[PARAMETER_MAX];
    ptrdiff_t len;

    question->session = NULL;
    if (!skio__query_find(query, "sid", &raw, &raw_len) || raw_len == 0)
        return true; /* empty is absent */
    len = skio__query_get(query, "sid", sid, sizeof sid);
    if (len != SKIO__ID_LEN)
        return false;
    question->session = skio__session_find(engine, sid, (size_t)len);
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
                       struct eio_question *question, enum eio_error *error)
{
    const skio_request *request = question->request;
    const struct skio_session *session;
    bool is_protocol_4 = parameter_is(request->query, "EIO", "4");

    *error = EIO_ERROR_TRANSPORT;
    if (!verify_transport(engine, question))
        return SKIO_EPROTO;
    question->asker.protocol = is_protocol_4 ? 4 : 3;
    if (engine->options->allow_eio3)
        read_old(question);

    *error = EIO_ERROR_REQUEST;
    if (question->origin != NULL && !skio__cors_is_clean(question->origin))
        return SKIO_EPROTO;

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
        if (question->is_websocket != request->upgrade ||
            (!request->upgrade && session->ws != NULL))
            return SKIO_EPROTO;
        return question->asker.protocol == session->protocol ? SKIO_OK
                                                             : SKIO_EPROTO;
    }

    *error = EIO_ERROR_METHOD;
    if (strcmp(request->method, "GET") != 0)
        return SKIO_EPROTO;

    *error = EIO_ERROR_REQUEST;
    if (question->is_websocket != request->upgrade)
        return SKIO_EPROTO;

    /* Before the 101, where Node answers on the upgraded stream. */
    *error = EIO_ERROR_PROTOCOL;
    return is_protocol_4 || engine->options->allow_eio3 ? SKIO_OK : SKIO_EPROTO;
}

static size_t
write_open_packet(const struct eio_engine *engine, const char *sid,
                  bool is_websocket, char out[OPEN_PACKET_MAX])
{
    const skio_server_options *options = engine->options;
    bool may_upgrade = !is_websocket && options->allow_upgrades &&
                       (options->transports & SKIO_WEBSOCKET) != 0;
    int len = snprintf(out, OPEN_PACKET_MAX,
                       "0{\"sid\":\"%s\",\"upgrades\":[%s],"
                       "\"pingInterval\":%" PRIu32 ",\"pingTimeout\":%" PRIu32
                       ",\"maxPayload\":%zu}",
                       sid, may_upgrade ? "\"websocket\"" : "",
                       options->ping_interval_ms, options->ping_timeout_ms,
                       options->max_http_buffer_size);

    return (size_t)len;
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
    skio__buf_append_str(buf, engine->options->cookie);
    skio__buf_putc(buf, '=');
    skio__buf_append_str(buf, sid);
    skio__buf_append_str(buf, "; Path=/; HttpOnly; SameSite=Lax");
    skio__buf_putc(buf, '\0');
    return buf->err == SKIO_OK ? buf->data : NULL;
}

/* Put the length before the open packet, which is ASCII. */
static size_t
frame3(char packet[OPEN_PACKET_MAX], size_t len)
{
    char framed[OPEN_PACKET_MAX];
    int size =
        snprintf(framed, sizeof framed, "%zu:%.*s", len, (int)len, packet);

    memcpy(packet, framed, (size_t)size);
    return (size_t)size;
}

void
skio__handshake_polling(struct eio_engine *engine,
                        const struct eio_question *question)
{
    struct eio_request *request;
    struct skio_session *session;
    struct skio__buf cookie;
    const char *cookie_value;
    char packet[OPEN_PACKET_MAX];
    size_t len;
    int err = SKIO_ENOMEM;

    request = skio__request_new(engine->mem, question->request,
                                engine->options->latest_headers);
    if (request != NULL)
        err = skio__session_new(engine, request, question->asker.protocol,
                                &session);
    skio__request_unref(request); /* the session has its own */
    if (err != SKIO_OK) {
        skio__reply_busy(engine, &question->asker);
        return;
    }

    cookie_value = write_cookie(engine, session->id, &cookie);
    if (cookie.err != SKIO_OK) {
        skio__session_abandon(session);
        skio__reply_busy(engine, &question->asker);
    } else {
        /* The open packet travels alone; what the upper sends now waits for
         * the next poll. */
        len = write_open_packet(engine, session->id, false, packet);
        engine->counters.packets_out++;
        session->wants_base64 = question->asker.wants_base64;
        if (session->protocol == 3)
            len = frame3(packet, len);
        engine->counters.bytes_out += len;
        skio__reply_payload(engine, &question->asker, cookie_value, packet,
                            len);
        skio__session_open(session);
    }
    skio__buf_deinit(&cookie);
}

bool
skio__handshake_websocket(struct eio_engine *engine, skio_ws *ws,
                          struct eio_request *request, uint8_t protocol)
{
    struct skio_session *session;
    struct skio__blob *blob;
    char packet[OPEN_PACKET_MAX];
    size_t len;
    int err;

    if (skio__session_new(engine, request, protocol, &session) != SKIO_OK)
        return false;
    session->wants_base64 = ws->wants_base64;
    session->window_bits = ws->window_bits;
    len = write_open_packet(engine, session->id, true, packet);
    blob = skio__blob_copy(engine->mem, false, packet, len);
    err = blob != NULL ? skio__queue_push(&session->queue, engine->mem, blob)
                       : SKIO_ENOMEM;
    skio__blob_unref(blob);
    if (err != SKIO_OK) {
        skio__session_abandon(session);
        return false;
    }
    engine->counters.packets_out++;
    session->ws = ws;
    ws->session = session;
    skio__dirty_mark(engine, &ws->dirty);
    skio__session_open(session);
    return true;
}
