/*
 * The PROXY protocol, versions 1 and 2: what a proxy says of the client before
 * the client's own first byte (haproxy's proxy-protocol.txt)
 *
 *     1   "PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n", at most 107 bytes
 *     2   12 bytes of signature, version and command, family, 16 bits length,
 *         addresses and ports, further fields that are skipped
 *
 * Bytes go in as they come; it says how many are its own.
 */
#ifndef SKIO_TRANSPORT_PREFACE_H
#define SKIO_TRANSPORT_PREFACE_H

#include <stddef.h>

#include "transport/sockets.h"

#define SKIO__PREFACE_LINE 107 /* of version 1 */
#define SKIO__PREFACE_MAX 4096 /* of version 2, with all its fields */
#define SKIO__PREFACE_KEPT 108

struct skio__preface {
    size_t len;  /* bytes that came */
    size_t size; /* of all, once it is known (version 2) */
    unsigned char data[SKIO__PREFACE_KEPT]; /* the first of them */
};

/*
 * Take from what has come.
 *
 * Returns how many bytes it took, fewer than len only when it is *done;
 * SKIO_EPROTO when it is no preface.
 */
ptrdiff_t skio__preface_feed(struct skio__preface *preface, const void *data,
                             size_t len, bool *done);

/* When it is done: the client's address. Returns 1 when *from was replaced, 0
 * when the connection's own is to be kept, or SKIO_EPROTO. */
int skio__preface_source(const struct skio__preface *preface,
                         union skio__address *from);

#endif /* SKIO_TRANSPORT_PREFACE_H */
