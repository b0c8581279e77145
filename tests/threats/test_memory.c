/*
 * Memory that runs out over real connections: each allocation of the server
 * fails while a client talks to it, once, and all from there to the end of the
 * talk
 *
 * Then there is memory again: the next client hears what everybody hears, and
 * when all have gone, so has what they needed. It is the server's allocator
 * that fails; what libwebsockets and OpenSSL allocate on their own is theirs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/socketio.h>

#include "threats/scale.h"
#include "threats/talk.h"
#include "unit/alloc.h"

#define PATIENCE_MS 2500
#define SLACK 24 /* blocks that may stay: pools, the tables of rooms */

/* ---- The allocator, of both threads ---- */

static struct {
    atomic_int left; /* until it fails; 0: it does not */
    atomic_bool goes_on;
    atomic_size_t calls;
    atomic_size_t failed;
    atomic_size_t blocks;
} memory;

static bool
runs_out(void)
{
    int left = atomic_load(&memory.left);

    atomic_fetch_add(&memory.calls, 1);
    if (left == 0)
        return false;
    if (left > 1) {
        atomic_fetch_sub(&memory.left, 1);
        return false;
    }
    if (!atomic_load(&memory.goes_on))
        atomic_store(&memory.left, 0);
    atomic_fetch_add(&memory.failed, 1);
    return true;
}

static void *
scarce_malloc(size_t size, void *user)
{
    void *ptr = runs_out() ? NULL : malloc(size);

    (void)user;
    if (ptr != NULL)
        atomic_fetch_add(&memory.blocks, 1);
    return ptr;
}

static void *
scarce_realloc(void *ptr, size_t size, void *user)
{
    if (ptr == NULL)
        return scarce_malloc(size, user);
    return runs_out() ? NULL : realloc(ptr, size);
}

static void
scarce_free(void *ptr, void *user)
{
    (void)user;
    if (ptr != NULL)
        atomic_fetch_sub(&memory.blocks, 1);
    free(ptr);
}

static void
run_out(size_t n, bool goes_on)
{
    atomic_store(&memory.failed, 0);
    atomic_store(&memory.goes_on, goes_on);
    atomic_store(&memory.left, (int)n);
}

static void
take_scarce(skio_server_options *options)
{
    options->allocator.malloc = scarce_malloc;
    options->allocator.realloc = scarce_realloc;
    options->allocator.free = scarce_free;
    options->allocator.user = NULL;
    /* longer than a talk */
    options->ping_interval_ms = scale_is_valgrind() ? 20000 : 1500;
    options->ping_timeout_ms = 300;
    options->close_timeout_ms = 20; /* nobody answers a Close frame */
    options->header_timeout_ms = 1000;
    options->body_timeout_ms = 1000;
    options->max_unconnected = 1000000;
}

static void
take_scarce_and_deflate(skio_server_options *options)
{
    take_scarce(options);
    options->per_message_deflate = true;
}

/* ---- Talks ---- */

static struct talk talks[TALK_KINDS]; /* with memory enough */
static struct talk talk;

#define SETTLES(condition)                                                     \
    do {                                                                       \
        for (int left_ = 500; left_ > 0 && !(condition); left_--)              \
            home_pause(10);                                                    \
        assert_true(condition);                                                \
    } while (0)

struct place {
    struct home *home;
    skio_server *server;
    const char *name;
    size_t failed; /* allocations, so far */
};

static skio_server *latest;

static void
set_up(skio_server *server)
{
    latest = server;
    talk_set_up(server);
}

static void
count_sessions(skio_server *server, void *user)
{
    atomic_store((atomic_size_t *)user, skio_server_sessions(server));
}

/* A session whose connections broke lives for as long as its heartbeat. */
static void
await_nobody(const struct place *place)
{
    atomic_size_t left = 1;

    for (int i = 0; i < 300 && atomic_load(&left) != 0; i++) {
        atomic_store(&left, SIZE_MAX);
        assert_int_equal(skio_server_post(place->server, count_sessions, &left),
                         SKIO_OK);
        while (atomic_load(&left) == SIZE_MAX)
            home_pause(1);
        if (atomic_load(&left) != 0)
            home_pause(100);
    }
    assert_int_equal(atomic_load(&left), 0);
}

static void
fail_talk(const struct place *place, enum talk_kind kind, size_t n,
          bool goes_on, const char *what)
{
    run_out(0, false);
    fail_msg("%s, %s, allocation %s%zu fails, %s: %s, %zu of %zu bytes: "
             "...%.200s",
             place->name, talk_kind_name(kind), goes_on ? "from " : "", n, what,
             talk_end_name(talk.end), talk.len, talks[kind].len,
             talk.text + (talk.len > 200 ? talk.len - 200 : 0));
}

static void
talk_without(struct place *place, enum talk_kind kind, size_t n, bool goes_on)
{
    run_out(n, goes_on);
    (void)talk_run(&talk, place->home, kind, PATIENCE_MS);
    atomic_store(&memory.left, 0);
    place->failed += atomic_load(&memory.failed) > 0;
    if (talk.end == TALK_HUNG)
        fail_talk(place, kind, n, goes_on, "its client");
    (void)talk_run(&talk, place->home, kind, PATIENCE_MS);
    if (!talk_is_same(&talk, &talks[kind]))
        fail_talk(place, kind, n, goes_on, "the next client");
}

/* With memory enough; the first time warms up. Returns how many allocations
 * there are. */
static size_t
talk_undisturbed(const struct place *place, enum talk_kind kind)
{
    size_t calls = 0;

    for (int round = 0; round < 2; round++) {
        calls = atomic_load(&memory.calls);
        if (talk_run(&talks[kind], place->home, kind, PATIENCE_MS) != TALK_DONE)
            fail_msg("%s: %s", talk_kind_name(kind),
                     talk_end_name(talks[kind].end));
        calls = atomic_load(&memory.calls) - calls;
    }
    return calls;
}

static void
torture(struct place *place, enum talk_kind kind, size_t calls)
{
    size_t step = scale_is_valgrind() ? 10 : scaled_stride(2);

    for (size_t n = 1; n <= calls; n += step) {
        talk_without(place, kind, n, false);
        talk_without(place, kind, n, true);
    }
    print_message("# %s, %s: %zu allocations\n", place->name,
                  talk_kind_name(kind), calls);
}

static void
torture_home(enum home_kind kind, bool deflates, const char *name)
{
    struct place place = {.name = name};
    size_t calls[TALK_KINDS];
    size_t descriptors;
    size_t blocks;

    place.home =
        home_start_with(kind, deflates ? take_scarce_and_deflate : take_scarce,
                        set_up);
    place.server = latest;
    for (int i = 0; i < TALK_KINDS; i++)
        calls[i] = talk_undisturbed(&place, (enum talk_kind)i);
    await_nobody(&place);
    home_pause(50);
    descriptors = home_descriptors();
    blocks = atomic_load(&memory.blocks);

    for (int i = 0; i < TALK_KINDS; i++)
        if (deflates == (i == TALK_DEFLATED))
            torture(&place, (enum talk_kind)i, calls[i]);

    print_message("# %s: memory ran out %zu times\n", name, place.failed);
    assert_true(place.failed > 5); /* of a tenth, where it is slow */
    await_nobody(&place);
    SETTLES(home_descriptors() == descriptors);
    SETTLES(atomic_load(&memory.blocks) <= blocks + SLACK);
    home_stop(place.home);
    assert_int_equal(atomic_load(&memory.blocks), 0);
}

static void
memory_runs_out_at_the_own_listener(void **state)
{
    (void)state;
    torture_home(HOME_OWN, false, "own listener");
}

static void
memory_runs_out_inside_a_host(void **state)
{
    (void)state;
    torture_home(HOME_HOST, false, "host");
}

static void
memory_runs_out_where_frames_are_compressed(void **state)
{
    (void)state;
    torture_home(HOME_OWN, true, "compression");
}

/* ---- Beginning ---- */

static int
begin(struct test_alloc *alloc, skio_server **server)
{
    skio_server_options options;
    int err;

    skio_server_options_init(&options);
    options.allocator = alloc->allocator;
    options.trusted_proxies = "10.0.0.0/8";
    err = skio_server_new(server, &options);
    if (err == SKIO_OK)
        err = skio_listen(*server, "127.0.0.1", 0);
    return err;
}

static void
memory_runs_out_while_a_server_begins(void **state)
{
    size_t descriptors = home_descriptors();
    struct test_alloc alloc;
    size_t n;

    (void)state;
    for (n = 1;; n++) {
        skio_server *server = NULL;
        int err;

        test_alloc_init(&alloc);
        if (n % 2 == 0)
            test_alloc_fail(&alloc, n / 2);
        else
            test_alloc_fail_from(&alloc, n / 2 + 1);
        err = begin(&alloc, &server);
        test_alloc_fail(&alloc, 0);
        assert_true(err == SKIO_OK || err == SKIO_ENOMEM || err == SKIO_EIO);
        if (err != SKIO_OK && server != NULL) /* and now it works */
            assert_int_equal(skio_listen(server, "127.0.0.1", 0), SKIO_OK);
        skio_server_free(server);
        assert_int_equal(alloc.live, 0);
        if (home_descriptors() != descriptors)
            fail_msg("allocation %zu leaves a descriptor", n);
        if (err == SKIO_OK && alloc.failed == 0)
            break;
        assert_true(n < 1000);
    }
    assert_true(n > 20);
}

static int
limit_descriptors(void **state)
{
    (void)state;
    home_limit_descriptors(256);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out_at_the_own_listener),
        cmocka_unit_test(memory_runs_out_inside_a_host),
        cmocka_unit_test(memory_runs_out_where_frames_are_compressed),
        cmocka_unit_test(memory_runs_out_while_a_server_begins),
    };

    return cmocka_run_group_tests_name("memory", tests, limit_descriptors,
                                       NULL);
}
