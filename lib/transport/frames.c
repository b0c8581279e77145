#include "transport/frames.h"

#include <string.h>

#include "base/compiler.h"
#include "base/utf8.h"

#define FIN 0x80
#define RSV 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f

#define CONTROL_MAX 125
#define LENGTH_MAX (((uint64_t)1 << 53) - 1) /* what JavaScript can count */

enum opcode {
    CONTINUATION = 0,
    TEXT = 1,
    BINARY = 2,
    CONTROL = 8, /* from here on */
    CLOSE = 8,
    PING = 9,
    PONG = 10
};

enum status {
    PROTOCOL_ERROR = 1002,
    BAD_DATA = 1007,
    POLICY = 1008,
    TOO_BIG = 1009
};

static enum skio__frame_kind
refuse(struct skio__frames *frames, struct skio__frame *frame, uint16_t status,
       const char *error)
{
    frames->over = true;
    frame->status = status;
    frame->error = error;
    return FRAME_BAD;
}

/* Word by word: it is all that is left to do for each byte of a message. */
static inline void
unmask(unsigned char *data, size_t len, const unsigned char mask[4])
{
    uint32_t half, key32;
    uint64_t word, key64;
    size_t i = 0;

    memcpy(&key32, mask, sizeof(key32));
    key64 = (uint64_t)key32 << 32 | key32;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, data + i, sizeof(word));
        word ^= key64;
        memcpy(data + i, &word, sizeof(word));
    }
    if (i + sizeof(half) <= len) {
        memcpy(&half, data + i, sizeof(half));
        half ^= key32;
        memcpy(data + i, &half, sizeof(half));
        i += sizeof(half);
    }
    for (; i < len; i++)
        data[i] ^= mask[i & 3];
}

#define SHORT_HEAD (2 + 4) /* bytes: one of length, and the mask */
#define SHORT_MAX 125

/*
 * Nearly all that comes: a message in one frame, short and complete, between
 * others. Nothing of it need be remembered.
 */
static inline bool
take_short(const struct skio__frames *frames, unsigned char **at,
           const unsigned char *end, struct skio__frame *frame)
{
    unsigned char *head = *at;
    size_t have = (size_t)(end - head);
    size_t len;

    if (frames->left > 0 || frames->amid || frames->over || have < SHORT_HEAD ||
        (head[0] != (FIN | TEXT) && head[0] != (FIN | BINARY)) ||
        head[1] < MASKED || head[1] > (MASKED | SHORT_MAX))
        return false;
    len = head[1] & LENGTH;
    if (have - SHORT_HEAD < len)
        return false;

    unmask(head + SHORT_HEAD, len, head + 2);
    frame->data = head + SHORT_HEAD;
    frame->len = len;
    frame->binary = head[0] == (FIN | BINARY);
    frame->first = true;
    frame->final = true;
    *at = head + SHORT_HEAD + len;
    return true;
}

/* The piece of the frame that has begun. */
static enum skio__frame_kind
take_piece(struct skio__frames *frames, unsigned char **at, unsigned char *end,
           struct skio__frame *frame)
{
    size_t len = (size_t)(end - *at);

    if (len > frames->left)
        len = (size_t)frames->left;
    unmask(*at, len, frames->mask);
    frames->left -= len;

    frame->data = *at;
    frame->len = len;
    frame->binary = frames->binary;
    frame->first = frames->untold;
    frame->final = frames->fin && frames->left == 0;
    *at += len;
    frames->untold = false;

    if (frames->left > 0) { /* the mask goes on where it has stopped */
        unsigned char mask[4];

        memcpy(mask, frames->mask, sizeof(mask));
        for (size_t i = 0; i < sizeof(mask); i++)
            frames->mask[i] = mask[(len + i) & 3];
        return FRAME_PIECE;
    }
    if (frames->fin)
        frames->amid = false;
    else if (++frames->fragments > SKIO__FRAGMENTS_MAX)
        return refuse(frames, frame, POLICY, "too many fragments");
    return FRAME_PIECE;
}

/* What ws sends and takes; lws has no function for it. */
static bool
is_status(unsigned status)
{
    if (status >= 3000 && status <= 4999)
        return true;
    return status >= 1000 && status <= 1014 && status != 1004 &&
           status != 1005 && status != 1006;
}

static enum skio__frame_kind
take_close(struct skio__frames *frames, struct skio__frame *frame)
{
    const unsigned char *data = frame->data;

    if (frame->len >= 2 && !is_status((unsigned)data[0] << 8 | data[1]))
        return refuse(frames, frame, PROTOCOL_ERROR,
                      "a Close frame has an invalid status");
    if (frame->len > 2 &&
        !skio__utf8_valid((const char *)data + 2, frame->len - 2))
        return refuse(frames, frame, BAD_DATA,
                      "the reason of a Close frame is not UTF-8");
    frames->over = true;
    return FRAME_CLOSE;
}

/* A frame that lies there whole, its mask at *at. */
static enum skio__frame_kind
take_control(struct skio__frames *frames, unsigned opcode, unsigned char **at,
             size_t len, struct skio__frame *frame)
{
    frame->data = *at + 4;
    frame->len = len;
    unmask(frame->data, len, *at);
    *at += 4 + len;

    if (opcode == CLOSE)
        return take_close(frames, frame);
    return opcode == PING ? FRAME_PING : FRAME_PONG;
}

/* What is wrong with the first two bytes of a frame, or NULL. */
static const char *
find_error(const struct skio__frames *frames, const unsigned char *head)
{
    unsigned opcode = head[0] & OPCODE;
    unsigned len = head[1] & LENGTH;

    /* nearly all of them: a message in one frame */
    if ((head[0] == (FIN | TEXT) || head[0] == (FIN | BINARY)) &&
        head[1] >= MASKED && !frames->amid)
        return NULL;
    if ((head[0] & RSV) != 0)
        return "a frame has reserved bits set";
    if (opcode == CONTINUATION && !frames->amid)
        return "a continuation frame continues nothing";
    if ((opcode == TEXT || opcode == BINARY) && frames->amid)
        return "a message begins inside of another";
    if (opcode > PONG || (opcode > BINARY && opcode < CONTROL))
        return "a frame has an unknown opcode";
    if (opcode >= CONTROL && (head[0] & FIN) == 0)
        return "a control frame is fragmented";
    if (opcode >= CONTROL &&
        (len > CONTROL_MAX || (opcode == CLOSE && len == 1)))
        return "a control frame has an invalid length";
    if ((head[1] & MASKED) == 0)
        return "a frame is not masked";
    return NULL;
}

static uint64_t
read_number(const unsigned char *data, size_t len)
{
    uint64_t number = 0;

    for (size_t i = 0; i < len; i++)
        number = number << 8 | data[i];
    return number;
}

static void
begin_frame(struct skio__frames *frames, unsigned char first)
{
    unsigned opcode = first & OPCODE;

    frames->fin = (first & FIN) != 0;
    if (opcode == CONTINUATION)
        return;
    frames->amid = true;
    frames->untold = true;
    frames->binary = opcode == BINARY;
    frames->fragments = 0;
}

static skio__rare enum skio__frame_kind
next_of_any_kind(struct skio__frames *frames, unsigned char **at,
                 unsigned char *end, struct skio__frame *frame)
{
    unsigned char *head = *at;
    size_t have = (size_t)(end - head);
    size_t size; /* of the header, without the mask */
    uint64_t len;
    const char *error;

    if (frames->over) {
        *at = end;
        return FRAME_NONE;
    }
    if (frames->left > 0)
        return have > 0 ? take_piece(frames, at, end, frame) : FRAME_NONE;
    if (have < 2)
        return FRAME_NONE;

    error = find_error(frames, head);
    if (error != NULL)
        return refuse(frames, frame, PROTOCOL_ERROR, error);

    len = head[1] & LENGTH;
    size = len == 127 ? 10 : len == 126 ? 4 : 2;
    if (have < size)
        return FRAME_NONE;
    if (size > 2)
        len = read_number(head + 2, size - 2);
    if (len > LENGTH_MAX)
        return refuse(frames, frame, TOO_BIG, "a frame is too long to count");

    if ((head[0] & OPCODE) >= CONTROL) {
        if (have < size + 4 + len)
            return FRAME_NONE;
        *at = head + size;
        return take_control(frames, head[0] & OPCODE, at, (size_t)len, frame);
    }
    if (have < size + 4)
        return FRAME_NONE;
    begin_frame(frames, head[0]);
    frames->left = len;
    memcpy(frames->mask, head + size, sizeof(frames->mask));
    *at = head + size + 4;
    if (len > 0 && *at == end)
        return FRAME_NONE;
    return take_piece(frames, at, end, frame);
}

enum skio__frame_kind
skio__frames_next(struct skio__frames *frames, unsigned char **at,
                  unsigned char *end, struct skio__frame *frame)
{
    if (skio__likely(take_short(frames, at, end, frame)))
        return FRAME_PIECE;
    return next_of_any_kind(frames, at, end, frame);
}
