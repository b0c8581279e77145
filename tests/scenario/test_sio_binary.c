/*
 * Events with attachments, both ways
 */
#include "scenario/sio.h"

static void
echo_binary(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    skio_bytes bytes;

    (void)ack;
    if (skio_get_bytes(args, "0.a", &bytes) == SKIO_OK)
        peer_note(user, "%d bytes", (int)bytes.len);
    (void)skio_emit(socket, "back", "%p", SKIO_VALUE(args));
}

static void
small(skio_server_options *options)
{
    options->max_http_buffer_size = 100;
}

static void
echoing_binary(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_of(peer->server, "/a");
    (void)skio_on(root, "bin", echo_binary, peer);
    (void)skio_on(root, "e", sio_note_event, peer);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
}

SCENARIO(attachments_come_and_go, NULL, echoing_binary)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "452-[\"bin\",{\"a\":{\"_placeholder\":true,\"num\":1}},"
                 "[[{\"num\":0,\"_placeholder\":true}]]]");
    peer_say_bytes(ws, "\x00\xff", 2, true);
    peer_expect_nothing(ws);
    peer_say_bytes(ws, "abc", 3, true);
    peer_expect_event(peer, "3 bytes");
    peer_expect(ws, "452-[\"back\",{\"a\":{\"_placeholder\":true,\"num\":0}},"
                    "[[{\"_placeholder\":true,\"num\":1}]]]");
    peer_expect_bytes(ws, "abc", 3);
    peer_expect_bytes(ws, "\x00\xff", 2);
    peer_expect_nothing(ws);
}

SCENARIO(attachments_work_over_polling, NULL, echoing_binary)
{
    char query[128];
    struct peer_http *poll;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post(peer, query, "40"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, NULL);
    poll = peer_get(peer, query);
    peer_expect_http(
        peer_post(peer, query,
                  "451-[\"bin\",{\"a\":{\"_placeholder\":true,\"num\":0}}]\x1e"
                  "bAQID"),
        200, "ok");
    peer_expect_event(peer, "3 bytes");
    peer_expect_http(
        poll, 200,
        "451-[\"back\",{\"a\":{\"_placeholder\":true,\"num\":0}}]\x1e"
        "bAQID");
}

SCENARIO(ten_attachments_are_accepted, NULL, echoing_binary)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "4510-[\"e\"]");
    for (int i = 0; i < 10; i++)
        peer_say_bytes(ws, "", 0, true);
    peer_expect_event(peer, "event []");
}

SCENARIO(attachments_together_have_a_limit, small, echoing_binary)
{
    char bytes[100] = {0};
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "452-[\"e\"]");
    peer_say_bytes(ws, bytes, 60, true);
    peer_say_bytes(ws, bytes, 40, true);
    peer_expect_event(peer, "event []");
    peer_say(ws, "452-[\"e\"]");
    peer_say_bytes(ws, bytes, 60, true);
    peer_say_bytes(ws, bytes, 41, true);
    peer_expect_event(peer, "disconnect / forced close");
    peer_expect_close(ws, 1005);
    peer_check(peer, sio_counters(peer).limits_hit == 1);
}

SCENARIO(attachments_must_come_in_time, NULL, echoing_binary)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "452-[\"e\"]");
    peer_wait(peer, 9000);
    peer_say_bytes(ws, "x", 1, true);
    peer_wait(peer, 999);
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "disconnect / forced close");
    peer_expect_close(ws, 1005);

    ws = sio_connect(peer, NULL);
    peer_say(ws, "452-[\"e\"]");
    peer_wait(peer, 9999);
    peer_say_bytes(ws, "x", 1, true);
    peer_say_bytes(ws, "x", 1, true);
    peer_expect_event(peer, "event []");
    peer_wait(peer, 10000);
    peer_expect_event(peer, NULL);
}

SCENARIO(text_amid_attachments_ends_the_connection, NULL, echoing_binary)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "451-[\"e\"]");
    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "disconnect / forced close");
    peer_expect_close(ws, 1005);
}

SCENARIO(binary_out_of_the_blue_ends_the_connection, NULL, echoing_binary)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say_bytes(ws, "x", 1, true);
    peer_expect_event(peer, "disconnect / forced close");
    peer_expect_close(ws, 1005);
}

SCENARIO(a_placeholder_beyond_the_attachments_ends_the_connection, NULL,
         echoing_binary)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "451-[\"e\",{\"_placeholder\":true,\"num\":1}]");
    peer_say_bytes(ws, "x", 1, true);
    peer_expect_event(peer, "disconnect / forced close");
    peer_expect_close(ws, 1005);
}

SCENARIO(a_namespace_may_be_left_while_attachments_come, NULL, echoing_binary)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "452-[\"e\"]");
    peer_say_bytes(ws, "x", 1, true);
    peer_check(peer, skio_nsp_count(skio_of(peer->server, "/")) == 1);
    skio_disconnect(socket, false);
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_say_bytes(ws, "x", 1, true);
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    sio_join(ws, "");
    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "event []");
    peer_expect_nothing(ws);
}

SCENARIO(attachments_that_are_sent_are_limited, NULL, echoing_binary)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    const void *b = SKIO_BYTES("x", 1);

    peer_check(peer,
               skio_emit(socket, "e", "%p,%p,%p,%p,%p,%p,%p,%p,%p,%p,%p", b, b,
                         b, b, b, b, b, b, b, b, b) == SKIO_ETOOBIG);
    peer_flush(peer);
    peer_expect_nothing(ws);
    peer_check(peer,
               skio_emit(socket, "e", "{'a':[%p,{'b':%p}]}", SKIO_BYTES("1", 1),
                         SKIO_BYTES(NULL, 0)) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "452-[\"e\",{\"a\":[{\"_placeholder\":true,\"num\":0},"
                    "{\"b\":{\"_placeholder\":true,\"num\":1}}]}]");
    peer_expect_bytes(ws, "1", 1);
    peer_expect_bytes(ws, "", 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attachments_come_and_go),
        cmocka_unit_test(attachments_work_over_polling),
        cmocka_unit_test(ten_attachments_are_accepted),
        cmocka_unit_test(attachments_together_have_a_limit),
        cmocka_unit_test(attachments_must_come_in_time),
        cmocka_unit_test(text_amid_attachments_ends_the_connection),
        cmocka_unit_test(binary_out_of_the_blue_ends_the_connection),
        cmocka_unit_test(
            a_placeholder_beyond_the_attachments_ends_the_connection),
        cmocka_unit_test(a_namespace_may_be_left_while_attachments_come),
        cmocka_unit_test(attachments_that_are_sent_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
