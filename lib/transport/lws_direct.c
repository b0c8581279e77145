#define _GNU_SOURCE /* MSG_DONTWAIT, MSG_NOSIGNAL */

#include "transport/lws_direct.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <libwebsockets.h>

#include "base/mem.h"
#include "transport/lws_sealed.h"

#define PONG_MAX (2 + 125)
#define PROTOCOL_ERROR 1002
#define CLOSE_WRITES_MAX 8

/* The beginning of a frame whose rest has not come yet. */
struct skio__beginning {
    size_t len;
    unsigned char bytes[];
};

/* An answer to a ping. Only the latest of those that wait is answered, which
 * RFC 6455 5.5.3 allows: so a flood of them costs one answer a turn. Or else
 * what is left of the answer to the handshake, which goes first as well. */
struct skio__pong {
    size_t len; /* of the frame */
    size_t sent;
    size_t next_len; /* another ping came while this was amid its frame */
    unsigned char next[PONG_MAX];
    unsigned char frame[]; /* of PONG_MAX, at least */
};

/* What the next write consists of. */
struct output {
    struct iovec parts[SKIO__LWS_SLICES + 1];
    int count;
    size_t len;
    size_t pong; /* of these bytes, the first ones */
    bool is_all; /* nothing waits behind it */
};

static bool
would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* ---- Taking over ---- */

bool
skio__direct_may(const struct skio__conn *conn)
{
    return conn->transport->direct_loop != NULL && !conn->deflates;
}

bool
skio__direct_has_inbox(struct skio__lws *transport)
{
    if (transport->inbox == NULL)
        transport->inbox =
            skio__mem_alloc(transport->mem,
                            SKIO__FRAME_REST_MAX + SKIO__READ_MAX);
    return transport->inbox != NULL;
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events);

int
skio__direct_begin(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;
    struct skio__direct *direct;

    if (!skio__direct_has_inbox(transport))
        return -1;
    direct = skio__mem_calloc(transport->mem, 1, sizeof(*direct));
    if (direct == NULL)
        return -1;
    if (lws_is_ssl(conn->wsi)) {
        direct->sealed =
            skio__sealed_new(transport->mem, lws_get_ssl(conn->wsi));
        if (direct->sealed == NULL) {
            skio__mem_free(transport->mem, direct);
            return -1;
        }
    }
    /* Not ev_io_set(), which has libev take the descriptor for a new one: it is
     * in the epoll set already, by lws' watcher, and stays there as it is. */
    ev_init(&direct->io, on_ready);
    direct->io.fd = lws_get_socket_fd(conn->wsi);
    ev_io_modify(&direct->io, EV_READ);
    direct->io.data = conn;
    conn->held = lws_partial_buffered(conn->wsi) != 0;
    conn->fresh = true;
    direct->next = transport->fresh;
    transport->fresh = direct;
    conn->direct = direct;
    return 0;
}

/* Of the 101, a part has not left: lws writes it when there is room, and ours
 * comes after that. */
static bool
lws_holds_answer(const struct skio__conn *conn)
{
    return conn->fresh && conn->held && lws_partial_buffered(conn->wsi);
}

/*
 * Not inside of lws, which would make nothing of what came with the request.
 * Now it asks to be called when such bytes are left: skio__direct_refuse().
 */
void
skio__direct_begin_all(struct skio__lws *transport)
{
    struct skio__direct **at = &transport->fresh;

    while (*at != NULL) {
        struct skio__direct *direct = *at;
        struct skio__conn *conn = direct->io.data;

        if (lws_holds_answer(conn)) {
            at = &direct->next;
            continue;
        }
        *at = direct->next;
        conn->fresh = false;
        direct->beginning = NULL;
        /* its watcher first: libev calls the oldest first */
        if (lws_rx_flow_control(conn->wsi, 0) != 0)
            skio__conn_kill(conn);
        ev_io_start(transport->direct_loop, &direct->io);
        if (direct->sealed != NULL && skio__sealed_has_more(direct->sealed))
            ev_feed_event(transport->direct_loop, &direct->io, EV_READ);
    }
}

static void
unlink_own(struct skio__direct *direct)
{
    *direct->own_link = direct->own_next;
    if (direct->own_next != NULL)
        direct->own_next->own_link = direct->own_link;
}

static void
forget_fresh(struct skio__lws *transport, struct skio__direct *direct)
{
    struct skio__direct **at = &transport->fresh;

    while (*at != direct)
        at = &(*at)->next;
    *at = direct->next;
}

void
skio__direct_end(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;
    struct skio__direct *direct = conn->direct;

    if (direct->own_link != NULL)
        unlink_own(direct);
    if (conn->fresh)
        forget_fresh(transport, direct);
    else
        skio__mem_free(transport->mem, direct->beginning);
    ev_io_stop(transport->direct_loop, &direct->io);
    skio__mem_free(transport->mem, direct->pong);
    skio__sealed_free(direct->sealed);
    skio__mem_free(transport->mem, direct);
    conn->direct = NULL;
}

/* The peer is told that nothing follows. */
static void
end_writing(struct skio__conn *conn)
{
    if (conn->direct->sealed != NULL)
        skio__sealed_end(conn->direct->sealed);
    else
        shutdown(conn->direct->io.fd, SHUT_WR);
}

static void
fail(struct skio__conn *conn, unsigned status, const char *why)
{
    skio_ws_fail(conn->u.ws, status, why);
    if (conn->finished)
        end_writing(conn);
}

/*
 * A client waits for the answer to its handshake before it sends a frame (RFC
 * 6455, 4.1). Bytes that came with the request are in lws' store, parts of
 * them overwritten by the answer that lws made in the same buffer.
 */
void
skio__direct_refuse(struct skio__conn *conn)
{
    conn->direct->frames.over = true;
    fail(conn, PROTOCOL_ERROR, "a frame came before the handshake was done");
}

/* ---- Writing ---- */

static void
watch(struct skio__conn *conn, bool for_room)
{
    struct skio__direct *direct = conn->direct;

    if (conn->stuck == for_room)
        return;
    conn->stuck = for_room;
    ev_io_stop(conn->transport->direct_loop, &direct->io);
    ev_io_modify(&direct->io, for_room ? EV_READ | EV_WRITE : EV_READ);
    if (!conn->fresh)
        ev_io_start(conn->transport->direct_loop, &direct->io);
}

static void
add_part(struct output *output, const void *data, size_t len)
{
    struct iovec *part = &output->parts[output->count++];

    part->iov_base = (void *)(uintptr_t)data;
    part->iov_len = len;
    output->len += len;
}

/* A pong goes first, unless a frame is half on its way. */
static void
gather(struct skio__conn *conn, struct output *output)
{
    struct skio__direct *direct = conn->direct;
    const struct skio__pong *pong = direct->pong;
    skio_bytes slices[SKIO__LWS_SLICES];
    size_t count = skio_ws_peek(conn->u.ws, slices, SKIO__LWS_SLICES);

    output->count = 0;
    output->len = 0;
    output->is_all = count < SKIO__LWS_SLICES;
    if (pong != NULL && !conn->amid_frame)
        add_part(output, pong->frame + pong->sent, pong->len - pong->sent);
    output->pong = output->len;
    if (pong != NULL && (conn->amid_frame || pong->next_len > 0))
        output->is_all = false;
    for (size_t i = 0; i < count; i++)
        add_part(output, slices[i].data, slices[i].len);
}

/* What was written ends with a frame, or else amid one: parts are frames. */
static bool
ends_amid(const struct output *output, size_t len)
{
    for (int i = 0; i < output->count && len > 0; i++) {
        if (len < output->parts[i].iov_len)
            return true;
        len -= output->parts[i].iov_len;
    }
    return false;
}

static void
consume_pong(struct skio__conn *conn, size_t len)
{
    struct skio__pong *pong = conn->direct->pong;

    pong->sent += len;
    if (pong->sent < pong->len)
        return;
    if (pong->next_len == 0) {
        skio__mem_free(conn->transport->mem, pong);
        conn->direct->pong = NULL;
        return;
    }
    memcpy(pong->frame, pong->next, pong->next_len);
    pong->len = pong->next_len;
    pong->next_len = 0;
    pong->sent = 0;
}

static void
consume(struct skio__conn *conn, const struct output *output, size_t len)
{
    size_t pong = len < output->pong ? len : output->pong;

    conn->amid_frame =
        len > pong && len < output->len && ends_amid(output, len);
    if (pong > 0)
        consume_pong(conn, pong);
    if (len > pong)
        skio_ws_consume(conn->u.ws, len - pong);
}

static ssize_t
send_bytes(struct skio__direct *direct, const void *data, size_t len)
{
    if (direct->sealed != NULL)
        return skio__sealed_write(direct->sealed, data, len);
    return send(direct->io.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Small frames cost less joined than as parts, which the kernel checks one by
 * one. */
static ssize_t
send_output(struct skio__conn *conn, struct output *output)
{
    struct skio__direct *direct = conn->direct;
    struct msghdr message = {.msg_iov = output->parts,
                             .msg_iovlen = (size_t)output->count};
    unsigned char *joined = conn->transport->scratch;
    size_t at = 0;

    if (output->count == 1)
        return send_bytes(direct, output->parts[0].iov_base, output->len);
    if (output->len > SKIO__LWS_WRITE && direct->sealed == NULL)
        return sendmsg(direct->io.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

    for (int i = 0; i < output->count && at < SKIO__LWS_WRITE; i++) {
        size_t len = output->parts[i].iov_len;

        if (len > SKIO__LWS_WRITE - at)
            len = SKIO__LWS_WRITE - at;
        memcpy(joined + at, output->parts[i].iov_base, len);
        at += len;
    }
    return send_bytes(direct, joined, at);
}

/* Nothing waits but what TLS may have kept. Returns 0, or -1 when the
 * connection is lost. */
static int
flush(struct skio__conn *conn)
{
    struct skio__sealed *sealed = conn->direct->sealed;
    int done = sealed != NULL ? skio__sealed_flush(sealed) : 1;

    if (done < 0) {
        conn->lost = true;
        return -1;
    }
    watch(conn, done == 0);
    return 0;
}

/* Returns 1 when there may be more to write, 0 when it has to wait for room or
 * nothing is left, -1 when the connection is lost. */
static int
write_some(struct skio__conn *conn)
{
    struct skio__sealed *sealed = conn->direct->sealed;
    struct output output;
    ssize_t sent;

    if (lws_holds_answer(conn)) {
        watch(conn, true);
        return 0;
    }
    gather(conn, &output);
    if (output.len == 0)
        return flush(conn);
    sent = send_output(conn, &output);
    if (sent < 0 && !would_block()) {
        conn->lost = true;
        return -1;
    }
    if (sent > 0)
        consume(conn, &output, (size_t)sent);
    if (sent < 0 || ((size_t)sent < output.len && sealed == NULL)) {
        watch(conn, true);
        return 0;
    }
    if ((size_t)sent < output.len || !output.is_all)
        return 1;
    return flush(conn);
}

static int
finish(struct skio__conn *conn)
{
    if (conn->finished || !skio_ws_is_finished(conn->u.ws))
        return 0;
    if (conn->direct->sealed != NULL && conn->stuck)
        return 0; /* its last record is kept */

    conn->finished = true;
    if (conn->peer_closed)
        return -1;
    /* The reference ends its side as well when the peer broke the rules. */
    if (conn->direct->frames.over)
        end_writing(conn);
    skio__conn_wait(conn, &conn->transport->close_due);
    return 0;
}

int
skio__direct_write(struct skio__conn *conn)
{
    int more = 1;

    for (int i = 0; i < SKIO__WRITES_MAX && more > 0; i++)
        more = write_some(conn);
    if (more < 0)
        return -1;
    if (more > 0)
        watch(conn, true); /* the others' turn */
    return finish(conn);
}

/* Room for a frame of so many bytes; NULL: there is no memory. */
static struct skio__pong *
make_pong(struct skio__conn *conn, size_t len)
{
    struct skio__pong *pong =
        skio__mem_alloc(conn->transport->mem,
                        sizeof(*pong) + (len > PONG_MAX ? len : PONG_MAX));

    if (pong == NULL)
        return NULL;
    pong->len = pong->sent = pong->next_len = 0;
    conn->direct->pong = pong;
    return pong;
}

/* The kernel did not take all of the answer to a handshake. */
static int
keep_answer(struct skio__conn *conn, const char *rest, size_t len)
{
    struct skio__pong *pong = make_pong(conn, 1 + len);

    if (pong == NULL)
        return -1;
    /* one that has begun: no pong takes its place */
    pong->frame[0] = 0;
    pong->sent = 1;
    memcpy(pong->frame + 1, rest, len);
    pong->len = 1 + len;
    return 0;
}

/* One send for the answer and the packet that opens the session. */
int
skio__direct_greet(struct skio__conn *conn, const void *answer, size_t len)
{
    struct skio__direct *direct = conn->direct;
    struct iovec parts[SKIO__LWS_SLICES + 2];
    struct msghdr message = {.msg_iov = parts};
    struct output output;
    ssize_t sent;

    direct->frames = (struct skio__frames){.left = 0};
    direct->beginning = NULL;
    ev_set_cb(&direct->io, on_ready);

    gather(conn, &output);
    parts[0].iov_base = (void *)(uintptr_t)answer;
    parts[0].iov_len = len;
    memcpy(parts + 1, output.parts, sizeof(parts[0]) * (size_t)output.count);
    message.msg_iovlen = (size_t)output.count + 1;
    sent = sendmsg(direct->io.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && would_block())
        sent = 0;
    if (sent < 0 ||
        ((size_t)sent < len && keep_answer(conn, (const char *)answer + sent,
                                           len - (size_t)sent) != 0)) {
        conn->lost = true;
        return -1;
    }
    sent = (size_t)sent > len ? sent - (ssize_t)len : 0;
    if (sent > 0)
        consume(conn, &output, (size_t)sent);
    if (direct->pong != NULL || (size_t)sent < output.len || !output.is_all)
        watch(conn, true);
    return finish(conn);
}

/* ---- Reading ---- */

static int
answer_ping(struct skio__conn *conn, const struct skio__frame *ping)
{
    struct skio__pong *pong = conn->direct->pong;
    unsigned char *frame;

    if (conn->finished)
        return 0; /* nothing may follow our Close */
    if (pong == NULL) {
        pong = make_pong(conn, 0);
        if (pong == NULL)
            return -1;
    }
    if (pong->sent == 0) {
        frame = pong->frame;
        pong->len = 2 + ping->len;
    } else {
        frame = pong->next;
        pong->next_len = 2 + ping->len;
    }
    frame[0] = 0x8a;
    frame[1] = (unsigned char)ping->len;
    memcpy(frame + 2, ping->data, ping->len);
    return 0;
}

/* What was asked before the peer closed is answered before that. Returns
 * whether it has left: a full socket is not waited for, but a call may take
 * less than there is room for. */
static bool
write_all(struct skio__conn *conn)
{
    for (int i = 0; i < CLOSE_WRITES_MAX; i++)
        if (skio__direct_write(conn) != 0)
            return false;
        else if (!conn->stuck)
            return !conn->finished;
    return false;
}

/*
 * The peer closes: with its own words it is answered, after what it has asked
 * before. Where that cannot be written at once, it is not.
 */
static void
answer_close(struct skio__conn *conn, const struct skio__frame *frame)
{
    unsigned char answer[PONG_MAX] = {0x88, (unsigned char)frame->len};
    size_t len = 2 + frame->len;
    size_t at = 0;

    conn->peer_closed = true;
    if (conn->finished || !write_all(conn))
        return;
    memcpy(answer + 2, frame->data, frame->len);
    for (int i = 0; i < CLOSE_WRITES_MAX && at < len; i++) {
        ssize_t sent = send_bytes(conn->direct, answer + at, len - at);

        if (sent < 0 && !would_block())
            break;
        if (sent > 0)
            at += (size_t)sent;
    }
    conn->lost = conn->lost || at < len;
}

/* Returns -1 when the connection has ended. */
static int
read_frames(struct skio__conn *conn, unsigned char **at, unsigned char *end)
{
    struct skio__frame frame;
    bool was_pinged = false;

    for (;;)
        switch (skio__frames_next(&conn->direct->frames, at, end, &frame)) {
        case FRAME_PIECE:
            skio_ws_receive(conn->u.ws, frame.data, frame.len, frame.binary,
                            frame.first, frame.final);
            break;
        case FRAME_PING:
            was_pinged = true;
            if (answer_ping(conn, &frame) != 0)
                return -1;
            break;
        case FRAME_PONG:
            break;
        case FRAME_CLOSE:
            answer_close(conn, &frame);
            return -1;
        case FRAME_BAD:
            fail(conn, frame.status, frame.error);
            break;
        case FRAME_NONE:
            return was_pinged && !conn->stuck ? skio__direct_write(conn) : 0;
        }
}

/* Keep the beginning of a frame. Returns -1 when memory ran out. */
static int
keep(struct skio__conn *conn, const unsigned char *data, size_t len)
{
    struct skio__beginning *beginning;

    if (len == 0)
        return 0;
    beginning = skio__mem_alloc(conn->transport->mem, sizeof(*beginning) + len);
    if (beginning == NULL)
        return -1;
    beginning->len = len;
    memcpy(beginning->bytes, data, len);
    conn->direct->beginning = beginning;
    return 0;
}

static ssize_t
receive_bytes(struct skio__direct *direct, void *out)
{
    if (direct->sealed != NULL)
        return skio__sealed_read(direct->sealed, out, SKIO__READ_MAX);
    return recv(direct->io.fd, out, SKIO__READ_MAX, MSG_DONTWAIT);
}

/* One recv(): when more has come than it takes, the loop says so again.
 * Returns -1 when the connection has ended. */
static int
receive(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;
    struct skio__beginning *beginning = conn->direct->beginning;
    unsigned char *at = transport->inbox;
    size_t had = beginning != NULL ? beginning->len : 0;
    ssize_t got = receive_bytes(conn->direct, at + had);
    unsigned char *end;

    if (got < 0 && would_block())
        return 0;
    if (got <= 0) {
        conn->lost = true;
        return -1;
    }
    if (beginning != NULL) {
        memcpy(at, beginning->bytes, had);
        skio__mem_free(transport->mem, beginning);
        conn->direct->beginning = NULL;
    }
    end = at + had + (size_t)got;
    if (read_frames(conn, &at, end) != 0)
        return -1;
    if (conn->direct->sealed != NULL &&
        skio__sealed_is_over(conn->direct->sealed)) {
        conn->lost = true;
        return -1;
    }
    return keep(conn, at, (size_t)(end - at));
}

static void
on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct skio__conn *conn = io->data;

    (void)loop;
    if ((events & EV_ERROR) != 0) { /* the kernel has no room to watch it */
        conn->lost = true;
        skio__conn_kill_now(conn);
        return;
    }
    /* TLS may have had to write something of its own before it reads on. */
    if (conn->direct->sealed != NULL)
        events |= EV_READ;
    if (((events & EV_WRITE) != 0 && skio__direct_write(conn) != 0) ||
        ((events & EV_READ) != 0 && receive(conn) != 0))
        skio__conn_kill_now(conn);
}
