/*
 * Scenarios that end well whatever allocation fails: each runs whole, cut, and
 * with each allocation failing, once and from then on; after each failure a
 * next client gets a session, a socket and an event
 *
 * All scenarios of this folder are treated so. These are one of each kind, and
 * they are counted: the next client of a scenario gets all only where none of
 * its options says otherwise.
 */
#include "scenario/sio.h"

#define SCENARIOS_MIN 20

/* ---- What the server does ---- */

static void
on_say(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    if (ack != NULL)
        (void)skio_ack_send(ack, "%p", SKIO_VALUE(args));
    (void)skio_emit(socket, "said", "%p", SKIO_VALUE(args));
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    (void)skio_join(socket, "room");
    (void)skio_emit_to(skio_socket_nsp(socket), "room", "joined", NULL);
}

static void
on_ask(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    int err =
        skio_emit_with_ack(socket, 1000, sio_note_answer, user, "q", NULL);

    (void)args;
    (void)ack;
    if (err != SKIO_OK)
        peer_note(user, "not asked: %s", skio_err_name(err));
}

static void
pass(skio_socket *socket, skio_next *next, void *user)
{
    (void)socket;
    (void)user;
    (void)skio_next_ok(next);
}

static void
serve(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    peer_check(peer, skio_on(root, "say", on_say, peer) == SKIO_OK);
    peer_check(peer, skio_on(root, "join", on_join, peer) == SKIO_OK);
    peer_check(peer, skio_on(root, "ask", on_ask, peer) == SKIO_OK);
}

static void
serve_more(struct peer *peer)
{
    serve(peer);
    peer_check(peer, skio_of(peer->server, "/news") != NULL);
    peer_check(peer, skio_of_pattern(peer->server, "/room-*") != NULL);
}

static void
serve_judged(struct peer *peer)
{
    serve(peer);
    peer_check(peer,
               skio_use(skio_of(peer->server, "/"), pass, peer) == SKIO_OK);
}

/* ---- Scenarios ---- */

SCENARIO(a_websocket_opens, NULL, serve)
{
    peer_check(peer, peer_websocket(peer) != NULL);
}

SCENARIO(a_websocket_that_breaks, NULL, serve)
{
    peer_hang_up(sio_connect(peer, NULL), false);
}

SCENARIO(an_event_is_answered, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"say\",1,{\"a\":[null]}]");
    peer_expect_prefix(ws, "42[\"said\",1");
}

SCENARIO(an_event_is_acknowledged, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "427[\"say\",1]");
    peer_expect_prefix(ws, "437[");
}

SCENARIO(an_event_has_attachments, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "451-[\"say\",{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(ws, "bytes", 5, true);
    peer_expect_prefix(ws, "451-[\"said\"");
    peer_expect_bytes(ws, "bytes", 5);
}

SCENARIO(a_client_is_asked, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"ask\"]");
    peer_expect_prefix(ws, "420[\"q\"]");
    peer_say(ws, "430[1]");
    peer_expect_event(peer, "answer SKIO_OK [1]");
}

SCENARIO(a_client_that_is_asked_does_not_answer, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"ask\"]");
    peer_expect_prefix(ws, "420[\"q\"]");
    peer_wait(peer, 2000);
    peer_expect_event(peer, "answer SKIO_ETIMEDOUT -");
}

SCENARIO(a_room_is_told, NULL, serve)
{
    struct peer_ws *first = sio_connect(peer, NULL);
    struct peer_ws *second = sio_connect(peer, NULL);

    peer_say(first, "42[\"join\"]");
    peer_expect(first, "42[\"joined\"]");
    peer_say(second, "42[\"join\"]");
    peer_expect(first, "42[\"joined\"]");
    peer_expect(second, "42[\"joined\"]");
}

SCENARIO(all_are_told, NULL, serve)
{
    struct peer_ws *first = sio_connect(peer, NULL);
    struct peer_ws *second = sio_connect(peer, NULL);

    (void)skio_emit_all(skio_of(peer->server, "/"), "e", "%d", 1);
    peer_flush(peer);
    peer_expect(first, "42[\"e\",1]");
    peer_expect(second, "42[\"e\",1]");
}

SCENARIO(a_reader_that_is_slow, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    ws->is_blocked = true;
    for (int i = 0; i < 5; i++)
        peer_say(ws, "42[\"say\",1]");
    peer_unblock(ws);
    for (int i = 0; i < 5; i++)
        peer_expect(ws, "42[\"said\",1]");
}

SCENARIO(another_namespace_is_joined, NULL, serve_more)
{
    peer_check(peer, sio_join(peer_websocket(peer), "/news") != NULL);
}

SCENARIO(a_namespace_is_made_on_demand, NULL, serve_more)
{
    peer_check(peer, sio_join(peer_websocket(peer), "/room-7") != NULL);
}

SCENARIO(a_namespace_is_not_there, NULL, serve_more)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/none,");
    peer_expect(ws, "44/none,{\"message\":\"Invalid namespace\"}");
}

SCENARIO(a_middleware_lets_in, NULL, serve_judged)
{
    (void)sio_connect(peer, NULL);
}

SCENARIO(a_namespace_is_left, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "41");
    (void)sio_join(ws, "");
}

SCENARIO(a_client_is_disconnected, NULL, serve)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    skio_disconnect(socket, false);
    peer_flush(peer);
    peer_expect(ws, "41");
}

SCENARIO(a_packet_is_none, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"say\",");
    peer_expect_close(ws, 1005);
}

SCENARIO(a_client_falls_silent, NULL, serve)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_wait(peer, 46000);
    peer_expect(ws, "2");
    peer_check(peer, skio_server_sessions(peer->server) == 0);
}

SCENARIO(a_client_polls, NULL, serve)
{
    char query[128];
    struct peer_http *http;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post(peer, query, "40"), 200, "ok");
    http = peer_get(peer, query);
    peer_check(peer, http->status == 200);
    http = peer_get(peer, query);
    peer_expect_held(http);
    peer_expect_http(peer_post(peer, query, "42[\"say\",1]"), 200, "ok");
    peer_expect_http(http, 200, "42[\"said\",1]");
}

SCENARIO(a_poll_is_given_up, NULL, serve)
{
    char query[128];
    struct peer_http *http;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    http = peer_get(peer, query);
    peer_expect_held(http);
    peer_abort(http);
}

SCENARIO(a_polling_client_upgrades, NULL, serve)
{
    char query[128];
    struct peer_ws *ws;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    ws = peer_probe(peer, query);
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_say(ws, "5");
    (void)sio_join(ws, "");
}

SCENARIO(a_polling_client_says_goodbye, NULL, serve)
{
    char query[128];

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post(peer, query, "1"), 200, "ok");
}

static void
at_least_twenty_scenarios_serve_the_next_client(void **state)
{
    struct peer_tortured tortured = peer_tortured();

    (void)state;
    print_message("# %zu scenarios, %zu serve the next client in full; %zu "
                  "allocations failed, each once and from there on\n",
                  tortured.scenarios, tortured.served, tortured.allocations);
    assert_int_equal(tortured.scenarios, tortured.served);
    assert_true(tortured.served >= SCENARIOS_MIN);
    assert_true(tortured.allocations > 10 * tortured.served);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_websocket_opens),
        cmocka_unit_test(a_websocket_that_breaks),
        cmocka_unit_test(an_event_is_answered),
        cmocka_unit_test(an_event_is_acknowledged),
        cmocka_unit_test(an_event_has_attachments),
        cmocka_unit_test(a_client_is_asked),
        cmocka_unit_test(a_client_that_is_asked_does_not_answer),
        cmocka_unit_test(a_room_is_told),
        cmocka_unit_test(all_are_told),
        cmocka_unit_test(a_reader_that_is_slow),
        cmocka_unit_test(another_namespace_is_joined),
        cmocka_unit_test(a_namespace_is_made_on_demand),
        cmocka_unit_test(a_namespace_is_not_there),
        cmocka_unit_test(a_middleware_lets_in),
        cmocka_unit_test(a_namespace_is_left),
        cmocka_unit_test(a_client_is_disconnected),
        cmocka_unit_test(a_packet_is_none),
        cmocka_unit_test(a_client_falls_silent),
        cmocka_unit_test(a_client_polls),
        cmocka_unit_test(a_poll_is_given_up),
        cmocka_unit_test(a_polling_client_upgrades),
        cmocka_unit_test(a_polling_client_says_goodbye),
        cmocka_unit_test(at_least_twenty_scenarios_serve_the_next_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
