/*
 * Small blocks that come and go with every message
 *
 * One piece of memory, cut into blocks of a size; those that are free are
 * linked, and the latest to come back is the next to go. What is larger, or
 * more than there are blocks, is its caller's to allocate elsewhere. Much
 * cheaper than malloc(3) where a turn's messages die together.
 *
 * What keeps a pointer to `mem` knows its pool, too: skio__pool_of().
 */
#ifndef SKIO_BASE_POOL_H
#define SKIO_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#include "base/compiler.h"

#define SKIO__POOL_BLOCK 192 /* bytes of a block */
#define SKIO__POOL_BLOCKS 256

struct skio__pool_block;

struct skio__pool {
    skio_allocator mem;              /* for everything else; a copy */
    struct skio__pool_block *blocks; /* NULL until the first is taken */
    struct skio__pool_block *free;
    uint32_t fresh; /* blocks that were never taken follow those that were */
    uint32_t taken;
};

void skio__pool_init(struct skio__pool *pool, const skio_allocator *mem);
/* Every block must have come back. */
void skio__pool_deinit(struct skio__pool *pool);

/* A block for size bytes, aligned as malloc(3) does; NULL: allocate. */
void *skio__pool_take(struct skio__pool *pool, size_t size);

/* Whose `mem` this is. */
static inline struct skio__pool *
skio__pool_of(const skio_allocator *mem)
{
    return skio__container_of(mem, struct skio__pool, mem);
}

void skio__pool_give(struct skio__pool *pool, void *block);

#endif /* SKIO_BASE_POOL_H */
