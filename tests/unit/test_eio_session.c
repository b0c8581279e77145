/*
 * Engine.IO sessions as the layer above them sees them: engine.h
 */
#include "engineio/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/mem.h"
#include "engineio/exchange.h"
#include "engineio/session.h"
#include "unit/alloc.h"

/* An engine, an upper layer that takes notes, and a transport that writes
 * nothing until it is told. */
static struct test_alloc alloc;
static skio_server_options options;
static struct eio_engine engine;
static struct skio_session *last;
static char notes[1024];
static uint64_t now;
static skio_ws *ws;
static int answered;

static void
note(const char *text)
{
    strncat(notes, text, sizeof notes - strlen(notes) - 1);
    strncat(notes, " ", sizeof notes - strlen(notes) - 1);
}

static void
upper_open(struct skio_session *session)
{
    const unsigned char *bytes = skio__session_state(session);
    size_t i;

    for (i = 0; i < 24; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal((uintptr_t)bytes % 16, 0);
    assert_ptr_equal(skio__session_engine(session), &engine);
    assert_true(skio__session_is_open(session));
    last = session;
    note("open");
}

static void
upper_message(struct skio_session *session, const char *data, size_t len,
              bool binary)
{
    (void)session;
    assert_false(binary);
    assert_int_equal(len, 1);
    note((char[]){data[0], '\0'});
}

static void
upper_close(struct skio_session *session, enum skio_disconnect reason)
{
    /* Readable to the end. */
    assert_non_null(skio__session_request(session));
    assert_int_equal(strlen(skio_session_id(session)), 20);
    assert_false(skio__session_is_open(session));
    note(skio_disconnect_name(reason));
    last = NULL;
}

static void
upper_pressure(struct skio_session *session, size_t queued)
{
    char text[32];

    assert_int_equal(queued, skio__session_queued(session));
    snprintf(text, sizeof text, "pressure %zu", queued);
    note(text);
}

static const struct eio_upper upper = {
    .state_size = 24,
    .open = upper_open,
    .message = upper_message,
    .close = upper_close,
    .pressure = upper_pressure,
};

static uint64_t
hook_now(void *transport)
{
    (void)transport;
    return now;
}

static void
hook_nothing(void *transport)
{
    (void)transport;
}

static void
hook_respond(void *handle, const skio_response *response)
{
    (void)handle;
    answered = response->status;
}

static int
setup(void **state)
{
    static const uint8_t key[16];

    (void)state;
    if (sodium_init() < 0)
        return -1;
    test_alloc_init(&alloc);
    skio_server_options_init(&options);
    options.max_outbound_bytes = 100;
    options.outbound_high_bytes = 40;
    if (skio__engine_init(&engine, NULL, &options, &alloc.allocator, key) !=
        SKIO_OK)
        return -1;
    engine.upper = &upper;
    engine.hooks.struct_size = sizeof engine.hooks;
    engine.hooks.now_ms = hook_now;
    engine.hooks.wants_flush = hook_nothing;
    engine.hooks.wants_timer = hook_nothing;
    engine.hooks.ws_flush = hook_nothing;
    engine.hooks.respond = hook_respond;
    notes[0] = '\0';
    last = NULL;
    ws = NULL;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    if (ws != NULL)
        skio_ws_closed(ws, true);
    ws = NULL;
    skio__engine_deinit(&engine);
    return alloc.live == 0 ? 0 : -1;
}

static void
assert_notes(const char *want)
{
    assert_string_equal(notes, want);
    notes[0] = '\0';
}

static skio_exchange *
ask(const char *query, bool upgrade, int want)
{
    skio_request request = {.method = "GET",
                            .path = "/socket.io/",
                            .query = query,
                            .headers = "",
                            .address = "",
                            .upgrade = upgrade,
                            .content_length = -1};
    skio_exchange *exchange = NULL;

    assert_int_equal(skio__exchange_new(&engine, &request, NULL, &exchange),
                     want);
    return exchange;
}

/* Write everything. */
static void
drain(void)
{
    skio_bytes slices[8];
    size_t count;
    size_t i;

    while ((count = skio_ws_peek(ws, slices, 8)) > 0) {
        size_t len = 0;

        for (i = 0; i < count; i++)
            len += slices[i].len;
        skio_ws_consume(ws, len);
    }
}

static void
open_websocket(void)
{
    ws = skio_ws_open(ask("EIO=4&transport=websocket", true,
                          SKIO_EXCHANGE_UPGRADE),
                      NULL);
    assert_non_null(ws);
    assert_notes("open ");
    skio__engine_flush(&engine);
    drain();
    notes[0] = '\0'; /* the open packet alone was past this high mark */
    assert_string_equal(skio__session_transport(last), "websocket");
}

static void
open_polling(char query[80])
{
    ask("EIO=4&transport=polling", false, SKIO_EXCHANGE_ANSWERED);
    assert_notes("open ");
    assert_string_equal(skio__session_transport(last), "polling");
    snprintf(query, 80, "EIO=4&transport=polling&sid=%s",
             skio_session_id(last));
}

/* A packet of 20 bytes with its frame header. */
static int
queue_twenty(void)
{
    struct skio__blob *blob =
        skio__blob_copy(&alloc.allocator, false, "4mmmmmmmmmmmmmmmmm", 18);
    int err;

    assert_non_null(blob);
    err = skio__session_queue(last, blob);
    skio__blob_unref(blob);
    return err;
}

static void
pressure_is_told_once_until_the_queue_has_halved(void **state)
{
    (void)state;
    open_websocket();
    queue_twenty();
    queue_twenty();
    skio__engine_flush(&engine);
    assert_notes(""); /* 40 is the mark, not past it */
    queue_twenty();
    assert_notes(""); /* never inside the call */
    skio__engine_flush(&engine);
    assert_notes("pressure 60 ");
    queue_twenty();
    skio__engine_flush(&engine);
    assert_notes("");

    skio_ws_consume(ws, 59); /* 21 are left: more than half of the mark */
    assert_int_equal(skio__session_queued(last), 21);
    queue_twenty();
    skio__engine_flush(&engine);
    assert_notes("");
    skio_ws_consume(ws, 21);
    assert_int_equal(skio__session_queued(last), 20);
    queue_twenty();
    queue_twenty();
    skio__engine_flush(&engine);
    assert_notes("pressure 60 ");
}

static void
a_polling_session_feels_pressure_too(void **state)
{
    char query[80];

    (void)state;
    open_polling(query);
    queue_twenty();
    queue_twenty();
    queue_twenty();
    skio__engine_flush(&engine);
    assert_notes("pressure 60 ");
    ask(query, false, SKIO_EXCHANGE_ANSWERED);
    assert_int_equal(skio__session_queued(last), 0);
    queue_twenty();
    queue_twenty();
    queue_twenty();
    skio__engine_flush(&engine);
    assert_notes("pressure 60 ");
}

static void
a_websocket_is_writable_until_output_is_stuck(void **state)
{
    (void)state;
    open_websocket();
    assert_true(skio__session_is_writable(last));
    queue_twenty();
    assert_true(skio__session_is_writable(last)); /* goes out with the turn */
    skio__engine_flush(&engine);
    assert_false(skio__session_is_writable(last));
    drain();
    assert_true(skio__session_is_writable(last));
    queue_twenty();
    queue_twenty();
    assert_true(skio__session_is_writable(last));
    queue_twenty();
    assert_false(skio__session_is_writable(last)); /* past the high mark */
}

static void
polling_is_writable_while_a_poll_waits(void **state)
{
    char query[80];

    (void)state;
    open_polling(query);
    assert_false(skio__session_is_writable(last));
    ask(query, false, SKIO_EXCHANGE_HELD);
    assert_true(skio__session_is_writable(last));
    queue_twenty();
    assert_true(skio__session_is_writable(last));
    skio__engine_flush(&engine);
    assert_false(skio__session_is_writable(last));
}

static void
a_doomed_session_closes_with_its_reason_at_the_turns_end(void **state)
{
    (void)state;
    open_websocket();
    skio__session_doom(last, SKIO_DISCONNECT_FORCED_CLOSE);
    skio__session_doom(last, SKIO_DISCONNECT_SLOW_CONSUMER);
    assert_int_equal(queue_twenty(), SKIO_ENOBUFS);
    assert_false(skio__session_is_writable(last));
    assert_notes("");
    skio__engine_flush(&engine);
    assert_notes("forced close ");
    assert_int_equal(engine.counters.slow_consumers, 0);
}

static void
a_doomed_session_stays_so_across_an_upgrade(void **state)
{
    char query[80];
    char probe[96];

    (void)state;
    open_polling(query);
    snprintf(probe, sizeof probe, "EIO=4&transport=websocket%s",
             strstr(query, "&sid="));
    ws = skio_ws_open(ask(probe, true, SKIO_EXCHANGE_UPGRADE), NULL);
    assert_non_null(ws);
    skio__session_doom(last, SKIO_DISCONNECT_SLOW_CONSUMER);
    skio_ws_receive(ws, "5", 1, false, true, true);
    assert_notes("");
    skio__engine_flush(&engine);
    assert_notes("slow consumer ");
    assert_int_equal(engine.counters.slow_consumers, 1);
}

static void
closing_lets_go_what_is_queued_unless_told_to_discard(void **state)
{
    struct skio_session *session;
    skio_bytes slices[4];

    (void)state;
    open_websocket();
    queue_twenty();
    skio__engine_enter(&engine);
    session = last;
    skio__session_close(session, SKIO_DISCONNECT_PARSE_ERROR, false);
    skio__session_close(session, SKIO_DISCONNECT_FORCED_CLOSE, true);
    last = session;
    assert_int_equal(queue_twenty(), SKIO_ECLOSED);
    skio__session_doom(session, SKIO_DISCONNECT_FORCED_CLOSE);
    skio__engine_leave(&engine);
    assert_notes("parse error ");
    assert_int_equal(skio_ws_peek(ws, slices, 4), 2);
    assert_int_equal(slices[0].len, 20);
    assert_int_equal(slices[1].len, 2);
    assert_false(skio_ws_is_finished(ws));
    skio_ws_consume(ws, 21);
    assert_false(skio_ws_is_finished(ws));
    skio_ws_consume(ws, 100); /* more than was shown */
    assert_true(skio_ws_is_finished(ws));
    skio_ws_closed(ws, true);

    open_websocket();
    queue_twenty();
    skio__session_close(last, SKIO_DISCONNECT_FORCED_CLOSE, true);
    assert_int_equal(skio_ws_peek(ws, slices, 4), 1);
    assert_int_equal(slices[0].len, 2);
}

static void
a_closing_polling_session_can_be_cut_short(void **state)
{
    struct skio_session *session;
    char query[80];

    (void)state;
    open_polling(query);
    session = last;
    skio__session_close(session, SKIO_DISCONNECT_FORCED_CLOSE, false);
    assert_notes("forced close ");
    skio__session_close(session, SKIO_DISCONNECT_FORCED_CLOSE, false);
    skio__engine_enter(&engine);
    skio__session_close(session, SKIO_DISCONNECT_FORCED_CLOSE, true);
    skio__engine_leave(&engine);
    assert_notes("");
    answered = 0;
    ask(query, false, SKIO_EXCHANGE_ANSWERED);
    assert_int_equal(answered, 400);
}

static void
only_sessions_not_admitted_count_as_unconnected(void **state)
{
    char query[80];

    (void)state;
    open_polling(query);
    open_websocket();
    assert_int_equal(engine.unconnected, 2);
    skio__session_admit(last);
    skio__session_admit(last);
    assert_int_equal(engine.unconnected, 1);
    skio_ws_closed(ws, true);
    ws = NULL;
    assert_int_equal(engine.unconnected, 1);
    skio__engine_shutdown(&engine);
    assert_int_equal(engine.unconnected, 0);
}

static void
an_engine_may_end_without_a_flush(void **state)
{
    char query[80];

    (void)state;
    open_polling(query);
    ask(query, false, SKIO_EXCHANGE_HELD);
    queue_twenty();
    open_polling(query);
    ask(query, false, SKIO_EXCHANGE_HELD);
    skio__engine_shutdown(&engine);
    assert_notes("server shutting down server shutting down ");
    /* The teardown finds every block freed. */
}

static void
no_timer_is_due_without_sessions(void **state)
{
    (void)state;
    assert_true(skio__engine_next_due(&engine) == SKIO__NEVER);
    now = 5000;
    open_websocket();
    assert_true(skio__engine_next_due(&engine) == 5000 + 25000);
    skio_ws_closed(ws, true);
    ws = NULL;
    assert_true(skio__engine_next_due(&engine) == SKIO__NEVER);
    now = 0;
}

static void
the_path_gets_one_slash_or_none(void **state)
{
    static const struct {
        const char *path;
        bool slash;
        const char *want;
    } cases[] = {
        {"/socket.io", true, "/socket.io/"},
        {"/socket.io/", true, "/socket.io/"},
        {"/socket.io", false, "/socket.io"},
        {"/socket.io/", false, "/socket.io"},
        {"/a//", true, "/a//"},
        {"", true, "/"},
    };
    static const uint8_t key[16];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct eio_engine other;
        skio_server_options changed = options;

        changed.path = cases[i].path;
        changed.add_trailing_slash = cases[i].slash;
        assert_int_equal(skio__engine_init(&other, NULL, &changed,
                                           &alloc.allocator, key),
                         SKIO_OK);
        assert_string_equal(other.path, cases[i].want);
        assert_int_equal(other.path_len, strlen(cases[i].want));
        skio__engine_deinit(&other);
    }
}

static void
an_engine_without_memory_leaves_nothing(void **state)
{
    static const uint8_t key[16];
    struct eio_engine other;
    size_t live = alloc.live;
    size_t n;

    (void)state;
    for (n = 1;; n++) {
        test_alloc_fail(&alloc, n);
        if (skio__engine_init(&other, NULL, &options, &alloc.allocator, key) ==
            SKIO_OK)
            break;
        assert_int_equal(alloc.live, live);
    }
    assert_int_equal(n, 3);
    test_alloc_fail(&alloc, 0);
    skio__engine_deinit(&other);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(pressure_is_told_once_until_the_queue_has_halved),
        T(a_polling_session_feels_pressure_too),
        T(a_websocket_is_writable_until_output_is_stuck),
        T(polling_is_writable_while_a_poll_waits),
        T(a_doomed_session_closes_with_its_reason_at_the_turns_end),
        T(a_doomed_session_stays_so_across_an_upgrade),
        T(closing_lets_go_what_is_queued_unless_told_to_discard),
        T(a_closing_polling_session_can_be_cut_short),
        T(only_sessions_not_admitted_count_as_unconnected),
        T(an_engine_may_end_without_a_flush),
        T(no_timer_is_due_without_sessions),
        T(the_path_gets_one_slash_or_none),
        T(an_engine_without_memory_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
