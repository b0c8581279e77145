/*
 * libsocketio: parsers
 *
 * A parser is how packets look on the wire: Socket.IO's option `parser`. The
 * default one writes JSON, with binary data in messages of its own behind it.
 * The MessagePack one writes each packet as one binary message. Clients must
 * use the same parser as their server.
 *
 *     options.parser = skio_parser_msgpack();
 *
 * Or write one: two functions. Inside the library a packet's data is always
 * JSON text in which each piece of binary data is a placeholder,
 * {"_placeholder":true,"num":0}, beside a list of the pieces; so handlers,
 * templates, acknowledgements, rooms and recovery do not know the parser.
 *
 * Threads: the functions are called on the loop thread. They may look at
 * sockets and the like, but change nothing. Since: 0.1.
 */
#ifndef SOCKETIO_PARSER_H
#define SOCKETIO_PARSER_H

#include <socketio/base.h>
#include <socketio/server.h>

SKIO_BEGIN_DECLS

/** Types of packets, with Socket.IO's numbers. */
enum skio_packet_type {
    SKIO_PACKET_CONNECT = 0,
    SKIO_PACKET_DISCONNECT = 1,
    SKIO_PACKET_EVENT = 2,
    SKIO_PACKET_ACK = 3,
    SKIO_PACKET_CONNECT_ERROR = 4,
    SKIO_PACKET_BINARY_EVENT = 5, /**< read as EVENT, never to be written */
    SKIO_PACKET_BINARY_ACK = 6    /**< read as ACK, never to be written */
};

/** A packet. No text in it is NUL-terminated. */
typedef struct skio_packet {
    size_t struct_size; /**< set by the library */
    enum skio_packet_type type;
    const char *nsp; /**< "/" or "/name" */
    size_t nsp_len;
    bool has_id; /**< it asks for an acknowledgement, or is one */
    uint64_t id; /**< at most 2^53 - 1 */

    /** JSON text. EVENT: `["name",args…]`; ACK: `[args…]`; CONNECT: an object,
     *  from clients the auth; CONNECT_ERROR: an object. NULL: no data. */
    const char *json;
    size_t json_len;

    /** What the placeholders in json stand for, by their num. */
    const skio_bytes *attachments;
    uint32_t attachment_count;
} skio_packet;

/** Where a packet's messages are written to, see skio_encoding_put(). */
typedef struct skio_encoding skio_encoding;

/** What decoding a message may use, see skio_decoding_alloc(). */
typedef struct skio_decoding skio_decoding;

/**
 * A parser. Copied by skio_server_new(), except for what user points to; one
 * parser may serve any number of servers.
 */
struct skio_parser {
    size_t struct_size; /**< sizeof(skio_parser) */

    /**
     * Write a packet as Engine.IO messages, with skio_encoding_put(): one that
     * decode() understands, or one that announces attachments and then these,
     * each a binary message of its own, in their order.
     *
     * A broadcast is encoded once, whoever gets it. The packet is borrowed.
     *
     * Returns SKIO_OK, or what the function that emits returns.
     */
    int (*encode)(const skio_packet *packet, skio_encoding *out, void *user);

    /**
     * Read an Engine.IO message. It comes from a peer: hostile.
     *
     * *packet is all zeroes: fill it. What it points to must stay until the
     * packet was handled: the message, static data, or skio_decoding_alloc().
     * attachments NULL with a count: that many binary messages follow, which
     * the library collects (attachment_timeout_ms, max_http_buffer_size).
     *
     * The library checks what it got: the JSON strictly, its placeholders,
     * names, all limits, and what each type may carry.
     *
     * Returns SKIO_OK; SKIO_ENOMEM; any other error is the peer's, who is
     * disconnected, as Socket.IO does.
     */
    int (*decode)(const void *data, size_t len, bool binary,
                  skio_packet *packet, skio_decoding *in, void *user);

    /** The num of the first placeholder, at most 2^52: 0 is Socket.IO's. A
     *  wire format that tells objects from binary data begins at one that no
     *  object of a user has; then nothing a peer sends is taken for another. */
    uint64_t first_placeholder;

    void *user; /**< the last argument of both */
};

/**
 * Append an Engine.IO message to those of the packet that is encoded. The
 * bytes are copied. A text must be UTF-8.
 *
 * Returns SKIO_OK; SKIO_ENOBUFS when the packet would pass max_outbound_bytes;
 * SKIO_ENOMEM. encode() may return either as it is.
 *
 * Threads: in encode() only. Since: 0.1.
 */
SKIO_API int skio_encoding_put(skio_encoding *out, bool binary,
                               const void *data, size_t len) SKIO_NONNULL(1)
    SKIO_MUST_CHECK;

/**
 * Memory for the packet that is decoded, aligned for any type; the library
 * frees it when the packet was handled.
 *
 * Returns NULL for size 0, when memory ran out, and beyond 16 times
 * max_http_buffer_size: decode() then returns SKIO_ENOMEM.
 *
 * Threads: in decode() only. Since: 0.1.
 */
SKIO_API void *skio_decoding_alloc(skio_decoding *in, size_t size)
    SKIO_NONNULL(1);

/**
 * The options of the server that decodes, for their limits.
 *
 * Threads: in decode() only. Since: 0.1.
 */
SKIO_API const skio_server_options *
skio_decoding_options(const skio_decoding *in) SKIO_NONNULL(1);

/**
 * The parser of the npm package socket.io-msgpack-parser: each packet is one
 * MessagePack map, and binary data stands where it belongs.
 *
 * Returns a static parser, never NULL.
 *
 * Threads: any. Since: 0.1.
 */
SKIO_API const skio_parser *skio_parser_msgpack(void);

SKIO_END_DECLS

#endif /* SOCKETIO_PARSER_H */
