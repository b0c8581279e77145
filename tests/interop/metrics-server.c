/*
 * The server of test_metrics.mjs: metrics by command line
 *
 *     metrics-server PORT [--token TOKEN] [--allow] [--durations]
 *                    [--max-events N] [--max-namespaces N] [--events N]
 *                    [--redis URL] [--limits]
 *
 * In "/" and "/static" and below "/room-*": "echo" is acknowledged with its
 * arguments; "relay" emits its first argument's name back; "all" broadcasts
 * "news", which is named in the options, and "gossip", which is not; "join" and
 * "leave" a room; "kick" disconnects. --events N: there are "event0" and so on.
 * With --limits an address may have two connections, a client one namespace,
 * and a message 1000 bytes.
 */
#include <stdio.h>
#include <string.h>

#include <socketio/health.h>
#include <socketio/metrics.h>
#ifdef HAVE_REDIS
#include <socketio/redis.h>
#endif

#include "interop/must.h"
#include "interop/program.h"

struct settings {
    skio_metrics_options metrics;
    unsigned long events;
    const char *redis;
    bool has_limits;
};

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)user;
    skio_ack_send(ack, "%p", SKIO_VALUE(args));
}

static void
on_relay(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *name = skio_get_str(args, "0");

    (void)user;
    if (name != NULL)
        skio_emit(socket, name, NULL);
    skio_ack_send(ack, NULL);
}

static void
on_all(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)user;
    skio_emit_all(skio_socket_nsp(socket), "news", NULL);
    skio_emit_all(skio_socket_nsp(socket), "gossip", NULL);
    skio_ack_send(ack, NULL);
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    skio_ack_send(ack, "%d", skio_join(socket, skio_get_str(args, "0")));
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    skio_ack_send(ack, "%d", skio_leave(socket, skio_get_str(args, "0")));
}

static void
on_kick(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    skio_disconnect(socket, false);
}

static void
handle(skio_nsp *nsp, unsigned long events)
{
    char name[32];

    if (nsp == NULL)
        must_ok(SKIO_ENOMEM, "namespace");
    must_ok(skio_on(nsp, "echo", on_echo, NULL), "echo");
    must_ok(skio_on(nsp, "relay", on_relay, NULL), "relay");
    must_ok(skio_on(nsp, "all", on_all, NULL), "all");
    must_ok(skio_on(nsp, "join", on_join, NULL), "join");
    must_ok(skio_on(nsp, "leave", on_leave, NULL), "leave");
    must_ok(skio_on(nsp, "kick", on_kick, NULL), "kick");
    must_ok(skio_on(nsp, "a \"b\\c\nd", on_echo, NULL), "a strange name");
    for (unsigned long i = 0; i < events; i++) {
        snprintf(name, sizeof name, "event%lu", i);
        must_ok(skio_on(nsp, name, on_echo, NULL), name);
    }
}

static bool
is_allowed(skio_http *request, void *user)
{
    const char *who = skio_http_header(request, "x-who");

    (void)user;
    return who != NULL && strcmp(who, "operator") == 0;
}

static bool
parse_options(int argc, char **argv, struct settings *settings)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--durations") == 0)
            settings->metrics.handler_duration = true;
        else if (strcmp(argv[i], "--allow") == 0)
            settings->metrics.allow = is_allowed;
        else if (strcmp(argv[i], "--limits") == 0)
            settings->has_limits = true;
        else if (i + 1 == argc)
            return false;
        else if (strcmp(argv[i], "--token") == 0)
            settings->metrics.token = argv[++i];
        else if (strcmp(argv[i], "--redis") == 0)
            settings->redis = argv[++i];
        else if (strcmp(argv[i], "--max-events") == 0)
            settings->metrics.max_events =
                (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--max-namespaces") == 0)
            settings->metrics.max_namespaces =
                (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--events") == 0)
            settings->events = strtoul(argv[++i], NULL, 10);
        else
            return false;
    }
    return true;
}

static void
join_cluster(skio_server *io, const char *url, skio_metrics *metrics)
{
#ifdef HAVE_REDIS
    skio_redis_options redis;

    skio_redis_options_init(&redis);
    redis.url = url;
    redis.on_event = skio_metrics_redis_event;
    redis.on_event_user = metrics;
    must_ok(skio_redis_adapter(io, &redis), "redis");
#else
    (void)io;
    (void)url;
    (void)metrics;
    must_ok(SKIO_ENOTSUP, "redis");
#endif
}

int
main(int argc, char **argv)
{
    static char name[] = "metrics-server";
    static const char *const sent[] = {"news", NULL};
    long port = argc >= 2 ? program_port(argv[1]) : -1;
    struct settings settings = {.events = 0};
    skio_server_options options;
    skio_metrics *metrics;
    skio_server *io;
    int err;

    skio_metrics_options_init(&settings.metrics);
    settings.metrics.events = sent;
    if (port < 0 || !parse_options(argc - 2, argv + 2, &settings)) {
        fprintf(stderr, "usage: metrics-server PORT [options]\n");
        return 2;
    }
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.ping_interval_ms = 300;
    options.trusted_proxies = "127.0.0.9";
    if (settings.has_limits) {
        options.max_connections_per_address = 2;
        options.max_namespaces = 1;
        options.max_http_buffer_size = 1000;
    }
    must_ok(skio_server_new(&io, &options), "server");
    must_ok(skio_metrics_serve(io, &settings.metrics, &metrics), "metrics");
    must_ok(skio_health_serve(io, NULL), "health");
    if (settings.redis != NULL)
        join_cluster(io, settings.redis, metrics);
    handle(skio_of(io, "/"), settings.events);
    handle(skio_of(io, "/static"), 0);
    handle(skio_of_pattern(io, "/room-*"), 0);
    must_ok(skio_listen(io, NULL, (uint16_t)port), "listen");
    err = program_run(io);
    skio_server_free(io);
    return err != SKIO_OK;
}
