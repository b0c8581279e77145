/*
 * adapter/wire_classic: the language of the classic adapter and its emitters
 */
#include "unit/wire_classic.h"

#define CHANNELS 3

static int
decode(const void *bytes, size_t len, const struct record *record,
       struct skio__arena *arena, struct skio__wire_message *out)
{
    return skio__wire_classic_decode(bytes, len, record->channel, &wire_limits,
                                     arena, out);
}

/* ---- Both ways ---- */

static void
what_node_wrote_is_decoded(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < RECORDS; i++) {
        const struct record *r = &records[i];
        char *bytes = wire_exactly(r->bytes, r->len);
        struct skio__wire_message got;

        memset(&got, 0xee, sizeof got);
        assert_int_equal(decode(bytes, r->len, r, &arena, &got), SKIO_OK);
        wire_assert_same(r->name, &got, &r->message);
        free(bytes);
    }
    skio__arena_deinit(&arena);
    assert_int_equal(alloc.live, 0);
}

static void
what_is_encoded_equals_nodes_bytes(void **state)
{
    struct test_alloc alloc;
    struct skio__buf out;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    for (i = 0; i < RECORDS; i++) {
        const struct record *r = &records[i];

        if (!r->also_back)
            continue;
        skio__buf_reset(&out);
        assert_int_equal(skio__wire_classic_encode(&out, &r->message), SKIO_OK);
        wire_assert_bytes(r->name, &out, r->bytes, r->len);
    }
    skio__buf_deinit(&out);
    assert_int_equal(alloc.live, 0);
}

/* What is no recording because Node says it another way, or not at all. */
static void
other_forms_are_encoded(void **state)
{
    const struct {
        struct skio__wire_message message;
        const char *bytes;
        size_t len;
    } cases[] = {
        /* Bytes in JSON are what JSON.stringify() makes of a Buffer. */
        {{.type = SKIO__WIRE_SERVER_SIDE_EMIT,
          .uid = B("u"),
          .json = B("[\"hello\"," HOLDER("0") "]"),
          BYTES(B("\1\2"))},
         T("{\"uid\":\"u\",\"type\":6,\"data\":[\"hello\","
           "{\"type\":\"Buffer\",\"data\":[1,2]}]}")},
        {{.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
          .request = B("rr"),
          .json = B(HOLDER("0")),
          BYTES(B("\7\10"))},
         T("{\"type\":6,\"requestId\":\"rr\","
           "\"data\":{\"type\":\"Buffer\",\"data\":[7,8]}}")},
        /* Sockets that were fetched. */
        {{.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE,
          .request = B("rr"),
          .json = B("[{\"data\":" HOLDER("0") "}]"),
          BYTES(B(""))},
         T("{\"requestId\":\"rr\",\"sockets\":[{\"data\":"
           "{\"type\":\"Buffer\",\"data\":[]}}]}")},
        /* Rooms as a list of names, and none. */
        {{.type = SKIO__WIRE_RESPONSE,
          .request = B("rr"),
          .has_rooms = true,
          .rooms = NAMES("a", "\"b")},
         T("{\"requestId\":\"rr\",\"rooms\":[\"a\",\"\\\"b\"]}")},
        {{.type = SKIO__WIRE_RESPONSE, .request = B("rr"), .has_rooms = true},
         T("{\"requestId\":\"rr\",\"rooms\":[]}")},
        /* A session that was taken. */
        {{.type = SKIO__WIRE_DISCONNECT_SOCKETS,
          .uid = B("u"),
          .to = NAMES("sid"),
          .taken = true},
         T("{\"uid\":\"u\",\"type\":4,\"opts\":{\"rooms\":[\"sid\"],"
           "\"except\":[]},\"close\":false,\"taken\":true}")},
        {{.type = SKIO__WIRE_SOCKETS_JOIN,
          .uid = B("u"),
          .rooms = NAMES("x"),
          .taken = true},
         T("{\"uid\":\"u\",\"type\":2,\"opts\":{\"rooms\":[],\"except\":[]},"
           "\"rooms\":[\"x\"]}")},
    };
    struct test_alloc alloc;
    struct skio__buf out;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        skio__buf_reset(&out);
        assert_int_equal(skio__wire_classic_encode(&out, &cases[i].message),
                         SKIO_OK);
        wire_assert_bytes("other form", &out, cases[i].bytes, cases[i].len);
    }
    skio__buf_deinit(&out);
}

static void
what_cannot_be_said_is_refused_and_nothing_written(void **state)
{
    const struct skio__wire_message cases[] = {
        {.type = (enum skio__wire_type)0},
        {.type = SKIO__WIRE_INITIAL_HEARTBEAT},
        {.type = SKIO__WIRE_HEARTBEAT},
        {.type = SKIO__WIRE_ADAPTER_CLOSE},
        {.type = (enum skio__wire_type)104},
        {.type = SKIO__WIRE_BROADCAST, .nsp = B("/")},
        {.type = SKIO__WIRE_BROADCAST, .nsp = B("/"), .request = B("r")},
        {.type = SKIO__WIRE_SERVER_SIDE_EMIT},
        {.type = SKIO__WIRE_SOCKETS_JOIN,
         .is_legacy = true,
         .rooms = NAMES("r")},
        {.type = SKIO__WIRE_SOCKETS_LEAVE, .is_legacy = true, .to = NAMES("s")},
        {.type = SKIO__WIRE_DISCONNECT_SOCKETS, .is_legacy = true},
        {.type = SKIO__WIRE_FETCH_SOCKETS},
        {.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE, .json = B("[]")},
        {.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE, .request = B("r")},
        {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE},
        {.type = SKIO__WIRE_BROADCAST_CLIENT_COUNT},
        {.type = SKIO__WIRE_BROADCAST_ACK},
        {.type = SKIO__WIRE_SOCKETS},
        {.type = SKIO__WIRE_ALL_ROOMS},
        {.type = SKIO__WIRE_RESPONSE, .json = B("[]")},
    };
    struct test_alloc alloc;
    struct skio__buf out;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    skio__buf_append_str(&out, "before");
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(skio__wire_classic_encode(&out, &cases[i]),
                         SKIO_EINVAL);
        wire_assert_bytes("refused", &out, T("before"));
    }
    skio__buf_deinit(&out);
}

/* ---- What others say ---- */

#define PACKET "{\"type\":2,\"data\":[\"ev\"],\"nsp\":\"/n\"}"

struct verdict {
    const char *text;
    size_t len;
    int err;
};

static void
assert_verdicts(enum skio__wire_classic_channel channel,
                const struct verdict *verdicts, size_t count)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < count; i++) {
        const struct verdict *v = &verdicts[i];
        char *bytes = wire_exactly(v->text, v->len);
        struct skio__wire_message got;
        struct skio__wire_message before;
        int err;

        memset(&before, 0xee, sizeof before);
        got = before;
        err = skio__wire_classic_decode(bytes, v->len, channel, &wire_limits,
                                        &arena, &got);
        if (err != v->err)
            fail_msg("%s: %s", v->text, skio_err_name(err));
        if (err != SKIO_OK)
            assert_memory_equal(&got, &before, sizeof got);
        free(bytes);
    }
    skio__arena_deinit(&arena);
    assert_int_equal(alloc.live, 0);
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The array may be JSON, too: a server may have a parser of its own. */
static void
parts_of_a_broadcast_may_be_missing_or_wrong(void **state)
{
    static const struct verdict verdicts[] = {
        {T("[\"u\"," PACKET ",{}]"), SKIO_OK},
        {T("[\"u\"," PACKET ",{},1,[]]"), SKIO_OK},
        {T("[null," PACKET ",{\"rooms\":null,\"flags\":[]}]"), SKIO_OK},
        {T("[\"u\",{\"type\":2,\"data\":[\"ev\"]},{}]"), SKIO_OK},
        {T("[\"u\",{\"type\":5,\"data\":[\"ev\"]},{}]"), SKIO_OK},
        {T("[\"u\"," PACKET "]"), SKIO_EPROTO},
        {T("[\"u\"]"), SKIO_EPROTO},
        {T("[]"), SKIO_EPROTO},
        {T(""), SKIO_EPROTO},
        {T("{\"uid\":\"u\",\"type\":7,\"requestId\":\"r\",\"packet\":" PACKET
           ",\"opts\":{}}"),
         SKIO_EPROTO},
        {T("[1," PACKET ",{}]"), SKIO_EPROTO},
        {T("[{}," PACKET ",{}]"), SKIO_EPROTO},
        {T("[\"u\",null,{}]"), SKIO_EPROTO},
        {T("[\"u\",[],{}]"), SKIO_EPROTO},
        {T("[\"u\",{},{}]"), SKIO_EPROTO},
        {T("[\"u\"," PACKET ",null]"), SKIO_EPROTO},
        {T("[\"u\"," PACKET ",[]]"), SKIO_EPROTO},
        {T("[\"u\"," PACKET ",{\"rooms\":\"a\"}]"), SKIO_EPROTO},
        {T("[\"u\",{\"type\":2,\"data\":[\"ev\"],\"nsp\":null},{}]"),
         SKIO_EPROTO},
        {T("[\"u\",{\"type\":2,\"data\":[\"ev\"],\"nsp\":1},{}]"), SKIO_EPROTO},
        {T("[\"u\",{\"data\":[\"ev\"],\"nsp\":\"/\"},{}]"), SKIO_EPROTO},
        {T("[\"u\",{\"type\":1,\"data\":[\"ev\"],\"nsp\":\"/\"},{}]"),
         SKIO_EPROTO},
        {T("[\"u\",{\"type\":2,\"data\":[],\"nsp\":\"/\"},{}]"), SKIO_EPROTO},
        {T("[\"u\",{\"type\":2,\"nsp\":\"/\"},{}]"), SKIO_EPROTO},
        {T("[\"u\",{\"type\":2,\"data\":{},\"nsp\":\"/\"},{}]"), SKIO_EPROTO},
        {T("[\"\xc0\"," PACKET ",{}]"), SKIO_EUTF8},
        {T("\x93\xa1u\x83\xa4type\x02\xa4"
           "data\x91\xa2"
           "ev\xa3nsp\xa1/\x80"),
         SKIO_OK},
        /* Trailing bytes. */
        {T("\x93\xa1u\x83\xa4type\x02\xa4"
           "data\x91\xa2"
           "ev\xa3nsp\xa1/\x80\x00"),
         SKIO_EPROTO},
        /* Bytes where there are none. */
        {T("\x93\xc4\x01u\x83\xa4type\x02\xa4"
           "data\x91\xa2"
           "ev\xa3nsp\xa1/\x80"),
         SKIO_EPROTO},
        {T("\x94\xa1u\x83\xa4type\x02\xa4"
           "data\x91\xa2"
           "ev\xa3nsp\xa1/\x80\xc4\x00"),
         SKIO_EPROTO},
    };

    (void)state;
    assert_verdicts(SKIO__WIRE_CLASSIC_BROADCAST, verdicts, COUNT_OF(verdicts));
}

static void
a_packet_without_namespace_is_of_the_main_one(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio__wire_message got;
    static const char text[] = "[\"u\",{\"type\":2,\"data\":[\"ev\"]},{}]";

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    assert_int_equal(skio__wire_classic_decode(text, sizeof text - 1,
                                               SKIO__WIRE_CLASSIC_BROADCAST,
                                               &wire_limits, &arena, &got),
                     SKIO_OK);
    assert_int_equal(got.nsp.len, 1);
    assert_memory_equal(got.nsp.data, "/", 1);
    skio__arena_deinit(&arena);
}

static void
members_of_a_request_may_be_missing_or_wrong(void **state)
{
    static const struct verdict verdicts[] = {
        {T("{\"type\":0,\"requestId\":\"r\"}"), SKIO_OK},
        {T("{\"type\":0,\"requestId\":\"r\",\"rooms\":[\"a\"]}"), SKIO_OK},
        {T("{\"type\":0,\"requestId\":\"r\",\"rooms\":\"a\"}"), SKIO_EPROTO},
        {T("{\"type\":0,\"rooms\":[]}"), SKIO_EPROTO},
        {T("{\"type\":1,\"requestId\":\"r\",\"uid\":null}"), SKIO_OK},
        {T("{\"type\":1,\"requestId\":\"r\",\"uid\":1}"), SKIO_EPROTO},
        {T("{\"type\":1,\"requestId\":7}"), SKIO_EPROTO},
        {T("{\"type\":1}"), SKIO_EPROTO},

        {T("{\"type\":2,\"opts\":{},\"rooms\":[\"a\"]}"), SKIO_OK},
        {T("{\"type\":2,\"opts\":{}}"), SKIO_OK},
        {T("{\"type\":2,\"opts\":{},\"rooms\":\"a\"}"), SKIO_EPROTO},
        {T("{\"type\":2,\"opts\":[],\"rooms\":[\"a\"]}"), SKIO_EPROTO},
        {T("{\"type\":2,\"opts\":\"x\",\"rooms\":[\"a\"]}"), SKIO_EPROTO},
        {T("{\"type\":2,\"opts\":{\"except\":{}},\"rooms\":[\"a\"]}"),
         SKIO_EPROTO},
        {T("{\"type\":2,\"sid\":\"s\",\"room\":\"a\"}"), SKIO_OK},
        {T("{\"type\":2,\"opts\":null,\"sid\":\"s\",\"room\":1}"), SKIO_OK},
        {T("{\"type\":2,\"opts\":0,\"sid\":\"s\",\"room\":\"a\"}"), SKIO_OK},
        {T("{\"type\":2,\"room\":\"a\"}"), SKIO_EPROTO},
        {T("{\"type\":2,\"sid\":null,\"room\":\"a\"}"), SKIO_EPROTO},
        {T("{\"type\":2,\"sid\":[],\"room\":\"a\"}"), SKIO_EPROTO},
        {T("{\"type\":2,\"sid\":\"s\"}"), SKIO_EPROTO},
        {T("{\"type\":2,\"sid\":\"s\",\"room\":[\"a\"]}"), SKIO_EPROTO},
        {T("{\"type\":2,\"rooms\":[\"a\"]}"), SKIO_EPROTO},
        {T("{\"type\":3,\"sid\":\"s\",\"room\":\"a\\u0000\"}"), SKIO_EPROTO},
        {T("{\"type\":3,\"sid\":\"s\",\"room\":\"a\",\"requestId\":1}"),
         SKIO_EPROTO},
        {T("{\"type\":4,\"sid\":\"s\"}"), SKIO_OK},
        {T("{\"type\":4,\"opts\":{}}"), SKIO_OK},
        {T("{\"type\":4,\"opts\":{},\"close\":\"x\"}"), SKIO_OK},
        {T("{\"type\":4}"), SKIO_EPROTO}, /* not: everybody */
        {T("{\"type\":4,\"close\":true}"), SKIO_EPROTO},

        {T("{\"type\":5,\"requestId\":\"r\",\"opts\":{}}"), SKIO_OK},
        {T("{\"type\":5,\"requestId\":\"r\"}"), SKIO_EPROTO},
        {T("{\"type\":5,\"opts\":{}}"), SKIO_EPROTO},
        {T("{\"type\":6,\"data\":[\"ev\"]}"), SKIO_OK},
        {T("{\"type\":6,\"data\":[\"ev\"],\"requestId\":null}"), SKIO_OK},
        {T("{\"type\":6,\"data\":[]}"), SKIO_EPROTO},
        {T("{\"type\":6,\"data\":{}}"), SKIO_EPROTO},
        {T("{\"type\":6}"), SKIO_EPROTO},
        {T("\x82\xa4type\x06\xa4"
           "data\x92\xa2"
           "ev\xc4\x01x"),
         SKIO_OK},
        {T("{\"type\":7,\"requestId\":\"r\",\"packet\":" PACKET
           ",\"opts\":{}}"),
         SKIO_OK},
        {T("{\"type\":7,\"requestId\":\"r\",\"opts\":{},\"packet\":"
           "{\"type\":2,\"data\":[\"ev\"]}}"),
         SKIO_OK},
        {T("{\"type\":7,\"requestId\":\"r\",\"opts\":{},\"packet\":"
           "{\"type\":2,\"data\":[\"ev\"],\"nsp\":1}}"),
         SKIO_EPROTO},
        {T("{\"type\":7,\"packet\":" PACKET ",\"opts\":{}}"), SKIO_EPROTO},
        {T("{\"type\":7,\"requestId\":\"r\",\"packet\":" PACKET "}"),
         SKIO_EPROTO},
        {T("{\"type\":7,\"requestId\":\"r\",\"opts\":{}}"), SKIO_EPROTO},
        {T("{\"type\":8,\"requestId\":\"r\",\"clientCount\":1}"), SKIO_EPROTO},
        {T("{\"type\":9,\"requestId\":\"r\",\"packet\":1}"), SKIO_EPROTO},
        {T("{\"type\":-1,\"requestId\":\"r\"}"), SKIO_EPROTO},
        {T("{\"type\":\"1\",\"requestId\":\"r\"}"), SKIO_EPROTO},
        {T("{\"type\":null,\"requestId\":\"r\"}"), SKIO_EPROTO},
        {T("{\"requestId\":\"r\"}"), SKIO_EPROTO},
        {T("{}"), SKIO_EPROTO},
        {T("[\"u\"," PACKET ",{}]"), SKIO_EPROTO},
        {T(""), SKIO_EPROTO},
        {T("{"), SKIO_EPROTO},
        {T("\xc0"), SKIO_EPROTO},
    };

    (void)state;
    assert_verdicts(SKIO__WIRE_CLASSIC_REQUEST, verdicts, COUNT_OF(verdicts));
}

static void
members_of_a_response_may_be_missing_or_wrong(void **state)
{
    static const struct verdict verdicts[] = {
        {T("{\"requestId\":\"r\"}"), SKIO_OK},
        {T("{\"requestId\":\"r\",\"type\":null}"), SKIO_OK},
        {T("{\"requestId\":\"r\",\"type\":5,\"sockets\":[]}"), SKIO_OK},
        {T("{\"requestId\":\"r\",\"sockets\":{}}"), SKIO_OK},
        {T("{\"requestId\":\"r\",\"rooms\":null}"), SKIO_OK},
        {T("{\"requestId\":\"r\",\"type\":6}"), SKIO_OK},
        {T("{\"requestId\":\"r\",\"type\":6,\"data\":null}"), SKIO_OK},
        {T("{\"requestId\":\"r\",\"type\":8,\"clientCount\":0}"), SKIO_OK},
        {T("{\"requestId\":\"r\",\"type\":9}"), SKIO_OK},
        {T("{\"requestId\":\"\"}"), SKIO_EPROTO},
        {T("{\"requestId\":7}"), SKIO_EPROTO},
        {T("{\"requestId\":null,\"sockets\":[]}"), SKIO_EPROTO},
        {T("{\"sockets\":[]}"), SKIO_EPROTO},
        {T("{\"requestId\":\"r\",\"type\":\"6\"}"), SKIO_EPROTO},
        {T("{\"requestId\":\"r\",\"type\":10}"), SKIO_EPROTO},
        {T("{\"requestId\":\"r\",\"type\":8}"), SKIO_EPROTO},
        {T("{\"requestId\":\"r\",\"type\":8,\"clientCount\":null}"),
         SKIO_EPROTO},
        {T("{\"requestId\":\"r\",\"type\":8,\"clientCount\":-1}"), SKIO_EPROTO},
        {T("{\"requestId\":\"r\",\"type\":8,\"clientCount\":\"1\"}"),
         SKIO_EPROTO},
        {T("[]"), SKIO_EPROTO},
        {T(""), SKIO_EPROTO},
        {T("{\"requestId\":\"r\"},"), SKIO_EPROTO},
        {T("\x81\xa9requestId\xa1r"), SKIO_OK},
        {T("\x82\xa9requestId\xa1r\xa7sockets\x91\xc4\x01x"), SKIO_OK},
        {T("\x83\xa9requestId\xa1r\xa7sockets\x90\xa5rooms\x91\xc4\x01x"),
         SKIO_EPROTO},
    };

    (void)state;
    assert_verdicts(SKIO__WIRE_CLASSIC_RESPONSE, verdicts, COUNT_OF(verdicts));
}

static void
sockets_come_before_rooms(void **state)
{
    static const struct {
        const char *text;
        const char *json;
        bool has_rooms;
    } cases[] = {
        {"{\"requestId\":\"r\",\"rooms\":[1],\"sockets\":[2]}", "[2]", false},
        {"{\"requestId\":\"r\",\"rooms\":[1],\"sockets\":2}", "[1]", true},
        {"{\"requestId\":\"r\",\"rooms\":1,\"sockets\":2}", "", false},
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct skio__wire_message got;

        assert_int_equal(skio__wire_classic_decode(cases[i].text,
                                                   strlen(cases[i].text),
                                                   SKIO__WIRE_CLASSIC_RESPONSE,
                                                   &wire_limits, &arena, &got),
                         SKIO_OK);
        assert_int_equal(got.type, SKIO__WIRE_RESPONSE);
        assert_int_equal(got.has_rooms, cases[i].has_rooms);
        assert_int_equal(got.json.len, strlen(cases[i].json));
        if (got.json.len > 0)
            assert_memory_equal(got.json.data, cases[i].json, got.json.len);
    }
    skio__arena_deinit(&arena);
}

/* Only broadcasts have them there. */
static void
flags_of_an_operation_are_ignored(void **state)
{
    static const struct {
        const char *text;
        unsigned flags;
        uint32_t timeout_ms;
    } cases[] = {
#define OPTS "\"opts\":{\"flags\":{\"volatile\":true,\"timeout\":5}}"
        {"{\"type\":2," OPTS "}", 0, 0},
        {"{\"type\":4," OPTS "}", 0, 0},
        {"{\"type\":5,\"requestId\":\"r\"," OPTS "}", 0, 0},
        {"{\"type\":7,\"requestId\":\"r\",\"packet\":" PACKET "," OPTS "}",
         SKIO_VOLATILE, 5},
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct skio__wire_message got;

        assert_int_equal(skio__wire_classic_decode(cases[i].text,
                                                   strlen(cases[i].text),
                                                   SKIO__WIRE_CLASSIC_REQUEST,
                                                   &wire_limits, &arena, &got),
                         SKIO_OK);
        assert_int_equal(got.flags, cases[i].flags);
        assert_int_equal(got.timeout_ms, cases[i].timeout_ms);
    }
    skio__arena_deinit(&arena);
}

/* ---- Limits ---- */

static void
limits_are_kept_at_each_end(void **state)
{
    static const struct {
        enum skio__wire_classic_channel channel;
        const char *text;
        struct skio__wire_limits limits;
        int err;
    } cases[] = {
        {SKIO__WIRE_CLASSIC_BROADCAST,
         "[\"u\"," PACKET ",{}]",
         {1, 0, 0, 2},
         SKIO_OK},
        {SKIO__WIRE_CLASSIC_BROADCAST,
         "[\"u\"," PACKET ",{}]",
         {0, 0, 0, 2},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_BROADCAST,
         "[\"u\"," PACKET ",{}]",
         {1, 0, 0, 1},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_BROADCAST,
         "[\"uid\"," PACKET ",{}]",
         {1, 0, 0, 3},
         SKIO_OK},
        {SKIO__WIRE_CLASSIC_BROADCAST,
         "[\"uid\"," PACKET ",{}]",
         {1, 0, 0, 2},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_REQUEST,
         "{\"type\":6,\"data\":[\"e\",[]]}",
         {2, 0, 0, 0},
         SKIO_OK},
        {SKIO__WIRE_CLASSIC_REQUEST,
         "{\"type\":6,\"data\":[\"e\",[]]}",
         {1, 0, 0, 0},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_REQUEST,
         "{\"type\":6,\"data\":[\"e\",[[[]]]]}",
         {1, 0, 0, 0},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_REQUEST,
         "{\"type\":0,\"requestId\":\"r\",\"rooms\":[\"a\",\"b\"]}",
         {1, 0, 2, 1},
         SKIO_OK},
        {SKIO__WIRE_CLASSIC_REQUEST,
         "{\"type\":0,\"requestId\":\"r\",\"rooms\":[\"a\",\"b\"]}",
         {1, 0, 1, 1},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_REQUEST,
         "{\"type\":2,\"sid\":\"s\",\"room\":\"abc\"}",
         {1, 0, 1, 3},
         SKIO_OK},
        {SKIO__WIRE_CLASSIC_REQUEST,
         "{\"type\":2,\"sid\":\"s\",\"room\":\"abc\"}",
         {1, 0, 1, 2},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_REQUEST,
         "{\"type\":2,\"sid\":\"s\",\"room\":\"abc\"}",
         {1, 0, 0, 3},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_RESPONSE,
         "{\"requestId\":\"r\",\"rooms\":[[]]}",
         {2, 0, 0, 1},
         SKIO_OK},
        {SKIO__WIRE_CLASSIC_RESPONSE,
         "{\"requestId\":\"r\",\"rooms\":[[]]}",
         {1, 0, 0, 1},
         SKIO_ELIMIT},
        {SKIO__WIRE_CLASSIC_RESPONSE,
         "\x81\xa9requestId\xa1r",
         {1, 0, 0, 1},
         SKIO_OK},
        {SKIO__WIRE_CLASSIC_RESPONSE,
         "\x82\xa9requestId\xa1r\xa7sockets\x92\xc4\x01x\xc4\x01x",
         {2, 2, 0, 1},
         SKIO_OK},
        {SKIO__WIRE_CLASSIC_RESPONSE,
         "\x82\xa9requestId\xa1r\xa7sockets\x92\xc4\x01x\xc4\x01x",
         {2, 1, 0, 1},
         SKIO_ELIMIT},
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct skio__wire_message got;
        int err =
            skio__wire_classic_decode(cases[i].text, strlen(cases[i].text),
                                      cases[i].channel, &cases[i].limits,
                                      &arena, &got);

        if (err != cases[i].err)
            fail_msg("case %zu, %s: %s", i, cases[i].text, skio_err_name(err));
    }
    skio__arena_deinit(&arena);
}

static void
a_full_buffer_is_left_as_it_was(void **state)
{
    struct test_alloc alloc;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    for (i = 0; i < RECORDS; i++) {
        const struct record *r = &records[i];
        size_t max;

        for (max = 2; r->also_back && max <= r->len + 1; max++) {
            struct skio__buf out;

            skio__buf_init(&out, &alloc.allocator);
            out.max = max;
            skio__buf_append_str(&out, "be");
            assert_int_equal(skio__wire_classic_encode(&out, &r->message),
                             SKIO_ETOOBIG);
            wire_assert_bytes(r->name, &out, T("be"));
            skio__buf_deinit(&out);
        }
    }
    assert_int_equal(alloc.live, 0);
}

/* ---- Cuts, memory, chance ---- */

static void
a_message_that_is_cut_is_refused(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < RECORDS; i++) {
        const struct record *r = &records[i];
        size_t len;

        for (len = 0; len < r->len; len++) {
            char *bytes = wire_exactly(r->bytes, len);
            const struct skio__arena_mark before = skio__arena_mark(&arena);
            struct skio__arena_mark after;
            struct skio__wire_message got;

            assert_int_equal(decode(bytes, len, r, &arena, &got), SKIO_EPROTO);
            after = skio__arena_mark(&arena);
            assert_true(before.chunk == NULL || before.used == after.used);
            free(bytes);
        }
    }
    skio__arena_deinit(&arena);
    assert_int_equal(alloc.live, 0);
}

static void
a_message_of_another_channel_is_refused_or_harmless(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < RECORDS * CHANNELS; i++) {
        const struct record *r = &records[i / CHANNELS];
        const enum skio__wire_classic_channel channel =
            (enum skio__wire_classic_channel)(i % CHANNELS);
        struct skio__wire_message got;
        int err = skio__wire_classic_decode(r->bytes, r->len, channel,
                                            &wire_limits, &arena, &got);

        assert_true(err == SKIO_OK || err == SKIO_EPROTO);
        if (err != SKIO_OK || channel == r->channel)
            continue;
        /* Requests and responses share what they look like, no more. */
        assert_int_not_equal(channel, SKIO__WIRE_CLASSIC_BROADCAST);
        assert_int_not_equal(r->channel, SKIO__WIRE_CLASSIC_BROADCAST);
    }
    skio__arena_deinit(&arena);
}

static void
without_memory_nothing_is_left(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < RECORDS; i++) {
        const struct record *r = &records[i];
        size_t n = 0;
        int err;

        do {
            struct test_alloc alloc;
            struct skio__arena arena;
            struct skio__wire_message got;
            struct skio__buf out;

            test_alloc_init(&alloc);
            skio__arena_init(&arena, &alloc.allocator, 0);
            skio__buf_init(&out, &alloc.allocator);
            test_alloc_fail(&alloc, ++n);
            err = decode(r->bytes, r->len, r, &arena, &got);
            if (err == SKIO_OK)
                err = skio__wire_classic_encode(&out, &r->message);
            assert_true(err == SKIO_ENOMEM || alloc.failed == 0);
            if (err != SKIO_OK)
                assert_int_equal(out.len, 0);
            skio__arena_deinit(&arena);
            skio__buf_deinit(&out);
            assert_int_equal(alloc.live, 0);
        } while (err == SKIO_ENOMEM && n < 100);
        assert_int_equal(err, SKIO_OK);
    }
}

/* What was taken is said again, and taken again, without a change; but bytes
 * in JSON become arrays of numbers. */
static bool
survives(const struct record *r, const char *bytes, size_t len,
         struct skio__arena *arena, const skio_allocator *mem)
{
    struct skio__wire_message first;
    struct skio__wire_message second;
    struct skio__buf said;
    struct skio__buf again;
    const char *where;

    if (decode(bytes, len, r, arena, &first) != SKIO_OK)
        return false;
    skio__buf_init(&said, mem);
    skio__buf_init(&again, mem);
    assert_int_equal(skio__wire_classic_encode(&said, &first), SKIO_OK);
    assert_int_equal(decode(said.data, said.len, r, arena, &second), SKIO_OK);
    assert_int_equal(skio__wire_classic_encode(&again, &second), SKIO_OK);
    if (first.attachment_count == 0) {
        where = wire_difference(&first, &second);
        /* A number that is written otherwise becomes Node's. */
        if (where != NULL && strcmp(where, "json") != 0)
            fail_msg("%s differs: %.*s", where, (int)said.len, said.data);
    }
    if (second.attachment_count == first.attachment_count)
        wire_assert_bytes(r->name, &again, said.data, said.len);
    skio__buf_deinit(&said);
    skio__buf_deinit(&again);
    return true;
}

static void
random_changes_are_refused_or_taken_whole(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    uint64_t seed = 1121;
    size_t taken = 0;
    int i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < 20000; i++) {
        const struct record *r = &records[wire_random(&seed, RECORDS)];
        const struct skio__arena_mark mark = skio__arena_mark(&arena);
        char room[LONGEST + 64];
        size_t len = r->len;
        char *bytes;

        assert_true(len <= LONGEST);
        memcpy(room, r->bytes, len);
        len = wire_mutate(&seed, room, len, sizeof room);
        bytes = wire_exactly(room, len);
        taken += survives(r, bytes, len, &arena, &alloc.allocator);
        free(bytes);
        skio__arena_release(&arena, mark);
    }
    skio__arena_deinit(&arena);
    assert_int_equal(alloc.live, 0);
    assert_true(taken > 1000 && taken < 19000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_node_wrote_is_decoded),
        cmocka_unit_test(what_is_encoded_equals_nodes_bytes),
        cmocka_unit_test(other_forms_are_encoded),
        cmocka_unit_test(what_cannot_be_said_is_refused_and_nothing_written),
        cmocka_unit_test(parts_of_a_broadcast_may_be_missing_or_wrong),
        cmocka_unit_test(a_packet_without_namespace_is_of_the_main_one),
        cmocka_unit_test(members_of_a_request_may_be_missing_or_wrong),
        cmocka_unit_test(members_of_a_response_may_be_missing_or_wrong),
        cmocka_unit_test(sockets_come_before_rooms),
        cmocka_unit_test(flags_of_an_operation_are_ignored),
        cmocka_unit_test(limits_are_kept_at_each_end),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(a_message_that_is_cut_is_refused),
        cmocka_unit_test(a_message_of_another_channel_is_refused_or_harmless),
        cmocka_unit_test(without_memory_nothing_is_left),
        cmocka_unit_test(random_changes_are_refused_or_taken_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
