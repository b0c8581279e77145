#define _GNU_SOURCE /* SOCK_CLOEXEC, MSG_DONTWAIT, MSG_NOSIGNAL */

#include "transport/lws_tunnel.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "transport/lws_accept.h"
#include "transport/lws_direct.h"
#include "transport/lws_direct_out.h"
#include "transport/lws_input.h"
#include "transport/lws_loop.h"
#include "transport/lws_sealed.h"

#define RECORD_MAX 16384

struct skio__tunnel {
    struct skio__lws *transport;
    struct skio__conn *conn; /* NULL: lws is done with it */
    struct skio__sealed *sealed;
    struct ev_io outer; /* the connection */
    struct ev_io inner; /* our end of the pair */
    struct skio__fifo_node timer;
    struct in6_addr peer;
    struct skio__beginning *kept; /* towards lws, NULL: nothing */
    size_t kept_sent;
    bool is_tallied : 1; /* peer was counted */
    bool is_heard : 1;   /* nothing more comes from the client */
    bool is_passed : 1;  /* and lws was told */
    bool is_said : 1;    /* nothing more comes from lws, the client was told */
    struct skio__tunnel *next;
    struct skio__tunnel **link; /* what points here */
};

/* ---- Ending ---- */

static void
end(struct skio__tunnel *tunnel)
{
    struct skio__lws *transport = tunnel->transport;
    int fd = tunnel->outer.fd;

    if (tunnel->conn != NULL)
        tunnel->conn->tunnel = NULL;
    *tunnel->link = tunnel->next;
    if (tunnel->next != NULL)
        tunnel->next->link = tunnel->link;
    skio__fifo_remove(&tunnel->timer);
    ev_io_stop(transport->direct_loop, &tunnel->outer);
    ev_io_stop(transport->direct_loop, &tunnel->inner);
    skio__sealed_drop(tunnel->sealed);
    /* What is not read makes a reset of the end. */
    (void)recv(fd, transport->inbox, SKIO__READ_MAX, MSG_DONTWAIT);
    close(fd);
    close(tunnel->inner.fd);
    if (tunnel->is_tallied)
        skio__tally_leave(&transport->tally, &tunnel->peer);
    transport->conns--;
    skio__mem_free(transport->mem, tunnel->kept);
    skio__mem_free(transport->mem, tunnel);
    skio__lws_wake(transport);
}

/* With each byte that goes the time begins again. */
static void
begin_time(struct skio__tunnel *tunnel)
{
    struct skio__lws *transport = tunnel->transport;

    skio__fifo_remove(&tunnel->timer);
    skio__fifo_push(&transport->tunnel_due, &tunnel->timer,
                    skio__lws_now(transport));
    transport->timer_wanted = true;
    skio__lws_wake(transport);
}

/* ---- To lws ---- */

static void
drop_kept(struct skio__tunnel *tunnel)
{
    skio__mem_free(tunnel->transport->mem, tunnel->kept);
    tunnel->kept = NULL;
    tunnel->kept_sent = 0;
}

/* What a call failed with says that lws has closed its end. It may have
 * written before. */
static bool
is_closed(void)
{
    return errno == EPIPE || errno == ECONNRESET;
}

/* Returns how much of it need not be kept; < 0: the connection is lost. */
static ssize_t
give(struct skio__tunnel *tunnel, const void *data, size_t len)
{
    ssize_t sent =
        send(tunnel->inner.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent >= 0)
        return sent;
    if (skio__direct_would_block())
        return 0;
    if (!is_closed())
        return -1;
    tunnel->is_heard = true; /* there is nobody who could be told more */
    return (ssize_t)len;
}

static int
give_kept(struct skio__tunnel *tunnel)
{
    struct skio__beginning *kept = tunnel->kept;
    ssize_t sent = give(tunnel, kept->bytes + tunnel->kept_sent,
                        kept->len - tunnel->kept_sent);

    if (sent < 0)
        return -1;
    tunnel->kept_sent += (size_t)sent;
    if (tunnel->kept_sent == kept->len)
        drop_kept(tunnel);
    return 0;
}

/* Nothing is kept. Returns -1 when the connection is lost. */
static int
give_new(struct skio__tunnel *tunnel, const unsigned char *data, size_t len)
{
    ssize_t sent = give(tunnel, data, len);
    struct skio__beginning *kept;

    if (sent < 0 || (size_t)sent == len)
        return sent < 0 ? -1 : 0;
    len -= (size_t)sent;
    kept = skio__mem_alloc(tunnel->transport->mem, sizeof(*kept) + len);
    if (kept == NULL)
        return -1;
    kept->len = len;
    memcpy(kept->bytes, data + sent, len);
    tunnel->kept = kept;
    tunnel->kept_sent = 0;
    return 0;
}

static int
hear(struct skio__tunnel *tunnel)
{
    unsigned char *inbox = tunnel->transport->inbox;
    ssize_t got;

    if (tunnel->kept != NULL && give_kept(tunnel) != 0)
        return -1;
    if (tunnel->kept == NULL && !tunnel->is_heard) {
        got = skio__sealed_read(tunnel->sealed, inbox, SKIO__READ_MAX);
        if (got > 0 && give_new(tunnel, inbox, (size_t)got) != 0)
            return -1;
        if (skio__sealed_is_over(tunnel->sealed))
            tunnel->is_heard = true;
    }
    if (tunnel->kept == NULL && tunnel->is_heard && !tunnel->is_passed) {
        tunnel->is_passed = true;
        (void)shutdown(tunnel->inner.fd, SHUT_WR);
    }
    return 0;
}

/* ---- To the client ---- */

/* Returns 1 when there may be more to say, 0 when it has to wait or was all,
 * -1 when the connection is lost. */
static int
say_some(struct skio__tunnel *tunnel)
{
    unsigned char *inbox = tunnel->transport->inbox;
    size_t kept = skio__sealed_kept(tunnel->sealed);
    int flushed = skio__sealed_flush(tunnel->sealed);
    ssize_t got;

    if (tunnel->conn == NULL && skio__sealed_kept(tunnel->sealed) < kept)
        begin_time(tunnel);
    if (flushed <= 0 || tunnel->is_said)
        return flushed < 0 ? -1 : 0;
    got = recv(tunnel->inner.fd, inbox, RECORD_MAX, MSG_DONTWAIT);
    if (got > 0) {
        if (tunnel->conn == NULL)
            begin_time(tunnel);
        return skio__sealed_write(tunnel->sealed, inbox, (size_t)got) == got
                   ? 1
                   : -1;
    }
    if (got < 0 && !is_closed())
        return skio__direct_would_block() ? 0 : -1;
    tunnel->is_said = true;
    return skio__sealed_end(tunnel->sealed) < 0 ? -1 : 0;
}

static int
say(struct skio__tunnel *tunnel)
{
    int more = 1;

    for (int i = 0; i < SKIO__WRITES_MAX && more > 0; i++)
        more = say_some(tunnel);
    return more < 0 ? -1 : 0;
}

/* ---- Both ---- */

static void
watch(struct skio__tunnel *tunnel, struct ev_io *io, int events)
{
    struct ev_loop *loop = tunnel->transport->direct_loop;

    if (ev_is_active(io) ? (io->events & (EV_READ | EV_WRITE)) == events
                         : events == 0)
        return;
    ev_io_stop(loop, io);
    ev_io_modify(io, events);
    if (events != 0)
        ev_io_start(loop, io);
}

static bool
is_done(const struct skio__tunnel *tunnel)
{
    return tunnel->conn == NULL && tunnel->is_said &&
           skio__sealed_kept(tunnel->sealed) == 0;
}

static void
carry(struct skio__tunnel *tunnel)
{
    bool is_waiting, is_full;

    if (hear(tunnel) != 0 || say(tunnel) != 0 || is_done(tunnel)) {
        end(tunnel);
        return;
    }
    is_waiting = tunnel->kept != NULL;
    is_full = skio__sealed_kept(tunnel->sealed) > 0;
    watch(tunnel, &tunnel->outer,
          (tunnel->is_heard || is_waiting ? 0 : EV_READ) |
              (is_full ? EV_WRITE : 0));
    watch(tunnel, &tunnel->inner,
          (tunnel->is_said || is_full ? 0 : EV_READ) |
              (is_waiting ? EV_WRITE : 0));
}

static void
on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    if ((events & EV_ERROR) != 0) /* the kernel has no room to watch it */
        end(io->data);
    else
        carry(io->data);
}

/* ---- Beginning ---- */

static struct skio__tunnel *
make(struct skio__conn *conn, int fd)
{
    struct skio__lws *transport = conn->transport;
    struct skio__tunnel *tunnel =
        skio__mem_calloc(transport->mem, 1, sizeof(*tunnel));

    if (tunnel == NULL)
        return NULL;
    tunnel->transport = transport;
    tunnel->conn = conn;
    tunnel->peer = conn->peer;
    tunnel->is_tallied = conn->is_tallied;
    tunnel->next = transport->tunnels;
    tunnel->link = &transport->tunnels;
    if (tunnel->next != NULL)
        tunnel->next->link = &tunnel->next;
    transport->tunnels = tunnel;
    conn->is_tallied = false;
    conn->is_tunneled = true;
    conn->tunnel = tunnel;

    /* it is in the epoll set already: see skio__direct_begin() */
    ev_init(&tunnel->outer, on_ready);
    tunnel->outer.fd = conn->direct->io.fd;
    tunnel->outer.data = tunnel;
    ev_io_init(&tunnel->inner, on_ready, fd, 0);
    tunnel->inner.data = tunnel;
    tunnel->sealed = conn->direct->sealed;
    conn->direct->sealed = NULL;
    skio__direct_end(conn);
    return tunnel;
}

int
skio__tunnel_begin(struct skio__conn *conn, size_t len)
{
    struct skio__lws *transport = conn->transport;
    struct skio__tunnel *tunnel = NULL;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   fds) != 0) {
        skio_transport_log(transport->server, SKIO_LOG_WARN,
                           "tls: no sockets for a request: %s",
                           strerror(errno));
        return -1;
    }
    tunnel = make(conn, fds[0]);
    if (tunnel == NULL) {
        close(fds[0]);
        close(fds[1]);
        return -1;
    }
    /* If it fails the conn is freed, and has left. */
    skio__accept_hand_over(conn, fds[1]);
    if (give_new(tunnel, transport->inbox, len) != 0)
        end(tunnel);
    else
        carry(tunnel);
    return 0;
}

void
skio__tunnel_leave(struct skio__conn *conn)
{
    struct skio__tunnel *tunnel = conn->tunnel;
    struct skio__lws *transport = conn->transport;

    if (tunnel == NULL)
        return;
    conn->tunnel = NULL;
    tunnel->conn = NULL;
    begin_time(tunnel);
    /* of an end that was heard before nobody tells again */
    ev_feed_event(transport->direct_loop, &tunnel->inner, EV_READ);
    ev_idle_start(transport->direct_loop, &transport->loop->idle);
}

bool
skio__tunnel_has_input(const struct skio__conn *conn)
{
    const struct skio__tunnel *tunnel = conn->tunnel;
    int waiting = 0;

    return tunnel != NULL && !tunnel->is_heard &&
           (tunnel->kept != NULL ||
            (ioctl(tunnel->outer.fd, FIONREAD, &waiting) == 0 && waiting > 0));
}

void
skio__tunnel_timeout(struct skio__lws *transport, uint64_t now_ms)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(&transport->tunnel_due, now_ms)) != NULL)
        end(skio__container_of(node, struct skio__tunnel, timer));
}

void
skio__tunnel_drop_all(struct skio__lws *transport)
{
    while (transport->tunnels != NULL) {
        struct skio__tunnel *tunnel = transport->tunnels;

        (void)say(tunnel);
        end(tunnel);
    }
}
