/*
 * presence-server PORT --adapter NAME --redis URL --key KEY: a server of
 * the presence tests, on the public API alone. presence-node.mjs is the same
 * application on the reference implementation and the module for it.
 *
 * A socket is tracked as its handshake's auth says: {user, room, meta}. It may
 * send "meta" (value), "leave", and asks with "list" (room) for [[user, meta,
 * devices]…]; "refused" for how much of other servers was refused.
 */
#include <inttypes.h>

#include <socketio/cjson.h>
#include <socketio/presence.h>
#include <socketio/socketio.h>

#include "cluster/member.h"
#include "interop/must.h"

static skio_presence *presence;

static void
track(skio_socket *socket, const skio_value *meta)
{
    const skio_value *auth = skio_socket_auth(socket);
    const char *room = skio_get_str(auth, "room");

    if (room != NULL)
        must_ok(skio_presence_track(presence, socket, room,
                                    skio_get_str(auth, "user"), "%p",
                                    SKIO_VALUE(meta)),
                "track");
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    track(socket, skio_get_value(skio_socket_auth(socket), "meta"));
}

static void
on_meta(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    track(socket, skio_get_value(args, "0"));
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    (void)skio_leave(socket, skio_get_str(skio_socket_auth(socket), "room"));
}

static bool
add_member(const skio_presence_member *member, void *user)
{
    cJSON *item = cJSON_CreateArray();

    cJSON_AddItemToArray(item, cJSON_CreateString(member->user));
    cJSON_AddItemToArray(item, cJSON_CreateRaw(member->meta));
    cJSON_AddItemToArray(item,
                         cJSON_CreateNumber((double)member->device_count));
    cJSON_AddItemToArray(user, item);
    return true;
}

static void
on_list(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *room = skio_get_str(args, "0");
    cJSON *list = cJSON_CreateArray();
    char *text;

    (void)socket;
    (void)user;
    must_ok(skio_presence_list(presence, room != NULL ? room : "", add_member,
                               list),
            "list");
    text = cJSON_PrintUnformatted(list);
    (void)skio_ack_send(ack, "%-s", text);
    cJSON_free(text);
    cJSON_Delete(list);
}

static void
on_refused(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    skio_presence_counters counters = {.struct_size = sizeof counters};

    (void)socket;
    (void)args;
    (void)user;
    skio_presence_count_all(presence, &counters);
    (void)skio_ack_send(ack, "%" PRIu64, counters.refused);
}

int
main(int argc, char **argv)
{
    static char name[] = "presence-server";
    skio_server *io = member_new(argc, argv, name);
    skio_presence_options quick;
    skio_nsp *root;

    if (io == NULL)
        return 2;
    root = must(skio_of(io, "/"));
    skio_presence_options_init(&quick);
    quick.batch_ms = 50;
    quick.grace_ms = 1000;
    quick.digest_ms = 500;
    quick.server_timeout_ms = 3000;
    must_ok(skio_presence_new(&presence, root, &quick), "presence");
    must_ok(skio_on_connect(root, on_connect, NULL), "connect");
    must_ok(skio_on(root, "meta", on_meta, NULL), "meta");
    must_ok(skio_on(root, "leave", on_leave, NULL), "leave");
    must_ok(skio_on(root, "list", on_list, NULL), "list");
    must_ok(skio_on(root, "refused", on_refused, NULL), "refused");
    return member_run(io, argv[1], name);
}
