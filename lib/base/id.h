/*
 * Session ids
 *
 * 15 random bytes as 20 characters of base64url: the shape of the reference
 * server's ids, by whose length the sharded Redis adapters of all nodes tell a
 * socket's own room from others. The reference has 12 random bytes and a
 * counter; here the counter is added to the last three without a carry, which
 * leaves them as random as they are, and keeps ids apart while a broken random
 * source repeats itself.
 */
#ifndef SKIO_BASE_ID_H
#define SKIO_BASE_ID_H

#include <stdint.h>

#define SKIO__ID_LEN 20
#define SKIO__ID_RANDOM 15

/* Only the counter's low 24 bits are used. out gets a NUL. */
void skio__id_make(char out[SKIO__ID_LEN + 1],
                   const unsigned char random[SKIO__ID_RANDOM],
                   uint32_t counter);

#endif /* SKIO_BASE_ID_H */
