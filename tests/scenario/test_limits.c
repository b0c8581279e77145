/*
 * Which limit stopped a peer: each that is met counts under its own name, once
 */
#include <string.h>

#include <socketio/engine.h>
#include <socketio/forward.h>
#include <socketio/request.h>

#include "scenario/sio.h"

#define POLLING "EIO=4&transport=polling"
#define PROBES 60   /* whose answers may wait */
#define PIECES 1024 /* of one message, when they are empty */

/* The limit named has been met so often since, and no other; what has counters
 * of its own agrees. */
static void
expect_hits(struct peer *peer, const char *limit, uint64_t wanted)
{
    skio_counters counters = sio_counters(peer);
    uint64_t sum = 0;
    uint64_t hits = UINT64_MAX;
    bool is_known = false;
    const char *name;

    for (size_t i = 0;
         (name = skio_server_limit(peer->server, i, &hits)) != NULL; i++) {
        bool is_it = strcmp(name, limit) == 0;

        if (hits != (is_it ? wanted : 0))
            peer_fail_at(peer, name, __FILE__, __LINE__);
        is_known = is_known || is_it;
        sum += hits;
    }
    peer_check(peer, is_known);
    peer_check(peer, sum == counters.limits_hit + counters.slow_consumers);
    peer_check(peer, (strcmp(limit, "max_outbound_bytes") == 0) ==
                         (counters.slow_consumers > 0));
}

/* One client more is refused, by this limit. */
static void
expect_refused(struct peer *peer, int status, const char *limit)
{
    peer_expect_http(peer_get(peer, POLLING), status, "");
    expect_hits(peer, limit, 1);
}

/* What is waited for, for so long and no longer, does not come. */
static void
expect_timeout(struct peer *peer, uint64_t ms, const char *limit)
{
    peer_wait(peer, ms - 1);
    expect_hits(peer, limit, 0);
    peer_wait(peer, 1);
    expect_hits(peer, limit, 1);
}

/* ---- Requests ---- */

static void
small_requests(skio_server_options *options)
{
    options->max_query_bytes = sizeof POLLING - 1;
    options->max_header_bytes = 32;
    options->max_headers = 2;
}

SCENARIO(a_query_is_counted, small_requests, peer_engine)
{
    peer_expect_http(peer_get(peer, POLLING), 200, NULL);
    expect_hits(peer, "max_query_bytes", 0);
    peer_get(peer, POLLING "&");
    expect_hits(peer, "max_query_bytes", 1);
}

SCENARIO(headers_by_their_number_are_counted, small_requests, peer_engine)
{
    peer_request(peer, "GET", POLLING, "a: b\nc: d\ne: f\n");
    expect_hits(peer, "max_headers", 1);
}

SCENARIO(headers_by_their_size_are_counted, small_requests, peer_engine)
{
    peer_request(peer, "GET", POLLING, "abcdefghijklmn: 0123456789abcdefg\n");
    expect_hits(peer, "max_header_bytes", 1);
}

static void
small_messages(skio_server_options *options)
{
    options->max_http_buffer_size = 20;
    options->max_payload_packets = 2;
}

SCENARIO(a_message_is_counted, small_messages, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "4aaaaaaaaaaaaaaaaaaa");
    expect_hits(peer, "max_http_buffer_size", 0);
    peer_say(ws, "4aaaaaaaaaaaaaaaaaaaa");
    expect_hits(peer, "max_http_buffer_size", 1);
    peer_post(peer, peer_polling(peer), "4aaaaaaaaaaaaaaaaaaaa");
    expect_hits(peer, "max_http_buffer_size", 2);
}

SCENARIO(packets_of_a_payload_are_counted, small_messages, peer_engine)
{
    peer_post(peer, peer_polling(peer),
              "4a\x1e"
              "4b\x1e"
              "4c");
    expect_hits(peer, "max_payload_packets", 1);
}

SCENARIO(an_attachment_that_does_not_come_is_counted, NULL, NULL)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "451-[\"e\"]");
    expect_timeout(peer, 10000, "attachment_timeout_ms");
}

SCENARIO(a_client_that_joins_nothing_is_counted, NULL, NULL)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_wait(peer, 25000);
    peer_say(ws, "3");
    peer_wait(peer, 19999);
    expect_hits(peer, "connect_timeout_ms", 0);
    peer_wait(peer, 1);
    expect_hits(peer, "connect_timeout_ms", 1);
}

/* ---- How many ---- */

static void
one_connection(skio_server_options *options)
{
    options->max_connections = 1;
}

SCENARIO(connections_are_counted, one_connection, peer_engine)
{
    peer_polling(peer);
    expect_hits(peer, "max_connections", 0);
    expect_refused(peer, 503, "max_connections");
}

static void
one_of_an_address(skio_server_options *options)
{
    options->max_connections_per_address = 1;
    options->max_unconnected_per_address = 1;
}

SCENARIO(connections_of_an_address_are_counted, one_of_an_address, NULL)
{
    sio_connect(peer, NULL);
    expect_refused(peer, 503, "max_connections_per_address");
}

static void
one_unconnected(skio_server_options *options)
{
    options->max_unconnected = 1;
}

SCENARIO(clients_in_no_namespace_are_counted, one_unconnected, NULL)
{
    peer_polling(peer);
    expect_refused(peer, 503, "max_unconnected");
}

static void
one_unconnected_of_an_address(skio_server_options *options)
{
    options->max_unconnected_per_address = 1;
}

SCENARIO(clients_of_an_address_in_no_namespace_are_counted,
         one_unconnected_of_an_address, NULL)
{
    peer_polling(peer);
    expect_refused(peer, 503, "max_unconnected_per_address");
}

/* The verdicts that do not come. */
static skio_verdict *late[4];

static void
keep_waiting(skio_verdict *verdict, void *user)
{
    size_t i = 0;

    (void)user;
    while (i < 4 && late[i] != NULL)
        i++;
    if (i < 4)
        late[i] = verdict;
    else
        (void)skio_verdict_accept(verdict);
}

static void
forget(struct peer *peer)
{
    (void)peer;
    for (size_t i = 0; i < 4; i++) {
        if (late[i] != NULL)
            (void)skio_verdict_accept(late[i]);
        late[i] = NULL;
    }
}

static void
without_verdicts(struct peer *peer)
{
    peer->cleanup = forget;
    peer_check(peer,
               skio_allow_request(peer->server, keep_waiting, NULL) == SKIO_OK);
}

SCENARIO(a_verdict_that_does_not_come_is_counted, NULL, without_verdicts)
{
    peer_get(peer, POLLING);
    expect_timeout(peer, 10000, "verdict_timeout_ms");
}

static void
at_once(skio_server_options *options)
{
    options->drain_lead_ms = 0;
}

SCENARIO(a_server_that_ends_is_counted, at_once, NULL)
{
    peer_polling(peer);
    peer_check(peer,
               skio_server_drain(peer->server, 60000, NULL, NULL) == SKIO_OK);
    expect_refused(peer, 503, "shutdown");
}

static void
one_namespace(skio_server_options *options)
{
    options->max_namespaces = 1;
    options->max_dynamic_namespaces = 1;
}

static void
with_more(struct peer *peer)
{
    peer_check(peer, skio_of(peer->server, "/a") != NULL);
    peer_check(peer, skio_of_pattern(peer->server, "/room-*") != NULL);
}

SCENARIO(namespaces_of_a_client_are_counted, one_namespace, with_more)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "40/a,");
    peer_expect(ws, "44/a,{\"message\":\"Too many namespaces\"}");
    expect_hits(peer, "max_namespaces", 1);
}

SCENARIO(namespaces_on_demand_are_counted, one_namespace, with_more)
{
    struct peer_ws *one = peer_websocket(peer);
    struct peer_ws *two = peer_websocket(peer);

    peer_say(one, "40/room-1,");
    peer_expect_prefix(one, "40/room-1,{");
    peer_say(two, "40/room-2,");
    peer_expect(two, "44/room-2,{\"message\":\"Too many namespaces\"}");
    expect_hits(peer, "max_dynamic_namespaces", 1);
}

static void
little_waits(skio_server_options *options)
{
    options->max_outbound_bytes = 100;
    options->outbound_high_bytes = 50;
}

SCENARIO(a_client_that_reads_nothing_is_counted, little_waits, NULL)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    ws->is_blocked = true;
    while (skio_emit(socket, "e", "%s", "some twenty bytes_are_counted...") ==
           SKIO_OK)
        ;
    peer_flush(peer);
    expect_hits(peer, "max_outbound_bytes", 1);
}

static void
one_kept(skio_server_options *options)
{
    options->recovery_ms = 1000;
    options->recovery_max_sessions = 1;
}

SCENARIO(sessions_that_are_forgotten_are_counted, one_kept, NULL)
{
    struct peer_ws *one = peer_websocket(peer);
    struct peer_ws *two = peer_websocket(peer);

    peer_say(one, "40");
    peer_expect_prefix(one, "40{");
    peer_say(two, "40");
    peer_expect_prefix(two, "40{");
    peer_hang_up(one, true);
    expect_hits(peer, "recovery_max_sessions", 0);
    peer_hang_up(two, true);
    expect_hits(peer, "recovery_max_sessions", 1);
}

/* ---- Frames ---- */

SCENARIO(probe_upon_probe_is_counted, NULL, peer_engine)
{
    struct peer_ws *ws = peer_probe(peer, peer_polling(peer));

    ws->is_blocked = true;
    for (int i = 0; i < PROBES; i++)
        peer_say(ws, "2probe");
    expect_hits(peer, "frames", 0);
    peer_say(ws, "2probe");
    expect_hits(peer, "frames", 1);
}

SCENARIO(a_message_cut_into_dust_is_counted, NULL, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say_piece(ws, "4", 1, false, true, false);
    for (int i = 1; i < PIECES; i++)
        peer_say_piece(ws, "", 0, false, false, false);
    expect_hits(peer, "frames", 0);
    peer_say_piece(ws, "", 0, false, false, false);
    expect_hits(peer, "frames", 1);
}

/* ---- Requests that are passed on ---- */

static int
pass_on(skio_exchange *exchange, const char *tag, const skio_request *request,
        const void *body, size_t len, void **name, void *user)
{
    (void)exchange;
    (void)tag;
    (void)request;
    (void)body;
    (void)len;
    (void)name;
    (void)user;
    return SKIO_OK; /* and no answer comes */
}

static void
abandon(skio_exchange *exchange, void *name, void *user)
{
    (void)exchange;
    (void)name;
    (void)user;
}

static void
respond(void *handle, const skio_response *response)
{
    (void)handle;
    (void)response;
}

static void
detach(struct peer *peer)
{
    skio_forward_detach(peer->server);
}

static void
passing_on(struct peer *peer)
{
    const skio_forwarder ops = {
        .struct_size = sizeof ops,
        .tag = "nearNEAR",
        .max_requests = 2,
        .max_bytes = 32,
        .ask = pass_on,
        .abandon = abandon,
        .respond = respond,
    };

    peer->cleanup = detach;
    peer_engine(peer);
    peer_check(peer, skio_forward_attach(peer->server, &ops, NULL) == SKIO_OK);
}

#define ELSEWHERE POLLING "&sid=aaaaaaaaaaaaaaaaaaaafar_FAR-"

SCENARIO(requests_that_are_passed_on_are_counted, NULL, passing_on)
{
    peer_expect_held(peer_get(peer, ELSEWHERE));
    peer_expect_held(peer_get(peer, ELSEWHERE));
    expect_hits(peer, "forward", 0);
    peer_expect_http(peer_get(peer, ELSEWHERE), 503, NULL);
    expect_hits(peer, "forward", 1);
}

SCENARIO(bytes_that_are_passed_on_are_counted, NULL, passing_on)
{
    struct peer_http *one = peer_post_begin(peer, ELSEWHERE, NULL, -1);
    struct peer_http *two = peer_post_begin(peer, ELSEWHERE, NULL, -1);

    peer_post_body(one, "4aaaaaaaaaaaaaaa", 16);
    peer_post_body(two, "4aaaaaaaaaaaaaaa", 16);
    expect_hits(peer, "forward", 0);
    peer_post_body(two, "a", 1);
    peer_expect_http(two, 503, NULL);
    expect_hits(peer, "forward", 1);
}

/* ---- Rates ---- */

static enum skio_rate_action
pass(skio_server *server, const skio_rate_excess *excess, void *user)
{
    (void)server;
    (void)excess;
    (void)user;
    return SKIO_RATE_PASS;
}

static void
two_events(skio_server_options *options)
{
    options->events_per_second = 1;
    options->events_burst = 2;
    options->rate_limit = pass;
}

SCENARIO(events_are_counted, two_events, NULL)
{
    struct peer_ws *ws = sio_connect(peer, NULL); /* an event, too */

    peer_say(ws, "42[\"e\"]");
    expect_hits(peer, "events_per_second", 0);
    peer_say(ws, "42[\"e\"]");
    peer_say(ws, "42[\"e\"]");
    expect_hits(peer, "events_per_second", 2); /* let through or not */
}

static void
few_bytes(skio_server_options *options)
{
    options->bytes_per_second = 10;
    options->bytes_burst = 20;
    options->max_http_buffer_size = 20;
}

SCENARIO(bytes_are_counted, few_bytes, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "4aaaaaaaaaaaaaaaaaaa");
    expect_hits(peer, "bytes_per_second", 0);
    peer_say_bytes(ws, "ab", 2, true);
    expect_hits(peer, "bytes_per_second", 1);
}

static void
one_connect(skio_server_options *options)
{
    options->connects_per_minute = 1;
    options->connects_burst = 1;
}

SCENARIO(connects_are_counted, one_connect, peer_engine)
{
    peer_polling(peer);
    expect_refused(peer, 429, "connects_per_minute");
}

/* ---- The table ---- */

SCENARIO(what_a_transport_counts_is_there, NULL, NULL)
{
    skio_transport_limit_hit(peer->server, SKIO_TRANSPORT_LIMIT);
    expect_hits(peer, "transport", 1);
}

#define SAID_BY_A_TRANSPORT(limit, name)                                       \
    SCENARIO(a_transport_says_##name, NULL, NULL)                              \
    {                                                                          \
        skio_transport_limit_hit(peer->server, SKIO_TRANSPORT_##limit);        \
        expect_hits(peer, #name, 1);                                           \
    }

SAID_BY_A_TRANSPORT(HEADER_TIMEOUT, header_timeout_ms)
SAID_BY_A_TRANSPORT(BODY_TIMEOUT, body_timeout_ms)
SAID_BY_A_TRANSPORT(QUERY_BYTES, max_query_bytes)
SAID_BY_A_TRANSPORT(HEADERS, max_headers)
SAID_BY_A_TRANSPORT(HEADER_BYTES, max_header_bytes)

SCENARIO(names_are_there_once_and_then_no_more, NULL, NULL)
{
    const char *name;
    uint64_t hits = 7;
    size_t count = 0;

    while ((name = skio_server_limit(peer->server, count, &hits)) != NULL) {
        peer_check(peer,
                   strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
        peer_check(peer, hits == 0);
        for (size_t i = 0; i < count; i++)
            peer_check(peer, strcmp(name, skio_server_limit(peer->server, i,
                                                            &hits)) != 0);
        count++;
    }
    hits = 7;
    peer_check(peer, skio_server_limit(peer->server, count, &hits) == NULL);
    peer_check(peer, skio_server_limit(peer->server, SIZE_MAX, &hits) == NULL);
    peer_check(peer, hits == 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_counted),
        cmocka_unit_test(headers_by_their_number_are_counted),
        cmocka_unit_test(headers_by_their_size_are_counted),
        cmocka_unit_test(a_message_is_counted),
        cmocka_unit_test(packets_of_a_payload_are_counted),
        cmocka_unit_test(an_attachment_that_does_not_come_is_counted),
        cmocka_unit_test(a_client_that_joins_nothing_is_counted),
        cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(connections_of_an_address_are_counted),
        cmocka_unit_test(clients_in_no_namespace_are_counted),
        cmocka_unit_test(clients_of_an_address_in_no_namespace_are_counted),
        cmocka_unit_test(a_verdict_that_does_not_come_is_counted),
        cmocka_unit_test(a_server_that_ends_is_counted),
        cmocka_unit_test(namespaces_of_a_client_are_counted),
        cmocka_unit_test(namespaces_on_demand_are_counted),
        cmocka_unit_test(a_client_that_reads_nothing_is_counted),
        cmocka_unit_test(sessions_that_are_forgotten_are_counted),
        cmocka_unit_test(probe_upon_probe_is_counted),
        cmocka_unit_test(a_message_cut_into_dust_is_counted),
        cmocka_unit_test(requests_that_are_passed_on_are_counted),
        cmocka_unit_test(bytes_that_are_passed_on_are_counted),
        cmocka_unit_test(events_are_counted),
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(connects_are_counted),
        cmocka_unit_test(what_a_transport_counts_is_there),
        cmocka_unit_test(a_transport_says_header_timeout_ms),
        cmocka_unit_test(a_transport_says_body_timeout_ms),
        cmocka_unit_test(a_transport_says_max_query_bytes),
        cmocka_unit_test(a_transport_says_max_headers),
        cmocka_unit_test(a_transport_says_max_header_bytes),
        cmocka_unit_test(names_are_there_once_and_then_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
