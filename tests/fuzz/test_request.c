/*
 * Fuzz target: what stands in a request: query, headers, cookies, origins,
 * codings, the extension's offers, JSONP's form
 *
 * Input: lines; the first is the query, the second the name that is looked for,
 * each other one is a header, "name:value".
 */
#include "fuzz/fuzz.h"

#include "base/coding.h"
#include "base/utf8.h"
#include "engineio/cookie.h"
#include "engineio/cors.h"
#include "engineio/extension.h"
#include "engineio/fields.h"
#include "engineio/jsonp.h"
#include "engineio/packed.h"
#include "engineio/request.h"
#include "unit/alloc.h"

/* A line as text, NULs in it left out. To be freed. */
static char *
next_line(struct fuzz_input *in, bool *is_there)
{
    const uint8_t *end = in->left > 0 ? memchr(in->at, '\n', in->left) : NULL;
    size_t len = end != NULL ? (size_t)(end - in->at) : in->left;
    char *line = fuzz_copy(in->at, len);
    size_t kept = 0;

    *is_there = in->left > 0;
    for (size_t i = 0; i < len; i++)
        if (line[i] != '\0')
            line[kept++] = line[i];
    line[kept] = '\0';
    in->at += len;
    in->left -= len;
    (void)fuzz_byte(in);
    return line;
}

/* ---- Queries ---- */

struct pairs {
    const char *query; /* NULL: of headers */
    const struct skio_engine_request *request;
    size_t count;
};

static bool
check_parameter(const char *name, const char *value, void *user)
{
    struct pairs *pairs = user;
    char *got;
    size_t size = strlen(pairs->query) + 1;
    ptrdiff_t len;

    pairs->count++;
    if (*name == '\0')
        return true; /* a value without a name can be visited only */
    got = malloc(size);
    len = skio__query_get(pairs->query, name, got, size);
    fuzz_check(len >= 0 && (size_t)len < size);
    fuzz_check(strlen(got) == (size_t)len && strcmp(got, value) == 0);
    free(got);
    return true;
}

static void
check_query(const char *query, const char *name)
{
    struct pairs pairs = {.query = query};
    size_t size = strlen(query);
    char *scratch = malloc(size + 2);
    char digits[EIO_JSONP_DIGITS + 1];
    const char *value = NULL;
    size_t raw_len = 0;
    bool found = skio__query_find(query, name, &value, &raw_len);
    char *out = malloc(size + 1);
    ptrdiff_t len = skio__query_get(query, name, out, size + 1);

    /* A byte of nothing is text that ends: names with it are nobody's. */
    if (strstr(query, "%00") == NULL)
        fuzz_check(skio__query_each(query, scratch, check_parameter, &pairs));
    fuzz_check(found == (len >= 0));
    if (found) {
        fuzz_check(value >= query && value + raw_len <= query + size);
        fuzz_check((size_t)len <= raw_len);
        /* It fits where there is room for it and a NUL, not in less. */
        fuzz_check(skio__query_get(query, name, out, (size_t)len + 1) == len);
        if (len > 0)
            fuzz_check(skio__query_get(query, name, out, (size_t)len) < 0);
    }
    if (skio__jsonp_read(query, digits))
        fuzz_check(strspn(digits, "0123456789") == strlen(digits));
    free(out);
    free(scratch);
}

/* A form's field is never longer than the form; a payload's script is text. */
static void
check_form(const char *text)
{
    size_t len = strlen(text);
    char *form = fuzz_exact(text, len);
    struct test_alloc alloc;
    struct skio__buf script;
    ptrdiff_t payload = skio__jsonp_unwrap(form, len);

    fuzz_check(payload == -1 || (payload >= 0 && (size_t)payload <= len));
    free(form);
    if (!skio__utf8_valid(text, len))
        return;
    test_alloc_init(&alloc);
    skio__buf_init(&script, &alloc.allocator);
    fuzz_check(skio__jsonp_wrap(&script, "7", text, len) == SKIO_OK);
    fuzz_check(script.len > len && skio__utf8_valid(script.data, script.len));
    for (size_t i = 0; i < script.len; i++)
        fuzz_check((unsigned char)script.data[i] >= 0x20);
    skio__buf_deinit(&script);
    fuzz_check(alloc.live == 0);
}

/* ---- Headers ---- */

static void
check_cookies(const char *header, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    size_t size;
    char *out;
    ptrdiff_t decoded;

    if (!skio__cookie_find(header, name, &value, &len))
        return;
    fuzz_check(value >= header && value + len <= header + strlen(header));
    for (size = 0; size <= len + 1; size += 1 + len / 3) {
        out = malloc(size > 0 ? size : 1);
        decoded = skio__cookie_decode(value, len, out, size);
        fuzz_check(decoded == SKIO_ETOOBIG ||
                   (decoded >= 0 && (size_t)decoded < size));
        if (decoded >= 0)
            fuzz_check(out[decoded] == '\0');
        free(out);
    }
    out = malloc(len + 1);
    fuzz_check(skio__cookie_decode(value, len, out, len + 1) >= 0);
    free(out);
}

static void
check_value(const char *value, const char *name)
{
    struct eio_extension extension;
    struct eio_extension again;
    int offered = skio__extension_choose(value, 15, &extension);
    enum skio__coding coding = skio__coding_choose(value);

    fuzz_check(coding < SKIO__CODING_COUNT);
    if (coding != SKIO__CODING_NONE)
        fuzz_check(skio__coding_choose(skio__coding_name(coding)) == coding);
    fuzz_check(offered == 0 || offered == 1 || offered == SKIO_EPROTO);
    if (offered == 1) {
        fuzz_check(extension.window_bits >= 9 && extension.window_bits <= 15);
        fuzz_check(memchr(extension.answer, '\0', EIO_EXTENSION_MAX) != NULL);
        /* Its answer is an offer that can be accepted. */
        fuzz_check(skio__extension_choose(extension.answer, 15, &again) == 1);
        fuzz_check(again.window_bits == extension.window_bits);
    }
    check_cookies(value, name);
    (void)skio__cors_is_clean(value);
    (void)skio__cors_is_same(value, name, true);
    (void)skio__cors_is_same(value, name, false);
}

static bool
check_header(const char *name, const char *value, void *user)
{
    struct pairs *pairs = user;
    const char *found = skio__request_header(pairs->request, name);

    fuzz_check(found != NULL);
    if (pairs->count == 0)
        fuzz_check(strcmp(found, value) == 0);
    pairs->count++;
    return true;
}

/* What is read in one pass is what is found when it is looked for. */
static void
check_parameter_text(const struct eio_parameter *parameter, const char *query,
                     const char *name)
{
    char decoded[EIO_PARAMETER_MAX];
    size_t size = strlen(query) + 1;
    char *got = malloc(size);
    ptrdiff_t found = skio__query_get(query, name, got, size);
    size_t len = 0;
    const char *text = skio__parameter_text(parameter, decoded, &len);

    fuzz_check((found >= 0) == (parameter->text != NULL));
    /* A '+' is a blank to one alone, which no value that is known has. */
    if (text != NULL && memchr(parameter->text, '+', parameter->len) == NULL) {
        fuzz_check((size_t)found == len && memcmp(got, text, len) == 0);
        if (memchr(text, '\0', len) == NULL)
            fuzz_check(skio__parameter_is(parameter, got));
    }
    free(got);
}

static void
check_fields(const skio_request *request,
             const struct skio_engine_request *plain, size_t header_count)
{
    static const char *const names[EIO_FIELD_COUNT] = {
        [EIO_FIELD_HOST] = "host",
        [EIO_FIELD_ORIGIN] = "origin",
        [EIO_FIELD_USER_AGENT] = "user-agent",
        [EIO_FIELD_CONTENT_TYPE] = "content-type",
        [EIO_FIELD_ACCEPT_ENCODING] = "accept-encoding",
        [EIO_FIELD_EXTENSIONS] = "sec-websocket-extensions",
        [EIO_FIELD_ASKED] = "access-control-request-headers",
    };
    struct eio_fields fields;

    skio__fields_read_headers(&fields, request);
    skio__fields_read_query(&fields, request);
    fuzz_check(fields.header_count == header_count);
    for (size_t i = 0; i < EIO_FIELD_COUNT; i++) {
        const char *found = skio__request_header(plain, names[i]);

        fuzz_check((found == NULL) == (fields.headers[i] == NULL));
        if (found != NULL)
            fuzz_check(strcmp(found, fields.headers[i]) == 0);
    }
    check_parameter_text(&fields.protocol, request->query, "EIO");
    check_parameter_text(&fields.transport, request->query, "transport");
    check_parameter_text(&fields.sid, request->query, "sid");
}

/* Packed or not, a copy of a request says the same. */
static void
check_copies(const skio_request *request, const char *name)
{
    struct test_alloc alloc;
    struct skio_engine_request *plain;
    struct skio_engine_request *packed;
    struct pairs of_plain = {.count = 0};
    struct pairs of_packed = {.count = 0};
    skio_request view;
    const char *a;
    const char *b;

    test_alloc_init(&alloc);
    plain = skio__request_new(&alloc.allocator, request, false);
    packed = skio__request_keep(&alloc.allocator, request, true);
    fuzz_check(plain != NULL && packed != NULL);
    of_plain.request = plain;
    of_packed.request = packed;

    fuzz_check(skio__request_each(plain, check_header, &of_plain));
    fuzz_check(skio__request_each(packed, check_header, &of_packed));
    fuzz_check(of_plain.count == of_packed.count);
    check_fields(request, plain, of_plain.count);
    a = skio__request_header(plain, name);
    b = skio__request_header(packed, name);
    fuzz_check((a == NULL) == (b == NULL));
    if (a != NULL)
        fuzz_check(strcmp(a, b) == 0);
    fuzz_check(strcmp(skio__request_query(packed), request->query) == 0);
    fuzz_check(strcmp(skio_engine_request_method(packed), request->method) ==
               0);

    skio__request_view(plain, &view);
    fuzz_check(view.headers_len == request->headers_len);
    fuzz_check(strcmp(view.method, request->method) == 0);
    fuzz_check(skio__request_set_latest(packed, &view) == SKIO_OK);
    b = skio__request_header(skio__request_latest(packed), name);
    fuzz_check((a == NULL) == (b == NULL));

    skio__request_unref(plain);
    skio__request_unref(packed);
    fuzz_check(alloc.live == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct fuzz_text headers = {NULL, 0, 0};
    skio_request request = {.path = "/socket.io/",
                            .address = "192.0.2.1",
                            .content_length = -1};
    bool is_there;
    char *query = next_line(&in, &is_there);
    char *name = next_line(&in, &is_there);
    char *line = next_line(&in, &is_there);
    char *block;

    check_query(query, name);
    check_form(query);
    while (is_there) {
        char *colon = strchr(line, ':');

        check_value(line, name);
        if (colon != NULL && colon > line) {
            *colon = '\0';
            check_value(colon + 1, name);
            fuzz_note(&headers, line, strlen(line) + 1);
            fuzz_note(&headers, colon + 1, strlen(colon + 1) + 1);
        }
        free(line);
        line = next_line(&in, &is_there);
    }
    free(line);

    block = fuzz_exact(headers.data, headers.len);
    request.headers = block;
    request.headers_len = headers.len;
    request.query = query;
    request.method = *name != '\0' ? name : "GET";
    check_copies(&request, name);
    free(block);
    free(headers.data);
    free(query);
    free(name);
    return 0;
}
