/*
 * addon/shapes: declarations, and values against them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <socketio/shapes.h>
#include <socketio/transport.h>

#include "alloc.h"
#include "base/arena.h"
#include "socketio/value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
    struct test_alloc alloc;
    skio_server *server;
    struct skio__arena arena;
    struct skio__json_slice items[SIO_VALUE_ITEMS];
    struct skio_value args;
    char *text; /* a block of its own: a look past its end shows */
};

static void
fixture_init(struct fixture *f)
{
    skio_server_options options;

    test_alloc_init(&f->alloc);
    skio_server_options_init(&options);
    options.allocator = f->alloc.allocator;
    assert_int_equal(skio_server_new(&f->server, &options), SKIO_OK);
    skio__arena_init(&f->arena, &f->alloc.allocator, 0);
    f->text = NULL;
}

static void
fixture_deinit(struct fixture *f)
{
    free(f->text);
    skio__arena_deinit(&f->arena);
    skio_server_free(f->server);
    assert_int_equal(f->alloc.live, 0);
}

/* A packet's arguments, behind the event's name. */
static const skio_value *
packet(struct fixture *f, const char *arguments, const skio_bytes *files,
       uint32_t count)
{
    const size_t len = strlen(arguments);
    const size_t head = len > 0 ? 5 : 4;

    free(f->text);
    f->text = malloc(head + len + 1);
    assert_non_null(f->text);
    memcpy(f->text, "[\"e\",", head);
    memcpy(f->text + head, arguments, len);
    f->text[head + len] = ']';
    assert_int_equal(skio__value_init_list(&f->args, f->text, head + len + 1,
                                           f->items, 1, files, count, &f->arena,
                                           1000),
                     SKIO_OK);
    return &f->args;
}

static skio_shape *
shape_of(struct fixture *f, const char *declaration)
{
    const char *why = "";
    skio_shape *shape = NULL;
    size_t at = 0;
    int err = skio_shape_new(f->server, declaration, &shape, &at, &why);

    if (err != SKIO_OK)
        print_error("%s, byte %zu: %s\n", declaration, at, why);
    assert_int_equal(err, SKIO_OK);
    return shape;
}

/* What a value is refused for, "path: reason", or "ok". */
static const char *
verdict(const skio_shape *shape, const skio_value *value)
{
    static char text[SKIO_SHAPE_PATH_SIZE + 64];
    char path[SKIO_SHAPE_PATH_SIZE];
    const char *why = "?";

    if (skio_shape_check(shape, value, path, sizeof path, &why) == SKIO_OK)
        return "ok";
    snprintf(text, sizeof text, "%s: %s", path, why);
    return text;
}

struct one_case {
    const char *declaration;
    const char *arguments;
    const char *wanted;
};

static const skio_bytes files[] = {{"abc", 3}, {NULL, 0}};

#define FILE0 "{\"_placeholder\":true,\"num\":0}"
#define FILE1 "{ \"num\" : 1, \"_placeholder\" : true }"

static void
run_cases(const struct one_case *cases, size_t count, uint32_t attachments)
{
    struct fixture f;

    fixture_init(&f);
    for (size_t i = 0; i < count; i++) {
        skio_shape *shape = shape_of(&f, cases[i].declaration);
        const skio_value *args =
            packet(&f, cases[i].arguments, attachments > 0 ? files : NULL,
                   attachments);
        const size_t calls = f.alloc.calls;
        const char *said = verdict(shape, args);

        if (strcmp(said, cases[i].wanted) != 0)
            print_error("%s <- %s\n", cases[i].declaration, cases[i].arguments);
        assert_string_equal(said, cases[i].wanted);
        /* Neither a success nor a refusal takes memory. */
        assert_int_equal(f.alloc.calls, calls);
        skio_shape_free(shape);
    }
    fixture_deinit(&f);
}

static void
scalars_are_of_their_type_and_range(void **state)
{
    static const struct one_case cases[] = {
        {"string", "\"\"", "ok"},
        {"string", "1", "0: not a string"},
        {"string", "null", "0: not a string"},
        {"string(1..3)", "\"\"", "0: too short"},
        {"string(1..3)", "\"abc\"", "ok"},
        {"string(1..3)", "\"abcd\"", "0: too long"},
        {"string(2)", "\"ab\"", "ok"},
        {"string(2)", "\"a\"", "0: too short"},
        {"string(2)", "\"abc\"", "0: too long"},
        {"string(..0)", "\"\"", "ok"},
        {"string(0..)", "\"\"", "ok"},
        /* Code points: of two, three and four bytes, and escapes of all sorts;
         * half a pair is one. */
        {"string(3)", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", "ok"},
        {"string(3)", "\"\\u00e4\\ud83d\\ude00\\n\"", "ok"},
        {"string(3)", "\"\\ud83d\\ud83d\\ude00\\ude00\"", "ok"},
        {"string(2)", "\"\\ud83dA\"", "ok"},
        {"string(2)", "\"\\ud83d\\n\"", "ok"},
        {"string(2)", "\"\\\"\\\\\"", "ok"},
        {"string", "\"a\\u0000b\"", "0: has U+0000"},
        {"string", "\"a\\\\u0000b\"", "ok"},
        {"int", "0", "ok"},
        {"int", "-0", "ok"},
        {"int", "3.0", "ok"},
        {"int", "3e2", "ok"},
        {"int", "1.5", "0: not an integer"},
        {"int", "9223372036854775807", "ok"},
        {"int", "9223372036854775808", "0: too large"},
        {"int", "-9223372036854775809", "0: too small"},
        {"int", "\"1\"", "0: not an integer"},
        {"int(-1..1)", "-1", "ok"},
        {"int(-1..1)", "-2", "0: too small"},
        {"int(-1..1)", "2", "0: too large"},
        {"int(7)", "7", "ok"},
        {"int(7)", "8", "0: too large"},
        {"int(..9)", "-9223372036854775808", "ok"},
        {"int(1..)", "0", "0: too small"},
        {"number", "1e308", "ok"},
        {"number", "1e309", "0: too large"},
        {"number", "-1e309", "0: too small"},
        {"number(0..1)", "0.5", "ok"},
        {"number(0..1)", "1", "ok"},
        {"number(0..1)", "1.5", "0: too large"},
        {"number(0..1)", "-0.5", "0: too small"},
        {"number(-1.5e1..2.5)", "-15", "ok"},
        {"number(-1.5e1..2.5)", "-15.1", "0: too small"},
        {"number(0.5)", "0.5", "ok"},
        {"number", "true", "0: not a number"},
        {"bool", "true", "ok"},
        {"bool", "false", "ok"},
        {"bool", "0", "0: not a bool"},
        {"null", "null", "ok"},
        {"null", "false", "0: not null"},
        {"any", "[[{\"a\":[1,2,{\"b\":\"]}\\\"\"}]}] , {} ]", "ok"},
        {"any", "12", "ok"},
        {"any", "null", "ok"},
        {"bytes", "{}", "0: not binary"},
    };

    (void)state;
    run_cases(cases, COUNT(cases), 0);
}

static void
texts_and_alternatives(void **state)
{
    static const struct one_case cases[] = {
        {"'on' | 'off'", "\"on\"", "ok"},
        {"'on' | 'off'", "\"off\"", "ok"},
        {"'on' | 'off'", "\"o\\u0066f\"", "ok"},
        {"'on' | 'off'", "\"o\\u0066\"", "0: not allowed"},
        {"'on' | 'off'", "\"ON\"", "0: not allowed"},
        {"'on' | 'off'", "\"\"", "0: not allowed"},
        {"'on' | 'off'", "1", "0: not allowed"},
        {"'on' | int(1..2) | 'off'", "\"off\"", "ok"},
        {"'on' | int(1..2) | 'off'", "2", "ok"},
        {"'on' | int(1..2) | 'off'", "3", "0: too large"},
        {"'on' | int(1..2) | 'off'", "null", "0: wrong type"},
        {"''", "\"\"", "ok"},
        {"'\xf0\x9f\x98\x80'", "\"\\ud83d\\ude00\"", "ok"},
        {"'\xc3\xa4'", "\"\\u00E4\"", "ok"},
        {"'\xe2\x82\xac'", "\"\\u20AC\"", "ok"},
        {"'a/b'", "\"a\\/b\"", "ok"},
        {"string(..3) | null", "null", "ok"},
        {"string(..3) | null", "\"abcd\"", "0: too long"},
        {"[int] | {a: int} | null", "[1]", "ok"},
        {"[int] | {a: int} | null", "{\"a\":1}", "ok"},
        {"[int] | {a: int} | null", "[null]", "0.0: not an integer"},
        {"[int] | {a: int} | null", "{\"a\":null}", "0.a: not an integer"},
        {"[int] | {a: int} | null", "1", "0: wrong type"},
    };

    (void)state;
    run_cases(cases, COUNT(cases), 0);
}

static void
objects_and_arrays_to_any_declared_depth(void **state)
{
    static const struct one_case cases[] = {
        {"{}", "{}", "ok"},
        {"{}", " { } ", "ok"},
        {"{}", "{\"a\":1}", "0.a: unknown key"},
        {"{}", "[]", "0: not an object"},
        {"{...}", "{\"a\":{\"b\":[1,{}]},\"c\":\"}\"}", "ok"},
        {"{a: int, b?: string}", "{\"a\":1}", "ok"},
        {"{a: int, b?: string}", "{\"b\":\"x\",\"a\":1}", "ok"},
        {"{a: int, b?: string}", " { \"b\" : \"x\" , \"a\" : 1 } ", "ok"},
        {"{a: int, b?: string}", "{\"b\":\"x\"}", "0.a: missing"},
        {"{a: int, b?: string}", "{\"a\":1,\"b\":null}", "0.b: not a string"},
        {"{a: int, b?: string}", "{\"a\":1,\"c\":1}", "0.c: unknown key"},
        {"{a: int, b?: string}", "{\"a\":1,\"a\":2}", "0.a: twice"},
        {"{a: int, b?: string}", "{\"a\":1,\"\\u0061\":2}", "0.a: twice"},
        {"{a: int, ...}", "{\"z\":[],\"a\":1,\"z\":{}}", "ok"},
        {"{a: int, ...}", "{\"z\":1}", "0.a: missing"},
        {"{a: int}", "{\"\\u0061\":1}", "ok"},
        /* Neither cut at U+0000 nor repeated to whoever reads a log. */
        {"{a?: int}", "{\"a\\u0000\":1}", "0.?: unknown key"},
        {"{a: int, ...}", "{\"a\\u0000\":1}", "0.a: missing"},
        {"{a?: int}", "{\"x\\ny\":1}", "0.?: unknown key"},
        {"{a?: int}", "{\"x.y\":1}", "0.?: unknown key"},
        {"{a?: int}", "{\"\":1}", "0.?: unknown key"},
        {"{'': int, 'a b'?: int}", "{\"\":1,\"a b\":2}", "ok"},
        {"{a: {b: {c: string(..1)}}}", "{\"a\":{\"b\":{\"c\":\"xy\"}}}",
         "0.a.b.c: too long"},
        {"{a: {b: int}, c: int}", "{\"a\":{\"b\":1},\"c\":2}", "ok"},
        {"[int]", "[]", "ok"},
        {"[int]", "[ 1 , 2 ]", "ok"},
        {"[int]", "[1,2,true]", "0.2: not an integer"},
        {"[int](1..2)", "[]", "0: too few"},
        {"[int](1..2)", "[1,2]", "ok"},
        {"[int](1..2)", "[1,2,3]", "0: too many"},
        {"[int](2)", "[1]", "0: too few"},
        {"[int](..2)", "[1,2,3]", "0: too many"},
        {"[[string | null](1)]", "[[\"a\"],[null]]", "ok"},
        {"[[string | null](1)]", "[[\"a\"],[1]]", "0.1.0: wrong type"},
        {"[{id: int}]", "[{\"id\":1},{\"id\":2},{\"id\":\"3\"}]",
         "0.2.id: not an integer"},
        {"[any](..3)", "[[[[]]],{},null]", "ok"},
    };

    (void)state;
    run_cases(cases, COUNT(cases), 0);
}

static void
arguments_are_counted(void **state)
{
    static const struct one_case cases[] = {
        {"", "", "ok"},
        {" ", "1", "0: too many"},
        {"...", "1,2,3", "ok"},
        {"int, string", "1,\"a\"", "ok"},
        {"int, string", "1", "1: missing"},
        {"int, string", "", "0: missing"},
        {"int, string", "1,\"a\",2", "2: too many"},
        {"int, string, ...", "1,\"a\",2,3", "ok"},
        {"int, string?", "1", "ok"},
        {"int, string?", "1,null", "1: not a string"},
        {"int?, string(..2)?", "", "ok"},
        {"int?, string(..2)?", "1 , \"abc\" ", "1: too long"},
        {"int,int,int,int,int,int,int,int,int,int,int,int,int,int,int,int",
         "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", "ok"},
        {"int,int,int,int,int,int,int,int,int,int,int,int,int,int,int,int",
         "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,\"\"", "15: not an integer"},
    };

    (void)state;
    run_cases(cases, COUNT(cases), 0);
}

static void
attachments_are_bytes_and_nothing_else(void **state)
{
    static const struct one_case cases[] = {
        {"bytes", FILE0, "ok"},
        {"bytes", FILE1, "ok"},
        {"bytes(3)", FILE0, "ok"},
        {"bytes(..2)", FILE0, "0: too long"},
        {"bytes(1..)", FILE1, "0: too short"},
        {"{...}", FILE0, "0: not an object"},
        {"{a: bytes, b: int}", "{\"a\":" FILE0 ",\"b\":1}", "ok"},
        {"[bytes]", "[" FILE0 "," FILE1 "]", "ok"},
        {"[bytes(3)]", "[" FILE0 "," FILE1 "]", "0.1: too short"},
        {"bytes | {a: int}", "{\"a\":1}", "ok"},
        {"bytes | {a: int}", FILE1, "ok"},
        {"any, bytes", FILE0 "," FILE1, "ok"},
        {"string", FILE0, "0: not a string"},
    };

    (void)state;
    run_cases(cases, COUNT(cases), 2);
}

static void
a_value_of_its_own_is_the_only_argument(void **state)
{
    static const char body[] = " { \"a\" : [ 1 , 2 ] } ";
    struct fixture f;
    skio_shape *shape;
    skio_value *value;

    (void)state;
    fixture_init(&f);
    value = skio_value_new(f.server, body, strlen(body));
    assert_non_null(value);
    shape = shape_of(&f, "{a: [int](..2)}");
    assert_string_equal(verdict(shape, value), "ok");
    skio_shape_free(shape);
    shape = shape_of(&f, "{a: [int(..1)]}");
    assert_string_equal(verdict(shape, value), "0.a.1: too large");
    skio_shape_free(shape);
    shape = shape_of(&f, "any, int");
    assert_string_equal(verdict(shape, value), "1: missing");
    skio_shape_free(shape);
    skio_value_free(value);
    skio_shape_free(NULL);
    fixture_deinit(&f);
}

static void
what_is_malformed_is_told_with_its_place(void **state)
{
    static const struct {
        const char *declaration;
        size_t at;
        const char *why;
    } cases[] = {
        {"strin", 0, "an unknown type"},
        {"int,", 4, "a type is missing"},
        {", int", 0, "a type is missing"},
        {"int int", 4, "',' is missing"},
        {"int?, int", 6, "'?' is missing: one before has it"},
        {"..., int", 3, "'...' is the last"},
        {"int(1", 5, "'..' or ')' is missing"},
        {"int(1.", 5, "'..' or ')' is missing"},
        {"int(1..2", 8, "')' is missing"},
        {"int(a..2)", 4, "not an integer"},
        {"int(1..b)", 7, "not an integer"},
        {"int(2..1)", 4, "an empty range"},
        {"int(9223372036854775808)", 4, "not an integer"},
        {"int()", 4, "not an integer"},
        {"string(-1..)", 7, "not an integer"},
        {"string(3..2)", 7, "an empty range"},
        {"number(1e999..)", 7, "not a number"},
        {"number(1..0.5)", 7, "an empty range"},
        {"bool(1)", 4, "',' is missing"},
        {"[int", 4, "']' is missing"},
        {"[]", 1, "a type is missing"},
        {"{a int}", 3, "':' is missing"},
        {"{a: int", 7, "',' or '}' is missing"},
        {"{a: int,}", 8, "a key is missing"},
        {"{..., a: int}", 4, "'}' is missing after '...'"},
        {"{a: int, a: int}", 9, "a key that is there already"},
        {"{a: int, 'a'?: int}", 9, "a key that is there already"},
        {"'a", 0, "the quote is not closed"},
        {"'\xff'", 1, "not UTF-8"},
        {"'\xed\xa0\x80'", 1, "not UTF-8"},
        {"'\xe2\x82'", 1, "not UTF-8"},
        {"int | int", 6, "a type that is there already"},
        {"int | number", 6, "an int is a number"},
        {"'a' | string", 6, "a text is a string"},
        {"any | null", 6, "'any' needs no other type"},
        {"null | any", 7, "'any' needs no other type"},
    };
    struct fixture f;

    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        skio_shape *shape = NULL;
        const char *why = "";
        size_t at = 99;
        int err =
            skio_shape_new(f.server, cases[i].declaration, &shape, &at, &why);

        if (err != SKIO_EINVAL || strcmp(why, cases[i].why) != 0 ||
            at != cases[i].at)
            print_error("%s: %zu %s\n", cases[i].declaration, at, why);
        assert_int_equal(err, SKIO_EINVAL);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(at, cases[i].at);
        assert_null(shape);
        assert_int_equal(skio_shape_new(f.server, cases[i].declaration, &shape,
                                        NULL, NULL),
                         SKIO_EINVAL);
    }
    fixture_deinit(&f);
}

/* n times a text between two others. */
static char *
repeated(const char *before, const char *text, size_t n, const char *after)
{
    const size_t head = strlen(before);
    const size_t len = strlen(text);
    char *out = malloc(head + n * len + strlen(after) + 1);

    assert_non_null(out);
    memcpy(out, before, head);
    for (size_t i = 0; i < n; i++)
        memcpy(out + head + i * len, text, len);
    memcpy(out + head + n * len, after, strlen(after) + 1);
    return out;
}

static void
expect_limit(struct fixture *f, char *declaration, const char *why)
{
    skio_shape *shape = NULL;
    const char *said = "";
    int err = skio_shape_new(f->server, declaration, &shape, NULL, &said);

    assert_int_equal(err, why == NULL ? SKIO_OK : SKIO_EINVAL);
    assert_string_equal(said, why == NULL ? "" : why);
    skio_shape_free(shape);
    free(declaration);
}

static void
declarations_have_limits(void **state)
{
    struct fixture f;
    char members[2048];
    size_t len = 0;

    (void)state;
    fixture_init(&f);
    for (int deep = 16; deep <= 17; deep++) {
        char *open = repeated("", "[", (size_t)deep, "int");

        expect_limit(&f, repeated(open, "]", (size_t)deep, ""),
                     deep == 16 ? NULL : "nested too deeply");
        free(open);
    }
    expect_limit(&f, repeated("int", ",int", 15, ""), NULL);
    expect_limit(&f, repeated("int", ",int", 16, ""), "too many of them");
    for (int i = 0; i < 64; i++)
        len += (size_t)snprintf(members + len, sizeof members - len, "k%d:int,",
                                i);
    expect_limit(&f, repeated("{", members, 1, "...}"), NULL);
    expect_limit(&f, repeated("{", members, 1, "k:int}"), "too many of them");
    expect_limit(&f, repeated("'", "x", 64, "'"), NULL);
    expect_limit(&f, repeated("'", "x", 65, "'"),
                 "a text of more than 64 bytes");
    expect_limit(&f, repeated("{", "x", 64, ":int}"), NULL);
    expect_limit(&f, repeated("{", "x", 65, ":int}"),
                 "a key of more than 64 bytes");
    expect_limit(&f, repeated("'a'", "|'a'", 999, ""), NULL);
    expect_limit(&f, repeated("'a'", "|'a'", 1000, ""), "too many types");
    fixture_deinit(&f);
}

/* The deepest path there can be is told whole; in less space, its beginning. */
static void
a_path_fits(void **state)
{
    char text[8192] = "";
    char value[8192] = "";
    char wanted[SKIO_SHAPE_PATH_SIZE] = "15";
    char path[SKIO_SHAPE_PATH_SIZE];
    const char *why = "";
    struct fixture f;
    skio_shape *shape;
    size_t n = 0;
    size_t v = 0;
    size_t w = 2;

    (void)state;
    for (int i = 0; i < 15; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "null,");
        v += (size_t)snprintf(value + v, sizeof value - v, "null,");
    }
    for (int i = 0; i < 16; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "{%064d:", i);
        v += (size_t)snprintf(value + v, sizeof value - v, "{\"%064d\":", i);
        w += (size_t)snprintf(wanted + w, sizeof wanted - w, ".%064d", i);
    }
    snprintf(text + n, sizeof text - n, "int}}}}}}}}}}}}}}}}");
    snprintf(value + v, sizeof value - v, "true}}}}}}}}}}}}}}}}");
    fixture_init(&f);
    shape = shape_of(&f, text);
    (void)packet(&f, value, NULL, 0);
    assert_int_equal(skio_shape_check(shape, &f.args, path, sizeof path, &why),
                     SKIO_EINVAL);
    assert_string_equal(path, wanted);
    assert_int_equal(skio_shape_check(shape, &f.args, path, 6, NULL),
                     SKIO_EINVAL);
    assert_string_equal(path, "15.00");
    assert_int_equal(skio_shape_check(shape, &f.args, path, 1, NULL),
                     SKIO_EINVAL);
    assert_string_equal(path, "");
    assert_int_equal(skio_shape_check(shape, &f.args, NULL, 0, &why),
                     SKIO_EINVAL);
    assert_string_equal(why, "not an integer");
    skio_shape_free(shape);
    fixture_deinit(&f);
}

static void
without_memory_there_is_no_shape(void **state)
{
    skio_shape *shape = NULL;
    struct fixture f;

    (void)state;
    fixture_init(&f);
    test_alloc_fail(&f.alloc, 1);
    assert_int_equal(skio_shape_new(f.server, "{a: int}", &shape, NULL, NULL),
                     SKIO_ENOMEM);
    assert_null(shape);
    fixture_deinit(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_are_of_their_type_and_range),
        cmocka_unit_test(texts_and_alternatives),
        cmocka_unit_test(objects_and_arrays_to_any_declared_depth),
        cmocka_unit_test(arguments_are_counted),
        cmocka_unit_test(attachments_are_bytes_and_nothing_else),
        cmocka_unit_test(a_value_of_its_own_is_the_only_argument),
        cmocka_unit_test(what_is_malformed_is_told_with_its_place),
        cmocka_unit_test(declarations_have_limits),
        cmocka_unit_test(a_path_fits),
        cmocka_unit_test(without_memory_there_is_no_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
