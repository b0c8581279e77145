/*
 * libsocketio: users, who have several devices
 *
 * An addon: it stands on the public headers alone. A socket that was bound to a
 * user is in the room "user:<id>", as is common with Node's servers: whatever
 * reaches a room reaches a user, on every server of the cluster and from every
 * emitter.
 *
 *     skio_user_bind(socket, "alice");                   who it is
 *     skio_user_emit(nsp, "alice", "hello", "%d", 1);    all her devices
 *
 * The application decides who a socket is, from a token or a cookie, never from
 * a name that the client merely claims; and where clients name rooms, those
 * that begin with "user:" are not theirs to join.
 *
 * An id is 1 to max_id_bytes bytes of UTF-8. Functions that take one return
 * SKIO_EINVAL for any other, and for NULL, which is what skio_get_str() gives
 * for a string that is none.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_USERS_H
#define SOCKETIO_USERS_H

#include <socketio/emit.h>
#include <socketio/namespace.h>
#include <socketio/server.h>
#include <socketio/socket.h>

SKIO_BEGIN_DECLS

/** skio_users_options_init() fills it. */
typedef struct skio_users_options {
    size_t struct_size;
    uint32_t max_seen;     /**< 10000: users who have gone and are remembered,
                                1 to 10000000 */
    uint32_t max_id_bytes; /**< 128: of a user's id, 1 to 1024 */
} skio_users_options;

/** Set every option to its default. */
#define skio_users_options_init(options)                                       \
    skio_users_options_init_size((options), sizeof(skio_users_options))

/** What the macro skio_users_options_init() calls. Since: 0.1. */
SKIO_API void skio_users_options_init_size(skio_users_options *options,
                                           size_t struct_size) SKIO_NONNULL(1);

/**
 * Set the options of a server's users: only to change the defaults, and before
 * the first skio_user_bind().
 *
 * Returns SKIO_OK; SKIO_EINVAL for an option out of its range; SKIO_EBUSY when
 * they are set already, or somebody was bound; SKIO_ENOMEM.
 */
SKIO_API int skio_users_setup(skio_server *server,
                              const skio_users_options *options)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/**
 * Say whose device a socket is: it joins the room "user:<id>", and leaves that
 * of another user it was bound to. In a middleware it joins as soon as it has
 * connected. Binding twice does nothing.
 *
 * A client that comes back (skio_socket_recovered()) is in its rooms again, but
 * is a new socket that passes no middleware, unless recovery_skip_middlewares
 * is off: bind it in a handler of connections then. skio_tokens_guard() does.
 *
 * Returns SKIO_OK; SKIO_EINVAL; SKIO_ELIMIT beyond max_rooms; SKIO_ECLOSED;
 * SKIO_ENOMEM. It is then as it was before.
 */
SKIO_API int skio_user_bind(skio_socket *socket, const char *id)
    SKIO_NONNULL(1);

/** Forget whose device a socket is: it leaves the user's room. SKIO_OK, or
 *  SKIO_ENOENT when it is nobody's. */
SKIO_API int skio_user_unbind(skio_socket *socket) SKIO_NONNULL(1);

/** The user that a socket is bound to, or NULL. Borrowed until it is bound
 *  otherwise, or has disconnected: in its handlers of that it is still there.
 */
SKIO_API const char *skio_user_of(const skio_socket *socket) SKIO_NONNULL(1);

/** Send an event to all devices of a user in a namespace, cluster-wide. Returns
 *  as skio_emit_to(). Nobody who is offline gets it. */
SKIO_API int skio_user_emit(skio_nsp *nsp, const char *id, const char *event,
                            const char *format, ...) SKIO_PRINTF(4, 5)
    SKIO_NONNULL(1, 3);

/** As skio_user_emit(), from a va_list. */
SKIO_API int skio_user_emitv(skio_nsp *nsp, const char *id, const char *event,
                             const char *format, va_list args) SKIO_PRINTF(4, 0)
    SKIO_NONNULL(1, 3);

/** Fetch the sockets of a user in a namespace, cluster-wide. Returns, and calls
 *  fn, as skio_sockets_fetch(). */
SKIO_API int skio_user_fetch(skio_nsp *nsp, const char *id, skio_fetch_fn *fn,
                             void *user) SKIO_NONNULL(1, 3);

/** Disconnect all devices of a user from a namespace, cluster-wide; close: end
 *  their connections, see skio_disconnect(). Returns as
 *  skio_sockets_disconnect(). */
SKIO_API int skio_user_disconnect(skio_nsp *nsp, const char *id, bool close)
    SKIO_NONNULL(1);

/**
 * Whether a user is online: called exactly once.
 *
 * err      SKIO_OK; SKIO_ETIMEDOUT when `missing` servers did not answer in
 *          time; SKIO_ECLOSED when the others are out of reach.
 * sockets  Devices that are known of; 0: offline, as far as err lets one say.
 */
typedef void skio_user_online_fn(int err, size_t sockets, size_t missing,
                                 void *user);

/**
 * Ask whether a user is online in a namespace, cluster-wide. With the memory
 * adapter, and with a device on this server, fn runs before this returns.
 *
 * fn  Never called when this function fails. With a device on this server
 *     nobody else is asked: sockets counts those here alone then.
 *
 * Returns as skio_sockets_count().
 */
SKIO_API int skio_user_is_online(skio_nsp *nsp, const char *id,
                                 skio_user_online_fn *fn, void *user)
    SKIO_NONNULL(1, 3);

/** How many sockets of this server are bound to a user, all namespaces
 *  together. */
SKIO_API size_t skio_user_count(const skio_server *server, const char *id)
    SKIO_NONNULL(1);

/**
 * When the last socket of a user went from this server, in milliseconds since
 * 1970.
 *
 * Returns SKIO_OK and fills *ms, with now for one who is here; SKIO_ENOENT when
 * it is not known: never seen, or max_seen others have gone since; SKIO_EINVAL.
 */
SKIO_API int skio_user_last_seen(const skio_server *server, const char *id,
                                 uint64_t *ms) SKIO_NONNULL(1, 3);

SKIO_END_DECLS

#endif /* SOCKETIO_USERS_H */
