/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above
 * U+10FFFF. Whole texts, or piece by piece with cuts anywhere.
 */
#ifndef SKIO_BASE_UTF8_H
#define SKIO_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between two pieces; start with all zeroes. */
struct skio__utf8 {
    uint8_t need; /* continuation bytes that must still come */
    uint8_t low;  /* range of the next one, when need is not 0 */
    uint8_t high;
    uint8_t bad; /* an invalid byte was seen; stays */
};

bool skio__utf8_valid(const char *text, size_t len);

/* Check the next piece. False as soon as the text cannot be valid any more. */
bool skio__utf8_feed(struct skio__utf8 *state, const char *text, size_t len);

/* Whether the text may end here: valid, and in no middle of a character. */
static inline bool
skio__utf8_is_complete(const struct skio__utf8 *state)
{
    return state->need == 0 && state->bad == 0;
}

/*
 * Bytes (1 to 4) of the valid character at text, 0 if there is none. For
 * checking character by character; len is what is left, at least 1.
 */
size_t skio__utf8_char(const char *text, size_t len);

#endif /* SKIO_BASE_UTF8_H */
