/*
 * Reading a request out of what lws has parsed
 *
 * lws decodes the target while it reads, so path and query are encoded again
 * for the core.
 */
#include "transport/lws.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

#include "transport/lws_direct.h"
#include "transport/lws_headers.h"
#include "transport/sockets.h"

static const struct {
    enum lws_token_indexes token;
    const char *name;
} methods[] = {
    {WSI_TOKEN_GET_URI, "GET"},         {WSI_TOKEN_POST_URI, "POST"},
    {WSI_TOKEN_OPTIONS_URI, "OPTIONS"}, {WSI_TOKEN_HEAD_URI, "HEAD"},
    {WSI_TOKEN_PUT_URI, "PUT"},         {WSI_TOKEN_PATCH_URI, "PATCH"},
    {WSI_TOKEN_DELETE_URI, "DELETE"},   {WSI_TOKEN_CONNECT, "CONNECT"},
};

/* Framing headers in disguises that lws stores as unknown ones and a proxy in
 * front may read: the way to smuggle a request. */
static const char *const disguised[] = {
    "content-length :",    "content-length\t:",    " content-length:",
    "\tcontent-length:",   "transfer-encoding :",  "transfer-encoding\t:",
    " transfer-encoding:", "\ttransfer-encoding:", " chunked:",
    "content-length  :",   "transfer-encoding  :",
};

static bool
is_plain(char c, const char *extra)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c != '\0' && strchr(extra, c) != NULL);
}

static void
append_encoded(struct skio__buf *buf, const char *text, size_t len,
               const char *plain)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t i = 0;

    while (i < len) {
        size_t start = i;
        unsigned char c;

        while (i < len && is_plain(text[i], plain))
            i++;
        if (i > start)
            skio__buf_append(buf, text + start, i - start);
        if (i == len)
            return;
        c = (unsigned char)text[i++];
        skio__buf_putc(buf, '%');
        skio__buf_putc(buf, hex[c >> 4]);
        skio__buf_putc(buf, hex[c & 15]);
    }
}

/* One parameter, "name=value"; lws leaves no '=' in a name. */
static void
append_parameter(struct skio__buf *buf, const char *text, size_t len)
{
    static const char plain[] = "-_.~!*'()";
    const char *equals = memchr(text, '=', len);
    size_t name = equals != NULL ? (size_t)(equals - text) : len;

    append_encoded(buf, text, name, plain);
    if (equals == NULL)
        return;
    skio__buf_putc(buf, '=');
    append_encoded(buf, equals + 1, len - name - 1, plain);
}

static size_t
append_query(struct skio__buf *buf, struct lws *wsi, char *value)
{
    size_t start = buf->len;

    for (int i = 0;; i++) {
        int len = lws_hdr_copy_fragment(wsi, value, SKIO__VALUE_MAX,
                                        WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len < 0)
            break;
        if (i > 0)
            skio__buf_putc(buf, '&');
        append_parameter(buf, value, (size_t)len);
    }
    return buf->len - start;
}

static const char *
read_method(struct lws *wsi, char *path)
{
    for (size_t i = 0; i < LWS_ARRAY_SIZE(methods); i++)
        if (lws_hdr_total_length(wsi, methods[i].token) > 0 &&
            lws_hdr_copy(wsi, path, SKIO__VALUE_MAX, methods[i].token) > 0)
            return methods[i].name;
    return NULL;
}

/*
 * The length that Content-Length announces: -1 when there is none, -2 when it
 * is not one number. lws reads it with atoll(): "-1" becomes a body of 2^64-1
 * bytes (fixed upstream in 2026), two different ones become the first.
 */
static int64_t
read_length(struct lws *wsi)
{
    char digits[32];
    char *end;
    int len;

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return lws_hdr_copy_fragment(wsi, digits, sizeof(digits),
                                     WSI_TOKEN_HTTP_CONTENT_LENGTH, 0) >= 0
                   ? -2
                   : -1;
    if (lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, 1) > 0)
        return -2;

    len = lws_hdr_copy(wsi, digits, sizeof(digits),
                       WSI_TOKEN_HTTP_CONTENT_LENGTH);
    while (len > 0 && (digits[len - 1] == ' ' || digits[len - 1] == '\t'))
        digits[--len] = '\0';
    if (len < 1 || len > 18)
        return -2;
    for (int i = 0; i < len; i++)
        if (digits[i] < '0' || digits[i] > '9')
            return -2;

    return (int64_t)strtoll(digits, &end, 10);
}

static bool
is_disguised(struct lws *wsi)
{
    for (size_t i = 0; i < LWS_ARRAY_SIZE(disguised); i++)
        if (lws_hdr_custom_length(wsi, disguised[i],
                                  (int)strlen(disguised[i])) >= 0)
            return true;
    return false;
}

bool
skio__request_is_unsafe(struct lws *wsi)
{
    return read_length(wsi) == -2 || is_disguised(wsi) ||
           lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
}

/* lws waits for a body whenever it thinks that one was announced, and for
 * these methods also when none was. */
bool
skio__request_has_body(struct lws *wsi)
{
    int64_t length = read_length(wsi);

    return length > 0 || length == -2 ||
           (length < 0 && (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0 ||
                           lws_hdr_total_length(wsi, WSI_TOKEN_PUT_URI) > 0 ||
                           lws_hdr_total_length(wsi, WSI_TOKEN_PATCH_URI) > 0));
}

/*
 * libwebsockets 4.1.6 keeps bytes that follow a request in a list of its own.
 * When a request out of that list has a body, it reads the request's headers
 * a second time, as the body, and once that was answered it loops without end;
 * a close from inside frees the connection twice. So such a request must not
 * get as far. Pipelining a POST is nothing that clients or proxies do.
 *
 * Where it is not known (after lws answered alone, or a host did) any input in
 * store, also another connection's, counts.
 */
bool
skio__request_is_misread(struct lws *wsi, enum skio__leftover leftover)
{
    if (!skio__request_has_body(wsi) || leftover == LEFTOVER_NONE)
        return false;
    return leftover == LEFTOVER_SOME ||
           lws_service_adjust_timeout(lws_get_context(wsi), 1,
                                      lws_wsi_tsi(wsi)) == 0;
}

/* As lws decides, so that what is announced is what happens. */
static bool
is_kept_alive(struct lws *wsi)
{
    char text[32];
    bool keep = false;

    if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP) >= 8)
        keep = text[5] == '1' && text[7] == '1';
    if (lws_hdr_copy(wsi, text, 24, WSI_TOKEN_CONNECTION) > 0) {
        if (strcasecmp(text, "keep-alive") == 0)
            keep = true;
        else if (strcasecmp(text, "close") == 0)
            keep = false;
    }
    return keep;
}

const char *
skio__request_find(const skio_request *request, const char *name)
{
    const char *at = request->headers;
    const char *end = at + request->headers_len;

    while (at < end) {
        const char *value = at + strlen(at) + 1;

        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

/* The peer of the connection. In a host's vhost a conn is one request's, and
 * has to be asked for. */
static struct skio__peer
find_peer(const struct skio__lws *transport, const struct skio__conn *conn,
          struct lws *wsi)
{
    struct skio__peer peer = {.address = conn->peer,
                              .is_local = conn->is_local,
                              .secure = wsi != NULL
                                            ? lws_is_ssl(wsi) != 0
                                            : conn->direct->sealed != NULL};
    union skio__address from = {.in6 = {0}};
    socklen_t len = sizeof(from);

    if (transport->own)
        return peer;
    peer.is_local = getpeername(lws_get_socket_fd(wsi), &from.any, &len) != 0 ||
                    !skio__address_read(&from, &peer.address);
    return peer;
}

void
skio__request_peer(struct skio__lws *transport, const struct skio__conn *conn,
                   struct lws *wsi, struct skio__head *head)
{
    struct skio__peer peer = find_peer(transport, conn, wsi);
    skio_request *request = &head->request;

    if (transport->options->trusted_proxies != NULL)
        skio__proxies_walk(&transport->proxies,
                           skio__request_find(request, "x-forwarded-for"),
                           skio__request_find(request, "x-forwarded-proto"),
                           &peer);
    skio__peer_print(&peer, head->address);
    request->address = head->address;
    request->secure = peer.secure;
}

static int
judge(struct skio__lws *transport, struct lws *wsi,
      const struct skio__head *head, size_t query_len,
      const struct skio__headers *list)
{
    const skio_server_options *options = transport->options;
    const skio_request *request = &head->request;

    if (list->invalid || request->content_length == -2 || is_disguised(wsi))
        return 400;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return request->content_length >= 0 ? 400 : 411;
    if (query_len > options->max_query_bytes) {
        skio_transport_limit_hit(transport->server, SKIO_TRANSPORT_QUERY_BYTES);
        return 414;
    }
    if (list->lines > options->max_headers) {
        skio_transport_limit_hit(transport->server, SKIO_TRANSPORT_HEADERS);
        return 431;
    }
    if (request->headers_len + 2 * (size_t)list->lines >
        options->max_header_bytes) {
        skio_transport_limit_hit(transport->server,
                                 SKIO_TRANSPORT_HEADER_BYTES);
        return 431;
    }
    return 0;
}

int
skio__request_read(struct skio__lws *transport, struct skio__conn *conn,
                   struct lws *wsi, const char *start, struct skio__head *head)
{
    struct skio__buf *buf = &transport->head;
    skio_request *request = &head->request;
    size_t query, headers, query_len;
    struct skio__headers list = {0};
    char *value;

    *head = (struct skio__head){.keep_alive = is_kept_alive(wsi)};
    skio__buf_reset(buf);

    value = (char *)transport->scratch;
    request->method = read_method(wsi, value);
    if (request->method == NULL) {
        request->method = "GET";
        value[0] = '\0';
        head->refuse = 400;
    }

    append_encoded(buf, value, strlen(value), "/-_.~!$&'()*+,;=:@");
    skio__buf_putc(buf, '\0');
    query = buf->len;
    query_len = append_query(buf, wsi, value);
    skio__buf_putc(buf, '\0');
    headers = buf->len;
    skio__headers_append(buf, wsi, start, transport->options->cors_headers,
                         value, &list);
    if (buf->err != SKIO_OK)
        return SKIO_ENOMEM;

    request->path = buf->data;
    request->query = buf->data + query;
    request->headers = buf->data + headers;
    request->headers_len = buf->len - headers;
    request->content_length = read_length(wsi);
    skio__request_peer(transport, conn, wsi, head);

    head->body_waits = skio__request_has_body(wsi);
    head->expects = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_EXPECT) > 0;
    if (head->refuse == 0)
        head->refuse = judge(transport, wsi, head, query_len, &list);

    return SKIO_OK;
}
