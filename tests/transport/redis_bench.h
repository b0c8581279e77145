/*
 * A loop that a test steps through, a link to Redis in it, and at the other
 * end a Redis that says what the test tells it to, or a real one
 */
#ifndef TESTS_TRANSPORT_REDIS_BENCH_H
#define TESTS_TRANSPORT_REDIS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "adapter/redis_link.h"
#include "unit/alloc.h"

#define BENCH_PATIENCE_MS 20000 /* of a loaded machine */
/* How much longer what takes time may take. */
#ifdef __SANITIZE_THREAD__
#define BENCH_SLOWER 5
#else
#define BENCH_SLOWER 1
#endif

struct bench {
    struct test_alloc alloc;
    struct lws_context *context;
    skio_server *server;
    skio_timer *ticker;
    unsigned steps;

    skio_redis_options options;
    struct skio__redis_link *link;
    int ups;
    int downs;
    int down_err; /* the last one's */
    char down_text[512];
    char said[65536]; /* replies and pushes in words, one a line */
    size_t said_len;
    void (*on_up)(struct bench *bench);
    void (*on_down)(struct bench *bench);
    void (*on_push)(struct bench *bench);

    /* The scripted Redis. */
    int listener;
    uint16_t port;
    int fd;       /* of the connection, -1: none */
    int accepted; /* connections so far */
    bool is_deaf; /* reads nothing */
    bool is_kind; /* answers every PING with PONG by itself */
    char heard[65536];
    size_t heard_len;
};

uint64_t bench_now(void);

/* cmocka's setup and teardown: *state is the bench. Nothing may be left. */
int bench_begin(void **state);
int bench_end(void **state);

/* One turn of the loop, at most a few milliseconds, and of the scripted Redis.
 */
void bench_step(struct bench *bench);
void bench_fail(struct bench *bench, const char *what, int line);

#define UNTIL(bench, condition)                                                \
    do {                                                                       \
        uint64_t until_ = bench_now() + BENCH_PATIENCE_MS;                     \
        while (!(condition)) {                                                 \
            if (bench_now() > until_)                                          \
                bench_fail((bench), #condition, __LINE__);                     \
            bench_step(bench);                                                 \
        }                                                                      \
    } while (0)

/* The scripted Redis: listens; expects these bytes; says those. */
void bench_listen(struct bench *bench);
void bench_expect(struct bench *bench, const char *bytes);
void bench_say(struct bench *bench, const char *bytes);
void bench_say_bytes(struct bench *bench, const void *bytes, size_t len);
void bench_hang_up(struct bench *bench);

/* A link with the bench's options, to the scripted Redis or where they say. */
void bench_link(struct bench *bench, bool subscribes);
/* The same, greeted and up. */
void bench_link_up(struct bench *bench, bool subscribes);
void bench_unlink(struct bench *bench);
/* Send so many commands, RPUSH said, and end the link at once. */
void bench_say_farewell(struct bench *bench, unsigned count);

/* Send words, NULL at the end; what is answered goes to bench->said, as
 * "reply TEXT" or "lost". Returns what skio__redis_link_send() returns. */
int bench_send(struct bench *bench, ...);
int bench_send_bytes(struct bench *bench, const skio_bytes *argv, size_t argc);
bool bench_has_said(const struct bench *bench, const char *text);
void bench_forget(struct bench *bench);

/* A real redis-server, in a folder of its own. */
struct redis_process {
    pid_t pid;
    uint16_t port; /* 0: unix socket alone */
    char folder[64];
    char path[96]; /* of the unix socket */
};

/* Whether there is one to be tested with. */
bool redis_is_installed(void);
/* Its folder and its address. with_port: TCP on 127.0.0.1, else the unix socket
 * alone. */
void redis_prepare(struct redis_process *redis, bool with_port);
/* arguments: further ones, NULL at the end; a file of its own comes first, and
 * is then all that is said. Returns when it answers. */
void redis_start(struct redis_process *redis, bool with_port,
                 const char *const *arguments);
/* Again, with the same address. */
void redis_restart(struct redis_process *redis, const char *const *arguments);
void redis_kill(struct redis_process *redis);
void redis_stop(struct redis_process *redis); /* and its folder */
/* A command through a connection of its own. Returns the raw answer in a
 * static buffer. */
const char *redis_ask(struct redis_process *redis, const char *line);
uint16_t bench_free_port(void);

#endif /* TESTS_TRANSPORT_REDIS_BENCH_H */
