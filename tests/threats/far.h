/*
 * A server in a process of its own, so that its memory, its descriptors and its
 * CPU time are its alone
 *
 * The process is the same program again, with --serve and the name of a plan: a
 * test's main() begins with far_serve().
 */
#ifndef TESTS_THREATS_FAR_H
#define TESTS_THREATS_FAR_H

#include <stdint.h>
#include <sys/types.h>

#include "threats/home.h"

struct far_plan {
    const char *name;
    enum home_kind kind;
    unsigned descriptors; /* RLIMIT_NOFILE; no more than the machine's */
    void (*options)(skio_server_options *options); /* may be NULL */
};

struct far {
    pid_t pid;
    uint16_t port;
    int to;
    int from;
};

/* What a server has now, and what it has done. */
struct far_state {
    size_t sessions;
    size_t blocks; /* of the library */
    size_t heap;   /* bytes, libwebsockets' share included */
    size_t opened;
    size_t slow;       /* sessions closed as slow consumers */
    size_t broadcasts; /* still to come */
};

/* Serves, if the arguments say so, until its standard input ends. Returns the
 * exit status, or -1 when this is to be the test. */
int far_serve(int argc, char **argv, const struct far_plan *plans,
              size_t count);

void far_start(struct far *far, const char *plan);
/* Fails the test unless all of its memory was given back. */
void far_stop(struct far *far);
struct far_state far_state(const struct far *far);
/* Begin to send a kilobyte to everybody, so often, with pauses: the event is
 * ["tick", number, microseconds of CLOCK_MONOTONIC, "xxx…"]. */
void far_broadcast(const struct far *far, unsigned count, unsigned pause_ms);

size_t far_resident_kb(const struct far *far);
size_t far_peak_kb(const struct far *far);
size_t far_descriptors(const struct far *far);
uint64_t far_cpu_ms(const struct far *far);

/* Run this program again with these arguments, NULL at the end. Returns its
 * process id. */
pid_t far_spawn(char *const *argv);
/* Wait for it. Returns its exit status, or -1. */
int far_wait(pid_t pid);

#endif /* TESTS_THREATS_FAR_H */
