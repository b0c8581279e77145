/*
 * JSONP polling: for pages of another origin in browsers without CORS
 *
 * A poll is a script that calls a function with the payload; a POST is a form
 * whose field `d` is the payload.
 */
#ifndef SKIO_ENGINEIO_JSONP_H
#define SKIO_ENGINEIO_JSONP_H

#include "base/buf.h"

#define EIO_JSONP_DIGITS 20

/* Read the parameter `j` into digits, a string; false: there is none. */
bool skio__jsonp_read(const char *query, char digits[EIO_JSONP_DIGITS + 1]);

/* Append the script: `___eio[0]("…");`. The payload is UTF-8. */
int skio__jsonp_wrap(struct skio__buf *buf, const char *digits,
                     const char *payload, size_t len);

/* Replace a form's text by the payload in it; returns its length, or -1 when
 * the field is missing. */
ptrdiff_t skio__jsonp_unwrap(char *form, size_t len);

#endif /* SKIO_ENGINEIO_JSONP_H */
