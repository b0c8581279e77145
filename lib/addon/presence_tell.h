/*
 * Presence: what the members of a room are told
 *
 * Nothing of the table is touched while somebody else's code runs, but what is
 * held.
 */
#ifndef ADDON_PRESENCE_TELL_H
#define ADDON_PRESENCE_TELL_H

#include "addon/presence.h"

/* Tell what changed. What is left over, for whatever reason, waits in the
 * table for the next turn. */
void skio__presence_announce(skio_presence *presence);

/* Tell one socket who is there, as the room knows it: with the state event, or
 * as the answer of an ack. What does not fit follows as if they joined. */
int skio__presence_send_state(skio_presence *presence, skio_socket *socket,
                              const char *room, skio_ack *ack);

#endif /* ADDON_PRESENCE_TELL_H */
