/*
 * Frames of a client: each text of bytes is read whole, cut at every byte, and
 * byte by byte, and must say the same each time
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "transport/frames.h"

#define WIRE_MAX 70000

static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* What is to be read, and what was: messages and control frames as lines. */
static unsigned char wire[WIRE_MAX];
static size_t wire_len;
static char heard[WIRE_MAX * 2];
static size_t heard_len;

/* A frame with any first byte; its length in the shortest form. */
static void
put(unsigned first, const void *data, size_t len)
{
    unsigned char *at = wire + wire_len;
    const unsigned char *bytes = data;

    assert_true(wire_len + len + 14 <= sizeof(wire));
    *at++ = (unsigned char)first;
    if (len < 126) {
        *at++ = (unsigned char)(0x80 | len);
    } else if (len < 65536) {
        *at++ = 0x80 | 126;
        *at++ = (unsigned char)(len >> 8);
        *at++ = (unsigned char)len;
    } else {
        *at++ = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            *at++ = (unsigned char)((uint64_t)len >> shift);
    }
    memcpy(at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++)
        *at++ = bytes[i] ^ mask[i & 3];
    wire_len = (size_t)(at - wire);
}

static void
put_text(unsigned first, const char *text)
{
    put(first, text, strlen(text));
}

static void
put_raw(const void *data, size_t len)
{
    memcpy(wire + wire_len, data, len);
    wire_len += len;
}

static void
hear(const char *text, size_t len)
{
    assert_true(heard_len + len < sizeof(heard));
    memcpy(heard + heard_len, text, len);
    heard_len += len;
    heard[heard_len] = '\0';
}

/* "text:", its bytes over all pieces, "\n"; "ping:…\n"; "1002 why\n" */
static void
hear_frame(enum skio__frame_kind kind, const struct skio__frame *frame)
{
    const char *data = (const char *)frame->data;
    char line[128];

    if (kind == FRAME_PIECE) {
        if (frame->first)
            hear(frame->binary ? "binary:" : "text:", frame->binary ? 7 : 5);
        hear(data, frame->len);
        if (frame->final)
            hear("\n", 1);
        return;
    }
    if (kind == FRAME_BAD) {
        snprintf(line, sizeof(line), "%u %s\n", (unsigned)frame->status,
                 frame->error);
        hear(line, strlen(line));
        return;
    }
    hear(kind == FRAME_PING   ? "ping:"
         : kind == FRAME_PONG ? "pong:"
                              : "close:",
         kind == FRAME_CLOSE ? 6 : 5);
    hear(data, frame->len);
    hear("\n", 1);
}

/* Read the next part as a transport does: what is left goes before it. */
static void
feed(struct skio__frames *frames, unsigned char *buf, size_t *had,
     const unsigned char *data, size_t len)
{
    unsigned char *at = buf;
    unsigned char *end;
    struct skio__frame frame;
    enum skio__frame_kind kind;

    memcpy(buf + *had, data, len);
    end = buf + *had + len;
    while ((kind = skio__frames_next(frames, &at, end, &frame)) != FRAME_NONE)
        hear_frame(kind, &frame);
    *had = (size_t)(end - at);
    assert_true(*had <= SKIO__FRAME_REST_MAX);
    memmove(buf, at, *had);
}

static void
expect_cut(size_t cut, size_t step, const char *wanted)
{
    static unsigned char buf[WIRE_MAX + SKIO__FRAME_REST_MAX];
    struct skio__frames frames = {.left = 0};
    size_t had = 0;

    heard_len = 0;
    heard[0] = '\0';
    feed(&frames, buf, &had, wire, cut);
    for (size_t at = cut; at < wire_len; at += step)
        feed(&frames, buf, &had, wire + at,
             wire_len - at < step ? wire_len - at : step);
    assert_string_equal(heard, wanted);
}

static void
expect(const char *wanted)
{
    for (size_t cut = 0; cut <= wire_len; cut++)
        expect_cut(cut, wire_len, wanted);
    expect_cut(0, 1, wanted);
    expect_cut(0, 3, wanted);
    wire_len = 0;
}

static void
state_between_two_reads_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct skio__frames) <= 24);
}

static void
messages_come_whole_whatever_the_cuts(void **state)
{
    (void)state;
    put_text(0x81, "hello");
    put_text(0x82, "\x01\x02\x03");
    put_text(0x81, "");
    put_text(0x81, "after an empty one, in more than one word of sixty-four");
    expect("text:hello\nbinary:\x01\x02\x03\ntext:\n"
           "text:after an empty one, in more than one word of sixty-four\n");
}

static void
message_in_one_read_is_one_piece_where_it_lies(void **state)
{
    struct skio__frames frames = {.left = 0};
    struct skio__frame frame;
    unsigned char *at = wire;

    (void)state;
    put_text(0x81, "hello");
    assert_int_equal(skio__frames_next(&frames, &at, wire + wire_len, &frame),
                     FRAME_PIECE);
    assert_ptr_equal(frame.data, wire + 6);
    assert_int_equal(frame.len, 5);
    assert_true(frame.first && frame.final && !frame.binary);
    assert_ptr_equal(at, wire + wire_len);
    wire_len = 0;
}

static void
pieces_say_where_their_message_begins_and_ends(void **state)
{
    struct skio__frames frames = {.left = 0};
    struct skio__frame frame;
    unsigned char *at = wire;

    (void)state;
    put_text(0x01, "ab");
    put_text(0x00, "cd");
    put_text(0x80, "");
    assert_int_equal(skio__frames_next(&frames, &at, wire + 7, &frame),
                     FRAME_PIECE);
    assert_true(frame.len == 1 && frame.first && !frame.final);
    assert_int_equal(skio__frames_next(&frames, &at, wire + 8, &frame),
                     FRAME_PIECE);
    assert_true(frame.len == 1 && !frame.first && !frame.final);
    assert_int_equal(skio__frames_next(&frames, &at, wire + 16, &frame),
                     FRAME_PIECE);
    assert_true(frame.len == 2 && !frame.first && !frame.final);
    assert_int_equal(skio__frames_next(&frames, &at, wire + wire_len, &frame),
                     FRAME_PIECE);
    assert_true(frame.len == 0 && !frame.first && frame.final);
    wire_len = 0;
}

static void
fragments_are_one_message_with_control_frames_between(void **state)
{
    (void)state;
    put_text(0x01, "");
    put_text(0x00, "one ");
    put_text(0x89, "are you there");
    put_text(0x00, "two ");
    put_text(0x8a, "");
    put_text(0x80, "three");
    put_text(0x02, "\x05");
    put_text(0x80, "");
    expect("text:one ping:are you there\ntwo pong:\nthree\nbinary:\x05\n");
}

/* The length has three forms, and the mask goes round in each of them. */
static void
long_messages_are_unmasked_over_all_their_reads(void **state)
{
    static const size_t sizes[] = {125, 126, 127, 4099, 65535, 65536};
    static char text[65536];
    static char wanted[65536 + 16];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        size_t len = sizes[n];

        snprintf(wanted, sizeof(wanted), "text:%.*s\n", (int)len, text);
        put(0x81, text, len);
        for (size_t cut = 0; cut < 24; cut++)
            expect_cut(cut, 4093, wanted);
        expect_cut(0, 1, wanted);
        expect_cut(wire_len, 1, wanted);
        wire_len = 0;
    }
}

/* A length may be written longer than needed: ws takes it. */
static void
length_need_not_be_in_its_shortest_form(void **state)
{
    (void)state;
    put_raw("\x81\xfe\0\2\0\0\0\0ok", 10);
    put_raw("\x81\xff\0\0\0\0\0\0\0\2\0\0\0\0ok", 16);
    expect("text:ok\ntext:ok\n");
}

static void
nothing_is_read_after_a_close(void **state)
{
    (void)state;
    put_text(0x88, "");
    put_text(0x81, "late");
    expect("close:\n");
    put_text(0x88, "\x03\xe8"
                   "bye \xc3\xa4");
    put_text(0x88, "\x03\xe8");
    expect("close:\x03\xe8"
           "bye \xc3\xa4\n");
}

static void
close_has_a_status_that_may_be_sent(void **state)
{
    static const struct {
        unsigned first;
        unsigned last;
        bool valid;
    } ranges[] = {{0, 999, false},     {1000, 1003, true},  {1004, 1006, false},
                  {1007, 1014, true},  {1015, 2999, false}, {3000, 4999, true},
                  {5000, 65535, false}};

    (void)state;
    for (size_t n = 0; n < sizeof(ranges) / sizeof(ranges[0]); n++)
        for (unsigned code = ranges[n].first; code <= ranges[n].last; code++) {
            struct skio__frames frames = {.left = 0};
            struct skio__frame frame;
            unsigned char *at = wire;
            unsigned char data[2] = {(unsigned char)(code >> 8),
                                     (unsigned char)code};
            enum skio__frame_kind kind;

            wire_len = 0;
            put(0x88, data, 2);
            kind = skio__frames_next(&frames, &at, wire + wire_len, &frame);
            if (ranges[n].valid) {
                assert_int_equal(kind, FRAME_CLOSE);
            } else {
                assert_int_equal(kind, FRAME_BAD);
                assert_int_equal(frame.status, 1002);
            }
        }
    wire_len = 0;
}

static void
reason_of_a_close_is_utf8(void **state)
{
    (void)state;
    put_text(0x88, "\x03\xe8\xc3");
    expect("1007 the reason of a Close frame is not UTF-8\n");
}

static void
illegal_frames_are_refused_and_nothing_is_read_after_them(void **state)
{
    static const struct {
        unsigned before; /* a legal frame before it; 0: none */
        unsigned first;
        size_t len;
        const char *wanted;
    } frames[] = {
        {0, 0xc1, 1, "1002 a frame has reserved bits set\n"},
        {0, 0xa1, 1, "1002 a frame has reserved bits set\n"},
        {0, 0x91, 1, "1002 a frame has reserved bits set\n"},
        {0, 0xc9, 1, "1002 a frame has reserved bits set\n"},
        {0x01, 0xc0, 1, "text:x1002 a frame has reserved bits set\n"},
        {0, 0x80, 1, "1002 a continuation frame continues nothing\n"},
        {0, 0x00, 0, "1002 a continuation frame continues nothing\n"},
        {0x81, 0x80, 1,
         "text:x\n1002 a continuation frame continues "
         "nothing\n"},
        {0x01, 0x81, 1, "text:x1002 a message begins inside of another\n"},
        {0x01, 0x02, 1, "text:x1002 a message begins inside of another\n"},
        {0, 0x83, 1, "1002 a frame has an unknown opcode\n"},
        {0, 0x87, 1, "1002 a frame has an unknown opcode\n"},
        {0, 0x8b, 1, "1002 a frame has an unknown opcode\n"},
        {0, 0x8f, 1, "1002 a frame has an unknown opcode\n"},
        {0, 0x09, 1, "1002 a control frame is fragmented\n"},
        {0, 0x08, 0, "1002 a control frame is fragmented\n"},
        {0, 0x89, 126, "1002 a control frame has an invalid length\n"},
        {0, 0x8a, 65536, "1002 a control frame has an invalid length\n"},
        {0, 0x88, 1, "1002 a control frame has an invalid length\n"},
    };
    static const char data[65536] = "x";

    (void)state;
    for (size_t n = 0; n < sizeof(frames) / sizeof(frames[0]); n++) {
        if (frames[n].before != 0)
            put_text(frames[n].before, "x");
        put(frames[n].first, data, frames[n].len);
        put_text(0x81, "more");
        if (frames[n].len < 1000) {
            expect(frames[n].wanted);
        } else {
            expect_cut(0, wire_len, frames[n].wanted);
            wire_len = 0;
        }
    }
}

static void
frame_without_a_mask_is_refused(void **state)
{
    (void)state;
    put_raw("\x81\2ok", 4);
    put_text(0x81, "more");
    expect("1002 a frame is not masked\n");
    put_raw("\x89\0", 2);
    expect("1002 a frame is not masked\n");
}

static void
length_beyond_what_can_be_counted_is_refused(void **state)
{
    (void)state;
    put_raw("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14);
    expect("1009 a frame is too long to count\n");
    put_raw("\x82\xff\0\x20\0\0\0\0\0\0\0\0\0\0", 14);
    expect("1009 a frame is too long to count\n");
    put_raw("\x82\xff\0\x1f\xff\xff\xff\xff\xff\xff\0\0\0\0", 14);
    put_raw("begins", 6);
    expect("binary:begins");
}

static void
fragments_are_bounded(void **state)
{
    struct skio__frames frames = {.left = 0};
    struct skio__frame frame;
    enum skio__frame_kind kind = FRAME_PIECE;
    int count = 0;

    (void)state;
    for (; kind == FRAME_PIECE && count < 20000; count++) {
        unsigned char *at = wire;

        wire_len = 0;
        put_text(count == 0 ? 0x01 : 0x00, "");
        kind = skio__frames_next(&frames, &at, wire + wire_len, &frame);
    }
    assert_int_equal(kind, FRAME_BAD);
    assert_int_equal(frame.status, 1008);
    assert_int_equal(count, SKIO__FRAGMENTS_MAX + 1);
    wire_len = 0;
}

/* Each message has its own count. */
static void
fragments_are_counted_by_message(void **state)
{
    struct skio__frames frames = {.left = 0};
    struct skio__frame frame;

    (void)state;
    for (int message = 0; message < 3; message++)
        for (int i = 0; i <= SKIO__FRAGMENTS_MAX; i++) {
            unsigned char *at = wire;
            bool ends = i == SKIO__FRAGMENTS_MAX;

            wire_len = 0;
            put_text((i == 0 ? 0x01U : 0) | (ends ? 0x80U : 0), "x");
            assert_int_equal(skio__frames_next(&frames, &at, wire + wire_len,
                                               &frame),
                             FRAME_PIECE);
            assert_true(frame.final == ends);
        }
    wire_len = 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_between_two_reads_is_small),
        cmocka_unit_test(messages_come_whole_whatever_the_cuts),
        cmocka_unit_test(message_in_one_read_is_one_piece_where_it_lies),
        cmocka_unit_test(pieces_say_where_their_message_begins_and_ends),
        cmocka_unit_test(fragments_are_one_message_with_control_frames_between),
        cmocka_unit_test(long_messages_are_unmasked_over_all_their_reads),
        cmocka_unit_test(length_need_not_be_in_its_shortest_form),
        cmocka_unit_test(nothing_is_read_after_a_close),
        cmocka_unit_test(close_has_a_status_that_may_be_sent),
        cmocka_unit_test(reason_of_a_close_is_utf8),
        cmocka_unit_test(
            illegal_frames_are_refused_and_nothing_is_read_after_them),
        cmocka_unit_test(frame_without_a_mask_is_refused),
        cmocka_unit_test(length_beyond_what_can_be_counted_is_refused),
        cmocka_unit_test(fragments_are_bounded),
        cmocka_unit_test(fragments_are_counted_by_message),
    };

    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
