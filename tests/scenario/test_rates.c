/*
 * Rate limits: at the limit and one past it, and what the application says
 */
#include <string.h>

#include "scenario/sio.h"

#define POLLING "EIO=4&transport=polling"
#define WEBSOCKET "EIO=4&transport=websocket"

/* What rate_limit() answers, and whose it is. */
static enum skio_rate_action action;
static struct peer *told;

static enum skio_rate_action
tell(skio_server *server, const skio_rate_excess *excess, void *user)
{
    static const char *const names[] = {"", "events", "bytes", "connects"};

    peer_check(told, server == told->server);
    peer_check(told, excess->struct_size == sizeof *excess);
    peer_check(told, user == &action);
    peer_note(told, "excess %s %s %s%s %u", names[excess->rate],
              excess->address, excess->socket != NULL ? "socket" : "-",
              excess->session != NULL ? " session" : "",
              (unsigned)excess->retry_ms);
    return action;
}

static void
ask(skio_server_options *options)
{
    options->rate_limit = tell;
    options->rate_limit_user = &action;
}

static void
close_them(struct peer *peer)
{
    told = peer;
    action = SKIO_RATE_CLOSE;
}

static void
drop_them(struct peer *peer)
{
    told = peer;
    action = SKIO_RATE_DROP;
}

static void
pass_them(struct peer *peer)
{
    told = peer;
    action = SKIO_RATE_PASS;
}

/* ---- Events ---- */

static void
listen_to(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    close_them(peer);
    peer_check(peer, root != NULL);
    peer_check(peer, skio_on(root, "e", sio_note_event, peer) == SKIO_OK);
    peer_check(peer,
               skio_on_disconnect(root, sio_note_disconnect, peer) == SKIO_OK);
}

static void
listen_and_drop(struct peer *peer)
{
    listen_to(peer);
    drop_them(peer);
}

static void
listen_and_pass(struct peer *peer)
{
    listen_to(peer);
    pass_them(peer);
}

/* To join is the first of the burst. */
static void
four_events(skio_server_options *options)
{
    options->events_per_second = 2;
    options->events_burst = 4;
}

static void
four_events_asked(skio_server_options *options)
{
    four_events(options);
    ask(options);
}

static void
say_three(struct peer *peer, struct peer_ws *ws)
{
    for (int i = 0; i < 3; i++) {
        peer_say(ws, "42[\"e\",1]");
        peer_expect_event(peer, "event [1]");
    }
}

SCENARIO(one_event_past_the_burst_ends_the_connection, four_events, listen_to)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_three(peer, ws);
    peer_say(ws, "42[\"e\",2]");
    peer_expect_event(peer, "disconnect / rate limit");
    peer_expect_event(peer, NULL);
    peer_expect_close(ws, 1005);
    peer_check(peer, sio_counters(peer).rates_hit == 1);
    peer_check(peer, sio_counters(peer).limits_hit == 1);
}

SCENARIO(who_keeps_to_the_rate_is_never_stopped, four_events, listen_to)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_three(peer, ws);
    for (int i = 0; i < 20; i++) {
        peer_wait(peer, 500);
        peer_say(ws, "42[\"e\",1]");
        peer_expect_event(peer, "event [1]");
    }
    peer_check(peer, sio_counters(peer).rates_hit == 0);
}

SCENARIO(one_client_uses_up_nothing_of_anothers, four_events, listen_to)
{
    struct peer_ws *fast = sio_connect(peer, NULL);
    struct peer_ws *slow = sio_connect(peer, NULL);

    say_three(peer, fast);
    say_three(peer, slow);
    peer_say(fast, "42[\"e\",2]");
    peer_expect_event(peer, "disconnect / rate limit");
    peer_wait(peer, 500);
    peer_say(slow, "42[\"e\",3]");
    peer_expect_event(peer, "event [3]");
}

SCENARIO(the_application_may_drop_an_event, four_events_asked, listen_and_drop)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_three(peer, ws);
    peer_say(ws, "427[\"e\",2]");
    peer_expect_event(peer, "excess events 192.0.2.1 socket session 500");
    peer_say(ws, "42[\"e\",3]");
    peer_expect_event(peer, "excess events 192.0.2.1 socket session 500");
    peer_expect_event(peer, NULL);
    peer_expect_nothing(ws);
    /* Who was stopped need not wait for longer than before. */
    peer_wait(peer, 500);
    peer_say(ws, "42[\"e\",4]");
    peer_expect_event(peer, "event [4]");
}

SCENARIO(the_application_may_let_an_event_pass, four_events_asked,
         listen_and_pass)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_three(peer, ws);
    peer_say(ws, "42[\"e\",2]");
    peer_expect_event(peer, "excess events 192.0.2.1 socket session 500");
    peer_expect_event(peer, "event [2]");
}

SCENARIO(a_dropped_event_takes_its_attachments_along, four_events_asked,
         listen_and_drop)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_three(peer, ws);
    peer_say(ws, "451-[\"e\",{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(ws, "abc", 3, true);
    peer_expect_event(peer, "excess events 192.0.2.1 socket session 500");
    peer_wait(peer, 500);
    peer_say(ws, "42[\"e\",4]");
    peer_expect_event(peer, "event [4]");
}

SCENARIO(answers_and_goodbyes_are_no_events, four_events, listen_to)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    char answer[32];

    say_three(peer, ws);
    for (int i = 0; i < 3; i++) {
        peer_check(peer, skio_emit_with_ack(socket, 0, sio_note_answer, peer,
                                            "q", NULL) == SKIO_OK);
        peer_flush(peer);
        snprintf(answer, sizeof answer, "42%d[\"q\"]", i);
        peer_expect(ws, answer);
        snprintf(answer, sizeof answer, "43%d[]", i);
        peer_say(ws, answer);
        peer_expect_event(peer, "answer SKIO_OK []");
    }
    peer_say(ws, "41");
    peer_expect_event(peer, "disconnect / client namespace disconnect");
}

SCENARIO(who_joins_too_often_is_refused_or_closed, four_events_asked,
         listen_and_drop)
{
    struct peer_ws *ws = peer_websocket(peer);

    for (int i = 0; i < 4; i++) {
        peer_say(ws, "40/no,");
        peer_expect(ws, "44/no,{\"message\":\"Invalid namespace\"}");
    }
    peer_say(ws, "40/no,");
    peer_expect_event(peer, "excess events 192.0.2.1 - session 500");
    peer_expect(ws, "44/no,{\"message\":\"Too many requests\"}");
    action = SKIO_RATE_CLOSE;
    peer_say(ws, "40");
    peer_expect_event(peer, "excess events 192.0.2.1 - session 500");
    peer_expect_close(ws, 1005);
}

/* A callback that does more than answer. */

static enum skio_rate_action
warn(skio_server *server, const skio_rate_excess *excess, void *user)
{
    (void)server;
    (void)user;
    /* Without memory the client is closed without a word. */
    if (skio_emit(excess->socket, "blocked", "%d", (int)excess->retry_ms) !=
        SKIO_OK)
        return SKIO_RATE_CLOSE;
    return action;
}

static void
four_events_warned(skio_server_options *options)
{
    four_events(options);
    options->rate_limit = warn;
}

SCENARIO(a_client_can_be_told_before_it_is_closed, four_events_warned,
         listen_to)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_three(peer, ws);
    peer_say(ws, "42[\"e\",2]");
    peer_expect_event(peer, "disconnect / rate limit");
    peer_expect(ws, "42[\"blocked\",500]");
    peer_expect_close(ws, 1005);
}

static enum skio_rate_action
leave(skio_server *server, const skio_rate_excess *excess, void *user)
{
    (void)server;
    (void)user;
    skio_disconnect(excess->socket, action == SKIO_RATE_CLOSE);
    return SKIO_RATE_PASS;
}

static void
four_events_left(skio_server_options *options)
{
    four_events(options);
    options->rate_limit = leave;
}

SCENARIO(a_callback_may_disconnect_the_socket, four_events_left,
         listen_and_drop)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_three(peer, ws);
    peer_say(ws, "42[\"e\",2]");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, NULL); /* the event went with its socket */
    peer_expect(ws, "41");
}

SCENARIO(a_callback_may_close_the_connection, four_events_left, listen_to)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    say_three(peer, ws);
    peer_say(ws, "42[\"e\",2]");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, NULL);
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
}

SCENARIO(polled_events_are_limited_as_well, four_events, listen_to)
{
    char query[160];
    struct peer_http *poll;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post(peer, query, "40"), 200, "ok");
    peer_get(peer, query); /* the answer to it */
    poll = peer_get(peer, query);
    peer_expect_held(poll);
    /* The last one is not looked at any more. */
    peer_expect_http(peer_post(peer, query,
                               "42[\"e\",1]\x1e"
                               "42[\"e\",2]\x1e"
                               "42[\"e\",3]\x1e"
                               "42[\"e\",4]\x1e"
                               "42[\"e\",5]"),
                     200, "ok");
    peer_expect_event(peer, "event [1]");
    peer_expect_event(peer, "event [2]");
    peer_expect_event(peer, "event [3]");
    peer_expect_event(peer, "disconnect / rate limit");
    peer_expect_event(peer, NULL);
    peer_expect_http(poll, 200, "1");
    peer_check(peer, sio_counters(peer).rates_hit == 1);
}

SCENARIO(messages_of_engine_io_are_events, four_events, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_expect_event(peer, "open");
    for (int i = 0; i < 4; i++) {
        peer_say(ws, "4x");
        peer_expect_event(peer, "message x");
    }
    peer_say(ws, "4x");
    peer_expect_event(peer, "close rate limit");
    peer_expect_close(ws, 1005);
}

/* ---- Bytes ---- */

static void
ten_bytes(skio_server_options *options)
{
    options->bytes_per_second = 10;
    options->bytes_burst = 20;
    options->max_http_buffer_size = 20;
}

static void
ten_bytes_asked(skio_server_options *options)
{
    ten_bytes(options);
    ask(options);
}

static void
engine_and_drop(struct peer *peer)
{
    peer_engine(peer);
    drop_them(peer);
}

static void
engine_and_pass(struct peer *peer)
{
    peer_engine(peer);
    pass_them(peer);
}

SCENARIO(one_byte_past_the_burst_ends_the_connection, ten_bytes, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_expect_event(peer, "open");
    peer_say(ws, "4123456789");
    peer_expect_event(peer, "message 123456789");
    peer_say_bytes(ws, "12345678901", 11, true);
    peer_expect_event(peer, "binary 3132333435363738393031");
    peer_wait(peer, 100);
    peer_say(ws, "4a");
    peer_expect_event(peer, "message a");
    peer_say(ws, "4b");
    peer_expect_event(peer, "close rate limit");
    peer_expect_close(ws, 1005);
}

SCENARIO(the_largest_message_passes_who_was_silent, ten_bytes, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);
    int i;

    peer_expect_event(peer, "open");
    for (i = 0; i < 3; i++) {
        peer_say_bytes(ws, "12345678901234567890", 20, true);
        peer_expect_event(peer,
                          "binary 3132333435363738393031323334353637383930");
        peer_wait(peer, 2000);
    }
    peer_check(peer, sio_counters(peer).rates_hit == 0);
}

static void
few_bytes(skio_server_options *options)
{
    options->bytes_per_second = 10;
    options->max_http_buffer_size = 30; /* twice that is the burst */
}

SCENARIO(the_largest_event_passes_with_its_attachments, few_bytes, listen_to)
{
    static const char event[] = "452-[\"e\",\"123456789012345678\"]";
    struct peer_ws *ws = sio_connect(peer, NULL);

    for (int i = 0; i < 3; i++) {
        peer_wait(peer, 6000);
        peer_say(ws, event);
        peer_say_bytes(ws, "12345678901234567890", 20, true);
        peer_say_bytes(ws, "1234567890", 10, true);
        peer_expect_event(peer, "event [\"123456789012345678\"]");
    }
    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "disconnect / rate limit");
}

/* Nothing is left out of the middle: what follows would make no sense. */
SCENARIO(bytes_are_not_dropped_but_end_the_connection, ten_bytes_asked,
         engine_and_drop)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_expect_event(peer, "open");
    peer_say_bytes(ws, "12345678901234567890", 20, true);
    peer_expect_event(peer, "binary 3132333435363738393031323334353637383930");
    peer_say(ws, "4abc");
    peer_expect_event(peer, "excess bytes 192.0.2.1 - session 300");
    peer_expect_event(peer, "close rate limit");
    peer_expect_close(ws, 1005);
}

SCENARIO(bytes_may_pass, ten_bytes_asked, engine_and_pass)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_expect_event(peer, "open");
    peer_say_bytes(ws, "12345678901234567890", 20, true);
    peer_expect_event(peer, "binary 3132333435363738393031323334353637383930");
    peer_say(ws, "4");
    peer_expect_event(peer, "excess bytes 192.0.2.1 - session 100");
    peer_expect_event(peer, "message ");
}

SCENARIO(a_flood_of_signals_is_one_of_bytes, ten_bytes, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_expect_event(peer, "open");
    for (int i = 0; i < 20; i++)
        peer_say(ws, "6"); /* a noop */
    peer_expect_event(peer, NULL);
    peer_say(ws, "6");
    peer_expect_event(peer, "close rate limit");
    peer_expect_close(ws, 1005);
}

/* ---- Connects ---- */

static void
three_connects(skio_server_options *options)
{
    options->connects_per_minute = 6;
    options->connects_burst = 3;
}

static void
three_connects_asked(skio_server_options *options)
{
    three_connects(options);
    ask(options);
}

SCENARIO(one_connect_past_the_burst_is_told_to_retry, three_connects,
         peer_engine)
{
    struct peer_http *http;
    struct peer_ws *ws;
    char query[160];

    peer_websocket(peer);
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_polling(peer);
    http = peer_get(peer, POLLING);
    peer_expect_http(http, 429, "");
    peer_expect_header(http, "retry-after", "10");
    ws = peer_ws_request(peer, WEBSOCKET, NULL);
    peer_check(peer, ws->ws == NULL);
    peer_expect_http(ws->http, 429, "");
    peer_expect_header(ws->http, "retry-after", "10");
    /* Whose session is open goes on. */
    peer_expect_http(peer_post(peer, query, "4x"), 200, "ok");
    peer_wait(peer, 9999);
    http = peer_get(peer, POLLING);
    peer_expect_http(http, 429, "");
    peer_expect_header(http, "retry-after", "1");
    peer_wait(peer, 1);
    peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 429, "");
    peer_check(peer, sio_counters(peer).rates_hit == 4);
}

SCENARIO(connects_count_for_their_address, three_connects, peer_engine)
{
    for (int i = 0; i < 3; i++)
        peer_polling(peer);
    peer_expect_http(peer_get(peer, POLLING), 429, "");
    peer->address = "::ffff:192.0.2.1";
    peer_expect_http(peer_get(peer, POLLING), 429, "");
    peer->address = "192.0.2.2";
    peer_polling(peer);
    peer->address = "";
    for (int i = 0; i < 5; i++)
        peer_polling(peer);
}

SCENARIO(connects_count_for_their_ipv6_network, three_connects, peer_engine)
{
    peer->address = "2001:db8::1";
    peer_polling(peer);
    peer->address = "2001:db8::2:0:0:1";
    peer_polling(peer);
    peer->address = "2001:db8::ffff:ffff:ffff:ffff";
    peer_polling(peer);
    peer->address = "2001:db8::abcd";
    peer_expect_http(peer_get(peer, POLLING), 429, "");
    peer->address = "2001:db8:0:1::1";
    peer_polling(peer);
}

static void
three_connects_of_few(skio_server_options *options)
{
    three_connects(options);
    options->rate_addresses = 8;
    options->max_unconnected = 100000;
}

SCENARIO(a_flood_of_addresses_neither_grows_nor_frees_anybody,
         three_connects_of_few, peer_engine)
{
    char address[64];
    size_t live;

    for (int i = 0; i < 3; i++)
        peer_expect_http(peer_get(peer, "EIO=4&transport=no"), 400, NULL);
    live = peer->alloc.live_bytes;
    peer->address = address;
    for (int i = 0; i < 200; i++) {
        snprintf(address, sizeof address, "2001:db8:0:%x::1", (unsigned)i);
        peer_expect_http(peer_get(peer, "EIO=4&transport=no"), 400, NULL);
    }
    peer_check(peer, peer->alloc.live_bytes == live);
    peer->address = NULL;
    peer_expect_http(peer_get(peer, POLLING), 429, "");
}

SCENARIO(refused_handshakes_count_as_well, three_connects, peer_engine)
{
    for (int i = 0; i < 3; i++)
        peer_expect_http(peer_get(peer, "EIO=4&transport=no"), 400, NULL);
    peer_expect_http(peer_get(peer, "EIO=4&transport=no"), 429, "");
    /* No session is asked for here. */
    peer_expect_http(peer_get(peer, POLLING "&sid=none"), 400, NULL);
}

static void
engine_and_close(struct peer *peer)
{
    peer_engine(peer);
    close_them(peer);
}

SCENARIO(the_application_may_let_a_connect_pass, three_connects_asked,
         engine_and_pass)
{
    for (int i = 0; i < 3; i++)
        peer_polling(peer);
    for (int i = 0; i < 3; i++)
        peer_expect_event(peer, "open");
    peer_polling(peer);
    peer_expect_event(peer, "excess connects 192.0.2.1 - 10000");
    peer_expect_event(peer, "open");
    action = SKIO_RATE_DROP;
    peer_expect_http(peer_get(peer, POLLING), 429, "");
    peer_expect_event(peer, "excess connects 192.0.2.1 - 10000");
}

SCENARIO(the_application_hears_of_a_refused_connect, three_connects_asked,
         engine_and_close)
{
    for (int i = 0; i < 3; i++)
        peer_polling(peer);
    for (int i = 0; i < 3; i++)
        peer_expect_event(peer, "open");
    peer->address = "::ffff:192.0.2.1"; /* told as it came */
    peer_expect_http(peer_get(peer, POLLING), 429, "");
    peer_expect_event(peer, "excess connects ::ffff:192.0.2.1 - 10000");
}

/* A page elsewhere shall see why. */
static void
three_connects_anywhere(skio_server_options *options)
{
    three_connects(options);
    options->cors_origins = "https://a.example";
}

SCENARIO(a_refused_page_may_read_the_refusal, three_connects_anywhere,
         peer_engine)
{
    static const char origin[] = "origin: https://a.example\n";
    struct peer_http *http;

    for (int i = 0; i < 3; i++)
        peer_expect_http(peer_request(peer, "GET", POLLING, origin), 200, NULL);
    /* A preflight asks for nothing. */
    peer_expect_http(peer_request(peer, "OPTIONS", POLLING, origin), 204, "");
    http = peer_request(peer, "GET", POLLING, origin);
    peer_expect_http(http, 429, "");
    peer_expect_header(http, "access-control-allow-origin",
                       "https://a.example");
}

/* ---- All of them, and long ids ---- */

static void
all_rates(skio_server_options *options)
{
    options->events_per_second = 1000;
    options->bytes_per_second = 1000000;
    options->connects_per_minute = 1000;
    options->rate_addresses = 1;
}

static int
long_id(const skio_engine_request *request, char id[64], void *user)
{
    (void)request;
    (void)user;
    memset(id, 'x', 63);
    id[63] = '\0';
    return SKIO_OK;
}

static void
listen_with_long_ids(struct peer *peer)
{
    listen_to(peer);
    peer_check(peer, skio_generate_id(peer->server, long_id, NULL) == SKIO_OK);
}

SCENARIO(a_long_id_stands_behind_what_is_counted, all_rates,
         listen_with_long_ids)
{
    static const char id[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                             "xxxxxxxxxxxxxxxxxxxxxxx";
    char query[160];

    peer_check(peer, strstr(peer_polling(peer), id) != NULL);
    snprintf(query, sizeof query, POLLING "&sid=%s", id);
    peer_expect_http(peer_post(peer, query,
                               "40\x1e"
                               "42[\"e\",1]"),
                     200, "ok");
    peer_expect_event(peer, "event [1]");
    peer_expect_http(peer_get(peer, query), 200, NULL);
    peer_expect_http(peer_post(peer, query, "42[\"e\",2]"), 200, "ok");
    peer_expect_event(peer, "event [2]");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_event_past_the_burst_ends_the_connection),
        cmocka_unit_test(who_keeps_to_the_rate_is_never_stopped),
        cmocka_unit_test(one_client_uses_up_nothing_of_anothers),
        cmocka_unit_test(the_application_may_drop_an_event),
        cmocka_unit_test(the_application_may_let_an_event_pass),
        cmocka_unit_test(a_dropped_event_takes_its_attachments_along),
        cmocka_unit_test(answers_and_goodbyes_are_no_events),
        cmocka_unit_test(who_joins_too_often_is_refused_or_closed),
        cmocka_unit_test(a_client_can_be_told_before_it_is_closed),
        cmocka_unit_test(a_callback_may_disconnect_the_socket),
        cmocka_unit_test(a_callback_may_close_the_connection),
        cmocka_unit_test(polled_events_are_limited_as_well),
        cmocka_unit_test(messages_of_engine_io_are_events),
        cmocka_unit_test(one_byte_past_the_burst_ends_the_connection),
        cmocka_unit_test(the_largest_message_passes_who_was_silent),
        cmocka_unit_test(the_largest_event_passes_with_its_attachments),
        cmocka_unit_test(bytes_are_not_dropped_but_end_the_connection),
        cmocka_unit_test(bytes_may_pass),
        cmocka_unit_test(a_flood_of_signals_is_one_of_bytes),
        cmocka_unit_test(one_connect_past_the_burst_is_told_to_retry),
        cmocka_unit_test(connects_count_for_their_address),
        cmocka_unit_test(connects_count_for_their_ipv6_network),
        cmocka_unit_test(a_flood_of_addresses_neither_grows_nor_frees_anybody),
        cmocka_unit_test(refused_handshakes_count_as_well),
        cmocka_unit_test(the_application_may_let_a_connect_pass),
        cmocka_unit_test(the_application_hears_of_a_refused_connect),
        cmocka_unit_test(a_refused_page_may_read_the_refusal),
        cmocka_unit_test(a_long_id_stands_behind_what_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
