/*
 * Lists of names: pointers, NULL-terminated, to NUL-terminated text
 *
 * A copy lives in a block of the caller's: pointers first, texts behind them.
 */
#ifndef SKIO_BASE_NAMES_H
#define SKIO_BASE_NAMES_H

#include <stddef.h>

/* How many there are; adds to *bytes what a copy takes, its NULL included.
 * names NULL: none. */
size_t skio__names_measure(const char *const *names, size_t *bytes);

/*
 * Copy the texts to `text` and the pointers to `list`, with NULL behind the
 * last. Returns where the next text goes.
 */
char *skio__names_copy(const char **list, const char *const *names, char *text);

#endif /* SKIO_BASE_NAMES_H */
