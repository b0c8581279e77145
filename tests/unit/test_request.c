/*
 * Handshake requests, headers and queries
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engineio/request.h"
#include "unit/alloc.h"

static const char headers[] = "host\0a.example\0x-empty\0\0x-twice\0first\0"
                              "x-twice\0second";

static void
headers_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(skio__headers_find(headers, sizeof headers, "host"),
                        "a.example");
    assert_string_equal(skio__headers_find(headers, sizeof headers, "x-empty"),
                        "");
    assert_string_equal(skio__headers_find(headers, sizeof headers, "x-twice"),
                        "first");
    assert_null(skio__headers_find(headers, sizeof headers, "a.example"));
    assert_null(skio__headers_find(headers, sizeof headers, "hos"));
    assert_null(skio__headers_find(headers, sizeof headers, ""));
    assert_null(skio__headers_find(NULL, 0, "host"));
}

static void
a_block_that_is_cut_off_is_not_read_past(void **state)
{
    size_t len;

    (void)state;
    for (len = 0; len < sizeof headers; len++) {
        char *block = malloc(len + (len == 0));

        assert_non_null(block);
        memcpy(block, headers, len);
        skio__headers_find(block, len, "no such header");
        free(block);
    }
}

static void
assert_query(const char *query, const char *name, const char *want)
{
    char out[32];
    ptrdiff_t len = skio__query_get(query, name, out, sizeof out);

    if (want == NULL) {
        assert_int_equal(len, -1);
        return;
    }
    assert_int_equal(len, (ptrdiff_t)strlen(want));
    assert_string_equal(out, want);
}

static void
parameters_are_found_and_decoded(void **state)
{
    (void)state;
    assert_query("a=1&b=2", "a", "1");
    assert_query("a=1&b=2", "b", "2");
    assert_query("a=1&b=2", "c", NULL);
    assert_query("", "a", NULL);
    assert_query("a", "a", "");
    assert_query("a=", "a", "");
    assert_query("a=b=c", "a", "b=c");
    assert_query("&&a=1&&", "a", "1");
    assert_query("=1", "", NULL);
    assert_query("a=x+y%20z", "a", "x y z");
    assert_query("a=%E2%82%ac", "a", "\xe2\x82\xac");
    assert_query("a=%", "a", "%");
    assert_query("a=%4", "a", "%4");
    assert_query("a=%zz%41", "a", "%zzA");
    assert_query("a=%&b=4", "a", "%");
    assert_query("%61%62=1", "ab", "1");
    assert_query("a+b=1", "a b", "1");
    assert_query("ab=1", "a", NULL);
    assert_query("a=1", "ab", NULL);
    assert_query("A=1", "a", NULL);
}

static void
of_a_repeated_parameter_the_last_counts(void **state)
{
    (void)state;
    assert_query("a=1&a=2&b=3", "a", "2");
    assert_query("a=1&%61", "a", "");
}

static void
a_value_that_does_not_fit_is_absent(void **state)
{
    char out[4];

    (void)state;
    assert_int_equal(skio__query_get("a=abc", "a", out, 4), 3);
    assert_int_equal(skio__query_get("a=abcd", "a", out, 4), -1);
    assert_int_equal(skio__query_get("a=%41%42%43", "a", out, 4), 3);
    assert_int_equal(skio__query_get("a=", "a", out, 0), -1);
}

static void
a_decoded_nul_is_counted(void **state)
{
    char out[8];

    (void)state;
    assert_int_equal(skio__query_get("a=x%00y", "a", out, sizeof out), 3);
    assert_memory_equal(out, "x\0y", 4);
}

typedef struct skio_engine_request *copy_fn(const skio_allocator *mem,
                                            const skio_request *request,
                                            bool keeps_latest);

static void
check_copy(copy_fn *copy)
{
    struct test_alloc alloc;
    char path[] = "/socket.io/";
    char query[] = "EIO=4&x=%41";
    char address[] = "192.0.2.1";
    char block[sizeof headers];
    skio_request from = {.method = "GET",
                         .path = path,
                         .query = query,
                         .headers = block,
                         .headers_len = sizeof block,
                         .address = address,
                         .secure = true};
    struct skio_engine_request *request;

    test_alloc_init(&alloc);
    memcpy(block, headers, sizeof block);
    request = copy(&alloc.allocator, &from, false);
    assert_non_null(request);
    memset(path, 'x', sizeof path - 1);
    memset(query, 'x', sizeof query - 1);
    memset(address, 'x', sizeof address - 1);
    memset(block, 'x', sizeof block);

    assert_string_equal(skio__request_target(request),
                        "/socket.io/?EIO=4&x=%41");
    assert_string_equal(skio__request_query(request), "EIO=4&x=%41");
    assert_string_equal(skio__request_address(request), "192.0.2.1");
    assert_string_equal(skio__request_header(request, "host"), "a.example");
    assert_null(skio__request_header(request, "cookie"));
    assert_true(skio__request_is_secure(request));

    assert_ptr_equal(skio__request_ref(request), request);
    skio__request_unref(request);
    assert_int_equal(alloc.live, 1);
    skio__request_unref(request);
    assert_int_equal(alloc.live, 0);
    skio__request_unref(NULL);
}

static void
a_request_is_copied(void **state)
{
    (void)state;
    check_copy(skio__request_new);
    check_copy(skio__request_keep);
}

/* Around the length that is packed in one go. */
static void
headers_of_any_length_are_kept(void **state)
{
    struct test_alloc alloc;
    char block[2048] = "x-long";
    skio_request from = {.path = "/", .headers = block};

    (void)state;
    test_alloc_init(&alloc);
    memset(block + 7, 'x', sizeof block - 7);
    for (size_t len = 1000; len < sizeof block; len++) {
        struct skio_engine_request *request;

        memcpy(block + len - 16, "\0upgrade\0second", 16);
        from.headers_len = len;
        request = skio__request_keep(&alloc.allocator, &from, false);
        assert_non_null(request);
        assert_int_equal(strlen(skio__request_header(request, "x-long")),
                         len - 16 - 7);
        assert_string_equal(skio__request_header(request, "upgrade"), "second");
        skio__request_unref(request);
        memset(block + len - 16, 'x', 16);
    }
    assert_int_equal(alloc.live, 0);
}

static void
what_a_request_lacks_is_empty(void **state)
{
    struct test_alloc alloc;
    skio_request from = {.path = "/"};
    struct skio_engine_request *request;

    (void)state;
    test_alloc_init(&alloc);
    request = skio__request_new(&alloc.allocator, &from, false);
    assert_non_null(request);
    assert_string_equal(skio__request_target(request), "/");
    assert_string_equal(skio__request_query(request), "");
    assert_string_equal(skio__request_address(request), "");
    assert_null(skio__request_header(request, "host"));
    skio__request_unref(request);

    test_alloc_fail(&alloc, 1);
    assert_null(skio__request_new(&alloc.allocator, &from, false));
    assert_int_equal(alloc.live, 0);
}

static bool
append_pair(const char *name, const char *value, void *user)
{
    char *text = user;
    size_t len = strlen(text);

    assert_true(len + strlen(name) + strlen(value) + 3 < 256);
    text += len;
    memcpy(text, name, strlen(name));
    text += strlen(name);
    *text++ = '=';
    memcpy(text, value, strlen(value) + 1);
    text += strlen(value);
    memcpy(text, ";", 2);
    return strcmp(name, "stop") != 0;
}

static void
check_visits(copy_fn *copy)
{
    static const char block[] = "a\0001\0b\0\0stop\0003\0d\0004";
    struct test_alloc alloc;
    skio_request from = {.path = "/",
                         .headers = block,
                         .headers_len = sizeof block};
    struct skio_engine_request *request;
    char text[256] = "";

    test_alloc_init(&alloc);
    request = copy(&alloc.allocator, &from, false);
    assert_non_null(request);
    assert_false(skio__request_each(request, append_pair, text));
    assert_string_equal(text, "a=1;b=;stop=3;");
    skio__request_unref(request);

    /* a block that is cut off is not read past */
    for (size_t len = 0; len < sizeof block; len++) {
        from.headers_len = len;
        request = copy(&alloc.allocator, &from, false);
        text[0] = '\0';
        (void)skio__request_each(request, append_pair, text);
        skio__request_unref(request);
    }
    assert_int_equal(alloc.live, 0);
}

static void
every_header_is_visited(void **state)
{
    (void)state;
    check_visits(skio__request_new);
    check_visits(skio__request_keep);
}

static void
every_parameter_is_visited_decoded_and_once(void **state)
{
    static const struct {
        const char *query;
        const char *pairs;
    } cases[] = {
        {"", ""},
        {"a=1", "a=1;"},
        {"a=1&b=%41+c&%63=", "a=1;b=A c;c=;"},
        {"a=1&b=2&a=3", "b=2;a=3;"},
        {"a=1&%61=2", "a=2;"},
        {"&&a&&b&", "a=;b=;"},
        {"=x&a=1", "=x;a=1;"},
        {"a=b=c", "a=b=c;"},
        {"a=1&stop=&c=2", "a=1;stop=;"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char scratch[64];
        char text[256] = "";

        (void)skio__query_each(cases[i].query, scratch, append_pair, text);
        assert_string_equal(text, cases[i].pairs);
    }
}

static void
latest_request_replaces_the_one_before(void **state)
{
    struct test_alloc alloc;
    char block[] = "a\0000";
    skio_request from = {.path = "/"};
    struct skio_engine_request *request;

    (void)state;
    test_alloc_init(&alloc);
    from.headers = "a\0first\0b\0only";
    from.headers_len = 15;
    request = skio__request_new(&alloc.allocator, &from, true);
    assert_non_null(request);
    assert_ptr_equal(skio__request_latest(request), request);

    for (int i = 0; i < 3; i++) {
        block[2] = (char)('1' + i);
        from.headers = block;
        from.headers_len = sizeof block;
        assert_int_equal(skio__request_set_latest(request, &from), SKIO_OK);
        assert_int_equal(alloc.live, 2);
        assert_string_equal(skio__request_header(skio__request_latest(request),
                                                 "a"),
                            block + 2);
    }
    assert_string_equal(skio__request_header(request, "a"), "first");
    assert_string_equal(skio__request_header(request, "b"), "only");
    assert_null(skio__request_header(skio__request_latest(request), "b"));

    test_alloc_fail(&alloc, 1);
    assert_int_equal(skio__request_set_latest(request, &from), SKIO_ENOMEM);
    assert_string_equal(skio__request_header(skio__request_latest(request),
                                             "a"),
                        "3");
    skio__request_unref(request);
    assert_int_equal(alloc.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_found_by_name),
        cmocka_unit_test(a_block_that_is_cut_off_is_not_read_past),
        cmocka_unit_test(parameters_are_found_and_decoded),
        cmocka_unit_test(of_a_repeated_parameter_the_last_counts),
        cmocka_unit_test(a_value_that_does_not_fit_is_absent),
        cmocka_unit_test(a_decoded_nul_is_counted),
        cmocka_unit_test(a_request_is_copied),
        cmocka_unit_test(headers_of_any_length_are_kept),
        cmocka_unit_test(what_a_request_lacks_is_empty),
        cmocka_unit_test(every_header_is_visited),
        cmocka_unit_test(every_parameter_is_visited_decoded_and_once),
        cmocka_unit_test(latest_request_replaces_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
