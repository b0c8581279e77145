/*
 * Memory: see mem.h
 */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

static void *
libc_malloc(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void *
libc_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    return realloc(ptr, size);
}

static void
libc_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

static const skio_allocator libc_allocator = {
    libc_malloc,
    libc_realloc,
    libc_free,
    NULL,
};

const skio_allocator *
skio__mem_default(void)
{
    return &libc_allocator;
}

void *
skio__mem_alloc(const skio_allocator *mem, size_t size)
{
    if (size == 0)
        return NULL;
    return mem->malloc(size, mem->user);
}

void *
skio__mem_calloc(const skio_allocator *mem, size_t n, size_t size)
{
    size_t bytes;
    void *ptr;

    if (skio__mul_overflow(n, size, &bytes))
        return NULL;

    ptr = skio__mem_alloc(mem, bytes);
    if (ptr != NULL)
        memset(ptr, 0, bytes);
    return ptr;
}

/*
 * realloc(ptr, 0) means different things in different C libraries, so it is
 * never called.
 */
void *
skio__mem_array(const skio_allocator *mem, void *old, size_t n, size_t size)
{
    size_t bytes;

    if (skio__mul_overflow(n, size, &bytes) || bytes == 0)
        return NULL;
    if (old == NULL)
        return mem->malloc(bytes, mem->user);
    return mem->realloc(old, bytes, mem->user);
}

void
skio__mem_free(const skio_allocator *mem, void *ptr)
{
    if (ptr != NULL)
        mem->free(ptr, mem->user);
}

char *
skio__mem_strndup(const skio_allocator *mem, const char *str, size_t len)
{
    size_t size;
    char *copy;

    if (skio__add_overflow(len, 1, &size))
        return NULL;

    copy = skio__mem_alloc(mem, size);
    if (copy == NULL)
        return NULL;

    if (len > 0)
        memcpy(copy, str, len);
    copy[len] = '\0';
    return copy;
}
