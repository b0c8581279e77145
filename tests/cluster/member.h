/*
 * What the test servers share that are one of several: they join by an
 * adapter's name, and end when whoever started them has ended
 */
#ifndef TESTS_CLUSTER_MEMBER_H
#define TESTS_CLUSTER_MEMBER_H

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <socketio/redis.h>

#include "interop/must.h"
#include "interop/program.h"

static inline int
member_join(skio_server *io, const char *adapter,
            const skio_redis_options *redis)
{
    if (strcmp(adapter, "redis") == 0)
        return skio_redis_adapter(io, redis);
    if (strcmp(adapter, "redis-sharded") == 0)
        return skio_redis_sharded_adapter(io, redis);
    if (strcmp(adapter, "redis-streams") == 0)
        return skio_redis_streams_adapter(io, redis);
    return SKIO_EINVAL;
}

/* The server that PORT --adapter NAME --redis URL --key KEY asks for, a member
 * already; NULL, after a word about it, when the arguments are others. */
static inline skio_server *
member_new(int argc, char **argv, char *name)
{
    skio_server_options options;
    skio_redis_options redis;
    skio_server *io;

    if (argc < 8 || strcmp(argv[2], "--adapter") != 0 ||
        strcmp(argv[4], "--redis") != 0 || strcmp(argv[6], "--key") != 0) {
        fprintf(stderr, "usage: %s PORT --adapter NAME --redis URL --key KEY\n",
                name);
        return NULL;
    }
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;
    skio_redis_options_init(&redis);
    redis.url = argv[5];
    redis.key = argv[7];
    must_ok(skio_server_new(&io, &options), "server");
    must_ok(member_join(io, argv[3], &redis), argv[3]);
    return io;
}

/* Whoever started this has ended when nothing is left to read. */
static inline void *
member_watch_input(void *unused)
{
    char byte;
    ssize_t n;

    do {
        n = read(STDIN_FILENO, &byte, 1);
    } while (n > 0);
    kill(getpid(), SIGTERM);
    return unused;
}

/* Listen on a port of this machine, and run until the end. Returns the
 * program's exit status. */
static inline int
member_run(skio_server *io, const char *port, const char *name)
{
    pthread_t watcher;
    int err = skio_listen(io, "127.0.0.1", (uint16_t)program_port(port));

    if (err == SKIO_OK &&
        pthread_create(&watcher, NULL, member_watch_input, NULL) == 0) {
        pthread_detach(watcher);
        err = program_run(io);
    }
    if (err != SKIO_OK)
        fprintf(stderr, "%s: %s\n", name, skio_strerror(err));
    skio_server_free(io);
    return err != SKIO_OK;
}

#endif /* TESTS_CLUSTER_MEMBER_H */
