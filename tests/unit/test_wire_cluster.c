/*
 * adapter/wire_cluster: the language of socket.io-adapter's cluster messages
 */
#include "unit/wire_cluster.h"

#include "base/msgpack.h"

static int
encode(struct skio__buf *out, const struct skio__wire_message *message,
       enum way way)
{
    if (way == ENTRY || way == PLAIN)
        return skio__wire_cluster_encode_data(out, message, way == PLAIN);
    return skio__wire_cluster_encode(out, message, way == PACKED);
}

static int
decode_within(const void *bytes, size_t len, const struct record *record,
              const struct skio__wire_limits *limits, struct skio__arena *arena,
              struct skio__wire_message *out)
{
    memset(out, 0, sizeof(*out));
    if (record->way != ENTRY && record->way != PLAIN)
        return skio__wire_cluster_decode(bytes, len, limits, arena, out);
    out->type = record->message.type;
    out->uid = record->message.uid;
    out->nsp = record->message.nsp;
    return skio__wire_cluster_decode_data(bytes, len, limits, arena, out);
}

static int
decode(const void *bytes, size_t len, const struct record *record,
       struct skio__arena *arena, struct skio__wire_message *out)
{
    return decode_within(bytes, len, record, &wire_limits, arena, out);
}

/* What JSON text without its envelope is: uid "u", nsp "/n". */
static int
decode_text(int type, const char *data, const struct skio__wire_limits *limits,
            struct skio__arena *arena, struct skio__wire_message *out)
{
    char text[8192];
    int len = snprintf(text, sizeof text,
                       "{\"uid\":\"u\",\"nsp\":\"/n\",\"type\":%d,\"data\":%s}",
                       type, data);
    char *exact;
    int err;

    assert_true(len > 0 && (size_t)len < sizeof text);
    exact = wire_exactly(text, (size_t)len);
    memset(out, 0xee, sizeof(*out));
    err = skio__wire_cluster_decode(exact, (size_t)len, limits, arena, out);
    free(exact);
    return err;
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
        assert_int_equal(encode(&out, &r->message, r->way), SKIO_OK);
        wire_assert_bytes(r->name, &out, r->bytes, r->len);
    }
    skio__buf_deinit(&out);
    assert_int_equal(alloc.live, 0);
}

static void
onlyplaintext_writes_bytes_as_json_does(void **state)
{
    const struct skio__wire_message message =
        {.type = SKIO__WIRE_BROADCAST,
         .to = NAMES("r"),
         .json = B("[\"ev\"," HOLDER("0") ",{\"f\":" HOLDER("1") "}]"),
         BYTES(B("\1\2\3"), B("\xff\0"))};
    struct test_alloc alloc;
    struct skio__buf out;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    assert_int_equal(skio__wire_cluster_encode_data(&out, &message, true),
                     SKIO_OK);
    for (i = 0; i < RECORDS && records[i].way != PLAIN; i++)
        continue;
    assert_true(i < RECORDS);
    wire_assert_bytes("plain", &out, records[i].bytes, records[i].len);
    skio__buf_deinit(&out);
}

#define QUOTED "\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\""
#define FALSE "{\"_placeholder\":false,\"num\":0}"

/* What looks like a placeholder in a string, or with a number that no
 * attachment has, is left alone. */
static void
only_true_placeholders_become_bytes(void **state)
{
    const struct skio__wire_message message =
        {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
         .json = B("[" QUOTED "," HOLDER("1") "," FALSE "," HOLDER(
             "0") "," HOLDER("") "]"),
         BYTES(B(""))};
    static const char want[] =
        "{\"packet\":[" QUOTED
        "," HOLDER("1") "," FALSE ","
                        "{\"type\":\"Buffer\",\"data\":[]}," HOLDER("") "]}";
    struct test_alloc alloc;
    struct skio__buf out;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    assert_int_equal(skio__wire_cluster_encode_data(&out, &message, true),
                     SKIO_OK);
    wire_assert_bytes("placeholders", &out, T(want));
    skio__buf_deinit(&out);
}

static void
undefined_is_nil_where_all_is_messagepack(void **state)
{
    const struct skio__wire_message message = {.type = SKIO__WIRE_BROADCAST_ACK,
                                               .request = B("r")};
    struct test_alloc alloc;
    struct skio__buf out;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    assert_int_equal(skio__wire_cluster_encode(&out, &message, true), SKIO_OK);
    wire_assert_bytes("nil", &out,
                      T("\x84\xa4type\x0c\xa4"
                        "data\x82\xa9requestId\xa1r\xa6packet\xc0\xa3uid\xa0"
                        "\xa3nsp\xa0"));
    skio__buf_deinit(&out);
}

static void
a_session_that_was_taken_says_so(void **state)
{
    const struct skio__wire_message message =
        {.type = SKIO__WIRE_DISCONNECT_SOCKETS,
         .uid = B("u"),
         .nsp = B("/"),
         .to = NAMES("sid"),
         .taken = true};
    static const char want[] =
        "{\"type\":6,\"data\":{\"opts\":{\"rooms\":[\"sid\"],\"except\":[],"
        "\"flags\":{}},\"close\":false,\"taken\":true},\"uid\":\"u\","
        "\"nsp\":\"/\"}";
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio__wire_message got;
    struct skio__buf out;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    skio__arena_init(&arena, &alloc.allocator, 0);
    assert_int_equal(skio__wire_cluster_encode(&out, &message, false), SKIO_OK);
    wire_assert_bytes("taken", &out, T(want));
    assert_int_equal(skio__wire_cluster_decode(out.data, out.len, &wire_limits,
                                               &arena, &got),
                     SKIO_OK);
    wire_assert_same("taken", &got, &message);
    skio__arena_deinit(&arena);
    skio__buf_deinit(&out);
}

static void
what_cannot_be_said_is_refused_and_nothing_written(void **state)
{
    static const struct skio__wire_message cases[] = {
        {.type = (enum skio__wire_type)0},
        {.type = (enum skio__wire_type)14},
        {.type = SKIO__WIRE_SOCKETS, .request = B("r")},
        {.type = SKIO__WIRE_ALL_ROOMS, .request = B("r")},
        {.type = SKIO__WIRE_RESPONSE, .request = B("r")},
        {.type = SKIO__WIRE_BROADCAST},
        {.type = SKIO__WIRE_SERVER_SIDE_EMIT},
        {.type = SKIO__WIRE_FETCH_SOCKETS},
        {.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE, .json = B("[]")},
        {.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE, .request = B("r")},
        {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE, .json = B("1")},
        {.type = SKIO__WIRE_BROADCAST_CLIENT_COUNT},
        {.type = SKIO__WIRE_BROADCAST_ACK},
    };
    struct test_alloc alloc;
    struct skio__buf out;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    skio__buf_append_str(&out, "before");
    for (i = 0; i < 4 * sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(encode(&out, &cases[i / 4], (enum way)(i % 4)),
                         SKIO_EINVAL);
        wire_assert_bytes("refused", &out, T("before"));
    }
    skio__buf_deinit(&out);
}

/* ---- What others say ---- */

#define OPTS "\"opts\":{\"rooms\":[\"a\"],\"except\":[],\"flags\":{}}"
#define PACKET "\"packet\":{\"type\":2,\"data\":[\"ev\"]}"

/* JSON of data, and what comes of it. */
static void
members_may_be_missing_or_wrong(void **state)
{
    static const struct {
        int type;
        const char *data;
        int err;
    } cases[] = {
        {3, "{" PACKET "," OPTS "}", SKIO_OK},
        {3, "{" OPTS "," PACKET ",\"more\":[{}]}", SKIO_OK},
        {3, "{" PACKET "," OPTS ",\"requestId\":null}", SKIO_OK},
        {3, "{" PACKET "," OPTS ",\"requestId\":\"\"}", SKIO_OK},
        {3, "{" PACKET ",\"opts\":{}}", SKIO_OK},
        {3, "{" PACKET ",\"opts\":{\"flags\":[]}}", SKIO_OK},
        {3, "{" PACKET ",\"opts\":{\"flags\":null,\"rooms\":null}}", SKIO_OK},
        {3, "{\"packet\":{\"type\":5,\"data\":[\"ev\"]}," OPTS "}", SKIO_OK},
        {3, "{\"packet\":{\"type\":2,\"data\":[0]}," OPTS "}", SKIO_OK},
        {3, "{" PACKET "}", SKIO_EPROTO},
        {3, "{" OPTS "}", SKIO_EPROTO},
        {3, "{" PACKET "," OPTS ",\"requestId\":1}", SKIO_EPROTO},
        {3, "{" PACKET "," OPTS ",\"requestId\":[]}", SKIO_EPROTO},
        {3, "{" PACKET "," OPTS ",\"requestId\":\"\\u0000\"}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":null}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":[]}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":\"a\"}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":{\"rooms\":\"a\"}}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":{\"rooms\":{}}}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":{\"rooms\":1}}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":{\"rooms\":[[]]}}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":{\"rooms\":[\"a\",{}]}}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":{\"except\":true}}", SKIO_EPROTO},
        {3, "{" PACKET ",\"opts\":{\"except\":[\"\\u0000a\"]}}", SKIO_EPROTO},
        {3, "{\"packet\":null," OPTS "}", SKIO_EPROTO},
        {3, "{\"packet\":[\"ev\"]," OPTS "}", SKIO_EPROTO},
        {3, "{\"packet\":{\"data\":[\"ev\"]}," OPTS "}", SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":2}," OPTS "}", SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":0,\"data\":[\"ev\"]}," OPTS "}",
         SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":3,\"data\":[\"ev\"]}," OPTS "}",
         SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":6,\"data\":[\"ev\"]}," OPTS "}",
         SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":\"2\",\"data\":[\"ev\"]}," OPTS "}",
         SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":2,\"data\":[]}," OPTS "}", SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":2,\"data\":[null]}," OPTS "}", SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":2,\"data\":[[\"ev\"]]}," OPTS "}",
         SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":2,\"data\":{\"0\":\"ev\"}}," OPTS "}",
         SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":2,\"data\":null}," OPTS "}", SKIO_EPROTO},
        {3, "{\"packet\":{\"type\":2,\"data\":\"ev\"}," OPTS "}", SKIO_EPROTO},

        {4, "{" OPTS ",\"rooms\":[\"x\"]}", SKIO_OK},
        {4, "{" OPTS ",\"rooms\":[]}", SKIO_OK},
        {4, "{" OPTS "}", SKIO_OK},
        {4, "{\"rooms\":[\"x\"]}", SKIO_EPROTO},
        {4, "{" OPTS ",\"rooms\":{}}", SKIO_EPROTO},
        {5, "{" OPTS ",\"rooms\":\"x\"}", SKIO_EPROTO},
        {5, "{\"opts\":7,\"rooms\":[\"x\"]}", SKIO_EPROTO},
        {6, "{" OPTS "}", SKIO_OK},
        {6, "{" OPTS ",\"close\":[]}", SKIO_OK},
        {6, "{\"close\":true}", SKIO_EPROTO},
        {6, "{}", SKIO_EPROTO},
        {7, "{" OPTS ",\"requestId\":\"r\"}", SKIO_OK},
        {7, "{" OPTS "}", SKIO_EPROTO},
        {7, "{\"requestId\":\"r\"}", SKIO_EPROTO},
        {8, "{\"requestId\":\"r\",\"sockets\":[]}", SKIO_OK},
        {8, "{\"requestId\":\"r\"}", SKIO_EPROTO},
        {8, "{\"requestId\":\"r\",\"sockets\":{}}", SKIO_EPROTO},
        {8, "{\"requestId\":\"r\",\"sockets\":null}", SKIO_EPROTO},
        {8, "{\"sockets\":[]}", SKIO_EPROTO},
        {9, "{\"packet\":[\"ev\",1]}", SKIO_OK},
        {9, "{\"packet\":[1]}", SKIO_OK},
        {9, "{\"packet\":[]}", SKIO_EPROTO},
        {9, "{\"packet\":[true]}", SKIO_EPROTO},
        {9, "{\"packet\":\"ev\"}", SKIO_EPROTO},
        {9, "{\"requestId\":\"r\"}", SKIO_EPROTO},
        {10, "{\"requestId\":\"r\",\"packet\":null}", SKIO_OK},
        {10, "{\"requestId\":\"r\"}", SKIO_OK},
        {10, "{\"packet\":1}", SKIO_EPROTO},
        {10, "{\"requestId\":false,\"packet\":1}", SKIO_EPROTO},
        {11, "{\"requestId\":\"r\",\"clientCount\":0}", SKIO_OK},
        {11, "{\"requestId\":\"r\",\"clientCount\":9007199254740991}", SKIO_OK},
        {11, "{\"requestId\":\"r\",\"clientCount\":9007199254740992}",
         SKIO_EPROTO},
        {11, "{\"requestId\":\"r\",\"clientCount\":-1}", SKIO_EPROTO},
        {11, "{\"requestId\":\"r\",\"clientCount\":1.5}", SKIO_EPROTO},
        {11, "{\"requestId\":\"r\",\"clientCount\":\"1\"}", SKIO_EPROTO},
        {11, "{\"requestId\":\"r\",\"clientCount\":null}", SKIO_EPROTO},
        {11, "{\"requestId\":\"r\"}", SKIO_EPROTO},
        {11, "{\"clientCount\":1}", SKIO_EPROTO},
        {12, "{\"requestId\":\"r\",\"packet\":[]}", SKIO_OK},
        {12, "{\"packet\":[]}", SKIO_EPROTO},

        {1, "null", SKIO_OK},
        {2, "{\"packet\":7}", SKIO_OK},
        {13, "[]", SKIO_OK},
        {3, "null", SKIO_EPROTO},
        {3, "[]", SKIO_EPROTO},
        {3, "\"{}\"", SKIO_EPROTO},
        {0, "{" PACKET "," OPTS "}", SKIO_EPROTO},
        {14, "{" PACKET "," OPTS "}", SKIO_EPROTO},
        {-3, "{" PACKET "," OPTS "}", SKIO_EPROTO},
        {101, "{" PACKET "," OPTS "}", SKIO_EPROTO},
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct skio__wire_message got;
        int err = decode_text(cases[i].type, cases[i].data, &wire_limits,
                              &arena, &got);

        if (err != cases[i].err)
            fail_msg("type %d, %s: %s", cases[i].type, cases[i].data,
                     skio_err_name(err));
    }
    skio__arena_deinit(&arena);
}

static void
the_envelope_may_be_wrong(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        int err;
    } cases[] = {
        {T("{\"type\":2,\"uid\":\"u\",\"nsp\":\"/\"}"), SKIO_OK},
        {T("{\"type\":2}"), SKIO_OK},
        {T("{ \"type\" : 2 } \n"), SKIO_OK},
        {T("{\"type\":2,\"uid\":null,\"nsp\":null}"), SKIO_OK},
        {T("{\"type\":99,\"type\":2}"), SKIO_OK}, /* the last counts */
        {T("{}"), SKIO_EPROTO},
        {T("{\"uid\":\"u\",\"nsp\":\"/\"}"), SKIO_EPROTO},
        {T("{\"type\":\"2\"}"), SKIO_EPROTO},
        {T("{\"type\":2.5}"), SKIO_EPROTO},
        {T("{\"type\":1e99}"), SKIO_EPROTO},
        {T("{\"type\":3}"), SKIO_EPROTO},
        {T("{\"type\":2,\"uid\":7}"), SKIO_EPROTO},
        {T("{\"type\":2,\"uid\":[]}"), SKIO_EPROTO},
        {T("{\"type\":2,\"nsp\":{}}"), SKIO_EPROTO},
        {T("{\"type\":2,\"nsp\":\"a\\u0000\"}"), SKIO_EPROTO},
        {T("[]"), SKIO_EPROTO},
        {T("[2]"), SKIO_EPROTO},
        {T(""), SKIO_EPROTO},
        {T("{\"type\":2}}"), SKIO_EPROTO},
        {T("{\"type\":2,}"), SKIO_EPROTO},
        {T("{\"type\":2,\"uid\":\"\xff\"}"), SKIO_EUTF8},
        {T("{\"type\":2}\0"), SKIO_EPROTO},
        {T(" {\"type\":2}"), SKIO_EPROTO}, /* MessagePack's 32, and more */
        {T("\x81\xa4type\x02"), SKIO_OK},
        {T("\x81\xa4type\x02\x00"), SKIO_EPROTO},
        {T("\x92\xa4type\x02"), SKIO_EPROTO},
        {T("\x02"), SKIO_EPROTO},
        {T("\xc1"), SKIO_EPROTO},
        {T("\x82\xa4type\x02\xa3uid\xc4\x01u"), SKIO_EPROTO},
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *bytes = wire_exactly(cases[i].text, cases[i].len);
        struct skio__wire_message got;
        int err = skio__wire_cluster_decode(bytes, cases[i].len, &wire_limits,
                                            &arena, &got);

        if (err != cases[i].err)
            fail_msg("%s: %s", cases[i].text, skio_err_name(err));
        free(bytes);
    }
    skio__arena_deinit(&arena);
}

static void
data_of_an_entry_may_be_wrong(void **state)
{
    static const struct {
        enum skio__wire_type type;
        const char *data;
        int err;
    } cases[] = {
        {SKIO__WIRE_HEARTBEAT, "", SKIO_OK},
        {SKIO__WIRE_HEARTBEAT, "!", SKIO_OK},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "gaZwYWNrZXSSomV2xAEB", SKIO_OK},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "gaZwYWNrZXSRomV2", SKIO_OK},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "", SKIO_EPROTO},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "=", SKIO_EPROTO},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "\n", SKIO_EPROTO},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "gaZwYWNrZXSRomV", SKIO_EPROTO},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "gaZwYWNrZXSRomV2AA==", SKIO_EPROTO},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "gaZw!", SKIO_EPROTO},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "[]", SKIO_EPROTO},
        {SKIO__WIRE_SERVER_SIDE_EMIT, "{\"packet\":[\"ev\"]", SKIO_EPROTO},
        {(enum skio__wire_type)0, "{\"packet\":[\"ev\"]}", SKIO_EPROTO},
        {(enum skio__wire_type)14, "{\"packet\":[\"ev\"]}", SKIO_EPROTO},
        {SKIO__WIRE_RESPONSE, "{\"packet\":[\"ev\"]}", SKIO_EPROTO},
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].data);
        char *bytes = wire_exactly(cases[i].data, len);
        struct skio__wire_message got = {.type = cases[i].type,
                                         .uid = B("u"),
                                         .nsp = B("/n"),
                                         .taken = true};
        const struct skio__wire_message before = got;
        int err = skio__wire_cluster_decode_data(bytes, len, &wire_limits,
                                                 &arena, &got);

        if (err != cases[i].err)
            fail_msg("%s: %s", cases[i].data, skio_err_name(err));
        if (err != SKIO_OK)
            assert_memory_equal(&got, &before, sizeof got);
        else
            assert_false(got.taken);
        free(bytes);
    }
    skio__arena_deinit(&arena);
}

static void
flags_are_read_as_javascript_would(void **state)
{
    static const struct {
        const char *flags;
        unsigned want;
        uint32_t timeout_ms;
    } cases[] = {
        {"{}", 0, 0},
        {"{\"volatile\":true}", SKIO_VOLATILE, 0},
        {"{\"volatile\":false}", 0, 0},
        {"{\"volatile\":null}", 0, 0},
        {"{\"volatile\":1}", SKIO_VOLATILE, 0},
        {"{\"volatile\":0}", 0, 0},
        {"{\"volatile\":-0.0}", 0, 0},
        {"{\"volatile\":\"\"}", 0, 0},
        {"{\"volatile\":\"false\"}", SKIO_VOLATILE, 0},
        {"{\"volatile\":{}}", SKIO_VOLATILE, 0},
        {"{\"compress\":true}", 0, 0},
        {"{\"compress\":false}", SKIO_NO_COMPRESS, 0},
        {"{\"compress\":0}", 0, 0},
        {"{\"compress\":null}", 0, 0},
        {"{\"local\":true,\"broadcast\":true,\"binary\":false}", 0, 0},
        {"{\"timeout\":5000}", 0, 5000},
        {"{\"timeout\":2.9}", 0, 2},
        {"{\"timeout\":0.9}", 0, 0},
        {"{\"timeout\":-1}", 0, 0},
        {"{\"timeout\":\"5\"}", 0, 0},
        {"{\"timeout\":4294967295}", 0, UINT32_MAX},
        {"{\"timeout\":1e300}", 0, UINT32_MAX},
        {"{\"timeout\":7,\"compress\":false,\"volatile\":true}",
         SKIO_VOLATILE | SKIO_NO_COMPRESS, 7},
        {"[]", 0, 0},
        {"true", 0, 0},
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct skio__wire_message got;
        char text[256];

        snprintf(text, sizeof text, "{" PACKET ",\"opts\":{\"flags\":%s}}",
                 cases[i].flags);
        assert_int_equal(decode_text(3, text, &wire_limits, &arena, &got),
                         SKIO_OK);
        if (got.flags != cases[i].want || got.timeout_ms != cases[i].timeout_ms)
            fail_msg("%s: %u, %u ms", cases[i].flags, got.flags,
                     (unsigned)got.timeout_ms);
    }
    skio__arena_deinit(&arena);
}

static void
a_room_that_is_no_string_is_its_text(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio__wire_message got;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    assert_int_equal(
        decode_text(4,
                    "{\"opts\":{\"rooms\":[1,-2.5,null,true,false,\"\","
                    "\"\\u00e9\\ud83d\\ude00\"]},\"rooms\":[42]}",
                    &wire_limits, &arena, &got),
        SKIO_OK);
    assert_true(
        wire_same_names(got.to, NAMES("1", "-2.5", "null", "true", "false", "",
                                      "\xc3\xa9\xf0\x9f\x98\x80")));
    assert_true(wire_same_names(got.rooms, NAMES("42")));
    skio__arena_deinit(&arena);
}

/* ---- Attachments ---- */

static void
placeholders_of_json_are_plain_data(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio__wire_message got;
    struct skio__buf out;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    skio__buf_init(&out, &alloc.allocator);
    assert_int_equal(decode_text(9, "{\"packet\":[\"ev\"," HOLDER("0") "]}",
                                 &wire_limits, &arena, &got),
                     SKIO_OK);
    assert_int_equal(got.attachment_count, 0);

    /* And stay so in MessagePack: a map with two members. */
    got = (struct skio__wire_message){.type = SKIO__WIRE_SERVER_SIDE_EMIT,
                                      .json = B("[\"ev\"," HOLDER("0") "]")};
    assert_int_equal(skio__wire_cluster_encode(&out, &got, true), SKIO_OK);
    wire_assert_bytes("plain data", &out,
                      T("\x84\xa4type\x09\xa4"
                        "data\x81\xa6packet\x92\xa2"
                        "ev\x82\xac_placeholder\xc3\xa3num\x00\xa3uid\xa0"
                        "\xa3nsp\xa0"));
    skio__buf_deinit(&out);
    skio__arena_deinit(&arena);
}

/* MessagePack of data, type 9, and what comes of it. */
static void
bytes_belong_to_the_payload_and_have_their_number(void **state)
{
    static const struct {
        const char *packed;
        size_t len;
        int err;
        uint32_t count;
    } cases[] = {
        {T("\x81\xa6packet\x92\xa2"
           "ev\xc4\x00"),
         SKIO_OK, 1},
        /* An object of the user's that looks like the first attachment. */
        {T("\x81\xa6packet\x93\xa2"
           "ev\x82\xac_placeholder\xc3\xa3num\x00\xc4\x00"),
         SKIO_OK, 1},
        /* Like one that is not there: clients would hang up. */
        {T("\x81\xa6packet\x93\xa2"
           "ev\x82\xac_placeholder\xc3\xa3num\x01\xc4\x00"),
         SKIO_EPROTO, 0},
        {T("\x81\xa6packet\x93\xa2"
           "ev\x81\xac_placeholder\xc3\xc4\x00"),
         SKIO_EPROTO, 0},
        /* Bytes elsewhere. */
        {T("\x82\xa6packet\x91\xa2"
           "ev\xa4more\xc4\x00"),
         SKIO_EPROTO, 0},
        {T("\x82\xa9requestId\xc4\x01r\xa6packet\x91\xa2"
           "ev"),
         SKIO_EPROTO, 0},
        /* As the name. */
        {T("\x81\xa6packet\x91\xc4\x02"
           "ev"),
         SKIO_EPROTO, 0},
        /* An ext of no type that is known is [type, bytes]. */
        {T("\x81\xa6packet\x92\xa2"
           "ev\xd4\x05x"),
         SKIO_OK, 1},
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct skio__wire_message got;
        struct skio__buf out;
        int err;

        skio__buf_init(&out, &alloc.allocator);
        skio__msgpack_put_map(&out, 2);
        skio__msgpack_put_str(&out, "type", 4);
        skio__msgpack_put_u64(&out, 9);
        skio__msgpack_put_str(&out, "data", 4);
        skio__buf_append(&out, cases[i].packed, cases[i].len);
        err = skio__wire_cluster_decode(out.data, out.len, &wire_limits, &arena,
                                        &got);
        if (err != cases[i].err)
            fail_msg("case %zu: %s", i, skio_err_name(err));
        if (err == SKIO_OK)
            assert_int_equal(got.attachment_count, cases[i].count);
        skio__buf_deinit(&out);
    }
    skio__arena_deinit(&arena);
}

/* ---- Limits ---- */

/* `[[…]]`, n deep, with an event's name outside. */
static const char *
nested(uint32_t depth)
{
    static char text[2048];
    uint32_t i;
    char *pos = text;

    assert_true(depth >= 1 && depth < 512);
    pos += snprintf(text, 64, "[\"ev\"");
    for (i = 1; i < depth; i++) {
        *pos++ = i == 1 ? ',' : '[';
        if (i == 1)
            *pos++ = '[';
    }
    for (i = 0; i < depth; i++)
        *pos++ = ']';
    *pos = '\0';
    return text;
}

static int
decode_nested(uint32_t depth, uint32_t max_depth, bool packed,
              struct skio__arena *arena)
{
    const struct skio__wire_limits limits = {max_depth, 8, 16, 64};
    struct skio__wire_message message = {.type = SKIO__WIRE_BROADCAST};
    struct test_alloc alloc;
    struct skio__buf out;
    int err;

    test_alloc_init(&alloc);
    skio__buf_init(&out, &alloc.allocator);
    message.json.data = nested(depth);
    message.json.len = strlen(message.json.data);
    assert_int_equal(skio__wire_cluster_encode(&out, &message, packed),
                     SKIO_OK);
    err =
        skio__wire_cluster_decode(out.data, out.len, &limits, arena, &message);
    skio__buf_deinit(&out);
    return err;
}

static void
the_payload_may_be_as_deep_as_the_limit(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    uint32_t max;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (max = 1; max < 500; max += max < 20 ? 1 : 97) {
        int packed;

        for (packed = 0; packed < 2; packed++) {
            assert_int_equal(decode_nested(max, max, packed, &arena), SKIO_OK);
            assert_int_equal(decode_nested(max + 1, max, packed, &arena),
                             SKIO_ELIMIT);
        }
    }
    assert_int_equal(decode_nested(509, UINT32_MAX, false, &arena), SKIO_OK);
    assert_int_equal(decode_nested(510, UINT32_MAX, false, &arena),
                     SKIO_ELIMIT);
    assert_int_equal(decode_nested(510, UINT32_MAX, true, &arena), SKIO_ELIMIT);
    skio__arena_deinit(&arena);
}

static void
names_and_lists_may_be_as_long_as_their_limits(void **state)
{
    static const struct {
        const char *data;
        int type;
        uint32_t max_rooms;
        size_t max_name;
        int err;
    } cases[] = {
        {"{\"opts\":{\"rooms\":[\"a\",\"b\"]},\"rooms\":[]}", 4, 2, 9, SKIO_OK},
        {"{\"opts\":{\"rooms\":[\"a\",\"b\"]},\"rooms\":[]}", 4, 1, 9,
         SKIO_ELIMIT},
        {"{\"opts\":{\"except\":[\"a\",\"b\"]},\"rooms\":[]}", 4, 2, 9,
         SKIO_OK},
        {"{\"opts\":{\"except\":[\"a\",\"b\"]},\"rooms\":[]}", 4, 1, 9,
         SKIO_ELIMIT},
        {"{\"opts\":{},\"rooms\":[\"a\",\"b\"]}", 4, 2, 9, SKIO_OK},
        {"{\"opts\":{},\"rooms\":[\"a\",\"b\"]}", 4, 1, 9, SKIO_ELIMIT},
        {"{\"opts\":{},\"rooms\":[]}", 4, 0, 9, SKIO_OK},
        {"{\"opts\":{},\"rooms\":[\"abc\"]}", 4, 9, 3, SKIO_OK},
        {"{\"opts\":{},\"rooms\":[\"abc\"]}", 4, 9, 2, SKIO_ELIMIT},
        {"{\"opts\":{},\"rooms\":[123]}", 4, 9, 3, SKIO_OK},
        {"{\"opts\":{},\"rooms\":[123]}", 4, 9, 2, SKIO_ELIMIT},
        {"{\"opts\":{},\"rooms\":[\"\\u0041\"]}", 4, 9, 2, SKIO_OK},
        {"{\"opts\":{},\"rooms\":[\"\\u00e9x\"]}", 4, 9, 3, SKIO_OK},
        {"{\"opts\":{},\"rooms\":[\"\\u00e9x\"]}", 4, 9, 2, SKIO_ELIMIT},
        {"{\"opts\":{},\"requestId\":\"rst\"}", 7, 9, 3, SKIO_OK},
        {"{\"opts\":{},\"requestId\":\"rst\"}", 7, 9, 2, SKIO_ELIMIT},
        {"{\"opts\":{},\"requestId\":\"r\"}", 7, 9, 1, SKIO_ELIMIT}, /* nsp */
    };
    struct test_alloc alloc;
    struct skio__arena arena;
    size_t i;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct skio__wire_limits limits = {32, 8, cases[i].max_rooms,
                                                 cases[i].max_name};
        struct skio__wire_message got;
        int err =
            decode_text(cases[i].type, cases[i].data, &limits, &arena, &got);

        if (err != cases[i].err)
            fail_msg("%s: %s", cases[i].data, skio_err_name(err));
    }
    skio__arena_deinit(&arena);
}

static void
there_may_be_as_many_attachments_as_the_limit(void **state)
{
    const struct skio__wire_message message = {.type =
                                                   SKIO__WIRE_SERVER_SIDE_EMIT,
                                               .json = B("[\"ev\"," HOLDER(
                                                   "0") "," HOLDER("1") "]"),
                                               BYTES(B("a"), B("b"))};
    struct skio__wire_limits limits = wire_limits;
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio__wire_message got;
    struct skio__buf out;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 0);
    skio__buf_init(&out, &alloc.allocator);
    assert_int_equal(skio__wire_cluster_encode(&out, &message, false), SKIO_OK);
    limits.max_attachments = 2;
    assert_int_equal(skio__wire_cluster_decode(out.data, out.len, &limits,
                                               &arena, &got),
                     SKIO_OK);
    assert_int_equal(got.attachment_count, 2);
    limits.max_attachments = 1;
    assert_int_equal(skio__wire_cluster_decode(out.data, out.len, &limits,
                                               &arena, &got),
                     SKIO_ELIMIT);
    limits.max_attachments = UINT32_MAX;
    assert_int_equal(skio__wire_cluster_decode(out.data, out.len, &limits,
                                               &arena, &got),
                     SKIO_OK);
    skio__buf_deinit(&out);
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

        for (max = 2; r->also_back && r->len > 0 && max <= r->len + 1; max++) {
            struct skio__buf out;

            skio__buf_init(&out, &alloc.allocator);
            out.max = max;
            skio__buf_append_str(&out, "be");
            assert_int_equal(encode(&out, &r->message, r->way), SKIO_ETOOBIG);
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
            struct skio__wire_message got;
            struct skio__arena_mark after;

            const int err = decode(bytes, len, r, &arena, &got);

            assert_true(err == SKIO_EPROTO || err == SKIO_EUTF8);
            after = skio__arena_mark(&arena);
            assert_true(before.chunk == NULL || before.used == after.used);
            free(bytes);
        }
    }
    skio__arena_deinit(&arena);
    assert_int_equal(alloc.live, 0);
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
                err = encode(&out, &r->message, r->way);
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

/* A message may be cut by the arena's limit as well as by memory. */
static void
an_arena_at_its_limit_is_no_memory(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    struct skio__wire_message got;
    char data[7000];
    int len;

    (void)state;
    test_alloc_init(&alloc);
    skio__arena_init(&arena, &alloc.allocator, 5000);
    len = snprintf(data, sizeof data, "{\"opts\":{},\"requestId\":\"%06000d\"}",
                   1);
    assert_true(len > 6000);
    assert_int_equal(decode_text(7, data,
                                 &(struct skio__wire_limits){32, 8, 16, 8000},
                                 &arena, &got),
                     SKIO_ENOMEM);
    assert_int_equal(decode_text(7, "{\"opts\":{},\"requestId\":\"r\"}",
                                 &wire_limits, &arena, &got),
                     SKIO_OK);
    skio__arena_deinit(&arena);
}

/* What was taken is said again, and taken again, without a change. */
static bool
survives(const struct record *r, const char *bytes, size_t len,
         struct skio__arena *arena, const skio_allocator *mem)
{
    struct skio__wire_message first;
    struct skio__wire_message second;
    struct skio__buf said;
    struct skio__buf again;
    struct record same = *r;
    const char *where;

    if (decode(bytes, len, r, arena, &first) != SKIO_OK)
        return false;
    same.message = first;
    same.way = r->way == PACKED ? SHARDED : r->way;
    skio__buf_init(&said, mem);
    skio__buf_init(&again, mem);
    assert_int_equal(encode(&said, &first, same.way), SKIO_OK);
    assert_int_equal(decode(said.data, said.len, &same, arena, &second),
                     SKIO_OK);
    if (first.attachment_count == 0) {
        where = wire_difference(&first, &second);
        if (where != NULL)
            fail_msg("%s differs: %.*s", where, (int)said.len, said.data);
    }
    assert_int_equal(encode(&again, &second, same.way), SKIO_OK);
    if (second.attachment_count == first.attachment_count)
        wire_assert_bytes(r->name, &again, said.data, said.len);
    /* In MessagePack as well; a number is then written as Node would. */
    same.way = PACKED;
    skio__buf_reset(&said);
    assert_int_equal(skio__wire_cluster_encode(&said, &first, true), SKIO_OK);
    assert_int_equal(decode(said.data, said.len, &same, arena, &second),
                     SKIO_OK);
    assert_int_equal(first.type, second.type);
    assert_true(wire_same_names(first.to, second.to));
    skio__buf_deinit(&said);
    skio__buf_deinit(&again);
    return true;
}

static void
random_changes_are_refused_or_taken_whole(void **state)
{
    struct test_alloc alloc;
    struct skio__arena arena;
    uint64_t seed = 20261121;
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
        cmocka_unit_test(onlyplaintext_writes_bytes_as_json_does),
        cmocka_unit_test(only_true_placeholders_become_bytes),
        cmocka_unit_test(undefined_is_nil_where_all_is_messagepack),
        cmocka_unit_test(a_session_that_was_taken_says_so),
        cmocka_unit_test(what_cannot_be_said_is_refused_and_nothing_written),
        cmocka_unit_test(members_may_be_missing_or_wrong),
        cmocka_unit_test(the_envelope_may_be_wrong),
        cmocka_unit_test(data_of_an_entry_may_be_wrong),
        cmocka_unit_test(flags_are_read_as_javascript_would),
        cmocka_unit_test(a_room_that_is_no_string_is_its_text),
        cmocka_unit_test(placeholders_of_json_are_plain_data),
        cmocka_unit_test(bytes_belong_to_the_payload_and_have_their_number),
        cmocka_unit_test(the_payload_may_be_as_deep_as_the_limit),
        cmocka_unit_test(names_and_lists_may_be_as_long_as_their_limits),
        cmocka_unit_test(there_may_be_as_many_attachments_as_the_limit),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(a_message_that_is_cut_is_refused),
        cmocka_unit_test(without_memory_nothing_is_left),
        cmocka_unit_test(an_arena_at_its_limit_is_no_memory),
        cmocka_unit_test(random_changes_are_refused_or_taken_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
