/*
 * Shapes: events are checked before their handlers run
 */
#include "scenario/sio.h"

#include <socketio/shapes.h>

static skio_shapes *shapes;
static skio_shapes_options own;

static void
note_refused(skio_socket *socket, const char *event, const char *path,
             const char *why, void *user)
{
    (void)socket;
    peer_note(user, "refused %s %s: %s", event, path, why);
}

static void
note_error(skio_socket *socket, int err, const char *event, void *user)
{
    (void)socket;
    peer_note(user, "%s %s", skio_err_name(err), event);
}

static bool
note_count(const char *event, uint64_t checked, uint64_t refused, void *user)
{
    peer_note(user, "%s %d/%d", event, (int)refused, (int)checked);
    return strcmp(event, "stop") != 0;
}

static void
answer_ok(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    sio_note_event(socket, args, ack, user);
    (void)skio_ack_send(ack, "'ok'");
}

/* Shapes of "/", with the options of `own`. */
static void
with_options(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    shapes = NULL;
    own.user = peer;
    if (skio_shapes_new(root, &own, &shapes) == SKIO_OK) {
        static const char *const declared[][2] = {
            {"chat", "string(1..20), {to?: string(..8)}?"},
            {"file", "bytes(..4)"},
            {"count", "{n: int(0..9)}"},
        };

        for (size_t i = 0; i < 3; i++)
            if (skio_shapes_add(shapes, declared[i][0], declared[i][1], NULL,
                                NULL) != SKIO_OK)
                peer_note(peer, "no %s", declared[i][0]);
    }
    (void)skio_on(root, "chat", answer_ok, peer);
    (void)skio_on(root, "file", answer_ok, peer);
    (void)skio_on(root, "count", answer_ok, peer);
    (void)skio_on(root, "free", answer_ok, peer);
}

static void
with_defaults(struct peer *peer)
{
    skio_shapes_options_init(&own);
    with_options(peer);
}

static void
watched(struct peer *peer)
{
    skio_shapes_options_init(&own);
    own.refused = note_refused;
    with_options(peer);
    (void)skio_on_error(skio_of(peer->server, "/"), note_error, peer);
}

SCENARIO(what_fits_comes_to_the_handler, NULL, watched)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "421[\"chat\",\"hello\",{\"to\":\"all\"}]");
    peer_expect(ws, "431[\"ok\"]");
    peer_expect_event(peer, "event [\"hello\",{\"to\":\"all\"}] ack");
    peer_say(ws, "42[\"chat\",\"hello\"]");
    peer_expect_event(peer, "event [\"hello\"]");
    /* One without a shape is nobody's business. */
    peer_say(ws, "422[\"free\",[{}]]");
    peer_expect(ws, "432[\"ok\"]");
    peer_expect_event(peer, "event [[{}]] ack");
    peer_say(ws, "451-[\"file\",{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(ws, "abcd", 4, true);
    peer_expect_event(peer, "event [{\"_placeholder\":true,\"num\":0}]");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_refusal_reaches_the_ack_and_no_handler, NULL, watched)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "421[\"chat\",\"\"]");
    peer_expect(ws, "431[{\"error\":\"invalid\",\"path\":\"0\","
                    "\"reason\":\"too short\"}]");
    peer_expect_event(peer, "refused chat 0: too short");
    peer_expect_event(peer, "SKIO_EINVAL chat");
    peer_say(ws, "422[\"chat\",\"x\",{\"from\":1}]");
    peer_expect(ws, "432[{\"error\":\"invalid\",\"path\":\"1.from\","
                    "\"reason\":\"unknown key\"}]");
    peer_expect_event(peer, "refused chat 1.from: unknown key");
    peer_expect_event(peer, "SKIO_EINVAL chat");
    peer_say(ws, "423[\"count\",{\"n\":1},2]");
    peer_expect(ws, "433[{\"error\":\"invalid\",\"path\":\"1\","
                    "\"reason\":\"too many\"}]");
    peer_expect_event(peer, "refused count 1: too many");
    peer_expect_event(peer, "SKIO_EINVAL count");
    /* What only looks like an attachment is an object. */
    peer_say(ws, "424[\"file\",{\"_placeholder\":true,\"num\":0}]");
    peer_expect(ws, "434[{\"error\":\"invalid\",\"path\":\"0\","
                    "\"reason\":\"not binary\"}]");
    peer_expect_event(peer, "refused file 0: not binary");
    peer_expect_event(peer, "SKIO_EINVAL file");
    peer_say(ws, "451-5[\"file\",{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(ws, "abcde", 5, true);
    peer_expect(ws, "435[{\"error\":\"invalid\",\"path\":\"0\","
                    "\"reason\":\"too long\"}]");
    peer_expect_event(peer, "refused file 0: too long");
    peer_expect_event(peer, "SKIO_EINVAL file");
    /* Dropped, as nobody asked. */
    peer_say(ws, "42[\"count\",{\"n\":10}]");
    peer_expect_nothing(ws);
    peer_expect_event(peer, "refused count 0.n: too large");
    peer_expect_event(peer, "SKIO_EINVAL count");

    skio_shapes_each(shapes, note_count, peer);
    peer_expect_event(peer, "chat 2/2");
    peer_expect_event(peer, "count 2/2");
    peer_expect_event(peer, "file 2/2");
    peer_expect_event(peer, NULL);
}

static void
emitting(struct peer *peer)
{
    skio_shapes_options_init(&own);
    own.silent = SKIO_SHAPES_EMIT;
    own.notice = "bad";
    own.refuse_others = true;
    own.refused = note_refused;
    with_options(peer);
}

SCENARIO(without_an_ack_an_event_can_be_sent, NULL, emitting)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"chat\",1]");
    peer_expect(ws, "42[\"bad\",{\"event\":\"chat\",\"error\":\"invalid\","
                    "\"path\":\"0\",\"reason\":\"not a string\"}]");
    peer_expect_event(peer, "refused chat 0: not a string");
    /* The client's name for it is repeated to nobody. */
    peer_say(ws, "42[\"free\"]");
    peer_expect(ws, "42[\"bad\",{\"event\":\"\",\"error\":\"invalid\","
                    "\"path\":\"\",\"reason\":\"unknown event\"}]");
    peer_expect_event(peer, "refused  : unknown event");
    peer_say(ws, "429[\"fr\\u0000ee\"]");
    peer_expect(ws, "439[{\"error\":\"invalid\",\"path\":\"\","
                    "\"reason\":\"unknown event\"}]");
    peer_expect_event(peer, "refused  : unknown event");
    skio_shapes_each(shapes, note_count, peer);
    peer_expect_event(peer, " 2/2");
    peer_expect_event(peer, "chat 1/1");
}

static void
disconnecting(struct peer *peer)
{
    skio_shapes_options_init(&own);
    own.silent = SKIO_SHAPES_DISCONNECT;
    own.refused = note_refused;
    with_options(peer);
    (void)skio_on_disconnect(skio_of(peer->server, "/"), sio_note_disconnect,
                             peer);
}

SCENARIO(without_an_ack_the_connection_can_be_closed, NULL, disconnecting)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    /* Who asks is answered and stays. */
    peer_say(ws, "421[\"chat\",1]");
    peer_expect_prefix(ws, "431[{\"error\":\"invalid\"");
    peer_expect_event(peer, "refused chat 0: not a string");
    peer_say(ws, "42[\"chat\",1]");
    peer_expect_event(peer, "disconnect / server namespace disconnect");
    peer_expect_event(peer, "refused chat 0: not a string");
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
}

static void
disconnect_it(skio_socket *socket, const char *event, const char *path,
              const char *why, void *user)
{
    note_refused(socket, event, path, why, user);
    skio_disconnect(socket, false);
    /* A new shape in the midst of a check. */
    if (skio_shapes_add(shapes, "aaa", "int", NULL, NULL) == SKIO_OK)
        peer_note(user, "added");
}

static void
disconnecting_inside(struct peer *peer)
{
    skio_shapes_options_init(&own);
    own.refused = disconnect_it;
    with_options(peer);
}

SCENARIO(the_callback_may_disconnect_and_add_shapes, NULL, disconnecting_inside)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "421[\"chat\"]");
    peer_expect(ws, "431[{\"error\":\"invalid\",\"path\":\"0\","
                    "\"reason\":\"missing\"}]");
    peer_expect(ws, "41");
    peer_expect_event(peer, "refused chat 0: missing");
    peer_expect_event(peer, "added");
    peer_expect_event(peer, NULL);
    peer_check(peer,
               skio_shapes_add(shapes, "aaa", "int", NULL, NULL) == SKIO_EBUSY);
}

static void
by_the_parent(struct peer *peer)
{
    skio_nsp *parent = skio_of_pattern(peer->server, "/room-*");

    shapes = NULL;
    if (parent == NULL)
        return;
    (void)skio_on(parent, "chat", answer_ok, peer);
    if (skio_shapes_new(parent, NULL, &shapes) == SKIO_OK &&
        skio_shapes_add(shapes, "chat", "string", NULL, NULL) != SKIO_OK)
        peer_note(peer, "no shape");
}

SCENARIO(namespaces_on_demand_have_those_of_their_parent, NULL, by_the_parent)
{
    struct peer_ws *ws = peer_websocket(peer);

    (void)sio_join(ws, "/room-1");
    peer_say(ws, "42/room-1,1[\"chat\",7]");
    peer_expect(ws, "43/room-1,1[{\"error\":\"invalid\",\"path\":\"0\","
                    "\"reason\":\"not a string\"}]");
    peer_say(ws, "42/room-1,2[\"chat\",\"7\"]");
    peer_expect(ws, "43/room-1,2[\"ok\"]");
    peer_expect_event(peer, "event [\"7\"] ack");
}

SCENARIO(what_is_no_declaration_is_refused, NULL, with_defaults)
{
    const char *why = "";
    size_t at = 0;
    int err;

    peer_check(peer, shapes != NULL);
    err = skio_shapes_add(shapes, "x", "{a: in}", &at, &why);
    peer_check(peer, err == SKIO_EINVAL && at == 4);
    peer_check(peer, strcmp(why, "an unknown type") == 0);
    err = skio_shapes_add(shapes, "", "int", &at, &why);
    peer_check(peer, err == SKIO_EINVAL && at == 0);
    peer_check(peer, strcmp(why, "the event has no name") == 0);
    err = skio_shapes_add(shapes, "chat", "int", NULL, NULL);
    peer_check(peer, err == SKIO_EBUSY);
    skio_shapes_each(shapes, note_count, peer);
    peer_expect_event(peer, "chat 0/0");
    peer_expect_event(peer, "count 0/0");
    peer_expect_event(peer, "file 0/0");
    peer_expect_event(peer, NULL);
    err = skio_shapes_add(shapes, "stop", "", NULL, NULL);
    peer_check(peer, err == SKIO_OK);
    err = skio_shapes_add(shapes, "zzz", "", NULL, NULL);
    peer_check(peer, err == SKIO_OK);
    skio_shapes_each(shapes, note_count, peer);
    peer_expect_event(peer, "chat 0/0");
    peer_expect_event(peer, "count 0/0");
    peer_expect_event(peer, "file 0/0");
    peer_expect_event(peer, "stop 0/0");
    peer_expect_event(peer, NULL);
}

static void
options_without_meaning(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_shapes *made = NULL;

    skio_shapes_options_init(&own);
    own.silent = (enum skio_shapes_silent)3;
    peer_check(peer, skio_shapes_new(root, &own, &made) == SKIO_EINVAL);
    own.silent = SKIO_SHAPES_EMIT;
    own.notice = NULL;
    peer_check(peer, skio_shapes_new(root, &own, &made) == SKIO_EINVAL);
    own.notice = "disconnect";
    peer_check(peer, skio_shapes_new(root, &own, &made) == SKIO_EINVAL);
    own.silent = SKIO_SHAPES_DROP;
    peer_check(peer, made == NULL);
    peer_check(peer, skio_shapes_new(root, &own, &made) == SKIO_OK);
    /* No byte past struct_size is read or written. */
    memset(&own, 0x5a, sizeof own);
    skio_shapes_options_init_size(&own, offsetof(skio_shapes_options, notice));
    peer_check(peer, (uintptr_t)own.notice != (uintptr_t)NULL);
    own.silent = SKIO_SHAPES_DISCONNECT;
    peer_check(peer, skio_shapes_new(root, &own, &made) == SKIO_OK);
}

static void
options_are_checked(void **state)
{
    static const struct peer_plan plan = {NULL, NULL, options_without_meaning};

    (void)state;
    peer_run_once(&plan);
}

/* The same event over and over: the first ones make the queues and arenas. */
static void
check_many(struct peer *peer)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    size_t calls = 0;

    for (int i = 0; i < 100; i++) {
        if (i == 10)
            calls = peer->alloc.calls;
        peer_say(ws, "42[\"chat\",\"hello, world\",{\"to\":\"all\"}]");
    }
    peer_check(peer, peer->alloc.calls == calls);
}

static void
say_nothing(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    (void)socket;
    (void)args;
    (void)ack;
    ++*(int *)user;
}

static int handled;

static void
counting(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    with_defaults(peer);
    (void)skio_off(root, "chat", NULL, NULL);
    (void)skio_on(root, "chat", say_nothing, &handled);
}

static void
a_check_that_succeeds_allocates_nothing(void **state)
{
    static const struct peer_plan plan = {NULL, counting, check_many};

    (void)state;
    handled = 0;
    peer_run_once(&plan);
    assert_int_equal(handled, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_comes_to_the_handler),
        cmocka_unit_test(a_refusal_reaches_the_ack_and_no_handler),
        cmocka_unit_test(without_an_ack_an_event_can_be_sent),
        cmocka_unit_test(without_an_ack_the_connection_can_be_closed),
        cmocka_unit_test(the_callback_may_disconnect_and_add_shapes),
        cmocka_unit_test(namespaces_on_demand_have_those_of_their_parent),
        cmocka_unit_test(what_is_no_declaration_is_refused),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_check_that_succeeds_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
