/*
 * Scratch memory with stack discipline
 *
 * A bump allocator of chunks. A mark remembers how far it got, a release goes
 * back there; marks nest. The first chunk is kept until deinit, so a loop turn
 * that needs less than its size allocates nothing.
 */
#ifndef SKIO_BASE_ARENA_H
#define SKIO_BASE_ARENA_H

#include <stddef.h>

#include <socketio/base.h>

#define SKIO__ARENA_CHUNK 4096 /* bytes of the first chunk */
#define SKIO__ARENA_ALIGN 16

struct skio__arena_chunk {
    struct skio__arena_chunk *prev; /* towards the first */
    size_t size;                    /* of bytes[] */
    size_t used;
    unsigned char bytes[];
};

struct skio__arena {
    const skio_allocator *mem;
    struct skio__arena_chunk *first; /* kept forever once allocated */
    struct skio__arena_chunk *last;  /* where the next allocation goes */
    size_t total;                    /* bytes of all chunks, headers too */
    size_t max_bytes;                /* limit of total; 0: none */
};

struct skio__arena_mark {
    struct skio__arena_chunk *chunk; /* NULL: nothing was allocated yet */
    size_t used;
};

/* max_bytes counts whole chunks; 0 is no limit. Allocates nothing yet. */
void skio__arena_init(struct skio__arena *arena, const skio_allocator *mem,
                      size_t max_bytes);
void skio__arena_deinit(struct skio__arena *arena);

/*
 * Bytes aligned to SKIO__ARENA_ALIGN, not zeroed, valid until the release of
 * an earlier mark. NULL when memory is out or the limit would be passed, and
 * for size 0.
 */
void *skio__arena_alloc(struct skio__arena *arena, size_t size);

static inline struct skio__arena_mark
skio__arena_mark(const struct skio__arena *arena)
{
    struct skio__arena_mark mark = {arena->last, 0};

    if (arena->last != NULL)
        mark.used = arena->last->used;
    return mark;
}

/* Free everything allocated since the mark; later marks die with it. Each
 * event does so, mostly without more than one chunk. */
void skio__arena_release_chunks(struct skio__arena *arena,
                                struct skio__arena_mark mark);

static inline void
skio__arena_release(struct skio__arena *arena, struct skio__arena_mark mark)
{
    if (mark.chunk != NULL && mark.chunk == arena->last)
        mark.chunk->used = mark.used;
    else if (arena->last != NULL)
        skio__arena_release_chunks(arena, mark);
}

#endif /* SKIO_BASE_ARENA_H */
