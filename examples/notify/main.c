/*
 * A notification service: notify [--port N] [--address A] [--data FILE] …
 *
 * Applications post notifications over HTTP, for a user, a room or all; each is
 * on the disk before it is accepted, waits for whoever is away, and is
 * delivered when the reader's client has acknowledged it.
 *
 *   application ─ POST /api/notify ─▶ api, draft, keys ─▶ writer ─▶ store
 *   202 with its number ◀─ after the commit ──────────────┘   (SQLite, in a
 *   browser ◀─ "notification", ack ─▶ deliver, connection      thread)
 *
 *   --port, --address   where to listen: 3000, localhost; "any"
 *   --public, --client  the folders of the page and of socket.io.min.js
 *   --data FILE         the store, notify.db
 *   --secret FILE       the secret of the tokens (JWT, HS256), 32 bytes or
 *                       more; or NOTIFY_SECRET in the environment
 *   --keys FILE         API keys of applications, one a line, 16 bytes or more;
 *                       or one in NOTIFY_API_KEY
 *   --demo              a login for whoever types a name; makes up a secret and
 *                       an API key when there is none. Not for a product.
 *   --rate N            posts a second with each API key, 100
 *   --users N           10000 that are known; --per-user N: 200 wait for each,
 *                       the oldest is dropped for one more; --notifications N:
 *                       100000 are kept with their status
 *   --keep-s N          how long a status is kept when nobody waits, 604800
 *   --receipt-ms N      how long a client may owe a receipt, 20000
 *   --queue N           requests that wait for the disk, 1000; others get 503
 *
 * api.h tells the interface for applications, deliver.h that of clients,
 * store.h what is kept. One process has the file: this is for one server.
 * SIGTERM or Ctrl+C: requests are refused with 503 and the clients sent away,
 * what was accepted is on the disk. Load balancers ask /readyz.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <socketio/health.h>
#include <socketio/signals.h>
#include <socketio/tokens.h>

#include "api.h"
#include "login.h"
#include "rooms.h"
#include "settings.h"
#include "sweep.h"

#define DRAIN_MS 2000 /* what the clients are sent away in, at the end */

static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    (void)fprintf(stderr, "notify: %s\n", message);
}

static const char *
is_ready(skio_server *server, void *arg)
{
    (void)server;
    return writer_trouble(arg);
}

/* A user's name is a part of rooms' names, and of what applications write. */
static void
check_name(skio_socket *socket, skio_next *next, void *arg)
{
    (void)arg;
    if (name_is_valid(skio_get_str(skio_token_claims(socket), "sub")))
        (void)skio_next_ok(next);
    else
        (void)skio_next_error(next, "unauthorized", "{'code':'bad_name'}");
}

static int
guard(skio_server *server, skio_nsp *nsp, const skio_token_key *key)
{
    skio_tokens_guard_options how;
    skio_tokens_options what;
    skio_tokens *tokens;
    int err;

    skio_tokens_options_init(&what);
    what.audience = TOKEN_AUDIENCE;
    skio_tokens_guard_options_init(&how);
    how.bind_user = true;
    err = skio_tokens_new(server, &what, key, 1, &tokens);
    if (err == SKIO_OK)
        err = skio_tokens_guard(tokens, nsp, &how);
    if (err == SKIO_OK)
        err = skio_use(nsp, check_name, NULL);
    return err;
}

static void
tell(const struct settings *settings, unsigned port, const char *api_key)
{
    (void)printf("Notify: http://localhost:%u (stop with Ctrl+C)\n", port);
    if (settings->is_demo)
        (void)printf(
            "\n  This is a demonstration: whoever types a name is that user.\n"
            "  Open the page, type \"ada\", and send her something:\n\n"
            "    curl -X POST http://localhost:%u/api/notify \\\n"
            "      -H 'Authorization: Bearer %s' \\\n"
            "      -d '{\"to\":\"user:ada\",\"title\":\"Hello\","
            "\"text\":\"From curl\"}'\n\n"
            "  Go offline there, send more, and go online again; or kill -9 "
            "this program\n  and start it again: what got a 202 arrives.\n\n",
            port, api_key);
    (void)fflush(stdout);
}

/* A page without its files stays empty: better to say so here. */
static bool
has_file(const char *option, const char *dir, const char *file)
{
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_there = folder >= 0 && faccessat(folder, file, R_OK, 0) == 0;

    if (!is_there)
        (void)fprintf(stderr, "notify: %s %s: %s: %s\n", option, dir, file,
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
    (void)fprintf(stderr, "notify: `make notify` fetches it\n");
    return false;
}

static int
serve(skio_server *server, const struct settings *settings)
{
    int err = skio_mount(server, "/", settings->public_dir, "index.html");

    if (err != SKIO_OK) {
        (void)fprintf(stderr, "notify: --public %s: %s\n", settings->public_dir,
                      skio_strerror(err));
        return err;
    }
    err = skio_listen(server, settings->address, settings->port);
    if (err != SKIO_OK) {
        (void)fprintf(stderr, "notify: --port %u, --address %s: %s\n",
                      (unsigned)settings->port,
                      settings->address != NULL ? settings->address : "any",
                      skio_strerror(err));
        return err;
    }
    tell(settings, skio_server_port(server), settings->api_key);
    err = skio_run(server);
    if (err != SKIO_OK)
        (void)fprintf(stderr, "notify: %s\n", skio_strerror(err));
    return err;
}

/* All that lives as long as the server. */
struct service {
    struct deliver deliver;
    struct api api;
    struct login login;
    struct sweep sweep;
};

static int
start(struct service *service, skio_server *server, struct writer *writer,
      const struct settings *settings)
{
    skio_nsp *nsp = skio_of(server, "/");
    skio_health_options health;
    int err;

    skio_health_options_init(&health);
    health.check = is_ready;
    health.user = writer;
    service->login =
        (struct login){.server = server,
                       .key = {.struct_size = sizeof service->login.key,
                               .algorithm = SKIO_TOKEN_HS256,
                               .key = {settings->secret,
                                       strlen(settings->secret)}},
                       .api_key = settings->api_key};
    service->deliver.receipt_ms = settings->receipt_ms;

    if (nsp == NULL)
        return SKIO_ENOMEM;
    /* A second Ctrl+C ends the program the hard way. */
    err = skio_signals_drain(server, DRAIN_MS);
    if (err == SKIO_OK)
        err = skio_health_serve(server, &health);
    if (err == SKIO_OK)
        err = guard(server, nsp, &service->login.key);
    if (err == SKIO_OK)
        err = deliver_start(&service->deliver, nsp, writer);
    if (err == SKIO_OK)
        err = rooms_start(nsp);
    if (err == SKIO_OK)
        err = api_start(&service->api, server, &service->deliver);
    if (err == SKIO_OK && settings->is_demo)
        err = login_start(&service->login);
    if (err == SKIO_OK)
        err = sweep_start(&service->sweep, server, writer);
    return err;
}

static skio_server *
make_server(const struct settings *settings)
{
    skio_server_options options;
    skio_server *server = NULL;
    int err;

    skio_server_options_init(&options);
    options.client_dir = settings->client_dir;
    options.max_http_buffer_size = 16384; /* the most that is posted */
    options.max_connections = 10000;      /* bounds what waits for the store */
    options.events_per_second = 50;
    options.events_burst = 500;
    if (settings->is_demo)
        options.drain_lead_ms = 0; /* there is no load balancer to notice */
    options.log = on_log;
    options.log_level = SKIO_LOG_WARN;
    err = skio_server_new(&server, &options);
    if (err != SKIO_OK)
        (void)fprintf(stderr, "notify: %s\n", skio_strerror(err));
    return server;
}

int
main(int argc, char **argv)
{
    static struct service service;
    static struct settings settings;
    struct writer *writer = NULL;
    skio_server *server;
    int err = SKIO_EIO;

    if (!settings_read(&settings, &service.api.keys, argc, argv))
        return 2;
    if (!has_page(&settings))
        return 1;
    /* A file that may not grow is an error of write(2), not the end. */
    (void)signal(SIGXFSZ, SIG_IGN);
    server = make_server(&settings);
    if (server != NULL)
        writer = writer_start(server, settings.data, &settings.limits,
                              settings.queue);
    if (writer != NULL) {
        err = start(&service, server, writer, &settings);
        if (err == SKIO_OK)
            err = serve(server, &settings);
        else
            (void)fprintf(stderr, "notify: %s\n", skio_strerror(err));
    }
    writer_stop(writer);
    sweep_end(&service.sweep);
    skio_server_free(server);
    settings_wipe(&settings);
    return err == SKIO_OK ? 0 : 1;
}
