/*
 * JSON strings: escapes, there and back; see json.h
 */
#include "base/hex.h"
#include "base/json.h"

#include <string.h>

#include "base/json_plain.h"

#define SURROGATE_HIGH 0xD800
#define SURROGATE_LOW 0xDC00
#define SURROGATE_END 0xE000
#define REPLACEMENT 0xFFFD
#define ASTRAL 0x10000

size_t
skio__json_escape_len(const char *pos, const char *end)
{
    int i;

    if (end - pos < 2)
        return 0;

    switch (pos[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return 2;
    case 'u':
        break;
    default:
        return 0;
    }

    if (end - pos < 6)
        return 0;
    for (i = 2; i < 6; i++)
        if (skio__hex_digit(pos[i]) < 0)
            return 0;
    return 6;
}

/* Four hexadecimal digits; validated, so each is one. */
static uint32_t
hex4(const char *digits)
{
    uint32_t n = 0;
    int i;

    for (i = 0; i < 4; i++) {
        char c = digits[i];
        int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

        n = n << 4 | (uint32_t)digit;
    }
    return n;
}

static size_t
encode_utf8(uint32_t c, char out[4])
{
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < ASTRAL ? 3 : 4;
    static const uint8_t first[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    size_t i;

    for (i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(first[len] | c);
    return len;
}

/*
 * A \uXXXX, with its other half if there is one. The closing quote ends every
 * look ahead: after it nothing is read.
 */
static const char *
decode_unicode(const char *pos, uint32_t *out)
{
    uint32_t c = hex4(pos + 2);
    uint32_t low;

    pos += 6;
    *out = c;
    if (c < SURROGATE_HIGH || c >= SURROGATE_END)
        return pos;

    *out = REPLACEMENT;
    if (c >= SURROGATE_LOW || pos[0] != '\\' || pos[1] != 'u')
        return pos;

    low = hex4(pos + 2);
    if (low < SURROGATE_LOW || low >= SURROGATE_END)
        return pos;

    *out = ASTRAL + ((c - SURROGATE_HIGH) << 10) + (low - SURROGATE_LOW);
    return pos + 6;
}

/* The escape at pos (a backslash) as UTF-8; returns where it ends. */
static const char *
decode_escape(const char *pos, char out[4], size_t *len)
{
    uint32_t c;

    *len = 1;
    switch (pos[1]) {
    case 'b':
        out[0] = '\b';
        break;
    case 'f':
        out[0] = '\f';
        break;
    case 'n':
        out[0] = '\n';
        break;
    case 'r':
        out[0] = '\r';
        break;
    case 't':
        out[0] = '\t';
        break;
    case 'u':
        pos = decode_unicode(pos, &c);
        *len = encode_utf8(c, out);
        return pos;
    default:
        out[0] = pos[1]; /* a quote, a slash, a backslash */
        break;
    }
    return pos + 2;
}

/* The next escape, or end. */
static const char *
find_escape(const char *pos, const char *end)
{
    const char *found = memchr(pos, '\\', (size_t)(end - pos));

    return found != NULL ? found : end;
}

bool
skio__json_string_is(const char *text, const struct skio__json_slice *string,
                     const char *str, size_t len)
{
    const char *pos = text + string->start + 1;
    const char *end = text + string->start + string->len - 1;
    char piece[4];
    size_t n;

    if ((string->flags & SKIO__JSON_ESCAPED) == 0)
        return (size_t)(end - pos) == len &&
               (len == 0 || memcmp(pos, str, len) == 0);

    while (pos < end) {
        const char *data = piece;

        if (*pos == '\\') {
            pos = decode_escape(pos, piece, &n);
        } else {
            data = pos++;
            n = 1;
        }
        if (n > len || memcmp(data, str, n) != 0)
            return false;
        str += n;
        len -= n;
    }
    return len == 0;
}

size_t
skio__json_unescape(const char *text, const struct skio__json_slice *string,
                    char *out)
{
    const char *pos = text + string->start + 1;
    const char *end = text + string->start + string->len - 1;
    char *to = out;

    while (pos < end) {
        const char *escape = find_escape(pos, end);
        size_t run = (size_t)(escape - pos);
        char piece[4];
        size_t n;

        memcpy(to, pos, run);
        to += run;
        pos = escape;
        if (pos < end) {
            pos = decode_escape(pos, piece, &n);
            memcpy(to, piece, n);
            to += n;
        }
    }
    return (size_t)(to - out);
}

/* The letter after the backslash, 'u' for the long form, 0: none needed. */
static char
short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\f':
        return 'f';
    case '\r':
        return 'r';
    default:
        return c < 0x20 ? 'u' : '\0';
    }
}

static void
append_escape(struct skio__buf *buf, unsigned char c, char letter)
{
    static const char hex[] = "0123456789abcdef";
    char escape[6] = {'\\', letter, '0', '0', 0, 0};

    escape[4] = hex[c >> 4];
    escape[5] = hex[c & 15];
    skio__buf_append(buf, escape, letter == 'u' ? 6 : 2);
}

/* The first byte that must be escaped, or end. */
static inline const char *
skip_unescaped(const char *pos, const char *end)
{
    pos = skio__json_skip_plain(pos, end);
    while (pos < end && (unsigned char)*pos >= 0x80)
        pos = skio__json_skip_plain(pos + 1, end);
    return pos;
}

int
skio__json_escape(struct skio__buf *buf, const char *str, size_t len)
{
    const char *from = str; /* what is not appended yet */
    const char *end = str + len;
    const char *pos;

    if (len == 0)
        return buf->err;
    for (pos = skip_unescaped(str, end); pos < end;
         pos = skip_unescaped(from, end)) {
        skio__buf_append(buf, from, (size_t)(pos - from));
        append_escape(buf, (unsigned char)*pos,
                      short_escape((unsigned char)*pos));
        from = pos + 1;
    }
    return skio__buf_append(buf, from, (size_t)(end - from));
}

int
skio__json_quote(struct skio__buf *buf, const char *str, size_t len)
{
    if (len == 0 || skip_unescaped(str, str + len) == str + len)
        return skio__json_quote_plain(buf, str, len);
    skio__buf_putc(buf, '"');
    skio__json_escape(buf, str, len);
    return skio__buf_putc(buf, '"');
}
