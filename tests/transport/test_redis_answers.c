/*
 * What a Redis may say, and should not: to subscriptions, counts, and questions
 * for slots
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/socketio.h>

#include "adapter/redis_hub.h"
#include "transport/redis_bench.h"
#include "transport/redis_fake.h"

static struct {
    struct bench *bench;
    struct fake fake;
    struct skio__redis *hub;
    skio_redis_event last;
    int ups;
    int downs;
    size_t messages;
    int counted;
    /* For the answers of the fake. */
    int left;          /* so many times */
    const char *reply; /* this */
    const char *to;    /* to commands that begin with this */
    const char *name;  /* and name this; NULL: any */
    size_t asked;      /* how often that came */
} t;

static void
on_event(skio_server *server, const skio_redis_event *event, void *user)
{
    (void)server;
    (void)user;
    t.last = *event;
    if (event->state == SKIO_REDIS_UP)
        t.ups++;
    else
        t.downs++;
}

static int
begin(void **state)
{
    memset(&t, 0, sizeof t);
    t.counted = -1000;
    t.left = 1000000;
    if (bench_begin(state) != 0)
        return -1;
    t.bench = *state;
    fake_start(&t.fake);
    t.bench->options.port = t.fake.port;
    t.bench->options.on_event = on_event;
    return 0;
}

static int
end(void **state)
{
    skio__redis_unref(t.hub);
    fake_stop(&t.fake);
    return bench_end(state);
}

static void
step(void)
{
    bench_step(t.bench);
    fake_step(&t.fake);
}

#define WAIT(condition)                                                        \
    do {                                                                       \
        uint64_t until_ = bench_now() + BENCH_PATIENCE_MS;                     \
        while (!(condition)) {                                                 \
            if (bench_now() > until_)                                          \
                fail_msg("line %d: waited in vain for %s; ups %d, downs %d",   \
                         __LINE__, #condition, t.ups, t.downs);                \
            step();                                                            \
        }                                                                      \
    } while (0)

static void
settle_for(uint64_t ms)
{
    uint64_t until = bench_now() + ms;

    while (bench_now() < until)
        step();
}

static bool
names(const char *const *words, size_t count, const char *name)
{
    size_t i;

    for (i = 1; i < count; i++) {
        if (strcmp(words[i], name) == 0)
            return true;
    }
    return false;
}

static bool
say_reply(struct fake *fake, struct fake_connection *connection,
          const char *const *words, size_t count)
{
    (void)fake;
    if (strcmp(words[0], t.to) != 0 ||
        (t.name != NULL && !names(words, count, t.name)))
        return false;
    t.asked++;
    if (t.left == 0)
        return false;
    t.left--;
    fake_say(connection, "%s", t.reply);
    return true;
}

static void
answer(const char *to, const char *name, const char *reply)
{
    t.to = to;
    t.name = name;
    t.reply = reply;
    t.fake.answer = say_reply;
}

static void
on_message(const char *channel, size_t channel_len, const void *data,
           size_t len, void *user)
{
    (void)channel;
    (void)channel_len;
    (void)data;
    (void)len;
    (void)user;
    t.messages++;
}

static void
hub_new(void)
{
    assert_int_equal(skio__redis_new(t.bench->server, &t.bench->options,
                                     &t.hub),
                     SKIO_OK);
}

static struct skio__redis_sub *
listen_to(enum skio__redis_kind kind, const char *name)
{
    struct skio__redis_sub *sub =
        skio__redis_subscribe(t.hub, kind, name, strlen(name), on_message,
                              NULL);

    assert_non_null(sub);
    return sub;
}

/* ---- Pushes ---- */

static void
a_push_that_is_none_ends_the_connection_and_nothing_else(void **state)
{
    static const char *const bad[] = {
        "+OK\r\n",
        ":1\r\n",
        "$1\r\na\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*1\r\n$7\r\nmessage\r\n",
        "*2\r\n$7\r\nmessage\r\n$1\r\na\r\n",
        "*3\r\n:7\r\n$1\r\na\r\n$1\r\nx\r\n",
        "*3\r\n$7\r\nmessage\r\n:1\r\n$1\r\nx\r\n",
        "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n:1\r\n",
        "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$-1\r\n",
        "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n*0\r\n",
        "*4\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n$1\r\ny\r\n",
        "*3\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\nx\r\n",
        "*4\r\n$8\r\npmessage\r\n$1\r\na\r\n:1\r\n$1\r\nx\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$7\r\nunasked\r\n:1\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$-1\r\n:1\r\n",
        "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n",
        "*4\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n:1\r\n",
        "*3\r\n$9\r\nwhatever!\r\n$1\r\na\r\n:1\r\n",
        "*3\r\n$9\r\nqsubscrib\r\n$1\r\na\r\n:1\r\n",
    };
    size_t i;

    (void)state;
    hub_new();
    listen_to(SKIO__REDIS_CHANNEL, "a");
    listen_to(SKIO__REDIS_PATTERN, "a");
    WAIT(t.ups == 1);
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        int ups = t.ups;

        fake_say(fake_subscriber(&t.fake), "%s", bad[i]);
        WAIT(t.downs == ups);
        assert_int_equal(t.last.err, SKIO_EPROTO);
        WAIT(t.ups == ups + 1);
    }
    assert_int_equal(t.messages, 0);
    fake_say(fake_subscriber(&t.fake),
             "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
    WAIT(t.messages == 1);
}

static void
what_concerns_nobody_is_ignored(void **state)
{
    struct fake_connection *connection;

    (void)state;
    hub_new();
    listen_to(SKIO__REDIS_CHANNEL, "a");
    WAIT(t.ups == 1);
    connection = fake_subscriber(&t.fake);
    fake_say(connection, "*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\nx\r\n");
    fake_say(connection, "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
    fake_say(connection,
             "*4\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\na\r\n$1\r\nx\r\n");
    fake_say(connection, "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n");
    fake_say(connection, "-ERR about nothing\r\n");
    fake_say(connection, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n");
    WAIT(t.messages == 1);
    settle_for(30);
    assert_int_equal(t.messages, 1);
    assert_int_equal(t.downs, 0);
}

static bool
say_nothing(struct fake *fake, struct fake_connection *connection,
            const char *const *words, size_t count)
{
    (void)fake;
    (void)connection;
    if (strcmp(words[0], "SUBSCRIBE") != 0)
        return false;
    t.asked += count - 1;
    return true;
}

static void
a_slow_redis_is_not_asked_for_all_at_once(void **state)
{
    char name[16];
    int i;

    (void)state;
    t.fake.answer = say_nothing;
    hub_new();
    for (i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "%d", i);
        listen_to(SKIO__REDIS_CHANNEL, name);
    }
    WAIT(t.asked == 1000);
    settle_for(50);
    assert_int_equal(t.asked, 1000);
    assert_int_equal(t.ups, 0);
}

static void
an_answer_with_another_name_ends_the_connection(void **state)
{
    static const char *const others[] = {"$1\r\na", "$3\r\nabx", "$4\r\nabcd",
                                         "$0\r\n"};
    char text[64];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof others / sizeof *others; i++) {
        t.ups = t.downs = 0;
        t.left = 1;
        snprintf(text, sizeof text, "*3\r\n$9\r\nsubscribe\r\n%s\r\n:1\r\n",
                 others[i]);
        answer("SUBSCRIBE", "abc", text);
        hub_new();
        listen_to(SKIO__REDIS_CHANNEL, "abc");
        WAIT(t.downs == 1);
        assert_int_equal(t.last.err, SKIO_EPROTO);
        WAIT(t.ups == 1);
        skio__redis_unref(t.hub);
        t.hub = NULL;
        settle_for(20);
    }
}

/* Somebody else may end a subscription: it is wanted, so it is made again. */
static void
a_subscription_that_is_taken_away_is_made_again(void **state)
{
    size_t before;

    (void)state;
    hub_new();
    listen_to(SKIO__REDIS_SHARD, "a");
    WAIT(t.ups == 1);
    before = t.fake.commands;
    fake_say(fake_subscriber(&t.fake),
             "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n");
    WAIT(t.fake.commands == before + 1);
    settle_for(30);
    assert_int_equal(t.fake.commands, before + 1);
    assert_int_equal(t.downs, 0);
}

/* ---- Errors ---- */

static void
an_error_that_passes_is_waited_for(void **state)
{
    (void)state;
    t.left = 2;
    answer("SUBSCRIBE", "a", "-LOADING Redis is loading\r\n");
    hub_new();
    listen_to(SKIO__REDIS_CHANNEL, "a");
    listen_to(SKIO__REDIS_PATTERN, "a");
    settle_for(100);
    assert_int_equal(t.ups, 0); /* not without this one */
    WAIT(t.ups == 1);
    assert_int_equal(t.asked, 3);
}

static void
one_refused_name_among_many_is_found(void **state)
{
    char name[16];
    uint64_t start;
    int i;

    (void)state;
    answer("SUBSCRIBE", "bad", "-NOPERM no\r\n");
    hub_new();
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "good%d", i);
        listen_to(SKIO__REDIS_CHANNEL, i == 50 ? "bad" : name);
    }
    WAIT(t.ups == 1);
    /* All at once, and each alone. */
    assert_int_equal(t.fake.commands, 1 + 100);
    assert_int_equal(t.asked, 2);
    start = bench_now();
    WAIT(t.asked == 4);
    assert_true(bench_now() - start >= 1500); /* once a second */
    t.left = 0;
    i = (int)t.asked;
    WAIT(t.asked == (size_t)i + 1);
    settle_for(1200);
    assert_int_equal(t.asked, i + 1);
    assert_int_equal(t.ups, 1);
    assert_int_equal(t.downs, 0);
}

static void
refusing_to_end_a_subscription_changes_nothing(void **state)
{
    struct skio__redis_sub *sub;

    (void)state;
    answer("UNSUBSCRIBE", NULL, "-NOPERM no\r\n");
    hub_new();
    sub = listen_to(SKIO__REDIS_CHANNEL, "a");
    WAIT(t.ups == 1);
    skio__redis_unsubscribe(sub);
    WAIT(t.asked == 1);
    settle_for(30);
    fake_say(fake_subscriber(&t.fake),
             "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
    settle_for(30);
    assert_int_equal(t.messages, 0);
    sub = listen_to(SKIO__REDIS_CHANNEL, "a");
    settle_for(30);
    skio__redis_unsubscribe(sub);
    WAIT(t.asked == 2);
    assert_int_equal(t.downs, 0);
}

/* ---- Counts ---- */

static void
on_counted(int err, size_t count, void *user)
{
    (void)user;
    t.counted = err == SKIO_OK ? (int)count : err;
}

static void
a_count_that_is_none_is_an_error(void **state)
{
    static const char *const bad[] = {
        "-NOPERM no\r\n",
        ":1\r\n",
        "*0\r\n",
        "*1\r\n:1\r\n",
        "*2\r\n$1\r\na\r\n$1\r\n1\r\n",
        "*2\r\n$1\r\na\r\n:-1\r\n",
        "*2\r\n$1\r\na\r\n:2147483648\r\n",
        "*3\r\n$1\r\na\r\n:1\r\n:1\r\n",
    };
    size_t i;

    (void)state;
    hub_new();
    WAIT(t.ups == 1);
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        answer("PUBSUB", NULL, bad[i]);
        t.counted = -1000;
        assert_int_equal(skio__redis_count(t.hub, SKIO__REDIS_CHANNEL, "a", 1,
                                           on_counted, NULL),
                         SKIO_OK);
        WAIT(t.counted != -1000);
        assert_int_equal(t.counted, SKIO_EPROTO);
    }
    answer("PUBSUB", NULL, "*2\r\n$1\r\na\r\n:2147483647\r\n");
    assert_int_equal(skio__redis_count(t.hub, SKIO__REDIS_SHARD, "a", 1,
                                       on_counted, NULL),
                     SKIO_OK);
    WAIT(t.counted == INT32_MAX);
    assert_int_equal(t.downs, 0);
}

/* ---- A Redis Cluster ---- */

/* CLUSTER SLOTS: all are here; SSUBSCRIBE and SPUBLISH: elsewhere, as long as
 * t.left is not 0. */
static bool
be_a_cluster(struct fake *fake, struct fake_connection *connection,
             const char *const *words, size_t count)
{
    if (strcmp(words[0], "CLUSTER") == 0) {
        fake_say(connection, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:%u\r\n",
                 (unsigned)fake->port);
        return true;
    }
    if (t.to == NULL || strcmp(words[0], t.to) != 0)
        return false;
    t.asked++;
    if (t.left == 0)
        return false;
    t.left--;
    assert_true(count > 1);
    fake_say(connection, "-MOVED %u :%u\r\n",
             (unsigned)skio__redis_slot(words[1], strlen(words[1])),
             (unsigned)fake->port);
    return true;
}

#define ALL "*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\na\r\n:1\r\n"

static void
unsound_slots_are_not_used(void **state)
{
    static const char twice[] = "*2\r\n" ALL ALL;
    static const char *const bad[] = {
        "-ERR This instance has cluster support disabled\r\n",
        "*0\r\n",
        ":1\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n?\r\n:1\r\n",
        twice,
    };
    size_t i;

    (void)state;
    t.bench->options.cluster = true;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        t.downs = 0;
        t.asked = 0;
        answer("CLUSTER", NULL, bad[i]);
        hub_new();
        WAIT(t.downs == 1);
        assert_int_equal(t.last.err, SKIO_EPROTO);
        settle_for(500);
        assert_int_equal(t.downs, 1);
        assert_true(t.asked >= 1 && t.asked <= 5);
        t.fake.answer = be_a_cluster;
        WAIT(t.ups == 1);
        t.ups = 0;
        skio__redis_unref(t.hub);
        t.hub = NULL;
        settle_for(20);
    }
}

static void
being_sent_around_in_circles_is_bounded(void **state)
{
    (void)state;
    t.bench->options.cluster = true;
    t.fake.answer = be_a_cluster;
    t.to = "SSUBSCRIBE";
    hub_new();
    listen_to(SKIO__REDIS_SHARD, "a");
    settle_for(1000);
    assert_int_equal(t.ups, 0);
    assert_true(t.asked > 5 && t.asked < 60);
    t.left = 0;
    WAIT(t.ups == 1);
    assert_int_equal(fake_subscriber(&t.fake) != NULL, true);
}

static void
a_command_follows_once(void **state)
{
    (void)state;
    t.bench->options.cluster = true;
    t.fake.answer = be_a_cluster;
    t.to = "SPUBLISH";
    hub_new();
    WAIT(t.ups == 1);
    assert_int_equal(skio__redis_publish(t.hub, SKIO__REDIS_SHARD, "a", 1, "x",
                                         1),
                     SKIO_OK);
    WAIT(t.asked == 2);
    settle_for(300);
    assert_int_equal(t.asked, 2);
    assert_int_equal(t.hub->dropped, 1);
    t.left = 1;
    assert_int_equal(skio__redis_publish(t.hub, SKIO__REDIS_SHARD, "a", 1, "x",
                                         1),
                     SKIO_OK);
    WAIT(t.asked == 4);
    settle_for(50);
    assert_int_equal(t.hub->dropped, 1);
}

static void
more_masters_than_the_limit_are_not_connected_to(void **state)
{
    static char slots[65536];
    int len =
        snprintf(slots, sizeof slots, "*%d\r\n", SKIO__REDIS_NODES_MAX + 100);
    int i;

    (void)state;
    for (i = 0; i < SKIO__REDIS_NODES_MAX + 100; i++)
        len += snprintf(slots + len, sizeof slots - (size_t)len,
                        "*3\r\n:%d\r\n:%d\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
                        i, i, i + 1);
    assert_true((size_t)len < sizeof slots - 1);
    t.bench->options.cluster = true;
    t.bench->options.reconnect_min_ms = 500;
    t.bench->options.reconnect_max_ms = 10000;
    answer("CLUSTER", NULL, slots);
    hub_new();
    WAIT(skio__map_count(&t.hub->nodes) > 0);
    settle_for(300);
    assert_int_equal(skio__map_count(&t.hub->nodes), SKIO__REDIS_NODES_MAX);
    assert_int_equal(t.ups, 0);
}

static void
a_cluster_survives_memory_that_runs_out_anywhere(void **state)
{
    struct test_alloc *alloc = &t.bench->alloc;
    size_t live = alloc->live;
    size_t n;

    (void)state;
    t.bench->options.cluster = true;
    t.fake.answer = be_a_cluster;
    for (n = 1; n < 2000; n++) {
        struct skio__redis_sub *sub;
        int err;

        t.ups = t.downs = 0;
        alloc->failed = 0;
        test_alloc_fail(alloc, n);
        err = skio__redis_new(t.bench->server, &t.bench->options, &t.hub);
        if (err != SKIO_OK) {
            assert_int_equal(err, SKIO_ENOMEM);
            assert_int_equal(alloc->live, live);
            t.hub = NULL;
            continue;
        }
        sub = skio__redis_subscribe(t.hub, SKIO__REDIS_SHARD, "a", 1,
                                    on_message, NULL);
        t.to = "SSUBSCRIBE";
        t.left = 1;
        WAIT(t.ups > 0);
        if (sub == NULL)
            sub = listen_to(SKIO__REDIS_SHARD, "a");
        t.to = "SPUBLISH";
        t.left = 1;
        err = skio__redis_publish(t.hub, SKIO__REDIS_SHARD, "a", 1, "x", 1);
        assert_true(err == SKIO_OK || err == SKIO_ENOMEM);
        settle_for(10);
        skio__redis_unsubscribe(sub);
        settle_for(5);
        skio__redis_unref(t.hub);
        t.hub = NULL;
        settle_for(5);
        if (alloc->failed == 0)
            break;
    }
    test_alloc_fail(alloc, 0);
    print_message("# %zu allocations failed\n", n - 1);
    assert_true(n > 20 && n < 2000);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_push_that_is_none_ends_the_connection_and_nothing_else),
        TEST(what_concerns_nobody_is_ignored),
        TEST(a_slow_redis_is_not_asked_for_all_at_once),
        TEST(an_answer_with_another_name_ends_the_connection),
        TEST(a_subscription_that_is_taken_away_is_made_again),
        TEST(an_error_that_passes_is_waited_for),
        TEST(one_refused_name_among_many_is_found),
        TEST(refusing_to_end_a_subscription_changes_nothing),
        TEST(a_count_that_is_none_is_an_error),
        TEST(unsound_slots_are_not_used),
        TEST(being_sent_around_in_circles_is_bounded),
        TEST(a_command_follows_once),
        TEST(more_masters_than_the_limit_are_not_connected_to),
        TEST(a_cluster_survives_memory_that_runs_out_anywhere),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
