/*
 * libsocketio: clusters through Redis
 *
 * Servers that share a Redis are one cluster: what one emits reaches the
 * clients of all. Servers of this library and Node.js servers are equal
 * members; the messages are those of
 *
 *     skio_redis_adapter()          @socket.io/redis-adapter 8.3
 *     skio_redis_sharded_adapter()  its createShardedAdapter(), Redis 7
 *     skio_redis_streams_adapter()  @socket.io/redis-streams-adapter 0.3
 *
 * All servers of a cluster use the same one. Clients of this server are always
 * served, also while Redis is away; then the other servers hear nothing.
 *
 * Redis is trusted to carry messages, not to be well: all that comes from it is
 * checked and bounded. Whoever can write to it can speak as any server.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_REDIS_H
#define SOCKETIO_REDIS_H

#include <socketio/server.h>

SKIO_BEGIN_DECLS

/** How a server of the sharded adapter subscribes: the same in the whole
 *  cluster. */
enum skio_redis_subscriptions {
    SKIO_REDIS_DYNAMIC = 0,    /**< a channel for each public room */
    SKIO_REDIS_STATIC,         /**< two channels for each namespace */
    SKIO_REDIS_DYNAMIC_PRIVATE /**< a channel for each room, private too */
};

/** What happened to the connection with Redis. */
enum skio_redis_state {
    SKIO_REDIS_DOWN, /**< lost, or not there: the other servers are out of reach
                      */
    SKIO_REDIS_UP    /**< all subscriptions are in force */
};

typedef struct skio_redis_event {
    enum skio_redis_state state;
    int err;          /**< why it is down: SKIO_ECLOSED, SKIO_ETIMEDOUT,
                           SKIO_EACCES for a refused password or certificate,
                           SKIO_EBUSY while Redis is loading or no master,
                           SKIO_EINVAL for a database that is not there,
                           SKIO_EPROTO, SKIO_ELIMIT for an answer too large,
                           SKIO_EIO, SKIO_ENOENT for an unknown host,
                           SKIO_ENOMEM */
    const char *text; /**< the same in words; borrowed */
    uint64_t gap_ms;  /**< UP: for how long messages of others may have been
                           missed; 0 at the first connection */
    uint64_t dropped; /**< UP: messages to others that were lost meanwhile, or
                           under way when the connection was lost */
} skio_redis_event;

typedef void skio_redis_event_fn(skio_server *server,
                                 const skio_redis_event *event, void *user);

/** Options of the Redis adapters. Fill with skio_redis_options_init(); copied,
 *  strings included. Times are in milliseconds, sizes in bytes. */
typedef struct skio_redis_options {
    size_t struct_size;

    /* Where Redis is: a URL, redis://user:password@host:port/db, rediss:// for
     * TLS, unix:/path?db=1&user=a&password=b, each part percent-encoded; what
     * it does not say, the parts that follow do. */
    const char *url;       /**< NULL */
    const char *host;      /**< "127.0.0.1" */
    uint16_t port;         /**< 6379 */
    const char *unix_path; /**< NULL; else instead of host and port */
    const char *user;      /**< NULL: the default user */
    const char *password;  /**< NULL: none */
    uint32_t database;     /**< 0 */

    /** NULL; else sentinels, "host:port,host:port", that are asked for the
     * master of this name. */
    const char *sentinels;
    const char *sentinel_master;   /**< "mymaster" */
    const char *sentinel_password; /**< NULL */

    bool cluster; /**< false; true: host is a node of a Redis Cluster. Sharded
                       adapter only: classic channels reach every node. */

    bool tls;                    /**< false; sentinels are spoken to likewise */
    const char *tls_ca_file;     /**< NULL: the system's certificates */
    const char *tls_cert_file;   /**< NULL: none of our own */
    const char *tls_key_file;    /**< NULL */
    const char *tls_server_name; /**< NULL: host */

    const char *key; /**< "socket.io": what channels, or the stream, begin with;
                          Node's key, channelPrefix and streamName */

    uint32_t requests_timeout_ms; /**< 5000: other servers' answers */
    /** false; true: answers go to who asked alone (classic adapter). */
    bool publish_on_specific_response_channel;
    enum skio_redis_subscriptions subscriptions; /**< sharded adapter */

    /* Streams adapter. */
    uint32_t stream_count;          /**< 1, at most 64 */
    uint32_t stream_max_len;        /**< 10000 entries, roughly */
    uint32_t stream_read_count;     /**< 100 entries at once */
    const char *session_key_prefix; /**< "sio:session:" */
    bool only_plaintext;            /**< false; true: binary data is not put
                                         into base64 */
    bool sharded_pubsub;            /**< false */
    uint32_t offset_timeout_ms;     /**< 500: with recovery, an event waits so
                                         long for its place in the stream */

    uint32_t connect_timeout_ms; /**< 5000, names included */
    uint32_t command_timeout_ms; /**< 5000 without an answer: reconnect */
    uint32_t ping_interval_ms;   /**< 1000: a Redis that is silent for that
                                        long is asked whether it is there */
    uint32_t reconnect_min_ms;   /**< 50: before the first attempt */
    uint32_t reconnect_max_ms;   /**< 500: before each further one, doubling
                                        until here */

    size_t max_output_bytes;       /**< 16 MiB waiting for Redis */
    size_t max_message_bytes;      /**< 16 MiB: of one answer of Redis */
    uint32_t max_reply_elements;   /**< 100000 in one answer of Redis */
    uint32_t max_requests;         /**< 10000 that wait for other servers */
    uint32_t max_servers;          /**< 1000 that one request waits for */
    uint32_t max_rooms_in_message; /**< 1000 in one message of another server */
    uint32_t max_fetched;          /**< 100000 sockets in one fetch */

    skio_redis_event_fn *on_event; /**< NULL */
    void *on_event_user;

    /** false; true: a request of long-polling that comes to another server than
     * its session's is passed on there, so that a balancer need not be sticky.
     * On all servers of the cluster, none of which is Node's. */
    bool forward_polls;
    uint32_t
        max_forwarded; /**< 10000 such requests wait, of clients here and of
                                 other servers each */
} skio_redis_options;

/** Set every option to its default. */
#define skio_redis_options_init(options)                                       \
    skio_redis_options_init_size((options), sizeof(skio_redis_options))

/** What the macro skio_redis_options_init() calls. */
SKIO_API void skio_redis_options_init_size(skio_redis_options *options,
                                           size_t struct_size) SKIO_NONNULL(1);

/**
 * Join a cluster through PUBLISH and SUBSCRIBE.
 *
 * Before other namespaces than "/" exist. Redis need not be there: the server
 * goes on trying, and serves its clients meanwhile.
 *
 * Returns SKIO_OK; SKIO_EINVAL for an option out of its range (the log names
 * it) or a URL that is none; SKIO_EBUSY once a namespace exists beside an
 * unused "/", and inside of any callback of this server; SKIO_ENOMEM.
 */
SKIO_API int skio_redis_adapter(skio_server *server,
                                const skio_redis_options *options)
    SKIO_NONNULL(1) SKIO_MUST_CHECK;

/** Join a cluster through SPUBLISH and SSUBSCRIBE, of Redis 7 or a Redis
 *  Cluster of it: messages go to those servers alone that have someone in the
 *  room. Returns as skio_redis_adapter(). */
SKIO_API int skio_redis_sharded_adapter(skio_server *server,
                                        const skio_redis_options *options)
    SKIO_NONNULL(1) SKIO_MUST_CHECK;

/**
 * Join a cluster through a stream, which other servers read where they left
 * off when the connection was lost for a while.
 *
 * With recovery_ms a client is recovered by whichever server it comes back to.
 * Returns as skio_redis_adapter().
 */
SKIO_API int skio_redis_streams_adapter(skio_server *server,
                                        const skio_redis_options *options)
    SKIO_NONNULL(1) SKIO_MUST_CHECK;

SKIO_END_DECLS

#endif /* SOCKETIO_REDIS_H */
