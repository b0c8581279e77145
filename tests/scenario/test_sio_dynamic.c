/*
 * Namespaces made on demand, handlers that run once, watchers of what is sent
 * and of rooms, middlewares of events
 */
#include "scenario/peer.h"

#include <string.h>

#include <socketio/socketio.h>

/* Connect to "/" and take the reply. */
static struct peer_ws *
joined(struct peer *peer)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{\"sid\":\"");
    return ws;
}

static void
note_connect(skio_socket *socket, void *user)
{
    peer_note(user, "connect %s", skio_nsp_name(skio_socket_nsp(socket)));
}

static void
note_event(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    (void)ack;
    peer_note(user, "event %s %s", skio_nsp_name(skio_socket_nsp(socket)),
              skio_get_json(args, "0"));
}

static skio_nsp *made; /* the last one */

static void
note_namespace(skio_nsp *nsp, void *user)
{
    made = nsp;
    peer_note(user, "made %s", skio_nsp_name(nsp));
}

/* ---- By pattern ---- */

static void
with_pattern(struct peer *peer)
{
    skio_nsp *parent = skio_of_pattern(peer->server, "/room-*");

    if (parent == NULL)
        return;
    (void)skio_on_connect(parent, note_connect, peer);
    (void)skio_on(parent, "hi", note_event, peer);
    (void)skio_on_namespace(peer->server, note_namespace, peer);
}

SCENARIO(a_pattern_makes_a_namespace, NULL, with_pattern)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_nsp *nsp;

    peer_say(ws, "40/room-1,");
    peer_expect_prefix(ws, "40/room-1,{\"sid\":\"");
    peer_expect_event(peer, "made /room-1");
    peer_expect_event(peer, "connect /room-1");
    peer_say(ws, "42/room-1,[\"hi\",5]");
    peer_expect_event(peer, "event /room-1 5");
    nsp = skio_of(peer->server, "/room-1");
    peer_check(peer, nsp != NULL && skio_nsp_parent(nsp) != NULL);
}

SCENARIO(a_name_that_matches_no_pattern_is_refused, NULL, with_pattern)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/rooms");
    peer_expect(ws, "44/rooms,{\"message\":\"Invalid namespace\"}");
    peer_say(ws, "40/room-1/2");
    peer_expect(ws, "44/room-1/2,{\"message\":\"Invalid namespace\"}");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_namespace_ends_with_its_last_socket, NULL, with_pattern)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/room-1,");
    peer_expect_prefix(ws, "40/room-1,{");
    peer_expect_event(peer, "made /room-1");
    peer_expect_event(peer, "connect /room-1");
    peer_say(ws, "41/room-1,");
    peer_flush(peer);
    peer_say(ws, "40/room-1,");
    peer_expect_prefix(ws, "40/room-1,{");
    peer_expect_event(peer, "made /room-1"); /* so it was gone */
}

static bool
note_name(skio_nsp *nsp, void *user)
{
    peer_note(user, "there is %s", skio_nsp_name(nsp));
    return strcmp(skio_nsp_name(nsp), "/room-1") != 0;
}

SCENARIO(namespaces_are_found_and_visited_and_none_is_made, NULL, with_pattern)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_check(peer, skio_nsp_find(peer->server, "/room-1") == NULL);
    peer_check(peer, skio_nsp_find(peer->server, "/room-*") == NULL);
    peer_check(peer, skio_nsp_find(peer->server, "") == NULL);
    peer_check(peer, skio_nsp_find(peer->server, "/") != NULL);
    skio_each_nsp(peer->server, note_name, peer);
    peer_expect_event(peer, "there is /");
    peer_expect_event(peer, NULL);

    for (int i = 1; i <= 2; i++) {
        peer_say(ws, i == 1 ? "40/room-1," : "40/room-2,");
        peer_expect_prefix(ws, i == 1 ? "40/room-1,{" : "40/room-2,{");
        peer_expect_event(peer, i == 1 ? "made /room-1" : "made /room-2");
        peer_expect_event(peer, i == 1 ? "connect /room-1" : "connect /room-2");
    }
    peer_check(peer, skio_nsp_find(peer->server, "/room-1") != NULL);
    skio_each_nsp(peer->server, note_name, peer);
    peer_expect_event(peer, "there is /");
    peer_expect_event(peer, "there is /room-1"); /* and enough */
    peer_expect_event(peer, NULL);

    peer_say(ws, "41/room-1,");
    peer_flush(peer);
    peer_check(peer, skio_nsp_find(peer->server, "/room-1") == NULL);
}

static void
note_shared(skio_socket *socket, void *user)
{
    peer_note(user, "shared %s", skio_socket_shared(socket));
    if (strcmp(skio_socket_shared(socket), "1") == 0)
        (void)skio_socket_set_shared(socket, "%d", 2);
}

static void
share_on_connect(skio_socket *socket, void *user)
{
    (void)user;
    (void)skio_socket_set_shared(socket, "{'n':%d}", 7);
    (void)skio_socket_set_shared(socket, "{'n':%d", 7); /* malformed */
    (void)skio_socket_set_shared(socket, "%d", 1);
}

static void
with_watched_shares(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_on_shared(root, note_shared, peer);
    (void)skio_on_connect(root, share_on_connect, peer);
}

SCENARIO(shared_values_are_watched_and_may_be_set_again, NULL,
         with_watched_shares)
{
    (void)joined(peer);
    peer_expect_event(peer, "shared {\"n\":7}");
    peer_expect_event(peer, "shared 1");
    peer_expect_event(peer, "shared 2");
    peer_expect_event(peer, NULL);
}

static bool
disconnect_one(skio_socket *socket, void *user)
{
    (void)user;
    skio_disconnect(socket, false);
    return true;
}

/* A client that does not answer the server's goodbye: what it sent before is
 * ignored, and after two heartbeats nothing is kept for it. */
SCENARIO(a_goodbye_that_is_not_answered_keeps_no_namespace, NULL, with_pattern)
{
    struct peer_ws *ws = joined(peer);
    struct peer_ws *other = peer_websocket(peer);

    made = NULL;
    peer_say(ws, "40/room-1,");
    peer_expect_prefix(ws, "40/room-1,{");
    peer_expect_event(peer, "made /room-1");
    peer_expect_event(peer, "connect /room-1");
    peer_check(peer, made != NULL);
    peer_check(peer, skio_each_socket(made, disconnect_one, NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "41/room-1,");
    for (int i = 0; i < 2; i++) {
        peer_say(ws, "42/room-1,[\"hi\",1]"); /* under way */
        peer_wait(peer, 25000);
        peer_expect(ws, "2");
        peer_say(ws, "3");
        if (i == 0)
            peer_say(other, "40");
        peer_say(other, "3");
    }
    peer_flush(peer);
    peer_expect_event(peer, NULL);
    peer_say(other, "40/room-1,");
    peer_expect_event(peer, "made /room-1");
    peer_expect_event(peer, "connect /room-1");
    peer_say(ws, "42/room-1,[\"hi\",1]"); /* nobody may still do so */
    peer_expect_close(ws, 1005);
}

static void
keep_empty(skio_server_options *options)
{
    options->cleanup_empty_namespaces = false;
}

SCENARIO(an_empty_namespace_stays_when_asked_to, keep_empty, with_pattern)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/room-1,");
    peer_expect_prefix(ws, "40/room-1,{");
    peer_say(ws, "41/room-1,");
    peer_flush(peer);
    peer_say(ws, "40/room-1,");
    peer_expect_prefix(ws, "40/room-1,{");
    peer_expect_event(peer, "made /room-1");
    peer_expect_event(peer, "connect /room-1");
    peer_expect_event(peer, "connect /room-1");
}

static void
two_dynamic(skio_server_options *options)
{
    options->max_dynamic_namespaces = 2;
}

SCENARIO(namespaces_on_demand_are_limited, two_dynamic, with_pattern)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/room-1,");
    peer_expect_prefix(ws, "40/room-1,{");
    peer_say(ws, "40/room-2,");
    peer_expect_prefix(ws, "40/room-2,{");
    peer_say(ws, "40/room-3,");
    peer_expect(ws, "44/room-3,{\"message\":\"Too many namespaces\"}");
    peer_say(ws, "41/room-1,");
    peer_flush(peer);
    peer_say(ws, "40/room-3,");
    peer_expect_prefix(ws, "40/room-3,{");
}

SCENARIO(what_a_parent_emits_reaches_all_children, NULL, with_pattern)
{
    struct peer_ws *one = peer_websocket(peer);
    struct peer_ws *two = peer_websocket(peer);
    skio_nsp *child;
    skio_nsp *parent;

    peer_say(one, "40/room-1,");
    peer_expect_prefix(one, "40/room-1,{");
    peer_say(two, "40/room-2,");
    peer_expect_prefix(two, "40/room-2,{");
    child = skio_of(peer->server, "/room-1");
    peer_check(peer, child != NULL);
    parent = skio_nsp_parent(child);
    peer_check(peer, parent != NULL);
    peer_check(peer, skio_emit_all(parent, "all", "%d", 1) == SKIO_OK);
    peer_flush(peer);
    peer_expect(one, "42/room-1,[\"all\",1]");
    peer_expect(two, "42/room-2,[\"all\",1]");
    peer_check(peer,
               skio_sockets_disconnect(parent, NULL, false) == SKIO_EINVAL);
}

/* ---- By function ---- */

static skio_match *waiting;

static void
wait_for_verdict(skio_match *match, const char *name, const skio_value *auth,
                 void *user)
{
    peer_note(user, "asked %s %s", name, skio_get_json(auth, "t"));
    waiting = match;
}

static void
by_name(skio_match *match, const char *name, const skio_value *auth, void *user)
{
    (void)auth;
    (void)user;
    if (strcmp(name, "/yes") == 0)
        (void)skio_match_accept(match);
    else
        (void)skio_match_refuse(match);
}

static void
with_function(struct peer *peer)
{
    (void)skio_of_match(peer->server, by_name, peer);
}

static void
with_functions(struct peer *peer)
{
    waiting = NULL;
    (void)skio_of_match(peer->server, by_name, peer);
    (void)skio_of_match(peer->server, wait_for_verdict, peer);
}

SCENARIO(a_function_may_accept_at_once, NULL, with_function)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/yes,");
    peer_expect_prefix(ws, "40/yes,{\"sid\":\"");
    peer_expect_event(peer, NULL);
}

/* Without this, the run that fails allocations would lose the verdict. */
static skio_match *
take_waiting(void)
{
    skio_match *match = waiting;

    waiting = NULL;
    return match;
}

SCENARIO(a_verdict_may_come_later, NULL, with_functions)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_match *match;
    int err;

    peer_say(ws, "40/later,{\"t\":7}");
    match = take_waiting();
    peer_check(peer, match != NULL);
    err = skio_match_accept(match);
    peer_flush(peer);
    peer_expect_event(peer, "asked /later 7");
    peer_check(peer, err == SKIO_OK);
    peer_expect_prefix(ws, "40/later,{\"sid\":\"");
}

SCENARIO(when_all_refuse_the_namespace_is_invalid, NULL, with_functions)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_match *match;

    peer_say(ws, "40/no,{}");
    match = take_waiting();
    peer_check(peer, match != NULL);
    peer_check(peer, skio_match_refuse(match) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "44/no,{\"message\":\"Invalid namespace\"}");
}

SCENARIO(a_verdict_may_outlive_its_client, NULL, with_functions)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_match *match;

    peer_say(ws, "40/later,");
    match = take_waiting();
    peer_hang_up(ws, true);
    peer_check(peer, match != NULL);
    peer_check(peer, skio_match_accept(match) == SKIO_ECLOSED);
}

SCENARIO(asking_twice_breaks_the_protocol, NULL, with_functions)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_match *match;

    peer_say(ws, "40/later,");
    match = take_waiting();
    peer_say(ws, "40/later,");
    if (match != NULL)
        (void)skio_match_refuse(match);
    peer_expect_close(ws, 1005);
}

/* The first verdict counts, inside the call. */
static void
twice(skio_match *match, const char *name, const skio_value *auth, void *user)
{
    bool accepts = strcmp(name, "/yes") == 0;
    int first = accepts ? skio_match_accept(match) : skio_match_refuse(match);
    int second = skio_match_accept(match);
    int third = skio_match_refuse(match);

    (void)auth;
    peer_note(user, "%s, then %s, %s", skio_err_name(first),
              skio_err_name(second), skio_err_name(third));
}

static void
with_two_verdicts(struct peer *peer)
{
    (void)skio_of_match(peer->server, twice, peer);
}

SCENARIO(a_second_verdict_inside_the_call_is_busy, NULL, with_two_verdicts)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/yes,");
    peer_expect_event(peer, "SKIO_OK, then SKIO_EBUSY, SKIO_EBUSY");
    peer_expect_prefix(ws, "40/yes,{\"sid\":\"");
    peer_say(ws, "40/no,");
    peer_expect_event(peer, "SKIO_OK, then SKIO_EBUSY, SKIO_EBUSY");
    peer_expect(ws, "44/no,{\"message\":\"Invalid namespace\"}");
}

/* ---- Once, and middlewares of events ---- */

static int
no_secrets(skio_socket *socket, const char *event, const skio_value *args,
           skio_ack *ack, void *user)
{
    (void)socket;
    (void)user;
    if (strcmp(event, "secret") != 0)
        return SKIO_OK;
    peer_note(user, "checked %s", skio_get_json(args, "0"));
    (void)skio_ack_send(ack, "'no'");
    return SKIO_EACCES;
}

static void
note_error(skio_socket *socket, int err, const char *event, void *user)
{
    (void)socket;
    peer_note(user, "error %s %s", skio_err_name(err), event);
}

static void
with_handlers(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_once(root, "first", note_event, peer);
    (void)skio_on(root, "secret", note_event, peer);
    (void)skio_on(root, "open", note_event, peer);
    (void)skio_use_event(root, no_secrets, peer);
    (void)skio_on_error(root, note_error, peer);
}

SCENARIO(a_once_handler_runs_once, NULL, with_handlers)
{
    struct peer_ws *ws = joined(peer);

    peer_say(ws, "42[\"first\",1]");
    peer_say(ws, "42[\"first\",2]");
    peer_expect_event(peer, "event / 1");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_middleware_drops_an_event, NULL, with_handlers)
{
    struct peer_ws *ws = joined(peer);

    peer_say(ws, "423[\"secret\",1]");
    peer_expect(ws, "433[\"no\"]");
    peer_say(ws, "42[\"open\",2]");
    peer_expect_event(peer, "checked 1");
    peer_expect_event(peer, "error SKIO_EACCES secret");
    peer_expect_event(peer, "event / 2");
}

/* ---- Watching what is sent ---- */

static void
note_outgoing(skio_socket *socket, const char *event, const skio_value *args,
              void *user)
{
    skio_bytes bytes = {NULL, 0};

    (void)socket;
    (void)skio_get_bytes(args, "1", &bytes);
    peer_note(user, "out %s %s %zu", event, skio_get_json(args, "0"),
              bytes.len);
}

static void
with_watcher(struct peer *peer)
{
    (void)skio_on_any_outgoing(skio_of(peer->server, "/"), note_outgoing, peer);
}

SCENARIO(watchers_see_what_each_socket_is_sent, NULL, with_watcher)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *one = joined(peer);
    struct peer_ws *two = joined(peer);

    peer_check(peer, skio_emit_all(root, "a\"b", "%d, %p", 1,
                                   SKIO_BYTES("xyz", 3)) == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "out a\"b 1 3");
    peer_expect_event(peer, "out a\"b 1 3");
    peer_expect_event(peer, NULL);
    peer_expect_prefix(one, "451-[\"a\\\"b\",1,");
    peer_expect_prefix(two, "451-[\"a\\\"b\",1,");
}

static void
disconnect_it(skio_socket *socket, const char *event, const skio_value *args,
              void *user)
{
    (void)event;
    (void)args;
    (void)user;
    skio_disconnect(socket, true);
}

static void
with_hostile_watcher(struct peer *peer)
{
    (void)skio_on_any_outgoing(skio_of(peer->server, "/"), disconnect_it, peer);
}

SCENARIO(a_watcher_may_disconnect_amid_a_broadcast, NULL, with_hostile_watcher)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *one = joined(peer);
    struct peer_ws *two = joined(peer);

    peer_check(peer, skio_emit_all(root, "x", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(one, "41");
    peer_expect_close(one, 1005);
    peer_expect(two, "41");
    peer_expect_close(two, 1005);
}

/* ---- Rooms ---- */

static void
note_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
          skio_socket *socket, void *user)
{
    static const char *const names[] = {"create", "join", "leave", "delete"};
    bool own = strlen(room) == 20;

    (void)nsp;
    peer_note(user, "%s %s%s", names[event], own ? "own" : room,
              socket != NULL ? " by one" : "");
}

static void
with_rooms(struct peer *peer)
{
    (void)skio_on_room(skio_of(peer->server, "/"), note_room, peer);
}

static bool
join_a_and_b(skio_socket *socket, void *user)
{
    (void)user;
    return skio_join(socket, "a") == SKIO_OK &&
           skio_join(socket, "b") == SKIO_OK &&
           skio_join(socket, "b") == SKIO_OK;
}

static bool
leave_all(skio_socket *socket, void *user)
{
    (void)user;
    skio_leave_all(socket);
    return true;
}

SCENARIO(rooms_tell_what_becomes_of_them, NULL, with_rooms)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *ws = joined(peer);

    peer_expect_event(peer, "create own");
    peer_expect_event(peer, "join own by one");
    peer_check(peer, skio_each_socket(root, join_a_and_b, NULL) == SKIO_OK);
    peer_expect_event(peer, "create a");
    peer_expect_event(peer, "join a by one");
    peer_expect_event(peer, "create b");
    peer_expect_event(peer, "join b by one");
    peer_check(peer, skio_each_socket(root, leave_all, NULL) == SKIO_OK);
    peer_expect_event(peer, "leave a by one");
    peer_expect_event(peer, "delete a");
    peer_expect_event(peer, "leave b by one");
    peer_expect_event(peer, "delete b");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "leave own by one");
    peer_expect_event(peer, "delete own");
    peer_expect_event(peer, NULL);
}

/* ---- Broadcasts with acknowledgements ---- */

static void
note_answers(int err, const skio_value *args, size_t received, size_t expected,
             void *user)
{
    if (args != NULL)
        peer_note(user, "answer %s %zu of %zu", skio_get_json(args, "0"),
                  received, expected);
    else
        peer_note(user, "end %s %zu of %zu", skio_err_name(err), received,
                  expected);
}

static int
ask(struct peer *peer)
{
    return skio_emit_with_acks(skio_of(peer->server, "/"),
                               SKIO_TARGET(.timeout_ms = 100), note_answers,
                               peer, "q", NULL);
}

SCENARIO(a_broadcast_collects_its_answers, NULL, NULL)
{
    struct peer_ws *one = joined(peer);
    struct peer_ws *two = joined(peer);

    peer_check(peer, ask(peer) == SKIO_OK);
    peer_flush(peer);
    peer_expect(one, "420[\"q\"]");
    peer_expect(two, "420[\"q\"]");
    peer_say(two, "430[2]");
    peer_say(two, "430[2]"); /* counts once */
    peer_expect_event(peer, "answer 2 1 of 2");
    peer_expect_event(peer, NULL);
    peer_say(one, "430[\"one\"]");
    peer_expect_event(peer, "answer \"one\" 2 of 2");
    peer_expect_event(peer, "end SKIO_OK 2 of 2");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_timeout_leaves_partial_answers, NULL, NULL)
{
    struct peer_ws *one = joined(peer);
    struct peer_ws *two = joined(peer);

    peer_check(peer, ask(peer) == SKIO_OK);
    peer_flush(peer);
    peer_expect(one, "420[\"q\"]");
    peer_expect(two, "420[\"q\"]");
    peer_say(one, "430[1]");
    peer_wait(peer, 99);
    peer_expect_event(peer, "answer 1 1 of 2");
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "end SKIO_ETIMEDOUT 1 of 2");
    peer_say(two, "430[2]"); /* too late */
    peer_expect_event(peer, NULL);
}

SCENARIO(who_disconnects_is_waited_for_no_longer, NULL, NULL)
{
    struct peer_ws *one = joined(peer);
    struct peer_ws *two = joined(peer);

    peer_check(peer, ask(peer) == SKIO_OK);
    peer_flush(peer);
    peer_say(one, "430[1]");
    peer_hang_up(two, true);
    peer_expect_event(peer, "answer 1 1 of 2");
    peer_expect_event(peer, "end SKIO_OK 1 of 1");
}

SCENARIO(with_nobody_to_ask_the_end_comes_at_once, NULL, NULL)
{
    peer_check(peer, ask(peer) == SKIO_OK);
    peer_expect_event(peer, "end SKIO_OK 0 of 0");
    peer_check(peer,
               skio_emit_with_acks(skio_of(peer->server, "/"),
                                   SKIO_TARGET(.timeout_ms = 0), note_answers,
                                   peer, "q", NULL) == SKIO_EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_makes_a_namespace),
        cmocka_unit_test(a_name_that_matches_no_pattern_is_refused),
        cmocka_unit_test(a_namespace_ends_with_its_last_socket),
        cmocka_unit_test(namespaces_are_found_and_visited_and_none_is_made),
        cmocka_unit_test(shared_values_are_watched_and_may_be_set_again),
        cmocka_unit_test(a_goodbye_that_is_not_answered_keeps_no_namespace),
        cmocka_unit_test(an_empty_namespace_stays_when_asked_to),
        cmocka_unit_test(namespaces_on_demand_are_limited),
        cmocka_unit_test(what_a_parent_emits_reaches_all_children),
        cmocka_unit_test(a_function_may_accept_at_once),
        cmocka_unit_test(a_verdict_may_come_later),
        cmocka_unit_test(when_all_refuse_the_namespace_is_invalid),
        cmocka_unit_test(a_verdict_may_outlive_its_client),
        cmocka_unit_test(asking_twice_breaks_the_protocol),
        cmocka_unit_test(a_second_verdict_inside_the_call_is_busy),
        cmocka_unit_test(a_once_handler_runs_once),
        cmocka_unit_test(a_middleware_drops_an_event),
        cmocka_unit_test(watchers_see_what_each_socket_is_sent),
        cmocka_unit_test(a_watcher_may_disconnect_amid_a_broadcast),
        cmocka_unit_test(rooms_tell_what_becomes_of_them),
        cmocka_unit_test(a_broadcast_collects_its_answers),
        cmocka_unit_test(a_timeout_leaves_partial_answers),
        cmocka_unit_test(who_disconnects_is_waited_for_no_longer),
        cmocka_unit_test(with_nobody_to_ask_the_end_comes_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
