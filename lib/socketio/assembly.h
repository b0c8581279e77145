/*
 * A binary packet whose attachments are still to come
 *
 * The text is copied, each attachment too, but for the last one: with it the
 * packet is delivered, so it is borrowed. Bounded three ways: their number
 * (by the decoder), their bytes together (max_http_buffer_size) and the time
 * until the last one (attachment_timeout_ms). What a packet announces takes no
 * memory before it comes.
 */
#ifndef SKIO_SOCKETIO_ASSEMBLY_H
#define SKIO_SOCKETIO_ASSEMBLY_H

#include "base/timer.h"
#include "socketio/client.h"
#include "socketio/packet.h"

struct sio_assembly {
    struct skio__fifo_node due; /* in server->attachments_due */
    struct sio_client *client;
    struct sio_packet packet; /* nsp and json are in the text */
    size_t bytes;             /* of the attachments that came */
    uint32_t received;        /* those that are copies of ours */
    uint32_t room;            /* for attachments */
    skio_bytes *attachments;  /* first, or a block of their own */
    skio_bytes first[];       /* a few of them; then the text */
};

/* Begin for a decoded packet, whose texts are copied. NULL: no memory. */
struct sio_assembly *skio__assembly_new(struct sio_client *client,
                                        const struct sio_packet *packet);

/*
 * Take one attachment. The last one must stay where it is until the assembly
 * is freed.
 *
 * Returns 1 when it was the last one, 0 when more are due, SKIO_ELIMIT beyond
 * max_http_buffer_size together, SKIO_ENOMEM.
 */
int skio__assembly_add(struct sio_assembly *assembly, const char *data,
                       size_t len);

void skio__assembly_free(struct sio_assembly *assembly);

#endif /* SKIO_SOCKETIO_ASSEMBLY_H */
