/*
 * The WebSocket extension permessage-deflate: what a client offers, and what
 * is answered (RFC 7692, 7.1; RFC 6455, 9.1)
 *
 * Neither side keeps its context from one message to the next: then a message
 * is compressed once for all who get it, and nobody's window is remembered.
 */
#ifndef SKIO_ENGINEIO_EXTENSION_H
#define SKIO_ENGINEIO_EXTENSION_H

#include <stdint.h>

#define EIO_EXTENSION_MAX 160 /* of the answer, with its NUL */

struct eio_extension {
    uint8_t window_bits; /* to compress with */
    char answer[EIO_EXTENSION_MAX];
};

/*
 * Choose among the offers of a Sec-WebSocket-Extensions header.
 *
 * window_bits  What we would compress with.
 *
 * Returns 1 and fills *out; 0 when there is no offer to be accepted;
 * SKIO_EPROTO when the header breaks the grammar.
 */
int skio__extension_choose(const char *header, uint8_t window_bits,
                           struct eio_extension *out);

#endif /* SKIO_ENGINEIO_EXTENSION_H */
