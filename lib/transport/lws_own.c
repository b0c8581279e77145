#define _GNU_SOURCE /* MSG_DONTWAIT, MSG_NOSIGNAL */

#include "transport/lws_own.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>
#include <libwebsockets.h>

#include "base/mem.h"
#include "transport/lws_accept.h"
#include "transport/lws_direct.h"
#include "transport/plain.h"

#define HEAD_MAX 16384 /* bytes that are looked at: lws takes longer heads */
#define ACCEPT_MAX 32  /* SHA-1 in base64, and NUL */
#define PROTOCOL_MAX 64

/* What the answer to a handshake needs of it. */
struct handshake {
    char accept[ACCEPT_MAX];
    char protocol[PROTOCOL_MAX]; /* "": none was asked for */
};

struct writer {
    char *at;
    char *end;
    bool is_full;
};

static bool
would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* ---- Ending ---- */

void
skio__own_close(struct skio__conn *conn)
{
    const skio_allocator *mem = conn->transport->mem;
    int fd = conn->direct->io.fd;

    skio__conn_detach(conn, true);
    skio__direct_end(conn);
    close(fd);
    skio__mem_free(mem, conn);
}

static void
lose(struct skio__conn *conn)
{
    conn->lost = true;
    skio__conn_kill_now(conn);
}

void
skio__own_drop_all(struct skio__lws *transport)
{
    while (transport->owned != NULL)
        skio__conn_kill_now(transport->owned->io.data);
}

static void
hand_over(struct skio__conn *conn)
{
    int fd = conn->direct->io.fd;

    skio__direct_end(conn);
    skio__accept_hand_over(conn, fd);
}

/* ---- Callbacks of the core: what ends in them ends after them ---- */

static void
enter(struct skio__conn *conn)
{
    conn->transport->current = conn;
    conn->transport->outcome = OUTCOME_NONE;
}

/* The conn may be gone afterwards. */
static void
leave(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;
    enum skio__outcome outcome = transport->outcome;

    transport->current = NULL;
    transport->outcome = OUTCOME_NONE;
    if (outcome == OUTCOME_KEEP)
        skio__conn_wait(conn, &transport->idle_due);
    else if (outcome == OUTCOME_CLOSE)
        skio__conn_end(conn);
    else if (conn->kind == CONN_HELD || conn->kind == CONN_REPLY)
        skio__fifo_remove(&conn->timer);
}

/* ---- Upgrades ---- */

static void
put(struct writer *writer, const char *text)
{
    size_t len = strlen(text);

    if (len > (size_t)(writer->end - writer->at)) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->at, text, len);
    writer->at += len;
}

/* RFC 6455, 4.2.2. */
static int
read_handshake(const struct skio__plain *plain, struct handshake *handshake)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char hash[20];
    char text[24 + sizeof(guid)];

    memcpy(text, plain->key, 24);
    memcpy(text + 24, guid, sizeof(guid));
    lws_SHA1((unsigned char *)text, sizeof(text) - 1, hash);
    if (lws_b64_encode_string((char *)hash, sizeof(hash), handshake->accept,
                              sizeof(handshake->accept)) < 0)
        return -1;

    handshake->protocol[0] = '\0';
    if (plain->protocol != NULL)
        memcpy(handshake->protocol, plain->protocol,
               strlen(plain->protocol) + 1);
    return 0;
}

/* As lws writes it. Returns its length; 0: it does not fit. */
static size_t
write_answer(char *out, size_t room, const struct handshake *handshake,
             const skio_exchange *exchange)
{
    struct writer writer = {out, out + room, false};
    const skio_header *headers = NULL;
    size_t count = skio_exchange_headers(exchange, &headers);

    put(&writer, "HTTP/1.1 101 Switching Protocols\r\n"
                 "Upgrade: WebSocket\r\n"
                 "Connection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: ");
    put(&writer, handshake->accept);
    if (handshake->protocol[0] != '\0') {
        put(&writer, "\r\nSec-WebSocket-Protocol: ");
        put(&writer, handshake->protocol);
    }
    put(&writer, "\r\n");
    for (size_t i = 0; i < count; i++) {
        put(&writer, headers[i].name);
        put(&writer, ": ");
        put(&writer, headers[i].value);
        put(&writer, "\r\n");
    }
    put(&writer, "\r\n");
    return writer.is_full ? 0 : (size_t)(writer.at - out);
}

/* Returns -1: drop the connection. */
static int
accept_upgrade(struct skio__conn *conn, const struct handshake *handshake)
{
    char *answer = (char *)conn->transport->inbox;
    size_t len =
        write_answer(answer, SKIO__LWS_WRITE, handshake, conn->u.exchange);
    skio_exchange *exchange = conn->u.exchange;

    if (len == 0) {
        skio_transport_log(conn->transport->server, SKIO_LOG_ERROR,
                           "http: the headers of a response exceed %d bytes",
                           SKIO__LWS_WRITE);
        return -1;
    }
    conn->kind = CONN_WS;
    conn->u.ws = skio_ws_open(exchange, conn);
    if (conn->u.ws == NULL) {
        conn->kind = CONN_IDLE;
        return -1;
    }
    return skio__direct_greet(conn, answer, len);
}

/* Whatever could be wrong with one, but for what the core says, is not plain.
 * The conn may be gone afterwards. */
static void
begin_upgrade(struct skio__conn *conn, struct skio__head *head,
              const struct handshake *handshake)
{
    int state;

    skio__fifo_remove(&conn->timer);
    conn->keep_alive = false;
    conn->head = false;
    conn->body_waits = false;
    enter(conn);
    state = skio_exchange_new(conn->transport->server, &head->request, conn,
                              &conn->u.exchange);
    if (state == SKIO_EXCHANGE_UPGRADE)
        conn->kind = CONN_UPGRADE;
    else if (state == SKIO_EXCHANGE_HELD) /* nothing could wake it */
        skio_exchange_abort(conn->u.exchange);
    if (state != SKIO_EXCHANGE_UPGRADE && conn->kind == CONN_IDLE) {
        conn->u.exchange = NULL;
        conn->transport->outcome = OUTCOME_CLOSE;
    }
    leave(conn);
    if (state == SKIO_EXCHANGE_UPGRADE && accept_upgrade(conn, handshake) != 0)
        skio__conn_kill_now(conn);
}

/* ---- Requests ---- */

static void
make_head(struct skio__conn *conn, const struct skio__plain *plain,
          struct skio__head *head)
{
    struct skio__lws *transport = conn->transport;

    *head = (struct skio__head){
        .request = {.method = plain->method,
                    .path = plain->path,
                    .query = plain->query,
                    .headers = plain->headers,
                    .headers_len = plain->headers_len,
                    .content_length = plain->content_length},
    };
    skio__request_peer(transport, conn, NULL, head);
}

/* Whether this is one of ours, and within all limits. */
static bool
is_welcome(const struct skio__lws *transport, const struct skio__plain *plain)
{
    const skio_server_options *options = transport->options;

    return skio_transport_owns(transport->server, plain->path) &&
           plain->query_len <= options->max_query_bytes &&
           plain->lines <= options->max_headers &&
           plain->headers_len + 2 * (size_t)plain->lines <=
               options->max_header_bytes;
}

/* Take what was looked at. */
static bool
take(struct skio__conn *conn, size_t len)
{
    return recv(conn->direct->io.fd, conn->transport->inbox, len,
                MSG_DONTWAIT) == (ssize_t)len;
}

static void
read_request(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;
    char *seen = (char *)transport->inbox;
    ssize_t len =
        recv(conn->direct->io.fd, seen, HEAD_MAX, MSG_PEEK | MSG_DONTWAIT);
    struct skio__plain plain;
    struct handshake handshake;
    struct skio__head head;
    ptrdiff_t used;

    if (len < 0 && would_block())
        return;
    if (len <= 0) {
        lose(conn);
        return;
    }
    skio__buf_reset(&transport->head);
    used =
        skio__buf_reserve(&transport->head, (size_t)len) == SKIO_OK
            ? skio__plain_read(&plain, seen, (size_t)len, transport->head.data)
            : SKIO__PLAIN_NONE;
    if (used > 0 && used == len && is_welcome(transport, &plain) &&
        skio__plain_is_upgrade(&plain) &&
        read_handshake(&plain, &handshake) == 0) {
        make_head(conn, &plain, &head);
        head.request.upgrade = true;
        if (take(conn, (size_t)used))
            begin_upgrade(conn, &head, &handshake);
        else
            lose(conn);
        return;
    }
    hand_over(conn);
}

static void
on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct skio__conn *conn = io->data;

    (void)loop;
    (void)events;
    read_request(conn);
}

/* ---- Beginning ---- */

bool
skio__own_begin(struct skio__conn *conn, int fd)
{
    struct skio__lws *transport = conn->transport;
    struct skio__direct *direct;

    /* Most clients offer permessage-deflate, which lws negotiates. */
    if (transport->direct_loop == NULL ||
        transport->options->per_message_deflate ||
        !skio__direct_has_inbox(transport))
        return false;
    direct = skio__mem_calloc(transport->mem, 1, sizeof(*direct));
    if (direct == NULL)
        return false;

    conn->direct = direct;
    direct->own_link = &transport->owned;
    direct->own_next = transport->owned;
    if (direct->own_next != NULL)
        direct->own_next->own_link = &direct->own_next;
    transport->owned = direct;

    ev_io_init(&direct->io, on_ready, fd, EV_READ);
    direct->io.data = conn;
    ev_io_start(transport->direct_loop, &direct->io);
    return true;
}

void
skio__own_turn_reading(struct skio__conn *conn, bool on)
{
    if (on)
        ev_io_start(conn->transport->direct_loop, &conn->direct->io);
    else
        ev_io_stop(conn->transport->direct_loop, &conn->direct->io);
}

ptrdiff_t
skio__own_send(struct skio__conn *conn, const void *data, size_t len)
{
    ssize_t sent =
        send(conn->direct->io.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    return sent < 0 && would_block() ? 0 : sent;
}
