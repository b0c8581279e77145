/*
 * Floods and forgeries that a server in memory shows best: what they cost is
 * counted to the byte, and time is moved by hand
 */
#include "scenario/sio.h"

#include <inttypes.h>
#include <pthread.h>

#include <sodium.h>

#include "base/id.h"
#include "base/json.h"
#include "base/map.h"
#include "socketio/packet.h"
#include "threats/scale.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
run_once(void (*options)(skio_server_options *), void (*setup)(struct peer *),
         void (*script)(struct peer *))
{
    const struct peer_plan plan = {options, setup, script};

    peer_run_once(&plan);
}

/* ---- ADV-01, ATK-19: ids ---- */

#define IDS 1000000
#define ID_BINS 256

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, SKIO__ID_LEN);
}

/* Each byte of the random part takes each value about as often: with 255
 * degrees of freedom chi² is 255, give or take 23. */
static void
check_spread(const uint32_t *bins)
{
    const double expected = (double)IDS / ID_BINS;
    double sum = 0;

    for (size_t i = 0; i < ID_BINS; i++) {
        double off = (double)bins[i] - expected;

        sum += off * off / expected;
    }
    assert_true(sum > 120 && sum < 430);
}

static void
ids_are_evenly_spread_and_never_twice(void **state)
{
    static uint32_t bins[SKIO__ID_RANDOM][ID_BINS];
    char(*ids)[SKIO__ID_LEN + 1] = calloc(IDS, sizeof *ids);

    (void)state;
    assert_non_null(ids);
    assert_true(sodium_init() >= 0);
    memset(bins, 0, sizeof bins);
    for (size_t i = 0; i < IDS; i++) {
        unsigned char bytes[SKIO__ID_RANDOM];
        size_t len = 0;

        randombytes_buf(bytes, SKIO__ID_RANDOM);
        skio__id_make(ids[i], bytes, 0); /* the counter would hide a double */
        assert_int_equal(
            sodium_base642bin(bytes, sizeof bytes, ids[i], SKIO__ID_LEN, NULL,
                              &len, NULL,
                              sodium_base64_VARIANT_URLSAFE_NO_PADDING),
            0);
        assert_int_equal(len, sizeof bytes);
        for (size_t k = 0; k < SKIO__ID_RANDOM; k++)
            bins[k][bytes[k]]++;
    }
    for (size_t k = 0; k < SKIO__ID_RANDOM; k++)
        check_spread(bins[k]);
    qsort(ids, IDS, sizeof *ids, compare_ids);
    for (size_t i = 1; i < IDS; i++)
        assert_memory_not_equal(ids[i - 1], ids[i], SKIO__ID_LEN);
    free(ids);
}

static void
use_ended_sessions(struct peer *peer)
{
    char query[128];

    snprintf(query, sizeof query, "%s", peer_polling(peer));
    peer_expect_http(peer_post(peer, query, "1"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
    peer_expect_http(peer_post(peer, query, "4hello"), 400,
                     "{\"code\":1,\"message\":\"Session ID unknown\"}");
    peer_expect_http(peer_upgrade(peer, "GET", query, NULL), 400, NULL);
}

static void
id_of_an_ended_session_is_unknown(void **state)
{
    (void)state;
    run_once(NULL, peer_engine, use_ended_sessions);
}

/* ---- ADV-11: counts of attachments ---- */

static void
many_attachments(skio_server_options *options)
{
    options->max_attachments = UINT32_MAX;
}

static void
announce_attachments(struct peer *peer)
{
    static const char *const packets[] = {
        "4599999-[\"e\",{\"_placeholder\":true,\"num\":0}]",
        "454294967295-[\"e\",{\"_placeholder\":true,\"num\":0}]",
        "464294967295-1[{\"_placeholder\":true,\"num\":4294967294}]",
    };
    size_t before;

    /* what the first of all costs stays with the server */
    peer_hang_up(sio_connect(peer, NULL), true);
    for (size_t i = 0; i < COUNT(packets); i++) {
        struct peer_ws *ws = sio_connect(peer, NULL);

        before = peer->alloc.live_bytes;
        peer_say(ws, packets[i]);
        peer_check(peer, ws->ws != NULL);
        peer_check(peer, peer->alloc.live_bytes < before + 1024);
        for (int n = 0; n < 4; n++)
            peer_say_bytes(ws, "x", 1, true);
        peer_check(peer, peer->alloc.live_bytes < before + 2048);
        peer_hang_up(ws, true);
    }
}

static void
count_of_attachments_allocates_nothing(void **state)
{
    (void)state;
    run_once(many_attachments, NULL, announce_attachments);
}

/* ---- ADV-16: questions ---- */

#define ASKED_AT_ONCE 1000

static void
count_timeout(skio_socket *socket, int err, const skio_value *args, void *user)
{
    size_t *timeouts = user;

    (void)socket;
    (void)args;
    *timeouts += err == SKIO_ETIMEDOUT;
}

static void
ask_for_ever(struct peer *peer)
{
    unsigned rounds = scaled(20, 1000, "rounds of a thousand questions");
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    size_t timeouts = 0;
    size_t live = 0;
    size_t bytes = 0;

    for (unsigned i = 0; i < rounds; i++) {
        for (unsigned n = 0; n < ASKED_AT_ONCE; n++) {
            int err = skio_emit_with_ack(socket, 10, count_timeout, &timeouts,
                                         "q", NULL);

            peer_check(peer, err == SKIO_OK);
        }
        peer_check(peer,
                   skio_emit_with_ack(socket, 10, count_timeout, &timeouts, "q",
                                      NULL) == SKIO_ELIMIT);
        peer_wait(peer, 20);
        ws->in.len = 0; /* nobody reads it */
        ws->read = 0;
        if (i == 0) {
            live = peer->alloc.live;
            bytes = peer->alloc.live_bytes;
        }
    }
    peer_check(peer, timeouts == (size_t)rounds * ASKED_AT_ONCE);
    peer_check(peer, peer->alloc.live == live);
    peer_check(peer, peer->alloc.live_bytes == bytes);
}

static void
roomy(skio_server_options *options)
{
    options->ping_interval_ms = 24 * 3600 * 1000;
    options->max_pending_acks = ASKED_AT_ONCE;
    options->max_unconnected = 10000;
    options->max_connections_per_address = 10000;
}

static void
unanswered_questions_leave_nothing(void **state)
{
    (void)state;
    run_once(roomy, NULL, ask_for_ever);
}

/* ---- ATK-07: answers ---- */

static void
must_not_run(skio_socket *socket, int err, const skio_value *args, void *user)
{
    (void)socket;
    (void)args;
    if (err == SKIO_OK)
        peer_note(user, "answered");
}

static void
answer_unasked(struct peer *peer)
{
    static const char *const others[] = {
        "430[1]", /* the other socket's question has this id */
        "4318446744073709551615[1]",
        "4318446744073709551616[1]",
        "439007199254740991[1]",
        "4399999999999999999999999999999[1]",
    };
    unsigned count = scaled(20000, 1000000, "answers");
    skio_socket *asked;
    struct peer_ws *ws;
    size_t calls;

    (void)sio_connect(peer, &asked);
    peer_check(peer, skio_emit_with_ack(asked, 0, must_not_run, peer, "q",
                                        NULL) == SKIO_OK);
    ws = sio_connect(peer, NULL);
    for (size_t i = 0; i < COUNT(others); i++)
        peer_say(ws, others[i]);
    calls = peer->alloc.calls;
    for (unsigned i = 0; i < count; i++) {
        char text[64];

        snprintf(text, sizeof text, "43%" PRIu64 "[1]",
                 (uint64_t)i * 450359962737);
        peer_say(ws, text);
    }
    peer_check(peer, peer->alloc.calls == calls);
    peer_check(peer, ws->ws != NULL);
    peer_expect_event(peer, NULL);
}

static void
unasked_answers_cost_nothing(void **state)
{
    (void)state;
    run_once(roomy, NULL, answer_unasked);
}

/* ---- ATK-09: namespaces ---- */

static void
with_pattern(struct peer *peer)
{
    peer_check(peer, skio_of_pattern(peer->server, "/room-*") != NULL);
}

static void
join_namespaces(struct peer *peer)
{
    unsigned count = scaled(3000, 1000000, "namespaces");
    struct peer_ws *ws = sio_connect(peer, NULL);
    size_t live = 0;
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        char text[64];

        snprintf(text, sizeof text, "40/room-%08u,", i);
        peer_say(ws, text);
        peer_expect_prefix(ws, text);
        text[1] = '1';
        peer_say(ws, text);
        ws->in.len = 0;
        ws->read = 0;
        if (i == 0) {
            live = peer->alloc.live;
            bytes = peer->alloc.live_bytes;
        }
    }
    peer_check(peer, peer->alloc.live == live);
    peer_check(peer, peer->alloc.live_bytes == bytes);
}

static void
namespaces_on_demand_leave_nothing(void **state)
{
    (void)state;
    run_once(roomy, with_pattern, join_namespaces);
}

/* ---- ADV-14: rooms that are none ---- */

/* What a host may write: the room is whatever the client says. */
static void
send_where_told(skio_socket *socket, const skio_value *args, skio_ack *ack,
                void *user)
{
    const char *room = skio_get_str(args, "0");

    (void)ack;
    peer_note(user, "%s",
              skio_err_name(
                  skio_emit_to(skio_socket_nsp(socket), room, "secret", NULL)));
    peer_note(user, "%s",
              skio_err_name(skio_broadcast_to(socket, room, "secret", NULL)));
    peer_note(user, "%s", skio_err_name(skio_join(socket, room)));
    peer_note(user, "%s", skio_err_name(skio_leave(socket, room)));
    peer_note(user, "%d", skio_in_room(socket, room));
}

static void
sending(struct peer *peer)
{
    peer_check(peer, skio_on(skio_of(peer->server, "/"), "send",
                             send_where_told, peer) == SKIO_OK);
}

static void
name_rooms_wrongly(struct peer *peer)
{
    static const char *const packets[] = {
        "42[\"send\"]",
        "42[\"send\",null]",
        "42[\"send\",1]",
        "42[\"send\",[\"room\"]]",
        "42[\"send\",\"a\\u0000b\"]",
    };
    struct peer_ws *other = sio_connect(peer, NULL);
    struct peer_ws *ws = sio_connect(peer, NULL);

    for (size_t i = 0; i < COUNT(packets); i++) {
        peer_say(ws, packets[i]);
        for (int n = 0; n < 3; n++)
            peer_expect_event(peer, "SKIO_EINVAL");
        peer_expect_event(peer, "SKIO_ENOENT");
        peer_expect_event(peer, "0");
    }
    peer_expect_nothing(other);
    peer_expect_nothing(ws);
}

static void
room_that_is_no_text_reaches_nobody(void **state)
{
    (void)state;
    run_once(NULL, sending, name_rooms_wrongly);
}

/* ---- ATK-02: sessions ---- */

#define SESSIONS 1000
#define SESSION_BYTES 2048

/* That who joins nothing ends is another test. */
static void
crowded(skio_server_options *options)
{
    options->connect_timeout_ms = 60000;
    options->max_unconnected = SESSIONS + 1;
    options->max_connections_per_address = SESSIONS + 1;
    options->max_unconnected_per_address = SESSIONS + 1;
}

static void
open_and_leave(struct peer *peer)
{
    size_t before;
    size_t live;

    (void)peer_polling(peer);
    peer_wait(peer, 46000);
    before = peer->alloc.live_bytes;
    live = peer->alloc.live;
    for (unsigned i = 0; i < SESSIONS; i++)
        (void)peer_polling(peer);
    peer_check(peer, skio_server_sessions(peer->server) == SESSIONS);
    peer_check(peer,
               peer->alloc.live_bytes - before <= SESSIONS * SESSION_BYTES);
    peer_wait(peer, 45000); /* pingInterval and pingTimeout */
    peer_check(peer, skio_server_sessions(peer->server) == 0);
    peer_check(peer, peer->alloc.live == live);
    peer_check(peer, peer->alloc.live_bytes == before);
}

static void
sessions_never_polled_are_small_and_go(void **state)
{
    (void)state;
    run_once(crowded, NULL, open_and_leave);
}

/* ---- ATK-35: the log ---- */

static size_t lines;

static void
check_line(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    lines++;
    for (; *message != '\0'; message++) {
        if ((unsigned char)*message < 0x20 || *message == 0x7f)
            fail_msg("byte %d in a line of the log", *message);
    }
}

static void
logging(skio_server_options *options)
{
    options->log = check_line;
    options->log_level = SKIO_LOG_DEBUG;
}

#define EVIL "\\r\\nroot: logged in\\u001b[2J\\u0007"

static void
say_evil_names(struct peer *peer)
{
    static const char *const packets[] = {
        "40/a\r\n\x1b[2Jb,",
        "42/x\x1b]0;y\x07,[\"e\"]",
        "42[\"" EVIL "\",\"" EVIL "\"]",
        "4\r\n\x1b[31m",
        "42[\"disconnect\",\"\r\n\"]",
        "40{\"token\":\"" EVIL "\"}",
        "4?\x7f\x9b\r",
        "451-[\"" EVIL "\"]",
    };
    static const char *const queries[] = {
        "EIO=4&transport=%0d%0a%1b[2J",
        "EIO=4&transport=polling&sid=%0d%0aroot%1b",
        "EIO=%0a&transport=polling",
        "EIO=4&transport=websocket&sid=\x1b[2J",
    };
    static const char headers[] = "user-agent: a\x1b[2J\r\nhost: a.example\n"
                                  "origin: http://b\x1b[2J\x07.example\n"
                                  "x-forwarded-for: \x1b[2J\n";

    lines = 0;
    for (size_t i = 0; i < COUNT(packets); i++) {
        struct peer_ws *ws = sio_connect(peer, NULL);

        peer_say(ws, packets[i]);
        peer_say(ws, "9\r\n\x1b[0m");
    }
    for (size_t i = 0; i < COUNT(queries); i++) {
        (void)peer_get(peer, queries[i]);
        (void)peer_request(peer, "GET", queries[i], headers);
        (void)peer_request(peer, "P\r\n\x1b", queries[i], NULL);
        (void)peer_upgrade(peer, "GET", queries[i], headers);
    }
    peer_check(peer, lines > 0);
}

static void
hostile_names_break_no_line_of_the_log(void **state)
{
    (void)state;
    run_once(logging, NULL, say_evil_names);
}

/* ---- ATK-23, ATK-34: time ---- */

/* Two heartbeats and a question that is not answered, each in its time. */
static void
live_for_a_minute(struct peer *peer)
{
    skio_socket *socket;
    struct peer_ws *ws = sio_connect(peer, &socket);
    size_t timeouts = 0;

    peer_check(peer, skio_emit_with_ack(socket, 5000, count_timeout, &timeouts,
                                        "q", NULL) == SKIO_OK);
    peer_flush(peer);
    peer_expect_prefix(ws, "42");
    peer_wait(peer, 4999);
    peer_check(peer, timeouts == 0);
    peer_wait(peer, 1);
    peer_check(peer, timeouts == 1);
    peer_wait(peer, 19999);
    peer_expect_nothing(ws);
    peer_wait(peer, 1);
    peer_expect(ws, "2");
    peer_say(ws, "3");
    peer_wait(peer, 25000);
    peer_expect(ws, "2");
    peer_wait(peer, 20000);
    peer_check(peer, skio_server_sessions(peer->server) == 0);
}

static void
pass_bounds(struct peer *peer)
{
    static const uint64_t bounds[] = {
        INT32_MAX,
        UINT32_MAX,
        (uint64_t)INT32_MAX * 1000,
        (uint64_t)1 << 53,
    };
    static const uint64_t walls[] = {0, UINT32_MAX, UINT64_C(4102444800000),
                                     UINT64_C(253402300799999)};

    for (size_t i = 0; i < COUNT(bounds); i++) {
        for (uint64_t ahead = 1000; ahead <= 61000; ahead += 20000) {
            peer->now = bounds[i] - ahead;
            peer->wall = walls[i];
            skio_transport_timeout(peer->server);
            live_for_a_minute(peer);
        }
    }
}

/* The process stood still for a day: who is there gets its ping. */
static void
stand_still(struct peer *peer)
{
    struct peer_ws *ws = sio_connect(peer, NULL);

    peer->now += 24 * 3600 * 1000;
    peer->wall = 0;
    skio_transport_timeout(peer->server);
    peer_flush(peer);
    peer_expect(ws, "2");
    peer_say(ws, "3");
    peer->wall = UINT64_C(4102444800000);
    peer_wait(peer, 25000);
    peer_expect(ws, "2");
    peer_check(peer, skio_server_sessions(peer->server) == 1);
}

static void
clock_may_pass_any_bound(void **state)
{
    (void)state;
    run_once(NULL, NULL, pass_bounds);
    run_once(NULL, NULL, stand_still);
}

/* ---- ATK-21: names that collide ---- */

#define CRAFTED 1000
#define BUCKETS 1024 /* all of them fall into one of so many */

struct named {
    struct skio__map_node node;
    char name[16];
};

static unsigned
longest_chain(const struct skio__map *map)
{
    const UT_hash_table *table = skio__map_first(map)->hh.tbl;
    unsigned longest = 0;

    for (unsigned i = 0; i < table->num_buckets; i++)
        if (table->buckets[i].count > longest)
            longest = table->buckets[i].count;
    return longest;
}

static unsigned
chain_of(struct named *names, const skio_allocator *mem, const uint8_t *key)
{
    struct skio__map map;
    unsigned longest;

    skio__map_init(&map, mem, key);
    for (unsigned i = 0; i < CRAFTED; i++) {
        memset(&names[i].node, 0, sizeof names[i].node);
        assert_int_equal(skio__map_put(&map, &names[i].node, names[i].name,
                                       strlen(names[i].name)),
                         SKIO_OK);
    }
    longest = longest_chain(&map);
    skio__map_deinit(&map);
    return longest;
}

/* Who knew the key could do harm; the key is random in each server. */
static void
crafted_names_collide_with_their_own_key_only(void **state)
{
    static struct named names[CRAFTED];
    static const uint8_t known[SKIO__MAP_KEY_BYTES] = {1, 2, 3};
    struct test_alloc t;
    unsigned found = 0;

    (void)state;
    test_alloc_init(&t);
    for (unsigned i = 0; found < CRAFTED; i++) {
        char *name = names[found].name;
        uint32_t low;
        unsigned char hash[crypto_shorthash_BYTES];

        snprintf(name, sizeof names[found].name, "room %u", i);
        crypto_shorthash(hash, (const unsigned char *)name, strlen(name),
                         known);
        memcpy(&low, hash, sizeof low);
        if (low % BUCKETS == 0)
            found++;
    }
    assert_true(chain_of(names, &t.allocator, known) >= CRAFTED / 8);
    for (int i = 0; i < 10; i++) {
        uint8_t key[SKIO__MAP_KEY_BYTES];

        randombytes_buf(key, sizeof key);
        assert_true(chain_of(names, &t.allocator, key) < CRAFTED / 32);
    }
    assert_int_equal(t.live, 0);
}

/* ---- ATK-22: UTF-8 ---- */

static void
say_invalid_utf8(struct peer *peer)
{
    static const char *const bad[] = {
        "\xf8\x88\x80\x80\x80",
        "\xfc\x84\x80\x80\x80\x80",
        "\xf7\xbf\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\x80",
        "\xbf",
        "\x80\xbf\x80\xbf\x80\xbf\x80",
        "\xc2 ",
        "\xe0 ",
        "\xf0 ",
        "\xc2",
        "\xe0\xa0",
        "\xf0\x90\x80",
        "\xfe",
        "\xff",
        "\xfe\xfe\xff\xff",
        "\xc0\xaf",
        "\xe0\x80\xaf",
        "\xf0\x80\x80\xaf",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xc0\x80",
        "\xe0\x80\x80",
        "\xed\xa0\x80",
        "\xed\xad\xbf",
        "\xed\xae\x80",
        "\xed\xbf\xbf",
        "\xed\xa0\x80\xed\xb0\x80",
        "\xce\xba\xe1\xbd\xb9\xed\xa0",
        "01234567890123456789\x80",
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct peer_ws *ws = sio_connect(peer, NULL);
        char query[128];
        char text[64];

        snprintf(text, sizeof text, "42[\"e\",\"%s\"]", bad[i]);
        peer_say(ws, text);
        peer_expect_close(ws, 1007);

        snprintf(query, sizeof query, "%s", peer_polling(peer));
        peer_expect_http(peer_post(peer, query, text), 400, "");
        peer_check(peer, skio_server_sessions(peer->server) == 0);
    }
}

/* Cut at every byte as well. */
static void
invalid_utf8_is_refused_on_both_transports(void **state)
{
    static const struct peer_plan plan = {NULL, NULL, say_invalid_utf8};

    (void)state;
    peer_run(&plan);
}

/* ---- ATK-05: depth ---- */

#define STACK (64 * 1024)
#define DEEP 1000000

static void *
decode_deep_texts(void *arg)
{
    const struct sio_packet_limits limits = {
        .max_attachments = 10,
        .max_json_depth = SKIO__JSON_DEPTH_MAX,
        .max_name_bytes = 512,
    };
    char *text = arg;
    struct sio_packet packet;
    const char *why;
    int err;

    /* beyond any depth */
    memset(text, '[', DEEP);
    text[0] = '2';
    err = skio__packet_decode(text, DEEP, &limits, &packet, &why);
    if (err == SKIO_OK)
        return text;

    /* as deep as any option allows, both ways */
    memcpy(text, "2[\"e\",", 6);
    memset(text + 6 + SKIO__JSON_DEPTH_MAX - 1, ']', SKIO__JSON_DEPTH_MAX);
    err = skio__packet_decode(text, 6 + 2 * SKIO__JSON_DEPTH_MAX - 1, &limits,
                              &packet, &why);
    return err == SKIO_OK ? NULL : text;
}

static void
deep_texts_need_no_stack(void **state)
{
    char *text = malloc(DEEP);
    pthread_attr_t attributes;
    pthread_t thread;
    void *failed;

    (void)state;
    assert_non_null(text);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, decode_deep_texts,
                                    text),
                     0);
    assert_int_equal(pthread_join(thread, &failed), 0);
    pthread_attr_destroy(&attributes);
    assert_null(failed);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_evenly_spread_and_never_twice),
        cmocka_unit_test(id_of_an_ended_session_is_unknown),
        cmocka_unit_test(count_of_attachments_allocates_nothing),
        cmocka_unit_test(unanswered_questions_leave_nothing),
        cmocka_unit_test(unasked_answers_cost_nothing),
        cmocka_unit_test(namespaces_on_demand_leave_nothing),
        cmocka_unit_test(room_that_is_no_text_reaches_nobody),
        cmocka_unit_test(sessions_never_polled_are_small_and_go),
        cmocka_unit_test(hostile_names_break_no_line_of_the_log),
        cmocka_unit_test(clock_may_pass_any_bound),
        cmocka_unit_test(crafted_names_collide_with_their_own_key_only),
        cmocka_unit_test(invalid_utf8_is_refused_on_both_transports),
        cmocka_unit_test(deep_texts_need_no_stack),
    };

    return cmocka_run_group_tests_name("floods", tests, NULL, NULL);
}
