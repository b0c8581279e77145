/*
 * Connections: how they begin to wait, end, and are told of
 */
#define _GNU_SOURCE /* MSG_DONTWAIT, MSG_NOSIGNAL */

#include "transport/lws.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <libwebsockets.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "transport/endpoint.h"
#include "transport/lws_direct_out.h"
#include "transport/lws_input.h"
#include "transport/lws_own.h"
#include "transport/lws_sealed.h"
#include "transport/lws_tunnel.h"

#define WATCHED_MAX 64 /* handled in one go */
#define RECORDS_MAX 16 /* written in one go */

/* Close, through lws if it knows the connection: it calls back with whatever
 * ends. The conn is freed. */
static void
close_conn(struct skio__conn *conn, bool hard)
{
    struct skio__lws *transport = conn->transport;
    struct lws *wsi = conn->wsi;

    if (wsi == NULL) {
        skio__own_close(conn);
        return;
    }
    if (lws_partial_buffered(wsi)) {
        /* lws waits up to 5 s for the rest to leave; not for one we drop. To
         * one that it does not read it does not write either, however often
         * it is told that it could. */
        if (hard)
            shutdown(lws_get_socket_fd(wsi), SHUT_RDWR);
        if (hard && conn->rx_off)
            lws_rx_flow_control(wsi, 1);
        skio__lws_tick(transport, 6000);
    }
    lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
}

int
skio__conn_fd(const struct skio__conn *conn)
{
    return conn->wsi != NULL ? lws_get_socket_fd(conn->wsi)
                             : conn->direct->io.fd;
}

/* What is kept goes first, also when nothing follows. */
static ptrdiff_t
send_sealed(struct skio__sealed *sealed, const char *data, size_t len)
{
    size_t at = 0;

    if (skio__sealed_flush(sealed) < 0)
        return -1;
    for (int i = 0; i < RECORDS_MAX && at < len; i++) {
        ssize_t sent = skio__sealed_write(sealed, data + at, len - at);

        if (sent < 0 && !skio__direct_would_block())
            return -1;
        if (sent < 0)
            break;
        at += (size_t)sent;
    }
    return (ptrdiff_t)at;
}

ptrdiff_t
skio__conn_send(struct skio__conn *conn, const void *data, size_t len)
{
    ssize_t sent;

    if (conn->direct->sealed != NULL)
        return send_sealed(conn->direct->sealed, data, len);
    sent = send(conn->direct->io.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 && skio__direct_would_block() ? 0 : sent;
}

size_t
skio__conn_kept(const struct skio__conn *conn)
{
    return conn->direct->sealed != NULL
               ? skio__sealed_kept(conn->direct->sealed)
               : 0;
}

bool
skio__conn_is_partial(const struct skio__conn *conn)
{
    return conn->wsi != NULL ? lws_partial_buffered(conn->wsi) != 0
                             : skio__conn_kept(conn) > 0;
}

static void
turn_reading(struct skio__conn *conn, bool on)
{
    if (conn->wsi != NULL)
        lws_rx_flow_control(conn->wsi, on);
    else
        skio__own_turn_reading(conn, on);
}

void
skio__conn_init(struct skio__conn *conn, struct skio__lws *transport,
                struct lws *wsi)
{
    *conn = (struct skio__conn){.wsi = wsi, .transport = transport};
    transport->conns++;
}

static void
unwatch(struct skio__conn *conn)
{
    if (conn->watched)
        epoll_ctl(conn->transport->watch_fd, EPOLL_CTL_DEL, skio__conn_fd(conn),
                  NULL);
    conn->watched = false;
}

void
skio__conn_detach(struct skio__conn *conn, bool clean)
{
    struct skio__conn before = *conn;

    if (conn->kind == CONN_GONE || conn->transport == NULL)
        return;

    unwatch(conn);
    skio__fifo_remove(&conn->timer);
    skio__mem_free(conn->transport->mem, conn->out);
    conn->out = NULL;
    if (conn->direct != NULL && conn->wsi != NULL)
        skio__direct_end(conn);
    conn->kind = CONN_GONE;
    conn->u.exchange = NULL;
    skio__tunnel_leave(conn);
    if (!conn->is_tunneled)
        conn->transport->conns--;
    if (conn->is_tallied)
        skio__tally_leave(&conn->transport->tally, &conn->peer);
    conn->is_tallied = false;

    /* Last, since the core may answer others from in here. */
    switch (before.kind) {
    case CONN_BODY:
    case CONN_HELD:
    case CONN_UPGRADE:
        skio_exchange_abort(before.u.exchange);
        break;
    case CONN_COLLECT:
    case CONN_REPLY:
        skio__endpoint_abort(before.u.http);
        break;
    case CONN_WS:
        skio_ws_closed(before.u.ws, clean);
        break;
    default:
        break;
    }
}

void
skio__conn_kill(struct skio__conn *conn)
{
    skio__conn_wait(conn, &conn->transport->kill_due);
    skio__lws_wake(conn->transport);
}

void
skio__conn_kill_now(struct skio__conn *conn)
{
    skio__conn_detach(conn, conn->peer_closed || conn->finished || conn->lost);
    close_conn(conn, true);
}

void
skio__conn_wait(struct skio__conn *conn, struct skio__fifo *fifo)
{
    struct skio__lws *transport = conn->transport;

    skio__fifo_remove(&conn->timer);
    skio__fifo_push(fifo, &conn->timer, skio__lws_now(transport));
    transport->timer_wanted = true;
    if (transport->own)
        skio__lws_wake(transport);
}

static void
end_writing(struct skio__conn *conn)
{
    bool lws_seals =
        conn->wsi != NULL && lws_is_ssl(conn->wsi) && !conn->is_tunneled;

    if (conn->wsi == NULL && conn->direct->sealed != NULL)
        (void)skio__sealed_end(conn->direct->sealed);
    else if (!lws_seals && !skio__conn_is_partial(conn))
        shutdown(skio__conn_fd(conn), SHUT_WR);
}

/* Answered, but the peer still sends: closing now would reset the connection
 * and might take the answer with it. */
static void
linger(struct skio__conn *conn)
{
    conn->kind = CONN_LINGER;
    if (conn->wsi != NULL && !conn->lws_reads &&
        (skio__conn_is_partial(conn) || skio__conn_hold(conn) != 0)) {
        close_conn(conn, false);
        return;
    }
    end_writing(conn);
    skio__conn_wait(conn, &conn->transport->linger_due);
}

/*
 * After a request lws keeps its header table only to go on with bytes that it
 * has in store. Whether it did shows in lws_hdr_custom_copy(), which touches
 * its output only when there is a table.
 */
static bool
has_header_table(struct lws *wsi)
{
    char touched[2] = "x";

    (void)lws_hdr_custom_copy(wsi, touched, (int)sizeof(touched), "x:", 2);
    return touched[0] != 'x';
}

int
skio__conn_complete(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;
    struct lws *wsi = conn->wsi;
    int result;

    if (!transport->own) /* the conn is freed in here */
        return lws_http_transaction_completed(wsi);

    skio__conn_wait(conn, &transport->idle_due);
    skio__lws_tick(transport, transport->options->header_timeout_ms);
    result = lws_http_transaction_completed(wsi);
    conn->leftover = has_header_table(wsi) ? LEFTOVER_SOME : LEFTOVER_NONE;

    /* lws would close it after 5 s, and looks through all such timers with
     * each new one: idle_due is what counts. */
    if (result == 0 && conn->leftover == LEFTOVER_NONE)
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);

    return result;
}

void
skio__conn_complete_all(struct skio__lws *transport)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(&transport->done_due, SKIO__NEVER - 1)) !=
           NULL) {
        struct skio__conn *conn =
            skio__container_of(node, struct skio__conn, timer);

        if (skio__conn_complete(conn) != 0)
            close_conn(conn, false);
    }
}

void
skio__conn_end(struct skio__conn *conn)
{
    if (conn->body_waits)
        linger(conn);
    else
        close_conn(conn, false);
}

void
skio__conn_done(struct skio__conn *conn, bool close)
{
    struct skio__lws *transport = conn->transport;

    skio__fifo_remove(&conn->timer);
    skio__conn_unhold(conn);
    conn->kind = CONN_IDLE;
    conn->u.exchange = NULL;

    /* lws takes the end of a transaction as the callback's result, and frees
     * the conn of a host's vhost with it: not under the callback's feet. */
    if (transport->current == conn) {
        transport->outcome =
            !close && conn->keep_alive ? OUTCOME_KEEP : OUTCOME_CLOSE;
        return;
    }

    if (close || !conn->keep_alive) {
        skio__conn_end(conn);
    } else if (conn->wsi == NULL) {
        skio__conn_wait(conn, &transport->idle_due);
        skio__input_go_on(conn);
    } else {
        if (skio__conn_complete(conn) != 0)
            close_conn(conn, false);
        skio__lws_wake(transport);
    }
}

int
skio__conn_settle(struct skio__conn *conn, enum skio__outcome outcome)
{
    struct skio__lws *transport = conn->transport;

    if (outcome == OUTCOME_NONE)
        return 0;

    if (outcome == OUTCOME_CLOSE) {
        if (!conn->body_waits)
            return -1;
        linger(conn);
        return 0;
    }

    if (!transport->own)
        return lws_http_transaction_completed(conn->wsi) != 0 ? -1 : 0;

    /* Only when lws has unwound does it store what followed the request. */
    skio__conn_wait(conn, &transport->done_due);
    return 0;
}

static int
watch(struct skio__conn *conn, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT,
                                .data.ptr = conn};

    if (!conn->rx_off)
        turn_reading(conn, false);
    conn->rx_off = true;

    if (epoll_ctl(conn->transport->watch_fd,
                  conn->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                  skio__conn_fd(conn), &event) != 0)
        return -1;
    conn->watched = true;
    return 0;
}

/*
 * libwebsockets before 4.3.3 (its issue 2455) does not read while a
 * transaction waits, yet leaves POLLIN armed: a byte or a FIN from the peer
 * makes the loop spin, and the FIN is never reported. So nothing is read
 * meanwhile, and an epoll set of our own reports that the peer has gone.
 */
int
skio__conn_hold(struct skio__conn *conn)
{
    if (conn->wsi != NULL) {
        lws_http_headers_detach(conn->wsi);
        lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    }
    skio__fifo_remove(&conn->timer);
    return watch(conn, EPOLLRDHUP);
}

/*
 * The same spin threatens while a long response leaves; and lws does not write
 * on a connection that it does not read. So the same set tells when to go on.
 */
int
skio__conn_await_room(struct skio__conn *conn)
{
    return watch(conn, EPOLLOUT);
}

void
skio__conn_unhold(struct skio__conn *conn)
{
    unwatch(conn);
    if (conn->rx_off)
        turn_reading(conn, true);
    conn->rx_off = false;
}

/* One at a time: ending one may answer, and so free, another that has hung up
 * as well. */
void
skio__conn_watched(struct skio__lws *transport)
{
    for (int i = 0; i < WATCHED_MAX; i++) {
        struct epoll_event event;
        struct skio__conn *conn;

        if (epoll_wait(transport->watch_fd, &event, 1, 0) != 1)
            return;
        conn = event.data.ptr;
        if (conn->kind != CONN_SENDING || skio__conn_continue(conn) != 0)
            skio__conn_kill_now(conn);
    }
}
