/*
 * Sockets: one client in one namespace
 *
 *     CONNECTING ──▶ CONNECTED ──▶ LEAVING ──▶ GONE
 *         └────────────────────────────────────▶┘
 *
 * CONNECTING: the middlewares have not decided. LEAVING: the `disconnecting`
 * handlers run, rooms still there, and the client can still be sent to if its
 * connection lasts, as in Node. GONE: readable until the last reference. A
 * socket that the server disconnected stays in its client's list, GONE, so
 * that packets under way are told from those that break the protocol: until the
 * client answers it or comes back, or two heartbeats have passed.
 */
#ifndef SKIO_SOCKETIO_SOCKET_H
#define SKIO_SOCKETIO_SOCKET_H

#include <socketio/socket.h>

#include "base/id.h"
#include "socketio/attached.h"
#include "socketio/client.h"
#include "socketio/namespace.h"

enum sio_state { SIO_CONNECTING, SIO_CONNECTED, SIO_LEAVING, SIO_GONE };

struct sio_wait; /* an acknowledgement asked for, ack.h */
struct skio_engine_request;

struct skio_socket {
    struct skio__map_node node; /* in nsp->sockets, while CONNECTED */
    struct sio_home *home;
    /* Up to `state` is what a delivery needs. */
    skio_nsp *nsp;             /* gone with the server */
    struct sio_client *client; /* NULL once the connection has ended */
    char own_id[SKIO__ID_LEN + 1];
    unsigned char state; /* enum sio_state; where it costs no byte */
    bool recovered : 1;
    bool is_told : 1;    /* its `connect` handlers have run, or do */
    bool is_stale : 1;   /* GONE, and a heartbeat came after */
    bool is_parting : 1; /* the adapter delivers what it holds back for it */
    skio_socket *next;   /* of the same client */
    void *slot;          /* the adapter's */
    void *data;          /* the application's */
    void (*free_data)(void *data);
    struct sio_attached *attached;     /* the addons' */
    struct sio_session *session;       /* recovery.h; NULL: not recoverable */
    skio_adapter_restoring *restoring; /* an adapter is asked for it */
    uint64_t issued_ms;                /* since 1970 */
    struct sio_wait *waits;
    uint32_t wait_count;
    uint32_t refs;
    const char *id;   /* own_id, or of the block: protocol 3's are longer */
    char *shared;     /* JSON; NULL: "{}" */
    skio_value *auth; /* the home's if the client sent none */
    struct skio_engine_request *request;
    char long_id[];
};

/* A CONNECTING socket with one reference, the client's. NULL: no memory. */
skio_socket *skio__socket_new(struct sio_client *client, skio_nsp *nsp,
                              const char *auth, size_t auth_len);

/* All middlewares said yes: register, tell the client, run the handlers. */
void skio__socket_connect(skio_socket *socket);

/* The connection or the namespace was left. Runs the handlers, ends acks,
 * frees the data, drops the client's reference unless keep_entry. */
void skio__socket_close(skio_socket *socket, enum skio_disconnect reason,
                        bool keep_entry);

/* It is about to be told that it has connected: join what a middleware wanted.
 * SKIO_OK, SKIO_ENOMEM. */
int skio__socket_join_noted(skio_socket *socket);

/* Free the application's data and the addons'. */
void skio__socket_drop_data(skio_socket *socket);

/* A volatile message, or one that is watched, to a socket with a client. */
int skio__socket_send_with_care(skio_socket *socket,
                                struct skio_message *message, unsigned flags);

/* Queue a message; volatile ones only when the client can take them now.
 * Inline, as each delivery of a broadcast does it. */
static inline int
skio__socket_send(skio_socket *socket, struct skio_message *message,
                  unsigned flags)
{
    if (socket->state == SIO_GONE || socket->client == NULL)
        return SKIO_ECLOSED;
    if (skio__unlikely((flags & SKIO_VOLATILE) != 0 ||
                       SIO_NSP_HAS(socket->nsp, any_outgoing)))
        return skio__socket_send_with_care(socket, message, flags);
    return skio__client_send(socket->client, message);
}

/* In its namespace and its rooms, be it that its `disconnecting` handlers run:
 * as Node's socket.connected. */
static inline bool
skio__socket_is_member(const skio_socket *socket)
{
    return socket->state == SIO_CONNECTED || socket->state == SIO_LEAVING;
}

/* The namespace, or NULL once the server is freed. */
static inline skio_nsp *
skio__socket_nsp(const skio_socket *socket)
{
    return socket->home->server_gone ? NULL : socket->nsp;
}

#endif /* SKIO_SOCKETIO_SOCKET_H */
