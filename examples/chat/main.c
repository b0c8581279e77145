/*
 * A chat server: chat [--port N] [--address A] [--public DIR] [--client DIR]
 *                     [--redis URL] [--name NAME] [--trust PROXIES]
 *
 *   --port     where to listen, 3000; 0 picks a free port
 *   --address  an address, "localhost" (the default), or "any"
 *   --public   the folder of the page
 *   --client   the folder of the stock browser client, socket.io.min.js
 *   --redis    be one of several servers that share this Redis
 *   --name     what ids of sessions begin with, for a load balancer
 *   --trust    proxies that say the clients' addresses, as in "loopback"
 *
 * Everything is in memory: when the server ends, the rooms are gone, and the
 * pages that are still open bring them back when it starts again. Of several
 * servers each has everything that was said while it ran, or was asked for.
 *
 * At SIGTERM or Ctrl+C the clients are sent away before it ends; load balancers
 * ask /readyz.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"

#include <socketio/health.h>
#include <socketio/signals.h>

#define DRAIN_MS 2000 /* what the clients are sent away in, at the end */

struct settings {
    uint16_t port;
    const char *address;
    const char *public_dir;
    const char *client_dir;
    const char *redis; /* NULL: alone */
    const char *name;  /* NULL: none */
    const char *trust; /* NULL: nobody */
};

static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    (void)fprintf(stderr, "chat: %s\n", message);
}

static bool
read_port(const char *text, uint16_t *out)
{
    char *end;
    long port;

    errno = 0;
    port = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || port < 0 || port > 65535)
        return false;
    *out = (uint16_t)port;
    return true;
}

static bool
read_arguments(int argc, char **argv, struct settings *settings)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool is_fine = value != NULL;

        if (is_fine && strcmp(argv[i], "--port") == 0)
            is_fine = read_port(value, &settings->port);
        else if (is_fine && strcmp(argv[i], "--address") == 0)
            settings->address = strcmp(value, "any") == 0 ? NULL : value;
        else if (is_fine && strcmp(argv[i], "--public") == 0)
            settings->public_dir = value;
        else if (is_fine && strcmp(argv[i], "--client") == 0)
            settings->client_dir = value;
        else if (is_fine && strcmp(argv[i], "--redis") == 0)
            settings->redis = value;
        else if (is_fine && strcmp(argv[i], "--name") == 0)
            settings->name = value;
        else if (is_fine && strcmp(argv[i], "--trust") == 0)
            settings->trust = value;
        else
            is_fine = false;
        if (!is_fine) {
            (void)fprintf(stderr,
                          "chat: %s: unknown, or its value is not one\n"
                          "usage: chat [--port 0..65535] [--address A|any] "
                          "[--public DIR] [--client DIR] [--redis URL] "
                          "[--name NAME] [--trust PROXIES]\n",
                          argv[i]);
            return false;
        }
    }
    return true;
}

/* Become one of several servers, if that is asked for. */
static int
join(struct chat *chat, skio_server *server, const struct settings *settings)
{
    int err = SKIO_OK;

    if (settings->redis != NULL)
        err = join_redis(chat, server, settings->redis);
    if (err != SKIO_OK) {
        (void)fprintf(stderr, "chat: --redis %s: %s\n", settings->redis,
                      skio_strerror(err));
        return err;
    }
    if (settings->name != NULL)
        err = join_name(server, settings->name);
    if (err != SKIO_OK)
        (void)fprintf(stderr,
                      "chat: --name %s: 1 to 16 letters, digits, \"-\" "
                      "and \"_\" are possible\n",
                      settings->name);
    return err;
}

/* A page without its files stays empty: better to say so here. */
static bool
has_file(const char *option, const char *dir, const char *file)
{
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_there = folder >= 0 && faccessat(folder, file, R_OK, 0) == 0;

    if (!is_there)
        (void)fprintf(stderr, "chat: %s %s: %s: %s\n", option, dir, file,
                      strerror(errno));
    if (folder >= 0)
        (void)close(folder);
    return is_there;
}

static bool
has_page(const struct settings *settings)
{
    if (!has_file("--public", settings->public_dir, "index.html"))
        return false;
    if (has_file("--client", settings->client_dir, "socket.io.min.js"))
        return true;
    (void)fprintf(stderr, "chat: `make chat` fetches it\n");
    return false;
}

static int
serve(struct chat *chat, skio_server *server, const struct settings *settings)
{
    int err = skio_mount(server, "/", settings->public_dir, "index.html");

    if (err != SKIO_OK) {
        (void)fprintf(stderr, "chat: --public %s: %s\n", settings->public_dir,
                      skio_strerror(err));
        return err;
    }
    err = skio_listen(server, settings->address, settings->port);
    if (err != SKIO_OK) {
        (void)fprintf(stderr, "chat: --port %u, --address %s%s%s: %s\n",
                      (unsigned)settings->port,
                      settings->address != NULL ? settings->address : "any",
                      settings->trust != NULL ? ", --trust " : "",
                      settings->trust != NULL ? settings->trust : "",
                      skio_strerror(err));
        return err;
    }
    (void)printf("Chat: http://localhost:%u (two tabs are two people). Stop "
                 "with Ctrl+C.\n",
                 (unsigned)skio_server_port(server));
    (void)fflush(stdout);
    err = settings->redis != NULL ? join_watch(chat, server) : SKIO_OK;
    if (err == SKIO_OK)
        err = skio_run(server);
    if (err != SKIO_OK)
        (void)fprintf(stderr, "chat: %s\n", skio_strerror(err));
    return err;
}

static int
run(struct chat *chat, skio_server *server, const struct settings *settings)
{
    int err = join(chat, server, settings);

    if (err != SKIO_OK)
        return err; /* it was said why */
    err = chat_start(chat, server);
    if (err != SKIO_OK) {
        (void)fprintf(stderr, "chat: %s\n", skio_strerror(err));
        return err;
    }
    return serve(chat, server, settings);
}

int
main(int argc, char **argv)
{
    static struct chat chat; /* its tables are too large for the stack */
    struct settings settings =
        {.port = 3000,
         .address = "localhost",
         .public_dir = "examples/chat/public",
         .client_dir = "build/npm/node_modules/socket.io-client/dist"};
    skio_server_options options;
    skio_server *server;
    int err;

    if (!read_arguments(argc, argv, &settings))
        return 2;
    if (!has_page(&settings))
        return 1;

    skio_server_options_init(&options);
    options.client_dir = settings.client_dir;
    options.max_http_buffer_size = 65536;  /* a message is much smaller */
    options.max_outbound_bytes = 4u << 20; /* several histories at once */
    options.trusted_proxies = settings.trust;
    options.cookie = settings.name != NULL ? "io" : NULL;
    if (settings.name == NULL)
        options.drain_lead_ms = 0; /* there is no load balancer to notice */
    options.log = on_log;
    options.log_level = SKIO_LOG_WARN;
    err = skio_server_new(&server, &options);
    if (err != SKIO_OK) {
        (void)fprintf(stderr, "chat: %s\n", skio_strerror(err));
        return 1;
    }
    /* A second Ctrl+C ends the program the hard way. */
    err = skio_signals_drain(server, DRAIN_MS);
    if (err == SKIO_OK)
        err = skio_health_serve(server, NULL);
    if (err != SKIO_OK)
        (void)fprintf(stderr, "chat: %s\n", skio_strerror(err));
    else
        err = run(&chat, server, &settings);

    join_end();
    skio_server_free(server);
    chat_free(&chat);
    return err == SKIO_OK ? 0 : 1;
}
