/*
 * Lists of handlers that change while they run
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "socketio/handlers.h"
#include "unit/alloc.h"

static struct test_alloc alloc;
static struct sio_handlers list;
static char trace[64];

typedef void test_fn(const char *name);

static int
setup(void **state)
{
    (void)state;
    test_alloc_init(&alloc);
    memset(&list, 0, sizeof list);
    trace[0] = '\0';
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    skio__handlers_deinit(&list, &alloc.allocator);
    assert_int_equal(alloc.live, 0);
    return 0;
}

static void
note(const char *name)
{
    strncat(trace, name, sizeof trace - strlen(trace) - 1);
}

static void
other(const char *name)
{
    note(name);
    note("!");
}

static void
add(test_fn *fn, const char *name)
{
    assert_int_equal(skio__handlers_add(&list, &alloc.allocator,
                                        (sio_any_function *)fn,
                                        (void *)(uintptr_t)name),
                     SKIO_OK);
}

static int
remove_one(test_fn *fn, const char *name)
{
    return skio__handlers_remove(&list, (sio_any_function *)fn,
                                 (void *)(uintptr_t)name);
}

static void
run_list(void)
{
    SIO_HANDLERS_RUN(&list, test_fn, fn(user_data));
}

static const char a[] = "a";
static const char b[] = "b";
static const char c[] = "c";

static void
handlers_run_in_their_order(void **state)
{
    (void)state;
    run_list();
    add(note, a);
    add(other, b);
    add(note, a);
    add(note, c);
    run_list();
    assert_string_equal(trace, "ab!ac");
}

static void
removing_takes_function_and_pointer(void **state)
{
    (void)state;
    add(note, a);
    add(note, b);
    add(other, a);
    add(note, a);
    assert_int_equal(remove_one(other, b), 0);
    assert_int_equal(remove_one(note, a), 2);
    run_list();
    assert_string_equal(trace, "ba!");
    assert_int_equal(remove_one(NULL, NULL), 2);
    assert_int_equal(list.count, 0);
}

static void
grow_and_remove(const char *name)
{
    note(name);
    /* The array moves under the run. */
    for (int i = 0; i < 20; i++)
        add(note, c);
    assert_int_equal(remove_one(grow_and_remove, name), 1);
    assert_int_equal(remove_one(note, b), 1);
}

static void
changes_during_a_run_count_from_the_next(void **state)
{
    (void)state;
    add(note, a);
    add(grow_and_remove, a);
    add(note, b);
    run_list();
    assert_string_equal(trace, "aa");
    assert_int_equal(list.count, 21);
    trace[0] = '\0';
    assert_int_equal(remove_one(note, c), 20);
    run_list();
    assert_string_equal(trace, "a");
}

static void
prepend(test_fn *fn, const char *name)
{
    assert_int_equal(skio__handlers_prepend(&list, &alloc.allocator,
                                            (sio_any_function *)fn,
                                            (void *)(uintptr_t)name),
                     SKIO_OK);
}

static void
prepend_three(const char *name)
{
    note(name);
    if (list.count > 3)
        return;
    for (int i = 0; i < 3; i++)
        prepend(note, c);
    assert_int_equal(remove_one(note, b), 1);
}

static void
what_is_put_in_front_runs_first_next_time(void **state)
{
    (void)state;
    add(prepend_three, a);
    add(note, b);
    add(other, b);
    run_list();
    assert_string_equal(trace, "ab!");
    trace[0] = '\0';
    run_list();
    assert_string_equal(trace, "cccab!");
}

static unsigned nested;

static void
run_again(const char *name)
{
    note(name);
    if (nested++ == 0) {
        run_list();
        assert_int_equal(remove_one(note, b), 1);
        run_list();
    }
}

static void
runs_may_nest(void **state)
{
    (void)state;
    nested = 0;
    add(run_again, a);
    add(note, b);
    add(note, c);
    run_list();
    assert_string_equal(trace, "aabcacc");
    assert_int_equal(list.count, 2);
    assert_int_equal(list.running, 0);
}

static void
run_once(const char *name)
{
    note(name);
    run_list();
}

static void
a_handler_that_runs_once_does_so_when_it_nests(void **state)
{
    (void)state;
    assert_int_equal(skio__handlers_add_once(&list, &alloc.allocator,
                                             (sio_any_function *)(test_fn *)
                                                 run_once,
                                             (void *)(uintptr_t)a),
                     SKIO_OK);
    add(note, b);
    run_list();
    assert_string_equal(trace, "abb");
    run_list();
    assert_string_equal(trace, "abbb");
    assert_int_equal(list.count, 1);
}

static void
adding_without_memory_changes_nothing(void **state)
{
    (void)state;
    add(note, a);
    add(note, b);
    test_alloc_fail(&alloc, 1);
    assert_int_equal(skio__handlers_add(&list, &alloc.allocator,
                                        (sio_any_function *)(test_fn *)note,
                                        (void *)(uintptr_t)c),
                     SKIO_ENOMEM);
    run_list();
    assert_string_equal(trace, "ab");
}

/* More names than are remembered, some of them in one place. */
static void
recalled_events_are_those_that_were_registered(void **state)
{
    static const uint8_t key[SKIO__MAP_KEY_BYTES];
    struct sio_event *made[100];
    struct sio_events events;
    char name[16];
    int round;
    size_t i;

    (void)state;
    skio__events_init(&events, &alloc.allocator, key);
    assert_null(skio__events_recall(&events, "", 0));
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "e%02zu", i);
        made[i] = skio__events_get(&events, name, 3);
        assert_non_null(made[i]);
    }
    for (round = 0; round < 3; round++) {
        for (i = 0; i < 100; i++) {
            snprintf(name, sizeof name, "e%02zu+", i);
            assert_ptr_equal(skio__events_recall(&events, name, 3), made[i]);
            assert_ptr_equal(skio__events_recall(&events, name, 3), made[i]);
            assert_null(skio__events_recall(&events, name, 2));
            assert_null(skio__events_recall(&events, name, 4));
            name[1] = 'x';
            assert_null(skio__events_recall(&events, name, 3));
        }
    }
    assert_null(skio__events_recall(&events, "", 0));
    skio__events_deinit(&events);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(handlers_run_in_their_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(removing_takes_function_and_pointer,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            changes_during_a_run_count_from_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(
            what_is_put_in_front_runs_first_next_time, setup, teardown),
        cmocka_unit_test_setup_teardown(runs_may_nest, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_handler_that_runs_once_does_so_when_it_nests, setup, teardown),
        cmocka_unit_test_setup_teardown(adding_without_memory_changes_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            recalled_events_are_those_that_were_registered, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
