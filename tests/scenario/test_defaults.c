/*
 * The defaults of a server, untouched: what is at a limit, and one past it
 *
 * Other scenarios set small limits and cut their input everywhere; these say
 * what the numbers are, as skio_limits(7) lists them. Each runs once.
 */
#include <string.h>

#include <socketio/request.h>

#include "scenario/sio.h"

#define POLLING "EIO=4&transport=polling"
#define WEBSOCKET "EIO=4&transport=websocket"
#define MAX_MESSAGE 1000000 /* max_http_buffer_size */

#define ONCE(name, setup_fn)                                                   \
    static void name##_script(struct peer *peer);                              \
    static const struct peer_plan name##_plan = {NULL, setup_fn,               \
                                                 name##_script};               \
    static void name(void **state)                                             \
    {                                                                          \
        (void)state;                                                           \
        peer_run_once(&name##_plan);                                           \
    }                                                                          \
    static void name##_script(struct peer *peer)

/* ---- Helpers ---- */

static char room_for[MAX_MESSAGE + 64];

/* len times the byte, and a NUL. Valid until the next call. */
static char *
filled(char byte, size_t len)
{
    memset(room_for, byte, len);
    room_for[len] = '\0';
    return room_for;
}

/* Append n times the text; returns what follows. */
static char *
repeat(char *at, const char *text, size_t n)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < n; i++) {
        memcpy(at, text, len);
        at += len;
    }
    *at = '\0';
    return at;
}

static void
count_event(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    struct peer *peer = user;

    (void)socket;
    (void)args;
    (void)ack;
    ++*(unsigned *)peer->data;
}

static unsigned events;

static void
note_pressure(skio_socket *socket, size_t queued, void *user)
{
    (void)socket;
    peer_note(user, "pressure %zu", queued);
}

static void
counting(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    events = 0;
    peer->data = &events;
    peer_check(peer, skio_on(root, "e", count_event, peer) == SKIO_OK);
    peer_check(peer,
               skio_on_disconnect(root, sio_note_disconnect, peer) == SKIO_OK);
    peer_check(peer,
               skio_on_backpressure(root, note_pressure, peer) == SKIO_OK);
}

/* ---- A message ---- */

ONCE(a_message_has_a_megabyte, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_counters counters = {.struct_size = sizeof counters};

    peer_expect_event(peer, "open");
    peer_say_bytes(ws, filled('4', MAX_MESSAGE), MAX_MESSAGE, false);
    peer_say_bytes(ws, filled('4', MAX_MESSAGE), MAX_MESSAGE, true);
    skio_server_counters(peer->server, &counters);
    peer_check(peer, counters.packets_in == 2 && counters.limits_hit == 0);
    peer_say_bytes(ws, filled('4', MAX_MESSAGE + 1), MAX_MESSAGE + 1, false);
    peer_expect_close(ws, 1009);
}

ONCE(a_body_has_a_megabyte, peer_engine)
{
    char query[160];

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post_bytes(peer, query, NULL,
                                     filled('4', MAX_MESSAGE), MAX_MESSAGE),
                     200, "ok");
    peer_expect_http(peer_post_bytes(peer, query, NULL,
                                     filled('4', MAX_MESSAGE + 1),
                                     MAX_MESSAGE + 1),
                     413, "");
}

ONCE(a_packet_has_ten_attachments, counting)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "4510-[\"e\"]");
    for (int i = 0; i < 10; i++)
        peer_say_bytes(ws, "", 0, true);
    peer_check(peer, events == 1);
    peer_say(ws, "4511-[\"e\"]");
    peer_expect_event(peer, "disconnect / forced close");
}

ONCE(attachments_have_a_megabyte_together, counting)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "452-[\"e\"]");
    peer_say_bytes(ws, filled('x', MAX_MESSAGE - 1), MAX_MESSAGE - 1, true);
    peer_say_bytes(ws, "x", 1, true);
    peer_check(peer, events == 1);
    peer_say(ws, "452-[\"e\"]");
    peer_say_bytes(ws, filled('x', MAX_MESSAGE - 1), MAX_MESSAGE - 1, true);
    peer_say_bytes(ws, "xx", 2, true);
    peer_check(peer, events == 1);
    peer_expect_event(peer, "disconnect / forced close");
}

ONCE(attachments_have_ten_seconds, counting)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "451-[\"e\"]");
    peer_wait(peer, 9999);
    peer_say_bytes(ws, "x", 1, true);
    peer_check(peer, events == 1);
    peer_say(ws, "451-[\"e\"]");
    peer_wait(peer, 10000);
    peer_expect_event(peer, "disconnect / forced close");
}

/* The argument list is the first of them. */
static void
say_nested(struct peer_ws *ws, size_t depth)
{
    char text[300];
    char *at = repeat(text, "42[\"e\",", 1);

    at = repeat(at, "[", depth - 1);
    at = repeat(at, "]", depth - 1);
    repeat(at, "]", 1);
    peer_say(ws, text);
}

ONCE(json_has_64_levels, counting)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_nested(ws, 64);
    peer_check(peer, events == 1);
    say_nested(ws, 65);
    peer_check(peer, events == 1);
    peer_expect_event(peer, "disconnect / forced close");
}

ONCE(a_payload_has_a_thousand_packets, counting)
{
    char query[160];
    char *at;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post(peer, query, "40"), 200, "ok");
    at = repeat(room_for, "42[\"e\"]\x1e", 999);
    repeat(at, "42[\"e\"]", 1);
    peer_expect_http(peer_post(peer, query, room_for), 200, "ok");
    peer_check(peer, events == 1000);
    at = repeat(room_for, "42[\"e\"]\x1e", 1000);
    repeat(at, "42[\"e\"]", 1);
    peer_post(peer, query, room_for);
    peer_check(peer, sio_counters(peer).limits_hit == 1);
    peer_expect_event(peer, "disconnect / transport error");
}

ONCE(a_name_has_512_bytes, counting)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    skio_nsp *root = skio_of(peer->server, "/");
    char text[600];
    char *at;

    peer_check(peer, skio_join(socket, filled('r', 512)) == SKIO_OK);
    peer_check(peer, skio_join(socket, filled('r', 513)) == SKIO_EINVAL);
    peer_check(peer, skio_emit(socket, filled('e', 512), NULL) == SKIO_OK);
    peer_check(peer, skio_emit(socket, filled('e', 513), NULL) == SKIO_EINVAL);
    peer_flush(peer);
    peer_expect_prefix(ws, "42[\"eee");

    filled('e', 512);
    peer_check(peer, skio_on(root, room_for, count_event, peer) == SKIO_OK);
    at = repeat(text, "42[\"", 1);
    at = repeat(at, "e", 512);
    repeat(at, "\"]", 1);
    peer_say(ws, text);
    peer_check(peer, events == 1);
    at = repeat(text, "42[\"", 1);
    at = repeat(at, "e", 513);
    repeat(at, "\"]", 1);
    peer_say(ws, text);
    peer_expect_event(peer, "disconnect / forced close");
}

ONCE(a_namespace_has_512_bytes, NULL)
{
    struct peer_ws *ws = peer_websocket(peer);
    char text[600];
    char *at;

    filled('n', 512);
    room_for[0] = '/';
    peer_check(peer, skio_of(peer->server, room_for) != NULL);
    at = repeat(text, "40", 1);
    at = repeat(at, room_for, 1);
    repeat(at, ",", 1);
    peer_say(ws, text);
    peer_expect_prefix(ws, "40/nnn");

    filled('n', 513);
    room_for[0] = '/';
    peer_check(peer, skio_of(peer->server, room_for) == NULL);
    at = repeat(text, "40", 1);
    at = repeat(at, room_for, 1);
    repeat(at, ",", 1);
    peer_say(ws, text);
    peer_expect_close(ws, 1005);
}

/* ---- A request ---- */

ONCE(headers_have_8_kib, peer_engine)
{
    /* Names and values, each with its NUL. */
    char *at = repeat(room_for, "a: ", 1);

    at = repeat(at, "x", 8192 - 3);
    repeat(at, "\n", 1);
    peer_expect_http(peer_request(peer, "GET", POLLING, room_for), 200, NULL);
    at = repeat(room_for, "a: ", 1);
    at = repeat(at, "x", 8192 - 2);
    repeat(at, "\n", 1);
    peer_expect_http(peer_request(peer, "GET", POLLING, room_for), 431, "");
}

ONCE(headers_have_a_hundred_lines, peer_engine)
{
    repeat(room_for, "a: b\n", 100);
    peer_expect_http(peer_request(peer, "GET", POLLING, room_for), 200, NULL);
    repeat(room_for, "a: b\n", 101);
    peer_expect_http(peer_request(peer, "GET", POLLING, room_for), 431, "");
}

ONCE(a_query_has_4_kib, peer_engine)
{
    char *at = repeat(room_for, POLLING "&a=", 1);

    repeat(at, "x", 4096 - (size_t)(at - room_for));
    peer_expect_http(peer_get(peer, room_for), 200, NULL);
    repeat(at, "x", 4097 - (size_t)(at - room_for));
    peer_expect_http(peer_get(peer, room_for), 400, NULL);
}

/* ---- A connection ---- */

ONCE(to_join_takes_45_seconds, NULL)
{
    struct peer_ws *late = peer_websocket(peer);
    struct peer_ws *last = peer_websocket(peer);

    peer_wait(peer, 25000);
    peer_expect(late, "2");
    peer_expect(last, "2");
    peer_say(late, "3");
    peer_say(last, "3");
    peer_wait(peer, 19999);
    peer_say(last, "40");
    peer_expect_prefix(last, "40{");
    peer_expect_nothing(late);
    peer_wait(peer, 1);
    peer_expect_close(late, 1005);
    peer_expect_nothing(last);
}

ONCE(to_join_takes_45_seconds_by_polling_too, NULL)
{
    const char *query = peer_polling(peer);
    struct peer_http *http = peer_get(peer, query);

    peer_wait(peer, 25000);
    peer_expect_http(http, 200, "2");
    peer_expect_http(peer_post(peer, query, "3"), 200, "ok");
    peer_wait(peer, 19999);
    peer_check(peer, sio_counters(peer).sessions_closed == 0);
    peer_wait(peer, 1);
    peer_check(peer, sio_counters(peer).sessions_closed == 1);
    peer_expect_http(peer_get(peer, query), 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

ONCE(an_upgrade_takes_ten_seconds, peer_engine)
{
    char query[160];
    struct peer_ws *ws;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    ws = peer_probe(peer, query);
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_wait(peer, 9999);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect_close(ws, 1005);
}

ONCE(a_connection_has_32_namespaces, NULL)
{
    struct peer_ws *ws = peer_websocket(peer);
    char name[32];

    for (int i = 0; i < 33; i++) {
        snprintf(name, sizeof name, "/%d", i);
        peer_check(peer, skio_of(peer->server, name) != NULL);
        if (i < 32) {
            sio_join(ws, name);
            continue;
        }
        peer_say(ws, "40/32,");
        peer_expect(ws, "44/32,{\"message\":\"Too many namespaces\"}");
    }
}

ONCE(a_socket_has_a_thousand_rooms, NULL)
{
    skio_socket *socket;
    char room[32];

    sio_connect(peer, &socket);
    for (int i = 0; i < 1000; i++) {
        snprintf(room, sizeof room, "%d", i);
        peer_check(peer, skio_join(socket, room) == SKIO_OK);
    }
    peer_check(peer, skio_join(socket, "another") == SKIO_ELIMIT);
}

ONCE(a_socket_is_waited_for_a_thousand_times, NULL)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    ws->is_blocked = true;
    for (int i = 0; i < 1000; i++)
        peer_check(peer, skio_emit_with_ack(socket, 0, sio_note_answer, peer,
                                            "q", NULL) == SKIO_OK);
    peer_check(peer, skio_emit_with_ack(socket, 0, sio_note_answer, peer, "q",
                                        NULL) == SKIO_ELIMIT);
}

/* Emit so much that exactly this many bytes wait, heads of frames included. */
static void
fill(struct peer *peer, skio_socket *socket, size_t bytes)
{
    while (skio_socket_queued(socket) < bytes) {
        size_t left = bytes - skio_socket_queued(socket);
        size_t len = left > 50000 ? 30000 : left - 10 - (left > 135 ? 4 : 2);

        peer_check(peer,
                   skio_emit(socket, "e", "%s", filled('x', len)) == SKIO_OK);
    }
    peer_check(peer, skio_socket_queued(socket) == bytes);
}

ONCE(a_queue_has_a_mark_at_64_kib_and_its_end_at_1_mib, counting)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    ws->is_blocked = true;
    fill(peer, socket, 65536);
    peer_flush(peer);
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_emit(socket, "e", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "pressure 65545");
    peer_check(peer, skio_emit_volatile(socket, "v", NULL) == SKIO_OK);
    peer_check(peer, sio_counters(peer).volatile_dropped == 1);

    fill(peer, socket, 1048576);
    peer_flush(peer);
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_emit(socket, "e", NULL) == SKIO_ENOBUFS);
    peer_flush(peer);
    peer_expect_event(peer, "disconnect / slow consumer");
}

ONCE(rates_are_off, counting)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    for (int i = 0; i < 10000; i++)
        peer_say(ws, "42[\"e\"]");
    peer_check(peer, events == 10000);
    for (int i = 0; i < 199; i++)
        sio_connect(peer, NULL);
    peer_check(peer, sio_counters(peer).limits_hit == 0);
}

/* ---- All of them ---- */

ONCE(an_address_has_200_sessions, NULL)
{
    struct peer_http *http;

    for (int i = 0; i < 100; i++)
        sio_connect(peer, NULL);
    for (int i = 0; i < 100; i++)
        peer_polling(peer);
    http = peer_get(peer, POLLING);
    peer_expect_http(http, 503, "");
    peer_expect_header(http, "retry-after", "5");
    peer->address = "192.0.2.2";
    peer_polling(peer);
}

ONCE(a_hundred_sessions_of_an_address_have_joined_nothing, NULL)
{
    struct peer_ws *ws = peer_websocket(peer);
    struct peer_http *http;

    for (int i = 0; i < 99; i++)
        peer_polling(peer);
    http = peer_get(peer, POLLING);
    peer_expect_http(http, 503, "");
    peer_expect_header(http, "retry-after", "5");
    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{");
    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer->address = "192.0.2.2";
    peer_polling(peer);
}

/* Addresses in which so many sessions fit, and one more. */
static void
from(struct peer *peer, int i, char address[32])
{
    snprintf(address, 32, "198.51.100.%d", i / 100);
    peer->address = address;
}

ONCE(a_thousand_sessions_have_joined_nothing, NULL)
{
    struct peer_ws *ws = peer_websocket(peer);
    char address[32];

    for (int i = 0; i < 999; i++) {
        from(peer, i, address);
        peer_polling(peer);
    }
    peer->address = "203.0.113.1";
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{");
    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
}

ONCE(ten_thousand_namespaces_are_made_on_demand, NULL)
{
    struct peer_ws *ws = NULL;
    char packet[48];
    char address[32];

    peer_check(peer, skio_of_pattern(peer->server, "/*") != NULL);
    for (int i = 0; i < 10000; i++) {
        if (i % 32 == 0) {
            from(peer, i, address);
            ws = peer_websocket(peer);
        }
        snprintf(packet, sizeof packet, "40/%d,", i);
        peer_say(ws, packet);
        peer_expect_prefix(ws, packet);
    }
    ws = peer_websocket(peer);
    peer_say(ws, "40/another,");
    peer_expect(ws, "44/another,{\"message\":\"Too many namespaces\"}");
}

/* ---- What is off ---- */

ONCE(only_pages_of_the_same_origin_may_connect, peer_engine)
{
    static const char own[] = "host: a.example\norigin: https://a.example\n";
    static const char other[] = "host: a.example\norigin: https://b.example\n";
    struct peer_ws *ws;

    peer_expect_http(peer_request(peer, "GET", POLLING, own), 200, NULL);
    ws = peer_ws_request(peer, WEBSOCKET, own);
    peer_check(peer, ws->ws != NULL);
    peer_expect_http(peer_request(peer, "GET", POLLING, other), 403, NULL);
    ws = peer_ws_request(peer, WEBSOCKET, other);
    peer_check(peer, ws->ws == NULL);
    peer_expect_http(ws->http, 403, NULL);
}

ONCE(nothing_is_compressed_and_nobody_named, peer_engine)
{
    struct peer_http *http =
        peer_request(peer, "GET", POLLING, "accept-encoding: gzip, deflate\n");
    struct peer_ws *ws =
        peer_ws_begin(peer, WEBSOCKET,
                      "sec-websocket-extensions: permessage-deflate\n");
    const skio_header *headers;

    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "content-encoding", NULL);
    peer_expect_header(http, "server", NULL);
    peer_check(peer, ws->http->state == SKIO_EXCHANGE_UPGRADE);
    peer_check(peer, !skio_exchange_accept_deflate(ws->http->exchange));
    peer_check(peer, skio_exchange_headers(ws->http->exchange, &headers) == 0);
    peer_ws_finish(ws);
    peer_expect_prefix(ws, "0{");
}

ONCE(protocol_3_is_not_spoken, peer_engine)
{
    peer_expect_http(peer_get(peer, "EIO=3&transport=polling"), 400, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_a_megabyte),
        cmocka_unit_test(a_body_has_a_megabyte),
        cmocka_unit_test(a_packet_has_ten_attachments),
        cmocka_unit_test(attachments_have_a_megabyte_together),
        cmocka_unit_test(attachments_have_ten_seconds),
        cmocka_unit_test(json_has_64_levels),
        cmocka_unit_test(a_payload_has_a_thousand_packets),
        cmocka_unit_test(a_name_has_512_bytes),
        cmocka_unit_test(a_namespace_has_512_bytes),
        cmocka_unit_test(headers_have_8_kib),
        cmocka_unit_test(headers_have_a_hundred_lines),
        cmocka_unit_test(a_query_has_4_kib),
        cmocka_unit_test(to_join_takes_45_seconds),
        cmocka_unit_test(to_join_takes_45_seconds_by_polling_too),
        cmocka_unit_test(an_upgrade_takes_ten_seconds),
        cmocka_unit_test(a_connection_has_32_namespaces),
        cmocka_unit_test(a_socket_has_a_thousand_rooms),
        cmocka_unit_test(a_socket_is_waited_for_a_thousand_times),
        cmocka_unit_test(a_queue_has_a_mark_at_64_kib_and_its_end_at_1_mib),
        cmocka_unit_test(rates_are_off),
        cmocka_unit_test(an_address_has_200_sessions),
        cmocka_unit_test(a_hundred_sessions_of_an_address_have_joined_nothing),
        cmocka_unit_test(a_thousand_sessions_have_joined_nothing),
        cmocka_unit_test(ten_thousand_namespaces_are_made_on_demand),
        cmocka_unit_test(only_pages_of_the_same_origin_may_connect),
        cmocka_unit_test(nothing_is_compressed_and_nobody_named),
        cmocka_unit_test(protocol_3_is_not_spoken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
