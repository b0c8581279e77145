/*
 * polls-server PORT URL ADAPTER [forward] [reuse] [PING_MS]: an application for
 * the tests of long-polling without sticky sessions. It answers "echo" with
 * what it was given, tells everybody what comes with "all", ends the socket
 * that says "end", and prints a line for each that connects and disconnects.
 * "reuse": it shares the port.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/redis.h>
#include <socketio/socketio.h>

#include "cluster/member.h"

static void
say(const char *what, const char *why)
{
    printf("%s %s\n", what, why);
    fflush(stdout);
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const skio_value *value = skio_get_value(args, "0");

    (void)user;
    if (ack != NULL)
        (void)skio_ack_send(ack, "%p", SKIO_VALUE(value));
    else
        (void)skio_emit(socket, "echo", "%p", SKIO_VALUE(value));
}

static void
on_all(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    (void)skio_emit_all(skio_socket_nsp(socket), "all", "%p",
                        SKIO_VALUE(skio_get_value(args, "0")));
}

static void
on_end(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    skio_disconnect(socket, true);
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    say("connect", skio_socket_id(socket));
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)socket;
    (void)user;
    say("disconnect", skio_disconnect_name(reason));
}

int
main(int argc, char **argv)
{
    static char name[] = "polls-server";
    skio_server_options options;
    skio_redis_options redis;
    skio_server *io;
    skio_nsp *nsp;
    int err;

    if (argc < 4)
        return 2;
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;
    options.http_compression = true;
    skio_redis_options_init(&redis);
    redis.url = argv[2];
    redis.requests_timeout_ms = 1000;
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "forward") == 0)
            redis.forward_polls = true;
        else if (strcmp(argv[i], "reuse") == 0)
            options.reuse_port = true;
        else
            options.ping_interval_ms = (uint32_t)strtoul(argv[i], NULL, 10);
    }

    if (skio_server_new(&io, &options) != SKIO_OK)
        return 1;
    nsp = skio_of(io, "/");
    err = member_join(io, argv[3], &redis);
    if (err == SKIO_OK)
        err = skio_on(nsp, "echo", on_echo, NULL);
    if (err == SKIO_OK)
        err = skio_on(nsp, "all", on_all, NULL);
    if (err == SKIO_OK)
        err = skio_on(nsp, "end", on_end, NULL);
    if (err == SKIO_OK)
        err = skio_on_connect(nsp, on_connect, NULL);
    if (err == SKIO_OK)
        err = skio_on_disconnect(nsp, on_disconnect, NULL);
    if (err == SKIO_OK)
        return member_run(io, argv[1], name);
    fprintf(stderr, "polls-server: %s\n", skio_strerror(err));
    skio_server_free(io);
    return 1;
}
