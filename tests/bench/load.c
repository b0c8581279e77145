/*
 * bench-load --port PORT [options] WORKLOAD: load on a Socket.IO server
 *
 *     echo       every client asks `echo` with an ack, --depth at a time
 *     broadcast  one client asks `broadcast`; each delivery counts
 *     room       the same in --rooms rooms at once
 *     connect    connect, join "/", leave, again
 *     upgrade    the same by polling, then upgrade to WebSocket
 *     idle       connect, join "/", do nothing: memory per connection
 *     mixed      an echo among --idle clients on both transports that do
 *                nothing: latencies in the heartbeat's rounds and between
 *
 *     --clients N       (100) with --idle M more that do nothing
 *     --depth N         (1) asked in one write, before the answers
 *     --size BYTES      (32) of the payload
 *     --memberships N   (1; idle: 0) rooms that each client is in
 *     --seconds S       (3) of counting, after a warm-up
 *     --pid PID         whose CPU time and memory are read from /proc; may be
 *                       given several times
 *     --polling         HTTP long-polling (echo, idle); --one-connection: a
 *                       single one for GET and POST in turn (idle)
 *     --tls             over TLS
 *     --browser         with the headers that a browser sends
 *     --path PATH       (/socket.io/)
 *     --refusals N      (0) upgrades that the server may refuse: they begin
 *                       anew, and are counted
 *
 * Prints one line of JSON. A wrong, a lost or an unasked answer, or a lost
 * connection, ends it with status 1 and says which.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"

struct options options = {.path = "/socket.io/",
                          .clients = 100,
                          .depth = 1,
                          .rooms = 10,
                          .size = 32,
                          .seconds = 3};

static void
usage(void)
{
    fprintf(stderr,
            "usage: bench-load --port PORT [--pid PID]... [--clients N] "
            "[--idle N] [--depth N] [--size BYTES] [--rooms N] "
            "[--memberships N] [--seconds S] [--polling [--one-connection]] "
            "[--tls] [--browser] [--path PATH] [--refusals N] "
            "echo|broadcast|room|connect|upgrade|idle|mixed\n");
    exit(2);
}

static const struct option names[] =
    {{"port", required_argument, NULL, 'p'},
     {"pid", required_argument, NULL, 'P'},
     {"clients", required_argument, NULL, 'c'},
     {"idle", required_argument, NULL, 'i'},
     {"depth", required_argument, NULL, 'd'},
     {"size", required_argument, NULL, 's'},
     {"rooms", required_argument, NULL, 'r'},
     {"memberships", required_argument, NULL, 'm'},
     {"seconds", required_argument, NULL, 't'},
     {"path", required_argument, NULL, 'u'},
     {"polling", no_argument, NULL, 'l'},
     {"one-connection", no_argument, NULL, '1'},
     {"tls", no_argument, NULL, 'T'},
     {"browser", no_argument, NULL, 'b'},
     {"refusals", required_argument, NULL, 'f'},
     {NULL, 0, NULL, 0}};

static void
parse_one(int name, const char *value)
{
    const char *text = value != NULL ? value : "";
    unsigned long number = strtoul(text, NULL, 10);

    switch (name) {
    case 'p':
        options.port = (uint16_t)number;
        break;
    case 'P':
        if (options.pid_count == MAX_PIDS)
            usage();
        options.pids[options.pid_count++] = (pid_t)number;
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
    case 'm':
        options.memberships = (unsigned)number;
        break;
    case 't':
        options.seconds = strtod(text, NULL);
        break;
    case 'u':
        options.path = value;
        break;
    case 'f':
        options.refusals = (unsigned)number;
        break;
    case 'l':
        options.polling = true;
        break;
    case '1':
        options.one_connection = true;
        break;
    case 'T':
        options.tls = true;
        break;
    case 'b':
        options.browser = true;
        break;
    default:
        usage();
    }
}

static void
parse(int argc, char **argv)
{
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1)
        parse_one(name, optarg);
    if (optind + 1 != argc || options.port == 0 || options.clients == 0 ||
        options.depth == 0 || options.depth > MAX_DEPTH || options.rooms == 0)
        usage();
    options.workload = argv[optind];
}

static bool
is(const char *workload_name)
{
    return strcmp(options.workload, workload_name) == 0;
}

static void
run_polling(void)
{
    if (is("echo") && !options.one_connection) {
        polls_open(options.clients);
        result_memory_end(options.clients);
        polls_echo();
    } else if (is("idle")) {
        polls_hold(options.clients, NULL);
        net_run_for(1.5);
        result_memory_end(options.clients);
    } else {
        usage();
    }
}

static void
idle_message(struct client *client)
{
    give_up("client %u got a message", client->index);
}

/* What clients do until they are all there, and an idle one later on. */
static const struct workload idle = {.message = idle_message,
                                     .closed = client_lost};

static void
run_websocket(unsigned total)
{
    unsigned rooms =
        options.rooms < options.clients ? options.rooms : options.clients;

    if (options.idle > 0 && !is("echo"))
        usage();
    workload = &idle;
    clients_open(total);
    if (is("room") || options.memberships > 0)
        join_rooms(rooms, options.memberships > 0 ? options.memberships : 1);
    workload = &idle;
    net_run_for(is("idle") ? 1 : 0.1);
    result_memory_end(total);

    if (is("echo"))
        run_echo();
    else if (is("broadcast"))
        run_groups(1, false);
    else if (is("room"))
        run_groups(rooms, true);
    else if (!is("idle"))
        usage();
}

int
main(int argc, char **argv)
{
    struct rlimit limit;
    unsigned total;

    parse(argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            fail("setrlimit");
    }
    signal(SIGPIPE, SIG_IGN);

    total = options.clients + options.idle;
    clients = need(calloc(total, sizeof(*clients)));
    for (unsigned i = 0; i < total; i++)
        clients[i].index = i;

    if (is("mixed")) {
        run_mixed();
        return 0;
    }
    net_start();
    result_memory_begin();
    if (options.polling)
        run_polling();
    else if (is("connect"))
        run_connect();
    else if (is("upgrade"))
        run_upgrade();
    else
        run_websocket(total);
    result_print();
    return 0;
}
