/*
 * bench-server PORT [options]: what load generators run against
 *
 * Default options, except that the caps on connections are off and the backlog
 * is large. Events:
 *
 *     echo       acks its arguments; without an ack emits them back
 *     broadcast  to everybody, the sender included
 *     join       (room), acks true or false
 *     leave      (room), acks true or false
 *     room       (room, …): the rest to that room, the sender included
 *
 *     --eio3            serves clients of Socket.IO 2, too
 *     --parser msgpack  speaks as socket.io-msgpack-parser does
 *     --recovery MS     connection state recovery
 *     --tls CERT KEY    TLS, by PEM files
 *     --deflate         compresses WebSocket messages and polls
 *     --adapter NAME    redis, redis-sharded or redis-streams: joins a cluster
 *     --redis URL       redis://127.0.0.1:6379
 *
 * PORT 0 picks a free one; "listening on PORT" tells which. SIGTERM and SIGINT
 * stop it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#ifdef HAVE_REDIS
#include <socketio/redis.h>
#endif
#include <socketio/socketio.h>

#include "interop/program.h"

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    if (ack != NULL)
        skio_ack_send(ack, "%p", SKIO_VALUE(args));
    else
        skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

static void
on_broadcast(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    (void)user;
    skio_emit_all(skio_socket_nsp(socket), "broadcast", "%p", SKIO_VALUE(args));
    skio_ack_send(ack, NULL);
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *room = skio_get_str(args, "0");
    bool ok = room != NULL && skio_join(socket, room) == SKIO_OK;

    (void)user;
    skio_ack_send(ack, "%hhd", ok);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *room = skio_get_str(args, "0");
    bool ok = room != NULL && skio_leave(socket, room) == SKIO_OK;

    (void)user;
    skio_ack_send(ack, "%hhd", ok);
}

static void
on_room(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *room = skio_get_str(args, "0");

    (void)user;
    if (room != NULL)
        skio_emit_to(skio_socket_nsp(socket), room, "room", "%p",
                     SKIO_VALUE(skio_get_args(args, 1)));
    skio_ack_send(ack, "%hhd", room != NULL);
}

/* How to join a cluster; NULL: not at all. */
struct cluster {
    const char *adapter;
    const char *url;
};

static int
join_cluster(skio_server *io, const struct cluster *cluster)
{
#ifdef HAVE_REDIS
    skio_redis_options redis;
#endif

    if (cluster->adapter == NULL)
        return SKIO_OK;
#ifdef HAVE_REDIS
    skio_redis_options_init(&redis);
    redis.url = cluster->url;
    if (strcmp(cluster->adapter, "redis") == 0)
        return skio_redis_adapter(io, &redis);
    if (strcmp(cluster->adapter, "redis-sharded") == 0)
        return skio_redis_sharded_adapter(io, &redis);
    if (strcmp(cluster->adapter, "redis-streams") == 0)
        return skio_redis_streams_adapter(io, &redis);
#else
    (void)io;
#endif
    return SKIO_EINVAL;
}

/* Options after the port. Returns false for one that is unknown. */
static bool
parse_options(int argc, char **argv, skio_server_options *options,
              struct cluster *cluster)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--recovery") == 0 && i + 1 < argc) {
            options->recovery_ms = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--eio3") == 0) {
            options->allow_eio3 = true;
        } else if (strcmp(argv[i], "--parser") == 0 && i + 1 < argc &&
                   strcmp(argv[i + 1], "msgpack") == 0) {
            options->parser = skio_parser_msgpack();
            i++;
        } else if (strcmp(argv[i], "--deflate") == 0) {
            options->per_message_deflate = true;
            options->http_compression = true;
        } else if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
            options->tls_cert_file = argv[++i];
            options->tls_key_file = argv[++i];
        } else if (strcmp(argv[i], "--adapter") == 0 && i + 1 < argc) {
            cluster->adapter = argv[++i];
        } else if (strcmp(argv[i], "--redis") == 0 && i + 1 < argc) {
            cluster->url = argv[++i];
        } else {
            return false;
        }
    }
    return true;
}

/* As many connections as this system lets a process have. */
static void
raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        perror("bench-server: setrlimit");
}

int
main(int argc, char **argv)
{
    static char name[] = "bench-server";
    long port = argc >= 2 ? program_port(argv[1]) : -1;
    struct cluster cluster = {NULL, "redis://127.0.0.1:6379"};
    skio_server_options options;
    skio_server *io;
    skio_nsp *root;
    int err;

    skio_server_options_init(&options);
    if (port < 0 || !parse_options(argc - 2, argv + 2, &options, &cluster)) {
        fprintf(stderr, "usage: bench-server PORT [--recovery MS] [--eio3] "
                        "[--parser msgpack] [--deflate] [--tls CERT KEY] "
                        "[--adapter redis|redis-sharded|redis-streams] "
                        "[--redis URL]\n");
        return 2;
    }

    raise_fd_limit();
    options.max_connections = UINT32_MAX;
    options.max_connections_per_address = UINT32_MAX;
    options.max_unconnected = UINT32_MAX;
    options.backlog = 4096;
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;

    err = skio_server_new(&io, &options);
    if (err != SKIO_OK) {
        fprintf(stderr, "bench-server: %s\n", skio_strerror(err));
        return 1;
    }

    err = join_cluster(io, &cluster);
    if (err != SKIO_OK) {
        fprintf(stderr, "bench-server: --adapter %s --redis %s: %s\n",
                cluster.adapter, cluster.url, skio_strerror(err));
        skio_server_free(io);
        return 2;
    }
    root = skio_of(io, "/");
    if (skio_on(root, "echo", on_echo, NULL) != SKIO_OK ||
        skio_on(root, "broadcast", on_broadcast, NULL) != SKIO_OK ||
        skio_on(root, "join", on_join, NULL) != SKIO_OK ||
        skio_on(root, "leave", on_leave, NULL) != SKIO_OK ||
        skio_on(root, "room", on_room, NULL) != SKIO_OK) {
        fprintf(stderr, "bench-server: out of memory\n");
        skio_server_free(io);
        return 1;
    }

    err = skio_listen(io, NULL, (uint16_t)port);
    if (err == SKIO_OK)
        err = program_run(io);
    if (err != SKIO_OK)
        fprintf(stderr, "bench-server: port %ld: %s\n", port,
                skio_strerror(err));
    skio_server_free(io);
    return err != SKIO_OK;
}
