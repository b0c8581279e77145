/*
 * Presence: what the members of a room are told
 *
 * Nothing of the table is touched while somebody else's code runs, but what is
 * held.
 */
#ifndef ADDON_PRESENCE_TELL_H
#define ADDON_PRESENCE_TELL_H

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

/* Tell what changed. What is left over, for whatever reason, waits in the
 * table for the next turn. */
void skio__presence_announce(skio_presence *presence);

/* Tell one socket who is there, as the room knows it: with the state event, or
 * as the answer of an ack. What does not fit follows as if they joined. */
int skio__presence_send_state(skio_presence *presence, skio_socket *socket,
                              const char *room, skio_ack *ack);

#endif /* ADDON_PRESENCE_TELL_H */
