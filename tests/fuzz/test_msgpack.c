/*
 * Fuzz target: MessagePack to JSON, and back
 *
 * Input: the depth and the runs of bytes allowed, a byte that chooses, the
 * message.
 */
#include "fuzz/fuzz.h"

#include "base/msgpack.h"
#include "unit/alloc.h"

/* No object of a message has it: integers end at 2^64 - 1. */
#define FIRST UINT64_C(9007199254740992)

/* A message as text. False: it was refused. */
static bool
read_message(const void *data, size_t len,
             const struct skio__msgpack_limits *limits, uint64_t first,
             struct fuzz_text *json, skio_bytes **bytes, uint32_t *count)
{
    struct skio__msgpack_scan scan;
    int err = skio__msgpack_scan(data, len, limits, &scan);

    if (err != SKIO_OK) {
        fuzz_check(err == SKIO_EPROTO || err == SKIO_ELIMIT);
        return false;
    }
    fuzz_check(scan.bytes <= limits->max_bytes);
    json->data = malloc(scan.json_len + 1);
    *bytes = malloc((scan.bytes + 1) * sizeof(**bytes));
    *count = scan.bytes;
    if (json->data == NULL || *bytes == NULL)
        abort();
    json->len =
        skio__msgpack_to_json(data, len, &scan, first, json->data, *bytes);
    fuzz_check(json->len <= scan.json_len);
    for (uint32_t i = 0; i < scan.bytes; i++) {
        const char *start = (*bytes)[i].data;

        fuzz_check((*bytes)[i].len == 0 ||
                   (start >= (const char *)data &&
                    start + (*bytes)[i].len <= (const char *)data + len));
    }
    return true;
}

static void
check_json(const struct fuzz_text *json, uint32_t max_depth)
{
    struct skio__json_limits limits = {max_depth, -1};
    struct skio__json_scan scan = {.items = NULL};

    fuzz_check(skio__json_scan(json->data, json->len, &limits, &scan) ==
               SKIO_OK);
}

static bool
same_bytes(const skio_bytes *a, const skio_bytes *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (a[i].len != b[i].len ||
            (a[i].len > 0 && memcmp(a[i].data, b[i].data, a[i].len) != 0))
            return false;
    return true;
}

/* What the text says is told again in the same words. */
static void
write_again(const struct fuzz_text *json, const skio_bytes *bytes,
            uint32_t count, uint64_t first)
{
    const struct skio__msgpack_limits limits = {SKIO__MSGPACK_DEPTH_MAX,
                                                UINT32_MAX};
    struct test_alloc alloc;
    struct skio__buf out;
    struct fuzz_text again = {NULL, 0, 0};
    skio_bytes *bytes_again = NULL;
    uint32_t count_again = 0;
    int err;

    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    err = skio__msgpack_from_json(&out, json->data, json->len, first, bytes,
                                  count);
    fuzz_check(err == SKIO_OK || err == SKIO_EINVAL);
    if (err == SKIO_OK) {
        fuzz_check(read_message(out.data, out.len, &limits, first, &again,
                                &bytes_again, &count_again));
        /* A user's object may look like a placeholder of ours. */
        if (count_again == count) {
            fuzz_check(fuzz_same(&again, json));
            fuzz_check(same_bytes(bytes, bytes_again, count));
        } else {
            fuzz_check(count_again > count);
        }
    }
    free(again.data);
    free(bytes_again);
    skio__buf_deinit(&out);
    fuzz_check(alloc.live == 0);
}

/* Text of a user becomes a message that can be read. */
static void
check_text(const char *text, size_t len, uint32_t depth)
{
    struct skio__json_limits limits = {depth, -1};
    struct skio__json_scan scan = {.items = NULL};
    const struct skio__msgpack_limits all = {SKIO__MSGPACK_DEPTH_MAX,
                                             UINT32_MAX};
    const skio_bytes bytes[] = {{"ab", 2}, {"", 0}};
    struct test_alloc alloc;
    struct skio__buf out;
    struct fuzz_text json = {NULL, 0, 0};
    skio_bytes *views = NULL;
    uint32_t count = 0;

    if (skio__json_scan(text, len, &limits, &scan) != SKIO_OK)
        return;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    fuzz_check(skio__msgpack_from_json(&out, text, len, 0, bytes, 2) ==
               SKIO_OK);
    fuzz_check(
        read_message(out.data, out.len, &all, FIRST, &json, &views, &count));
    check_json(&json, depth);
    free(json.data);
    free(views);
    skio__buf_deinit(&out);
    fuzz_check(alloc.live == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct skio__msgpack_limits limits = {
        .max_depth = fuzz_byte(&in),
        .max_bytes = fuzz_byte(&in),
    };
    unsigned what = fuzz_byte(&in);
    uint64_t first = (what & 2) != 0 ? FIRST : 0;
    char *bytes = fuzz_exact(in.at, in.left);
    struct fuzz_text json = {NULL, 0, 0};
    skio_bytes *views = NULL;
    uint32_t count;

    if ((what & 1) != 0) {
        check_text(bytes, in.left, limits.max_depth);
    } else if (read_message(bytes, in.left, &limits, first, &json, &views,
                            &count)) {
        check_json(&json, limits.max_depth + 1);
        write_again(&json, views, count, first);
        free(json.data);
        free(views);
    }
    free(bytes);
    return 0;
}
