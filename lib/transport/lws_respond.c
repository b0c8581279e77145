/*
 * HTTP responses
 *
 * Written by us and not by lws_add_http_header_*(): one buffer, one send, no
 * banner, an HTTP/1.1 status line in refused upgrades too. Headers and body
 * leave in one write of at most SKIO__LWS_WRITE bytes, the rest of a longer
 * body whenever lws says that the socket takes more.
 */
#include "transport/lws.h"

#include <stdio.h>
#include <string.h>

#include <libwebsockets.h>

#include "base/mem.h"
#include "base/writer.h"

#define WRITES_MAX 16 /* in one go; then the others' turn comes */

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Payload Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Entity"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

static const char *
reason_of(int status)
{
    for (size_t i = 0; i < LWS_ARRAY_SIZE(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

static void
put_header(struct skio__writer *writer, const char *name, const char *value)
{
    skio__writer_str(writer, name);
    skio__writer_str(writer, ": ");
    skio__writer_str(writer, value);
    skio__writer_str(writer, "\r\n");
}

static bool
has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* Returns the length, or 0 when the headers do not fit. */
static size_t
write_head(struct skio__writer *writer, const skio_response *response,
           const char *date, bool close)
{
    skio__writer_str(writer, "HTTP/1.1 ");
    skio__writer_u64(writer, (uint64_t)response->status);
    skio__writer_str(writer, " ");
    skio__writer_str(writer, reason_of(response->status));
    skio__writer_str(writer, "\r\n");
    if (response->content_type != NULL)
        put_header(writer, "Content-Type", response->content_type);
    for (size_t i = 0; i < response->header_count; i++)
        put_header(writer, response->headers[i].name,
                   response->headers[i].value);
    if (!has_no_body(response->status)) {
        skio__writer_str(writer, "Content-Length: ");
        skio__writer_u64(writer, response->body_len);
        skio__writer_str(writer, "\r\n");
    }
    put_header(writer, "Date", date);
    put_header(writer, "Connection", close ? "close" : "keep-alive");
    skio__writer_str(writer, "\r\n");

    return writer->len <= writer->size ? writer->len : 0;
}

/* Keep what did not leave yet, of the first write and of the body behind it,
 * maybe nothing of ours, and go on with it when there is room. */
static int
keep_rest(struct skio__conn *conn, skio_bytes first, skio_bytes body,
          bool close)
{
    struct skio__lws *transport = conn->transport;

    conn->out = skio__mem_alloc(transport->mem,
                                sizeof(*conn->out) + first.len + body.len);
    if (conn->out == NULL)
        return SKIO_ENOMEM;

    conn->out->len = first.len + body.len;
    conn->out->offset = 0;
    if (first.len > 0)
        memcpy(conn->out->data, first.data, first.len);
    if (body.len > 0)
        memcpy(conn->out->data + first.len, body.data, body.len);
    conn->kind = CONN_SENDING;
    conn->u.exchange = NULL;
    if (close)
        conn->keep_alive = false;
    skio__conn_wait(conn, &transport->idle_due);

    return skio__conn_await_room(conn) == 0 ? SKIO_OK : SKIO_ENOMEM;
}

/* Returns how much was written, or lws has taken; < 0: it failed. */
static ptrdiff_t
write_first(struct skio__conn *conn, char *data, size_t len, bool is_all)
{
    if (conn->wsi == NULL)
        return skio__conn_send(conn, data, len);
    /* HTTP_FINAL marks the end for lws' own accounting only. */
    return lws_write(conn->wsi, (unsigned char *)data, len,
                     is_all ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0
               ? -1
               : (ptrdiff_t)len;
}

/* data: the headers, and what of the body fits behind them. */
static void
send_response(struct skio__conn *conn, char *data, size_t len, skio_bytes rest,
              bool close)
{
    ptrdiff_t sent = write_first(conn, data, len, rest.len == 0);
    bool is_all = rest.len == 0 && sent == (ptrdiff_t)len;

    if (sent < 0 ||
        (!is_all &&
         keep_rest(conn, (skio_bytes){data + sent, len - (size_t)sent}, rest,
                   close) != SKIO_OK)) {
        skio__conn_unhold(conn);
        conn->kind = CONN_IDLE;
        conn->u.exchange = NULL;
        skio__conn_kill(conn);
        return;
    }

    if (!is_all)
        return;
    if (skio__conn_is_partial(conn) &&
        keep_rest(conn, (skio_bytes){NULL, 0}, rest, close) == SKIO_OK)
        return; /* completed when it has left, see skio__conn_complete() */
    skio__conn_done(conn, close);
}

void
skio__conn_respond(void *handle, const skio_response *response)
{
    struct skio__conn *conn = handle;
    struct skio__lws *transport = conn->transport;
    struct skio__writer writer = {(char *)transport->scratch + LWS_PRE,
                                  SKIO__LWS_WRITE, 0};
    const char *date = skio__date_text(&transport->date, time(NULL));
    bool close = response->close || !conn->keep_alive;
    const char *body = response->body;
    size_t left = response->body_len;
    skio_bytes rest = {NULL, 0};
    size_t part;

    if (write_head(&writer, response, date, close) == 0) {
        skio_transport_log(transport->server, SKIO_LOG_ERROR,
                           "http: the headers of a response exceed %d bytes",
                           SKIO__LWS_WRITE);
        conn->kind = CONN_IDLE;
        skio__conn_kill(conn);
        return;
    }
    if (conn->head || has_no_body(response->status))
        left = 0;

    part = writer.size - writer.len;
    if (part > left)
        part = left;
    if (part > 0)
        memcpy(writer.data + writer.len, body, part);

    if (part < left)
        rest = (skio_bytes){body + part, left - part};
    send_response(conn, writer.data, writer.len + part, rest, close);
}

void
skio__conn_refuse(struct skio__conn *conn, int status, const skio_header *extra)
{
    char body[96];
    int len =
        snprintf(body, sizeof(body), "{\"error\":\"%s\"}", reason_of(status));
    skio_response response = {.status = status,
                              .content_type = "application/json",
                              .headers = extra,
                              .header_count = extra != NULL ? 1 : 0,
                              .body = body,
                              .body_len = (size_t)len,
                              .close = conn->body_waits};

    skio__conn_respond(conn, &response);
}

/* Returns 1 when all of it has left. */
static int
continue_own(struct skio__conn *conn)
{
    struct skio__rest *out = conn->out;
    size_t kept = skio__conn_kept(conn);
    ptrdiff_t sent =
        skio__conn_send(conn, out->data + out->offset, out->len - out->offset);

    if (sent < 0)
        return -1;
    if (sent > 0 || skio__conn_kept(conn) < kept)
        skio__conn_wait(conn, &conn->transport->idle_due);
    out->offset += (size_t)sent;
    return out->offset == out->len && skio__conn_kept(conn) == 0;
}

/* Whether lws holds nothing back, after another try to send it. */
static int
drain(struct skio__conn *conn)
{
    if (lws_partial_buffered(conn->wsi) &&
        lws_write(conn->wsi, NULL, 0, LWS_WRITE_HTTP) < 0)
        return -1;
    return !lws_partial_buffered(conn->wsi);
}

int
skio__conn_continue(struct skio__conn *conn)
{
    struct skio__rest *out = conn->out;
    unsigned char *scratch = conn->transport->scratch + LWS_PRE;
    int drained = conn->wsi != NULL ? drain(conn) : continue_own(conn);

    for (int i = 0; i < WRITES_MAX && drained > 0 && out->offset < out->len;
         i++) {
        size_t part = out->len - out->offset;

        if (part > SKIO__LWS_WRITE)
            part = SKIO__LWS_WRITE;
        memcpy(scratch, out->data + out->offset, part);
        out->offset += part;
        if (lws_write(conn->wsi, scratch, part, LWS_WRITE_HTTP) < 0)
            return -1;
        skio__conn_wait(conn, &conn->transport->idle_due);
        drained = !lws_partial_buffered(conn->wsi);
    }
    if (drained < 0)
        return -1;
    if (!drained || out->offset < out->len)
        return skio__conn_await_room(conn);

    skio__mem_free(conn->transport->mem, out);
    conn->out = NULL;
    skio__conn_done(conn, false);

    return 0;
}
