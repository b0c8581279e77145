/*
 * base/blob: the frame header at its sizes' edges, references
 */
#include "base/blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc.h"

/* RFC 6455 5.2: the four places where the header changes its form. */
static const struct {
    uint64_t len;
    bool binary;
    size_t head;
    unsigned char bytes[SKIO__BLOB_HEAD_MAX];
} headers[] = {
    {0, false, 2, {0x81, 0}},
    {1, false, 2, {0x81, 1}},
    {1, true, 2, {0x82, 1}},
    {125, false, 2, {0x81, 125}},
    {126, false, 4, {0x81, 126, 0, 126}},
    {127, true, 4, {0x82, 126, 0, 127}},
    {256, false, 4, {0x81, 126, 1, 0}},
    {65535, true, 4, {0x82, 126, 0xff, 0xff}},
    {65536, false, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
    {UINT32_MAX, true, 10, {0x82, 127, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
    {UINT64_C(0x0102030405060708),
     false,
     10,
     {0x81, 127, 1, 2, 3, 4, 5, 6, 7, 8}},
};

#define N_HEADERS (sizeof(headers) / sizeof(headers[0]))

static void
the_header_has_the_form_its_length_asks_for(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < N_HEADERS; i++) {
        unsigned char out[SKIO__BLOB_HEAD_MAX];

        assert_int_equal(skio__blob_header(out, headers[i].binary,
                                           headers[i].len),
                         headers[i].head);
        assert_memory_equal(out, headers[i].bytes, headers[i].head);
    }
}

static void
frame_and_packet_stand_side_by_side(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < N_HEADERS && headers[i].len <= 65536; i++) {
        size_t len = (size_t)headers[i].len;
        struct test_alloc t;
        struct skio__blob *blob;
        const void *frame;
        const void *packet;
        size_t frame_len;
        size_t packet_len;

        test_alloc_init(&t);
        blob = skio__blob_new(&t.allocator, headers[i].binary, len);
        assert_non_null(blob);
        memset(skio__blob_data(blob), 'p', len);
        skio__blob_seal(blob, len);

        skio__blob_frame(blob, &frame, &frame_len);
        skio__blob_packet(blob, &packet, &packet_len);
        assert_int_equal(frame_len, headers[i].head + len);
        assert_int_equal(packet_len, len);
        assert_ptr_equal((const char *)frame + headers[i].head, packet);
        assert_memory_equal(frame, headers[i].bytes, headers[i].head);
        if (len > 0) {
            assert_int_equal(((const char *)packet)[0], 'p');
            assert_int_equal(((const char *)packet)[len - 1], 'p');
        }
        assert_int_equal(blob->flags,
                         headers[i].binary ? SKIO__BLOB_BINARY : 0);
        skio__blob_unref(blob);
        assert_int_equal(t.live, 0);
    }
}

static void
sealing_may_shrink_past_a_header_size(void **state)
{
    static const size_t lens[][2] = {{126, 125},
                                     {65536, 65535},
                                     {65536, 3},
                                     {70000, 0}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct test_alloc t;
        struct skio__blob *blob;
        unsigned char want[SKIO__BLOB_HEAD_MAX];
        const void *frame;
        size_t head = skio__blob_header(want, false, lens[i][1]);
        size_t len;

        test_alloc_init(&t);
        blob = skio__blob_new(&t.allocator, false, lens[i][0]);
        assert_non_null(blob);
        memset(skio__blob_data(blob), 'x', lens[i][0]);
        skio__blob_seal(blob, lens[i][1]);
        skio__blob_frame(blob, &frame, &len);
        assert_int_equal(len, head + lens[i][1]);
        assert_memory_equal(frame, want, head);
        skio__blob_unref(blob);
        assert_int_equal(t.live, 0);
    }
}

static void
a_copy_is_sealed(void **state)
{
    struct test_alloc t;
    struct skio__blob *blob;
    const void *data;
    size_t len;

    (void)state;
    test_alloc_init(&t);
    blob = skio__blob_copy(&t.allocator, false, "42[]", 4);
    assert_non_null(blob);
    skio__blob_frame(blob, &data, &len);
    assert_int_equal(len, 6);
    assert_memory_equal(data,
                        "\x81\x04"
                        "42[]",
                        6);
    skio__blob_unref(blob);

    blob = skio__blob_copy(&t.allocator, true, NULL, 0);
    assert_non_null(blob);
    skio__blob_frame(blob, &data, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(data, "\x82\x00", 2);
    skio__blob_unref(blob);
    assert_int_equal(t.live, 0);
}

static void
the_last_reference_frees(void **state)
{
    struct test_alloc t;
    struct skio__blob *blob;

    (void)state;
    test_alloc_init(&t);
    blob = skio__blob_copy(&t.allocator, false, "2", 1);
    assert_ptr_equal(skio__blob_ref(blob), blob);
    skio__blob_ref(blob);
    assert_int_equal(blob->refs, 3);
    skio__blob_unref(blob);
    skio__blob_unref(blob);
    assert_int_equal(t.live, 1);
    skio__blob_unref(blob);
    assert_int_equal(t.live, 0);
    skio__blob_unref(NULL);
}

static void
what_cannot_be_had_is_null(void **state)
{
    struct test_alloc t;

    (void)state;
    test_alloc_init(&t);
    test_alloc_fail_from(&t, 1);
    assert_null(skio__blob_new(&t.allocator, false, 10));
    assert_null(skio__blob_copy(&t.allocator, false, "0123456789", 10));
    assert_int_equal(t.failed, 2);

    test_alloc_fail(&t, 0);
    assert_null(skio__blob_new(&t.allocator, false, SIZE_MAX));
#if SIZE_MAX > UINT32_MAX
    assert_null(skio__blob_new(&t.allocator, false, (size_t)UINT32_MAX + 1));
#endif
    assert_int_equal(t.failed, 2);
    assert_int_equal(t.live, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_has_the_form_its_length_asks_for),
        cmocka_unit_test(frame_and_packet_stand_side_by_side),
        cmocka_unit_test(sealing_may_shrink_past_a_header_size),
        cmocka_unit_test(a_copy_is_sealed),
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(what_cannot_be_had_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
