/*
 * Fuzz target: the whole server without I/O
 *
 * Input: the options, which allocation fails, then steps. A step is something
 * that hostile clients do (requests, bodies, frames in pieces, hang-ups,
 * sockets that take nothing), a call of the application's, or time that passes.
 * Callbacks take steps of the application's in between. What must hold whatever
 * happens:
 *
 *   - who connects disconnects once, with the reason of an end
 *   - each question has its one answer, each value that hangs on a socket is
 *     given back once
 *   - no client hears what is no WebSocket frame, or text that is not UTF-8
 *   - nothing is left when the server is freed
 */
#include "fuzz/fuzz.h"

#include <socketio/cluster.h>
#include <socketio/parser.h>
#include <socketio/socketio.h>

#include "base/utf8.h"
#include "scenario/peer.h"

#define CLIENTS 4
#define HELD 6
#define STEPS_MAX 300
#define DEPTH_MAX 3 /* of callbacks in callbacks */
#define QUERY_SIZE 160
#define OUTBOUND_MAX 4000

struct client {
    struct peer_ws *ws;
    struct peer_http *http;
    char query[QUERY_SIZE]; /* of its polling session; "": none */
    char pid[24];           /* what its last CONNECT was told */
    char offset[64];        /* of the last event that it heard */
};

struct world {
    struct fuzz_input in;
    struct peer *peer;
    bool over; /* what is called back only counts */
    unsigned depth;
    unsigned options;

    struct client clients[CLIENTS];
    skio_socket *sockets[HELD]; /* references */
    skio_ack *acks[HELD];
    skio_next *nexts[HELD];
    skio_match *matches[HELD];
    skio_message *message;
    skio_nsp *message_nsp;

    size_t connected;
    size_t disconnected;
    size_t asked;
    size_t answered;
    size_t asked_all;
    size_t answered_all;
    size_t hung;
    size_t given_back;
    unsigned drained;
};

static struct world world;

enum {
    WITH_RECOVERY = 1,
    WITH_EIO3 = 2,
    WITH_DEFLATE = 4,
    WITH_MSGPACK = 8,
    WITH_SMALL_LIMITS = 16,
    WITH_LATEST = 32,
    WITH_COOKIE = 64,
    WITH_STRANGERS = 128 /* origins */
};

static void act(void);

/* ---- Bytes that choose ---- */

static unsigned
choose(unsigned below)
{
    return fuzz_below(&world.in, below);
}

/* Text of the input without NULs; valid until the next call. */
static const char *
some_text(void)
{
    static char text[64];
    size_t len = choose(sizeof(text));
    const char *from = fuzz_bytes(&world.in, &len);
    size_t kept = 0;

    for (size_t i = 0; i < len; i++)
        if (from[i] != '\0')
            text[kept++] = from[i];
    text[kept] = '\0';
    return text;
}

static const char *
some_room(void)
{
    static const char *const rooms[] = {"a", "b", "c", "", "room", "d"};
    unsigned n = choose(8);

    return n < 6 ? rooms[n] : some_text();
}

static skio_nsp *
some_nsp(void)
{
    static const char *const names[] = {"/", "/", "/chat", "/dyn-1"};

    return skio_of(world.peer->server, names[choose(3)]);
}

static skio_socket *
some_socket(void)
{
    return world.sockets[choose(HELD)];
}

static const char *
some_event(void)
{
    static const char *const names[] = {"echo", "b", "disconnect", "x"};
    unsigned n = choose(6);

    return n < 4 ? names[n] : some_text();
}

/* ---- What the application hears ---- */

static void
react(void)
{
    if (world.over || world.depth >= DEPTH_MAX)
        return;
    world.depth++;
    for (unsigned n = choose(3); n > 0; n--)
        act();
    world.depth--;
}

static void
hold(skio_socket *socket)
{
    skio_socket **place = &world.sockets[choose(HELD)];

    if (world.over)
        return;
    skio_socket_unref(*place);
    *place = skio_socket_ref(socket);
}

static void
give_back(void *data)
{
    (void)data;
    world.given_back++;
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    world.connected++;
    hold(socket);
    react();
}

static void
on_disconnecting(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)socket;
    (void)user;
    fuzz_check(reason >= SKIO_DISCONNECT_TRANSPORT_CLOSE &&
               reason <= SKIO_DISCONNECT_SLOW_CONSUMER);
    react();
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)user;
    (void)reason;
    world.disconnected++;
    fuzz_check(!skio_socket_is_connected(socket));
    react();
}

static void
keep_ack(skio_ack *ack)
{
    skio_ack **place = &world.acks[choose(HELD)];
    skio_ack *taken;

    if (world.over || ack == NULL)
        return;
    taken = skio_ack_take(ack);
    if (taken == NULL)
        return;
    skio_ack_free(*place);
    *place = taken;
}

static void
on_event(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    (void)skio_get_json(args, "");
    (void)skio_get_str(args, "0");
    (void)skio_get_value(args, "0.a");
    hold(socket);
    switch (choose(5)) {
    case 0:
        (void)skio_ack_send(ack, "%p", SKIO_VALUE(args));
        break;
    case 1:
        keep_ack(ack);
        break;
    case 2:
        (void)skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
        break;
    case 3:
        (void)skio_broadcast(socket, "b", "%p, %d", SKIO_VALUE(args), 1);
        break;
    default:
        break;
    }
    react();
}

static void
on_any(skio_socket *socket, const char *event, const skio_value *args,
       void *user)
{
    (void)socket;
    (void)args;
    (void)user;
    fuzz_check(skio__utf8_valid(event, strlen(event)));
    react();
}

static int
on_use_event(skio_socket *socket, const char *event, const skio_value *args,
             skio_ack *ack, void *user)
{
    (void)socket;
    (void)event;
    (void)args;
    (void)ack;
    (void)user;
    react();
    return choose(8) == 7 ? SKIO_EINVAL : SKIO_OK;
}

static void
on_error(skio_socket *socket, int err, const char *event, void *user)
{
    (void)socket;
    (void)event;
    (void)user;
    fuzz_check(err < 0);
    react();
}

static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    (void)nsp;
    (void)user;
    fuzz_check((socket == NULL) ==
               (event == SKIO_ROOM_CREATE || event == SKIO_ROOM_DELETE));
    fuzz_check(skio__utf8_valid(room, strlen(room)));
    react();
}

static void
on_backpressure(skio_socket *socket, size_t queued, void *user)
{
    (void)socket;
    (void)queued;
    (void)user;
    react();
}

static void
on_middleware(skio_socket *socket, skio_next *next, void *user)
{
    skio_next **place = &world.nexts[choose(HELD)];

    (void)socket;
    (void)user;
    react();
    if (!world.over && *place == NULL && choose(3) == 2) {
        *place = next;
        return;
    }
    if (choose(4) == 3)
        (void)skio_next_error(next, "no", "{'a':%d}", 1);
    else
        (void)skio_next_ok(next);
}

static void
on_match(skio_match *match, const char *name, const skio_value *auth,
         void *user)
{
    skio_match **place = &world.matches[choose(HELD)];

    (void)auth;
    (void)user;
    fuzz_check(*name == '/');
    react();
    if (!world.over && *place == NULL && choose(3) == 2) {
        *place = match;
        return;
    }
    if (choose(4) == 3)
        (void)skio_match_refuse(match);
    else
        (void)skio_match_accept(match);
}

static void
on_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    (void)socket;
    (void)user;
    world.answered++;
    fuzz_check((args != NULL) == (err == SKIO_OK));
    react();
}

static void
on_answers(int err, const skio_value *args, size_t received, size_t expected,
           void *user)
{
    (void)user;
    fuzz_check(args == NULL || err == SKIO_OK);
    if (args == NULL) {
        world.answered_all++;
        fuzz_check(err != SKIO_OK || received >= expected);
    }
    react();
}

static void
on_fetch(int err, const skio_remote *const *sockets, size_t count,
         size_t missing, void *user)
{
    (void)err;
    (void)missing;
    (void)user;
    for (size_t i = 0; i < count; i++)
        fuzz_check(*skio_remote_id(sockets[i]) != '\0' &&
                   skio_remote_shared(sockets[i]) != NULL);
    react();
}

static bool
on_each_room(const char *room, void *user)
{
    (void)room;
    (void)user;
    react();
    return choose(4) != 3;
}

static bool
on_each_socket(skio_socket *socket, void *user)
{
    (void)user;
    hold(socket);
    react();
    return choose(4) != 3;
}

static void
on_posted_count(int err, size_t count, size_t missing, void *user)
{
    (void)err;
    (void)count;
    (void)missing;
    (void)user;
}

/* ---- What the application does ---- */

static const skio_target *
some_target(void)
{
    static const char *to[3];
    static const char *except[2];
    static skio_target target;
    unsigned what = choose(32);

    to[0] = what & 1 ? "a" : "b";
    to[1] = what & 2 ? "room" : NULL;
    except[0] = "c";
    target = (skio_target){
        .struct_size = sizeof(target),
        .to = what & 4 ? to : NULL,
        .except = what & 8 ? except : NULL,
        .flags = choose(8),
        .timeout_ms = 1 + choose(200),
    };
    return &target;
}

static int
emit_somehow(skio_socket *socket)
{
    static const unsigned char bytes[] = {1, 2, 3, 0xff};
    const char *text;

    switch (choose(6)) {
    case 0:
        return skio_emit(socket, some_event(), NULL);
    case 1:
        return skio_emit(socket, "echo", "%s, %d", some_text(), 7);
    case 2:
        return skio_emit(socket, "echo", "{'a':%p}, %p",
                         SKIO_BYTES(bytes, sizeof(bytes)),
                         SKIO_BYTES(bytes, choose(5)));
    case 3:
        return skio_emit_volatile(socket, "x", "%d", 1);
    case 4:
        text = some_text();
        return skio_emit_json(socket, "echo", text, strlen(text));
    default:
        if (skio_emit_with_ack(socket, choose(4) * 50, on_answer, NULL, "echo",
                               "%s", some_text()) == SKIO_OK)
            world.asked++;
        return SKIO_OK;
    }
}

static void
act_on_socket(skio_socket *socket)
{
    skio_session *session;

    if (socket == NULL)
        return;
    switch (choose(12)) {
    case 0:
    case 1:
        (void)emit_somehow(socket);
        break;
    case 2:
        (void)skio_join(socket, some_room());
        break;
    case 3:
        (void)skio_leave(socket, some_room());
        break;
    case 4:
        skio_leave_all(socket);
        break;
    case 5:
        skio_disconnect(socket, choose(2) == 1);
        break;
    case 6:
        /* After the disconnect nobody gives it back. */
        if (skio_socket_is_connected(socket)) {
            world.hung++;
            skio_socket_set_data(socket, &world, give_back);
        }
        break;
    case 7:
        (void)skio_socket_set_shared(socket, "{'a':%s}", some_text());
        break;
    case 8:
        skio_each_room(socket, on_each_room, NULL);
        break;
    case 9:
        (void)skio_broadcast_to(socket, some_room(), "echo", "%s", some_text());
        break;
    case 10:
        session = skio_socket_session(socket);
        if (session != NULL && choose(2) == 1)
            skio_session_discard(session);
        else if (session != NULL)
            skio_session_close(session);
        break;
    default:
        (void)skio_socket_query(socket, "t");
        (void)skio_socket_cookie(socket, "io");
        (void)skio_socket_latest_header(socket, "cookie");
        (void)skio_get_json(skio_socket_auth(socket), "");
        (void)skio_socket_transport(socket);
        fuzz_check(skio_socket_queued(socket) <= OUTBOUND_MAX * 2);
        break;
    }
}

static void
act_on_nsp(skio_nsp *nsp)
{
    static const unsigned char bytes[] = {4, 5};
    const skio_target *target = some_target();

    if (nsp == NULL)
        return;
    switch (choose(12)) {
    case 0:
        (void)skio_emit_all(nsp, some_event(), "%d", 3);
        break;
    case 1:
        (void)skio_emit_to(nsp, some_room(), "echo", "%p",
                           SKIO_BYTES(bytes, sizeof(bytes)));
        break;
    case 2:
        (void)skio_emit_with(nsp, target, "x", "%s", some_text());
        break;
    case 3:
        if (skio_emit_with_acks(nsp, target, on_answers, NULL, "echo", "%d",
                                1) == SKIO_OK)
            world.asked_all++;
        break;
    case 4:
        (void)skio_sockets_join(nsp, target, some_room());
        break;
    case 5:
        (void)skio_sockets_leave(nsp, target, some_room());
        break;
    case 6:
        (void)skio_sockets_disconnect(nsp, target, choose(2) == 1);
        break;
    case 7:
        (void)skio_sockets_fetch(nsp, target, on_fetch, NULL);
        break;
    case 8:
        (void)skio_each_socket(nsp, on_each_socket, NULL);
        break;
    case 9:
        (void)skio_nsp_each_room(nsp, on_each_room, NULL);
        break;
    case 10:
        (void)skio_sockets_count(nsp, target, on_posted_count, NULL);
        (void)skio_server_side_emit(nsp, "x", "%d", 1);
        break;
    default:
        if (choose(2) == 0)
            (void)skio_once(nsp, some_event(), on_event, NULL);
        else
            (void)skio_off(nsp, "b", on_event, NULL);
        break;
    }
}

static void
send_message(void)
{
    skio_socket *socket = some_socket();

    if (world.message == NULL) {
        world.message_nsp = some_nsp();
        if (world.message_nsp != NULL)
            world.message = skio_message_new(world.message_nsp, "x", "%s, %d",
                                             some_text(), 5);
    } else if (choose(3) == 0) {
        skio_message_free(world.message);
        world.message = NULL;
    } else if (choose(2) == 0) {
        (void)skio_message_emit_with(world.message, some_target());
    } else if (socket != NULL && skio_socket_nsp(socket) == world.message_nsp) {
        (void)skio_message_emit(world.message, socket);
    }
}

static void
decide(void)
{
    unsigned n = choose(HELD);
    skio_next *next = world.nexts[n];
    skio_match *match = world.matches[n];
    skio_ack *ack = world.acks[n];

    switch (choose(3)) {
    case 0:
        world.nexts[n] = NULL;
        if (next != NULL && choose(3) == 2)
            (void)skio_next_error(next, some_text(), NULL);
        else if (next != NULL)
            (void)skio_next_ok(next);
        break;
    case 1:
        world.matches[n] = NULL;
        if (match != NULL && choose(3) == 2)
            (void)skio_match_refuse(match);
        else if (match != NULL)
            (void)skio_match_accept(match);
        break;
    default:
        world.acks[n] = NULL;
        if (choose(3) == 2)
            skio_ack_free(ack);
        else
            (void)skio_ack_send(ack, "%d", 1);
        break;
    }
}

/* One step of the application's. */
static void
act(void)
{
    unsigned n;

    switch (choose(8)) {
    case 0:
    case 1:
    case 2:
        act_on_socket(some_socket());
        break;
    case 3:
    case 4:
        act_on_nsp(some_nsp());
        break;
    case 5:
        send_message();
        break;
    case 6:
        decide();
        break;
    default:
        n = choose(HELD);
        skio_socket_unref(world.sockets[n]);
        world.sockets[n] = NULL;
        break;
    }
}

/* ---- What clients do ---- */

static const char *
some_header_lines(void)
{
    static const char deflate[] = "sec-websocket-extensions: "
                                  "permessage-deflate; "
                                  "client_max_window_bits\n";
    static const char *const lines[] = {
        NULL,
        "origin: https://page.example\nhost: page.example\n",
        "cookie: io=abc; a=b\nuser-agent: x\n",
        "accept-encoding: gzip, deflate\n",
        deflate,
        "content-type: application/octet-stream\n",
        "content-type: text/plain;charset=UTF-8\n",
    };

    return lines[choose(7)];
}

/* What hostile and honest clients say, so that it need not be guessed. */
static const char *
some_packet(void)
{
    static const char several[] = "40\x1e"
                                  "42[\"echo\"]\x1e"
                                  "bAQID";
    static const char bytes[] = "452-3[\"b\",{\"a\":{\"_placeholder\":true,"
                                "\"num\":1}},{\"_placeholder\":true,"
                                "\"num\":0}]";
    static const char *const packets[] = {
        "40",
        "40/chat,",
        "40/dyn-1,{\"token\":1}",
        "41",
        "41/chat,",
        "42[\"echo\",{\"a\":[1,2]},\"x\"]",
        "42/chat,[\"b\",\"y\"]",
        "427[\"echo\",1]",
        "43[1]",
        "430[\"z\"]",
        "431[\"z\"]",
        "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]",
        bytes,
        "461-0[{\"_placeholder\":true,\"num\":0}]",
        "2probe",
        "5",
        "3",
        "2",
        "1",
        "6",
        several,
        "5:40   8:42[\"b\"]",
        "2:40",
        "4",
    };

    return packets[choose(sizeof(packets) / sizeof(packets[0]))];
}

/* A client remembers what it is told, as a stock one does. */
static void
remember(struct client *client, const char *data, size_t len)
{
    char text[256];
    const char *at;

    if (len >= sizeof(text))
        len = sizeof(text) - 1;
    memcpy(text, data, len);
    text[len] = '\0';
    if (strncmp(text, "40", 2) == 0 && (at = strstr(text, "\"pid\":\"")))
        (void)sscanf(at + 7, "%23[^\"]", client->pid);
    if (strncmp(text, "42", 2) == 0 && (at = strrchr(text, ',')))
        (void)sscanf(at, ",\"%63[^\"]\"]", client->offset);
}

static void
hear(struct client *client)
{
    struct peer_ws *ws = client->ws;
    unsigned opcode;
    const char *data;
    size_t len;

    while (ws != NULL && ws->read < ws->in.len &&
           peer_frame(ws, &opcode, &data, &len)) {
        fuzz_check(opcode == 1 || opcode == 2 || opcode == 8);
        if (opcode == 8)
            fuzz_check(len == 0 || (len >= 2 && len <= 125));
        if (opcode != 1 || ws->was_compressed)
            continue;
        fuzz_check(len > 0 && skio__utf8_valid(data, len));
        fuzz_check((data[0] >= '0' && data[0] <= '6') || data[0] == 'b');
        remember(client, data, len);
    }
}

static void
open_polling(struct client *client)
{
    static const char *const queries[] = {
        "EIO=4&transport=polling",       "EIO=4&transport=polling&t=1",
        "EIO=3&transport=polling&b64=1", "EIO=3&transport=polling",
        "EIO=3&transport=polling&j=2",
    };
    const char *query = queries[choose(5)];
    struct peer_http *http =
        peer_request(world.peer, "GET", query, some_header_lines());
    const char *sid;
    char text[256];

    if (http->status != 200 || http->body.data == NULL)
        return;
    /* The open packet stands behind a length, or in a script, with EIO 3. */
    snprintf(text, sizeof(text), "%.*s", (int)http->body.len, http->body.data);
    sid = strstr(text, "sid");
    if (sid == NULL || (sid = strpbrk(sid, ":")) == NULL)
        return;
    sid += strcspn(sid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-_");
    snprintf(client->query, sizeof(client->query), "%s&sid=%.*s", query,
             (int)strspn(sid, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"),
             sid);
}

static void
open_ws(struct client *client, const char *query)
{
    struct peer_ws *ws = peer_ws_begin(world.peer, query, some_header_lines());

    if (ws->http->exchange != NULL &&
        ws->http->state == SKIO_EXCHANGE_UPGRADE && choose(2) == 1)
        ws->inflates = skio_exchange_accept_deflate(ws->http->exchange);
    peer_ws_finish(ws);
    client->ws = ws;
}

static void
open_websocket(struct client *client)
{
    char query[QUERY_SIZE];
    const char *sid = strstr(client->query, "&sid=");

    if (choose(3) == 0 && sid != NULL) {
        snprintf(query, sizeof(query), "EIO=%c&transport=websocket%s",
                 client->query[4], sid);
        open_ws(client, query);
        return;
    }
    open_ws(client, choose(4) == 3 ? "EIO=3&transport=websocket"
                                   : "EIO=4&transport=websocket");
}

static void
say(struct client *client, const void *data, size_t len, bool binary)
{
    /* Its own block, which ends where the message does. */
    void *exact;

    if (client->ws == NULL || client->ws->ws == NULL)
        return;
    exact = fuzz_exact(data, len);
    peer_say_bytes(client->ws, exact, len, binary);
    free(exact);
}

static void
come_back(struct client *client)
{
    char packet[160];

    snprintf(packet, sizeof(packet), "40{\"pid\":\"%s\",\"offset\":\"%s\"}",
             client->pid, client->offset);
    say(client, packet, strlen(packet), false);
}

static void
post_body(struct client *client)
{
    size_t len = fuzz_byte(&world.in);
    const char *bytes = fuzz_bytes(&world.in, &len);
    struct peer_http *http = client->http;
    void *exact;

    if (http == NULL || http->state != SKIO_EXCHANGE_BODY)
        return;
    exact = fuzz_exact(bytes, len);
    peer_post_body(http, exact, len);
    free(exact);
}

static void
post(struct client *client)
{
    const char *text = some_packet();
    size_t len = strlen(text);
    const char *bytes = text;

    if (*client->query == '\0')
        return;
    if (choose(3) == 2) {
        len = fuzz_byte(&world.in);
        bytes = fuzz_bytes(&world.in, &len);
    }
    peer_post_bytes(world.peer, client->query, some_header_lines(), bytes, len);
}

static void
say_something(struct client *client)
{
    size_t len = fuzz_byte(&world.in);
    const char *bytes = fuzz_bytes(&world.in, &len);
    unsigned flags = choose(8);
    void *exact;

    if (client->ws == NULL || client->ws->ws == NULL)
        return;
    switch (choose(4)) {
    case 0:
        say(client, bytes, len, false);
        break;
    case 1:
        say(client, bytes, len, true);
        break;
    case 2:
        /* A transport keeps the order of pieces; what is in them is free. */
        exact = fuzz_exact(bytes, len);
        peer_say_piece(client->ws, exact, len / 2, (flags & 1) != 0, true,
                       false);
        if (client->ws->ws != NULL)
            peer_say_piece(client->ws, (char *)exact + len / 2, len - len / 2,
                           (flags & 1) != 0, false, true);
        free(exact);
        break;
    default:
        skio_ws_compressed(client->ws->ws);
        say(client, bytes, len, (flags & 1) != 0);
        break;
    }
}

/* Connections that the server has ended are ended. */
static void
end_finished(void)
{
    for (struct peer_ws *ws = world.peer->wss; ws != NULL; ws = ws->next)
        if (ws->ws != NULL && !ws->is_blocked && skio_ws_is_finished(ws->ws))
            peer_hang_up(ws, choose(2) == 1);
}

static void
any_request(struct client *client)
{
    static const char *const methods[] = {"GET", "POST", "OPTIONS", "PUT",
                                          "HEAD"};
    const char *method = methods[choose(5)];
    char query[80];

    snprintf(query, sizeof(query), "%s", some_text());
    if (choose(4) == 3)
        client->ws = peer_ws_request(world.peer, query, some_header_lines());
    else
        client->http =
            peer_request(world.peer, method, query, some_header_lines());
}

static void
toggle_socket(struct client *client)
{
    if (client->ws == NULL || client->ws->ws == NULL)
        return;
    if (client->ws->is_blocked)
        peer_unblock(client->ws);
    else if (choose(8) == 7)
        client->ws->breaks = true;
    else
        client->ws->is_blocked = true;
}

static void
step(void)
{
    struct peer *peer = world.peer;
    struct client *client = &world.clients[choose(CLIENTS)];
    const char *packet;

    peer->holds_turn = choose(4) == 3;
    switch (choose(20)) {
    case 0:
        open_polling(client);
        break;
    case 1:
    case 2:
        open_websocket(client);
        break;
    case 3:
    case 4:
        if (*client->query != '\0')
            client->http =
                peer_request(peer, "GET", client->query, some_header_lines());
        break;
    case 5:
        post(client);
        break;
    case 6:
        if (*client->query != '\0')
            client->http =
                peer_post_begin(peer, client->query, some_header_lines(),
                                (int64_t)choose(200) - 1);
        break;
    case 7:
        post_body(client);
        break;
    case 8:
        if (client->http != NULL && client->http->state == SKIO_EXCHANGE_BODY)
            peer_post_end(client->http);
        else if (client->http != NULL)
            peer_abort(client->http);
        break;
    case 9:
    case 10:
    case 11:
    case 12:
        packet = some_packet();
        say(client, packet, strlen(packet), false);
        break;
    case 13:
        say_something(client);
        break;
    case 14:
        if (client->ws != NULL && client->ws->ws != NULL && choose(3) == 2)
            skio_ws_fail(client->ws->ws, 1002, "no frame");
        else if (client->ws != NULL)
            peer_hang_up(client->ws, choose(2) == 1);
        break;
    case 15:
        toggle_socket(client);
        break;
    case 16:
        peer->holds_turn = false;
        peer_wait(peer, (uint64_t)fuzz_byte(&world.in) * (1 + choose(8)));
        break;
    case 17:
        come_back(client);
        break;
    case 18:
        any_request(client);
        break;
    default:
        act();
        act();
        break;
    }
    if (!peer->holds_turn) {
        peer_flush(peer);
        end_finished();
    }
    for (size_t i = 0; i < CLIENTS; i++)
        hear(&world.clients[i]);
}

/* ---- The run ---- */

static void
set_options(skio_server_options *options)
{
    unsigned with = world.options;

    options->ping_interval_ms = 300;
    options->ping_timeout_ms = 200;
    options->upgrade_timeout_ms = 400;
    options->connect_timeout_ms = 900;
    options->attachment_timeout_ms = 150;
    options->max_outbound_bytes = OUTBOUND_MAX;
    options->outbound_high_bytes = 500;
    options->recovery_ms = with & WITH_RECOVERY ? 2000 : 0;
    options->recovery_max_sessions = 3;
    options->allow_eio3 = (with & WITH_EIO3) != 0;
    options->per_message_deflate = (with & WITH_DEFLATE) != 0;
    options->per_message_deflate_threshold = 8;
    options->http_compression = (with & WITH_DEFLATE) != 0;
    options->http_compression_threshold = 8;
    options->per_message_deflate_window_bits = 9;
    options->per_message_deflate_mem_level = 1;
    options->latest_headers = (with & WITH_LATEST) != 0;
    options->cookie = with & WITH_COOKIE ? "io" : NULL;
    options->cors_origins = with & WITH_STRANGERS ? "*" : NULL;
    if (with & WITH_MSGPACK)
        options->parser = skio_parser_msgpack();
    if ((with & WITH_SMALL_LIMITS) == 0)
        return;
    options->max_http_buffer_size = 100;
    options->max_attachments = 2;
    options->max_json_depth = 4;
    options->max_payload_packets = 3;
    options->max_namespaces = 2;
    options->max_pending_acks = 2;
    options->max_rooms = 3;
    options->max_name_bytes = 8;
    options->max_connections = 3;
    options->max_connections_per_address = 3;
    options->max_unconnected = 2;
    options->max_dynamic_namespaces = 1;
    options->max_header_bytes = 100;
    options->max_query_bytes = 80;
    options->recovery_max_bytes = 600;
}

/* The memory that they need is there. */
static void
add_handlers(skio_nsp *nsp)
{
    fuzz_check(nsp != NULL);
    fuzz_check(skio_on_connect(nsp, on_connect, NULL) == SKIO_OK);
    fuzz_check(skio_on_disconnecting(nsp, on_disconnecting, NULL) == SKIO_OK);
    fuzz_check(skio_on_disconnect(nsp, on_disconnect, NULL) == SKIO_OK);
    fuzz_check(skio_on(nsp, "echo", on_event, NULL) == SKIO_OK);
    fuzz_check(skio_on(nsp, "b", on_event, NULL) == SKIO_OK);
    fuzz_check(skio_on_any(nsp, on_any, NULL) == SKIO_OK);
    fuzz_check(skio_use_event(nsp, on_use_event, NULL) == SKIO_OK);
    fuzz_check(skio_on_error(nsp, on_error, NULL) == SKIO_OK);
    fuzz_check(skio_on_backpressure(nsp, on_backpressure, NULL) == SKIO_OK);
    fuzz_check(skio_on_room(nsp, on_room, NULL) == SKIO_OK);
}

/* What is still held is given up; callbacks only count from now on. */
static void
clean_up(struct peer *peer)
{
    (void)peer;
    world.over = true;
    for (size_t i = 0; i < HELD; i++) {
        skio_ack_free(world.acks[i]);
        if (world.nexts[i] != NULL)
            (void)skio_next_ok(world.nexts[i]);
        if (world.matches[i] != NULL)
            (void)skio_match_refuse(world.matches[i]);
        skio_socket_unref(world.sockets[i]);
        world.acks[i] = NULL;
        world.nexts[i] = NULL;
        world.matches[i] = NULL;
        world.sockets[i] = NULL;
    }
    skio_message_free(world.message);
    world.message = NULL;
}

static void
set_up(struct peer *peer)
{
    skio_nsp *chat = skio_of(peer->server, "/chat");

    world.peer = peer;
    peer->cleanup = clean_up;
    add_handlers(skio_of(peer->server, "/"));
    add_handlers(chat);
    fuzz_check(skio_use(chat, on_middleware, NULL) == SKIO_OK);
    add_handlers(skio_of_match(peer->server, on_match, NULL));
}

static void
on_drained(skio_server *server, void *user)
{
    (void)user;
    fuzz_check(skio_server_sessions(server) == 0);
    world.drained++;
}

static void
run_script(struct peer *peer)
{
    size_t fail = fuzz_byte(&world.in);
    unsigned high = fuzz_byte(&world.in);

    /* The lower bits say after how many; most inputs let all succeed. */
    fail |= (size_t)(high & 0x0fu) << 8;
    if ((high & 0x80) != 0)
        test_alloc_fail_from(&peer->alloc, fail);
    else if ((high & 0x40) != 0)
        test_alloc_fail(&peer->alloc, fail);
    for (int i = 0; i < STEPS_MAX && world.in.left > 0; i++)
        step();
    test_alloc_fail(&peer->alloc, 0);

    peer->holds_turn = false;
    if ((high & 0x20) != 0) {
        fuzz_check(skio_server_drain(peer->server, 100, on_drained, NULL) ==
                   SKIO_OK);
        peer_wait(peer, 6000);
        fuzz_check(world.drained == 1);
    }
    if ((high & 0x10) != 0)
        skio_transport_shutdown(peer->server);
    peer_flush(peer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct peer_plan plan = {set_options, set_up, run_script};

    memset(&world, 0, sizeof(world));
    world.in = (struct fuzz_input){data, size};
    world.options = fuzz_byte(&world.in);
    peer_run_once(&plan);

    fuzz_check(world.connected == world.disconnected);
    fuzz_check(world.asked == world.answered);
    fuzz_check(world.asked_all == world.answered_all);
    fuzz_check(world.hung == world.given_back);
    return 0;
}
