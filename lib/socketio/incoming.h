/*
 * Packets that arrive: decoded, looked up in the client's namespaces, completed
 * with their attachments, and given to their sockets
 *
 * The state machine that this follows is told in client.h.
 */
#ifndef SKIO_SOCKETIO_INCOMING_H
#define SKIO_SOCKETIO_INCOMING_H

#include "socketio/client.h"
#include "socketio/packet.h"

/* A message of the client's session. */
void skio__incoming(struct skio_session *session, const char *data, size_t len,
                    bool binary);

/*
 * The name of an event, unescaped and NUL-terminated in the server's arena; a
 * numeric one is handled under its digits. A packet without data has none: only
 * catch-all handlers see it. NULL when memory ran out.
 */
const char *skio__incoming_event_name(skio_server *server,
                                      const struct sio_packet *packet,
                                      size_t *len);

#endif /* SKIO_SOCKETIO_INCOMING_H */
