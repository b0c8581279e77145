/*
 * Slots of a Redis Cluster: which node has a key, and what redirects
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "adapter/redis_slots.h"

/* ---- Slots ---- */

static void
keys_hash_as_the_specification_says(void **state)
{
    (void)state;
    /* The check value of the polynomial; and what CLUSTER KEYSLOT says. */
    assert_int_equal(skio__redis_slot("123456789", 9), 0x31c3);
    assert_int_equal(skio__redis_slot("", 0), 0);
    assert_int_equal(skio__redis_slot(NULL, 0), 0);
    assert_int_equal(skio__redis_slot("foo", 3), 12182);
    assert_int_equal(skio__redis_slot("socket.io#/#", 12), 13868);
}

static void
braces_name_the_part_that_is_hashed(void **state)
{
    static const struct {
        const char *key;
        const char *part;
    } cases[] = {
        {"{user1000}.following", "user1000"},
        {"{user1000}.followers", "user1000"},
        {"foo{}{bar}", "foo{}{bar}"},
        {"foo{{bar}}zap", "{bar"},
        {"foo{bar}{zap}", "bar"},
        {"foo}bar{", "foo}bar{"},
        {"{", "{"},
        {"{}", "{}"},
        {"{a", "{a"},
        {"a{b}", "b"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(skio__redis_slot(cases[i].key, strlen(cases[i].key)),
                         skio__redis_slot(cases[i].part,
                                          strlen(cases[i].part)));
}

/* ---- Redirections ---- */

static void
redirections_are_read(void **state)
{
    static const struct {
        const char *text;
        bool is_ask;
        uint16_t slot;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6381", false, 3999, "127.0.0.1", 6381},
        {"ASK 16383 redis.example:65535", true, 16383, "redis.example", 65535},
        {"MOVED 0 :1", false, 0, "", 1},
        {"MOVED 1 ::1:6379", false, 1, "::1", 6379},
    };
    struct skio__redis_moved moved;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(skio__redis_moved_read(&moved, cases[i].text,
                                           strlen(cases[i].text)));
        assert_int_equal(moved.is_ask, cases[i].is_ask);
        assert_int_equal(moved.slot, cases[i].slot);
        assert_int_equal(moved.port, cases[i].port);
        assert_int_equal(moved.host_len, strlen(cases[i].host));
        assert_memory_equal(moved.host, cases[i].host, moved.host_len);
    }
}

static void
unsound_redirections_are_none(void **state)
{
    static const char *const cases[] = {
        "",
        "MOVED",
        "MOVED ",
        "MOVED 1",
        "MOVED 1 ",
        "MOVED  a:1",
        "MOVED -1 a:1",
        "MOVED x a:1",
        "MOVED 16384 a:1",
        "MOVED 99999999999999999999 a:1",
        "MOVED 1 a",
        "MOVED 1 a:",
        "MOVED 1 a:0",
        "MOVED 1 a:65536",
        "MOVED 1 a:1x",
        "MOVED 1 a:+1",
        "MOVED 1 6379",
        "ASK",
        "ASKING 1 a:1",
        "ERR 1 a:1",
        "moved 1 a:1",
    };
    struct skio__redis_moved moved;
    char text[300];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_false(
            skio__redis_moved_read(&moved, cases[i], strlen(cases[i])));
    assert_false(skio__redis_moved_read(&moved, "MOVED 1 a\0b:1", 13));

    /* The longest host, and one that is longer. */
    memset(text, 'h', sizeof text);
    memcpy(text, "MOVED 1 ", 8);
    memcpy(text + 8 + 255, ":1", 2);
    assert_true(skio__redis_moved_read(&moved, text, 8 + 255 + 2));
    assert_int_equal(moved.host_len, 255);
    memcpy(text + 8 + 255, "h:1", 3);
    assert_false(skio__redis_moved_read(&moved, text, 8 + 256 + 2));
}

/* ---- CLUSTER SLOTS ---- */

/* Replies, written as the parts of them. */
#define INT(n)                                                                 \
    (&(struct skio__redis_reply){.type = SKIO__REDIS_INTEGER, .integer = (n)})
#define TEXT(s)                                                                \
    (&(struct skio__redis_reply){.type = SKIO__REDIS_STRING,                   \
                                 .str = (s),                                   \
                                 .len = strlen(s)})
#define NIL (&(struct skio__redis_reply){.type = SKIO__REDIS_NIL})
#define ARRAY(...)                                                             \
    (&(struct skio__redis_reply){.type = SKIO__REDIS_ARRAY,                    \
                                 .elements =                                   \
                                     (struct skio__redis_reply *[]){           \
                                         __VA_ARGS__},                         \
                                 .count =                                      \
                                     sizeof((struct skio__redis_reply *[]){    \
                                         __VA_ARGS__}) /                       \
                                     sizeof(struct skio__redis_reply *)})

static char visited[512];

static void
on_range(uint16_t first, uint16_t last, const char *host, size_t len,
         uint16_t port, void *user)
{
    size_t used = strlen(visited);

    assert_null(user);
    snprintf(visited + used, sizeof visited - used, "%u-%u=%.*s:%u ", first,
             last, (int)len, host, port);
}

static int
read_slots(const struct skio__redis_reply *reply)
{
    visited[0] = '\0';
    return skio__redis_slots_read(reply, on_range, NULL);
}

static void
masters_are_visited_with_their_ranges(void **state)
{
    (void)state;
    assert_int_equal(read_slots(
                         ARRAY(ARRAY(INT(0), INT(5460),
                                     ARRAY(TEXT("10.0.0.1"), INT(7000),
                                           TEXT("id"), ARRAY(TEXT("hostname"))),
                                     ARRAY(TEXT("10.0.0.9"), INT(7009),
                                           TEXT("replica"))),
                               ARRAY(INT(5461), INT(5461),
                                     ARRAY(NIL, INT(7001))),
                               ARRAY(INT(5462), INT(16383),
                                     ARRAY(TEXT(""), INT(65535))))),
                     3);
    assert_string_equal(
        visited, "0-5460=10.0.0.1:7000 5461-5461=:7001 5462-16383=:65535 ");
}

static void
masters_without_an_address_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(read_slots(
                         ARRAY(ARRAY(INT(0), INT(1),
                                     ARRAY(TEXT("?"), INT(7000))),
                               ARRAY(INT(2), INT(3), ARRAY(TEXT("a"), INT(0))),
                               ARRAY(INT(4), INT(5),
                                     ARRAY(TEXT("b"), INT(1))))),
                     1);
    assert_string_equal(visited, "4-5=b:1 ");
    assert_int_equal(read_slots(&(struct skio__redis_reply){
                         .type = SKIO__REDIS_ARRAY}),
                     0);
}

static void
an_unsound_reply_visits_nobody(void **state)
{
    static char longest[257];
    struct skio__redis_reply *good =
        ARRAY(INT(0), INT(1), ARRAY(TEXT("a"), INT(1)));
    struct skio__redis_reply nul = {.type = SKIO__REDIS_STRING,
                                    .str = "a\0b",
                                    .len = 3};
    struct skio__redis_reply *const bad[] = {
        INT(1),
        TEXT("a"),
        NIL,
        ARRAY(INT(0), INT(1)),
        ARRAY(INT(0), INT(1), TEXT("a")),
        ARRAY(INT(0), INT(1), ARRAY(TEXT("a"))),
        ARRAY(INT(0), INT(1), ARRAY(TEXT("a"), TEXT("1"))),
        ARRAY(INT(0), INT(1), ARRAY(INT(1), INT(1))),
        ARRAY(INT(0), INT(1), ARRAY(&nul, INT(1))),
        ARRAY(INT(0), INT(1), ARRAY(TEXT("a"), INT(65536))),
        ARRAY(INT(0), INT(1), ARRAY(TEXT("a"), INT(-1))),
        ARRAY(INT(-1), INT(1), ARRAY(TEXT("a"), INT(1))),
        ARRAY(INT(0), INT(16384), ARRAY(TEXT("a"), INT(1))),
        ARRAY(INT(2), INT(1), ARRAY(TEXT("a"), INT(1))),
        ARRAY(TEXT("0"), INT(1), ARRAY(TEXT("a"), INT(1))),
        /* Together with the good one: more slots than there are. */
        ARRAY(INT(0), INT(16383), ARRAY(TEXT("a"), INT(1))),
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_slots(ARRAY(good, bad[i])), SKIO_EPROTO);
        assert_string_equal(visited, "");
    }
    assert_int_equal(read_slots(INT(1)), SKIO_EPROTO);
    assert_int_equal(read_slots(NIL), SKIO_EPROTO);

    memset(longest, 'h', 256);
    assert_int_equal(read_slots(ARRAY(
                         ARRAY(INT(0), INT(1), ARRAY(TEXT(longest), INT(1))))),
                     SKIO_EPROTO);
    longest[255] = '\0';
    assert_int_equal(read_slots(ARRAY(
                         ARRAY(INT(0), INT(1), ARRAY(TEXT(longest), INT(1))))),
                     1);
}

static void
more_ranges_than_slots_are_refused(void **state)
{
    static struct skio__redis_reply *elements[SKIO__REDIS_SLOTS + 1];
    struct skio__redis_reply all = {.type = SKIO__REDIS_ARRAY,
                                    .elements = elements};
    static struct skio__redis_reply firsts[SKIO__REDIS_SLOTS];
    static struct skio__redis_reply *parts[SKIO__REDIS_SLOTS][3];
    static struct skio__redis_reply ranges[SKIO__REDIS_SLOTS];
    struct skio__redis_reply *master = ARRAY(NIL, INT(1));
    size_t i;

    (void)state;
    for (i = 0; i < SKIO__REDIS_SLOTS; i++) {
        firsts[i].type = SKIO__REDIS_INTEGER;
        firsts[i].integer = (int64_t)i;
        parts[i][0] = parts[i][1] = &firsts[i];
        parts[i][2] = master;
        ranges[i].type = SKIO__REDIS_ARRAY;
        ranges[i].elements = parts[i];
        ranges[i].count = 3;
        elements[i] = &ranges[i];
    }
    elements[SKIO__REDIS_SLOTS] = &ranges[0];
    all.count = SKIO__REDIS_SLOTS;
    assert_int_equal(read_slots(&all), SKIO__REDIS_SLOTS);
    all.count++;
    assert_int_equal(read_slots(&all), SKIO_EPROTO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_hash_as_the_specification_says),
        cmocka_unit_test(braces_name_the_part_that_is_hashed),
        cmocka_unit_test(redirections_are_read),
        cmocka_unit_test(unsound_redirections_are_none),
        cmocka_unit_test(masters_are_visited_with_their_ranges),
        cmocka_unit_test(masters_without_an_address_are_left_out),
        cmocka_unit_test(an_unsound_reply_visits_nobody),
        cmocka_unit_test(more_ranges_than_slots_are_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
