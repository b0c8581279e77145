/*
 * libsocketio: namespaces and their handlers
 *
 * Handlers belong to the namespace, one table for all of its sockets, so that
 * a connection costs no allocation for them and none can be registered too
 * late. What belongs to one connection hangs on skio_socket_set_data().
 *
 * Several handlers of one event run in the order of their registration. All run
 * on the loop thread; inside one everything may be called, skio_disconnect() of
 * any socket included.
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

/**
 * The namespace of this name, with its slash, if there is one; NULL else: it is
 * not made. One that was made on demand may end with its last socket, so it is
 * borrowed until the callback returns.
 */
SKIO_API skio_nsp *skio_nsp_find(const skio_server *server, const char *name)
    SKIO_NONNULL(1, 2);

/** Called for each namespace; return false to stop. */
typedef bool skio_each_nsp_fn(skio_nsp *nsp, void *user);

/** Visit the namespaces of this server, those made on demand among them, their
 *  parents not. Those that are made meanwhile may or may not be visited. */
SKIO_API void skio_each_nsp(skio_server *server, skio_each_nsp_fn *fn,
                            void *user) SKIO_NONNULL(1, 2);

/** Visit these parents, in the order in which they are asked. */
SKIO_API void skio_each_parent(skio_server *server, skio_each_nsp_fn *fn,
                               void *user) SKIO_NONNULL(1, 2);

/** A namespace that is about to be made, or not: one verdict is awaited. */
typedef struct skio_match skio_match;

/**
 * A client asks for a namespace that does not exist.
 *
 * Call skio_match_accept() or skio_match_refuse() once, now or later: `match`
 * is yours until then, also when the client has gone meanwhile. A second
 * verdict inside the call is SKIO_EBUSY.
 *
 * name  As the client sent it, with its slash. Borrowed until the verdict.
 * auth  The client's auth object. Borrowed until the verdict.
 */
typedef void skio_match_fn(skio_match *match, const char *name,
                           const skio_value *auth, void *user);

/**
 * Make namespaces on demand, as io.of(function) does.
 *
 * Returns their parent: its handlers and middlewares run for the sockets of
 * all its children, before those of the child itself, and what is emitted to
 * it goes to all children. A child is an ordinary namespace while it has
 * sockets; unless cleanup_empty_namespaces is off it ends with its last one.
 * Parents are asked in the order in which they were made. NULL: no memory.
 */
SKIO_API skio_nsp *skio_of_match(skio_server *server, skio_match_fn *fn,
                                 void *user) SKIO_NONNULL(1, 2);

/**
 * Make namespaces on demand whose name matches a pattern, as io.of(regexp)
 * does: "*" stands for any characters but "/", "?" for one, "[a-f]" for one of
 * a set (fnmatch(3) with FNM_PATHNAME). Otherwise as skio_of_match(). NULL
 * also for a pattern without its leading slash.
 */
SKIO_API skio_nsp *skio_of_pattern(skio_server *server, const char *pattern)
    SKIO_NONNULL(1, 2);

/**
 * Let the namespace be made and the client go on to its middlewares. Consumes
 * `match`.
 *
 * Returns SKIO_OK; SKIO_ECLOSED when the client has gone; SKIO_EBUSY for a
 * second verdict inside the call, which changes nothing; SKIO_ELIMIT beyond
 * max_dynamic_namespaces (the client is refused); SKIO_ENOMEM.
 */
SKIO_API int skio_match_accept(skio_match *match) SKIO_NONNULL(1);

/**
 * Leave it to the next parent; when there is none the client is told "Invalid
 * namespace". Consumes `match`. SKIO_OK, SKIO_ECLOSED or
 * SKIO_EBUSY.
 */
SKIO_API int skio_match_refuse(skio_match *match) SKIO_NONNULL(1);

/** The parent of a namespace that was made on demand, else NULL. */
SKIO_API skio_nsp *skio_nsp_parent(const skio_nsp *nsp) SKIO_NONNULL(1);

/** What the names of a parent's children match: of skio_of_pattern() its
 *  pattern, of skio_of_match() "". NULL: this is no parent. */
SKIO_API const char *skio_nsp_pattern(const skio_nsp *nsp) SKIO_NONNULL(1);

/** A namespace was made, by skio_of() or on demand (`new_namespace`). */
typedef void skio_nsp_fn(skio_nsp *nsp, void *user);

/** Watch namespaces being made. SKIO_OK or SKIO_ENOMEM. */
SKIO_API int skio_on_namespace(skio_server *server, skio_nsp_fn *fn, void *user)
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

/** As skio_on(), for the next such event only, of whichever socket. */
SKIO_API int skio_once(skio_nsp *nsp, const char *event, skio_event_fn *fn,
                       void *user) SKIO_NONNULL(1, 2, 3);

/** As skio_on(), but it runs before the handlers that there are
 *  (prependListener). */
SKIO_API int skio_prepend(skio_nsp *nsp, const char *event, skio_event_fn *fn,
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

/** As skio_on_any(), but before those that there are (prependAny). */
SKIO_API int skio_prepend_any(skio_nsp *nsp, skio_any_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** Stop watching (offAny): those that have this fn and user; fn NULL: all.
 *  Returns how many were removed. */
SKIO_API int skio_off_any(skio_nsp *nsp, skio_any_fn *fn, void *user)
    SKIO_NONNULL(1);

/**
 * Watch what is sent to each socket, as socket.onAnyOutgoing() does: emits and
 * broadcasts, not acknowledgements. The callback may read args and note what
 * it saw. SKIO_OK or SKIO_ENOMEM.
 */
SKIO_API int skio_on_any_outgoing(skio_nsp *nsp, skio_any_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** As skio_on_any_outgoing(), but before those that there are
 *  (prependAnyOutgoing). */
SKIO_API int skio_prepend_any_outgoing(skio_nsp *nsp, skio_any_fn *fn,
                                       void *user) SKIO_NONNULL(1, 2);

/** Stop watching (offAnyOutgoing). As skio_off_any(). */
SKIO_API int skio_off_any_outgoing(skio_nsp *nsp, skio_any_fn *fn, void *user)
    SKIO_NONNULL(1);

/** How many handlers an event has (listeners), its parent's not counted. */
SKIO_API size_t skio_listeners(const skio_nsp *nsp, const char *event)
    SKIO_NONNULL(1, 2);

/**
 * Look at an event before its handlers do, as socket.use() does.
 *
 * Return SKIO_OK to pass it on; an error drops the event and tells the
 * handlers of skio_on_error(). Nothing is sent to the client, but the
 * middleware may answer the ack itself.
 */
typedef int skio_event_middleware_fn(skio_socket *socket, const char *event,
                                     const skio_value *args, skio_ack *ack,
                                     void *user);

/** Add a middleware for events; they run in order, after the catch-all
 *  handlers. SKIO_OK or SKIO_ENOMEM. */
SKIO_API int skio_use_event(skio_nsp *nsp, skio_event_middleware_fn *fn,
                            void *user) SKIO_NONNULL(1, 2);

/** An event was dropped by a middleware, with this error; or the client sent
 *  what is no packet and is about to be closed: err is SKIO_EPROTO then, event
 *  "", and each of its sockets is told. */
typedef void skio_error_fn(skio_socket *socket, int err, const char *event,
                           void *user);

/** Watch dropped events and broken packets (`error`). SKIO_OK or
 *  SKIO_ENOMEM. */
SKIO_API int skio_on_error(skio_nsp *nsp, skio_error_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** What happened to a room. */
enum skio_room_event {
    SKIO_ROOM_CREATE, /**< its first member is about to join */
    SKIO_ROOM_JOIN,
    SKIO_ROOM_LEAVE,
    SKIO_ROOM_DELETE /**< its last member has left */
};

/**
 * A room changed on this server, as the adapter's events tell: in the order
 * create, join, …, leave, delete. socket is NULL for create and delete. Each
 * socket's own room is told, too. The callback may change anything.
 */
typedef void skio_room_event_fn(skio_nsp *nsp, enum skio_room_event event,
                                const char *room, skio_socket *socket,
                                void *user);

/** Watch the rooms of a namespace. SKIO_OK or SKIO_ENOMEM. */
SKIO_API int skio_on_room(skio_nsp *nsp, skio_room_event_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** A socket connected: it is in its own room and the client has been told. */
typedef void skio_connect_fn(skio_socket *socket, void *user);

/** Watch connections. SKIO_OK or SKIO_ENOMEM. */
SKIO_API int skio_on_connect(skio_nsp *nsp, skio_connect_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** A socket disconnects or has disconnected. While it is `disconnecting` it can
 *  still be sent to, if its connection lasts; afterwards sending returns
 *  SKIO_ECLOSED. */
typedef void skio_disconnect_fn(skio_socket *socket,
                                enum skio_disconnect reason, void *user);

/** Watch sockets about to leave, their rooms still there (`disconnecting`). */
SKIO_API int skio_on_disconnecting(skio_nsp *nsp, skio_disconnect_fn *fn,
                                   void *user) SKIO_NONNULL(1, 2);

/** Watch sockets that have left; their data is freed afterwards. */
SKIO_API int skio_on_disconnect(skio_nsp *nsp, skio_disconnect_fn *fn,
                                void *user) SKIO_NONNULL(1, 2);

/** The value that other nodes may see of a socket was set, see
 *  skio_socket_set_shared(); it may be set again from inside. */
typedef void skio_shared_fn(skio_socket *socket, void *user);

/** Watch shared values, also of sockets that are not connected yet. SKIO_OK or
 *  SKIO_ENOMEM. */
SKIO_API int skio_on_shared(skio_nsp *nsp, skio_shared_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/**
 * A client did not come back within recovery_ms: nothing is kept for it any
 * more. id and shared are those of its last socket. Not told where the adapter
 * keeps it.
 */
typedef void skio_expired_fn(skio_nsp *nsp, const char *id, const char *shared,
                             void *user);

/** Watch clients that do not come back. SKIO_OK or SKIO_ENOMEM. */
SKIO_API int skio_on_expired(skio_nsp *nsp, skio_expired_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

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
 * Returns SKIO_OK; SKIO_ECLOSED when the client has gone; SKIO_EBUSY for a
 * second verdict inside the middleware's call.
 */
SKIO_API int skio_next_ok(skio_next *next) SKIO_NONNULL(1);

/**
 * Refuse the connection: the client's connect_error gets Error(message), with
 * err.data made from the template, see skio_format(7). Consumes `next`.
 *
 * format  One JSON value, as in "{'code':%d}"; NULL: no data.
 *
 * Returns SKIO_OK; SKIO_ECLOSED when the client has gone; SKIO_EINVAL for a
 * malformed template (the connection is refused without data); SKIO_ETOOBIG or
 * SKIO_ENOBUFS for too much data; SKIO_EBUSY for a second verdict inside the
 * middleware's call; SKIO_ENOMEM.
 */
SKIO_API int skio_next_error(skio_next *next, const char *message,
                             const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 2);

/** The socket a verdict is about; NULL when the client has gone. */
SKIO_API skio_socket *skio_next_socket(const skio_next *next) SKIO_NONNULL(1);

/**
 * What can be watched of the sockets of all namespaces, those made later and on
 * demand included. A tap looks and takes notes: it may not send, disconnect,
 * change rooms, nor tap again. NULL: not of interest. Everything is borrowed.
 */
typedef struct skio_nsp_taps {
    size_t struct_size;
    /** A socket is one of its namespace's from now on; nobody was told yet. */
    void (*connect)(skio_socket *socket, void *user);
    /** It has left; once for each that connected. */
    void (*disconnect)(skio_socket *socket, enum skio_disconnect reason,
                       void *user);
    /** A room was made or has gone: SKIO_ROOM_CREATE or SKIO_ROOM_DELETE, of
     *  each socket's own room, too. */
    void (*room)(skio_nsp *nsp, enum skio_room_event event, const char *room,
                 void *user);
    /** An event arrived: before anybody else is told. Its name has len bytes
     *  and no NUL behind them. is_handled: it has handlers, by skio_on() and
     *  the like, of the namespace or its parent. */
    void (*received)(skio_nsp *nsp, const char *event, size_t len,
                     bool is_handled, void *user);
    /** All who handle it have returned. */
    void (*handled)(skio_nsp *nsp, void *user);
    /** A namespace that was made on demand goes, its last socket has left. */
    void (*end)(skio_nsp *nsp, void *user);
    /** An event was encoded by an emit of this server: once, however many get
     *  it, and once for a skio_message. Not what other servers emitted. */
    void (*sent)(skio_nsp *nsp, const char *event, void *user);
} skio_nsp_taps;

/**
 * Watch the sockets of a server. Several taps run in their order.
 *
 * Returns SKIO_OK; SKIO_ENOMEM.
 */
SKIO_API int skio_nsp_tap(skio_server *server, const skio_nsp_taps *taps,
                          void *user) SKIO_NONNULL(1, 2);

/** Events that arrived in a namespace, on this server; of a parent 0. */
SKIO_API uint64_t skio_nsp_received(const skio_nsp *nsp) SKIO_NONNULL(1);

/** An event that has handlers, or had some: how often they were to run. The
 *  callback may read what there is to read. Return false to stop. */
typedef bool skio_event_count_fn(const char *event, uint64_t received,
                                 void *user);

/**
 * Visit the events that a namespace handles, in the order of their
 * registration. One that a parent and its child handle counts with the parent.
 */
SKIO_API void skio_each_event(const skio_nsp *nsp, skio_event_count_fn *fn,
                              void *user) SKIO_NONNULL(1, 2);

/** Called for each socket; return false to stop. */
typedef bool skio_socket_fn(skio_socket *socket, void *user);

/**
 * Visit the connected sockets of a namespace on this server. The callback may
 * disconnect any of them; sockets that connect meanwhile are not visited.
 *
 * Returns SKIO_OK; SKIO_ENOMEM (nobody was visited); SKIO_EINVAL for a parent
 * of namespaces made on demand.
 */
SKIO_API int skio_each_socket(skio_nsp *nsp, skio_socket_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

SKIO_END_DECLS

#endif /* SOCKETIO_NAMESPACE_H */
