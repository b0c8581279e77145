/*
 * Handshakes: which requests are accepted, and the open packet
 */
#ifndef SKIO_ENGINEIO_HANDSHAKE_H
#define SKIO_ENGINEIO_HANDSHAKE_H

#include "engineio/exchange.h"
#include "engineio/fields.h"
#include "engineio/session.h"

/* A request as the verification understood it. */
struct eio_question {
    const skio_request *request;
    struct eio_fields fields;
    struct eio_asker asker;
    bool origin_may_connect;
    bool is_websocket;            /* transport=websocket */
    struct skio_session *session; /* of its sid; NULL: none was given */
};

/*
 * Verify a request in the reference server's order: when several things are
 * wrong, its answer is ours.
 *
 * Its fields were read. Returns SKIO_OK and fills is_websocket and session, or
 * SKIO_EPROTO with *error and *name, Node's word for it (NULL: none). The
 * protocol of a handshake is not looked at: that comes after the application's
 * verdict.
 */
int skio__handshake_verify(const struct eio_engine *engine,
                           struct eio_question *question, enum eio_error *error,
                           const char **name);

/* Refuse a request with this error and its context; name and reason may be
 * NULL. */
void skio__handshake_refuse(struct eio_engine *engine,
                            const struct eio_question *question,
                            enum eio_error error, const char *name,
                            const char *reason);

/* A GET without sid: answers it. */
void skio__handshake_polling(struct eio_engine *engine,
                             const struct eio_question *question);

/*
 * A WebSocket without sid, after its 101. Returns whether the ws carries a
 * session now.
 */
bool skio__handshake_websocket(struct eio_engine *engine, skio_ws *ws,
                               const skio_exchange *exchange);

#endif /* SKIO_ENGINEIO_HANDSHAKE_H */
