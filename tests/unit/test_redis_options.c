/*
 * The options of the Redis adapters: defaults, URLs, ranges, copies
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "adapter/redis_options.h"
#include "adapter/redis_url.h"
#include "base/mem.h"
#include "unit/alloc.h"

static void
defaults_are_those_of_the_header(void **state)
{
    skio_redis_options o;

    (void)state;
    skio_redis_options_init(&o);
    assert_int_equal(o.struct_size, sizeof o);
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.port, 6379);
    assert_null(o.url);
    assert_null(o.unix_path);
    assert_null(o.user);
    assert_null(o.password);
    assert_int_equal(o.database, 0);
    assert_string_equal(o.sentinel_master, "mymaster");
    assert_string_equal(o.key, "socket.io");
    assert_int_equal(o.requests_timeout_ms, 5000);
    assert_int_equal(o.subscriptions, SKIO_REDIS_DYNAMIC);
    assert_int_equal(o.stream_count, 1);
    assert_int_equal(o.stream_max_len, 10000);
    assert_int_equal(o.stream_read_count, 100);
    assert_string_equal(o.session_key_prefix, "sio:session:");
    assert_int_equal(o.connect_timeout_ms, 5000);
    assert_int_equal(o.command_timeout_ms, 5000);
    assert_int_equal(o.ping_interval_ms, 1000);
    assert_int_equal(o.reconnect_min_ms, 50);
    assert_int_equal(o.reconnect_max_ms, 500);
    assert_int_equal(o.max_output_bytes, 16 << 20);
    assert_int_equal(o.max_message_bytes, 16 << 20);
    assert_int_equal(o.max_reply_elements, 100000);
}

static void
copy_of_nothing_is_the_defaults(void **state)
{
    struct test_alloc t;
    skio_redis_options out;
    const char *bad = "unset";

    (void)state;
    test_alloc_init(&t);
    assert_int_equal(skio__redis_options_copy(&out, NULL, &t.allocator, &bad),
                     SKIO_OK);
    assert_null(bad);
    assert_string_equal(out.host, "127.0.0.1");
    skio__redis_options_deinit(&out, &t.allocator);
    assert_int_equal(t.live, 0);
}

static void
shorter_struct_of_an_older_caller_keeps_defaults(void **state)
{
    struct test_alloc t;
    skio_redis_options in;
    skio_redis_options out;
    const char *bad;

    (void)state;
    test_alloc_init(&t);
    memset(&in, 0xee, sizeof in);
    skio_redis_options_init_size(&in, offsetof(skio_redis_options, user));
    in.port = 7000;
    assert_int_equal(skio__redis_options_copy(&out, &in, &t.allocator, &bad),
                     SKIO_OK);
    assert_int_equal(out.port, 7000);
    assert_null(out.user);
    assert_string_equal(out.key, "socket.io");
    assert_int_equal(out.struct_size, sizeof out);
    skio__redis_options_deinit(&out, &t.allocator);
    assert_int_equal(t.live, 0);
}

static void
longer_struct_of_a_newer_caller_is_zeroed_and_read_as_far_as_known(void **state)
{
    struct {
        skio_redis_options known;
        char later[32];
    } in;
    static const char zeros[sizeof in.later];
    skio_redis_options out;
    const char *bad;

    (void)state;
    memset(&in, 0xee, sizeof in);
    skio_redis_options_init_size(&in.known, sizeof in);
    assert_memory_equal(in.later, zeros, sizeof zeros);
    assert_int_equal(skio__redis_options_copy(&out, &in.known,
                                              skio__mem_default(), &bad),
                     SKIO_OK);
    assert_int_equal(out.struct_size, sizeof out);
    skio__redis_options_deinit(&out, skio__mem_default());
}

struct url_case {
    const char *url;
    const char *host;
    uint16_t port;
    const char *user;
    const char *password;
    uint32_t database;
    bool tls;
    const char *unix_path;
};

static void
assert_same(const char *a, const char *b, const char *url)
{
    if ((a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0))
        fail_msg("%s: \"%s\" is not \"%s\"", url, a != NULL ? a : "(null)",
                 b != NULL ? b : "(null)");
}

static void
url_is_taken_apart(void **state)
{
    static const struct url_case cases[] = {
        {"redis://", "127.0.0.1", 6379, NULL, NULL, 0, false, NULL},
        {"redis://a", "a", 6379, NULL, NULL, 0, false, NULL},
        {"redis://:7000", "127.0.0.1", 7000, NULL, NULL, 0, false, NULL},
        {"redis://a:1", "a", 1, NULL, NULL, 0, false, NULL},
        {"redis://a:65535/", "a", 65535, NULL, NULL, 0, false, NULL},
        {"redis://a:7/3", "a", 7, NULL, NULL, 3, false, NULL},
        {"redis:///15", "127.0.0.1", 6379, NULL, NULL, 15, false, NULL},
        {"REDIS://a", "a", 6379, NULL, NULL, 0, false, NULL},
        {"redis://u:p@a:7/3", "a", 7, "u", "p", 3, false, NULL},
        {"redis://:p@a", "a", 6379, NULL, "p", 0, false, NULL},
        {"redis://u@a", "a", 6379, "u", NULL, 0, false, NULL},
        {"redis://u:@a", "a", 6379, "u", "", 0, false, NULL},
        {"redis://@a", "a", 6379, NULL, NULL, 0, false, NULL},
        {"redis://u:p@", "127.0.0.1", 6379, "u", "p", 0, false, NULL},
        {"redis://u:p:q@a", "a", 6379, "u", "p:q", 0, false, NULL},
        {"redis://u:p@q@a", "a", 6379, "u", "p@q", 0, false, NULL},
        {"redis://%75%3A:%40%2f%25@a", "a", 6379, "u:", "@/%", 0, false, NULL},
        {"redis://[::1]", "::1", 6379, NULL, NULL, 0, false, NULL},
        {"redis://[::1]:7/2", "::1", 7, NULL, NULL, 2, false, NULL},
        {"redis://u:p@[fe80::1%25lo]:7", "fe80::1%lo", 7, "u", "p", 0, false,
         NULL},
        {"rediss://a", "a", 6379, NULL, NULL, 0, true, NULL},
        {"unix:/tmp/r", "127.0.0.1", 6379, NULL, NULL, 0, false, "/tmp/r"},
        {"unix:///tmp/r", "127.0.0.1", 6379, NULL, NULL, 0, false, "/tmp/r"},
        {"unix:/a%20b?db=4&password=p%26&user=u", "127.0.0.1", 6379, "u", "p&",
         4, false, "/a b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct url_case *c = &cases[i];
        struct test_alloc t;
        skio_redis_options in;
        skio_redis_options out;
        const char *bad;

        test_alloc_init(&t);
        skio_redis_options_init(&in);
        in.url = c->url;
        if (skio__redis_options_copy(&out, &in, &t.allocator, &bad) != SKIO_OK)
            fail_msg("%s: bad %s", c->url, bad);
        assert_null(out.url);
        assert_same(out.host, c->host, c->url);
        assert_same(out.user, c->user, c->url);
        assert_same(out.password, c->password, c->url);
        assert_same(out.unix_path, c->unix_path, c->url);
        assert_int_equal(out.port, c->port);
        assert_int_equal(out.database, c->database);
        assert_int_equal(out.tls, c->tls);
        skio__redis_options_deinit(&out, &t.allocator);
        assert_int_equal(t.live, 0);
    }
}

static void
url_that_is_none_is_refused(void **state)
{
    static const char *const urls[] = {
        "",
        "redis",
        "redis:",
        "redis:/a",
        "http://a",
        "redisx://a",
        "redis://a:",
        "redis://a:0",
        "redis://a:65536",
        "redis://a:6x",
        "redis://a:-1",
        "redis://a/x",
        "redis://a/1/2",
        "redis://a/-1",
        "redis://a/2147483648",
        "redis://a/99999999999999999999999",
        "redis://a?db=1",
        "redis://a#1",
        "redis://[::1",
        "redis://[::1]7",
        "redis://[]",
        "redis://::1",
        "redis://u:p%@a",
        "redis://u:p%4@a",
        "redis://u:p%4x@a",
        "redis://u%00:p@a",
        "redis://a%00b",
        "unix:",
        "unix:a",
        "unix://a",
        "unix:/a?db",
        "unix:/a?db=x",
        "unix:/a?db=",
        "unix:/a?x=1",
        "unix:/a?password=%00",
        "unix:/a#b",
        "unix:/a%zz",
    };

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct test_alloc t;
        skio_redis_options in;
        skio_redis_options out;
        const char *bad = NULL;

        test_alloc_init(&t);
        skio_redis_options_init(&in);
        in.url = urls[i];
        if (skio__redis_options_copy(&out, &in, &t.allocator, &bad) !=
            SKIO_EINVAL)
            fail_msg("%s was taken", urls[i]);
        assert_string_equal(bad, "url");
        assert_int_equal(t.live, 0);
        skio__redis_options_deinit(&out, &t.allocator); /* nothing is left */
    }
}

static void
url_leaves_what_it_does_not_say(void **state)
{
    skio_redis_options in;
    skio_redis_options out;
    const char *bad;

    (void)state;
    skio_redis_options_init(&in);
    in.url = "redis://a";
    in.port = 7000;
    in.password = "kept";
    in.database = 5;
    in.unix_path = "/not/this";
    assert_int_equal(skio__redis_options_copy(&out, &in, skio__mem_default(),
                                              &bad),
                     SKIO_OK);
    assert_int_equal(out.port, 7000);
    assert_string_equal(out.password, "kept");
    assert_int_equal(out.database, 5);
    assert_null(out.unix_path);
    skio__redis_options_deinit(&out, skio__mem_default());
}

/* One option at its limit, and one past it. */
#define NUMBER_AT(field, value)                                                \
    do {                                                                       \
        skio_redis_options_init(&in);                                          \
        in.field = (value);                                                    \
        if (check(&in) != NULL)                                                \
            fail_msg("%s = %s: %s", #field, #value, check(&in));               \
    } while (0)
#define NUMBER_PAST(field, value)                                              \
    do {                                                                       \
        skio_redis_options_init(&in);                                          \
        in.field = (value);                                                    \
        assert_non_null(check(&in));                                           \
        assert_string_equal(check(&in), #field);                               \
    } while (0)

/* The bad member's name, or NULL. */
static const char *
check(const skio_redis_options *in)
{
    struct test_alloc t;
    skio_redis_options out;
    const char *bad = "unset";
    int err;

    test_alloc_init(&t);
    err = skio__redis_options_copy(&out, in, &t.allocator, &bad);
    assert_int_equal(err, bad != NULL ? SKIO_EINVAL : SKIO_OK);
    skio__redis_options_deinit(&out, &t.allocator);
    assert_int_equal(t.live, 0);
    return bad;
}

static void
number_out_of_its_range_is_named(void **state)
{
    skio_redis_options in;

    (void)state;
    NUMBER_AT(port, 1);
    NUMBER_PAST(port, 0);
    NUMBER_AT(database, INT32_MAX);
    NUMBER_PAST(database, (uint32_t)INT32_MAX + 1);
    NUMBER_AT(requests_timeout_ms, 1);
    NUMBER_PAST(requests_timeout_ms, 0);
    NUMBER_AT(requests_timeout_ms, INT32_MAX);
    NUMBER_PAST(requests_timeout_ms, (uint32_t)INT32_MAX + 1);
    NUMBER_AT(subscriptions, SKIO_REDIS_DYNAMIC_PRIVATE);
    NUMBER_PAST(subscriptions, (enum skio_redis_subscriptions)3);
    NUMBER_AT(stream_count, 64);
    NUMBER_PAST(stream_count, 65);
    NUMBER_PAST(stream_count, 0);
    NUMBER_PAST(stream_max_len, 0);
    NUMBER_AT(stream_read_count, 10000);
    NUMBER_PAST(stream_read_count, 10001);
    NUMBER_PAST(stream_read_count, 0);
    NUMBER_PAST(connect_timeout_ms, 0);
    NUMBER_PAST(connect_timeout_ms, UINT32_MAX);
    NUMBER_PAST(command_timeout_ms, 0);
    NUMBER_PAST(command_timeout_ms, UINT32_MAX);
    NUMBER_PAST(ping_interval_ms, 0);
    NUMBER_PAST(ping_interval_ms, UINT32_MAX);
    NUMBER_PAST(reconnect_min_ms, 0);
    NUMBER_AT(reconnect_max_ms, 50);
    NUMBER_PAST(reconnect_max_ms, 49);
    NUMBER_PAST(reconnect_max_ms, UINT32_MAX);
    NUMBER_AT(max_output_bytes, 1024);
    NUMBER_PAST(max_output_bytes, 1023);
    NUMBER_PAST(max_output_bytes, SIZE_MAX);
    NUMBER_AT(max_message_bytes, 1024);
    NUMBER_PAST(max_message_bytes, 1023);
    NUMBER_AT(max_message_bytes, 512u << 20);
    NUMBER_PAST(max_message_bytes, (512u << 20) + 1);
    NUMBER_AT(max_reply_elements, 16);
    NUMBER_PAST(max_reply_elements, 15);
    NUMBER_PAST(max_reply_elements, 10000001);
    NUMBER_PAST(max_requests, 0);
    NUMBER_PAST(max_servers, 0);
    NUMBER_PAST(max_rooms_in_message, 0);
    NUMBER_PAST(max_fetched, 0);
    NUMBER_AT(max_forwarded, 1);
    NUMBER_PAST(max_forwarded, 0);
    NUMBER_PAST(max_forwarded, 10000001);
}

static void
string_out_of_its_range_is_named(void **state)
{
    char text[SKIO__REDIS_HOST_MAX + 2];
    skio_redis_options in;

    (void)state;
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    NUMBER_PAST(host, NULL);
    NUMBER_PAST(host, "");
    NUMBER_PAST(host, text);
    NUMBER_AT(host, text + 1);
    NUMBER_PAST(unix_path, "");
    NUMBER_PAST(unix_path, text + sizeof text - 1 - SKIO__REDIS_PATH_MAX - 1);
    NUMBER_AT(unix_path, text + sizeof text - 1 - SKIO__REDIS_PATH_MAX);
    NUMBER_PAST(user, "");
    NUMBER_AT(password, "");
    NUMBER_PAST(key, NULL);
    NUMBER_AT(key, "");
    NUMBER_PAST(session_key_prefix, NULL);
    NUMBER_PAST(sentinel_master, "");
    NUMBER_PAST(tls_ca_file, "");
}

static void
options_that_do_not_go_together_are_named(void **state)
{
    skio_redis_options in;

    (void)state;
    skio_redis_options_init(&in);
    in.tls_cert_file = "a";
    assert_string_equal(check(&in), "tls_key_file");
    skio_redis_options_init(&in);
    in.tls_key_file = "a";
    assert_string_equal(check(&in), "tls_cert_file");
    in.tls_cert_file = "b";
    assert_null(check(&in));
    skio_redis_options_init(&in);
    in.tls = true;
    in.unix_path = "/a";
    assert_string_equal(check(&in), "tls");
    skio_redis_options_init(&in);
    in.cluster = true;
    assert_null(check(&in));
    in.database = 1;
    assert_string_equal(check(&in), "database");
    in.sentinels = "a";
    assert_string_equal(check(&in), "cluster");
    skio_redis_options_init(&in);
    in.unix_path = "/a";
    in.sentinels = "a";
    assert_string_equal(check(&in), "sentinels");
}

static void
sentinels_are_a_list_of_addresses(void **state)
{
    const char *list = "a, b:1 ,[::1]:2,10.0.0.1:65535";
    char host[SKIO__REDIS_HOST_MAX + 1];
    uint16_t port;

    (void)state;
    assert_int_equal(skio__redis_url_next(&list, 26379, host, &port), 1);
    assert_string_equal(host, "a");
    assert_int_equal(port, 26379);
    assert_int_equal(skio__redis_url_next(&list, 26379, host, &port), 1);
    assert_string_equal(host, "b");
    assert_int_equal(port, 1);
    assert_int_equal(skio__redis_url_next(&list, 26379, host, &port), 1);
    assert_string_equal(host, "::1");
    assert_int_equal(port, 2);
    assert_int_equal(skio__redis_url_next(&list, 26379, host, &port), 1);
    assert_string_equal(host, "10.0.0.1");
    assert_int_equal(port, 65535);
    assert_int_equal(skio__redis_url_next(&list, 26379, host, &port), 0);
}

static void
list_of_sentinels_that_is_none_is_named(void **state)
{
    static const char *const lists[] = {
        "", ",", "a,", ",a", "a,,b", "a:0", "a:x", ":1", " ", "[::1", "a:70000",
    };
    char many[33 * 2];
    skio_redis_options in;

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        skio_redis_options_init(&in);
        in.sentinels = lists[i];
        if (check(&in) == NULL)
            fail_msg("\"%s\" was taken", lists[i]);
        assert_string_equal(check(&in), "sentinels");
    }
    for (size_t i = 0; i < sizeof many; i += 2)
        memcpy(many + i, "a,", 2);
    many[sizeof many - 1] = '\0'; /* 33 of them */
    skio_redis_options_init(&in);
    in.sentinels = many;
    assert_string_equal(check(&in), "sentinels");
    in.sentinels = many + 2;
    assert_null(check(&in));
}

static void
copy_is_whole_or_nothing_when_memory_runs_out(void **state)
{
    skio_redis_options in;
    skio_redis_options out;
    const char *bad;

    (void)state;
    skio_redis_options_init(&in);
    in.url = "redis://u:p@a:7/3";
    in.sentinel_password = "s";
    for (size_t n = 1; n < 100; n++) {
        struct test_alloc t;
        int err;

        test_alloc_init(&t);
        test_alloc_fail(&t, n);
        err = skio__redis_options_copy(&out, &in, &t.allocator, &bad);
        if (err == SKIO_OK) {
            assert_int_equal(t.failed, 0);
            assert_true(n > 5);
            skio__redis_options_deinit(&out, &t.allocator);
            assert_int_equal(t.live, 0);
            return;
        }
        assert_int_equal(err, SKIO_ENOMEM);
        assert_null(bad);
        assert_int_equal(t.live, 0);
        skio__redis_options_deinit(&out, &t.allocator); /* harmless */
    }
    fail();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_header),
        cmocka_unit_test(copy_of_nothing_is_the_defaults),
        cmocka_unit_test(shorter_struct_of_an_older_caller_keeps_defaults),
        cmocka_unit_test(
            longer_struct_of_a_newer_caller_is_zeroed_and_read_as_far_as_known),
        cmocka_unit_test(url_is_taken_apart),
        cmocka_unit_test(url_that_is_none_is_refused),
        cmocka_unit_test(url_leaves_what_it_does_not_say),
        cmocka_unit_test(number_out_of_its_range_is_named),
        cmocka_unit_test(string_out_of_its_range_is_named),
        cmocka_unit_test(options_that_do_not_go_together_are_named),
        cmocka_unit_test(sentinels_are_a_list_of_addresses),
        cmocka_unit_test(list_of_sentinels_that_is_none_is_named),
        cmocka_unit_test(copy_is_whole_or_nothing_when_memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
