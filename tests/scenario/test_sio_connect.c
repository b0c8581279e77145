/*
 * Joining namespaces: CONNECT and its limits
 */
#include "scenario/sio.h"

static void
note_auth(skio_socket *socket, void *user)
{
    const char *json = skio_get_json(skio_socket_auth(socket), "");

    peer_note(user, "auth %s", json != NULL ? json : "?");
}

static void
two_namespaces(struct peer *peer)
{
    skio_nsp *admin = skio_of(peer->server, "admin");
    skio_nsp *root = skio_of(peer->server, "/");

    if (admin == NULL)
        return;
    (void)skio_on_connect(root, note_auth, peer);
    (void)skio_on_connect(admin, note_auth, peer);
    (void)skio_on(root, "e", sio_note_event, peer);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
    (void)skio_on_disconnect(admin, sio_note_disconnect, peer);
}

SCENARIO(a_connect_is_answered_with_a_socket_id, NULL, two_namespaces)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];

    peer_say(ws, "40");
    sio_take_connect(ws, "40", id);
    peer_expect_event(peer, "auth {}");
    peer_expect_nothing(ws);
    peer_check(peer, skio_nsp_count(skio_of(peer->server, "/")) == 1);
}

SCENARIO(auth_reaches_the_socket, NULL, two_namespaces)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];

    peer_say(ws, "40{\"token\":\"\\u00e4\",\"n\":[1,2]}");
    sio_take_connect(ws, "40", id);
    peer_expect_event(peer, "auth {\"token\":\"\\u00e4\",\"n\":[1,2]}");
    peer_say(ws, "40/admin,{\"a\":1}");
    sio_take_connect(ws, "40/admin,", id);
    peer_expect_event(peer, "auth {\"a\":1}");
}

SCENARIO(a_namespace_is_named_with_and_without_a_comma, NULL, two_namespaces)
{
    struct peer_ws *one = peer_websocket(peer);
    struct peer_ws *two = peer_websocket(peer);
    char id[21];

    peer_say(one, "40/admin");
    sio_take_connect(one, "40/admin,", id);
    peer_say(two, "40/admin,");
    sio_take_connect(two, "40/admin,", id);
    peer_say(one, "41/admin");
    peer_say(two, "41/admin,");
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "disconnect /admin client namespace disconnect");
    peer_expect_event(peer, "disconnect /admin client namespace disconnect");
}

SCENARIO(a_connect_works_over_polling, NULL, two_namespaces)
{
    char query[128];
    struct peer_http *poll;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    poll = peer_get(peer, query);
    peer_expect_http(peer_post(peer, query,
                               "40\x1e"
                               "40/nope,\x1e"
                               "40/admin,{\"a\":1}"),
                     200, "ok");
    peer_expect_http(poll, 200, NULL);
    peer_check(peer, strncmp(poll->body.data, "40{\"sid\":\"", 9) == 0);
    peer_check(peer, strstr(poll->body.data,
                            "\"}\x1e"
                            "44/nope,{\"message\":\"Invalid namespace\"}\x1e"
                            "40/admin,{\"sid\":\"") != NULL);
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "auth {\"a\":1}");
}

SCENARIO(an_unknown_namespace_is_refused_and_nothing_else, NULL, two_namespaces)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];

    peer_say(ws, "40/a?x=1,");
    peer_expect(ws, "44/a?x=1,{\"message\":\"Invalid namespace\"}");
    peer_say(ws, "40/admin");
    sio_take_connect(ws, "40/admin,", id);
    peer_expect_nothing(ws);
}

SCENARIO(a_second_connect_ends_the_connection, NULL, two_namespaces)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    sio_join(ws, "/admin");
    peer_say(ws, "40");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "disconnect /admin forced close");
    peer_expect_event(peer, "disconnect / forced close");
    peer_expect_event(peer, NULL);
}

SCENARIO(packets_before_the_connect_end_the_connection, NULL, two_namespaces)
{
    static const char *const early[] = {
        "42[\"e\"]", "41",          "430[]", "42/admin,[\"e\"]",
        "41/none,",  "44{\"a\":1}", "42[]",  "47",
        "4",         "40[]",
    };

    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
        struct peer_ws *ws = peer_websocket(peer);

        peer_say(ws, early[i]);
        peer_expect_close(ws, 1005);
    }
    peer_expect_event(peer, NULL);
}

/* What Node's server tells: a packet that it cannot read waits for the poll,
 * one that it can read does not. */
SCENARIO(the_reason_tells_whether_a_poll_was_there, NULL, two_namespaces)
{
    static const struct {
        const char *packet;
        bool polls;
        const char *event;
    } cases[] = {
        {"42/admin,[\"e\"]", false, "disconnect / forced server close"},
        {"40", false, "disconnect / forced server close"},
        {"44{\"a\":1}", false, "disconnect / forced server close"},
        {"42/admin,[\"e\"]", true, "disconnect / forced close"},
        {"42[", false, "disconnect / forced close"},
        {"42[", true, "disconnect / forced close"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char query[128];
        struct peer_http *poll = NULL;

        snprintf(query, sizeof query, "%s", peer_polling(peer));
        peer_expect_http(peer_post(peer, query, "40"), 200, "ok");
        peer_expect_http(peer_get(peer, query), 200, NULL);
        peer_expect_event(peer, "auth {}");
        if (cases[i].polls)
            poll = peer_get(peer, query);
        peer_expect_http(peer_post(peer, query, cases[i].packet), 200, "ok");
        peer_expect_event(peer, cases[i].event);
        if (poll == NULL)
            poll = peer_get(peer, query);
        peer_expect_http(poll, 200,
                         cases[i].polls ? "1"
                                        : "6\x1e"
                                          "1");
    }
}

SCENARIO(a_connect_error_from_a_client_ends_the_connection, NULL,
         two_namespaces)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "44{\"message\":\"x\"}");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "disconnect / forced close");
}

SCENARIO(a_client_may_leave_and_come_back, NULL, two_namespaces)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "41");
    peer_expect_nothing(ws);
    sio_join(ws, "");
    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "disconnect / client namespace disconnect");
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "event []");
    peer_say(ws, "41");
    peer_say(ws, "42[\"e\"]"); /* after its own goodbye */
    peer_expect_close(ws, 1005);
}

SCENARIO(a_client_may_come_back_after_the_server_let_it_go, NULL,
         two_namespaces)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    skio_disconnect(socket, false);
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_say(ws, "42[\"e\"]"); /* was under way: ignored */
    peer_say(ws, "451-[\"e\",{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(ws, "x", 1, true);
    peer_say(ws, "4312[]");
    sio_join(ws, "");
    peer_say(ws, "42[\"e\",1]");
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, "auth {}");
    peer_expect_event(peer, "event [1]");
    peer_expect_event(peer, NULL);
    peer_expect_nothing(ws);
}

SCENARIO(a_goodbye_crosses_the_servers_once, NULL, two_namespaces)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    skio_disconnect(socket, false);
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_say(ws, "41");
    peer_expect_nothing(ws);
    peer_say(ws, "41");
    peer_expect_close(ws, 1005);
}

static void
two_at_most(skio_server_options *options)
{
    options->max_namespaces = 2;
}

static void
three_namespaces(struct peer *peer)
{
    (void)skio_of(peer->server, "/a");
    (void)skio_of(peer->server, "/b");
}

SCENARIO(namespaces_of_a_client_are_limited, two_at_most, three_namespaces)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_check(peer, skio_of(peer->server, "/a") != NULL);
    peer_check(peer, skio_of(peer->server, "/b") != NULL);
    sio_join(ws, "/a");
    peer_say(ws, "40/b,");
    peer_expect(ws, "44/b,{\"message\":\"Too many namespaces\"}");
    peer_check(peer, sio_counters(peer).limits_hit == 1);
    peer_say(ws, "41/a,");
    sio_join(ws, "/b");
}

SCENARIO(a_namespace_that_the_server_ended_is_not_counted, two_at_most,
         three_namespaces)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    skio_socket *socket = NULL;

    peer_check(peer, skio_of(peer->server, "/a") != NULL);
    peer_check(peer, skio_of(peer->server, "/b") != NULL);
    socket = sio_join(ws, "/a");
    skio_disconnect(socket, false);
    peer_flush(peer);
    peer_expect(ws, "41/a,");
    sio_join(ws, "/b");
    peer_say(ws, "40/a,");
    peer_expect(ws, "44/a,{\"message\":\"Too many namespaces\"}");
}

static void
one_second(skio_server_options *options)
{
    options->connect_timeout_ms = 1000;
}

SCENARIO(a_client_that_joins_nothing_is_closed_in_time, one_second,
         two_namespaces)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/none,");
    peer_expect_prefix(ws, "44/none,");
    peer_wait(peer, 999);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect_close(ws, 1005);
}

SCENARIO(a_client_that_joins_at_the_last_moment_stays, one_second,
         two_namespaces)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_wait(peer, 999);
    sio_join(ws, "");
    peer_say(ws, "41");
    peer_wait(peer, 5000);
    peer_expect_nothing(ws);
    sio_join(ws, "");
}

/* Given back with the socket, so that it is there as long as handlers run. */
static void
mark_connected(skio_socket *socket, void *user)
{
    skio_socket_set_data(socket, user, NULL);
}

/* No expectation: those do not count once an allocation has failed. */
static void
must_be_marked(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    if (skio_socket_data(socket) != user) {
        fprintf(stderr, "a socket ends that never connected\n");
        abort();
    }
}

static void
pairs_of_handlers(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    /* All of them or none: a handler that found no memory hears nothing. */
    if (skio_on_connect(root, mark_connected, peer) != SKIO_OK)
        return;
    (void)skio_on_disconnecting(root, must_be_marked, peer);
    (void)skio_on_disconnect(root, must_be_marked, peer);
}

static void
with_old_clients(skio_server_options *options)
{
    options->allow_eio3 = true;
    options->recovery_ms = 1000;
}

/* A connection that fails half-way, for want of memory, is nobody's. */
SCENARIO(who_heard_of_no_connect_hears_of_no_disconnect, with_old_clients,
         pairs_of_handlers)
{
    peer_say(peer_websocket(peer), "40");
    peer_ws_request(peer, "EIO=3&transport=websocket", NULL);
    peer_get(peer, "EIO=3&transport=polling");
    peer_wait(peer, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connect_is_answered_with_a_socket_id),
        cmocka_unit_test(auth_reaches_the_socket),
        cmocka_unit_test(a_namespace_is_named_with_and_without_a_comma),
        cmocka_unit_test(a_connect_works_over_polling),
        cmocka_unit_test(an_unknown_namespace_is_refused_and_nothing_else),
        cmocka_unit_test(a_second_connect_ends_the_connection),
        cmocka_unit_test(packets_before_the_connect_end_the_connection),
        cmocka_unit_test(the_reason_tells_whether_a_poll_was_there),
        cmocka_unit_test(a_connect_error_from_a_client_ends_the_connection),
        cmocka_unit_test(a_client_may_leave_and_come_back),
        cmocka_unit_test(a_client_may_come_back_after_the_server_let_it_go),
        cmocka_unit_test(a_goodbye_crosses_the_servers_once),
        cmocka_unit_test(namespaces_of_a_client_are_limited),
        cmocka_unit_test(a_namespace_that_the_server_ended_is_not_counted),
        cmocka_unit_test(a_client_that_joins_nothing_is_closed_in_time),
        cmocka_unit_test(a_client_that_joins_at_the_last_moment_stays),
        cmocka_unit_test(who_heard_of_no_connect_hears_of_no_disconnect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
