/*
 * Engine.IO over HTTP long-polling
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RS "\x1e"

/* ---- Polls ---- */

SCENARIO(a_message_is_answered_by_the_next_poll, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *http = peer_post(peer, query, "4hello");

    peer_expect_http(http, 200, "ok");
    peer_check(peer, strcmp(http->type.data, "text/html") == 0);
    peer_expect_header(http, "cache-control", "no-store");

    http = peer_get(peer, query);
    peer_expect_http(http, 200, "4hello");
    peer_check(peer, strcmp(http->type.data, "text/plain; charset=UTF-8") == 0);
    peer_expect_header(http, "cache-control", "no-store");
    peer_expect_header(http, "X-XSS-Protection", NULL);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hello");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_payload_keeps_the_order_of_its_packets, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, "4a" RS "4" RS "4c\xe2\x82\xac"),
                     200, "ok");
    peer_expect_http(peer_get(peer, query), 200,
                     "4a" RS "4" RS "4c\xe2\x82\xac");
}

SCENARIO(binary_packets_travel_as_base64, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, "4hello" RS "bAQIDBA=="), 200,
                     "ok");
    peer_expect_http(peer_get(peer, query), 200, "4hello" RS "bAQIDBA==");
    /* The URL alphabet, no padding; no bytes at all. */
    peer_expect_http(peer_post(peer, query, "b-_8" RS "b"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "b+/8=" RS "b");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hello");
    peer_expect_event(peer, "binary 01020304");
    peer_expect_event(peer, "binary fbff");
    peer_expect_event(peer, "binary ");
}

SCENARIO(junk_in_base64_is_a_parse_error, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, "b!!!"), 200, "ok");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close parse error");
    peer_expect_http(peer_get(peer, query), 400, NULL);
}

SCENARIO(a_poll_without_packets_waits_for_one, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll = peer_get(peer, query);

    peer_expect_held(poll);
    peer_expect_http(peer_post(peer, query, "4hello"), 200, "ok");
    peer_expect_http(poll, 200, "4hello");
}

SCENARIO(packets_of_one_turn_share_a_payload, NULL, peer_engine)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll = peer_get(peer, query);

    peer_check(peer, peer->session != NULL);
    peer->holds_turn = true;
    peer_check(peer, skio_session_send(peer->session, "a", 1, false) == 0);
    peer_check(peer, skio_session_send(peer->session, "\1\2", 2, true) == 0);
    peer_check(peer, skio_session_send(peer->session, "", 0, false) == 0);
    peer_expect_held(poll);
    peer->holds_turn = false;
    peer_flush(peer);
    peer_expect_http(poll, 200, "4a" RS "bAQI=" RS "4");
}

SCENARIO(text_that_is_no_utf8_is_not_sent, NULL, peer_engine)
{
    const char *query = peer_polling(peer);

    peer_check(peer, skio_session_send(peer->session, "\xff", 1, false) ==
                         SKIO_EUTF8);
    peer_expect_held(peer_get(peer, query));
}

SCENARIO(a_second_poll_closes_the_session, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *first = peer_get(peer, query);
    struct peer_http *second = peer_get(peer, query);

    peer_expect_http(first, 200, "1");
    peer_expect_http(second, 400, "");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
    peer_expect_http(peer_get(peer, query), 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

SCENARIO(an_aborted_poll_closes_the_session, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_abort(peer_get(peer, query));
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
    peer_expect_http(peer_get(peer, query), 400, NULL);
}

SCENARIO(old_internet_explorers_get_their_header, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, "4a"), 200, "ok");
    peer_expect_header(peer_request(peer, "GET", query,
                                    "user-agent: x Trident/7.0 y\n"),
                       "X-XSS-Protection", "0");
    peer_expect_http(peer_post(peer, query, "4a"), 200, "ok");
    peer_expect_header(peer_request(peer, "GET", query,
                                    "user-agent: x;MSIE 9\n"),
                       "X-XSS-Protection", "0");
}

SCENARIO(a_get_may_not_change_transport, NULL, peer_echo)
{
    char query[160];

    snprintf(query, sizeof query, "EIO=4&transport=websocket%s",
             strstr(peer_polling(peer), "&sid="));
    peer_expect_http(peer_get(peer, query), 400,
                     "{\"code\":3,\"message\":\"Bad request\"}");
}

SCENARIO(other_methods_are_answered_500_as_by_node, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_request(peer, "PUT", query, NULL), 500, "");
    peer_expect_http(peer_request(peer, "OPTIONS", query, NULL), 500, "");
    peer_expect_http(peer_request(peer, "HEAD", query, NULL), 500, "");
    peer_expect_held(peer_get(peer, query));
}

/* ---- Posts ---- */

SCENARIO(a_second_post_closes_the_session, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *first = peer_post_begin(peer, query, NULL, 6);

    peer_post_body(first, "4he", 3);
    peer_expect_http(peer_post(peer, query, "4x"), 400, "");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
    /* The first is answered when its body ends. */
    peer_post_body(first, "llo", 3);
    peer_post_end(first);
    peer_expect_http(first, 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
    peer_expect_event(peer, NULL);
}

SCENARIO(an_octet_stream_closes_the_session, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll = peer_get(peer, query);

    peer_expect_http(peer_post_bytes(peer, query,
                                     "content-type: application/octet-stream\n",
                                     "4a", 2),
                     400, "");
    peer_expect_http(poll, 200, "1");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
}

SCENARIO(any_other_content_type_is_text, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post_bytes(peer, query, NULL, "4a", 2), 200, "ok");
    peer_expect_http(peer_post_bytes(peer, query,
                                     "content-type: application/json\n", "4b",
                                     2),
                     200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "4a" RS "4b");
}

static void
ten_bytes(skio_server_options *options)
{
    options->max_http_buffer_size = 10;
}

SCENARIO(a_body_may_have_exactly_the_maximum, ten_bytes, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, "4123456789"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "4123456789");
}

SCENARIO(a_longer_body_is_refused_by_its_announcement, ten_bytes, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post_begin(peer, query, NULL, 11), 413, "");
    peer_expect_http(peer_post_begin(peer, query, NULL, INT64_MAX), 413, "");
    /* The session stays. */
    peer_expect_http(peer_post(peer, query, "4a"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "4a");
}

SCENARIO(a_longer_body_is_refused_while_it_comes, ten_bytes, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *http = peer_post_begin(peer, query, NULL, -1);

    peer_post_body(http, "4123456789", 10);
    peer_check(peer, http->status == 0);
    peer_post_body(http, "x", 1);
    peer_expect_http(http, 413, "");
    peer_expect_http(peer_post(peer, query, "4a"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "4a");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, NULL);
}

SCENARIO(an_aborted_post_closes_the_session, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *http = peer_post_begin(peer, query, NULL, 100);

    peer_post_body(http, "4abc", 4);
    peer_abort(http);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
}

SCENARIO(packets_before_a_bad_one_are_delivered, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, "4a" RS "4b" RS "abc" RS "4d"), 200,
                     "ok");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, "message b");
    peer_expect_event(peer, "close parse error");
    peer_expect_event(peer, NULL);
    peer_expect_http(peer_get(peer, query), 400, NULL);
}

SCENARIO(an_empty_body_is_a_parse_error, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, ""), 200, "ok");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close parse error");
}

SCENARIO(an_empty_packet_is_a_parse_error, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll = peer_get(peer, query);

    peer_expect_http(peer_post(peer, query, "4a" RS), 200, "ok");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, "close parse error");
    peer_check(peer, poll->status == 200);
}

SCENARIO(a_type_that_is_none_is_a_parse_error, NULL, peer_echo)
{
    static const char *const bad[] = {"7", "/", "B", "a", " 4a", "\xc3\xa9"};
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *query = peer_polling(peer);

        peer_expect_http(peer_post(peer, query, bad[i]), 200, "ok");
        peer_expect_event(peer, "open");
        peer_expect_event(peer, "close parse error");
    }
}

SCENARIO(a_body_that_is_no_utf8_is_refused, NULL, peer_echo)
{
    static const char *const bad[] = {"4\xff", "4\xc3", "4\xed\xa0\x80",
                                      "4\xc0\x80", "4\xf4\x90\x80\x80"};
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *query = peer_polling(peer);

        peer_expect_http(peer_post(peer, query, bad[i]), 400, "");
        peer_expect_event(peer, "open");
        peer_expect_event(peer, "close transport error");
    }
}

static void
three_packets(skio_server_options *options)
{
    options->max_payload_packets = 3;
}

SCENARIO(a_payload_may_have_the_maximum_of_packets, three_packets, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, "4a" RS "4b" RS "4c"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "4a" RS "4b" RS "4c");
}

SCENARIO(a_payload_with_more_packets_is_refused, three_packets, peer_echo)
{
    const char *query = peer_polling(peer);
    skio_counters counters = {.struct_size = sizeof counters};

    peer_expect_http(peer_post(peer, query, "4a" RS "4b" RS "4c" RS "4d"), 400,
                     "");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
    skio_server_counters(peer->server, &counters);
    peer_check(peer, counters.limits_hit == 1);
}

/* ---- The end ---- */

SCENARIO(a_close_packet_releases_the_poll_with_a_noop, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll = peer_get(peer, query);

    peer_expect_http(peer_post(peer, query, "1"), 200, "ok");
    peer_expect_http(poll, 200, "6");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport close");
    peer_expect_http(peer_get(peer, query), 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

SCENARIO(a_poll_in_the_turn_of_the_close_packet_is_released, NULL, peer_echo)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll;

    /* Sent in this order, read in that: a loop is free to do so. */
    peer->holds_turn = true;
    peer_expect_http(peer_post(peer, query, "1"), 200, "ok");
    peer_check(peer,
               skio_session_send(peer->session, "a", 1, false) == SKIO_ECLOSED);
    poll = peer_get(peer, query);
    peer->holds_turn = false;
    peer_flush(peer);
    peer_expect_http(poll, 200, "6");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport close");
    peer_expect_http(peer_get(peer, query), 400, NULL);
}

SCENARIO(packets_after_a_close_packet_are_ignored, NULL, peer_echo)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_post(peer, query, "4a" RS "1" RS "4b" RS "x"), 200,
                     "ok");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, "close transport close");
    peer_expect_event(peer, NULL);
}

SCENARIO(closing_with_a_poll_sends_the_close_packet, NULL, peer_engine)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll = peer_get(peer, query);

    peer_check(peer, peer->session != NULL);
    skio_session_close(peer->session);
    peer_flush(peer);
    peer_expect_http(poll, 200, "1");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer_expect_http(peer_get(peer, query), 400, NULL);
}

SCENARIO(closing_without_a_poll_waits_for_one, NULL, peer_engine)
{
    const char *query = peer_polling(peer);

    peer_check(peer, peer->session != NULL);
    skio_session_close(peer->session);
    peer_flush(peer);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer_wait(peer, 29999);
    peer_expect_http(peer_get(peer, query), 200, "6" RS "1");
    peer_expect_http(peer_get(peer, query), 400, NULL);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_closing_session_minds_no_bad_payload, NULL, peer_engine)
{
    const char *query = peer_polling(peer);

    peer_check(peer, peer->session != NULL);
    skio_session_close(peer->session);
    peer_flush(peer);
    peer_expect_http(peer_post(peer, query, "x"), 200, "ok");
    peer_expect_http(peer_post(peer, query, ""), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "6" RS "1");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_closing_session_is_forgotten_after_half_a_minute, NULL, peer_engine)
{
    const char *query = peer_polling(peer);

    peer_check(peer, peer->session != NULL);
    skio_session_close(peer->session);
    peer_wait(peer, 30000);
    peer_expect_http(peer_get(peer, query), 400, NULL);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, NULL);
}

SCENARIO(queued_packets_go_before_the_close_packet, NULL, peer_engine)
{
    const char *query = peer_polling(peer);

    peer_check(peer, peer->session != NULL);
    peer_check(peer, skio_session_send(peer->session, "a", 1, false) == 0);
    peer_check(peer, skio_session_send(peer->session, "b", 1, false) == 0);
    skio_session *session = peer->session;
    skio_session_close(session);
    peer_flush(peer);
    peer_expect_http(peer_get(peer, query), 200, "4a" RS "4b");
    peer_expect_http(peer_get(peer, query), 200, "6" RS "1");
    peer_expect_http(peer_get(peer, query), 400, NULL);
}

SCENARIO(a_closing_session_takes_no_packets, NULL, peer_engine)
{
    const char *query = peer_polling(peer);

    peer_check(peer, peer->session != NULL);
    skio_session_close(peer->session);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer_expect_http(peer_post(peer, query, "4late"), 200, "ok");
    peer_expect_event(peer, NULL);
    /* Its own close packet ends it before the poll does. */
    peer_expect_http(peer_post(peer, query, "1"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 400, NULL);
}

static void
close_it(struct peer *peer, skio_session *session, const char *data, size_t len)
{
    (void)peer;
    (void)data;
    (void)len;
    skio_session_close(session);
}

static void
closing_engine(struct peer *peer)
{
    peer_engine(peer);
    peer->on_message = close_it;
}

SCENARIO(closing_in_the_message_handler_ends_the_payload, NULL, closing_engine)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll = peer_get(peer, query);

    peer_expect_http(peer_post(peer, query, "4a" RS "4b"), 200, "ok");
    peer_expect_http(poll, 200, "1");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_session_that_closes_answers_the_post_in_flight, NULL, peer_engine)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll = peer_get(peer, query);
    struct peer_http *post = peer_post_begin(peer, query, NULL, 4);

    peer_expect_held(poll);
    peer_post_body(post, "4a", 2);
    peer_check(peer, peer->session != NULL);
    skio_session_close(peer->session);
    peer_flush(peer);
    peer_expect_http(poll, 200, "1");
    peer_post_body(post, "bc", 2);
    peer_post_end(post);
    peer_expect_http(post, 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_answered_by_the_next_poll),
        cmocka_unit_test(a_payload_keeps_the_order_of_its_packets),
        cmocka_unit_test(binary_packets_travel_as_base64),
        cmocka_unit_test(junk_in_base64_is_a_parse_error),
        cmocka_unit_test(a_poll_without_packets_waits_for_one),
        cmocka_unit_test(packets_of_one_turn_share_a_payload),
        cmocka_unit_test(text_that_is_no_utf8_is_not_sent),
        cmocka_unit_test(a_second_poll_closes_the_session),
        cmocka_unit_test(an_aborted_poll_closes_the_session),
        cmocka_unit_test(old_internet_explorers_get_their_header),
        cmocka_unit_test(a_get_may_not_change_transport),
        cmocka_unit_test(other_methods_are_answered_500_as_by_node),
        cmocka_unit_test(a_second_post_closes_the_session),
        cmocka_unit_test(an_octet_stream_closes_the_session),
        cmocka_unit_test(any_other_content_type_is_text),
        cmocka_unit_test(a_body_may_have_exactly_the_maximum),
        cmocka_unit_test(a_longer_body_is_refused_by_its_announcement),
        cmocka_unit_test(a_longer_body_is_refused_while_it_comes),
        cmocka_unit_test(an_aborted_post_closes_the_session),
        cmocka_unit_test(packets_before_a_bad_one_are_delivered),
        cmocka_unit_test(an_empty_body_is_a_parse_error),
        cmocka_unit_test(an_empty_packet_is_a_parse_error),
        cmocka_unit_test(a_type_that_is_none_is_a_parse_error),
        cmocka_unit_test(a_body_that_is_no_utf8_is_refused),
        cmocka_unit_test(a_payload_may_have_the_maximum_of_packets),
        cmocka_unit_test(a_payload_with_more_packets_is_refused),
        cmocka_unit_test(a_close_packet_releases_the_poll_with_a_noop),
        cmocka_unit_test(a_poll_in_the_turn_of_the_close_packet_is_released),
        cmocka_unit_test(packets_after_a_close_packet_are_ignored),
        cmocka_unit_test(closing_with_a_poll_sends_the_close_packet),
        cmocka_unit_test(closing_without_a_poll_waits_for_one),
        cmocka_unit_test(a_closing_session_minds_no_bad_payload),
        cmocka_unit_test(a_closing_session_is_forgotten_after_half_a_minute),
        cmocka_unit_test(queued_packets_go_before_the_close_packet),
        cmocka_unit_test(a_closing_session_takes_no_packets),
        cmocka_unit_test(closing_in_the_message_handler_ends_the_payload),
        cmocka_unit_test(a_session_that_closes_answers_the_post_in_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
