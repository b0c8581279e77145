/*
 * embedded-server PORT [--rx BYTES]: the echo of bench-server in the context of
 * a host, where libwebsockets reads the WebSockets, rx_buffer_size at a time
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <socketio/lws.h>
#include <socketio/socketio.h>

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)user;
    if (ack != NULL)
        skio_ack_send(ack, "%p", SKIO_VALUE(args));
}

static skio_server *
make_server(uint32_t rx, struct lws_protocols *protocol,
            struct lws_http_mount *mount)
{
    skio_server_options options;
    skio_server *io = NULL;

    skio_server_options_init(&options);
    options.rx_buffer_size = rx;
    options.max_connections = UINT32_MAX;
    options.max_connections_per_address = UINT32_MAX;
    options.max_unconnected = UINT32_MAX;
    if (skio_server_new(&io, &options) == SKIO_OK &&
        skio_on(skio_of(io, "/"), "echo", on_echo, NULL) == SKIO_OK &&
        skio_lws_protocol(io, protocol) == SKIO_OK &&
        skio_lws_mount(io, mount) == SKIO_OK)
        return io;
    skio_server_free(io);
    return NULL;
}

static struct lws_context *
listen_on(int port, const struct lws_protocols *protocols,
          const struct lws_http_mount *mount)
{
    struct lws_context_creation_info info;

    memset(&info, 0, sizeof(info));
    skio_lws_context_info(&info);
    info.port = port;
    info.protocols = protocols;
    info.mounts = mount;
    info.gid = -1;
    info.uid = -1;
    lws_set_log_level(LLL_ERR, NULL);
    return lws_create_context(&info);
}

int
main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct lws_protocols protocols[2] = {{.name = NULL}};
    struct lws_http_mount mount = {.mount_next = NULL};
    struct lws_context *context;
    struct rlimit limit;
    uint32_t rx = 256;
    skio_server *io;

    if (argc != 2 && (argc != 4 || strcmp(argv[2], "--rx") != 0)) {
        fprintf(stderr, "usage: embedded-server PORT [--rx BYTES]\n");
        return 2;
    }
    if (argc == 4)
        rx = (uint32_t)strtoul(argv[3], NULL, 10);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    io = make_server(rx, &protocols[0], &mount);
    context = io != NULL
                  ? listen_on((int)strtol(argv[1], NULL, 10), protocols, &mount)
                  : NULL;
    if (context != NULL) {
        printf("listening on %d\n",
               lws_get_vhost_listen_port(
                   lws_get_vhost_by_name(context, "default")));
        fflush(stdout);
        while (!stopped && lws_service(context, 0) >= 0)
            continue;
        lws_context_destroy(context);
    }
    skio_server_free(io);
    return context == NULL;
}
