/*
 * lws 4.1 has no option for the backlog and reports a failed bind only as a
 * failed context, so sockets are opened by us, watched by lws as raw files, and
 * what they accept is handed to it.
 */
#define _GNU_SOURCE /* accept4 */

#include "transport/lws_accept.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/mem.h"
#include "transport/lws_direct.h"
#include "transport/lws_own.h"
#include "transport/lws_preface.h"

#define ACCEPTS_MAX 64 /* in one turn */

struct skio__listener {
    struct skio__listener *next;
    struct lws *wsi;
    dev_t device; /* of the file at path, when it was made */
    ino_t inode;
    bool is_file;
    bool is_shared; /* others may listen there, see reuse_port */
    char path[];
};

int
skio__listener_add(struct skio__lws *transport, int fd, const char *path)
{
    size_t len = path != NULL ? strlen(path) : 0;
    struct skio__listener *listener =
        skio__mem_calloc(transport->mem, 1, sizeof(*listener) + len + 1);
    lws_sock_file_fd_type desc;
    struct stat st;
    int shared = 0;
    socklen_t shared_len = sizeof(shared);

    if (listener == NULL)
        return SKIO_ENOMEM;
    listener->is_shared =
        getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, &shared_len) == 0 &&
        shared != 0;
    if (path != NULL && lstat(path, &st) == 0) {
        memcpy(listener->path, path, len);
        listener->device = st.st_dev;
        listener->inode = st.st_ino;
        listener->is_file = true;
    }

    desc.filefd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (desc.filefd >= 0)
        listener->wsi = lws_adopt_descriptor_vhost(transport->vhost,
                                                   LWS_ADOPT_RAW_FILE_DESC,
                                                   desc, SKIO__LWS_NAME, NULL);
    if (listener->wsi == NULL) {
        skio__mem_free(transport->mem, listener);
        return SKIO_ENOMEM;
    }
    listener->next = transport->listeners;
    transport->listeners = listener;
    if (transport->retry_ms != 0)
        lws_rx_flow_control(listener->wsi, 0);

    return SKIO_OK;
}

/* Remove the file, unless another server has put its own there since. */
static void
remove_file(const struct skio__listener *listener)
{
    struct stat st;

    if (listener->is_file && lstat(listener->path, &st) == 0 &&
        st.st_dev == listener->device && st.st_ino == listener->inode)
        unlink(listener->path);
}

static void
drop(struct skio__lws *transport, struct skio__listener **link)
{
    struct skio__listener *listener = *link;

    *link = listener->next;
    remove_file(listener);
    lws_set_timeout(listener->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT,
                    LWS_TO_KILL_SYNC);
    skio__mem_free(transport->mem, listener);
}

void
skio__listeners_drop(struct skio__lws *transport,
                     const struct skio__listener *before)
{
    while (transport->listeners != before)
        drop(transport, &transport->listeners);
}

static void
pause_accepting(struct skio__lws *transport, int number)
{
    skio_transport_log(transport->server, SKIO_LOG_WARN,
                       "accept: %s; trying again in %d ms", strerror(number),
                       SKIO__RETRY_ACCEPT_MS);
    transport->retry_ms = skio__lws_now(transport) + SKIO__RETRY_ACCEPT_MS;
    transport->timer_wanted = true;
    for (struct skio__listener *each = transport->listeners; each != NULL;
         each = each->next)
        lws_rx_flow_control(each->wsi, 0);
}

void
skio__listeners_turn(struct skio__lws *transport)
{
    int expected = skio_transport_expects(transport->server);

    /* Whoever shares a port leaves it to the others: what came to a server that
     * refuses new sessions would be refused. */
    if (expected != SKIO_EXPECT_ALL)
        skio__listeners_end(transport, expected == SKIO_EXPECT_SESSIONS);
    if (transport->retry_ms == 0 ||
        skio__lws_now(transport) < transport->retry_ms)
        return;
    transport->retry_ms = 0;
    for (struct skio__listener *each = transport->listeners; each != NULL;
         each = each->next)
        lws_rx_flow_control(each->wsi, 1);
}

/* Count who came, unless it has no address or speaks for others. Returns
 * SKIO_OK, SKIO_ELIMIT, SKIO_ENOMEM. */
static int
tally(struct skio__lws *transport, const struct skio__peer *peer,
      bool *is_tallied)
{
    int err;

    *is_tallied = false;
    if (transport->conns >= transport->options->max_tcp_connections)
        return SKIO_ELIMIT;
    if (peer->is_local || skio__proxies_trust(&transport->proxies, peer))
        return SKIO_OK;
    err = skio__tally_enter(&transport->tally, &peer->address);
    *is_tallied = err == SKIO_OK;
    return err;
}

void
skio__accept_adopt(struct skio__lws *transport, int fd,
                   const union skio__address *from)
{
    struct skio__peer peer = {.secure = false};
    struct skio__accepted *accepted = NULL;
    struct skio__conn *conn;
    bool is_tallied;
    int err;

    peer.is_local = !skio__address_read(from, &peer.address);
    err = tally(transport, &peer, &is_tallied);
    if (err == SKIO_ELIMIT)
        skio_transport_limit_hit(transport->server, SKIO_TRANSPORT_LIMIT);
    if (err == SKIO_OK)
        accepted = skio__mem_calloc(transport->mem, 1, sizeof(*accepted));
    if (accepted == NULL) {
        if (is_tallied)
            skio__tally_leave(&transport->tally, &peer.address);
        close(fd);
        return;
    }
    conn = &accepted->conn;
    skio__conn_init(conn, transport, NULL);
    conn->peer = peer.address;
    conn->is_local = peer.is_local;
    conn->is_tallied = is_tallied;
    skio__conn_wait(conn, &transport->header_due);
    if (skio__own_begin(conn, fd))
        return;
    if (transport->direct_loop == NULL || transport->ssl_ctx == NULL) {
        skio__accept_hand_over(conn, fd);
        return;
    }
    skio__conn_detach(conn, true); /* nobody else would speak TLS */
    skio__mem_free(transport->mem, conn);
    close(fd);
}

void
skio__accept_hand_over(struct skio__conn *conn, int fd)
{
    struct skio__lws *transport = conn->transport;
    lws_sock_file_fd_type desc = {.sockfd = fd};
    unsigned type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP;

    /* A tunnel's end has no TLS, and lws says that it has, as is wanted. */
    if (!conn->is_tunneled)
        type |= LWS_ADOPT_ALLOW_SSL;
    conn->wsi =
        lws_adopt_descriptor_vhost(transport->vhost, (lws_adoption_type)type,
                                   desc, NULL, NULL);
    if (conn->wsi != NULL) {
        lws_set_opaque_user_data(conn->wsi, conn);
        return;
    }
    skio__conn_detach(conn, true); /* lws has closed fd */
    skio__mem_free(transport->mem, conn);
}

/* Whether this is a proxy, which has to speak first. */
static bool
owes_preface(const struct skio__lws *transport, const union skio__address *from)
{
    struct skio__peer peer = {.secure = false};

    peer.is_local = !skio__address_read(from, &peer.address);
    return transport->options->proxy_protocol &&
           skio__proxies_trust(&transport->proxies, &peer);
}

/* Whether a failed accept4() was about one connection, which has ended: the
 * next may be well. accept(2) names these. */
static bool
is_of_connection(int number)
{
    switch (number) {
    case EINTR:
    case ECONNABORTED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EPERM: /* a firewall's */
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
        return true;
    default:
        return false;
    }
}

/* Accept what waits. Returns whether there may be more. */
static bool
accept_all(struct skio__lws *transport, int fd)
{
    bool is_served = false;

    for (int i = 0; i < ACCEPTS_MAX; i++) {
        union skio__address from = {.in6 = {0}};
        socklen_t len = sizeof(from);
        int accepted =
            accept4(fd, &from.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (accepted >= 0) {
            is_served = true;
            if (owes_preface(transport, &from))
                skio__preface_wait(transport, accepted, &from);
            else
                skio__accept_adopt(transport, accepted, &from);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return false;
        /* Whatever else it is, the socket stays ready: do not spin. */
        if (!is_of_connection(errno) || (i == ACCEPTS_MAX - 1 && !is_served)) {
            pause_accepting(transport, errno);
            return false;
        }
    }
    return true;
}

/* Close a socket, but not on those that wait to be accepted. Others may come
 * just before it closes: the kernel resets these, unless it may give them to
 * another socket of the port (tcp_migrate_req). */
static void
end(struct skio__lws *transport, struct skio__listener **link)
{
    int fd = lws_get_socket_fd((*link)->wsi);
    uint32_t most = transport->options->backlog / ACCEPTS_MAX + 2;

    while (most-- > 0 && accept_all(transport, fd))
        ;
    drop(transport, link);
}

void
skio__listeners_end(struct skio__lws *transport, bool shared)
{
    struct skio__listener **link = &transport->listeners;

    while (*link != NULL)
        if (!shared || (*link)->is_shared)
            end(transport, link);
        else
            link = &(*link)->next;
}

bool
skio__loop_accept(struct skio__lws *transport, struct lws *wsi)
{
    for (struct skio__listener *each = transport->listeners; each != NULL;
         each = each->next)
        if (wsi == each->wsi) {
            accept_all(transport, lws_get_socket_fd(wsi));
            return true;
        }
    return false;
}
