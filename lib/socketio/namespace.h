/*
 * Namespaces: their sockets, handlers and adapter
 */
#ifndef SKIO_SOCKETIO_NAMESPACE_H
#define SKIO_SOCKETIO_NAMESPACE_H

#include <socketio/adapter.h>
#include <socketio/namespace.h>

#include "socketio/handlers.h"
#include "socketio/server.h"

struct skio_nsp {
    struct skio__map_node node; /* in server->namespaces, by name */
    skio_server *server;
    skio_adapter *adapter;
    struct skio__map sockets; /* id -> connected socket */
    uint64_t next_ack_id;     /* Node counts them per namespace, too */

    struct skio__map events; /* name -> sio_event */
    struct sio_handlers any;
    struct sio_handlers connect;
    struct sio_handlers disconnecting;
    struct sio_handlers disconnect;
    struct sio_handlers backpressure;
    struct sio_handlers middlewares;

    size_t name_len;
    char name[];
};

/* An existing namespace, by a name that need not be NUL-terminated. */
skio_nsp *skio__nsp_find(const skio_server *server, const char *name,
                         size_t len);

void skio__nsp_free(skio_nsp *nsp);

/* What an encoder of this namespace's packets needs. */
void skio__nsp_encoder(skio_nsp *nsp, struct sio_encoder *encoder);

/* Run the handlers of an event: the catch-all ones first. */
void skio__nsp_dispatch(skio_nsp *nsp, skio_socket *socket, const char *event,
                        size_t len, const skio_value *args, skio_ack *ack);

#endif /* SKIO_SOCKETIO_NAMESPACE_H */
