/*
 * The own context: libev and listening; lws_run.c runs it
 *
 * The libev loop is ours, given to lws as a foreign one: its prepare watcher
 * runs after all callbacks of a turn and before the next wait, and flushes at
 * no system call.
 *
 * The first listener makes the context, further ones join it.
 */
#define _POSIX_C_SOURCE 200809L /* getpid */

#include "transport/lws.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/mem.h"
#include "transport/lws_accept.h"
#include "transport/lws_deflate.h"
#include "transport/lws_direct.h"
#include "transport/lws_loop.h"
#include "transport/lws_own.h"
#include "transport/lws_path.h"
#include "transport/lws_preface.h"
#include "transport/lws_protocol.h"
#include "transport/lws_tls.h"
#include "transport/lws_tunnel.h"
#include "transport/sockets.h"

#define SYSTEMD_FIRST 3 /* the first descriptor that a service is passed */
#define SYSTEMD_MAX 64
#define DEFERRALS_MAX 4 /* turns that a flush waits for the rest of a frame */

const lws_retry_bo_t skio__lws_no_validity;

/* Of the whole process, while a context is made: SIGPIPE, the level of lws' log
 * and the numbers that OpenSSL gives to lws. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static bool is_silent;

unsigned
skio__lws_header_room(const skio_server_options *options)
{
    size_t room = options->max_header_bytes + options->max_query_bytes + 4096;

    if (room < 16384)
        room = 16384;
    return room < (1U << 20) ? (unsigned)room : 1U << 20;
}

/* ---- The context ---- */

/* Where lws does not read WebSockets it needs no room for what it reads, which
 * it would allocate for each of them; 0 would mean a large default. */
static void
choose_reader(struct skio__lws *transport)
{
    const skio_server_options *options = transport->options;
    struct skio__loop *loop = transport->loop;

    transport->direct_loop = loop->ev;
    loop->protocols[0].rx_buffer_size =
        transport->direct_loop != NULL && !options->per_message_deflate
            ? 1
            : options->rx_buffer_size;
}

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
    transport->fed = 0;
    skio__direct_begin_all(transport);
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

static struct lws_vhost *
make_vhost(struct skio__lws *transport, struct lws_context_creation_info *info)
{
    struct lws_vhost *vhost = NULL;

    pthread_mutex_lock(&making);
    /* The library prints nothing, and says in the server's log what failed.
     * Only once: contexts in other threads read the level. */
    if (!is_silent)
        lws_set_log_level(0, NULL);
    is_silent = true;
    transport->context = lws_create_context(info);
    if (transport->context != NULL)
        vhost = lws_create_vhost(transport->context, info);
    pthread_mutex_unlock(&making);

    return vhost;
}

static bool
make_context(struct skio__lws *transport)
{
    const skio_server_options *options = transport->options;
    struct skio__loop *loop = transport->loop;
    struct lws_context_creation_info info;
    void *loops[1] = {loop->ev};
    struct lws_vhost *vhost;

    choose_reader(transport);
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
    if (options->per_message_deflate)
        info.extensions = skio__deflate_extensions;
    if (loop->ev != NULL) {
        info.options |= LWS_SERVER_OPTION_LIBEV;
        info.foreign_loops = loops;
    }
    info.user = transport; /* for the callback about TLS, which has no wsi */
    /* No client shows a certificate: those of the authorities, a megabyte and
     * a tenth of a second to read, judge nobody. */
    if (options->tls_cert_file != NULL)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                        LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX |
                        LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;

    vhost = make_vhost(transport, &info);
    return vhost != NULL &&
           skio__lws_attach(transport, vhost, SKIO__LWS_NAME) == SKIO_OK;
}

static void
drop_context(struct skio__lws *transport)
{
    if (transport->context != NULL)
        lws_context_destroy(transport->context);
    transport->context = NULL;
    transport->ssl_ctx = NULL; /* it was the vhost's */
    transport->attached = false;
}

static int
start_context(struct skio__lws *transport)
{
    struct skio__loop *loop = transport->loop;
    int err;

    if (transport->options->tls_cert_file != NULL) {
        err = skio__tls_load(transport);
        if (err != SKIO_OK)
            return err;
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
    skio_transport_log(transport->server, SKIO_LOG_ERROR, "lws: no context");
    return SKIO_EIO;
}

static void
free_loop(struct skio__lws *transport)
{
    skio__listeners_drop(transport, NULL);
    skio__preface_drop_all(transport);
    skio__own_drop_all(transport);
    drop_context(transport);
    skio__tunnel_drop_all(transport);
    drop_ev_loop(transport->loop);
    skio__tls_free(transport);
    skio__paths_free(transport);
    skio__mem_free(transport->mem, transport->loop);
    transport->loop = NULL;
    transport->own = false;
}

/* lws has made the vhost's SSL_CTX: only here, since the user pointer of a
 * host's vhost is the host's. */
int
skio__loop_callback(struct lws *wsi, enum lws_callback_reasons reason,
                    void *user, void *in, size_t len)
{
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
        return skio__tls_attach(lws_get_vhost_user(in), user);
    return skio__lws_callback(wsi, reason, user, in, len);
}

static int
make_loop(struct skio__lws *transport)
{
    struct skio__loop *loop =
        skio__mem_calloc(transport->mem, 1, sizeof(*loop));
    int err;

    if (loop == NULL)
        return SKIO_ENOMEM;
    transport->loop = loop;
    transport->own = true;
    skio__lws_protocol_fill(transport, &loop->protocols[0]);
    loop->protocols[0].callback = skio__loop_callback;

    err = skio__paths_init(transport);
    if (err == SKIO_OK)
        err = start_context(transport);
    if (err != SKIO_OK)
        free_loop(transport);
    return err;
}

/* Whether the server may have (another) listener; fills *out. */
static int
may_listen(skio_server *server, struct skio__lws **out)
{
    struct skio__lws *transport = skio__lws_get(server);

    *out = transport;
    if (transport == NULL)
        return SKIO_ENOMEM;
    if (transport->embedded)
        return SKIO_EBUSY;
    return transport->stopping ? SKIO_ECLOSED
                               : skio__lws_read_proxies(transport);
}

/* Accept from these sockets. They are taken, unless this fails. */
static int
listen_on(struct skio__lws *transport, const int *fds, size_t count,
          const char *path)
{
    struct skio__listener *before = transport->listeners;
    bool is_first = transport->loop == NULL;
    int err = is_first ? make_loop(transport) : SKIO_OK;

    for (size_t i = 0; i < count && err == SKIO_OK; i++)
        if (fds[i] >= 0)
            err = skio__listener_add(transport, fds[i], path);
    if (err == SKIO_OK) {
        for (size_t i = 0; i < count && transport->port == 0; i++)
            transport->port = skio__socket_port(fds[i]);
        skio__sockets_close(fds, count); /* the listeners have copies */
        return SKIO_OK;
    }

    skio__listeners_drop(transport, before);
    if (is_first && transport->loop != NULL)
        free_loop(transport);
    return err;
}

int
skio_listen(skio_server *server, const char *address, uint16_t port)
{
    struct skio__lws *transport;
    struct skio__sockets_want want;
    int fds[SKIO__SOCKETS] = {-1, -1};
    uint16_t bound = port;
    int err = may_listen(server, &transport);

    if (err != SKIO_OK)
        return err;
    want.backlog = (int)transport->options->backlog;
    want.reuse_port = transport->options->reuse_port;
    err = skio__sockets_open(fds, address, &bound, &want);
    if (err == SKIO_OK) {
        err = listen_on(transport, fds, SKIO__SOCKETS, NULL);
        if (err != SKIO_OK)
            skio__sockets_close(fds, SKIO__SOCKETS);
    }
    if (err == SKIO_OK) {
        skio_transport_log(server, SKIO_LOG_INFO, "listening on port %u",
                           (unsigned)bound);
        return SKIO_OK;
    }

    skio_transport_log(server, SKIO_LOG_ERROR,
                       "cannot listen on %s port %u: %s",
                       address != NULL ? address : "any address",
                       (unsigned)port, skio_strerror(err));
    return err;
}

int
skio_listen_unix(skio_server *server, const char *path, unsigned mode)
{
    struct skio__lws *transport;
    int fd = -1;
    int err = may_listen(server, &transport);

    if (err != SKIO_OK)
        return err;
    err = skio__socket_unix(&fd, path, mode, (int)transport->options->backlog);
    if (err == SKIO_OK) {
        bool is_file = path[0] != '@';

        err = listen_on(transport, &fd, 1, is_file ? path : NULL);
        if (err != SKIO_OK) {
            skio__sockets_close(&fd, 1);
            if (is_file)
                unlink(path);
        }
    }
    if (err == SKIO_OK)
        skio_transport_log(server, SKIO_LOG_INFO, "listening on %s", path);
    else
        skio_transport_log(server, SKIO_LOG_ERROR, "cannot listen on %s: %s",
                           path, skio_strerror(err));
    return err;
}

int
skio_listen_fd(skio_server *server, int fd)
{
    struct skio__lws *transport;
    int flags;
    int err = may_listen(server, &transport);

    if (err == SKIO_OK)
        err = skio__socket_take(fd, (int)transport->options->backlog, &flags);
    if (err != SKIO_OK)
        return err;

    err = listen_on(transport, &fd, 1, NULL);
    if (err != SKIO_OK) {
        skio__socket_give_back(fd, flags);
        return err;
    }
    skio_transport_log(server, SKIO_LOG_INFO, "listening on a descriptor");
    return SKIO_OK;
}

/* A small number from the environment, -1: there is none. */
static long
environment_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long number;

    if (text == NULL || *text < '0' || *text > '9')
        return -1;
    number = strtol(text, &end, 10);
    return *end == '\0' ? number : -1;
}

int
skio_listen_systemd(skio_server *server)
{
    struct skio__lws *transport;
    long count = environment_number("LISTEN_FDS");
    int fds[SYSTEMD_MAX];
    int flags[SYSTEMD_MAX];
    size_t taken = 0;
    int err = may_listen(server, &transport);

    if (err != SKIO_OK)
        return err;
    if (count <= 0 || environment_number("LISTEN_PID") != (long)getpid())
        return 0;
    if (count > SYSTEMD_MAX)
        return SKIO_ELIMIT;

    for (int fd = SYSTEMD_FIRST; err == SKIO_OK && fd < SYSTEMD_FIRST + count;
         fd++) {
        err = skio__socket_take(fd, (int)transport->options->backlog,
                                &flags[taken]);
        if (err == SKIO_OK)
            fds[taken++] = fd;
    }
    if (err == SKIO_OK)
        err = listen_on(transport, fds, taken, NULL);
    if (err != SKIO_OK) {
        while (taken-- > 0)
            skio__socket_give_back(fds[taken], flags[taken]);
        return err;
    }

    /* The numbers are free for other files now: nobody may read them again. */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    skio_transport_log(server, SKIO_LOG_INFO,
                       "listening on %ld descriptors of the service manager",
                       count);
    return (int)count;
}

uint16_t
skio_server_port(const skio_server *server)
{
    const struct skio__lws *transport = skio_transport_of(server);

    return transport != NULL ? transport->port : 0;
}

void
skio__loop_free(struct skio__lws *transport)
{
    if (transport->loop != NULL)
        free_loop(transport);
}
