/*
 * Fuzz target: what Redis says, whole and in pieces
 *
 * Input: the limits, how many bytes at a time, the bytes of the connection.
 */
#include "fuzz/fuzz.h"

#include "adapter/redis_link_parser.h"
#include "unit/alloc.h"

#define DEPTH_MAX 16 /* of arrays; hiredis has 9 */

static size_t
note_reply(struct fuzz_text *heard, const struct skio__redis_reply *reply,
           unsigned depth)
{
    size_t elements = 1;

    fuzz_check(depth < DEPTH_MAX);
    fuzz_note_int(heard, reply->type);
    switch (reply->type) {
    case SKIO__REDIS_NIL:
        break;
    case SKIO__REDIS_INTEGER:
        fuzz_note_int(heard, reply->integer);
        break;
    case SKIO__REDIS_STATUS:
    case SKIO__REDIS_ERROR:
    case SKIO__REDIS_STRING:
        fuzz_check(reply->str[reply->len] == '\0');
        fuzz_note(heard, reply->str, reply->len);
        break;
    case SKIO__REDIS_ARRAY:
        fuzz_note_int(heard, (int64_t)reply->count);
        for (size_t i = 0; i < reply->count; i++)
            elements += note_reply(heard, reply->elements[i], depth + 1);
        break;
    }
    fuzz_note(heard, "\n", 1);
    return elements;
}

/* Returns the error that ended it; SKIO_OK: all was read. */
static int
read_all(const uint8_t *data, size_t size, size_t step, size_t max_bytes,
         uint32_t max_elements, struct fuzz_text *heard)
{
    struct test_alloc alloc;
    struct skio__redis_parser parser;
    const struct skio__redis_reply *reply;
    int result = 0;

    test_alloc_init(&alloc);
    skio__redis_parser_init(&parser, &alloc.allocator, max_bytes, max_elements);
    fuzz_check(skio__redis_parser_begin(&parser) == SKIO_OK);
    for (size_t at = 0; at < size && result == 0; at += step) {
        size_t len = size - at < step ? size - at : step;
        void *part = fuzz_exact(data + at, len);

        fuzz_check(skio__redis_parser_feed(&parser, part, len) == SKIO_OK);
        free(part);
        while ((result = skio__redis_parser_next(&parser, &reply)) == 1)
            fuzz_check(note_reply(heard, reply, 0) <= (size_t)max_elements + 1);
    }
    if (result < 0) {
        fuzz_check(result == SKIO_EPROTO || result == SKIO_ELIMIT);
        fuzz_check(parser.what != NULL);
    }
    skio__redis_parser_deinit(&parser);
    fuzz_check(alloc.live == 0);
    return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    size_t max_bytes = 1 + 16 * (size_t)fuzz_byte(&in);
    uint32_t max_elements = 1 + fuzz_byte(&in);
    size_t step = 1 + fuzz_below(&in, 40);
    struct fuzz_text whole = {NULL, 0, 0};
    struct fuzz_text parts = {NULL, 0, 0};
    int err;
    int parts_err;

    err =
        read_all(in.at, in.left, in.left + 1, max_bytes, max_elements, &whole);
    parts_err = read_all(in.at, in.left, step, max_bytes, max_elements, &parts);
    if (err == SKIO_OK) {
        fuzz_check(parts_err == SKIO_OK);
        fuzz_check(fuzz_same(&whole, &parts));
    }
    free(whole.data);
    free(parts.data);
    return 0;
}
