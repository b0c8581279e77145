/*
 * libsocketio: the core without I/O
 *
 * For own transports: HTTP requests and WebSocket messages go in, responses
 * and finished WebSocket frames come out; the core opens no socket, reads no
 * clock and starts no thread. The libwebsockets transport of this library uses
 * nothing but this header. Experimental until 1.0.
 *
 *      request in ──▶ skio_exchange_new ──▶ SKIO_EXCHANGE_ANSWERED   respond()
 *                                       ├─▶ SKIO_EXCHANGE_BODY       feed it
 *                                       ├─▶ SKIO_EXCHANGE_HELD       respond()
 *                                       │                            later
 *                                       └─▶ SKIO_EXCHANGE_UPGRADE    ws_open
 *
 *      messages in ─▶ skio_ws_receive
 *      turn's end ──▶ skio_transport_flush ──▶ ws_flush(), respond()
 *                                              ▼
 *                              skio_ws_peek, write, skio_ws_consume
 *      timer ───────▶ skio_transport_timeout
 *
 * The core may call respond(), ws_flush() and wants_flush() from inside any
 * call into it, never a function of this header's other half from inside the
 * hooks: a hook writes, or notes what to do.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_TRANSPORT_H
#define SOCKETIO_TRANSPORT_H

#include <socketio/base.h>
#include <socketio/loop.h>
#include <socketio/server.h>
#include <socketio/value.h>

SKIO_BEGIN_DECLS

/** An HTTP request that the core has not answered yet. */
typedef struct skio_exchange skio_exchange;

/** A WebSocket connection, as the core sees it. */
typedef struct skio_ws skio_ws;

typedef struct skio_header {
    const char *name;
    const char *value;
} skio_header;

/** An HTTP response. Everything is borrowed: the hook copies what it keeps. */
typedef struct skio_response {
    int status;
    const char *content_type;   /**< NULL: none */
    const skio_header *headers; /**< further ones */
    size_t header_count;
    const void *body;
    size_t body_len;
    bool close; /**< end the connection after it */
} skio_response;

/** An HTTP request. Everything is borrowed for the call. */
typedef struct skio_request {
    const char *method; /**< "GET" */
    const char *path;   /**< up to the "?", not decoded */
    const char *query;  /**< after it, not decoded; "" if none */
    /** "name\0value\0name\0value\0", names in lower case. */
    const char *headers;
    size_t headers_len;
    const char *address;    /**< of the peer, printed */
    bool secure;            /**< it came by TLS */
    bool upgrade;           /**< it asks for a WebSocket */
    int64_t content_length; /**< -1: none was sent */
} skio_request;

/** What the core asks of its transport. */
typedef struct skio_transport {
    size_t struct_size;
    /** Monotonic milliseconds. */
    uint64_t (*now_ms)(void *transport);
    /** Something waits to be flushed: call skio_transport_flush() at the end
     *  of this loop turn. Once per turn. */
    void (*wants_flush)(void *transport);
    /** The earliest timer may have moved forward: ask
     *  skio_transport_next_timeout() again before sleeping. */
    void (*wants_timer)(void *transport);
    /** Answer the request of `handle`. The exchange has ended. */
    void (*respond)(void *handle, const skio_response *response);
    /** Frames, or the end of the connection, wait on this WebSocket: write
     *  them with skio_ws_peek() and skio_ws_consume(). */
    void (*ws_flush)(void *handle);
    /** Any thread: see skio_server_post(). */
    int (*post)(void *transport, skio_post_fn *fn, void *arg);
    /** Any thread: see skio_server_stop(). */
    void (*stop)(void *transport);
    /** The server is being freed: end all connections, free the transport. */
    void (*destroy)(void *transport);
    /** Milliseconds since 1970, for skio_socket_issued(); may be NULL. */
    uint64_t (*wall_ms)(void *transport);
    /** For adapters: call skio_watch_ready() whenever fd is ready for one of
     *  these events, which replace what they were before; 0: no more. Returns
     *  SKIO_OK, SKIO_EIO, SKIO_ENOMEM. May be NULL. */
    int (*watch)(void *transport, int fd, unsigned events, skio_watch *watch);
    /** For adapters: call skio_resolve_done() once, later, on the loop thread.
     *  host is borrowed. Returns SKIO_OK, or an error. May be NULL. */
    int (*resolve)(void *transport, const char *host, uint16_t port,
                   skio_resolve *resolve);
    /** Whether the transport is in the midst of something that a call of
     *  destroy() would break: it runs its loop, or has called a function of the
     *  application. skio_server_free() only stops then. May be NULL. */
    bool (*is_busy)(void *transport);
} skio_transport;

/**
 * Give a server its transport. The hooks are copied.
 *
 * Returns SKIO_OK; SKIO_EBUSY when it has one; SKIO_EINVAL for a missing hook
 * (post, stop and destroy may be NULL).
 */
SKIO_API int skio_transport_attach(skio_server *server,
                                   const skio_transport *hooks, void *transport)
    SKIO_NONNULL(1, 2);

/** What was attached, or NULL. */
SKIO_API void *skio_transport_of(const skio_server *server) SKIO_NONNULL(1);

/** The options of a server, as copied and checked. */
SKIO_API const skio_server_options *
skio_transport_options(const skio_server *server) SKIO_NONNULL(1);

/** What has stopped a peer, as skio_server_limit() names it. */
enum skio_transport_limit {
    SKIO_TRANSPORT_LIMIT = 0,          /**< "transport": any other */
    SKIO_TRANSPORT_HEADER_TIMEOUT = 1, /**< header_timeout_ms */
    SKIO_TRANSPORT_BODY_TIMEOUT = 2,   /**< body_timeout_ms */
    SKIO_TRANSPORT_QUERY_BYTES = 3,    /**< max_query_bytes */
    SKIO_TRANSPORT_HEADERS = 4,        /**< max_headers */
    SKIO_TRANSPORT_HEADER_BYTES = 5    /**< max_header_bytes */
};

/** Count a peer that a limit of the transport has stopped, among the
 * limits_hit. */
SKIO_API void skio_transport_limit_hit(skio_server *server,
                                       enum skio_transport_limit limit)
    SKIO_NONNULL(1);

/** Write a line to the server's log. */
SKIO_API void skio_transport_log(skio_server *server, enum skio_log_level level,
                                 const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 3);

/** Whether a request's path is the server's own (plain prefix comparison). */
SKIO_API bool skio_transport_owns(const skio_server *server, const char *path)
    SKIO_NONNULL(1, 2);

/** What became of a request. */
enum skio_exchange_state {
    SKIO_EXCHANGE_ANSWERED = 0, /**< respond() was called, *out is NULL */
    SKIO_EXCHANGE_BODY,         /**< feed the body, then skio_exchange_end() */
    SKIO_EXCHANGE_HELD,         /**< respond() will be called later */
    SKIO_EXCHANGE_UPGRADE       /**< accept, then skio_ws_open() */
};

/**
 * Take a request whose path is the server's.
 *
 * handle  Goes to respond().
 *
 * Returns an enum skio_exchange_state. When memory ran out the request is
 * answered 503.
 */
SKIO_API int skio_exchange_new(skio_server *server, const skio_request *request,
                               void *handle, skio_exchange **out)
    SKIO_NONNULL(1, 2, 4);

/**
 * Feed a piece of the body.
 *
 * Returns SKIO_OK, or SKIO_ECLOSED when respond() was called: the exchange is
 * gone, ignore the rest of the body.
 */
SKIO_API int skio_exchange_body(skio_exchange *exchange, const void *data,
                                size_t len) SKIO_NONNULL(1);

/**
 * The body is complete.
 *
 * Returns SKIO_EXCHANGE_ANSWERED when respond() was called: the exchange is
 * gone; SKIO_EXCHANGE_HELD when it waits for skio_verdict_accept() or the like:
 * respond() will be called later.
 */
SKIO_API int skio_exchange_end(skio_exchange *exchange) SKIO_NONNULL(1);

/** The peer went away before the response. The exchange is gone. */
SKIO_API void skio_exchange_abort(skio_exchange *exchange) SKIO_NONNULL(1);

/**
 * Accept the client's offer to compress messages (permessage-deflate), where
 * the option of that name is on and the offer is one to accept: the headers of
 * the 101 response then say so, some frames of skio_ws_peek() are compressed,
 * and skio_ws_compressed() tells of the client's. For transports that can see
 * the RSV1 bit; without this call nothing is compressed.
 *
 * Returns whether it was accepted now.
 */
SKIO_API bool skio_exchange_accept_deflate(skio_exchange *exchange)
    SKIO_NONNULL(1);

/** Headers for the 101 response of an accepted upgrade. Borrowed. */
SKIO_API size_t skio_exchange_headers(const skio_exchange *exchange,
                                      const skio_header **out)
    SKIO_NONNULL(1, 2);

/**
 * The handshake of an accepted upgrade is done. Consumes the exchange.
 *
 * handle  Goes to ws_flush().
 *
 * Returns NULL when memory ran out: drop the connection.
 */
SKIO_API skio_ws *skio_ws_open(skio_exchange *exchange, void *handle)
    SKIO_NONNULL(1);

/**
 * Feed a piece of a message.
 *
 * binary  The message's opcode.
 * first   The piece begins a message.
 * final   The piece ends it. A piece that is both is parsed in place.
 *
 * The ws stays valid until skio_ws_closed().
 */
SKIO_API void skio_ws_receive(skio_ws *ws, const void *data, size_t len,
                              bool binary, bool first, bool final)
    SKIO_NONNULL(1);

/**
 * The frame whose first piece comes next has RSV1 set: it begins a compressed
 * message. Where that was not accepted, or inside of a message, the next
 * skio_ws_receive() ends the connection with 1002.
 */
SKIO_API void skio_ws_compressed(skio_ws *ws) SKIO_NONNULL(1);

/**
 * The peer sent what no WebSocket client may send: end the session as
 * `transport error` and queue a Close frame. Nothing happens after a Close
 * frame was queued.
 *
 * status  Of the Close frame, RFC 6455 7.4: 1002 and the like.
 * why     For the reason's details, in a few words. Borrowed.
 *
 * Write what skio_ws_peek() still shows, then end the connection. Since: 0.1.
 */
SKIO_API void skio_ws_fail(skio_ws *ws, unsigned status, const char *why)
    SKIO_NONNULL(1, 3);

/**
 * Look at what is to be written: slices of finished frames, in order. They are
 * valid until skio_ws_consume(), or until another WebSocket is looked at.
 *
 * Returns how many of the `count` slices were filled; 0: nothing waits.
 */
SKIO_API size_t skio_ws_peek(skio_ws *ws, skio_bytes *slices, size_t count)
    SKIO_NONNULL(1, 2);

/** So many bytes of what skio_ws_peek() showed have been written. */
SKIO_API void skio_ws_consume(skio_ws *ws, size_t len) SKIO_NONNULL(1);

/**
 * Whether everything was written, a Close frame last: wait briefly for the
 * peer's Close, then end the connection.
 */
SKIO_API bool skio_ws_is_finished(const skio_ws *ws) SKIO_NONNULL(1);

/**
 * The connection has ended. The ws is gone.
 *
 * clean  The peer sent a Close frame, or the TCP connection ended by itself:
 *        `transport close`; else `transport error`.
 */
SKIO_API void skio_ws_closed(skio_ws *ws, bool clean) SKIO_NONNULL(1);

/** Hand out what waits: calls ws_flush() and respond(). At a turn's end. */
SKIO_API void skio_transport_flush(skio_server *server) SKIO_NONNULL(1);

/** Milliseconds until skio_transport_timeout() is due; -1: no timer. */
SKIO_API int64_t skio_transport_next_timeout(const skio_server *server)
    SKIO_NONNULL(1);

/**
 * Run the timers that are due. Of very many it runs some: the others are still
 * due, so that what came in has its turn before them. Ask
 * skio_transport_next_timeout() again.
 */
SKIO_API void skio_transport_timeout(skio_server *server) SKIO_NONNULL(1);

/**
 * End all sessions, as skio_server_stop() describes; new ones are refused.
 * Flush afterwards.
 */
SKIO_API void skio_transport_shutdown(skio_server *server) SKIO_NONNULL(1);

/** Whom a new connection may be for. */
enum skio_expected {
    SKIO_EXPECT_NOBODY = 0, /**< nobody any more: stop accepting */
    SKIO_EXPECT_SESSIONS,   /**< a session that is open and polls: new ones are
                                 refused for good, see skio_server_drain() */
    SKIO_EXPECT_ALL         /**< anybody */
};

/** What a transport asks at a turn's end. Returns an enum skio_expected. */
SKIO_API int skio_transport_expects(const skio_server *server) SKIO_NONNULL(1);

/** How many milliseconds a stop waits for last bytes to leave:
 *  close_timeout_ms, or what is left of it at the end of a drain. */
SKIO_API uint32_t skio_transport_patience(const skio_server *server)
    SKIO_NONNULL(1);

/** A watched descriptor is ready: of enum skio_ready. The watch may be gone
 *  afterwards, and others with it. */
SKIO_API void skio_watch_ready(skio_watch *watch, unsigned ready)
    SKIO_NONNULL(1);

/** The addresses of a name: SKIO_OK, or SKIO_ENOENT, SKIO_EIO without any. The
 *  resolve is gone afterwards. A transport that is destroyed first does not
 *  call it. */
SKIO_API void skio_resolve_done(skio_resolve *resolve, int err,
                                const skio_address *addresses, size_t count)
    SKIO_NONNULL(1);

/**
 * Encode a response body from a template of one JSON value, see
 * skio_format(7); for HTTP endpoints of a transport.
 *
 * Returns SKIO_OK and fills *out, to be freed with skio_transport_free();
 * SKIO_EINVAL, SKIO_ENOMEM.
 */
SKIO_API int skio_transport_json(skio_server *server, skio_bytes *out,
                                 const char *format, va_list args)
    SKIO_PRINTF(3, 0) SKIO_NONNULL(1, 2, 3);
SKIO_API void *skio_transport_alloc(skio_server *server, size_t size)
    SKIO_NONNULL(1);
SKIO_API void skio_transport_free(skio_server *server, void *ptr)
    SKIO_NONNULL(1);

/**
 * A value on JSON text that the caller keeps: checked strictly, with
 * max_json_depth.
 *
 * Returns NULL when it is not JSON or memory ran out. Free with
 * skio_value_free().
 */
SKIO_API skio_value *skio_value_new(skio_server *server, const char *json,
                                    size_t len) SKIO_NONNULL(1, 2);
SKIO_API void skio_value_free(skio_value *value);

SKIO_END_DECLS

#endif /* SOCKETIO_TRANSPORT_H */
