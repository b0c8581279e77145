/*
 * Rate limits: of events and bytes that a connection sends, and of sessions
 * that an address opens
 *
 * engine->rates is NULL unless an option asks for one: a server without them
 * pays a branch for each packet, and no memory. With them each session has an
 * eio_spent behind its other state.
 */
#ifndef SKIO_ENGINEIO_RATES_H
#define SKIO_ENGINEIO_RATES_H

#include <stdalign.h>

#include "base/rate.h"
#include "base/rate_table.h"
#include "engineio/engine.h"

struct eio_question;

struct eio_rates {
    struct skio__rate events;
    struct skio__rate bytes;
    struct skio__rate connects;
    struct skio__rate_table addresses; /* of connects */
};

/* The arrival times of one session, see base/rate.h. */
struct eio_spent {
    uint64_t events;
    uint64_t bytes;
};

/* Where struct eio_spent would stand in a session: behind the upper's state. */
static inline size_t
skio__rates_at(const struct eio_engine *engine)
{
    const size_t align = alignof(struct eio_spent);

    return (engine->upper->state_size + align - 1) / align * align;
}

/* And where what follows does. */
static inline size_t
skio__rates_end(const struct eio_engine *engine)
{
    return engine->rates != NULL
               ? skio__rates_at(engine) + sizeof(struct eio_spent)
               : engine->upper->state_size;
}

/* Returns SKIO_OK, SKIO_ENOMEM. */
int skio__rates_init(struct eio_engine *engine, const uint8_t hash_key[16]);
void skio__rates_deinit(struct eio_engine *engine);

/*
 * Whether what came may be looked at; with engine->rates alone. Else the
 * application was told, which may have closed the session, and its word was
 * carried out, which may have done so as well. socket: the event's, for the
 * application; NULL: none.
 */
bool skio__rates_event(struct skio_session *session,
                       struct skio_socket *socket);
bool skio__rates_bytes(struct skio_session *session, size_t len);

/*
 * The same of a request that asks for a session. False: it was answered. Before
 * the application is asked about it, which may cost much more.
 */
bool skio__rates_request(struct eio_engine *engine,
                         const struct eio_question *question);

#endif /* SKIO_ENGINEIO_RATES_H */
