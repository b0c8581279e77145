/*
 * adapter/redis_emission, and the options of an emitter: what is sent, byte by
 * byte, and what is refused
 */
#include "adapter/redis_emission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/arena.h"
#include "socketio/value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
    struct test_alloc alloc;
    skio_emitter_options options;
    struct skio__emission emission;
};

static void
init(struct fixture *f, const char *stream)
{
    test_alloc_init(&f->alloc);
    skio_emitter_options_init(&f->options);
    f->options.stream = stream;
}

static void
begin(struct fixture *f)
{
    skio__emission_init(&f->emission, &f->options, &f->alloc.allocator);
}

static void
end(struct fixture *f)
{
    skio__emission_deinit(&f->emission);
    assert_int_equal(f->alloc.live, 0);
}

static int emit(struct fixture *f, const char *nsp, const skio_target *target,
                const char *event, const char *format, ...) SKIO_PRINTF(5, 6);

static int
emit(struct fixture *f, const char *nsp, const skio_target *target,
     const char *event, const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio__emission_event(&f->emission, nsp, target, event, format, &args);
    va_end(args);
    return err;
}

static int tell_servers(struct fixture *f, const char *nsp, const char *event,
                        const char *format, ...) SKIO_PRINTF(4, 5);

static int
tell_servers(struct fixture *f, const char *nsp, const char *event,
             const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio__emission_server_event(&f->emission, nsp, event, format, &args);
    va_end(args);
    return err;
}

static void
expect_word(const struct fixture *f, size_t i, const char *want, size_t len)
{
    const skio_bytes *word = &f->emission.argv[i];

    if (word->len != len || memcmp(word->data, want, len) != 0)
        print_error("word %zu is %.*s\n", i, (int)word->len,
                    (const char *)word->data);
    assert_int_equal(word->len, len);
    assert_memory_equal(word->data, want, len);
}

#define EXPECT_PUBLISH(f, channel, message)                                    \
    do {                                                                       \
        assert_int_equal((f)->emission.argc, 3);                               \
        expect_word((f), 0, "PUBLISH", 7);                                     \
        expect_word((f), 1, (channel), sizeof(channel) - 1);                   \
        expect_word((f), 2, (message), sizeof(message) - 1);                   \
    } while (0)

/* The whole command, words separated by blanks. */
static void
expect_entry(const struct fixture *f, const char *want)
{
    char text[512];
    size_t len = 0;

    for (size_t i = 0; i < f->emission.argc; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s",
                                i > 0 ? " " : "", (int)f->emission.argv[i].len,
                                (const char *)f->emission.argv[i].data);
    assert_string_equal(text, want);
}

/* ---- As @socket.io/redis-emitter 5.1.0 was recorded ---- */

static void
an_event_for_a_room_has_a_channel_of_its_own(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, NULL);
    begin(&f);
    assert_int_equal(emit(&f, "/", SKIO_TARGET(.to = SKIO_ROOMS("r1")), "ev",
                          "%d", 1),
                     SKIO_OK);
    EXPECT_PUBLISH(&f, "socket.io#/#r1#",
                   "\x93\xa7"
                   "emitter\x83\xa4type\x02\xa4"
                   "data\x92\xa2"
                   "ev\x01\xa3nsp\xa1/\x83\xa5rooms\x91\xa2r1\xa5"
                   "flags\x80\xa6"
                   "except\x90");
    end(&f);
}

static void
an_event_for_all_names_its_namespace_and_flags(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, NULL);
    begin(&f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(emit(&f, i == 0 ? "/a" : "a",
                              SKIO_TARGET(.flags =
                                              SKIO_VOLATILE | SKIO_NO_COMPRESS),
                              "ev", NULL),
                         SKIO_OK);
        EXPECT_PUBLISH(&f, "socket.io#/a#",
                       "\x93\xa7"
                       "emitter\x83\xa4type\x02\xa4"
                       "data\x91\xa2"
                       "ev\xa3nsp\xa2/a\x83\xa5rooms\x90\xa5"
                       "flags\x82\xa8volatile\xc3\xa8"
                       "compress\xc2\xa6"
                       "except\x90");
    }
    end(&f);
}

static void
bytes_stay_bytes_in_an_event(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, NULL);
    begin(&f);
    assert_int_equal(emit(&f, NULL, NULL, "ev", "[%p], %-s",
                          SKIO_BYTES("\0\xff", 2),
                          "{\"_placeholder\":true,\"num\":0}"),
                     SKIO_OK);
    EXPECT_PUBLISH(&f, "socket.io#/#",
                   "\x93\xa7"
                   "emitter\x83\xa4type\x02\xa4"
                   "data\x93\xa2"
                   "ev\x91\xc4\x02\x00\xff\x82\xac_placeholder\xc3\xa3num\x00"
                   "\xa3nsp\xa1/\x83\xa5rooms\x90\xa5"
                   "flags\x80\xa6"
                   "except\x90");
    end(&f);
}

static void
requests_are_the_json_of_the_npm_emitter(void **state)
{
    const skio_target *r1 = SKIO_TARGET(.to = SKIO_ROOMS("r1"));
    struct fixture f;

    (void)state;
    init(&f, NULL);
    f.options.key = "app";
    begin(&f);
    assert_int_equal(skio__emission_request(&f.emission, "/", NULL,
                                            SKIO__EMISSION_JOIN,
                                            SKIO_ROOMS("z"), false),
                     SKIO_OK);
    EXPECT_PUBLISH(&f, "app-request#/#",
                   "{\"type\":2,\"opts\":{\"rooms\":[],\"except\":[]},"
                   "\"rooms\":[\"z\"]}");
    assert_int_equal(skio__emission_request(&f.emission, "/b",
                                            SKIO_TARGET(.to = SKIO_ROOMS("r1",
                                                                         "r2",
                                                                         "r1"),
                                                        .except =
                                                            SKIO_ROOMS("\"")),
                                            SKIO__EMISSION_LEAVE,
                                            SKIO_ROOMS("z", "z"), false),
                     SKIO_OK);
    EXPECT_PUBLISH(&f, "app-request#/b#",
                   "{\"type\":3,\"opts\":{\"rooms\":[\"r1\",\"r2\"],"
                   "\"except\":[\"\\\"\"]},\"rooms\":[\"z\",\"z\"]}");
    assert_int_equal(skio__emission_request(&f.emission, "/", r1,
                                            SKIO__EMISSION_DISCONNECT, NULL,
                                            true),
                     SKIO_OK);
    EXPECT_PUBLISH(&f, "app-request#/#",
                   "{\"type\":4,\"opts\":{\"rooms\":[\"r1\"],\"except\":[]},"
                   "\"close\":true}");
    assert_int_equal(tell_servers(&f, "/", "x", "%d", 1), SKIO_OK);
    EXPECT_PUBLISH(&f, "app-request#/#",
                   "{\"uid\":\"emitter\",\"type\":6,\"data\":[\"x\",1]}");
    end(&f);
}

static void
bytes_among_servers_are_messagepack(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, NULL);
    begin(&f);
    assert_int_equal(tell_servers(&f, "/", "x", "%p", SKIO_BYTES("a", 1)),
                     SKIO_OK);
    EXPECT_PUBLISH(&f, "socket.io-request#/#",
                   "\x83\xa3uid\xa7"
                   "emitter\xa4type\x06\xa4"
                   "data\x92\xa1x\xc4\x01"
                   "a");
    end(&f);
}

static void
entries_of_a_stream_have_the_fields_of_the_adapter(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, "app");
    f.options.stream_max_len = 50;
    begin(&f);
    assert_int_equal(emit(&f, "/", SKIO_TARGET(.to = SKIO_ROOMS("r1")), "ev",
                          "%d", 1),
                     SKIO_OK);
    expect_entry(&f, "XADD app MAXLEN ~ 50 * uid emitter nsp / type 3 data "
                     "{\"packet\":{\"type\":2,\"data\":[\"ev\",1],"
                     "\"nsp\":\"/\"},\"opts\":{\"rooms\":[\"r1\"],"
                     "\"flags\":{},\"except\":[]}}");
    assert_int_equal(tell_servers(&f, "a", "ev", NULL), SKIO_OK);
    expect_entry(&f, "XADD app MAXLEN ~ 50 * uid emitter nsp /a type 9 data "
                     "{\"packet\":[\"ev\"]}");
    assert_int_equal(tell_servers(&f, "/", "x", "%p", SKIO_BYTES("a", 1)),
                     SKIO_OK);
    expect_entry(&f, "XADD app MAXLEN ~ 50 * uid emitter nsp / type 9 data "
                     "gaZwYWNrZXSSoXjEAWE=");
    assert_int_equal(skio__emission_request(&f.emission, "/", NULL,
                                            SKIO__EMISSION_JOIN,
                                            SKIO_ROOMS("z"), false),
                     SKIO_OK);
    expect_entry(&f, "XADD app MAXLEN ~ 50 * uid emitter nsp / type 4 data "
                     "{\"opts\":{\"rooms\":[],\"except\":[]},"
                     "\"rooms\":[\"z\"]}");
    assert_int_equal(skio__emission_request(&f.emission, "/", NULL,
                                            SKIO__EMISSION_LEAVE,
                                            SKIO_ROOMS("z"), false),
                     SKIO_OK);
    assert_memory_equal(f.emission.argv[11].data, "5", 1);
    assert_int_equal(skio__emission_request(&f.emission, "/", NULL,
                                            SKIO__EMISSION_DISCONNECT, NULL,
                                            false),
                     SKIO_OK);
    expect_entry(&f, "XADD app MAXLEN ~ 50 * uid emitter nsp / type 6 data "
                     "{\"opts\":{\"rooms\":[],\"except\":[]},"
                     "\"close\":false}");
    end(&f);
}

static void
messages_for_shards_are_those_of_the_adapter(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, NULL);
    f.options.sharded = true;
    begin(&f);
    assert_int_equal(emit(&f, "a", SKIO_TARGET(.to = SKIO_ROOMS("r1")), "ev",
                          "%d", 1),
                     SKIO_OK);
    expect_entry(&f, "SPUBLISH socket.io#/a# {\"type\":3,\"data\":{"
                     "\"packet\":{\"type\":2,\"data\":[\"ev\",1],"
                     "\"nsp\":\"/a\"},\"opts\":{\"rooms\":[\"r1\"],"
                     "\"flags\":{},\"except\":[]}},\"uid\":\"emitter\","
                     "\"nsp\":\"/a\"}");
    assert_int_equal(tell_servers(&f, "/", "ev", NULL), SKIO_OK);
    expect_entry(&f, "SPUBLISH socket.io#/# {\"type\":9,\"data\":{\"packet\":"
                     "[\"ev\"]},\"uid\":\"emitter\",\"nsp\":\"/\"}");
    assert_int_equal(skio__emission_request(&f.emission, "/", NULL,
                                            SKIO__EMISSION_LEAVE,
                                            SKIO_ROOMS("z"), false),
                     SKIO_OK);
    expect_entry(&f, "SPUBLISH socket.io#/# {\"type\":5,\"data\":{\"opts\":"
                     "{\"rooms\":[],\"except\":[]},\"rooms\":[\"z\"]},"
                     "\"uid\":\"emitter\",\"nsp\":\"/\"}");
    assert_int_equal(tell_servers(&f, "/", "x", "%p", SKIO_BYTES("a", 1)),
                     SKIO_OK);
    assert_memory_equal(f.emission.argv[2].data, "\x84\xa4type\x09", 7);
    end(&f);
}

/* ---- What is passed on ---- */

static void
values_of_a_server_are_passed_on_with_their_bytes(void **state)
{
    static const char text[] =
        "[\"name\",{\"_placeholder\":true,\"num\":0},1e2,\"\\u00e9\"]";
    const skio_bytes bytes = {"xyz", 3};
    struct skio__json_slice items[SIO_VALUE_ITEMS];
    struct skio__arena arena;
    struct skio_value args;
    struct fixture f;

    (void)state;
    init(&f, NULL);
    begin(&f);
    skio__arena_init(&arena, &f.alloc.allocator, 0);
    assert_int_equal(skio__value_init_list(&args, text, sizeof(text) - 1, items,
                                           1, &bytes, 1, &arena, 8),
                     SKIO_OK);
    assert_int_equal(emit(&f, "/", NULL, "ev", "%p", SKIO_VALUE(&args)),
                     SKIO_OK);
    EXPECT_PUBLISH(&f, "socket.io#/#",
                   "\x93\xa7"
                   "emitter\x83\xa4type\x02\xa4"
                   "data\x94\xa2"
                   "ev\xc4\x03xyz\x64\xa2\xc3\xa9"
                   "\xa3nsp\xa1/\x83\xa5rooms\x90\xa5"
                   "flags\x80\xa6"
                   "except\x90");
    skio__value_deinit(&args);
    skio__arena_deinit(&arena);
    end(&f);
}

/* ---- What is refused ---- */

static void
reserved_names_are_refused(void **state)
{
    static const char *const clients[] = {"connect",     "connect_error",
                                          "disconnect",  "disconnecting",
                                          "newListener", "removeListener"};
    static const char *const servers[] = {"connect", "connection",
                                          "new_namespace"};
    struct fixture f;

    (void)state;
    init(&f, NULL);
    begin(&f);
    for (size_t i = 0; i < COUNT(clients); i++)
        assert_int_equal(emit(&f, "/", NULL, clients[i], NULL), SKIO_EINVAL);
    for (size_t i = 0; i < COUNT(servers); i++)
        assert_int_equal(tell_servers(&f, "/", servers[i], NULL), SKIO_EINVAL);
    assert_string_equal(f.emission.why, "the event's name is reserved");
    assert_int_equal(emit(&f, "/", NULL, "connection", NULL), SKIO_OK);
    assert_int_equal(tell_servers(&f, "/", "disconnect", NULL), SKIO_OK);
    assert_string_equal(f.emission.why, "");
    end(&f);
}

static void
targets_with_more_than_an_emitter_can_are_refused(void **state)
{
    int socket; /* nobody looks at it */
    struct fixture f;

    (void)state;
    init(&f, NULL);
    begin(&f);
    assert_int_equal(emit(&f, "/",
                          SKIO_TARGET(.sender = (skio_socket *)(void *)&socket),
                          "ev", NULL),
                     SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", SKIO_TARGET(.timeout_ms = 1), "ev", NULL),
                     SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", SKIO_TARGET(.flags = SKIO_LOCAL), "ev",
                          NULL),
                     SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", SKIO_TARGET(.flags = 1u << 30), "ev", NULL),
                     SKIO_EINVAL);
    assert_int_equal(skio__emission_request(&f.emission, "/",
                                            SKIO_TARGET(.timeout_ms = 1),
                                            SKIO__EMISSION_JOIN,
                                            SKIO_ROOMS("a"), false),
                     SKIO_EINVAL);
    assert_int_equal(f.emission.argc, 0);
    end(&f);
}

static void
names_end_at_the_limit(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, NULL);
    f.options.max_name_bytes = 4;
    begin(&f);
    assert_int_equal(emit(&f, "/123", SKIO_TARGET(.to = SKIO_ROOMS("1234")),
                          "1234", NULL),
                     SKIO_OK);
    assert_int_equal(emit(&f, "/1234", NULL, "ev", NULL), SKIO_EINVAL);
    assert_int_equal(emit(&f, "1234", NULL, "ev", NULL), SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", NULL, "12345", NULL), SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", SKIO_TARGET(.to = SKIO_ROOMS("12345")), "ev",
                          NULL),
                     SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", SKIO_TARGET(.except = SKIO_ROOMS("12345")),
                          "ev", NULL),
                     SKIO_EINVAL);
    assert_int_equal(skio__emission_request(&f.emission, "/", NULL,
                                            SKIO__EMISSION_LEAVE,
                                            SKIO_ROOMS("1", "12345"), false),
                     SKIO_EINVAL);
    assert_int_equal(tell_servers(&f, "/", "12345", NULL), SKIO_EINVAL);
    end(&f);
}

static void
text_that_is_not_utf8_is_refused(void **state)
{
    static const char bad[] = "a\xff";
    struct fixture f;

    (void)state;
    init(&f, NULL);
    begin(&f);
    assert_int_equal(emit(&f, bad, NULL, "ev", NULL), SKIO_EINVAL);
    assert_int_equal(emit(&f, "/a,b", NULL, "ev", NULL), SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", NULL, bad, NULL), SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", NULL, "ev", "%s", bad), SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", SKIO_TARGET(.to = SKIO_ROOMS(bad)), "ev",
                          NULL),
                     SKIO_EINVAL);
    assert_int_equal(skio__emission_request(&f.emission, "/", NULL,
                                            SKIO__EMISSION_JOIN,
                                            SKIO_ROOMS(bad), false),
                     SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", NULL, "ev", "%-s", "{"), SKIO_EINVAL);
    assert_int_equal(emit(&f, "/", NULL, "ev", "}"), SKIO_EINVAL);
    end(&f);
}

static void
rooms_end_at_the_limit(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, NULL);
    f.options.max_rooms = 3;
    begin(&f);
    assert_int_equal(emit(&f, "/",
                          SKIO_TARGET(.to = SKIO_ROOMS("a", "b", "c"),
                                      .except = SKIO_ROOMS("a", "b", "c")),
                          "ev", NULL),
                     SKIO_OK);
    assert_int_equal(emit(&f, "/",
                          SKIO_TARGET(.to = SKIO_ROOMS("a", "b", "c", "d")),
                          "ev", NULL),
                     SKIO_ELIMIT);
    assert_int_equal(emit(&f, "/",
                          SKIO_TARGET(.except = SKIO_ROOMS("a", "b", "c", "a")),
                          "ev", NULL),
                     SKIO_ELIMIT);
    assert_int_equal(skio__emission_request(&f.emission, "/", NULL,
                                            SKIO__EMISSION_JOIN,
                                            SKIO_ROOMS("a", "b", "c", "d"),
                                            false),
                     SKIO_ELIMIT);
    end(&f);
}

/* The message of a string, and the limit that it just fits. */
static void
expect_size_limit(const char *stream, size_t bytes)
{
    static char text[3001];
    struct fixture f;
    size_t size;

    init(&f, stream);
    begin(&f);
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(bytes > 0 ? emit(&f, "/", NULL, "ev", "%p",
                                      SKIO_BYTES(text, bytes))
                               : emit(&f, "/", NULL, "ev", "%s", text),
                     SKIO_OK);
    size = f.emission.argv[f.emission.argc - 1].len;
    end(&f);

    for (size_t short_of = 0; short_of < 2; short_of++) {
        init(&f, stream);
        f.options.max_bytes = size - short_of;
        begin(&f);
        assert_int_equal(bytes > 0 ? emit(&f, "/", NULL, "ev", "%p",
                                          SKIO_BYTES(text, bytes))
                                   : emit(&f, "/", NULL, "ev", "%s", text),
                         short_of == 0 ? SKIO_OK : SKIO_ETOOBIG);
        if (short_of > 0) {
            assert_string_equal(f.emission.why,
                                "the message is larger than max_bytes");
            /* And the next one is not the worse for it. */
            f.options.max_bytes = 200;
            assert_int_equal(emit(&f, "/", NULL, "ev", NULL), SKIO_OK);
        }
        end(&f);
    }
}

static void
messages_end_at_the_limit(void **state)
{
    (void)state;
    expect_size_limit(NULL, 0);
    expect_size_limit(NULL, 3000);
    expect_size_limit("s", 0);
    expect_size_limit("s", 3000);
}

static void
text_that_json_makes_longer_counts_as_it_is_sent(void **state)
{
    static char controls[1001];
    struct fixture f;

    (void)state;
    memset(controls, 1, sizeof(controls) - 1);
    init(&f, NULL);
    f.options.max_bytes = 1100;
    begin(&f);
    assert_int_equal(emit(&f, "/", NULL, "ev", "%s", controls), SKIO_OK);
    assert_int_equal(tell_servers(&f, "/", "ev", "%s", controls), SKIO_ETOOBIG);
    end(&f);
}

static void
attachments_end_at_the_limit(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, NULL);
    f.options.max_attachments = 2;
    begin(&f);
    assert_int_equal(emit(&f, "/", NULL, "ev", "%p,%p", SKIO_BYTES("a", 1),
                          SKIO_BYTES("b", 1)),
                     SKIO_OK);
    assert_int_equal(emit(&f, "/", NULL, "ev", "%p,%p,%p", SKIO_BYTES("a", 1),
                          SKIO_BYTES("b", 1), SKIO_BYTES("c", 1)),
                     SKIO_ETOOBIG);
    assert_string_equal(f.emission.why, "more bytes than max_attachments");
    end(&f);
}

static void
depth_ends_at_the_limit(void **state)
{
    static char json[2 * 600 + 1];
    struct fixture f;

    (void)state;
    init(&f, NULL);
    f.options.max_json_depth = 510; /* the most that an option may say */
    begin(&f);
    /* The list of arguments is a level. */
    memset(json, '[', 509);
    memset(json + 509, ']', 509);
    assert_int_equal(emit(&f, "/", NULL, "ev", "%-s", json), SKIO_OK);
    memset(json, '[', 510);
    memset(json + 510, ']', 510);
    assert_int_equal(emit(&f, "/", NULL, "ev", "%-s", json), SKIO_EINVAL);
    end(&f);
}

static int
emit_all_kinds(struct fixture *f)
{
    const char *const *rooms = SKIO_ROOMS("a", "b");
    int err = emit(f, "/a", SKIO_TARGET(.to = rooms), "ev", "%s, %p, %p", "x",
                   SKIO_BYTES("a", 1), SKIO_BYTES("b", 1));

    if (err == SKIO_OK)
        err = skio__emission_request(&f->emission, "/a", NULL,
                                     SKIO__EMISSION_JOIN, rooms, false);
    return err == SKIO_OK ? tell_servers(f, "/", "ev", "%p", SKIO_BYTES("a", 1))
                          : err;
}

static void
failed_allocations_are_told_and_leave_nothing(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct fixture f;
        size_t n = 1;
        int err;

        do {
            init(&f, stream == 1 ? "s" : NULL);
            begin(&f);
            test_alloc_fail(&f.alloc, n++);
            err = emit_all_kinds(&f);
            assert_true(err == SKIO_OK || err == SKIO_ENOMEM);
            test_alloc_fail(&f.alloc, 0);
            assert_int_equal(emit_all_kinds(&f), SKIO_OK);
            end(&f);
        } while (err == SKIO_ENOMEM && n < 100);
        assert_int_equal(err, SKIO_OK);
        assert_true(n > 4);
    }
}

/* ---- The emitter's options ---- */

static void
count_line(void *user, enum skio_log_level level, const char *message)
{
    assert_int_equal(level, SKIO_LOG_ERROR);
    assert_true(message[0] != '\0');
    ++*(int *)user;
}

static int
make(skio_emitter_options *options, struct test_alloc *alloc)
{
    skio_emitter *emitter = NULL;
    int lines = 0;
    int err;

    options->allocator = alloc->allocator;
    options->log = count_line;
    options->log_user = &lines;
    err = skio_emitter_new(&emitter, options);
    assert_int_equal(lines, err == SKIO_EINVAL || err == SKIO_ENOTSUP);
    if (err == SKIO_OK)
        assert_string_equal(skio_emitter_error(emitter), "");
    skio_emitter_free(emitter);
    assert_int_equal(alloc->live, 0);
    return err;
}

#define EXPECT_OPTION(err, ...)                                                \
    do {                                                                       \
        struct test_alloc alloc;                                               \
        skio_emitter_options options;                                          \
        test_alloc_init(&alloc);                                               \
        skio_emitter_options_init(&options);                                   \
        options.__VA_ARGS__;                                                   \
        assert_int_equal(make(&options, &alloc), (err));                       \
    } while (0)

static void
options_end_at_their_limits(void **state)
{
    static char long_name[1026];

    (void)state;
    memset(long_name, 'x', sizeof(long_name) - 1);
    EXPECT_OPTION(SKIO_OK, stream = long_name + 1);
    EXPECT_OPTION(SKIO_EINVAL, stream = long_name);
    EXPECT_OPTION(SKIO_EINVAL, stream = "");
    EXPECT_OPTION(SKIO_OK, key = long_name + 1);
    EXPECT_OPTION(SKIO_EINVAL, key = long_name);
    EXPECT_OPTION(SKIO_OK, stream_max_len = 1);
    EXPECT_OPTION(SKIO_EINVAL, stream_max_len = 0);
    EXPECT_OPTION(SKIO_OK, max_bytes = (size_t)512 << 20);
    EXPECT_OPTION(SKIO_EINVAL, max_bytes = ((size_t)512 << 20) + 1);
    EXPECT_OPTION(SKIO_EINVAL, max_bytes = 0);
    EXPECT_OPTION(SKIO_OK, max_rooms = 10000);
    EXPECT_OPTION(SKIO_EINVAL, max_rooms = 10001);
    EXPECT_OPTION(SKIO_EINVAL, max_rooms = 0);
    EXPECT_OPTION(SKIO_OK, max_attachments = 1000000);
    EXPECT_OPTION(SKIO_EINVAL, max_attachments = 1000001);
    EXPECT_OPTION(SKIO_OK, max_json_depth = 510);
    EXPECT_OPTION(SKIO_EINVAL, max_json_depth = 511);
    EXPECT_OPTION(SKIO_EINVAL, max_json_depth = 0);
    EXPECT_OPTION(SKIO_OK, max_name_bytes = 65536);
    EXPECT_OPTION(SKIO_EINVAL, max_name_bytes = 65537);
    EXPECT_OPTION(SKIO_EINVAL, max_name_bytes = 0);
    EXPECT_OPTION(SKIO_EINVAL, connect_timeout_ms = 0);
    EXPECT_OPTION(SKIO_EINVAL, command_timeout_ms = 0);
    EXPECT_OPTION(SKIO_EINVAL, url = "http://localhost");
    EXPECT_OPTION(SKIO_EINVAL, url = "redis://localhost:0");
    EXPECT_OPTION(SKIO_OK, url = "redis://a:b@[::1]:1/2");
    EXPECT_OPTION(SKIO_ENOTSUP, url = "rediss://localhost");
}

static void
a_shorter_struct_of_older_programs_has_defaults(void **state)
{
    struct {
        size_t struct_size;
        const char *url;
    } older = {sizeof(older), "unix:/tmp/x"};
    skio_emitter *emitter;

    (void)state;
    assert_int_equal(skio_emitter_new(&emitter, (const skio_emitter_options
                                                     *)(void *)&older),
                     SKIO_OK);
    skio_emitter_free(emitter);
    assert_int_equal(skio_emitter_new(&emitter, NULL), SKIO_OK);
    skio_emitter_free(emitter);
    skio_emitter_free(NULL);
}

static void
making_an_emitter_survives_failed_allocations(void **state)
{
    int err;
    size_t n = 1;

    (void)state;
    do {
        struct test_alloc alloc;
        skio_emitter_options options;

        test_alloc_init(&alloc);
        skio_emitter_options_init(&options);
        options.url = "redis://user:password@localhost/1";
        options.stream = "s";
        test_alloc_fail(&alloc, n++);
        err = make(&options, &alloc);
        assert_true(err == SKIO_OK || err == SKIO_ENOMEM);
    } while (err == SKIO_ENOMEM && n < 100);
    assert_int_equal(err, SKIO_OK);
    assert_true(n > 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_for_a_room_has_a_channel_of_its_own),
        cmocka_unit_test(an_event_for_all_names_its_namespace_and_flags),
        cmocka_unit_test(bytes_stay_bytes_in_an_event),
        cmocka_unit_test(requests_are_the_json_of_the_npm_emitter),
        cmocka_unit_test(bytes_among_servers_are_messagepack),
        cmocka_unit_test(entries_of_a_stream_have_the_fields_of_the_adapter),
        cmocka_unit_test(messages_for_shards_are_those_of_the_adapter),
        cmocka_unit_test(values_of_a_server_are_passed_on_with_their_bytes),
        cmocka_unit_test(reserved_names_are_refused),
        cmocka_unit_test(targets_with_more_than_an_emitter_can_are_refused),
        cmocka_unit_test(names_end_at_the_limit),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(rooms_end_at_the_limit),
        cmocka_unit_test(messages_end_at_the_limit),
        cmocka_unit_test(text_that_json_makes_longer_counts_as_it_is_sent),
        cmocka_unit_test(attachments_end_at_the_limit),
        cmocka_unit_test(depth_ends_at_the_limit),
        cmocka_unit_test(failed_allocations_are_told_and_leave_nothing),
        cmocka_unit_test(options_end_at_their_limits),
        cmocka_unit_test(a_shorter_struct_of_older_programs_has_defaults),
        cmocka_unit_test(making_an_emitter_survives_failed_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
