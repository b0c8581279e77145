#define _DEFAULT_SOURCE /* getsockname and its like, SO_REUSEPORT */

#include "transport/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT_TRIES 16 /* for one that is free in both families */

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

static bool
parse_address(const char *text, bool v6, uint16_t port,
              union skio__address *out)
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
open_socket(const union skio__address *address,
            const struct skio__sockets_want *want)
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
        (!want->reuse_port ||
         setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
        (!v6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        bind(fd, &address->any, len) == 0 && listen(fd, want->backlog) == 0)
        return fd;

    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

bool
skio__address_read(const union skio__address *from, struct in6_addr *out)
{
    memset(out, 0, sizeof(*out));
    if (from->any.sa_family == AF_INET6) {
        *out = from->in6.sin6_addr;
        return true;
    }
    if (from->any.sa_family != AF_INET)
        return false;
    out->s6_addr[10] = out->s6_addr[11] = 0xff;
    memcpy(&out->s6_addr[12], &from->in4.sin_addr, 4);
    return true;
}

uint16_t
skio__socket_port(int fd)
{
    union skio__address address = {.in6 = {0}};
    socklen_t len = sizeof(address);

    if (fd < 0 || getsockname(fd, &address.any, &len) != 0)
        return 0;
    if (address.any.sa_family == AF_INET6)
        return ntohs(address.in6.sin6_port);
    return address.any.sa_family == AF_INET ? ntohs(address.in4.sin_port) : 0;
}

void
skio__sockets_close(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Open one family, or both with the same port. Returns an error. */
static int
open_pair(int fds[SKIO__SOCKETS], const char *v4, const char *v6, uint16_t port,
          const struct skio__sockets_want *want)
{
    const char *texts[SKIO__SOCKETS] = {v4, v6};
    bool opened = false;
    int err = SKIO_EINVAL;

    for (int i = 0; i < SKIO__SOCKETS; i++) {
        union skio__address address;

        if (texts[i] == NULL)
            continue;
        if (!parse_address(texts[i], i == 1, port, &address))
            return SKIO_EINVAL;
        fds[i] = open_socket(&address, want);
        if (fds[i] >= 0) {
            port = skio__socket_port(fds[i]);
            opened = true;
            continue;
        }
        err = error_of(errno);
        /* a family that this machine lacks is no error beside the other */
        if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL &&
            errno != EPROTONOSUPPORT) {
            skio__sockets_close(fds, SKIO__SOCKETS);
            fds[0] = fds[1] = -1;
            return err;
        }
    }
    return opened ? SKIO_OK : err;
}

int
skio__sockets_open(int fds[SKIO__SOCKETS], const char *address, uint16_t *port,
                   const struct skio__sockets_want *want)
{
    const char *v4 = "0.0.0.0";
    const char *v6 = "::";
    union skio__address parsed;
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
        err = open_pair(fds, v4, v6, *port, want);
        if (*port != 0)
            break;
    }
    for (int i = 0; i < SKIO__SOCKETS && err == SKIO_OK; i++)
        if (fds[i] >= 0)
            *port = skio__socket_port(fds[i]);
    return err;
}

/* ---- Unix sockets ---- */

/* Returns the length, or 0 when the path does not fit. */
static socklen_t
unix_address(const char *path, struct sockaddr_un *out)
{
    size_t len = strlen(path);

    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    if (len == 0 || len >= sizeof(out->sun_path) || strcmp(path, "@") == 0)
        return 0;
    memcpy(out->sun_path, path, len);
    if (path[0] != '@')
        return (socklen_t)sizeof(*out);
    out->sun_path[0] = '\0'; /* abstract: its length counts */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* Whether the file is a socket that nobody listens at. */
static bool
is_stale(const struct sockaddr_un *address, socklen_t len)
{
    struct stat st;
    bool stale;
    int fd;

    if (address->sun_path[0] == '\0' || lstat(address->sun_path, &st) != 0 ||
        !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    stale = connect(fd, (const struct sockaddr *)address, len) != 0 &&
            errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int
bind_unix(int fd, const struct sockaddr_un *address, socklen_t len)
{
    const struct sockaddr *any = (const struct sockaddr *)address;

    if (bind(fd, any, len) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -1;
    if (!is_stale(address, len) || unlink(address->sun_path) != 0) {
        errno = EADDRINUSE;
        return -1;
    }
    return bind(fd, any, len);
}

int
skio__socket_unix(int *fd, const char *path, unsigned mode, int backlog)
{
    struct sockaddr_un address;
    socklen_t len = unix_address(path, &address);
    bool is_file = path[0] != '@';
    int err;

    if (len == 0 || (mode & ~0777U) != 0)
        return SKIO_EINVAL;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return error_of(errno);

    /* Nobody can connect before listen(), so the mode is in force by then. */
    if (bind_unix(*fd, &address, len) == 0) {
        if ((!is_file || chmod(path, (mode_t)mode) == 0) &&
            listen(*fd, backlog) == 0)
            return SKIO_OK;
        err = error_of(errno);
        if (is_file)
            unlink(path);
    } else {
        err =
            errno == ENOENT || errno == ENOTDIR ? SKIO_ENOENT : error_of(errno);
    }
    close(*fd);
    *fd = -1;
    return err;
}

/* ---- Descriptors of others ---- */

static int
option_of(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/* A stream socket of a family that we know, bound to something. */
static bool
is_bound_stream(int fd)
{
    union {
        union skio__address ip;
        struct sockaddr_un local;
    } address = {.ip = {.in6 = {0}}};
    socklen_t len = sizeof(address);

    if (option_of(fd, SO_TYPE) != SOCK_STREAM ||
        getsockname(fd, &address.ip.any, &len) != 0)
        return false;
    if (address.ip.any.sa_family == AF_UNIX)
        return len > offsetof(struct sockaddr_un, sun_path);
    return skio__socket_port(fd) != 0;
}

int
skio__socket_take(int fd, int backlog, int *flags)
{
    int on = 1;

    if (!is_bound_stream(fd))
        return SKIO_EINVAL;
    /* refused for a connected one */
    if (option_of(fd, SO_ACCEPTCONN) != 1 && listen(fd, backlog) != 0)
        return SKIO_EINVAL;
    /* accepted sockets inherit it; a unix socket has none */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

    *flags = fcntl(fd, F_GETFL);
    if (*flags < 0 || fcntl(fd, F_SETFL, *flags | O_NONBLOCK) != 0)
        return SKIO_EIO;
    return SKIO_OK;
}

void
skio__socket_give_back(int fd, int flags)
{
    (void)fcntl(fd, F_SETFL, flags);
}
