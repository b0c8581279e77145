/*
 * The link to Redis, with a Redis that says what it is told to: every answer
 * cut, broken, too large, too late or not at all
 */
#define _GNU_SOURCE /* SOCK_NONBLOCK */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/redis_bench.h"

#define PING "*1\r\n$4\r\nPING\r\n"

static void
step_for(struct bench *bench, uint64_t ms)
{
    uint64_t until = bench_now() + ms;

    while (bench_now() < until)
        bench_step(bench);
}

static void
hold_up(uint64_t ms)
{
    uint64_t until = bench_now() + ms;

    while (bench_now() < until)
        continue;
}

/* ---- Commands and replies ---- */

static void
commands_are_answered_in_order(void **state)
{
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "GET", "a", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "SET", "bb", "", NULL), SKIO_OK);
    bench_expect(bench, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
                        "*3\r\n$3\r\nSET\r\n$2\r\nbb\r\n$0\r\n\r\n");
    bench_say(bench, "$1\r\nx\r\n+OK\r\n");
    UNTIL(bench, bench_has_said(bench, "+OK"));
    assert_string_equal(bench->said, "reply $x\nreply +OK\n");
}

static void
what_is_pushed_leaves_before_the_turn_ends(void **state)
{
    static const char wanted[] = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    struct bench *bench = *state;
    char heard[sizeof wanted];

    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "GET", "a", NULL), SKIO_OK);
    assert_int_equal(recv(bench->fd, heard, sizeof heard, MSG_DONTWAIT), -1);
    skio__redis_link_push(bench->link);
    skio__redis_link_push(bench->link); /* nothing is left */
    assert_int_equal(recv(bench->fd, heard, sizeof heard, MSG_DONTWAIT),
                     sizeof wanted - 1);
    assert_memory_equal(heard, wanted, sizeof wanted - 1);
    bench_say(bench, "+OK\r\n");
    UNTIL(bench, bench_has_said(bench, "+OK"));

    /* Who is gone is found to be so by the loop, not in here. */
    bench_hang_up(bench);
    for (int i = 0; i < 3; i++) {
        (void)bench_send(bench, "GET", "a", NULL);
        skio__redis_link_push(bench->link);
    }
    assert_int_equal(bench->downs, 0);
    UNTIL(bench, bench->downs == 1);
    skio__redis_link_push(bench->link);
}

static void
every_type_of_reply_is_told(void **state)
{
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    bench_say(bench, "*8\r\n+\r\n-ERR no\r\n:-9223372036854775808\r\n$-1\r\n"
                     "*-1\r\n*0\r\n$0\r\n\r\n*2\r\n*1\r\n:1\r\n$2\r\n\r\n\r\n");
    UNTIL(bench, bench->said_len > 0);
    assert_string_equal(bench->said,
                        "reply *[+ -ERR no :-9223372036854775808 nil nil *[] "
                        "$ *[*[:1] $\r\n]]\n");
}

static void
binary_data_passes_unchanged(void **state)
{
    static const char data[] = "a\0b\r\n$3\r\n\xff";
    const skio_bytes argv[] = {{"X", 1}, {data, sizeof data - 1}, {NULL, 0}};
    static const char wanted[] =
        "*3\r\n$1\r\nX\r\n$10\r\na\0b\r\n$3\r\n\xff\r\n$0\r\n\r\n";
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(bench_send_bytes(bench, argv, 3), SKIO_OK);
    UNTIL(bench, bench->heard_len == sizeof wanted - 1);
    assert_memory_equal(bench->heard, wanted, sizeof wanted - 1);
    bench_say_bytes(bench, "$3\r\nx\0y\r\n", 9);
    UNTIL(bench, bench->said_len > 0);
    assert_memory_equal(bench->said, "reply $x\0y\n", 11);
}

static void
answer_cut_at_each_byte_is_the_same_answer(void **state)
{
    static const char answer[] =
        "*4\r\n$11\r\nhello\r\nhell\r\n:12\r\n*1\r\n$-1\r\n-ERR x\r\n";
    struct bench *bench = *state;

    bench_link_up(bench, false);
    for (size_t cut = 1; cut < sizeof answer - 1; cut++) {
        assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
        bench_say_bytes(bench, answer, cut);
        bench_step(bench);
        bench_step(bench);
        assert_int_equal(bench->said_len, 0);
        bench_say(bench, answer + cut);
        UNTIL(bench, bench->said_len > 0);
        assert_string_equal(bench->said,
                            "reply *[$hello\r\nhell :12 *[nil] -ERR x]\n");
        bench_forget(bench);
    }
    assert_int_equal(bench->downs, 0);
}

static void
errors_of_redis_are_told_to_who_asked(void **state)
{
    struct bench *bench = *state;
    const skio_bytes word = {"X", 1};

    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    assert_int_equal(skio__redis_link_send(bench->link, &word, 1, NULL, NULL),
                     SKIO_OK);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    bench_say(bench, "-LOADING x\r\n-ERR to nobody\r\n-NOPERM y\r\n");
    UNTIL(bench, bench_has_said(bench, "NOPERM"));
    assert_string_equal(bench->said, "reply -LOADING x\nreply -NOPERM y\n");
    assert_true(skio__redis_link_is_up(bench->link));
}

static void
redis_that_became_a_replica_is_left_after_telling(void **state)
{
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "Y", NULL), SKIO_OK);
    bench_say(bench, "-READONLY You can't write\r\n+OK\r\n");
    UNTIL(bench, bench->downs == 1);
    assert_string_equal(bench->said,
                        "reply -READONLY You can't write\nlost\ndown\n");
    assert_int_equal(bench->down_err, SKIO_EBUSY);
    bench->is_kind = true;
    UNTIL(bench, bench->ups == 2);
}

/* ---- What is no answer ---- */

static void
answer_that_breaks_the_protocol_or_a_limit_ends_the_connection(void **state)
{
    static const struct {
        const char *bytes;
        int err;
        const char *more; /* behind a thousand bytes */
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n", SKIO_EPROTO, NULL},
        {"\r\n", SKIO_EPROTO, NULL},
        {"$1025\r\n", SKIO_ELIMIT, NULL},
        {"$9223372036854775807\r\n", SKIO_ELIMIT, NULL},
        {"$99999999999999999999999999\r\n", SKIO_EPROTO, NULL},
        {"$18446744073709551615\r\n", SKIO_EPROTO, NULL},
        {"*2\r\n$1000\r\n", SKIO_ELIMIT, "\r\n$25\r\n"},
        {"*1\r\n$1025\r\n", SKIO_ELIMIT, NULL},
        {"*16\r\n", SKIO_ELIMIT, NULL},
        {"*2147483647\r\n", SKIO_ELIMIT, NULL},
        {"*2\r\n*10\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"
         ":1\r\n*4\r\n",
         SKIO_ELIMIT, NULL},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
         SKIO_EPROTO, NULL},
        {"$3\r\nabcde", SKIO_EPROTO, NULL},
        {">2\r\n+a\r\n+b\r\n", SKIO_EPROTO, NULL},
        {"%1\r\n+a\r\n+b\r\n", SKIO_EPROTO, NULL},
        {"_\r\n", SKIO_EPROTO, NULL},
        {"#t\r\n", SKIO_EPROTO, NULL},
        {",1.5\r\n", SKIO_EPROTO, NULL},
        {"=5\r\ntxt:a\r\n", SKIO_EPROTO, NULL},
        {"(123\r\n", SKIO_EPROTO, NULL},
        {"+OK\r\n+OK\r\n", SKIO_EPROTO, NULL}, /* one was asked for */
        {"+OK\r\n-ERR a farewell\r\n", SKIO_ECLOSED, NULL},
    };
    struct bench *bench = *state;
    char thousand[1001];
    char bytes[2048];

    memset(thousand, 'a', 1000);
    thousand[1000] = '\0';
    bench->options.max_message_bytes = 1024;
    bench->options.max_reply_elements = 16;
    bench_link_up(bench, false);
    bench->is_kind = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int ups = bench->ups;

        assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
        UNTIL(bench, bench->heard_len > 0);
        snprintf(bytes, sizeof bytes, "%s%s%s", cases[i].bytes,
                 cases[i].more != NULL ? thousand : "",
                 cases[i].more != NULL ? cases[i].more : "");
        bench_say(bench, bytes);
        UNTIL(bench, bench->downs == (int)i + 1);
        if (bench->down_err != cases[i].err)
            fail_msg("%s: %d, %s", cases[i].bytes, bench->down_err,
                     bench->down_text);
        assert_true(bench_has_said(bench, "+OK") ||
                    bench_has_said(bench, "lost\ndown"));
        UNTIL(bench, bench->ups == ups + 1);
        bench_forget(bench);
    }
}

static void
answer_at_the_limits_is_taken(void **state)
{
    struct bench *bench = *state;
    char bytes[2048];
    char text[1025];

    memset(text, 'a', 1024);
    text[1024] = '\0';
    bench->options.max_message_bytes = 1024;
    bench->options.max_reply_elements = 16;
    bench_link_up(bench, false);
    snprintf(bytes, sizeof bytes, "$1024\r\n%s\r\n", text);
    for (int i = 0; i < 3; i++) { /* one after the other, not their sum */
        assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
        bench_say(bench, bytes);
    }
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    bench_say(bench, "*15\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"
                     ":1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n");
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    bench_say(bench, "+last\r\n");
    UNTIL(bench, bench_has_said(bench, "+last"));
    assert_int_equal(bench->downs, 0);
}

static void
line_without_an_end_is_not_kept_for_ever(void **state)
{
    struct bench *bench = *state;
    size_t len = (size_t)512 * 1024;
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, 'a', len);
    text[0] = '+';
    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    bench_say_bytes(bench, text, len);
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_ELIMIT);
    free(text);
}

static void
bytes_by_chance_end_the_connection_or_wait(void **state)
{
    static const char alphabet[] = "*$+-:\r\n0123456789aZ\\_#,%>~=(|!";
    struct bench *bench = *state;
    unsigned seed = 1;

    bench->options.reconnect_min_ms = 1;
    bench->options.reconnect_max_ms = 1;
    bench_link_up(bench, true);
    bench->is_kind = true;
    for (int round = 0; round < 300; round++) {
        char bytes[200];
        size_t len = 0;

        if (bench->fd < 0)
            UNTIL(bench, skio__redis_link_is_up(bench->link));
        while (len < sizeof bytes) {
            seed = seed * 1103515245u + 12345u;
            if ((seed >> 16) % 4 == 0 && len + 2 < sizeof bytes) {
                bytes[len++] = '\r';
                bytes[len++] = '\n';
            } else {
                bytes[len++] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
            }
        }
        bench_say_bytes(bench, bytes, len);
        bench_step(bench);
    }
    bench_forget(bench);
    bench_hang_up(bench);
    UNTIL(bench, skio__redis_link_is_up(bench->link));
    assert_true(bench->downs > 10);
}

/* ---- Time ---- */

static void
silent_redis_is_asked_whether_it_is_there(void **state)
{
    struct bench *bench = *state;
    uint64_t start;

    bench->options.ping_interval_ms = 30;
    bench->options.command_timeout_ms = 400;
    bench_link_up(bench, false);
    start = bench_now();
    bench_expect(bench, PING);
    assert_true(bench_now() - start >= 25);
    bench_say(bench, "+PONG\r\n");
    bench_expect(bench, PING); /* and again */
    assert_int_equal(bench->downs, 0);
    start = bench_now();
    UNTIL(bench, bench->downs == 1); /* no answer this time */
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
    assert_true(bench_now() - start >= 390);
    assert_string_equal(bench->said, "down\n");
}

static void
silent_redis_of_a_subscriber_is_asked_as_well(void **state)
{
    struct bench *bench = *state;

    bench->options.ping_interval_ms = 30;
    bench->options.command_timeout_ms = 400;
    bench_link_up(bench, true);
    bench_expect(bench, PING);
    bench_say(bench, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    bench_expect(bench, PING);
    bench_say(bench, "+PONG\r\n"); /* without subscriptions */
    bench_expect(bench, PING);
    bench_say(bench, "-NOPERM this user has no permissions to run the 'ping' "
                     "command\r\n");
    bench_expect(bench, PING);
    assert_int_equal(bench->downs, 0);
    assert_string_equal(bench->said, "");
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
}

static void
command_that_is_not_answered_in_time_is_lost(void **state)
{
    struct bench *bench = *state;
    uint64_t start;

    bench->options.command_timeout_ms = 60;
    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    start = bench_now();
    UNTIL(bench, bench->downs == 1);
    assert_true(bench_now() - start >= 55);
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
    assert_string_equal(bench->said, "lost\ndown\n");
}

/* The application held up the loop; Redis did what it should. */
static void
answer_that_waits_for_us_is_not_late(void **state)
{
    struct bench *bench = *state;

    bench->options.command_timeout_ms = 300;
    for (int i = 0; i < 4; i++) {
        bench_link_up(bench, i % 2 == 1);
        if (i % 2 == 0)
            assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
        else
            bench->options.ping_interval_ms = 20;
        UNTIL(bench, bench->heard_len > 0);
        bench_say(bench, i % 2 == 0 ? "+OK\r\n" : "+PONG\r\n");
        hold_up(350);
        step_for(bench, 10);
        assert_int_equal(bench->downs, 0);
        bench->options.ping_interval_ms = 1000;
        bench_unlink(bench);
        UNTIL(bench, bench->fd < 0);
    }
}

static void
greeting_that_waits_for_us_is_not_late(void **state)
{
    struct bench *bench = *state;

    bench->options.connect_timeout_ms = 300;
    bench_listen(bench);
    for (int i = 1; i <= 3; i++) {
        bench_link(bench, false);
        bench_expect(bench, PING);
        bench_say(bench, "+PONG\r\n");
        hold_up(350);
        UNTIL(bench, bench->ups == i);
        assert_int_equal(bench->downs, 0);
        bench_unlink(bench);
        UNTIL(bench, bench->fd < 0);
    }
}

static void
answer_that_comes_piece_by_piece_is_waited_for(void **state)
{
    struct bench *bench = *state;

    bench->options.command_timeout_ms = 1000;
    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    bench_say(bench, "$12\r\n");
    for (int i = 0; i < 12; i++) {
        step_for(bench, 100);
        bench_say(bench, "a");
    }
    bench_say(bench, "\r\n");
    UNTIL(bench, bench_has_said(bench, "reply $aaaaaaaaaaaa"));
    assert_int_equal(bench->downs, 0);
}

static void
blocking_command_may_be_silent_for_longer(void **state)
{
    const skio_bytes word = {"X", 1};
    struct bench *bench = *state;
    uint64_t start;

    bench->options.command_timeout_ms = 60;
    bench->options.ping_interval_ms = 20;
    bench_link_up(bench, false);
    assert_int_equal(skio__redis_link_send_blocking(bench->link, &word, 1, 200,
                                                    NULL, NULL),
                     SKIO_OK);
    start = bench_now();
    bench_expect(bench, "*1\r\n$1\r\nX\r\n");
    UNTIL(bench, bench->downs == 1);
    assert_true(bench_now() - start >= 255);
    assert_int_equal(bench->heard_len, 0); /* no PING behind it */
}

static void
greeting_that_is_not_answered_is_given_up(void **state)
{
    struct bench *bench = *state;
    uint64_t start = bench_now();

    bench->options.connect_timeout_ms = 50;
    bench_listen(bench);
    bench_link(bench, false);
    bench_expect(bench, PING);
    UNTIL(bench, bench->downs == 1);
    assert_true(bench_now() - start >= 45);
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
    bench->is_kind = true;
    UNTIL(bench, bench->ups == 1);
}

/* ---- Coming back ---- */

static void
lost_connection_comes_back(void **state)
{
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "Y", NULL), SKIO_OK);
    bench_hang_up(bench);
    UNTIL(bench, bench->downs == 1);
    assert_string_equal(bench->said, "lost\nlost\ndown\n");
    assert_int_equal(bench->down_err, SKIO_ECLOSED);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_ECLOSED);
    bench_expect(bench, PING); /* and nothing of what was lost */
    bench_say(bench, "+PONG\r\n");
    UNTIL(bench, bench->ups == 2);
    assert_int_equal(bench_send(bench, "Z", NULL), SKIO_OK);
    bench_expect(bench, "*1\r\n$1\r\nZ\r\n");
    assert_int_equal(bench->accepted, 2);
}

static void
end_in_each_state_is_a_loss(void **state)
{
    struct bench *bench = *state;

    bench_listen(bench);
    bench_link(bench, false);
    UNTIL(bench, bench->fd >= 0);
    bench_hang_up(bench);
    UNTIL(bench, bench->downs == 1);
    bench_expect(bench, PING);
    bench_hang_up(bench);
    UNTIL(bench, bench->downs == 2);
    bench_expect(bench, PING);
    bench_say(bench, "+PO");
    bench_step(bench);
    bench_hang_up(bench);
    UNTIL(bench, bench->downs == 3);
    assert_int_equal(bench->ups, 0);
    bench_expect(bench, PING);
    bench_say(bench, "+PONG\r\n");
    UNTIL(bench, bench->ups == 1);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    bench_say(bench, "*2\r\n$5\r\nab");
    bench_step(bench);
    bench_hang_up(bench);
    UNTIL(bench, bench->downs == 4);
    assert_true(bench_has_said(bench, "up\nlost\ndown\n"));
}

static void
redis_that_is_not_there_is_tried_again_and_again(void **state)
{
    struct bench *bench = *state;

    bench->options.port = bench_free_port();
    bench->port = bench->options.port;
    bench_link(bench, false);
    UNTIL(bench, bench->downs >= 5);
    assert_int_equal(bench->down_err, SKIO_EIO);
    assert_non_null(strstr(bench->down_text, "refused"));
    assert_non_null(strstr(bench->down_text, "127.0.0.1:"));
    bench->is_kind = true;
    bench_listen(bench);
    UNTIL(bench, bench->ups == 1);
}

/* Nobody accepts, and the queue of those who wait is full. */
static void
host_that_swallows_everything_is_given_up(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    struct bench *bench = *state;
    int fillers[4];
    int deaf = socket(AF_INET, SOCK_STREAM, 0);
    uint64_t start;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(deaf, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(deaf, 0), 0);
    assert_int_equal(getsockname(deaf, (struct sockaddr *)&in, &len), 0);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&in, sizeof in);
    }
    bench->options.port = ntohs(in.sin_port);
    bench->options.connect_timeout_ms = 60;
    start = bench_now();
    bench_link(bench, false);
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
    assert_true(bench_now() - start >= 55);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(deaf);
}

static void
attempts_grow_rarer(void **state)
{
    struct bench *bench = *state;
    uint64_t start;

    bench->options.reconnect_min_ms = 10;
    bench->options.reconnect_max_ms = 80;
    bench->options.port = bench_free_port();
    bench_link(bench, false);
    start = bench_now();
    UNTIL(bench, bench->downs == 8);
    /* 10 + 20 + 40 + 4 times 80, each a fifth less at most */
    assert_true(bench_now() - start >= 390 * 4 / 5 - 8);
    assert_true(bench_now() - start < 3000);
}

static void
unknown_host_is_told(void **state)
{
    struct bench *bench = *state;

    bench->options.host = "no-such-host.invalid";
    bench_link(bench, false);
    UNTIL(bench, bench->downs == 2);
    assert_true(bench->down_err == SKIO_ENOENT || bench->down_err == SKIO_EIO);
    assert_non_null(strstr(bench->down_text, "no-such-host.invalid"));
}

static void
reset_is_a_loss_that_is_told_later(void **state)
{
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    skio__redis_link_reset(bench->link, SKIO_EBUSY, "because");
    assert_false(skio__redis_link_is_up(bench->link));
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_ECLOSED);
    assert_string_equal(bench->said, "");
    UNTIL(bench, bench->downs == 1);
    assert_string_equal(bench->said, "lost\ndown\n");
    assert_int_equal(bench->down_err, SKIO_EBUSY);
    assert_non_null(strstr(bench->down_text, "because"));
    skio__redis_link_reset(bench->link, SKIO_EBUSY, "it waits already");
    bench->is_kind = true;
    UNTIL(bench, bench->ups == 2);
    assert_int_equal(bench->downs, 1);
}

/* ---- The greeting ---- */

static void
loading_redis_is_waited_for(void **state)
{
    struct bench *bench = *state;

    bench_listen(bench);
    bench_link(bench, false);
    bench_expect(bench, PING);
    bench_say(bench, "-LOADING Redis is loading the dataset in memory\r\n");
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_EBUSY);
    bench_expect(bench, PING);
    bench_say(bench, "-MASTERDOWN Link with MASTER is down\r\n");
    UNTIL(bench, bench->downs == 2);
    assert_int_equal(bench->down_err, SKIO_EBUSY);
    bench_expect(bench, PING);
    bench_say(bench, "+PONG\r\n");
    UNTIL(bench, bench->ups == 1);
}

static void
greeting_has_user_password_and_database(void **state)
{
    struct bench *bench = *state;

    bench->options.user = "u";
    bench->options.password = "p w";
    bench->options.database = 12;
    bench_listen(bench);
    bench_link(bench, false);
    bench_expect(bench, "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$3\r\np w\r\n"
                        "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n" PING);
    bench_say(bench, "+OK\r\n+OK\r\n");
    step_for(bench, 10);
    assert_int_equal(bench->ups, 0);
    bench_say(bench, "+PONG\r\n");
    UNTIL(bench, bench->ups == 1);
}

static void
refused_greeting_is_told_and_tried_again(void **state)
{
    static const struct {
        const char *answer;
        int err;
        const char *text;
    } cases[] = {
        {"-WRONGPASS invalid username-password pair\r\n", SKIO_EACCES,
         "WRONGPASS invalid"},
        {"-ERR invalid password\r\n", SKIO_EACCES, "invalid password"},
        {"-ERR Client sent AUTH, but no password is set\r\n", SKIO_EACCES,
         "no password is set"},
        {"-ERR unknown command 'AUTH', with args beginning with: 'secret' "
         "\r\n",
         SKIO_EACCES, "unknown command"},
        {"-ERR max number of clients reached\r\n", SKIO_EBUSY, "max number"},
        {"-DENIED Redis is running in protected mode\r\n", SKIO_EACCES,
         "DENIED"},
        {"+OK\r\n-ERR DB index is out of range\r\n", SKIO_EINVAL, "DB index"},
        {"+OK\r\n+OK\r\n-NOAUTH Authentication required.\r\n", SKIO_EACCES,
         "NOAUTH"},
        {"+OK\r\n+OK\r\n:5\r\n", SKIO_EPROTO, "PING"},
    };
    struct bench *bench = *state;

    bench->options.password = "secret";
    bench->options.database = 1;
    bench_listen(bench);
    bench_link(bench, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        UNTIL(bench, bench->fd >= 0 && bench->heard_len > 0);
        bench_say(bench, cases[i].answer);
        UNTIL(bench, bench->downs == (int)i + 1);
        if (bench->down_err != cases[i].err)
            fail_msg("%s: %d", cases[i].answer, bench->down_err);
        if (strstr(bench->down_text, cases[i].text) == NULL)
            fail_msg("%s: %s", cases[i].answer, bench->down_text);
        assert_null(strstr(bench->down_text, "secret"));
        UNTIL(bench, bench->fd < 0 || bench->heard_len == 0);
        bench_hang_up(bench);
    }
    UNTIL(bench, bench->heard_len > 0);
    bench_say(bench, "+OK\r\n+OK\r\n+PONG\r\n");
    UNTIL(bench, bench->ups == 1);
}

static void
user_who_may_not_ping_is_welcome(void **state)
{
    struct bench *bench = *state;

    bench->options.ping_interval_ms = 20;
    bench_listen(bench);
    bench_link(bench, false);
    for (int i = 0; i < 3; i++) {
        bench_expect(bench, PING);
        bench_say(bench, "-NOPERM this user has no permissions to run the "
                         "'ping' command\r\n");
    }
    UNTIL(bench, bench->ups == 1);
    bench_expect(bench, PING);
    assert_int_equal(bench->downs, 0);
}

/* ---- Subscriptions ---- */

static void
pushes_are_told_as_they_come(void **state)
{
    const skio_bytes argv[] = {{"SUBSCRIBE", 9}, {"a", 1}};
    struct bench *bench = *state;

    bench_link_up(bench, true);
    assert_int_equal(skio__redis_link_send(bench->link, argv, 2, NULL, NULL),
                     SKIO_OK);
    bench_expect(bench, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n");
    bench_say(bench, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
                     "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
                     "-NOPERM no\r\n"
                     "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$0\r\n\r\n"
                     "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n+OK\r\n");
    UNTIL(bench, bench_has_said(bench, "+OK"));
    assert_string_equal(bench->said, "push *[$subscribe $a :1]\n"
                                     "push *[$message $a $hi]\n"
                                     "push -NOPERM no\n"
                                     "push *[$pmessage $* $a $]\n"
                                     "push *[$smessage $a $x]\n"
                                     "push +OK\n");
    assert_true(skio__redis_link_is_up(bench->link));
}

/* ---- Limits of the way out ---- */

static void
output_has_a_limit(void **state)
{
    static char text[1000];
    const skio_bytes argv[] = {{"X", 1}, {text, sizeof text}};
    struct bench *bench = *state;
    /* "*2 $1 X $1000 text", and who waits for the answer */
    const size_t size = 4 + 4 + 3 + 7 + 1002;
    size_t count = 0;
    int err;

    bench->options.max_output_bytes = size * 10 + 24 * 9;
    bench_link_up(bench, false);
    while ((err = bench_send_bytes(bench, argv, 2)) == SKIO_OK)
        count++;
    assert_int_equal(err, SKIO_ENOBUFS);
    assert_int_equal(count, 10);
    assert_int_equal(bench_send_bytes(bench, argv, 2), SKIO_ENOBUFS);
    UNTIL(bench, bench->heard_len == size * 10);
    for (int i = 0; i < 10; i++)
        bench_say(bench, "+OK\r\n");
    UNTIL(bench, bench->said_len == 10 * strlen("reply +OK\n"));
    assert_int_equal(bench_send_bytes(bench, argv, 2), SKIO_OK);
    assert_int_equal(bench->downs, 0);
}

static void
output_is_taken_up_to_its_last_byte(void **state)
{
    static char text[2000];
    struct bench *bench = *state;
    /* "*1 $N text": 4 + 7 + N + 2 */
    skio_bytes word = {text, 1024 - 13};

    memset(text, 'a', sizeof text);
    bench->options.max_output_bytes = 1024;
    bench_link_up(bench, false);
    word.len++;
    assert_int_equal(bench_send_bytes(bench, &word, 1), SKIO_ENOBUFS);
    word.len--;
    assert_int_equal(bench_send_bytes(bench, &word, 1), SKIO_OK);
    UNTIL(bench, bench->heard_len == 1024);
}

static void
redis_that_does_not_read_fills_no_memory(void **state)
{
    static char text[60000];
    const skio_bytes word = {text, sizeof text};
    struct bench *bench = *state;
    size_t count = 0;

    memset(text, 'a', sizeof text);
    bench->options.max_output_bytes = 1 << 20;
    bench->options.command_timeout_ms = 300;
    bench_link_up(bench, false);
    bench->is_deaf = true;
    while (bench->downs == 0) {
        if (skio__redis_link_send(bench->link, &word, 1, NULL, NULL) == SKIO_OK)
            count++;
        else
            bench_step(bench);
        assert_true(bench->alloc.live_bytes < 5 << 20);
        assert_true(count < 100000);
    }
    assert_true(count > 17); /* more than the limit: the sockets have some */
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
    bench->is_deaf = false;
    bench->is_kind = true;
    bench_hang_up(bench);
    UNTIL(bench, bench->ups == 2);
}

static void
redis_that_reads_late_gets_all_of_it(void **state)
{
    struct bench *bench = *state;
    size_t size = (size_t)3 << 20;
    char *text = malloc(size);
    skio_bytes word = {text, size};
    size_t got = 0;

    assert_non_null(text);
    memset(text, 'a', size);
    bench->options.command_timeout_ms = 20000;
    bench_link_up(bench, false);
    bench->is_deaf = true;
    assert_int_equal(bench_send_bytes(bench, &word, 1), SKIO_OK);
    step_for(bench, 20);
    assert_int_equal(bench_send(bench, "END", NULL), SKIO_OK);
    bench->is_deaf = false;
    while (got < size + 14 + 13) {
        bench_step(bench);
        got += bench->heard_len;
        if (bench->heard_len >= 13 && got == size + 14 + 13)
            assert_memory_equal(bench->heard + bench->heard_len - 13,
                                "*1\r\n$3\r\nEND\r\n", 13);
        bench->heard_len = 0;
    }
    bench_say(bench, "+OK\r\n+END\r\n");
    UNTIL(bench, bench_has_said(bench, "+END"));
    free(text);
}

/* ---- Callbacks that do things ---- */

static void
unlink_now(struct bench *bench)
{
    bench_unlink(bench);
}

static void
freed_link_tells_what_waits_and_says_no_more(void **state)
{
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(bench_send(bench, "X", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "Y", NULL), SKIO_OK);
    bench_unlink(bench);
    assert_string_equal(bench->said, "lost\nlost\n");
    step_for(bench, 30);
    assert_string_equal(bench->said, "lost\nlost\n");
    assert_int_equal(bench->fd, -1);
}

static void
link_may_be_freed_in_up(void **state)
{
    struct bench *bench = *state;

    bench_listen(bench);
    bench->is_kind = true;
    bench->on_up = unlink_now;
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 1);
    assert_null(bench->link);
    step_for(bench, 20);
    assert_int_equal(bench->accepted, 1);
}

static void
link_may_be_freed_in_down(void **state)
{
    struct bench *bench = *state;

    bench_link_up(bench, false);
    bench->on_down = unlink_now;
    bench_hang_up(bench);
    UNTIL(bench, bench->downs == 1);
    assert_null(bench->link);
    step_for(bench, 60);
    assert_int_equal(bench->accepted, 1);
}

static void
link_may_be_freed_in_a_push(void **state)
{
    struct bench *bench = *state;

    bench_link_up(bench, true);
    bench->on_push = unlink_now;
    bench_say(bench, "+a\r\n+b\r\n+c\r\n");
    UNTIL(bench, bench->link == NULL);
    step_for(bench, 20);
    assert_string_equal(bench->said, "push +a\n");
}

static void
free_in_reply(int err, const struct skio__redis_reply *reply, void *user)
{
    struct bench *bench = user;

    assert_int_equal(err, SKIO_OK);
    bench_unlink(bench);
    assert_string_equal(reply->str, "a long enough answer"); /* still there */
    assert_int_equal(reply->len, 20);
}

static void
link_may_be_freed_in_a_reply(void **state)
{
    const skio_bytes word = {"X", 1};
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(skio__redis_link_send(bench->link, &word, 1, free_in_reply,
                                           bench),
                     SKIO_OK);
    assert_int_equal(bench_send(bench, "Y", NULL), SKIO_OK);
    bench_say(bench, "+a long enough answer\r\n+b\r\n");
    UNTIL(bench, bench->link == NULL);
    step_for(bench, 20);
    assert_string_equal(bench->said, "lost\n");
}

static void
free_when_lost(int err, const struct skio__redis_reply *reply, void *user)
{
    struct bench *bench = user;

    assert_int_equal(err, SKIO_ECLOSED);
    assert_null(reply);
    assert_int_equal(bench_send(bench, "Z", NULL), SKIO_ECLOSED);
    bench_unlink(bench);
}

static void
link_may_be_freed_in_a_loss(void **state)
{
    const skio_bytes word = {"X", 1};
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(skio__redis_link_send(bench->link, &word, 1,
                                           free_when_lost, bench),
                     SKIO_OK);
    assert_int_equal(bench_send(bench, "Y", NULL), SKIO_OK);
    bench_hang_up(bench);
    UNTIL(bench, bench->link == NULL);
    step_for(bench, 30);
    assert_string_equal(bench->said, "lost\n");
    assert_int_equal(bench->downs, 0);
}

static void
reset_in_reply(int err, const struct skio__redis_reply *reply, void *user)
{
    struct bench *bench = user;

    assert_int_equal(err, SKIO_OK);
    assert_non_null(reply);
    skio__redis_link_reset(bench->link, SKIO_EIO, "enough");
    assert_false(skio__redis_link_is_up(bench->link));
    assert_int_equal(bench->downs, 0);
}

static void
link_may_be_reset_in_a_reply(void **state)
{
    const skio_bytes word = {"X", 1};
    struct bench *bench = *state;

    bench_link_up(bench, false);
    assert_int_equal(skio__redis_link_send(bench->link, &word, 1,
                                           reset_in_reply, bench),
                     SKIO_OK);
    assert_int_equal(bench_send(bench, "Y", NULL), SKIO_OK);
    bench_say(bench, "+a\r\n+b\r\n");
    UNTIL(bench, bench->downs == 1);
    assert_string_equal(bench->said, "lost\ndown\n");
    bench->is_kind = true;
    UNTIL(bench, bench->ups == 2);
}

static void
send_again(struct bench *bench)
{
    assert_int_equal(bench_send(bench, "HELLO", NULL), SKIO_OK);
}

static void
commands_may_be_sent_in_up(void **state)
{
    struct bench *bench = *state;

    bench_listen(bench);
    bench->on_up = send_again;
    bench_link(bench, false);
    bench_expect(bench, PING);
    bench_say(bench, "+PONG\r\n");
    bench_expect(bench, "*1\r\n$5\r\nHELLO\r\n");
    bench_say(bench, "+there\r\n");
    UNTIL(bench, bench_has_said(bench, "reply +there"));
}

static int slow_replies;

static void
be_slow(int err, const struct skio__redis_reply *reply, void *user)
{
    uint64_t until = bench_now() + 2;

    (void)reply;
    (void)user;
    assert_int_equal(err, SKIO_OK);
    while (bench_now() < until)
        continue;
    slow_replies++;
}

static void
replies_that_take_long_share_the_loop(void **state)
{
    const skio_bytes word = {"X", 1};
    struct bench *bench = *state;
    unsigned steps;

    slow_replies = 0;
    bench_link_up(bench, false);
    for (int i = 0; i < 40; i++)
        assert_int_equal(skio__redis_link_send(bench->link, &word, 1, be_slow,
                                               NULL),
                         SKIO_OK);
    UNTIL(bench, bench->heard_len == 40 * 11);
    for (int i = 0; i < 40; i++)
        bench_say(bench, "+a\r\n");
    steps = bench->steps;
    UNTIL(bench, slow_replies == 40);
    /* at most three replies in a turn: a fourth begins after SLICE_MS */
    assert_true(bench->steps - steps >= 10);
}

/* ---- Memory ---- */

static void
link_lives_through_a_lack_of_memory_at_any_point(void **state)
{
    struct bench *bench = *state;
    bool is_done = false;

    bench->is_kind = true;
    bench->options.reconnect_min_ms = 1;
    bench->options.reconnect_max_ms = 2;
    bench_listen(bench);
    for (size_t n = 1; n < 200 && !is_done; n++) {
        size_t failed = bench->alloc.failed;
        size_t live = bench->alloc.live;
        int err;

        bench_forget(bench);
        test_alloc_fail(&bench->alloc, n);
        bench_link(bench, false);
        if (bench->link == NULL) {
            assert_int_equal(bench->alloc.failed, failed + 1);
            assert_int_equal(bench->alloc.live, live);
            continue;
        }
        /* Whatever fails, it comes up, and then an answer comes. */
        while (!bench_has_said(bench, "$x")) {
            bench_forget(bench);
            UNTIL(bench, skio__redis_link_is_up(bench->link));
            bench_forget(bench);
            bench->heard_len = 0;
            bench->heard[0] = '\0';
            err = bench_send(bench, "GET", "a", NULL);
            if (err != SKIO_OK) {
                assert_int_equal(err, SKIO_ENOMEM);
                assert_true(skio__redis_link_is_up(bench->link));
                continue;
            }
            UNTIL(bench,
                  bench->heard_len > 0 || !skio__redis_link_is_up(bench->link));
            if (bench->fd < 0 || bench->heard_len == 0)
                continue;
            bench_say(bench, "*2\r\n*1\r\n:1\r\n$5\r\nhello\r\n");
            UNTIL(bench, bench->said_len > 0);
            if (bench_has_said(bench, "lost"))
                continue;
            assert_string_equal(bench->said, "reply *[*[:1] $hello]\n");
            bench_forget(bench);
            assert_true(skio__redis_link_is_up(bench->link));
            err = bench_send(bench, "GET", "b", NULL);
            if (err != SKIO_OK)
                continue;
            bench_say(bench, "$1\r\nx\r\n");
            UNTIL(bench, bench->said_len > 0);
        }
        is_done = bench->alloc.failed == failed;
        bench->alloc.fail_in = 0;
        bench_unlink(bench);
        UNTIL(bench, bench->fd < 0);
        assert_true(!is_done || n > 8);
    }
    assert_true(is_done);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_begin, bench_end)
    const struct CMUnitTest tests[] = {
        TEST(commands_are_answered_in_order),
        TEST(what_is_pushed_leaves_before_the_turn_ends),
        TEST(every_type_of_reply_is_told),
        TEST(binary_data_passes_unchanged),
        TEST(answer_cut_at_each_byte_is_the_same_answer),
        TEST(errors_of_redis_are_told_to_who_asked),
        TEST(redis_that_became_a_replica_is_left_after_telling),
        TEST(answer_that_breaks_the_protocol_or_a_limit_ends_the_connection),
        TEST(answer_at_the_limits_is_taken),
        TEST(line_without_an_end_is_not_kept_for_ever),
        TEST(bytes_by_chance_end_the_connection_or_wait),
        TEST(silent_redis_is_asked_whether_it_is_there),
        TEST(silent_redis_of_a_subscriber_is_asked_as_well),
        TEST(command_that_is_not_answered_in_time_is_lost),
        TEST(answer_that_waits_for_us_is_not_late),
        TEST(greeting_that_waits_for_us_is_not_late),
        TEST(answer_that_comes_piece_by_piece_is_waited_for),
        TEST(blocking_command_may_be_silent_for_longer),
        TEST(greeting_that_is_not_answered_is_given_up),
        TEST(lost_connection_comes_back),
        TEST(end_in_each_state_is_a_loss),
        TEST(redis_that_is_not_there_is_tried_again_and_again),
        TEST(host_that_swallows_everything_is_given_up),
        TEST(attempts_grow_rarer),
        TEST(unknown_host_is_told),
        TEST(reset_is_a_loss_that_is_told_later),
        TEST(loading_redis_is_waited_for),
        TEST(greeting_has_user_password_and_database),
        TEST(refused_greeting_is_told_and_tried_again),
        TEST(user_who_may_not_ping_is_welcome),
        TEST(pushes_are_told_as_they_come),
        TEST(output_has_a_limit),
        TEST(output_is_taken_up_to_its_last_byte),
        TEST(redis_that_does_not_read_fills_no_memory),
        TEST(redis_that_reads_late_gets_all_of_it),
        TEST(freed_link_tells_what_waits_and_says_no_more),
        TEST(link_may_be_freed_in_up),
        TEST(link_may_be_freed_in_down),
        TEST(link_may_be_freed_in_a_push),
        TEST(link_may_be_freed_in_a_reply),
        TEST(link_may_be_freed_in_a_loss),
        TEST(link_may_be_reset_in_a_reply),
        TEST(commands_may_be_sent_in_up),
        TEST(replies_that_take_long_share_the_loop),
        TEST(link_lives_through_a_lack_of_memory_at_any_point),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
