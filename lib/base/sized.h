/*
 * Structs that begin with their struct_size
 *
 * A caller compiled against an older header has a shorter struct, one against
 * a later header a longer one: only what both know is copied.
 */
#ifndef SKIO_BASE_SIZED_H
#define SKIO_BASE_SIZED_H

#include <stddef.h>
#include <string.h>

/* Fill a caller's struct with defaults, and zeros behind what they have. */
static inline void
skio__sized_init(void *out, size_t struct_size, const void *defaults,
                 size_t defaults_size)
{
    memset(out, 0, struct_size);
    memcpy(out, defaults,
           struct_size < defaults_size ? struct_size : defaults_size);
    memcpy(out, &struct_size, sizeof struct_size);
}

/* Read a caller's struct over what *own has, struct_size included. NULL: there
 * is none. */
static inline void
skio__sized_read(void *own, size_t own_size, const void *given)
{
    size_t struct_size;

    if (given == NULL)
        return;
    memcpy(&struct_size, given, sizeof struct_size);
    memcpy(own, given, struct_size < own_size ? struct_size : own_size);
}

#endif /* SKIO_BASE_SIZED_H */
