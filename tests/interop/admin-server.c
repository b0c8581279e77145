/*
 * admin-server PORT [options]: a server with the admin addon, for the tests of
 * it. oracle-admin.mjs is the same on the reference implementation.
 *
 *   --mode development    or production, the default here
 *   --readonly            --no-auth             --id NAME
 *   --bcrypt HASH         of the password, instead of one by Argon2
 *   --slow                one by skio_admin_hash(), instead of a cheap one
 *   --interval MS         stats_interval_ms
 *   --redis URL           joins a cluster, by the Redis adapter
 *   --events N            max_events_per_second    --event-bytes N
 *   --admins N            max_admins               --sessions N
 *   --listed N            max_listed
 *   --failures N          max_failures             --secrets
 *   --plain               no addon at all
 *
 * Who logs in is "admin", with the password "correct horse". Namespaces "/",
 * "/chat", and on demand "/room-" with something behind it; events, "-> x" the
 * acknowledgement:
 *
 *   echo (args…)       -> args…, or emitted back
 *   join (room), leave (room)  -> nothing
 *   share (value)      sets the socket's shared value -> nothing
 *   say (room, value)  to a room, as said(value)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/admin.h>
#ifdef HAVE_REDIS
#include <socketio/redis.h>
#endif
#include <socketio/socketio.h>

#include "interop/must.h"
#include "interop/program.h"

/* Of the password, with the least effort that libsodium takes. */
#define CHEAP                                                                  \
    "$argon2id$v=19$m=8,t=1,p=1$"                                              \
    "2R8yq+g72f66fWLHz1czGA$P+lErN8xe3AQi/WJuMZ6fsbm0xBBedJx3D/kTxEnP0E"

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    if (ack != NULL)
        skio_ack_send(ack, "%p", SKIO_VALUE(args));
    else
        skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    (void)skio_join(socket, skio_get_str(args, "0"));
    skio_ack_send(ack, NULL);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    (void)skio_leave(socket, skio_get_str(args, "0"));
    skio_ack_send(ack, NULL);
}

static void
on_share(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    (void)skio_socket_set_shared(socket, "%-s", skio_get_json(args, "0"));
    skio_ack_send(ack, NULL);
}

static void
on_say(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    (void)skio_emit_to(skio_socket_nsp(socket), skio_get_str(args, "0"), "said",
                       "%p", SKIO_VALUE(skio_get_args(args, 1)));
}

static void
serve(skio_nsp *nsp)
{
    must_ok(nsp != NULL ? SKIO_OK : SKIO_ENOMEM, "namespace");
    must_ok(skio_on(nsp, "echo", on_echo, NULL), "echo");
    must_ok(skio_on(nsp, "join", on_join, NULL), "join");
    must_ok(skio_on(nsp, "leave", on_leave, NULL), "leave");
    must_ok(skio_on(nsp, "share", on_share, NULL), "share");
    must_ok(skio_on(nsp, "say", on_say, NULL), "say");
}

static uint32_t *
number_of(skio_admin_options *options, const char *name)
{
    if (strcmp(name, "--events") == 0)
        return &options->max_events_per_second;
    if (strcmp(name, "--admins") == 0)
        return &options->max_admins;
    if (strcmp(name, "--sessions") == 0)
        return &options->max_sessions;
    if (strcmp(name, "--interval") == 0)
        return &options->stats_interval_ms;
    if (strcmp(name, "--listed") == 0)
        return &options->max_listed;
    if (strcmp(name, "--failures") == 0)
        return &options->max_failures;
    return NULL;
}

struct setting {
    skio_admin_options admin;
    const char *redis;
    bool is_plain;
    bool is_slow;
};

/* Options of one word. */
static bool
take_word(struct setting *setting, const char *word)
{
    if (strcmp(word, "--readonly") == 0)
        setting->admin.readonly = true;
    else if (strcmp(word, "--no-auth") == 0)
        setting->admin.no_auth = true;
    else if (strcmp(word, "--secrets") == 0)
        setting->admin.show_secrets = true;
    else if (strcmp(word, "--plain") == 0)
        setting->is_plain = true;
    else if (strcmp(word, "--slow") == 0)
        setting->is_slow = true;
    else
        return false;
    return true;
}

static bool
take_pair(struct setting *setting, const char *name, const char *value)
{
    uint32_t *number = number_of(&setting->admin, name);

    if (number != NULL)
        *number = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--event-bytes") == 0)
        setting->admin.max_event_bytes = strtoul(value, NULL, 10);
    else if (strcmp(name, "--mode") == 0)
        setting->admin.mode = strcmp(value, "development") == 0
                                  ? SKIO_ADMIN_DEVELOPMENT
                                  : SKIO_ADMIN_PRODUCTION;
    else if (strcmp(name, "--id") == 0)
        setting->admin.server_id = value;
    else if (strcmp(name, "--bcrypt") == 0)
        setting->admin.password_hash = value;
    else if (strcmp(name, "--redis") == 0)
        setting->redis = value;
    else
        return false;
    return true;
}

static void
parse_options(struct setting *setting, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (take_word(setting, argv[i]))
            continue;
        if (i + 1 < argc && take_pair(setting, argv[i], argv[i + 1])) {
            i++;
            continue;
        }
        fprintf(stderr, "admin-server: unknown option %s\n", argv[i]);
        exit(2);
    }
}

static void
join_cluster(skio_server *io, const char *url)
{
#ifdef HAVE_REDIS
    skio_redis_options redis;

    if (url == NULL)
        return;
    skio_redis_options_init(&redis);
    redis.url = url;
    must_ok(skio_redis_adapter(io, &redis), "redis");
#else
    (void)io;
    must_ok(url == NULL ? SKIO_OK : SKIO_ENOTSUP, "redis");
#endif
}

int
main(int argc, char **argv)
{
    static char name[] = "admin-server";
    static char hash[SKIO_ADMIN_HASH_BYTES] = CHEAP;
    struct setting setting = {.redis = NULL};
    skio_server_options options;
    skio_server *io;
    int err;

    if (argc < 2 || program_port(argv[1]) < 0) {
        fprintf(stderr, "usage: admin-server PORT [options]\n");
        return 2;
    }
    skio_admin_options_init(&setting.admin);
    parse_options(&setting, argc, argv);
    if (!setting.admin.no_auth) {
        setting.admin.username = "admin";
        if (setting.is_slow)
            must_ok(skio_admin_hash("correct horse", hash), "hash");
        if (setting.admin.password_hash == NULL)
            setting.admin.password_hash = hash;
    }

    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.cors_origins = "*";
    must_ok(skio_server_new(&io, &options), "server");
    join_cluster(io, setting.redis);
    if (!setting.is_plain)
        must_ok(skio_admin_serve(io, &setting.admin), "admin");
    serve(skio_of(io, "/"));
    serve(skio_of(io, "/chat"));
    serve(skio_of_pattern(io, "/room-*"));
    must_ok(skio_listen(io, "127.0.0.1", (uint16_t)program_port(argv[1])),
            "listen");
    err = program_run(io);
    skio_server_free(io);
    return err == SKIO_OK ? 0 : 1;
}
