/*
 * Where Redis is, as text
 *
 *     redis://user:password@host:port/db      rediss:// is TLS
 *     unix:/path?db=1&user=a&password=b
 *     host:port,[::1]:port                    a list of sentinels
 */
#ifndef SKIO_ADAPTER_REDIS_URL_H
#define SKIO_ADAPTER_REDIS_URL_H

#include <socketio/redis.h>

#define SKIO__REDIS_HOST_MAX 255
#define SKIO__REDIS_PATH_MAX 107 /* of a unix socket: sun_path and its NUL */

/*
 * Take options->url apart into the members. What it does not say is left as it
 * is; it may not say more. The members that it does say are new strings in
 * *text, which the caller frees once they were copied.
 *
 * Returns SKIO_OK, SKIO_EINVAL or SKIO_ENOMEM.
 */
int skio__redis_url_parse(skio_redis_options *options,
                          const skio_allocator *mem, char **text);

/*
 * The next address of a list. *list moves on, to NULL behind the last.
 *
 * Returns 1; 0 at the end; SKIO_EINVAL for what is none.
 */
int skio__redis_url_next(const char **list, uint16_t default_port,
                         char host[SKIO__REDIS_HOST_MAX + 1], uint16_t *port);

#endif /* SKIO_ADAPTER_REDIS_URL_H */
