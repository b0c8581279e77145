/*
 * Session ids: see id.h
 */
#include "base/id.h"

#include <string.h>

#define EACH(n) ((uint32_t)(n)*0x01010101) /* in all four bytes */

/* In each byte: 1 if that of n, below 64, is at least this. */
static uint32_t
reach(uint32_t n, unsigned least)
{
    return (n + EACH(128 - least)) >> 7 & EACH(1);
}

/*
 * Four digits of base64url, each 0 to 63 in a byte, as characters.
 *
 * Without a branch, and without a table of which one line is read and not
 * another: an id is a secret, and no time that passes should tell how it looks.
 * What is added is right for 'A', and is mended where another range begins; no
 * byte runs over into the next one.
 */
static uint32_t
write_digits(uint32_t n)
{
    uint32_t c = n + EACH('A');

    c += reach(n, 26) * ('a' - 'A' - 26);
    c -= reach(n, 52) * ('a' - '0' + 26);
    c -= reach(n, 62) * ('0' - '-' + 10);
    c += reach(n, 63) * ('_' - '-' - 1);
    return c;
}

void
skio__id_make(char out[SKIO__ID_LEN + 1],
              const unsigned char random[SKIO__ID_RANDOM], uint32_t counter)
{
    unsigned char bytes[SKIO__ID_RANDOM];
    size_t i;

    memcpy(bytes, random, SKIO__ID_RANDOM);
    bytes[SKIO__ID_RANDOM - 3] ^= (unsigned char)(counter >> 16);
    bytes[SKIO__ID_RANDOM - 2] ^= (unsigned char)(counter >> 8);
    bytes[SKIO__ID_RANDOM - 1] ^= (unsigned char)counter;

    for (i = 0; i < sizeof(bytes); i += 3) {
        uint32_t n = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 |
                     (uint32_t)bytes[i + 2];
        uint32_t c =
            write_digits((n << 6 & 0x3f000000) | (n << 4 & 0x003f0000) |
                         (n << 2 & 0x00003f00) | (n & 0x3f));

        *out++ = (char)(c >> 24);
        *out++ = (char)(c >> 16);
        *out++ = (char)(c >> 8);
        *out++ = (char)c;
    }
    *out = '\0';
}
