/*
 * The protocol callback: what lws tells us, and whom it concerns
 */
#define _GNU_SOURCE /* MSG_DONTWAIT */

#include "transport/lws.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libwebsockets.h>

#include "base/mem.h"
#include "transport/endpoint.h"
#include "transport/lws_deflate.h"
#include "transport/lws_direct.h"
#include "transport/lws_headers.h"
#include "transport/lws_preface.h"
#include "transport/lws_protocol.h"

/* ---- HTTP ---- */

static void
begin_core(struct skio__conn *conn, const struct skio__head *head)
{
    struct skio__lws *transport = conn->transport;
    skio_exchange *exchange = NULL;
    int state =
        skio_exchange_new(transport->server, &head->request, conn, &exchange);

    if (state == SKIO_EXCHANGE_ANSWERED)
        return;

    conn->u.exchange = exchange;
    if (state == SKIO_EXCHANGE_HELD) {
        conn->kind = CONN_HELD;
        return;
    }
    conn->kind = CONN_BODY;
    if (head->body_waits && head->request.content_length > 0)
        skio__conn_wait(conn, &transport->body_due);
    else if (skio_exchange_end(exchange) == SKIO_EXCHANGE_HELD)
        conn->kind = CONN_HELD;
}

void
skio__request_begin(struct skio__conn *conn, struct skio__head *head)
{
    struct skio__lws *transport = conn->transport;
    const skio_request *request = &head->request;
    bool sends = strcmp(request->method, "GET") != 0 &&
                 strcmp(request->method, "HEAD") != 0 &&
                 strcmp(request->method, "OPTIONS") != 0;

    skio__fifo_remove(&conn->timer);
    conn->head = strcmp(request->method, "HEAD") == 0;
    conn->body_waits = head->body_waits;
    /* it does not what it takes for less than nothing */
    conn->lws_reads = head->body_waits && request->content_length != -2;
    conn->keep_alive = head->keep_alive && !transport->stopping;

    /* lws takes a POST without a length for one of 100 MB, and a body after
     * a GET in the midst of whatever comes next: close after those. */
    if (head->body_waits && (!sends || request->content_length < 0))
        conn->keep_alive = false;

    if (head->refuse != 0) {
        conn->keep_alive = false;
        conn->body_waits = true; /* nobody knows what follows */
        skio__conn_refuse(conn, head->refuse, NULL);
        return;
    }
    if (head->expects && head->body_waits) {
        unsigned char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

        lws_write(conn->wsi, go_on, sizeof(go_on) - 1, LWS_WRITE_HTTP_HEADERS);
    }

    if (!skio_transport_owns(transport->server, request->path))
        skio__endpoint_begin(conn, head);
    else if (!skio__client_serve(conn, head))
        begin_core(conn, head);
}

static void
on_http(struct skio__conn *conn, const char *target_end)
{
    struct skio__head head;

    if (skio__request_read(conn->transport, conn, conn->wsi,
                           skio__headers_start(conn->wsi, target_end),
                           &head) == SKIO_OK) {
        skio__request_begin(conn, &head);
        return;
    }
    conn->keep_alive = false;
    skio__conn_refuse(conn, 503, NULL);
}

void
skio__request_body(struct skio__conn *conn, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (conn->kind == CONN_BODY)
        (void)skio_exchange_body(conn->u.exchange, data, len);
    else if (conn->kind == CONN_COLLECT)
        skio__endpoint_body(conn, data, len);
}

int
skio__request_end(struct skio__conn *conn)
{
    if (conn->kind == CONN_LINGER)
        return -1;

    conn->body_waits = false;
    conn->lws_reads = false;
    if (conn->kind == CONN_BODY) {
        skio__fifo_remove(&conn->timer);
        if (skio_exchange_end(conn->u.exchange) == SKIO_EXCHANGE_HELD)
            conn->kind = CONN_HELD;
    } else if (conn->kind == CONN_COLLECT)
        skio__endpoint_end(conn);
    return 0;
}

/* What the confirmation has found, once, and for its own connection: inside a
 * host the confirmation of a later request goes to the protocol of the one
 * before it, and the pointer would be that of another connection. */
static const char *
take_headers(struct skio__lws *transport, const struct lws *wsi)
{
    const char *headers =
        transport->headers_of == wsi ? transport->headers : NULL;

    transport->headers_of = NULL;
    return headers;
}

static void
on_upgrade(struct skio__conn *conn)
{
    const char *headers = take_headers(conn->transport, conn->wsi);
    struct skio__head head;

    skio__fifo_remove(&conn->timer);
    conn->keep_alive = false;
    if (lws_get_network_wsi(conn->wsi) != conn->wsi) {
        /* Raw frames would corrupt HTTP/2: see skio_lws_context_info(). */
        conn->transport->outcome = OUTCOME_CLOSE;
        return;
    }
    if (skio__request_read(conn->transport, conn, conn->wsi, headers, &head) ==
        SKIO_OK) {
        skio__upgrade_filter(conn, &head);
        return;
    }
    skio__conn_refuse(conn, 503, NULL);
}

static int
dispatch(struct skio__conn *conn, enum lws_callback_reasons reason, void *in,
         size_t len)
{
    int result;

    if (conn->direct != NULL) {
        /* that lws has written the rest of the 101 is no such sign */
        if (reason != LWS_CALLBACK_SERVER_WRITEABLE || !conn->held)
            skio__direct_refuse(conn);
        return 0;
    }
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        if (lws_get_network_wsi(conn->wsi) != conn->wsi)
            return -1;
        if (!conn->transport->own &&
            skio__request_is_misread(conn->wsi, LEFTOVER_UNKNOWN))
            return skio__upgrade_drop(conn->wsi, "Bad Request");
        on_http(conn, (const char *)in + len);
        return 0;
    case LWS_CALLBACK_HTTP_BODY:
        skio__request_body(conn, in, len);
        return 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return skio__request_end(conn);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        on_upgrade(conn);
        if (conn->kind != CONN_UPGRADE) {
            skio__upgrade_unname(conn->transport);
            /* The answer may not have left, to a peer that has gone or is
             * slow: whoever was refused is not accepted after all. */
            if (conn->transport->outcome == OUTCOME_NONE)
                conn->transport->outcome = OUTCOME_CLOSE;
        }
        return 0;
    case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY:
        return skio__deflate_confirm(conn, in) ? 0 : -1;
    case LWS_CALLBACK_ADD_HEADERS:
        skio__upgrade_unname(conn->transport);
        if (conn->deflates && skio__deflate_take_back(in) != 0) {
            skio_transport_log(conn->transport->server, SKIO_LOG_ERROR,
                               "lws: this version answers an extension in an "
                               "unknown way; turn per_message_deflate off");
            return -1;
        }
        return skio__upgrade_headers(conn, in);
    case LWS_CALLBACK_ESTABLISHED:
        return skio__ws_established(conn);
    case LWS_CALLBACK_RECEIVE:
        return skio__ws_receive(conn, in, len);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return skio__ws_peer_close(conn);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        if (conn->kind != CONN_WS)
            return 0;
        conn->writing = true;
        result = skio__ws_write(conn);
        conn->writing = false;
        return result;
    default:
        return 0;
    }
}

/* A callback about a connection: what ends in it ends through its result. */
static int
on_conn(struct skio__conn *conn, enum lws_callback_reasons reason, void *in,
        size_t len)
{
    struct skio__lws *transport = conn->transport;
    struct skio__conn *outer = transport->current;
    enum skio__outcome outer_outcome = transport->outcome;
    enum skio__outcome outcome;
    int result;

    transport->current = conn;
    transport->outcome = OUTCOME_NONE;
    result = dispatch(conn, reason, in, len);
    outcome = transport->outcome;
    transport->current = outer;
    transport->outcome = outer_outcome;

    if (result != 0)
        return -1;
    if (outcome == OUTCOME_NONE &&
        (conn->kind == CONN_HELD || conn->kind == CONN_REPLY) && !conn->watched)
        result = skio__conn_hold(conn);
    else
        result = skio__conn_settle(conn, outcome);
    skio__lws_wake(transport);

    return result;
}

/* ---- The callback ---- */

static struct skio__lws *
transport_of(struct lws *wsi)
{
    const struct lws_protocols *protocol = lws_get_protocol(wsi);

    return protocol != NULL ? protocol->user : NULL;
}

static struct skio__conn *
conn_of(struct skio__lws *transport, struct lws *wsi, void *user)
{
    struct skio__conn *conn =
        transport->own ? lws_get_opaque_user_data(wsi) : user;

    if (conn != NULL && conn->transport == NULL)
        skio__conn_init(conn, transport, wsi);
    return conn;
}

/* Whether the TCP connection ended by itself: lws does not say. */
static bool
has_ended(struct skio__conn *conn)
{
    char byte;

    if (conn->kind != CONN_WS || conn->peer_closed || conn->finished ||
        conn->lost)
        return true;
    return recv(lws_get_socket_fd(conn->wsi), &byte, 1,
                MSG_PEEK | MSG_DONTWAIT) == 0 ||
           (errno != EAGAIN && errno != EWOULDBLOCK);
}

static int
on_file(struct skio__lws *transport, struct lws *wsi)
{
    if (wsi == transport->wake_wsi)
        skio__lws_on_wake(transport);
    else if (wsi == transport->timer_wsi)
        skio__lws_on_timer(transport);
    else if (wsi == transport->watch_wsi)
        skio__conn_watched(transport);
    else if (wsi == transport->loop_wsi)
        skio__lws_watched(transport);
    else if (!skio__loop_accept(transport, wsi) &&
             !skio__preface_ready(transport, wsi))
        return -1;
    return 0;
}

struct lws *
skio__lws_adopt(struct skio__lws *transport, int fd)
{
    lws_sock_file_fd_type desc;

    desc.filefd = fd;
    if (transport->own)
        skio__lws_wake(transport);
    return lws_adopt_descriptor_vhost(transport->vhost, LWS_ADOPT_RAW_FILE_DESC,
                                      desc,
                                      transport->own ? transport->name
                                                     : transport->protocol,
                                      NULL);
}

int
skio__lws_attach(struct skio__lws *transport, struct lws_vhost *vhost,
                 const char *name)
{
    if (skio__lws_open_files(transport) != SKIO_OK)
        return SKIO_ENOMEM;
    transport->vhost = vhost;
    transport->protocol = name;
    transport->attached = true;
    transport->timer_wanted = true;

    transport->wake_wsi = skio__lws_adopt(transport, transport->wake_fd);
    transport->timer_wsi = skio__lws_adopt(transport, transport->timer_fd);
    transport->watch_wsi = skio__lws_adopt(transport, transport->watch_fd);
    if (transport->wake_wsi == NULL || transport->timer_wsi == NULL ||
        transport->watch_wsi == NULL ||
        skio__lws_watch_attach(transport) != SKIO_OK) {
        skio_transport_log(transport->server, SKIO_LOG_ERROR,
                           "lws: cannot watch descriptors");
        return SKIO_ENOMEM;
    }
    skio__lws_wake(transport);

    return SKIO_OK;
}

/* A host's vhost comes up. Our own was attached when it was made: lws calls
 * this only once the loop runs. */
static int
on_init(struct skio__lws *transport, struct lws *wsi)
{
    if (transport->attached)
        return 0;
    return skio__lws_attach(transport, lws_get_vhost(wsi),
                            lws_get_protocol(wsi)->name) == SKIO_OK
               ? 0
               : -1;
}

/* lws closes what it watched. */
static void
on_file_close(struct skio__lws *transport, struct lws *wsi)
{
    if (wsi == transport->wake_wsi) {
        transport->wake_wsi = NULL;
        transport->wake_fd = -1;
    } else if (wsi == transport->timer_wsi) {
        transport->timer_wsi = NULL;
        transport->timer_fd = -1;
    } else if (wsi == transport->watch_wsi) {
        transport->watch_wsi = NULL;
        transport->watch_fd = -1;
    } else if (wsi == transport->preface_wsi) {
        transport->preface_wsi = NULL;
    } else if (wsi == transport->loop_wsi) {
        transport->loop_wsi = NULL;
    }
}

static int
on_close(struct skio__lws *transport, struct lws *wsi, void *user)
{
    struct skio__conn *conn =
        transport->own ? lws_get_opaque_user_data(wsi) : user;

    if (transport->headers_of == wsi)
        transport->headers_of = NULL;
    if (conn == NULL || conn->transport == NULL)
        return 0;
    skio__conn_detach(conn, has_ended(conn));
    skio__lws_wake(transport);
    return 0;
}

/* A request's headers are complete: ours, or a static mount's, which lws
 * serves without asking again, or a host's. */
static int
on_filter(struct skio__lws *transport, struct lws *wsi)
{
    struct skio__conn *conn;

    if (!transport->own)
        return skio__request_is_unsafe(wsi) ||
                       skio__request_is_misread(wsi, LEFTOVER_UNKNOWN)
                   ? skio__upgrade_drop(wsi, "Bad Request")
                   : 0;

    conn = lws_get_opaque_user_data(wsi);
    if (conn == NULL)
        return -1;
    skio__fifo_remove(&conn->timer);
    skio__lws_tick(transport, transport->options->body_timeout_ms);
    if (skio__request_is_misread(wsi, conn->leftover) ||
        (transport->mounts != NULL && skio__request_is_unsafe(wsi)))
        return skio__upgrade_drop(wsi, "Bad Request");
    if (transport->mounts != NULL && skio__request_has_body(wsi))
        skio__conn_wait(conn, &transport->body_due);
    return 0;
}

/* lws begins or ends a transaction, also one that it serves alone. */
static void
on_bind(struct skio__lws *transport, struct lws *wsi)
{
    struct skio__conn *conn = lws_get_opaque_user_data(wsi);

    if (conn == NULL || conn->kind != CONN_IDLE)
        return;
    conn->leftover = LEFTOVER_UNKNOWN;
    skio__conn_wait(conn, &transport->idle_due);
    skio__lws_tick(transport, transport->options->header_timeout_ms);
}

static int
on_file_served(struct skio__lws *transport, struct lws *wsi)
{
    struct skio__conn *conn = lws_get_opaque_user_data(wsi);

    if (!transport->own || conn == NULL)
        return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
    return skio__conn_complete(conn) != 0 ? -1 : 0;
}

int
skio__lws_callback(struct lws *wsi, enum lws_callback_reasons reason,
                   void *user, void *in, size_t len)
{
    struct skio__lws *transport;
    struct skio__conn *conn;

    switch (reason) {
    case LWS_CALLBACK_PROTOCOL_INIT:
        transport = transport_of(wsi);
        return transport != NULL ? on_init(transport, wsi) : 0;

    case LWS_CALLBACK_PROTOCOL_DESTROY:
        transport = transport_of(wsi);
        if (transport != NULL)
            transport->attached = false;
        return 0;

    case LWS_CALLBACK_RAW_RX_FILE:
        return on_file(transport_of(wsi), wsi);

    case LWS_CALLBACK_RAW_CLOSE_FILE:
        on_file_close(transport_of(wsi), wsi);
        return 0;

    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
        /* lws turns a CONNECT request into a raw connection and gives its
         * bytes to protocol 0. */
        return -1;

    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        transport = transport_of(wsi);
        transport->headers_of = NULL;
        if (skio__upgrade_confirm(wsi) != 0)
            return -1;
        /* the header that `in` points at is there: see the function */
        transport->headers = skio__headers_start_before(wsi, in);
        transport->headers_of = wsi;
        return transport->own ? skio__upgrade_name(transport, wsi) : 0;

    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY:
    case LWS_CALLBACK_ADD_HEADERS:
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
        transport = transport_of(wsi);
        conn = conn_of(transport, wsi, user);
        return conn != NULL ? on_conn(conn, reason, in, len) : -1;

    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
        /* In a host's vhost the conn is freed after this, at the latest; our
         * own ones outlive the transaction. */
        transport = transport_of(wsi);
        return transport->own ? 0 : on_close(transport, wsi, user);

    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
        return on_close(transport_of(wsi), wsi, user);

    case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
        transport = transport_of(wsi);
        return on_filter(transport, wsi);

    case LWS_CALLBACK_HTTP_BIND_PROTOCOL:
        transport = transport_of(wsi);
        if (transport->own)
            on_bind(transport, wsi);
        return 0;

    case LWS_CALLBACK_HTTP_FILE_COMPLETION:
        return on_file_served(transport_of(wsi), wsi);

    case LWS_CALLBACK_WSI_DESTROY:
        transport = transport_of(wsi);
        if (transport == NULL || !transport->own ||
            (conn = lws_get_opaque_user_data(wsi)) == NULL)
            return 0;
        skio__upgrade_unname(transport);
        skio__conn_detach(conn, true);
        lws_set_opaque_user_data(wsi, NULL);
        skio__mem_free(transport->mem, conn);
        return 0;

    default:
        return 0;
    }
}

bool
skio__lws_is_ours(const struct lws_protocols *protocol)
{
    return protocol->callback == skio__lws_callback ||
           protocol->callback == skio__loop_callback;
}

void
skio__lws_protocol_fill(struct skio__lws *transport,
                        struct lws_protocols *protocol)
{
    memcpy(transport->name, SKIO__LWS_NAME, sizeof(SKIO__LWS_NAME));
    *protocol = (struct lws_protocols){
        .name = transport->name,
        .callback = skio__lws_callback,
        .per_session_data_size = transport->own ? 0 : sizeof(struct skio__conn),
        .rx_buffer_size = transport->options->rx_buffer_size,
        .user = transport,
        /* lws copies what exceeds one packet to the heap */
        .tx_packet_size = 1 << 20,
    };
}
