#include "transport/endpoint.h"

#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "transport/lws.h"

#define EXTRA_MAX 4096 /* bytes of headers that a handler adds */

struct endpoint {
    struct endpoint *next;
    skio_http_fn *fn;
    void *user;
    const char *method;
    size_t len;
    bool prefix; /* path ended in an asterisk, which is cut off */
    char path[];
};

struct skio__endpoints {
    struct endpoint *first;
    struct endpoint *last;
};

/* Strings are in one block behind the struct; query and headers are pairs of
 * strings, as in skio_request.headers. */
struct skio_http {
    struct skio__lws *transport;
    struct skio__conn *conn; /* NULL: the client has gone */
    const struct endpoint *endpoint;
    const char *method;
    const char *path;
    const char *address;
    const char *query;
    const char *headers;
    size_t query_len;
    size_t headers_len;
    struct skio__buf body;
    struct skio__buf extra; /* pairs as well */
    size_t extra_count;
    skio_value *json;
    bool taken;
    bool handling; /* its handler runs */
    bool replied;
    char text[];
};

static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

/* ---- The table ---- */

static bool
path_matches(const struct endpoint *endpoint, const char *path)
{
    return strncmp(endpoint->path, path, endpoint->len) == 0 &&
           (endpoint->prefix || path[endpoint->len] == '\0');
}

/* Exact paths go before prefixes, longer prefixes before shorter ones. */
static bool
is_better(const struct endpoint *a, const struct endpoint *b)
{
    if (b == NULL || a->prefix != b->prefix)
        return b == NULL || b->prefix;
    return a->len > b->len;
}

/* The endpoint; else NULL, and allow lists the methods of the path. */
static const struct endpoint *
find_endpoint(const struct skio__endpoints *endpoints, const char *method,
              const char *path, struct skio__buf *allow)
{
    const struct endpoint *best = NULL;

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (const struct endpoint *e = endpoints != NULL ? endpoints->first : NULL;
         e != NULL; e = e->next) {
        if (!path_matches(e, path))
            continue;
        if (strcmp(e->method, method) == 0) {
            if (is_better(e, best))
                best = e;
            continue;
        }
        skio__buf_append_str(allow, allow->len > 0 ? ", " : "");
        skio__buf_append_str(allow, e->method);
    }
    skio__buf_putc(allow, '\0');

    return best;
}

int
skio_http_on(skio_server *server, const char *method, const char *path,
             skio_http_fn *fn, void *user)
{
    struct skio__lws *transport;
    struct endpoint *endpoint;
    size_t known = 0;
    size_t len = strlen(path);
    bool prefix = len >= 2 && strcmp(path + len - 2, "/*") == 0;

    while (known < METHOD_COUNT && strcmp(methods[known], method) != 0)
        known++;
    if (known == METHOD_COUNT || path[0] != '/')
        return SKIO_EINVAL;

    transport = skio__lws_get(server);
    if (transport == NULL)
        return SKIO_ENOMEM;
    if (transport->endpoints == NULL)
        transport->endpoints =
            skio__mem_calloc(transport->mem, 1, sizeof(*transport->endpoints));
    if (transport->endpoints == NULL)
        return SKIO_ENOMEM;

    if (prefix)
        len--;
    for (endpoint = transport->endpoints->first; endpoint != NULL;
         endpoint = endpoint->next)
        if (endpoint->method == methods[known] && endpoint->len == len &&
            endpoint->prefix == prefix &&
            strncmp(endpoint->path, path, len) == 0)
            return SKIO_EBUSY;

    endpoint = skio__mem_calloc(transport->mem, 1, sizeof(*endpoint) + len + 1);
    if (endpoint == NULL)
        return SKIO_ENOMEM;
    endpoint->fn = fn;
    endpoint->user = user;
    endpoint->method = methods[known];
    endpoint->len = len;
    endpoint->prefix = prefix;
    memcpy(endpoint->path, path, len);

    if (skio__path_add(transport, endpoint->path) != SKIO_OK) {
        skio__mem_free(transport->mem, endpoint);
        return SKIO_ENOMEM;
    }
    if (transport->endpoints->last != NULL)
        transport->endpoints->last->next = endpoint;
    else
        transport->endpoints->first = endpoint;
    transport->endpoints->last = endpoint;

    return SKIO_OK;
}

int
skio__endpoints_each(struct skio__lws *transport,
                     int (*visit)(struct skio__lws *transport,
                                  const char *path))
{
    struct endpoint *endpoint =
        transport->endpoints != NULL ? transport->endpoints->first : NULL;
    int err = SKIO_OK;

    for (; endpoint != NULL && err == SKIO_OK; endpoint = endpoint->next)
        err = visit(transport, endpoint->path);
    return err;
}

void
skio__endpoints_free(struct skio__lws *transport)
{
    struct endpoint *endpoint, *next;

    if (transport->endpoints == NULL)
        return;
    for (endpoint = transport->endpoints->first; endpoint != NULL;
         endpoint = next) {
        next = endpoint->next;
        skio__mem_free(transport->mem, endpoint);
    }
    skio__mem_free(transport->mem, transport->endpoints);
    transport->endpoints = NULL;
}

/* ---- The request ---- */

/* Decode "a=1&b=2" into pairs of strings; out has room for len + 2 bytes.
 * Encoded NULs never come here: lws refuses them. */
static size_t
decode_query(const char *query, char *out)
{
    char *at = out;
    bool in_name = true;

    if (*query == '\0')
        return 0;
    for (const char *p = query; *p != '\0'; p++) {
        if (*p == '=' && in_name) {
            in_name = false;
            *at++ = '\0';
        } else if (*p == '&') {
            if (in_name)
                *at++ = '\0';
            in_name = true;
            *at++ = '\0';
        } else if (*p == '%' && skio__hex_byte(p + 1) >= 0) {
            *at++ = (char)skio__hex_byte(p + 1);
            p += 2;
        } else {
            *at++ = *p == '+' ? ' ' : *p;
        }
    }
    if (in_name)
        *at++ = '\0';
    *at++ = '\0';

    return (size_t)(at - out);
}

/* The value of the last pair of a name, or of the first. */
static const char *
find_pair(const char *pairs, size_t len, const char *name, bool last)
{
    const char *found = NULL;
    const char *end = pairs + len;

    while (pairs < end) {
        const char *value = pairs + strlen(pairs) + 1;

        if (strcmp(pairs, name) == 0) {
            found = value;
            if (!last)
                break;
        }
        pairs = value + strlen(value) + 1;
    }
    return found;
}

static const char *
put_string(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    const char *start = *at;

    memcpy(*at, text, size);
    *at += size;
    return start;
}

static skio_http *
new_request(struct skio__conn *conn, const skio_request *from,
            const struct endpoint *endpoint)
{
    struct skio__lws *transport = conn->transport;
    size_t query = strlen(from->query);
    size_t size = sizeof(skio_http) + strlen(from->method) +
                  strlen(from->path) + strlen(from->address) + 3 + 2 * query +
                  2 + from->headers_len;
    skio_http *request = skio__mem_alloc(transport->mem, size);
    char *at;

    if (request == NULL)
        return NULL;
    *request = (skio_http){.transport = transport,
                           .conn = conn,
                           .endpoint = endpoint,
                           .headers_len = from->headers_len};
    skio__buf_init(&request->body, transport->mem);
    request->body.max = transport->options->max_http_buffer_size;
    skio__buf_init(&request->extra, transport->mem);
    request->extra.max = EXTRA_MAX;

    at = request->text;
    request->method = put_string(&at, from->method);
    request->path = put_string(&at, from->path);
    request->address = put_string(&at, from->address);
    request->query = at;
    request->query_len = decode_query(from->query, at);
    at += request->query_len;
    request->headers = at;
    memcpy(at, from->headers, from->headers_len);

    return request;
}

static void
free_request(skio_http *request)
{
    skio_value_free(request->json);
    skio__buf_deinit(&request->body);
    skio__buf_deinit(&request->extra);
    skio__mem_free(request->transport->mem, request);
}

/* Consumed: freed now, or when its handler returns. */
static void
end_request(skio_http *request)
{
    request->replied = true;
    if (!request->handling)
        free_request(request);
}

static void
run_handler(struct skio__conn *conn)
{
    skio_http *request = conn->u.http;

    conn->kind = CONN_REPLY;
    skio__fifo_remove(&conn->timer);
    request->handling = true;
    request->transport->calls++;
    request->endpoint->fn(request, request->endpoint->user);
    request->transport->calls--;
    request->handling = false;

    if (request->replied) {
        free_request(request);
    } else if (!request->taken) {
        skio_transport_log(request->transport->server, SKIO_LOG_ERROR,
                           "http: the handler of %s %s did not reply",
                           request->method, request->path);
        skio_http_reply(request, 500, "{'error':%s}", "Internal Server Error");
    }
}

void
skio__endpoint_begin(struct skio__conn *conn, const struct skio__head *head)
{
    struct skio__lws *transport = conn->transport;
    const skio_request *request = &head->request;
    const struct endpoint *endpoint;
    struct skio__buf allow;

    skio__buf_init(&allow, transport->mem);
    endpoint = find_endpoint(transport->endpoints, request->method,
                             request->path, &allow);
    if (endpoint == NULL && allow.err == SKIO_OK && allow.len > 1) {
        skio_header header = {"Allow", allow.data};

        skio__conn_refuse(conn, 405, &header);
    } else if (endpoint == NULL) {
        skio__conn_refuse(conn, 404, NULL);
    } else if (request->content_length >
               (int64_t)transport->options->max_http_buffer_size) {
        skio__conn_refuse(conn, 413, NULL);
    } else {
        conn->u.http = new_request(conn, request, endpoint);
        if (conn->u.http == NULL) {
            skio__conn_refuse(conn, 503, NULL);
        } else if (head->body_waits && request->content_length > 0) {
            conn->kind = CONN_COLLECT;
            skio__conn_wait(conn, &transport->body_due);
        } else {
            run_handler(conn);
        }
    }
    skio__buf_deinit(&allow);
}

void
skio__endpoint_body(struct skio__conn *conn, const void *data, size_t len)
{
    skio_http *request = conn->u.http;
    int err = skio__buf_append(&request->body, data, len);

    if (err == SKIO_OK)
        return;
    free_request(request);
    conn->u.http = NULL;
    conn->kind = CONN_IDLE;
    conn->body_waits = true;
    skio__conn_refuse(conn, err == SKIO_ETOOBIG ? 413 : 503, NULL);
}

void
skio__endpoint_end(struct skio__conn *conn)
{
    conn->body_waits = false;
    run_handler(conn);
}

void
skio__endpoint_abort(skio_http *request)
{
    request->conn = NULL;
    /* one that its application took is freed by the reply */
    if (!request->taken && !request->handling)
        free_request(request);
}

const char *
skio_http_method(const skio_http *request)
{
    return request->method;
}

const char *
skio_http_path(const skio_http *request)
{
    return request->path;
}

const char *
skio_http_query(const skio_http *request, const char *name)
{
    return find_pair(request->query, request->query_len, name, true);
}

const char *
skio_http_header(const skio_http *request, const char *name)
{
    return find_pair(request->headers, request->headers_len, name, false);
}

const char *
skio_http_address(const skio_http *request)
{
    return request->address;
}

skio_bytes
skio_http_body(const skio_http *request)
{
    return (skio_bytes){request->body.data, request->body.len};
}

const skio_value *
skio_http_json(skio_http *request)
{
    if (request->json == NULL && request->body.len > 0)
        request->json = skio_value_new(request->transport->server,
                                       request->body.data, request->body.len);
    return request->json;
}

skio_http *
skio_http_take(skio_http *request)
{
    request->taken = true;
    return request;
}

/* A header may hold anything but what ends it (RFC 9110, 5.5). */
static bool
is_header_text(const char *text, bool name)
{
    if (name && *text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == 0x7f || (c < 0x20 && c != '\t'))
            return false;
        if (name && (c <= 0x20 || c > 0x7e || strchr("\"(),/:;<=>?@[\\]{}", c)))
            return false;
    }
    return true;
}

int
skio_http_set_header(skio_http *request, const char *name, const char *value)
{
    size_t before = request->extra.len;
    int err;

    if (!is_header_text(name, true) || !is_header_text(value, false))
        return SKIO_EINVAL;

    if (before + strlen(name) + strlen(value) + 2 > EXTRA_MAX)
        return SKIO_ELIMIT;
    err = skio__buf_reserve(&request->extra, strlen(name) + strlen(value) + 2);
    if (err != SKIO_OK) {
        request->extra.err = SKIO_OK; /* nothing was appended */
        return err;
    }
    skio__buf_append(&request->extra, name, strlen(name) + 1);
    skio__buf_append(&request->extra, value, strlen(value) + 1);
    request->extra_count++;

    return SKIO_OK;
}

static int
send_reply(skio_http *request, const char *content_type, int status,
           const void *data, size_t len)
{
    skio_response response = {.status = status,
                              .content_type = content_type,
                              .body = data,
                              .body_len = len};
    const char *at = request->extra.data;
    skio_header *headers = NULL;

    if (request->conn == NULL) {
        end_request(request);
        return SKIO_ECLOSED;
    }
    if (request->extra_count > 0) {
        headers = skio__mem_calloc(request->transport->mem,
                                   request->extra_count, sizeof(*headers));
        if (headers == NULL)
            return SKIO_ENOMEM;
    }
    for (size_t i = 0; i < request->extra_count; i++) {
        headers[i].name = at;
        at += strlen(at) + 1;
        headers[i].value = at;
        at += strlen(at) + 1;
    }
    response.headers = headers;
    response.header_count = request->extra_count;

    request->conn->u.http = NULL;
    skio__conn_respond(request->conn, &response);
    request->conn = NULL;
    skio__mem_free(request->transport->mem, headers);
    end_request(request);

    return SKIO_OK;
}

int
skio_http_reply(skio_http *request, int status, const char *format, ...)
{
    static const char json[] = "application/json";
    static const char failed[] = "{\"error\":\"Internal Server Error\"}";
    skio_bytes body = {NULL, 0};
    skio_server *server = request->transport->server;
    va_list args;
    int err = SKIO_OK;

    if (status < 100 || status > 599) {
        err = SKIO_EINVAL;
    } else if (format != NULL) {
        va_start(args, format);
        err = skio_transport_json(server, &body, format, args);
        va_end(args);
    }

    if (err == SKIO_ENOMEM)
        return err;
    if (err != SKIO_OK) {
        send_reply(request, json, 500, failed, sizeof(failed) - 1);
        return SKIO_EINVAL;
    }

    err = send_reply(request, format != NULL ? json : NULL, status, body.data,
                     body.len);
    /* body.data is ours in both cases; nothing is kept of it */
    skio_transport_free(server, (void *)(uintptr_t)body.data);
    return err;
}

int
skio_http_reply_bytes(skio_http *request, int status, const char *content_type,
                      const void *data, size_t len)
{
    if (status < 100 || status > 599 || !is_header_text(content_type, false)) {
        send_reply(request, NULL, 500, NULL, 0);
        return SKIO_EINVAL;
    }
    return send_reply(request, content_type, status, data, len);
}
