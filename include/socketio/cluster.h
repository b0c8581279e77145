/*
 * libsocketio: among servers
 *
 * What the servers of a cluster say to each other, how many they are, which
 * rooms and how many sockets they have together, and what can be done to a
 * socket that is connected to another of them. With the memory adapter there is
 * one server: the same calls work and find nobody else.
 *
 * Whatever other servers have to answer comes to a callback, once, with what
 * did arrive: `missing` is the number of servers that did not answer in time.
 * With the memory adapter callbacks run before the call returns.
 *
 * Functions of a namespace return SKIO_EINVAL for the parent of namespaces made
 * on demand, which has no sockets of its own, and SKIO_ENOTSUP when the adapter
 * cannot do it.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_CLUSTER_H
#define SOCKETIO_CLUSTER_H

#include <socketio/emit.h>

SKIO_BEGIN_DECLS

/** Whom another server's question is answered to. */
typedef struct skio_server_ack skio_server_ack;

/**
 * Another server emitted an event with skio_server_side_emit().
 *
 * args  The arguments after the event's name; never NULL. Borrowed.
 * ack   NULL when the other server asked for no answer; every skio_server_ack
 *       function accepts that.
 */
typedef void skio_server_event_fn(skio_nsp *nsp, const skio_value *args,
                                  skio_server_ack *ack, void *user);

/**
 * Handle an event of the other servers, as io.on() does.
 *
 * Returns SKIO_OK; SKIO_EINVAL for a reserved name (connect, connection,
 * new_namespace) or one longer than max_name_bytes; SKIO_ENOMEM.
 */
SKIO_API int skio_on_server_event(skio_nsp *nsp, const char *event,
                                  skio_server_event_fn *fn, void *user)
    SKIO_NONNULL(1, 2, 3);

/** Remove the handlers of an event of other servers that have this fn and
 *  user; fn NULL: all of the event. Returns how many were removed. */
SKIO_API int skio_off_server_event(skio_nsp *nsp, const char *event,
                                   skio_server_event_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/**
 * Emit an event to the other servers of the cluster, not to this one
 * (serverSideEmit).
 *
 * Returns as skio_emit(); SKIO_EINVAL also for connect, connection and
 * new_namespace.
 */
SKIO_API int skio_server_side_emit(skio_nsp *nsp, const char *event,
                                   const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 2);

/**
 * What the other servers answered: called exactly once.
 *
 * err        SKIO_OK; SKIO_ETIMEDOUT when some did not answer; SKIO_ECLOSED
 *            when they are out of reach, or the namespace or the server ended
 *            first.
 * responses  A list with the answer of each server that did, never NULL;
 *            skio_count(responses, "") of them. Borrowed.
 * missing    Servers that did not answer.
 */
typedef void skio_responses_fn(int err, const skio_value *responses,
                               size_t missing, void *user);

/**
 * Emit an event to the other servers and ask each for an answer
 * (serverSideEmitWithAck). How long they have is the adapter's option.
 *
 * fn  Never called when this function fails.
 */
SKIO_API int skio_server_side_emit_with_ack(skio_nsp *nsp,
                                            skio_responses_fn *fn, void *user,
                                            const char *event,
                                            const char *format, ...)
    SKIO_PRINTF(5, 6) SKIO_NONNULL(1, 2, 4) SKIO_MUST_CHECK;

/**
 * Answer another server with one value, see skio_format(7); format NULL: null.
 * Consumes `ack`, unless the template was at fault (SKIO_EINVAL). Does nothing
 * for NULL.
 *
 * Returns SKIO_OK; SKIO_EINVAL for a malformed template or one with binary
 * data; SKIO_EBUSY when it was answered already; SKIO_ECLOSED once the server
 * was freed; SKIO_ENOBUFS beyond max_outbound_bytes; SKIO_ENOMEM; what the
 * adapter returns.
 */
SKIO_API int skio_server_ack_send(skio_server_ack *ack, const char *format, ...)
    SKIO_PRINTF(2, 3);

/** Keep it beyond its handler, to answer later: skio_server_ack_send() then
 *  frees it. NULL for NULL, or when memory ran out (answer at once then). */
SKIO_API skio_server_ack *skio_server_ack_take(skio_server_ack *ack);

/** Give a taken one up without an answer. NULL does nothing. */
SKIO_API void skio_server_ack_free(skio_server_ack *ack);

/** A number of servers or sockets. err is SKIO_OK; SKIO_ETIMEDOUT when
 *  `missing` servers did not answer in time; SKIO_ECLOSED when the others are
 *  out of reach: they are not counted. */
typedef void skio_count_fn(int err, size_t count, size_t missing, void *user);

/** Count the servers of the cluster, this one included (serverCount). */
SKIO_API int skio_server_count(skio_nsp *nsp, skio_count_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** Count the sockets of a target without fetching them; NULL: all. SKIO_LOCAL
 *  in its flags: those of this server. */
SKIO_API int skio_sockets_count(skio_nsp *nsp, const skio_target *target,
                                skio_count_fn *fn, void *user)
    SKIO_NONNULL(1, 3);

/** Names of rooms. err and missing as in skio_count_fn. Borrowed. */
typedef void skio_rooms_fn(int err, const char *const *rooms, size_t count,
                           size_t missing, void *user);

/** Fetch the names of all rooms, of all servers (allRooms); the rooms that are
 *  sockets' ids are among them. */
SKIO_API int skio_rooms_fetch(skio_nsp *nsp, skio_rooms_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/**
 * Visit the rooms of a namespace on this server (adapter.rooms), each
 * socket's own among them. The callback may change anything: rooms that end
 * meanwhile are left out. Return false to stop.
 *
 * Returns SKIO_OK or SKIO_ENOMEM (nothing was visited).
 */
SKIO_API int skio_nsp_each_room(skio_nsp *nsp, skio_room_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** How many sockets of this server are in a room; 0: there is none. */
SKIO_API size_t skio_room_count(const skio_nsp *nsp, const char *room)
    SKIO_NONNULL(1, 2);

/* ---- A socket that was fetched, of this server or another ---- */

/**
 * What it said when it connected, as the JSON text of an object with the
 * members headers, time, address, xdomain, secure, issued, url, query and auth
 * (socket.handshake). Borrowed until the callback returns. NULL: no memory.
 */
SKIO_API const char *skio_remote_handshake(const skio_remote *remote)
    SKIO_NONNULL(1);

/** Send it an event. As skio_emit_with(): SKIO_OK also when it has gone. */
SKIO_API int skio_remote_emit(const skio_remote *remote, const char *event,
                              const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 2);

/** Its answer: called exactly once. err is SKIO_OK, SKIO_ETIMEDOUT, or
 *  SKIO_ECLOSED when it has gone; args are NULL unless err is SKIO_OK. */
typedef void skio_answer_fn(int err, const skio_value *args, void *user);

/** Send it an event and ask for an acknowledgement. timeout_ms is 1 to
 *  INT32_MAX. Returns as skio_emit_with_acks(). */
SKIO_API int skio_remote_emit_with_ack(const skio_remote *remote,
                                       uint32_t timeout_ms, skio_answer_fn *fn,
                                       void *user, const char *event,
                                       const char *format, ...)
    SKIO_PRINTF(6, 7) SKIO_NONNULL(1, 3, 5) SKIO_MUST_CHECK;

/** Add it to a room. Returns as skio_sockets_join(). */
SKIO_API int skio_remote_join(const skio_remote *remote, const char *room)
    SKIO_NONNULL(1, 2);

/** Remove it from a room. Returns as skio_sockets_leave(). */
SKIO_API int skio_remote_leave(const skio_remote *remote, const char *room)
    SKIO_NONNULL(1, 2);

/** Disconnect it, see skio_disconnect(). */
SKIO_API int skio_remote_disconnect(const skio_remote *remote, bool close)
    SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_CLUSTER_H */
