/*
 * Fuzz target: UTF-8, against a checker that decodes each character, whole and
 * in two pieces
 */
#include "fuzz/fuzz.h"

#include "base/utf8.h"

/* Bytes of the character at text, 0 if there is none: RFC 3629 by the letter.
 */
static size_t
slow_char(const uint8_t *text, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code;
    size_t bytes;

    if (text[0] < 0x80)
        return 1;
    bytes = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc0 || text[0] > 0xf7 || bytes > len)
        return 0;
    code = text[0] & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    if (code < least[bytes] || code > 0x10ffff ||
        (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return bytes;
}

static bool
slow_valid(const uint8_t *text, size_t len)
{
    while (len > 0) {
        size_t bytes = slow_char(text, len);

        fuzz_check(skio__utf8_char((const char *)text, len) == bytes);
        if (bytes == 0)
            return false;
        text += bytes;
        len -= bytes;
    }
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    size_t cut = fuzz_byte(&in);
    size_t len = in.left;
    char *text = fuzz_exact(in.at, len);
    bool valid = slow_valid((const uint8_t *)text, len);
    struct skio__utf8 state = {0, 0, 0, 0};
    bool first;

    fuzz_check(skio__utf8_valid(text, len) == valid);

    cut = cut < len ? cut : len;
    first = skio__utf8_feed(&state, text, cut);
    fuzz_check(skio__utf8_is_complete(&state) == skio__utf8_valid(text, cut));
    if (!first)
        fuzz_check(!valid);
    skio__utf8_feed(&state, text + cut, len - cut);
    fuzz_check(skio__utf8_is_complete(&state) == valid);
    free(text);
    return 0;
}
