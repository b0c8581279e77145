/*
 * threads [PORT [COUNT [REDIS]]]: a server in each of several threads, all of
 * them at one port
 *
 *     threads 3003 4 redis://localhost:6379
 *
 * The system deals the connections out. Each server has clients of its own, and
 * a "message" of one goes to them all; with a Redis, to those of all servers.
 * Clients use WebSocket alone, which is one connection: the requests of
 * long-polling would come to one server and another.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef HAVE_REDIS /* the library was built with it */
#include <socketio/redis.h>
#endif
#include <socketio/health.h>
#include <socketio/socketio.h>

#define COUNT_MAX 256
#define DRAIN_MS 2000 /* what clients are sent away in */

struct worker {
    skio_server *io;
    pthread_t thread;
    int number;
    int result;
};

/* Everything about a server happens in its own thread: no locks. */
static void
on_message(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    const struct worker *worker = user;

    skio_emit_all(skio_socket_nsp(socket), "message", "%p", SKIO_VALUE(args));
    skio_ack_send(ack, "%d", worker->number);
}

static void
on_connect(skio_socket *socket, void *user)
{
    const struct worker *worker = user;

    skio_emit(socket, "thread", "%d", worker->number);
}

static int
join_cluster(skio_server *io, const char *url)
{
#ifdef HAVE_REDIS
    skio_redis_options redis;

    skio_redis_options_init(&redis);
    redis.url = url;
    return skio_redis_adapter(io, &redis);
#else
    (void)io;
    (void)url;
    return SKIO_ENOTSUP;
#endif
}

static void
show_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "threads: %s\n", message);
}

static int
make(struct worker *worker, uint16_t port, const char *redis)
{
    skio_server_options options;
    int err;

    skio_server_options_init(&options);
    options.reuse_port = true;
    options.transports = SKIO_WEBSOCKET;
    options.log = show_log; /* which names the port, and what Redis says */
    options.log_level = SKIO_LOG_WARN;
    err = skio_server_new(&worker->io, &options);
    if (err == SKIO_OK && redis != NULL) {
        err = join_cluster(worker->io, redis);
        if (err != SKIO_OK) {
            fprintf(stderr, "threads: REDIS %s: %s\n", redis,
                    skio_strerror(err));
            return err;
        }
    }
    if (err == SKIO_OK)
        err = skio_health_serve(worker->io, NULL);
    if (err == SKIO_OK)
        err = skio_on(skio_of(worker->io, "/"), "message", on_message, worker);
    if (err == SKIO_OK)
        err = skio_on_connect(skio_of(worker->io, "/"), on_connect, worker);
    if (err == SKIO_OK)
        err = skio_listen(worker->io, "localhost", port);
    if (err != SKIO_OK)
        fprintf(stderr, "threads: port %u: %s\n", (unsigned)port,
                skio_strerror(err));
    return err;
}

static void *
run(void *arg)
{
    struct worker *worker = arg;

    worker->result = skio_run(worker->io);
    if (worker->result != SKIO_OK)
        kill(getpid(), SIGTERM); /* the others end as well */
    return NULL;
}

static void
leave(skio_server *io, void *arg)
{
    (void)arg;
    if (io != NULL && skio_server_drain(io, DRAIN_MS, NULL, NULL) != SKIO_OK)
        skio_server_stop(io);
}

/* Each server says goodbye to its clients. */
static void
end_all(struct worker *workers, int count)
{
    for (int i = 0; i < count; i++)
        if (skio_server_post(workers[i].io, leave, NULL) != SKIO_OK)
            skio_server_stop(workers[i].io);
}

/* Run all servers until a signal; a second one ends the program at once.
 * Returns an error of one of them. */
static int
run_all(struct worker *workers, int count, const sigset_t *signals)
{
    int started = 0;
    int number;
    int err = SKIO_OK;

    while (started < count && pthread_create(&workers[started].thread, NULL,
                                             run, &workers[started]) == 0)
        started++;
    if (started == count)
        sigwait(signals, &number);
    else
        err = SKIO_ENOMEM;

    end_all(workers, started);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
    for (int i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        if (err == SKIO_OK)
            err = workers[i].result;
    }
    return err;
}

static bool
read_number(const char *text, unsigned long max, unsigned long *out)
{
    char *end;

    *out = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *out <= max;
}

int
main(int argc, char **argv)
{
    struct worker workers[COUNT_MAX] = {{.io = NULL}};
    uint16_t port = 3003;
    unsigned long number = port;
    unsigned long count = 2;
    const char *redis = argc > 3 ? argv[3] : NULL;
    sigset_t signals;
    int err = SKIO_OK;

    if (argc > 4 || (argc > 1 && !read_number(argv[1], UINT16_MAX, &number)) ||
        (argc > 2 && !read_number(argv[2], COUNT_MAX, &count)) || count == 0) {
        fprintf(stderr,
                "usage: threads [PORT [COUNT [REDIS]]]\n"
                "COUNT is 1 to %d; REDIS as in redis://localhost:6379\n",
                COUNT_MAX);
        return 2;
    }
    port = (uint16_t)number;
    /* blocked in every thread, so that this one can wait for them */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    for (int i = 0; i < (int)count && err == SKIO_OK; i++) {
        workers[i].number = i;
        err = make(&workers[i], port, redis);
        if (err == SKIO_OK)
            port = skio_server_port(workers[0].io); /* if it was 0 */
    }
    if (err == SKIO_OK) {
        printf("threads: port %u, %lu servers, for clients by WebSocket alone; "
               "stop with Ctrl+C\n",
               (unsigned)port, count);
        fflush(stdout);
        err = run_all(workers, (int)count, &signals);
        if (err != SKIO_OK)
            fprintf(stderr, "threads: %s\n", skio_strerror(err));
    }
    for (int i = 0; i < (int)count; i++)
        skio_server_free(workers[i].io);
    return err != SKIO_OK;
}
