/*
 * WebSocket: the handshake, and who reads and writes from then on
 */
#include "transport/lws.h"

#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

#include "transport/lws_direct.h"

/* ---- Handshake ---- */

static void
refuse(struct skio__conn *conn, int status, const char *text,
       const skio_header *extra)
{
    skio_response response = {.status = status,
                              .content_type = "text/html",
                              .headers = extra,
                              .header_count = extra != NULL ? 1 : 0,
                              .body = text,
                              .body_len = strlen(text),
                              .close = true};

    skio__conn_respond(conn, &response);
}

static bool
is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 16 bytes in base64 (RFC 6455, 4.2.1). */
static bool
has_valid_key(struct lws *wsi)
{
    char key[32];
    int len = lws_hdr_copy(wsi, key, sizeof(key), WSI_TOKEN_KEY);

    if (len != 24 || key[22] != '=' || key[23] != '=')
        return false;
    for (int i = 0; i < 22; i++)
        if (!is_base64(key[i]))
            return false;
    return true;
}

static bool
has_valid_version(struct lws *wsi)
{
    char version[8];

    return lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_VERSION) > 0 &&
           (strcmp(version, "13") == 0 || strcmp(version, "8") == 0);
}

static bool
asks_for_upgrade(struct lws *wsi)
{
    char list[128];
    const char *at = list;

    if (lws_hdr_copy(wsi, list, sizeof(list) - 1, WSI_TOKEN_CONNECTION) <= 0)
        return false;
    while (*at != '\0') {
        size_t len;

        at += strspn(at, ", \t");
        len = strcspn(at, ", \t");
        if (len == 7 && strncasecmp(at, "upgrade", 7) == 0)
            return true;
        at += len;
    }
    return false;
}

/* A response where lws would just close, written before any conn exists. */
int
skio__upgrade_drop(struct lws *wsi, const char *reason)
{
    unsigned char buf[LWS_PRE + 256];
    int len = lws_snprintf((char *)buf + LWS_PRE, 256,
                           "HTTP/1.1 400 Bad Request\r\n"
                           "Content-Type: text/html\r\n"
                           "Content-Length: %d\r\n"
                           "Connection: close\r\n\r\n%s",
                           (int)strlen(reason), reason);

    lws_write(wsi, buf + LWS_PRE, (size_t)len, LWS_WRITE_HTTP_FINAL);
    return -1;
}

/*
 * CVE-2025-11677 (libwebsockets up to 4.5): on a kept-alive connection a
 * second request that upgrades to something unknown was answered and its
 * headers were freed before this callback, whose `in` points into them; so
 * the header is asked for again, which says so.
 *
 * "h2c" would be accepted by default on every plaintext port, with all of
 * lws' HTTP/2 code behind it.
 */
int
skio__upgrade_confirm(struct lws *wsi)
{
    char upgrade[16];

    if (lws_hdr_copy(wsi, upgrade, sizeof(upgrade), WSI_TOKEN_UPGRADE) <= 0)
        return -1;
    if (strcasecmp(upgrade, "websocket") != 0)
        return skio__upgrade_drop(wsi, "Upgrade to WebSocket only");
    if (skio__request_is_unsafe(wsi))
        return skio__upgrade_drop(wsi, "Bad Request");
    if (!asks_for_upgrade(wsi))
        return skio__upgrade_drop(wsi, "Invalid Connection header");
    return 0;
}

/*
 * The reference server accepts the first subprotocol that a client offers; lws
 * accepts none but names of its protocols. There is only ours, and its name is
 * in our hands: for the time of one handshake it is that of the subprotocol.
 * (Not in a host's vhost, where other protocols have their names.)
 */
int
skio__upgrade_name(struct skio__lws *transport, struct lws *wsi)
{
    static const char separators[] = "()<>@,;:\\\"/[]?={} \t";
    char list[128];
    size_t len;
    int got = lws_hdr_copy(wsi, list, sizeof(list) - 1, WSI_TOKEN_PROTOCOL);

    if (got == 0)
        return 0;
    len = got > 0 ? strcspn(list, separators) : 0;
    if (len == 0 || len >= sizeof(transport->name) ||
        (list[len] != '\0' && strchr(", \t", list[len]) == NULL))
        return skio__upgrade_drop(wsi, "Invalid Sec-WebSocket-Protocol header");

    memcpy(transport->name, list, len);
    transport->name[len] = '\0';
    return 0;
}

void
skio__upgrade_unname(struct skio__lws *transport)
{
    if (transport->own)
        memcpy(transport->name, SKIO__LWS_NAME, sizeof(SKIO__LWS_NAME));
}

void
skio__upgrade_filter(struct skio__conn *conn, struct skio__head *head)
{
    static const skio_header versions = {"Sec-WebSocket-Version", "13, 8"};
    struct skio__lws *transport = conn->transport;
    struct lws *wsi = conn->wsi;
    int state;

    head->request.upgrade = true;
    conn->keep_alive = false;

    if (head->refuse != 0 || head->body_waits) {
        refuse(conn, head->refuse != 0 ? head->refuse : 400, "Bad Request",
               NULL);
        return;
    }
    if (!skio_transport_owns(transport->server, head->request.path)) {
        refuse(conn, 404, "Not Found", NULL);
        return;
    }

    state = skio_exchange_new(transport->server, &head->request, conn,
                              &conn->u.exchange);
    if (state != SKIO_EXCHANGE_UPGRADE) {
        /* An upgrade is answered at once: nothing could wake one that waits. */
        if (state == SKIO_EXCHANGE_HELD) {
            skio_exchange_abort(conn->u.exchange);
            conn->u.exchange = NULL;
        }
        return;
    }

    /* The checks of the reference's WebSocket library come after its own. */
    conn->kind = CONN_UPGRADE;
    if (strcmp(head->request.method, "GET") == 0 && has_valid_key(wsi) &&
        has_valid_version(wsi) && lws_hdr_total_length(wsi, WSI_TOKEN_HOST) > 0)
        return;

    skio_exchange_abort(conn->u.exchange);
    conn->u.exchange = NULL;
    conn->kind = CONN_IDLE;
    if (strcmp(head->request.method, "GET") != 0)
        refuse(conn, 405, "Invalid HTTP method", NULL);
    else if (!has_valid_key(wsi))
        refuse(conn, 400, "Missing or invalid Sec-WebSocket-Key header", NULL);
    else if (!has_valid_version(wsi))
        refuse(conn, 400, "Missing or invalid Sec-WebSocket-Version header",
               &versions);
    else
        refuse(conn, 400, "Missing Host header", NULL);
}

int
skio__upgrade_headers(struct skio__conn *conn, void *lws_args)
{
    struct lws_process_html_args *args = lws_args;
    const skio_header *headers = NULL;
    size_t count;

    if (conn->kind != CONN_UPGRADE)
        return 0;

    count = skio_exchange_headers(conn->u.exchange, &headers);
    for (size_t i = 0; i < count; i++) {
        size_t name = strlen(headers[i].name);
        size_t value = strlen(headers[i].value);

        if ((int)(name + value) + 4 + 2 >= args->max_len)
            return -1;
        memcpy(args->p, headers[i].name, name);
        memcpy(args->p + name, ": ", 2);
        memcpy(args->p + name + 2, headers[i].value, value);
        memcpy(args->p + name + 2 + value, "\r\n", 2);
        args->p += name + value + 4;
        args->max_len -= (int)(name + value) + 4;
    }
    return 0;
}

int
skio__ws_established(struct skio__conn *conn)
{
    skio_exchange *exchange = conn->u.exchange;

    if (conn->kind != CONN_UPGRADE)
        return -1;

    lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    conn->kind = CONN_WS;
    conn->u.ws = skio_ws_open(exchange, conn);
    if (conn->u.ws == NULL) {
        conn->kind = CONN_IDLE;
        return -1;
    }
    return skio__direct_may(conn) ? skio__direct_begin(conn) : 0;
}

void
skio__ws_flush(void *handle)
{
    struct skio__conn *conn = handle;
    int err = 0;

    if (conn->kind != CONN_WS)
        return;
    if (conn->direct != NULL)
        err = skio__direct_write(conn);
    else
        err = skio__ws_write(conn);
    if (err != 0)
        skio__conn_kill(conn);
}
