/*
 * Small blocks that come and go with every message
 *
 * Pieces of memory, cut into blocks of a size; those that are free are linked,
 * and the latest to come back is the next to go. A turn in which more live than
 * ever before adds a piece, up to a bound; skio__pool_trim() gives back what is
 * not needed any more. What is larger, or more, is its caller's to allocate
 * elsewhere. Much cheaper than malloc(3) where a turn's messages die together.
 *
 * What keeps a pointer to `mem` knows its pool, too: skio__pool_of().
 */
#ifndef SKIO_BASE_POOL_H
#define SKIO_BASE_POOL_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#include "base/compiler.h"

#define SKIO__POOL_BLOCK 192  /* bytes of a block */
#define SKIO__POOL_BLOCKS 256 /* of a piece: 48 KiB */
#define SKIO__POOL_PIECES 16

struct skio__pool_block {
    union {
        struct skio__pool_block *next; /* while it is free */
        alignas(max_align_t) unsigned char bytes[SKIO__POOL_BLOCK];
    };
};

struct skio__pool {
    skio_allocator mem; /* for everything else; a copy */
    struct skio__pool_block *free;
    struct skio__pool_block *pieces[SKIO__POOL_PIECES];
    uint32_t count; /* of the pieces there are */
    uint32_t fresh; /* of their blocks in this order, those that were taken
                       since the last trim; the others follow */
    uint32_t taken;
};

void skio__pool_init(struct skio__pool *pool, const skio_allocator *mem);
/* Every block must have come back. */
void skio__pool_deinit(struct skio__pool *pool);

/* One that was never taken; NULL: none is left, or no memory. */
void *skio__pool_cut(struct skio__pool *pool, size_t size);

/* A block for size bytes, aligned as malloc(3) does; NULL: allocate. Inline, as
 * its counterpart: each message takes one at least. */
static inline void *
skio__pool_take(struct skio__pool *pool, size_t size)
{
    struct skio__pool_block *block = pool->free;

    if (size > sizeof *block)
        return NULL;
    if (block == NULL)
        return skio__pool_cut(pool, size);
    skio__memory_open(block, sizeof block->next);
    pool->free = block->next;
    skio__memory_open(block, size);
    pool->taken++;
    return block;
}

static inline void
skio__pool_give(struct skio__pool *pool, void *memory)
{
    struct skio__pool_block *block = memory;

    assert(pool->taken > 0);
    pool->taken--;
    skio__memory_open(block, sizeof block->next);
    block->next = pool->free;
    pool->free = block;
    skio__memory_close(block, sizeof *block);
}

/* Whether there are more pieces than the first. */
static inline bool
skio__pool_has_grown(const struct skio__pool *pool)
{
    return pool->count > 1;
}

/*
 * Give the pieces back that no block was needed of since the last time, but
 * for the first. Does nothing while blocks are out.
 */
void skio__pool_trim(struct skio__pool *pool);

/* Whose `mem` this is. */
static inline struct skio__pool *
skio__pool_of(const skio_allocator *mem)
{
    return skio__container_of(mem, struct skio__pool, mem);
}

#endif /* SKIO_BASE_POOL_H */
