#define _POSIX_C_SOURCE 200809L /* strncasecmp */

#include "transport/encoding.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

#include "base/mem.h"

#define ZLIB_LEVEL 6
#define ZLIB_BITS 15 /* of the window; plus 16: with gzip's header */

static const char *const names[ENCODING_COUNT] = {
    [ENCODING_IDENTITY] = "identity",
    [ENCODING_GZIP] = "gzip",
    [ENCODING_DEFLATE] = "deflate",
};

/* How an encoding is wanted. */
struct wish {
    unsigned quality; /* in thousandths; 0: not at all */
    bool by_name;
    unsigned place; /* in the header */
};

static size_t
skip_blanks(const char *text, size_t at, size_t len)
{
    while (at < len && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at;
}

/* "0.5" in thousandths, at most 1000; what is no number is 0. */
static unsigned
parse_quality(const char *text, size_t len)
{
    unsigned quality;
    unsigned step = 100;

    if (len == 0 || text[0] < '0' || text[0] > '9')
        return 0;
    if (text[0] != '0')
        return 1000;
    quality = 0;
    if (len > 1 && text[1] != '.')
        return 0;
    for (size_t i = 2; i < len && step > 0; i++, step /= 10) {
        if (text[i] < '0' || text[i] > '9')
            break;
        quality += (unsigned)(text[i] - '0') * step;
    }
    return quality;
}

/* The q of what follows a name, ";q=0.5"; 1000 without one. */
static unsigned
quality_of(const char *text, size_t at, size_t len)
{
    while (at < len) { /* at a semicolon */
        at = skip_blanks(text, at + 1, len);
        if (len - at >= 2 && (text[at] == 'q' || text[at] == 'Q') &&
            text[at + 1] == '=')
            return parse_quality(text + at + 2, len - at - 2);
        while (at < len && text[at] != ';')
            at++;
    }
    return 1000;
}

/* One entry of the header, as far as it concerns this encoding. */
static bool
read_entry(const char *text, size_t len, const char *name, struct wish *wish)
{
    size_t start = skip_blanks(text, 0, len);
    size_t end = start;
    size_t rest;

    while (end < len && strchr(" \t;", text[end]) == NULL)
        end++;
    rest = skip_blanks(text, end, len);
    if (rest < len && text[rest] != ';')
        return false;
    if (end - start == 1 && text[start] == '*')
        wish->by_name = false;
    else if (end - start == strlen(name) &&
             strncasecmp(text + start, name, end - start) == 0)
        wish->by_name = true;
    else
        return false;
    wish->quality = quality_of(text, rest, len);
    return true;
}

static struct wish
wish_for(const char *accept, const char *name)
{
    struct wish best = {0};
    bool found = false;

    for (unsigned place = 0;; place++) {
        size_t len = strcspn(accept, ",");
        struct wish wish = {.place = place};

        if (read_entry(accept, len, name, &wish) &&
            (!found || (wish.by_name && !best.by_name) ||
             (wish.by_name == best.by_name && wish.quality > best.quality))) {
            best = wish;
            found = true;
        }
        if (accept[len] == '\0')
            return best;
        accept += len + 1;
    }
}

static bool
is_better(const struct wish *a, const struct wish *b)
{
    if (a->quality != b->quality)
        return a->quality > b->quality;
    if (a->by_name != b->by_name)
        return a->by_name;
    return a->place < b->place;
}

enum skio__encoding
skio__encoding_choose(const char *accept)
{
    enum skio__encoding chosen = ENCODING_IDENTITY;
    struct wish best = {0};

    if (accept == NULL)
        return chosen;
    for (int i = ENCODING_IDENTITY + 1; i < ENCODING_COUNT; i++) {
        struct wish wish = wish_for(accept, names[i]);

        if (wish.quality > 0 && is_better(&wish, &best)) {
            best = wish;
            chosen = (enum skio__encoding)i;
        }
    }
    return chosen;
}

const char *
skio__encoding_name(enum skio__encoding encoding)
{
    return names[encoding];
}

static void *
zlib_alloc(void *mem, uInt items, uInt size)
{
    return skio__mem_calloc(mem, items, size);
}

static void
zlib_free(void *mem, void *ptr)
{
    skio__mem_free(mem, ptr);
}

static int
apply_zlib(int bits, const skio_allocator *mem, const void *data, size_t len,
           char **out, size_t *out_len)
{
    z_stream stream = {.zalloc = zlib_alloc,
                       .zfree = zlib_free,
                       .opaque = (void *)(uintptr_t)mem};
    uLong bound;
    int result;

    if (len > INT_MAX / 2 || deflateInit2(&stream, ZLIB_LEVEL, Z_DEFLATED, bits,
                                          8, Z_DEFAULT_STRATEGY) != Z_OK)
        return SKIO_ENOMEM;
    bound = deflateBound(&stream, (uLong)len);
    *out = skio__mem_alloc(mem, bound);
    if (*out == NULL) {
        deflateEnd(&stream);
        return SKIO_ENOMEM;
    }
    stream.next_in = (Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)len;
    stream.next_out = (Bytef *)*out;
    stream.avail_out = (uInt)bound;
    result = deflate(&stream, Z_FINISH);
    *out_len = stream.total_out;
    deflateEnd(&stream);
    if (result == Z_STREAM_END)
        return SKIO_OK;
    skio__mem_free(mem, *out);
    return SKIO_ENOMEM;
}

int
skio__encoding_apply(enum skio__encoding encoding, const skio_allocator *mem,
                     const void *data, size_t len, char **out, size_t *out_len)
{
    return apply_zlib(encoding == ENCODING_GZIP ? ZLIB_BITS + 16 : ZLIB_BITS,
                      mem, data, len, out, out_len);
}
