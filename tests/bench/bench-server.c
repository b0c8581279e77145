/*
 * bench-server PORT [options]: what load generators run against
 *
 * Default options, except that the caps on connections are off and the backlog
 * is large. Events:
 *
 *     echo       acks its arguments; without an ack emits them back
 *     broadcast  to everybody, the sender included
 *     join       (room), acks true or false
 *     leave      (room), acks true or false
 *     room       (room, …): the rest to that room, the sender included
 *
 *     --eio3            serves clients of Socket.IO 2, too
 *     --parser msgpack  speaks as socket.io-msgpack-parser does
 *     --recovery MS     connection state recovery
 *     --tls CERT KEY    TLS, by PEM files
 *     --rx BYTES        receive buffer of a connection (rx_buffer_size)
 *     --ping-interval MS, --ping-timeout MS   the heartbeat
 *     --deflate         compresses WebSocket messages and polls
 *     --adapter NAME    redis, redis-sharded or redis-streams: joins a cluster
 *     --redis URL       its Redis, redis://127.0.0.1:6379
 *     --reuse-port      shares the port with other processes
 *     --threads N       N servers at the port, each in a thread of its own
 *     --admin           lets the Socket.IO Admin UI in, in development mode,
 *                       and tells where it is and how to log in
 *     --admin-production, --admin-readonly    the same, with less
 *     --admin-ui DIR    where the app's files are, to be served at /ui
 *
 * PORT 0 picks a free one; "listening on PORT" tells which. SIGTERM and SIGINT
 * stop it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <sodium.h>

#include <socketio/admin.h>
#ifdef HAVE_REDIS
#include <socketio/redis.h>
#endif
#include <socketio/socketio.h>

#include "interop/program.h"

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
on_broadcast(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    (void)user;
    skio_emit_all(skio_socket_nsp(socket), "broadcast", "%p", SKIO_VALUE(args));
    skio_ack_send(ack, NULL);
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *room = skio_get_str(args, "0");
    bool ok = room != NULL && skio_join(socket, room) == SKIO_OK;

    (void)user;
    skio_ack_send(ack, "%hhd", ok);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *room = skio_get_str(args, "0");
    bool ok = room != NULL && skio_leave(socket, room) == SKIO_OK;

    (void)user;
    skio_ack_send(ack, "%hhd", ok);
}

static void
on_room(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *room = skio_get_str(args, "0");
    bool ok = room != NULL;

    (void)user;
    if (ok)
        skio_emit_to(skio_socket_nsp(socket), room, "room", "%p",
                     SKIO_VALUE(skio_get_args(args, 1)));
    skio_ack_send(ack, "%hhd", ok);
}

#define THREADS_MAX 64

/* How to join a cluster; NULL: not at all. */
struct cluster {
    const char *adapter;
    const char *url;
};

/* The Admin UI; off unless is_on. */
struct admin {
    bool is_on;
    const char *ui; /* the folder of its files */
    char password[17];
    char hash[SKIO_ADMIN_HASH_BYTES];
    skio_admin_options options;
};

/* Where tests/setup puts it. */
#define ADMIN_UI "build/npm/node_modules/@socket.io/admin-ui/ui/dist"

/* A new password for each run: it is printed, and nobody has to think of it. */
static int
prepare_admin(struct admin *admin)
{
    unsigned char random[(sizeof admin->password - 1) / 2];

    if (!admin->is_on)
        return SKIO_OK;
    if (sodium_init() < 0)
        return SKIO_EIO;
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(admin->password, sizeof admin->password, random,
                   sizeof random);
    admin->options.username = "admin";
    admin->options.password_hash = admin->hash;
    return skio_admin_hash(admin->password, admin->hash);
}

static bool
has_ui(const struct admin *admin)
{
    struct stat file;

    return stat(admin->ui, &file) == 0 && S_ISDIR(file.st_mode);
}

static int
serve_admin(skio_server *io, const struct admin *admin)
{
    int err;

    if (!admin->is_on)
        return SKIO_OK;
    err = skio_admin_serve(io, &admin->options);
    if (err == SKIO_OK && has_ui(admin))
        err = skio_mount(io, "/ui", admin->ui, "index.html");
    return err;
}

static void
tell_admin(const struct admin *admin, const char *scheme, uint16_t port)
{
    if (!admin->is_on)
        return;
    if (has_ui(admin))
        printf("\n  Admin UI:  %s://localhost:%u/ui/\n", scheme,
               (unsigned)port);
    else
        printf("\n  Admin UI:  not in %s (make setup, or --admin-ui DIR)\n",
               admin->ui);
    printf("  In its form, the server's URL is %s://localhost:%u\n"
           "  Username:  admin\n  Password:  %s\n\n",
           scheme, (unsigned)port, admin->password);
}

/* A server in a thread of its own. */
struct worker {
    skio_server *io;
    pthread_t thread;
    int result;
};

static int
join_cluster(skio_server *io, const struct cluster *cluster)
{
#ifdef HAVE_REDIS
    skio_redis_options redis;
#endif

    if (cluster->adapter == NULL)
        return SKIO_OK;
#ifdef HAVE_REDIS
    skio_redis_options_init(&redis);
    redis.url = cluster->url;
    if (strcmp(cluster->adapter, "redis") == 0)
        return skio_redis_adapter(io, &redis);
    if (strcmp(cluster->adapter, "redis-sharded") == 0)
        return skio_redis_sharded_adapter(io, &redis);
    if (strcmp(cluster->adapter, "redis-streams") == 0)
        return skio_redis_streams_adapter(io, &redis);
    return SKIO_EINVAL;
#else
    (void)io;
    return SKIO_ENOTSUP;
#endif
}

static bool
read_number(const char *text, uint32_t *out)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
        number > UINT32_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}

/* Options whose value is a number; NULL: it is none of them. */
static uint32_t *
number_of(const char *word, skio_server_options *options, uint32_t *threads)
{
    if (strcmp(word, "--recovery") == 0)
        return &options->recovery_ms;
    if (strcmp(word, "--rx") == 0)
        return &options->rx_buffer_size;
    if (strcmp(word, "--ping-interval") == 0)
        return &options->ping_interval_ms;
    if (strcmp(word, "--ping-timeout") == 0)
        return &options->ping_timeout_ms;
    return strcmp(word, "--threads") == 0 ? threads : NULL;
}

static bool
has_adapter(const struct cluster *cluster)
{
    static const char *const names[] = {"redis", "redis-sharded",
                                        "redis-streams"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(cluster->adapter, names[i]) == 0)
            return true;
    return false;
}

/* What concerns the Admin UI; *used is how many words more than one. */
static bool
parse_admin(const char *word, const char *value, struct admin *admin, int *used)
{
    *used = 0;
    if (strcmp(word, "--admin-ui") == 0 && value != NULL) {
        admin->ui = value;
        *used = 1;
    } else if (strcmp(word, "--admin-production") == 0) {
        admin->options.mode = SKIO_ADMIN_PRODUCTION;
    } else if (strcmp(word, "--admin-readonly") == 0) {
        admin->options.readonly = true;
    } else if (strcmp(word, "--admin") != 0) {
        return false;
    }
    admin->is_on = true;
    return true;
}

/* Options after the port. Returns the one that is unknown or lacks its value,
 * or NULL. */
static const char *
parse_options(int argc, char **argv, skio_server_options *options,
              struct cluster *cluster, struct admin *admin, uint32_t *threads)
{
    int used;

    for (int i = 0; i < argc; i++) {
        uint32_t *number = number_of(argv[i], options, threads);

        if (number != NULL) {
            if (i + 1 == argc || !read_number(argv[i + 1], number))
                return argv[i];
            i++;
        } else if (strcmp(argv[i], "--eio3") == 0) {
            options->allow_eio3 = true;
        } else if (strcmp(argv[i], "--parser") == 0 && i + 1 < argc &&
                   strcmp(argv[i + 1], "msgpack") == 0) {
            options->parser = skio_parser_msgpack();
            i++;
        } else if (strcmp(argv[i], "--deflate") == 0) {
            options->per_message_deflate = true;
            options->http_compression = true;
        } else if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
            options->tls_cert_file = argv[++i];
            options->tls_key_file = argv[++i];
        } else if (strcmp(argv[i], "--adapter") == 0 && i + 1 < argc) {
            cluster->adapter = argv[++i];
            if (!has_adapter(cluster))
                return "--adapter";
        } else if (strcmp(argv[i], "--redis") == 0 && i + 1 < argc) {
            cluster->url = argv[++i];
        } else if (strcmp(argv[i], "--reuse-port") == 0) {
            options->reuse_port = true;
        } else if (parse_admin(argv[i], i + 1 < argc ? argv[i + 1] : NULL,
                               admin, &used)) {
            i += used;
        } else {
            return argv[i];
        }
    }
    return *threads == 0 || *threads > THREADS_MAX ? "--threads" : NULL;
}

/* As many connections as this system lets a process have. */
static void
raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        perror("bench-server: setrlimit");
}

/* A server that listens. Returns NULL after saying what failed. */
static skio_server *
make_server(const skio_server_options *options, const struct cluster *cluster,
            const struct admin *admin, uint16_t port)
{
    skio_server *io = NULL;
    skio_nsp *root;
    int err = skio_server_new(&io, options);

    if (err != SKIO_OK) { /* the log names the option */
        fprintf(stderr, "bench-server: %s\n", skio_strerror(err));
        return NULL;
    }
    err = join_cluster(io, cluster);
    if (err != SKIO_OK) {
        fprintf(stderr, "bench-server: --adapter %s, --redis %s: %s\n",
                cluster->adapter, cluster->url, skio_strerror(err));
        skio_server_free(io);
        return NULL;
    }
    err = serve_admin(io, admin);
    if (err == SKIO_OK) {
        root = skio_of(io, "/");
        if (skio_on(root, "echo", on_echo, NULL) != SKIO_OK ||
            skio_on(root, "broadcast", on_broadcast, NULL) != SKIO_OK ||
            skio_on(root, "join", on_join, NULL) != SKIO_OK ||
            skio_on(root, "leave", on_leave, NULL) != SKIO_OK ||
            skio_on(root, "room", on_room, NULL) != SKIO_OK)
            err = SKIO_ENOMEM;
    }
    if (err == SKIO_OK)
        err = skio_listen(io, NULL, port);
    if (err == SKIO_OK)
        return io;
    fprintf(stderr, "bench-server: port %u: %s\n", (unsigned)port,
            skio_strerror(err));
    skio_server_free(io);
    return NULL;
}

static void *
run_worker(void *arg)
{
    struct worker *worker = arg;

    worker->result = skio_run(worker->io);
    return NULL;
}

/* The first server in this thread, the others in theirs, until a signal stops
 * the first. */
static int
run_all(struct worker *workers, uint32_t count)
{
    uint32_t started = 1;
    int err = SKIO_OK;

    while (started < count &&
           pthread_create(&workers[started].thread, NULL, run_worker,
                          &workers[started]) == 0)
        started++;
    if (started == count)
        err = program_run(workers[0].io);
    else
        err = SKIO_EIO;
    while (--started > 0) {
        skio_server_stop(workers[started].io);
        pthread_join(workers[started].thread, NULL);
        if (err == SKIO_OK)
            err = workers[started].result;
    }
    return err;
}

int
main(int argc, char **argv)
{
    static char name[] = "bench-server";
    long port = argc >= 2 ? program_port(argv[1]) : -1;
    struct cluster cluster = {NULL, NULL};
    struct admin admin = {.ui = ADMIN_UI};
    struct worker workers[THREADS_MAX] = {{.io = NULL}};
    uint32_t threads = 1;
    uint32_t made = 0;
    skio_server_options options;
    const char *bad;
    int err;

    skio_server_options_init(&options);
    skio_admin_options_init(&admin.options);
    admin.options.mode = SKIO_ADMIN_DEVELOPMENT;
    bad = port < 0 ? "PORT"
                   : parse_options(argc - 2, argv + 2, &options, &cluster,
                                   &admin, &threads);
    if (bad != NULL) {
        fprintf(stderr, "bench-server: %s is unknown, or its value is none\n",
                bad);
        fprintf(stderr, "usage: bench-server PORT [--recovery MS] [--eio3] "
                        "[--parser msgpack] [--deflate] [--tls CERT KEY] "
                        "[--rx BYTES] [--ping-interval MS] "
                        "[--ping-timeout MS] "
                        "[--adapter redis|redis-sharded|redis-streams] "
                        "[--redis URL] [--reuse-port] [--threads N] "
                        "[--admin] [--admin-production] [--admin-readonly] "
                        "[--admin-ui DIR]\n");
        return 2;
    }
    if (cluster.url != NULL && cluster.adapter == NULL) {
        fprintf(stderr, "bench-server: --redis needs --adapter: redis, "
                        "redis-sharded or redis-streams\n");
        return 2;
    }
    if (cluster.url == NULL)
        cluster.url = "redis://127.0.0.1:6379";

    raise_fd_limit();
    options.max_connections = UINT32_MAX;
    options.max_connections_per_address = UINT32_MAX;
    options.max_unconnected = UINT32_MAX;
    options.backlog = 4096;
    options.reuse_port = options.reuse_port || threads > 1;
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;

    err = prepare_admin(&admin);
    if (err != SKIO_OK) {
        fprintf(stderr, "bench-server: --admin: %s\n", skio_strerror(err));
        return 1;
    }
    err = SKIO_EIO; /* until all are made, and have run */
    for (; made < threads; made++) {
        workers[made].io =
            make_server(&options, &cluster, &admin, (uint16_t)port);
        if (workers[made].io == NULL)
            break;
        port = skio_server_port(workers[0].io);
    }
    if (made == threads) {
        tell_admin(&admin, options.tls_cert_file != NULL ? "https" : "http",
                   skio_server_port(workers[0].io));
        printf("bench-server: for build/bench-load --port %u%s echo; stop with "
               "Ctrl+C\n",
               (unsigned)skio_server_port(workers[0].io),
               options.tls_cert_file != NULL ? " --tls" : "");
        err = run_all(workers, threads);
        if (err != SKIO_OK)
            fprintf(stderr, "bench-server: %s\n", skio_strerror(err));
    }
    while (made-- > 0)
        skio_server_free(workers[made].io);
    return err != SKIO_OK;
}
