/*
 * The handshake request of a session: one counted block with its headers,
 * target and peer address; and the reading of queries
 *
 *     [ struct | target NUL | address NUL | headers | latest | method NUL ]
 *
 * The method stands there only when it is a strange one. Headers that are kept
 * as long as a session are packed.
 *
 * Sockets hold references: headers stay readable after the session is gone.
 */
#ifndef SKIO_ENGINEIO_REQUEST_H
#define SKIO_ENGINEIO_REQUEST_H

#include <socketio/request.h>
#include <socketio/socket.h>
#include <socketio/transport.h>

/* Copy a request, one reference. NULL when memory is out. The block's size is
 * bounded by max_header_bytes and max_query_bytes, checked by the caller.
 * keeps_latest: it has room for skio__request_set_latest(). */
struct skio_engine_request *skio__request_new(const skio_allocator *mem,
                                              const skio_request *request,
                                              bool keeps_latest);
/* The same with its headers packed; not for skio__request_view(). */
struct skio_engine_request *skio__request_keep(const skio_allocator *mem,
                                               const skio_request *request,
                                               bool keeps_latest);
struct skio_engine_request *
skio__request_ref(struct skio_engine_request *request);
void skio__request_unref(struct skio_engine_request *request);

/* A later request of the same session, whose headers take the place of those of
 * the one before. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__request_set_latest(struct skio_engine_request *request,
                             const skio_request *latest);
const struct skio_engine_request *
skio__request_latest(const struct skio_engine_request *request);

/* Lower-case name; NULL if absent. Of a repeated one the first. */
const char *skio__request_header(const struct skio_engine_request *request,
                                 const char *name);
const char *skio__request_target(const struct skio_engine_request *request);
const char *skio__request_address(const struct skio_engine_request *request);
bool skio__request_is_secure(const struct skio_engine_request *request);

/*
 * Find a parameter of a raw query and decode it (percent and '+') into out.
 * Of a repeated name the last one counts, as in Node. Returns its decoded
 * length, or -1 when it is absent; out gets at most size bytes with a NUL, and
 * a value that does not fit counts as absent (size max_query_bytes + 1 always
 * fits).
 */
ptrdiff_t skio__query_get(const char *query, const char *name, char *out,
                          size_t size);
/* The same undecoded and wherever it stands; false when it is absent. */
bool skio__query_find(const char *query, const char *name, const char **value,
                      size_t *len);
/* Decode text, percent and '+', into out, which may begin at or before it;
 * never longer. Returns the length. */
size_t skio__query_decode(const char *text, size_t len, char *out);
/* The query of the request's target, raw; "" if none. */
const char *skio__request_query(const struct skio_engine_request *request);

/* The request as the transport gave it, borrowing; the path with its query, no
 * content length. */
void skio__request_view(const struct skio_engine_request *request,
                        skio_request *out);

/* Visit the headers. Returns false when fn did, which ends it. */
bool skio__request_each(const struct skio_engine_request *request,
                        skio_pair_fn *fn, void *user);
/*
 * Visit the parameters of a raw query, decoded; of a repeated name the last
 * one. scratch has room for the query and two NULs.
 */
bool skio__query_each(const char *query, char *scratch, skio_pair_fn *fn,
                      void *user);

/* The header in a transport's block, or NULL. */
const char *skio__headers_find(const char *headers, size_t len,
                               const char *name);

#endif /* SKIO_ENGINEIO_REQUEST_H */
