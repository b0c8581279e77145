/*
 * IPv6 addresses as text (RFC 4291, section 2.2)
 */
#ifndef SKIO_BASE_IP6_H
#define SKIO_BASE_IP6_H

#include <stdbool.h>
#include <stdint.h>

#define SKIO__IP6_BYTES 16
#define SKIO__IP6_BITS 128

/* False: it is none, and out is not to be looked at. A zone ("%eth0") ends the
 * address. */
bool skio__ip6_parse(const char *text, uint8_t out[SKIO__IP6_BYTES]);

/* Whether it stands for an IPv4 address, in its last four bytes
 * (::ffff:0:0/96). */
bool skio__ip6_is_mapped(const uint8_t address[SKIO__IP6_BYTES]);

/* Clear what is behind the first bits. */
void skio__ip6_mask(uint8_t address[SKIO__IP6_BYTES], unsigned bits);

#endif /* SKIO_BASE_IP6_H */
