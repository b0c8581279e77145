/*
 * Engine.IO packets in text form
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_is_a_type_and_data),
        cmocka_unit_test(b_is_a_binary_message),
        cmocka_unit_test(every_other_first_byte_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
