/*
 * What servers say to each other, through an adapter that joins two of them
 */
#include "scenario/bus.h"
#include "scenario/sio.h"

static struct bus bus;
static skio_server *other;
static skio_server_ack *taken;

static void
free_other(struct peer *peer)
{
    (void)peer;
    skio_server_free(other);
    other = NULL;
    skio_server_ack_free(taken);
    taken = NULL;
}

/* A second server beside the peer's, without clients of its own. */
static void
two_servers(struct peer *peer)
{
    bus = (struct bus){0};
    other = NULL;
    taken = NULL;
    peer->cleanup = free_other;
    peer_check(peer, skio_server_new(&other, &peer->options) == SKIO_OK);
    peer_check(peer, bus_attach(&bus, peer->server) == SKIO_OK);
    peer_check(peer, bus_attach(&bus, other) == SKIO_OK);
}

static skio_nsp *
root_of(struct peer *peer)
{
    return skio_of(peer->server, "/");
}

static skio_nsp *
other_root(struct peer *peer)
{
    (void)peer;
    return skio_of(other, "/");
}

static void
note_server_event(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
                  void *user)
{
    const char *json = skio_get_json(args, "");

    peer_note(user, "%s %s%s", skio_nsp_name(nsp), json != NULL ? json : "?",
              ack != NULL ? " ack" : "");
}

static void
note_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    const char *json = skio_get_json(responses, "");

    peer_note(user, "responses %s %s missing %d", skio_err_name(err),
              json != NULL ? json : "?", (int)missing);
}

/* Inside a callback a check must not end the run: what is not so is noted,
 * where nobody expects it. */
#define CHECK_INSIDE(user, condition)                                          \
    do {                                                                       \
        if (!(condition))                                                      \
            peer_note((user), "not so: %s", #condition);                       \
    } while (0)

/* ---- Events ---- */

static struct peer *logging;

static void
log_here(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    if (logging != NULL && level <= SKIO_LOG_INFO)
        peer_note(logging, "%s", message);
}

static void
with_log(skio_server_options *options)
{
    logging = NULL;
    options->log = log_here;
    options->log_level = SKIO_LOG_INFO;
}

SCENARIO(a_lone_server_says_so_once_and_has_all_answers, with_log, NULL)
{
    skio_nsp *root = root_of(peer);

    logging = peer;
    peer_check(peer, skio_on_server_event(root, "e", note_server_event, peer) ==
                         SKIO_OK);
    peer_check(peer, skio_server_side_emit(root, "e", "%d", 1) == SKIO_OK);
    peer_expect_event(peer,
                      "the memory adapter has no other servers to emit to");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_server_side_emit_with_ack(root, note_responses, peer,
                                                    "e", "%d", 1) == SKIO_OK);
    peer_expect_event(peer, "responses SKIO_OK [] missing 0");
    logging = NULL;
}

SCENARIO(an_event_reaches_the_other_servers_only, NULL, two_servers)
{
    peer_check(peer, skio_on_server_event(root_of(peer), "e", note_server_event,
                                          peer) == SKIO_OK);
    peer_check(peer,
               skio_server_side_emit(root_of(peer), "e", NULL) == SKIO_OK);
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_server_side_emit(other_root(peer), "e", "%d, %s", 1,
                                           "two") == SKIO_OK);
    peer_expect_event(peer, "/ [1,\"two\"]");
    peer_check(peer,
               skio_server_side_emit(other_root(peer), "f", NULL) == SKIO_OK);
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_off_server_event(root_of(peer), "e",
                                           note_server_event, peer) == 1);
    peer_check(peer,
               skio_server_side_emit(other_root(peer), "e", NULL) == SKIO_OK);
    peer_expect_event(peer, NULL);
    peer_check(peer,
               skio_off_server_event(root_of(peer), "none", NULL, NULL) == 0);
}

SCENARIO(a_server_event_may_have_any_name_but_three, NULL, two_servers)
{
    static const char *const reserved[] = {"connect", "connection",
                                           "new_namespace"};
    skio_nsp *root = root_of(peer);
    char name[600];

    for (int i = 0; i < 3; i++) {
        peer_check(peer, skio_server_side_emit(root, reserved[i], NULL) ==
                             SKIO_EINVAL);
        peer_check(peer,
                   skio_on_server_event(root, reserved[i], note_server_event,
                                        peer) == SKIO_EINVAL);
    }
    peer_check(peer, skio_on_server_event(root, "disconnect", note_server_event,
                                          peer) == SKIO_OK);
    peer_check(peer, skio_server_side_emit(other_root(peer), "disconnect",
                                           NULL) == SKIO_OK);
    peer_expect_event(peer, "/ []");

    /* At the limit, and one past it. */
    memset(name, 'n', sizeof name);
    name[peer->options.max_name_bytes] = '\0';
    peer_check(peer, skio_on_server_event(root, name, note_server_event,
                                          peer) == SKIO_OK);
    peer_check(peer,
               skio_server_side_emit(other_root(peer), name, NULL) == SKIO_OK);
    peer_expect_event(peer, "/ []");
    name[peer->options.max_name_bytes] = 'n';
    name[peer->options.max_name_bytes + 1] = '\0';
    peer_check(peer, skio_on_server_event(root, name, note_server_event,
                                          peer) == SKIO_EINVAL);
    peer_check(peer, skio_server_side_emit(root, name, NULL) == SKIO_EINVAL);
}

static void
note_bytes(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
           void *user)
{
    skio_bytes bytes = {0};

    (void)nsp;
    (void)ack;
    (void)skio_get_bytes(args, "0.b", &bytes);
    peer_note(user, "bytes %d %.*s", (int)bytes.len, (int)bytes.len,
              (const char *)bytes.data);
}

SCENARIO(binary_data_travels_between_servers, NULL, two_servers)
{
    peer_check(peer, skio_on_server_event(root_of(peer), "e", note_bytes,
                                          peer) == SKIO_OK);
    peer_check(peer, skio_server_side_emit(other_root(peer), "e", "{'b':%p}",
                                           SKIO_BYTES("abc", 3)) == SKIO_OK);
    peer_expect_event(peer, "bytes 3 abc");
}

static void
answer_at_once(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
               void *user)
{
    int64_t n = 0;

    (void)nsp;
    CHECK_INSIDE(user, skio_server_ack_send(ack, "%d, 1", 1) ==
                           (ack != NULL ? SKIO_EINVAL : SKIO_OK));
    if (skio_get_int(args, "0", &n) == SKIO_OK)
        (void)skio_server_ack_send(ack, "{'n':%d}", (int)n + 1);
    else
        (void)skio_server_ack_send(ack, NULL);
    peer_note(user, "again %s", skio_err_name(skio_server_ack_send(ack, NULL)));
}

SCENARIO(other_servers_answer_once, NULL, two_servers)
{
    peer_check(peer, skio_on_server_event(root_of(peer), "ask", answer_at_once,
                                          peer) == SKIO_OK);
    peer_check(peer,
               skio_server_side_emit_with_ack(other_root(peer), note_responses,
                                              peer, "ask", "%d", 4) == SKIO_OK);
    peer_expect_event(peer, "responses SKIO_OK [{\"n\":5}] missing 0");
    peer_expect_event(peer, "again SKIO_EBUSY");
    peer_check(peer,
               skio_server_side_emit_with_ack(other_root(peer), note_responses,
                                              peer, "ask", NULL) == SKIO_OK);
    peer_expect_event(peer, "responses SKIO_OK [null] missing 0");
    peer_expect_event(peer, "again SKIO_EBUSY");
    /* Nobody wants an answer: giving one is no mistake. */
    peer_check(peer,
               skio_server_side_emit(other_root(peer), "ask", NULL) == SKIO_OK);
    peer_expect_event(peer, "again SKIO_OK");
}

static void
take(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *user)
{
    (void)nsp;
    (void)args;
    taken = skio_server_ack_take(ack);
    if (taken == NULL) {
        peer_note(user, "no memory");
        return;
    }
    CHECK_INSIDE(user, skio_server_ack_take(taken) == taken);
    CHECK_INSIDE(user, skio_server_ack_take(ack) == NULL);
    CHECK_INSIDE(user, skio_server_ack_send(ack, NULL) == SKIO_EBUSY);
}

SCENARIO(an_answer_may_come_later_or_too_late, NULL, two_servers)
{
    skio_server_ack *ack;

    peer_check(peer, skio_on_server_event(root_of(peer), "ask", take, peer) ==
                         SKIO_OK);
    peer_check(peer,
               skio_server_side_emit_with_ack(other_root(peer), note_responses,
                                              peer, "ask", NULL) == SKIO_OK);
    peer_expect_event(peer, NULL);
    ack = taken;
    taken = NULL;
    peer_check(peer, skio_server_ack_send(ack, "%s", "late") == SKIO_OK);
    peer_expect_event(peer, "responses SKIO_OK [\"late\"] missing 0");

    peer_check(peer,
               skio_server_side_emit_with_ack(other_root(peer), note_responses,
                                              peer, "ask", NULL) == SKIO_OK);
    bus_time_is_up(&bus);
    peer_expect_event(peer, "responses SKIO_ETIMEDOUT [] missing 1");
    ack = taken;
    taken = NULL;
    peer_check(peer, skio_server_ack_send(ack, NULL) == SKIO_ECLOSED);
    peer_expect_event(peer, NULL);
    skio_server_ack_free(NULL);
}

SCENARIO(an_ack_outlives_its_server, NULL, two_servers)
{
    skio_server_ack *ack;

    peer_check(peer, skio_on_server_event(root_of(peer), "ask", take, peer) ==
                         SKIO_OK);
    peer_check(peer,
               skio_server_side_emit_with_ack(other_root(peer), note_responses,
                                              peer, "ask", NULL) == SKIO_OK);
    skio_server_free(peer->server);
    peer->server = NULL;
    ack = taken;
    taken = NULL;
    peer_check(peer, skio_server_ack_send(ack, NULL) == SKIO_ECLOSED);
    peer_expect_event(peer, NULL);
    /* The one who asked ends as well, and is told. */
    skio_server_free(other);
    other = NULL;
    peer_expect_event(peer, "responses SKIO_ECLOSED [] missing 1");
    peer_check(peer, bus.opened == 2 && bus.shut_down == 2);
}

SCENARIO(what_is_no_event_runs_no_handler, NULL, two_servers)
{
    static const struct {
        const char *json;
        int err;
    } bad[] = {
        {"", SKIO_EPROTO},
        {"{}", SKIO_EPROTO},
        {"[]", SKIO_EPROTO},
        {"[1]", SKIO_EPROTO},
        {"[\"e\"", SKIO_EPROTO},
        {"[\"e\\ud800\xff\"]", SKIO_EUTF8},
        {"[\"e\",{\"_placeholder\":true,\"num\":0}]", SKIO_EPROTO},
    };
    static char deep[2 * 600];
    skio_nsp *root = root_of(peer);

    peer_check(peer, skio_on_server_event(root, "e", note_server_event, peer) ==
                         SKIO_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        peer_check(peer, skio_adapter_server_event(root, bad[i].json,
                                                   strlen(bad[i].json), NULL, 0,
                                                   NULL) == bad[i].err);
    memset(deep, '[', 600);
    memset(deep + 600, ']', 600);
    peer_check(peer, skio_adapter_server_event(root, deep, sizeof deep, NULL, 0,
                                               NULL) == SKIO_ELIMIT);
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_adapter_server_event(root, "[\"e\"]", 5, NULL, 0,
                                               NULL) == SKIO_OK);
    peer_expect_event(peer, "/ []");
}

/* ---- Counts and rooms ---- */

static void
note_count(int err, size_t count, size_t missing, void *user)
{
    peer_note(user, "count %s %d missing %d", skio_err_name(err), (int)count,
              (int)missing);
}

static void
note_rooms(int err, const char *const *rooms, size_t count, size_t missing,
           void *user)
{
    peer_note(user, "rooms %s %d missing %d", skio_err_name(err), (int)count,
              (int)missing);
    for (size_t i = 0; i < count; i++)
        peer_note(user, "%s", strlen(rooms[i]) == 20 ? "own" : rooms[i]);
}

static bool
note_room(const char *room, void *user)
{
    peer_note(user, "%s", strlen(room) == 20 ? "own" : room);
    return strcmp(room, "last") != 0;
}

/* End a room whose turn is still to come. */
static bool
end_the_other(const char *room, void *user)
{
    struct peer *peer = user;

    if (strlen(room) < 20) {
        peer_note(peer, "%s", room);
        CHECK_INSIDE(peer,
                     skio_sockets_leave(root_of(peer), NULL,
                                        strcmp(room, "a") == 0 ? "b" : "a") ==
                         SKIO_OK);
    }
    return true;
}

SCENARIO(a_lone_server_counts_its_sockets_and_rooms, NULL, NULL)
{
    skio_nsp *root = root_of(peer);
    skio_socket *first;
    skio_socket *second;

    sio_connect(peer, &first);
    sio_connect(peer, &second);
    peer_check(peer, skio_join(first, "a") == SKIO_OK);
    peer_check(peer, skio_join(first, "b") == SKIO_OK);
    peer_check(peer, skio_join(second, "b") == SKIO_OK);

    peer_check(peer, skio_server_count(root, note_count, peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_OK 1 missing 0");
    peer_check(peer,
               skio_sockets_count(root, NULL, note_count, peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_OK 2 missing 0");
    peer_check(peer, skio_sockets_count(root,
                                        SKIO_TARGET(.to = SKIO_ROOMS("b"),
                                                    .except = SKIO_ROOMS("a")),
                                        note_count, peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_OK 1 missing 0");
    peer_check(peer, skio_room_count(root, "b") == 2);
    peer_check(peer, skio_room_count(root, skio_socket_id(first)) == 1);
    peer_check(peer, skio_room_count(root, "none") == 0);

    peer_check(peer, skio_rooms_fetch(root, note_rooms, peer) == SKIO_OK);
    peer_expect_event(peer, "rooms SKIO_OK 4 missing 0");
    peer_expect_event(peer, "own");
    peer_expect_event(peer, "own");
    peer_expect_event(peer, "a");
    peer_expect_event(peer, "b");
    peer_check(peer, skio_nsp_each_room(root, note_room, peer) == SKIO_OK);
    peer_expect_event(peer, "own");
    peer_expect_event(peer, "own");
    peer_expect_event(peer, "a");
    peer_expect_event(peer, "b");
    peer_expect_event(peer, NULL);

    /* A socket's id as the name of another's room is one room. */
    peer_check(peer, skio_join(second, skio_socket_id(first)) == SKIO_OK);
    peer_check(peer, skio_room_count(root, skio_socket_id(first)) == 2);
    peer_check(peer, skio_rooms_fetch(root, note_rooms, peer) == SKIO_OK);
    peer_expect_event(peer, "rooms SKIO_OK 4 missing 0");
    for (int i = 0; i < 4; i++)
        peer_expect_event(peer, i < 2 ? "own" : i == 2 ? "a" : "b");
    peer_check(peer, skio_nsp_each_room(root, end_the_other, peer) == SKIO_OK);
    peer_expect_event(peer, "a");
    peer_expect_event(peer, NULL);
}

SCENARIO(servers_are_counted_together, NULL, two_servers)
{
    skio_socket *socket;

    sio_connect(peer, &socket);
    peer_check(peer, skio_join(socket, "a") == SKIO_OK);
    peer_check(peer,
               skio_server_count(root_of(peer), note_count, peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_OK 2 missing 0");
    peer_check(peer, skio_sockets_count(other_root(peer), NULL, note_count,
                                        peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_OK 1 missing 0");
    peer_check(peer, skio_sockets_count(other_root(peer),
                                        SKIO_TARGET(.flags = SKIO_LOCAL),
                                        note_count, peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_OK 0 missing 0");
    bus.is_deaf[0] = true;
    peer_check(peer, skio_sockets_count(other_root(peer), NULL, note_count,
                                        peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_ETIMEDOUT 0 missing 1");
    /* This adapter cannot list the rooms of others. */
    peer_check(peer, skio_rooms_fetch(root_of(peer), note_rooms, peer) ==
                         SKIO_ENOTSUP);
    peer_check(peer,
               skio_nsp_each_room(root_of(peer), note_room, peer) == SKIO_OK);
    peer_expect_event(peer, "own");
    peer_expect_event(peer, "a");
}

SCENARIO(a_parent_has_no_cluster_of_its_own, NULL, NULL)
{
    skio_nsp *parent = skio_of_pattern(peer->server, "/p-*");

    peer_check(peer, parent != NULL);
    peer_check(peer, skio_server_side_emit(parent, "e", NULL) == SKIO_EINVAL);
    peer_check(peer,
               skio_server_side_emit_with_ack(parent, note_responses, peer, "e",
                                              NULL) == SKIO_EINVAL);
    peer_check(peer,
               skio_server_count(parent, note_count, peer) == SKIO_EINVAL);
    peer_check(peer, skio_sockets_count(parent, NULL, note_count, peer) ==
                         SKIO_EINVAL);
    peer_check(peer, skio_rooms_fetch(parent, note_rooms, peer) == SKIO_EINVAL);
    peer_check(peer,
               skio_nsp_each_room(parent, note_room, peer) == SKIO_EINVAL);
    peer_check(peer, skio_room_count(parent, "r") == 0);
    peer_expect_event(peer, NULL);
}

/* ---- Sockets of another server ---- */

static void
note_answer(int err, const skio_value *args, void *user)
{
    const char *json = args != NULL ? skio_get_json(args, "") : "-";

    peer_note(user, "answer %s %s", skio_err_name(err),
              json != NULL ? json : "?");
}

static void
note_each(int err, const skio_remote *const *sockets, size_t count,
          size_t missing, void *user)
{
    peer_note(user, "fetched %s %d missing %d", skio_err_name(err), (int)count,
              (int)missing);
    for (size_t i = 0; i < count; i++)
        peer_note(user, "%s %s",
                  skio_remote_socket(sockets[i]) != NULL ? "here" : "there",
                  skio_remote_shared(sockets[i]));
}

static void
use_remote(int err, const skio_remote *const *sockets, size_t count,
           size_t missing, void *user)
{
    struct peer *peer = user;
    const skio_remote *remote;

    CHECK_INSIDE(peer, err == SKIO_OK && count == 1 && missing == 0);
    if (count == 0)
        return;
    remote = sockets[0];
    CHECK_INSIDE(peer, skio_remote_emit(remote, "e", "%d", 1) == SKIO_OK);
    CHECK_INSIDE(peer, skio_remote_join(remote, "a") == SKIO_OK);
    CHECK_INSIDE(peer, skio_remote_join(remote, "b") == SKIO_OK);
    CHECK_INSIDE(peer, skio_remote_leave(remote, "b") == SKIO_OK);
    CHECK_INSIDE(peer, skio_remote_emit_with_ack(remote, 0, note_answer, peer,
                                                 "q", NULL) == SKIO_EINVAL);
    CHECK_INSIDE(peer,
                 skio_remote_emit_with_ack(remote, 1000, note_answer, peer, "q",
                                           "%d", 2) == SKIO_OK);
    CHECK_INSIDE(peer, skio_remote_emit_with_ack(remote, 1000, note_answer,
                                                 peer, "r", NULL) == SKIO_OK);
}

static void
end_remote(int err, const skio_remote *const *sockets, size_t count,
           size_t missing, void *user)
{
    struct peer *peer = user;

    (void)err;
    (void)missing;
    CHECK_INSIDE(peer, count == 1);
    if (count == 0)
        return;
    CHECK_INSIDE(peer, skio_remote_disconnect(sockets[0], true) == SKIO_OK);
    /* It has gone: there is nobody to answer. */
    CHECK_INSIDE(peer, skio_remote_emit_with_ack(sockets[0], 1000, note_answer,
                                                 peer, "q", NULL) == SKIO_OK);
}

/* What is done to a fetched socket from a server is done to the socket. */
static void
use_socket_of(struct peer *peer, skio_nsp *from)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer,
               skio_sockets_fetch(from, NULL, use_remote, peer) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"e\",1]");
    peer_expect_prefix(ws, "42");
    peer_expect_prefix(ws, "42");
    peer_check(peer, skio_in_room(socket, "a") && !skio_in_room(socket, "b"));
    peer_expect_event(peer, NULL);
    peer_say(ws, "430[3]");
    peer_expect_event(peer, "answer SKIO_OK [3]");
    peer_wait(peer, 1000);
    peer_expect_event(peer, "answer SKIO_ETIMEDOUT -");
    peer_check(peer,
               skio_sockets_fetch(from, NULL, end_remote, peer) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
    peer_expect_event(peer, "answer SKIO_ECLOSED -");
}

SCENARIO(a_fetched_socket_is_used_by_its_id, NULL, NULL)
{
    use_socket_of(peer, root_of(peer));
}

SCENARIO(a_socket_of_another_server_is_used_by_its_id, NULL, two_servers)
{
    use_socket_of(peer, other_root(peer));
}

SCENARIO(fetching_tells_how_many_servers_are_missing, NULL, two_servers)
{
    skio_socket *socket;

    sio_connect(peer, &socket);
    peer_check(peer, skio_socket_set_shared(socket, "{'n':%d}", 7) == SKIO_OK);
    peer_check(peer, skio_sockets_fetch(root_of(peer), NULL, note_each, peer) ==
                         SKIO_OK);
    peer_expect_event(peer, "fetched SKIO_OK 1 missing 0");
    peer_expect_event(peer, "here {\"n\":7}");
    peer_check(peer, skio_sockets_fetch(other_root(peer), NULL, note_each,
                                        peer) == SKIO_OK);
    peer_expect_event(peer, "fetched SKIO_OK 1 missing 0");
    peer_expect_event(peer, "there {\"n\":7}");
    bus.is_deaf[0] = true;
    peer_check(peer, skio_sockets_fetch(other_root(peer), NULL, note_each,
                                        peer) == SKIO_OK);
    peer_expect_event(peer, "fetched SKIO_ETIMEDOUT 0 missing 1");
}

static void
note_handshake(int err, const skio_remote *const *sockets, size_t count,
               size_t missing, void *user)
{
    (void)err;
    (void)missing;
    for (size_t i = 0; i < count; i++) {
        const char *json = skio_remote_handshake(sockets[i]);

        CHECK_INSIDE(user, json != NULL);
        peer_note(user, "%s", json);
    }
}

SCENARIO(a_handshake_is_told_to_other_servers, NULL, two_servers)
{
    struct peer_ws *ws =
        peer_ws_request(peer, "EIO=4&transport=websocket&a=%C3%A9+1&b=%ff&c&=d",
                        "host: h\nx-name: caf\xe9 \"1\"\norigin: http://h\n");
    static const char want[] =
        "\"xdomain\":true,\"secure\":false,\"issued\":1709251198123,"
        "\"url\":\"/socket.io/?EIO=4&transport=websocket&a=%C3%A9+1&b=%ff&c&=d"
        "\",\"query\":{\"EIO\":\"4\",\"transport\":\"websocket\","
        "\"a\":\"\xc3\xa9 1\",\"b\":\"\xef\xbf\xbd\",\"c\":\"\",\"\":\"d\"},"
        "\"auth\":{\"t\":1}}";

    peer_check(peer, ws->ws != NULL);
    peer_expect_prefix(ws, "0{");
    peer->wall = 1709251198123;
    peer_say(ws, "40{\"t\":1}");
    peer_expect_prefix(ws, "40{");
    peer_check(peer, skio_sockets_fetch(other_root(peer), NULL, note_handshake,
                                        peer) == SKIO_OK);
    peer_check(peer, peer->events.data != NULL);
    peer_check(peer, strstr(peer->events.data, want) != NULL);
    peer_check(peer, strstr(peer->events.data,
                            "\"x-name\":\"caf\xc3\xa9 \\\"1\\\"\"") != NULL);
    peer_check(peer,
               strstr(peer->events.data,
                      "},\"time\":\"Thu Feb 29 2024 23:59:58 GMT+0000 "
                      "(Coordinated Universal Time)\",\"address\":") != NULL);
}

static void
note_answers(int err, const skio_value *args, size_t received, size_t expected,
             void *user)
{
    const char *json = args != NULL ? skio_get_json(args, "") : "-";

    peer_note(user, "answers %s %s %d/%d", skio_err_name(err),
              json != NULL ? json : "?", (int)received, (int)expected);
}

SCENARIO(clients_of_other_servers_answer_a_broadcast, NULL, two_servers)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_check(peer, skio_emit_with_acks(other_root(peer),
                                         SKIO_TARGET(.timeout_ms = 1000),
                                         note_answers, peer, "q", "%d, %s", 1,
                                         "x") == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "420[\"q\",1,\"x\"]");
    peer_expect_event(peer, NULL);
    peer_say(ws, "430[5]");
    peer_expect_event(peer, "answers SKIO_OK [5] 1/1");
    peer_expect_event(peer, "answers SKIO_OK - 1/1");
    peer_expect_event(peer, NULL);
}

SCENARIO(what_is_local_stays_on_this_server, NULL, two_servers)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_check(peer, skio_emit_with(other_root(peer),
                                    SKIO_TARGET(.flags = SKIO_LOCAL), "x",
                                    NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_nothing(ws);
    peer_check(peer, skio_emit_all(other_root(peer), "y", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"y\"]");
    peer_check(peer,
               skio_emit_with(root_of(peer), SKIO_TARGET(.flags = SKIO_LOCAL),
                              "z", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"z\"]");
}

/* An adapter learns of its namespace's beginning and of its server's end, when
 * it can still answer who waits. */
SCENARIO(an_adapter_is_opened_and_shut_down, NULL, two_servers)
{
    unsigned opened = bus.opened;

    peer_check(peer, skio_of(peer->server, "/more") != NULL);
    peer_check(peer, bus.opened == opened + 1);
    peer_check(peer, bus.shut_down == 0);
    skio_transport_shutdown(other);
    peer_check(peer, bus.shut_down > 0);
    peer_check(peer,
               skio_server_count(root_of(peer), note_count, peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_OK 1 missing 0");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_server_says_so_once_and_has_all_answers),
        cmocka_unit_test(an_event_reaches_the_other_servers_only),
        cmocka_unit_test(a_server_event_may_have_any_name_but_three),
        cmocka_unit_test(binary_data_travels_between_servers),
        cmocka_unit_test(other_servers_answer_once),
        cmocka_unit_test(an_answer_may_come_later_or_too_late),
        cmocka_unit_test(an_ack_outlives_its_server),
        cmocka_unit_test(what_is_no_event_runs_no_handler),
        cmocka_unit_test(a_lone_server_counts_its_sockets_and_rooms),
        cmocka_unit_test(servers_are_counted_together),
        cmocka_unit_test(a_parent_has_no_cluster_of_its_own),
        cmocka_unit_test(a_fetched_socket_is_used_by_its_id),
        cmocka_unit_test(a_socket_of_another_server_is_used_by_its_id),
        cmocka_unit_test(fetching_tells_how_many_servers_are_missing),
        cmocka_unit_test(a_handshake_is_told_to_other_servers),
        cmocka_unit_test(clients_of_other_servers_answer_a_broadcast),
        cmocka_unit_test(what_is_local_stays_on_this_server),
        cmocka_unit_test(an_adapter_is_opened_and_shut_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
