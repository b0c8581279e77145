/*
 * libsocketio: what load balancers and supervisors ask
 *
 * An addon: it stands on the public headers alone. Absent, as is
 * <socketio/http.h>, from a library built with --disable-lws.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_HEALTH_H
#define SOCKETIO_HEALTH_H

#include <socketio/server.h>

SKIO_BEGIN_DECLS

/**
 * Whether the application can take new clients: asked at each request for the
 * readiness, so it only looks at what it knows.
 *
 * Returns NULL when it can; else why not, in at most 200 bytes of UTF-8, which
 * are told to whoever asks. Borrowed until the next call.
 */
typedef const char *skio_ready_check_fn(skio_server *server, void *user);

/** skio_health_options_init() fills it. */
typedef struct skio_health_options {
    size_t struct_size;
    const char *live_path;      /**< "/healthz"; NULL: none */
    const char *ready_path;     /**< "/readyz"; NULL: none */
    skio_ready_check_fn *check; /**< NULL: a server that runs is ready */
    void *user;                 /**< goes to check */
} skio_health_options;

/** Set every option to its default. */
#define skio_health_options_init(options)                                      \
    skio_health_options_init_size((options), sizeof(skio_health_options))

/** What the macro skio_health_options_init() calls. Since: 0.1. */
SKIO_API void skio_health_options_init_size(skio_health_options *options,
                                            size_t struct_size) SKIO_NONNULL(1);

/**
 * Answer GET and HEAD at two paths.
 *
 * live_path   200 {"status":"ok"}: the process is there and its loop turns. It
 *             stays so while the server drains.
 * ready_path  200 {"status":"ok"} as long as new clients are welcome; else 503
 *             with {"status":"unavailable","reason":...}: "draining" from
 *             skio_server_drain() on, its lead included, or what check says.
 *
 * Answers are never cached, and say nothing of the program or its version.
 *
 * options  NULL for the defaults. Copied.
 *
 * Returns SKIO_OK; SKIO_EINVAL for a path without its leading slash, and when
 * both are NULL; SKIO_EBUSY when a path is taken; SKIO_ENOMEM. live_path comes
 * first, and is served even if there is no more for ready_path.
 */
SKIO_API int skio_health_serve(skio_server *server,
                               const skio_health_options *options)
    SKIO_NONNULL(1) SKIO_MUST_CHECK;

SKIO_END_DECLS

#endif /* SOCKETIO_HEALTH_H */
