/*
 * IPv6 addresses as text, against the C library's reader
 */
#define _POSIX_C_SOURCE 200809L /* inet_pton */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/ip6.h"

/* Whether both say the same of a text. */
static void
expect_same(const char *text)
{
    uint8_t ours[SKIO__IP6_BYTES];
    uint8_t theirs[SKIO__IP6_BYTES];
    bool is_ours = skio__ip6_parse(text, ours);
    bool is_theirs = inet_pton(AF_INET6, text, theirs) == 1;

    if (is_ours != is_theirs)
        fail_msg("\"%s\": %d, not %d", text, is_ours, is_theirs);
    if (is_ours && memcmp(ours, theirs, sizeof ours) != 0)
        fail_msg("\"%s\" is read as another address", text);
}

static void
addresses_are_read_as_the_c_library_reads_them(void **state)
{
    static const char *const texts[] = {
        "::",
        "::1",
        "1::",
        "2001:db8::1",
        "2001:DB8:0:0:8:800:200C:417A",
        "1:2:3:4:5:6:7:8",
        "::2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "1::8",
        "::ffff:192.0.2.1",
        "::192.0.2.1",
        "1:2:3:4:5:6:192.0.2.1",
        "64:ff9b::255.255.255.255",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        /* and what is none */
        "",
        ":",
        ":::",
        "1:",
        ":1",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "12345::",
        "g::",
        "1:2:3:4:5:6:7:192.0.2.1",
        "::192.0.2",
        "::192.0.2.256",
        "::192.0.2.1.",
        "::192.0.2.1:1",
        "::1.2.3.4.5",
        "::.1.2.3",
        "192.0.2.1",
        "peer 7",
        "1:2:3:4:5:6:7:8 ",
        "::0001:00002",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_same(texts[i]);
}

static void
any_text_is_read_as_the_c_library_reads_it(void **state)
{
    static const char letters[] = ":::::.1f0G";
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        char text[24];
        size_t len;

        seed = seed * 1664525u + 1013904223u;
        len = (seed >> 16) % sizeof text;
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = letters[(seed >> 16) % (sizeof letters - 1)];
        }
        text[len] = '\0';
        /* Libraries differ on zeros before a decimal number. */
        if (strchr(text, '.') == NULL)
            expect_same(text);
    }
}

static void
a_zone_ends_the_address(void **state)
{
    uint8_t address[SKIO__IP6_BYTES];
    uint8_t want[SKIO__IP6_BYTES] = {0xfe, 0x80, [15] = 1};

    (void)state;
    assert_true(skio__ip6_parse("fe80::1%eth0", address));
    assert_memory_equal(address, want, sizeof want);
    assert_false(skio__ip6_parse("%eth0", address));
    assert_false(skio__ip6_parse("1:%eth0", address));
}

static void
mapped_addresses_are_known(void **state)
{
    uint8_t address[SKIO__IP6_BYTES];

    (void)state;
    assert_true(skio__ip6_parse("::ffff:192.0.2.1", address));
    assert_true(skio__ip6_is_mapped(address));
    assert_true(skio__ip6_parse("::ffff:c000:201", address));
    assert_true(skio__ip6_is_mapped(address));
    assert_true(skio__ip6_parse("::fffe:c000:201", address));
    assert_false(skio__ip6_is_mapped(address));
    assert_true(skio__ip6_parse("::1:ffff:c000:201", address));
    assert_false(skio__ip6_is_mapped(address));
}

static void
a_mask_keeps_the_first_bits(void **state)
{
    uint8_t address[SKIO__IP6_BYTES];

    (void)state;
    for (unsigned bits = 0; bits <= SKIO__IP6_BITS; bits++) {
        unsigned ones = 0;

        memset(address, 0xff, sizeof address);
        skio__ip6_mask(address, bits);
        while (ones < SKIO__IP6_BITS &&
               (address[ones / 8] & (0x80u >> ones % 8)) != 0)
            ones++;
        assert_int_equal(ones, bits);
        for (unsigned i = ones; i < SKIO__IP6_BITS; i++)
            assert_int_equal(address[i / 8] & (0x80u >> i % 8), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_as_the_c_library_reads_them),
        cmocka_unit_test(any_text_is_read_as_the_c_library_reads_it),
        cmocka_unit_test(a_zone_ends_the_address),
        cmocka_unit_test(mapped_addresses_are_known),
        cmocka_unit_test(a_mask_keeps_the_first_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
