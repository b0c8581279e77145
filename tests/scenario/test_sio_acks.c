/*
 * Acknowledgements, both ways, and watchers of what is sent
 */
#include "scenario/sio.h"

static skio_ack *held_ack;

static void
release_ack(struct peer *peer)
{
    (void)peer;
    skio_ack_free(held_ack);
    held_ack = NULL;
}

/* ---- Asked by a client ---- */

static void
answer(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    int err;

    (void)socket;
    (void)args;
    err = skio_ack_send(ack, "%s, {'n':%d}", "ok", 1);
    peer_note(user, "%s", skio_err_name(err));
    err = skio_ack_send(ack, "%s", "again");
    peer_note(user, "%s", skio_err_name(err));
}

static void
take(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)args;
    release_ack(user);
    held_ack = skio_ack_take(ack);
    if (held_ack == NULL)
        return;
    peer_note(user, "%s", skio_err_name(skio_ack_send(ack, NULL)));
    peer_note(user, "%d", skio_ack_take(ack) == NULL);
    peer_note(user, "%d", skio_ack_take(held_ack) == held_ack);
}

static void
answer_wrongly(skio_socket *socket, const skio_value *args, skio_ack *ack,
               void *user)
{
    (void)socket;
    (void)args;
    peer_note(user, "%s", skio_err_name(skio_ack_send(ack, "[")));
    peer_note(user, "%s", skio_err_name(skio_ack_send(ack, "1")));
}

static void
pass_on(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    peer_note(user, "%s",
              skio_err_name(skio_ack_send(ack, "%p", SKIO_VALUE(args))));
}

static void
leave_and_pass_on(skio_socket *socket, const skio_value *args, skio_ack *ack,
                  void *user)
{
    skio_disconnect(socket, false);
    pass_on(socket, args, ack, user);
}

static void
leave_and_answer(skio_socket *socket, const skio_value *args, skio_ack *ack,
                 void *user)
{
    (void)args;
    skio_disconnect(socket, false);
    peer_note(user, "%s", skio_err_name(skio_ack_send(ack, "1")));
}

static void
answering(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    held_ack = NULL;
    peer->cleanup = release_ack;
    (void)skio_on(root, "answer", answer, peer);
    (void)skio_on(root, "take", take, peer);
    (void)skio_on(root, "wrongly", answer_wrongly, peer);
    (void)skio_on(root, "leave", leave_and_answer, peer);
    (void)skio_on(root, "pass", pass_on, peer);
    (void)skio_on(root, "leave and pass", leave_and_pass_on, peer);
    (void)skio_on(root, "ignore", sio_note_event, peer);
}

SCENARIO(an_ack_is_answered_once, NULL, answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "4212[\"answer\"]");
    peer_expect(ws, "4312[\"ok\",{\"n\":1}]");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_say(ws, "42[\"answer\"]"); /* nobody asked */
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_OK");
    peer_say(ws, "427[\"ignore\"]");
    peer_expect_event(peer, "event [] ack");
    peer_expect_nothing(ws);
}

SCENARIO(an_ack_with_a_bad_template_can_be_answered_again, NULL, answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "420[\"wrongly\"]");
    peer_expect(ws, "430[1]");
    peer_expect_event(peer, "SKIO_EINVAL");
    peer_expect_event(peer, "SKIO_OK");
}

SCENARIO(a_taken_ack_is_answered_later, NULL, answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    skio_ack *ack;
    int err;

    peer_say(ws, "423[\"take\"]");
    peer_expect_nothing(ws);
    peer_check(peer, held_ack != NULL);
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_expect_event(peer, "1");
    peer_expect_event(peer, "1");
    ack = held_ack;
    held_ack = NULL;
    err = skio_ack_send(ack, "%p", SKIO_BYTES("ab", 2));
    peer_check(peer, err == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "461-3[{\"_placeholder\":true,\"num\":0}]");
    peer_expect_bytes(ws, "ab", 2);
}

SCENARIO(a_taken_ack_outlives_its_client_and_its_server, NULL, answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    skio_ack *ack;
    int err;

    peer_say(ws, "423[\"take\"]");
    peer_check(peer, held_ack != NULL);
    peer_hang_up(ws, true);
    ack = held_ack;
    held_ack = NULL;
    err = skio_ack_send(ack, "1");
    peer_check(peer, err == SKIO_ECLOSED);

    ws = sio_connect(peer, NULL);
    peer_say(ws, "423[\"take\"]");
    peer_check(peer, held_ack != NULL);
    skio_server_free(peer->server);
    peer->server = NULL;
    ack = held_ack;
    held_ack = NULL;
    err = skio_ack_send(ack, "1");
    peer_check(peer, err == SKIO_ECLOSED);
}

SCENARIO(an_ack_after_the_disconnect_is_closed, NULL, answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "423[\"leave\"]");
    peer_expect(ws, "41");
    peer_expect_nothing(ws);
    peer_expect_event(peer, "SKIO_ECLOSED");
}

SCENARIO(what_was_asked_is_answered_as_it_came, NULL, answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    char text[200];

    peer_say(ws, "420[\"pass\",\"\\u0041\",1e2]");
    peer_expect(ws, "430[\"\\u0041\",1e2]");
    peer_say(ws, "421[\"pass\"]");
    peer_expect(ws, "431[]");
    peer_say(ws, "429007199254740991[ \"pass\" , { \"a\" : [ ] } ,null ]");
    peer_expect(ws, "439007199254740991[{ \"a\" : [ ] } ,null]");
    peer_say(ws, "422[\"pass\",1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]");
    peer_expect(ws, "432[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]");
    for (int i = 0; i < 5; i++)
        peer_expect_event(peer, i < 4 ? "SKIO_OK" : NULL);

    /* frames on both sides of where their length takes more bytes */
    for (size_t len = 110; len < 130; len++) {
        snprintf(text, sizeof text, "423[\"pass\",\"%0*d\"]", (int)len, 0);
        peer_say(ws, text);
        snprintf(text, sizeof text, "433[\"%0*d\"]", (int)len, 0);
        peer_expect(ws, text);
        peer_expect_event(peer, "SKIO_OK");
    }
}

SCENARIO(attachments_are_answered_as_they_came, NULL, answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "451-7[\"pass\",{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(ws, "ab", 2, true);
    peer_expect(ws, "461-7[{\"_placeholder\":true,\"num\":0}]");
    peer_expect_bytes(ws, "ab", 2);
    peer_expect_event(peer, "SKIO_OK");
}

static void
answering_in_namespace(struct peer *peer)
{
    skio_nsp *nsp = skio_of(peer->server, "/chat");

    if (nsp != NULL)
        (void)skio_on(nsp, "pass", pass_on, peer);
}

SCENARIO(what_was_asked_in_a_namespace_is_answered_there, NULL,
         answering_in_namespace)
{
    struct peer_ws *ws = peer_websocket(peer);

    sio_join(ws, "/chat");
    peer_say(ws, "42/chat,5[\"pass\",true]");
    peer_expect(ws, "43/chat,5[true]");
    peer_expect_event(peer, "SKIO_OK");
}

static void
watch_nothing(skio_socket *socket, const char *event, const skio_value *args,
              void *user)
{
    (void)socket;
    (void)args;
    peer_note(user, "sent %s", event);
}

static void
answering_watched(struct peer *peer)
{
    answering(peer);
    (void)skio_on_any_outgoing(skio_of(peer->server, "/"), watch_nothing, peer);
}

SCENARIO(who_watches_what_is_sent_hears_of_no_answer, NULL, answering_watched)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "420[\"pass\",1]");
    peer_expect(ws, "430[1]");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, NULL);
}

static void
little_room(skio_server_options *options)
{
    options->outbound_high_bytes = 200;
    options->max_outbound_bytes = 200;
}

SCENARIO(what_was_asked_and_may_not_wait_is_not_answered, little_room,
         answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    char text[300];

    /* "430", brackets, quotes and a header of four bytes make the rest */
    snprintf(text, sizeof text, "420[\"pass\",\"%0189d\"]", 0);
    peer_say(ws, text);
    snprintf(text, sizeof text, "430[\"%0189d\"]", 0);
    peer_expect(ws, text);
    peer_expect_event(peer, "SKIO_OK");
    snprintf(text, sizeof text, "421[\"pass\",\"%0190d\"]", 0);
    peer_say(ws, text);
    peer_expect_nothing(ws);
    peer_expect_event(peer, "SKIO_ENOBUFS");
    peer_say(ws, "422[\"pass\"]"); /* it was too large, not too much */
    peer_expect(ws, "432[]");
    peer_expect_event(peer, "SKIO_OK");
}

SCENARIO(what_was_asked_is_not_answered_after_the_disconnect, NULL, answering)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "423[\"leave and pass\",1]");
    peer_expect(ws, "41");
    peer_expect_nothing(ws);
    peer_expect_event(peer, "SKIO_ECLOSED");
}

/* ---- Asked of a client ---- */

static void
asking(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_of(peer->server, "/a");
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
}

static int
ask(struct peer *peer, skio_socket *socket, uint32_t timeout_ms)
{
    int err = skio_emit_with_ack(socket, timeout_ms, sio_note_answer, peer, "q",
                                 NULL);

    peer_flush(peer);
    return err;
}

SCENARIO(an_answer_is_called_back_once, NULL, asking)
{
    skio_socket *socket;
    skio_socket *other;
    struct peer_ws *ws = sio_connect(peer, &socket);
    struct peer_ws *ws2 = sio_connect(peer, &other);

    peer_check(peer, ask(peer, socket, 0) == SKIO_OK);
    peer_expect(ws, "420[\"q\"]");
    peer_say(ws, "431[9]");  /* nobody asked */
    peer_say(ws2, "430[9]"); /* another one was asked */
    peer_say(ws, "43[9]");
    peer_expect_event(peer, NULL);
    peer_say(ws, "430[1,\"x\"]");
    peer_say(ws, "430[2]");
    peer_expect_event(peer, "answer SKIO_OK [1,\"x\"]");
    peer_expect_event(peer, NULL);

    peer_check(peer, ask(peer, other, 0) == SKIO_OK);
    peer_expect(ws2, "421[\"q\"]");
    peer_say(ws2, "431");
    peer_expect_event(peer, "answer SKIO_OK []");
    peer_check(peer, skio_of(peer->server, "/a") != NULL);
    socket = sio_join(ws2, "/a");
    peer_check(peer, ask(peer, socket, 0) == SKIO_OK);
    peer_expect(ws2, "42/a,0[\"q\"]");
    peer_say(ws2, "430[3]"); /* of another namespace */
    peer_say(ws2, "461-/a,0[{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(ws2, "z", 1, true);
    peer_expect_event(peer,
                      "answer SKIO_OK [{\"_placeholder\":true,\"num\":0}]");
    peer_expect_event(peer, NULL);
}

SCENARIO(answers_may_come_in_any_order, NULL, asking)
{
    static const unsigned order[] = {0, 9, 4, 5, 1, 8, 2, 7, 3, 6};
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    char text[40];

    for (unsigned i = 0; i < 10; i++) {
        peer_check(peer, ask(peer, socket, 0) == SKIO_OK);
        snprintf(text, sizeof text, "42%u[\"q\"]", i);
        peer_expect(ws, text);
    }
    peer_say(ws, "4310[]"); /* nobody asked */
    for (unsigned i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "43%u[%u]", order[i], order[i]);
        peer_say(ws, text);
        peer_say(ws, text);
        snprintf(text, sizeof text, "answer SKIO_OK [%u]", order[i]);
        peer_expect_event(peer, text);
        peer_expect_event(peer, NULL);
    }
}

SCENARIO(an_ack_after_its_timeout_is_ignored, NULL, asking)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, ask(peer, socket, 100) == SKIO_OK);
    peer_check(peer, ask(peer, socket, 50) == SKIO_OK);
    peer_check(peer, ask(peer, socket, 0) == SKIO_OK);
    peer_wait(peer, 49);
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "answer SKIO_ETIMEDOUT -");
    peer_say(ws, "431[1]");
    peer_say(ws, "430[0]");
    peer_expect_event(peer, "answer SKIO_OK [0]");
    peer_wait(peer, 20000);
    peer_expect_event(peer, NULL);
    peer_hang_up(ws, true);
    peer_expect_event(peer, "answer SKIO_ECLOSED -");
    peer_expect_event(peer, "disconnect / transport close");
    peer_expect_event(peer, NULL);
}

static void
two_acks(skio_server_options *options)
{
    options->max_pending_acks = 2;
}

SCENARIO(pending_acks_are_limited, two_acks, asking)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, ask(peer, socket, 10) == SKIO_OK);
    peer_check(peer, ask(peer, socket, 0) == SKIO_OK);
    peer_check(peer, ask(peer, socket, 0) == SKIO_ELIMIT);
    peer_expect(ws, "420[\"q\"]");
    peer_expect(ws, "421[\"q\"]");
    peer_expect_nothing(ws);
    peer_wait(peer, 10);
    peer_expect_event(peer, "answer SKIO_ETIMEDOUT -");
    peer_check(peer, ask(peer, socket, 0) == SKIO_OK);
    peer_expect(ws, "422[\"q\"]");
    peer_check(peer, skio_emit_with_ack(socket, (uint32_t)INT32_MAX + 1,
                                        sio_note_answer, peer, "q",
                                        NULL) == SKIO_EINVAL);
}

static void
leave_on_answer(skio_socket *socket, int err, const skio_value *args,
                void *user)
{
    sio_note_answer(socket, err, args, user);
    skio_disconnect(socket, true);
    if (skio_emit_with_ack(socket, 0, sio_note_answer, user, "q", NULL) !=
        SKIO_ECLOSED)
        peer_note(user, "asked after the end");
}

SCENARIO(an_answer_may_disconnect_its_socket, NULL, asking)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, skio_emit_with_ack(socket, 0, leave_on_answer, peer, "q",
                                        NULL) == SKIO_OK);
    peer_check(peer, skio_emit_with_ack(socket, 0, leave_on_answer, peer, "q",
                                        NULL) == SKIO_OK);
    peer_check(peer, skio_emit_with_ack(socket, 0, leave_on_answer, peer, "q",
                                        NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_prefix(ws, "420");
    peer_expect_prefix(ws, "421");
    peer_expect_prefix(ws, "422");
    peer_say(ws, "431[5]");
    peer_expect_event(peer, "answer SKIO_OK [5]");
    peer_expect_event(peer, "answer SKIO_ECLOSED -");
    peer_expect_event(peer, "answer SKIO_ECLOSED -");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, NULL);
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
}

SCENARIO(a_timeout_may_disconnect_its_socket, NULL, asking)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, skio_emit_with_ack(socket, 5, leave_on_answer, peer, "q",
                                        NULL) == SKIO_OK);
    peer_check(peer, skio_emit_with_ack(socket, 5, leave_on_answer, peer, "q",
                                        NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_prefix(ws, "420");
    peer_expect_prefix(ws, "421");
    peer_wait(peer, 5);
    peer_expect_event(peer, "answer SKIO_ETIMEDOUT -");
    peer_expect_event(peer, "answer SKIO_ECLOSED -");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, NULL);
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
}

/* ---- Watchers of what is sent ---- */

static void
leave_when_told(skio_socket *socket, const char *event, const skio_value *args,
                void *user)
{
    (void)args;
    peer_note(user, "out %s", event);
    skio_disconnect(socket, event[0] == 'c');
}

static void
leaving_watcher(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_on_any_outgoing(root, leave_when_told, peer);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
}

SCENARIO(a_watcher_may_disconnect_who_is_emitted_to, NULL, leaving_watcher)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, skio_emit(socket, "e", NULL) == SKIO_ECLOSED);
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_expect_nothing(ws);
    peer_expect_event(peer, "out e");
    peer_expect_event(peer, "disconnect / server namespace disconnect");

    ws = sio_connect(peer, &socket);
    peer_check(peer, skio_emit(socket, "c", NULL) == SKIO_ECLOSED);
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "out c");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
}

SCENARIO(a_watcher_may_disconnect_who_is_asked, NULL, leaving_watcher)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, ask(peer, socket, 5) == SKIO_OK);
    peer_expect(ws, "41");
    peer_expect_nothing(ws);
    peer_expect_event(peer, "out q");
    peer_expect_event(peer, "answer SKIO_ECLOSED -");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    sio_connect(peer, &socket);
    peer_check(peer, skio_emit_with_ack(socket, 5, sio_note_answer, peer, "c",
                                        NULL) == SKIO_OK);
    peer_expect_event(peer, "out c");
    peer_expect_event(peer, "answer SKIO_ECLOSED -");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_wait(peer, 100);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_watcher_may_disconnect_all_of_a_broadcast, NULL, leaving_watcher)
{
    struct peer_ws *one = sio_connect(peer, NULL);
    struct peer_ws *two = sio_connect(peer, NULL);

    peer_check(peer,
               skio_emit_all(skio_of(peer->server, "/"), "e", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(one, "41");
    peer_expect(two, "41");
    peer_expect_nothing(one);
    peer_expect_nothing(two);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ack_is_answered_once),
        cmocka_unit_test(an_ack_with_a_bad_template_can_be_answered_again),
        cmocka_unit_test(a_taken_ack_is_answered_later),
        cmocka_unit_test(a_taken_ack_outlives_its_client_and_its_server),
        cmocka_unit_test(an_ack_after_the_disconnect_is_closed),
        cmocka_unit_test(what_was_asked_is_answered_as_it_came),
        cmocka_unit_test(attachments_are_answered_as_they_came),
        cmocka_unit_test(what_was_asked_in_a_namespace_is_answered_there),
        cmocka_unit_test(who_watches_what_is_sent_hears_of_no_answer),
        cmocka_unit_test(what_was_asked_and_may_not_wait_is_not_answered),
        cmocka_unit_test(what_was_asked_is_not_answered_after_the_disconnect),
        cmocka_unit_test(an_answer_is_called_back_once),
        cmocka_unit_test(answers_may_come_in_any_order),
        cmocka_unit_test(an_ack_after_its_timeout_is_ignored),
        cmocka_unit_test(pending_acks_are_limited),
        cmocka_unit_test(an_answer_may_disconnect_its_socket),
        cmocka_unit_test(a_timeout_may_disconnect_its_socket),
        cmocka_unit_test(a_watcher_may_disconnect_who_is_emitted_to),
        cmocka_unit_test(a_watcher_may_disconnect_who_is_asked),
        cmocka_unit_test(a_watcher_may_disconnect_all_of_a_broadcast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
