/*
 * bench-load --port PORT [options] WORKLOAD: load on a Socket.IO server
 *
 *     echo       every client asks `echo` with an ack, --depth at a time
 *     broadcast  one client asks `broadcast`; each delivery counts
 *     room       the same in --rooms rooms at once
 *     connect    connect, join "/", leave, again
 *     idle       connect, join "/", do nothing: memory per connection
 *
 *     --clients N     (100) with --idle M more that do nothing
 *     --depth N       (1) asked in one write, before the answers
 *     --size BYTES    (32) of the payload
 *     --seconds S     (3) of counting, after a warm-up
 *     --pid PID       whose CPU time and memory are read from /proc
 *     --polling       HTTP long-polling (echo, idle)
 *     --browser       with the headers that a browser sends
 *     --path PATH     (/socket.io/)
 *
 * Prints one line of JSON.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

struct options options = {.path = "/socket.io/",
                          .clients = 100,
                          .depth = 1,
                          .rooms = 10,
                          .size = 32,
                          .seconds = 3};

static bool never;
static bool counting; /* latencies count after the warm-up */
static bool stopping;

static char *frames;
static size_t frames_len;

static void
ask(struct client *client, const char *data, size_t len)
{
    client->asked[0] = now_ns();
    client->waiting = options.depth;
    client_write(client, data, len);
}

/* Run the load: a quarter of the time to warm up, then counting. */
static void
run_counted(void)
{
    double seconds = options.seconds;

    net_run(now_ns() + (uint64_t)(seconds * 0.25e9), &never);
    result_begin();
    counting = true;
    net_run(now_ns() + (uint64_t)(seconds * 1e9), &never);
}

static void
lost(struct client *client)
{
    if (stopping)
        return;
    fprintf(stderr, "bench-load: client %u was disconnected\n", client->index);
    exit(1);
}

/* -------------------------------------------------------------------- echo */

static void
echo_message(struct client *client)
{
    if (client->prefix[1] != '3' || client->waiting == 0)
        return;
    if (counting) {
        result.count++;
        result_latency(now_ns() - client->asked[0]);
    }
    if (--client->waiting == 0)
        ask(client, frames, frames_len);
}

static const struct workload echo = {NULL, echo_message, lost};

static void
run_echo(void)
{
    frames = event_frames("echo", NULL, true, options.size, options.depth,
                          &frames_len);
    for (unsigned i = 0; i < options.clients; i++)
        ask(&clients[i], frames, frames_len);
    run_counted();
}

/* --------------------------------------------------------------- broadcast */

/* A group of receivers with one sender; broadcast is one group of all. */
struct group {
    struct client *sender;
    char *frames;
    size_t frames_len;
    unsigned members;
    uint64_t missing; /* deliveries until the next round */
};

static struct group *groups;
static unsigned group_count;

static void
group_ask(struct group *group)
{
    group->missing = (uint64_t)group->members * options.depth;
    ask(group->sender, group->frames, group->frames_len);
}

static void
group_message(struct client *client)
{
    struct group *group = &groups[client->index % group_count];

    if (client->prefix[1] != '2' || group->missing == 0)
        return;
    if (counting) {
        result.count++;
        result_latency(now_ns() - group->sender->asked[0]);
    }
    if (--group->missing == 0)
        group_ask(group);
}

static const struct workload grouped = {NULL, group_message, lost};

static unsigned joining;
static bool joined;

static void
join_message(struct client *client)
{
    (void)client;
    if (--joining == 0)
        joined = true;
}

static const struct workload join = {NULL, join_message, lost};

static void
run_groups(unsigned count, bool rooms)
{
    group_count = count;
    groups = calloc(count, sizeof(*groups));
    if (groups == NULL)
        fail("calloc");

    joining = options.clients;
    workload = &join;
    for (unsigned i = 0; i < options.clients; i++) {
        struct group *group = &groups[i % count];
        char room[32], text[64];
        size_t len;
        char *frame;

        group->members++;
        snprintf(room, sizeof(room), "room%u", i % count);
        if (group->sender == NULL) {
            group->sender = &clients[i];
            group->frames =
                event_frames(rooms ? "room" : "broadcast", rooms ? room : NULL,
                             false, options.size, options.depth,
                             &group->frames_len);
        }
        if (rooms) {
            snprintf(text, sizeof(text), "421[\"join\",\"%s\"]", room);
            frame = frame_new(text, strlen(text), &len);
            client_write(&clients[i], frame, len);
            free(frame);
        }
    }
    if (rooms)
        net_run(now_ns() + 60000000000u, &joined);

    workload = &grouped;
    for (unsigned i = 0; i < count; i++)
        if (groups[i].sender != NULL)
            group_ask(&groups[i]);
    run_counted();
}

/* ----------------------------------------------------------------- connect */

static void
connect_ready(struct client *client)
{
    if (counting) {
        result.count++;
        result_latency(now_ns() - client->asked[0]);
    }
    client_close(client);
    client_open(client);
    client->asked[0] = now_ns();
}

static void
ignore_message(struct client *client)
{
    (void)client;
}

static const struct workload connecting = {connect_ready, ignore_message, NULL};
static const struct workload idle = {NULL, ignore_message, lost};

static void
run_connect(void)
{
    for (unsigned i = 0; i < options.clients; i++) {
        client_open(&clients[i]);
        clients[i].asked[0] = now_ns();
    }
    run_counted();
}

/* -------------------------------------------------------------------- main */

static void
usage(void)
{
    fprintf(stderr, "usage: bench-load --port PORT [--pid PID] [--clients N] "
                    "[--idle N] [--depth N] [--size BYTES] [--rooms N] "
                    "[--seconds S] [--polling] [--browser] [--path PATH] "
                    "echo|broadcast|room|connect|idle\n");
    exit(2);
}

static void
parse(int argc, char **argv)
{
    static const struct option names[] =
        {{"port", required_argument, NULL, 'p'},
         {"pid", required_argument, NULL, 'P'},
         {"clients", required_argument, NULL, 'c'},
         {"idle", required_argument, NULL, 'i'},
         {"depth", required_argument, NULL, 'd'},
         {"size", required_argument, NULL, 's'},
         {"rooms", required_argument, NULL, 'r'},
         {"seconds", required_argument, NULL, 't'},
         {"path", required_argument, NULL, 'u'},
         {"polling", no_argument, NULL, 'l'},
         {"browser", no_argument, NULL, 'b'},
         {NULL, 0, NULL, 0}};
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        unsigned long number = optarg ? strtoul(optarg, NULL, 10) : 0;

        switch (name) {
        case 'p':
            options.port = (uint16_t)number;
            break;
        case 'P':
            options.pid = (pid_t)number;
            break;
        case 'c':
            options.clients = (unsigned)number;
            break;
        case 'i':
            options.idle = (unsigned)number;
            break;
        case 'd':
            options.depth = (unsigned)number;
            break;
        case 's':
            options.size = number;
            break;
        case 'r':
            options.rooms = (unsigned)number;
            break;
        case 't':
            options.seconds = optarg ? strtod(optarg, NULL) : 0;
            break;
        case 'u':
            options.path = optarg;
            break;
        case 'l':
            options.polling = true;
            break;
        case 'b':
            options.browser = true;
            break;
        default:
            usage();
        }
    }
    if (optind + 1 != argc || options.port == 0 || options.clients == 0 ||
        options.depth == 0 || options.rooms == 0)
        usage();
    options.workload = argv[optind];
}

int
main(int argc, char **argv)
{
    const char *name;
    struct rlimit limit;
    uint64_t before;
    unsigned total;
    double memory = 0;

    parse(argc, argv);
    name = options.workload;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            fail("setrlimit");
    }
    net_start();

    total = options.clients + options.idle;
    clients = calloc(total, sizeof(*clients));
    if (clients == NULL)
        fail("calloc");
    for (unsigned i = 0; i < total; i++)
        clients[i].index = i;
    before = server_rss();

    if (options.polling) {
        polls_open(options.clients);
        if (strcmp(name, "echo") == 0) {
            polls_echo(options.seconds);
        } else if (strcmp(name, "idle") == 0) {
            polls_hold();
            memory = (double)(server_rss() - before) / options.clients;
        } else {
            usage();
        }
    } else if (strcmp(name, "connect") == 0) {
        workload = &connecting;
        run_connect();
    } else {
        workload = strcmp(name, "echo") == 0 ? &echo : &idle;
        clients_open(total);
        if (strcmp(name, "echo") == 0) {
            run_echo();
        } else if (strcmp(name, "broadcast") == 0) {
            run_groups(1, false);
        } else if (strcmp(name, "room") == 0) {
            run_groups(options.rooms < options.clients ? options.rooms
                                                       : options.clients,
                       true);
        } else if (strcmp(name, "idle") == 0) {
            result_begin();
            net_run(now_ns() + 1000000000u, &never);
            memory = ((double)server_rss() - (double)before) / total;
        } else {
            usage();
        }
    }
    result_print(memory);
    stopping = true;
    return 0;
}
