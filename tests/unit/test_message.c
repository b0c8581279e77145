/*
 * socketio/message: the bytes of what is sent, and what is not
 *
 * Expected texts are those of the protocol's examples and of JSON.stringify().
 */
#include "socketio/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
    struct test_alloc alloc;
    struct skio__buf scratch;
    struct sio_encoder encoder;
    struct skio_message *message;
};

static void
fixture_init(struct fixture *f)
{
    test_alloc_init(&f->alloc);
    skio__buf_init(&f->scratch, &f->alloc.allocator);
    f->encoder.parser = NULL;
    f->encoder.packed = NULL;
    f->encoder.pool = NULL;
    f->encoder.mem = &f->alloc.allocator;
    f->encoder.scratch = &f->scratch;
    f->encoder.nsp = "/";
    f->encoder.max_attachments = 10;
    f->encoder.max_json_depth = 64;
    f->encoder.max_name_bytes = 32;
    f->encoder.max_bytes = 1000;
    f->encoder.trust_raw_json = false;
    f->encoder.any_name = false;
    f->message = NULL;
}

static void
fixture_deinit(struct fixture *f)
{
    skio__message_unref(f->message);
    skio__buf_deinit(&f->scratch);
    assert_int_equal(f->alloc.live, 0);
}

/* A failed call leaves *out alone. */
static void
drop(struct fixture *f)
{
    skio__message_unref(f->message);
    f->message = NULL;
}

static int event(struct fixture *f, const char *name, uint64_t id,
                 const char *format, ...) SKIO_PRINTF(4, 5);
static int ack(struct fixture *f, uint64_t id, const char *format, ...)
    SKIO_PRINTF(3, 4);

static int
event(struct fixture *f, const char *name, uint64_t id, const char *format, ...)
{
    va_list args;
    int err;

    drop(f);
    va_start(args, format);
    err =
        skio__message_event(&f->encoder, name, id, format, &args, &f->message);
    va_end(args);
    return err;
}

static int
ack(struct fixture *f, uint64_t id, const char *format, ...)
{
    va_list args;
    int err;

    drop(f);
    va_start(args, format);
    err = skio__message_ack(&f->encoder, id, format, &args, &f->message);
    va_end(args);
    return err;
}

static int
event_json(struct fixture *f, const char *name, const char *json)
{
    drop(f);
    return skio__message_event_json(&f->encoder, name, SIO_NO_ID, json,
                                    strlen(json), &f->message);
}

static void
expect_blob(const struct skio__blob *blob, bool binary, const char *want)
{
    const void *data;
    size_t len;

    skio__blob_packet(blob, &data, &len);
    if (len != strlen(want) || memcmp(data, want, len) != 0)
        print_error("wrote %.*s, not %s\n", (int)len, (const char *)data, want);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(data, want, len);
    assert_int_equal((blob->flags & SKIO__BLOB_BINARY) != 0, binary);
}

/* One text and no attachments. */
static void
expect_text(const struct fixture *f, const char *want)
{
    if (f->message == NULL) {
        fail();
        return;
    }
    assert_int_equal(f->message->count, 1);
    expect_blob(f->message->blobs[0], false, want);
}

#define EVENT(f, want, ...)                                                    \
    do {                                                                       \
        assert_int_equal(event((f), __VA_ARGS__), SKIO_OK);                    \
        expect_text((f), (want));                                              \
    } while (0)

#define REFUSES(f, error, ...)                                                 \
    do {                                                                       \
        assert_int_equal(event((f), __VA_ARGS__), (error));                    \
        assert_null((f)->message);                                             \
    } while (0)

static void
events_are_written_as_in_the_protocol(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    EVENT(&f, "42[\"foo\"]", "foo", SIO_NO_ID, NULL);
    EVENT(&f, "4212[\"foo\",1]", "foo", 12, "%d", 1);
    EVENT(&f, "420[\"foo\"]", "foo", 0, NULL);
    EVENT(&f, "429007199254740991[\"foo\"]", "foo", UINT64_C(9007199254740991),
          NULL);
    EVENT(&f, "42[\"chat\",\"hello\",7]", "chat", SIO_NO_ID, "%s, %d", "hello",
          7);
    EVENT(&f, "42[\"e\"]", "e", SIO_NO_ID, " ");
    EVENT(&f, "42[\"a\\\"\\\\\\n\xc3\xa9\"]", "a\"\\\n\xc3\xa9", SIO_NO_ID,
          NULL);
    EVENT(&f, "42[\"\"]", "", SIO_NO_ID, NULL);
    EVENT(&f, "42[\"error\",{\"code\":401,\"ok\":false}]", "error", SIO_NO_ID,
          "{ 'code' : %d, 'ok' : %hhd }", 401, (bool)0);
    f.encoder.nsp = "/admin";
    EVENT(&f, "42/admin,[\"bar\"]", "bar", SIO_NO_ID, NULL);
    EVENT(&f, "42/admin,12[\"foo\"]", "foo", 12, NULL);
    fixture_deinit(&f);
}

static void
acks_are_written_as_in_the_protocol(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_int_equal(ack(&f, 12, "'ok', {'a':%d}", 1), SKIO_OK);
    expect_text(&f, "4312[\"ok\",{\"a\":1}]");
    assert_int_equal(ack(&f, 0, NULL), SKIO_OK);
    expect_text(&f, "430[]");
    f.encoder.nsp = "/admin";
    assert_int_equal(ack(&f, 12, NULL), SKIO_OK);
    expect_text(&f, "43/admin,12[]");

    assert_int_equal(ack(&f, 15, "%p", SKIO_BYTES("\x01\x02", 2)), SKIO_OK);
    assert_int_equal(f.message->count, 2);
    expect_blob(f.message->blobs[0], false,
                "461-/admin,15[{\"_placeholder\":true,\"num\":0}]");
    expect_blob(f.message->blobs[1], true, "\x01\x02");
    fixture_deinit(&f);
}

static void
bytes_follow_as_binary_packets(void **state)
{
    struct fixture f;
    size_t frames;
    const void *data;
    size_t len;

    (void)state;
    fixture_init(&f);
    assert_int_equal(event(&f, "baz", SIO_NO_ID, "%p", SKIO_BYTES("abc", 3)),
                     SKIO_OK);
    assert_int_equal(f.message->count, 2);
    expect_blob(f.message->blobs[0], false,
                "451-[\"baz\",{\"_placeholder\":true,\"num\":0}]");
    expect_blob(f.message->blobs[1], true, "abc");
    skio__blob_frame(f.message->blobs[0], &data, &frames);
    skio__blob_frame(f.message->blobs[1], &data, &len);
    assert_int_equal(f.message->bytes, frames + len);

    f.encoder.nsp = "/admin";
    assert_int_equal(event(&f, "x", 15, "%p,{'b':[%p]}", SKIO_BYTES("a", 1),
                           SKIO_BYTES(NULL, 0)),
                     SKIO_OK);
    assert_int_equal(f.message->count, 3);
    expect_blob(f.message->blobs[0], false,
                "452-/admin,15[\"x\",{\"_placeholder\":true,\"num\":0},"
                "{\"b\":[{\"_placeholder\":true,\"num\":1}]}]");
    expect_blob(f.message->blobs[1], true, "a");
    expect_blob(f.message->blobs[2], true, "");
    fixture_deinit(&f);
}

static void
attachments_end_at_the_limit(void **state)
{
    const void *arg = SKIO_BYTES("a", 1);
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_int_equal(event(&f, "e", SIO_NO_ID, "%p,%p,%p,%p,%p,%p,%p,%p,%p,%p",
                           arg, arg, arg, arg, arg, arg, arg, arg, arg, arg),
                     SKIO_OK);
    assert_int_equal(f.message->count, 11);
    expect_blob(f.message->blobs[10], true, "a");
    REFUSES(&f, SKIO_ETOOBIG, "e", SIO_NO_ID,
            "%p,%p,%p,%p,%p,%p,%p,%p,%p,%p,%p", arg, arg, arg, arg, arg, arg,
            arg, arg, arg, arg, arg);
    fixture_deinit(&f);
}

static void
names_are_checked(void **state)
{
    static const char *const reserved[] = {
        "connect",       "connect_error", "disconnect",
        "disconnecting", "newListener",   "removeListener",
    };
    char name[34];
    struct fixture f;
    size_t i;

    (void)state;
    fixture_init(&f);
    for (i = 0; i < COUNT(reserved); i++) {
        REFUSES(&f, SKIO_EINVAL, reserved[i], SIO_NO_ID, NULL);
        assert_int_equal(event_json(&f, reserved[i], "1"), SKIO_EINVAL);
    }
    REFUSES(&f, SKIO_EINVAL, "\xff", SIO_NO_ID, NULL);
    memset(name, 'n', sizeof(name));
    name[32] = '\0';
    assert_int_equal(event(&f, name, SIO_NO_ID, NULL), SKIO_OK);
    name[32] = 'n';
    name[33] = '\0';
    REFUSES(&f, SKIO_EINVAL, name, SIO_NO_ID, NULL);
    fixture_deinit(&f);
}

static void
a_template_that_fails_sends_nothing(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    REFUSES(&f, SKIO_EINVAL, "e", SIO_NO_ID, "[");
    REFUSES(&f, SKIO_EINVAL, "e", SIO_NO_ID, "%s", "\xff");
    REFUSES(&f, SKIO_EINVAL, "e", SIO_NO_ID, "%-s", "1],[\"evil\"");
    assert_int_equal(ack(&f, 1, "%-s", "1,2"), SKIO_EINVAL);
    assert_null(f.message);
    EVENT(&f, "42[\"e\"]", "e", SIO_NO_ID, NULL); /* and the next one goes */
    fixture_deinit(&f);
}

static void
size_ends_at_the_limit(void **state)
{
    struct fixture f;
    char text[1001];
    size_t len;

    (void)state;
    fixture_init(&f);
    memset(text, 'x', sizeof(text));

    /* Four bytes of frame header and `42["e",""]`. */
    len = f.encoder.max_bytes - 4 - 10;
    assert_int_equal(event(&f, "e", SIO_NO_ID, "%.*s", (int)len, text),
                     SKIO_OK);
    assert_int_equal(f.message->bytes, f.encoder.max_bytes);
    REFUSES(&f, SKIO_ENOBUFS, "e", SIO_NO_ID, "%.*s", (int)len + 1, text);
    REFUSES(&f, SKIO_ENOBUFS, "e", SIO_NO_ID, "%.*s", 1001, text);

    /* Attachments count, too, before they are copied. */
    REFUSES(&f, SKIO_ENOBUFS, "e", SIO_NO_ID, "%p, %p", SKIO_BYTES(text, 900),
            SKIO_BYTES(text, 100));
    REFUSES(&f, SKIO_ENOBUFS, "e", SIO_NO_ID, "%p, %p", SKIO_BYTES(text, 1),
            SKIO_BYTES(text, SIZE_MAX));
    assert_int_equal(event(&f, "e", SIO_NO_ID, "%p", SKIO_BYTES(text, 900)),
                     SKIO_OK);

    text[1000] = '\0';
    text[0] = text[999] = '"';
    assert_int_equal(event_json(&f, "e", text), SKIO_ENOBUFS);
    assert_int_equal(f.scratch.max, 0); /* its own limit is back */

    f.encoder.max_bytes = 0; /* none */
    assert_int_equal(event_json(&f, "e", text), SKIO_OK);
    assert_int_equal(event(&f, "e", SIO_NO_ID, "%s", text), SKIO_OK);
    fixture_deinit(&f);
}

static void
finished_json_is_a_list(void **state)
{
    static const char *const bad[] = {
        " ",  ",",      "1,",      ",1",       "]",   "1]",  "1],[2",
        "1]", "[\"a\"", "{'a':1}", "\"\xff\"", "1 2", "NaN",
    };
    struct fixture f;
    size_t i;

    (void)state;
    fixture_init(&f);
    assert_int_equal(event_json(&f, "e", ""), SKIO_OK);
    expect_text(&f, "42[\"e\"]");
    assert_int_equal(event_json(&f, "e", "1,\"a\""), SKIO_OK);
    expect_text(&f, "42[\"e\",1,\"a\"]");
    assert_int_equal(event_json(&f, "e", "{\"_placeholder\":true,\"num\":9}"),
                     SKIO_OK);
    expect_text(&f, "42[\"e\",{\"_placeholder\":true,\"num\":9}]");
    for (i = 0; i < COUNT(bad); i++) {
        assert_int_equal(event_json(&f, "e", bad[i]), SKIO_EINVAL);
        assert_null(f.message);
    }
    f.encoder.max_json_depth = 2;
    assert_int_equal(event_json(&f, "e", "[]"), SKIO_OK);
    assert_int_equal(event_json(&f, "e", "[[]]"), SKIO_EINVAL);

    f.encoder.trust_raw_json = true;
    assert_int_equal(event_json(&f, "e", "[[]]"), SKIO_OK);
    assert_int_equal(event_json(&f, "connect", "1"), SKIO_EINVAL);
    fixture_deinit(&f);
}

/*
 * A client's text that looks like a placeholder would, in a packet with
 * attachments, make every receiver drop its connection.
 */
static void
a_false_placeholder_is_not_sent_with_attachments(void **state)
{
    static const char text[] = "{\"_placeholder\":true,\"num\":7}";
    struct fixture f;

    (void)state;
    fixture_init(&f);
    EVENT(&f, "42[\"e\",{\"_placeholder\":true,\"num\":7}]", "e", SIO_NO_ID,
          "%-s", text);
    REFUSES(&f, SKIO_EINVAL, "e", SIO_NO_ID, "%-s, %p", text,
            SKIO_BYTES("x", 1));
    REFUSES(&f, SKIO_EINVAL, "e", SIO_NO_ID,
            "{'_placeholder':true,'num':'x'}, %p", SKIO_BYTES("x", 1));
    f.encoder.trust_raw_json = true;
    REFUSES(&f, SKIO_EINVAL, "e", SIO_NO_ID, "%-s, %p", text,
            SKIO_BYTES("x", 1));
    fixture_deinit(&f);
}

static void
control_packets_have_finished_json(void **state)
{
    static const struct {
        enum sio_type type;
        const char *nsp;
        const char *json;
        const char *want;
    } cases[] = {
        {SIO_CONNECT, "/", "{\"sid\":\"x\"}", "40{\"sid\":\"x\"}"},
        {SIO_CONNECT, "/admin", "{\"sid\":\"x\"}", "40/admin,{\"sid\":\"x\"}"},
        {SIO_CONNECT_ERROR, "/", "{\"message\":\"Not authorized\"}",
         "44{\"message\":\"Not authorized\"}"},
        {SIO_CONNECT_ERROR, "/random", "{\"message\":\"Invalid namespace\"}",
         "44/random,{\"message\":\"Invalid namespace\"}"},
        {SIO_DISCONNECT, "/", NULL, "41"},
        {SIO_DISCONNECT, "/admin", NULL, "41/admin,"},
    };
    struct fixture f;
    size_t i;

    (void)state;
    fixture_init(&f);
    for (i = 0; i < COUNT(cases); i++) {
        const char *json = cases[i].json;

        drop(&f);
        f.encoder.nsp = cases[i].nsp;
        assert_int_equal(skio__message_control(&f.encoder, cases[i].type, json,
                                               json != NULL ? strlen(json) : 0,
                                               &f.message),
                         SKIO_OK);
        expect_text(&f, cases[i].want);
    }
    fixture_deinit(&f);
}

static void
a_message_costs_two_allocations(void **state)
{
    struct fixture f;
    size_t calls;

    (void)state;
    fixture_init(&f);
    assert_int_equal(event(&f, "chat", SIO_NO_ID, "%s, %d", "text of a chat",
                           1),
                     SKIO_OK);
    calls = f.alloc.calls;
    assert_int_equal(event(&f, "chat", SIO_NO_ID, "%s, %d", "text of a chat",
                           2),
                     SKIO_OK);
    assert_int_equal(f.alloc.calls - calls, 2);
    fixture_deinit(&f);
}

static void
references_keep_a_message(void **state)
{
    struct fixture f;
    struct skio_message *other;

    (void)state;
    fixture_init(&f);
    assert_int_equal(event(&f, "e", SIO_NO_ID, "%p", SKIO_BYTES("x", 1)),
                     SKIO_OK);
    assert_null(f.message->nsp);
    other = skio__message_ref(f.message);
    skio__message_unref(other);
    expect_blob(f.message->blobs[1], true, "x");
    skio__message_unref(NULL);
    fixture_deinit(&f);
}

/* Whatever is written is what the decoder takes. */
static void
what_is_written_is_decoded(void **state)
{
    const struct sio_packet_limits limits = {10, 64, 32};
    struct sio_packet packet;
    struct fixture f;
    const char *why;
    const void *data;
    size_t len;

    (void)state;
    fixture_init(&f);
    f.encoder.nsp = "/n";
    assert_int_equal(event(&f, "e\n", 5, "%s, %p, {'a':%g}", "\x7f\"",
                           SKIO_BYTES("x", 1), 0.1),
                     SKIO_OK);
    skio__blob_packet(f.message->blobs[0], &data, &len);
    assert_int_equal(skio__packet_decode((const char *)data + 1, len - 1,
                                         &limits, &packet, &why),
                     SKIO_OK);
    assert_int_equal(packet.type, SIO_BINARY_EVENT);
    assert_int_equal(packet.attachments, 1);
    assert_int_equal(packet.id, 5);
    assert_int_equal(packet.count, 4);
    assert_memory_equal(packet.nsp, "/n", 2);
    fixture_deinit(&f);
}

static void
failed_allocations_leave_nothing(void **state)
{
    const void *arg = SKIO_BYTES("abc", 3);
    struct fixture f;
    size_t n;
    int err = SKIO_ENOMEM;

    (void)state;
    fixture_init(&f);
    f.encoder.max_attachments = 20;
    for (n = 1; n < 100 && err != SKIO_OK; n++) {
        skio__buf_deinit(&f.scratch);
        test_alloc_fail(&f.alloc, n);
        err = event(&f, "e", 1, "%s,%p,%p,%p,%p,%p,%p,%p,%p,%p,%p,%p", "text",
                    arg, arg, arg, arg, arg, arg, arg, arg, arg, arg, arg);
        if (err != SKIO_OK) {
            assert_int_equal(err, SKIO_ENOMEM);
            assert_null(f.message);
            skio__buf_deinit(&f.scratch);
            assert_int_equal(f.alloc.live, 0);
        }
    }
    test_alloc_fail(&f.alloc, 0);
    assert_int_equal(err, SKIO_OK);
    assert_int_equal(f.message->count, 12);

    for (n = 1, err = SKIO_ENOMEM; n < 100 && err != SKIO_OK; n++) {
        drop(&f);
        skio__buf_deinit(&f.scratch);
        test_alloc_fail(&f.alloc, n);
        err = event_json(&f, "e", "1,2");
    }
    test_alloc_fail(&f.alloc, 0);
    assert_int_equal(err, SKIO_OK);
    expect_text(&f, "42[\"e\",1,2]");
    fixture_deinit(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_written_as_in_the_protocol),
        cmocka_unit_test(acks_are_written_as_in_the_protocol),
        cmocka_unit_test(bytes_follow_as_binary_packets),
        cmocka_unit_test(attachments_end_at_the_limit),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(a_template_that_fails_sends_nothing),
        cmocka_unit_test(size_ends_at_the_limit),
        cmocka_unit_test(finished_json_is_a_list),
        cmocka_unit_test(a_false_placeholder_is_not_sent_with_attachments),
        cmocka_unit_test(control_packets_have_finished_json),
        cmocka_unit_test(a_message_costs_two_allocations),
        cmocka_unit_test(references_keep_a_message),
        cmocka_unit_test(what_is_written_is_decoded),
        cmocka_unit_test(failed_allocations_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
