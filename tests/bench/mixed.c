/*
 * mixed: one echo among thousands on both transports, and their heartbeats
 *
 * --idle clients, half of them on WebSockets and half with a poll held, only
 * answer pings. One client, in a process of its own so that it does not wait
 * for this one's work, asks for echoes all the time: its latencies are counted.
 * What they are beside no pings another run tells: of a server that sends none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

/* What both processes see. */
struct shared {
    struct histogram latencies;
};

static struct shared *shared;
static uint64_t websocket_pings, poll_pings;
static char *frame;
static size_t frame_len;

static void
ask(struct client *client)
{
    client->asked = now_ns();
    client_write(client, frame, frame_len);
}

static void
mixed_message(struct client *client)
{
    uint64_t now = now_ns();

    if (counting)
        histogram_add(&shared->latencies, now - client->asked);
    if (!stopping)
        ask(client);
}

static const struct workload echoing = {.message = mixed_message,
                                        .closed = client_lost};

/* The process with the one client, which begins when it reads a byte. */
static int
run_echoer(int start)
{
    char byte;

    if (read(start, &byte, 1) != 1)
        return 1;
    net_start();
    workload = &echoing;
    clients_open(1);
    expected = event_new("431[", options.size, &expected_len);
    frame = event_frames("421[\"echo\",", options.size, 1, &frame_len);
    ask(&clients[0]);
    result_run();
    return 0;
}

static void
pinged_websocket(struct client *client)
{
    (void)client;
    websocket_pings++;
}

static void
pinged_poll(void)
{
    poll_pings++;
}

static void
no_message(struct client *client)
{
    give_up("client %u got a message", client->index);
}

static const struct workload idling = {.message = no_message,
                                       .closed = client_lost,
                                       .pinged = pinged_websocket};

static bool ended;

/* The end of a pipe that the other process has: it has ended. */
static void
on_end(struct watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    ended = true;
}

void
run_mixed(void)
{
    unsigned polling = options.idle / 2;
    struct watch end = {.ready = on_end, .standing = true};
    uint64_t cpu, begun;
    double seconds;
    int start[2], ends[2], status;
    pid_t child;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(start) != 0 || pipe(ends) != 0)
        fail("mmap, pipe");
    child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        close(start[1]);
        close(ends[0]);
        exit(run_echoer(start[0]));
    }
    close(start[0]);
    close(ends[1]);

    options.one_connection = true;
    net_start();
    result_memory_begin();
    workload = &idling;
    clients_open(options.idle - polling);
    polls_hold(polling, pinged_poll);
    net_run_for(0.5);
    result_memory_end(options.idle);

    end.fd = ends[0];
    net_watch(&end);
    /* The echo's latency is the question, not what it waits for here. */
    if (setpriority(PRIO_PROCESS, 0, 5) != 0)
        fail("setpriority");
    cpu = server_cpu_ns();
    begun = now_ns();
    if (write(start[1], "", 1) != 1)
        fail("write");
    net_run_until(&ended, "the echoing client ends");
    if (waitpid(child, &status, 0) != child || status != 0)
        give_up("the echoing client failed");
    cpu = server_cpu_ns() - cpu;
    seconds = (double)(now_ns() - begun) / 1e9;

    printf("{\"workload\":\"mixed\",\"transport\":\"both\",\"idle\":%u,"
           "\"seconds\":%.1f,\"count\":%llu,\"busy\":%.3f,\"memory\":%.0f,"
           "\"websocket_pings\":%llu,\"poll_pings\":%llu,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f}\n",
           options.idle, seconds, (unsigned long long)shared->latencies.count,
           (double)cpu / 1e9 / seconds, result_memory(),
           (unsigned long long)websocket_pings, (unsigned long long)poll_pings,
           histogram_percentile(&shared->latencies, 0.5),
           histogram_percentile(&shared->latencies, 0.99),
           histogram_percentile(&shared->latencies, 0.999));
}
