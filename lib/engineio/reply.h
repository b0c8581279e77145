/*
 * HTTP responses: the statuses, bodies and headers of Engine.IO
 *
 * Each calls the transport's respond() hook; the exchange, if there is one, is
 * the caller's to free.
 */
#ifndef SKIO_ENGINEIO_REPLY_H
#define SKIO_ENGINEIO_REPLY_H

#include "base/coding.h"
#include "engineio/cors.h"
#include "engineio/hooks.h"
#include "engineio/jsonp.h"

/* Error codes of Engine.IO, as in {"code":1,"message":"Session ID unknown"} */
enum eio_error {
    EIO_ERROR_TRANSPORT = 0,
    EIO_ERROR_SID = 1,
    EIO_ERROR_METHOD = 2,
    EIO_ERROR_REQUEST = 3,
    EIO_ERROR_FORBIDDEN = 4,
    EIO_ERROR_PROTOCOL = 5
};

/* What a response needs to know of its request. */
struct eio_asker {
    void *handle;
    struct eio_cors cors;
    bool is_old_ie; /* gets X-XSS-Protection: 0, as from Node */
    bool is_upgrade;
    bool is_jsonp;     /* the answer is a script */
    bool wants_base64; /* protocol 3: takes no binary frames */
    uint8_t protocol;  /* 3 or 4 */
    uint8_t coding;    /* enum skio__coding for payloads */
    char jsonp[EIO_JSONP_DIGITS + 1];
    bool is_forwarded;       /* another server passed it on: see forward.h */
    bool must_close;         /* more of its body may come */
    struct eio_visit *visit; /* borrowed; NULL: nothing is hooked in */
    skio_exchange *held;     /* waits already: it is to be used again */
    skio_ws *ws;             /* its 101 was sent: refuse it there */
};

/* A status and, unless NULL, a text/html body. 4xx and 5xx end the
 * connection: nobody can hold it open by being refused. */
void skio__reply_status(struct eio_engine *engine,
                        const struct eio_asker *asker, int status,
                        const char *body);

/* An Engine.IO error: JSON, or its bare text to an upgrade; counted, and told
 * to those who listen. */
void skio__reply_error(struct eio_engine *engine, const struct eio_asker *asker,
                       enum eio_error error);

/* The same with all of its context but the request. */
void skio__reply_refusal(struct eio_engine *engine,
                         const struct eio_asker *asker,
                         skio_connection_error *why);

/* An answer of the application, with its headers also to an upgrade. */
void skio__reply_custom(struct eio_engine *engine,
                        const struct eio_asker *asker, int status,
                        const char *type, const void *body, size_t len);

/* 503 with Retry-After. */
void skio__reply_busy(struct eio_engine *engine, const struct eio_asker *asker);

/* 429 with Retry-After. */
void skio__reply_too_often(struct eio_engine *engine,
                           const struct eio_asker *asker, uint32_t retry_ms);

/* 200 with a payload; cookie is the value of Set-Cookie or NULL. SKIO_ENOMEM:
 * nothing was answered, and what is in the payload is still due. */
int skio__reply_try_payload(struct eio_engine *engine,
                            const struct eio_asker *asker, const char *cookie,
                            const void *body, size_t len);

/* The same; 503 without memory. */
void skio__reply_payload(struct eio_engine *engine,
                         const struct eio_asker *asker, const char *cookie,
                         const void *body, size_t len);

/* The same of packets that are no text: protocol 3 alone. */
void skio__reply_octets(struct eio_engine *engine,
                        const struct eio_asker *asker, const void *body,
                        size_t len);

/* 200 "ok", the answer to a POST. */
void skio__reply_ok(struct eio_engine *engine, const struct eio_asker *asker);

/* 204 to a preflight. */
void skio__reply_preflight(struct eio_engine *engine,
                           const struct eio_asker *asker);

#define EIO_CORS_HEADERS 4

/* The CORS headers of a response; returns how many were written. */
size_t skio__reply_cors(const struct eio_engine *engine,
                        const struct eio_cors *cors,
                        skio_header out[EIO_CORS_HEADERS]);

#endif /* SKIO_ENGINEIO_REPLY_H */
