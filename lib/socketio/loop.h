/*
 * What the server runs for <socketio/loop.h>
 */
#ifndef SKIO_SOCKETIO_LOOP_H
#define SKIO_SOCKETIO_LOOP_H

#include <socketio/loop.h>
#include <socketio/transport.h>

/* The server has a transport now: run those who waited for it. */
void skio__loop_attached(skio_server *server);

/* Run the timers that are due. */
void skio__loop_timeouts(skio_server *server, uint64_t now_ms);

/* After everything that may own a timer was freed. */
void skio__loop_deinit(skio_server *server);

#endif /* SKIO_SOCKETIO_LOOP_H */
