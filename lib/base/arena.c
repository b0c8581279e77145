/*
 * Scratch memory with stack discipline: see arena.h
 */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

#define CHUNK_GROWTH_MAX ((size_t)64 * 1024)

void
skio__arena_init(struct skio__arena *arena, const skio_allocator *mem,
                 size_t max_bytes)
{
    memset(arena, 0, sizeof(*arena));
    arena->mem = mem;
    arena->max_bytes = max_bytes;
}

/* Bytes to skip so that the next allocation in the chunk is aligned. */
static size_t
padding(const struct skio__arena_chunk *chunk)
{
    uintptr_t next = (uintptr_t)(chunk->bytes + chunk->used);

    return (size_t)(-next & (SKIO__ARENA_ALIGN - 1));
}

static void *
take(struct skio__arena_chunk *chunk, size_t size)
{
    size_t pad = padding(chunk);
    size_t left = chunk->size - chunk->used;
    void *ptr;

    if (left < pad || left - pad < size)
        return NULL;

    ptr = chunk->bytes + chunk->used + pad;
    chunk->used += pad + size;
    return ptr;
}

/*
 * How large the next chunk is, header and all, 0 if that cannot be. Chunks
 * double up to a point, because many small ones cost an allocation each; near
 * the limit a chunk is as large as the limit allows.
 */
static size_t
next_chunk_size(const struct skio__arena *arena, size_t size)
{
    const size_t fixed = sizeof(struct skio__arena_chunk) + SKIO__ARENA_ALIGN;
    size_t want = SKIO__ARENA_CHUNK;
    size_t need;

    if (skio__add_overflow(size, fixed, &need))
        return 0;

    if (arena->last != NULL) {
        want = 2 * arena->last->size;
        if (want > CHUNK_GROWTH_MAX)
            want = CHUNK_GROWTH_MAX;
    }
    if (arena->max_bytes > 0 && want > arena->max_bytes - arena->total)
        want = arena->max_bytes - arena->total;
    if (want < need)
        want = need;
    if (arena->max_bytes > 0 && want > arena->max_bytes - arena->total)
        return 0;
    return want;
}

static int
add_chunk(struct skio__arena *arena, size_t size)
{
    size_t total = next_chunk_size(arena, size);
    struct skio__arena_chunk *chunk = skio__mem_alloc(arena->mem, total);

    if (chunk == NULL)
        return SKIO_ENOMEM;

    chunk->prev = arena->last;
    chunk->size = total - sizeof(*chunk);
    chunk->used = 0;
    if (arena->first == NULL)
        arena->first = chunk;
    arena->last = chunk;
    arena->total += total;
    return SKIO_OK;
}

static void
drop_last_chunk(struct skio__arena *arena)
{
    struct skio__arena_chunk *chunk = arena->last;

    arena->last = chunk->prev;
    arena->total -= chunk->size + sizeof(*chunk);
    skio__mem_free(arena->mem, chunk);
}

void
skio__arena_deinit(struct skio__arena *arena)
{
    while (arena->last != NULL)
        drop_last_chunk(arena);
    arena->first = NULL;
}

void *
skio__arena_alloc(struct skio__arena *arena, size_t size)
{
    void *ptr;

    if (size == 0)
        return NULL;

    if (arena->last != NULL) {
        ptr = take(arena->last, size);
        if (skio__likely(ptr != NULL))
            return ptr;
    }
    if (add_chunk(arena, size) != SKIO_OK)
        return NULL;
    return take(arena->last, size);
}

/*
 * A mark taken before the first chunk came means "empty": that chunk stays
 * all the same.
 */
void
skio__arena_release_chunks(struct skio__arena *arena,
                           struct skio__arena_mark mark)
{
    struct skio__arena_chunk *stop;

    if (arena->first == NULL)
        return;

    stop = mark.chunk != NULL ? mark.chunk : arena->first;
    while (arena->last != stop)
        drop_last_chunk(arena);
    stop->used = mark.used;
}
