/*
 * Restoring: a client comes back to what an adapter keeps of it
 *
 * It waits, CONNECTING, until the adapter has told what it knows:
 *
 *     CONNECT ──▶ session_restore ──▶ middlewares, if they are asked ──┐
 *                        │ none                                        ▼
 *                        ▼                 joined ◀── session_missed, again
 *                  a new connection
 *
 * From the adapter's answer to the last room that is joined nothing else runs,
 * so that nothing is lost or doubled between. Middlewares take their time:
 * after them what was missed is asked for once more.
 */
#ifndef SKIO_SOCKETIO_RESTORING_H
#define SKIO_SOCKETIO_RESTORING_H

#include "socketio/socket.h"

/*
 * A CONNECTING socket of a client that may have been here before. True: it
 * waits, or is no more; false: it connects as a new one.
 */
bool skio__restoring_ask(skio_socket *socket);

/* The same for a recovered one that is about to connect, if time has passed
 * since the adapter told what it missed. */
bool skio__restoring_ask_again(skio_socket *socket);

/* The socket is GONE: nothing is waited for any more. */
void skio__restoring_forget(skio_socket *socket);

/* Run what is due: those whose adapter does not answer. */
void skio__restoring_timeouts(skio_server *server, uint64_t now_ms);

#endif /* SKIO_SOCKETIO_RESTORING_H */
