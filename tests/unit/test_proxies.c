/*
 * Trusted proxies: the list, and the walk through X-Forwarded-For
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "transport/proxies.h"
#include "unit/alloc.h"

static struct skio__peer
peer_of(const char *text)
{
    struct skio__peer peer = {.is_local = strcmp(text, "unix") == 0};

    if (!peer.is_local)
        assert_true(skio__peer_parse(text, strlen(text), &peer.address));
    return peer;
}

/* Walk from a peer with a list; returns the address. */
static const char *
walk(const char *list, const char *from, const char *forwarded_for)
{
    static char text[64];
    struct skio__proxies proxies;
    struct skio__peer peer = peer_of(from);

    assert_int_equal(skio__proxies_init(&proxies, skio__mem_default(), list),
                     SKIO_OK);
    skio__proxies_walk(&proxies, forwarded_for, NULL, &peer);
    skio__peer_print(&peer, text);
    skio__proxies_deinit(&proxies);
    return text;
}

static bool
is_trusted(const char *list, const char *who)
{
    struct skio__proxies proxies;
    struct skio__peer peer = peer_of(who);
    bool trusted;

    assert_int_equal(skio__proxies_init(&proxies, skio__mem_default(), list),
                     SKIO_OK);
    trusted = skio__proxies_trust(&proxies, &peer);
    skio__proxies_deinit(&proxies);
    return trusted;
}

static void
networks_contain_what_their_bits_say(void **state)
{
    (void)state;
    assert_true(is_trusted("10.0.0.0/8", "10.255.0.1"));
    assert_false(is_trusted("10.0.0.0/8", "11.0.0.1"));
    assert_true(is_trusted("10.1.2.3/8", "10.9.9.9"));
    assert_true(is_trusted("192.0.2.7", "192.0.2.7"));
    assert_false(is_trusted("192.0.2.7", "192.0.2.6"));
    assert_true(is_trusted("192.0.2.128/25", "192.0.2.255"));
    assert_false(is_trusted("192.0.2.128/25", "192.0.2.127"));
    assert_true(is_trusted("0.0.0.0/0", "203.0.113.9"));
    assert_false(is_trusted("0.0.0.0/0", "2001:db8::1"));
    assert_true(is_trusted("::/0", "2001:db8::1"));
    assert_true(is_trusted("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(is_trusted("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(is_trusted("192.0.2.0/24", "::ffff:192.0.2.1"));
}

static void
words_name_the_own_machine(void **state)
{
    (void)state;
    assert_true(is_trusted("loopback", "127.3.2.1"));
    assert_true(is_trusted("loopback", "::1"));
    assert_true(is_trusted("loopback", "::ffff:127.0.0.1"));
    assert_false(is_trusted("loopback", "10.0.0.1"));
    assert_false(is_trusted("loopback", "unix"));
    assert_true(is_trusted(" unix , 10.0.0.1 ", "unix"));
    assert_true(is_trusted(" unix , 10.0.0.1 ", "10.0.0.1"));
    assert_false(is_trusted(NULL, "127.0.0.1"));
    assert_false(is_trusted("", "127.0.0.1"));
}

static void
list_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {
        "10.0.0.0/33", "::/129",        "10.0.0",
        "10.0.0.0/",   "10.0.0.0/8x",   "10.0.0.0/-1",
        "10.0.0.1:80", "[::1]",         "localhost",
        "loopback/8",  "10.0.0.1 10.2", "10.0.0.0/0008",
        "10.0.0.1;",   "fe80::1%lo",    "*",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct skio__proxies proxies;

        if (skio__proxies_init(&proxies, skio__mem_default(), bad[i]) !=
            SKIO_EINVAL)
            fail_msg("accepted %s", bad[i]);
        assert_null(proxies.networks);
    }
}

static void
list_has_room_for_256(void **state)
{
    char list[257 * 12 + 1];
    struct skio__proxies proxies;
    size_t len = 0;

    (void)state;
    for (int i = 0; i < 256; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "10.0.%d.1,", i);
    list[len - 1] = '\0';
    assert_int_equal(skio__proxies_init(&proxies, skio__mem_default(), list),
                     SKIO_OK);
    assert_int_equal(proxies.count, 256);
    skio__proxies_deinit(&proxies);
    snprintf(list + len - 1, sizeof list - len + 1, ",10.9.9.9");
    assert_int_equal(skio__proxies_init(&proxies, skio__mem_default(), list),
                     SKIO_EINVAL);
}

static void
list_without_memory_is_an_error(void **state)
{
    struct test_alloc alloc;
    struct skio__proxies proxies;

    (void)state;
    test_alloc_init(&alloc);
    test_alloc_fail(&alloc, 1);
    assert_int_equal(skio__proxies_init(&proxies, &alloc.allocator, "loopback"),
                     SKIO_ENOMEM);
    assert_int_equal(alloc.live, 0);
}

static void
client_is_the_first_from_the_right_that_is_no_proxy(void **state)
{
    const char *list = "loopback, 10.0.0.0/8";

    (void)state;
    assert_string_equal(walk(list, "127.0.0.1", "192.0.2.1"), "192.0.2.1");
    assert_string_equal(walk(list, "127.0.0.1", "203.0.113.1, 192.0.2.1"),
                        "192.0.2.1");
    assert_string_equal(walk(list, "127.0.0.1", "192.0.2.1, 10.0.0.1,10.0.0.2"),
                        "192.0.2.1");
    assert_string_equal(walk(list, "::1", "6.6.6.6,2001:db8::1,10.1.1.1"),
                        "2001:db8::1");
    assert_string_equal(walk("unix", "unix", "192.0.2.1"), "192.0.2.1");
    assert_string_equal(walk(list, "127.0.0.1", "::ffff:192.0.2.1"),
                        "192.0.2.1");
    /* all of them proxies: the leftmost is as near as one gets */
    assert_string_equal(walk(list, "127.0.0.1", "10.0.0.9, 10.0.0.2"),
                        "10.0.0.9");
}

static void
header_of_a_stranger_is_ignored(void **state)
{
    (void)state;
    assert_string_equal(walk("10.0.0.0/8", "192.0.2.9", "10.0.0.1"),
                        "192.0.2.9");
    assert_string_equal(walk(NULL, "127.0.0.1", "192.0.2.1"), "127.0.0.1");
    assert_string_equal(walk("loopback", "unix", "192.0.2.1"), "");
}

static void
entry_that_is_no_address_ends_the_walk(void **state)
{
    static const char *const bad[] = {
        "192.0.2.1, unknown",
        "192.0.2.1, _hidden",
        "192.0.2.1,",
        "192.0.2.1, ,",
        "192.0.2.1, 1.2.3",
        "192.0.2.1, 1.2.3.4:",
        "1.1.1.1, 1.2.3.4:p",
        "1.1.1.1, [::1",
        "1.1.1.1, [1.2.3.4]",
        "1.1.1.1, [::1]x",
        "1.1.1.1, [::1]:",
        "1.1.1.1, 1.2.3.4:123456",
        "1.1.1.1, 256.0.0.1",
        "1.1.1.1, fe80::1%lo0",
        "1.1.1.1, \"1.2.3.4\"",
        "1.1.1.1, 1.2.3.4 5",
        "",
        "   ",
        "1.1.1.1, for=1.2.3.4",
        "1.1.1.1, \x01",
        "1.1.1.1, 0x7f.1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_string_equal(walk("loopback", "127.0.0.1", bad[i]), "127.0.0.1");
    assert_string_equal(walk("loopback, 10.0.0.0/8", "127.0.0.1",
                             "6.6.6.6, bad, 10.0.0.1"),
                        "10.0.0.1");
}

static void
ports_and_brackets_are_left_out(void **state)
{
    (void)state;
    assert_string_equal(walk("loopback", "::1", "192.0.2.1:50000"),
                        "192.0.2.1");
    assert_string_equal(walk("loopback", "::1", " [2001:db8::1]:80 "),
                        "2001:db8::1");
    assert_string_equal(walk("loopback", "::1", "[2001:db8::1]"),
                        "2001:db8::1");
}

static void
walk_is_bounded(void **state)
{
    char header[16384];
    char text[64];
    size_t len = 0;

    (void)state;
    /* 10.0.0.N: the place from the right is N */
    for (int i = 900; i > 0; i--)
        len += (size_t)snprintf(header + len, sizeof header - len,
                                "10.0.%d.%d,", i / 250, i % 250);
    header[len - 1] = '\0';
    snprintf(text, sizeof text, "10.0.0.%d", SKIO__HOPS_MAX);
    assert_string_equal(walk("loopback,10.0.0.0/8", "127.0.0.1", header), text);
    memset(header, ',', sizeof header - 1);
    header[sizeof header - 1] = '\0';
    assert_string_equal(walk("loopback", "127.0.0.1", header), "127.0.0.1");
    memset(header, '1', sizeof header - 1);
    assert_string_equal(walk("loopback", "127.0.0.1", header), "127.0.0.1");
}

static bool
secure_of(const char *from, bool secure, const char *forwarded_for,
          const char *proto)
{
    struct skio__proxies proxies;
    struct skio__peer peer = peer_of(from);

    peer.secure = secure;
    assert_int_equal(skio__proxies_init(&proxies, skio__mem_default(),
                                        "loopback, 10.0.0.0/8"),
                     SKIO_OK);
    skio__proxies_walk(&proxies, forwarded_for, proto, &peer);
    skio__proxies_deinit(&proxies);
    return peer.secure;
}

static void
scheme_is_the_one_the_client_used(void **state)
{
    (void)state;
    assert_true(secure_of("::1", false, "192.0.2.1", "https"));
    assert_true(secure_of("::1", false, "192.0.2.1", "HTTPS"));
    assert_true(secure_of("::1", false, NULL, "https"));
    assert_false(secure_of("::1", true, "192.0.2.1", "http"));
    /* outer proxy with TLS, inner one without: the client used it */
    assert_true(secure_of("::1", false, "192.0.2.1, 10.0.0.1", "https, http"));
    assert_false(secure_of("::1", false, "192.0.2.1, 10.0.0.1", "http, https"));
    assert_true(secure_of("::1", false, "192.0.2.1, 10.0.0.1", "https"));
    /* what stands further left was forged */
    assert_false(secure_of("::1", false, "192.0.2.1", "https, http"));
    assert_false(secure_of("192.0.2.1", false, NULL, "https"));
    assert_true(secure_of("::1", true, "192.0.2.1", "gopher"));
    assert_false(secure_of("::1", false, "192.0.2.1", ""));
    assert_false(secure_of("::1", false, "192.0.2.1", "httpsx"));
}

/* Whatever stands there, the address is one: the same headers each time. */
static void
random_headers_yield_an_address_or_the_peers(void **state)
{
    static const char bytes[] = "0123456789abcdef.,,: []/%\t";
    struct skio__proxies proxies;
    unsigned seed = 1;

    (void)state;
    assert_int_equal(skio__proxies_init(&proxies, skio__mem_default(),
                                        "0.0.0.0/0, ::/0"),
                     SKIO_OK);
    for (int i = 0; i < 100000; i++) {
        struct skio__peer peer = peer_of("192.0.2.1");
        struct in6_addr again;
        char header[48];
        char text[64];
        size_t len = (size_t)i % (sizeof header - 1);

        for (size_t at = 0; at < len; at++) {
            seed = seed * 1103515245U + 12345U;
            header[at] = bytes[(seed >> 16) % (sizeof bytes - 1)];
        }
        header[len] = '\0';
        skio__proxies_walk(&proxies, header, header, &peer);
        skio__peer_print(&peer, text);
        assert_true(skio__peer_parse(text, strlen(text), &again));
        assert_memory_equal(&again, &peer.address, sizeof again);
    }
    skio__proxies_deinit(&proxies);
}

static void
an_address_is_printed_as_the_c_library_does(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        struct skio__peer peer = peer_of("192.0.2.1");
        unsigned char *bytes = &peer.address.s6_addr[12];
        char text[64];
        char want[64];

        bytes[0] = (unsigned char)i;
        bytes[1] = (unsigned char)(255 - i);
        bytes[3] = (unsigned char)(i * 7);
        assert_non_null(inet_ntop(AF_INET, bytes, want, sizeof want));
        skio__peer_print(&peer, text);
        assert_string_equal(text, want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_contain_what_their_bits_say),
        cmocka_unit_test(an_address_is_printed_as_the_c_library_does),
        cmocka_unit_test(words_name_the_own_machine),
        cmocka_unit_test(list_that_is_none_is_refused),
        cmocka_unit_test(list_has_room_for_256),
        cmocka_unit_test(list_without_memory_is_an_error),
        cmocka_unit_test(client_is_the_first_from_the_right_that_is_no_proxy),
        cmocka_unit_test(header_of_a_stranger_is_ignored),
        cmocka_unit_test(entry_that_is_no_address_ends_the_walk),
        cmocka_unit_test(ports_and_brackets_are_left_out),
        cmocka_unit_test(walk_is_bounded),
        cmocka_unit_test(scheme_is_the_one_the_client_used),
        cmocka_unit_test(random_headers_yield_an_address_or_the_peers),
    };

    return cmocka_run_group_tests_name("proxies", tests, NULL, NULL);
}
