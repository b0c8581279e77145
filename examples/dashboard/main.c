/*
 * A live dashboard: dashboard [--port N] [--address A] [--public DIR]
 *                             [--client DIR]
 *
 *   --port     where to listen, 3000; 0 picks a free port
 *   --address  an address, "localhost" (the default), or "any"
 *   --public   the folder of the page
 *   --client   the folder of the stock browser client, socket.io.min.js
 *
 * A market that is made up moves fifty times a second; each client is sent what
 * it watches as packed bytes, as often as it wants, and never more than it can
 * take: feed.h tells. /metrics says to this machine what the server does.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <socketio/health.h>
#include <socketio/loop.h>
#include <socketio/metrics.h>
#include <socketio/signals.h>

#include "feed.h"

#define DRAIN_MS 1000 /* what the clients are sent away in, at the end */

struct settings {
    uint16_t port;
    const char *address;
    const char *public_dir;
    const char *client_dir;
};

static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    (void)fprintf(stderr, "dashboard: %s\n", message);
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
        else
            is_fine = false;
        if (!is_fine) {
            (void)fprintf(stderr,
                          "dashboard: %s: unknown, or its value is not "
                          "one\nusage: dashboard [--port 0..65535] "
                          "[--address A|any] [--public DIR] "
                          "[--client DIR]\n",
                          argv[i]);
            return false;
        }
    }
    return true;
}

/* A page without its files stays empty: better to say so here. */
static bool
has_file(const char *option, const char *dir, const char *file)
{
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_there = folder >= 0 && faccessat(folder, file, R_OK, 0) == 0;

    if (!is_there)
        (void)fprintf(stderr, "dashboard: %s %s: %s: %s\n", option, dir, file,
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
    (void)fprintf(stderr, "dashboard: `make dashboard` fetches it\n");
    return false;
}

static int
listen_and_tell(skio_server *server, const struct settings *settings)
{
    int err = skio_mount(server, "/", settings->public_dir, "index.html");

    if (err != SKIO_OK) {
        (void)fprintf(stderr, "dashboard: --public %s: %s\n",
                      settings->public_dir, skio_strerror(err));
        return err;
    }
    err = skio_listen(server, settings->address, settings->port);
    if (err != SKIO_OK) {
        (void)fprintf(stderr, "dashboard: --port %u, --address %s: %s\n",
                      (unsigned)settings->port,
                      settings->address != NULL ? settings->address : "any",
                      skio_strerror(err));
        return err;
    }
    (void)printf("Dashboard: http://localhost:%u (click symbols to plot them, "
                 "move the slider for more or fewer frames)\n"
                 "Metrics:   http://localhost:%u/metrics\n"
                 "Stop with Ctrl+C.\n",
                 (unsigned)skio_server_port(server),
                 (unsigned)skio_server_port(server));
    (void)fflush(stdout);
    return SKIO_OK;
}

static int
add_endpoints(skio_server *server)
{
    static const char *const sent[] = {"ticks", "load", NULL};
    skio_metrics_options metrics;
    int err;

    skio_metrics_options_init(&metrics);
    metrics.events = sent;
    err = skio_metrics_serve(server, &metrics, NULL);
    if (err == SKIO_OK)
        err = skio_health_serve(server, NULL);
    /* A second Ctrl+C ends the program the hard way. */
    return err == SKIO_OK ? skio_signals_drain(server, DRAIN_MS) : err;
}

int
main(int argc, char **argv)
{
    static struct feed feed; /* its prices are too much for the stack */
    struct settings settings =
        {.port = 3000,
         .address = "localhost",
         .public_dir = "examples/dashboard/public",
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
    options.max_http_buffer_size = 4096; /* clients have little to say */
    options.outbound_high_bytes = 4096;  /* slow readers are noticed soon */
    options.drain_lead_ms = 0; /* there is no load balancer to notice */
    options.log = on_log;
    options.log_level = SKIO_LOG_WARN;
    err = skio_server_new(&server, &options);
    if (err != SKIO_OK) {
        (void)fprintf(stderr, "dashboard: %s\n", skio_strerror(err));
        return 1;
    }
    err = add_endpoints(server);
    if (err == SKIO_OK)
        err = feed_start(&feed, server);
    if (err != SKIO_OK)
        (void)fprintf(stderr, "dashboard: %s\n", skio_strerror(err));
    else
        err = listen_and_tell(server, &settings);
    if (err == SKIO_OK) {
        err = skio_run(server);
        if (err != SKIO_OK)
            (void)fprintf(stderr, "dashboard: %s\n", skio_strerror(err));
    }
    skio_timer_free(feed.timer);
    skio_server_free(server);
    return err != SKIO_OK;
}
