#include "engineio/payload3.h"

#include <string.h>

#include <sodium.h>

#include "base/number.h"
#include "base/utf8.h"

#define LENGTH_DIGITS_MAX 10 /* no body is longer than that */
#define LENGTH_END 0xff
#define TYPE_MESSAGE 4

int
skio__packet3_read(const char *data, size_t len, bool binary,
                   struct eio_packet *packet)
{
    int err;

    if (binary) {
        if (len == 0 || (unsigned char)data[0] > EIO_NOOP - EIO_OPEN)
            return SKIO_EPROTO;
        packet->type = (enum eio_type)(EIO_OPEN + data[0]);
        packet->binary = true;
        packet->base64 = false;
        packet->data = data + 1;
        packet->len = len - 1;
        return SKIO_OK;
    }
    if (len == 0 || data[0] != 'b')
        return skio__packet_read(data, len, packet);

    /* In v3 a type stands between the 'b' and the base64. */
    err = skio__packet_read(data + 1, len - 1, packet);
    if (err != SKIO_OK || packet->binary)
        return SKIO_EPROTO;
    packet->binary = true;
    packet->base64 = true;
    return SKIO_OK;
}

/* The bytes of the next UTF-16 unit's character; 2 units in one of 4. */
static size_t
char_bytes(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xe0)
        return 2;
    return lead < 0xf0 ? 3 : 4;
}

/* Where count UTF-16 units end, or NULL: in no place, or in a character. */
static const char *
skip_units(const char *pos, const char *end, size_t count)
{
    while (count > 0) {
        size_t bytes;

        if (pos >= end)
            return NULL;
        bytes = char_bytes((unsigned char)*pos);
        if (bytes > (size_t)(end - pos) || (bytes == 4 && count < 2))
            return NULL;
        count -= bytes == 4 ? 2 : 1;
        pos += bytes;
    }
    return pos;
}

static size_t
count_units(const char *text, size_t len)
{
    size_t units = 0;
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        units += (c & 0xc0) != 0x80;
        units += c >= 0xf0;
    }
    return units;
}

/* Digits, which begin at zero, up to a byte that ends them, which is taken. */
static int
read_length(struct eio_payload *payload, char zero, unsigned char stop,
            size_t *out)
{
    const char *pos = payload->pos;
    uint64_t value = 0;
    int digits = 0;

    for (; pos < payload->end && (unsigned char)*pos != stop; pos++) {
        unsigned digit = (unsigned)(unsigned char)*pos - (unsigned char)zero;

        if (digit > 9 || ++digits > LENGTH_DIGITS_MAX)
            return SKIO_EPROTO;
        value = value * 10 + digit;
    }
    if (pos >= payload->end || digits == 0)
        return SKIO_EPROTO;
    payload->pos = pos + 1;
    *out = (size_t)value;
    return SKIO_OK;
}

static int
next_text(struct eio_payload *payload, struct eio_packet *packet)
{
    while (payload->pos < payload->end) {
        const char *start;
        size_t units;

        if (read_length(payload, '0', ':', &units) != SKIO_OK)
            return SKIO_EPROTO;
        start = payload->pos;
        payload->pos = skip_units(start, payload->end, units);
        if (payload->pos == NULL)
            return SKIO_EPROTO;
        if (units > 0) /* `0:` is how v3 sends nothing */
            return skio__packet3_read(start, (size_t)(payload->pos - start),
                                      false, packet) == SKIO_OK
                       ? 1
                       : SKIO_EPROTO;
    }
    return 0;
}

static int
next_binary(struct eio_payload *payload, struct eio_packet *packet)
{
    const char *start = payload->pos;
    bool binary;
    size_t len;

    if (start >= payload->end)
        return 0;
    if (*start != 0 && *start != 1)
        return SKIO_EPROTO;
    binary = *start == 1;
    payload->pos++;
    if (read_length(payload, 0, LENGTH_END, &len) != SKIO_OK ||
        len > (size_t)(payload->end - payload->pos))
        return SKIO_EPROTO;
    start = payload->pos;
    payload->pos += len;
    if (!binary && len > 0 && !skio__utf8_valid(start, len))
        return SKIO_EPROTO;
    return skio__packet3_read(start, len, binary, packet) == SKIO_OK
               ? 1
               : SKIO_EPROTO;
}

int
skio__payload3_next(struct eio_payload *payload, bool binary,
                    struct eio_packet *packet)
{
    if (payload->pos == NULL)
        return SKIO_EPROTO;
    return binary ? next_binary(payload, packet) : next_text(payload, packet);
}

bool
skio__payload3_exceeds(const char *text, size_t len, bool binary, size_t max)
{
    struct eio_payload payload;
    struct eio_packet packet;
    size_t count = 0;

    skio__payload_init(&payload, text, len);
    while (count <= max && skio__payload3_next(&payload, binary, &packet) > 0)
        count++;
    return count > max;
}

int
skio__payload3_append(struct skio__buf *buf, const char *text, size_t len)
{
    skio__buf_append_u64(buf, count_units(text, len));
    skio__buf_putc(buf, ':');
    return skio__buf_append(buf, text, len);
}

static int
append_binary(struct skio__buf *buf, const void *data, size_t len, bool binary)
{
    char digits[SKIO__NUMBER_MAX];
    size_t count = skio__number_format_u64(len, digits);
    size_t i;

    skio__buf_putc(buf, binary ? 1 : 0);
    for (i = 0; i < count; i++)
        skio__buf_putc(buf, (char)(digits[i] - '0'));
    skio__buf_putc(buf, (char)LENGTH_END);
    return skio__buf_append(buf, data, len);
}

int
skio__payload3_join(const struct eio_queue *queue, struct skio__buf *out,
                    bool *binary)
{
    const void *data;
    size_t len;
    uint32_t i;

    *binary = false;
    for (i = 0; i < queue->count && !*binary; i++)
        *binary = (skio__queue_at(queue, i)->flags & SKIO__BLOB_BINARY) != 0;

    for (i = 0; i < queue->count; i++) {
        const struct skio__blob *blob = skio__queue_at(queue, i);

        skio__blob_packet(blob, &data, &len);
        if (*binary)
            append_binary(out, data, len,
                          (blob->flags & SKIO__BLOB_BINARY) != 0);
        else
            skio__payload3_append(out, data, len);
    }
    return out->err;
}

static struct skio__blob *
blob_base64(const struct skio__blob *blob)
{
    const void *data;
    struct skio__blob *made;
    unsigned char *to;
    size_t len;
    size_t room;

    skio__blob_packet(blob, &data, &len);
    room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
    made = skio__blob_new(blob->mem, false, room + 2);
    if (made == NULL)
        return NULL;
    to = skio__blob_data(made);
    to[0] = 'b';
    to[1] = EIO_MESSAGE;
    sodium_bin2base64((char *)to + 2, room, data, len,
                      sodium_base64_VARIANT_ORIGINAL);
    skio__blob_seal(made, room + 1); /* not the NUL */
    return made;
}

struct skio__blob *
skio__blob3_new(struct skio__blob *blob, bool base64)
{
    const void *data;
    unsigned char *to;
    size_t len;

    if (base64)
        return blob_base64(blob);
    if (blob->eio3 == NULL) {
        skio__blob_packet(blob, &data, &len);
        blob->eio3 = skio__blob_new(blob->mem, true, len + 1);
        if (blob->eio3 == NULL)
            return NULL;
        to = skio__blob_data(blob->eio3);
        to[0] = TYPE_MESSAGE;
        if (len > 0)
            memcpy(to + 1, data, len);
        skio__blob_seal(blob->eio3, len + 1);
    }
    return skio__blob_ref(blob->eio3);
}
