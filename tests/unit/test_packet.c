/*
 * socketio/packet: the grammar of packets, and all that a peer may not send
 *
 * Texts are what follows Engine.IO's '4'. Each is decoded from a block of its
 * exact size, so that a look past the end shows under a sanitizer.
 */
#include "socketio/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NO_ID UINT64_MAX

static const struct sio_packet_limits limits = {
    .max_attachments = 10,
    .max_json_depth = 64,
    .max_name_bytes = 32,
};

static char *
exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, text, len);
    return copy;
}

/* Decode a text of which nothing is looked at afterwards. */
static int
decode_error(const char *text, size_t len, const char **why)
{
    struct sio_packet packet;
    char *copy = exact_copy(text, len);
    int err = skio__packet_decode(copy, len, &limits, &packet, why);

    free(copy);
    return err;
}

struct accepted {
    const char *text;
    enum sio_type type;
    uint32_t attachments;
    const char *nsp;
    uint64_t id; /* or NO_ID */
    const char *json;
    uint32_t count;
};

/* clang-format off */
static const struct accepted accepted[] = {
    /* The examples of the protocol, in its order. */
    {"0", SIO_CONNECT, 0, "/", NO_ID, NULL, 0},
    {"0{\"token\":\"123\"}", SIO_CONNECT, 0, "/", NO_ID,
     "{\"token\":\"123\"}", 0},
    {"0/admin,", SIO_CONNECT, 0, "/admin", NO_ID, NULL, 0},
    {"0/admin", SIO_CONNECT, 0, "/admin", NO_ID, NULL, 0},
    {"0/admin,{\"token\":\"123\"}", SIO_CONNECT, 0, "/admin", NO_ID,
     "{\"token\":\"123\"}", 0},
    {"0{}", SIO_CONNECT, 0, "/", NO_ID, "{}", 0},
    {"0/a?x=1,", SIO_CONNECT, 0, "/a?x=1", NO_ID, NULL, 0},
    {"4{\"message\":\"Not authorized\"}", SIO_CONNECT_ERROR, 0, "/", NO_ID,
     "{\"message\":\"Not authorized\"}", 0},
    {"4\"no\"", SIO_CONNECT_ERROR, 0, "/", NO_ID, "\"no\"", 0},
    {"1", SIO_DISCONNECT, 0, "/", NO_ID, NULL, 0},
    {"1/admin,", SIO_DISCONNECT, 0, "/admin", NO_ID, NULL, 0},
    {"2[\"foo\"]", SIO_EVENT, 0, "/", NO_ID, "[\"foo\"]", 1},
    {"2/admin,[\"bar\"]", SIO_EVENT, 0, "/admin", NO_ID, "[\"bar\"]", 1},
    {"212[\"foo\",1]", SIO_EVENT, 0, "/", 12, "[\"foo\",1]", 2},
    {"2/admin,12[\"foo\"]", SIO_EVENT, 0, "/admin", 12, "[\"foo\"]", 1},
    {"312[\"ok\",{\"a\":1}]", SIO_ACK, 0, "/", 12, "[\"ok\",{\"a\":1}]", 2},
    {"3/admin,12[]", SIO_ACK, 0, "/admin", 12, "[]", 0},
    {"51-[\"baz\",{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_EVENT, 1, "/",
     NO_ID, "[\"baz\",{\"_placeholder\":true,\"num\":0}]", 2},
    {"52-/admin,[\"x\",{\"_placeholder\":true,\"num\":0},"
     "{\"_placeholder\":true,\"num\":1}]", SIO_BINARY_EVENT, 2, "/admin", NO_ID,
     "[\"x\",{\"_placeholder\":true,\"num\":0},"
     "{\"_placeholder\":true,\"num\":1}]", 3},
    {"51-/admin,15[\"baz\",{\"_placeholder\":true,\"num\":0}]",
     SIO_BINARY_EVENT, 1, "/admin", 15,
     "[\"baz\",{\"_placeholder\":true,\"num\":0}]", 2},
    {"61-/admin,15[{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_ACK, 1,
     "/admin", 15, "[{\"_placeholder\":true,\"num\":0}]", 1},
    {"62-789[{\"_placeholder\":true,\"num\":0},"
     "{\"_placeholder\":true,\"num\":1}]", SIO_BINARY_ACK, 2, "/", 789,
     "[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]",
     2},
    {"2[1,2]", SIO_EVENT, 0, "/", NO_ID, "[1,2]", 2},

    /* What the reference accepts, odd as it is. */
    {"2", SIO_EVENT, 0, "/", NO_ID, NULL, 0},
    {"27", SIO_EVENT, 0, "/", 7, NULL, 0},
    {"2/admin", SIO_EVENT, 0, "/admin", NO_ID, NULL, 0},
    {"3", SIO_ACK, 0, "/", NO_ID, NULL, 0},
    {"35", SIO_ACK, 0, "/", 5, NULL, 0},
    {"3[1]", SIO_ACK, 0, "/", NO_ID, "[1]", 1},
    {"51-", SIO_BINARY_EVENT, 1, "/", NO_ID, NULL, 0},
    {"51-[\"never referenced\"]", SIO_BINARY_EVENT, 1, "/", NO_ID,
     "[\"never referenced\"]", 1},
    {"51-[\"twice\",{\"_placeholder\":true,\"num\":0},"
     "{\"num\":0,\"_placeholder\":true}]", SIO_BINARY_EVENT, 1, "/", NO_ID,
     "[\"twice\",{\"_placeholder\":true,\"num\":0},"
     "{\"num\":0,\"_placeholder\":true}]", 3},
    {"51-[\"unmarked\",{\"_placeholder\":false,\"num\":9}]", SIO_BINARY_EVENT,
     1, "/", NO_ID, "[\"unmarked\",{\"_placeholder\":false,\"num\":9}]", 2},
    {"51-[\"num\",{\"num\":\"x\"}]", SIO_BINARY_EVENT, 1, "/", NO_ID,
     "[\"num\",{\"num\":\"x\"}]", 2},
    {"2[\"plain\",{\"_placeholder\":true,\"num\":7}]", SIO_EVENT, 0, "/", NO_ID,
     "[\"plain\",{\"_placeholder\":true,\"num\":7}]", 2},
    {"2[\"error\"]", SIO_EVENT, 0, "/", NO_ID, "[\"error\"]", 1},
    {"2[\"connection\"]", SIO_EVENT, 0, "/", NO_ID, "[\"connection\"]", 1},
    {"2[\"message\"]", SIO_EVENT, 0, "/", NO_ID, "[\"message\"]", 1},
    {"2[\"Connect\"]", SIO_EVENT, 0, "/", NO_ID, "[\"Connect\"]", 1},
    {"2[\"connects\"]", SIO_EVENT, 0, "/", NO_ID, "[\"connects\"]", 1},
    {"2[\"__proto__\"]", SIO_EVENT, 0, "/", NO_ID, "[\"__proto__\"]", 1},
    {"2[\"\"]", SIO_EVENT, 0, "/", NO_ID, "[\"\"]", 1},
    {"2[ \"spaced\" , 1 ] ", SIO_EVENT, 0, "/", NO_ID, "[ \"spaced\" , 1 ] ",
     2},
    {"20[\"zero\"]", SIO_EVENT, 0, "/", 0, "[\"zero\"]", 1},
    {"2007[\"zeros\"]", SIO_EVENT, 0, "/", 7, "[\"zeros\"]", 1},
    {"0/,{}", SIO_CONNECT, 0, "/", NO_ID, "{}", 0},
    {"0/\xc3\xbc,", SIO_CONNECT, 0, "/\xc3\xbc", NO_ID, NULL, 0},
    {"011{}", SIO_CONNECT, 0, "/", 11, "{}", 0},
};
/* clang-format on */

static void
check_accepted(const struct accepted *c)
{
    const size_t len = strlen(c->text);
    char *text = exact_copy(c->text, len);
    struct sio_packet packet;
    const char *why = NULL;
    int err = skio__packet_decode(text, len, &limits, &packet, &why);

    if (err != SKIO_OK)
        print_error("%s: %s (%s)\n", c->text, skio_err_name(err), why);
    assert_int_equal(err, SKIO_OK);
    assert_int_equal(packet.type, c->type);
    assert_int_equal(packet.attachments, c->attachments);
    assert_int_equal(packet.nsp_len, strlen(c->nsp));
    assert_memory_equal(packet.nsp, c->nsp, packet.nsp_len);
    assert_int_equal(packet.has_id, c->id != NO_ID);
    if (c->id != NO_ID)
        assert_int_equal(packet.id, c->id);
    if (c->json == NULL) {
        assert_null(packet.json);
        assert_int_equal(packet.json_len, 0);
    } else {
        assert_non_null(packet.json);
        assert_int_equal(packet.json_len, strlen(c->json));
        assert_memory_equal(packet.json, c->json, packet.json_len);
    }
    assert_int_equal(packet.count, c->count);
    free(text);
}

static void
what_the_reference_accepts_is_decoded(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(accepted); i++)
        check_accepted(&accepted[i]);
}

static void
items_say_where_the_arguments_stand(void **state)
{
    static const char text[] = "2[\"e\\u0041\", 1 ,{\"a\":[]},[2],null,true]";
    static const struct {
        const char *text;
        uint8_t type;
    } want[] = {
        {"\"e\\u0041\"", SKIO__JSON_STRING}, {"1", SKIO__JSON_NUMBER},
        {"{\"a\":[]}", SKIO__JSON_OBJECT},   {"[2]", SKIO__JSON_ARRAY},
        {"null", SKIO__JSON_NULL},           {"true", SKIO__JSON_BOOL},
    };
    struct sio_packet packet;
    const char *why;
    size_t i;

    (void)state;
    assert_int_equal(skio__packet_decode(text, strlen(text), &limits, &packet,
                                         &why),
                     SKIO_OK);
    assert_int_equal(packet.count, COUNT(want));
    for (i = 0; i < COUNT(want); i++) {
        const struct skio__json_slice *item = &packet.items[i];

        assert_int_equal(item->type, want[i].type);
        assert_int_equal(item->len, strlen(want[i].text));
        assert_memory_equal(packet.json + item->start, want[i].text, item->len);
    }
    assert_int_equal(packet.items[0].flags, SKIO__JSON_ESCAPED);
}

static void
arguments_past_the_kept_ones_are_counted(void **state)
{
    char text[256] = "2[\"e\"";
    struct sio_packet packet;
    const char *why;
    size_t len = strlen(text);
    int i;

    (void)state;
    for (i = 0; i < 40; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",%d", i);
    text[len++] = ']';
    assert_int_equal(skio__packet_decode(text, len, &limits, &packet, &why),
                     SKIO_OK);
    assert_int_equal(packet.count, 41);
    assert_memory_equal(packet.json + packet.items[SIO_VALUE_ITEMS - 1].start,
                        "14", 2);
}

struct refused {
    const char *text;
    int err;
    const char *why;
};

#define UNKNOWN "unknown packet type"
#define PAYLOAD "invalid payload"
#define ILLEGAL "Illegal attachments"
#define ILLEGAL_NUM "illegal attachments"
#define TOO_MANY "too many attachments"

/* clang-format off */
static const struct refused refused[] = {
    /* Types. A blank is a zero in JavaScript, not here. */
    {"", SKIO_EPROTO, "empty packet"},
    {"7", SKIO_EPROTO, UNKNOWN},
    {"9[\"a\"]", SKIO_EPROTO, UNKNOWN},
    {" ", SKIO_EPROTO, UNKNOWN},
    {"\t{}", SKIO_EPROTO, UNKNOWN},
    {"a", SKIO_EPROTO, UNKNOWN},
    {"-1", SKIO_EPROTO, UNKNOWN},
    {"/admin,", SKIO_EPROTO, UNKNOWN},
    {"[\"a\"]", SKIO_EPROTO, UNKNOWN},
    {"\xff", SKIO_EPROTO, UNKNOWN},

    /* Counts of attachments. */
    {"5", SKIO_EPROTO, ILLEGAL},
    {"5-", SKIO_EPROTO, ILLEGAL},
    {"51", SKIO_EPROTO, ILLEGAL},
    {"6[]", SKIO_EPROTO, ILLEGAL},
    {"5[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"50-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"60-[]", SKIO_EPROTO, ILLEGAL},
    {"5-1-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"5+1-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"51e0-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"50x1-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"5 1-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"51 -[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"51.0-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"5a-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"51/admin,-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"511-[\"a\"]", SKIO_ELIMIT, TOO_MANY},
    {"51e9-[\"a\"]", SKIO_EPROTO, ILLEGAL},
    {"54294967297-[\"a\"]", SKIO_ELIMIT, TOO_MANY},
    {"518446744073709551617-[\"a\"]", SKIO_ELIMIT, TOO_MANY},
    {"5999999999999999999999999999-[\"a\"]", SKIO_ELIMIT, TOO_MANY},

    /* Ids, and what stands where one would be. */
    {"2abc[\"a\"]", SKIO_EPROTO, PAYLOAD},
    {"2-1[\"a\"]", SKIO_EPROTO, PAYLOAD},
    {"2-1", SKIO_EPROTO, PAYLOAD},
    {"2+1[\"a\"]", SKIO_EPROTO, PAYLOAD},
    {"21.5[\"a\"]", SKIO_EPROTO, PAYLOAD},
    {"21e3[\"a\"]", SKIO_EPROTO, PAYLOAD},
    {"2 [\"a\"]", SKIO_EPROTO, PAYLOAD},
    {"212 [\"a\"]", SKIO_EPROTO, PAYLOAD},
    {"2\n[\"a\"]", SKIO_EPROTO, PAYLOAD},
    {"29007199254740992[\"a\"]", SKIO_EPROTO, "ack id too large"},
    {"299999999999999999999[\"a\"]", SKIO_EPROTO, "ack id too large"},
    {"318446744073709551615[]", SKIO_EPROTO, "ack id too large"},

    /* Malformed JSON. */
    {"2[\"a\"", SKIO_EPROTO, PAYLOAD},
    {"2[\"a\",]", SKIO_EPROTO, PAYLOAD},
    {"2[\"a\"]]", SKIO_EPROTO, PAYLOAD},
    {"2[\"a\"][\"b\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"a]", SKIO_EPROTO, PAYLOAD},
    {"2['a']", SKIO_EPROTO, PAYLOAD},
    {"2[\"\n\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"a\",01]", SKIO_EPROTO, PAYLOAD},
    {"2[\"a\",NaN]", SKIO_EPROTO, PAYLOAD},
    {"2[\"\xff\"]", SKIO_EUTF8, "invalid UTF-8"},
    {"2[\"\xed\xa0\x80\"]", SKIO_EUTF8, "invalid UTF-8"},

    /* CONNECT takes an object. */
    {"0[]", SKIO_EPROTO, PAYLOAD},
    {"0\"x\"", SKIO_EPROTO, PAYLOAD},
    {"0null", SKIO_EPROTO, PAYLOAD},
    {"0true", SKIO_EPROTO, PAYLOAD},
    {"0/admin,[]", SKIO_EPROTO, PAYLOAD},
    {"0/admin,{", SKIO_EPROTO, PAYLOAD},

    /* DISCONNECT takes nothing. */
    {"1{}", SKIO_EPROTO, PAYLOAD},
    {"1[]", SKIO_EPROTO, PAYLOAD},
    {"1null", SKIO_EPROTO, PAYLOAD},
    {"1\"bye\"", SKIO_EPROTO, PAYLOAD},
    {"1/admin,\"\"", SKIO_EPROTO, PAYLOAD},

    /* An event is an array that begins with its name. */
    {"2{}", SKIO_EPROTO, PAYLOAD},
    {"2\"a\"", SKIO_EPROTO, PAYLOAD},
    {"2null", SKIO_EPROTO, PAYLOAD},
    {"2[]", SKIO_EPROTO, PAYLOAD},
    {"2[null]", SKIO_EPROTO, PAYLOAD},
    {"2[true]", SKIO_EPROTO, PAYLOAD},
    {"2[[]]", SKIO_EPROTO, PAYLOAD},
    {"2[[\"a\"]]", SKIO_EPROTO, PAYLOAD},
    {"2[{\"toString\":\"x\"}]", SKIO_EPROTO, PAYLOAD},
    {"51-[{\"_placeholder\":true,\"num\":0}]", SKIO_EPROTO, PAYLOAD},
    {"51-{}", SKIO_EPROTO, PAYLOAD},
    {"51-[]", SKIO_EPROTO, PAYLOAD},

    /* Names that are the library's. */
    {"2[\"connect\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"connect_error\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"disconnect\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"disconnecting\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"newListener\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"removeListener\"]", SKIO_EPROTO, PAYLOAD},
    {"2/admin,1[\"connect\",1]", SKIO_EPROTO, PAYLOAD},
    {"51-[\"disconnect\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"c\\u006fnnect\"]", SKIO_EPROTO, PAYLOAD},
    {"2[\"\\u006eewListener\"]", SKIO_EPROTO, PAYLOAD},

    /* ACK takes an array, CONNECT_ERROR an object or a string. */
    {"31{}", SKIO_EPROTO, PAYLOAD},
    {"31\"a\"", SKIO_EPROTO, PAYLOAD},
    {"31null", SKIO_EPROTO, PAYLOAD},
    {"61-1{}", SKIO_EPROTO, PAYLOAD},
    {"4[]", SKIO_EPROTO, PAYLOAD},
    {"4null", SKIO_EPROTO, PAYLOAD},
    {"4true", SKIO_EPROTO, PAYLOAD},

    /* Placeholders. */
    {"51-[\"a\",{\"_placeholder\":true,\"num\":1}]", SKIO_EPROTO, ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":-1}]", SKIO_EPROTO, ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":0.5}]", SKIO_EPROTO,
     ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":1e308}]", SKIO_EPROTO,
     ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]", SKIO_EPROTO,
     ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":\"splice\"}]", SKIO_EPROTO,
     ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":null}]", SKIO_EPROTO,
     ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":true}]", SKIO_EPROTO,
     ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":{\"_placeholder\":true,"
     "\"num\":0}}]", SKIO_EPROTO, ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true}]", SKIO_EPROTO, ILLEGAL_NUM},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":0,\"num\":1}]", SKIO_EPROTO,
     ILLEGAL_NUM},
    {"51-[\"a\",{\"x\":[{\"\\u005fplaceholder\":true,\"num\":9}]}]",
     SKIO_EPROTO, ILLEGAL_NUM},
    {"61-1[{\"_placeholder\":true,\"num\":1}]", SKIO_EPROTO, ILLEGAL_NUM},
    {"61-1[{\"_placeholder\":true,\"num\":1}", SKIO_EPROTO, PAYLOAD},

    /* Namespaces. */
    {"0/\xff,", SKIO_EUTF8, "invalid UTF-8"},
    {"0admin,", SKIO_EPROTO, PAYLOAD},
    {"0,", SKIO_EPROTO, PAYLOAD},
    {"0/a,/b,", SKIO_EPROTO, PAYLOAD},
};
/* clang-format on */

static void
what_the_reference_refuses_is_refused(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(refused); i++) {
        const struct refused *c = &refused[i];
        const char *why = NULL;
        int err = decode_error(c->text, strlen(c->text), &why);

        if (err != c->err || strcmp(why, c->why) != 0)
            print_error("%s: %s (%s)\n", c->text, skio_err_name(err), why);
        assert_int_equal(err, c->err);
        assert_string_equal(why, c->why);
    }
}

static void
a_namespace_with_a_nul_is_nobodys(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(decode_error("0/admin\0x,", 10, &why), SKIO_EPROTO);
    assert_string_equal(why, "invalid namespace");
    assert_int_equal(decode_error("0/\0", 3, &why), SKIO_EPROTO);
}

/* A text of `len` equal characters between a head and a tail. */
static char *
fill(const char *head, char c, size_t len, const char *tail, size_t *total)
{
    const size_t head_len = strlen(head);
    const size_t tail_len = strlen(tail);
    char *text = malloc(head_len + len + tail_len + 1);

    assert_non_null(text);
    memcpy(text, head, head_len);
    memset(text + head_len, c, len);
    memcpy(text + head_len + len, tail, tail_len);
    *total = head_len + len + tail_len;
    return text;
}

static int
decode_filled(const char *head, char c, size_t len, const char *tail)
{
    const char *why;
    size_t total;
    char *text = fill(head, c, len, tail, &total);
    int err = decode_error(text, total, &why);

    free(text);
    return err;
}

static void
names_end_at_the_limit(void **state)
{
    (void)state;
    /* 32 bytes, with the slash. */
    assert_int_equal(decode_filled("0/", 'n', 31, ",{}"), SKIO_OK);
    assert_int_equal(decode_filled("0/", 'n', 31, ""), SKIO_OK);
    assert_int_equal(decode_filled("0/", 'n', 32, ",{}"), SKIO_ELIMIT);
    assert_int_equal(decode_filled("0/", 'n', 32, ""), SKIO_ELIMIT);
    assert_int_equal(decode_filled("2[\"", 'n', 32, "\"]"), SKIO_OK);
    assert_int_equal(decode_filled("2[\"", 'n', 33, "\"]"), SKIO_ELIMIT);
    assert_int_equal(decode_filled("2[", '1', 32, "]"), SKIO_OK);
    assert_int_equal(decode_filled("2[", '1', 33, "]"), SKIO_ELIMIT);
}

static void
counts_and_ids_end_at_the_limit(void **state)
{
    const char *why;
    struct sio_packet packet;
    static const char largest[] = "29007199254740991[\"a\"]";

    (void)state;
    assert_int_equal(decode_error("510-[\"a\"]", 9, &why), SKIO_OK);
    assert_int_equal(decode_error("511-[\"a\"]", 9, &why), SKIO_ELIMIT);
    assert_int_equal(skio__packet_decode(largest, strlen(largest), &limits,
                                         &packet, &why),
                     SKIO_OK);
    assert_int_equal(packet.id, UINT64_C(9007199254740991));
}

static void
depth_ends_at_the_limit(void **state)
{
    char text[256] = "2[\"e\",";
    const char *why;
    size_t depth;

    (void)state;
    /* The arguments' array is the first of the 64 levels. */
    for (depth = 62; depth <= 64; depth++) {
        size_t len = 6;

        memset(text + len, '[', depth);
        len += depth;
        memset(text + len, ']', depth + 1);
        len += depth + 1;
        assert_int_equal(decode_error(text, len, &why),
                         depth <= 63 ? SKIO_OK : SKIO_ELIMIT);
    }
    assert_string_equal(why, "payload nested too deep");
}

static void
a_megabyte_of_digits_or_brackets_is_refused_at_once(void **state)
{
    const size_t mega = 1000000;

    (void)state;
    assert_int_equal(decode_filled("5", '9', mega, "-[\"a\"]"), SKIO_ELIMIT);
    assert_int_equal(decode_filled("5", '0', mega, "-[\"a\"]"), SKIO_EPROTO);
    assert_int_equal(decode_filled("2", '9', mega, "[\"a\"]"), SKIO_EPROTO);
    assert_int_equal(decode_filled("2", '0', mega, "[\"a\"]"), SKIO_OK);
    assert_int_equal(decode_filled("0/", '9', mega, ",{}"), SKIO_ELIMIT);
    assert_int_equal(decode_filled("2[\"a\",", '[', mega, ""), SKIO_ELIMIT);
    assert_int_equal(decode_filled("2[\"a\"", ',', mega, "]"), SKIO_EPROTO);
}

/* Cut anywhere a text is decoded or refused, and nothing behind it is read. */
static void
cut(const char *text, size_t len)
{
    size_t i;

    for (i = 0; i <= len; i++) {
        const char *why = NULL;
        int err = decode_error(text, i, &why);

        assert_true(err == SKIO_OK || err == SKIO_EPROTO || err == SKIO_EUTF8 ||
                    err == SKIO_ELIMIT);
        assert_non_null(why);
        assert_int_equal(err == SKIO_OK, *why == '\0');
    }
}

static void
every_text_may_be_cut_at_every_byte(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(accepted); i++)
        cut(accepted[i].text, strlen(accepted[i].text));
    for (i = 0; i < COUNT(refused); i++)
        cut(refused[i].text, strlen(refused[i].text));
}

/* With any byte replaced by any other a text is decoded or refused. */
static void
every_byte_may_be_any_other(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(accepted); i++) {
        const size_t len = strlen(accepted[i].text);
        char *text = exact_copy(accepted[i].text, len);
        size_t at;
        int byte;

        for (at = 0; at < len; at++) {
            for (byte = 0; byte < 256; byte++) {
                struct sio_packet packet;
                const char *why = NULL;
                int err;

                text[at] = (char)byte;
                err = skio__packet_decode(text, len, &limits, &packet, &why);
                assert_true(err <= 0);
                if (err == SKIO_OK && packet.json != NULL)
                    assert_true(packet.json + packet.json_len == text + len);
            }
            text[at] = accepted[i].text[at];
        }
        free(text);
    }
}

static void
six_names_are_reserved(void **state)
{
    static const char *const names[] = {
        "connect",       "connect_error", "disconnect",
        "disconnecting", "newListener",   "removeListener",
    };
    static const char *const others[] =
        {"",         "error",         "connection",  "message", "connec",
         "connect ", "disconnectinG", "newlistener", "Connect", "constructor"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        assert_true(skio__packet_is_reserved(names[i], strlen(names[i])));
    for (i = 0; i < COUNT(others); i++)
        assert_false(skio__packet_is_reserved(others[i], strlen(others[i])));
    assert_false(skio__packet_is_reserved("connect\0x", 9));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_reference_accepts_is_decoded),
        cmocka_unit_test(items_say_where_the_arguments_stand),
        cmocka_unit_test(arguments_past_the_kept_ones_are_counted),
        cmocka_unit_test(what_the_reference_refuses_is_refused),
        cmocka_unit_test(a_namespace_with_a_nul_is_nobodys),
        cmocka_unit_test(names_end_at_the_limit),
        cmocka_unit_test(counts_and_ids_end_at_the_limit),
        cmocka_unit_test(depth_ends_at_the_limit),
        cmocka_unit_test(a_megabyte_of_digits_or_brackets_is_refused_at_once),
        cmocka_unit_test(every_text_may_be_cut_at_every_byte),
        cmocka_unit_test(every_byte_may_be_any_other),
        cmocka_unit_test(six_names_are_reserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
