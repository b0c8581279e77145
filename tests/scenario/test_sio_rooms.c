/*
 * Rooms, broadcasts, and what is done to many sockets at once
 */
#include "scenario/sio.h"

#define CROWD 1000

static struct peer_ws *ws[4];
static skio_socket *sockets[4];

static skio_nsp *
root_of(struct peer *peer)
{
    return skio_of(peer->server, "/");
}

/* Four sockets: 0 in a, 1 in a and b, 2 in b, 3 in none. */
static void
four(struct peer *peer)
{
    for (size_t i = 0; i < 4; i++)
        ws[i] = sio_connect(peer, &sockets[i]);
    peer_check(peer, skio_join(sockets[0], "a") == SKIO_OK);
    peer_check(peer, skio_join(sockets[1], "a") == SKIO_OK);
    peer_check(peer, skio_join(sockets[1], "b") == SKIO_OK);
    peer_check(peer, skio_join(sockets[2], "b") == SKIO_OK);
}

/* Exactly these of the four got the packet, once. */
static void
expect_reached(struct peer *peer, const char *packet, const char *who)
{
    peer_flush(peer);
    for (int i = 0; i < 4; i++) {
        if (strchr(who, '0' + i) != NULL)
            peer_expect(ws[i], packet);
        peer_expect_nothing(ws[i]);
    }
}

static bool
note_room(const char *room, void *user)
{
    peer_note(user, "room %s", strlen(room) == 20 ? "own" : room);
    return true;
}

static bool
stop_at_once(const char *room, void *user)
{
    (void)note_room(room, user);
    return false;
}

SCENARIO(a_broadcast_reaches_its_target_once, NULL, NULL)
{
    const char packet[] = "42[\"e\",1]";
    skio_nsp *root = root_of(peer);

    four(peer);
    peer_check(peer, skio_emit_all(root, "e", "1") == SKIO_OK);
    expect_reached(peer, packet, "0123");
    peer_check(peer, skio_emit_to(root, "a", "e", "1") == SKIO_OK);
    expect_reached(peer, packet, "01");
    peer_check(peer, skio_emit_to(root, "none", "e", "1") == SKIO_OK);
    expect_reached(peer, packet, "");
    peer_check(peer, skio_emit_to(root, skio_socket_id(sockets[3]), "e", "1") ==
                         SKIO_OK);
    expect_reached(peer, packet, "3");
    peer_check(peer,
               skio_emit_with(root,
                              SKIO_TARGET(.to = SKIO_ROOMS("a", "b", "a")), "e",
                              "1") == SKIO_OK);
    expect_reached(peer, packet, "012");
    peer_check(peer, skio_emit_with(root,
                                    SKIO_TARGET(.to = SKIO_ROOMS("a"),
                                                .except = SKIO_ROOMS("b")),
                                    "e", "1") == SKIO_OK);
    expect_reached(peer, packet, "0");
    peer_check(peer,
               skio_emit_with(root,
                              SKIO_TARGET(.except =
                                              SKIO_ROOMS("none",
                                                         skio_socket_id(
                                                             sockets[1]))),
                              "e", "1") == SKIO_OK);
    expect_reached(peer, packet, "023");
    peer_check(peer, skio_broadcast(sockets[1], "e", "1") == SKIO_OK);
    expect_reached(peer, packet, "023");
    peer_check(peer, skio_broadcast_to(sockets[1], "b", "e", "1") == SKIO_OK);
    expect_reached(peer, packet, "2");
    peer_check(peer, skio_emit_with(root, SKIO_TARGET(.flags = SKIO_LOCAL), "e",
                                    "1") == SKIO_OK);
    expect_reached(peer, packet, "0123");
    peer_check(peer, skio_emit_with(root, NULL, "e", "1") == SKIO_OK);
    expect_reached(peer, packet, "0123");
}

SCENARIO(a_target_may_be_used_again, NULL, NULL)
{
    skio_target target = {.struct_size = sizeof target,
                          .to = SKIO_ROOMS("a"),
                          .except = SKIO_ROOMS("b")};
    skio_nsp *root = root_of(peer);

    four(peer);
    for (int i = 0; i < 2; i++) {
        peer_check(peer, skio_emit_with(root, &target, "e", "1") == SKIO_OK);
        expect_reached(peer, "42[\"e\",1]", "0");
    }
    target.except = NULL;
    peer_check(peer, skio_emit_with(root, &target, "e", "1") == SKIO_OK);
    expect_reached(peer, "42[\"e\",1]", "01");
}

SCENARIO(a_sender_of_another_namespace_changes_nothing, NULL, NULL)
{
    skio_nsp *other;
    skio_socket *foreign;

    four(peer);
    other = skio_of(peer->server, "/a");
    peer_check(peer, other != NULL);
    foreign = sio_join(ws[0], "/a");
    peer_check(peer,
               skio_emit_with(root_of(peer), SKIO_TARGET(.sender = foreign),
                              "e", "1") == SKIO_OK);
    expect_reached(peer, "42[\"e\",1]", "0123");
    peer_check(peer, skio_emit_all(other, "e", "1") == SKIO_OK);
    expect_reached(peer, "42/a,[\"e\",1]", "0");
}

SCENARIO(rooms_are_joined_and_left, NULL, NULL)
{
    skio_socket *socket;

    four(peer);
    socket = sockets[1];
    peer_check(peer, skio_in_room(socket, skio_socket_id(socket)));
    peer_check(peer, skio_in_room(socket, "b"));
    peer_check(peer, !skio_in_room(socket, "c"));
    peer_check(peer, !skio_in_room(sockets[3], "b"));
    peer_check(peer, skio_join(socket, "b") == SKIO_OK);
    peer_check(peer, skio_join(socket, skio_socket_id(socket)) == SKIO_OK);
    skio_each_room(socket, note_room, peer);
    peer_expect_event(peer, "room own");
    peer_expect_event(peer, "room a");
    peer_expect_event(peer, "room b");
    skio_each_room(socket, stop_at_once, peer);
    peer_expect_event(peer, "room own");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_leave(socket, "a") == SKIO_OK);
    peer_check(peer, skio_leave(socket, "a") == SKIO_ENOENT);
    peer_check(peer, skio_leave(socket, "none") == SKIO_ENOENT);
    peer_check(peer, skio_emit_to(root_of(peer), "a", "e", NULL) == SKIO_OK);
    expect_reached(peer, "42[\"e\"]", "0");
    peer_check(peer, skio_join(socket, "\xff") == SKIO_EINVAL);
    skio_leave_all(socket);
    peer_check(peer, !skio_in_room(socket, "b"));
    peer_check(peer, skio_in_room(socket, skio_socket_id(socket)));
}

SCENARIO(a_room_named_as_another_socket_is_both, NULL, NULL)
{
    four(peer);
    peer_check(peer,
               skio_join(sockets[0], skio_socket_id(sockets[3])) == SKIO_OK);
    peer_check(peer, skio_emit_to(root_of(peer), skio_socket_id(sockets[3]),
                                  "e", NULL) == SKIO_OK);
    expect_reached(peer, "42[\"e\"]", "03");
    peer_check(peer,
               skio_emit_with(root_of(peer),
                              SKIO_TARGET(.except = SKIO_ROOMS(
                                              skio_socket_id(sockets[3]))),
                              "e", NULL) == SKIO_OK);
    expect_reached(peer, "42[\"e\"]", "12");
    peer_check(peer,
               skio_leave(sockets[0], skio_socket_id(sockets[3])) == SKIO_OK);
}

static void
three_rooms(skio_server_options *options)
{
    options->max_rooms = 3;
    options->max_name_bytes = 24;
}

SCENARIO(rooms_of_a_socket_are_limited, three_rooms, NULL)
{
    skio_socket *socket;
    struct peer_ws *one = sio_connect(peer, &socket);

    peer_check(peer, skio_join(socket, "1") == SKIO_OK);
    peer_check(peer, skio_join(socket, "2") == SKIO_OK);
    peer_check(peer, skio_join(socket, "3") == SKIO_OK);
    peer_check(peer, skio_join(socket, "4") == SKIO_ELIMIT);
    peer_check(peer, skio_join(socket, "3") == SKIO_OK);
    peer_check(peer, skio_leave(socket, "1") == SKIO_OK);
    peer_check(peer, skio_join(socket, "123456789012345678901234") == SKIO_OK);
    peer_check(peer,
               skio_join(socket, "1234567890123456789012345") == SKIO_EINVAL);
    peer_expect_nothing(one);
}

SCENARIO(an_empty_room_is_freed, NULL, NULL)
{
    skio_socket *socket;
    struct peer_ws *one = sio_connect(peer, &socket);
    size_t live;
    char name[24];

    /* Arrays and tables grow once, to their size. */
    peer_check(peer, skio_join(socket, "warm") == SKIO_OK);
    peer_check(peer, skio_leave(socket, "warm") == SKIO_OK);
    live = peer->alloc.live;
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "room %d", i);
        peer_check(peer, skio_join(socket, name) == SKIO_OK);
        peer_check(peer, skio_leave(socket, name) == SKIO_OK);
    }
    peer_check(peer, peer->alloc.live == live);
    peer_expect_nothing(one);
}

SCENARIO(a_broadcast_dooms_only_who_does_not_read, NULL, NULL)
{
    static char big[300000];

    memset(big, 'x', sizeof big - 1);
    four(peer);
    ws[2]->is_blocked = true;
    for (int i = 0; i < 4; i++) {
        peer_check(peer,
                   skio_emit_all(root_of(peer), "e", "%s", big) == SKIO_OK);
        peer_flush(peer);
        peer_expect_prefix(ws[0], "42[\"e\",");
        peer_expect_prefix(ws[1], "42[\"e\",");
        peer_expect_prefix(ws[3], "42[\"e\",");
    }
    peer_check(peer, skio_nsp_count(root_of(peer)) == 3);
    peer_check(peer, sio_counters(peer).slow_consumers == 1);
}

SCENARIO(a_volatile_broadcast_skips_who_is_busy, NULL, NULL)
{
    char query[128];
    struct peer_http *poll;
    static char big[70000];

    memset(big, 'x', sizeof big - 1);
    four(peer);
    ws[2]->is_blocked = true;
    peer_check(peer, skio_emit(sockets[2], "e", "%s", big) == SKIO_OK);
    peer_flush(peer);
    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post(peer, query, "40"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, NULL);
    peer_check(peer, skio_emit_with(root_of(peer),
                                    SKIO_TARGET(.flags = SKIO_VOLATILE), "v",
                                    NULL) == SKIO_OK);
    expect_reached(peer, "42[\"v\"]", "013");
    peer_check(peer, sio_counters(peer).volatile_dropped == 2);
    poll = peer_get(peer, query);
    peer_expect_held(poll);
    peer_check(peer, skio_emit_with(root_of(peer),
                                    SKIO_TARGET(.flags = SKIO_VOLATILE), "v",
                                    NULL) == SKIO_OK);
    expect_reached(peer, "42[\"v\"]", "013");
    peer_expect_http(poll, 200, "42[\"v\"]");
}

static bool
leave_everybody(skio_socket *socket, void *user)
{
    struct peer *peer = user;

    peer_note(peer, "visit");
    (void)socket;
    return skio_sockets_disconnect(root_of(peer), NULL, false) == SKIO_OK;
}

static bool
leave_itself(skio_socket *socket, void *user)
{
    skio_disconnect(socket, true);
    peer_note(user, "visit");
    return true;
}

SCENARIO(visiting_may_disconnect_everybody, NULL, NULL)
{
    four(peer);
    peer_check(peer, skio_each_socket(root_of(peer), leave_everybody, peer) ==
                         SKIO_OK);
    peer_expect_event(peer, "visit");
    peer_expect_event(peer, NULL);
    expect_reached(peer, "41", "0123");
    peer_check(peer, skio_nsp_count(root_of(peer)) == 0);
    four(peer);
    peer_check(peer,
               skio_each_socket(root_of(peer), leave_itself, peer) == SKIO_OK);
    for (int i = 0; i < 4; i++)
        peer_expect_event(peer, "visit");
    peer_flush(peer);
    for (int i = 0; i < 4; i++) {
        peer_expect(ws[i], "41");
        peer_expect_close(ws[i], 1005);
    }
}

static void
note_fetched(int err, const skio_remote *const *found, size_t count,
             size_t missing, void *user)
{
    (void)missing;
    peer_note(user, "fetched %s %d", skio_err_name(err), (int)count);
    for (size_t i = 0; i < count; i++) {
        peer_note(user, "%s %d", skio_remote_shared(found[i]),
                  strcmp(skio_remote_id(found[i]),
                         skio_socket_id(skio_remote_socket(found[i]))) == 0);
        skio_remote_each_room(found[i], note_room, user);
    }
}

SCENARIO(sockets_of_a_target_join_leave_and_are_fetched, NULL, NULL)
{
    four(peer);
    peer_check(peer,
               skio_socket_set_shared(sockets[2], "{'n':%s}", "x") == SKIO_OK);
    peer_check(peer, skio_sockets_join(root_of(peer),
                                       SKIO_TARGET(.to = SKIO_ROOMS("b")),
                                       "c") == SKIO_OK);
    peer_check(peer, skio_sockets_leave(root_of(peer),
                                        SKIO_TARGET(.to = SKIO_ROOMS("a")),
                                        "b") == SKIO_OK);
    peer_check(peer, skio_sockets_fetch(root_of(peer),
                                        SKIO_TARGET(.to = SKIO_ROOMS("c")),
                                        note_fetched, peer) == SKIO_OK);
    peer_expect_event(peer, "fetched SKIO_OK 2");
    peer_expect_event(peer, "{} 1");
    peer_expect_event(peer, "room own");
    peer_expect_event(peer, "room a");
    peer_expect_event(peer, "room c");
    peer_expect_event(peer, "{\"n\":\"x\"} 1");
    peer_expect_event(peer, "room own");
    peer_expect_event(peer, "room b");
    peer_expect_event(peer, "room c");
    peer_check(peer, skio_sockets_fetch(root_of(peer),
                                        SKIO_TARGET(.to = SKIO_ROOMS("none")),
                                        note_fetched, peer) == SKIO_OK);
    peer_expect_event(peer, "fetched SKIO_OK 0");
    peer_check(peer, skio_sockets_disconnect(root_of(peer),
                                             SKIO_TARGET(.to = SKIO_ROOMS("a")),
                                             true) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws[0], "41");
    peer_expect_close(ws[0], 1005);
    peer_expect(ws[1], "41");
    peer_expect_close(ws[1], 1005);
    peer_check(peer, skio_nsp_count(root_of(peer)) == 2);
}

static void
stop_everything(skio_socket *socket, const char *event, const skio_value *args,
                void *user)
{
    (void)socket;
    (void)event;
    (void)args;
    skio_server_free(((struct peer *)user)->server);
}

static bool
stop_here(skio_socket *socket, void *user)
{
    (void)socket;
    skio_server_free(((struct peer *)user)->server);
    return true;
}

static void
stop_fetched(int err, const skio_remote *const *found, size_t count,
             size_t missing, void *user)
{
    (void)missing;
    (void)err;
    (void)found;
    (void)count;
    skio_server_free(((struct peer *)user)->server);
}

static void
stop_for_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
              skio_socket *socket, void *user)
{
    (void)nsp;
    (void)event;
    (void)room;
    (void)socket;
    skio_server_free(((struct peer *)user)->server);
}

SCENARIO(freeing_the_server_inside_a_callback_only_stops_it, NULL, NULL)
{
    four(peer);
    peer_check(peer,
               skio_each_socket(root_of(peer), stop_here, peer) == SKIO_OK);
    peer_check(peer, skio_sockets_fetch(root_of(peer), NULL, stop_fetched,
                                        peer) == SKIO_OK);
    peer_check(peer, skio_on_any_outgoing(root_of(peer), stop_everything,
                                          peer) == SKIO_OK);
    peer_check(peer,
               skio_on_room(root_of(peer), stop_for_room, peer) == SKIO_OK);
    peer_check(peer, skio_join(sockets[0], "new") == SKIO_OK);
    peer_check(peer, skio_leave(sockets[0], "new") == SKIO_OK);
    peer_check(peer, skio_emit(sockets[0], "e", NULL) == SKIO_OK);
    peer_check(peer, skio_emit_all(root_of(peer), "e", NULL) == SKIO_OK);
    peer_check(peer, skio_nsp_count(root_of(peer)) == 4);
}

static void
crowded(skio_server_options *options)
{
    options->max_connections_per_address = CROWD;
    options->max_unconnected = CROWD;
}

static void
broadcast_thrice(struct peer *peer)
{
    skio_nsp *root = root_of(peer);

    peer_check(peer, skio_emit_all(root, "e", "%d", 1) == SKIO_OK);
    peer_check(peer, skio_emit_to(root, "odd", "e", "%d", 2) == SKIO_OK);
    peer_check(peer,
               skio_emit_with(root,
                              SKIO_TARGET(.to = SKIO_ROOMS("odd", "third"),
                                          .except = SKIO_ROOMS("ten")),
                              "e", "%d", 3) == SKIO_OK);
    peer_flush(peer);
}

/* Run once: cutting the input of a thousand would show nothing new. */
static void
crowd_script(struct peer *peer)
{
    static struct peer_ws *crowd[CROWD];
    size_t before;

    for (int i = 0; i < CROWD; i++) {
        skio_socket *socket;

        crowd[i] = sio_connect(peer, &socket);
        if (i % 2 == 1)
            peer_check(peer, skio_join(socket, "odd") == SKIO_OK);
        if (i % 3 == 0)
            peer_check(peer, skio_join(socket, "third") == SKIO_OK);
        if (i % 10 == 0)
            peer_check(peer, skio_join(socket, "ten") == SKIO_OK);
    }
    broadcast_thrice(peer); /* queues grow to their size */
    before = peer->alloc.calls;
    broadcast_thrice(peer);
    /* A message and its packet for each, whoever gets it. */
    peer_check(peer, peer->alloc.calls - before <= 3 * 4);
    for (int i = 0; i < CROWD; i++) {
        for (int twice = 0; twice < 2; twice++) {
            peer_expect(crowd[i], "42[\"e\",1]");
            if (i % 2 == 1)
                peer_expect(crowd[i], "42[\"e\",2]");
            if ((i % 2 == 1 || i % 3 == 0) && i % 10 != 0)
                peer_expect(crowd[i], "42[\"e\",3]");
        }
        peer_expect_nothing(crowd[i]);
    }
}

static const struct peer_plan crowd_plan = {crowded, NULL, crowd_script};

static void
a_broadcast_to_a_thousand_allocates_for_none_of_them(void **state)
{
    (void)state;
    peer_run_once(&crowd_plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broadcast_reaches_its_target_once),
        cmocka_unit_test(a_target_may_be_used_again),
        cmocka_unit_test(a_sender_of_another_namespace_changes_nothing),
        cmocka_unit_test(rooms_are_joined_and_left),
        cmocka_unit_test(a_room_named_as_another_socket_is_both),
        cmocka_unit_test(rooms_of_a_socket_are_limited),
        cmocka_unit_test(an_empty_room_is_freed),
        cmocka_unit_test(a_broadcast_dooms_only_who_does_not_read),
        cmocka_unit_test(a_volatile_broadcast_skips_who_is_busy),
        cmocka_unit_test(visiting_may_disconnect_everybody),
        cmocka_unit_test(sockets_of_a_target_join_leave_and_are_fetched),
        cmocka_unit_test(freeing_the_server_inside_a_callback_only_stops_it),
        cmocka_unit_test(a_broadcast_to_a_thousand_allocates_for_none_of_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
