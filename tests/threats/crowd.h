/*
 * Thousands of WebSocket clients in one thread, on a server in another process
 *
 * They come from 64 addresses of the loopback, so that a server with the usual
 * limit per address serves them.
 */
#ifndef TESTS_THREATS_CROWD_H
#define TESTS_THREATS_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CROWD_BUFFER 4096

enum crowd_step {
    CROWD_DIALS,
    CROWD_ASKS,  /* for the WebSocket */
    CROWD_OPEN,  /* has the open packet */
    CROWD_JOINS, /* has sent CONNECT */
    CROWD_IN,    /* may emit */
    CROWD_GONE,  /* refused, or closed by the server */
    CROWD_STEPS
};

struct crowd;

struct crowd_client {
    int fd; /* -1: none */
    enum crowd_step step;
    bool is_http; /* the answer is not over */
    uint64_t begun_us;
    uint64_t took_us; /* until it was where it is to stay */
    unsigned events;
    size_t len;
    unsigned char *buf; /* CROWD_BUFFER */
};

struct crowd {
    uint16_t port;
    enum crowd_step goal; /* CROWD_OPEN or CROWD_IN */
    bool is_deaf;         /* from then on it reads nothing */
    /* An event: the text of the packet, from "42", with a NUL. May be NULL. */
    void (*on_event)(struct crowd *crowd, struct crowd_client *client,
                     const char *text);
    void *user;

    /* The crowd's own. */
    struct crowd_client *clients;
    unsigned count;
    unsigned in[CROWD_STEPS]; /* how many are where */
    int epoll;
};

/* Set port, goal and what else; then this, and crowd_end(). */
void crowd_begin(struct crowd *crowd, unsigned count);
/* So many of those that have no connection dial, at once. */
void crowd_dial(struct crowd *crowd, unsigned most);
/* Let them work: until so many are at their goal, or the time is over. */
void crowd_work(struct crowd *crowd, unsigned arrived, uint64_t ms);
/* The connection of each ends, with a reset or in peace. */
void crowd_leave(struct crowd *crowd, bool reset);
void crowd_end(struct crowd *crowd);

/* How long it took a part of all that arrived, in milliseconds: 50 is the
 * median. */
uint64_t crowd_percentile(const struct crowd *crowd, unsigned percent);
uint64_t crowd_now_us(void);

/* One connection from address number n, or -1; not blocking unless asked. */
int crowd_connect(uint16_t port, unsigned n, int receive_buffer, bool waits);

#endif /* TESTS_THREATS_CROWD_H */
