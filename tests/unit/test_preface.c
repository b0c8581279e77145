/*
 * The PROXY protocol, cut at every byte
 */
#define _POSIX_C_SOURCE 200809L /* inet_ntop */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "transport/preface.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\x0a\0\0\1\xc3\x50\0\x50"
#define TCP6                                                                   \
    SIGNATURE "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"           \
              "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\xc3\x50\0\x50"

/*
 * Feed text in two pieces, cut at `cut`, with "GET" behind it. Returns the
 * address that it names, "own" for the connection's, "more", "bad", or "long"
 * when the preface was taken for longer or shorter than it is.
 */
static const char *
source_cut(const void *data, size_t len, size_t cut)
{
    static char text[64];
    struct skio__preface preface = {0};
    union skio__address from = {.in6 = {0}};
    unsigned char bytes[8192];
    bool done = false;
    ptrdiff_t taken;
    size_t at = 0;
    int found;

    memcpy(bytes, data, len);
    memcpy(bytes + len, "GET", 3);
    if (cut > 0) {
        taken = skio__preface_feed(&preface, bytes, cut, &done);
        if (taken < 0)
            return "bad";
        if (!done && (size_t)taken != cut)
            return "long";
        at = (size_t)taken;
    }
    if (!done) {
        taken = skio__preface_feed(&preface, bytes + at, len + 3 - at, &done);
        if (taken < 0)
            return "bad";
        at += (size_t)taken;
    }
    if (!done)
        return "more";
    if (at != len)
        return "long";

    found = skio__preface_source(&preface, &from);
    if (found < 0)
        return "bad";
    if (found == 0)
        return "own";
    if (from.any.sa_family == AF_UNIX)
        return "unix";
    if (from.any.sa_family == AF_INET)
        inet_ntop(AF_INET, &from.in4.sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &from.in6.sin6_addr, text, sizeof text);
    return text;
}

static void
expect(const void *data, size_t len, const char *wanted)
{
    for (size_t cut = 0; cut <= len; cut++)
        assert_string_equal(source_cut(data, len, cut), wanted);
}

#define EXPECT(text, wanted) expect(text, sizeof(text) - 1, wanted)

static void
version_1_names_the_client(void **state)
{
    (void)state;
    EXPECT("PROXY TCP4 192.0.2.1 10.0.0.1 50000 80\r\n", "192.0.2.1");
    EXPECT("PROXY TCP6 2001:db8::1 ::1 50000 80\r\n", "2001:db8::1");
    EXPECT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
           "255.255.255.255");
    EXPECT("PROXY UNKNOWN\r\n", "own");
    EXPECT("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
           "own");
}

static void
version_2_names_the_client(void **state)
{
    (void)state;
    EXPECT(TCP4, "192.0.2.1");
    EXPECT(TCP6, "2001:db8::1");
    EXPECT(SIGNATURE "\x20\0\0\0", "own");
    EXPECT(SIGNATURE "\x20\x11\0\3abc", "own");
    EXPECT(SIGNATURE "\x21\0\0\2ab", "own");
    /* further fields are skipped */
    EXPECT(SIGNATURE "\x21\x11\0\x13\xc0\0\2\1\x0a\0\0\1\xc3\x50\0\x50"
                     "\x04\0\4noop",
           "192.0.2.1");
}

static void
unix_peer_of_a_proxy_has_no_address(void **state)
{
    char bytes[16 + 216] = SIGNATURE "\x21\x31\0\xd8/run/a";

    (void)state;
    expect(bytes, sizeof bytes, "unix");
}

static void
what_is_no_preface_is_refused_at_its_first_wrong_byte(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 -1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
        "PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 ::1 1 1\r\n",
        "PROXY TCP4 ::1 ::1 1 1\r\n",
        "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP6 ::1 1.1.1.1 1 1\r\n",
        "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n",
        "\x16\x03\x01",
    };
    static const char nul[] = "PROXY TCP4 1.1.1.1\0 1.1.1.1 1 1\r\n";
    bool done;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect(bad[i], strlen(bad[i]), "bad");
    expect(nul, sizeof nul - 1, "bad");

    struct skio__preface preface = {0};
    assert_int_equal(skio__preface_feed(&preface, "G", 1, &done), SKIO_EPROTO);
    preface = (struct skio__preface){0};
    assert_int_equal(skio__preface_feed(&preface, "PROXx", 5, &done),
                     SKIO_EPROTO);
}

static void
version_2_with_a_bad_head_is_refused(void **state)
{
    (void)state;
    EXPECT(SIGNATURE "\x31\x11\0\x0c", "bad"); /* a version 3 */
    EXPECT(SIGNATURE "\x22\x11\0\x0c", "bad"); /* no such command */
    EXPECT(SIGNATURE "\x21\x12\0\x0c", "bad"); /* datagrams */
    EXPECT(SIGNATURE "\x21\x41\0\x0c", "bad"); /* no such family */
    EXPECT(SIGNATURE "\x21\x11\0\x0b", "bad"); /* too short for it */
    EXPECT(SIGNATURE "\x21\x21\0\x23", "bad");
    EXPECT(SIGNATURE "\x21\x31\0\xd7", "bad");
}

static void
length_is_bounded(void **state)
{
    char line[256] = "PROXY UNKNOWN ";
    unsigned char bytes[SKIO__PREFACE_MAX + 1] = TCP4;

    (void)state;
    memset(line + 14, 'x', sizeof line - 14);
    memcpy(line + SKIO__PREFACE_LINE - 2, "\r\n", 2);
    expect(line, SKIO__PREFACE_LINE, "own");
    memcpy(line + SKIO__PREFACE_LINE - 2, "x\r\n", 3);
    expect(line, SKIO__PREFACE_LINE + 1, "bad");

    bytes[14] = (SKIO__PREFACE_MAX - 16) >> 8;
    bytes[15] = (SKIO__PREFACE_MAX - 16) & 255;
    assert_string_equal(source_cut(bytes, SKIO__PREFACE_MAX, 100), "192.0.2.1");
    bytes[14] = (SKIO__PREFACE_MAX - 15) >> 8;
    bytes[15] = (SKIO__PREFACE_MAX - 15) & 255;
    assert_string_equal(source_cut(bytes, SKIO__PREFACE_MAX + 1, 100), "bad");
}

/* The same ones each time. */
static unsigned
next_random(unsigned *seed)
{
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 16;
}

static void
damaged_prefaces_are_refused_or_bounded(void **state)
{
    static const char line[] = "PROXY TCP6 2001:db8::1 ::1 50000 80\r\n";
    unsigned seed = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct skio__preface preface = {0};
        union skio__address from = {.in6 = {0}};
        unsigned char bytes[128] = {0};
        size_t size = i % 2 == 0 ? sizeof line - 1 : sizeof TCP6 - 1;
        bool done = false;
        ptrdiff_t taken = 0;

        memcpy(bytes, i % 2 == 0 ? line : TCP6, size);
        for (unsigned n = next_random(&seed) % 4; n > 0; n--)
            bytes[next_random(&seed) % size] =
                (unsigned char)next_random(&seed);
        for (int turn = 0; turn < 50 && taken >= 0 && !done; turn++) {
            taken = skio__preface_feed(&preface, bytes, sizeof bytes, &done);
            assert_true(taken <= (ptrdiff_t)sizeof bytes);
            assert_true(done || taken < 0 || taken == (ptrdiff_t)sizeof bytes);
        }
        assert_true(done || taken < 0); /* nothing is waited for for ever */
        assert_in_range(preface.len, 1, SKIO__PREFACE_MAX);
        if (done)
            (void)skio__preface_source(&preface, &from);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_names_the_client),
        cmocka_unit_test(version_2_names_the_client),
        cmocka_unit_test(unix_peer_of_a_proxy_has_no_address),
        cmocka_unit_test(what_is_no_preface_is_refused_at_its_first_wrong_byte),
        cmocka_unit_test(version_2_with_a_bad_head_is_refused),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(damaged_prefaces_are_refused_or_bounded),
    };

    return cmocka_run_group_tests_name("preface", tests, NULL, NULL);
}
