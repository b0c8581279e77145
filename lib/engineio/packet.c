#include "engineio/packet.h"

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
