/*
 * Session ids: see id.h
 */
#include "base/id.h"

#include <string.h>

#include <sodium.h>

void
skio__id_make(char out[SKIO__ID_LEN + 1],
              const unsigned char random12[SKIO__ID_RANDOM], uint32_t counter)
{
    unsigned char bytes[SKIO__ID_RANDOM + 3];

    memcpy(bytes, random12, SKIO__ID_RANDOM);
    bytes[SKIO__ID_RANDOM] = (unsigned char)(counter >> 16);
    bytes[SKIO__ID_RANDOM + 1] = (unsigned char)(counter >> 8);
    bytes[SKIO__ID_RANDOM + 2] = (unsigned char)counter;

    sodium_bin2base64(out, SKIO__ID_LEN + 1, bytes, sizeof(bytes),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
