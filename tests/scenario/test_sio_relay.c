/*
 * What all adapters of a cluster do, in both languages, a step at a time
 */
#include "scenario/relay.h"
#include "scenario/sio.h"

static struct relay relay;
static skio_server *other;

static void
free_other(struct peer *peer)
{
    (void)peer;
    skio_server_free(other);
    other = NULL;
}

static void
begin(struct peer *peer, bool is_classic)
{
    relay = (struct relay){.is_classic = is_classic};
    other = NULL;
    peer->cleanup = free_other;
    peer_check(peer, skio_server_new(&other, &peer->options) == SKIO_OK);
    peer_check(peer, relay_attach(&relay, peer->server) == SKIO_OK);
    peer_check(peer, relay_attach(&relay, other) == SKIO_OK);
}

RELAY_LANGUAGES(begin)

static skio_nsp *
here(struct peer *peer)
{
    return skio_of(peer->server, "/");
}

static skio_nsp *
there(void)
{
    return skio_of(other, "/");
}

static void
run(struct peer *peer)
{
    relay_run(&relay);
    peer_flush(peer);
}

/* ---- Events ---- */

RELAY_BOTH(an_event_reaches_the_clients_of_both)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_check(peer, skio_emit_all(there(), "e", "%d, %s", 1, "x") == SKIO_OK);
    peer_expect_nothing(ws);
    run(peer);
    peer_expect(ws, "42[\"e\",1,\"x\"]");
    peer_check(peer, skio_emit_all(here(peer), "e", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"e\"]");
    run(peer);
    peer_expect_nothing(ws); /* what comes back is its own */
}

RELAY_BOTH(bytes_reach_them_too)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_check(peer, skio_emit_all(there(), "e", "[%p,{'n':%p}]",
                                   SKIO_BYTES("\1\0", 2),
                                   SKIO_BYTES("", 0)) == SKIO_OK);
    run(peer);
    peer_expect(ws, "452-[\"e\",[{\"_placeholder\":true,\"num\":0},"
                    "{\"n\":{\"_placeholder\":true,\"num\":1}}]]");
    peer_expect_bytes(ws, "\1\0", 2);
    peer_expect_bytes(ws, "", 0);
}

RELAY_BOTH(rooms_and_those_left_out_are_told)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    struct peer_ws *sender = sio_connect(peer, NULL);

    peer_check(peer, skio_join(socket, "a") == SKIO_OK);
    peer_check(peer, skio_emit_to(there(), "b", "no", NULL) == SKIO_OK);
    peer_check(peer,
               skio_emit_with(there(), SKIO_TARGET(.except = SKIO_ROOMS("a")),
                              "others", NULL) == SKIO_OK);
    peer_check(peer,
               skio_emit_with(there(), SKIO_TARGET(.to = SKIO_ROOMS("a", "b")),
                              "once", NULL) == SKIO_OK);
    run(peer);
    peer_expect(ws, "42[\"once\"]");
    peer_expect(sender, "42[\"others\"]");
    peer_check(peer, skio_broadcast(socket, "e", NULL) == SKIO_OK);
    run(peer);
    peer_expect_nothing(ws);
    peer_expect(sender, "42[\"e\"]");
    peer_check(peer, skio_emit_with(there(), SKIO_TARGET(.flags = SKIO_LOCAL),
                                    "local", NULL) == SKIO_OK);
    run(peer);
    peer_expect_nothing(ws);
}

RELAY_BOTH(what_cannot_be_sent_is_delivered_here)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    relay.is_down = true;
    peer_check(peer, skio_emit_all(here(peer), "e", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"e\"]");
    peer_check(peer,
               skio_server_side_emit(here(peer), "e", NULL) == SKIO_ECLOSED);
}

/* ---- Sockets ---- */

RELAY_BOTH(sockets_of_both_join_leave_and_end)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, skio_sockets_join(there(), NULL, "a") == SKIO_OK);
    peer_check(peer, !skio_in_room(socket, "a"));
    run(peer);
    peer_check(peer, skio_in_room(socket, "a"));
    peer_check(peer,
               skio_sockets_leave(there(), SKIO_TARGET(.to = SKIO_ROOMS("a")),
                                  "a") == SKIO_OK);
    run(peer);
    peer_check(peer, !skio_in_room(socket, "a"));
    peer_check(peer, skio_sockets_disconnect(there(),
                                             SKIO_TARGET(.to = SKIO_ROOMS("a")),
                                             true) == SKIO_OK);
    run(peer);
    peer_expect_nothing(ws);
    peer_check(peer, skio_sockets_disconnect(there(), NULL, false) == SKIO_OK);
    run(peer);
    peer_expect(ws, "41");
}

static void
note_fetched(int err, const skio_remote *const *sockets, size_t count,
             size_t missing, void *user)
{
    peer_note(user, "fetched %s %d missing %d", skio_err_name(err), (int)count,
              (int)missing);
    for (size_t i = 0; i < count; i++) {
        const char *handshake = skio_remote_handshake(sockets[i]);
        const char *shared = skio_remote_shared(sockets[i]);

        peer_note(user, "%s %s %s",
                  skio_remote_socket(sockets[i]) != NULL ? "here" : "there",
                  shared != NULL ? shared : "-",
                  handshake != NULL &&
                          strstr(handshake, "\"headers\":{") != NULL
                      ? "shook hands"
                      : "-");
    }
}

RELAY_BOTH(sockets_are_fetched_from_both)
{
    skio_socket *socket;

    sio_connect(peer, &socket);
    peer_check(peer, skio_socket_set_shared(socket, "{'n':%d}", 7) == SKIO_OK);
    peer_check(peer, skio_sockets_fetch(there(), NULL, note_fetched, peer) ==
                         SKIO_OK);
    peer_expect_event(peer, NULL);
    relay_run(&relay);
    relay_run(&relay);
    peer_expect_event(peer, "fetched SKIO_OK 1 missing 0");
    peer_expect_event(peer, "there {\"n\":7} shook hands");
    peer_check(peer, skio_sockets_fetch(here(peer),
                                        SKIO_TARGET(.to = SKIO_ROOMS("none")),
                                        note_fetched, peer) == SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "fetched SKIO_OK 0 missing 0");
    peer_check(peer, skio_sockets_fetch(here(peer), NULL, note_fetched, peer) ==
                         SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "fetched SKIO_OK 1 missing 0");
    peer_expect_event(peer, "here {\"n\":7} shook hands");
}

RELAY_BOTH(who_does_not_answer_is_missing)
{
    sio_connect(peer, NULL);
    relay.is_deaf[1] = true;
    peer_check(peer, skio_sockets_fetch(here(peer), NULL, note_fetched, peer) ==
                         SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "fetched SKIO_ETIMEDOUT 1 missing 1");
    peer_expect_event(peer, "here {} shook hands");
    relay.is_deaf[1] = false;
    relay.is_uncounted = true;
    peer_check(peer, skio_sockets_fetch(here(peer), NULL, note_fetched, peer) ==
                         SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "fetched SKIO_ECLOSED 1 missing 0");
    peer_expect_event(peer, "here {} shook hands");
    relay.is_down = true;
    peer_check(peer, skio_sockets_fetch(here(peer), NULL, note_fetched, peer) ==
                         SKIO_OK);
    peer_expect_event(peer, "fetched SKIO_ECLOSED 1 missing 0");
}

RELAY_BOTH(questions_have_a_limit)
{
    for (int i = 0; i < 3; i++)
        peer_check(peer, skio_sockets_fetch(here(peer), NULL, note_fetched,
                                            peer) == SKIO_OK);
    peer_check(peer, skio_sockets_fetch(here(peer), NULL, note_fetched, peer) ==
                         SKIO_ELIMIT);
    relay_run(&relay);
    for (int i = 0; i < 3; i++)
        peer_expect_event(peer, "fetched SKIO_OK 0 missing 0");
    peer_expect_event(peer, NULL);
}

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
    (void)missing;
    for (size_t i = 0; i < count; i++)
        if (strlen(rooms[i]) < 20)
            peer_note(user, "room %s", rooms[i]);
    peer_note(user, "rooms %s %d", skio_err_name(err), (int)count);
}

RELAY_BOTH(sockets_servers_and_rooms_are_counted)
{
    skio_socket *socket;
    skio_socket *second;

    sio_connect(peer, &socket);
    sio_connect(peer, &second);
    peer_check(peer, skio_join(socket, "a") == SKIO_OK);
    peer_check(peer, skio_join(second, "a") == SKIO_OK);
    peer_check(peer,
               skio_sockets_count(there(), NULL, note_count, peer) == SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "count SKIO_OK 2 missing 0");
    peer_check(peer, skio_server_count(there(), note_count, peer) == SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "count SKIO_OK 2 missing 0");
    peer_check(peer, skio_rooms_fetch(there(), note_rooms, peer) == SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "room a");
    peer_expect_event(peer, "rooms SKIO_OK 3");
    relay.is_down = true;
    peer_check(peer, skio_server_count(there(), note_count, peer) == SKIO_OK);
    peer_expect_event(peer, "count SKIO_ECLOSED 1 missing 0");
}

SCENARIO(a_carrier_hears_of_rooms, NULL, modern)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);

    peer_check(peer, skio_join(socket, "a") == SKIO_OK);
    peer_check(peer, skio_leave(socket, "a") == SKIO_OK);
    peer_check(peer, skio_join(socket, "b") == SKIO_OK);
    peer_check(peer, strcmp(relay.rooms, "+a -a +b ") == 0);
    peer_hang_up(ws, true);
    peer_flush(peer);
    peer_check(peer, strcmp(relay.rooms, "+a -a +b -b ") == 0);
}

/* ---- Answers ---- */

static void
note_answers(int err, const skio_value *args, size_t received, size_t expected,
             void *user)
{
    const char *json = args != NULL ? skio_get_json(args, "") : "-";

    peer_note(user, "answers %s %s %d/%d", skio_err_name(err),
              json != NULL ? json : "?", (int)received, (int)expected);
}

static void
ask(struct peer *peer, skio_nsp *nsp)
{
    peer_check(peer, skio_emit_with_acks(nsp, SKIO_TARGET(.timeout_ms = 1000),
                                         note_answers, peer, "q", "%d",
                                         1) == SKIO_OK);
}

RELAY_BOTH(clients_of_both_answer)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    ask(peer, there());
    run(peer);
    peer_expect(ws, "420[\"q\",1]");
    peer_expect_event(peer, NULL);
    peer_say(ws, "430[{\"a\":[5]},6]");
    relay_run(&relay);
    peer_expect_event(peer, "answers SKIO_OK [{\"a\":[5]}] 1/1");
    peer_expect_event(peer, "answers SKIO_OK - 1/1");
    peer_expect_event(peer, NULL);
}

RELAY_BOTH(an_answer_may_be_nothing_or_bytes)
{
    struct peer_ws *ws = sio_connect(peer, NULL);
    struct peer_ws *second = sio_connect(peer, NULL);

    ask(peer, there());
    run(peer);
    peer_expect(ws, "420[\"q\",1]");
    peer_expect(second, "420[\"q\",1]");
    peer_say(ws, "430[]");
    relay_run(&relay);
    peer_expect_event(peer, "answers SKIO_OK [] 1/2");
    peer_say(second, "461-0[{\"_placeholder\":true,\"num\":0}]");
    peer_say_bytes(second, "\7\7", 2, true);
    relay_run(&relay);
    peer_expect_event(
        peer, "answers SKIO_OK [{\"_placeholder\":true,\"num\":0}] 2/2");
    peer_expect_event(peer, "answers SKIO_OK - 2/2");
}

RELAY_BOTH(clients_that_do_not_answer_are_told)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    ask(peer, there());
    run(peer);
    peer_expect(ws, "420[\"q\",1]");
    /* The other server has no clock: it asks for ever. */
    peer_wait(peer, 1000);
    relay_run(&relay);
    peer_expect_event(peer, NULL);
    ask(peer, here(peer));
    peer_flush(peer);
    peer_expect(ws, "421[\"q\",1]");
    run(peer);
    peer_wait(peer, 1000);
    relay_run(&relay);
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT - 0/1");
}

RELAY_BOTH(an_unreachable_cluster_is_told)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    relay.is_down = true;
    ask(peer, here(peer));
    peer_flush(peer);
    peer_expect(ws, "420[\"q\",1]");
    peer_say(ws, "430[1]");
    peer_expect_event(peer, "answers SKIO_OK [1] 1/1");
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT - 1/1");
}

/* ---- Events between servers ---- */

static void
on_server_event(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
                void *user)
{
    const char *json = skio_get_json(args, "");

    (void)nsp;
    peer_note(user, "heard %s%s", json != NULL ? json : "?",
              ack != NULL ? " ack" : "");
    (void)skio_server_ack_send(ack, "{'n':%d}", 5);
}

static void
note_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    const char *json = skio_get_json(responses, "");

    peer_note(user, "responses %s %s missing %d", skio_err_name(err),
              json != NULL ? json : "?", (int)missing);
}

RELAY_BOTH(servers_tell_and_ask_each_other)
{
    peer_check(peer, skio_on_server_event(here(peer), "e", on_server_event,
                                          peer) == SKIO_OK);
    peer_check(peer, skio_server_side_emit(there(), "e", "%d", 1) == SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "heard [1]");
    peer_check(peer,
               skio_server_side_emit_with_ack(there(), note_responses, peer,
                                              "e", "%s", "x") == SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "heard [\"x\"] ack");
    relay_run(&relay);
    peer_expect_event(peer, "responses SKIO_OK [{\"n\":5}] missing 0");
    peer_check(peer,
               skio_server_side_emit_with_ack(here(peer), note_responses, peer,
                                              "silent", NULL) == SKIO_OK);
    relay_run(&relay);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "responses SKIO_ETIMEDOUT [] missing 1");
    peer_expect_event(peer, NULL);
}

/* Answers of another server that a client library wrote, with bytes. */
SCENARIO(bytes_in_a_result_are_told_as_json, NULL, modern)
{
    static const char with_bytes[] =
        "{\"b\":{\"_placeholder\":true,\"num\":0}}";
    struct skio__wire_message answer = {
        .type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
        .uid = {"another", 7},
        .nsp = {"/", 1},
        .json = {with_bytes, sizeof with_bytes - 1},
        .attachments = &(const skio_bytes){"\1\2", 2},
        .attachment_count = 1,
    };
    struct skio__wire_message question;
    struct skio__arena arena;
    struct skio__buf bytes;
    int err;

    peer_check(peer,
               skio_server_side_emit_with_ack(here(peer), note_responses, peer,
                                              "e", NULL) == SKIO_OK);
    peer_check(peer, relay.count == 1);
    skio__arena_init(&arena, skio_adapter_allocator(here(peer)), 0);
    skio__buf_init(&bytes, skio_adapter_allocator(here(peer)));
    err =
        skio__wire_cluster_decode(relay.waiting[0].bytes, relay.waiting[0].len,
                                  &(const struct skio__wire_limits){8, 8, 8,
                                                                    100},
                                  &arena, &question);
    if (err == SKIO_OK) {
        answer.request = question.request;
        err = skio__wire_cluster_encode(&bytes, &answer, false);
    }
    if (err == SKIO_OK)
        err = relay_tell(&relay, here(peer), bytes.data, bytes.len,
                         SKIO__WIRE_CLASSIC_RESPONSE);
    skio__buf_deinit(&bytes);
    skio__arena_deinit(&arena);
    peer_check(peer, err == SKIO_OK);
    relay_run(&relay);
    peer_expect_event(peer, "responses SKIO_OK [{\"b\":{\"type\":\"Buffer\","
                            "\"data\":[1,2]}}] missing 0");
}

/* ---- Recovery ---- */

static void
recovering(skio_server_options *options)
{
    options->recovery_ms = 10000;
}

/* What others emit is in no memory of this server: nobody is promised to get
 * it, and no offset reaches the others as an argument. */
SCENARIO(without_a_stream_nobody_is_recovered, recovering, modern)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_check(peer, skio_emit_all(there(), "e", "%d", 1) == SKIO_OK);
    run(peer);
    peer_expect(ws, "42[\"e\",1]");
    peer_check(peer, skio_emit_all(here(peer), "e", "%d", 2) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"e\",2]");
}

/* ---- The end ---- */

RELAY_BOTH(what_is_asked_ends_with_its_server)
{
    peer_check(peer, skio_sockets_fetch(there(), NULL, note_fetched, peer) ==
                         SKIO_OK);
    peer_check(peer,
               skio_server_side_emit_with_ack(there(), note_responses, peer,
                                              "e", NULL) == SKIO_OK);
    ask(peer, there());
    skio_server_free(other);
    other = NULL;
    relay.servers[1] = NULL;
    peer_expect_event(peer, "fetched SKIO_ECLOSED 0 missing 0");
    peer_expect_event(peer, "responses SKIO_ECLOSED [] missing 0");
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT - 0/0");
    relay_run(&relay); /* the counts come too late */
    peer_expect_event(peer, NULL);
}

RELAY_BOTH(clients_may_answer_when_nobody_asks_any_more)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    ask(peer, there());
    run(peer);
    peer_expect(ws, "420[\"q\",1]");
    skio_server_free(other);
    other = NULL;
    relay.servers[1] = NULL;
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT - 0/1");
    peer_say(ws, "430[1]");
    relay_run(&relay);
    peer_expect_event(peer, NULL);
}

/* ---- What is no message ---- */

SCENARIO(another_servers_nonsense_changes_nothing, NULL, modern)
{
    static const char *const bad[] = {
        "",
        "{",
        "null",
        "{\"type\":3}",
        "{\"type\":3,\"nsp\":\"/\",\"uid\":\"x\",\"data\":{}}",
        "{\"type\":3,\"nsp\":\"/\",\"uid\":\"x\",\"data\":{\"packet\":{"
        "\"type\":2,\"data\":[\"connect\"]},\"opts\":{\"rooms\":[]}}}",
        "{\"type\":3,\"nsp\":\"/\",\"uid\":\"x\",\"data\":{\"packet\":{"
        "\"type\":2,\"data\":[{}]},\"opts\":{\"rooms\":[],\"except\":[]}}}",
        "{\"type\":8,\"nsp\":\"/\",\"uid\":\"x\",\"data\":{\"requestId\":"
        "\"none\",\"sockets\":[]}}",
        "{\"type\":11,\"nsp\":\"/\",\"uid\":\"x\",\"data\":{\"requestId\":"
        "\"none\",\"clientCount\":-1}}",
        "{\"type\":3,\"nsp\":\"/other\",\"uid\":\"x\",\"data\":{\"packet\":{"
        "\"type\":2,\"data\":[\"e\"]},\"opts\":{\"rooms\":[],\"except\":[]}}}",
    };
    static const char good[] =
        "{\"type\":3,\"nsp\":\"/\",\"uid\":\"x\",\"data\":{\"packet\":{"
        "\"type\":2,\"data\":[\"e\",1]},\"opts\":{\"rooms\":[],\"except\":[],"
        "\"flags\":{}}}}";
    struct peer_ws *ws = sio_connect(peer, NULL);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)relay_tell(&relay, here(peer), bad[i], strlen(bad[i]),
                         SKIO__WIRE_CLASSIC_REQUEST);
        peer_flush(peer);
        peer_expect_nothing(ws);
    }
    peer_check(peer, relay_tell(&relay, here(peer), good, sizeof good - 1,
                                SKIO__WIRE_CLASSIC_REQUEST) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"e\",1]");
}

#define TWICE(name)                                                            \
    cmocka_unit_test(name##_classic), cmocka_unit_test(name##_modern)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TWICE(an_event_reaches_the_clients_of_both),
        TWICE(bytes_reach_them_too),
        TWICE(rooms_and_those_left_out_are_told),
        TWICE(what_cannot_be_sent_is_delivered_here),
        TWICE(sockets_of_both_join_leave_and_end),
        TWICE(sockets_are_fetched_from_both),
        TWICE(who_does_not_answer_is_missing),
        TWICE(questions_have_a_limit),
        TWICE(sockets_servers_and_rooms_are_counted),
        TWICE(clients_of_both_answer),
        TWICE(an_answer_may_be_nothing_or_bytes),
        TWICE(clients_that_do_not_answer_are_told),
        TWICE(an_unreachable_cluster_is_told),
        TWICE(servers_tell_and_ask_each_other),
        TWICE(what_is_asked_ends_with_its_server),
        TWICE(clients_may_answer_when_nobody_asks_any_more),
        cmocka_unit_test(a_carrier_hears_of_rooms),
        cmocka_unit_test(bytes_in_a_result_are_told_as_json),
        cmocka_unit_test(without_a_stream_nobody_is_recovered),
        cmocka_unit_test(another_servers_nonsense_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
