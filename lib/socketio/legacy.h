/*
 * Clients of Socket.IO 2, whose session speaks Engine.IO 3
 *
 * The text grammar is the one of today. What differs in the state machine is
 * where that is; here is what they alone need.
 */
#ifndef SKIO_SOCKETIO_LEGACY_H
#define SKIO_SOCKETIO_LEGACY_H

#include "base/buf.h"
#include "socketio/packet.h"

/*
 * Their namespaces are URLs: the path is the name, in packets of every type.
 * Cuts the query and what follows a '#' off packet->nsp.
 *
 * query  Points behind the '?', into the packet; NULL where there is none.
 */
void skio__legacy_split(struct sio_packet *packet, const char **query,
                        size_t *len);

/*
 * Append a query as the JSON object of strings that becomes the auth object:
 * `a=1&b` is `{"a":"1","b":""}`. What does not decode to UTF-8 stays encoded.
 * The query is UTF-8. Returns buf->err.
 */
int skio__legacy_auth(struct skio__buf *buf, const char *query, size_t len);

#endif /* SKIO_SOCKETIO_LEGACY_H */
