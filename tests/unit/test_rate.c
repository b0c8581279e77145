/*
 * Rates: exact sequences at the limit and one past it, clocks that jump, and
 * the table of many
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rate.h"
#include "base/rate_table.h"
#include "unit/alloc.h"

static struct skio__rate
make(uint32_t count, uint32_t period_ms, uint32_t burst)
{
    struct skio__rate rate;

    skio__rate_init(&rate, count, period_ms, burst);
    return rate;
}

/* How many single units are taken at this time, of at most `most`. */
static unsigned
drain(const struct skio__rate *rate, uint64_t *arrival, uint64_t now_ms,
      unsigned most)
{
    unsigned n = 0;

    while (n < most && skio__rate_take(rate, arrival, now_ms, 1))
        n++;
    return n;
}

static void
a_burst_passes_and_one_more_does_not(void **state)
{
    static const uint32_t counts[] = {1,    2,    3,    7,       10,
                                      60,   100,  333,  1000,    999,
                                      4096, 9999, 1000, 1000000, 1000000000};
    static const uint32_t bursts[] = {0, 1, 2, 3, 10, 100, 101, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (size_t k = 0; k < sizeof bursts / sizeof bursts[0]; k++) {
            struct skio__rate rate = make(counts[i], 1000, bursts[k]);
            uint64_t burst = bursts[k] != 0 ? bursts[k] : counts[i];
            uint64_t arrival = 0;

            /* All at once, … */
            assert_true(skio__rate_take(&rate, &arrival, 5000, burst));
            arrival = 0;
            assert_false(skio__rate_take(&rate, &arrival, 5000, burst + 1));
            assert_int_equal(arrival, 0);
            /* … or one by one. */
            if (burst <= 1000 && counts[i] <= 1000000)
                assert_int_equal(drain(&rate, &arrival, 5000, 2000), burst);
        }
    }
}

static void
what_was_used_comes_back_at_the_rate(void **state)
{
    struct skio__rate rate = make(10, 1000, 3); /* one each 100 ms */
    uint64_t arrival = 0;

    (void)state;
    assert_int_equal(drain(&rate, &arrival, 1000, 9), 3);
    assert_int_equal(drain(&rate, &arrival, 1099, 9), 0);
    assert_int_equal(skio__rate_wait(&rate, arrival, 1099, 1), 1);
    assert_int_equal(drain(&rate, &arrival, 1100, 9), 1);
    assert_int_equal(skio__rate_wait(&rate, arrival, 1100, 1), 100);
    assert_int_equal(skio__rate_wait(&rate, arrival, 1100, 3), 300);
    assert_int_equal(drain(&rate, &arrival, 1299, 9), 1);
    assert_int_equal(drain(&rate, &arrival, 1300, 9), 1);
    /* Who waits gets a burst again, and not more. */
    assert_int_equal(skio__rate_wait(&rate, arrival, 1600, 3), 0);
    assert_int_equal(drain(&rate, &arrival, 1599, 9), 2);
    assert_int_equal(drain(&rate, &arrival, 90000, 9), 3);
}

static void
a_steady_stream_at_the_rate_never_waits(void **state)
{
    struct skio__rate rate = make(100, 1000, 1);
    uint64_t arrival = 0;
    unsigned refused = 0;

    (void)state;
    for (uint64_t now = 0; now < 100000; now += 10)
        refused += !skio__rate_take(&rate, &arrival, now, 1);
    assert_int_equal(refused, 0);
    /* A tenth faster: a tenth is refused. */
    for (uint64_t now = 100000; now < 190000; now += 9)
        refused += !skio__rate_take(&rate, &arrival, now, 1);
    assert_in_range(refused, 990, 5001);
}

static void
a_refused_one_counts_nothing(void **state)
{
    struct skio__rate rate = make(1, 1000, 1);
    uint64_t arrival = 0;
    uint64_t now = 777;
    unsigned taken = 0;

    (void)state;
    for (; now < 777 + 10000; now++)
        taken += skio__rate_take(&rate, &arrival, now, 1);
    assert_int_equal(taken, 10);
}

static void
units_of_many_sizes_share_a_burst(void **state)
{
    struct skio__rate rate = make(1000, 1000, 4000);
    uint64_t arrival = 0;

    (void)state;
    assert_true(skio__rate_take(&rate, &arrival, 0, 3999));
    assert_false(skio__rate_take(&rate, &arrival, 0, 2));
    assert_true(skio__rate_take(&rate, &arrival, 0, 1));
    assert_false(skio__rate_take(&rate, &arrival, 999, 1000));
    assert_true(skio__rate_take(&rate, &arrival, 1000, 1000));
    assert_true(skio__rate_take(&rate, &arrival, 1000, 0));
    assert_int_equal(skio__rate_wait(&rate, arrival, 1000, 4001),
                     SKIO__RATE_NEVER);
    assert_false(skio__rate_take(&rate, &arrival, 90000, UINT64_MAX));
}

static void
a_rate_of_nothing_limits_nothing(void **state)
{
    struct skio__rate rate = make(0, 1000, 5);
    uint64_t arrival = 0;

    (void)state;
    assert_true(skio__rate_take(&rate, &arrival, 0, UINT64_MAX));
    assert_int_equal(skio__rate_wait(&rate, arrival, 0, UINT64_MAX), 0);
    assert_int_equal(arrival, 0);
}

static void
a_clock_that_jumps_back_punishes_for_one_burst_at_most(void **state)
{
    struct skio__rate rate = make(2, 1000, 4); /* a burst takes 2 s */
    uint64_t arrival = 0;

    (void)state;
    assert_int_equal(drain(&rate, &arrival, 1000000000, 9), 4);
    assert_int_equal(drain(&rate, &arrival, 5000, 9), 0);
    assert_int_equal(skio__rate_wait(&rate, arrival, 5000, 1), 500);
    /* What is written is of the new clock: it does not last a year. */
    arrival = UINT64_MAX;
    assert_true(skio__rate_take(&rate, &arrival, 5000, 0));
    assert_int_equal(drain(&rate, &arrival, 5499, 9), 0);
    assert_int_equal(drain(&rate, &arrival, 5500, 9), 1);
    assert_int_equal(drain(&rate, &arrival, 7500, 9), 4);
}

static void
a_clock_that_jumps_forward_gives_one_burst(void **state)
{
    struct skio__rate rate = make(2, 1000, 4);
    uint64_t arrival = 0;

    (void)state;
    assert_int_equal(drain(&rate, &arrival, 0, 9), 4);
    assert_int_equal(drain(&rate, &arrival, (uint64_t)1 << 40, 9), 4);
    assert_int_equal(drain(&rate, &arrival, ((uint64_t)1 << 40) + 500, 9), 1);
}

static void
the_end_of_time_does_not_wrap(void **state)
{
    struct skio__rate slow = make(1, 60000, 1000000);
    struct skio__rate wide = make(1, 1000, INT32_MAX);
    uint64_t arrival = 0;

    (void)state;
    assert_true(skio__rate_take(&slow, &arrival, UINT64_MAX, 1000000));
    assert_false(skio__rate_take(&slow, &arrival, UINT64_MAX, 1));
    assert_int_equal(skio__rate_wait(&slow, arrival, UINT64_MAX, 1), 60000);
    /* Longer than the answer can say. */
    assert_int_equal(skio__rate_wait(&slow, arrival, UINT64_MAX, 1000000),
                     SKIO__RATE_NEVER - 1);
    arrival = 0;
    assert_true(skio__rate_take(&wide, &arrival, UINT64_MAX, INT32_MAX));
    assert_false(skio__rate_take(&wide, &arrival, UINT64_MAX, 1));
    assert_true(arrival > ((uint64_t)1 << 62));
    wide = make(1000000000, 1000, UINT32_MAX);
    arrival = 0;
    assert_true(skio__rate_take(&wide, &arrival, UINT64_MAX, UINT32_MAX));
    assert_false(skio__rate_take(&wide, &arrival, UINT64_MAX, 1));
    wide = make(1, 1000, UINT32_MAX);
    arrival = 0;
    assert_true(skio__rate_take(&wide, &arrival, UINT64_MAX, UINT32_MAX));
    assert_false(skio__rate_take(&wide, &arrival, UINT64_MAX, 1));
    assert_int_equal(skio__rate_wait(&wide, arrival, UINT64_MAX, 1), 1000);
}

/* ---- The table ---- */

static const uint8_t key[SKIO__RATE_KEY_BYTES] = {1, 2, 3};

static uint64_t *
at(struct skio__rate_table *table, unsigned n)
{
    char name[32];
    int len = snprintf(name, sizeof name, "name %u", n);

    return skio__rate_table_at(table, name, (size_t)len);
}

static void
each_name_has_a_time_of_its_own(void **state)
{
    struct skio__rate_table table;
    struct test_alloc alloc;

    (void)state;
    test_alloc_init(&alloc);
    assert_int_equal(skio__rate_table_init(&table, &alloc.allocator, 4096, key),
                     SKIO_OK);
    for (unsigned i = 0; i < 500; i++) {
        assert_int_equal(*at(&table, i), 0);
        *at(&table, i) = i + 1;
    }
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(*at(&table, i), i + 1);
    skio__rate_table_deinit(&table, &alloc.allocator);
    assert_int_equal(alloc.live, 0);
}

static void
a_full_set_forgets_who_owes_least(void **state)
{
    struct skio__rate_table table;
    struct test_alloc alloc;

    (void)state;
    test_alloc_init(&alloc);
    assert_int_equal(skio__rate_table_init(&table, &alloc.allocator, 1, key),
                     SKIO_OK);
    assert_int_equal(table.sets, 1);
    for (unsigned i = 0; i < SKIO__RATE_SET; i++)
        *at(&table, i) = 100 + i;
    assert_int_equal(*at(&table, 99), 0); /* in the place of name 0 */
    *at(&table, 99) = 200;
    for (unsigned i = 1; i < SKIO__RATE_SET; i++)
        assert_int_equal(*at(&table, i), 100 + i);
    assert_int_equal(*at(&table, 0), 0); /* in the place of name 1 */
    *at(&table, 0) = 300;
    assert_int_equal(*at(&table, 2), 102);
    assert_int_equal(*at(&table, 99), 200);
    skio__rate_table_deinit(&table, &alloc.allocator);
}

/* A million names, each of which comes once, against one that used its burst
 * up: it is still known, and the table has not grown. */
static void
a_flood_of_names_does_not_push_out_who_is_punished(void **state)
{
    struct skio__rate rate = make(60, 60000, 10);
    struct skio__rate_table table;
    struct test_alloc alloc;
    uint64_t now = 50000;
    unsigned i;

    (void)state;
    test_alloc_init(&alloc);
    assert_int_equal(skio__rate_table_init(&table, &alloc.allocator, 64, key),
                     SKIO_OK);
    i = 0;
    while (skio__rate_take(&rate, at(&table, 0), now, 1))
        i++;
    assert_int_equal(i, 10);
    for (i = 1; i < 1000000; i++)
        assert_true(skio__rate_take(&rate, at(&table, i), now, 1));
    assert_false(skio__rate_take(&rate, at(&table, 0), now, 1));
    assert_true(skio__rate_take(&rate, at(&table, 0), now + 1000, 1));
    assert_int_equal(alloc.live, 1);
    skio__rate_table_deinit(&table, &alloc.allocator);
}

static void
sizes_are_rounded_up_to_sets(void **state)
{
    static const uint32_t names[] = {0, 1, 8, 9, 16, 17};
    static const size_t sets[] = {1, 1, 1, 2, 2, 3};
    struct skio__rate_table table;
    struct test_alloc alloc;

    (void)state;
    test_alloc_init(&alloc);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(skio__rate_table_init(&table, &alloc.allocator,
                                               names[i], key),
                         SKIO_OK);
        assert_int_equal(table.sets, sets[i]);
        skio__rate_table_deinit(&table, &alloc.allocator);
    }
    test_alloc_fail(&alloc, 1);
    assert_int_equal(skio__rate_table_init(&table, &alloc.allocator, 8, key),
                     SKIO_ENOMEM);
    assert_null(table.places);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_passes_and_one_more_does_not),
        cmocka_unit_test(what_was_used_comes_back_at_the_rate),
        cmocka_unit_test(a_steady_stream_at_the_rate_never_waits),
        cmocka_unit_test(a_refused_one_counts_nothing),
        cmocka_unit_test(units_of_many_sizes_share_a_burst),
        cmocka_unit_test(a_rate_of_nothing_limits_nothing),
        cmocka_unit_test(
            a_clock_that_jumps_back_punishes_for_one_burst_at_most),
        cmocka_unit_test(a_clock_that_jumps_forward_gives_one_burst),
        cmocka_unit_test(the_end_of_time_does_not_wrap),
        cmocka_unit_test(each_name_has_a_time_of_its_own),
        cmocka_unit_test(a_full_set_forgets_who_owes_least),
        cmocka_unit_test(a_flood_of_names_does_not_push_out_who_is_punished),
        cmocka_unit_test(sizes_are_rounded_up_to_sets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
