/*
 * HTTP long-polling payloads (protocol v4, "Payload"): packets in text form,
 * joined by U+001E
 */
#ifndef SKIO_ENGINEIO_PAYLOAD_H
#define SKIO_ENGINEIO_PAYLOAD_H

#include "base/blob.h"
#include "base/buf.h"
#include "engineio/packet.h"

#define EIO_SEPARATOR '\x1e'

struct eio_payload {
    const char *pos; /* NULL: all was taken */
    const char *end;
};

void skio__payload_init(struct eio_payload *payload, const char *text,
                        size_t len);

/*
 * Take the next packet out of a payload.
 *
 * The separator can be searched for bytewise: JSON text and base64 never
 * contain a control character, and no UTF-8 sequence has one as a trailing
 * byte.
 *
 * Returns 1 and fills *packet, 0 at the end, or SKIO_EPROTO. The packet's data
 * points into the payload; a binary packet is still base64.
 */
int skio__payload_next(struct eio_payload *payload, struct eio_packet *packet);

/* Whether a payload has more than max packets. */
bool skio__payload_exceeds(const char *text, size_t len, size_t max);

/*
 * Append a packet, with a separator before it unless the buffer is empty.
 * Returns buf->err.
 */
int skio__payload_append(struct skio__buf *buf, const struct skio__blob *blob);

#endif /* SKIO_ENGINEIO_PAYLOAD_H */
