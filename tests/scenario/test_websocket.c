/*
 * Engine.IO over WebSocket
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <string.h>

SCENARIO(messages_come_back_as_they_were, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "4hello");
    peer_expect(ws, "4hello");
    peer_say_bytes(ws, "\1\2\3\4", 4, true);
    peer_expect_bytes(ws, "\1\2\3\4", 4);
    peer_say(ws, "4");
    peer_expect(ws, "4");
    peer_say_bytes(ws, NULL, 0, true);
    peer_expect_bytes(ws, "", 0);
    peer_say(ws, "4\xf0\x9f\x98\x80");
    peer_expect(ws, "4\xf0\x9f\x98\x80");
    peer_expect_nothing(ws);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hello");
    peer_expect_event(peer, "binary 01020304");
}

SCENARIO(base64_is_accepted_in_a_text_message, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "bAQIDBA==");
    peer_expect_bytes(ws, "\1\2\3\4", 4);
    peer_say(ws, "b!");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "binary 01020304");
    peer_expect_event(peer, "close parse error");
}

SCENARIO(a_message_in_many_pieces_is_one, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say_piece(ws, "4h", 2, false, true, false);
    peer_say_piece(ws, "", 0, false, false, false);
    peer_say_piece(ws, "el", 2, false, false, false);
    peer_say_piece(ws, "lo", 2, false, false, false);
    peer_say_piece(ws, "", 0, false, false, true);
    peer_expect(ws, "4hello");
    peer_expect_nothing(ws);
}

SCENARIO(pieces_out_of_order_are_a_protocol_error, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say_piece(ws, "4a", 2, false, false, true);
    peer_expect_close(ws, 1002);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");

    ws = peer_websocket(peer);
    peer_say_piece(ws, "4a", 2, false, true, false);
    peer_say_piece(ws, "4b", 2, false, true, true);
    peer_expect_close(ws, 1002);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
}

SCENARIO(a_message_that_is_no_packet_closes, NULL, peer_echo)
{
    static const char *const bad[] = {"abc", "7", "", "\xc3\xa9"};
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct peer_ws *ws = peer_websocket(peer);

        peer_say(ws, bad[i]);
        peer_expect_close(ws, 1005);
        peer_expect_event(peer, "open");
        peer_expect_event(peer, "close parse error");
        peer_say(ws, "4late");
        peer_expect_nothing(ws);
        peer_hang_up(ws, true);
    }
    peer_expect_event(peer, NULL);
}

SCENARIO(text_that_is_no_utf8_closes_with_1007, NULL, peer_echo)
{
    static const char *const bad[] = {
        "4\xff",     "4\xc0\x80", "4\xed\xa0\x80",     "4\xf4\x90\x80\x80",
        "4\xe2\x82", "4\x80",     "4\xf8\x88\x80\x80", "4ok\xe2\x28\xa1ok",
        "4\xfe",
    };
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct peer_ws *ws = peer_websocket(peer);

        peer_say(ws, bad[i]);
        peer_expect_close(ws, 1007);
        peer_expect_event(peer, "open");
        peer_expect_event(peer, "close transport error");
    }
}

static void
ten_bytes(skio_server_options *options)
{
    options->max_http_buffer_size = 10;
}

SCENARIO(a_message_may_have_exactly_the_maximum, ten_bytes, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "4123456789");
    peer_expect(ws, "4123456789");
    peer_say_bytes(ws, "0123456789", 10, true);
    peer_expect_bytes(ws, "0123456789", 10);
}

SCENARIO(a_longer_message_closes_with_1009, ten_bytes, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "4123456789x");
    peer_expect_close(ws, 1009);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
    ws = peer_websocket(peer);
    peer_say_bytes(ws, "0123456789x", 11, true);
    peer_expect_close(ws, 1009);
}

SCENARIO(a_longer_message_is_refused_before_its_end, ten_bytes, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say_piece(ws, "0123456789", 10, true, true, false);
    peer_expect_nothing(ws);
    peer_say_piece(ws, "x", 1, true, false, false);
    peer_expect_close(ws, 1009);
}

static void
million(skio_server_options *options)
{
    options->max_http_buffer_size = 1000000;
    options->max_outbound_bytes = 4000000;
}

SCENARIO(a_message_cut_into_dust_is_refused, million, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_counters counters = {.struct_size = sizeof counters};
    size_t peak;
    size_t i;

    peer_say_piece(ws, "4", 1, false, true, false);
    peak = peer->alloc.live_bytes;
    for (i = 0; i < 5000 && ws->read == ws->in.len; i++)
        peer_say_piece(ws, "x", i % 2, false, false, false);
    peer_check(peer, i > 1000 && i < 1200);
    peer_check(peer, peer->alloc.peak_bytes < peak + 4096);
    peer_expect_close(ws, 1008);
    skio_server_counters(peer->server, &counters);
    peer_check(peer, counters.limits_hit == 1);
    /* What comes in ordinary reads is fine, however long it is. */
    ws = peer_websocket(peer);
    for (i = 0; i < 3000; i++)
        peer_say_piece(ws, "0123456789012345678901234567890123456789", 32, true,
                       i == 0, i == 2999);
    peer_check(peer, ws->in.len - ws->read == 3000 * 32 + 10);
}

SCENARIO(frames_have_the_shortest_length, million, peer_engine)
{
    static const size_t sizes[] = {0, 1, 124, 125, 126, 65534, 65535, 65536};
    static char data[65536];
    struct peer_ws *ws = peer_websocket(peer);
    unsigned opcode;
    const char *got;
    size_t len;
    size_t i;

    memset(data, 'x', sizeof data);
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        peer_check(peer, peer->session != NULL);
        peer_check(peer, skio_session_send(peer->session, data, sizes[i],
                                           true) == SKIO_OK);
        peer_flush(peer);
        /* peer_frame() checks that no shorter form would do. */
        peer_check(peer, peer_frame(ws, &opcode, &got, &len));
        peer_check(peer, opcode == 2 && len == sizes[i]);
    }
}

SCENARIO(a_close_packet_closes_at_once, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "1");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport close");
}

SCENARIO(open_upgrade_and_noop_packets_are_ignored, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "0");
    peer_say(ws, "5");
    peer_say(ws, "6");
    peer_expect_nothing(ws);
    peer_say(ws, "4a");
    peer_expect(ws, "4a");
}

SCENARIO(closing_sends_what_is_queued_and_a_close_frame, NULL, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_session *session = peer->session;

    peer_check(peer, session != NULL);
    peer->holds_turn = true;
    peer_check(peer, skio_session_send(session, "a", 1, false) == SKIO_OK);
    skio_session_close(session);
    /* Declared closed before the peer has answered. */
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer->holds_turn = false;
    peer_flush(peer);
    peer_expect(ws, "4a");
    peer_expect_close(ws, 1005);
    peer_hang_up(ws, true);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_peer_that_goes_is_a_transport_close, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_hang_up(ws, true);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport close");
}

SCENARIO(a_connection_that_breaks_is_a_transport_error, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say_piece(ws, "4half", 5, false, true, false);
    peer_hang_up(ws, false);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
}

static void
close_before(struct peer *peer, skio_session *session, const char *data,
             size_t len)
{
    (void)peer;
    (void)data;
    (void)len;
    (void)skio_session_send(session, "bye", 3, false);
    skio_session_close(session);
    skio_session_close(session);
    (void)skio_session_send(session, "late", 4, false);
}

static void
closing_engine(struct peer *peer)
{
    peer_engine(peer);
    peer->on_message = close_before;
}

SCENARIO(a_message_handler_may_close_its_session, NULL, closing_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "4a");
    peer_expect(ws, "4bye");
    peer_expect_close(ws, 1005);
    peer_say(ws, "4b");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, NULL);
}

SCENARIO(http_requests_of_a_websocket_session_are_refused, NULL, peer_echo)
{
    char query[160];

    peer_websocket(peer);
    peer_check(peer, peer->session != NULL);
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s",
             skio_session_id(peer->session));
    peer_expect_http(peer_get(peer, query), 400,
                     "{\"code\":3,\"message\":\"Bad request\"}");
    peer_expect_http(peer_post(peer, query, "4a"), 400,
                     "{\"code\":3,\"message\":\"Bad request\"}");
    /* Node leaves this one without an answer. */
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s",
             skio_session_id(peer->session));
    peer_expect_http(peer_get(peer, query), 400,
                     "{\"code\":3,\"message\":\"Bad request\"}");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_peer_that_breaks_the_rules_is_failed, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "4hello");
    skio_ws_fail(ws->ws, 1002, "a frame is not masked");
    skio_ws_fail(ws->ws, 1008, "once is enough");
    peer_flush(peer);
    peer_expect(ws, "4hello");
    peer_expect_close(ws, 1002);
    peer_say(ws, "4nobody hears this");
    peer_expect_nothing(ws);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hello");
    peer_expect_event(peer, "close transport error");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_probe_may_break_the_rules_too, NULL, peer_echo)
{
    struct peer_http *http = peer_get(peer, "EIO=4&transport=polling");
    char query[128];
    struct peer_ws *ws;

    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s",
             peer_sid(http->body.data));
    ws = peer_probe(peer, query);
    skio_ws_fail(ws->ws, 1002, "a frame is not masked");
    peer_flush(peer);
    peer_expect_close(ws, 1002);
    peer_expect_http(peer_post(peer, query, "4hi"), 200, "ok");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hi");
    peer_expect_event(peer, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_back_as_they_were),
        cmocka_unit_test(base64_is_accepted_in_a_text_message),
        cmocka_unit_test(a_message_in_many_pieces_is_one),
        cmocka_unit_test(pieces_out_of_order_are_a_protocol_error),
        cmocka_unit_test(a_message_that_is_no_packet_closes),
        cmocka_unit_test(text_that_is_no_utf8_closes_with_1007),
        cmocka_unit_test(a_message_may_have_exactly_the_maximum),
        cmocka_unit_test(a_longer_message_closes_with_1009),
        cmocka_unit_test(a_longer_message_is_refused_before_its_end),
        cmocka_unit_test(a_message_cut_into_dust_is_refused),
        cmocka_unit_test(frames_have_the_shortest_length),
        cmocka_unit_test(a_close_packet_closes_at_once),
        cmocka_unit_test(open_upgrade_and_noop_packets_are_ignored),
        cmocka_unit_test(closing_sends_what_is_queued_and_a_close_frame),
        cmocka_unit_test(a_peer_that_goes_is_a_transport_close),
        cmocka_unit_test(a_connection_that_breaks_is_a_transport_error),
        cmocka_unit_test(a_message_handler_may_close_its_session),
        cmocka_unit_test(http_requests_of_a_websocket_session_are_refused),
        cmocka_unit_test(a_peer_that_breaks_the_rules_is_failed),
        cmocka_unit_test(a_probe_may_break_the_rules_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
