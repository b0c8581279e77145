/*
 * Plain text inside of JSON strings: see json_plain.h
 */
#include "base/json_plain.h"

#define SEARCHED 1024 /* bytes, at once */

/* Marks control characters and bytes of multi-byte UTF-8. */
static inline uint64_t
mark_unprintable(const char *pos)
{
    uint64_t word = skio__word_at(pos);

    return word | (word - SKIO__ONES * 0x20);
}

static const char *
skip_printable(const char *pos, const char *end)
{
    for (; end - pos >= 32; pos += 32)
        if (((mark_unprintable(pos) | mark_unprintable(pos + 8) |
              mark_unprintable(pos + 16) | mark_unprintable(pos + 24)) &
             SKIO__TOPS) != 0)
            break;
    for (; end - pos >= 8; pos += 8)
        if ((mark_unprintable(pos) & SKIO__TOPS) != 0)
            break;
    while (pos < end && skio__json_is_plain(*pos))
        pos++;
    return pos;
}

/*
 * The library finds quotes and backslashes faster than a loop does. Not in all
 * that is left, or many backslashes before a far quote would have it searched
 * for each time.
 */
const char *
skio__json_skip_long(const char *pos, const char *end)
{
    while (end - pos >= SKIO__JSON_LONG) {
        const char *stop = end - pos > SEARCHED ? pos + SEARCHED : end;
        const char *quote = memchr(pos, '"', (size_t)(stop - pos));
        const char *slash;

        if (quote != NULL)
            stop = quote;
        slash = memchr(pos, '\\', (size_t)(stop - pos));
        if (slash != NULL)
            stop = slash;
        pos = skip_printable(pos, stop);
        if (pos < stop || quote != NULL || slash != NULL)
            return pos;
    }
    while (pos < end && skio__json_is_plain(*pos))
        pos++;
    return pos;
}
