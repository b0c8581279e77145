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
    skio_adapter *adapter;         /* of a parent: NULL */
    skio_nsp *parent;              /* made on demand; NULL: by skio_of() */
    struct sio_recovery *recovery; /* NULL: off */
    struct sio_matcher *matcher;   /* this is a parent, dynamic.h */
    size_t refs; /* sockets and messages of the application, gone ones too */
    struct skio__map sockets;   /* id -> connected socket */
    uint64_t received;          /* events */
    uint64_t next_ack_id;       /* Node counts them per namespace, too */
    struct sio_encoder encoder; /* skio__nsp_encoder(); not of a parent */

    struct sio_events events;
    struct sio_events server_events; /* of other servers */
    struct sio_handlers any;
    struct sio_handlers any_outgoing;
    struct sio_handlers event_middlewares;
    struct sio_handlers error;
    struct sio_handlers room;
    struct sio_handlers connect;
    struct sio_handlers disconnecting;
    struct sio_handlers disconnect;
    struct sio_handlers backpressure;
    struct sio_handlers expired;
    struct sio_handlers shared;
    struct sio_handlers middlewares;

    size_t name_len;
    char name[];
};

/* An existing namespace, by a name that need not be NUL-terminated. */
skio_nsp *skio__nsp_find(const skio_server *server, const char *name,
                         size_t len);

/* Make a namespace that does not exist; parent NULL: by skio_of(). */
skio_nsp *skio__nsp_new(skio_server *server, const char *name, size_t len,
                        skio_nsp *parent);

void skio__nsp_free(skio_nsp *nsp);

/* Have the adapters tell the other servers that this one ends. */
void skio__nsp_shutdown(skio_server *server);

/* Run a list of handlers: the parent's first. */
#define SIO_NSP_RUN(nsp, list, type, call)                                     \
    do {                                                                       \
        if ((nsp)->parent != NULL)                                             \
            SIO_HANDLERS_RUN(&(nsp)->parent->list, type, call);                \
        SIO_HANDLERS_RUN(&(nsp)->list, type, call);                            \
    } while (0)

/* Whether a list, or the parent's, has any. */
#define SIO_NSP_HAS(nsp, list)                                                 \
    ((nsp)->list.count > 0 ||                                                  \
     ((nsp)->parent != NULL && (nsp)->parent->list.count > 0))

/* Whether an adapter has one of the operations that may be absent. */
#define SIO_ADAPTER_HAS(adapter, op)                                           \
    ((adapter)->ops->struct_size >=                                            \
         offsetof(skio_adapter_ops, op) + sizeof((adapter)->ops->op) &&        \
     (adapter)->ops->op != NULL)

/* What an encoder of this namespace's packets needs: to be changed by who asks
 * for it. As it is it stands in nsp->encoder, for whoever sends much. */
void skio__nsp_encoder(skio_nsp *nsp, struct sio_encoder *encoder);

#endif /* SKIO_SOCKETIO_NAMESPACE_H */
