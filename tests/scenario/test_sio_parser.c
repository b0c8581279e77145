/*
 * Parsers: MessagePack to the byte, a parser of the host's own, and what a
 * hostile peer says to either
 *
 * Bytes are those of socket.io-msgpack-parser 3.0.2 in Node's server, save for
 * the refusal of an unknown namespace: there "nsp" stands before "data".
 */
#include "scenario/sio.h"

#include <stdlib.h>

#define WEBSOCKET "EIO=4&transport=websocket"
#define BYTES(text) (text), sizeof(text) - 1

/* Pieces of a packet: keys with their heads. */
#define TYPE "\xa4type"
#define DATA                                                                   \
    "\xa4"                                                                     \
    "data"
#define ID "\xa2id"
#define NSP "\xa3nsp"

static void
packed(skio_server_options *options)
{
    options->parser = skio_parser_msgpack();
}

static void
on_ask(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    sio_note_event(socket, args, ack, user);
    (void)skio_ack_send(ack, "%p", SKIO_VALUE(args));
}

static void
handled(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_nsp *other = skio_of(peer->server, "/n");

    if (root == NULL || other == NULL)
        return;
    (void)skio_on(root, "e", on_ask, peer);
    (void)skio_on(other, "e", on_ask, peer);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
}

static bool
take_socket(skio_socket *socket, void *user)
{
    *(skio_socket **)user = socket;
    return false;
}

static void
expect_packed(struct peer_ws *ws, const char *data, size_t len)
{
    peer_expect_bytes(ws, data, len);
}

/* Connect to "/" with MessagePack. */
static struct peer_ws *
connected(struct peer *peer, skio_socket **socket)
{
    static const char head[] = "\x83" TYPE "\x00" DATA "\x81\xa3sid\xb4";
    struct peer_ws *ws = peer_websocket(peer);
    unsigned opcode = 0;
    const char *data = "";
    size_t len = 0;

    peer_say_bytes(ws, BYTES("\x82" TYPE "\x00" NSP "\xa1/"), true);
    peer_check(peer, peer_frame(ws, &opcode, &data, &len));
    peer_check(peer, opcode == 2 && len == sizeof head - 1 + 20 + 6);
    peer_check(peer, memcmp(data, head, sizeof head - 1) == 0);
    peer_check(peer, memcmp(data + len - 6, NSP "\xa1/", 6) == 0);
    if (socket != NULL)
        (void)skio_each_socket(skio_of(peer->server, "/"), take_socket, socket);
    peer_check(peer, socket == NULL || *socket != NULL);
    return ws;
}

SCENARIO(packed_packets_are_those_of_the_reference, packed, handled)
{
    static const unsigned char bytes[] = {1, 2, 3};
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *ws = connected(peer, NULL);

    peer_check(peer, skio_emit_all(root, "a", "%d", 1) == SKIO_OK);
    peer_flush(peer);
    expect_packed(ws, BYTES("\x83" TYPE "\x02" DATA "\x92\xa1"
                            "a\x01" NSP "\xa1/"));
    peer_check(peer,
               skio_emit_all(root, "b", "%p,{'k':%p}", SKIO_BYTES(bytes, 3),
                             SKIO_BYTES(bytes, 0)) == SKIO_OK);
    peer_flush(peer);
    expect_packed(ws,
                  BYTES("\x83" TYPE "\x02" DATA "\x93\xa1"
                        "b\xc4\x03\x01\x02\x03\x81\xa1k\xc4\x00" NSP "\xa1/"));
    peer_check(peer, skio_emit_all(root, "e", "%f,%d", 0.1, -129) == SKIO_OK);
    peer_flush(peer);
    expect_packed(ws, BYTES("\x83" TYPE "\x02" DATA "\x93\xa1"
                            "e\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"
                            "\xd1\xff\x7f" NSP "\xa1/"));
    peer_say_bytes(ws,
                   BYTES("\x84" TYPE "\x02" DATA "\x92\xa1"
                         "e\x05" ID "\x07" NSP "\xa1/"),
                   true);
    peer_expect_event(peer, "event [5] ack");
    expect_packed(ws, BYTES("\x84" ID "\x07" TYPE "\x03" DATA "\x91\x05" NSP
                            "\xa1/"));
    /* A namespace that is refused, and one that is left. */
    peer_say_bytes(ws, BYTES("\x82" TYPE "\x00" NSP "\xa2/x"), true);
    expect_packed(ws, BYTES("\x83" TYPE "\x04" DATA "\x81\xa7message\xb1"
                            "Invalid namespace" NSP "\xa2/x"));
    peer_say_bytes(ws, BYTES("\x82" TYPE "\x01" NSP "\xa1/"), true);
    peer_expect_event(peer, "disconnect / client namespace disconnect");
}

SCENARIO(the_server_leaves_in_packed_words, packed, handled)
{
    skio_socket *socket = NULL;
    struct peer_ws *ws = connected(peer, &socket);

    skio_disconnect(socket, false);
    peer_flush(peer);
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    expect_packed(ws, BYTES("\x82" TYPE "\x01" NSP "\xa1/"));
}

SCENARIO(packed_binary_comes_back_where_it_was, packed, handled)
{
    struct peer_ws *ws = connected(peer, NULL);

    peer_say_bytes(ws,
                   BYTES("\x84" NSP "\xa1/" ID "\x01" DATA "\x93\xa1"
                         "e\x81\xa1k\xc4\x02\x00\xff\xc4\x00" TYPE "\x02"),
                   true);
    peer_expect_event(peer, "event [{\"k\":{\"_placeholder\":true,"
                            "\"num\":4503599627370496}},{\"_placeholder\":true,"
                            "\"num\":4503599627370497}] ack");
    expect_packed(ws,
                  BYTES("\x84" ID "\x01" TYPE "\x03" DATA
                        "\x92\x81\xa1k\xc4\x02\x00\xff\xc4\x00" NSP "\xa1/"));
}

/* What looks like a placeholder of the default parser is an object here. */
SCENARIO(a_packed_placeholder_is_an_object, packed, handled)
{
    struct peer_ws *ws = connected(peer, NULL);

    peer_say_bytes(ws,
                   BYTES("\x84" TYPE "\x02" DATA "\x92\xa1"
                         "e\x82\xac"
                         "_placeholder\xc3\xa3num\x00" ID "\x01" NSP "\xa1/"),
                   true);
    peer_expect_event(peer, "event [{\"_placeholder\":true,\"num\":0}] ack");
    expect_packed(ws, BYTES("\x84" ID "\x01" TYPE "\x03" DATA "\x91\x82\xac"
                            "_placeholder\xc3\xa3num\x00" NSP "\xa1/"));
}

static void
expect_refusal(struct peer *peer, const void *data, size_t len)
{
    struct peer_ws *ws = connected(peer, NULL);

    peer_say_bytes(ws, data, len, true);
    peer_expect_event(peer, "disconnect / forced close");
    peer_expect_close(ws, 1005);
}

SCENARIO(packed_nonsense_ends_the_connection, packed, handled)
{
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {
        {BYTES("\xc0")},
        {BYTES("\x01")},
        {BYTES("\xa1"
               "2")},
        {BYTES("\x80")},
        {BYTES("\x90")},
        {BYTES("\xc1")},
        {BYTES("\x82" TYPE "\x02" NSP "\xa1/")},             /* no data */
        {BYTES("\x83" TYPE "\x02" DATA "\x80" NSP "\xa1/")}, /* no array */
        {BYTES("\x83" TYPE "\x05" DATA "\x91\xa1"
               "e" NSP "\xa1/")}, /* binary */
        {BYTES("\x83" TYPE "\xff" DATA "\x91\xa1"
               "e" NSP "\xa1/")}, /* -1 */
        {BYTES("\x83" TYPE "\xa1"
               "2" DATA "\x91\xa1"
               "e" NSP "\xa1/")},
        {BYTES("\x82" TYPE "\x02" DATA "\x91\xa1"
               "e")}, /* no nsp */
        {BYTES("\x83" TYPE "\x02" DATA "\x91\xa1"
               "e" NSP "\x01")},
        {BYTES("\x84" TYPE "\x02" DATA "\x91\xa1"
               "e" NSP "\xa1/" ID "\xa1"
               "1")},
        {BYTES("\x84" TYPE "\x02" DATA "\x91\xa1"
               "e" NSP "\xa1/" ID "\xff")},
        {BYTES("\x84" TYPE "\x02" DATA "\x91\xa1"
               "e" NSP "\xa1/" ID
               "\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00")}, /* 0.5 */
        {BYTES("\x84" TYPE "\x02" DATA "\x91\xa1"
               "e" NSP "\xa1/" ID
               "\xcf\x00\x20\x00\x00\x00\x00\x00\x00")}, /* 2^53 */
        {BYTES("\x83" TYPE "\x02" DATA "\x91\xa7"
               "connect" NSP "\xa1/")},
        {BYTES("\x83" TYPE "\x02" DATA "\x91\xa1"
               "e" NSP "\xa1/\x00")}, /* rest */
        {BYTES("\x83" TYPE "\x02" DATA "\xdd\xff\xff\xff\xff")},
        {BYTES("\x83" TYPE "\x02" DATA "\xdf\x7f\xff\xff\xff")},
        {BYTES("\x83" TYPE "\x02" DATA "\x92\xa1"
               "e\xc6\xff\xff\xff\xff"
               "x")},
        {BYTES("\x83" TYPE "\x02" DATA "\x92\xa1"
               "e\xdb\x00\x00\x00\x09"
               "x")},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refusal(peer, bad[i].data, bad[i].len);
    /* Text is no packet of this parser. */
    struct peer_ws *ws = connected(peer, NULL);

    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "disconnect / forced close");
}

static void
shallow(skio_server_options *options)
{
    packed(options);
    options->max_json_depth = 3;
}

SCENARIO(packed_depth_is_limited, shallow, handled)
{
    struct peer_ws *ws = connected(peer, NULL);

    peer_say_bytes(ws,
                   BYTES("\x83" TYPE "\x02" DATA "\x92\xa1"
                         "e\x91\x90" NSP "\xa1/"),
                   true);
    peer_expect_event(peer, "event [[[]]]");
    expect_refusal(peer, BYTES("\x83" TYPE "\x02" DATA "\x92\xa1"
                               "e\x91\x91\x90" NSP "\xa1/"));
}

/* ---- A parser of the host's ---- */

/*
 * A line of text: "type nsp id count json", with '-' for no id; bytes follow as
 * messages of their own.
 */
static int
encode_line(const skio_packet *packet, skio_encoding *out, void *user)
{
    char line[256], id[24] = "-";
    int len, err;

    ++*(unsigned *)user;
    if (packet->has_id)
        snprintf(id, sizeof id, "%llu", (unsigned long long)packet->id);
    len = snprintf(line, sizeof line, "%d %.*s %s %u %.*s", (int)packet->type,
                   (int)packet->nsp_len, packet->nsp, id,
                   (unsigned)packet->attachment_count, (int)packet->json_len,
                   packet->json != NULL ? packet->json : "");
    if (len < 0 || (size_t)len >= sizeof line)
        return SKIO_ETOOBIG;
    err = skio_encoding_put(out, false, line, (size_t)len);
    for (uint32_t i = 0; err == SKIO_OK && i < packet->attachment_count; i++)
        err = skio_encoding_put(out, true, packet->attachments[i].data,
                                packet->attachments[i].len);
    return err;
}

/* The next word, its blank overwritten by a NUL; NULL at the end. */
static char *
word(char **at)
{
    char *start = *at;
    char *blank = strchr(start, ' ');

    if (blank == NULL)
        return NULL;
    *blank = '\0';
    *at = blank + 1;
    return start;
}

static int
decode_line(const void *data, size_t len, bool binary, skio_packet *packet,
            skio_decoding *in, void *user)
{
    char *text = skio_decoding_alloc(in, len + 1);
    const char *type, *id, *count;
    char *at = text;

    (void)user;
    if (text == NULL)
        return SKIO_ENOMEM;
    if (binary || len > skio_decoding_options(in)->max_http_buffer_size)
        return SKIO_EPROTO;
    memcpy(text, data, len);
    text[len] = '\0';
    type = word(&at);
    packet->nsp = type != NULL ? word(&at) : NULL;
    id = packet->nsp != NULL ? word(&at) : NULL;
    count = id != NULL ? word(&at) : NULL;
    if (count == NULL)
        return SKIO_EPROTO;
    packet->type = (enum skio_packet_type)strtoul(type, NULL, 10);
    packet->nsp_len = strlen(packet->nsp);
    packet->has_id = id[0] != '-';
    packet->id = packet->has_id ? strtoull(id, NULL, 10) : 0;
    packet->attachment_count = (uint32_t)strtoul(count, NULL, 10);
    packet->json = *at != '\0' ? at : NULL;
    packet->json_len = strlen(at);
    return SKIO_OK;
}

static unsigned encoded;
static const skio_parser lines = {
    .struct_size = sizeof lines,
    .encode = encode_line,
    .decode = decode_line,
    .user = &encoded,
};

static void
by_lines(skio_server_options *options)
{
    encoded = 0;
    options->parser = &lines;
    options->max_attachments = 2;
}

static struct peer_ws *
in_lines(struct peer *peer)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40 / - 0 ");
    peer_expect_prefix(ws, "40 / - 0 {\"sid\":\"");
    return ws;
}

SCENARIO(a_host_may_bring_its_parser, by_lines, handled)
{
    static const char bytes[] = "\x01\x02";
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *one = in_lines(peer);
    struct peer_ws *two = in_lines(peer);

    peer_say(one, "42 / 3 0 [\"e\",{\"a\":[1]}]");
    peer_expect_event(peer, "event [{\"a\":[1]}] ack");
    peer_expect(one, "43 / 3 0 [{\"a\":[1]}]");
    /* Binary data both ways, collected by the library. */
    peer_say(one, "42 / 4 1 [\"e\",{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(one, bytes, 2, true);
    peer_expect_event(peer, "event [{\"_placeholder\":true,\"num\":0}] ack");
    peer_expect(one, "43 / 4 1 [{\"_placeholder\":true,\"num\":0}]");
    peer_expect_bytes(one, bytes, 2);
    /* A broadcast is encoded once. */
    encoded = 0;
    peer_check(peer, skio_emit_all(root, "all", "%s", "x") == SKIO_OK);
    peer_check(peer, encoded == 1);
    peer_flush(peer);
    peer_expect(one, "42 / - 0 [\"all\",\"x\"]");
    peer_expect(two, "42 / - 0 [\"all\",\"x\"]");
    /* Namespaces, refusals, leaving. */
    peer_say(one, "40 /n - 0 {\"t\":1}");
    peer_expect_prefix(one, "40 /n - 0 {\"sid\":\"");
    peer_say(one, "40 /none - 0 ");
    peer_expect(one, "44 /none - 0 {\"message\":\"Invalid namespace\"}");
    peer_say(two, "41 / - 0 ");
    peer_expect_event(peer, "disconnect / client namespace disconnect");
}

SCENARIO(what_a_hosts_parser_gives_is_checked, by_lines, handled)
{
    static const char *const bad[] = {
        "4nonsense",
        "49 / - 0 [\"e\"]",                /* no such type */
        "42 / - 0 [\"e\"",                 /* no JSON */
        "42 / - 0 {}",                     /* no array */
        "42 / - 3 [\"e\"]",                /* past max_attachments */
        "42 / 9007199254740992 0 [\"e\"]", /* 2^53 */
        "42 / - 0 [\"connect\"]",          /* reserved */
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct peer_ws *ws = in_lines(peer);

        peer_note(peer, "%s", bad[i]);
        peer_expect_event(peer, bad[i]);
        peer_say(ws, bad[i]);
        peer_expect_event(peer, "disconnect / forced close");
        peer_expect_close(ws, 1005);
    }
}

SCENARIO(what_a_hosts_parser_cannot_write_is_told, by_lines, handled)
{
    static const char bytes[] = "\x01";
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *ws = in_lines(peer);
    char text[300];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    peer_check(peer, skio_emit_all(root, "a", "%s", text) == SKIO_ETOOBIG);
    peer_check(peer, skio_emit_all(root, "a", "%p,%p", SKIO_BYTES(bytes, 1),
                                   SKIO_BYTES(bytes, 1)) == SKIO_OK);
    peer_check(peer, skio_emit_all(root, "a", "%p,%p,%p", SKIO_BYTES(bytes, 1),
                                   SKIO_BYTES(bytes, 1),
                                   SKIO_BYTES(bytes, 1)) == SKIO_ETOOBIG);
    peer_flush(peer);
    peer_expect_prefix(ws, "42 / - 2 [\"a\",{\"_placeholder\":true,");
    peer_expect_bytes(ws, bytes, 1);
    peer_expect_bytes(ws, bytes, 1);
    peer_expect_nothing(ws);
}

/* ---- Options ---- */

static void
a_parser_without_functions_is_refused(void **state)
{
    skio_server_options options;
    skio_parser parser = *skio_parser_msgpack();
    skio_server *server = NULL;

    (void)state;
    skio_server_options_init(&options);
    options.parser = &parser;
    parser.decode = NULL;
    assert_int_equal(skio_server_new(&server, &options), SKIO_EINVAL);
    parser = *skio_parser_msgpack();
    parser.struct_size = 8;
    assert_int_equal(skio_server_new(&server, &options), SKIO_EINVAL);
    parser = *skio_parser_msgpack();
    parser.first_placeholder = (UINT64_C(1) << 52) + 1;
    assert_int_equal(skio_server_new(&server, &options), SKIO_EINVAL);
    assert_null(server);
}

SCENARIO(a_text_that_is_no_utf8_reaches_no_parser, packed, handled)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "4\xff");
    peer_expect_close(ws, 1007);
    peer_check(peer, sio_counters(peer).parse_errors == 0);
    peer_expect_event(peer, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_packets_are_those_of_the_reference),
        cmocka_unit_test(the_server_leaves_in_packed_words),
        cmocka_unit_test(packed_binary_comes_back_where_it_was),
        cmocka_unit_test(a_packed_placeholder_is_an_object),
        cmocka_unit_test(packed_nonsense_ends_the_connection),
        cmocka_unit_test(packed_depth_is_limited),
        cmocka_unit_test(a_host_may_bring_its_parser),
        cmocka_unit_test(what_a_hosts_parser_gives_is_checked),
        cmocka_unit_test(what_a_hosts_parser_cannot_write_is_told),
        cmocka_unit_test(a_parser_without_functions_is_refused),
        cmocka_unit_test(a_text_that_is_no_utf8_reaches_no_parser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
