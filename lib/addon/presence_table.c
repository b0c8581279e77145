#include "addon/presence_table.h"

#include <string.h>

#include "addon/text.h"

#define STAMP_MAX ((UINT64_C(1) << 53) - 1) /* what a double of Node holds */

#define ROOM_OF(link_, member)                                                 \
    PRESENCE_OF((link_), struct presence_room, member)
#define DEVICE_OF(link_, member)                                               \
    PRESENCE_OF((link_), struct presence_device, member)

/* ---- Rings ---- */

void
skio__presence_ring_init(struct presence_link *ring)
{
    ring->prev = ring->next = ring;
}

bool
skio__presence_ring_is_empty(const struct presence_link *ring)
{
    return ring->next == ring;
}

void
skio__presence_ring_push(struct presence_link *ring, struct presence_link *link)
{
    link->prev = ring->prev;
    link->next = ring;
    ring->prev->next = link;
    ring->prev = link;
}

void
skio__presence_ring_remove(struct presence_link *link)
{
    if (link->next == NULL)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

/* ---- Rooms and users ---- */

static void
note_change(struct presence_table *table, struct presence_user *user)
{
    struct presence_room *room = user->room;

    if (user->changed.next == NULL)
        skio__presence_ring_push(&room->users, &user->changed);
    if (room->changed.next == NULL)
        skio__presence_ring_push(&table->changed, &room->changed);
}

void
skio__presence_room_release(struct presence_table *table,
                            struct presence_room *room)
{
    if (room->table.count > 0 || room->holds > 0)
        return;
    skio__presence_ring_remove(&room->changed);
    skio__presence_tree_remove(&table->rooms, &room->node);
    skio_transport_free(table->server, (void *)(uintptr_t)room->json.data);
    skio_transport_free(table->server, room);
}

static int
find_or_make_room(struct presence_table *table, const char *name,
                  struct presence_room **out)
{
    struct presence_room *room = skio__presence_room_find(table, name);
    size_t len = strlen(name);
    int err;

    *out = room;
    if (room != NULL)
        return SKIO_OK;
    if (table->rooms.count >= table->options->max_rooms)
        return SKIO_ELIMIT;
    room = skio_transport_alloc(table->server, sizeof *room + len + 1);
    if (room == NULL)
        return SKIO_ENOMEM;
    memset(room, 0, sizeof *room);
    err = skio__text_json(table->server, &room->json, "%s", name);
    if (err != SKIO_OK) {
        skio_transport_free(table->server, room);
        return err;
    }
    memcpy(room->name, name, len + 1);
    room->node.key = room->name;
    skio__presence_ring_init(&room->users);
    skio__presence_tree_insert(&table->rooms, &room->node, &table->seed);
    *out = room;
    return SKIO_OK;
}

static struct presence_user *
find_user(const struct presence_room *room, const char *id)
{
    struct presence_node *node = skio__presence_tree_find(&room->table, id);

    return node != NULL ? PRESENCE_OF(node, struct presence_user, node) : NULL;
}

static int
find_or_make_user(struct presence_table *table, struct presence_room *room,
                  const char *id, struct presence_user **out)
{
    struct presence_user *user = find_user(room, id);
    size_t len = strlen(id);
    int err;

    *out = user;
    if ((user == NULL || user->device_count == 0) &&
        room->present >= table->options->max_users_per_room)
        return SKIO_ELIMIT;
    if (user != NULL)
        return SKIO_OK;
    user = skio_transport_alloc(table->server, sizeof *user + len + 1);
    if (user == NULL)
        return SKIO_ENOMEM;
    memset(user, 0, sizeof *user);
    err = skio__text_json(table->server, &user->json, "%s", id);
    if (err != SKIO_OK) {
        skio_transport_free(table->server, user);
        return err;
    }
    memcpy(user->id, id, len + 1);
    user->node.key = user->id;
    user->room = room;
    skio__presence_ring_init(&user->devices);
    skio__presence_tree_insert(&room->table, &user->node, &table->seed);
    *out = user;
    return SKIO_OK;
}

/* Free it when nobody has a use for it. */
static void
release_user(struct presence_table *table, struct presence_user *user)
{
    struct presence_room *room = user->room;

    if (user->device_count > 0 || user->holds > 0 || user->told != NULL)
        return;
    skio__presence_ring_remove(&user->changed);
    skio__presence_tree_remove(&room->table, &user->node);
    skio_transport_free(table->server, (void *)(uintptr_t)user->json.data);
    skio_transport_free(table->server, user);
    skio__presence_room_release(table, room);
}

struct presence_room *
skio__presence_room_find(const struct presence_table *table, const char *name)
{
    struct presence_node *node = skio__presence_tree_find(&table->rooms, name);

    return node != NULL ? ROOM_OF(node, node) : NULL;
}

struct presence_user *
skio__presence_user_find(const struct presence_table *table, const char *room,
                         const char *user)
{
    const struct presence_room *found = skio__presence_room_find(table, room);

    return found != NULL ? find_user(found, user) : NULL;
}

struct presence_user *
skio__presence_user_after(const struct presence_room *room,
                          const struct presence_user *user)
{
    const char *key = user != NULL ? user->id : NULL;
    struct presence_node *node;

    while ((node = skio__presence_tree_after(&room->table, key)) != NULL) {
        struct presence_user *next =
            PRESENCE_OF(node, struct presence_user, node);

        if (next->device_count > 0)
            return next;
        key = next->id;
    }
    return NULL;
}

void
skio__presence_user_hold(struct presence_user *user)
{
    user->holds++;
}

void
skio__presence_user_release(struct presence_table *table,
                            struct presence_user *user)
{
    user->holds--;
    release_user(table, user);
}

struct presence_meta *
skio__presence_user_meta(const struct presence_user *user)
{
    const struct presence_device *latest = NULL;

    for (struct presence_link *link = user->devices.next;
         link != &user->devices; link = link->next) {
        const struct presence_device *device = DEVICE_OF(link, of_user);

        if (latest == NULL || device->stamp > latest->stamp ||
            (device->stamp == latest->stamp &&
             strcmp(device->id, latest->id) > 0))
            latest = device;
    }
    return latest != NULL ? latest->meta : NULL;
}

struct presence_device *
skio__presence_device_find(const struct presence_user *user,
                           const struct presence_server *server, const char *id)
{
    for (struct presence_link *link = user->devices.next;
         link != &user->devices; link = link->next) {
        struct presence_device *device = DEVICE_OF(link, of_user);

        if (device->server == server && strcmp(device->id, id) == 0)
            return device;
    }
    return NULL;
}

/* ---- Devices ---- */

/* Other servers are to be told of it, behind what they are told already. */
static void
note_own(struct presence_table *table, struct presence_device *device)
{
    if (device->out.next == NULL)
        skio__presence_ring_push(&table->out, &device->out);
}

static void
forget_out(struct presence_table *table, struct presence_device *device)
{
    skio__presence_ring_remove(&device->out);
    if (device->is_unsynced)
        table->unsynced--;
    device->is_unsynced = false;
}

static void
free_device(struct presence_table *table, struct presence_device *device)
{
    struct presence_user *user = device->user;
    bool held = device->is_gone;

    forget_out(table, device);
    skio__presence_meta_unref(table->server, device->meta);
    skio_transport_free(table->server, device);
    if (held)
        skio__presence_user_release(table, user);
    else
        release_user(table, user);
}

static int
make_device(struct presence_table *table, const struct presence_entry *entry,
            struct presence_device **out)
{
    size_t len = strlen(entry->id);
    struct presence_room *room;
    struct presence_user *user = NULL;
    struct presence_device *device = NULL;
    int err;

    if (table->devices >= table->options->max_devices)
        return SKIO_ELIMIT;
    err = find_or_make_room(table, entry->room, &room);
    if (err != SKIO_OK)
        return err;
    err = find_or_make_user(table, room, entry->user, &user);
    if (err == SKIO_OK &&
        user->device_count >= table->options->max_devices_per_user)
        err = SKIO_ELIMIT;
    if (err == SKIO_OK) {
        device = skio_transport_alloc(table->server, sizeof *device + len + 1);
        if (device == NULL)
            err = SKIO_ENOMEM;
    }
    if (err != SKIO_OK) {
        if (user != NULL)
            release_user(table, user);
        else
            skio__presence_room_release(table, room);
        return err;
    }
    memset(device, 0, sizeof *device);
    memcpy(device->id, entry->id, len + 1);
    device->user = user;
    skio__presence_ring_push(&user->devices, &device->of_user);
    if (user->device_count++ == 0)
        room->present++;
    table->devices++;
    *out = device;
    return SKIO_OK;
}

int
skio__presence_put(struct presence_table *table,
                   const struct presence_entry *entry,
                   struct presence_server *server,
                   struct presence_socket *socket)
{
    struct presence_user *user =
        skio__presence_user_find(table, entry->room, entry->user);
    struct presence_device *device =
        user != NULL ? skio__presence_device_find(user, server, entry->id)
                     : NULL;

    if (device == NULL) {
        int err = make_device(table, entry, &device);

        if (err != SKIO_OK)
            return err;
        device->server = server;
        skio__presence_ring_push(server != NULL ? &server->devices
                                                : &table->own,
                                 &device->of_server);
    }
    if (socket != NULL && device->socket == NULL) {
        device->socket = socket;
        skio__presence_ring_push(&socket->devices, &device->of_socket);
    }
    if (server != NULL)
        device->generation = server->generation;
    if (device->meta != NULL && device->stamp == entry->stamp &&
        skio__presence_meta_equals(device->meta, entry->meta))
        return SKIO_OK; /* said once more */
    skio__presence_meta_unref(table->server, device->meta);
    device->meta = skio__presence_meta_ref(entry->meta);
    device->stamp = entry->stamp;
    if (entry->stamp > table->clock)
        table->clock = entry->stamp < STAMP_MAX ? entry->stamp : STAMP_MAX;
    note_change(table, device->user);
    if (server == NULL)
        note_own(table, device);
    return SKIO_OK;
}

void
skio__presence_remove(struct presence_table *table,
                      struct presence_device *device)
{
    struct presence_user *user = device->user;

    skio__presence_ring_remove(&device->of_user);
    skio__presence_ring_remove(&device->of_server);
    skio__presence_ring_remove(&device->of_socket);
    device->socket = NULL;
    table->devices--;
    if (--user->device_count == 0)
        user->room->present--;
    note_change(table, user);
    if (device->server == NULL && device->is_told) {
        /* The user is read when others are told. */
        device->is_gone = true;
        skio__presence_user_hold(user);
        note_own(table, device);
        return;
    }
    free_device(table, device);
}

void
skio__presence_out_pop(struct presence_table *table)
{
    struct presence_device *device = DEVICE_OF(table->out.next, out);

    forget_out(table, device);
    device->is_told = true;
    if (device->is_gone)
        free_device(table, device);
}

void
skio__presence_out_all(struct presence_table *table)
{
    struct presence_link *link;

    while (!skio__presence_ring_is_empty(&table->out))
        skio__presence_out_pop(table);
    for (link = table->own.next; link != &table->own; link = link->next) {
        struct presence_device *device = DEVICE_OF(link, of_server);

        note_own(table, device);
        device->is_unsynced = true;
        table->unsynced++;
    }
}

/* ---- Sockets ---- */

struct presence_socket *
skio__presence_socket_find(const struct presence_table *table, const char *id)
{
    struct presence_node *node = skio__presence_tree_find(&table->sockets, id);

    return node != NULL ? PRESENCE_OF(node, struct presence_socket, node)
                        : NULL;
}

struct presence_socket *
skio__presence_socket_new(struct presence_table *table, const char *id)
{
    size_t len = strlen(id);
    struct presence_socket *socket =
        skio_transport_alloc(table->server, sizeof *socket + len + 1);

    if (socket == NULL)
        return NULL;
    memset(socket, 0, sizeof *socket);
    memcpy(socket->id, id, len + 1);
    socket->node.key = socket->id;
    skio__presence_ring_init(&socket->devices);
    skio__presence_tree_insert(&table->sockets, &socket->node, &table->seed);
    return socket;
}

void
skio__presence_socket_release(struct presence_table *table,
                              struct presence_socket *socket)
{
    if (!skio__presence_ring_is_empty(&socket->devices))
        return;
    skio__presence_ring_remove(&socket->away);
    skio__presence_tree_remove(&table->sockets, &socket->node);
    skio_transport_free(table->server, socket);
}

void
skio__presence_socket_drop(struct presence_table *table,
                           struct presence_socket *socket)
{
    while (!skio__presence_ring_is_empty(&socket->devices))
        skio__presence_remove(table,
                              DEVICE_OF(socket->devices.next, of_socket));
    skio__presence_socket_release(table, socket);
}

struct presence_device *
skio__presence_socket_device(const struct presence_socket *socket,
                             const char *room)
{
    for (struct presence_link *link = socket->devices.next;
         link != &socket->devices; link = link->next) {
        struct presence_device *device = DEVICE_OF(link, of_socket);

        if (strcmp(device->user->room->name, room) == 0)
            return device;
    }
    return NULL;
}

/* ---- Servers ---- */

struct presence_server *
skio__presence_server_find(const struct presence_table *table, const char *id)
{
    struct presence_node *node = skio__presence_tree_find(&table->servers, id);

    return node != NULL ? PRESENCE_OF(node, struct presence_server, node)
                        : NULL;
}

struct presence_server *
skio__presence_server_new(struct presence_table *table, const char *id)
{
    size_t len = strlen(id);
    struct presence_server *server;

    if (table->servers.count >= table->options->max_servers)
        return NULL;
    server = skio_transport_alloc(table->server, sizeof *server + len + 1);
    if (server == NULL)
        return NULL;
    memset(server, 0, sizeof *server);
    memcpy(server->id, id, len + 1);
    server->node.key = server->id;
    skio__presence_ring_init(&server->devices);
    skio__presence_tree_insert(&table->servers, &server->node, &table->seed);
    return server;
}

void
skio__presence_server_sweep(struct presence_table *table,
                            struct presence_server *server, bool all)
{
    struct presence_link *link = server->devices.next;

    while (link != &server->devices) {
        struct presence_device *device = DEVICE_OF(link, of_server);

        link = link->next;
        if (all || device->generation != server->generation)
            skio__presence_remove(table, device);
    }
}

void
skio__presence_server_free(struct presence_table *table,
                           struct presence_server *server)
{
    skio__presence_server_sweep(table, server, true);
    skio__presence_tree_remove(&table->servers, &server->node);
    skio_transport_free(table->server, server);
}

/* ---- The whole ---- */

void
skio__presence_table_init(struct presence_table *table, skio_server *server,
                          const skio_presence_options *options, uint64_t seed)
{
    memset(table, 0, sizeof *table);
    table->server = server;
    table->options = options;
    table->seed = seed | 1; /* never 0 */
    skio__presence_ring_init(&table->own);
    skio__presence_ring_init(&table->changed);
    skio__presence_ring_init(&table->out);
    skio__presence_ring_init(&table->away);
}

void
skio__presence_table_deinit(struct presence_table *table)
{
    struct presence_node *node;

    while ((node = table->servers.root) != NULL)
        skio__presence_server_free(table,
                                   PRESENCE_OF(node, struct presence_server,
                                               node));
    while (!skio__presence_ring_is_empty(&table->own))
        skio__presence_remove(table, DEVICE_OF(table->own.next, of_server));
    while (!skio__presence_ring_is_empty(&table->out))
        skio__presence_out_pop(table);
    while ((node = table->sockets.root) != NULL)
        skio__presence_socket_release(table,
                                      PRESENCE_OF(node, struct presence_socket,
                                                  node));
    /* What is left is known to nobody but the rooms' members. */
    while ((node = table->rooms.root) != NULL) {
        struct presence_room *room = ROOM_OF(node, node);
        struct presence_user *user;

        if (room->table.root == NULL)
            break; /* never: it would be gone */
        user = PRESENCE_OF(room->table.root, struct presence_user, node);
        skio__presence_meta_unref(table->server, user->told);
        user->told = NULL;
        release_user(table, user);
    }
}
