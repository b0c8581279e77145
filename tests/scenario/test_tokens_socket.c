/*
 * Guarded namespaces: who is let in, who is told, who renews, who has to go
 */
#include <stdlib.h>

#include <socketio/tokens.h>
#include <socketio/users.h>

#include "scenario/sio.h"

#define NOW 1000000000 /* seconds since 1970 */
#define TOLD(grace)                                                            \
    "42[\"token_expired\",{\"code\":\"expired\","                              \
    "\"reason\":\"the token has expired\",\"grace_ms\":" grace "}]"
#define REFUSED(code, reason)                                                  \
    "44{\"message\":\"unauthorized\",\"data\":{\"code\":\"" code               \
    "\",\"reason\":\"" reason "\"}}"

static const char secret[] = "0123456789abcdef0123456789abcdef";

static const skio_token_key key = {
    .struct_size = sizeof(skio_token_key),
    .algorithm = SKIO_TOKEN_HS256,
    .key = {secret, sizeof secret - 1},
};

static void
seldom_pings(skio_server_options *options)
{
    options->ping_interval_ms = 3600000;
}

static void
note_who(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *claims = skio_get_json(skio_token_claims(socket), "");

    (void)args;
    (void)ack;
    peer_note(user, "%s", claims != NULL ? claims : "-");
}

static void
note_end(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    const char *name = skio_get_str(skio_token_claims(socket), "sub");

    peer_note(user, "%s ends: %s", name != NULL ? name : "-",
              skio_disconnect_name(reason));
}

static skio_tokens *
new_tokens(struct peer *peer, const skio_tokens_options *options)
{
    skio_tokens *tokens;

    peer_check(peer, skio_tokens_new(peer->server, options, &key, 1, &tokens) ==
                         SKIO_OK);
    return tokens;
}

static void
guard_with(struct peer *peer, const skio_tokens_options *options,
           const skio_tokens_guard_options *guard_options)
{
    skio_nsp *root = skio_of(peer->server, "/");

    peer->wall = (uint64_t)NOW * 1000;
    peer_check(peer, root != NULL);
    peer_check(peer, skio_tokens_guard(new_tokens(peer, options), root,
                                       guard_options) == SKIO_OK);
    peer_check(peer, skio_on(root, "who", note_who, peer) == SKIO_OK);
    peer_check(peer, skio_on_disconnect(root, note_end, peer) == SKIO_OK);
}

static void
guarded(struct peer *peer)
{
    guard_with(peer, NULL, NULL);
}

/* A token that is good for so many seconds, and the leeway of five. */
static const char *
token_for(struct peer *peer, const char *name, int seconds)
{
    static char text[512];

    peer_check(peer,
               skio_token_sign(peer->server, &key, text, sizeof text,
                               "{'sub':%s,'exp':%d}", name, NOW + seconds) > 0);
    return text;
}

/* A packet with a token between these. */
static void
say_token(struct peer_ws *ws, const char *before, const char *token,
          const char *after)
{
    char packet[600];

    (void)snprintf(packet, sizeof packet, "%s%s%s", before, token, after);
    peer_say(ws, packet);
}

static void
say_connect(struct peer_ws *ws, const char *token)
{
    say_token(ws, "40{\"token\":\"", token, "\"}");
}

static struct peer_ws *
come_in(struct peer *peer, const char *name, int seconds)
{
    struct peer_ws *ws = peer_websocket(peer);
    char id[21];

    say_connect(ws, token_for(peer, name, seconds));
    sio_take_connect(ws, "40", id);
    return ws;
}

static void
renew(struct peer_ws *ws, const char *token)
{
    say_token(ws, "427[\"token_renew\",\"", token, "\"]");
}

/* Both clocks, a second at a time at the most. */
static void
advance(struct peer *peer, uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 1000 ? ms : 1000;

        peer->wall += step;
        peer_wait(peer, step);
        ms -= step;
    }
}

/* Nothing is said before so many milliseconds have passed, and this then. */
static void
expect_after(struct peer_ws *ws, uint64_t ms, const char *text)
{
    advance(ws->peer, ms - 1);
    peer_expect_nothing(ws);
    advance(ws->peer, 1);
    peer_expect(ws, text);
}

/* ---- Coming in ---- */

SCENARIO(nobody_connects_without_a_good_token, NULL, guarded)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40");
    peer_expect(ws, REFUSED("missing", "there is no token"));
    peer_say(ws, "40{\"token\":null}");
    peer_expect(ws, REFUSED("missing", "there is no token"));
    peer_say(ws, "40{\"token\":\"\"}");
    peer_expect(ws, REFUSED("missing", "there is no token"));
    peer_say(ws, "40{\"token\":7}");
    peer_expect(ws, REFUSED("malformed", "this is no token"));
    peer_say(ws, "40{\"token\":\"let me in\"}");
    peer_expect(ws, REFUSED("malformed", "this is no token"));
    say_connect(ws, token_for(peer, "alice", -5));
    peer_expect(ws, REFUSED("expired", "the token has expired"));
    peer_check(peer, skio_nsp_count(skio_of(peer->server, "/")) == 0);

    /* The connection stays, for who has a better one. */
    say_connect(ws, token_for(peer, "alice", 60));
    peer_expect_prefix(ws, "40{\"sid\":\"");
    peer_say(ws, "42[\"who\"]");
    peer_expect_event(peer, "{\"sub\":\"alice\",\"exp\":1000000060}");
    peer_hang_up(ws, true);
    peer_expect_event(peer, "alice ends: transport close");
    peer_expect_event(peer, NULL);
}

/* A session whose request's header has bob's token. */
static struct peer_ws *
open_with_header(struct peer *peer)
{
    char header[600];
    struct peer_ws *ws;

    (void)snprintf(header, sizeof header, "authorization: Bearer %s\n",
                   token_for(peer, "bob", 60));
    ws = peer_ws_request(peer, "EIO=4&transport=websocket", header);
    peer_expect_prefix(ws, "0{");
    return ws;
}

SCENARIO(a_token_may_be_in_the_header, NULL, guarded)
{
    struct peer_ws *ws = open_with_header(peer);

    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{\"sid\":\"");
    peer_say(ws, "42[\"who\"]");
    peer_expect_event(peer, "{\"sub\":\"bob\",\"exp\":1000000060}");
}

static void
guarded_elsewhere(struct peer *peer)
{
    skio_tokens_guard_options options;

    skio_tokens_guard_options_init(&options);
    options.auth_name = "session.jwt";
    options.from_header = false;
    options.expired_event = NULL;
    options.renew_event = NULL;
    options.grace_ms = 0;
    guard_with(peer, NULL, &options);
}

SCENARIO(where_a_token_is_can_be_chosen, seldom_pings, guarded_elsewhere)
{
    struct peer_ws *ws = open_with_header(peer);

    say_connect(ws, token_for(peer, "bob", 60));
    peer_expect(ws, REFUSED("missing", "there is no token"));
    say_token(ws, "40{\"session\":{\"jwt\":\"", token_for(peer, "bob", 60),
              "\"}}");
    peer_expect_prefix(ws, "40{\"sid\":\"");
    renew(ws, token_for(peer, "bob", 600));
    peer_expect_nothing(ws);
    advance(peer, 65000);
    peer_expect(ws, "41"); /* nobody is told, and there is no grace */
    peer_expect_event(peer, "bob ends: server namespace disconnect");
}

static void
unguarded(struct peer *peer)
{
    peer_check(peer, skio_on(skio_of(peer->server, "/"), "who", note_who,
                             peer) == SKIO_OK);
}

SCENARIO(an_unguarded_socket_has_no_claims, NULL, unguarded)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer_say(ws, "42[\"who\"]");
    peer_expect_event(peer, "-");
}

/* ---- Staying ---- */

SCENARIO(who_stays_too_long_is_told_and_disconnected, seldom_pings, guarded)
{
    struct peer_ws *ws = come_in(peer, "alice", 60);

    expect_after(ws, 65000, TOLD("30000"));
    /* In its grace it is as good as before. */
    peer_say(ws, "42[\"who\"]");
    peer_expect_event(peer, "{\"sub\":\"alice\",\"exp\":1000000060}");
    expect_after(ws, 30000, "41");
    peer_expect_event(peer, "alice ends: server namespace disconnect");
    peer_check(peer, skio_nsp_count(skio_of(peer->server, "/")) == 0);
}

SCENARIO(who_renews_in_its_grace_stays, seldom_pings, guarded)
{
    struct peer_ws *ws = come_in(peer, "alice", 60);

    advance(peer, 70000);
    peer_expect(ws, TOLD("30000"));
    renew(ws, token_for(peer, "alice", 200));
    peer_expect(ws, "437[{\"ok\":true,\"expires\":1000000200}]");
    peer_say(ws, "42[\"who\"]");
    peer_expect_event(peer, "{\"sub\":\"alice\",\"exp\":1000000200}");
    expect_after(ws, 135000, TOLD("30000"));
    advance(peer, 30000);
    peer_expect(ws, "41");
}

SCENARIO(who_renews_before_is_not_told, seldom_pings, guarded)
{
    struct peer_ws *ws = come_in(peer, "alice", 60);

    advance(peer, 30000);
    renew(ws, token_for(peer, "alice", 120));
    peer_expect(ws, "437[{\"ok\":true,\"expires\":1000000120}]");
    expect_after(ws, 95000, TOLD("30000"));
}

SCENARIO(a_bad_token_renews_nothing, seldom_pings, guarded)
{
    struct peer_ws *ws = come_in(peer, "alice", 60);

    advance(peer, 65000);
    peer_expect(ws, TOLD("30000"));
    renew(ws, token_for(peer, "mallory", 600));
    peer_expect(ws, "437[{\"ok\":false,\"code\":\"subject\",\"reason\":"
                    "\"the token is for nobody, or somebody else\"}]");
    renew(ws, token_for(peer, "alice", 59));
    peer_expect(ws, "437[{\"ok\":false,\"code\":\"expired\",\"reason\":"
                    "\"the token has expired\"}]");
    renew(ws, "x");
    peer_expect(ws, "437[{\"ok\":false,\"code\":\"malformed\",\"reason\":"
                    "\"this is no token\"}]");
    peer_say(ws, "427[\"token_renew\"]");
    peer_expect(ws, "437[{\"ok\":false,\"code\":\"missing\",\"reason\":"
                    "\"there is no token\"}]");
    peer_say(ws, "42[\"token_renew\",{}]"); /* and no answer is wanted */
    peer_expect_nothing(ws);
    advance(peer, 30000);
    peer_expect(ws, "41");
}

static void
guarded_for_ever(struct peer *peer)
{
    skio_tokens_options options;

    skio_tokens_options_init(&options);
    options.allow_no_expiry = true;
    guard_with(peer, &options, NULL);
}

SCENARIO(a_token_without_an_end_has_none, seldom_pings, guarded_for_ever)
{
    struct peer_ws *ws = peer_websocket(peer);
    char token[256];

    peer_check(peer, skio_token_sign(peer->server, &key, token, sizeof token,
                                     "{}") > 0);
    say_connect(ws, token);
    peer_expect_prefix(ws, "40{\"sid\":\"");
    advance(peer, 300000);
    peer_expect_nothing(ws);
    renew(ws, token_for(peer, "alice", 6000)); /* it was nobody's */
    peer_expect_prefix(ws, "437[{\"ok\":false,\"code\":\"subject\"");
    renew(ws, token);
    peer_expect(ws, "437[{\"ok\":true,\"expires\":null}]");
    peer_check(peer, skio_token_sign(peer->server, &key, token, sizeof token,
                                     "{'exp':%d}", NOW + 360) > 0);
    renew(ws, token);
    peer_expect(ws, "437[{\"ok\":true,\"expires\":1000000360}]");
    advance(peer, 65000);
    peer_expect(ws, TOLD("30000"));
}

/* ---- Clocks ---- */

SCENARIO(a_clock_set_forward_tells_before_it_closes, seldom_pings, guarded)
{
    struct peer_ws *first = come_in(peer, "alice", 60);
    struct peer_ws *second = come_in(peer, "bob", 3600);

    peer->wall += 86400000;
    peer_wait(peer, 14999);
    peer_expect_nothing(first);
    peer_expect_nothing(second);
    peer_wait(peer, 1);
    peer_expect(first, TOLD("30000"));
    peer_expect(second, TOLD("30000"));
    peer_wait(peer, 15000);
    renew(second, token_for(peer, "bob", 90000));
    peer_expect(second, "437[{\"ok\":true,\"expires\":1000090000}]");
    /* However far the date goes on: the grace is the loop's time. */
    peer->wall += 1000000;
    peer_wait(peer, 14999);
    peer_expect_nothing(first);
    peer_wait(peer, 1);
    peer_expect(first, "41");
    peer_expect_nothing(second);
}

SCENARIO(a_clock_set_right_again_closes_nobody, seldom_pings, guarded)
{
    struct peer_ws *ws = come_in(peer, "alice", 60);

    peer->wall += 86400000;
    peer_wait(peer, 15000);
    peer_expect(ws, TOLD("30000"));
    peer->wall -= 86400000;
    peer_wait(peer, 30000); /* the grace is over, and the token is good */
    peer_expect_nothing(ws);
    peer->wall += 64999;
    peer_wait(peer, 15000);
    peer_expect_nothing(ws);
    peer->wall++;
    peer_wait(peer, 15000);
    peer_expect(ws, TOLD("30000"));
    peer_wait(peer, 30000);
    peer_expect(ws, "41");
}

/* ---- Many ---- */

#define CROWD 600

static void
many_connections(skio_server_options *options)
{
    seldom_pings(options);
    options->max_connections_per_address = 1000;
}

static void
take_told(struct peer *peer, struct peer_ws **all, size_t count)
{
    size_t told = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned opcode;
        const char *data;
        size_t len;

        if (peer_frame(all[i], &opcode, &data, &len))
            told++;
    }
    peer_check(peer, told == count);
}

static void
crowd_script(struct peer *peer)
{
    struct peer_ws **all = calloc(CROWD, sizeof(struct peer_ws *));

    if (all == NULL)
        abort();
    for (size_t i = 0; i < CROWD; i++)
        all[i] = come_in(peer, "alice", 60);
    advance(peer, 65000);
    take_told(peer, all, CROWD);
    advance(peer, 29999);
    for (size_t i = 0; i < CROWD; i++)
        peer_expect_nothing(all[i]);
    advance(peer, 1);
    for (size_t i = 0; i < CROWD; i++)
        peer_expect(all[i], "41");
    free(all);
}

static void
a_crowd_is_told_and_disconnected(void **state)
{
    static const struct peer_plan plan = {many_connections, guarded,
                                          crowd_script};

    (void)state;
    peer_run_once(&plan);
}

#define SEVERAL 64

/* Ends in an order that is not that of coming; some go before, some renew. */
static void
order_script(struct peer *peer)
{
    struct peer_ws *all[SEVERAL];
    int ends[SEVERAL];
    unsigned seed = 7;

    for (int i = 0; i < SEVERAL; i++) {
        seed = seed * 1103515245 + 12345;
        ends[i] = 10 + (int)(seed >> 16) % 100;
        all[i] = come_in(peer, "alice", ends[i]);
    }
    for (int second = 1; second <= 130; second++) {
        seed = seed * 1103515245 + 12345;
        int i = (int)(seed >> 16) % SEVERAL;

        if (all[i] != NULL && second % 4 == 0) {
            peer_hang_up(all[i], true);
            all[i] = NULL;
        } else if (all[i] != NULL && second < ends[i] + 5) {
            ends[i] = second + 3 + (int)(seed >> 20) % 60;
            renew(all[i], token_for(peer, "alice", ends[i]));
            peer_expect_prefix(all[i], "437[{\"ok\":true");
        }
        advance(peer, 1000);
        for (i = 0; i < SEVERAL; i++) {
            if (all[i] == NULL)
                continue;
            if (second == ends[i] + 5)
                peer_expect(all[i], TOLD("30000"));
            if (second == ends[i] + 35)
                peer_expect(all[i], "41");
            peer_expect_nothing(all[i]);
        }
    }
}

static void
each_is_told_at_its_own_end(void **state)
{
    static const struct peer_plan plan = {seldom_pings, guarded, order_script};

    (void)state;
    peer_run_once(&plan);
}

/* ---- Who comes back ---- */

static void
recovering(skio_server_options *options)
{
    seldom_pings(options);
    options->recovery_ms = 120000;
}

static void
guarded_and_bound(struct peer *peer)
{
    skio_tokens_guard_options options;

    skio_tokens_guard_options_init(&options);
    options.bind_user = true;
    guard_with(peer, NULL, &options);
}

static void
come_back(struct peer *peer, int seconds, bool is_good)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *ws = peer_websocket(peer);
    char reply[512];
    char packet[600];
    char sid[21];
    char pid[21];

    say_connect(ws, token_for(peer, "alice", 60));
    (void)snprintf(reply, sizeof reply, "%s", sio_next_text(ws));
    peer_check(peer, sscanf(reply, "40{\"sid\":\"%20[^\"]\",\"pid\":\"%20[^\"]",
                            sid, pid) == 2);
    peer_hang_up(ws, false);
    peer_expect_event(peer, "alice ends: transport error");
    peer_check(peer, skio_user_count(peer->server, "alice") == 0);
    advance(peer, 66000);

    ws = peer_websocket(peer);
    (void)snprintf(packet, sizeof packet, "40{\"pid\":\"%s\",\"token\":\"%s\"}",
                   pid, token_for(peer, "alice", seconds));
    peer_say(ws, packet);
    peer_expect(ws, reply);
    if (!is_good) {
        peer_expect_prefix(ws, "42[\"token_expired\",{\"code\":\"expired\","
                               "\"reason\":\"the token has expired\","
                               "\"grace_ms\":0},");
        peer_expect(ws, "41");
        peer_check(peer, skio_nsp_count(root) == 0);
        return;
    }
    peer_say(ws, "42[\"who\"]");
    peer_expect_event(peer, "{\"sub\":\"alice\",\"exp\":1000000080}");
    peer_check(peer, skio_user_count(peer->server, "alice") == 1);
    peer_check(peer, skio_in_room(skio_nsp_socket(root, sid), "user:alice"));
    advance(peer, 19000);
    peer_expect_prefix(ws, "42[\"token_expired\",{");
}

SCENARIO(who_comes_back_with_a_good_token_stays, recovering, guarded_and_bound)
{
    come_back(peer, 80, true);
}

SCENARIO(who_comes_back_with_an_old_token_goes, recovering, guarded_and_bound)
{
    come_back(peer, 60, false);
}

/* ---- Users, parents, several ---- */

static void
note_user(skio_socket *socket, void *user)
{
    const char *id = skio_user_of(socket);

    peer_note(user, "%s %s", id != NULL ? id : "-",
              skio_in_room(socket, "user:alice") ? "in" : "out");
}

static void
guarded_and_noted(struct peer *peer)
{
    peer_check(peer, skio_on_connect(skio_of(peer->server, "/"), note_user,
                                     peer) == SKIO_OK);
    guarded_and_bound(peer);
}

SCENARIO(a_guard_binds_the_user, NULL, guarded_and_noted)
{
    struct peer_ws *ws = peer_websocket(peer);
    char token[256];
    char long_name[130];

    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    peer_check(peer, skio_token_sign(peer->server, &key, token, sizeof token,
                                     "{'exp':%d}", NOW + 60) > 0);
    say_connect(ws, token);
    peer_expect(ws, REFUSED("subject",
                            "the token is for nobody, or somebody else"));
    say_connect(ws, token_for(peer, "", 60));
    peer_expect_prefix(ws, "44{\"message\":\"unauthorized\",\"data\":{"
                           "\"code\":\"subject\"");
    say_connect(ws, token_for(peer, long_name, 60));
    peer_expect_prefix(ws, "44{\"message\":\"unauthorized\",\"data\":{"
                           "\"code\":\"subject\"");
    say_connect(ws, token_for(peer, "alice", 60));
    peer_expect_prefix(ws, "40{\"sid\":\"");
    peer_expect_event(peer, "alice in");
    peer_check(peer, skio_user_emit(skio_of(peer->server, "/"), "alice", "hi",
                                    NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"hi\"]");
}

static void
guarded_parent(struct peer *peer)
{
    skio_nsp *parent = skio_of_pattern(peer->server, "/t-*");

    peer->wall = (uint64_t)NOW * 1000;
    peer_check(peer, parent != NULL);
    peer_check(peer, skio_tokens_guard(new_tokens(peer, NULL), parent, NULL) ==
                         SKIO_OK);
}

SCENARIO(namespaces_made_on_demand_are_guarded, seldom_pings, guarded_parent)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/t-1,");
    peer_expect_prefix(ws, "44/t-1,{\"message\":\"unauthorized\"");
    say_token(ws, "40/t-2,{\"token\":\"", token_for(peer, "alice", 60), "\"}");
    peer_expect_prefix(ws, "40/t-2,{\"sid\":");
    advance(peer, 65000);
    peer_expect_prefix(ws, "42/t-2,[\"token_expired\",");
    say_token(ws, "42/t-2,1[\"token_renew\",\"", token_for(peer, "alice", 160),
              "\"]");
    peer_expect(ws, "43/t-2,1[{\"ok\":true,\"expires\":1000000160}]");
    advance(peer, 130000);
    peer_expect_prefix(ws, "42/t-2,[\"token_expired\",");
    peer_expect(ws, "41/t-2,");
    peer_expect_nothing(ws);
}

SCENARIO(guards_have_their_ranges, NULL, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_tokens *tokens = new_tokens(peer, NULL);
    skio_tokens_guard_options options;

    skio_tokens_guard_options_init(&options);
    options.grace_ms = 86400001;
    peer_check(peer, skio_tokens_guard(tokens, root, &options) == SKIO_EINVAL);
    options.grace_ms = 86400000;
    options.auth_name = NULL;
    options.from_header = false;
    peer_check(peer, skio_tokens_guard(tokens, root, &options) == SKIO_EINVAL);
    options.from_header = true;
    options.expired_event = "disconnect";
    peer_check(peer, skio_tokens_guard(tokens, root, &options) == SKIO_EINVAL);
    options.expired_event = "bye";
    options.renew_event = "connect";
    peer_check(peer, skio_tokens_guard(tokens, root, &options) == SKIO_EINVAL);
}

SCENARIO(the_longest_grace_is_one, NULL, NULL)
{
    skio_tokens_guard_options options;

    skio_tokens_guard_options_init(&options);
    options.grace_ms = 86400000;
    options.auth_name = NULL;
    peer_check(peer, skio_tokens_guard(new_tokens(peer, NULL),
                                       skio_of(peer->server, "/"),
                                       &options) == SKIO_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_connects_without_a_good_token),
        cmocka_unit_test(a_token_may_be_in_the_header),
        cmocka_unit_test(where_a_token_is_can_be_chosen),
        cmocka_unit_test(an_unguarded_socket_has_no_claims),
        cmocka_unit_test(who_stays_too_long_is_told_and_disconnected),
        cmocka_unit_test(who_renews_in_its_grace_stays),
        cmocka_unit_test(who_renews_before_is_not_told),
        cmocka_unit_test(a_bad_token_renews_nothing),
        cmocka_unit_test(a_token_without_an_end_has_none),
        cmocka_unit_test(a_clock_set_forward_tells_before_it_closes),
        cmocka_unit_test(a_clock_set_right_again_closes_nobody),
        cmocka_unit_test(a_crowd_is_told_and_disconnected),
        cmocka_unit_test(each_is_told_at_its_own_end),
        cmocka_unit_test(who_comes_back_with_a_good_token_stays),
        cmocka_unit_test(who_comes_back_with_an_old_token_goes),
        cmocka_unit_test(a_guard_binds_the_user),
        cmocka_unit_test(namespaces_made_on_demand_are_guarded),
        cmocka_unit_test(guards_have_their_ranges),
        cmocka_unit_test(the_longest_grace_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
