/*
 * Broadcasts on their way: what many are sent in one turn
 */
#include "scenario/sio.h"

#define TURN 20 /* broadcasts of one turn */
#define CROWD 200

static void
crowded(skio_server_options *options)
{
    options->max_unconnected = CROWD;
    options->max_connections_per_address = CROWD;
}

static void
compressed(skio_server_options *options)
{
    options->per_message_deflate = true;
}

static void
broadcast(struct peer *peer, int from, int count)
{
    for (int i = from; i < from + count; i++)
        peer_check(peer, skio_emit_all(skio_of(peer->server, "/"), "news", "%d",
                                       i) == SKIO_OK);
}

static void
expect_news(struct peer_ws *ws, int from, int count)
{
    char text[32];

    for (int i = from; i < from + count; i++) {
        snprintf(text, sizeof text, "42[\"news\",%d]", i);
        peer_expect(ws, text);
    }
}

SCENARIO(everybody_gets_all_broadcasts_of_a_turn_in_order, NULL, NULL)
{
    struct peer_ws *ws[4];

    for (int i = 0; i < 4; i++)
        ws[i] = sio_connect(peer, NULL);
    for (int turn = 0; turn < 3; turn++) {
        broadcast(peer, turn * 5, 5);
        peer_flush(peer);
    }
    for (int i = 0; i < 4; i++) {
        expect_news(ws[i], 0, 15);
        peer_expect_nothing(ws[i]);
    }
}

SCENARIO(who_has_words_of_its_own_between_gets_them_in_their_place, NULL, NULL)
{
    skio_socket *sockets[3];
    struct peer_ws *ws[3];

    for (int i = 0; i < 3; i++)
        ws[i] = sio_connect(peer, &sockets[i]);
    peer_check(peer, skio_emit(sockets[0], "first", NULL) == SKIO_OK);
    broadcast(peer, 0, 2);
    peer_check(peer, skio_emit(sockets[1], "between", NULL) == SKIO_OK);
    broadcast(peer, 2, 2);
    peer_check(peer, skio_emit(sockets[2], "last", NULL) == SKIO_OK);
    peer_flush(peer);

    peer_expect(ws[0], "42[\"first\"]");
    expect_news(ws[0], 0, 4);
    expect_news(ws[1], 0, 2);
    peer_expect(ws[1], "42[\"between\"]");
    expect_news(ws[1], 2, 2);
    expect_news(ws[2], 0, 4);
    peer_expect(ws[2], "42[\"last\"]");
    for (int i = 0; i < 3; i++)
        peer_expect_nothing(ws[i]);
}

SCENARIO(a_slow_one_gets_the_same_later, NULL, NULL)
{
    struct peer_ws *slow = sio_connect(peer, NULL);
    struct peer_ws *fast = sio_connect(peer, NULL);

    slow->is_blocked = true;
    broadcast(peer, 0, 3);
    peer_flush(peer);
    expect_news(fast, 0, 3);
    broadcast(peer, 3, 3);
    peer_flush(peer);
    expect_news(fast, 3, 3);
    peer_unblock(slow);
    expect_news(slow, 0, 6);
    peer_expect_nothing(slow);
}

SCENARIO(the_closed_get_what_was_broadcast_before, NULL, NULL)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    struct peer_ws *other = sio_connect(peer, NULL);

    broadcast(peer, 0, 3);
    skio_disconnect(socket, true);
    broadcast(peer, 3, 2);
    peer_flush(peer);
    expect_news(ws, 0, 3);
    peer_expect(ws, "41");
    peer_expect_close(ws, 1005);
    expect_news(other, 0, 5);
}

SCENARIO(compressed_and_plain_clients_get_the_same_news, compressed, NULL)
{
    static const char *const query = "EIO=4&transport=websocket";
    struct peer_ws *plain = sio_connect(peer, NULL);
    struct peer_ws *ws[2];

    for (int i = 0; i < 2; i++) {
        ws[i] =
            peer_ws_request(peer, query,
                            "sec-websocket-extensions: permessage-deflate\n");
        peer_check(peer, ws[i]->ws != NULL);
        peer_expect_prefix(ws[i], "0{");
        (void)sio_join(ws[i], "");
    }
    broadcast(peer, 0, 4);
    peer_flush(peer);
    expect_news(plain, 0, 4);
    for (int i = 0; i < 2; i++) {
        expect_news(ws[i], 0, 4);
        peer_expect_nothing(ws[i]);
    }
    peer_expect_nothing(plain);
}

/* How often memory was asked for by a turn of broadcasts. */
static size_t
calls_of_a_turn(struct peer *peer)
{
    const size_t before = peer->alloc.calls;

    broadcast(peer, 0, TURN);
    peer_flush(peer);
    return peer->alloc.calls - before;
}

static void
forget_output(struct peer *peer)
{
    for (struct peer_ws *ws = peer->wss; ws != NULL; ws = ws->next)
        ws->read = ws->in.len;
}

static void
deliver_to_a_few_and_to_many(struct peer *peer)
{
    size_t few;
    size_t many;

    for (int i = 0; i < 2; i++)
        (void)sio_connect(peer, NULL);
    (void)calls_of_a_turn(peer); /* rings grow, buffers come to stay */
    few = calls_of_a_turn(peer);
    for (int i = 2; i < CROWD; i++)
        (void)sio_connect(peer, NULL);
    (void)calls_of_a_turn(peer);
    forget_output(peer);
    many = calls_of_a_turn(peer);
    for (struct peer_ws *ws = peer->wss; ws != NULL; ws = ws->next)
        expect_news(ws, 0, TURN);

    peer_check(peer, many == few);
    peer_check(peer, few <= 2 * TURN); /* for the messages themselves */
}

static const struct peer_plan few_and_many = {crowded, NULL,
                                              deliver_to_a_few_and_to_many};

static void
a_delivery_allocates_nothing(void **state)
{
    (void)state;
    peer_run_once(&few_and_many);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_gets_all_broadcasts_of_a_turn_in_order),
        cmocka_unit_test(
            who_has_words_of_its_own_between_gets_them_in_their_place),
        cmocka_unit_test(a_slow_one_gets_the_same_later),
        cmocka_unit_test(the_closed_get_what_was_broadcast_before),
        cmocka_unit_test(compressed_and_plain_clients_get_the_same_news),
        cmocka_unit_test(a_delivery_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
