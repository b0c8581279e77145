/*
 * A cluster in one process: an adapter on the public interface alone that
 * carries everything to the other servers on the same bus, at once
 *
 * It stands for the cluster adapters in scenarios, and shows that the interface
 * suffices for one. A server that is deaf never answers: the questions put to
 * it end when the bus is told that time is up.
 */
#ifndef TESTS_SCENARIO_BUS_H
#define TESTS_SCENARIO_BUS_H

#include <socketio/adapter.h>

#define BUS_SERVERS 3
#define BUS_QUESTIONS 8

struct bus_adapter;
struct bus_carried;

/* One question to the other servers. */
struct bus_question {
    struct skio_server_asking *asking; /* NULL: the place is free */
    struct bus_adapter *from;
    unsigned missing;
    char answers[256]; /* values with commas between */
};

struct bus {
    skio_server *servers[BUS_SERVERS]; /* NULL: none */
    bool is_deaf[BUS_SERVERS];
    struct bus_question questions[BUS_QUESTIONS];
    struct bus_carried *carried; /* broadcasts that wait for answers */
    unsigned opened;
    unsigned shut_down;
};

/* Make a server's namespaces use the bus. */
int bus_attach(struct bus *bus, skio_server *server);

/* The servers that did not answer will not: SKIO_ETIMEDOUT for who waits. */
void bus_time_is_up(struct bus *bus);

#endif /* TESTS_SCENARIO_BUS_H */
