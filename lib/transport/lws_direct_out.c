#define _GNU_SOURCE /* MSG_DONTWAIT, MSG_NOSIGNAL */

#include "transport/lws_direct_out.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "transport/lws_sealed.h"

#define PONG_MAX (2 + 125)
#define CLOSE_WRITES_MAX 8

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

/* Of parts that are more than the buffer takes, the first bytes. */
static ssize_t
send_joined(struct skio__conn *conn, const struct iovec *parts, int count)
{
    unsigned char *joined = conn->transport->scratch;
    size_t at = 0;

    for (int i = 0; i < count && at < SKIO__LWS_WRITE; i++) {
        size_t len = parts[i].iov_len;

        if (len > SKIO__LWS_WRITE - at)
            len = SKIO__LWS_WRITE - at;
        memcpy(joined + at, parts[i].iov_base, len);
        at += len;
    }
    return send_bytes(conn->direct, joined, at);
}

/* Small frames cost less joined than as parts, which the kernel checks one by
 * one. */
static ssize_t
send_output(struct skio__conn *conn, struct output *output)
{
    struct skio__direct *direct = conn->direct;
    struct msghdr message = {.msg_iov = output->parts,
                             .msg_iovlen = (size_t)output->count};

    if (output->count == 1)
        return send_bytes(direct, output->parts[0].iov_base, output->len);
    if (output->len > SKIO__LWS_WRITE && direct->sealed == NULL)
        return sendmsg(direct->io.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return send_joined(conn, output->parts, output->count);
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

    if (conn->fresh && skio__direct_waits_for_lws(conn)) {
        watch(conn, true);
        return 0;
    }
    gather(conn, &output);
    if (output.len == 0)
        return flush(conn);
    sent = send_output(conn, &output);
    if (sent < 0 && !skio__direct_would_block()) {
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

int
skio__direct_end_writing(struct skio__conn *conn)
{
    struct skio__direct *direct = conn->direct;
    int done = 1;

    if (direct->sealed != NULL)
        done = skio__sealed_end(direct->sealed);
    else
        shutdown(direct->io.fd, SHUT_WR);
    if (done < 0) {
        conn->lost = true;
        return -1;
    }
    if (done == 0)
        watch(conn, true);
    return 0;
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
    if (conn->direct->frames.over && skio__direct_end_writing(conn) != 0)
        return -1;
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

/* ---- The first bytes ---- */

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

/* As much as a call takes, with TLS of what fits one buffer. */
static ssize_t
send_first(struct skio__conn *conn, struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};

    if (conn->direct->sealed != NULL)
        return send_joined(conn, parts, count);
    return sendmsg(conn->direct->io.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One send for the answer and the packet that opens the session. */
int
skio__direct_write_first(struct skio__conn *conn, const void *answer,
                         size_t len)
{
    struct skio__direct *direct = conn->direct;
    struct iovec parts[SKIO__LWS_SLICES + 2];
    struct output output;
    ssize_t sent;

    gather(conn, &output);
    parts[0].iov_base = (void *)(uintptr_t)answer;
    parts[0].iov_len = len;
    memcpy(parts + 1, output.parts, sizeof(parts[0]) * (size_t)output.count);
    sent = send_first(conn, parts, output.count + 1);
    if (sent < 0 && skio__direct_would_block())
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
    else if (flush(conn) != 0)
        return -1;
    return finish(conn);
}

/* ---- Answers ---- */

int
skio__direct_answer_ping(struct skio__conn *conn,
                         const struct skio__frame *ping)
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

/* What the socket has not taken goes, and the end of TLS follows. Returns as
 * skio__sealed_flush(). */
static int
end_after(struct skio__direct *direct, bool *is_ending)
{
    int done = direct->sealed != NULL ? skio__sealed_flush(direct->sealed) : 1;

    if (done <= 0 || direct->sealed == NULL || *is_ending)
        return done;
    *is_ending = true;
    return skio__sealed_end(direct->sealed);
}

void
skio__direct_answer_close(struct skio__conn *conn,
                          const struct skio__frame *frame)
{
    struct skio__direct *direct = conn->direct;
    unsigned char answer[PONG_MAX] = {0x88, (unsigned char)frame->len};
    size_t len = 2 + frame->len;
    size_t at = 0;
    bool is_ending = false;
    int done = 0;

    conn->peer_closed = true;
    if (conn->finished || !write_all(conn))
        return;
    memcpy(answer + 2, frame->data, frame->len);
    for (int i = 0; i < CLOSE_WRITES_MAX && done == 0; i++) {
        ssize_t sent = at < len ? send_bytes(direct, answer + at, len - at) : 0;

        if (sent < 0 && !skio__direct_would_block())
            break;
        if (sent > 0)
            at += (size_t)sent;
        if (at == len)
            done = end_after(direct, &is_ending);
    }
    conn->lost = conn->lost || done <= 0;
}
