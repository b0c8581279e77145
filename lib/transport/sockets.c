#define _POSIX_C_SOURCE 200809L /* getsockname and its like */

#include "transport/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
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
open_socket(const union skio__address *address, int backlog)
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
    union skio__address address = {.in6 = {0}};
    socklen_t len = sizeof(address);

    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port
                                                   : address.in4.sin_port);
}

void
skio__sockets_close(int fds[SKIO__SOCKETS])
{
    for (int i = 0; i < SKIO__SOCKETS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* Open one family, or both with the same port. Returns an error. */
static int
open_pair(int fds[SKIO__SOCKETS], const char *v4, const char *v6, uint16_t port,
          int backlog)
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
        fds[i] = open_socket(&address, backlog);
        if (fds[i] >= 0) {
            port = port_of(fds[i]);
            opened = true;
            continue;
        }
        err = error_of(errno);
        /* a family that this machine lacks is no error beside the other */
        if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL &&
            errno != EPROTONOSUPPORT) {
            skio__sockets_close(fds);
            return err;
        }
    }
    return opened ? SKIO_OK : err;
}

int
skio__sockets_open(int fds[SKIO__SOCKETS], const char *address, uint16_t *port,
                   int backlog)
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
        err = open_pair(fds, v4, v6, *port, backlog);
        if (*port != 0)
            break;
    }
    for (int i = 0; i < SKIO__SOCKETS && err == SKIO_OK; i++)
        if (fds[i] >= 0)
            *port = port_of(fds[i]);
    return err;
}
