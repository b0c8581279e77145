/*
 * Long-polling without sticky sessions: requests of other servers' sessions
 * are passed on through Redis
 *
 * Each server has a random tag, with which the ids of its sessions end, and
 * listens to a channel of that name. A request goes there by PUBLISH, which
 * says at once if nobody listens; its answer comes by PUBLISH to the channel of
 * who asked. While requests wait for another server it is asked for from time
 * to time: one that is gone answers none of them.
 */
#ifndef SKIO_ADAPTER_REDIS_FORWARD_H
#define SKIO_ADAPTER_REDIS_FORWARD_H

#include "adapter/redis.h"

struct skio__redis_forward;

/* Where the option asks for it. kind: SKIO__REDIS_CHANNEL or SKIO__REDIS_SHARD.
 * Returns SKIO_OK, or as skio_forward_attach(). */
int skio__redis_forward_start(struct skio__redis *redis,
                              enum skio__redis_kind kind);

/* By the hub, after its links, whose last callbacks come here. NULL does
 * nothing. */
void skio__redis_forward_free(struct skio__redis_forward *forward);

#endif /* SKIO_ADAPTER_REDIS_FORWARD_H */
