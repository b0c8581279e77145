/*
 * Which pages may connect (options.cors_origins), and the headers that tell
 * browsers so
 *
 * Unlike Node's server, which leaves the verdict to the browser and so has none
 * for WebSockets, another origin is refused here, on both transports. A request
 * without an Origin header does not come from a page and is let through.
 */
#ifndef SKIO_ENGINEIO_CORS_H
#define SKIO_ENGINEIO_CORS_H

#include "engineio/engine.h"

/* What the responses to one request say about its origin. */
struct eio_cors {
    const char *allow_origin; /* Access-Control-Allow-Origin; NULL: none */
    bool is_on;               /* cors_origins is set */
    bool vary;                /* the response depends on the Origin */
    bool is_preflight;        /* it answers what a preflight asks */
    /* Access-Control-Request-Headers of a preflight, or NULL; who waits for a
     * verdict has it from the copy of the request. */
    const char *asked;
};

/* Whether an Origin header has only bytes that a header may have. */
bool skio__cors_is_clean(const char *origin);

/*
 * Judge a request by its Origin and Host headers (NULL: none was sent); fills
 * *cors, whose allow_origin may be that Origin. Returns whether it may connect.
 */
bool skio__cors_judge(const skio_server_options *options, const char *origin,
                      const char *host, bool secure, struct eio_cors *cors);

/* Whether a page of this origin was served by this host[:port]. */
bool skio__cors_is_same(const char *origin, const char *host, bool secure);

#endif /* SKIO_ENGINEIO_CORS_H */
