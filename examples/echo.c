/* echo: sends every "message" back, and acknowledges it when asked to */
#include <socketio/socketio.h>
#include <stdio.h>

static void
on_message(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    (void)user;
    skio_emit(socket, "message", "%p", SKIO_VALUE(args));
    skio_ack_send(ack, "'got it'");
}

int
main(void)
{
    skio_server *io;
    int err = skio_server_new(&io, NULL);
    if (err != SKIO_OK)
        return 1;

    skio_on(skio_of(io, "/"), "message", on_message, NULL);
    err = skio_listen(io, NULL, 3001);
    if (err == SKIO_OK)
        err = skio_run(io); /* until skio_server_stop() */
    if (err != SKIO_OK)
        fprintf(stderr, "echo: port 3001: %s\n", skio_strerror(err));
    skio_server_free(io);
    return err != SKIO_OK;
}
