/*
 * Connection state recovery: what a client missed while it was away
 *
 * Each event that may be recovered gets an offset as its last argument and a
 * place in the namespace's log, with the rooms it went to. A client that comes
 * back with its private id and the last offset it saw gets its id, rooms and
 * shared value back, then what it missed, then the CONNECT reply (Socket.IO
 * protocol v5, "Connection state recovery"; client 4.6). Otherwise it is told
 * by another private id that it was not recovered. Better than Node's:
 *
 *   - a client that saw no offset yet is recovered from its connection on
 *   - volatile events carry the last offset, so that a string of theirs is not
 *     taken for one
 *   - a session is used up by its recovery, a gap in the log refuses it
 *   - a client that is back before its old connection was seen to be dead is
 *     recovered, too: the old connection is closed
 */
#ifndef SKIO_SOCKETIO_RECOVERY_H
#define SKIO_SOCKETIO_RECOVERY_H

#include "socketio/namespace.h"
#include "socketio/socket.h"

/* A client's state in a namespace: while connected, and for a while after. */
struct sio_session {
    struct skio__map_node node; /* in recovery->sessions, by pid */
    struct skio__fifo_node due; /* in server->recovery_due, once it is gone */
    skio_nsp *nsp;
    skio_socket *socket; /* NULL: disconnected */
    bool is_kept;        /* counted as disconnected */
    uint64_t first;      /* the first event that was for it */
    char pid[SKIO__ID_LEN + 1];
    char sid[SKIO__ID_LEN + 1];
    char *rooms;  /* "a\0b\0\0"; NULL: while connected, or none */
    char *shared; /* NULL: none */
};

/* The recovery of a new namespace; NULL: it is off, or no memory. */
struct sio_recovery *skio__recovery_new(skio_nsp *nsp);
void skio__recovery_free(struct sio_recovery *recovery);

/*
 * Give an event its offset and log it, for those that target reaches. Volatile
 * ones are not logged.
 *
 * Returns a message to be sent in its place, with a reference; the same one
 * when recovery is off. NULL: no memory.
 */
struct skio_message *skio__recovery_stamp(skio_nsp *nsp,
                                          struct skio_message *message,
                                          const skio_target *target);

/*
 * A client comes back: the session that its auth names, if everything it
 * missed is known and can be sent. It is the caller's to connect to a socket.
 */
struct sio_session *skio__recovery_find(skio_nsp *nsp, const char *auth,
                                        size_t len, uint64_t *from);

/* Begin a session for a socket that connects. NULL: it is not recoverable. */
struct sio_session *skio__recovery_begin(skio_socket *socket);

/* The session found is this connecting socket's, with its id. */
void skio__recovery_attach(struct sio_session *session, skio_socket *socket);

/* Rooms and shared value are the socket's again, what it missed is queued. */
int skio__recovery_restore(skio_socket *socket, uint64_t from);

/* The socket leaves, its rooms still there: keep its session, or end it. */
void skio__recovery_leave(skio_socket *socket, enum skio_disconnect reason);

/* Forget a session; the socket is not told. */
void skio__recovery_end(struct sio_session *session);

/* Run what is due. */
void skio__recovery_timeouts(skio_server *server, uint64_t now_ms);

#endif /* SKIO_SOCKETIO_RECOVERY_H */
