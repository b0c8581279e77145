/*
 * base/msgpack: MessagePack as JSON with placeholders, and back
 */
#include "base/msgpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "base/json.h"
#include "base/number.h"

#define T(s) s, sizeof(s) - 1
#define FFFD "\xef\xbf\xbd"
#define FIRST (UINT64_C(1) << 52)
#define HOLDER(num) "{\"_placeholder\":true,\"num\":" num "}"
#define HOLDER0 HOLDER("4503599627370496")
#define HOLDER1 HOLDER("4503599627370497")

#define BYTES_MAX 8

static const struct skio__msgpack_limits limits = {64, BYTES_MAX};

/* What both notepack.io 2.2 and this read as the same value; `back` is false
 * where this form is not the one that is written. */
static const struct {
    const char *data;
    size_t len;
    const char *json;
    size_t json_len;
    bool back;
} values[] = {
    {T("\xc0"), T("null"), true},
    {T("\xc2"), T("false"), true},
    {T("\xc3"), T("true"), true},
    {T("\x00"), T("0"), true},
    {T("\x7f"), T("127"), true},
    {T("\xcc\x80"), T("128"), true},
    {T("\xcc\x01"), T("1"), false},
    {T("\xcc\xff"), T("255"), true},
    {T("\xcd\x01\x00"), T("256"), true},
    {T("\xcd\xff\xff"), T("65535"), true},
    {T("\xce\x00\x01\x00\x00"), T("65536"), true},
    {T("\xce\xff\xff\xff\xff"), T("4294967295"), true},
    {T("\xcf\x00\x00\x00\x01\x00\x00\x00\x00"), T("4294967296"), true},
    {T("\xcf\x00\x20\x00\x00\x00\x00\x00\x01"), T("9007199254740993"), true},
    {T("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), T("18446744073709551615"),
     true},
    {T("\xff"), T("-1"), true},
    {T("\xe0"), T("-32"), true},
    {T("\xd0\xdf"), T("-33"), true},
    {T("\xd0\x80"), T("-128"), true},
    {T("\xd0\x01"), T("1"), false},
    {T("\xd1\xff\x7f"), T("-129"), true},
    {T("\xd1\x80\x00"), T("-32768"), true},
    {T("\xd2\xff\xff\x7f\xff"), T("-32769"), true},
    {T("\xd2\x80\x00\x00\x00"), T("-2147483648"), true},
    {T("\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"), T("-2147483649"), true},
    {T("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), T("-9223372036854775808"),
     true},
    {T("\xca\x3f\x80\x00\x00"), T("1"), false},
    {T("\xca\x3d\xcc\xcc\xcd"), T("0.10000000149011612"), false},
    {T("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"), T("0.1"), true},
    {T("\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00"), T("-1.5"), true},
    {T("\xcb\x80\x00\x00\x00\x00\x00\x00\x00"), T("0"), false}, /* -0 */
    {T("\xcb\x43\xf0\x00\x00\x00\x00\x00\x00"), T("18446744073709552000"),
     true},
    {T("\xcb\xc3\xe0\x00\x00\x00\x00\x00\x00"), T("-9223372036854776000"),
     true},
    {T("\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c"), T("1e+300"), true},
    {T("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), T("null"), false}, /* NaN */
    {T("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), T("null"), false},
    {T("\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"), T("null"), false},
    {T("\xca\x7f\x80\x00\x00"), T("null"), false},

    {T("\xa0"), T("\"\""), true},
    {T("\xa3"
       "a\"\\"),
     T("\"a\\\"\\\\\""), true},
    {T("\xa4\x00\x1f\n\x7f"), T("\"\\u0000\\u001f\\n\x7f\""), true},
    {T("\xd9\x01x"), T("\"x\""), false},
    {T("\xda\x00\x01x"), T("\"x\""), false},
    {T("\xdb\x00\x00\x00\x01x"), T("\"x\""), false},
    {T("\xa4\xf0\x9f\x98\x80"), T("\"\xf0\x9f\x98\x80\""), true},
    {T("\xa3\xf0\x9f\x98"), T("\"" FFFD "\""), false},
    {T("\xa5\xf0\x9f\x98"
       "ab"),
     T("\"" FFFD "ab\""), false},
    {T("\xa3\xed\xa0\x80"), T("\"" FFFD FFFD FFFD "\""), false},
    {T("\xa5\x80\xff\"\xc0\xaf"), T("\"" FFFD FFFD "\\\"" FFFD FFFD "\""),
     false},
    {T("\xa3\xe2\x82\xe2"), T("\"" FFFD FFFD "\""), false},

    {T("\x90"), T("[]"), true},
    {T("\x93\x01\x91\x02\x80"), T("[1,[2],{}]"), true},
    {T("\xdc\x00\x01\x05"), T("[5]"), false},
    {T("\xdd\x00\x00\x00\x01\x05"), T("[5]"), false},
    {T("\x80"), T("{}"), true},
    {T("\x82\xa1"
       "a\x01\xa1"
       "b\x81\xa0\x90"),
     T("{\"a\":1,\"b\":{\"\":[]}}"), true},
    {T("\xde\x00\x01\xa1"
       "a\xc0"),
     T("{\"a\":null}"), false},
    {T("\xdf\x00\x00\x00\x01\xa1"
       "a\xc0"),
     T("{\"a\":null}"), false},
    {T("\x82\xa1"
       "a\x01\xa1"
       "a\x02"),
     T("{\"a\":1,\"a\":2}"), true}, /* of duplicates the last counts */

    /* Keys that are no strings, as an object of JavaScript has them. */
    {T("\x81\x01\x02"), T("{\"1\":2}"), false},
    {T("\x81\xff\x02"), T("{\"-1\":2}"), false},
    {T("\x81\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x02"), T("{\"1.5\":2}"),
     false},
    {T("\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x02"), T("{\"NaN\":2}"),
     false},
    {T("\x81\xca\x7f\x80\x00\x00\x02"), T("{\"Infinity\":2}"), false},
    {T("\x81\xca\xff\x80\x00\x00\x02"), T("{\"-Infinity\":2}"), false},
    {T("\x83\xc0\x01\xc2\x02\xc3\x03"),
     T("{\"null\":1,\"false\":2,\"true\":3}"), false},
    {T("\x81\xd4\x00\x00\x01"), T("{\"undefined\":1}"), false},

    /* undefined: JSON.stringify() has null for an element, no member. */
    {T("\xd4\x00\x00"), T("null"), false},
    {T("\x93\x01\xd4\x00\x00\x02"), T("[1,null,2]"), false},
    {T("\x81\xa1"
       "a\xd4\x00\x00"),
     T("{}"), false},
    {T("\x83\xa1"
       "a\xd4\x00\x00\xa1"
       "b\x01\xa1"
       "c\xd4\x00\x00"),
     T("{\"b\":1}"), false},
    {T("\x83\xa1"
       "a\x01\xa1"
       "b\xd4\x00\x09\xa1"
       "c\x02"),
     T("{\"a\":1,\"c\":2}"), false},

    {T("\xd7\x00\x00\x00\x01\x9a\xa5\x8c\x9c\x93"),
     T("\"2025-11-21T08:34:07.123Z\""), false},
    {T("\xd7\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
     T("\"1969-12-31T23:59:59.999Z\""), false},
    {T("\xd7\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), T("null"), false},

    {T("\xc4\x00"), T(HOLDER0), true},
    {T("\xc4\x02xy"), T(HOLDER0), true},
    {T("\xc5\x00\x01x"), T(HOLDER0), false},
    {T("\xc6\x00\x00\x00\x01x"), T(HOLDER0), false},
    {T("\x92\xc4\x01x\xc4\x01y"), T("[" HOLDER0 "," HOLDER1 "]"), true},
    {T("\xc7\x02\x00xy"), T(HOLDER0), false}, /* an ArrayBuffer */
    {T("\xc8\x00\x01\x00x"), T(HOLDER0), false},
    {T("\xc9\x00\x00\x00\x01\x00x"), T(HOLDER0), false},
    {T("\xc7\x01\x05x"), T("[5," HOLDER0 "]"), false},
    {T("\xc8\x00\x01\xffx"), T("[-1," HOLDER0 "]"), false},
    {T("\xd4\x05x"), T("[5," HOLDER0 "]"), false},
    {T("\xd5\x00xy"), T("[0," HOLDER0 "]"), false},
    {T("\xd6\x80xyxy"), T("[-128," HOLDER0 "]"), false},
    {T("\xd7\x01xyxyxyxy"), T("[1," HOLDER0 "]"), false},
    {T("\xd8\x00xyxyxyxyxyxyxyxy"), T("[0," HOLDER0 "]"), false},

    /* What looks like a placeholder and is none. */
    {T("\x92\x82\xac_placeholder\xc3\xa3num\x00\xc4\x01x"),
     T("[" HOLDER("0") "," HOLDER0 "]"), true},
};

#define VALUE_COUNT (sizeof(values) / sizeof(values[0]))

/* A copy without a byte more, so that a look too far is seen. */
static void *
exact(const void *data, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, data, len);
    return copy;
}

struct decoded {
    char *json;
    size_t len;
    skio_bytes bytes[BYTES_MAX];
    uint32_t count;
};

/* Everything that is accepted must be JSON, with its placeholders in order. */
static int
decode(const void *data, size_t len, struct decoded *out)
{
    const struct skio__json_limits json_limits = {64, -1};
    struct skio__json_scan json_scan = {0};
    struct skio__msgpack_scan scan;
    int err = skio__msgpack_scan(data, len, &limits, &scan);

    out->json = NULL;
    if (err != SKIO_OK)
        return err;
    assert_true(scan.bytes <= BYTES_MAX);
    out->json = malloc(scan.json_len);
    assert_non_null(out->json);
    out->count = scan.bytes;
    out->len =
        skio__msgpack_to_json(data, len, &scan, FIRST, out->json, out->bytes);
    assert_true(out->len <= scan.json_len);
    assert_int_equal(skio__json_scan(out->json, out->len, &json_limits,
                                     &json_scan),
                     SKIO_OK);
    for (uint32_t i = 0; i < out->count; i++) {
        const char *start = out->bytes[i].data;

        assert_true(start >= (const char *)data &&
                    start + out->bytes[i].len <= (const char *)data + len);
    }
    return SKIO_OK;
}

static void
every_form_is_read_as_notepack_reads_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        void *data = exact(values[i].data, values[i].len);
        struct decoded out;

        assert_int_equal(decode(data, values[i].len, &out), SKIO_OK);
        assert_int_equal(out.len, values[i].json_len);
        assert_memory_equal(out.json, values[i].json, out.len);
        free(out.json);
        free(data);
    }
}

static void
every_value_is_written_in_its_smallest_form(void **state)
{
    struct test_alloc t;
    struct skio__buf out;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&out, &t.allocator);
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        struct decoded in;
        char *json;

        if (!values[i].back)
            continue;
        assert_int_equal(decode(values[i].data, values[i].len, &in), SKIO_OK);
        json = exact(values[i].json, values[i].json_len);
        skio__buf_reset(&out);
        assert_int_equal(skio__msgpack_from_json(&out, json, values[i].json_len,
                                                 FIRST, in.bytes, in.count),
                         SKIO_OK);
        assert_int_equal(out.len, values[i].len);
        assert_memory_equal(out.data, values[i].data, out.len);
        free(json);
        free(in.json);
    }
    skio__buf_deinit(&out);
    assert_int_equal(t.live, 0);
}

/* Texts that are written otherwise than they came. */
static const struct {
    const char *json;
    const char *data;
    size_t len;
} texts[] = {
    {" [ 1 , { \"a\" : [ ] } ]\n", T("\x92\x01\x81\xa1"
                                     "a\x90")},
    {"-0", T("\x00")},
    {"0.0", T("\x00")},
    {"1.0", T("\x01")},
    {"1e3", T("\xcd\x03\xe8")},
    {"-1e3", T("\xd1\xfc\x18")},
    {"1e19", T("\xcf\x8a\xc7\x23\x04\x89\xe8\x00\x00")},
    {"1e999", T("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00")},
    {"18446744073709551616", T("\xcb\x43\xf0\x00\x00\x00\x00\x00\x00")},
    {"-9223372036854775807", T("\xd3\x80\x00\x00\x00\x00\x00\x00\x01")},
    {"-9223372036854777000", T("\xcb\xc3\xe0\x00\x00\x00\x00\x00\x01")},
    {"\"\\u00e9\\ud83d\\ude00\\/\"", T("\xa7\xc3\xa9\xf0\x9f\x98\x80/")},
    {"\"\\ud800\"", T("\xa3" FFFD)},
    {"{\"\\u0061\":\"\\u0000\"}", T("\x81\xa1"
                                    "a\xa1\0")},
};

static void
any_spelling_of_json_is_understood(void **state)
{
    struct test_alloc t;
    struct skio__buf out;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&out, &t.allocator);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t len = strlen(texts[i].json);
        char *json = exact(texts[i].json, len);

        skio__buf_reset(&out);
        assert_int_equal(skio__msgpack_from_json(&out, json, len, FIRST, NULL,
                                                 0),
                         SKIO_OK);
        assert_int_equal(out.len, texts[i].len);
        assert_memory_equal(out.data, texts[i].data, out.len);
        free(json);
    }
    skio__buf_deinit(&out);
}

/* Only exactly what the library writes stands for bytes. */
static void
an_object_like_a_placeholder_stays_an_object(void **state)
{
    static const char *const objects[] = {
        HOLDER("0"),
        HOLDER("4503599627370495"),
        HOLDER("4503599627370497"),
        HOLDER("4503599627370496.0"),
        HOLDER("999999999999999999999999"),
        "{\"_placeholder\":true,\"num\":4503599627370496,\"a\":1}",
        "{ \"_placeholder\":true,\"num\":4503599627370496}",
        "{\"num\":4503599627370496,\"_placeholder\":true}",
        "{\"_placeholder\":true,\"num\":\"4503599627370496\"}",
        "{\"_placeholder\":true,\"num\":-1}",
    };
    const skio_bytes bytes = {"x", 1};
    struct test_alloc t;
    struct skio__buf out;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&out, &t.allocator);
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        size_t len = strlen(objects[i]);

        skio__buf_reset(&out);
        assert_int_equal(skio__msgpack_from_json(&out, objects[i], len, FIRST,
                                                 &bytes, 1),
                         SKIO_OK);
        assert_int_equal((unsigned char)out.data[0] & 0xf0, 0x80);
    }
    skio__buf_reset(&out);
    assert_int_equal(skio__msgpack_from_json(&out, T(HOLDER("0")), 0, &bytes,
                                             1),
                     SKIO_OK);
    assert_memory_equal(out.data, "\xc4\x01x", 3);
    skio__buf_deinit(&out);
}

static void
a_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        for (size_t len = 0; len < values[i].len; len++) {
            void *data = exact(values[i].data, len);
            struct decoded out;

            assert_int_equal(decode(data, len, &out), SKIO_EPROTO);
            free(data);
        }
    }
}

static void
bytes_after_the_value_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        char *data = malloc(values[i].len + 1);
        struct decoded out;

        assert_non_null(data);
        memcpy(data, values[i].data, values[i].len);
        data[values[i].len] = '\0';
        assert_int_equal(decode(data, values[i].len + 1, &out), SKIO_EPROTO);
        free(data);
    }
}

static void
hostile_messages_are_refused(void **state)
{
    static const struct {
        const char *data;
        size_t len;
    } hostile[] = {
        {T("\xc1")},
        {T("\x91\xc1")},
        {T("\xdd\xff\xff\xff\xff")}, /* four thousand million elements */
        {T("\xdd\xff\xff\xff\xff\x01\x02")},
        {T("\xdf\xff\xff\xff\xff\x01\x02")},
        {T("\x82\xa1"
           "a\x01\xa1"
           "b")},
        {T("\xc6\xff\xff\xff\xff"
           "abc")},
        {T("\xdb\xff\xff\xff\xff"
           "abc")},
        {T("\xc9\xff\xff\xff\xff\x00"
           "abc")},
        {T("\x81\x90\x01")}, /* keys without a text */
        {T("\x81\x80\x01")},
        {T("\x81\xc4\x01x\x01")},
        {T("\x81\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")},
        {T("\x81\xd4\x05x\x01")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        void *data = exact(hostile[i].data, hostile[i].len);
        struct decoded out;

        assert_int_equal(decode(data, hostile[i].len, &out), SKIO_EPROTO);
        free(data);
    }
}

static void
depth_is_limited(void **state)
{
    const struct skio__msgpack_limits tight = {3, 8};
    const struct skio__msgpack_limits wild = {UINT32_MAX, 8};
    struct skio__msgpack_scan scan;
    unsigned char deep[SKIO__MSGPACK_DEPTH_MAX + 2];

    (void)state;
    assert_int_equal(skio__msgpack_scan(T("\x91\x91\x90"), &tight, &scan),
                     SKIO_OK);
    assert_int_equal(skio__msgpack_scan(T("\x91\x91\x91\x90"), &tight, &scan),
                     SKIO_ELIMIT);
    assert_int_equal(skio__msgpack_scan(T("\x81\xa0\x81\xa0\x80"), &tight,
                                        &scan),
                     SKIO_OK);
    /* An ext becomes an array. */
    assert_int_equal(skio__msgpack_scan(T("\x91\x91\xd4\x05x"), &tight, &scan),
                     SKIO_OK);
    assert_int_equal(skio__msgpack_scan(T("\x91\x91\x91\xd4\x05x"), &tight,
                                        &scan),
                     SKIO_ELIMIT);

    memset(deep, 0x91, sizeof(deep));
    deep[SKIO__MSGPACK_DEPTH_MAX - 1] = 0x90;
    assert_int_equal(skio__msgpack_scan(deep, SKIO__MSGPACK_DEPTH_MAX, &wild,
                                        &scan),
                     SKIO_OK);
    deep[SKIO__MSGPACK_DEPTH_MAX - 1] = 0x91;
    deep[SKIO__MSGPACK_DEPTH_MAX] = 0x90;
    assert_int_equal(skio__msgpack_scan(deep, SKIO__MSGPACK_DEPTH_MAX + 1,
                                        &wild, &scan),
                     SKIO_ELIMIT);
}

static void
values_that_are_bytes_are_limited(void **state)
{
    const struct skio__msgpack_limits tight = {8, 2};
    struct skio__msgpack_scan scan;

    (void)state;
    assert_int_equal(skio__msgpack_scan(T("\x92\xc4\x00\xc7\x00\x00"), &tight,
                                        &scan),
                     SKIO_OK);
    assert_int_equal(scan.bytes, 2);
    assert_int_equal(skio__msgpack_scan(T("\x93\xc4\x00\xc7\x00\x00\xc4\x00"),
                                        &tight, &scan),
                     SKIO_ELIMIT);
    assert_int_equal(skio__msgpack_scan(T("\x93\xc4\x00\xc4\x00\xd4\x05x"),
                                        &tight, &scan),
                     SKIO_ELIMIT);
}

/* What is asked for room is not 30 times what came. */
static void
integers_need_no_more_room_than_they_take(void **state)
{
    static const struct {
        const char *data;
        size_t len;
        size_t room;
    } cases[] = {
        {T("\x00"), 1},
        {T("\x09"), 1},
        {T("\x0a"), 2},
        {T("\x7f"), 3},
        {T("\xff"), 2},
        {T("\xd0\x80"), 4},
        {T("\xd0\x01"), 2}, /* and a sign */
        {T("\xcd\xff\xff"), 5},
        {T("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), 20},
        {T("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), 20},
    };
    struct skio__msgpack_scan scan;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(skio__msgpack_scan(cases[i].data, cases[i].len,
                                            &limits, &scan),
                         SKIO_OK);
        assert_int_equal(scan.json_len, cases[i].room);
    }
}

static void
text_nested_too_deep_is_not_written(void **state)
{
    struct test_alloc t;
    struct skio__buf out;
    char deep[2 * SKIO__JSON_DEPTH_MAX + 2];
    const size_t max = SKIO__JSON_DEPTH_MAX;

    (void)state;
    test_alloc_init(&t);
    skio__buf_init(&out, &t.allocator);
    memset(deep, '[', max);
    memset(deep + max, ']', max);
    assert_int_equal(skio__msgpack_from_json(&out, deep, 2 * max, 0, NULL, 0),
                     SKIO_OK);
    assert_int_equal(out.len, max);
    memset(deep, '[', max + 1);
    memset(deep + max + 1, ']', max + 1);
    assert_int_equal(skio__msgpack_from_json(&out, deep, 2 * max + 2, 0, NULL,
                                             0),
                     SKIO_EINVAL);
    skio__buf_deinit(&out);
    assert_int_equal(t.live, 0);
}

/* ---- Sizes of heads ---- */

static void
long_runs_have_longer_heads(void **state)
{
    static const struct {
        size_t n;
        const char *str;
        const char *array;
        const char *map;
        const char *bytes;
        size_t head[4];
    } sizes[] = {
        {15, "\xaf", "\x9f", "\x8f", "\xc4\x0f", {1, 1, 1, 2}},
        {16, "\xb0", "\xdc\x00\x10", "\xde\x00\x10", "\xc4\x10", {1, 3, 3, 2}},
        {31, "\xbf", "\xdc\x00\x1f", "\xde\x00\x1f", "\xc4\x1f", {1, 3, 3, 2}},
        {32,
         "\xd9\x20",
         "\xdc\x00\x20",
         "\xde\x00\x20",
         "\xc4\x20",
         {2, 3, 3, 2}},
        {256,
         "\xda\x01\x00",
         "\xdc\x01\x00",
         "\xde\x01\x00",
         "\xc5\x01\x00",
         {3, 3, 3, 3}},
        {65536,
         "\xdb\x00\x01\x00\x00",
         "\xdd\x00\x01\x00\x00",
         "\xdf\x00\x01\x00\x00",
         "\xc6\x00\x01\x00\x00",
         {5, 5, 5, 5}},
    };
    char *run = calloc(1, 65536);
    struct test_alloc t;
    struct skio__buf out;

    (void)state;
    assert_non_null(run);
    test_alloc_init(&t);
    skio__buf_init(&out, &t.allocator);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = sizes[i].n;

        skio__buf_reset(&out);
        assert_int_equal(skio__msgpack_put_str(&out, run, n), SKIO_OK);
        assert_int_equal(out.len, sizes[i].head[0] + n);
        assert_memory_equal(out.data, sizes[i].str, sizes[i].head[0]);
        skio__buf_reset(&out);
        assert_int_equal(skio__msgpack_put_array(&out, n), SKIO_OK);
        assert_int_equal(out.len, sizes[i].head[1]);
        assert_memory_equal(out.data, sizes[i].array, sizes[i].head[1]);
        skio__buf_reset(&out);
        assert_int_equal(skio__msgpack_put_map(&out, n), SKIO_OK);
        assert_int_equal(out.len, sizes[i].head[2]);
        assert_memory_equal(out.data, sizes[i].map, sizes[i].head[2]);
        skio__buf_reset(&out);
        assert_int_equal(skio__msgpack_put_bytes(&out, run, n), SKIO_OK);
        assert_int_equal(out.len, sizes[i].head[3] + n);
        assert_memory_equal(out.data, sizes[i].bytes, sizes[i].head[3]);
    }
    skio__buf_reset(&out);
    assert_int_equal(skio__msgpack_put_u64(&out, 300), SKIO_OK);
    assert_memory_equal(out.data, "\xcd\x01\x2c", 3);
    assert_int_equal(skio__msgpack_put_map(&out, (size_t)UINT32_MAX + 1),
                     SKIO_ETOOBIG);
    assert_int_equal(skio__msgpack_put_u64(&out, 1), SKIO_ETOOBIG);
    skio__buf_deinit(&out);
    free(run);
}

/* ---- Chance ---- */

struct chance {
    uint64_t state;
};

static uint64_t
draw(struct chance *c)
{
    c->state ^= c->state << 13;
    c->state ^= c->state >> 7;
    c->state ^= c->state << 17;
    return c->state;
}

static void
random_number(struct chance *c, struct skio__buf *json)
{
    char text[SKIO__NUMBER_MAX];
    uint64_t bits = draw(c);
    double value;

    switch (draw(c) % 4) {
    case 0:
        skio__buf_append_u64(json, bits >> (draw(c) % 64));
        return;
    case 1:
        skio__buf_append(json, text,
                         skio__number_format_i64(-(int64_t)(bits >>
                                                            (1 + draw(c) % 63)),
                                                 text));
        return;
    default:
        memcpy(&value, &bits, sizeof(value));
        skio__buf_append(json, text, skio__number_format(value, text));
    }
}

static void
random_string(struct chance *c, struct skio__buf *json)
{
    static const char *const pieces[] =
        {"a",           "\"",           "\\",
         "\n",          "\x01",         "\x7f",
         "\xc3\xa9",    "\xe2\x82\xac", "\xf0\x9f\x98\x80",
         "_placeholder"};
    char text[256];
    size_t len = 0;
    uint64_t n = draw(c) % 20;

    while (n-- > 0) {
        const char *piece = pieces[draw(c) % 10];

        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    skio__json_quote(json, text, len);
}

static void
random_value(struct chance *c, struct skio__buf *json, uint32_t *bytes,
             unsigned depth)
{
    static const char *const words[] = {"null", "true", "false"};
    uint64_t n;

    switch (draw(c) % (depth > 0 ? 8 : 4)) {
    case 0:
        skio__buf_append_str(json, words[draw(c) % 3]);
        break;
    case 1:
        random_number(c, json);
        break;
    case 2:
        random_string(c, json);
        break;
    case 3:
        if (*bytes == BYTES_MAX) {
            skio__buf_append_str(json, HOLDER("1")); /* a lookalike */
            break;
        }
        skio__buf_append_str(json, "{\"_placeholder\":true,\"num\":");
        skio__buf_append_u64(json, FIRST + (*bytes)++);
        skio__buf_putc(json, '}');
        break;
    case 4:
    case 5:
        skio__buf_putc(json, '[');
        for (n = draw(c) % 20; n > 0; n--) {
            random_value(c, json, bytes, depth - 1);
            if (n > 1)
                skio__buf_putc(json, ',');
        }
        skio__buf_putc(json, ']');
        break;
    default:
        skio__buf_putc(json, '{');
        for (n = draw(c) % 20; n > 0; n--) {
            random_string(c, json);
            skio__buf_putc(json, ':');
            random_value(c, json, bytes, depth - 1);
            if (n > 1)
                skio__buf_putc(json, ',');
        }
        skio__buf_putc(json, '}');
    }
}

static void
random_values_survive_the_way_there_and_back(void **state)
{
    static const char content[] = "0123456789abcdef";
    struct chance c = {UINT64_C(0x5eed)};
    skio_bytes bytes[BYTES_MAX];
    struct test_alloc t;

    (void)state;
    for (unsigned i = 0; i < BYTES_MAX; i++) {
        bytes[i].data = content + i;
        bytes[i].len = i;
    }
    test_alloc_init(&t);
    for (unsigned run = 0; run < 2000; run++) {
        struct skio__buf json;
        struct skio__buf data;
        struct decoded out;
        uint32_t count = 0;

        skio__buf_init(&json, &t.allocator);
        skio__buf_init(&data, &t.allocator);
        random_value(&c, &json, &count, run % 6);
        assert_int_equal(skio__msgpack_from_json(&data, json.data, json.len,
                                                 FIRST, bytes, count),
                         SKIO_OK);
        assert_int_equal(decode(data.data, data.len, &out), SKIO_OK);
        assert_int_equal(out.len, json.len);
        assert_memory_equal(out.json, json.data, json.len);
        assert_int_equal(out.count, count);
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(out.bytes[i].len, i);
            assert_memory_equal(out.bytes[i].data, bytes[i].data, i);
        }
        free(out.json);
        skio__buf_deinit(&data);
        skio__buf_deinit(&json);
    }
    assert_int_equal(t.live, 0);
}

/* Whatever it says, it reads no byte too far and writes valid JSON. */
static void
random_bytes_do_no_harm(void **state)
{
    struct chance c = {UINT64_C(0xbadc0de)};
    unsigned accepted = 0;

    (void)state;
    for (unsigned run = 0; run < 20000; run++) {
        unsigned char bytes[64];
        size_t len = 1 + draw(&c) % sizeof(bytes);
        struct decoded out;
        void *data;

        for (size_t i = 0; i < len; i++) /* heads rather than fixints */
            bytes[i] =
                (unsigned char)(draw(&c) % 3 == 0 ? draw(&c) : 0x80 | draw(&c));
        data = exact(bytes, len);
        if (decode(data, len, &out) == SKIO_OK) {
            accepted++;
            free(out.json);
        }
        free(data);
    }
    assert_true(accepted > 0);
}

static void
changed_bytes_do_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        unsigned char *data = exact(values[i].data, values[i].len);

        for (size_t at = 0; at < values[i].len; at++) {
            unsigned char was = data[at];

            for (unsigned c = 0; c < 256; c++) {
                struct decoded out;

                data[at] = (unsigned char)c;
                if (decode(data, values[i].len, &out) == SKIO_OK)
                    free(out.json);
            }
            data[at] = was;
        }
        free(data);
    }
}

static void
every_failing_allocation_is_reported(void **state)
{
    struct test_alloc t;
    char json[1024] = "";
    size_t len = 0;
    size_t n;

    (void)state;
    for (n = 0; n < 100; n++) /* more containers than are counted for free */
        len += (size_t)snprintf(json + len, sizeof(json) - len, "%s[\"\\n\"]",
                                n == 0 ? "[" : ",");
    json[len++] = ']';

    test_alloc_init(&t);
    for (n = 1;; n++) {
        struct skio__buf out;
        int err;

        test_alloc_fail(&t, n);
        skio__buf_init(&out, &t.allocator);
        err = skio__msgpack_from_json(&out, json, len, 0, NULL, 0);
        if (err == SKIO_OK)
            assert_memory_equal(out.data, "\xdc\x00\x64\x91\xa1\n", 6);
        else
            assert_int_equal(err, SKIO_ENOMEM);
        skio__buf_deinit(&out);
        assert_int_equal(t.live, 0);
        if (err == SKIO_OK)
            break;
    }
    assert_true(n > 3);
}

static void
a_buffer_that_is_full_is_reported(void **state)
{
    const skio_bytes bytes = {"abc", 3};
    static const char json[] = "[1.5,\"a\\n\",{\"b\":" HOLDER("0") "},null]";
    struct test_alloc t;

    (void)state;
    test_alloc_init(&t);
    for (size_t max = 1; max <= 22; max++) {
        struct skio__buf out;

        skio__buf_init(&out, &t.allocator);
        out.max = max;
        assert_int_equal(skio__msgpack_from_json(&out, T(json), 0, &bytes, 1),
                         max < 22 ? SKIO_ETOOBIG : SKIO_OK);
        skio__buf_deinit(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read_as_notepack_reads_it),
        cmocka_unit_test(every_value_is_written_in_its_smallest_form),
        cmocka_unit_test(any_spelling_of_json_is_understood),
        cmocka_unit_test(an_object_like_a_placeholder_stays_an_object),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(bytes_after_the_value_are_refused),
        cmocka_unit_test(hostile_messages_are_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(values_that_are_bytes_are_limited),
        cmocka_unit_test(integers_need_no_more_room_than_they_take),
        cmocka_unit_test(text_nested_too_deep_is_not_written),
        cmocka_unit_test(long_runs_have_longer_heads),
        cmocka_unit_test(random_values_survive_the_way_there_and_back),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(a_buffer_that_is_full_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
