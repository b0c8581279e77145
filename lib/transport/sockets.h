/*
 * Listening sockets: one per address family, on the same port
 */
#ifndef SKIO_TRANSPORT_SOCKETS_H
#define SKIO_TRANSPORT_SOCKETS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <socketio/base.h>

#define SKIO__SOCKETS 2 /* IPv4, IPv6; -1: not opened */

union skio__address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

/*
 * Bind and listen, see skio_listen(). fds are -1 before; *port becomes the
 * bound one.
 *
 * Returns SKIO_OK; else an error, with nothing opened.
 */
int skio__sockets_open(int fds[SKIO__SOCKETS], const char *address,
                       uint16_t *port, int backlog);
void skio__sockets_close(int fds[SKIO__SOCKETS]);

#endif /* SKIO_TRANSPORT_SOCKETS_H */
