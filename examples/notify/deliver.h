/*
 * Delivery: what comes and goes
 *
 * To clients: "welcome" {user, rooms, store}; "notification" {id, to, at,
 * expires, content}, to be acknowledged (connection.h); "trouble" (a text).
 * From clients: "join" and "leave" (rooms.c), and "read" (a number), which the
 * other devices of the user are told.
 */
#ifndef NOTIFY_DELIVER_H
#define NOTIFY_DELIVER_H

#include "connection.h"

/* Register the handlers. The namespace is guarded: sockets are bound to users.
 */
int deliver_start(struct deliver *deliver, skio_nsp *nsp,
                  struct writer *writer);

/* A notification was accepted: to those of these users who are online. Without
 * it (NULL: no memory) the connections look in the store. */
void deliver_new(struct deliver *deliver, const int64_t *users, size_t count,
                 const struct notice *notice);

#endif /* NOTIFY_DELIVER_H */
