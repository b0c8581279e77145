/*
 * Questions that the program puts to the join guard: each has one answer, at
 * once, later, or when there is nobody to enter any more
 */
#include "scenario/sio.h"

#include <socketio/guard.h>

#define HELD_MAX 4

static skio_guard *guard;
static skio_guard_options own;
static skio_guard_ask *held[HELD_MAX];
static unsigned held_count;
static int made; /* what skio_guard_new() returned */

/* Who is told "closed" or "timeout" gives all questions back from within. */
static bool gives_back;

static void
judge(skio_guard_ask *ask, skio_socket *socket, const char *room,
      const skio_value *args, void *user)
{
    const char *key = skio_get_str(args, "0.key");

    (void)socket;
    (void)user;
    if (strcmp(room, "room:open") == 0)
        (void)skio_guard_allow(ask);
    else if (strcmp(room, "room:shut") == 0 && key != NULL &&
             strcmp(key, "secret") == 0)
        (void)skio_guard_allow(ask);
    else if (strcmp(room, "room:shut") == 0)
        (void)skio_guard_deny(ask, "wrong key");
    else if (held_count == HELD_MAX)
        (void)skio_guard_deny(ask, "full");
    else
        held[held_count++] = ask;
}

static void
on_done(skio_socket *socket, const char *error, void *user)
{
    struct peer *peer = user;

    peer_note(peer, "%s%s", error != NULL ? error : "inside",
              skio_socket_is_connected(socket) ? "" : " (gone)");
    while (gives_back && held_count > 0) {
        skio_guard_ask *ask = held[--held_count];

        peer_note(peer, "%s",
                  skio_err_name(held_count == 1 ? skio_guard_allow(ask)
                                                : skio_guard_deny(ask, NULL)));
    }
}

/* An event of its own: the room is a member of the first argument. */
static void
on_enter(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *name = skio_get_str(args, "0.room");
    char address[64];

    (void)ack;
    snprintf(address, sizeof address, "%s%s",
             name != NULL && name[0] == '!' ? "" : "room:",
             name != NULL ? name + (name[0] == '!') : "");
    skio_guard_put(guard, socket, name != NULL ? address : NULL, args, on_done,
                   user);
}

static void
guarded_with(struct peer *peer, bool from_within)
{
    skio_nsp *root = skio_of(peer->server, "/");

    held_count = 0;
    gives_back = from_within;
    made = skio_guard_new(root, judge, peer, &own, &guard);
    if (made == SKIO_OK)
        made = skio_on(root, "enter", on_enter, peer);
}

static void
guarded(struct peer *peer)
{
    static const char *const reserved[] = {"user:", NULL};

    skio_guard_options_init(&own);
    own.join = NULL;
    own.leave = NULL;
    own.reserved = reserved;
    own.max_name_bytes = 20;
    own.max_rooms = 2;
    own.max_asks = 3;
    guarded_with(peer, false);
}

static void
guarded_from_within(struct peer *peer)
{
    guarded(peer);
    gives_back = true;
}

static bool
is_in(struct peer *peer, skio_socket *socket, const char *room)
{
    peer_check(peer, made == SKIO_OK);
    return skio_in_room(socket, room);
}

SCENARIO(each_question_has_one_answer, NULL, guarded)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "42[\"enter\",{\"room\":\"open\"}]");
    peer_expect_event(peer, "inside");
    peer_check(peer, is_in(peer, socket, "room:open"));
    peer_say(ws, "42[\"enter\",{\"room\":\"shut\",\"key\":\"guess\"}]");
    peer_expect_event(peer, "wrong key");
    peer_check(peer, !is_in(peer, socket, "room:shut"));
    peer_say(ws, "42[\"enter\",{\"room\":\"shut\",\"key\":\"secret\"}]");
    peer_expect_event(peer, "inside");
    peer_check(peer, is_in(peer, socket, "room:shut"));
    /* The one who is inside is judged again, and stays. */
    peer_say(ws, "42[\"enter\",{\"room\":\"shut\"}]");
    peer_expect_event(peer, "wrong key");
    peer_check(peer, is_in(peer, socket, "room:shut"));
    /* The client is told nothing but by the program, and has no other event. */
    peer_say(ws, "421[\"join\",\"room:later\"]");
    peer_say(ws, "422[\"leave\",\"room:shut\"]");
    peer_expect_nothing(ws);
    peer_check(peer, is_in(peer, socket, "room:shut"));
}

SCENARIO(the_guard_refuses_as_it_does_clients, NULL, guarded)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_check(peer, made == SKIO_OK);
    peer_say(ws, "42[\"enter\",{}]");
    peer_expect_event(peer, "bad room");
    peer_say(ws, "42[\"enter\",{\"room\":\"a-name-of-sixteen\"}]");
    peer_expect_event(peer, "bad room");
    peer_say(ws, "42[\"enter\",{\"room\":\"!user:ada\"}]");
    peer_expect_event(peer, "reserved");
    peer_say(ws, "42[\"enter\",{\"room\":\"!abcdefghijABCDEFGHIJ\"}]");
    peer_expect_event(peer, "reserved");
    for (int c = 'a'; c < 'd'; c++) {
        char packet[64];

        snprintf(packet, sizeof packet, "42[\"enter\",{\"room\":\"%c\"}]", c);
        peer_say(ws, packet);
    }
    peer_expect_event(peer, NULL);
    peer_say(ws, "42[\"enter\",{\"room\":\"d\"}]");
    peer_expect_event(peer, "too many questions");
    peer_check(peer, held_count == 3);
    peer_check(peer, skio_guard_allow(held[0]) == SKIO_OK);
    peer_expect_event(peer, "inside");
    peer_check(peer, skio_guard_deny(held[1], NULL) == SKIO_OK);
    peer_expect_event(peer, "forbidden");
    peer_say(ws, "42[\"enter\",{\"room\":\"open\"}]");
    peer_expect_event(peer, "inside");
    peer_say(ws, "42[\"enter\",{\"room\":\"d\"}]");
    peer_expect_event(peer, "too many rooms");
    /* The reason is handed on as it is, for the program to judge. */
    peer_check(peer, skio_guard_deny(held[2], "no\xff") == SKIO_OK);
    peer_expect_event(peer, "no\xff");
}

SCENARIO(who_waits_too_long_is_told_once, NULL, guarded)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"enter\",{\"room\":\"a\"}]");
    peer_wait(peer, 9999);
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "timeout");
    peer_check(peer, held_count == 1);
    peer_check(peer, skio_guard_allow(held[0]) == SKIO_ETIMEDOUT);
    peer_expect_event(peer, NULL);
}

SCENARIO(who_has_gone_is_told_of_once, NULL, guarded)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"enter\",{\"room\":\"a\"}]");
    peer_say(ws, "42[\"enter\",{\"room\":\"b\"}]");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "closed (gone)");
    peer_expect_event(peer, "closed (gone)");
    peer_check(peer, held_count == 2);
    peer_check(peer, skio_guard_socket(held[0]) == NULL);
    peer_check(peer, skio_guard_allow(held[0]) == SKIO_ECLOSED);
    peer_check(peer, skio_guard_deny(held[1], NULL) == SKIO_ECLOSED);
    peer_expect_event(peer, NULL);
}

/* Whoever is told of one gives all of them back: none is touched after it. */
SCENARIO(all_verdicts_may_come_from_within, NULL, guarded_from_within)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"enter\",{\"room\":\"a\"}]");
    peer_say(ws, "42[\"enter\",{\"room\":\"b\"}]");
    peer_say(ws, "42[\"enter\",{\"room\":\"c\"}]");
    peer_hang_up(ws, true);
    /* The third is given back first, inside it the second, and in that the one
     * that began it. */
    peer_expect_event(peer, "closed (gone)");
    peer_expect_event(peer, "closed (gone)");
    peer_expect_event(peer, "closed (gone)");
    peer_expect_event(peer, "SKIO_ECLOSED");
    peer_expect_event(peer, "SKIO_ECLOSED");
    peer_expect_event(peer, "SKIO_ECLOSED");
    peer_expect_event(peer, NULL);
    peer_check(peer, made == SKIO_OK && held_count == 0);
}

SCENARIO(a_verdict_may_come_from_within_a_timeout, NULL, guarded_from_within)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"enter\",{\"room\":\"a\"}]");
    peer_wait(peer, 10000);
    peer_expect_event(peer, "timeout");
    peer_expect_event(peer, "SKIO_ETIMEDOUT");
    peer_expect_event(peer, NULL);
    peer_check(peer, held_count == 0);
}

/* What is still held then goes with the server, and is told of. */
SCENARIO(the_server_s_end_is_told, NULL, guarded)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"enter\",{\"room\":\"a\"}]");
    peer_check(peer, held_count == 1);
    skio_disconnect(skio_guard_socket(held[0]), true);
    peer_expect_event(peer, "closed (gone)");
}

static void
without_events(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    skio_guard_options_init(&own);
    own.join = NULL;
    peer_check(peer, skio_guard_rooms(root, judge, peer, &own) == SKIO_EINVAL);
    own.join = "same";
    own.leave = "same";
    peer_check(peer,
               skio_guard_new(root, judge, peer, &own, &guard) == SKIO_EINVAL);
    peer_check(peer, skio_listeners(root, "same") == 0);
}

static void
options_are_checked(void **state)
{
    static const struct peer_plan plan = {NULL, NULL, without_events};

    (void)state;
    peer_run_once(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_question_has_one_answer),
        cmocka_unit_test(the_guard_refuses_as_it_does_clients),
        cmocka_unit_test(who_waits_too_long_is_told_once),
        cmocka_unit_test(who_has_gone_is_told_of_once),
        cmocka_unit_test(all_verdicts_may_come_from_within),
        cmocka_unit_test(a_verdict_may_come_from_within_a_timeout),
        cmocka_unit_test(the_server_s_end_is_told),
        cmocka_unit_test(options_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
