/*
 * Engine.IO: requests that the application judges, now or later
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <string.h>

#include <socketio/request.h>

#define POLLING "EIO=4&transport=polling"
#define WEBSOCKET "EIO=4&transport=websocket"
#define FORBIDDEN "{\"code\":4,\"message\":\"Forbidden\"}"

/* The application's: what it was asked, and did not answer yet. */
static skio_verdict *waiting[8];
static int asked;

static void
forget(struct peer *peer)
{
    size_t i;

    (void)peer;
    for (i = 0; i < sizeof waiting / sizeof waiting[0]; i++) {
        if (waiting[i] != NULL)
            (void)skio_verdict_accept(waiting[i]);
        waiting[i] = NULL;
    }
}

static skio_verdict *
take(struct peer *peer, int i)
{
    skio_verdict *verdict = waiting[i];

    peer_check(peer, verdict != NULL);
    waiting[i] = NULL;
    return verdict;
}

static void
must(struct peer *peer, int err)
{
    peer_check(peer, err == SKIO_OK);
}

static void
later(skio_verdict *verdict, void *user)
{
    struct peer *peer = user;

    if (asked < (int)(sizeof waiting / sizeof waiting[0]))
        waiting[asked] = verdict;
    else
        (void)skio_verdict_accept(verdict);
    asked++;
    (void)peer;
}

static void
begin(struct peer *peer)
{
    memset(waiting, 0, sizeof waiting);
    asked = 0;
    peer->cleanup = forget;
    peer_echo(peer);
}

static void
later_verdicts(struct peer *peer)
{
    begin(peer);
    must(peer, skio_allow_request(peer->server, later, peer));
}

static void
later_middleware(struct peer *peer)
{
    begin(peer);
    must(peer, skio_engine_use(peer->server, later, peer));
}

/* Answer; without the memory for that the verdict is still ours. */
static void
respond(struct peer *peer, skio_verdict *verdict, int status, const char *body)
{
    int err =
        skio_verdict_respond(verdict, status, "text/plain", body, strlen(body));

    /* A script that memory fails must not be left from inside a hook. */
    if (err == SKIO_ENOMEM)
        (void)skio_verdict_accept(verdict);
    else
        must(peer, err);
}

/* By the query: v=accept, v=refuse, v=say (with a message), v=answer */
static void
by_query(skio_verdict *verdict, void *user)
{
    struct peer *peer = user;
    const skio_engine_request *request = skio_verdict_request(verdict);
    char word[16] = "accept";

    (void)skio_engine_request_query(request, "v", word, sizeof word);
    if (strcmp(word, "refuse") == 0) {
        must(peer, skio_verdict_refuse(verdict, NULL));
    } else if (strcmp(word, "say") == 0) {
        (void)skio_verdict_refuse(verdict, "not \"today\"\n");
    } else if (strcmp(word, "answer") == 0) {
        respond(peer, verdict, 429, "slow");
    } else {
        must(peer, skio_verdict_accept(verdict));
        peer_check(peer, skio_verdict_accept(verdict) == SKIO_EBUSY);
        peer_check(peer, skio_verdict_refuse(verdict, "x") == SKIO_EBUSY);
        peer_check(peer, skio_verdict_respond(verdict, 200, NULL, NULL, 0) ==
                             SKIO_EBUSY);
    }
}

static void
sync_verdicts(struct peer *peer)
{
    begin(peer);
    must(peer, skio_allow_request(peer->server, by_query, peer));
}

static void
sync_middleware(struct peer *peer)
{
    begin(peer);
    must(peer, skio_engine_use(peer->server, by_query, peer));
}

/* ---- allow_request ---- */

SCENARIO(allow_request_judges_both_transports, NULL, sync_verdicts)
{
    struct peer_ws *ws;

    peer_expect_http(peer_get(peer, POLLING "&v=accept"), 200, NULL);
    peer_expect_event(peer, "open");
    peer_expect_http(peer_get(peer, POLLING "&v=refuse"), 403, FORBIDDEN);
    peer_expect_http(peer_get(peer, POLLING "&v=say"), 403,
                     "{\"code\":4,\"message\":\"not \\\"today\\\"\\n\"}");
    peer_expect_http(peer_get(peer, POLLING "&v=answer"), 429, "slow");

    ws = peer_ws(peer, WEBSOCKET "&v=accept");
    peer_expect_prefix(ws, "0{");
    peer_expect_event(peer, "open");
    ws = peer_ws_request(peer, WEBSOCKET "&v=refuse", NULL);
    peer_expect_http(ws->http, 403, "Forbidden");
    ws = peer_ws_request(peer, WEBSOCKET "&v=say", NULL);
    peer_expect_http(ws->http, 403, "not \"today\"\n");
    ws = peer_ws_request(peer, WEBSOCKET "&v=answer", NULL);
    peer_expect_http(ws->http, 429, "slow");
    peer_expect_event(peer, NULL);
}

SCENARIO(allow_request_is_asked_for_handshakes_alone, NULL, later_verdicts)
{
    static char query[128];
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_held(http);
    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_expect_http(http, 200, NULL);
    peer_expect_event(peer, "open");
    snprintf(query, sizeof query, POLLING "&sid=%s", peer_sid(http->body.data));

    http = peer_get(peer, query);
    peer_expect_held(http);
    peer_expect_http(peer_post(peer, query, "4hi"), 200, "ok");
    peer_expect_http(http, 200, "4hi");
    peer_expect_event(peer, "message hi");
    /* Nor for what fails before. */
    peer_expect_http(peer_get(peer, "EIO=4&transport=x"), 400, NULL);
    peer_expect_http(peer_get(peer, POLLING "&sid=unknown"), 400, NULL);
    peer_expect_http(peer_post(peer, POLLING, "4"), 400, NULL);
    peer_check(peer, asked == 1);
    /* But for what fails after. */
    http = peer_get(peer, "EIO=3&transport=polling");
    peer_expect_held(http);
    must(peer, skio_verdict_accept(take(peer, 1)));
    peer_expect_http(
        http, 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
}

SCENARIO(a_later_refusal_is_as_a_sync_one, NULL, later_verdicts)
{
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_held(http);
    must(peer, skio_verdict_refuse(take(peer, 0), "no"));
    peer_expect_http(http, 403, "{\"code\":4,\"message\":\"no\"}");
    http = peer_get(peer, POLLING);
    respond(peer, take(peer, 1), 302, "");
    peer_expect_http(http, 302, "");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_server_sessions(peer->server) == 0);
}

SCENARIO(a_websocket_opens_with_its_later_verdict, NULL, later_verdicts)
{
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);

    peer_expect_nothing(ws);
    /* Its 101 has gone out, without the headers that would come now. */
    peer_check(peer, waiting[0] != NULL);
    peer_check(peer, skio_verdict_request(waiting[0]) != NULL);
    peer_check(peer, skio_verdict_headers(waiting[0]) == NULL);
    peer_say(ws, "4early"); /* there is nobody yet to hear it */
    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_flush(peer);
    peer_expect_prefix(ws, "0{");
    peer_say(ws, "4hello");
    peer_expect(ws, "4hello");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hello");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_websocket_is_told_of_its_later_refusal, NULL, later_verdicts)
{
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);

    must(peer, skio_verdict_refuse(take(peer, 0), NULL));
    peer_flush(peer);
    peer_expect(ws, FORBIDDEN);
    peer_expect_close(ws, 1008);

    ws = peer_ws(peer, WEBSOCKET);
    respond(peer, take(peer, 1), 404, "");
    peer_flush(peer);
    peer_expect_close(ws, 1008);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_websocket_that_fails_gets_no_verdict, NULL, later_verdicts)
{
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);

    skio_ws_fail(ws->ws, 1002, "a frame is not masked");
    peer_flush(peer);
    peer_expect_close(ws, 1002);
    peer_check(peer, skio_verdict_accept(take(peer, 0)) == SKIO_ECLOSED);
    peer_flush(peer);
    peer_expect_nothing(ws);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_verdict_between_the_request_and_its_101_counts, NULL, later_verdicts)
{
    struct peer_ws *ws = peer_ws_begin(peer, WEBSOCKET, NULL);

    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_ws_finish(ws);
    peer_check(peer, ws->ws != NULL);
    peer_expect_prefix(ws, "0{");
    peer_expect_event(peer, "open");

    ws = peer_ws_begin(peer, WEBSOCKET, NULL);
    must(peer, skio_verdict_refuse(take(peer, 1), NULL));
    peer_ws_finish(ws);
    peer_check(peer, ws->ws != NULL);
    peer_expect(ws, FORBIDDEN);
    peer_expect_close(ws, 1008);

    ws = peer_ws_begin(peer, WEBSOCKET, NULL);
    peer_wait(peer, 10000);
    peer_ws_finish(ws);
    peer_check(peer, ws->ws != NULL);
    peer_expect_close(ws, 1013);
    peer_check(peer, skio_verdict_accept(take(peer, 2)) == SKIO_ECLOSED);
}

SCENARIO(a_verdict_outlives_its_peer, NULL, later_verdicts)
{
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);
    struct peer_ws *opening = peer_ws_begin(peer, WEBSOCKET, NULL);

    peer_check(peer, skio_verdict_request(waiting[0]) != NULL);
    peer_abort(http);
    peer_hang_up(ws, true);
    peer_abort(opening->http);
    peer_check(peer, skio_verdict_request(waiting[0]) == NULL);
    peer_check(peer, skio_verdict_headers(waiting[0]) == NULL);
    peer_check(peer, skio_verdict_accept(take(peer, 0)) == SKIO_ECLOSED);
    peer_check(peer, skio_verdict_refuse(take(peer, 1), "x") == SKIO_ECLOSED);
    peer_check(peer, skio_verdict_respond(take(peer, 2), 200, NULL, "", 0) ==
                         SKIO_ECLOSED);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_verdict_that_takes_too_long_is_503, NULL, later_verdicts)
{
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);

    peer_wait(peer, 9999);
    peer_expect_held(http);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect_http(http, 503, "");
    peer_expect_header(http, "Retry-After", "5");
    peer_expect_close(ws, 1013);
    peer_check(peer, skio_verdict_accept(take(peer, 0)) == SKIO_ECLOSED);
    peer_check(peer, skio_verdict_accept(take(peer, 1)) == SKIO_ECLOSED);
    peer_expect_event(peer, NULL);
}

static void
a_second(skio_server_options *options)
{
    options->verdict_timeout_ms = 1000;
    options->max_unconnected = 2;
}

SCENARIO(the_verdict_timeout_is_an_option, a_second, later_verdicts)
{
    struct peer_http *http = peer_get(peer, POLLING);

    peer_wait(peer, 1000);
    peer_expect_http(http, 503, "");
}

SCENARIO(undecided_requests_count_as_unconnected, a_second, later_verdicts)
{
    struct peer_http *first = peer_get(peer, POLLING);
    struct peer_ws *second = peer_ws(peer, WEBSOCKET);

    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer_abort(first);
    first = peer_get(peer, POLLING);
    peer_expect_held(first);
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer_hang_up(second, true);
    peer_expect_held(peer_get(peer, POLLING));
    peer_expect_http(peer_get(peer, POLLING), 503, "");
}

SCENARIO(undecided_requests_of_sessions_are_bounded_as_well, a_second,
         later_middleware)
{
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_http *first;
    char query[160];

    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, POLLING "&sid=%s", peer_sid(http->body.data));
    first = peer_get(peer, query);
    peer_expect_held(first);
    peer_expect_held(peer_get(peer, query));
    peer_expect_http(peer_get(peer, query), 503, "");
    peer_abort(first);
    peer_expect_held(peer_get(peer, query));
}

static void
two_undecided_per_address(skio_server_options *options)
{
    options->max_unconnected_per_address = 2;
}

SCENARIO(undecided_requests_are_bounded_per_address, two_undecided_per_address,
         later_verdicts)
{
    struct peer_http *first = peer_get(peer, POLLING);

    peer_expect_held(peer_get(peer, POLLING));
    peer_expect_http(peer_get(peer, POLLING), 503, "");
    peer->address = "192.0.2.2";
    peer_expect_held(peer_get(peer, POLLING));
    peer->address = NULL;
    peer_abort(first);
    peer_expect_held(peer_get(peer, POLLING));
    peer_expect_http(peer_get(peer, POLLING), 503, "");
}

SCENARIO(undecided_requests_of_sessions_are_bounded_per_address,
         two_undecided_per_address, later_middleware)
{
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_http *first;
    char query[160];

    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, POLLING "&sid=%s", peer_sid(http->body.data));
    first = peer_get(peer, query);
    peer_expect_held(first);
    peer_expect_held(peer_get(peer, query));
    peer_expect_http(peer_get(peer, query), 503, "");
    peer->address = "192.0.2.2";
    peer_expect_held(peer_get(peer, query));
    peer->address = NULL;
    peer_abort(first);
    peer_expect_held(peer_get(peer, query));
}

static void
one_per_address(skio_server_options *options)
{
    options->max_connections_per_address = 1;
}

SCENARIO(an_undecided_request_counts_for_its_address, one_per_address,
         later_verdicts)
{
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_http(peer_get(peer, POLLING), 503, "");
    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_expect_http(http, 200, NULL);
}

SCENARIO(a_stopping_server_answers_who_waits, NULL, later_verdicts)
{
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);

    skio_transport_shutdown(peer->server);
    peer_flush(peer);
    peer_expect_http(http, 503, "");
    peer_expect_close(ws, 1013);
    peer_check(peer, skio_verdict_accept(take(peer, 0)) == SKIO_ECLOSED);
}

/* The cleanup of the script's end gives the verdict after the server's end. */
static skio_verdict *orphan;

static void
keep(skio_verdict *verdict, void *user)
{
    (void)user;
    if (orphan == NULL)
        orphan = verdict;
    else
        (void)skio_verdict_accept(verdict);
}

static int answers;

static uint64_t
no_time(void *transport)
{
    (void)transport;
    return 0;
}

static void
nothing(void *transport)
{
    (void)transport;
}

static void
count_answer(void *handle, const skio_response *response)
{
    (void)handle;
    answers += response->status;
}

static void
a_verdict_outlives_its_server(void **state)
{
    skio_server_options options;
    skio_server *server;

    (void)state;
    skio_server_options_init(&options);
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    skio_transport hooks = {.struct_size = sizeof hooks,
                            .now_ms = no_time,
                            .wants_flush = nothing,
                            .wants_timer = nothing,
                            .respond = count_answer,
                            .ws_flush = nothing};
    assert_int_equal(skio_transport_attach(server, &hooks, NULL), SKIO_OK);
    orphan = NULL;
    answers = 0;
    assert_int_equal(skio_allow_request(server, keep, NULL), SKIO_OK);
    {
        skio_request request = {.method = "GET",
                                .path = "/socket.io/",
                                .query = POLLING,
                                .headers = "",
                                .address = "192.0.2.1",
                                .content_length = -1};
        skio_exchange *exchange;

        assert_int_equal(skio_exchange_new(server, &request, &server,
                                           &exchange),
                         SKIO_EXCHANGE_HELD);
    }
    assert_non_null(orphan);
    assert_non_null(skio_verdict_request(orphan));
    skio_server_free(server);
    assert_int_equal(answers, 503);
    assert_null(skio_verdict_request(orphan));
    assert_int_equal(skio_verdict_accept(orphan), SKIO_ECLOSED);
}

/* ---- Middlewares ---- */

SCENARIO(a_middleware_sees_every_request, NULL, sync_middleware)
{
    static char query[160];
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws;

    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, POLLING "&sid=%s&v=answer",
             peer_sid(http->body.data));
    peer_expect_http(peer_get(peer, query), 429, "slow");
    peer_expect_http(peer_post(peer, query, "4a"), 429, "slow");
    /* Before every check of the server. */
    peer_expect_http(peer_get(peer, "v=answer"), 429, "slow");
    peer_expect_http(peer_request(peer, "PUT", "v=answer", NULL), 429, "slow");
    peer_expect_http(peer_get(peer, "v=refuse"), 400,
                     "{\"code\":3,\"message\":\"Bad request\"}");
    peer_expect_http(peer_get(peer, "v=say"), 400,
                     "{\"code\":3,\"message\":\"Bad request\"}");
    ws = peer_ws_request(peer, WEBSOCKET "&v=refuse", NULL);
    peer_expect_http(ws->http, 400, "Bad request");
    ws = peer_ws_request(peer, WEBSOCKET "&v=answer", NULL);
    peer_expect_http(ws->http, 429, "slow");
    peer_check(peer, ws->http->close);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_middleware_may_decide_later_on_any_request, NULL, later_middleware)
{
    static char query[160];
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_http *poll;
    struct peer_ws *ws;

    peer_expect_held(http);
    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, POLLING "&sid=%s", peer_sid(http->body.data));
    peer_expect_event(peer, "open");

    /* A poll waits for its verdict, and then for packets. */
    poll = peer_get(peer, query);
    peer_expect_held(poll);
    must(peer, skio_verdict_accept(take(peer, 1)));
    peer_flush(peer);
    peer_expect_held(poll);
    /* A body that came meanwhile is read then. */
    http = peer_post(peer, query, "4hi");
    peer_expect_held(http);
    peer_expect_event(peer, NULL);
    must(peer, skio_verdict_accept(take(peer, 2)));
    peer_flush(peer);
    peer_expect_http(http, 200, "ok");
    peer_expect_event(peer, "message hi");
    peer_expect_http(poll, 200, "4hi");

    ws = peer_probe(peer, query);
    peer_expect_nothing(ws);
    must(peer, skio_verdict_accept(take(peer, 3)));
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_say(ws, "5");
    peer_say(ws, "4up");
    peer_expect(ws, "4up");
}

static void
passing_preflights(skio_server_options *options)
{
    options->cors_origins = "https://a.example";
    options->cors_preflight_continue = true;
}

SCENARIO(a_middleware_cannot_let_in_a_page_that_may_not_connect,
         passing_preflights, later_middleware)
{
    static const char page[] = "origin: https://b.test\n";
    struct peer_http *http = peer_request(peer, "GET", POLLING, page);
    struct peer_ws *ws = peer_ws_request(peer, WEBSOCKET, page);

    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_flush(peer);
    peer_expect_http(http, 403, FORBIDDEN);
    must(peer, skio_verdict_accept(take(peer, 1)));
    peer_flush(peer);
    peer_expect(ws, FORBIDDEN);
    peer_expect_close(ws, 1008);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_middleware_may_answer_a_preflight_later, passing_preflights,
         later_middleware)
{
    struct peer_http *http =
        peer_request(peer, "OPTIONS", POLLING,
                     "origin: https://a.example\n"
                     "access-control-request-headers: x-one\n");

    peer_post_end(http);
    peer_expect_held(http);
    respond(peer, take(peer, 0), 200, "yes");
    peer_flush(peer);
    peer_expect_http(http, 200, "yes");
    peer_expect_header(http, "Access-Control-Allow-Origin",
                       "https://a.example");
    peer_expect_header(http, "Access-Control-Allow-Methods",
                       "GET,HEAD,PUT,PATCH,POST,DELETE");
    peer_expect_header(http, "Access-Control-Allow-Headers", "x-one");
}

SCENARIO(a_verdict_amid_a_body_lets_the_rest_follow, NULL, later_middleware)
{
    static char query[160];
    struct peer_http *http = peer_get(peer, POLLING);

    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, POLLING "&sid=%s", peer_sid(http->body.data));
    peer_expect_event(peer, "open");
    http = peer_post_begin(peer, query, NULL, 6);
    peer_post_body(http, "4on", 3);
    must(peer, skio_verdict_accept(take(peer, 1)));
    peer_post_body(http, "and", 3);
    peer_post_end(http);
    peer_expect_http(http, 200, "ok");
    peer_expect_event(peer, "message onand");

    /* Refused amid the body: the connection ends with the answer. */
    http = peer_post_begin(peer, query, NULL, 6);
    peer_post_body(http, "4on", 3);
    respond(peer, take(peer, 2), 200, "c");
    peer_check(peer, http->status == 200 && http->close);
    peer_post_body(http, "and", 3);
    peer_expect_event(peer, NULL);
}

static void
small_bodies(skio_server_options *options)
{
    options->max_http_buffer_size = 8;
}

SCENARIO(a_body_that_waits_is_bounded, small_bodies, later_middleware)
{
    struct peer_http *http = peer_post_begin(peer, POLLING, NULL, -1);

    peer_post_body(http, "12345678", 8);
    peer_check(peer, http->status == 0);
    peer_post_body(http, "9", 1);
    peer_expect_http(http, 413, NULL);
    peer_check(peer, skio_verdict_accept(take(peer, 0)) == SKIO_ECLOSED);
}

SCENARIO(a_session_that_ends_meanwhile_is_unknown, NULL, later_middleware)
{
    static char query[160];
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws;

    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, POLLING "&sid=%s", peer_sid(http->body.data));
    http = peer_get(peer, query);
    ws = peer_probe(peer, query);
    skio_session_close(peer->session);
    peer_wait(peer, 30000); /* nobody comes for its last packets */
    peer_expect_http(http, 503, NULL);
    peer_expect_close(ws, 1013);

    http = peer_get(peer, query);
    must(peer, skio_verdict_accept(take(peer, 3)));
    peer_expect_http(http, 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
    ws = peer_ws(peer, WEBSOCKET "&sid=unknown");
    must(peer, skio_verdict_accept(take(peer, 4)));
    peer_flush(peer);
    peer_expect(ws, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    peer_expect_close(ws, 1008);
}

/* ---- Several ---- */

static void
note_first(skio_verdict *verdict, void *user)
{
    peer_note(user, "first");
    later(verdict, user);
}

static void
note_second(skio_verdict *verdict, void *user)
{
    peer_note(user, "second");
    later(verdict, user);
}

static void
note_allow(skio_verdict *verdict, void *user)
{
    peer_note(user, "allow");
    later(verdict, user);
}

static void
three_judges(struct peer *peer)
{
    begin(peer);
    must(peer, skio_engine_use(peer->server, note_first, peer));
    must(peer, skio_engine_use(peer->server, note_second, peer));
    must(peer, skio_allow_request(peer->server, note_allow, peer));
}

SCENARIO(middlewares_run_in_their_order_then_allow_request, NULL, three_judges)
{
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_event(peer, "first");
    peer_expect_event(peer, NULL);
    must(peer, skio_verdict_accept(take(peer, 0)));
    peer_expect_event(peer, "second");
    must(peer, skio_verdict_accept(take(peer, 1)));
    peer_expect_event(peer, "allow");
    peer_expect_held(http);
    must(peer, skio_verdict_accept(take(peer, 2)));
    peer_expect_event(peer, "open");
    peer_expect_http(http, 200, NULL);

    /* A bad request is refused after the middlewares. */
    http = peer_get(peer, "EIO=4&transport=x");
    must(peer, skio_verdict_accept(take(peer, 3)));
    must(peer, skio_verdict_accept(take(peer, 4)));
    peer_expect_http(http, 400,
                     "{\"code\":0,\"message\":\"Transport unknown\"}");
    peer_expect_event(peer, "first");
    peer_expect_event(peer, "second");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_websocket_passes_three_judges, NULL, three_judges)
{
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);

    must(peer, skio_verdict_accept(take(peer, 0)));
    must(peer, skio_verdict_accept(take(peer, 1)));
    peer_expect_nothing(ws);
    must(peer, skio_verdict_accept(take(peer, 2)));
    peer_flush(peer);
    peer_expect_prefix(ws, "0{");
}

/* ---- What a judge reads ---- */

static void
read_all(skio_verdict *verdict, void *user)
{
    struct peer *peer = user;
    const skio_engine_request *request = skio_verdict_request(verdict);
    char text[64];

    if (peer->probes) { /* it is asked for other things */
        (void)skio_verdict_accept(verdict);
        return;
    }
    peer_note(peer, "%s %s", skio_engine_request_method(request),
              skio_engine_request_url(request));
    peer_note(peer, "from %s, %s, %s", skio_engine_request_address(request),
              skio_engine_request_is_secure(request) ? "secure" : "plain",
              skio_engine_request_is_upgrade(request) ? "upgrade" : "request");
    peer_note(peer, "token %s", skio_engine_request_header(request, "x-token"));
    peer_check(peer, skio_engine_request_header(request, "x-none") == NULL);

    peer_check(peer,
               skio_engine_request_query(request, "a", text, sizeof text) == 3);
    peer_check(peer, strcmp(text, "b c") == 0);
    peer_check(peer, skio_engine_request_query(request, "a", text, 3) ==
                         SKIO_ETOOBIG);
    peer_check(peer, skio_engine_request_query(request, "none", text,
                                               sizeof text) == SKIO_ENOENT);
    peer_check(peer, skio_engine_request_cookie(request, "c", text,
                                                sizeof text) == 3);
    peer_check(peer, strcmp(text, "1 2") == 0);
    peer_check(peer, skio_engine_request_cookie(request, "c", text, 3) ==
                         SKIO_ETOOBIG);
    peer_check(peer, skio_engine_request_cookie(request, "none", text,
                                                sizeof text) == SKIO_ENOENT);
    (void)skio_verdict_accept(verdict);
}

static void
reading(struct peer *peer)
{
    begin(peer);
    must(peer, skio_engine_use(peer->server, read_all, peer));
}

SCENARIO(a_judge_reads_the_request, NULL, reading)
{
    static const char headers[] =
        "x-token: secret\ncookie: b=0; c=1%202; c=3\n";

    peer_expect_http(peer_request(peer, "GET", POLLING "&a=1&a=b+c", headers),
                     200, NULL);
    peer_expect_event(peer, "GET /socket.io/?" POLLING "&a=1&a=b+c");
    peer_expect_event(peer, "from 192.0.2.1, plain, request");
    peer_expect_event(peer, "token secret");
    peer_expect_event(peer, "open");
    peer_expect_http(peer_request(peer, "BREW", "a=b+c", headers), 400, NULL);
    peer_expect_event(peer, "BREW /socket.io/?a=b+c");
    peer_expect_event(peer, "from 192.0.2.1, plain, request");
    peer_expect_event(peer, "token secret");
    (void)peer_ws_request(peer, WEBSOCKET "&a=b%20c", headers);
    peer_expect_event(peer, "GET /socket.io/?" WEBSOCKET "&a=b%20c");
    peer_expect_event(peer, "from 192.0.2.1, plain, upgrade");
}

static void
bad_words(skio_verdict *verdict, void *user)
{
    struct peer *peer = user;
    static char big[1100];

    memset(big, 'x', sizeof big - 1);
    peer_check(peer, skio_verdict_respond(verdict, 199, NULL, NULL, 0) ==
                         SKIO_EINVAL);
    peer_check(peer, skio_verdict_respond(verdict, 600, NULL, NULL, 0) ==
                         SKIO_EINVAL);
    peer_check(peer, skio_verdict_respond(verdict, 200, "a\r\nb: c", NULL, 0) ==
                         SKIO_EINVAL);
    if (asked++ % 2 == 0)
        peer_check(peer, skio_verdict_refuse(verdict, big) == SKIO_ETOOBIG);
    else
        peer_check(peer, skio_verdict_refuse(verdict, "\xff") == SKIO_EUTF8);
}

static void
bad_judge(struct peer *peer)
{
    begin(peer);
    must(peer, skio_allow_request(peer->server, bad_words, peer));
}

SCENARIO(bad_words_refuse_plainly, NULL, bad_judge)
{
    peer_expect_http(peer_get(peer, POLLING), 403, FORBIDDEN);
    peer_expect_http(peer_get(peer, POLLING), 403, FORBIDDEN);
    must(peer, skio_allow_request(peer->server, NULL, NULL));
    peer_expect_http(peer_get(peer, POLLING), 200, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allow_request_judges_both_transports),
        cmocka_unit_test(allow_request_is_asked_for_handshakes_alone),
        cmocka_unit_test(a_later_refusal_is_as_a_sync_one),
        cmocka_unit_test(a_websocket_opens_with_its_later_verdict),
        cmocka_unit_test(a_websocket_is_told_of_its_later_refusal),
        cmocka_unit_test(a_websocket_that_fails_gets_no_verdict),
        cmocka_unit_test(a_verdict_between_the_request_and_its_101_counts),
        cmocka_unit_test(a_verdict_outlives_its_peer),
        cmocka_unit_test(a_verdict_that_takes_too_long_is_503),
        cmocka_unit_test(the_verdict_timeout_is_an_option),
        cmocka_unit_test(undecided_requests_count_as_unconnected),
        cmocka_unit_test(undecided_requests_of_sessions_are_bounded_as_well),
        cmocka_unit_test(undecided_requests_are_bounded_per_address),
        cmocka_unit_test(
            undecided_requests_of_sessions_are_bounded_per_address),
        cmocka_unit_test(an_undecided_request_counts_for_its_address),
        cmocka_unit_test(a_stopping_server_answers_who_waits),
        cmocka_unit_test(a_verdict_outlives_its_server),
        cmocka_unit_test(a_middleware_sees_every_request),
        cmocka_unit_test(a_middleware_may_decide_later_on_any_request),
        cmocka_unit_test(
            a_middleware_cannot_let_in_a_page_that_may_not_connect),
        cmocka_unit_test(a_middleware_may_answer_a_preflight_later),
        cmocka_unit_test(a_verdict_amid_a_body_lets_the_rest_follow),
        cmocka_unit_test(a_body_that_waits_is_bounded),
        cmocka_unit_test(a_session_that_ends_meanwhile_is_unknown),
        cmocka_unit_test(middlewares_run_in_their_order_then_allow_request),
        cmocka_unit_test(a_websocket_passes_three_judges),
        cmocka_unit_test(a_judge_reads_the_request),
        cmocka_unit_test(bad_words_refuse_plainly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
