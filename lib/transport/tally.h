/*
 * How many connections are open, of all peers and of each address
 *
 * Sessions are counted by the core, which hears of a client when it has sent a
 * request; this is of who has not, yet has a descriptor. An IPv6 address counts
 * by its network, as there.
 */
#ifndef SKIO_TRANSPORT_TALLY_H
#define SKIO_TRANSPORT_TALLY_H

#include <netinet/in.h>

#include <socketio/server.h>

#include "base/map.h"

struct skio__tally {
    struct skio__map addresses;
    unsigned prefix; /* bits of an IPv6 address */
    uint32_t most;   /* connections of an address */
};

void skio__tally_init(struct skio__tally *tally, const skio_allocator *mem,
                      const skio_server_options *options);
/* Whoever is still counted is forgotten. */
void skio__tally_deinit(struct skio__tally *tally);

/* Count one more of an address; IPv4 is mapped. Returns SKIO_OK; SKIO_ELIMIT
 * when it has its most, or SKIO_ENOMEM, with nothing counted. */
int skio__tally_enter(struct skio__tally *tally, const struct in6_addr *address)
    SKIO_MUST_CHECK;
/* One that was counted goes. */
void skio__tally_leave(struct skio__tally *tally,
                       const struct in6_addr *address);

#endif /* SKIO_TRANSPORT_TALLY_H */
