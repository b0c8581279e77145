/*
 * libsocketio: what the stock Socket.IO Admin UI connects to
 *
 * An addon: it stands on the public headers alone. The app speaks plain
 * Socket.IO to one namespace, "/admin", and so does whatever else wants to
 * watch a server.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_ADMIN_H
#define SOCKETIO_ADMIN_H

#include <socketio/server.h>

SKIO_BEGIN_DECLS

/** How much is told. */
enum skio_admin_mode {
    /** Numbers: servers, clients, packets and bytes, sockets of namespaces. */
    SKIO_ADMIN_PRODUCTION = 0,
    /** Also each socket with its handshake and its data, each room, and each
     *  event with its arguments: while an admin is connected all that every
     *  client sends and gets passes by here once more. */
    SKIO_ADMIN_DEVELOPMENT = 1
};

/**
 * Options of skio_admin_serve(): skio_admin_options_init() fills them, then say
 * who may log in. 0 is no "unlimited".
 */
typedef struct skio_admin_options {
    size_t struct_size;
    const char *nsp; /**< "/admin"; no namespace of this name exists yet */

    /** NULL; else who may log in, and a hash of the password: Argon2id
     *  ("$argon2id$...", skio_admin_hash() makes one) or, where
     *  skio_admin_has_bcrypt() says so, bcrypt ("$2b$...", as Node's has). */
    const char *username;
    const char *password_hash;
    bool no_auth; /**< false; true, without a name and a hash: everybody who
                       reaches the server is an admin */

    enum skio_admin_mode mode; /**< SKIO_ADMIN_PRODUCTION */
    bool readonly;             /**< false; true: admins look, and change
                                    nothing */
    const char *server_id;     /**< NULL: the host's name. Must differ among
                                    the servers of a cluster */
    bool show_secrets;         /**< false; true: handshakes are shown with their
                            headers cookie, authorization and
                            proxy-authorization */
    uint32_t stats_interval_ms; /**< 2000, of 100 to 9000: the app takes a
                                     server for dead after 10 s */

    /* Limits */
    uint32_t max_admins;            /**< 20 connected to this server */
    uint32_t max_listed;            /**< 1000 sockets in one list, and
                                         namespaces in one report */
    uint32_t max_events_per_second; /**< 500 shown; further ones are not */
    size_t max_event_bytes;         /**< 16384: of larger ones the size is
                                         shown */
    uint32_t max_failures;          /**< 10 logins of one address, in a minute,
                                         may fail */
    uint32_t max_waiting;           /**< 16 passwords that wait to be checked */
    uint32_t max_sessions;          /**< 1000 that are logged in; the oldest
                                         give way */
    uint32_t session_s;             /**< 86400 seconds until a new login */
} skio_admin_options;

/** Set every option to its default. */
#define skio_admin_options_init(options)                                       \
    skio_admin_options_init_size((options), sizeof(skio_admin_options))

/** What the macro skio_admin_options_init() calls. Since: 0.1. */
SKIO_API void skio_admin_options_init_size(skio_admin_options *options,
                                           size_t struct_size) SKIO_NONNULL(1);

/**
 * Offer the namespace that the Admin UI connects to, once for a server, before
 * handlers of your own: those then find a socket that the admins know already.
 *
 * Passwords are checked in a thread of their own. Who is refused, for whatever
 * reason, is told "invalid credentials".
 *
 * options  Copied.
 *
 * Returns SKIO_OK; SKIO_EINVAL for an option out of its range (the log names
 * it), and when it is not said who may log in; SKIO_EBUSY when the namespace
 * exists already; SKIO_EIO when libsodium cannot start; SKIO_ENOMEM: the
 * namespace may be there then, and lets nobody in.
 */
SKIO_API int skio_admin_serve(skio_server *server,
                              const skio_admin_options *options)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** What skio_admin_hash() fills. */
#define SKIO_ADMIN_HASH_BYTES 128

/**
 * Make the hash of a password, Argon2id. Takes some 50 ms and 64 MiB.
 *
 * Returns SKIO_OK; SKIO_EINVAL for an empty password or one of more than 1024
 * bytes; SKIO_EIO when libsodium cannot start; SKIO_ENOMEM.
 *
 * Threads: any.
 */
SKIO_API int skio_admin_hash(const char *password,
                             char out[SKIO_ADMIN_HASH_BYTES]) SKIO_NONNULL(1, 2)
    SKIO_MUST_CHECK;

/** Whether this library can check bcrypt hashes: it was built with a libcrypt
 *  that knows them. Threads: any. */
SKIO_API bool skio_admin_has_bcrypt(void);

SKIO_END_DECLS

#endif /* SOCKETIO_ADMIN_H */
