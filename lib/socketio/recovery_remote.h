/*
 * Recovery through an adapter: it keeps sessions and what is missed
 *
 * The core tells the adapter of each session when it begins, changes and ends,
 * once per loop turn, so that another server knows it even after this one was
 * killed. How a client comes back is restoring.h's.
 */
#ifndef SKIO_SOCKETIO_RECOVERY_REMOTE_H
#define SKIO_SOCKETIO_RECOVERY_REMOTE_H

#include "base/compiler.h"
#include "socketio/recovery.h"

/* A session has begun, or its rooms or shared value are others: save it with
 * the turn's end. Does nothing for those in memory. */
void skio__remote_changed(struct sio_session *session);

/* Save what changed: at each turn's end. */
void skio__remote_save_all(skio_server *server);

static inline void
skio__remote_flush(skio_server *server)
{
    if (skio__unlikely(skio__fifo_peek_due(&server->recovery_dirty) !=
                       SKIO__NEVER))
        skio__remote_save_all(server);
}

/* A socket leaves, its rooms still there: uses the session up. */
void skio__remote_leave(struct sio_session *session, bool is_recoverable);

/* A socket that did not connect: its session goes back to the adapter. */
void skio__remote_abandon(struct sio_session *session, bool is_recoverable);

/* Nobody can come back to it: what is saved must go. */
void skio__remote_end(struct sio_session *session);

/*
 * A session as the adapter sees it, with the rooms and the shared value that
 * were copied to it. The list is the arena's. SKIO_OK or SKIO_ENOMEM.
 */
int skio__remote_present(const struct sio_session *session, bool is_final,
                         skio_adapter_session *out);

/* The server is about to disconnect a socket: what it was sent before goes
 * before. */
void skio__remote_hurry(skio_socket *socket);

/* Whether events for this socket alone go through the adapter, too. */
static inline bool
skio__remote_carries(const skio_nsp *nsp, const skio_socket *socket)
{
    return skio__unlikely(nsp->recovery != NULL) && nsp->recovery->is_remote &&
           skio__socket_is_member(socket);
}

/* Send one of these: with an offset, unless it is volatile or local. */
int skio__remote_send(skio_socket *socket, struct skio_message *message,
                      unsigned flags);

#endif /* SKIO_SOCKETIO_RECOVERY_REMOTE_H */
