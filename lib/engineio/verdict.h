/*
 * Verdicts: a request between its arrival and the application's word
 *
 *      run the middlewares, verify, ask allow_request ──▶ skio__exchange_admit
 *           │ no word yet          ▲
 *           ▼                      │ word
 *         held: an exchange of kind JUDGED and a verdict, which know each other
 *           │ peer gone, timeout, server gone
 *           ▼
 *         the verdict alone, until the application consumes it
 *
 * A verdict holds its own copy of the allocator: it may outlive the server.
 */
#ifndef SKIO_ENGINEIO_VERDICT_H
#define SKIO_ENGINEIO_VERDICT_H

#include "engineio/exchange.h"
#include "engineio/handshake.h"
#include "engineio/hooks.h"

/* Whether somebody judges requests at all. */
bool skio__verdict_is_wanted(const struct eio_engine *engine);

/* Judge a new request; its visit is there. An enum skio_exchange_state. */
int skio__verdict_begin(struct eio_engine *engine,
                        struct eio_question *question, skio_exchange **out);

/* A held exchange: more of its body, its end; its 101 was sent (takes the
 * exchange); its peer is gone (part of skio__exchange_free()). */
int skio__verdict_body(skio_exchange *exchange, const void *data, size_t len);
int skio__verdict_end(skio_exchange *exchange);
void skio__verdict_open(skio_exchange *exchange, skio_ws *ws);
void skio__verdict_detach(skio_exchange *exchange);

/* Answer those that waited too long; or, when the server stops, all. */
void skio__verdict_timeout(struct eio_engine *engine, uint64_t now_ms);
void skio__verdict_end_all(struct eio_engine *engine);

#endif /* SKIO_ENGINEIO_VERDICT_H */
