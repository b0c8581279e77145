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
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <socketio/cjson.h>
#include <socketio/redis.h>
#include <socketio/socketio.h>
#include <socketio/users.h>

#include "interop/program.h"

static void
must_ok(int err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "%s: %s\n", what, skio_strerror(err));
        exit(1);
    }
}

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

static int
join_cluster(skio_server *io, const char *adapter, const char *url,
             const char *key)
{
    skio_redis_options redis;

    skio_redis_options_init(&redis);
    redis.url = url;
    redis.key = key;
    if (strcmp(adapter, "redis") == 0)
        return skio_redis_adapter(io, &redis);
    if (strcmp(adapter, "redis-sharded") == 0)
        return skio_redis_sharded_adapter(io, &redis);
    return skio_redis_streams_adapter(io, &redis);
}

/* Whoever started this has ended when nothing is left to read. */
static void *
watch_input(void *unused)
{
    char byte;
    ssize_t n;

    do {
        n = read(STDIN_FILENO, &byte, 1);
    } while (n > 0);
    kill(getpid(), SIGTERM);
    return unused;
}

int
main(int argc, char **argv)
{
    static char name[] = "users-server";
    skio_server_options options;
    pthread_t watcher;
    skio_server *io;
    skio_nsp *root;
    int err;

    if (argc < 8 || strcmp(argv[2], "--adapter") != 0 ||
        strcmp(argv[4], "--redis") != 0 || strcmp(argv[6], "--key") != 0) {
        fprintf(stderr, "usage: users-server PORT --adapter NAME --redis URL "
                        "--key KEY\n");
        return 2;
    }
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;
    must_ok(skio_server_new(&io, &options), "server");
    must_ok(join_cluster(io, argv[3], argv[5], argv[7]), argv[3]);
    root = skio_of(io, "/");
    if (root == NULL)
        return 1;
    must_ok(skio_use(root, authenticate, NULL), "use");
    must_ok(skio_on(root, "bind", on_bind, NULL), "bind");
    must_ok(skio_on(root, "unbind", on_unbind, NULL), "unbind");
    must_ok(skio_on(root, "emit", on_emit, NULL), "emit");
    must_ok(skio_on(root, "kick", on_kick, NULL), "kick");
    must_ok(skio_on(root, "fetch", on_fetch, NULL), "fetch");
    must_ok(skio_on(root, "online", on_online, NULL), "online");
    must_ok(skio_on(root, "count", on_count, io), "count");
    must_ok(skio_on(root, "seen", on_seen, io), "seen");
    err = skio_listen(io, "127.0.0.1", (uint16_t)program_port(argv[1]));
    if (err == SKIO_OK &&
        pthread_create(&watcher, NULL, watch_input, NULL) == 0) {
        pthread_detach(watcher);
        err = program_run(io);
    }
    if (err != SKIO_OK)
        fprintf(stderr, "users-server: %s\n", skio_strerror(err));
    skio_server_free(io);
    return err != SKIO_OK;
}
