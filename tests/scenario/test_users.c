/*
 * Users: their devices, here and on other servers, and who was here last
 */
#include <socketio/cluster.h>
#include <socketio/users.h>

#include "scenario/bus.h"
#include "scenario/sio.h"

static const char *name_of_next; /* whom the middleware binds; NULL: nobody */

static void
bind_next(skio_socket *socket, skio_next *next, void *user)
{
    int err = skio_user_bind(socket, name_of_next);

    (void)user;
    if (err == SKIO_OK)
        (void)skio_next_ok(next);
    else
        (void)skio_next_error(next, skio_err_name(err), NULL);
}

static void
note_user(skio_socket *socket, void *user)
{
    const char *id = skio_user_of(socket);

    peer_note(user, "%s %s", id != NULL ? id : "-",
              skio_in_room(socket, "user:alice") ? "in" : "out");
}

static void
note_who_ends(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    const char *id = skio_user_of(socket);

    (void)reason;
    peer_note(user, "%s ends", id != NULL ? id : "-");
}

static void
binding(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    name_of_next = "alice";
    peer->wall = 5000;
    peer_check(peer, skio_on_connect(root, note_user, peer) == SKIO_OK);
    peer_check(peer, skio_on_disconnect(root, note_who_ends, peer) == SKIO_OK);
    peer_check(peer, skio_use(root, bind_next, peer) == SKIO_OK);
}

/* A client that is named differently from those who come afterwards. */
static void
connect_as(struct peer_ws *ws, const char *name)
{
    name_of_next = name;
    peer_say(ws, "40");
    name_of_next = "alice";
}

static struct peer_ws *
come_in(struct peer *peer, const char *name, skio_socket **socket)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];

    connect_as(ws, name);
    sio_take_connect(ws, "40", id);
    *socket = skio_nsp_socket(skio_of(peer->server, "/"), id);
    peer_check(peer, *socket != NULL);
    return ws;
}

SCENARIO(a_middleware_binds_before_the_connection, NULL, binding)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_socket *one;
    skio_socket *other;
    struct peer_ws *phone = come_in(peer, "alice", &one);
    struct peer_ws *desk = come_in(peer, "alice", &other);
    struct peer_ws *bob;

    peer_expect_event(peer, "alice in");
    peer_expect_event(peer, "alice in");
    bob = come_in(peer, "bob", &other);
    peer_expect_event(peer, "bob out");
    peer_check(peer, skio_user_count(peer->server, "alice") == 2);
    peer_check(peer, skio_user_count(peer->server, "bob") == 1);
    peer_check(peer, skio_user_count(peer->server, "carol") == 0);
    peer_check(peer, skio_user_emit(root, "alice", "mail", "%d,%s", 7, "x") ==
                         SKIO_OK);
    peer_flush(peer);
    peer_expect(phone, "42[\"mail\",7,\"x\"]");
    peer_expect(desk, "42[\"mail\",7,\"x\"]");
    peer_expect_nothing(bob);
    peer_hang_up(phone, true);
    peer_expect_event(peer, "alice ends");
    peer_check(peer, skio_user_count(peer->server, "alice") == 1);
}

SCENARIO(what_is_no_id_is_refused, NULL, binding)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *ws = peer_websocket(peer);
    char name[130];
    skio_socket *socket;
    uint64_t ms = 1;

    memset(name, 'n', sizeof name);
    name[129] = '\0';
    connect_as(ws, name); /* one too long */
    peer_expect(ws, "44{\"message\":\"SKIO_EINVAL\"}");
    connect_as(ws, "");
    peer_expect(ws, "44{\"message\":\"SKIO_EINVAL\"}");
    connect_as(ws, "\xc3(");
    peer_expect(ws, "44{\"message\":\"SKIO_EINVAL\"}");
    connect_as(ws, NULL);
    peer_expect(ws, "44{\"message\":\"SKIO_EINVAL\"}");
    peer_check(peer, skio_user_count(peer->server, name) == 0);

    peer_check(peer, skio_user_emit(root, NULL, "x", NULL) == SKIO_EINVAL);
    peer_check(peer, skio_user_emit(root, "", "x", NULL) == SKIO_EINVAL);
    peer_check(peer, skio_user_emit(root, name, "x", NULL) == SKIO_EINVAL);
    peer_check(peer, skio_user_disconnect(root, name, true) == SKIO_EINVAL);
    peer_check(peer,
               skio_user_last_seen(peer->server, name, &ms) == SKIO_EINVAL);
    name[128] = '\0';
    (void)come_in(peer, name, &socket);
    peer_check(peer, strcmp(skio_user_of(socket), name) == 0);
}

static void
short_ids(struct peer *peer)
{
    skio_users_options options;

    binding(peer);
    skio_users_options_init(&options);
    options.max_id_bytes = 1025;
    peer_check(peer, skio_users_setup(peer->server, &options) == SKIO_EINVAL);
    options.max_id_bytes = 0;
    peer_check(peer, skio_users_setup(peer->server, &options) == SKIO_EINVAL);
    options.max_id_bytes = 3;
    options.max_seen = 0;
    peer_check(peer, skio_users_setup(peer->server, &options) == SKIO_EINVAL);
    options.max_seen = 10000001;
    peer_check(peer, skio_users_setup(peer->server, &options) == SKIO_EINVAL);
    options.max_seen = 3;
    peer_check(peer, skio_users_setup(peer->server, &options) == SKIO_OK);
    peer_check(peer, skio_users_setup(peer->server, &options) == SKIO_EBUSY);
}

SCENARIO(ids_are_as_long_as_the_option_says, NULL, short_ids)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_socket *socket;

    connect_as(ws, "four");
    peer_expect(ws, "44{\"message\":\"SKIO_EINVAL\"}");
    (void)come_in(peer, "tom", &socket);
}

SCENARIO(so_many_who_have_gone_are_remembered, NULL, short_ids)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct peer_ws *ws[4];
    skio_socket *socket;
    uint64_t ms = 0;

    for (int i = 0; i < 4; i++)
        ws[i] = come_in(peer, names[i], &socket);
    peer_check(peer, skio_user_last_seen(peer->server, "a", &ms) == SKIO_OK);
    peer_check(peer, ms == 5000); /* now */
    for (int i = 0; i < 3; i++) {
        peer->wall = 6000 + (uint64_t)i;
        peer_hang_up(ws[i], true);
    }
    peer->wall = 9000;
    peer_check(peer, skio_user_last_seen(peer->server, "a", &ms) == SKIO_OK);
    peer_check(peer, ms == 6000);
    peer_check(peer, skio_user_count(peer->server, "a") == 0);
    /* Who comes again is not among them. */
    ws[0] = come_in(peer, "a", &socket);
    peer_hang_up(ws[3], true);
    peer_check(peer, skio_user_last_seen(peer->server, "b", &ms) == SKIO_OK);
    peer_check(peer, ms == 6001);
    peer_hang_up(ws[0], true);
    peer_check(peer,
               skio_user_last_seen(peer->server, "b", &ms) == SKIO_ENOENT);
    peer_check(peer, skio_user_last_seen(peer->server, "c", &ms) == SKIO_OK);
    peer_check(peer, ms == 6002);
    peer_check(peer, skio_user_last_seen(peer->server, "d", &ms) == SKIO_OK);
    peer_check(peer, ms == 9000);
    peer_check(peer,
               skio_user_last_seen(peer->server, "z", &ms) == SKIO_ENOENT);
}

SCENARIO(a_socket_may_be_another_s, NULL, NULL)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    uint64_t ms;

    peer_check(peer, skio_user_of(socket) == NULL);
    peer_check(peer, skio_user_unbind(socket) == SKIO_ENOENT);
    peer_check(peer,
               skio_user_last_seen(peer->server, "alice", &ms) == SKIO_ENOENT);
    peer_check(peer, skio_user_count(peer->server, "alice") == 0);
    peer_check(peer, skio_user_bind(socket, "alice") == SKIO_OK);
    peer_check(peer, skio_user_bind(socket, "alice") == SKIO_OK);
    peer_check(peer, skio_user_count(peer->server, "alice") == 1);
    peer_check(peer, skio_user_bind(socket, "bob") == SKIO_OK);
    peer_check(peer, strcmp(skio_user_of(socket), "bob") == 0);
    peer_check(peer, !skio_in_room(socket, "user:alice"));
    peer_check(peer, skio_in_room(socket, "user:bob"));
    peer_check(peer, skio_user_count(peer->server, "alice") == 0);
    peer_check(peer, skio_user_count(peer->server, "bob") == 1);
    peer_check(peer, skio_user_bind(socket, "") == SKIO_EINVAL);
    peer_check(peer, strcmp(skio_user_of(socket), "bob") == 0);
    peer_check(peer, skio_user_unbind(socket) == SKIO_OK);
    peer_check(peer, skio_user_of(socket) == NULL);
    peer_check(peer, !skio_in_room(socket, "user:bob"));
    peer_check(peer, skio_user_bind(socket, "bob") == SKIO_OK);
    skio_socket_ref(socket);
    peer_hang_up(ws, true);
    peer_check(peer, skio_user_of(socket) == NULL);
    peer_check(peer, skio_user_bind(socket, "bob") == SKIO_ECLOSED);
    skio_socket_unref(socket);
    peer_check(peer, skio_user_count(peer->server, "bob") == 0);
}

static void
two_rooms(skio_server_options *options)
{
    options->max_rooms = 2;
}

SCENARIO(a_binding_that_fails_changes_nothing, two_rooms, NULL)
{
    skio_socket *socket;
    uint64_t ms;

    (void)sio_connect(peer, &socket);
    peer_check(peer, skio_user_bind(socket, "alice") == SKIO_OK);
    peer_check(peer, skio_join(socket, "r") == SKIO_OK);
    peer_check(peer, skio_user_bind(socket, "bob") == SKIO_ELIMIT);
    peer_check(peer, strcmp(skio_user_of(socket), "alice") == 0);
    peer_check(peer, skio_in_room(socket, "user:alice"));
    peer_check(peer,
               skio_user_last_seen(peer->server, "bob", &ms) == SKIO_ENOENT);
}

/* Who watches rooms disconnects whoever binds. */
static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    (void)nsp;
    (void)user;
    if (event == SKIO_ROOM_JOIN && strcmp(room, "user:alice") == 0)
        skio_disconnect(socket, true);
}

static void
watched(struct peer *peer)
{
    (void)skio_on_room(skio_of(peer->server, "/"), on_room, peer);
}

SCENARIO(who_is_disconnected_meanwhile_is_nobody_s, NULL, watched)
{
    skio_socket *socket;
    uint64_t ms;

    (void)sio_connect(peer, &socket);
    peer_check(peer, skio_user_bind(socket, "alice") == SKIO_ECLOSED);
    peer_check(peer, skio_user_count(peer->server, "alice") == 0);
    peer_check(peer,
               skio_user_last_seen(peer->server, "alice", &ms) == SKIO_ENOENT);
}

/* ---- Many ---- */

static void
many_script(struct peer *peer)
{
    skio_socket *socket;
    char name[16];

    (void)sio_connect(peer, &socket);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        peer_check(peer, skio_user_bind(socket, name) == SKIO_OK);
    }
    for (int i = 0; i < 3000; i++) {
        uint64_t ms;

        (void)snprintf(name, sizeof name, "%d", i);
        peer_check(peer,
                   skio_user_last_seen(peer->server, name, &ms) == SKIO_OK);
        peer_check(peer, skio_user_count(peer->server, name) == (i == 2999));
    }
}

static void
thousands_are_found(void **state)
{
    static const struct peer_plan plan = {NULL, NULL, many_script};

    (void)state;
    peer_run_once(&plan);
}

/* ---- Across servers ---- */

static struct bus bus;

static void
two_servers(struct peer *peer)
{
    memset(&bus, 0, sizeof bus);
    peer_another(peer);
    peer_check(peer, bus_attach(&bus, peer->server) == SKIO_OK);
    peer_check(peer, bus_attach(&bus, peer->another) == SKIO_OK);
    peer_check(peer, skio_of(peer->another, "/") != NULL);
}

static void
note_online(int err, size_t sockets, size_t missing, void *user)
{
    peer_note(user, "%s %zu %zu", skio_err_name(err), sockets, missing);
}

static void
note_fetched(int err, const skio_remote *const *sockets, size_t count,
             size_t missing, void *user)
{
    (void)sockets;
    peer_note(user, "%s: %zu, %zu", skio_err_name(err), count, missing);
}

SCENARIO(a_user_is_found_on_other_servers, NULL, two_servers)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_nsp *far = skio_of(peer->another, "/");
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer,
               skio_user_is_online(far, "alice", note_online, peer) == SKIO_OK);
    peer_expect_event(peer, "SKIO_OK 0 0");
    peer_check(peer, skio_user_bind(socket, "alice") == SKIO_OK);
    peer_check(peer, skio_user_is_online(root, "alice", note_online, peer) ==
                         SKIO_OK);
    peer_expect_event(peer, "SKIO_OK 1 0");
    peer_check(peer,
               skio_user_is_online(far, "alice", note_online, peer) == SKIO_OK);
    peer_expect_event(peer, "SKIO_OK 1 0");
    peer_check(peer,
               skio_user_is_online(far, "", note_online, peer) == SKIO_EINVAL);
    peer_check(peer,
               skio_user_fetch(far, "alice", note_fetched, peer) == SKIO_OK);
    peer_expect_event(peer, "SKIO_OK: 1, 0");
    peer_check(peer,
               skio_user_fetch(far, "bob", note_fetched, peer) == SKIO_OK);
    peer_expect_event(peer, "SKIO_OK: 0, 0");
    peer_check(peer,
               skio_user_fetch(far, NULL, note_fetched, peer) == SKIO_EINVAL);

    peer_check(peer, skio_user_emit(far, "alice", "hi", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"hi\"]");
    peer_check(peer, skio_user_disconnect(far, "alice", false) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_check(peer,
               skio_user_is_online(far, "alice", note_online, peer) == SKIO_OK);
    peer_expect_event(peer, "SKIO_OK 0 0");
}

SCENARIO(a_deaf_server_is_told_of, NULL, two_servers)
{
    skio_nsp *root = skio_of(peer->server, "/");

    bus.is_deaf[1] = true;
    peer_check(peer, skio_user_is_online(root, "alice", note_online, peer) ==
                         SKIO_OK);
    peer_expect_event(peer, "SKIO_ETIMEDOUT 0 1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_middleware_binds_before_the_connection),
        cmocka_unit_test(what_is_no_id_is_refused),
        cmocka_unit_test(ids_are_as_long_as_the_option_says),
        cmocka_unit_test(so_many_who_have_gone_are_remembered),
        cmocka_unit_test(a_socket_may_be_another_s),
        cmocka_unit_test(a_binding_that_fails_changes_nothing),
        cmocka_unit_test(who_is_disconnected_meanwhile_is_nobody_s),
        cmocka_unit_test(thousands_are_found),
        cmocka_unit_test(a_user_is_found_on_other_servers),
        cmocka_unit_test(a_deaf_server_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
