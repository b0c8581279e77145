/*
 * Connections: who is online, and what each of them was sent
 *
 * A connection is sent its user's notifications in the order of their numbers,
 * up to WINDOW of them without a receipt. `cursor` is the last one it was sent.
 * While it has all there is, a new notification goes to it straight from
 * memory; one that is behind asks the store for those after its cursor.
 *
 * The client's acknowledgement is the receipt: a notification is delivered once
 * one connection of the user has given it. What was sent but not acknowledged
 * when a connection ends is sent again to the next one; clients drop what they
 * have by its number. A client that owes a receipt for too long is
 * disconnected.
 */
#ifndef NOTIFY_CONNECTION_H
#define NOTIFY_CONNECTION_H

#include <socketio/socketio.h>

#include "writer.h"

#define WINDOW (2 * LOAD_MAX)
#define BUCKETS 4096

struct deliver {
    skio_nsp *nsp;
    struct writer *writer;
    uint32_t receipt_ms; /* how long a client may owe a receipt */
    struct connection *buckets[BUCKETS];
};

/* One socket, and who is behind it. Kept as long as somebody has a reference:
 * the socket, a receipt that is due, a job. */
struct connection {
    struct connection *next; /* in its bucket */
    struct deliver *deliver;
    skio_socket *socket; /* NULL: it has gone */
    int64_t user;        /* 0: not known yet */
    int64_t cursor;
    unsigned refs;
    unsigned unreceived; /* sent, without a receipt */
    unsigned leaving;    /* rooms, without an answer yet */
    bool is_loading;     /* the store was asked */
    bool is_behind;      /* the store has more after the cursor */
    char name[NAME_BYTES + 1];
};

struct connection *connection_ref(struct connection *connection);
void connection_unref(struct connection *connection);

/* The store knows its user, and has given the oldest of what waits. */
void connection_come(struct connection *connection, int64_t user);
/* Its socket has gone. */
void connection_go(struct connection *connection);

/* Take what the store gave: JOB_OPEN or JOB_LOAD. */
void connection_take(struct connection *connection, const struct job *job);

/* A new notification, or NULL: one that the store has. */
void connection_offer(struct connection *connection,
                      const struct notice *notice);

/* The first of the bucket that has this user's connections. */
struct connection *connection_first(const struct deliver *deliver,
                                    int64_t user);

#endif /* NOTIFY_CONNECTION_H */
