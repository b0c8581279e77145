/*
 * Shapes: the raw text of a value
 *
 * The library has accepted it as JSON, so only ends are looked for. Nothing is
 * unescaped or copied: a string with escapes is compared as it stands. Each
 * function begins at the first byte of what it is about, and returns where that
 * ends.
 */
#ifndef SKIO_ADDON_SHAPES_TEXT_H
#define SKIO_ADDON_SHAPES_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A string as it was found, between its quotes. */
struct shape_string {
    const char *start;
    size_t len;      /* bytes, escapes as they are written */
    uint64_t points; /* code points that it has */
    bool is_escaped;
    bool has_nul;
};

/* Past a string. */
const char *skio__shape_string(const char *pos, struct shape_string *out);

/* Whether a string with escapes means this text. */
bool skio__shape_string_means(const struct shape_string *string,
                              const char *text, size_t len);

/* Past a number or a word. */
const char *skio__shape_word(const char *pos, const char *end);

/* Past any value: without a recursion, it may be nested deeply. */
const char *skio__shape_value(const char *pos, const char *end);

/* Inline, as each byte between two values is looked at. */
static inline const char *
skio__shape_space(const char *pos, const char *end)
{
    while (pos < end &&
           (*pos == ' ' || *pos == '\n' || *pos == '\r' || *pos == '\t'))
        pos++;
    return pos;
}

static inline bool
skio__shape_string_is(const struct shape_string *string, const char *text,
                      size_t len)
{
    if (!string->is_escaped)
        return string->len == len && memcmp(string->start, text, len) == 0;
    return skio__shape_string_means(string, text, len);
}

#endif /* SKIO_ADDON_SHAPES_TEXT_H */
