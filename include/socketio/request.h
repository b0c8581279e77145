/*
 * libsocketio: requests of the engine, and who judges them
 *
 * What Node's server offers as allowRequest, engine.use(), "initial_headers",
 * "headers", "connection_error" and generateId. In this order a request goes:
 *
 *     CORS preflight ─▶ skio_engine_use() … ─▶ the server's own checks
 *         ─▶ skio_allow_request(), handshakes only ─▶ skio_generate_id()
 *
 * A refusal at any step is told to skio_on_connection_error().
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_REQUEST_H
#define SOCKETIO_REQUEST_H

#include <socketio/base.h>
#include <socketio/server.h>

SKIO_BEGIN_DECLS

/** An HTTP request to the server's path: a handshake, a poll, a POST. */
typedef struct skio_engine_request skio_engine_request;

/** "GET". */
SKIO_API const char *
skio_engine_request_method(const skio_engine_request *request) SKIO_NONNULL(1);

/** The request target: the path and, if there is one, "?" and the query. */
SKIO_API const char *skio_engine_request_url(const skio_engine_request *request)
    SKIO_NONNULL(1);

/** A header by its lower-case name, the first of it, or NULL. */
SKIO_API const char *skio_engine_request_header(
    const skio_engine_request *request, const char *name) SKIO_NONNULL(1, 2);

/**
 * A parameter of the query, decoded; of a repeated name the last one, as in
 * Node. Copied to buf, with a NUL, up to size bytes.
 *
 * Returns its length without the NUL; SKIO_ENOENT when there is none;
 * SKIO_ETOOBIG when it does not fit (max_query_bytes + 1 always does).
 */
SKIO_API ptrdiff_t skio_engine_request_query(const skio_engine_request *request,
                                             const char *name, char *buf,
                                             size_t size) SKIO_NONNULL(1, 2);

/**
 * A cookie that the request brings, as the npm package `cookie` reads it: the
 * first of its name, without quotes around it, percent-decoded when that can be
 * done. Otherwise as skio_engine_request_query().
 */
SKIO_API ptrdiff_t
skio_engine_request_cookie(const skio_engine_request *request, const char *name,
                           char *buf, size_t size) SKIO_NONNULL(1, 2);

/** The peer's address, as in "192.0.2.1". */
SKIO_API const char *
skio_engine_request_address(const skio_engine_request *request) SKIO_NONNULL(1);

/** Whether it came by TLS. */
SKIO_API bool skio_engine_request_is_secure(const skio_engine_request *request)
    SKIO_NONNULL(1);

/** Whether it asks for a WebSocket. */
SKIO_API bool skio_engine_request_is_upgrade(const skio_engine_request *request)
    SKIO_NONNULL(1);

/** Headers that the application adds to a response. */
typedef struct skio_headers skio_headers;

/**
 * Set a header, in the place of others of its name (in any case).
 *
 * Returns SKIO_OK; SKIO_EINVAL when the name is no token, the value has a byte
 * that no header may have (a line break above all), or the header is the
 * server's business: Connection, Content-Length, Date, Keep-Alive,
 * Sec-WebSocket-*, Transfer-Encoding, Upgrade; SKIO_ENOBUFS beyond
 * max_response_headers or max_response_header_bytes; SKIO_ENOMEM.
 */
SKIO_API int skio_headers_set(skio_headers *headers, const char *name,
                              const char *value) SKIO_NONNULL(1, 2, 3);

/** Add a header beside others of its name, for Set-Cookie. Otherwise as
 *  skio_headers_set(). */
SKIO_API int skio_headers_append(skio_headers *headers, const char *name,
                                 const char *value) SKIO_NONNULL(1, 2, 3);

/** What was set by this name, in any case, the first of it, or NULL. */
SKIO_API const char *skio_headers_get(const skio_headers *headers,
                                      const char *name) SKIO_NONNULL(1, 2);

/** Take back what was set by this name. SKIO_OK or SKIO_ENOENT. */
SKIO_API int skio_headers_remove(skio_headers *headers, const char *name)
    SKIO_NONNULL(1, 2);

/** Called for responses, see skio_on_headers(). Both are borrowed. */
typedef void skio_headers_fn(skio_headers *headers,
                             const skio_engine_request *request, void *user);

/**
 * Be asked for headers of every response that carries a session: polls, POSTs,
 * and the 101 of a WebSocket (Node's "headers" event). Not of refusals. Several
 * functions run in their order; what a middleware set is there already.
 *
 * Returns SKIO_OK; SKIO_ENOMEM.
 */
SKIO_API int skio_on_headers(skio_server *server, skio_headers_fn *fn,
                             void *user) SKIO_NONNULL(1, 2);

/** The same for the first response of a session alone (Node's
 *  "initial_headers" event); before skio_on_headers(). */
SKIO_API int skio_on_initial_headers(skio_server *server, skio_headers_fn *fn,
                                     void *user) SKIO_NONNULL(1, 2);

/**
 * A request that waits for the application's word.
 *
 * It is yours from the call of your function to one of skio_verdict_accept(),
 * skio_verdict_refuse() and skio_verdict_respond(), each of which consumes it.
 * That may be in the function or later, also when the client or even the server
 * has gone meanwhile. A request that waits counts among max_unconnected, and is
 * answered 503 after verdict_timeout_ms; the verdict is yours to consume even
 * then.
 *
 * A WebSocket cannot be made to wait: while the word is out the client gets its
 * 101, but no open packet. It is refused then by the text message
 * {"code":4,"message":"Forbidden"} and a Close frame of status 1008; stock
 * clients report a connect_error for either. A word in the function itself is
 * answered before the 101, as in Node.
 */
typedef struct skio_verdict skio_verdict;

/** Judges a request. */
typedef void skio_verdict_fn(skio_verdict *verdict, void *user);

/** The request; NULL once the client or the server has gone. */
SKIO_API const skio_engine_request *
skio_verdict_request(const skio_verdict *verdict) SKIO_NONNULL(1);

/** Headers of the response, refusals included; NULL once the client has gone.
 *  Too late for the 101 of a WebSocket that already waits. */
SKIO_API skio_headers *skio_verdict_headers(skio_verdict *verdict)
    SKIO_NONNULL(1);

/**
 * Let the request pass. Consumes the verdict.
 *
 * Returns SKIO_OK; SKIO_EBUSY when a verdict was given already in this call of
 * your function; SKIO_ECLOSED when the client or the server has gone.
 */
SKIO_API int skio_verdict_accept(skio_verdict *verdict) SKIO_NONNULL(1);

/**
 * Refuse the request. Consumes the verdict.
 *
 * In skio_allow_request() the client gets 403, code 4 and the message; in
 * skio_engine_use() 400, code 3 and "Bad request", as in Node.
 *
 * message  NULL or "": "Forbidden".
 *
 * Returns as skio_verdict_accept(), and SKIO_EUTF8 for a message that is no
 * UTF-8 or SKIO_ETOOBIG for one of more than 1024 bytes: "Forbidden" goes out
 * then; SKIO_ENOMEM the same.
 */
SKIO_API int skio_verdict_refuse(skio_verdict *verdict, const char *message)
    SKIO_NONNULL(1);

/**
 * Answer the request, which goes no further. Consumes the verdict.
 *
 * status        200..599.
 * content_type  NULL: none.
 *
 * Returns as skio_verdict_accept(), and SKIO_EINVAL for a bad status or type,
 * SKIO_ENOMEM: the verdict is not consumed then. A WebSocket that waits already
 * is only closed.
 */
SKIO_API int skio_verdict_respond(skio_verdict *verdict, int status,
                                  const char *content_type, const void *body,
                                  size_t len) SKIO_NONNULL(1);

/**
 * Decide on each handshake (Node's allowRequest): each request without a sid
 * that passed the server's own checks, on both transports. There is one such
 * function; NULL: none any more.
 *
 * Returns SKIO_OK; SKIO_ENOMEM.
 */
SKIO_API int skio_allow_request(skio_server *server, skio_verdict_fn *fn,
                                void *user) SKIO_NONNULL(1);

/**
 * Add a middleware of the engine (Node's engine.use()): it sees every request
 * to the server's path, upgrades included, before any check but that for a CORS
 * preflight; several run in their order.
 *
 * Returns SKIO_OK; SKIO_ENOMEM.
 */
SKIO_API int skio_engine_use(skio_server *server, skio_verdict_fn *fn,
                             void *user) SKIO_NONNULL(1, 2);

/**
 * Makes the id of a new session (Node's generateId) for this request.
 *
 * id  Room for 64 bytes: 1 to 63 of letters, digits, '-', '_', '.' and '~', and
 *     a NUL. It is a secret between the client and the server: unpredictable.
 *
 * Returns SKIO_OK, or an error.
 */
typedef int skio_generate_id_fn(const skio_engine_request *request, char id[64],
                                void *user);

/**
 * Make the ids of sessions by a function; NULL: by the server again.
 *
 * When it fails, or the id is malformed or another session's, the request is
 * refused with 400 and code 3, "ID_GENERATION_ERROR", before any 101; the log
 * says why.
 *
 * Returns SKIO_OK; SKIO_ENOMEM.
 */
SKIO_API int skio_generate_id(skio_server *server, skio_generate_id_fn *fn,
                              void *user) SKIO_NONNULL(1);

/** Why a request was refused, Engine.IO's codes. */
enum skio_connection_code {
    SKIO_UNKNOWN_TRANSPORT = 0,
    SKIO_UNKNOWN_SID = 1,
    SKIO_BAD_HANDSHAKE_METHOD = 2,
    SKIO_BAD_REQUEST = 3,
    SKIO_FORBIDDEN = 4,
    SKIO_UNSUPPORTED_PROTOCOL_VERSION = 5
};

/**
 * A refused request, Node's "connection_error". What follows the message is
 * Node's context: NULL or 0 where it has none. Texts of the request are cut
 * after 255 bytes.
 */
typedef struct skio_connection_error {
    size_t struct_size;
    const skio_engine_request *request;
    enum skio_connection_code code;
    const char *message; /**< of the code: "Bad request" */
    /** "INVALID_ORIGIN", "TRANSPORT_MISMATCH", "PROTOCOL_MISMATCH",
     *  "TRANSPORT_HANDSHAKE_ERROR", "ID_GENERATION_ERROR",
     *  "MIDDLEWARE_FAILURE" */
    const char *name;
    const char *transport; /**< what the request asked for */
    const char *previous_transport;
    const char *origin;
    const char *sid;
    const char *method;
    const char *reason; /**< context.message: of skio_verdict_refuse() */
    int protocol;
    int previous_protocol;
} skio_connection_error;

/** Called for each refused request. Everything is borrowed. */
typedef void skio_connection_error_fn(const skio_connection_error *error,
                                      void *user);

/**
 * Be told of refused requests. Several functions run in their order.
 *
 * Returns SKIO_OK; SKIO_ENOMEM.
 */
SKIO_API int skio_on_connection_error(skio_server *server,
                                      skio_connection_error_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

SKIO_END_DECLS

#endif /* SOCKETIO_REQUEST_H */
