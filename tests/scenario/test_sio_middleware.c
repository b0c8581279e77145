/*
 * Middlewares: verdicts at once, later, twice, and too late
 */
#include "scenario/sio.h"

static skio_next *held_next;
static skio_socket *held_socket;

static void
release_held(struct peer *peer)
{
    (void)peer;
    if (held_next != NULL)
        (void)skio_next_ok(held_next);
    held_next = NULL;
    skio_socket_unref(held_socket);
    held_socket = NULL;
}

static void
one_second(skio_server_options *options)
{
    options->connect_timeout_ms = 1000;
}

static void
say_ok(skio_socket *socket, skio_next *next, void *user)
{
    (void)socket;
    peer_note(user, "first");
    (void)skio_next_ok(next);
}

static void
refuse_with_data(skio_socket *socket, skio_next *next, void *user)
{
    (void)socket;
    peer_note(user, "second");
    (void)skio_next_error(next, "no \"entry\"", "{'code':%d,'list':[]}", 7);
}

static void
note_late(skio_socket *socket, skio_next *next, void *user)
{
    (void)socket;
    peer_note(user, "third");
    (void)skio_next_ok(next);
}

static void
ok_then_refused(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_nsp *admin = skio_of(peer->server, "/admin");

    (void)skio_on_connect(root, sio_note_connect, peer);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
    (void)skio_use(root, say_ok, peer);
    (void)skio_use(root, refuse_with_data, peer);
    (void)skio_use(root, note_late, peer);
    if (admin == NULL)
        return;
    (void)skio_use(admin, say_ok, peer);
    (void)skio_use(admin, note_late, peer);
    (void)skio_on_connect(admin, sio_note_connect, peer);
}

SCENARIO(middlewares_run_in_order_until_one_refuses, NULL, ok_then_refused)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];

    peer_say(ws, "40");
    peer_expect(ws, "44{\"message\":\"no \\\"entry\\\"\","
                    "\"data\":{\"code\":7,\"list\":[]}}");
    peer_expect_event(peer, "first");
    peer_expect_event(peer, "second");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_nsp_count(skio_of(peer->server, "/")) == 0);
    /* The connection stays, and the client may try again. */
    peer_say(ws, "40/admin");
    sio_take_connect(ws, "40/admin,", id);
    peer_expect_event(peer, "first");
    peer_expect_event(peer, "third");
    peer_expect_event(peer, "connect /admin");
    peer_say(ws, "40");
    peer_expect_prefix(ws, "44{");
}

static void
hold(skio_socket *socket, skio_next *next, void *user)
{
    struct peer *peer = user;

    (void)socket;
    if (peer->probes) /* nobody would decide */
        (void)skio_next_ok(next);
    else
        held_next = next;
}

/* What is held is the caller's to decide. */
static skio_next *
take_held(void)
{
    skio_next *next = held_next;

    held_next = NULL;
    return next;
}

static void
holding(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    held_next = NULL;
    held_socket = NULL;
    peer->cleanup = release_held;
    (void)skio_use(root, hold, peer);
    (void)skio_use(root, note_late, peer);
    (void)skio_on_connect(root, sio_note_connect, peer);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
}

SCENARIO(a_verdict_may_come_later, NULL, holding)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];
    int err;

    peer_say(ws, "40");
    peer_expect_nothing(ws);
    peer_check(peer, held_next != NULL);
    peer_check(peer, skio_next_socket(held_next) != NULL);
    peer_expect_event(peer, NULL);
    err = skio_next_ok(take_held());
    peer_check(peer, err == SKIO_OK);
    peer_flush(peer);
    sio_take_connect(ws, "40", id);
    peer_expect_event(peer, "third");
    peer_expect_event(peer, "connect /");
}

SCENARIO(a_later_refusal_is_sent, NULL, holding)
{
    struct peer_ws *ws = peer_websocket(peer);
    int err;

    peer_say(ws, "40");
    peer_check(peer, held_next != NULL);
    err = skio_next_error(take_held(), "no", NULL);
    peer_check(peer, err == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "44{\"message\":\"no\"}");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_refusal_with_a_bad_template_goes_without_data, NULL, holding)
{
    struct peer_ws *ws = peer_websocket(peer);
    int err;

    peer_say(ws, "40");
    peer_check(peer, held_next != NULL);
    err = skio_next_error(take_held(), "no", "{'a':");
    peer_check(peer, err == SKIO_EINVAL);
    peer_flush(peer);
    peer_expect(ws, "44{\"message\":\"no\"}");
}

SCENARIO(a_verdict_for_a_client_that_has_gone_is_consumed, NULL, holding)
{
    struct peer_ws *ws = peer_websocket(peer);
    int err;

    peer_say(ws, "40");
    peer_check(peer, held_next != NULL);
    peer_hang_up(ws, false);
    peer_check(peer, skio_next_socket(held_next) == NULL);
    err = skio_next_ok(take_held());
    peer_check(peer, err == SKIO_ECLOSED);

    ws = peer_websocket(peer);
    peer_say(ws, "40");
    peer_check(peer, held_next != NULL);
    peer_hang_up(ws, true);
    err = skio_next_error(take_held(), "no", "1");
    peer_check(peer, err == SKIO_ECLOSED);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_verdict_may_come_when_the_server_is_gone, NULL, holding)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_next *next;
    int err;

    peer_say(ws, "40");
    peer_check(peer, held_next != NULL);
    skio_server_free(peer->server);
    peer->server = NULL;
    next = take_held();
    peer_check(peer, skio_next_socket(next) == NULL);
    err = skio_next_ok(next);
    peer_check(peer, err == SKIO_ECLOSED);
}

SCENARIO(an_undecided_client_is_closed_in_time, one_second, holding)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40");
    peer_check(peer, held_next != NULL);
    peer_wait(peer, 1000);
    peer_expect_close(ws, 1005);
    peer_check(peer, skio_next_socket(held_next) == NULL);
}

SCENARIO(a_connect_while_middlewares_decide_ends_the_connection, NULL, holding)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40");
    peer_check(peer, held_next != NULL);
    peer_say(ws, "40");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, NULL);
}

static void
decide_twice(skio_socket *socket, skio_next *next, void *user)
{
    int second;

    peer_note(user, "same %d", skio_next_socket(next) == socket);
    (void)skio_next_ok(next);
    second = skio_next_ok(next);
    peer_note(user, "%s", skio_err_name(second));
    second = skio_next_error(next, "late", NULL);
    peer_note(user, "%s", skio_err_name(second));
}

static void
refuse_twice(skio_socket *socket, skio_next *next, void *user)
{
    int second;

    (void)socket;
    (void)skio_next_error(next, "no", NULL);
    second = skio_next_error(next, "no", NULL);
    peer_note(user, "%s", skio_err_name(second));
    second = skio_next_ok(next);
    peer_note(user, "%s", skio_err_name(second));
}

static void
deciding_twice(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_nsp *admin = skio_of(peer->server, "/admin");

    (void)skio_use(root, decide_twice, peer);
    if (admin != NULL)
        (void)skio_use(admin, refuse_twice, peer);
}

SCENARIO(a_second_verdict_inside_the_call_is_busy, NULL, deciding_twice)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_expect_event(peer, "same 1");
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_say(ws, "40/admin,");
    peer_expect(ws, "44/admin,{\"message\":\"no\"}");
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_expect_nothing(ws);
}

static void
emit_and_disconnect(skio_socket *socket, skio_next *next, void *user)
{
    struct peer *peer = user;

    (void)skio_emit(socket, "early", "%d", 1);
    skio_disconnect(socket, false); /* not connected yet: nothing */
    if (skio_emit_with_ack(socket, 5, sio_note_answer, peer, "x", NULL) !=
        SKIO_ECLOSED)
        peer_note(peer, "asked too early");
    skio_socket_set_data(socket, peer, NULL);
    (void)skio_next_ok(next);
}

static void
emitting_early(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_use(root, emit_and_disconnect, peer);
}

SCENARIO(what_a_middleware_emits_comes_before_the_reply, NULL, emitting_early)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];

    peer_say(ws, "40");
    peer_expect(ws, "42[\"early\",1]");
    sio_take_connect(ws, "40", id);
    peer_check(peer,
               skio_socket_data(
                   skio_nsp_socket(skio_of(peer->server, "/"), id)) == peer);
    peer_expect_event(peer, NULL);
}

/* A middleware of /b closes the connection by its socket in "/". */
static void
close_the_client(skio_socket *socket, skio_next *next, void *user)
{
    struct peer *peer = user;

    (void)socket;
    if (held_socket != NULL)
        skio_disconnect(held_socket, true);
    peer_note(peer, "%s", skio_next_socket(next) == NULL ? "gone" : "here");
    peer_note(peer, "%s", skio_err_name(skio_next_ok(next)));
}

static void
closing_in_middleware(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_nsp *b = skio_of(peer->server, "/b");

    held_next = NULL;
    held_socket = NULL;
    peer->cleanup = release_held;
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
    if (b == NULL)
        return;
    (void)skio_use(b, close_the_client, peer);
    (void)skio_on_connect(b, sio_note_connect, peer);
    (void)skio_on_disconnect(b, sio_note_disconnect, peer);
}

SCENARIO(a_middleware_may_close_the_whole_client, NULL, closing_in_middleware)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    held_socket = skio_socket_ref(socket);
    peer_say(ws, "40/b,");
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, "gone");
    peer_expect_event(peer, "SKIO_ECLOSED");
    peer_expect_event(peer, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(middlewares_run_in_order_until_one_refuses),
        cmocka_unit_test(a_verdict_may_come_later),
        cmocka_unit_test(a_later_refusal_is_sent),
        cmocka_unit_test(a_refusal_with_a_bad_template_goes_without_data),
        cmocka_unit_test(a_verdict_for_a_client_that_has_gone_is_consumed),
        cmocka_unit_test(a_verdict_may_come_when_the_server_is_gone),
        cmocka_unit_test(an_undecided_client_is_closed_in_time),
        cmocka_unit_test(
            a_connect_while_middlewares_decide_ends_the_connection),
        cmocka_unit_test(a_second_verdict_inside_the_call_is_busy),
        cmocka_unit_test(what_a_middleware_emits_comes_before_the_reply),
        cmocka_unit_test(a_middleware_may_close_the_whole_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
