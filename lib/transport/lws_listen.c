/*
 * The own context: listening sockets, libev, running and stopping
 *
 * lws 4.1 has no option for the backlog and reports a failed bind only as a
 * failed context, so the sockets are opened here and watched by lws as raw
 * files; accepted connections are handed to it. The libev loop is ours, given
 * to lws as a foreign one: its prepare watcher runs after all callbacks of a
 * turn and before the next wait, and flushes at no system call.
 */
#define _GNU_SOURCE /* accept4 */

#include "transport/lws.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>
#include <libwebsockets.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "transport/lws_path.h"
#include "transport/lws_protocol.h"
#include "transport/sockets.h"

#define ACCEPTS_MAX 64  /* in one turn */
#define DEFERRALS_MAX 4 /* turns that a flush waits for the rest of a frame */

struct skio__loop {
    struct ev_loop *ev; /* NULL: lws' own poll() loop */
    struct ev_prepare prepare;
    struct ev_idle idle;
    unsigned deferrals;
    struct lws_protocols protocols[2];
    int fds[SKIO__SOCKETS]; /* until lws has them */
    struct lws *listeners[SKIO__SOCKETS];
    uint64_t retry_ms; /* accepting is paused until then; 0: it is not */
    bool running;
};

const lws_retry_bo_t skio__lws_no_validity;

unsigned
skio__lws_header_room(const skio_server_options *options)
{
    size_t room = options->max_header_bytes + options->max_query_bytes + 4096;

    if (room < 16384)
        room = 16384;
    return room < (1U << 20) ? (unsigned)room : 1U << 20;
}

/* ---- Accepting ---- */

static void
pause_accepting(struct skio__lws *transport, int number)
{
    struct skio__loop *loop = transport->loop;

    skio_transport_log(transport->server, SKIO_LOG_WARN,
                       "accept: %s; trying again in %d ms", strerror(number),
                       SKIO__RETRY_ACCEPT_MS);
    loop->retry_ms = skio__lws_now(transport) + SKIO__RETRY_ACCEPT_MS;
    transport->timer_wanted = true;
    for (int i = 0; i < SKIO__SOCKETS; i++)
        if (loop->listeners[i] != NULL)
            lws_rx_flow_control(loop->listeners[i], 0);
}

static void
resume_accepting(struct skio__loop *loop)
{
    loop->retry_ms = 0;
    for (int i = 0; i < SKIO__SOCKETS; i++)
        if (loop->listeners[i] != NULL)
            lws_rx_flow_control(loop->listeners[i], 1);
}

static void
adopt_socket(struct skio__lws *transport, int fd,
             const union skio__address *from)
{
    struct skio__conn *conn =
        skio__mem_calloc(transport->mem, 1, sizeof(*conn));
    struct lws *wsi;

    if (conn == NULL) {
        close(fd);
        return;
    }
    wsi = lws_adopt_socket_vhost(transport->vhost, fd);
    if (wsi == NULL) { /* lws has closed fd */
        skio__mem_free(transport->mem, conn);
        return;
    }
    skio__conn_init(conn, transport, wsi);
    if (from->any.sa_family == AF_INET6) {
        conn->peer = from->in6.sin6_addr;
    } else {
        conn->peer.s6_addr[10] = conn->peer.s6_addr[11] = 0xff;
        memcpy(&conn->peer.s6_addr[12], &from->in4.sin_addr, 4);
    }
    lws_set_opaque_user_data(wsi, conn);
    skio__conn_wait(conn, &transport->header_due);
}

static void
accept_all(struct skio__lws *transport, int fd)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        union skio__address from = {.in6 = {0}};
        socklen_t len = sizeof(from);
        int accepted =
            accept4(fd, &from.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (accepted >= 0) {
            adopt_socket(transport, accepted, &from);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM)
            pause_accepting(transport, errno);
        else if (errno == EINTR || errno == ECONNABORTED)
            continue;
        return;
    }
}

bool
skio__loop_accept(struct skio__lws *transport, struct lws *wsi)
{
    struct skio__loop *loop = transport->loop;

    for (int i = 0; loop != NULL && i < SKIO__SOCKETS; i++)
        if (wsi == loop->listeners[i]) {
            accept_all(transport, lws_get_socket_fd(wsi));
            return true;
        }
    return false;
}

/* ---- The context ---- */

static void
on_idle(struct ev_loop *ev, struct ev_idle *idle, int events)
{
    /* it only keeps the wait from blocking */
    (void)ev;
    (void)idle;
    (void)events;
}

/*
 * A turn that ended inside a frame has more to read, a receive buffer's worth
 * at a time: waiting for it, without blocking, keeps messages that came
 * together in one write.
 */
static void
on_prepare(struct ev_loop *ev, struct ev_prepare *prepare, int events)
{
    struct skio__lws *transport = prepare->data;
    struct skio__loop *loop = transport->loop;

    (void)events;
    skio__conn_complete_all(transport);
    if (transport->flush_wanted && transport->inside_frame &&
        loop->deferrals < DEFERRALS_MAX) {
        loop->deferrals++;
        ev_idle_start(ev, &loop->idle);
        return;
    }
    loop->deferrals = 0;
    ev_idle_stop(ev, &loop->idle);
    skio__lws_turn_end(transport);
}

static int
make_ev_loop(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop->ev == NULL)
        return SKIO_EIO;
    ev_prepare_init(&loop->prepare, on_prepare);
    loop->prepare.data = transport;
    ev_prepare_start(loop->ev, &loop->prepare);
    ev_idle_init(&loop->idle, on_idle);

    return SKIO_OK;
}

static void
drop_ev_loop(struct skio__loop *loop)
{
    if (loop->ev != NULL)
        ev_loop_destroy(loop->ev);
    loop->ev = NULL;
}

static bool
make_context(struct skio__lws *transport)
{
    const skio_server_options *options = transport->options;
    struct skio__loop *loop = transport->loop;
    struct lws_context_creation_info info;
    void *loops[1] = {loop->ev};
    struct lws_vhost *vhost;

    memset(&info, 0, sizeof(info));
    /* a context that fails for its vhost's TLS files leaks in lws 4.1 */
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = loop->protocols;
    info.mounts = skio__paths_mounts(transport);
    info.gid = -1;
    info.uid = -1;
    info.retry_and_idle_policy = &skio__lws_no_validity;
    info.keepalive_timeout = 0;
    info.timeout_secs = options->body_timeout_ms / 1000 + 1;
    info.timeout_secs_ah_idle = options->header_timeout_ms / 1000 + 1;
    info.max_http_header_data2 = skio__lws_header_room(options);
    info.pt_serv_buf_size = SKIO__LWS_READ;
    info.alpn = "http/1.1";
    if (loop->ev != NULL) {
        info.options |= LWS_SERVER_OPTION_LIBEV;
        info.foreign_loops = loops;
    }
    if (options->tls_cert_file != NULL) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = options->tls_cert_file;
        info.ssl_private_key_filepath = options->tls_key_file;
    }

    /* The level is the process's: the library prints nothing, and says in the
     * server's log what failed. */
    lws_set_log_level(0, NULL);
    transport->context = lws_create_context(&info);
    if (transport->context == NULL)
        return false;
    vhost = lws_create_vhost(transport->context, &info);
    return vhost != NULL &&
           skio__lws_attach(transport, vhost, SKIO__LWS_NAME) == SKIO_OK;
}

static void
drop_context(struct skio__lws *transport)
{
    if (transport->context != NULL)
        lws_context_destroy(transport->context);
    transport->context = NULL;
    transport->attached = false;
}

static int
start_context(struct skio__lws *transport)
{
    const skio_server_options *options = transport->options;
    struct skio__loop *loop = transport->loop;

    if (options->tls_cert_file != NULL &&
        (options->tls_key_file == NULL ||
         access(options->tls_cert_file, R_OK) != 0 ||
         access(options->tls_key_file, R_OK) != 0)) {
        skio_transport_log(transport->server, SKIO_LOG_ERROR,
                           "tls: cannot read the certificate or its key");
        return SKIO_EIO;
    }
    if (make_ev_loop(transport) == SKIO_OK && make_context(transport))
        return SKIO_OK;
    drop_context(transport);
    drop_ev_loop(loop);

    if (make_context(transport)) {
        skio_transport_log(transport->server, SKIO_LOG_WARN,
                           "lws: no libev plugin; its poll() loop costs time "
                           "in proportion to all connections, install "
                           "libwebsockets-evlib-ev");
        return SKIO_OK;
    }
    drop_context(transport);
    skio_transport_log(transport->server, SKIO_LOG_ERROR,
                       "lws: no context (are the TLS files in order?)");
    return SKIO_EIO;
}

static int
watch_sockets(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    for (int i = 0; i < SKIO__SOCKETS; i++) {
        lws_sock_file_fd_type desc;

        if (loop->fds[i] < 0)
            continue;
        desc.filefd = loop->fds[i];
        loop->listeners[i] =
            lws_adopt_descriptor_vhost(transport->vhost,
                                       LWS_ADOPT_RAW_FILE_DESC, desc,
                                       SKIO__LWS_NAME, NULL);
        if (loop->listeners[i] == NULL)
            return SKIO_ENOMEM;
        loop->fds[i] = -1;
    }
    return SKIO_OK;
}

static void
free_loop(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    skio__sockets_close(loop->fds);
    skio__paths_free(transport);
    skio__mem_free(transport->mem, loop);
    transport->loop = NULL;
    transport->own = false;
}

int
skio_listen(skio_server *server, const char *address, uint16_t port)
{
    struct skio__lws *transport = skio__lws_get(server);
    struct skio__loop *loop;
    int err;

    if (transport == NULL)
        return SKIO_ENOMEM;
    if (transport->loop != NULL || transport->embedded)
        return SKIO_EBUSY;

    loop = skio__mem_calloc(transport->mem, 1, sizeof(*loop));
    if (loop == NULL)
        return SKIO_ENOMEM;
    loop->fds[0] = loop->fds[1] = -1;
    transport->loop = loop;
    transport->own = true;
    skio__lws_protocol_fill(transport, &loop->protocols[0]);

    transport->port = port;
    err = skio__sockets_open(loop->fds, address, &transport->port,
                             (int)transport->options->backlog);
    if (err == SKIO_OK)
        err = skio__paths_init(transport);
    if (err == SKIO_OK)
        err = start_context(transport);
    if (err == SKIO_OK)
        err = watch_sockets(transport);
    if (err == SKIO_OK) {
        skio_transport_log(server, SKIO_LOG_INFO, "listening on port %u",
                           (unsigned)transport->port);
        return SKIO_OK;
    }

    skio_transport_log(server, SKIO_LOG_ERROR,
                       "cannot listen on %s port %u: %s",
                       address != NULL ? address : "any address",
                       (unsigned)port, skio_strerror(err));
    drop_context(transport);
    drop_ev_loop(loop);
    free_loop(transport);
    transport->port = 0;
    return err;
}

uint16_t
skio_server_port(const skio_server *server)
{
    const struct skio__lws *transport = skio_transport_of(server);

    return transport != NULL ? transport->port : 0;
}

/* ---- Running and stopping ---- */

static void
begin_stop(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    transport->stopping = true;
    transport->stop_ms =
        skio__lws_now(transport) + transport->options->close_timeout_ms;
    transport->timer_wanted = true;
    skio_transport_log(transport->server, SKIO_LOG_INFO, "stopping");

    for (int i = 0; i < SKIO__SOCKETS; i++)
        if (loop->listeners[i] != NULL)
            lws_set_timeout(loop->listeners[i],
                            PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
    loop->listeners[0] = loop->listeners[1] = NULL;

    skio_transport_shutdown(transport->server);
    skio_transport_flush(transport->server);
}

/* Connections without a request need not be waited for. */
static void
end_idle(struct skio__fifo *fifo)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(fifo, SKIO__NEVER - 1)) != NULL) {
        struct skio__conn *conn =
            skio__container_of(node, struct skio__conn, timer);

        if (conn->kind == CONN_IDLE && !lws_partial_buffered(conn->wsi))
            skio__conn_kill_now(conn);
        else
            skio__conn_wait(conn, &conn->transport->close_due);
    }
}

void
skio__loop_turn(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    if (loop->retry_ms != 0 && skio__lws_now(transport) >= loop->retry_ms)
        resume_accepting(loop);

    if (!loop->running || !atomic_load(&transport->stop_asked) ||
        transport->stopped)
        return;
    if (!transport->stopping)
        begin_stop(transport);
    end_idle(&transport->header_due);
    end_idle(&transport->idle_due);
    if (transport->conns > 0 && skio__lws_now(transport) < transport->stop_ms)
        return;

    transport->stopped = true;
    if (loop->ev != NULL)
        ev_break(loop->ev, EVBREAK_ALL);
}

uint64_t
skio__loop_next_due(const struct skio__lws *transport)
{
    uint64_t due = SKIO__NEVER;

    if (transport->loop != NULL && transport->loop->retry_ms != 0)
        due = transport->loop->retry_ms;
    if (transport->stopping && transport->stop_ms < due)
        due = transport->stop_ms;
    return due;
}

/* Without libev: lws_service() returns after each turn. */
static int
run_poll(struct skio__lws *transport)
{
    while (!transport->stopped) {
        skio__conn_complete_all(transport);
        skio__lws_turn_end(transport);
        if (!transport->stopped && lws_service(transport->context, 0) < 0)
            return SKIO_EIO;
    }
    skio__post_close(&transport->post);
    return SKIO_OK;
}

int
skio_run(skio_server *server)
{
    struct skio__lws *transport = skio_transport_of(server);

    if (transport == NULL || transport->loop == NULL || transport->stopped)
        return SKIO_EINVAL;

    transport->loop->running = true;
    if (transport->loop->ev == NULL)
        return run_poll(transport);
    while (!transport->stopped)
        if (!ev_run(transport->loop->ev, 0) && !transport->stopped) {
            skio_transport_log(server, SKIO_LOG_ERROR, "the loop has ended");
            return SKIO_EIO;
        }
    skio__post_close(&transport->post);

    return SKIO_OK;
}

void
skio__loop_free(struct skio__lws *transport)
{
    if (transport->loop == NULL)
        return;
    drop_context(transport);
    drop_ev_loop(transport->loop);
    free_loop(transport);
}
