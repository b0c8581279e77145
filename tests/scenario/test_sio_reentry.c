/*
 * Everything may be done from every callback: each moment at which the library
 * calls the application, times each thing that the application may do there
 */
#include "scenario/sio.h"

enum moment {
    AT_MATCH,
    AT_NAMESPACE,
    AT_MIDDLEWARE,
    AT_CONNECT,
    AT_ROOM_CREATE,
    AT_ROOM_JOIN,
    AT_ROOM_LEAVE,
    AT_ROOM_DELETE,
    AT_ANY,
    AT_EVENT_MIDDLEWARE,
    AT_EVENT,
    AT_ERROR,
    AT_OUTGOING,
    AT_ANSWER,
    AT_VISIT,
    AT_VISIT_ROOM,
    AT_ANSWERS,
    AT_FETCH,
    AT_FETCH_ROOM,
    AT_COUNT,
    AT_BACKPRESSURE,
    AT_EXPIRED,
    AT_DRAINED,
    AT_DISCONNECTING,
    AT_DISCONNECT,
    AT_RATE_PASSED, /* the answer, after what is done there */
    AT_RATE_DROPPED,
    AT_RATE_CLOSED,
    MOMENTS
};

static enum moment chosen;
static void (*action)(struct peer *peer, skio_socket *socket);
static bool is_acting; /* an action that leads to the same moment again */
static unsigned acted;

static skio_nsp *
root_of(struct peer *peer)
{
    return skio_of(peer->server, "/");
}

/* socket is NULL where there is none yet. */
static void
at(enum moment moment, skio_socket *socket, void *user)
{
    if (moment != chosen || is_acting || acted == 20)
        return;
    acted++;
    is_acting = true;
    action(user, socket);
    is_acting = false;
}

/* ---- The moments ---- */

static void
on_match(skio_match *match, const char *name, const skio_value *auth,
         void *user)
{
    (void)name;
    (void)auth;
    at(AT_MATCH, NULL, user);
    (void)skio_match_accept(match);
}

static void
on_namespace(skio_nsp *nsp, void *user)
{
    (void)nsp;
    at(AT_NAMESPACE, NULL, user);
}

static void
on_middleware(skio_socket *socket, skio_next *next, void *user)
{
    at(AT_MIDDLEWARE, socket, user);
    (void)skio_next_ok(next);
}

static void
on_connect(skio_socket *socket, void *user)
{
    at(AT_CONNECT, socket, user);
}

static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    char copy[32];

    (void)nsp;
    snprintf(copy, sizeof copy, "%s", room);
    at((enum moment)(AT_ROOM_CREATE + (int)event), socket, user);
    /* The name outlives what was done. */
    if (strncmp(copy, room, sizeof copy - 1) != 0)
        peer_note(user, "the room's name is gone");
}

static void
on_any(skio_socket *socket, const char *event, const skio_value *args,
       void *user)
{
    at(AT_ANY, socket, user);
    if (strcmp(event, "e") != 0 || skio_get_json(args, "0") == NULL)
        peer_note(user, "the event is gone");
}

static int
on_event_middleware(skio_socket *socket, const char *event,
                    const skio_value *args, skio_ack *ack, void *user)
{
    (void)event;
    (void)args;
    (void)ack;
    at(AT_EVENT_MIDDLEWARE, socket, user);
    return chosen == AT_ERROR ? SKIO_EACCES : SKIO_OK;
}

static void
on_error(skio_socket *socket, int err, const char *event, void *user)
{
    (void)err;
    (void)event;
    at(AT_ERROR, socket, user);
}

static void
on_event(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    at(AT_EVENT, socket, user);
    if (skio_get_json(args, "0") == NULL)
        peer_note(user, "the arguments are gone");
    (void)skio_ack_send(ack, "%d", 1);
}

static void
on_outgoing(skio_socket *socket, const char *event, const skio_value *args,
            void *user)
{
    (void)event;
    (void)args;
    at(AT_OUTGOING, socket, user);
}

static void
on_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    (void)err;
    (void)args;
    at(AT_ANSWER, socket, user);
}

static bool
on_visit(skio_socket *socket, void *user)
{
    at(AT_VISIT, socket, user);
    return true;
}

static bool
on_visit_room(const char *room, void *user)
{
    (void)room;
    at(AT_VISIT_ROOM, NULL, user);
    return true;
}

static void
on_answers(int err, const skio_value *args, size_t received, size_t expected,
           void *user)
{
    (void)err;
    (void)args;
    (void)received;
    (void)expected;
    at(AT_ANSWERS, NULL, user);
}

static bool
on_fetched_room(const char *room, void *user)
{
    at(AT_FETCH_ROOM, NULL, user);
    if (room[0] == '\0')
        peer_note(user, "a fetched room is gone");
    return true;
}

static void
on_fetch(int err, const skio_remote *const *found, size_t count, size_t missing,
         void *user)
{
    (void)missing;
    if (err != SKIO_OK)
        return;
    at(AT_FETCH, count > 0 ? skio_remote_socket(found[0]) : NULL, user);
    for (size_t i = 0; i < count; i++)
        if (strlen(skio_remote_id(found[i])) != 20)
            peer_note(user, "a fetched socket is gone");
    if (count > 0)
        skio_remote_each_room(found[0], on_fetched_room, user);
}

static void
on_count(int err, size_t count, size_t missing, void *user)
{
    (void)err;
    (void)count;
    (void)missing;
    at(AT_COUNT, NULL, user);
}

static void
on_backpressure(skio_socket *socket, size_t queued, void *user)
{
    (void)queued;
    at(AT_BACKPRESSURE, socket, user);
}

static void
on_expired(skio_nsp *nsp, const char *id, const char *shared, void *user)
{
    (void)nsp;
    at(AT_EXPIRED, NULL, user);
    if (strlen(id) != 20 || strcmp(shared, "{}") != 0)
        peer_note(user, "the expired socket is gone");
}

static void
on_drained(skio_server *server, void *user)
{
    (void)server;
    at(AT_DRAINED, NULL, user);
}

static void
on_disconnecting(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    at(AT_DISCONNECTING, socket, user);
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    at(AT_DISCONNECT, socket, user);
}

static struct peer *limits; /* whose options have no peer yet */

static enum skio_rate_action
on_rate_limit(skio_server *server, const skio_rate_excess *excess, void *user)
{
    (void)server;
    (void)user;
    at(chosen, excess->socket, limits);
    if (chosen == AT_RATE_PASSED)
        return SKIO_RATE_PASS;
    return chosen == AT_RATE_DROPPED ? SKIO_RATE_DROP : SKIO_RATE_CLOSE;
}

static void
watched(struct peer *peer)
{
    skio_nsp *parent = skio_of_match(peer->server, on_match, peer);
    skio_nsp *nsps[] = {root_of(peer), parent};

    limits = peer;
    (void)skio_on_namespace(peer->server, on_namespace, peer);
    for (size_t i = 0; i < 2; i++) {
        if (nsps[i] == NULL)
            continue;
        (void)skio_use(nsps[i], on_middleware, peer);
        (void)skio_on_connect(nsps[i], on_connect, peer);
        (void)skio_on_room(nsps[i], on_room, peer);
        (void)skio_on_any(nsps[i], on_any, peer);
        (void)skio_use_event(nsps[i], on_event_middleware, peer);
        (void)skio_on_error(nsps[i], on_error, peer);
        (void)skio_on(nsps[i], "e", on_event, peer);
        (void)skio_on_any_outgoing(nsps[i], on_outgoing, peer);
        (void)skio_on_disconnecting(nsps[i], on_disconnecting, peer);
        (void)skio_on_disconnect(nsps[i], on_disconnect, peer);
        (void)skio_on_backpressure(nsps[i], on_backpressure, peer);
        (void)skio_on_expired(nsps[i], on_expired, peer);
    }
}

static void
limited(skio_server_options *options)
{
    if (chosen == AT_BACKPRESSURE)
        options->outbound_high_bytes = 100;
    if (chosen == AT_EXPIRED)
        options->recovery_ms = 1000;
    if (chosen < AT_RATE_PASSED)
        return;
    options->events_per_second = 1;
    options->connects_per_minute = chosen == AT_RATE_PASSED ? 1 : 0;
    options->rate_limit = on_rate_limit;
}

/* ---- The actions ---- */

static void
emit(struct peer *peer, skio_socket *socket)
{
    if (socket != NULL)
        (void)skio_emit(socket, "x", "%d", 1);
    (void)skio_emit_all(root_of(peer), "x", "%d", 2);
    (void)skio_emit_to(root_of(peer), "r", "x", "%d", 3);
}

static void
ask(struct peer *peer, skio_socket *socket)
{
    if (socket != NULL && skio_emit_with_ack(socket, 1000, on_answer, peer, "x",
                                             NULL) == SKIO_EINVAL)
        peer_note(peer, "it cannot be asked");
}

static bool
join_some(skio_socket *socket, void *user)
{
    (void)user;
    (void)skio_join(socket, "r");
    (void)skio_join(socket, "s");
    (void)skio_leave(socket, "r");
    (void)skio_join(socket, "r");
    return true;
}

static void
join(struct peer *peer, skio_socket *socket)
{
    if (socket != NULL)
        (void)join_some(socket, NULL);
    (void)skio_each_socket(root_of(peer), join_some, NULL);
}

static void
leave(struct peer *peer, skio_socket *socket)
{
    if (socket != NULL)
        skio_leave_all(socket);
    (void)skio_sockets_leave(root_of(peer), NULL, "r");
}

static void
disconnect(struct peer *peer, skio_socket *socket)
{
    (void)peer;
    if (socket != NULL)
        skio_disconnect(socket, false);
}

static void
close_one(struct peer *peer, skio_socket *socket)
{
    (void)peer;
    if (socket != NULL)
        skio_disconnect(socket, true);
}

static void
close_all(struct peer *peer, skio_socket *socket)
{
    (void)socket;
    (void)skio_sockets_disconnect(root_of(peer), NULL, true);
}

static void
take_off(struct peer *peer, skio_socket *socket)
{
    (void)socket;
    (void)skio_off(root_of(peer), "e", NULL, NULL);
    (void)skio_off_any(root_of(peer), NULL, NULL);
    (void)skio_off_any_outgoing(root_of(peer), NULL, NULL);
}

static void
put_on(struct peer *peer, skio_socket *socket)
{
    skio_nsp *root = root_of(peer);

    (void)socket;
    for (int i = 0; i < 9; i++) {
        (void)skio_prepend(root, "e", on_event, peer);
        (void)skio_on(root, "e", on_event, peer);
        (void)skio_prepend_any(root, on_any, peer);
        (void)skio_prepend_any_outgoing(root, on_outgoing, peer);
        (void)skio_on_connect(root, on_connect, peer);
        (void)skio_on_room(root, on_room, peer);
        (void)skio_on_disconnect(root, on_disconnect, peer);
        (void)skio_use_event(root, on_event_middleware, peer);
    }
}

static void
make_namespaces(struct peer *peer, skio_socket *socket)
{
    char name[8];

    (void)socket;
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "/n%d", i);
        (void)skio_of(peer->server, name);
    }
}

static void
shut_down(struct peer *peer, skio_socket *socket)
{
    (void)socket;
    skio_transport_shutdown(peer->server);
}

static void
free_server(struct peer *peer, skio_socket *socket)
{
    (void)socket;
    skio_server_free(peer->server); /* inside a callback: only stops it */
}

/* ---- The story ---- */

static void
say(struct peer_ws *ws, const char *text)
{
    if (ws->ws != NULL)
        peer_say(ws, text);
    peer_flush(ws->peer);
}

static bool
count_one(skio_socket *socket, void *user)
{
    (void)socket;
    ++*(size_t *)user;
    return true;
}

/* Moments that come only when asked for. */
static void
ask_for_more(struct peer *peer)
{
    skio_nsp *root = root_of(peer);
    struct peer_ws *ws = peer_websocket(peer);
    skio_socket *socket = sio_join(ws, "");

    (void)skio_join(socket, "r");
    if (chosen == AT_VISIT_ROOM)
        skio_each_room(socket, on_visit_room, peer);
    else if (chosen == AT_ANSWER)
        ask(peer, socket);
    else if (chosen == AT_ANSWERS)
        peer_check(peer,
                   skio_emit_with_acks(root, SKIO_TARGET(.timeout_ms = 500),
                                       on_answers, peer, "q", NULL) == SKIO_OK);
    else if (chosen == AT_FETCH || chosen == AT_FETCH_ROOM)
        (void)skio_sockets_fetch(root, NULL, on_fetch, peer);
    else if (chosen == AT_COUNT)
        (void)skio_sockets_count(root, NULL, on_count, peer);
    else if (chosen == AT_DRAINED)
        peer_check(peer, skio_server_drain(peer->server, 100, on_drained,
                                           peer) == SKIO_OK);
    ws->is_blocked = chosen == AT_BACKPRESSURE;
    for (int i = 0; i < 20 && ws->is_blocked; i++)
        (void)skio_emit_all(root, "more", "%d", i);
    peer_flush(peer);
    peer_wait(peer, 1100);
}

static void
everything(struct peer *peer)
{
    skio_nsp *root = root_of(peer);
    struct peer_ws *one =
        peer_ws_request(peer, "EIO=4&transport=websocket", NULL);
    struct peer_ws *two =
        peer_ws_request(peer, "EIO=4&transport=websocket", NULL);
    size_t count = 0;

    say(one, "40");
    say(two, "40");
    say(one, "40/made,");
    (void)skio_each_socket(root, join_some, NULL);
    say(one, "420[\"e\",1]");
    say(two, "42[\"e\",2]");
    say(one, "42/made,[\"e\",3]");
    (void)skio_emit_all(root, "out", "%d", 1);
    (void)skio_emit_with(root, SKIO_TARGET(.to = SKIO_ROOMS("r", "s")), "out",
                         NULL);
    (void)skio_each_socket(root, on_visit, peer);
    (void)skio_each_socket(root, count_one, &count);
    peer_check(peer, count == skio_nsp_count(root));
    peer_flush(peer);
    if (chosen >= AT_ANSWER && chosen < AT_DISCONNECTING &&
        chosen != AT_VISIT && chosen != AT_EXPIRED)
        ask_for_more(peer);
    (void)skio_sockets_leave(root, NULL, "r");
    say(one, "41/made,");
    say(one, "41");
    if (two->ws != NULL)
        peer_hang_up(two, true);
    if (one->ws != NULL)
        peer_hang_up(one, true);
    (void)skio_sockets_disconnect(root, NULL, true);
    peer_flush(peer);
    peer_wait(peer, 50000);
    peer_check(peer, skio_nsp_count(root) == 0);
    peer_check(peer, skio_room_count(root, "r") == 0);
    peer_expect_event(peer, NULL);
}

static const struct peer_plan plan = {limited, watched, everything};

static void
everything_may_be_done_from_every_callback(void **state)
{
    static const struct {
        const char *name;
        void (*fn)(struct peer *peer, skio_socket *socket);
    } actions[] = {
        {"emit", emit},
        {"ask", ask},
        {"join", join},
        {"leave", leave},
        {"disconnect", disconnect},
        {"close one", close_one},
        {"close all", close_all},
        {"take off", take_off},
        {"put on", put_on},
        {"make namespaces", make_namespaces},
        {"shut down", shut_down},
        {"free", free_server},
    };

    (void)state;
    for (chosen = 0; chosen < MOMENTS; chosen++) {
        for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
            action = actions[i].fn;
            acted = 0;
            is_acting = false;
            print_message("moment %d: %s\n", (int)chosen, actions[i].name);
            peer_run_once(&plan);
            assert_true(acted > 0);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_may_be_done_from_every_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
