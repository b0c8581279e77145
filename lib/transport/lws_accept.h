/*
 * Listening sockets at work: accepting, and handing what was accepted to lws
 */
#ifndef SKIO_TRANSPORT_LWS_ACCEPT_H
#define SKIO_TRANSPORT_LWS_ACCEPT_H

#include <stdbool.h>

#include "transport/sockets.h"

struct lws;
struct skio__conn;
struct skio__listener;
struct skio__lws;

/*
 * Accept from a copy of this descriptor.
 *
 * path  Of the file of a unix socket, to be removed at the end; or NULL.
 *
 * Returns SKIO_OK or SKIO_ENOMEM.
 */
int skio__listener_add(struct skio__lws *transport, int fd, const char *path);

/* End those that were added after `before` (NULL: all). */
void skio__listeners_drop(struct skio__lws *transport,
                          const struct skio__listener *before);

/* Accept what waits, and end them; or only those that share their port. */
void skio__listeners_end(struct skio__lws *transport, bool shared);

/* Begin again after a pause; leave a shared port when the server is drained. At
 * the end of a turn. */
void skio__listeners_turn(struct skio__lws *transport);

/* Take a connection, with its descriptor. */
void skio__accept_adopt(struct skio__lws *transport, int fd,
                        const union skio__address *from);

/* Give a connection to lws between two requests, with its descriptor. The conn
 * is freed when it fails. */
void skio__accept_hand_over(struct skio__conn *conn, int fd);

#endif /* SKIO_TRANSPORT_LWS_ACCEPT_H */
