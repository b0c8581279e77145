/*
 * Engine.IO: ids of the host's making, the initial packet, what sessions tell
 * of themselves, taps, why they close, and pages that a function lets in
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <string.h>

#include <socketio/engine.h>
#include <socketio/socketio.h>

#define POLLING "EIO=4&transport=polling"
#define WEBSOCKET "EIO=4&transport=websocket"
#define BAD_REQUEST "{\"code\":3,\"message\":\"Bad request\"}"

static void
must(struct peer *peer, int err)
{
    peer_check(peer, err == SKIO_OK);
}

/* ---- generateId ---- */

/* The id that the request's header asks for; without one it fails. */
static int
from_header(const skio_engine_request *request, char id[64], void *user)
{
    const char *text = skio_engine_request_header(request, "x-id");

    (void)user;
    if (text == NULL)
        return SKIO_EIO;
    memset(id, 'x', 64); /* no NUL where there should be one */
    memcpy(id, text, strlen(text) < 63 ? strlen(text) + 1 : 64);
    return SKIO_OK;
}

static void
note_name(const skio_connection_error *error, void *user)
{
    peer_note(user, "%d %s", (int)error->code,
              error->name != NULL ? error->name : "-");
}

static void
own_ids(struct peer *peer)
{
    peer_echo(peer);
    must(peer, skio_generate_id(peer->server, from_header, NULL));
    must(peer, skio_on_connection_error(peer->server, note_name, peer));
}

static void
expect_id(struct peer *peer, const char *id)
{
    char headers[128];
    char query[160];
    char open[160];
    struct peer_http *http;
    struct peer_ws *ws;

    snprintf(headers, sizeof headers, "x-id: %s\n", id);
    snprintf(open, sizeof open, "0{\"sid\":\"%s\",", id);
    http = peer_request(peer, "GET", POLLING, headers);
    peer_expect_http(http, 200, NULL);
    peer_check(peer, strncmp(http->body.data, open, strlen(open)) == 0);
    peer_expect_event(peer, "open");

    /* It is found by it, also by the upgrade. */
    snprintf(query, sizeof query, POLLING "&sid=%s", id);
    peer_expect_http(peer_post(peer, query, "4a"), 200, "ok");
    peer_expect_event(peer, "message a");
    peer_expect_http(peer_get(peer, query), 200, "4a");
    ws = peer_probe(peer, query);
    peer_say(ws, "2probe");
    peer_expect(ws, "3probe");
    peer_say(ws, "5");
    peer_check(peer, strcmp(skio_session_id(peer->session), id) == 0);

    /* Nobody else gets it. */
    http = peer_request(peer, "GET", POLLING, headers);
    peer_expect_http(http, 400, BAD_REQUEST);
    peer_expect_event(peer, "3 ID_GENERATION_ERROR");
    http = peer_upgrade(peer, "GET", WEBSOCKET, headers);
    peer_expect_http(http, 400, "Bad request");
    peer_expect_event(peer, "3 ID_GENERATION_ERROR");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "close transport close");

    ws = peer_ws_request(peer, WEBSOCKET, headers);
    peer_check(peer, ws->ws != NULL);
    peer_expect_prefix(ws, open);
    peer_expect_event(peer, "open");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "close transport close");
}

SCENARIO(ids_may_be_of_the_hosts_making, NULL, own_ids)
{
    expect_id(peer, "a");
    expect_id(peer, "12345678901234567890");
    expect_id(peer, "123456789012345678901");
    expect_id(peer, "0f8fad5b-d9cb-469f-a165-70867728950e");
    expect_id(peer, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_."
                    "~0123456");
}

SCENARIO(an_id_that_cannot_be_one_is_refused, NULL, own_ids)
{
    static const char too_long[] = "x-id: 12345678901234567890123456789012"
                                   "34567890123456789012345678901234\n";
    static const char *const bad[] = {
        "x-other: 1\n",  "x-id: \n",         "x-id: a b\n", "x-id: a\"b\n",
        "x-id: a%20b\n", "x-id: \xc3\xa4\n", too_long,
    };
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        peer_expect_http(peer_request(peer, "GET", POLLING, bad[i]), 400,
                         BAD_REQUEST);
        peer_expect_event(peer, "3 ID_GENERATION_ERROR");
        peer_expect_http(peer_upgrade(peer, "GET", WEBSOCKET, bad[i]), 400,
                         "Bad request");
        peer_expect_event(peer, "3 ID_GENERATION_ERROR");
    }
    peer_check(peer, skio_server_sessions(peer->server) == 0);
    must(peer, skio_generate_id(peer->server, NULL, NULL));
    peer_expect_http(peer_get(peer, POLLING), 200, NULL);
}

static void
note_socket(skio_socket *socket, void *user)
{
    peer_note(user, "socket %s", skio_socket_id(socket));
}

static void
old_clients(skio_server_options *options)
{
    options->allow_eio3 = true;
}

static void
own_ids_of_old_clients(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_nsp *chat = skio_of(peer->server, "/chat");

    peer_check(peer, root != NULL && chat != NULL);
    must(peer, skio_on_connect(root, note_socket, peer));
    must(peer, skio_on_connect(chat, note_socket, peer));
    must(peer, skio_generate_id(peer->server, from_header, NULL));
}

SCENARIO(old_clients_have_ids_of_any_length, old_clients,
         own_ids_of_old_clients)
{
    struct peer_ws *ws =
        peer_ws_request(peer, "EIO=3&transport=websocket",
                        "x-id: 0f8fad5b-d9cb-469f-a165-70867728950e\n");

    peer_check(peer, ws->ws != NULL);
    peer_expect_event(peer, "socket 0f8fad5b-d9cb-469f-a165-70867728950e");
    peer_say(ws, "40/chat,");
    peer_expect_event(peer,
                      "socket /chat#0f8fad5b-d9cb-469f-a165-70867728950e");
    ws = peer_ws_request(peer, "EIO=3&transport=websocket", "x-id: short\n");
    peer_check(peer, ws->ws != NULL);
    peer_expect_event(peer, "socket short");
    peer_say(ws, "40/chat,");
    peer_expect_event(peer, "socket /chat#short");
}

/* ---- initialPacket ---- */

static void
greeting(skio_server_options *options)
{
    options->initial_packet = "h\xc3\xa9llo";
    options->allow_eio3 = true;
}

SCENARIO(the_initial_packet_follows_the_open_packet, greeting, peer_engine)
{
    struct peer_http *http = peer_get(peer, POLLING);
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);

    peer_expect_http(http, 200, NULL);
    peer_check(peer, strstr(http->body.data, "}\x1e"
                                             "4h\xc3\xa9llo") != NULL);
    peer_expect_prefix(ws, "0{");
    peer_expect(ws, "4h\xc3\xa9llo");
    peer_expect_nothing(ws);
    http = peer_get(peer, "EIO=3&transport=polling");
    peer_expect_http(http, 200, NULL);
    peer_check(peer, strstr(http->body.data, "}6:4h\xc3\xa9llo") != NULL);
}

SCENARIO(without_an_initial_packet_the_open_packet_is_alone, NULL, peer_engine)
{
    struct peer_http *http = peer_get(peer, POLLING);

    peer_expect_http(http, 200, NULL);
    peer_check(peer, http->body.data[http->body.len - 1] == '}');
}

/* ---- Sessions ---- */

static void
note_state(struct peer *peer, skio_session *session)
{
    static const char *const states[] = {"opening", "open", "closing",
                                         "closed"};

    peer_note(peer, "%s %d %s%s%s",
              states[(int)skio_session_ready_state(session)],
              skio_session_protocol(session), skio_session_transport(session),
              skio_session_is_upgrading(session) ? " upgrading" : "",
              skio_session_is_upgraded(session) ? " upgraded" : "");
}

static void
note_states(struct peer *peer)
{
    peer_engine(peer);
    peer->on_open = note_state;
    peer->on_close = note_state;
}

SCENARIO(a_session_tells_its_state, old_clients, note_states)
{
    char query[160];
    struct peer_ws *ws;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "open 4 polling");
    peer_check(peer,
               strcmp(skio_session_address(peer->session), "192.0.2.1") == 0);
    peer_check(peer, strcmp(skio_engine_request_url(
                                skio_session_request(peer->session)),
                            "/socket.io/?" POLLING) == 0);
    peer_check(peer, strcmp(skio_engine_request_method(
                                skio_session_request(peer->session)),
                            "GET") == 0);
    peer_check(peer, skio_session_queued(peer->session) == 0);
    must(peer, skio_session_send(peer->session, "abc", 3, false));
    peer_check(peer, skio_session_queued(peer->session) > 0);
    ws = peer_probe(peer, query);
    note_state(peer, peer->session);
    peer_expect_event(peer, "open 4 polling upgrading");
    peer_say(ws, "2probe");
    peer_say(ws, "5");
    note_state(peer, peer->session);
    peer_expect_event(peer, "open 4 websocket upgraded");
    skio_session_discard(peer->session);
    peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, "closed 4 websocket upgraded");

    /* By polling the last words are still there to be fetched. */
    (void)peer_polling(peer);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "open 4 polling");
    must(peer, skio_session_send(peer->session, "abc", 3, false));
    skio_session_close(peer->session);
    peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, "closing 4 polling");
    (void)peer_ws(peer, "EIO=3&transport=websocket");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "open 3 websocket");
}

SCENARIO(discarding_drops_what_is_queued, NULL, peer_engine)
{
    struct peer_ws *ws = peer_websocket(peer);

    must(peer, skio_session_send(peer->session, "lost", 4, false));
    skio_session_discard(peer->session);
    peer_flush(peer);
    peer_expect_close(ws, 1005);
    ws = peer_websocket(peer);
    must(peer, skio_session_send(peer->session, "kept", 4, false));
    skio_session_close(peer->session);
    peer_flush(peer);
    peer_expect(ws, "4kept");
    peer_expect_close(ws, 1005);
}

/* ---- Taps ---- */

static void
on_connection(skio_session *session, void *user)
{
    peer_note(user, "tap connection %s", skio_session_transport(session));
}

static void
on_upgrading(skio_session *session, void *user)
{
    peer_note(user, "tap upgrading %s", skio_session_transport(session));
}

static void
on_upgrade(skio_session *session, void *user)
{
    peer_note(user, "tap upgrade %s", skio_session_transport(session));
}

static void
on_packet(skio_session *session, char type, const void *data, size_t len,
          bool binary, void *user)
{
    (void)session;
    peer_note(user, "tap packet %c %.*s%s", type, (int)len, (const char *)data,
              binary ? " binary" : "");
}

static void
on_packet_create(skio_session *session, char type, const void *data, size_t len,
                 bool binary, void *user)
{
    (void)session;
    peer_note(user, "tap create %c %.*s%s", type, (int)len, (const char *)data,
              binary ? " binary" : "");
}

static void
on_flush(skio_session *session, void *user)
{
    (void)session;
    peer_note(user, "tap flush");
}

static void
on_drain(skio_session *session, void *user)
{
    (void)session;
    peer_note(user, "tap drain");
}

static void
on_heartbeat(skio_session *session, void *user)
{
    (void)session;
    peer_note(user, "tap heartbeat");
}

static void
on_close(skio_session *session, enum skio_disconnect reason, void *user)
{
    (void)session;
    peer_note(user, "tap close %s", skio_disconnect_name(reason));
}

static void
tapped(struct peer *peer)
{
    static const skio_engine_taps taps = {
        .struct_size = sizeof taps,
        .connection = on_connection,
        .upgrading = on_upgrading,
        .upgrade = on_upgrade,
        .packet = on_packet,
        .packet_create = on_packet_create,
        .flush = on_flush,
        .drain = on_drain,
        .heartbeat = on_heartbeat,
        .close = on_close,
    };
    static const skio_engine_taps none = {.struct_size = sizeof none};

    peer_echo(peer);
    must(peer, skio_engine_tap(peer->server, &taps, peer));
    must(peer, skio_engine_tap(peer->server, &none, peer));
}

SCENARIO(taps_see_the_life_of_a_websocket, NULL, tapped)
{
    struct peer_ws *ws = peer_ws(peer, WEBSOCKET);

    peer_expect_event(peer, "tap connection websocket");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    peer_say(ws, "4hi");
    peer_expect_event(peer, "tap packet 4 hi");
    peer_expect_event(peer, "message hi");
    peer_expect_event(peer, "tap create 4 hi");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    peer_say_bytes(ws, "ab", 2, true);
    peer_expect_event(peer, "tap packet 4 ab binary");
    peer_expect_event(peer, "binary 6162");
    peer_expect_event(peer, "tap create 4 ab binary");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    peer_wait(peer, 25000);
    peer_expect_event(peer, "tap create 2 ");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    peer_say(ws, "3");
    peer_expect_event(peer, "tap packet 3 ");
    peer_expect_event(peer, "tap heartbeat");
    /* What cannot leave does not drain. */
    ws->is_blocked = true;
    must(peer, skio_session_send(peer->session, "x", 1, false));
    peer_flush(peer);
    peer_expect_event(peer, "tap create 4 x");
    peer_expect_event(peer, "tap flush");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "tap close transport close");
    peer_expect_event(peer, "close transport close");
    peer_expect_event(peer, NULL);
}

SCENARIO(taps_see_an_upgrade, NULL, tapped)
{
    char query[160];
    struct peer_ws *ws;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_event(peer, "tap connection polling");
    peer_expect_event(peer, "open");
    peer_expect_http(peer_post(peer, query, "4a"), 200, "ok");
    peer_expect_event(peer, "tap packet 4 a");
    peer_expect_event(peer, "message a");
    peer_expect_event(peer, "tap create 4 a");
    peer_expect_http(peer_get(peer, query), 200, "4a");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    ws = peer_probe(peer, query);
    peer_say(ws, "2probe");
    peer_expect_event(peer, "tap upgrading polling");
    peer_say(ws, "5");
    peer_expect_event(peer, "tap upgrade websocket");
    peer_expect_event(peer, NULL);
}

SCENARIO(taps_see_binary_data_as_it_is, old_clients, tapped)
{
    char query[160];

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_event(peer, "tap connection polling");
    peer_expect_event(peer, "open");
    peer_expect_http(peer_post(peer, query, "bYWI="), 200, "ok");
    peer_expect_event(peer, "tap packet 4 ab binary");
    peer_expect_event(peer, "binary 6162");
    peer_expect_event(peer, "tap create 4 ab binary");
    peer_expect_http(peer_get(peer, query), 200, "bYWI=");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    peer_expect_http(peer_post(peer, query, "b!"), 200, "ok");
    peer_expect_event(peer, "tap close parse error");
    peer_expect_event(peer, "close parse error");

    (void)peer_get(peer, "EIO=3&transport=polling&b64=1");
    peer_expect_event(peer, "tap connection polling");
    peer_expect_event(peer, "open");
    must(peer, skio_session_send(peer->session, "ab", 2, true));
    peer_expect_event(peer, "tap create 4 ab binary");
    peer_expect_event(peer, NULL);
}

SCENARIO(taps_see_nothing_behind_the_close, NULL, tapped)
{
    char query[160];
    struct peer_ws *ws;

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_event(peer, "tap connection polling");
    peer_expect_event(peer, "open");
    must(peer, skio_session_send(peer->session, "last", 4, false));
    peer_expect_event(peer, "tap create 4 last");
    skio_session_close(peer->session);
    peer_expect_event(peer, "tap close forced close");
    peer_expect_event(peer, "close forced close");
    peer_expect_http(peer_get(peer, query), 200, "4last");
    peer_expect_http(peer_get(peer, query), 200,
                     "6\x1e"
                     "1");
    peer_expect_event(peer, NULL);

    ws = peer_websocket(peer);
    peer_expect_event(peer, "tap connection websocket");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    must(peer, skio_session_send(peer->session, "last", 4, false));
    peer_expect_event(peer, "tap create 4 last");
    skio_session_close(peer->session);
    peer_expect_event(peer, "tap close forced close");
    peer_expect_event(peer, "close forced close");
    peer_flush(peer);
    peer_expect(ws, "4last");
    peer_expect_event(peer, NULL);
}

SCENARIO(only_the_pong_that_was_asked_for_is_a_heartbeat, old_clients, tapped)
{
    struct peer_ws *ws = peer_ws(peer, "EIO=3&transport=websocket");

    peer_expect_event(peer, "tap connection websocket");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    peer_say(ws, "2");
    peer_expect_event(peer, "tap packet 2 ");
    peer_expect_event(peer, "tap heartbeat");
    peer_hang_up(ws, true);
    peer->events_read = peer->events.len;

    ws = peer_websocket(peer);
    peer_expect_event(peer, "tap connection websocket");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "tap flush");
    peer_expect_event(peer, "tap drain");
    peer_say_piece(ws, "2", 1, false, true, true);
    peer_expect_event(peer, "tap packet 2 ");
    peer_expect_event(peer, "tap close transport error");
    peer_expect_event(peer, "close transport error");
}

/* ---- Details ---- */

static void
note_detail(struct peer *peer, skio_session *session)
{
    const char *detail = skio_disconnect_detail(peer->server);

    (void)session;
    peer_note(peer, "%s", detail != NULL ? detail : "no detail");
}

static void
detailed(struct peer *peer)
{
    peer_engine(peer);
    peer->on_close = note_detail;
}

static void
small(skio_server_options *options)
{
    options->max_http_buffer_size = 10;
    options->max_payload_packets = 2;
    options->max_outbound_bytes = 16;
    options->outbound_high_bytes = 8;
}

static void
expect_detail(struct peer *peer, const char *reason, const char *detail)
{
    peer_expect_event(peer, "open");
    peer_expect_event(peer, reason);
    peer_expect_event(peer, detail);
    peer_check(peer, skio_disconnect_detail(peer->server) == NULL);
}

SCENARIO(a_close_says_more_than_its_reason, small, detailed)
{
    struct peer_ws *ws = peer_websocket(peer);
    char query[160];

    peer_say_piece(ws, "4123456789", 10, false, true, true);
    peer_say_piece(ws, "41234567890", 11, false, true, true);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message 123456789");
    peer_expect_event(peer, "close transport error");
    peer_expect_event(peer, "a message of at least 11 bytes passes "
                            "max_http_buffer_size, 10");
    ws = peer_websocket(peer);
    peer_say_piece(ws, "412345", 6, false, true, false);
    peer_say_piece(ws, "67890x", 6, false, false, true);
    expect_detail(peer, "close transport error",
                  "a message of at least 12 bytes passes "
                  "max_http_buffer_size, 10");
    ws = peer_websocket(peer);
    peer_say_piece(ws, "4\xff", 2, false, true, true);
    expect_detail(peer, "close transport error", "a text message is not UTF-8");
    ws = peer_websocket(peer);
    peer_say_piece(ws, "9", 1, false, true, true);
    expect_detail(peer, "close parse error",
                  "what came is no Engine.IO packet");
    ws = peer_websocket(peer);
    peer_say_piece(ws, "2", 1, false, true, true);
    expect_detail(peer, "close transport error", "invalid heartbeat direction");
    ws = peer_websocket(peer);
    peer_hang_up(ws, true);
    expect_detail(peer, "close transport close", "no detail");
    ws = peer_websocket(peer);
    ws->is_blocked = true;
    must(peer, skio_session_send(peer->session, "12345", 5, false));
    peer_check(peer, skio_session_send(peer->session, "1234567890", 10,
                                       false) == SKIO_ENOBUFS);
    peer_flush(peer);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close slow consumer");
    peer_expect_event(peer, "8 bytes wait; one more message passes "
                            "max_outbound_bytes, 16");

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    (void)peer_post(peer, query,
                    "4\x1e"
                    "4\x1e"
                    "4");
    expect_detail(peer, "close transport error",
                  "a payload of more than 2 packets passes "
                  "max_payload_packets");
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    (void)peer_post(peer, query, "4\xff");
    expect_detail(peer, "close transport error", "a payload is not UTF-8");
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_held(peer_get(peer, query));
    (void)peer_get(peer, query);
    expect_detail(peer, "close transport error", "overlap from client");
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_abort(peer_get(peer, query));
    expect_detail(peer, "close transport error",
                  "poll connection closed prematurely");
}

SCENARIO(a_detail_is_not_told_of_another_session, NULL, detailed)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_session *other = peer->session;
    char query[160];

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    must(peer, skio_session_send(peer->session, "abc", 3, false));
    skio_session_close(peer->session);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, "no detail");
    /* What breaks now has been told of already. */
    peer_expect_http(peer_get(peer, query), 200, "4abc");
    peer_expect_http(peer_post(peer, query, "4\xff"), 400, NULL);
    skio_session_discard(other);
    peer_flush(peer);
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "close forced close");
    peer_expect_event(peer, "no detail");
}

static void
note_socket_end(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct peer *peer = user;
    const char *detail = skio_disconnect_detail(peer->server);

    (void)socket;
    peer_note(peer, "%s: %s", skio_disconnect_name(reason),
              detail != NULL ? detail : "no detail");
}

static void
note_cookie(skio_socket *socket, void *user)
{
    struct peer *peer = user;
    const char *value = skio_socket_cookie(socket, "c");

    peer_note(peer, "cookie %s", value != NULL ? value : "-");
    peer_check(peer, skio_socket_cookie(socket, "none") == NULL);
    peer_check(peer, skio_session_request(skio_socket_session(socket)) != NULL);
}

static void
socketio_ends(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    peer_check(peer, root != NULL);
    must(peer, skio_on_connect(root, note_cookie, peer));
    must(peer, skio_on_disconnect(root, note_socket_end, peer));
}

static struct peer_ws *
joined(struct peer *peer, const char *headers)
{
    struct peer_ws *ws = peer_ws_request(peer, WEBSOCKET, headers);

    peer_check(peer, ws->ws != NULL);
    peer_expect_prefix(ws, "0{");
    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{");
    return ws;
}

SCENARIO(a_socket_is_told_why_its_connection_ended, NULL, socketio_ends)
{
    struct peer_ws *ws = joined(peer, "cookie: c=1%202\n");

    peer_expect_event(peer, "cookie 1 2");
    peer_say(ws, "4x");
    peer_expect_event(peer, "forced close: unknown packet type");
    ws = joined(peer, NULL);
    peer_expect_event(peer, "cookie -");
    peer_say(ws, "9");
    peer_expect_event(peer, "parse error: what came is no Engine.IO packet");
    ws = joined(peer, NULL);
    peer_expect_event(peer, "cookie -");
    peer_say(ws, "41");
    peer_expect_event(peer, "client namespace disconnect: no detail");
}

static char log_line[128];

static void
keep_line(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    if (level == SKIO_LOG_INFO)
        snprintf(log_line, sizeof log_line, "%s", message);
}

static void
small_and_logged(skio_server_options *options)
{
    small(options);
    options->log = keep_line;
    options->log_level = SKIO_LOG_INFO;
    log_line[0] = '\0';
}

SCENARIO(the_log_says_how_large_a_message_was, small_and_logged, peer_echo)
{
    struct peer_ws *ws = peer_websocket(peer);
    char query[160];

    peer_say_piece(ws, "4123456789", 10, false, true, true);
    peer_check(peer, log_line[0] == '\0');
    peer_say_piece(ws, "41234567890", 11, false, true, true);
    peer_check(peer, strcmp(log_line, "a message of at least 11 bytes passes "
                                      "max_http_buffer_size, 10") == 0);

    log_line[0] = '\0';
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post(peer, query, "4123456789"), 200, "ok");
    peer_check(peer, log_line[0] == '\0');
    peer_expect_http(peer_post(peer, query, "41234567890"), 413, NULL);
    peer_check(peer, strcmp(log_line, "a POST of at least 11 bytes passes "
                                      "max_http_buffer_size, 10") == 0);
}

/* ---- Pages ---- */

static bool
ends_in_example(const char *origin, void *user)
{
    size_t len = strlen(origin);

    ++*(int *)user;
    return len > 8 && strcmp(origin + len - 8, ".example") == 0;
}

static int origins_asked;

static void
by_function(skio_server_options *options)
{
    origins_asked = 0;
    options->cors_origin = ends_in_example;
    options->cors_origin_user = &origins_asked;
}

static void
by_list_and_function(skio_server_options *options)
{
    by_function(options);
    options->cors_origins = "https://listed.test";
}

SCENARIO(a_function_lets_pages_connect, by_function, peer_engine)
{
    struct peer_http *http =
        peer_request(peer, "GET", POLLING, "origin: https://a.example\n");
    struct peer_ws *ws;

    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "Access-Control-Allow-Origin",
                       "https://a.example");
    peer_expect_header(http, "Vary", "Origin");
    /* It is not asked about what is no text. */
    origins_asked = 0;
    http = peer_request(peer, "GET", POLLING, "origin: \x01.example\n");
    peer_expect_http(http, 400, NULL);
    peer_check(peer, origins_asked == 0);
    http = peer_request(peer, "GET", POLLING, "origin: https://a.test\n");
    peer_expect_http(http, 403, NULL);
    peer_expect_header(http, "Access-Control-Allow-Origin", NULL);
    ws = peer_ws_request(peer, WEBSOCKET, "origin: https://b.example\n");
    peer_check(peer, ws->ws != NULL);
    ws = peer_ws_request(peer, WEBSOCKET, "origin: https://b.test\n");
    peer_expect_http(ws->http, 403, NULL);
    peer_expect_http(peer_get(peer, POLLING), 200, NULL); /* no page */
    peer_expect_http(peer_request(peer, "OPTIONS", POLLING,
                                  "origin: https://a.example\n"),
                     204, "");
}

SCENARIO(the_function_is_asked_beyond_the_list, by_list_and_function,
         peer_engine)
{
    origins_asked = 0;
    peer_expect_http(peer_request(peer, "GET", POLLING,
                                  "origin: https://listed.test\n"),
                     200, NULL);
    peer_check(peer, origins_asked == 0);
    peer_expect_http(peer_request(peer, "GET", POLLING,
                                  "origin: https://a.example\n"),
                     200, NULL);
    peer_check(peer, origins_asked == 1);
}

static void
passing_preflights(skio_server_options *options)
{
    options->cors_origins = "https://a.example";
    options->cors_preflight_continue = true;
    options->cors_max_age_s = 600;
}

static void
expect_preflight(struct peer_http *http, int status, const char *body)
{
    peer_expect_http(http, status, body);
    peer_expect_header(http, "Access-Control-Allow-Origin",
                       "https://a.example");
    peer_expect_header(http, "Access-Control-Allow-Methods",
                       "GET,HEAD,PUT,PATCH,POST,DELETE");
    peer_expect_header(http, "Access-Control-Allow-Headers", "x-one");
    peer_expect_header(http, "Access-Control-Max-Age", "600");
    peer_expect_header(http, "Vary", "Origin, Access-Control-Request-Headers");
}

#define PREFLIGHT                                                              \
    "origin: https://a.example\naccess-control-request-headers: x-one\n"

SCENARIO(a_preflight_may_pass_on, passing_preflights, peer_engine)
{
    struct peer_http *http = peer_request(peer, "OPTIONS", POLLING, PREFLIGHT);

    expect_preflight(http, 400,
                     "{\"code\":2,\"message\":\"Bad handshake method\"}");
    /* Other requests are none; nor is that of a page that may not connect. */
    http = peer_request(peer, "GET", POLLING, PREFLIGHT);
    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "Access-Control-Allow-Methods", NULL);
    http = peer_request(peer, "OPTIONS", POLLING, "origin: https://b.test\n");
    peer_expect_http(http, 403, NULL);
    peer_expect_header(http, "Access-Control-Allow-Methods", NULL);
}

static void
plain_success(skio_server_options *options)
{
    options->cors_origins = "*";
    options->cors_options_success_status = 200;
}

SCENARIO(a_preflights_status_is_an_option, plain_success, peer_engine)
{
    peer_expect_http(peer_request(peer, "OPTIONS", POLLING,
                                  "origin: https://a.example\n"),
                     200, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_may_be_of_the_hosts_making),
        cmocka_unit_test(an_id_that_cannot_be_one_is_refused),
        cmocka_unit_test(old_clients_have_ids_of_any_length),
        cmocka_unit_test(the_initial_packet_follows_the_open_packet),
        cmocka_unit_test(without_an_initial_packet_the_open_packet_is_alone),
        cmocka_unit_test(a_session_tells_its_state),
        cmocka_unit_test(discarding_drops_what_is_queued),
        cmocka_unit_test(taps_see_the_life_of_a_websocket),
        cmocka_unit_test(taps_see_an_upgrade),
        cmocka_unit_test(taps_see_binary_data_as_it_is),
        cmocka_unit_test(taps_see_nothing_behind_the_close),
        cmocka_unit_test(only_the_pong_that_was_asked_for_is_a_heartbeat),
        cmocka_unit_test(a_close_says_more_than_its_reason),
        cmocka_unit_test(a_detail_is_not_told_of_another_session),
        cmocka_unit_test(a_socket_is_told_why_its_connection_ended),
        cmocka_unit_test(the_log_says_how_large_a_message_was),
        cmocka_unit_test(a_function_lets_pages_connect),
        cmocka_unit_test(the_function_is_asked_beyond_the_list),
        cmocka_unit_test(a_preflight_may_pass_on),
        cmocka_unit_test(a_preflights_status_is_an_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
