/*
 * Messages that adapters carry: what another server emitted becomes what the
 * clients of this one get
 */
#include "scenario/sio.h"

#include <socketio/adapter.h>

#define BYTES(text) (text), sizeof(text) - 1
#define PLACEHOLDER(n) "{\"_placeholder\":true,\"num\":" n "}"

static void
expect_bytes(struct peer_ws *ws, const char *data, size_t len)
{
    peer_expect_bytes(ws, data, len);
}

static int
make(struct peer *peer, const char *json, const skio_bytes *attachments,
     uint32_t count, skio_message **message)
{
    return skio_adapter_message_new(skio_of(peer->server, "/"), json,
                                    strlen(json), attachments, count, message);
}

/* Make, deliver and give up a message. */
static void
deliver(struct peer *peer, skio_socket *socket, const char *json,
        const skio_bytes *attachments, uint32_t count)
{
    skio_message *message;

    peer_check(peer, make(peer, json, attachments, count, &message) == SKIO_OK);
    skio_adapter_deliver(socket, message, 0);
    skio_adapter_message_unref(message);
    peer_flush(peer);
}

SCENARIO(an_event_of_another_server_is_sent, NULL, NULL)
{
    const skio_bytes bytes[] = {{"\1", 1}, {"\2\2", 2}, {"\3", 1}};
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    deliver(peer, socket, " [ \"e\" , 1 ] ", NULL, 0);
    peer_expect(ws, "42[\"e\" , 1]");
    deliver(peer, socket, "[7]", NULL, 0);
    peer_expect(ws, "42[7]");
    /* Each once, numbered anew in the order of the text. */
    deliver(peer, socket,
            "[\"e\"," PLACEHOLDER("2") ",[" PLACEHOLDER("0") "]," PLACEHOLDER(
                "2") "]",
            bytes, 3);
    peer_expect(ws, "452-[\"e\"," PLACEHOLDER("0") ",[" PLACEHOLDER(
                        "1") "]," PLACEHOLDER("0") "]");
    expect_bytes(ws, BYTES("\3"));
    expect_bytes(ws, BYTES("\1"));
    peer_expect_nothing(ws);
}

SCENARIO(without_attachments_nothing_is_a_placeholder, NULL, NULL)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    deliver(peer, socket, "[\"e\"," PLACEHOLDER("0") "]", NULL, 0);
    peer_expect(ws, "42[\"e\"," PLACEHOLDER("0") "]");
    peer_expect_nothing(ws);
}

static void
packed(skio_server_options *options)
{
    options->parser = skio_parser_msgpack();
}

SCENARIO(it_is_encoded_as_the_namespace_says, packed, NULL)
{
    const skio_bytes bytes[] = {{"\1", 1}};
    struct peer_ws *ws = peer_websocket(peer);
    skio_nsp *root = skio_of(peer->server, "/");
    skio_message *message;
    skio_target all = {.struct_size = sizeof all};

    peer_say_bytes(ws, BYTES("\x82\xa4type\x00\xa3nsp\xa1/"), true);
    peer_check(peer, peer_frame(ws, &(unsigned){0}, &(const char *){""},
                                &(size_t){0}));
    peer_check(peer, skio_nsp_count(root) == 1);
    peer_check(peer, make(peer, "[\"e\"," PLACEHOLDER("0") "]", bytes, 1,
                          &message) == SKIO_OK);
    peer_check(peer, skio_message_emit_with(message, &all) == SKIO_OK);
    skio_adapter_message_unref(message);
    peer_flush(peer);
    expect_bytes(ws, BYTES("\x83\xa4type\x02\xa4"
                           "data\x92\xa1"
                           "e\xc4\x01\x01\xa3nsp\xa1/"));
}

/* What a message of this server looks like to another one. */
static void
note_carried(struct peer *peer, skio_message *message)
{
    skio_bytes bytes;
    skio_bytes json;
    int err = skio_adapter_message_json(message, &json);
    uint32_t count = skio_adapter_message_attachments(message);

    if (err != SKIO_OK) {
        peer_note(peer, "%s %zu", skio_err_name(err), json.len);
        return;
    }
    peer_note(peer, "%.*s", (int)json.len, (const char *)json.data);
    for (uint32_t i = 0; i < count; i++) {
        skio_adapter_message_attachment(message, i, &bytes);
        peer_note(peer, "bytes %.*s", (int)bytes.len, (const char *)bytes.data);
    }
}

SCENARIO(a_message_is_carried_whatever_its_parser, packed, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_message *message;

    message = skio_message_new(root, "e", "%p, {'a':%p}", SKIO_BYTES("x", 1),
                               SKIO_BYTES("yz", 2));
    peer_check(peer, message != NULL);
    note_carried(peer, message);
    skio_message_free(message);
    peer_expect_event(peer, "[\"e\"," PLACEHOLDER("0") ",{\"a\":" PLACEHOLDER(
                                "1") "}]");
    peer_expect_event(peer, "bytes x");
    peer_expect_event(peer, "bytes yz");

    /* Alone it is what it is; beside bytes nobody could tell. */
    message = skio_message_new(root, "e", "{'_placeholder':true,'num':0}");
    peer_check(peer, message != NULL);
    note_carried(peer, message);
    note_carried(peer, message);
    skio_message_free(message);
    peer_expect_event(peer, "[\"e\"," PLACEHOLDER("0") "]");
    peer_expect_event(peer, "[\"e\"," PLACEHOLDER("0") "]");
    message = skio_message_new(root, "e", "%p, {'_placeholder':true,'num':1}",
                               SKIO_BYTES("x", 1));
    peer_check(peer, message != NULL);
    note_carried(peer, message);
    skio_message_free(message);
    peer_expect_event(peer, "SKIO_EINVAL 0");
}

SCENARIO(an_offset_goes_behind_the_arguments, NULL, NULL)
{
    static const char *const bad[] = {"", " ", "a\"", "a\\", "\xc3\xa9", NULL};
    char longest[66];
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    skio_nsp *root = skio_of(peer->server, "/");
    skio_message *message =
        skio_message_new(root, "e", "%p", SKIO_BYTES("x", 1));
    skio_message *copy = NULL;
    int errs[7] = {0};
    int err;

    peer_check(peer, message != NULL);
    for (int i = 0; bad[i] != NULL; i++)
        errs[i] = skio_adapter_message_with_offset(message, bad[i], &copy);
    memset(longest, '9', sizeof longest);
    longest[65] = '\0';
    errs[5] = skio_adapter_message_with_offset(message, longest, &copy);
    longest[64] = '\0';
    err = skio_adapter_message_with_offset(message, longest, &copy);
    skio_adapter_message_unref(copy);
    copy = NULL;
    if (err == SKIO_OK)
        err = skio_adapter_message_with_offset(message, "1-0", &copy);
    skio_message_free(message);
    if (copy != NULL)
        skio_adapter_deliver(socket, copy, 0);
    skio_adapter_message_unref(copy);
    for (int i = 0; i < 6; i++)
        peer_check(peer, errs[i] == SKIO_EINVAL);
    peer_check(peer, err == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "451-[\"e\"," PLACEHOLDER("0") ",\"1-0\"]");
    peer_expect_bytes(ws, "x", 1);
}

static void
tight(skio_server_options *options)
{
    options->max_name_bytes = 8;
    options->max_json_depth = 3;
    options->max_attachments = 2;
    options->max_outbound_bytes = 2000;
    options->outbound_high_bytes = 1000;
}

SCENARIO(what_no_client_may_send_is_refused, tight, NULL)
{
    static const struct {
        const char *json;
        uint32_t attachments;
        int err;
    } cases[] = {
        {"", 0, SKIO_EPROTO},
        {"{}", 0, SKIO_EPROTO},
        {"\"e\"", 0, SKIO_EPROTO},
        {"[]", 0, SKIO_EPROTO},
        {"[null]", 0, SKIO_EPROTO},
        {"[{}]", 0, SKIO_EPROTO},
        {"[\"e\"", 0, SKIO_EPROTO},
        {"[\"e\"]]", 0, SKIO_EPROTO},
        {"[\"e\",]", 0, SKIO_EPROTO},
        {"[\"connect\"]", 0, SKIO_EPROTO},
        {"[\"\\u0063onnect\"]", 0, SKIO_ELIMIT},
        {"[\"\xff\"]", 0, SKIO_EUTF8},
        {"[\"12345678\",1]", 0, SKIO_OK},
        {"[\"123456789\"]", 0, SKIO_ELIMIT},
        {"[\"e\",[[1]]]", 0, SKIO_OK},
        {"[\"e\",[[[1]]]]", 0, SKIO_ELIMIT},
        {"[\"e\"," PLACEHOLDER("0") "," PLACEHOLDER("1") "]", 2, SKIO_OK},
        {"[\"e\"," PLACEHOLDER("2") "]", 2, SKIO_EPROTO},
        {"[\"e\"," PLACEHOLDER("-1") "]", 2, SKIO_EPROTO},
        {"[\"e\"," PLACEHOLDER("\"0\"") "]", 2, SKIO_EPROTO},
        {"[\"e\",{\"_placeholder\":true}]", 1, SKIO_EPROTO},
        {"[\"e\"]", 3, SKIO_ELIMIT},
    };
    const skio_bytes bytes[] = {{"\1", 1}, {"\2", 1}, {"\3", 1}};
    char large[2000];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        skio_message *message = NULL;
        int err =
            make(peer, cases[i].json, bytes, cases[i].attachments, &message);

        if (err != cases[i].err)
            peer_fail_at(peer, cases[i].json, __FILE__, __LINE__);
        peer_check(peer, (err == SKIO_OK) == (message != NULL));
        skio_adapter_message_unref(message);
    }

    /* The frame's head and the packet's are six bytes. */
    for (size_t len = 1994; len <= 1995; len++) {
        skio_message *message = NULL;
        int err;

        memset(large, 'x', len);
        memcpy(large, "[\"e\",\"", 6);
        memcpy(large + len - 2, "\"]", 3);
        err = make(peer, large, NULL, 0, &message);
        skio_adapter_message_unref(message);
        peer_check(peer, err == (len == 1994 ? SKIO_OK : SKIO_ENOBUFS));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_of_another_server_is_sent),
        cmocka_unit_test(without_attachments_nothing_is_a_placeholder),
        cmocka_unit_test(it_is_encoded_as_the_namespace_says),
        cmocka_unit_test(a_message_is_carried_whatever_its_parser),
        cmocka_unit_test(an_offset_goes_behind_the_arguments),
        cmocka_unit_test(what_no_client_may_send_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
