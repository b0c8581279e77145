/*
 * Engine.IO: everything at once, in any order
 *
 * Sessions, polls, posts, probes, messages, hang-ups, time and callbacks that
 * send and close, as a seeded generator throws them. What is expected: each
 * request is answered at most once (the peer checks), each session that opened
 * closes once, nothing is left, and no sanitizer has anything to say.
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <string.h>

#define STEPS 300
#define SLOTS 6

struct chaos {
    uint32_t seed;
    uint32_t state;
    unsigned opened;
    unsigned closed;
    skio_session *sessions[SLOTS];
    char queries[SLOTS][128];
    struct peer_ws *wss[SLOTS];
    struct peer_http *https[SLOTS];
};

static struct chaos chaos;
static unsigned limited; /* in all runs */

static uint32_t
draw(uint32_t below)
{
    chaos.state = chaos.state * 1664525u + 1013904223u;
    return (chaos.state >> 8) % below;
}

static void
meddle(void)
{
    skio_session *session = chaos.sessions[draw(SLOTS)];

    if (session == NULL)
        return;
    switch (draw(8)) {
    case 0:
        skio_session_close(session);
        break;
    case 1:
    case 2:
    case 3:
        (void)skio_session_send(session, "0123456789", draw(11), draw(2) == 0);
        break;
    default:
        break;
    }
}

static void
on_open(struct peer *peer, skio_session *session)
{
    (void)peer;
    chaos.opened++;
    chaos.sessions[draw(SLOTS)] = session;
    meddle();
}

static void
on_message(struct peer *peer, skio_session *session, const char *data,
           size_t len)
{
    (void)peer;
    (void)session;
    (void)data;
    (void)len;
    meddle();
}

static void
on_close(struct peer *peer, skio_session *session)
{
    size_t i;

    (void)peer;
    chaos.closed++;
    for (i = 0; i < SLOTS; i++) {
        if (chaos.sessions[i] == session)
            chaos.sessions[i] = NULL;
    }
    meddle();
}

static void
chaos_setup(struct peer *peer)
{
    uint32_t seed = chaos.seed;

    memset(&chaos, 0, sizeof chaos);
    chaos.seed = seed;
    chaos.state = seed;
    peer_echo(peer);
    peer->on_open = on_open;
    peer->on_message = on_message;
    peer->on_close = on_close;
}

static enum skio_rate_action
on_rate_limit(skio_server *server, const skio_rate_excess *excess, void *user)
{
    (void)server;
    (void)excess;
    (void)user;
    limited++;
    meddle();
    return (enum skio_rate_action)draw(3);
}

static void
chaos_options(skio_server_options *options)
{
    /* Of two seeds one limits rates, low enough to be passed often. */
    if (chaos.seed % 2 == 1) {
        options->events_per_second = 1;
        options->bytes_per_second = 10;
        options->connects_per_minute = 600;
        options->connects_burst = 5;
        options->rate_limit = on_rate_limit;
    }
    options->ping_interval_ms = 300;
    options->ping_timeout_ms = 200;
    options->upgrade_timeout_ms = 400;
    options->max_http_buffer_size = 24;
    options->max_payload_packets = 4;
    options->max_outbound_bytes = 400;
    options->outbound_high_bytes = 100;
    options->max_connections_per_address = 20;
}

static const char *
some_packet(void)
{
    static const char two[] = "4\x1e"
                              "4b";
    static const char left[] = "4a\x1e"
                               "4b\x1e"
                               "1\x1e"
                               "4c";
    static const char *const packets[] = {
        "4a",     "4hello", "3", "1",     "2",
        "2probe", "5",      "6", "bAQID", "b!",
        "",       "4\xff",  two, "x",     "2probe",
        "5",      "4",      "3", left,    "4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    return packets[draw(sizeof packets / sizeof packets[0])];
}

static void
step(struct peer *peer)
{
    uint32_t slot = draw(SLOTS);
    struct peer_http *http = chaos.https[slot];
    struct peer_ws *ws = chaos.wss[slot];
    const char *query = chaos.queries[slot];
    char probe[160];

    peer->holds_turn = draw(4) == 0;
    switch (draw(14)) {
    case 0:
        http = peer_get(peer, "EIO=4&transport=polling");
        if (http->status == 200)
            snprintf(chaos.queries[slot], sizeof chaos.queries[slot],
                     "EIO=4&transport=polling&sid=%s",
                     peer_sid(http->body.data));
        break;
    case 1:
        chaos.wss[slot] =
            peer_ws_request(peer, "EIO=4&transport=websocket", NULL);
        break;
    case 2:
        if (*query != '\0') {
            snprintf(probe, sizeof probe, "EIO=4&transport=websocket%s",
                     strstr(query, "&sid="));
            chaos.wss[slot] = peer_ws_request(peer, probe, NULL);
        }
        break;
    case 3:
    case 4:
        if (*query != '\0')
            chaos.https[slot] = peer_get(peer, query);
        break;
    case 5:
        if (*query != '\0')
            peer_post(peer, query, some_packet());
        break;
    case 6:
        if (*query != '\0')
            chaos.https[slot] = peer_post_begin(peer, query, NULL, -1);
        break;
    case 7:
        if (http != NULL && http->state == SKIO_EXCHANGE_BODY)
            peer_post_body(http, "4abcdefg", draw(9));
        break;
    case 8:
        if (http != NULL && http->state == SKIO_EXCHANGE_BODY)
            peer_post_end(http);
        else if (http != NULL && draw(3) == 0)
            peer_abort(http);
        break;
    case 9:
    case 10:
        if (ws != NULL && ws->ws != NULL)
            peer_say(ws, some_packet());
        break;
    case 11:
        if (ws != NULL && ws->ws != NULL && draw(3) == 0)
            peer_hang_up(ws, draw(2) == 0);
        break;
    case 12:
        if (ws != NULL && ws->ws != NULL) {
            if (ws->is_blocked)
                peer_unblock(ws);
            else
                ws->is_blocked = draw(2) == 0;
        }
        break;
    default:
        peer->holds_turn = false;
        peer_wait(peer, draw(150));
        break;
    }
    meddle();
    if (!peer->holds_turn)
        peer_flush(peer);
}

static void
chaos_script(struct peer *peer)
{
    int i;

    for (i = 0; i < STEPS; i++)
        step(peer);
    peer->holds_turn = false;
    peer_flush(peer);
    skio_transport_shutdown(peer->server);
    peer_flush(peer);
    peer_check(peer, chaos.opened > 0);
    peer_check(peer, chaos.opened == chaos.closed);
}

static const struct peer_plan chaos_plan = {chaos_options, chaos_setup,
                                            chaos_script};

static void
any_order_of_events_leaves_nothing(void **state)
{
    (void)state;
    for (chaos.seed = 1; chaos.seed <= 40; chaos.seed++)
        peer_run(&chaos_plan);
    assert_true(limited > 1000);
}

static void
any_order_survives_a_lack_of_memory(void **state)
{
    (void)state;
    for (chaos.seed = 1001; chaos.seed <= 1003; chaos.seed++)
        peer_run_oom(&chaos_plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_of_events_leaves_nothing),
        cmocka_unit_test(any_order_survives_a_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
