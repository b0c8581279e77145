/*
 * Rooms: those that a user enters are the user's, on all devices and while away
 *
 * Clients ask by "join" and "leave", with a room's name, and are answered
 * {ok:true} or {ok:false, error}. The library's guard of rooms asks here: the
 * token says which rooms its user may enter, by its claim "rooms", a list of
 * names, "*" being all; and yes is only said once the store has it.
 */
#ifndef NOTIFY_ROOMS_H
#define NOTIFY_ROOMS_H

#include "connection.h"

int rooms_start(skio_nsp *nsp);

#endif /* NOTIFY_ROOMS_H */
