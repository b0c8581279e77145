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

/*
 * The name of an event, unescaped and NUL-terminated in the server's arena; a
 * numeric one is handled under its digits. A packet without data has none: only
 * catch-all handlers see it. NULL when memory ran out.
 */
const char *skio__client_event_name(skio_server *server,
                                    const struct sio_packet *packet,
                                    size_t *len);

/* Queue a message's packets. As skio__session_queue(). */
int skio__client_send(struct sio_client *client, struct skio_message *message);

/* Run the timers of clients and assemblies that are due. */
void skio__client_timeouts(skio_server *server, uint64_t now_ms);

#endif /* SKIO_SOCKETIO_CLIENT_H */
