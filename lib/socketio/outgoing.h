/*
 * Watching what is sent: socket.onAnyOutgoing()
 *
 * Those who watch see the event as the client will: the finished packet is
 * read once more, for each delivery and only while there are watchers.
 */
#ifndef SKIO_SOCKETIO_OUTGOING_H
#define SKIO_SOCKETIO_OUTGOING_H

#include "socketio/socket.h"

/* Whether anybody watches the sockets of this namespace. */
static inline bool
skio__outgoing_is_watched(const skio_nsp *nsp)
{
    return SIO_NSP_HAS(nsp, any_outgoing);
}

/* Tell of an event that is about to be queued for the socket. */
void skio__outgoing_tell(skio_socket *socket,
                         const struct skio_message *message);

#endif /* SKIO_SOCKETIO_OUTGOING_H */
