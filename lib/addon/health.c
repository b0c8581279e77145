/*
 * Health: two endpoints that any client may ask
 *
 * What is kept of the options lives as long as the server.
 */
#include <string.h>

#include <socketio/health.h>
#include <socketio/http.h>
#include <socketio/transport.h>

#include "addon/sized.h"

#define REASON_MAX 200

struct health {
    skio_server *server;
    skio_ready_check_fn *check;
    void *user;
};

static const skio_health_options defaults = {
    .struct_size = sizeof(skio_health_options),
    .live_path = "/healthz",
    .ready_path = "/readyz",
};

void
skio_health_options_init_size(skio_health_options *options, size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* Without memory for it no answer goes out, and the request ends with 500: a
 * stale 200 in some cache would be worse. */
static bool
forbid_caching(skio_http *request)
{
    return skio_http_set_header(request, "Cache-Control", "no-store") ==
           SKIO_OK;
}

static void
on_live(skio_http *request, void *user)
{
    (void)user;
    if (forbid_caching(request))
        (void)skio_http_reply(request, 200, "{'status':'ok'}");
}

/* Why new clients should go elsewhere, or NULL. */
static const char *
find_reason(const struct health *health)
{
    const char *reason = NULL;

    if (skio_server_is_draining(health->server))
        return "draining";
    if (health->check != NULL)
        reason = health->check(health->server, health->user);
    if (reason != NULL && strlen(reason) > REASON_MAX)
        return "not ready";
    return reason;
}

static void
on_ready(skio_http *request, void *user)
{
    const char *reason = find_reason(user);

    if (!forbid_caching(request))
        return;
    if (reason == NULL)
        (void)skio_http_reply(request, 200, "{'status':'ok'}");
    else
        (void)skio_http_reply(request, 503,
                              "{'status':'unavailable','reason':%s}", reason);
}

static void
free_health(void *user)
{
    struct health *health = user;

    skio_transport_free(health->server, health);
}

static bool
is_path(const char *path)
{
    return path == NULL || path[0] == '/';
}

int
skio_health_serve(skio_server *server, const skio_health_options *options)
{
    skio_health_options own = defaults;
    struct health *health;
    int err = SKIO_OK;

    addon_sized_read(&own, sizeof own, options);
    if ((own.live_path == NULL && own.ready_path == NULL) ||
        !is_path(own.live_path) || !is_path(own.ready_path))
        return SKIO_EINVAL;

    health = skio_transport_alloc(server, sizeof *health);
    if (health == NULL)
        return SKIO_ENOMEM;
    *health = (struct health){server, own.check, own.user};
    err = skio_server_on_free(server, free_health, health);
    if (err != SKIO_OK) {
        skio_transport_free(server, health);
        return err;
    }
    if (own.live_path != NULL)
        err = skio_http_on(server, "GET", own.live_path, on_live, NULL);
    if (err == SKIO_OK && own.ready_path != NULL)
        err = skio_http_on(server, "GET", own.ready_path, on_ready, health);
    return err;
}
