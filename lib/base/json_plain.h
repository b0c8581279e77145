/*
 * Plain text inside of JSON strings: what stands for itself
 *
 * All but control characters, quotes, backslashes and the bytes of multi-byte
 * UTF-8. Most strings are nothing else, so it is skipped by machine words.
 */
#ifndef SKIO_BASE_JSON_PLAIN_H
#define SKIO_BASE_JSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

/*
 * Eight bytes at a time: a byte below 0x80 minus n borrows into its top bit
 * exactly if it is below n, or if a lower byte did. So a mark of one of these
 * may be false, but never the lowest.
 */
#define SKIO__ONES UINT64_C(0x0101010101010101)
#define SKIO__TOPS UINT64_C(0x8080808080808080)

/* From here on the library searches faster than a loop; whole words. */
#define SKIO__JSON_LONG 128

static inline uint64_t
skio__word_at(const char *pos)
{
    uint64_t word;

    memcpy(&word, pos, sizeof(word));
    return word;
}

static inline bool
skio__json_is_plain(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Marks all that is not plain. A quote becomes 0x20, and that 0x22. */
static inline uint64_t
skio__json_mark_special(uint64_t word)
{
    return (word | ((word ^ SKIO__ONES * 2) - SKIO__ONES * 0x21) |
            ((word ^ SKIO__ONES * '\\') - SKIO__ONES)) &
           SKIO__TOPS;
}

/* As skio__json_skip_plain(), for a long text. */
const char *skio__json_skip_long(const char *pos, const char *end);

/* The first byte that is not plain, or end. */
static inline const char *
skio__json_skip_plain(const char *pos, const char *end)
{
    const bool is_long = end - pos > SKIO__JSON_LONG;
    size_t words = (is_long ? SKIO__JSON_LONG : (size_t)(end - pos)) / 8;

    for (; words > 0; words--, pos += 8) {
        uint64_t marks = skio__json_mark_special(skio__word_at(pos));

        if (marks != 0) {
            if (SKIO__LOW_BYTE_FIRST)
                return pos + skio__trailing_zeros(marks) / 8;
            break;
        }
    }
    if (is_long && words == 0)
        return skio__json_skip_long(pos, end);
    while (pos < end && skio__json_is_plain(*pos))
        pos++;
    return pos;
}

#endif /* SKIO_BASE_JSON_PLAIN_H */
