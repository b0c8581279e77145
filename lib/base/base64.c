#include "base/base64.h"

#include <stdbool.h>
#include <string.h>

#include <sodium.h>

int
skio__base64_append(struct skio__buf *buf, const void *data, size_t len)
{
    size_t room =
        sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);

    if (skio__buf_reserve(buf, room) != SKIO_OK)
        return buf->err;
    sodium_bin2base64(buf->data + buf->len, room, data, len,
                      sodium_base64_VARIANT_ORIGINAL);
    buf->len += room - 1; /* not the NUL */
    return SKIO_OK;
}

/* libsodium's decoder compares characters as numbers without a sign and takes
 * some bytes above 0x7f for letters (seen with 1.0.18); told to pass over line
 * ends, it passes over NUL too. */
static bool
is_ascii(const char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (text[i] == '\0' || (unsigned char)text[i] > 0x7f)
            return false;
    }
    return true;
}

static bool
is_padded(const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return len > 0 && text[len - 1] == '=';
}

ptrdiff_t
skio__base64_decode(const char *text, size_t len, unsigned char *out)
{
    bool padded = is_padded(text, len);
    bool url = memchr(text, '-', len) != NULL || memchr(text, '_', len) != NULL;
    size_t got = 0;
    int variant;

    if (len == 0)
        return 0;
    if (!is_ascii(text, len))
        return SKIO_EPROTO;
    if (url)
        variant = padded ? sodium_base64_VARIANT_URLSAFE
                         : sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    else
        variant = padded ? sodium_base64_VARIANT_ORIGINAL
                         : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;

    if (sodium_base642bin(out, len, text, len, "\r\n", &got, NULL, variant) !=
        0)
        return SKIO_EPROTO;
    return (ptrdiff_t)got;
}
