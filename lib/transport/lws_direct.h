/*
 * WebSockets that are read and written here
 *
 * From the handshake on a WebSocket of the own context without
 * permessage-deflate is ours: a watcher in lws' libev loop tells when there is
 * something to read. One recv() takes what has come, into a buffer that all
 * share; one send() writes what waits, in lws_direct_out.c. With TLS, which lws
 * does not know of, both go through lws_sealed.c.
 *
 * Most come from lws_own.c, and lws never knew of them. Where it read the
 * request and shook hands, its reading is turned off; it learns of the end, and
 * closes the descriptor.
 *
 * The rest (a host's vhost, compression, lws' poll() loop) is read and
 * written by lws: lws_frames.c.
 */
#ifndef SKIO_TRANSPORT_LWS_DIRECT_H
#define SKIO_TRANSPORT_LWS_DIRECT_H

#include <ev.h>

#include "transport/frames.h"
#include "transport/lws.h"

#define SKIO__READ_MAX 65536 /* in one go; then the others' turn comes */

/* Bytes that came, and wait for more. */
struct skio__beginning {
    size_t len;
    unsigned char bytes[];
};

struct skio__pong;
struct skio__sealed;

struct skio__direct {
    struct ev_io io;             /* data: the conn */
    struct skio__pong *pong;     /* NULL: none waits */
    struct skio__sealed *sealed; /* NULL: there is no TLS */
    union {
        struct skio__frames frames;
        struct { /* lws_own.c, before it is a WebSocket */
            uint64_t body_left;
            uint32_t head_seen; /* with head_waits: bytes of it */
        };
        void *shaking; /* SSL, lws_handshake.c; NULL: not yet */
    };
    union {
        struct skio__direct *next;         /* fresh */
        struct skio__beginning *beginning; /* of a frame; lws_input.c */
    };

    /* lws_own.c: those that lws does not know */
    struct skio__direct *own_next;
    struct skio__direct **own_link; /* what points here; NULL: lws knows it */
};

/* What the listener makes: one block, so that a delivery finds what it needs of
 * both side by side. */
struct skio__accepted {
    struct skio__conn conn;
    struct skio__direct direct; /* as long as conn.is_accepted */
};

/* Whether a WebSocket whose handshake is done is one of these. */
bool skio__direct_may(const struct skio__conn *conn);
/* Make the buffer that all share. Returns whether it is there. */
bool skio__direct_has_inbox(struct skio__lws *transport);
/* From the end of the turn on. Returns 0, or -1: drop the connection. */
int skio__direct_begin(struct skio__conn *conn);
/* The end of a turn: lws has unwound. */
void skio__direct_begin_all(struct skio__lws *transport);
/* At once, one that lws does not know: write the answer to its handshake, and
 * what waits. Returns 0, or -1: drop the connection. */
int skio__direct_greet(struct skio__conn *conn, const void *answer, size_t len);
/* Keep these bytes, if there are any; none are yet. Returns 0, or -1: out of
 * memory. */
int skio__direct_keep(struct skio__conn *conn, const void *data, size_t len);
/* Before the descriptor is closed. */
void skio__direct_end(struct skio__conn *conn);
/* lws has bytes of this connection: see the definition. */
void skio__direct_refuse(struct skio__conn *conn);
/* Write what waits. Non-zero: the connection has ended. */
int skio__direct_write(struct skio__conn *conn);

#endif /* SKIO_TRANSPORT_LWS_DIRECT_H */
