/*
 * The options of the Redis adapters: copied, the URL taken apart, checked
 */
#ifndef SKIO_ADAPTER_REDIS_OPTIONS_H
#define SKIO_ADAPTER_REDIS_OPTIONS_H

#include <socketio/redis.h>

/*
 * Copy with defaults for what the caller's struct is too short for; after it
 * url is NULL and its parts are in the members. options NULL: the defaults.
 *
 * Returns SKIO_OK; SKIO_EINVAL and the member's name in *bad; SKIO_ENOMEM.
 */
int skio__redis_options_copy(skio_redis_options *out,
                             const skio_redis_options *options,
                             const skio_allocator *mem, const char **bad);
void skio__redis_options_deinit(skio_redis_options *options,
                                const skio_allocator *mem);

#endif /* SKIO_ADAPTER_REDIS_OPTIONS_H */
