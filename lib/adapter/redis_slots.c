#include "adapter/redis_slots.h"

#include <string.h>

/* CRC-16/XMODEM: polynomial 0x1021, begun with 0. */
static uint16_t
crc16(const unsigned char *data, size_t len)
{
    unsigned crc = 0;
    size_t i;
    int bit;

    for (i = 0; i < len; i++) {
        crc ^= (unsigned)data[i] << 8;
        for (bit = 0; bit < 8; bit++)
            crc = crc & 0x8000U ? (crc << 1) ^ 0x1021U : crc << 1;
    }
    return (uint16_t)crc;
}

uint16_t
skio__redis_slot(const char *key, size_t len)
{
    const char *open = len > 0 ? memchr(key, '{', len) : NULL;
    const char *close = NULL;

    if (open != NULL)
        close = memchr(open + 1, '}', len - (size_t)(open + 1 - key));
    if (close != NULL && close != open + 1) {
        key = open + 1;
        len = (size_t)(close - key);
    }
    return crc16((const unsigned char *)key, len) % SKIO__REDIS_SLOTS;
}

/* Reads digits up to `limit`; returns what follows them, or NULL. */
static const char *
read_number(const char *at, const char *end, uint32_t limit, uint32_t *out)
{
    uint32_t n = 0;
    const char *start = at;

    while (at < end && *at >= '0' && *at <= '9') {
        n = n * 10 + (uint32_t)(*at++ - '0');
        if (n > limit)
            return NULL;
    }
    *out = n;
    return at > start ? at : NULL;
}

bool
skio__redis_moved_read(struct skio__redis_moved *out, const char *text,
                       size_t len)
{
    const char *end = text + len;
    const char *colon;
    const char *at;
    uint32_t slot;
    uint32_t port = 0;

    if (len > 6 && memcmp(text, "MOVED ", 6) == 0) {
        out->is_ask = false;
        at = text + 6;
    } else if (len > 4 && memcmp(text, "ASK ", 4) == 0) {
        out->is_ask = true;
        at = text + 4;
    } else {
        return false;
    }

    at = read_number(at, end, SKIO__REDIS_SLOTS - 1, &slot);
    if (at == NULL || at == end || *at++ != ' ')
        return false;
    /* An IPv6 address has colons of its own: the last one counts. */
    for (colon = end; colon > at && colon[-1] != ':';)
        colon--;
    if (colon == at || (size_t)(colon - at) > SKIO__REDIS_HOST_MAX + 1)
        return false;
    if (read_number(colon, end, UINT16_MAX, &port) != end || port == 0)
        return false;

    out->slot = (uint16_t)slot;
    out->port = (uint16_t)port;
    out->host = at;
    out->host_len = (size_t)(colon - 1 - at);
    return memchr(at, '\0', out->host_len) == NULL;
}

/* What one entry says; all checked. */
struct range {
    uint16_t first;
    uint16_t last;
    uint16_t port;
    const char *host; /* NULL: it has no address */
    size_t host_len;
};

static bool
is_integer(const struct skio__redis_reply *reply, int64_t min, int64_t max)
{
    return reply->type == SKIO__REDIS_INTEGER && reply->integer >= min &&
           reply->integer <= max;
}

/* [first, last, [host, port, ...], replicas...] */
static bool
read_range(const struct skio__redis_reply *reply, struct range *out)
{
    const struct skio__redis_reply *master;
    const struct skio__redis_reply *host;

    if (reply->type != SKIO__REDIS_ARRAY || reply->count < 3 ||
        !is_integer(reply->elements[0], 0, SKIO__REDIS_SLOTS - 1) ||
        !is_integer(reply->elements[1], reply->elements[0]->integer,
                    SKIO__REDIS_SLOTS - 1))
        return false;
    master = reply->elements[2];
    if (master->type != SKIO__REDIS_ARRAY || master->count < 2 ||
        !is_integer(master->elements[1], 0, UINT16_MAX))
        return false;

    host = master->elements[0];
    out->first = (uint16_t)reply->elements[0]->integer;
    out->last = (uint16_t)reply->elements[1]->integer;
    out->port = (uint16_t)master->elements[1]->integer;
    out->host = "";
    out->host_len = 0;
    if (host->type == SKIO__REDIS_STRING) {
        if (host->len > SKIO__REDIS_HOST_MAX ||
            memchr(host->str, '\0', host->len) != NULL)
            return false;
        out->host = host->str;
        out->host_len = host->len;
    } else if (host->type != SKIO__REDIS_NIL) {
        return false;
    }
    /* "?" is a name that the operator promised and did not give. */
    if (out->port == 0 || (out->host_len == 1 && out->host[0] == '?'))
        out->host = NULL;
    return true;
}

int
skio__redis_slots_read(const struct skio__redis_reply *reply,
                       skio__redis_range_fn *fn, void *user)
{
    struct range range;
    size_t slots = 0;
    size_t i;
    int count = 0;

    if (reply->type != SKIO__REDIS_ARRAY || reply->count > SKIO__REDIS_SLOTS)
        return SKIO_EPROTO;
    for (i = 0; i < reply->count; i++) {
        if (!read_range(reply->elements[i], &range))
            return SKIO_EPROTO;
        slots += (size_t)(range.last - range.first) + 1;
    }
    /* More than there are: some are named twice, and visiting takes long. */
    if (slots > SKIO__REDIS_SLOTS)
        return SKIO_EPROTO;

    for (i = 0; i < reply->count; i++) {
        (void)read_range(reply->elements[i], &range);
        if (range.host == NULL)
            continue;
        fn(range.first, range.last, range.host, range.host_len, range.port,
           user);
        count++;
    }
    return count;
}
