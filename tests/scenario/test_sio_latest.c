/*
 * Headers of the latest request, beside the handshake's
 */
#include "scenario/sio.h"

static void
latest(skio_server_options *options)
{
    options->latest_headers = true;
}

/* Note what "token" is now: the handshake's, the latest. */
static void
on_token(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *first = skio_socket_header(socket, "token");
    const char *now = skio_socket_latest_header(socket, "token");

    (void)args;
    (void)ack;
    peer_note(user, "%s %s", first != NULL ? first : "-",
              now != NULL ? now : "-");
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    on_token(socket, NULL, NULL, user);
}

static void
listen_to_root(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    peer_check(peer, skio_on(root, "token", on_token, peer) == SKIO_OK);
    peer_check(peer, skio_on_disconnect(root, on_disconnect, peer) == SKIO_OK);
}

/* A polling session with "token: first" in "/". */
static void
open_session(struct peer *peer, char query[128])
{
    struct peer_http *http =
        peer_request(peer, "GET", "EIO=4&transport=polling", "token: first\n");

    peer_check(peer, http->status == 200);
    (void)snprintf(query, 128, "EIO=4&transport=polling&sid=%s",
                   peer_sid(http->body.data));
    peer_expect_http(peer_post_bytes(peer, query, "token: second\n", "40", 2),
                     200, "ok");
}

SCENARIO(every_request_renews_the_headers, latest, listen_to_root)
{
    static const char ask[] = "42[\"token\"]";
    struct peer_http *http;
    struct peer_ws *ws;
    char query[128];
    char upgrade[128];

    open_session(peer, query);
    peer_expect_http(peer_post_bytes(peer, query, "token: third\n", ask,
                                     sizeof ask - 1),
                     200, "ok");
    peer_expect_event(peer, "first third");

    http = peer_request(peer, "GET", query, "token: fourth\n");
    peer_check(peer, http->status == 200);
    peer_expect_http(peer_post_bytes(peer, query, NULL, ask, sizeof ask - 1),
                     200, "ok");
    peer_expect_event(peer, "first -"); /* that POST has none */

    (void)snprintf(upgrade, sizeof upgrade, "EIO=4&transport=websocket%s",
                   strstr(query, "&sid="));
    ws = peer_ws_request(peer, upgrade, "token: fifth\n");
    peer_check(peer, ws->ws != NULL);
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_say(ws, "5");
    peer_say(ws, ask);
    peer_expect_event(peer, "first fifth");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "first fifth");
}

SCENARIO(request_for_another_session_changes_nothing, latest, listen_to_root)
{
    static const char ask[] = "42[\"token\"]";
    char query[128];
    char other[128];

    open_session(peer, query);
    open_session(peer, other);
    peer_expect_http(peer_post_bytes(peer, other, "token: other\n", ask,
                                     sizeof ask - 1),
                     200, "ok");
    peer_expect_event(peer, "first other");
    peer_expect_http(peer_post_bytes(peer, query, "token: own\n", ask,
                                     sizeof ask - 1),
                     200, "ok");
    peer_expect_event(peer, "first own");
}

SCENARIO(latest_headers_are_the_handshakes_unless_asked_for, NULL,
         listen_to_root)
{
    static const char ask[] = "42[\"token\"]";
    char query[128];

    open_session(peer, query);
    peer_expect_http(peer_post_bytes(peer, query, "token: third\n", ask,
                                     sizeof ask - 1),
                     200, "ok");
    peer_expect_event(peer, "first first");
}

SCENARIO(headers_beyond_the_limit_renew_nothing, latest, listen_to_root)
{
    static const char ask[] = "42[\"token\"]";
    char headers[9000] = "token: third\nx: ";
    size_t len = strlen(headers);
    char query[128];

    open_session(peer, query);
    memset(headers + len, 'x', 8300 - len);
    headers[8300] = '\n';
    peer_expect_http(peer_post_bytes(peer, query, headers, ask, sizeof ask - 1),
                     431, NULL);
    peer_expect_event(peer, NULL);
    peer_expect_http(peer_post_bytes(peer, query, "token: fourth\n", ask,
                                     sizeof ask - 1),
                     200, "ok");
    peer_expect_event(peer, "first fourth");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_renews_the_headers),
        cmocka_unit_test(request_for_another_session_changes_nothing),
        cmocka_unit_test(latest_headers_are_the_handshakes_unless_asked_for),
        cmocka_unit_test(headers_beyond_the_limit_renew_nothing),
    };

    return cmocka_run_group_tests_name("sio_latest", tests, NULL, NULL);
}
