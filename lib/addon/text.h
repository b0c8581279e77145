/*
 * Text that addons write: it grows, and knows how JSON quotes
 */
#ifndef SKIO_ADDON_TEXT_H
#define SKIO_ADDON_TEXT_H

#include <socketio/socketio.h>

/* {.server = server} to begin with. */
struct addon_text {
    skio_server *server;
    char *data; /* with a NUL behind it, unless it is NULL */
    size_t len;
    size_t cap;
    bool failed; /* memory ran out: what is there is not all */
};

void skio__text_add(struct addon_text *text, const void *data, size_t len);
void skio__text_str(struct addon_text *text, const char *str);
void skio__text_number(struct addon_text *text, uint64_t number);
/* A JSON string of UTF-8; NULL: null. */
void skio__text_quote(struct addon_text *text, const char *str);
void skio__text_deinit(struct addon_text *text);

/* As skio_transport_json(): a text of its own, of a template. */
int skio__text_json(skio_server *server, skio_bytes *out, const char *format,
                    ...) SKIO_PRINTF(3, 4);

#endif /* SKIO_ADDON_TEXT_H */
