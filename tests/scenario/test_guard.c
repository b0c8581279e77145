/*
 * The join guard: verdicts at once, later, too late and twice; what is refused
 * without asking; limits
 */
#include "scenario/sio.h"

#include <socketio/guard.h>

#define HELD_MAX 8

static skio_guard_options own;
static skio_guard_ask *held[HELD_MAX];
static unsigned held_count;
static int made; /* what skio_guard_rooms() returned */

static void
note(struct peer *peer, int err)
{
    peer_note(peer, "%s", skio_err_name(err));
}

/* Say what the room's name asks for. */
static void
judge(skio_guard_ask *ask, skio_socket *socket, const char *room,
      const skio_value *args, void *user)
{
    struct peer *peer = user;
    const char *key = skio_get_str(args, "1");

    if (strncmp(room, "yes", 3) == 0) {
        note(peer, skio_guard_allow(ask));
    } else if (strcmp(room, "no") == 0) {
        note(peer, skio_guard_deny(ask, NULL));
    } else if (strcmp(room, "key") == 0) {
        note(peer, key != NULL && strcmp(key, "secret") == 0
                       ? skio_guard_allow(ask)
                       : skio_guard_deny(ask, "wrong \"key\""));
    } else if (strcmp(room, "twice") == 0) {
        note(peer, skio_guard_allow(ask));
        note(peer, skio_guard_deny(ask, NULL));
        note(peer, skio_guard_allow(ask));
    } else if (strcmp(room, "bad reason") == 0) {
        note(peer, skio_guard_deny(ask, "\xff"));
    } else if (strcmp(room, "gone") == 0) {
        skio_disconnect(socket, false);
        peer_note(peer, "%s", skio_guard_socket(ask) == NULL ? "gone" : "here");
        note(peer, skio_guard_allow(ask));
    } else if (peer->probes || held_count == HELD_MAX) {
        (void)skio_guard_deny(ask, NULL);
    } else {
        if (strcmp(room, "gone later") == 0)
            skio_disconnect(socket, false);
        peer_note(peer, "later %s", skio_guard_room(ask));
        held[held_count++] = ask;
    }
}

/* What is still held goes with the server. */
static void
guarded_with(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    held_count = 0;
    made = skio_guard_rooms(root, judge, peer, &own);
    (void)skio_on_disconnect(root, sio_note_disconnect, peer);
}

static void
guarded(struct peer *peer)
{
    skio_guard_options_init(&own);
    guarded_with(peer);
}

static bool
is_in(struct peer *peer, skio_socket *socket, const char *room)
{
    peer_check(peer, made == SKIO_OK);
    return skio_in_room(socket, room);
}

/* The verdict about what is held, and what has to come of it. */
static void
verdict(struct peer *peer, int err, int wanted)
{
    peer_check(peer, err == wanted);
    peer_flush(peer);
}

static void
allow(struct peer *peer, unsigned i, int wanted)
{
    verdict(peer, skio_guard_allow(held[i]), wanted);
}

static void
deny(struct peer *peer, unsigned i, const char *reason, int wanted)
{
    verdict(peer, skio_guard_deny(held[i], reason), wanted);
}

SCENARIO(yes_and_no_at_once, NULL, guarded)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "421[\"join\",\"yes\"]");
    peer_expect(ws, "431[{\"ok\":true}]");
    peer_expect_event(peer, "SKIO_OK");
    peer_check(peer, is_in(peer, socket, "yes"));
    peer_say(ws, "422[\"join\",\"no\"]");
    peer_expect(ws, "432[{\"ok\":false,\"error\":\"forbidden\"}]");
    peer_expect_event(peer, "SKIO_OK");
    peer_check(peer, !is_in(peer, socket, "no"));
    peer_say(ws, "423[\"join\",\"key\",\"guess\"]");
    peer_expect(ws, "433[{\"ok\":false,\"error\":\"wrong \\\"key\\\"\"}]");
    peer_expect_event(peer, "SKIO_OK");
    peer_say(ws, "42[\"join\",\"key\",\"secret\"]");
    peer_expect_event(peer, "SKIO_OK");
    peer_check(peer, is_in(peer, socket, "key"));
    /* Who is inside already is not judged again. */
    peer_say(ws, "424[\"join\",\"key\"]");
    peer_expect(ws, "434[{\"ok\":true}]");
    peer_expect_event(peer, NULL);

    peer_say(ws, "425[\"leave\",\"key\"]");
    peer_expect(ws, "435[{\"ok\":true}]");
    peer_check(peer, !is_in(peer, socket, "key"));
    peer_say(ws, "426[\"leave\",\"key\"]");
    peer_expect(ws, "436[{\"ok\":false,\"error\":\"not inside\"}]");
    peer_say(ws, "427[\"leave\"]");
    peer_expect(ws, "437[{\"ok\":false,\"error\":\"bad room\"}]");
}

SCENARIO(a_second_verdict_changes_nothing, NULL, guarded)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "421[\"join\",\"twice\"]");
    peer_expect(ws, "431[{\"ok\":true}]");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_check(peer, is_in(peer, socket, "twice"));
    peer_say(ws, "422[\"join\",\"bad reason\"]");
    peer_expect(ws, "432[{\"ok\":false,\"error\":\"forbidden\"}]");
    peer_expect_event(peer, "SKIO_EINVAL");
}

SCENARIO(a_verdict_may_come_later, NULL, guarded)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "421[\"join\",\"a\"]");
    peer_say(ws, "422[\"join\",\"b\"]");
    peer_say(ws, "42[\"join\",\"c\"]");
    peer_expect_nothing(ws);
    peer_expect_event(peer, "later a");
    peer_expect_event(peer, "later b");
    peer_expect_event(peer, "later c");
    peer_check(peer, held_count == 3);
    peer_check(peer, skio_guard_socket(held[1]) == socket);
    deny(peer, 1, "not you", SKIO_OK);
    peer_expect(ws, "432[{\"ok\":false,\"error\":\"not you\"}]");
    allow(peer, 0, SKIO_OK);
    allow(peer, 2, SKIO_OK);
    peer_expect(ws, "431[{\"ok\":true}]");
    peer_expect_nothing(ws);
    peer_check(peer, is_in(peer, socket, "a") && !is_in(peer, socket, "b") &&
                         is_in(peer, socket, "c"));
}

SCENARIO(a_verdict_about_who_has_gone_is_safe, NULL, guarded)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "421[\"join\",\"a\"]");
    peer_say(ws, "422[\"join\",\"b\"]");
    peer_expect_event(peer, "later a");
    peer_expect_event(peer, "later b");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "disconnect / transport close");
    peer_check(peer, held_count == 2);
    peer_check(peer, skio_guard_socket(held[0]) == NULL);
    peer_check(peer, strcmp(skio_guard_room(held[1]), "b") == 0);
    allow(peer, 0, SKIO_ECLOSED);
    deny(peer, 1, "no", SKIO_ECLOSED);
}

SCENARIO(the_guard_may_disconnect, NULL, guarded)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "421[\"join\",\"gone\"]");
    peer_expect(ws, "41");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, "gone");
    peer_expect_event(peer, "SKIO_ECLOSED");
    (void)sio_join(ws, "");
    peer_say(ws, "422[\"join\",\"gone later\"]");
    peer_expect(ws, "41");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, "later gone later");
    peer_check(peer, held_count == 1);
    deny(peer, 0, NULL, SKIO_ECLOSED);
}

static void
leave_at_once(skio_nsp *nsp, enum skio_room_event event, const char *room,
              skio_socket *socket, void *user)
{
    (void)nsp;
    if (event != SKIO_ROOM_JOIN || strcmp(room, "a") != 0)
        return;
    /* The verdict that is being executed. */
    note(user, skio_guard_deny(held[0], NULL));
    skio_disconnect(socket, false);
}

static void
left_at_once(struct peer *peer)
{
    guarded(peer);
    (void)skio_on_room(skio_of(peer->server, "/"), leave_at_once, peer);
}

SCENARIO(who_watches_the_room_may_disconnect, NULL, left_at_once)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "421[\"join\",\"a\"]");
    peer_expect_event(peer, "later a");
    peer_check(peer, held_count == 1);
    allow(peer, 0, SKIO_ECLOSED);
    peer_expect(ws, "41");
    peer_expect_event(peer, "SKIO_EBUSY");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
}

SCENARIO(who_waits_too_long_is_told_no, NULL, guarded)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "421[\"join\",\"a\"]");
    peer_wait(peer, 4000);
    peer_say(ws, "422[\"join\",\"b\"]");
    peer_wait(peer, 5999);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect(ws, "431[{\"ok\":false,\"error\":\"timeout\"}]");
    peer_wait(peer, 3999);
    peer_expect_nothing(ws);
    peer_check(peer, held_count == 2);
    allow(peer, 1, SKIO_OK);
    peer_expect(ws, "432[{\"ok\":true}]");
    peer_wait(peer, 10000);
    allow(peer, 0, SKIO_ETIMEDOUT);
    peer_check(peer, !is_in(peer, socket, "a"));
    peer_check(peer, is_in(peer, socket, "b"));
}

static void
patient(struct peer *peer)
{
    static const char *const reserved[] = {"user:", "admin", NULL};

    skio_guard_options_init(&own);
    own.timeout_ms = 0;
    own.reserved = reserved;
    own.join = "enter";
    own.leave = NULL;
    own.max_name_bytes = 20;
    guarded_with(peer);
}

SCENARIO(without_a_timeout_it_is_waited_for, NULL, patient)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "421[\"enter\",\"a\"]");
    peer_expect_event(peer, "later a");
    peer_wait(peer, 15000);
    peer_expect_nothing(ws);
    /* There is no event to leave by. */
    peer_say(ws, "422[\"leave\",\"a\"]");
    peer_expect_nothing(ws);
}

SCENARIO(some_names_are_refused_without_asking, NULL, patient)
{
    static const struct {
        const char *room;
        const char *error;
    } cases[] = {
        {"\"\"", "bad room"},
        {"1", "bad room"},
        {"null", "bad room"},
        {"[\"yes\"]", "bad room"},
        {"\"yes\\u0000\"", "bad room"},
        {"\"yes456789.123456789.1\"", "bad room"},
        {"\"user:1\"", "reserved"},
        {"\"user:\"", "reserved"},
        {"\"admin\"", "reserved"},
        {"\"administrators\"", "reserved"},
        {"\"yes_-6789012345678Zz\"", "reserved"},
        {"\"/x#yes456789.1\"", NULL},
    };
    skio_socket *other;
    skio_socket *socket;
    struct peer_ws *ws;
    char text[128];

    (void)sio_connect(peer, &other);
    ws = sio_connect(peer, &socket);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "421[\"enter\",%s]", cases[i].room);
        peer_say(ws, text);
        if (cases[i].error == NULL) {
            peer_expect_event(peer, "later /x#yes456789.1");
            continue;
        }
        snprintf(text, sizeof text, "431[{\"ok\":false,\"error\":\"%s\"}]",
                 cases[i].error);
        peer_expect(ws, text);
    }
    peer_say(ws, "421[\"enter\"]");
    peer_expect(ws, "431[{\"ok\":false,\"error\":\"bad room\"}]");
    snprintf(text, sizeof text, "421[\"enter\",\"%s\"]", skio_socket_id(other));
    peer_say(ws, text);
    peer_expect(ws, "431[{\"ok\":false,\"error\":\"reserved\"}]");
    /* The longest name there may be; and one that is nearly reserved. */
    peer_say(ws, "421[\"enter\",\"yes456789.123456789.\"]");
    peer_expect(ws, "431[{\"ok\":true}]");
    peer_say(ws, "422[\"enter\",\"yes:user:\"]");
    peer_expect(ws, "432[{\"ok\":true}]");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_OK");
    peer_check(peer, !is_in(peer, socket, skio_socket_id(other)));
}

static void
with_ids(struct peer *peer)
{
    skio_guard_options_init(&own);
    own.allow_ids = true;
    own.max_rooms = 2;
    own.max_asks = 2;
    own.max_asks_all = 3;
    guarded_with(peer);
}

SCENARIO(ids_may_be_allowed, NULL, with_ids)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "421[\"join\",\"yes_-6789012345678Zz\"]");
    peer_expect(ws, "431[{\"ok\":true}]");
    peer_check(peer, is_in(peer, socket, "yes_-6789012345678Zz"));
}

SCENARIO(a_socket_has_so_many_rooms, NULL, with_ids)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    /* Asked before the limit is reached; the verdict comes after it. */
    peer_say(ws, "421[\"join\",\"late\"]");
    peer_expect_event(peer, "later late");
    peer_say(ws, "422[\"join\",\"yes1\"]");
    peer_expect(ws, "432[{\"ok\":true}]");
    peer_say(ws, "423[\"join\",\"yes2\"]");
    peer_expect(ws, "433[{\"ok\":true}]");
    peer_say(ws, "424[\"join\",\"yes3\"]");
    peer_expect(ws, "434[{\"ok\":false,\"error\":\"too many rooms\"}]");
    peer_check(peer, held_count == 1);
    allow(peer, 0, SKIO_ELIMIT);
    peer_expect(ws, "431[{\"ok\":false,\"error\":\"too many rooms\"}]");
    peer_say(ws, "425[\"leave\",\"yes1\"]");
    peer_expect(ws, "435[{\"ok\":true}]");
    peer_say(ws, "426[\"join\",\"yes3\"]");
    peer_expect(ws, "436[{\"ok\":true}]");
    /* Inside it already: no other. */
    peer_say(ws, "427[\"join\",\"yes2\"]");
    peer_expect(ws, "437[{\"ok\":true}]");
    peer_check(peer, is_in(peer, socket, "yes3"));
}

SCENARIO(so_many_questions_wait, NULL, with_ids)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    struct peer_ws *other = sio_connect(peer, NULL);

    peer_say(ws, "421[\"join\",\"a\"]");
    peer_say(ws, "422[\"join\",\"b\"]");
    peer_expect_nothing(ws);
    peer_say(ws, "423[\"join\",\"c\"]");
    peer_expect(ws, "433[{\"ok\":false,\"error\":\"too many questions\"}]");
    peer_say(other, "421[\"join\",\"a\"]");
    peer_expect_nothing(other);
    peer_say(other, "422[\"join\",\"b\"]");
    peer_expect(other, "432[{\"ok\":false,\"error\":\"busy\"}]");
    peer_check(peer, held_count == 3);
    deny(peer, 0, NULL, SKIO_OK);
    peer_expect_prefix(ws, "431[");
    peer_say(other, "423[\"join\",\"b\"]");
    peer_expect_nothing(other);
    /* One that has gone counts until its verdict. */
    peer_hang_up(other, true);
    peer_say(ws, "424[\"join\",\"c\"]");
    peer_expect(ws, "434[{\"ok\":false,\"error\":\"busy\"}]");
    peer_check(peer, held_count == 4);
    allow(peer, 3, SKIO_ECLOSED);
    peer_say(ws, "425[\"join\",\"c\"]");
    peer_expect_nothing(ws);
}

static void
few_rooms(skio_server_options *options)
{
    options->max_rooms = 2;
    options->max_name_bytes = 10;
}

/* The server's limits are below those of the guard. */
SCENARIO(what_the_server_refuses_is_told, few_rooms, guarded)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_say(ws, "421[\"join\",\"yes4567890\"]");
    peer_expect(ws, "431[{\"ok\":true}]");
    peer_expect_event(peer, "SKIO_OK");
    peer_say(ws, "422[\"join\",\"yes45678901\"]");
    peer_expect(ws, "432[{\"ok\":false,\"error\":\"bad room\"}]");
    peer_expect_event(peer, "SKIO_EINVAL");
    peer_say(ws, "423[\"join\",\"yes1\"]");
    peer_expect(ws, "433[{\"ok\":true}]");
    peer_expect_event(peer, "SKIO_OK");
    peer_say(ws, "424[\"join\",\"yes2\"]");
    peer_expect(ws, "434[{\"ok\":false,\"error\":\"too many rooms\"}]");
    peer_expect_event(peer, "SKIO_ELIMIT");
    peer_check(peer, !is_in(peer, socket, "yes2"));
}

static void
on_demand(struct peer *peer)
{
    skio_nsp *parent = skio_of_pattern(peer->server, "/on-*");

    held_count = 0;
    skio_guard_options_init(&own);
    made = parent != NULL ? skio_guard_rooms(parent, judge, peer, NULL)
                          : SKIO_ENOMEM;
}

SCENARIO(namespaces_on_demand_are_guarded_by_their_parent, NULL, on_demand)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_socket *socket = sio_join(ws, "/on-1");

    peer_say(ws, "42/on-1,1[\"join\",\"yes\"]");
    peer_expect(ws, "43/on-1,1[{\"ok\":true}]");
    peer_check(peer, is_in(peer, socket, "yes"));
    peer_say(ws, "42/on-1,2[\"join\",\"a\"]");
    peer_say(ws, "41/on-1,");
    peer_check(peer, held_count == 1);
    peer_check(peer, skio_guard_socket(held[0]) == NULL);
    peer_check(peer, skio_guard_allow(held[0]) == SKIO_ECLOSED);
}

static void
options_without_meaning(struct peer *peer)
{
    static const char *const empty[] = {"a:", "", NULL};
    skio_nsp *root = skio_of(peer->server, "/");

#define REFUSED(change)                                                        \
    skio_guard_options_init(&own);                                             \
    own.change;                                                                \
    peer_check(peer, skio_guard_rooms(root, judge, peer, &own) == SKIO_EINVAL)

    REFUSED(join = NULL);
    REFUSED(join = "disconnect");
    REFUSED(leave = "disconnect");
    REFUSED(leave = "join");
    REFUSED(reserved = empty);
    REFUSED(max_name_bytes = 0);
    REFUSED(max_rooms = 0);
    REFUSED(max_asks = 0);
    REFUSED(max_asks_all = 0);
    peer_check(peer, skio_listeners(root, "join") == 0);
    peer_check(peer, skio_listeners(root, "leave") == 0);
}

static void
options_are_checked(void **state)
{
    static const struct peer_plan plan = {NULL, NULL, options_without_meaning};

    (void)state;
    peer_run_once(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yes_and_no_at_once),
        cmocka_unit_test(a_second_verdict_changes_nothing),
        cmocka_unit_test(a_verdict_may_come_later),
        cmocka_unit_test(a_verdict_about_who_has_gone_is_safe),
        cmocka_unit_test(the_guard_may_disconnect),
        cmocka_unit_test(who_watches_the_room_may_disconnect),
        cmocka_unit_test(who_waits_too_long_is_told_no),
        cmocka_unit_test(without_a_timeout_it_is_waited_for),
        cmocka_unit_test(some_names_are_refused_without_asking),
        cmocka_unit_test(ids_may_be_allowed),
        cmocka_unit_test(a_socket_has_so_many_rooms),
        cmocka_unit_test(so_many_questions_wait),
        cmocka_unit_test(what_the_server_refuses_is_told),
        cmocka_unit_test(namespaces_on_demand_are_guarded_by_their_parent),
        cmocka_unit_test(options_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
