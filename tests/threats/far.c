#define _GNU_SOURCE /* pipe2 */

#include "threats/far.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <socketio/engine.h>
#include <socketio/loop.h>

#define TICK_BYTES 1024

/* ---- The server's process ---- */

static skio_server *server;
static skio_timer *ticker;
static unsigned ticks_left;
static unsigned ticks;
static unsigned tick_pause_ms;

static void
keep_server(skio_server *it)
{
    server = it;
}

/* On the loop thread. */
static void
tick(void *user)
{
    static char text[TICK_BYTES + 1];
    struct timespec now;
    long long us;

    (void)user;
    memset(text, 'x', TICK_BYTES);
    clock_gettime(CLOCK_MONOTONIC, &now);
    us = (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    if (skio_emit_all(skio_of(server, "/"), "tick", "%u,%lld,%s", ticks++, us,
                      text) != SKIO_OK ||
        (--ticks_left > 0 && skio_timer_set(ticker, tick_pause_ms) != SKIO_OK))
        abort(); /* the test sees the end of the process */
    if (ticks_left == 0) {
        skio_timer_free(ticker);
        ticker = NULL;
    }
}

static void
begin_ticks(skio_server *it, void *arg)
{
    unsigned *order = arg;

    if (it != NULL) {
        ticks_left = order[0];
        tick_pause_ms = order[1];
        ticks = 0;
        ticker = skio_timer_new(it, tick, NULL);
        if (ticker == NULL || skio_timer_set(ticker, 0) != SKIO_OK)
            abort();
    }
    free(order);
}

static void
report(skio_server *it, void *arg)
{
    const struct home *home = arg;
    skio_counters counters = {.struct_size = sizeof counters};

    if (it == NULL)
        return;
    skio_server_counters(it, &counters);
    printf("%zu %zu %zu %" PRIu64 " %" PRIu64 " %u\n", skio_server_sessions(it),
           home_blocks(home), home_heap(), counters.sessions_opened,
           counters.slow_consumers, ticks_left);
    fflush(stdout);
}

static int
obey(struct home *home)
{
    char line[64];

    while (fgets(line, sizeof line, stdin) != NULL) {
        int err = SKIO_EINVAL;

        if (strcmp(line, "state\n") == 0) {
            err = skio_server_post(server, report, home);
        } else if (strncmp(line, "broadcast ", 10) == 0) {
            unsigned *order = calloc(2, sizeof *order);
            char *end;

            if (order == NULL)
                return 1;
            order[0] = (unsigned)strtoul(line + 10, &end, 10);
            order[1] = (unsigned)strtoul(end, NULL, 10);
            err = skio_server_post(server, begin_ticks, order);
        }
        if (err != SKIO_OK)
            return 1;
    }
    return 0;
}

int
far_serve(int argc, char **argv, const struct far_plan *plans, size_t count)
{
    if (argc != 3 || strcmp(argv[1], "--serve") != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct rlimit limit;
        struct home *home;
        int status;

        if (strcmp(plans[i].name, argv[2]) != 0)
            continue;
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
            return 1;
        if (plans[i].descriptors < limit.rlim_max)
            limit.rlim_cur = plans[i].descriptors;
        else
            limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            return 1;
        home = home_start_with(plans[i].kind, plans[i].options, keep_server);
        printf("%u\n", (unsigned)home_port(home));
        fflush(stdout);
        status = obey(home);
        home_stop(home);
        return status;
    }
    return 2;
}

/* ---- The test's ---- */

/* A line of numbers. */
static void
read_numbers(const struct far *far, size_t *numbers, size_t count)
{
    char text[256], *at = text;
    size_t len = 0;

    do {
        ssize_t got = read(far->from, text + len, 1);

        if (got != 1 || len + 2 > sizeof text)
            fail_msg("the server's process has ended");
    } while (text[len++] != '\n');
    text[len] = '\0';
    for (size_t i = 0; i < count; i++)
        numbers[i] = strtoul(at, &at, 10);
}

pid_t
far_spawn(char *const *argv)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    return pid;
}

int
far_wait(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

void
far_start(struct far *far, const char *plan)
{
    int down[2], up[2];
    size_t port;

    assert_int_equal(pipe2(down, O_CLOEXEC), 0);
    assert_int_equal(pipe2(up, O_CLOEXEC), 0);
    far->pid = fork();
    assert_true(far->pid >= 0);
    if (far->pid == 0) {
        if (dup2(down[0], 0) == 0 && dup2(up[1], 1) == 1)
            execl("/proc/self/exe", "far", "--serve", plan, (char *)NULL);
        _exit(127);
    }
    close(down[0]);
    close(up[1]);
    far->to = down[1];
    far->from = up[0];
    read_numbers(far, &port, 1);
    far->port = (uint16_t)port;
}

void
far_stop(struct far *far)
{
    close(far->to);
    assert_int_equal(far_wait(far->pid), 0);
    close(far->from);
}

static void
tell(const struct far *far, const char *text)
{
    assert_int_equal(write(far->to, text, strlen(text)), strlen(text));
}

struct far_state
far_state(const struct far *far)
{
    size_t n[6];

    tell(far, "state\n");
    read_numbers(far, n, 6);
    return (struct far_state){n[0], n[1], n[2], n[3], n[4], n[5]};
}

void
far_broadcast(const struct far *far, unsigned count, unsigned pause_ms)
{
    char line[64];

    snprintf(line, sizeof line, "broadcast %u %u\n", count, pause_ms);
    tell(far, line);
}

/* A line of /proc/PID/status, in kilobytes. */
static size_t
status_kb(const struct far *far, const char *name)
{
    char path[64], line[256];
    size_t kb = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/status", (long)far->pid);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtoul(line + strlen(name), NULL, 10);
    fclose(file);
    assert_true(kb > 0);
    return kb;
}

size_t
far_resident_kb(const struct far *far)
{
    return status_kb(far, "VmRSS:");
}

size_t
far_peak_kb(const struct far *far)
{
    return status_kb(far, "VmHWM:");
}

size_t
far_descriptors(const struct far *far)
{
    char path[64];
    size_t count = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%ld/fd", (long)far->pid);
    dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2; /* . and .. */
}

uint64_t
far_cpu_ms(const struct far *far)
{
    char path[64], text[1024];
    const char *at;
    char *end;
    uint64_t ticks_used;
    size_t len;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)far->pid);
    file = fopen(path, "r");
    assert_non_null(file);
    len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    at = strrchr(text, ')'); /* the name may have blanks */
    for (int field = 2; at != NULL && field < 14; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL) {
        fail_msg("%s is not as it was", path);
        return 0;
    }
    ticks_used = strtoul(at, &end, 10);
    ticks_used += strtoul(end, NULL, 10);
    return ticks_used * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}
