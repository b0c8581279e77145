/*
 * Requests of our clients for other servers' sessions
 */
#include "adapter/redis_forward.h"

#include <string.h>

#include <sodium.h>

#include "adapter/redis_forward_parts.h"
#include "base/id.h"
#include "base/mem.h"

#define TICK_MS 500

/* Another server, while requests wait for it. */
struct owner {
    struct skio__map_node by_tag;
    struct skio__redis_ring waiting;
    uint64_t look_at; /* whether it is still there */
    char tag[TAG_LEN + 1];
};

/* A request of a client of ours. */
struct waiting {
    struct skio__redis_ring ring; /* of its owner */
    struct skio__map_node by_id;
    struct skio__redis_forward *forward;
    struct owner *owner;
    skio_exchange *exchange; /* NULL: answered, Redis' reply is still due */
    uint64_t until;
    uint64_t id;
    bool is_publishing;
};

/* Whether a server is there is being asked. */
struct look {
    struct skio__redis_forward *forward;
    char tag[TAG_LEN + 1];
};

/* ---- Waiting for other servers ---- */

static struct waiting *
find_waiting(const struct skio__redis_forward *forward, uint64_t id)
{
    struct skio__map_node *node =
        skio__map_find(&forward->waiting, &id, sizeof id);

    return node != NULL ? skio__container_of(node, struct waiting, by_id)
                        : NULL;
}

static struct owner *
find_owner(const struct skio__redis_forward *forward, const char *tag)
{
    struct skio__map_node *node =
        skio__map_find(&forward->owners, tag, TAG_LEN);

    return node != NULL ? skio__container_of(node, struct owner, by_tag) : NULL;
}

static void
drop_owner(struct skio__redis_forward *forward, struct owner *owner)
{
    if (!skio__redis_ring_is_empty(&owner->waiting))
        return;
    skio__map_remove(&forward->owners, &owner->by_tag);
    skio__mem_free(forward->mem, owner);
}

static struct owner *
need_owner(struct skio__redis_forward *forward, const char *tag)
{
    struct owner *owner = find_owner(forward, tag);

    if (owner != NULL)
        return owner;
    owner = skio__mem_calloc(forward->mem, 1, sizeof *owner);
    if (owner == NULL)
        return NULL;
    skio__redis_ring_init(&owner->waiting);
    memcpy(owner->tag, tag, TAG_LEN);
    owner->look_at = skio_loop_now(forward->server) +
                     skio__redis_options(forward->redis)->requests_timeout_ms;
    if (skio__map_put(&forward->owners, &owner->by_tag, owner->tag, TAG_LEN) !=
        SKIO_OK) {
        skio__mem_free(forward->mem, owner);
        return NULL;
    }
    return owner;
}

/* It waits no longer: its exchange is the caller's to answer. */
static skio_exchange *
release(struct waiting *waiting)
{
    struct skio__redis_forward *forward = waiting->forward;
    skio_exchange *exchange = waiting->exchange;

    skio__map_remove(&forward->waiting, &waiting->by_id);
    skio__redis_ring_remove(&waiting->ring);
    drop_owner(forward, waiting->owner);
    waiting->owner = NULL;
    waiting->exchange = NULL;
    if (!waiting->is_publishing)
        skio__mem_free(forward->mem, waiting);
    return exchange;
}

static void
fail(struct waiting *waiting, int status)
{
    static const skio_header later[] = {{"Retry-After", "5"}};
    skio_response response = {.status = status, .close = true};

    if (status == 400) {
        skio_forward_unknown(release(waiting));
        return;
    }
    if (status == 503) {
        response.headers = later;
        response.header_count = 1;
    }
    skio_forward_answer(release(waiting), &response);
}

/* Nothing will come from there any more. */
static void
fail_all(struct skio__redis_forward *forward, const char *tag, int status)
{
    struct owner *owner;

    /* The last one takes its owner with it. */
    while ((owner = find_owner(forward, tag)) != NULL)
        fail(skio__container_of(owner->waiting.next, struct waiting, ring),
             status);
}

static void
on_published(int err, const struct skio__redis_reply *reply, void *user)
{
    struct waiting *waiting = user;
    struct skio__redis_forward *forward = waiting->forward;
    bool has_answer = waiting->exchange == NULL;
    bool is_heard = err == SKIO_OK && reply->type == SKIO__REDIS_INTEGER &&
                    reply->integer > 0;

    waiting->is_publishing = false;
    if (has_answer)
        skio__mem_free(forward->mem, waiting);
    else if (!is_heard && !forward->redis->is_freed)
        fail(waiting,
             err == SKIO_OK && reply->type == SKIO__REDIS_INTEGER ? 400 : 503);
}

/* Pass a message to another server; PUBLISH tells how many heard it. */
static int
publish_asking(struct waiting *waiting, const struct skio__buf *message)
{
    struct skio__redis_forward *forward = waiting->forward;
    bool is_shard = forward->kind == SKIO__REDIS_SHARD;
    char channel[SKIO__REDIS_FORWARD_CHANNEL_MAX];
    size_t len =
        skio__redis_forward_channel(forward, waiting->owner->tag, channel);
    const skio_bytes argv[] = {
        {is_shard ? "SPUBLISH" : "PUBLISH", is_shard ? 8 : 7},
        {channel, len},
        {message->data, message->len},
    };

    return skio__redis_command(forward->redis, channel, len, argv, 3,
                               on_published, waiting);
}

/* How long an answer may take: that of a poll comes with the next ping, at the
 * latest. */
static uint32_t
patience(const struct skio__redis_forward *forward, const skio_request *request)
{
    const skio_server_options *server = skio_transport_options(forward->server);
    uint64_t ms = skio__redis_options(forward->redis)->requests_timeout_ms;

    if (strcmp(request->method, "GET") == 0)
        ms += (uint64_t)server->ping_interval_ms + server->ping_timeout_ms;
    return ms < INT32_MAX ? (uint32_t)ms : INT32_MAX;
}

static int
enter(struct skio__redis_forward *forward, struct waiting *waiting,
      const char *tag)
{
    waiting->owner = need_owner(forward, tag);
    if (waiting->owner == NULL)
        return SKIO_ENOMEM;
    if (skio__map_put(&forward->waiting, &waiting->by_id, &waiting->id,
                      sizeof waiting->id) != SKIO_OK ||
        (!skio_timer_is_set(forward->timer) &&
         skio_timer_set(forward->timer, TICK_MS) != SKIO_OK)) {
        if (find_waiting(forward, waiting->id) == waiting)
            skio__map_remove(&forward->waiting, &waiting->by_id);
        drop_owner(forward, waiting->owner);
        return SKIO_ENOMEM;
    }
    skio__redis_ring_append(&waiting->owner->waiting, &waiting->ring);
    return SKIO_OK;
}

static int
ask(skio_exchange *exchange, const char *tag, const skio_request *request,
    const void *body, size_t len, void **name, void *user)
{
    struct skio__redis_forward *forward = user;
    struct waiting *waiting;
    struct skio__buf message;
    int err;

    if (forward->redis->is_freed || !skio__redis_is_up(forward->redis))
        return SKIO_ECLOSED;
    waiting = skio__mem_calloc(forward->mem, 1, sizeof *waiting);
    if (waiting == NULL)
        return SKIO_ENOMEM;
    waiting->forward = forward;
    waiting->id = forward->next_id++;
    waiting->until =
        skio_loop_now(forward->server) + patience(forward, request);
    err = enter(forward, waiting, tag);
    if (err != SKIO_OK) {
        skio__mem_free(forward->mem, waiting);
        return err;
    }

    skio__buf_init(&message, forward->mem);
    message.max = skio__redis_forward_message_max(forward);
    err = skio__forward_put_request(&message, waiting->id, forward->tag,
                                    request, body, len);
    if (err == SKIO_OK)
        err = publish_asking(waiting, &message);
    skio__buf_deinit(&message);
    if (err != SKIO_OK) {
        (void)release(waiting);
        return err;
    }
    waiting->exchange = exchange;
    waiting->is_publishing = true;
    *name = waiting;
    return SKIO_OK;
}

/* ---- To other servers ---- */

static void
abandon(skio_exchange *exchange, void *name, void *user)
{
    struct skio__redis_forward *forward = user;
    struct waiting *waiting = name;
    struct skio__buf message;

    (void)exchange;
    skio__buf_init(&message, forward->mem);
    (void)skio__forward_put_abandon(&message, waiting->id, forward->tag);
    /* Not heard, the other server finds out by its heartbeat. */
    (void)skio__redis_forward_tell(forward, waiting->owner->tag, &message);
    skio__buf_deinit(&message);
    (void)release(waiting);
}

/* ---- From other servers ---- */

static void
hear_response(struct skio__redis_forward *forward,
              const struct skio__forward_message *message)
{
    struct waiting *waiting = find_waiting(forward, message->id);

    if (waiting == NULL || strcmp(waiting->owner->tag, message->from) != 0)
        return;
    skio_forward_answer(release(waiting), &message->response);
}

static void
on_message(const char *channel, size_t channel_len, const void *data,
           size_t len, void *user)
{
    struct skio__redis_forward *forward = user;
    struct skio__forward_message message;
    int err = skio__forward_read(&message, forward->mem, data, len);

    (void)channel;
    (void)channel_len;
    if (err != SKIO_OK) {
        if (!forward->said_bad)
            skio_transport_log(forward->server, SKIO_LOG_WARN,
                               "redis: what another server passed on is not to "
                               "be understood: %s",
                               skio_strerror(err));
        forward->said_bad = true;
    } else if (message.type == SKIO__FORWARD_REQUEST) {
        skio__redis_forward_hear_request(forward, &message);
    } else if (message.type == SKIO__FORWARD_RESPONSE) {
        hear_response(forward, &message);
    } else {
        skio__redis_forward_hear_abandon(forward, &message);
    }
    skio__forward_deinit_message(&message);
}

/* ---- In time ---- */

static void
on_looked(int err, size_t count, void *user)
{
    struct look *look = user;
    struct skio__redis_forward *forward = look->forward;
    char tag[TAG_LEN + 1];

    memcpy(tag, look->tag, sizeof tag);
    skio__mem_free(forward->mem, look);
    if (err == SKIO_OK && count == 0 && !forward->redis->is_freed)
        fail_all(forward, tag, 400);
}

static void
look(struct skio__redis_forward *forward, struct owner *owner, uint64_t now)
{
    struct look *look = skio__mem_alloc(forward->mem, sizeof *look);
    char channel[SKIO__REDIS_FORWARD_CHANNEL_MAX];
    size_t len = skio__redis_forward_channel(forward, owner->tag, channel);

    owner->look_at =
        now + skio__redis_options(forward->redis)->requests_timeout_ms;
    if (look == NULL)
        return; /* the next time */
    look->forward = forward;
    memcpy(look->tag, owner->tag, sizeof look->tag);
    if (skio__redis_count(forward->redis, forward->kind, channel, len,
                          on_looked, look) != SKIO_OK)
        skio__mem_free(forward->mem, look);
}

static void
on_tick(void *user)
{
    struct skio__redis_forward *forward = user;
    uint64_t now = skio_loop_now(forward->server);
    struct skio__map_node *node;
    struct skio__map_node *after;

    /* Answering one leaves the others alone. */
    SKIO__MAP_EACH(&forward->waiting, node, after) {
        struct waiting *waiting =
            skio__container_of(node, struct waiting, by_id);

        if (waiting->until <= now)
            fail(waiting, 504);
    }
    SKIO__MAP_EACH(&forward->owners, node, after) {
        struct owner *owner = skio__container_of(node, struct owner, by_tag);

        if (owner->look_at <= now)
            look(forward, owner, now);
    }
    /* Its place in the heap was given back just now: this cannot fail. */
    if (skio__map_count(&forward->waiting) > 0)
        (void)skio_timer_set(forward->timer, TICK_MS);
}

/* Answers may have been lost: whoever waits has to begin again. */
static void
on_state(bool is_up, void *user)
{
    struct skio__redis_forward *forward = user;
    struct skio__map_node *node;

    if (is_up)
        return;
    while ((node = skio__map_first(&forward->waiting)) != NULL)
        fail(skio__container_of(node, struct waiting, by_id), 503);
    skio__redis_forward_give_up(forward, true);
}

/* ---- Made and freed ---- */

static void
make_tag(char tag[TAG_LEN + 1])
{
    unsigned char random[SKIO__ID_RANDOM];
    char id[SKIO__ID_LEN + 1];

    randombytes_buf(random, sizeof random);
    skio__id_make(id, random, 0);
    memcpy(tag, id, TAG_LEN);
    tag[TAG_LEN] = '\0';
}

int
skio__redis_forward_start(struct skio__redis *redis, enum skio__redis_kind kind)
{
    const skio_allocator *mem = skio__redis_mem(redis);
    const skio_redis_options *options = skio__redis_options(redis);
    struct skio__redis_forward *forward;
    skio_forwarder ops = {
        .struct_size = sizeof ops,
        .max_requests = options->max_forwarded,
        .max_bytes = options->max_output_bytes,
        .ask = ask,
        .abandon = abandon,
        .respond = skio__redis_forward_respond,
    };
    char channel[SKIO__REDIS_FORWARD_CHANNEL_MAX];
    int err = SKIO_ENOMEM;

    if (!options->forward_polls)
        return SKIO_OK;
    forward = skio__mem_calloc(mem, 1, sizeof *forward);
    if (forward == NULL)
        return SKIO_ENOMEM;
    forward->redis = redis;
    forward->mem = mem;
    forward->server = skio__redis_server(redis);
    forward->kind = kind;
    make_tag(forward->tag);
    ops.tag = forward->tag;
    skio__map_init(&forward->owners, mem, skio_adapter_hash_key(redis->root));
    skio__map_init(&forward->waiting, mem, skio_adapter_hash_key(redis->root));
    skio__map_init(&forward->taken, mem, skio_adapter_hash_key(redis->root));
    forward->timer = skio_timer_new(forward->server, on_tick, forward);
    if (forward->timer != NULL)
        forward->sub =
            skio__redis_subscribe(redis, kind, channel,
                                  skio__redis_forward_channel(forward,
                                                              forward->tag,
                                                              channel),
                                  on_message, forward);
    if (forward->sub != NULL)
        err = skio__redis_watch(redis, on_state, forward);
    if (err == SKIO_OK)
        err = skio_forward_attach(forward->server, &ops, forward);
    if (err != SKIO_OK) {
        skio__redis_unwatch(redis, forward);
        skio__redis_unsubscribe(forward->sub);
        skio_timer_free(forward->timer);
        skio__mem_free(mem, forward);
        return err;
    }
    redis->forward = forward;
    return SKIO_OK;
}

void
skio__redis_forward_free(struct skio__redis_forward *forward)
{
    struct skio__map_node *node;

    if (forward == NULL)
        return;
    skio_forward_detach(forward->server);
    /* What is left is of exchanges that are gone. */
    while ((node = skio__map_first(&forward->waiting)) != NULL)
        (void)release(skio__container_of(node, struct waiting, by_id));
    skio__redis_forward_give_up(forward, false);
    skio_timer_free(forward->timer);
    skio__map_deinit(&forward->owners);
    skio__map_deinit(&forward->waiting);
    skio__map_deinit(&forward->taken);
    skio__mem_free(forward->mem, forward);
}
