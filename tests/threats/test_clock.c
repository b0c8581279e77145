/*
 * ATK-34: clocks that jump, below a server with a real port
 *
 * This program has the clocks of the C library in its hands: what it defines
 * here is called by the server and by libwebsockets alike. The kernel's timers
 * know nothing of that, so the one that the server arms is moved with its
 * clock.
 */
#define _GNU_SOURCE /* memmem, strptime */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "threats/home.h"

#define SECOND INT64_C(1000000000)
#define DAY (24 * 3600 * SECOND)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 20000

/* ---- The clocks ---- */

static atomic_llong wall_ahead; /* ns; what is added to the real one */
static atomic_llong mono_ahead;
static atomic_llong mono_frozen; /* ns; 0: it runs */

/* The timer that was armed last, by its time on the clock that is shown. */
static struct {
    pthread_mutex_t lock;
    int fd;
    struct timespec due;
} armed = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static int64_t
real(clockid_t id)
{
    struct timespec now;

    if (syscall(SYS_clock_gettime, id, &now) != 0)
        abort();
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

static struct timespec
to_timespec(int64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / SECOND),
                            .tv_nsec = (long)(ns % SECOND)};

    return time;
}

static int64_t
shown(clockid_t id)
{
    int64_t now = real(id);
    int64_t frozen = atomic_load(&mono_frozen);

    if (id == CLOCK_REALTIME)
        now += atomic_load(&wall_ahead);
    else if (id == CLOCK_MONOTONIC && frozen != 0)
        now = frozen;
    else if (id == CLOCK_MONOTONIC)
        now += atomic_load(&mono_ahead);
    return now;
}

int
clock_gettime(clockid_t id, struct timespec *out)
{
    *out = to_timespec(shown(id));
    return 0;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    int64_t now = shown(CLOCK_REALTIME);

    (void)zone;
    out->tv_sec = (time_t)(now / SECOND);
    out->tv_usec = (suseconds_t)(now % SECOND / 1000);
    return 0;
}

time_t
time(time_t *out)
{
    time_t now = (time_t)(shown(CLOCK_REALTIME) / SECOND);

    if (out != NULL)
        *out = now;
    return now;
}

/* Arm it at the real time that stands for the one shown. */
static int
arm(int fd, int flags, const struct timespec *due)
{
    struct itimerspec spec = {.it_value = *due};
    int64_t at = (int64_t)due->tv_sec * SECOND + due->tv_nsec;

    if (at != 0) {
        at -= atomic_load(&mono_ahead);
        spec.it_value = to_timespec(at > 0 ? at : 1);
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &spec, NULL);
}

int
timerfd_settime(int fd, int flags, const struct itimerspec *spec,
                struct itimerspec *before)
{
    int result;

    if ((flags & TFD_TIMER_ABSTIME) == 0)
        return (int)syscall(SYS_timerfd_settime, fd, flags, spec, before);
    pthread_mutex_lock(&armed.lock);
    armed.fd = fd;
    armed.due = spec->it_value;
    result = arm(fd, flags, &armed.due);
    pthread_mutex_unlock(&armed.lock);
    return result;
}

static void
set_wall(int64_t ns)
{
    atomic_store(&wall_ahead, ns - real(CLOCK_REALTIME));
}

static void
freeze(void)
{
    atomic_store(&mono_frozen, shown(CLOCK_MONOTONIC));
}

/* It goes on where it would be, and this much later. */
static void
jump(int64_t ns)
{
    pthread_mutex_lock(&armed.lock);
    atomic_fetch_add(&mono_ahead, ns);
    atomic_store(&mono_frozen, 0);
    if (armed.fd >= 0 && arm(armed.fd, TFD_TIMER_ABSTIME, &armed.due) != 0)
        abort();
    pthread_mutex_unlock(&armed.lock);
}

/* ---- The server ---- */

#define INTERVAL_MS 200

static atomic_int gone;
static _Atomic(enum skio_disconnect) reason;

static void
on_gone(skio_socket *socket, enum skio_disconnect why, void *user)
{
    (void)socket;
    (void)user;
    atomic_store(&reason, why);
    atomic_fetch_add(&gone, 1);
}

static void
watch_ends(skio_server *server)
{
    assert_int_equal(skio_on_disconnect(skio_of(server, "/"), on_gone, NULL),
                     SKIO_OK);
}

static void
beat_fast(skio_server_options *options)
{
    options->ping_interval_ms = INTERVAL_MS;
    options->ping_timeout_ms = PATIENCE_MS;
}

static int
begin(void **state)
{
    (void)state;
    atomic_store(&wall_ahead, 0);
    atomic_store(&mono_ahead, 0);
    atomic_store(&mono_frozen, 0);
    atomic_store(&gone, 0);
    armed.fd = -1;
    return 0;
}

/* ---- Clients ---- */

struct client {
    const struct home *home;
    int fd; /* the WebSocket; -1: it polls */
    char sid[32];
    char in[8192]; /* of the WebSocket, not looked at yet */
    size_t len;
    int pings;
    int echoes;
    bool is_rude;     /* it answers no ping */
    int64_t pinged;   /* when, for real; 0: not since the clock was changed */
    int64_t shortest; /* between two pings */
    int64_t longest;
};

static void say(struct client *client, const char *packet);

static void
take_ping(struct client *client)
{
    int64_t now = real(CLOCK_MONOTONIC);
    int64_t gap = now - client->pinged;

    client->pings++;
    if (client->pinged != 0 && gap < client->shortest)
        client->shortest = gap;
    if (client->pinged != 0 && gap > client->longest)
        client->longest = gap;
    client->pinged = now;
    if (!client->is_rude)
        say(client, "3");
}

static void
take_packet(struct client *client, const char *packet, size_t len)
{
    if (len == 1 && packet[0] == '2')
        take_ping(client);
    else if (len > 9 && memcmp(packet, "42[\"echo\"", 9) == 0)
        client->echoes++;
}

/* The Date of an answer is well-formed, and what the clock shows. */
static void
check_date(const char *answer)
{
    const char *at = strstr(answer, "\r\nDate: ");
    struct tm tm = {.tm_sec = 0};
    const char *end;
    int64_t apart;

    if (at == NULL)
        at = strstr(answer, "\r\ndate: ");
    assert_non_null(at);
    end = strptime(at + 8, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    assert_non_null(end);
    assert_int_equal(end - (at + 8), 29);
    assert_memory_equal(end, "\r\n", 2);
    apart = (int64_t)timegm(&tm) - shown(CLOCK_REALTIME) / SECOND;
    assert_in_range(apart + PATIENCE_MS / 1000, 0, PATIENCE_MS / 1000 + 1);
}

/* A request of a polling client; its answer with the head. */
static const char *
request(const struct client *client, const char *packet)
{
    static char out[8192];
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "%s /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n"
                   "Host: x\r\nConnection: close\r\nContent-Length: %zu\r\n"
                   "\r\n%s",
                   packet != NULL ? "POST" : "GET", client->sid,
                   packet != NULL ? strlen(packet) : 0,
                   packet != NULL ? packet : "");
    home_ask(client->home, text, out, sizeof(out));
    assert_memory_equal(out, "HTTP/1.1 200 ", 13);
    check_date(out);
    return strstr(out, "\r\n\r\n") + 4;
}

static void
say(struct client *client, const char *packet)
{
    if (client->fd >= 0)
        home_frame(client->fd, 0x81, packet, strlen(packet));
    else
        assert_string_equal(request(client, packet), "ok");
}

static void
take_payload(struct client *client, const char *payload)
{
    char copy[8192];
    char *rest = copy;

    (void)snprintf(copy, sizeof(copy), "%s", payload);
    while (rest != NULL) {
        char *packet = strsep(&rest, "\x1e");

        take_packet(client, packet, strlen(packet));
    }
}

/* The frames that have come: short texts, whole or not yet. */
static void
take_frames(struct client *client)
{
    unsigned char *in = (unsigned char *)client->in;

    while (client->len >= 2 && in[0] == 0x81 && in[1] < 126 &&
           client->len >= 2 + (size_t)in[1]) {
        size_t size = 2 + (size_t)in[1];

        take_packet(client, client->in + 2, size - 2);
        client->len -= size;
        memmove(client->in, client->in + size, client->len);
    }
}

/* Read what has come; a client that polls asks for it. */
static void
hear(struct client *client)
{
    ssize_t got;

    if (client->fd < 0) {
        take_payload(client, request(client, NULL));
        return;
    }
    got = recv(client->fd, client->in + client->len,
               sizeof(client->in) - client->len, MSG_DONTWAIT);
    assert_true(got != 0); /* the server has closed it */
    if (got > 0)
        client->len += (size_t)got;
    take_frames(client);
}

/* An event there and back; heartbeats that come meanwhile are answered. */
static void
echo(struct client *client)
{
    int before = client->echoes;
    int64_t began = real(CLOCK_MONOTONIC);

    say(client, "42[\"echo\",1]");
    while (client->echoes == before) {
        assert_true(real(CLOCK_MONOTONIC) - began <
                    (int64_t)PATIENCE_MS * 1000000);
        hear(client);
    }
}

static void
join_websocket(struct client *client, const struct home *home)
{
    char out[512];

    memset(client, 0, sizeof(*client));
    client->home = home;
    client->fd = home_websocket(home);
    say(client, "40");
    home_read(client->fd, out, sizeof(out), "40{\"sid\":", NULL);
    assert_non_null(strstr(out, "40{\"sid\":"));
}

static void
join_polling(struct client *client, const struct home *home)
{
    memset(client, 0, sizeof(*client));
    client->home = home;
    client->fd = -1;
    home_handshake(home, client->sid);
    say(client, "40");
    assert_memory_equal(request(client, NULL), "40{\"sid\":", 9);
}

/* A host's context is not to be destroyed with it. */
static void
leave(const struct client *client)
{
    close(client->fd);
    for (int i = 0; i < PATIENCE_MS / 10 && atomic_load(&gone) == 0; i++)
        home_pause(10);
    assert_int_equal(atomic_load(&gone), 1);
}

static void
begin_count(struct client *client)
{
    client->pings = 0;
    client->pinged = 0;
    client->shortest = INT64_MAX;
    client->longest = 0;
}

/* Two clients echo until each has had some heartbeats. A ping is never early,
 * and not late beyond what a busy machine makes of it. */
static void
live_on(struct client *clients, int beats)
{
    int64_t began = real(CLOCK_MONOTONIC);

    for (int i = 0; i < 2; i++)
        begin_count(&clients[i]);
    while (clients[0].pings < beats || clients[1].pings < beats) {
        assert_true(real(CLOCK_MONOTONIC) - began <
                    (int64_t)PATIENCE_MS * 1000000);
        for (int i = 0; i < 2; i++)
            echo(&clients[i]);
        home_pause(10);
    }
    assert_int_equal(atomic_load(&gone), 0);
    /* An interval begins when the answer to a ping has come. */
    for (int i = 0; i < 2; i++) {
        assert_true(clients[i].shortest > (INTERVAL_MS - 20) * SECOND / 1000);
        assert_true(clients[i].longest < (INTERVAL_MS + 3000) * SECOND / 1000);
    }
}

/* ---- The wall clock ---- */

static void
wall_clock_that_jumps_ends_nobody(void **state)
{
    const int64_t now = real(CLOCK_REALTIME);
    const int64_t walls[] = {
        now + DAY,
        now - DAY,
        INT32_MAX * SECOND - SECOND / 5, /* past 2038-01-19 03:14:07 */
        0,
        UINT32_MAX * SECOND - SECOND / 5,
        now,
    };

    (void)state;
    for (int kind = 0; kind < HOME_COUNT; kind++) {
        struct home *home =
            home_start_with((enum home_kind)kind, beat_fast, watch_ends);
        struct client clients[2];

        join_websocket(&clients[0], home);
        join_polling(&clients[1], home);
        live_on(clients, 2);
        /* a host is the same but for libwebsockets' own: half of them do */
        for (size_t i = 0; i < COUNT(walls); i += kind == HOME_OWN ? 1 : 3) {
            set_wall(walls[i]);
            live_on(clients, 2);
            assert_true(home_is_well(home));
        }
        leave(&clients[0]);
        home_stop(home);
        begin(NULL);
    }
}

/* ---- The monotonic clock, as after a machine was suspended ---- */

static void
await_ping(struct client *client)
{
    int64_t began = real(CLOCK_MONOTONIC);

    while (client->pings == 0) {
        assert_true(real(CLOCK_MONOTONIC) - began <
                    (int64_t)PATIENCE_MS * 1000000);
        hear(client);
        home_pause(5);
    }
}

/* Default heartbeats: 25 and 20 seconds. The time of a machine stands still,
 * and then an hour has passed. */
static void
clients_that_answer_stay_when_an_hour_is_lost(void **state)
{
    (void)state;
    for (int kind = 0; kind < HOME_COUNT; kind++) {
        struct home *home =
            home_start_with((enum home_kind)kind, NULL, watch_ends);
        struct client clients[2];

        join_websocket(&clients[0], home);
        join_polling(&clients[1], home);
        for (int round = 0; round < 3; round++) {
            freeze();
            for (int i = 0; i < 20; i++) {
                echo(&clients[0]);
                echo(&clients[1]);
                home_pause(5);
            }
            assert_int_equal(clients[0].pings + clients[1].pings, 0);
            jump(3600 * SECOND);
            for (int i = 0; i < 2; i++) {
                await_ping(&clients[i]);
                clients[i].pings = 0;
                echo(&clients[i]);
            }
            assert_int_equal(atomic_load(&gone), 0);
            assert_true(home_is_well(home));
        }
        leave(&clients[0]);
        home_stop(home);
        begin(NULL);
    }
}

/* As from Node: its time to answer is over. */
static void
who_owes_an_answer_when_an_hour_is_lost_is_gone(void **state)
{
    struct home *home = home_start_with(HOME_OWN, NULL, watch_ends);
    struct client clients[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        join_websocket(&clients[i], home);
    clients[0].is_rude = true;
    jump(26 * SECOND);
    for (int i = 0; i < 2; i++) {
        await_ping(&clients[i]);
        clients[i].pings = 0;
    }
    echo(&clients[1]); /* its answer has come as well */
    jump(3600 * SECOND);
    for (int i = 0; i < PATIENCE_MS / 10 && atomic_load(&gone) == 0; i++)
        home_pause(10);
    assert_int_equal(atomic_load(&gone), 1);
    assert_int_equal(atomic_load(&reason), SKIO_DISCONNECT_PING_TIMEOUT);
    await_ping(&clients[1]);
    echo(&clients[1]);
    assert_int_equal(atomic_load(&gone), 1);
    for (int i = 0; i < 2; i++)
        close(clients[i].fd);
    home_stop(home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(wall_clock_that_jumps_ends_nobody, begin),
        cmocka_unit_test_setup(clients_that_answer_stay_when_an_hour_is_lost,
                               begin),
        cmocka_unit_test_setup(who_owes_an_answer_when_an_hour_is_lost_is_gone,
                               begin),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
