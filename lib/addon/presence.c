/*
 * Presence: who is there
 *
 * Nothing of the table is touched while somebody else's code runs, but what is
 * held.
 */
#include <string.h>

#include <socketio/transport.h>

#include "addon/presence.h"
#include "addon/presence_tell.h"
#include "addon/text.h"

#define STAMP_MAX ((UINT64_C(1) << 53) - 1)

#define DEVICE_OF(link_, member)                                               \
    PRESENCE_OF((link_), struct presence_device, member)

/* ---- Sockets that come and go ---- */

static void
drop_device(skio_presence *presence, struct presence_socket *own,
            struct presence_device *device)
{
    skio__presence_remove(&presence->table, device);
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
        skio__presence_socket_drop(&presence->table, own);
    } else {
        own->due = skio_loop_now(presence->server) + presence->options.grace_ms;
        skio__presence_ring_push(&presence->table.away, &own->away);
    }
    skio__presence_schedule(presence);
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
    skio__presence_schedule(presence);
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
    skio__presence_schedule(presence);
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

int
skio__presence_watch(skio_presence *presence)
{
    skio_nsp *nsp = presence->nsp;
    int err = skio_on_connect(nsp, on_connect, presence);

    if (err == SKIO_OK)
        err = skio_on_disconnecting(nsp, on_disconnecting, presence);
    if (err == SKIO_OK)
        err = skio_on_room(nsp, on_room, presence);
    return err;
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
        err = skio__text_json(server, &json, "null");
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
    skio__presence_schedule(presence);
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
    skio__presence_schedule(presence);
    return SKIO_OK;
}

/* ---- Looking ---- */

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
