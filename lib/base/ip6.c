#include "base/ip6.h"

#include <stddef.h>
#include <string.h>

#include "base/hex.h"

static bool
is_end(char c)
{
    return c == '\0' || c == '%';
}

/* Up to four digits. Returns what follows, or NULL. */
static const char *
read_group(const char *text, uint8_t out[2])
{
    unsigned value = 0;
    int digits = 0;

    for (; skio__hex_digit(*text) >= 0; text++) {
        if (++digits > 4)
            return NULL;
        value = value * 16 + (unsigned)skio__hex_digit(*text);
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)(value & 0xff);
    return digits > 0 ? text : NULL;
}

/* "192.0.2.1" at the end. Whether it was there. */
static bool
read_dotted(const char *text, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        int digits = 0;

        if (i > 0 && *text++ != '.')
            return false;
        for (; *text >= '0' && *text <= '9'; text++) {
            if (++digits > 3)
                return false;
            value = value * 10 + (unsigned)(*text - '0');
        }
        if (digits == 0 || value > 255)
            return false;
        out[i] = (uint8_t)value;
    }
    return is_end(*text);
}

/* Whether the group that begins here is the first of a dotted address. */
static bool
is_dotted(const char *text)
{
    return text[strspn(text, "0123456789")] == '.';
}

bool
skio__ip6_parse(const char *text, uint8_t out[SKIO__IP6_BYTES])
{
    ptrdiff_t gap = -1; /* where "::" stands */
    size_t len = 0;

    memset(out, 0, SKIO__IP6_BYTES);
    if (text[0] == ':') {
        if (text[1] != ':')
            return false;
        gap = 0;
        text += 2;
    }
    while (!is_end(*text)) {
        if (is_dotted(text)) {
            if (len > SKIO__IP6_BYTES - 4 || !read_dotted(text, out + len))
                return false;
            len += 4;
            break;
        }
        if (len == SKIO__IP6_BYTES)
            return false;
        text = read_group(text, out + len);
        if (text == NULL)
            return false;
        len += 2;
        if (is_end(*text))
            break;
        if (*text++ != ':')
            return false;
        if (*text == ':') {
            if (gap >= 0)
                return false;
            gap = (ptrdiff_t)len;
            text++;
        } else if (is_end(*text)) {
            return false;
        }
    }
    if (gap < 0)
        return len == SKIO__IP6_BYTES;
    if (len == SKIO__IP6_BYTES)
        return false; /* "::" stands for one group at least */

    /* What came behind the gap goes to the end. */
    memmove(out + SKIO__IP6_BYTES - (len - (size_t)gap), out + gap,
            len - (size_t)gap);
    memset(out + gap, 0, SKIO__IP6_BYTES - len);
    return true;
}

bool
skio__ip6_is_mapped(const uint8_t address[SKIO__IP6_BYTES])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(address, prefix, sizeof prefix) == 0;
}

void
skio__ip6_mask(uint8_t address[SKIO__IP6_BYTES], unsigned bits)
{
    for (unsigned i = 0; i < SKIO__IP6_BYTES; i++) {
        unsigned left = bits > i * 8 ? bits - i * 8 : 0;

        if (left < 8)
            address[i] &= (uint8_t)(0xff00u >> left);
    }
}
