/*
 * Values: views on checked JSON, with the attachments it refers to
 *
 * What a view is, and its raw text: all that a template needs in order to pass
 * one on. How views are made and read is the business of socketio/value.h.
 */
#ifndef SKIO_BASE_VALUE_H
#define SKIO_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#include "base/arena.h"
#include "base/json.h"

struct sio_tree;   /* a cJSON tree built on first use, socketio/cjson.c */
struct sio_copies; /* what was made of a text of its own, socketio/value.c */

struct skio_value {
    const char *text; /* checked; not NUL-terminated */
    struct skio__json_slice root;
    const struct skio__json_slice *items; /* elements of root, or NULL */
    uint32_t item_count;                  /* how many of them are in items */
    uint32_t count; /* elements of root when it is an argument
                                    list, skip included */
    uint32_t skip;  /* 1: the event's name is not an argument */
    bool is_list;   /* an argument list: the path's first step is
                                    an argument */
    const skio_bytes *attachments;
    uint32_t attachment_count;
    uint64_t first_placeholder; /* number of the first attachment */
    struct skio__arena *arena;  /* for copies, or NULL: */
    struct sio_copies *copies;  /* then they are kept here */
    struct skio_value *owner;   /* whose trees are used; NULL: its own */
    struct sio_tree *tree;      /* NULL until asked for */
};

/* How many arguments a list has. */
static inline uint32_t
skio__value_arg_count(const struct skio_value *value)
{
    return value->count > value->skip ? value->count - value->skip : 0;
}

/* The n-th argument of a list. SKIO_OK or SKIO_ENOENT. */
int skio__value_arg(const struct skio_value *value, uint64_t n,
                    struct skio__json_slice *out);

/* The raw text of a value as it is passed on: for a list, the arguments
 * between the brackets, from `skip` on (may be empty). */
void skio__value_raw(const struct skio_value *value, const char **text,
                     size_t *len);

/* Whether a placeholder with this number stands for an attachment. */
static inline bool
skio__value_has_attachment(const struct skio_value *value, int64_t num)
{
    return num >= 0 && (uint64_t)num >= value->first_placeholder &&
           (uint64_t)num - value->first_placeholder < value->attachment_count;
}

#endif /* SKIO_BASE_VALUE_H */
