/*
 * The dirty list: who has something to hand out at the end of the loop turn
 *
 * A node lies in each session, WebSocket and exchange. It is taken out before
 * the work is done, and when its owner dies.
 */
#ifndef SKIO_ENGINEIO_DIRTY_H
#define SKIO_ENGINEIO_DIRTY_H

#include "engineio/engine.h"

enum eio_dirty_kind {
    EIO_DIRTY_SESSION, /* a held poll to answer, a slow consumer to close */
    EIO_DIRTY_WS,      /* frames to write */
    EIO_DIRTY_EXCHANGE /* a last response, its session is gone */
};

struct eio_dirty {
    struct eio_dirty *prev;
    struct eio_dirty *next;
    uint8_t kind; /* enum eio_dirty_kind */
    bool is_linked;
};

/* Add one that is not in the list; asks the transport for a flush. */
void skio__dirty_link(struct eio_engine *engine, struct eio_dirty *dirty);

/* Add, unless it is in the list: whoever is waits for a flush already. */
static inline void
skio__dirty_mark(struct eio_engine *engine, struct eio_dirty *dirty)
{
    if (!dirty->is_linked)
        skio__dirty_link(engine, dirty);
}

/* Take out, if it is in. */
void skio__dirty_clear(struct eio_engine *engine, struct eio_dirty *dirty);

#endif /* SKIO_ENGINEIO_DIRTY_H */
