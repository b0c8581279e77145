/*
 * How sockets end, what is known of them, slow readers, and whole servers
 */
#include "scenario/sio.h"

static skio_socket *held;

static void
release_held(struct peer *peer)
{
    (void)peer;
    skio_socket_unref(held);
    held = NULL;
}

/* ---- Reasons ---- */

static bool
count_room(const char *room, void *user)
{
    (void)room;
    ++*(int *)user;
    return true;
}

static void
note_leaving(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    int rooms = 0;

    skio_each_room(socket, count_room, &rooms);
    peer_note(user, "disconnecting %s, %d rooms, in %d, emit %s",
              skio_disconnect_name(reason), rooms, skio_in_room(socket, "r"),
              skio_err_name(skio_emit(socket, "late", NULL)));
    skio_disconnect(socket, true); /* it is under way */
}

static void
note_left(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    int rooms = 0;

    skio_each_room(socket, count_room, &rooms);
    peer_note(user, "disconnect %s, %d rooms, data %s, join %s, connected %d",
              skio_disconnect_name(reason), rooms,
              (const char *)skio_socket_data(socket),
              skio_err_name(skio_join(socket, "r")),
              skio_socket_is_connected(socket));
    skio_disconnect(socket, true);
}

static unsigned freed;

static void
free_data(void *data)
{
    (void)data;
    freed++;
}

static void
join_room(skio_socket *socket, void *user)
{
    (void)user;
    (void)skio_join(socket, "r");
    skio_socket_set_data(socket, (void *)(uintptr_t) "first", free_data);
    skio_socket_set_data(socket, (void *)(uintptr_t) "mine", free_data);
}

static void
leaving(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    freed = 0;
    held = NULL;
    peer->cleanup = release_held;
    (void)skio_on_connect(root, join_room, peer);
    (void)skio_on_disconnecting(root, note_leaving, peer);
    (void)skio_on_disconnect(root, note_left, peer);
}

/* One socket has ended, in order, its data freed. */
static void
expect_end(struct peer *peer, const char *reason, const char *emit)
{
    char line[160];

    snprintf(line, sizeof line, "disconnecting %s, 2 rooms, in 1, emit %s",
             reason, emit);
    peer_expect_event(peer, line);
    snprintf(line, sizeof line,
             "disconnect %s, 0 rooms, data mine, join SKIO_ECLOSED, "
             "connected 0",
             reason);
    peer_expect_event(peer, line);
    peer_expect_event(peer, NULL);
    peer_check(peer, freed == 2);
    freed = 0;
}

SCENARIO(a_socket_ends_with_its_reason, NULL, leaving)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "41");
    expect_end(peer, "client namespace disconnect", "SKIO_OK");
    peer_expect(ws, "42[\"late\"]");

    ws = sio_connect(peer, &socket);
    skio_disconnect(socket, false);
    expect_end(peer, "server namespace disconnect", "SKIO_OK");
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_expect(ws, "42[\"late\"]");

    ws = sio_connect(peer, &socket);
    skio_disconnect(socket, true);
    expect_end(peer, "server namespace disconnect", "SKIO_OK");
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_expect(ws, "42[\"late\"]");
    peer_expect_close(ws, 1005);

    ws = sio_connect(peer, NULL);
    peer_hang_up(ws, true);
    expect_end(peer, "transport close", "SKIO_ECLOSED");

    ws = sio_connect(peer, NULL);
    peer_say(ws, "1"); /* Engine.IO's close packet */
    expect_end(peer, "transport close", "SKIO_ECLOSED");

    ws = sio_connect(peer, NULL);
    peer_say(ws, "4x");
    expect_end(peer, "forced close", "SKIO_ECLOSED");

    (void)sio_connect(peer, NULL);
    peer_wait(peer, 25000 + 20000);
    expect_end(peer, "ping timeout", "SKIO_ECLOSED");

    (void)sio_connect(peer, NULL);
    skio_transport_shutdown(peer->server);
    expect_end(peer, "server shutting down", "SKIO_ECLOSED");
}

/* All ways to reach one socket, and its rooms, while it leaves. */
static void
say_goodbye(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    skio_message *message =
        skio_message_new(skio_socket_nsp(socket), "prepared", NULL);

    (void)reason;
    if (message != NULL)
        (void)skio_message_emit(message, socket);
    skio_message_free(message);
    (void)skio_emit_to(skio_socket_nsp(socket), "r", "room", NULL);
    if (skio_emit_with_ack(socket, 0, sio_note_answer, user, "asked", NULL) !=
        SKIO_OK)
        peer_note(user, "not asked");
    (void)skio_join(socket, "late");
    peer_note(user, "connected %d, in late %d",
              skio_socket_is_connected(socket), skio_in_room(socket, "late"));
}

static void
goodbyes(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_on_connect(root, join_room, peer);
    (void)skio_on_disconnecting(root, say_goodbye, peer);
}

SCENARIO(a_leaving_socket_is_sent_to_asked_and_in_its_rooms, NULL, goodbyes)
{
    struct peer_ws *other = sio_connect(peer, NULL);
    struct peer_ws *ws = sio_connect(peer, NULL);

    freed = 0;
    peer_say(ws, "41");
    peer_expect(ws, "42[\"prepared\"]");
    peer_expect(ws, "42[\"room\"]");
    peer_expect(ws, "420[\"asked\"]");
    peer_expect(other, "42[\"room\"]");
    peer_expect_event(peer, "connected 1, in late 1");
    peer_expect_event(peer, "answer SKIO_ECLOSED -");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_room_count(skio_of(peer->server, "/"), "late") == 0);
}

SCENARIO(an_open_socket_ends_with_its_server, NULL, leaving)
{
    skio_socket *socket;

    sio_connect(peer, &socket);
    skio_server_free(peer->server);
    peer->server = NULL;
    expect_end(peer, "server shutting down", "SKIO_ECLOSED");
}

SCENARIO(all_reasons_have_nodes_names, NULL, NULL)
{
    static const char *const names[] = {
        "transport close",
        "transport error",
        "ping timeout",
        "parse error",
        "forced close",
        "client namespace disconnect",
        "server namespace disconnect",
        "forced server close",
        "server shutting down",
        "slow consumer",
    };

    for (int i = 0; i < 10; i++)
        peer_check(peer,
                   strcmp(skio_disconnect_name((enum skio_disconnect)(i + 1)),
                          names[i]) == 0);
    peer_check(peer, skio_disconnect_name((enum skio_disconnect)0) != NULL);
}

static void
many_namespaces(struct peer *peer)
{
    static const char *const names[] = {"/", "/a", "/b"};

    for (size_t i = 0; i < 3; i++) {
        skio_nsp *nsp = skio_of(peer->server, names[i]);

        if (nsp == NULL)
            return;
        (void)skio_on_disconnecting(nsp, sio_note_disconnecting, peer);
        (void)skio_on_disconnect(nsp, sio_note_disconnect, peer);
    }
}

SCENARIO(closing_tells_every_namespace, NULL, many_namespaces)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    bool a = false;
    bool b = false;
    bool root = false;

    sio_join(ws, "/a");
    sio_join(ws, "/b");
    skio_disconnect(socket, true);
    peer_flush(peer);
    for (int i = 0; i < 3; i++) {
        unsigned opcode;
        const char *data;
        size_t len;

        peer_check(peer, peer_frame(ws, &opcode, &data, &len));
        root = root || (len == 2 && memcmp(data, "41", 2) == 0);
        a = a || (len == 5 && memcmp(data, "41/a,", 5) == 0);
        b = b || (len == 5 && memcmp(data, "41/b,", 5) == 0);
    }
    peer_check(peer, root && a && b);
    peer_expect_close(ws, 1005);
    for (const char *name = "ba"; *name != '\0'; name++) {
        char line[64];

        snprintf(line, sizeof line,
                 "disconnecting /%c server namespace disconnect", *name);
        peer_expect_event(peer, line);
        snprintf(line, sizeof line,
                 "disconnect /%c server namespace disconnect", *name);
        peer_expect_event(peer, line);
    }
    peer_expect_event(peer, "disconnecting / server namespace disconnect");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, NULL);
}

/* ---- Accessors ---- */

SCENARIO(the_handshake_can_be_read, NULL, leaving)
{
    struct peer_ws *ws =
        peer_ws_request(peer,
                        "EIO=4&transport=websocket&a=1&b=x+y%20%C3%A4&a=2&c",
                        "x-one: Un\nuser-agent: test\n");
    skio_socket *socket;
    const char *value;

    peer_check(peer, ws->ws != NULL);
    peer_expect_prefix(ws, "0{\"sid\":\"");
    socket = sio_join(ws, "");
    value = skio_socket_query(socket, "a");
    peer_check(peer, value != NULL && strcmp(value, "2") == 0);
    value = skio_socket_query(socket, "b");
    peer_check(peer, value != NULL && strcmp(value, "x y \xc3\xa4") == 0);
    value = skio_socket_query(socket, "c");
    peer_check(peer, value != NULL && *value == '\0');
    peer_check(peer, skio_socket_query(socket, "d") == NULL);
    value = skio_socket_header(socket, "x-one");
    peer_check(peer, value != NULL && strcmp(value, "Un") == 0);
    peer_check(peer, skio_socket_header(socket, "x-two") == NULL);
    peer_check(peer, strcmp(skio_socket_address(socket), "192.0.2.1") == 0);
    peer_check(peer,
               strncmp(skio_socket_url(socket), "/socket.io/?EIO=4", 17) == 0);
    peer_check(peer, !skio_socket_is_secure(socket));
    peer_check(peer, strcmp(skio_socket_transport(socket), "websocket") == 0);
    peer_check(peer, skio_socket_queued(socket) == 0);
    peer_check(peer, strlen(skio_socket_id(socket)) == 20);
    peer_check(peer, skio_socket_nsp(socket) == skio_of(peer->server, "/"));
    value = skio_get_json(skio_socket_auth(socket), "");
    peer_check(peer, value != NULL && strcmp(value, "{}") == 0);
    peer_check(peer, strcmp(skio_socket_shared(socket), "{}") == 0);
    peer_check(peer, skio_socket_set_shared(socket, "{'a':%d}", 1) == SKIO_OK);
    peer_check(peer,
               skio_socket_set_shared(socket, "{'a':%d", 1) == SKIO_EINVAL);
    peer_check(peer, skio_socket_set_shared(socket, "%p", SKIO_BYTES("", 0)) ==
                         SKIO_EINVAL);
    peer_check(peer, strcmp(skio_socket_shared(socket), "{\"a\":1}") == 0);
}

SCENARIO(a_reference_outlives_its_server, NULL, leaving)
{
    skio_socket *socket;
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];
    const char *json;

    peer_say(ws, "40{\"t\":\"x\\n\"}");
    sio_take_connect(ws, "40", id);
    socket = skio_nsp_socket(skio_of(peer->server, "/"), id);
    peer_check(peer, socket != NULL);
    held = skio_socket_ref(socket);
    peer_check(peer, skio_socket_set_shared(held, "[%d]", 1) == SKIO_OK);
    skio_server_free(peer->server);
    peer->server = NULL;
    peer_check(peer, strcmp(skio_socket_id(held), id) == 0);
    peer_check(peer, skio_socket_nsp(held) == NULL);
    peer_check(peer, !skio_socket_is_connected(held));
    peer_check(peer, strcmp(skio_socket_address(held), "192.0.2.1") == 0);
    peer_check(peer, strcmp(skio_socket_shared(held), "[1]") == 0);
    peer_check(peer, strcmp(skio_socket_transport(held), "") == 0);
    json = skio_get_str(skio_socket_auth(held), "t");
    peer_check(peer, json != NULL && strcmp(json, "x\n") == 0);
    peer_check(peer, skio_emit(held, "e", NULL) == SKIO_ECLOSED);
    peer_check(peer, skio_emit_volatile(held, "e", NULL) == SKIO_ECLOSED);
    peer_check(peer, skio_emit_json(held, "e", "1", 1) == SKIO_ECLOSED);
    peer_check(peer, skio_broadcast(held, "e", NULL) == SKIO_ECLOSED);
    peer_check(peer, skio_broadcast_to(held, "r", "e", NULL) == SKIO_ECLOSED);
    peer_check(peer, skio_emit_with_ack(held, 0, sio_note_answer, peer, "e",
                                        NULL) == SKIO_ECLOSED);
    peer_check(peer, skio_join(held, "r") == SKIO_ECLOSED);
    peer_check(peer, skio_leave(held, "r") == SKIO_ENOENT);
    peer_check(peer, !skio_in_room(held, "r"));
    skio_leave_all(held);
    skio_disconnect(held, true);
    peer_check(peer, skio_socket_query(held, "EIO") == NULL);
    peer_check(peer, skio_socket_queued(held) == 0);
}

/* ---- Slow readers ---- */

static void
marks(skio_server_options *options)
{
    options->outbound_high_bytes = 1000;
    options->max_outbound_bytes = 2000;
}

static void
note_pressure(skio_socket *socket, size_t queued, void *user)
{
    (void)socket;
    peer_note(user, "pressure %d", (int)queued);
}

static void
pressing(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_on_backpressure(root, note_pressure, peer);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
}

/* Emit a packet of exactly len bytes: 42["e","xxx"] and its frame's head. */
static int
emit_sized(skio_socket *socket, size_t len)
{
    static char text[4096];

    memset(text, 'x', sizeof text);
    return skio_emit(socket, "e", "%.*s", (int)(len - 10), text);
}

SCENARIO(slow_readers_are_told_of_past_the_mark_and_once, marks, pressing)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    size_t rest;

    ws->is_blocked = true;
    peer_check(peer, emit_sized(socket, 500) == SKIO_OK);
    rest = 1000 - skio_socket_queued(socket);
    rest -= skio_socket_queued(socket) - 500; /* its head */
    peer_check(peer, emit_sized(socket, rest) == SKIO_OK);
    peer_check(peer, skio_socket_queued(socket) == 1000);
    peer_flush(peer);
    peer_expect_event(peer, NULL);
    peer_check(peer, emit_sized(socket, 20) == SKIO_OK);
    peer_flush(peer);
    peer_check(peer, skio_socket_queued(socket) > 1000);
    peer_check(peer, emit_sized(socket, 20) == SKIO_OK);
    peer_flush(peer);
    peer_check(peer, peer->events.data != NULL);
    peer_check(peer, strncmp(peer->events.data, "pressure 1", 10) == 0);
    peer_check(peer, strchr(peer->events.data, '\n')[1] == '\0');
}

SCENARIO(a_queue_at_the_limit_is_kept_and_one_byte_more_ends_it, marks,
         pressing)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    size_t rest;

    ws->is_blocked = true;
    peer_check(peer, emit_sized(socket, 500) == SKIO_OK);
    rest = 2000 - skio_socket_queued(socket);
    rest -= skio_socket_queued(socket) - 500; /* its head */
    peer_check(peer, emit_sized(socket, rest) == SKIO_OK);
    peer_check(peer, skio_socket_queued(socket) == 2000);
    peer_flush(peer);
    peer_expect_event(peer, "pressure 2000");
    peer_check(peer, skio_emit_volatile(socket, "v", NULL) == SKIO_OK);
    peer_check(peer, sio_counters(peer).volatile_dropped == 1);
    peer_unblock(ws);
    peer_flush(peer);
    peer_expect_prefix(ws, "42[\"e\",\"xx");
    peer_expect_prefix(ws, "42[\"e\",\"xx");
    peer_expect_nothing(ws);

    ws->is_blocked = true;
    peer_check(peer, emit_sized(socket, 500) == SKIO_OK);
    peer_check(peer, emit_sized(socket, rest + 1) == SKIO_ENOBUFS);
    peer_check(peer, emit_sized(socket, 20) == SKIO_ENOBUFS);
    peer_expect_event(peer, NULL); /* not inside the emit */
    peer_flush(peer);
    peer_expect_event(peer, "disconnect / slow consumer");
    peer_expect_event(peer, NULL);
    peer_check(peer, sio_counters(peer).slow_consumers == 1);
}

SCENARIO(pressure_is_told_again_after_it_halved, marks, pressing)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    for (int i = 0; i < 2; i++) {
        size_t read = peer->events.len;

        ws->is_blocked = true;
        peer_check(peer, emit_sized(socket, 980) == SKIO_OK);
        peer_flush(peer);
        peer_check(peer, peer->events.len == read);
        peer_check(peer, emit_sized(socket, 100) == SKIO_OK);
        peer_flush(peer);
        peer_check(peer, peer->events.len > read);
        read = peer->events.len;
        peer_check(peer, emit_sized(socket, 100) == SKIO_OK);
        peer_flush(peer);
        peer_check(peer, peer->events.len == read);
        peer_unblock(ws);
        peer_flush(peer);
    }
}

static void
leave_under_pressure(skio_socket *socket, size_t queued, void *user)
{
    note_pressure(socket, queued > 1000, user);
    skio_disconnect(socket, true);
}

static void
leaving_under_pressure(struct peer *peer)
{
    skio_nsp *a = skio_of(peer->server, "/a");

    (void)skio_on_backpressure(skio_of(peer->server, "/"), leave_under_pressure,
                               peer);
    if (a != NULL)
        (void)skio_on_backpressure(a, leave_under_pressure, peer);
}

SCENARIO(a_slow_reader_may_be_disconnected_when_told_of, marks,
         leaving_under_pressure)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, skio_of(peer->server, "/a") != NULL);
    sio_join(ws, "/a");
    ws->is_blocked = true;
    peer_check(peer, emit_sized(socket, 1500) == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "pressure 1");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_nsp_count(skio_of(peer->server, "/")) == 0);
}

/* ---- Two servers ---- */

SCENARIO(two_servers_share_nothing, NULL, leaving)
{
    skio_server *other = NULL;
    skio_server_options options;
    struct test_alloc alloc;
    skio_socket *socket;
    int err;

    test_alloc_init(&alloc);
    skio_server_options_init(&options);
    options.allocator = alloc.allocator;
    err = skio_server_new(&other, &options);
    peer_check(peer, err == SKIO_OK);
    if (err == SKIO_OK) {
        skio_server_set_data(other, peer);
        err = skio_emit_all(skio_of(other, "/"), "e", NULL);
        skio_server_free(other);
    }
    peer_check(peer, err == SKIO_OK && alloc.live == 0);
    sio_connect(peer, &socket);
    peer_check(peer, skio_server_data(peer->server) == NULL);
    peer_check(peer, skio_server_sessions(peer->server) == 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_ends_with_its_reason),
        cmocka_unit_test(a_leaving_socket_is_sent_to_asked_and_in_its_rooms),
        cmocka_unit_test(an_open_socket_ends_with_its_server),
        cmocka_unit_test(all_reasons_have_nodes_names),
        cmocka_unit_test(closing_tells_every_namespace),
        cmocka_unit_test(the_handshake_can_be_read),
        cmocka_unit_test(a_reference_outlives_its_server),
        cmocka_unit_test(slow_readers_are_told_of_past_the_mark_and_once),
        cmocka_unit_test(
            a_queue_at_the_limit_is_kept_and_one_byte_more_ends_it),
        cmocka_unit_test(pressure_is_told_again_after_it_halved),
        cmocka_unit_test(a_slow_reader_may_be_disconnected_when_told_of),
        cmocka_unit_test(two_servers_share_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
