/*
 * chaos-server PORT NAME REDIS-URL [DRAIN-MS]: a node of the chaos test;
 * chaos-node.mjs is the same application on the reference implementation
 *
 * Listens on 127.0.0.1, prints "listening on PORT", serves until SIGTERM; then
 * it drains for DRAIN-MS, if that is given. A socket joins the rooms that its
 * auth lists, unless it is recovered. Clients of /control let it write:
 * write(address, ...args) emits "packet" to everybody ("*") or a room, and is
 * answered; ready() is answered when Redis is there, address() with the
 * client's. Ids of sessions begin with NAME and a dot.
 */
#include <stdio.h>

#ifdef HAVE_REDIS

#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <socketio/health.h>
#include <socketio/loop.h>
#include <socketio/redis.h>
#include <socketio/socketio.h>

#include "interop/program.h"

static skio_nsp *home;
static skio_ack *asker;
static bool is_up;

/* The balancer reads the node from the id; the rest is 128 random bits. */
static int
on_generate_id(const skio_engine_request *request, char id[64], void *user)
{
    unsigned char bytes[16];
    int len = snprintf(id, 64, "%s.", (const char *)user);

    (void)request;
    if (len < 0 || len > 16 || getrandom(bytes, sizeof bytes, 0) != 16)
        return SKIO_EIO;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(id + len + 2 * i, 3, "%02x", bytes[i]);
    return SKIO_OK;
}

static void
on_connect(skio_socket *socket, void *user)
{
    const skio_value *auth = skio_socket_auth(socket);
    size_t count = skio_count(auth, "rooms");

    (void)user;
    for (size_t i = 0; i < count && !skio_socket_recovered(socket); i++) {
        char path[32];
        const char *room;

        (void)snprintf(path, sizeof path, "rooms.%zu", i);
        room = skio_get_str(auth, path);
        if (room == NULL || skio_join(socket, room) != SKIO_OK)
            fprintf(stderr, "chaos-server: a room was not joined\n");
    }
}

static void
on_write(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *address = skio_get_str(args, "0");
    const skio_value *rest = skio_get_args(args, 1);
    int err = SKIO_EINVAL;

    (void)socket;
    (void)user;
    if (address != NULL && strcmp(address, "*") == 0)
        err = skio_emit_all(home, "packet", "%p", SKIO_VALUE(rest));
    else if (address != NULL)
        err = skio_emit_to(home, address, "packet", "%p", SKIO_VALUE(rest));
    skio_ack_send(ack, "%s", err == SKIO_OK ? "ok" : skio_strerror(err));
}

static void
on_address(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    (void)args;
    (void)user;
    skio_ack_send(ack, "%s", skio_socket_address(socket));
}

static void
on_redis(skio_server *io, const skio_redis_event *event, void *user)
{
    (void)io;
    (void)user;
    is_up = event->state == SKIO_REDIS_UP;
    if (is_up && asker != NULL) {
        skio_ack_send(asker, "%s", "ok");
        asker = NULL;
    }
}

static void
on_ready(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)args;
    (void)user;
    if (is_up) {
        skio_ack_send(ack, "%s", "ok");
    } else {
        skio_ack_free(asker); /* one asks, once */
        asker = skio_ack_take(ack);
    }
}

static int
open_namespaces(skio_server *io, const char *url)
{
    skio_redis_options redis;
    skio_nsp *control;
    int err;

    skio_redis_options_init(&redis);
    redis.url = url;
    redis.on_event = on_redis;
    err = skio_redis_streams_adapter(io, &redis);
    if (err != SKIO_OK)
        return err;
    home = skio_of(io, "/");
    control = skio_of(io, "/control");
    if (home == NULL || control == NULL)
        return SKIO_ENOMEM;
    err = skio_on_connect(home, on_connect, NULL);
    if (err == SKIO_OK)
        err = skio_on(control, "write", on_write, NULL);
    if (err == SKIO_OK)
        err = skio_on(control, "ready", on_ready, NULL);
    return err == SKIO_OK ? skio_on(control, "address", on_address, NULL) : err;
}

/* SIGTERM, read as an event of the loop: its handler could not drain. */
static struct {
    skio_server *io;
    skio_watch *watch;
    int fd;
    uint32_t ms;
} drain = {.fd = -1};

static void
on_sigterm(unsigned ready, void *user)
{
    struct signalfd_siginfo info;

    (void)ready;
    (void)user;
    if (read(drain.fd, &info, sizeof info) == (ssize_t)sizeof info &&
        skio_server_drain(drain.io, drain.ms, NULL, NULL) != SKIO_OK)
        skio_server_stop(drain.io);
}

static int
drain_at_sigterm(skio_server *io, uint32_t ms)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return SKIO_EIO;
    drain.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (drain.fd < 0)
        return SKIO_EIO;
    drain.io = io;
    drain.ms = ms;
    return skio_watch_new(io, drain.fd, SKIO_READABLE, on_sigterm, NULL,
                          &drain.watch);
}

int
main(int argc, char **argv)
{
    skio_server_options options;
    skio_server *io;
    long port = argc == 4 || argc == 5 ? program_port(argv[1]) : -1;
    long drain_ms = argc == 5 ? program_port(argv[4]) : -1;
    int err;

    if (port < 0) {
        fprintf(stderr, "usage: chaos-server PORT NAME REDIS-URL [DRAIN-MS]\n");
        return 2;
    }
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = (void *)"chaos-server";
    options.cookie = "io";
    options.recovery_ms = 120000;
    options.drain_lead_ms = 1000; /* twice as long as HAProxy needs */
    options.trusted_proxies = "127.0.0.1";
    err = skio_server_new(&io, &options);
    if (err == SKIO_OK)
        err = skio_generate_id(io, on_generate_id, argv[2]);
    if (err == SKIO_OK)
        err = open_namespaces(io, argv[3]);
    if (err == SKIO_OK)
        err = skio_health_serve(io, NULL);
    if (err == SKIO_OK)
        err = skio_listen(io, "127.0.0.1", (uint16_t)port);
    if (err == SKIO_OK && drain_ms >= 0)
        err = drain_at_sigterm(io, (uint32_t)drain_ms);
    if (err == SKIO_OK)
        err = program_run(io);
    if (err != SKIO_OK)
        fprintf(stderr, "chaos-server: %s\n", skio_strerror(err));
    skio_watch_free(drain.watch);
    skio_ack_free(asker);
    skio_server_free(io);
    if (drain.fd >= 0)
        close(drain.fd);
    return err == SKIO_OK ? 0 : 1;
}

#else

int
main(void)
{
    fprintf(stderr, "chaos-server: built without Redis\n");
    return 2;
}

#endif
