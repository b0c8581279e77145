/*
 * HTTP long-polling payloads of protocol v3
 *
 * Text:    packets in text form, each after its length in UTF-16 units,
 *          `6:4hello`; a binary one is `b`, its type and base64.
 * Binary:  for each packet 0 (text) or 1, its length in bytes as decimal
 *          digits of one byte each, 0xFF, and the packet; a binary one begins
 *          with its type as a byte.
 */
#ifndef SKIO_ENGINEIO_PAYLOAD3_H
#define SKIO_ENGINEIO_PAYLOAD3_H

#include "engineio/payload.h"
#include "engineio/queue.h"

/*
 * Read a packet of a WebSocket message: text, or binary with its type in
 * front. Its data points into the message. Returns SKIO_OK or SKIO_EPROTO.
 */
int skio__packet3_read(const char *data, size_t len, bool binary,
                       struct eio_packet *packet);

/*
 * Take the next packet out of a payload, which skio__payload_init() began.
 *
 * Returns 1 and fills *packet, 0 at the end, or SKIO_EPROTO. A payload of no
 * bytes is refused by the caller: v3 has none. Text must be valid UTF-8,
 * which is checked here for binary payloads.
 */
int skio__payload3_next(struct eio_payload *payload, bool binary,
                        struct eio_packet *packet);

/* Whether a payload has more than max packets, as far as it can be read. */
bool skio__payload3_exceeds(const char *text, size_t len, bool binary,
                            size_t max);

/* Append one packet in text form. Returns buf->err. */
int skio__payload3_append(struct skio__buf *buf, const char *text, size_t len);

/*
 * Append all of a queue, whose binary blobs were made by skio__blob3_new().
 * *binary tells which of the two forms was needed. Returns out->err.
 */
int skio__payload3_join(const struct eio_queue *queue, struct skio__buf *out,
                        bool *binary);

/*
 * The form that v3 gives a binary packet: type byte and data, made once and
 * then shared by all who receive the blob; or text with base64. A reference
 * for the caller; NULL: no memory.
 */
struct skio__blob *skio__blob3_new(struct skio__blob *blob, bool base64);

#endif /* SKIO_ENGINEIO_PAYLOAD3_H */
