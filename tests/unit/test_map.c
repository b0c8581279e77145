/*
 * base/map: many keys, failing tables, removal while walking, the secret key
 */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "alloc.h"
#include "base/compiler.h"

struct element {
    struct skio__map_node node;
    char name[16];
    size_t len;
    int value;
};

static const uint8_t hash_key[SKIO__MAP_KEY_BYTES] = {1, 2, 3};

static struct element *
element_of(struct skio__map_node *node)
{
    return skio__container_of(node, struct element, node);
}

static int
put(struct skio__map *map, struct element *element, int value)
{
    int n = snprintf(element->name, sizeof(element->name), "room-%d", value);

    element->len = (size_t)n;
    element->value = value;
    return skio__map_put(map, &element->node, element->name, element->len);
}

static struct element *
find(struct skio__map *map, int value)
{
    char name[16];
    int n = snprintf(name, sizeof(name), "room-%d", value);
    struct skio__map_node *node = skio__map_find(map, name, (size_t)n);

    return node != NULL ? element_of(node) : NULL;
}

static void
an_empty_map_owns_nothing(void **state)
{
    struct test_alloc t;
    struct skio__map map;

    (void)state;
    test_alloc_init(&t);
    skio__map_init(&map, &t.allocator, hash_key);
    assert_int_equal(skio__map_count(&map), 0);
    assert_null(skio__map_first(&map));
    assert_null(skio__map_find(&map, "a", 1));
    skio__map_deinit(&map);
    assert_int_equal(t.calls, 0);
}

static void
what_was_put_is_found_until_removed(void **state)
{
    enum { N = 3000 };
    struct element *elements = calloc(N, sizeof(*elements));
    struct test_alloc t;
    struct skio__map map;
    int i;

    (void)state;
    assert_non_null(elements);
    test_alloc_init(&t);
    skio__map_init(&map, &t.allocator, hash_key);
    for (i = 0; i < N; i++)
        assert_int_equal(put(&map, &elements[i], i), SKIO_OK);
    assert_int_equal(skio__map_count(&map), N);
    for (i = 0; i < N; i++)
        assert_ptr_equal(find(&map, i), &elements[i]);
    assert_null(find(&map, N));

    for (i = 0; i < N; i += 2)
        skio__map_remove(&map, &elements[i].node);
    assert_int_equal(skio__map_count(&map), N / 2);
    for (i = 0; i < N; i++)
        assert_ptr_equal(find(&map, i), i % 2 != 0 ? &elements[i] : NULL);

    for (i = 1; i < N; i += 2)
        skio__map_remove(&map, &elements[i].node);
    assert_int_equal(t.live, 0); /* the table goes with the last one */
    free(elements);
}

static void
keys_are_bytes_compared_whole(void **state)
{
    static const struct {
        const char *key;
        size_t len;
    } keys[] = {
        {NULL, 0},           {"a", 1},        {"a\0", 2},
        {"a\0b", 3},         {"A", 1},        {"__proto__", 9},
        {"constructor", 11}, {"\xff\xfe", 2}, {"a\0c", 3},
    };
    struct element elements[sizeof(keys) / sizeof(keys[0])];
    struct test_alloc t;
    struct skio__map map;
    size_t i;

    (void)state;
    memset(elements, 0, sizeof(elements));
    test_alloc_init(&t);
    skio__map_init(&map, &t.allocator, hash_key);
    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_null(skio__map_find(&map, keys[i].key, keys[i].len));
        assert_int_equal(skio__map_put(&map, &elements[i].node, keys[i].key,
                                       keys[i].len),
                         SKIO_OK);
    }
    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const void *key;
        size_t len;

        assert_ptr_equal(skio__map_find(&map, keys[i].key, keys[i].len),
                         &elements[i].node);
        key = skio__map_key(&elements[i].node, &len);
        assert_int_equal(len, keys[i].len);
        if (len > 0)
            assert_ptr_equal(key, keys[i].key);
    }
    skio__map_deinit(&map);
    assert_int_equal(t.live, 0);
}

static void
keys_longer_than_any_are_refused(void **state)
{
#if SIZE_MAX > UINT32_MAX
    struct element element;
    struct test_alloc t;
    struct skio__map map;

    memset(&element, 0, sizeof(element));
    test_alloc_init(&t);
    skio__map_init(&map, &t.allocator, hash_key);
    assert_int_equal(skio__map_put(&map, &element.node, "a",
                                   (size_t)UINT32_MAX + 1),
                     SKIO_ETOOBIG);
    assert_null(skio__map_find(&map, "a", (size_t)UINT32_MAX + 1));
    assert_int_equal(t.calls, 0);
#endif
    (void)state;
}

static void
the_walk_goes_in_order_of_insertion(void **state)
{
    struct element elements[20];
    struct skio__map_node *node;
    struct skio__map_node *after;
    struct test_alloc t;
    struct skio__map map;
    int i;

    (void)state;
    memset(elements, 0, sizeof(elements));
    test_alloc_init(&t);
    skio__map_init(&map, &t.allocator, hash_key);
    for (i = 0; i < 20; i++)
        assert_int_equal(put(&map, &elements[i], i), SKIO_OK);

    i = 0;
    SKIO__MAP_EACH(&map, node, after) {
        assert_int_equal(element_of(node)->value, i);
        if (i++ % 3 == 0)
            skio__map_remove(&map, node);
    }
    assert_int_equal(i, 20);
    assert_int_equal(skio__map_count(&map), 13);

    SKIO__MAP_EACH(&map, node, after) {
        skio__map_remove(&map, node);
    }
    assert_null(skio__map_first(&map));
    assert_int_equal(t.live, 0);
}

/*
 * Whichever allocation fails, of the table, its first buckets, or more buckets
 * later: the element is not in, all others are, and it can be put again.
 */
static void
a_failed_put_leaves_the_map_as_it_was(void **state)
{
    enum { N = 2000 };
    struct element *elements = calloc(N, sizeof(*elements));
    size_t fail;
    size_t total = 0;

    (void)state;
    assert_non_null(elements);
    for (fail = 1; fail <= total || fail == 1; fail++) {
        struct test_alloc t;
        struct skio__map map;
        int failures = 0;
        int i;
        int k;

        test_alloc_init(&t);
        test_alloc_fail(&t, fail);
        skio__map_init(&map, &t.allocator, hash_key);
        memset(elements, 0, N * sizeof(*elements));
        for (i = 0; i < N; i++) {
            if (put(&map, &elements[i], i) == SKIO_OK)
                continue;
            failures++;
            assert_int_equal(skio__map_count(&map), i);
            assert_null(find(&map, i));
            for (k = 0; k < i; k++)
                assert_ptr_equal(find(&map, k), &elements[k]);
            assert_int_equal(put(&map, &elements[i], i), SKIO_OK);
        }
        assert_int_equal(failures, 1);
        assert_int_equal(skio__map_count(&map), N);
        for (i = 0; i < N; i++)
            assert_ptr_equal(find(&map, i), &elements[i]);
        for (i = 0; i < N; i++)
            skio__map_remove(&map, &elements[i].node);
        assert_int_equal(t.live, 0);

        if (fail == 1)
            total = t.calls - 1; /* as many as succeed in a full run */
    }
    assert_true(total >= 4); /* the table, buckets, and growing twice */
    free(elements);
}

static void
the_key_decides_the_hash(void **state)
{
    static const uint8_t other_key[SKIO__MAP_KEY_BYTES] = {9};
    struct element one;
    struct element two;
    struct test_alloc t;
    struct skio__map a;
    struct skio__map b;

    (void)state;
    memset(&one, 0, sizeof(one));
    memset(&two, 0, sizeof(two));
    test_alloc_init(&t);
    skio__map_init(&a, &t.allocator, hash_key);
    skio__map_init(&b, &t.allocator, other_key);
    assert_int_equal(put(&a, &one, 7), SKIO_OK);
    assert_int_equal(put(&b, &two, 7), SKIO_OK);
    assert_int_not_equal(one.node.hh.hashv, two.node.hh.hashv);
    skio__map_deinit(&a);
    skio__map_deinit(&b);
    assert_int_equal(t.live, 0);
}

static void
a_map_is_usable_after_it_was_emptied(void **state)
{
    struct element element;
    struct test_alloc t;
    struct skio__map map;
    int i;

    (void)state;
    memset(&element, 0, sizeof(element));
    test_alloc_init(&t);
    skio__map_init(&map, &t.allocator, hash_key);
    for (i = 0; i < 3; i++) {
        assert_int_equal(put(&map, &element, i), SKIO_OK);
        assert_ptr_equal(find(&map, i), &element);
        skio__map_remove(&map, &element.node);
        assert_int_equal(t.live, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_owns_nothing),
        cmocka_unit_test(what_was_put_is_found_until_removed),
        cmocka_unit_test(keys_are_bytes_compared_whole),
        cmocka_unit_test(keys_longer_than_any_are_refused),
        cmocka_unit_test(the_walk_goes_in_order_of_insertion),
        cmocka_unit_test(a_failed_put_leaves_the_map_as_it_was),
        cmocka_unit_test(the_key_decides_the_hash),
        cmocka_unit_test(a_map_is_usable_after_it_was_emptied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
