/*
 * Requests that are passed on, between servers of a cluster: messages and bytes
 *
 *     [1, id, from, secure, method, path, query, headers, address, body]
 *     [2, id, from, close, status, content type, headers, body]
 *     [3, id, from]                                     no answer is wanted
 *
 * as MessagePack. from is the tag of the server that sends it, id the number of
 * the one that asks; no content type is "". Headers and body are bin; headers
 * are "name\0value\0".
 *
 * What is read is hostile: texts have no control characters, headers come in
 * pairs, and a response cannot be split in two by them.
 */
#ifndef SKIO_ADAPTER_REDIS_FORWARD_WIRE_H
#define SKIO_ADAPTER_REDIS_FORWARD_WIRE_H

#include <socketio/forward.h>

#include "base/buf.h"

#define SKIO__FORWARD_HEADERS_MAX 128 /* of a response */

enum skio__forward_type {
    SKIO__FORWARD_REQUEST = 1,
    SKIO__FORWARD_RESPONSE = 2,
    SKIO__FORWARD_ABANDON = 3
};

/* What was read. texts holds the copies that are NUL-terminated; the rest are
 * views of the message. */
struct skio__forward_message {
    enum skio__forward_type type;
    uint64_t id;
    char from[SKIO_FORWARD_TAG_LEN + 1];
    skio_request request;
    skio_response response;
    skio_header headers[SKIO__FORWARD_HEADERS_MAX];
    const void *body;
    size_t body_len;
    struct skio__buf texts;
};

/* Each returns out->err. */
int skio__forward_put_request(struct skio__buf *out, uint64_t id,
                              const char *from, const skio_request *request,
                              const void *body, size_t len);
int skio__forward_put_response(struct skio__buf *out, uint64_t id,
                               const char *from, const skio_response *response);
int skio__forward_put_abandon(struct skio__buf *out, uint64_t id,
                              const char *from);

/* Returns SKIO_OK, SKIO_EPROTO or SKIO_ENOMEM. End it with _deinit() in any
 * case. */
int skio__forward_read(struct skio__forward_message *message,
                       const skio_allocator *mem, const void *data, size_t len);
void skio__forward_deinit_message(struct skio__forward_message *message);

#endif /* SKIO_ADAPTER_REDIS_FORWARD_WIRE_H */
