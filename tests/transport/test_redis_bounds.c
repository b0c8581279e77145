/*
 * What waits for Redis, at each bound and one past it: events for their place
 * in the stream, sessions to be deleted, requests that are passed on
 *
 * The server runs in a thread of its own, with a Redis that says what a test
 * wants; what is looked at inside of it is looked at in its thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <socketio/redis.h>
#include <socketio/socketio.h>

#include "adapter/redis_forward_wire.h"
#include "adapter/redis_streams.h"
#include "base/mem.h"
#include "socketio/namespace.h"
#include "threats/home.h"
#include "transport/redis_fake.h"

#define PATIENCE_MS 20000 /* of a loaded machine */
#define MAX_BYTES 4096    /* max_output_bytes */
#define MAX_FORWARDED 2
#define PATH "/socket.io/"
#define POLLING "EIO=4&transport=polling"

static struct {
    struct fake fake;
    skio_server *server;
    char channel[64];   /* of requests that are passed on to this server */
    char unlinked[256]; /* the keys, a blank behind each */
    size_t added;       /* entries of the stream */
    size_t passed;      /* requests that this server passed on */
    int status;         /* of the last answer to another server; 0: none */
    unsigned id;        /* to what */
    atomic_bool is_up;
} t;

static void
on_redis(skio_server *server, const skio_redis_event *event, void *user)
{
    (void)server;
    (void)user;
    atomic_store(&t.is_up, event->state == SKIO_REDIS_UP);
}

#define WAIT(condition)                                                        \
    do {                                                                       \
        uint64_t until_ = home_now_ms() + PATIENCE_MS;                         \
        while (!(condition)) {                                                 \
            if (home_now_ms() > until_)                                        \
                fail_msg("line %d: waited in vain for %s", __LINE__,           \
                         #condition);                                          \
            fake_step(&t.fake);                                                \
            home_pause(1);                                                     \
        }                                                                      \
    } while (0)

/* ---- The Redis ---- */

/* A request, or [2, id, from, close, status, ...], in which all is so small
 * that no NUL is among the first bytes. */
static void
take_message(const char *message)
{
    const unsigned char *at = (const unsigned char *)message;
    const unsigned char *status = at + 5 + SKIO_FORWARD_TAG_LEN;

    if (at[1] == SKIO__FORWARD_REQUEST) {
        t.passed++;
        return;
    }
    assert_int_equal(at[1], SKIO__FORWARD_RESPONSE);
    assert_int_equal(*status, 0xcd); /* 16 bits follow */
    t.id = at[2];
    t.status = status[1] * 256 + status[2];
}

static bool
answer(struct fake *fake, struct fake_connection *connection,
       const char *const *words, size_t count)
{
    (void)fake;
    if (strcmp(words[0], "XREVRANGE") == 0) {
        fake_say(connection, "*0\r\n");
        return true;
    }
    if (strcmp(words[0], "XREAD") == 0)
        return true; /* nothing comes */
    if (strcmp(words[0], "XADD") == 0)
        t.added++;
    if (strcmp(words[0], "UNLINK") == 0)
        for (size_t i = 1; i < count; i++) {
            size_t len = strlen(t.unlinked);

            snprintf(t.unlinked + len, sizeof t.unlinked - len, "%s ",
                     words[i]);
        }
    if (strcmp(words[0], "SUBSCRIBE") == 0)
        for (size_t i = 1; i < count; i++)
            if (strstr(words[i], "-engine#") != NULL)
                snprintf(t.channel, sizeof t.channel, "%s", words[i]);
    if (strcmp(words[0], "PUBLISH") == 0 &&
        strstr(words[1], "-engine#") != NULL)
        take_message(words[2]);
    return false;
}

static int
begin(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    fake_start(&t.fake);
    t.fake.answer = answer;
    return 0;
}

static int
end(void **state)
{
    (void)state;
    fake_stop(&t.fake);
    return 0;
}

static void
set_options(skio_redis_options *options)
{
    skio_redis_options_init(options);
    options->port = t.fake.port;
    options->on_event = on_redis;
    options->offset_timeout_ms = 1000000;
    options->command_timeout_ms = 1000000;
}

/* ---- Events that wait for their place ---- */

static void
recovering(skio_server_options *options)
{
    options->recovery_ms = 1000000;
}

static void
on_a_stream(skio_server *server)
{
    skio_redis_options options;

    t.server = server;
    set_options(&options);
    options.max_output_bytes = MAX_BYTES;
    assert_int_equal(skio_redis_streams_adapter(server, &options), SKIO_OK);
}

/* Of the thread of the server. */
struct emission {
    size_t len;
    int err;
    size_t bytes; /* that wait afterwards */
    bool is_ordered;
    atomic_bool is_done;
};

static void
emit(skio_server *server, void *arg)
{
    struct emission *emission = arg;
    skio_nsp *root = skio_of(server, "/");
    const struct skio__streams *streams = skio__streams_of(root->adapter);
    char text[1024];

    memset(text, 'x', emission->len);
    text[emission->len] = '\0';
    emission->err = skio_emit_all(root, "e", "%s", text);
    emission->bytes = streams->waiting_bytes;
    emission->is_ordered = streams->is_ordered;
    atomic_store(&emission->is_done, true);
}

/* Emit this long an event, and wait until Redis has it. */
static struct emission
emitted(size_t len)
{
    struct emission emission = {.len = len};
    size_t before = t.added;

    assert_int_equal(skio_server_post(t.server, emit, &emission), SKIO_OK);
    WAIT(atomic_load(&emission.is_done) && t.added > before);
    assert_int_equal(emission.err, SKIO_OK);
    return emission;
}

/* Fill what may wait to its last byte, and so many beyond it. */
static struct emission
fill_order(size_t beyond)
{
    struct emission first;
    struct emission last;
    size_t left;

    WAIT(atomic_load(&t.is_up));
    do { /* the stream is read by a connection of its own */
        first = emitted(200);
    } while (!first.is_ordered);
    last = first;
    while (MAX_BYTES - last.bytes > 2 * first.bytes)
        last = emitted(200);
    assert_true(last.is_ordered);
    left = MAX_BYTES - last.bytes;
    assert_true(left >= first.bytes);
    return emitted(200 + left - first.bytes + beyond);
}

static void
events_wait_up_to_the_last_byte(void **state)
{
    struct home *home = home_start_with(HOME_OWN, recovering, on_a_stream);
    struct emission last = fill_order(0);

    (void)state;
    assert_true(last.is_ordered);
    assert_int_equal(last.bytes, MAX_BYTES);
    home_stop(home);
}

static void
events_beyond_that_go_out_without_their_place(void **state)
{
    struct home *home = home_start_with(HOME_OWN, recovering, on_a_stream);
    struct emission last = fill_order(1);

    (void)state;
    assert_false(last.is_ordered);
    assert_int_equal(last.bytes, 0);
    home_stop(home);
}

/* ---- Sessions to be deleted ---- */

static void
recovering_two(skio_server_options *options)
{
    recovering(options);
    options->max_connections = 2;
}

/* While Redis is not there yet. */
static void
with_three_to_delete(skio_server *server)
{
    skio_adapter *adapter;

    on_a_stream(server);
    adapter = skio_of(server, "/")->adapter;
    skio__streams_session_end(adapter, "aaaaaaaaaaaaaaaaaaaa", "s");
    skio__streams_session_end(adapter, "bbbbbbbbbbbbbbbbbbbb", "s");
    skio__streams_session_end(adapter, "cccccccccccccccccccc", "s");
}

static void
as_many_sessions_wait_to_be_deleted_as_there_are_connections(void **state)
{
    struct home *home =
        home_start_with(HOME_OWN, recovering_two, with_three_to_delete);

    (void)state;
    WAIT(t.unlinked[0] != '\0');
    assert_string_equal(t.unlinked, "sio:session:aaaaaaaaaaaaaaaaaaaa "
                                    "sio:session:bbbbbbbbbbbbbbbbbbbb ");
    home_stop(home);
}

/* ---- Requests that are passed on ---- */

static void
passing_on(skio_server *server)
{
    skio_redis_options options;

    t.server = server;
    set_options(&options);
    options.forward_polls = true;
    options.max_forwarded = MAX_FORWARDED;
    assert_int_equal(skio_redis_adapter(server, &options), SKIO_OK);
}

/* A request of a client here; its connection. */
static int
ask(const struct home *home, const char *sid)
{
    char text[256];
    int fd = home_dial(home);

    snprintf(text, sizeof text,
             "GET " PATH "?" POLLING "%s%s HTTP/1.1\r\nHost: x\r\n\r\n",
             sid != NULL ? "&sid=" : "", sid != NULL ? sid : "");
    home_say(fd, text);
    return fd;
}

static bool
is_answered(int fd)
{
    struct pollfd waits = {.fd = fd, .events = POLLIN};

    return poll(&waits, 1, 0) == 1;
}

static void
requests_of_clients_wait_up_to_the_limit(void **state)
{
    static const char elsewhere[] = "aaaaaaaaaaaaaaaaaaaafar_FAR-";
    struct home *home = home_start_with(HOME_OWN, NULL, passing_on);
    char out[512];
    int fds[MAX_FORWARDED + 1];

    (void)state;
    WAIT(atomic_load(&t.is_up));
    for (size_t i = 0; i < MAX_FORWARDED; i++) {
        fds[i] = ask(home, elsewhere);
        WAIT(t.passed == i + 1);
        assert_false(is_answered(fds[i]));
    }
    fds[MAX_FORWARDED] = ask(home, elsewhere);
    WAIT(is_answered(fds[MAX_FORWARDED]));
    home_read(fds[MAX_FORWARDED], out, sizeof out, "\r\n", NULL);
    assert_int_equal(strncmp(out, "HTTP/1.1 503 ", 13), 0);
    assert_int_equal(t.passed, MAX_FORWARDED);
    for (size_t i = 0; i <= MAX_FORWARDED; i++)
        close(fds[i]);
    home_stop(home);
}

static void
open_session(const struct home *home, char sid[32])
{
    static const char mark[] = "\"sid\":\"";
    char out[1024];
    int fd = ask(home, NULL);
    const char *at;

    WAIT(is_answered(fd));
    home_read(fd, out, sizeof out, "maxPayload", NULL);
    at = strstr(out, mark);
    assert_non_null(at);
    snprintf(sid, 32, "%.28s", at + sizeof mark - 1);
    close(fd);
}

/* The server hears this. */
static void
publish(const struct skio__buf *message)
{
    struct fake_connection *connection = fake_subscriber(&t.fake);

    assert_non_null(connection);
    fake_say(connection, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n",
             strlen(t.channel), t.channel, message->len);
    assert_int_equal(send(connection->fd, message->data, message->len,
                          MSG_NOSIGNAL),
                     message->len);
    fake_say(connection, "\r\n");
}

static void
hear_request(uint64_t id, const char *sid)
{
    char query[128];
    const skio_request request = {
        .method = "GET",
        .path = PATH,
        .query = query,
        .headers = "",
        .address = "192.0.2.1",
        .content_length = -1,
    };
    struct skio__buf message;

    snprintf(query, sizeof query, POLLING "&sid=%s", sid);
    skio__buf_init(&message, skio__mem_default());
    assert_int_equal(skio__forward_put_request(&message, id, "far_FAR-",
                                               &request, "", 0),
                     SKIO_OK);
    publish(&message);
    skio__buf_deinit(&message);
}

/* A session that is not there is told if there is room for the question: 400;
 * else 503. */
static void
expect_room(unsigned id, bool has_room)
{
    hear_request(id, "none");
    WAIT(t.id == id);
    assert_int_equal(t.status, has_room ? 400 : 503);
}

static void
hear_abandon(uint64_t id)
{
    struct skio__buf message;

    skio__buf_init(&message, skio__mem_default());
    assert_int_equal(skio__forward_put_abandon(&message, id, "far_FAR-"),
                     SKIO_OK);
    publish(&message);
    skio__buf_deinit(&message);
}

static void
requests_of_other_servers_wait_up_to_the_limit(void **state)
{
    struct home *home = home_start_with(HOME_OWN, NULL, passing_on);
    char first[32], second[32];

    (void)state;
    WAIT(atomic_load(&t.is_up));
    open_session(home, first);
    open_session(home, second);
    hear_request(1, first);
    expect_room(2, true);
    hear_request(3, second);
    expect_room(4, false);
    hear_abandon(1);
    expect_room(5, true);
    home_stop(home);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(events_wait_up_to_the_last_byte),
        TEST(events_beyond_that_go_out_without_their_place),
        TEST(as_many_sessions_wait_to_be_deleted_as_there_are_connections),
        TEST(requests_of_clients_wait_up_to_the_limit),
        TEST(requests_of_other_servers_wait_up_to_the_limit),
    };

    return cmocka_run_group_tests_name("redis_bounds", tests, NULL, NULL);
}
