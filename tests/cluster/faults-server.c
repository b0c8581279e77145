/*
 * faults-server PORT --adapter NAME [options]: a server of a cluster that tells
 * what it sees of Redis, and how long its loop was held up
 *
 *     --adapter NAME      redis, redis-sharded or redis-streams
 *     --redis URL         where Redis is
 *     --sentinels LIST    instead: who knows where
 *     --recovery MS       connection state recovery
 *     --command-timeout MS, --connect-timeout MS, --requests-timeout MS,
 *     --max-output BYTES  of the adapter
 *
 * Events: "n" (number, padding) to everybody; "who", which clients answer, and
 * "hello", which servers answer. Standard output has a line for each event of
 * Redis, "redis {...}", and for each answer, "answer {...}"; standard input is
 * commands, a line each:
 *
 *     emit FIRST COUNT SIZE   emits "n" so often, with so many bytes
 *     to ROOM NUMBER          emits "n" to a room
 *     fetch, servers          answered with err, count and missing
 *     hello                   asks the other servers: the same
 *     who MS                  asks all clients: err, count, and how often the
 *                             end was told
 *     rooms COUNT             the client that came last joins room0, ...
 *     hold MS                 holds the loop up
 *     pause                   the longest pause since it was asked last, in
 *                             microseconds; see struct watch
 *     stop
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <socketio/loop.h>
#ifdef HAVE_REDIS
#include <socketio/redis.h>
#endif
#include <socketio/socketio.h>

#include "cluster/member.h"
#include "interop/must.h"

enum {
    PADDING_MAX = 1 << 20,
    ROOMS_AT_ONCE = 50, /* so that the tests' own commands hold nothing up */
    TICK_US = 2000      /* what a timer of 1 ms may take */
};

/*
 * A timer of 1 ms that is late shows a loop that was held up. The time in which
 * the thread could have run and was not let by others does not count.
 */
struct watch {
    skio_timer *timer;
    int schedstat;
    uint64_t last_us;
    uint64_t last_delay_us;
    uint64_t longest_us;
    bool is_asked; /* for the longest: told once this turn is counted */
};

struct program {
    skio_server *io;
    skio_nsp *root;
    skio_socket *latest;
    struct watch watch;
    skio_watch *input;
    skio_timer *joining;
    unsigned rooms;
    unsigned rooms_wanted;
    unsigned who_ends;
    char line[256];
    size_t line_len;
    char padding[PADDING_MAX + 1];
};

static struct program program;

/* ---- Answers ---- */

static void
answer(int err, size_t count, size_t missing)
{
    printf("answer {\"err\":\"%s\",\"count\":%zu,\"missing\":%zu}\n",
           skio_strerror(err), count, missing);
    fflush(stdout);
}

/* ---- Pauses ---- */

static uint64_t
now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* For how long this thread has waited for a processor in all. */
static uint64_t
delay_us(int schedstat)
{
    char text[128];
    ssize_t len = pread(schedstat, text, sizeof text - 1, 0);
    char *end;

    if (len <= 0)
        return 0;
    text[len] = '\0';
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) / 1000;
}

static void
begin_tick(struct watch *watch)
{
    watch->last_us = now_us();
    watch->last_delay_us = delay_us(watch->schedstat);
    must_ok(skio_timer_set(watch->timer, 1), "timer");
}

static void
on_tick(void *user)
{
    struct watch *watch = user;
    uint64_t passed = now_us() - watch->last_us;
    uint64_t delay =
        delay_us(watch->schedstat) - watch->last_delay_us + TICK_US;

    if (passed > delay && passed - delay > watch->longest_us)
        watch->longest_us = passed - delay;
    if (watch->is_asked) {
        answer(SKIO_OK, watch->longest_us, 0);
        watch->longest_us = 0;
        watch->is_asked = false;
    }
    begin_tick(watch);
}

/* ---- What was asked ---- */

static void
on_fetched(int err, const skio_remote *const *sockets, size_t count,
           size_t missing, void *user)
{
    (void)sockets;
    (void)user;
    answer(err, count, missing);
}

static void
on_count(int err, size_t count, size_t missing, void *user)
{
    (void)user;
    answer(err, count, missing);
}

static void
on_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    (void)user;
    answer(err, skio_count(responses, ""), missing);
}

static void
on_who(int err, const skio_value *args, size_t received, size_t expected,
       void *user)
{
    (void)expected;
    (void)user;
    if (args == NULL)
        answer(err, received, ++program.who_ends);
}

static void
on_hello(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
         void *user)
{
    (void)nsp;
    (void)args;
    (void)user;
    must_ok(skio_server_ack_send(ack, "%d", 1), "hello");
}

/* ---- Commands ---- */

static void
emit(unsigned first, unsigned count, unsigned size)
{
    if (size > PADDING_MAX)
        size = PADDING_MAX;
    memset(program.padding, 'x', size);
    program.padding[size] = '\0';
    for (unsigned i = 0; i < count; i++)
        must_ok(skio_emit_all(program.root, "n", "%u,%s", first + i,
                              program.padding),
                "emit");
}

static void
on_joining(void *user)
{
    char room[32];

    (void)user;
    for (unsigned i = 0;
         i < ROOMS_AT_ONCE && program.rooms < program.rooms_wanted; i++) {
        snprintf(room, sizeof room, "room%u", program.rooms++);
        if (program.latest != NULL)
            must_ok(skio_join(program.latest, room), "join");
    }
    if (program.rooms < program.rooms_wanted)
        must_ok(skio_timer_set(program.joining, 1), "timer");
    else
        answer(SKIO_OK, program.rooms, 0);
}

static void
ask_who(uint32_t timeout_ms)
{
    skio_target target = {.struct_size = sizeof target,
                          .timeout_ms = timeout_ms};
    int err =
        skio_emit_with_acks(program.root, &target, on_who, NULL, "who", NULL);

    program.who_ends = 0;
    if (err != SKIO_OK)
        answer(err, 0, 0);
}

/* The next word of a line, cut off; "" at its end. */
static char *
next_word(char **line)
{
    char *word = *line;

    *line += strcspn(word, " ");
    if (**line != '\0')
        *(*line)++ = '\0';
    return word;
}

static unsigned
next_number(char **line)
{
    return (unsigned)strtoul(next_word(line), NULL, 10);
}

static void
run_command(char *line)
{
    const char *command = next_word(&line);
    int err = SKIO_OK;

    if (strcmp(command, "emit") == 0) {
        unsigned first = next_number(&line);
        unsigned count = next_number(&line);

        emit(first, count, next_number(&line));
    } else if (strcmp(command, "to") == 0) {
        const char *room = next_word(&line);

        err = skio_emit_to(program.root, room, "n", "%u", next_number(&line));
    } else if (strcmp(command, "who") == 0) {
        ask_who(next_number(&line));
    } else if (strcmp(command, "rooms") == 0) {
        program.rooms_wanted = next_number(&line);
        err = skio_timer_set(program.joining, 1);
    } else if (strcmp(command, "fetch") == 0) {
        err = skio_sockets_fetch(program.root, NULL, on_fetched, NULL);
    } else if (strcmp(command, "servers") == 0) {
        err = skio_server_count(program.root, on_count, NULL);
    } else if (strcmp(command, "hello") == 0) {
        err = skio_server_side_emit_with_ack(program.root, on_responses, NULL,
                                             "hello", NULL);
    } else if (strcmp(command, "pause") == 0) {
        program.watch.is_asked = true;
    } else if (strcmp(command, "hold") == 0) {
        nanosleep(&(struct timespec){.tv_nsec =
                                         (long)next_number(&line) * 1000000},
                  NULL);
    } else if (strcmp(command, "stop") == 0) {
        skio_server_stop(program.io);
    } else {
        fprintf(stderr, "faults-server: what is \"%s\"?\n", command);
    }
    if (err != SKIO_OK)
        answer(err, 0, 0);
}

static void
on_input(unsigned ready, void *user)
{
    char piece[4096];
    ssize_t got = read(STDIN_FILENO, piece, sizeof piece);

    (void)ready;
    (void)user;
    if (got <= 0) {
        skio_watch_free(program.input);
        program.input = NULL;
        skio_server_stop(program.io);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (piece[i] != '\n') {
            if (program.line_len < sizeof program.line - 1)
                program.line[program.line_len++] = piece[i];
            continue;
        }
        program.line[program.line_len] = '\0';
        program.line_len = 0;
        run_command(program.line);
    }
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    program.latest = socket;
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    (void)user;
    if (program.latest == socket)
        program.latest = NULL;
}

/* ---- The server ---- */

#ifdef HAVE_REDIS
static void
on_redis(skio_server *server, const skio_redis_event *event, void *user)
{
    (void)server;
    (void)user;
    printf("redis {\"state\":\"%s\",\"err\":\"%s\",\"gap\":%llu,"
           "\"dropped\":%llu}\n",
           event->state == SKIO_REDIS_UP ? "up" : "down",
           skio_strerror(event->err), (unsigned long long)event->gap_ms,
           (unsigned long long)event->dropped);
    fflush(stdout);
}

/* Options after the port. Returns the name of the adapter, or NULL. */
static const char *
parse_options(int argc, char **argv, skio_server_options *options,
              skio_redis_options *redis)
{
    const char *adapter = NULL;

    for (int i = 0; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        const char *value = argv[i + 1];
        uint32_t number = (uint32_t)strtoul(value, NULL, 10);

        if (strcmp(name, "--adapter") == 0)
            adapter = value;
        else if (strcmp(name, "--redis") == 0)
            redis->url = value;
        else if (strcmp(name, "--sentinels") == 0)
            redis->sentinels = value;
        else if (strcmp(name, "--recovery") == 0)
            options->recovery_ms = number;
        else if (strcmp(name, "--command-timeout") == 0)
            redis->command_timeout_ms = number;
        else if (strcmp(name, "--connect-timeout") == 0)
            redis->connect_timeout_ms = number;
        else if (strcmp(name, "--requests-timeout") == 0)
            redis->requests_timeout_ms = number;
        else if (strcmp(name, "--max-output") == 0)
            redis->max_output_bytes = number;
        else
            return NULL;
    }
    return adapter;
}

/* What is on the loop before clients are. */
static void
begin(skio_server *io)
{
    program.io = io;
    program.root = skio_of(io, "/");
    program.watch.schedstat = open("/proc/thread-self/schedstat", O_RDONLY);
    program.watch.timer = skio_timer_new(io, on_tick, &program.watch);
    program.joining = skio_timer_new(io, on_joining, NULL);
    if (program.watch.timer == NULL || program.joining == NULL)
        must_ok(SKIO_ENOMEM, "timers");
    must_ok(skio_watch_new(io, STDIN_FILENO, SKIO_READABLE, on_input, NULL,
                           &program.input),
            "standard input");
    must_ok(skio_on_connect(program.root, on_connect, NULL), "connect");
    must_ok(skio_on_disconnect(program.root, on_disconnect, NULL),
            "disconnect");
    must_ok(skio_on_server_event(program.root, "hello", on_hello, NULL),
            "hello");
    begin_tick(&program.watch);
}

static void
end(void)
{
    skio_watch_free(program.input);
    skio_timer_free(program.watch.timer);
    skio_timer_free(program.joining);
    if (program.watch.schedstat >= 0)
        close(program.watch.schedstat);
}

int
main(int argc, char **argv)
{
    static char name[] = "faults-server";
    long port = argc >= 2 ? program_port(argv[1]) : -1;
    skio_server_options options;
    skio_redis_options redis;
    const char *adapter;
    uint64_t from;
    skio_server *io;

    skio_server_options_init(&options);
    skio_redis_options_init(&redis);
    adapter = parse_options(argc - 2, argv + 2, &options, &redis);
    if (port < 0 || adapter == NULL) {
        fprintf(stderr, "usage: faults-server PORT --adapter NAME ...\n");
        return 2;
    }
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;
    options.max_rooms = 20000;
    redis.on_event = on_redis;

    must_ok(skio_server_new(&io, &options), "server");
    must_ok(member_join(io, adapter, &redis), adapter);
    must_ok(skio_listen(io, "127.0.0.1", (uint16_t)port), "listen");
    begin(io);
    must_ok(program_run(io), "run");
    from = now_us();
    end();
    skio_server_free(io);
    printf("freed in %llu us\n", (unsigned long long)(now_us() - from));
    return 0;
}
#else
int
main(void)
{
    fprintf(stderr, "faults-server: the library has no Redis\n");
    return 2;
}
#endif
