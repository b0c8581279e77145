#include "addon/shapes_words.h"

#include <float.h>
#include <string.h>

void
skio__shape_skip_space(struct shape_words *w)
{
    w->pos += strspn(w->pos, " \t\r\n");
}

bool
skio__shape_take(struct shape_words *w, const char *sign)
{
    const size_t len = strlen(sign);

    skio__shape_skip_space(w);
    if (strncmp(w->pos, sign, len) != 0)
        return false;
    w->pos += len;
    return true;
}

/* ---- Texts ---- */

static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '$' || c == '-';
}

size_t
skio__shape_word_len(const struct shape_words *w)
{
    size_t len = 0;

    while (is_name_char(w->pos[len]))
        len++;
    return len;
}

/* Bytes of the UTF-8 sequence at text, by its first byte and those after it; 0
 * if it is none. */
static size_t
sequence_len(const unsigned char *text)
{
    const unsigned char first = text[0];
    size_t len = 4;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first < 0xe0)
        len = 2;
    else if (first < 0xf0)
        len = 3;
    for (size_t i = 1; i < len; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && text[1] < 0xa0) ||
        (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
        return 0;
    return len;
}

bool
skio__shape_read_quoted(struct shape_words *w, const char **text, size_t *len)
{
    const char *start = ++w->pos;

    while (*w->pos != '\'') {
        size_t n =
            *w->pos != '\0' ? sequence_len((const unsigned char *)w->pos) : 0;

        if (*w->pos == '\0')
            return skio__shape_fail_at(w, start - 1, "the quote is not closed");
        if (n == 0)
            return skio__shape_fail(w, "not UTF-8");
        w->pos += n;
    }
    *len = (size_t)(w->pos - start);
    if (*len > SKIO_SHAPE_TEXT_MAX)
        return skio__shape_fail_at(w, start - 1,
                                   "a text of more than 64 bytes");
    *text = start;
    w->pos++;
    return true;
}

bool
skio__shape_read_key(struct shape_words *w, const char **text, size_t *len)
{
    const char *start;

    skio__shape_skip_space(w);
    if (*w->pos == '\'')
        return skio__shape_read_quoted(w, text, len);
    start = w->pos;
    *len = skio__shape_word_len(w);
    w->pos += *len;
    *text = start;
    if (*len == 0)
        return skio__shape_fail(w, "a key is missing");
    if (*len > SKIO_SHAPE_TEXT_MAX)
        return skio__shape_fail_at(w, start, "a key of more than 64 bytes");
    return true;
}

/* ---- Ranges ---- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* An integer, which may be negative where that has a meaning. */
static bool
read_integer(struct shape_words *w, bool is_signed, int64_t *out)
{
    const char *start = w->pos;
    size_t len = is_signed && *w->pos == '-' ? 1 : 0;

    while (is_digit(w->pos[len]))
        len++;
    if (skio_slice_int(start, len, out) != SKIO_OK)
        return skio__shape_fail(w, "not an integer");
    w->pos += len;
    return true;
}

/* A number; ".." ends it, where "." alone belongs to it. */
static bool
read_number(struct shape_words *w, double *out)
{
    size_t len = *w->pos == '-' ? 1 : 0;

    while (is_digit(w->pos[len]))
        len++;
    if (w->pos[len] == '.' && is_digit(w->pos[len + 1])) {
        len++;
        while (is_digit(w->pos[len]))
            len++;
    }
    if (w->pos[len] == 'e' || w->pos[len] == 'E') {
        len++;
        len += w->pos[len] == '-' || w->pos[len] == '+';
        while (is_digit(w->pos[len]))
            len++;
    }
    if (skio_slice_double(w->pos, len, out) != SKIO_OK || *out > DBL_MAX ||
        *out < -DBL_MAX)
        return skio__shape_fail(w, "not a number");
    w->pos += len;
    return true;
}

/* One end of a range, into the node's min or its max. */
static bool
read_bound(struct shape_words *w, struct shape_node *node, bool is_max)
{
    int64_t n = 0;

    if (node->kind == SHAPE_NUMBER)
        return read_number(w, is_max ? &node->range.number.max
                                     : &node->range.number.min);
    if (!read_integer(w, node->kind == SHAPE_INT, &n))
        return false;
    if (node->kind == SHAPE_INT && is_max)
        node->range.integer.max = n;
    else if (node->kind == SHAPE_INT)
        node->range.integer.min = n;
    else if (is_max)
        node->range.count.max = (uint64_t)n;
    else
        node->range.count.min = (uint64_t)n;
    return true;
}

static bool
is_in_order(const struct shape_node *node)
{
    if (node->kind == SHAPE_NUMBER)
        return node->range.number.min <= node->range.number.max;
    if (node->kind == SHAPE_INT)
        return node->range.integer.min <= node->range.integer.max;
    return node->range.count.min <= node->range.count.max;
}

bool
skio__shape_read_range(struct shape_words *w, struct shape_node *node)
{
    const char *start;
    const char *first;

    if (node->kind == SHAPE_NUMBER) {
        node->range.number.min = -DBL_MAX;
        node->range.number.max = DBL_MAX;
    } else if (node->kind == SHAPE_INT) {
        node->range.integer.min = INT64_MIN;
        node->range.integer.max = INT64_MAX;
    } else {
        node->range.count.min = 0;
        node->range.count.max = UINT64_MAX;
    }
    if (!skio__shape_take(w, "("))
        return true;

    skio__shape_skip_space(w);
    start = w->pos;
    first = start;
    if (!skio__shape_take(w, "..")) {
        if (!read_bound(w, node, false))
            return false;
        if (skio__shape_take(w, ")")) { /* exactly this */
            w->pos = first;
            return read_bound(w, node, true) && skio__shape_take(w, ")");
        }
        if (!skio__shape_take(w, ".."))
            return skio__shape_fail(w, "'..' or ')' is missing");
    }
    skio__shape_skip_space(w);
    if (*w->pos != ')' && !read_bound(w, node, true))
        return false;
    if (!skio__shape_take(w, ")"))
        return skio__shape_fail(w, "')' is missing");
    return is_in_order(node) || skio__shape_fail_at(w, start, "an empty range");
}
