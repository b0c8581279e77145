/*
 * Two servers of a cluster without Redis: their messages wait, as bytes, until
 * the scenario has them carried
 *
 * It is a carrier of lib/adapter/cluster.h: everything that the Redis adapters
 * share runs as it does with them, in one thread and one step at a time.
 */
#ifndef TESTS_SCENARIO_RELAY_H
#define TESTS_SCENARIO_RELAY_H

#include "adapter/cluster.h"
#include "scenario/peer.h"

#define RELAY_SERVERS 2
#define RELAY_BYTES 4096
#define RELAY_WAITING 32

struct relay_message {
    int from;
    skio_nsp *nsp; /* whose it is */
    enum skio__wire_type type;
    size_t len;
    char bytes[RELAY_BYTES];
};

struct relay_count {
    skio__cluster_count_fn *fn; /* NULL: the place is free */
    void *user;
};

struct relay {
    bool is_classic;   /* the language; else that of cluster messages */
    bool is_down;      /* nothing can be sent */
    bool is_uncounted; /* nobody knows how many there are */
    size_t claimed;    /* so many, whatever is there; 0: those that are */
    bool is_deaf[RELAY_SERVERS]; /* what is carried to it is lost */
    skio_server *servers[RELAY_SERVERS];
    struct relay_message waiting[RELAY_WAITING];
    size_t count;
    struct relay_count counts[RELAY_WAITING];
    char rooms[256]; /* what the carrier was told of rooms: "+a -a " */
};

/* Make a server's namespaces use the relay. */
int relay_attach(struct relay *relay, skio_server *server);

/* Carry all that waits, and what is said meanwhile. */
void relay_run(struct relay *relay);

/* Let one server hear these bytes. */
int relay_tell(struct relay *relay, skio_nsp *nsp, const char *bytes,
               size_t len, enum skio__wire_classic_channel channel);

/* What a file's scenarios begin with: begin(peer, is_classic). */
#define RELAY_LANGUAGES(begin)                                                 \
    static void classic(struct peer *peer)                                     \
    {                                                                          \
        begin(peer, true);                                                     \
    }                                                                          \
    static void modern(struct peer *peer)                                      \
    {                                                                          \
        begin(peer, false);                                                    \
    }

/* Each of these in both languages. */
#define RELAY_BOTH(name)                                                       \
    static void name##_both(struct peer *peer);                                \
    SCENARIO(name##_classic, NULL, classic)                                    \
    {                                                                          \
        name##_both(peer);                                                     \
    }                                                                          \
    SCENARIO(name##_modern, NULL, modern)                                      \
    {                                                                          \
        name##_both(peer);                                                     \
    }                                                                          \
    static void name##_both(struct peer *peer)

#endif /* TESTS_SCENARIO_RELAY_H */
