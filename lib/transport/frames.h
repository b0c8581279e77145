/*
 * Reading WebSocket frames of a client (RFC 6455, 5), without I/O
 *
 * Bytes go in as they come off the wire, and are unmasked where they lie. A
 * data frame comes out in as many pieces as it has come in, at once when it is
 * whole. Headers and control frames are only taken whole: the few bytes of one
 * that is not are left to the caller, who puts them before what comes next. So
 * a connection keeps 24 bytes between two reads, and no buffer.
 *
 * What is refused, and with which status, follows ws 8, the library below the
 * reference server.
 */
#ifndef SKIO_TRANSPORT_FRAMES_H
#define SKIO_TRANSPORT_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that skio__frames_next() leaves: a control frame but for a byte. */
#define SKIO__FRAME_REST_MAX (2 + 4 + 125 - 1)
#define SKIO__FRAGMENTS_MAX 10000 /* of one message; ws' default is 131072 */

enum skio__frame_kind {
    FRAME_NONE,  /* more bytes must come */
    FRAME_PIECE, /* of a message */
    FRAME_PING,
    FRAME_PONG,
    FRAME_CLOSE,
    FRAME_BAD /* end the connection; nothing more is read */
};

struct skio__frame {
    unsigned char *data; /* unmasked; of a Close: code and reason */
    size_t len;
    const char *error; /* FRAME_BAD: what is wrong */
    uint16_t status;   /* and the status to close with */
    bool binary;       /* FRAME_PIECE, as the next two */
    bool first;        /* of its message */
    bool final;
};

/* Zeroed at the start. */
struct skio__frames {
    uint64_t left;         /* payload of the data frame that has begun */
    unsigned char mask[4]; /* for the next byte of it */
    uint32_t fragments : 24;
    bool amid : 1; /* a message has begun */
    bool binary : 1;
    bool untold : 1; /* no piece of it was given yet */
    bool fin : 1;    /* of the frame that has begun */
    bool over : 1;   /* after a Close, or an error: nothing is read */
};

/*
 * Take a piece or a control frame from *at, which moves on to behind it;
 * fills *frame. After FRAME_NONE what is left up to end is the beginning of a
 * frame, of SKIO__FRAME_REST_MAX bytes at most.
 */
enum skio__frame_kind skio__frames_next(struct skio__frames *frames,
                                        unsigned char **at, unsigned char *end,
                                        struct skio__frame *frame);

#endif /* SKIO_TRANSPORT_FRAMES_H */
