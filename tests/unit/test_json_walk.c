/*
 * base/json_walk: finding values in text that the scanner has accepted
 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* The whole of a text that is checked first; walking trusts that. */
static struct skio__json_slice
whole(const char *text)
{
    struct skio__json_limits limits = {64, -1};
    struct skio__json_scan out;
    struct skio__json_slice root;

    memset(&out, 0, sizeof(out));
    assert_int_equal(skio__json_scan(text, strlen(text), &limits, &out),
                     SKIO_OK);
    root = skio__json_whole(text, strlen(text));
    assert_int_equal(root.start, out.root.start);
    assert_int_equal(root.len, out.root.len);
    assert_int_equal(root.type, out.root.type);
    assert_int_equal(root.flags, out.root.flags);
    return root;
}

static void
assert_value(const char *text, const struct skio__json_slice *slice,
             const char *want)
{
    assert_int_equal(slice->len, strlen(want));
    assert_memory_equal(text + slice->start, want, slice->len);
    assert_int_equal(slice->type, skio__json_type(*want));
}

static void
the_first_character_tells_the_type(void **state)
{
    (void)state;
    assert_int_equal(skio__json_type('{'), SKIO__JSON_OBJECT);
    assert_int_equal(skio__json_type('['), SKIO__JSON_ARRAY);
    assert_int_equal(skio__json_type('"'), SKIO__JSON_STRING);
    assert_int_equal(skio__json_type('t'), SKIO__JSON_BOOL);
    assert_int_equal(skio__json_type('f'), SKIO__JSON_BOOL);
    assert_int_equal(skio__json_type('n'), SKIO__JSON_NULL);
    assert_int_equal(skio__json_type('-'), SKIO__JSON_NUMBER);
    assert_int_equal(skio__json_type('0'), SKIO__JSON_NUMBER);
    assert_int_equal(skio__json_type('9'), SKIO__JSON_NUMBER);
}

static void
skip_ends_where_the_value_does(void **state)
{
    static const char *const values[] = {
        "1",
        "-1.5e+3",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a]},\"",
        "\"\\\"]\\\\\"",
        "\"\\\\\\\\\"",
        "[]",
        "[ [ ] , { } ]",
        "{}",
        "{\"a\":[1,{\"]\":\"}\"}],\"\\\"\":\"\\\\\"}",
    };
    static const char *const tails[] = {"", ",1", "]", "}", " ", "\n]", "\t,"};
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        for (k = 0; k < sizeof(tails) / sizeof(tails[0]); k++) {
            size_t len = strlen(values[i]);
            size_t size = len + strlen(tails[k]);
            char *text = malloc(size); /* a sanitizer watches its end */

            assert_non_null(text);
            memcpy(text, values[i], len);
            memcpy(text + len, tails[k], size - len);
            assert_ptr_equal(skio__json_skip(text, text + size), text + len);
            free(text);
        }
    }
}

static void
the_whole_leaves_white_space_out(void **state)
{
    struct skio__json_slice root = whole(" \r\n{\"a\" : 1}\t ");

    (void)state;
    assert_int_equal(root.start, 3);
    assert_int_equal(root.len, 9);
    root = whole("\"\\n\"");
    assert_int_equal(root.flags, SKIO__JSON_ESCAPED);
    root = whole("-1.5");
    assert_int_equal(root.len, 4);
}

static void
the_walk_over_an_array_sees_each_element(void **state)
{
    static const char text[] =
        "[ 1 ,\"a,]\" , [2,[3]],{\"b\":[]}, null,true,\"\\\"\" ]";
    static const char *const want[] = {
        "1", "\"a,]\"", "[2,[3]]", "{\"b\":[]}", "null", "true", "\"\\\"\"",
    };
    struct skio__json_slice root = whole(text);
    struct skio__json_iter iter;
    struct skio__json_slice found;
    size_t i;

    (void)state;
    skio__json_iter_init(&iter, text, &root);
    assert_false(iter.is_object);
    for (i = 0; i < 7; i++) {
        assert_true(skio__json_iter_next(&iter));
        assert_value(text, &iter.value, want[i]);
        assert_int_equal(iter.value.flags, i == 6 ? SKIO__JSON_ESCAPED : 0);
        assert_int_equal(skio__json_nth(text, &root, i, &found), SKIO_OK);
        assert_memory_equal(&found, &iter.value, sizeof(found.start) * 2);
    }
    assert_false(skio__json_iter_next(&iter));
    assert_false(skio__json_iter_next(&iter)); /* and stays at the end */
    assert_int_equal(skio__json_count(text, &root), 7);
    assert_int_equal(skio__json_nth(text, &root, 7, &found), SKIO_ENOENT);
    assert_int_equal(skio__json_nth(text, &root, SIZE_MAX, &found),
                     SKIO_ENOENT);
}

static void
the_walk_over_an_object_sees_each_member(void **state)
{
    static const char text[] = "{ \"a\" : 1,\"b\\n\":\t\"}\" , \"\":{} ,"
                               "\"a\":[ ]}";
    static const char *const keys[] = {"\"a\"", "\"b\\n\"", "\"\"", "\"a\""};
    static const char *const values[] = {"1", "\"}\"", "{}", "[ ]"};
    struct skio__json_slice root = whole(text);
    struct skio__json_iter iter;
    size_t i;

    (void)state;
    skio__json_iter_init(&iter, text, &root);
    assert_true(iter.is_object);
    for (i = 0; i < 4; i++) {
        assert_true(skio__json_iter_next(&iter));
        assert_value(text, &iter.key, keys[i]);
        assert_int_equal(iter.key.flags, i == 1 ? SKIO__JSON_ESCAPED : 0);
        assert_value(text, &iter.value, values[i]);
    }
    assert_false(skio__json_iter_next(&iter));
    assert_int_equal(skio__json_count(text, &root), 4);
}

static void
what_is_no_container_has_no_members(void **state)
{
    static const char *const texts[] = {"1",     "\"[1,2]\"", "null", "true",
                                        "false", "[]",        "[ ]",  "{}",
                                        "{ }",   "\"\""};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct skio__json_slice root = whole(texts[i]);
        struct skio__json_slice found;
        struct skio__json_iter iter;

        skio__json_iter_init(&iter, texts[i], &root);
        assert_false(skio__json_iter_next(&iter));
        assert_int_equal(skio__json_count(texts[i], &root), 0);
        assert_int_equal(skio__json_nth(texts[i], &root, 0, &found),
                         root.type == SKIO__JSON_ARRAY ? SKIO_ENOENT
                                                       : SKIO_ETYPE);
        assert_int_equal(skio__json_get(texts[i], &root, "a", 1, &found),
                         root.type == SKIO__JSON_OBJECT ? SKIO_ENOENT
                                                        : SKIO_ETYPE);
    }
}

static void
members_are_found_by_their_exact_key(void **state)
{
    static const char text[] =
        "{\"a\":1,\"A\":2,\"\":3,\"ab\":4,\"caf\\u00e9\":5,"
        "\"\\ud83d\\ude00\":6,\"a\\u0000b\":7,\"\\\"\":8,\"dup\":9,"
        "\"d\\u0075p\":10,\"x.y\":11,\"dup\":12,\"__proto__\":13}";
    static const struct {
        const char *key;
        size_t len;
        const char *want; /* NULL: there is none */
    } cases[] = {
        {"a", 1, "1"},
        {"A", 1, "2"},
        {"", 0, "3"},
        {"ab", 2, "4"},
        {"abc", 3, NULL},
        {"B", 1, NULL},
        {"caf\xc3\xa9", 5, "5"},
        {"caf\\u00e9", 9, NULL},
        {"\xf0\x9f\x98\x80", 4, "6"},
        {"a\0b", 3, "7"},
        {"a\0c", 3, NULL},
        {"a\0", 2, NULL},
        {"\"", 1, "8"},
        {"\\\"", 2, NULL},
        {"dup", 3, "12"},
        {"x.y", 3, "11"},
        {"__proto__", 9, "13"},
        {"constructor", 11, NULL},
    };
    struct skio__json_slice root = whole(text);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct skio__json_slice found = {0, 0, 0, 0};
        int err =
            skio__json_get(text, &root, cases[i].key, cases[i].len, &found);

        assert_int_equal(err, cases[i].want != NULL ? SKIO_OK : SKIO_ENOENT);
        if (cases[i].want != NULL)
            assert_value(text, &found, cases[i].want);
        else
            assert_int_equal(found.len, 0); /* a failed call changed nothing */
    }
}

static void
a_duplicate_written_otherwise_wins_too(void **state)
{
    static const char text[] = "{\"dup\":9,\"d\\u0075p\":10}";
    struct skio__json_slice root = whole(text);
    struct skio__json_slice found;

    (void)state;
    assert_int_equal(skio__json_get(text, &root, "dup", 3, &found), SKIO_OK);
    assert_value(text, &found, "10");
}

static void
paths_lead_through_arrays_and_objects(void **state)
{
    static const char text[] =
        "[\"hello\", {\"count\": 3, \"user\": {\"name\": \"Ann\", \"tags\": "
        "[\"x\", [\"y\", \"z\"]]}, \"\": {\"\": 1}, \"0\": \"zero\", "
        "\"a.b\": 2}, [], 1e2, 3,4,5,6,7,8, \"ten\"]";
    static const struct {
        const char *path;
        const char *want; /* NULL: leads nowhere */
    } cases[] = {
        {"0", "\"hello\""},
        {"1.count", "3"},
        {"1.user.name", "\"Ann\""},
        {"1.user.tags", "[\"x\", [\"y\", \"z\"]]"},
        {"1.user.tags.0", "\"x\""},
        {"1.user.tags.1.1", "\"z\""},
        {"1.0", "\"zero\""},
        {"1..", NULL},
        {"2", "[]"},
        {"3", "1e2"},
        {"10", "\"ten\""},
        {"11", NULL},
        {"2.0", NULL},
        {"00", NULL},
        {"01", NULL},
        {"-1", NULL},
        {"+1", NULL},
        {" 1", NULL},
        {"1 ", NULL},
        {"1x", NULL},
        {"0x1", NULL},
        {"999999999", NULL},
        {"4294967296", NULL},
        {"18446744073709551616", NULL},
        {"99999999999999999999999999", NULL},
        {"count", NULL},
        {"1.Count", NULL},
        {"1.count.x", NULL},
        {"1.count.0", NULL},
        {"0.0", NULL},
        {"1.a.b", NULL}, /* a key with a dot cannot be named */
        {"1.user.tags.length", NULL},
        {".", NULL},
        {".0", NULL},
        {"0.", NULL},
        {"1.", NULL},
        {"1..x", NULL},
    };
    struct skio__json_slice root = whole(text);
    struct skio__json_slice found;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int err;

        memset(&found, 0, sizeof(found));
        err = skio__json_path(text, &root, cases[i].path, &found);
        if (err != (cases[i].want != NULL ? SKIO_OK : SKIO_ENOENT))
            fail_msg("path %s: %d", cases[i].path, err);
        if (cases[i].want != NULL)
            assert_value(text, &found, cases[i].want);
        else
            assert_int_equal(found.len, 0);
    }
    assert_int_equal(skio__json_path(text, &root, "", &found), SKIO_OK);
    assert_int_equal(found.start, root.start);
    assert_int_equal(found.len, root.len);
}

static void
a_path_may_write_over_where_it_began(void **state)
{
    static const char text[] = "{\"a\":[1,{\"b\":2}]}";
    struct skio__json_slice at = whole(text);

    (void)state;
    assert_int_equal(skio__json_path(text, &at, "a.1.b", &at), SKIO_OK);
    assert_value(text, &at, "2");
}

static void
a_placeholder_tells_its_attachment(void **state)
{
    static const struct {
        const char *text;
        int64_t num;
    } cases[] = {
        {"{\"_placeholder\":true,\"num\":0}", 0},
        {"{\"num\":3,\"_placeholder\":true}", 3},
        {"{\"_placeholder\":true,\"num\":1e1}", 10},
        {"{\"\\u005fplaceholder\":true,\"num\":1}", 1},
        {"{\"_placeholder\":true,\"num\":1,\"num\":2}", 2},
        {"{\"_placeholder\":true,\"_placeholder\":false,\"num\":2}", -1},
        {"{\"_placeholder\":true}", -1},
        {"{\"_placeholder\":true,\"num\":\"0\"}", -1},
        {"{\"_placeholder\":true,\"num\":-1}", -1},
        {"{\"_placeholder\":true,\"num\":1.5}", -1},
        {"{\"_placeholder\":\"true\",\"num\":0}", -1},
        {"{\"_placeholder\":1,\"num\":0}", -1},
        {"{\"num\":0}", -1},
        {"{}", -1},
        {"[]", -1},
        {"[\"_placeholder\",true]", -1},
        {"true", -1},
        {"0", -1},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct skio__json_slice root = whole(cases[i].text);

        assert_int_equal(skio__json_placeholder(cases[i].text, &root),
                         cases[i].num);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_character_tells_the_type),
        cmocka_unit_test(skip_ends_where_the_value_does),
        cmocka_unit_test(the_whole_leaves_white_space_out),
        cmocka_unit_test(the_walk_over_an_array_sees_each_element),
        cmocka_unit_test(the_walk_over_an_object_sees_each_member),
        cmocka_unit_test(what_is_no_container_has_no_members),
        cmocka_unit_test(members_are_found_by_their_exact_key),
        cmocka_unit_test(a_duplicate_written_otherwise_wins_too),
        cmocka_unit_test(paths_lead_through_arrays_and_objects),
        cmocka_unit_test(a_path_may_write_over_where_it_began),
        cmocka_unit_test(a_placeholder_tells_its_attachment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
