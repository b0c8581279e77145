#include "base/rate_table.h"

#include <string.h>

#include <sodium.h>

#include "base/mem.h"

_Static_assert(SKIO__RATE_KEY_BYTES == crypto_shorthash_KEYBYTES,
               "the table's key is SipHash's");

int
skio__rate_table_init(struct skio__rate_table *table, const skio_allocator *mem,
                      uint32_t names, const uint8_t key[SKIO__RATE_KEY_BYTES])
{
    table->sets = names > SKIO__RATE_SET
                      ? ((size_t)names + SKIO__RATE_SET - 1) / SKIO__RATE_SET
                      : 1;
    table->places = skio__mem_calloc(mem, table->sets * SKIO__RATE_SET,
                                     sizeof *table->places);
    if (table->places == NULL)
        return SKIO_ENOMEM;
    memcpy(table->key, key, sizeof table->key);
    return SKIO_OK;
}

void
skio__rate_table_deinit(struct skio__rate_table *table,
                        const skio_allocator *mem)
{
    skio__mem_free(mem, table->places);
    table->places = NULL;
}

uint64_t *
skio__rate_table_at(struct skio__rate_table *table, const void *name,
                    size_t len)
{
    unsigned char bytes[crypto_shorthash_BYTES];
    struct skio__rate_place *set;
    struct skio__rate_place *place;
    uint64_t hash;
    size_t i;

    crypto_shorthash(bytes, name, len, table->key);
    memcpy(&hash, bytes, sizeof hash);
    set = table->places + (size_t)(hash % table->sets) * SKIO__RATE_SET;

    place = set;
    for (i = 0; i < SKIO__RATE_SET; i++) {
        if (set[i].hash == hash)
            return &set[i].arrival;
        if (set[i].arrival < place->arrival)
            place = &set[i];
    }
    place->hash = hash;
    place->arrival = 0;
    return &place->arrival;
}
