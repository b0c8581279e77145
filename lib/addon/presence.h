/*
 * Presence: what its files share
 *
 *     presence.c        who is there: sockets, rooms, questions about them
 *     presence_start.c  options, and how it starts
 *     presence_time.c   what takes time
 *     presence_tell.c   what the members of a room are told
 *     presence_wire.c   what servers say to each other
 *     presence_table.c  who is there, as it is kept
 *     presence_tree.c   what is found by its name
 *     presence_meta.c   meta data, which are JSON
 */
#ifndef ADDON_PRESENCE_H
#define ADDON_PRESENCE_H

#include <socketio/cluster.h>

#include "addon/presence_table.h"
#include "addon/presence_wire.h"

struct skio_presence {
    skio_server *server;
    skio_nsp *nsp;
    skio_timer *timer;
    skio_presence_options options;
    struct presence_table table;
    struct presence_wire wire;
    uint64_t digest_at;
    uint64_t expire_at; /* the next server that may have gone */
    uint64_t flush_at;  /* the next batch; UINT64_MAX: none */
    bool is_started;
    char names[]; /* of events */
};

/* ---- presence.c ---- */

/* Look at the sockets of the namespace as they come and go. */
int skio__presence_watch(skio_presence *presence);

/* ---- presence_time.c ---- */

/* What has changed is told in time. */
void skio__presence_schedule(skio_presence *presence);

/* The server's loop, its timer, and other servers: user is the presence. */
void skio__presence_begin(skio_server *server, void *user);
void skio__presence_due(void *user);
void skio__presence_hear(skio_nsp *nsp, const skio_value *args,
                         skio_server_ack *ack, void *user);

#endif /* ADDON_PRESENCE_H */
