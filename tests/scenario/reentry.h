/*
 * Re-entrancy: every public call made from every callback
 *
 * A call is a line of one of the tables below; a moment is a callback of the
 * library. Whatever a call needs beside the objects that always are there is
 * made before, by reentry_prepare(), so that each pair is a server of its own,
 * a bystander, and one client whose story passes the moment.
 */
#ifndef TESTS_SCENARIO_REENTRY_H
#define TESTS_SCENARIO_REENTRY_H

#include <socketio/adapter.h>
#include <socketio/forward.h>
#include <socketio/parser.h>
#include <socketio/socketio.h>

#include "scenario/peer.h"

/* What a call needs beforehand. */
enum reentry_need {
    REENTRY_NOTHING,
    REENTRY_ACK,        /* a client's question that waits */
    REENTRY_NEXT,       /* a middleware's verdict that is awaited */
    REENTRY_MATCH,      /* that of a namespace made on demand */
    REENTRY_VERDICT,    /* and of a request */
    REENTRY_SERVER_ACK, /* another server's question */
    REENTRY_ADAPTER,    /* the adapter of reentry_adapter.c */
    REENTRY_ASKING,     /* there: a broadcast that waits for answers */
    REENTRY_RESPONSES,  /* there: a question to other servers */
    REENTRY_RESTORING,  /* there: a client that comes back */
    REENTRY_FORWARDER,  /* a server that passes polls on */
    REENTRY_FORWARDED,  /* there: a poll that waits for its answer */
};

/* All that a call may be made with. */
struct reentry {
    struct peer *peer; /* NULL: over a real transport */
    skio_server *server;
    skio_server *first; /* the same, or that which comes back to be it */
    bool ends;          /* what the call does */
    skio_nsp *root;
    skio_socket *socket; /* at hand; else the bystander */
    skio_socket *other;  /* the bystander */
    skio_session *session;
    const skio_value *args;

    struct peer_ws *ws; /* the bystander's */
    skio_value *value;
    skio_message *message;
    skio_message *carried; /* as an adapter has it */
    skio_timer *timer;
    skio_ack *ack;
    skio_next *next;
    skio_match *match;
    skio_verdict *verdict;
    skio_server_ack *server_ack;
    struct skio_asking *asking;
    struct skio_server_asking *responses;
    skio_adapter_restoring *restoring;
    skio_exchange *forwarded;
    skio_exchange *exchange; /* of a request whose body is awaited */
    skio_headers *headers;   /* those at hand; NULL: none */

    enum reentry_need holds; /* what its adapter does not answer */
    bool lacks;              /* the last call had not what it needs */
    unsigned odd;            /* results that are no documented ones */
    unsigned done;           /* calls that were made */
};

struct reentry_call {
    const char *name;
    enum reentry_need need;
    bool only_looks; /* it changes nothing */
    bool ends;       /* the server serves nobody afterwards */
    void (*fn)(struct reentry *r);
};

/* Each ends with a call without a name. */
extern const struct reentry_call reentry_server_calls[];
extern const struct reentry_call reentry_socket_calls[];
extern const struct reentry_call reentry_adapter_calls[];
extern const struct reentry_call reentry_transport_calls[];
extern const struct reentry_call reentry_addon_calls[];

/* Note a result: 0, a count, or an error that has a name. */
void reentry_result(struct reentry *r, long result);
/* Note an object: NULL, or one that can be read. */
void reentry_text(struct reentry *r, const char *text);
/* Note how a question to several sockets ended; user is the reentry. */
void reentry_answers(int err, const skio_value *args, size_t received,
                     size_t expected, void *user);

/* ---- The table of calls ---- */

#define REENTRY_FN(name, need, looks, ends, ...)                               \
    static void call_##name(struct reentry *r)                                 \
    {                                                                          \
        (void)r;                                                               \
        __VA_ARGS__;                                                           \
    }
#define REENTRY_ROW(name, need, looks, ends, ...)                              \
    {#name, REENTRY_##need, looks, ends, call_##name},
#define REENTRY_TABLE(table, CALLS)                                            \
    CALLS(REENTRY_FN)                                                          \
    const struct reentry_call table[] = {                                      \
        CALLS(REENTRY_ROW){NULL, REENTRY_NOTHING, false, false, NULL}};

/* Use an object once, if it is there. */
#define REENTRY_USE(object, ...)                                               \
    do {                                                                       \
        r->lacks = (object) == NULL;                                           \
        if (!r->lacks) {                                                       \
            __VA_ARGS__;                                                       \
        }                                                                      \
    } while (0)

/* ---- What a pair is made of ---- */

/* The adapter whose ops are moments: tells the name of each before it does what
 * the memory adapter does. */
int reentry_adapter(struct reentry *r,
                    void (*at)(struct reentry *r, const char *op,
                               skio_socket *socket));

/* Make what a call needs; the bystander is connected. */
void reentry_prepare(struct reentry *r, enum reentry_need need);
/* Give back what was not used. */
void reentry_cleanup(struct reentry *r);

#endif /* TESTS_SCENARIO_REENTRY_H */
