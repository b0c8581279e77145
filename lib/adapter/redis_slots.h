/*
 * The hash slots of a Redis Cluster, and what its servers say of them
 */
#ifndef SKIO_ADAPTER_REDIS_SLOTS_H
#define SKIO_ADAPTER_REDIS_SLOTS_H

#include "adapter/redis_link.h"
#include "adapter/redis_url.h"

#define SKIO__REDIS_SLOTS 16384

/* The slot of a key, or of a channel; of what stands in its first braces, if
 * that is anything. */
uint16_t skio__redis_slot(const char *key, size_t len);

/* A redirection: "MOVED slot host:port", or "ASK". */
struct skio__redis_moved {
    bool is_ask;
    uint16_t slot;
    uint16_t port;
    const char *host; /* in the text; may be empty: who sent it */
    size_t host_len;
};

/* Returns whether an error is a redirection, and a sound one. */
bool skio__redis_moved_read(struct skio__redis_moved *out, const char *text,
                            size_t len);

/* Slots that a master has. An empty host is that of who was asked. */
typedef void skio__redis_range_fn(uint16_t first, uint16_t last,
                                  const char *host, size_t len, uint16_t port,
                                  void *user);

/*
 * Read the reply of CLUSTER SLOTS. Ranges whose master has no address are left
 * out. Nothing is visited unless all of it is sound.
 *
 * Returns how many were visited, or SKIO_EPROTO.
 */
int skio__redis_slots_read(const struct skio__redis_reply *reply,
                           skio__redis_range_fn *fn, void *user);

#endif /* SKIO_ADAPTER_REDIS_SLOTS_H */
