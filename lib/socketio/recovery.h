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
#include "socketio/recovery_log.h"
#include "socketio/socket.h"

#define SIO_EPOCH_LEN 8   /* characters of base64url */
#define SIO_OFFSET_MAX 64 /* characters of an adapter's offset */

/* A list of rooms is one text: "+a\0+b\0\0", since a name may be empty. */
#define SIO_ROOM_NAME(room) ((room) + 1)

/* A walk over the sessions from which anything may be called. */
struct sio_visit {
    struct sio_visit *outer;
    struct skio__map_node *after; /* the next one, as long as it is there */
};

/* What hangs on a namespace. */
struct sio_recovery {
    skio_nsp *nsp;
    struct skio__map sessions;       /* pid -> sio_session */
    struct sio_visit *visit;         /* the innermost; NULL: none */
    struct skio__fifo_node trim_due; /* while the log holds anything */
    uint32_t gone_count;             /* disconnected sessions */
    bool is_remote; /* the adapter keeps sessions and log, recovery_remote.h */
    struct sio_log log;
    char epoch[SIO_EPOCH_LEN + 1];
};

/* A client's state in a namespace: while connected, and for a while after. */
struct sio_session {
    struct skio__map_node node; /* in recovery->sessions, by pid */
    /* In server->recovery_due, once it is gone; a remote one is in
     * server->recovery_dirty while it must be saved. */
    struct skio__fifo_node due;
    skio_nsp *nsp;
    skio_socket *socket; /* NULL: disconnected */
    bool is_kept;        /* counted as disconnected */
    uint64_t first;      /* the first event that was for it */
    uint64_t from;       /* of a recovered one: the first it missed */
    char pid[SKIO__ID_LEN + 1];
    char sid[SKIO__ID_LEN + 1];
    char *rooms;  /* as above; NULL: while connected, or none */
    char *shared; /* NULL: none */
    char *offset; /* remote: what it missed is asked for again from here on */
    struct skio_message **missed; /* remote: until it is connected */
    size_t missed_count;
};

/* The recovery of a new namespace; NULL: it is off, or no memory. */
struct sio_recovery *skio__recovery_new(skio_nsp *nsp);
void skio__recovery_free(struct sio_recovery *recovery);

/* The namespace has another adapter. */
void skio__recovery_adopt(skio_nsp *nsp);

/* A message with `,"offset"` or the like behind its arguments. NULL: no
 * memory. */
struct skio_message *skio__recovery_tail(skio_nsp *nsp,
                                         const struct skio_message *message,
                                         const char *tail, size_t len);

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
                                        size_t len);

/* Begin a session for a socket that connects. NULL: it is not recoverable. */
struct sio_session *skio__recovery_begin(skio_socket *socket);

/* A session with this private id and id, without a socket. NULL: no memory. */
struct sio_session *skio__recovery_session(struct sio_recovery *recovery,
                                           const char *pid, const char *sid);

/* The session found is this connecting socket's, with its id. */
void skio__recovery_attach(struct sio_session *session, skio_socket *socket);

/* Rooms and shared value are the socket's again, what it missed is queued. */
int skio__recovery_restore(skio_socket *socket);

/* The socket leaves, its rooms still there: keep its session, or end it. */
void skio__recovery_leave(skio_socket *socket, enum skio_disconnect reason);

/* A socket that never connected, or only half, gives its session up. */
void skio__recovery_abandon(skio_socket *socket, enum skio_disconnect reason);

/* Append a room to such a list. */
void skio__recovery_put_room(struct skio__buf *list, const char *room);

/* Whether a text may be an adapter's offset: short, and plain characters. */
bool skio__recovery_is_offset(const char *offset);

/* Copy rooms and shared value out of the socket. SKIO_OK or SKIO_ENOMEM. */
int skio__recovery_save_state(struct sio_session *session);
/* Forget what was copied. */
void skio__recovery_drop_state(struct sio_session *session);

/* Forget a session; neither socket nor adapter are told. */
void skio__recovery_end(struct sio_session *session);

/* Run what is due. */
void skio__recovery_timeouts(skio_server *server, uint64_t now_ms);

#endif /* SKIO_SOCKETIO_RECOVERY_H */
