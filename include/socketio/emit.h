/*
 * libsocketio: sending
 *
 * The arguments after an event's name are one printf template of the argument
 * list, checked by the compiler, and read like the JavaScript call:
 *
 *     skio_emit(s, "hello", NULL);
 *     skio_emit(s, "chat", "%s, %d", text, n);
 *     skio_emit(s, "user", "{'name':%s,'admin':%hhd}", name, is_admin);
 *     skio_emit(s, "file", "%s, %p", name, SKIO_BYTES(buf, n));
 *
 * See skio_format(7) for the conversions. A message is encoded once and shared
 * by all who get it; it leaves at the end of the loop turn.
 *
 * Errors of every function here, unless it says otherwise: SKIO_OK;
 * SKIO_EINVAL for a reserved or too long event name, text that is not UTF-8 or
 * a malformed template; SKIO_ECLOSED; SKIO_ENOBUFS when max_outbound_bytes
 * would be passed (nothing was queued; the connection is closed, unless the
 * message alone is larger than that); SKIO_ETOOBIG beyond max_attachments;
 * SKIO_ENOMEM. A broadcast returns SKIO_OK whoever gets it: slow readers are
 * dealt with one by one.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_EMIT_H
#define SOCKETIO_EMIT_H

#include <socketio/base.h>
#include <socketio/namespace.h>
#include <socketio/socket.h>
#include <socketio/value.h>

SKIO_BEGIN_DECLS

#ifndef __cplusplus
/** A list of rooms for skio_target. */
#define SKIO_ROOMS(...) ((const char *const[]){__VA_ARGS__, NULL})

/** A target, as in SKIO_TARGET(.to = SKIO_ROOMS("a"), .flags = SKIO_VOLATILE).
 */
#define SKIO_TARGET(...)                                                       \
    (&(const skio_target){.struct_size = sizeof(skio_target), __VA_ARGS__})
#endif

/** Flags of an emit. */
enum skio_flags {
    SKIO_VOLATILE = 1, /**< drop it for whoever cannot take it right now */
    SKIO_LOCAL = 2,    /**< this server only, not the cluster */
    /** not worth compressing, where compression is on: compress(false) */
    SKIO_NO_COMPRESS = 4
};

/**
 * Whom a broadcast reaches: io.to(a).to(b).except(c).volatile in one value.
 * C++ fills the members itself, struct_size included.
 */
typedef struct skio_target {
    size_t struct_size;
    /** Rooms, their union, NULL-terminated; NULL or empty: everybody. So look
     * at what skio_get_str() gave for a room before it goes in here. */
    const char *const *to;
    const char *const *except; /**< rooms whose members are left out */
    skio_socket *sender;       /**< left out too; NULL: nobody */
    unsigned flags;            /**< enum skio_flags */
    uint32_t timeout_ms;       /**< for skio_emit_with_acks() */
} skio_target;

/** Send an event to one client, as socket.emit() does. */
SKIO_API int skio_emit(skio_socket *socket, const char *event,
                       const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 2);

/** As skio_emit(), from a va_list. */
SKIO_API int skio_emitv(skio_socket *socket, const char *event,
                        const char *format, va_list args) SKIO_PRINTF(3, 0)
    SKIO_NONNULL(1, 2);

/** Drop the event unless the client can take it at once (socket.volatile). */
SKIO_API int skio_emit_volatile(skio_socket *socket, const char *event,
                                const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 2);

/**
 * Send an event whose argument list is finished JSON, as in "1,\"a\"".
 *
 * len  Bytes of json; 0: no arguments. Checked unless trust_raw_json.
 */
SKIO_API int skio_emit_json(skio_socket *socket, const char *event,
                            const char *json, size_t len) SKIO_NONNULL(1, 2);

/** Send to everybody in the namespace (nsp.emit). */
SKIO_API int skio_emit_all(skio_nsp *nsp, const char *event, const char *format,
                           ...) SKIO_PRINTF(3, 4) SKIO_NONNULL(1, 2);

/** Send to the members of a room, or to the socket whose id it is. SKIO_EINVAL
 * for room NULL, which is what skio_get_str() gives for a name that is none. */
SKIO_API int skio_emit_to(skio_nsp *nsp, const char *room, const char *event,
                          const char *format, ...) SKIO_PRINTF(4, 5)
    SKIO_NONNULL(1, 3);

/** Send to a target; NULL: everybody. */
SKIO_API int skio_emit_with(skio_nsp *nsp, const skio_target *target,
                            const char *event, const char *format, ...)
    SKIO_PRINTF(4, 5) SKIO_NONNULL(1, 3);

/** As skio_emit_with(), from a va_list. */
SKIO_API int skio_emit_withv(skio_nsp *nsp, const skio_target *target,
                             const char *event, const char *format,
                             va_list args) SKIO_PRINTF(4, 0) SKIO_NONNULL(1, 3);

/** Send to everybody but this socket (socket.broadcast.emit). */
SKIO_API int skio_broadcast(skio_socket *socket, const char *event,
                            const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 2);

/** Send to the members of a room but this socket (socket.to(room).emit).
 * SKIO_EINVAL for room NULL. */
SKIO_API int skio_broadcast_to(skio_socket *socket, const char *room,
                               const char *event, const char *format, ...)
    SKIO_PRINTF(4, 5) SKIO_NONNULL(1, 3);

/**
 * Called exactly once for every skio_emit_with_ack() that returned SKIO_OK.
 *
 * err   SKIO_OK, SKIO_ETIMEDOUT when timeout_ms passed, or SKIO_ECLOSED when
 *       the socket disconnected first.
 * args  The client's arguments; NULL unless err is SKIO_OK. Borrowed.
 */
typedef void skio_ack_fn(skio_socket *socket, int err, const skio_value *args,
                         void *user);

/**
 * Send an event and ask for an acknowledgement.
 *
 * timeout_ms  1 to INT32_MAX; 0 waits until the socket disconnects.
 * on_ack      Never called when this function fails.
 *
 * Returns as skio_emit(), and SKIO_ELIMIT beyond max_pending_acks.
 */
SKIO_API int skio_emit_with_ack(skio_socket *socket, uint32_t timeout_ms,
                                skio_ack_fn *on_ack, void *user,
                                const char *event, const char *format, ...)
    SKIO_PRINTF(6, 7) SKIO_NONNULL(1, 3, 5) SKIO_MUST_CHECK;

/**
 * Answer an acknowledgement that a client asked for. Consumes `ack`, unless the
 * template was at fault (SKIO_EINVAL, SKIO_ETOOBIG): answer again then. Does
 * nothing for NULL.
 *
 * Returns as skio_emit(); SKIO_EBUSY when it was answered already.
 */
SKIO_API int skio_ack_send(skio_ack *ack, const char *format, ...)
    SKIO_PRINTF(2, 3);

/**
 * Keep an ack beyond its handler, to answer later: skio_ack_send() then frees
 * it, also when the client has gone. One that a handler neither answers nor
 * takes is never answered, as in Node.
 *
 * Returns the ack to keep; NULL for NULL, or when memory ran out (answer at
 * once then).
 */
SKIO_API skio_ack *skio_ack_take(skio_ack *ack);

/** Give a taken ack up without an answer. NULL does nothing. */
SKIO_API void skio_ack_free(skio_ack *ack);

/** A message that is encoded once and sent many times. */
typedef struct skio_message skio_message;

/**
 * Encode an event for the sockets of a namespace.
 *
 * Returns NULL for what skio_emit() calls SKIO_EINVAL, or when memory ran out.
 */
SKIO_API skio_message *skio_message_new(skio_nsp *nsp, const char *event,
                                        const char *format, ...)
    SKIO_PRINTF(3, 4) SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** Send an encoded message to a socket of its namespace: a pointer is queued.
 */
SKIO_API int skio_message_emit(skio_message *message, skio_socket *socket)
    SKIO_NONNULL(1, 2);

/** Send an encoded message to a target; NULL: everybody. */
SKIO_API int skio_message_emit_with(skio_message *message,
                                    const skio_target *target) SKIO_NONNULL(1);

/** Give the message up. NULL does nothing. */
SKIO_API void skio_message_free(skio_message *message);

/**
 * The outcome of a broadcast with acknowledgements: called once for each
 * client that answered, with its args, and once more at the end, with args
 * NULL.
 *
 * err       At the end: SKIO_OK when all answered (or disconnected);
 *           SKIO_ETIMEDOUT: what has come is all there is. Else SKIO_OK.
 * received  Answers so far, this one included.
 * expected  Clients that were asked and have not disconnected since.
 */
typedef void skio_answers_fn(int err, const skio_value *args, size_t received,
                             size_t expected, void *user);

/**
 * Send to a target and ask each client for an acknowledgement, as
 * io.timeout(ms).emit(…, callback) does. target->timeout_ms is needed, 1 to
 * INT32_MAX. With nobody to ask, fn is called at once.
 *
 * Returns as skio_emit_with(); SKIO_EINVAL without a timeout; a client that
 * has max_pending_acks already is not asked.
 */
SKIO_API int skio_emit_with_acks(skio_nsp *nsp, const skio_target *target,
                                 skio_answers_fn *fn, void *user,
                                 const char *event, const char *format, ...)
    SKIO_PRINTF(6, 7) SKIO_NONNULL(1, 2, 3, 5) SKIO_MUST_CHECK;

/** Add all sockets of a target to a room. */
SKIO_API int skio_sockets_join(skio_nsp *nsp, const skio_target *target,
                               const char *room) SKIO_NONNULL(1, 3);

/** Remove all sockets of a target from a room. */
SKIO_API int skio_sockets_leave(skio_nsp *nsp, const skio_target *target,
                                const char *room) SKIO_NONNULL(1, 3);

/** Disconnect all sockets of a target, see skio_disconnect(). */
SKIO_API int skio_sockets_disconnect(skio_nsp *nsp, const skio_target *target,
                                     bool close) SKIO_NONNULL(1);

/** A socket as skio_sockets_fetch() reports it, of this server or another. */
typedef struct skio_remote skio_remote;

SKIO_API const char *skio_remote_id(const skio_remote *remote) SKIO_NONNULL(1);

/** What skio_socket_set_shared() set there, as JSON text. */
SKIO_API const char *skio_remote_shared(const skio_remote *remote)
    SKIO_NONNULL(1);

/** Visit its rooms, its own first. */
SKIO_API void skio_remote_each_room(const skio_remote *remote, skio_room_fn *fn,
                                    void *user) SKIO_NONNULL(1, 2);

/** The socket itself when it is connected to this server, else NULL. */
SKIO_API skio_socket *skio_remote_socket(const skio_remote *remote)
    SKIO_NONNULL(1);

/**
 * The sockets of a target: called once.
 *
 * err      SKIO_OK; SKIO_ETIMEDOUT when some server did not answer;
 *          SKIO_ECLOSED when the others are out of reach: what did arrive is
 *          there all the same.
 * sockets  `count` of them. Borrowed.
 * missing  Servers that did not answer.
 */
typedef void skio_fetch_fn(int err, const skio_remote *const *sockets,
                           size_t count, size_t missing, void *user);

/**
 * Fetch the sockets of a target, cluster-wide unless SKIO_LOCAL. With the
 * memory adapter the callback runs before this returns.
 */
SKIO_API int skio_sockets_fetch(skio_nsp *nsp, const skio_target *target,
                                skio_fetch_fn *fn, void *user)
    SKIO_NONNULL(1, 3);

SKIO_END_DECLS

#endif /* SOCKETIO_EMIT_H */
