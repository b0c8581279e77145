/*
 * socketio/value: paths, types, copies; lists of arguments and texts
 */
#include "socketio/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A packet as it was decoded. Its text ends where the fixture does, so that a
 * look past the end shows under a sanitizer. */
struct fixture {
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio__json_slice items[SIO_VALUE_ITEMS];
    struct skio__json_scan scan;
    struct skio_value args;
    char *text;
    char block[32768];
};

static const skio_bytes files[] = {{"zero", 4}, {"one\0", 4}, {NULL, 0}};

static void
fixture_init(struct fixture *f, const char *text, uint32_t skip, bool has_items,
             uint32_t attachments)
{
    const struct skio__json_limits limits = {64, attachments > 0
                                                     ? (int64_t)attachments
                                                     : -1};
    const size_t len = strlen(text);

    test_alloc_init(&f->alloc);
    skio__arena_init(&f->arena, &f->alloc.allocator, 0);
    assert_true(len <= sizeof(f->block));
    f->text = f->block + sizeof(f->block) - len;
    memcpy(f->text, text, len);
    f->scan.items = f->items;
    f->scan.cap = SIO_VALUE_ITEMS;
    assert_int_equal(skio__json_scan(f->text, len, &limits, &f->scan), SKIO_OK);
    skio__value_init_args(&f->args, f->text, &f->scan.root,
                          has_items ? f->items : NULL,
                          f->scan.count < SIO_VALUE_ITEMS ? f->scan.count
                                                          : SIO_VALUE_ITEMS,
                          f->scan.count, skip, attachments > 0 ? files : NULL,
                          attachments, &f->arena);
}

static void
fixture_deinit(struct fixture *f)
{
    skio__value_deinit(&f->args);
    skio__arena_deinit(&f->arena);
    assert_int_equal(f->alloc.live, 0);
}

static const char mixed[] =
    "[\"name\", \"text\" ,\"\\u0041\\n\\ud83d\\ude00\",\"a\\u0000b\",{\"k\":"
    "[1,2.5,{\"deep\":\"x\"}],\"\":0,\"7\":\"seven\",\"k\\\"\":1,\"d\":1,"
    "\"d\":2},null,true,false,-3e2,12345678901234567890,[],{}]";

static void
paths_lead_to_types(void **state)
{
    static const struct {
        const char *path;
        enum skio_type type;
        size_t count;
    } cases[] = {
        {"", SKIO_TYPE_ARRAY, 11},
        {"0", SKIO_TYPE_STRING, 0},
        {"1", SKIO_TYPE_STRING, 0},
        {"3", SKIO_TYPE_OBJECT, 6},
        {"3.k", SKIO_TYPE_ARRAY, 3},
        {"3.k.0", SKIO_TYPE_NUMBER, 0},
        {"3.k.2", SKIO_TYPE_OBJECT, 1},
        {"3.k.2.deep", SKIO_TYPE_STRING, 0},
        {"3.7", SKIO_TYPE_STRING, 0},
        {"3.k\"", SKIO_TYPE_NUMBER, 0},
        {"4", SKIO_TYPE_NULL, 0},
        {"5", SKIO_TYPE_BOOL, 0},
        {"6", SKIO_TYPE_BOOL, 0},
        {"7", SKIO_TYPE_NUMBER, 0},
        {"9", SKIO_TYPE_ARRAY, 0},
        {"10", SKIO_TYPE_OBJECT, 0},
        {"11", SKIO_TYPE_NONE, 0},
        {"00", SKIO_TYPE_NONE, 0},
        {"01", SKIO_TYPE_NONE, 0},
        {"-1", SKIO_TYPE_NONE, 0},
        {"+1", SKIO_TYPE_NONE, 0},
        {" 0", SKIO_TYPE_NONE, 0},
        {"0 ", SKIO_TYPE_NONE, 0},
        {"0.", SKIO_TYPE_NONE, 0},
        {".0", SKIO_TYPE_NONE, 0},
        {".", SKIO_TYPE_NONE, 0},
        {"3.k.", SKIO_TYPE_NONE, 0},
        {"3..k", SKIO_TYPE_NONE, 0},
        {"3.k.3", SKIO_TYPE_NONE, 0},
        {"3.k.00", SKIO_TYPE_NONE, 0},
        {"3.K", SKIO_TYPE_NONE, 0},
        {"3.none", SKIO_TYPE_NONE, 0},
        {"0.0", SKIO_TYPE_NONE, 0},
        {"name", SKIO_TYPE_NONE, 0},
        {"k", SKIO_TYPE_NONE, 0},
        {"4294967296", SKIO_TYPE_NONE, 0},
        {"18446744073709551616", SKIO_TYPE_NONE, 0},
        {"99999999999999999999999999999999", SKIO_TYPE_NONE, 0},
    };
    struct fixture f;
    size_t i;
    int has_items;

    (void)state;
    for (has_items = 0; has_items < 2; has_items++) {
        fixture_init(&f, mixed, 1, has_items, 0);
        for (i = 0; i < COUNT(cases); i++) {
            if (skio_type_of(&f.args, cases[i].path) != cases[i].type)
                print_error("path %s\n", cases[i].path);
            assert_int_equal(skio_type_of(&f.args, cases[i].path),
                             cases[i].type);
            assert_int_equal(skio_count(&f.args, cases[i].path),
                             cases[i].count);
        }
        assert_int_equal(skio_type_of(&f.args, NULL), SKIO_TYPE_ARRAY);
        assert_int_equal(skio_count(&f.args, NULL), 11);
        fixture_deinit(&f);
    }
}

static void
strings_are_unescaped(void **state)
{
    struct fixture f;
    size_t len = 77;

    (void)state;
    fixture_init(&f, mixed, 1, true, 0);
    assert_string_equal(skio_get_str(&f.args, "0"), "text");
    assert_string_equal(skio_get_str(&f.args, "1"), "A\n\xf0\x9f\x98\x80");
    assert_string_equal(skio_get_str(&f.args, "3.k.2.deep"), "x");
    assert_null(skio_get_str(&f.args, "2")); /* it has a U+0000 */
    assert_null(skio_get_str(&f.args, "3"));
    assert_null(skio_get_str(&f.args, "4"));
    assert_null(skio_get_str(&f.args, "11"));
    assert_null(skio_get_str(&f.args, ""));

    assert_memory_equal(skio_get_strn(&f.args, "2", &len), "a\0b", 4);
    assert_int_equal(len, 3);
    len = 77;
    assert_null(skio_get_strn(&f.args, "5", &len));
    assert_null(skio_get_strn(&f.args, "nothing", &len));
    assert_int_equal(len, 77);
    fixture_deinit(&f);
}

static void
numbers_are_read_exactly(void **state)
{
    struct fixture f;
    int64_t n = 77;
    double d = 77;

    (void)state;
    fixture_init(&f, mixed, 1, true, 0);
    assert_int_equal(skio_get_int(&f.args, "7", &n), SKIO_OK);
    assert_int_equal(n, -300);
    assert_int_equal(skio_get_int(&f.args, "3.d", &n), SKIO_OK);
    assert_int_equal(n, 2); /* of duplicate keys the last */
    n = 77;
    assert_int_equal(skio_get_int(&f.args, "8", &n), SKIO_ERANGE);
    assert_int_equal(skio_get_int(&f.args, "3.k.1", &n), SKIO_ETYPE);
    assert_int_equal(skio_get_int(&f.args, "0", &n), SKIO_ETYPE);
    assert_int_equal(skio_get_int(&f.args, "11", &n), SKIO_ENOENT);
    assert_int_equal(skio_get_int(&f.args, "", &n), SKIO_ETYPE);
    assert_int_equal(n, 77);

    assert_int_equal(skio_get_double(&f.args, "3.k.1", &d), SKIO_OK);
    assert_true(d == 2.5);
    assert_int_equal(skio_get_double(&f.args, "8", &d), SKIO_OK);
    assert_true(d == 12345678901234567890.0);
    d = 77;
    assert_int_equal(skio_get_double(&f.args, "5", &d), SKIO_ETYPE);
    assert_int_equal(skio_get_double(&f.args, "x", &d), SKIO_ENOENT);
    assert_true(d == 77);
    fixture_deinit(&f);
}

static void
booleans_are_true_and_false_alone(void **state)
{
    struct fixture f;
    bool b = false;

    (void)state;
    fixture_init(&f, mixed, 1, true, 0);
    assert_int_equal(skio_get_bool(&f.args, "5", &b), SKIO_OK);
    assert_true(b);
    assert_int_equal(skio_get_bool(&f.args, "6", &b), SKIO_OK);
    assert_false(b);
    assert_int_equal(skio_get_bool(&f.args, "4", &b), SKIO_ETYPE);
    assert_int_equal(skio_get_bool(&f.args, "3.k.0", &b), SKIO_ETYPE);
    assert_int_equal(skio_get_bool(&f.args, "12", &b), SKIO_ENOENT);
    fixture_deinit(&f);
}

static void
placeholders_are_bytes(void **state)
{
    static const char text[] =
        "[\"e\",{\"_placeholder\":true,\"num\":1},{\"x\":{\"num\":2,"
        "\"_placeholder\":true}},{\"_placeholder\":false,\"num\":0},"
        "{\"num\":0}]";
    struct fixture f;
    skio_bytes bytes = {NULL, 77};

    (void)state;
    fixture_init(&f, text, 1, true, 3);
    assert_int_equal(skio_type_of(&f.args, "0"), SKIO_TYPE_BYTES);
    assert_int_equal(skio_count(&f.args, "0"), 0);
    assert_int_equal(skio_get_bytes(&f.args, "0", &bytes), SKIO_OK);
    assert_int_equal(bytes.len, 4);
    assert_memory_equal(bytes.data, "one\0", 4);
    assert_int_equal(skio_get_bytes(&f.args, "1.x", &bytes), SKIO_OK);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(skio_get_bytes(skio_get_value(&f.args, "1"), "x", &bytes),
                     SKIO_OK);

    assert_int_equal(skio_type_of(&f.args, "2"), SKIO_TYPE_OBJECT);
    assert_int_equal(skio_get_bytes(&f.args, "1", &bytes), SKIO_ETYPE);
    assert_int_equal(skio_get_bytes(&f.args, "2", &bytes), SKIO_ETYPE);
    assert_int_equal(skio_get_bytes(&f.args, "3", &bytes), SKIO_ETYPE);
    assert_int_equal(skio_get_bytes(&f.args, "3.num", &bytes), SKIO_ETYPE);
    assert_int_equal(skio_get_bytes(&f.args, "4", &bytes), SKIO_ENOENT);
    fixture_deinit(&f);
}

static void
without_attachments_a_placeholder_is_an_object(void **state)
{
    struct fixture f;
    skio_bytes bytes;

    (void)state;
    fixture_init(&f, "[{\"_placeholder\":true,\"num\":0}]", 0, true, 0);
    assert_int_equal(skio_type_of(&f.args, "0"), SKIO_TYPE_OBJECT);
    assert_int_equal(skio_count(&f.args, "0"), 2);
    assert_int_equal(skio_get_bytes(&f.args, "0", &bytes), SKIO_ETYPE);
    fixture_deinit(&f);
}

static void
raw_text_is_as_it_came(void **state)
{
    struct fixture f;
    skio_bytes slice;

    (void)state;
    fixture_init(&f, " [ \"e\" , 1.50 ,{ \"a\" : [ ] }\n]", 1, true, 0);
    assert_string_equal(skio_get_json(&f.args, "0"), "1.50");
    assert_string_equal(skio_get_json(&f.args, "1"), "{ \"a\" : [ ] }");
    assert_string_equal(skio_get_json(&f.args, "1.a"), "[ ]");
    assert_string_equal(skio_get_json(&f.args, ""), "[1.50 ,{ \"a\" : [ ] }]");
    assert_null(skio_get_json(&f.args, "2"));

    assert_int_equal(skio_get_slice(&f.args, "0", &slice), SKIO_OK);
    assert_int_equal(slice.len, 4);
    assert_memory_equal(slice.data, "1.50", 4);
    assert_ptr_equal(slice.data, f.text + 9);
    assert_int_equal(skio_get_slice(&f.args, "", &slice), SKIO_OK);
    assert_int_equal(slice.len, 21);
    assert_memory_equal(slice.data, "[1.50 ,{ \"a\" : [ ] }]", 21);
    assert_int_equal(skio_get_slice(&f.args, "2", &slice), SKIO_ENOENT);
    fixture_deinit(&f);

    /* Of an ack nothing is hidden. */
    fixture_init(&f, "[ 1 ]", 0, true, 0);
    assert_string_equal(skio_get_json(&f.args, ""), "[1]");
    assert_int_equal(skio_get_slice(&f.args, "", &slice), SKIO_OK);
    assert_int_equal(slice.len, 5);
    fixture_deinit(&f);
}

static void
a_slice_is_read_where_it_stands(void **state)
{
    static const char text[] =
        "[\"name\",{\"_placeholder\":true,\"num\":1},{\"a\":{\"num\":2,"
        "\"_placeholder\":true},\"b\":{\"num\":2}},3e2,1.5,1e30]";
    struct fixture f;
    const skio_value *part;
    skio_bytes bytes;
    skio_bytes slice;
    int64_t i = 7;
    double d = 7;
    size_t calls;

    (void)state;
    fixture_init(&f, text, 1, true, 3);
    calls = f.alloc.calls;
    assert_int_equal(skio_get_slice(&f.args, "0", &slice), SKIO_OK);
    assert_int_equal(skio_slice_bytes(&f.args, slice.data, &bytes), SKIO_OK);
    assert_ptr_equal(bytes.data, files[1].data);
    assert_int_equal(bytes.len, 4);
    assert_int_equal(skio_get_slice(&f.args, "1.a", &slice), SKIO_OK);
    assert_int_equal(skio_slice_bytes(&f.args, slice.data, &bytes), SKIO_OK);
    assert_int_equal(bytes.len, 0);
    /* Objects like any other. */
    assert_int_equal(skio_get_slice(&f.args, "1.b", &slice), SKIO_OK);
    assert_int_equal(skio_slice_bytes(&f.args, slice.data, &bytes), SKIO_ETYPE);
    assert_int_equal(skio_get_slice(&f.args, "1", &slice), SKIO_OK);
    assert_int_equal(skio_slice_bytes(&f.args, slice.data, &bytes), SKIO_ETYPE);
    /* Where none can begin. */
    assert_int_equal(skio_slice_bytes(&f.args, (const char *)slice.data + 1,
                                      &bytes),
                     SKIO_EINVAL);
    assert_int_equal(skio_slice_bytes(&f.args, "{}", &bytes), SKIO_EINVAL);
    assert_int_equal(skio_slice_bytes(&f.args, f.text + strlen(text), &bytes),
                     SKIO_EINVAL);

    assert_int_equal(skio_get_slice(&f.args, "2", &slice), SKIO_OK);
    assert_int_equal(skio_slice_int(slice.data, slice.len, &i), SKIO_OK);
    assert_int_equal(i, 300);
    assert_int_equal(skio_slice_double(slice.data, slice.len, &d), SKIO_OK);
    assert_true(d == 300);
    assert_int_equal(skio_slice_int("1.5", 3, &i), SKIO_ETYPE);
    assert_int_equal(skio_slice_int("1e30", 4, &i), SKIO_ERANGE);
    assert_int_equal(skio_slice_int("1 ", 2, &i), SKIO_EPROTO);
    assert_int_equal(skio_slice_double("", 0, &d), SKIO_EPROTO);
    assert_int_equal(i, 300);
    assert_int_equal(f.alloc.calls, calls);

    /* A part has the attachments of the whole, and objects of its own. */
    part = skio_get_value(&f.args, "1");
    assert_int_equal(skio_get_slice(&f.args, "1.a", &slice), SKIO_OK);
    assert_int_equal(skio_slice_bytes(part, slice.data, &bytes), SKIO_OK);
    assert_int_equal(skio_get_slice(&f.args, "0", &slice), SKIO_OK);
    assert_int_equal(skio_slice_bytes(part, slice.data, &bytes), SKIO_EINVAL);
    fixture_deinit(&f);

    fixture_init(&f, text, 1, true, 0);
    assert_int_equal(skio_get_slice(&f.args, "0", &slice), SKIO_OK);
    assert_int_equal(skio_slice_bytes(&f.args, slice.data, &bytes), SKIO_ETYPE);
    fixture_deinit(&f);
}

static void
expect_raw(const struct skio_value *value, const char *want)
{
    const char *text;
    size_t len;

    skio__value_raw(value, &text, &len);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(text, want, len);
}

static void
what_is_passed_on_has_no_brackets(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, "[\"e\", 1 , [2 ] \t]", 1, true, 0);
    expect_raw(&f.args, "1 , [2 ]");
    expect_raw(skio_get_value(&f.args, "1"), "[2 ]");
    expect_raw(skio_get_args(&f.args, 1), "[2 ]");
    expect_raw(skio_get_args(&f.args, 2), "");
    fixture_deinit(&f);
    fixture_init(&f, "[\"e\"]", 1, false, 0);
    expect_raw(&f.args, "");
    fixture_deinit(&f);
    fixture_init(&f, "[ ]", 0, true, 0);
    expect_raw(&f.args, "");
    fixture_deinit(&f);
}

static void
arguments_can_be_read_from_an_index_on(void **state)
{
    struct fixture f;
    const skio_value *rest;

    (void)state;
    fixture_init(&f, mixed, 1, true, 0);
    assert_ptr_equal(skio_get_args(&f.args, 0), &f.args);
    rest = skio_get_args(&f.args, 3);
    assert_int_equal(skio_count(rest, ""), 8);
    assert_string_equal(skio_get_str(rest, "0.7"), "seven");
    rest = skio_get_args(rest, 7);
    assert_int_equal(skio_count(rest, ""), 1);
    assert_string_equal(skio_get_json(rest, ""), "[{}]");
    assert_int_equal(skio_type_of(rest, "1"), SKIO_TYPE_NONE);
    assert_int_equal(skio_count(skio_get_args(&f.args, 11), ""), 0);
    assert_int_equal(skio_count(skio_get_args(&f.args, SIZE_MAX), ""), 0);
    assert_null(skio_get_args(skio_get_value(&f.args, "9"), 0));
    assert_null(skio_get_args(NULL, 0));
    fixture_deinit(&f);
}

static void
a_part_is_a_value(void **state)
{
    struct fixture f;
    const skio_value *part;

    (void)state;
    fixture_init(&f, mixed, 1, true, 0);
    assert_ptr_equal(skio_get_value(&f.args, ""), &f.args);
    part = skio_get_value(&f.args, "3");
    assert_int_equal(skio_type_of(part, ""), SKIO_TYPE_OBJECT);
    assert_int_equal(skio_count(part, NULL), 6);
    assert_string_equal(skio_get_str(part, "7"), "seven");
    part = skio_get_value(part, "k");
    assert_string_equal(skio_get_str(part, "2.deep"), "x");
    assert_string_equal(skio_get_json(part, ""), "[1,2.5,{\"deep\":\"x\"}]");
    assert_null(skio_get_value(part, "3"));
    assert_null(skio_get_value(&f.args, "nothing"));
    fixture_deinit(&f);
}

static void
a_missing_value_has_nothing(void **state)
{
    int64_t n;
    double d;
    bool b;
    size_t len;
    skio_bytes bytes;

    (void)state;
    assert_int_equal(skio_type_of(NULL, "0"), SKIO_TYPE_NONE);
    assert_int_equal(skio_type_of(NULL, NULL), SKIO_TYPE_NONE);
    assert_int_equal(skio_count(NULL, ""), 0);
    assert_null(skio_get_str(NULL, ""));
    assert_null(skio_get_strn(NULL, "", &len));
    assert_null(skio_get_json(NULL, ""));
    assert_null(skio_get_value(NULL, ""));
    assert_int_equal(skio_get_int(NULL, "", &n), SKIO_ENOENT);
    assert_int_equal(skio_get_double(NULL, "", &d), SKIO_ENOENT);
    assert_int_equal(skio_get_bool(NULL, "", &b), SKIO_ENOENT);
    assert_int_equal(skio_get_bytes(NULL, "", &bytes), SKIO_ENOENT);
    assert_int_equal(skio_get_slice(NULL, "", &bytes), SKIO_ENOENT);
}

static bool
never(const char *key, size_t index, const skio_value *item, void *user)
{
    (void)key;
    (void)index;
    (void)item;
    (void)user;
    fail();
    return false;
}

static void
a_packet_without_data_has_no_arguments(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio_value args;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    skio__value_init_args(&args, NULL, NULL, NULL, 0, 0, 1, NULL, 0, &arena);
    assert_int_equal(skio_type_of(&args, ""), SKIO_TYPE_ARRAY);
    assert_int_equal(skio_count(&args, ""), 0);
    assert_int_equal(skio_type_of(&args, "0"), SKIO_TYPE_NONE);
    assert_string_equal(skio_get_json(&args, ""), "[]");
    assert_int_equal(skio_each(&args, "", never, NULL), SKIO_OK);
    expect_raw(&args, "");
    skio__value_deinit(&args);
    skio__arena_deinit(&arena);
    assert_int_equal(alloc.live, 0);
}

/* Writes what skio_each() shows as `key=json;` */
struct listing {
    char text[512];
    size_t len;
    size_t next;
    size_t stop_at;
};

static bool
list_item(const char *key, size_t index, const skio_value *item, void *user)
{
    struct listing *l = user;

    assert_int_equal(index, l->next++);
    l->len +=
        (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s=%s;",
                         key != NULL ? key : "-", skio_get_json(item, ""));
    assert_true(l->len < sizeof(l->text));
    return l->next != l->stop_at;
}

static void
expect_each(const skio_value *value, const char *path, size_t stop_at,
            const char *want)
{
    struct listing l = {.stop_at = stop_at};

    assert_int_equal(skio_each(value, path, list_item, &l), SKIO_OK);
    assert_string_equal(l.text, want);
}

static void
members_and_elements_are_visited_in_order(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, mixed, 1, true, 0);
    expect_each(&f.args, "3", 0,
                "k=[1,2.5,{\"deep\":\"x\"}];=0;7=\"seven\";k\"=1;d=1;d=2;");
    expect_each(&f.args, "3", 2, "k=[1,2.5,{\"deep\":\"x\"}];=0;");
    expect_each(&f.args, "3.k", 0, "-=1;-=2.5;-={\"deep\":\"x\"};");
    expect_each(skio_get_value(&f.args, "3"), "k", 1, "-=1;");
    expect_each(&f.args, "", 2, "-=\"text\";-=\"\\u0041\\n\\ud83d\\ude00\";");
    expect_each(skio_get_args(&f.args, 8), "", 0,
                "-=12345678901234567890;-=[];-={};");
    expect_each(&f.args, "9", 0, "");
    expect_each(&f.args, "10", 0, "");
    assert_int_equal(skio_each(&f.args, "0", never, NULL), SKIO_ETYPE);
    assert_int_equal(skio_each(&f.args, "4", never, NULL), SKIO_ETYPE);
    assert_int_equal(skio_each(&f.args, "11", never, NULL), SKIO_ENOENT);
    assert_int_equal(skio_each(NULL, "", never, NULL), SKIO_ENOENT);
    fixture_deinit(&f);

    fixture_init(&f, "[{\"_placeholder\":true,\"num\":0}]", 0, true, 1);
    assert_int_equal(skio_each(&f.args, "0", never, NULL), SKIO_ETYPE);
    expect_each(&f.args, "", 0, "-={\"_placeholder\":true,\"num\":0};");
    fixture_deinit(&f);
}

static bool
note_long_key(const char *key, size_t index, const skio_value *item, void *user)
{
    size_t *total = user;

    (void)index;
    (void)item;
    *total += strlen(key);
    return true;
}

/* A packet of many keys does not fill the memory: they share one copy. */
static void
keys_share_a_copy(void **state)
{
    enum { KEYS = 2000, LONG = 300 };
    static char text[KEYS * 12 + LONG + 16];
    struct fixture f;
    size_t len = 2;
    size_t total = 0;
    int i;

    (void)state;
    memcpy(text, "[{", 2);
    for (i = 0; i < KEYS; i++)
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "\"k%05d\":0,", i);
    text[len++] = '"';
    memset(text + len, 'l', LONG);
    len += LONG;
    memcpy(text + len, "\":1}]", 6);

    fixture_init(&f, text, 0, true, 0);
    assert_int_equal(skio_each(&f.args, "0", note_long_key, &total), SKIO_OK);
    assert_int_equal(total, KEYS * 6 + LONG);
    assert_int_equal(f.alloc.calls, 1);
    fixture_deinit(&f);
}

static void
arguments_past_the_kept_ones_are_walked_to(void **state)
{
    char text[256] = "[\"e\"";
    struct fixture f;
    size_t len = strlen(text);
    int64_t n;
    int i;

    (void)state;
    for (i = 0; i < 40; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",%d", i);
    text[len] = ']';
    fixture_init(&f, text, 1, true, 0);
    assert_int_equal(skio_count(&f.args, ""), 40);
    for (i = 0; i < 40; i++) {
        char path[16];

        snprintf(path, sizeof(path), "%d", i);
        assert_int_equal(skio_get_int(&f.args, path, &n), SKIO_OK);
        assert_int_equal(n, i);
    }
    assert_int_equal(skio_get_int(&f.args, "40", &n), SKIO_ENOENT);
    fixture_deinit(&f);
}

static void
a_packet_without_escapes_needs_one_chunk(void **state)
{
    struct fixture f;
    struct skio__arena_mark mark;
    int i;

    (void)state;
    fixture_init(&f, mixed, 1, true, 0);
    mark = skio__arena_mark(&f.arena);
    for (i = 0; i < 100; i++) {
        assert_non_null(skio_get_str(&f.args, "0"));
        skio__arena_release(&f.arena, mark);
    }
    assert_int_equal(f.alloc.calls, 1);
    fixture_deinit(&f);
}

static void
when_memory_is_out_getters_say_so(void **state)
{
    struct fixture f;
    struct listing l = {.stop_at = 0};
    skio_bytes bytes;
    int64_t n;

    (void)state;
    fixture_init(&f, mixed, 1, true, 0);
    test_alloc_fail_from(&f.alloc, 1);
    assert_null(skio_get_str(&f.args, "0"));
    assert_null(skio_get_json(&f.args, "0"));
    assert_null(skio_get_json(&f.args, ""));
    assert_null(skio_get_value(&f.args, "0"));
    assert_null(skio_get_args(&f.args, 1));
    assert_int_equal(skio_get_slice(&f.args, "", &bytes), SKIO_ENOMEM);
    assert_int_equal(skio_each(&f.args, "3", list_item, &l), SKIO_ENOMEM);
    /* What needs no copy needs no memory. */
    assert_int_equal(skio_get_int(&f.args, "7", &n), SKIO_OK);
    assert_int_equal(skio_get_slice(&f.args, "3", &bytes), SKIO_OK);
    assert_int_equal(skio_count(&f.args, "3"), 6);
    test_alloc_fail(&f.alloc, 0);
    assert_string_equal(skio_get_str(&f.args, "0"), "text");
    fixture_deinit(&f);
}

static const char auth[] =
    " { \"token\" : \"t\\u006f\", \"list\":[\"a\",\"b\",{\"c\":\"d\"}] } ";

static void
a_text_of_its_own_is_one_value(void **state)
{
    struct test_alloc t;
    struct skio_value *value;

    (void)state;
    test_alloc_init(&t);
    value = skio__value_new(&t.allocator, auth, strlen(auth), 8);
    assert_non_null(value);
    assert_int_equal(t.live, 1);
    assert_int_equal(skio_type_of(value, ""), SKIO_TYPE_OBJECT);
    assert_int_equal(skio_count(value, ""), 2);
    assert_string_equal(skio_get_str(value, "token"), "to");
    assert_string_equal(skio_get_json(value, "list.2"), "{\"c\":\"d\"}");
    assert_string_equal(skio_get_str(skio_get_value(value, "list"), "2.c"),
                        "d");
    expect_each(value, "list", 0, "-=\"a\";-=\"b\";-={\"c\":\"d\"};");
    expect_each(value, "list.2", 0, "c=\"d\";");
    expect_raw(value, "{ \"token\" : \"t\\u006f\", \"list\":[\"a\",\"b\","
                      "{\"c\":\"d\"}] }");
    assert_null(skio_get_args(value, 0));
    skio__value_free(value);
    assert_int_equal(t.live, 0);
    skio__value_free(NULL);

    value = skio__value_new(&t.allocator, "\"x\"", 3, 0);
    assert_string_equal(skio_get_str(value, ""), "x");
    assert_string_equal(skio_get_str(value, NULL), "x");
    assert_null(skio_get_str(value, "0"));
    skio__value_free(value);
    assert_int_equal(t.live, 0);
}

static void
what_is_no_json_is_no_value(void **state)
{
    static const char *const bad[] = {"", " ", "{", "[1,]", "\"\xff\"", "[[]]"};
    struct test_alloc t;
    size_t i;

    (void)state;
    test_alloc_init(&t);
    for (i = 0; i < COUNT(bad); i++) {
        assert_null(skio__value_new(&t.allocator, bad[i], strlen(bad[i]), 1));
        assert_null(skio__value_copy(&t.allocator, bad[i], strlen(bad[i]), 1));
    }
    assert_int_equal(t.calls, 0);
    test_alloc_fail(&t, 1);
    assert_null(skio__value_new(&t.allocator, "1", 1, 1));
    test_alloc_fail(&t, 1);
    assert_null(skio__value_copy(&t.allocator, "1", 1, 1));
}

/* An auth object lives as long as its socket, and is read with every event. */
static void
reading_a_text_again_costs_no_memory(void **state)
{
    struct test_alloc t;
    struct skio_value *value;
    const char *token;
    const skio_value *list;
    size_t calls;
    int i;

    (void)state;
    test_alloc_init(&t);
    value = skio__value_new(&t.allocator, auth, strlen(auth), 8);
    token = skio_get_str(value, "token");
    list = skio_get_value(value, "list");
    skio_get_json(value, "list");
    expect_each(value, "list.2", 0, "c=\"d\";");
    calls = t.calls;
    for (i = 0; i < 100; i++) {
        assert_ptr_equal(skio_get_str(value, "token"), token);
        assert_ptr_equal(skio_get_value(value, "list"), list);
        assert_non_null(skio_get_json(value, "list"));
        expect_each(value, "list.2", 0, "c=\"d\";");
    }
    assert_int_equal(t.calls, calls);
    skio__value_free(value);
    assert_int_equal(t.live, 0);
}

static void
a_copied_text_outlives_its_source(void **state)
{
    struct test_alloc t;
    struct skio_value *value;
    char text[sizeof(auth)];

    (void)state;
    memcpy(text, auth, sizeof(auth));
    test_alloc_init(&t);
    value = skio__value_copy(&t.allocator, text, strlen(auth), 8);
    memset(text, 'x', sizeof(text));
    assert_int_equal(t.live, 1);
    assert_string_equal(skio_get_str(value, "token"), "to");
    skio__value_free(value);
    assert_int_equal(t.live, 0);
}

static void
many_copies_are_found_and_freed(void **state)
{
    enum { N = 3000 };
    static char text[N * 8 + 2];
    static const char *copies[N];
    struct test_alloc t;
    struct skio_value *value;
    char path[16];
    size_t len = 1;
    size_t calls;
    int i;

    (void)state;
    test_alloc_init(&t);
    text[0] = '[';
    for (i = 0; i < N; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "\"%d\",", i);
    text[len - 1] = ']';
    value = skio__value_new(&t.allocator, text, len, 8);
    assert_non_null(value);
    for (i = 0; i < N; i++) {
        snprintf(path, sizeof(path), "%d", i);
        copies[i] = skio_get_str(value, path);
        assert_string_equal(copies[i], path);
    }
    calls = t.calls;
    for (i = N; i-- > 0;) {
        snprintf(path, sizeof(path), "%d", i);
        assert_ptr_equal(skio_get_str(value, path), copies[i]);
    }
    assert_int_equal(t.calls, calls);
    test_alloc_fail(&t, 1);
    assert_null(skio_get_json(value, "0"));
    skio__value_free(value);
    assert_int_equal(t.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_types),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(numbers_are_read_exactly),
        cmocka_unit_test(booleans_are_true_and_false_alone),
        cmocka_unit_test(placeholders_are_bytes),
        cmocka_unit_test(without_attachments_a_placeholder_is_an_object),
        cmocka_unit_test(raw_text_is_as_it_came),
        cmocka_unit_test(a_slice_is_read_where_it_stands),
        cmocka_unit_test(what_is_passed_on_has_no_brackets),
        cmocka_unit_test(arguments_can_be_read_from_an_index_on),
        cmocka_unit_test(a_part_is_a_value),
        cmocka_unit_test(a_missing_value_has_nothing),
        cmocka_unit_test(a_packet_without_data_has_no_arguments),
        cmocka_unit_test(members_and_elements_are_visited_in_order),
        cmocka_unit_test(keys_share_a_copy),
        cmocka_unit_test(arguments_past_the_kept_ones_are_walked_to),
        cmocka_unit_test(a_packet_without_escapes_needs_one_chunk),
        cmocka_unit_test(when_memory_is_out_getters_say_so),
        cmocka_unit_test(a_text_of_its_own_is_one_value),
        cmocka_unit_test(what_is_no_json_is_no_value),
        cmocka_unit_test(reading_a_text_again_costs_no_memory),
        cmocka_unit_test(a_copied_text_outlives_its_source),
        cmocka_unit_test(many_copies_are_found_and_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
