/*
 * What the test servers share: a port, a log, and running until a signal
 */
#ifndef TESTS_INTEROP_PROGRAM_H
#define TESTS_INTEROP_PROGRAM_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <socketio/socketio.h>

static skio_server *program_running;

static inline void
program_on_signal(int number)
{
    (void)number;
    skio_server_stop(program_running);
}

/* For options.log; user is the program's name. */
static inline void
program_log(void *user, enum skio_log_level level, const char *message)
{
    if (level <= SKIO_LOG_WARN)
        fprintf(stderr, "%s: %s\n", (const char *)user, message);
}

/* The number that a string is, or -1. */
static inline long
program_port(const char *text)
{
    char *end;
    long port;

    errno = 0;
    port = strtol(text, &end, 10);
    return errno != 0 || end == text || *end != '\0' || port < 0 ||
                   port > UINT16_MAX
               ? -1
               : port;
}

/* Say where the server listens, and run it until SIGTERM or SIGINT. Afterwards
 * these end the process again. */
static inline int
program_run(skio_server *io)
{
    struct sigaction action = {.sa_handler = program_on_signal};
    int err;

    program_running = io;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    printf("listening on %u\n", (unsigned)skio_server_port(io));
    fflush(stdout);
    err = skio_run(io);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    return err;
}

#endif /* TESTS_INTEROP_PROGRAM_H */
