/*
 * Engine.IO packets in text form
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engineio/packet.h"

static void
a_packet_is_a_type_and_data(void **state)
{
    struct eio_packet packet;
    char text[] = "0rest";
    int type;

    (void)state;
    for (type = '0'; type <= '6'; type++) {
        text[0] = (char)type;
        assert_int_equal(skio__packet_read(text, 5, &packet), SKIO_OK);
        assert_int_equal(packet.type, type);
        assert_false(packet.binary);
        assert_int_equal(packet.len, 4);
        assert_ptr_equal(packet.data, text + 1);
        assert_int_equal(skio__packet_read(text, 1, &packet), SKIO_OK);
        assert_int_equal(packet.len, 0);
    }
}

static void
b_is_a_binary_message(void **state)
{
    struct eio_packet packet;

    (void)state;
    assert_int_equal(skio__packet_read("bAQ==", 5, &packet), SKIO_OK);
    assert_int_equal(packet.type, EIO_MESSAGE);
    assert_true(packet.binary);
    assert_true(packet.base64);
    assert_int_equal(packet.len, 4);
}

static void
every_other_first_byte_is_refused(void **state)
{
    struct eio_packet packet;
    int byte;

    (void)state;
    assert_int_equal(skio__packet_read("4", 0, &packet), SKIO_EPROTO);
    for (byte = 0; byte < 256; byte++) {
        char text[2] = {(char)byte, 'x'};
        int want =
            (byte >= '0' && byte <= '6') || byte == 'b' ? SKIO_OK : SKIO_EPROTO;

        assert_int_equal(skio__packet_read(text, 2, &packet), want);
    }
}

static void
base64_is_decoded(void **state)
{
    static const struct {
        const char *text;
        const char *bytes;
        ptrdiff_t len;
    } cases[] = {
        {"", "", 0},
        {"AQIDBA==", "\1\2\3\4", 4},
        {"AQIDBA", "\1\2\3\4", 4},
        {"AQID", "\1\2\3", 3},
        {"AQI=", "\1\2", 2},
        {"AQI", "\1\2", 2},
        {"+/8=", "\xfb\xff", 2},
        {"-_8=", "\xfb\xff", 2},
        {"-_8", "\xfb\xff", 2},
        {"AA==", "\0", 1},

        /* in lines */
        {"AQ==\n", "\1", 1},
        {"A\nQ==", "\1", 1},
        {"AQIDBA\r\n", "\1\2\3\4", 4},
        {"AQ\nIDBA\r\n=\n=\n", "\1\2\3\4", 4},
        {"-_\n8=\n", "\xfb\xff", 2},
        {"\n", "", 0},
        {"A\n", NULL, SKIO_EPROTO},
        {"AQ=\n", NULL, SKIO_EPROTO},
        {"AQ==\nAQ==", NULL, SKIO_EPROTO},

        {"A", NULL, SKIO_EPROTO},
        {"=", NULL, SKIO_EPROTO},
        {"====", NULL, SKIO_EPROTO},
        {"AQ=", NULL, SKIO_EPROTO},
        {"AQID=", NULL, SKIO_EPROTO},
        {"AQIDBA===", NULL, SKIO_EPROTO},
        {"AQ==AQ==", NULL, SKIO_EPROTO},
        {"AQ ==", NULL, SKIO_EPROTO},
        {"+_8=", NULL, SKIO_EPROTO},
        {"!!!", NULL, SKIO_EPROTO},
        {"AQ\xc3\xa9", NULL, SKIO_EPROTO},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].text);
        /* Exactly the room that is promised: sanitizers see a byte more. */
        unsigned char *out = malloc(len + (len == 0));

        assert_non_null(out);
        assert_int_equal(skio__packet_unbase64(cases[i].text, len, out),
                         cases[i].len);
        if (cases[i].len > 0)
            assert_memory_equal(out, cases[i].bytes, (size_t)cases[i].len);
        free(out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_is_a_type_and_data),
        cmocka_unit_test(b_is_a_binary_message),
        cmocka_unit_test(every_other_first_byte_is_refused),
        cmocka_unit_test(base64_is_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
