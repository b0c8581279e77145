/*
 * Names of rooms that clients ask for, and how many rooms a socket has
 */
#ifndef SKIO_ADDON_GUARD_NAMES_H
#define SKIO_ADDON_GUARD_NAMES_H

#include <socketio/guard.h>

/* How many bytes the reserved prefixes take, with their pointers; SIZE_MAX when
 * there is one that all names have. */
size_t skio__guard_reserved_bytes(const char *const *names);

/* Have the options hold a copy of theirs, which lies in so many bytes. */
void skio__guard_keep_reserved(skio_guard_options *options, void *bytes);

/* What is wrong with a name, which may be NULL; NULL: nothing. */
const char *skio__guard_find_fault(const skio_guard_options *options,
                                   const skio_socket *socket, const char *room);

/* Whether a socket is in as many rooms as it may be. */
bool skio__guard_has_all_rooms(const skio_guard_options *options,
                               const skio_socket *socket);

#endif /* SKIO_ADDON_GUARD_NAMES_H */
