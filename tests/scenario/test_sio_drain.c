/*
 * Draining: everybody is told, evenly spread, and nothing is lost on the way
 */
#include "scenario/sio.h"

#include <socketio/request.h>

static void
quick(skio_server_options *options)
{
    options->close_timeout_ms = 500;
}

static void
note_drained(skio_server *server, void *user)
{
    (void)server;
    peer_note(user, "drained");
}

static void
listen_to_root(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    peer_check(peer,
               skio_on_disconnect(root, sio_note_disconnect, peer) == SKIO_OK);
    peer_check(peer, skio_on(root, "event", sio_note_event, peer) == SKIO_OK);
}

static void
drain(struct peer *peer, uint32_t ms)
{
    peer_check(peer, skio_server_drain(peer->server, ms, note_drained, peer) ==
                         SKIO_OK);
    peer_wait(peer, 0);
}

#define GONE "disconnect / server shutting down"

SCENARIO(clients_are_told_evenly_the_oldest_first, quick, listen_to_root)
{
    struct peer_ws *ws[4];

    for (int i = 0; i < 4; i++)
        ws[i] = sio_connect(peer, NULL);
    peer_check(peer, !skio_server_is_draining(peer->server));
    drain(peer, 1000);
    peer_check(peer, skio_server_is_draining(peer->server));
    for (int i = 0; i < 4; i++) {
        peer_expect_event(peer, GONE);
        peer_expect_close(ws[i], 1005);
        for (int later = i + 1; later < 4; later++)
            peer_expect_nothing(ws[later]);
        if (i < 3) {
            peer_wait(peer, 249);
            peer_expect_event(peer, NULL);
            peer_wait(peer, 1);
        }
    }
    peer_expect_event(peer, "drained");
    peer_wait(peer, 10000);
    peer_expect_event(peer, NULL);
}

static void
with_lead(skio_server_options *options)
{
    options->close_timeout_ms = 500;
    options->drain_lead_ms = 2000;
}

SCENARIO(everybody_is_served_until_the_lead_is_over, with_lead, listen_to_root)
{
    struct peer_ws *ws[2];
    struct peer_ws *late;

    ws[0] = sio_connect(peer, NULL);
    drain(peer, 1000);
    peer_check(peer, skio_server_is_draining(peer->server));
    peer_check(peer, skio_transport_expects(peer->server) == SKIO_EXPECT_ALL);
    peer_wait(peer, 1999);
    ws[1] = sio_connect(peer, NULL); /* it has a turn like the others */
    peer_say(ws[0], "42[\"event\",1]");
    peer_expect_event(peer, "event [1]");
    peer_expect_event(peer, NULL);

    peer_wait(peer, 1);
    peer_expect_event(peer, GONE);
    peer_expect_close(ws[0], 1005);
    late = peer_ws_request(peer, "EIO=4&transport=websocket", NULL);
    peer_check(peer, late->ws == NULL && late->http->status == 503);
    peer_wait(peer, 499);
    peer_expect_nothing(ws[1]);
    peer_wait(peer, 1);
    peer_expect_event(peer, GONE);
    peer_expect_close(ws[1], 1005);
    peer_expect_event(peer, "drained");
}

SCENARIO(lead_is_waited_for_without_a_client_too, with_lead, listen_to_root)
{
    drain(peer, 0);
    peer_wait(peer, 1999);
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "drained");
}

SCENARIO(stop_ends_a_lead, with_lead, listen_to_root)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    drain(peer, 60000);
    skio_transport_shutdown(peer->server);
    peer_flush(peer);
    peer_expect_event(peer, GONE);
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "drained");
}

/* Nobody comes in, and the turns begin as soon as they can. */
static void
wait_for_memory(struct peer *peer)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    test_alloc_fail(&peer->alloc, 1);
    peer_check(peer, skio_server_drain(peer->server, 0, note_drained, peer) ==
                         SKIO_ENOMEM);
    test_alloc_fail(&peer->alloc, 0);
    peer_check(peer, !skio_server_is_draining(peer->server));

    drain(peer, 0);
    peer_wait(peer, 1999);
    test_alloc_fail_from(&peer->alloc, 1);
    peer_wait(peer, 1);
    test_alloc_fail(&peer->alloc, 0);
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_transport_expects(peer->server) != SKIO_EXPECT_ALL);
    peer_wait(peer, 99);
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, GONE);
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "drained");
}

/* Those who are left when memory does not come back. */
static void
lack_memory(struct peer *peer)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    drain(peer, 0);
    test_alloc_fail_from(&peer->alloc, 1);
    peer_wait(peer, 2499);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    test_alloc_fail(&peer->alloc, 0);
    peer_expect_event(peer, GONE);
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "drained");
}

/* Memory runs out when the script says. */
static void
run_once(void (*script)(struct peer *peer))
{
    const struct peer_plan plan = {.options = with_lead,
                                   .setup = listen_to_root,
                                   .script = script};

    peer_run_once(&plan);
}

static void
turns_wait_for_memory(void **state)
{
    (void)state;
    run_once(wait_for_memory);
}

static void
clients_are_ended_in_time_without_memory(void **state)
{
    (void)state;
    run_once(lack_memory);
}

static int
long_id(const skio_engine_request *request, char id[64], void *user)
{
    (void)request;
    (void)user;
    (void)snprintf(id, 64, "n1.%040d", 7);
    return SKIO_OK;
}

static void
use_long_ids(struct peer *peer)
{
    listen_to_root(peer);
    peer_check(peer, skio_generate_id(peer->server, long_id, NULL) == SKIO_OK);
}

SCENARIO(session_whose_id_the_host_made_has_its_turn, quick, use_long_ids)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    drain(peer, 1000);
    peer_expect_event(peer, GONE);
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "drained");
}

SCENARIO(polling_clients_alone_need_new_connections, quick, listen_to_root)
{
    struct peer_ws *first = sio_connect(peer, NULL);
    const char *query = peer_polling(peer);
    struct peer_ws *ws;
    char kept[128];

    (void)snprintf(kept, sizeof kept, "%s", query);
    peer_check(peer, skio_transport_expects(peer->server) == SKIO_EXPECT_ALL);
    drain(peer, 60000);
    peer_expect_event(peer, GONE);
    peer_expect_close(first, 1005);
    peer_check(peer,
               skio_transport_expects(peer->server) == SKIO_EXPECT_SESSIONS);
    ws = peer_probe(peer, kept);
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_check(peer,
               skio_transport_expects(peer->server) == SKIO_EXPECT_SESSIONS);
    peer_say(ws, "5");
    peer_check(peer,
               skio_transport_expects(peer->server) == SKIO_EXPECT_NOBODY);
    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{\"sid\":");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "disconnect / transport close");
    peer_wait(peer, 1);
    peer_expect_event(peer, "drained");
}

SCENARIO(new_sessions_are_refused_and_old_ones_go_on, quick, listen_to_root)
{
    const char *query = peer_polling(peer);
    char kept[128];
    struct peer_ws *ws = sio_connect(peer, NULL);
    struct peer_ws *probe;
    struct peer_http *http;

    (void)snprintf(kept, sizeof kept, "%s", query);
    drain(peer, 60000); /* the polling one, the oldest, at once */
    peer_say(ws, "42[\"event\",1]");
    peer_expect_event(peer, "event [1]");

    http = peer_get(peer, "EIO=4&transport=polling");
    peer_expect_http(http, 503, NULL);
    peer_expect_header(http, "retry-after", "5");
    probe = peer_ws_request(peer, "EIO=4&transport=websocket", NULL);
    peer_check(peer, probe->ws == NULL && probe->http->status == 503);
    peer_say(ws, "40/none,");
    peer_expect(ws, "44/none,{\"message\":\"Invalid namespace\"}");
    peer_expect_nothing(ws);
}

SCENARIO(handshake_under_way_is_refused, quick, listen_to_root)
{
    struct peer_ws *ws = peer_ws_begin(peer, "EIO=4&transport=websocket", NULL);

    drain(peer, 1000);
    peer_ws_finish(ws);
    peer_check(peer, ws->ws == NULL);
    peer_wait(peer, 500);
    peer_expect_event(peer, "drained");
}

SCENARIO(session_that_drains_can_still_upgrade, quick, listen_to_root)
{
    struct peer_ws *first = sio_connect(peer, NULL);
    const char *query = peer_polling(peer);
    struct peer_ws *ws;
    char kept[128];

    (void)snprintf(kept, sizeof kept, "%s", query);
    drain(peer, 1000);
    peer_expect_event(peer, GONE);
    peer_expect_close(first, 1005);
    ws = peer_probe(peer, kept);
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_say(ws, "5");
    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{\"sid\":");
    peer_wait(peer, 500);
    peer_expect_event(peer, GONE);
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "drained");
}

SCENARIO(what_is_queued_goes_out_before_the_end, quick, listen_to_root)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    ws->is_blocked = true;
    peer_check(peer, skio_emit(socket, "a", "%d", 1) == SKIO_OK);
    drain(peer, 0);
    peer_expect_event(peer, GONE);
    peer_unblock(ws);
    peer_expect(ws, "42[\"a\",1]");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "drained");
}

SCENARIO(polling_client_gets_its_queue_and_then_the_end, quick, listen_to_root)
{
    const char *query = peer_polling(peer);
    struct peer_http *http;
    char kept[128];
    char id[64] = "";

    (void)snprintf(kept, sizeof kept, "%s", query);
    peer_expect_http(peer_post(peer, kept, "40"), 200, "ok");
    http = peer_get(peer, kept);
    peer_check(peer, sscanf(http->body.data, "40{\"sid\":\"%20[^\"]", id) == 1);
    peer_check(peer,
               skio_emit_to(skio_of(peer->server, "/"), id, "a", "%d", 1) >= 0);
    drain(peer, 0);
    peer_expect_event(peer, GONE);
    peer_expect_event(peer, NULL); /* not over: it has to be told */
    peer_expect_http(peer_get(peer, kept), 200, "42[\"a\",1]");
    peer_expect_event(peer, NULL);
    peer_expect_http(peer_get(peer, kept), 200,
                     "6\x1e"
                     "1");
    peer_expect_event(peer, "drained");
}

SCENARIO(waiting_poll_is_answered_with_the_end, quick, listen_to_root)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll;
    char kept[128];

    (void)snprintf(kept, sizeof kept, "%s", query);
    peer_expect_http(peer_post(peer, kept, "40"), 200, "ok");
    (void)peer_get(peer, kept);
    poll = peer_get(peer, kept);
    peer_expect_held(poll);
    drain(peer, 0);
    peer_expect_event(peer, GONE);
    peer_check(peer, poll->status == 200);
    if (skio_server_sessions(peer->server) > 0)
        peer_expect_http(peer_get(peer, kept), 200,
                         "6\x1e"
                         "1");
    peer_expect_event(peer, "drained");
}

SCENARIO(client_that_does_not_come_back_is_ended_in_time, quick, listen_to_root)
{
    const char *query = peer_polling(peer);

    (void)query;
    drain(peer, 1000);
    peer_wait(peer, 1499);
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_server_sessions(peer->server) == 1);
    peer_wait(peer, 1);
    peer_expect_event(peer, "drained");
    peer_check(peer, skio_server_sessions(peer->server) == 0);
}

SCENARIO(drain_of_nobody_is_over_soon, quick, listen_to_root)
{
    peer_check(peer, skio_server_drain(peer->server, 60000, note_drained,
                                       peer) == SKIO_OK);
    peer_expect_event(peer, NULL); /* not in the call */
    peer_wait(peer, 1);
    peer_expect_event(peer, "drained");
}

SCENARIO(drain_ends_with_the_last_client, quick, listen_to_root)
{
    struct peer_ws *ws[3];

    for (int i = 0; i < 3; i++)
        ws[i] = sio_connect(peer, NULL);
    drain(peer, 60000);
    peer_expect_event(peer, GONE);
    peer_hang_up(ws[2], true);
    peer_expect_event(peer, "disconnect / transport close");
    peer_hang_up(ws[1], true);
    peer_expect_event(peer, "disconnect / transport close");
    peer_wait(peer, 1);
    peer_expect_event(peer, "drained");
}

SCENARIO(drain_is_begun_once, quick, listen_to_root)
{
    (void)sio_connect(peer, NULL);
    peer_check(peer, skio_server_drain(peer->server, (uint32_t)INT32_MAX + 1,
                                       note_drained, peer) == SKIO_EINVAL);
    peer_check(peer, !skio_server_is_draining(peer->server));
    peer_check(peer, skio_server_drain(peer->server, INT32_MAX, note_drained,
                                       peer) == SKIO_OK);
    peer_check(peer, skio_server_drain(peer->server, 1, note_drained, peer) ==
                         SKIO_EBUSY);
}

SCENARIO(stop_ends_a_drain, quick, listen_to_root)
{
    struct peer_ws *ws[2];

    for (int i = 0; i < 2; i++)
        ws[i] = sio_connect(peer, NULL);
    drain(peer, 60000);
    peer_expect_event(peer, GONE);
    skio_transport_shutdown(peer->server);
    peer_flush(peer);
    peer_expect_event(peer, GONE);
    peer_expect_close(ws[1], 1005);
    peer_expect_event(peer, "drained");
    peer_check(peer, skio_server_drain(peer->server, 1, note_drained, peer) ==
                         SKIO_ECLOSED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_told_evenly_the_oldest_first),
        cmocka_unit_test(everybody_is_served_until_the_lead_is_over),
        cmocka_unit_test(lead_is_waited_for_without_a_client_too),
        cmocka_unit_test(stop_ends_a_lead),
        cmocka_unit_test(turns_wait_for_memory),
        cmocka_unit_test(clients_are_ended_in_time_without_memory),
        cmocka_unit_test(session_whose_id_the_host_made_has_its_turn),
        cmocka_unit_test(polling_clients_alone_need_new_connections),
        cmocka_unit_test(new_sessions_are_refused_and_old_ones_go_on),
        cmocka_unit_test(handshake_under_way_is_refused),
        cmocka_unit_test(session_that_drains_can_still_upgrade),
        cmocka_unit_test(what_is_queued_goes_out_before_the_end),
        cmocka_unit_test(polling_client_gets_its_queue_and_then_the_end),
        cmocka_unit_test(waiting_poll_is_answered_with_the_end),
        cmocka_unit_test(client_that_does_not_come_back_is_ended_in_time),
        cmocka_unit_test(drain_of_nobody_is_over_soon),
        cmocka_unit_test(drain_ends_with_the_last_client),
        cmocka_unit_test(drain_is_begun_once),
        cmocka_unit_test(stop_ends_a_drain),
    };

    return cmocka_run_group_tests_name("sio_drain", tests, NULL, NULL);
}
