/*
 * Presence: its options, and how it starts
 */
#include <sodium.h>
#include <string.h>

#include <socketio/loop.h>
#include <socketio/transport.h>

#include "addon/presence.h"
#include "addon/sized.h"

static const skio_presence_options defaults = {
    .struct_size = sizeof(skio_presence_options),
    .event = "presence",
    .state_event = "presence_state",
    .server_event = "skio:presence",
    .batch_ms = 250,
    .grace_ms = 5000,
    .digest_ms = 5000,
    .server_timeout_ms = 15000,
    .max_rooms = 10000,
    .max_users_per_room = 1000,
    .max_devices_per_user = 16,
    .max_devices = 100000,
    .max_servers = 64,
    .max_user_bytes = 128,
    .max_meta_bytes = 512,
    .max_chunk_bytes = 32768,
};

void
skio_presence_options_init_size(skio_presence_options *options,
                                size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

static void
free_presence(void *user)
{
    skio_presence *presence = user;

    skio_loop_forget(presence->server, presence);
    skio_timer_free(presence->timer);
    skio__presence_table_deinit(&presence->table);
    skio_transport_free(presence->server, presence);
}

static bool
is_within(uint32_t value, uint32_t least, uint32_t most)
{
    return value >= least && value <= most;
}

static bool
are_valid(const skio_presence_options *options,
          const skio_server_options *server)
{
    /* Of the largest event, names being escaped. */
    size_t most = server->max_outbound_bytes / 2;

    return options->event != NULL && options->server_event != NULL &&
           is_within(options->batch_ms, 10, 60000) &&
           is_within(options->grace_ms, 0, 600000) &&
           is_within(options->digest_ms, 100, 60000) &&
           is_within(options->server_timeout_ms, options->digest_ms + 1,
                     600000) &&
           options->max_rooms > 0 && options->max_users_per_room > 0 &&
           options->max_devices_per_user > 0 && options->max_devices > 0 &&
           options->max_servers > 0 && options->max_user_bytes > 0 &&
           options->max_user_bytes <= most / 16 &&
           options->max_meta_bytes >= 4 &&
           options->max_meta_bytes <= most / 4 &&
           options->max_chunk_bytes >= 1024 && options->max_chunk_bytes <= most;
}

static bool
visit_nobody(skio_socket *socket, void *user)
{
    (void)socket;
    (void)user;
    return false;
}

/* Names that no event may have are an error now, not later. */
static int
check_event(skio_nsp *nsp, const char *event)
{
    return skio_emit_with(nsp,
                          SKIO_TARGET(.to = SKIO_ROOMS("?"),
                                      .flags = SKIO_LOCAL),
                          event, NULL);
}

static int
check(skio_nsp *nsp, const skio_presence_options *options)
{
    skio_server *server = skio_nsp_server(nsp);
    int err;

    if (skio_nsp_parent(nsp) != NULL ||
        !are_valid(options, skio_transport_options(server)))
        return SKIO_EINVAL;
    err = skio_each_socket(nsp, visit_nobody, NULL); /* parents refuse */
    if (err == SKIO_OK)
        err = check_event(nsp, options->event);
    if (err == SKIO_OK && options->state_event != NULL)
        err = check_event(nsp, options->state_event);
    return err;
}

static char *
copy_name(char **to, const char *name)
{
    size_t len = name != NULL ? strlen(name) + 1 : 0;
    char *copy = *to;

    if (name == NULL)
        return NULL;
    memcpy(copy, name, len);
    *to += len;
    return copy;
}

static void
fill_random(const skio_server *server, void *buf, size_t len)
{
    const skio_server_options *options = skio_transport_options(server);

    if (options->random != NULL)
        options->random(buf, len, options->random_user);
    else
        randombytes_buf(buf, len);
}

static skio_presence *
make(skio_nsp *nsp, const skio_presence_options *options)
{
    static const char hex[] = "0123456789abcdef";
    skio_server *server = skio_nsp_server(nsp);
    size_t size =
        strlen(options->event) + strlen(options->server_event) + 3 +
        (options->state_event != NULL ? strlen(options->state_event) : 0);
    skio_presence *presence =
        skio_transport_alloc(server, sizeof *presence + size);
    unsigned char random[24];
    char *names;
    uint64_t seed;

    if (presence == NULL)
        return NULL;
    memset(presence, 0, sizeof *presence);
    presence->server = server;
    presence->nsp = nsp;
    presence->options = *options;
    names = presence->names;
    presence->options.event = copy_name(&names, options->event);
    presence->options.server_event = copy_name(&names, options->server_event);
    presence->options.state_event = copy_name(&names, options->state_event);
    presence->flush_at = UINT64_MAX;
    presence->expire_at = UINT64_MAX;
    fill_random(server, random, sizeof random);
    memcpy(&seed, random + 16, sizeof seed);
    skio__presence_table_init(&presence->table, server, &presence->options,
                              seed);
    presence->wire = (struct presence_wire){.table = &presence->table,
                                            .nsp = nsp,
                                            .options = &presence->options};
    for (size_t i = 0; i < 16; i++) {
        presence->wire.id[2 * i] = hex[random[i] >> 4];
        presence->wire.id[2 * i + 1] = hex[random[i] & 15];
    }
    return presence;
}

/* What was hooked up stays with what it is about: it goes with the server. */
static int
hook_up(skio_presence *presence)
{
    int err =
        skio_on_server_event(presence->nsp, presence->options.server_event,
                             skio__presence_hear, presence);

    if (err == SKIO_OK)
        err = skio__presence_watch(presence);
    if (err == SKIO_OK)
        err = skio_loop_ready(presence->server, skio__presence_begin, presence);
    return err;
}

int
skio_presence_new(skio_presence **out, skio_nsp *nsp,
                  const skio_presence_options *options)
{
    skio_presence_options own = defaults;
    skio_presence *presence;
    int err;

    addon_sized_read(&own, sizeof own, options);
    err = check(nsp, &own);
    if (err != SKIO_OK)
        return err;
    presence = make(nsp, &own);
    if (presence == NULL)
        return SKIO_ENOMEM;
    presence->timer =
        skio_timer_new(presence->server, skio__presence_due, presence);
    err = SKIO_ENOMEM;
    if (presence->timer != NULL)
        err = skio_server_on_free(presence->server, free_presence, presence);
    if (err != SKIO_OK) {
        free_presence(presence);
        return err;
    }
    /* A handler that was added cannot be taken away: what fails from here on
     * leaves one that watches, and has nobody to tell of. */
    err = hook_up(presence);
    if (err == SKIO_OK)
        *out = presence;
    return err;
}
