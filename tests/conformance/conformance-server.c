/*
 * conformance-server socketio|engineio PORT: what the official protocol test
 * suites run against
 *
 * Both: 300 ms ping interval, 200 ms ping timeout, 1,000,000 bytes, CORS for
 * every origin, both address families.
 *
 * socketio  namespaces / and /custom; on connection `auth` with the handshake
 *           auth; on / `message` is emitted back as `message-back`, and
 *           `message-with-ack` acks its arguments.
 * engineio  an echo of every message, text and binary, at /engine.io/.
 *
 * PORT 0 picks a free one; "listening on PORT" tells which. SIGTERM and SIGINT
 * stop it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/engine.h>
#include <socketio/socketio.h>

#include "interop/program.h"

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    skio_emit(socket, "auth", "%p", SKIO_VALUE(skio_socket_auth(socket)));
}

static void
on_message(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    (void)ack;
    (void)user;
    skio_emit(socket, "message-back", "%p", SKIO_VALUE(args));
}

static void
on_message_with_ack(skio_socket *socket, const skio_value *args, skio_ack *ack,
                    void *user)
{
    (void)socket;
    (void)user;
    skio_ack_send(ack, "%p", SKIO_VALUE(args));
}

static int
serve_socketio(skio_server *io)
{
    skio_nsp *root = skio_of(io, "/");
    skio_nsp *custom = skio_of(io, "/custom");

    if (custom == NULL || skio_on_connect(root, on_connect, NULL) != SKIO_OK ||
        skio_on_connect(custom, on_connect, NULL) != SKIO_OK ||
        skio_on(root, "message", on_message, NULL) != SKIO_OK ||
        skio_on(root, "message-with-ack", on_message_with_ack, NULL) != SKIO_OK)
        return SKIO_ENOMEM;
    return SKIO_OK;
}

static void
echo(skio_session *session, const void *data, size_t len, bool binary,
     void *user)
{
    (void)user;
    if (skio_session_send(session, data, len, binary) != SKIO_OK)
        skio_session_close(session);
}

static int
serve_engineio(skio_server *io)
{
    static const skio_engine_handlers handlers = {
        .struct_size = sizeof(skio_engine_handlers),
        .message = echo,
    };

    return skio_engine_handle(io, &handlers, NULL);
}

int
main(int argc, char **argv)
{
    static char name[] = "conformance-server";
    bool engine = argc == 3 && strcmp(argv[1], "engineio") == 0;
    bool known = engine || (argc == 3 && strcmp(argv[1], "socketio") == 0);
    long port = known ? program_port(argv[2]) : -1;
    skio_server_options options;
    skio_server *io;
    int err;

    if (port < 0) {
        fprintf(stderr, "usage: conformance-server socketio|engineio PORT\n");
        return 2;
    }

    skio_server_options_init(&options);
    if (engine)
        options.path = "/engine.io";
    options.ping_interval_ms = 300;
    options.ping_timeout_ms = 200;
    options.connect_timeout_ms = 1000;
    options.max_http_buffer_size = 1000000;
    options.cors_origins = "*";
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;

    err = skio_server_new(&io, &options);
    if (err != SKIO_OK) {
        fprintf(stderr, "conformance-server: %s\n", skio_strerror(err));
        return 1;
    }

    err = engine ? serve_engineio(io) : serve_socketio(io);
    if (err == SKIO_OK)
        err = skio_listen(io, NULL, (uint16_t)port);
    if (err == SKIO_OK)
        err = program_run(io);
    if (err != SKIO_OK)
        fprintf(stderr, "conformance-server: port %ld: %s\n", port,
                skio_strerror(err));
    skio_server_free(io);
    return err != SKIO_OK;
}
