/*
 * The link to Redis, with redis-server: what is asked and pushed, and all the
 * ways in which it goes away and comes back
 */
#define _GNU_SOURCE /* kill */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "transport/redis_bench.h"

static struct redis_process redis;
static struct redis_process other;
static struct redis_process sentinel;

static int
begin(void **state)
{
    memset(&redis, 0, sizeof redis);
    memset(&other, 0, sizeof other);
    memset(&sentinel, 0, sizeof sentinel);
    return bench_begin(state);
}

static int
end(void **state)
{
    int result = bench_end(state);

    redis_stop(&redis);
    redis_stop(&other);
    redis_stop(&sentinel);
    return result;
}

#define NEED_REDIS()                                                           \
    do {                                                                       \
        if (!redis_is_installed())                                             \
            skip();                                                            \
    } while (0)

static void
step_for(struct bench *bench, uint64_t ms)
{
    uint64_t until = bench_now() + ms;

    while (bench_now() < until)
        bench_step(bench);
}

static void
link_to(struct bench *bench, struct redis_process *process, bool subscribes)
{
    if (process->port != 0)
        bench->options.port = process->port;
    else
        bench->options.unix_path = process->path;
    bench_link(bench, subscribes);
    assert_non_null(bench->link);
    UNTIL(bench, bench->ups == 1);
    bench_forget(bench);
}

/* ---- Commands ---- */

static void
commands_and_large_values_pass_unchanged(void **state)
{
    struct bench *bench = *state;
    size_t size = (size_t)15 << 20;
    char *text;
    skio_bytes argv[] = {{"SET", 3}, {"large", 5}, {NULL, 0}};

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    link_to(bench, &redis, false);
    assert_int_equal(bench_send(bench, "SET", "a", "1", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "INCR", "a", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "LPUSH", "a", "x", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "MGET", "a", "b", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "nil]"));
    assert_string_equal(
        bench->said,
        "reply +OK\nreply :2\nreply -WRONGTYPE Operation against a key "
        "holding the wrong kind of value\nreply *[$2 nil]\n");

    text = malloc(size);
    assert_non_null(text);
    memset(text, 'a', size);
    argv[2] = (skio_bytes){text, size};
    bench_forget(bench);
    assert_int_equal(bench_send_bytes(bench, argv, 3), SKIO_OK);
    assert_int_equal(bench_send(bench, "STRLEN", "large", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, ":15728640"));
    bench_forget(bench);
    assert_int_equal(bench_send(bench, "GETRANGE", "large", "0", "-1", NULL),
                     SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "reply $aaaa"));
    assert_int_equal(bench->downs, 0);
    free(text);
}

static void
answer_beyond_the_limit_costs_that_connection_only(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    bench->options.max_message_bytes = 65536;
    link_to(bench, &redis, false);
    assert_int_equal(bench_send(bench, "SETRANGE", "a", "65535", "x", NULL),
                     SKIO_OK);
    assert_int_equal(bench_send(bench, "GET", "a", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "reply $"));
    bench_forget(bench);
    assert_int_equal(bench_send(bench, "APPEND", "a", "x", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "GET", "a", NULL), SKIO_OK);
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_ELIMIT);
    assert_string_equal(bench->said, "reply :65537\nlost\ndown\n");
    UNTIL(bench, bench->ups == 2);
}

static void
unix_socket_and_database_are_those_of_the_options(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, false, NULL);
    bench->options.database = 7;
    link_to(bench, &redis, false);
    assert_int_equal(bench_send(bench, "SET", "a", "1", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "+OK"));
    assert_non_null(strstr(redis_ask(&redis, "INFO keyspace"), "db7:keys=1"));
}

static void
database_that_does_not_exist_is_told(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, false, NULL);
    bench->options.database = 16;
    bench->options.unix_path = redis.path;
    bench_link(bench, false);
    UNTIL(bench, bench->downs == 2);
    assert_int_equal(bench->down_err, SKIO_EINVAL);
    assert_non_null(strstr(bench->down_text, "DB index is out of range"));
}

static void
users_and_passwords_are_checked_by_redis(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, false, NULL);
    redis_ask(&redis, "ACL SETUSER ann on >secret ~* &* +@all");
    redis_ask(&redis, "ACL SETUSER bob on >word ~* &* -@all +get");
    redis_ask(&redis, "ACL SETUSER default off");
    bench->options.unix_path = redis.path;
    bench_link(bench, false);
    UNTIL(bench, bench->downs > 0 && bench->down_err == SKIO_EACCES);
    assert_non_null(strstr(bench->down_text, "NOAUTH"));
    bench_unlink(bench);

    bench->options.user = "ann";
    bench->options.password = "wrong";
    bench->downs = 0;
    bench_link(bench, false);
    UNTIL(bench, bench->downs == 2);
    assert_int_equal(bench->down_err, SKIO_EACCES);
    assert_non_null(strstr(bench->down_text, "WRONGPASS"));
    bench_unlink(bench);

    bench->options.password = "secret";
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 1);
    bench_forget(bench);
    assert_int_equal(bench_send(bench, "ACL", "WHOAMI", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "$ann"));
    bench_unlink(bench);

    /* One who may do nothing but GET, not even PING. */
    bench->options.user = "bob";
    bench->options.password = "word";
    bench->options.ping_interval_ms = 20;
    bench->downs = 0;
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 2);
    bench_forget(bench);
    step_for(bench, 100);
    assert_int_equal(bench_send(bench, "GET", "a", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "SET", "a", "b", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "reply -NOPERM"));
    assert_true(bench_has_said(bench, "reply nil\n"));
    assert_int_equal(bench->downs, 0);
}

/* ---- Subscriptions ---- */

static void
subscribe(struct bench *bench, const char *command, const char *channel)
{
    const skio_bytes argv[] = {{command, strlen(command)},
                               {channel, strlen(channel)}};

    assert_int_equal(skio__redis_link_send(bench->link, argv, 2, NULL, NULL),
                     SKIO_OK);
}

static void
messages_of_channels_patterns_and_shards_arrive(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    bench->options.ping_interval_ms = 20;
    link_to(bench, &redis, true);
    subscribe(bench, "SUBSCRIBE", "a");
    subscribe(bench, "PSUBSCRIBE", "b*");
    subscribe(bench, "SSUBSCRIBE", "c");
    UNTIL(bench, bench_has_said(bench, "ssubscribe $c :1]"));
    assert_string_equal(bench->said, "push *[$subscribe $a :1]\n"
                                     "push *[$psubscribe $b* :2]\n"
                                     "push *[$ssubscribe $c :1]\n");
    step_for(bench, 70); /* its PINGs are nobody's business */
    bench_forget(bench);
    redis_ask(&redis, "PUBLISH a hello");
    redis_ask(&redis, "PUBLISH bcd there");
    redis_ask(&redis, "SPUBLISH c again");
    UNTIL(bench, bench_has_said(bench, "again"));
    assert_string_equal(bench->said, "push *[$message $a $hello]\n"
                                     "push *[$pmessage $b* $bcd $there]\n"
                                     "push *[$smessage $c $again]\n");
    bench_forget(bench);
    subscribe(bench, "UNSUBSCRIBE", "a");
    subscribe(bench, "PUNSUBSCRIBE", "b*");
    subscribe(bench, "SUNSUBSCRIBE", "c");
    UNTIL(bench, bench_has_said(bench, "sunsubscribe $c :0]"));
    bench_forget(bench);
    step_for(bench, 70); /* answered in another way now */
    assert_string_equal(bench->said, "");
    assert_int_equal(bench->downs, 0);
}

/* Of this thread alone: the machine may be doing something else. */
static uint64_t
busy_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* A connection to write inline commands to. */
static FILE *
connect_to(const struct redis_process *server)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    FILE *file;

    assert_true(fd >= 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", server->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    file = fdopen(fd, "w");
    assert_non_null(file);
    return file;
}

static void
flood_of_messages_leaves_the_loop_its_turns(void **state)
{
    struct bench *bench = *state;
    const size_t count = 20000;
    uint64_t longest = 0;
    FILE *flood;

    NEED_REDIS();
    redis_start(&redis, false, NULL);
    link_to(bench, &redis, true);
    subscribe(bench, "SUBSCRIBE", "a");
    UNTIL(bench, bench_has_said(bench, "$subscribe"));
    bench_forget(bench);
    flood = connect_to(&redis);
    for (size_t i = 0; i < count; i++)
        fprintf(flood, "PUBLISH a %0100zu\r\n", i);
    fprintf(flood, "PUBLISH a end\r\n");
    assert_int_equal(fflush(flood), 0);
    while (!bench_has_said(bench, "$end]")) {
        uint64_t start = busy_ms();

        bench_step(bench);
        if (busy_ms() - start > longest)
            longest = busy_ms() - start;
        if (bench->said_len > 60000)
            bench_forget(bench);
    }
    fclose(flood);
    assert_true(longest < 15 * BENCH_SLOWER);
    assert_int_equal(bench->downs, 0);
}

static void
slow_subscriber_that_redis_drops_comes_back(void **state)
{
    static const char *const limit[] = {"--client-output-buffer-limit",
                                        "pubsub 200kb 0 0", NULL};
    struct bench *bench = *state;
    char line[50100];

    NEED_REDIS();
    redis_start(&redis, false, limit);
    link_to(bench, &redis, true);
    subscribe(bench, "SUBSCRIBE", "a");
    UNTIL(bench, bench_has_said(bench, "$subscribe"));
    snprintf(line, sizeof line, "PUBLISH a %050000d", 1);
    for (int i = 0; i < 400; i++) /* and nobody reads */
        if (strncmp(redis_ask(&redis, line), ":0", 2) == 0)
            break;
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_ECLOSED);
    UNTIL(bench, bench->ups == 2);
}

/* ---- Going away, and coming back ---- */

static void
redis_that_is_killed_is_found_again_within_a_second(void **state)
{
    struct bench *bench = *state;
    uint64_t start;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    bench->options.reconnect_min_ms = 50; /* the defaults */
    bench->options.reconnect_max_ms = 500;
    link_to(bench, &redis, false);
    assert_int_equal(bench_send(bench, "BLPOP", "nothing", "0", NULL), SKIO_OK);
    step_for(bench, 50);
    redis_kill(&redis);
    UNTIL(bench, bench->downs >= 1);
    assert_int_equal(bench->down_err, SKIO_ECLOSED);
    assert_string_equal(bench->said, "lost\ndown\n");
    UNTIL(bench, bench->downs >= 6); /* it is away for a while */
    assert_int_equal(bench->down_err, SKIO_EIO);
    redis_restart(&redis, NULL);
    start = bench_now();
    UNTIL(bench, bench->ups == 2);
    assert_true(bench_now() - start < 1000);
}

static void
frozen_redis_is_noticed_and_found_again(void **state)
{
    struct bench *bench = *state;
    uint64_t start;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    bench->options.ping_interval_ms = 50;
    bench->options.command_timeout_ms = 150;
    bench->options.connect_timeout_ms = 150;
    link_to(bench, &redis, false);
    kill(redis.pid, SIGSTOP);
    start = bench_now();
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
    assert_true(bench_now() - start >= 140);
    UNTIL(bench, bench->downs == 3);
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
    assert_int_equal(bench->ups, 1);
    kill(redis.pid, SIGCONT);
    UNTIL(bench, bench->ups == 2);
    bench_forget(bench);
    assert_int_equal(bench_send(bench, "ECHO", "hi", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "reply $hi"));
}

static void
what_was_sent_is_read_before_the_end(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    link_to(bench, &redis, false);
    bench_say_farewell(bench, 10000);
    assert_non_null(strstr(redis_ask(&redis, "LLEN said"), ":10000\r\n"));
}

static void
redis_that_hangs_does_not_hold_the_end_up(void **state)
{
    struct bench *bench = *state;
    uint64_t start;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    link_to(bench, &redis, false);
    kill(redis.pid, SIGSTOP);
    start = bench_now();
    bench_say_farewell(bench, 10000);
    assert_true(bench_now() - start < 1500 * BENCH_SLOWER);
    kill(redis.pid, SIGCONT);
}

static void
busy_redis_that_answers_late_is_waited_for(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    bench->options.ping_interval_ms = 50;
    bench->options.command_timeout_ms = 5000;
    link_to(bench, &redis, false);
    kill(redis.pid, SIGSTOP);
    assert_int_equal(bench_send(bench, "ECHO", "hi", NULL), SKIO_OK);
    step_for(bench, 300);
    kill(redis.pid, SIGCONT);
    UNTIL(bench, bench_has_said(bench, "reply $hi"));
    assert_int_equal(bench->downs, 0);
}

static void
killed_client_comes_back(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    link_to(bench, &redis, false);
    redis_ask(&redis, "CLIENT KILL TYPE normal SKIPME yes");
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_ECLOSED);
    UNTIL(bench, bench->ups == 2);
    assert_int_equal(bench->downs, 1);
}

static void
name_is_resolved_and_all_its_addresses_are_tried(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    /* It listens at 127.0.0.1 alone, and localhost may be ::1 first. */
    redis_start(&redis, true, NULL);
    bench->options.host = "localhost";
    link_to(bench, &redis, false);
    assert_int_equal(bench->downs, 0);
}

static void
master_that_becomes_a_replica_is_left(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    link_to(bench, &redis, false);
    redis_ask(&redis, "REPLICAOF 127.0.0.1 1");
    redis_ask(&redis, "CONFIG SET replica-serve-stale-data yes");
    assert_int_equal(bench_send(bench, "SET", "a", "1", NULL), SKIO_OK);
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_EBUSY);
    assert_true(bench_has_said(bench, "reply -READONLY"));
    redis_ask(&redis, "REPLICAOF NO ONE");
    UNTIL(bench, bench->ups >= 2);
}

/* ---- Sentinels ---- */

static void
start_sentinel(uint16_t master_port)
{
    char path[128];
    const char *const arguments[] = {path, "--sentinel", NULL};
    FILE *file;

    redis_prepare(&sentinel, true);
    snprintf(path, sizeof path, "%s/sentinel.conf", sentinel.folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "port %u\nbind 127.0.0.1\nunixsocket %s\ndir %s\n"
            "logfile redis.log\nrequirepass watch\n"
            "sentinel monitor skio 127.0.0.1 %u 1\n"
            "sentinel down-after-milliseconds skio 300\n"
            "sentinel failover-timeout skio 2000\n",
            (unsigned)sentinel.port, sentinel.path, sentinel.folder,
            (unsigned)master_port);
    fclose(file);
    redis_restart(&sentinel, arguments);
}

static void
sentinels_lead_to_the_master_and_to_the_next_one(void **state)
{
    struct bench *bench = *state;
    char replica_of[32];
    const char *const arguments[] = {"--replicaof", replica_of, NULL};
    char sentinels[128];
    char port[16];
    struct redis_process *master = &redis;
    struct redis_process *replica = &other;
    uint64_t start;

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    snprintf(replica_of, sizeof replica_of, "127.0.0.1 %u",
             (unsigned)redis.port);
    redis_start(&other, true, arguments);
    start_sentinel(redis.port);
    /* The sentinel has to know the replica before it can promote it. */
    start = bench_now();
    while (strstr(redis_ask(&sentinel, "AUTH watch\r\nSENTINEL masters"),
                  "num-slaves\r\n$1\r\n1") == NULL) {
        assert_true(bench_now() - start < 30000);
        step_for(bench, 100);
    }

    /* The first of the list is not there, the second one is no sentinel. */
    snprintf(sentinels, sizeof sentinels,
             "127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u",
             (unsigned)bench_free_port(), (unsigned)other.port,
             (unsigned)sentinel.port);
    bench->options.sentinels = sentinels;
    bench->options.sentinel_master = "skio";
    bench->options.sentinel_password = "watch";
    bench->options.port = 1; /* not to be used */
    bench->options.ping_interval_ms = 100;
    bench->options.command_timeout_ms = 300;
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 1);
    assert_int_equal(bench->downs, 0);
    bench_forget(bench);
    assert_int_equal(bench_send(bench, "CONFIG", "GET", "port", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "reply *[$port"));

    /* On a machine that pauses, the sentinel may have chosen another one. */
    snprintf(port, sizeof port, "%u", (unsigned)other.port);
    if (bench_has_said(bench, port)) {
        master = &other;
        replica = &redis;
    }
    redis_kill(master);
    UNTIL(bench, bench->downs >= 1);
    start = bench_now();
    while (bench->ups < 2) {
        assert_true(bench_now() - start < 30000);
        bench_step(bench);
    }
    bench_forget(bench);
    assert_int_equal(bench_send(bench, "SET", "a", "1", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "reply +OK"));
    assert_non_null(strstr(redis_ask(replica, "ROLE"), "master"));
    assert_non_null(strstr(redis_ask(replica, "GET a"), "1"));
}

static void
sentinel_without_that_master_is_told(void **state)
{
    struct bench *bench = *state;
    char sentinels[64];

    NEED_REDIS();
    redis_start(&redis, true, NULL);
    start_sentinel(redis.port);
    snprintf(sentinels, sizeof sentinels, "127.0.0.1:%u",
             (unsigned)sentinel.port);
    bench->options.sentinels = sentinels;
    bench->options.sentinel_password = "watch";
    bench_link(bench, false); /* of the name "mymaster" */
    UNTIL(bench, bench->downs == 2);
    assert_int_equal(bench->down_err, SKIO_ENOENT);
    assert_non_null(strstr(bench->down_text, "no master"));
    bench_unlink(bench);

    bench->options.sentinel_master = "skio";
    bench->options.sentinel_password = "wrong";
    bench->downs = 0;
    bench_link(bench, false);
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_EACCES);
    assert_int_equal(bench->ups, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(commands_and_large_values_pass_unchanged),
        TEST(answer_beyond_the_limit_costs_that_connection_only),
        TEST(unix_socket_and_database_are_those_of_the_options),
        TEST(database_that_does_not_exist_is_told),
        TEST(users_and_passwords_are_checked_by_redis),
        TEST(messages_of_channels_patterns_and_shards_arrive),
        TEST(flood_of_messages_leaves_the_loop_its_turns),
        TEST(slow_subscriber_that_redis_drops_comes_back),
        TEST(redis_that_is_killed_is_found_again_within_a_second),
        TEST(frozen_redis_is_noticed_and_found_again),
        TEST(what_was_sent_is_read_before_the_end),
        TEST(redis_that_hangs_does_not_hold_the_end_up),
        TEST(busy_redis_that_answers_late_is_waited_for),
        TEST(killed_client_comes_back),
        TEST(name_is_resolved_and_all_its_addresses_are_tried),
        TEST(master_that_becomes_a_replica_is_left),
        TEST(sentinels_lead_to_the_master_and_to_the_next_one),
        TEST(sentinel_without_that_master_is_told),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
