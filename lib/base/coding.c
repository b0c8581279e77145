#include "base/coding.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define QUALITY_ONE 1000000u

/* How well an entry of the header speaks for a coding. */
struct rank {
    bool is_named; /* not by "*" */
    unsigned quality;
    unsigned order;
    bool is_there;
};

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *
skip_space(const char *pos, const char *end)
{
    while (pos < end && is_space(*pos))
        pos++;
    return pos;
}

/* A decimal number as parseFloat() reads it, in millionths; at most one. */
static unsigned
read_quality(const char *pos, const char *end)
{
    unsigned quality = 0;
    unsigned digit = QUALITY_ONE;
    bool is_fraction = false;

    for (pos = skip_space(pos, end); pos < end; pos++) {
        if (*pos == '.' && !is_fraction) {
            is_fraction = true;
            continue;
        }
        if (*pos < '0' || *pos > '9')
            break;
        if (is_fraction)
            digit /= 10;
        else if (quality > 0)
            quality = QUALITY_ONE; /* of more digits than one */
        quality += digit * (unsigned)(*pos - '0');
        if (quality > QUALITY_ONE && !is_fraction)
            quality = QUALITY_ONE;
    }
    return quality;
}

/* The parameter q of an entry, whose name has ended. */
static unsigned
quality_of(const char *pos, const char *end)
{
    while (pos < end && (pos = memchr(pos, ';', (size_t)(end - pos))) != NULL) {
        pos = skip_space(pos + 1, end);
        if (end - pos >= 2 && pos[0] == 'q' && pos[1] == '=')
            return read_quality(pos + 2, end);
    }
    return QUALITY_ONE;
}

static bool
is_better(const struct rank *a, const struct rank *b)
{
    if (a->is_named != b->is_named)
        return a->is_named;
    if (a->quality != b->quality)
        return a->quality > b->quality;
    return a->order > b->order;
}

/* What the header says of one coding. */
static struct rank
rank_of(const char *accept, const char *name)
{
    size_t name_len = strlen(name);
    struct rank best = {false, 0, 0, false};
    unsigned order = 0;

    while (*accept != '\0') {
        const char *end = accept + strcspn(accept, ",");
        const char *start = skip_space(accept, end);
        const char *stop = start;
        struct rank rank = {false, 0, order, true};

        while (stop < end && *stop != ';' && !is_space(*stop))
            stop++;
        rank.is_named = (size_t)(stop - start) == name_len &&
                        strncasecmp(start, name, name_len) == 0;
        if (skip_space(stop, end) < end && *skip_space(stop, end) != ';')
            rank.is_there = false; /* two words are none */
        else if (rank.is_named || (stop - start == 1 && *start == '*')) {
            rank.quality = quality_of(stop, end);
            if (!best.is_there || is_better(&rank, &best))
                best = rank;
        }
        order++;
        accept = *end == ',' ? end + 1 : end;
    }
    return best;
}

enum skio__coding
skio__coding_choose(const char *accept)
{
    struct rank gzip;
    struct rank deflate;

    if (accept == NULL)
        return SKIO__CODING_NONE;
    gzip = rank_of(accept, "gzip");
    deflate = rank_of(accept, "deflate");
    if (gzip.quality == 0 && deflate.quality == 0)
        return SKIO__CODING_NONE;
    if (gzip.quality != deflate.quality)
        return gzip.quality > deflate.quality ? SKIO__CODING_GZIP
                                              : SKIO__CODING_DEFLATE;
    if (gzip.is_named != deflate.is_named)
        return gzip.is_named ? SKIO__CODING_GZIP : SKIO__CODING_DEFLATE;
    return gzip.order <= deflate.order ? SKIO__CODING_GZIP
                                       : SKIO__CODING_DEFLATE;
}

const char *
skio__coding_name(enum skio__coding coding)
{
    static const char *const names[SKIO__CODING_COUNT] = {
        [SKIO__CODING_NONE] = "identity",
        [SKIO__CODING_GZIP] = "gzip",
        [SKIO__CODING_DEFLATE] = "deflate",
    };

    return names[coding];
}
