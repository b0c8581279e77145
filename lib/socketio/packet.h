/*
 * Socket.IO packets: the text form, decoded
 *
 *     type [ attachments "-" ] [ namespace "," ] [ ack-id ] [ json ]
 *
 * (Socket.IO protocol v5, "Packet encoding".) Decoding points into the text;
 * the JSON is scanned once, with the placeholders of its attachments.
 */
#ifndef SKIO_SOCKETIO_PACKET_H
#define SKIO_SOCKETIO_PACKET_H

#include <socketio/base.h>

#include "base/json.h"
#include "socketio/value.h"

enum sio_type {
    SIO_CONNECT = 0,
    SIO_DISCONNECT = 1,
    SIO_EVENT = 2,
    SIO_ACK = 3,
    SIO_CONNECT_ERROR = 4,
    SIO_BINARY_EVENT = 5,
    SIO_BINARY_ACK = 6
};

struct sio_packet_limits {
    uint32_t max_attachments;
    uint32_t max_json_depth;
    size_t max_name_bytes; /* namespace and event name */
};

struct sio_packet {
    enum sio_type type;   /* BINARY_EVENT and BINARY_ACK are kept apart */
    uint32_t attachments; /* announced; 0 unless binary */
    const char *nsp;      /* "/" when omitted; not NUL-terminated */
    size_t nsp_len;
    bool has_id;
    uint64_t id;      /* at most 2^53 - 1 */
    const char *json; /* NULL when there is none */
    size_t json_len;
    struct skio__json_slice root;
    struct skio__json_slice
        items[SIO_VALUE_ITEMS]; /* of an array root; items[0]
                                                       is an event's name */
    uint32_t count;             /* elements of root */
};

/*
 * Decode and validate: everything in the protocol's grammar, and what Node's
 * parser 4.2.7 checks, strictly (no leading blanks, no signs, no exponents in
 * counts). On failure *why is a static text for the log, in Node's words where
 * it has some ("invalid payload", "Illegal attachments", "too many
 * attachments", "unknown packet type").
 *
 * Returns SKIO_OK, SKIO_EPROTO, SKIO_EUTF8 or SKIO_ELIMIT.
 */
int skio__packet_decode(const char *text, size_t len,
                        const struct sio_packet_limits *limits,
                        struct sio_packet *packet, const char **why);

/*
 * Check a packet that a parser made: type, nsp, id, json and attachments are
 * set. Fills the rest. Placeholders are checked as in the protocol if they
 * begin at 0. Returns as skio__packet_decode().
 */
int skio__packet_check(struct sio_packet *packet,
                       const struct sio_packet_limits *limits,
                       bool has_plain_placeholders, const char **why);

/* How many items the decoder kept; later elements are walked to. */
static inline uint32_t
skio__packet_kept(const struct sio_packet *packet)
{
    return packet->count < SIO_VALUE_ITEMS ? packet->count : SIO_VALUE_ITEMS;
}

/*
 * The arguments of a decoded packet, from `skip` on; packet and attachments
 * are borrowed.
 */
static inline void
skio__packet_args(const struct sio_packet *packet, uint32_t skip,
                  const skio_bytes *attachments, struct skio__arena *arena,
                  struct skio_value *out)
{
    skio__value_init_args(out, packet->json, &packet->root, packet->items,
                          skio__packet_kept(packet), packet->count, skip,
                          attachments, packet->attachments, arena);
}

/* Whether a name is one of the six that events may not have. */
bool skio__packet_is_reserved(const char *name, size_t len);

#endif /* SKIO_SOCKETIO_PACKET_H */
