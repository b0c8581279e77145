/*
 * Clients: what Socket.IO keeps of an Engine.IO session
 *
 * A client has one socket for each namespace it joined. Packets that arrive are
 * incoming.h's; this is the connection's side of the state machine:
 *
 *     packet for N     N has a socket      N has none
 *     CONNECT          close the client    start connecting
 *     EVENT, ACK, …    deliver             close the client
 *
 * with one exception that Node lacks: packets for a namespace that the server
 * itself has just disconnected are ignored, they were under way.
 */
#ifndef SKIO_SOCKETIO_CLIENT_H
#define SKIO_SOCKETIO_CLIENT_H

#include "base/compiler.h"
#include "engineio/session.h"
#include "socketio/server.h"

struct sio_assembly;
struct sio_packet;

struct sio_client {
    struct skio__fifo_node connect_due; /* linked until a first join */
    struct skio_session *session;
    skio_socket *sockets;          /* of any state, linked by socket->next */
    struct sio_assembly *assembly; /* a packet whose attachments are due */
    skio_match *matches;           /* namespaces that may be made for it */
    uint32_t socket_count;
    bool has_joined;
};

/* The upper layer that the server gives to its engine. */
extern const struct eio_upper skio__client_upper;

static inline skio_server *
skio__client_server(const struct sio_client *client)
{
    return skio__session_engine(client->session)->server;
}

/* Whether it speaks protocol 3. */
static inline bool
skio__client_is_old(const struct sio_client *client)
{
    return skio__session_protocol(client->session) == 3;
}

/* The client's socket of a namespace, or NULL. */
skio_socket *skio__client_socket(const struct sio_client *client,
                                 const skio_nsp *nsp);

void skio__client_add(struct sio_client *client, skio_socket *socket);
void skio__client_remove(struct sio_client *client, skio_socket *socket);

/* Answer a CONNECT that cannot be. */
void skio__client_refuse(struct sio_client *client, const char *nsp, size_t len,
                         const char *json);

/* A CONNECT to a namespace that exists. */
void skio__client_join(struct sio_client *client, skio_nsp *nsp,
                       const char *auth, size_t len);

/* The first namespace was joined: the connect timeout is over. */
void skio__client_joined(struct sio_client *client);

/* A CONNECT packet. query: of an old client's namespace, as its auth; NULL:
 * none. */
void skio__client_connect(struct sio_client *client, struct sio_packet *packet,
                          const char *query, size_t len);

/* Whether an event of this socket is within the rate; with engine.rates alone.
 * If not, the socket may have ended. */
bool skio__client_may_emit(skio_socket *socket);

/* The peer broke the protocol; it sent what it may not send now; memory is out:
 * each ends the connection. */
void skio__client_fail(struct sio_client *client, const char *why);
void skio__client_misuse(struct sio_client *client, const char *why);
void skio__client_nomem(struct sio_client *client);

/* Queue a text and its attachments. As skio__session_queue(). */
int skio__client_send_all(struct skio_session *session,
                          const struct skio_message *message);

/* Queue a message's packets, most often one. As skio__session_queue(). */
static inline int
skio__client_send(struct sio_client *client, struct skio_message *message)
{
    if (skio__likely(message->count == 1))
        return skio__session_queue(client->session, message->blobs[0]);
    return skio__client_send_all(client->session, message);
}

/* Run the timers of clients and assemblies that are due. */
void skio__client_timeouts(skio_server *server, uint64_t now_ms);

#endif /* SKIO_SOCKETIO_CLIENT_H */
