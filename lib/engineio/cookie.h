/*
 * Cookies: the one that a handshake sets, and those that a request brings
 *
 * Written and read as the npm package `cookie` 0.7, which Node's server uses.
 */
#ifndef SKIO_ENGINEIO_COOKIE_H
#define SKIO_ENGINEIO_COOKIE_H

#include <socketio/server.h>

#include "base/buf.h"

/* The name of the first cookie option that cannot be sent, or NULL. */
const char *skio__cookie_bad(const skio_server_options *options);

/* Append the value of Set-Cookie for this session id. */
void skio__cookie_write(struct skio__buf *buf,
                        const skio_server_options *options, const char *id);

/* The first cookie of this name in a Cookie header, neither unquoted bytes nor
 * escapes are looked at. False: there is none. */
bool skio__cookie_find(const char *header, const char *name, const char **value,
                       size_t *len);

/*
 * Decode percent escapes into out, with a NUL; a value that cannot be decoded
 * is copied as it stands. Returns the length, or SKIO_ETOOBIG.
 */
ptrdiff_t skio__cookie_decode(const char *value, size_t len, char *out,
                              size_t size);

#endif /* SKIO_ENGINEIO_COOKIE_H */
