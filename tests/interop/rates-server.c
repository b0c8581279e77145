/*
 * The server of test_rates.mjs: rate limits by command line
 *
 *     rates-server PORT [--events N] [--events-burst N] [--bytes N]
 *                  [--connects N] [--connects-burst N] [--trusted LIST]
 *                  [--blocked]
 *
 * Each socket is greeted with "welcome"; "echo" is answered with its argument.
 * GET /told: how many echoes were asked for, how often a rate was passed, and
 * why clients have gone, as JSON. --blocked drops events, with "blocked" and
 * the milliseconds to wait for their socket.
 */
#include <stdio.h>
#include <string.h>

#include <socketio/engine.h>

#include "interop/must.h"
#include "interop/program.h"

static unsigned echoes;
static char reasons[2000];

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    must_ok(skio_emit(socket, "welcome", NULL), "welcome");
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    size_t len = strlen(reasons);

    (void)socket;
    (void)user;
    snprintf(reasons + len, sizeof reasons - len, "%s%s", len > 0 ? "; " : "",
             skio_disconnect_name(reason));
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    int64_t number = 0;

    (void)socket;
    (void)user;
    echoes++;
    skio_get_int(args, "0", &number);
    skio_ack_send(ack, "%ld", (long)number);
}

static void
on_told(skio_http *request, void *user)
{
    skio_counters counters = {.struct_size = sizeof counters};

    skio_server_counters(user, &counters);
    must_ok(skio_http_reply(request, 200, "{%s:%d,%s:%d,%s:%s}", "echoes",
                            (int)echoes, "hits", (int)counters.rates_hit,
                            "reasons", reasons),
            "reply");
}

static enum skio_rate_action
on_rate_limit(skio_server *server, const skio_rate_excess *excess, void *user)
{
    (void)server;
    (void)user;
    if (excess->rate != SKIO_RATE_EVENTS || excess->socket == NULL ||
        skio_emit(excess->socket, "blocked", "%d", (int)excess->retry_ms) !=
            SKIO_OK)
        return SKIO_RATE_CLOSE;
    return SKIO_RATE_DROP;
}

/* The number that an option sets, or NULL. */
static uint32_t *
number_of(skio_server_options *options, const char *name)
{
    if (strcmp(name, "--events") == 0)
        return &options->events_per_second;
    if (strcmp(name, "--events-burst") == 0)
        return &options->events_burst;
    if (strcmp(name, "--bytes") == 0)
        return &options->bytes_per_second;
    if (strcmp(name, "--connects") == 0)
        return &options->connects_per_minute;
    if (strcmp(name, "--connects-burst") == 0)
        return &options->connects_burst;
    return NULL;
}

static void
parse_options(skio_server_options *options, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        uint32_t *number = number_of(options, argv[i]);

        if (strcmp(argv[i], "--blocked") == 0) {
            options->rate_limit = on_rate_limit;
        } else if (number != NULL && i + 1 < argc) {
            *number = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--trusted") == 0 && i + 1 < argc) {
            options->trusted_proxies = argv[++i];
        } else {
            fprintf(stderr, "rates-server: unknown option %s\n", argv[i]);
            exit(2);
        }
    }
}

int
main(int argc, char **argv)
{
    static char name[] = "rates-server";
    skio_server_options options;
    skio_server *io;
    skio_nsp *root;
    int err;

    if (argc < 2 || program_port(argv[1]) < 0) {
        fprintf(stderr, "usage: rates-server PORT [options]\n");
        return 2;
    }
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    parse_options(&options, argc, argv);

    must_ok(skio_server_new(&io, &options), "server");
    root = skio_of(io, "/");
    must_ok(root != NULL ? SKIO_OK : SKIO_ENOMEM, "/");
    must_ok(skio_on_connect(root, on_connect, NULL), "connect");
    must_ok(skio_on_disconnect(root, on_disconnect, NULL), "disconnect");
    must_ok(skio_on(root, "echo", on_echo, NULL), "echo");
    must_ok(skio_http_on(io, "GET", "/told", on_told, io), "/told");
    must_ok(skio_listen(io, "127.0.0.1", (uint16_t)program_port(argv[1])),
            "listen");
    err = program_run(io);
    skio_server_free(io);
    return err == SKIO_OK ? 0 : 1;
}
