/*
 * What this server asks the others, and their answers
 *
 * A question is said to all, and Redis is asked how many they are: it is over
 * when so many have answered, or when its time is. What is here counts as well:
 * it is added at the end, and all there is when nobody else can be reached.
 */
#include "adapter/cluster_request.h"

#include <string.h>

#include "base/compiler.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/names.h"

/* ---- Targets that last ---- */

static int
keep_target(struct skio__request *request, const skio_target *target)
{
    const char *sender[2] = {NULL, NULL};
    size_t bytes = 0;
    size_t to;
    size_t except;
    size_t own;
    const char **list;
    char *text;

    request->target = (skio_target){.struct_size = sizeof(skio_target)};
    request->target.flags = SKIO_LOCAL;
    if (target == NULL)
        return SKIO_OK;
    if (target->sender != NULL)
        sender[0] = skio_socket_id(target->sender);
    to = skio__names_measure(target->to, &bytes);
    except = skio__names_measure(target->except, &bytes);
    own = skio__names_measure(sender, &bytes);
    list = skio__mem_alloc(request->mem, bytes);
    if (list == NULL)
        return SKIO_ENOMEM;
    text = (char *)(list + to + except + own + 3);
    request->target.to = list;
    text = skio__names_copy(list, target->to, text);
    list += to + 1;
    request->target.except = list;
    text = skio__names_copy(list, target->except, text);
    skio__names_copy(list + except, sender, text);
    return SKIO_OK;
}

/* ---- Beginning and ending ---- */

static void
free_request(struct skio__request *request)
{
    skio_timer_free(request->timer);
    skio__buf_deinit(&request->list);
    skio__mem_free(request->mem, (void *)(uintptr_t)request->target.to);
    skio__mem_free(request->mem, request);
}

static void finish(struct skio__request *request, int err);

static void
on_timeout(void *user)
{
    finish(user, SKIO_ETIMEDOUT);
}

/* Not known to anybody yet. Returns SKIO_OK, or why not. */
static int
new_request(struct skio__cluster *cluster, enum skio__request_kind kind,
            struct skio__request **out)
{
    const skio_allocator *mem = cluster->mem;
    struct skio__request *request;

    if (cluster->is_shut)
        return SKIO_ECLOSED;
    if (skio__map_count(&cluster->requests) >= cluster->limits.max_requests)
        return SKIO_ELIMIT;
    request = skio__mem_calloc(mem, 1, sizeof *request);
    if (request == NULL)
        return SKIO_ENOMEM;
    request->cluster = cluster;
    request->mem = mem;
    request->kind = kind;
    skio__buf_init(&request->list, mem);
    request->list.max = cluster->limits.max_answer_bytes;
    request->timer = skio_timer_new(cluster->server, on_timeout, request);
    if (request->timer == NULL) {
        free_request(request);
        return SKIO_ENOMEM;
    }
    do
        skio__cluster_make_id(cluster, request->id);
    while (skio__map_find(&cluster->requests, request->id,
                          strlen(request->id)) != NULL);
    *out = request;
    return SKIO_OK;
}

static bool
is_complete(const struct skio__request *request)
{
    return request->is_counted && request->responses >= request->servers &&
           request->answers >= request->clients;
}

static void
look_whether_complete(struct skio__request *request)
{
    if (is_complete(request))
        finish(request, SKIO_OK);
}

static void
on_servers(int err, size_t servers, void *user)
{
    struct skio__request *request = user;

    request->counts = false;
    if (request->is_over) {
        free_request(request);
        return;
    }
    if (err != SKIO_OK) {
        finish(request, err);
        return;
    }
    request->is_counted = true;
    request->servers = servers > 0 ? servers - 1 : 0;
    if (request->servers > request->cluster->limits.max_servers)
        request->servers = request->cluster->limits.max_servers;
    look_whether_complete(request);
}

/*
 * Say the question. From here on the request ends through finish(), with
 * SKIO_ECLOSED at once when nobody can be reached. Until it returns SKIO_OK
 * nothing was called.
 */
static int
ask(struct skio__request *request, struct skio__wire_message *said,
    uint32_t timeout_ms)
{
    struct skio__cluster *cluster = request->cluster;
    int err = skio_timer_set(request->timer, timeout_ms);

    if (err == SKIO_OK)
        err = skio__map_put(&cluster->requests, &request->node, request->id,
                            strlen(request->id));
    if (err != SKIO_OK) {
        free_request(request);
        return err;
    }
    said->request = (skio_bytes){request->id, strlen(request->id)};
    request->counts = true;
    err = skio__cluster_send(cluster, said, NULL);
    if (err == SKIO_OK)
        err = cluster->carrier->count(cluster, on_servers, request);
    if (err != SKIO_OK) {
        request->counts = false;
        finish(request, err);
    }
    return SKIO_OK;
}

void
skio__cluster_give_up(struct skio__cluster *cluster)
{
    struct skio__map_node *node;

    while ((node = skio__map_first(&cluster->requests)) != NULL)
        finish(skio__container_of(node, struct skio__request, node),
               SKIO_ECLOSED);
}

/* Over: tell, once. */
static void
finish(struct skio__request *request, int err)
{
    struct skio__cluster *cluster = request->cluster;
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    size_t missing = 0;

    if (request->is_counted && request->servers > request->responses)
        missing = request->servers - request->responses;
    skio__map_remove(&cluster->requests, &request->node);
    skio_timer_stop(request->timer);
    request->is_over = true;

    switch (request->kind) {
    case ASK_FETCH:
        skio__request_finish_fetch(request, err, missing);
        break;
    case ASK_COUNT:
        skio__request_finish_count(request, err, missing);
        break;
    case ASK_ROOMS:
        skio__request_finish_rooms(request, err, missing);
        break;
    case ASK_EVENT:
        skio__request_finish_event(request, err, missing);
        break;
    case ASK_ACKS:
        skio_adapter_asking_release(request->to.acks, err != SKIO_OK);
        break;
    }
    skio__arena_release(&cluster->arena, mark);
    if (!request->counts)
        free_request(request);
}

/* ---- Answers ---- */

static bool
is_last_response(const struct skio__request *request)
{
    return request->is_counted && request->responses >= request->servers;
}

/* Take the elements of an array, or one value. */
static void
take(struct skio__request *request, const char *json, size_t len)
{
    size_t before = request->list.len;

    skio__buf_putc(&request->list, before == 0 ? '[' : ',');
    if (skio__buf_append(&request->list, json, len) == SKIO_OK) {
        request->responses++;
        return;
    }
    /* Too much, or no memory: as if it had not come. */
    request->list.len = before;
    if (request->list.err == SKIO_ETOOBIG)
        request->list.err = SKIO_OK;
}

static void
take_elements(struct skio__request *request, const skio_bytes *json)
{
    const char *text = json->data;
    struct skio__json_slice array = skio__json_whole(text, json->len);

    if (skio__json_count(text, &array) == 0)
        request->responses++;
    else
        take(request, text + array.start + 1, array.len - 2);
}

/* Results are JSON without attachments: bytes in them are what Node's
 * JSON.stringify() makes of a Buffer. */
static void
take_response(struct skio__request *request,
              const struct skio__wire_message *message)
{
    skio_bytes json = message->json;
    struct skio__buf plain;

    skio__buf_init(&plain, request->mem);
    if (message->attachment_count > 0) {
        plain.max = request->cluster->limits.max_answer_bytes;
        if (skio__wire_plain_json(&plain, message) != SKIO_OK) {
            skio__buf_deinit(&plain);
            return; /* as if it had not come */
        }
        json = (skio_bytes){plain.data, plain.len};
    }
    if (request->kind != ASK_EVENT)
        take_elements(request, &json);
    else if (json.len > 0)
        take(request, json.data, json.len);
    else
        take(request, "null", 4);
    skio__buf_deinit(&plain);
}

static void
take_ack(struct skio__request *request,
         const struct skio__wire_message *message)
{
    struct skio__buf *list = &request->list;

    if (request->answers >= request->clients)
        return; /* more than were asked */
    skio__buf_reset(list);
    skio__buf_putc(list, '[');
    skio__buf_append(list, message->json.data, message->json.len);
    if (skio__buf_putc(list, ']') != SKIO_OK)
        return; /* too much, or no memory: as if it had not come */
    request->answers++;
    /* Who is told may end the request; where it fails nobody was told. */
    if (skio_adapter_asking_answer(request->to.acks, list->data, list->len,
                                   message->attachments,
                                   message->attachment_count) != SKIO_OK)
        request->answers--;
}

static void
take_client_count(struct skio__request *request,
                  const struct skio__wire_message *message)
{
    size_t clients = message->client_count;

    if (is_last_response(request) ||
        request->responses >= request->cluster->limits.max_servers)
        return;
    if (clients > request->cluster->limits.max_fetched)
        clients = request->cluster->limits.max_fetched;
    request->responses++;
    request->clients += clients;
    skio_adapter_asking_expect(request->to.acks, clients);
}

/* Whether an answer of this type is one to such a question. */
static bool
fits(const struct skio__request *request,
     const struct skio__wire_message *message)
{
    switch (request->kind) {
    case ASK_FETCH:
    case ASK_COUNT:
        return message->type == SKIO__WIRE_FETCH_SOCKETS_RESPONSE ||
               (message->type == SKIO__WIRE_RESPONSE && !message->has_rooms &&
                message->json.len > 0);
    case ASK_ROOMS:
        return message->type == SKIO__WIRE_FETCH_SOCKETS_RESPONSE ||
               (message->type == SKIO__WIRE_RESPONSE && message->json.len > 0);
    case ASK_EVENT:
        return message->type == SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE;
    case ASK_ACKS:
        return message->type == SKIO__WIRE_BROADCAST_CLIENT_COUNT ||
               message->type == SKIO__WIRE_BROADCAST_ACK;
    }
    return false;
}

void
skio__cluster_answered(struct skio__cluster *cluster,
                       const struct skio__wire_message *message)
{
    struct skio__map_node *node =
        skio__map_find(&cluster->requests, message->request.data,
                       message->request.len);
    struct skio__request *request;

    if (node == NULL)
        return;
    request = skio__container_of(node, struct skio__request, node);
    if (!fits(request, message))
        return;
    if (message->type == SKIO__WIRE_BROADCAST_CLIENT_COUNT)
        take_client_count(request, message);
    else if (message->type == SKIO__WIRE_BROADCAST_ACK)
        take_ack(request, message);
    else if (!is_last_response(request))
        take_response(request, message);

    /* What was called may have ended it. */
    node = skio__map_find(&cluster->requests, message->request.data,
                          message->request.len);
    if (node != NULL)
        look_whether_complete(
            skio__container_of(node, struct skio__request, node));
}

/* ---- Questions ---- */

/* FETCH, COUNT and ROOMS, with the first's callback set. */
static int
ask_for_sockets(struct skio__request *request, const skio_target *target,
                enum skio__wire_type type)
{
    struct skio__cluster *cluster = request->cluster;
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    struct skio__wire_message said;
    int err = keep_target(request, target);

    skio__cluster_begin(cluster, &said, type);
    if (err == SKIO_OK)
        err = skio__cluster_aim(cluster, &said, target);
    if (err == SKIO_OK)
        err = ask(request, &said, cluster->limits.requests_timeout_ms);
    else
        free_request(request);
    skio__arena_release(&cluster->arena, mark);
    return err;
}

int
skio__cluster_fetch(skio_adapter *adapter, const skio_target *target,
                    skio_fetch_fn *fn, void *user)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct skio__request *request;
    int err;

    if (skio__cluster_is_local(target))
        return cluster->local->ops->fetch(cluster->local, target, fn, user);
    err = new_request(cluster, ASK_FETCH, &request);
    if (err != SKIO_OK)
        return err;
    request->to.fetch = fn;
    request->user = user;
    return ask_for_sockets(request, target, SKIO__WIRE_FETCH_SOCKETS);
}

int
skio__cluster_sockets_count(skio_adapter *adapter, const skio_target *target,
                            skio_count_fn *fn, void *user)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct skio__request *request;
    int err;

    if (skio__cluster_is_local(target))
        return cluster->local->ops->count(cluster->local, target, fn, user);
    err = new_request(cluster, ASK_COUNT, &request);
    if (err != SKIO_OK)
        return err;
    request->to.count = fn;
    request->user = user;
    return ask_for_sockets(request, target, SKIO__WIRE_FETCH_SOCKETS);
}

int
skio__cluster_rooms_fetch(skio_adapter *adapter, skio_rooms_fn *fn, void *user)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct skio__request *request;
    int err = new_request(cluster, ASK_ROOMS, &request);

    if (err != SKIO_OK)
        return err;
    request->to.rooms = fn;
    request->user = user;
    return ask_for_sockets(request, NULL,
                           cluster->carrier->has_all_rooms
                               ? SKIO__WIRE_ALL_ROOMS
                               : SKIO__WIRE_FETCH_SOCKETS);
}

int
skio__cluster_server_side_emit(skio_adapter *adapter, skio_message *message,
                               struct skio_server_asking *asking)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    struct skio__wire_message said;
    struct skio__request *request;
    int err;

    skio__cluster_begin(cluster, &said, SKIO__WIRE_SERVER_SIDE_EMIT);
    err = skio__cluster_load(cluster, &said, message);
    if (err == SKIO_OK && asking == NULL) {
        err = skio__cluster_send(cluster, &said, NULL);
    } else if (err == SKIO_OK) {
        err = new_request(cluster, ASK_EVENT, &request);
        if (err == SKIO_OK) {
            request->to.event = asking;
            err = ask(request, &said, cluster->limits.requests_timeout_ms);
        }
    }
    skio__arena_release(&cluster->arena, mark);
    return err;
}

int
skio__cluster_broadcast_asking(skio_adapter *adapter, skio_message *message,
                               const skio_target *target,
                               struct skio_asking *asking)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    struct skio__wire_message said;
    struct skio__request *request;
    int err;

    if (!skio__cluster_is_local(target)) {
        skio_adapter_asking_hold(asking);
        skio__cluster_begin(cluster, &said, SKIO__WIRE_BROADCAST);
        err = skio__cluster_aim(cluster, &said, target);
        if (err == SKIO_OK)
            err = skio__cluster_load(cluster, &said, message);
        if (err == SKIO_OK)
            err = new_request(cluster, ASK_ACKS, &request);
        if (err == SKIO_OK) {
            request->to.acks = asking;
            said.timeout_ms = skio_adapter_asking_timeout(asking);
            err = ask(request, &said, said.timeout_ms);
        }
        if (err != SKIO_OK)
            skio_adapter_asking_release(asking, true);
        skio__arena_release(&cluster->arena, mark);
    }
    return cluster->local->ops->broadcast_asking(cluster->local, message,
                                                 target, asking);
}

/* ---- How many servers ---- */

struct counting {
    const skio_allocator *mem;
    skio_count_fn *fn;
    void *user;
};

static void
on_counted(int err, size_t servers, void *user)
{
    struct counting *counting = user;

    counting->fn(err, err == SKIO_OK && servers > 0 ? servers : 1, 0,
                 counting->user);
    skio__mem_free(counting->mem, counting);
}

int
skio__cluster_server_count(skio_adapter *adapter, skio_count_fn *fn, void *user)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct counting *counting;
    int err;

    if (cluster->is_shut)
        return SKIO_ECLOSED;
    counting = skio__mem_alloc(cluster->mem, sizeof *counting);
    if (counting == NULL)
        return SKIO_ENOMEM;
    *counting = (struct counting){cluster->mem, fn, user};
    err = cluster->carrier->count(cluster, on_counted, counting);
    if (err != SKIO_OK)
        on_counted(err, 1, counting);
    return SKIO_OK;
}
