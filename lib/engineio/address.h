/*
 * Addresses of peers, and how many sessions each has
 */
#ifndef SKIO_ENGINEIO_ADDRESS_H
#define SKIO_ENGINEIO_ADDRESS_H

#include "engineio/engine.h"

struct eio_address {
    struct skio__map_node node;
    uint32_t sessions;
    char text[];
};

/* NULL: it has none. */
struct eio_address *skio__address_find(const struct eio_engine *engine,
                                       const char *text);

/* Count one more session, or request that may become one, of an address; ""
 * is not counted. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__address_enter(struct eio_engine *engine, const char *text,
                        struct eio_address **out);
void skio__address_leave(struct eio_engine *engine,
                         struct eio_address *address);

#endif /* SKIO_ENGINEIO_ADDRESS_H */
