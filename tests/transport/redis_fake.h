/*
 * A Redis that says what a test wants, on as many connections as come
 */
#ifndef TESTS_TRANSPORT_REDIS_FAKE_H
#define TESTS_TRANSPORT_REDIS_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_CONNECTIONS 8
#define FAKE_WORDS 128

struct fake_connection {
    int fd; /* -1: none */
    bool subscribes;
    char buf[65536];
    size_t len;
};

struct fake {
    int listener;
    uint16_t port;
    struct fake_connection connections[FAKE_CONNECTIONS];
    /* What a command is answered with, if the test says so: true. The words are
     * NUL-terminated. Else: PONG, what a subscription is answered with, :1. */
    bool (*answer)(struct fake *fake, struct fake_connection *connection,
                   const char *const *words, size_t count);
    size_t commands; /* so far, without PING */
};

void fake_start(struct fake *fake);
void fake_stop(struct fake *fake);
/* Accept, read and answer what is there. */
void fake_step(struct fake *fake);
void fake_say(struct fake_connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The one that subscribes, or NULL. */
struct fake_connection *fake_subscriber(struct fake *fake);

#endif /* TESTS_TRANSPORT_REDIS_FAKE_H */
