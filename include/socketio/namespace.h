/*
 * libsocketio: namespaces and their handlers
 *
 * Handlers belong to the namespace, one table for all of its sockets, so that
 * a connection costs no allocation for them and none can be registered too
 * late. What belongs to one connection hangs on skio_socket_set_data().
 *
 * Several handlers of one event run in the order of their registration. All
 * run on the loop thread; inside one everything may be called, skio_disconnect()
 * of any socket included.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_NAMESPACE_H
#define SOCKETIO_NAMESPACE_H

#include <socketio/base.h>
#include <socketio/server.h>
#include <socketio/socket.h>
#include <socketio/value.h>

SKIO_BEGIN_DECLS

typedef struct skio_ack skio_ack;
typedef struct skio_next skio_next;

/**
 * Get a namespace, made on first use, as io.of() does. "/" always exists; a
 * leading slash is added where it is missing. It lives as long as the server.
 *
 * Returns NULL when the name is longer than max_name_bytes or not UTF-8, or
 * when memory ran out.
 */
SKIO_API skio_nsp *skio_of(skio_server *server, const char *name)
    SKIO_NONNULL(1, 2);

SKIO_API const char *skio_nsp_name(const skio_nsp *nsp) SKIO_NONNULL(1);
SKIO_API skio_server *skio_nsp_server(const skio_nsp *nsp) SKIO_NONNULL(1);

/** Connected sockets of this namespace on this server. */
SKIO_API size_t skio_nsp_count(const skio_nsp *nsp) SKIO_NONNULL(1);

/** The socket with this id, connected to this server, or NULL. Borrowed. */
SKIO_API skio_socket *skio_nsp_socket(const skio_nsp *nsp, const char *id)
    SKIO_NONNULL(1, 2);

/**
 * An event arrived.
 *
 * args  The arguments after the event's name; never NULL. Borrowed.
 * ack   NULL when the client asked for no acknowledgement; every skio_ack
 *       function accepts that.
 */
typedef void skio_event_fn(skio_socket *socket, const skio_value *args,
                           skio_ack *ack, void *user);

/**
 * Handle an event, as socket.on() does, for all sockets of the namespace.
 *
 * Returns SKIO_OK; SKIO_EINVAL for a reserved name (connect, connect_error,
 * disconnect, disconnecting, newListener, removeListener) or one longer than
 * max_name_bytes; SKIO_ENOMEM.
 */
SKIO_API int skio_on(skio_nsp *nsp, const char *event, skio_event_fn *fn,
                     void *user) SKIO_NONNULL(1, 2, 3);

/**
 * Remove the handlers of an event that have this fn and user; fn NULL removes
 * all of the event.
 *
 * Returns how many were removed.
 */
SKIO_API int skio_off(skio_nsp *nsp, const char *event, skio_event_fn *fn,
                      void *user) SKIO_NONNULL(1, 2);

/** An event arrived, whatever its name, as socket.onAny() tells. */
typedef void skio_any_fn(skio_socket *socket, const char *event,
                         const skio_value *args, void *user);

/** Watch all events, before their own handlers. SKIO_OK or SKIO_ENOMEM. */
SKIO_API int skio_on_any(skio_nsp *nsp, skio_any_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** A socket connected: it is in its own room and the client has been told. */
typedef void skio_connect_fn(skio_socket *socket, void *user);

/** Watch connections. SKIO_OK or SKIO_ENOMEM. */
SKIO_API int skio_on_connect(skio_nsp *nsp, skio_connect_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** A socket disconnects or has disconnected. Emitting to it does nothing. */
typedef void skio_disconnect_fn(skio_socket *socket,
                                enum skio_disconnect reason, void *user);

/** Watch sockets about to leave, their rooms still there (`disconnecting`). */
SKIO_API int skio_on_disconnecting(skio_nsp *nsp, skio_disconnect_fn *fn,
                                   void *user) SKIO_NONNULL(1, 2);

/** Watch sockets that have left; their data is freed afterwards. */
SKIO_API int skio_on_disconnect(skio_nsp *nsp, skio_disconnect_fn *fn,
                                void *user) SKIO_NONNULL(1, 2);

/**
 * The client reads more slowly than the server writes: `queued` bytes wait for
 * it, more than outbound_high_bytes. Told once; again only after the queue has
 * been below half of the mark.
 */
typedef void skio_backpressure_fn(skio_socket *socket, size_t queued,
                                  void *user);

/** Watch slow readers. SKIO_OK or SKIO_ENOMEM. */
SKIO_API int skio_on_backpressure(skio_nsp *nsp, skio_backpressure_fn *fn,
                                  void *user) SKIO_NONNULL(1, 2);

/**
 * Decide whether a socket may connect, before its CONNECT is answered.
 *
 * Call skio_next_ok() or skio_next_error() once, now or later: `next` is yours
 * until then, also when the client has gone meanwhile. The connection waits no
 * longer than connect_timeout_ms.
 */
typedef void skio_middleware_fn(skio_socket *socket, skio_next *next,
                                void *user);

/** Add a middleware, as nsp.use() does; they run in order. */
SKIO_API int skio_use(skio_nsp *nsp, skio_middleware_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/**
 * Let the connection pass on to the next middleware. Consumes `next`.
 *
 * Returns SKIO_OK, or SKIO_ECLOSED when the client has gone.
 */
SKIO_API int skio_next_ok(skio_next *next) SKIO_NONNULL(1);

/**
 * Refuse the connection: the client's connect_error gets Error(message), with
 * err.data made from the template, see skio_format(7). Consumes `next`.
 *
 * format  One JSON value, as in "{'code':%d}"; NULL: no data.
 *
 * Returns SKIO_OK; SKIO_ECLOSED when the client has gone; SKIO_EINVAL for a
 * malformed template (the connection is refused without data); SKIO_ENOMEM.
 */
SKIO_API int skio_next_error(skio_next *next, const char *message,
                             const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 2);

/** The socket a verdict is about; NULL when the client has gone. */
SKIO_API skio_socket *skio_next_socket(const skio_next *next) SKIO_NONNULL(1);

/** Called for each socket; return false to stop. */
typedef bool skio_socket_fn(skio_socket *socket, void *user);

/**
 * Visit the connected sockets of a namespace on this server. The callback may
 * disconnect any of them; sockets that connect meanwhile are not visited.
 *
 * Returns SKIO_OK or SKIO_ENOMEM (nobody was visited).
 */
SKIO_API int skio_each_socket(skio_nsp *nsp, skio_socket_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

SKIO_END_DECLS

#endif /* SOCKETIO_NAMESPACE_H */
