/*
 * What one client can hold: the sum of skio_security(7)
 *
 * Each does its worst with all that is the server's for a client: headers, a
 * packet that waits for its attachments, a message that is not complete, and a
 * full queue.
 */
#include <string.h>

#include "scenario/sio.h"

#define WEBSOCKET "EIO=4&transport=websocket"
#define CLIENTS 20
#define HEADERS 4096
#define MESSAGE 16384
#define OUTBOUND 65536
#define BOUND (4096 + HEADERS + 3 * MESSAGE + 2 * OUTBOUND)

#define ONCE(name, script)                                                     \
    static void name(void **state)                                             \
    {                                                                          \
        static const struct peer_plan plan = {small, keep_latest, script};     \
                                                                               \
        (void)state;                                                           \
        peer_run_once(&plan);                                                  \
    }

static skio_socket *latest;
static char room_for[2 * OUTBOUND];

static void
small(skio_server_options *options)
{
    options->max_header_bytes = HEADERS;
    options->max_http_buffer_size = MESSAGE;
    options->max_outbound_bytes = OUTBOUND;
}

static void
keep(skio_socket *socket, void *user)
{
    (void)user;
    latest = socket;
}

static void
keep_latest(struct peer *peer)
{
    peer_check(peer, skio_on_connect(skio_of(peer->server, "/"), keep, NULL) ==
                         SKIO_OK);
}

static const char *
filled(size_t len)
{
    memset(room_for, 'x', len);
    room_for[len] = '\0';
    return room_for;
}

static const char *
long_headers(void)
{
    static char headers[HEADERS];

    memset(headers, 'x', HEADERS - 16);
    memcpy(headers, "x: ", 3);
    memcpy(headers + HEADERS - 16, "\n", 2);
    return headers;
}

/* A packet that has an attachment of two, as long as a message may be. */
static void
half_a_packet(char *out)
{
    static const char start[] = "452-[\"e\",\"";

    memcpy(out, start, sizeof start - 1);
    memset(out + sizeof start - 1, 'x', MESSAGE - sizeof start - 2);
    memcpy(out + MESSAGE - 3, "\"]", 3);
}

/* Its own, each: what is broadcast is there once. */
static void
fill_queue(struct peer *peer)
{
    const size_t each = 1000;
    char text[1001];
    int err = SKIO_OK;
    int i = 0;

    memset(text, 'x', each);
    text[each] = '\0';
    for (; i < 63 && err == SKIO_OK; i++)
        err = skio_emit(latest, "e", "%s", text);
    peer_check(peer, err == SKIO_OK && i == 63);
}

static void
do_worst_by_websocket(struct peer *peer)
{
    static char packet[MESSAGE + 1];
    struct peer_ws *ws = peer_ws_request(peer, WEBSOCKET, long_headers());

    half_a_packet(packet);
    peer_check(peer, ws->ws != NULL);
    peer_say(ws, "40");
    ws->is_blocked = true;
    peer_say(ws, packet);
    peer_say_bytes(ws, filled(MESSAGE - 1), MESSAGE - 1, true);
    peer_say_piece(ws, filled(MESSAGE - 1), MESSAGE - 1, true, true, false);
    fill_queue(peer);
    peer_flush(peer);
    peer_check(peer, ws->ws != NULL);
}

static void
do_worst_by_polling(struct peer *peer)
{
    static char packet[MESSAGE + 1];
    struct peer_http *http =
        peer_request(peer, "GET", "EIO=4&transport=polling", long_headers());
    struct peer_http *post;
    char query[160];
    char body[MESSAGE];

    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s",
             peer_sid(http->body.data));
    peer_expect_http(peer_post(peer, query, "40"), 200, "ok");
    half_a_packet(packet);
    peer_expect_http(peer_post(peer, query, packet), 200, "ok");
    memset(body, 'A', sizeof body);
    body[0] = 'b'; /* base64: three quarters of it is data */
    peer_expect_http(peer_post_bytes(peer, query, NULL, body,
                                     1 + 4 * (MESSAGE / 4 - 1)),
                     200, "ok");
    fill_queue(peer);
    post = peer_post_begin(peer, query, NULL, MESSAGE);
    peer_post_body(post, body, sizeof body - 1);
    peer_expect_http(peer_get(peer, query), 200, NULL); /* all at once */
    fill_queue(peer);
}

/* The heap's peak of so many, and that of one, which has what is made once. */
static void
expect_bound(struct peer *peer, void (*do_worst)(struct peer *peer))
{
    size_t before;

    do_worst(peer);
    before = peer->alloc.live_bytes;
    peer->alloc.peak_bytes = before;
    for (int i = 0; i < CLIENTS; i++)
        do_worst(peer);
    peer_check(peer, peer->alloc.peak_bytes - before <= CLIENTS * BOUND);
    /* and nothing of that was let go: the test tests something */
    peer_check(peer, peer->alloc.live_bytes - before >
                         CLIENTS * (2 * MESSAGE + OUTBOUND - 4096));
}

static void
by_websocket(struct peer *peer)
{
    expect_bound(peer, do_worst_by_websocket);
}

static void
by_polling(struct peer *peer)
{
    expect_bound(peer, do_worst_by_polling);
}

ONCE(client_with_a_websocket_holds_no_more_than_its_sum, by_websocket)
ONCE(client_that_polls_holds_no_more_than_its_sum, by_polling)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_with_a_websocket_holds_no_more_than_its_sum),
        cmocka_unit_test(client_that_polls_holds_no_more_than_its_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
