/*
 * bench-load: the load generator's parts
 *
 * One thread, one epoll set, thousands of connections. It speaks as little
 * HTTP, WebSocket and Engine.IO as a load needs and reads answers in the order
 * in which it asked, so that any server, and the floor too, can be measured.
 * It is strict all the same: an answer of other bytes than expected, one too
 * many, one that does not come and a client that is cut off end the run.
 *
 *      load.c (options) ─▶ echo, groups, connect, upgrade, mixed
 *                              ├─▶ client.c, poll.c ─▶ net.c
 *                              └─▶ result.c (latencies, the server's /proc)
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_DEPTH = 64, MAX_PIDS = 64, PREFIX_SIZE = 64 };

struct options {
    const char *workload;
    const char *path; /* "/socket.io/" */
    uint16_t port;
    pid_t pids[MAX_PIDS]; /* the server's processes; none: not measured */
    unsigned pid_count;
    unsigned clients;
    unsigned idle; /* more clients, that do nothing */
    unsigned depth;
    unsigned rooms;
    unsigned memberships; /* rooms that each client is in */
    size_t size;          /* of a message's payload */
    double seconds;
    unsigned refusals; /* of upgrades, that are borne */
    bool polling;
    bool one_connection; /* polling: for GET and POST, in turn */
    bool browser;        /* send a browser's headers */
    bool tls;
};

extern struct options options;

/* ---- net.c: sockets and the loop */

/* What the loop calls when a socket can be read or written. */
struct watch {
    /* events: EPOLLOUT first, once the connection stands (TLS included). */
    void (*ready)(struct watch *watch, unsigned events);
    struct ssl_st *tls;
    int fd;
    bool standing;
};

uint64_t now_ns(void);
void net_start(void);
/* A connection on its way to the server, watched. */
void net_connect(struct watch *watch);
/* A descriptor that stands already. */
void net_watch(struct watch *watch);
/* As send() and recv(): -1 with EAGAIN when they would block. */
ssize_t net_send(struct watch *watch, const void *data, size_t len);
ssize_t net_recv(struct watch *watch, void *data, size_t room);
void net_want_write(struct watch *watch, bool wanted);
void net_close(struct watch *watch);
/* Run the loop until the deadline, or until *stop. */
void net_run(uint64_t deadline, const bool *stop);
/* The loop for so many seconds. */
void net_run_for(double seconds);
/* The same until *done, or the run fails: what, after a bounded time. */
void net_run_until(const bool *done, const char *what);
/* Ends the run: with errno, and with words as of printf(). */
void fail(const char *what) __attribute__((noreturn));
void give_up(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
/* malloc(), calloc() and realloc() or the end. */
void *need(void *memory);

/* ---- client.c: one Socket.IO client on a WebSocket */

enum client_state { CLOSED, UPGRADING, PROBING, OPENING, JOINING, READY };

struct client {
    struct watch watch;
    enum client_state state;
    unsigned index;
    const char *sid; /* of the session that it upgrades, or NULL */

    unsigned char head[10]; /* of the frame that arrives */
    unsigned head_len;
    uint64_t left;  /* bytes of its payload to come */
    size_t arrived; /* and those that have */
    bool in_payload;
    bool differs;             /* its payload, from what is expected */
    char prefix[PREFIX_SIZE]; /* how its payload begins */
    unsigned prefix_len;
    unsigned blank; /* bytes seen of the empty line after HTTP headers */

    char *out; /* what the kernel would not take yet */
    size_t out_len;

    uint64_t asked; /* when */
    unsigned waiting;
    uint64_t received;
};

/* What a workload does when something happens. */
struct workload {
    void (*ready)(struct client *client);
    /* An event or an ack, as expected when there is something expected. */
    void (*message)(struct client *client);
    void (*closed)(struct client *client);
    void (*probed)(struct client *client); /* "3probe" came */
    void (*pinged)(struct client *client);
    /* The server closed or refused before the client had joined; NULL: that
     * ends the load. */
    void (*refused)(struct client *client);
};

extern const struct workload *workload;

/* What every event and ack that a client gets must be; NULL: anything. */
extern const char *expected;
extern size_t expected_len;

/* sid: of the polling session to upgrade; NULL: a session of its own. */
void client_open(struct client *client, const char *sid);
void client_close(struct client *client);
/* Bytes of a finished frame, masked already. */
void client_write(struct client *client, const char *data, size_t len);
void client_write_text(struct client *client, const char *text);
/* After "3probe": upgrade, and join "/". */
void client_upgrade(struct client *client);
/* A masked text frame around text; free() it. */
char *frame_new(const char *text, size_t len, size_t *frame_len);
/* `PREFIX"xxxx"]`; free() it. */
char *event_new(const char *prefix, size_t size, size_t *len);
/* The same framed, count times over. */
char *event_frames(const char *prefix, size_t size, unsigned count,
                   size_t *len);
/* Open that many and wait until all are READY. */
void clients_open(unsigned count);
void client_lost(struct client *client);

extern struct client *clients;

/* ---- poll.c: one Socket.IO client on HTTP long-polling */

/* Open that many and wait until all have joined. */
void polls_open(unsigned count);
/* The same, and each has a GET waiting at the server from then on. pinged is
 * called for each ping that comes; NULL: nothing is. */
void polls_hold(unsigned count, void (*pinged)(void));
void polls_echo(void);

/* ---- the workloads, from when their clients are connected */

void run_echo(void);
void run_groups(unsigned count, bool rooms);
void run_connect(void);
void run_upgrade(void);
/* Opens its clients itself. */
void run_mixed(void);

/* Each of the clients joins that many rooms: room0 of index % count, and
 * further ones that it shares with all. */
void join_rooms(unsigned count, unsigned memberships);

/* ---- result.c */

/* Latencies in buckets of 1/32 of a power of two: 3 % wide. */
enum { SUB_BITS = 5, BUCKETS = 64 << SUB_BITS };

struct histogram {
    uint64_t buckets[BUCKETS];
    uint64_t count;
};

void histogram_add(struct histogram *histogram, uint64_t ns);
/* In µs; part is 0.99 for p99. */
double histogram_percentile(const struct histogram *histogram, double part);

extern bool counting; /* the warm-up is over, the end is not there yet */
extern bool stopping; /* no more is asked */

uint64_t server_cpu_ns(void);
uint64_t server_rss(void);
/* Resident bytes of the server by connection, since result_memory_begin(). */
void result_memory_begin(void);
void result_memory_end(unsigned connections);
double result_memory(void);
/* One operation, and how long it took. */
void result_add(uint64_t ns);
/* An operation that the server refused; so many there were. */
unsigned result_refused(void);
/* Run the load: a quarter of the time to warm up, then counting. Then nothing
 * more is asked. */
void result_run(void);
/* One line of JSON. */
void result_print(void);

#endif /* BENCH_LOAD_H */
