#include "engineio/packet.h"

#include <string.h>

#include <sodium.h>

int
skio__packet_read(const char *text, size_t len, struct eio_packet *packet)
{
    if (len == 0)
        return SKIO_EPROTO; /* an empty packet has no type */

    packet->data = text + 1;
    packet->len = len - 1;
    packet->binary = text[0] == 'b';
    packet->base64 = packet->binary;
    if (packet->binary) {
        packet->type = EIO_MESSAGE;
        return SKIO_OK;
    }
    if (text[0] < EIO_OPEN || text[0] > EIO_NOOP)
        return SKIO_EPROTO;
    packet->type = (enum eio_type)text[0];
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
skio__packet_unbase64(const char *text, size_t len, unsigned char *out)
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
