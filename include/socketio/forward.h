/*
 * libsocketio: requests of other servers' sessions, for adapters
 *
 * Long-polling is many requests of one session. Behind a balancer that spreads
 * them over the servers of a cluster, one may come to a server that does not
 * have the session. An adapter that knows a way there passes it on:
 *
 *     client ──▶ this server ── ask() ──▶ the session's server
 *                                         skio_forward_take()
 *     client ◀── skio_forward_answer() ◀── respond()
 *
 * The id of a session then ends with the tag of its server. Experimental until
 * 1.0.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_FORWARD_H
#define SOCKETIO_FORWARD_H

#include <socketio/transport.h>

SKIO_BEGIN_DECLS

/** Characters of a server's tag. */
#define SKIO_FORWARD_TAG_LEN 8

/** What passes requests on. */
typedef struct skio_forwarder {
    size_t struct_size;
    /** This server's: SKIO_FORWARD_TAG_LEN characters of A-Z, a-z, 0-9, '-' and
     *  '_'; no other server of the cluster has it. Copied. */
    const char *tag;
    uint32_t max_requests; /**< of clients that wait here, 1 or more */
    size_t max_bytes;      /**< of all their bodies */
    /**
     * Pass a request on, which is complete, to the server with this tag.
     * Everything is borrowed; *name is the forwarder's name for it, if it wants
     * one.
     *
     * Returns SKIO_OK when skio_forward_answer() will follow, later, exactly
     * once unless abandon() is called; SKIO_ECLOSED: the session is answered
     * for as unknown; SKIO_ETOOBIG: 413; any other error: 503.
     */
    int (*ask)(skio_exchange *exchange, const char *tag,
               const skio_request *request, const void *body, size_t len,
               void **name, void *user);
    /** The client went away, or this server ends: no answer is wanted. The
     *  exchange is gone afterwards. */
    void (*abandon)(skio_exchange *exchange, void *name, void *user);
    /** Answer a request that was taken with skio_forward_take(), as respond()
     *  of a transport does. */
    void (*respond)(void *handle, const skio_response *response);
} skio_forwarder;

/**
 * Have requests of other servers' sessions passed on, and name this one's after
 * it. Middlewares and the like see such a request on the session's server
 * alone; a WebSocket cannot be passed on.
 *
 * Returns SKIO_OK; SKIO_EBUSY when there is a forwarder; SKIO_EINVAL for a
 * missing function, a tag that is none, a limit of 0; SKIO_ENOMEM.
 */
SKIO_API int skio_forward_attach(skio_server *server,
                                 const skio_forwarder *forwarder, void *user)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** Pass on no more: abandon() is called for those that wait, who get 503.
 *  respond() is not called any more. */
SKIO_API void skio_forward_detach(skio_server *server) SKIO_NONNULL(1);

/** Answer a request that was passed on; the exchange is gone. Never from inside
 *  of ask(). */
SKIO_API void skio_forward_answer(skio_exchange *exchange,
                                  const skio_response *response)
    SKIO_NONNULL(1, 2);

/** The same where the other server is not there, or has no answer: the session
 *  is unknown, 400. */
SKIO_API void skio_forward_unknown(skio_exchange *exchange) SKIO_NONNULL(1);

/**
 * Take a request that another server has passed on, whole: GET or POST. It must
 * be of a session of this server, else it is answered as any of an unknown one.
 *
 * handle  Goes to respond(), which may be called from inside.
 *
 * Returns SKIO_OK: *out is NULL when it was answered already; else it is held,
 * and skio_exchange_abort() gives it up. SKIO_EINVAL for another method, or an
 * upgrade; SKIO_ECLOSED without a forwarder.
 */
SKIO_API int skio_forward_take(skio_server *server, const skio_request *request,
                               const void *body, size_t len, void *handle,
                               skio_exchange **out) SKIO_NONNULL(1, 2, 6)
    SKIO_MUST_CHECK;

SKIO_END_DECLS

#endif /* SOCKETIO_FORWARD_H */
