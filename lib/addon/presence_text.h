/*
 * Presence: JSON text that grows, and the pieces it is made of
 */
#ifndef ADDON_PRESENCE_TEXT_H
#define ADDON_PRESENCE_TEXT_H

#include <socketio/transport.h>

/* {NULL, 0, 0, false, server} to begin with. */
struct presence_text {
    char *data; /* with a NUL behind it, unless it is NULL */
    size_t len;
    size_t cap;
    bool has_failed; /* memory ran out: what is there is not all */
    skio_server *server;
};

void skio__presence_text_add(struct presence_text *text, const char *data,
                             size_t len);
void skio__presence_text_str(struct presence_text *text, const char *str);
void skio__presence_text_number(struct presence_text *text, uint64_t number);
/* As a JSON string; str is UTF-8. */
void skio__presence_text_quote(struct presence_text *text, const char *str);
void skio__presence_text_deinit(struct presence_text *text);

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

/* As skio_transport_json(). */
int skio__presence_json(skio_server *server, skio_bytes *out,
                        const char *format, ...) SKIO_PRINTF(3, 4);

#endif /* ADDON_PRESENCE_TEXT_H */
