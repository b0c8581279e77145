/*
 * Watching the sockets of all namespaces, and what a server counts of events
 */
#include <inttypes.h>

#include "scenario/sio.h"

#include <socketio/engine.h>

static void
tap_connect(skio_socket *socket, void *user)
{
    peer_note(user, "in %s", skio_nsp_name(skio_socket_nsp(socket)));
}

static void
tap_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    peer_note(user, "out %s %s", skio_nsp_name(skio_socket_nsp(socket)),
              skio_disconnect_name(reason));
}

static void
tap_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
         void *user)
{
    if (strlen(room) < 20) /* no socket's own */
        peer_note(user, "%s %s %s",
                  event == SKIO_ROOM_CREATE ? "room" : "no room",
                  skio_nsp_name(nsp), room);
}

static void
tap_received(skio_nsp *nsp, const char *event, size_t len, bool is_handled,
             void *user)
{
    peer_note(user, "%s %s %.*s", is_handled ? "got" : "ignored",
              skio_nsp_name(nsp), (int)len, event);
}

static void
tap_handled(skio_nsp *nsp, void *user)
{
    peer_note(user, "handled %s", skio_nsp_name(nsp));
}

static void
tap_end(skio_nsp *nsp, void *user)
{
    peer_note(user, "end %s %" PRIu64, skio_nsp_name(nsp),
              skio_nsp_received(nsp));
}

static void
tap_sent(skio_nsp *nsp, const char *event, void *user)
{
    peer_note(user, "sent %s %s", skio_nsp_name(nsp), event);
}

static void
on_event(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)args;
    (void)ack;
    peer_note(user, "event");
}

static void
on_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    (void)socket;
    (void)err;
    (void)args;
    (void)user;
}

static void
on_answers(int err, const skio_value *args, size_t got, size_t wanted,
           void *user)
{
    (void)err;
    (void)args;
    (void)got;
    (void)wanted;
    (void)user;
}

static void
with_taps(struct peer *peer)
{
    const skio_nsp_taps first = {
        .struct_size = sizeof first,
        .connect = tap_connect,
        .disconnect = tap_disconnect,
        .room = tap_room,
        .end = tap_end,
        .sent = tap_sent,
    };
    const skio_nsp_taps second = {
        .struct_size = sizeof second,
        .received = tap_received,
        .handled = tap_handled,
    };
    skio_nsp *parent = skio_of_pattern(peer->server, "/d-*");

    (void)skio_nsp_tap(peer->server, &first, peer);
    (void)skio_nsp_tap(peer->server, &second, peer);
    (void)skio_on(skio_of(peer->server, "/"), "e", on_event, peer);
    if (parent != NULL)
        (void)skio_on(parent, "e", on_event, peer);
}

SCENARIO(taps_see_sockets_come_and_go, NULL, with_taps)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_expect_event(peer, "in /");
    peer_check(peer, skio_join(socket, "r") == SKIO_OK);
    peer_expect_event(peer, "room / r");
    peer_check(peer, skio_leave(socket, "r") == SKIO_OK);
    peer_expect_event(peer, "no room / r");
    peer_say(ws, "41");
    peer_expect_event(peer, "out / client namespace disconnect");
}

SCENARIO(taps_see_events_before_and_after_their_handlers, NULL, with_taps)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_expect_event(peer, "in /");
    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "got / e");
    peer_expect_event(peer, "event");
    peer_expect_event(peer, "handled /");
    peer_say(ws, "42[\"other\"]");
    peer_expect_event(peer, "ignored / other");
    peer_expect_event(peer, "handled /");
}

SCENARIO(taps_see_each_way_to_emit_once, NULL, with_taps)
{
    const skio_target *target = SKIO_TARGET(.timeout_ms = 1000);
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    skio_nsp *root = skio_socket_nsp(socket);
    skio_message *message;
    int err;

    (void)sio_connect(peer, NULL);
    peer_expect_event(peer, "in /");
    peer_expect_event(peer, "in /");
    peer_check(peer, skio_emit(socket, "a", NULL) == SKIO_OK);
    peer_expect_event(peer, "sent / a");
    peer_check(peer, skio_emit_json(socket, "b", "1", 1) == SKIO_OK);
    peer_expect_event(peer, "sent / b");
    peer_check(peer, skio_emit_all(root, "c", NULL) == SKIO_OK);
    peer_expect_event(peer, "sent / c");
    peer_check(peer, skio_emit_with_ack(socket, 0, on_answer, NULL, "d",
                                        NULL) == SKIO_OK);
    peer_expect_event(peer, "sent / d");
    peer_check(peer, skio_emit_with_acks(root, target, on_answers, NULL, "f",
                                         NULL) == SKIO_OK);
    peer_expect_event(peer, "sent / f");
    message = skio_message_new(root, "g", NULL);
    err = message != NULL ? skio_message_emit(message, socket) : SKIO_ENOMEM;
    skio_message_free(message);
    peer_check(peer, err == SKIO_OK);
    peer_expect_event(peer, "sent / g");
    peer_check(peer, skio_emit(socket, "connect", NULL) == SKIO_EINVAL);
    peer_expect_event(peer, NULL);
    peer_hang_up(ws, true);
}

/* ---- What is counted without them ---- */

struct seen {
    char text[256];
};

static bool
see_event(const char *event, uint64_t received, void *user)
{
    struct seen *seen = user;
    size_t len = strlen(seen->text);

    snprintf(seen->text + len, sizeof seen->text - len, " %s:%" PRIu64, event,
             received);
    return true;
}

static bool
see_one_event(const char *event, uint64_t received, void *user)
{
    (void)see_event(event, received, user);
    return false;
}

static bool
see_namespace(skio_nsp *nsp, void *user)
{
    struct seen *seen = user;
    const char *pattern = skio_nsp_pattern(nsp);
    size_t len = strlen(seen->text);

    snprintf(seen->text + len, sizeof seen->text - len, "%s%s=%" PRIu64,
             len > 0 ? " | " : "",
             pattern != NULL ? pattern : skio_nsp_name(nsp),
             skio_nsp_received(nsp));
    skio_each_event(nsp, see_event, user);
    return true;
}

static void
see_all(struct peer *peer, const char *wanted)
{
    struct seen seen = {""};

    skio_each_parent(peer->server, see_namespace, &seen);
    skio_each_nsp(peer->server, see_namespace, &seen);
    peer_check(peer, strcmp(seen.text, wanted) == 0);
}

static void
leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    skio_disconnect(socket, false);
}

static void
refuse(skio_match *match, const char *name, const skio_value *auth, void *user)
{
    (void)name;
    (void)auth;
    (void)user;
    (void)skio_match_refuse(match);
}

static void
with_events(struct peer *peer)
{
    skio_nsp *parent = skio_of_pattern(peer->server, "/d-*");
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_on(root, "one", on_event, peer);
    (void)skio_on(root, "two", on_event, peer);
    if (parent != NULL) {
        (void)skio_on(parent, "one", on_event, peer);
        (void)skio_on(parent, "leave", leave, peer);
    }
    (void)skio_of_match(peer->server, refuse, NULL);
}

SCENARIO(events_are_counted_by_name_and_in_all, NULL, with_events)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    struct seen seen = {""};

    see_all(peer, "/d-*=0 one:0 leave:0 | =0 | /=0 one:0 two:0");
    peer_say(ws, "42[\"one\"]");
    peer_say(ws, "42[\"one\"]");
    peer_say(ws, "42[\"two\"]");
    peer_say(ws, "42[\"three\"]");
    see_all(peer, "/d-*=0 one:0 leave:0 | =0 | /=4 one:2 two:1");
    skio_each_event(skio_of(peer->server, "/"), see_one_event, &seen);
    peer_check(peer, strcmp(seen.text, " one:2") == 0);
}

/* Of two that handle it one counts, also when the first ends the socket. */
SCENARIO(event_of_parent_and_child_is_counted_once, NULL, with_events)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    skio_nsp *child;

    peer_say(ws, "40/d-1,");
    peer_expect_prefix(ws, "40/d-1,{\"sid\":\"");
    child = skio_of(peer->server, "/d-1");
    peer_check(peer, child != NULL);
    peer_check(peer, skio_on(child, "one", on_event, peer) == SKIO_OK);
    peer_check(peer, skio_on(child, "own", on_event, peer) == SKIO_OK);
    peer_check(peer, skio_on(child, "leave", on_event, peer) == SKIO_OK);
    peer_say(ws, "42/d-1,[\"one\"]");
    peer_say(ws, "42/d-1,[\"own\"]");
    peer_say(ws, "42/d-1,[\"nobody's\"]");
    see_all(peer, "/d-*=0 one:1 leave:0 | =0 | /=0 one:0 two:0"
                  " | /d-1=3 one:0 own:1 leave:0");
    peer_say(ws, "42/d-1,[\"leave\"]");
    see_all(peer, "/d-*=0 one:1 leave:1 | =0 | /=0 one:0 two:0"
                  " | /d-1=4 one:0 own:1 leave:0");
}

SCENARIO(end_of_a_namespace_is_told_with_its_counts, NULL, with_taps)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_expect_event(peer, "in /");
    peer_say(ws, "40/d-1,");
    peer_expect_prefix(ws, "40/d-1,{\"sid\":\"");
    peer_expect_event(peer, "in /d-1");
    peer_say(ws, "42/d-1,[\"e\"]");
    peer_expect_event(peer, "got /d-1 e");
    peer_expect_event(peer, "event");
    peer_expect_event(peer, "handled /d-1");
    peer_say(ws, "41/d-1,");
    peer_expect_event(peer, "out /d-1 client namespace disconnect");
    peer_flush(peer);
    peer_expect_event(peer, "end /d-1 1");
}

SCENARIO(upgrades_heartbeats_and_websockets_are_counted, NULL, NULL)
{
    const char *query = peer_polling(peer);
    skio_counters counters = {.struct_size = sizeof counters};
    struct peer_ws *ws;

    skio_server_counters(peer->server, &counters);
    peer_check(peer, counters.upgrades == 0 && counters.websockets == 0 &&
                         counters.heartbeats == 0 && counters.posts == 0);
    ws = peer_probe(peer, query);
    peer_say(ws, "2probe");
    peer_wait(peer, 200);
    peer_say(ws, "5");
    peer_wait(peer, 25001);
    peer_say(ws, "3");
    skio_server_counters(peer->server, &counters);
    peer_check(peer, counters.upgrades == 1 && counters.websockets == 1 &&
                         counters.heartbeats == 1);
    peer_hang_up(ws, true);
    skio_server_counters(peer->server, &counters);
    peer_check(peer, counters.websockets == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taps_see_sockets_come_and_go),
        cmocka_unit_test(taps_see_events_before_and_after_their_handlers),
        cmocka_unit_test(taps_see_each_way_to_emit_once),
        cmocka_unit_test(events_are_counted_by_name_and_in_all),
        cmocka_unit_test(event_of_parent_and_child_is_counted_once),
        cmocka_unit_test(end_of_a_namespace_is_told_with_its_counts),
        cmocka_unit_test(upgrades_heartbeats_and_websockets_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
