/*
 * Memory
 *
 * Everything the library allocates for itself goes through these functions
 * and the allocator the host named. Sizes are multiplied with an overflow
 * check, so that a hostile count fails as an allocation does.
 */
#ifndef SKIO_BASE_MEM_H
#define SKIO_BASE_MEM_H

#include <stddef.h>

#include <socketio/base.h>

/* The C library's allocator; lives forever. */
const skio_allocator *skio__mem_default(void);

/* NULL on failure, and for size 0. Free with skio__mem_free(). */
void *skio__mem_alloc(const skio_allocator *mem, size_t size) SKIO_NONNULL(1);

/* n * size zeroed bytes; NULL on failure, on overflow, and for 0 bytes. */
void *skio__mem_calloc(const skio_allocator *mem, size_t n, size_t size)
    SKIO_NONNULL(1);

/*
 * Resize `old` (NULL: a new array) to n elements. NULL on failure, on
 * overflow, and for 0 bytes: `old` is then still valid and unchanged.
 */
void *skio__mem_array(const skio_allocator *mem, void *old, size_t n,
                      size_t size) SKIO_NONNULL(1);

/* Give memory back; NULL does nothing. */
void skio__mem_free(const skio_allocator *mem, void *ptr) SKIO_NONNULL(1);

/* Copy len bytes and add a NUL; NULL on failure. str may be NULL if len is 0.
 */
char *skio__mem_strndup(const skio_allocator *mem, const char *str, size_t len)
    SKIO_NONNULL(1);

#endif /* SKIO_BASE_MEM_H */
