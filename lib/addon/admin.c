/*
 * Admin: the namespace that the stock Admin UI connects to
 *
 * While no admin is connected, here or at another server of the cluster, there
 * is next to nothing to do: a timer asks now and then whether somebody is.
 */
#define _POSIX_C_SOURCE 200809L /* gethostname */

#include "addon/admin.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include <socketio/cluster.h>
#include <socketio/transport.h>

#include "addon/sized.h"

#define WATCH_EVENT "admin:watch"

static const skio_admin_options defaults = {
    .struct_size = sizeof(skio_admin_options),
    .nsp = "/admin",
    .mode = SKIO_ADMIN_PRODUCTION,
    .stats_interval_ms = 2000,
    .max_admins = 20,
    .max_listed = 1000,
    .max_events_per_second = 500,
    .max_event_bytes = 16384,
    .max_failures = 10,
    .max_waiting = 16,
    .max_sessions = 1000,
    .session_s = 86400,
};

void
skio_admin_options_init_size(skio_admin_options *options, size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* ---- Who is told ---- */

void
skio__admin_tell(struct admin *admin, const char *event, const char *format,
                 ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio_emit_withv(admin->nsp, NULL, event, format, args);
    va_end(args);
    if (err != SKIO_OK)
        skio_transport_log(admin->server, SKIO_LOG_DEBUG,
                           "admin: %s is not told: %s", event,
                           skio_strerror(err));
}

static void
set_watched(struct admin *admin, bool is_watched)
{
    if (admin->is_watched == is_watched)
        return;
    admin->is_watched = is_watched;
    admin->stats.count = 0;
    if (is_watched)
        skio__admin_stats_begin(admin);
    skio__admin_events_watch(admin, is_watched);
}

/* The other servers notice by themselves, but later. Node's do not listen. */
void
skio__admin_watch(struct admin *admin)
{
    int err;

    if (skio_nsp_count(admin->nsp) == 0) {
        err = skio_server_side_emit(admin->nsp, WATCH_EVENT, NULL);
        if (err != SKIO_OK)
            skio_transport_log(admin->server, SKIO_LOG_DEBUG,
                               "admin: other servers are not told: %s",
                               skio_strerror(err));
    }
    set_watched(admin, true);
}

static void
on_watch(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
         void *user)
{
    (void)nsp;
    (void)args;
    (void)ack;
    set_watched(user, true);
}

/* ---- The tick ---- */

static void
on_admins_counted(int err, size_t count, size_t missing, void *user)
{
    struct admin *admin = user;

    (void)err; /* those who answered are counted */
    (void)missing;
    set_watched(admin, count > 0);
    if (admin->is_watched)
        skio__admin_stats_tell(admin);
}

static void
tell_hidden(struct admin *admin)
{
    if (admin->hidden > 0)
        skio_transport_log(admin->server, SKIO_LOG_WARN,
                           "admin: %" PRIu64 " events were not shown, "
                           "see max_events_per_second",
                           admin->hidden);
    admin->hidden = 0;
}

static void
on_tick(void *user)
{
    struct admin *admin = user;

    /* First, while there is certainly a place for it among the timers. */
    (void)skio_timer_set(admin->tick, admin->options.stats_interval_ms);
    tell_hidden(admin);
    skio__admin_events_refresh(admin);
    if (skio_nsp_count(admin->nsp) > 0)
        on_admins_counted(SKIO_OK, 1, 0, admin);
    else if (skio_sockets_count(admin->nsp, NULL, on_admins_counted, admin) !=
             SKIO_OK)
        set_watched(admin, false);
}

static void
on_loop(skio_server *server, void *user)
{
    struct admin *admin = user;

    /* It is set already, by a clock that there was not: this does not fail. */
    (void)skio_timer_set(admin->tick, admin->options.stats_interval_ms);
    admin->started = skio_loop_now(server);
}

/* ---- Admins ---- */

static void
on_greet(skio_socket *socket, void *user)
{
    (void)user;
    skio__admin_login_greet(socket);
}

static void
on_admin(skio_socket *socket, void *user)
{
    struct admin *admin = user;
    struct addon_text text = {.server = admin->server};

    skio__text_str(&text, "[");
    if (!admin->options.readonly)
        skio__text_str(&text,
                       "\"EMIT\",\"JOIN\",\"LEAVE\",\"DISCONNECT\",\"MJOIN\","
                       "\"MLEAVE\",\"MDISCONNECT\",");
    skio__text_str(&text, "\"AGGREGATED_EVENTS\"");
    if (skio__admin_is_development(admin))
        skio__text_str(&text, ",\"ALL_EVENTS\"");
    skio__text_str(&text, "]");
    if (!text.failed)
        (void)skio_emit(socket, "config", "{'supportedFeatures':%-s}",
                        text.data);
    skio__text_deinit(&text);
    if (skio__admin_is_development(admin))
        skio__admin_list(admin, socket);
    /* Not to wait for the tick. */
    skio__admin_stats_tell(admin);
}

/* ---- The beginning and the end ---- */

static void
free_string(struct admin *admin, const char *string)
{
    if (string != NULL)
        skio_transport_free(admin->server, (void *)(uintptr_t)string);
}

static void
admin_free(struct admin *admin)
{
    skio_server *server = admin->server;

    skio__admin_passwords_free(admin);
    skio_loop_forget(server, admin);
    skio_timer_free(admin->tick);
    skio_timer_free(admin->upgrades);
    if (admin->left.server != NULL)
        skio__text_deinit(&admin->left);
    skio_transport_free(server, admin->sessions);
    free_string(admin, admin->options.nsp);
    free_string(admin, admin->options.username);
    free_string(admin, admin->options.password_hash);
    free_string(admin, admin->options.server_id);
    sodium_memzero(admin, sizeof *admin);
    skio_transport_free(server, admin);
}

static void
on_free(void *user)
{
    admin_free(user);
}

/* Put a copy in the place of a string. */
static int
keep_string(struct admin *admin, const char **string)
{
    size_t len;
    char *copy;

    if (*string == NULL)
        return SKIO_OK;
    len = strlen(*string) + 1;
    copy = skio_transport_alloc(admin->server, len);
    if (copy != NULL)
        memcpy(copy, *string, len);
    *string = copy;
    return copy != NULL ? SKIO_OK : SKIO_ENOMEM;
}

static int
keep_strings(struct admin *admin, const skio_admin_options *options)
{
    const char *const all[] = {options->nsp, options->username,
                               options->password_hash, options->server_id};
    const char **const places[] = {&admin->options.nsp,
                                   &admin->options.username,
                                   &admin->options.password_hash,
                                   &admin->options.server_id};
    int err = SKIO_OK;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        *places[i] = NULL;
    if (gethostname(admin->hostname, sizeof admin->hostname - 1) != 0 ||
        admin->hostname[0] == '\0')
        memcpy(admin->hostname, "localhost", sizeof "localhost");
    for (size_t i = 0; err == SKIO_OK && i < sizeof all / sizeof all[0]; i++) {
        *places[i] = all[i];
        if (places[i] == &admin->options.server_id && all[i] == NULL)
            *places[i] = admin->hostname;
        err = keep_string(admin, places[i]);
    }
    return err;
}

/* The name of an option that is out of its range, or NULL. */
static const char *
find_bad(const skio_admin_options *options)
{
    bool has_name = options->username != NULL && options->username[0] != '\0';
    bool has_hash = options->password_hash != NULL;

    if (options->nsp == NULL || options->nsp[0] != '/' ||
        options->nsp[1] == '\0')
        return "nsp";
    if (!options->no_auth && !has_name)
        return "username";
    if (!options->no_auth && !has_hash)
        return "password_hash";
    if (options->no_auth && (options->username != NULL || has_hash))
        return "no_auth";
    if (has_hash && !skio__admin_password_known(options->password_hash))
        return "password_hash";
    if (options->mode != SKIO_ADMIN_PRODUCTION &&
        options->mode != SKIO_ADMIN_DEVELOPMENT)
        return "mode";
    if (options->server_id != NULL &&
        (options->server_id[0] == '\0' || strlen(options->server_id) > 255))
        return "server_id";
    if (options->stats_interval_ms < 100 || options->stats_interval_ms > 9000)
        return "stats_interval_ms";
    if (options->max_admins == 0)
        return "max_admins";
    if (options->max_listed == 0)
        return "max_listed";
    if (options->max_events_per_second == 0)
        return "max_events_per_second";
    if (options->max_event_bytes == 0)
        return "max_event_bytes";
    if (options->max_failures == 0)
        return "max_failures";
    if (options->max_waiting == 0)
        return "max_waiting";
    if (options->max_sessions == 0 || options->max_sessions > 1000000)
        return "max_sessions";
    if (options->session_s == 0)
        return "session_s";
    return NULL;
}

/* All that the namespace does. The order is that in which an admin is told. */
static int
equip(struct admin *admin)
{
    int err = skio__admin_login_init(admin);

    if (err == SKIO_OK)
        err = skio_on_connect(admin->nsp, on_greet, admin);
    if (err == SKIO_OK)
        err = skio__admin_events_init(admin);
    if (err == SKIO_OK)
        err = skio_on_connect(admin->nsp, on_admin, admin);
    if (err == SKIO_OK)
        err = skio__admin_actions_init(admin);
    if (err == SKIO_OK)
        err = skio__admin_stats_init(admin);
    if (err == SKIO_OK)
        err = skio_on_server_event(admin->nsp, WATCH_EVENT, on_watch, admin);
    if (err == SKIO_OK)
        err = skio_timer_set(admin->tick, admin->options.stats_interval_ms);
    if (err == SKIO_OK)
        err = skio_loop_ready(admin->server, on_loop, admin);
    return err;
}

int
skio_admin_serve(skio_server *server, const skio_admin_options *options)
{
    skio_admin_options own = defaults;
    struct admin *admin;
    const char *bad;
    int err;

    addon_sized_read(&own, sizeof own, options);
    if (sodium_init() < 0)
        return SKIO_EIO;
    bad = find_bad(&own);
    if (bad != NULL) {
        skio_transport_log(server, SKIO_LOG_ERROR,
                           "skio_admin_options.%s is missing or out of range",
                           bad);
        return SKIO_EINVAL;
    }
    if (skio_nsp_find(server, own.nsp) != NULL)
        return SKIO_EBUSY;

    admin = skio_transport_alloc(server, sizeof *admin);
    if (admin == NULL)
        return SKIO_ENOMEM;
    memset(admin, 0, sizeof *admin);
    admin->server = server;
    admin->options = own;
    randombytes_buf(admin->hash_key, sizeof admin->hash_key);
    err = keep_strings(admin, &own);
    if (err == SKIO_OK) {
        admin->tick = skio_timer_new(server, on_tick, admin);
        err = admin->tick != NULL ? skio_server_on_free(server, on_free, admin)
                                  : SKIO_ENOMEM;
    }
    if (err != SKIO_OK) {
        admin_free(admin);
        return err;
    }
    admin->nsp = skio_of(server, own.nsp);
    if (admin->nsp == NULL)
        return strlen(own.nsp) > skio_transport_options(server)->max_name_bytes
                   ? SKIO_EINVAL
                   : SKIO_ENOMEM;
    err = equip(admin);
    admin->is_usable = err == SKIO_OK;
    return err;
}
