/*
 * What the servers of a cluster say to each other, and how it looks in bytes
 *
 * One shape for both languages that Node's adapters speak: the classic one
 * (@socket.io/redis-adapter) and the one of "cluster messages" (its sharded
 * adapter, the streams adapter). No I/O, no state. What is decoded is hostile:
 * checked here, all of it, so that who uses it need not.
 */
#ifndef SKIO_ADAPTER_WIRE_H
#define SKIO_ADAPTER_WIRE_H

#include <socketio/base.h>
#include <socketio/emit.h>

#include "base/arena.h"
#include "base/buf.h"

/* The numbers of cluster messages; classic ones are translated. */
enum skio__wire_type {
    SKIO__WIRE_INITIAL_HEARTBEAT = 1,
    SKIO__WIRE_HEARTBEAT = 2,
    SKIO__WIRE_BROADCAST = 3, /* with a request: wants acks */
    SKIO__WIRE_SOCKETS_JOIN = 4,
    SKIO__WIRE_SOCKETS_LEAVE = 5,
    SKIO__WIRE_DISCONNECT_SOCKETS = 6,
    SKIO__WIRE_FETCH_SOCKETS = 7,
    SKIO__WIRE_FETCH_SOCKETS_RESPONSE = 8,
    SKIO__WIRE_SERVER_SIDE_EMIT = 9, /* with a request: wants an answer */
    SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE = 10,
    SKIO__WIRE_BROADCAST_CLIENT_COUNT = 11,
    SKIO__WIRE_BROADCAST_ACK = 12,
    SKIO__WIRE_ADAPTER_CLOSE = 13,

    /* The classic adapter's alone. */
    SKIO__WIRE_SOCKETS = 101, /* ids of sockets in rooms */
    SKIO__WIRE_ALL_ROOMS = 102,
    SKIO__WIRE_RESPONSE = 103, /* to one of those two, or a fetch: its type is
                                  not told, the request says which; and the
                                  legacy answer without a list */
};

/*
 * A message. Strings are not NUL-terminated unless told; all borrowed: of who
 * encodes it, or of the input and the arena when it was decoded.
 */
struct skio__wire_message {
    enum skio__wire_type type;
    skio_bytes uid;     /* of the server that says it; empty: not told */
    skio_bytes request; /* names a question, or what is answered; empty: none */
    skio_bytes nsp;     /* "/chat"; empty: not told */

    /* BROADCAST, JOIN, LEAVE, DISCONNECT, FETCH, SOCKETS: NULL-terminated lists
     * of NUL-terminated names; NULL is an empty one. */
    const char *const *to;
    const char *const *except;
    unsigned flags;      /* SKIO_VOLATILE, SKIO_NO_COMPRESS; no other is told */
    uint32_t timeout_ms; /* flags.timeout; 0: none */

    const char *const *rooms; /* JOIN, LEAVE: which; RESPONSE with has_rooms:
                                 the answer, where json is empty */
    bool close;               /* DISCONNECT */
    bool taken;     /* DISCONNECT, of ours: the socket's session lives on at who
                   says it. Not known to Node, which ignores it. */
    bool is_legacy; /* classic JOIN, LEAVE, DISCONNECT: of one socket, whose id
                       is in `to`; answered, by who has it, with a RESPONSE */
    size_t client_count; /* BROADCAST_CLIENT_COUNT */

    /*
     * JSON, placeholders standing for attachments 0 to count - 1:
     *   BROADCAST, SERVER_SIDE_EMIT   array of name and arguments
     *   BROADCAST_ACK                 one value, the client's first argument;
     *                                 empty: undefined
     *   SERVER_SIDE_EMIT_RESPONSE     one value; empty: undefined
     *   FETCH_SOCKETS_RESPONSE        array of {id, handshake, rooms, data}
     *   RESPONSE                      its sockets or rooms, an array; empty:
     *                                 neither was there
     * Decoded: valid JSON of the right outermost type, within max_depth.
     */
    skio_bytes json;
    const skio_bytes *attachments;
    uint32_t attachment_count;
    bool has_rooms; /* RESPONSE: json is a list of rooms, not of sockets */
};

struct skio__wire_limits {
    uint32_t max_depth;       /* of JSON */
    uint32_t max_attachments; /* 0 to UINT32_MAX */
    uint32_t max_rooms;       /* in one list */
    size_t max_name_bytes;    /* of a room, a uid, a request, a namespace */
};

/* ---- wire_write.c ---- */

/* Append the json of a message, its attachments as JSON.stringify() writes a
 * Buffer. Returns out->err, or SKIO_EINVAL when there is none. */
int skio__wire_plain_json(struct skio__buf *out,
                          const struct skio__wire_message *message);

/* ---- wire_classic.c ---- */

/*
 * A broadcast without acks (array of three, MessagePack), or a request, or a
 * response (JSON, or MessagePack where Node has it: types 7 and 9). nsp is
 * needed for the packet. In JSON an attachment is {"type":"Buffer","data":[]},
 * as JSON.stringify() has it, and such an object for who gets it.
 *
 * Returns out->err, or SKIO_EINVAL for what has no request that needs one, no
 * json that needs some, or is no message of the language; out is then as it
 * was.
 */
int skio__wire_classic_encode(struct skio__buf *out,
                              const struct skio__wire_message *message);

/* Where a message came from says what it can be. */
enum skio__wire_classic_channel {
    SKIO__WIRE_CLASSIC_BROADCAST, /* P#N#..., */
    SKIO__WIRE_CLASSIC_REQUEST,
    SKIO__WIRE_CLASSIC_RESPONSE
};

/*
 * message is written only on success. nsp is "/" for a broadcast that does not
 * tell it. Attachments belong to the payload: bytes elsewhere are refused.
 * Events have a name, a string or a number, that may be a reserved one.
 *
 * Returns SKIO_OK; SKIO_EPROTO, SKIO_EUTF8 or SKIO_ELIMIT for what is no such
 * message (ignore it); SKIO_ENOMEM. After an error the arena is as it was.
 */
int skio__wire_classic_decode(const void *data, size_t len,
                              enum skio__wire_classic_channel channel,
                              const struct skio__wire_limits *limits,
                              struct skio__arena *arena,
                              struct skio__wire_message *message);

/* ---- wire_cluster.c ---- */

/* The whole envelope {type, data, uid, nsp}: JSON, or MessagePack when one of
 * types 3, 8, 9, 10, 12 has attachments; always_msgpack: MessagePack for all
 * (the streams adapter's ephemeral messages). Returns as classic_encode();
 * decoding is as classic_decode() too. */
int skio__wire_cluster_encode(struct skio__buf *out,
                              const struct skio__wire_message *message,
                              bool always_msgpack);
int skio__wire_cluster_decode(const void *data, size_t len,
                              const struct skio__wire_limits *limits,
                              struct skio__arena *arena,
                              struct skio__wire_message *message);

/* The member `data` alone, as a stream's entry has it: JSON, or base64 of
 * MessagePack when there are attachments (only_plaintext: never). Appends
 * nothing for types without data. */
int skio__wire_cluster_encode_data(struct skio__buf *out,
                                   const struct skio__wire_message *message,
                                   bool only_plaintext);
/* type, uid and nsp are the caller's to set before. */
int skio__wire_cluster_decode_data(const void *data, size_t len,
                                   const struct skio__wire_limits *limits,
                                   struct skio__arena *arena,
                                   struct skio__wire_message *message);

#endif /* SKIO_ADAPTER_WIRE_H */
