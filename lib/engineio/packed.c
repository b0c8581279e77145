#include "engineio/packed.h"

#include <stdint.h>
#include <string.h>

/*
 * What browsers, other clients and proxies send, sorted by name. The code is
 * the index plus one. A name alone stands behind its pairs.
 */
static const struct entry {
    const char *name;
    const char *value; /* NULL: it follows */
} entries[] = {
    {"accept", "*/*"},
    {"accept", NULL},
    {"accept-encoding", "gzip, deflate"},
    {"accept-encoding", "gzip, deflate, br"},
    {"accept-encoding", "gzip, deflate, br, zstd"},
    {"accept-encoding", NULL},
    {"accept-language", "en-US,en;q=0.9"},
    {"accept-language", NULL},
    {"authorization", NULL},
    {"cache-control", "no-cache"},
    {"cache-control", NULL},
    {"cf-connecting-ip", NULL},
    {"cf-ray", NULL},
    {"connection", "Upgrade"},
    {"connection", "keep-alive"},
    {"connection", NULL},
    {"content-length", NULL},
    {"content-type", NULL},
    {"cookie", NULL},
    {"dnt", "1"},
    {"forwarded", NULL},
    {"host", NULL},
    {"origin", NULL},
    {"pragma", "no-cache"},
    {"priority", NULL},
    {"referer", NULL},
    {"sec-ch-ua", NULL},
    {"sec-ch-ua-mobile", "?0"},
    {"sec-ch-ua-mobile", "?1"},
    {"sec-ch-ua-platform", NULL},
    {"sec-fetch-dest", "empty"},
    {"sec-fetch-dest", "websocket"},
    {"sec-fetch-dest", NULL},
    {"sec-fetch-mode", "cors"},
    {"sec-fetch-mode", "websocket"},
    {"sec-fetch-mode", NULL},
    {"sec-fetch-site", "cross-site"},
    {"sec-fetch-site", "same-origin"},
    {"sec-fetch-site", "same-site"},
    {"sec-fetch-site", NULL},
    {"sec-gpc", "1"},
    {"sec-websocket-extensions", "permessage-deflate"},
    {"sec-websocket-extensions", "permessage-deflate; client_max_window_bits"},
    {"sec-websocket-extensions", NULL},
    {"sec-websocket-key", NULL},
    {"sec-websocket-protocol", NULL},
    {"sec-websocket-version", "13"},
    {"sec-websocket-version", NULL},
    {"te", NULL},
    {"traceparent", NULL},
    {"tracestate", NULL},
    {"upgrade", "websocket"},
    {"upgrade", NULL},
    {"user-agent", NULL},
    {"via", NULL},
    {"x-forwarded-for", NULL},
    {"x-forwarded-host", NULL},
    {"x-forwarded-port", NULL},
    {"x-forwarded-proto", "https"},
    {"x-forwarded-proto", NULL},
    {"x-real-ip", NULL},
    {"x-request-id", NULL},
};
#define ENTRIES (sizeof entries / sizeof entries[0])

_Static_assert(ENTRIES < UINT8_MAX, "a code is one byte");

/*
 * The first entry that does not come before a name. By halves, and mostly by
 * the first letter alone: a table that is read from its start costs thirty
 * comparisons of strings for each header.
 */
static size_t
find_first(const char *name)
{
    size_t from = 0;
    size_t to = ENTRIES;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const char *each = entries[middle].name;
        int order = (unsigned char)each[0] - (unsigned char)name[0];

        if (order == 0)
            order = strcmp(each, name);
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The code of a header; 0: it has none. */
static uint8_t
find_code(const char *name, const char *value)
{
    size_t i;

    for (i = find_first(name);
         i < ENTRIES && strcmp(entries[i].name, name) == 0; i++) {
        if (entries[i].value == NULL || strcmp(entries[i].value, value) == 0)
            return (uint8_t)(i + 1);
    }
    return 0;
}

/* Where packed bytes go; those that do not fit are only counted. */
struct writer {
    char *data;
    size_t size;
    size_t len;
};

static void
put(struct writer *writer, const void *data, size_t len)
{
    if (writer->len <= writer->size && len <= writer->size - writer->len)
        memcpy(writer->data + writer->len, data, len);
    writer->len += len;
}

size_t
skio__headers_pack(const char *headers, size_t len, char *out, size_t size)
{
    struct writer writer = {out, size, 0};
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
        code = find_code(name, value);
        put(&writer, &code, 1);
        if (code == 0)
            put(&writer, name, (size_t)(value - name));
        if (code == 0 || entries[code - 1].value == NULL)
            put(&writer, value, (size_t)(stop - value));
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
