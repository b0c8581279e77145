/*
 * Packed headers: what goes in comes out
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engineio/packed.h"

/* A block that ends where malloc's memory does, and what it packs to. */
struct packed {
    char *data;
    size_t len;
};

static struct packed
pack(const char *headers, size_t len)
{
    char *block = malloc(len + (len == 0));
    struct packed packed;

    assert_non_null(block);
    memcpy(block, headers, len);
    packed.len = skio__headers_pack(block, len, NULL, 0);
    packed.data = malloc(packed.len + (packed.len == 0));
    assert_non_null(packed.data);
    assert_int_equal(skio__headers_pack(block, len, packed.data, packed.len),
                     packed.len);
    free(block);
    return packed;
}

struct text {
    char data[1024];
    size_t len;
};

/* Write the block that was packed. */
static bool
append_pair(const char *name, const char *value, void *user)
{
    struct text *text = user;
    size_t name_len = strlen(name) + 1;
    size_t value_len = strlen(value) + 1;

    assert_true(text->len + name_len + value_len <= sizeof text->data);
    memcpy(text->data + text->len, name, name_len);
    memcpy(text->data + text->len + name_len, value, value_len);
    text->len += name_len + value_len;
    return strcmp(name, "stop") != 0;
}

static void
assert_packs(const char *headers, size_t len, size_t packed_len)
{
    struct packed packed = pack(headers, len);
    struct text text = {.len = 0};

    if (packed_len != 0)
        assert_int_equal(packed.len, packed_len);
    assert_true(skio__packed_each(packed.data, packed.len, append_pair, &text));
    assert_int_equal(text.len, len);
    assert_memory_equal(text.data, headers, len);
    free(packed.data);
}

#define PACKS(text, size) assert_packs(text, sizeof(text), size)

static void
usual_pairs_take_one_byte(void **state)
{
    static const struct {
        const char *name;
        const char *value;
    } pairs[] = {
        {"accept", "*/*"},
        {"accept-encoding", "gzip, deflate"},
        {"accept-encoding", "gzip, deflate, br"},
        {"accept-encoding", "gzip, deflate, br, zstd"},
        {"accept-language", "en-US,en;q=0.9"},
        {"cache-control", "no-cache"},
        {"connection", "Upgrade"},
        {"connection", "keep-alive"},
        {"dnt", "1"},
        {"pragma", "no-cache"},
        {"sec-ch-ua-mobile", "?0"},
        {"sec-ch-ua-mobile", "?1"},
        {"sec-fetch-dest", "empty"},
        {"sec-fetch-dest", "websocket"},
        {"sec-fetch-mode", "cors"},
        {"sec-fetch-mode", "websocket"},
        {"sec-fetch-site", "cross-site"},
        {"sec-fetch-site", "same-origin"},
        {"sec-fetch-site", "same-site"},
        {"sec-gpc", "1"},
        {"sec-websocket-extensions", "permessage-deflate"},
        {"sec-websocket-extensions",
         "permessage-deflate; client_max_window_bits"},
        {"sec-websocket-version", "13"},
        {"upgrade", "websocket"},
        {"x-forwarded-proto", "https"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char block[128];
        int len = snprintf(block, sizeof block, "%s%c%s", pairs[i].name, '\0',
                           pairs[i].value);

        assert_packs(block, (size_t)len + 1, 1);
    }
}

static void
usual_names_take_one_byte(void **state)
{
    static const char *const names[] = {"accept",
                                        "accept-encoding",
                                        "accept-language",
                                        "authorization",
                                        "cache-control",
                                        "cf-connecting-ip",
                                        "cf-ray",
                                        "connection",
                                        "content-length",
                                        "content-type",
                                        "cookie",
                                        "forwarded",
                                        "host",
                                        "origin",
                                        "priority",
                                        "referer",
                                        "sec-ch-ua",
                                        "sec-ch-ua-platform",
                                        "sec-fetch-dest",
                                        "sec-fetch-mode",
                                        "sec-fetch-site",
                                        "te",
                                        "tracestate",
                                        "upgrade",
                                        "user-agent",
                                        "via",
                                        "x-forwarded-for",
                                        "x-forwarded-host",
                                        "x-forwarded-port",
                                        "x-forwarded-proto",
                                        "x-real-ip",
                                        "x-request-id",
                                        "sec-websocket-extensions",
                                        "sec-websocket-key",
                                        "sec-websocket-version",
                                        "traceparent",
                                        "sec-websocket-protocol"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char block[128];
        int len = snprintf(block, sizeof block, "%s%crare", names[i], '\0');

        assert_packs(block, (size_t)len + 1, sizeof "rare" + 1);
    }
}

static void
others_stay_as_they_are(void **state)
{
    (void)state;
    PACKS("x-app\0001", sizeof "x-app\0001" + 1);
    PACKS("a\0\0host\0", 0); /* empty values, and the last one is */
    PACKS("hos\0a\0hostt\0b\0hosu\0c", 0);
    PACKS("upgrade\0websocket2\0upgrade\0Websocket\0upgrade\0", 0);
    PACKS("zzz\0z\0~\0~\0_\0_", 0);
    PACKS("\0001\0\1\0002\0\xff\0003", 0); /* odd names */
    PACKS("x-twice\0first\0x-twice\0second\0x-twice\0third", 0);
}

static void
values_are_found_by_name(void **state)
{
    static const char block[] = "host\0a.example\0upgrade\0websocket\0x-a\0\0"
                                "upgrade\0other\0x-b\0b";
    struct packed packed = pack(block, sizeof block);

    (void)state;
    assert_string_equal(skio__packed_find(packed.data, packed.len, "host"),
                        "a.example");
    assert_string_equal(skio__packed_find(packed.data, packed.len, "upgrade"),
                        "websocket");
    assert_string_equal(skio__packed_find(packed.data, packed.len, "x-a"), "");
    assert_string_equal(skio__packed_find(packed.data, packed.len, "x-b"), "b");
    assert_null(skio__packed_find(packed.data, packed.len, "hos"));
    assert_null(skio__packed_find(packed.data, packed.len, "a.example"));
    assert_null(skio__packed_find(packed.data, packed.len, ""));
    assert_null(skio__packed_find(packed.data, 0, "host"));
    free(packed.data);
}

static void
a_visit_ends_when_it_is_told_to(void **state)
{
    static const char block[] = "host\0a\0stop\0b\0x-c\0c";
    struct packed packed = pack(block, sizeof block);
    struct text text = {.len = 0};

    (void)state;
    assert_false(
        skio__packed_each(packed.data, packed.len, append_pair, &text));
    assert_int_equal(text.len, sizeof "host\0a\0stop\0b");
    free(packed.data);
}

/* What is whole before the cut is kept, nothing is read past it. */
static void
a_block_that_is_cut_off_loses_its_end(void **state)
{
    static const char block[] = "host\0a.example\0x-a\0\0upgrade\0websocket";

    (void)state;
    for (size_t len = 0; len <= sizeof block; len++) {
        struct packed packed = pack(block, len);
        struct text text = {.len = 0};

        assert_true(
            skio__packed_each(packed.data, packed.len, append_pair, &text));
        assert_true(text.len <= len);
        assert_memory_equal(text.data, block, text.len);
        assert_int_equal(text.len, len < 15             ? 0
                                   : len < 20           ? 15
                                   : len < sizeof block ? 20
                                                        : sizeof block);
        free(packed.data);
    }
}

static void
nothing_is_written_beyond_the_room_for_it(void **state)
{
    static const char block[] =
        "host\0a.example\0x-a\0\0upgrade\0websocket\0x-b\0b";
    size_t needed = skio__headers_pack(block, sizeof block, NULL, 0);

    (void)state;
    assert_int_equal(needed, 25);
    for (size_t size = 1; size < needed; size++) {
        char *out = malloc(size);

        assert_non_null(out);
        assert_int_equal(skio__headers_pack(block, sizeof block, out, size),
                         needed);
        free(out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_pairs_take_one_byte),
        cmocka_unit_test(usual_names_take_one_byte),
        cmocka_unit_test(others_stay_as_they_are),
        cmocka_unit_test(values_are_found_by_name),
        cmocka_unit_test(a_visit_ends_when_it_is_told_to),
        cmocka_unit_test(a_block_that_is_cut_off_loses_its_end),
        cmocka_unit_test(nothing_is_written_beyond_the_room_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
