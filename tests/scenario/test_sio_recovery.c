/*
 * Connection state recovery in memory
 */
#include "scenario/sio.h"

#include "socketio/recovery.h"

static void
one_second(skio_server_options *options)
{
    options->recovery_ms = 1000;
}

/* What a client remembers. */
struct memory {
    char sid[32];
    char pid[32];
    char offset[64];
    struct peer_ws *ws;
};

/* Join "/" with this auth and keep what the reply says. */
static void
join(struct peer *peer, struct memory *memory, const char *auth)
{
    char packet[256];

    memory->ws = peer_websocket(peer);
    (void)snprintf(packet, sizeof packet, "40%s", auth);
    peer_say(memory->ws, packet);
}

static void
take_reply(struct peer *peer, struct memory *memory)
{
    peer_check(peer, sscanf(sio_next_text(memory->ws),
                            "40{\"sid\":\"%20[^\"]\",\"pid\":\"%20[^\"]\"}",
                            memory->sid, memory->pid) == 2);
}

/* Expect an event and remember its offset, the last argument. */
static void
take_event(struct peer *peer, struct memory *memory, const char *start)
{
    const char *text = sio_next_text(memory->ws);
    size_t len = strlen(start);

    if (strncmp(text, start, len) != 0)
        peer_fail_at(peer, text, __FILE__, __LINE__);
    peer_check(peer, sscanf(text + len, "\"%60[^\"]\"]", memory->offset) == 1);
}

static void
come_back(struct peer *peer, struct memory *memory)
{
    char auth[160];

    if (memory->offset[0] != '\0')
        (void)snprintf(auth, sizeof auth, "{\"pid\":\"%s\",\"offset\":\"%s\"}",
                       memory->pid, memory->offset);
    else
        (void)snprintf(auth, sizeof auth, "{\"pid\":\"%s\"}", memory->pid);
    join(peer, memory, auth);
}

/* The reply has the same ids: the client calls itself recovered. */
static void
expect_recovered(struct peer *peer, struct memory *memory)
{
    char reply[128];

    (void)snprintf(reply, sizeof reply, "40{\"sid\":\"%s\",\"pid\":\"%s\"}",
                   memory->sid, memory->pid);
    peer_expect(memory->ws, reply);
    peer_check(peer, memory->sid[0] != '\0');
}

static void
expect_new(struct peer *peer, struct memory *memory)
{
    struct memory before = *memory;

    take_reply(peer, memory);
    peer_check(peer, strcmp(before.pid, memory->pid) != 0);
    peer_check(peer, strcmp(before.sid, memory->sid) != 0);
}

SCENARIO(a_client_gets_what_it_missed, one_second, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct memory memory = {0};
    skio_socket *socket;

    join(peer, &memory, "");
    take_reply(peer, &memory);
    socket = skio_nsp_socket(root, memory.sid);
    peer_check(peer, socket != NULL);
    peer_check(peer, skio_join(socket, "r") == SKIO_OK);
    peer_check(peer, skio_socket_set_shared(socket, "{'n':%d}", 7) == SKIO_OK);
    peer_check(peer, skio_emit_all(root, "a", "%d", 1) == SKIO_OK);
    peer_flush(peer);
    take_event(peer, &memory, "42[\"a\",1,");
    peer_hang_up(memory.ws, true);

    peer_check(peer, skio_emit_to(root, "r", "b", "%p",
                                  SKIO_BYTES("\x01", 1)) == SKIO_OK);
    peer_check(peer, skio_emit_to(root, "other", "no", NULL) == SKIO_OK);
    peer_check(peer, skio_emit_to(root, memory.sid, "c", NULL) == SKIO_OK);
    come_back(peer, &memory);
    take_event(peer, &memory, "451-[\"b\",{\"_placeholder\":true,\"num\":0},");
    peer_expect_bytes(memory.ws, "\x01", 1);
    take_event(peer, &memory, "42[\"c\",");
    expect_recovered(peer, &memory);
    peer_expect_nothing(memory.ws);

    socket = skio_nsp_socket(root, memory.sid);
    peer_check(peer, socket != NULL && skio_socket_recovered(socket));
    peer_check(peer, skio_in_room(socket, "r"));
    peer_check(peer, strcmp(skio_socket_shared(socket), "{\"n\":7}") == 0);
}

SCENARIO(a_second_recovery_repeats_nothing, one_second, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_hang_up(memory.ws, true);
    peer_check(peer, skio_emit_all(root, "a", NULL) == SKIO_OK);
    come_back(peer, &memory); /* without an offset: it saw none */
    take_event(peer, &memory, "42[\"a\",");
    expect_recovered(peer, &memory);
    peer_hang_up(memory.ws, true);
    come_back(peer, &memory);
    expect_recovered(peer, &memory);
    peer_expect_nothing(memory.ws);
}

SCENARIO(a_volatile_event_carries_the_last_offset, one_second, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct memory memory = {0};
    char offset[64];

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_check(peer, skio_emit_all(root, "a", NULL) == SKIO_OK);
    peer_flush(peer);
    take_event(peer, &memory, "42[\"a\",");
    memcpy(offset, memory.offset, sizeof offset);
    peer_check(peer, skio_emit_with(root, SKIO_TARGET(.flags = SKIO_VOLATILE),
                                    "v", "%s", "text") == SKIO_OK);
    peer_flush(peer);
    take_event(peer, &memory, "42[\"v\",\"text\",");
    peer_check(peer, strcmp(offset, memory.offset) == 0);
    peer_hang_up(memory.ws, true);
    come_back(peer, &memory);
    expect_recovered(peer, &memory);
}

SCENARIO(who_is_away_too_long_starts_anew, one_second, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_hang_up(memory.ws, true);
    peer_wait(peer, 999);
    come_back(peer, &memory);
    expect_recovered(peer, &memory);
    peer_hang_up(memory.ws, true);
    peer_wait(peer, 1000);
    peer_check(peer, skio_emit_all(root, "a", NULL) == SKIO_OK);
    come_back(peer, &memory);
    expect_new(peer, &memory);
    peer_expect_nothing(memory.ws);
}

static void
note_expired(skio_nsp *nsp, const char *id, const char *shared, void *user)
{
    peer_note(user, "expired %s %zu %s", skio_nsp_name(nsp), strlen(id),
              shared);
}

static void
with_expired(struct peer *peer)
{
    (void)skio_on_expired(skio_of(peer->server, "/"), note_expired, peer);
}

SCENARIO(the_end_of_waiting_is_told, one_second, with_expired)
{
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_hang_up(memory.ws, true);
    peer_wait(peer, 999);
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1);
    peer_expect_event(peer, "expired / 20 {}");
}

SCENARIO(an_unknown_offset_is_not_recovered, one_second, NULL)
{
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_hang_up(memory.ws, true);
    memcpy(memory.offset, "elsewhere.1", sizeof "elsewhere.1");
    come_back(peer, &memory);
    expect_new(peer, &memory);
}

static void
little_log(skio_server_options *options)
{
    options->recovery_ms = 1000;
    options->recovery_max_bytes = 400;
}

SCENARIO(a_gap_in_the_log_is_told, little_log, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct memory memory = {0};
    int i;

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_hang_up(memory.ws, true);
    for (i = 0; i < 10; i++)
        peer_check(peer, skio_emit_all(root, "a", "%d", i) == SKIO_OK);
    come_back(peer, &memory);
    expect_new(peer, &memory);
    peer_expect_nothing(memory.ws);
}

#define LOG 180 /* bytes: two short events */

static void
two_events(skio_server_options *options)
{
    options->recovery_ms = 1000;
    options->recovery_max_bytes = LOG;
}

/* Fill the log to its last byte, and so many beyond it. */
static void
fill_log(struct peer *peer, size_t beyond)
{
    skio_nsp *root = skio_of(peer->server, "/");
    const struct sio_log *log = &root->recovery->log;
    char text[LOG + 2];
    size_t len;

    peer_check(peer, skio_emit_all(root, "a", "%s", "") == SKIO_OK);
    peer_check(peer, log->bytes > 0 && log->bytes <= LOG / 2);
    len = LOG - 2 * log->bytes + beyond;
    memset(text, 'x', len);
    text[len] = '\0';
    peer_check(peer, skio_emit_all(root, "b", "%s", text) == SKIO_OK);
    peer_check(peer, beyond > 0 || log->bytes == LOG);
}

SCENARIO(the_log_may_be_full, two_events, NULL)
{
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_hang_up(memory.ws, true);
    fill_log(peer, 0);
    come_back(peer, &memory);
    take_event(peer, &memory, "42[\"a\",\"\",");
    peer_expect_prefix(memory.ws, "42[\"b\",\"x");
    expect_recovered(peer, &memory);
}

SCENARIO(one_byte_more_than_the_log_takes_is_a_gap, two_events, NULL)
{
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_hang_up(memory.ws, true);
    fill_log(peer, 1);
    come_back(peer, &memory);
    expect_new(peer, &memory);
    peer_expect_nothing(memory.ws);
}

static void
one_session(skio_server_options *options)
{
    options->recovery_ms = 1000;
    options->recovery_max_sessions = 1;
}

SCENARIO(sessions_kept_are_limited, one_session, NULL)
{
    struct memory one = {0};
    struct memory two = {0};

    join(peer, &one, "");
    take_reply(peer, &one);
    join(peer, &two, "");
    take_reply(peer, &two);
    peer_hang_up(one.ws, true);
    peer_hang_up(two.ws, true); /* the older one goes */
    come_back(peer, &two);
    expect_recovered(peer, &two);
    come_back(peer, &one);
    expect_new(peer, &one);
}

SCENARIO(who_left_on_purpose_is_not_recovered, one_second, NULL)
{
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_say(memory.ws, "41");
    peer_hang_up(memory.ws, true);
    come_back(peer, &memory);
    expect_new(peer, &memory);
}

SCENARIO(who_comes_back_early_replaces_its_old_connection, one_second, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct memory memory = {0};
    struct peer_ws *old;

    join(peer, &memory, "");
    take_reply(peer, &memory);
    old = memory.ws;
    come_back(peer, &memory);
    expect_recovered(peer, &memory);
    peer_expect_close(old, 1005);
    peer_check(peer, skio_nsp_count(root) == 1);
}

SCENARIO(a_room_may_have_the_empty_name, one_second, NULL)
{
    skio_nsp *root = skio_of(peer->server, "/");
    struct memory memory = {0};
    skio_socket *socket;

    join(peer, &memory, "");
    take_reply(peer, &memory);
    socket = skio_nsp_socket(root, memory.sid);
    peer_check(peer, socket != NULL);
    peer_check(peer, skio_join(socket, "") == SKIO_OK);
    peer_check(peer, skio_join(socket, "r") == SKIO_OK);
    peer_hang_up(memory.ws, true);
    peer_check(peer, skio_emit_to(root, "r", "a", NULL) == SKIO_OK);
    peer_check(peer, skio_emit_to(root, "", "b", NULL) == SKIO_OK);
    come_back(peer, &memory);
    take_event(peer, &memory, "42[\"a\",");
    take_event(peer, &memory, "42[\"b\",");
    expect_recovered(peer, &memory);
    socket = skio_nsp_socket(root, memory.sid);
    peer_check(peer, skio_in_room(socket, "") && skio_in_room(socket, "r"));
}

/* Whoever watches rooms. */
static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    if (event != SKIO_ROOM_JOIN || strcmp(room, "r") != 0 ||
        !skio_socket_recovered(socket))
        return;
    if (user != NULL)
        skio_disconnect(socket, true);
    else
        (void)skio_emit_to(nsp, "r", "welcome", NULL);
}

static void
with_greeter(struct peer *peer)
{
    (void)skio_on_room(skio_of(peer->server, "/"), on_room, NULL);
}

static void
with_bouncer(struct peer *peer)
{
    (void)skio_on_room(skio_of(peer->server, "/"), on_room, peer);
}

static void
be_in_room(struct peer *peer, struct memory *memory)
{
    skio_nsp *root = skio_of(peer->server, "/");

    join(peer, memory, "");
    take_reply(peer, memory);
    peer_check(peer,
               skio_join(skio_nsp_socket(root, memory->sid), "r") == SKIO_OK);
    peer_hang_up(memory->ws, true);
    peer_check(peer, skio_emit_to(root, "r", "a", NULL) == SKIO_OK);
    come_back(peer, memory);
    take_event(peer, memory, "42[\"a\",");
}

SCENARIO(what_is_emitted_when_a_room_is_joined_comes_once, one_second,
         with_greeter)
{
    struct memory memory = {0};

    be_in_room(peer, &memory);
    take_event(peer, &memory, "42[\"welcome\",");
    expect_recovered(peer, &memory);
    peer_expect_nothing(memory.ws);
}

SCENARIO(who_watches_rooms_may_end_who_is_recovered, one_second, with_bouncer)
{
    struct memory memory = {0};

    be_in_room(peer, &memory);
    peer_expect(memory.ws, "41");
    peer_expect_close(memory.ws, 1005);
    peer_check(peer, skio_nsp_count(skio_of(peer->server, "/")) == 0);
    come_back(peer, &memory);
    expect_new(peer, &memory);
}

/* ---- Middlewares ---- */

static void
count_middleware(skio_socket *socket, skio_next *next, void *user)
{
    (void)socket;
    peer_note(user, "middleware");
    (void)skio_next_ok(next);
}

static void
with_middleware(struct peer *peer)
{
    (void)skio_use(skio_of(peer->server, "/"), count_middleware, peer);
}

static void
ask_always(skio_server_options *options)
{
    options->recovery_ms = 1000;
    options->recovery_skip_middlewares = false;
}

SCENARIO(middlewares_are_skipped_for_who_comes_back, one_second,
         with_middleware)
{
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_expect_event(peer, "middleware");
    peer_hang_up(memory.ws, true);
    come_back(peer, &memory);
    expect_recovered(peer, &memory);
    peer_expect_event(peer, NULL);
}

SCENARIO(middlewares_may_be_asked_again, ask_always, with_middleware)
{
    struct memory memory = {0};

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_hang_up(memory.ws, true);
    come_back(peer, &memory);
    expect_recovered(peer, &memory);
    peer_expect_event(peer, "middleware");
    peer_expect_event(peer, "middleware");
}

SCENARIO(without_the_option_there_is_no_private_id, NULL, NULL)
{
    struct peer_ws *ws = peer_websocket(peer);

    peer_say(ws, "40{\"pid\":\"01234567890123456789\",\"offset\":\"x\"}");
    peer_expect_prefix(ws, "40{\"sid\":\"");
    peer_check(peer,
               skio_emit_all(skio_of(peer->server, "/"), "a", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(ws, "42[\"a\"]");
}

/* What others may see, or nearly know, opens nothing. */
SCENARIO(only_the_private_id_recovers, one_second, NULL)
{
    struct memory memory = {0};
    struct memory other;

    join(peer, &memory, "");
    take_reply(peer, &memory);
    peer_check(peer, strcmp(memory.sid, memory.pid) != 0);
    peer_check(peer, strncmp(memory.sid, memory.pid, 12) != 0);
    peer_hang_up(memory.ws, true);

    other = memory; /* the id of its socket */
    memcpy(other.pid, memory.sid, sizeof other.pid);
    come_back(peer, &other);
    take_reply(peer, &other);
    peer_check(peer, strcmp(other.sid, memory.sid) != 0);

    for (size_t i = 0; i < 20; i++) { /* all but one character */
        other = memory;
        other.pid[i] = other.pid[i] == 'A' ? 'B' : 'A';
        come_back(peer, &other);
        expect_new(peer, &other);
    }
    other = memory;
    other.pid[19] = '\0';
    come_back(peer, &other);
    take_reply(peer, &other);
    peer_check(peer, strcmp(other.sid, memory.sid) != 0);

    come_back(peer, &memory);
    expect_recovered(peer, &memory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_gets_what_it_missed),
        cmocka_unit_test(a_second_recovery_repeats_nothing),
        cmocka_unit_test(a_volatile_event_carries_the_last_offset),
        cmocka_unit_test(who_is_away_too_long_starts_anew),
        cmocka_unit_test(the_end_of_waiting_is_told),
        cmocka_unit_test(an_unknown_offset_is_not_recovered),
        cmocka_unit_test(a_gap_in_the_log_is_told),
        cmocka_unit_test(the_log_may_be_full),
        cmocka_unit_test(one_byte_more_than_the_log_takes_is_a_gap),
        cmocka_unit_test(sessions_kept_are_limited),
        cmocka_unit_test(who_left_on_purpose_is_not_recovered),
        cmocka_unit_test(who_comes_back_early_replaces_its_old_connection),
        cmocka_unit_test(a_room_may_have_the_empty_name),
        cmocka_unit_test(what_is_emitted_when_a_room_is_joined_comes_once),
        cmocka_unit_test(who_watches_rooms_may_end_who_is_recovered),
        cmocka_unit_test(middlewares_are_skipped_for_who_comes_back),
        cmocka_unit_test(middlewares_may_be_asked_again),
        cmocka_unit_test(without_the_option_there_is_no_private_id),
        cmocka_unit_test(only_the_private_id_recovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
