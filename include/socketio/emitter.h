/*
 * libsocketio: emitting without a server
 *
 * For processes that only send: a cron job, a request handler, a worker. An
 * emitter speaks to the servers of a cluster through their Redis, whatever
 * they are written in; it needs no server of its own and no loop.
 *
 *     skio_emitter_new(&emitter, NULL);
 *     skio_emitter_emit(emitter, "/", SKIO_TARGET(.to = SKIO_ROOMS("news")),
 *                       "headline", "%s", text);
 *     skio_emitter_free(emitter);
 *
 * It writes what Node's @socket.io/redis-emitter 5.1 writes. The servers use
 * the Redis adapter; with `sharded` or `stream`, the sharded or the streams
 * adapter.
 *
 * Calls block until Redis has answered, or a time-out. The first one connects;
 * one that finds the connection lost connects again, once, before it sends.
 *
 * Errors of every function that sends: SKIO_OK: Redis has it (that somebody
 * listens it does not tell); SKIO_EINVAL for a reserved event name, a name
 * longer than max_name_bytes, text that is not UTF-8, a malformed template, or
 * a target with a sender, a time-out or SKIO_LOCAL; SKIO_ELIMIT beyond
 * max_rooms; SKIO_ETOOBIG beyond max_bytes or max_attachments; SKIO_ENOENT when
 * there is no such host or unix socket; SKIO_EACCES when Redis refuses the
 * password or the command; SKIO_ECLOSED when nobody listens there or the
 * connection ended; SKIO_ETIMEDOUT; SKIO_EPROTO when what answers is no Redis;
 * SKIO_EIO for any other error of Redis or of the system; SKIO_ENOMEM.
 * skio_emitter_error() tells more. After SKIO_ECLOSED, SKIO_ETIMEDOUT or
 * SKIO_EPROTO Redis may have got the message all the same.
 *
 * Threads: an emitter belongs to one thread at a time; emitters share nothing.
 * After fork(2) only one of the two processes goes on using it. Since: 0.1.
 */
#ifndef SOCKETIO_EMITTER_H
#define SOCKETIO_EMITTER_H

#include <socketio/emit.h>

SKIO_BEGIN_DECLS

/** Sends to the clients and servers of a cluster, with no server of its own. */
typedef struct skio_emitter skio_emitter;

/** Options of an emitter. Fill with skio_emitter_options_init(); copied,
 *  strings included. Times are in milliseconds, sizes in bytes. */
typedef struct skio_emitter_options {
    size_t struct_size;

    /* Where Redis is. A URL says it all, redis://user:password@host:port/db
     * or unix:/path?db=1; else the parts that follow do. */
    const char *url;       /**< NULL */
    const char *host;      /**< "127.0.0.1" */
    uint16_t port;         /**< 6379 */
    const char *unix_path; /**< NULL; else instead of host and port */
    const char *user;      /**< NULL: the default user */
    const char *password;  /**< NULL: none */
    uint32_t database;     /**< 0 */

    bool
        cluster; /**< false; true: that is a node of a Redis Cluster; others are
                       connected to when it names them */

    const char *key; /**< "socket.io": what the channels of the servers begin
                          with, the adapter's option `key` */
    bool sharded;    /**< false; true: the servers use the sharded adapter, and
                          key is its `channelPrefix` */
    /** NULL; else the servers use the streams adapter, and this is its
     * `streamName`. key is not used then. */
    const char *stream;
    uint32_t stream_max_len; /**< 10000 entries, roughly */

    uint32_t connect_timeout_ms; /**< 5000, once the host's name is resolved */
    uint32_t command_timeout_ms; /**< 5000 for Redis to answer */

    size_t max_bytes;         /**< 1000000: a message as it goes to Redis */
    uint32_t max_rooms;       /**< 1000 in one list */
    uint32_t max_attachments; /**< 10; stock clients refuse more */
    uint32_t max_json_depth;  /**< 64 */
    size_t max_name_bytes;    /**< 512: a namespace, room or event name */
    bool trust_raw_json;      /**< false: "%-s" text is checked */

    skio_allocator allocator; /**< zeros: the C library's */
    skio_log_fn *log;         /**< NULL: silent */
    void *log_user;
    enum skio_log_level log_level; /**< SKIO_LOG_INFO */
} skio_emitter_options;

/** Set every option to its default. */
#define skio_emitter_options_init(options)                                     \
    skio_emitter_options_init_size((options), sizeof(skio_emitter_options))

/** What the macro skio_emitter_options_init() calls. */
SKIO_API void skio_emitter_options_init_size(skio_emitter_options *options,
                                             size_t struct_size)
    SKIO_NONNULL(1);

/**
 * Make an emitter (new Emitter). It does not connect yet.
 *
 * options  NULL for the defaults.
 *
 * Returns SKIO_OK and fills *out; SKIO_EINVAL for an option out of its range
 * or a URL that is none; SKIO_ENOTSUP for rediss://, which needs TLS (for both
 * the log names the reason); SKIO_ENOMEM.
 */
SKIO_API int skio_emitter_new(skio_emitter **out,
                              const skio_emitter_options *options)
    SKIO_NONNULL(1) SKIO_MUST_CHECK;

/** Close the connection and free the emitter. NULL does nothing. */
SKIO_API void skio_emitter_free(skio_emitter *emitter);

/**
 * Send an event to clients (emitter.of(nsp).to(rooms).emit()).
 *
 * nsp     "/chat", or "chat"; NULL is "/".
 * target  Rooms, rooms to leave out, and of the flags SKIO_VOLATILE and
 *         SKIO_NO_COMPRESS; NULL: everybody.
 * format  The arguments, see skio_format(7); NULL: none.
 */
SKIO_API int skio_emitter_emit(skio_emitter *emitter, const char *nsp,
                               const skio_target *target, const char *event,
                               const char *format, ...) SKIO_PRINTF(5, 6)
    SKIO_NONNULL(1, 4);

/** As skio_emitter_emit(), from a va_list. */
SKIO_API int skio_emitter_emitv(skio_emitter *emitter, const char *nsp,
                                const skio_target *target, const char *event,
                                const char *format, va_list args)
    SKIO_PRINTF(5, 0) SKIO_NONNULL(1, 4);

/**
 * Let all sockets of a target join rooms (socketsJoin).
 *
 * target  Its flags are not used; NULL: everybody.
 * rooms   NULL-terminated, as SKIO_ROOMS() makes it.
 */
SKIO_API int skio_emitter_join(skio_emitter *emitter, const char *nsp,
                               const skio_target *target,
                               const char *const *rooms) SKIO_NONNULL(1, 4);

/** Let all sockets of a target leave rooms (socketsLeave). */
SKIO_API int skio_emitter_leave(skio_emitter *emitter, const char *nsp,
                                const skio_target *target,
                                const char *const *rooms) SKIO_NONNULL(1, 4);

/**
 * Disconnect all sockets of a target (disconnectSockets).
 *
 * close  true: close their connections; false: they leave the namespace.
 */
SKIO_API int skio_emitter_disconnect(skio_emitter *emitter, const char *nsp,
                                     const skio_target *target, bool close)
    SKIO_NONNULL(1);

/**
 * Send an event to the servers themselves (serverSideEmit), see
 * skio_on_server_event(). They cannot answer.
 *
 * event  None is reserved but connect, connection and new_namespace.
 */
SKIO_API int skio_emitter_server_side_emit(skio_emitter *emitter,
                                           const char *nsp, const char *event,
                                           const char *format, ...)
    SKIO_PRINTF(4, 5) SKIO_NONNULL(1, 3);

/** As skio_emitter_server_side_emit(), from a va_list. */
SKIO_API int skio_emitter_server_side_emitv(skio_emitter *emitter,
                                            const char *nsp, const char *event,
                                            const char *format, va_list args)
    SKIO_PRINTF(4, 0) SKIO_NONNULL(1, 3);

/**
 * What the last call that failed says about it, in English; "" when none has.
 * Never NULL; valid until the next call that fails.
 */
SKIO_API const char *skio_emitter_error(const skio_emitter *emitter)
    SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_EMITTER_H */
