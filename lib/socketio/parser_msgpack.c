/*
 * The MessagePack parser, as socket.io-msgpack-parser 3 has it
 *
 *     {type: 0-4, data, id, nsp}      one binary message for each packet
 *
 * Members stand in the order in which Node's server writes them. A decoder
 * takes any order, and ignores others: stock clients send their `options`.
 */
#include <string.h>

#include "base/msgpack.h"
#include "base/number.h"
#include "socketio/parser.h"

/* No object of JavaScript has it as its "num", unless somebody aims at it. */
#define FIRST_PLACEHOLDER (UINT64_C(1) << 52)

#define ID_MAX ((UINT64_C(1) << 53) - 1)

/* ---- Encoding ---- */

static void
put_id(struct skio__buf *out, const skio_packet *packet)
{
    if (!packet->has_id)
        return;
    skio__msgpack_put_str(out, "id", 2);
    skio__msgpack_put_u64(out, packet->id);
}

static int
put_packet(struct skio__buf *out, const skio_packet *packet)
{
    const bool is_ack = packet->type == SKIO_PACKET_ACK;
    const bool has_data = packet->json != NULL;
    int err = SKIO_OK;

    skio__msgpack_put_map(out, (size_t)2 + has_data + packet->has_id);
    if (is_ack)
        put_id(out, packet);
    skio__msgpack_put_str(out, "type", 4);
    skio__msgpack_put_u64(out, (uint64_t)packet->type);
    if (has_data) {
        skio__msgpack_put_str(out, "data", 4);
        err = skio__msgpack_from_json(out, packet->json, packet->json_len,
                                      FIRST_PLACEHOLDER, packet->attachments,
                                      packet->attachment_count);
    }
    if (!is_ack)
        put_id(out, packet);
    skio__msgpack_put_str(out, "nsp", 3);
    skio__msgpack_put_str(out, packet->nsp, packet->nsp_len);
    return out->err != SKIO_OK ? out->err : err;
}

static int
encode(const skio_packet *packet, skio_encoding *out, void *user)
{
    const struct sio_encoder *encoder = out->encoder;
    struct skio__buf *packed = encoder->packed;
    int err;

    (void)user;
    skio__buf_reset(packed);
    packed->max = encoder->max_bytes;
    err = put_packet(packed, packet);
    if (err == SKIO_ETOOBIG)
        return SKIO_ENOBUFS;
    if (err != SKIO_OK)
        return err;
    return skio_encoding_put(out, true, packed->data, packed->len);
}

/* ---- Decoding ---- */

/* The members that matter; type NULL: absent. */
struct members {
    const char *text;
    struct skio__json_slice type;
    struct skio__json_slice data;
    struct skio__json_slice nsp;
    struct skio__json_slice id;
    bool has_type;
    bool has_data;
    bool has_nsp;
    bool has_id;
};

static int
refuse(skio_decoding *in, int err, const char *why)
{
    in->why = why;
    return err;
}

/* Of duplicates the last counts, as in JavaScript. */
static void
find_members(const char *text, size_t len, struct members *out)
{
    const struct {
        const char *name;
        struct skio__json_slice *slice;
        bool *has;
    } known[] = {
        {"type", &out->type, &out->has_type},
        {"data", &out->data, &out->has_data},
        {"nsp", &out->nsp, &out->has_nsp},
        {"id", &out->id, &out->has_id},
    };
    const struct skio__json_slice root = skio__json_whole(text, len);
    struct skio__json_iter iter;

    memset(out, 0, sizeof(*out));
    out->text = text;
    skio__json_iter_init(&iter, text, &root);
    while (iter.is_object && skio__json_iter_next(&iter)) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (!skio__json_string_is(text, &iter.key, known[i].name,
                                      strlen(known[i].name)))
                continue;
            *known[i].slice = iter.value;
            *known[i].has = true;
        }
    }
}

static bool
read_integer(const struct members *m, const struct skio__json_slice *slice,
             uint64_t max, uint64_t *out)
{
    int64_t n;

    if (slice->type != SKIO__JSON_NUMBER ||
        skio__number_parse_i64(m->text + slice->start, slice->len, &n) !=
            SKIO_OK ||
        n < 0 || (uint64_t)n > max)
        return false;
    *out = (uint64_t)n;
    return true;
}

/* Whether the data is what its type asks for, as far as the library does not
 * look itself. */
static bool
is_data_valid(const struct members *m, enum skio_packet_type type)
{
    switch (type) {
    case SKIO_PACKET_CONNECT:
    case SKIO_PACKET_DISCONNECT:
        return true;
    case SKIO_PACKET_CONNECT_ERROR:
        return m->has_data;
    default:
        return m->has_data && m->data.type == SKIO__JSON_ARRAY;
    }
}

static int
read_nsp(const struct members *m, skio_packet *packet, skio_decoding *in)
{
    char *nsp;

    if (!m->has_nsp || m->nsp.type != SKIO__JSON_STRING)
        return refuse(in, SKIO_EPROTO, "invalid namespace");
    nsp = skio_decoding_alloc(in, m->nsp.len);
    if (nsp == NULL)
        return SKIO_ENOMEM;
    packet->nsp = nsp;
    packet->nsp_len = skio__json_unescape(m->text, &m->nsp, nsp);
    return SKIO_OK;
}

/* The checks of the stock decoder, in its order and words. */
static int
read_members(const struct members *m, skio_packet *packet, skio_decoding *in)
{
    uint64_t type;
    int err;

    if (!m->has_type ||
        !read_integer(m, &m->type, SKIO_PACKET_CONNECT_ERROR, &type))
        return refuse(in, SKIO_EPROTO, "invalid packet type");
    packet->type = (enum skio_packet_type)type;

    err = read_nsp(m, packet, in);
    if (err != SKIO_OK)
        return err;
    if (!is_data_valid(m, packet->type))
        return refuse(in, SKIO_EPROTO, "invalid payload");
    if (m->has_id && !read_integer(m, &m->id, ID_MAX, &packet->id))
        return refuse(in, SKIO_EPROTO, "invalid packet id");
    packet->has_id = m->has_id;

    /* An event of nothing has no name: as one without data. */
    if (m->has_data && (packet->type != SKIO_PACKET_EVENT ||
                        skio__json_count(m->text, &m->data) > 0)) {
        packet->json = m->text + m->data.start;
        packet->json_len = m->data.len;
    }
    return SKIO_OK;
}

static int
decode(const void *data, size_t len, bool binary, skio_packet *packet,
       skio_decoding *in, void *user)
{
    const skio_server_options *options = skio_decoding_options(in);
    /* max_attachments is of those that follow; these cost what they take. */
    const struct skio__msgpack_limits limits = {options->max_json_depth + 1,
                                                UINT32_MAX};
    struct skio__msgpack_scan scan;
    struct members members;
    skio_bytes *bytes = NULL;
    char *json;
    int err;

    (void)user;
    if (!binary)
        return refuse(in, SKIO_EPROTO, "text for the msgpack parser");
    err = skio__msgpack_scan(data, len, &limits, &scan);
    if (err != SKIO_OK)
        return refuse(in, err,
                      err == SKIO_ELIMIT ? "too deep" : "invalid MessagePack");

    json = skio_decoding_alloc(in, scan.json_len);
    if (scan.bytes > 0)
        bytes = skio_decoding_alloc(in, scan.bytes * sizeof(*bytes));
    if (json == NULL || (scan.bytes > 0 && bytes == NULL))
        return SKIO_ENOMEM;

    find_members(json,
                 skio__msgpack_to_json(data, len, &scan, FIRST_PLACEHOLDER,
                                       json, bytes),
                 &members);
    packet->attachments = bytes;
    packet->attachment_count = scan.bytes;
    return read_members(&members, packet, in);
}

static const skio_parser msgpack = {
    .struct_size = sizeof(skio_parser),
    .encode = encode,
    .decode = decode,
    .first_placeholder = FIRST_PLACEHOLDER,
};

const skio_parser *
skio_parser_msgpack(void)
{
    return &msgpack;
}
