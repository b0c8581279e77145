/*
 * Clients of protocol 3: allow_eio3
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/socketio.h>

static void
allow(skio_server_options *options)
{
    options->allow_eio3 = true;
}

static void
allow_few(skio_server_options *options)
{
    options->allow_eio3 = true;
    options->max_payload_packets = 3;
}

/* Open a session by polling and give its query. */
static const char *
open_polling(struct peer *peer, const char *extra)
{
    static char query[128];
    struct peer_http *http;
    const char *packet;

    snprintf(query, sizeof query, "EIO=3&transport=polling%s", extra);
    http = peer_get(peer, query);
    peer_expect_http(http, 200, NULL);
    packet = strstr(http->body.data, ":0{");
    peer_check(peer, packet != NULL);
    peer_check(peer,
               (size_t)strtol(http->body.data, NULL, 10) ==
                   http->body.len - (size_t)(packet + 1 - http->body.data));
    snprintf(query, sizeof query, "EIO=3&transport=polling%s&sid=%s", extra,
             peer_sid(packet + 1));
    return query;
}

static struct peer_ws *
open_websocket(struct peer *peer)
{
    struct peer_ws *ws = peer_ws(peer, "EIO=3&transport=websocket");

    peer_expect_prefix(ws, "0{");
    return ws;
}

SCENARIO(protocol_3_is_refused_by_default, NULL, peer_echo)
{
    peer_expect_http(
        peer_get(peer, "EIO=3&transport=polling"), 400,
        "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
}

SCENARIO(text_payloads_have_lengths, allow, peer_echo)
{
    const char *query = open_polling(peer, "");

    peer_expect_http(peer_post(peer, query,
                               "6:4hello2:4\xe2\x82\xac"
                               "3:4\xf0\x9f\x98\x80"),
                     200, "ok");
    peer_expect_http(peer_get(peer, query), 200,
                     "6:4hello2:4\xe2\x82\xac"
                     "3:4\xf0\x9f\x98\x80");
}

SCENARIO(binary_payloads_go_both_ways, allow, peer_echo)
{
    static const char body[] = "\x00\x06\xff"
                               "4hello\x01\x05\xff\x04\x01\x02\x03\x04";
    const char *query = open_polling(peer, "");
    struct peer_http *http;

    peer_expect_http(peer_post_bytes(peer, query,
                                     "content-type: application/octet-stream\n",
                                     body, sizeof body - 1),
                     200, "ok");
    http = peer_get(peer, query);
    peer_check(peer, http->status == 200);
    peer_check(peer, strcmp(http->type.data, "application/octet-stream") == 0);
    peer_check(peer, http->body.len == sizeof body - 1);
    peer_check(peer, memcmp(http->body.data, body, sizeof body - 1) == 0);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hello");
    peer_expect_event(peer, "binary 01020304");
}

SCENARIO(who_takes_no_binary_gets_base64, allow, peer_echo)
{
    const char *query = open_polling(peer, "&b64=1");

    peer_expect_http(peer_post(peer, query, "10:b4AQIDBA=="), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "10:b4AQIDBA==");
}

SCENARIO(scripts_poll_and_forms_post, allow, peer_echo)
{
    static char query[128];
    struct peer_http *http = peer_get(peer, "EIO=3&transport=polling&j=7");

    peer_expect_http(http, 200, NULL);
    peer_check(peer, strncmp(http->body.data, "___eio[7](\"", 11) == 0);
    snprintf(query, sizeof query, "EIO=3&transport=polling&j=7&sid=%.20s",
             strstr(http->body.data, "sid\\\":\\\"") + 8);
    peer_expect_http(peer_post(peer, query, "d=5%3A4a%5C%5Cnb"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "___eio[7](\"5:4a\\\\nb\");");
    peer_expect_http(peer_post(peer, query, "e=1"), 200, "ok");
}

/* Whichever allocation of a poll fails: its packets come, or the session
 * ends, so that the client never misses any unawares. */
static void
poll_without_memory(struct peer *peer)
{
    static char query[128];
    struct peer_http *http;
    bool failed = true;

    for (size_t n = 1; failed; n++) {
        http = peer_get(peer, "EIO=3&transport=polling&j=7");
        peer_expect_http(http, 200, NULL);
        snprintf(query, sizeof query, "EIO=3&transport=polling&j=7&sid=%.20s",
                 strstr(http->body.data, "sid\\\":\\\"") + 8);
        peer_expect_http(peer_post(peer, query, "d=3%3A4hi"), 200, "ok");
        peer_expect_event(peer, "open");
        peer_expect_event(peer, "message hi");
        peer_check(peer, n < 50);
        test_alloc_fail(&peer->alloc, n);
        http = peer_get(peer, query);
        failed = peer->alloc.fail_in == 0;
        test_alloc_fail(&peer->alloc, 0);
        if (http->status == 200) {
            peer_expect_http(http, 200, "___eio[7](\"3:4hi\");");
        } else {
            peer_expect_http(http, 503, NULL);
            peer_expect_event(peer, "close transport error");
        }
        peer_expect_event(peer, NULL);
    }
}

static void
script_without_memory_loses_no_packet_unawares(void **state)
{
    const struct peer_plan plan = {allow, peer_echo, poll_without_memory};

    (void)state;
    peer_run(&plan); /* it fails its allocations itself */
}

SCENARIO(an_empty_body_is_a_parse_error, allow, peer_echo)
{
    const char *query = open_polling(peer, "");

    peer_post(peer, query, "");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close parse error");
}

SCENARIO(too_many_packets_end_the_session, allow_few, peer_echo)
{
    const char *query = open_polling(peer, "");

    peer_expect_http(peer_post(peer, query, "2:4a2:4b2:4c"), 200, "ok");
    peer_expect_http(peer_post(peer, query, "2:4a2:4b2:4c2:4d"), 400, "");
}

SCENARIO(the_client_pings, allow, peer_echo)
{
    struct peer_ws *ws = open_websocket(peer);

    peer_wait(peer, 44000);
    peer_expect_nothing(ws);
    peer_say(ws, "2probe");
    peer_expect(ws, "3");
    peer_wait(peer, 44000);
    peer_say(ws, "4x");
    peer_expect(ws, "4x");
    peer_wait(peer, 1000); /* only a ping counts */
    peer_expect_close(ws, 1005);
}

SCENARIO(a_pong_from_the_client_is_a_transport_error, allow, peer_echo)
{
    peer_say(open_websocket(peer), "3");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
}

SCENARIO(a_binary_message_begins_with_its_type, allow, peer_echo)
{
    struct peer_ws *ws = open_websocket(peer);

    peer_say_bytes(ws, "\x04\x01\x02\x03", 4, true);
    peer_expect_bytes(ws, "\x04\x01\x02\x03", 4);
    peer_say(ws, "b4AQID");
    peer_expect_bytes(ws, "\x04\x01\x02\x03", 4);
}

SCENARIO(a_binary_message_without_type_is_a_parse_error, allow, peer_echo)
{
    peer_say_bytes(open_websocket(peer), "\x09", 1, true);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close parse error");
}

/* ---- Socket.IO ---- */

static void
refuse_all(skio_socket *socket, skio_next *next, void *user)
{
    const char *how = skio_get_str(skio_socket_auth(socket), "how");

    (void)user;
    if (how != NULL && strcmp(how, "data") == 0)
        skio_next_error(next, "no", "{'c':%d}", 1);
    else
        skio_next_error(next, "no", NULL);
}

static void
namespaces(struct peer *peer)
{
    skio_nsp *refusing = skio_of(peer->server, "/mw");

    (void)skio_of(peer->server, "/a");
    if (refusing != NULL)
        (void)skio_use(refusing, refuse_all, NULL);
}

SCENARIO(the_root_is_joined_unasked, allow, namespaces)
{
    struct peer_ws *ws = peer_ws(peer, "EIO=3&transport=websocket");
    unsigned opcode;
    const char *data;
    size_t len;
    char id[64];
    const char *tok;
    skio_nsp *nsp;
    skio_socket *socket;

    peer_check(peer, peer_frame(ws, &opcode, &data, &len));
    snprintf(id, sizeof id, "%s", peer_sid(data));
    peer_expect(ws, "40");
    nsp = skio_of(peer->server, "/");
    peer_check(peer, nsp != NULL && skio_nsp_socket(nsp, id) != NULL);

    peer_say(ws, "40/a?tok=1%202&b,");
    peer_expect(ws, "40/a,");
    memmove(id + 3, id, 21);
    memcpy(id, "/a#", 3);
    nsp = skio_of(peer->server, "/a");
    peer_check(peer, nsp != NULL);
    socket = skio_nsp_socket(nsp, id);
    peer_check(peer, socket != NULL);
    peer_check(peer, strcmp(skio_socket_id(socket), id) == 0);
    tok = skio_get_str(skio_socket_auth(socket), "tok");
    peer_check(peer, tok != NULL && strcmp(tok, "1 2") == 0);

    peer_say(ws, "40/none,");
    peer_expect(ws, "44/none,{\"message\":\"Invalid namespace\"}");
    peer_say(ws, "40/mw,");
    peer_expect(ws, "44/mw,\"no\"");
    peer_say(ws, "40/mw?how=data,");
    peer_expect(ws, "44/mw,{\"c\":1}");
    peer_say(ws, "40");
    peer_expect_close(ws, 1005);
}

static void
note_event(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    (void)ack;
    peer_note(user, "%s %s", skio_nsp_name(skio_socket_nsp(socket)),
              skio_get_json(args, ""));
}

static void
listening(struct peer *peer)
{
    skio_nsp *nsp = skio_of(peer->server, "/a");

    if (nsp != NULL)
        (void)skio_on(nsp, "e", note_event, peer);
}

/* Packets of every type may name it with its query, as in the CONNECT. */
SCENARIO(a_namespace_is_the_path_of_a_url, allow, listening)
{
    struct peer_ws *ws = open_websocket(peer);

    peer_expect(ws, "40");
    peer_say(ws, "40/a?x=1#y,");
    peer_expect(ws, "40/a,");
    peer_say(ws, "42/a?x=1,[\"e\",1]");
    peer_expect_event(peer, "/a [1]");
    peer_say(ws, "42/a#?,[\"e\",2]");
    peer_expect_event(peer, "/a [2]");
    peer_say(ws, "41/a?,");
    peer_say(ws, "40/a#,");
    peer_expect(ws, "40/a,");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protocol_3_is_refused_by_default),
        cmocka_unit_test(text_payloads_have_lengths),
        cmocka_unit_test(binary_payloads_go_both_ways),
        cmocka_unit_test(who_takes_no_binary_gets_base64),
        cmocka_unit_test(scripts_poll_and_forms_post),
        cmocka_unit_test(script_without_memory_loses_no_packet_unawares),
        cmocka_unit_test(an_empty_body_is_a_parse_error),
        cmocka_unit_test(too_many_packets_end_the_session),
        cmocka_unit_test(the_client_pings),
        cmocka_unit_test(a_pong_from_the_client_is_a_transport_error),
        cmocka_unit_test(a_binary_message_begins_with_its_type),
        cmocka_unit_test(a_binary_message_without_type_is_a_parse_error),
        cmocka_unit_test(the_root_is_joined_unasked),
        cmocka_unit_test(a_namespace_is_the_path_of_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
