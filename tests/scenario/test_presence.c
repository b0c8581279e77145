/*
 * Who is in a room: batches, devices, grace, limits, and what other servers say
 */
#include <stdlib.h>

#include <socketio/presence.h>

#include "addon/presence_tree.h"
#include "scenario/bus.h"
#include "scenario/sio.h"

#define BATCH 250
#define GRACE 5000

static struct bus bus;
static skio_presence *here;
static skio_presence *there;
static skio_presence_options tuned; /* set before a setup runs */

#define IS_OK(peer, call) peer_check((peer), (call) == SKIO_OK)

static void
note_change(skio_presence *presence, const char *room, const skio_value *change,
            void *user)
{
    const char *json = skio_get_json(change, "");

    peer_note(user, "%s %s %s", presence == there ? "there" : "here", room,
              json != NULL ? json : "?");
}

static int
add_presence(struct peer *peer, skio_server *server, skio_presence **out)
{
    tuned.user = peer;
    return skio_presence_new(out, skio_of(server, "/"), &tuned);
}

static void
usual(skio_server_options *options)
{
    (void)options;
    skio_presence_options_init(&tuned);
    tuned.on_change = note_change;
}

static void
with_limits(skio_server_options *options)
{
    usual(options);
    tuned.max_rooms = 2;
    tuned.max_users_per_room = 3;
    tuned.max_devices_per_user = 2;
    tuned.max_devices = 5;
    tuned.max_servers = 2;
    tuned.max_user_bytes = 8;
    tuned.max_meta_bytes = 10;
}

static void
with_chunks(skio_server_options *options)
{
    usual(options);
    tuned.max_chunk_bytes = 1024;
}

static void
with_recovery(skio_server_options *options)
{
    usual(options);
    options->recovery_ms = 60000;
}

static void
alone(struct peer *peer)
{
    here = there = NULL;
    IS_OK(peer, add_presence(peer, peer->server, &here));
}

/* The other one says what the test wants it to. */
static void
a_strange_server(struct peer *peer)
{
    bus = (struct bus){0};
    here = there = NULL;
    peer_another(peer);
    IS_OK(peer, bus_attach(&bus, peer->server));
    IS_OK(peer, bus_attach(&bus, peer->another));
    IS_OK(peer, add_presence(peer, peer->server, &here));
}

/* Two servers with a presence each. */
static void
two_servers(struct peer *peer)
{
    a_strange_server(peer);
    IS_OK(peer, add_presence(peer, peer->another, &there));
}

static void
tell(struct peer *peer, const char *json)
{
    IS_OK(peer, skio_server_side_emit(skio_of(peer->another, "/"),
                                      "skio:presence", "%-s", json));
}

static skio_presence_counters
counters_of(const skio_presence *presence)
{
    skio_presence_counters counters = {.struct_size = sizeof counters};

    skio_presence_count_all(presence, &counters);
    return counters;
}

static bool
note_member(const skio_presence_member *member, void *user)
{
    peer_note(user, "%s %s %zu %s", member->user, member->meta,
              member->device_count, member->devices[0]);
    return true;
}

/* A client that is tracked; the state event that it got is taken. */
static struct peer_ws *
come(struct peer *peer, skio_presence *presence, const char *user,
     const char *meta, skio_socket **socket)
{
    skio_socket *joined;
    struct peer_ws *ws = sio_connect(peer, &joined);

    if (socket != NULL)
        *socket = joined;
    IS_OK(peer, skio_presence_track(presence, joined, "r", user, "%-s", meta));
    peer_flush(peer);
    peer_expect_prefix(ws, "42[\"presence_state\",{\"room\":\"r\",\"users\":[");
    return ws;
}

#define CHANGE(joined, left, changed)                                          \
    "{\"room\":\"r\",\"joined\":[" joined "],\"left\":[" left                  \
    "],\"changed\":[" changed "]}"
#define USER(user, meta) "{\"user\":\"" user "\",\"meta\":" meta "}"
#define EVENT(joined, left, changed)                                           \
    "42[\"presence\"," CHANGE(joined, left, changed) "]"
#define NOTE(where, joined, left, changed)                                     \
    where " r " CHANGE(joined, left, changed)

/* ---- One server ---- */

SCENARIO(a_room_is_told_once_in_a_batch, usual, alone)
{
    struct peer_ws *ann = come(peer, here, "ann", "1", NULL);
    skio_socket *bobs;
    struct peer_ws *bob;

    peer_wait(peer, BATCH / 2);
    bob = come(peer, here, "bob", "{\"x\":[]}", &bobs);
    peer_expect_nothing(ann);
    peer_check(peer, skio_presence_count(here, "r") == 2);
    peer_wait(peer, BATCH / 2);
    peer_expect(ann,
                EVENT(USER("ann", "1") "," USER("bob", "{\"x\":[]}"), "", ""));
    peer_expect(bob,
                EVENT(USER("ann", "1") "," USER("bob", "{\"x\":[]}"), "", ""));
    peer_expect_event(peer, NOTE("here",
                                 USER("ann", "1") "," USER("bob", "{\"x\":[]}"),
                                 "", ""));
    IS_OK(peer, skio_presence_untrack(here, bobs, "r"));
    peer_check(peer, skio_presence_untrack(here, bobs, "r") == SKIO_ENOENT);
    peer_check(peer, skio_in_room(bobs, "r"));
    peer_wait(peer, BATCH);
    peer_expect(ann, EVENT("", "\"bob\"", ""));
    peer_expect(bob, EVENT("", "\"bob\"", ""));
    peer_check(peer, skio_presence_count(here, "r") == 1);
    peer_check(peer, skio_presence_count(here, "none") == 0);
}

SCENARIO(who_left_and_came_back_in_a_batch_made_no_difference, usual, alone)
{
    skio_socket *anns;
    struct peer_ws *ann = come(peer, here, "ann", "1", &anns);

    peer_wait(peer, BATCH);
    peer_expect(ann, EVENT(USER("ann", "1"), "", ""));
    IS_OK(peer, skio_presence_untrack(here, anns, "r"));
    IS_OK(peer, skio_presence_track(here, anns, "r", "ann", "1"));
    peer_flush(peer);
    peer_expect(ann, "42[\"presence_state\",{\"room\":\"r\",\"users\":[" USER(
                         "ann", "1") "]}]");
    /* Who comes and goes was never there. */
    IS_OK(peer, skio_presence_track(here, anns, "r", "bob", NULL));
    IS_OK(peer, skio_presence_track(here, anns, "r", "ann", "%d", 1));
    peer_wait(peer, 2 * BATCH);
    peer_expect_nothing(ann);
    /* Another value is one. */
    IS_OK(peer, skio_presence_track(here, anns, "r", "ann", "{'a':%d}", 2));
    peer_wait(peer, BATCH);
    peer_expect(ann, EVENT("", "", USER("ann", "{\"a\":2}")));
}

SCENARIO(a_user_is_there_from_the_first_device_to_the_last, usual, alone)
{
    struct peer_ws *one = come(peer, here, "ann", "1", NULL);
    skio_socket *seconds;
    struct peer_ws *two = come(peer, here, "ann", "2", &seconds);
    struct peer_ws *watcher = come(peer, here, "bob", "null", NULL);

    peer_wait(peer, BATCH);
    peer_expect(watcher,
                EVENT(USER("ann", "2") "," USER("bob", "null"), "", ""));
    peer_check(peer, counters_of(here).devices == 3);
    IS_OK(peer, skio_leave(seconds, "r"));
    peer_wait(peer, BATCH);
    peer_expect(watcher, EVENT("", "", USER("ann", "1")));
    peer_say(one, "41");
    peer_wait(peer, BATCH);
    peer_expect(watcher, EVENT("", "\"ann\"", ""));
    (void)two;
}

SCENARIO(a_lost_connection_has_a_grace, usual, alone)
{
    struct peer_ws *ann = come(peer, here, "ann", "1", NULL);
    struct peer_ws *watcher = come(peer, here, "bob", "null", NULL);

    peer_wait(peer, BATCH);
    peer_expect(watcher,
                EVENT(USER("ann", "1") "," USER("bob", "null"), "", ""));
    peer_hang_up(ann, false);
    peer_wait(peer, GRACE - 1);
    peer_expect_nothing(watcher);
    peer_check(peer, skio_presence_count(here, "r") == 2);
    /* In time: nobody has seen it, and the device is not there twice. */
    ann = come(peer, here, "ann", "1", NULL);
    peer_check(peer, counters_of(here).devices == 2);
    peer_wait(peer, GRACE + BATCH);
    peer_expect_nothing(watcher);
    peer_hang_up(ann, true);
    peer_wait(peer, GRACE);
    peer_expect_nothing(watcher);
    peer_check(peer, skio_presence_count(here, "r") == 1);
    peer_wait(peer, BATCH);
    peer_expect(watcher, EVENT("", "\"ann\"", ""));
}

SCENARIO(who_is_recovered_was_never_away, with_recovery, alone)
{
    static const char *const reconnect = "40{\"pid\":\"%s\",\"offset\":\"%s\"}";
    skio_socket *socket;
    struct peer_ws *ws = peer_websocket(peer);
    unsigned opcode;
    const char *data;
    size_t len;
    char sid[21] = "";
    char pid[64] = "";
    char packet[256];
    struct peer_ws *again;

    peer_say(ws, "40");
    peer_check(peer, peer_frame(ws, &opcode, &data, &len));
    peer_check(peer, len > 40 && len < sizeof packet);
    snprintf(packet, sizeof packet, "%.*s", (int)len, data);
    peer_check(peer,
               sscanf(packet, "40{\"sid\":\"%20[^\"]\",\"pid\":\"%63[^\"]", sid,
                      pid) == 2);
    socket = skio_nsp_socket(skio_of(peer->server, "/"), sid);
    peer_check(peer, socket != NULL);
    IS_OK(peer, skio_presence_track(here, socket, "r", "ann", "1"));
    IS_OK(peer, skio_presence_track(here, socket, "s", "ann", "1"));
    IS_OK(peer, skio_emit(socket, "e", "%d", 1));
    peer_flush(peer);
    peer_expect_prefix(ws, "42[\"presence_state\"");
    peer_expect_prefix(ws, "42[\"presence_state\"");
    peer_check(peer, peer_frame(ws, &opcode, &data, &len));
    peer_check(peer, len < sizeof packet);
    snprintf(packet, sizeof packet, "%.*s", (int)len, data);
    {
        char offset[64] = "";

        peer_check(peer, sscanf(packet, "42[\"e\",1,\"%63[^\"]", offset) == 1);
        peer_hang_up(ws, false);
        peer_wait(peer, GRACE / 2);
        snprintf(packet, sizeof packet, reconnect, pid, offset);
    }
    again = peer_websocket(peer);
    peer_say(again, packet);
    peer_expect_prefix(again, "42[\"presence\",{\"room\":\"r\"");
    peer_wait(peer, 2 * GRACE);
    socket = skio_nsp_socket(skio_of(peer->server, "/"), sid);
    peer_check(peer, socket != NULL && skio_socket_recovered(socket));
    peer_check(peer, skio_presence_count(here, "r") == 1);
    peer_check(peer, skio_presence_count(here, "s") == 1);
    IS_OK(peer, skio_presence_untrack(here, socket, "r"));
    peer_check(peer, skio_presence_count(here, "r") == 0);
}

static void
answer_state(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    int err = skio_presence_answer(here, socket, skio_get_str(args, "0"), ack);

    if (err != SKIO_OK)
        peer_note(user, "answer: %s", skio_err_name(err));
}

SCENARIO(who_asks_hears_what_the_room_knows, usual, alone)
{
    skio_socket *watching;
    struct peer_ws *watcher = sio_connect(peer, &watching);
    struct peer_ws *ann = come(peer, here, "ann", "1", NULL);

    IS_OK(peer, skio_on(skio_of(peer->server, "/"), "who", answer_state, peer));
    IS_OK(peer, skio_join(watching, "r"));
    peer_say(watcher, "427[\"who\",\"r\"]");
    peer_expect(watcher, "437[{\"room\":\"r\",\"users\":[]}]");
    peer_wait(peer, BATCH);
    peer_expect(watcher, EVENT(USER("ann", "1"), "", ""));
    peer_say(watcher, "428[\"who\",\"r\"]");
    peer_expect(watcher,
                "438[{\"room\":\"r\",\"users\":[" USER("ann", "1") "]}]");
    peer_say(watcher, "429[\"who\",\"no \\\"room\\u0001\"]");
    peer_expect(watcher, "439[{\"room\":\"no \\u0022room\\u0001\","
                         "\"users\":[]}]");
    peer_say(watcher, "42[\"who\",\"r\"]"); /* asks for no answer */
    peer_expect_nothing(watcher);
    peer_expect_event(peer, NOTE("here", USER("ann", "1"), "", ""));
    peer_expect_event(peer, NULL);
    IS_OK(peer, skio_presence_tell(here, watching, "r"));
    peer_flush(peer);
    peer_expect(watcher, "42[\"presence_state\",{\"room\":\"r\",\"users\":"
                         "[" USER("ann", "1") "]}]");
    peer_check(peer, skio_presence_tell(here, watching, NULL) == SKIO_EINVAL);
    (void)ann;
}

/* Read events until all users of a room are known, in so many pieces. */
static void
take_users(struct peer_ws *ws, const char *prefix, size_t users,
           size_t least_pieces)
{
    size_t seen = 0;
    size_t pieces = 0;

    while (seen < users) {
        unsigned opcode;
        const char *data;
        size_t len;

        peer_check(ws->peer, peer_frame(ws, &opcode, &data, &len));
        peer_check(ws->peer, len < 1400);
        if (pieces++ == 0)
            peer_check(ws->peer, memcmp(data, prefix, strlen(prefix)) == 0);
        for (size_t i = 0; i + 8 < len; i++)
            seen += memcmp(data + i, "\"user\":\"", 8) == 0;
    }
    peer_check(ws->peer, seen == users && pieces >= least_pieces);
    peer_expect_nothing(ws);
}

SCENARIO(what_is_too_much_for_one_event_is_told_in_several, with_chunks, alone)
{
    char user[16];
    char meta[240];
    skio_socket *watching;
    skio_socket *socket;
    struct peer_ws *watcher = sio_connect(peer, &watching);

    IS_OK(peer, skio_join(watching, "r"));
    memset(meta, 'x', sizeof meta - 1);
    meta[0] = meta[sizeof meta - 2] = '"';
    meta[sizeof meta - 1] = '\0';
    for (int i = 0; i < 12; i++) {
        snprintf(user, sizeof user, "u%02d", i);
        (void)come(peer, here, user, meta, &socket);
    }
    peer_wait(peer, BATCH);
    take_users(watcher, "42[\"presence\",{", 12, 3);
    IS_OK(peer, skio_presence_tell(here, watching, "r"));
    peer_flush(peer);
    take_users(watcher, "42[\"presence_state\",{", 12, 3);
}

static bool
end_all(const skio_presence_member *member, void *user)
{
    skio_nsp *nsp = skio_of(((struct peer *)user)->server, "/");

    (void)skio_sockets_disconnect(nsp, NULL, false);
    peer_note(user, "visited %s %s", member->user, member->meta);
    return true;
}

SCENARIO(a_list_is_in_order_and_may_be_changed_from_inside, usual, alone)
{
    skio_socket *sockets[3];
    char line[64];

    (void)come(peer, here, "bob", "2", &sockets[1]);
    (void)come(peer, here, "ann", "1", &sockets[0]);
    (void)come(peer, here, "cat", "3", &sockets[2]);
    IS_OK(peer, skio_presence_list(here, "r", note_member, peer));
    for (int i = 0; i < 3; i++) {
        snprintf(line, sizeof line, "%s %d 1 %s",
                 i == 0   ? "ann"
                 : i == 1 ? "bob"
                          : "cat",
                 i + 1, skio_socket_id(sockets[i]));
        peer_expect_event(peer, line);
    }
    IS_OK(peer, skio_presence_list(here, "r", end_all, peer));
    peer_expect_event(peer, "visited ann 1");
    peer_expect_event(peer, NULL);
    IS_OK(peer, skio_presence_list(here, "none", note_member, peer));
    peer_check(peer, skio_presence_count(here, "r") == 0);
    peer_check(peer, counters_of(here).rooms == 0);
}

static skio_socket *bystander; /* NULL: disconnected */
static char bystander_id[21];
static int act_number;

static bool
act_on_member(const skio_presence_member *member, void *user)
{
    (void)skio_presence_untrack(here, bystander, "r");
    peer_note(user, "visited %s %s", member->user, member->meta);
    return true;
}

/* One thing more each time, amid a batch. */
static void
act_on_change(skio_presence *presence, const char *room,
              const skio_value *change, void *user)
{
    skio_presence_counters counters = {.struct_size = sizeof counters};
    skio_presence *another;

    if (bystander != NULL) /* memory may have run out for it, too */
        bystander = skio_nsp_socket(skio_of(((struct peer *)user)->server, "/"),
                                    bystander_id);
    if (bystander == NULL)
        return;
    switch (act_number++) {
    case 0:
        if (skio_presence_track(presence, bystander, room, "zoe", NULL) !=
                SKIO_OK ||
            skio_presence_track(presence, bystander, "other", "zoe", NULL) !=
                SKIO_OK)
            peer_note(user, "not tracked");
        break;
    case 1:
        (void)skio_presence_tell(presence, bystander, room);
        (void)skio_presence_answer(presence, bystander, room, NULL);
        (void)skio_presence_list(presence, room, act_on_member, user);
        break;
    case 2:
        (void)skio_leave(bystander, room);
        (void)skio_presence_count(presence, room);
        skio_presence_count_all(presence, &counters);
        if (skio_presence_new(&another, skio_socket_nsp(bystander), &tuned) !=
            SKIO_OK)
            peer_note(user, "no other presence");
        break;
    default:
        bystander = NULL;
        (void)skio_sockets_disconnect(skio_of(((struct peer *)user)->server,
                                              "/"),
                                      NULL, true);
        break;
    }
    peer_note(user, "%s",
              skio_get_json(change, "joined") != NULL ? "a change" : "none");
}

static void
acting(skio_server_options *options)
{
    usual(options);
    tuned.on_change = act_on_change;
    bystander = NULL;
    act_number = 0;
}

/* What is sent is watched, and changed once more. */
static void
act_on_event(skio_socket *socket, const char *event, const skio_value *args,
             void *user)
{
    (void)user;
    if (strcmp(event, "presence") == 0 && act_number == 2)
        (void)skio_presence_untrack(here, socket, "r");
    if (skio_get_json(args, "") == NULL)
        act_number = 99;
}

SCENARIO(anything_may_be_done_amid_a_batch, acting, alone)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_socket *anns;

    IS_OK(peer, skio_on_any_outgoing(root, act_on_event, peer));
    (void)sio_connect(peer, &bystander);
    snprintf(bystander_id, sizeof bystander_id, "%s",
             skio_socket_id(bystander));
    (void)come(peer, here, "ann", "1", &anns);
    for (int i = 2; i < 12 && bystander != NULL; i++) {
        int before = act_number;

        IS_OK(peer, skio_presence_track(here, anns, "r", "ann", "%d", i));
        peer_wait(peer, BATCH + 50);
        peer_check(peer, act_number > before && act_number < 99);
    }
    peer_check(peer, bystander == NULL);
    peer_wait(peer, GRACE + BATCH);
    peer_check(peer, skio_presence_count(here, "r") == 0);
    peer_check(peer, counters_of(here).devices == 0);
    peer_check(peer, counters_of(here).rooms == 0);
}

SCENARIO(a_failed_track_changes_nothing, with_limits, alone)
{
    skio_socket *sockets[6];

    for (int i = 0; i < 6; i++)
        (void)sio_connect(peer, &sockets[i]);
#define TRACK(i, room, user, ...)                                              \
    skio_presence_track(here, sockets[i], room, user, __VA_ARGS__)
    peer_check(peer, TRACK(0, NULL, "a", NULL) == SKIO_EINVAL);
    peer_check(peer, TRACK(0, "r", NULL, NULL) == SKIO_EINVAL);
    peer_check(peer, TRACK(0, "r", "", NULL) == SKIO_EINVAL);
    peer_check(peer, TRACK(0, "r", "\xff", NULL) == SKIO_EINVAL);
    peer_check(peer, TRACK(0, "\xff", "a", NULL) == SKIO_EINVAL);
    peer_check(peer, TRACK(0, "r", "a", "%d %d", 1, 2) == SKIO_EINVAL);
    peer_check(peer, TRACK(0, "r", "123456789", NULL) == SKIO_ETOOBIG);
    peer_check(peer, TRACK(0, "r", "a", "%s", "123456789") == SKIO_ETOOBIG);
    peer_check(peer, !skio_in_room(sockets[0], "r"));
    /* At the limits. */
    IS_OK(peer, TRACK(0, "r", "12345678", "%s", "12345678"));
    IS_OK(peer, TRACK(1, "r", "12345678", NULL));
    peer_check(peer, TRACK(2, "r", "12345678", NULL) == SKIO_ELIMIT);
    IS_OK(peer, TRACK(2, "r", "b", NULL));
    IS_OK(peer, TRACK(3, "r", "c", NULL));
    peer_check(peer, TRACK(4, "r", "d", NULL) == SKIO_ELIMIT);
    peer_check(peer, !skio_in_room(sockets[4], "r"));
    IS_OK(peer, TRACK(4, "s", "d", NULL));
    peer_check(peer, counters_of(here).devices == 5);
    peer_check(peer, TRACK(5, "s", "e", NULL) == SKIO_ELIMIT);
    IS_OK(peer, skio_presence_untrack(here, sockets[3], "r"));
    peer_check(peer, TRACK(5, "t", "e", NULL) == SKIO_ELIMIT);
    IS_OK(peer, TRACK(5, "r", "e", NULL));
    IS_OK(peer, skio_presence_untrack(here, sockets[4], "s"));
    IS_OK(peer, TRACK(4, "t", "e", NULL));
    peer_check(peer, counters_of(here).rooms == 2);
    skio_disconnect(sockets[4], true);
#undef TRACK
}

SCENARIO(meta_data_leaves_room_for_what_is_around_it, usual, alone)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    char json[200];

    for (size_t depth = 56; depth <= 57; depth++) {
        int err;

        memset(json, '[', depth);
        memset(json + depth, ']', depth);
        json[2 * depth] = '\0';
        err = skio_presence_track(here, socket, "r", "ann", "%-s", json);
        peer_check(peer, err == (depth == 56 ? SKIO_OK : SKIO_ETOOBIG));
    }
    peer_flush(peer);
    peer_expect_prefix(ws, "42[\"presence_state\"");
    peer_wait(peer, BATCH);
    peer_expect_prefix(ws, "42[\"presence\",{\"room\":\"r\",\"joined\":[{");
}

SCENARIO(options_out_of_their_range_are_refused, usual, NULL)
{
    skio_nsp *nsp = skio_of(peer->server, "/");
    skio_presence_options good = tuned;

#define REFUSED(member, value)                                                 \
    tuned = good;                                                              \
    tuned.member = (value);                                                    \
    peer_check(peer, skio_presence_new(&here, nsp, &tuned) == SKIO_EINVAL)
    REFUSED(event, NULL);
    REFUSED(event, "disconnect");
    REFUSED(state_event, "connect");
    REFUSED(server_event, NULL);
    REFUSED(server_event, "new_namespace");
    REFUSED(batch_ms, 9);
    REFUSED(batch_ms, 60001);
    REFUSED(grace_ms, 600001);
    REFUSED(digest_ms, 99);
    REFUSED(digest_ms, 60001);
    REFUSED(server_timeout_ms, 5000);
    REFUSED(server_timeout_ms, 600001);
    REFUSED(max_rooms, 0);
    REFUSED(max_users_per_room, 0);
    REFUSED(max_devices_per_user, 0);
    REFUSED(max_devices, 0);
    REFUSED(max_servers, 0);
    REFUSED(max_user_bytes, 0);
    REFUSED(max_user_bytes, 32769);
    REFUSED(max_meta_bytes, 3);
    REFUSED(max_meta_bytes, 131073);
    REFUSED(max_chunk_bytes, 1023);
    REFUSED(max_chunk_bytes, 524289);
#undef REFUSED
    tuned = good;
    nsp = skio_of_pattern(peer->server, "/made-*");
    peer_check(peer, nsp != NULL);
    peer_check(peer, skio_presence_new(&here, nsp, NULL) == SKIO_EINVAL);
    IS_OK(peer, skio_presence_new(&here, skio_of(peer->server, "/"), NULL));
}

/* ---- Two servers ---- */

SCENARIO(two_servers_know_the_same, usual, two_servers)
{
    skio_socket *anns;
    skio_socket *bobs;
    struct peer_ws *ann = come(peer, here, "ann", "1", &anns);
    struct peer_ws *bob;
    struct peer_ws *second;

    peer_switch(peer);
    bob = come(peer, there, "bob", "2", &bobs);
    peer_switch(peer);
    peer_wait(peer, 2 * BATCH);
    peer_check(peer, skio_presence_count(here, "r") == 2);
    peer_check(peer, skio_presence_count(there, "r") == 2);
    peer_expect(ann, EVENT(USER("ann", "1"), "", ""));
    peer_expect(ann, EVENT(USER("bob", "2"), "", ""));
    peer_check(peer, counters_of(here).servers == 1);
    /* A device on each: the user stays until both have gone. */
    peer_switch(peer);
    second = come(peer, there, "ann", "3", NULL);
    peer_switch(peer);
    peer_wait(peer, 2 * BATCH);
    peer_expect(ann, EVENT("", "", USER("ann", "3")));
    peer_say(second, "41");
    peer_wait(peer, 2 * BATCH);
    peer_expect(ann, EVENT("", "", USER("ann", "1")));
    IS_OK(peer, skio_leave(anns, "r"));
    peer_wait(peer, 2 * BATCH);
    peer_check(peer, skio_presence_count(there, "r") == 1);
    peer_check(peer, counters_of(here).devices == 1);
    peer_check(peer, counters_of(there).devices == 1);
    peer_check(peer, counters_of(here).refused == 0);
    (void)bob;
}

SCENARIO(who_moves_to_another_server_never_left, usual, two_servers)
{
    struct peer_ws *ann = come(peer, here, "ann", "1", NULL);
    struct peer_ws *watcher = come(peer, here, "bob", "2", NULL);

    peer_wait(peer, 2 * BATCH);
    peer_expect_prefix(watcher, "42[\"presence\"");
    peer_hang_up(ann, false);
    peer_wait(peer, 1000);
    peer_switch(peer);
    (void)come(peer, there, "ann", "1", NULL);
    peer_switch(peer);
    peer_wait(peer, GRACE + 2 * BATCH);
    peer_expect_nothing(watcher);
    peer_check(peer, skio_presence_count(here, "r") == 2);
    peer_check(peer, counters_of(there).devices == 2);
}

SCENARIO(a_server_that_says_nothing_is_dropped_in_time, usual, two_servers)
{
    struct peer_ws *watcher = come(peer, here, "bob", "2", NULL);

    peer_switch(peer);
    (void)come(peer, there, "ann", "1", NULL);
    peer_switch(peer);
    peer_wait(peer, 2 * BATCH);
    peer_expect_prefix(watcher, "42[\"presence\"");
    peer_expect(watcher, EVENT(USER("ann", "1"), "", ""));
    bus.is_deaf[0] = true;
    peer_wait(peer, 9000);
    peer_expect_nothing(watcher);
    peer_check(peer, skio_presence_count(here, "r") == 2);
    peer_wait(peer, 6000 + 2 * BATCH);
    peer_expect(watcher, EVENT("", "\"ann\"", ""));
    peer_check(peer, counters_of(here).servers == 0);
    /* It is heard again: its next digest brings all back. */
    bus.is_deaf[0] = false;
    peer_wait(peer, 5000 + 4 * BATCH);
    peer_expect(watcher, EVENT(USER("ann", "1"), "", ""));
}

SCENARIO(what_was_lost_is_asked_for, with_chunks, two_servers)
{
    skio_socket *sockets[8];
    char user[600];

    peer_wait(peer, 2 * BATCH);
    bus.is_deaf[1] = true;
    for (int i = 0; i < 8; i++) {
        snprintf(user, sizeof user, "user-%d-%0100d", i, 7);
        (void)come(peer, here, user, "\"some text that takes its place\"",
                   &sockets[i]);
    }
    peer_wait(peer, 2 * BATCH);
    peer_check(peer, skio_presence_count(there, "r") == 0);
    bus.is_deaf[1] = false;
    /* Gone before it was known, as seen from there. */
    IS_OK(peer, skio_presence_untrack(here, sockets[7], "r"));
    peer_wait(peer, 5000 + 4 * BATCH);
    peer_check(peer, skio_presence_count(there, "r") == 7);
    bus.is_deaf[1] = true;
    for (int i = 0; i < 3; i++)
        IS_OK(peer, skio_presence_untrack(here, sockets[i], "r"));
    peer_wait(peer, 2 * BATCH);
    peer_check(peer, skio_presence_count(there, "r") == 7);
    bus.is_deaf[1] = false;
    peer_wait(peer, 5000 + 4 * BATCH);
    peer_check(peer, skio_presence_count(there, "r") == 4);
    peer_check(peer, counters_of(there).refused == 0);
}

/* ---- Strange servers ---- */

SCENARIO(what_is_malformed_disturbs_nothing_else, usual, a_strange_server)
{
    static const char *const messages[] = {
        "1",
        "null",
        "[]",
        "{}",
        "{\"from\":1,\"t\":\"digest\",\"seq\":1}",
        "{\"from\":\"\",\"t\":\"digest\",\"seq\":1}",
        "{\"from\":\"x\",\"t\":\"digest\"}",
        "{\"from\":\"x\",\"t\":\"digest\",\"seq\":-1}",
        "{\"from\":\"x\",\"t\":\"digest\",\"seq\":1.5}",
        "{\"from\":\"x\",\"t\":\"digest\",\"seq\":9007199254740992}",
        "{\"from\":\"x\",\"t\":\"what\",\"seq\":0}",
        "{\"from\":\"x\",\"t\":[],\"seq\":0}",
        "{\"from\":\"x\",\"t\":\"ask\",\"to\":{}}",
        "{\"from\":\"x\",\"t\":\"news\",\"seq\":1}",
        "{\"from\":\"x\\u0000\",\"t\":\"digest\",\"seq\":0}",
    };
    static const char *const entries[] = {
        "1",
        "[]",
        "[\"r\",\"u\"]",
        "[\"\",\"u\",\"d\",1,1]",
        "[\"r\",\"\",\"d\",1,1]",
        "[\"r\",\"u\",\"\",1,1]",
        "[\"r\",{},\"d\",1,1]",
        "[\"r\",\"u\",\"d\",-1,1]",
        "[\"r\",\"u\",\"d\",1e300,1]",
        "[\"r\",\"u\",\"d\",\"1\",1]",
        "[\"r\",\"u\",\"d\",1]",
        "[\"r\",\"u\\u0000\",\"d\",1,1]",
    };
    struct peer_ws *ann = come(peer, here, "ann", "1", NULL);
    char text[1024];
    size_t n = sizeof messages / sizeof *messages;

    peer_wait(peer, BATCH);
    peer_expect(ann, EVENT(USER("ann", "1"), "", ""));
    tell(peer, "{\"from\":\"good\",\"t\":\"news\",\"seq\":1,\"del\":[],"
               "\"set\":[[\"r\",\"bob\",\"d1\",1,{}]]}");
    for (size_t i = 0; i < n; i++) {
        tell(peer, messages[i]);
        peer_check(peer, counters_of(here).refused == i + 1);
    }
    snprintf(text, sizeof text,
             "{\"from\":\"%065d\",\"t\":\"digest\",\"seq\":0}", 1);
    tell(peer, text);
    peer_check(peer, counters_of(here).refused == ++n);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        snprintf(text, sizeof text,
                 "{\"from\":\"good\",\"t\":\"news\",\"seq\":%zu,\"del\":[],"
                 "\"set\":[%s,[\"r\",\"u%02zu\",\"d\",1,1]]}",
                 i + 2, entries[i], i);
        tell(peer, text);
        peer_check(peer, counters_of(here).refused == ++n);
    }
    tell(peer, "{\"from\":\"good\",\"t\":\"news\",\"seq\":14,\"set\":[],"
               "\"del\":[1,[\"r\",\"u00\",\"d\"],[\"r\",\"no\",\"d\"]]}");
    peer_check(peer, counters_of(here).refused == ++n);
    /* All that was good is there, and nothing else. */
    peer_check(peer, skio_presence_count(here, "r") == 2 + 12 - 1);
    peer_check(peer, counters_of(here).rooms == 1);
    /* Somebody who is heard no more takes only one's own along. */
    peer_wait(peer, 15000 + BATCH);
    peer_check(peer, skio_presence_count(here, "r") == 1);
    peer_check(peer, counters_of(here).servers == 0);
}

SCENARIO(what_other_servers_say_is_bounded, with_limits, a_strange_server)
{
#define SAY(seq, entry)                                                        \
    tell(peer, "{\"from\":\"x\",\"t\":\"news\",\"seq\":" #seq                  \
               ",\"del\":[],\"set\":[" entry "]}")
#define EXPECT(devices_, refused_)                                             \
    peer_check(peer, counters_of(here).devices == (devices_));                 \
    peer_check(peer, counters_of(here).refused == (refused_))
    SAY(1, "[\"r\",\"12345678\",\"a\",1,\"12345678\"]");
    EXPECT(1, 0);
    SAY(2, "[\"r\",\"123456789\",\"b\",1,1]"); /* the user's id */
    EXPECT(1, 1);
    SAY(3, "[\"r\",\"u2\",\"b\",1,\"123456789\"]"); /* meta */
    EXPECT(1, 2);
    SAY(4, "[\"r\",\"u2\",\"b\",1,1],[\"r\",\"u3\",\"c\",1,1]");
    EXPECT(3, 2);
    SAY(5, "[\"r\",\"u4\",\"d\",1,1]"); /* users of a room */
    EXPECT(3, 3);
    SAY(6, "[\"r\",\"u3\",\"d\",1,1]");
    EXPECT(4, 3);
    SAY(7, "[\"r\",\"u3\",\"e\",1,1]"); /* devices of a user */
    EXPECT(4, 4);
    SAY(8, "[\"s\",\"u1\",\"f\",1,1]");
    EXPECT(5, 4);
    SAY(9, "[\"s\",\"u2\",\"g\",1,1]"); /* devices in all */
    EXPECT(5, 5);
    tell(peer,
         "{\"from\":\"x\",\"t\":\"news\",\"seq\":10,\"set\":[[\"t\","
         "\"u1\",\"h\",1,1]],\"del\":[[\"r\",\"u3\",\"d\"]]}"); /* rooms */
    EXPECT(4, 6);
    peer_check(peer, counters_of(here).rooms == 2);
    tell(peer, "{\"from\":\"y\",\"t\":\"digest\",\"seq\":0}");
    peer_check(peer, counters_of(here).servers == 2);
    tell(peer, "{\"from\":\"z\",\"t\":\"digest\",\"seq\":0}"); /* servers */
    EXPECT(4, 7);
    peer_check(peer, counters_of(here).servers == 2);
    peer_wait(peer, BATCH);
    (void)come(peer, here, "u2", "4", NULL); /* who is at home finds a place */
    EXPECT(5, 7);
#undef EXPECT
#undef SAY
}

static char own_id[65]; /* of the server under test, as others hear it */

static void
note_said(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
          void *user)
{
    const char *type = skio_get_str(args, "0.t");
    const char *to = skio_get_str(args, "0.to");
    const char *from = skio_get_str(args, "0.from");

    (void)nsp;
    (void)ack;
    snprintf(own_id, sizeof own_id, "%s", from != NULL ? from : "");
    peer_note(user, "%s %s", type != NULL ? type : "?", to != NULL ? to : "");
}

SCENARIO(who_misses_something_asks_at_most_once_a_second, usual,
         a_strange_server)
{
    skio_nsp *strange = skio_of(peer->another, "/");

    IS_OK(peer,
          skio_on_server_event(strange, "skio:presence", note_said, peer));
    for (int i = 0; i < 5; i++)
        tell(peer, "{\"from\":\"x\",\"t\":\"digest\",\"seq\":7}");
    peer_expect_event(peer, "ask x");
    peer_expect_event(peer, NULL);
    /* What is not in order is not taken. */
    tell(peer, "{\"from\":\"x\",\"t\":\"news\",\"seq\":9,\"del\":[],"
               "\"set\":[[\"r\",\"u\",\"d\",1,1]]}");
    peer_check(peer, skio_presence_count(here, "r") == 0);
    /* A full state is; what it lacks at its end is no more. */
    tell(peer, "{\"from\":\"x\",\"t\":\"news\",\"seq\":20,\"begin\":true,"
               "\"end\":true,\"del\":[],\"set\":[[\"r\",\"u\",\"d\",1,1],"
               "[\"r\",\"v\",\"d\",1,1]]}");
    peer_check(peer, skio_presence_count(here, "r") == 2);
    tell(peer, "{\"from\":\"x\",\"t\":\"news\",\"seq\":21,\"begin\":true,"
               "\"del\":[],\"set\":[]}");
    peer_check(peer, skio_presence_count(here, "r") == 2);
    tell(peer, "{\"from\":\"x\",\"t\":\"news\",\"seq\":22,\"end\":true,"
               "\"del\":[],\"set\":[[\"r\",\"v\",\"d\",1,1]]}");
    peer_check(peer, skio_presence_count(here, "r") == 1);
    peer_wait(peer, BATCH);
    peer_expect_event(peer, "digest "); /* for the new server */
    peer_expect_event(peer, NOTE("here", USER("v", "1"), "", ""));
    /* Who is asked again and again says all once in a second. */
    for (int i = 0; i < 8; i++) {
        char text[128];

        snprintf(text, sizeof text,
                 "{\"from\":\"x\",\"t\":\"ask\",\"to\":\"%s\"}", own_id);
        tell(peer, text);
        peer_wait(peer, BATCH);
    }
    peer_expect_event(peer, "news ");
    peer_expect_event(peer, "news ");
    peer_expect_event(peer, NULL);
}

/* ---- The tree ---- */

static void
a_tree_keeps_its_order(void **state)
{
    enum { COUNT = 500 };
    static struct presence_node nodes[COUNT];
    static char keys[COUNT][8];
    struct presence_tree tree = {NULL, 0};
    uint64_t seed = 1;
    const char *key = NULL;
    size_t seen = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "%d", i * 7919 % 10007);
        nodes[i].key = keys[i];
        skio__presence_tree_insert(&tree, &nodes[i], &seed);
    }
    for (int i = 0; i < COUNT; i += 3)
        skio__presence_tree_remove(&tree, &nodes[i]);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(skio__presence_tree_find(&tree, keys[i]),
                         i % 3 == 0 ? NULL : &nodes[i]);
    for (;;) {
        const struct presence_node *next =
            skio__presence_tree_after(&tree, key);

        if (next == NULL)
            break;
        assert_true(key == NULL || strcmp(key, next->key) < 0);
        key = next->key;
        seen++;
    }
    assert_int_equal(seen, COUNT - (COUNT + 2) / 3);
    assert_int_equal(tree.count, seen);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_is_told_once_in_a_batch),
        cmocka_unit_test(who_left_and_came_back_in_a_batch_made_no_difference),
        cmocka_unit_test(a_user_is_there_from_the_first_device_to_the_last),
        cmocka_unit_test(a_lost_connection_has_a_grace),
        cmocka_unit_test(who_is_recovered_was_never_away),
        cmocka_unit_test(who_asks_hears_what_the_room_knows),
        cmocka_unit_test(what_is_too_much_for_one_event_is_told_in_several),
        cmocka_unit_test(a_list_is_in_order_and_may_be_changed_from_inside),
        cmocka_unit_test(anything_may_be_done_amid_a_batch),
        cmocka_unit_test(a_failed_track_changes_nothing),
        cmocka_unit_test(meta_data_leaves_room_for_what_is_around_it),
        cmocka_unit_test(options_out_of_their_range_are_refused),
        cmocka_unit_test(two_servers_know_the_same),
        cmocka_unit_test(who_moves_to_another_server_never_left),
        cmocka_unit_test(a_server_that_says_nothing_is_dropped_in_time),
        cmocka_unit_test(what_was_lost_is_asked_for),
        cmocka_unit_test(what_is_malformed_disturbs_nothing_else),
        cmocka_unit_test(what_other_servers_say_is_bounded),
        cmocka_unit_test(who_misses_something_asks_at_most_once_a_second),
        cmocka_unit_test(a_tree_keeps_its_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
