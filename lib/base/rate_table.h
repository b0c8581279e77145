/*
 * Rates of many: a fixed number of arrival times, by the hash of a name
 *
 * Names come from peers, as many as they like: the table never grows. It is
 * cut into sets of eight; a name belongs to one of them, under a key that
 * nobody outside knows. A new name in a full set takes the place of the one
 * that owes least: of one that owes nothing, most often, which loses nothing
 * by that. Who has used up a burst goes last, and a flood of new names pushes
 * out its own.
 */
#ifndef SKIO_BASE_RATE_TABLE_H
#define SKIO_BASE_RATE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#define SKIO__RATE_SET 8 /* places of a set: two lines of the cache */
#define SKIO__RATE_KEY_BYTES 16

struct skio__rate_place {
    uint64_t hash;
    uint64_t arrival; /* of rate.h */
};

struct skio__rate_table {
    struct skio__rate_place *places; /* NULL: none */
    size_t sets;
    uint8_t key[SKIO__RATE_KEY_BYTES];
};

/* names: rounded up to whole sets, at least one. Returns SKIO_OK, SKIO_ENOMEM.
 */
int skio__rate_table_init(struct skio__rate_table *table,
                          const skio_allocator *mem, uint32_t names,
                          const uint8_t key[SKIO__RATE_KEY_BYTES]);
void skio__rate_table_deinit(struct skio__rate_table *table,
                             const skio_allocator *mem);

/* The arrival time of a name, 0 for a new one. Valid until the next call. */
uint64_t *skio__rate_table_at(struct skio__rate_table *table, const void *name,
                              size_t len);

#endif /* SKIO_BASE_RATE_TABLE_H */
