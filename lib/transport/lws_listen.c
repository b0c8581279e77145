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

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>
#include <libwebsockets.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "transport/endpoint.h"
#include "transport/lws_protocol.h"
#include "transport/mount.h"

#define LISTENERS 2     /* one per address family */
#define ACCEPTS_MAX 64  /* in one turn */
#define DEFERRALS_MAX 4 /* turns that a flush waits for the rest of a frame */
#define PORT_TRIES 16   /* for one that is free in both families */

struct path {
    struct path *next;
    struct lws_http_mount mount;
    char text[];
};

struct skio__loop {
    struct ev_loop *ev; /* NULL: lws' own poll() loop */
    struct ev_prepare prepare;
    struct ev_idle idle;
    unsigned deferrals;
    struct lws_protocols protocols[2];
    struct path *paths; /* shortest first, so that the longest match wins */
    int fds[LISTENERS]; /* until lws has them */
    struct lws *listeners[LISTENERS];
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

/* ---- Paths that lws shall not serve from a static mount ---- */

/*
 * lws 4.1 lets a callback mount win over whatever came before it in the list,
 * longer or not; in the order of length the longest wins.
 */
static void
insert_path(struct skio__loop *loop, struct path *path)
{
    struct path **at = &loop->paths;
    struct path *before = NULL;

    while (*at != NULL &&
           (*at)->mount.mountpoint_len <= path->mount.mountpoint_len) {
        before = *at;
        at = &(*at)->next;
    }
    path->next = *at;
    path->mount.mount_next = path->next != NULL ? &path->next->mount : NULL;
    *at = path;
    if (before != NULL)
        before->mount.mount_next = &path->mount;
}

static struct path *
new_path(struct skio__lws *transport, const char *text)
{
    size_t len = strlen(text);
    struct path *path;

    while (len > 1 && text[len - 1] == '/')
        len--;
    path = skio__mem_calloc(transport->mem, 1, sizeof(*path) + len + 1);
    if (path == NULL)
        return NULL;
    memcpy(path->text, text, len);
    path->mount.mountpoint = path->text;
    path->mount.mountpoint_len = (unsigned char)(len < 255 ? len : 255);
    path->mount.origin_protocol = LWSMPRO_CALLBACK;
    path->mount.origin = SKIO__LWS_NAME;
    path->mount.protocol = SKIO__LWS_NAME;

    return path;
}

static int
add_path(struct skio__lws *transport, const char *text)
{
    struct path *path = new_path(transport, text);

    if (path == NULL)
        return SKIO_ENOMEM;
    insert_path(transport->loop, path);
    return SKIO_OK;
}

int
skio__loop_add_path(struct skio__lws *transport, const char *path)
{
    return transport->loop != NULL ? add_path(transport, path) : SKIO_OK;
}

/* What lws 4.1 does not know; without a type it serves nothing. The last entry
 * is for everything else. */
static const struct lws_protocol_vhost_options other_types[] = {
    {&other_types[1], NULL, ".mjs", "text/javascript"},
    {&other_types[2], NULL, ".map", "application/json"},
    {&other_types[3], NULL, ".webmanifest", "application/manifest+json"},
    {&other_types[4], NULL, ".webp", "image/webp"},
    {&other_types[5], NULL, ".wasm", "application/wasm"},
    {&other_types[6], NULL, ".mp3", "audio/mpeg"},
    {&other_types[7], NULL, ".mp4", "video/mp4"},
    {&other_types[8], NULL, ".woff2", "font/woff2"},
    {NULL, NULL, "*", "application/octet-stream"},
};

static int
add_mount(struct skio__lws *transport, const struct skio__mount *mount)
{
    struct path *path = new_path(transport, mount->path);

    if (path == NULL)
        return SKIO_ENOMEM;
    path->mount.origin_protocol = LWSMPRO_FILE;
    path->mount.origin = mount->folder;
    path->mount.protocol = NULL;
    path->mount.def = mount->index;
    path->mount.extra_mimetypes = other_types;
    /* without an age lws says "no-store", and the ETag is of no use */
    path->mount.cache_max_age = 1;
    path->mount.cache_reusable = 1;
    path->mount.cache_revalidate = 1;
    insert_path(transport->loop, path);
    return SKIO_OK;
}

static int
add_paths(struct skio__lws *transport)
{
    const struct skio__mount *mount = transport->mounts;
    int err;

    /* The list's head stays: lws keeps a pointer to it. Nothing matches it. */
    err = add_path(transport, "\001");
    for (; mount != NULL && err == SKIO_OK; mount = mount->next)
        err = add_mount(transport, mount);
    if (err == SKIO_OK)
        err = add_path(transport, transport->options->path);
    if (err == SKIO_OK)
        err = skio__endpoints_each(transport, add_path);
    return err;
}

/* ---- Sockets ---- */

static int
error_of(int number)
{
    switch (number) {
    case EADDRINUSE:
        return SKIO_EADDRINUSE;
    case EACCES:
    case EPERM:
        return SKIO_EACCES;
    case EADDRNOTAVAIL:
    case EINVAL:
        return SKIO_EINVAL;
    case ENOMEM:
    case ENOBUFS:
        return SKIO_ENOMEM;
    default:
        return SKIO_EIO;
    }
}

union address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

static bool
parse_address(const char *text, bool v6, uint16_t port, union address *out)
{
    memset(out, 0, sizeof(*out));
    if (v6) {
        out->in6.sin6_family = AF_INET6;
        out->in6.sin6_port = htons(port);
        return inet_pton(AF_INET6, text, &out->in6.sin6_addr) == 1;
    }
    out->in4.sin_family = AF_INET;
    out->in4.sin_port = htons(port);
    return inet_pton(AF_INET, text, &out->in4.sin_addr) == 1;
}

/* Returns the descriptor or -1 with errno. */
static int
open_socket(const union address *address, int backlog)
{
    bool v6 = address->any.sa_family == AF_INET6;
    socklen_t len = v6 ? sizeof(address->in6) : sizeof(address->in4);
    int on = 1;
    int saved;
    int fd = socket(address->any.sa_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    /* Each family gets its own socket: IPv4 works where IPv6 is off, and its
     * clients keep their plain addresses. Accepted sockets inherit NODELAY. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (!v6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        bind(fd, &address->any, len) == 0 && listen(fd, backlog) == 0)
        return fd;

    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static uint16_t
port_of(int fd)
{
    union address address;
    socklen_t len = sizeof(address);

    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port
                                                   : address.in4.sin_port);
}

static void
close_sockets(struct skio__loop *loop)
{
    for (int i = 0; i < LISTENERS; i++) {
        if (loop->fds[i] >= 0)
            close(loop->fds[i]);
        loop->fds[i] = -1;
    }
}

/* Open one family, or both with the same port. Returns an error. */
static int
open_pair(struct skio__loop *loop, const char *v4, const char *v6,
          uint16_t port, int backlog)
{
    const char *texts[LISTENERS] = {v4, v6};
    bool opened = false;
    int err = SKIO_EINVAL;

    for (int i = 0; i < LISTENERS; i++) {
        union address address;

        if (texts[i] == NULL)
            continue;
        if (!parse_address(texts[i], i == 1, port, &address))
            return SKIO_EINVAL;
        loop->fds[i] = open_socket(&address, backlog);
        if (loop->fds[i] >= 0) {
            port = port_of(loop->fds[i]);
            opened = true;
            continue;
        }
        err = error_of(errno);
        /* a family that this machine lacks is no error beside the other */
        if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL &&
            errno != EPROTONOSUPPORT) {
            close_sockets(loop);
            return err;
        }
    }
    return opened ? SKIO_OK : err;
}

static int
open_sockets(struct skio__lws *transport, const char *address, uint16_t port)
{
    struct skio__loop *loop = transport->loop;
    int backlog = (int)transport->options->backlog;
    const char *v4 = "0.0.0.0";
    const char *v6 = "::";
    union address parsed;
    int err = SKIO_EADDRINUSE;

    if (address != NULL && strcmp(address, "localhost") == 0) {
        v4 = "127.0.0.1";
        v6 = "::1";
    } else if (address != NULL) {
        v4 = parse_address(address, false, 0, &parsed) ? address : NULL;
        v6 = parse_address(address, true, 0, &parsed) ? address : NULL;
        if (v4 == NULL && v6 == NULL)
            return SKIO_EINVAL;
    }

    /* The port that IPv4 got may be taken in IPv6: try another. */
    for (int i = 0; i < PORT_TRIES && err == SKIO_EADDRINUSE; i++) {
        err = open_pair(loop, v4, v6, port, backlog);
        if (port != 0)
            break;
    }
    for (int i = 0; i < LISTENERS && err == SKIO_OK; i++)
        if (loop->fds[i] >= 0)
            transport->port = port_of(loop->fds[i]);
    return err;
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
    for (int i = 0; i < LISTENERS; i++)
        if (loop->listeners[i] != NULL)
            lws_rx_flow_control(loop->listeners[i], 0);
}

static void
resume_accepting(struct skio__loop *loop)
{
    loop->retry_ms = 0;
    for (int i = 0; i < LISTENERS; i++)
        if (loop->listeners[i] != NULL)
            lws_rx_flow_control(loop->listeners[i], 1);
}

static void
adopt_socket(struct skio__lws *transport, int fd, const union address *from)
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
        union address from;
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

    for (int i = 0; loop != NULL && i < LISTENERS; i++)
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
    info.mounts = &loop->paths->mount;
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

    skio_transport_log(transport->server, SKIO_LOG_ERROR,
                       "lws: no context (are the TLS files in order, and is "
                       "libwebsockets' libev plugin installed?)");
    drop_context(transport);
    drop_ev_loop(loop);
    return SKIO_EIO;
}

static int
watch_sockets(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;

    for (int i = 0; i < LISTENERS; i++) {
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

    close_sockets(loop);
    while (loop->paths != NULL) {
        struct path *next = loop->paths->next;

        skio__mem_free(transport->mem, loop->paths);
        loop->paths = next;
    }
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

    err = open_sockets(transport, address, port);
    if (err == SKIO_OK)
        err = add_paths(transport);
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

    for (int i = 0; i < LISTENERS; i++)
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

int
skio_run(skio_server *server)
{
    struct skio__lws *transport = skio_transport_of(server);

    if (transport == NULL || transport->loop == NULL || transport->stopped)
        return SKIO_EINVAL;

    transport->loop->running = true;
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
