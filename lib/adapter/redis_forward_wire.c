#include "adapter/redis_forward_wire.h"

#include <string.h>

#include "base/msgpack.h"
#include "base/msgpack_token.h"

/* ---- Writing ---- */

static void
put_text(struct skio__buf *out, const char *text)
{
    (void)skio__msgpack_put_str(out, text, strlen(text));
}

static void
put_head(struct skio__buf *out, size_t elements, enum skio__forward_type type,
         uint64_t id, const char *from)
{
    (void)skio__msgpack_put_array(out, elements);
    (void)skio__msgpack_put_u64(out, (uint64_t)type);
    (void)skio__msgpack_put_u64(out, id);
    put_text(out, from);
}

int
skio__forward_put_request(struct skio__buf *out, uint64_t id, const char *from,
                          const skio_request *request, const void *body,
                          size_t len)
{
    put_head(out, 10, SKIO__FORWARD_REQUEST, id, from);
    (void)skio__msgpack_put_u64(out, request->secure ? 1 : 0);
    put_text(out, request->method);
    /* A copied request has its query in the path, too. */
    (void)skio__msgpack_put_str(out, request->path,
                                strcspn(request->path, "?"));
    put_text(out, request->query);
    (void)skio__msgpack_put_bytes(out, request->headers, request->headers_len);
    put_text(out, request->address != NULL ? request->address : "");
    return skio__msgpack_put_bytes(out, body, len);
}

static size_t
headers_size(const skio_response *response)
{
    size_t size = 0;

    for (size_t i = 0; i < response->header_count; i++)
        size += strlen(response->headers[i].name) +
                strlen(response->headers[i].value) + 2;
    return size;
}

static int
put_headers(struct skio__buf *out, const skio_response *response)
{
    struct skio__buf all;

    skio__buf_init(&all, out->mem);
    (void)skio__buf_reserve(&all, headers_size(response) + 1);
    for (size_t i = 0; i < response->header_count; i++) {
        const skio_header *header = &response->headers[i];

        (void)skio__buf_append(&all, header->name, strlen(header->name) + 1);
        (void)skio__buf_append(&all, header->value, strlen(header->value) + 1);
    }
    if (all.err != SKIO_OK)
        out->err = all.err;
    else
        (void)skio__msgpack_put_bytes(out, all.data, all.len);
    skio__buf_deinit(&all);
    return out->err;
}

int
skio__forward_put_response(struct skio__buf *out, uint64_t id, const char *from,
                           const skio_response *response)
{
    put_head(out, 8, SKIO__FORWARD_RESPONSE, id, from);
    (void)skio__msgpack_put_u64(out, response->close ? 1 : 0);
    (void)skio__msgpack_put_u64(out, (uint64_t)response->status);
    /* "" stands for none. */
    put_text(out, response->content_type != NULL ? response->content_type : "");
    (void)put_headers(out, response);
    return skio__msgpack_put_bytes(out, response->body, response->body_len);
}

int
skio__forward_put_abandon(struct skio__buf *out, uint64_t id, const char *from)
{
    put_head(out, 3, SKIO__FORWARD_ABANDON, id, from);
    return out->err;
}

/* ---- Reading ---- */

static int
take_u64(struct skio__msgpack_input *in, uint64_t max, uint64_t *out)
{
    struct skio__msgpack_token token;

    if (skio__msgpack_take(in, &token) != SKIO_OK ||
        token.kind != SKIO__MSGPACK_UINT || token.as.u64 > max)
        return SKIO_EPROTO;
    *out = token.as.u64;
    return SKIO_OK;
}

static int
take_run(struct skio__msgpack_input *in, enum skio__msgpack_kind kind,
         const char **data, size_t *len)
{
    struct skio__msgpack_token token;

    if (skio__msgpack_take(in, &token) != SKIO_OK || token.kind != kind)
        return SKIO_EPROTO;
    *data = token.as.run.data;
    *len = token.as.run.len;
    return SKIO_OK;
}

/* Bytes that a header, or a request line, may have. */
static bool
is_clean(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool
is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c <= 0x20 || c >= 0x7f || c == ':')
            return false;
    }
    return len > 0;
}

/* Where the copy begins in texts. */
static int
copy_text(struct skio__msgpack_input *in, struct skio__buf *texts, size_t *at)
{
    const char *data;
    size_t len;

    if (take_run(in, SKIO__MSGPACK_STR, &data, &len) != SKIO_OK ||
        !is_clean(data, len))
        return SKIO_EPROTO;
    *at = texts->len;
    (void)skio__buf_append(texts, data, len);
    return skio__buf_putc(texts, '\0');
}

/* "name\0value\0": max pairs of them go to out, unless that is NULL. */
static int
read_headers(const char *data, size_t len, skio_header *out, size_t max,
             size_t *count)
{
    const char *end = data + len;

    *count = 0;
    while (data < end) {
        const char *name_end = memchr(data, '\0', (size_t)(end - data));
        const char *value = name_end != NULL ? name_end + 1 : end;
        const char *stop =
            value < end ? memchr(value, '\0', (size_t)(end - value)) : NULL;

        if (stop == NULL || !is_name(data, (size_t)(name_end - data)) ||
            !is_clean(value, (size_t)(stop - value)))
            return SKIO_EPROTO;
        if (out != NULL) {
            if (*count == max)
                return SKIO_EPROTO;
            out[*count] = (skio_header){data, value};
        }
        (*count)++;
        data = stop + 1;
    }
    return SKIO_OK;
}

static int
read_request(struct skio__forward_message *message,
             struct skio__msgpack_input *in)
{
    skio_request *request = &message->request;
    struct skio__buf *texts = &message->texts;
    uint64_t secure;
    size_t at[4];
    size_t count;
    const char *body;
    int err = take_u64(in, 1, &secure);

    for (size_t i = 0; i < 3 && err == SKIO_OK; i++)
        err = copy_text(in, texts, &at[i]);
    if (err == SKIO_OK)
        err = take_run(in, SKIO__MSGPACK_BYTES, &request->headers,
                       &request->headers_len);
    if (err == SKIO_OK)
        err = read_headers(request->headers, request->headers_len, NULL, 0,
                           &count);
    if (err == SKIO_OK)
        err = copy_text(in, texts, &at[3]);
    if (err == SKIO_OK)
        err = take_run(in, SKIO__MSGPACK_BYTES, &body, &message->body_len);
    if (err != SKIO_OK)
        return err;
    message->body = body;
    request->secure = secure != 0;
    request->method = texts->data + at[0];
    request->path = texts->data + at[1];
    request->query = texts->data + at[2];
    request->address = texts->data + at[3];
    request->content_length =
        message->body_len > 0 ? (int64_t)message->body_len : -1;
    return strcmp(request->method, "GET") == 0 ||
                   strcmp(request->method, "POST") == 0
               ? SKIO_OK
               : SKIO_EPROTO;
}

static int
read_response(struct skio__forward_message *message,
              struct skio__msgpack_input *in)
{
    skio_response *response = &message->response;
    uint64_t close;
    uint64_t status = 0;
    size_t at = 0;
    const char *headers;
    size_t headers_len;
    const char *body;
    int err = take_u64(in, 1, &close);

    if (err == SKIO_OK)
        err = take_u64(in, 599, &status);
    if (err == SKIO_OK && status < 200)
        err = SKIO_EPROTO;
    if (err == SKIO_OK)
        err = copy_text(in, &message->texts, &at);
    if (err == SKIO_OK)
        err = take_run(in, SKIO__MSGPACK_BYTES, &headers, &headers_len);
    if (err == SKIO_OK)
        err = read_headers(headers, headers_len, message->headers,
                           SKIO__FORWARD_HEADERS_MAX, &response->header_count);
    if (err == SKIO_OK)
        err = take_run(in, SKIO__MSGPACK_BYTES, &body, &response->body_len);
    if (err != SKIO_OK)
        return err;
    response->status = (int)status;
    response->close = close != 0;
    response->content_type = message->texts.data + at;
    if (response->content_type[0] == '\0')
        response->content_type = NULL;
    response->headers = message->headers;
    response->body = body;
    return SKIO_OK;
}

static int
read_head(struct skio__forward_message *message, struct skio__msgpack_input *in)
{
    static const uint32_t elements[] = {0, 10, 8, 3};
    struct skio__msgpack_token token;
    uint64_t type;
    const char *from;
    size_t len;

    if (skio__msgpack_take(in, &token) != SKIO_OK ||
        token.kind != SKIO__MSGPACK_ARRAY ||
        take_u64(in, SKIO__FORWARD_ABANDON, &type) != SKIO_OK || type == 0 ||
        token.as.count != elements[type] ||
        take_u64(in, UINT64_MAX, &message->id) != SKIO_OK ||
        take_run(in, SKIO__MSGPACK_STR, &from, &len) != SKIO_OK ||
        len != SKIO_FORWARD_TAG_LEN || !is_name(from, len))
        return SKIO_EPROTO;
    memcpy(message->from, from, len);
    message->type = (enum skio__forward_type)type;
    return SKIO_OK;
}

int
skio__forward_read(struct skio__forward_message *message,
                   const skio_allocator *mem, const void *data, size_t len)
{
    struct skio__msgpack_input in = {data, (const unsigned char *)data + len};
    int err;

    memset(message, 0, sizeof *message);
    skio__buf_init(&message->texts, mem);
    err = read_head(message, &in);
    if (err == SKIO_OK && message->type == SKIO__FORWARD_REQUEST)
        err = read_request(message, &in);
    else if (err == SKIO_OK && message->type == SKIO__FORWARD_RESPONSE)
        err = read_response(message, &in);
    return err == SKIO_OK && in.pos != in.end ? SKIO_EPROTO : err;
}

void
skio__forward_deinit_message(struct skio__forward_message *message)
{
    skio__buf_deinit(&message->texts);
}
