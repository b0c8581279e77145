/*
 * What addons hang on a socket or a server, by a key of their own
 *
 * A list: an object has none, or as many as there are addons.
 */
#ifndef SKIO_SOCKETIO_ATTACHED_H
#define SKIO_SOCKETIO_ATTACHED_H

#include <socketio/base.h>

struct sio_attached {
    struct sio_attached *next; /* the latest first */
    const void *key;
    void *data;
    void (*free_fn)(void *data); /* may be NULL */
};

/* The link that leads to the one with this key, or to the list's end. */
struct sio_attached **skio__attached_find(struct sio_attached **list,
                                          const void *key);

/* Put one in front. SKIO_OK or SKIO_ENOMEM. */
int skio__attached_add(struct sio_attached **list, const skio_allocator *mem,
                       const void *key, void *data, void (*free_fn)(void *));

#endif /* SKIO_SOCKETIO_ATTACHED_H */
