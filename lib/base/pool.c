#include "base/pool.h"

#include <assert.h>
#include <stdalign.h>

#include "base/mem.h"

struct skio__pool_block {
    union {
        struct skio__pool_block *next; /* while it is free */
        alignas(max_align_t) unsigned char bytes[SKIO__POOL_BLOCK];
    };
};

void
skio__pool_init(struct skio__pool *pool, const skio_allocator *mem)
{
    pool->mem = *mem;
    pool->blocks = NULL;
    pool->free = NULL;
    pool->fresh = 0;
    pool->taken = 0;
}

void
skio__pool_deinit(struct skio__pool *pool)
{
    assert(pool->taken == 0);
    skio__mem_free(&pool->mem, pool->blocks);
}

/*
 * One that was never taken: the pages of those that no turn has needed yet are
 * not touched. With SKIO_DEBUG there are none, so that sanitizers see the end
 * of each block's life.
 */
static struct skio__pool_block *
cut(struct skio__pool *pool)
{
#ifdef SKIO_DEBUG
    const uint32_t blocks = 0;
#else
    const uint32_t blocks = SKIO__POOL_BLOCKS;
#endif

    if (pool->fresh == blocks)
        return NULL;
    if (pool->blocks == NULL)
        pool->blocks =
            skio__mem_array(&pool->mem, NULL, blocks, sizeof *pool->blocks);
    if (pool->blocks == NULL)
        return NULL;
    return &pool->blocks[pool->fresh++];
}

void *
skio__pool_take(struct skio__pool *pool, size_t size)
{
    struct skio__pool_block *block = pool->free;

    if (size > sizeof *block)
        return NULL;
    if (block != NULL)
        pool->free = block->next;
    else
        block = cut(pool);
    if (block != NULL)
        pool->taken++;
    return block;
}

void
skio__pool_give(struct skio__pool *pool, void *memory)
{
    struct skio__pool_block *block = memory;

    assert(pool->taken > 0);
    pool->taken--;
    block->next = pool->free;
    pool->free = block;
}
