/*
 * Requests of other servers' sessions, <socketio/forward.h>
 *
 * engine->forward is NULL until a forwarder was attached. A request that is
 * passed on waits as an exchange of its own kind; one that was taken from
 * another server is as any other, but for where its answer goes.
 */
#ifndef SKIO_ENGINEIO_FORWARD_H
#define SKIO_ENGINEIO_FORWARD_H

#include <socketio/forward.h>

#include "base/id.h"
#include "engineio/exchange.h"
#include "engineio/handshake.h"

#define EIO_TAGGED_ID_LEN (SKIO__ID_LEN + SKIO_FORWARD_TAG_LEN)

/* Of an exchange that is passed on. */
struct eio_passed {
    struct eio_passed *next;
    struct eio_passed *prev;
    skio_exchange *exchange;
    size_t body_len; /* counted */
    void *name;      /* the forwarder's */
    bool is_asked;   /* the forwarder was */
    char tag[SKIO_FORWARD_TAG_LEN + 1];
};

struct eio_forward {
    skio_forwarder ops;
    void *user;
    bool is_off; /* detached */
    char tag[SKIO_FORWARD_TAG_LEN + 1];
    uint32_t count;
    size_t bytes;
    struct eio_passed *first;
};

/* Whether to pass the request on: engine->forward is not NULL. tag: whose. */
bool skio__forward_is_wanted(const struct eio_engine *engine,
                             const struct eio_question *question,
                             char tag[SKIO_FORWARD_TAG_LEN + 1]);

/* An enum skio_exchange_state. */
int skio__forward_begin(struct eio_engine *engine,
                        const struct eio_question *question, const char *tag,
                        skio_exchange **out);

/* As skio_exchange_body() and skio_exchange_end(). */
int skio__forward_body(skio_exchange *exchange, const void *data, size_t len);
int skio__forward_end(skio_exchange *exchange);

/* The exchange is about to be freed. */
void skio__forward_release(skio_exchange *exchange);

/* Answer a request that another server passed on. */
void skio__forward_respond(const struct eio_engine *engine, void *handle,
                           const skio_response *response);

/* Answer all that wait here with 503. */
void skio__forward_end_all(struct eio_engine *engine);
void skio__forward_deinit(struct eio_engine *engine);

#endif /* SKIO_ENGINEIO_FORWARD_H */
