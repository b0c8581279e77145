#include "addon/shapes_text.h"

static unsigned
hex4(const char *digits)
{
    unsigned n = 0;

    for (int i = 0; i < 4; i++) {
        const unsigned c = (unsigned char)digits[i];

        n = n << 4 | (c <= '9' ? c - 0x30u : (c | 0x20u) - 0x61u + 10u);
    }
    return n;
}

/*
 * Past an escape, at its backslash: the code point that it is, a surrogate
 * without its other half being U+FFFD.
 */
static const char *
read_escape(const char *pos, uint32_t *point)
{
    static const char letters[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";
    const char *letter;
    unsigned high;

    if (pos[1] != 'u') {
        letter = strchr(letters, pos[1]);
        *point =
            (unsigned char)(letter != NULL ? meant[letter - letters] : pos[1]);
        return pos + 2;
    }
    high = hex4(pos + 2);
    pos += 6;
    *point = high;
    if (high < 0xd800 || high > 0xdfff)
        return pos;
    if (high < 0xdc00 && pos[0] == '\\' && pos[1] == 'u') {
        const unsigned low = hex4(pos + 2);

        if (low >= 0xdc00 && low <= 0xdfff) {
            *point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            return pos + 6;
        }
    }
    *point = 0xfffd;
    return pos;
}

static size_t
write_point(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

const char *
skio__shape_string(const char *pos, struct shape_string *out)
{
    uint64_t points = 0;
    uint32_t point;

    pos++;
    out->start = pos;
    out->is_escaped = false;
    out->has_nul = false;
    while (*pos != '"') {
        if (*pos == '\\') {
            out->is_escaped = true;
            pos = read_escape(pos, &point);
            out->has_nul = out->has_nul || point == 0;
            points++;
        } else {
            /* What continues a sequence is 10xxxxxx. */
            points += ((unsigned char)*pos++ & 0xc0) != 0x80;
        }
    }
    out->points = points;
    out->len = (size_t)(pos - out->start);
    return pos + 1;
}

bool
skio__shape_string_means(const struct shape_string *string, const char *text,
                         size_t len)
{
    const char *pos = string->start;
    const char *end = pos + string->len;

    while (pos < end) {
        char bytes[4] = {*pos, 0, 0, 0};
        size_t n = 1;

        if (*pos == '\\') {
            uint32_t point;

            pos = read_escape(pos, &point);
            n = write_point(point, bytes);
        } else {
            pos++;
        }
        if (n > len || memcmp(bytes, text, n) != 0)
            return false;
        text += n;
        len -= n;
    }
    return len == 0;
}

const char *
skio__shape_word(const char *pos, const char *end)
{
    while (pos < end && *pos != ',' && *pos != ']' && *pos != '}' &&
           *pos != ' ' && *pos != '\n' && *pos != '\r' && *pos != '\t')
        pos++;
    return pos;
}

static const char *
skip_string(const char *pos)
{
    pos++;
    while (*pos != '"')
        pos += *pos == '\\' ? 2 : 1;
    return pos + 1;
}

const char *
skio__shape_value(const char *pos, const char *end)
{
    size_t depth = 0;

    do {
        switch (*pos) {
        case '"':
            pos = skip_string(pos);
            break;
        case '[':
        case '{':
            depth++;
            pos++;
            break;
        case ']':
        case '}':
            depth--;
            pos++;
            break;
        case ',':
        case ':':
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            pos++;
            break;
        default:
            pos = skio__shape_word(pos, end);
            /* "key":1 has no word that ends with a colon: keys are strings. */
            break;
        }
    } while (depth > 0);
    return pos;
}
