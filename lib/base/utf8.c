/*
 * UTF-8: see utf8.h
 *
 * The first byte of a character tells how many follow, and narrows the range
 * of the second one; that narrowing is what excludes overlong forms (E0, F0),
 * surrogates (ED) and values past U+10FFFF (F4).
 */
#include "base/utf8.h"

#include <string.h>

#include "base/compiler.h"

#define CONT_LOW 0x80
#define CONT_HIGH 0xBF

/* How a character that starts with c, at least 0x80, goes on. */
static void
begin(struct skio__utf8 *state, unsigned char c)
{
    state->low = CONT_LOW;
    state->high = CONT_HIGH;

    if (c >= 0xC2 && c <= 0xDF) {
        state->need = 1;
    } else if (c >= 0xE0 && c <= 0xEF) {
        state->need = 2;
        if (c == 0xE0)
            state->low = 0xA0;
        else if (c == 0xED)
            state->high = 0x9F;
    } else if (c >= 0xF0 && c <= 0xF4) {
        state->need = 3;
        if (c == 0xF0)
            state->low = 0x90;
        else if (c == 0xF4)
            state->high = 0x8F;
    } else {
        state->bad = 1;
    }
}

#define TOPS UINT64_C(0x8080808080808080) /* set in no ASCII */

static uint64_t
word_at(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof(word));
    return word;
}

/*
 * Skip ASCII, some machine words at a time. The last bytes are looked at in a
 * word that begins before them.
 */
static const char *
skip_ascii(const char *text, const char *end)
{
    const char *start = text;

    for (; end - text >= 32; text += 32)
        if (((word_at(text) | word_at(text + 8) | word_at(text + 16) |
              word_at(text + 24)) &
             TOPS) != 0)
            break;
    for (; end - text >= 8; text += 8) {
        uint64_t wide = word_at(text) & TOPS;

        if (wide != 0) {
            if (SKIO__LOW_BYTE_FIRST)
                return text + skio__trailing_zeros(wide) / 8;
            break;
        }
    }
    if (end - start >= 8 && end - text < 8 && (word_at(end - 8) & TOPS) == 0)
        return end;
    while (text < end && (unsigned char)*text < 0x80)
        text++;
    return text;
}

/* A byte in the middle of the text, or a character that is not complete. */
static void
step(struct skio__utf8 *state, unsigned char c)
{
    if (state->need == 0) {
        begin(state, c);
    } else if (c < state->low || c > state->high) {
        state->bad = 1;
    } else {
        state->need--;
        state->low = CONT_LOW;
        state->high = CONT_HIGH;
    }
}

bool
skio__utf8_feed(struct skio__utf8 *state, const char *text, size_t len)
{
    const char *end = text + len;

    if (len == 0)
        return state->bad == 0;

    while (text < end && state->bad == 0) {
        size_t whole = 0;

        if (state->need == 0 && (unsigned char)*text < 0x80) {
            text = skip_ascii(text, end);
            continue;
        }
        if (state->need == 0)
            whole = skio__utf8_char(text, (size_t)(end - text));
        if (whole == 0)
            step(state, (unsigned char)*text++);
        text += whole;
    }
    return state->bad == 0;
}

bool
skio__utf8_valid(const char *text, size_t len)
{
    struct skio__utf8 state = {0, 0, 0, 0};
    const char *end = text + len;

    if (len == 0)
        return true;
    text = skip_ascii(text, end); /* mostly that is all */
    return text == end ||
           (skio__utf8_feed(&state, text, (size_t)(end - text)) &&
            skio__utf8_is_complete(&state));
}

static bool
is_continued(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

size_t
skio__utf8_char(const char *text, size_t len)
{
    const unsigned char *c = (const unsigned char *)text;

    if (c[0] < 0x80)
        return 1;
    if (c[0] < 0xE0)
        return c[0] >= 0xC2 && len > 1 && is_continued(c[1]) ? 2 : 0;
    if (len < 3 || !is_continued(c[1]) || !is_continued(c[2]))
        return 0;
    if (c[0] == 0xE0)
        return c[1] >= 0xA0 ? 3 : 0; /* else overlong */
    if (c[0] == 0xED)
        return c[1] < 0xA0 ? 3 : 0; /* else a surrogate */
    if (c[0] < 0xF0)
        return 3;
    if (len < 4 || !is_continued(c[3]) || c[0] > 0xF4 ||
        (c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] >= 0x90))
        return 0;
    return 4;
}
