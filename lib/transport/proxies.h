/*
 * Proxies in front: which are trusted, and what they say of the client
 *
 * X-Forwarded-For is read from its right end, where the nearest proxy wrote:
 *
 *     X-Forwarded-For: <forged>, client, outer proxy      peer: inner proxy
 *                                ◀────────── as long as who wrote is trusted
 *
 * The first address from the right that is not a trusted proxy's is the
 * client's. An entry that is no address ends the walk: the client's address is
 * that of the proxy that wrote it. X-Forwarded-Proto is read at the same place
 * from the right, or at its left end when it is shorter.
 *
 * "Forwarded" (RFC 7239) is not read: a proxy that appends to one of the two
 * headers passes on the other one as the client sent it.
 */
#ifndef SKIO_TRANSPORT_PROXIES_H
#define SKIO_TRANSPORT_PROXIES_H

#include <netinet/in.h>

#include <socketio/base.h>

#define SKIO__HOPS_MAX 32 /* proxies in a row */

struct skio__network;

struct skio__proxies {
    const skio_allocator *mem;
    struct skio__network *networks;
    size_t count;
    bool local; /* whoever comes by a unix socket */
};

/* Who sends, as far as is known; IPv4 is mapped. */
struct skio__peer {
    struct in6_addr address;
    bool is_local; /* no address: a unix socket */
    bool secure;
};

/* text: see the option trusted_proxies; NULL: none. Returns SKIO_OK,
 * SKIO_EINVAL, SKIO_ENOMEM. */
int skio__proxies_init(struct skio__proxies *proxies, const skio_allocator *mem,
                       const char *text);
void skio__proxies_deinit(struct skio__proxies *proxies);

bool skio__proxies_trust(const struct skio__proxies *proxies,
                         const struct skio__peer *peer);

/* From the peer of the connection to the client. The headers may be NULL. */
void skio__proxies_walk(const struct skio__proxies *proxies,
                        const char *forwarded_for, const char *forwarded_proto,
                        struct skio__peer *peer);

/* An address as text, with or without a port; IPv6 in brackets or not. */
bool skio__peer_parse(const char *text, size_t len, struct in6_addr *out);
/* "" for a local one. */
void skio__peer_print(const struct skio__peer *peer, char out[64]);

#endif /* SKIO_TRANSPORT_PROXIES_H */
