/* echo: sends every "message" back, and acknowledges it when asked to */
#include <socketio/signals.h>
#include <socketio/socketio.h>
#include <stdio.h>

static void
on_message(skio_socket *s, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    skio_emit(s, "message", "%p", SKIO_VALUE(args));
    skio_ack_send(ack, "'got it'");
}

int
main(void)
{
    skio_server *io;
    if (skio_server_new(&io, NULL) != SKIO_OK)
        return 1;
    skio_on(skio_of(io, "/"), "message", on_message, NULL);
    skio_signals_drain(io, 2000); /* SIGTERM sends the clients away, and ends */
    puts("echo: clients connect to http://localhost:3001; stop with Ctrl+C");
    int err = skio_listen(io, NULL, 3001);
    if (err == SKIO_OK)
        err = skio_run(io);
    if (err != SKIO_OK)
        fprintf(stderr, "echo.c: port 3001: %s\n", skio_strerror(err));
    skio_server_free(io);
    return err != SKIO_OK;
}
