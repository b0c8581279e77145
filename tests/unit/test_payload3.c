/*
 * Engine.IO payloads of protocol 3, and JSONP
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engineio/jsonp.h"
#include "engineio/payload3.h"
#include "unit/alloc.h"

/* Write what a payload decodes to: "4:hello 4b:AQ== !" */
static const char *
decoded(const char *text, size_t len, bool binary)
{
    static char out[512];
    struct eio_payload payload;
    struct eio_packet packet;
    size_t n = 0;
    int got;

    skio__payload_init(&payload, text, len);
    out[0] = '\0';
    while ((got = skio__payload3_next(&payload, binary, &packet)) > 0)
        n += (size_t)snprintf(out + n, sizeof out - n, "%c%s:%.*s ",
                              packet.type, packet.binary ? "b" : "",
                              (int)packet.len, packet.data);
    if (got < 0)
        snprintf(out + n, sizeof out - n, "!");
    return out;
}

#define assert_text(text, want)                                                \
    assert_string_equal(decoded(text, sizeof(text) - 1, false), (want))
#define assert_binary(text, want)                                              \
    assert_string_equal(decoded(text, sizeof(text) - 1, true), (want))

static void
lengths_of_text_count_utf16_units(void **state)
{
    (void)state;
    assert_text("6:4hello2:4\xe2\x82\xac"
                "3:4\xf0\x9f\x98\x80",
                "4:hello 4:\xe2\x82\xac 4:\xf0\x9f\x98\x80 ");
    assert_text("10:b4AQIDBA==", "4b:AQIDBA== ");
    assert_text("0:", "");
    assert_text("0:1:2", "2: ");
    /* Half of a pair of surrogates. */
    assert_text("2:4\xf0\x9f\x98\x80", "!");
}

static void
a_bad_text_length_is_an_error(void **state)
{
    (void)state;
    assert_text("4hello", "!");
    assert_text(":4hello", "!");
    assert_text("6", "!");
    assert_text("7:4hello", "!");
    assert_text("-1:4", "!");
    assert_text("1e0:4", "!");
    assert_text("99999999999:4", "!");
    assert_text("1:2junk", "2: !");
    assert_text("1:7", "!");
    assert_text("1:b", "!");
    assert_text("2:bb", "!");
}

static void
binary_payloads_frame_by_bytes(void **state)
{
    (void)state;
    assert_binary("\x00\x06\xff"
                  "4hello"
                  "\x01\x04\xff\x04"
                  "abc",
                  "4:hello 4b:abc ");
    assert_binary("\x00\x04\xff"
                  "4\xe2\x82\xac",
                  "4:\xe2\x82\xac ");
    assert_binary("\x00\x01\x01\xff"
                  "4helloworld",
                  "4:helloworld ");
}

static void
a_bad_binary_frame_is_an_error(void **state)
{
    (void)state;
    assert_binary("\x02\x01\xff"
                  "4",
                  "!");
    assert_binary("\x00\x01", "!");
    assert_binary("\x00\xff"
                  "4",
                  "!");
    assert_binary("\x00\x0a\xff"
                  "4",
                  "!");
    assert_binary("\x00\x02\xff"
                  "4",
                  "!");
    assert_binary("\x01\x01\xff\x07", "!");
    assert_binary("\x00\x02\xff"
                  "4\xff",
                  "!");
    assert_binary("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff"
                  "4",
                  "!");
}

static void
packets_are_counted_up_to_the_limit(void **state)
{
    (void)state;
    assert_false(skio__payload3_exceeds("1:21:2", 6, false, 2));
    assert_true(skio__payload3_exceeds("1:21:2", 6, false, 1));
    assert_true(skio__payload3_exceeds("\0\1\xff"
                                       "2\0\1\xff"
                                       "2",
                                       8, true, 1));
}

static void
a_queue_with_binary_becomes_a_binary_payload(void **state)
{
    static const unsigned char want[] = {0,   6,   0xff, '4', 'h', 'e',
                                         'l', 'l', 'o',  1,   5,   255,
                                         4,   1,   2,    3,   4};
    struct eio_queue queue = {0};
    struct test_alloc alloc;
    const skio_allocator *mem = &alloc.allocator;
    struct skio__blob *text;
    struct skio__blob *bytes;
    struct skio__blob *form;
    struct skio__blob *again;
    struct skio__blob *base64;
    struct skio__buf buf;
    bool binary = true;

    (void)state;
    test_alloc_init(&alloc);
    text = skio__blob_copy(mem, false, "4hello", 6);
    bytes = skio__blob_copy(mem, true, "\1\2\3\4", 4);
    form = skio__blob3_new(bytes, false);
    again = skio__blob3_new(bytes, false);
    base64 = skio__blob3_new(bytes, true);
    skio__buf_init(&buf, mem);
    assert_ptr_equal(form, again); /* one for all receivers */

    assert_int_equal(skio__queue_push(&queue, mem, text), SKIO_OK);
    assert_int_equal(skio__payload3_join(&queue, &buf, &binary), SKIO_OK);
    assert_false(binary);
    assert_int_equal(buf.len, 8);
    assert_memory_equal(buf.data, "6:4hello", 8);

    skio__buf_reset(&buf);
    assert_int_equal(skio__queue_push(&queue, mem, form), SKIO_OK);
    assert_int_equal(skio__payload3_join(&queue, &buf, &binary), SKIO_OK);
    assert_true(binary);
    assert_int_equal(buf.len, sizeof want);
    assert_memory_equal(buf.data, want, sizeof want);

    skio__buf_reset(&buf);
    skio__queue_clear(&queue, mem);
    assert_int_equal(skio__queue_push(&queue, mem, base64), SKIO_OK);
    assert_int_equal(skio__payload3_join(&queue, &buf, &binary), SKIO_OK);
    assert_false(binary);
    assert_int_equal(buf.len, 13);
    assert_memory_equal(buf.data, "10:b4AQIDBA==", 13);

    skio__queue_deinit(&queue, mem);
    skio__blob_unref(text);
    skio__blob_unref(bytes);
    skio__blob_unref(form);
    skio__blob_unref(again);
    skio__blob_unref(base64);
    skio__buf_deinit(&buf);
    assert_int_equal(alloc.live, 0);
}

static void
a_script_quotes_its_payload(void **state)
{
    struct test_alloc alloc;
    const skio_allocator *mem = &alloc.allocator;
    struct skio__buf buf;
    char digits[EIO_JSONP_DIGITS + 1];

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&buf, mem);
    assert_false(skio__jsonp_read("EIO=3", digits));
    assert_true(skio__jsonp_read("EIO=3&j=a1);2", digits));
    assert_string_equal(digits, "12");
    skio__jsonp_wrap(&buf, digits, "4\"\n\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
                     12);
    skio__buf_putc(&buf, '\0');
    assert_string_equal(buf.data, "___eio[12](\"4\\\"\\n\\u2028\\u2029"
                                  "\xe2\x80\xaa\");");
    skio__buf_deinit(&buf);
    assert_int_equal(alloc.live, 0);
}

static void
assert_form(const char *form, const char *want)
{
    char text[64];
    ptrdiff_t len;

    snprintf(text, sizeof text, "%s", form);
    len = skio__jsonp_unwrap(text, strlen(text));
    if (want == NULL) {
        assert_true(len < 0);
        return;
    }
    assert_int_equal(len, strlen(want));
    assert_memory_equal(text, want, strlen(want));
}

static void
a_form_gives_its_payload(void **state)
{
    (void)state;
    assert_form("d=6%3A4hello", "6:4hello");
    assert_form("a=1&d=4+x&b=2", "4 x");
    assert_form("d=4a\\nb\\\\nc", "4a\nb\\nc");
    assert_form("d=", "");
    assert_form("e=1", NULL);
    assert_form("&", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_of_text_count_utf16_units),
        cmocka_unit_test(a_bad_text_length_is_an_error),
        cmocka_unit_test(binary_payloads_frame_by_bytes),
        cmocka_unit_test(a_bad_binary_frame_is_an_error),
        cmocka_unit_test(packets_are_counted_up_to_the_limit),
        cmocka_unit_test(a_queue_with_binary_becomes_a_binary_payload),
        cmocka_unit_test(a_script_quotes_its_payload),
        cmocka_unit_test(a_form_gives_its_payload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
