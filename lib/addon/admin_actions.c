/*
 * What an admin may do, and the list of all sockets
 *
 * Arguments are checked: a namespace that does not exist is not made, and a
 * filter that is no name does not stand for everybody.
 */
#include "addon/admin.h"

#include <string.h>

#include <socketio/transport.h>

/* ---- Actions ---- */

/* Whom an action is for. */
struct aim {
    skio_nsp *nsp;
    const char *rooms[2];
    skio_target target;
};

/* The namespace and the filter of an action; what is none is logged. */
static bool
aim_at(struct admin *admin, struct aim *aim, const skio_value *args,
       const char *filter)
{
    const char *nsp = skio_get_str(args, "0");
    enum skio_type type = skio_type_of(args, filter);
    const char *room = skio_get_str(args, filter);

    *aim = (struct aim){.nsp = nsp != NULL ? skio_nsp_find(admin->server, nsp)
                                           : NULL,
                        .target = {.struct_size = sizeof aim->target}};
    if (aim->nsp == NULL)
        return false;
    if (type == SKIO_TYPE_NONE || type == SKIO_TYPE_NULL)
        return true;
    if (room == NULL)
        return false;
    if (room[0] != '\0') {
        aim->rooms[0] = room;
        aim->target.to = aim->rooms;
    }
    return true;
}

/* Who did what is worth a line; to whom and with what is not for every log. */
static void
note(struct admin *admin, const skio_socket *socket, const char *action,
     int err)
{
    skio_transport_log(admin->server, SKIO_LOG_INFO,
                       "admin %s at \"%s\": %s: %s", skio_socket_id(socket),
                       skio_socket_address(socket), action, skio_strerror(err));
}

static void
on_emit(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct admin *admin = user;
    const char *event = skio_get_str(args, "2");
    struct aim aim;
    int err = SKIO_EINVAL;

    (void)ack;
    if (event != NULL && aim_at(admin, &aim, args, "1"))
        err = skio_emit_with(aim.nsp, &aim.target, event, "%p",
                             SKIO_VALUE(skio_get_args(args, 3)));
    note(admin, socket, "emit", err);
}

/* Have sockets join a room, or leave it. */
static void
move(struct admin *admin, const skio_socket *socket, const skio_value *args,
     const char *action,
     int (*fn)(skio_nsp *nsp, const skio_target *target, const char *room))
{
    const char *room = skio_get_str(args, "1");
    struct aim aim;
    int err = SKIO_EINVAL;

    if (room != NULL && aim_at(admin, &aim, args, "2"))
        err = fn(aim.nsp, &aim.target, room);
    note(admin, socket, action, err);
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    move(user, socket, args, "join", skio_sockets_join);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    move(user, socket, args, "leave", skio_sockets_leave);
}

static void
on_disconnect(skio_socket *socket, const skio_value *args, skio_ack *ack,
              void *user)
{
    struct admin *admin = user;
    bool close = false;
    struct aim aim;
    int err = SKIO_EINVAL;

    (void)ack;
    (void)skio_get_bool(args, "1", &close); /* what is none is false */
    if (aim_at(admin, &aim, args, "2"))
        err = skio_sockets_disconnect(aim.nsp, &aim.target, close);
    note(admin, socket, "disconnect", err);
}

int
skio__admin_actions_init(struct admin *admin)
{
    skio_nsp *nsp = admin->nsp;
    int err;

    if (admin->options.readonly)
        return SKIO_OK;
    err = skio_on(nsp, "emit", on_emit, admin);
    if (err == SKIO_OK)
        err = skio_on(nsp, "join", on_join, admin);
    if (err == SKIO_OK)
        err = skio_on(nsp, "leave", on_leave, admin);
    if (err == SKIO_OK)
        err = skio_on(nsp, "_disconnect", on_disconnect, admin);
    return err;
}

/* ---- The list ---- */

/* A list for one admin, while servers are asked for their sockets. */
struct list {
    struct admin *admin;
    skio_socket *socket; /* referenced */
    struct addon_text text;
    size_t pending;  /* namespaces whose sockets are awaited, and the asker */
    size_t max_size; /* of the text */
    uint32_t count;
    uint32_t left_out;
};

static void
list_end(struct list *list)
{
    struct admin *admin = list->admin;
    skio_server *server = admin->server;
    int err;

    skio__text_str(&list->text, "]");
    if (!list->text.failed && skio_socket_is_connected(list->socket)) {
        err = skio_emit_json(list->socket, "all_sockets", list->text.data,
                             list->text.len);
        if (err != SKIO_OK || list->left_out > 0)
            skio_transport_log(server, SKIO_LOG_WARN,
                               "admin: %u sockets are listed, %u are not: %s",
                               (unsigned)list->count, (unsigned)list->left_out,
                               err != SKIO_OK ? skio_strerror(err)
                                              : "see max_listed");
    }
    skio__text_deinit(&list->text);
    skio_socket_unref(list->socket);
    skio_transport_free(server, list);
}

/* Each by itself first: what another server told of one must not spoil all. */
static void
list_one(struct list *list, const skio_remote *remote)
{
    struct addon_text one = {.server = list->admin->server};
    skio_value *value = NULL;

    if (list->count < list->admin->options.max_listed) {
        skio__admin_describe(list->admin, &one, remote);
        if (!one.failed && list->text.len + one.len < list->max_size)
            value = skio_value_new(one.server, one.data, one.len);
    }
    if (value != NULL) {
        if (list->count++ > 0)
            skio__text_str(&list->text, ",");
        skio__text_add(&list->text, one.data, one.len);
    } else {
        list->left_out++;
    }
    skio_value_free(value);
    skio__text_deinit(&one);
}

static void
on_fetched(int err, const skio_remote *const *sockets, size_t count,
           size_t missing, void *user)
{
    struct list *list = user;

    (void)err; /* what did arrive is shown */
    (void)missing;
    for (size_t i = 0; i < count; i++)
        list_one(list, sockets[i]);
    if (--list->pending == 0)
        list_end(list);
}

static bool
fetch_namespace(skio_nsp *nsp, void *user)
{
    struct list *list = user;

    list->pending++;
    if (skio_sockets_fetch(nsp, NULL, on_fetched, list) != SKIO_OK)
        list->pending--;
    return true;
}

void
skio__admin_list(struct admin *admin, skio_socket *socket)
{
    size_t max = skio_transport_options(admin->server)->max_outbound_bytes;
    struct list *list = skio_transport_alloc(admin->server, sizeof *list);

    if (list == NULL)
        return;
    *list = (struct list){
        .admin = admin,
        .socket = skio_socket_ref(socket),
        .text = {.server = admin->server},
        .pending = 1,
        .max_size = max / 2,
    };
    skio__text_str(&list->text, "[");
    skio_each_nsp(admin->server, fetch_namespace, list);
    if (--list->pending == 0)
        list_end(list);
}
