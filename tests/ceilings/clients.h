/*
 * Clients in memory: a server on the core alone and any number of stock
 * clients, without sockets and without a clock
 *
 * For counting what an operation costs, so little is done here: what the server
 * writes is counted, and kept only while somebody wants to read it. Every
 * allocation of the server is counted. Nothing here is random, so that two runs
 * are the same to the instruction.
 *
 * What cannot happen in a test that is right ends the program.
 */
#ifndef TESTS_CEILINGS_CLIENTS_H
#define TESTS_CEILINGS_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/socketio.h>
#include <socketio/transport.h>

struct clients;

/* A request that the server has not answered yet, or none. */
struct client_request {
    struct clients *all;
    skio_exchange *exchange; /* NULL: none */
};

struct client {
    struct clients *all;
    skio_ws *ws; /* NULL: none, or closed */
    skio_socket *socket;
    struct client_request poll;
    struct client_request post;
    char query[80]; /* of a session that polls */
};

/* What was counted since clients_forget(). */
struct tally {
    size_t allocations; /* calls of malloc and of realloc */
    size_t bytes;       /* that these asked for */
    size_t calls;       /* of the server's handlers: they count themselves */
    size_t written;     /* bytes of frames and of response bodies */
};

struct clients {
    skio_server *server;
    skio_nsp *root;
    skio_socket *socket; /* the last that connected */
    skio_allocator allocator;
    struct client *list;
    size_t count;
    size_t gone; /* of these: the first so many have hung up */
    size_t cap;
    uint64_t now;
    uint64_t random;
    bool wants_flush;
    struct tally tally;
    size_t live_bytes; /* the server has now */
    /* While recording: what is written, a NUL after it. */
    bool records;
    char *record;
    size_t record_len;
    size_t record_cap;
};

/* Ends the program unless the condition holds. */
#define MUST(condition)                                                        \
    ((condition) ? (void)0 : clients_die(#condition, __FILE__, __LINE__))
_Noreturn void clients_die(const char *what, const char *file, int line);

/* A server, and room for so many clients. */
void clients_init(struct clients *clients, size_t cap);
/* Everything is freed; ends the program if the server left something. */
void clients_deinit(struct clients *clients);

void clients_forget(struct clients *clients);
void clients_record(struct clients *clients, bool records);

/* The end of a loop turn, if the server asked for one. */
void clients_flush(struct clients *clients);
/* Move the clock, and run the timers that are due. */
void clients_wait(struct clients *clients, uint32_t ms);

/* One more client, by WebSocket or by polling, in "/". */
struct client *client_connect(struct clients *clients);
struct client *client_connect_polling(struct clients *clients);
/* A text message arrives; no flush. */
void client_say(struct client *client, const char *text, size_t len);
/* The WebSocket ends, or the poll that waits; no flush. */
void client_hang_up(struct client *client);
/* A request of a client that polls; no flush. */
void client_poll(struct client *client);
void client_post(struct client *client, const char *body, size_t len);

#endif /* TESTS_CEILINGS_CLIENTS_H */
