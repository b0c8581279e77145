/*
 * libsocketio: HTTP beside the sockets
 *
 * Small JSON endpoints and static files on the server's own port: not a web
 * framework. Absent, as are skio_listen() and skio_run(), from a library built
 * with --disable-lws (SKIO_HAVE_LWS is 0).
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_HTTP_H
#define SOCKETIO_HTTP_H

#include <socketio/base.h>
#include <socketio/server.h>
#include <socketio/value.h>

SKIO_BEGIN_DECLS

/** One HTTP request that waits for its reply. */
typedef struct skio_http skio_http;

/** A request arrived, its body complete. Reply once, now or later. */
typedef void skio_http_fn(skio_http *request, void *user);

/**
 * Serve a path.
 *
 * method  "GET", "POST", "PUT", "PATCH" or "DELETE"; a GET endpoint answers
 *         HEAD too.
 * path    Compared exactly; one that ends in "/" + "*" matches whatever begins
 *         with the part before the asterisk.
 *
 * Bodies are limited to max_http_buffer_size: a larger one is answered 413.
 *
 * Returns SKIO_OK; SKIO_EINVAL for an unknown method or a path without its
 * leading slash; SKIO_EBUSY when it is taken; SKIO_ENOMEM.
 */
SKIO_API int skio_http_on(skio_server *server, const char *method,
                          const char *path, skio_http_fn *fn, void *user)
    SKIO_NONNULL(1, 2, 3, 4);

/**
 * Serve the files of a folder below a path, through libwebsockets: types by
 * suffix, ETag, If-None-Match, no listing. Before skio_listen().
 *
 * index  The file for the folder itself, as in "index.html".
 *
 * Returns SKIO_OK; SKIO_EINVAL; SKIO_ENOENT when there is no such folder;
 * SKIO_EBUSY after skio_listen(); SKIO_ENOMEM.
 */
SKIO_API int skio_mount(skio_server *server, const char *path,
                        const char *folder, const char *index)
    SKIO_NONNULL(1, 2, 3, 4);

SKIO_API const char *skio_http_method(const skio_http *request) SKIO_NONNULL(1);
SKIO_API const char *skio_http_path(const skio_http *request) SKIO_NONNULL(1);

/** A parameter of the query, decoded, the last of its name, or NULL. */
SKIO_API const char *skio_http_query(const skio_http *request, const char *name)
    SKIO_NONNULL(1, 2);

/** A header, by lower-case name, or NULL. */
SKIO_API const char *skio_http_header(const skio_http *request,
                                      const char *name) SKIO_NONNULL(1, 2);

/** The client's address, as skio_socket_address() tells it. */
SKIO_API const char *skio_http_address(const skio_http *request)
    SKIO_NONNULL(1);

/** The body as it came. Borrowed until the reply. */
SKIO_API skio_bytes skio_http_body(const skio_http *request) SKIO_NONNULL(1);

/** The body as JSON; NULL when it is not (strictly) JSON. Borrowed until the
 *  reply. */
SKIO_API const skio_value *skio_http_json(skio_http *request) SKIO_NONNULL(1);

/**
 * Keep the request beyond its handler, to reply later. When the client goes
 * away meanwhile, the reply returns SKIO_ECLOSED. A request that is neither
 * replied to nor taken in its handler is answered 500.
 *
 * Returns the request; it is consumed by its reply.
 */
SKIO_API skio_http *skio_http_take(skio_http *request) SKIO_NONNULL(1);

/**
 * Add a header to the reply.
 *
 * Returns SKIO_OK; SKIO_EINVAL for a name or value with control characters;
 * SKIO_ELIMIT beyond 4 KiB of them; SKIO_ENOMEM.
 */
SKIO_API int skio_http_set_header(skio_http *request, const char *name,
                                  const char *value) SKIO_NONNULL(1, 2, 3);

/**
 * Reply with JSON made from a template of one value, see skio_format(7).
 * Consumes the request.
 *
 * status  100 to 599.
 * format  NULL: no body.
 *
 * Returns SKIO_OK; SKIO_ECLOSED when the client has gone; SKIO_EINVAL for a
 * malformed template or status (answered 500); SKIO_ENOMEM.
 */
SKIO_API int skio_http_reply(skio_http *request, int status, const char *format,
                             ...) SKIO_PRINTF(3, 4) SKIO_NONNULL(1);

/** Reply with bytes of any type. Otherwise as skio_http_reply(). */
SKIO_API int skio_http_reply_bytes(skio_http *request, int status,
                                   const char *content_type, const void *data,
                                   size_t len) SKIO_NONNULL(1, 3);

SKIO_END_DECLS

#endif /* SOCKETIO_HTTP_H */
