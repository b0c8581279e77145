/*
 * Fuzz target: the frames of a WebSocket client, read whole, cut in two, and a
 * few bytes at a time: the same must be heard each time
 *
 * Input: where to cut, how many bytes at a time, the bytes of the connection.
 */
#include "fuzz/fuzz.h"

#include "transport/frames.h"

/* What one reading must hold to, message by message. */
struct reader {
    struct skio__frames frames;
    struct fuzz_text heard;
    unsigned char *rest;
    size_t had;
    bool amid;
    bool over;
};

static void
hear(struct reader *reader, enum skio__frame_kind kind,
     const struct skio__frame *frame)
{
    fuzz_check(!reader->over);
    switch (kind) {
    case FRAME_PIECE:
        fuzz_check(frame->first == !reader->amid);
        /* How a message comes in pieces depends on the cuts: what is in them
         * does not. */
        if (frame->first)
            fuzz_note(&reader->heard, frame->binary ? "\nB" : "\nT", 2);
        fuzz_note(&reader->heard, frame->data, frame->len);
        reader->amid = !frame->final;
        if (frame->final)
            fuzz_note(&reader->heard, "\nF", 2);
        break;
    case FRAME_PING:
    case FRAME_PONG:
    case FRAME_CLOSE:
        fuzz_check(frame->len <= 125);
        fuzz_note_int(&reader->heard, (int64_t)kind);
        fuzz_note(&reader->heard, frame->data, frame->len);
        reader->over = kind == FRAME_CLOSE;
        if (reader->over && frame->len > 0)
            fuzz_check(frame->len >= 2);
        break;
    case FRAME_BAD:
        fuzz_check(frame->error != NULL && *frame->error != '\0');
        fuzz_check(frame->status == 1002 || frame->status == 1007 ||
                   frame->status == 1008 || frame->status == 1009);
        fuzz_note_int(&reader->heard, frame->status);
        fuzz_note(&reader->heard, frame->error, strlen(frame->error));
        reader->over = true;
        break;
    case FRAME_NONE:
        break;
    }
}

/* As a transport does: what was left goes before what comes. */
static void
feed(struct reader *reader, const uint8_t *data, size_t len)
{
    size_t size = reader->had + len;
    unsigned char *bytes = malloc(size > 0 ? size : 1);
    unsigned char *at;
    struct skio__frame frame;
    enum skio__frame_kind kind;

    if (bytes == NULL)
        abort();
    if (reader->had > 0)
        memcpy(bytes, reader->rest, reader->had);
    if (len > 0)
        memcpy(bytes + reader->had, data, len);
    at = bytes;
    for (;;) {
        unsigned char *before = at;

        kind = skio__frames_next(&reader->frames, &at, bytes + size, &frame);
        fuzz_check(at >= before && at <= bytes + size);
        if (kind == FRAME_NONE)
            break;
        hear(reader, kind, &frame);
        if (reader->over)
            break;
    }
    free(reader->rest);
    reader->rest = NULL;
    reader->had = 0;
    if (!reader->over) {
        reader->had = (size_t)(bytes + size - at);
        fuzz_check(reader->had <= SKIO__FRAME_REST_MAX);
        reader->rest = fuzz_exact(at, reader->had);
    }
    free(bytes);
}

/* In parts: first `first` bytes, then `step` at a time. */
static void
read_all(struct fuzz_text *heard, const uint8_t *data, size_t size,
         size_t first, size_t step)
{
    struct reader reader = {.had = 0};

    if (first > size)
        first = size;
    feed(&reader, data, first);
    for (size_t at = first; at < size && !reader.over; at += step)
        feed(&reader, data + at, size - at < step ? size - at : step);
    free(reader.rest);
    *heard = reader.heard;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    size_t cut = fuzz_byte(&in);
    size_t step = 1 + fuzz_below(&in, 7);
    struct fuzz_text whole;
    struct fuzz_text other;

    read_all(&whole, in.at, in.left, in.left, 1);
    read_all(&other, in.at, in.left, cut, in.left + 1);
    fuzz_check(fuzz_same(&whole, &other));
    free(other.data);
    read_all(&other, in.at, in.left, 0, step);
    fuzz_check(fuzz_same(&whole, &other));
    free(other.data);
    free(whole.data);
    return 0;
}
