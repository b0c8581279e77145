/*
 * Presence: the public face
 *
 * One timer does everything that takes time: batches, sockets that do not come
 * back, servers that fall silent, digests. Nothing of the table is touched
 * while somebody else's code runs, but what is held.
 */
#include <socketio/presence.h>

#include <sodium.h>
#include <string.h>

#include <socketio/cluster.h>
#include <socketio/loop.h>
#include <socketio/transport.h>

#include "addon/presence_tell.h"

#define NEXT_TURN_MS 10
#define STAMP_MAX ((UINT64_C(1) << 53) - 1)

#define DEVICE_OF(link_, member)                                               \
    PRESENCE_OF((link_), struct presence_device, member)

static const skio_presence_options defaults = {
    .struct_size = sizeof(skio_presence_options),
    .event = "presence",
    .state_event = "presence_state",
    .server_event = "skio:presence",
    .batch_ms = 250,
    .grace_ms = 5000,
    .digest_ms = 5000,
    .server_timeout_ms = 15000,
    .max_rooms = 10000,
    .max_users_per_room = 1000,
    .max_devices_per_user = 16,
    .max_devices = 100000,
    .max_servers = 64,
    .max_user_bytes = 128,
    .max_meta_bytes = 512,
    .max_chunk_bytes = 32768,
};

void
skio_presence_options_init_size(skio_presence_options *options,
                                size_t struct_size)
{
    size_t size = struct_size < sizeof defaults ? struct_size : sizeof defaults;

    memset(options, 0, struct_size);
    memcpy(options, &defaults, size);
    options->struct_size = struct_size;
}

/* ---- Time ---- */

static void
arm(skio_presence *presence)
{
    uint64_t now = skio_loop_now(presence->server);
    uint64_t due = presence->digest_at;

    if (!presence->is_started)
        return;
    if (presence->flush_at < due)
        due = presence->flush_at;
    if (presence->expire_at < due)
        due = presence->expire_at;
    if (!skio__presence_ring_is_empty(&presence->table.away)) {
        const struct presence_socket *first =
            PRESENCE_OF(presence->table.away.next, struct presence_socket,
                        away);

        due = first->due < due ? first->due : due;
    }
    /* Without memory for it now, with whatever happens next. */
    if (skio_timer_set(presence->timer,
                       due > now ? (uint32_t)(due - now) : 0) != SKIO_OK)
        skio_transport_log(presence->server, SKIO_LOG_ERROR,
                           "presence: no memory for a timer");
}

/* What changed is told in time. */
static void
schedule(skio_presence *presence)
{
    uint64_t now = skio_loop_now(presence->server);

    if (presence->flush_at == UINT64_MAX &&
        (!skio__presence_ring_is_empty(&presence->table.changed) ||
         skio__presence_wire_waits(&presence->wire)))
        presence->flush_at = now + presence->options.batch_ms;
    arm(presence);
}

int
skio_presence_tell(skio_presence *presence, skio_socket *socket,
                   const char *room)
{
    if (room == NULL || presence->options.state_event == NULL)
        return SKIO_EINVAL;
    return skio__presence_send_state(presence, socket, room, NULL);
}

int
skio_presence_answer(skio_presence *presence, skio_socket *socket,
                     const char *room, skio_ack *ack)
{
    if (room == NULL)
        return SKIO_EINVAL;
    return ack != NULL ? skio__presence_send_state(presence, socket, room, ack)
                       : SKIO_OK;
}

/* ---- Sockets that come and go ---- */

static void
drop_device(skio_presence *presence, struct presence_socket *own,
            struct presence_device *device)
{
    skio__presence_remove(&presence->table, device);
    skio__presence_socket_release(&presence->table, own);
}

static void
drop_socket(skio_presence *presence, struct presence_socket *own)
{
    while (!skio__presence_ring_is_empty(&own->devices))
        skio__presence_remove(&presence->table,
                              DEVICE_OF(own->devices.next, of_socket));
    skio__presence_socket_release(&presence->table, own);
}

/* Somebody said so; all else may be a bad connection. */
static bool
is_deliberate(enum skio_disconnect reason)
{
    return reason == SKIO_DISCONNECT_CLIENT_NAMESPACE ||
           reason == SKIO_DISCONNECT_SERVER_NAMESPACE ||
           reason == SKIO_DISCONNECT_FORCED_SERVER_CLOSE;
}

static void
on_disconnecting(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    skio_presence *presence = user;
    struct presence_socket *own =
        skio__presence_socket_find(&presence->table, skio_socket_id(socket));

    if (own == NULL)
        return;
    if (is_deliberate(reason) || presence->options.grace_ms == 0) {
        drop_socket(presence, own);
    } else {
        own->due = skio_loop_now(presence->server) + presence->options.grace_ms;
        skio__presence_ring_push(&presence->table.away, &own->away);
    }
    schedule(presence);
}

/* Who disconnects leaves its rooms: that was seen before. */
static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    skio_presence *presence = user;
    struct presence_socket *own;
    struct presence_device *device;

    (void)nsp;
    if (event != SKIO_ROOM_LEAVE || socket == NULL)
        return;
    own = skio__presence_socket_find(&presence->table, skio_socket_id(socket));
    if (own == NULL || own->due != 0)
        return;
    device = skio__presence_socket_device(own, room);
    if (device == NULL)
        return;
    drop_device(presence, own, device);
    schedule(presence);
}

/* A socket that was recovered has the id and the rooms that it had. */
static void
on_connect(skio_socket *socket, void *user)
{
    skio_presence *presence = user;
    struct presence_socket *own =
        skio__presence_socket_find(&presence->table, skio_socket_id(socket));
    struct presence_link *link;

    if (own == NULL || own->due == 0)
        return;
    own->due = 0;
    skio__presence_ring_remove(&own->away);
    link = own->devices.next;
    while (link != &own->devices) {
        struct presence_device *device = DEVICE_OF(link, of_socket);

        link = link->next;
        if (!skio_in_room(socket, device->user->room->name))
            skio__presence_remove(&presence->table, device);
    }
    skio__presence_socket_release(&presence->table, own);
    schedule(presence);
}

/* A user who comes back with another socket has not two: drop one that is
 * away. Returns whether there was one. */
static bool
take_over(skio_presence *presence, const char *room, const char *id)
{
    const struct presence_user *user =
        skio__presence_user_find(&presence->table, room, id);
    struct presence_link *link;

    if (user == NULL)
        return false;
    for (link = user->devices.next; link != &user->devices; link = link->next) {
        struct presence_device *device = DEVICE_OF(link, of_user);

        if (device->socket == NULL || device->socket->due == 0)
            continue;
        drop_device(presence, device->socket, device);
        return true;
    }
    return false;
}

/* ---- Tracking ---- */

static int make_meta(skio_presence *presence, struct presence_meta **out,
                     const char *format, va_list args) SKIO_PRINTF(3, 0);

static int
make_meta(skio_presence *presence, struct presence_meta **out,
          const char *format, va_list args)
{
    skio_server *server = presence->server;
    skio_bytes json = {NULL, 0};
    int err;

    if (format == NULL)
        err = skio__presence_json(server, &json, "null");
    else
        err = skio_transport_json(server, &json, format, args);
    if (err != SKIO_OK)
        return err;
    *out = NULL;
    if (json.len > presence->options.max_meta_bytes ||
        !skio__presence_is_shallow(server, json.data, json.len))
        err = SKIO_ETOOBIG;
    else if ((*out = skio__presence_meta_new(server, json.data, json.len)) ==
             NULL)
        err = SKIO_ENOMEM;
    skio_transport_free(server, (void *)(uintptr_t)json.data);
    return err;
}

/* It is in the table: now the socket joins, and hears who is there. Anything
 * may happen meanwhile. */
static int
welcome(skio_presence *presence, skio_socket *socket, const char *room)
{
    bool joins = !skio_in_room(socket, room);
    int err = joins ? skio_join(socket, room) : SKIO_OK;

    if (err != SKIO_OK)
        return err;
    if (presence->options.state_event != NULL)
        err = skio__presence_send_state(presence, socket, room, NULL);
    if (err != SKIO_OK && joins)
        (void)skio_leave(socket, room);
    return err;
}

static int
put(skio_presence *presence, struct presence_entry *entry)
{
    struct presence_table *table = &presence->table;
    struct presence_socket *own = skio__presence_socket_find(table, entry->id);
    struct presence_device *old = NULL;
    int err;

    if (own != NULL && own->due != 0)
        return SKIO_ECLOSED; /* it is just going */
    if (own == NULL)
        own = skio__presence_socket_new(table, entry->id);
    if (own == NULL)
        return SKIO_ENOMEM;
    old = skio__presence_socket_device(own, entry->room);
    if (table->clock < STAMP_MAX)
        table->clock++;
    entry->stamp = table->clock;
    err = skio__presence_put(table, entry, NULL, own);
    if (err == SKIO_ELIMIT && take_over(presence, entry->room, entry->user))
        err = skio__presence_put(table, entry, NULL, own);
    else if (err == SKIO_OK)
        (void)take_over(presence, entry->room, entry->user);
    if (err == SKIO_OK && old != NULL &&
        strcmp(old->user->id, entry->user) != 0)
        skio__presence_remove(table, old);
    skio__presence_socket_release(table, own);
    return err;
}

int
skio_presence_track(skio_presence *presence, skio_socket *socket,
                    const char *room, const char *user, const char *format, ...)
{
    const char *id = skio_socket_id(socket);
    struct presence_entry entry = {.room = room, .user = user, .id = id};
    const struct presence_socket *own;
    bool is_new;
    va_list args;
    int err;

    if (room == NULL || user == NULL || *user == '\0' ||
        skio_socket_nsp(socket) != presence->nsp)
        return SKIO_EINVAL;
    if (!skio_socket_is_connected(socket))
        return SKIO_ECLOSED;
    if (strlen(user) > presence->options.max_user_bytes)
        return SKIO_ETOOBIG;
    va_start(args, format);
    err = make_meta(presence, &entry.meta, format, args);
    va_end(args);
    if (err != SKIO_OK)
        return err;
    own = skio__presence_socket_find(&presence->table, id);
    is_new = own == NULL || skio__presence_socket_device(own, room) == NULL;
    err = put(presence, &entry);
    skio__presence_meta_unref(presence->server, entry.meta);
    if (err == SKIO_OK && is_new) {
        skio_socket_ref(socket);
        err = welcome(presence, socket, room);
        if (err != SKIO_OK)
            (void)skio_presence_untrack(presence, socket, room);
        skio_socket_unref(socket);
    }
    schedule(presence);
    return err;
}

int
skio_presence_untrack(skio_presence *presence, skio_socket *socket,
                      const char *room)
{
    struct presence_socket *own =
        skio__presence_socket_find(&presence->table, skio_socket_id(socket));
    struct presence_device *device =
        own != NULL && room != NULL ? skio__presence_socket_device(own, room)
                                    : NULL;

    if (device == NULL)
        return SKIO_ENOENT;
    drop_device(presence, own, device);
    schedule(presence);
    return SKIO_OK;
}

/* ---- Looking ---- */

/* The ids of a user's devices, in one block behind the list of them. */
static const char **
copy_devices(const skio_presence *presence, const struct presence_user *user)
{
    size_t size = user->device_count * sizeof(char *);
    size_t i = 0;
    const struct presence_link *link;
    const char **list;
    char *to;

    for (link = user->devices.next; link != &user->devices; link = link->next)
        size += strlen(DEVICE_OF(link, of_user)->id) + 1;
    list = skio_transport_alloc(presence->server, size);
    if (list == NULL)
        return NULL;
    to = (char *)(list + user->device_count);
    for (link = user->devices.next; link != &user->devices; link = link->next) {
        const struct presence_device *device = DEVICE_OF(link, of_user);
        size_t len = strlen(device->id) + 1;

        memcpy(to, device->id, len);
        list[i++] = to;
        to += len;
    }
    return list;
}

int
skio_presence_list(skio_presence *presence, const char *room,
                   skio_presence_member_fn *fn, void *user)
{
    struct presence_room *found =
        skio__presence_room_find(&presence->table, room);
    struct presence_user *at = NULL;
    bool goes_on = true;

    if (found == NULL)
        return SKIO_OK;
    found->holds++;
    while (goes_on) {
        struct presence_user *next = skio__presence_user_after(found, at);
        const char **devices;
        struct presence_meta *meta;
        skio_presence_member member;

        if (at != NULL)
            skio__presence_user_release(&presence->table, at);
        at = next;
        if (at == NULL)
            break;
        skio__presence_user_hold(at);
        devices = copy_devices(presence, at);
        if (devices == NULL)
            break;
        meta = skio__presence_meta_ref(skio__presence_user_meta(at));
        member = (skio_presence_member){sizeof member, at->id, meta->text,
                                        devices, at->device_count};
        goes_on = fn(&member, user);
        skio__presence_meta_unref(presence->server, meta);
        skio_transport_free(presence->server, devices);
    }
    if (at != NULL)
        skio__presence_user_release(&presence->table, at);
    found->holds--;
    skio__presence_room_release(&presence->table, found);
    return at != NULL && goes_on ? SKIO_ENOMEM : SKIO_OK;
}

size_t
skio_presence_count(const skio_presence *presence, const char *room)
{
    const struct presence_room *found =
        skio__presence_room_find(&presence->table, room);

    return found != NULL ? found->present : 0;
}

void
skio_presence_count_all(const skio_presence *presence,
                        skio_presence_counters *counters)
{
    skio_presence_counters all = {
        .struct_size = counters->struct_size,
        .rooms = presence->table.rooms.count,
        .devices = presence->table.devices,
        .servers = presence->table.servers.count,
        .refused = presence->wire.refused,
    };

    memcpy(counters, &all,
           all.struct_size < sizeof all ? all.struct_size : sizeof all);
}

/* ---- Its life ---- */

static void
on_count(int err, size_t count, size_t missing, void *user)
{
    skio_presence *presence = user;

    (void)missing;
    presence->wire.is_alone =
        err == SKIO_OK && count <= 1 && presence->table.servers.count == 0;
}

static void
on_server_event(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
                void *user)
{
    skio_presence *presence = user;
    uint64_t now = skio_loop_now(presence->server);
    uint64_t soon = now + presence->options.batch_ms;

    (void)nsp;
    (void)ack;
    skio__presence_wire_hear(&presence->wire, args, now);
    if (presence->wire.has_met && soon < presence->digest_at)
        presence->digest_at = soon; /* so that it gets to know this one */
    presence->wire.has_met = false;
    if (presence->expire_at == UINT64_MAX)
        presence->expire_at = now + presence->options.server_timeout_ms;
    schedule(presence);
}

static void
flush(skio_presence *presence, uint64_t now)
{
    skio__presence_announce(presence);
    skio__presence_wire_publish(&presence->wire, now);
    presence->flush_at = UINT64_MAX;
    if (!skio__presence_ring_is_empty(&presence->table.changed))
        presence->flush_at = now + NEXT_TURN_MS;
    else if (skio__presence_wire_waits(&presence->wire))
        presence->flush_at = now + presence->options.batch_ms;
}

static void
on_due(void *user)
{
    skio_presence *presence = user;
    uint64_t now = skio_loop_now(presence->server);
    struct presence_link *away = &presence->table.away;

    while (!skio__presence_ring_is_empty(away)) {
        struct presence_socket *own =
            PRESENCE_OF(away->next, struct presence_socket, away);

        if (own->due > now)
            break;
        drop_socket(presence, own);
    }
    if (presence->expire_at <= now)
        presence->expire_at = skio__presence_wire_expire(&presence->wire, now);
    if (presence->digest_at <= now) {
        presence->digest_at = now + presence->options.digest_ms;
        if (skio_server_count(presence->nsp, on_count, presence) != SKIO_OK)
            presence->wire.is_alone = false;
        skio__presence_wire_digest(&presence->wire);
    }
    if (presence->flush_at <= now)
        flush(presence, now);
    schedule(presence);
}

static void
start(skio_server *server, void *user)
{
    skio_presence *presence = user;

    presence->is_started = true;
    presence->digest_at = skio_loop_now(server);
    schedule(presence);
}

static void
free_presence(void *user)
{
    skio_presence *presence = user;

    skio_loop_forget(presence->server, presence);
    skio_timer_free(presence->timer);
    skio__presence_table_deinit(&presence->table);
    skio_transport_free(presence->server, presence);
}

static bool
is_within(uint32_t value, uint32_t least, uint32_t most)
{
    return value >= least && value <= most;
}

static bool
are_valid(const skio_presence_options *options,
          const skio_server_options *server)
{
    /* Of the largest event, names being escaped. */
    size_t most = server->max_outbound_bytes / 2;

    return options->event != NULL && options->server_event != NULL &&
           is_within(options->batch_ms, 10, 60000) &&
           is_within(options->grace_ms, 0, 600000) &&
           is_within(options->digest_ms, 100, 60000) &&
           is_within(options->server_timeout_ms, options->digest_ms + 1,
                     600000) &&
           options->max_rooms > 0 && options->max_users_per_room > 0 &&
           options->max_devices_per_user > 0 && options->max_devices > 0 &&
           options->max_servers > 0 && options->max_user_bytes > 0 &&
           options->max_user_bytes <= most / 16 &&
           options->max_meta_bytes >= 4 &&
           options->max_meta_bytes <= most / 4 &&
           options->max_chunk_bytes >= 1024 && options->max_chunk_bytes <= most;
}

static bool
visit_nobody(skio_socket *socket, void *user)
{
    (void)socket;
    (void)user;
    return false;
}

/* Names that no event may have are an error now, not later. */
static int
check_event(skio_nsp *nsp, const char *event)
{
    return skio_emit_with(nsp,
                          SKIO_TARGET(.to = SKIO_ROOMS("?"),
                                      .flags = SKIO_LOCAL),
                          event, NULL);
}

static int
check(skio_nsp *nsp, const skio_presence_options *options)
{
    skio_server *server = skio_nsp_server(nsp);
    int err;

    if (skio_nsp_parent(nsp) != NULL ||
        !are_valid(options, skio_transport_options(server)))
        return SKIO_EINVAL;
    err = skio_each_socket(nsp, visit_nobody, NULL); /* parents refuse */
    if (err == SKIO_OK)
        err = check_event(nsp, options->event);
    if (err == SKIO_OK && options->state_event != NULL)
        err = check_event(nsp, options->state_event);
    return err;
}

static char *
copy_name(char **to, const char *name)
{
    size_t len = name != NULL ? strlen(name) + 1 : 0;
    char *copy = *to;

    if (name == NULL)
        return NULL;
    memcpy(copy, name, len);
    *to += len;
    return copy;
}

static void
fill_random(const skio_server *server, void *buf, size_t len)
{
    const skio_server_options *options = skio_transport_options(server);

    if (options->random != NULL)
        options->random(buf, len, options->random_user);
    else
        randombytes_buf(buf, len);
}

static skio_presence *
make(skio_nsp *nsp, const skio_presence_options *options)
{
    static const char hex[] = "0123456789abcdef";
    skio_server *server = skio_nsp_server(nsp);
    size_t size =
        strlen(options->event) + strlen(options->server_event) + 3 +
        (options->state_event != NULL ? strlen(options->state_event) : 0);
    skio_presence *presence =
        skio_transport_alloc(server, sizeof *presence + size);
    unsigned char random[24];
    char *names;
    uint64_t seed;

    if (presence == NULL)
        return NULL;
    memset(presence, 0, sizeof *presence);
    presence->server = server;
    presence->nsp = nsp;
    presence->options = *options;
    names = presence->names;
    presence->options.event = copy_name(&names, options->event);
    presence->options.server_event = copy_name(&names, options->server_event);
    presence->options.state_event = copy_name(&names, options->state_event);
    presence->flush_at = UINT64_MAX;
    presence->expire_at = UINT64_MAX;
    fill_random(server, random, sizeof random);
    memcpy(&seed, random + 16, sizeof seed);
    skio__presence_table_init(&presence->table, server, &presence->options,
                              seed);
    presence->wire = (struct presence_wire){.table = &presence->table,
                                            .nsp = nsp,
                                            .options = &presence->options};
    for (size_t i = 0; i < 16; i++) {
        presence->wire.id[2 * i] = hex[random[i] >> 4];
        presence->wire.id[2 * i + 1] = hex[random[i] & 15];
    }
    return presence;
}

/* What was hooked up stays with what it is about: it goes with the server. */
static int
hook_up(skio_presence *presence)
{
    skio_nsp *nsp = presence->nsp;
    int err = skio_on_server_event(nsp, presence->options.server_event,
                                   on_server_event, presence);

    if (err == SKIO_OK)
        err = skio_on_connect(nsp, on_connect, presence);
    if (err == SKIO_OK)
        err = skio_on_disconnecting(nsp, on_disconnecting, presence);
    if (err == SKIO_OK)
        err = skio_on_room(nsp, on_room, presence);
    if (err == SKIO_OK)
        err = skio_loop_ready(presence->server, start, presence);
    return err;
}

int
skio_presence_new(skio_presence **out, skio_nsp *nsp,
                  const skio_presence_options *options)
{
    skio_presence_options own = defaults;
    skio_presence *presence;
    int err;

    if (options != NULL)
        memcpy(&own, options,
               options->struct_size < sizeof own ? options->struct_size
                                                 : sizeof own);
    err = check(nsp, &own);
    if (err != SKIO_OK)
        return err;
    presence = make(nsp, &own);
    if (presence == NULL)
        return SKIO_ENOMEM;
    presence->timer = skio_timer_new(presence->server, on_due, presence);
    err = SKIO_ENOMEM;
    if (presence->timer != NULL)
        err = skio_server_on_free(presence->server, free_presence, presence);
    if (err != SKIO_OK) {
        free_presence(presence);
        return err;
    }
    /* A handler that was added cannot be taken away: what fails from here on
     * leaves one that watches, and has nobody to tell of. */
    err = hook_up(presence);
    if (err == SKIO_OK)
        *out = presence;
    return err;
}
