/*
 * Engine.IO: which requests open a session, and what the others are told
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLLING "EIO=4&transport=polling"
#define WEBSOCKET "EIO=4&transport=websocket"

#define TRANSPORT "{\"code\":0,\"message\":\"Transport unknown\"}"
#define SID "{\"code\":1,\"message\":\"Session ID unknown\"}"
#define METHOD "{\"code\":2,\"message\":\"Bad handshake method\"}"
#define REQUEST "{\"code\":3,\"message\":\"Bad request\"}"
#define PROTOCOL "{\"code\":5,\"message\":\"Unsupported protocol version\"}"

/* An upgrade that is refused: bare text, and no 101 before it. */
static void
expect_refused(struct peer *peer, const char *query, const char *body)
{
    struct peer_ws *ws = peer_ws_request(peer, query, NULL);

    peer_check(peer, ws->ws == NULL);
    peer_expect_http(ws->http, 400, body);
    peer_check(peer, strcmp(ws->http->type.data, "text/html") == 0);
}

/* ---- Opening ---- */

SCENARIO(a_polling_handshake_answers_the_open_packet, NULL, peer_engine)
{
    struct peer_http *http = peer_get(peer, POLLING);
    char want[256];

    peer_expect_http(http, 200, NULL);
    snprintf(want, sizeof want,
             "0{\"sid\":\"%s\",\"upgrades\":[\"websocket\"],"
             "\"pingInterval\":25000,\"pingTimeout\":20000,"
             "\"maxPayload\":1000000}",
             peer_sid(http->body.data));
    peer_expect_http(http, 200, want);
    peer_check(peer, strcmp(http->type.data, "text/plain; charset=UTF-8") == 0);
    peer_expect_header(http, "cache-control", "no-store");
    peer_expect_header(http, "set-cookie", NULL);
    peer_expect_event(peer, "open");
    peer_check(peer, strcmp(skio_session_id(peer->session),
                            peer_sid(http->body.data)) == 0);
}

SCENARIO(a_websocket_handshake_sends_the_open_packet, NULL, peer_engine)
{
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);
    char want[256];

    peer_check(peer, peer->session != NULL);
    snprintf(want, sizeof want,
             "0{\"sid\":\"%s\",\"upgrades\":[],\"pingInterval\":25000,"
             "\"pingTimeout\":20000,\"maxPayload\":1000000}",
             skio_session_id(peer->session));
    peer_expect(ws, want);
    peer_expect_nothing(ws);
}

static void
other_options(skio_server_options *options)
{
    options->ping_interval_ms = 300;
    options->ping_timeout_ms = 200;
    options->max_http_buffer_size = 12345;
    options->allow_upgrades = false;
}

SCENARIO(the_open_packet_tells_the_options, other_options, peer_engine)
{
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_http(http, 200, NULL);
    peer_check(peer,
               strstr(http->body.data,
                      "\"upgrades\":[],\"pingInterval\":300,"
                      "\"pingTimeout\":200,\"maxPayload\":12345}") != NULL);
}

SCENARIO(ids_are_twenty_characters_and_differ, NULL, peer_engine)
{
    char first[32];
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_http(http, 200, NULL);
    snprintf(first, sizeof first, "%s", peer_sid(http->body.data));
    peer_check(peer, strlen(first) == 20);
    peer->random = 0; /* the same random bytes again */
    http = peer_get(peer, POLLING);
    peer_expect_http(http, 200, NULL);
    peer_check(peer, strcmp(first, peer_sid(http->body.data)) != 0);
}

static void
greet(struct peer *peer, skio_session *session)
{
    (void)peer;
    (void)skio_session_send(session, "hi", 2, false);
}

static void
greeting_engine(struct peer *peer)
{
    peer_engine(peer);
    peer->on_open = greet;
}

SCENARIO(what_is_sent_at_once_comes_with_the_next_poll, NULL, greeting_engine)
{
    const char *query = peer_polling(peer);

    peer_expect_http(peer_get(peer, query), 200, "4hi");
}

SCENARIO(what_is_sent_at_once_follows_the_open_frame, NULL, greeting_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_expect(ws, "4hi");
    peer_expect_nothing(ws);
}

static void
close_at_once(struct peer *peer, skio_session *session)
{
    (void)peer;
    skio_session_close(session);
}

static void
closing_engine(struct peer *peer)
{
    peer_engine(peer);
    peer->on_open = close_at_once;
}

SCENARIO(a_session_may_close_in_its_open_handler, NULL, closing_engine)
{
    const char *query = peer_polling(peer);
    struct peer_ws *ws;

    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer_expect_http(peer_get(peer, query), 200,
                     "6\x1e"
                     "1");
    ws = peer_websocket(peer);
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
}

static void
with_cookie(skio_server_options *options)
{
    options->cookie = "io";
}

SCENARIO(the_cookie_comes_with_the_polling_handshake, with_cookie, peer_engine)
{
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws;
    char want[128];

    peer_expect_http(http, 200, NULL);
    snprintf(want, sizeof want, "io=%s; Path=/; HttpOnly; SameSite=Lax",
             peer_sid(http->body.data));
    peer_expect_header(http, "set-cookie", want);
    ws = peer_websocket(peer);
    peer_expect_header(ws->http, "set-cookie", NULL);
}

/* ---- Parameters ---- */

SCENARIO(of_a_repeated_parameter_the_last_counts, NULL, peer_engine)
{
    peer_expect_http(peer_get(peer,
                              "EIO=3&transport=x&EIO=4&transport=polling"),
                     200, NULL);
    peer_expect_http(peer_get(peer, POLLING "&EIO=3"), 400, PROTOCOL);
    peer_expect_http(peer_get(peer, POLLING "&transport=x"), 400, TRANSPORT);
}

SCENARIO(parameters_are_decoded, NULL, peer_engine)
{
    peer_expect_http(peer_get(peer, "%45IO=%34&transport=poll%69ng"), 200,
                     NULL);
    peer_expect_http(peer_get(peer, "EIO=4&transport=polling+"), 400,
                     TRANSPORT);
    peer_expect_http(peer_get(peer, "EIO=4&transport=polling%00"), 400,
                     TRANSPORT);
    peer_expect_http(peer_get(peer, "EIO=4%00&transport=polling"), 400,
                     PROTOCOL);
    peer_expect_http(peer_get(peer, "EIO=4&transport=polling%"), 400,
                     TRANSPORT);
}

SCENARIO(an_empty_sid_is_no_sid, NULL, peer_engine)
{
    peer_expect_http(peer_get(peer, POLLING "&sid="), 200, NULL);
    peer_expect_http(peer_get(peer, POLLING "&sid"), 200, NULL);
}

/* ---- The order of verification, line by line ---- */

SCENARIO(an_unknown_transport_is_code_0, NULL, peer_engine)
{
    peer_expect_http(peer_get(peer, "EIO=4"), 400, TRANSPORT);
    peer_expect_http(peer_get(peer, "EIO=4&transport=abc"), 400, TRANSPORT);
    peer_expect_http(peer_get(peer, "EIO=4&transport=webtransport"), 400,
                     TRANSPORT);
    peer_expect_http(peer_get(peer, ""), 400, TRANSPORT);
    peer_check(peer,
               strcmp(peer_get(peer, "")->type.data, "application/json") == 0);
    /* Before the method is looked at. */
    peer_expect_http(peer_request(peer, "POST", "", NULL), 400, TRANSPORT);
    expect_refused(peer, "EIO=4&transport=abc", "Transport unknown");
    expect_refused(peer, "", "Transport unknown");
}

static void
only_polling(skio_server_options *options)
{
    options->transports = SKIO_POLLING;
}

SCENARIO(a_transport_that_is_off_is_unknown, only_polling, peer_engine)
{
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_http(http, 200, NULL);
    peer_check(peer, strstr(http->body.data, "\"upgrades\":[]") != NULL);
    expect_refused(peer, WEBSOCKET, "Transport unknown");
}

static void
only_websocket(skio_server_options *options)
{
    options->transports = SKIO_WEBSOCKET;
}

SCENARIO(polling_that_is_off_is_unknown, only_websocket, peer_engine)
{
    peer_expect_http(peer_get(peer, POLLING), 400, TRANSPORT);
    peer_websocket(peer);
}

SCENARIO(an_origin_with_forbidden_bytes_is_code_3, NULL, peer_engine)
{
    peer_expect_http(peer_request(peer, "GET", POLLING,
                                  "origin: http://a\x01\n"),
                     400, REQUEST);
    peer_expect_http(peer_request(peer, "GET", POLLING "&sid=x",
                                  "origin: a\x7f\n"),
                     400, REQUEST);
    peer_expect_http(peer_request(peer, "GET", "", "origin: a\x01\n"), 400,
                     TRANSPORT);
}

SCENARIO(an_unknown_sid_is_code_1, NULL, peer_engine)
{
    static const char *const sids[] = {
        "x",
        "__proto__",
        "constructor",
        "%00",
        "AAECAwQFBgcICQoLAAAB",
        "AAECAwQFBgcICQoLAAAA%00",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    char query[256];
    size_t i;

    peer_polling(peer);
    for (i = 0; i < sizeof sids / sizeof sids[0]; i++) {
        snprintf(query, sizeof query, POLLING "&sid=%s", sids[i]);
        peer_expect_http(peer_get(peer, query), 400, SID);
        peer_expect_http(peer_post(peer, query, "4a"), 400, SID);
        snprintf(query, sizeof query, WEBSOCKET "&sid=%s", sids[i]);
        expect_refused(peer, query, "Session ID unknown");
    }
}

SCENARIO(a_sid_of_another_protocol_is_code_3, NULL, peer_engine)
{
    char query[160];
    const char *sid = strstr(peer_polling(peer), "&sid=");

    snprintf(query, sizeof query, "EIO=3&transport=polling%s", sid);
    peer_expect_http(peer_get(peer, query), 400, REQUEST);
    snprintf(query, sizeof query, "transport=polling%s", sid);
    peer_expect_http(peer_get(peer, query), 400, REQUEST);
    snprintf(query, sizeof query, "EIO=3&transport=websocket%s", sid);
    expect_refused(peer, query, "Bad request");
}

SCENARIO(a_handshake_that_is_no_get_is_code_2, NULL, peer_engine)
{
    static const char *const methods[] = {"POST", "PUT",   "OPTIONS",
                                          "HEAD", "PATCH", "get"};
    size_t i;

    for (i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        peer_expect_http(peer_request(peer, methods[i], POLLING, NULL), 400,
                         METHOD);
        peer_expect_http(peer_request(peer, methods[i], WEBSOCKET, NULL), 400,
                         METHOD);
    }
    /* Before the protocol is looked at. */
    peer_expect_http(peer_request(peer, "POST", "transport=polling", NULL), 400,
                     METHOD);
}

SCENARIO(websocket_without_an_upgrade_is_code_3, NULL, peer_engine)
{
    peer_expect_http(peer_get(peer, WEBSOCKET), 400, REQUEST);
    peer_expect_http(peer_get(peer, "transport=websocket"), 400, REQUEST);
}

SCENARIO(another_protocol_is_code_5, NULL, peer_engine)
{
    peer_expect_http(peer_get(peer, "transport=polling"), 400, PROTOCOL);
    peer_expect_http(peer_get(peer, "EIO=3&transport=polling"), 400, PROTOCOL);
    peer_expect_http(peer_get(peer, "EIO=abc&transport=polling"), 400,
                     PROTOCOL);
    peer_expect_http(peer_get(peer, "EIO=44&transport=polling"), 400, PROTOCOL);
    peer_expect_http(peer_get(peer, "EIO=&transport=polling"), 400, PROTOCOL);
}

SCENARIO(another_protocol_is_refused_before_the_101, NULL, peer_engine)
{
    expect_refused(peer, "transport=websocket", "Unsupported protocol version");
    expect_refused(peer, "EIO=3&transport=websocket",
                   "Unsupported protocol version");
    peer_expect_event(peer, NULL);
}

SCENARIO(polling_with_an_upgrade_is_refused_before_the_101, NULL, peer_engine)
{
    char query[160];

    expect_refused(peer, POLLING, "Bad request");
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    expect_refused(peer, query, "Bad request");
    /* The session has not noticed. */
    peer_expect_held(peer_get(peer, query));
}

SCENARIO(an_upgrade_that_is_no_get_is_answered_405, NULL, peer_engine)
{
    char query[160];
    struct peer_http *http;

    snprintf(query, sizeof query, WEBSOCKET "%s",
             strstr(peer_polling(peer), "&sid="));
    http = peer_upgrade(peer, "POST", query, NULL);
    peer_expect_http(http, 405, "Method Not Allowed");
    http = peer_upgrade(peer, "POST", WEBSOCKET, NULL);
    peer_expect_http(http, 400, "Bad handshake method");
}

SCENARIO(refusals_are_counted, NULL, peer_engine)
{
    skio_counters counters = {.struct_size = sizeof counters};

    peer_get(peer, "");
    peer_ws_request(peer, "", NULL);
    skio_server_counters(peer->server, &counters);
    peer_check(peer, counters.requests_refused == 2);
    peer_check(peer, counters.sessions_opened == 0);
}

/* ---- Limits ---- */

static void
two_sessions(skio_server_options *options)
{
    options->max_connections = 2;
}

SCENARIO(sessions_beyond_the_maximum_are_told_to_retry, two_sessions,
         peer_engine)
{
    const char *query;
    struct peer_http *http;
    struct peer_ws *ws;

    peer_websocket(peer);
    query = peer_polling(peer);
    http = peer_get(peer, POLLING);
    peer_expect_http(http, 503, "");
    peer_expect_header(http, "retry-after", "5");
    ws = peer_ws_request(peer, WEBSOCKET, NULL);
    peer_check(peer, ws->ws == NULL);
    peer_expect_http(ws->http, 503, "");
    peer_expect_header(ws->http, "retry-after", "5");
    /* One goes, another comes. */
    peer_expect_http(peer_post(peer, query, "1"), 200, "ok");
    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
}

static void
two_of_an_address(skio_server_options *options)
{
    options->max_connections_per_address = 2;
}

SCENARIO(an_address_has_its_own_maximum, two_of_an_address, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer_hang_up(ws, true);
    peer_polling(peer);
}

SCENARIO(an_ipv6_network_is_one_address, two_of_an_address, peer_engine)
{
    peer->address = "2001:db8:1:2::1";
    peer_polling(peer);
    peer->address = "2001:db8:1:2:ffff:ffff:ffff:ffff";
    peer_polling(peer);
    peer->address = "2001:0DB8:1:2:3::";
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer->address = "2001:db8:1:3::1";
    peer_polling(peer);
}

static void
two_of_each_address(skio_server_options *options)
{
    options->max_connections_per_address = 2;
    options->ipv6_prefix = 128;
}

SCENARIO(the_length_of_the_network_is_an_option, two_of_each_address,
         peer_engine)
{
    peer->address = "2001:db8::1";
    peer_polling(peer);
    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer->address = "2001:db8::2";
    peer_polling(peer);
}

SCENARIO(an_ipv4_address_is_one_however_it_is_written, two_of_an_address,
         peer_engine)
{
    peer->address = "192.0.2.7";
    peer_polling(peer);
    peer->address = "::ffff:192.0.2.7";
    peer_polling(peer);
    peer->address = "::ffff:c000:207";
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer->address = "192.0.2.8";
    peer_polling(peer);
}

SCENARIO(who_has_no_address_is_not_counted, two_of_an_address, peer_engine)
{
    peer->address = "";
    for (int i = 0; i < 5; i++)
        peer_polling(peer);
}

static void
two_unconnected(skio_server_options *options)
{
    options->max_unconnected = 2;
}

SCENARIO(clients_in_no_namespace_have_a_maximum, two_unconnected, NULL)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{");
    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
}

static void
two_unconnected_of_an_address(skio_server_options *options)
{
    options->max_unconnected_per_address = 2;
}

SCENARIO(an_address_has_its_own_maximum_of_clients_in_no_namespace,
         two_unconnected_of_an_address, NULL)
{
    struct peer_ws *first = peer_websocket(peer);
    struct peer_ws *second = peer_websocket(peer);
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_http(http, 503, "");
    peer_expect_header(http, "retry-after", "5");
    peer->address = "192.0.2.2"; /* another one has its own */
    peer_websocket(peer);
    peer->address = NULL;
    peer_say(first, "40");
    peer_expect_prefix(first, "40{");
    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer_hang_up(second, true);
    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer_hang_up(first, true); /* it was not among them */
    peer_expect_http(peer_get(peer, POLLING), 503, "");
}

SCENARIO(an_ipv6_network_has_one_maximum_of_clients_in_no_namespace,
         two_unconnected_of_an_address, NULL)
{
    peer->address = "2001:db8:1:2::1";
    peer_polling(peer);
    peer->address = "2001:db8:1:2:ffff:ffff:ffff:ffff";
    peer_polling(peer);
    peer->address = "2001:db8:1:2:3::";
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer->address = "2001:db8:1:3::1";
    peer_polling(peer);
}

SCENARIO(who_has_no_address_may_be_in_no_namespace_more_often,
         two_unconnected_of_an_address, NULL)
{
    peer->address = "";
    for (int i = 0; i < 5; i++)
        peer_polling(peer);
}

static void
short_query(skio_server_options *options)
{
    options->max_query_bytes = sizeof POLLING - 1;
    options->max_header_bytes = 32;
    options->max_headers = 2;
}

SCENARIO(a_longer_query_is_refused, short_query, peer_engine)
{
    peer_expect_http(peer_get(peer, POLLING), 200, NULL);
    peer_expect_http(peer_get(peer, POLLING "&"), 400, REQUEST);
}

SCENARIO(more_or_longer_headers_are_refused, short_query, peer_engine)
{
    peer_expect_http(peer_request(peer, "GET", POLLING, "a: b\nc: d\n"), 200,
                     NULL);
    peer_expect_http(peer_request(peer, "GET", POLLING, "a: b\nc: d\ne: f\n"),
                     431, "");
    /* Names and values, each with its NUL. */
    peer_expect_http(peer_request(peer, "GET", POLLING,
                                  "abcdefghijklmn: 0123456789abcdef\n"),
                     200, NULL);
    peer_expect_http(peer_request(peer, "GET", POLLING,
                                  "abcdefghijklmn: 0123456789abcdefg\n"),
                     431, "");
}

SCENARIO(a_session_that_ends_during_the_101_is_closed, NULL, peer_engine)
{
    struct peer_ws *ws;
    char polling[160];
    char query[160];

    snprintf(polling, sizeof polling, "%s", peer_polling(peer));
    snprintf(query, sizeof query, WEBSOCKET "%s", strstr(polling, "&sid="));
    ws = peer_ws_begin(peer, query, NULL);
    peer_check(peer, ws->http->state == SKIO_EXCHANGE_UPGRADE);
    peer_expect_http(peer_post(peer, polling, "1"), 200, "ok");
    peer_ws_finish(ws);
    peer_check(peer, ws->ws != NULL);
    peer_expect_close(ws, 1005);
}

SCENARIO(the_limits_hold_at_the_101_too, two_sessions, peer_engine)
{
    struct peer_ws *first = peer_ws_begin(peer, WEBSOCKET, NULL);
    struct peer_ws *second = peer_ws_begin(peer, WEBSOCKET, NULL);

    peer_polling(peer);
    peer_ws_finish(first);
    peer_expect_prefix(first, "0{");
    peer_ws_finish(second);
    peer_check(peer, second->ws == NULL);
}

SCENARIO(an_upgrade_that_is_given_up_leaves_nothing, NULL, peer_engine)
{
    struct peer_ws *ws = peer_ws_begin(peer, WEBSOCKET, NULL);

    peer_check(peer, ws->http->state == SKIO_EXCHANGE_UPGRADE);
    peer_abort(ws->http);
    peer_expect_event(peer, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_polling_handshake_answers_the_open_packet),
        cmocka_unit_test(a_websocket_handshake_sends_the_open_packet),
        cmocka_unit_test(the_open_packet_tells_the_options),
        cmocka_unit_test(ids_are_twenty_characters_and_differ),
        cmocka_unit_test(what_is_sent_at_once_comes_with_the_next_poll),
        cmocka_unit_test(what_is_sent_at_once_follows_the_open_frame),
        cmocka_unit_test(a_session_may_close_in_its_open_handler),
        cmocka_unit_test(the_cookie_comes_with_the_polling_handshake),
        cmocka_unit_test(of_a_repeated_parameter_the_last_counts),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(an_empty_sid_is_no_sid),
        cmocka_unit_test(an_unknown_transport_is_code_0),
        cmocka_unit_test(a_transport_that_is_off_is_unknown),
        cmocka_unit_test(polling_that_is_off_is_unknown),
        cmocka_unit_test(an_origin_with_forbidden_bytes_is_code_3),
        cmocka_unit_test(an_unknown_sid_is_code_1),
        cmocka_unit_test(a_sid_of_another_protocol_is_code_3),
        cmocka_unit_test(a_handshake_that_is_no_get_is_code_2),
        cmocka_unit_test(websocket_without_an_upgrade_is_code_3),
        cmocka_unit_test(another_protocol_is_code_5),
        cmocka_unit_test(another_protocol_is_refused_before_the_101),
        cmocka_unit_test(polling_with_an_upgrade_is_refused_before_the_101),
        cmocka_unit_test(an_upgrade_that_is_no_get_is_answered_405),
        cmocka_unit_test(refusals_are_counted),
        cmocka_unit_test(sessions_beyond_the_maximum_are_told_to_retry),
        cmocka_unit_test(an_address_has_its_own_maximum),
        cmocka_unit_test(an_ipv6_network_is_one_address),
        cmocka_unit_test(the_length_of_the_network_is_an_option),
        cmocka_unit_test(an_ipv4_address_is_one_however_it_is_written),
        cmocka_unit_test(who_has_no_address_is_not_counted),
        cmocka_unit_test(clients_in_no_namespace_have_a_maximum),
        cmocka_unit_test(
            an_address_has_its_own_maximum_of_clients_in_no_namespace),
        cmocka_unit_test(
            an_ipv6_network_has_one_maximum_of_clients_in_no_namespace),
        cmocka_unit_test(who_has_no_address_may_be_in_no_namespace_more_often),
        cmocka_unit_test(a_longer_query_is_refused),
        cmocka_unit_test(more_or_longer_headers_are_refused),
        cmocka_unit_test(a_session_that_ends_during_the_101_is_closed),
        cmocka_unit_test(the_limits_hold_at_the_101_too),
        cmocka_unit_test(an_upgrade_that_is_given_up_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
