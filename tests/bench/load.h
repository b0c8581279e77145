/*
 * bench-load: the load generator's parts
 *
 * One thread, one epoll set, thousands of connections. It speaks as little
 * HTTP, WebSocket and Engine.IO as a load needs and reads answers in the order
 * in which it asked, so that any server, and the floor too, can be measured.
 *
 *      main.c (load.c) ─▶ workload_*.c ─▶ client.c ─▶ net.c
 *                              └─▶ result.c (latencies, the server's /proc)
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_DEPTH = 64, PREFIX_SIZE = 16 };

struct options {
    const char *workload;
    const char *path; /* "/socket.io/" */
    uint16_t port;
    pid_t pid; /* the server's; 0: not measured */
    unsigned clients;
    unsigned idle; /* more clients, that do nothing */
    unsigned depth;
    unsigned rooms;
    size_t size; /* of a message's payload */
    double seconds;
    bool polling;
    bool browser; /* send a browser's headers */
};

extern struct options options;

/* ---- net.c: sockets and the loop */

/* What the loop calls when a socket can be read or written. */
struct watch {
    void (*ready)(struct watch *watch, unsigned events);
    int fd;
};

uint64_t now_ns(void);
void net_start(void);
/* A connection on its way to the server, watched. */
void net_connect(struct watch *watch);
void net_want_write(struct watch *watch, bool wanted);
void net_close(struct watch *watch);
/* Run the loop until the deadline, or until *stop. */
void net_run(uint64_t deadline, const bool *stop);
void fail(const char *what) __attribute__((noreturn));

/* ---- client.c: one Socket.IO client on a WebSocket */

enum client_state { CLOSED, UPGRADING, OPENING, JOINING, READY };

struct client {
    struct watch watch;
    enum client_state state;
    unsigned index;

    unsigned char head[10]; /* of the frame that arrives */
    unsigned head_len;
    uint64_t left; /* bytes of its payload to come */
    bool in_payload;
    char prefix[PREFIX_SIZE]; /* how its payload begins */
    unsigned prefix_len;
    unsigned blank; /* bytes seen of the empty line after HTTP headers */

    char *out; /* what the kernel would not take yet */
    size_t out_len;

    uint64_t asked[MAX_DEPTH]; /* when; a ring */
    unsigned oldest, waiting;
    uint64_t received;
    bool warm; /* its first answer, which is not counted, has come */
};

/* What a workload does when something happens. */
struct workload {
    void (*ready)(struct client *client);
    /* An event or an ack; prefix is how it begins. */
    void (*message)(struct client *client);
    void (*closed)(struct client *client);
};

extern const struct workload *workload;
extern struct client *clients;

void client_open(struct client *client);
void client_close(struct client *client);
/* Bytes of a finished frame, masked already. */
void client_write(struct client *client, const char *data, size_t len);
/* A masked text frame around text; free() it. */
char *frame_new(const char *text, size_t len, size_t *frame_len);
/* `42…["name","xxxx"]`, with an ack id when ack; framed, count times over. */
char *event_frames(const char *name, const char *room, bool ack, size_t size,
                   unsigned count, size_t *len);
/* Open that many and wait until all are READY. */
void clients_open(unsigned count);

/* ---- poll.c: one Socket.IO client on HTTP long-polling */

void polls_open(unsigned count);
void polls_echo(double seconds);
/* Each has one GET waiting at the server. */
void polls_hold(void);

/* ---- result.c */

struct result {
    uint64_t count;     /* of what the workload counts */
    uint64_t begun_ns;  /* when counting began, by the clock */
    uint64_t begun_cpu; /* and the server's CPU time then, ns */
};

extern struct result result;

uint64_t server_cpu_ns(void);
uint64_t server_rss(void);
void result_begin(void);
void result_latency(uint64_t ns);
/* One line of JSON. memory: bytes per connection, or 0. */
void result_print(double memory);

#endif /* BENCH_LOAD_H */
