/*
 * announce URL ROOM TEXT: tell the members of a room, without a server
 *
 *     announce redis://localhost:6379 news "The doors are open"
 *
 * Clients that joined the room get the event "announcement", whichever server
 * of the cluster they are connected to. For all clients: "" in the place of the
 * room.
 */
#include <stdio.h>

#include <socketio/emitter.h>

static void
show_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "announce: %s\n", message);
}

static int
announce(const char *url, const char *room, const char *text)
{
    const char *const rooms[] = {room, NULL};
    const skio_target members = {
        .struct_size = sizeof(members),
        .to = *room != '\0' ? rooms : NULL,
    };
    skio_emitter_options options;
    skio_emitter *emitter;
    int err;

    skio_emitter_options_init(&options);
    options.url = url;
    options.log = show_log;
    err = skio_emitter_new(&emitter, &options);
    if (err != SKIO_OK) {
        fprintf(stderr, "announce: URL: %s\n", skio_strerror(err));
        return err;
    }

    err = skio_emitter_emit(emitter, "/", &members, "announcement", "%s", text);
    if (err != SKIO_OK)
        fprintf(stderr, "announce: %s: %s\n", skio_strerror(err),
                skio_emitter_error(emitter));
    skio_emitter_free(emitter);
    return err;
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr,
                "usage: announce URL ROOM TEXT\n"
                "as in: announce redis://localhost:6379 news \"We open\"\n");
        return 2;
    }
    return announce(argv[1], argv[2], argv[3]) != SKIO_OK;
}
