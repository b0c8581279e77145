/*
 * HTTP exchanges: one request of a client until its response
 *
 * The functions of <socketio/transport.h>, with the engine in place of the
 * server. Verification, handshake, polls, posts and upgrades begin here.
 */
#ifndef SKIO_ENGINEIO_EXCHANGE_H
#define SKIO_ENGINEIO_EXCHANGE_H

#include "base/id.h"
#include "engineio/dirty.h"
#include "engineio/extension.h"
#include "engineio/reply.h"
#include "engineio/request.h"

struct eio_passed;
struct eio_question;
struct skio_verdict;

enum eio_exchange_kind {
    EIO_EXCHANGE_POLL,
    EIO_EXCHANGE_POST,
    EIO_EXCHANGE_CONNECT, /* a WebSocket that opens a session */
    EIO_EXCHANGE_PROBE,   /* a WebSocket for a session that is polling */
    EIO_EXCHANGE_JUDGED,  /* any of them, waiting for a verdict */
    EIO_EXCHANGE_FORWARD  /* a poll or post of another server's session */
};

/* What only the upgrade to a WebSocket needs. */
struct eio_opening {
    char sid[EIO_ID_MAX + 1]; /* probe: looked up again after the 101; connect:
                                 of the host's making, "" if of ours */
    uint8_t window_bits;      /* the extension was accepted; 0: it was not */
    struct eio_extension *extension; /* that may be; NULL: none */
    skio_header *headers;            /* of the 101; NULL: none */
    size_t header_count;
    skio_ws *ws; /* judged: its 101 was sent */
};

struct skio_exchange {
    struct eio_dirty dirty; /* when only the last response is left */
    struct eio_engine *engine;
    struct skio_session *session; /* of a poll or post; NULL: it has closed */
    struct eio_asker asker;
    uint8_t kind;     /* enum eio_exchange_kind */
    bool is_octets;   /* protocol 3: a binary payload */
    bool is_fresh;    /* poll: it came in this turn */
    bool is_complete; /* judged: its body is */
    union {
        const char *last;          /* poll: the last payload, static; NULL: the
                             session has left polling, an error */
        struct eio_passed *passed; /* forward */
    };
    struct skio__buf body; /* post: what came; poll: before `last` */
    struct skio_engine_request *request; /* connect, forward */
    struct skio_verdict *verdict;        /* judged */
    struct eio_opening *opening;         /* of an upgrade; else NULL */
    char origin[]; /* what asker.cors.allow_origin points to */
};

/* An exchange that outlives the call: asker->held, or a new one, NULL when
 * memory is out. */
skio_exchange *skio__exchange_make(struct eio_engine *engine,
                                   const struct eio_asker *asker,
                                   enum eio_exchange_kind kind);
void skio__exchange_free(skio_exchange *exchange);

/* The end of a turn: the last response of a poll whose session is gone. */
void skio__exchange_flush(skio_exchange *exchange);

/* What follows the middlewares: the server's own checks (false: answered), and
 * after allow_request the rest, an enum skio_exchange_state. */
bool skio__exchange_verify(struct eio_engine *engine,
                           struct eio_question *question);
int skio__exchange_admit(struct eio_engine *engine,
                         const struct eio_question *question,
                         skio_exchange **out);

/* Find the headers of its 101, and what may be answered to the client's offer
 * of compression. False: the request was answered, and the exchange freed
 * unless it is asker.held. */
bool skio__exchange_prepare(skio_exchange *exchange,
                            const struct eio_question *question);

/* After the 101: whether the ws may live. The exchange is the caller's. */
bool skio__exchange_open(skio_exchange *exchange, skio_ws *ws);

int skio__exchange_new(struct eio_engine *engine, const skio_request *request,
                       void *handle, skio_exchange **out);

/* The same for a request that another server passed on. */
int skio__exchange_take(struct eio_engine *engine, const skio_request *request,
                        void *handle, skio_exchange **out);

/* skio_exchange_body(), _end(), _abort(), _headers() and skio_ws_*() of
 * <socketio/transport.h> need no wrapper and are defined in this room. */

#endif /* SKIO_ENGINEIO_EXCHANGE_H */
