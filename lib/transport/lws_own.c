#define _GNU_SOURCE /* MSG_DONTWAIT, MSG_NOSIGNAL */

#include "transport/lws_own.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>
#include <libwebsockets.h>

#include "base/mem.h"
#include "transport/lws_accept.h"
#include "transport/lws_direct_out.h"
#include "transport/lws_handshake.h"
#include "transport/lws_input.h"
#include "transport/lws_sealed.h"
#include "transport/lws_tunnel.h"
#include "transport/mount.h"
#include "transport/plain.h"

#define HEAD_USUAL 2048 /* bytes that are looked at first */
#define ACCEPT_MAX 32   /* SHA-1 in base64, and NUL */
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

/* ---- Ending ---- */

void
skio__own_close(struct skio__conn *conn)
{
    const skio_allocator *mem = conn->transport->mem;
    int fd = conn->direct->io.fd;

    bool is_unread = conn->head_waits && !conn->lost;

    if (skio__handshake_is_due(conn)) {
        skio__handshake_drop(conn);
        is_unread = true;
    }
    /* What is not read makes a reset of the end. */
    if (is_unread)
        (void)recv(fd, conn->transport->inbox, SKIO__HEAD_MAX, MSG_DONTWAIT);
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

/* len: what was looked at. */
static void
hand_over(struct skio__conn *conn, size_t len)
{
    int fd = conn->direct->io.fd;

    if (conn->direct->sealed != NULL) {
        if (skio__tunnel_begin(conn, len) != 0)
            lose(conn);
        return;
    }
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
    else if (conn->kind == CONN_HELD || conn->kind == CONN_REPLY)
        skio__fifo_remove(&conn->timer);
    if (outcome == OUTCOME_CLOSE)
        skio__conn_end(conn);
    else
        skio__input_go_on(conn);
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

/* Whether a folder may be mounted inside of the server's path. */
static bool
is_mounted_over(const struct skio__lws *transport)
{
    const char *path = transport->options->path;
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    for (const struct skio__mount *mount = transport->mounts; mount != NULL;
         mount = mount->next)
        if (strncmp(mount->path, path, len) == 0)
            return true;
    return false;
}

/* Between enter() and leave(). */
static void
feed(struct skio__conn *conn, const void *data, size_t len)
{
    conn->direct->body_left -= len;
    skio__request_body(conn, data, len);
    if (conn->direct->body_left == 0 && skio__request_end(conn) != 0) {
        conn->body_waits = false;
        conn->transport->outcome = OUTCOME_CLOSE;
    }
}

/* len: what was looked at; used: the length of the head. */
static void
begin_simple(struct skio__conn *conn, const struct skio__plain *plain,
             struct skio__head *head, size_t len, size_t used)
{
    uint64_t body =
        plain->content_length > 0 ? (uint64_t)plain->content_length : 0;
    size_t room = SKIO__READ_MAX - used;
    size_t most = used + (body < room ? (size_t)body : room);
    ssize_t got = skio__input_take(conn, len, used, most);
    size_t more = (size_t)got - used;

    if (got < 0) {
        lose(conn);
        return;
    }
    conn->direct->body_left = body;
    head->body_waits = body > 0;
    enter(conn);
    skio__request_begin(conn, head);
    if (more > 0)
        feed(conn, conn->transport->inbox + used, more);
    leave(conn);
}

/* Returns the length of a head that is plain and welcome, or <= 0. */
static ptrdiff_t
read_head(struct skio__lws *transport, struct skio__plain *plain, size_t len)
{
    ptrdiff_t used;

    skio__buf_reset(&transport->head);
    if (skio__buf_reserve(&transport->head, len) != SKIO_OK)
        return SKIO__PLAIN_NONE;
    used = skio__plain_read(plain, (char *)transport->inbox,
                            len < SKIO__HEAD_MAX ? len : SKIO__HEAD_MAX,
                            transport->head.data);
    return used <= 0 || is_welcome(transport, plain) ? used : SKIO__PLAIN_NONE;
}

/* What is new ends no line, and so no head: it need not be read again, however
 * many pieces there are. */
static bool
is_amid_line(const struct skio__conn *conn, ssize_t len)
{
    ssize_t seen = conn->head_waits ? (ssize_t)conn->direct->head_seen : len;

    return seen < len && memchr(conn->transport->inbox + seen, '\n',
                                (size_t)(len - seen)) == NULL;
}

/* used: the length of a head that is plain, of len bytes. */
static void
begin_request(struct skio__conn *conn, const struct skio__plain *plain,
              size_t len, size_t used)
{
    const skio_server_options *options = conn->transport->options;
    struct handshake handshake;
    struct skio__head head;

    make_head(conn, plain, &head);
    /* Most clients offer permessage-deflate, which lws negotiates. */
    if (used == len && !skio__input_has_more(conn) &&
        !options->per_message_deflate && skio__plain_is_upgrade(plain) &&
        read_handshake(plain, &handshake) == 0) {
        head.request.upgrade = true;
        if (skio__input_take(conn, len, used, used) > 0)
            begin_upgrade(conn, &head, &handshake);
        else
            lose(conn);
    } else if (skio__plain_is_simple(plain, &head.keep_alive) &&
               !is_mounted_over(conn->transport)) {
        begin_simple(conn, plain, &head, len, used);
    } else {
        hand_over(conn, len);
    }
}

/* A head that has begun, whose rest there is time for. */
static bool
await_head(struct skio__conn *conn, ssize_t len)
{
    bool has_begun = conn->head_waits;

    if (len <= 0 || len >= SKIO__HEAD_MAX ||
        !skio__input_await(conn, (size_t)len))
        return false;
    if (!has_begun && conn->keep_alive) /* a next request */
        skio__conn_wait(conn, &conn->transport->header_due);
    return true;
}

static void
read_request(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;
    ssize_t len =
        skio__input_look(conn, conn->head_waits ? SKIO__HEAD_MAX : HEAD_USUAL);
    struct skio__plain plain;
    ptrdiff_t used;

    if (len < 0 && skio__direct_would_block())
        return;
    if (len <= 0) {
        lose(conn);
        return;
    }
    used = is_amid_line(conn, len) ? SKIO__PLAIN_MORE
                                   : read_head(transport, &plain, (size_t)len);
    if (used == SKIO__PLAIN_MORE && len == HEAD_USUAL &&
        conn->direct->sealed == NULL) {
        len = skio__input_look(conn, SKIO__HEAD_MAX);
        used = len > 0 ? read_head(transport, &plain, (size_t)len)
                       : SKIO__PLAIN_NONE;
    }
    if (used == SKIO__PLAIN_MORE && await_head(conn, len))
        return;
    if (!skio__input_end_head(conn))
        lose(conn);
    else if (used > 0)
        begin_request(conn, &plain, (size_t)len, (size_t)used);
    else
        hand_over(conn, len > 0 ? (size_t)len : 0);
}

/* Of a body that was refused, nothing is made. */
static void
read_body(struct skio__conn *conn)
{
    struct skio__direct *direct = conn->direct;
    size_t room = direct->body_left < SKIO__READ_MAX ? (size_t)direct->body_left
                                                     : SKIO__READ_MAX;
    ssize_t got = skio__input_read(conn, room);

    if (got < 0 && skio__direct_would_block())
        return;
    if (got <= 0) {
        lose(conn);
        return;
    }
    enter(conn);
    feed(conn, conn->transport->inbox, (size_t)got);
    leave(conn);
}

/* A client that waits for an answer goes; or it sends its next request already,
 * which has to wait: then another set tells that it goes. */
static void
watch_waiting(struct skio__conn *conn)
{
    ssize_t seen = skio__input_peek(conn);

    if (seen < 0 && skio__direct_would_block())
        return;
    if (seen <= 0)
        lose(conn);
    else if (skio__conn_hold(conn) != 0)
        skio__conn_kill_now(conn);
}

/* The request may have come with the last word of it. */
static void
shake_hands(struct skio__conn *conn)
{
    int done = skio__handshake_go_on(conn);

    if (done < 0)
        lose(conn);
    else if (done > 0 && skio__input_has_more(conn))
        read_request(conn);
}

static void
on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct skio__conn *conn = io->data;

    (void)loop;
    if ((events & EV_ERROR) != 0) { /* the kernel has no room to watch it */
        lose(conn);
        return;
    }
    if (skio__handshake_is_due(conn)) {
        shake_hands(conn);
        return;
    }
    skio__input_watch(conn, EV_READ);
    if (conn->direct->body_left > 0)
        read_body(conn);
    else if (conn->kind == CONN_IDLE)
        read_request(conn);
    else
        watch_waiting(conn);
}

/* ---- Beginning ---- */

bool
skio__own_begin(struct skio__conn *conn, int fd)
{
    struct skio__lws *transport = conn->transport;
    struct skio__direct *direct;

    if (transport->direct_loop == NULL || !skio__direct_has_inbox(transport))
        return false;
    direct = &skio__container_of(conn, struct skio__accepted, conn)->direct;
    conn->is_accepted = true;
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
