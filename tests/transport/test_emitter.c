/*
 * Emitters against a Redis that is played by a thread: many of them at once,
 * and without memory
 */
#define _POSIX_C_SOURCE 200809L /* sockets, MSG_NOSIGNAL */

#include <socketio/emitter.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/alloc.h"

#define EMITTERS 4
#define EVENTS 100

/* ---- A Redis that says ":1" to every command ---- */

struct peer {
    pthread_t thread;
    int fd;
    size_t commands; /* that one connection brought */
};

/* Commands here end with the packet's last member; nothing in them does. */
static const char last_words[] = "except\x90\r\n";

static void *
serve_one(void *arg)
{
    struct peer *peer = arg;
    const size_t len = sizeof(last_words) - 1;
    char bytes[4096];
    size_t got = 0;
    ssize_t n;

    while ((n = recv(peer->fd, bytes + got, sizeof(bytes) - got, 0)) > 0) {
        got += (size_t)n;
        if (got < len || memcmp(bytes + got - len, last_words, len) != 0)
            continue;
        got = 0;
        peer->commands++;
        if (send(peer->fd, ":1\r\n", 4, MSG_NOSIGNAL) != 4)
            break;
    }
    close(peer->fd);
    return NULL;
}

struct fake {
    int fd;
    uint16_t port;
    pthread_t thread;
    struct peer peers[256];
    size_t count;
};

static void *
serve_all(void *arg)
{
    struct fake *fake = arg;
    int fd;

    while (fake->count < sizeof(fake->peers) / sizeof(fake->peers[0]) &&
           (fd = accept(fake->fd, NULL, NULL)) >= 0) {
        struct peer *peer = &fake->peers[fake->count];

        peer->fd = fd;
        peer->commands = 0;
        if (pthread_create(&peer->thread, NULL, serve_one, peer) != 0) {
            close(fd);
            break;
        }
        fake->count++;
    }
    return NULL;
}

static void
fake_start(struct fake *fake)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);

    memset(fake, 0, sizeof(*fake));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fake->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fake->fd >= 0);
    assert_int_equal(bind(fake->fd, (const struct sockaddr *)&address,
                          sizeof(address)),
                     0);
    assert_int_equal(listen(fake->fd, 64), 0);
    assert_int_equal(getsockname(fake->fd, (struct sockaddr *)&address, &len),
                     0);
    fake->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&fake->thread, NULL, serve_all, fake), 0);
}

/* Emitters are gone, so every connection ends. Returns all commands. */
static size_t
fake_stop(struct fake *fake)
{
    size_t commands = 0;

    shutdown(fake->fd, SHUT_RDWR);
    pthread_join(fake->thread, NULL);
    for (size_t i = 0; i < fake->count; i++) {
        pthread_join(fake->peers[i].thread, NULL);
        commands += fake->peers[i].commands;
    }
    close(fake->fd);
    return commands;
}

/* ---- Threads ---- */

struct sender {
    pthread_t thread;
    uint16_t port;
    size_t sent;
};

static void *
send_events(void *arg)
{
    struct sender *sender = arg;
    skio_emitter_options options;
    skio_emitter *emitter;

    skio_emitter_options_init(&options);
    options.port = sender->port;
    if (skio_emitter_new(&emitter, &options) != SKIO_OK)
        return NULL;
    for (int i = 0; i < EVENTS; i++)
        if (skio_emitter_emit(emitter, "/", SKIO_TARGET(.to = SKIO_ROOMS("a")),
                              "ev", "%d, %s", i, "text") == SKIO_OK)
            sender->sent++;
    skio_emitter_free(emitter);
    return NULL;
}

static void
each_thread_may_have_an_emitter(void **state)
{
    struct sender senders[EMITTERS];
    struct fake fake;

    (void)state;
    fake_start(&fake);
    for (size_t i = 0; i < EMITTERS; i++) {
        senders[i].port = fake.port;
        senders[i].sent = 0;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_events,
                                        &senders[i]),
                         0);
    }
    for (size_t i = 0; i < EMITTERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].sent, EVENTS);
    }
    assert_int_equal(fake_stop(&fake), EMITTERS * EVENTS);
    assert_int_equal(fake.count, EMITTERS);
}

/* An emitter may move to another thread between two calls. */
static void *
send_one(void *arg)
{
    skio_emitter *emitter = arg;
    int err = skio_emitter_emit(emitter, "/", NULL, "ev", NULL);

    return err == SKIO_OK ? emitter : NULL;
}

static void
an_emitter_may_move_between_threads(void **state)
{
    skio_emitter_options options;
    skio_emitter *emitter;
    struct fake fake;

    (void)state;
    fake_start(&fake);
    skio_emitter_options_init(&options);
    options.port = fake.port;
    assert_int_equal(skio_emitter_new(&emitter, &options), SKIO_OK);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        void *sent;

        assert_int_equal(pthread_create(&thread, NULL, send_one, emitter), 0);
        pthread_join(thread, &sent);
        assert_ptr_equal(sent, emitter);
        assert_ptr_equal(send_one(emitter), emitter);
    }
    skio_emitter_free(emitter);
    assert_int_equal(fake_stop(&fake), 6);
    assert_int_equal(fake.count, 1);
}

/* ---- Memory ---- */

static void
sending_survives_failed_allocations(void **state)
{
    struct fake fake;
    size_t n = 0;
    int err;

    (void)state;
    fake_start(&fake);
    do {
        struct test_alloc alloc;
        skio_emitter_options options;
        skio_emitter *emitter;

        test_alloc_init(&alloc);
        skio_emitter_options_init(&options);
        options.port = fake.port;
        options.allocator = alloc.allocator;
        assert_int_equal(skio_emitter_new(&emitter, &options), SKIO_OK);

        test_alloc_fail(&alloc, ++n);
        err = skio_emitter_emit(emitter, "/", NULL, "ev", "%d", 1);
        assert_true(err == SKIO_OK || err == SKIO_ENOMEM);
        if (err != SKIO_OK)
            assert_string_equal(skio_emitter_error(emitter),
                                skio_strerror(SKIO_ENOMEM));
        test_alloc_fail(&alloc, 0);
        assert_int_equal(skio_emitter_emit(emitter, "/", NULL, "ev", "%d", 2),
                         SKIO_OK);
        skio_emitter_free(emitter);
        assert_int_equal(alloc.live, 0);
    } while (err != SKIO_OK && n < 100);
    assert_int_equal(err, SKIO_OK);
    assert_true(n > 4);
    fake_stop(&fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thread_may_have_an_emitter),
        cmocka_unit_test(an_emitter_may_move_between_threads),
        cmocka_unit_test(sending_survives_failed_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
