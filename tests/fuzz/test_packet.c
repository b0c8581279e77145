/*
 * Fuzz target: Socket.IO packets in text form, and the arguments in them
 *
 * Input: the limits, how many attachments are there, a path to look up (its
 * length, then it), the packet.
 */
#include "fuzz/fuzz.h"

#include <socketio/cjson.h>
#include <socketio/value.h>

#include "base/utf8.h"
#include "socketio/packet.h"
#include "unit/alloc.h"

#define BYTES_MAX 8

/* A decoded packet, in the only spelling that has no choices. */
static void
put_packet(struct fuzz_text *out, const struct sio_packet *packet)
{
    char head[64];

    fuzz_note(out, head,
              (size_t)snprintf(head, sizeof(head), "%d", (int)packet->type));
    if (packet->type >= SIO_BINARY_EVENT)
        fuzz_note(out, head,
                  (size_t)snprintf(head, sizeof(head), "%u-",
                                   (unsigned)packet->attachments));
    if (packet->nsp_len > 1) { /* "/" goes without saying */
        fuzz_note(out, packet->nsp, packet->nsp_len);
        fuzz_note(out, ",", 1);
    }
    if (packet->has_id)
        fuzz_note(out, head,
                  (size_t)snprintf(head, sizeof(head), "%llu",
                                   (unsigned long long)packet->id));
    fuzz_check(packet->json != NULL || packet->json_len == 0);
    if (packet->json != NULL)
        fuzz_note(out, packet->json, packet->json_len);
}

static void
check_packet(const struct sio_packet *packet,
             const struct sio_packet_limits *limits)
{
    struct fuzz_text text = {NULL, 0, 0};
    struct sio_packet again;
    struct sio_packet checked = *packet;
    const char *why = "";

    fuzz_check(packet->type <= SIO_BINARY_ACK);
    fuzz_check(packet->attachments <= limits->max_attachments);
    fuzz_check((packet->attachments > 0) == (packet->type >= SIO_BINARY_EVENT));
    fuzz_check(packet->nsp_len <= limits->max_name_bytes ||
               packet->nsp_len == 1);
    fuzz_check(packet->nsp_len > 0 && *packet->nsp == '/');
    fuzz_check(skio__utf8_valid(packet->nsp, packet->nsp_len));
    fuzz_check(packet->id <= (UINT64_C(1) << 53) - 1);
    if (packet->json != NULL &&
        (packet->type == SIO_EVENT || packet->type == SIO_BINARY_EVENT))
        fuzz_check(packet->count > 0);

    put_packet(&text, packet);
    fuzz_check(skio__packet_decode(text.data, text.len, limits, &again, &why) ==
               SKIO_OK);
    fuzz_check(again.type == packet->type && again.id == packet->id &&
               again.has_id == packet->has_id &&
               again.attachments == packet->attachments &&
               again.nsp_len == packet->nsp_len &&
               again.json_len == packet->json_len &&
               again.count == packet->count);
    fuzz_check(memcmp(again.nsp, packet->nsp, again.nsp_len) == 0);
    if (packet->nsp_len <= limits->max_name_bytes)
        fuzz_check(skio__packet_check(&checked, limits, true, &why) == SKIO_OK);
    free(text.data);
}

/* ---- The arguments, as an application reads them ---- */

static bool
count_item(const char *key, size_t index, const skio_value *item, void *user)
{
    size_t *count = user;

    fuzz_check(key != NULL || index == *count);
    fuzz_check(skio_type_of(item, "") != SKIO_TYPE_NONE);
    ++*count;
    return true;
}

static void
read_path(const skio_value *args, const char *path)
{
    enum skio_type type = skio_type_of(args, path);
    int64_t integer;
    double number;
    bool truth;
    skio_bytes bytes;
    size_t len = 0;
    size_t count = 0;
    const char *str = skio_get_strn(args, path, &len);
    const char *json = skio_get_json(args, path);
    const skio_value *part = skio_get_value(args, path);
    const cJSON *tree = skio_value_cjson(args, path);

    fuzz_check((str != NULL) == (type == SKIO_TYPE_STRING));
    if (str != NULL)
        fuzz_check(str[len] == '\0' && skio__utf8_valid(str, len));
    fuzz_check((skio_get_bool(args, path, &truth) == SKIO_OK) ==
               (type == SKIO_TYPE_BOOL));
    fuzz_check((skio_get_double(args, path, &number) == SKIO_OK) ==
               (type == SKIO_TYPE_NUMBER));
    if (skio_get_int(args, path, &integer) == SKIO_OK)
        fuzz_check(type == SKIO_TYPE_NUMBER);
    fuzz_check((skio_get_bytes(args, path, &bytes) == SKIO_OK) ==
               (type == SKIO_TYPE_BYTES));
    fuzz_check((json != NULL) == (type != SKIO_TYPE_NONE));
    fuzz_check((part != NULL) == (type != SKIO_TYPE_NONE));
    if (part != NULL)
        fuzz_check(skio_type_of(part, "") == type);
    if (type == SKIO_TYPE_NONE)
        fuzz_check(tree == NULL);
    if (type == SKIO_TYPE_ARRAY || type == SKIO_TYPE_OBJECT) {
        fuzz_check(skio_each(args, path, count_item, &count) == SKIO_OK);
        fuzz_check(count == skio_count(args, path));
    }
}

static void
read_args(const struct sio_packet *packet, const char *path)
{
    static const char one[] = "attached";
    skio_bytes attachments[BYTES_MAX];
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio_value args;
    bool is_event =
        packet->type == SIO_EVENT || packet->type == SIO_BINARY_EVENT;

    if (packet->json != NULL && packet->root.type != SKIO__JSON_ARRAY)
        return;
    for (size_t i = 0; i < BYTES_MAX; i++)
        attachments[i] = (skio_bytes){one, i};
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    skio__packet_args(packet, is_event ? 1 : 0, attachments, &arena, &args);
    read_path(&args, "");
    read_path(&args, "0");
    read_path(&args, path);
    (void)skio_get_args(&args, strlen(path));
    skio__value_deinit(&args);
    skio__arena_deinit(&arena);
    fuzz_check(alloc.live == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct sio_packet_limits limits = {
        .max_attachments = fuzz_below(&in, BYTES_MAX + 1),
        .max_json_depth = fuzz_byte(&in),
        .max_name_bytes = fuzz_byte(&in),
    };
    size_t path_len = fuzz_below(&in, 16);
    const char *path_at = fuzz_bytes(&in, &path_len);
    char *path = fuzz_copy(path_at, path_len);
    char *text = fuzz_exact(in.at, in.left);
    struct sio_packet packet;
    const char *why = NULL;
    int err = skio__packet_decode(text, in.left, &limits, &packet, &why);

    if (err == SKIO_OK) {
        check_packet(&packet, &limits);
        read_args(&packet, path);
    } else {
        fuzz_check(err == SKIO_EPROTO || err == SKIO_EUTF8 ||
                   err == SKIO_ELIMIT);
        fuzz_check(why != NULL && *why != '\0');
    }
    free(text);
    free(path);
    return 0;
}
