/*
 * The strings among the members of a struct, of which a table has the offsets
 */
#ifndef SKIO_BASE_STRINGS_H
#define SKIO_BASE_STRINGS_H

#include <stddef.h>

#include "base/mem.h"

/* The table: so many rows, so far apart, of which each has an offset. */
struct skio__strings {
    const size_t *first;
    size_t stride; /* bytes */
    size_t count;
};

/* The string of a row: a member of the struct at `in`. */
const char **skio__strings_at(const struct skio__strings *strings, void *in,
                              size_t i);

/*
 * Each becomes a copy, unless it is NULL. SKIO_OK, or SKIO_ENOMEM: then all are
 * NULL, and nothing is kept.
 */
int skio__strings_copy(const struct skio__strings *strings, void *in,
                       const skio_allocator *mem);
/* Each becomes NULL: they are somebody else's. */
void skio__strings_forget(const struct skio__strings *strings, void *in);
/* Each copy is freed, and becomes NULL. */
void skio__strings_free(const struct skio__strings *strings, void *in,
                        const skio_allocator *mem);

#endif /* SKIO_BASE_STRINGS_H */
