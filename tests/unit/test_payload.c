/*
 * Engine.IO payloads of HTTP long-polling
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "engineio/payload.h"
#include "unit/alloc.h"

#define RS "\x1e"

/* Write what a payload decodes to: "4:hello 4b:AQ== !" */
static const char *
decoded(const char *text, size_t len)
{
    static char out[512];
    struct eio_payload payload;
    struct eio_packet packet;
    size_t n = 0;
    int got;

    skio__payload_init(&payload, text, len);
    out[0] = '\0';
    while ((got = skio__payload_next(&payload, &packet)) > 0)
        n += (size_t)snprintf(out + n, sizeof out - n, "%c%s:%.*s ",
                              packet.type, packet.binary ? "b" : "",
                              (int)packet.len, packet.data);
    if (got < 0)
        snprintf(out + n, sizeof out - n, "!");
    return out;
}

#define assert_decodes(text, want)                                             \
    assert_string_equal(decoded(text, sizeof(text) - 1), (want))

static void
packets_are_split_at_the_separator(void **state)
{
    (void)state;
    assert_decodes("4hello", "4:hello ");
    assert_decodes("4a" RS "4" RS "bAQ==" RS "2", "4:a 4: 4b:AQ== 2: ");
    assert_decodes("4\xe2\x82\xac" RS "3", "4:\xe2\x82\xac 3: ");
}

static void
decoding_stops_at_the_first_bad_packet(void **state)
{
    (void)state;
    assert_decodes("", "!");
    assert_decodes(RS, "!");
    assert_decodes("4a" RS, "4:a !");
    assert_decodes(RS "4a", "!");
    assert_decodes("4a" RS RS "4b", "4:a !");
    assert_decodes("4a" RS "x" RS "4b", "4:a !");
}

static void
no_bytes_at_all_are_an_empty_packet(void **state)
{
    (void)state;
    assert_string_equal(decoded(NULL, 0), "!");
}

static void
packets_are_counted_before_they_are_read(void **state)
{
    static const char three[] = "4a" RS "4b" RS "4c";

    (void)state;
    assert_false(skio__payload_exceeds(three, sizeof three - 1, 3));
    assert_true(skio__payload_exceeds(three, sizeof three - 1, 2));
    assert_true(skio__payload_exceeds(RS RS RS, 3, 3));
    assert_false(skio__payload_exceeds(RS RS RS, 3, 4));
    assert_false(skio__payload_exceeds("", 0, 1));
    assert_false(skio__payload_exceeds(NULL, 0, 1));
    assert_true(skio__payload_exceeds(NULL, 0, 0));
    assert_false(skio__payload_exceeds("4a", 2, 1));
}

static void
append(struct skio__buf *buf, const char *data, size_t len, bool binary)
{
    struct skio__blob *blob = skio__blob_copy(buf->mem, binary, data, len);

    assert_non_null(blob);
    skio__payload_append(buf, blob);
    skio__blob_unref(blob);
}

static void
packets_are_joined_as_text(void **state)
{
    static const char want[] = "4hello" RS "bAQIDBA==" RS "b" RS "4";
    struct test_alloc alloc;
    struct skio__buf buf;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&buf, &alloc.allocator);
    append(&buf, "4hello", 6, false);
    append(&buf, "\1\2\3\4", 4, true);
    append(&buf, "", 0, true);
    append(&buf, "4", 1, false);
    assert_int_equal(buf.err, SKIO_OK);
    assert_int_equal(buf.len, sizeof want - 1);
    assert_memory_equal(buf.data, want, buf.len);
    skio__buf_deinit(&buf);
    assert_int_equal(alloc.live, 0);
}

static void
every_length_of_binary_comes_back(void **state)
{
    struct test_alloc alloc;
    unsigned char bytes[70];
    unsigned char out[128];
    size_t len;

    (void)state;
    test_alloc_init(&alloc);
    for (len = 0; len < sizeof bytes; len++) {
        struct eio_payload payload;
        struct eio_packet packet;
        struct skio__buf buf;
        size_t i;

        for (i = 0; i < len; i++)
            bytes[i] = (unsigned char)(i * 37 + len);
        skio__buf_init(&buf, &alloc.allocator);
        append(&buf, (const char *)bytes, len, true);
        skio__payload_init(&payload, buf.data, buf.len);
        assert_int_equal(skio__payload_next(&payload, &packet), 1);
        assert_int_equal(skio__base64_decode(packet.data, packet.len, out),
                         (ptrdiff_t)len);
        if (len > 0)
            assert_memory_equal(out, bytes, len);
        assert_int_equal(skio__payload_next(&payload, &packet), 0);
        skio__buf_deinit(&buf);
    }
}

static void
without_memory_the_error_sticks(void **state)
{
    static const char big[500];
    struct test_alloc alloc;
    size_t n;

    (void)state;
    for (n = 1; n <= 3; n++) {
        struct skio__blob *blob;
        struct skio__buf buf;

        test_alloc_init(&alloc);
        skio__buf_init(&buf, &alloc.allocator);
        blob = skio__blob_copy(&alloc.allocator, n != 3, big, sizeof big);
        assert_non_null(blob);
        test_alloc_fail(&alloc, n == 3 ? 1 : n);
        skio__payload_append(&buf, blob);
        skio__payload_append(&buf, blob);
        assert_int_equal(buf.err, alloc.failed > 0 ? SKIO_ENOMEM : SKIO_OK);
        skio__blob_unref(blob);
        skio__buf_deinit(&buf);
        assert_int_equal(alloc.live, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_split_at_the_separator),
        cmocka_unit_test(decoding_stops_at_the_first_bad_packet),
        cmocka_unit_test(no_bytes_at_all_are_an_empty_packet),
        cmocka_unit_test(packets_are_counted_before_they_are_read),
        cmocka_unit_test(packets_are_joined_as_text),
        cmocka_unit_test(every_length_of_binary_comes_back),
        cmocka_unit_test(without_memory_the_error_sticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
