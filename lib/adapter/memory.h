/*
 * What the two halves of the memory adapter share: memory.c keeps who is in
 * which room, memory_deliver.c reaches those whom a target names
 */
#ifndef SKIO_ADAPTER_MEMORY_H
#define SKIO_ADAPTER_MEMORY_H

#include <socketio/adapter.h>

#include "base/compiler.h"
#include "base/map.h"

struct membership {
    struct room *room;
    uint32_t index; /* in room->members */
};

/* What hangs in a socket's slot. */
struct member {
    skio_socket *socket;
    uint32_t index; /* in memory->all */
    uint32_t round; /* of the broadcast that last met this member */
    uint32_t count;
    uint32_t cap;
    struct membership *rooms;
};

struct room_entry {
    struct member *member;
    uint32_t place; /* in member->rooms */
};

struct room {
    struct skio__map_node node;
    struct room_entry *members;
    uint32_t count;
    uint32_t cap;
    uint32_t holds; /* events about it that are being told */
    bool is_gone;   /* out of the map: freed with the last hold */
    char name[];
};

struct memory {
    struct skio_adapter base;
    const skio_allocator *mem;
    struct skio__map rooms; /* name -> room, none empty */
    struct member **all;
    uint32_t count;
    uint32_t cap;
    uint32_t round;
    bool has_told; /* that there are no other servers */
};

static inline struct memory *
skio__memory_of(const skio_adapter *adapter)
{
    return skio__container_of(adapter, struct memory, base);
}

static inline struct member *
skio__memory_member(const skio_socket *socket)
{
    return *skio_adapter_slot(socket);
}

/* A room that has members beside a socket of this id, or NULL. */
struct room *skio__memory_room(const struct memory *memory, const char *name);

/* memory_deliver.c, for the table of operations. */
int skio__memory_broadcast(skio_adapter *adapter, skio_message *message,
                           const skio_target *target);
int skio__memory_broadcast_asking(skio_adapter *adapter, skio_message *message,
                                  const skio_target *target,
                                  struct skio_asking *asking);
int skio__memory_each(skio_adapter *adapter, const skio_target *target,
                      skio_socket_fn *fn, void *user);
int skio__memory_sockets_join(skio_adapter *adapter, const skio_target *target,
                              const char *room);
int skio__memory_sockets_leave(skio_adapter *adapter, const skio_target *target,
                               const char *room);
int skio__memory_sockets_disconnect(skio_adapter *adapter,
                                    const skio_target *target, bool close);
int skio__memory_fetch(skio_adapter *adapter, const skio_target *target,
                       skio_fetch_fn *fn, void *user);

/* memory_ask.c, likewise. */
int skio__memory_count(skio_adapter *adapter, const skio_target *target,
                       skio_count_fn *fn, void *user);
int skio__memory_server_count(skio_adapter *adapter, skio_count_fn *fn,
                              void *user);
int skio__memory_rooms_fetch(skio_adapter *adapter, skio_rooms_fn *fn,
                             void *user);
int skio__memory_each_room(skio_adapter *adapter, skio_room_fn *fn, void *user);
size_t skio__memory_room_count(const skio_adapter *adapter, const char *name);
int skio__memory_server_side_emit(skio_adapter *adapter, skio_message *message,
                                  struct skio_server_asking *asking);

/* The socket whose implied own room this is, or NULL. */
struct member *skio__memory_own(const struct memory *memory, const char *name);

/* Visit each local member of a target once. fn changes no membership. */
typedef void skio__memory_visit_fn(struct member *member, void *user);
void skio__memory_visit(struct memory *memory, const skio_target *target,
                        skio__memory_visit_fn *fn, void *user);

#endif /* SKIO_ADAPTER_MEMORY_H */
