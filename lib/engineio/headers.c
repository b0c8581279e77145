#include "engineio/headers.h"

#include <string.h>

#include "base/mem.h"
#include "engineio/cors.h"

/* What frames the response, or is written by the transport. */
static const char *const reserved[] = {
    "connection", "content-length",    "date",
    "keep-alive", "transfer-encoding", "upgrade",
};

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
skio__headers_same(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return *a == '\0' && *b == '\0';
}

/* RFC 9110, 5.6.2 */
static bool
is_token(const char *name)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    const char *pos;

    for (pos = name; *pos != '\0'; pos++) {
        char c = lower(*pos);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              strchr(marks, c) != NULL))
            return false;
    }
    return pos > name;
}

static bool
is_reserved(const char *name)
{
    static const char websocket[] = "sec-websocket-";
    size_t i;

    for (i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (skio__headers_same(name, reserved[i]))
            return true;
    }
    for (i = 0; i < sizeof websocket - 1; i++) {
        if (lower(name[i]) != websocket[i])
            return false;
    }
    return true;
}

void
skio__headers_init(skio_headers *headers, const skio_server_options *options,
                   const skio_allocator *mem)
{
    memset(headers, 0, sizeof *headers);
    headers->mem = mem;
    headers->max_count = options->max_response_headers;
    headers->max_bytes = options->max_response_header_bytes;
}

static size_t
size_of(const skio_header *header)
{
    return strlen(header->name) + strlen(header->value);
}

/* Its block begins with the name. */
static void
drop(skio_headers *headers, uint32_t i)
{
    headers->bytes -= size_of(&headers->items[i]);
    skio__mem_free(headers->mem, (void *)(uintptr_t)headers->items[i].name);
    headers->count--;
    memmove(headers->items + i, headers->items + i + 1,
            (headers->count - i) * sizeof *headers->items);
}

void
skio__headers_deinit(skio_headers *headers)
{
    while (headers->count > 0)
        drop(headers, headers->count - 1);
    skio__mem_free(headers->mem, headers->items);
    headers->items = NULL;
}

static int
add(skio_headers *headers, const char *name, const char *value,
    uint32_t freed_count, size_t freed_bytes)
{
    size_t name_len = strlen(name);
    size_t value_len = strlen(value);
    size_t left = headers->max_bytes - headers->bytes + freed_bytes;
    char *text;

    if (!is_token(name) || is_reserved(name) || !skio__cors_is_clean(value))
        return SKIO_EINVAL;
    if (headers->count - freed_count >= headers->max_count || name_len > left ||
        value_len > left - name_len)
        return SKIO_ENOBUFS;
    if (headers->items == NULL) {
        /* Once, with one more for the time of a replacement. */
        headers->items = skio__mem_calloc(headers->mem, headers->max_count + 1,
                                          sizeof *headers->items);
        if (headers->items == NULL)
            return SKIO_ENOMEM;
    }
    text = skio__mem_alloc(headers->mem, name_len + value_len + 2);
    if (text == NULL)
        return SKIO_ENOMEM;
    memcpy(text, name, name_len + 1);
    memcpy(text + name_len + 1, value, value_len + 1);
    headers->items[headers->count].name = text;
    headers->items[headers->count].value = text + name_len + 1;
    headers->count++;
    headers->bytes += name_len + value_len;
    return SKIO_OK;
}

int
skio_headers_append(skio_headers *headers, const char *name, const char *value)
{
    return add(headers, name, value, 0, 0);
}

int
skio_headers_set(skio_headers *headers, const char *name, const char *value)
{
    uint32_t old_count = headers->count;
    uint32_t freed = 0;
    size_t freed_bytes = 0;
    uint32_t i;
    int err;

    for (i = 0; i < old_count; i++) {
        if (skio__headers_same(headers->items[i].name, name)) {
            freed++;
            freed_bytes += size_of(&headers->items[i]);
        }
    }
    err = add(headers, name, value, freed, freed_bytes);
    if (err != SKIO_OK)
        return err;
    for (i = old_count; i > 0; i--) {
        if (skio__headers_same(headers->items[i - 1].name, name))
            drop(headers, i - 1);
    }
    return SKIO_OK;
}

const char *
skio_headers_get(const skio_headers *headers, const char *name)
{
    uint32_t i;

    for (i = 0; i < headers->count; i++) {
        if (skio__headers_same(headers->items[i].name, name))
            return headers->items[i].value;
    }
    return NULL;
}

int
skio_headers_remove(skio_headers *headers, const char *name)
{
    int err = SKIO_ENOENT;
    uint32_t i;

    for (i = headers->count; i > 0; i--) {
        if (skio__headers_same(headers->items[i - 1].name, name)) {
            drop(headers, i - 1);
            err = SKIO_OK;
        }
    }
    return err;
}

size_t
skio__headers_join(const skio_header *base, size_t count,
                   const skio_headers *added, skio_header *out)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        if (skio_headers_get(added, base[i].name) == NULL)
            out[n++] = base[i];
    }
    for (i = 0; i < added->count; i++)
        out[n++] = added->items[i];
    return n;
}
