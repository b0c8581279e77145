/*
 * Names to addresses, off the loop
 *
 * getaddrinfo() waits, for seconds at times: threads of the resolver's own do
 * the waiting, at most RESOLVER_THREADS at once. A descriptor becomes readable
 * when there are answers.
 */
#ifndef SKIO_TRANSPORT_RESOLVER_H
#define SKIO_TRANSPORT_RESOLVER_H

#include <socketio/transport.h>

struct skio__resolver;

/* *fd stays the resolver's. NULL: no memory. */
struct skio__resolver *skio__resolver_new(int *fd);

/* Threads that still wait are let go: they touch nothing of the server's. NULL
 * does nothing. */
void skio__resolver_free(struct skio__resolver *resolver);

/* Ask. An address needs no thread. Returns SKIO_OK; SKIO_ENOENT for a name that
 * is too long; SKIO_ENOMEM. */
int skio__resolver_ask(struct skio__resolver *resolver, const char *host,
                       uint16_t port, skio_resolve *resolve);

/* Loop thread, when the descriptor is readable: hand out the answers. */
void skio__resolver_run(struct skio__resolver *resolver);

#endif /* SKIO_TRANSPORT_RESOLVER_H */
