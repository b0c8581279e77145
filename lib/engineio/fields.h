/*
 * What the engine itself reads of a request: some headers, some parameters of
 * the query
 *
 * Each is gone through once for all of them. Everything points into the
 * request.
 */
#ifndef SKIO_ENGINEIO_FIELDS_H
#define SKIO_ENGINEIO_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include <socketio/transport.h>

enum eio_field {
    EIO_FIELD_HOST,
    EIO_FIELD_ORIGIN,
    EIO_FIELD_USER_AGENT,
    EIO_FIELD_CONTENT_TYPE,
    EIO_FIELD_ACCEPT_ENCODING,
    EIO_FIELD_EXTENSIONS, /* Sec-WebSocket-Extensions */
    EIO_FIELD_ASKED,      /* Access-Control-Request-Headers */
    EIO_FIELD_COUNT
};

/* A parameter's value, undecoded and wherever it stands; of a repeated one the
 * last, as in Node. */
struct eio_parameter {
    const char *text; /* NULL: it is absent */
    size_t len;
};

struct eio_fields {
    const char *headers[EIO_FIELD_COUNT]; /* of a repeated one the first */
    size_t header_count;                  /* all there are */
    struct eio_parameter protocol;        /* EIO */
    struct eio_parameter transport;
    struct eio_parameter sid;
};

/* Each fills its own; what is cut off is left out. */
void skio__fields_read_headers(struct eio_fields *fields,
                               const skio_request *request);
void skio__fields_read_query(struct eio_fields *fields,
                             const skio_request *request);

/* Whether it is there and is this, decoded; value has neither '+' nor '%'. */
bool skio__parameter_is(const struct eio_parameter *parameter,
                        const char *value);

/* Longer than what any value that means something may be encoded as. */
#define EIO_PARAMETER_MAX 256

/*
 * The value with its escapes decoded: itself or out; NULL when it is absent or
 * too long to mean something. A '+' stays: where it would be a blank, neither
 * is known.
 */
const char *skio__parameter_text(const struct eio_parameter *parameter,
                                 char out[EIO_PARAMETER_MAX], size_t *len);

#endif /* SKIO_ENGINEIO_FIELDS_H */
