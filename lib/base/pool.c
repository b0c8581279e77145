#include "base/pool.h"

#include <assert.h>

#include "base/mem.h"

#define POOL_BYTES (SKIO__POOL_BLOCKS * sizeof(struct skio__pool_block))

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
    if (pool->blocks != NULL)
        skio__memory_open(pool->blocks, POOL_BYTES);
    skio__mem_free(&pool->mem, pool->blocks);
}

/* The pages of blocks that no turn has needed yet are not touched. */
void *
skio__pool_cut(struct skio__pool *pool, size_t size)
{
    struct skio__pool_block *block;

    if (pool->fresh == SKIO__POOL_BLOCKS)
        return NULL;
    if (pool->blocks == NULL) {
        pool->blocks = skio__mem_alloc(&pool->mem, POOL_BYTES);
        if (pool->blocks == NULL)
            return NULL;
        skio__memory_close(pool->blocks, POOL_BYTES);
    }
    block = &pool->blocks[pool->fresh++];
    skio__memory_open(block, size);
    pool->taken++;
    return block;
}
