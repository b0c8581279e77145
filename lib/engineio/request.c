#include "engineio/request.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

struct eio_request {
    const skio_allocator *mem;
    const char *query; /* in target, or "" */
    const char *address;
    const char *headers;
    size_t headers_len;
    uint32_t refs;
    bool secure;
    bool keeps_latest; /* a pointer, not aligned, stands at the end */
    char target[];
};

static const char *
text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

struct eio_request *
skio__request_new(const skio_allocator *mem, const skio_request *from,
                  bool keeps_latest)
{
    const struct eio_request *none = NULL;
    const char *path = text_or_empty(from->path);
    const char *query = text_or_empty(from->query);
    const char *address = text_or_empty(from->address);
    size_t path_len = strlen(path);
    size_t query_len = strlen(query);
    size_t address_len = strlen(address);
    size_t size = sizeof(struct eio_request);
    struct eio_request *request;
    char *pos;

    if (skio__add_overflow(size, path_len + query_len + address_len + 3,
                           &size) ||
        skio__add_overflow(size, from->headers_len, &size) ||
        skio__add_overflow(size, keeps_latest ? sizeof none : 0, &size))
        return NULL;
    request = skio__mem_alloc(mem, size);
    if (request == NULL)
        return NULL;

    request->mem = mem;
    request->refs = 1;
    request->secure = from->secure;
    request->keeps_latest = keeps_latest;

    pos = request->target;
    memcpy(pos, path, path_len);
    pos += path_len;
    request->query = pos; /* "" while the NUL below stands here */
    if (query_len > 0) {
        *pos++ = '?';
        request->query = pos;
        memcpy(pos, query, query_len);
        pos += query_len;
    }
    *pos++ = '\0';

    request->address = pos;
    memcpy(pos, address, address_len + 1);
    pos += address_len + 1;

    request->headers = pos;
    request->headers_len = from->headers_len;
    if (from->headers_len > 0)
        memcpy(pos, from->headers, from->headers_len);
    if (keeps_latest)
        memcpy(pos + from->headers_len, &none, sizeof none);
    return request;
}

/* An idle connection pays for the pointer only when it is asked for. */
static struct eio_request *
latest_of(const struct eio_request *request)
{
    struct eio_request *latest = NULL;

    if (request->keeps_latest)
        memcpy(&latest, request->headers + request->headers_len, sizeof latest);
    return latest;
}

int
skio__request_set_latest(struct eio_request *request,
                         const skio_request *latest)
{
    struct eio_request *copy = skio__request_new(request->mem, latest, false);

    if (copy == NULL)
        return SKIO_ENOMEM;
    skio__request_unref(latest_of(request));
    /* the end of the own block, which `target` begins */
    memcpy(request->target + (request->headers - request->target) +
               request->headers_len,
           &copy, sizeof copy);
    return SKIO_OK;
}

const struct eio_request *
skio__request_latest(const struct eio_request *request)
{
    const struct eio_request *latest = latest_of(request);

    return latest != NULL ? latest : request;
}

struct eio_request *
skio__request_ref(struct eio_request *request)
{
    assert(request->refs > 0 && request->refs < UINT32_MAX);
    request->refs++;
    return request;
}

void
skio__request_unref(struct eio_request *request)
{
    if (request == NULL || --request->refs > 0)
        return;
    /* a latest one has none itself: this goes one level deep */
    if (request->keeps_latest)
        skio__request_unref(latest_of(request));
    skio__mem_free(request->mem, request);
}

const char *
skio__request_header(const struct eio_request *request, const char *name)
{
    return skio__headers_find(request->headers, request->headers_len, name);
}

bool
skio__request_each(const struct eio_request *request, skio_pair_fn *fn,
                   void *user)
{
    const char *name = request->headers;
    const char *end = name + request->headers_len;

    while (name < end) {
        const char *value = memchr(name, '\0', (size_t)(end - name));
        const char *next;

        if (value == NULL || ++value >= end)
            return true;
        next = memchr(value, '\0', (size_t)(end - value));
        if (next == NULL)
            return true;
        if (!fn(name, value, user))
            return false;
        name = next + 1;
    }
    return true;
}

const char *
skio__request_target(const struct eio_request *request)
{
    return request->target;
}

const char *
skio__request_address(const struct eio_request *request)
{
    return request->address;
}

bool
skio__request_is_secure(const struct eio_request *request)
{
    return request->secure;
}

const char *
skio__request_query(const struct eio_request *request)
{
    return request->query;
}

const char *
skio__headers_find(const char *headers, size_t len, const char *name)
{
    const char *end = headers + len;
    const char *pos = headers;

    while (pos != NULL && pos < end) {
        const char *value = memchr(pos, '\0', (size_t)(end - pos));
        const char *next;

        if (value == NULL || ++value >= end)
            return NULL;
        next = memchr(value, '\0', (size_t)(end - value));
        if (next == NULL)
            return NULL;
        if (strcmp(pos, name) == 0)
            return value;
        pos = next + 1;
    }
    return NULL;
}

size_t
skio__headers_count(const char *headers, size_t len)
{
    size_t nuls = 0;
    size_t i;

    for (i = 0; i < len; i++)
        nuls += headers[i] == '\0';
    return nuls / 2;
}

static int
hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The next character of encoded text; a '%' that begins no escape is itself. */
static char
decode_char(const char **pos, const char *end)
{
    const char *at = (*pos)++;

    if (*at == '+')
        return ' ';
    if (*at == '%' && end - at >= 3 && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
        *pos += 2;
        return (char)(hex(at[1]) * 16 + hex(at[2]));
    }
    return *at;
}

static bool
name_is(const char *pos, const char *end, const char *name)
{
    while (pos < end) {
        char c = decode_char(&pos, end);

        if (*name == '\0' || c != *name++)
            return false;
    }
    return *name == '\0';
}

bool
skio__query_find(const char *query, const char *name, const char **value,
                 size_t *len)
{
    const char *pos = query;
    bool found = false;

    while (*pos != '\0') {
        const char *end = pos + strcspn(pos, "&");
        const char *equals = memchr(pos, '=', (size_t)(end - pos));
        const char *stop = equals != NULL ? equals : end;

        if (stop > pos && name_is(pos, stop, name)) {
            *value = equals != NULL ? equals + 1 : end;
            *len = (size_t)(end - *value);
            found = true;
        }
        pos = *end == '&' ? end + 1 : end;
    }
    return found;
}

size_t
skio__query_decode(const char *text, size_t len, char *out)
{
    const char *end = text + len;
    size_t n = 0;

    while (text < end)
        out[n++] = decode_char(&text, end);
    return n;
}

ptrdiff_t
skio__query_get(const char *query, const char *name, char *out, size_t size)
{
    const char *value;
    const char *end;
    size_t len;
    size_t n = 0;

    if (size == 0 || !skio__query_find(query, name, &value, &len))
        return -1;
    for (end = value + len; value < end;) {
        if (n + 1 >= size)
            return -1;
        out[n++] = decode_char(&value, end);
    }
    out[n] = '\0';
    return (ptrdiff_t)n;
}

/* Whether a parameter of this name is in the rest of a query. */
static bool
comes_again(const char *rest, const char *name)
{
    const char *value;
    size_t len;

    return skio__query_find(rest, name, &value, &len);
}

bool
skio__query_each(const char *query, char *scratch, skio_pair_fn *fn, void *user)
{
    const char *pos = query;

    while (*pos != '\0') {
        const char *end = pos + strcspn(pos, "&");
        const char *equals = memchr(pos, '=', (size_t)(end - pos));
        const char *stop = equals != NULL ? equals : end;
        const char *next = *end == '&' ? end + 1 : end;
        char *value;
        size_t len;

        if (end > pos) {
            len = skio__query_decode(pos, (size_t)(stop - pos), scratch);
            scratch[len] = '\0';
            value = scratch + len + 1;
            len = equals != NULL
                      ? skio__query_decode(equals + 1,
                                           (size_t)(end - equals - 1), value)
                      : 0;
            value[len] = '\0';
            if (!comes_again(next, scratch) && !fn(scratch, value, user))
                return false;
        }
        pos = next;
    }
    return true;
}
