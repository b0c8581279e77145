/*
 * The polling transport: GETs that wait for packets, POSTs that bring some
 */
#ifndef SKIO_ENGINEIO_POLLING_H
#define SKIO_ENGINEIO_POLLING_H

#include "engineio/exchange.h"
#include "engineio/session.h"

/* A GET or POST of a session; each returns an enum skio_exchange_state. */
int skio__polling_get(struct skio_session *session,
                      const struct eio_asker *asker, skio_exchange **out);
int skio__polling_post(struct skio_session *session,
                       const struct eio_asker *asker, int64_t content_length,
                       const char *content_type, skio_exchange **out);

/* The body of a POST, a piece or its end. */
int skio__polling_body(skio_exchange *exchange, const void *data, size_t len);
void skio__polling_end(skio_exchange *exchange);

/* The end of a turn: answer the waiting poll if there is something to say. */
void skio__polling_flush(struct skio_session *session);

/* Let go of the waiting poll, if any: the flush answers it with this static
 * payload alone. */
void skio__polling_release(struct skio_session *session, const char *payload);

/* Answer a poll that was let go of, in protocol 3. */
void skio__polling_last3(skio_exchange *exchange);

/* The session leaves polling for a WebSocket: let go of a poll that waits. */
void skio__polling_leave(struct skio_session *session);

/* Let go of it with the last words of a server that stops, what is queued
 * before them. */
void skio__polling_release_all(struct skio_session *session,
                               const char *payload);

#endif /* SKIO_ENGINEIO_POLLING_H */
