/*
 * Recovery through an adapter that several servers share
 */
#include "scenario/sio.h"
#include "scenario/vault.h"

#define BYTES(text) (text), sizeof(text) - 1

static struct vault vault;

static void
one_minute(skio_server_options *options)
{
    options->recovery_ms = 60000;
}

/* A handle that nobody answered must not be lost. */
static void
answer_all(struct peer *peer)
{
    (void)peer;
    vault.is_quiet = true;
    vault_answer(&vault);
}

static void
attach(struct peer *peer)
{
    peer->cleanup = answer_all;
    vault.peer = peer;
    peer_check(peer, vault_attach(&vault, peer->server) == SKIO_OK);
}

/* One server with a vault. */
static void
with_vault(struct peer *peer)
{
    vault = (struct vault){.is_quiet = true};
    attach(peer);
}

/* Two of them. */
static void
with_two(struct peer *peer)
{
    with_vault(peer);
    peer_another(peer);
    peer_check(peer, vault_attach(&vault, peer->another) == SKIO_OK);
}

static skio_nsp *
root_of(struct peer *peer)
{
    return skio_of(peer->server, "/");
}

/* ---- What a client remembers ---- */

struct memory {
    char sid[32];
    char pid[32];
    char offset[80];
    struct peer_ws *ws;
};

static void
take_reply(struct peer *peer, struct memory *memory)
{
    peer_check(peer, sscanf(sio_next_text(memory->ws),
                            "40{\"sid\":\"%20[^\"]\",\"pid\":\"%20[^\"]\"}",
                            memory->sid, memory->pid) == 2);
}

/* A new client with a socket that saw one event. */
static skio_socket *
connect_and_hear(struct peer *peer, struct memory *memory)
{
    skio_socket *socket;

    *memory = (struct memory){.ws = peer_websocket(peer)};
    peer_say(memory->ws, "40");
    take_reply(peer, memory);
    socket = skio_nsp_socket(root_of(peer), memory->sid);
    peer_check(peer, socket != NULL);
    peer_check(peer, skio_emit(socket, "hello", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_check(peer, sscanf(sio_next_text(memory->ws),
                            "42[\"hello\",\"%60[^\"]\"]", memory->offset) == 1);
    return socket;
}

/* The places for sessions are few. */
static void
drop_session(const char *pid)
{
    struct vault_session *kept = vault_find(&vault, pid);

    if (kept != NULL)
        kept->pid[0] = '\0';
}

/* Whether somebody waits for the first answer that is due. */
static bool
is_wanted(struct peer *peer)
{
    peer_check(peer, vault.questions[0].restoring != NULL);
    return skio_adapter_restoring_is_wanted(vault.questions[0].restoring);
}

static void
say_auth(struct peer *peer, struct memory *memory, const char *auth)
{
    char packet[256];

    memory->ws = peer_websocket(peer);
    snprintf(packet, sizeof packet, "40%s", auth);
    peer_say(memory->ws, packet);
}

static void
say_session(struct memory *memory)
{
    char packet[200];

    snprintf(packet, sizeof packet, "40{\"pid\":\"%s\",\"offset\":\"%s\"}",
             memory->pid, memory->offset);
    peer_say(memory->ws, packet);
}

static void
come_back(struct peer *peer, struct memory *memory)
{
    memory->ws = peer_websocket(peer);
    say_session(memory);
}

static skio_socket *
expect_recovered(struct peer *peer, struct memory *memory)
{
    skio_socket *socket;
    char reply[128];

    snprintf(reply, sizeof reply, "40{\"sid\":\"%s\",\"pid\":\"%s\"}",
             memory->sid, memory->pid);
    peer_expect(memory->ws, reply);
    peer_check(peer, memory->sid[0] != '\0');
    socket = skio_nsp_socket(root_of(peer), memory->sid);
    peer_check(peer, socket != NULL && skio_socket_recovered(socket));
    return socket;
}

static void
expect_new(struct peer *peer, struct memory *memory)
{
    struct memory before = *memory;
    skio_socket *socket;

    take_reply(peer, memory);
    peer_check(peer, strcmp(before.pid, memory->pid) != 0);
    peer_check(peer, strcmp(before.sid, memory->sid) != 0);
    socket = skio_nsp_socket(root_of(peer), memory->sid);
    peer_check(peer, socket != NULL && !skio_socket_recovered(socket));
    peer_expect_nothing(memory->ws);
}

/* ---- Saving ---- */

SCENARIO(a_session_is_saved_with_the_end_of_each_turn_that_changed_it,
         one_minute, with_vault)
{
    struct memory memory;
    skio_socket *socket = connect_and_hear(peer, &memory);

    vault.is_quiet = false;
    peer_check(peer, skio_join(socket, "a") == SKIO_OK);
    peer_check(peer, skio_join(socket, "b") == SKIO_OK);
    peer_check(peer, skio_join(socket, "b") == SKIO_OK);
    peer_expect_event(peer, NULL);
    peer_flush(peer);
    peer_expect_event(peer, "save [a b] {}");
    peer_flush(peer);
    peer_expect_event(peer, NULL);

    peer_check(peer, skio_leave(socket, "a") == SKIO_OK);
    peer_check(peer, skio_socket_set_shared(socket, "{'n':%d}", 1) == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "save [b] {\"n\":1}");
    peer_check(peer, skio_socket_set_shared(socket, "{'n':%d}", 2) == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "save [b] {\"n\":2}");
    peer_check(peer, skio_socket_set_shared(socket, "{'n':%d}", 1) == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "save [b] {\"n\":1}");

    /* What others make it join, too. */
    peer_check(peer, skio_sockets_join(root_of(peer), NULL, "c") == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "save [b c] {\"n\":1}");
    peer_check(peer, skio_sockets_leave(root_of(peer), NULL, "b") == SKIO_OK);
    peer_hang_up(memory.ws, true);
    peer_expect_event(peer, "save [c] {\"n\":1} final");
    peer_flush(peer);
    peer_expect_event(peer, NULL);
}

static void
join_at_once(skio_socket *socket, void *user)
{
    (void)user;
    (void)skio_join(socket, "r");
}

static void
with_joining(struct peer *peer)
{
    with_vault(peer);
    vault.is_quiet = false;
    (void)skio_on_connect(root_of(peer), join_at_once, NULL);
}

SCENARIO(a_session_is_saved_when_it_begins_and_ends_on_purpose, one_minute,
         with_joining)
{
    struct memory memory = {.ws = peer_websocket(peer)};

    peer_say(memory.ws, "40");
    take_reply(peer, &memory);
    peer_expect_event(peer, "save [r] {}");
    peer_check(peer, vault_find(&vault, memory.pid) != NULL);
    peer_say(memory.ws, "41");
    peer_expect_event(peer, "end");
    peer_check(peer, vault_find(&vault, memory.pid) == NULL);
    peer_hang_up(memory.ws, true);
    peer_expect_event(peer, NULL);
}

static void
join_and_say(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    (void)args;
    (void)user;
    (void)skio_join(socket, "r");
    (void)skio_ack_send(ack, "%s", "r");
}

static void
with_joining_event(struct peer *peer)
{
    with_vault(peer);
    (void)skio_on(root_of(peer), "join", join_and_say, NULL);
}

SCENARIO(a_room_is_saved_before_its_client_hears_of_it, one_minute,
         with_joining_event)
{
    struct memory memory;

    (void)connect_and_hear(peer, &memory);
    vault.is_quiet = false;
    vault.watched = memory.ws;
    peer_say(memory.ws, "420[\"join\"]");
    peer_expect_event(peer, "save [r] {}");
    peer_expect(memory.ws, "430[\"r\"]");
}

SCENARIO(what_cannot_be_saved_is_given_up, one_minute, with_vault)
{
    struct memory memory;
    skio_socket *socket = connect_and_hear(peer, &memory);

    vault.is_quiet = false;
    vault.fails = true;
    peer_check(peer, skio_join(socket, "a") == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "save [a] {}");
    peer_expect_event(peer, "end");
    vault.fails = false;
    peer_check(peer, skio_join(socket, "b") == SKIO_OK);
    peer_flush(peer);
    peer_hang_up(memory.ws, true);
    peer_expect_event(peer, NULL);
    come_back(peer, &memory);
    peer_expect_event(peer, "ask");
    expect_new(peer, &memory);
}

SCENARIO(a_last_save_that_fails_is_told_as_an_end, one_minute, with_vault)
{
    struct memory memory;

    (void)connect_and_hear(peer, &memory);
    vault.is_quiet = false;
    vault.fails = true;
    peer_hang_up(memory.ws, true);
    peer_expect_event(peer, "save [] {} final");
    peer_expect_event(peer, "end");
}

/* ---- Coming back ---- */

/* What happens to a client that is away, and comes back to another server. */
static void
miss_and_come_back(struct peer *peer, struct memory *memory)
{
    skio_nsp *here = skio_of(peer->another, "/");
    skio_socket *socket;

    peer_check(peer, skio_emit_all(here, "all", "%d", 1) == SKIO_OK);
    peer_check(peer, skio_emit_to(here, "r", "b", "%p",
                                  SKIO_BYTES("\x01", 1)) == SKIO_OK);
    peer_check(peer, skio_emit_to(here, "other", "no", NULL) == SKIO_OK);
    peer_check(peer,
               skio_emit_with(here, SKIO_TARGET(.except = SKIO_ROOMS("r")),
                              "no", NULL) == SKIO_OK);
    peer_check(peer, skio_emit_to(here, memory->sid, "own", NULL) == SKIO_OK);
    peer_switch(peer);
    come_back(peer, memory);
    peer_expect(memory->ws, "42[\"all\",1,\"2-0\"]");
    peer_expect(memory->ws,
                "451-[\"b\",{\"_placeholder\":true,\"num\":0},\"3-0\"]");
    peer_expect_bytes(memory->ws, "\x01", 1);
    peer_expect(memory->ws, "42[\"own\",\"6-0\"]");
    socket = expect_recovered(peer, memory);
    peer_expect_nothing(memory->ws);
    peer_check(peer, skio_in_room(socket, "r"));
    peer_check(peer, strcmp(skio_socket_shared(socket), "{\"n\":7}") == 0);

    /* From now on it hears everything once. */
    peer_check(peer, skio_emit_to(here, "r", "on", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(memory->ws, "42[\"on\",\"7-0\"]");
    peer_expect_nothing(memory->ws);
}

static void
settle(struct peer *peer, struct memory *memory)
{
    skio_socket *socket = connect_and_hear(peer, memory);

    peer_check(peer, skio_join(socket, "r") == SKIO_OK);
    peer_check(peer, skio_socket_set_shared(socket, "{'n':%d}", 7) == SKIO_OK);
    peer_flush(peer);
}

SCENARIO(a_client_comes_back_to_another_server, one_minute, with_two)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    miss_and_come_back(peer, &memory);
}

SCENARIO(a_client_comes_back_after_its_server_was_killed, one_minute, with_two)
{
    struct memory memory;

    settle(peer, &memory);
    vault.dead = peer->server;
    miss_and_come_back(peer, &memory);
    /* Its new server may be killed as well. */
    vault.dead = peer->server;
    peer_switch(peer);
    come_back(peer, &memory);
    peer_expect_prefix(memory.ws, "42[\"all\"");
}

SCENARIO(a_second_recovery_repeats_nothing, one_minute, with_vault)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    peer_check(peer, skio_emit_all(root_of(peer), "a", NULL) == SKIO_OK);
    come_back(peer, &memory);
    peer_expect(memory.ws, "42[\"a\",\"2-0\"]");
    (void)expect_recovered(peer, &memory);
    memcpy(memory.offset, "2-0", 4);
    peer_hang_up(memory.ws, true);
    come_back(peer, &memory);
    peer_check(peer, skio_in_room(expect_recovered(peer, &memory), "r"));
    peer_expect_nothing(memory.ws);
}

SCENARIO(a_client_that_is_back_early_replaces_its_old_connection, one_minute,
         with_vault)
{
    struct memory memory;
    struct peer_ws *old;

    settle(peer, &memory);
    old = memory.ws;
    memory.ws = peer_websocket(peer);
    /* The turn in which it comes back may be the one of this change. */
    peer_check(peer, skio_join(skio_nsp_socket(root_of(peer), memory.sid),
                               "late") == SKIO_OK);
    say_session(&memory);
    peer_check(peer, skio_in_room(expect_recovered(peer, &memory), "late"));
    peer_expect_close(old, 1005);
    peer_check(peer, skio_nsp_count(root_of(peer)) == 1);
}

SCENARIO(what_cannot_be_a_session_is_not_asked_for, one_minute, with_vault)
{
    static const char *const auths[] = {
        "",
        "{}",
        "{\"pid\":\"%s\"}",
        "{\"offset\":\"1-0\"}",
        "{\"pid\":1,\"offset\":\"1-0\"}",
        "{\"pid\":\"short\",\"offset\":\"1-0\"}",
        "{\"pid\":\"0123456789012345678*\",\"offset\":\"1-0\"}",
        "{\"pid\":\"0123456789012345678\\u0000\",\"offset\":\"1-0\"}",
        "{\"pid\":\"%s\",\"offset\":1}",
        "{\"pid\":\"%s\",\"offset\":null}",
        "{\"pid\":\"%s\",\"offset\":\"\"}",
        "{\"pid\":\"%s\",\"offset\":\"1 0\"}",
        "{\"pid\":\"%s\",\"offset\":\"1\\\"0\"}",
        "{\"pid\":\"%s\",\"offset\":\"1\\\\0\"}",
        "{\"pid\":\"%s\",\"offset\":\"\\u00e9\"}",
        NULL, /* one character too long */
    };
    struct memory memory;
    struct memory other;
    char auth[200];

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    for (size_t i = 0; i < sizeof auths / sizeof *auths; i++) {
        const char *gap = auths[i] != NULL ? strstr(auths[i], "%s") : NULL;

        if (gap != NULL)
            snprintf(auth, sizeof auth, "%.*s%s%s", (int)(gap - auths[i]),
                     auths[i], memory.pid, gap + 2);
        else if (auths[i] != NULL)
            snprintf(auth, sizeof auth, "%s", auths[i]);
        else
            snprintf(auth, sizeof auth, "{\"pid\":\"%s\",\"offset\":\"%065d\"}",
                     memory.pid, 1);
        other = memory;
        vault.is_quiet = false;
        say_auth(peer, &other, auth);
        peer_expect_event(peer, "save [] {}");
        vault.is_quiet = true;
        expect_new(peer, &other);
        peer_hang_up(other.ws, true);
        drop_session(other.pid);
    }
    /* 64 characters may be one. */
    vault.is_quiet = false;
    snprintf(auth, sizeof auth,
             "{\"pid\":\"01234567890123456789\",\"offset\":\"%064d\"}", 1);
    say_auth(peer, &other, auth);
    peer_expect_event(peer, "ask");
    expect_new(peer, &other);
    come_back(peer, &memory);
    (void)expect_recovered(peer, &memory);
}

SCENARIO(an_unknown_session_or_a_gap_is_told, one_minute, with_vault)
{
    struct memory memory;
    struct memory gone;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    gone = memory;
    memcpy(gone.pid, "01234567890123456789", 21);
    come_back(peer, &gone);
    expect_new(peer, &gone);

    vault.oldest = 2;
    come_back(peer, &memory);
    expect_new(peer, &memory);

    /* An adapter that cannot ask. */
    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.refuses = true;
    come_back(peer, &memory);
    expect_new(peer, &memory);
}

SCENARIO(what_is_kept_must_be_valid, one_minute, with_vault)
{
    static const char *const too_long[] = {"r", NULL, NULL};
    static const char *const no_text[] = {"r", "\xff", NULL};
    static const char *const rooms[] = {"r", NULL};
    static char name[514];
    const char *list[3];
    skio_adapter_session lies[7];
    struct memory memory;

    memset(name, 'x', 513);
    memcpy(list, too_long, sizeof list);
    list[1] = name;
    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    for (size_t i = 0; i < 7; i++)
        lies[i] = (skio_adapter_session){.struct_size = sizeof lies[i],
                                         .pid = memory.pid,
                                         .sid = "01234567890123456789",
                                         .rooms = rooms,
                                         .shared = "{}"};
    lies[0].sid = "0123456789";
    lies[1].sid = "\"1234567890123456789";
    lies[2].pid = "01234567890123456789";
    lies[3].rooms = list;
    lies[4].rooms = no_text;
    lies[5].shared = "{]";
    lies[6].struct_size = 16;
    for (size_t i = 0; i < 7; i++) {
        struct memory other = memory;

        vault.lie = lies[i];
        come_back(peer, &other);
        expect_new(peer, &other);
        peer_hang_up(other.ws, true);
        drop_session(other.pid);
    }
    /* Less is enough. */
    vault.lie = (skio_adapter_session){.struct_size = sizeof vault.lie,
                                       .pid = memory.pid,
                                       .sid = memory.sid};
    come_back(peer, &memory);
    peer_check(peer, strcmp(skio_socket_shared(expect_recovered(peer, &memory)),
                            "{}") == 0);
}

SCENARIO(a_missed_event_that_is_none_is_left_out, one_minute, with_vault)
{
    static const skio_adapter_missed lies[] = {
        {"[\"disconnect\"]", 14, NULL, 0, "9-0"},
        {"nothing", 7, NULL, 0, "9-0"},
        {"[\"e\"]", 5, NULL, 0, "\""},
    };
    struct memory memory;

    settle(peer, &memory);
    for (size_t i = 0; i < 3; i++) {
        peer_hang_up(memory.ws, true);
        vault.lie_missed = lies[i];
        come_back(peer, &memory);
        (void)expect_recovered(peer, &memory);
        peer_expect_nothing(memory.ws);
    }
    peer_hang_up(memory.ws, true);
    vault.lie_missed =
        (skio_adapter_missed){"[\"e\",\"9-0\"]", 11, NULL, 0, NULL};
    come_back(peer, &memory);
    peer_expect(memory.ws, "42[\"e\",\"9-0\"]");
    (void)expect_recovered(peer, &memory);
}

static void
little_room(skio_server_options *options)
{
    options->recovery_ms = 60000;
    options->max_outbound_bytes = 1000;
    options->outbound_high_bytes = 500;
}

SCENARIO(more_than_may_wait_for_a_client_is_told, little_room, with_vault)
{
    static char json[600];
    struct memory memory;

    /* Half of it may: the frame's head and the packet's are six bytes. */
    for (size_t len = 493; len <= 494; len++) {
        settle(peer, &memory);
        peer_hang_up(memory.ws, true);
        memset(json, 'x', len);
        memcpy(json, "[\"", 2);
        memcpy(json + len - 2, "\"]", 2);
        vault.lie_missed = (skio_adapter_missed){json, len, NULL, 0, NULL};
        come_back(peer, &memory);
        if (len == 494) {
            expect_new(peer, &memory);
            continue;
        }
        peer_expect_prefix(memory.ws, "42[\"xx");
        (void)expect_recovered(peer, &memory);
    }
}

/* ---- Waiting ---- */

SCENARIO(nothing_is_lost_or_doubled_while_a_client_waits, one_minute, with_two)
{
    skio_nsp *root = root_of(peer);
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.waits = true;
    peer_check(peer, skio_emit_to(root, "r", "a", NULL) == SKIO_OK);
    come_back(peer, &memory);
    peer_expect_nothing(memory.ws);
    peer_check(peer, skio_emit_to(root, "r", "b", NULL) == SKIO_OK);
    peer_check(peer, skio_emit_all(skio_of(peer->another, "/"), "c", NULL) ==
                         SKIO_OK);
    peer_flush(peer);
    peer_expect_nothing(memory.ws);
    vault_answer(&vault);
    peer_check(peer, skio_emit_to(root, "r", "d", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(memory.ws, "42[\"a\",\"2-0\"]");
    peer_expect(memory.ws, "42[\"b\",\"3-0\"]");
    peer_expect(memory.ws, "42[\"c\",\"4-0\"]");
    (void)expect_recovered(peer, &memory);
    peer_expect(memory.ws, "42[\"d\",\"5-0\"]");
    peer_expect_nothing(memory.ws);
}

SCENARIO(a_waiting_client_may_not_connect_twice, one_minute, with_vault)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.waits = true;
    come_back(peer, &memory);
    peer_say(memory.ws, "40");
    peer_expect_close(memory.ws, 1005);
}

SCENARIO(who_leaves_while_it_waits_may_come_back, one_minute, with_vault)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.waits = true;
    come_back(peer, &memory);
    peer_check(peer, is_wanted(peer));
    peer_hang_up(memory.ws, true);
    peer_check(peer, !is_wanted(peer));
    vault.is_quiet = false;
    vault_answer(&vault);
    peer_expect_event(peer, "save [r] {\"n\":7} final");
    vault.waits = false;
    come_back(peer, &memory);
    peer_check(peer, skio_in_room(expect_recovered(peer, &memory), "r"));
    peer_expect_event(peer, "ask");
    peer_expect_event(peer, "save [r] {\"n\":7}");

    /* What is told less of is given back in full. */
    peer_hang_up(memory.ws, true);
    peer_expect_event(peer, "save [r] {\"n\":7} final");
    vault.waits = true;
    vault.lie = (skio_adapter_session){.struct_size = sizeof vault.lie,
                                       .pid = memory.pid,
                                       .sid = memory.sid};
    come_back(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault_answer(&vault);
    peer_expect_event(peer, "ask");
    peer_expect_event(peer, "save [] {} final");
}

static bool
never(skio_adapter *adapter)
{
    (void)adapter;
    return false;
}

SCENARIO(with_an_adapter_that_keeps_nothing_nobody_is_recovered, one_minute,
         NULL)
{
    char sid[21] = "";
    struct peer_ws *ws;

    vault = (struct vault){.is_quiet = true, .recovers = never};
    attach(peer);
    ws = peer_websocket(peer);
    peer_say(ws, "40");
    sio_take_connect(ws, "40", sid); /* without a private id */
    peer_hang_up(ws, true);
    peer_expect_event(peer, NULL); /* and nothing is saved */
}

SCENARIO(an_answer_that_takes_too_long_is_for_nobody, one_minute, with_vault)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.waits = true;
    come_back(peer, &memory);
    peer_wait(peer, peer->options.verdict_timeout_ms - 1);
    peer_expect_nothing(memory.ws);
    peer_wait(peer, 1);
    expect_new(peer, &memory);
    peer_check(peer, !is_wanted(peer));
    vault_answer(&vault);
    peer_flush(peer);
    peer_expect_nothing(memory.ws);
    peer_check(peer, skio_nsp_count(root_of(peer)) == 1);
}

SCENARIO(a_server_may_be_freed_while_a_client_waits, one_minute, with_vault)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.waits = true;
    come_back(peer, &memory);
    skio_server_free(peer->server);
    peer->server = NULL;
    peer_check(peer, vault.questions[0].restoring == NULL);
}

SCENARIO(an_answer_may_come_after_the_server_was_freed, one_minute, with_vault)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.waits = true;
    vault.abandons = true;
    come_back(peer, &memory);
    skio_server_free(peer->server);
    peer->server = NULL;
    peer_check(peer, vault.questions[0].restoring != NULL);
    peer_check(peer, !is_wanted(peer));
    /* Its namespace is no more: only the handle may be touched. */
    skio_adapter_restored(vault.questions[0].restoring, NULL, NULL, 0);
    vault.questions[0].restoring = NULL;
}

SCENARIO(of_two_that_bring_the_same_session_one_has_it, one_minute, with_vault)
{
    struct memory one;
    struct memory two;

    settle(peer, &one);
    peer_hang_up(one.ws, true);
    vault.waits = true;
    two = one;
    come_back(peer, &one);
    come_back(peer, &two);
    vault_answer(&vault);
    peer_flush(peer);
    (void)expect_recovered(peer, &one);
    expect_new(peer, &two);
}

SCENARIO(of_two_that_are_given_the_same_session_the_later_has_it, one_minute,
         with_vault)
{
    struct memory one;
    struct memory two;

    settle(peer, &one);
    peer_hang_up(one.ws, true);
    vault.waits = true;
    vault.keeps = true;
    two = one;
    come_back(peer, &one);
    come_back(peer, &two);
    vault.is_quiet = false;
    vault_answer(&vault);
    peer_flush(peer);
    peer_expect_event(peer, "save [r] {\"n\":7}");
    peer_expect_event(peer, NULL);
    (void)expect_recovered(peer, &two);
    peer_expect_close(one.ws, 1005);
    peer_check(peer, skio_nsp_count(root_of(peer)) == 1);
}

/* ---- Middlewares ---- */

static skio_next *asked;

static void
hold_middleware(skio_socket *socket, skio_next *next, void *user)
{
    peer_note(user, "middleware%s",
              skio_socket_recovered(socket) ? " recovered" : "");
    if (skio_socket_recovered(socket))
        asked = next;
    else
        (void)skio_next_ok(next);
}

static void
give_up_asked(struct peer *peer)
{
    if (asked != NULL)
        (void)skio_next_error(asked, "late", NULL);
    asked = NULL;
    answer_all(peer);
}

static void
with_middleware(struct peer *peer)
{
    asked = NULL;
    with_vault(peer);
    peer->cleanup = give_up_asked;
    (void)skio_use(root_of(peer), hold_middleware, peer);
}

static void
ask_always(skio_server_options *options)
{
    options->recovery_ms = 60000;
    options->recovery_skip_middlewares = false;
}

static int
let_in(void)
{
    skio_next *next = asked;

    asked = NULL;
    return skio_next_ok(next);
}

SCENARIO(middlewares_are_skipped, one_minute, with_middleware)
{
    struct memory memory;

    settle(peer, &memory);
    peer_expect_event(peer, "middleware");
    peer_hang_up(memory.ws, true);
    come_back(peer, &memory);
    (void)expect_recovered(peer, &memory);
    peer_expect_event(peer, NULL);
}

/* A client that was recovered as far as the middleware. */
static void
come_to_middleware(struct peer *peer, struct memory *memory)
{
    settle(peer, memory);
    peer_expect_event(peer, "middleware");
    peer_hang_up(memory->ws, true);
    vault.is_quiet = false;
    peer_check(peer, skio_emit_to(root_of(peer), "r", "a", NULL) == SKIO_OK);
    come_back(peer, memory);
    peer_expect_event(peer, "ask");
    peer_expect_event(peer, "middleware recovered");
    peer_check(peer, asked != NULL);
    peer_expect_nothing(memory->ws);
    peer_check(peer, strcmp(skio_socket_id(skio_next_socket(asked)),
                            memory->sid) == 0);
    /* It waits, and misses more. */
    peer_check(peer, skio_emit_to(root_of(peer), "r", "b", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_nothing(memory->ws);
}

SCENARIO(what_is_missed_during_middlewares_is_found, ask_always,
         with_middleware)
{
    struct memory memory;

    come_to_middleware(peer, &memory);
    vault.waits = true;
    peer_check(peer, let_in() == SKIO_OK);
    peer_expect_event(peer, "ask again");
    peer_check(peer, skio_emit_to(root_of(peer), "r", "c", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_nothing(memory.ws);
    vault_answer(&vault);
    peer_flush(peer);
    peer_expect(memory.ws, "42[\"a\",\"2-0\"]");
    peer_expect(memory.ws, "42[\"b\",\"3-0\"]");
    peer_expect(memory.ws, "42[\"c\",\"4-0\"]");
    peer_check(peer, skio_in_room(expect_recovered(peer, &memory), "r"));
    peer_expect_event(peer, "save [r] {\"n\":7}");
    peer_expect_event(peer, NULL);
    peer_expect_nothing(memory.ws);
}

static void
pass_middleware(skio_socket *socket, skio_next *next, void *user)
{
    if (skio_socket_recovered(socket))
        (void)skio_emit_to(user, "r", "here", NULL);
    (void)skio_next_ok(next);
}

static void
with_quick_middleware(struct peer *peer)
{
    with_vault(peer);
    (void)skio_use(root_of(peer), pass_middleware, root_of(peer));
}

SCENARIO(a_middleware_may_decide_at_once, ask_always, with_quick_middleware)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.waits = true;
    come_back(peer, &memory);
    vault_answer(&vault);
    peer_flush(peer);
    peer_expect_nothing(memory.ws);
    vault_answer(&vault);
    peer_flush(peer);
    peer_expect(memory.ws, "42[\"here\",\"2-0\"]");
    (void)expect_recovered(peer, &memory);
    peer_expect_nothing(memory.ws);
    /* Nothing is due any more. */
    peer_wait(peer, peer->options.verdict_timeout_ms);
    peer_check(peer, skio_nsp_count(root_of(peer)) == 1);
}

SCENARIO(whom_a_middleware_refuses_is_at_an_end, ask_always, with_middleware)
{
    struct memory memory;
    skio_next *next;

    come_to_middleware(peer, &memory);
    next = asked;
    asked = NULL;
    peer_check(peer, skio_next_error(next, "no", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(memory.ws, "44{\"message\":\"no\"}");
    peer_expect_event(peer, "end");
    peer_expect_event(peer, NULL);
}

SCENARIO(who_leaves_during_middlewares_may_come_back, ask_always,
         with_middleware)
{
    struct memory memory;

    come_to_middleware(peer, &memory);
    peer_hang_up(memory.ws, true);
    peer_expect_event(peer, "save [r] {\"n\":7} final");
    peer_check(peer, let_in() == SKIO_ECLOSED);
    come_back(peer, &memory);
    peer_expect_event(peer, "ask");
    peer_expect_event(peer, "middleware recovered");
    peer_check(peer, let_in() == SKIO_OK);
    peer_flush(peer);
    peer_expect(memory.ws, "42[\"a\",\"2-0\"]");
    peer_expect(memory.ws, "42[\"b\",\"3-0\"]");
    (void)expect_recovered(peer, &memory);
}

SCENARIO(who_leaves_after_middlewares_may_come_back, ask_always,
         with_middleware)
{
    struct memory memory;

    come_to_middleware(peer, &memory);
    vault.waits = true;
    peer_check(peer, let_in() == SKIO_OK);
    peer_expect_event(peer, "ask again");
    peer_hang_up(memory.ws, true);
    peer_expect_event(peer, "save [r] {\"n\":7} final");
    vault_answer(&vault);
    peer_expect_event(peer, NULL);
    peer_check(peer, vault_find(&vault, memory.pid) != NULL);
}

SCENARIO(what_was_lost_during_middlewares_is_told, ask_always, with_middleware)
{
    struct memory memory;

    come_to_middleware(peer, &memory);
    vault.oldest = 3;
    peer_check(peer, let_in() == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "ask again");
    peer_expect_event(peer, "end");
    peer_expect_event(peer, "save [] {}");
    expect_new(peer, &memory);
}

SCENARIO(what_takes_too_long_after_middlewares_is_told, ask_always,
         with_middleware)
{
    struct memory memory;

    come_to_middleware(peer, &memory);
    vault.waits = true;
    peer_check(peer, let_in() == SKIO_OK);
    peer_wait(peer, peer->options.verdict_timeout_ms);
    peer_expect_event(peer, "ask again");
    peer_expect_event(peer, "end");
    expect_new(peer, &memory);
    vault_answer(&vault);
    peer_flush(peer);
    peer_expect_nothing(memory.ws);
}

static void
without_missed(struct peer *peer)
{
    asked = NULL;
    vault = (struct vault){.is_quiet = true, .has_no_missed = true};
    attach(peer);
    peer->cleanup = give_up_asked;
    (void)skio_use(root_of(peer), hold_middleware, peer);
}

SCENARIO(an_adapter_that_cannot_find_more_recovers_nobody, ask_always,
         without_missed)
{
    struct memory memory;

    come_to_middleware(peer, &memory);
    peer_check(peer, let_in() == SKIO_OK);
    peer_flush(peer);
    peer_expect_event(peer, "end");
    peer_expect_event(peer, "save [] {}");
    expect_new(peer, &memory);
}

SCENARIO(without_middlewares_there_is_none_to_ask, ask_always, with_vault)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.is_quiet = false;
    come_back(peer, &memory);
    peer_expect_event(peer, "ask");
    (void)expect_recovered(peer, &memory);
    peer_expect_event(peer, "save [r] {\"n\":7}");
    peer_expect_event(peer, NULL);
}

/* ---- Emitting ---- */

static void
count_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    (void)socket;
    (void)args;
    peer_note(user, "answer %s", skio_err_name(err));
}

SCENARIO(events_for_one_client_have_their_place, one_minute, with_vault)
{
    struct memory memory;
    skio_socket *socket = connect_and_hear(peer, &memory);
    skio_message *message;

    peer_check(peer, skio_emit(socket, "a", "%d", 1) == SKIO_OK);
    peer_check(peer, skio_emit_json(socket, "b", "2", 1) == SKIO_OK);
    message = skio_message_new(root_of(peer), "c", NULL);
    peer_check(peer, message != NULL);
    int err = skio_message_emit(message, socket);
    skio_message_free(message);
    peer_check(peer, err == SKIO_OK);
    peer_check(peer, skio_emit_volatile(socket, "v", "%s", "x") == SKIO_OK);
    peer_check(peer, skio_emit_with_ack(socket, 0, count_answer, peer, "d",
                                        NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(memory.ws, "42[\"a\",1,\"2-0\"]");
    peer_expect(memory.ws, "42[\"b\",2,\"3-0\"]");
    peer_expect(memory.ws, "42[\"c\",\"4-0\"]");
    peer_expect(memory.ws, "42[\"v\",\"x\"]");
    peer_expect(memory.ws, "420[\"d\"]");
    peer_expect_nothing(memory.ws);
    peer_say(memory.ws, "430[]");
    peer_expect_event(peer, "answer SKIO_OK");
    peer_check(peer, vault.count == 4);
}

SCENARIO(what_waits_for_its_offset_goes_before_a_disconnect, one_minute,
         with_vault)
{
    struct memory memory;
    struct memory other;
    skio_socket *socket = connect_and_hear(peer, &memory);

    (void)connect_and_hear(peer, &other);
    peer_check(peer, skio_join(socket, "r") == SKIO_OK);
    vault.holds = true;
    peer_check(peer, skio_emit(socket, "bye", NULL) == SKIO_OK);
    peer_check(peer, skio_emit_to(root_of(peer), "r", "all", NULL) == SKIO_OK);
    peer_check(peer, skio_emit_to(root_of(peer), "s", "no", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_nothing(memory.ws);
    skio_disconnect(socket, false);
    peer_flush(peer);
    peer_expect(memory.ws, "42[\"bye\"]");
    peer_expect(memory.ws, "42[\"all\"]");
    peer_expect(memory.ws, "41");
    peer_check(peer, vault_release(&vault) == SKIO_OK);
    peer_flush(peer);
    peer_expect_nothing(memory.ws);
    peer_expect_nothing(other.ws);
}

static void
end_on_bye(skio_socket *socket, const char *event, const skio_value *args,
           void *user)
{
    (void)args;
    (void)user;
    if (strcmp(event, "bye") == 0)
        skio_disconnect(socket, true);
}

static void
with_outgoing(struct peer *peer)
{
    with_vault(peer);
    (void)skio_on_any_outgoing(root_of(peer), end_on_bye, NULL);
}

SCENARIO(who_watches_what_is_sent_may_disconnect_first, one_minute,
         with_outgoing)
{
    struct memory memory;
    skio_socket *socket = connect_and_hear(peer, &memory);

    vault.holds = true;
    peer_check(peer, skio_emit(socket, "bye", NULL) == SKIO_OK);
    skio_disconnect(socket, false);
    peer_flush(peer);
    peer_expect(memory.ws, "41");
    peer_expect_close(memory.ws, 1005);
}

static void
packed(skio_server_options *options)
{
    options->recovery_ms = 60000;
    options->parser = skio_parser_msgpack();
}

SCENARIO(messagepack_is_recovered, packed, with_vault)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_nsp *root = root_of(peer);
    char sid[21];
    char auth[128];
    const char *data = "";
    size_t len = 0;
    unsigned opcode;
    int used;

    peer_say_bytes(ws, BYTES("\x82\xa4type\x00\xa3nsp\xa1/"), true);
    peer_check(peer, peer_frame(ws, &opcode, &data, &len) && len > 60);
    /* {type: 0, data: {sid: "…", pid: "…"}, nsp: "/"} */
    peer_check(peer, memcmp(data + 12, "\x82\xa3sid\xb4", 6) == 0);
    memcpy(sid, data + 18, 20);
    sid[20] = '\0';
    used = snprintf(auth, sizeof auth,
                    "\x83\xa4type%c\xa4"
                    "data\x82\xa3pid\xb4%.20s\xa6offset\xa3"
                    "1-0\xa3nsp\xa1/",
                    1, data + 43);
    auth[6] = '\0';
    peer_check(peer, skio_emit_all(root, "a", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_bytes(ws,
                      "\x83\xa4type\x02\xa4"
                      "data\x92\xa1"
                      "a\xa3"
                      "1-0\xa3nsp\xa1/",
                      25);
    peer_hang_up(ws, true);
    peer_check(peer, skio_emit_to(root, sid, "b", "%p",
                                  SKIO_BYTES("\x07", 1)) == SKIO_OK);
    ws = peer_websocket(peer);
    peer_say_bytes(ws, auth, (size_t)used, true);
    peer_expect_bytes(ws,
                      "\x83\xa4type\x02\xa4"
                      "data\x93\xa1"
                      "b\xc4\x01\x07\xa3"
                      "2-0\xa3nsp\xa1/",
                      28);
    peer_check(peer, peer_frame(ws, &opcode, &data, &len));
    peer_check(peer, len > 60 && memcmp(data + 18, sid, 20) == 0);
    peer_check(peer, skio_socket_recovered(skio_nsp_socket(root, sid)));
}

/* ---- For adapters ---- */

static void
count_session(skio_socket *socket, const char *pid, const char *sid, void *user)
{
    peer_check(vault.peer, strcmp(skio_socket_id(socket), sid) == 0);
    peer_check(vault.peer, strlen(pid) == 20);
    ++*(int *)user;
}

static void
forget_session(skio_socket *socket, const char *pid, const char *sid,
               void *user)
{
    (void)pid;
    (void)sid;
    (void)user;
    skio_adapter_session_forget(socket);
}

SCENARIO(an_adapter_may_visit_and_forget_sessions, one_minute, with_vault)
{
    struct memory one;
    struct memory two;
    skio_socket *socket;
    int count = 0;

    settle(peer, &one);
    settle(peer, &two);
    skio_adapter_each_session(root_of(peer), count_session, &count);
    peer_check(peer, count == 2);
    peer_hang_up(two.ws, true);
    count = 0;
    skio_adapter_each_session(root_of(peer), count_session, &count);
    peer_check(peer, count == 1);

    vault.is_quiet = false;
    socket = skio_nsp_socket(root_of(peer), one.sid);
    peer_check(peer, skio_join(socket, "dirty") == SKIO_OK);
    skio_adapter_each_session(root_of(peer), forget_session, NULL);
    skio_adapter_session_forget(socket);
    peer_flush(peer);
    peer_check(peer, skio_socket_is_connected(socket));
    peer_hang_up(one.ws, true);
    peer_expect_event(peer, NULL);
}

SCENARIO(without_the_option_nothing_is_kept, NULL, with_vault)
{
    struct peer_ws *ws = peer_websocket(peer);

    vault.is_quiet = false;
    peer_say(ws, "40{\"pid\":\"01234567890123456789\",\"offset\":\"1-0\"}");
    peer_expect_prefix(ws, "40{\"sid\":\"");
    peer_hang_up(ws, true);
    peer_expect_event(peer, NULL);
}

/* ---- Namespaces ---- */

static skio_nsp *parent;

static void
with_parent(struct peer *peer)
{
    with_vault(peer);
    parent = skio_of_pattern(peer->server, "/d*");
    peer_check(peer, parent != NULL);
}

static int
adapter_count(void)
{
    int count = 0;

    for (int i = 0; i < VAULT_ADAPTERS; i++)
        count += vault.adapters[i] != NULL;
    return count;
}

static void
come_back_there(struct peer *peer, struct memory *memory)
{
    char packet[200];

    memory->ws = peer_websocket(peer);
    snprintf(packet, sizeof packet, "40/d1,{\"pid\":\"%s\",\"offset\":\"1-0\"}",
             memory->pid);
    peer_say(memory->ws, packet);
}

SCENARIO(a_client_comes_back_to_a_namespace_that_had_ended, one_minute,
         with_parent)
{
    struct memory memory = {.ws = peer_websocket(peer)};
    char reply[128];

    peer_say(memory.ws, "40/d1,");
    peer_check(peer, sscanf(sio_next_text(memory.ws),
                            "40/d1,{\"sid\":\"%20[^\"]\",\"pid\":\"%20[^\"]\"}",
                            memory.sid, memory.pid) == 2);
    snprintf(reply, sizeof reply, "40/d1,{\"sid\":\"%s\",\"pid\":\"%s\"}",
             memory.sid, memory.pid);
    peer_check(peer, skio_emit_all(parent, "a", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect(memory.ws, "42/d1,[\"a\",\"1-0\"]");
    peer_check(peer, skio_emit_all(parent, "b", NULL) == SKIO_OK);
    peer_check(peer, adapter_count() == 2);
    peer_hang_up(memory.ws, true);
    peer_flush(peer);
    peer_check(peer, adapter_count() == 1);

    /* It stays for as long as somebody waits there. */
    vault.waits = true;
    come_back_there(peer, &memory);
    peer_check(peer, adapter_count() == 2);
    peer_hang_up(memory.ws, true);
    peer_flush(peer);
    peer_check(peer, adapter_count() == 2);
    vault_answer(&vault);
    peer_flush(peer);
    peer_check(peer, adapter_count() == 1);

    vault.waits = false;
    come_back_there(peer, &memory);
    peer_expect(memory.ws, "42/d1,[\"b\",\"2-0\"]");
    peer_expect(memory.ws, reply);
}

/* ---- Room watchers ---- */

static void
close_in_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
              skio_socket *socket, void *user)
{
    (void)nsp;
    (void)user;
    if (event == SKIO_ROOM_JOIN && strcmp(room, "r") == 0 &&
        skio_socket_recovered(socket))
        skio_disconnect(socket, true);
}

static void
with_watcher(struct peer *peer)
{
    with_vault(peer);
    (void)skio_on_room(root_of(peer), close_in_room, NULL);
}

SCENARIO(who_watches_rooms_may_end_who_is_recovered, one_minute, with_watcher)
{
    struct memory memory;

    settle(peer, &memory);
    peer_hang_up(memory.ws, true);
    vault.is_quiet = false;
    come_back(peer, &memory);
    peer_expect_event(peer, "ask");
    peer_expect_event(peer, "end");
    peer_expect_event(peer, NULL);
    peer_check(peer, skio_nsp_count(root_of(peer)) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_session_is_saved_with_the_end_of_each_turn_that_changed_it),
        cmocka_unit_test(a_session_is_saved_when_it_begins_and_ends_on_purpose),
        cmocka_unit_test(a_room_is_saved_before_its_client_hears_of_it),
        cmocka_unit_test(what_cannot_be_saved_is_given_up),
        cmocka_unit_test(a_last_save_that_fails_is_told_as_an_end),
        cmocka_unit_test(a_client_comes_back_to_another_server),
        cmocka_unit_test(a_client_comes_back_after_its_server_was_killed),
        cmocka_unit_test(a_second_recovery_repeats_nothing),
        cmocka_unit_test(
            a_client_that_is_back_early_replaces_its_old_connection),
        cmocka_unit_test(what_cannot_be_a_session_is_not_asked_for),
        cmocka_unit_test(an_unknown_session_or_a_gap_is_told),
        cmocka_unit_test(what_is_kept_must_be_valid),
        cmocka_unit_test(a_missed_event_that_is_none_is_left_out),
        cmocka_unit_test(more_than_may_wait_for_a_client_is_told),
        cmocka_unit_test(nothing_is_lost_or_doubled_while_a_client_waits),
        cmocka_unit_test(a_waiting_client_may_not_connect_twice),
        cmocka_unit_test(who_leaves_while_it_waits_may_come_back),
        cmocka_unit_test(
            with_an_adapter_that_keeps_nothing_nobody_is_recovered),
        cmocka_unit_test(an_answer_that_takes_too_long_is_for_nobody),
        cmocka_unit_test(a_server_may_be_freed_while_a_client_waits),
        cmocka_unit_test(an_answer_may_come_after_the_server_was_freed),
        cmocka_unit_test(of_two_that_bring_the_same_session_one_has_it),
        cmocka_unit_test(
            of_two_that_are_given_the_same_session_the_later_has_it),
        cmocka_unit_test(middlewares_are_skipped),
        cmocka_unit_test(what_is_missed_during_middlewares_is_found),
        cmocka_unit_test(a_middleware_may_decide_at_once),
        cmocka_unit_test(whom_a_middleware_refuses_is_at_an_end),
        cmocka_unit_test(who_leaves_during_middlewares_may_come_back),
        cmocka_unit_test(who_leaves_after_middlewares_may_come_back),
        cmocka_unit_test(what_was_lost_during_middlewares_is_told),
        cmocka_unit_test(what_takes_too_long_after_middlewares_is_told),
        cmocka_unit_test(an_adapter_that_cannot_find_more_recovers_nobody),
        cmocka_unit_test(without_middlewares_there_is_none_to_ask),
        cmocka_unit_test(events_for_one_client_have_their_place),
        cmocka_unit_test(what_waits_for_its_offset_goes_before_a_disconnect),
        cmocka_unit_test(who_watches_what_is_sent_may_disconnect_first),
        cmocka_unit_test(messagepack_is_recovered),
        cmocka_unit_test(an_adapter_may_visit_and_forget_sessions),
        cmocka_unit_test(without_the_option_nothing_is_kept),
        cmocka_unit_test(a_client_comes_back_to_a_namespace_that_had_ended),
        cmocka_unit_test(who_watches_rooms_may_end_who_is_recovered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
