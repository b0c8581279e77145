/*
 * Presence: the table of members
 *
 *      room "chat" ── user "ann" ── device, device       of whichever server
 *                  └─ user "bob" ── device
 *      server      ── its devices                        others, and this one
 *      socket      ── its devices                        of this server alone
 *
 * A room has a name, users and what its members have been told of each. A user
 * is there while there are devices, and known until that is told. A device is a
 * socket in a room. What another server has said is bounded here.
 *
 * What has changed waits in two queues: users whose change is not told yet, by
 * room, and own devices that other servers do not know as they are.
 */
#ifndef ADDON_PRESENCE_TABLE_H
#define ADDON_PRESENCE_TABLE_H

#include <socketio/presence.h>

#include "addon/presence_meta.h"
#include "addon/presence_tree.h"

/* A place in a ring; one that is alone points to itself, or is zero. */
struct presence_link {
    struct presence_link *prev;
    struct presence_link *next;
};

void skio__presence_ring_init(struct presence_link *ring);
bool skio__presence_ring_is_empty(const struct presence_link *ring);
void skio__presence_ring_push(struct presence_link *ring,
                              struct presence_link *link);
/* Does nothing for one that is in no ring. */
void skio__presence_ring_remove(struct presence_link *link);

struct presence_table {
    skio_server *server;
    const skio_presence_options *options;
    struct presence_tree rooms;
    struct presence_tree servers;
    struct presence_tree sockets;
    struct presence_link own;     /* devices */
    struct presence_link changed; /* rooms with users whose change waits */
    struct presence_link out;     /* own devices to be told to other servers */
    struct presence_link away;    /* sockets that may come back; oldest first */
    size_t unsynced; /* of those in out, what a full state still lacks */
    size_t devices;
    uint64_t clock; /* of stamps: the latest that was seen */
    uint64_t seed;
};

struct presence_room {
    struct presence_node node;
    struct presence_link changed;
    struct presence_link users; /* of it, whose change waits */
    struct presence_tree table;
    size_t present; /* users with devices */
    unsigned holds;
    skio_bytes json; /* its name, quoted */
    char name[];
};

struct presence_user {
    struct presence_node node;
    struct presence_link changed;
    struct presence_link devices;
    struct presence_room *room;
    struct presence_meta *told; /* NULL: the room knows of no such user */
    size_t device_count;
    size_t holds;
    skio_bytes json; /* the id, quoted */
    char id[];
};

/* A server of the cluster but this one. */
struct presence_server {
    struct presence_node node;
    struct presence_link devices;
    uint64_t heard_at;
    uint64_t asked_at; /* 0: never */
    uint64_t seq;      /* of what was heard last */
    unsigned generation;
    bool is_known;   /* nothing before seq is missing */
    bool is_syncing; /* amid a full state */
    char id[];
};

/* A socket of this server that is tracked. */
struct presence_socket {
    struct presence_node node;
    struct presence_link devices;
    struct presence_link away;
    uint64_t due; /* when it does not come back any more; 0: it is connected */
    char id[];
};

struct presence_device {
    struct presence_link of_user;
    struct presence_link of_server;
    struct presence_link of_socket;
    struct presence_link out;
    struct presence_user *user;
    struct presence_server *server; /* NULL: this one */
    struct presence_socket *socket; /* NULL: another server's */
    struct presence_meta *meta;
    uint64_t stamp;
    unsigned generation;
    bool is_told; /* other servers may know it */
    bool is_gone; /* it only waits to be told so */
    bool is_unsynced;
    char id[];
};

/* What is to be known of a device. */
struct presence_entry {
    const char *room;
    const char *user;
    const char *id; /* of the socket */
    struct presence_meta *meta;
    uint64_t stamp;
};

void skio__presence_table_init(struct presence_table *table,
                               skio_server *server,
                               const skio_presence_options *options,
                               uint64_t seed);
void skio__presence_table_deinit(struct presence_table *table);

struct presence_room *
skio__presence_room_find(const struct presence_table *table, const char *name);
struct presence_user *skio__presence_user_find(
    const struct presence_table *table, const char *room, const char *user);
/* Free it when nobody has a use for it. */
void skio__presence_room_release(struct presence_table *table,
                                 struct presence_room *room);
/* The next user with devices behind this one; NULL: the first. */
struct presence_user *skio__presence_user_after(
    const struct presence_room *room, const struct presence_user *user);
/* What is held stays readable until it is released. */
void skio__presence_user_hold(struct presence_user *user);
void skio__presence_user_release(struct presence_table *table,
                                 struct presence_user *user);
/* That of the latest device; NULL without one. */
struct presence_meta *
skio__presence_user_meta(const struct presence_user *user);
/* The device with this id, of this server, NULL: of one's own. */
struct presence_device *skio__presence_device_find(
    const struct presence_user *user, const struct presence_server *server,
    const char *id);

/**
 * Have a device, or change it. server NULL: this one, and socket is its.
 * Returns SKIO_OK, SKIO_ELIMIT, SKIO_EINVAL for a user's id that is not UTF-8,
 * SKIO_ENOMEM.
 */
int skio__presence_put(struct presence_table *table,
                       const struct presence_entry *entry,
                       struct presence_server *server,
                       struct presence_socket *socket);
/* It has gone. */
void skio__presence_remove(struct presence_table *table,
                           struct presence_device *device);
/* Take the first one that other servers are to be told of. A device that has
 * gone is freed. */
void skio__presence_out_pop(struct presence_table *table);
/* Tell others of all, those that have gone left out. */
void skio__presence_out_all(struct presence_table *table);

struct presence_socket *
skio__presence_socket_find(const struct presence_table *table, const char *id);
struct presence_socket *skio__presence_socket_new(struct presence_table *table,
                                                  const char *id);
/* Free it when it has no devices. */
void skio__presence_socket_release(struct presence_table *table,
                                   struct presence_socket *socket);
/* With all of its devices. */
void skio__presence_socket_drop(struct presence_table *table,
                                struct presence_socket *socket);
/* Its device in a room, or NULL. */
struct presence_device *skio__presence_socket_device(
    const struct presence_socket *socket, const char *room);

struct presence_server *
skio__presence_server_find(const struct presence_table *table, const char *id);
/* NULL beyond max_servers, or without memory. */
struct presence_server *skio__presence_server_new(struct presence_table *table,
                                                  const char *id);
/* All that it had, or all of an older generation. */
void skio__presence_server_sweep(struct presence_table *table,
                                 struct presence_server *server, bool all);
void skio__presence_server_free(struct presence_table *table,
                                struct presence_server *server);

#endif /* ADDON_PRESENCE_TABLE_H */
