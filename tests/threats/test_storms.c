/*
 * Crowds, with figures: the server is a process of its own, so that its memory
 * and its CPU time are its alone; the clients are here
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pool.h"
#include "threats/crowd.h"
#include "threats/far.h"
#include "threats/home.h"
#include "threats/scale.h"
#include "threats/visit.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS false /* the sanitizer's is more */
#else
#define MEMORY_IS_OURS true
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* Five per cent of a small server are less than what chance makes of it. */
#define NOISE_KB (scale_is_full() ? 0u : 512u)
#define POOL_BYTES                                                             \
    (SKIO__POOL_PIECES * SKIO__POOL_BLOCKS * sizeof(struct skio__pool_block))
#define HALF_A_REQUEST                                                         \
    "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nX-Slow: "

/* ---- Plans: what the servers are ---- */

/* G7 has this bound; heartbeats are not what is to end anybody. */
static void
for_broadcasts(skio_server_options *options)
{
    options->max_outbound_bytes = 65536;
    options->ping_interval_ms = 600000;
    options->max_unconnected = 20000;
    options->backlog = 4096;
}

static void
for_crowds(skio_server_options *options)
{
    options->max_unconnected = 20000;
    options->max_connections_per_address = 200; /* as by default */
}

/* The usual times take three quarters of a minute. */
static void
for_floods(skio_server_options *options)
{
    for_crowds(options);
    if (!scale_is_long()) {
        options->connect_timeout_ms = 1500;
        options->header_timeout_ms = 1000;
    }
}

/* Debian's libwebsockets walks over all descriptors that there may be. */
static const struct far_plan plans[] = {
    {"broadcasts", HOME_OWN, 12000, for_broadcasts},
    {"crowds", HOME_OWN, 12000, for_crowds},
    {"floods", HOME_OWN, 20000, for_floods},
    {"visits", HOME_OWN, 1024, NULL},
    {"tight", HOME_OWN, 256, for_crowds},
};

/* ---- Helpers ---- */

/* Sooner or later, at the latest after so many seconds. */
#define SETTLES_IN(seconds, condition)                                         \
    do {                                                                       \
        for (int left = (seconds)*20; left > 0 && !(condition); left--)        \
            home_pause(50);                                                    \
        assert_true(condition);                                                \
    } while (0)

/* A whole client, once; what a first time costs has been paid. */
static void
warm_up(const struct far *far)
{
    struct home *home = home_elsewhere(far->port);

    for (unsigned kind = 0; kind < VISIT_KINDS; kind++)
        visit(home, kind);
    free(home);
    SETTLES_IN(5, far_state(far).sessions == 0);
}

/* How long clients who mean well take to connect and join, one after the
 * other. Returns the 99th of a hundred, in milliseconds. */
static uint64_t
honest_connects(const struct far *far, unsigned count, long pause_ms)
{
    struct crowd honest = {.port = far->port, .goal = CROWD_IN};
    uint64_t p99;

    crowd_begin(&honest, count);
    for (unsigned n = 0; n < count; n++) {
        struct crowd one = {.port = far->port, .goal = CROWD_IN};

        crowd_begin(&one, 1);
        crowd_dial(&one, 1);
        crowd_work(&one, 1, 10000);
        assert_int_equal(one.in[CROWD_IN], 1);
        honest.clients[n].took_us = one.clients[0].took_us;
        crowd_end(&one);
        home_pause(pause_ms);
    }
    p99 = crowd_percentile(&honest, 99);
    printf("# honest connects: median %lu ms, p99 %lu ms\n",
           (unsigned long)crowd_percentile(&honest, 50), (unsigned long)p99);
    crowd_end(&honest);
    return p99;
}

/* Figures of time hold where nothing else runs; elsewhere it must not be
 * another order. */
static uint64_t
time_bound(uint64_t ms)
{
    return scale_is_full() ? ms : 20 * ms;
}

/* ---- ATK-17: who never reads (G7) ---- */

#define HONEST 100
#define LATENCIES 10000 /* milliseconds */

struct readers {
    unsigned late[LATENCIES];
    unsigned unordered;
    size_t events;
};

static void
take_tick(struct crowd *crowd, struct crowd_client *client, const char *text)
{
    static const char mark[] = "42[\"tick\",";
    struct readers *readers = crowd->user;
    uint64_t now = crowd_now_us();
    unsigned long number;
    uint64_t ms;
    char *end;

    assert_int_equal(strncmp(text, mark, sizeof mark - 1), 0);
    number = strtoul(text + sizeof mark - 1, &end, 10);
    ms = (now - strtoul(end + 1, NULL, 10)) / 1000;
    readers->late[ms < LATENCIES ? ms : LATENCIES - 1]++;
    readers->events++;
    if (number + 1 != client->events)
        readers->unordered++;
}

static unsigned
latency(const struct readers *readers, unsigned percent)
{
    size_t seen = 0;

    for (unsigned ms = 0; ms < LATENCIES; ms++) {
        seen += readers->late[ms];
        if (seen * 100 >= readers->events * percent)
            return ms;
    }
    return LATENCIES;
}

static void
who_never_reads_delays_nobody(void **state)
{
    static struct readers readers;
    unsigned deaf_count = scaled(300, 10000, "clients that never read");
    unsigned ticks = scaled(600, 10000, "broadcasts of a kilobyte");
    struct crowd deaf = {.goal = CROWD_IN, .is_deaf = true};
    struct crowd honest = {.goal = CROWD_IN, .on_event = take_tick};
    struct far_state now;
    struct far far;
    size_t joined_kb;

    (void)state;
    far_start(&far, "broadcasts");
    deaf.port = honest.port = far.port;
    honest.user = &readers;
    crowd_begin(&deaf, deaf_count);
    crowd_dial(&deaf, deaf_count);
    crowd_work(&deaf, deaf_count, 60000);
    assert_int_equal(deaf.in[CROWD_IN], deaf_count);
    crowd_begin(&honest, HONEST);
    crowd_dial(&honest, HONEST);
    crowd_work(&honest, HONEST, 10000);
    assert_int_equal(honest.in[CROWD_IN], HONEST);
    joined_kb = far_resident_kb(&far);

    far_broadcast(&far, ticks, scale_is_long() ? 4 : 2);
    for (int left = 6000; left > 0; left--) {
        crowd_work(&honest, HONEST + 1, 100);
        if (readers.events == (size_t)ticks * HONEST)
            break;
        assert_int_equal(honest.in[CROWD_IN], HONEST); /* nobody is closed */
    }
    now = far_state(&far);
    printf("# memory: %zu KiB with all, at most %zu KiB; %zu closed as slow; "
           "latency: median %u ms, p99 %u ms\n",
           joined_kb, far_peak_kb(&far), now.slow, latency(&readers, 50),
           latency(&readers, 99));
    assert_int_equal(readers.events, (size_t)ticks * HONEST);
    assert_int_equal(readers.unordered, 0);
    assert_int_equal(now.slow, deaf_count);
    assert_int_equal(now.sessions, HONEST);
    if (MEMORY_IS_OURS) /* 256 MiB for ten thousand */
        assert_true(far_peak_kb(&far) <= 16384 + (size_t)deaf_count * 24);
    assert_true(latency(&readers, 99) <= time_bound(100));
    crowd_end(&deaf);
    crowd_end(&honest);
    SETTLES_IN(10, far_state(&far).sessions == 0);
    far_stop(&far);
}

/* ---- ADV-33: who comes and goes (G9) ---- */

#define VISITORS 4

/* The body of a process of visitors. */
static int
visit_often(const char *port, const char *count, const char *first)
{
    struct home *home = home_elsewhere((uint16_t)strtoul(port, NULL, 10));
    unsigned long all = strtoul(count, NULL, 10);
    unsigned kind = (unsigned)strtoul(first, NULL, 10);

    for (unsigned long n = 0; n < all; n++)
        visit(home, kind++);
    free(home);
    return 0;
}

static void
send_visitors(const struct far *far, unsigned count)
{
    pid_t pids[VISITORS];
    char texts[3][16];
    char *argv[] = {"visitors", "--visit", texts[0], texts[1], texts[2], NULL};

    snprintf(texts[0], sizeof texts[0], "%u", (unsigned)far->port);
    for (unsigned i = 0; i < VISITORS; i++) {
        snprintf(texts[1], sizeof texts[1], "%u",
                 count / VISITORS + (i < count % VISITORS));
        snprintf(texts[2], sizeof texts[2], "%u", i);
        pids[i] = far_spawn(argv);
    }
    for (unsigned i = 0; i < VISITORS; i++)
        assert_int_equal(far_wait(pids[i]), 0);
}

static void
memory_is_flat_after_many_visits(void **state)
{
    unsigned count = scaled(3000, 1000000, "visits by mixed transports");
    size_t descriptors, before, after;
    struct far_state first, last;
    struct far far;

    (void)state;
    far_start(&far, "visits");
    warm_up(&far);
    descriptors = far_descriptors(&far);
    send_visitors(&far, count / 10);
    SETTLES_IN(10, far_state(&far).sessions == 0 &&
                       far_descriptors(&far) <= descriptors);
    first = far_state(&far);
    before = far_resident_kb(&far);
    send_visitors(&far, count);
    SETTLES_IN(10, far_state(&far).sessions == 0 &&
                       far_descriptors(&far) <= descriptors);
    last = far_state(&far);
    after = far_resident_kb(&far);
    printf("# memory: %zu KiB before, %zu KiB after; %zu and %zu blocks; "
           "%zu sessions\n",
           before, after, first.blocks, last.blocks, last.opened);
    assert_int_equal(last.opened - first.opened, count);
    assert_true(last.blocks <= first.blocks);
    /* libwebsockets may keep a buffer of its own */
    assert_true(last.heap <= first.heap + 65536);
    if (MEMORY_IS_OURS)
        assert_true(after * 100 <= before * 102 + NOISE_KB * 100);
    far_stop(&far);
}

/* ---- ATK-24: who comes back (G12) ---- */

#define WAVES 4
#define BURSTS 20

/* All within a second. */
static void
dial_in_bursts(struct crowd *crowd)
{
    uint64_t begun = crowd_now_us();

    for (uint64_t n = 1; n <= BURSTS; n++) {
        uint64_t due = begun + n * 1000000 / BURSTS;
        uint64_t now;

        crowd_dial(crowd, crowd->count / BURSTS + 1);
        now = crowd_now_us();
        if (now < due)
            crowd_work(crowd, crowd->count, (due - now) / 1000);
    }
}

/* The first and the last without any pause, when most wait until TCP tries
 * again, for more come than may wait to be accepted; the others in a second. */
static void
storm_that_comes_back_is_served(void **state)
{
    unsigned count = scaled(500, 10000, "clients that come back at once");
    struct crowd crowd = {.goal = CROWD_IN};
    size_t full_kb = 0, empty_kb = 0, heap = 0, blocks = 0, descriptors;
    struct far far;

    (void)state;
    far_start(&far, "crowds");
    warm_up(&far);
    descriptors = far_descriptors(&far);
    crowd.port = far.port;
    crowd_begin(&crowd, count);
    for (int wave = 0; wave < WAVES; wave++) {
        bool at_once = wave == 0 || wave + 1 == WAVES;
        uint64_t begun = crowd_now_us();
        size_t full, empty;
        struct far_state now;

        if (at_once)
            crowd_dial(&crowd, count);
        else
            dial_in_bursts(&crowd);
        crowd_work(&crowd, count, 30000);
        assert_int_equal(crowd.in[CROWD_IN], count);
        begun = (crowd_now_us() - begun) / 1000;
        assert_int_equal(far_state(&far).sessions, count);
        full = far_resident_kb(&far);
        crowd_leave(&crowd, true);
        SETTLES_IN(30, far_state(&far).sessions == 0 &&
                           far_descriptors(&far) <= descriptors);
        now = far_state(&far);
        empty = far_resident_kb(&far);
        printf("# %s: served in %lu ms, p99 of a client %lu ms; "
               "%zu KiB, then %zu KiB\n",
               at_once ? "at once" : "in a second", (unsigned long)begun,
               (unsigned long)crowd_percentile(&crowd, 99), full, empty);
        if (!at_once)
            assert_true(crowd_percentile(&crowd, 99) <= 5000);
        if (wave == 0) {
            full_kb = full;
            empty_kb = empty;
            heap = now.heap;
            blocks = now.blocks;
        }
        /* but for the pieces of the pool of messages, of which some stay */
        assert_true(now.blocks <= blocks + SKIO__POOL_PIECES);
        assert_true(now.heap <= heap + heap / 20 + POOL_BYTES);
        if (MEMORY_IS_OURS) {
            assert_true(full * 100 <= full_kb * 105 + NOISE_KB * 100);
            assert_true(empty * 100 <= empty_kb * 105 + NOISE_KB * 100);
        }
    }
    crowd_end(&crowd);
    far_stop(&far);
}

/* ---- ATK-03, ATK-01: who is silent (G8) ---- */

static void
silent_crowd_goes_in_time(void **state)
{
    unsigned count = scaled(500, 9000, "silent WebSockets and half requests");
    unsigned seconds = scale_is_long() ? 46 : 6;
    struct crowd silent = {.goal = CROWD_OPEN, .is_deaf = true};
    int *halves = calloc(count, sizeof *halves);
    size_t descriptors;
    uint64_t begun, p99;
    struct far far;

    (void)state;
    assert_non_null(halves);
    far_start(&far, "floods");
    warm_up(&far);
    descriptors = far_descriptors(&far);
    silent.port = far.port;
    crowd_begin(&silent, count);
    crowd_dial(&silent, count);
    crowd_work(&silent, count, 30000);
    assert_int_equal(silent.in[CROWD_OPEN], count);
    begun = crowd_now_us();
    for (unsigned n = 0; n < count; n++) {
        halves[n] = crowd_connect(far.port, n, 0, true);
        assert_true(halves[n] >= 0);
        home_say(halves[n], HALF_A_REQUEST);
        if (n % 100 == 99) /* no more than fit wait to be accepted */
            home_pause(10);
    }
    printf("# %zu descriptors after %lu ms, %zu KiB, %lu ms of CPU time\n",
           far_descriptors(&far),
           (unsigned long)((crowd_now_us() - begun) / 1000),
           far_resident_kb(&far), (unsigned long)far_cpu_ms(&far));
    p99 = honest_connects(&far, scale_is_long() ? 600 : 100,
                          scale_is_long() ? 20 : 2);
    assert_true(p99 <= time_bound(100));

    while (far_descriptors(&far) > descriptors ||
           far_state(&far).sessions > 0) {
        assert_true(crowd_now_us() - begun < (uint64_t)seconds * 1000000);
        home_pause(50);
    }
    printf("# all gone after %lu ms\n",
           (unsigned long)((crowd_now_us() - begun) / 1000));
    for (unsigned n = 0; n < count; n++)
        close(halves[n]);
    free(halves);
    crowd_end(&silent);
    far_stop(&far);
}

/* ---- ATK-01: who trickles ---- */

static void
trickle_does_not_move_the_honest(void **state)
{
    /* a header; a body; a frame of a WebSocket */
    unsigned count = scaled(300, 5000, "connections that trickle");
    struct crowd slow = {.goal = CROWD_IN, .is_deaf = true};
    int *halves = calloc(count, sizeof *halves);
    struct far_state joined;
    uint64_t before, during;
    struct far far;

    (void)state;
    assert_non_null(halves);
    far_start(&far, "floods");
    warm_up(&far);
    before = honest_connects(&far, 100, 2);
    slow.port = far.port;
    crowd_begin(&slow, count / 3);
    crowd_dial(&slow, count / 3);
    crowd_work(&slow, count / 3, 30000);
    assert_int_equal(slow.in[CROWD_IN], count / 3);
    joined = far_state(&far);
    for (unsigned n = 0; n < count - count / 3; n++) {
        halves[n] = crowd_connect(far.port, n, 0, true);
        assert_true(halves[n] >= 0);
        home_say(halves[n], n % 2 == 0
                                ? HALF_A_REQUEST
                                : "POST /socket.io/?EIO=4&transport=polling"
                                  "&sid=x HTTP/1.1\r\nHost: x\r\n"
                                  "Content-Length: 1000000\r\n\r\n");
    }
    for (unsigned n = 0; n < count / 3; n++) /* a megabyte is announced */
        home_send(slow.clients[n].fd, "\x81\xff\0\0\0\0\0\x0f\x42\x40\1\2\3\4",
                  14);
    during = 0;
    for (unsigned round = 0; round < 5; round++) {
        uint64_t p99;

        for (unsigned n = 0; n < count - count / 3; n++)
            home_send(halves[n], "4", 1);
        for (unsigned n = 0; n < count / 3; n++)
            home_send(slow.clients[n].fd, "4", 1);
        p99 = honest_connects(&far, 40, 2);
        if (p99 > during)
            during = p99;
    }
    /* twice, but not of a millisecond */
    assert_true(during <= time_bound(before > 20 ? 2 * before : 40));
    /* what was announced takes no memory, what came does */
    assert_true(far_state(&far).heap <= joined.heap + (size_t)count * 16384);
    for (unsigned n = 0; n < count - count / 3; n++)
        close(halves[n]);
    free(halves);
    crowd_end(&slow);
    SETTLES_IN(10, far_state(&far).sessions == 0);
    far_stop(&far);
}

/* ---- ATK-25: no descriptors ---- */

static void
lack_of_descriptors_costs_no_time(void **state)
{
    enum { CLIENTS = 400, ROOM = 256, MS = 1000 };
    struct crowd crowd = {.goal = CROWD_IN};
    size_t descriptors;
    unsigned served;
    uint64_t cpu;
    struct far far;

    (void)state;
    /* valgrind accepts, and closes, what is beyond the limit */
    if (scale_is_valgrind())
        return;
    far_start(&far, "tight");
    warm_up(&far);
    descriptors = far_descriptors(&far);
    crowd.port = far.port;
    crowd_begin(&crowd, CLIENTS);
    crowd_dial(&crowd, CLIENTS);
    crowd_work(&crowd, CLIENTS, 1000);
    served = crowd.in[CROWD_IN];
    assert_true(served > ROOM / 2 && served < ROOM);
    cpu = far_cpu_ms(&far);
    crowd_work(&crowd, CLIENTS, MS);
    cpu = far_cpu_ms(&far) - cpu;
    printf("# %u of %d clients served, %lu ms of CPU time in %d ms\n", served,
           CLIENTS, (unsigned long)cpu, MS);
    assert_true(cpu <= MS / 20);
    assert_int_equal(crowd.in[CROWD_IN], served); /* nobody lost its place */

    /* who leaves makes room for who waits */
    for (unsigned n = 0; n < CLIENTS; n++)
        if (crowd.clients[n].step == CROWD_IN) {
            shutdown(crowd.clients[n].fd, SHUT_RDWR);
        }
    crowd_work(&crowd, CLIENTS - served, 10000);
    for (int left = 100; left > 0 && crowd.in[CROWD_GONE] < served; left--)
        crowd_work(&crowd, CLIENTS, 50);
    assert_int_equal(crowd.in[CROWD_GONE], served);
    crowd_work(&crowd, CLIENTS - served, 10000);
    assert_int_equal(crowd.in[CROWD_IN], CLIENTS - served);
    crowd_end(&crowd);
    SETTLES_IN(10, far_state(&far).sessions == 0 &&
                       far_descriptors(&far) <= descriptors);
    warm_up(&far);
    far_stop(&far);
}

/* As many descriptors as the machine has. */
static int
make_room(void **state)
{
    struct rlimit limit;

    (void)state;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_never_reads_delays_nobody),
        cmocka_unit_test(memory_is_flat_after_many_visits),
        cmocka_unit_test(storm_that_comes_back_is_served),
        cmocka_unit_test(silent_crowd_goes_in_time),
        cmocka_unit_test(trickle_does_not_move_the_honest),
        cmocka_unit_test(lack_of_descriptors_costs_no_time),
    };
    int status = far_serve(argc, argv, plans, COUNT(plans));

    if (status >= 0)
        return status;
    if (argc == 5 && strcmp(argv[1], "--visit") == 0)
        return visit_often(argv[2], argv[3], argv[4]);
    if (argc == 2) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("storms", tests, make_room, NULL);
}
