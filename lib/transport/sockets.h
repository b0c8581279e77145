/*
 * Listening sockets: one per address family on the same port, a unix socket,
 * or one that somebody else has opened; and the addresses they deal in
 */
#ifndef SKIO_TRANSPORT_SOCKETS_H
#define SKIO_TRANSPORT_SOCKETS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <socketio/base.h>

#define SKIO__SOCKETS 2 /* IPv4, IPv6; -1: not opened */

union skio__address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

/* The IP address, IPv4 mapped; false: it is none. */
bool skio__address_read(const union skio__address *from, struct in6_addr *out);

/* What the sockets of skio_listen() are to be. */
struct skio__sockets_want {
    int backlog;
    bool reuse_port; /* others may listen there, too */
};

/*
 * Bind and listen, see skio_listen(). fds are -1 before; *port becomes the
 * bound one.
 *
 * Returns SKIO_OK; else an error, with nothing opened.
 */
int skio__sockets_open(int fds[SKIO__SOCKETS], const char *address,
                       uint16_t *port, const struct skio__sockets_want *want);
void skio__sockets_close(const int *fds, size_t count);

/*
 * Make a unix socket, see skio_listen_unix(). A file that nobody listens at any
 * more is replaced.
 */
int skio__socket_unix(int *fd, const char *path, unsigned mode, int backlog);

/*
 * Make a foreign descriptor fit to accept from, see skio_listen_fd(). *flags is
 * for skio__socket_give_back(). Returns SKIO_OK, SKIO_EINVAL, SKIO_EIO.
 */
int skio__socket_take(int fd, int backlog, int *flags);
void skio__socket_give_back(int fd, int flags);

/* The port, 0 if it has none. */
uint16_t skio__socket_port(int fd);

#endif /* SKIO_TRANSPORT_SOCKETS_H */
