/*
 * A hash map of intrusive nodes
 *
 * uthash with SipHash-2-4 under a secret key, so that nobody can choose names
 * that collide (room, namespace and session names come from peers). The map
 * owns neither elements nor keys: a node lies in its element, the key must
 * stay where it is and as it is until the element is removed.
 *
 * Memory, 64-bit: a node is 56 bytes in the element. A map that holds
 * anything has a table of 64 bytes and 16 bytes a bucket, at first 32 buckets;
 * they double as chains reach ten elements and are freed with the last
 * element. An empty map owns nothing.
 */
#ifndef SKIO_BASE_MAP_H
#define SKIO_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#include <uthash.h>

#define SKIO__MAP_KEY_BYTES 16 /* crypto_shorthash_KEYBYTES */

struct skio__map_node {
    UT_hash_handle hh;
};

struct skio__map {
    struct skio__map_node *head;
    const skio_allocator *mem;
    uint8_t hash_key[SKIO__MAP_KEY_BYTES];
};

void skio__map_init(struct skio__map *map, const skio_allocator *mem,
                    const uint8_t hash_key[SKIO__MAP_KEY_BYTES]);

/* Frees the table, not the elements. */
void skio__map_deinit(struct skio__map *map);

/*
 * Add an element under a key of at most UINT32_MAX bytes that is not in the
 * map (the caller looks first). Returns SKIO_OK; SKIO_ENOMEM or SKIO_ETOOBIG
 * with the map unchanged.
 */
int skio__map_put(struct skio__map *map, struct skio__map_node *node,
                  const void *key, size_t len) SKIO_MUST_CHECK;

/* The node under a key, or NULL. */
struct skio__map_node *skio__map_find(const struct skio__map *map,
                                      const void *key, size_t len);

/* Take out an element that is in the map. */
void skio__map_remove(struct skio__map *map, struct skio__map_node *node);

size_t skio__map_count(const struct skio__map *map);

/* In the order of insertion; NULL at the end. */
struct skio__map_node *skio__map_first(const struct skio__map *map);
struct skio__map_node *skio__map_next(const struct skio__map_node *node);

/* The key an element was put under. */
static inline const void *
skio__map_key(const struct skio__map_node *node, size_t *len)
{
    *len = node->hh.keylen;
    return node->hh.key;
}

/*
 * Visit every node. The body may remove (and free) the current one and add
 * others, but not remove the next one, which is in `after` already.
 */
#define SKIO__MAP_EACH(map, node, after)                                       \
    for ((node) = skio__map_first(map);                                        \
         (node) != NULL && ((after) = skio__map_next(node), 1);                \
         (node) = (after))

#endif /* SKIO_BASE_MAP_H */
