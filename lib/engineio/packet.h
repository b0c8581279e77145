/*
 * Engine.IO packets (protocol v4, "Packet encoding")
 *
 * In text form a packet is its type's character and UTF-8 data; a binary one
 * is always a message, a raw WebSocket frame or `b` and base64.
 */
#ifndef SKIO_ENGINEIO_PACKET_H
#define SKIO_ENGINEIO_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include <socketio/base.h>

enum eio_type {
    EIO_OPEN = '0',
    EIO_CLOSE = '1',
    EIO_PING = '2',
    EIO_PONG = '3',
    EIO_MESSAGE = '4',
    EIO_UPGRADE = '5',
    EIO_NOOP = '6'
};

struct eio_packet {
    enum eio_type type;
    bool binary;
    bool base64; /* the data of this binary packet is still base64 */
    const char *data;
    size_t len;
};

/*
 * Read a packet in text form. Its data points into the text.
 *
 * Returns SKIO_OK, or SKIO_EPROTO when it is empty or of no known type.
 */
static inline int
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

#endif /* SKIO_ENGINEIO_PACKET_H */
