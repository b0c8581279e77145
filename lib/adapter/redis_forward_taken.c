/*
 * Requests that other servers pass on to this one, whose session it is
 */
#include <string.h>

#include "adapter/redis_forward_parts.h"
#include "base/mem.h"

#define OVERHEAD 4096 /* of Redis' message around ours */

/* A request of another server's client. */
struct taken {
    struct skio__map_node by_name;
    struct skio__redis_forward *forward;
    skio_exchange *exchange; /* NULL: it is being taken */
    struct {
        uint64_t id;
        char from[TAG_LEN + 1];
    } name; /* zeroed before: it is a key */
};

/* ---- Messages ---- */

size_t
skio__redis_forward_channel(const struct skio__redis_forward *forward,
                            const char *tag,
                            char out[SKIO__REDIS_FORWARD_CHANNEL_MAX])
{
    static const char middle[] = "-engine#";
    const char *key = skio__redis_options(forward->redis)->key;
    size_t len = strlen(key);

    memcpy(out, key, len);
    memcpy(out + len, middle, sizeof middle - 1);
    len += sizeof middle - 1;
    memcpy(out + len, tag, TAG_LEN);
    len += TAG_LEN;
    out[len++] = '#';
    return len;
}

size_t
skio__redis_forward_message_max(const struct skio__redis_forward *forward)
{
    size_t max = skio__redis_options(forward->redis)->max_message_bytes;

    return max > 2 * OVERHEAD ? max - OVERHEAD : max / 2;
}

int
skio__redis_forward_tell(struct skio__redis_forward *forward, const char *tag,
                         const struct skio__buf *message)
{
    char channel[SKIO__REDIS_FORWARD_CHANNEL_MAX];
    size_t len = skio__redis_forward_channel(forward, tag, channel);

    return message->err != SKIO_OK
               ? message->err
               : skio__redis_publish(forward->redis, forward->kind, channel,
                                     len, message->data, message->len);
}

/* ---- What was taken ---- */

static void
forget_taken(struct taken *taken)
{
    struct skio__redis_forward *forward = taken->forward;

    skio__map_remove(&forward->taken, &taken->by_name);
    skio__mem_free(forward->mem, taken);
}

/* An answer that does not reach the client ends its session: the server that
 * asked answers with an error in time. */
void
skio__redis_forward_respond(void *handle, const skio_response *response)
{
    struct taken *taken = handle;
    struct skio__redis_forward *forward = taken->forward;
    struct skio__buf message;
    int err;

    skio__buf_init(&message, forward->mem);
    message.max = skio__redis_forward_message_max(forward);
    err = skio__forward_put_response(&message, taken->name.id, forward->tag,
                                     response);
    if (err == SKIO_OK)
        err = skio__redis_forward_tell(forward, taken->name.from, &message);
    if (err != SKIO_OK && err != SKIO_ECLOSED) {
        const skio_response short_one = {.status = 500, .close = true};

        skio_transport_log(forward->server, SKIO_LOG_WARN,
                           "redis: an answer of %zu bytes to another server's "
                           "client could not be passed on: %s",
                           response->body_len, skio_strerror(err));
        skio__buf_deinit(&message);
        (void)skio__forward_put_response(&message, taken->name.id, forward->tag,
                                         &short_one);
        (void)skio__redis_forward_tell(forward, taken->name.from, &message);
    }
    skio__buf_deinit(&message);
    forget_taken(taken);
}

static struct taken *
find_taken(const struct skio__redis_forward *forward, uint64_t id,
           const char *from)
{
    struct taken wanted;
    struct skio__map_node *node;

    memset(&wanted, 0, sizeof wanted);
    wanted.name.id = id;
    memcpy(wanted.name.from, from, TAG_LEN);
    node = skio__map_find(&forward->taken, &wanted.name, sizeof wanted.name);
    return node != NULL ? skio__container_of(node, struct taken, by_name)
                        : NULL;
}

static void
refuse(struct skio__redis_forward *forward,
       const struct skio__forward_message *message, int status)
{
    const skio_response response = {.status = status, .close = true};
    struct skio__buf out;

    skio__buf_init(&out, forward->mem);
    (void)skio__forward_put_response(&out, message->id, forward->tag,
                                     &response);
    (void)skio__redis_forward_tell(forward, message->from, &out);
    skio__buf_deinit(&out);
}

void
skio__redis_forward_hear_request(struct skio__redis_forward *forward,
                                 const struct skio__forward_message *message)
{
    const skio_redis_options *options = skio__redis_options(forward->redis);
    struct taken *taken;
    skio_exchange *exchange;

    if (find_taken(forward, message->id, message->from) != NULL)
        return;
    if (!skio_transport_owns(forward->server, message->request.path)) {
        refuse(forward, message, 400);
        return;
    }
    taken = skio__map_count(&forward->taken) < options->max_forwarded
                ? skio__mem_calloc(forward->mem, 1, sizeof *taken)
                : NULL;
    if (taken != NULL) {
        taken->forward = forward;
        taken->name.id = message->id;
        memcpy(taken->name.from, message->from, TAG_LEN);
        if (skio__map_put(&forward->taken, &taken->by_name, &taken->name,
                          sizeof taken->name) != SKIO_OK) {
            skio__mem_free(forward->mem, taken);
            taken = NULL;
        }
    }
    if (taken == NULL) {
        refuse(forward, message, 503);
        return;
    }
    if (skio_forward_take(forward->server, &message->request, message->body,
                          message->body_len, taken, &exchange) != SKIO_OK) {
        forget_taken(taken);
        refuse(forward, message, 400);
    } else if (exchange != NULL) {
        taken->exchange = exchange;
    }
}

void
skio__redis_forward_hear_abandon(struct skio__redis_forward *forward,
                                 const struct skio__forward_message *message)
{
    struct taken *taken = find_taken(forward, message->id, message->from);
    skio_exchange *exchange;

    if (taken == NULL || taken->exchange == NULL)
        return;
    exchange = taken->exchange;
    forget_taken(taken);
    skio_exchange_abort(exchange);
}

void
skio__redis_forward_give_up(struct skio__redis_forward *forward,
                            bool has_exchanges)
{
    struct skio__map_node *node;

    while ((node = skio__map_first(&forward->taken)) != NULL) {
        struct taken *taken = skio__container_of(node, struct taken, by_name);
        skio_exchange *exchange = taken->exchange;

        forget_taken(taken);
        if (has_exchanges && exchange != NULL)
            skio_exchange_abort(exchange);
    }
}
