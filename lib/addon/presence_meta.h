/*
 * Presence: meta data
 */
#ifndef ADDON_PRESENCE_META_H
#define ADDON_PRESENCE_META_H

#include <socketio/transport.h>

/* JSON text that several have. */
struct presence_meta {
    size_t refs;
    size_t len;
    char text[]; /* with a NUL behind it */
};

/* A copy; NULL: no memory. */
struct presence_meta *skio__presence_meta_new(skio_server *server,
                                              const char *json, size_t len);
struct presence_meta *skio__presence_meta_ref(struct presence_meta *meta);
/* NULL does nothing. */
void skio__presence_meta_unref(skio_server *server, struct presence_meta *meta);
bool skio__presence_meta_equals(const struct presence_meta *a,
                                const struct presence_meta *b);

/* Whether checked JSON still has its place where messages wrap it. */
bool skio__presence_is_shallow(const skio_server *server, const char *json,
                               size_t len);

#endif /* ADDON_PRESENCE_META_H */
