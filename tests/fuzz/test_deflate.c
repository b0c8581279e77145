/*
 * Fuzz target: compressed messages, from a peer and there and back
 *
 * Input: a byte that chooses, the maximum, the bytes.
 */
#include "fuzz/fuzz.h"

#include "base/deflate.h"
#include "unit/alloc.h"

/* A peer's bytes, which say nothing of how long they become. */
static void
check_inflate(struct test_alloc *alloc, const void *data, size_t len,
              size_t max)
{
    struct skio__inflater *inflater = skio__inflater_new(&alloc->allocator);
    struct skio__buf out;
    struct skio__buf again;
    int err;

    fuzz_check(inflater != NULL);
    skio__buf_init(&out, &alloc->allocator);
    skio__buf_init(&again, &alloc->allocator);
    out.max = max;
    again.max = max;
    err = skio__inflater_run(inflater, data, len, &out);
    fuzz_check(err == SKIO_OK || err == SKIO_EPROTO || err == SKIO_ETOOBIG);
    fuzz_check(out.len <= max);
    /* Nothing is remembered from one message to the next. */
    fuzz_check(skio__inflater_run(inflater, data, len, &again) == err);
    if (err == SKIO_OK)
        fuzz_check(
            out.len == again.len &&
            (out.len == 0 || memcmp(out.data, again.data, out.len) == 0));
    skio__buf_deinit(&out);
    skio__buf_deinit(&again);
    skio__inflater_free(inflater);
}

static void
check_there_and_back(struct test_alloc *alloc, struct fuzz_input *in,
                     size_t max)
{
    struct skio__deflate_settings settings = {
        .format = (enum skio__deflate_format)fuzz_below(in, 3),
        .level = (uint8_t)(1 + fuzz_below(in, 9)),
        .window_bits = (uint8_t)(SKIO__DEFLATE_BITS_MIN + fuzz_below(in, 7)),
        .mem_level = (uint8_t)(1 + fuzz_below(in, 9)),
    };
    struct skio__deflater *deflater =
        skio__deflater_new(&alloc->allocator, &settings);
    struct skio__inflater *inflater = skio__inflater_new(&alloc->allocator);
    struct skio__buf out;
    struct skio__buf back;
    int err;

    fuzz_check(deflater != NULL && inflater != NULL);
    skio__buf_init(&out, &alloc->allocator);
    skio__buf_init(&back, &alloc->allocator);
    fuzz_check(skio__buf_append(&out, "as it was", 9) == SKIO_OK);
    err = skio__deflater_run(deflater, in->at, in->left, max, &out);
    fuzz_check(err == SKIO_OK || err == SKIO_ETOOBIG);
    fuzz_check(memcmp(out.data, "as it was", 9) == 0);
    if (err != SKIO_OK)
        fuzz_check(out.len == 9);
    else
        fuzz_check(out.len - 9 < max);
    if (err == SKIO_OK && settings.format == SKIO__DEFLATE_MESSAGE) {
        back.max = in->left + 1;
        fuzz_check(skio__inflater_run(inflater, out.data + 9, out.len - 9,
                                      &back) == SKIO_OK);
        fuzz_check(back.len == in->left);
        fuzz_check(back.len == 0 || memcmp(back.data, in->at, back.len) == 0);
    }
    skio__buf_deinit(&out);
    skio__buf_deinit(&back);
    skio__deflater_free(deflater);
    skio__inflater_free(inflater);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct test_alloc alloc;
    unsigned what = fuzz_byte(&in);
    size_t max = 1 + fuzz_byte(&in) * (size_t)fuzz_byte(&in);

    test_alloc_init(&alloc);
    if ((what & 1) == 0)
        check_inflate(&alloc, in.at, in.left, max);
    else
        check_there_and_back(&alloc, &in, max);
    fuzz_check(alloc.live == 0);
    return 0;
}
