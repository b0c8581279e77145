#include "transport/tally.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "base/compiler.h"
#include "base/ip6.h"
#include "base/mem.h"

_Static_assert(sizeof(struct in6_addr) == SKIO__IP6_BYTES,
               "an address is its bytes");

struct tallied {
    struct skio__map_node node;
    uint32_t count;
    uint8_t key[SKIO__IP6_BYTES];
};

void
skio__tally_init(struct skio__tally *tally, const skio_allocator *mem,
                 const skio_server_options *options)
{
    uint8_t hash_key[SKIO__MAP_KEY_BYTES];

    randombytes_buf(hash_key, sizeof hash_key);
    skio__map_init(&tally->addresses, mem, hash_key);
    tally->prefix = options->ipv6_prefix;
    tally->most = options->max_tcp_connections_per_address;
}

void
skio__tally_deinit(struct skio__tally *tally)
{
    struct skio__map_node *node, *after;

    SKIO__MAP_EACH(&tally->addresses, node, after) {
        skio__map_remove(&tally->addresses, node);
        skio__mem_free(tally->addresses.mem,
                       skio__container_of(node, struct tallied, node));
    }
    skio__map_deinit(&tally->addresses);
}

static void
make_key(const struct skio__tally *tally, const struct in6_addr *address,
         uint8_t key[SKIO__IP6_BYTES])
{
    memcpy(key, address, SKIO__IP6_BYTES);
    if (!skio__ip6_is_mapped(key))
        skio__ip6_mask(key, tally->prefix);
}

static struct tallied *
find(const struct skio__tally *tally, const uint8_t key[SKIO__IP6_BYTES])
{
    struct skio__map_node *node =
        skio__map_find(&tally->addresses, key, SKIO__IP6_BYTES);

    return node != NULL ? skio__container_of(node, struct tallied, node) : NULL;
}

int
skio__tally_enter(struct skio__tally *tally, const struct in6_addr *address)
{
    const skio_allocator *mem = tally->addresses.mem;
    uint8_t key[SKIO__IP6_BYTES];
    struct tallied *found;

    make_key(tally, address, key);
    found = find(tally, key);
    if (found != NULL) {
        if (found->count >= tally->most)
            return SKIO_ELIMIT;
        found->count++;
        return SKIO_OK;
    }

    found = skio__mem_calloc(mem, 1, sizeof *found);
    if (found == NULL)
        return SKIO_ENOMEM;
    found->count = 1;
    memcpy(found->key, key, sizeof key);
    if (skio__map_put(&tally->addresses, &found->node, found->key,
                      sizeof found->key) != SKIO_OK) {
        skio__mem_free(mem, found);
        return SKIO_ENOMEM;
    }
    return SKIO_OK;
}

void
skio__tally_leave(struct skio__tally *tally, const struct in6_addr *address)
{
    uint8_t key[SKIO__IP6_BYTES];
    struct tallied *found;

    make_key(tally, address, key);
    found = find(tally, key);
    assert(found != NULL && found->count > 0);
    if (found == NULL || --found->count > 0)
        return;
    skio__map_remove(&tally->addresses, &found->node);
    skio__mem_free(tally->addresses.mem, found);
}
