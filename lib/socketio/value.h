/*
 * Values: views on checked JSON, with the attachments it refers to
 *
 * Three kinds share the type: the arguments of a packet (the elements of an
 * array from `skip` on), a part of one (skio_get_value), and a text of its own
 * (handshake auth, HTTP body). Copies made on demand live in an arena; for a
 * text of its own, which may live as long as its socket, each is made once and
 * found again, so that reading it over and over costs no memory.
 */
#ifndef SKIO_SOCKETIO_VALUE_H
#define SKIO_SOCKETIO_VALUE_H

#include <socketio/value.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/value.h"

#define SIO_VALUE_ITEMS 16 /* argument slices kept; later ones are walked to */

/* A list of arguments: root must be an array (validated), its first `skip`
 * elements hidden. items may be NULL. text NULL: a packet without data, there
 * are no arguments. Inline: each event has one. */
static inline void
skio__value_init_args(struct skio_value *value, const char *text,
                      const struct skio__json_slice *root,
                      const struct skio__json_slice *items, uint32_t item_count,
                      uint32_t count, uint32_t skip,
                      const skio_bytes *attachments, uint32_t attachment_count,
                      struct skio__arena *arena)
{
    const struct skio__json_slice empty = {0, 2, SKIO__JSON_ARRAY, 0};

    /* Member by member: to zero the whole first takes longer. */
    value->text = text != NULL ? text : "[]";
    value->root = text != NULL ? *root : empty;
    value->items = items;
    value->item_count = text != NULL && items != NULL ? item_count : 0;
    value->count = text != NULL ? count : 0;
    value->skip = skip;
    value->is_list = true;
    value->attachments = attachments;
    value->attachment_count = attachment_count;
    value->first_placeholder = 0;
    value->arena = arena;
    value->copies = NULL;
    value->owner = NULL;
    value->tree = NULL;
}

/*
 * The same for a text that nobody has checked yet, of another server: it must
 * be an array of at least `skip` elements. items has room for SIO_VALUE_ITEMS.
 * SKIO_OK, SKIO_EPROTO, SKIO_EUTF8, SKIO_ELIMIT or SKIO_ETOOBIG.
 */
int skio__value_init_list(struct skio_value *value, const char *text,
                          size_t len, struct skio__json_slice *items,
                          uint32_t skip, const skio_bytes *attachments,
                          uint32_t attachment_count, struct skio__arena *arena,
                          uint32_t max_depth);

/* One value of its own; text validated. */
void skio__value_init_root(struct skio_value *value, const char *text,
                           const struct skio__json_slice *root,
                           struct skio__arena *arena);

/* How a tree begins. Who drops them all is known to it alone: a program that
 * never asks for one can be linked, statically, without cJSON. */
struct sio_tree {
    struct sio_tree *next;
    void (*drop_all)(struct skio_value *value);
};

/* Drop the trees that were built (arena memory is the caller's). */
static inline void
skio__value_deinit(struct skio_value *value)
{
    if (value->tree != NULL)
        value->tree->drop_all(value);
}

/*
 * A value on the heap, on text that is checked here; the caller keeps the
 * text, or it is copied. NULL when it is not JSON or memory ran out.
 */
struct skio_value *skio__value_new(const skio_allocator *mem, const char *text,
                                   size_t len, uint32_t max_depth);
struct skio_value *skio__value_copy(const skio_allocator *mem, const char *text,
                                    size_t len, uint32_t max_depth);
void skio__value_free(struct skio_value *value); /* NULL does nothing */

/*
 * Where a path leads. *whole (may be NULL) is set when that is the argument
 * list itself: root, the hidden elements included. SKIO_OK or SKIO_ENOENT.
 */
int skio__value_find(const struct skio_value *value, const char *path,
                     struct skio__json_slice *out, bool *whole);

/* The attachment a slice stands for; false if it is no placeholder. */
bool skio__value_attachment(const struct skio_value *value,
                            const struct skio__json_slice *slice,
                            skio_bytes *out);

/* The allocator that its copies come from. */
const skio_allocator *skio__value_mem(const struct skio_value *value);

/* What a copy is. */
enum sio_copy { SIO_COPY_STR, SIO_COPY_JSON, SIO_COPY_VALUE };

/*
 * Memory that lives as long as the value's copies do. *is_new tells whether it
 * must be filled: a text of its own answers with what it has for this place.
 * NULL when memory ran out.
 */
void *skio__value_keep(const struct skio_value *value, enum sio_copy what,
                       uint32_t start, size_t size, bool *is_new);

#endif /* SKIO_SOCKETIO_VALUE_H */
