/*
 * libsocketio: inside a host's libwebsockets program
 *
 * The host makes the lws_context, the vhost, its own routes and mounts; the
 * server takes one entry of the vhost's protocols and one mount:
 *
 *     struct lws_protocols protocols[] = { http, {0}, LWS_PROTOCOL_LIST_TERM };
 *     struct lws_http_mount mount = {0};
 *     skio_lws_protocol(io, &protocols[1]);
 *     skio_lws_mount(io, &mount);
 *
 * lws' own PROTOCOL_INIT and PROTOCOL_DESTROY attach and detach the server.
 * Browsers send no subprotocol, so the entry must be the vhost's default: at
 * index 0, or named by a pvo "default". A protocol 0 of the host's own begins
 * its callback with skio_lws_guard(). TLS, the loop and all else stay the
 * host's. lws ignores SIGPIPE for the whole process once a context exists.
 *
 * Threads: the loop thread only, which is lws' service thread. Since: 0.1.
 */
#ifndef SOCKETIO_LWS_H
#define SOCKETIO_LWS_H

#include <libwebsockets.h>
#include <socketio/server.h>

SKIO_BEGIN_DECLS

/**
 * Fill an entry of the vhost's protocol array. The server must outlive the
 * context.
 *
 * Returns SKIO_OK; SKIO_EBUSY when the server listens or is embedded already;
 * SKIO_ENOMEM.
 */
SKIO_API int skio_lws_protocol(skio_server *server,
                               struct lws_protocols *protocol)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** Fill a mount for the server's path. Call after skio_lws_protocol(). */
SKIO_API int skio_lws_mount(skio_server *server, struct lws_http_mount *mount)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/**
 * Set what a context needs: header room, no h2, no per-connection validity
 * timers, skio_lws_extensions(). Call before the host's own changes to info.
 */
SKIO_API void skio_lws_context_info(struct lws_context_creation_info *info)
    SKIO_NONNULL(1);

/**
 * What a vhost's `extensions` must hold for the option per_message_deflate;
 * skio_lws_context_info() sets it. A host that has extensions for its own
 * protocols puts the first entry of this list before them: it is for the
 * server's protocol alone.
 */
SKIO_API const struct lws_extension *skio_lws_extensions(void);

/**
 * What the callback of a host's protocol 0 asks first: lws gives CONNECT and
 * its like, and requests to upgrade to something else than a WebSocket, to
 * protocol 0 alone.
 *
 *     if (skio_lws_guard(wsi, reason))
 *         return -1;
 *
 * Returns true when the connection must be dropped.
 */
SKIO_API bool skio_lws_guard(struct lws *wsi, enum lws_callback_reasons reason)
    SKIO_NONNULL(1);

/**
 * Send what this loop turn has queued: from the host loop's prepare hook
 * (uv_prepare, ev_prepare, a GSource's prepare). Once called, the server relies
 * on it; until then an eventfd does the same at two system calls a turn.
 */
SKIO_API void skio_lws_flush(skio_server *server) SKIO_NONNULL(1);

/**
 * The vhost that a server's requests come in by (Node's io.httpServer): the
 * host's, or that of the server's own listeners; NULL before there is one.
 */
SKIO_API struct lws_vhost *skio_lws_vhost(const skio_server *server)
    SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_LWS_H */
