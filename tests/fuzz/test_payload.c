/*
 * Fuzz target: Engine.IO packets, and payloads of long-polling, of protocols 4
 * and 3
 *
 * Input: a byte that chooses, the packets allowed, the body.
 */
#include "fuzz/fuzz.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "engineio/payload.h"
#include "engineio/payload3.h"
#include "unit/alloc.h"

#define PACKETS_MAX 64

enum form { FORM_4, FORM_3_TEXT, FORM_3_BINARY };

static int
next_packet(struct eio_payload *payload, enum form form,
            struct eio_packet *packet)
{
    return form == FORM_4
               ? skio__payload_next(payload, packet)
               : skio__payload3_next(payload, form == FORM_3_BINARY, packet);
}

/* What was decoded has no junk in it, and each letter is worth six bits. */
static void
check_plain(const char *text, size_t len, ptrdiff_t got)
{
    size_t letters = 0;

    if (got < 0)
        return;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '-' ||
            c == '_')
            letters++;
        else
            fuzz_check(c == '=' || c == '\r' || c == '\n');
    }
    fuzz_check((size_t)got == letters * 6 / 8);
}

static void
check_packet(const char *text, size_t len, const struct eio_packet *packet)
{
    unsigned char *plain;

    fuzz_check(packet->type >= EIO_OPEN && packet->type <= EIO_NOOP);
    fuzz_check(packet->data >= text && packet->len <= len);
    fuzz_check((size_t)(packet->data - text) <= len - packet->len);
    fuzz_check(!packet->base64 || packet->binary);
    if (!packet->base64)
        return;
    plain = malloc(packet->len + 1);
    check_plain(packet->data, packet->len,
                skio__base64_decode(packet->data, packet->len, plain));
    free(plain);
}

/* Read all of a body. Returns how many packets there were, or the error. */
static int
read_all(const char *text, size_t len, enum form form, struct fuzz_text *heard,
         int *count)
{
    struct eio_payload payload;
    struct eio_packet packet;
    int result;

    *count = 0;
    skio__payload_init(&payload, text, len);
    while ((result = next_packet(&payload, form, &packet)) == 1) {
        check_packet(text, len, &packet);
        fuzz_note_int(heard, packet.type);
        fuzz_note_int(heard, packet.binary + 2 * packet.base64);
        fuzz_note(heard, packet.data, packet.len);
        fuzz_note(heard, "\n", 1);
        ++*count;
        fuzz_check((size_t)*count <= len);
    }
    fuzz_check(result == 0 || result == SKIO_EPROTO);
    return result;
}

/* ---- Written again, it reads the same ---- */

static struct skio__blob *
make_blob(const struct test_alloc *alloc, const struct eio_packet *packet,
          enum form form)
{
    size_t len = packet->len + 1;
    char *bytes = malloc(len);
    struct skio__blob *blob;
    bool raw = packet->binary && !packet->base64;

    /* Where a 'b' stands, or the type, depends on the form. */
    bytes[0] = raw ? (char)(packet->type - EIO_OPEN) : (char)packet->type;
    if (form == FORM_4 && packet->binary)
        bytes[0] = 'b';
    if (packet->len > 0)
        memcpy(bytes + 1, packet->data, packet->len);
    blob = skio__blob_copy(&alloc->allocator, raw, bytes, len);
    free(bytes);
    fuzz_check(blob != NULL);
    return blob;
}

/* v3's text form of a binary packet is a text that begins with 'b'. */
static struct skio__blob *
make_text3(const struct test_alloc *alloc, const struct eio_packet *packet)
{
    size_t len = packet->len + 2;
    char *bytes = malloc(len);
    struct skio__blob *blob;

    bytes[0] = 'b';
    bytes[1] = (char)packet->type;
    if (packet->len > 0)
        memcpy(bytes + 2, packet->data, packet->len);
    blob = skio__blob_copy(&alloc->allocator, false, bytes, len);
    free(bytes);
    fuzz_check(blob != NULL);
    return blob;
}

static void
write_again(const char *text, size_t len, enum form form,
            const struct fuzz_text *heard)
{
    struct test_alloc alloc;
    struct eio_payload payload;
    struct eio_packet packet;
    struct eio_queue queue = {.count = 0};
    struct skio__buf out;
    struct fuzz_text again = {NULL, 0, 0};
    bool binary = false;
    int count = 0;

    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    skio__payload_init(&payload, text, len);
    while (next_packet(&payload, form, &packet) == 1) {
        struct skio__blob *blob = form != FORM_4 && packet.base64
                                      ? make_text3(&alloc, &packet)
                                      : make_blob(&alloc, &packet, form);

        if (form == FORM_4)
            fuzz_check(skio__payload_append(&out, blob) == SKIO_OK);
        else
            fuzz_check(skio__queue_push(&queue, &alloc.allocator, blob) ==
                       SKIO_OK);
        skio__blob_unref(blob);
    }
    if (form != FORM_4)
        fuzz_check(skio__payload3_join(&queue, &out, &binary) == SKIO_OK);
    fuzz_check(read_all(out.data, out.len,
                        form == FORM_4 ? FORM_4
                        : binary       ? FORM_3_BINARY
                                       : FORM_3_TEXT,
                        &again, &count) == 0);
    fuzz_check(fuzz_same(&again, heard));
    free(again.data);
    skio__queue_deinit(&queue, &alloc.allocator);
    skio__buf_deinit(&out);
    fuzz_check(alloc.live == 0);
}

static void
check_payload(const char *text, size_t len, enum form form, size_t max)
{
    struct fuzz_text heard = {NULL, 0, 0};
    int count;
    int result = read_all(text, len, form, &heard, &count);
    bool exceeds =
        form == FORM_4
            ? skio__payload_exceeds(text, len, max)
            : skio__payload3_exceeds(text, len, form == FORM_3_BINARY, max);

    if (result == 0 || form != FORM_4)
        fuzz_check(exceeds == ((size_t)count > max));
    else if ((size_t)count > max)
        fuzz_check(exceeds);
    if (result == 0 && count > 0 && count <= PACKETS_MAX)
        write_again(text, len, form, &heard);
    free(heard.data);
}

static void
check_message(const char *text, size_t len)
{
    struct eio_packet packet;

    if (skio__packet_read(text, len, &packet) == SKIO_OK)
        check_packet(text, len, &packet);
    if (skio__packet3_read(text, len, false, &packet) == SKIO_OK)
        check_packet(text, len, &packet);
    if (skio__packet3_read(text, len, true, &packet) == SKIO_OK)
        check_packet(text, len, &packet);
}

/* Bytes as base64 and back. */
static void
check_base64(const char *data, size_t len)
{
    struct test_alloc alloc;
    struct skio__buf out;
    unsigned char *back;

    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    fuzz_check(skio__base64_append(&out, data, len) == SKIO_OK);
    back = malloc(out.len + 1);
    fuzz_check(skio__base64_decode(out.data, out.len, back) == (ptrdiff_t)len);
    fuzz_check(len == 0 || memcmp(back, data, len) == 0);
    free(back);
    skio__buf_deinit(&out);
    fuzz_check(alloc.live == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    enum form form = (enum form)fuzz_below(&in, 3);
    size_t max = fuzz_byte(&in);
    char *text = fuzz_exact(in.at, in.left);

    check_message(text, in.left);
    check_base64(text, in.left);
    /* Texts come checked: engineio/polling.c */
    if (in.left > 0 &&
        (form == FORM_3_BINARY || skio__utf8_valid(text, in.left)))
        check_payload(text, in.left, form, max);
    free(text);
    return 0;
}
