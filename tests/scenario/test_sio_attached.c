/*
 * What addons hang on sockets and servers, and rooms joined in a middleware
 */
#include "scenario/sio.h"

static const char one_key, other_key;

/* Frees that have run, by the letters of what was freed, the latest last. */
static char freed[16];

static void
note_freed(void *data)
{
    const char *letter = data;
    size_t len = strlen(freed);

    if (len + 1 < sizeof freed) {
        freed[len] = *letter;
        freed[len + 1] = '\0';
    }
}

static void
forget_freed(struct peer *peer)
{
    (void)peer;
    freed[0] = '\0';
}

static char letters[] = "abcd";

SCENARIO(each_addon_has_its_own, NULL, forget_freed)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, skio_socket_attached(socket, &one_key) == NULL);
    peer_check(peer, skio_socket_attach(socket, &one_key, &letters[0],
                                        note_freed) == SKIO_OK);
    peer_check(peer, skio_socket_attach(socket, &other_key, &letters[1],
                                        note_freed) == SKIO_OK);
    peer_check(peer, skio_socket_attached(socket, &one_key) == &letters[0]);
    peer_check(peer, skio_socket_attached(socket, &other_key) == &letters[1]);
    peer_check(peer, skio_socket_data(socket) == NULL);

    /* Another in its place, the first of the list and the last. */
    peer_check(peer, skio_socket_attach(socket, &other_key, &letters[2],
                                        note_freed) == SKIO_OK);
    peer_check(peer, strcmp(freed, "b") == 0);
    peer_check(peer, skio_socket_attach(socket, &one_key, &letters[3],
                                        note_freed) == SKIO_OK);
    peer_check(peer, strcmp(freed, "ba") == 0);
    peer_check(peer, skio_socket_attached(socket, &one_key) == &letters[3]);
    peer_check(peer, skio_socket_attached(socket, &other_key) == &letters[2]);

    peer_check(peer,
               skio_socket_attach(socket, &one_key, NULL, NULL) == SKIO_OK);
    peer_check(peer, strcmp(freed, "bad") == 0);
    peer_check(peer, skio_socket_attached(socket, &one_key) == NULL);
    peer_check(peer,
               skio_socket_attach(socket, &one_key, NULL, NULL) == SKIO_OK);

    skio_socket_ref(socket);
    peer_hang_up(ws, true);
    peer_check(peer, strcmp(freed, "badc") == 0);
    peer_check(peer, skio_socket_attached(socket, &other_key) == NULL);
    peer_check(peer, skio_socket_attach(socket, &one_key, &letters[0],
                                        note_freed) == SKIO_ECLOSED);
    skio_socket_unref(socket);
    peer_check(peer, strcmp(freed, "badc") == 0);
}

static void
attach_and_refuse(skio_socket *socket, skio_next *next, void *user)
{
    (void)user;
    (void)skio_socket_attach(socket, &one_key, &letters[0], note_freed);
    (void)skio_join(socket, "den");
    (void)skio_next_error(next, "no", NULL);
}

static void
refusing(struct peer *peer)
{
    forget_freed(peer);
    (void)skio_use(skio_of(peer->server, "/"), attach_and_refuse, peer);
}

SCENARIO(who_is_refused_gives_all_back, NULL, refusing)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40");
    peer_expect(ws, "44{\"message\":\"no\"}");
    peer_check(peer, strcmp(freed, "a") == 0);
    peer_check(peer, skio_room_count(skio_of(peer->server, "/"), "den") == 0);
}

SCENARIO(a_server_has_one_of_a_key, NULL, forget_freed)
{
    skio_server *server = peer->server;

    peer_check(peer, skio_server_attached(server, &one_key) == NULL);
    peer_check(peer, skio_server_attach(server, &one_key, &letters[0],
                                        note_freed) == SKIO_OK);
    peer_check(peer, skio_server_attach(server, &other_key, &letters[1],
                                        NULL) == SKIO_OK);
    peer_check(peer, skio_server_attach(server, &one_key, &letters[2],
                                        note_freed) == SKIO_EBUSY);
    peer_check(peer, skio_server_attached(server, &one_key) == &letters[0]);
    peer_check(peer, skio_server_attached(server, &other_key) == &letters[1]);
    peer_check(peer, freed[0] == '\0');
}

static void
three_rooms(skio_server_options *options)
{
    options->max_rooms = 3;
    options->max_name_bytes = 5;
}

static void
join_some(skio_socket *socket, skio_next *next, void *user)
{
    struct peer *peer = user;

    peer_note(peer, "%s", skio_err_name(skio_leave(socket, "a")));
    peer_note(peer, "%s", skio_err_name(skio_join(socket, "a")));
    peer_note(peer, "%s", skio_err_name(skio_join(socket, "b")));
    peer_note(peer, "%s", skio_err_name(skio_join(socket, "a")));
    peer_note(peer, "%s", skio_err_name(skio_join(socket, "c")));
    peer_note(peer, "%s", skio_err_name(skio_join(socket, "d")));
    peer_note(peer, "%s", skio_err_name(skio_leave(socket, "b")));
    peer_note(peer, "%s", skio_err_name(skio_leave(socket, "b")));
    peer_note(peer, "%s", skio_err_name(skio_join(socket, "seldom")));
    peer_note(peer, "%s", skio_err_name(skio_join(socket, NULL)));
    peer_note(peer, "%s",
              skio_in_room(socket, "a") ? "is in it" : "not in it yet");
    (void)skio_next_ok(next);
}

static void
note_rooms(skio_socket *socket, void *user)
{
    static const char *const names[] = {"a", "b", "c", "d"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (skio_in_room(socket, names[i]))
            peer_note(user, "in %s", names[i]);
}

static void
joining(struct peer *peer)
{
    (void)skio_use(skio_of(peer->server, "/"), join_some, peer);
    (void)skio_on_connect(skio_of(peer->server, "/"), note_rooms, peer);
}

/* As in Node, where a middleware may call socket.join(). */
SCENARIO(rooms_of_a_middleware_are_joined_at_the_connection, three_rooms,
         joining)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];

    peer_say(ws, "40");
    sio_take_connect(ws, "40", id);
    peer_expect_event(peer, "SKIO_ENOENT");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_ELIMIT");
    peer_expect_event(peer, "SKIO_OK");
    peer_expect_event(peer, "SKIO_ENOENT");
    peer_expect_event(peer, "SKIO_EINVAL");
    peer_expect_event(peer, "SKIO_EINVAL");
    peer_expect_event(peer, "not in it yet");
    peer_expect_event(peer, "in a");
    peer_expect_event(peer, "in c");
    peer_expect_event(peer, NULL);
    (void)skio_emit_to(skio_of(peer->server, "/"), "c", "hi", NULL);
    peer_flush(peer);
    peer_expect(ws, "42[\"hi\"]");
}

/* Who watches rooms closes the connection as soon as it joins one of two. */
static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    (void)nsp;
    (void)user;
    if (event == SKIO_ROOM_JOIN && strcmp(room, "a") == 0)
        skio_disconnect(socket, true);
}

static void
joining_watched(struct peer *peer)
{
    joining(peer);
    (void)skio_on_room(skio_of(peer->server, "/"), on_room, peer);
}

SCENARIO(who_is_disconnected_by_its_first_room_joins_no_other, three_rooms,
         joining_watched)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_nsp *root = skio_of(peer->server, "/");

    peer_say(ws, "40");
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
    peer_check(peer, skio_nsp_count(root) == 0);
    peer_check(peer, skio_room_count(root, "a") == 0);
    peer_check(peer, skio_room_count(root, "c") == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_addon_has_its_own),
        cmocka_unit_test(who_is_refused_gives_all_back),
        cmocka_unit_test(a_server_has_one_of_a_key),
        cmocka_unit_test(rooms_of_a_middleware_are_joined_at_the_connection),
        cmocka_unit_test(who_is_disconnected_by_its_first_room_joins_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
