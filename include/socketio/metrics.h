/*
 * libsocketio: what a server does, for Prometheus
 *
 * An addon: it stands on the public headers alone. Absent, as is
 * <socketio/http.h>, from a library built with --disable-lws.
 *
 * No label holds what a client sent, and there is a bound to their number:
 * namespaces are those that the application made, those made on demand under
 * their pattern; events are those that it handles or names here. Anything else
 * is "other". skio_metrics(3) lists all names.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_METRICS_H
#define SOCKETIO_METRICS_H

#include <socketio/http.h>
#include <socketio/server.h>

SKIO_BEGIN_DECLS

/** What is counted of a server; it lives as long as the server. */
typedef struct skio_metrics skio_metrics;
struct skio_redis_event;

/** Whether somebody may read the metrics: asked for each request, whose
 *  address and headers it looks at. It may not reply. */
typedef bool skio_metrics_allow_fn(skio_http *request, void *user);

/** skio_metrics_options_init() fills it. */
typedef struct skio_metrics_options {
    size_t struct_size;
    const char *path; /**< "/metrics" */
    /** NULL; else requests need "Authorization: Bearer" and this, of 1 to 1024
     *  printable characters without a space. */
    const char *token;
    skio_metrics_allow_fn *allow; /**< NULL; with neither it nor a token only
                                       this machine may ask */
    void *user;                   /**< goes to allow */
    /** NULL; else further events that the server sends, to be counted by name,
     *  NULL-terminated, as SKIO_ROOMS() makes it. */
    const char *const *events;
    uint32_t max_namespaces; /**< 100, at most 10000, that are told apart */
    uint32_t max_events;     /**< 500, at most 100000, of all namespaces
                                  together, that are told apart */
    bool handler_duration;   /**< false; true: a histogram of how long the
                                  handlers of each event take */
} skio_metrics_options;

/** Set every option to its default. */
#define skio_metrics_options_init(options)                                     \
    skio_metrics_options_init_size((options), sizeof(skio_metrics_options))

/** What the macro skio_metrics_options_init() calls. Since: 0.1. */
SKIO_API void skio_metrics_options_init_size(skio_metrics_options *options,
                                             size_t struct_size)
    SKIO_NONNULL(1);

/**
 * Count what the server does from now on, and answer GET and HEAD at a path in
 * the text format of Prometheus; in that of OpenMetrics for who accepts it.
 *
 * Who may not ask is answered 401 where a token is missing, else 403. By
 * default that is everybody whose address is not of this machine, and requests
 * that a proxy has passed on.
 *
 * options  NULL for the defaults. Copied, strings included.
 * out      NULL, or filled for skio_metrics_redis_event().
 *
 * Returns SKIO_OK; SKIO_EINVAL for an option out of its range; SKIO_EBUSY when
 * the path is taken, and once there was a session; SKIO_ENOMEM: then the path
 * may be taken, and is answered 500.
 */
SKIO_API int skio_metrics_serve(skio_server *server,
                                const skio_metrics_options *options,
                                skio_metrics **out) SKIO_NONNULL(1)
    SKIO_MUST_CHECK;

/**
 * Note what happened to the connection with Redis: a function for on_event of
 * the options in <socketio/redis.h>, or to be called by yours.
 *
 * metrics  What skio_metrics_serve() filled: on_event_user.
 */
SKIO_API void skio_metrics_redis_event(skio_server *server,
                                       const struct skio_redis_event *event,
                                       void *metrics) SKIO_NONNULL(1, 2, 3);

SKIO_END_DECLS

#endif /* SOCKETIO_METRICS_H */
