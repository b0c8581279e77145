/*
 * Folders served through lws (skio_mount): kept here until the listener's
 * vhost is made
 */
#ifndef SKIO_TRANSPORT_MOUNT_H
#define SKIO_TRANSPORT_MOUNT_H

#include <socketio/http.h>

struct skio__lws;

struct skio__mount {
    struct skio__mount *next;
    char *path; /* without a trailing slash, but "/" */
    char *folder;
    char *index;
};

void skio__mounts_free(struct skio__lws *transport);

#endif /* SKIO_TRANSPORT_MOUNT_H */
