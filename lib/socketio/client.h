/*
 * Clients: what Socket.IO keeps of an Engine.IO session
 *
 * A client has one socket for each namespace it joined. Decodes what arrives,
 * collects the attachments of binary packets, and holds the connection's side
 * of the state machine:
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

#include "engineio/engine.h"
#include "socketio/server.h"

struct sio_assembly;

struct sio_client {
    struct skio__fifo_node connect_due; /* linked until a first join */
    struct skio_session *session;
    skio_socket *sockets;          /* of any state, linked by socket->next */
    struct sio_assembly *assembly; /* a packet whose attachments are due */
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

/* The client's socket of a namespace, or NULL. */
skio_socket *skio__client_socket(const struct sio_client *client,
                                 const skio_nsp *nsp);

void skio__client_add(struct sio_client *client, skio_socket *socket);
void skio__client_remove(struct sio_client *client, skio_socket *socket);

/* The first namespace was joined: the connect timeout is over. */
void skio__client_joined(struct sio_client *client);

/* Queue a message's packets. As skio__session_queue(). */
int skio__client_send(struct sio_client *client, struct skio_message *message);

/* Run the timers of clients and assemblies that are due. */
void skio__client_timeouts(skio_server *server, uint64_t now_ms);

#endif /* SKIO_SOCKETIO_CLIENT_H */
