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

/* One that was never taken: the pages of those that no turn has needed yet are
 * not touched. */
static struct skio__pool_block *
cut(struct skio__pool *pool)
{
    if (pool->fresh == SKIO__POOL_BLOCKS)
        return NULL;
    if (pool->blocks == NULL) {
        pool->blocks = skio__mem_alloc(&pool->mem, POOL_BYTES);
        if (pool->blocks == NULL)
            return NULL;
        skio__memory_close(pool->blocks, POOL_BYTES);
    }
    return &pool->blocks[pool->fresh++];
}

void *
skio__pool_take(struct skio__pool *pool, size_t size)
{
    struct skio__pool_block *block = pool->free;

    if (size > sizeof *block)
        return NULL;
    if (block != NULL) {
        skio__memory_open(block, sizeof block->next);
        pool->free = block->next;
    } else {
        block = cut(pool);
        if (block == NULL)
            return NULL;
    }
    skio__memory_open(block, size);
    pool->taken++;
    return block;
}

void
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
