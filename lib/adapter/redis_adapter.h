/*
 * What the adapters on Redis have in common: they are made from options, and
 * share what the server has with Redis
 */
#ifndef SKIO_ADAPTER_REDIS_ADAPTER_H
#define SKIO_ADAPTER_REDIS_ADAPTER_H

#include "adapter/cluster.h"
#include "adapter/redis.h"

#define SKIO__REDIS_ROOM_MAX 512 /* longer names are looked at when decoded */

/* Copies and checks the options, and gives the server adapters of this factory,
 * whose user is the struct skio__redis. kind: of the channels through which
 * polls are passed on. Returns as skio_redis_adapter(). */
int skio__redis_adapter_use(skio_server *server,
                            const skio_redis_options *options,
                            enum skio__redis_kind kind,
                            skio_adapter_factory *factory);

/* The limits of a namespace's adapter. */
void skio__redis_adapter_limits(const struct skio__redis *redis,
                                const skio_nsp *nsp,
                                struct skio__cluster_limits *limits);

/*
 * The name of a channel, appended: key, what, "#", the namespace, "#"; with
 * more than NULL, that and "#". is_pattern: characters that a glob would read
 * are escaped. Returns buf->err.
 */
int skio__redis_channel(struct skio__buf *buf, const struct skio__redis *redis,
                        const char *what, const skio_nsp *nsp, const char *more,
                        bool is_pattern);

#endif /* SKIO_ADAPTER_REDIS_ADAPTER_H */
