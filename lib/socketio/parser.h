/*
 * Parsers: the seam between packets and a wire format that is not the default
 *
 * A server without the option `parser` never comes here: message.c and
 * packet.c are its parser. With one, messages are made by skio__parser_encode()
 * and read by skio__parser_decode(), both in terms of <socketio/parser.h>.
 */
#ifndef SKIO_SOCKETIO_PARSER_H
#define SKIO_SOCKETIO_PARSER_H

#include <socketio/parser.h>

#include "base/arena.h"
#include "socketio/message.h"
#include "socketio/packet.h"

struct skio_encoding {
    const struct sio_encoder *encoder;
    struct skio_message *message; /* so far; NULL: nothing yet */
    uint32_t cap;                 /* blobs it has room for */
    int err;                      /* the first that put() returned */
};

struct skio_decoding {
    const skio_server_options *options;
    struct skio__arena *arena;
    const char *why; /* for the log */
};

/* A packet that was decoded and checked. */
struct sio_parsed {
    struct sio_packet packet;
    const skio_bytes *attachments; /* NULL: they follow, if there are any */
};

/* Whether a parser has all that it must have. */
bool skio__parser_is_valid(const skio_parser *parser);

/* Encode as message.c does for the default parser; the same errors. */
int skio__parser_encode(const struct sio_encoder *encoder,
                        const skio_packet *packet, struct skio_message **out);

/*
 * Decode a message, with memory from the arena, and check it against the
 * limits of the options.
 *
 * Returns SKIO_OK, SKIO_ENOMEM, or another error and *why for the log.
 */
int skio__parser_decode(const skio_server_options *options,
                        struct skio__arena *arena, const void *data, size_t len,
                        bool binary, struct sio_parsed *out, const char **why);

/* The same for a message of ours, its attachments included. */
int skio__parser_reread(const skio_server_options *options,
                        struct skio__arena *arena,
                        const struct skio_message *message,
                        struct sio_parsed *out);

/* As skio__message_with_tail(): read, and encoded anew. */
struct skio_message *skio__parser_with_tail(const skio_server_options *options,
                                            const struct sio_encoder *encoder,
                                            const struct skio_message *message,
                                            const char *tail, size_t len);

#endif /* SKIO_SOCKETIO_PARSER_H */
