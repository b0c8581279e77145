#define _GNU_SOURCE /* MSG_DONTWAIT */

#include "transport/lws_direct.h"

#include <string.h>
#include <sys/socket.h>

#include <libwebsockets.h>

#include "base/mem.h"
#include "transport/lws_direct_out.h"
#include "transport/lws_input.h"
#include "transport/lws_sealed.h"

#define PROTOCOL_ERROR 1002

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
            skio__mem_alloc(transport->mem, SKIO__HEAD_MAX + SKIO__READ_MAX);
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

bool
skio__direct_waits_for_lws(const struct skio__conn *conn)
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

        if (skio__direct_waits_for_lws(conn)) {
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
    }
}

int
skio__direct_greet(struct skio__conn *conn, const void *answer, size_t len)
{
    struct skio__direct *direct = conn->direct;

    direct->frames = (struct skio__frames){.left = 0};
    direct->beginning = NULL;
    ev_set_cb(&direct->io, on_ready);
    return skio__direct_write_first(conn, answer, len);
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
    skio__sealed_drop(direct->sealed);
    if (!conn->is_accepted)
        skio__mem_free(transport->mem, direct);
    conn->is_accepted = false;
    conn->direct = NULL;
}

/* Returns 0, or -1 when the connection is lost. */
static int
fail(struct skio__conn *conn, unsigned status, const char *why)
{
    skio_ws_fail(conn->u.ws, status, why);
    return conn->finished ? skio__direct_end_writing(conn) : 0;
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
    if (fail(conn, PROTOCOL_ERROR,
             "a frame came before the handshake was done") != 0)
        skio__conn_kill(conn);
}

/* ---- Reading ---- */

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
            if (skio__direct_answer_ping(conn, &frame) != 0)
                return -1;
            break;
        case FRAME_PONG:
            break;
        case FRAME_CLOSE:
            skio__direct_answer_close(conn, &frame);
            return -1;
        case FRAME_BAD:
            if (fail(conn, frame.status, frame.error) != 0)
                return -1;
            break;
        case FRAME_NONE:
            return was_pinged && !conn->stuck ? skio__direct_write(conn) : 0;
        }
}

int
skio__direct_keep(struct skio__conn *conn, const void *data, size_t len)
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

    if (got < 0 && skio__direct_would_block())
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
    return skio__direct_keep(conn, at, (size_t)(end - at));
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
