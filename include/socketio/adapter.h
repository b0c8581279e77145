/*
 * libsocketio: the adapter interface
 *
 * An adapter knows which sockets are in which rooms, and carries broadcasts. A
 * namespace has one of its own. The memory adapter, which every server starts
 * with, serves one process; an adapter for a cluster makes a memory adapter for
 * its local half with skio_adapter_memory() and publishes beside it.
 *
 * Everything here is asynchronous where a cluster needs it to be; local
 * delivery never waits. Experimental until 1.0.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_ADAPTER_H
#define SOCKETIO_ADAPTER_H

#include <socketio/base.h>
#include <socketio/emit.h>

SKIO_BEGIN_DECLS

typedef struct skio_adapter skio_adapter;

/** A broadcast whose acknowledgements are collected. */
struct skio_asking;

/** What an adapter does. Names of rooms are NUL-terminated and checked. */
typedef struct skio_adapter_ops {
    size_t struct_size;
    /** The namespace is going away: free everything. */
    void (*close)(skio_adapter *adapter);
    /** A socket connected, or is about to be forgotten; its own room, named by
     *  its id, is implied by these two and never joined or left. */
    int (*add)(skio_adapter *adapter, skio_socket *socket);
    void (*remove)(skio_adapter *adapter, skio_socket *socket);
    /** SKIO_OK also when it is a member already; SKIO_ELIMIT; SKIO_ENOMEM. */
    int (*join)(skio_adapter *adapter, skio_socket *socket, const char *room);
    /** SKIO_ENOENT when it is no member. */
    int (*leave)(skio_adapter *adapter, skio_socket *socket, const char *room);
    bool (*has)(const skio_adapter *adapter, const skio_socket *socket,
                const char *room);
    /** The socket's rooms, its own first. */
    void (*rooms)(const skio_adapter *adapter, const skio_socket *socket,
                  skio_room_fn *fn, void *user);
    /** Deliver a message to a target. */
    int (*broadcast)(skio_adapter *adapter, skio_message *message,
                     const skio_target *target);
    /** As broadcast, for a message that asks each receiver for an ack: call
     *  skio_adapter_deliver_asking() for each local one. */
    int (*broadcast_asking)(skio_adapter *adapter, skio_message *message,
                            const skio_target *target,
                            struct skio_asking *asking);
    /** Visit the local sockets of a target; the callback may disconnect any.
     *  SKIO_OK or SKIO_ENOMEM. */
    int (*each)(skio_adapter *adapter, const skio_target *target,
                skio_socket_fn *fn, void *user);
    /** See skio_sockets_join(), skio_sockets_leave(), skio_sockets_disconnect()
     *  and skio_sockets_fetch(). */
    int (*sockets_join)(skio_adapter *adapter, const skio_target *target,
                        const char *room);
    int (*sockets_leave)(skio_adapter *adapter, const skio_target *target,
                         const char *room);
    int (*sockets_disconnect)(skio_adapter *adapter, const skio_target *target,
                              bool close);
    int (*fetch)(skio_adapter *adapter, const skio_target *target,
                 skio_fetch_fn *fn, void *user);
} skio_adapter_ops;

/** An adapter begins with this; what follows is its own. */
struct skio_adapter {
    const skio_adapter_ops *ops;
    skio_nsp *nsp;
};

/** Makes the adapter of a namespace: SKIO_OK, or why not. */
typedef int skio_adapter_factory(skio_nsp *nsp, void *user, skio_adapter **out);

/**
 * Use another adapter, for all namespaces.
 *
 * Returns SKIO_OK, or SKIO_EBUSY once a namespace exists beside an unused "/".
 */
SKIO_API int skio_server_adapter(skio_server *server,
                                 skio_adapter_factory *factory, void *user)
    SKIO_NONNULL(1, 2);

/** The memory adapter: the default, and the local half of every other. */
SKIO_API int skio_adapter_memory(skio_nsp *nsp, void *user, skio_adapter **out)
    SKIO_NONNULL(1, 3);

/** A socket in the result of a fetch: a local one, or what a node reported. */
struct skio_remote {
    skio_socket *socket; /**< local; NULL: the rest is filled */
    const char *id;
    const char *shared;       /**< JSON text */
    const char *const *rooms; /**< NULL-terminated, its own first */
};

/** Where an adapter keeps what it knows of a socket; NULL at first. */
SKIO_API void **skio_adapter_slot(const skio_socket *socket) SKIO_NONNULL(1);

/** Queue a message for one socket: no allocation, no copy. */
SKIO_API void skio_adapter_deliver(skio_socket *socket, skio_message *message,
                                   unsigned flags) SKIO_NONNULL(1, 2);

/** Queue a message that asks for an ack. */
SKIO_API void skio_adapter_deliver_asking(skio_socket *socket,
                                          skio_message *message, unsigned flags,
                                          struct skio_asking *asking)
    SKIO_NONNULL(1, 2, 4);

/** Whether handlers watch each delivery: then a broadcast may call into the
 *  application and must not walk its own arrays. */
SKIO_API bool skio_adapter_is_watched(const skio_nsp *nsp) SKIO_NONNULL(1);

/** A room of this server changed: tell those who watch. */
SKIO_API void skio_adapter_room_event(skio_nsp *nsp, enum skio_room_event event,
                                      const char *room, skio_socket *socket)
    SKIO_NONNULL(1, 3);

/** All memory of an adapter comes from here. */
SKIO_API const skio_allocator *skio_adapter_allocator(const skio_nsp *nsp)
    SKIO_NONNULL(1);

/** The unpredictable 16 bytes that hash tables of this server are keyed with.
 */
SKIO_API const unsigned char *skio_adapter_hash_key(const skio_nsp *nsp)
    SKIO_NONNULL(1);

/** The options, for their limits. */
SKIO_API const skio_server_options *skio_adapter_options(const skio_nsp *nsp)
    SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_ADAPTER_H */
