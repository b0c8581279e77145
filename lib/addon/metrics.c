/*
 * Metrics: who may ask, and the endpoint
 *
 * What is counted lives as long as the server.
 */
#include <sodium.h>
#include <string.h>

#include <socketio/redis.h> /* its types alone */

#include "addon/metrics.h"
#include "addon/sized.h"

#define TOKEN_MAX 1024
#define NAMESPACES_MAX 10000
#define EVENTS_MAX 100000

static const skio_metrics_options defaults = {
    .struct_size = sizeof(skio_metrics_options),
    .path = "/metrics",
    .max_namespaces = 100,
    .max_events = 500,
};

void
skio_metrics_options_init_size(skio_metrics_options *options,
                               size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* ---- Who may ask ---- */

/* Takes the same time wherever they differ. */
static bool
is_token(const struct skio_metrics *metrics, const char *given)
{
    return strlen(given) == metrics->token_len &&
           sodium_memcmp(given, metrics->token, metrics->token_len) == 0;
}

/* The scheme's name is case-insensitive, RFC 7235 2.1. */
static bool
has_token(const struct skio_metrics *metrics, const skio_http *request)
{
    static const char scheme[] = "bearer";
    const char *given = skio_http_header(request, "authorization");
    size_t i;

    if (given == NULL)
        return false;
    for (i = 0; scheme[i] != '\0'; i++)
        if ((given[i] | ' ') != scheme[i])
            return false;
    if (given[i] != ' ')
        return false;
    while (given[i] == ' ')
        i++;
    return is_token(metrics, given + i);
}

/* By an address that no other machine has; "": a unix socket. */
static bool
is_from_here(const skio_http *request)
{
    static const char *const passed_on[] = {"forwarded", "x-forwarded-for",
                                            "x-real-ip", "via"};
    const char *address = skio_http_address(request);

    for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++)
        if (skio_http_header(request, passed_on[i]) != NULL)
            return false;
    return address[0] == '\0' || strncmp(address, "127.", 4) == 0 ||
           strcmp(address, "::1") == 0 ||
           strncmp(address, "::ffff:127.", 11) == 0;
}

/* 0, or the status of the refusal. */
static int
judge(const struct skio_metrics *metrics, skio_http *request)
{
    if (metrics->token != NULL && !has_token(metrics, request))
        return 401;
    if (metrics->allow != NULL)
        return metrics->allow(request, metrics->user) ? 0 : 403;
    return metrics->token != NULL || is_from_here(request) ? 0 : 403;
}

/* ---- The answer ---- */

static bool
wants_open_metrics(const skio_http *request)
{
    const char *accept = skio_http_header(request, "accept");

    return accept != NULL &&
           strstr(accept, "application/openmetrics-text") != NULL;
}

static void
refuse(skio_http *request, int status)
{
    if (status == 401 &&
        skio_http_set_header(request, "WWW-Authenticate", "Bearer") != SKIO_OK)
        return; /* answered 500 */
    (void)skio_http_reply(request, status, "{'error':%s}",
                          status == 401 ? "a token is needed" : "forbidden");
}

static void
on_request(skio_http *request, void *user)
{
    struct skio_metrics *metrics = user;
    struct metrics_text text = {.out.server = metrics->server};
    int status = judge(metrics, request);

    if (!metrics->is_whole) /* for want of memory: answered 500 */
        return;
    if (skio_http_set_header(request, "Cache-Control", "no-store") != SKIO_OK)
        return;
    if (status != 0) {
        refuse(request, status);
        return;
    }
    skio_metrics__count_now(metrics);
    text.is_open = wants_open_metrics(request);
    skio_metrics__write(metrics, &text);
    skio_metrics__forget_recent(metrics);
    if (!text.out.failed)
        (void)skio_http_reply_bytes(
            request, 200,
            text.is_open ? "application/openmetrics-text; version=1.0.0; "
                           "charset=utf-8"
                         : "text/plain; version=0.0.4; charset=utf-8",
            text.out.data, text.out.len);
    skio__text_deinit(&text.out);
}

void
skio_metrics_redis_event(skio_server *server, const skio_redis_event *event,
                         void *metrics)
{
    struct metrics_redis *redis = &((struct skio_metrics *)metrics)->redis;

    (void)server;
    redis->is_known = true;
    redis->is_up = event->state == SKIO_REDIS_UP;
    if (!redis->is_up)
        return;
    redis->connects++;
    redis->gap_ms += event->gap_ms;
    redis->dropped += event->dropped;
}

/* ---- Making it ---- */

static char *
copy_string(skio_server *server, const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = skio_transport_alloc(server, size);

    if (copy != NULL)
        memcpy(copy, string, size);
    return copy;
}

static int
copy_events(struct skio_metrics *metrics, const char *const *events)
{
    size_t count = 0;

    if (events == NULL)
        return SKIO_OK;
    while (events[count] != NULL)
        count++;
    metrics->events =
        skio_transport_alloc(metrics->server,
                             (count + 1) * sizeof *metrics->events);
    if (metrics->events == NULL)
        return SKIO_ENOMEM;
    memset(metrics->events, 0, (count + 1) * sizeof *metrics->events);
    for (size_t i = 0; i < count; i++) {
        metrics->events[i] = copy_string(metrics->server, events[i]);
        if (metrics->events[i] == NULL)
            return SKIO_ENOMEM;
    }
    return SKIO_OK;
}

static void
free_metrics(void *user)
{
    struct skio_metrics *metrics = user;
    skio_server *server = metrics->server;

    skio_metrics__count_deinit(metrics);
    for (char **event = metrics->events; event != NULL && *event != NULL;
         event++)
        skio_transport_free(server, *event);
    skio_transport_free(server, metrics->events);
    skio_transport_free(server, metrics->token);
    skio_transport_free(server, metrics);
}

static bool
is_valid_token(const char *token)
{
    size_t len = strlen(token);

    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return false;
    return len > 0 && len <= TOKEN_MAX;
}

static bool
are_valid(const skio_metrics_options *options)
{
    return options->path != NULL && options->path[0] == '/' &&
           (options->token == NULL || is_valid_token(options->token)) &&
           options->max_namespaces > 0 &&
           options->max_namespaces <= NAMESPACES_MAX &&
           options->max_events > 0 && options->max_events <= EVENTS_MAX;
}

/* What is filled is freed by free_metrics(), however far it came. */
static int
fill(struct skio_metrics *metrics, const skio_metrics_options *options,
     const skio_counters *counters)
{
    int err;

    metrics->allow = options->allow;
    metrics->user = options->user;
    metrics->has_durations = options->handler_duration;
    metrics->max_events = options->max_events;
    metrics->max_namespaces = options->max_namespaces;
    metrics->refused_before = counters->requests_refused;
    metrics->started = skio_metrics__clock();
    metrics->boot_time = skio_metrics__boot_time();
    if (options->token != NULL) {
        metrics->token = copy_string(metrics->server, options->token);
        if (metrics->token == NULL)
            return SKIO_ENOMEM;
        metrics->token_len = strlen(metrics->token);
    }
    err = copy_events(metrics, options->events);
    return err != SKIO_OK ? err : skio_metrics__count_init(metrics);
}

int
skio_metrics_serve(skio_server *server, const skio_metrics_options *options,
                   skio_metrics **out)
{
    skio_counters counters = {.struct_size = sizeof counters};
    skio_metrics_options own = defaults;
    struct skio_metrics *metrics;
    int err;

    addon_sized_read(&own, sizeof own, options);
    if (!are_valid(&own))
        return SKIO_EINVAL;
    skio_server_counters(server, &counters);
    if (counters.sessions_opened > 0)
        return SKIO_EBUSY;

    metrics = skio_transport_alloc(server, sizeof *metrics);
    if (metrics == NULL)
        return SKIO_ENOMEM;
    memset(metrics, 0, sizeof *metrics);
    metrics->server = server;
    metrics->last_space = &metrics->other;
    err = skio_server_on_free(server, free_metrics, metrics);
    if (err != SKIO_OK) {
        skio_transport_free(server, metrics);
        return err;
    }
    err = skio_http_on(server, "GET", own.path, on_request, metrics);
    if (err == SKIO_OK)
        err = fill(metrics, &own, &counters);
    if (err != SKIO_OK)
        return err;
    metrics->is_whole = true;
    if (out != NULL)
        *out = metrics;
    return SKIO_OK;
}
