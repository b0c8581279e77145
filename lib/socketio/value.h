/*
 * Values: views on checked JSON, with the attachments it refers to
 *
 * Three kinds share the type: the arguments of a packet (the elements of an
 * array from `skip` on), a part of one (skio_get_value), and a text of its own
 * (handshake auth, HTTP body). Copies made on demand live in an arena.
 */
#ifndef SKIO_SOCKETIO_VALUE_H
#define SKIO_SOCKETIO_VALUE_H

#include <socketio/value.h>

#include "base/arena.h"
#include "base/json.h"

#define SIO_VALUE_ITEMS 16 /* argument slices kept; later ones are walked to */

struct sio_tree; /* a cJSON tree built on first use, cjson.c */

struct skio_value {
    const char *text;            /* checked; not NUL-terminated */
    struct skio__json_slice root;
    const struct skio__json_slice *items; /* elements of root, or NULL */
    uint32_t item_count;         /* how many of them are in items */
    uint32_t count;              /* elements of root when it is an argument
                                    list, skip included */
    uint32_t skip;               /* 1: the event's name is not an argument */
    bool is_list;                /* an argument list: the path's first step is
                                    an argument */
    const skio_bytes *attachments;
    uint32_t attachment_count;
    struct skio__arena *arena;
    struct sio_tree *tree;       /* NULL until asked for */
};

/* A list of arguments: root must be an array (validated), its first `skip`
 * elements hidden. items may be NULL. */
void skio__value_init_args(struct skio_value *value, const char *text,
                           const struct skio__json_slice *root,
                           const struct skio__json_slice *items,
                           uint32_t item_count, uint32_t count, uint32_t skip,
                           const skio_bytes *attachments,
                           uint32_t attachment_count,
                           struct skio__arena *arena);

/* One value of its own; text validated. */
void skio__value_init_root(struct skio_value *value, const char *text,
                           const struct skio__json_slice *root,
                           struct skio__arena *arena);

/* Drop the trees that were built (arena memory is the caller's). */
void skio__value_deinit(struct skio_value *value);

/* The raw text of a value as it is passed on: for a list, the arguments
 * between the brackets, from `skip` on (may be empty). */
void skio__value_raw(const struct skio_value *value, const char **text,
                     size_t *len);

#endif /* SKIO_SOCKETIO_VALUE_H */
