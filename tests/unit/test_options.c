/*
 * Options of a server: their ranges, copies, and the allocator
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <socketio/socketio.h>
#include <socketio/transport.h>

#include "unit/alloc.h"

struct logged {
    char text[256];
};

static void
keep_log(void *user, enum skio_log_level level, const char *message)
{
    struct logged *logged = user;

    (void)level;
    snprintf(logged->text, sizeof logged->text, "%s", message);
}

/* Expect that these options are refused and the log names the option. */
static void
expect_refused(skio_server_options *options, const char *name)
{
    struct logged logged = {""};
    struct test_alloc alloc;
    skio_server *server = NULL;
    char want[128];

    test_alloc_init(&alloc);
    if (options->allocator.malloc == NULL)
        options->allocator = alloc.allocator;
    options->log = keep_log;
    options->log_user = &logged;
    assert_int_equal(skio_server_new(&server, options), SKIO_EINVAL);
    assert_null(server);
    snprintf(want, sizeof want, "option %s is", name);
    if (strstr(logged.text, want) == NULL)
        fail_msg("%s is not named in \"%s\"", name, logged.text);
    assert_int_equal(alloc.live, 0);
    skio_server_options_init(options);
}

#define REFUSE(field, value)                                                   \
    do {                                                                       \
        o.field = (value);                                                     \
        expect_refused(&o, #field);                                            \
    } while (0)

static void
each_option_has_a_range(void **state)
{
    skio_server_options o;
    char path[300];

    (void)state;
    skio_server_options_init(&o);

    REFUSE(path, NULL);
    REFUSE(path, "");
    REFUSE(path, "relative");
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    REFUSE(path, path);
    REFUSE(ping_interval_ms, 0);
    REFUSE(ping_interval_ms, (uint32_t)INT32_MAX + 1);
    REFUSE(ping_timeout_ms, 0);
    REFUSE(ping_timeout_ms, UINT32_MAX);
    REFUSE(upgrade_timeout_ms, 0);
    REFUSE(upgrade_timeout_ms, UINT32_MAX);
    REFUSE(connect_timeout_ms, 0);
    REFUSE(connect_timeout_ms, UINT32_MAX);
    REFUSE(attachment_timeout_ms, 0);
    REFUSE(attachment_timeout_ms, UINT32_MAX);
    REFUSE(max_http_buffer_size, 0);
    REFUSE(max_http_buffer_size, (size_t)UINT32_MAX);
    REFUSE(transports, 0);
    REFUSE(transports, 4);
    REFUSE(max_outbound_bytes, 0);
    REFUSE(max_outbound_bytes, (size_t)UINT32_MAX);
    REFUSE(outbound_high_bytes, 0);
    REFUSE(outbound_high_bytes, ((size_t)1 << 20) + 1);
    REFUSE(max_attachments, 0);
    REFUSE(max_json_depth, 0);
    REFUSE(max_json_depth, UINT32_MAX);
    REFUSE(max_payload_packets, 0);
    REFUSE(max_namespaces, 0);
    REFUSE(max_pending_acks, 0);
    REFUSE(max_rooms, 0);
    REFUSE(max_name_bytes, 0);
    REFUSE(max_header_bytes, 0);
    REFUSE(max_header_bytes, 16385);
    REFUSE(max_headers, 0);
    REFUSE(max_query_bytes, 0);
    REFUSE(max_query_bytes, 8193);
    REFUSE(max_connections, 0);
    REFUSE(max_connections_per_address, 0);
    REFUSE(ipv6_prefix, 15);
    REFUSE(ipv6_prefix, 129);
    REFUSE(max_unconnected, 0);
    REFUSE(max_dynamic_namespaces, 0);
    REFUSE(max_posted, 0);
    REFUSE(events_per_second, 1000000001);
    REFUSE(events_burst, (uint32_t)INT32_MAX + 1);
    REFUSE(bytes_per_second, 1000000001);
    REFUSE(bytes_burst, (uint32_t)INT32_MAX + 1);
    REFUSE(bytes_burst, 999999);
    REFUSE(connects_per_minute, 1000001);
    REFUSE(connects_burst, 1000001);
    REFUSE(rate_addresses, 0);
    REFUSE(rate_addresses, (1u << 24) + 1);
    REFUSE(max_response_headers, 0);
    REFUSE(max_response_headers, 65);
    REFUSE(max_response_header_bytes, 0);
    REFUSE(max_response_header_bytes, 3073);
    REFUSE(verdict_timeout_ms, 0);
    REFUSE(verdict_timeout_ms, UINT32_MAX);
    REFUSE(cors_options_success_status, 199);
    REFUSE(cors_options_success_status, 300);
    REFUSE(per_message_deflate_level, 0);
    REFUSE(per_message_deflate_level, 10);
    REFUSE(per_message_deflate_window_bits, 8);
    REFUSE(per_message_deflate_window_bits, 16);
    REFUSE(per_message_deflate_mem_level, 0);
    REFUSE(per_message_deflate_mem_level, 10);
    REFUSE(http_compression_level, 0);
    REFUSE(http_compression_level, 10);
    REFUSE(initial_packet, "\xff");
    o.max_outbound_bytes = o.outbound_high_bytes = 4;
    REFUSE(initial_packet, "1234"); /* "4" goes before it */
    REFUSE(backlog, 0);
    REFUSE(backlog, 65536);
    REFUSE(header_timeout_ms, 0);
    REFUSE(body_timeout_ms, 0);
    REFUSE(idle_timeout_ms, 0);
    REFUSE(close_timeout_ms, 0);
    REFUSE(drain_lead_ms, (uint32_t)INT32_MAX + 1);
    REFUSE(rx_buffer_size, 63);
    REFUSE(rx_buffer_size, (1u << 20) + 1);
    o.tls_cert_file = "cert.pem";
    expect_refused(&o, "tls_key_file");
    o.tls_key_file = "key.pem";
    expect_refused(&o, "tls_cert_file");
    o.tls_min_version = "TLSv1.1";
    expect_refused(&o, "tls_min_version");
    o.proxy_protocol = true; /* from nobody */
    expect_refused(&o, "proxy_protocol");
}

static void
options_at_their_bounds_are_taken(void **state)
{
    skio_server_options options;
    skio_server *server;

    (void)state;
    skio_server_options_init(&options);
    options.cors_options_success_status = 200;
    options.max_outbound_bytes = options.outbound_high_bytes = 4;
    options.initial_packet = "123";
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    skio_server_free(server);
    options.cors_options_success_status = 299;
    options.events_per_second = options.bytes_per_second = 1000000000;
    options.events_burst = options.bytes_burst = INT32_MAX;
    options.connects_per_minute = options.connects_burst = 1000000;
    options.rate_addresses = 1;
    options.ipv6_prefix = 128;
    options.initial_packet = "";
    options.per_message_deflate_level = options.http_compression_level = 1;
    options.per_message_deflate_window_bits = 9;
    options.per_message_deflate_mem_level = 1;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    skio_server_free(server);
    options.per_message_deflate_level = options.http_compression_level = 9;
    options.per_message_deflate_window_bits = 15;
    options.per_message_deflate_mem_level = 9;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    skio_server_free(server);
}

static void
half_an_allocator_is_refused(void **state)
{
    skio_server_options options;
    struct test_alloc alloc;

    (void)state;
    test_alloc_init(&alloc);
    skio_server_options_init(&options);
    options.allocator = alloc.allocator;
    options.allocator.realloc = NULL;
    expect_refused(&options, "allocator");
    assert_int_equal(alloc.calls, 0);
}

static void
the_defaults_make_a_server(void **state)
{
    skio_server *server = NULL;
    skio_server_options options;

    (void)state;
    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    skio_server_free(server);
    skio_server_options_init(&options);
    assert_int_equal(options.struct_size, sizeof options);
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    assert_int_equal(skio_transport_options(server)->connect_timeout_ms, 45000);
    assert_int_equal(skio_server_sessions(server), 0);
    skio_server_free(server);
    skio_server_free(NULL);
}

static void
a_shorter_struct_keeps_the_other_defaults(void **state)
{
    skio_server_options options;
    const skio_server_options *got;
    size_t size = offsetof(skio_server_options, upgrade_timeout_ms);
    skio_server *server = NULL;

    (void)state;
    memset(&options, 0xff, sizeof options);
    skio_server_options_init_size(&options, size);
    assert_int_equal(options.struct_size, size);
    assert_int_equal(options.upgrade_timeout_ms, UINT32_MAX); /* not ours */
    options.ping_interval_ms = 7;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    got = skio_transport_options(server);
    assert_int_equal(got->ping_interval_ms, 7);
    assert_int_equal(got->upgrade_timeout_ms, 10000);
    assert_int_equal(got->rx_buffer_size, 256);
    skio_server_free(server);
}

static void
options_are_copied(void **state)
{
    char path[] = "/mine";
    char cookie[] = "io";
    skio_server_options options;
    struct test_alloc alloc;
    skio_server *server = NULL;

    (void)state;
    test_alloc_init(&alloc);
    skio_server_options_init(&options);
    options.allocator = alloc.allocator;
    options.path = path;
    options.cookie = cookie;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    memset(path, 'x', sizeof path - 1);
    memset(cookie, 'x', sizeof cookie - 1);
    memset(&options, 0xff, sizeof options);
    assert_true(skio_transport_owns(server, "/mine/"));
    assert_string_equal(skio_transport_options(server)->path, "/mine");
    assert_string_equal(skio_transport_options(server)->cookie, "io");
    assert_non_null(skio_of(server, "chat"));
    assert_ptr_equal(skio_of(server, "chat"), skio_of(server, "/chat"));
    assert_string_equal(skio_nsp_name(skio_of(server, "chat")), "/chat");
    assert_true(alloc.live > 0);
    skio_server_free(server);
    assert_int_equal(alloc.live, 0);
}

static void
a_server_needs_all_of_its_memory(void **state)
{
    skio_server_options options;
    struct test_alloc alloc;
    int err = SKIO_ENOMEM;

    (void)state;
    for (size_t n = 1; err != SKIO_OK; n++) {
        skio_server *server = NULL;

        assert_true(n < 100);
        test_alloc_init(&alloc);
        test_alloc_fail(&alloc, n);
        skio_server_options_init(&options);
        options.allocator = alloc.allocator;
        options.cookie = "io";
        options.cors_origins = "*";
        err = skio_server_new(&server, &options);
        if (err == SKIO_OK)
            skio_server_free(server);
        else
            assert_int_equal(err, SKIO_ENOMEM);
        assert_int_equal(alloc.live, 0);
    }
}

static void
cookie_attributes_that_cannot_be_sent_are_refused(void **state)
{
    static const char *const domains[] = {
        ".",
        "..a",
        "a..b",
        "a.",
        "-a",
        "a-",
        "a b",
        "a;b",
        "a_b",
        "a\r\nb",
        "x.\xc3\xa4.y",
        "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd",
    };
    skio_server_options o;
    size_t i;

    (void)state;
    skio_server_options_init(&o);
#define REFUSE_COOKIE(field, value)                                            \
    do {                                                                       \
        o.cookie = "io";                                                       \
        REFUSE(field, value);                                                  \
    } while (0)

    REFUSE(cookie, "");
    REFUSE(cookie, "a b");
    REFUSE(cookie, "a=b");
    REFUSE(cookie, "a;");
    REFUSE(cookie, "a\r\nX: y");
    REFUSE_COOKIE(cookie_path, "/;x");
    REFUSE_COOKIE(cookie_path, "/<");
    REFUSE_COOKIE(cookie_path, "/\r\nX: y");
    REFUSE_COOKIE(cookie_path, "/\x7f");
    for (i = 0; i < sizeof domains / sizeof domains[0]; i++)
        REFUSE_COOKIE(cookie_domain, domains[i]);
    REFUSE_COOKIE(cookie_same_site, "never");
    REFUSE_COOKIE(cookie_same_site, "laxx");
    REFUSE_COOKIE(cookie_priority, "urgent");
    REFUSE_COOKIE(cookie_max_age_s, -2);
    REFUSE_COOKIE(cookie_expires, -1);
    REFUSE_COOKIE(cookie_expires, INT64_C(253402300800));
}

static void
names_of_namespaces_are_limited(void **state)
{
    skio_server_options options;
    skio_server *server = NULL;

    (void)state;
    skio_server_options_init(&options);
    options.max_name_bytes = 4;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    assert_non_null(skio_of(server, "/abc"));
    assert_null(skio_of(server, "/abcd"));
    assert_non_null(skio_of(server, "xyz"));
    assert_null(skio_of(server, "wxyz"));
    assert_null(skio_of(server, "/\xff"));
    skio_server_free(server);
}

/* What a server makes of them. */
static const skio_server_options *
taken(skio_server **server, const skio_server_options *options)
{
    skio_server_free(*server);
    assert_int_equal(skio_server_new(server, options), SKIO_OK);
    return skio_transport_options(*server);
}

static void
limits_that_are_not_given_follow_others(void **state)
{
    skio_server *server = NULL;
    const skio_server_options *o = taken(&server, NULL);
    skio_server_options options;

    (void)state;
    assert_int_equal(o->max_unconnected_per_address, 100);
    assert_int_equal(o->max_tcp_connections, 200000);
    assert_int_equal(o->max_tcp_connections_per_address, 600);

    skio_server_options_init(&options);
    options.max_connections = 1;
    options.max_connections_per_address = 1;
    o = taken(&server, &options);
    assert_int_equal(o->max_unconnected_per_address, 100);
    assert_int_equal(o->max_tcp_connections, 1000);
    assert_int_equal(o->max_tcp_connections_per_address, 600);

    options.max_connections = UINT32_MAX;
    options.max_connections_per_address = UINT32_MAX;
    o = taken(&server, &options);
    assert_int_equal(o->max_unconnected_per_address, UINT32_MAX / 2);
    assert_int_equal(o->max_tcp_connections, UINT32_MAX);
    assert_int_equal(o->max_tcp_connections_per_address, UINT32_MAX);

    options.max_unconnected_per_address = 1;
    options.max_tcp_connections = 2;
    options.max_tcp_connections_per_address = 3;
    o = taken(&server, &options);
    assert_int_equal(o->max_unconnected_per_address, 1);
    assert_int_equal(o->max_tcp_connections, 2);
    assert_int_equal(o->max_tcp_connections_per_address, 3);
    skio_server_free(server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_has_a_range),
        cmocka_unit_test(options_at_their_bounds_are_taken),
        cmocka_unit_test(limits_that_are_not_given_follow_others),
        cmocka_unit_test(half_an_allocator_is_refused),
        cmocka_unit_test(the_defaults_make_a_server),
        cmocka_unit_test(a_shorter_struct_keeps_the_other_defaults),
        cmocka_unit_test(options_are_copied),
        cmocka_unit_test(a_server_needs_all_of_its_memory),
        cmocka_unit_test(cookie_attributes_that_cannot_be_sent_are_refused),
        cmocka_unit_test(names_of_namespaces_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
