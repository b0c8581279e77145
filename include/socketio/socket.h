/*
 * libsocketio: one client's connection to one namespace
 *
 * In a callback the pointer is simply valid. To keep it longer take a
 * reference; after the disconnect the socket stays readable and sends return
 * SKIO_ECLOSED. From elsewhere use its id: each socket is in the room that its
 * id names, so skio_emit_to(nsp, id, …) reaches it across a cluster.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_SOCKET_H
#define SOCKETIO_SOCKET_H

#include <socketio/base.h>
#include <socketio/value.h>

SKIO_BEGIN_DECLS

typedef struct skio_socket skio_socket;
typedef struct skio_nsp skio_nsp;

/* Why a socket disconnected, with the words that Node's server uses. */
/* clang-format off */
#define SKIO_DISCONNECT_MAP(X)                                                 \
    X(TRANSPORT_CLOSE, 1, "transport close")                                   \
    X(TRANSPORT_ERROR, 2, "transport error")                                   \
    X(PING_TIMEOUT, 3, "ping timeout")                                         \
    X(PARSE_ERROR, 4, "parse error")                                           \
    X(FORCED_CLOSE, 5, "forced close")                                         \
    X(CLIENT_NAMESPACE, 6, "client namespace disconnect")                      \
    X(SERVER_NAMESPACE, 7, "server namespace disconnect")                      \
    X(FORCED_SERVER_CLOSE, 8, "forced server close")                           \
    X(SERVER_SHUTDOWN, 9, "server shutting down")                              \
    X(SLOW_CONSUMER, 10, "slow consumer")                                      \
    X(RATE_LIMIT, 11, "rate limit")
/* clang-format on */

/** Why a socket disconnected. SLOW_CONSUMER and RATE_LIMIT are ours: Node
 * has no such limits. */
enum skio_disconnect {
#define SKIO_DISCONNECT_ENUM(name, value, text)                                \
    SKIO_DISCONNECT_##name = (value),
    SKIO_DISCONNECT_MAP(SKIO_DISCONNECT_ENUM)
#undef SKIO_DISCONNECT_ENUM
};

/** Node's words for a reason, as in "transport close". Static, never NULL. */
SKIO_API const char *skio_disconnect_name(enum skio_disconnect reason);

/** The public id: 20 characters, unpredictable, not the session's id. (With
 * allow_eio3 a client of Socket.IO 2 has its session's id, and outside of "/"
 * the namespace and '#' before it.) */
SKIO_API const char *skio_socket_id(const skio_socket *socket) SKIO_NONNULL(1);
/** Its namespace; NULL once the server was freed. */
SKIO_API skio_nsp *skio_socket_nsp(const skio_socket *socket) SKIO_NONNULL(1);
SKIO_API bool skio_socket_is_connected(const skio_socket *socket)
    SKIO_NONNULL(1);

/** Whether this connection goes on where the client's last one ended: same id,
 *  rooms and shared value, and it has been sent what it missed. */
SKIO_API bool skio_socket_recovered(const skio_socket *socket) SKIO_NONNULL(1);

/** Keep a socket beyond its callback. Returns the socket. */
SKIO_API skio_socket *skio_socket_ref(skio_socket *socket) SKIO_NONNULL(1);

/** Give a reference back. NULL does nothing. */
SKIO_API void skio_socket_unref(skio_socket *socket);

/**
 * Hang something of yours on the socket.
 *
 * free_fn  Called with data after the disconnect handlers have run, or at once
 *          with what was set before; NULL: never.
 */
SKIO_API void skio_socket_set_data(skio_socket *socket, void *data,
                                   void (*free_fn)(void *data)) SKIO_NONNULL(1);
SKIO_API void *skio_socket_data(const skio_socket *socket) SKIO_NONNULL(1);

/**
 * Hang something more on the socket: for addons, whose users have their own on
 * skio_socket_set_data().
 *
 * key      An address that is nobody else's, as of a static variable.
 * data     Replaces what hangs there under this key; NULL: nothing does.
 * free_fn  As for skio_socket_set_data().
 *
 * Returns SKIO_OK; SKIO_ECLOSED once the socket has disconnected: data stays
 * the caller's; SKIO_ENOMEM.
 */
SKIO_API int skio_socket_attach(skio_socket *socket, const void *key,
                                void *data, void (*free_fn)(void *data))
    SKIO_NONNULL(1, 2);

/** What hangs on the socket under a key, or NULL. */
SKIO_API void *skio_socket_attached(const skio_socket *socket, const void *key)
    SKIO_NONNULL(1, 2);

/**
 * Set the JSON value that other nodes may see of this socket (Node's
 * socket.data), from a template of one value, see skio_format(7).
 *
 * Returns SKIO_OK; SKIO_EINVAL for a malformed template or one with binary
 * data; SKIO_ETOOBIG beyond max_http_buffer_size; SKIO_ECLOSED once the server
 * was freed; SKIO_ENOMEM.
 */
SKIO_API int skio_socket_set_shared(skio_socket *socket, const char *format,
                                    ...) SKIO_PRINTF(2, 3) SKIO_NONNULL(1, 2);

/** What skio_socket_set_shared() set, as JSON text; "{}" before. */
SKIO_API const char *skio_socket_shared(const skio_socket *socket)
    SKIO_NONNULL(1);

/** The auth object of the client's CONNECT packet; an empty object if none. */
SKIO_API const skio_value *skio_socket_auth(const skio_socket *socket)
    SKIO_NONNULL(1);

/** A header of the handshake request, by lower-case name, or NULL. */
SKIO_API const char *skio_socket_header(const skio_socket *socket,
                                        const char *name) SKIO_NONNULL(1, 2);

/** Called for a name and its value; return false to stop. Both are borrowed. */
typedef bool skio_pair_fn(const char *name, const char *value, void *user);

/** Visit all headers of the handshake request (Node's handshake.headers); lines
 *  of one name are one value. */
SKIO_API void skio_socket_each_header(const skio_socket *socket,
                                      skio_pair_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/**
 * A header of the client's latest request (a poll, a POST or the upgrade to
 * WebSocket), by lower-case name, or NULL: a cookie or a token may have been
 * renewed since the handshake. Without the option latest_headers, and before
 * there was another request, the handshake's. Borrowed until the callback
 * returns.
 */
SKIO_API const char *skio_socket_latest_header(const skio_socket *socket,
                                               const char *name)
    SKIO_NONNULL(1, 2);

/**
 * A cookie of the handshake request, as the npm package `cookie` reads it: the
 * first of its name, without quotes around it, percent-decoded when that can be
 * done. NULL when there is none. Borrowed until the callback returns.
 */
SKIO_API const char *skio_socket_cookie(const skio_socket *socket,
                                        const char *name) SKIO_NONNULL(1, 2);

/** Visit all parameters of the handshake request's query (Node's
 *  handshake.query), decoded. Not once the server was freed. */
SKIO_API void skio_socket_each_query(const skio_socket *socket,
                                     skio_pair_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/**
 * A parameter of the handshake request's query, decoded, or NULL. Of a
 * repeated name the last one counts, as in Node. Borrowed until the callback
 * returns.
 */
SKIO_API const char *skio_socket_query(const skio_socket *socket,
                                       const char *name) SKIO_NONNULL(1, 2);

/** The client's address, as in "192.0.2.1" or "2001:db8::1": the peer's, or the
 *  one that a trusted proxy names; "" for a unix socket's. */
SKIO_API const char *skio_socket_address(const skio_socket *socket)
    SKIO_NONNULL(1);

/** The request target of the handshake. */
SKIO_API const char *skio_socket_url(const skio_socket *socket) SKIO_NONNULL(1);

/** Whether the handshake came by TLS, to a trusted proxy if that says so. */
SKIO_API bool skio_socket_is_secure(const skio_socket *socket) SKIO_NONNULL(1);

/** Whether the handshake came from a browser that sent an Origin (Node's
 *  handshake.xdomain). */
SKIO_API bool skio_socket_is_xdomain(const skio_socket *socket) SKIO_NONNULL(1);

/** When the socket was made, in milliseconds since 1970 (Node's
 *  handshake.issued, and its handshake.time as text); 0 when the transport has
 *  no such clock. */
SKIO_API uint64_t skio_socket_issued(const skio_socket *socket) SKIO_NONNULL(1);

/** "polling" or "websocket", as it stands now; "" once disconnected. */
SKIO_API const char *skio_socket_transport(const skio_socket *socket)
    SKIO_NONNULL(1);

/** Bytes that wait to be sent to this client, all namespaces together. */
SKIO_API size_t skio_socket_queued(const skio_socket *socket) SKIO_NONNULL(1);

/**
 * Join a room, made when it does not exist. Joining twice does nothing. In a
 * middleware the room is noted, and joined as soon as the socket connects.
 *
 * Returns SKIO_OK; SKIO_EINVAL for a name longer than max_name_bytes or not
 * UTF-8, or for NULL, which is what skio_get_str() gives for a name that is
 * none; SKIO_ELIMIT beyond max_rooms; SKIO_ECLOSED; SKIO_ENOMEM.
 */
SKIO_API int skio_join(skio_socket *socket, const char *room) SKIO_NONNULL(1);

/** Leave a room. SKIO_OK, or SKIO_ENOENT when the socket is not in it, as it is
 * not in NULL. */
SKIO_API int skio_leave(skio_socket *socket, const char *room) SKIO_NONNULL(1);

/** Leave all rooms but the socket's own. */
SKIO_API void skio_leave_all(skio_socket *socket) SKIO_NONNULL(1);

/** Whether the socket is in a room; its own id is one, NULL is none. */
SKIO_API bool skio_in_room(const skio_socket *socket, const char *room)
    SKIO_NONNULL(1);

/** Called for each room; return false to stop. */
typedef bool skio_room_fn(const char *room, void *user);

/** Visit the rooms of a socket, its own first. The callback may leave them, or
 *  change anything else: what it joins may or may not be visited. */
SKIO_API void skio_each_room(const skio_socket *socket, skio_room_fn *fn,
                             void *user) SKIO_NONNULL(1, 2);

/**
 * Disconnect, as socket.disconnect() does.
 *
 * close  false: leave this namespace, the connection stays. true: leave all
 *        namespaces of the client and close its connection.
 *
 * The handlers of `disconnect` run before this returns, with the reason
 * SKIO_DISCONNECT_SERVER_NAMESPACE.
 */
SKIO_API void skio_disconnect(skio_socket *socket, bool close) SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_SOCKET_H */
