#include "adapter/cluster.h"

#include <string.h>

#include <sodium.h>

#include "base/mem.h"

/* ---- Messages of ours ---- */

void
skio__cluster_make_id(const struct skio__cluster *cluster, char *out)
{
    static const char letters[] = "0123456789abcdef"
                                  "ghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    const unsigned mask = cluster->carrier->id_is_hex ? 15 : 63;
    unsigned char random[SKIO__CLUSTER_ID_MAX];
    uint32_t len = cluster->carrier->id_len;

    randombytes_buf(random, sizeof random);
    for (uint32_t i = 0; i < len; i++)
        out[i] = letters[random[i] & mask];
    out[len] = '\0';
}

void
skio__cluster_begin(const struct skio__cluster *cluster,
                    struct skio__wire_message *message,
                    enum skio__wire_type type)
{
    const char *nsp = skio_nsp_name(cluster->base.nsp);

    *message = (struct skio__wire_message){
        .type = type,
        .uid = {cluster->uid, strlen(cluster->uid)},
        .nsp = {nsp, strlen(nsp)},
    };
}

static size_t
count_names(const char *const *names)
{
    size_t count = 0;

    while (names != NULL && names[count] != NULL)
        count++;
    return count;
}

int
skio__cluster_aim(struct skio__cluster *cluster,
                  struct skio__wire_message *message, const skio_target *target)
{
    size_t count;
    const char **except;

    if (target == NULL)
        return SKIO_OK;
    message->to = target->to;
    message->except = target->except;
    message->flags = target->flags;
    message->timeout_ms = target->timeout_ms;
    if (target->sender == NULL)
        return SKIO_OK;

    count = count_names(target->except);
    except =
        skio__arena_alloc(&cluster->arena, (count + 2) * sizeof(const char *));
    if (except == NULL)
        return SKIO_ENOMEM;
    if (count > 0)
        memcpy(except, target->except, count * sizeof *except);
    except[count] = skio_socket_id(target->sender);
    except[count + 1] = NULL;
    message->except = except;
    return SKIO_OK;
}

int
skio__cluster_load(struct skio__cluster *cluster,
                   struct skio__wire_message *message,
                   const skio_message *loaded)
{
    uint32_t count = skio_adapter_message_attachments(loaded);
    skio_bytes *attachments;

    skio_adapter_message_json(loaded, &message->json);
    if (count == 0)
        return SKIO_OK;
    attachments =
        skio__arena_alloc(&cluster->arena, count * sizeof *attachments);
    if (attachments == NULL)
        return SKIO_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        skio_adapter_message_attachment(loaded, i, &attachments[i]);
    message->attachments = attachments;
    message->attachment_count = count;
    return SKIO_OK;
}

int
skio__cluster_send(struct skio__cluster *cluster,
                   const struct skio__wire_message *message, const char *to)
{
    if (cluster->is_shut)
        return SKIO_ECLOSED;
    return cluster->carrier->send(cluster, message, to);
}

/* ---- Passed on to the memory adapter ---- */

static void
cluster_close(skio_adapter *adapter)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);

    cluster->carrier->free(cluster);
}

static int
cluster_add(skio_adapter *adapter, skio_socket *socket)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    int err = cluster->local->ops->add(cluster->local, socket);

    if (err == SKIO_OK && cluster->carrier->room != NULL)
        cluster->carrier->room(cluster, skio_socket_id(socket), true);
    return err;
}

/* What is left of a room is known only after the socket has left it. */
static bool
keep_name(const char *room, void *user)
{
    skio__buf_append(user, room, strlen(room) + 1);
    return true;
}

static void
cluster_remove(skio_adapter *adapter, skio_socket *socket)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct skio__buf names;

    if (cluster->carrier->room == NULL) {
        cluster->local->ops->remove(cluster->local, socket);
        return;
    }
    skio__buf_init(&names, cluster->mem);
    cluster->local->ops->rooms(cluster->local, socket, keep_name, &names);
    cluster->local->ops->remove(cluster->local, socket);
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1) {
        const char *room = names.data + at;

        if (cluster->local->ops->room_count(cluster->local, room) == 0)
            cluster->carrier->room(cluster, room, false);
    }
    skio__buf_deinit(&names);
}

static int
cluster_join(skio_adapter *adapter, skio_socket *socket, const char *room)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    int err = cluster->local->ops->join(cluster->local, socket, room);

    if (err == SKIO_OK && cluster->carrier->room != NULL)
        cluster->carrier->room(cluster, room, true);
    return err;
}

static int
cluster_leave(skio_adapter *adapter, skio_socket *socket, const char *room)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    int err = cluster->local->ops->leave(cluster->local, socket, room);

    if (err == SKIO_OK && cluster->carrier->room != NULL &&
        cluster->local->ops->room_count(cluster->local, room) == 0)
        cluster->carrier->room(cluster, room, false);
    return err;
}

static bool
cluster_has(const skio_adapter *adapter, const skio_socket *socket,
            const char *room)
{
    const skio_adapter *local = skio__cluster_of(adapter)->local;

    return local->ops->has(local, socket, room);
}

static void
cluster_rooms(const skio_adapter *adapter, const skio_socket *socket,
              skio_room_fn *fn, void *user)
{
    const skio_adapter *local = skio__cluster_of(adapter)->local;

    local->ops->rooms(local, socket, fn, user);
}

static int
cluster_each(skio_adapter *adapter, const skio_target *target,
             skio_socket_fn *fn, void *user)
{
    skio_adapter *local = skio__cluster_of(adapter)->local;

    return local->ops->each(local, target, fn, user);
}

static int
cluster_each_room(skio_adapter *adapter, skio_room_fn *fn, void *user)
{
    skio_adapter *local = skio__cluster_of(adapter)->local;

    return local->ops->each_room(local, fn, user);
}

static size_t
cluster_room_count(const skio_adapter *adapter, const char *room)
{
    const skio_adapter *local = skio__cluster_of(adapter)->local;

    return local->ops->room_count(local, room);
}

/* ---- Said to the others ---- */

static int
cluster_broadcast(skio_adapter *adapter, skio_message *message,
                  const skio_target *target)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    struct skio__wire_message said;

    /* Whether the others can be told does not concern those who are here: what
     * is lost on the way is counted. */
    if (!skio__cluster_is_local(target)) {
        skio__cluster_begin(cluster, &said, SKIO__WIRE_BROADCAST);
        if (skio__cluster_aim(cluster, &said, target) == SKIO_OK &&
            skio__cluster_load(cluster, &said, message) == SKIO_OK)
            (void)skio__cluster_send(cluster, &said, NULL);
        skio__arena_release(&cluster->arena, mark);
    }
    return cluster->local->ops->broadcast(cluster->local, message, target);
}

void
skio__cluster_say(struct skio__cluster *cluster, enum skio__wire_type type,
                  const skio_target *target, const char *room, bool close)
{
    struct skio__arena_mark mark = skio__arena_mark(&cluster->arena);
    const char *const rooms[] = {room, NULL};
    struct skio__wire_message said;

    if (skio__cluster_is_local(target))
        return;
    skio__cluster_begin(cluster, &said, type);
    said.rooms = room != NULL ? rooms : NULL;
    said.close = close;
    if (skio__cluster_aim(cluster, &said, target) == SKIO_OK)
        (void)skio__cluster_send(cluster, &said, NULL);
    skio__arena_release(&cluster->arena, mark);
}

static int
cluster_sockets_join(skio_adapter *adapter, const skio_target *target,
                     const char *room)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);

    skio__cluster_say(cluster, SKIO__WIRE_SOCKETS_JOIN, target, room, false);
    return cluster->local->ops->sockets_join(cluster->local, target, room);
}

static int
cluster_sockets_leave(skio_adapter *adapter, const skio_target *target,
                      const char *room)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);

    skio__cluster_say(cluster, SKIO__WIRE_SOCKETS_LEAVE, target, room, false);
    return cluster->local->ops->sockets_leave(cluster->local, target, room);
}

static int
cluster_sockets_disconnect(skio_adapter *adapter, const skio_target *target,
                           bool close)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);

    skio__cluster_say(cluster, SKIO__WIRE_DISCONNECT_SOCKETS, target, NULL,
                      close);
    return cluster->local->ops->sockets_disconnect(cluster->local, target,
                                                   close);
}

/* ---- Coming and going ---- */

/* What is published is gone: those who were away cannot get it. */
static bool
cluster_recovers(skio_adapter *adapter)
{
    (void)adapter;
    return false;
}

static void
cluster_open(skio_adapter *adapter)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);

    cluster->carrier->open(cluster);
}

static void
cluster_shutdown(skio_adapter *adapter)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);

    if (cluster->is_shut)
        return;
    cluster->is_shut = true;
    skio__cluster_give_up(cluster);
    skio__cluster_stop_answering(cluster);
    cluster->carrier->close(cluster);
}

const skio_adapter_ops skio__cluster_ops = {
    .struct_size = sizeof(skio_adapter_ops),
    .close = cluster_close,
    .add = cluster_add,
    .remove = cluster_remove,
    .join = cluster_join,
    .leave = cluster_leave,
    .has = cluster_has,
    .rooms = cluster_rooms,
    .broadcast = cluster_broadcast,
    .broadcast_asking = skio__cluster_broadcast_asking,
    .each = cluster_each,
    .sockets_join = cluster_sockets_join,
    .sockets_leave = cluster_sockets_leave,
    .sockets_disconnect = cluster_sockets_disconnect,
    .fetch = skio__cluster_fetch,
    .open = cluster_open,
    .shutdown = cluster_shutdown,
    .count = skio__cluster_sockets_count,
    .server_count = skio__cluster_server_count,
    .rooms_fetch = skio__cluster_rooms_fetch,
    .each_room = cluster_each_room,
    .room_count = cluster_room_count,
    .server_side_emit = skio__cluster_server_side_emit,
    .server_side_answer = skio__cluster_server_side_answer,
    .recovers = cluster_recovers,
};

int
skio__cluster_init(struct skio__cluster *cluster, skio_nsp *nsp,
                   const struct skio__carrier *carrier,
                   const struct skio__cluster_limits *limits)
{
    const skio_allocator *mem = skio_adapter_allocator(nsp);
    int err;

    cluster->base.ops = &skio__cluster_ops;
    cluster->base.nsp = nsp;
    cluster->server = skio_nsp_server(nsp);
    cluster->mem = mem;
    cluster->carrier = carrier;
    cluster->limits = *limits;
    err = skio_adapter_memory(nsp, NULL, &cluster->local);
    if (err != SKIO_OK)
        return err;
    skio__cluster_make_id(cluster, cluster->uid);
    skio__map_init(&cluster->requests, mem, skio_adapter_hash_key(nsp));
    skio__arena_init(&cluster->arena, mem, 0);
    skio__buf_init(&cluster->bytes, mem);
    return SKIO_OK;
}

void
skio__cluster_deinit(struct skio__cluster *cluster)
{
    cluster_shutdown(&cluster->base);
    cluster->local->ops->close(cluster->local);
    skio__map_deinit(&cluster->requests);
    skio__arena_deinit(&cluster->arena);
    skio__buf_deinit(&cluster->bytes);
}
