#include "base/pool.h"

#include <assert.h>

#include "base/mem.h"

#define PIECE_BYTES (SKIO__POOL_BLOCKS * sizeof(struct skio__pool_block))

void
skio__pool_init(struct skio__pool *pool, const skio_allocator *mem)
{
    pool->mem = *mem;
    pool->free = NULL;
    pool->count = 0;
    pool->fresh = 0;
    pool->taken = 0;
}

/* Give back all pieces but so many. */
static void
shrink(struct skio__pool *pool, uint32_t count)
{
    while (pool->count > count) {
        struct skio__pool_block *piece = pool->pieces[--pool->count];

        skio__memory_open(piece, PIECE_BYTES);
        skio__mem_free(&pool->mem, piece);
    }
}

void
skio__pool_deinit(struct skio__pool *pool)
{
    assert(pool->taken == 0);
    shrink(pool, 0);
}

void
skio__pool_trim(struct skio__pool *pool)
{
    uint32_t needed = (pool->fresh + SKIO__POOL_BLOCKS - 1) / SKIO__POOL_BLOCKS;

    if (pool->taken > 0)
        return;
    shrink(pool, needed > 1 ? needed : 1);
    /* Count anew what is needed: all of them are as if never taken. */
    pool->free = NULL;
    pool->fresh = 0;
}

/* The pages of blocks that no turn has needed yet are not touched. */
void *
skio__pool_cut(struct skio__pool *pool, size_t size)
{
    uint32_t piece = pool->fresh / SKIO__POOL_BLOCKS;
    struct skio__pool_block *block;

    if (piece == pool->count) {
        if (piece == SKIO__POOL_PIECES)
            return NULL;
        block = skio__mem_alloc(&pool->mem, PIECE_BYTES);
        if (block == NULL)
            return NULL;
        skio__memory_close(block, PIECE_BYTES);
        pool->pieces[pool->count++] = block;
    }
    block = &pool->pieces[piece][pool->fresh++ % SKIO__POOL_BLOCKS];
    skio__memory_open(block, size);
    pool->taken++;
    return block;
}
