/*
 * Session ids
 *
 * 15 bytes, 12 random ones and a 24-bit counter, as 20 characters of
 * base64url: the shape of the reference server's ids. The counter keeps two
 * ids of one process apart whatever the random source does.
 */
#ifndef SKIO_BASE_ID_H
#define SKIO_BASE_ID_H

#include <stdint.h>

#define SKIO__ID_LEN 20
#define SKIO__ID_RANDOM 12

/* Only the counter's low 24 bits are used. out gets a NUL. */
void skio__id_make(char out[SKIO__ID_LEN + 1],
                   const unsigned char random12[SKIO__ID_RANDOM],
                   uint32_t counter);

#endif /* SKIO_BASE_ID_H */
