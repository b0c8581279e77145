/*
 * The admin addon on the core alone: what admins are told and do, nobody being
 * told when there are none, and every allocation failing
 */
#include "scenario/peer.h"

#include <string.h>

#include <socketio/admin.h>
#include <socketio/cluster.h>
#include <socketio/socketio.h>

static int
serve(struct peer *peer, enum skio_admin_mode mode)
{
    skio_admin_options options;

    skio_admin_options_init(&options);
    options.no_auth = true;
    options.mode = mode;
    options.server_id = "one";
    return skio_admin_serve(peer->server, &options);
}

static void
with_admin(struct peer *peer)
{
    (void)serve(peer, SKIO_ADMIN_DEVELOPMENT);
}

static void
with_numbers(struct peer *peer)
{
    (void)serve(peer, SKIO_ADMIN_PRODUCTION);
}

/* Connect to "/" and take the reply. */
static struct peer_ws *
client(struct peer *peer)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40");
    peer_expect_prefix(ws, "40{\"sid\":\"");
    return ws;
}

/* Connect to "/admin" and take what comes first. */
static struct peer_ws *
admin(struct peer *peer)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40/admin,");
    peer_expect_prefix(ws, "40/admin,{\"sid\":\"");
    peer_expect_prefix(ws, "42/admin,[\"socket_connected\",{\"id\":\"");
    peer_expect(ws, "42/admin,[\"config\",{\"supportedFeatures\":[\"EMIT\","
                    "\"JOIN\",\"LEAVE\",\"DISCONNECT\",\"MJOIN\",\"MLEAVE\","
                    "\"MDISCONNECT\",\"AGGREGATED_EVENTS\",\"ALL_EVENTS\"]}]");
    peer_expect_prefix(ws, "42/admin,[\"all_sockets\",[{\"id\":\"");
    peer_expect_prefix(ws, "42/admin,[\"server_stats\",{\"serverId\":\"one\"");
    return ws;
}

SCENARIO(an_admin_is_told_what_a_client_does, NULL, with_admin)
{
    struct peer_ws *watcher = admin(peer);
    struct peer_ws *ws = client(peer);

    peer_expect_prefix(watcher, "42/admin,[\"room_joined\",\"/\",\"");
    peer_expect_prefix(watcher, "42/admin,[\"socket_connected\",{\"id\":\"");
    peer_say(ws, "42[\"hi\",1,{\"a\":null}]");
    peer_expect_prefix(watcher, "42/admin,[\"event_received\",\"/\",\"");
    peer_say(ws, "41");
    peer_expect_prefix(watcher, "42/admin,[\"socket_disconnected\",\"/\",\"");
    peer_expect_prefix(watcher, "42/admin,[\"room_left\",\"/\",\"");
    peer_expect_nothing(watcher);
}

SCENARIO(an_admin_acts, NULL, with_admin)
{
    struct peer_ws *watcher = admin(peer);
    struct peer_ws *ws = client(peer);

    peer_expect_prefix(watcher, "42/admin,[\"room_joined\",\"/\",\"");
    peer_expect_prefix(watcher, "42/admin,[\"socket_connected\",{\"id\":\"");
    peer_say(watcher, "42/admin,[\"emit\",\"/\",null,\"hi\",1]");
    peer_expect(ws, "42[\"hi\",1]");
    peer_expect_prefix(watcher, "42/admin,[\"event_sent\",\"/\",\"");
    peer_say(watcher, "42/admin,[\"join\",\"/\",\"red\"]");
    peer_expect_prefix(watcher, "42/admin,[\"room_joined\",\"/\",\"red\",\"");
    peer_say(watcher, "42/admin,[\"leave\",\"/\",\"red\"]");
    peer_expect_prefix(watcher, "42/admin,[\"room_left\",\"/\",\"red\",\"");
    peer_say(watcher, "42/admin,[\"_disconnect\",\"/\",false,\"red\"]");
    peer_expect_nothing(watcher);
    peer_say(watcher, "42/admin,[\"_disconnect\",\"/\",false]");
    peer_expect(ws, "41");
}

SCENARIO(what_is_no_namespace_is_not_made, NULL, with_admin)
{
    struct peer_ws *watcher = admin(peer);

    peer_say(watcher, "42/admin,[\"emit\",\"/nope\",null,\"hi\",1]");
    peer_say(watcher, "42/admin,[\"join\",\"/nope\",\"red\"]");
    peer_say(watcher, "42/admin,[\"leave\",\"nope\",\"red\"]");
    peer_say(watcher, "42/admin,[\"_disconnect\",\"/nope\",true]");
    peer_say(watcher, "42/admin,[\"_disconnect\",7,true]");
    peer_expect_nothing(watcher);
    peer_check(peer, skio_nsp_find(peer->server, "/nope") == NULL);
    peer_check(peer, skio_nsp_find(peer->server, "/admin") != NULL);
}

static void
share_on_connect(skio_socket *socket, void *user)
{
    (void)user;
    (void)skio_socket_set_shared(socket, "{'n':%d}", 7);
}

static void
with_shares(struct peer *peer)
{
    with_admin(peer);
    (void)skio_on_connect(skio_of(peer->server, "/"), share_on_connect, peer);
}

static bool
note_shared(skio_socket *socket, void *user)
{
    const char *shared = skio_socket_shared(socket);

    peer_note(user, "%.25s... %s", shared, strstr(shared, "\"transport\""));
    return true;
}

SCENARIO(shared_values_are_marked_and_shown_without_the_mark, NULL, with_shares)
{
    struct peer_ws *watcher = admin(peer);

    (void)client(peer);
    peer_expect_prefix(watcher, "42/admin,[\"room_joined\",\"/\",\"");
    peer_expect_prefix(watcher, "42/admin,[\"socket_connected\",{\"id\":\"");
    peer_expect_prefix(watcher, "42/admin,[\"socket_updated\",{\"id\":\"");
    (void)skio_each_socket(skio_of(peer->server, "/"), note_shared, peer);
    peer_expect_event(peer, "{\"n\":7,\"_admin\":{\"clientI... "
                            "\"transport\":\"websocket\"}}");
}

/* As a client that was recovered has it; what only looks like a mark stays. */
static void
share_old_marks(skio_socket *socket, void *user)
{
    (void)user;
    (void)skio_socket_set_shared(
        socket,
        "{'a':%s,'b':{'_admin':{'clientId':'x','transport':'polling'}},"
        "'_admin':{'clientId':%s,'transport':'polling'}}",
        "\"_admin\":{\"clientId\":\"y\",\"transport\":\"polling\"}}",
        "oldoldoldold");
    (void)skio_socket_set_shared(socket, "%-s", skio_socket_shared(socket));
}

static void
with_old_marks(struct peer *peer)
{
    with_admin(peer);
    (void)skio_on_connect(skio_of(peer->server, "/"), share_old_marks, peer);
}

static bool
note_ends(skio_socket *socket, void *user)
{
    const char *shared = skio_socket_shared(socket);
    const char *mark = strstr(shared, ",\"_admin\":{");

    peer_note(user, "%.*s", mark == NULL ? 0 : (int)(mark - shared), shared);
    peer_note(user, "%s %d", mark == NULL ? "" : strstr(mark, "\"transport\""),
              (int)(strstr(shared, "oldold") != NULL));
    return true;
}

SCENARIO(an_old_mark_is_replaced, NULL, with_old_marks)
{
    (void)client(peer);
    (void)skio_each_socket(skio_of(peer->server, "/"), note_ends, peer);
    peer_expect_event(peer,
                      "{\"a\":\"\\\"_admin\\\":{\\\"clientId\\\":\\\"y\\\","
                      "\\\"transport\\\":\\\"polling\\\"}}\",\"b\":{\"_admin\":"
                      "{\"clientId\":\"x\",\"transport\":\"polling\"}}");
    peer_expect_event(peer, "\"transport\":\"websocket\"}} 0");
}

SCENARIO(reports_come_in_time_and_only_to_somebody, NULL, with_numbers)
{
    struct peer_ws *watcher = peer_websocket(peer);

    peer_wait(peer, 5000);
    peer_say(watcher, "40/admin,");
    peer_expect_prefix(watcher, "40/admin,{\"sid\":\"");
    peer_expect_prefix(watcher, "42/admin,[\"config\",");
    peer_expect_prefix(watcher, "42/admin,[\"server_stats\",{\"serverId\":\"");
    for (int i = 0; i < 3; i++) {
        peer_wait(peer, 2000);
        peer_expect_prefix(watcher, "42/admin,[\"server_stats\",{");
    }
    peer_expect_nothing(watcher);
}

/* The nobody of whom there is most: no handler is left that looks at events. */
SCENARIO(without_an_admin_nobody_looks_at_events, NULL, with_admin)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct peer_ws *watcher = admin(peer);

    peer_check(peer, skio_off_any(root, NULL, NULL) == 1);
    peer_check(peer, skio_off_any_outgoing(root, NULL, NULL) == 1);
    peer_say(watcher, "41/admin,");
    peer_flush(peer);
    peer_wait(peer, 2000);
    (void)client(peer);
    peer_check(peer, skio_off_any(root, NULL, NULL) == 0);
    peer_check(peer, skio_off_any_outgoing(root, NULL, NULL) == 0);
    (void)admin(peer);
    peer_check(peer, skio_off_any(root, NULL, NULL) == 1);
}

/* As many admins as there may be, and one more. */
static void
with_two_admins(struct peer *peer)
{
    skio_admin_options options;

    skio_admin_options_init(&options);
    options.no_auth = true;
    options.max_admins = 2;
    if (skio_admin_serve(peer->server, &options) != SKIO_OK)
        peer_note(peer, "not served");
}

SCENARIO(one_admin_too_many_is_refused, NULL, with_two_admins)
{
    for (int i = 0; i < 3; i++) {
        struct peer_ws *ws = peer_websocket(peer);

        peer_say(ws, "40/admin,");
        if (i < 2)
            peer_expect_prefix(ws, "40/admin,{\"sid\":\"");
        else
            peer_expect(ws, "44/admin,{\"message\":\"too many admins\"}");
    }
}

/* ---- Options ---- */

static int served;

static void
serve_within(skio_socket *socket, void *user)
{
    struct peer *peer = user;

    (void)socket;
    served = serve(peer, SKIO_ADMIN_DEVELOPMENT);
}

static void
served_within(struct peer *peer)
{
    served = 1;
    (void)skio_on_connect(skio_of(peer->server, "/"), serve_within, peer);
}

SCENARIO(it_may_be_served_from_a_callback_and_once, NULL, served_within)
{
    (void)client(peer);
    peer_check(peer, served == SKIO_OK);
    (void)client(peer);
    peer_check(peer, served == SKIO_EBUSY);
    (void)admin(peer);
}

/* A hash that libsodium takes, at the least cost. */
#define HASH                                                                   \
    "$argon2id$v=19$m=8,t=1,p=1$2R8yq+g72f66fWLHz1czGA"                        \
    "$P+lErN8xe3AQi/WJuMZ6fsbm0xBBedJx3D/kTxEnP0E"

static void
who_may_log_in_has_to_be_said(void **state)
{
    skio_admin_options options;
    skio_server *server;

    (void)state;
    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    skio_admin_options_init(&options);
    assert_int_equal(skio_admin_serve(server, &options), SKIO_EINVAL);
    options.username = "admin";
    assert_int_equal(skio_admin_serve(server, &options), SKIO_EINVAL);
    options.password_hash = "plain";
    assert_int_equal(skio_admin_serve(server, &options), SKIO_EINVAL);
    options.password_hash = HASH;
    options.no_auth = true; /* both */
    assert_int_equal(skio_admin_serve(server, &options), SKIO_EINVAL);
    options.no_auth = false;
    options.username = "";
    assert_int_equal(skio_admin_serve(server, &options), SKIO_EINVAL);
    assert_null(skio_nsp_find(server, "/admin")); /* nothing was changed */
    options.username = "admin";
    assert_int_equal(skio_admin_serve(server, &options), SKIO_OK);
    skio_server_free(server);
}

static void
options_have_ranges(void **state)
{
    const size_t numbers[] = {
        offsetof(skio_admin_options, max_admins),
        offsetof(skio_admin_options, max_listed),
        offsetof(skio_admin_options, max_events_per_second),
        offsetof(skio_admin_options, max_failures),
        offsetof(skio_admin_options, max_waiting),
        offsetof(skio_admin_options, max_sessions),
        offsetof(skio_admin_options, session_s),
        offsetof(skio_admin_options, stats_interval_ms),
    };
    skio_admin_options options;
    skio_server *server;
    const uint32_t nothing = 0;

    (void)state;
    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        skio_admin_options_init(&options);
        options.no_auth = true;
        memcpy((char *)&options + numbers[i], &nothing, sizeof nothing);
        assert_int_equal(skio_admin_serve(server, &options), SKIO_EINVAL);
    }
    skio_admin_options_init(&options);
    options.no_auth = true;
    options.nsp = "admin";
    assert_int_equal(skio_admin_serve(server, &options), SKIO_EINVAL);
    options.nsp = "/";
    assert_int_equal(skio_admin_serve(server, &options), SKIO_EINVAL);
    options.nsp = "/chat";
    assert_non_null(skio_of(server, "/chat"));
    assert_int_equal(skio_admin_serve(server, &options), SKIO_EBUSY);
    options.nsp = "/watch";
    assert_int_equal(skio_admin_serve(server, &options), SKIO_OK);
    assert_non_null(skio_nsp_find(server, "/watch"));
    skio_server_free(server);
}

static void
a_short_struct_has_the_defaults_of_its_time(void **state)
{
    skio_admin_options options;

    (void)state;
    memset(&options, 0x55, sizeof options);
    skio_admin_options_init_size(&options,
                                 offsetof(skio_admin_options, max_failures));
    assert_string_equal(options.nsp, "/admin");
    assert_int_equal(options.max_event_bytes, 16384);
    assert_int_equal(options.max_failures, 0x55555555);
}

static void
hashes_are_made_of_passwords(void **state)
{
    char hash[SKIO_ADMIN_HASH_BYTES];
    char other[SKIO_ADMIN_HASH_BYTES];
    char longest[1026];

    (void)state;
    assert_int_equal(skio_admin_hash("", hash), SKIO_EINVAL);
    memset(longest, 'x', sizeof longest - 1);
    longest[1025] = '\0';
    assert_int_equal(skio_admin_hash(longest, hash), SKIO_EINVAL);
    longest[1024] = '\0';
    assert_int_equal(skio_admin_hash(longest, hash), SKIO_OK);
    assert_memory_equal(hash, "$argon2id$", 10);
    assert_int_equal(skio_admin_hash(longest, other), SKIO_OK);
    assert_string_not_equal(hash, other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_admin_is_told_what_a_client_does),
        cmocka_unit_test(an_admin_acts),
        cmocka_unit_test(what_is_no_namespace_is_not_made),
        cmocka_unit_test(shared_values_are_marked_and_shown_without_the_mark),
        cmocka_unit_test(an_old_mark_is_replaced),
        cmocka_unit_test(reports_come_in_time_and_only_to_somebody),
        cmocka_unit_test(without_an_admin_nobody_looks_at_events),
        cmocka_unit_test(one_admin_too_many_is_refused),
        cmocka_unit_test(it_may_be_served_from_a_callback_and_once),
        cmocka_unit_test(who_may_log_in_has_to_be_said),
        cmocka_unit_test(options_have_ranges),
        cmocka_unit_test(a_short_struct_has_the_defaults_of_its_time),
        cmocka_unit_test(hashes_are_made_of_passwords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
