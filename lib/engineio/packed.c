#include "engineio/packed.h"

#include <stdint.h>
#include <string.h>

#include "base/writer.h"

/*
 * What browsers, other clients and proxies send, sorted by the name's first
 * letter, then its length, then the rest of it: names differ mostly in what
 * takes no memcmp(3) to see. The code is the index plus one. A name alone
 * stands behind its pairs.
 */
#define PAIR(name, value)                                                      \
    {                                                                          \
        name, value, sizeof name - 1                                           \
    }
#define NAME(name)                                                             \
    {                                                                          \
        name, NULL, sizeof name - 1                                            \
    }
static const struct entry {
    const char *name;
    const char *value; /* NULL: it follows */
    size_t name_len;
} entries[] = {
    PAIR("accept", "*/*"),
    NAME("accept"),
    NAME("authorization"),
    PAIR("accept-encoding", "gzip, deflate"),
    PAIR("accept-encoding", "gzip, deflate, br"),
    PAIR("accept-encoding", "gzip, deflate, br, zstd"),
    NAME("accept-encoding"),
    PAIR("accept-language", "en-US,en;q=0.9"),
    NAME("accept-language"),
    NAME("cf-ray"),
    NAME("cookie"),
    PAIR("connection", "Upgrade"),
    PAIR("connection", "keep-alive"),
    NAME("connection"),
    NAME("content-type"),
    PAIR("cache-control", "no-cache"),
    NAME("cache-control"),
    NAME("content-length"),
    NAME("cf-connecting-ip"),
    PAIR("dnt", "1"),
    NAME("forwarded"),
    NAME("host"),
    NAME("origin"),
    PAIR("pragma", "no-cache"),
    NAME("priority"),
    NAME("referer"),
    PAIR("sec-gpc", "1"),
    NAME("sec-ch-ua"),
    PAIR("sec-fetch-dest", "empty"),
    PAIR("sec-fetch-dest", "websocket"),
    NAME("sec-fetch-dest"),
    PAIR("sec-fetch-mode", "cors"),
    PAIR("sec-fetch-mode", "websocket"),
    NAME("sec-fetch-mode"),
    PAIR("sec-fetch-site", "cross-site"),
    PAIR("sec-fetch-site", "same-origin"),
    PAIR("sec-fetch-site", "same-site"),
    NAME("sec-fetch-site"),
    PAIR("sec-ch-ua-mobile", "?0"),
    PAIR("sec-ch-ua-mobile", "?1"),
    NAME("sec-websocket-key"),
    NAME("sec-ch-ua-platform"),
    PAIR("sec-websocket-version", "13"),
    NAME("sec-websocket-version"),
    NAME("sec-websocket-protocol"),
    PAIR("sec-websocket-extensions", "permessage-deflate"),
    PAIR("sec-websocket-extensions",
         "permessage-deflate; client_max_window_bits"),
    NAME("sec-websocket-extensions"),
    NAME("te"),
    NAME("tracestate"),
    NAME("traceparent"),
    PAIR("upgrade", "websocket"),
    NAME("upgrade"),
    NAME("user-agent"),
    NAME("via"),
    NAME("x-real-ip"),
    NAME("x-request-id"),
    NAME("x-forwarded-for"),
    NAME("x-forwarded-host"),
    NAME("x-forwarded-port"),
    PAIR("x-forwarded-proto", "https"),
    NAME("x-forwarded-proto"),
};
#define ENTRIES (sizeof entries / sizeof entries[0])

_Static_assert(ENTRIES < UINT8_MAX, "a code is one byte");

/* Below 0: an entry's name comes before this one, above: after it. */
static int
compare(const struct entry *entry, const char *name, size_t len)
{
    int order = (unsigned char)entry->name[0] - (unsigned char)name[0];

    if (order == 0 && entry->name_len != len)
        return entry->name_len < len ? -1 : 1;
    return order != 0 ? order : memcmp(entry->name, name, len);
}

/* The code of a header; 0: it has none. By halves: from the start of the table
 * it takes thirty comparisons. */
static uint8_t
find_code(const char *name, size_t len, const char *value)
{
    size_t from = 0;
    size_t to = ENTRIES;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (compare(&entries[middle], name, len) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    for (; from < ENTRIES && compare(&entries[from], name, len) == 0; from++) {
        if (entries[from].value == NULL ||
            strcmp(entries[from].value, value) == 0)
            return (uint8_t)(from + 1);
    }
    return 0;
}

size_t
skio__headers_pack(const char *headers, size_t len, char *out, size_t size)
{
    struct skio__writer writer = {out, size, 0};
    const char *name = headers;
    const char *end;

    if (len == 0)
        return 0;
    end = headers + len;
    while (name != end) {
        const char *value = memchr(name, '\0', (size_t)(end - name));
        const char *stop;
        uint8_t code;

        if (value == NULL || ++value == end)
            break;
        stop = memchr(value, '\0', (size_t)(end - value));
        if (stop == NULL)
            break;
        stop++;
        code = find_code(name, (size_t)(value - name) - 1, value);
        skio__writer_put(&writer, &code, 1);
        if (code == 0)
            skio__writer_put(&writer, name, (size_t)(value - name));
        if (code == 0 || entries[code - 1].value == NULL)
            skio__writer_put(&writer, value, (size_t)(stop - value));
        name = stop;
    }
    return writer.len;
}

/* Read the header at packed; returns where the next one stands. */
static const char *
read_one(const char *packed, const char **name, const char **value)
{
    uint8_t code = (uint8_t)*packed++;

    if (code == 0) {
        *name = packed;
        packed += strlen(packed) + 1;
    } else {
        *name = entries[code - 1].name;
        *value = entries[code - 1].value;
        if (*value != NULL)
            return packed;
    }
    *value = packed;
    return packed + strlen(packed) + 1;
}

bool
skio__packed_each(const char *packed, size_t len, skio_pair_fn *fn, void *user)
{
    const char *end = packed + len;
    const char *name;
    const char *value;

    while (packed != end) {
        packed = read_one(packed, &name, &value);
        if (!fn(name, value, user))
            return false;
    }
    return true;
}

const char *
skio__packed_find(const char *packed, size_t len, const char *name)
{
    const char *end = packed + len;
    const char *each;
    const char *value;

    while (packed != end) {
        packed = read_one(packed, &each, &value);
        if (strcmp(each, name) == 0)
            return value;
    }
    return NULL;
}
