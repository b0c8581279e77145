/*
 * Memory that comes back: what a crowd has cost is free when it has gone
 */
#include "scenario/sio.h"

#define CROWD 1000
#define TABLES 2048 /* bytes: 128 buckets */

static void
crowded(skio_server_options *options)
{
    options->max_unconnected = CROWD;
    options->max_connections_per_address = CROWD;
}

static void
with_recovery(skio_server_options *options)
{
    crowded(options);
    options->recovery_ms = 1000;
}

static skio_socket *latest;

static void
ask_and_keep(skio_socket *socket, void *user)
{
    latest = socket;
    int err = skio_emit_with_ack(socket, 0, sio_note_answer, user, "q", NULL);

    if (err != SKIO_OK)
        peer_note(user, "not asked: %s", skio_err_name(err));
    (void)skio_socket_set_shared(socket, "{'name':%s}", skio_socket_id(socket));
}

static void
asking(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    (void)skio_on_connect(root, ask_and_keep, peer);
    (void)skio_of_pattern(peer->server, "/room-*");
}

/* Each joins a room of its own, some that are shared, and a namespace that is
 * made for ten. */
static void
settle(struct peer *peer, struct peer_ws *ws, int number)
{
    char text[64];

    latest = NULL;
    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{");
    peer_expect_prefix(ws, "42");
    peer_check(peer, latest != NULL);
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof text, "room %d", i < 4 ? i : number * 8 + i);
        peer_check(peer, skio_join(latest, text) == SKIO_OK);
    }
    snprintf(text, sizeof text, "40/room-%d,", number / 10);
    peer_say(ws, text);
    peer_expect_prefix(ws, text);
}

/* In all ways in which clients go, some amid a packet. */
static void
leave(struct peer *peer, struct peer_ws *ws, int number)
{
    switch (number % 5) {
    case 0:
        peer_hang_up(ws, true);
        break;
    case 1:
        peer_say(ws, "451-[\"e\",{\"_placeholder\":true,\"num\":0}]");
        peer_hang_up(ws, false);
        break;
    case 2:
        peer_say(ws, "41");
        peer_say(ws, "1");
        break;
    case 3:
        peer_say(ws, "4what?");
        break;
    default: /* it is given up in time */
        ws->is_blocked = true;
        break;
    }
    (void)peer;
}

static void
come_and_go(struct peer *peer, int count)
{
    static struct peer_ws *crowd[CROWD];
    skio_nsp *root = skio_of(peer->server, "/");

    for (int i = 0; i < count; i++) {
        crowd[i] = peer_websocket(peer);
        settle(peer, crowd[i], i);
    }
    peer_check(peer, skio_nsp_count(root) == (size_t)count);
    peer_check(peer, skio_room_count(root, "room 1") == (size_t)count);
    peer_check(peer, skio_emit_to(root, "room 1", "e", "%d", 1) == SKIO_OK);
    peer_flush(peer);
    for (int i = 0; i < count; i++)
        leave(peer, crowd[i], i);
    peer_wait(peer, 50000); /* the heartbeat, and what is recoverable */
    for (int i = 0; i < count; i++)
        if (crowd[i]->ws != NULL) /* the transport's end of it */
            peer_hang_up(crowd[i], true);
    peer_flush(peer);
    peer_check(peer, skio_nsp_count(root) == 0);
    peer_check(peer, skio_server_sessions(peer->server) == 0);
}

static void
script(struct peer *peer)
{
    size_t before;
    size_t blocks;
    size_t peak;

    come_and_go(peer, 1); /* scratch buffers that stay with the server */
    before = peer->alloc.live_bytes;
    blocks = peer->alloc.live;
    come_and_go(peer, CROWD);
    peak = peer->alloc.peak_bytes;
    peer_check(peer, peak > before + CROWD * 1000);
    /* Not a block more; the table of the namespaces, which is not empty, may
     * have more buckets, chance decides. */
    peer_check(peer, peer->alloc.live == blocks);
    peer_check(peer, peer->alloc.live_bytes <= before + TABLES);
    come_and_go(peer, CROWD);
    peer_check(peer, peer->alloc.live == blocks);
    peer_check(peer, peer->alloc.live_bytes <= before + TABLES);
}

static void
memory_is_what_it_was_when_a_thousand_have_gone(void **state)
{
    static const struct peer_plan plan = {crowded, asking, script};

    (void)state;
    peer_run_once(&plan);
}

static void
sessions_that_may_be_recovered_are_given_back_too(void **state)
{
    static const struct peer_plan plan = {with_recovery, asking, script};

    (void)state;
    peer_run_once(&plan);
}

/* Blocks for messages are pooled: one turn that needs many leaves many. */
static void
busy_turn(struct peer *peer)
{
    struct peer_ws *ws = peer_websocket(peer);
    size_t bytes;

    settle(peer, ws, 0);
    bytes = peer->alloc.live_bytes;
    for (int i = 0; i < CROWD; i++)
        peer_check(peer, skio_emit(latest, "e", "%d", i) == SKIO_OK);
    peer_flush(peer);
    peer_check(peer, peer->alloc.live_bytes > bytes + CROWD * 100);
    peer_wait(peer, 9000); /* the next turn may need as many */
    peer_check(peer, peer->alloc.live_bytes > bytes + CROWD * 100);
    peer_wait(peer, 12000);
    peer_check(peer, peer->alloc.live_bytes <= bytes);
}

static void
memory_of_a_busy_turn_is_given_back_in_time(void **state)
{
    static const struct peer_plan plan = {crowded, asking, busy_turn};

    (void)state;
    peer_run_once(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_what_it_was_when_a_thousand_have_gone),
        cmocka_unit_test(sessions_that_may_be_recovered_are_given_back_too),
        cmocka_unit_test(memory_of_a_busy_turn_is_given_back_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
