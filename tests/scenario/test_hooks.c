/*
 * Engine.IO: refused requests that are told of, and headers that are added
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <string.h>

#include <socketio/request.h>

#define POLLING "EIO=4&transport=polling"
#define WEBSOCKET "EIO=4&transport=websocket"

static void
must(struct peer *peer, int err)
{
    peer_check(peer, err == SKIO_OK);
}

/* ---- connection_error ---- */

static const char *
text(const char *value)
{
    return value != NULL ? value : "-";
}

static void
note_error(const skio_connection_error *error, void *user)
{
    struct peer *peer = user;

    peer_note(peer, "%d %s %s", (int)error->code, error->message,
              text(error->name));
    peer_note(peer, "%s %s %s %s %s %s %d %d", text(error->transport),
              text(error->previous_transport), text(error->origin),
              text(error->sid), text(error->method), text(error->reason),
              error->protocol, error->previous_protocol);
    peer_note(peer, "%s", skio_engine_request_url(error->request));
}

static void
refuse(skio_verdict *verdict, void *user)
{
    (void)user;
    (void)skio_verdict_refuse(verdict, "no");
}

static void
listening(struct peer *peer)
{
    peer_engine(peer);
    must(peer, skio_on_connection_error(peer->server, note_error, peer));
}

static void
expect_error(struct peer *peer, const char *first, const char *second)
{
    peer_expect_event(peer, first);
    peer_expect_event(peer, second);
}

SCENARIO(each_refusal_has_its_code_and_context, NULL, listening)
{
    char query[160];
    const char *sid;

    peer_expect_http(peer_get(peer, "EIO=4&transport=%78y"), 400, NULL);
    expect_error(peer, "0 Transport unknown -", "xy - - - - - 0 0");
    peer_expect_event(peer, "/socket.io/?EIO=4&transport=%78y");
    peer_expect_http(peer_get(peer, ""), 400, NULL);
    expect_error(peer, "0 Transport unknown -", "- - - - - - 0 0");
    peer_expect_event(peer, "/socket.io/");
    peer_expect_http(peer_request(peer, "GET", POLLING, "origin: a\x01\n"), 400,
                     NULL);
    expect_error(peer, "3 Bad request INVALID_ORIGIN", "- - a\x01 - - - 0 0");
    peer_expect_event(peer, "/socket.io/?" POLLING);
    peer_expect_http(peer_get(peer, POLLING "&sid=abc"), 400, NULL);
    expect_error(peer, "1 Session ID unknown -", "- - - abc - - 0 0");
    peer_expect_event(peer, "/socket.io/?" POLLING "&sid=abc");
    peer_expect_http(peer_post(peer, POLLING, "4"), 400, NULL);
    expect_error(peer, "2 Bad handshake method -", "- - - - POST - 0 0");
    peer_expect_event(peer, "/socket.io/?" POLLING);
    peer_expect_http(peer_get(peer, WEBSOCKET), 400, NULL);
    expect_error(peer, "3 Bad request TRANSPORT_HANDSHAKE_ERROR",
                 "- - - - - - 0 0");
    peer_expect_event(peer, "/socket.io/?" WEBSOCKET);
    peer_expect_http(peer_get(peer, "transport=polling"), 400, NULL);
    expect_error(peer, "5 Unsupported protocol version -", "- - - - - - 3 0");
    peer_expect_event(peer, "/socket.io/?transport=polling");

    sid = peer_polling(peer) + sizeof POLLING "&sid=" - 1;
    peer_expect_event(peer, "open");
    snprintf(query, sizeof query, WEBSOCKET "&sid=%s", sid);
    peer_expect_http(peer_get(peer, query), 400, NULL);
    expect_error(peer, "3 Bad request TRANSPORT_MISMATCH",
                 "websocket polling - - - - 0 0");
    {
        char event[200];

        snprintf(event, sizeof event, "/socket.io/?%s", query);
        peer_expect_event(peer, event);
    }
    snprintf(query, sizeof query, "EIO=3&transport=polling&sid=%s", sid);
    peer_expect_http(peer_get(peer, query), 400, NULL);
    expect_error(peer, "3 Bad request PROTOCOL_MISMATCH", "- - - - - - 3 4");
}

static void
refusing(struct peer *peer)
{
    listening(peer);
    must(peer, skio_allow_request(peer->server, refuse, NULL));
}

SCENARIO(a_verdict_is_told_with_its_message, NULL, refusing)
{
    peer_expect_http(peer_get(peer, POLLING), 403, NULL);
    expect_error(peer, "4 Forbidden -", "- - - - - no 0 0");
    peer_expect_event(peer, "/socket.io/?" POLLING);
    (void)peer_ws_request(peer, WEBSOCKET, NULL);
    expect_error(peer, "4 Forbidden -", "- - - - - no 0 0");
}

static void
refusing_all(struct peer *peer)
{
    listening(peer);
    must(peer, skio_engine_use(peer->server, refuse, NULL));
}

SCENARIO(a_middlewares_refusal_is_told, NULL, refusing_all)
{
    peer_expect_http(peer_get(peer, POLLING), 400, NULL);
    expect_error(peer, "3 Bad request MIDDLEWARE_FAILURE", "- - - - - - 0 0");
}

SCENARIO(long_parameters_are_cut, NULL, listening)
{
    char query[600] = POLLING "&sid=";
    char event[400] = "- - - ";
    size_t len = strlen(query);

    memset(query + len, 'x', 300);
    memset(event + 6, 'x', 255);
    strncat(event, " - - 0 0", sizeof event - strlen(event) - 1);
    peer_expect_http(peer_get(peer, query), 400, NULL);
    expect_error(peer, "1 Session ID unknown -", event);
}

/* ---- Headers ---- */

static void
add_initial(skio_headers *headers, const skio_engine_request *request,
            void *user)
{
    (void)request;
    (void)user;
    (void)skio_headers_set(headers, "X-Initial", "1");
    (void)skio_headers_append(headers, "Set-Cookie", "a=1");
    (void)skio_headers_append(headers, "Set-Cookie", "b=2");
}

static void
add_always(skio_headers *headers, const skio_engine_request *request,
           void *user)
{
    (void)user;
    (void)skio_headers_set(headers, "X-Always",
                           skio_engine_request_is_upgrade(request) ? "ws"
                                                                   : "http");
    (void)skio_headers_set(headers, "Cache-Control", "private");
}

static void
adding(struct peer *peer)
{
    peer_echo(peer);
    must(peer, skio_on_headers(peer->server, add_always, NULL));
    must(peer, skio_on_initial_headers(peer->server, add_initial, NULL));
}

SCENARIO(headers_are_added_to_the_responses_of_a_session, NULL, adding)
{
    char query[160];
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws;

    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "X-Always", "http");
    peer_expect_header(http, "X-Initial", "1");
    peer_expect_header(http, "Set-Cookie", "a=1");
    peer_check(peer, strstr(http->headers.data, "Set-Cookie: b=2\n") != NULL);
    peer_expect_header(http, "cache-control", "private");
    peer_check(peer, strstr(http->headers.data, "no-store") == NULL);

    snprintf(query, sizeof query, POLLING "&sid=%s", peer_sid(http->body.data));
    http = peer_post(peer, query, "4a");
    peer_expect_http(http, 200, "ok");
    peer_expect_header(http, "X-Always", "http");
    peer_expect_header(http, "X-Initial", NULL);
    http = peer_get(peer, query);
    peer_expect_http(http, 200, "4a");
    peer_expect_header(http, "X-Always", "http");
    peer_expect_header(http, "X-Initial", NULL);
    http = peer_get(peer, query);
    (void)peer_post(peer, query, "4b");
    peer_expect_http(http, 200, "4b");
    peer_expect_header(http, "X-Always", "http");
    ws = peer_probe(peer, query);
    peer_expect_header(ws->http, "X-Always", "ws");
    peer_expect_header(ws->http, "X-Initial", NULL);

    ws = peer_ws(peer, WEBSOCKET);
    peer_expect_header(ws->http, "X-Always", "ws");
    peer_expect_header(ws->http, "X-Initial", "1");
    /* Not to refusals. */
    http = peer_get(peer, "transport=x");
    peer_expect_http(http, 400, NULL);
    peer_expect_header(http, "X-Always", NULL);
}

static void
set_and_pass(skio_verdict *verdict, void *user)
{
    const skio_engine_request *request = skio_verdict_request(verdict);
    char word[8] = "";

    (void)user;
    (void)skio_headers_set(skio_verdict_headers(verdict), "X-Judge", "1");
    (void)skio_headers_set(skio_verdict_headers(verdict), "Content-Type",
                           "text/x");
    (void)skio_engine_request_query(request, "v", word, sizeof word);
    if (strcmp(word, "answer") == 0 &&
        skio_verdict_respond(verdict, 401, NULL, "", 0) == SKIO_OK)
        return;
    (void)skio_verdict_accept(verdict);
}

static void
setting(struct peer *peer)
{
    peer_engine(peer);
    must(peer, skio_engine_use(peer->server, set_and_pass, NULL));
}

SCENARIO(a_middlewares_headers_are_in_every_response, NULL, setting)
{
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws;

    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "X-Judge", "1");
    peer_expect_header(http, "Content-Type", "text/x");
    peer_check(peer, http->type.data == NULL);
    http = peer_get(peer, "transport=x");
    peer_expect_http(http, 400, NULL);
    peer_expect_header(http, "X-Judge", "1");
    ws = peer_ws(peer, WEBSOCKET);
    peer_expect_header(ws->http, "X-Judge", "1");
    /* As in Node, not in a refused upgrade, but in what it answered itself. */
    ws = peer_ws_request(peer, "EIO=4&transport=x", NULL);
    peer_expect_http(ws->http, 400, NULL);
    peer_expect_header(ws->http, "X-Judge", NULL);
    ws = peer_ws_request(peer, WEBSOCKET "&v=answer", NULL);
    peer_expect_http(ws->http, 401, "");
    peer_expect_header(ws->http, "X-Judge", "1");
}

/* What can be set, and what cannot. */
static void
try_headers(skio_headers *headers, const skio_engine_request *request,
            void *user)
{
    struct peer *peer = user;
    static const char *const bad_names[] = {
        "",
        "a b",
        "a:",
        "a\r\n",
        "\xc3\xa4",
        "Date",
        "upgrade",
        "Connection",
        "content-LENGTH",
        "Transfer-Encoding",
        "Sec-WebSocket-Accept",
        "Keep-Alive",
    };
    static const char *const bad_values[] = {
        "a\r\nX: y", "a\nb", "a\rb", "a\x7f", "\x01",
    };
    size_t i;

    (void)request;
    for (i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++)
        peer_check(peer,
                   skio_headers_set(headers, bad_names[i], "x") == SKIO_EINVAL);
    for (i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++)
        peer_check(peer, skio_headers_append(headers, "X", bad_values[i]) ==
                             SKIO_EINVAL);
    if (skio_headers_set(headers, "x-one", "1") != SKIO_OK)
        return; /* no memory */
    peer_check(peer, skio_headers_get(headers, "X-ONE") != NULL);
    peer_check(peer, skio_headers_get(headers, "x-on") == NULL);
    peer_check(peer, skio_headers_remove(headers, "x-two") == SKIO_ENOENT);
    peer_check(peer, skio_headers_remove(headers, "X-One") == SKIO_OK);
    peer_check(peer, skio_headers_get(headers, "x-one") == NULL);
}

static void
trying(struct peer *peer)
{
    peer_engine(peer);
    must(peer, skio_on_headers(peer->server, try_headers, peer));
}

SCENARIO(no_header_breaks_the_response, NULL, trying)
{
    peer_expect_http(peer_get(peer, POLLING), 200, NULL);
}

/* 2 headers of 10 bytes in all: at the limit and one past it. */
static void
fill_headers(skio_headers *headers, const skio_engine_request *request,
             void *user)
{
    struct peer *peer = user;

    (void)request;
    if (skio_headers_set(headers, "a", "1234") != SKIO_OK)
        return; /* no memory */
    peer_check(peer,
               skio_headers_append(headers, "b", "12345") == SKIO_ENOBUFS);
    if (skio_headers_append(headers, "b", "1234") != SKIO_OK)
        return;
    peer_check(peer, skio_headers_append(headers, "c", "") == SKIO_ENOBUFS);
    peer_check(peer, skio_headers_set(headers, "a", "12345") == SKIO_ENOBUFS);
    peer_check(peer, strcmp(skio_headers_get(headers, "a"), "1234") == 0);
    if (skio_headers_set(headers, "A", "4321") != SKIO_OK)
        return;
    peer_check(peer, strcmp(skio_headers_get(headers, "a"), "4321") == 0);
}

static void
two_headers(skio_server_options *options)
{
    options->max_response_headers = 2;
    options->max_response_header_bytes = 10;
}

static void
filling(struct peer *peer)
{
    peer_engine(peer);
    must(peer, skio_on_headers(peer->server, fill_headers, peer));
}

SCENARIO(added_headers_are_bounded, two_headers, filling)
{
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "A", "4321");
    peer_expect_header(http, "b", "1234");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_has_its_code_and_context),
        cmocka_unit_test(a_verdict_is_told_with_its_message),
        cmocka_unit_test(a_middlewares_refusal_is_told),
        cmocka_unit_test(long_parameters_are_cut),
        cmocka_unit_test(headers_are_added_to_the_responses_of_a_session),
        cmocka_unit_test(a_middlewares_headers_are_in_every_response),
        cmocka_unit_test(no_header_breaks_the_response),
        cmocka_unit_test(added_headers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
