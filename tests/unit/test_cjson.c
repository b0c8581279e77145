/*
 * socketio/cjson: trees of arguments, and trees sent
 *
 * What skio_emit_cjson() stands on is played here: a socket that remembers the
 * text it was given.
 */
#include <socketio/cjson.h>

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <socketio/transport.h>

#include "alloc.h"
#include "base/json.h"
#include "socketio/value.h"

static struct {
    char text[4096];
    size_t len;
    const char *event;
    int calls;
    skio_server_options options;
} sent;

skio_nsp *
skio_socket_nsp(const skio_socket *socket)
{
    return (skio_nsp *)socket;
}

skio_server *
skio_nsp_server(const skio_nsp *nsp)
{
    return (skio_server *)nsp;
}

const skio_server_options *
skio_transport_options(const skio_server *server)
{
    (void)server;
    return &sent.options;
}

int
skio_emit_json(skio_socket *socket, const char *event, const char *json,
               size_t len)
{
    (void)socket;
    assert_true(len < sizeof(sent.text));
    memcpy(sent.text, json, len);
    sent.text[len] = '\0';
    sent.len = len;
    sent.event = event;
    sent.calls++;
    return SKIO_OK;
}

static skio_socket *
socket_of(struct test_alloc *t)
{
    memset(&sent, 0, sizeof(sent));
    sent.options.max_outbound_bytes = 2000;
    if (t != NULL) {
        test_alloc_init(t);
        sent.options.allocator = t->allocator;
    }
    return (skio_socket *)&sent;
}

struct fixture {
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio__json_slice items[SIO_VALUE_ITEMS];
    struct skio_value args;
};

static const skio_bytes files[] = {{"zero", 4}, {"one", 3}};

static void
fixture_init(struct fixture *f, const char *text, bool has_files)
{
    const struct skio__json_limits limits = {SKIO__JSON_DEPTH_MAX,
                                             has_files ? 2 : -1};
    struct skio__json_scan scan = {.items = f->items, .cap = SIO_VALUE_ITEMS};

    test_alloc_init(&f->alloc);
    skio__arena_init(&f->arena, &f->alloc.allocator, 0);
    assert_int_equal(skio__json_scan(text, strlen(text), &limits, &scan),
                     SKIO_OK);
    skio__value_init_args(&f->args, text, &scan.root, f->items, scan.count,
                          scan.count, 1, has_files ? files : NULL,
                          has_files ? 2 : 0, &f->arena);
}

static void
fixture_deinit(struct fixture *f)
{
    skio__value_deinit(&f->args);
    skio__arena_deinit(&f->arena);
    assert_int_equal(f->alloc.live, 0);
}

static void
a_part_becomes_a_tree(void **state)
{
    struct fixture f;
    const cJSON *tree;

    (void)state;
    fixture_init(&f, "[\"e\", {\"A\":[1,2.5,\"\\u00e9\"],\"a.b\":null} ,true]",
                 false);
    tree = skio_value_cjson(&f.args, "0");
    assert_true(cJSON_IsObject(tree));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(tree, "a.b")));
    tree = cJSON_GetObjectItemCaseSensitive(tree, "A");
    assert_int_equal(cJSON_GetArraySize(tree), 3);
    assert_true(cJSON_GetArrayItem(tree, 1)->valuedouble == 2.5);
    assert_string_equal(cJSON_GetArrayItem(tree, 2)->valuestring, "\xc3\xa9");
    assert_true(cJSON_IsTrue(skio_value_cjson(&f.args, "1")));
    assert_true(cJSON_IsNumber(skio_value_cjson(&f.args, "0.A.0")));
    assert_null(skio_value_cjson(&f.args, "2"));
    assert_null(skio_value_cjson(&f.args, "0.none"));
    assert_null(skio_value_cjson(NULL, ""));
    fixture_deinit(&f);
}

static void
all_arguments_are_an_array_without_the_name(void **state)
{
    struct fixture f;
    const cJSON *tree;

    (void)state;
    fixture_init(&f, "[\"e\",1,[2]]", false);
    tree = skio_value_cjson(&f.args, "");
    assert_int_equal(cJSON_GetArraySize(tree), 2);
    assert_true(cJSON_GetArrayItem(tree, 0)->valuedouble == 1);
    assert_ptr_equal(skio_value_cjson(&f.args, NULL), tree);
    tree = skio_value_cjson(skio_get_args(&f.args, 1), "");
    assert_int_equal(cJSON_GetArraySize(tree), 1);
    fixture_deinit(&f);
}

static void
a_tree_is_built_once(void **state)
{
    struct fixture f;
    const cJSON *tree;
    const skio_value *part;

    (void)state;
    fixture_init(&f, "[\"e\",{\"a\":[1,2]}]", false);
    tree = skio_value_cjson(&f.args, "0.a");
    assert_ptr_equal(skio_value_cjson(&f.args, "0.a"), tree);
    part = skio_get_value(&f.args, "0");
    assert_ptr_equal(skio_value_cjson(part, "a"), tree);
    part = skio_get_value(part, "a");
    assert_ptr_equal(skio_value_cjson(part, ""), tree);
    assert_ptr_not_equal(skio_value_cjson(&f.args, "0"), tree);
    fixture_deinit(&f);
}

static void
what_cjson_would_read_wrongly_is_no_tree(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "[\"e\",\"a\\u0000b\",{\"\\u0000\":1},\"a\\\\u0000\","
                 "\"\\ud800\",\"\\\\\\u0000\",\"\\u00001\"]",
                 false);
    assert_null(skio_value_cjson(&f.args, "0"));
    assert_null(skio_value_cjson(&f.args, "0")); /* nor the second time */
    assert_null(skio_value_cjson(&f.args, "1"));
    assert_string_equal(skio_value_cjson(&f.args, "2")->valuestring,
                        "a\\u0000");
    assert_null(skio_value_cjson(&f.args, "3")); /* half a character */
    assert_null(skio_value_cjson(&f.args, "4"));
    assert_null(skio_value_cjson(&f.args, "5"));
    assert_null(skio_value_cjson(&f.args, ""));
    fixture_deinit(&f);
}

static void
the_deepest_text_becomes_a_tree(void **state)
{
    char text[2 * SKIO__JSON_DEPTH_MAX + 8] = "[\"e\",";
    struct fixture f;
    size_t depth = SKIO__JSON_DEPTH_MAX - 1;

    (void)state;
    memset(text + 5, '[', depth);
    memset(text + 5 + depth, ']', depth + 1);
    fixture_init(&f, text, false);
    assert_true(cJSON_IsArray(skio_value_cjson(&f.args, "0")));
    fixture_deinit(&f);
}

static bool
build_tree(const char *key, size_t index, const skio_value *item, void *user)
{
    size_t *built = user;

    (void)key;
    (void)index;
    *built += skio_value_cjson(item, "") != NULL;
    *built += skio_value_cjson(item, "") != NULL;
    return true;
}

static void
trees_of_visited_items_go_with_them(void **state)
{
    struct test_alloc t;
    struct skio_value *value;
    struct fixture f;
    size_t built = 0;
    size_t live;

    (void)state;
    fixture_init(&f, "[\"e\",[1,2,3],{\"a\":[]}]", false);
    assert_non_null(skio_value_cjson(&f.args, "0"));
    live = f.alloc.live;
    assert_int_equal(skio_each(&f.args, "", build_tree, &built), SKIO_OK);
    assert_int_equal(skio_each(&f.args, "0", build_tree, &built), SKIO_OK);
    assert_int_equal(built, 10);
    assert_int_equal(f.alloc.live, live);
    fixture_deinit(&f);

    test_alloc_init(&t);
    value = skio__value_new(&t.allocator, "{\"a\":[1],\"b\":2}", 15, 8);
    assert_non_null(skio_value_cjson(value, "a"));
    built = 0;
    assert_int_equal(skio_each(value, "", build_tree, &built), SKIO_OK);
    assert_int_equal(built, 4);
    assert_non_null(skio_value_cjson(value, "a"));
    assert_non_null(skio_value_cjson(skio_get_value(value, "a"), "0"));
    skio__value_free(value);
    assert_int_equal(t.live, 0);
}

static void
when_memory_is_out_there_is_no_tree(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, "[\"e\",[1]]", false);
    test_alloc_fail_from(&f.alloc, 1);
    assert_null(skio_value_cjson(&f.args, "0"));
    assert_null(skio_value_cjson(&f.args, ""));
    test_alloc_fail(&f.alloc, 0);
    assert_non_null(skio_value_cjson(&f.args, "0"));
    fixture_deinit(&f);
}

static void
placeholders_in_a_tree_lead_to_bytes(void **state)
{
    struct fixture f;
    const cJSON *tree;
    cJSON *own;
    skio_bytes bytes = {NULL, 77};

    (void)state;
    fixture_init(&f,
                 "[\"e\",[{\"_placeholder\":true,\"num\":1},{\"_placeholder\":"
                 "true,\"num\":9,\"num\":0},{\"num\":0},{\"_placeholder\":"
                 "false,\"num\":0},1]]",
                 true);
    tree = skio_value_cjson(&f.args, "0");
    assert_int_equal(skio_value_bytes(&f.args, cJSON_GetArrayItem(tree, 0),
                                      &bytes),
                     SKIO_OK);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.data, "one", 3);
    assert_int_equal(skio_value_bytes(&f.args, cJSON_GetArrayItem(tree, 1),
                                      &bytes),
                     SKIO_OK);
    assert_memory_equal(bytes.data, "zero", 4);
    assert_int_equal(skio_value_bytes(&f.args, cJSON_GetArrayItem(tree, 2),
                                      &bytes),
                     SKIO_ETYPE);
    assert_int_equal(skio_value_bytes(&f.args, cJSON_GetArrayItem(tree, 3),
                                      &bytes),
                     SKIO_ETYPE);
    assert_int_equal(skio_value_bytes(&f.args, cJSON_GetArrayItem(tree, 4),
                                      &bytes),
                     SKIO_ETYPE);
    assert_int_equal(skio_value_bytes(&f.args, tree, &bytes), SKIO_ETYPE);

    /* A tree of somebody else's may hold anything. */
    own = cJSON_CreateObject();
    cJSON_AddTrueToObject(own, "_placeholder");
    assert_int_equal(skio_value_bytes(&f.args, own, &bytes), SKIO_ETYPE);
    cJSON_AddNumberToObject(own, "num", 0.5);
    assert_int_equal(skio_value_bytes(&f.args, own, &bytes), SKIO_ETYPE);
    cJSON_AddNumberToObject(own, "num", 2);
    assert_int_equal(skio_value_bytes(&f.args, own, &bytes), SKIO_ETYPE);
    cJSON_AddNumberToObject(own, "num", -1);
    assert_int_equal(skio_value_bytes(&f.args, own, &bytes), SKIO_ETYPE);
    cJSON_AddNumberToObject(own, "num", NAN);
    assert_int_equal(skio_value_bytes(&f.args, own, &bytes), SKIO_ETYPE);
    cJSON_AddNumberToObject(own, "num", 1);
    assert_int_equal(skio_value_bytes(&f.args, own, &bytes), SKIO_OK);
    cJSON_Delete(own);
    fixture_deinit(&f);
}

/* Takes the tree. */
static int
emit(skio_socket *socket, cJSON *args)
{
    int err;

    assert_non_null(args);
    err = skio_emit_cjson(socket, "e", args);
    cJSON_Delete(args);
    return err;
}

static void
a_tree_is_sent_as_it_stands(void **state)
{
    static const char *const texts[] = {
        "",
        "1",
        "null,true,false",
        "\"a\",\"\",\"\xc3\xa9\\\"\\\\\\n\\u0001\"",
        "[]",
        "{}",
        "[],{},[[]],[{}],{\"a\":{}}",
        "{\"a\":[1,{\"b\":\"c\"},[2]],\"\":0,\"k\\\"\":{\"x\":[]}},3",
        "[[[[1],2],3],4],5",
    };
    char text[256];
    struct test_alloc t;
    skio_socket *socket = socket_of(&t);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        snprintf(text, sizeof(text), "[%s]", texts[i]);
        assert_int_equal(emit(socket, cJSON_Parse(text)), SKIO_OK);
        assert_string_equal(sent.text, texts[i]);
        assert_string_equal(sent.event, "e");
    }
    assert_int_equal(skio_emit_cjson(socket, "none", NULL), SKIO_OK);
    assert_int_equal(sent.len, 0);
    assert_string_equal(sent.event, "none");
    assert_int_equal(t.live, 0);
}

/* cJSON's own printer would write a comma here, and 17 digits. */
static void
numbers_do_not_depend_on_the_locale(void **state)
{
    const double numbers[] = {0.1, 1e21, 1e-7, -0.0, 3, 0.1 + 0.2, NAN};
    skio_socket *socket = socket_of(NULL);

    (void)state;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where there is one */
    assert_int_equal(emit(socket, cJSON_CreateDoubleArray(numbers, 7)),
                     SKIO_OK);
    setlocale(LC_ALL, "C");
    assert_string_equal(sent.text,
                        "0.1,1e+21,1e-7,0,3,0.30000000000000004,null");
}

static void
raw_items_are_checked(void **state)
{
    skio_socket *socket = socket_of(NULL);
    cJSON *args = cJSON_CreateArray();

    (void)state;
    cJSON_AddItemToArray(args, cJSON_CreateRaw(" 12345678901234567890 "));
    assert_int_equal(emit(socket, args), SKIO_OK);
    assert_string_equal(sent.text, "12345678901234567890");

    args = cJSON_CreateArray();
    cJSON_AddItemToArray(args, cJSON_CreateRaw("1,2"));
    assert_int_equal(emit(socket, args), SKIO_EINVAL);
    args = cJSON_CreateArray();
    cJSON_AddItemToArray(args, cJSON_CreateRaw(""));
    assert_int_equal(emit(socket, args), SKIO_EINVAL);
    assert_int_equal(sent.calls, 1);
}

static void
trees_that_are_no_json_are_refused(void **state)
{
    skio_socket *socket = socket_of(NULL);
    cJSON invalid;
    cJSON empty;
    cJSON *args;

    (void)state;
    assert_int_equal(emit(socket, cJSON_CreateObject()), SKIO_EINVAL);
    assert_int_equal(emit(socket, cJSON_CreateString("x")), SKIO_EINVAL);
    args = cJSON_CreateArray();
    cJSON_AddItemToArray(args, cJSON_CreateString("\xff"));
    assert_int_equal(emit(socket, args), SKIO_EINVAL);
    args = cJSON_CreateArray();
    cJSON_AddItemToArray(args, cJSON_CreateObject());
    cJSON_AddNullToObject(args->child, "\xff");
    assert_int_equal(emit(socket, args), SKIO_EINVAL);

    memset(&invalid, 0, sizeof(invalid));
    invalid.type = cJSON_Invalid;
    args = cJSON_CreateArray();
    cJSON_AddItemReferenceToArray(args, &invalid);
    args->child->type = cJSON_IsReference; /* of no type */
    assert_int_equal(emit(socket, args), SKIO_EINVAL);
    assert_int_equal(sent.calls, 0);

    /* A missing text is an empty one, as cJSON has it. */
    memset(&empty, 0, sizeof(empty));
    empty.type = cJSON_String;
    args = cJSON_CreateArray();
    cJSON_AddItemReferenceToArray(args, &empty);
    assert_int_equal(emit(socket, args), SKIO_OK);
    assert_string_equal(sent.text, "\"\"");
}

static cJSON *
nested(size_t depth)
{
    cJSON *tree = cJSON_CreateArray();

    while (--depth > 0) {
        cJSON *outer = cJSON_CreateArray();

        cJSON_AddItemToArray(outer, tree);
        tree = outer;
    }
    return tree;
}

static void
depth_and_circles_are_bounded(void **state)
{
    skio_socket *socket = socket_of(NULL);
    cJSON *args;
    cJSON *first;

    (void)state;
    assert_int_equal(emit(socket, nested(SKIO__JSON_DEPTH_MAX)), SKIO_OK);
    assert_int_equal(sent.len, 2 * (SKIO__JSON_DEPTH_MAX - 1));
    assert_int_equal(emit(socket, nested(SKIO__JSON_DEPTH_MAX + 1)),
                     SKIO_EINVAL);

    args = nested(2);
    first = args->child;
    first->child = args;
    assert_int_equal(skio_emit_cjson(socket, "e", args), SKIO_EINVAL);
    first->child = NULL;
    first->next = first;
    assert_int_equal(skio_emit_cjson(socket, "e", args), SKIO_ENOBUFS);
    first->next = NULL;
    cJSON_Delete(args);
    assert_int_equal(sent.calls, 1);
}

static void
size_ends_at_the_limit(void **state)
{
    char text[2001];
    struct test_alloc t;
    skio_socket *socket = socket_of(&t);
    cJSON *args = cJSON_CreateArray();

    (void)state;
    memset(text, 'x', sizeof(text));
    text[1998] = '\0';
    cJSON_AddItemToArray(args, cJSON_CreateString(text));
    assert_int_equal(emit(socket, args), SKIO_OK);
    text[1998] = 'x';
    text[1999] = '\0';
    args = cJSON_CreateArray();
    cJSON_AddItemToArray(args, cJSON_CreateString(text));
    assert_int_equal(emit(socket, args), SKIO_ENOBUFS);
    assert_int_equal(sent.calls, 1);
    assert_int_equal(t.live, 0);

    test_alloc_fail(&t, 1);
    assert_int_equal(emit(socket, cJSON_Parse("[1]")), SKIO_ENOMEM);
    assert_int_equal(sent.calls, 1);
    assert_int_equal(t.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_becomes_a_tree),
        cmocka_unit_test(all_arguments_are_an_array_without_the_name),
        cmocka_unit_test(a_tree_is_built_once),
        cmocka_unit_test(what_cjson_would_read_wrongly_is_no_tree),
        cmocka_unit_test(the_deepest_text_becomes_a_tree),
        cmocka_unit_test(trees_of_visited_items_go_with_them),
        cmocka_unit_test(when_memory_is_out_there_is_no_tree),
        cmocka_unit_test(placeholders_in_a_tree_lead_to_bytes),
        cmocka_unit_test(a_tree_is_sent_as_it_stands),
        cmocka_unit_test(numbers_do_not_depend_on_the_locale),
        cmocka_unit_test(raw_items_are_checked),
        cmocka_unit_test(trees_that_are_no_json_are_refused),
        cmocka_unit_test(depth_and_circles_are_bounded),
        cmocka_unit_test(size_ends_at_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
