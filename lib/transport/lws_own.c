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
#include "transport/mount.h"
#include "transport/plain.h"

#define HEAD_USUAL 2048 /* bytes that are looked at first */
#define HEAD_MAX 16384  /* and at most: lws takes longer heads */
#define ACCEPT_MAX 32   /* SHA-1 in base64, and NUL */
#define PROTOCOL_MAX 64
#define TAKES_MAX 8 /* calls */

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

    /* What is not read makes a reset of the end. */
    if (conn->head_waits && !conn->lost)
        (void)recv(fd, conn->transport->inbox, HEAD_MAX, MSG_DONTWAIT);
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

/* Be told of how many bytes or more; of the end always. */
static int
tell_from(const struct skio__conn *conn, ssize_t bytes)
{
    int low = (int)bytes;

    return setsockopt(conn->direct->io.fd, SOL_SOCKET, SO_RCVLOWAT, &low,
                      sizeof(low));
}

/* What comes next is looked at from its first byte on. Returns false when that
 * cannot be: nobody would be told of a short message. */
static bool
end_head(struct skio__conn *conn)
{
    bool waited = conn->head_waits;

    conn->head_waits = false;
    return !waited || tell_from(conn, 1) == 0;
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

/* Take what was looked at, and more of what has come. What was seen is there,
 * if a call takes less it takes more of them. Returns how much; < 0: it was not
 * there. */
static ssize_t
take(struct skio__conn *conn, size_t seen, size_t most)
{
    size_t len = 0;

    for (int left = TAKES_MAX; len < seen && left > 0; left--) {
        ssize_t got = recv(conn->direct->io.fd, conn->transport->inbox + len,
                           most - len, MSG_DONTWAIT);

        if (got == 0 || (got < 0 && !would_block()))
            return -1;
        if (got > 0)
            len += (size_t)got;
    }
    return len < seen ? -1 : (ssize_t)len;
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

/* used: the length of the head. */
static void
begin_simple(struct skio__conn *conn, const struct skio__plain *plain,
             struct skio__head *head, size_t used)
{
    uint64_t body =
        plain->content_length > 0 ? (uint64_t)plain->content_length : 0;
    size_t room = SKIO__READ_MAX - used;
    ssize_t got = take(conn, used, used + (body < room ? (size_t)body : room));
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
    used = skio__plain_read(plain, (char *)transport->inbox, len,
                            transport->head.data);
    return used <= 0 || is_welcome(transport, plain) ? used : SKIO__PLAIN_NONE;
}

/* Look at what came. Returns its length, or < 0. */
static ssize_t
peek(struct skio__conn *conn, size_t len)
{
    return recv(conn->direct->io.fd, conn->transport->inbox, len,
                MSG_PEEK | MSG_DONTWAIT);
}

/*
 * The rest of a head is waited for here, in the time that heads have: lws would
 * have a table for it, and a timer in a list that it walks through with each
 * new one, so that thousands who never finish would delay all others. What came
 * stays in the kernel, which tells when there is more. Returns false when it
 * cannot, or tells of nothing new: that is the end.
 */
static bool
wait_for_head(struct skio__conn *conn, ssize_t seen)
{
    if (conn->is_local ||
        (conn->head_waits && seen <= (ssize_t)conn->direct->head_seen) ||
        tell_from(conn, seen + 1) != 0)
        return false;
    if (!conn->head_waits && conn->keep_alive) /* a next request */
        skio__conn_wait(conn, &conn->transport->header_due);
    conn->head_waits = true;
    conn->direct->head_seen = (uint32_t)seen;
    return true;
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

static void
read_request(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;
    ssize_t len = peek(conn, conn->head_waits ? HEAD_MAX : HEAD_USUAL);
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
    used = is_amid_line(conn, len) ? SKIO__PLAIN_MORE
                                   : read_head(transport, &plain, (size_t)len);
    if (used == SKIO__PLAIN_MORE && len == HEAD_USUAL) {
        len = peek(conn, HEAD_MAX);
        used = len > 0 ? read_head(transport, &plain, (size_t)len)
                       : SKIO__PLAIN_NONE;
    }
    if (used == SKIO__PLAIN_MORE && len < HEAD_MAX && wait_for_head(conn, len))
        return;
    if (!end_head(conn)) {
        lose(conn);
        return;
    }
    if (used <= 0) {
        hand_over(conn);
        return;
    }

    make_head(conn, &plain, &head);
    /* Most clients offer permessage-deflate, which lws negotiates. */
    if (used == len && !transport->options->per_message_deflate &&
        skio__plain_is_upgrade(&plain) &&
        read_handshake(&plain, &handshake) == 0) {
        head.request.upgrade = true;
        if (take(conn, (size_t)used, (size_t)used) > 0)
            begin_upgrade(conn, &head, &handshake);
        else
            lose(conn);
    } else if (skio__plain_is_simple(&plain, &head.keep_alive) &&
               !is_mounted_over(transport)) {
        begin_simple(conn, &plain, &head, (size_t)used);
    } else {
        hand_over(conn);
    }
}

/* Of a body that was refused, nothing is made. */
static void
read_body(struct skio__conn *conn)
{
    struct skio__direct *direct = conn->direct;
    size_t room = direct->body_left < SKIO__READ_MAX ? (size_t)direct->body_left
                                                     : SKIO__READ_MAX;
    ssize_t got =
        recv(direct->io.fd, conn->transport->inbox, room, MSG_DONTWAIT);

    if (got < 0 && would_block())
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
    ssize_t seen = peek(conn, 1);

    if (seen < 0 && would_block())
        return;
    if (seen <= 0)
        lose(conn);
    else if (skio__conn_hold(conn) != 0)
        skio__conn_kill_now(conn);
}

static void
on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct skio__conn *conn = io->data;

    (void)loop;
    if ((events & EV_ERROR) != 0) /* the kernel has no room to watch it */
        lose(conn);
    else if (conn->direct->body_left > 0)
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

    if (transport->direct_loop == NULL || transport->tls != NULL ||
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
