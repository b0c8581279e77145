/*
 * The server of test_shapes.mjs: events with shapes, and rooms that are guarded
 *
 *     shapes-server PORT
 *
 * Each socket is greeted with "welcome"; "order" answers with how many bytes
 * came; "say" sends a text to a room. Who asks for "open" may enter it, for
 * "slow" after a moment, for "secret" with the word behind it; others may not.
 * Further events are refused; who asks for no answer gets "invalid".
 */
#include <stdio.h>
#include <string.h>

#include <socketio/guard.h>
#include <socketio/loop.h>
#include <socketio/shapes.h>

#include "interop/program.h"

#define SLOW_MAX 16
#define SLOW_MS 30

struct slow {
    skio_guard_ask *asks[SLOW_MAX];
    size_t count;
    skio_timer *timer;
};

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    (void)skio_emit(socket, "welcome", NULL);
}

static void
on_order(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    skio_bytes bytes = {NULL, 0};

    (void)socket;
    (void)user;
    (void)skio_get_bytes(args, "1", &bytes); /* it may be missing */
    (void)skio_ack_send(ack, "{'ok':true,'bytes':%zu}", bytes.len);
}

static void
on_say(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    (void)skio_emit_to(skio_socket_nsp(socket), skio_get_str(args, "0"), "said",
                       "%s", skio_get_str(args, "1"));
    (void)skio_ack_send(ack, NULL);
}

static void
on_slow(void *user)
{
    struct slow *slow = user;

    while (slow->count > 0)
        (void)skio_guard_allow(slow->asks[--slow->count]);
}

static void
decide(skio_guard_ask *ask, skio_socket *socket, const char *room,
       const skio_value *args, void *user)
{
    const char *word = skio_get_str(args, "1");
    struct slow *slow = user;

    (void)socket;
    if (strcmp(room, "slow") == 0 && slow->count < SLOW_MAX &&
        skio_timer_set(slow->timer, SLOW_MS) == SKIO_OK)
        slow->asks[slow->count++] = ask;
    else if (strcmp(room, "open") == 0 ||
             (strcmp(room, "secret") == 0 && word != NULL &&
              strcmp(word, "sesame") == 0))
        (void)skio_guard_allow(ask);
    else
        (void)skio_guard_deny(ask, NULL);
}

static int
declare(skio_nsp *root)
{
    static const char *const declared[][2] = {
        {"order", "{id: int(1..), note?: string(..10) | null, "
                  "tags?: ['new' | 'old'](..2)}, bytes(..4)?"},
        {"say", "string, string(..100)"},
        {"join", "string, string?"},
        {"leave", "string"},
    };
    skio_shapes_options options;
    skio_shapes *shapes = NULL;
    int err;

    skio_shapes_options_init(&options);
    options.silent = SKIO_SHAPES_EMIT;
    options.refuse_others = true;
    err = skio_shapes_new(root, &options, &shapes);
    for (size_t i = 0; err == SKIO_OK && i < 4; i++)
        err =
            skio_shapes_add(shapes, declared[i][0], declared[i][1], NULL, NULL);
    return err;
}

static int
serve(skio_server *io, struct slow *slow, uint16_t port)
{
    skio_nsp *root = skio_of(io, "/");
    int err = declare(root);

    slow->timer = skio_timer_new(io, on_slow, slow);
    if (slow->timer == NULL)
        return SKIO_ENOMEM;
    if (err == SKIO_OK)
        err = skio_guard_rooms(root, decide, slow, NULL);
    if (err == SKIO_OK)
        err = skio_on_connect(root, on_connect, NULL);
    if (err == SKIO_OK)
        err = skio_on(root, "order", on_order, NULL);
    if (err == SKIO_OK)
        err = skio_on(root, "say", on_say, NULL);
    if (err == SKIO_OK)
        err = skio_listen(io, "127.0.0.1", port);
    if (err == SKIO_OK)
        err = program_run(io);
    return err;
}

int
main(int argc, char **argv)
{
    static char name[] = "shapes-server";
    struct slow slow = {.timer = NULL};
    skio_server_options options;
    long port = argc == 2 ? program_port(argv[1]) : -1;
    skio_server *io;
    int err;

    if (port < 0) {
        fprintf(stderr, "usage: shapes-server PORT\n");
        return 2;
    }
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;
    err = skio_server_new(&io, &options);
    if (err == SKIO_OK) {
        err = serve(io, &slow, (uint16_t)port);
        skio_timer_free(slow.timer);
        skio_server_free(io);
    }
    if (err != SKIO_OK)
        fprintf(stderr, "shapes-server: %s\n", skio_strerror(err));
    return err != SKIO_OK;
}
