/*
 * small [PORT]: a server for a small device, at 3000 if nothing is said
 *
 * A lamp that its pages switch: "lamp" goes to everybody, and who comes is told
 * how it is. The limits are those of a device that has a few users and little
 * memory; what is over them is refused, and the device goes on. `make small`
 * builds it, and says what it takes.
 */
#include <socketio/signals.h>
#include <socketio/socketio.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef SMALL_STATIC
/* A program without shared libraries loads none: libwebsockets would look for a
 * plugin for its loop, which brings a second C library with it. It takes its
 * own loop then, poll(), whose cost grows with the connections: they are few.
 */
void *dlopen(const char *name, int flags);

void *
dlopen(const char *name, int flags)
{
    (void)name;
    (void)flags;
    return NULL;
}
#endif

static bool is_on;

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    skio_emit(socket, "lamp", "%hhd", is_on);
}

static void
on_lamp(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    if (skio_get_bool(args, "0", &is_on) != SKIO_OK) {
        skio_ack_send(ack, "'on or off?'");
        return;
    }
    skio_emit_all(skio_socket_nsp(socket), "lamp", "%hhd", is_on);
    skio_ack_send(ack, NULL);
}

static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "small: %s\n", message);
}

int
main(int argc, char **argv)
{
    char *end = NULL;
    unsigned long port = argc > 1 ? strtoul(argv[1], &end, 10) : 3000;
    skio_server_options options;
    skio_server *io;
    skio_nsp *root;
    int err;

    if (argc > 2 || (end != NULL && (end == argv[1] || *end != '\0')) ||
        port > 65535) {
        fprintf(stderr, "usage: small [PORT], 0 to 65535\n");
        return 2;
    }
    skio_server_options_init(&options);
    options.max_connections = 50;
    options.max_connections_per_address = 50;
    options.max_http_buffer_size = 8192; /* of one message */
    options.max_outbound_bytes = 65536;  /* that wait for one client */
    options.backlog = 16;
    options.drain_lead_ms = 0; /* there is no balancer to tell */
    options.log = on_log;
    options.log_level = SKIO_LOG_ERROR;
    if (skio_server_new(&io, &options) != SKIO_OK)
        return 1;
    root = skio_of(io, "/");
    err = skio_on_connect(root, on_connect, NULL);
    if (err == SKIO_OK)
        err = skio_on(root, "lamp", on_lamp, NULL);
    if (err == SKIO_OK)
        err = skio_signals_drain(io, 500);
    if (err == SKIO_OK)
        err = skio_listen(io, NULL, (uint16_t)port);
    if (err == SKIO_OK) {
        printf("small: clients at port %u; stop with Ctrl+C\n",
               skio_server_port(io));
        fflush(stdout);
        err = skio_run(io);
    }
    if (err != SKIO_OK)
        fprintf(stderr, "small: port %lu: %s\n", port, skio_strerror(err));
    skio_server_free(io);
    return err != SKIO_OK;
}
