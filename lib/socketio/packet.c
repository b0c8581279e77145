/*
 * Socket.IO packets, decoded: see packet.h
 *
 * The order of the checks is the order of the text, so that a hostile head is
 * refused before its JSON is looked at.
 */
#include "socketio/packet.h"

#include <string.h>

#include "base/compiler.h"
#include "base/utf8.h"

#define ID_MAX ((UINT64_C(1) << 53) - 1) /* Number.MAX_SAFE_INTEGER */

/* Names that the application's own events may not have. */
static const char *const reserved[] = {
    "connect",       "connect_error", "disconnect",
    "disconnecting", "newListener",   "removeListener",
};

#define RESERVED_COUNT (sizeof(reserved) / sizeof(*reserved))
#define RESERVED_MIN 7 /* bytes of the shortest */

struct decoder {
    const char *pos;
    const char *end;
    const struct sio_packet_limits *limits;
    struct sio_packet *packet;
    const char **why;
};

static inline int
refuse(const struct decoder *d, int err, const char *why)
{
    *d->why = why;
    return err;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * Digits, at least one, up to max: no sign, blank, or exponent. Stops at the
 * first digit that leads past max, so a megabyte of them costs nothing.
 * Returns SKIO_OK, SKIO_EPROTO without a digit, SKIO_ELIMIT past max.
 */
static inline int
decode_digits(struct decoder *d, uint64_t max, uint64_t *out)
{
    const char *pos = d->pos;
    uint64_t n = 0;

    if (pos == d->end || !is_digit(*pos))
        return SKIO_EPROTO;
    do {
        n = 10 * n + (uint64_t)(*pos++ - '0');
        if (n > max)
            return SKIO_ELIMIT;
    } while (pos < d->end && is_digit(*pos));
    d->pos = pos;
    *out = n;
    return SKIO_OK;
}

/* `count "-"`, of the binary types. */
static inline int
decode_attachments(struct decoder *d)
{
    uint64_t count;
    int err = decode_digits(d, d->limits->max_attachments, &count);

    if (err == SKIO_ELIMIT)
        return refuse(d, err, "too many attachments");
    if (err != SKIO_OK || count == 0 || d->pos == d->end || *d->pos != '-')
        return refuse(d, SKIO_EPROTO, "Illegal attachments");
    d->pos++;
    d->packet->attachments = (uint32_t)count;
    return SKIO_OK;
}

/*
 * `"/" name ","`, up to the end of the text if there is no comma. A name with
 * a NUL is nobody's: refused here, so that it never looks like another one.
 */
static inline int
decode_nsp(struct decoder *d)
{
    const char *start = d->pos;
    const size_t max = d->limits->max_name_bytes;
    size_t left = (size_t)(d->end - start);
    const char *comma;
    size_t len;

    if (left == 0 || *start != '/')
        return SKIO_OK;

    comma = memchr(start, ',', left <= max ? left : max + 1);
    if (comma == NULL && left > max)
        return refuse(d, SKIO_ELIMIT, "namespace too long");
    len = comma != NULL ? (size_t)(comma - start) : left;

    if (!skio__utf8_valid(start, len))
        return refuse(d, SKIO_EUTF8, "invalid UTF-8");
    if (memchr(start, '\0', len) != NULL)
        return refuse(d, SKIO_EPROTO, "invalid namespace");

    d->packet->nsp = start;
    d->packet->nsp_len = len;
    d->pos = start + len + (comma != NULL);
    return SKIO_OK;
}

static inline int
decode_id(struct decoder *d)
{
    if (d->pos == d->end || !is_digit(*d->pos))
        return SKIO_OK;
    if (decode_digits(d, ID_MAX, &d->packet->id) != SKIO_OK)
        return refuse(d, SKIO_EPROTO, "ack id too large");
    d->packet->has_id = true;
    return SKIO_OK;
}

/* Why the scan said no. */
static skio__rare int
refuse_json(const struct sio_packet *packet, int err,
            const struct skio__json_limits *limits, const char **why)
{
    struct skio__json_limits plain = {limits->max_depth, -1};
    struct skio__json_scan scan = {0};

    switch (err) {
    case SKIO_EUTF8:
        *why = "invalid UTF-8";
        return err;
    case SKIO_ELIMIT:
        *why = "payload nested too deep";
        return err;
    case SKIO_ETOOBIG:
        *why = "payload too large";
        return SKIO_ELIMIT;
    default:
        break;
    }
    *why = "invalid payload";
    if (limits->placeholders >= 0 &&
        skio__json_scan(packet->json, packet->json_len, &plain, &scan) ==
            SKIO_OK)
        *why = "illegal attachments";
    return SKIO_EPROTO;
}

static inline int
scan_json(struct decoder *d, bool checks_placeholders)
{
    struct sio_packet *packet = d->packet;
    struct skio__json_limits limits = {
        d->limits->max_json_depth,
        checks_placeholders && packet->attachments > 0
            ? (int64_t)packet->attachments
            : -1,
    };
    struct skio__json_scan scan = {.items = packet->items,
                                   .cap = SIO_VALUE_ITEMS};
    int err = skio__json_scan(packet->json, packet->json_len, &limits, &scan);

    if (err != SKIO_OK)
        return refuse_json(packet, err, &limits, d->why);

    packet->root = scan.root;
    packet->count = scan.count;
    return SKIO_OK;
}

/* The rest of the text, if there is any. It begins with the value itself:
 * Node reads a blank here as the ack id 0. */
static inline int
decode_json(struct decoder *d)
{
    struct sio_packet *packet = d->packet;

    if (d->pos == d->end)
        return SKIO_OK;

    packet->json = d->pos;
    packet->json_len = (size_t)(d->end - d->pos);
    if (*d->pos <= ' ' && memchr(" \t\r\n", *d->pos, 4) != NULL)
        return refuse(d, SKIO_EPROTO, "invalid payload");
    return scan_json(d, true);
}

static bool
name_is_reserved(const char *text, const struct skio__json_slice *name)
{
    size_t i;

    if ((name->flags & SKIO__JSON_ESCAPED) == 0)
        return skio__packet_is_reserved(text + name->start + 1, name->len - 2);

    for (i = 0; i < RESERVED_COUNT; i++)
        if (skio__json_string_is(text, name, reserved[i], strlen(reserved[i])))
            return true;
    return false;
}

/* Whether an array's first element names an event: a string, or a number. */
static int
check_name(const struct sio_packet *packet,
           const struct sio_packet_limits *limits, const char **why)
{
    const struct skio__json_slice *name = &packet->items[0];
    bool is_string = name->type == SKIO__JSON_STRING;
    size_t len = name->len - 2 * (size_t)is_string; /* as it is written */

    if ((is_string || name->type == SKIO__JSON_NUMBER) &&
        len > limits->max_name_bytes) {
        *why = "event name too long";
        return SKIO_ELIMIT;
    }
    if ((!is_string && name->type != SKIO__JSON_NUMBER) ||
        (is_string && name_is_reserved(packet->json, name))) {
        *why = "invalid payload";
        return SKIO_EPROTO;
    }
    return SKIO_OK;
}

/* Whether it is an event with a name that is too short to be reserved: nearly
 * all packets are. */
static inline bool
is_plain_event(const struct sio_packet *packet,
               const struct sio_packet_limits *limits)
{
    const struct skio__json_slice *name = &packet->items[0];

    return packet->type == SIO_EVENT && packet->root.type == SKIO__JSON_ARRAY &&
           packet->count > 0 && name->type == SKIO__JSON_STRING &&
           name->flags == 0 && name->len - 2 < RESERVED_MIN &&
           name->len - 2 <= limits->max_name_bytes;
}

/*
 * Whether the type may carry this payload. Every type may come without one:
 * an event is then one without a name, which no handler hears.
 */
static int
check_payload(const struct sio_packet *packet,
              const struct sio_packet_limits *limits, const char **why)
{
    uint8_t root = packet->root.type;
    bool fits = false;

    if (packet->json == NULL)
        return SKIO_OK;

    switch (packet->type) {
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        if (root == SKIO__JSON_ARRAY && packet->count > 0)
            return check_name(packet, limits, why);
        break;
    case SIO_CONNECT:
        fits = root == SKIO__JSON_OBJECT;
        break;
    case SIO_DISCONNECT:
        break;
    case SIO_ACK:
    case SIO_BINARY_ACK:
        fits = root == SKIO__JSON_ARRAY;
        break;
    case SIO_CONNECT_ERROR:
        fits = root == SKIO__JSON_OBJECT || root == SKIO__JSON_STRING;
        break;
    }
    if (fits)
        return SKIO_OK;
    *why = "invalid payload";
    return SKIO_EPROTO;
}

/* What a parser may have got from anybody: see decode_nsp(), decode_id() and
 * decode_attachments(), which make sure of the same. */
static int
check_head(const struct decoder *d)
{
    const struct sio_packet *packet = d->packet;

    if (packet->type > SIO_BINARY_ACK)
        return refuse(d, SKIO_EPROTO, "unknown packet type");
    if (packet->nsp_len > d->limits->max_name_bytes)
        return refuse(d, SKIO_ELIMIT, "namespace too long");
    if (!skio__utf8_valid(packet->nsp, packet->nsp_len))
        return refuse(d, SKIO_EUTF8, "invalid UTF-8");
    if (memchr(packet->nsp, '\0', packet->nsp_len) != NULL)
        return refuse(d, SKIO_EPROTO, "invalid namespace");
    if (packet->has_id && packet->id > ID_MAX)
        return refuse(d, SKIO_EPROTO, "ack id too large");
    if (packet->attachments > d->limits->max_attachments)
        return refuse(d, SKIO_ELIMIT, "too many attachments");
    if (packet->attachments > 0 && packet->type != SIO_EVENT &&
        packet->type != SIO_ACK && packet->type != SIO_BINARY_EVENT &&
        packet->type != SIO_BINARY_ACK)
        return refuse(d, SKIO_EPROTO, "Illegal attachments");
    return SKIO_OK;
}

static inline int
decode_type(struct decoder *d)
{
    unsigned type;

    if (d->pos == d->end)
        return refuse(d, SKIO_EPROTO, "empty packet");
    type = (unsigned)(unsigned char)*d->pos++ - '0';
    if (type > SIO_BINARY_ACK)
        return refuse(d, SKIO_EPROTO, "unknown packet type");
    d->packet->type = (enum sio_type)type;
    return SKIO_OK;
}

static inline int
decode(struct decoder *d)
{
    int err = decode_type(d);

    if (err == SKIO_OK && d->packet->type >= SIO_BINARY_EVENT)
        err = decode_attachments(d);
    if (err == SKIO_OK)
        err = decode_nsp(d);
    if (err == SKIO_OK)
        err = decode_id(d);
    if (err == SKIO_OK)
        err = decode_json(d);
    if (err == SKIO_OK && !is_plain_event(d->packet, d->limits))
        err = check_payload(d->packet, d->limits, d->why);
    return err;
}

/* No function that is called, and not inline, is given the decoder: so what is
 * in it need not be in memory. */
int
skio__packet_decode(const char *text, size_t len,
                    const struct sio_packet_limits *limits,
                    struct sio_packet *packet, const char **why)
{
    struct decoder d = {text, text + len, limits, NULL, why};

    packet->attachments = 0;
    packet->nsp = "/";
    packet->nsp_len = 1;
    packet->has_id = false;
    packet->id = 0;
    packet->json = NULL;
    packet->json_len = 0;
    packet->root = (struct skio__json_slice){0, 0, SKIO__JSON_NULL, 0};
    packet->count = 0;
    *why = "";
    d.packet = packet;
    return decode(&d);
}

int
skio__packet_check(struct sio_packet *packet,
                   const struct sio_packet_limits *limits,
                   bool has_plain_placeholders, const char **why)
{
    struct decoder d = {NULL, NULL, limits, packet, why};
    int err = check_head(&d);

    packet->root = (struct skio__json_slice){0, 0, SKIO__JSON_NULL, 0};
    packet->count = 0;
    if (err == SKIO_OK && packet->json != NULL)
        err = scan_json(&d, has_plain_placeholders);
    if (err == SKIO_OK)
        err = check_payload(packet, limits, why);
    return err;
}

bool
skio__packet_is_reserved(const char *name, size_t len)
{
    size_t i;

    if (len < RESERVED_MIN)
        return false;
    for (i = 0; i < RESERVED_COUNT; i++)
        if (*name == *reserved[i] && strlen(reserved[i]) == len &&
            memcmp(name, reserved[i], len) == 0)
            return true;
    return false;
}
