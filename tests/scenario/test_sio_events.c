/*
 * Events: their handlers and names
 */
#include <socketio/engine.h>

#include "scenario/sio.h"

static void
note_two(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)args;
    (void)ack;
    peer_note(user, "two");
}

/* Removes itself and the next one, adds one for the next time. */
static void
rearrange(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    skio_nsp *nsp = skio_socket_nsp(socket);
    int removed = skio_off(nsp, "e", rearrange, user);

    (void)args;
    (void)ack;
    removed += skio_off(nsp, "e", note_two, user);
    (void)skio_on(nsp, "e", sio_note_event, user);
    peer_note(user, "removed %d", removed);
}

static void
note_any(skio_socket *socket, const char *event, const skio_value *args,
         void *user)
{
    const char *json = skio_get_json(args, "");

    (void)socket;
    peer_note(user, "any '%s' %s", event, json != NULL ? json : "?");
}

static void
rearranging(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_on(root, "e", rearrange, peer);
    (void)skio_on(root, "e", note_two, peer);
    (void)skio_on_any(root, note_any, peer);
}

SCENARIO(handlers_may_change_while_they_run, NULL, rearranging)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "any 'e' []");
    peer_expect_event(peer, "removed 2");
    peer_expect_event(peer, NULL);
    peer_say(ws, "42[\"e\",{\"a\":[1,null]},\"x\"]");
    peer_expect_event(peer, "any 'e' [{\"a\":[1,null]},\"x\"]");
    peer_expect_event(peer, "event [{\"a\":[1,null]},\"x\"]");
    peer_expect_event(peer, NULL);
    peer_expect_nothing(ws);
}

/* ---- In front, and away ---- */

static const char first[] = "first";
static const char second[] = "second";
static const char third[] = "third";
static struct peer *noting;

static void
note_turn(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    (void)socket;
    (void)args;
    (void)ack;
    peer_note(noting, "event %s", (const char *)user);
}

static void
note_any_turn(skio_socket *socket, const char *event, const skio_value *args,
              void *user)
{
    (void)socket;
    (void)event;
    (void)args;
    peer_note(noting, "any %s", (const char *)user);
}

static void *
named_as(const char *text)
{
    return (void *)(uintptr_t)text;
}

static void
in_front(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    noting = peer;
    (void)skio_on(root, "e", note_turn, named_as(third));
    (void)skio_prepend(root, "e", note_turn, named_as(second));
    (void)skio_prepend(root, "e", note_turn, named_as(first));
    (void)skio_on_any(root, note_any_turn, named_as(third));
    (void)skio_prepend_any(root, note_any_turn, named_as(second));
    (void)skio_prepend_any(root, note_any_turn, named_as(first));
    (void)skio_on_any_outgoing(root, note_any_turn, named_as("out 2"));
    (void)skio_prepend_any_outgoing(root, note_any_turn, named_as("out 1"));
}

SCENARIO(handlers_in_front_run_first, NULL, in_front)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "any first");
    peer_expect_event(peer, "any second");
    peer_expect_event(peer, "any third");
    peer_expect_event(peer, "event first");
    peer_expect_event(peer, "event second");
    peer_expect_event(peer, "event third");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_emit_all(root, "x", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "any out 1");
    peer_expect_event(peer, "any out 2");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_prepend(root, "disconnect", note_turn, NULL) ==
                         SKIO_EINVAL);
}

SCENARIO(who_watches_can_stop, NULL, in_front)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_check(peer, skio_listeners(root, "e") == 3);
    peer_check(peer, skio_listeners(root, "none") == 0);
    peer_check(peer, skio_off(root, "e", note_turn, named_as(second)) == 1);
    peer_check(peer, skio_listeners(root, "e") == 2);
    peer_check(peer, skio_off_any(root, note_any_turn, named_as(first)) == 1);
    peer_check(peer, skio_off_any(root, note_any_turn, named_as(first)) == 0);
    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "any second");
    peer_expect_event(peer, "any third");
    peer_expect_event(peer, "event first");
    peer_expect_event(peer, "event third");
    peer_check(peer, skio_off(root, "e", NULL, NULL) == 2);
    peer_check(peer, skio_off_any(root, NULL, NULL) == 2);
    peer_check(peer, skio_off_any_outgoing(root, NULL, NULL) == 2);
    peer_check(peer, skio_listeners(root, "e") == 0);
    peer_say(ws, "42[\"e\"]");
    peer_check(peer, skio_emit_all(root, "x", NULL) == SKIO_OK);
    peer_expect_event(peer, NULL);
    peer_flush(peer);
    peer_expect(ws, "42[\"x\"]");
}

/* Takes itself away, the one behind it, and puts one in front. */
static void
rearrange_watchers(skio_socket *socket, const char *event,
                   const skio_value *args, void *user)
{
    skio_nsp *nsp = skio_socket_nsp(socket);

    (void)event;
    (void)args;
    peer_note(noting, "rearranged");
    (void)skio_off_any(nsp, rearrange_watchers, user);
    (void)skio_off_any(nsp, note_any_turn, named_as(second));
    (void)skio_prepend_any(nsp, note_any_turn, named_as(first));
}

static void
rearranging_watchers(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    noting = peer;
    (void)skio_on_any(root, rearrange_watchers, NULL);
    (void)skio_on_any(root, note_any_turn, named_as(second));
    (void)skio_on_any(root, note_any_turn, named_as(third));
}

SCENARIO(watchers_may_change_while_they_run, NULL, rearranging_watchers)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "rearranged");
    peer_expect_event(peer, "any third");
    peer_expect_event(peer, NULL);
    peer_say(ws, "42[\"e\"]");
    peer_expect_event(peer, "any first");
    peer_expect_event(peer, "any third");
    peer_expect_event(peer, NULL);
}

static void
named(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_on_any(root, note_any, peer);
    (void)skio_on(root, "1", sio_note_event, peer);
    (void)skio_on(root, "-1.5e3", sio_note_event, peer);
    (void)skio_on(root, "error", sio_note_event, peer);
    (void)skio_on(root, "\xc3\xa4", sio_note_event, peer);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
}

SCENARIO(event_names_may_be_numbers_and_anything_not_reserved, NULL, named)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[1,2]");
    peer_expect_event(peer, "any '1' [2]");
    peer_expect_event(peer, "event [2]");
    peer_say(ws, "42[\"1\",3]"); /* the same handler */
    peer_expect_event(peer, "any '1' [3]");
    peer_expect_event(peer, "event [3]");
    peer_say(ws, "42[-1.5e3]"); /* as it is written */
    peer_expect_event(peer, "any '-1.5e3' []");
    peer_expect_event(peer, "event []");
    peer_say(ws, "42[\"error\",\"x\"]");
    peer_expect_event(peer, "any 'error' [\"x\"]");
    peer_expect_event(peer, "event [\"x\"]");
    peer_say(ws, "42[\"\\u00e4\"]");
    peer_expect_event(peer, "any '\xc3\xa4' []");
    peer_expect_event(peer, "event []");
    peer_say(ws, "42[\"unheard\"]");
    peer_expect_event(peer, "any 'unheard' []");
    peer_say(ws, "42");
    peer_expect_event(peer, "any '' []");
    peer_say(ws, "42[\"\"]");
    peer_expect_event(peer, "any '' []");
    peer_expect_event(peer, NULL);
    peer_expect_nothing(ws);
}

static void
note_error(skio_socket *socket, int err, const char *event, void *user)
{
    peer_note(user, "error %s %s '%s'", skio_nsp_name(skio_socket_nsp(socket)),
              skio_err_name(err), event);
    skio_disconnect(socket, true); /* it is about to be */
}

static void
told_of_errors(struct peer *peer)
{
    skio_nsp *nsps[] = {skio_of(peer->server, "/"),
                        skio_of(peer->server, "/a")};

    for (size_t i = 0; i < 2; i++) {
        if (nsps[i] == NULL)
            continue;
        (void)skio_on_error(nsps[i], note_error, peer);
        (void)skio_on_disconnect(nsps[i], sio_note_disconnect, peer);
    }
}

SCENARIO(what_is_no_packet_is_an_error_of_the_sockets, NULL, told_of_errors)
{
    struct peer_ws *ws = peer_websocket(peer);

    sio_join(ws, "/a");
    peer_say(ws, "42/a,{}");
    peer_expect_event(peer, "error /a SKIO_EPROTO ''");
    peer_expect_event(peer, "disconnect /a server namespace disconnect");
    peer_expect_event(peer, NULL);
    ws = sio_connect(peer, NULL);
    peer_say(ws, "42/none,[\"e\"]"); /* readable, at the wrong time */
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "disconnect / forced close");
    peer_expect_event(peer, NULL);
}

SCENARIO(bad_packets_end_the_connection, NULL, named)
{
    static const char *const bad[] = {
        "42[\"connect\"]",
        "42[\"connect_error\"]",
        "42[\"disconnect\"]",
        "42[\"disconnecting\"]",
        "42[\"newListener\"]",
        "42[\"removeListener\"]",
        "42[\"disc\\u006fnnect\"]",
        "42[]",
        "42{}",
        "42[null]",
        "42[true,1]",
        "42[\"e\"",
        "42abc[\"e\"]",
        "42-1[\"e\"]",
        "42 [\"e\"]",
        "41{}",
        "43{}",
        "430{}",
        "47",
        "4",
        "450-[\"e\"]",
        "45[\"e\"]",
        "4511-[\"e\"]",
        "451e0-[\"e\"]",
        "461-[{\"_placeholder\":true,\"num\":1}]x",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct peer_ws *ws = sio_connect(peer, NULL);

        peer_say(ws, bad[i]);
        peer_expect_close(ws, 1005);
        peer_hang_up(ws, true);
        peer_expect_event(peer, "disconnect / forced close");
    }
    peer_expect_event(peer, NULL);
    peer_check(peer,
               sio_counters(peer).parse_errors == sizeof bad / sizeof bad[0]);
}

/* ---- Texts that are none ---- */

/* Some are bad packets before they are bad texts, and some after. */
static const char *const no_texts[] = {
    "4\xff",
    "4x\xff",
    "40\xff",
    "41\xff",
    "42\xff",
    "42[\"e\",\"\xff\"]",
    "42[\"\xc3(\"]",
    "42[\"e\",\"\xed\xa0\x80\"]",
    "42[\"e\",\"\xf0\x9f\x98\"]",
    "42[\"e\",\"\xc3",
    "42[\"e\",{\"\xff\":1}]",
    "42[\"e\"]\xff",
    "42[\"e\"] \xff",
    "42[\"e\",x,\"\xff\"]",
    "42[\"connect\",\"\xff\"]",
    "42{\"a\":\"\xff\"}",
    "42[],\xff",
    "42 \xff",
    "4299999999999999999999[\"\xff\"]",
    "42/\xff,[\"e\"]",
    "42/none,[\"e\",\"\xff\"]",
    "430[\"\xff\"]",
    "44\"\xff\"",
    "45\xff",
    "4599999-[\"\xff\"]",
    "451-[\"e\",\"\xff\"]",
    "451-[\"e\",{\"_placeholder\":true,\"num\":9},\"\xff\"]",
};

#define NO_TEXTS (sizeof no_texts / sizeof no_texts[0])

SCENARIO(a_text_that_is_no_utf8_is_no_packet, NULL, told_of_errors)
{
    for (size_t i = 0; i < NO_TEXTS; i++) {
        struct peer_ws *ws = sio_connect(peer, NULL);
        size_t packets = sio_counters(peer).packets_in;

        peer_say(ws, no_texts[i]);
        peer_expect_close(ws, 1007);
        peer_check(peer, sio_counters(peer).packets_in == packets);
        peer_expect_event(peer, "disconnect / transport error");
        peer_expect_event(peer, NULL);
    }
    peer_check(peer, sio_counters(peer).parse_errors == 0);
}

SCENARIO(nor_is_it_one_amid_attachments, NULL, told_of_errors)
{
    for (size_t i = 0; i < NO_TEXTS; i++) {
        struct peer_ws *ws = sio_connect(peer, NULL);

        peer_say(ws, "451-[\"e\",{\"_placeholder\":true,\"num\":0}]");
        peer_say(ws, no_texts[i]);
        peer_expect_close(ws, 1007);
        peer_expect_event(peer, "disconnect / transport error");
        peer_expect_event(peer, NULL);
    }
    peer_check(peer, sio_counters(peer).parse_errors == 0);
}

static void
note_packet(skio_session *session, char type, const void *data, size_t len,
            bool binary, void *user)
{
    (void)session;
    (void)data;
    (void)binary;
    peer_note(user, "packet %c, %zu bytes", type, len);
}

static void
tapped(struct peer *peer)
{
    static const skio_engine_taps taps = {
        .struct_size = sizeof taps,
        .packet = note_packet,
    };

    peer_check(peer, skio_engine_tap(peer->server, &taps, peer) == SKIO_OK);
}

SCENARIO(nor_is_a_tap_told_of_it, NULL, tapped)
{
    for (size_t i = 0; i < NO_TEXTS; i++) {
        struct peer_ws *ws = sio_connect(peer, NULL);

        peer_expect_event(peer, "packet 4, 1 bytes");
        peer_say(ws, no_texts[i]);
        peer_expect_close(ws, 1007);
        peer_expect_event(peer, NULL);
    }
}

static void
nothing(struct peer *peer)
{
    (void)peer;
}

SCENARIO(reserved_names_cannot_be_used, NULL, nothing)
{
    static const char *const reserved[] = {
        "connect",       "connect_error", "disconnect",
        "disconnecting", "newListener",   "removeListener",
    };
    skio_nsp *root = skio_of(peer->server, "/");
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        peer_check(peer, skio_on(root, reserved[i], sio_note_event, peer) ==
                             SKIO_EINVAL);
        peer_check(peer, skio_emit(socket, reserved[i], NULL) == SKIO_EINVAL);
        peer_check(peer, skio_emit_all(root, reserved[i], NULL) == SKIO_EINVAL);
        peer_check(peer, skio_emit_with_ack(socket, 1, sio_note_answer, peer,
                                            reserved[i], NULL) == SKIO_EINVAL);
    }
    peer_flush(peer);
    peer_expect_nothing(ws);
    peer_wait(peer, 10);
    peer_expect_event(peer, NULL);
}

SCENARIO(a_bad_template_sends_nothing, NULL, nothing)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, skio_emit(socket, "e", "{'a':") == SKIO_EINVAL);
    peer_check(peer, skio_emit(socket, "e", "%s", "\xff") == SKIO_EINVAL);
    peer_check(peer, skio_emit(socket, "\xff", NULL) == SKIO_EINVAL);
    peer_check(peer, skio_emit_json(socket, "e", "1,", 2) == SKIO_EINVAL);
    peer_check(peer, skio_emit_json(socket, "e", "1,\"a\"", 5) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"e\",1,\"a\"]");
    peer_expect_nothing(ws);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_may_change_while_they_run),
        cmocka_unit_test(handlers_in_front_run_first),
        cmocka_unit_test(who_watches_can_stop),
        cmocka_unit_test(watchers_may_change_while_they_run),
        cmocka_unit_test(event_names_may_be_numbers_and_anything_not_reserved),
        cmocka_unit_test(what_is_no_packet_is_an_error_of_the_sockets),
        cmocka_unit_test(bad_packets_end_the_connection),
        cmocka_unit_test(a_text_that_is_no_utf8_is_no_packet),
        cmocka_unit_test(nor_is_it_one_amid_attachments),
        cmocka_unit_test(nor_is_a_tap_told_of_it),
        cmocka_unit_test(reserved_names_cannot_be_used),
        cmocka_unit_test(a_bad_template_sends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
