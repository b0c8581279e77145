/*
 * What the halves of passing on share: redis_forward.c asks other servers for
 * our clients, redis_forward_taken.c answers what they ask
 */
#ifndef SKIO_ADAPTER_REDIS_FORWARD_PARTS_H
#define SKIO_ADAPTER_REDIS_FORWARD_PARTS_H

#include "adapter/redis_forward.h"
#include "adapter/redis_forward_wire.h"
#include "adapter/redis_hub.h"

#define TAG_LEN SKIO_FORWARD_TAG_LEN
#define SKIO__REDIS_FORWARD_CHANNEL_MAX (1024 + 32)

struct skio__redis_forward {
    struct skio__redis *redis;
    const skio_allocator *mem;
    skio_server *server;
    enum skio__redis_kind kind;
    struct skio__redis_sub *sub;
    skio_timer *timer;
    struct skio__map owners;
    struct skio__map waiting;
    struct skio__map taken;
    uint64_t next_id;
    bool said_bad;
    char tag[TAG_LEN + 1];
};

/* ---- redis_forward_taken.c ---- */

/* The channel of a server. Returns its length. */
size_t skio__redis_forward_channel(const struct skio__redis_forward *forward,
                                   const char *tag,
                                   char out[SKIO__REDIS_FORWARD_CHANNEL_MAX]);
/* A longer message would cost the server that hears it its connection. */
size_t
skio__redis_forward_message_max(const struct skio__redis_forward *forward);
/* Say a message to a server. SKIO_OK, or why it was not said. */
int skio__redis_forward_tell(struct skio__redis_forward *forward,
                             const char *tag, const struct skio__buf *message);

void
skio__redis_forward_hear_request(struct skio__redis_forward *forward,
                                 const struct skio__forward_message *message);
void
skio__redis_forward_hear_abandon(struct skio__redis_forward *forward,
                                 const struct skio__forward_message *message);
/* As respond() of a skio_forwarder. */
void skio__redis_forward_respond(void *handle, const skio_response *response);
/* Forget all that was taken, and end what the core still has of it. */
void skio__redis_forward_give_up(struct skio__redis_forward *forward,
                                 bool has_exchanges);

#endif /* SKIO_ADAPTER_REDIS_FORWARD_PARTS_H */
