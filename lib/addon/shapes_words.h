/*
 * Shapes: the words of a declaration, its keys, texts and ranges
 *
 * What is not as it should be is told by a sentence and by its place; the
 * functions return false then.
 */
#ifndef SKIO_ADDON_SHAPES_WORDS_H
#define SKIO_ADDON_SHAPES_WORDS_H

#include "addon/shapes_tree.h"

struct shape_words {
    const char *pos;
    const char *fault;
    const char *why;
};

/* False, for this reason, at pos or where the words are. */
static inline bool
skio__shape_fail_at(struct shape_words *w, const char *pos, const char *why)
{
    w->fault = pos;
    w->why = why;
    return false;
}

static inline bool
skio__shape_fail(struct shape_words *w, const char *why)
{
    return skio__shape_fail_at(w, w->pos, why);
}

void skio__shape_skip_space(struct shape_words *w);

/* Take a sign of one or more characters, if it comes next. */
bool skio__shape_take(struct shape_words *w, const char *sign);

/* Bytes of the word that comes next, of letters, digits, '_', '$' and '-'. */
size_t skio__shape_word_len(const struct shape_words *w);

/* A text between single quotes; what stands there means itself. */
bool skio__shape_read_quoted(struct shape_words *w, const char **text,
                             size_t *len);

/* A key, of a few characters or quoted. */
bool skio__shape_read_key(struct shape_words *w, const char **text,
                          size_t *len);

/* The range of a node, whose kind is known; the widest if there is none. */
bool skio__shape_read_range(struct shape_words *w, struct shape_node *node);

#endif /* SKIO_ADDON_SHAPES_WORDS_H */
