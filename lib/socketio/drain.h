/*
 * Draining: load balancers notice first, then sessions are closed one after the
 * other, evenly over a time, while new ones are refused
 *
 *   call        lead            start + ms                + close_timeout_ms
 *    │ all as     │ close  close  close │ polling clients take what │ the rest
 *    ▼ before     ▼                     ▼ is queued for them        ▼ is ended
 *
 * The list of sessions is made at the lead's end; none joins it. done() is
 * called when the last one has gone.
 */
#ifndef SKIO_SOCKETIO_DRAIN_H
#define SKIO_SOCKETIO_DRAIN_H

#include <stdint.h>

#include <socketio/server.h>

struct sio_drain;

/* When something is to be done, or SKIO__NEVER. */
uint64_t skio__drain_next_due(const skio_server *server);
void skio__drain_timeout(skio_server *server, uint64_t now_ms);
/* The end of a turn: the last session may have gone. */
void skio__drain_turn(skio_server *server);
/* How long a stop waits: it does not begin anew for those who had their time.
 */
uint32_t skio__drain_patience(const skio_server *server);
void skio__drain_free(skio_server *server);

#endif /* SKIO_SOCKETIO_DRAIN_H */
