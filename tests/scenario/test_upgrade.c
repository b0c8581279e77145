/*
 * Engine.IO: from polling to WebSocket
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <string.h>

#define UNKNOWN "{\"code\":1,\"message\":\"Session ID unknown\"}"
#define REQUEST "{\"code\":3,\"message\":\"Bad request\"}"

/* peer_polling() with a copy of its query. */
#define POLLING_SESSION(query)                                                 \
    char query[160];                                                           \
    snprintf(query, sizeof query, "%s", peer_polling(peer))

SCENARIO(an_upgrade_moves_the_session, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_http *poll = peer_get(peer, query);
    struct peer_ws *ws = peer_probe(peer, query);

    peer_expect_nothing(ws);
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_expect_http(poll, 200, "6"); /* at once */
    peer_say(ws, "5");
    peer_expect_nothing(ws);
    peer_say(ws, "4hello");
    peer_expect(ws, "4hello");
    peer_expect_http(peer_get(peer, query), 400, REQUEST);
    peer_expect_http(peer_post(peer, query, "4a"), 400, REQUEST);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hello");
    peer_expect_event(peer, NULL);
}

SCENARIO(probe_and_upgrade_may_come_back_to_back, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);

    peer->holds_turn = true;
    peer_say(ws, "2probe");
    peer_say(ws, "5");
    peer_say(ws, "4hello");
    peer->holds_turn = false;
    peer_flush(peer);
    peer_expect(ws, "3probe");
    peer_expect(ws, "4hello");
    peer_expect_http(peer_get(peer, query), 400, REQUEST);
}

SCENARIO(an_upgrade_without_a_probe_is_accepted, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);

    peer_say(ws, "5");
    peer_say(ws, "4hello");
    peer_expect(ws, "4hello");
}

SCENARIO(each_tick_releases_a_poll, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);
    struct peer_http *poll;
    int i;

    peer_say(ws, "2probe");
    for (i = 0; i < 3; i++) {
        poll = peer_get(peer, query);
        peer_expect_held(poll);
        peer_wait(peer, 100);
        peer_expect_http(poll, 200, "6");
    }
    /* Another probe releases at once, and begins the wait anew. */
    poll = peer_get(peer, query);
    peer_wait(peer, 60);
    peer_say(ws, "2probe");
    peer_expect_http(poll, 200, "6");
    poll = peer_get(peer, query);
    peer_wait(peer, 99);
    peer_expect_held(poll);
    peer_wait(peer, 1);
    peer_expect_http(poll, 200, "6");
}

SCENARIO(without_a_probe_no_poll_is_released, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_http *poll = peer_get(peer, query);

    peer_probe(peer, query);
    peer_wait(peer, 1000);
    peer_expect_held(poll);
}

SCENARIO(polling_works_while_the_probe_does, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_http *poll = peer_get(peer, query);
    struct peer_ws *ws = peer_probe(peer, query);

    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_expect_http(poll, 200, "6");
    poll = peer_get(peer, query);
    peer_expect_http(peer_post(peer, query, "4a"), 200, "ok");
    peer_expect_http(poll, 200, "4a");
    /* Without a poll packets wait, and go over the new transport in order. */
    peer_expect_http(peer_post(peer, query,
                               "4b\x1e"
                               "4c"),
                     200, "ok");
    peer_expect_nothing(ws);
    peer_say(ws, "5");
    peer_expect(ws, "4b");
    peer_expect(ws, "4c");
    peer_say(ws, "4d");
    peer_expect(ws, "4d");
    peer_expect_nothing(ws);
}

SCENARIO(a_poll_that_waits_at_the_upgrade_gets_a_close_packet, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_http *poll = peer_get(peer, query);
    struct peer_ws *ws = peer_probe(peer, query);

    peer_say(ws, "2probe");
    peer_expect_http(poll, 200, "6");
    poll = peer_get(peer, query);
    peer_say(ws, "5");
    peer_expect_http(poll, 200, "1");
    peer_expect(ws, "3probe");
    peer_say(ws, "4a");
    peer_expect(ws, "4a");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
}

SCENARIO(a_poll_in_the_turn_of_the_upgrade_comes_after_it, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);
    struct peer_http *poll;

    /* Sent in this order, read in that: a loop is free to do so. */
    peer->holds_turn = true;
    poll = peer_get(peer, query);
    peer_expect_held(poll);
    peer_say(ws, "2probe");
    peer_say(ws, "5");
    peer->holds_turn = false;
    peer_flush(peer);
    peer_expect_http(poll, 400, REQUEST);
    peer_expect(ws, "3probe");
    peer_say(ws, "4a");
    peer_expect(ws, "4a");
}

SCENARIO(any_other_packet_ends_the_probe, NULL, peer_echo)
{
    static const char *const others[] = {"4a", "2",  "2probf", "3probe", "1",
                                         "6",  "b4", "",       "x"};
    POLLING_SESSION(query);
    size_t i;

    for (i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct peer_ws *ws = peer_probe(peer, query);

        peer_say(ws, others[i]);
        peer_expect_close(ws, 1005);
        peer_hang_up(ws, true);
    }
    {
        struct peer_ws *ws = peer_probe(peer, query);

        peer_say_bytes(ws, "2probe", 6, true);
        peer_expect_close(ws, 1005);
    }
    /* The session stays on polling. */
    peer_expect_http(peer_post(peer, query, "4b"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "4b");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message b");
    peer_expect_event(peer, NULL);
}

static void
ten_bytes(skio_server_options *options)
{
    options->max_http_buffer_size = 10;
}

SCENARIO(a_probe_has_the_limits_of_a_session, ten_bytes, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);

    peer_say(ws, "2probe and more");
    peer_expect_close(ws, 1009);
    ws = peer_probe(peer, query);
    peer_say(ws, "5\xff");
    peer_expect_close(ws, 1007);
    peer_expect_http(peer_post(peer, query, "4b"), 200, "ok");
}

SCENARIO(a_probe_that_breaks_is_forgotten, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_http *poll = peer_get(peer, query);
    struct peer_ws *ws = peer_probe(peer, query);

    peer_say(ws, "2probe");
    peer_expect_http(poll, 200, "6");
    peer_hang_up(ws, false);
    poll = peer_get(peer, query);
    peer_wait(peer, 1000); /* no noop any more */
    peer_expect_held(poll);
    ws = peer_probe(peer, query);
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_probe_without_an_upgrade_times_out, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);
    struct peer_http *poll;

    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_wait(peer, 9999);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect_close(ws, 1005);
    poll = peer_get(peer, query);
    peer_wait(peer, 1000);
    peer_expect_held(poll);
    peer_say(ws, "5"); /* too late */
    peer_expect_http(peer_post(peer, query, "4b"), 200, "ok");
    peer_expect_http(poll, 200, "4b");
}

SCENARIO(a_second_probe_is_closed, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *first = peer_probe(peer, query);
    struct peer_ws *second = peer_probe(peer, query);

    peer_expect_close(second, 1005);
    peer_say(second, "5");
    peer_say(first, "2probe");
    peer_expect(first, "3probe");
    peer_say(first, "5");
    peer_say(first, "4a");
    peer_expect(first, "4a");
}

SCENARIO(a_probe_of_an_upgraded_session_is_closed, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *first = peer_probe(peer, query);
    struct peer_ws *second;

    peer_say(first, "5");
    second = peer_probe(peer, query);
    peer_expect_close(second, 1005);
    peer_hang_up(second, true);
    peer_say(first, "4a");
    peer_expect(first, "4a");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_session_that_ends_takes_its_probe_along, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);

    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_expect_http(peer_post(peer, query, "1"), 200, "ok");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport close");
    peer_expect_http(peer_get(peer, query), 400, UNKNOWN);
}

SCENARIO(closing_during_the_probe_closes_the_new_transport, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);
    skio_session *session = peer->session;

    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_check(peer, session != NULL);
    peer_check(peer, skio_session_send(session, "bye", 3, false) == SKIO_OK);
    skio_session_close(session);
    peer_flush(peer);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer_say(ws, "5");
    peer_expect(ws, "4bye");
    peer_expect_close(ws, 1005);
    peer_expect_http(peer_get(peer, query), 400, UNKNOWN);
    peer_expect_event(peer, NULL);
}

SCENARIO(an_upgraded_session_is_pinged_on, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws;

    /* The pong gets lost with the old transport: Node would never ping
     * again. */
    peer_wait(peer, 25000);
    peer_expect_http(peer_get(peer, query), 200, "2");
    ws = peer_probe(peer, query);
    peer_say(ws, "5");
    peer_wait(peer, 24999);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect(ws, "2");
    peer_wait(peer, 20000);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close ping timeout");
    peer_expect_close(ws, 1005);
}

SCENARIO(an_upgrade_does_not_delay_the_ping, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws;

    peer_wait(peer, 20000);
    ws = peer_probe(peer, query);
    peer_say(ws, "5");
    peer_wait(peer, 5000);
    peer_expect(ws, "2");
}

SCENARIO(a_post_that_is_under_way_at_the_upgrade_arrives, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);
    struct peer_http *post = peer_post_begin(peer, query, NULL, 4);

    peer_post_body(post, "4a", 2);
    peer_say(ws, "5");
    peer_post_body(post, "bc", 2);
    peer_post_end(post);
    peer_expect_http(post, 200, "ok");
    peer_expect(ws, "4abc");
}

SCENARIO(a_flood_of_probes_ends_the_probe, NULL, peer_echo)
{
    POLLING_SESSION(query);
    struct peer_ws *ws = peer_probe(peer, query);
    size_t before = peer->alloc.live;
    int i;

    ws->is_blocked = true;
    for (i = 0; i < 1000; i++)
        peer_say(ws, "2probe");
    peer_check(peer, peer->alloc.live <= before);
    peer_unblock(ws);
    for (i = 0; i < 60; i++)
        peer_expect(ws, "3probe");
    peer_expect_close(ws, 1005);
    peer_expect_http(peer_post(peer, query, "4b"), 200, "ok");
}

static void
no_upgrades(skio_server_options *options)
{
    options->allow_upgrades = false;
}

SCENARIO(a_probe_is_refused_where_upgrades_are_not_offered, no_upgrades,
         peer_echo)
{
    POLLING_SESSION(query);
    char probe[160];
    struct peer_ws *ws;

    snprintf(probe, sizeof probe, "EIO=4&transport=websocket&sid=%s",
             strstr(query, "sid=") + 4);
    ws = peer_ws_request(peer, probe, NULL);
    peer_expect_http(ws->http, 400, "Bad request");
    /* The session goes on, and a WebSocket may open one of its own. */
    peer_expect_http(peer_post(peer, query, "4a"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "4a");
    (void)peer_websocket(peer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upgrade_moves_the_session),
        cmocka_unit_test(probe_and_upgrade_may_come_back_to_back),
        cmocka_unit_test(an_upgrade_without_a_probe_is_accepted),
        cmocka_unit_test(each_tick_releases_a_poll),
        cmocka_unit_test(without_a_probe_no_poll_is_released),
        cmocka_unit_test(polling_works_while_the_probe_does),
        cmocka_unit_test(a_poll_that_waits_at_the_upgrade_gets_a_close_packet),
        cmocka_unit_test(a_poll_in_the_turn_of_the_upgrade_comes_after_it),
        cmocka_unit_test(any_other_packet_ends_the_probe),
        cmocka_unit_test(a_probe_has_the_limits_of_a_session),
        cmocka_unit_test(a_probe_that_breaks_is_forgotten),
        cmocka_unit_test(a_probe_without_an_upgrade_times_out),
        cmocka_unit_test(a_second_probe_is_closed),
        cmocka_unit_test(a_probe_of_an_upgraded_session_is_closed),
        cmocka_unit_test(a_session_that_ends_takes_its_probe_along),
        cmocka_unit_test(closing_during_the_probe_closes_the_new_transport),
        cmocka_unit_test(an_upgraded_session_is_pinged_on),
        cmocka_unit_test(an_upgrade_does_not_delay_the_ping),
        cmocka_unit_test(a_post_that_is_under_way_at_the_upgrade_arrives),
        cmocka_unit_test(a_flood_of_probes_ends_the_probe),
        cmocka_unit_test(a_probe_is_refused_where_upgrades_are_not_offered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
