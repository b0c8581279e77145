/*
 * users-server PORT --adapter NAME --redis URL --key KEY: a server of the tests
 * of users, on the public API alone. users-node.mjs is the same application on
 * the reference implementation.
 *
 * A socket is bound to the user of its handshake's auth. Any may ask for
 * "emit" (user, event, value) and "kick" (user, close), both answered
 * with the name of an error; "fetch" (user) for [error, missing, [id…]] and
 * "online" (user) for [error, missing, sockets]; "bind" (user) and "unbind"
 * for itself. Of this server alone: "count" (user), and "seen" (user) for
 * milliseconds or null.
 */
#include <inttypes.h>

#include <socketio/cjson.h>
#include <socketio/socketio.h>
#include <socketio/users.h>

#include "cluster/member.h"
#include "interop/must.h"

static void
authenticate(skio_socket *socket, skio_next *next, void *user)
{
    const char *id = skio_get_str(skio_socket_auth(socket), "user");

    (void)user;
    if (id == NULL || skio_user_bind(socket, id) == SKIO_OK)
        skio_next_ok(next);
    else
        skio_next_error(next, "unauthorized", NULL);
}

static void
on_bind(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    int err = skio_user_bind(socket, skio_get_str(args, "0"));

    (void)user;
    (void)skio_ack_send(ack, "%s", skio_err_name(err));
}

static void
on_unbind(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    (void)args;
    (void)user;
    (void)skio_ack_send(ack, "%s", skio_err_name(skio_user_unbind(socket)));
}

static void
on_emit(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *event = skio_get_str(args, "1");
    int err = skio_user_emit(skio_socket_nsp(socket), skio_get_str(args, "0"),
                             event != NULL ? event : "nothing", "%p",
                             SKIO_VALUE(skio_get_value(args, "2")));

    (void)user;
    (void)skio_ack_send(ack, "%s", skio_err_name(err));
}

static void
on_kick(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    bool close = false;
    int err;

    (void)user;
    (void)skio_get_bool(args, "1", &close);
    err = skio_user_disconnect(skio_socket_nsp(socket), skio_get_str(args, "0"),
                               close);
    (void)skio_ack_send(ack, "%s", skio_err_name(err));
}

/* ---- Questions to the cluster ---- */

static void
answer_fetched(int err, const skio_remote *const *sockets, size_t count,
               size_t missing, void *user)
{
    cJSON *ids = cJSON_CreateArray();
    char *text;

    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(ids,
                             cJSON_CreateString(skio_remote_id(sockets[i])));
    text = cJSON_PrintUnformatted(ids);
    (void)skio_ack_send(user, "[%s,%zu,%-s]", skio_err_name(err), missing,
                        text);
    cJSON_free(text);
    cJSON_Delete(ids);
}

static void
answer_online(int err, size_t sockets, size_t missing, void *user)
{
    (void)skio_ack_send(user, "[%s,%zu,%zu]", skio_err_name(err), missing,
                        sockets);
}

static void
on_fetch(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    must_ok(skio_user_fetch(skio_socket_nsp(socket), skio_get_str(args, "0"),
                            answer_fetched, skio_ack_take(ack)),
            "fetch");
}

static void
on_online(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    (void)user;
    must_ok(skio_user_is_online(skio_socket_nsp(socket),
                                skio_get_str(args, "0"), answer_online,
                                skio_ack_take(ack)),
            "online");
}

/* ---- And to this server ---- */

static void
on_count(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *id = skio_get_str(args, "0");

    (void)socket;
    (void)skio_ack_send(ack, "%zu",
                        skio_user_count(user, id != NULL ? id : ""));
}

static void
on_seen(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    uint64_t ms;

    (void)socket;
    if (skio_user_last_seen(user, skio_get_str(args, "0"), &ms) == SKIO_OK)
        (void)skio_ack_send(ack, "%" PRIu64, ms);
    else
        (void)skio_ack_send(ack, "null");
}

int
main(int argc, char **argv)
{
    static char name[] = "users-server";
    skio_server *io = member_new(argc, argv, name);
    skio_nsp *root;

    if (io == NULL)
        return 2;
    root = must(skio_of(io, "/"));
    must_ok(skio_use(root, authenticate, NULL), "use");
    must_ok(skio_on(root, "bind", on_bind, NULL), "bind");
    must_ok(skio_on(root, "unbind", on_unbind, NULL), "unbind");
    must_ok(skio_on(root, "emit", on_emit, NULL), "emit");
    must_ok(skio_on(root, "kick", on_kick, NULL), "kick");
    must_ok(skio_on(root, "fetch", on_fetch, NULL), "fetch");
    must_ok(skio_on(root, "online", on_online, NULL), "online");
    must_ok(skio_on(root, "count", on_count, io), "count");
    must_ok(skio_on(root, "seen", on_seen, io), "seen");
    return member_run(io, argv[1], name);
}
