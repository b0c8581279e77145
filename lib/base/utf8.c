/*
 * UTF-8: see utf8.h
 *
 * The first byte of a character tells how many follow, and narrows the range
 * of the second one; that narrowing is what excludes overlong forms (E0, F0),
 * surrogates (ED) and values past U+10FFFF (F4).
 */
#include "base/utf8.h"

#include <string.h>

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

/* Skip ASCII, a machine word at a time. */
static const char *
skip_ascii(const char *text, const char *end)
{
    while (end - text >= 8) {
        uint64_t word;

        memcpy(&word, text, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
        text += 8;
    }
    while (text < end && (unsigned char)*text < 0x80)
        text++;
    return text;
}

bool
skio__utf8_feed(struct skio__utf8 *state, const char *text, size_t len)
{
    const char *end = text + len;

    if (len == 0)
        return state->bad == 0;

    while (text < end && state->bad == 0) {
        unsigned char c = (unsigned char)*text;

        if (state->need > 0) {
            if (c < state->low || c > state->high) {
                state->bad = 1;
            } else {
                state->need--;
                state->low = CONT_LOW;
                state->high = CONT_HIGH;
            }
            text++;
        } else if (c < 0x80) {
            text = skip_ascii(text, end);
        } else {
            begin(state, c);
            text++;
        }
    }
    return state->bad == 0;
}

bool
skio__utf8_valid(const char *text, size_t len)
{
    struct skio__utf8 state = {0, 0, 0, 0};

    return skio__utf8_feed(&state, text, len) && skio__utf8_is_complete(&state);
}

size_t
skio__utf8_char(const char *text, size_t len)
{
    struct skio__utf8 state = {0, 0, 0, 0};
    unsigned char c = (unsigned char)*text;
    size_t i;

    if (c < 0x80)
        return 1;

    begin(&state, c);
    if (state.bad != 0 || state.need >= len)
        return 0;

    for (i = 1; state.need > 0; i++, state.need--) {
        c = (unsigned char)text[i];
        if (c < state.low || c > state.high)
            return 0;
        state.low = CONT_LOW;
        state.high = CONT_HIGH;
    }
    return i;
}
