/*
 * Listening sockets at work: accepting, and handing what was accepted to lws
 */
#ifndef SKIO_TRANSPORT_LWS_ACCEPT_H
#define SKIO_TRANSPORT_LWS_ACCEPT_H

#include <stdbool.h>

#include "transport/sockets.h"

struct lws;
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

/* Give a connection to lws. The descriptor is taken. */
void skio__accept_adopt(struct skio__lws *transport, int fd,
                        const union skio__address *from);

#endif /* SKIO_TRANSPORT_LWS_ACCEPT_H */
