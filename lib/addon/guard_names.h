/*
 * Names of rooms that clients ask for, and how many rooms a socket has
 */
#ifndef SKIO_ADDON_GUARD_NAMES_H
#define SKIO_ADDON_GUARD_NAMES_H

#include <socketio/guard.h>

/* What is wrong with a name, which may be NULL; NULL: nothing. */
const char *skio__guard_find_fault(const skio_guard_options *options,
                                   const skio_socket *socket, const char *room);

/* Whether a socket is in as many rooms as it may be. */
bool skio__guard_has_all_rooms(const skio_guard_options *options,
                               const skio_socket *socket);

#endif /* SKIO_ADDON_GUARD_NAMES_H */
