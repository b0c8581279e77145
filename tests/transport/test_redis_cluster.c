/*
 * A Redis Cluster: channels at the masters that have their slots, also when
 * slots move and masters die
 */
#define _GNU_SOURCE /* kill */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/socketio.h>

#include "adapter/redis.h"
#include "adapter/redis_slots.h"
#include "transport/redis_bench.h"

#define NODES                                                                  \
    5             /* three masters with slots, a replica of the first, and a
                     master without slots */
#define MASTERS 3 /* that have slots */
#define REPLICA 3
#define SPARE 4
#define CHANNELS 60

static struct redis_process nodes[NODES];
static char ids[NODES][41];
static char ports[NODES][2][8];

struct side {
    struct skio__redis *hub;
    skio_redis_event last;
    int ups;
    int downs;
};

/* One that listens, another that publishes as well. */
static struct {
    struct bench *bench;
    struct side sides[2];
    size_t messages;
    char heard[64];
    int counted;
} t;

/* ---- The cluster ---- */

static const char *ask(int node, const char *format, ...) SKIO_PRINTF(2, 3);

static const char *
ask(int node, const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return redis_ask(&nodes[node], line);
}

static void
must(int node, const char *line)
{
    const char *answer = ask(node, "%s", line);

    if (strncmp(answer, "+OK", 3) != 0)
        fail_msg("%s: %s", line, answer);
}

static long
number(int node, const char *line)
{
    const char *at = strrchr(ask(node, "%s", line), ':');

    return at == NULL ? -1 : strtol(at + 1, NULL, 10);
}

static void
await_node(int node, const char *line, const char *part)
{
    uint64_t until = bench_now() + BENCH_PATIENCE_MS;

    while (strstr(ask(node, "%s", line), part) == NULL) {
        if (bench_now() > until)
            fail_msg("node %d: waited in vain for %s in %s", node, part, line);
        poll(NULL, 0, 10);
    }
}

static void
start_node(int i)
{
    const char *const arguments[] = {"--cluster-enabled",
                                     "yes",
                                     "--cluster-config-file",
                                     "nodes.conf",
                                     "--cluster-node-timeout",
                                     "500",
                                     "--cluster-replica-validity-factor",
                                     "0",
                                     "--cluster-require-full-coverage",
                                     "no",
                                     "--repl-diskless-sync-delay",
                                     "0",
                                     "--cluster-port",
                                     ports[i][1],
                                     "--cluster-announce-ip",
                                     "127.0.0.1",
                                     NULL};

    snprintf(ports[i][1], sizeof ports[i][1], "%u",
             (unsigned)bench_free_port());
    redis_start(&nodes[i], true, arguments);
    snprintf(ports[i][0], sizeof ports[i][0], "%u", (unsigned)nodes[i].port);
    must(i, "ACL SETUSER app on >secret ~* &* +@all");
}

static void
start_cluster(void)
{
    char line[128];
    int i;
    int k;

    for (i = 0; i < NODES; i++) {
        start_node(i);
        snprintf(line, sizeof line, "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
        must(i, line);
        /* "$40\r\n" and the id. */
        snprintf(ids[i], sizeof ids[i], "%.40s", ask(i, "CLUSTER MYID") + 5);
        if (i < MASTERS) {
            snprintf(line, sizeof line, "CLUSTER ADDSLOTSRANGE %d %d",
                     i * SKIO__REDIS_SLOTS / MASTERS,
                     (i + 1) * SKIO__REDIS_SLOTS / MASTERS - 1);
            must(i, line);
        }
    }
    for (i = 1; i < NODES; i++) {
        snprintf(line, sizeof line, "CLUSTER MEET 127.0.0.1 %s %s", ports[i][0],
                 ports[i][1]);
        must(0, line);
    }
    for (i = 0; i < NODES; i++) {
        for (k = 0; k < NODES; k++)
            await_node(i, "CLUSTER NODES", ids[k]);
        await_node(i, "CLUSTER INFO", "cluster_state:ok");
        await_node(i, "CLUSTER INFO", "cluster_slots_ok:16384");
    }
    snprintf(line, sizeof line, "CLUSTER REPLICATE %s", ids[0]);
    must(REPLICA, line);
    await_node(REPLICA, "INFO replication", "master_link_status:up");
    for (i = 0; i < NODES; i++)
        await_node(i, "CLUSTER NODES", "slave");
}

/* ---- The hubs ---- */

static void
on_event(skio_server *server, const skio_redis_event *event, void *user)
{
    struct side *side = user;

    (void)server;
    side->last = *event;
    if (event->state == SKIO_REDIS_UP)
        side->ups++;
    else
        side->downs++;
}

static int
begin(void **state)
{
    if (!redis_is_installed())
        return 0;
    memset(&t, 0, sizeof t);
    start_cluster();
    if (bench_begin(state) != 0)
        return -1;
    t.bench = *state;
    t.bench->options.cluster = true;
    t.bench->options.port = nodes[1].port;
    t.bench->options.user = "app";
    t.bench->options.password = "secret";
    t.bench->options.reconnect_min_ms = 50;
    t.bench->options.reconnect_max_ms = 500;
    return 0;
}

static int
end(void **state)
{
    int i;

    if (!redis_is_installed())
        return 0;
    for (i = 0; i < 2; i++)
        skio__redis_unref(t.sides[i].hub);
    for (i = 0; i < NODES; i++)
        redis_stop(&nodes[i]);
    return bench_end(state);
}

#define WAIT(condition) UNTIL(t.bench, condition)

static void
settle_for(uint64_t ms)
{
    uint64_t until = bench_now() + ms;

    while (bench_now() < until)
        bench_step(t.bench);
}

static void
hub_new(int i)
{
    t.bench->options.on_event = on_event;
    t.bench->options.on_event_user = &t.sides[i];
    assert_int_equal(skio__redis_new(t.bench->server, &t.bench->options,
                                     &t.sides[i].hub),
                     SKIO_OK);
}

static void
on_message(const char *channel, size_t channel_len, const void *data,
           size_t len, void *user)
{
    (void)user;
    assert_true(channel_len > 0 && channel != NULL);
    snprintf(t.heard, sizeof t.heard, "%.*s", (int)len, (const char *)data);
    t.messages++;
}

static struct skio__redis_sub *
listen_to(const char *name)
{
    struct skio__redis_sub *sub =
        skio__redis_subscribe(t.sides[0].hub, SKIO__REDIS_SHARD, name,
                              strlen(name), on_message, NULL);

    assert_non_null(sub);
    return sub;
}

static int
publish(int side, const char *channel, const char *text)
{
    return skio__redis_publish(t.sides[side].hub, SKIO__REDIS_SHARD, channel,
                               strlen(channel), text, strlen(text));
}

static void
on_counted(int err, size_t count, void *user)
{
    (void)user;
    t.counted = err == SKIO_OK ? (int)count : err;
}

static int
count(const char *channel)
{
    t.counted = -1000;
    assert_int_equal(skio__redis_count(t.sides[0].hub, SKIO__REDIS_SHARD,
                                       channel, strlen(channel), on_counted,
                                       NULL),
                     SKIO_OK);
    WAIT(t.counted != -1000);
    return t.counted;
}

static const char *
channel_of(int i)
{
    static char name[32];

    snprintf(name, sizeof name, "socket.io#/#room %d#", i);
    return name;
}

/* One with a slot of that master, as they were at first. */
static const char *
channel_at(int master)
{
    int i = 0;

    while (skio__redis_slot(channel_of(i), strlen(channel_of(i))) * MASTERS /
               SKIO__REDIS_SLOTS !=
           master)
        i++;
    return channel_of(i);
}

static long
shard_channels(int node)
{
    return strtol(ask(node, "PUBSUB SHARDCHANNELS") + 1, NULL, 10);
}

/* Each channel is heard exactly once. */
static void
hear_all(int publisher)
{
    int i;

    t.messages = 0;
    for (i = 0; i < CHANNELS; i++)
        assert_int_equal(publish(publisher, channel_of(i), "x"), SKIO_OK);
    WAIT(t.messages >= CHANNELS);
    settle_for(50);
    assert_int_equal(t.messages, CHANNELS);
}

static void
both_up(void)
{
    int i;

    for (i = 0; i < 2; i++)
        hub_new(i);
    for (i = 0; i < CHANNELS; i++)
        listen_to(channel_of(i));
    for (i = 0; i < 2; i++)
        WAIT(t.sides[i].ups == 1);
}

/*
 * Masters gossip about older moves, too, so that a slot that moves again at
 * once is at times nobody's, for good: all are told until they agree.
 */
static void
tell_all(unsigned slot, int owner)
{
    for (int i = 0; i < MASTERS; i++)
        ask(i, "CLUSTER SETSLOT %u NODE %s", slot, ids[owner]);
    ask(owner, "CLUSTER BUMPEPOCH");
}

static bool
begins_to_move(unsigned slot, int from, int to)
{
    if (strncmp(ask(from, "CLUSTER SETSLOT %u MIGRATING %s", slot, ids[to]),
                "+OK", 3) == 0)
        return true;
    tell_all(slot, from);
    return false;
}

/* As redis-cli --cluster does it, with a slot that has no keys. */
static void
move_slot(unsigned slot, int from, int to)
{
    char line[128];
    int i;

    snprintf(line, sizeof line, "CLUSTER SETSLOT %u IMPORTING %s", slot,
             ids[from]);
    must(to, line);
    WAIT(begins_to_move(slot, from, to));
    snprintf(line, sizeof line, "CLUSTER SETSLOT %u NODE %s", slot, ids[to]);
    must(to, line);
    must(from, line);
    for (i = 0; i < MASTERS; i++) {
        if (i != from && i != to)
            must(i, line);
    }
}

static bool
is_moved(unsigned slot, int to, const char *count_line)
{
    if (number(to, count_line) == 1)
        return true;
    tell_all(slot, to);
    return false;
}

/* ---- Tests ---- */

static void
channels_are_at_the_masters_of_their_slots(void **state)
{
    long total = 0;
    int i;

    (void)state;
    both_up();
    assert_int_equal(t.sides[0].downs, 0);
    assert_int_equal(t.sides[0].last.gap_ms, 0);
    for (i = 0; i < MASTERS; i++) {
        long here = shard_channels(i);

        assert_true(here > 0);
        total += here;
        assert_non_null(strstr(ask(i, "CLIENT LIST"), "user=app"));
    }
    assert_int_equal(total, CHANNELS);
    hear_all(0);
    hear_all(1);
    for (i = 0; i < 10; i++)
        assert_int_equal(count(channel_of(i)), 1);
    assert_int_equal(count("nobody"), 0);
    assert_int_equal(t.sides[0].last.dropped + t.sides[1].last.dropped, 0);
}

static void
braces_keep_channels_together(void **state)
{
    struct skio__redis_sub *sub;
    char name[32];
    int i;

    (void)state;
    hub_new(0);
    for (i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "{tag}%d", i);
        listen_to(name);
    }
    sub = listen_to("other{tag}");
    WAIT(t.sides[0].ups == 1);
    i = skio__redis_slot("tag", 3) * MASTERS / SKIO__REDIS_SLOTS;
    assert_int_equal(shard_channels(i), 31);
    assert_int_equal(publish(0, "{tag}7", "x"), SKIO_OK);
    WAIT(t.messages == 1);
    skio__redis_unsubscribe(sub);
    WAIT(shard_channels(i) == 30);
}

static void
a_slot_that_moves_takes_its_subscribers_along(void **state)
{
    char name[32];
    char line[64];
    unsigned slot;
    uint64_t start;
    int i;

    (void)state;
    both_up();
    snprintf(name, sizeof name, "%s", channel_at(0));
    slot = skio__redis_slot(name, strlen(name));
    snprintf(line, sizeof line, "PUBSUB SHARDNUMSUB \"%s\"", name);
    assert_int_equal(number(0, line), 1);

    move_slot(slot, 0, 1);
    start = bench_now();
    WAIT(number(1, line) == 1);
    print_message("# subscribed %d ms after the slot was moved\n",
                  (int)(bench_now() - start));
    assert_true(bench_now() - start < 1000);
    assert_int_equal(number(0, line), 0);
    /* The other side still believes the old one: it is told, and follows. */
    assert_int_equal(publish(1, name, "moved"), SKIO_OK);
    WAIT(t.messages == 1);
    assert_string_equal(t.heard, "moved");
    assert_int_equal(count(name), 1);

    /* There and back, many times. */
    for (i = 0; i < 10; i++) {
        move_slot(slot, i % 2 == 0 ? 1 : 0, i % 2 == 0 ? 0 : 1);
        WAIT(is_moved(slot, i % 2 == 0 ? 0 : 1, line));
    }
    /* By both, since each learns for itself where the slot is at last. */
    for (i = 0; i < 2; i++) {
        t.messages = 0;
        WAIT(publish(i, name, "x") == SKIO_OK && t.messages > 0);
    }
    settle_for(100);
    hear_all(0);
    hear_all(1);
    assert_int_equal(t.sides[0].downs + t.sides[1].downs, 0);
    assert_int_equal(t.sides[0].ups, 1);
}

/* The new owner was not known: its first connection is waited for. */
static void
a_slot_may_move_to_a_master_that_had_none(void **state)
{
    char name[32];
    char line[64];
    unsigned slot;

    (void)state;
    both_up();
    snprintf(name, sizeof name, "%s", channel_at(2));
    slot = skio__redis_slot(name, strlen(name));
    snprintf(line, sizeof line, "PUBSUB SHARDNUMSUB \"%s\"", name);
    move_slot(slot, 2, SPARE);
    assert_int_equal(publish(1, name, "one"), SKIO_OK);
    WAIT(number(SPARE, line) == 1);
    assert_int_equal(publish(1, name, "two"), SKIO_OK);
    WAIT(strcmp(t.heard, "two") == 0);
    hear_all(0);
    hear_all(1);
    assert_int_equal(t.sides[0].downs + t.sides[1].downs, 0);
}

/* The replica says when it is master; from then on a second is allowed. */
static void
await_failover(uint64_t *promoted, int ups)
{
    *promoted = 0;
    while (t.sides[0].ups < ups || t.sides[1].ups < ups) {
        if (*promoted == 0 && strstr(ask(REPLICA, "ROLE"), "master") != NULL)
            *promoted = bench_now();
        if (*promoted == 0)
            bench_step(t.bench);
        else
            WAIT(t.sides[0].ups == ups && t.sides[1].ups == ups);
    }
}

static void
a_master_that_dies_is_replaced(void **state)
{
    uint64_t promoted;
    uint64_t lost;
    long here;

    (void)state;
    both_up();
    here = shard_channels(0);
    redis_kill(&nodes[0]);
    lost = bench_now();
    WAIT(t.sides[0].downs == 1 && t.sides[1].downs == 1);
    assert_int_equal(t.sides[0].last.err, SKIO_ECLOSED);
    /* The other masters go on. */
    assert_int_equal(publish(1, channel_at(1), "others"), SKIO_OK);
    WAIT(strcmp(t.heard, "others") == 0);
    assert_int_equal(publish(1, channel_at(0), "lost"), SKIO_ECLOSED);

    await_failover(&promoted, 2);
    print_message("# promoted %d ms after its master was killed; subscribed "
                  "again %d ms later\n",
                  (int)(promoted - lost), (int)(bench_now() - promoted));
    assert_true(bench_now() - promoted < 1000);
    assert_int_equal(shard_channels(REPLICA), here);
    assert_true(t.sides[0].last.gap_ms >= promoted - lost);
    assert_int_equal(t.sides[1].last.gap_ms, 0); /* it does not listen */
    assert_int_equal(t.sides[1].last.dropped, 1);
    hear_all(0);
    hear_all(1);
    assert_int_equal(count(channel_at(0)), 1);
    assert_int_equal(t.sides[0].downs, 1);
}

/* Its connections stand: others must be asked who has its slots now. */
static void
a_master_that_hangs_is_replaced(void **state)
{
    uint64_t promoted;
    long here;

    (void)state;
    t.bench->options.ping_interval_ms = 100;
    t.bench->options.command_timeout_ms = 1000;
    both_up();
    here = shard_channels(0);
    assert_int_equal(kill(nodes[0].pid, SIGSTOP), 0);
    await_failover(&promoted, 2);
    print_message("# subscribed again %d ms after the promotion\n",
                  (int)(bench_now() - promoted));
    assert_int_equal(shard_channels(REPLICA), here);
    assert_int_equal(t.sides[0].last.state, SKIO_REDIS_UP);
    assert_true(t.sides[0].last.gap_ms >= 400);
    hear_all(0);
    hear_all(1);

    /* It comes back as a replica, and says nothing twice. */
    assert_int_equal(kill(nodes[0].pid, SIGCONT), 0);
    await_node(0, "INFO replication", "role:slave");
    settle_for(300);
    hear_all(0);
    hear_all(1);
}

static void
the_node_of_the_options_need_not_stay(void **state)
{
    (void)state;
    t.bench->options.port = nodes[0].port;
    both_up();
    redis_kill(&nodes[0]);
    WAIT(t.sides[0].ups == 2 && t.sides[1].ups == 2);
    hear_all(1);
}

static void
a_wrong_password_is_told(void **state)
{
    (void)state;
    t.bench->options.password = "wrong";
    hub_new(0);
    WAIT(t.sides[0].downs == 1);
    assert_int_equal(t.sides[0].last.err, SKIO_EACCES);
    assert_int_equal(publish(0, "a", "x"), SKIO_ECLOSED);
}

static void
a_redis_that_is_no_cluster_is_told(void **state)
{
    struct redis_process single;

    (void)state;
    redis_start(&single, true, NULL);
    t.bench->options.port = single.port;
    t.bench->options.user = NULL;
    t.bench->options.password = NULL;
    hub_new(0);
    WAIT(t.sides[0].downs == 1);
    assert_int_equal(t.sides[0].last.err, SKIO_EPROTO);
    settle_for(500);
    assert_int_equal(t.sides[0].downs, 1);
    redis_stop(&single);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(channels_are_at_the_masters_of_their_slots),
        TEST(braces_keep_channels_together),
        TEST(a_slot_that_moves_takes_its_subscribers_along),
        TEST(a_slot_may_move_to_a_master_that_had_none),
        TEST(a_master_that_dies_is_replaced),
        TEST(a_master_that_hangs_is_replaced),
        TEST(the_node_of_the_options_need_not_stay),
        TEST(a_wrong_password_is_told),
        TEST(a_redis_that_is_no_cluster_is_told),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!redis_is_installed()) {
        print_message("1..0 # SKIP redis-server is not installed\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
