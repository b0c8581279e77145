/*
 * What operations allocate, against the ceilings in ceilings.txt
 *
 * To the allocation and to the byte, whatever the compiler. How many
 * instructions they take is for test_instructions, which runs this program
 * under callgrind:
 *
 *     test_operations            the tests
 *     test_operations --counts   all operations, a line each: name, how many
 *                                were done, allocations, bytes, bytes kept
 *     test_operations NAME       one of them, alone
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceilings/cost.h"

#define OPERATIONS_MAX 64

struct ceiling {
    char name[32];
    struct cost cost;
};

static struct ceiling ceilings[OPERATIONS_MAX];
static size_t ceiling_count;

/* ---- The table ---- */

/* `name operations instructions allocations bytes kept`; false: another line */
static bool
parse_line(char *line, struct ceiling *ceiling)
{
    long long numbers[5];
    size_t name_len = strcspn(line, " \n");
    char *at = line + name_len;

    if (*line == '#' || name_len == 0 || name_len >= sizeof ceiling->name)
        return false;
    memcpy(ceiling->name, line, name_len);
    ceiling->name[name_len] = '\0';

    for (size_t i = 0; i < 5; i++) {
        char *end;

        numbers[i] = strtoll(at, &end, 10);
        if (end == at)
            return false;
        at = end;
    }
    ceiling->cost.operations = (size_t)numbers[0];
    ceiling->cost.allocations = (size_t)numbers[2];
    ceiling->cost.bytes = (size_t)numbers[3];
    ceiling->cost.kept_bytes = numbers[4];
    return true;
}

static void
read_ceilings(void)
{
    const char *source = getenv("SKIO_SRC");
    char path[4096];
    char line[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/tests/ceilings/ceilings.txt",
             source != NULL ? source : ".");
    file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (ceiling_count < OPERATIONS_MAX &&
           fgets(line, sizeof line, file) != NULL) {
        if (parse_line(line, &ceilings[ceiling_count]))
            ceiling_count++;
    }
    fclose(file);
}

static const struct cost *
ceiling_of(const char *name)
{
    for (size_t i = 0; i < ceiling_count; i++) {
        if (strcmp(ceilings[i].name, name) == 0)
            return &ceilings[i].cost;
    }
    return NULL;
}

/* ---- Tests ---- */

/* To the last byte: a ceiling that is too high must be lowered, too. */
static bool
is_within(const struct cost *cost, const struct cost *ceiling)
{
    return cost->operations == ceiling->operations &&
           cost->allocations == ceiling->allocations &&
           cost->bytes == ceiling->bytes &&
           cost->kept_bytes == ceiling->kept_bytes;
}

static void
allocates_as_much_as_its_ceiling_says(void **state)
{
    const struct operation *operation = *state;
    struct cost cost = cost_of(operation);
    const struct cost *ceiling = ceiling_of(operation->name);

    assert_non_null(ceiling);
    if (is_within(&cost, ceiling))
        return;
    print_error("%zu operations: %zu allocations, the ceiling is %zu; %zu "
                "bytes, %zu; kept %" PRId64 ", %" PRId64 "\n"
                "If it is lower, or worth it: make update-ceilings\n",
                cost.operations, cost.allocations, ceiling->allocations,
                cost.bytes, ceiling->bytes, cost.kept_bytes,
                ceiling->kept_bytes);
    fail();
}

static void
every_line_of_the_table_is_an_operation(void **state)
{
    (void)state;
    assert_int_equal(ceiling_count, operation_count);
    for (size_t i = 0; i < ceiling_count; i++)
        assert_non_null(operation_find(ceilings[i].name));
}

/* One more client costs no more allocations. */
static void
check_deliveries(const char *name, unsigned messages)
{
    struct operation operation = *operation_find(name);
    size_t many = cost_of(&operation).allocations;

    operation.clients /= 10;
    operation.per_round = messages;
    operation.messages = messages;
    assert_int_equal(cost_of(&operation).allocations, many);
}

static void
a_delivery_allocates_nothing(void **state)
{
    (void)state;
    check_deliveries("broadcast", 100);
    check_deliveries("rooms-of-100", 100);
}

static void
small_messages_allocate_nothing(void **state)
{
    static const char *const names[] = {"decode", "receive", "emit", "echo",
                                        "broadcast"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(cost_of(operation_find(names[i])).allocations, 0);
}

static void
a_cost_above_or_below_its_ceiling_is_seen(void **state)
{
    const struct cost cost = {1000, 20, 3000, 40};
    struct cost ceiling = cost;

    (void)state;
    assert_true(is_within(&cost, &ceiling));
    ceiling.allocations = 19;
    assert_false(is_within(&cost, &ceiling));
    ceiling.allocations = 21;
    assert_false(is_within(&cost, &ceiling));
    ceiling = cost;
    ceiling.bytes = 1;
    assert_false(is_within(&cost, &ceiling));
    ceiling = cost;
    ceiling.kept_bytes = 39;
    assert_false(is_within(&cost, &ceiling));
}

/* ---- For test_instructions ---- */

static void
print_counts(void)
{
    for (size_t i = 0; i < operation_count; i++) {
        struct cost cost = cost_of(&operations[i]);

        printf("%s %zu %zu %zu %" PRId64 "\n", operations[i].name,
               cost.operations, cost.allocations, cost.bytes, cost.kept_bytes);
    }
}

int
main(int argc, char **argv)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(every_line_of_the_table_is_an_operation),
        cmocka_unit_test(a_delivery_allocates_nothing),
        cmocka_unit_test(small_messages_allocate_nothing),
        cmocka_unit_test(a_cost_above_or_below_its_ceiling_is_seen),
    };
    static struct CMUnitTest tests[OPERATIONS_MAX];
    static char names[OPERATIONS_MAX][64];
    const struct operation *one;
    int failed;

    if (argc == 2 && strcmp(argv[1], "--counts") == 0) {
        print_counts();
        return 0;
    }
    if (argc == 2) {
        one = operation_find(argv[1]);
        if (one == NULL) {
            fprintf(stderr, "%s: no such operation\n", argv[1]);
            return 2;
        }
        cost_of(one);
        return 0;
    }

    read_ceilings();
    MUST(operation_count <= OPERATIONS_MAX);
    for (size_t i = 0; i < OPERATIONS_MAX; i++)
        tests[i] = (struct CMUnitTest){0};
    for (size_t i = 0; i < operation_count; i++) {
        snprintf(names[i], sizeof names[i],
                 "%s_allocates_as_much_as_its_ceiling_says",
                 operations[i].name);
        tests[i].name = names[i];
        tests[i].test_func = allocates_as_much_as_its_ceiling_says;
        tests[i].initial_state = (void *)(uintptr_t)&operations[i];
    }
    failed = cmocka_run_group_tests(fixed, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL) + failed;
}
