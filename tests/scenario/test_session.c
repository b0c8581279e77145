/*
 * Engine.IO sessions: slow readers, shutdown, callbacks that close others
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <string.h>

#define SESSIONS 5

static skio_counters
counters_of(struct peer *peer)
{
    skio_counters counters = {.struct_size = sizeof counters};

    skio_server_counters(peer->server, &counters);
    return counters;
}

static int
send_text(struct peer *peer, const char *text)
{
    peer_check(peer, peer->session != NULL);
    return skio_session_send(peer->session, text, strlen(text), false);
}

/* ---- Slow readers ---- */

static void
hundred_bytes(skio_server_options *options)
{
    options->max_outbound_bytes = 100;
    options->outbound_high_bytes = 50;
}

#define TWENTY "0123456789abcdef0" /* 20 with its frame header and type */

SCENARIO(the_queue_may_have_exactly_the_maximum, hundred_bytes, peer_engine)
{
    const char *query = peer_polling(peer);
    int i;

    for (i = 0; i < 5; i++)
        peer_check(peer, send_text(peer, TWENTY) == SKIO_OK);
    peer_flush(peer);
    peer_expect_http(peer_get(peer, query), 200, NULL);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_slow_poller_is_closed, hundred_bytes, peer_engine)
{
    const char *query = peer_polling(peer);
    int i;

    for (i = 0; i < 5; i++)
        peer_check(peer, send_text(peer, TWENTY) == SKIO_OK);
    peer_check(peer, send_text(peer, "") == SKIO_ENOBUFS);
    peer_check(peer, send_text(peer, "") == SKIO_ENOBUFS);
    /* Not inside the call: whoever sends to many goes on. */
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
    peer_flush(peer);
    peer_expect_event(peer, "close slow consumer");
    peer_expect_http(peer_get(peer, query), 400, NULL);
    peer_check(peer, counters_of(peer).slow_consumers == 1);
}

SCENARIO(a_slow_websocket_is_closed, hundred_bytes, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    int i;

    ws->is_blocked = true;
    for (i = 0; i < 5; i++) {
        peer_check(peer, send_text(peer, TWENTY) == SKIO_OK);
        peer_flush(peer);
    }
    peer_check(peer, send_text(peer, "x") == SKIO_ENOBUFS);
    peer_flush(peer);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close slow consumer");
    /* Its queue is dropped, the Close frame waits. */
    peer_unblock(ws);
    peer_expect_close(ws, 1005);
}

SCENARIO(a_frame_half_written_is_completed_before_the_close, hundred_bytes,
         peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_bytes slice;

    ws->is_blocked = true;
    peer_check(peer, send_text(peer, "first") == SKIO_OK);
    peer_check(peer, send_text(peer, "second") == SKIO_OK);
    peer_flush(peer);
    /* The socket took three bytes. */
    peer_check(peer, skio_ws_peek(ws->ws, &slice, 1) == 1 && slice.len == 8);
    peer_check(peer, memcmp(slice.data,
                            "\x81\x06"
                            "4first",
                            8) == 0);
    skio_ws_consume(ws->ws, 3);
    while (send_text(peer, TWENTY) == SKIO_OK)
        ;
    peer_flush(peer);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close slow consumer");
    peer_check(peer, skio_ws_peek(ws->ws, &slice, 1) == 1 && slice.len == 5);
    peer_check(peer, memcmp(slice.data, "first", 5) == 0);
    skio_ws_consume(ws->ws, 5);
    peer_unblock(ws);
    peer_expect_close(ws, 1005);
}

SCENARIO(a_message_larger_than_the_queue_is_not_sent, hundred_bytes,
         peer_engine)
{
    static const char big[200];
    struct peer_ws *ws = peer_websocket(peer);

    peer_check(peer, peer->session != NULL);
    peer_check(peer, skio_session_send(peer->session, big, sizeof big, true) ==
                         SKIO_ENOBUFS);
    peer_check(peer, send_text(peer, "a") == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "4a");
}

/* A reader that takes everything is not slow, however much it gets. */
SCENARIO(a_fast_reader_may_get_any_amount, hundred_bytes, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    int i;

    for (i = 0; i < 100; i++) {
        peer_check(peer, send_text(peer, TWENTY) == SKIO_OK);
        peer_flush(peer);
        peer_expect(ws, "4" TWENTY);
    }
}

SCENARIO(a_write_that_fails_closes_the_session, NULL, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    ws->breaks = true;
    peer_check(peer, send_text(peer, "a") == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
    peer_expect_event(peer, NULL);
}

static void
roomy(skio_server_options *options)
{
    options->max_outbound_bytes = 300000;
}

SCENARIO(a_long_payload_leaves_no_memory_behind, roomy, peer_engine)
{
    static const char big[100000];
    const char *query = peer_polling(peer);
    struct peer_http *http;
    size_t before = peer->alloc.live_bytes;

    peer_check(peer, peer->session != NULL);
    peer_check(peer,
               skio_session_send(peer->session, big, sizeof big, true) == 0);
    http = peer_get(peer, query);
    peer_expect_http(http, 200, NULL);
    peer_check(peer, http->body.len == 1 + (sizeof big + 2) / 3 * 4);
    peer_check(peer, peer->alloc.live_bytes <= before + 100);
}

/* ---- The end of the server ---- */

SCENARIO(a_shutdown_closes_everybody, NULL, peer_engine)
{
    char idle[160];
    char query[160];
    struct peer_ws *ws = peer_websocket(peer);
    struct peer_ws *probe;
    struct peer_http *poll;

    snprintf(idle, sizeof idle, "%s", peer_polling(peer));
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    poll = peer_get(peer, query);
    probe = peer_probe(peer, query);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "open");

    skio_transport_shutdown(peer->server);
    peer_expect_event(peer, "close server shutting down");
    peer_expect_event(peer, "close server shutting down");
    peer_expect_event(peer, "close server shutting down");
    peer_expect_event(peer, NULL);
    peer_flush(peer);
    peer_expect_http(poll, 200, "1");
    peer_expect_close(ws, 1005);
    peer_expect_close(probe, 1005);
    peer_expect_http(peer_get(peer, idle), 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
    peer_expect_http(peer_get(peer, "EIO=4&transport=polling"), 503, "");
    peer_check(peer, counters_of(peer).sessions_closed == 3);
}

SCENARIO(a_shutdown_sends_what_is_queued, NULL, peer_engine)
{
    struct peer_http *poll;
    struct peer_ws *ws;
    char query[160];

    ws = peer_websocket(peer);
    peer_check(peer, send_text(peer, "a") == SKIO_OK);
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    poll = peer_get(peer, query);
    peer_expect_held(poll);
    peer_check(peer, send_text(peer, "b") == SKIO_OK);
    peer_check(peer, skio_session_send(peer->session, "\1", 1, true) == 0);
    skio_transport_shutdown(peer->server);
    peer_flush(peer);
    peer_expect(ws, "4a");
    peer_expect_close(ws, 1005);
    peer_expect_http(poll, 200,
                     "4b\x1e"
                     "bAQ==\x1e"
                     "1");
}

SCENARIO(freeing_the_server_ends_everything, NULL, peer_engine)
{
    const char *query = peer_polling(peer);

    peer_get(peer, query);
    peer_post_body(peer_post_begin(peer, query, NULL, 10), "4a", 2);
    peer_say(peer_probe(peer, query), "2probe");
    peer_say_piece(peer_websocket(peer), "4a", 2, false, true, false);
    peer_check(peer, send_text(peer, "never read") == SKIO_OK);
    /* The runner frees the server, and nothing may be left. */
}

/* ---- Callbacks that reach into other sessions ---- */

struct crowd {
    skio_session *sessions[SESSIONS];
    size_t count;
    bool sends;
};

static void
join_crowd(struct peer *peer, skio_session *session)
{
    struct crowd *crowd = peer->data;

    crowd->sessions[crowd->count++ % SESSIONS] = session;
}

static void
leave_crowd(struct peer *peer, skio_session *session)
{
    struct crowd *crowd = peer->data;
    size_t i;

    for (i = 0; i < SESSIONS; i++) {
        if (crowd->sessions[i] == session)
            crowd->sessions[i] = NULL;
    }
    for (i = 0; i < SESSIONS; i++) {
        if (crowd->sessions[i] == NULL)
            continue;
        if (crowd->sends)
            (void)skio_session_send(crowd->sessions[i], "bye", 3, false);
        else
            skio_session_close(crowd->sessions[i]);
    }
}

static void
close_crowd(struct peer *peer, skio_session *session, const char *data,
            size_t len)
{
    struct crowd *crowd = peer->data;
    size_t i;

    (void)session;
    (void)data;
    (void)len;
    for (i = 0; i < SESSIONS; i++) {
        if (crowd->sessions[i] != NULL)
            skio_session_close(crowd->sessions[i]);
    }
}

static struct crowd the_crowd;

static void
crowd_engine(struct peer *peer)
{
    memset(&the_crowd, 0, sizeof the_crowd);
    peer->data = &the_crowd;
    peer_engine(peer);
    peer->on_open = join_crowd;
    peer->on_close = leave_crowd;
    peer->on_message = close_crowd;
}

static void
sending_crowd(struct peer *peer)
{
    crowd_engine(peer);
    the_crowd.sends = true;
}

SCENARIO(a_close_handler_may_close_all_others, NULL, crowd_engine)
{
    struct peer_ws *ws[SESSIONS];
    size_t i;

    for (i = 0; i < SESSIONS; i++) {
        ws[i] = peer_websocket(peer);
        peer_expect_event(peer, "open");
    }
    peer_hang_up(ws[2], true);
    peer_expect_event(peer, "close transport close");
    for (i = 1; i < SESSIONS; i++)
        peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, NULL);
    for (i = 0; i < SESSIONS; i++) {
        if (i != 2)
            peer_expect_close(ws[i], 1005);
    }
}

SCENARIO(a_close_handler_may_send_to_all_others, NULL, sending_crowd)
{
    struct peer_ws *ws[SESSIONS];
    size_t i;

    for (i = 0; i < SESSIONS; i++)
        ws[i] = peer_websocket(peer);
    peer_say(ws[1], "2");
    peer_expect_close(ws[1], 1005);
    for (i = 0; i < SESSIONS; i++) {
        if (i != 1)
            peer_expect(ws[i], "4bye");
    }
}

SCENARIO(a_message_handler_may_close_all_sessions, NULL, crowd_engine)
{
    char query[160];
    struct peer_http *poll;
    struct peer_ws *ws;
    size_t i;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    poll = peer_get(peer, query);
    ws = peer_websocket(peer);
    for (i = 2; i < SESSIONS; i++)
        peer_websocket(peer);
    peer_say(ws, "4close");
    peer_expect_http(poll, 200, "1");
    peer_expect_close(ws, 1005);
    for (i = 0; i < SESSIONS; i++)
        peer_expect_event(peer, "open");
    peer_expect_event(peer, "message close");
    for (i = 0; i < SESSIONS; i++)
        peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_timeout_may_close_others_that_are_due, NULL, crowd_engine)
{
    struct peer_ws *ws[SESSIONS];
    size_t i;

    for (i = 0; i < SESSIONS; i++)
        ws[i] = peer_websocket(peer);
    peer_wait(peer, 45000);
    for (i = 0; i < SESSIONS; i++)
        peer_expect_event(peer, "open");
    peer_expect_event(peer, "close ping timeout");
    for (i = 1; i < SESSIONS; i++)
        peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, NULL);
    for (i = 0; i < SESSIONS; i++) {
        peer_expect(ws[i], "2");
        peer_expect_close(ws[i], 1005);
    }
}

static void
crowded(skio_server_options *options)
{
    options->max_outbound_bytes = 100;
    options->outbound_high_bytes = 50;
}

SCENARIO(a_slow_consumers_handler_may_close_others_in_the_flush, crowded,
         crowd_engine)
{
    struct peer_ws *ws[SESSIONS];
    size_t i;

    for (i = 0; i < SESSIONS; i++)
        ws[i] = peer_websocket(peer);
    ws[4]->is_blocked = true;
    while (send_text(peer, TWENTY) == SKIO_OK)
        ;
    for (i = 0; i < SESSIONS; i++)
        peer_expect_event(peer, "open");
    peer_flush(peer);
    peer_expect_event(peer, "close slow consumer");
    for (i = 1; i < SESSIONS; i++)
        peer_expect_event(peer, "close forced close");
    for (i = 0; i < 4; i++)
        peer_expect_close(ws[i], 1005);
}

SCENARIO(a_shutdown_handler_may_close_others, NULL, crowd_engine)
{
    size_t i;

    for (i = 0; i < SESSIONS; i++) {
        peer_websocket(peer);
        peer_expect_event(peer, "open");
    }
    skio_transport_shutdown(peer->server);
    peer_expect_event(peer, "close server shutting down");
    for (i = 1; i < SESSIONS; i++)
        peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, NULL);
}

/* ---- Counters, and what a session costs ---- */

SCENARIO(what_is_carried_is_counted, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_counters before = counters_of(peer);
    skio_counters after;

    peer_say(ws, "4hello");
    peer_say_bytes(ws, "\1\2", 2, true);
    peer_say(ws, "x");
    after = counters_of(peer);
    peer_expect(ws, "4hello");
    peer_check(peer, before.sessions_opened == 1);
    peer_check(peer, after.sessions_closed == 1);
    peer_check(peer, after.packets_in == before.packets_in + 2);
    peer_check(peer, after.packets_out == before.packets_out + 2);
    peer_check(peer, after.bytes_in == before.bytes_in + 9);
    /* Two frames of messages and a Close frame. */
    peer_check(peer, after.bytes_out == before.bytes_out + 8 + 4 + 2);
    peer_check(peer, after.parse_errors == 1);
}

SCENARIO(sending_allocates_a_message_and_nothing_else, NULL, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);
    size_t live;
    size_t calls;
    int i;

    peer_say(ws, "4hello"); /* the queue gets its ring */
    peer_expect(ws, "4hello");
    live = peer->alloc.live;
    calls = peer->alloc.calls;
    for (i = 0; i < 100; i++)
        peer_say_piece(ws, "4hello", 6, false, true, true);
    peer_check(peer, peer->alloc.live == live);
    peer_check(peer, peer->alloc.calls == calls + 100);
}

SCENARIO(an_idle_websocket_session_is_small, NULL, peer_engine)
{
    size_t before;

    peer_websocket(peer); /* the maps get their tables */
    before = peer->alloc.live_bytes;
    peer_websocket(peer);
    peer_check(peer, peer->alloc.live_bytes - before < 600);
}

SCENARIO(a_session_carries_a_pointer, NULL, peer_engine)
{
    int here = 0;

    peer_websocket(peer);
    peer_check(peer, peer->session != NULL);
    peer_check(peer, skio_session_data(peer->session) == NULL);
    skio_session_set_data(peer->session, &here);
    peer_check(peer, skio_session_data(peer->session) == &here);
}

SCENARIO(handlers_come_before_the_first_session, NULL, peer_engine)
{
    const skio_engine_handlers none = {.struct_size = sizeof none};

    peer_check(peer, skio_engine_handle(peer->server, &none, NULL) == SKIO_OK);
    peer_websocket(peer); /* without handlers nothing is called */
    peer_expect_event(peer, NULL);
    peer_check(peer,
               skio_engine_handle(peer->server, &none, NULL) == SKIO_EBUSY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_may_have_exactly_the_maximum),
        cmocka_unit_test(a_slow_poller_is_closed),
        cmocka_unit_test(a_slow_websocket_is_closed),
        cmocka_unit_test(a_frame_half_written_is_completed_before_the_close),
        cmocka_unit_test(a_message_larger_than_the_queue_is_not_sent),
        cmocka_unit_test(a_fast_reader_may_get_any_amount),
        cmocka_unit_test(a_write_that_fails_closes_the_session),
        cmocka_unit_test(a_long_payload_leaves_no_memory_behind),
        cmocka_unit_test(a_shutdown_closes_everybody),
        cmocka_unit_test(a_shutdown_sends_what_is_queued),
        cmocka_unit_test(freeing_the_server_ends_everything),
        cmocka_unit_test(a_close_handler_may_close_all_others),
        cmocka_unit_test(a_close_handler_may_send_to_all_others),
        cmocka_unit_test(a_message_handler_may_close_all_sessions),
        cmocka_unit_test(a_timeout_may_close_others_that_are_due),
        cmocka_unit_test(
            a_slow_consumers_handler_may_close_others_in_the_flush),
        cmocka_unit_test(a_shutdown_handler_may_close_others),
        cmocka_unit_test(what_is_carried_is_counted),
        cmocka_unit_test(sending_allocates_a_message_and_nothing_else),
        cmocka_unit_test(an_idle_websocket_session_is_small),
        cmocka_unit_test(a_session_carries_a_pointer),
        cmocka_unit_test(handlers_come_before_the_first_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
