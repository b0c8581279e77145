/*
 * Fuzz target: what the servers of a cluster say to each other, in both
 * languages, and requests that are passed on
 *
 * Input: which it is, the limits, the message.
 */
#include "fuzz/fuzz.h"

#include "adapter/redis_forward_wire.h"
#include "adapter/wire.h"
#include "base/json.h"
#include "base/utf8.h"
#include "unit/alloc.h"

enum what {
    CLASSIC_BROADCAST,
    CLASSIC_REQUEST,
    CLASSIC_RESPONSE,
    CLUSTER,
    CLUSTER_DATA,
    FORWARD,
    WHATS
};

static int
decode(const void *data, size_t len, enum what what, enum skio__wire_type type,
       const struct skio__wire_limits *limits, struct skio__arena *arena,
       struct skio__wire_message *message)
{
    switch (what) {
    case CLASSIC_BROADCAST:
        return skio__wire_classic_decode(data, len,
                                         SKIO__WIRE_CLASSIC_BROADCAST, limits,
                                         arena, message);
    case CLASSIC_REQUEST:
        return skio__wire_classic_decode(data, len, SKIO__WIRE_CLASSIC_REQUEST,
                                         limits, arena, message);
    case CLASSIC_RESPONSE:
        return skio__wire_classic_decode(data, len, SKIO__WIRE_CLASSIC_RESPONSE,
                                         limits, arena, message);
    case CLUSTER_DATA:
        message->type = type;
        message->uid = (skio_bytes){"me", 2};
        message->nsp = (skio_bytes){"/", 1};
        return skio__wire_cluster_decode_data(data, len, limits, arena,
                                              message);
    default:
        return skio__wire_cluster_decode(data, len, limits, arena, message);
    }
}

static int
encode(struct skio__buf *out, enum what what, unsigned choice,
       const struct skio__wire_message *message)
{
    if (what <= CLASSIC_RESPONSE)
        return skio__wire_classic_encode(out, message);
    if (what == CLUSTER_DATA)
        return skio__wire_cluster_encode_data(out, message, (choice & 1) != 0);
    return skio__wire_cluster_encode(out, message, (choice & 1) != 0);
}

static void
check_names(const char *const *names, const struct skio__wire_limits *limits)
{
    size_t count = 0;

    for (; names != NULL && names[count] != NULL; count++)
        fuzz_check(strlen(names[count]) <= limits->max_name_bytes &&
                   skio__utf8_valid(names[count], strlen(names[count])));
    fuzz_check(names == NULL || count > 0);
    fuzz_check(count <= limits->max_rooms);
}

static void
check_message(const struct skio__wire_message *message, enum what what,
              const struct skio__wire_limits *limits)
{
    struct skio__json_limits json = {limits->max_depth, -1};
    struct skio__json_scan scan = {.items = NULL};

    check_names(message->to, limits);
    check_names(message->except, limits);
    check_names(message->rooms, limits);
    if (what != CLUSTER_DATA)
        fuzz_check(
            message->uid.len <= limits->max_name_bytes &&
            message->nsp.len <=
                (limits->max_name_bytes > 0 ? limits->max_name_bytes : 1));
    fuzz_check(message->request.len <= limits->max_name_bytes);
    fuzz_check(message->attachment_count <= limits->max_attachments);
    fuzz_check(
        (message->flags & ~(unsigned)(SKIO_VOLATILE | SKIO_NO_COMPRESS)) == 0);
    if (message->json.len == 0)
        return;
    fuzz_check(skio__json_scan(message->json.data, message->json.len, &json,
                               &scan) == SKIO_OK);
    if (message->type == SKIO__WIRE_BROADCAST ||
        message->type == SKIO__WIRE_SERVER_SIDE_EMIT)
        fuzz_check(scan.root.type == SKIO__JSON_ARRAY && scan.count > 0);
    if (message->type == SKIO__WIRE_FETCH_SOCKETS_RESPONSE)
        fuzz_check(scan.root.type == SKIO__JSON_ARRAY);
}

/* Which answer a classic message is on the way as: its own, or none. */
static enum what
channel_of(enum what what, const struct skio__wire_message *message)
{
    if (what > CLASSIC_RESPONSE)
        return what;
    switch (message->type) {
    case SKIO__WIRE_BROADCAST:
        return message->request.len > 0 ? CLASSIC_REQUEST : CLASSIC_BROADCAST;
    case SKIO__WIRE_RESPONSE:
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
    case SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE:
    case SKIO__WIRE_BROADCAST_CLIENT_COUNT:
    case SKIO__WIRE_BROADCAST_ACK:
        return CLASSIC_RESPONSE;
    default:
        return CLASSIC_REQUEST;
    }
}

/* What a message is written as, read, and written again: it must be the same.
 * The first time spellings are lost (a number's, a blank). */
static void
write_again(struct test_alloc *alloc, const struct skio__wire_message *message,
            enum what what, unsigned choice)
{
    /* Nothing that was read is refused for its size: bytes in JSON are long.
     */
    const struct skio__wire_limits limits = {
        .max_depth = SKIO__JSON_DEPTH_MAX - 8,
        .max_attachments = UINT32_MAX,
        .max_rooms = UINT32_MAX,
        .max_name_bytes = SIZE_MAX,
    };
    struct skio__arena arena;
    struct skio__buf first;
    struct skio__buf second;
    struct skio__wire_message again = {.nsp = {NULL, 0}};
    enum what way = channel_of(what, message);

    skio__arena_init(&arena, &alloc->allocator, 0);
    skio__buf_init(&first, &alloc->allocator);
    skio__buf_init(&second, &alloc->allocator);
    if (encode(&first, what, choice, message) == SKIO_OK && first.len > 0) {
        fuzz_check(decode(first.data, first.len, way, message->type, &limits,
                          &arena, &again) == SKIO_OK);
        fuzz_check(again.type == message->type);
        fuzz_check(again.flags == message->flags);
        fuzz_check(again.request.len == message->request.len);
        fuzz_check(encode(&second, what, choice, &again) == SKIO_OK);
        fuzz_check(decode(second.data, second.len, way, message->type, &limits,
                          &arena, &again) == SKIO_OK);
        skio__buf_reset(&first);
        fuzz_check(encode(&first, what, choice, &again) == SKIO_OK);
        fuzz_check(first.len == second.len &&
                   memcmp(first.data, second.data, first.len) == 0);
    }
    skio__buf_deinit(&first);
    skio__buf_deinit(&second);
    skio__arena_deinit(&arena);
}

/* ---- Requests that are passed on ---- */

static int
put_forward(struct skio__buf *out, const struct skio__forward_message *message)
{
    switch (message->type) {
    case SKIO__FORWARD_REQUEST:
        return skio__forward_put_request(out, message->id, message->from,
                                         &message->request, message->body,
                                         message->body_len);
    case SKIO__FORWARD_RESPONSE:
        return skio__forward_put_response(out, message->id, message->from,
                                          &message->response);
    case SKIO__FORWARD_ABANDON:
        break;
    }
    return skio__forward_put_abandon(out, message->id, message->from);
}

static void
check_forward(struct test_alloc *alloc, const char *data, size_t len)
{
    struct skio__forward_message message;
    struct skio__forward_message again;
    struct skio__buf first;
    struct skio__buf second;

    skio__buf_init(&first, &alloc->allocator);
    skio__buf_init(&second, &alloc->allocator);
    if (skio__forward_read(&message, &alloc->allocator, data, len) == SKIO_OK) {
        fuzz_check(message.type >= SKIO__FORWARD_REQUEST &&
                   message.type <= SKIO__FORWARD_ABANDON);
        fuzz_check(put_forward(&first, &message) == SKIO_OK);
        fuzz_check(skio__forward_read(&again, &alloc->allocator, first.data,
                                      first.len) == SKIO_OK);
        fuzz_check(put_forward(&second, &again) == SKIO_OK);
        fuzz_check(first.len == second.len &&
                   memcmp(first.data, second.data, first.len) == 0);
        skio__forward_deinit_message(&again);
    }
    skio__forward_deinit_message(&message);
    skio__buf_deinit(&first);
    skio__buf_deinit(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    enum what what = (enum what)fuzz_below(&in, WHATS);
    unsigned choice = fuzz_byte(&in);
    enum skio__wire_type type =
        (enum skio__wire_type)(1 + fuzz_below(&in, SKIO__WIRE_ADAPTER_CLOSE));
    const struct skio__wire_limits limits = {
        .max_depth = fuzz_byte(&in),
        .max_attachments = fuzz_byte(&in),
        .max_rooms = fuzz_byte(&in),
        .max_name_bytes = fuzz_byte(&in),
    };
    char *bytes = fuzz_exact(in.at, in.left);
    struct skio__wire_message message = {.nsp = {NULL, 0}};
    struct skio__arena_mark before;
    struct skio__arena_mark after;
    struct test_alloc alloc;
    struct skio__arena arena;
    int err;

    test_alloc_init(&alloc);
    if (what == FORWARD) {
        check_forward(&alloc, bytes, in.left);
    } else {
        skio__arena_init(&arena, &alloc.allocator, 0);
        fuzz_check(skio__arena_alloc(&arena, 16) != NULL);
        before = skio__arena_mark(&arena);
        err = decode(bytes, in.left, what, type, &limits, &arena, &message);
        after = skio__arena_mark(&arena);
        if (err == SKIO_OK) {
            check_message(&message, what, &limits);
            write_again(&alloc, &message, what, choice);
        } else {
            fuzz_check(err == SKIO_EPROTO || err == SKIO_EUTF8 ||
                       err == SKIO_ELIMIT);
            fuzz_check(before.chunk == after.chunk &&
                       before.used == after.used);
        }
        skio__arena_deinit(&arena);
    }
    fuzz_check(alloc.live == 0);
    free(bytes);
    return 0;
}
