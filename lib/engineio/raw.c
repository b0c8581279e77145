/*
 * Engine.IO without Socket.IO: the handlers of <socketio/engine.h> as an upper
 * layer, and the public functions on sessions
 */
#include <socketio/engine.h>

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engineio/rates.h"
#include "engineio/request.h"
#include "engineio/session.h"

struct eio_raw {
    skio_engine_handlers handlers;
    void *user;
};

static void
raw_open(struct skio_session *session)
{
    const struct eio_raw *raw = session->engine->raw;

    skio__session_admit(session);
    if (raw->handlers.open != NULL)
        raw->handlers.open(session, raw->user);
}

static void
raw_message(struct skio_session *session, const char *data, size_t len,
            bool binary)
{
    const struct eio_raw *raw = session->engine->raw;

    if (session->engine->rates != NULL && !skio__rates_event(session, NULL))
        return;
    if (raw->handlers.message != NULL)
        raw->handlers.message(session, data, len, binary, raw->user);
}

static void
raw_close(struct skio_session *session, enum skio_disconnect reason)
{
    const struct eio_raw *raw = session->engine->raw;

    if (raw->handlers.close != NULL)
        raw->handlers.close(session, reason, raw->user);
}

static const struct eio_upper raw_upper = {
    .state_size = 0,
    .open = raw_open,
    .message = raw_message,
    .close = raw_close,
    .pressure = NULL,
};

int
skio_engine_handle(skio_server *server, const skio_engine_handlers *handlers,
                   void *user)
{
    struct eio_engine *engine = skio__server_engine(server);
    struct eio_raw *raw = engine->raw;
    size_t size = handlers->struct_size;

    if (engine->counters.sessions_opened > 0)
        return SKIO_EBUSY;
    if (raw == NULL)
        raw = skio__mem_alloc(engine->mem, sizeof *raw);
    if (raw == NULL)
        return SKIO_ENOMEM;
    memset(raw, 0, sizeof *raw);
    memcpy(&raw->handlers, handlers,
           size < sizeof raw->handlers ? size : sizeof raw->handlers);
    raw->user = user;
    engine->raw = raw;
    engine->upper = &raw_upper;
    return SKIO_OK;
}

const char *
skio_session_id(const skio_session *session)
{
    return skio__session_id(session);
}

int
skio_session_send(skio_session *session, const void *data, size_t len,
                  bool binary)
{
    struct eio_engine *engine = session->engine;
    size_t type_len = binary ? 0 : 1;
    struct skio__blob *blob;
    int err;

    if (!skio__session_is_open(session))
        return SKIO_ECLOSED;
    if (!binary && len > 0 && !skio__utf8_valid(data, len))
        return SKIO_EUTF8;
    if (len > engine->options->max_outbound_bytes)
        return SKIO_ENOBUFS;

    blob = skio__blob_new(engine->mem, binary, len + type_len);
    if (blob == NULL)
        return SKIO_ENOMEM;
    if (!binary)
        skio__blob_data(blob)[0] = '4';
    if (len > 0)
        memcpy(skio__blob_data(blob) + type_len, data, len);
    skio__blob_seal(blob, len + type_len);

    err = skio__session_queue(session, blob);
    skio__blob_unref(blob);
    return err;
}

void
skio_session_close(skio_session *session)
{
    struct eio_engine *engine = session->engine;

    skio__engine_enter(engine);
    skio__session_close(session, SKIO_DISCONNECT_FORCED_CLOSE, false);
    skio__engine_leave(engine);
}

void
skio_session_discard(skio_session *session)
{
    struct eio_engine *engine = session->engine;

    skio__engine_enter(engine);
    skio__session_close(session, SKIO_DISCONNECT_FORCED_CLOSE, true);
    skio__engine_leave(engine);
}

enum skio_ready_state
skio_session_ready_state(const skio_session *session)
{
    switch ((enum eio_state)session->state) {
    case EIO_STATE_OPENING:
        return SKIO_READY_OPENING;
    case EIO_STATE_OPEN:
        return SKIO_READY_OPEN;
    case EIO_STATE_CLOSING:
        return SKIO_READY_CLOSING;
    case EIO_STATE_CLOSED:
        break;
    }
    return SKIO_READY_CLOSED;
}

int
skio_session_protocol(const skio_session *session)
{
    return session->protocol;
}

const char *
skio_session_transport(const skio_session *session)
{
    return skio__session_transport(session);
}

bool
skio_session_is_upgraded(const skio_session *session)
{
    return session->is_upgraded;
}

bool
skio_session_is_upgrading(const skio_session *session)
{
    return session->upgrade != NULL;
}

const skio_engine_request *
skio_session_request(const skio_session *session)
{
    return session->request;
}

const char *
skio_session_address(const skio_session *session)
{
    return skio__request_address(session->request);
}

size_t
skio_session_queued(const skio_session *session)
{
    return session->queue.bytes;
}

const char *
skio_disconnect_detail(const skio_server *server)
{
    /* The engine is the server's; only its text is looked at. */
    const struct eio_engine *engine =
        skio__server_engine((skio_server *)(uintptr_t)server);

    return engine->detail[0] != '\0' ? engine->detail : NULL;
}

void
skio_session_set_data(skio_session *session, void *data)
{
    session->data = data;
}

void *
skio_session_data(const skio_session *session)
{
    return session->data;
}
