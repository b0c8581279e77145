#include "engineio/payload.h"

#include <string.h>

#include "base/base64.h"

void
skio__payload_init(struct eio_payload *payload, const char *text, size_t len)
{
    /* No bytes are one empty packet, which is none. */
    payload->pos = text != NULL ? text : "";
    payload->end = payload->pos + len;
}

int
skio__payload_next(struct eio_payload *payload, struct eio_packet *packet)
{
    const char *start = payload->pos;
    const char *stop;
    size_t left;
    int err;

    if (start == NULL)
        return 0;

    left = (size_t)(payload->end - start);
    stop = left > 0 ? memchr(start, EIO_SEPARATOR, left) : NULL;
    payload->pos = stop != NULL ? stop + 1 : NULL;
    if (stop == NULL)
        stop = payload->end;

    err = skio__packet_read(start, (size_t)(stop - start), packet);
    return err < 0 ? err : 1;
}

bool
skio__payload_exceeds(const char *text, size_t len, size_t max)
{
    const char *pos = text != NULL ? text : ""; /* a body that never came */
    const char *end = pos + len;
    size_t count = 1;

    while (count <= max && pos < end) {
        pos = memchr(pos, EIO_SEPARATOR, (size_t)(end - pos));
        if (pos == NULL)
            break;
        pos++;
        count++;
    }
    return count > max;
}

int
skio__payload_append(struct skio__buf *buf, const struct skio__blob *blob)
{
    const void *data;
    size_t len;

    if (buf->len > 0)
        skio__buf_putc(buf, EIO_SEPARATOR);

    skio__blob_packet(blob, &data, &len);
    if ((blob->flags & SKIO__BLOB_BINARY) == 0)
        return skio__buf_append(buf, data, len);

    skio__buf_putc(buf, 'b');
    return skio__base64_append(buf, data, len);
}
