/*
 * What a server has with Redis, at a real one: subscriptions and their renewal,
 * publishing, counting, and what the application is told
 */
#define _GNU_SOURCE /* kill, clock_gettime */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <socketio/socketio.h>

#include "adapter/redis.h"
#include "transport/redis_bench.h"

#define MANY 10000
/* Of the loop's thread, for one turn; sanitizers take their time. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TURN_MS 25.0
#else
#define TURN_MS 5.0
#endif

static struct redis_process redis;

/* What a test has beside the bench. */
static struct {
    struct bench *bench;
    struct skio__redis *hub;
    skio_redis_event last;
    int ups;
    int downs;
    int watched;    /* what the watcher was told last */
    bool is_inside; /* of a call of ours: nothing may be told now */
    char heard[4096];
    size_t messages;
    double longest; /* turn of the loop, in milliseconds of its thread */
    struct skio__redis_sub *sub; /* for callbacks */
    struct skio__redis_sub *other;
    int counted; /* -1000: not yet */
} t;

/* ---- The hub ---- */

static void
on_event(skio_server *server, const skio_redis_event *event, void *user)
{
    assert_ptr_equal(server, t.bench->server);
    assert_ptr_equal(user, &t);
    assert_false(t.is_inside);
    assert_non_null(event->text);
    t.last = *event;
    t.last.text = NULL;
    if (event->state == SKIO_REDIS_UP)
        t.ups++;
    else
        t.downs++;
}

static void
on_state(bool is_up, void *user)
{
    assert_ptr_equal(user, &t);
    assert_false(t.is_inside);
    t.watched = is_up;
}

static int
hub_new(void)
{
    skio_redis_options *options = &t.bench->options;
    int err;

    if (options->unix_path == NULL && options->port == 6379)
        options->unix_path = redis.path;
    options->on_event = on_event;
    options->on_event_user = &t;
    t.is_inside = true;
    err = skio__redis_new(t.bench->server, options, &t.hub);
    if (err == SKIO_OK) {
        err = skio__redis_watch(t.hub, on_state, &t);
        if (err != SKIO_OK) {
            skio__redis_unref(t.hub);
            t.hub = NULL;
        }
    }
    t.is_inside = false;
    return err;
}

static int
begin(void **state)
{
    if (!redis_is_installed())
        return 0;
    memset(&t, 0, sizeof t);
    t.watched = -1;
    t.counted = -1000;
    redis_start(&redis, false, NULL);
    if (bench_begin(state) != 0)
        return -1;
    t.bench = *state;
    return 0;
}

static int
end(void **state)
{
    if (!redis_is_installed())
        return 0;
    skio__redis_unref(t.hub);
    t.hub = NULL;
    redis_stop(&redis);
    return bench_end(state);
}

static void
step(void)
{
    struct timespec before;
    struct timespec after;
    double ms;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    bench_step(t.bench);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
         (double)(after.tv_nsec - before.tv_nsec) / 1e6;
    if (ms > t.longest)
        t.longest = ms;
}

#define WAIT(condition)                                                        \
    do {                                                                       \
        uint64_t until_ = bench_now() + BENCH_PATIENCE_MS;                     \
        while (!(condition)) {                                                 \
            if (bench_now() > until_)                                          \
                fail_msg("line %d: waited in vain for %s; ups %d, downs %d, "  \
                         "heard: %s",                                          \
                         __LINE__, #condition, t.ups, t.downs, t.heard);       \
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

static void
hub_up(void)
{
    if (t.hub == NULL)
        assert_int_equal(hub_new(), SKIO_OK);
    WAIT(t.ups > 0);
    assert_int_equal(t.last.state, SKIO_REDIS_UP);
}

static void
on_message(const char *channel, size_t channel_len, const void *data,
           size_t len, void *user)
{
    size_t used = strlen(t.heard);

    t.messages++;
    snprintf(t.heard + used, sizeof t.heard - used, "%s%.*s=%.*s ",
             (const char *)user, (int)channel_len, channel, (int)len,
             (const char *)data);
}

static struct skio__redis_sub *
listen_to(enum skio__redis_kind kind, const char *name, const char *mark)
{
    struct skio__redis_sub *sub;

    t.is_inside = true;
    sub = skio__redis_subscribe(t.hub, kind, name, strlen(name), on_message,
                                (void *)(uintptr_t)mark);
    t.is_inside = false;
    return sub;
}

static int
publish(enum skio__redis_kind kind, const char *channel, const char *text)
{
    int err;

    t.is_inside = true;
    err = skio__redis_publish(t.hub, kind, channel, strlen(channel), text,
                              strlen(text));
    t.is_inside = false;
    return err;
}

static bool
has_heard(const char *text)
{
    return strstr(t.heard, text) != NULL;
}

static void
forget(void)
{
    t.heard[0] = '\0';
    t.messages = 0;
}

/* The first integer of what Redis answers. */
static long
redis_number(const char *line)
{
    const char *answer = redis_ask(&redis, line);
    const char *at = strrchr(answer, ':');

    return at == NULL ? -1 : strtol(at + 1, NULL, 10);
}

static void
on_counted(int err, size_t count, void *user)
{
    assert_ptr_equal(user, &t);
    assert_false(t.is_inside);
    t.counted = err == SKIO_OK ? (int)count : err;
}

static int
count(enum skio__redis_kind kind, const char *channel)
{
    int err;

    t.counted = -1000;
    t.is_inside = true;
    err = skio__redis_count(t.hub, kind, channel, strlen(channel), on_counted,
                            &t);
    t.is_inside = false;
    return err;
}

static bool
is_empty(const char *line)
{
    return strncmp(redis_ask(&redis, line), "*0\r\n", 4) == 0;
}

/* ---- Messages ---- */

static void
messages_reach_channels_patterns_and_shards(void **state)
{
    (void)state;
    assert_int_equal(hub_new(), SKIO_OK);
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "one", "c:"));
    assert_non_null(listen_to(SKIO__REDIS_PATTERN, "o*", "p:"));
    assert_non_null(listen_to(SKIO__REDIS_SHARD, "one", "s:"));
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "one", "again:"));
    hub_up();
    assert_int_equal(t.downs, 0);
    assert_int_equal(t.last.gap_ms, 0);
    assert_int_equal(t.last.dropped, 0);
    assert_int_equal(t.watched, true);
    assert_true(skio__redis_is_up(t.hub));
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "one", "x"), SKIO_OK);
    assert_int_equal(publish(SKIO__REDIS_SHARD, "one", "y"), SKIO_OK);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "none", "z"), SKIO_OK);
    WAIT(t.messages == 4);
    settle_for(50);
    assert_int_equal(t.messages, 4);
    assert_true(has_heard("c:one=x again:one=x "));
    assert_true(has_heard("p:one=x "));
    assert_true(has_heard("s:one=y "));
}

static void
binary_and_empty_names_and_messages_are_carried(void **state)
{
    static const char name[] = {'a', '\0', '\r', '\n', '*'};
    struct skio__redis_sub *empty;

    (void)state;
    hub_up();
    assert_non_null(skio__redis_subscribe(t.hub, SKIO__REDIS_CHANNEL, name,
                                          sizeof name, on_message, ""));
    empty = skio__redis_subscribe(t.hub, SKIO__REDIS_CHANNEL, NULL, 0,
                                  on_message, "empty");
    assert_non_null(empty);
    WAIT(redis_number("PUBSUB NUMSUB \"\"") == 1 &&
         strstr(redis_ask(&redis, "PUBSUB CHANNELS"), "*2\r\n") != NULL);
    assert_int_equal(skio__redis_publish(t.hub, SKIO__REDIS_CHANNEL, name,
                                         sizeof name, NULL, 0),
                     SKIO_OK);
    assert_int_equal(skio__redis_publish(t.hub, SKIO__REDIS_CHANNEL, NULL, 0,
                                         "e", 1),
                     SKIO_OK);
    WAIT(t.messages == 2);
    assert_true(has_heard("empty=e "));
    skio__redis_unsubscribe(empty);
    WAIT(redis_number("PUBSUB NUMSUB \"\"") == 0);
}

static void
subscribing_and_ending_it_in_one_turn_leaves_what_was_wanted_last(void **state)
{
    struct skio__redis_sub *sub;
    int i;

    (void)state;
    hub_up();
    for (i = 0; i < 5; i++) {
        sub = listen_to(SKIO__REDIS_CHANNEL, "on", "");
        skio__redis_unsubscribe(sub);
    }
    sub = listen_to(SKIO__REDIS_CHANNEL, "on", "");
    for (i = 0; i < 5; i++)
        skio__redis_unsubscribe(listen_to(SKIO__REDIS_CHANNEL, "off", ""));
    WAIT(redis_number("PUBSUB NUMSUB on") == 1);
    assert_int_equal(redis_number("PUBSUB NUMSUB off"), 0);
    skio__redis_unsubscribe(NULL);
    skio__redis_unsubscribe(sub);
    WAIT(redis_number("PUBSUB NUMSUB on") == 0);
}

/* Turns of the loop fall between the calls at random, so that answers are
 * under way in all ways. */
static void
what_holds_after_any_changes_is_what_was_wanted(void **state)
{
    static const char *const kinds[] = {"CHANNELS", "NUMPAT", "SHARDCHANNELS"};
    struct skio__redis_sub *subs[3][20] = {{NULL}};
    char name[32];
    char line[64];
    long wanted[3] = {0};
    unsigned seed = 7;
    int i;
    int k;

    (void)state;
    hub_up();
    for (i = 0; i < 6000; i++) {
        int n;

        seed = seed * 1103515245U + 12345U;
        k = (int)(seed >> 16) % 3;
        n = (int)(seed >> 20) % 20;
        snprintf(name, sizeof name, "name%d", n);
        if (subs[k][n] == NULL) {
            subs[k][n] = listen_to((enum skio__redis_kind)k, name, "");
            assert_non_null(subs[k][n]);
        } else {
            skio__redis_unsubscribe(subs[k][n]);
            subs[k][n] = NULL;
        }
        if ((seed >> 26) % 4 == 0)
            step();
        if (i % 1500 == 700) /* and the connection is lost at times */
            redis_ask(&redis, "CLIENT KILL TYPE pubsub");
    }
    for (k = 0; k < 3; k++) {
        for (i = 0; i < 20; i++)
            wanted[k] += subs[k][i] != NULL;
    }
    for (k = 0; k < 3; k++) {
        snprintf(line, sizeof line, "PUBSUB %s", kinds[k]);
        if (k == 1)
            WAIT(redis_number(line) == wanted[k]);
        else
            WAIT(strtol(redis_ask(&redis, line) + 1, NULL, 10) == wanted[k]);
    }
    for (k = 0; k < 3; k += 2) {
        for (i = 0; i < 20; i++) {
            snprintf(line, sizeof line, "PUBSUB %sNUMSUB name%d",
                     k == 2 ? "SHARD" : "", i);
            WAIT(redis_number(line) == (subs[k][i] != NULL));
        }
    }
    /* Once all is as it was wanted, it stays so. */
    settle_for(50);
    for (k = 0; k < 3; k += 2) {
        snprintf(line, sizeof line, "PUBSUB %s", kinds[k]);
        assert_int_equal(strtol(redis_ask(&redis, line) + 1, NULL, 10),
                         wanted[k]);
    }
    for (k = 0; k < 3; k++) {
        for (i = 0; i < 20; i++)
            skio__redis_unsubscribe(subs[k][i]);
    }
    WAIT(is_empty("PUBSUB CHANNELS") && is_empty("PUBSUB SHARDCHANNELS") &&
         redis_number("PUBSUB NUMPAT") == 0);
}

/* ---- Losing Redis ---- */

static void
a_redis_that_is_not_there_is_told_and_waited_for(void **state)
{
    (void)state;
    redis_kill(&redis);
    assert_int_equal(hub_new(), SKIO_OK);
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "a", ""));
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "x"), SKIO_ECLOSED);
    WAIT(t.downs == 1);
    assert_int_equal(t.watched, false);
    assert_int_equal(t.last.err, SKIO_EIO); /* no such socket */
    assert_false(skio__redis_is_up(t.hub));
    settle_for(200);
    assert_int_equal(t.downs, 1);
    redis_restart(&redis, NULL);
    WAIT(t.ups == 1);
    assert_int_equal(t.last.gap_ms, 0);
    assert_int_equal(t.last.dropped, 1);
    assert_int_equal(redis_number("PUBSUB NUMSUB a"), 1);
}

static void
subscriptions_are_renewed_within_a_second_of_redis(void **state)
{
    uint64_t lost;
    uint64_t back;
    uint64_t renewed;

    (void)state;
    t.bench->options.reconnect_min_ms = 50;
    t.bench->options.reconnect_max_ms = 500;
    assert_int_equal(hub_new(), SKIO_OK);
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "a", "c:"));
    assert_non_null(listen_to(SKIO__REDIS_PATTERN, "a*", "p:"));
    assert_non_null(listen_to(SKIO__REDIS_SHARD, "a", "s:"));
    hub_up();
    lost = bench_now();
    redis_kill(&redis);
    WAIT(t.downs == 1);
    assert_int_equal(t.watched, false);
    settle_for(1500); /* as slow as it gets */
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "lost"), SKIO_ECLOSED);
    assert_int_equal(publish(SKIO__REDIS_SHARD, "a", "lost"), SKIO_ECLOSED);
    skio__redis_count_dropped(t.hub);
    redis_restart(&redis, NULL);
    back = bench_now();
    WAIT(t.ups == 2);
    renewed = bench_now();
    print_message("# renewed %d ms after Redis was back\n",
                  (int)(renewed - back));
    assert_true(renewed - back < 1000);
    assert_int_equal(t.downs, 1);
    assert_int_equal(t.last.dropped, 3);
    assert_true(t.last.gap_ms >= back - lost);
    assert_true(t.last.gap_ms <= renewed - lost + 2000);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "x"), SKIO_OK);
    assert_int_equal(publish(SKIO__REDIS_SHARD, "a", "y"), SKIO_OK);
    WAIT(t.messages == 3);
    assert_true(has_heard("c:a=x ") && has_heard("p:a=x ") &&
                has_heard("s:a=y "));

    /* What was told once is not told again. */
    redis_ask(&redis, "CLIENT KILL TYPE normal");
    WAIT(t.ups == 3);
    assert_int_equal(t.last.dropped, 0);
    assert_int_equal(t.last.gap_ms, 0);
}

static void
a_redis_that_hangs_is_lost_and_the_gap_begins_with_its_last_byte(void **state)
{
    uint64_t hung;
    uint64_t hung_for;

    (void)state;
    t.bench->options.ping_interval_ms = 50;
    t.bench->options.command_timeout_ms = 400;
    assert_int_equal(hub_new(), SKIO_OK);
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "a", ""));
    hub_up();
    settle_for(100);
    hung = bench_now();
    assert_int_equal(kill(redis.pid, SIGSTOP), 0);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "unknown"), SKIO_OK);
    WAIT(t.downs == 1);
    assert_int_equal(t.last.err, SKIO_ETIMEDOUT);
    settle_for(100);
    hung_for = bench_now() - hung;
    assert_int_equal(kill(redis.pid, SIGCONT), 0);
    WAIT(t.ups == 2);
    assert_true(t.last.gap_ms >= hung_for);
    assert_int_equal(t.last.dropped, 1);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "x"), SKIO_OK);
    WAIT(has_heard("a=x "));
}

/* Only the connection for commands: nothing that others said was missed. */
static void
a_lost_command_link_is_no_gap(void **state)
{
    (void)state;
    assert_int_equal(hub_new(), SKIO_OK);
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "a", ""));
    hub_up();
    redis_ask(&redis, "CLIENT KILL TYPE normal");
    WAIT(t.downs == 1 && t.ups == 2);
    assert_int_equal(t.last.gap_ms, 0);
    redis_ask(&redis, "CLIENT KILL TYPE pubsub");
    WAIT(t.downs == 2 && t.ups == 3);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "x"), SKIO_OK);
    WAIT(has_heard("a=x "));
}

/* Under valgrind everything takes some twenty times as long. */
static double
turn_max(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "vgpreload") != NULL
               ? 50 * TURN_MS
               : TURN_MS;
}

static void
many_subscriptions_are_renewed_without_holding_the_loop(void **state)
{
    struct skio__redis_sub **subs = calloc(MANY, sizeof *subs);
    uint64_t start;
    char name[64];
    int i;

    (void)state;
    assert_non_null(subs);
    assert_int_equal(hub_new(), SKIO_OK);
    for (i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "socket.io#/#a room of many, number %d#",
                 i);
        subs[i] = listen_to(SKIO__REDIS_SHARD, name, "");
        assert_non_null(subs[i]);
    }
    hub_up();
    t.longest = 0;
    start = bench_now();
    redis_ask(&redis, "CLIENT KILL TYPE pubsub");
    WAIT(t.downs == 1 && t.ups == 2);
    print_message("# %d subscriptions renewed in %d ms, no turn longer than "
                  "%.2f ms\n",
                  MANY, (int)(bench_now() - start), t.longest);
    assert_true(t.longest < turn_max());
    assert_int_equal(strtol(redis_ask(&redis, "PUBSUB SHARDCHANNELS") + 1, NULL,
                            10),
                     MANY);
    assert_int_equal(publish(SKIO__REDIS_SHARD,
                             "socket.io#/#a room of many, number 9999#", "x"),
                     SKIO_OK);
    WAIT(t.messages == 1);
    for (i = 0; i < MANY; i++)
        skio__redis_unsubscribe(subs[i]);
    free(subs);
    WAIT(is_empty("PUBSUB SHARDCHANNELS"));
    assert_true(t.longest < turn_max());
}

/* ---- Refusals ---- */

static void
a_refused_channel_disturbs_no_other_and_is_tried_again(void **state)
{
    char name[32];
    int i;

    (void)state;
    redis_ask(&redis, "ACL SETUSER default resetchannels &good* &socket*");
    assert_int_equal(hub_new(), SKIO_OK);
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "bad", "bad:"));
    for (i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "good%d", i);
        assert_non_null(listen_to(SKIO__REDIS_CHANNEL, name, ""));
        assert_non_null(listen_to(SKIO__REDIS_SHARD, name, ""));
        if (i == 70)
            assert_non_null(listen_to(SKIO__REDIS_SHARD, "bad", "bad:"));
    }
    hub_up();
    assert_int_equal(t.downs, 0);
    assert_true(strncmp(redis_ask(&redis, "PUBSUB CHANNELS"), "*150\r\n", 6) ==
                0);
    assert_true(
        strncmp(redis_ask(&redis, "PUBSUB SHARDCHANNELS"), "*150\r\n", 6) == 0);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "good7", "x"), SKIO_OK);
    WAIT(has_heard("good7=x "));

    /* What is refused to be published is counted. */
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "bad", "x"), SKIO_OK);
    assert_int_equal(count(SKIO__REDIS_CHANNEL, "bad"), SKIO_OK);
    WAIT(t.counted != -1000);
    redis_ask(&redis, "ACL SETUSER default allchannels");
    WAIT(redis_number("PUBSUB NUMSUB bad") == 1 &&
         redis_number("PUBSUB SHARDNUMSUB bad") == 1);
    assert_int_equal(t.ups, 1);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "bad", "now"), SKIO_OK);
    WAIT(has_heard("bad:bad=now "));
    redis_ask(&redis, "CLIENT KILL TYPE normal");
    WAIT(t.ups == 2);
    assert_int_equal(t.last.dropped, 1);
}

static void
a_refused_channel_may_be_given_up(void **state)
{
    struct skio__redis_sub *sub;

    (void)state;
    redis_ask(&redis, "ACL SETUSER default resetchannels &good*");
    assert_int_equal(hub_new(), SKIO_OK);
    sub = listen_to(SKIO__REDIS_CHANNEL, "bad", "");
    hub_up();
    skio__redis_unsubscribe(sub);
    sub = listen_to(SKIO__REDIS_CHANNEL, "bad", "");
    settle_for(20);
    skio__redis_unsubscribe(sub);
    redis_ask(&redis, "ACL SETUSER default allchannels");
    settle_for(1200);
    assert_int_equal(redis_number("PUBSUB NUMSUB bad"), 0);
}

static void
what_waits_beyond_the_limit_is_refused_and_counted(void **state)
{
    static char large[60000];
    int i;
    int err = SKIO_OK;

    (void)state;
    t.bench->options.max_output_bytes = 65536;
    hub_up();
    memset(large, 'x', sizeof large);
    for (i = 0; i < 2 && err == SKIO_OK; i++)
        err = skio__redis_publish(t.hub, SKIO__REDIS_CHANNEL, "a", 1, large,
                                  sizeof large);
    assert_int_equal(i, 2);
    assert_int_equal(err, SKIO_ENOBUFS);
    settle_for(20);
    redis_ask(&redis, "CLIENT KILL TYPE normal");
    WAIT(t.ups == 2);
    assert_int_equal(t.last.dropped, 1);
}

/* ---- Callbacks ---- */

static void
end_both(const char *channel, size_t channel_len, const void *data, size_t len,
         void *user)
{
    on_message(channel, channel_len, data, len, user);
    skio__redis_unsubscribe(t.sub);
    skio__redis_unsubscribe(t.other);
    t.sub = NULL;
    t.other = NULL;
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "a", "new:"));
}

static void
subscribers_may_end_each_other_in_a_callback(void **state)
{
    (void)state;
    hub_up();
    t.sub = skio__redis_subscribe(t.hub, SKIO__REDIS_CHANNEL, "a", 1, end_both,
                                  "first:");
    t.other = listen_to(SKIO__REDIS_CHANNEL, "a", "second:");
    WAIT(redis_number("PUBSUB NUMSUB a") == 1);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "1"), SKIO_OK);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "2"), SKIO_OK);
    WAIT(t.messages == 2);
    settle_for(20);
    assert_string_equal(t.heard, "first:a=1 new:a=2 ");
}

static void
end_oneself(const char *channel, size_t channel_len, const void *data,
            size_t len, void *user)
{
    on_message(channel, channel_len, data, len, user);
    skio__redis_unsubscribe(t.sub);
    t.sub = NULL;
}

static void
the_last_subscriber_may_end_itself_in_a_callback(void **state)
{
    (void)state;
    hub_up();
    t.sub = skio__redis_subscribe(t.hub, SKIO__REDIS_PATTERN, "a*", 2,
                                  end_oneself, "");
    WAIT(redis_number("PUBSUB NUMPAT") == 1);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "1"), SKIO_OK);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "2"), SKIO_OK);
    WAIT(redis_number("PUBSUB NUMPAT") == 0);
    assert_int_equal(t.messages, 1);
}

static void
free_hub(const char *channel, size_t channel_len, const void *data, size_t len,
         void *user)
{
    on_message(channel, channel_len, data, len, user);
    skio__redis_unref(t.hub);
    t.hub = NULL;
}

static void
the_hub_may_be_freed_in_a_callback(void **state)
{
    (void)state;
    hub_up();
    assert_non_null(skio__redis_subscribe(t.hub, SKIO__REDIS_CHANNEL, "a", 1,
                                          free_hub, ""));
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "a", ""));
    WAIT(redis_number("PUBSUB NUMSUB a") == 1);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "1"), SKIO_OK);
    assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "2"), SKIO_OK);
    WAIT(t.hub == NULL);
    settle_for(20);
}

static void
forget_watcher(bool is_up, void *user)
{
    t.watched = is_up;
    skio__redis_unwatch(t.hub, user);
    skio__redis_unwatch(t.hub, &t);
}

static void
watchers_may_leave_while_they_are_told(void **state)
{
    int mark;

    (void)state;
    assert_int_equal(hub_new(), SKIO_OK);
    assert_int_equal(skio__redis_watch(t.hub, forget_watcher, &mark), SKIO_OK);
    hub_up();
    t.watched = -1;
    redis_ask(&redis, "CLIENT KILL TYPE normal");
    WAIT(t.ups == 2);
    assert_int_equal(t.watched, -1);
}

/* ---- Counting and commands ---- */

static void
subscribers_of_a_channel_are_counted(void **state)
{
    (void)state;
    hub_up();
    assert_non_null(listen_to(SKIO__REDIS_CHANNEL, "a", ""));
    assert_non_null(listen_to(SKIO__REDIS_SHARD, "b", ""));
    WAIT(redis_number("PUBSUB SHARDNUMSUB b") == 1);
    assert_int_equal(count(SKIO__REDIS_CHANNEL, "a"), SKIO_OK);
    WAIT(t.counted != -1000);
    assert_int_equal(t.counted, 1);
    assert_int_equal(count(SKIO__REDIS_SHARD, "b"), SKIO_OK);
    WAIT(t.counted != -1000);
    assert_int_equal(t.counted, 1);
    assert_int_equal(count(SKIO__REDIS_SHARD, "a"), SKIO_OK);
    WAIT(t.counted != -1000);
    assert_int_equal(t.counted, 0);

    assert_int_equal(count(SKIO__REDIS_CHANNEL, "a"), SKIO_OK);
    redis_kill(&redis);
    WAIT(t.counted != -1000);
    assert_int_equal(t.counted, SKIO_ECLOSED);
    WAIT(t.downs == 1);
    assert_int_equal(count(SKIO__REDIS_CHANNEL, "a"), SKIO_ECLOSED);
}

static void
a_count_that_is_due_ends_with_the_hub(void **state)
{
    (void)state;
    hub_up();
    assert_int_equal(count(SKIO__REDIS_CHANNEL, "a"), SKIO_OK);
    skio__redis_unref(t.hub);
    t.hub = NULL;
    assert_int_equal(t.counted, SKIO_ECLOSED);
}

static void
on_got(int err, const struct skio__redis_reply *reply, void *user)
{
    assert_int_equal(err, SKIO_OK);
    if (reply->type == SKIO__REDIS_STRING)
        snprintf(user, 16, "%s", reply->str);
}

static void
commands_are_answered(void **state)
{
    static const skio_bytes set[] = {{"SET", 3}, {"key", 3}, {"value", 5}};
    static const skio_bytes get[] = {{"GET", 3}, {"key", 3}};
    char got[16] = "";

    (void)state;
    hub_up();
    assert_int_equal(skio__redis_command(t.hub, "key", 3, set, 3, NULL, NULL),
                     SKIO_OK);
    assert_int_equal(skio__redis_command(t.hub, "key", 3, get, 2, on_got, got),
                     SKIO_OK);
    WAIT(got[0] != '\0');
    assert_string_equal(got, "value");
}

/* ---- Options and memory ---- */

static void
bad_options_are_refused(void **state)
{
    (void)state;
    t.bench->options.url = "http://127.0.0.1";
    assert_int_equal(hub_new(), SKIO_EINVAL);
    t.hub = NULL;
    t.bench->options.url = NULL;
    hub_up();
    assert_ptr_equal(skio__redis_server(t.hub), t.bench->server);
    assert_int_equal(skio__redis_options(t.hub)->reconnect_max_ms, 40);
    assert_non_null(skio__redis_mem(t.hub));
}

/* A round that uses everything, with the n-th allocation failing. */
static void
memory_that_runs_out_anywhere_is_survived(void **state)
{
    struct test_alloc *alloc = &t.bench->alloc;
    size_t n;
    size_t live = alloc->live;

    (void)state;
    for (n = 1; n < 2000; n++) {
        struct skio__redis_sub *subs[3];
        int i;
        int err;

        forget();
        t.ups = t.downs = 0;
        alloc->failed = 0;
        test_alloc_fail(alloc, n);
        err = hub_new();
        if (err != SKIO_OK) {
            assert_int_equal(err, SKIO_ENOMEM);
            assert_int_equal(alloc->live, live);
            t.hub = NULL;
            continue;
        }
        for (i = 0; i < 3; i++)
            subs[i] = listen_to((enum skio__redis_kind)i, "a", "");
        WAIT(t.ups > 0);
        for (i = 0; i < 3; i++) {
            if (subs[i] == NULL)
                subs[i] = listen_to((enum skio__redis_kind)i, "a", "");
            assert_non_null(subs[i]);
        }
        err = publish(SKIO__REDIS_CHANNEL, "a", "x");
        assert_true(err == SKIO_OK || err == SKIO_ENOMEM);
        err = count(SKIO__REDIS_CHANNEL, "a");
        assert_true(err == SKIO_OK || err == SKIO_ENOMEM);
        if (err == SKIO_OK)
            WAIT(t.counted != -1000);
        redis_ask(&redis, "CLIENT KILL TYPE pubsub");
        WAIT(t.downs > 0 && t.ups > 1 && t.watched == 1);
        forget();
        while (!has_heard("a=y a=y "))
            assert_int_equal(publish(SKIO__REDIS_CHANNEL, "a", "y"), SKIO_OK),
                settle_for(5);
        for (i = 0; i < 3; i++)
            skio__redis_unsubscribe(subs[i]);
        settle_for(2);
        skio__redis_unref(t.hub);
        t.hub = NULL;
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
        TEST(messages_reach_channels_patterns_and_shards),
        TEST(binary_and_empty_names_and_messages_are_carried),
        TEST(subscribing_and_ending_it_in_one_turn_leaves_what_was_wanted_last),
        TEST(what_holds_after_any_changes_is_what_was_wanted),
        TEST(a_redis_that_is_not_there_is_told_and_waited_for),
        TEST(subscriptions_are_renewed_within_a_second_of_redis),
        TEST(a_redis_that_hangs_is_lost_and_the_gap_begins_with_its_last_byte),
        TEST(a_lost_command_link_is_no_gap),
        TEST(many_subscriptions_are_renewed_without_holding_the_loop),
        TEST(a_refused_channel_disturbs_no_other_and_is_tried_again),
        TEST(a_refused_channel_may_be_given_up),
        TEST(what_waits_beyond_the_limit_is_refused_and_counted),
        TEST(subscribers_may_end_each_other_in_a_callback),
        TEST(the_last_subscriber_may_end_itself_in_a_callback),
        TEST(the_hub_may_be_freed_in_a_callback),
        TEST(watchers_may_leave_while_they_are_told),
        TEST(subscribers_of_a_channel_are_counted),
        TEST(a_count_that_is_due_ends_with_the_hub),
        TEST(commands_are_answered),
        TEST(bad_options_are_refused),
        TEST(memory_that_runs_out_anywhere_is_survived),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!redis_is_installed()) {
        print_message("1..0 # SKIP redis-server is not installed\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
