/*
 * What other servers of a cluster may take, at each bound and one past it
 *
 * The numbers are those of relay.c. Others are played by the scenario: what
 * they say is encoded, and heard as bytes.
 */
#include "adapter/cluster_request.h"
#include "base/compiler.h"
#include "scenario/relay.h"
#include "scenario/sio.h"
#include "socketio/namespace.h"

#define MAX_REQUESTS 3
#define MAX_SERVERS 10
#define MAX_FETCHED 100
#define MAX_ANSWERS 3000 /* bytes */
#define MAX_ROOMS 10

static struct relay relay;

static void
begin(struct peer *peer, bool is_classic)
{
    relay = (struct relay){.is_classic = is_classic};
    peer_check(peer, relay_attach(&relay, peer->server) == SKIO_OK);
}

RELAY_LANGUAGES(begin)

static skio_nsp *
here(struct peer *peer)
{
    return skio_of(peer->server, "/");
}

/* ---- Another server ---- */

/* It says this; returns what became of it. */
static int
hear(struct peer *peer, struct skio__wire_message *message,
     enum skio__wire_classic_channel channel)
{
    struct skio__buf bytes;
    int err;

    message->uid = (skio_bytes){"another", 7};
    message->nsp = (skio_bytes){"/", 1};
    skio__buf_init(&bytes, skio_adapter_allocator(here(peer)));
    err = relay.is_classic ? skio__wire_classic_encode(&bytes, message)
                           : skio__wire_cluster_encode(&bytes, message, false);
    if (err == SKIO_OK)
        err = relay_tell(&relay, here(peer), bytes.data, bytes.len, channel);
    skio__buf_deinit(&bytes);
    return err;
}

/* It answers the question that waits, if one does. */
static void
answer(struct peer *peer, enum skio__wire_type type, const char *json,
       size_t clients)
{
    struct skio__cluster *cluster = skio__cluster_of(here(peer)->adapter);
    struct skio__map_node *node = skio__map_first(&cluster->requests);
    struct skio__wire_message message = {.type = type, .client_count = clients};
    char id[SKIO__CLUSTER_ID_MAX + 1] = "over";

    if (node != NULL)
        memcpy(id, skio__container_of(node, struct skio__request, node)->id,
               sizeof id);
    message.request = (skio_bytes){id, strlen(id)};
    if (json != NULL)
        message.json = (skio_bytes){json, strlen(json)};
    peer_check(peer,
               hear(peer, &message, SKIO__WIRE_CLASSIC_RESPONSE) == SKIO_OK);
}

static void
answer_sockets(struct peer *peer, const char *json)
{
    answer(peer, SKIO__WIRE_FETCH_SOCKETS_RESPONSE, json, 0);
}

static char room_for[MAX_ANSWERS + 100];

/* A JSON string, so many bytes with its quotes. Valid until the next call. */
static const char *
string_of(size_t len)
{
    memset(room_for, 'x', len);
    room_for[0] = room_for[len - 1] = '"';
    room_for[len] = '\0';
    return room_for;
}

/* An array of one socket whose object has so many bytes; likewise. */
static const char *
socket_of(size_t len)
{
    static const char start[] = "[{\"id\":\"";

    memset(room_for, 'x', len + 2);
    memcpy(room_for, start, sizeof start - 1);
    memcpy(room_for + len - 1, "\"}]", 4);
    return room_for;
}

/* ---- Servers ---- */

static void
note_fetched(int err, const skio_remote *const *sockets, size_t count,
             size_t missing, void *user)
{
    (void)sockets;
    peer_note(user, "fetched %s %d missing %d", skio_err_name(err), (int)count,
              (int)missing);
}

static void
fetch(struct peer *peer)
{
    peer_check(peer, skio_sockets_fetch(here(peer), NULL, note_fetched, peer) ==
                         SKIO_OK);
    relay_run(&relay);
}

static void
expect_all_awaited(struct peer *peer, size_t others)
{
    relay.claimed = others + 1;
    fetch(peer);
    for (int i = 1; i < MAX_SERVERS; i++)
        answer_sockets(peer, "[]");
    peer_expect_event(peer, NULL);
    answer_sockets(peer, "[]");
    peer_expect_event(peer, "fetched SKIO_OK 0 missing 0");

    fetch(peer);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "fetched SKIO_ETIMEDOUT 0 missing 10");
    peer_expect_event(peer, NULL);
}

RELAY_BOTH(ten_servers_are_waited_for_and_no_more)
{
    expect_all_awaited(peer, MAX_SERVERS);
    expect_all_awaited(peer, MAX_SERVERS + 1);
}

/* ---- Sockets ---- */

static void
answer_with(struct peer *peer, int sockets)
{
    static const char one[] = "{\"id\":\"a\"},";
    size_t len = 0;

    room_for[len++] = '[';
    for (int i = 0; i < sockets; i++, len += sizeof one - 1)
        memcpy(room_for + len, one, sizeof one - 1);
    room_for[len - 1] = ']';
    room_for[len] = '\0';
    answer_sockets(peer, room_for);
}

RELAY_BOTH(a_hundred_sockets_are_fetched_and_no_more)
{
    fetch(peer);
    answer_with(peer, MAX_FETCHED);
    peer_expect_event(peer, "fetched SKIO_OK 100 missing 0");
    fetch(peer);
    answer_with(peer, MAX_FETCHED + 1);
    peer_expect_event(peer, "fetched SKIO_ELIMIT 100 missing 0");

    /* Those of all servers together, and none of this one's. */
    sio_connect(peer, NULL);
    relay.claimed = 3;
    fetch(peer);
    answer_with(peer, MAX_FETCHED - 1);
    answer_with(peer, 1);
    peer_expect_event(peer, "fetched SKIO_OK 101 missing 0");
    fetch(peer);
    answer_with(peer, MAX_FETCHED - 1);
    answer_with(peer, 2);
    peer_expect_event(peer, "fetched SKIO_ELIMIT 101 missing 0");
}

/* ---- Bytes of all answers ---- */

static void
note_count(int err, size_t count, size_t missing, void *user)
{
    peer_note(user, "count %s %d missing %d", skio_err_name(err), (int)count,
              (int)missing);
}

static void
count(struct peer *peer)
{
    peer_check(peer, skio_sockets_count(here(peer), NULL, note_count, peer) ==
                         SKIO_OK);
    relay_run(&relay);
}

/* A bracket before the first, a comma before each further one. */
RELAY_BOTH(answers_have_3000_bytes_together)
{
    relay.claimed = 3;
    count(peer);
    answer_sockets(peer, socket_of(1499));
    answer_sockets(peer, socket_of(MAX_ANSWERS - 1500 - 1));
    peer_expect_event(peer, "count SKIO_OK 2 missing 0");

    count(peer);
    answer_sockets(peer, socket_of(1499));
    answer_sockets(peer, socket_of(MAX_ANSWERS - 1500));
    peer_wait(peer, 1000);
    peer_expect_event(peer, "count SKIO_ETIMEDOUT 1 missing 1");
}

RELAY_BOTH(an_answer_that_fits_is_taken_after_one_that_does_not)
{
    relay.claimed = 3;
    count(peer);
    answer_sockets(peer, socket_of(MAX_ANSWERS));
    peer_expect_event(peer, NULL);
    answer_sockets(peer, socket_of(1499));
    answer_sockets(peer, socket_of(MAX_ANSWERS - 1500 - 1));
    peer_expect_event(peer, "count SKIO_OK 2 missing 0");
}

static void
note_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    const char *json = skio_get_json(responses, "");

    peer_note(user, "responses %s %d bytes missing %d", skio_err_name(err),
              json != NULL ? (int)strlen(json) : -1, (int)missing);
}

static void
ask_servers(struct peer *peer)
{
    peer_check(peer,
               skio_server_side_emit_with_ack(here(peer), note_responses, peer,
                                              "e", NULL) == SKIO_OK);
    relay_run(&relay);
}

static void
respond(struct peer *peer, size_t bytes)
{
    answer(peer, SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE, string_of(bytes), 0);
}

/* The bracket at the end is not counted. */
RELAY_BOTH(servers_respond_with_3000_bytes_together)
{
    relay.claimed = 3;
    ask_servers(peer);
    respond(peer, 1499);
    respond(peer, MAX_ANSWERS - 1500 - 1);
    peer_expect_event(peer, "responses SKIO_OK 3001 bytes missing 0");

    ask_servers(peer);
    respond(peer, 1499);
    respond(peer, MAX_ANSWERS - 1500);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "responses SKIO_ETIMEDOUT 1501 bytes missing 1");
}

/* ---- Answers of clients ---- */

static void
note_answers(int err, const skio_value *args, size_t received, size_t expected,
             void *user)
{
    const char *json = args != NULL ? skio_get_json(args, "") : "";

    peer_note(user, "answers %s %d bytes %d/%d", skio_err_name(err),
              json != NULL ? (int)strlen(json) : -1, (int)received,
              (int)expected);
}

static void
ask_clients(struct peer *peer)
{
    peer_check(peer,
               skio_emit_with_acks(here(peer), SKIO_TARGET(.timeout_ms = 1000),
                                   note_answers, peer, "q", NULL) == SKIO_OK);
}

static void
answer_count(struct peer *peer, size_t clients)
{
    answer(peer, SKIO__WIRE_BROADCAST_CLIENT_COUNT, NULL, clients);
}

/* With the brackets of an argument list. */
RELAY_BOTH(a_client_answers_with_3000_bytes)
{
    ask_clients(peer);
    relay_run(&relay);
    answer_count(peer, 2);
    answer(peer, SKIO__WIRE_BROADCAST_ACK, string_of(MAX_ANSWERS - 2), 0);
    peer_expect_event(peer, "answers SKIO_OK 3000 bytes 1/2");
    answer(peer, SKIO__WIRE_BROADCAST_ACK, string_of(MAX_ANSWERS - 1), 0);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT 0 bytes 1/2");
}

RELAY_BOTH(a_server_asks_a_hundred_clients_and_no_more)
{
    ask_clients(peer);
    relay_run(&relay);
    answer_count(peer, MAX_FETCHED);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT 0 bytes 0/100");
    ask_clients(peer);
    relay_run(&relay);
    answer_count(peer, MAX_FETCHED + 1);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT 0 bytes 0/100");
}

/* Also before it is known how many there are. */
RELAY_BOTH(clients_of_ten_servers_are_waited_for_and_no_more)
{
    ask_clients(peer);
    for (int i = 0; i < MAX_SERVERS; i++)
        answer_count(peer, 1);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT 0 bytes 0/10");
    relay_run(&relay);

    ask_clients(peer);
    for (int i = 0; i <= MAX_SERVERS; i++)
        answer_count(peer, 1);
    peer_wait(peer, 1000);
    peer_expect_event(peer, "answers SKIO_ETIMEDOUT 0 bytes 0/10");
    relay_run(&relay);
}

/* ---- Questions of others ---- */

static void
hear_question(struct peer *peer, const char *request)
{
    struct skio__wire_message message = {
        .type = SKIO__WIRE_BROADCAST,
        .request = {request, strlen(request)},
        .json = {"[\"q\"]", 5},
        .timeout_ms = 1000,
    };

    peer_check(peer,
               hear(peer, &message, SKIO__WIRE_CLASSIC_REQUEST) == SKIO_OK);
    peer_flush(peer);
}

RELAY_BOTH(three_questions_of_others_wait_for_clients)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    hear_question(peer, "one");
    hear_question(peer, "two");
    hear_question(peer, "three");
    peer_expect(ws, "420[\"q\"]");
    peer_expect(ws, "421[\"q\"]");
    peer_expect(ws, "422[\"q\"]");
    hear_question(peer, "four");
    peer_expect_nothing(ws);
    peer_say(ws, "431[5]");
    hear_question(peer, "five");
    peer_expect(ws, "423[\"q\"]");
    relay_run(&relay);
}

/* ---- Rooms ---- */

static int
hear_join(struct peer *peer, size_t rooms, size_t to, size_t except)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f",
                                        "g", "h", "i", "j", "k", NULL};
    const size_t all = sizeof names / sizeof *names - 1;
    struct skio__wire_message message = {
        .type = SKIO__WIRE_SOCKETS_JOIN,
        .rooms = names + all - rooms,
        .to = names + all - to,
        .except = names + all - except,
    };

    return hear(peer, &message, SKIO__WIRE_CLASSIC_REQUEST);
}

RELAY_BOTH(a_list_has_ten_rooms)
{
    skio_socket *socket;

    sio_connect(peer, &socket);
    peer_check(peer, hear_join(peer, MAX_ROOMS + 1, 0, 0) == SKIO_ELIMIT);
    peer_check(peer, !skio_in_room(socket, "k"));
    peer_check(peer, hear_join(peer, 1, MAX_ROOMS + 1, 0) == SKIO_ELIMIT);
    peer_check(peer, hear_join(peer, 1, 0, MAX_ROOMS + 1) == SKIO_ELIMIT);
    peer_check(peer, hear_join(peer, 1, MAX_ROOMS, MAX_ROOMS) == SKIO_OK);
    peer_check(peer, !skio_in_room(socket, "k"));
    peer_check(peer, hear_join(peer, MAX_ROOMS, 0, 0) == SKIO_OK);
    peer_check(peer, skio_in_room(socket, "b"));
    peer_check(peer, skio_in_room(socket, "k"));
}

#define TWICE(name)                                                            \
    cmocka_unit_test(name##_classic), cmocka_unit_test(name##_modern)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TWICE(ten_servers_are_waited_for_and_no_more),
        TWICE(a_hundred_sockets_are_fetched_and_no_more),
        TWICE(answers_have_3000_bytes_together),
        TWICE(an_answer_that_fits_is_taken_after_one_that_does_not),
        TWICE(servers_respond_with_3000_bytes_together),
        TWICE(a_client_answers_with_3000_bytes),
        TWICE(a_server_asks_a_hundred_clients_and_no_more),
        TWICE(clients_of_ten_servers_are_waited_for_and_no_more),
        TWICE(three_questions_of_others_wait_for_clients),
        TWICE(a_list_has_ten_rooms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
