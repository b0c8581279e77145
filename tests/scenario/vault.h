/*
 * An adapter that keeps sessions and events where several servers find them
 *
 * It stands for an adapter whose sessions and log are in Redis: what is
 * broadcast gets an offset, is kept, and is delivered on all servers at once;
 * questions are answered now, or when the vault is told to. What it hears of
 * sessions it notes with peer_note().
 */
#ifndef TESTS_SCENARIO_VAULT_H
#define TESTS_SCENARIO_VAULT_H

#include <socketio/adapter.h>

#include "scenario/peer.h"

#define VAULT_ADAPTERS 8
#define VAULT_SESSIONS 4
#define VAULT_EVENTS 16
#define VAULT_QUESTIONS 4

/* Names are lines: "a\nb\n". */
struct vault_session {
    char pid[24]; /* empty: the place is free */
    char sid[24];
    char rooms[200];
    char shared[100];
};

struct vault_event {
    char nsp[32];
    char json[200];
    unsigned char bytes[16];
    size_t bytes_len;
    bool has_bytes;
    char to[100];
    char except[100];
};

struct vault_question {
    skio_adapter_restoring *restoring; /* NULL: the place is free */
    skio_adapter *adapter;
    struct vault_session session; /* of session_missed(); else pid alone */
    bool is_again;
    char offset[80];
};

struct vault {
    struct peer *peer;
    skio_adapter *adapters[VAULT_ADAPTERS];
    struct vault_session sessions[VAULT_SESSIONS];
    struct vault_event events[VAULT_EVENTS]; /* offset n-0 is events[n - 1] */
    unsigned count;
    unsigned oldest; /* events before this offset are forgotten */
    struct vault_question questions[VAULT_QUESTIONS];

    const skio_server *dead; /* of this server nothing is heard any more */
    bool waits;              /* answer when vault_answer() says so */
    bool holds;              /* deliver when vault_release() says so */
    unsigned held;           /* events before this one were delivered */
    bool keeps;              /* a session is not used up when it is told */
    bool fails;              /* sessions cannot be saved */
    bool refuses;            /* questions are refused at once */
    bool is_quiet;           /* note nothing */
    const struct peer_ws *watched; /* note what is saved after it was sent
                                      something */
    bool abandons;                 /* close() answers no question */
    bool has_no_missed; /* no session_missed(), set before the servers */
    bool (*recovers)(skio_adapter *adapter); /* NULL: it does */
    /* Told in the place of what is kept, when it has a pid. */
    skio_adapter_session lie;
    skio_adapter_missed lie_missed; /* likewise, when it has JSON */
};

/* Make a server's namespaces use the vault. */
int vault_attach(struct vault *vault, skio_server *server);

/* Answer what is asked, with what is kept now. */
void vault_answer(struct vault *vault);

/* Deliver what is held, and hold nothing more. */
int vault_release(struct vault *vault);

/* The session with this private id, or NULL. */
struct vault_session *vault_find(struct vault *vault, const char *pid);

#endif /* TESTS_SCENARIO_VAULT_H */
