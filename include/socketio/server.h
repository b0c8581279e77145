/*
 * libsocketio: the server
 *
 * A server holds namespaces, sessions and options, and belongs to one loop
 * thread. Any number of servers may live in a process; two servers share
 * nothing.
 */
#ifndef SOCKETIO_SERVER_H
#define SOCKETIO_SERVER_H

#include <socketio/base.h>

SKIO_BEGIN_DECLS

typedef struct skio_server skio_server;
typedef struct skio_parser skio_parser; /**< see parser.h */
struct skio_session;
struct skio_socket;

/** Transports a server offers, for skio_server_options.transports. */
enum skio_transports {
    SKIO_POLLING = 1,  /**< HTTP long-polling */
    SKIO_WEBSOCKET = 2 /**< WebSocket */
};

/** What a rate limit counts. */
enum skio_rate {
    SKIO_RATE_EVENTS = 1,  /**< events_per_second */
    SKIO_RATE_BYTES = 2,   /**< bytes_per_second */
    SKIO_RATE_CONNECTS = 3 /**< connects_per_minute */
};

/** What becomes of who passes a rate limit. */
enum skio_rate_action {
    /** The connection ends with SKIO_DISCONNECT_RATE_LIMIT; a request for a
     *  session is answered 429 with Retry-After. */
    SKIO_RATE_CLOSE = 0,
    /** The event is ignored, and its acknowledgement never sent; a client that
     *  wants to join a namespace is refused. Else as SKIO_RATE_CLOSE. */
    SKIO_RATE_DROP = 1,
    /** It is let through. */
    SKIO_RATE_PASS = 2
};

/** Who passed a rate limit. */
typedef struct skio_rate_excess {
    size_t struct_size;
    enum skio_rate rate;
    const char *address;          /**< of the client; "": it has none */
    struct skio_socket *socket;   /**< an event's; else NULL */
    struct skio_session *session; /**< NULL: of connects, there is none yet */
    uint32_t retry_ms;            /**< when it would be within the rate */
} skio_rate_excess;

/**
 * Decide about who passes a rate limit. Runs on the loop thread; may emit to
 * the socket, disconnect it, and close the session. *excess is borrowed. See
 * skio_limits(7). Since: 0.1.
 */
typedef enum skio_rate_action skio_rate_limit_fn(skio_server *server,
                                                 const skio_rate_excess *excess,
                                                 void *user);

/**
 * Options of a server. Fill with skio_server_options_init(), then change what
 * you need. Everything is copied by skio_server_new(), strings included.
 *
 * Times are in milliseconds, sizes in bytes. 0 is no "unlimited": every limit
 * is finite, raise it when you need more.
 */
typedef struct skio_server_options {
    size_t struct_size; /**< set by skio_server_options_init() */

    /* Engine.IO: Socket.IO's names and defaults (engine.io 6.6) */
    const char *path;            /**< "/socket.io" */
    bool add_trailing_slash;     /**< true: the path is "/socket.io/" */
    uint32_t ping_interval_ms;   /**< 25000; see skio_protocol(7) */
    uint32_t ping_timeout_ms;    /**< 20000 */
    uint32_t upgrade_timeout_ms; /**< 10000 */
    uint32_t connect_timeout_ms; /**< 45000: to join a first namespace */
    size_t max_http_buffer_size; /**< 1000000: a message, or a POST body */
    unsigned transports;         /**< SKIO_POLLING | SKIO_WEBSOCKET */
    bool allow_upgrades;         /**< true: polling may become WebSocket */
    /** false: Engine.IO 4 alone. true: also clients of Socket.IO 2 (Engine.IO
     * 3), and JSONP polling. Such a client joins "/" by itself, is never
     * recovered, and the id of its socket in "/" is the id of its session, as
     * in Node: who is told it can speak as that client, so give ids away no
     * more than sessions. */
    bool allow_eio3;

    /* Compression: what is repeated, or secret beside what a stranger writes,
     * is better not compressed. See skio_compression(7). */
    bool per_message_deflate;                 /**< false: of WebSockets */
    size_t per_message_deflate_threshold;     /**< 1024: no shorter message */
    uint32_t per_message_deflate_level;       /**< 6, of 1 to 9 */
    uint32_t per_message_deflate_window_bits; /**< 15, of 9 to 15 */
    uint32_t per_message_deflate_mem_level;   /**< 8, of 1 to 9 */
    bool http_compression;                    /**< false: of polls */
    size_t http_compression_threshold;        /**< 1024: no shorter payload */
    uint32_t http_compression_level;          /**< 6, of 1 to 9 */

    /* Who may connect from a browser. NULL: pages of the same origin only.
     * "*": every page. Else a comma-separated list of origins, as in
     * "https://a.example, https://b.example:8443", to which the own origin
     * is added. Enforced for both transports: another one is refused with
     * 403. */
    const char *cors_origins;
    bool cors_credentials; /**< false: Allow-Credentials */
    /** NULL; else whether a page of this origin, which cors_origins does not
     * have, may connect: for patterns. It may look, but changes nothing. */
    bool (*cors_origin)(const char *origin, void *user);
    void *cors_origin_user;
    bool cors_preflight_continue;    /**< false; true: OPTIONS is no preflight
                                     but a request like others */
    int cors_options_success_status; /**< 204, of a preflight; 200..299 */
    const char *cors_methods;        /**< "GET,HEAD,PUT,PATCH,POST,DELETE" */
    const char *cors_headers;        /**< NULL: what the preflight asks for */
    const char *cors_exposed;        /**< NULL: none */
    uint32_t cors_max_age_s;         /**< 0: not sent */

    /* Connection state recovery, Node's connectionStateRecovery; in this
     * server's memory, unless the adapter keeps it. */
    uint32_t recovery_ms;           /**< 0: off; else how long a client may be
                                       away, 120000 in Node */
    bool recovery_skip_middlewares; /**< true: not for those who come back */
    uint32_t recovery_max_sessions; /**< 10000 away at once, per namespace */
    size_t recovery_max_bytes;      /**< 16 MiB of events kept, per namespace */

    /** false; true: each further request of a client replaces the headers that
     * skio_socket_latest_header() reads. Costs each connection a copy of them.
     */
    bool latest_headers;

    /* The cookie of the first polling response, with the session's id, for
     * load balancers: Node's cookie.name, .path and so on. NULL and "" leave an
     * attribute out. */
    const char *cookie;           /**< NULL: none; else its name, "io" */
    const char *cookie_path;      /**< "/" */
    bool cookie_http_only;        /**< true */
    const char *cookie_same_site; /**< "lax"; "strict" or "none" */
    const char *cookie_domain;    /**< NULL */
    int64_t cookie_max_age_s;     /**< -1: none; seconds */
    int64_t cookie_expires;       /**< 0: none; seconds since 1970, UTC */
    bool cookie_secure;           /**< false */
    bool cookie_partitioned;      /**< false */
    const char *cookie_priority;  /**< NULL; "low", "medium" or "high" */

    /* Headers that the application adds to a response, <socketio/request.h> */
    uint32_t max_response_headers;    /**< 32, at most 64 */
    size_t max_response_header_bytes; /**< 2048, at most 3072: names and values
                                         together */
    const char *initial_packet;  /**< NULL; else a text message that follows the
                                     open packet of Engine.IO at once */
    uint32_t verdict_timeout_ms; /**< 10000: a skio_verdict is waited for
                                       */

    /* Limits of one connection. */
    size_t max_outbound_bytes;      /**< 1 MiB queued: closed beyond that */
    size_t outbound_high_bytes;     /**< 64 KiB: volatile events are dropped and
                                       skio_on_backpressure() is told */
    uint32_t max_attachments;       /**< 10 messages behind a packet */
    uint32_t attachment_timeout_ms; /**< 10000 for all of one packet */
    uint32_t max_json_depth;        /**< 64 */
    uint32_t max_payload_packets;   /**< 1000 in one POST body */
    uint32_t max_namespaces;        /**< 32 joined by one connection */
    uint32_t max_pending_acks;      /**< 1000 asked of one socket */
    uint32_t max_rooms;             /**< 1000 joined by one socket */
    size_t max_name_bytes;          /**< 512: a namespace, room or event name */
    size_t max_header_bytes;        /**< 8192: all headers of a request */
    uint32_t max_headers;           /**< 100 */
    size_t max_query_bytes;         /**< 4096 */

    /* Limits of the whole server. */
    uint32_t max_connections;             /**< 100000 sessions */
    uint32_t max_connections_per_address; /**< 200 */
    uint32_t ipv6_prefix;     /**< 64, of 16 to 128: this many bits of an
                                        IPv6 address count as one address */
    uint32_t max_unconnected; /**< 1000 that joined no namespace yet */
    uint32_t max_unconnected_per_address; /**< 0: half of
                                             max_connections_per_address, and
                                             100 at least */
    uint32_t max_dynamic_namespaces;      /**< 10000 made on demand at once */
    bool cleanup_empty_namespaces; /**< true: those end with their last socket
                                    */
    uint32_t max_posted;           /**< 10000 waiting skio_server_post() */

    /* Rates, all off (0) by default: so many in a time, and so many at once as
     * a burst, 0: as many as in that time. Who passes one is disconnected,
     * unless rate_limit() says otherwise. See skio_limits(7). */
    uint32_t events_per_second; /**< 0; of one connection: events, and requests
                                   to join a namespace */
    uint32_t events_burst;
    uint32_t bytes_per_second;    /**< 0; of one connection: its packets */
    uint32_t bytes_burst;         /**< 0: at least twice the
                                        max_http_buffer_size */
    uint32_t connects_per_minute; /**< 0; sessions asked for by one address */
    uint32_t connects_burst;
    uint32_t rate_addresses; /**< 8192 that are remembered for that, 16 bytes
                                each */
    skio_rate_limit_fn *rate_limit; /**< NULL: SKIO_RATE_CLOSE */
    void *rate_limit_user;

    /* The listener (skio_listen) */
    uint32_t backlog;             /**< 511 */
    uint32_t max_tcp_connections; /**< 0: twice max_connections, and 1000 at
                                     least; accepted ones, whatever they do */
    uint32_t max_tcp_connections_per_address; /**< 0: three times
                                                 max_connections_per_address,
                                                 and 600 at least */
    /** false; true: skio_listen() shares its port (SO_REUSEPORT) with the
     * servers of other processes and threads of this user that ask for it, too;
     * the system spreads new connections over them. See skio_listen(3). */
    bool reuse_port;
    /** 2000, 0: none; for so long skio_server_drain() goes on as before, so
     * that load balancers notice first. */
    uint32_t drain_lead_ms;
    uint32_t header_timeout_ms;   /**< 10000: to send a request's headers */
    uint32_t body_timeout_ms;     /**< 20000: to send a request's body */
    uint32_t idle_timeout_ms;     /**< 60000: keep-alive without a request */
    uint32_t close_timeout_ms;    /**< 5000: a stopping server waits that long
                                       for its last bytes to leave */
    uint32_t rx_buffer_size;      /**< 256: read at once, per WebSocket that
                                       libwebsockets reads (a host's) */
    const char *tls_cert_file;    /**< NULL: no TLS; else PEM, chain included */
    const char *tls_key_file;     /**< PEM */
    const char *tls_key_password; /**< NULL: the key is not encrypted */
    const char *tls_min_version;  /**< NULL: "TLSv1.2"; or "TLSv1.3" */
    /** NULL: none; else proxies whose word on the client is taken, separated by
     * commas: addresses, networks as in "10.0.0.0/8", "loopback", "unix".
     * From them X-Forwarded-For (the first address from the right that is not
     * in this list) and X-Forwarded-Proto are read. */
    const char *trusted_proxies;
    bool proxy_protocol;    /**< false; true: on skio_listen()'s connections
                            the trusted proxies, and they alone, begin with
                            the PROXY protocol (version 1 or 2) */
    const char *client_dir; /**< NULL; else the folder whose *.js the path
                                       serves: /socket.io/socket.io.min.js */

    bool trust_raw_json; /**< false: "%-s" text is checked */

    /** NULL: JSON, which every client speaks by default. Else how packets look
     * on the wire, see parser.h; skio_parser_msgpack() is one. */
    const skio_parser *parser;

    skio_allocator allocator; /**< zeros: the C library's */
    skio_log_fn *log;         /**< NULL: silent */
    void *log_user;
    enum skio_log_level log_level; /**< SKIO_LOG_INFO */

    /** Fill buf with unpredictable bytes; NULL: libsodium. For tests. */
    void (*random)(void *buf, size_t len, void *user);
    void *random_user;
} skio_server_options;

/** Set every option to its default. */
#define skio_server_options_init(options)                                      \
    skio_server_options_init_size((options), sizeof(skio_server_options))

/** What the macro skio_server_options_init() calls. Since: 0.1. */
SKIO_API void skio_server_options_init_size(skio_server_options *options,
                                            size_t struct_size) SKIO_NONNULL(1);

/**
 * Make a server.
 *
 * options  NULL for the defaults.
 *
 * Returns SKIO_OK and fills *out; SKIO_EINVAL for an option out of its range
 * (the log names it); SKIO_EIO when libsodium cannot start; SKIO_ENOMEM.
 *
 * Threads: the calling thread becomes the loop thread, until skio_run() makes
 * its caller the loop thread. Since: 0.1.
 */
SKIO_API int skio_server_new(skio_server **out,
                             const skio_server_options *options) SKIO_NONNULL(1)
    SKIO_MUST_CHECK;

/**
 * End every connection at once and free the server with all it owns.
 *
 * NULL does nothing. Not from a callback of this server: there it only stops,
 * as skio_server_stop() does. Socket references that you still hold stay
 * readable until skio_socket_unref().
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API void skio_server_free(skio_server *server);

/**
 * Listen for connections. May be called again, also while the server runs, for
 * further addresses; so may the other skio_listen functions.
 *
 * address  NULL: every address of both families; else an IP address, or
 *          "localhost" for both loopback addresses.
 * port     0 picks a free one, see skio_server_port().
 *
 * Returns SKIO_OK; SKIO_EADDRINUSE, with reuse_port when the one who listens
 * there does not share or is another user; SKIO_EACCES; SKIO_EINVAL;
 * SKIO_EBUSY inside a host's context; SKIO_ECLOSED when it stops; SKIO_EIO for
 * TLS files that cannot be used or another system error (the log says which);
 * SKIO_ENOMEM.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_listen(skio_server *server, const char *address,
                         uint16_t port) SKIO_NONNULL(1) SKIO_MUST_CHECK;

/**
 * Listen at a unix socket. Peers have no address there: skio_socket_address()
 * is "" unless a trusted proxy names one.
 *
 * path  A file: one that nobody listens at any more is replaced, and it is
 *       removed when the server stops. "@name": a name without a file (Linux's
 *       abstract sockets).
 * mode  Permissions of the file, as in 0660.
 *
 * Returns as skio_listen(), and SKIO_ENOENT when there is no such folder.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_listen_unix(skio_server *server, const char *path,
                              unsigned mode) SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/**
 * Listen at a stream socket (TCP or unix) that is bound already, listening or
 * not. It becomes the server's, which closes it; it stays the caller's when
 * this fails.
 *
 * Returns as skio_listen(); SKIO_EINVAL for anything but such a socket.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_listen_fd(skio_server *server, int fd) SKIO_NONNULL(1)
    SKIO_MUST_CHECK;

/**
 * Listen at the sockets that systemd, or another service manager with its
 * protocol, has passed to this process (LISTEN_FDS and LISTEN_PID in the
 * environment, which are removed on success). All of them, or none.
 *
 * Returns how many, 0 when none were passed; else as skio_listen_fd(), and
 * SKIO_ELIMIT for more than 64.
 *
 * Threads: loop thread only, while no other thread uses the environment. Since:
 * 0.1.
 */
SKIO_API int skio_listen_systemd(skio_server *server) SKIO_NONNULL(1)
    SKIO_MUST_CHECK;

/** The port that the server listens at, the first one of several; 0 before, and
 * with unix sockets alone. Since: 0.1. */
SKIO_API uint16_t skio_server_port(const skio_server *server) SKIO_NONNULL(1);

/**
 * Serve until skio_server_stop().
 *
 * Makes its caller the loop thread. After it returned only skio_server_free()
 * makes sense.
 *
 * Returns SKIO_OK after a stop; SKIO_EINVAL when the server does not listen;
 * SKIO_EBUSY in a callback of a server that runs; SKIO_EIO when the loop
 * failed.
 *
 * Since: 0.1.
 */
SKIO_API int skio_run(skio_server *server) SKIO_NONNULL(1) SKIO_MUST_CHECK;

/**
 * In a program that has a loop already: the descriptor that this loop watches
 * in the place of skio_run(). It can be read when the server has something to
 * do, its timers included; then the program calls skio_loop_turn(). Call it
 * once, after the first skio_listen() or its like.
 *
 * The descriptor is the server's until skio_server_free(): watch it, as one
 * that stays readable (level-triggered), and do nothing else with it.
 *
 * Returns it; SKIO_EINVAL when the server does not listen, or has stopped;
 * SKIO_EBUSY in a callback of a server that runs; SKIO_ENOTSUP without lws'
 * libev plugin; SKIO_ENOMEM.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_loop_fd(skio_server *server) SKIO_NONNULL(1) SKIO_MUST_CHECK;

/**
 * Do what there is to do, and do not wait. What is still ready after a while is
 * left to the next call, so that the program's own work has its turn.
 *
 * Returns 1 as long as the server goes on; 0 when it has stopped, and is to be
 * freed; SKIO_EINVAL when skio_loop_fd() was not called; SKIO_EBUSY in a
 * callback of a server that runs.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_loop_turn(skio_server *server) SKIO_NONNULL(1)
    SKIO_MUST_CHECK;

/**
 * Ask the server to stop: accept nobody, tell every client (sockets end with
 * SKIO_DISCONNECT_SERVER_SHUTDOWN, WebSockets get a Close frame, pending polls
 * are answered), let the last bytes leave for at most close_timeout_ms, return
 * from skio_run(). Further calls do nothing. The server is not to be freed
 * while a call goes on in another thread.
 *
 * Threads: any; async-signal-safe. Since: 0.1.
 */
SKIO_API void skio_server_stop(skio_server *server) SKIO_NONNULL(1);

/**
 * Read tls_cert_file and tls_key_file again: connections from now on get what
 * is in them, those that are open keep what they have.
 *
 * Returns SKIO_OK; SKIO_EIO when the files are no certificate with its key (the
 * log says why), the old ones stay in force; SKIO_EINVAL without TLS or before
 * skio_listen(); SKIO_ENOMEM.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_server_reload_tls(skio_server *server) SKIO_NONNULL(1)
    SKIO_MUST_CHECK;

/** Runs once when a drain is over, see skio_server_drain(). */
typedef void skio_drain_fn(skio_server *server, void *user);

/**
 * Say goodbye to all clients, one after the other, before a stop.
 *
 * For drain_lead_ms everything goes on as before, but that
 * skio_server_is_draining() says so, and with it the health endpoints of
 * <socketio/health.h>: load balancers send new clients elsewhere. Then new
 * sessions are refused with 503, and a shared port (reuse_port) is left to the
 * others; connections are accepted as long as sessions are open that poll, and
 * no longer. Sessions that are open go on until their turn. The turns are
 * spread evenly over the time, the oldest session first, so that the clients do
 * not come back all at once, to wherever they are sent. What is queued for a
 * client goes out before its end; its sockets end with
 * SKIO_DISCONNECT_SERVER_SHUTDOWN, and a stock client reconnects.
 *
 * ms    The time after the lead, 0 to INT32_MAX.
 * done  Called when nobody is left: as soon as the last one has gone, at the
 *       latest close_timeout_ms after that. NULL: the server stops then, as
 *       skio_server_stop() does.
 *
 * Returns SKIO_OK; SKIO_EINVAL; SKIO_EBUSY when it is draining already;
 * SKIO_ECLOSED when it stops; SKIO_ENOTSUP without a transport; SKIO_ENOMEM.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_server_drain(skio_server *server, uint32_t ms,
                               skio_drain_fn *done, void *user) SKIO_NONNULL(1)
    SKIO_MUST_CHECK;

/** Whether the server is on its way out: skio_server_drain() was called, or it
 * stops. What a load balancer's health check asks. Since: 0.1. */
SKIO_API bool skio_server_is_draining(const skio_server *server)
    SKIO_NONNULL(1);

/** Runs on the loop thread, see skio_server_post(). */
typedef void skio_post_fn(skio_server *server, void *arg);

/**
 * Run a function on the loop thread, soon, in the order of the calls.
 *
 * When the server is freed first, fn is still called, with server NULL, so
 * that it can free arg.
 *
 * Returns SKIO_OK; SKIO_ENOBUFS when max_posted calls wait already;
 * SKIO_ECLOSED when the server has stopped; SKIO_ENOTSUP without a transport;
 * SKIO_ENOMEM.
 *
 * Threads: any. Since: 0.1.
 */
SKIO_API int skio_server_post(skio_server *server, skio_post_fn *fn, void *arg)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** Sessions that are open now. Since: 0.1. */
SKIO_API size_t skio_server_sessions(const skio_server *server) SKIO_NONNULL(1);

/** A server is being freed, see skio_server_on_free(). */
typedef void skio_free_fn(void *user);

/**
 * Run a function when the server is freed: for what lives as long as it does.
 *
 * All sockets have ended by then; timers and watches of <socketio/loop.h> may
 * still be freed, and what a library got from skio_transport_alloc(). Nothing
 * else may be asked of the server. The functions run in the reverse order of
 * these calls.
 *
 * Returns SKIO_OK or SKIO_ENOMEM. Threads: loop thread only. Since: 0.1.
 */
SKIO_API int skio_server_on_free(skio_server *server, skio_free_fn *fn,
                                 void *user) SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** A pointer of yours. Since: 0.1. */
SKIO_API void skio_server_set_data(skio_server *server, void *data)
    SKIO_NONNULL(1);
SKIO_API void *skio_server_data(const skio_server *server) SKIO_NONNULL(1);

/**
 * Hang something more on the server: for addons, whose users have their own on
 * skio_server_set_data().
 *
 * key      An address that is nobody else's, as of a static variable.
 * free_fn  Called with data as by skio_server_on_free(); NULL: never.
 *
 * Returns SKIO_OK; SKIO_EBUSY when something hangs under this key already: it
 * stays there; SKIO_ENOMEM. Since: 0.1.
 */
SKIO_API int skio_server_attach(skio_server *server, const void *key,
                                void *data, skio_free_fn *free_fn)
    SKIO_NONNULL(1, 2, 3) SKIO_MUST_CHECK;

/** What hangs on the server under a key, or NULL. Since: 0.1. */
SKIO_API void *skio_server_attached(const skio_server *server, const void *key)
    SKIO_NONNULL(1, 2);

SKIO_END_DECLS

#endif /* SOCKETIO_SERVER_H */
