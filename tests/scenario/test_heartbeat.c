/*
 * Engine.IO: pings, pongs, and who is given up
 */
#include "scenario/peer.h"

#include <string.h>

static void
fast(skio_server_options *options)
{
    options->ping_interval_ms = 300;
    options->ping_timeout_ms = 200;
}

SCENARIO(a_ping_comes_an_interval_after_the_open, fast, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_wait(peer, 299);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect(ws, "2");
    peer_expect_nothing(ws);
}

SCENARIO(the_next_ping_comes_an_interval_after_the_pong, fast, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    int i;

    peer_wait(peer, 300);
    for (i = 0; i < 5; i++) {
        peer_expect(ws, "2");
        peer_wait(peer, 150);
        peer_say(ws, "3");
        peer_wait(peer, 299);
        peer_expect_nothing(ws);
        peer_wait(peer, 1);
    }
    peer_expect(ws, "2");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_polling_client_is_pinged_by_its_poll, fast, peer_engine)
{
    const char *query = peer_polling(peer);
    int i;

    for (i = 0; i < 3; i++) {
        struct peer_http *poll = peer_get(peer, query);

        peer_expect_held(poll);
        peer_wait(peer, 300);
        peer_expect_http(poll, 200, "2");
        peer_expect_http(peer_post(peer, query, "3"), 200, "ok");
    }
}

SCENARIO(without_a_pong_the_session_times_out, fast, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_wait(peer, 499);
    peer_expect(ws, "2");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "close ping timeout");
    peer_expect_close(ws, 1005);
}

SCENARIO(the_time_without_a_poll_counts, fast, peer_engine)
{
    const char *query = peer_polling(peer);

    peer_wait(peer, 499);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "close ping timeout");
    peer_expect_http(peer_get(peer, query), 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

SCENARIO(a_poll_is_closed_with_the_timeout, fast, peer_engine)
{
    const char *query = peer_polling(peer);
    struct peer_http *poll;

    peer_wait(peer, 300);
    peer_expect_http(peer_get(peer, query), 200, "2");
    poll = peer_get(peer, query);
    peer_expect_held(poll);
    peer_wait(peer, 200);
    peer_expect_http(poll, 200, "1");
}

SCENARIO(a_late_timer_does_not_add_up, fast, peer_engine)
{
    peer_websocket(peer);
    /* The ping's timer ran 30 ms late; the end is in time all the same. */
    peer->now += 330;
    skio_transport_timeout(peer->server);
    peer_wait(peer, 169);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "close ping timeout");
}

SCENARIO(a_stalled_server_gives_its_clients_their_time, fast, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer->now += 60000;
    skio_transport_timeout(peer->server);
    peer_flush(peer);
    peer_expect(ws, "2");
    peer_wait(peer, 199);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
    peer_say(ws, "3");
    peer_wait(peer, 1);
    peer_expect_event(peer, NULL);
}

SCENARIO(the_first_packet_after_a_ping_restarts_its_timeout_once, fast,
         peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_wait(peer, 300);
    peer_expect(ws, "2");
    peer_wait(peer, 150);
    peer_say(ws, "4a");
    peer_wait(peer, 199);
    peer_say(ws, "4b"); /* no second grace */
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, "message b");
    peer_wait(peer, 1);
    peer_expect_event(peer, "close ping timeout");
}

SCENARIO(each_ping_has_its_own_grace, fast, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    int i;

    for (i = 0; i < 2; i++) {
        peer_wait(peer, 300);
        peer_expect(ws, "2");
        peer_wait(peer, 150);
        peer_say(ws, "6");
        peer_wait(peer, 199);
        peer_say(ws, "3");
    }
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
}

SCENARIO(packets_before_the_ping_do_not_delay_it, fast, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_wait(peer, 200);
    peer_say(ws, "4a");
    peer_wait(peer, 100);
    peer_expect(ws, "2");
}

SCENARIO(a_pong_nobody_asked_for_reschedules_the_ping, fast, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_wait(peer, 200);
    peer_say(ws, "3");
    peer_wait(peer, 299);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect(ws, "2");
}

SCENARIO(a_ping_from_the_client_is_a_transport_error, fast, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    const char *query;

    peer_say(ws, "2");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");

    query = peer_polling(peer);
    peer_expect_http(peer_post(peer, query, "2probe"), 200, "ok");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
}

SCENARIO(many_sessions_are_pinged_each_in_its_time, fast, peer_engine)
{
    struct peer_ws *ws[10];
    size_t i;

    for (i = 0; i < 10; i++) {
        ws[i] = peer_websocket(peer);
        peer_wait(peer, 10);
    }
    peer_wait(peer, 200);
    for (i = 0; i < 10; i++) {
        peer_expect(ws[i], "2");
        if (i + 1 < 10)
            peer_expect_nothing(ws[i + 1]);
        if (i % 2 == 0)
            peer_say(ws[i], "3");
        peer_wait(peer, 10);
    }
    for (i = 0; i < 10; i++)
        peer_expect_event(peer, "open");
    peer_wait(peer, 190);
    for (i = 0; i < 5; i++)
        peer_expect_event(peer, "close ping timeout");
    peer_expect_event(peer, NULL);
}

SCENARIO(the_transport_is_told_when_a_timer_moves_forward, fast, peer_engine)
{
    struct peer_ws *ws;
    unsigned asked;

    peer_check(peer, skio_transport_next_timeout(peer->server) == -1);
    ws = peer_websocket(peer);
    peer_check(peer, peer->timers_asked > 0);
    peer_check(peer, skio_transport_next_timeout(peer->server) == 300);
    /* One more session has its timer behind the first: nothing moved. */
    asked = peer->timers_asked;
    peer_wait(peer, 10);
    peer_websocket(peer);
    peer_check(peer, peer->timers_asked == asked);
    peer_check(peer, skio_transport_next_timeout(peer->server) == 290);
    (void)ws;
}

#define CROWD 15000
#define SLICE_MAX 8

static void
crowded(skio_server_options *options)
{
    options->max_connections = CROWD;
    options->max_connections_per_address = CROWD;
    options->max_unconnected = CROWD;
}

/* One turn of a loop whose clock moves a millisecond a turn. Returns how far a
 * counter moved, which is checked to be bounded. */
static uint64_t
take_slice(struct peer *peer, uint64_t count(struct peer *peer))
{
    uint64_t before = count(peer);
    uint64_t moved;

    skio_transport_timeout(peer->server);
    moved = count(peer) - before;
    peer_check(peer, moved > 0 && moved <= SLICE_MAX);
    peer_flush(peer);
    peer->now++;
    return moved;
}

static uint64_t
count_out(struct peer *peer)
{
    skio_counters counters = {.struct_size = sizeof counters};

    skio_server_counters(peer->server, &counters);
    return counters.packets_out;
}

static uint64_t
count_closed(struct peer *peer)
{
    skio_counters counters = {.struct_size = sizeof counters};

    skio_server_counters(peer->server, &counters);
    return counters.sessions_closed;
}

static void
many_that_are_due_at_once_leave_turns_to_others_script(struct peer *peer)
{
    struct peer_ws *busy = NULL;
    struct peer_ws *ws;
    uint64_t done = 0;
    int slices = 0;

    for (int i = 0; i < CROWD; i++)
        busy = peer_websocket(peer);
    peer->now += peer->options.ping_interval_ms;
    while (skio_transport_next_timeout(peer->server) == 0) {
        done += take_slice(peer, count_out);
        slices++;
        if (slices == 2) { /* amid the pings, which it is not due for yet */
            peer_say(busy, "4hi");
            peer_expect(busy, "4hi");
        }
    }
    peer_check(peer, done == CROWD);
    peer_check(peer, slices <= CROWD / SLICE_MAX + 1);
    for (ws = peer->wss; ws != NULL; ws = ws->next)
        peer_expect(ws, "2");

    /* The same for those that do not answer, each in its own time. */
    peer->now += peer->options.ping_timeout_ms;
    for (done = 0, slices = 0; skio_transport_next_timeout(peer->server) == 0;
         slices++)
        done += take_slice(peer, count_closed);
    peer_check(peer, done == CROWD);
    peer_check(peer, slices <= CROWD / SLICE_MAX + 1);
}

static void
many_that_are_due_at_once_leave_turns_to_others(void **state)
{
    static const struct peer_plan plan =
        {crowded, peer_echo,
         many_that_are_due_at_once_leave_turns_to_others_script};

    (void)state;
    peer_run_once(&plan);
}

/* ---- A crowd is spread ---- */

#define SPREAD_LEAST 500 /* sessions, from which on it is */
#define INTERVAL 25000

struct round {
    uint64_t pings;
    uint64_t most; /* in a tenth of a second */
    uint64_t first_ms;
    uint64_t last_ms;
};

/* Lets the clock go to each timer until `until_ms`; everybody answers. */
static struct round
go_round(struct peer *peer, uint64_t until_ms)
{
    struct round round = {.first_ms = UINT64_MAX};
    uint64_t began = peer->now, tenth = 0, in_tenth = 0;

    for (;;) {
        int64_t wait = skio_transport_next_timeout(peer->server);
        uint64_t before = count_out(peer), pinged;

        if (wait < 0 || peer->now + (uint64_t)wait > until_ms)
            break;
        peer->now += (uint64_t)wait;
        skio_transport_timeout(peer->server);
        pinged = count_out(peer) - before;
        peer_check(peer, pinged <= SLICE_MAX);
        peer_flush(peer);
        for (struct peer_ws *ws = peer->wss; ws != NULL; ws = ws->next) {
            if (ws->in.len == ws->read)
                continue;
            peer_expect(ws, "2");
            peer_say(ws, "3");
        }
        if (pinged > 0 && round.pings == 0)
            round.first_ms = peer->now - began;
        if (pinged > 0)
            round.last_ms = peer->now - began;
        round.pings += pinged;
        in_tenth = peer->now / 100 == tenth ? in_tenth + pinged : pinged;
        tenth = peer->now / 100;
        if (in_tenth > round.most)
            round.most = in_tenth;
    }
    peer->now = until_ms;
    return round;
}

static void
burst(struct peer *peer, int count)
{
    for (int i = 0; i < count; i++)
        peer_websocket(peer);
}

static void
few_are_pinged_when_they_are_due_script(struct peer *peer)
{
    uint64_t began = peer->now;
    struct round round;

    burst(peer, SPREAD_LEAST - 1);
    round = go_round(peer, began + INTERVAL);
    peer_check(peer, round.pings == SPREAD_LEAST - 1);
    peer_check(peer, round.first_ms == INTERVAL);
    peer_check(peer, round.last_ms == INTERVAL);
}

static void
a_crowd_is_strung_out_over_the_interval_script(struct peer *peer)
{
    uint64_t began = peer->now;
    struct round round;

    burst(peer, SPREAD_LEAST);
    round = go_round(peer, began + INTERVAL);
    /* the last tenth of them is due together, for once */
    peer_check(peer, round.pings == SPREAD_LEAST);
    peer_check(peer, round.first_ms == INTERVAL / 10);
    peer_check(peer, round.last_ms == INTERVAL);
    peer_check(peer, round.most <= SPREAD_LEAST / 8);

    /* From then on each has its own time, and one ping an interval. */
    (void)go_round(peer, began + 2 * INTERVAL);
    round = go_round(peer, began + 3 * INTERVAL);
    peer_check(peer, round.pings >= SPREAD_LEAST * 99 / 100);
    peer_check(peer, round.pings <= SPREAD_LEAST * 101 / 100);
    peer_check(peer, round.most <= 2 * SPREAD_LEAST / (INTERVAL / 100) + 1);
}

static void
spread(skio_server_options *options)
{
    crowded(options);
    options->ping_interval_ms = INTERVAL;
}

static void
few_are_pinged_when_they_are_due(void **state)
{
    static const struct peer_plan plan =
        {spread, peer_engine, few_are_pinged_when_they_are_due_script};

    (void)state;
    peer_run_once(&plan);
}

static void
a_crowd_is_strung_out_over_the_interval(void **state)
{
    static const struct peer_plan plan =
        {spread, peer_engine, a_crowd_is_strung_out_over_the_interval_script};

    (void)state;
    peer_run_once(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_comes_an_interval_after_the_open),
        cmocka_unit_test(few_are_pinged_when_they_are_due),
        cmocka_unit_test(a_crowd_is_strung_out_over_the_interval),
        cmocka_unit_test(the_next_ping_comes_an_interval_after_the_pong),
        cmocka_unit_test(a_polling_client_is_pinged_by_its_poll),
        cmocka_unit_test(without_a_pong_the_session_times_out),
        cmocka_unit_test(the_time_without_a_poll_counts),
        cmocka_unit_test(a_poll_is_closed_with_the_timeout),
        cmocka_unit_test(a_late_timer_does_not_add_up),
        cmocka_unit_test(a_stalled_server_gives_its_clients_their_time),
        cmocka_unit_test(
            the_first_packet_after_a_ping_restarts_its_timeout_once),
        cmocka_unit_test(each_ping_has_its_own_grace),
        cmocka_unit_test(packets_before_the_ping_do_not_delay_it),
        cmocka_unit_test(a_pong_nobody_asked_for_reschedules_the_ping),
        cmocka_unit_test(a_ping_from_the_client_is_a_transport_error),
        cmocka_unit_test(many_sessions_are_pinged_each_in_its_time),
        cmocka_unit_test(the_transport_is_told_when_a_timer_moves_forward),
        cmocka_unit_test(many_that_are_due_at_once_leave_turns_to_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
