#include "base/strings.h"

#include <stdint.h>
#include <string.h>

const char **
skio__strings_at(const struct skio__strings *strings, void *in, size_t i)
{
    const char *row = (const char *)strings->first + i * strings->stride;
    size_t offset;

    memcpy(&offset, row, sizeof offset);
    return (const char **)(void *)((char *)in + offset);
}

int
skio__strings_copy(const struct skio__strings *strings, void *in,
                   const skio_allocator *mem)
{
    for (size_t i = 0; i < strings->count; i++) {
        const char **string = skio__strings_at(strings, in, i);

        if (*string == NULL)
            continue;
        *string = skio__mem_strndup(mem, *string, strlen(*string));
        if (*string != NULL)
            continue;

        /* Those that were not copied yet are still the caller's. */
        for (size_t rest = i + 1; rest < strings->count; rest++)
            *skio__strings_at(strings, in, rest) = NULL;
        skio__strings_free(strings, in, mem);
        return SKIO_ENOMEM;
    }
    return SKIO_OK;
}

void
skio__strings_forget(const struct skio__strings *strings, void *in)
{
    for (size_t i = 0; i < strings->count; i++)
        *skio__strings_at(strings, in, i) = NULL;
}

void
skio__strings_free(const struct skio__strings *strings, void *in,
                   const skio_allocator *mem)
{
    for (size_t i = 0; i < strings->count; i++)
        skio__mem_free(mem,
                       (void *)(uintptr_t)*skio__strings_at(strings, in, i));
    skio__strings_forget(strings, in);
}
