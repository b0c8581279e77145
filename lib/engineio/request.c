#include "engineio/request.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "base/hex.h"
#include "base/mem.h"
#include "engineio/cookie.h"
#include "engineio/packed.h"

struct skio_engine_request {
    const skio_allocator *mem;
    uint32_t refs;
    uint32_t query; /* where in target the others begin */
    uint32_t address;
    uint32_t headers;
    uint32_t headers_len;
    uint8_t method; /* in methods[]; 0: it stands after that */
    bool secure : 1;
    bool upgrade : 1;
    bool keeps_latest : 1; /* a pointer, not aligned, stands at the end */
    bool is_packed : 1;    /* its headers are: packed.h */
    char target[];
};

static const char *const methods[] = {
    "", "GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE", "CONNECT",
};
#define METHODS (sizeof methods / sizeof methods[0])

/* As many bytes of packed headers are made once; more of them twice, first to
 * know how many. */
#define PACKED_ONCE 1024

static const char *
text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static uint8_t
method_index(const char *name)
{
    size_t i;

    for (i = 1; i < METHODS; i++) {
        if (strcmp(name, methods[i]) == 0)
            return (uint8_t)i;
    }
    return 0;
}

/* Where in the block something stands; all of it has such a length. */
static uint32_t
offset(const struct skio_engine_request *request, const char *pos)
{
    return (uint32_t)(pos - request->target);
}

static struct skio_engine_request *
copy(const skio_allocator *mem, const skio_request *from, bool keeps_latest,
     bool packs)
{
    const struct skio_engine_request *none = NULL;
    size_t none_size = keeps_latest ? sizeof none : 0;
    const char *method = text_or_empty(from->method);
    uint8_t index = method_index(method);
    size_t method_size = index == 0 ? strlen(method) + 1 : 0;
    const char *path = text_or_empty(from->path);
    const char *query = text_or_empty(from->query);
    const char *address = text_or_empty(from->address);
    size_t path_len = strlen(path);
    size_t query_len = strlen(query);
    size_t address_len = strlen(address);
    char packed[PACKED_ONCE];
    size_t headers_len =
        packs ? skio__headers_pack(from->headers, from->headers_len, packed,
                                   sizeof packed)
              : from->headers_len;
    size_t size = sizeof(struct skio_engine_request);
    struct skio_engine_request *request;
    char *pos;

    if (skio__add_overflow(size, path_len + query_len + address_len + 3,
                           &size) ||
        skio__add_overflow(size, headers_len, &size) ||
        skio__add_overflow(size, none_size + method_size, &size) ||
        size > UINT32_MAX)
        return NULL;
    request = skio__mem_alloc(mem, size);
    if (request == NULL)
        return NULL;

    request->mem = mem;
    request->refs = 1;
    request->secure = from->secure;
    request->upgrade = from->upgrade;
    request->keeps_latest = keeps_latest;
    request->is_packed = packs;
    request->method = index;

    pos = request->target;
    memcpy(pos, path, path_len);
    pos += path_len;
    request->query = offset(request, pos); /* "", the NUL below stands here */
    if (query_len > 0) {
        *pos++ = '?';
        request->query = offset(request, pos);
        memcpy(pos, query, query_len);
        pos += query_len;
    }
    *pos++ = '\0';

    request->address = offset(request, pos);
    memcpy(pos, address, address_len + 1);
    pos += address_len + 1;

    request->headers = offset(request, pos);
    request->headers_len = (uint32_t)headers_len;
    if (packs && headers_len <= sizeof packed)
        memcpy(pos, packed, headers_len);
    else if (packs)
        (void)skio__headers_pack(from->headers, from->headers_len, pos,
                                 headers_len);
    else if (headers_len > 0)
        memcpy(pos, from->headers, headers_len);
    pos += headers_len;
    memcpy(pos, &none, none_size);
    if (method_size > 0)
        memcpy(pos + none_size, method, method_size);
    return request;
}

struct skio_engine_request *
skio__request_new(const skio_allocator *mem, const skio_request *from,
                  bool keeps_latest)
{
    return copy(mem, from, keeps_latest, false);
}

struct skio_engine_request *
skio__request_keep(const skio_allocator *mem, const skio_request *from,
                   bool keeps_latest)
{
    return copy(mem, from, keeps_latest, true);
}

/* What stands behind the headers. */
static const char *
tail(const struct skio_engine_request *request)
{
    return request->target + request->headers + request->headers_len;
}

/* An idle connection pays for the pointer only when it is asked for. */
static struct skio_engine_request *
latest_of(const struct skio_engine_request *request)
{
    struct skio_engine_request *latest = NULL;

    if (request->keeps_latest)
        memcpy(&latest, tail(request), sizeof latest);
    return latest;
}

int
skio__request_set_latest(struct skio_engine_request *request,
                         const skio_request *latest)
{
    struct skio_engine_request *kept =
        skio__request_keep(request->mem, latest, false);

    if (kept == NULL)
        return SKIO_ENOMEM;
    skio__request_unref(latest_of(request));
    memcpy(request->target + request->headers + request->headers_len, &kept,
           sizeof kept);
    return SKIO_OK;
}

const struct skio_engine_request *
skio__request_latest(const struct skio_engine_request *request)
{
    const struct skio_engine_request *latest = latest_of(request);

    return latest != NULL ? latest : request;
}

struct skio_engine_request *
skio__request_ref(struct skio_engine_request *request)
{
    assert(request->refs > 0 && request->refs < UINT32_MAX);
    request->refs++;
    return request;
}

void
skio__request_unref(struct skio_engine_request *request)
{
    if (request == NULL || --request->refs > 0)
        return;
    /* a latest one has none itself: this goes one level deep */
    if (request->keeps_latest)
        skio__request_unref(latest_of(request));
    skio__mem_free(request->mem, request);
}

const char *
skio__request_header(const struct skio_engine_request *request,
                     const char *name)
{
    const char *headers = request->target + request->headers;

    return request->is_packed
               ? skio__packed_find(headers, request->headers_len, name)
               : skio__headers_find(headers, request->headers_len, name);
}

bool
skio__request_each(const struct skio_engine_request *request, skio_pair_fn *fn,
                   void *user)
{
    const char *name = request->target + request->headers;
    const char *end = name + request->headers_len;

    if (request->is_packed)
        return skio__packed_each(name, request->headers_len, fn, user);
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
skio__request_target(const struct skio_engine_request *request)
{
    return request->target;
}

const char *
skio__request_address(const struct skio_engine_request *request)
{
    return request->target + request->address;
}

bool
skio__request_is_secure(const struct skio_engine_request *request)
{
    return request->secure;
}

const char *
skio__request_query(const struct skio_engine_request *request)
{
    return request->target + request->query;
}

void
skio__request_view(const struct skio_engine_request *request, skio_request *out)
{
    assert(!request->is_packed);
    memset(out, 0, sizeof *out);
    out->method = skio_engine_request_method(request);
    out->path = request->target;
    out->query = skio__request_query(request);
    out->headers = request->target + request->headers;
    out->headers_len = request->headers_len;
    out->address = skio__request_address(request);
    out->secure = request->secure;
    out->upgrade = request->upgrade;
    out->content_length = -1;
}

/* ---- <socketio/request.h> ---- */

const char *
skio_engine_request_method(const skio_engine_request *request)
{
    return request->method != 0
               ? methods[request->method]
               : tail(request) + (request->keeps_latest ? sizeof request : 0);
}

const char *
skio_engine_request_url(const skio_engine_request *request)
{
    return request->target;
}

const char *
skio_engine_request_header(const skio_engine_request *request, const char *name)
{
    return skio__request_header(request, name);
}

ptrdiff_t
skio_engine_request_query(const skio_engine_request *request, const char *name,
                          char *buf, size_t size)
{
    const char *value;
    ptrdiff_t len;
    size_t raw_len;

    if (!skio__query_find(skio__request_query(request), name, &value, &raw_len))
        return SKIO_ENOENT;
    len = skio__query_get(skio__request_query(request), name, buf, size);
    return len >= 0 ? len : SKIO_ETOOBIG;
}

ptrdiff_t
skio_engine_request_cookie(const skio_engine_request *request, const char *name,
                           char *buf, size_t size)
{
    const char *header = skio__request_header(request, "cookie");
    const char *value;
    size_t len;

    if (header == NULL || !skio__cookie_find(header, name, &value, &len))
        return SKIO_ENOENT;
    return skio__cookie_decode(value, len, buf, size);
}

const char *
skio_engine_request_address(const skio_engine_request *request)
{
    return request->target + request->address;
}

bool
skio_engine_request_is_secure(const skio_engine_request *request)
{
    return request->secure;
}

bool
skio_engine_request_is_upgrade(const skio_engine_request *request)
{
    return request->upgrade;
}

/* ---- Raw headers and queries ---- */

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

/* The next character of encoded text; a '%' that begins no escape is itself. */
static char
decode_char(const char **pos, const char *end)
{
    const char *at = (*pos)++;

    if (*at == '+')
        return ' ';
    if (*at == '%' && end - at >= 3 && skio__hex_byte(at + 1) >= 0) {
        *pos += 2;
        return (char)skio__hex_byte(at + 1);
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
