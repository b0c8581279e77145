/*
 * Bytes as base64, there and back
 */
#ifndef SKIO_BASE_BASE64_H
#define SKIO_BASE_BASE64_H

#include <stddef.h>

#include "base/buf.h"

/* Append the standard alphabet, padded. Returns buf->err. */
int skio__base64_append(struct skio__buf *buf, const void *data, size_t len);

/*
 * Decode: the standard or the URL alphabet, padded or not, in lines or not,
 * nothing else (Node skips junk; we refuse it). The Java client breaks lines
 * after 76 characters and at the end (engine.io-client 2.1.0).
 *
 * out has room for len bytes. Returns how many it got, or SKIO_EPROTO.
 */
ptrdiff_t skio__base64_decode(const char *text, size_t len, unsigned char *out);

#endif /* SKIO_BASE_BASE64_H */
