/*
 * libsocketio: an end by signal
 *
 * The library installs no signal handler and blocks no signal by itself; a
 * program that has nothing else to do with SIGTERM and SIGINT can ask for it.
 * An addon: it stands on the public headers alone, and on signalfd(2). Absent
 * from a library built with --disable-lws.
 *
 * Since: 0.1.
 */
#ifndef SOCKETIO_SIGNALS_H
#define SOCKETIO_SIGNALS_H

#include <socketio/server.h>

SKIO_BEGIN_DECLS

/**
 * Drain the server at the first SIGTERM or SIGINT, then stop it.
 *
 * The two are blocked in the calling thread, and in those that it makes later;
 * threads that are there already must block them, too. The loop reads the first
 * one and calls skio_server_drain(); then, and when the server is freed, both
 * do what they did before: a second one ends the program at once, unless it has
 * other plans.
 *
 * ms  Goes to skio_server_drain(). From the signal to the return of skio_run()
 *     pass at most drain_lead_ms + ms + close_timeout_ms and half a second.
 *
 * Returns SKIO_OK; SKIO_EINVAL for more than INT32_MAX; SKIO_EIO when there is
 * no descriptor left; SKIO_ENOMEM. For one server of a process.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_signals_drain(skio_server *server, uint32_t ms)
    SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_SIGNALS_H */
