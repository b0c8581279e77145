#include "names.h"

#include <stdint.h>
#include <string.h>

/* Letters beyond ASCII: everything in these ranges but what hides below. All
 * have at most three bytes in UTF-8, as NAME_BYTES wants. */
static const struct range {
    uint32_t first;
    uint32_t last;
} letters[] = {{0x00c0, 0x1fff}, {0x3040, 0xd7ff}};

/* Invisible, blank, or turning the direction of the text. */
static const struct range hidden[] = {{0x034f, 0x034f}, {0x061c, 0x061c},
                                      {0x115f, 0x1160}, {0x1680, 0x1680},
                                      {0x17b4, 0x17b5}, {0x180b, 0x180f},
                                      {0x3164, 0x3164}};

static bool
is_in(uint32_t c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

static bool
is_ascii_token(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Read one character. The library has checked that the text is UTF-8. */
static uint32_t
next_char(const unsigned char **pos)
{
    const unsigned char *p = *pos;
    size_t more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 0;
    uint32_t c = more == 0 ? p[0] : p[0] & (0x3fu >> more);

    for (size_t i = 1; i <= more; i++)
        c = c << 6 | (p[i] & 0x3fu);
    *pos = p + more + 1;
    return c;
}

bool
name_is_valid(const char *name, size_t max_chars)
{
    const unsigned char *pos = (const unsigned char *)name;
    size_t count = 0;

    if (name == NULL)
        return false;
    while (*pos != '\0') {
        uint32_t c = next_char(&pos);
        bool allowed = c < 0x80 ? is_ascii_token((unsigned char)c) || c == '.'
                                : is_in(c, letters, 2) && !is_in(c, hidden, 7);

        if (!allowed || ++count > max_chars)
            return false;
    }
    return count > 0;
}

void
name_fold(char *out, const char *name)
{
    size_t i = 0;

    for (; i < NAME_BYTES - 1 && name[i] != '\0'; i++) {
        char c = name[i];

        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out[i] = '\0';
}

bool
token_is_valid(const char *token, size_t min, size_t max)
{
    size_t len = 0;

    if (token == NULL)
        return false;
    for (; token[len] != '\0'; len++)
        if (len == max || !is_ascii_token((unsigned char)token[len]))
            return false;
    return len >= min;
}

bool
token_is_equal(const char *a, const char *b)
{
    size_t len = strlen(a);
    unsigned char difference = 0;

    if (len != strlen(b))
        return false;
    for (size_t i = 0; i < len; i++)
        difference = (unsigned char)(difference | (a[i] ^ b[i]));
    return difference == 0;
}
