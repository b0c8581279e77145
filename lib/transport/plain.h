/*
 * Reading the head of a plain request (RFC 9112), without I/O
 *
 * Nearly all requests look alike, and are read here in one pass. What is less
 * than strictly usual is not refused, just not read: libwebsockets gets it as
 * it came. So everything that is read here means the same there:
 *
 *   - GET, POST or OPTIONS, a path without anything to decode or to resolve,
 *     parameters as encodeURIComponent() makes them, HTTP/1.1;
 *   - CRLF at the end of each line, no header folded, twice or without a
 *     value, names of letters, digits, '-' and '_', no control characters;
 *   - no Transfer-Encoding, no Expect, and a Content-Length that is a number.
 */
#ifndef SKIO_TRANSPORT_PLAIN_H
#define SKIO_TRANSPORT_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKIO__PLAIN_MORE 0    /* the head is not complete */
#define SKIO__PLAIN_NONE (-1) /* it is not plain */

/* All strings end with NUL, and lie in the caller's memory. */
struct skio__plain {
    const char *method;
    const char *path;
    const char *query; /* "" if none */
    size_t query_len;
    const char *headers; /* "name\0value\0…", names in lower case */
    size_t headers_len;
    uint32_t lines;
    int64_t content_length; /* -1: none */
    /* Some of the values, or NULL. */
    const char *host;
    const char *connection;
    const char *upgrade;
    const char *key;      /* Sec-WebSocket-Key */
    const char *version;  /* Sec-WebSocket-Version */
    const char *protocol; /* Sec-WebSocket-Protocol */
};

/*
 * Read the head that data begins with.
 *
 * out  Room for len bytes, where the strings go.
 *
 * Returns the length of the head, or one of the above; only with a length is
 * *plain of use.
 */
ptrdiff_t skio__plain_read(struct skio__plain *plain, const char *data,
                           size_t len, char *out);

/* Whether it asks for a WebSocket in a way that is to be accepted by RFC 6455,
 * 4.2.1, with one subprotocol at most and no body. */
bool skio__plain_is_upgrade(const struct skio__plain *plain);

/* Whether it asks for nothing but an answer; *keep_alive: and to go on. */
bool skio__plain_is_simple(const struct skio__plain *plain, bool *keep_alive);

#endif /* SKIO_TRANSPORT_PLAIN_H */
