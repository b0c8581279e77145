#include "adapter/redis_adapter.h"

#include <string.h>

#include "adapter/redis_forward.h"

int
skio__redis_adapter_use(skio_server *server, const skio_redis_options *options,
                        enum skio__redis_kind kind,
                        skio_adapter_factory *factory)
{
    struct skio__redis *redis;
    int err = skio__redis_new(server, options, &redis);

    if (err != SKIO_OK)
        return err;
    err = skio__redis_forward_start(redis, kind);
    if (err == SKIO_OK)
        err = skio_server_adapter(server, factory, redis);
    /* From now on the adapters hold it: that of "/" as long as the server. */
    skio__redis_unref(redis);
    return err;
}

void
skio__redis_adapter_limits(const struct skio__redis *redis, const skio_nsp *nsp,
                           struct skio__cluster_limits *limits)
{
    const skio_redis_options *options = skio__redis_options(redis);
    const skio_server_options *server = skio_adapter_options(nsp);

    *limits = (struct skio__cluster_limits){
        .requests_timeout_ms = options->requests_timeout_ms,
        .max_requests = options->max_requests,
        .max_servers = options->max_servers,
        .max_fetched = options->max_fetched,
        .max_answer_bytes = options->max_message_bytes,
        .wire =
            {
                .max_depth = server->max_json_depth,
                /* of all sockets in an answer; an event's are checked again */
                .max_attachments = UINT16_MAX,
                .max_rooms = options->max_rooms_in_message,
                .max_name_bytes = server->max_name_bytes,
            },
    };
}

static void
put_text(struct skio__buf *buf, const char *text, bool is_pattern)
{
    for (; *text != '\0'; text++) {
        if (is_pattern && strchr("*?[]\\", *text) != NULL)
            skio__buf_putc(buf, '\\');
        skio__buf_putc(buf, *text);
    }
}

int
skio__redis_channel(struct skio__buf *buf, const struct skio__redis *redis,
                    const char *what, const skio_nsp *nsp, const char *more,
                    bool is_pattern)
{
    put_text(buf, skio__redis_options(redis)->key, is_pattern);
    skio__buf_append_str(buf, what);
    skio__buf_putc(buf, '#');
    put_text(buf, skio_nsp_name(nsp), is_pattern);
    skio__buf_putc(buf, '#');
    if (more != NULL) {
        put_text(buf, more, is_pattern);
        skio__buf_putc(buf, '#');
    }
    return buf->err;
}
