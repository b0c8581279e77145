/*
 * Rooms: those that a user enters are the user's, on all devices and while away
 *
 * A client emits "join" or "leave" with a room's name, and is answered {ok:true}
 * or {ok:false, error}. The token says which rooms its user may enter: its claim
 * "rooms", a list of names, "*" being all.
 */
#ifndef NOTIFY_ROOMS_H
#define NOTIFY_ROOMS_H

#include "connection.h"

int rooms_start(skio_nsp *nsp);

#endif /* NOTIFY_ROOMS_H */
