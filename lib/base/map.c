/*
 * A hash map of intrusive nodes: see map.h
 *
 * The macros that uthash expands into the functions below come first. They
 * refer to the `map` in scope: its allocator, its key. On a failed allocation
 * uthash takes the element out again and clears its table pointer
 * (HASH_NONFATAL_OOM); without that it would call exit().
 */
#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, len, hash) (hash) = hash_key(map, (key), (len))
#define uthash_malloc(size) skio__mem_alloc(map->mem, (size))
#define uthash_free(ptr, size) skio__mem_free(map->mem, (ptr))

#include "base/map.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "base/mem.h"

_Static_assert(SKIO__MAP_KEY_BYTES == crypto_shorthash_KEYBYTES,
               "the map's key is SipHash's");

/* SipHash-2-4 cut to the 32 bits that uthash keeps. */
static uint32_t
hash_key(const struct skio__map *map, const void *key, size_t len)
{
    unsigned char hash[crypto_shorthash_BYTES];
    uint32_t low;

    crypto_shorthash(hash, key, len, map->hash_key);
    memcpy(&low, hash, sizeof(low));
    return low;
}

void
skio__map_init(struct skio__map *map, const skio_allocator *mem,
               const uint8_t key[SKIO__MAP_KEY_BYTES])
{
    map->head = NULL;
    map->mem = mem;
    memcpy(map->hash_key, key, SKIO__MAP_KEY_BYTES);
}

void
skio__map_deinit(struct skio__map *map)
{
    HASH_CLEAR(hh, map->head);
}

static struct skio__map_node *
find(const struct skio__map *map, const void *key, size_t len, uint32_t hash)
{
    struct skio__map_node *node = NULL;

    HASH_FIND_BYHASHVALUE(hh, map->head, key, (unsigned)len, hash, node);
    return node;
}

int
skio__map_put(struct skio__map *map, struct skio__map_node *node,
              const void *key, size_t len)
{
    uint32_t hash;

    if (len > UINT32_MAX)
        return SKIO_ETOOBIG;
    if (len == 0)
        key = ""; /* keys are compared with memcmp, which wants no NULL */
    hash = hash_key(map, key, len);
    assert(find(map, key, len, hash) == NULL);

    HASH_ADD_KEYPTR_BYHASHVALUE(hh, map->head, key, (unsigned)len, hash, node);
    return node->hh.tbl != NULL ? SKIO_OK : SKIO_ENOMEM;
}

struct skio__map_node *
skio__map_find(const struct skio__map *map, const void *key, size_t len)
{
    if (len > UINT32_MAX || map->head == NULL)
        return NULL;
    if (len == 0)
        key = "";
    return find(map, key, len, hash_key(map, key, len));
}

void
skio__map_remove(struct skio__map *map, struct skio__map_node *node)
{
    HASH_DELETE(hh, map->head, node);
    memset(node, 0, sizeof(*node));
}

size_t
skio__map_count(const struct skio__map *map)
{
    return HASH_CNT(hh, map->head);
}

struct skio__map_node *
skio__map_first(const struct skio__map *map)
{
    return map->head;
}

struct skio__map_node *
skio__map_next(const struct skio__map_node *node)
{
    return node->hh.next;
}
