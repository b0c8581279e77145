/*
 * Addresses of peers, and how many sessions each has
 *
 * Whoever has one IPv6 address has billions: they count by their network, the
 * first ipv6_prefix bits.
 */
#ifndef SKIO_ENGINEIO_ADDRESS_H
#define SKIO_ENGINEIO_ADDRESS_H

#include "engineio/engine.h"

#define EIO_ADDRESS_KEY 33 /* 32 hexadecimal digits */

struct eio_address {
    struct skio__map_node node;
    uint32_t sessions;    /* and requests that wait for a verdict */
    uint32_t unconnected; /* of these, that the upper has not admitted */
    uint32_t undecided;   /* of these, requests */
    char key[];
};

/* What an address counts under: the text itself, or written to buf. An IPv4
 * address counts as one however it is written. */
const char *skio__address_key(const struct eio_engine *engine, const char *text,
                              char buf[EIO_ADDRESS_KEY]);

/* NULL: it has none. */
struct eio_address *skio__address_find(const struct eio_engine *engine,
                                       const char *text);

/* Count one more session, or request that may become one, of an address; ""
 * is not counted. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__address_enter(struct eio_engine *engine, const char *text,
                        struct eio_address **out);
/* It is unconnected no longer, and stays. NULL: nothing. */
void skio__address_admit(struct eio_address *address);
void skio__address_leave(struct eio_engine *engine, struct eio_address *address,
                         bool was_admitted);

#endif /* SKIO_ENGINEIO_ADDRESS_H */
