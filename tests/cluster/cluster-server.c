/*
 * cluster-server PORT --adapter NAME --redis URL [options]: the application of
 * the cluster tests, on the public API alone. node.mjs is the same application
 * on the reference implementation and says what the options, the events and
 * the commands of /control are; whatever changes here changes there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/cjson.h>
#include <socketio/redis.h>
#include <socketio/socketio.h>

#include "cluster/member.h"
#include "interop/must.h"

enum { ROOMS_MAX = 64 };

static const char *own_name = "";
static skio_nsp *control;

/*
 * Reading commands
 */

/* Which sockets a command is about, and with which flags. */
struct where {
    skio_nsp *nsp;
    skio_target target;
    const char *rooms[ROOMS_MAX + 1];
    const char *except[ROOMS_MAX + 1];
};

static bool
bool_of(const skio_value *args, const char *path)
{
    bool value = false;

    (void)skio_get_bool(args, path, &value);
    return value;
}

static const char *
str_of(const skio_value *args, const char *path)
{
    const char *text = skio_get_str(args, path);

    return text != NULL ? text : "";
}

static const char *const *
list_of(const skio_value *args, const char *name,
        const char *list[ROOMS_MAX + 1])
{
    size_t count = 0;

    for (; count < ROOMS_MAX; count++) {
        char path[32];

        snprintf(path, sizeof path, "0.%s.%zu", name, count);
        list[count] = skio_get_str(args, path);
        if (list[count] == NULL)
            break;
    }
    list[count] = NULL;
    return list;
}

static void
read_where(struct where *where, skio_socket *socket, const skio_value *args)
{
    skio_server *io = skio_nsp_server(skio_socket_nsp(socket));
    const char *nsp = skio_get_str(args, "0.nsp");
    const char *from = skio_get_str(args, "0.from");
    int64_t timeout = 0;

    *where = (struct where){.nsp = must(skio_of(io, nsp != NULL ? nsp : "/"))};
    (void)skio_get_int(args, "0.timeout", &timeout);
    where->target = (skio_target){
        .struct_size = sizeof where->target,
        .to = list_of(args, "rooms", where->rooms),
        .except = list_of(args, "except", where->except),
        .sender = from != NULL ? must(skio_nsp_socket(where->nsp, from)) : NULL,
        .timeout_ms = (uint32_t)timeout,
    };
    if (bool_of(args, "0.volatile"))
        where->target.flags |= SKIO_VOLATILE;
    if (bool_of(args, "0.local"))
        where->target.flags |= SKIO_LOCAL;
    if (bool_of(args, "0.plain"))
        where->target.flags |= SKIO_NO_COMPRESS;
}

/* Of an answer. Whoever controls this server may have gone. */
static void
sent(int err)
{
    must_ok(err == SKIO_ECLOSED ? SKIO_OK : err, "answer");
}

static void
answer(skio_ack *ack, int err)
{
    sent(skio_ack_send(ack, "%s", err == SKIO_OK ? "ok" : skio_err_name(err)));
}

/* A command that is answered later. */
struct job {
    skio_socket *socket;
    skio_ack *ack;
    char *token;
    /* What "remote" does to each of the sockets that were fetched. */
    char *what;
    char *text; /* a room, or an event's name */
    char *json; /* the event's argument */
    uint32_t timeout_ms;
    bool close;
    size_t waiting;
};

static struct job *
job_new(skio_socket *socket, const skio_value *args, skio_ack *ack,
        struct where *where)
{
    struct job *job = must(calloc(1, sizeof *job));

    read_where(where, socket, args);
    job->socket = skio_socket_ref(socket);
    job->ack = skio_ack_take(ack);
    job->token = must(strdup(str_of(args, "0.token")));
    return job;
}

static void
job_free(struct job *job)
{
    skio_socket_unref(job->socket);
    free(job->token);
    free(job->what);
    free(job->text);
    free(job->json);
    free(job);
}

/* Answers with this text and ends. */
static void
job_answer(struct job *job, int err)
{
    answer(job->ack, err);
    job_free(job);
}

/* What was to answer it later may have refused at once. */
static void
job_begun(struct job *job, int err)
{
    if (err != SKIO_OK)
        job_answer(job, err);
}

static void
job_tell(const struct job *job, const skio_value *value)
{
    (void)skio_emit(job->socket, "answer", "%s, %p", job->token,
                    SKIO_VALUE(value));
}

/*
 * Commands about sockets
 */

static void
on_emit(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct where where;

    (void)user;
    read_where(&where, socket, args);
    answer(ack, skio_emit_with(where.nsp, &where.target, str_of(args, "1"),
                               "%p", SKIO_VALUE(skio_get_args(args, 2))));
}

/* Only what a client says first counts, as in Node. */
static void
on_answers(int err, const skio_value *args, size_t received, size_t expected,
           void *user)
{
    struct job *job = user;

    (void)received;
    (void)expected;
    if (args != NULL) {
        job_tell(job, skio_get_value(args, "0"));
        return;
    }
    sent(skio_ack_send(job->ack, "{'late':%hhd}",
                       (bool)(err == SKIO_ETIMEDOUT)));
    job_free(job);
}

static void
on_ask(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct where where;
    struct job *job = job_new(socket, args, ack, &where);

    (void)user;
    job_begun(job, skio_emit_with_acks(where.nsp, &where.target, on_answers,
                                       job, str_of(args, "1"), "%p",
                                       SKIO_VALUE(skio_get_args(args, 2))));
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct where where;

    (void)user;
    read_where(&where, socket, args);
    answer(ack, skio_sockets_join(where.nsp, &where.target, str_of(args, "1")));
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct where where;

    (void)user;
    read_where(&where, socket, args);
    answer(ack,
           skio_sockets_leave(where.nsp, &where.target, str_of(args, "1")));
}

static void
on_kick(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct where where;

    (void)user;
    read_where(&where, socket, args);
    answer(ack, skio_sockets_disconnect(where.nsp, &where.target,
                                        bool_of(args, "1")));
}

/*
 * Fetched sockets
 */

static bool
add_room(const char *room, void *user)
{
    cJSON_AddItemToArray(user, must(cJSON_CreateString(room)));
    return true;
}

static cJSON *
describe(const skio_remote *remote)
{
    cJSON *item = must(cJSON_CreateObject());

    cJSON_AddStringToObject(item, "id", skio_remote_id(remote));
    skio_remote_each_room(remote, add_room,
                          must(cJSON_AddArrayToObject(item, "rooms")));
    cJSON_AddRawToObject(item, "data", skio_remote_shared(remote));
    cJSON_AddRawToObject(item, "handshake",
                         must(
                             (void *)(uintptr_t)skio_remote_handshake(remote)));
    return item;
}

static void
on_fetched(int err, const skio_remote *const *sockets, size_t count,
           size_t missing, void *user)
{
    struct job *job = user;
    cJSON *list = must(cJSON_CreateArray());
    char *text;

    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, describe(sockets[i]));
    text = must(cJSON_PrintUnformatted(list));
    sent(skio_ack_send(job->ack, "{'late':%hhd,'missing':%zu,'sockets':%-s}",
                       (bool)(err == SKIO_ETIMEDOUT), missing, text));
    cJSON_free(text);
    cJSON_Delete(list);
    job_free(job);
}

static void
on_fetch(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct where where;
    struct job *job = job_new(socket, args, ack, &where);

    (void)user;
    job_begun(job,
              skio_sockets_fetch(where.nsp, &where.target, on_fetched, job));
}

static void
job_done_one(struct job *job)
{
    if (--job->waiting == 0)
        job_answer(job, SKIO_OK);
}

static void
on_remote_answer(int err, const skio_value *args, void *user)
{
    struct job *job = user;

    if (err == SKIO_OK)
        job_tell(job, skio_get_value(args, "0"));
    job_done_one(job);
}

static void
do_to(struct job *job, const skio_remote *remote)
{
    const void *bytes = SKIO_BYTES("\1\2\3", 3);
    int err;

    if (strcmp(job->what, "join") == 0)
        err = skio_remote_join(remote, job->text);
    else if (strcmp(job->what, "leave") == 0)
        err = skio_remote_leave(remote, job->text);
    else if (strcmp(job->what, "disconnect") == 0)
        err = skio_remote_disconnect(remote, job->close);
    else if (strcmp(job->what, "emit") == 0)
        err = skio_remote_emit(remote, job->text, "%-s, %p", job->json, bytes);
    else {
        job->waiting++;
        err = skio_remote_emit_with_ack(remote, job->timeout_ms,
                                        on_remote_answer, job, job->text,
                                        "%-s, %p", job->json, bytes);
    }
    must_ok(err, job->what);
}

static void
on_remote_fetched(int err, const skio_remote *const *sockets, size_t count,
                  size_t missing, void *user)
{
    struct job *job = user;

    (void)missing;
    must_ok(err, "remote");
    job->waiting = 1;
    for (size_t i = 0; i < count; i++)
        do_to(job, sockets[i]);
    job_done_one(job);
}

static void
on_remote(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    struct where where;
    struct job *job = job_new(socket, args, ack, &where);
    const char *json = skio_get_json(args, "3");

    (void)user;
    job->timeout_ms = where.target.timeout_ms;
    job->what = must(strdup(str_of(args, "1")));
    job->text = must(strdup(str_of(args, "2")));
    job->json = must(strdup(json != NULL ? json : "null"));
    job->close = bool_of(args, "2");
    job_begun(job, skio_sockets_fetch(where.nsp, &where.target,
                                      on_remote_fetched, job));
}

/*
 * Commands about servers
 */

static void
on_say(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct where where;

    (void)user;
    read_where(&where, socket, args);
    answer(ack, skio_server_side_emit(where.nsp, str_of(args, "1"), "%p",
                                      SKIO_VALUE(skio_get_args(args, 2))));
}

static void
on_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    struct job *job = user;

    sent(skio_ack_send(job->ack, "{'late':%hhd,'missing':%zu,'responses':[%p]}",
                       (bool)(err == SKIO_ETIMEDOUT), missing,
                       SKIO_VALUE(responses)));
    job_free(job);
}

static void
on_say_ask(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    struct where where;
    struct job *job = job_new(socket, args, ack, &where);
    int err;

    (void)user;
    err = skio_server_side_emit_with_ack(where.nsp, on_responses, job,
                                         str_of(args, "1"), "%p",
                                         SKIO_VALUE(skio_get_args(args, 2)));
    job_begun(job, err);
}

static void
on_count(int err, size_t count, size_t missing, void *user)
{
    struct job *job = user;

    (void)missing;
    if (err != SKIO_OK) {
        job_answer(job, err);
        return;
    }
    sent(skio_ack_send(job->ack, "%zu", count));
    job_free(job);
}

static void
on_servers(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    struct where where;
    struct job *job = job_new(socket, args, ack, &where);

    (void)user;
    job_begun(job, skio_server_count(where.nsp, on_count, job));
}

static void
on_sockets(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    struct where where;
    struct job *job = job_new(socket, args, ack, &where);

    (void)user;
    job_begun(job, skio_sockets_count(where.nsp, &where.target, on_count, job));
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
on_rooms(int err, const char *const *rooms, size_t count, size_t missing,
         void *user)
{
    struct job *job = user;
    const char **order;
    cJSON *list;
    char *text;

    (void)missing;
    if (err != SKIO_OK) {
        job_answer(job, err);
        return;
    }
    order = must(calloc(count + 1, sizeof *order));
    for (size_t i = 0; i < count; i++)
        order[i] = rooms[i];
    qsort(order, count, sizeof *order, compare);
    list = must(cJSON_CreateStringArray(order, (int)count));
    text = must(cJSON_PrintUnformatted(list));
    sent(skio_ack_send(job->ack, "%-s", text));
    cJSON_free(text);
    cJSON_Delete(list);
    free(order);
    job_free(job);
}

static void
on_all_rooms(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    struct where where;
    struct job *job = job_new(socket, args, ack, &where);

    (void)user;
    job_begun(job, skio_rooms_fetch(where.nsp, on_rooms, job));
}

static void
on_here(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct where where;

    (void)user;
    read_where(&where, socket, args);
    sent(skio_ack_send(ack, "%zu", skio_nsp_count(where.nsp)));
}

/*
 * Events among servers
 */

static void
on_told(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *user)
{
    (void)ack;
    must_ok(skio_emit_with(control, SKIO_TARGET(.flags = SKIO_LOCAL), "said",
                           "%s, %s, %p", skio_nsp_name(nsp), (const char *)user,
                           SKIO_VALUE(args)),
            "said");
}

static void
on_asked(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
         void *user)
{
    (void)nsp;
    (void)user;
    must_ok(skio_server_ack_send(ack, "{'name':%s,'args':[%p]}", own_name,
                                 SKIO_VALUE(args)),
            "ask");
}

static void
on_null(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *user)
{
    (void)nsp;
    (void)args;
    (void)user;
    must_ok(skio_server_ack_send(ack, NULL), "null");
}

static void
on_twice(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
         void *user)
{
    (void)nsp;
    (void)args;
    (void)user;
    must_ok(skio_server_ack_send(ack, "%d", 1), "twice");
    if (skio_server_ack_send(ack, "%d", 2) != SKIO_EBUSY)
        fprintf(stderr, "a second answer was taken\n");
}

static void
on_named(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
         void *user)
{
    char path[16];
    const char *name;

    (void)nsp;
    (void)user;
    for (int i = 0;; i++) {
        snprintf(path, sizeof path, "0.%d", i);
        name = skio_get_str(args, path);
        if (name == NULL)
            return;
        if (strcmp(name, own_name) == 0)
            break;
    }
    must_ok(skio_server_ack_send(ack, "%s", own_name), "named");
}

static void
on_silent(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
          void *user)
{
    (void)nsp;
    (void)args;
    (void)ack;
    (void)user;
}

static void
serve(skio_nsp *nsp)
{
    static char hello[] = "hello", fence[] = "fence";
    int err = skio_on_server_event(nsp, "hello", on_told, hello);

    if (err == SKIO_OK)
        err = skio_on_server_event(nsp, "fence", on_told, fence);
    if (err == SKIO_OK)
        err = skio_on_server_event(nsp, "ask", on_asked, NULL);
    if (err == SKIO_OK)
        err = skio_on_server_event(nsp, "null", on_null, NULL);
    if (err == SKIO_OK)
        err = skio_on_server_event(nsp, "twice", on_twice, NULL);
    if (err == SKIO_OK)
        err = skio_on_server_event(nsp, "named", on_named, NULL);
    if (err == SKIO_OK)
        err = skio_on_server_event(nsp, "silent", on_silent, NULL);
    must_ok(err, skio_nsp_name(nsp));
}

/*
 * Clients
 */

static void
on_connect(skio_socket *socket, void *user)
{
    const skio_value *auth = skio_socket_auth(socket);

    (void)user;
    if (skio_socket_recovered(socket))
        return;
    if (skio_type_of(auth, "data") == SKIO_TYPE_OBJECT)
        must_ok(skio_socket_set_shared(socket, "%p",
                                       SKIO_VALUE(
                                           skio_get_value(auth, "data"))),
                "data");
    for (size_t i = 0;; i++) {
        char path[32];
        const char *room;

        snprintf(path, sizeof path, "rooms.%zu", i);
        room = skio_get_str(auth, path);
        if (room == NULL)
            break;
        must_ok(skio_join(socket, room), "join");
    }
    (void)skio_emit(socket, "ready", NULL);
}

static void
on_namespace(skio_nsp *nsp, void *user)
{
    (void)user;
    if (skio_nsp_parent(nsp) != NULL)
        serve(nsp);
}

/*
 * The program
 */

struct setup {
    const char *adapter;
    skio_redis_options redis;
    uint32_t recovery_ms;
    bool cleanup;
};

static bool
read_option(struct setup *setup, const char *name, const char *value)
{
    skio_redis_options *redis = &setup->redis;

    if (strcmp(name, "--adapter") == 0)
        setup->adapter = value;
    else if (strcmp(name, "--name") == 0)
        own_name = value;
    else if (strcmp(name, "--redis") == 0)
        redis->url = value;
    else if (strcmp(name, "--key") == 0)
        redis->key = value;
    else if (strcmp(name, "--timeout") == 0)
        redis->requests_timeout_ms = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--recovery") == 0)
        setup->recovery_ms = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--session-prefix") == 0)
        redis->session_key_prefix = value;
    else if (strcmp(name, "--stream-count") == 0)
        redis->stream_count = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--max-len") == 0)
        redis->stream_max_len = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--mode") == 0 && strcmp(value, "dynamic") == 0)
        redis->subscriptions = SKIO_REDIS_DYNAMIC;
    else if (strcmp(name, "--mode") == 0 && strcmp(value, "static") == 0)
        redis->subscriptions = SKIO_REDIS_STATIC;
    else if (strcmp(name, "--mode") == 0)
        redis->subscriptions = SKIO_REDIS_DYNAMIC_PRIVATE;
    else
        return false;
    return true;
}

static bool
read_options(struct setup *setup, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--specific") == 0) {
            setup->redis.publish_on_specific_response_channel = true;
        } else if (strcmp(argv[i], "--sharded-pubsub") == 0) {
            setup->redis.sharded_pubsub = true;
        } else if (strcmp(argv[i], "--only-plaintext") == 0) {
            setup->redis.only_plaintext = true;
        } else if (strcmp(argv[i], "--cleanup") == 0) {
            setup->cleanup = true;
        } else if (strcmp(argv[i], "--redis-cluster") == 0) {
            setup->redis.cluster = true;
        } else if (i + 1 == argc || !read_option(setup, argv[i], argv[i + 1])) {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return false;
        } else {
            i++;
        }
    }
    return setup->adapter != NULL && setup->redis.url != NULL;
}

static void
set_up(skio_server *io)
{
    static const struct {
        const char *name;
        skio_event_fn *fn;
    } commands[] = {
        {"emit", on_emit},       {"ask", on_ask},
        {"join", on_join},       {"leave", on_leave},
        {"kick", on_kick},       {"fetch", on_fetch},
        {"remote", on_remote},   {"say", on_say},
        {"say-ask", on_say_ask}, {"servers", on_servers},
        {"sockets", on_sockets}, {"all-rooms", on_all_rooms},
        {"here", on_here},
    };
    static const char *const names[] = {"/", "/custom"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        skio_nsp *nsp = must(skio_of(io, names[i]));

        serve(nsp);
        must_ok(skio_on_connect(nsp, on_connect, NULL), names[i]);
    }
    must_ok(skio_on_connect(must(skio_of_pattern(io, "/dynamic-*")), on_connect,
                            NULL),
            "dynamic");
    must_ok(skio_on_namespace(io, on_namespace, NULL), "namespaces");
    control = must(skio_of(io, "/control"));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        must_ok(skio_on(control, commands[i].name, commands[i].fn, NULL),
                commands[i].name);
}

int
main(int argc, char **argv)
{
    static char name[] = "cluster-server";
    skio_server_options options;
    struct setup setup = {0};
    skio_server *io;

    skio_redis_options_init(&setup.redis);
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;
    if (argc < 2 || !read_options(&setup, argc, argv)) {
        fprintf(stderr, "usage: cluster-server PORT --adapter NAME --redis URL "
                        "[options]\n");
        return 2;
    }

    /* As in Node, where namespaces made on demand stay unless asked not to. */
    options.cleanup_empty_namespaces = setup.cleanup;
    options.recovery_ms = setup.recovery_ms;
    must_ok(skio_server_new(&io, &options), "server");
    must_ok(member_join(io, setup.adapter, &setup.redis), setup.adapter);
    set_up(io);
    return member_run(io, argv[1], name);
}
